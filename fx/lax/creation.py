"""`jax.lax` functions that make new arrays: filled with one value, or counting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxOverflowError, FxTypeError, public
from fx.lax.arguments import ArrayLike, canonical_axis, shape_tuple


@public
def full(shape: Sequence[int], fill_value: ArrayLike, dtype: Any = None) -> Array:
    """An array with one value everywhere.

    Args:
        shape: of the result.
        fill_value: a scalar.
        dtype: of the result; None for that of the value.

    Raises:
        FxTypeError: the value is not a scalar.
        ShapeError: a size is negative.

    Example:
        >>> from fx import lax
        >>> lax.full((2, 2), 7.0, "float32")
        Array([[7., 7.],
               [7., 7.]], dtype=float32)
    """
    sizes = shape_tuple("lax.full", shape)
    value = _fill("lax.full", fill_value, dtype)
    return P.broadcast_in_dim(value, shape=sizes, broadcast_dimensions=())


@public
def full_like(
    x: Any, fill_value: ArrayLike, dtype: Any = None, shape: Sequence[int] | None = None
) -> Array:
    """An array of the shape and dtype of another with one value everywhere.

    Args:
        x: an array, or anything with a shape and a dtype.
        fill_value: a scalar.
        dtype, shape: in place of those of `x`.

    Raises:
        FxTypeError: the value is not a scalar.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.full_like(jnp.array([1, 2]), 7)
        Array([7, 7], dtype=int32)
    """
    like = x if hasattr(x, "shape") and hasattr(x, "dtype") else to_array(x, "lax.full_like")
    sizes = like.shape if shape is None else shape_tuple("lax.full_like", shape)
    weak = dtype is None and bool(getattr(like, "weak_type", False))
    value = _fill("lax.full_like", fill_value, like.dtype if dtype is None else dtype)
    if weak:
        value = P.convert_element_type(value, new_dtype=value.dtype, weak_type=True)
    return P.broadcast_in_dim(value, shape=tuple(sizes), broadcast_dimensions=())


def _fill(name: str, value: Any, dtype: Any) -> Array:
    """A scalar in a dtype (its own, and perhaps weak, for None)."""
    target = None if dtype is None else dtypes.check_user_dtype(dtype, name)
    if type(value) is int and target is not None and not dtypes.is_key(target):
        try:  # a large integer need not fit the default dtype on its way
            return Array(np.asarray(value, target))
        except OverflowError:
            raise FxOverflowError(
                f"{name}: the Python integer {value} does not fit {dtypes.short_name(target)}."
            ) from None
    array = to_array(value, name)
    if array.shape:
        raise FxTypeError(f"{name} expects a scalar as fill_value, got {array.aval.short()}.")
    if target is None or (array.dtype == target and not array.weak_type):
        return array
    return P.convert_element_type(array, new_dtype=target)


@public
def empty(shape: Sequence[int], dtype: Any) -> Array:
    """An array of zeros: fx has no uninitialized memory.

    Example:
        >>> from fx import lax
        >>> lax.empty((2,), "int8")
        Array([0, 0], dtype=int8)
    """
    return full(shape, 0, dtype)


@public
def iota(dtype: Any, size: int) -> Array:
    """0, 1, 2, ... up to a size.

    Args:
        dtype: integer, floating or complex.
        size: of the only axis.

    Raises:
        FxTypeError: the dtype is another.

    Example:
        >>> from fx import lax
        >>> lax.iota("int32", 4)
        Array([0, 1, 2, 3], dtype=int32)
    """
    return broadcasted_iota(dtype, (size,), 0)


@public
def broadcasted_iota(dtype: Any, shape: Sequence[int], dimension: int) -> Array:
    """0, 1, 2, ... along one axis, repeated along the others.

    Args:
        dtype: integer, floating or complex.
        shape: of the result.
        dimension: the axis along which to count.

    Raises:
        FxTypeError: the dtype is another.
        FxValueError: there is no such axis.

    Example:
        >>> from fx import lax
        >>> lax.broadcasted_iota("int32", (2, 3), 1)
        Array([[0, 1, 2],
               [0, 1, 2]], dtype=int32)
    """
    sizes = shape_tuple("lax.broadcasted_iota", shape)
    return P.iota(
        dtype=dtypes.check_user_dtype(dtype, "lax.broadcasted_iota"),
        shape=sizes,
        dimension=canonical_axis("lax.broadcasted_iota", dimension, len(sizes)),
    )


@public
def shape_as_value(shape: Sequence[int]) -> Array:
    """A shape as an integer array.

    Example:
        >>> from fx import lax
        >>> lax.shape_as_value((2, 3))
        Array([2, 3], dtype=int32)
    """
    sizes = shape_tuple("lax.shape_as_value", shape)
    wide = max(sizes, default=0) > np.iinfo(np.int32).max
    return Array(np.asarray(sizes, np.int64 if wide else np.int32))
