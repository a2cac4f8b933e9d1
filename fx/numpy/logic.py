"""Comparisons, logical and bitwise functions, and questions about each element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import fx.ops  # noqa: F401  (registers the primitives)
from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError
from fx.numpy import dispatch
from fx.numpy.dispatch import BFLOAT16, BOOL, COMPLEX, FLOAT, INTEGER, NONE, NUMBER
from fx.numpy.documents import document
from fx.numpy.promotion import (
    array,
    broadcast,
    cast,
    joined,
    operand,
    operands,
)

__test__: dict[str, str] = {}

_NUMBERS = "of dtypes that promote to a common one"
_BITS = "of bool or integer dtypes"


def _doc(*row: Any, arity: int = 1) -> str:
    __test__[row[0]] = text = document(*row, arity=arity)
    return text


# ------------------------------------------------------------------ comparisons
def _widened(name: str, x: Any, y: Any) -> list[Any]:
    """Operands of a comparison; a Python integer outside the array's dtype still compares right."""
    xs = [operand(x, name), operand(y, name)]
    dtype, weak = joined(xs)
    if dtypes.is_integer(dtype):
        info = np.iinfo(dtype)
        for x in xs:
            if type(x) is int and not info.min <= x <= info.max:
                dtype = np.result_type(dtype, np.min_scalar_type(x))
    return broadcast(name, [cast(x, dtype, weak, name) for x in xs])


def _ordered(primitive: str) -> Callable[[Any, Any], Any]:
    """An order relation; complex numbers compare by real part, then by imaginary part."""
    bind, or_, and_ = getattr(P, primitive), P.table["or"], P.table["and"]
    strict = getattr(P, {"lt": "lt", "le": "lt", "gt": "gt", "ge": "gt"}[primitive])

    def compute(x: Any, y: Any) -> Any:
        if x.dtype.kind != "c":
            return bind(x, y)
        a, b = P.real(x), P.real(y)
        tie = and_(P.eq(a, b), bind(P.imag(x), P.imag(y)))
        return or_(strict(a, b), tie)

    return compute


def _comparison(
    name: str, ufunc: Any, summary: str, compute: Callable, fast: frozenset, shown: str
) -> tuple[dispatch.Binary, Callable[[Any, Any], Any]]:
    def general(x: Any, y: Any) -> Any:
        return compute(*_widened(f"numpy.{name}", x, y))

    doc = _doc(name, summary, _NUMBERS, "bool", "jnp.array([1, 2, 3]), 2", shown, arity=2)
    form = dispatch.Binary(name, general, ufunc, fast, weak=False)
    return form, form.function(doc)


_COMPARABLE = INTEGER | FLOAT | BFLOAT16
EQUAL, equal = _comparison(
    "equal",
    np.equal,
    "Whether x == y",
    lambda x, y: P.eq(x, y),
    NUMBER | BOOL,
    "Array([False,  True, False], dtype=bool)",
)
NOT_EQUAL, not_equal = _comparison(
    "not_equal",
    np.not_equal,
    "Whether x != y",
    lambda x, y: P.ne(x, y),
    NUMBER | BOOL,
    "Array([ True, False,  True], dtype=bool)",
)
LESS, less = _comparison(
    "less",
    np.less,
    "Whether x < y",
    _ordered("lt"),
    _COMPARABLE,
    "Array([ True, False, False], dtype=bool)",
)
LESS_EQUAL, less_equal = _comparison(
    "less_equal",
    np.less_equal,
    "Whether x <= y",
    _ordered("le"),
    _COMPARABLE,
    "Array([ True,  True, False], dtype=bool)",
)
GREATER, greater = _comparison(
    "greater",
    np.greater,
    "Whether x > y",
    _ordered("gt"),
    _COMPARABLE,
    "Array([False, False,  True], dtype=bool)",
)
GREATER_EQUAL, greater_equal = _comparison(
    "greater_equal",
    np.greater_equal,
    "Whether x >= y",
    _ordered("ge"),
    _COMPARABLE,
    "Array([False,  True,  True], dtype=bool)",
)


# ------------------------------------------------------------------ bits
def _bits(
    name: str, ufunc: Any, summary: str, primitive: str, fast: frozenset, shown: str
) -> tuple[dispatch.Binary, Callable[[Any, Any], Any]]:
    bind = P.table[primitive]

    def general(x: Any, y: Any) -> Any:
        xs = operands(f"numpy.{name}", x, y)
        if not (xs[0].dtype == np.bool_ or dtypes.is_integer(xs[0].dtype)):
            raise FxTypeError(
                f"numpy.{name} expects bools or integers, got {xs[0].aval.short()} and "
                f"{xs[1].aval.short()} after promotion. For masks use the results of comparisons."
            )
        return bind(*xs)

    doc = _doc(name, summary, _BITS, "the promoted dtype", "12, 10", shown, arity=2)
    form = dispatch.Binary(name, general, ufunc, fast, scalars=INTEGER)
    return form, form.function(doc)


_BOOL_INTEGER = BOOL | INTEGER
AND, bitwise_and = _bits(
    "bitwise_and",
    np.bitwise_and,
    "Bits set in both",
    "and",
    _BOOL_INTEGER,
    "Array(8, dtype=int32, weak_type=True)",
)
OR, bitwise_or = _bits(
    "bitwise_or",
    np.bitwise_or,
    "Bits set in either",
    "or",
    _BOOL_INTEGER,
    "Array(14, dtype=int32, weak_type=True)",
)
XOR, bitwise_xor = _bits(
    "bitwise_xor",
    np.bitwise_xor,
    "Bits set in exactly one",
    "xor",
    _BOOL_INTEGER,
    "Array(6, dtype=int32, weak_type=True)",
)


def _shift(
    name: str, summary: str, shown: str, signed: str, unsigned: str
) -> tuple[dispatch.Binary, Callable[[Any, Any], Any]]:
    def general(x: Any, y: Any) -> Any:
        x, y = operands(f"numpy.{name}", x, y)
        if not dtypes.is_integer(x.dtype):
            raise FxTypeError(
                f"numpy.{name} expects integers, got {x.aval.short()} and {y.aval.short()} after "
                "promotion. Convert with x.astype('int32') first."
            )
        return P.table[unsigned if x.dtype.kind == "u" else signed](x, y)

    doc = _doc(name, summary, "of integer dtypes", "the promoted dtype", "12, 2", shown, arity=2)
    form = dispatch.Binary(name, general)
    return form, form.function(doc)


LEFT_SHIFT, left_shift = _shift(
    "left_shift",
    "x · 2ʸ, bits shifted left",
    "Array(48, dtype=int32, weak_type=True)",
    "shift_left",
    "shift_left",
)
RIGHT_SHIFT, right_shift = _shift(
    "right_shift",
    "⌊x / 2ʸ⌋, bits shifted right",
    "Array(3, dtype=int32, weak_type=True)",
    "shift_right_arithmetic",
    "shift_right_logical",
)


def _question(
    name: str,
    summary: str,
    compute: Callable[[Any], Any],
    example: str,
    shown: str,
    takes: str = "of any numeric dtype",
    gives: str = "bool",
    ufunc: Any = None,
    fast: frozenset = NONE,
) -> Callable[[Any], Any]:
    def general(x: Any) -> Any:
        return compute(array(x, f"numpy.{name}"))

    return dispatch.unary(
        name, _doc(name, summary, takes, gives, example, shown), general, ufunc, fast
    )


def _invert(x: Any) -> Any:
    if not (x.dtype == np.bool_ or dtypes.is_integer(x.dtype)):
        raise FxTypeError(
            f"numpy.invert (the operator ~) expects bools or integers, got {x.aval.short()}. "
            "Use -x to negate a number, or 1 - x."
        )
    return P.table["not"](x)


invert = _question(
    "invert",
    "All bits flipped; logical not of bools",
    _invert,
    "jnp.array([True, False])",
    "Array([False,  True], dtype=bool)",
    _BITS,
    "the dtype of `x`",
    np.invert,
    _BOOL_INTEGER,
)
bitwise_count = _question(
    "bitwise_count",
    "Number of set bits of |x|",
    lambda x: _count(x),
    "jnp.array([7, 8])",
    "Array([3, 1], dtype=uint8)",
    "of integer dtypes",
    "uint8",
)


def _count(x: Any) -> Any:
    size = P.abs(x) if x.dtype.kind == "i" else x
    return P.convert_element_type(P.population_count(size), new_dtype=np.dtype(np.uint8))


# ------------------------------------------------------------------ truth
def truth(x: Any) -> Any:
    """Whether each element is not zero, as a bool array."""
    return x if x.dtype == np.bool_ else P.ne(x, Array(np.zeros((), x.dtype)))


def _logical(name: str, summary: str, primitive: str, shown: str) -> Callable[[Any, Any], Any]:
    bind = P.table[primitive]

    def general(x: Any, y: Any) -> Any:
        xs = [truth(array(v, f"numpy.{name}")) for v in (x, y)]
        return bind(*broadcast(f"numpy.{name}", xs))

    doc = _doc(name, summary, _NUMBERS, "bool", "jnp.array([0, 1]), True", shown, arity=2)
    return dispatch.Binary(name, general, getattr(np, name), BOOL).function(doc)


logical_and = _logical(
    "logical_and", "Whether both are not zero", "and", "Array([False,  True], dtype=bool)"
)
logical_or = _logical(
    "logical_or", "Whether either is not zero", "or", "Array([ True,  True], dtype=bool)"
)
logical_xor = _logical(
    "logical_xor", "Whether exactly one is not zero", "xor", "Array([ True, False], dtype=bool)"
)
logical_not = _question(
    "logical_not",
    "Whether x is zero",
    lambda x: P.table["not"](truth(x)),
    "jnp.array([0, 2])",
    "Array([ True, False], dtype=bool)",
    ufunc=np.logical_not,
    fast=BOOL,
)


# ------------------------------------------------------------------ kinds of numbers
def _false(x: Any) -> Any:
    shape = x.shape
    return P.broadcast_in_dim(Array(np.asarray(False)), shape=shape, broadcast_dimensions=())


def _parts(both: str, compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Apply to floats; to both parts of complex numbers; integers are finite numbers."""

    def question(x: Any) -> Any:
        if x.dtype.kind == "c":
            return P.table[both](compute(P.real(x)), compute(P.imag(x)))
        return compute(x)

    return question


def _is_finite(x: Any) -> Any:
    return P.is_finite(x) if dtypes.is_floating(x.dtype) else P.table["not"](_false(x))


def _is_inf(x: Any) -> Any:
    return P.eq(P.abs(x), lit(x, math.inf)) if dtypes.is_floating(x.dtype) else _false(x)


def _is_signed_inf(value: float) -> Callable[[Any], Any]:
    def question(x: Any) -> Any:
        if x.dtype.kind == "c":
            raise FxTypeError("isposinf and isneginf are not defined on complex numbers.")
        return P.eq(x, lit(x, value)) if dtypes.is_floating(x.dtype) else _false(x)

    return question


def _sign_bit(x: Any) -> Any:
    if not dtypes.is_floating(x.dtype):
        return P.lt(x, lit(x, 0)) if dtypes.is_integer(x.dtype) else _false(x)
    bits = P.bitcast_convert_type(x, new_dtype=np.dtype(f"int{8 * x.dtype.itemsize}"))
    return P.lt(bits, lit(bits, 0))


_SPECIAL = "jnp.array([1.0, jnp.inf, jnp.nan])"
isnan = _question(
    "isnan",
    "Whether x is not a number",
    lambda x: P.ne(x, x),
    _SPECIAL,
    "Array([False, False,  True], dtype=bool)",
    ufunc=np.isnan,
    fast=FLOAT | COMPLEX,
)
isfinite = _question(
    "isfinite",
    "Whether x is neither infinite nor NaN",
    _parts("and", _is_finite),
    _SPECIAL,
    "Array([ True, False, False], dtype=bool)",
    ufunc=np.isfinite,
    fast=FLOAT | COMPLEX,
)
isinf = _question(
    "isinf",
    "Whether x is infinite",
    _parts("or", _is_inf),
    _SPECIAL,
    "Array([False,  True, False], dtype=bool)",
    ufunc=np.isinf,
    fast=FLOAT | COMPLEX,
)
isposinf = _question(
    "isposinf",
    "Whether x is +inf",
    _is_signed_inf(math.inf),
    _SPECIAL,
    "Array([False,  True, False], dtype=bool)",
)
isneginf = _question(
    "isneginf",
    "Whether x is -inf",
    _is_signed_inf(-math.inf),
    _SPECIAL,
    "Array([False, False, False], dtype=bool)",
)
signbit = _question(
    "signbit",
    "Whether the sign bit is set, also of -0.0",
    _sign_bit,
    "jnp.array([-0.0, 1.0])",
    "Array([ True, False], dtype=bool)",
)
iscomplex = _question(
    "iscomplex",
    "Whether the imaginary part is not zero",
    lambda x: truth(P.imag(x)) if x.dtype.kind == "c" else _false(x),
    "jnp.array([1 + 2j, 3])",
    "Array([ True, False], dtype=bool)",
)
isreal = _question(
    "isreal",
    "Whether the imaginary part is zero",
    lambda x: P.table["not"](truth(P.imag(x)) if x.dtype.kind == "c" else _false(x)),
    "jnp.array([1 + 2j, 3])",
    "Array([False,  True], dtype=bool)",
)

bitwise_not = bitwise_invert = invert
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift
