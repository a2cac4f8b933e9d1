"""Writing windows at indices: scatter and its combining relatives.

Where windows overlap, `scatter` keeps the last update in row-major order, on every backend, so
that derivatives agree with values. The others combine all updates with the operand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.core.avals import ShapedArray
from fx.core.primitive import Linear, P, Primitive, instantiate, lit, zeros
from fx.errors import FxTypeError, ShapeError
from fx.ops.base import add_axis, broadcast_to, check_domain, move_axis
from fx.ops.corners import scattered_into
from fx.ops.dimension_numbers import (
    GatherScatterMode,
    ScatterDimensionNumbers,
    batched_numbers,
    gather_numbers,
    gather_shape,
    scatter_numbers,
    window_sizes,
)
from fx.ops.numerics import gather_scatter


class ScatterBase(Primitive):
    """What all scatters share: operands (operand, indices, updates), checks and batching."""

    kinds = "bifc"

    def __init__(self, name: str, kind: str):
        super().__init__(name)
        self.kind = kind

    def abstract_eval(
        self,
        x: ShapedArray,
        indices: ShapedArray,
        updates: ShapedArray,
        *,
        dimension_numbers: ScatterDimensionNumbers,
        indices_are_sorted: bool,
        unique_indices: bool,
        mode: GatherScatterMode,
    ) -> ShapedArray:
        if x.dtype != updates.dtype:
            raise FxTypeError(
                f"{self.name} into {x.short()} expects updates of the same dtype, got "
                f"{updates.short()}."
            )
        check_domain(self.name, x.dtype, self.kinds)
        sizes = window_sizes(x, updates, dimension_numbers)
        expected = gather_shape(x, indices, gather_numbers(dimension_numbers), sizes, self.name)
        if updates.shape != expected:
            raise ShapeError(
                f"{self.name} into {x.short()} at indices {indices.short()} expects updates of "
                f"shape {expected}, got {updates.short()}. Numbers: {dimension_numbers}."
            )
        return x

    def impl(
        self,
        xp: Any,
        x: Any,
        indices: Any,
        updates: Any,
        *,
        dimension_numbers: ScatterDimensionNumbers,
        indices_are_sorted: bool,
        unique_indices: bool,
        mode: GatherScatterMode,
    ) -> Any:
        return gather_scatter.scatter(
            xp,
            x,
            indices,
            updates,
            kind=self.kind,
            dimension_numbers=dimension_numbers,
            mode=mode,
            unique_indices=unique_indices,
        )

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        dimension_numbers: ScatterDimensionNumbers,
        indices_are_sorted: bool,
        unique_indices: bool,
        mode: GatherScatterMode,
    ) -> Any:
        x, indices, updates = args
        return scattered_into(
            graph, self.kind, x, indices, updates, numbers=dimension_numbers, mode=mode
        )

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        dimension_numbers: ScatterDimensionNumbers,
        **params: Any,
    ) -> Any:
        (x, indices, updates), (d, index_dim, update_dim) = args, dims
        if d is None:
            x, d = add_axis(x, axis.size, 0), 0
        if index_dim is not None and index_dim == indices.ndim - 1:
            indices, index_dim = move_axis(indices, index_dim, 0), 0
        numbers, _, place = batched_numbers(
            gather_numbers(dimension_numbers), (1,) * (x.ndim - 1), axis.size, d, index_dim
        )
        if update_dim is None:
            updates = add_axis(updates, axis.size, place)
        else:
            updates = move_axis(updates, update_dim, place)
        numbers = scatter_numbers(numbers)
        return self.bind(x, indices, updates, dimension_numbers=numbers, **params), d


def _read(x: Any, indices: Any, updates: Any, params: dict[str, Any], fill_value: Any = 0) -> Any:
    """What stands in `x` where `updates` are written; the fill value for updates left out."""
    numbers = params["dimension_numbers"]
    sizes = window_sizes(x.aval, ShapedArray(updates.shape, updates.dtype), numbers)
    return P.gather(
        x,
        indices,
        dimension_numbers=gather_numbers(numbers),
        slice_sizes=sizes,
        indices_are_sorted=params["indices_are_sorted"],
        unique_indices=params["unique_indices"],
        mode=params["mode"],
        fill_value=fill_value,
    )


def _full(shape: tuple[int, ...], dtype: Any) -> Any:
    return zeros(ShapedArray(shape, np.dtype(dtype)))


class Scatter(ScatterBase):
    """Replace elements; of several updates of one element the last remains."""

    kinds = "bifck"

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        x, indices, updates = primals
        t_x, t_updates = instantiate(tangents[0], x), instantiate(tangents[2], updates)
        return P.scatter(t_x, indices, t_updates, **params)

    def transpose(self, ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
        ct_x = ct_updates = None
        if isinstance(x, Linear):
            ct_x = P.scatter(ct, indices, _full(updates.shape, ct.dtype), **params)
        if isinstance(updates, Linear):
            ct_updates = _read(ct, indices, updates, params)
            if not params["unique_indices"]:
                last = self._remains(ct.shape, indices, updates.shape, params)
                ct_updates = P.select_n(last, _full(updates.shape, ct.dtype), ct_updates)
        return [ct_x, None, ct_updates]

    def _remains(
        self, shape: tuple[int, ...], indices: Any, update_shape: tuple[int, ...], params: Any
    ) -> Any:
        """Which elements of the updates are not overwritten by later ones."""
        size = int(np.prod(update_shape))
        dtype = np.dtype(np.int32 if size < np.iinfo(np.int32).max else np.int64)
        numbers = P.iota(dtype=dtype, shape=(size,), dimension=0)
        numbers = P.reshape(P.add(numbers, lit(numbers, 1)), new_sizes=update_shape)
        written = P.scatter(_full(shape, dtype), indices, numbers, **params)
        return P.eq(_read(written, indices, numbers, params), numbers)


class ScatterAdd(ScatterBase):
    """Add to elements: linear in the operand and in the updates."""

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        if tangents[2] is None:
            return tangents[0]
        t_x = instantiate(tangents[0], primals[0])
        return P.scatter_add(t_x, primals[1], tangents[2], **params)

    def transpose(self, ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
        ct_updates = None
        if isinstance(updates, Linear):
            ct_updates = _read(ct, indices, updates, params)
        return [ct if isinstance(x, Linear) else None, None, ct_updates]


class ScatterMul(ScatterBase):
    """Multiply elements."""

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        x, indices, updates = primals
        t_x, _, t_updates = tangents
        total = None if t_x is None else P.scatter_mul(t_x, indices, updates, **params)
        if t_updates is None:
            return total
        others = self._others(x, indices, updates, params)
        total = _full(out.shape, out.dtype) if total is None else total
        return P.scatter_add(total, indices, P.mul(t_updates, others), **params)

    def _others(self, x: Any, indices: Any, updates: Any, params: dict[str, Any]) -> Any:
        """For each update the product of the operand and all other updates at its place.

        Zeros are counted and left out of the product, so that it can be divided by each update.
        """
        if params["unique_indices"]:
            return _read(x, indices, updates, params)
        is_zero = P.eq(updates, lit(updates, 0))
        count = P.convert_element_type(is_zero, new_dtype=np.dtype(np.int32))
        safe = P.select_n(is_zero, updates, broadcast_to(lit(updates, 1), updates.shape))
        product = P.scatter_mul(x, indices, safe, **params)
        zero_counts = P.scatter_add(_full(x.shape, np.int32), indices, count, **params)
        other_zeros = P.sub(_read(zero_counts, indices, updates, params), count)
        quotient = P.div(_read(product, indices, updates, params), safe)
        none = P.eq(other_zeros, lit(other_zeros, 0))
        return P.select_n(none, _full(updates.shape, updates.dtype), quotient)

    def transpose(self, ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
        if isinstance(x, Linear):
            return [P.scatter_mul(ct, indices, updates, **params), None, None]
        if not params["unique_indices"]:
            raise FxTypeError(
                "scatter_mul is not linear in its updates where several meet: pass "
                "unique_indices=True to transpose it with respect to them."
            )
        return [None, None, _read(P.mul(ct, x), indices, updates, params)]


class ScatterExtremum(ScatterBase):
    """Minimum or maximum of elements; those that tie for it share the derivative equally."""

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        x, indices, updates = primals
        t_x, t_updates = instantiate(tangents[0], x), instantiate(tangents[2], updates)
        chosen = _read(out, indices, updates, params)
        x_hits = P.convert_element_type(P.eq(x, out), new_dtype=out.dtype)
        update_hits = P.convert_element_type(P.eq(updates, chosen), new_dtype=out.dtype)
        count = P.scatter_add(x_hits, indices, update_hits, **params)
        total = P.scatter_add(P.mul(t_x, x_hits), indices, P.mul(t_updates, update_hits), **params)
        return P.div(total, count)


Scatter("scatter", "set")
ScatterAdd("scatter_add", "add")
ScatterMul("scatter_mul", "mul")
ScatterExtremum("scatter_min", "min")
ScatterExtremum("scatter_max", "max")
