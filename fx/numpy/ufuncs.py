"""Arithmetic and mathematical functions of one and two arrays, elementwise.

Each function is one row: its name, NumPy's ufunc for the short way, the primitive or composition
for the general way, and an example that runs. Docstrings are made from the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import fx.ops  # noqa: F401  (registers the primitives)
from fx import dtypes
from fx.core.primitive import P, lit
from fx.errors import FxTypeError
from fx.numpy import dispatch
from fx.numpy.dispatch import (
    BFLOAT16,
    COMPLEX,
    FLOAT,
    INTEGER,
    NONE,
    NUMBER,
    REAL,
    SINGLE_DOUBLE,
)
from fx.numpy.documents import document
from fx.numpy.promotion import (
    PYTHON_NUMBERS,
    array,
    broadcast,
    cast,
    inexact_operands,
    joined,
    numeric_operands,
    operand,
    operands,
    promote_inexact,
    promote_numeric,
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
        return P.div(P.log(x), lit(x, math.log(base)))

    return compute


sin = _float("sin", np.sin, "Sine of an angle in radians", "1.0", "?")
cos = _float("cos", np.cos, "Cosine of an angle in radians", "1.0", "?")
tan = _float("tan", np.tan, "Tangent of an angle in radians", "1.0", "?")
arcsin = _float("arcsin", np.arcsin, "Inverse sine, in [-π/2, π/2]", "1.0", "?", "asin")
arccos = _float("arccos", np.arccos, "Inverse cosine, in [0, π]", "0.0", "?", "acos")
arctan = _float("arctan", np.arctan, "Inverse tangent, in [-π/2, π/2]", "1.0", "?", "atan")
sinh = _float("sinh", np.sinh, "Hyperbolic sine, (eˣ - e⁻ˣ)/2", "1.0", "?")
cosh = _float("cosh", np.cosh, "Hyperbolic cosine, (eˣ + e⁻ˣ)/2", "1.0", "?")
tanh = _float("tanh", np.tanh, "Hyperbolic tangent, sinh(x)/cosh(x)", "1.0", "?")
arcsinh = _float("arcsinh", np.arcsinh, "Inverse hyperbolic sine", "1.0", "?", "asinh")
arccosh = _float("arccosh", np.arccosh, "Inverse hyperbolic cosine", "2.0", "?", "acosh")
arctanh = _float("arctanh", np.arctanh, "Inverse hyperbolic tangent", "0.5", "?", "atanh")
exp = _float("exp", np.exp, "Exponential, eˣ", "1.0", "?")
exp2 = _float("exp2", np.exp2, "Power of two, 2ˣ", "3.0", "?")
expm1 = _float("expm1", np.expm1, "eˣ - 1, exact for small x", "1e-5", "?")
log = _float("log", np.log, "Natural logarithm; NaN for negative numbers", "2.0", "?")
log1p = _float("log1p", np.log1p, "log(1 + x), exact for small x", "1e-5", "?")
log2 = _float("log2", None, "Logarithm to base 2", "8.0", "?", _log_base(2.0))
log10 = _float("log10", None, "Logarithm to base 10", "100.0", "?", _log_base(10.0))
sqrt = _float("sqrt", np.sqrt, "Square root; NaN for negative numbers", "2.0", "?")
cbrt = _float("cbrt", np.cbrt, "Cube root", "27.0", "?")
rint = _float(
    "rint", np.rint, "Nearest integer, ties to even", "2.5", "?", lambda x: _round_even(x)
)
degrees = _float(
    "degrees", None, "Radians to degrees, 180 x/π", "3.1415927", "?",
    lambda x: P.mul(x, lit(x, 180 / math.pi)),
)  # fmt: skip
radians = _float(
    "radians", None, "Degrees to radians, π x/180", "180.0", "?",
    lambda x: P.mul(x, lit(x, math.pi / 180)),
)  # fmt: skip


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


sinc = _float("sinc", None, "sin(πx)/(πx), and 1 at 0", "0.5", "?", _sinc)


# ------------------------------------------------------------------ one array, any number
def _number(
    name: str,
    ufunc: Any,
    summary: str,
    example: str,
    shown: str,
    compute: Callable[[Any], Any],
    fast: frozenset = NONE,
    takes: str = _NUMBERS,
    gives: str = "the dtype of `x`",
) -> Callable[[Any], Any]:
    def general(x: Any) -> Any:
        return compute(array(x, f"numpy.{name}"))

    doc = _doc(name, summary, takes, gives, example, shown)
    return dispatch.unary(name, doc, general, ufunc, fast)


def _strict(name: str, primitive: str) -> Callable[[Any], Any]:
    bind = getattr(P, primitive)

    def compute(x: Any) -> Any:
        if x.dtype == np.bool_:
            raise FxTypeError(
                f"numpy.{name} is not defined on bool, got {x.aval.short()}. Use ~x to negate a "
                "mask, or x.astype('int32')."
            )
        return bind(x)

    return compute


def _integers_as_they_are(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Rounding: integers and bools are their own result."""

    def rounded(x: Any) -> Any:
        if x.dtype == np.bool_ or dtypes.is_integer(x.dtype):
            return x
        return compute(x)

    return rounded


def _truncate(x: Any) -> Any:
    return select(P.lt(x, lit(x, 0)), P.ceil(x), P.floor(x))


def _absolute(x: Any) -> Any:
    unsigned = x.dtype == np.bool_ or x.dtype.kind == "u"
    return x if unsigned else P.abs(x)


def _square(x: Any) -> Any:
    return P.convert_element_type(x, new_dtype=x.dtype) if x.dtype == np.bool_ else P.square(x)


def _reciprocal(x: Any) -> Any:
    (x,) = promote_inexact("numpy.reciprocal", x)
    return P.div(lit(x, 1), x)


def _conjugate(x: Any) -> Any:
    return P.conj(x) if x.dtype.kind == "c" else x


def _real(x: Any) -> Any:
    return P.real(x) if x.dtype.kind == "c" else x


def _imag(x: Any) -> Any:
    return P.imag(x) if x.dtype.kind == "c" else _zeros_like(x)


def _zeros_like(x: Any) -> Any:
    return P.broadcast_in_dim(lit(x, 0), shape=x.shape, broadcast_dimensions=())


def _fabs(x: Any) -> Any:
    (x,) = promote_inexact("numpy.fabs", x)
    return P.abs(x)


def _positive(x: Any) -> Any:
    return x


_SIGNED = "of any numeric dtype but bool"
negative = _number(
    "negative", np.negative, "-x", "jnp.array([1, -2])", "?", _strict("negative", "neg"),
    NUMBER, _SIGNED,
)  # fmt: skip
positive = _number("positive", np.positive, "+x", "jnp.array([1, -2])", "?", _positive, NUMBER)
absolute = _number(
    "absolute", np.absolute, "Absolute value; the modulus of complex numbers",
    "jnp.array([1, -2])", "?", _absolute, REAL, gives="real",
)  # fmt: skip
fabs = _number("fabs", None, "Absolute value as a float", "jnp.array([1, -2])", "?", _fabs)
sign = _number(
    "sign", np.sign, "-1, 0 or 1 by the sign; x/|x| for complex numbers",
    "jnp.array([3, 0, -2])", "?", _strict("sign", "sign"), INTEGER, _SIGNED,
)  # fmt: skip
square = _number("square", np.square, "x²", "jnp.array([1, -2])", "?", _square, REAL | COMPLEX)
reciprocal = _number(
    "reciprocal", None, "1/x", "jnp.array([2.0, 4.0])", "?", _reciprocal, gives="inexact"
)
conjugate = _number(
    "conjugate", np.conjugate, "Complex conjugate", "jnp.array([1 + 2j])", "?", _conjugate,
    COMPLEX,
)  # fmt: skip
real = _number("real", None, "Real part", "jnp.array([1 + 2j])", "?", _real, gives="real")
imag = _number(
    "imag", None, "Imaginary part, 0 for real numbers", "jnp.array([1 + 2j])", "?", _imag,
    gives="real",
)  # fmt: skip
floor = _number(
    "floor", np.floor, "Largest integer that is not larger, as a float", "jnp.array([1.5, -1.5])",
    "?", _integers_as_they_are(lambda x: P.floor(x)), FLOAT,
)  # fmt: skip
ceil = _number(
    "ceil", np.ceil, "Smallest integer that is not smaller, as a float", "jnp.array([1.5, -1.5])",
    "?", _integers_as_they_are(lambda x: P.ceil(x)), FLOAT,
)  # fmt: skip
trunc = _number(
    "trunc", None, "Integer part, rounded towards zero", "jnp.array([1.5, -1.5])", "?",
    _integers_as_they_are(_truncate),
)  # fmt: skip


# ------------------------------------------------------------------ two arrays
def _binary(
    name: str,
    ufunc: Any,
    summary: str,
    example: str,
    shown: str,
    compute: Callable[[Any, Any], Any],
    fast: frozenset = NONE,
    prepare: Callable[..., list[Any]] = operands,
    takes: str = "of numeric dtypes that promote to a common one",
    gives: str = _PROMOTED,
) -> tuple[dispatch.Binary, Callable[[Any, Any], Any]]:
    def general(x: Any, y: Any) -> Any:
        return compute(*prepare(f"numpy.{name}", x, y))

    doc = _doc(name, summary, takes, gives, example, shown, arity=2)
    form = dispatch.Binary(name, general, ufunc, fast)
    return form, form.function(doc)


def _bound(primitive: str) -> Callable[[Any, Any], Any]:
    return getattr(P, primitive)


def _no_bool(name: str, hint: str) -> Callable[[Any, Any], Any]:
    bind = P.sub

    def compute(x: Any, y: Any) -> Any:
        if x.dtype == np.bool_:
            raise FxTypeError(f"numpy.{name} is not defined on two bools. {hint}")
        return bind(x, y)

    return compute


def _floor_divide(x: Any, y: Any) -> Any:
    if x.dtype.kind == "c":
        raise FxTypeError("numpy.floor_divide is not defined on complex numbers. Use x / y.")
    if dtypes.is_integer(x.dtype):
        quotient, rest = P.div(x, y), P.rem(x, y)
        # Division truncates; where it rounded up, the quotient is one too large.
        up = _and(P.ne(rest, lit(x, 0)), P.ne(P.sign(x), P.sign(y)))
        return select(up, P.sub(quotient, lit(x, 1)), quotient)
    # x / y may round up to an integer, so take the remainder off first (as CPython does).
    rest = _remainder(x, y)
    quotient = P.round(P.div(P.sub(x, rest), y), rounding_method=1)
    infinite = _or(P.eq(y, lit(y, 0)), P.eq(P.abs(x), lit(x, math.inf)))
    return select(infinite, P.div(x, y), quotient)


def _remainder(x: Any, y: Any) -> Any:
    if x.dtype.kind == "c":
        raise FxTypeError("numpy.remainder is not defined on complex numbers.")
    if dtypes.is_integer(x.dtype):
        y = select(P.eq(y, lit(y, 0)), lit(y, 1), y)
    rest = P.rem(x, y)
    zero = lit(rest, 0)
    other_side = _and(P.ne(rest, zero), P.ne(P.lt(rest, zero), P.lt(y, zero)))
    return select(other_side, P.add(rest, y), rest)


def _fmod(x: Any, y: Any) -> Any:
    if dtypes.is_integer(x.dtype):
        y = select(P.eq(y, lit(y, 0)), lit(y, 1), y)
    return P.rem(x, y)


def _and(x: Any, y: Any) -> Any:
    return P.table["and"](*broadcast("and", [x, y]))


def _or(x: Any, y: Any) -> Any:
    return P.table["or"](*broadcast("or", [x, y]))


ADD, add = _binary("add", np.add, "x + y", "1, jnp.array([1.5, 2])", "?", _bound("add"), NUMBER)
SUBTRACT, subtract = _binary(
    "subtract", np.subtract, "x - y", "1, jnp.array([1.5, 2])", "?",
    _no_bool("subtract", "Use x ^ y for masks, or x.astype('int32')."), NUMBER,
)  # fmt: skip
MULTIPLY, multiply = _binary(
    "multiply", np.multiply, "x · y", "2, jnp.array([1.5, 2])", "?", _bound("mul"), NUMBER
)
DIVIDE, divide = _binary(
    "divide", np.divide, "x / y, inexact also for integers", "1, jnp.array([2, 4])", "?",
    _bound("div"), FLOAT | BFLOAT16 | COMPLEX, inexact_operands, _TO_FLOAT, "inexact",
)  # fmt: skip
FLOOR_DIVIDE, floor_divide = _binary(
    "floor_divide", None, "⌊x / y⌋, rounded towards minus infinity", "jnp.array([7, -7]), 2", "?",
    _floor_divide, prepare=numeric_operands,
)  # fmt: skip
REMAINDER, remainder = _binary(
    "remainder", None, "x - y ⌊x / y⌋: the remainder with the sign of y", "jnp.array([7, -7]), 4",
    "?", _remainder, prepare=numeric_operands,
)  # fmt: skip
_, fmod = _binary(
    "fmod", None, "The remainder of x / y with the sign of x", "jnp.array([7, -7]), 4", "?",
    _fmod, prepare=numeric_operands,
)  # fmt: skip
_, maximum = _binary(
    "maximum", np.maximum, "The larger of x and y; NaN if one is NaN", "jnp.array([1, 5]), 3",
    "?", _bound("max"), INTEGER | FLOAT,
)  # fmt: skip
_, minimum = _binary(
    "minimum", np.minimum, "The smaller of x and y; NaN if one is NaN", "jnp.array([1, 5]), 3",
    "?", _bound("min"), INTEGER | FLOAT,
)  # fmt: skip


def _ignoring_nan(primitive: str) -> Callable[[Any, Any], Any]:
    bind = getattr(P, primitive)

    def compute(x: Any, y: Any) -> Any:
        best = bind(x, y)
        if not dtypes.is_inexact(x.dtype):
            return best
        return select(P.ne(x, x), y, select(P.ne(y, y), x, best))

    return compute


_, fmax = _binary(
    "fmax", None, "The larger of x and y, ignoring NaN", "jnp.array([1, jnp.nan]), 0.5", "?",
    _ignoring_nan("max"),
)  # fmt: skip
_, fmin = _binary(
    "fmin", None, "The smaller of x and y, ignoring NaN", "jnp.array([1, jnp.nan]), 0.5", "?",
    _ignoring_nan("min"),
)  # fmt: skip


def _hypot(x: Any, y: Any) -> Any:
    x, y = P.abs(x), P.abs(y)
    large, small = P.max(x, y), P.min(x, y)
    # Scaled by the larger leg, so that the squares do not overflow.
    flat = P.eq(large, lit(large, 0))
    ratio = P.div(small, select(flat, lit(large, 1), large))
    size = P.mul(large, P.sqrt(P.add(lit(ratio, 1), P.mul(ratio, ratio))))
    infinite = P.eq(large, lit(large, math.inf))
    return select(flat, large, select(infinite, large, size))


_, hypot = _binary(
    "hypot", None, "√(x² + y²) without overflow", "3.0, 4.0", "?", _hypot,
    prepare=inexact_operands, takes=_TO_FLOAT, gives="floating",
)  # fmt: skip
_, arctan2 = _binary(
    "arctan2", np.arctan2, "Angle of the point (y, x) = the two arguments, in [-π, π]",
    "1.0, -1.0", "?", _bound("atan2"), SINGLE_DOUBLE, inexact_operands, _TO_FLOAT, "floating",
)  # fmt: skip
_, nextafter = _binary(
    "nextafter", None, "The next representable number after x towards y", "1.0, 2.0", "?",
    _bound("nextafter"), prepare=inexact_operands, takes=_TO_FLOAT, gives="floating",
)  # fmt: skip


# ------------------------------------------------------------------ powers
def _power(x: Any, y: Any) -> Any:
    if type(y) is int or (isinstance(y, np.integer) and np.ndim(y) == 0):
        (base,) = promote_numeric("numpy.power", _typed(x, y))
        if y == 2:
            return P.square(base)
        return P.integer_pow(base, y=int(y))
    x, y = operand(x, "numpy.power"), operand(y, "numpy.power")
    dtype, weak = joined([x, y])
    if dtypes.is_inexact(dtype):
        base = cast(x, dtype, weak, "numpy.power")
        integral = type(y) not in PYTHON_NUMBERS and dtypes.is_integer(y.dtype)
        # An integer exponent stays one: exact, and defined for a negative base.
        return P.pow(
            *broadcast(
                "numpy.power", [base, y if integral else cast(y, dtype, weak, "numpy.power")]
            )
        )
    return P.pow(*numeric_operands("numpy.power", x, y))


def _typed(x: Any, y: Any) -> Any:
    """The base in the dtype it takes beside the integer exponent (bool becomes an integer)."""
    x = operand(x, "numpy.power")
    dtype, weak = joined([x, int(y)])
    return cast(x, dtype, weak, "numpy.power")


POWER = dispatch.Binary("power", _power)
power = POWER.function(
    _doc(
        "power", "xʸ; a Python integer y multiplies repeatedly", "of numeric dtypes", _PROMOTED,
        "jnp.array([2.0, 3.0]), 2", "?", arity=2,
    )
)  # fmt: skip
_, float_power = _binary(
    "float_power", None, "xʸ in floating point", "jnp.array([2, 3]), -1", "?", _bound("pow"),
    prepare=inexact_operands, takes=_TO_FLOAT, gives="inexact",
)  # fmt: skip

abs = absolute
acos, acosh, asin, asinh = arccos, arccosh, arcsin, arcsinh
atan, atanh, atan2 = arctan, arctanh, arctan2
conj, deg2rad, rad2deg = conjugate, radians, degrees
true_divide, mod, pow = divide, remainder, power
