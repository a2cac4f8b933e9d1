"""`jax.lax` functions that read or replace one window: static slices and dynamic ones.

A dynamic start index may be traced. Negative ones count from the end; then the window is moved
inside the array. `index_dtype`, `as_index` and `wrapped` serve all that takes traced indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P, lit
from fx.errors import FxIndexError, FxTypeError, ShapeError, public
from fx.lax.arguments import (
    ArrayLike,
    canonical_axis,
    integer,
    integers,
    scalar_beside,
    shape_tuple,
)
from fx.signatures import shown


@public
def slice(
    operand: ArrayLike,
    start_indices: Sequence[int],
    limit_indices: Sequence[int],
    strides: Sequence[int] | None = None,
) -> Array:
    """A static window of an array.

    Args:
        operand: an array of rank n.
        start_indices: n first positions.
        limit_indices: n positions after the last ones.
        strides: n positive steps; None for 1.

    Raises:
        FxValueError: not 0 <= start <= limit <= size, or a step is not positive.
        ShapeError: there are not n numbers.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.slice(jnp.arange(10), (1,), (9,), (3,))
        Array([1, 4, 7], dtype=int32)
    """
    x = to_array(operand, "lax.slice")
    steps = None if strides is None else integers("lax.slice", "strides", strides)
    return P.slice(
        x,
        start_indices=integers("lax.slice", "start_indices", start_indices),
        limit_indices=integers("lax.slice", "limit_indices", limit_indices),
        strides=None if steps is None or set(steps) <= {1} else steps,
    )


@public
def slice_in_dim(
    operand: ArrayLike,
    start_index: int | None,
    limit_index: int | None,
    stride: int = 1,
    axis: int = 0,
) -> Array:
    """A static slice along one axis; negative indices count from its end.

    Args:
        operand: an array.
        start_index: the first position; None for 0.
        limit_index: the position after the last one; None for the size.
        stride: a positive step.
        axis: the axis.

    Raises:
        FxValueError: not 0 <= start <= limit <= size, or the step is not positive.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.slice_in_dim(jnp.arange(5), 1, -1)
        Array([1, 2, 3], dtype=int32)
    """
    x = to_array(operand, "lax.slice_in_dim")
    place = canonical_axis("lax.slice_in_dim", axis, x.ndim)
    size = x.shape[place]
    start = 0 if start_index is None else integer("lax.slice_in_dim", "start", start_index)
    limit = size if limit_index is None else integer("lax.slice_in_dim", "limit", limit_index)
    starts, limits, strides = [0] * x.ndim, list(x.shape), [1] * x.ndim
    starts[place] = start + size if start < 0 else start
    limits[place] = limit + size if limit < 0 else limit
    strides[place] = integer("lax.slice_in_dim", "stride", stride)
    return slice(x, starts, limits, strides)


@public
def index_in_dim(operand: ArrayLike, index: int, axis: int = 0, keepdims: bool = True) -> Array:
    """The elements at one static position along an axis.

    Args:
        operand: an array.
        index: the position; negative ones count from the end.
        axis: the axis.
        keepdims: whether the result keeps the axis, with size 1.

    Raises:
        FxIndexError: the position is out of bounds.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.index_in_dim(jnp.arange(5), -1, keepdims=False)
        Array(4, dtype=int32)
    """
    x = to_array(operand, "lax.index_in_dim")
    place = canonical_axis("lax.index_in_dim", axis, x.ndim)
    size = x.shape[place]
    position = integer("lax.index_in_dim", "index", index)
    if not -size <= position < size:
        raise FxIndexError(
            f"lax.index_in_dim: index {position} is out of bounds for axis {place} of size {size}."
        )
    position %= size
    piece = slice_in_dim(x, position, position + 1, 1, place)
    return piece if keepdims else P.squeeze(piece, dimensions=(place,))


# ------------------------------------------------------------------ dynamic slices
@public
def dynamic_slice(
    operand: ArrayLike,
    start_indices: Array | Sequence[ArrayLike],
    slice_sizes: Sequence[int],
    *,
    allow_negative_indices: bool | Sequence[bool] = True,
) -> Array:
    """A window of static size at start indices that may be traced.

    Args:
        operand: an array of rank n.
        start_indices: n integer scalars, or one array of n integers.
        slice_sizes: the window's n sizes.
        allow_negative_indices: whether negative starts count from the end (for each axis, or
            all); without it they are moved to 0.

    Returns:
        an array of shape `slice_sizes`. A window that sticks out is moved inside.

    Raises:
        FxTypeError: a start index is not an integer scalar.
        ShapeError: there are not n numbers, or the window is larger than the operand.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.dynamic_slice(jnp.arange(5), (3,), (3,))
        Array([2, 3, 4], dtype=int32)
    """
    x = to_array(operand, "lax.dynamic_slice")
    starts = start_scalars("lax.dynamic_slice", x.shape, start_indices, allow_negative_indices)
    sizes = shape_tuple("lax.dynamic_slice", slice_sizes, "slice_sizes")
    return P.dynamic_slice(x, *starts, slice_sizes=sizes)


@public
def dynamic_slice_in_dim(
    operand: ArrayLike,
    start_index: ArrayLike,
    slice_size: int,
    axis: int = 0,
    *,
    allow_negative_indices: bool = True,
) -> Array:
    """A window along one axis at a start index that may be traced.

    Args:
        operand: an array.
        start_index: an integer scalar.
        slice_size: size of the window along the axis.
        axis: the axis.
        allow_negative_indices: whether a negative start counts from the end.

    Raises:
        FxTypeError: the start index is not an integer scalar.
        ShapeError: the window is larger than the axis.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.dynamic_slice_in_dim(jnp.arange(5), 1, 2)
        Array([1, 2], dtype=int32)
    """
    x = to_array(operand, "lax.dynamic_slice_in_dim")
    place = canonical_axis("lax.dynamic_slice_in_dim", axis, x.ndim)
    sizes = list(x.shape)
    sizes[place] = integer("lax.dynamic_slice_in_dim", "slice_size", slice_size)
    starts = _only(x.ndim, place, start_index)
    return dynamic_slice(x, starts, sizes, allow_negative_indices=allow_negative_indices)


@public
def dynamic_index_in_dim(
    operand: ArrayLike,
    index: ArrayLike,
    axis: int = 0,
    keepdims: bool = True,
    *,
    allow_negative_indices: bool = True,
) -> Array:
    """The elements at one position along an axis, which may be traced.

    Args:
        operand: an array.
        index: an integer scalar.
        axis: the axis.
        keepdims: whether the result keeps the axis, with size 1.
        allow_negative_indices: whether a negative index counts from the end.

    Raises:
        FxTypeError: the index is not an integer scalar.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.dynamic_index_in_dim(jnp.arange(5), 1, keepdims=False)
        Array(1, dtype=int32)
    """
    x = to_array(operand, "lax.dynamic_index_in_dim")
    place = canonical_axis("lax.dynamic_index_in_dim", axis, x.ndim)
    piece = dynamic_slice_in_dim(x, index, 1, place, allow_negative_indices=allow_negative_indices)
    return piece if keepdims else P.squeeze(piece, dimensions=(place,))


@public
def dynamic_update_slice(
    operand: ArrayLike,
    update: ArrayLike,
    start_indices: Array | Sequence[ArrayLike],
    *,
    allow_negative_indices: bool | Sequence[bool] = True,
) -> Array:
    """An array with a window at start indices, which may be traced, replaced.

    Args:
        operand: an array of rank n.
        update: the new window, of rank n and of the operand's dtype.
        start_indices: n integer scalars, or one array of n integers.
        allow_negative_indices: whether negative starts count from the end (for each axis, or
            all); without it they are moved to 0.

    Returns:
        an array like the operand. A window that sticks out is moved inside.

    Raises:
        FxTypeError: a start index is not an integer scalar, or the dtypes differ.
        ShapeError: there are not n numbers, or the window is larger than the operand.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.dynamic_update_slice(jnp.arange(5), jnp.array([7, 8]), (1,))
        Array([0, 7, 8, 3, 4], dtype=int32)
    """
    x = to_array(operand, "lax.dynamic_update_slice")
    window = scalar_beside("lax.dynamic_update_slice", update, x)
    starts = start_scalars(
        "lax.dynamic_update_slice", x.shape, start_indices, allow_negative_indices
    )
    return P.dynamic_update_slice(x, window, *starts)


@public
def dynamic_update_slice_in_dim(
    operand: ArrayLike,
    update: ArrayLike,
    start_index: ArrayLike,
    axis: int,
    *,
    allow_negative_indices: bool = True,
) -> Array:
    """An array with a window along one axis replaced, at a start index that may be traced.

    Args:
        operand: an array.
        update: the new window, of the operand's rank and dtype.
        start_index: an integer scalar.
        axis: the axis.
        allow_negative_indices: whether a negative start counts from the end.

    Raises:
        FxTypeError: the start index is not an integer scalar, or the dtypes differ.
        ShapeError: the window is larger than the operand.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.dynamic_update_slice_in_dim(jnp.arange(5), jnp.array([7, 8]), 1, 0)
        Array([0, 7, 8, 3, 4], dtype=int32)
    """
    x = to_array(operand, "lax.dynamic_update_slice_in_dim")
    place = canonical_axis("lax.dynamic_update_slice_in_dim", axis, x.ndim)
    starts = _only(x.ndim, place, start_index)
    return dynamic_update_slice(x, update, starts, allow_negative_indices=allow_negative_indices)


@public
def dynamic_update_index_in_dim(
    operand: ArrayLike,
    update: ArrayLike,
    index: ArrayLike,
    axis: int,
    *,
    allow_negative_indices: bool = True,
) -> Array:
    """An array with the elements at one position along an axis replaced.

    Args:
        operand: an array.
        update: the new elements: with the axis, of size 1, or without it.
        index: an integer scalar, which may be traced.
        axis: the axis.
        allow_negative_indices: whether a negative index counts from the end.

    Raises:
        FxTypeError: the index is not an integer scalar, or the dtypes differ.
        ShapeError: the update is larger than the operand.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.dynamic_update_index_in_dim(jnp.arange(5), 7, 1, 0)
        Array([0, 7, 2, 3, 4], dtype=int32)
    """
    x = to_array(operand, "lax.dynamic_update_index_in_dim")
    place = canonical_axis("lax.dynamic_update_index_in_dim", axis, x.ndim)
    piece = scalar_beside("lax.dynamic_update_index_in_dim", update, x)
    if piece.ndim == x.ndim - 1:
        piece = P.reshape(piece, new_sizes=(*piece.shape[:place], 1, *piece.shape[place:]))
    starts = _only(x.ndim, place, index)
    return dynamic_update_slice(x, piece, starts, allow_negative_indices=allow_negative_indices)


def _only(rank: int, place: int, start: Any) -> list[Any]:
    starts: list[Any] = [0] * rank
    starts[place] = start
    return starts


def start_scalars(
    name: str, shape: tuple[int, ...], starts: Any, wrap: bool | Sequence[bool]
) -> list[Array]:
    """Start indices as scalars of one dtype; negative ones count from the end where `wrap`."""
    if isinstance(starts, (Array, np.ndarray)):
        array = to_array(starts, name)
        if array.ndim != 1:
            raise ShapeError(
                f"{name} expects start indices as a sequence of scalars or an array of rank 1, "
                f"got {array.aval.short()}."
            )
        pieces = P.split(array, sizes=(1,) * array.shape[0], dimension=0)
        starts = [P.reshape(piece, new_sizes=()) for piece in pieces]
    if not isinstance(starts, (list, tuple)):
        raise FxTypeError(f"{name} expects a sequence of start indices, got {shown(starts)}.")
    arrays = [to_array(s, name) for s in starts]
    if len(arrays) != len(shape):
        raise ShapeError(
            f"{name} expects one start index for each of the {len(shape)} axes of shape {shape}, "
            f"got {len(arrays)}."
        )
    wraps = (wrap,) * len(shape) if isinstance(wrap, (bool, int)) else wrap
    if not isinstance(wraps, (list, tuple)) or len(wraps) != len(shape):
        raise FxTypeError(
            f"{name}: allow_negative_indices must be a bool or one for each of the {len(shape)} "
            f"axes, got {shown(wrap)}."
        )
    for array in arrays:
        if array.shape or not dtypes.is_integer(array.dtype):
            raise FxTypeError(
                f"{name} expects integer scalars as start indices, got {array.aval.short()}."
            )
    dtype = index_dtype(arrays, shape)
    return [
        wrapped(as_index(a, dtype), n) if on and a.dtype.kind == "i" else as_index(a, dtype)
        for a, n, on in zip(arrays, shape, wraps, strict=True)
    ]


def index_dtype(indices: Sequence[Array], shape: Sequence[int]) -> np.dtype:
    """int32, unless sizes or the indices' own dtypes need int64."""
    wide = any(n > _INT32_MAX for n in shape) or any(
        x.dtype.itemsize == 8 or x.dtype == np.uint32 for x in indices
    )
    return np.dtype(np.int64 if wide else np.int32)


def as_index(x: Array, dtype: np.dtype) -> Array:
    """An integer array in the dtype of indices; the largest of uint64 stay large."""
    if x.dtype == dtype:
        return x
    if x.dtype == np.uint64:
        x = P.min(x, lit(x, np.iinfo(np.int64).max))
    return P.convert_element_type(x, new_dtype=dtype)


def wrapped(index: Array, size: int) -> Array:
    """An index with negative values counted from the end of an axis."""
    if type(index) is Array:  # concrete: no equations for what is known
        data = index._data
        return Array(np.where(data < 0, data + data.dtype.type(size), data))
    below = P.lt(index, lit(index, 0))
    return P.select_n(below, index, P.add(index, lit(index, size)))


_INT32_MAX = np.iinfo(np.int32).max
