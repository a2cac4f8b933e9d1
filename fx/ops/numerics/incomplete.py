"""Incomplete gamma and beta functions: one quadrature, and a power series where it does not reach.

With ``t = x exp(v)`` the integral of ``t**(a - 1) exp(-t)`` from ``x`` to either end becomes
``x**a exp(-x)`` times that of ``exp(-h(v))``, where ``h(v) = x (exp(v) - 1) - a v`` vanishes at 0
and is convex, and rises from there if one integrates away from the peak of the integrand. It is
entire in ``v``. So a Gauss-Legendre rule on the stretch where ``h < 40`` is exact to rounding, for
any ``a``, at the price of a fixed number of nodes; and the derivative with respect to ``a`` only
brings a factor ``v + log(x)`` under the integral. The beta integral is treated alike, with
``t / (1 - t)`` in place of ``t``. Only where an end is approached too slowly, because a parameter
is small, is a power series better (DLMF 8.7.1, 8.7.3, 8.17.8).

What is computed is the side of ``x`` that is away from the peak; the other side is 1 minus that.
Neither depends on recurrences in a large parameter, so none loses accuracy or time with its size.
"""

import math
from types import ModuleType
from typing import Any

from fx.ops.numerics import special_tables as tables
from fx.ops.numerics.elementwise import elementwise, polynomial, replace
from fx.ops.numerics.gamma import (
    digamma_of_positive,
    lgamma_of_one_plus,
    log_minus_digamma,
    stirling_error,
)

Array = Any  # an ndarray of the array module that the caller passes as `xp`

_DEPTH = 40.0  # the quadrature ends where the integrand has fallen to exp(-40)
_PEAKED = 4.0  # the least exponent of `t` with which 32 nodes reach the end at 0
_NEAR_ZERO = 0.5  # where the end at infinity is too far away from x, as seen in log(t)
_MOST_TERMS = 200  # of a series; 70 are the most seen
_NEGLIGIBLE = 2.0**-56
# exp(v) - 1 - v over v**2, and (log(1 + u) - u) in r = u / (2 + u), as power series
_NARROW = 0.1
_EXP_SERIES = tuple(1 / math.factorial(k + 2) for k in range(9))
_LOG_SERIES = tuple(2 / (2 * k + 3) for k in range(18))


@elementwise(single=False)
def igamma(xp: ModuleType, a: Array, x: Array) -> Array:
    """The regularized lower incomplete gamma function.

    ``P(a, x)``: the integral of ``t**(a - 1) exp(-t)`` from 0 to ``x``, divided by ``gamma(a)``.

    Args:
      a: a float array, at least 0.
      x: a float array of the same dtype, at least 0; the shapes broadcast.

    Returns:
      An array of the broadcast shape, within 1e-12 relative for ``a`` up to 1e6. NaN outside the
      domain and where the limit depends on the direction, ``(0, 0)`` and ``(inf, inf)``.

    Example:
      >>> import numpy as np
      >>> igamma(np, np.array([1.0, 5.0]), np.array([1.0, 2.0])).round(6).tolist()
      [0.632121, 0.052653]
    """
    side, is_lower = _gamma_side(xp, a, x)
    return _gamma_limits(xp, a, x, xp.where(is_lower, side, 1 - side), 0, 1)


@elementwise(single=False)
def igammac(xp: ModuleType, a: Array, x: Array) -> Array:
    """The regularized upper incomplete gamma function, ``1 - igamma(a, x)`` without cancellation.

    Args:
      a: a float array, at least 0.
      x: a float array of the same dtype, at least 0; the shapes broadcast.

    Returns:
      As for ``igamma``.

    Example:
      >>> import numpy as np
      >>> igammac(np, np.array([1.0, 5.0]), np.array([1.0, 2.0])).round(6).tolist()
      [0.367879, 0.947347]
    """
    side, is_lower = _gamma_side(xp, a, x)
    return _gamma_limits(xp, a, x, xp.where(is_lower, 1 - side, side), 1, 0)


@elementwise(single=False)
def igamma_grad_a(xp: ModuleType, a: Array, x: Array) -> Array:
    """The derivative of ``igamma(a, x)`` with respect to ``a``.

    Args:
      a: a float array, positive.
      x: a float array of the same dtype, at least 0; the shapes broadcast.

    Returns:
      An array of the broadcast shape, within 1e-12 relative for ``a`` up to 1e6; 0 where ``x`` is 0
      or infinite, NaN outside the domain.

    Example:
      >>> import numpy as np
      >>> igamma_grad_a(np, np.array([1.0]), np.array([1.0])).round(6).tolist()
      [-0.43173]
    """
    out = _gamma_prefactor(xp, a, x) * _gamma_gradient(xp, a, x)
    return xp.where(((x == 0) | (x == xp.inf)) & (a > 0) & (a < xp.inf), 0, out)


@elementwise(single=False)
def random_gamma_grad(xp: ModuleType, a: Array, x: Array) -> Array:
    """How a gamma variate ``x`` of shape ``a`` moves with ``a`` at a fixed quantile.

    It is ``-igamma_grad_a(a, x)`` over the density at ``x``, in which the small and large factors
    have cancelled (Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", 2018).

    Args:
      a: a float array, positive.
      x: a float array of the same dtype, at least 0; the shapes broadcast.

    Returns:
      An array of the broadcast shape, within 1e-12 relative for ``a`` up to 1e6; 0 where ``x`` is
      0, NaN outside the domain.

    Example:
      >>> import numpy as np
      >>> random_gamma_grad(np, np.array([1.0]), np.array([1.0])).round(6).tolist()
      [1.173563]
    """
    out = -x * _gamma_gradient(xp, a, x)
    return xp.where((x == 0) & (a > 0) & (a < xp.inf), 0, out)


@elementwise(single=False)
def gamma_density(xp: ModuleType, a: Array, x: Array) -> Array:
    """The derivative of ``igamma`` with respect to ``x``: ``x**(a - 1) exp(-x) / gamma(a)``.

    Args:
      a: a float array, at least 0.
      x: a float array of the same dtype, at least 0; the shapes broadcast.

    Returns:
      An array of the broadcast shape, within 1e-12 relative for any ``a``. At ``x = 0`` it is
      infinite for ``a < 1``, 1 for ``a = 1`` and else 0. NaN outside the domain.

    Example:
      >>> import numpy as np
      >>> gamma_density(np, np.array([1.0, 3.0]), np.array([0.0, 2.0])).round(6).tolist()
      [1.0, 0.270671]
    """
    root = xp.exp(0.5 * _gamma_exponent(xp, a, x))
    # By halves: the square, which is x times the density, may underflow where that does not.
    out = xp.sqrt(a / (2 * math.pi)) * root * (root / x)
    at_zero = xp.where(a < 1, xp.inf, xp.where(a == 1, 1, 0))
    out = xp.where(x == 0, at_zero, out)
    is_far = (x == xp.inf) | ((x > 0) & ((a == 0) | (a == xp.inf)))
    out = xp.where(is_far, 0, out)
    return xp.where((a >= 0) & (x >= 0) & ~((a == xp.inf) & (x == xp.inf)), out, xp.nan)


def _gamma_limits(xp: ModuleType, a: Array, x: Array, out: Array, low: int, high: int) -> Array:
    """Overwrite what is ``low``, the value for x = 0, or ``high``, that for x = inf."""
    is_low = ((x == 0) & (a > 0)) | ((a == xp.inf) & (x >= 0) & (x < xp.inf))
    is_high = ((a == 0) & (x > 0)) | ((x == xp.inf) & (a >= 0) & (a < xp.inf))
    return xp.where(is_low, low, xp.where(is_high, high, out))


def _gamma_regions(xp: ModuleType, a: Array, x: Array) -> tuple[Array, Array, Array]:
    """Masks: who takes the quadrature, the series of P, and that of Q."""
    inside = (a > 0) & (a < xp.inf) & (x > 0) & (x < xp.inf)
    is_lower = x < a
    # For a tiny `a` the peak is at 0, and Q is the smaller side even for x < a.
    is_peaked_at_zero = ~is_lower | (a * xp.log(x) > -0.5)
    upper_series = inside & (x <= _NEAR_ZERO) & (a <= _NEAR_ZERO) & is_peaked_at_zero
    lower_series = inside & is_lower & (a < _PEAKED) & ~upper_series
    return inside & ~lower_series & ~upper_series, lower_series, upper_series


def _gamma_side(xp: ModuleType, a: Array, x: Array) -> tuple[Array, Array]:
    """One of ``P(a, x)`` and ``Q(a, x)``, NaN if an argument is not inside; and whether it is P."""
    quadrature, lower_series, upper_series = _gamma_regions(xp, a, x)
    out = xp.full_like(x, xp.nan)
    replace(xp, out, quadrature, lambda xp, a, x: _gamma_integrals(xp, a, x)[0], a, x)
    replace(xp, out, lower_series, lambda xp, a, x: _lower_series(xp, a, x)[0] / a, a, x)
    out *= _gamma_prefactor(xp, a, x)
    replace(xp, out, upper_series, _upper_series_value, a, x)
    return out, (x < a) & ~upper_series


def _gamma_gradient(xp: ModuleType, a: Array, x: Array) -> Array:
    """The derivative of ``P`` with respect to ``a``, divided by ``_gamma_prefactor``."""
    quadrature, lower_series, upper_series = _gamma_regions(xp, a, x)
    out = xp.full_like(x, xp.nan)
    replace(xp, out, quadrature, _quadrature_gradient, a, x)
    replace(xp, out, lower_series, _lower_series_gradient, a, x)
    replace(xp, out, upper_series, _upper_series_gradient, a, x)
    return out


def _gamma_prefactor(xp: ModuleType, a: Array, x: Array) -> Array:
    """``x**a exp(-x) / gamma(a)``, without the cancellation of its factors for large ``a``."""
    return xp.sqrt(a / (2 * math.pi)) * xp.exp(_gamma_exponent(xp, a, x))


def _gamma_exponent(xp: ModuleType, a: Array, x: Array) -> Array:
    return a * _log_deviation(xp, x / a, (x - a) / a) - stirling_error(xp, a)


def _log_deviation(xp: ModuleType, ratio: Array, u: Array) -> Array:
    """``log(ratio) - u`` where ``ratio == 1 + u``, with relative accuracy for small ``u``."""
    out = xp.log(ratio) - u
    replace(xp, out, xp.abs(u) < 0.5, _log_deviation_small, u)
    return out


def _log_deviation_small(xp: ModuleType, u: Array) -> Array:
    r = u / (2 + u)  # log(1 + u) = 2 atanh(r)
    square = r * r
    return r * (square * polynomial(xp, _LOG_SERIES, square) - u)


def _gamma_integrals(xp: ModuleType, a: Array, x: Array) -> tuple[Array, Array]:
    """The integrals of ``exp(-h(v))`` and of ``v exp(-h(v))`` from 0, away from the peak."""
    is_lower = x < a
    sign = xp.where(is_lower, -1, 1)
    slope = xp.abs(x - a)
    # A bound of the stretch with h < 40, from h(v) >= max(a, x) (exp(v) - 1 - v); Newton's method
    # descends from it, since h is convex.
    bound = _DEPTH / xp.maximum(a, x)
    bound = bound + xp.sqrt(2 * bound)
    width = xp.where(is_lower, bound, xp.log1p(bound))
    narrow = width < _NARROW

    def exponent(distance: Array) -> Array:
        v = sign * distance
        remainder = xp.expm1(v) - v
        replace(xp, remainder, narrow, _exp_remainder_small, v)
        return x * remainder + slope * distance

    for _ in range(4):
        derivative = x * xp.abs(xp.expm1(sign * width)) + slope
        width = width - (exponent(width) - _DEPTH) / derivative
    total, moment = xp.zeros_like(x), xp.zeros_like(x)
    for node, weight in zip(tables.GAUSS_NODES, tables.GAUSS_WEIGHTS, strict=True):
        distance = width * node
        value = weight * xp.exp(-exponent(distance))
        total += value
        moment += value * distance
    return width * total, width * sign * moment


def _exp_remainder_small(xp: ModuleType, v: Array) -> Array:
    return v * v * polynomial(xp, _EXP_SERIES, v)


def _quadrature_gradient(xp: ModuleType, a: Array, x: Array) -> Array:
    total, moment = _gamma_integrals(xp, a, x)
    u = (x - a) / a
    logarithm = xp.where(u < -0.5, xp.log(x / a), xp.log1p(u))
    offset = logarithm + log_minus_digamma(xp, a)  # log(x) - digamma(a)
    out = offset * total + moment
    return xp.where(x < a, out, -out)


def _lower_series(xp: ModuleType, a: Array, x: Array) -> tuple[Array, Array]:
    """``P`` over the prefactor, times ``a``, and minus the derivative of its logarithm's terms.

    The sum of ``x**n / ((a + 1) ... (a + n))``, and that with each term times the sum of
    ``1 / (a + 1) ... 1 / (a + n)``.
    """
    term, harmonic = xp.ones_like(x), xp.zeros_like(x)
    total, moment = term.copy(), harmonic.copy()
    for n in range(1, _MOST_TERMS):
        term *= x / (a + n)
        harmonic += 1 / (a + n)
        total += term
        moment += term * harmonic
        if not (term > _NEGLIGIBLE * total).any():
            break
    return total, moment


def _lower_series_gradient(xp: ModuleType, a: Array, x: Array) -> Array:
    total, moment = _lower_series(xp, a, x)
    return (total * (xp.log(x) - digamma_of_positive(xp, a + 1)) - moment) / a


def _upper_series(xp: ModuleType, a: Array, x: Array) -> tuple[Array, Array]:
    """The sum of ``(-x)**n / (n! (a + n))`` from 1, and its derivative, for ``x <= 1/2``."""
    power = xp.ones_like(x)
    total, derivative = xp.zeros_like(x), xp.zeros_like(x)
    for n in range(1, 16):
        power *= x / -n
        total += power / (a + n)
        derivative -= power / (a + n) ** 2
    return total, derivative


def _upper_series_value(xp: ModuleType, a: Array, x: Array) -> Array:
    total, _ = _upper_series(xp, a, x)
    minus_one = xp.expm1(a * xp.log(x) - lgamma_of_one_plus(xp, a))  # x**a / gamma(1 + a) - 1
    return -minus_one - (1 + minus_one) * a * total


def _upper_series_gradient(xp: ModuleType, a: Array, x: Array) -> Array:
    total, derivative = _upper_series(xp, a, x)
    logarithm = xp.log(x) - digamma_of_positive(xp, a + 1)
    return (logarithm * (1 + a * total) + total + a * derivative) * xp.exp(x) / a


@elementwise(single=False)
def betainc(xp: ModuleType, a: Array, b: Array, x: Array) -> Array:
    """The regularized incomplete beta function.

    ``I(x; a, b)``: the integral of ``t**(a - 1) (1 - t)**(b - 1)`` from 0 to ``x``, divided by that
    from 0 to 1.

    Args:
      a, b: float arrays, at least 0.
      x: a float array in ``[0, 1]``; all of one dtype, and their shapes broadcast.

    Returns:
      An array of the broadcast shape, within 1e-12 relative for ``a`` and ``b`` up to 1e6; the
      error is only absolute where both ``b < 1`` and ``x > 1/2``. NaN outside the domain and where
      the limit depends on the direction: ``a`` and ``b`` both 0, or both infinite.

    Example:
      >>> import numpy as np
      >>> betainc(np, np.array([1.0, 2.0]), np.array([3.0, 2.0]), np.array([0.5, 0.25])).tolist()
      [0.875, 0.15625]
    """
    inside = (a > 0) & (a < xp.inf) & (b > 0) & (b < xp.inf) & (x > 0) & (x < 1)
    out = xp.full_like(x, xp.nan)
    replace(xp, out, inside, _betainc_inside, a, b, x)
    in_domain = _in_beta_domain(xp, a, b, x)
    is_one = (x == 1) | ((x > 0) & ((a == 0) | (b == xp.inf)))
    is_zero = (x == 0) | ((x < 1) & ((b == 0) | (a == xp.inf)))
    out = xp.where(in_domain & is_zero, 0, out)
    return xp.where(in_domain & is_one, 1, out)


@elementwise(single=False)
def beta_density(xp: ModuleType, a: Array, b: Array, x: Array) -> Array:
    """The derivative of ``betainc`` with respect to ``x``.

    ``x**(a - 1) (1 - x)**(b - 1)``, divided by its integral from 0 to 1.

    Args:
      a, b: float arrays, at least 0.
      x: a float array in ``[0, 1]``; all of one dtype, and their shapes broadcast.

    Returns:
      An array of the broadcast shape, within 1e-12 relative for ``a`` and ``b`` up to 1e6. At
      ``x = 0`` it is infinite for ``a < 1``, ``b`` for ``a = 1`` and else 0; likewise at 1 with
      ``a`` and ``b`` exchanged. NaN outside the domain of ``betainc``.

    Example:
      >>> import numpy as np
      >>> beta_density(
      ...     np, np.array([1.0, 2.0]), np.array([3.0, 2.0]), np.array([0.0, 0.5])
      ... ).tolist()
      [3.0, 1.5]
    """
    y = 1 - x
    scale, exponent = _beta_factors(xp, a, b, x, y)
    root = xp.exp(0.5 * exponent)
    out = scale * (root / x) * (root / y)
    is_peak = ((a == 0) | (a == xp.inf)) | ((b == 0) | (b == xp.inf))  # all weight at one end
    out = xp.where(is_peak, 0, out)
    out = xp.where(x == 0, xp.where(a < 1, xp.inf, xp.where(a == 1, b, 0)), out)
    out = xp.where(x == 1, xp.where(b < 1, xp.inf, xp.where(b == 1, a, 0)), out)
    return xp.where(_in_beta_domain(xp, a, b, x), out, xp.nan)


def _in_beta_domain(xp: ModuleType, a: Array, b: Array, x: Array) -> Array:
    in_domain = (a >= 0) & (b >= 0) & (x >= 0) & (x <= 1)
    return in_domain & ((a > 0) | (b > 0)) & ((a < xp.inf) | (b < xp.inf))


def _betainc_inside(xp: ModuleType, a: Array, b: Array, x: Array) -> Array:
    y = 1 - x
    # Look from the end that lies on the other side of the peak than x: t or 1 - t is small there.
    is_swapped = x * b > y * a
    a, b = xp.where(is_swapped, b, a), xp.where(is_swapped, a, b)
    x, y = xp.where(is_swapped, y, x), xp.where(is_swapped, x, y)
    # Near the peak, too far from this end and too close to the other, the other one is better.
    is_turned = (x > 0.5) & (a * y < 2)
    is_swapped ^= is_turned
    a, b = xp.where(is_turned, b, a), xp.where(is_turned, a, b)
    x, y = xp.where(is_turned, y, x), xp.where(is_turned, x, y)
    takes_series = is_turned | ((x <= 0.5) & (a < _PEAKED))
    side = xp.empty_like(x)
    replace(xp, side, takes_series, _beta_series, a, b, x)
    replace(xp, side, ~takes_series, _beta_integral, a, b, x, y)
    side *= _beta_prefactor(xp, a, b, x, y)
    return xp.where(is_swapped, 1 - side, side)


def _beta_prefactor(xp: ModuleType, a: Array, b: Array, x: Array, y: Array) -> Array:
    """``x**a y**b / beta(a, b)`` where ``x + y == 1``, without the cancellation of its factors."""
    scale, exponent = _beta_factors(xp, a, b, x, y)
    return scale * xp.exp(exponent)


def _beta_factors(xp: ModuleType, a: Array, b: Array, x: Array, y: Array) -> tuple[Array, Array]:
    total = a + b
    excess = x * b - y * a  # (x - a / (a + b)) times the total
    exponent = a * _log_deviation(xp, x * total / a, excess / a)
    exponent += b * _log_deviation(xp, y * total / b, -excess / b)
    exponent += stirling_error(xp, total) - stirling_error(xp, a) - stirling_error(xp, b)
    return xp.sqrt(a / total * b / (2 * math.pi)), exponent


def _beta_series(xp: ModuleType, a: Array, b: Array, x: Array) -> Array:
    """``I`` over the prefactor: the sum of ``(a + b)_n / (a + 1)_n x**n``, divided by ``a``."""
    term = xp.ones_like(x)
    total = term.copy()
    for n in range(_MOST_TERMS):
        term *= (a + b + n) * x / (a + 1 + n)
        total += term
        if not (term > _NEGLIGIBLE * total).any():
            break
    return total / a


def _beta_integral(xp: ModuleType, a: Array, b: Array, x: Array, y: Array) -> Array:
    """``I`` over the prefactor: the integral of ``exp(-h)`` over ``log(x (1 - t) / (y t)) > 0``."""
    total = a + b
    # Two forms of h: the factor of the exponential must not be a rounded 1 minus something small.
    is_left = x <= y
    sign, part = xp.where(is_left, -1, 1), xp.where(is_left, x, y)
    linear = xp.where(is_left, a, -b)

    def exponent(distance: Array) -> Array:
        return linear * distance + total * xp.log1p(part * xp.expm1(sign * distance))

    width = xp.sqrt(2 * _DEPTH / (total * x * y))  # right for a large total; else too short or long
    width = xp.minimum(width, _DEPTH)
    for _ in range(_MOST_TERMS):
        is_short = exponent(width) < _DEPTH
        if not is_short.any():
            break
        width = xp.where(is_short, 2 * width, width)
    for _ in range(5):  # Newton's method descends to the end, since h is convex
        grown = part * xp.exp(sign * width)
        derivative = linear + total * sign * grown / (1 - part + grown)
        width = width - (exponent(width) - _DEPTH) / derivative
    out = xp.zeros_like(x)
    for node, weight in zip(tables.GAUSS_NODES, tables.GAUSS_WEIGHTS, strict=True):
        out += weight * xp.exp(-exponent(width * node))
    return width * out
