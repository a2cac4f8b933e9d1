"""Elementwise `jax.lax` functions of one or two arrays, as a table.

Operands have one dtype and equal shapes (or rank 0); Python numbers take the arrays' dtype. Each
entry says what a function computes and shows an example that runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fx.ops  # noqa: F401 (registers the primitives)
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import public
from fx.lax.arguments import ArrayLike, operands

_KINDS = {"b": "bool", "i": "integer", "f": "floating", "c": "complex", "k": "key"}

_UNARY_DOC = """{text}

    Args:
        x: an array of {kinds} dtype.

    Returns:
        an array of its shape.

    Raises:
        FxTypeError: the dtype is another.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> {example}
        {result}
    """

_BINARY_DOC = """{text}

    Args:
        x, y: arrays of one dtype ({kinds}), of equal shapes or rank 0; or a Python number.

    Returns:
        an array of their shape.

    Raises:
        FxTypeError: the dtypes are others, or differ.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> {example}
        {result}
    """


def _documented(function: Any, name: str, doc: str, kinds: str, **texts: str) -> Any:
    names = [_KINDS[k] for k in kinds]
    listed = " or ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc.format(kinds=listed, **texts)
    return public(function)


def _unary(
    name: str, text: str, example: str, result: str, primitive: str | None = None
) -> Callable[[ArrayLike], Array]:
    bind = getattr(P, primitive or name)

    def function(x: ArrayLike) -> Array:
        return bind(to_array(x, f"lax.{name}"))

    return _documented(
        function, name, _UNARY_DOC, bind.kinds, text=text, example=example, result=result
    )


def _binary(
    name: str, text: str, example: str, result: str, primitive: str | None = None
) -> Callable[[ArrayLike, ArrayLike], Array]:
    bind = getattr(P, primitive or name)

    def function(x: ArrayLike, y: ArrayLike) -> Array:
        return bind(*operands(f"lax.{name}", x, y))

    return _documented(
        function, name, _BINARY_DOC, bind.kinds, text=text, example=example, result=result
    )


# ------------------------------------------------------------------ one operand
neg = _unary(
    "neg",
    "Negation: -x.",
    "lax.neg(jnp.array([1.0, -2.0]))",
    "Array([-1.,  2.], dtype=float32)",
)
abs = _unary(
    "abs",
    "Absolute value; the modulus of a complex number, which is real.",
    "lax.abs(jnp.array([-3.0, 2.0]))",
    "Array([3., 2.], dtype=float32)",
)
sign = _unary(
    "sign",
    "Sign: -1, 0 or 1; x / |x| for complex numbers.",
    "lax.sign(jnp.array([-3.0, 0.0, 2.0]))",
    "Array([-1.,  0.,  1.], dtype=float32)",
)
square = _unary(
    "square",
    "Square: x * x.",
    "lax.square(jnp.array([3, -2]))",
    "Array([9, 4], dtype=int32)",
)
sqrt = _unary(
    "sqrt",
    "Square root; NaN for negative reals.",
    "lax.sqrt(jnp.array([4.0, 9.0]))",
    "Array([2., 3.], dtype=float32)",
)
rsqrt = _unary(
    "rsqrt",
    "Reciprocal square root: 1 / sqrt(x).",
    "lax.rsqrt(jnp.array([4.0, 16.0]))",
    "Array([0.5 , 0.25], dtype=float32)",
)
cbrt = _unary(
    "cbrt",
    "Cube root.",
    "lax.cbrt(jnp.array([8.0, -27.0]))",
    "Array([ 2., -3.], dtype=float32)",
)
exp = _unary(
    "exp",
    "Exponential: e ** x.",
    "lax.exp(jnp.array([0.0, 1.0])).round(3)",
    "Array([1.   , 2.718], dtype=float32)",
)
exp2 = _unary(
    "exp2",
    "Exponential of base 2: 2 ** x.",
    "lax.exp2(jnp.array([3.0, -1.0]))",
    "Array([8. , 0.5], dtype=float32)",
)
expm1 = _unary(
    "expm1",
    "exp(x) - 1, accurate near 0.",
    "lax.expm1(jnp.array([0.0, 1.0])).round(3)",
    "Array([0.   , 1.718], dtype=float32)",
)
log = _unary(
    "log",
    "Natural logarithm; NaN for negative reals.",
    "lax.log(jnp.array([1.0, 2.0])).round(3)",
    "Array([0.   , 0.693], dtype=float32)",
)
log1p = _unary(
    "log1p",
    "log(1 + x), accurate near 0.",
    "lax.log1p(jnp.array([0.0, 1.0])).round(3)",
    "Array([0.   , 0.693], dtype=float32)",
)
logistic = _unary(
    "logistic",
    "Logistic sigmoid: 1 / (1 + exp(-x)).",
    "lax.logistic(jnp.array([0.0, 1.0])).round(3)",
    "Array([0.5  , 0.731], dtype=float32)",
)
sin = _unary(
    "sin",
    "Sine, of radians.",
    "lax.sin(jnp.array([0.0, 1.0])).round(3)",
    "Array([0.   , 0.841], dtype=float32)",
)
cos = _unary(
    "cos",
    "Cosine, of radians.",
    "lax.cos(jnp.array([0.0, 1.0])).round(3)",
    "Array([1.  , 0.54], dtype=float32)",
)
tan = _unary(
    "tan",
    "Tangent, of radians.",
    "lax.tan(jnp.array([0.0, 0.5])).round(3)",
    "Array([0.   , 0.546], dtype=float32)",
)
asin = _unary(
    "asin",
    "Arc sine, in [-pi/2, pi/2].",
    "lax.asin(jnp.array([0.0, 0.5])).round(3)",
    "Array([0.   , 0.524], dtype=float32)",
)
acos = _unary(
    "acos",
    "Arc cosine, in [0, pi].",
    "lax.acos(jnp.array([1.0, 0.5])).round(3)",
    "Array([0.   , 1.047], dtype=float32)",
)
atan = _unary(
    "atan",
    "Arc tangent, in [-pi/2, pi/2].",
    "lax.atan(jnp.array([0.0, 0.5])).round(3)",
    "Array([0.   , 0.464], dtype=float32)",
)
sinh = _unary(
    "sinh",
    "Hyperbolic sine.",
    "lax.sinh(jnp.array([0.0, 1.0])).round(3)",
    "Array([0.   , 1.175], dtype=float32)",
)
cosh = _unary(
    "cosh",
    "Hyperbolic cosine.",
    "lax.cosh(jnp.array([0.0, 0.5])).round(3)",
    "Array([1.   , 1.128], dtype=float32)",
)
tanh = _unary(
    "tanh",
    "Hyperbolic tangent.",
    "lax.tanh(jnp.array([0.0, 0.5])).round(3)",
    "Array([0.   , 0.462], dtype=float32)",
)
asinh = _unary(
    "asinh",
    "Inverse hyperbolic sine.",
    "lax.asinh(jnp.array([0.0, 1.0])).round(3)",
    "Array([0.   , 0.881], dtype=float32)",
)
acosh = _unary(
    "acosh",
    "Inverse hyperbolic cosine, of x >= 1.",
    "lax.acosh(jnp.array([1.0, 2.0])).round(3)",
    "Array([0.   , 1.317], dtype=float32)",
)
atanh = _unary(
    "atanh",
    "Inverse hyperbolic tangent, of -1 < x < 1.",
    "lax.atanh(jnp.array([0.0, 0.5])).round(3)",
    "Array([0.   , 0.549], dtype=float32)",
)
floor = _unary(
    "floor",
    "The greatest integer that is not above x, as a float.",
    "lax.floor(jnp.array([1.5, -1.5]))",
    "Array([ 1., -2.], dtype=float32)",
)
ceil = _unary(
    "ceil",
    "The least integer that is not below x, as a float.",
    "lax.ceil(jnp.array([1.5, -1.5]))",
    "Array([ 2., -1.], dtype=float32)",
)
real = _unary(
    "real",
    "Real part of complex numbers.",
    "lax.real(jnp.array([1 + 2j]))",
    "Array([1.], dtype=float32)",
)
imag = _unary(
    "imag",
    "Imaginary part of complex numbers.",
    "lax.imag(jnp.array([1 + 2j]))",
    "Array([2.], dtype=float32)",
)
is_finite = _unary(
    "is_finite",
    "Whether x is neither infinite nor NaN.",
    "lax.is_finite(jnp.array([1.0, jnp.inf]))",
    "Array([ True, False], dtype=bool)",
)
bitwise_not = _unary(
    "bitwise_not",
    "Bits of x inverted; logical negation of bools.",
    "lax.bitwise_not(jnp.array([True, False]))",
    "Array([False,  True], dtype=bool)",
    primitive="not",
)
population_count = _unary(
    "population_count",
    "Number of bits that are set.",
    "lax.population_count(jnp.array([7, 8]))",
    "Array([3, 1], dtype=int32)",
)
clz = _unary(
    "clz",
    "Number of zero bits above the highest one that is set.",
    "lax.clz(jnp.array([1, 255]))",
    "Array([31, 24], dtype=int32)",
)

# ------------------------------------------------------------------ two operands
add = _binary(
    "add",
    "Sum: x + y.",
    "lax.add(jnp.array([1.0, 2.0]), 1)",
    "Array([2., 3.], dtype=float32)",
)
sub = _binary(
    "sub",
    "Difference: x - y.",
    "lax.sub(jnp.array([1.0, 2.0]), 1)",
    "Array([0., 1.], dtype=float32)",
)
mul = _binary(
    "mul",
    "Product: x * y.",
    "lax.mul(jnp.array([1.0, 2.0]), 3)",
    "Array([3., 6.], dtype=float32)",
)
div = _binary(
    "div",
    "Quotient: x / y. Integers are divided with truncation towards zero.",
    "lax.div(jnp.array([7, -7]), 2)",
    "Array([ 3, -3], dtype=int32)",
)
rem = _binary(
    "rem",
    "Remainder of `div`, with the sign of x.",
    "lax.rem(jnp.array([7, -7]), 2)",
    "Array([ 1, -1], dtype=int32)",
)
atan2 = _binary(
    "atan2",
    "Angle of the point (y, x) with first argument the ordinate, in [-pi, pi].",
    "lax.atan2(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])).round(3)",
    "Array([1.571, 0.   ], dtype=float32)",
)
max = _binary(
    "max",
    "The larger of x and y; NaN if one is NaN. Complex numbers compare by real part first.",
    "lax.max(jnp.array([1.0, 5.0]), 3)",
    "Array([3., 5.], dtype=float32)",
)
min = _binary(
    "min",
    "The smaller of x and y; NaN if one is NaN. Complex numbers compare by real part first.",
    "lax.min(jnp.array([1.0, 5.0]), 3)",
    "Array([1., 3.], dtype=float32)",
)
nextafter = _binary(
    "nextafter",
    "The number next to x in the direction of y.",
    "lax.nextafter(jnp.array([1.0]), 2) > 1",
    "Array([ True], dtype=bool)",
)
complex = _binary(
    "complex",
    "The complex number x + iy of two real arrays.",
    "lax.complex(jnp.array([1.0]), jnp.array([2.0]))",
    "Array([1.+2.j], dtype=complex64)",
)
eq = _binary(
    "eq",
    "Whether x equals y.",
    "lax.eq(jnp.array([1, 2]), 2)",
    "Array([False,  True], dtype=bool)",
)
ne = _binary(
    "ne",
    "Whether x differs from y.",
    "lax.ne(jnp.array([1, 2]), 2)",
    "Array([ True, False], dtype=bool)",
)
lt = _binary(
    "lt",
    "Whether x is less than y.",
    "lax.lt(jnp.array([1, 2]), 2)",
    "Array([ True, False], dtype=bool)",
)
le = _binary(
    "le",
    "Whether x is less than or equal to y.",
    "lax.le(jnp.array([1, 2]), 2)",
    "Array([ True,  True], dtype=bool)",
)
gt = _binary(
    "gt",
    "Whether x is greater than y.",
    "lax.gt(jnp.array([1, 2]), 1)",
    "Array([False,  True], dtype=bool)",
)
ge = _binary(
    "ge",
    "Whether x is greater than or equal to y.",
    "lax.ge(jnp.array([1, 2]), 2)",
    "Array([False,  True], dtype=bool)",
)
bitwise_and = _binary(
    "bitwise_and",
    "Bits set in both; logical `and` of bools.",
    "lax.bitwise_and(jnp.array([6, 5]), 3)",
    "Array([2, 1], dtype=int32)",
    primitive="and",
)
bitwise_or = _binary(
    "bitwise_or",
    "Bits set in one or both; logical `or` of bools.",
    "lax.bitwise_or(jnp.array([6, 5]), 3)",
    "Array([7, 7], dtype=int32)",
    primitive="or",
)
bitwise_xor = _binary(
    "bitwise_xor",
    "Bits set in exactly one; `!=` of bools.",
    "lax.bitwise_xor(jnp.array([6, 5]), 3)",
    "Array([5, 6], dtype=int32)",
    primitive="xor",
)
shift_left = _binary(
    "shift_left",
    "Bits of x moved up by y places; 0 for y beyond the width.",
    "lax.shift_left(jnp.array([1, 3]), 2)",
    "Array([ 4, 12], dtype=int32)",
)
shift_right_logical = _binary(
    "shift_right_logical",
    "Bits of x moved down by y places, zeros put in above.",
    "lax.shift_right_logical(jnp.array([8, -8]), 1)",
    "Array([         4, 2147483644], dtype=int32)",
)
shift_right_arithmetic = _binary(
    "shift_right_arithmetic",
    "Bits of x moved down by y places, copies of the sign bit put in above.",
    "lax.shift_right_arithmetic(jnp.array([8, -8]), 1)",
    "Array([ 4, -4], dtype=int32)",
)
