"""How `fx.lax` reads its arguments: arrays beside Python numbers, axes, shapes.

A Python number beside arrays takes their dtype if it can; otherwise lax promotes nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.core.trace import Tracer
from fx.errors import (
    FxOverflowError,
    FxTypeError,
    FxValueError,
    ShapeError,
    TracerIntegerConversionError,
)
from fx.signatures import shown

ArrayLike = Any

# Python's numbers; two of NumPy's scalars are subclasses of them.
_NUMBERS = (bool, int, float, complex, np.float64, np.complex128)
# Which kinds of dtype hold a Python number of a type without loss of its kind.
_HOLDS = {bool: "biufc", int: "iufc", float: "fc", complex: "c"}


def operands(name: str, *args: Any) -> list[Array]:
    """Arguments of an elementwise operation as arrays of one rank (or rank 0).

    Python numbers take the dtype of the first array, and axes of size 1 are repeated where the
    ranks agree.
    """
    first = next((x for x in args if type(x) not in _NUMBERS), None)
    if first is None:
        return [to_array(x, name) for x in args]
    like = to_array(first, name)
    arrays = [
        number(name, x, like.dtype) if type(x) in _NUMBERS else to_array(x, name) for x in args
    ]
    shape = like.shape
    if all(x.shape == shape or not x.shape for x in arrays):
        return arrays
    shapes = [x.shape for x in arrays if x.shape]
    if len({len(s) for s in shapes}) > 1:
        return arrays  # abstract_eval explains
    full = tuple([max(sizes) if 0 not in sizes else 0 for sizes in zip(*shapes, strict=True)])
    for s in shapes:
        if any(n not in (1, m) for n, m in zip(s, full, strict=True)):
            return arrays
    return [broadcast(x, full) if x.shape else x for x in arrays]


def number(name: str, value: Any, dtype: np.dtype) -> Array:
    """A Python number as a rank-0 array of a dtype that can hold its kind."""
    value = value.item() if isinstance(value, np.generic) else value
    if dtypes.is_key(dtype) or _kind(dtype) not in _HOLDS[type(value)]:
        raise FxTypeError(
            f"{name} got the Python {type(value).__name__} {value!r} beside an array of dtype "
            f"{dtypes.short_name(dtype)}, which cannot hold it. Convert the array first, or use "
            "fx.numpy, which promotes."
        )
    try:
        return Array(np.asarray(value, dtype), True)
    except OverflowError:
        raise FxOverflowError(
            f"{name}: the Python integer {value} does not fit {dtypes.short_name(dtype)}."
        ) from None


def scalar_beside(name: str, value: Any, x: Array) -> Array:
    """A Python number in the dtype of `x`; anything else as an array."""
    if isinstance(value, (bool, int, float, complex)):
        return number(name, value, x.dtype)
    return to_array(value, name)


def _kind(dtype: np.dtype) -> str:
    return "f" if dtypes.is_floating(dtype) else dtype.kind


def broadcast(x: Array, shape: tuple[int, ...]) -> Array:
    """`x` repeated along its axes of size 1, and along new ones in front."""
    if x.shape == shape:
        return x
    offset = len(shape) - x.ndim
    return P.broadcast_in_dim(x, shape=shape, broadcast_dimensions=tuple(range(offset, len(shape))))


def integer(name: str, what: str, value: Any) -> int:
    """A static integer argument as an int; a traced value is refused with the reason."""
    if isinstance(value, Tracer):
        value._concrete(TracerIntegerConversionError, f"{name}: {what}")
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise FxTypeError(
            f"{name}: {what} must be an integer, got {type(value).__name__} {value!r}."
        ) from None


def integers(name: str, what: str, values: Any) -> tuple[int, ...]:
    """A static sequence of integers as a tuple of ints."""
    if isinstance(values, (Array, np.ndarray)) and values.ndim != 1:
        raise FxTypeError(f"{name}: {what} must be a sequence of integers, got {values!r}.")
    if hasattr(type(values), "__iter__") and not isinstance(values, (str, bytes, bytearray)):
        return tuple([integer(name, what, v) for v in values])
    raise FxTypeError(f"{name}: {what} must be a sequence of integers, got {shown(values)}.")


def shape_tuple(name: str, shape: Any, what: str = "shape") -> tuple[int, ...]:
    """A static shape as a tuple of non-negative ints."""
    sizes = integers(name, what, shape)
    if any(n < 0 for n in sizes):
        raise ShapeError(f"{name}: {what} must have non-negative sizes, got {sizes}.")
    return sizes


def canonical_axis(name: str, axis: Any, ndim: int) -> int:
    """An axis counted from the end as one counted from the front."""
    index = integer(name, "axis", axis)
    if not -ndim <= index < ndim:
        raise FxValueError(
            f"{name}: axis {index} is out of bounds for an array of rank {ndim}; expected a "
            f"number in [{-ndim}, {ndim})."
        )
    return index + ndim if index < 0 else index


def canonical_axes(name: str, axes: Sequence[Any], ndim: int) -> tuple[int, ...]:
    """Distinct axes, counted from the front."""
    found = tuple([canonical_axis(name, a, ndim) for a in integers(name, "axis", axes)])
    if len(set(found)) != len(found):
        raise FxValueError(f"{name}: axes must be distinct, got {tuple(axes)}.")
    return found
