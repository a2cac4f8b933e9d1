"""Python's operators on arrays, and conversions to Python numbers.

In-place operators are left to Python: `x += y` rebinds `x`, which leaves other references to the
old array as they were.
"""

from __future__ import annotations

import math
from typing import Any

from fx import dtypes
from fx.core.array import Array, is_arraylike
from fx.errors import (
    ConcretizationTypeError,
    FxTypeError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    hide_frames,
    public,
)
from fx.numpy import arithmetic, dispatch, logic
from fx.numpy.dispatch import COMPLEX, FLOAT

_BINARY: dict[str, tuple[dispatch.Binary, str]] = {
    "add": (arithmetic.ADD, "+"),
    "sub": (arithmetic.SUBTRACT, "-"),
    "mul": (arithmetic.MULTIPLY, "*"),
    "truediv": (arithmetic.DIVIDE, "/"),
    "floordiv": (arithmetic.FLOOR_DIVIDE, "//"),
    "mod": (arithmetic.REMAINDER, "%"),
    "and": (logic.AND, "&"),
    "or": (logic.OR, "|"),
    "xor": (logic.XOR, "^"),
    "lshift": (logic.LEFT_SHIFT, "<<"),
    "rshift": (logic.RIGHT_SHIFT, ">>"),
}
_COMPARISONS: dict[str, tuple[dispatch.Binary, str]] = {
    "eq": (logic.EQUAL, "=="),
    "ne": (logic.NOT_EQUAL, "!="),
    "lt": (logic.LESS, "<"),
    "le": (logic.LESS_EQUAL, "<="),
    "gt": (logic.GREATER, ">"),
    "ge": (logic.GREATER_EQUAL, ">="),
}


def accepts(other: Any) -> bool:
    """Whether an operator takes this operand, rather than leaving it to the other's class."""
    return is_arraylike(other) or hasattr(other, "__fx_array__")


def _pow(x: Array, y: Any, modulo: Any = None) -> Any:
    if type(y) is int and y == 2 and type(x) is Array and x._data.dtype in _SQUARES:
        return arithmetic.square(x)
    try:
        if modulo is not None:
            raise FxTypeError("pow(x, y, modulo) is not supported: write (x**y) % modulo.")
        return _power(x, y)
    except Exception as error:
        hide_frames(error)
        raise


@public
def _divmod(x: Any, y: Any) -> Any:
    if not is_arraylike(y):
        return dispatch.refuse("divmod", y, False)
    return arithmetic.floor_divide(x, y), arithmetic.remainder(x, y)


@public
def _rdivmod(x: Any, y: Any) -> Any:
    if not is_arraylike(y):
        return dispatch.refuse("divmod", y, True)
    return arithmetic.floor_divide(y, x), arithmetic.remainder(y, x)


@public
def _contains(x: Array, value: Any) -> bool:
    return bool(logic.equal(x, value).any())


# ------------------------------------------------------------------ to Python
def _bool(x: Array) -> bool:
    try:
        data = x._concrete(TracerBoolConversionError, "bool() (of `if`, `while`, `and`, `or`)")
        if data.size != 1:
            raise FxTypeError(
                f"the truth of an array with {data.size} elements, {x.aval.short()}, is "
                "ambiguous. Use x.any(), x.all(), or fx.numpy.where."
            )
        return bool(data.reshape(())[()])
    except Exception as error:
        hide_frames(error)
        raise


def _number(convert: Any, what: str, error_type: type[Exception] = ConcretizationTypeError) -> Any:
    def method(x: Array) -> Any:
        if type(x) is Array and not x._data.ndim and x._data.dtype.kind in "fiu":
            return convert(x._data)
        try:
            data = x._concrete(error_type, what)
            if data.ndim:
                raise FxTypeError(
                    f"{what} needs an array of shape (), got {x.aval.short()}. Index it first, "
                    "or use x.item() on an array of size 1."
                )
            if dtypes.is_key(data.dtype):
                raise FxTypeError(f"{what} of a random key, {x.aval.short()}: a key is no number.")
            if convert is not complex and data.dtype.kind == "c":
                raise FxTypeError(
                    f"{what} of the complex {x.aval.short()}: use x.real or abs(x) first."
                )
            return convert(data.item())
        except Exception as error:
            hide_frames(error)
            raise

    return method


def _index(x: Array) -> int:
    try:
        data = x._concrete(TracerIntegerConversionError, "an integer (index, shape or axis)")
        if data.ndim or not dtypes.is_integer(data.dtype):
            raise FxTypeError(
                f"only integer arrays of shape () serve as a Python index, got {x.aval.short()}. "
                "Convert with int(x) or x.astype('int32')."
            )
        return int(data)
    except Exception as error:
        hide_frames(error)
        raise


@public
def _round(x: Array, digits: int | None = None) -> Any:
    return x.round(digits or 0)  # type: ignore[attr-defined]


def _whole(function: Any) -> Any:
    return public(lambda x: function(float(x)))


_SQUARES = FLOAT | COMPLEX
_power = arithmetic.POWER.operator("__pow__", "**")


def install() -> None:
    """Give Array its operators."""
    for table, reflected in ((_BINARY, True), (_COMPARISONS, False)):
        for name, (form, symbol) in table.items():
            setattr(Array, f"__{name}__", form.operator(f"__{name}__", symbol))
            if reflected:
                method = f"__r{name}__"
                setattr(Array, method, form.operator(method, symbol, reflected=True))
    methods: dict[str, Any] = {
        "pow": _pow,
        "rpow": arithmetic.POWER.operator("__rpow__", "**", reflected=True),
        "divmod": _divmod,
        "rdivmod": _rdivmod,
        "neg": arithmetic.negative,
        "pos": arithmetic.positive,
        "abs": arithmetic.absolute,
        "invert": logic.invert,
        "contains": _contains,
        "bool": _bool,
        "float": _number(float, "float()"),
        "int": _number(int, "int()"),
        "complex": _number(complex, "complex()"),
        "index": _index,
        "round": _round,
        "trunc": _whole(math.trunc),
        "floor": _whole(math.floor),
        "ceil": _whole(math.ceil),
    }
    for name, method in methods.items():
        setattr(Array, f"__{name}__", method)
