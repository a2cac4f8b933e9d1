"""The logarithm of the gamma function and its derivatives: digamma, polygamma, Hurwitz zeta.

Large arguments have the asymptotic series in Bernoulli numbers (DLMF 5.11, 25.11.43); small ones
are moved by the recurrence into an interval with a fitted quotient, in which the zeros of lgamma
and digamma are explicit factors, so that relative accuracy holds around them; negative ones are
reflected (DLMF 5.5.3, 5.5.4), which keeps only absolute accuracy near the zeros there.
"""

import math
from types import ModuleType
from typing import Any

import numpy as np

from fx.ops.numerics import special_tables as tables
from fx.ops.numerics.elementwise import elementwise, polynomial, replace

Array = Any  # an ndarray of the array module that the caller passes as `xp`

LARGE = 8.0  # from here on ten terms of the asymptotic series are enough
LGAMMA_SERIES = tuple(
    b / (2 * k * (2 * k - 1)) for k, b in enumerate(tables.BERNOULLI[:10], start=1)
)
DIGAMMA_SERIES = tuple(b / (2 * k) for k, b in enumerate(tables.BERNOULLI[:11], start=1))
_ZETA_SERIES = tuple(b / math.factorial(2 * k) for k, b in enumerate(tables.BERNOULLI, start=1))
_ZETA_TERMS = 9  # added one by one before the asymptotic series
_FACTORIALS = np.array([float(math.factorial(n)) for n in range(171)] + [np.inf])  # of 171 and up


@elementwise(single=False)
def lgamma(xp: ModuleType, x: Array) -> Array:
    """The logarithm of ``abs(gamma(x))``.

    Args:
      x: a float array of any shape.

    Returns:
      An array like ``x``, within 5 ulp for positive ``x``, and within 5 ulp of the largest term of
      the reflection for negative ``x``. Infinity at the poles 0, -1, -2, ... and, as C and JAX
      have it, at both infinities.

    Example:
      >>> lgamma(np, np.array([1.0, 4.0, 0.5])).round(6).tolist()
      [0.0, 1.791759, 0.572365]
    """
    out = lgamma_of_positive(xp, xp.abs(x))
    replace(xp, out, x < 0, _lgamma_reflected, x, out)
    return out


def lgamma_of_positive(xp: ModuleType, x: Array) -> Array:
    """lgamma of a flat float64 array, for ``x >= 0`` or NaN."""
    # (x - 1/2) log(x) - x, with fewer roundings of large terms
    out = (x - 0.5) * (xp.log(x) - 1) + (tables.LOG_SQRT_2_PI - 0.5) + _lgamma_series(xp, x)
    replace(xp, out, x < LARGE, _lgamma_small, x)
    return out


def _lgamma_small(xp: ModuleType, x: Array) -> Array:
    is_below = x < 1
    u, factor = xp.where(is_below, x, x - 1), xp.where(is_below, x, 1)
    for _ in range(math.ceil(LARGE - 3)):  # lgamma(1 + u) = lgamma(u) + log(u)
        step = (u > 2).astype(u.dtype)  # sums with 0 and 1 cost less than `where`
        factor *= 1 + step * (u - 1)
        u -= step
    logarithm = xp.log(factor)
    return lgamma_of_one_plus(xp, u) + xp.where(is_below, -logarithm, logarithm)


def lgamma_of_one_plus(xp: ModuleType, u: Array) -> Array:
    """``lgamma(1 + u)`` for ``0 <= u <= 2``, with relative accuracy near its zeros 0 and 1."""
    return u * (u - 1) * polynomial(xp, tables.LGAMMA, u - 1)


def _lgamma_reflected(xp: ModuleType, x: Array, lgamma_of_minus_x: Array) -> Array:
    distance = xp.abs(x - xp.rint(x))  # from the nearest pole, exactly
    # Two logarithms, because the product of a tiny x and a tiny sine would underflow.
    out = -xp.log(-x) - xp.log(xp.sin(math.pi * distance) / math.pi) - lgamma_of_minus_x
    return xp.where((distance == 0) | xp.isinf(x), xp.inf, out)


def stirling_error(xp: ModuleType, x: Array) -> Array:
    """``lgamma(x) - ((x - 1/2) log(x) - x + log(2 pi) / 2)`` of a flat float64 array ``x > 0``."""
    out = _lgamma_series(xp, x)
    replace(xp, out, x < LARGE, _stirling_error_small, x)
    return out


def _stirling_error_small(xp: ModuleType, x: Array) -> Array:
    return _lgamma_small(xp, x) - ((x - 0.5) * xp.log(x) - x + tables.LOG_SQRT_2_PI)


def _lgamma_series(xp: ModuleType, x: Array) -> Array:
    return polynomial(xp, LGAMMA_SERIES, 1 / (x * x)) / x


@elementwise(single=False)
def digamma(xp: ModuleType, x: Array) -> Array:
    """The derivative of ``lgamma``.

    Args:
      x: a float array of any shape.

    Returns:
      An array like ``x``, within 5 ulp for positive ``x``, and within 5 ulp of the largest term of
      the reflection for negative ``x``. NaN at the poles -1, -2, ... and at minus infinity;
      minus infinity at 0 and infinity at -0, as SciPy has it (JAX: NaN).

    Example:
      >>> digamma(np, np.array([1.0, 10.0, -0.5])).round(6).tolist()
      [-0.577216, 2.251753, 0.03649]
    """
    out = digamma_of_positive(xp, x)
    replace(xp, out, x < 0, _digamma_reflected, x)
    return out


def digamma_of_positive(xp: ModuleType, x: Array) -> Array:
    """digamma of a flat float64 array, for ``x >= 0`` or -0 or NaN."""
    out = xp.log(x) - _digamma_series(xp, x)
    replace(xp, out, x < LARGE, _digamma_small, x)
    return out


def log_minus_digamma(xp: ModuleType, x: Array) -> Array:
    """``log(x) - digamma(x)`` of a flat float64 array ``x > 0``; no cancellation for large ones."""
    out = _digamma_series(xp, x)
    replace(xp, out, x < LARGE, lambda xp, x: xp.log(x) - _digamma_small(xp, x), x)
    return out


def _digamma_small(xp: ModuleType, x: Array) -> Array:
    is_below = x < 1
    out, x = xp.where(is_below, -1 / x, 0), xp.where(is_below, x + 1, x)
    for _ in range(math.ceil(LARGE - 2)):  # digamma(x) = digamma(x - 1) + 1 / (x - 1)
        step = (x > 2).astype(x.dtype)
        x -= step
        out += step / x
    distance = (x - tables.DIGAMMA_ROOT) - tables.DIGAMMA_ROOT_LOW
    return distance * polynomial(xp, tables.DIGAMMA, x - 1.5) + out


def _digamma_reflected(xp: ModuleType, x: Array) -> Array:
    distance = x - xp.rint(x)
    out = digamma_of_positive(xp, 1 - x) - math.pi / xp.tan(math.pi * distance)
    return xp.where((distance == 0) | xp.isinf(x), xp.nan, out)


def _digamma_series(xp: ModuleType, x: Array) -> Array:
    square = 1 / (x * x)
    return 0.5 / x + square * polynomial(xp, DIGAMMA_SERIES, square)


@elementwise(single=False)
def zeta(xp: ModuleType, x: Array, q: Array) -> Array:
    """The Hurwitz zeta function, the sum of ``(q + k)**-x`` over ``k = 0, 1, 2, ...``.

    Args:
      x: a float array; the sum converges for ``x > 1``.
      q: a float array of the same dtype; the shapes broadcast.

    Returns:
      An array of the broadcast shape, within ``4 + x / 2`` ulp: as much as a rounding of ``q``
      does. As in SciPy: infinity for ``x == 1`` and at the poles ``q = 0, -1, ...``; NaN for
      ``x < 1``, and for other negative ``q`` unless ``x`` is an integer.

    Example:
      >>> zeta(np, np.array([2.0, 2.0]), np.array([1.0, 3.0])).round(6).tolist()
      [1.644934, 0.394934]
    """
    out = _zeta_of_positive(xp, x, q)
    replace(xp, out, q < 0, _zeta_of_negative, x, q)
    out = xp.where((q <= 0) & (xp.floor(q) == q), xp.inf, out)
    out = xp.where(x < 1, xp.nan, out)
    return xp.where((x == 1) & (q == q), xp.inf, out)


def _zeta_of_positive(xp: ModuleType, x: Array, q: Array, unit: float | Array = 1.0) -> Array:
    """``unit**x * zeta(x, q)``: first terms, then the Euler-Maclaurin formula (DLMF 25.11.28)."""
    out = xp.power(q / unit, -x)
    for k in range(1, _ZETA_TERMS):
        out += xp.power((q + k) / unit, -x)
    q = q + _ZETA_TERMS
    power = xp.power(q / unit, -x)
    inverse_square = 1 / (q * q)
    rising = x / q
    rest = q / (x - 1) + 0.5
    for k, coefficient in enumerate(_ZETA_SERIES):
        rest += coefficient * rising
        rising = rising * ((x + (2 * k + 1)) * (x + (2 * k + 2)) * inverse_square)
    return out + xp.where(power > 0, power * rest, 0)  # `rest` may be infinite where power is 0


def _zeta_of_negative(xp: ModuleType, x: Array, q: Array) -> Array:
    """Split the sum at zero: below it stand the terms of a finite sum in ``-q``, with signs."""
    fraction = -q - xp.floor(-q)
    below = _zeta_of_positive(xp, x, fraction) - _zeta_of_positive(xp, x, 1 - q)
    sign = xp.where(x % 2 == 0, 1, -1)
    out = _zeta_of_positive(xp, x, 1 - fraction) + sign * below
    return xp.where(xp.floor(x) == x, out, xp.nan)


@elementwise(single=False)
def polygamma(xp: ModuleType, n: Array, x: Array) -> Array:
    """The derivative of order ``n`` of ``digamma``: ``(-1)**(n + 1) n! zeta(n + 1, x)``.

    Args:
      n: a float array of integers, at least 0.
      x: a float array of the same dtype; the shapes broadcast.

    Returns:
      An array of the broadcast shape, within ``4 + n / 2`` ulp for positive ``x`` and ``n`` up to
      100; ``digamma(x)`` where ``n`` is 0, NaN where ``n`` is negative or no integer.

    Example:
      >>> polygamma(np, np.array([1.0, 2.0]), np.array([1.0, 1.0])).round(6).tolist()
      [1.644934, -2.404114]
    """
    is_order = (n >= 0) & (xp.floor(n) == n)
    order = xp.where(is_order, n, 1)
    sign = xp.where(order % 2 == 0, -1, 1)
    table = xp.asarray(_FACTORIALS)
    factorial = table[xp.minimum(order, len(_FACTORIALS) - 1).astype(xp.int64)]
    series = zeta(xp, order + 1, x)
    out = sign * factorial * series
    is_extreme = (x > 0) & (x < xp.inf) & ((factorial == xp.inf) | (series < 1e-290))
    replace(xp, out, is_extreme, _polygamma_by_logarithms, order, sign, x)
    replace(xp, out, order == 0, digamma, x)
    return xp.where(is_order, out, xp.nan)


def _polygamma_by_logarithms(xp: ModuleType, n: Array, sign: Array, x: Array) -> Array:
    """For factors that are out of range, though their product may not be."""
    scaled = xp.log(_zeta_of_positive(xp, n + 1, x, x))
    return sign * xp.exp(lgamma_of_positive(xp, n + 1) - (n + 1) * xp.log(x) + scaled)
