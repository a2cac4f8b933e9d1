"""Reading and writing windows at traced positions: dynamic slices and gather.

A dynamic slice is always moved inside the array. Under vmap with mapped start indices it becomes
a gather, and a dynamic update becomes a scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import scalar
from fx.core.avals import ShapedArray
from fx.core.primitive import Linear, P, Primitive, instantiate, zeros
from fx.errors import FxTypeError, ShapeError
from fx.ops.base import add_axis, move_axis
from fx.ops.corners import gathered, sliced, updated
from fx.ops.dimension_numbers import (
    GatherDimensionNumbers,
    GatherScatterMode,
    batched_numbers,
    default_fill,
    gather_shape,
    scatter_numbers,
)
from fx.ops.numerics import gather_scatter


def _check_starts(name: str, x: ShapedArray, starts: Sequence[ShapedArray]) -> None:
    got = ", ".join(s.short() for s in starts)
    if len(starts) != x.ndim:
        raise ShapeError(
            f"{name} of {x.short()} expects one start index for each of its {x.ndim} axes, got "
            f"{len(starts)}: {got}."
        )
    for s in starts:
        if s.shape or not dtypes.is_integer(s.dtype) or s.dtype != starts[0].dtype:
            raise FxTypeError(
                f"{name} expects integer scalars of one dtype as start indices, got {got}."
            )


def _check_window(name: str, x: ShapedArray, sizes: Sequence[int]) -> None:
    if len(sizes) != x.ndim or any(
        not 0 <= size <= n for size, n in zip(sizes, x.shape, strict=True)
    ):
        raise ShapeError(
            f"{name} of {x.short()} expects a window of rank {x.ndim} that fits inside it, got "
            f"one of shape {tuple(sizes)}."
        )


def _window(x: Any, starts: Sequence[Any], sizes: Sequence[int]) -> tuple[slice, ...]:
    """Slices of the window, moved inside the array."""
    inside = [
        min(max(int(s), 0), n - size) for s, n, size in zip(starts, x.shape, sizes, strict=True)
    ]
    return tuple([slice(s, s + size) for s, size in zip(inside, sizes, strict=True)])


def _stack_starts(
    starts: Sequence[Any], dims: Sequence[int | None], size: int
) -> tuple[Any, int | None]:
    """Scalar start indices, some of them mapped, as the rows of one gather index."""
    if all(d is None for d in dims):
        columns = [P.reshape(s, new_sizes=(1,)) for s in starts]
        return P.concatenate(*columns, dimension=0), None
    columns = [
        P.broadcast_in_dim(s, shape=(size, 1), broadcast_dimensions=() if d is None else (0,))
        for s, d in zip(starts, dims, strict=True)
    ]
    return P.concatenate(*columns, dimension=1), 0


def _whole_window(rank: int) -> GatherDimensionNumbers:
    """The gather that reads one window, as a dynamic slice does."""
    return GatherDimensionNumbers(tuple(range(rank)), (), tuple(range(rank)))


class DynamicSlice(Primitive):
    """A window of static size at traced start indices, moved inside the array."""

    name = "dynamic_slice"

    def abstract_eval(
        self, x: ShapedArray, *starts: ShapedArray, slice_sizes: tuple[int, ...]
    ) -> ShapedArray:
        _check_starts(self.name, x, starts)
        _check_window(self.name, x, slice_sizes)
        return x.update(shape=slice_sizes)

    def impl(self, xp: Any, x: Any, *starts: Any, slice_sizes: tuple[int, ...]) -> Any:
        return x[_window(x, starts, slice_sizes)]

    def lower(
        self, graph: Any, args: Sequence[Any], out: Any, *, slice_sizes: tuple[int, ...]
    ) -> Any:
        return sliced(graph, args[0], args[1:], slice_sizes)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        if tangents[0] is None:
            return None
        return P.dynamic_slice(tangents[0], *primals[1:], **params)

    def transpose(self, ct: Any, x: Any, *starts: Any, **params: Any) -> list[Any]:
        into = zeros(ShapedArray(x.shape, ct.dtype))
        return [P.dynamic_update_slice(into, ct, *starts), *[None] * len(starts)]

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        slice_sizes: tuple[int, ...],
    ) -> Any:
        (x, *starts), (d, *start_dims) = args, dims
        if all(s is None for s in start_dims):
            sizes = (*slice_sizes[:d], axis.size, *slice_sizes[d:])
            return self.bind(x, *_with_zero(starts, d), slice_sizes=sizes), d
        index, index_dim = _stack_starts(starts, start_dims, axis.size)
        return P.gather.batch(
            axis,
            (x, index),
            (d, index_dim),
            dimension_numbers=_whole_window(len(starts)),
            slice_sizes=slice_sizes,
            indices_are_sorted=True,
            unique_indices=True,
            mode=GatherScatterMode.CLIP,
            fill_value=None,
        )


def _with_zero(starts: Sequence[Any], position: int) -> list[Any]:
    """Start indices with one more, 0, for an axis that a window covers."""
    dtype = starts[0].dtype if starts else np.dtype(np.int32)
    return [*starts[:position], scalar(0, dtype), *starts[position:]]


DynamicSlice()


class DynamicUpdateSlice(Primitive):
    """The operand with a window at traced start indices replaced, moved inside the array."""

    name = "dynamic_update_slice"

    def abstract_eval(
        self, x: ShapedArray, update: ShapedArray, *starts: ShapedArray
    ) -> ShapedArray:
        if x.dtype != update.dtype:
            raise FxTypeError(
                f"dynamic_update_slice of {x.short()} expects an update of the same dtype, got "
                f"{update.short()}."
            )
        _check_starts(self.name, x, starts)
        _check_window(self.name, x, update.shape)
        return x.update(weak_type=x.weak_type and update.weak_type)

    def impl(self, xp: Any, x: Any, update: Any, *starts: Any) -> Any:
        out = x.copy()
        out[_window(x, starts, update.shape)] = update
        return out

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        x, update, *starts = args
        return updated(graph, x, update, starts)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        x, update, *starts = primals
        t_x, t_update = tangents[:2]
        if t_x is None and t_update is None:
            return None
        return P.dynamic_update_slice(instantiate(t_x, x), instantiate(t_update, update), *starts)

    def transpose(self, ct: Any, x: Any, update: Any, *starts: Any) -> list[Any]:
        ct_x = ct_update = None
        if isinstance(x, Linear):
            ct_x = P.dynamic_update_slice(ct, zeros(ShapedArray(update.shape, ct.dtype)), *starts)
        if isinstance(update, Linear):
            ct_update = P.dynamic_slice(ct, *starts, slice_sizes=update.shape)
        return [ct_x, ct_update, *[None] * len(starts)]

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any]) -> Any:
        (x, update, *starts), (d, update_dim, *start_dims) = args, dims
        if all(s is None for s in start_dims):
            if d is None:
                x, d = add_axis(x, axis.size, update_dim), update_dim
            if update_dim is None:
                update = add_axis(update, axis.size, d)
            else:
                update = move_axis(update, update_dim, d)
            return self.bind(x, update, *_with_zero(starts, d)), d
        index, index_dim = _stack_starts(starts, start_dims, axis.size)
        return P.scatter.batch(
            axis,
            (x, index, update),
            (d, index_dim, update_dim),
            dimension_numbers=scatter_numbers(_whole_window(len(starts))),
            indices_are_sorted=True,
            unique_indices=True,
            mode=GatherScatterMode.CLIP,
        )


DynamicUpdateSlice()


class Gather(Primitive):
    """Windows of static size at the corners listed in an array of indices."""

    name = "gather"

    def abstract_eval(
        self,
        x: ShapedArray,
        indices: ShapedArray,
        *,
        dimension_numbers: GatherDimensionNumbers,
        slice_sizes: tuple[int, ...],
        indices_are_sorted: bool,
        unique_indices: bool,
        mode: GatherScatterMode,
        fill_value: Any,
    ) -> ShapedArray:
        return x.update(shape=gather_shape(x, indices, dimension_numbers, slice_sizes))

    def impl(
        self,
        xp: Any,
        x: Any,
        indices: Any,
        *,
        dimension_numbers: GatherDimensionNumbers,
        slice_sizes: tuple[int, ...],
        indices_are_sorted: bool,
        unique_indices: bool,
        mode: GatherScatterMode,
        fill_value: Any,
    ) -> Any:
        return gather_scatter.gather(
            xp,
            x,
            indices,
            dimension_numbers=dimension_numbers,
            slice_sizes=slice_sizes,
            mode=mode,
            fill_value=default_fill(x.dtype) if fill_value is None else fill_value,
        )

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        dimension_numbers: GatherDimensionNumbers,
        slice_sizes: tuple[int, ...],
        indices_are_sorted: bool,
        unique_indices: bool,
        mode: GatherScatterMode,
        fill_value: Any,
    ) -> Any:
        x, indices = args
        fill = None
        if mode is GatherScatterMode.FILL_OR_DROP:
            value = default_fill(x.dtype) if fill_value is None else fill_value
            fill = graph.constant(np.asarray(value).astype(x.dtype))
        return gathered(
            graph, x, indices, out.shape, numbers=dimension_numbers, sizes=slice_sizes, fill=fill
        )

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        if tangents[0] is None:
            return None
        return P.gather(tangents[0], primals[1], **(params | {"fill_value": 0}))

    def transpose(self, ct: Any, x: Any, indices: Any, **params: Any) -> list[Any]:
        into = zeros(ShapedArray(x.shape, ct.dtype))
        return [
            P.scatter_add(
                into,
                indices,
                ct,
                dimension_numbers=scatter_numbers(params["dimension_numbers"]),
                indices_are_sorted=params["indices_are_sorted"],
                unique_indices=params["unique_indices"],
                mode=params["mode"],
            ),
            None,
        ]

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        dimension_numbers: GatherDimensionNumbers,
        slice_sizes: tuple[int, ...],
        **params: Any,
    ) -> Any:
        (x, indices), (d, index_dim) = args, dims
        if index_dim is not None and index_dim == indices.ndim - 1:
            indices, index_dim = move_axis(indices, index_dim, 0), 0
        numbers, sizes, place = batched_numbers(
            dimension_numbers, slice_sizes, axis.size, d, index_dim
        )
        out = self.bind(x, indices, dimension_numbers=numbers, slice_sizes=sizes, **params)
        return out, place


Gather()
