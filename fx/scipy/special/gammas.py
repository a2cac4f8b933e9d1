"""Gamma, beta, zeta and Bessel functions.

Sources of the formulas of primitives are in `fx.ops.special`; DLMF is the NIST Digital Library of
Mathematical Functions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxValueError, public
from fx.numpy.promotion import inexact_operands, integer, promote_inexact, select
from fx.scipy.special.common import full, special

_LOG_ROOT = 0.5 * math.log(2 * math.pi)


@special(
    "Logarithm of the absolute value of the gamma function",
    "gammaln(5.0)",
    "Array(3.1780539, dtype=float32, weak_type=True)",
)
def gammaln(x):
    return P.lgamma(x)


@special(
    "Logarithm of the gamma function of positive numbers",
    "loggamma(5.0)",
    "Array(3.1780539, dtype=float32, weak_type=True)",
)
def loggamma(x):
    return select(P.lt(x, lit(x, 0)), lit(x, np.nan), P.lgamma(x))


def _gamma_sign(x: Any) -> Any:
    down = P.floor(x)
    odd = P.ne(P.mul(P.floor(P.mul(down, lit(x, 0.5))), lit(x, 2)), down)
    sign = select(odd, lit(x, -1), lit(x, 1))
    pole = P.table["and"](P.eq(x, down), P.lt(x, lit(x, 0)))
    at_zero = select(P.eq(x, lit(x, 0)), P.sign(P.div(lit(x, 1), x)), lit(x, 1))
    sign = select(P.gt(x, lit(x, 0)), lit(x, 1), select(P.eq(x, lit(x, 0)), at_zero, sign))
    return select(pole, lit(x, np.nan), sign)


@special(
    "Sign of the gamma function; NaN at its poles",
    "gammasgn(-0.5)",
    "Array(-1., dtype=float32, weak_type=True)",
)
def gammasgn(x):
    return _gamma_sign(x)


@special("Gamma function", "gamma(1.0)", "Array(1., dtype=float32, weak_type=True)")
def gamma(x):
    return P.mul(P.stop_gradient(_gamma_sign(x)), P.exp(P.lgamma(x)))


@special(
    "Derivative of the logarithm of the gamma function",
    "digamma(1.0)",
    "Array(-0.5772157, dtype=float32, weak_type=True)",
)
def digamma(x):
    return P.digamma(x)


@special(
    "Derivative of order n of digamma",
    "polygamma(1, 1.0)",
    "Array(1.644934, dtype=float32, weak_type=True)",
)
def polygamma(n, x):
    return P.polygamma(n, x)


@special(
    "Regularized lower incomplete gamma function",
    "gammainc(1.0, 1.0)",
    "Array(0.63212055, dtype=float32, weak_type=True)",
)
def gammainc(a, x):
    return P.igamma(a, x)


@special(
    "Regularized upper incomplete gamma function, 1 - gammainc(a, x)",
    "gammaincc(1.0, 1.0)",
    "Array(0.36787945, dtype=float32, weak_type=True)",
)
def gammaincc(a, x):
    return P.igammac(a, x)


def _stirling_rest(x: Any) -> Any:
    """log gamma(x) less Stirling's formula, for x >= 8: DLMF 5.11.1."""
    inverse = P.div(lit(x, 1), x)
    square = P.mul(inverse, inverse)
    out = lit(x, 0)
    for c in (-691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12):
        out = P.add(P.mul(out, square), lit(x, c))
    return P.mul(out, inverse)


def _log_beta(a: Any, b: Any) -> Any:
    a, b = full(a, b)
    small, large = P.min(a, b), P.max(a, b)
    plain = P.lt(large, lit(a, 8))
    total = P.add(a, b)
    direct = P.sub(P.add(P.lgamma(a), P.lgamma(b)), P.lgamma(total))
    # Large arguments: the leading terms of Stirling's formula cancel before they are rounded.
    q = select(plain, lit(a, 8), large)
    ratio = P.log1p(P.div(small, q))
    rest = P.sub(_stirling_rest(q), _stirling_rest(P.add(q, small)))
    common = P.sub(rest, P.mul(P.sub(q, lit(a, 0.5)), ratio))
    both = P.ge(small, lit(a, 8))
    p = select(both, small, lit(a, 8))
    sum_ = P.add(p, q)
    two = P.mul(p, P.log(P.div(p, sum_)))
    two = P.add(P.sub(two, P.mul(P.log(p), lit(a, 0.5))), lit(a, _LOG_ROOT))
    two = P.add(two, _stirling_rest(p))
    few = select(both, lit(a, 1), small)
    one = P.add(P.sub(P.lgamma(few), P.mul(few, P.log(P.add(few, q)))), few)
    return select(plain, direct, P.add(common, select(both, two, one)))


@special(
    "Logarithm of the beta function, gammaln(a) + gammaln(b) - gammaln(a + b) without cancellation",
    "betaln(1.0, 2.0)",
    "Array(-0.6931472, dtype=float32, weak_type=True)",
)
def betaln(a, b):
    return _log_beta(a, b)


@special(
    "Beta function, gamma(a) gamma(b) / gamma(a + b)",
    "beta(1.0, 1.0)",
    "Array(1., dtype=float32, weak_type=True)",
)
def beta(a, b):
    a, b = full(a, b)
    sign = P.mul(P.mul(_gamma_sign(a), _gamma_sign(b)), _gamma_sign(P.add(a, b)))
    return P.mul(P.stop_gradient(sign), P.exp(_log_beta(a, b)))


@special(
    "Regularized incomplete beta function",
    "betainc(2.0, 2.0, 0.5)",
    "Array(0.5, dtype=float32, weak_type=True)",
)
def betainc(a, b, x):
    return P.regularized_incomplete_beta(a, b, x)


@special(
    "Rising factorial, gamma(z + m) / gamma(z)",
    "poch(1.0, 1.0)",
    "Array(1., dtype=float32, weak_type=True)",
)
def poch(z, m):
    z, m = full(z, m)
    total = P.add(z, m)
    sign = P.mul(_gamma_sign(total), _gamma_sign(z))
    value = P.exp(P.sub(P.lgamma(total), P.lgamma(z)))
    return select(P.eq(m, lit(m, 0)), lit(m, 1), P.mul(P.stop_gradient(sign), value))


@public
def factorial(n: Any, exact: bool = False) -> Any:
    """Factorial, gamma(n + 1), elementwise; 0 for negative numbers.

    Args:
        n: array or number; integers become floats.
        exact: must be False.

    Returns:
        Array of n.shape, of a floating dtype.

    Raises:
        FxValueError: `exact` is set.

    Example:
        >>> from fx.scipy import special
        >>> special.factorial(4).round(3)
        Array(24., dtype=float32, weak_type=True)
    """
    if exact:
        raise FxValueError("scipy.special.factorial: exact=True is not supported.")
    (x,) = promote_inexact("scipy.special.factorial", n)
    value = P.exp(P.lgamma(P.add(x, lit(x, 1))))
    return select(P.lt(x, lit(x, 0)), lit(x, 0), value)


@public
def multigammaln(a: Any, d: Any) -> Any:
    """Logarithm of the multivariate gamma function of order d, elementwise in a.

    Args:
        a: array or number, above (d - 1) / 2.
        d: a Python integer, positive.

    Returns:
        Array of a.shape.

    Raises:
        FxTypeError: `d` is not an integer.

    Example:
        >>> from fx.scipy import special
        >>> special.multigammaln(5.0, 1)
        Array(3.1780539, dtype=float32, weak_type=True)
    """
    name = "scipy.special.multigammaln"
    (x,) = promote_inexact(name, a)
    order = integer(d, name, "d")
    if order < 1:
        raise FxValueError(f"{name}: d must be at least 1, got {d}.")
    constant = lit(x, order * (order - 1) / 4 * math.log(math.pi))
    halves = Array((np.arange(order) / 2).astype(x.dtype), x.weak_type)
    wide = (*x.shape, order)
    terms = P.sub(
        P.broadcast_in_dim(x, shape=wide, broadcast_dimensions=tuple(range(x.ndim))),
        P.broadcast_in_dim(halves, shape=wide, broadcast_dimensions=(x.ndim,)),
    )
    return P.add(constant, P.reduce_sum(P.lgamma(terms), axes=(x.ndim,)))


@public
def zeta(x: Any, q: Any = None) -> Any:
    """Hurwitz zeta function: the sum of (k + q)**-x over k = 0, 1, ..., elementwise.

    Args:
        x, q: arrays or numbers that broadcast. Without q, Riemann's zeta function of x > 1.

    Returns:
        Array of the common shape.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> from fx.scipy import special
        >>> special.zeta(2.0, 1.0)
        Array(1.644934, dtype=float32, weak_type=True)
    """
    return P.zeta(*inexact_operands("scipy.special.zeta", x, 1.0 if q is None else q))


# ------------------------------------------------------------------ Bessel functions
@special(
    "Modified Bessel function of order 0, scaled by exp(-|x|)",
    "i0e(1.0)",
    "Array(0.4657596, dtype=float32, weak_type=True)",
)
def i0e(x):
    return P.bessel_i0e(x)


@special(
    "Modified Bessel function of order 0",
    "i0(0.0)",
    "Array(1., dtype=float32, weak_type=True)",
)
def i0(x):
    return P.mul(P.exp(P.abs(x)), P.bessel_i0e(x))


@special(
    "Modified Bessel function of order 1, scaled by exp(-|x|)",
    "i1e(0.0)",
    "Array(0., dtype=float32, weak_type=True)",
)
def i1e(x):
    return P.bessel_i1e(x)


@special(
    "Modified Bessel function of order 1",
    "i1(0.0)",
    "Array(0., dtype=float32, weak_type=True)",
)
def i1(x):
    return P.mul(P.exp(P.abs(x)), P.bessel_i1e(x))
