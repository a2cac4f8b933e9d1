"""Type promotion: the least upper bound of dtypes in JAX's lattice, weak types included.

A Python scalar has a kind but no width: it is *weakly typed*. Beside an array it takes the array's
width, alone it takes the default one.
Source: https://docs.jax.dev/en/latest/type_promotion.html, with 64-bit types enabled.
"""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from fx.dtypes.table import (
    BFLOAT16,
    BOOL,
    COMPLEX64,
    COMPLEX128,
    FLOAT8,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    INT64,
    KIND,
    PYTHON_SCALARS,
    SIGNED,
    UINT64,
    UNSIGNED,
    canonicalize,
    default_complex,
    default_float,
    default_int,
    default_uint,
    short_name,
)
from fx.errors import FxTypeError, FxValueError, public

# A node of the lattice is a dtype, or (kind, wide) for a weak type. Weak types come in two widths
# so that a value made under default_dtype("float64") is not narrowed by what it meets later.
_I8, _I16, _I32, _I64 = SIGNED
_U8, _U16, _U32, _U64 = UNSIGNED
_U, _UW, _I, _IW, _F, _FW, _C, _CW = ((k, wide) for k in "uifc" for wide in (False, True))

_LATTICE: dict[Any, tuple[Any, ...]] = {
    BOOL: (_U,),
    _U: (_UW, _I),
    _UW: (_IW, _U8),
    _I: (_IW,),
    _IW: (_U8, _I8),
    _U8: (_I16, _U16),
    _U16: (_I32, _U32),
    _U32: (_I64, _U64),
    _U64: (_F,),
    _I8: (_I16,),
    _I16: (_I32,),
    _I32: (_I64,),
    _I64: (_F,),
    _F: (_FW, _C),
    _FW: (_CW, BFLOAT16, FLOAT16, *FLOAT8),
    _C: (_CW,),
    _CW: (COMPLEX64,),
    BFLOAT16: (FLOAT32,),
    FLOAT16: (FLOAT32,),
    FLOAT32: (FLOAT64, COMPLEX64),
    FLOAT64: (COMPLEX128,),
    COMPLEX64: (COMPLEX128,),
    COMPLEX128: (),
    **dict.fromkeys(FLOAT8, ()),  # they meet no other float: what to lose is the user's choice
}


def _upper_bounds(node: Any) -> frozenset[Any]:
    return frozenset({node}).union(*(_upper_bounds(above) for above in _LATTICE[node]))


_UPPER_BOUNDS = {node: _upper_bounds(node) for node in _LATTICE}


def _least_upper_bound(a: Any, b: Any) -> Any:
    common = _UPPER_BOUNDS[a] & _UPPER_BOUNDS[b]
    if not common:
        names = [x.name if isinstance(x, np.dtype) else "a Python complex" for x in (a, b)]
        raise FxTypeError(
            f"cannot combine {names[0]} with {names[1]}: floats of 8 bits are not converted "
            "implicitly. Write x.astype(...) for the one that is to change."
        )
    return next(node for node in common if common <= _UPPER_BOUNDS[node])


def _node(dtype: np.dtype, weak: bool) -> Any:
    kind = KIND[dtype]
    if not weak or kind == "b":
        return dtype
    return kind, dtype in (INT64, UINT64, FLOAT64, COMPLEX128)


def _dtype_of_node(node: Any) -> tuple[np.dtype, bool]:
    """(dtype, weak) of a node; a weak one has at least the default width."""
    if isinstance(node, np.dtype):
        return node, False
    kind, wide = node
    if kind == "f":
        return (FLOAT64 if wide else default_float()), True
    if kind == "c":
        return (COMPLEX128 if wide else default_complex()), True
    if kind == "i":
        return (INT64 if wide else default_int()), True
    return (UINT64 if wide else default_uint()), True


_JOIN: dict[tuple[np.dtype, bool, np.dtype, bool], Any] = {}


def promote_pair(a: np.dtype, a_weak: bool, b: np.dtype, b_weak: bool) -> tuple[np.dtype, bool]:
    """(dtype, weak_type) of the result of a binary operation on values of these two types.

    Args:
      a, a_weak: canonical dtype of the first value and whether it is weakly typed.
      b, b_weak: the same for the second.

    Raises:
      FxTypeError: one holds numbers and the other does not (random keys, float0).
    """
    if a is b and not a_weak and not b_weak:
        return a, False
    node = _JOIN.get((a, a_weak, b, b_weak))
    if node is None:
        node = _JOIN[a, a_weak, b, b_weak] = _join(a, a_weak, b, b_weak)
    return _dtype_of_node(node)


def _join(a: np.dtype, a_weak: bool, b: np.dtype, b_weak: bool) -> Any:
    if a == b and KIND[a] in "kz":
        return a
    for dtype, other in ((a, b), (b, a)):
        if KIND[dtype] in "kz":
            what = "random keys" if KIND[dtype] == "k" else "float0 (tangents of integers)"
            raise FxTypeError(
                f"cannot combine {short_name(dtype)} with {short_name(other)}: {what} take no "
                "part in arithmetic."
                + (" Use fx.random.key_data(key) for the bits." if KIND[dtype] == "k" else "")
            )
    return _least_upper_bound(_node(a, a_weak), _node(b, b_weak))


def dtype_and_weak(x: Any) -> tuple[np.dtype, bool]:
    """(dtype, weak_type) of an array, a scalar or a dtype-like value.

    Python scalars and the types int, float and complex are weak, and values with a true attribute
    `weak_type`. NumPy scalars and arrays are not, but for np.float64 and np.complex128, which are
    Python floats and complex numbers: they keep their width alone, and give way to narrower arrays.

    Raises:
      FxTypeError: `x` has no dtype.

    >>> dtype_and_weak(1.5), dtype_and_weak(np.float64(1.5))
    ((dtype('float32'), True), (dtype('float64'), True))
    """
    kind = type(x)
    default = PYTHON_SCALARS.get(kind)
    if default is not None:
        return default(), kind is not bool
    if kind is np.ndarray:
        return canonicalize(x.dtype), False
    if kind is type:
        return canonicalize(x), x in PYTHON_SCALARS and x is not bool
    if x is None:
        return default_float(), False
    if isinstance(x, (np.generic, np.dtype, str, type)):
        return canonicalize(x), isinstance(x, (float, complex))
    if isinstance(getattr(x, "dtype", None), np.dtype):
        return canonicalize(x.dtype), bool(getattr(x, "weak_type", False))
    for python_type in (int, float, complex):  # IntEnum and other subclasses
        if isinstance(x, python_type):
            return PYTHON_SCALARS[python_type](), True
    raise FxTypeError(
        f"expected an array, a scalar or a dtype, got {kind.__name__}: {x!r}. "
        "Convert it with jnp.asarray first."
    )


@public
def dtype(x: Any) -> np.dtype:
    """The dtype of an array, a scalar or a dtype-like value (see `dtype_and_weak`)."""
    return dtype_and_weak(x)[0]


@public
def promote_types(a: Any, b: Any) -> np.dtype:
    """The dtype to which a binary operation casts operands of dtypes `a` and `b`.

    The Python types int, float and complex are weak: they give their kind, not their width.

    >>> promote_types("int32", "float16"), promote_types("uint8", int), promote_types("i4", float)
    (dtype('float16'), dtype('uint8'), dtype('float32'))

    Raises:
      FxTypeError: a value is not a dtype, or the two do not combine.
    """
    return promote_pair(*_dtype_only(a), *_dtype_only(b))[0]


def _dtype_only(a: Any) -> tuple[np.dtype, bool]:
    return canonicalize(a), a is int or a is float or a is complex


@overload
def result_type(*args: Any, return_weak_type_flag: Literal[True]) -> tuple[np.dtype, bool]: ...
@overload
def result_type(*args: Any, return_weak_type_flag: Literal[False] = False) -> np.dtype: ...
@public
def result_type(*args: Any, return_weak_type_flag: bool = False) -> Any:
    """The dtype of the result of an operation on all of `args`, by JAX's promotion lattice.

    Args:
      *args: arrays, scalars or dtype-likes, at least one; None stands for the default float.
      return_weak_type_flag: also return whether the result is weakly typed.

    Returns:
      a dtype, or (dtype, weak_type).

    Raises:
      FxValueError: no argument.
      FxTypeError: an argument has no dtype, or two do not combine.

    >>> result_type(np.ones(3, "float16"), 2.5), result_type(3, 2.5)
    (dtype('float16'), dtype('float32'))
    >>> result_type(3, return_weak_type_flag=True)
    (dtype('int32'), True)
    """
    if not args:
        raise FxValueError("result_type needs at least one array, scalar or dtype.")
    dtype, weak = dtype_and_weak(args[0])
    if len(args) == 1 and weak:
        dtype, weak = _dtype_of_node(_node(dtype, weak))
    for arg in args[1:]:
        dtype, weak = promote_pair(dtype, weak, *dtype_and_weak(arg))
    return (dtype, weak) if return_weak_type_flag else dtype


def scalar_type_of(x: Any) -> type:
    """The Python type (bool, int, float or complex) that holds an element of `x`.

    >>> scalar_type_of(np.zeros(3, np.uint8)).__name__
    'int'

    Raises:
      FxTypeError: `x` holds no numbers.
    """
    kind = KIND[dtype_and_weak(x)[0]]
    if kind in "kz":
        raise FxTypeError(f"no Python scalar type holds an element of {x!r}.")
    return {"b": bool, "f": float, "c": complex}.get(kind, int)
