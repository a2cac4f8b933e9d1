"""Averages, quantiles, covariances and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.creation import linspace, make_array
from fx.numpy.manipulation import permuted, reshaped
from fx.numpy.products import contract
from fx.numpy.promotion import (
    array,
    broadcast,
    convert,
    expand_to,
    integer,
    no_out,
    promote_inexact,
    select,
    some_axes,
)
from fx.numpy.reductions import mean
from fx.numpy.reductions import sum as sum_over
from fx.numpy.selection import take_along_axis
from fx.numpy.sorting import searchsorted


@public
def average(
    a: Any,
    axis: int | tuple[int, ...] | None = None,
    weights: Any = None,
    returned: bool = False,
    keepdims: bool = False,
) -> Any:
    """Weighted mean over axes.

    Args:
        a: array or number.
        axis: axes to average over; all by default.
        weights: array of the shape of `a`, or a vector for one axis; all equal by default.
        returned: also return the sum of the weights.
        keepdims: keep averaged axes with size 1.

    Returns:
        Array, or (Array, sum of weights).

    Raises:
        ShapeError: the weights do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.average(jnp.array([1.0, 3.0]), weights=jnp.array([3.0, 1.0]))
        Array(1.5, dtype=float32)
    """
    if weights is None:
        (x,) = promote_inexact("numpy.average", a)
        out = mean(x, axis, keepdims=keepdims)
        count = x.size // max(out.size, 1)
        total = P.broadcast_in_dim(lit(out, count), shape=out.shape, broadcast_dimensions=())
        return (out, total) if returned else out
    x, w = promote_inexact("numpy.average", a, weights)
    axes = some_axes(axis, x.ndim, "numpy.average")
    if w.shape != x.shape:
        if axis is None or w.shape != tuple(x.shape[i] for i in axes):
            raise ShapeError(
                f"numpy.average: weights of shape {w.shape} do not fit {x.aval.short()} along "
                f"axis {axis}."
            )
        order = sorted(range(len(axes)), key=lambda i: axes[i])
        w = P.broadcast_in_dim(
            permuted(w, order), shape=x.shape, broadcast_dimensions=tuple(sorted(axes))
        )
    total = sum_over(w, axes, keepdims=keepdims)
    out = P.div(sum_over(P.mul(x, w), axes, keepdims=keepdims), total)
    return (out, total) if returned else out


# ------------------------------------------------------------------ quantiles
_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    a: Any, q: Any, axis: Any, keepdims: bool, method: str, name: str, skip_nan: bool
) -> Any:
    if method not in _METHODS:
        raise FxValueError(f"{name}: method must be one of {', '.join(_METHODS)}, got {method!r}.")
    x, level = promote_inexact(name, a, q)
    if x.dtype.kind == "c":
        raise FxTypeError(f"{name} is not defined on complex numbers, got {x.aval.short()}.")
    if level.ndim > 1:
        raise ShapeError(f"{name}: q must be a number or a vector, got shape {level.shape}.")
    own = x.dtype
    if own.itemsize == 2:
        x, level = convert(x, np.dtype(np.float32)), convert(level, np.dtype(np.float32))
    axes = some_axes(axis, x.ndim, name)
    others = tuple(i for i in range(x.ndim) if i not in axes)
    shape = x.shape
    n = 1
    for i in axes:
        n *= shape[i]
    rest = tuple(shape[i] for i in others)
    if not n:
        raise FxValueError(f"{name} of {array(a, name).aval.short()}: there are no elements.")
    rows = reshaped(permuted(x, (*others, *axes)), (*rest, n))
    last = len(rest)
    missing = P.ne(rows, rows)
    (rows,) = P.sort(rows, dimension=last, is_stable=True, num_keys=1)  # NaN comes last
    if skip_nan:
        found = P.reduce_sum(
            P.convert_element_type(P.table["not"](missing), new_dtype=x.dtype), axes=(last,)
        )
        top = P.max(P.sub(found, lit(found, 1)), lit(found, 0))
    else:
        top = lit(rows, n - 1)
    # One row of positions for each level: shape (*q.shape, *rest).
    full = level.shape + rest
    levels = P.broadcast_in_dim(level, shape=full, broadcast_dimensions=tuple(range(level.ndim)))
    place = P.mul(levels, expand_to(top, full) if top.shape else top)
    low, high = P.floor(place), P.ceil(place)
    share = P.sub(place, low)
    index = np.dtype(np.int32)

    def element(position: Any) -> Any:
        bounded = P.max(
            P.min(convert(position, index), Array(np.asarray(n - 1, index))),
            Array(np.asarray(0, index)),
        )
        lead = tuple(range(level.ndim))
        columns = permuted(bounded, (*range(level.ndim, bounded.ndim), *lead))
        columns = reshaped(columns, (*rest, max(level.size, 1) if level.ndim else 1))
        picked = take_along_axis(rows, columns, axis=-1, mode="clip")
        picked = reshaped(picked, (*rest, *level.shape))
        return permuted(picked, (*range(last, picked.ndim), *range(last)))

    if method == "lower":
        out = element(low)
    elif method == "higher":
        out = element(high)
    elif method == "nearest":
        out = element(P.round(place, rounding_method=1))
    else:
        below, above = element(low), element(high)
        weight = lit(share, 0.5) if method == "midpoint" else share
        if method == "midpoint":
            weight = select(P.eq(share, lit(share, 0)), lit(share, 0), weight)
        step = P.mul(weight, P.sub(above, below))
        # An infinity on both sides must not give inf - inf.
        out = select(P.eq(above, below), below, P.add(below, step))
    if not skip_nan:
        spoilt = P.reduce_or(missing, axes=(last,))
        out = select(expand_to(spoilt, full), lit(out, np.nan), out)
    if keepdims:
        single = tuple(1 if i in axes else m for i, m in enumerate(shape))
        out = reshaped(out, level.shape + single)
    return convert(out, own)


@public
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """Quantiles over axes; NaN if there is one.

    Args:
        a: real array.
        q: levels in [0, 1]: a number or a vector.
        axis: axes to reduce; all by default.
        out: must be None.
        overwrite_input: must be False.
        method: between two elements: "linear", "lower", "higher", "midpoint" or "nearest".
        keepdims: keep reduced axes with size 1.

    Returns:
        Array of shape q.shape followed by the remaining axes.

    Raises:
        FxValueError: the method is unknown, or there are no elements.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.quantile(jnp.array([1.0, 2.0, 3.0, 4.0]), 0.5)
        Array(2.5, dtype=float32)
    """
    _no_overwrite(overwrite_input, out, "numpy.quantile")
    return _quantile(a, q, axis, keepdims, method, "numpy.quantile", False)


def _no_overwrite(overwrite: bool, out: Any, name: str) -> None:
    no_out(out, name)
    if overwrite:
        raise FxValueError(f"{name}: fx arrays are immutable, so overwrite_input must be False.")


def _hundredth(q: Any, name: str) -> Any:
    (level,) = promote_inexact(name, q)
    return P.div(level, lit(level, 100))


@public
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """Percentiles over axes: quantiles with levels in [0, 100].

    Args:
        a, axis, out, overwrite_input, method, keepdims: as in `quantile`.
        q: levels in [0, 100].

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.percentile(jnp.array([1.0, 2.0, 3.0]), 50)
        Array(2., dtype=float32)
    """
    _no_overwrite(overwrite_input, out, "numpy.percentile")
    level = _hundredth(q, "numpy.percentile")
    return _quantile(a, level, axis, keepdims, method, "numpy.percentile", False)


@public
def median(
    a: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Array:
    """The middle element over axes, or the mean of the middle two.

    Args:
        a, axis, out, overwrite_input, keepdims: as in `quantile`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.median(jnp.array([5.0, 1.0, 2.0]))
        Array(2., dtype=float32)
    """
    _no_overwrite(overwrite_input, out, "numpy.median")
    return _quantile(a, 0.5, axis, keepdims, "midpoint", "numpy.median", False)


@public
def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """Quantiles of the elements that are not NaN; NaN if there are none.

    Args:
        a, q, axis, out, overwrite_input, method, keepdims: as in `quantile`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.nanquantile(jnp.array([1.0, jnp.nan, 3.0]), 0.5)
        Array(2., dtype=float32)
    """
    _no_overwrite(overwrite_input, out, "numpy.nanquantile")
    return _quantile(a, q, axis, keepdims, method, "numpy.nanquantile", True)


@public
def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """Percentiles of the elements that are not NaN.

    Args:
        a, axis, out, overwrite_input, method, keepdims: as in `quantile`.
        q: levels in [0, 100].

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.nanpercentile(jnp.array([1.0, jnp.nan, 3.0]), 50)
        Array(2., dtype=float32)
    """
    _no_overwrite(overwrite_input, out, "numpy.nanpercentile")
    level = _hundredth(q, "numpy.nanpercentile")
    return _quantile(a, level, axis, keepdims, method, "numpy.nanpercentile", True)


@public
def nanmedian(
    a: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Array:
    """The median of the elements that are not NaN.

    Args:
        a, axis, out, overwrite_input, keepdims: as in `quantile`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.nanmedian(jnp.array([1.0, jnp.nan, 3.0]))
        Array(2., dtype=float32)
    """
    _no_overwrite(overwrite_input, out, "numpy.nanmedian")
    return _quantile(a, 0.5, axis, keepdims, "midpoint", "numpy.nanmedian", True)


# ------------------------------------------------------------------ covariance
@public
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Array:
    """Covariance matrix of variables from observations.

    Args:
        m: matrix of variables by observations, or a vector of observations.
        y: more variables.
        rowvar: whether rows are variables; else columns are.
        bias: divide by the number of observations n instead of n - 1.
        ddof: what to subtract from n instead.
        fweights: how often each observation counts (integers).
        aweights: how much each observation matters.

    Returns:
        Array of shape (variables, variables), or () for one variable.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.cov(jnp.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
        Array([[ 1., -1.],
               [-1.,  1.]], dtype=float32)
    """
    if ddof is not None and int(ddof) != ddof:
        raise FxValueError(f"numpy.cov: ddof must be an integer, got {ddof}.")
    given = [m] if y is None else [m, y]
    xs = [_variables(x, rowvar) for x in promote_inexact("numpy.cov", *given)]
    x = P.concatenate(*xs, dimension=0) if len(xs) > 1 else xs[0]
    n = x.shape[1]
    if not x.shape[0]:
        return Array(np.zeros((0, 0), x.dtype))
    less = ddof if ddof is not None else (0 if bias else 1)
    w = _observation_weights(fweights, aweights, n, x.dtype)
    if w is None:
        middle = mean(x, 1, keepdims=True)
        divisor: Any = lit(x, max(n - less, 0))
    else:
        total = P.reduce_sum(w, axes=(0,))
        row = expand_to(w, x.shape)
        middle = P.div(sum_over(P.mul(x, row), 1, keepdims=True), total)
        if less == 0:
            divisor = total
        elif aweights is None:
            divisor = P.sub(total, lit(total, less))
        else:
            own = convert(array(aweights, "numpy.cov"), x.dtype)
            spent = P.div(P.reduce_sum(P.mul(w, own), axes=(0,)), total)
            divisor = P.sub(total, P.mul(spent, lit(total, less)))
    centred = P.sub(*broadcast("numpy.cov", [x, middle]))
    weighted = centred if w is None else P.mul(centred, expand_to(w, x.shape))
    other = P.conj(centred) if x.dtype.kind == "c" else centred
    out = P.div(contract(weighted, other, ((1,), (1,))), convert(divisor, x.dtype))
    return reshaped(out, ()) if out.shape == (1, 1) else out


def _variables(x: Any, rowvar: bool) -> Any:
    if x.ndim > 2:
        raise ShapeError(f"numpy.cov expects a matrix or a vector, got {x.aval.short()}.")
    if x.ndim < 2:
        return reshaped(x, (1, x.size))
    return x if rowvar or x.shape[0] == 1 else permuted(x, (1, 0))


def _observation_weights(fweights: Any, aweights: Any, n: int, dtype: np.dtype) -> Any:
    out = None
    for given, what in ((fweights, "fweights"), (aweights, "aweights")):
        if given is None:
            continue
        w = array(given, "numpy.cov")
        if w.shape != (n,):
            raise ShapeError(f"numpy.cov: {what} must have shape ({n},), got {w.shape}.")
        if what == "fweights" and not dtypes.is_integer(w.dtype):
            raise FxTypeError(f"numpy.cov: fweights must be integers, got {w.aval.short()}.")
        w = convert(w, dtype)
        out = w if out is None else P.mul(out, w)
    return out


@public
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, dtype: Any = None) -> Array:
    """Correlation coefficients: covariances divided by the standard deviations.

    Args:
        x, y, rowvar: as in `cov`.
        dtype: of the result.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.corrcoef(jnp.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
        Array([[ 1., -1.],
               [-1.,  1.]], dtype=float32)
    """
    c = cov(x, y, rowvar)
    if dtype is not None:
        c = convert(c, dtypes.check_user_dtype(dtype, "numpy.corrcoef"))
    if not c.ndim:
        return P.div(c, c)
    n = c.shape[0]
    variance = c[(Array(np.arange(n, dtype=np.int32)),) * 2]
    deviation = P.sqrt(P.real(variance) if c.dtype.kind == "c" else variance)
    deviation = convert(deviation, c.dtype)
    rows = P.broadcast_in_dim(deviation, shape=(n, n), broadcast_dimensions=(0,))
    columns = P.broadcast_in_dim(deviation, shape=(n, n), broadcast_dimensions=(1,))
    out = P.div(P.div(c, rows), columns)
    if c.dtype.kind == "c":
        one = lit(P.real(out), 1)
        parts = [P.min(P.max(p, P.neg(one)), one) for p in (P.real(out), P.imag(out))]
        return P.complex(*parts)
    return P.min(P.max(out, lit(out, -1)), lit(out, 1))


# ------------------------------------------------------------------ counting
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
    range: Any = None,
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
    range: Any = None,
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
