"""The dtypes that fx has, what users may write for them, and what can be asked about them.

Every explicit dtype is honoured, 64-bit ones too. What has no dtype of its own, a Python scalar
or a constructor without `dtype=`, gets a default one: 32 bits wide unless `default_dtype` says
otherwise.
"""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Any

import ml_dtypes
import numpy as np

from fx.errors import FxTypeError, FxValueError, public

# ---------------------------------------------------------------------------------------------
# Scalar types

bool_ = np.bool_
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float8_e3m4, float8_e4m3 = ml_dtypes.float8_e3m4, ml_dtypes.float8_e4m3
float8_e4m3fn, float8_e4m3fnuz = ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz
float8_e4m3b11fnuz = ml_dtypes.float8_e4m3b11fnuz
float8_e5m2, float8_e5m2fnuz = ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz
bfloat16 = ml_dtypes.bfloat16
float16, float32, float64 = np.float16, np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128


class extended(np.generic):
    """Abstract class of the dtypes that hold something other than numbers; for `issubdtype`."""


class prng_key(extended):
    """Abstract class of random keys' dtypes, for `issubdtype(key.dtype, dtypes.prng_key)`."""


# The dtype of random keys: two 32-bit words, so structural operations work on keys natively.
key_dtype = np.dtype([("k0", "<u4"), ("k1", "<u4")])

# The dtype of the tangent of an integer: a vector space with a single point.
float0 = np.dtype([("float0", np.void, 0)])

BOOL = np.dtype(bool_)
FLOAT8 = tuple(
    np.dtype(t)
    for t in (
        float8_e3m4,
        float8_e4m3,
        float8_e4m3fn,
        float8_e4m3fnuz,
        float8_e4m3b11fnuz,
        float8_e5m2,
        float8_e5m2fnuz,
    )
)
SIGNED = tuple(np.dtype(t) for t in (int8, int16, int32, int64))
UNSIGNED = tuple(np.dtype(t) for t in (uint8, uint16, uint32, uint64))
FLOATING = tuple(np.dtype(t) for t in (bfloat16, float16, float32, float64))
COMPLEX = tuple(np.dtype(t) for t in (complex64, complex128))
BFLOAT16, FLOAT16, FLOAT32, FLOAT64 = FLOATING
COMPLEX64, COMPLEX128 = COMPLEX
INT32, INT64 = SIGNED[2:]
UINT32, UINT64 = UNSIGNED[2:]

# Kind of each supported dtype: (b)ool, (i)nt, (u)int, (f)loat, (c)omplex, (k)ey, (z)ero-tangent.
KIND: dict[np.dtype, str] = {
    BOOL: "b",
    **dict.fromkeys(SIGNED, "i"),
    **dict.fromkeys(UNSIGNED, "u"),
    **dict.fromkeys(FLOAT8, "f"),
    **dict.fromkeys(FLOATING, "f"),
    **dict.fromkeys(COMPLEX, "c"),
    key_dtype: "k",
    float0: "z",
}
_SHORT_NAME: dict[np.dtype, str] = {
    BOOL: "bool",
    **{d: f"i{8 * d.itemsize}" for d in SIGNED},
    **{d: f"u{8 * d.itemsize}" for d in UNSIGNED},
    **{d: d.name.replace("float", "f") for d in FLOAT8},
    **{d: f"f{8 * d.itemsize}" for d in FLOATING},
    BFLOAT16: "bf16",
    **{d: f"c{8 * d.itemsize}" for d in COMPLEX},
    key_dtype: "key<fry>",
    float0: "float0",
}
_FROM_SHORT_NAME = {name: dtype for dtype, name in _SHORT_NAME.items()}
_SUPPORTED_TEXT = (
    "bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, bfloat16, float16, "
    "float32, float64, complex64, complex128, and " + ", ".join(d.name for d in FLOAT8)
)

# ---------------------------------------------------------------------------------------------
# Default widths


class _Defaults(threading.local):
    # A class attribute, so that a thread that never enters `default_dtype` needs no set-up.
    floating: np.dtype = FLOAT32
    outer: tuple[np.dtype, ...] = ()


_defaults = _Defaults()


def default_float() -> np.dtype:
    """Dtype of Python floats in this scope: float32 unless `default_dtype` says otherwise."""
    return _defaults.floating


def default_int() -> np.dtype:
    """Dtype of Python ints in this scope: int64 where floats are float64, else int32."""
    return INT64 if _defaults.floating is FLOAT64 else INT32


def default_uint() -> np.dtype:
    """Unsigned counterpart of `default_int`."""
    return UINT64 if _defaults.floating is FLOAT64 else UINT32


def default_complex() -> np.dtype:
    """Dtype of Python complex here: complex128 where floats are float64, else complex64."""
    return COMPLEX128 if _defaults.floating is FLOAT64 else COMPLEX64


class default_dtype(contextlib.ContextDecorator):
    """Sets the default float dtype for a block, or for each call of a decorated function.

    Args:
      dtype: a real floating dtype. float64 also makes int64 and complex128 the defaults; any
        other makes them int32 and complex64.

    Raises:
      FxTypeError: `dtype` is not a real floating dtype.

    Only what has no dtype of its own is affected: Python scalars, and constructors called without
    `dtype=`. The setting belongs to the current thread and ends with the block.

    >>> from fx import dtypes
    >>> with dtypes.default_dtype("float64"):
    ...     dtypes.default_float(), dtypes.default_int(), dtypes.default_complex()
    (dtype('float64'), dtype('int64'), dtype('complex128'))
    >>> dtypes.default_float(), dtypes.default_int(), dtypes.default_complex()
    (dtype('float32'), dtype('int32'), dtype('complex64'))
    """

    def __init__(self, dtype: Any):
        floating = canonicalize(dtype)
        if KIND[floating] != "f":
            raise FxTypeError(
                f"default_dtype takes a real floating dtype, got {dtype!r}. "
                "Integer and complex defaults follow from it: use default_dtype('float64') "
                "for int64 and complex128."
            )
        self._floating = floating

    def __enter__(self) -> default_dtype:
        _defaults.outer = (*_defaults.outer, _defaults.floating)
        _defaults.floating = self._floating
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        *outer, _defaults.floating = _defaults.outer
        _defaults.outer = tuple(outer)


# ---------------------------------------------------------------------------------------------
# From what users write to a dtype

PYTHON_SCALARS = {
    bool: lambda: BOOL,
    int: default_int,
    float: default_float,
    complex: default_complex,
}
_PYTHON_NAMES = {kind.__name__: default for kind, default in PYTHON_SCALARS.items()}

# Spelling (a scalar type, a name, a dtype) -> dtype, for spellings independent of the defaults.
_CANONICAL: dict[Any, np.dtype] = {}
for _dtype in KIND:
    _CANONICAL[_dtype] = _dtype
    if _dtype.names is None:
        _CANONICAL[_dtype.type] = _CANONICAL[_dtype.name] = _dtype
_CANONICAL[prng_key] = key_dtype
_CANONICAL["float0"] = float0


def canonicalize(dtype: Any) -> np.dtype:
    """The `numpy.dtype` that a dtype-like value stands for, in native byte order.

    Args:
      dtype: a Python type (bool, int, float, complex: the default of that kind), a name, a NumPy
        or ml_dtypes scalar type, a dtype, or anything with a `.dtype`.

    Raises:
      FxTypeError: the value names no dtype, or one that fx does not support.

    >>> canonicalize("bfloat16"), canonicalize(float), canonicalize(np.float64), canonicalize(">i2")
    (dtype(bfloat16), dtype('float32'), dtype('float64'), dtype('int16'))
    """
    if isinstance(dtype, (np.dtype, type, str)):
        found = _CANONICAL.get(dtype)
        if found is not None:
            return found
        default = (_PYTHON_NAMES if isinstance(dtype, str) else PYTHON_SCALARS).get(dtype)  # type: ignore[arg-type]
        if default is not None:
            return default()
    elif isinstance(own := getattr(dtype, "dtype", None), np.dtype):
        return canonicalize(own)
    return _canonicalize_unusual(dtype)


canonicalize_dtype = canonicalize


def _canonicalize_unusual(dtype: Any) -> np.dtype:
    if dtype is None:
        raise FxTypeError("a dtype is needed, got None. Write e.g. 'float32' or jnp.float32.")
    if isinstance(dtype, type):
        own = getattr(dtype, "dtype", None)
        if isinstance(own, np.dtype):
            return canonicalize(own)
        if not issubclass(dtype, (np.generic, np.dtype)):
            raise FxTypeError(_unknown(dtype))
        if dtype in _ABSTRACT:
            raise FxTypeError(
                f"numpy.{dtype.__name__} is an abstract kind, not a dtype. It serves for "
                "issubdtype(x.dtype, kind); to make an array name a concrete dtype."
            )
    try:
        native = np.dtype(dtype).newbyteorder("=")
    except (TypeError, ValueError, SyntaxError):
        raise FxTypeError(_unknown(dtype)) from None
    found = _CANONICAL.get(native)
    if found is None:
        raise FxTypeError(f"dtype {native} is not supported. Supported dtypes: {_SUPPORTED_TEXT}.")
    if isinstance(dtype, (np.dtype, type, str)):
        _CANONICAL[dtype] = found
    return found


def _unknown(dtype: Any) -> str:
    hint = ""
    if isinstance(dtype, str) and dtype in _FROM_SHORT_NAME:
        hint = f" Did you mean {str(_FROM_SHORT_NAME[dtype])!r}?"
    return f"{dtype!r} is not a dtype.{hint} Supported dtypes: {_SUPPORTED_TEXT}."


_ABSTRACT = {
    np.generic,
    np.number,
    np.integer,
    np.signedinteger,
    np.unsignedinteger,
    np.inexact,
    np.floating,
    np.complexfloating,
    np.flexible,
    np.character,
    extended,
}


def check_user_dtype(dtype: Any, fun_name: str | None = None) -> np.dtype:
    """`canonicalize` for a `dtype=` argument: arrays and None are refused, and errors say where.

    Args:
      dtype: what the user passed.
      fun_name: the function it was passed to.

    Raises:
      FxTypeError: `dtype` is None, an array, or not the name of a supported dtype.
    """
    where = f"{fun_name}: " if fun_name else ""
    if isinstance(dtype, np.ndarray) or hasattr(type(dtype), "__array__"):
        raise FxTypeError(f"{where}dtype= got an array; write dtype=x.dtype instead of dtype=x.")
    try:
        return canonicalize(dtype)
    except FxTypeError as error:
        raise FxTypeError(f"{where}{error}") from None


def short_name(dtype: Any) -> str:
    """The name used in printed programs: 'f32', 'bf16', 'i8', 'u64', 'bool', 'c64', 'key<fry>'.

    >>> short_name("float32"), short_name(bool), short_name(key_dtype)
    ('f32', 'bool', 'key<fry>')
    """
    found = _SHORT_NAME.get(dtype)
    return _SHORT_NAME[canonicalize(dtype)] if found is None else found


def from_short_name(name: str) -> np.dtype:
    """The inverse of `short_name`.

    Raises:
      FxValueError: no dtype has that short name.
    """
    try:
        return _FROM_SHORT_NAME[name]
    except KeyError:
        known = ", ".join(_FROM_SHORT_NAME)
        raise FxValueError(f"{name!r} is not a short dtype name. Known: {known}.") from None


# ---------------------------------------------------------------------------------------------
# Questions about a dtype. Each is one dictionary lookup for a dtype that was seen before.


class _Membership(dict):
    """dtype -> whether its kind is one of `kinds`; dtype-likes are resolved once, then kept."""

    def __init__(self, kinds: str):
        super().__init__({dtype: kind in kinds for dtype, kind in KIND.items()})
        self._kinds = kinds

    def __missing__(self, dtype: Any) -> bool:
        try:
            result = KIND[canonicalize(dtype)] in self._kinds
        except FxTypeError:
            result = False
        self[dtype] = result
        return result


_IS_INEXACT = _Membership("fc")
_IS_FLOATING = _Membership("f")
_IS_COMPLEX = _Membership("c")
_IS_INTEGER = _Membership("iu")
_IS_KEY = _Membership("k")


def is_inexact(dtype: Any) -> bool:
    """Whether it is a real or complex floating dtype: the ones that can be differentiated."""
    return _IS_INEXACT[dtype]


def is_floating(dtype: Any) -> bool:
    """Whether it is a real floating dtype, bfloat16 included."""
    return _IS_FLOATING[dtype]


def is_complex(dtype: Any) -> bool:
    """Whether it is complex64 or complex128."""
    return _IS_COMPLEX[dtype]


def is_integer(dtype: Any) -> bool:
    """Whether it is a signed or unsigned integer dtype; bool is none."""
    return _IS_INTEGER[dtype]


def is_key(dtype: Any) -> bool:
    """Whether it is the dtype of random keys."""
    return _IS_KEY[dtype]


# NumPy does not know these to be floating.
_ML_FLOATS = frozenset([bfloat16, *(d.type for d in FLOAT8)])
_SUBDTYPE: dict[tuple[Any, Any], bool] = {}


@public
def issubdtype(a: Any, b: Any) -> bool:
    """Whether dtype `a` lies at or below `b` in the hierarchy of scalar types.

    Like `numpy.issubdtype`, and also right for bfloat16, which NumPy does not know to be
    floating, and for random keys.

    Args:
      a: a dtype or a scalar type.
      b: a dtype, a scalar type or an abstract one, as np.floating or dtypes.prng_key.

    >>> issubdtype(bfloat16, np.floating), issubdtype(key_dtype, prng_key)
    (True, True)
    >>> issubdtype(np.int32, np.inexact)
    False
    """
    if not isinstance(a, (np.dtype, type)):
        a = canonicalize(a)
    if not isinstance(b, (np.dtype, type)):
        b = canonicalize(b)
    found = _SUBDTYPE.get((a, b))
    if found is None:
        found = _SUBDTYPE[a, b] = _issubdtype(_scalar_type(a), _scalar_type(b))
    return found


def _scalar_type(dtype: Any) -> type:
    if isinstance(dtype, type) and issubclass(dtype, np.generic):
        return dtype
    if isinstance(dtype, type):
        return canonicalize(dtype).type
    return prng_key if dtype == key_dtype else dtype.type


def _issubdtype(a: type, b: type) -> bool:
    if a in _ML_FLOATS:
        return b in (a, np.floating, np.inexact, np.number, np.generic)
    return issubclass(a, b)


@public
def finfo(dtype: Any) -> Any:
    """Machine limits of a floating dtype; for a complex one, those of its parts.

    >>> float(finfo("bfloat16").eps)
    0.0078125

    Raises:
      FxTypeError: the dtype is not inexact.
    """
    floating = canonicalize(dtype)
    if KIND[floating] not in "fc":
        raise FxTypeError(f"finfo takes a floating dtype, got {floating}. Use iinfo for integers.")
    return ml_dtypes.finfo(real_dtype(floating))


@public
def iinfo(dtype: Any) -> Any:
    """Machine limits of an integer dtype.

    >>> iinfo("int8").max
    127

    Raises:
      FxTypeError: the dtype is not an integer one.
    """
    integer = canonicalize(dtype)
    if KIND[integer] not in "iu":
        raise FxTypeError(f"iinfo takes an integer dtype, got {integer}. Use finfo for floats.")
    return ml_dtypes.iinfo(integer)


def real_dtype(dtype: Any) -> np.dtype:
    """Dtype of the real part: float32 for complex64, float64 for complex128, else unchanged."""
    dtype = canonicalize(dtype)
    if dtype == COMPLEX64:
        return FLOAT32
    return FLOAT64 if dtype == COMPLEX128 else dtype


def complex_dtype(dtype: Any) -> np.dtype:
    """Complex dtype whose parts hold `dtype`: complex128 for float64, else complex64.

    Integers and bools go through `to_inexact_dtype` first.
    """
    wide = to_inexact_dtype(dtype) in (FLOAT64, COMPLEX128)
    return COMPLEX128 if wide else COMPLEX64


def to_inexact_dtype(dtype: Any) -> np.dtype:
    """`dtype` if it is inexact, else the default float: what `sin(x)` returns for an integer x.

    It is the dtype of `x * 1.0`, so that an integer becomes the same float on every path.
    """
    dtype = canonicalize(dtype)
    return dtype if KIND[dtype] in "fckz" else _defaults.floating


def tangent_dtype(dtype: Any) -> np.dtype:
    """Dtype of tangents and cotangents of values of `dtype`: itself if inexact, else float0."""
    dtype = canonicalize(dtype)
    return dtype if KIND[dtype] in "fc" else float0
