"""Reductions: a monoid folded over some axes, and the positions of extrema.

All members share shapes, batching and the eager fast path; each says its ufunc, its identity and
its derivative. Sums and products of half-precision floats accumulate in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.primitive import P, Primitive
from fx.errors import FxValueError
from fx.ops.base import check_domain, in_domain
from fx.util import fp_enter, fp_exit, without

_HALF = frozenset((np.dtype(np.float16), np.dtype(dtypes.bfloat16)))


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


class Reduction(Primitive):
    """A fold of an operand over `axes` (distinct non-negative integers).

    Subclasses set `kinds`, the dtype domain, and implement `fold(xp, x, axes)`.
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

    def out_dtype(self, dtype: np.dtype, **params: Any) -> np.dtype:
        return dtype

    def abstract_eval(self, x: ShapedArray, *, axes: tuple[int, ...], **params: Any) -> Any:
        self.check(x.ndim, x.dtype, axes)
        return ShapedArray(without(x.shape, axes), self.out_dtype(x.dtype, **params), x.weak_type)

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

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        axes, dim = shifted(params.pop("axes"), dims[0])
        return self.bind(args[0], axes=axes, **params), dim


class ReduceSum(Reduction):
    """Sum."""

    name = "reduce_sum"
    kinds = "ifc"

    def impl(self, xp: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        dtype = x.dtype
        if dtype in _HALF:
            return _add(xp, x, axes, np.float32).astype(dtype)
        return _add(xp, x, axes, dtype)

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], *, axes: tuple[int, ...]) -> Any:
        return P.reduce_sum(tangents[0], axes=axes)

    def transpose(self, ct: Any, x: Any, *, axes: tuple[int, ...]) -> list[Any]:
        return [spread(ct, x.shape, axes)]


def _add(xp: Any, x: Any, axes: tuple[int, ...], dtype: Any) -> Any:
    if xp is np:
        return np.add.reduce(x, axis=axes, dtype=dtype)
    return xp.sum(x, axis=axes, dtype=dtype)


ReduceSum()
