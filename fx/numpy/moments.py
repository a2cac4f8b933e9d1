"""Means, variances and standard deviations."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxValueError, public
from fx.numpy.dispatch import SINGLE_DOUBLE, short_way
from fx.numpy.logic import truth
from fx.numpy.promotion import (
    a_dtype,
    array,
    common_shape,
    convert,
    expand_to,
    no_out,
    operands,
    some_axes,
)
from fx.numpy.reductions import Axis, kept, raw_axes, sum
from fx.util import fp_enter, fp_exit


def counted(x: Any, axes: tuple[int, ...], where: Any, name: str) -> Any:
    """How many elements a mean divides by: a Python int, or an array with a mask."""
    if where is None:
        n = 1
        for i in axes:
            n *= x.shape[i]
        return n
    mask = truth(array(where, name))
    mask = expand_to(mask, common_shape(name, [x.shape, mask.shape]))
    return P.reduce_sum(P.convert_element_type(mask, new_dtype=x.dtype), axes=axes)


def _mean_short(
    a: Any, axis: Axis = None, dtype: None = None, out: None = None, keepdims: bool = False
) -> Any:
    found = raw_axes(a, axis, SINGLE_DOUBLE)
    if found is None or dtype is not None or out is not None or keepdims:
        return None
    data, axes, count = found
    token = fp_enter()
    try:
        return Array(np.asarray(np.divide(P.reduce_sum.impl(np, data, axes=axes), count)))
    finally:
        fp_exit(token)


def _var_short(
    a: Any,
    axis: Axis = None,
    dtype: None = None,
    out: None = None,
    ddof: int = 0,
    keepdims: bool = False,
) -> Any:
    found = raw_axes(a, axis, SINGLE_DOUBLE)
    if found is None or dtype is not None or out is not None or keepdims or type(ddof) is not int:
        return None
    data, axes, count = found
    token = fp_enter()
    try:
        middle = np.divide(P.reduce_sum.impl(np, data, axes=axes), count)
        squares = np.square(data - np.expand_dims(middle, axes))
        total = P.reduce_sum.impl(np, squares, axes=axes)
        return Array(np.asarray(np.divide(total, builtins.max(count - ddof, 0))))
    finally:
        fp_exit(token)


@short_way(_mean_short)
def mean(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: Any = None,
) -> Array:
    """Arithmetic mean over axes.

    Args:
        a: array or number; integers and bools become the default float. Half precision is
            added up in float32.
        axis: axes to average over; all by default.
        dtype: of the result.
        out: must be None.
        keepdims: keep averaged axes with size 1.
        where: mask of elements to include; broadcasts against `a`.

    Returns:
        Array without the averaged axes. The mean of nothing is NaN.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.mean(jnp.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
        Array([1.5, 3.5], dtype=float32)
    """
    no_out(out, "numpy.mean")
    x = array(a, "numpy.mean")
    wanted = a_dtype(dtype, "numpy.mean") or dtypes.to_inexact_dtype(x.dtype)
    inner = accumulating(wanted)
    x = convert(x, inner)
    axes = some_axes(axis, x.ndim, "numpy.mean")
    total = sum(x, axes, None, None, keepdims, None, where)
    count = counted(x, axes, where, "numpy.mean")
    if type(count) is int:
        result = P.div(total, lit(total, count))
    else:
        result = P.div(total, kept(count, x.shape, axes, keepdims))
    return result if result.dtype == wanted else convert(result, wanted)


def accumulating(dtype: np.dtype) -> np.dtype:
    """The dtype in which a mean is computed: float32 for half precision, else the float itself."""
    if not dtypes.is_inexact(dtype):
        return dtypes.default_float()
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


@short_way(_var_short)
def var(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: int = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: int | float | None = None,
) -> Array:
    """Variance over axes: the mean squared distance from the mean.

    Args:
        a: array or number; complex numbers give the variance of both parts together.
        axis: axes to reduce; all by default.
        dtype: of the result.
        out: must be None.
        ddof: subtracted from the number of elements in the divisor.
        keepdims: keep reduced axes with size 1.
        where: mask of elements to include.
        mean: the mean over the axes, with keepdims, if it is known.
        correction: another name of `ddof`.

    Returns:
        real Array without the reduced axes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.var(jnp.array([1.0, 2.0, 3.0, 4.0]))
        Array(1.25, dtype=float32)
    """
    no_out(out, "numpy.var")
    if correction is not None:
        if ddof:
            raise FxValueError(f"numpy.var: give ddof or correction, not both ({ddof=}).")
        ddof = correction  # type: ignore[assignment]
    x = array(a, "numpy.var")
    wanted = a_dtype(dtype, "numpy.var")
    wanted = dtypes.real_dtype(wanted or dtypes.to_inexact_dtype(x.dtype))
    own = dtypes.to_inexact_dtype(x.dtype)
    inner = accumulating(own if own.kind == "c" else dtypes.promote_types(own, wanted))
    x = convert(x, inner)
    axes = some_axes(axis, x.ndim, "numpy.var")
    middle = _mean(x, axes, None, None, True, where=where) if mean is None else array(mean, "var")
    difference = P.sub(*operands("numpy.var", x, middle))
    if difference.dtype.kind == "c":
        squares = P.add(P.square(P.real(difference)), P.square(P.imag(difference)))
    else:
        squares = P.square(difference)
    total = sum(squares, axes, None, None, keepdims, None, where)
    count = counted(squares, axes, where, "numpy.var")
    if type(count) is int:
        # Fewer elements than ddof: 0/0 or a division by zero, as in NumPy.
        count = count - ddof
        result = P.div(total, lit(total, count if count > 0 else 0))
    else:
        count = P.sub(count, lit(count, ddof))
        result = P.div(total, kept(P.max(count, lit(count, 0)), x.shape, axes, keepdims))
    return result if result.dtype == wanted else convert(result, wanted)


_mean = mean


@public
def std(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: int = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: int | float | None = None,
) -> Array:
    """Standard deviation over axes, the square root of the variance.

    Args:
        a: array or number.
        axis, dtype, out, ddof, keepdims, where, mean, correction: as in `var`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.std(jnp.array([1.0, 3.0]))
        Array(1., dtype=float32)
    """
    no_out(out, "numpy.std")
    return P.sqrt(
        var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    )
