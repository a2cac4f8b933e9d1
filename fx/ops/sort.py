"""Sorting and selection of the largest elements, along one axis.

Tangents move as their elements do: they are gathered by the positions that the sort found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.core.avals import ShapedArray
from fx.core.primitive import P, Primitive
from fx.errors import FxValueError, ShapeError
from fx.kernel.graph import NATIVE
from fx.ops.base import add_axis, check_domain, move_axis
from fx.ops.dimension_numbers import GatherDimensionNumbers, GatherScatterMode
from fx.ops.numerics import sort
from fx.ops.orders import along, at_end, back, sort_order


def take_along(x: Any, indices: Any, axis: int) -> Any:
    """`x[..., indices[..., i, ...], ...]` along one axis; the positions differ and are inside."""
    others = tuple(i for i in range(x.ndim) if i != axis)
    numbers = GatherDimensionNumbers(
        offset_dims=(),
        collapsed_slice_dims=(axis,),
        start_index_map=(axis,),
        operand_batching_dims=others,
        start_indices_batching_dims=others,
    )
    return P.gather(
        x,
        P.reshape(indices, new_sizes=(*indices.shape, 1)),
        dimension_numbers=numbers,
        slice_sizes=(1,) * x.ndim,
        indices_are_sorted=False,
        unique_indices=True,
        mode=GatherScatterMode.PROMISE_IN_BOUNDS,
        fill_value=None,
    )


def _check_axis(name: str, x: ShapedArray, axis: int) -> None:
    if not 0 <= axis < x.ndim:
        raise FxValueError(f"{name} of {x.short()} expects an axis in [0, {x.ndim}), got {axis}.")


class Sort(Primitive):
    """Operands of one shape, sorted together along an axis by the first `num_keys` of them."""

    name = "sort"
    multiple_results = True

    def abstract_eval(
        self, *operands: ShapedArray, dimension: int, is_stable: bool, num_keys: int
    ) -> list[ShapedArray]:
        if not operands:
            raise FxValueError("sort needs at least one operand, got none.")
        if any(x.shape != operands[0].shape for x in operands):
            got = ", ".join(x.short() for x in operands)
            raise ShapeError(f"sort expects operands of one shape, got {got}.")
        if not 1 <= num_keys <= len(operands):
            raise FxValueError(
                f"sort expects num_keys between 1 and the number of operands, {len(operands)}, "
                f"got {num_keys}."
            )
        _check_axis(self.name, operands[0], dimension)
        for key in operands[:num_keys]:
            check_domain(self.name, key.dtype, "bifc")
        return list(operands)

    def impl(
        self, xp: Any, *operands: Any, dimension: int, is_stable: bool, num_keys: int
    ) -> list[Any]:
        return sort.sort_multi(
            xp, operands, dimension=dimension, is_stable=is_stable, num_keys=num_keys
        )

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Sequence[Any],
        *,
        dimension: int,
        is_stable: bool,
        num_keys: int,
    ) -> Any:
        if any(x.dtype not in NATIVE for x in args):
            return None
        order = sort_order(graph, args[:num_keys], dimension)
        if order is None:
            return None
        sorted_ones = [along(graph, at_end(graph, x, dimension), order) for x in args]
        return [back(graph, x, dimension) for x in sorted_ones]

    def jvp_call(
        self,
        primals: Sequence[Any],
        tangents: Sequence[Any],
        *,
        dimension: int,
        is_stable: bool,
        num_keys: int,
    ) -> tuple[Any, Any]:
        # Positions sorted along as one more operand say where each element came from.
        positions = P.iota(dtype=np.dtype(np.int32), shape=primals[0].shape, dimension=dimension)
        *outs, order = self.bind(
            *primals, positions, dimension=dimension, is_stable=is_stable, num_keys=num_keys
        )
        moved = [None if t is None else take_along(t, order, dimension) for t in tangents]
        return outs, moved

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        dimension: int,
        is_stable: bool,
        num_keys: int,
    ) -> Any:
        place = next(d for d in dims if d is not None)
        operands = [
            add_axis(x, axis.size, place) if d is None else move_axis(x, d, place)
            for x, d in zip(args, dims, strict=True)
        ]
        outs = self.bind(
            *operands,
            dimension=dimension + (dimension >= place),
            is_stable=is_stable,
            num_keys=num_keys,
        )
        return outs, [place] * len(outs)


class TopK(Primitive):
    """The k largest elements along an axis, in descending order, and their positions (int32)."""

    name = "top_k"
    multiple_results = True

    def abstract_eval(self, x: ShapedArray, *, k: int, axis: int) -> list[ShapedArray]:
        check_domain(self.name, x.dtype, "bif")
        _check_axis(self.name, x, axis)
        if not 0 <= k <= x.shape[axis]:
            raise FxValueError(
                f"top_k of {x.short()} expects k in [0, {x.shape[axis]}], the size of axis "
                f"{axis}, got {k}."
            )
        shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
        return [x.update(shape=shape), ShapedArray(shape, np.dtype(np.int32))]

    def impl(self, xp: Any, x: Any, *, k: int, axis: int) -> Sequence[Any]:
        return sort.top_k(xp, x, k, axis)

    def lower(
        self, graph: Any, args: Sequence[Any], out: Sequence[Any], *, k: int, axis: int
    ) -> Any:
        order = sort_order(graph, args, axis, largest=True) if k else None
        if order is None:
            return None
        first = graph.view(order, (*order.shape[:-1], k), range(len(order.shape)))
        values = along(graph, at_end(graph, args[0], axis), first)
        return [back(graph, values, axis), back(graph, first, axis)]

    def jvp(
        self, primals: Any, out: Sequence[Any], tangents: Sequence[Any], *, k: int, axis: int
    ) -> list[Any]:
        return [take_along(tangents[0], out[1], axis), None]

    def batch(
        self, axis_data: Any, args: Sequence[Any], dims: Sequence[Any], *, k: int, axis: int
    ) -> Any:
        return self.bind(args[0], k=k, axis=axis + (axis >= dims[0])), [dims[0], dims[0]]


Sort()
TopK()
