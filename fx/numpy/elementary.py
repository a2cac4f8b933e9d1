"""Elementary functions, elementwise: trigonometric, hyperbolic, exponentials and logarithms.

Each function is one row: its name, NumPy's ufunc for the short way, the primitive or composition
for the general way, and an example that runs. Docstrings are made from the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import fx.ops  # noqa: F401  (registers the primitives)
from fx.calls.custom import custom_jvp
from fx.core.primitive import P, lit
from fx.numpy import dispatch
from fx.numpy.dispatch import (
    NONE,
    SINGLE_DOUBLE,
)
from fx.numpy.documents import document
from fx.numpy.promotion import (
    expand_to,
    inexact_operands,
    promote_inexact,
    select,
)

__test__: dict[str, str] = {}  # where doctest finds the examples of generated functions

_TO_FLOAT = "integers and bools become the default float"
_NUMBERS = "of any numeric dtype"
_PROMOTED = "the promoted dtype"


def _doc(*row: Any, arity: int = 1) -> str:
    __test__[row[0]] = text = document(*row, arity=arity)
    return text


# ------------------------------------------------------------------ one array, inexact
def _float(
    name: str,
    ufunc: Any,
    summary: str,
    example: str,
    shown: str,
    primitive: str | Callable[[Any], Any] = "",
    fast: frozenset = SINGLE_DOUBLE,
) -> Callable[[Any], Any]:
    compute = primitive if callable(primitive) else getattr(P, primitive or name)

    def general(x: Any) -> Any:
        return compute(*promote_inexact(f"numpy.{name}", x))

    doc = _doc(name, summary, _TO_FLOAT, "inexact", example, shown)
    return dispatch.unary(name, doc, general, ufunc, fast if ufunc else NONE)


def _log_base(base: float) -> Callable[[Any], Any]:
    def compute(x: Any) -> Any:
        log = P.log(x)
        if x.dtype.kind != "c":
            return P.div(log, lit(x, math.log(base)))
        # Each part by itself: a quotient of complex numbers makes NaN of infinities.
        parts = [P.real(log), P.imag(log)]
        return P.complex(*[P.div(part, lit(part, math.log(base))) for part in parts])

    return compute


sin = _float(
    "sin",
    np.sin,
    "Sine of an angle in radians",
    "1.0",
    "Array(0.841471, dtype=float32, weak_type=True)",
)
cos = _float(
    "cos",
    np.cos,
    "Cosine of an angle in radians",
    "1.0",
    "Array(0.5403023, dtype=float32, weak_type=True)",
)
tan = _float(
    "tan",
    np.tan,
    "Tangent of an angle in radians",
    "1.0",
    "Array(1.5574077, dtype=float32, weak_type=True)",
)
arcsin = _float(
    "arcsin",
    np.arcsin,
    "Inverse sine, in [-π/2, π/2]",
    "1.0",
    "Array(1.5707964, dtype=float32, weak_type=True)",
    "asin",
)
arccos = _float(
    "arccos",
    np.arccos,
    "Inverse cosine, in [0, π]",
    "0.0",
    "Array(1.5707964, dtype=float32, weak_type=True)",
    "acos",
)
arctan = _float(
    "arctan",
    np.arctan,
    "Inverse tangent, in [-π/2, π/2]",
    "1.0",
    "Array(0.7853982, dtype=float32, weak_type=True)",
    "atan",
)
sinh = _float(
    "sinh",
    np.sinh,
    "Hyperbolic sine, (eˣ - e⁻ˣ)/2",
    "1.0",
    "Array(1.1752012, dtype=float32, weak_type=True)",
)
cosh = _float(
    "cosh",
    np.cosh,
    "Hyperbolic cosine, (eˣ + e⁻ˣ)/2",
    "0.0",
    "Array(1., dtype=float32, weak_type=True)",
)
tanh = _float(
    "tanh",
    np.tanh,
    "Hyperbolic tangent, sinh(x)/cosh(x)",
    "1.0",
    "Array(0.7615942, dtype=float32, weak_type=True)",
)
arcsinh = _float(
    "arcsinh",
    np.arcsinh,
    "Inverse hyperbolic sine",
    "1.0",
    "Array(0.8813736, dtype=float32, weak_type=True)",
    "asinh",
)
arccosh = _float(
    "arccosh",
    np.arccosh,
    "Inverse hyperbolic cosine",
    "2.0",
    "Array(1.316958, dtype=float32, weak_type=True)",
    "acosh",
)
arctanh = _float(
    "arctanh",
    np.arctanh,
    "Inverse hyperbolic tangent",
    "0.5",
    "Array(0.54930615, dtype=float32, weak_type=True)",
    "atanh",
)
exp = _float(
    "exp", np.exp, "Exponential, eˣ", "1.0", "Array(2.718282, dtype=float32, weak_type=True)"
)
exp2 = _float(
    "exp2", np.exp2, "Power of two, 2ˣ", "3.0", "Array(8., dtype=float32, weak_type=True)"
)
expm1 = _float(
    "expm1",
    np.expm1,
    "eˣ - 1, exact for small x",
    "1e-5",
    "Array(1.000005e-05, dtype=float32, weak_type=True)",
)
log = _float(
    "log",
    np.log,
    "Natural logarithm; NaN for negative numbers",
    "2.0",
    "Array(0.6931472, dtype=float32, weak_type=True)",
)
log1p = _float(
    "log1p",
    np.log1p,
    "log(1 + x), exact for small x",
    "1e-5",
    "Array(9.99995e-06, dtype=float32, weak_type=True)",
)
log2 = _float(
    "log2",
    None,
    "Logarithm to base 2",
    "8.0",
    "Array(3., dtype=float32, weak_type=True)",
    _log_base(2.0),
)
log10 = _float(
    "log10",
    None,
    "Logarithm to base 10",
    "100.0",
    "Array(2., dtype=float32, weak_type=True)",
    _log_base(10.0),
)
sqrt = _float(
    "sqrt",
    np.sqrt,
    "Square root; NaN for negative numbers",
    "2.0",
    "Array(1.4142135, dtype=float32, weak_type=True)",
)
cbrt = _float("cbrt", None, "Cube root", "27.0", "Array(3., dtype=float32, weak_type=True)")
rint = _float(
    "rint",
    np.rint,
    "Nearest integer, ties to even",
    "2.5",
    "Array(2., dtype=float32, weak_type=True)",
    lambda x: _round_even(x),
)
degrees = _float(
    "degrees",
    None,
    "Radians to degrees, 180 x/π",
    "3.1415927",
    "Array(180., dtype=float32, weak_type=True)",
    lambda x: P.mul(x, lit(x, 180 / math.pi)),
)
radians = _float(
    "radians",
    None,
    "Degrees to radians, π x/180",
    "180.0",
    "Array(3.1415927, dtype=float32, weak_type=True)",
    lambda x: P.mul(x, lit(x, math.pi / 180)),
)


def _round_even(x: Any) -> Any:
    if x.dtype.kind == "c":
        return P.complex(_round_even(P.real(x)), _round_even(P.imag(x)))
    return P.round(x, rounding_method=1)


def _sinc(x: Any) -> Any:
    zero = P.eq(x, lit(x, 0))
    angle = P.mul(lit(x, math.pi), select(zero, lit(x, 1), x))
    # Near 0 the series 1 - (πx)²/6 keeps the derivatives right, the second included.
    y = P.mul(lit(x, math.pi), x)
    series = P.sub(lit(x, 1), P.mul(lit(x, 1 / 6), P.mul(y, y)))
    return select(zero, series, P.div(P.sin(angle), angle))


sinc = _float(
    "sinc",
    None,
    "sin(πx)/(πx), and 1 at 0",
    "0.5",
    "Array(0.63661975, dtype=float32, weak_type=True)",
    _sinc,
)


# ------------------------------------------------------------------ two arrays
def _floats(
    name: str,
    ufunc: Any,
    summary: str,
    example: str,
    shown: str,
    compute: Callable[[Any, Any], Any],
) -> Callable[[Any, Any], Any]:
    def general(x: Any, y: Any) -> Any:
        return compute(*inexact_operands(f"numpy.{name}", x, y))

    doc = _doc(name, summary, _TO_FLOAT, "inexact", example, shown, arity=2)
    fast = SINGLE_DOUBLE if ufunc else NONE
    return dispatch.Binary(name, general, ufunc, fast).function(doc)


def _hypot(x: Any, y: Any) -> Any:
    x, y = P.abs(x), P.abs(y)
    large, small = P.max(x, y), P.min(x, y)
    # Scaled by the larger leg, so that the squares do not overflow.
    flat = P.eq(large, lit(large, 0))
    ratio = P.div(small, select(flat, lit(large, 1), large))
    size = P.mul(large, P.sqrt(P.add(lit(ratio, 1), P.mul(ratio, ratio))))
    size = select(flat, large, size)
    for leg in (x, y):  # an infinite one counts for more than NaN
        size = select(P.eq(leg, lit(leg, math.inf)), leg, size)
    return size


hypot = _floats(
    "hypot",
    None,
    "√(x² + y²) without overflow",
    "3.0, 4.0",
    "Array(5., dtype=float32, weak_type=True)",
    _hypot,
)
arctan2 = _floats(
    "arctan2",
    np.arctan2,
    "Angle in [-π, π] of the point whose ordinate is x and abscissa y (NumPy's order)",
    "1.0, -1.0",
    "Array(2.3561945, dtype=float32, weak_type=True)",
    lambda x, y: P.atan2(x, y),
)
nextafter = _floats(
    "nextafter",
    None,
    "The next representable number after x towards y",
    "1.0, 2.0",
    "Array(1.0000001, dtype=float32, weak_type=True)",
    lambda x, y: P.nextafter(x, y),
)


# ------------------------------------------------------------------ logarithms of sums
def _difference(x: Any, y: Any) -> Any:
    """x - y, and 0 for equal infinities."""
    both = P.table["and"](P.eq(x, y), P.eq(P.abs(x), lit(x, math.inf)))
    return select(both, lit(x, 0), P.sub(x, y))


@custom_jvp
def _log_add_exp(x: Any, y: Any) -> Any:
    if x.dtype.kind == "c":
        first = P.gt(P.real(x), P.real(y))
        large, small = select(first, x, y), select(first, y, x)
        return P.add(large, P.log1p(P.exp(P.sub(small, large))))
    delta = P.abs(_difference(x, y))
    return P.add(P.max(x, y), P.log1p(P.exp(P.neg(delta))))


@_log_add_exp.defjvp
def _log_add_exp_jvp(primals: Any, tangents: Any) -> Any:
    (x, y), (t, u) = primals, tangents
    delta = P.sub(x, y) if x.dtype.kind == "c" else _difference(x, y)
    parts = P.mul(t, P.logistic(delta)), P.mul(u, P.logistic(P.neg(delta)))
    return _log_add_exp(x, y), P.add(*parts)


def _same_shape(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Scalars made full, so that tangents have the shape of the result."""

    def compute(x: Any, y: Any) -> Any:
        shape = x.shape or y.shape
        return function(expand_to(x, shape), expand_to(y, shape))

    return compute


def _log_add_exp2(x: Any, y: Any) -> Any:
    scale = lit(x, math.log(2))
    return P.div(_log_add_exp(P.mul(x, scale), P.mul(y, scale)), scale)


logaddexp = _floats(
    "logaddexp",
    None,
    "log(eˣ + eʸ) without overflow",
    "0.0, 0.0",
    "Array(0.6931472, dtype=float32, weak_type=True)",
    _same_shape(_log_add_exp),
)
logaddexp2 = _floats(
    "logaddexp2",
    None,
    "log₂(2ˣ + 2ʸ) without overflow",
    "0.0, 0.0",
    "Array(1., dtype=float32, weak_type=True)",
    _same_shape(_log_add_exp2),
)

acos, acosh, asin, asinh = arccos, arccosh, arcsin, arcsinh
atan, atanh, atan2 = arctan, arctanh, arctan2
deg2rad, rad2deg = radians, degrees
