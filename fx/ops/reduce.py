"""Reductions: a monoid folded over some axes, and the positions of extrema.

All members share shapes, batching and the eager fast path; each says its ufunc, its identity and
its derivative. Sums and products of half-precision floats accumulate in float32.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.primitive import P, Primitive
from fx.errors import FxTypeError, FxValueError
from fx.ops.base import check_domain, in_domain
from fx.ops.numerics import sort
from fx.util import fp_enter, fp_exit, without

_HALF = frozenset((np.dtype(np.float16), np.dtype(dtypes.bfloat16), *dtypes.FLOAT8))


def accumulator(dtype: np.dtype) -> np.dtype:
    """The dtype in which values of `dtype` are summed: float32 for half precision."""
    return np.dtype(np.float32) if dtype in _HALF else dtype


def spread(x: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """The result of a reduction repeated over the reduced axes: the transpose of a sum."""
    kept = without(range(len(shape)), axes)
    return P.broadcast_in_dim(x, shape=shape, broadcast_dimensions=kept)


def shifted(axes: tuple[int, ...], dim: int) -> tuple[tuple[int, ...], int]:
    """Reduced axes of a batched operand, and where its mapped axis ends up in the result."""
    moved = tuple(a + (a >= dim) for a in axes)
    return moved, dim - sum(a < dim for a in moved)


class OverAxes(Primitive):
    """An operation that removes `axes` (distinct non-negative integers) of its one operand.

    `kinds` is its dtype domain.
    """

    kinds = "bifc"

    def check(self, ndim: int, dtype: np.dtype, axes: tuple[int, ...]) -> None:
        """Raise unless the dtype is in the domain and the axes exist, once each."""
        if not in_domain(dtype, self.kinds):
            check_domain(self.name, dtype, self.kinds)
        if axes and (max(axes) >= ndim or min(axes) < 0 or len(set(axes)) != len(axes)):
            raise FxValueError(
                f"{self.name} expects distinct axes in [0, {ndim}) for an operand of rank {ndim}, "
                f"got axes={axes}."
            )

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        axes, dim = shifted(params.pop("axes"), dims[0])
        return self.bind(args[0], axes=axes, **params), dim


class Reduction(OverAxes):
    """A fold of the elements along the axes to one of the same dtype."""

    def abstract_eval(self, x: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
        self.check(x.ndim, x.dtype, axes)
        return ShapedArray(without(x.shape, axes), x.dtype, x.weak_type)

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        (x,) = args
        if type(x) is not Array:
            return super().eager(args, params)
        data = x._data
        self.check(data.ndim, data.dtype, params["axes"])
        token = fp_enter()
        try:
            out = self.impl(np, data, **params)
        finally:
            fp_exit(token)
        return Array(out if type(out) is np.ndarray else np.asarray(out), x.weak_type)


class ReduceSum(Reduction):
    """Sum."""

    name = "reduce_sum"
    kinds = "ifc"

    def impl(self, xp: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        dtype = x.dtype
        if dtype in _HALF:
            return _add(xp, x, axes, np.float32).astype(dtype)
        return _add(xp, x, axes, dtype)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, axes: tuple[int, ...]) -> Any:
        return graph.reduce("add", args[0], axes)

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], *, axes: tuple[int, ...]) -> Any:
        return P.reduce_sum(tangents[0], axes=axes)

    def transpose(self, ct: Any, x: Any, *, axes: tuple[int, ...]) -> list[Any]:
        return [spread(ct, x.shape, axes)]


def _add(xp: Any, x: Any, axes: tuple[int, ...], dtype: Any) -> Any:
    if xp is not np:
        return xp.sum(x, axis=axes, dtype=dtype)
    if len(axes) == 1 and axes[0] == x.ndim - 1 and x.dtype in _BLAS:
        size = x.shape[-1]
        if _SHORT <= size <= _LONG and x.strides[-1] == x.itemsize:
            return np.vecdot(x, _ones(size, x.dtype))
    return np.add.reduce(x, axis=axes, dtype=dtype)


# BLAS adds up rows twice as fast as NumPy does, but in order: only pairwise sums stay accurate
# for long ones.
_BLAS = frozenset((np.dtype(np.float32), np.dtype(np.float64)))
_SHORT, _LONG = 4, 4096


@functools.lru_cache(maxsize=64)
def _ones(size: int, dtype: np.dtype) -> np.ndarray:
    return np.ones(size, dtype)


class ReduceProd(Reduction):
    """Product."""

    name = "reduce_prod"
    kinds = "ifc"

    def impl(self, xp: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        dtype = x.dtype
        if dtype in _HALF:
            return _multiply(xp, x, axes, np.float32).astype(dtype)
        return _multiply(xp, x, axes, dtype)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, axes: tuple[int, ...]) -> Any:
        return graph.reduce("mul", args[0], axes)

    def jvp(
        self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], *, axes: tuple[int, ...]
    ) -> Any:
        if primals[0].size == 0:
            return None
        dual = (primals[0], tangents[0])
        for axis in axes:
            dual = _dual_product(dual, axis)
        return P.reshape(dual[1], new_sizes=out.shape)


def _multiply(xp: Any, x: Any, axes: tuple[int, ...], dtype: Any) -> Any:
    if xp is np:
        return np.multiply.reduce(x, axis=axes, dtype=dtype)
    return xp.prod(x, axis=axes, dtype=dtype)


def section(x: Any, axis: int, start: int, limit: int, stride: int = 1) -> Any:
    """`x[start:limit:stride]` along one axis."""
    starts, limits, strides = [0] * x.ndim, list(x.shape), [1] * x.ndim
    starts[axis], limits[axis], strides[axis] = start, limit, stride
    return P.slice(
        x,
        start_indices=tuple(starts),
        limit_indices=tuple(limits),
        strides=None if stride == 1 else tuple(strides),
    )


def dual_mul(x: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, Any]:
    """Product of two (value, tangent) pairs; without a division it is right at zeros too."""
    return P.mul(x[0], y[0]), P.add(P.mul(x[1], y[0]), P.mul(x[0], y[1]))


def _dual_product(dual: tuple[Any, Any], axis: int) -> tuple[Any, Any]:
    """Product along one axis (which stays, with size 1) and its tangent, as a tree of halves."""
    size, odd = dual[0].shape[axis], []
    while size > 1:
        if size % 2:
            odd.append(tuple([section(v, axis, size - 1, size) for v in dual]))
        half = size // 2
        low = tuple([section(v, axis, 0, half) for v in dual])
        high = tuple([section(v, axis, half, 2 * half) for v in dual])
        dual, size = dual_mul(low, high), half
    for last in odd:
        dual = dual_mul(dual, last)
    return dual


class ReduceExtremum(Reduction):
    """Maximum or minimum; NaN wins, complex numbers compare lexicographically.

    Over no elements it is the identity: an infinity, the end of the integers' range, or a bool.
    """

    def __init__(self, name: str, ufunc: str, *, largest: bool):
        super().__init__(name)
        self.ufunc = ufunc
        self.largest = largest

    def identity(self, dtype: np.dtype) -> Any:
        """The value that loses against all others."""
        if dtype.kind == "b":
            return not self.largest
        if dtype.kind in "iu":
            return np.iinfo(dtype).min if self.largest else np.iinfo(dtype).max
        return dtype.type(-np.inf if self.largest else np.inf)

    def impl(self, xp: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        if x.size == 0:
            return xp.full(without(x.shape, axes), self.identity(x.dtype), x.dtype)
        if xp is np:
            return getattr(np, self.ufunc).reduce(x, axis=axes)
        return getattr(xp, "max" if self.largest else "min")(x, axis=axes)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, axes: tuple[int, ...]) -> Any:
        return graph.reduce("max" if self.largest else "min", args[0], axes)

    def jvp(
        self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], *, axes: tuple[int, ...]
    ) -> Any:
        # Elements that tie share the derivative equally. A NaN equals nothing, so that 0 / 0
        # makes its derivative NaN.
        (x,), (t,) = primals, tangents
        if 0 in x.shape:  # the extremum of nothing is constant
            return None
        ties = P.eq(x, spread(out, x.shape, axes))
        ties = P.convert_element_type(ties, new_dtype=t.dtype)
        share = P.reduce_sum(P.mul(t, ties), axes=axes)
        return P.div(share, P.reduce_sum(ties, axes=axes))


class ReduceBits(Reduction):
    """Bitwise and, or, xor; on bools the logical ones."""

    kinds = "bi"

    def __init__(self, name: str, bits: str, logical: str):
        super().__init__(name)
        self.bits = bits
        self.logical = logical

    def impl(self, xp: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        if xp is np:
            # The logical ufuncs stop early; the bitwise ones work on integers too.
            ufunc = self.logical if x.dtype.kind == "b" else self.bits
            return getattr(np, ufunc).reduce(x, axis=axes)
        return _halving(xp, getattr(xp, self.bits), x, axes)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, axes: tuple[int, ...]) -> Any:
        return graph.reduce(self.bits.removeprefix("bitwise_"), args[0], axes)

    def jvp(self, primals: Any, out: Any, tangents: Any, **params: Any) -> Any:
        return None


def _halving(xp: Any, function: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """Fold a binary ufunc that has no `reduce` of its own."""
    for axis in sorted(axes, reverse=True):
        x = xp.moveaxis(x, axis, 0)
        if x.shape[0] == 0:
            empty = -1 if function.__name__.endswith("and") else 0
            x = xp.full((1, *x.shape[1:]), empty).astype(x.dtype)
        while x.shape[0] > 1:
            half = x.shape[0] // 2
            rest = x[2 * half :]
            x = xp.concatenate([function(x[:half], x[half : 2 * half]), rest])
        x = x[0]
    return x


class ArgExtremum(OverAxes):
    """Position of the largest or smallest element along the one axis in `axes`.

    The first of equals counts; NaN wins.
    """

    def __init__(self, name: str, kind: str):
        super().__init__(name)
        self.kind = kind

    def abstract_eval(
        self, x: ShapedArray, *, axes: tuple[int, ...], index_dtype: np.dtype
    ) -> ShapedArray:
        self.check(x.ndim, x.dtype, axes)
        if len(axes) != 1:
            raise FxValueError(f"{self.name} expects exactly one axis, got axes={axes}.")
        if not x.shape[axes[0]]:
            raise FxValueError(
                f"{self.name} of {x.short()}: axis {axes[0]} has no elements, so there is no "
                "position to return."
            )
        if not dtypes.is_integer(index_dtype):
            raise FxTypeError(
                f"{self.name} expects an integer index_dtype, got {dtypes.short_name(index_dtype)}."
            )
        return ShapedArray(without(x.shape, axes), index_dtype)

    def impl(self, xp: Any, x: Any, *, axes: tuple[int, ...], index_dtype: np.dtype) -> Any:
        return sort.argminmax(xp, x, axis=axes[0], kind=self.kind, index_dtype=index_dtype)

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        axes: tuple[int, ...],
        index_dtype: np.dtype,
    ) -> Any:
        # The first index of what equals the extremum or, where that is NaN, is NaN itself.
        (x,), (axis,) = args, axes
        size = x.shape[axis]
        extremum = graph.reduce(self.kind, x, axes)
        number = graph.iota(x.shape, axis, np.int32 if size < np.iinfo(np.int32).max else np.int64)
        if extremum is None or number is None:
            return None
        shown = graph.view(extremum, x.shape, without(range(len(x.shape)), axes))
        hit = shown and graph.map("eq", x, shown)
        if hit is not None and x.dtype.kind not in "biu":
            hit = graph.map("or", hit, graph.map("ne", x, x))
        beyond = graph.constant(number.dtype.type(size))
        first = hit and graph.map("select", hit, beyond, number)
        first = first and graph.reduce("min", first, axes)
        return first and graph.map("convert", first, dtype=index_dtype)

    def jvp(self, primals: Any, out: Any, tangents: Any, **params: Any) -> Any:
        return None


ReduceSum()
ReduceProd()
ReduceExtremum("reduce_max", "maximum", largest=True)
ReduceExtremum("reduce_min", "minimum", largest=False)
ReduceBits("reduce_and", "bitwise_and", "logical_and")
ReduceBits("reduce_or", "bitwise_or", "logical_or")
ReduceBits("reduce_xor", "bitwise_xor", "logical_xor")
ArgExtremum("argmax", "max")
ArgExtremum("argmin", "min")
