"""The error function and the normal distribution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fx.calls.custom import custom_jvp
from fx.core.primitive import P, lit
from fx.errors import public
from fx.numpy.promotion import promote_inexact, select
from fx.scipy.special.common import special


@special("Error function", "erf(0.5)", "Array(0.5204999, dtype=float32, weak_type=True)")
def erf(x):
    return P.erf(x)


@special(
    "Complementary error function, 1 - erf(x)",
    "erfc(0.0)",
    "Array(1., dtype=float32, weak_type=True)",
)
def erfc(x):
    return P.erfc(x)


@special(
    "Inverse of the error function",
    "erfinv(0.5)",
    "Array(0.47693628, dtype=float32, weak_type=True)",
)
def erfinv(x):
    return P.erf_inv(x)


def _normal_cdf(x: Any) -> Any:
    return P.mul(P.erfc(P.mul(x, lit(x, -math.sqrt(0.5)))), lit(x, 0.5))


@special(
    "Probability below x of the standard normal distribution",
    "ndtr(0.0)",
    "Array(0.5, dtype=float32, weak_type=True)",
)
def ndtr(x):
    return _normal_cdf(x)


_LOG_ROOT = 0.5 * math.log(2 * math.pi)


@custom_jvp
def _log_normal_cdf(x: Any) -> Any:
    # Far below 0 the asymptotic series of Mills' ratio, DLMF 7.12.1; above, erfc has all digits.
    bound = -20.0 if x.dtype == np.float64 else -10.0
    low = P.lt(x, lit(x, bound))
    far = select(low, x, lit(x, bound))
    inverse = P.div(lit(x, 1), P.mul(far, far))
    series = lit(x, 1)
    for k in (11, 9, 7, 5, 3, 1):
        series = P.sub(lit(x, 1), P.mul(P.mul(inverse, lit(x, k)), series))
    below = P.sub(P.mul(P.mul(far, far), lit(x, -0.5)), P.log(P.neg(far)))
    below = P.add(P.sub(below, lit(x, _LOG_ROOT)), P.log(series))
    near = select(low, lit(x, bound), x)
    upper = P.gt(near, lit(x, 0))
    # For large x the probability is 1 less a small number, which log1p sees.
    middle = P.log(_normal_cdf(select(upper, lit(x, 0), near)))
    above = P.log1p(P.neg(_normal_cdf(P.neg(select(upper, near, lit(x, 0))))))
    return select(low, below, select(upper, above, middle))


@_log_normal_cdf.defjvp
def _log_normal_cdf_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    out = _log_normal_cdf(x)
    exponent = P.sub(P.mul(P.mul(x, x), lit(x, -0.5)), P.add(out, lit(x, _LOG_ROOT)))
    return out, P.mul(t, P.exp(exponent))


@public
def log_ndtr(x: Any, series_order: int = 3) -> Any:
    """Logarithm of the probability below x of the standard normal distribution, elementwise.

    Args:
        x: array or number; integers become floats.
        series_order: ignored: the series is as long as the dtype needs.

    Returns:
        Array of x.shape.

    Raises:
        FxTypeError: `x` does not hold real numbers.

    Example:
        >>> from fx.scipy import special
        >>> special.log_ndtr(-100.0).round(1)
        Array(-5005.5, dtype=float32, weak_type=True)
    """
    (x,) = promote_inexact("scipy.special.log_ndtr", x)
    return _log_normal_cdf(x)


@custom_jvp
def _normal_quantile(p: Any) -> Any:
    # Symmetric: the smaller tail is inverted. There, Newton's method for log_ndtr(x) = log(p)
    # starts from Abramowitz and Stegun 26.2.23, whose error is below 4.5e-4.
    upper = P.gt(p, lit(p, 0.5))
    tail = select(upper, P.sub(lit(p, 1), p), p)
    log_tail = P.log(tail)
    t = P.sqrt(P.mul(log_tail, lit(p, -2)))
    above = P.add(P.mul(P.add(P.mul(t, lit(p, 0.010328)), lit(p, 0.802853)), t), lit(p, 2.515517))
    below = P.add(P.mul(P.add(P.mul(t, lit(p, 0.001308)), lit(p, 0.189269)), t), lit(p, 1.432788))
    below = P.add(P.mul(below, t), lit(p, 1))
    x = P.sub(P.div(above, below), t)
    for _ in range(3 if p.dtype == np.float64 else 2):
        value = _log_normal_cdf(x)
        # log_ndtr' = exp(-x**2 / 2 - log_ndtr(x)) / sqrt(2 pi)
        exponent = P.add(P.add(value, P.mul(P.mul(x, x), lit(p, 0.5))), lit(p, _LOG_ROOT))
        x = P.sub(x, P.mul(P.sub(value, log_tail), P.exp(exponent)))
    centre = P.lt(P.abs(P.sub(p, lit(p, 0.5))), lit(p, 0.25))
    argument = P.sub(P.mul(p, lit(p, 2)), lit(p, 1))
    middle = P.mul(P.erf_inv(argument), lit(p, math.sqrt(2)))
    x = select(centre, middle, select(upper, P.neg(x), x))
    x = select(P.eq(p, lit(p, 0)), lit(p, -math.inf), x)
    return select(P.eq(p, lit(p, 1)), lit(p, math.inf), x)


@_normal_quantile.defjvp
def _normal_quantile_jvp(primals: Any, tangents: Any) -> Any:
    (p,), (t,) = primals, tangents
    out = _normal_quantile(p)
    inverse = P.exp(P.add(P.mul(P.mul(out, out), lit(p, 0.5)), lit(p, _LOG_ROOT)))
    return out, P.mul(t, inverse)


@special(
    "Quantile of the standard normal distribution: the inverse of ndtr",
    "ndtri(0.5)",
    "Array(0., dtype=float32, weak_type=True)",
)
def ndtri(p):
    return _normal_quantile(p)
