"""Sorting, and searching in sorted arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.dispatch import NUMBER, alike, short_way
from fx.numpy.manipulation import reshaped
from fx.numpy.promotion import array, convert, integer, one_axis, promote
from fx.signatures import shown


def _along(a: Any, axis: int | None, name: str) -> tuple[Any, int]:
    x = array(a, name)
    if axis is None:
        return reshaped(x, (-1,)), 0
    return x, one_axis(axis, x.ndim, name)


def _no_order(order: Any, name: str) -> None:
    if order is not None:
        raise FxTypeError(f"{name}: order= is for structured arrays, which fx does not have.")


@public
def sort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Array:
    """Elements in ascending order along an axis; NaN comes last.

    Args:
        a: array; complex numbers compare by real part first.
        axis: along which; None flattens first.
        kind: accepted; every sort is stable unless `stable` is False.
        order: must be None.
        stable: whether equal elements keep their order.
        descending: largest first.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.sort(jnp.array([3, 1, 2]), descending=True)
        Array([3, 2, 1], dtype=int32)
    """
    _no_order(order, "numpy.sort")
    x, place = _along(a, axis, "numpy.sort")
    (out,) = P.sort(x, dimension=place, is_stable=bool(stable), num_keys=1)
    return P.rev(out, dimensions=(place,)) if descending else out


@public
def argsort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Array:
    """The positions that sort an array along an axis.

    Args:
        a, axis, kind, order, stable, descending: as in `sort`.

    Returns:
        Array of the default integer dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.argsort(jnp.array([3, 1, 2]))
        Array([1, 2, 0], dtype=int32)
    """
    _no_order(order, "numpy.argsort")
    x, place = _along(a, axis, "numpy.argsort")
    return positions_in_order(x, place, bool(stable), descending)


def positions_in_order(x: Any, axis: int, stable: bool = True, descending: bool = False) -> Any:
    """`argsort` of an Array along a known axis."""
    index = P.iota(dtype=dtypes.default_int(), shape=x.shape, dimension=axis)
    if descending:
        # Reversed before and after, so that equal elements keep their order.
        x, index = P.rev(x, dimensions=(axis,)), P.rev(index, dimensions=(axis,))
    _, out = P.sort(x, index, dimension=axis, is_stable=stable, num_keys=1)
    return P.rev(out, dimensions=(axis,)) if descending else out


@public
def lexsort(keys: Sequence[Any] | Array, axis: int = -1) -> Array:
    """The positions that sort by several keys, the last one first.

    Args:
        keys: sequence of arrays of one shape; later ones matter more.
        axis: along which.

    Returns:
        Array of the default integer dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.lexsort((jnp.array([1, 0, 2]), jnp.array([5, 5, 4])))
        Array([2, 1, 0], dtype=int32)
    """
    if not hasattr(type(keys), "__iter__"):
        raise FxTypeError(f"numpy.lexsort expects a sequence of arrays, got {shown(keys)}.")
    columns = [array(k, "numpy.lexsort") for k in keys]
    if not columns:
        raise FxTypeError("numpy.lexsort needs at least one key.")
    first = columns[0]
    if not first.ndim:
        return Array(np.zeros((), dtypes.default_int()))
    if any(c.shape != first.shape for c in columns):
        raise ShapeError("numpy.lexsort expects keys of one shape.")
    place = one_axis(axis, first.ndim, "numpy.lexsort")
    index = P.iota(dtype=dtypes.default_int(), shape=first.shape, dimension=place)
    count = len(columns)
    out = P.sort(*columns[::-1], index, dimension=place, is_stable=True, num_keys=count)
    return out[-1]


@public
def sort_complex(a: Any) -> Array:
    """Elements sorted along the last axis, as complex numbers.

    Args:
        a: array.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.sort_complex(jnp.array([2, 1]))
        Array([1.+0.j, 2.+0.j], dtype=complex64)
    """
    x = array(a, "numpy.sort_complex")
    (out,) = P.sort(x, dimension=one_axis(-1, x.ndim, "sort_complex"), is_stable=True, num_keys=1)
    return convert(out, dtypes.complex_dtype(out.dtype))


@public
def partition(a: Any, kth: int, axis: int = -1) -> Array:
    """Elements with the k-th smallest in its sorted place: smaller before it, larger behind.

    Args:
        a: array.
        kth: position.
        axis: along which.

    Returns:
        Array of the same shape; fx sorts fully.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.partition(jnp.array([5, 1, 4, 2]), 2)[2]
        Array(4, dtype=int32)
    """
    x, place = _along(a, axis, "numpy.partition")
    _check_kth(kth, x.shape[place], "numpy.partition")
    (out,) = P.sort(x, dimension=place, is_stable=True, num_keys=1)
    return out


@public
def argpartition(a: Any, kth: int, axis: int = -1) -> Array:
    """The positions that `partition` an array.

    Args:
        a: array.
        kth: position.
        axis: along which.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.argpartition(jnp.array([5, 1, 4, 2]), 2)[2]
        Array(2, dtype=int32)
    """
    x, place = _along(a, axis, "numpy.argpartition")
    _check_kth(kth, x.shape[place], "numpy.argpartition")
    return positions_in_order(x, place)


def _check_kth(kth: Any, n: int, name: str) -> None:
    k = integer(kth, name, "kth")
    if not -n <= k < n:
        raise FxValueError(f"{name}: kth {k} is out of range for an axis of size {n}.")


@public
def top_k(a: Any, k: int, *, axis: int = -1) -> tuple[Array, Array]:
    """The k largest elements along an axis, in descending order, and their positions.

    Args:
        a: array of a real dtype.
        k: how many.
        axis: along which.

    Returns:
        (values, positions), both with size k along the axis.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.top_k(jnp.array([3.0, 1.0, 4.0]), 2)
        (Array([4., 3.], dtype=float32), Array([2, 0], dtype=int32))
    """
    x = array(a, "numpy.top_k")
    place = one_axis(axis, x.ndim, "numpy.top_k")
    values, positions = P.top_k(x, k=integer(k, "numpy.top_k", "k"), axis=place)
    return values, positions


# ------------------------------------------------------------------ search
def _searchsorted_short(
    a: Any, v: Any, side: Any = "left", sorter: None = None, *, method: str = "scan"
) -> Any:
    data = alike((a, v))
    if data is None or data[0].dtype not in NUMBER or sorter is not None or data[0].ndim != 1:
        return None
    return Array(np.asarray(np.searchsorted(data[0], data[1], side), dtypes.default_int()))


@short_way(_searchsorted_short)
def searchsorted(
    a: Any, v: Any, side: str = "left", sorter: Any = None, *, method: str = "scan"
) -> Array:
    """Where to insert numbers into a sorted vector so that it stays sorted.

    Args:
        a: sorted vector of n elements.
        v: array of numbers; NaN counts as the largest.
        side: "left": before equal elements; "right": behind them.
        sorter: positions that sort `a`, if it is not sorted.
        method: accepted; all methods give the same result.

    Returns:
        Array of the shape of `v`, of the default integer dtype, with values in [0, n].

    Raises:
        ShapeError: `a` is not a vector.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.searchsorted(jnp.array([1, 3, 5]), jnp.array([3, 4]))
        Array([1, 2], dtype=int32)
    """
    if side not in ("left", "right"):
        raise FxValueError(f"numpy.searchsorted: side must be 'left' or 'right', got {side!r}.")
    x, y = promote("numpy.searchsorted", array(a, "searchsorted"), array(v, "searchsorted"))
    if x.ndim != 1:
        raise ShapeError(f"numpy.searchsorted expects a sorted vector, got {x.aval.short()}.")
    if sorter is not None:
        order = array(sorter, "numpy.searchsorted")
        if order.ndim != 1:
            raise ShapeError(
                "numpy.searchsorted: sorter must be a vector of positions, got "
                f"{order.aval.short()}."
            )
        x = x[order]
    dtype = dtypes.default_int()
    n = x.shape[0]
    # Binary search: `low` counts the elements known to lie before; each step tries a power of 2.
    low = P.broadcast_in_dim(Array(np.zeros((), dtype)), shape=y.shape, broadcast_dimensions=())
    if not n:
        return low
    step = 1 << (n.bit_length() - 1)
    while step:
        tried = P.add(low, lit(low, step))
        inside = P.le(tried, lit(low, n))
        probe = x[P.sub(P.min(tried, lit(low, n)), lit(low, 1))]
        before = _precedes(probe, y) if side == "left" else P.table["not"](_precedes(y, probe))
        take = P.table["and"](inside, before)
        low = P.select_n(take, low, tried)
        step //= 2
    return low


def _precedes(x: Any, y: Any) -> Any:
    """x < y in the order of `sort`, where NaN is the largest."""
    if x.dtype.kind == "c":
        first = _precedes(P.real(x), P.real(y))
        tie = P.eq(P.real(x), P.real(y))
        return P.table["or"](first, P.table["and"](tie, _precedes(P.imag(x), P.imag(y))))
    less = P.lt(x, y)
    if not dtypes.is_inexact(x.dtype):
        return less
    return P.table["or"](less, P.table["and"](P.ne(y, y), P.eq(x, x)))


@public
def digitize(x: Any, bins: Any, right: bool = False, *, method: str | None = None) -> Array:
    """Which bin each number falls into.

    Args:
        x: array of numbers.
        bins: ascending or descending vector of edges.
        right: whether a bin holds its right edge instead of its left one.
        method: accepted; all methods give the same result.

    Returns:
        Array of the shape of `x`: 0 before the first edge, bins.size behind the last.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.digitize(jnp.array([0.5, 1.0, 9.0]), jnp.array([1.0, 2.0]))
        Array([0, 1, 2], dtype=int32)
    """
    edges = array(bins, "numpy.digitize")
    if edges.ndim != 1:
        raise ShapeError(f"numpy.digitize expects a vector of edges, got {edges.aval.short()}.")
    side = "left" if right else "right"
    up = searchsorted(edges, x, side)
    if edges.shape[0] < 2:
        return up
    down = searchsorted(P.rev(edges, dimensions=(0,)), x, side)
    down = P.sub(lit(down, edges.shape[0]), down)
    ascending = P.le(edges[0], edges[-1])
    return P.select_n(ascending, down, up)
