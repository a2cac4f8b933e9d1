"""Arithmetic and mathematical functions of one and two arrays, elementwise.

Each function is one row: its name, NumPy's ufunc for the short way, the primitive or composition
for the general way, and an example that runs. Docstrings are made from the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fx.ops  # noqa: F401  (registers the primitives)
from fx import dtypes
from fx.calls.while_loop import while_loop
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, public
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
    convert,
    expand_to,
    inexact_operands,
    joined,
    numeric_operands,
    operand,
    operands,
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


def _sign(x: Any) -> Any:
    out = _strict("sign", "sign")(x)
    return P.add(out, lit(out, 0)) if dtypes.is_floating(x.dtype) else out  # 0.0 also for -0.0


def _absolute(x: Any) -> Any:
    unsigned = x.dtype == np.bool_ or x.dtype.kind == "u"
    return x if unsigned else P.abs(x)


def _square(x: Any) -> Any:
    return P.square(convert(x, np.dtype(np.int32)) if x.dtype == np.bool_ else x)


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
    "negative",
    np.negative,
    "-x",
    "jnp.array([1, -2])",
    "Array([-1,  2], dtype=int32)",
    _strict("negative", "neg"),
    NUMBER,
    _SIGNED,
)
positive = _number(
    "positive",
    np.positive,
    "+x",
    "jnp.array([1, -2])",
    "Array([ 1, -2], dtype=int32)",
    _positive,
    NUMBER,
)
absolute = _number(
    "absolute",
    np.absolute,
    "Absolute value; the modulus of complex numbers",
    "jnp.array([1, -2])",
    "Array([1, 2], dtype=int32)",
    _absolute,
    REAL,
    gives="real",
)
fabs = _number(
    "fabs",
    None,
    "Absolute value as a float",
    "jnp.array([1, -2])",
    "Array([1., 2.], dtype=float32)",
    _fabs,
)
sign = _number(
    "sign",
    np.sign,
    "-1, 0 or 1 by the sign; x/|x| for complex numbers",
    "jnp.array([3, 0, -2])",
    "Array([ 1,  0, -1], dtype=int32)",
    _sign,
    INTEGER | FLOAT,
    _SIGNED,
)
square = _number(
    "square",
    np.square,
    "x²",
    "jnp.array([1, -2])",
    "Array([1, 4], dtype=int32)",
    _square,
    REAL | COMPLEX,
    gives="the dtype of `x`, int32 for bools",
)
reciprocal = _number(
    "reciprocal",
    None,
    "1/x",
    "jnp.array([2.0, 4.0])",
    "Array([0.5 , 0.25], dtype=float32)",
    _reciprocal,
    gives="inexact",
)
conjugate = _number(
    "conjugate",
    np.conjugate,
    "Complex conjugate",
    "jnp.array([1 + 2j])",
    "Array([1.-2.j], dtype=complex64)",
    _conjugate,
    COMPLEX,
)
real = _number(
    "real",
    None,
    "Real part",
    "jnp.array([1 + 2j])",
    "Array([1.], dtype=float32)",
    _real,
    gives="real",
)
imag = _number(
    "imag",
    None,
    "Imaginary part, 0 for real numbers",
    "jnp.array([1 + 2j])",
    "Array([2.], dtype=float32)",
    _imag,
    gives="real",
)
floor = _number(
    "floor",
    np.floor,
    "Largest integer that is not larger, as a float",
    "jnp.array([1.5, -1.5])",
    "Array([ 1., -2.], dtype=float32)",
    _integers_as_they_are(lambda x: P.floor(x)),
    FLOAT,
)
ceil = _number(
    "ceil",
    np.ceil,
    "Smallest integer that is not smaller, as a float",
    "jnp.array([1.5, -1.5])",
    "Array([ 2., -1.], dtype=float32)",
    _integers_as_they_are(lambda x: P.ceil(x)),
    FLOAT,
)
trunc = _number(
    "trunc",
    None,
    "Integer part, rounded towards zero",
    "jnp.array([1.5, -1.5])",
    "Array([ 1., -1.], dtype=float32)",
    _integers_as_they_are(_truncate),
)


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
    # x / y may round up to an integer, so take the remainder off first (as CPython does). What is
    # left of x and of y may have no quotient: then it is x / y, which is zero or infinite or NaN.
    quotient = P.round(P.div(P.sub(x, remainder(x, y)), y), rounding_method=1)
    quotient = P.add(quotient, lit(quotient, 0))  # never -0.0, the floor of no negative number
    finite = _and(P.is_finite(x), P.is_finite(y))
    nonzero = _and(P.ne(x, lit(x, 0)), P.ne(y, lit(y, 0)))
    return select(_and(finite, nonzero), quotient, P.floor(P.div(x, y)))


def _remainder(x: Any, y: Any) -> Any:
    if x.dtype.kind == "c":
        raise FxTypeError("numpy.remainder is not defined on complex numbers.")
    if dtypes.is_integer(x.dtype):
        y = select(P.eq(y, lit(y, 0)), lit(y, 1), y)
        rest = P.rem(x, y)
        zero = lit(rest, 0)
        other_side = _and(P.ne(rest, zero), P.ne(P.lt(rest, zero), P.lt(y, zero)))
        return select(other_side, P.add(rest, y), rest)
    # With the sign of y put into x, then taken back: so a remainder of zero has the sign of y too.
    sign, divisor = P.sign(y), P.abs(y)
    rest = P.rem(P.mul(x, sign), divisor)
    rest = select(P.lt(rest, lit(rest, 0)), P.add(rest, divisor), P.add(rest, lit(rest, 0)))
    return P.mul(rest, sign)


def _fmod(x: Any, y: Any) -> Any:
    if dtypes.is_integer(x.dtype):
        y = select(P.eq(y, lit(y, 0)), lit(y, 1), y)
    return P.rem(x, y)


def _and(x: Any, y: Any) -> Any:
    return P.table["and"](*broadcast("and", [x, y]))


def _or(x: Any, y: Any) -> Any:
    return P.table["or"](*broadcast("or", [x, y]))


ADD, add = _binary(
    "add",
    np.add,
    "x + y",
    "1, jnp.array([1.5, 2])",
    "Array([2.5, 3. ], dtype=float32)",
    _bound("add"),
    NUMBER,
)
SUBTRACT, subtract = _binary(
    "subtract",
    np.subtract,
    "x - y",
    "1, jnp.array([1.5, 2])",
    "Array([-0.5, -1. ], dtype=float32)",
    _no_bool("subtract", "Use x ^ y for masks, or x.astype('int32')."),
    NUMBER,
)
MULTIPLY, multiply = _binary(
    "multiply",
    np.multiply,
    "x · y",
    "2, jnp.array([1.5, 2])",
    "Array([3., 4.], dtype=float32)",
    _bound("mul"),
    NUMBER,
)
DIVIDE, divide = _binary(
    "divide",
    np.divide,
    "x / y, inexact also for integers",
    "1, jnp.array([2, 4])",
    "Array([0.5 , 0.25], dtype=float32)",
    _bound("div"),
    FLOAT | BFLOAT16 | COMPLEX,
    inexact_operands,
    _TO_FLOAT,
    "inexact",
)
FLOOR_DIVIDE, floor_divide = _binary(
    "floor_divide",
    None,
    "⌊x / y⌋, rounded towards minus infinity",
    "jnp.array([7, -7]), 2",
    "Array([ 3, -4], dtype=int32)",
    _floor_divide,
    prepare=numeric_operands,
)
REMAINDER, remainder = _binary(
    "remainder",
    np.remainder,
    "x - y ⌊x / y⌋: the remainder with the sign of y",
    "jnp.array([7, -7]), 4",
    "Array([3, 1], dtype=int32)",
    _remainder,
    INTEGER | FLOAT,
    prepare=numeric_operands,
)
_, fmod = _binary(
    "fmod",
    None,
    "The remainder of x / y with the sign of x",
    "jnp.array([7, -7]), 4",
    "Array([ 3, -3], dtype=int32)",
    _fmod,
    prepare=numeric_operands,
)
_, maximum = _binary(
    "maximum",
    np.maximum,
    "The larger of x and y; NaN if one is NaN",
    "jnp.array([1, 5]), 3",
    "Array([3, 5], dtype=int32)",
    _bound("max"),
    INTEGER | FLOAT,
)
_, minimum = _binary(
    "minimum",
    np.minimum,
    "The smaller of x and y; NaN if one is NaN",
    "jnp.array([1, 5]), 3",
    "Array([1, 3], dtype=int32)",
    _bound("min"),
    INTEGER | FLOAT,
)


def _ignoring_nan(primitive: str) -> Callable[[Any, Any], Any]:
    bind = getattr(P, primitive)

    def compute(x: Any, y: Any) -> Any:
        best = bind(x, y)
        if not dtypes.is_inexact(x.dtype):
            return best
        return select(P.ne(x, x), y, select(P.ne(y, y), x, best))

    return compute


_, fmax = _binary(
    "fmax",
    None,
    "The larger of x and y, ignoring NaN",
    "jnp.array([1, jnp.nan]), 0.5",
    "Array([1. , 0.5], dtype=float32)",
    _ignoring_nan("max"),
)
_, fmin = _binary(
    "fmin",
    None,
    "The smaller of x and y, ignoring NaN",
    "jnp.array([1, jnp.nan]), 0.5",
    "Array([0.5, 0.5], dtype=float32)",
    _ignoring_nan("min"),
)


# ------------------------------------------------------------------ powers
def _power(x: Any, y: Any) -> Any:
    name = "numpy.power"
    static = type(y) is int or (isinstance(y, np.integer) and np.ndim(y) == 0)
    x, y = operand(x, name), int(y) if static else operand(y, name)
    dtype, weak = joined([x, y])
    if any(isinstance(v, Array) and v.dtype == np.bool_ for v in (x, y)):
        weak = False
        dtype = dtypes.default_int() if dtype == np.bool_ else dtype
    base = cast(x, dtype, weak, name)
    if static:
        return P.square(base) if y == 2 else P.integer_pow(base, y=y)
    integral = type(y) not in PYTHON_NUMBERS and dtypes.is_integer(y.dtype)
    # An integer exponent stays one: exact, and defined for a negative base.
    inexact = dtypes.is_inexact(dtype)
    exponent = y if integral and inexact else cast(y, dtype, weak, name)
    return P.pow(*broadcast(name, [base, exponent]))


POWER = dispatch.Binary("power", _power, np.power, SINGLE_DOUBLE, int_right=False)
power = POWER.function(
    _doc(
        "power",
        "xʸ; a Python integer y multiplies repeatedly",
        "of numeric dtypes",
        _PROMOTED,
        "jnp.array([2.0, 3.0]), 2",
        "Array([4., 9.], dtype=float32)",
        arity=2,
    )
)
_, float_power = _binary(
    "float_power",
    None,
    "xʸ in floating point",
    "jnp.array([2, 3]), -1",
    "Array([0.5       , 0.33333334], dtype=float32)",
    _bound("pow"),
    prepare=inexact_operands,
    takes=_TO_FLOAT,
    gives="inexact",
)


# ------------------------------------------------------------------ integers
def _euclid(x: Any, y: Any) -> Any:
    """Greatest common divisor: remainders until one is 0, at most log_φ(2^bits) steps."""

    def unfinished(pair: Any) -> Any:
        axes = tuple(range(pair[1].ndim))
        return P.reduce_or(P.ne(pair[1], lit(pair[1], 0)), axes=axes)

    def step(pair: Any) -> Any:
        a, b = pair
        done = P.eq(b, lit(b, 0))
        rest = P.rem(a, select(done, lit(b, 1), b))
        return select(done, a, b), select(done, b, rest)

    shape = x.shape or y.shape
    start = expand_to(P.abs(x), shape), expand_to(P.abs(y), shape)
    if x.dtype.kind == "u":
        start = expand_to(x, shape), expand_to(y, shape)
    return while_loop(unfinished, step, start)[0]


def _integers(name: str, x: Any) -> None:
    if not dtypes.is_integer(x.dtype):
        raise FxTypeError(f"numpy.{name} expects integers, got {x.aval.short()}.")


def _gcd(x: Any, y: Any) -> Any:
    _integers("gcd", x)
    return _euclid(x, y)


def _lcm(x: Any, y: Any) -> Any:
    _integers("lcm", x)
    divisor = _euclid(x, y)
    safe = select(P.eq(divisor, lit(divisor, 0)), lit(divisor, 1), divisor)
    product = P.mul(P.div(x, safe), y)
    return product if x.dtype.kind == "u" else P.abs(product)


_, gcd = _binary(
    "gcd",
    None,
    "Greatest common divisor, not negative",
    "jnp.array([12, 18]), 8",
    "Array([4, 2], dtype=int32)",
    _gcd,
    takes="of integer dtypes",
)
_, lcm = _binary(
    "lcm",
    None,
    "Least common multiple, not negative",
    "jnp.array([4, 6]), 10",
    "Array([20, 30], dtype=int32)",
    _lcm,
    takes="of integer dtypes",
)


@public
def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """Quotient rounded down and remainder: `floor_divide` and `remainder` together.

    Args:
        x1, x2: real arrays or numbers that broadcast.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.divmod(jnp.array([7, -7]), 2)
        (Array([ 3, -4], dtype=int32), Array([1, 1], dtype=int32))
    """
    return floor_divide(x1, x2), remainder(x1, x2)


abs = absolute
conj = conjugate
true_divide, mod, pow = divide, remainder, power
