"""Quantiles, percentiles and medians."""

from __future__ import annotations

from typing import Any

import numpy as np

from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.manipulation import permuted, reshaped
from fx.numpy.positions import take_along_axis
from fx.numpy.promotion import (
    array,
    convert,
    expand_to,
    no_out,
    promote_inexact,
    select,
    some_axes,
)

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
        columns = reshaped(columns, (*rest, level.size))
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
        same = P.table["and"](P.eq(above, below), P.table["not"](P.is_finite(below)))
        out = select(same, below, P.add(below, step))
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
