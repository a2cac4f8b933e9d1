"""Continuous distributions that are a closed function of one or a few uniform numbers.

Logarithms and exponentials are the reproducible ones, so that a key gives the same float32
samples on every machine (`cauchy` and `weibull_min` use the platform's tan and pow).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxValueError, public
from fx.lax.arguments import broadcast
from fx.random.arguments import (
    ArrayLike,
    draw_bits,
    draw_unit,
    float_dtype,
    parameter,
    sample_shape,
    single_key,
    unstack,
)
from fx.random.uniforms import scaled_uniform


@public
def exponential(key: ArrayLike, shape: Sequence[int] = (), dtype: Any = None) -> Array:
    """Numbers of density exp(-x) on x >= 0.

    Args:
        key: a random key.
        shape: of the result.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.exponential(fx.random.key(0), (2,))
        Array([2.950128 , 3.8434246], dtype=float32)
    """
    key = single_key("exponential", key)
    return draw_exponential(
        key, sample_shape("exponential", shape), float_dtype("exponential", dtype)
    )


def draw_exponential(key: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """`exponential` for checked arguments."""
    # 1 - u is in (0, 1], where the logarithm is finite.
    return P.neg(P.portable_log1p(P.neg(draw_unit(key, shape, dtype))))


@public
def gumbel(
    key: ArrayLike, shape: Sequence[int] = (), dtype: Any = None, mode: str | None = None
) -> Array:
    """Numbers of density exp(-x - exp(-x)).

    Args:
        key: a random key.
        shape: of the result.
        dtype: a floating dtype; the default one if None.
        mode: 'low' (the default) reaches up to 16 in float32; 'high' uses twice the random bits
            and reaches 32; 'highest', in float32 only, uses all of these bits.

    Raises:
        FxTypeError: the dtype is not floating; not a key.
        FxValueError: another mode.

    Example:
        >>> import fx
        >>> fx.random.gumbel(fx.random.key(0), (2,))
        Array([2.9233725, 3.8326178], dtype=float32)
    """
    key = single_key("gumbel", key)
    size = sample_shape("gumbel", shape)
    return draw_gumbel("gumbel", key, size, float_dtype("gumbel", dtype), mode)


def draw_gumbel(
    name: str, key: Array, shape: tuple[int, ...], dtype: np.dtype, mode: str | None
) -> Array:
    """`gumbel` for arguments that are checked, except for the mode."""
    if mode not in (None, "low", "high", "highest"):
        raise FxValueError(f"random.{name}: mode must be 'low', 'high' or 'highest', got {mode!r}.")
    if mode in (None, "low"):
        u = _positive_unit(key, shape, dtype)
        return P.neg(P.portable_log(P.neg(P.portable_log(u))))
    if mode == "highest" and dtype == np.float32:
        return _finest_gumbel(key, shape)
    info = dtypes.finfo(dtype)
    high, low = unstack(draw_unit(key, (2, *shape), dtype))
    fine = (high + low * 2.0**-info.nmant) + float(info.tiny)
    u = P.select_n(P.ge(high, lit(high, 0.5)), fine, high)
    return P.neg(P.portable_log(P.neg(P.portable_log1p(P.neg(u)))))


def _positive_unit(key: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Uniform numbers in (0, 1): the smallest normal number in place of 0."""
    u = draw_unit(key, shape, dtype)
    return P.max(u, lit(u, dtypes.finfo(dtype).tiny))


def _finest_gumbel(key: Array, shape: tuple[int, ...]) -> Array:
    """From 64 random bits u: -log(-log1p(-u)) below 1/2, else -log(-log(1 - u))."""
    high, low = unstack(draw_bits(key, (2, *shape)))
    ones = lit(low, 0xFFFFFFFF)
    below = P.lt(high, lit(high, 1 << 31))
    # 1 - u in fixed point is the two's complement, with a carry where the low word is 0.
    flipped_low = P.add(getattr(P, "not")(low), lit(low, 1))
    carry = P.convert_element_type(P.eq(getattr(P, "not")(low), ones), new_dtype=low.dtype)
    flipped_high = P.add(getattr(P, "not")(high), carry)
    u = _fixed_to_float(P.select_n(below, flipped_high, high), P.select_n(below, flipped_low, low))
    left = P.portable_log1p(P.neg(u))
    right = P.portable_log(u)
    return P.neg(P.portable_log(P.neg(P.select_n(below, right, left))))


def _fixed_to_float(high: Array, low: Array) -> Array:
    """(high * 2**32 + low) / 2**64 as a float32, rounded down to 24 significant bits."""
    full = lit(high, 32)
    zeros_high, zeros_low = P.clz(high), P.clz(low)
    empty = P.eq(zeros_high, full)
    rest = P.select_n(
        empty,
        P.shift_right_logical(low, P.sub(full, zeros_high)),
        P.shift_left(low, zeros_low),
    )
    leading = getattr(P, "or")(P.shift_left(high, zeros_high), rest)
    zeros = P.select_n(empty, zeros_high, P.add(zeros_low, full))
    mantissa = getattr(P, "and")(
        P.shift_right_logical(leading, lit(high, 8)), lit(high, (1 << 23) - 1)
    )
    exponent = P.shift_left(P.sub(lit(high, 126), zeros), lit(high, 23))
    exponent = getattr(P, "and")(exponent, lit(high, (1 << 30) - (1 << 22)))
    return P.bitcast_convert_type(
        getattr(P, "or")(exponent, mantissa), new_dtype=np.dtype(np.float32)
    )


@public
def laplace(key: ArrayLike, shape: Sequence[int] = (), dtype: Any = None) -> Array:
    """Numbers of density exp(-|x|) / 2.

    Args:
        key: a random key.
        shape: of the result.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.laplace(fx.random.key(0), (2,))
        Array([-2.2569816, -3.1502788], dtype=float32)
    """
    key = single_key("laplace", key)
    kind = float_dtype("laplace", dtype)
    lowest = np.asarray(-1 + float(dtypes.finfo(kind).epsneg), kind)
    u = scaled_uniform("laplace", key, sample_shape("laplace", shape), kind, lowest, 1)
    return P.mul(P.sign(u), P.portable_log1p(P.neg(P.abs(u))))


@public
def logistic(key: ArrayLike, shape: Sequence[int] = (), dtype: Any = None) -> Array:
    """Numbers of density exp(-x) / (1 + exp(-x))**2.

    Args:
        key: a random key.
        shape: of the result.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.logistic(fx.random.key(0), (2,))
        Array([2.896376 , 3.8217716], dtype=float32)
    """
    key = single_key("logistic", key)
    kind = float_dtype("logistic", dtype)
    u = _positive_unit(key, sample_shape("logistic", shape), kind)
    return P.sub(P.portable_log(u), P.portable_log1p(P.neg(u)))


@public
def cauchy(key: ArrayLike, shape: Sequence[int] = (), dtype: Any = None) -> Array:
    """Numbers of density 1 / (pi (1 + x**2)).

    Args:
        key: a random key.
        shape: of the result.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.cauchy(fx.random.key(0), (2,)).round(3)
        Array([ 6.027, 14.838], dtype=float32)
    """
    key = single_key("cauchy", key)
    kind = float_dtype("cauchy", dtype)
    smallest = np.asarray(dtypes.finfo(kind).eps, kind)
    u = scaled_uniform("cauchy", key, sample_shape("cauchy", shape), kind, smallest, 1)
    return P.tan(P.mul(lit(u, math.pi), P.sub(u, lit(u, 0.5))))


@public
def pareto(
    key: ArrayLike, b: ArrayLike, shape: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """Numbers of density b / x**(b + 1) on x >= 1.

    Args:
        key: a random key.
        b: exponents, above 0.
        shape: of the result, to which b broadcasts; that of b if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.pareto(fx.random.key(0), 2.0, (2,))
        Array([4.371316, 6.832648], dtype=float32)
    """
    key = single_key("pareto", key)
    kind = float_dtype("pareto", dtype, b)
    size = sample_shape("pareto", shape, np.shape(b))
    e = draw_exponential(key, size, kind)
    power = parameter("pareto", "b", b, kind)
    if power.shape == size:
        return P.portable_exp(P.div(e, power))
    # XLA inverts the smaller operand of a division, and multiplies.
    inverse = P.div(lit(power, 1), power)
    return P.portable_exp(P.mul(e, inverse if not inverse.shape else broadcast(inverse, size)))


@public
def rayleigh(
    key: ArrayLike, scale: ArrayLike, shape: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """Numbers of density x / scale**2 exp(-x**2 / (2 scale**2)) on x >= 0.

    Args:
        key: a random key.
        scale: scales, above 0.
        shape: of the result, to which scale broadcasts; that of scale if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.rayleigh(fx.random.key(0), 1.0, (2,))
        Array([0.32787833, 0.20810027], dtype=float32)
    """
    key = single_key("rayleigh", key)
    kind = float_dtype("rayleigh", dtype, scale)
    size = sample_shape("rayleigh", shape, np.shape(scale))
    log = P.portable_log(draw_unit(key, size, kind))
    root = P.sqrt(P.mul(log, lit(log, -2)))
    return P.mul(parameter("rayleigh", "scale", scale, kind, size), root)


@public
def weibull_min(
    key: ArrayLike,
    scale: ArrayLike,
    concentration: ArrayLike,
    shape: Sequence[int] = (),
    dtype: Any = None,
) -> Array:
    """scale * e ** (1 / concentration) for exponentially distributed e.

    Args:
        key: a random key.
        scale, concentration: parameters, above 0, that broadcast with `shape`.
        shape: of the uniform numbers drawn.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.weibull_min(fx.random.key(0), 1.0, 2.0, (2,)).round(3)
        Array([1.718, 1.96 ], dtype=float32)
    """
    key = single_key("weibull_min", key)
    kind = float_dtype("weibull_min", dtype, scale, concentration)
    e = draw_exponential(key, sample_shape("weibull_min", shape), kind)
    size = sample_shape("weibull_min", None, e.shape, np.shape(scale), np.shape(concentration))
    width, power, e = (
        parameter("weibull_min", "a parameter", x, kind, size) for x in (scale, concentration, e)
    )
    return P.mul(P.pow(e, P.div(lit(power, 1), power)), width)


@public
def triangular(
    key: ArrayLike,
    left: ArrayLike,
    mode: ArrayLike,
    right: ArrayLike,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
) -> Array:
    """Numbers whose density rises linearly from left to mode and falls linearly to right.

    Args:
        key: a random key.
        left, mode, right: left <= mode <= right.
        shape: of the result, to which they broadcast; theirs if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.triangular(fx.random.key(0), 0.0, 0.5, 1.0, (2,))
        Array([0.8382394, 0.8965106], dtype=float32)
    """
    key = single_key("triangular", key)
    kind = float_dtype("triangular", dtype, left, mode, right)
    size = sample_shape("triangular", shape, np.shape(left), np.shape(mode), np.shape(right))
    ends: list[Any] = [parameter("triangular", "ends", x, kind, size) for x in (left, mode, right)]
    low, peak, high = ends
    u: Any = draw_unit(key, size, kind)
    rising = low + P.sqrt(u * (high - low) * (peak - low))
    falling = high - P.sqrt((1 - u) * (high - low) * (high - peak))
    return P.select_n(P.lt(u, (peak - low) / (high - low)), falling, rising)
