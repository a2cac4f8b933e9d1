"""Rounding, clipping and replacing special values, and the parts of floating-point numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import AxisError, FxTypeError, public
from fx.numpy.arithmetic import remainder
from fx.numpy.dispatch import SINGLE_DOUBLE, short_way
from fx.numpy.promotion import (
    array,
    broadcast,
    cast,
    convert,
    integer,
    joined,
    no_out,
    operand,
    promote_inexact,
    select,
)
from fx.util import fp_enter, fp_exit


@public
def round(a: Any, decimals: int = 0, out: None = None) -> Any:
    """Round to a number of decimals, ties to the even neighbour.

    Args:
        a: array or number; complex numbers are rounded in both parts.
        decimals: digits after the point; negative ones round to tens, hundreds, ...
        out: must be None.

    Returns:
        Array of the dtype of `a`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.round(jnp.array([1.25, 2.5]), 1)
        Array([1.2, 2.5], dtype=float32)
    """
    no_out(out, "numpy.round")
    x = array(a, "numpy.round")
    digits = integer(decimals, "numpy.round", "decimals")
    if x.dtype == np.bool_ or dtypes.is_integer(x.dtype):
        if digits >= 0 or x.dtype == np.bool_:
            return x
        factor = 10**-digits
        if factor > np.iinfo(x.dtype).max:
            return P.mul(x, lit(x, 0))
        half = P.convert_element_type(x, new_dtype=np.dtype(np.float64))
        rounded = P.round(P.div(half, lit(half, factor)), rounding_method=1)
        return P.mul(P.convert_element_type(rounded, new_dtype=x.dtype), lit(x, factor))
    if x.dtype.kind == "c":
        return P.complex(_rounded(P.real(x), digits), _rounded(P.imag(x), digits))
    return _rounded(x, digits)


def _rounded(x: Any, digits: int) -> Any:
    if digits == 0:
        return P.round(x, rounding_method=1)
    wide = x.dtype
    if x.dtype.itemsize == 2:  # 10**digits must be exact and finite
        wide = np.dtype(np.float32)
    y = convert(x, wide) if wide != x.dtype else x
    factor = lit(y, 10.0 ** abs(digits))
    if digits > 0:
        out = P.div(P.round(P.mul(y, factor), rounding_method=1), factor)
    else:
        out = P.mul(P.round(P.div(y, factor), rounding_method=1), factor)
    return convert(out, x.dtype) if wide != x.dtype else out


around = round


def _clip_short(arr: Any = None, /, min: Any = None, max: Any = None) -> Any:
    if type(arr) is not Array or arr.weak_type or arr._data.dtype not in SINGLE_DOUBLE:
        return None
    if any(b is not None and type(b) is not float and type(b) is not int for b in (min, max)):
        return None
    token = fp_enter()
    try:
        return Array(np.asarray(arr._data if min is max is None else np.clip(arr._data, min, max)))
    finally:
        fp_exit(token)


@short_way(_clip_short)
def clip(
    arr: Any = None,
    /,
    min: Any = None,
    max: Any = None,
    *,
    a: Any = None,
    a_min: Any = None,
    a_max: Any = None,
) -> Any:
    """Bring elements into an interval.

    Args:
        arr: array or number, of a real dtype.
        min, max: ends of the interval, numbers or arrays that broadcast; None leaves a side open.
        a, a_min, a_max: older names of the same.

    Returns:
        Array of the promoted dtype. Where min > max the result is max.

    Raises:
        FxTypeError: `arr` is complex.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.clip(jnp.array([-1, 2, 9]), 0, 5)
        Array([0, 2, 5], dtype=int32)
    """
    x = a if arr is None else arr
    low = a_min if min is None else min
    high = a_max if max is None else max
    if x is None:
        raise FxTypeError("numpy.clip needs an array.")
    x = operand(x, "numpy.clip")
    given = [operand(v, "numpy.clip") for v in (low, high) if v is not None]
    dtype, weak = joined([x, *given])
    if dtype.kind == "c":
        raise FxTypeError("numpy.clip is not defined on complex numbers. Clip both parts.")
    bounds = iter([cast(v, dtype, weak, "numpy.clip") for v in given])
    y = cast(x, dtype, weak, "numpy.clip")
    if low is not None:
        y = P.max(*broadcast("numpy.clip", [y, next(bounds)]))
    if high is not None:
        y = P.min(*broadcast("numpy.clip", [y, next(bounds)]))
    return y


@public
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Replace NaN and infinities by numbers.

    Args:
        x: array or number; complex numbers are treated in both parts.
        copy: accepted; arrays are immutable.
        nan: what replaces NaN.
        posinf, neginf: what replaces infinities; the largest finite numbers by default.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.nan_to_num(jnp.array([jnp.nan, 1.0, -jnp.inf]), neginf=-9.0)
        Array([ 0.,  1., -9.], dtype=float32)
    """
    y = array(x, "numpy.nan_to_num")
    if y.dtype.kind == "c":
        parts = (
            nan_to_num(P.real(y), copy, nan, posinf, neginf),
            nan_to_num(P.imag(y), copy, nan, posinf, neginf),
        )
        return P.complex(*parts)
    if not dtypes.is_inexact(y.dtype):
        return y
    info = dtypes.finfo(y.dtype)
    y = _replace(P.ne(y, y), nan, y)
    y = _replace(P.eq(y, lit(y, np.inf)), float(info.max) if posinf is None else posinf, y)
    return _replace(P.eq(y, lit(y, -np.inf)), float(info.min) if neginf is None else neginf, y)


def _replace(mask: Any, value: Any, x: Any) -> Any:
    fill = cast(operand(value, "numpy.nan_to_num"), x.dtype, False, "numpy.nan_to_num")
    mask, fill, x = broadcast("numpy.nan_to_num", [mask, fill, x])
    return select(mask, fill, x)


@public
def copysign(x1: Any, x2: Any, /) -> Any:
    """The size of one number with the sign of another, that of zeros included.

    Args:
        x1, x2: real arrays or numbers that broadcast; integers become the default float.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.copysign(jnp.array([1.0, -2.0]), -0.0)
        Array([-1., -2.], dtype=float32)
    """
    x, y = broadcast("numpy.copysign", promote_inexact("numpy.copysign", x1, x2))
    _real("copysign", x)
    size = P.abs(x)
    return select(_negative(y), P.neg(size), size)


def _negative(x: Any) -> Any:
    bits = P.bitcast_convert_type(x, new_dtype=np.dtype(f"int{8 * x.dtype.itemsize}"))
    return P.lt(bits, lit(bits, 0))


def _real(name: str, x: Any) -> None:
    if x.dtype.kind == "c":
        raise FxTypeError(f"numpy.{name} is not defined on complex numbers, got {x.aval.short()}.")


@public
def heaviside(x1: Any, x2: Any, /) -> Any:
    """The step function: 0 for negative numbers, 1 for positive ones, `x2` at 0.

    Args:
        x1, x2: real arrays or numbers that broadcast; integers become the default float.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.heaviside(jnp.array([-1.0, 0.0, 2.0]), 0.5)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    x, y = broadcast("numpy.heaviside", promote_inexact("numpy.heaviside", x1, x2))
    _real("heaviside", x)
    zero, one = lit(x, 0), lit(x, 1)
    positive = select(P.gt(x, zero), one, y)
    out = select(P.lt(x, zero), zero, positive)
    return select(P.ne(x, x), x, out)


# ------------------------------------------------------------------ parts of numbers
_LAYOUT = {"f16": (10, 5), "bf16": (7, 8), "f32": (23, 8), "f64": (52, 11)}


@public
def frexp(x: Any, /) -> tuple[Any, Any]:
    """Mantissa in ±[0.5, 1) and exponent: x = m · 2ᵉ.

    Args:
        x: real array or number.

    Returns:
        (mantissa, exponent): a floating Array and an int32 Array.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.frexp(jnp.array([6.0, 0.5]))
        (Array([0.75, 0.5 ], dtype=float32), Array([3, 0], dtype=int32))
    """
    (y,) = promote_inexact("numpy.frexp", x)
    _real("frexp", y)
    own = y.dtype
    if own.itemsize <= 2:
        y = convert(y, np.dtype(np.float32))
    mantissa_bits, exponent_bits = _LAYOUT[dtypes.short_name(y.dtype)]
    bias = 2 ** (exponent_bits - 1) - 1
    # Subnormal numbers are scaled up so that their leading bit is where the others have it.
    scale = 2.0**mantissa_bits
    small = P.lt(P.abs(y), lit(y, 2.0 ** (1 - bias)))
    scaled = select(small, P.mul(y, lit(y, scale)), y)
    integers = np.dtype(f"int{8 * y.dtype.itemsize}")
    bits = P.bitcast_convert_type(scaled, new_dtype=integers)
    field = P.shift_right_logical(bits, lit(bits, mantissa_bits))
    field = P.table["and"](field, lit(bits, 2**exponent_bits - 1))
    kept = P.table["and"](bits, lit(bits, ~((2**exponent_bits - 1) << mantissa_bits)))
    half = P.table["or"](kept, lit(bits, (bias - 1) << mantissa_bits))
    mantissa = P.bitcast_convert_type(half, new_dtype=y.dtype)
    exponent = P.sub(field, lit(field, bias - 1))
    exponent = P.sub(exponent, select(small, lit(field, mantissa_bits), lit(field, 0)))
    # 0, inf and NaN are their own mantissa.
    special = P.table["or"](P.eq(y, lit(y, 0)), P.table["not"](P.is_finite(y)))
    mantissa = select(special, y, mantissa)
    exponent = select(special, lit(exponent, 0), exponent)
    return convert(mantissa, own), convert(exponent, np.dtype(np.int32))


@public
def ldexp(x1: Any, x2: Any, /) -> Any:
    """x1 · 2^x2, exact also where the power alone would overflow.

    Args:
        x1: real array or number; integers become the default float.
        x2: integer array or number.

    Raises:
        FxTypeError: `x2` is not of an integer dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.ldexp(jnp.array([0.75]), 3)
        Array([6.], dtype=float32)
    """
    (x,) = promote_inexact("numpy.ldexp", x1)
    power = array(x2, "numpy.ldexp")
    _real("ldexp", x)
    if not dtypes.is_integer(power.dtype):
        raise FxTypeError(f"numpy.ldexp: x2 must be integers, got {power.aval.short()}.")
    own = x.dtype
    wide = np.dtype(np.float32) if own.itemsize == 2 else own
    x, power = broadcast("numpy.ldexp", [convert(x, wide), convert(power, np.dtype(np.int32))])
    # The power in four parts, none of which over- or underflows.
    quarter = P.shift_right_arithmetic(power, lit(power, 2))
    rest = P.sub(power, P.mul(quarter, lit(power, 3)))
    limit = lit(power, 1000 if wide.itemsize == 8 else 120)
    for part in (quarter, quarter, quarter, rest):
        bounded = P.max(P.min(part, limit), P.neg(limit))
        x = P.mul(*broadcast("numpy.ldexp", [x, P.exp2(convert(bounded, wide))]))
    return convert(x, own)


@public
def modf(x: Any, /, out: None = None) -> tuple[Any, Any]:
    """Fractional and integer parts, both with the sign of x.

    Args:
        x: real array or number; integers become the default float.
        out: must be None.

    Returns:
        (fractional, integer) Arrays.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.modf(jnp.array([1.25, -2.5]))
        (Array([ 0.25, -0.5 ], dtype=float32), Array([ 1., -2.], dtype=float32))
    """
    no_out(out, "numpy.modf")
    (y,) = promote_inexact("numpy.modf", x)
    _real("modf", y)
    whole = select(P.lt(y, lit(y, 0)), P.ceil(y), P.floor(y))
    fraction = P.sub(y, whole)
    infinite = P.eq(P.abs(y), lit(y, np.inf))
    return select(infinite, lit(y, 0), fraction), whole


@public
def spacing(x: Any, /) -> Any:
    """Distance to the next number away from zero, with the sign of x.

    Args:
        x: real array or number.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.spacing(jnp.array([1.0]))
        Array([1.1920929e-07], dtype=float32)
    """
    (y,) = promote_inexact("numpy.spacing", x)
    _real("spacing", y)
    away = select(_negative(y), lit(y, -np.inf), lit(y, np.inf))
    out = P.sub(P.nextafter(*broadcast("numpy.spacing", [y, away])), y)
    return select(P.is_finite(y), out, lit(y, np.nan))


@public
def angle(z: Any, deg: bool = False) -> Any:
    """Angle of complex numbers in the plane, in [-π, π].

    Args:
        z: array or number.
        deg: in degrees instead of radians.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.angle(jnp.array([1j, -1]), deg=True)
        Array([ 90., 180.], dtype=float32)
    """
    (x,) = promote_inexact("numpy.angle", z)
    if x.dtype.kind == "c":
        out = P.atan2(P.imag(x), P.real(x))
    else:
        zero = P.mul(P.abs(x), lit(x, 0))
        out = P.atan2(zero, x)
    return P.mul(out, lit(out, 180 / np.pi)) if deg else out


@public
def unwrap(p: Any, discont: float | None = None, axis: int = -1, period: float = 2 * np.pi) -> Any:
    """Add multiples of the period so that neighbours differ by at most half of it.

    Args:
        p: real array.
        discont: only jumps larger than this are corrected; half the period by default.
        axis: along which.
        period: of the values.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.unwrap(jnp.array([0, 1, 5, 6, 2]), period=4)
        Array([0, 1, 1, 2, 2], dtype=int32)
    """
    x = array(p, "numpy.unwrap")
    _real("unwrap", x)
    if dtypes.is_integer(x.dtype) and not isinstance(period, (int, np.integer)):
        (x,) = promote_inexact("numpy.unwrap", x)
    place = axis % x.ndim if -x.ndim <= axis < x.ndim else None
    if place is None:
        raise AxisError(f"numpy.unwrap: axis {axis} is out of range for rank {x.ndim}.")
    n = x.shape[place]
    if n < 2:
        return x
    before = (slice(None),) * place
    step = P.sub(x[(*before, slice(1, None))], x[(*before, slice(None, -1))])
    exact = dtypes.is_integer(x.dtype)
    half = period // 2 if exact else period / 2
    wrapped = P.sub(remainder(P.add(step, lit(step, half)), lit(step, period)), lit(step, half))
    edge = not exact or period % 2 == 0
    if edge:  # a jump of exactly +half stays one
        at_edge = P.table["and"](P.eq(wrapped, lit(step, -half)), P.gt(step, lit(step, 0)))
        wrapped = select(at_edge, lit(step, half), wrapped)
    limit = period / 2 if discont is None else discont
    limit = math.ceil(limit) if exact else limit
    fix_by = select(P.lt(P.abs(step), lit(step, limit)), lit(step, 0), P.sub(wrapped, step))
    total = P.cumsum(fix_by, axis=place, reverse=False)
    first = x[(*before, slice(0, 1))]
    rest = P.add(x[(*before, slice(1, None))], total)
    return P.concatenate(first, rest, dimension=place)
