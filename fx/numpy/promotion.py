"""From what users pass to operands of primitives: promotion, broadcasting, axes.

Python scalars become rank-0 arrays of the promoted dtype, which elementwise primitives broadcast
without an equation; other operands are broadcast explicitly, as XLA wants it.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.config import config, detours
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.core.trace import Tracer
from fx.errors import (
    AxisError,
    FxOverflowError,
    FxTypeError,
    FxValueError,
    ShapeError,
    TracerIntegerConversionError,
)
from fx.signatures import shown

PYTHON_NUMBERS = frozenset((int, float, complex))


def operand(x: Any, name: str) -> Any:
    """An Array, or a Python number left as it is so that it can take its partner's dtype."""
    if isinstance(x, Array) or type(x) in PYTHON_NUMBERS:
        return x
    return to_array(x, name)


def array(x: Any, name: str) -> Array:
    """Any array-like as an Array; for functions of one array."""
    return x if isinstance(x, Array) else to_array(x, name)


def arrays(name: str, *xs: Any) -> list[Array]:
    """Each array-like as an Array."""
    return [x if isinstance(x, Array) else to_array(x, name) for x in xs]


def type_of(x: Any) -> tuple[np.dtype, bool]:
    """(dtype, weak_type) of an Array or a Python number."""
    if isinstance(x, Array):
        return x.dtype, x.weak_type
    return dtypes.dtype_and_weak(x)


def joined(xs: Sequence[Any]) -> tuple[np.dtype, bool]:
    """(dtype, weak_type) to which the operands promote."""
    if detours[0] and config.numpy_dtype_promotion == "strict":
        _one_dtype(xs)
    dtype, weak = type_of(xs[0])
    for x in xs[1:]:
        dtype, weak = dtypes.promote_pair(dtype, weak, *type_of(x))
    return dtype, weak


def _one_dtype(xs: Sequence[Any]) -> None:
    found = {dtype for dtype, weak in map(type_of, xs) if not weak}
    if len(found) > 1:
        raise FxTypeError(
            "operands have the dtypes "
            + " and ".join(sorted(dtypes.short_name(d) for d in found))
            + ", and numpy_dtype_promotion is 'strict'. Convert one with x.astype(...)."
        )


def cast(x: Any, dtype: np.dtype, weak: bool, name: str) -> Any:
    """An Array or Python number in a dtype; an array that has it already is returned as it is."""
    if type(x) in PYTHON_NUMBERS or type(x) is bool:
        if type(x) is complex and dtype.kind != "c":
            raise FxTypeError(f"{name}: the complex number {x} does not fit {dtype}.")
        try:
            return Array(np.asarray(x, dtype), weak)
        except (OverflowError, TypeError):  # the latter of ml_dtypes
            raise FxOverflowError(
                f"{name}: the Python integer {x} does not fit {dtype}, the dtype of its partner. "
                f"Convert the array first, e.g. x.astype('int32'), or give the integer a dtype, "
                f"e.g. np.int64({x})."
            ) from None
    if x.dtype == dtype:
        return x
    return P.convert_element_type(x, new_dtype=dtype, weak_type=weak)


def promote(name: str, *args: Any) -> list[Any]:
    """Operands in their common dtype."""
    xs = [operand(x, name) for x in args]
    dtype, weak = joined(xs)
    return [cast(x, dtype, weak, name) for x in xs]


def promote_inexact(name: str, *args: Any) -> list[Any]:
    """Operands in their common dtype, integers and bools as the default float."""
    xs = [operand(x, name) for x in args]
    dtype, weak = joined(xs)
    if not dtypes.is_inexact(dtype):
        _numbers_only(name, dtype)
        dtype = dtypes.default_float()
    return [cast(x, dtype, weak, name) for x in xs]


def promote_numeric(name: str, *args: Any) -> list[Any]:
    """Operands in their common dtype, bools as the default integer."""
    xs = [operand(x, name) for x in args]
    dtype, weak = joined(xs)
    if dtype == np.bool_:
        dtype = dtypes.default_int()
    return [cast(x, dtype, weak, name) for x in xs]


def _numbers_only(name: str, dtype: np.dtype) -> None:
    if dtype.kind == "V":
        raise FxTypeError(
            f"{name} expects numbers, got {dtypes.short_name(dtype)}. Random keys take part in no "
            "arithmetic; use fx.random.key_data(key) for their bits."
        )


def common_shape(name: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape to which all broadcast."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        got = " and ".join(str(tuple(s)) for s in shapes)
        raise ShapeError(
            f"{name}: shapes {got} do not broadcast. Aligned from the right, sizes must be equal "
            "or 1; insert axes with x[:, None] or fx.numpy.expand_dims."
        ) from None


def broadcast(name: str, xs: list[Any]) -> list[Any]:
    """Operands of one shape, except that rank-0 ones stay scalars."""
    shapes = {x.shape for x in xs if x.shape}
    if len(shapes) < 2:
        return xs
    if detours[0] and config.numpy_rank_promotion != "allow":
        _one_rank(name, shapes)
    shape = common_shape(name, [x.shape for x in xs])
    return [expand_to(x, shape) if x.shape else x for x in xs]


def _one_rank(name: str, shapes: set[tuple[int, ...]]) -> None:
    if len({len(s) for s in shapes}) == 1:
        return
    mode = config.numpy_rank_promotion
    message = (
        f"{name}: operands of shapes {' and '.join(map(str, sorted(shapes)))} have different "
        f"ranks, and numpy_rank_promotion is {mode!r}. Insert axes with x[None, :] or reshape."
    )
    if mode == "raise":
        raise ShapeError(message)
    warnings.warn(message, stacklevel=2)


def expand_to(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` broadcast to a shape that is known to fit."""
    if x.shape == shape:
        return x
    offset = len(shape) - x.ndim
    return P.broadcast_in_dim(x, shape=shape, broadcast_dimensions=tuple(range(offset, len(shape))))


def operands(name: str, *args: Any) -> list[Any]:
    """Promoted and broadcast operands of an elementwise function."""
    return broadcast(name, promote(name, *args))


def inexact_operands(name: str, *args: Any) -> list[Any]:
    """As `operands`, in an inexact dtype."""
    return broadcast(name, promote_inexact(name, *args))


def numeric_operands(name: str, *args: Any) -> list[Any]:
    """As `operands`, bools as integers."""
    return broadcast(name, promote_numeric(name, *args))


# ------------------------------------------------------------------ axes, shapes, integers
def integer(value: Any, name: str, what: str) -> int:
    """A static Python integer, or a typed error."""
    try:
        return operator.index(value)
    except TracerIntegerConversionError:
        raise
    except TypeError:
        raise FxTypeError(
            f"{name}: {what} must be an integer, got {type(value).__name__}: {value!r}."
        ) from None


def one_axis(axis: Any, ndim: int, name: str) -> int:
    """An axis as a number in [0, ndim)."""
    value = integer(axis, name, "axis")
    if not -ndim <= value < ndim:
        raise AxisError(
            f"{name}: axis {value} is out of range for an array of rank {ndim}; expected "
            f"{-ndim} <= axis < {ndim}."
        )
    return value + ndim if value < 0 else value


def some_axes(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """None, an integer or a sequence of them as distinct numbers in [0, ndim)."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int:
        return (one_axis(axis, ndim, name),)
    if isinstance(axis, (tuple, list)):
        axes = tuple(one_axis(a, ndim, name) for a in axis)
        if len(set(axes)) != len(axes):
            raise FxValueError(f"{name}: axes must be distinct, got {tuple(axis)}.")
        return axes
    return (one_axis(axis, ndim, name),)


def a_shape(shape: Any, name: str) -> tuple[int, ...]:
    """An integer or a sequence of them as a tuple of Python integers."""
    if isinstance(shape, (tuple, list)):
        return tuple([n if type(n) is int else integer(n, name, "shape") for n in shape])
    if isinstance(shape, (str, bytes, bytearray, memoryview)) or not hasattr(shape, "__len__"):
        return (integer(shape, name, "shape"),)
    if isinstance(shape, (Array, np.ndarray)) and (isinstance(shape, Tracer) or not shape.ndim):
        return (integer(shape, name, "shape"),)
    if not hasattr(type(shape), "__iter__"):
        raise FxTypeError(f"{name}: shape must be a sequence of integers, got {shown(shape)}.")
    return tuple([integer(n, name, "shape") for n in shape])


def a_dtype(dtype: Any, name: str) -> np.dtype | None:
    """A `dtype=` argument, None left alone."""
    return None if dtype is None else dtypes.check_user_dtype(dtype, name)


def no_out(out: Any, name: str) -> None:
    """Refuse NumPy's `out=`: arrays are immutable."""
    if out is not None:
        raise FxTypeError(
            f"{name}: fx arrays are immutable, so out= must be None. Use the returned array."
        )


def convert(x: Any, dtype: np.dtype) -> Any:
    """`x` in a dtype, strongly typed."""
    if x.dtype == dtype and not x.weak_type:
        return x
    return P.convert_element_type(x, new_dtype=dtype, weak_type=False)


def select(condition: Any, x: Any, y: Any) -> Any:
    """`x` where the condition holds, else `y`: equal shapes or rank 0, equal dtypes."""
    shape = x.shape or y.shape or condition.shape
    return P.select_n(condition, expand_to(y, shape), expand_to(x, shape))
