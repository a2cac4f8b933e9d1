"""Counting: bincount and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.creation import make_array
from fx.numpy.manipulation import reshaped
from fx.numpy.promotion import (
    array,
    convert,
    integer,
    promote_inexact,
    select,
)
from fx.numpy.ranges import linspace
from fx.numpy.sorting import searchsorted


@public
def bincount(
    x: Any, weights: Any = None, minlength: int = 0, *, length: int | None = None
) -> Array:
    """How often each number 0, 1, 2, ... occurs.

    Args:
        x: vector of non-negative integers; negative ones count as 0.
        weights: what each occurrence counts; 1 by default.
        minlength: least size of the result.
        length: size of the result, needed when `x` is traced; larger numbers are left out.

    Returns:
        Array of shape (length,).

    Raises:
        ConcretizationTypeError: `x` is traced and `length` is not given.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.bincount(jnp.array([0, 2, 2]))
        Array([1, 0, 2], dtype=int32)
    """
    v = array(x, "numpy.bincount")
    if v.ndim != 1 or not (dtypes.is_integer(v.dtype) or v.dtype == np.bool_):
        raise FxTypeError(f"numpy.bincount expects a vector of integers, got {v.aval.short()}.")
    if v.dtype == np.bool_:
        v = convert(v, dtypes.default_int())
    if length is None:
        data = np.asarray(v)
        length = max(int(data.max()) + 1 if data.size else 0, minlength)
    size = integer(length, "numpy.bincount", "length")
    w: Any = lit(array(0, ""), 1) if weights is None else array(weights, "numpy.bincount")
    if weights is None:
        w = Array(np.asarray(1, dtypes.default_int()))
    start = P.broadcast_in_dim(Array(np.zeros((), w.dtype)), shape=(size,), broadcast_dimensions=())
    bounded = P.max(v, lit(v, 0)) if v.dtype.kind == "i" else v
    return start.at[bounded].add(w, mode="drop")


@public
def histogram_bin_edges(
    a: Any, bins: Any = 10, range: Sequence[Any] | None = None, weights: Any = None
) -> Array:
    """The edges of the bins of a histogram.

    Args:
        a: array.
        bins: number of equal bins, or their edges.
        range: ends of the interval; the smallest and largest elements by default.
        weights: accepted.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.histogram_bin_edges(jnp.array([0.0, 4.0]), bins=2)
        Array([0., 2., 4.], dtype=float32)
    """
    if isinstance(bins, str):
        raise FxTypeError("numpy.histogram: bins must be a number or edges, not a rule's name.")
    edges = make_array(bins, None, "numpy.histogram")
    if edges.ndim == 1:
        return edges
    count = integer(bins, "numpy.histogram", "bins")
    (x,) = promote_inexact("numpy.histogram", a)
    if range is None:
        if x.size:
            every = tuple(np.arange(x.ndim).tolist())
            low, high = P.reduce_min(x, axes=every), P.reduce_max(x, axes=every)
        else:
            low, high = lit(x, 0), lit(x, 1)
    else:
        ends = make_array(range, None, "numpy.histogram")
        low, high = convert(ends[0], x.dtype), convert(ends[1], x.dtype)
    same = P.eq(low, high)
    half = lit(x, 0.5)
    low, high = select(same, P.sub(low, half), low), select(same, P.add(high, half), high)
    return linspace(low, high, count + 1)


@public
def histogram(
    a: Any,
    bins: Any = 10,
    range: Sequence[Any] | None = None,
    weights: Any = None,
    density: bool | None = None,
) -> tuple[Array, Array]:
    """How many elements fall into each bin.

    Args:
        a: array.
        bins, range: as in `histogram_bin_edges`. The last bin includes its right edge.
        weights: what each element counts; 1 by default.
        density: divide by the total and the bins' widths.

    Returns:
        (counts, edges).

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.histogram(jnp.array([0.0, 1.0, 1.5, 4.0]), bins=2)[0]
        Array([3., 1.], dtype=float32)
    """
    x = reshaped(array(a, "numpy.histogram"), (-1,))
    edges = histogram_bin_edges(x, bins, range)
    x, edges = promote_inexact("numpy.histogram", x, edges)
    if weights is None:
        w: Any = P.broadcast_in_dim(lit(x, 1), shape=x.shape, broadcast_dimensions=())
    else:
        (w,) = promote_inexact("numpy.histogram", weights)
        w = reshaped(w, (-1,))
        if w.shape != x.shape:
            raise ShapeError("numpy.histogram: weights must have the shape of the array.")
    count = edges.shape[0] - 1
    place = P.sub(searchsorted(edges, x, "right"), Array(np.asarray(1, dtypes.default_int())))
    last = P.eq(x, edges[-1])
    place = select(last, lit(place, count - 1), place)
    outside = P.lt(place, lit(place, 0))
    place = select(outside, lit(place, count), place)
    start = P.broadcast_in_dim(lit(w, 0), shape=(count,), broadcast_dimensions=())
    counts = start.at[place].add(w, mode="drop")
    if density:
        widths = P.sub(edges[1:], edges[:-1])
        total = P.reduce_sum(counts, axes=(0,))
        counts = P.div(P.div(counts, convert(widths, counts.dtype)), total)
    return counts, edges


@public
def histogramdd(
    sample: Any,
    bins: Any = 10,
    range: Sequence[Any] | None = None,
    weights: Any = None,
    density: bool | None = None,
) -> tuple[Array, list[Array]]:
    """How many points fall into each cell of a grid.

    Args:
        sample: matrix of points by coordinates, or a sequence of coordinate vectors.
        bins: number of bins, or for each coordinate a number or edges.
        range: for each coordinate None or the ends of the interval.
        weights: what each point counts; 1 by default.
        density: divide by the total and the cells' volumes.

    Returns:
        (counts, list of edges).

    Example:
        >>> import fx.numpy as jnp
        >>> points = jnp.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
        >>> jnp.histogramdd(points, bins=2)[0]
        Array([[1., 0.],
               [0., 2.]], dtype=float32)
    """
    if isinstance(sample, (list, tuple)):
        columns = [array(c, "numpy.histogramdd") for c in sample]
    else:
        points = array(sample, "numpy.histogramdd")
        if points.ndim != 2:
            raise ShapeError(f"numpy.histogramdd expects a matrix, got {points.aval.short()}.")
        columns = [points[:, i] for i in np.arange(points.shape[1]).tolist()]
    rank = len(columns)
    each = list(bins) if isinstance(bins, (list, tuple)) else [bins] * rank
    ranges = [None] * rank if range is None else list(range)
    if not rank:
        raise FxValueError("numpy.histogramdd needs at least one coordinate, got none.")
    if len(each) != rank or len(ranges) != rank:
        raise FxValueError(f"numpy.histogramdd: expected bins and range for {rank} coordinates.")
    edges, flat, outside = [], None, None
    for column, b, r in zip(columns, each, ranges, strict=True):
        edge = histogram_bin_edges(column, b, r)
        x, edge = promote_inexact("numpy.histogramdd", column, edge)
        count = edge.shape[0] - 1
        place = searchsorted(edge, x, "right")
        place = P.sub(place, lit(place, 1))
        place = select(P.eq(x, edge[-1]), lit(place, count - 1), place)
        wrong = P.table["or"](P.lt(place, lit(place, 0)), P.ge(place, lit(place, count)))
        flat = place if flat is None else P.add(P.mul(flat, lit(flat, count)), place)
        outside = wrong if outside is None else P.table["or"](outside, wrong)
        edges.append(edge)
    shape = tuple(e.shape[0] - 1 for e in edges)
    size = int(np.prod(shape))
    assert flat is not None
    flat = select(outside, lit(flat, size), flat)
    if weights is None:
        w: Any = P.broadcast_in_dim(lit(edges[0], 1), shape=flat.shape, broadcast_dimensions=())
    else:
        (w,) = promote_inexact("numpy.histogramdd", weights)
    start = P.broadcast_in_dim(lit(w, 0), shape=(size,), broadcast_dimensions=())
    counts = reshaped(start.at[flat].add(w, mode="drop"), shape)
    if density:
        total = P.reduce_sum(counts, axes=tuple(np.arange(rank).tolist()))
        counts = P.div(counts, total)
        for i, edge in enumerate(edges):
            width = convert(P.sub(edge[1:], edge[:-1]), counts.dtype)
            spread = P.broadcast_in_dim(width, shape=shape, broadcast_dimensions=(i,))
            counts = P.div(counts, spread)
    return counts, edges


@public
def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Sequence[Any] | None = None,
    weights: Any = None,
    density: bool | None = None,
) -> tuple[Array, Array, Array]:
    """How many points of the plane fall into each cell of a grid.

    Args:
        x, y: vectors of coordinates.
        bins, range, weights, density: as in `histogramdd`.

    Returns:
        (counts, edges of x, edges of y).

    Example:
        >>> import fx.numpy as jnp
        >>> v = jnp.array([0.0, 1.0, 1.0])
        >>> jnp.histogram2d(v, v, bins=2)[0]
        Array([[1., 0.],
               [0., 2.]], dtype=float32)
    """
    edges = array(bins, "numpy.histogram2d") if isinstance(bins, (np.ndarray, Array)) else None
    both = [bins, bins] if edges is not None and edges.ndim == 1 else bins
    counts, (first, second) = histogramdd([x, y], both, range, weights, density)
    return counts, first, second
