"""Special functions with their derivatives; the numerics are in `fx.ops.numerics.special`.

Formulas: NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov (chapter numbers
below). A derivative with respect to a parameter that has no closed form raises an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from fx.core.primitive import P, lit
from fx.errors import MissingRuleError
from fx.ops.base import Binary, Elementwise, Unary, broadcast_to
from fx.ops.numerics import special


def _no_derivative(name: str, argument: str) -> Callable[..., Any]:
    """A tangent rule that says which derivative does not exist."""

    def rule(*args: Any) -> Any:
        raise MissingRuleError(
            f"{name} has no derivative with respect to {argument}: it has no closed form. Wrap "
            f"{argument} in fx.lax.stop_gradient, or give a rule of your own with fx.custom_jvp."
        )

    return rule


def _unless(mask: Any, value: Any, otherwise: float) -> Any:
    """`value`, and a constant where the mask is set."""
    return P.select_n(mask, value, broadcast_to(lit(value, otherwise), value.shape))


# ------------------------------------------------------------------ error functions (7.2, 7.17)
_SLOPE = 2 / math.sqrt(math.pi)


def _gauss(x: Any, scale: float, sign: int) -> Any:
    """scale * exp(sign * x**2)."""
    square = P.mul(x, x)
    return P.mul(P.exp(square if sign > 0 else P.neg(square)), lit(x, scale))


Unary("erf", special.erf, lambda t, x, o: P.mul(t, _gauss(x, _SLOPE, -1)), "f")
Unary("erfc", special.erfc, lambda t, x, o: P.mul(t, _gauss(x, -_SLOPE, -1)), "f")
Unary("erf_inv", special.erf_inv, lambda t, x, o: P.mul(t, _gauss(o, 1 / _SLOPE, 1)), "f")
Unary(
    "erfcx",
    special.erfcx,
    lambda t, x, o: P.mul(t, P.sub(P.mul(P.mul(x, lit(x, 2)), o), lit(x, _SLOPE))),
    "f",
)

# ------------------------------------------------------------------ gamma, zeta (5.2, 5.15, 25.11)
Unary("lgamma", special.lgamma, lambda t, x, o: P.mul(t, P.digamma(x)), "f")
Unary(
    "digamma",
    special.digamma,
    lambda t, x, o: P.mul(t, P.polygamma(lit(x, 1), x)),
    "f",
)
Binary(
    "polygamma",
    special.polygamma,
    _no_derivative("polygamma", "m"),
    lambda t, m, x, o: P.mul(t, P.polygamma(P.add(m, lit(m, 1)), x)),
    "f",
)
Binary(
    "zeta",
    special.zeta,
    _no_derivative("zeta", "its first argument"),
    lambda t, s, q, o: P.mul(t, P.mul(P.neg(s), P.zeta(P.add(s, lit(s, 1)), q))),
    "f",
)


# ------------------------------------------------------------------ Bessel functions (10.29)
def _bessel_i1e_slope(x: Any, out: Any) -> Any:
    tiny = P.eq(x, lit(x, 0))
    safe = _unless(tiny, x, 1)
    rest = P.mul(out, P.add(P.sign(x), P.div(lit(x, 1), safe)))
    return _unless(tiny, P.sub(P.bessel_i0e(x), rest), 0.5)


Unary(
    "bessel_i0e",
    special.bessel_i0e,
    lambda t, x, o: P.mul(t, P.sub(P.bessel_i1e(x), P.mul(P.sign(x), o))),
    "f",
)
Unary("bessel_i1e", special.bessel_i1e, lambda t, x, o: P.mul(t, _bessel_i1e_slope(x, o)), "f")


# ------------------------------------------------------------------ incomplete gamma (8.2, 8.8)
# The density x**(a - 1) exp(-x) / gamma(a), the derivative of igamma by x, is a primitive: computed
# as the exponential of a sum of logarithms it would lose digits where a is large.
def _log_ratio(a: Any, x: Any, o: Any) -> Any:
    """log(x) - digamma(a), the derivative of the density's logarithm by a."""
    return P.sub(broadcast_to(P.log(x), o.shape), broadcast_to(P.digamma(a), o.shape))


def _scaled(o: Any, factor: Any) -> Any:
    """o * factor, and 0 where o is: at the ends of the domain the factor is infinite."""
    return _unless(P.eq(o, lit(o, 0)), P.mul(o, factor), 0)


def _gamma_density_slope(a: Any, x: Any, o: Any) -> Any:
    # ((a - 1) / x - 1) o. The density for a - 1 is (a - 1) / x o too, and right at x = 0.
    a, x = broadcast_to(a, o.shape), broadcast_to(x, o.shape)
    less = P.sub(a, lit(a, 1))
    at_zero = getattr(P, "and")(P.eq(x, lit(x, 0)), P.gt(a, lit(a, 1)))
    inside = P.mul(P.div(less, _unless(at_zero, x, 1)), o)
    first = P.select_n(at_zero, inside, P.gamma_density(less, x))
    return P.sub(_unless(P.eq(a, lit(a, 1)), first, 0), o)


def _gamma_grad_slope(a: Any, x: Any, o: Any) -> Any:
    # o = -(d igamma / da) / density, and density' / density = (a - 1) / x - 1
    steep = P.sub(P.div(P.sub(a, lit(a, 1)), x), lit(x, 1))
    return P.neg(P.add(_log_ratio(a, x, o), P.mul(o, steep)))


Binary(
    "gamma_density",
    special.gamma_density,
    lambda t, a, x, o: P.mul(t, _scaled(o, _log_ratio(a, x, o))),
    lambda t, a, x, o: P.mul(t, _gamma_density_slope(a, x, o)),
    "f",
)
Binary(
    "igamma",
    special.igamma,
    lambda t, a, x, o: P.mul(t, P.igamma_grad_a(a, x)),
    lambda t, a, x, o: P.mul(t, P.gamma_density(a, x)),
    "f",
)
Binary(
    "igammac",
    special.igammac,
    lambda t, a, x, o: P.neg(P.mul(t, P.igamma_grad_a(a, x))),
    lambda t, a, x, o: P.neg(P.mul(t, P.gamma_density(a, x))),
    "f",
)
Binary(
    "igamma_grad_a",
    special.igamma_grad_a,
    _no_derivative("igamma_grad_a", "a"),
    lambda t, a, x, o: P.mul(t, _scaled(P.gamma_density(a, x), _log_ratio(a, x, o))),
    "f",
)
Binary(
    "random_gamma_grad",
    special.random_gamma_grad,
    _no_derivative("random_gamma_grad", "a"),
    lambda t, a, x, o: P.mul(t, _gamma_grad_slope(a, x, o)),
    "f",
)


# ------------------------------------------------------------------ incomplete beta (8.17)
class BetaInc(Elementwise):
    """The regularized incomplete beta function I_x(a, b)."""

    name = "regularized_incomplete_beta"
    kinds = "f"

    def impl(self, xp: Any, a: Any, b: Any, x: Any) -> Any:
        return special.betainc(xp, a, b, x)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        for argument, t in zip("ab", tangents, strict=False):
            if t is not None:
                _no_derivative("betainc", argument)()
        return P.mul(broadcast_to(tangents[2], out.shape), P.beta_density(*primals))


class BetaDensity(Elementwise):
    """x**(a - 1) (1 - x)**(b - 1) / beta(a, b), the derivative of I_x(a, b) by x."""

    name = "beta_density"
    kinds = "f"

    def impl(self, xp: Any, a: Any, b: Any, x: Any) -> Any:
        return special.beta_density(xp, a, b, x)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        a, b, x = [broadcast_to(p, out.shape) for p in primals]
        y = P.sub(lit(x, 1), x)
        whole = P.digamma(P.add(a, b))
        slopes = (
            lambda: P.add(P.sub(P.log(x), P.digamma(a)), whole),
            lambda: P.add(P.sub(P.log1p(P.neg(x)), P.digamma(b)), whole),
            lambda: P.sub(_exponent_over(a, x), _exponent_over(b, y)),
        )
        total = None
        for t, slope in zip(tangents, slopes, strict=True):
            if t is not None:
                term = P.mul(broadcast_to(t, out.shape), _scaled(out, slope()))
                total = term if total is None else P.add(total, term)
        return total


def _exponent_over(a: Any, x: Any) -> Any:
    """(a - 1) / x, the slope of the logarithm of x**(a - 1); 0 for a = 1."""
    one = P.eq(a, lit(a, 1))
    return _unless(one, P.div(P.sub(a, lit(a, 1)), _unless(one, x, 1)), 0)


BetaInc()
BetaDensity()
