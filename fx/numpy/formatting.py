"""How arrays print: JAX's notation, `Array([1., 2.], dtype=float32)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.trace import Tracer
from fx.errors import TracerArrayConversionError, public
from fx.numpy.promotion import array


def describe(x: Array) -> str:
    """The repr of a concrete array."""
    if dtypes.is_key(x.dtype):
        return f"Array({x.shape}, dtype=key<fry>) overlaying:\n{_words(x)}"
    weak = ", weak_type=True" if x.weak_type else ""
    dtype = f"dtype={x.dtype.name}{weak})"
    width = np.get_printoptions()["linewidth"]
    if x.size == 0:
        text = f"[], shape={x.shape}"
    else:
        text = np.array2string(
            np.asarray(x), prefix="Array(", suffix=",", separator=", ", max_line_width=width
        )
    last = len(text) - text.rfind("\n") + 1
    gap = "\n" + " " * len("Array(") if last + len(dtype) + 1 > width else " "
    return f"Array({text},{gap}{dtype}"


def _words(key: Array) -> np.ndarray:
    data = np.ascontiguousarray(np.asarray(key))
    return data.view(np.uint32).reshape(*key.shape, 2)


def _repr(x: Array) -> str:
    return f"Array(deleted, shape={x.shape}, dtype={x.dtype})" if x.is_deleted() else describe(x)


def _str(x: Array) -> str:
    if type(x) is Tracer:
        return repr(x)
    return str(_words(x) if dtypes.is_key(x.dtype) else np.asarray(x))


def _format(x: Array, spec: str) -> str:
    if not spec:
        return str(x)
    return format(_item_or_array(x, f"format(x, {spec!r})"), spec)


def _item_or_array(x: Array, what: str) -> Any:
    data = x._concrete(TracerArrayConversionError, what)
    return data.item() if data.ndim == 0 else np.asarray(data)


def install() -> None:
    """Give Array its text forms."""
    Array.__repr__ = _repr  # type: ignore[method-assign]
    Array.__str__ = _str  # type: ignore[method-assign]
    Array.__format__ = _format


@public
def array_repr(
    arr: Any,
    max_line_width: int | None = None,
    precision: int | None = None,
    suppress_small: bool | None = None,
) -> str:
    """The text that `repr` gives, with NumPy's options.

    Args:
        arr: array-like.
        max_line_width, precision, suppress_small: as in `numpy.array2string`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.array_repr(jnp.array([1.0, 2.5]), precision=0)
        'Array([1., 2.], dtype=float32)'
    """
    options = {"precision": precision, "suppress": suppress_small, "linewidth": max_line_width}
    with np.printoptions(**{k: v for k, v in options.items() if v is not None}):
        return repr(array(arr, "numpy.array_repr"))


@public
def array_str(
    a: Any,
    max_line_width: int | None = None,
    precision: int | None = None,
    suppress_small: bool | None = None,
) -> str:
    """The text that `str` gives, with NumPy's options.

    Args:
        a: array-like.
        max_line_width, precision, suppress_small: as in `numpy.array2string`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.array_str(jnp.array([1.0, 2.5]))
        '[1.  2.5]'
    """
    options = {"precision": precision, "suppress": suppress_small, "linewidth": max_line_width}
    with np.printoptions(**{k: v for k, v in options.items() if v is not None}):
        return str(array(a, "numpy.array_str"))
