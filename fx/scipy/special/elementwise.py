"""Special functions of `fx.lax` with NumPy's promotion and broadcasting, and compositions of them.

Each is one row: its name, what it computes, an example. Sources of the formulas are in
`fx.ops.special`; DLMF is the NIST Digital Library of Mathematical Functions.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.calls.custom import custom_jvp
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, public
from fx.numpy.promotion import expand_to, inexact_operands, integer, promote_inexact, select

_DOC = """{text}, elementwise.

Args:
    {arguments}: arrays or numbers that broadcast; integers become floats.

Returns:
    Array of the common shape and dtype.

Raises:
    FxTypeError: an argument does not hold numbers, or complex ones that have no such function.
    ShapeError: the shapes do not broadcast.

Example:
    >>> from fx.scipy import special
    >>> special.{example}
    {shown}
"""


def special(
    text: str, example: str, shown: str, complex_too: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function of promoted arrays (of one shape, or rank 0): promote, document."""

    def decorate(compute: Callable[..., Any]) -> Callable[..., Any]:
        name = compute.__name__
        full = f"scipy.special.{name}"

        def checked(*xs: Any) -> Any:
            operands = inexact_operands(full, *xs)
            if not complex_too and operands[0].dtype.kind == "c":
                raise FxTypeError(
                    f"{full} expects real numbers, got {dtypes.short_name(operands[0].dtype)}."
                )
            return compute(*operands)

        parameters = list(inspect.signature(compute).parameters)
        signature = inspect.signature(compute)

        def one(x: Any) -> Any:
            return checked(x)

        def several(*args: Any, **kwargs: Any) -> Any:
            return checked(*signature.bind(*args, **kwargs).arguments.values())

        function: Any = one if parameters == ["x"] else several
        if function is several:
            function.__signature__ = signature
        function.__name__ = function.__qualname__ = name
        function.__module__ = compute.__module__
        function.__doc__ = _DOC.format(
            text=text, arguments=", ".join(parameters), example=example, shown=shown
        )
        return public(function)

    return decorate


def _full(*xs: Any) -> list[Any]:
    """Operands all of the common shape."""
    shape = next((x.shape for x in xs if x.shape), ())
    return [expand_to(x, shape) for x in xs]


# ------------------------------------------------------------------ error functions
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


# ------------------------------------------------------------------ gamma and beta functions
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
    a, b = _full(a, b)
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
    a, b = _full(a, b)
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
    z, m = _full(z, m)
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
    out = lit(x, order * (order - 1) / 4 * math.log(math.pi))
    for i in range(order):
        out = P.add(out, P.lgamma(P.sub(x, lit(x, i / 2))))
    return out


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


# ------------------------------------------------------------------ logarithms
@special(
    "Logistic function, 1 / (1 + exp(-x))",
    "expit(0.0)",
    "Array(0.5, dtype=float32, weak_type=True)",
    complex_too=True,
)
def expit(x):
    return P.logistic(x)


@special(
    "log(p / (1 - p)), the inverse of expit",
    "logit(0.5)",
    "Array(0., dtype=float32, weak_type=True)",
)
def logit(p):
    return P.sub(P.log(p), P.log1p(P.neg(p)))


@custom_jvp
def _x_log_y(x: Any, y: Any) -> Any:
    zero = P.table["and"](P.eq(x, lit(x, 0)), P.eq(y, y))
    return select(zero, lit(x, 0), P.mul(x, P.log(select(zero, lit(y, 1), y))))


@_x_log_y.defjvp
def _x_log_y_jvp(primals: Any, tangents: Any) -> Any:
    (x, y), (t, u) = primals, tangents
    return _x_log_y(x, y), P.add(P.mul(t, P.log(y)), P.mul(u, P.div(x, y)))


@custom_jvp
def _x_log1p_y(x: Any, y: Any) -> Any:
    zero = P.table["and"](P.eq(x, lit(x, 0)), P.eq(y, y))
    return select(zero, lit(x, 0), P.mul(x, P.log1p(select(zero, lit(y, 1), y))))


@_x_log1p_y.defjvp
def _x_log1p_y_jvp(primals: Any, tangents: Any) -> Any:
    (x, y), (t, u) = primals, tangents
    slope = P.div(x, P.add(y, lit(y, 1)))
    return _x_log1p_y(x, y), P.add(P.mul(t, P.log1p(y)), P.mul(u, slope))


@special(
    "x log(y), and 0 where x is 0",
    "xlogy(0.0, 0.0)",
    "Array(0., dtype=float32, weak_type=True)",
    complex_too=True,
)
def xlogy(x, y):
    return _x_log_y(*_full(x, y))


@special(
    "x log(1 + y), and 0 where x is 0",
    "xlog1py(0.0, -1.0)",
    "Array(0., dtype=float32, weak_type=True)",
    complex_too=True,
)
def xlog1py(x, y):
    return _x_log1p_y(*_full(x, y))


@special(
    "-x log(x): what an event of probability x adds to the entropy",
    "entr(1.0)",
    "Array(-0., dtype=float32, weak_type=True)",
)
def entr(x):
    negative = P.lt(x, lit(x, 0))
    safe = select(negative, lit(x, 1), x)
    return select(negative, lit(x, -math.inf), P.neg(_x_log_y(safe, safe)))


def _relative_entropy(p: Any, q: Any, shifted: bool) -> Any:
    p, q = _full(p, q)
    one, zero = lit(p, 1), lit(p, 0)
    both = P.table["and"](P.gt(p, zero), P.gt(q, zero))
    none = P.table["and"](P.eq(p, zero), P.ge(q, zero))
    safe_p, safe_q = select(both, p, one), select(both, q, one)
    value = P.mul(safe_p, P.sub(P.log(safe_p), P.log(safe_q)))
    empty = zero
    if shifted:
        value = P.add(P.sub(value, safe_p), safe_q)
        empty = q
    return select(both, value, select(none, empty, lit(p, math.inf)))


@special(
    "p log(p / q), a term of the relative entropy",
    "rel_entr(1.0, 1.0)",
    "Array(0., dtype=float32, weak_type=True)",
)
def rel_entr(p, q):
    return _relative_entropy(p, q, False)


@special(
    "p log(p / q) - p + q, a term of the Kullback-Leibler divergence",
    "kl_div(1.0, 1.0)",
    "Array(0., dtype=float32, weak_type=True)",
)
def kl_div(p, q):
    return _relative_entropy(p, q, True)


def _box_cox(log: Any, power: Any) -> Any:
    log, power = _full(log, power)
    zero = P.eq(power, lit(power, 0))
    safe = select(zero, lit(power, 1), power)
    return select(zero, log, P.div(P.expm1(P.mul(log, safe)), safe))


@special(
    "Box and Cox's transform, (x**lmbda - 1) / lmbda, or log(x) for lmbda = 0",
    "boxcox(3.0, 2.0).round(4)",
    "Array(4., dtype=float32, weak_type=True)",
)
def boxcox(x, lmbda):
    return _box_cox(P.log(x), lmbda)


@special(
    "Box and Cox's transform of 1 + x",
    "boxcox1p(2.0, 2.0).round(4)",
    "Array(4., dtype=float32, weak_type=True)",
)
def boxcox1p(x, lmbda):
    return _box_cox(P.log1p(x), lmbda)
