"""Whether whole arrays are equal or close, and questions about types."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.creation import make_array
from fx.numpy.promotion import (
    array,
    broadcast,
    cast,
    common_shape,
    expand_to,
    operands,
    promote_inexact,
    some_axes,
)


@public
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Array:
    """Whether |a - b| <= atol + rtol |b|, elementwise; equal infinities are close.

    Args:
        a, b: arrays or numbers that broadcast.
        rtol, atol: relative and absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Returns:
        bool Array.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.isclose(jnp.array([1.0, 2.0]), jnp.array([1.0000001, 2.1]))
        Array([ True, False], dtype=bool)
    """
    x, y = operands("numpy.isclose", a, b)
    if not dtypes.is_inexact(x.dtype):
        x, y = promote_inexact("numpy.isclose", x, y)
    size = dtypes.real_dtype(x.dtype)
    relative = cast(array(rtol, "numpy.isclose"), size, False, "numpy.isclose")
    absolute = cast(array(atol, "numpy.isclose"), size, False, "numpy.isclose")
    bound = P.mul(*broadcast("numpy.isclose", [relative, P.abs(y)]))
    bound = P.add(*broadcast("numpy.isclose", [absolute, bound]))
    near = P.le(*broadcast("numpy.isclose", [P.abs(P.sub(x, y)), bound]))
    # An infinite bound must not make everything close, nor inf - inf = NaN make equal ones far.
    near = _both(near, _finite(y))
    near = P.table["or"](*broadcast("numpy.isclose", [near, P.eq(x, y)]))
    if not equal_nan:
        return near
    return P.table["or"](*broadcast("numpy.isclose", [near, _both(P.ne(x, x), P.ne(y, y))]))


def _both(x: Any, y: Any) -> Any:
    return P.table["and"](*broadcast("numpy.isclose", [x, y]))


def _finite(x: Any) -> Any:
    if x.dtype.kind == "c":
        return P.table["and"](P.is_finite(P.real(x)), P.is_finite(P.imag(x)))
    return P.is_finite(x)


@public
def allclose(
    a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False
) -> Array:
    """Whether all elements are close; see `isclose`.

    Args:
        a, b, rtol, atol, equal_nan: as in `isclose`.

    Returns:
        bool Array of shape ().

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.allclose(jnp.array([1.0, 2.0]), jnp.array([1.0, 2.0000001]))
        Array(True, dtype=bool)
    """
    close = isclose(a, b, rtol, atol, equal_nan)
    return P.reduce_and(close, axes=tuple(range(close.ndim)))


@public
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Array:
    """Whether two arrays have the same shape and elements.

    Args:
        a1, a2: array-likes.
        equal_nan: whether NaN equals NaN.

    Returns:
        bool Array of shape ().

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.array_equal(jnp.array([1, 2]), jnp.array([1, 2]))
        Array(True, dtype=bool)
    """
    xs = [make_array(x, None, "numpy.array_equal") for x in (a1, a2)]
    if xs[0].shape != xs[1].shape:
        return Array(np.asarray(False))
    return _all_equal(xs[0], xs[1], equal_nan)


def _all_equal(a: Any, b: Any, equal_nan: bool) -> Any:
    x, y = operands("numpy.array_equal", a, b)
    same = P.eq(x, y)
    if equal_nan and dtypes.is_inexact(x.dtype):
        same = P.table["or"](*broadcast("array_equal", [same, _both(P.ne(x, x), P.ne(y, y))]))
    return P.reduce_and(same, axes=tuple(range(same.ndim)))


@public
def array_equiv(a1: Any, a2: Any) -> Array:
    """Whether two arrays are equal after broadcasting.

    Args:
        a1, a2: array-likes.

    Returns:
        bool Array of shape (); False if the shapes do not broadcast.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.array_equiv(jnp.array([1, 1]), jnp.array([[1, 1], [1, 1]]))
        Array(True, dtype=bool)
    """
    xs = [make_array(x, None, "numpy.array_equiv") for x in (a1, a2)]
    try:
        shape = common_shape("numpy.array_equiv", [x.shape for x in xs])
    except ShapeError:
        return Array(np.asarray(False))
    return _all_equal(expand_to(xs[0], shape), expand_to(xs[1], shape), False)


# ------------------------------------------------------------------ types and shapes
@public
def shape(a: Any) -> tuple[int, ...]:
    """The sizes of an array's axes.

    Args:
        a: array-like.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.shape([[1, 2, 3]])
        (1, 3)
    """
    return _typed(a, "numpy.shape").shape


@public
def ndim(a: Any) -> int:
    """The number of axes.

    Args:
        a: array-like.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.ndim(jnp.ones((2, 3)))
        2
    """
    return len(_typed(a, "numpy.ndim").shape)


@public
def size(a: Any, axis: int | tuple[int, ...] | None = None) -> int:
    """The number of elements, in all or along axes.

    Args:
        a: array-like.
        axis: which axes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.size(jnp.ones((2, 3)), 1)
        3
    """
    x = _typed(a, "numpy.size")
    if axis is None:
        return int(np.prod(x.shape, dtype=np.int64))
    return math.prod(x.shape[i] for i in some_axes(axis, len(x.shape), "numpy.size"))


def _typed(a: Any, name: str) -> Any:
    """Anything that already says its shape, else an Array."""
    return a if isinstance(getattr(a, "shape", None), tuple) else make_array(a, None, name)


@public
def isscalar(element: Any) -> bool:
    """Whether it is a number: Python's, NumPy's, or an array of shape ().

    Args:
        element: anything.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.isscalar(1.5), jnp.isscalar(jnp.ones(1))
        (True, False)
    """
    if isinstance(element, (Array, np.ndarray)):
        return element.ndim == 0
    return isinstance(element, (numbers.Number, np.generic))


@public
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex.

    Args:
        x: array-like.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.iscomplexobj(jnp.array([1 + 0j]))
        True
    """
    return x is not None and dtypes.is_complex(_dtype_of(x, "numpy.iscomplexobj"))


@public
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex.

    Args:
        x: array-like.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.isrealobj(jnp.array([1 + 0j]))
        False
    """
    return not iscomplexobj(x)


def _dtype_of(x: Any, name: str) -> Any:
    found = getattr(x, "dtype", None)
    return found if isinstance(found, np.dtype) else make_array(x, None, name).dtype


_KINDS: dict[str, Any] = {
    "bool": lambda d: d == np.bool_,
    "signed integer": lambda d: d.kind == "i",
    "unsigned integer": lambda d: d.kind == "u",
    "integral": dtypes.is_integer,
    "real floating": dtypes.is_floating,
    "complex floating": dtypes.is_complex,
    "numeric": lambda d: dtypes.is_integer(d) or dtypes.is_inexact(d),
}


@public
def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind.

    Args:
        dtype: a dtype.
        kind: a dtype, one of 'bool', 'signed integer', 'unsigned integer', 'integral', 'real
            floating', 'complex floating', 'numeric', or a tuple of these.

    Raises:
        FxValueError: the kind is unknown.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.isdtype(jnp.bfloat16, "real floating")
        True
    """
    found = dtypes.canonicalize(dtype)
    for k in kind if isinstance(kind, tuple) else (kind,):
        if isinstance(k, str) and k in _KINDS:
            if _KINDS[k](found):
                return True
        elif isinstance(k, str):
            try:
                if dtypes.canonicalize(k) == found:
                    return True
            except FxTypeError:
                raise FxValueError(
                    f"isdtype: unknown kind {k!r}; expected a dtype or one of {', '.join(_KINDS)}."
                ) from None
        elif dtypes.issubdtype(found, k):
            return True
    return False


@public
def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Whether a dtype can be cast to another under a rule.

    Args:
        from_, to: dtypes.
        casting: "no", "equiv", "safe", "same_kind" or "unsafe".

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.can_cast(jnp.int8, jnp.int32)
        True
    """
    if casting not in ("no", "equiv", "safe", "same_kind", "unsafe"):
        raise FxValueError(
            "numpy.can_cast: casting must be 'no', 'equiv', 'safe', 'same_kind' or 'unsafe', got "
            f"{casting!r}."
        )
    return bool(np.can_cast(dtypes.canonicalize(from_), dtypes.canonicalize(to), casting))  # type: ignore[arg-type]
