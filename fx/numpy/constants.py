"""Constants, scalar types and questions about dtypes under NumPy's names."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from fx.core.array import Array
from fx.numpy.creation import make_array

pi = math.pi
e = math.e
euler_gamma = 0.5772156649015329
inf = math.inf
nan = math.nan
newaxis = None


class _ScalarMeta(type):
    """Classes that stand for a dtype and, called, make an array of it."""

    dtype: np.dtype

    def __call__(cls, x: Any = 0, /) -> Array:
        return make_array(x, cls.dtype, f"numpy.{cls.__name__}")

    def __eq__(cls, other: object) -> bool:
        if other is cls:
            return True
        return isinstance(other, (type, np.dtype)) and _same(cls.dtype, other)

    def __hash__(cls) -> int:
        return hash(cls.dtype.type)

    def __repr__(cls) -> str:
        return f"fx.numpy.{cls.__name__}"

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.dtype.type)


def _same(dtype: np.dtype, other: Any) -> bool:
    if isinstance(other, np.dtype):
        return dtype == other
    return other is dtype.type


def _scalar(name: str, dtype: Any = None) -> Any:
    found = np.dtype(dtype if dtype is not None else name)
    doc = f"""The dtype {found.name}; called, an array of it.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.zeros(2, jnp.{name}).dtype == jnp.{name}
        True
    """
    return _ScalarMeta(name, (), {"dtype": found, "__doc__": doc, "__module__": "fx.numpy"})


bool_ = _scalar("bool_", np.bool_)
int8, int16, int32, int64 = (_scalar(f"int{n}") for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (_scalar(f"uint{n}") for n in (8, 16, 32, 64))
float8_e3m4 = _scalar("float8_e3m4", ml_dtypes.float8_e3m4)
float8_e4m3 = _scalar("float8_e4m3", ml_dtypes.float8_e4m3)
float8_e4m3b11fnuz = _scalar("float8_e4m3b11fnuz", ml_dtypes.float8_e4m3b11fnuz)
float8_e4m3fn = _scalar("float8_e4m3fn", ml_dtypes.float8_e4m3fn)
float8_e4m3fnuz = _scalar("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz)
float8_e5m2 = _scalar("float8_e5m2", ml_dtypes.float8_e5m2)
float8_e5m2fnuz = _scalar("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz)
bfloat16 = _scalar("bfloat16", ml_dtypes.bfloat16)
float16, float32, float64 = (_scalar(f"float{n}") for n in (16, 32, 64))
complex64, complex128 = _scalar("complex64"), _scalar("complex128")
bool = bool_
half, single, double = float16, float32, float64
csingle, cdouble = complex64, complex128
float_, complex_, int_, uint = float32, complex64, int32, uint32

generic, number, integer, signedinteger = np.generic, np.number, np.integer, np.signedinteger
unsignedinteger, inexact, floating = np.unsignedinteger, np.inexact, np.floating
complexfloating, flexible, character, object_ = (
    np.complexfloating,
    np.flexible,
    np.character,
    np.object_,
)
dtype = np.dtype
ComplexWarning = np.exceptions.ComplexWarning
set_printoptions, get_printoptions = np.set_printoptions, np.get_printoptions
printoptions = np.printoptions
index_exp, s_ = np.index_exp, np.s_
iterable = np.iterable
