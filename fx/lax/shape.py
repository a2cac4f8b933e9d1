"""`jax.lax` functions that move, repeat, join and cut elements of arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.core.array import Array, aval_of, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.lax.arguments import (
    ArrayLike,
    canonical_axes,
    canonical_axis,
    integer,
    integers,
    scalar_beside,
    shape_tuple,
)
from fx.signatures import shown


# ------------------------------------------------------------------ broadcasting
@public
def broadcast(operand: ArrayLike, sizes: Sequence[int]) -> Array:
    """An array repeated along new axes in front.

    Args:
        operand: an array of shape `s`.
        sizes: of the new axes.

    Returns:
        an array of shape `(*sizes, *s)`.

    Raises:
        ShapeError: a size is negative.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.broadcast(jnp.array([1, 2]), (2,))
        Array([[1, 2],
               [1, 2]], dtype=int32)
    """
    x = to_array(operand, "lax.broadcast")
    front = shape_tuple("lax.broadcast", sizes, "sizes")
    kept = tuple(range(len(front), len(front) + x.ndim))
    return P.broadcast_in_dim(x, shape=front + x.shape, broadcast_dimensions=kept)


@public
def broadcast_in_dim(
    operand: ArrayLike, shape: Sequence[int], broadcast_dimensions: Sequence[int]
) -> Array:
    """An array repeated along new axes and axes of size 1.

    Args:
        operand: an array.
        shape: of the result.
        broadcast_dimensions: for each axis of the operand its axis in the result, ascending.

    Raises:
        ShapeError: an axis has neither size 1 nor the size of its axis in the result.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.broadcast_in_dim(jnp.array([1, 2]), (2, 3), (0,))
        Array([[1, 1, 1],
               [2, 2, 2]], dtype=int32)
    """
    x = to_array(operand, "lax.broadcast_in_dim")
    target = shape_tuple("lax.broadcast_in_dim", shape)
    dims = integers("lax.broadcast_in_dim", "broadcast_dimensions", broadcast_dimensions)
    return P.broadcast_in_dim(x, shape=target, broadcast_dimensions=dims)


@public
def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape to which arrays of the given shapes broadcast together, as in NumPy.

    Raises:
        ShapeError: they do not.

    Example:
        >>> from fx import lax
        >>> lax.broadcast_shapes((2, 1), (3,))
        (2, 3)
    """
    canonical = [shape_tuple("lax.broadcast_shapes", s) for s in shapes]
    try:
        return np.broadcast_shapes(*canonical)
    except ValueError:
        got = ", ".join(map(str, canonical))
        raise ShapeError(
            f"lax.broadcast_shapes: the shapes {got} do not broadcast: aligned at the last axis, "
            "sizes must be equal or 1."
        ) from None


@public
def broadcast_like(arr: ArrayLike, like_arr: Any) -> Array:
    """An array broadcast to the shape of another by NumPy's rules.

    Raises:
        ShapeError: it does not broadcast to that shape.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.broadcast_like(jnp.array([1, 2]), jnp.zeros((2, 2)))
        Array([[1, 2],
               [1, 2]], dtype=int32)
    """
    x, shape = to_array(arr, "lax.broadcast_like"), aval_of(like_arr).shape
    offset = len(shape) - x.ndim
    if offset < 0:
        raise ShapeError(
            f"lax.broadcast_like: {x.aval.short()} has more axes than the shape {shape}."
        )
    kept = tuple(range(offset, len(shape)))
    return P.broadcast_in_dim(x, shape=shape, broadcast_dimensions=kept)


@public
def broadcast_to_rank(x: ArrayLike, rank: int) -> Array:
    """An array with axes of size 1 put in front, up to a rank.

    Raises:
        FxValueError: the array has more axes than that.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.broadcast_to_rank(jnp.array([1, 2]), 3).shape
        (1, 1, 2)
    """
    array = to_array(x, "lax.broadcast_to_rank")
    if rank < array.ndim:
        raise FxValueError(
            f"lax.broadcast_to_rank: {array.aval.short()} has more than {rank} axes."
        )
    return P.reshape(array, new_sizes=(1,) * (rank - array.ndim) + array.shape)


@public
def expand_dims(array: ArrayLike, dimensions: Sequence[int]) -> Array:
    """An array with axes of size 1 inserted.

    Args:
        array: an array.
        dimensions: positions of the new axes in the result; negative ones count from its end.

    Raises:
        FxValueError: positions are out of range or equal.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.expand_dims(jnp.array([1, 2]), (0, -1)).shape
        (1, 2, 1)
    """
    x = to_array(array, "lax.expand_dims")
    dims = integers("lax.expand_dims", "axis", dimensions)
    rank = x.ndim + len(dims)
    new = canonical_axes("lax.expand_dims", dims, rank)
    kept = tuple(i for i in range(rank) if i not in new)
    shape = [1] * rank
    for i, n in zip(kept, x.shape, strict=True):
        shape[i] = n
    return P.broadcast_in_dim(x, shape=tuple(shape), broadcast_dimensions=kept)


@public
def tile(operand: ArrayLike, reps: Sequence[int]) -> Array:
    """An array repeated a number of times along each axis.

    Args:
        operand: an array of rank n.
        reps: n repetitions.

    Raises:
        ShapeError: `reps` has another length, or a negative number.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.tile(jnp.array([1, 2]), (2,))
        Array([1, 2, 1, 2], dtype=int32)
    """
    x = to_array(operand, "lax.tile")
    counts = shape_tuple("lax.tile", reps, "reps")
    if len(counts) != x.ndim:
        raise ShapeError(
            f"lax.tile of {x.aval.short()} expects {x.ndim} repetitions, one for each axis, got "
            f"{counts}."
        )
    spread = tuple(itertools.chain.from_iterable(zip(counts, x.shape, strict=True)))
    kept = tuple(range(1, 2 * x.ndim, 2))
    repeated = P.broadcast_in_dim(x, shape=spread, broadcast_dimensions=kept)
    sizes = tuple(c * n for c, n in zip(counts, x.shape, strict=True))
    return P.reshape(repeated, new_sizes=sizes)


# ------------------------------------------------------------------ the same elements
@public
def reshape(
    operand: ArrayLike, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None
) -> Array:
    """The same elements in row-major order in another shape.

    Args:
        operand: an array.
        new_sizes: the new shape.
        dimensions: an order of the axes in which the elements are read, if not the usual one.

    Raises:
        ShapeError: the numbers of elements differ.
        FxValueError: `dimensions` is not a permutation of the axes.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> x = jnp.array([[1, 2], [3, 4]])
        >>> lax.reshape(x, (4,)), lax.reshape(x, (4,), dimensions=(1, 0))
        (Array([1, 2, 3, 4], dtype=int32), Array([1, 3, 2, 4], dtype=int32))
    """
    x = to_array(operand, "lax.reshape")
    sizes = shape_tuple("lax.reshape", new_sizes, "new_sizes")
    if dimensions is not None:
        order = integers("lax.reshape", "dimensions", dimensions)
        if order != tuple(range(x.ndim)):
            x = P.transpose(x, permutation=order)
    return x if x.shape == sizes else P.reshape(x, new_sizes=sizes)


@public
def transpose(operand: ArrayLike, permutation: Sequence[int]) -> Array:
    """Axes in another order: axis i of the result is axis `permutation[i]` of the operand.

    Raises:
        FxValueError: `permutation` is not one of the axes.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.transpose(jnp.ones((2, 3, 4)), (2, 0, 1)).shape
        (4, 2, 3)
    """
    x = to_array(operand, "lax.transpose")
    order = integers("lax.transpose", "permutation", permutation)
    if order == tuple(range(x.ndim)):
        return x
    return P.transpose(x, permutation=order)


@public
def squeeze(array: ArrayLike, dimensions: Sequence[int]) -> Array:
    """An array without some of its axes of size 1.

    Args:
        array: an array.
        dimensions: the axes to drop; negative ones count from the end.

    Raises:
        ShapeError: an axis has another size.
        FxValueError: axes are out of range or equal.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.squeeze(jnp.ones((1, 3, 1)), (0, -1)).shape
        (3,)
    """
    x = to_array(array, "lax.squeeze")
    dims = canonical_axes("lax.squeeze", dimensions, x.ndim)
    return P.squeeze(x, dimensions=dims) if dims else x


@public
def rev(operand: ArrayLike, dimensions: Sequence[int]) -> Array:
    """Elements in reverse order along axes.

    Raises:
        FxValueError: axes are out of range or equal.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.rev(jnp.array([1, 2, 3]), (0,))
        Array([3, 2, 1], dtype=int32)
    """
    x = to_array(operand, "lax.rev")
    dims = canonical_axes("lax.rev", dimensions, x.ndim)
    return P.rev(x, dimensions=dims) if dims else x


@public
def collapse(operand: ArrayLike, start_dimension: int, stop_dimension: int | None = None) -> Array:
    """Consecutive axes joined into one.

    Args:
        operand: an array of rank n.
        start_dimension: the first axis to join.
        stop_dimension: the axis after the last one; None for n. Equal to the start it inserts an
            axis of size 1.

    Raises:
        FxValueError: the axes are out of range, or stop lies before start.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.collapse(jnp.ones((2, 3, 4)), 0, 2).shape
        (6, 4)
    """
    x = to_array(operand, "lax.collapse")
    start = canonical_axis("lax.collapse", start_dimension, x.ndim)
    stop = x.ndim if stop_dimension is None else integer("lax.collapse", "axis", stop_dimension)
    if stop != x.ndim:
        stop = canonical_axis("lax.collapse", stop, x.ndim)
    if stop < start:
        raise FxValueError(
            f"lax.collapse expects start_dimension <= stop_dimension, got {start_dimension} and "
            f"{stop_dimension} for {x.aval.short()}."
        )
    size = math.prod(x.shape[start:stop])
    return P.reshape(x, new_sizes=(*x.shape[:start], size, *x.shape[stop:]))


# ------------------------------------------------------------------ joining and cutting
@public
def concatenate(operands: Sequence[ArrayLike] | Array, dimension: int) -> Array:
    """Arrays joined along an axis.

    Args:
        operands: one or more arrays of one dtype, whose other axes agree.
        dimension: the axis.

    Raises:
        FxTypeError: the dtypes differ.
        ShapeError: the other axes differ.
        FxValueError: there is no operand or no such axis.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.concatenate([jnp.array([1]), jnp.array([2, 3])], 0)
        Array([1, 2, 3], dtype=int32)
    """
    if not hasattr(type(operands), "__iter__"):
        raise FxTypeError(f"lax.concatenate expects a sequence of arrays, got {shown(operands)}.")
    arrays = [to_array(x, "lax.concatenate") for x in operands]
    axis = canonical_axis("lax.concatenate", dimension, arrays[0].ndim) if arrays else 0
    return arrays[0] if len(arrays) == 1 else P.concatenate(*arrays, dimension=axis)


@public
def stack(operands: Sequence[ArrayLike], axis: int = 0) -> Array:
    """Arrays of one shape joined along a new axis.

    Args:
        operands: one or more arrays of one dtype and shape.
        axis: position of the new axis in the result.

    Raises:
        FxTypeError: the dtypes differ.
        ShapeError: the shapes differ.
        FxValueError: there is no operand or no such axis.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.stack([jnp.array([1, 2]), jnp.array([3, 4])], axis=1)
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    arrays = [to_array(x, "lax.stack") for x in operands]
    if not arrays:
        raise FxValueError("lax.stack needs at least one array, got none.")
    shape = arrays[0].shape
    if any(x.shape != shape for x in arrays):
        got = ", ".join(x.aval.short() for x in arrays)
        raise ShapeError(f"lax.stack expects arrays of one shape, got {got}.")
    place = canonical_axis("lax.stack", axis, len(shape) + 1)
    new = (*shape[:place], 1, *shape[place:])
    return P.concatenate(*[P.reshape(x, new_sizes=new) for x in arrays], dimension=place)


@public
def unstack(x: ArrayLike, axis: int = 0) -> tuple[Array, ...]:
    """The slices of an array along an axis, without that axis.

    Raises:
        FxValueError: there is no such axis.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.unstack(jnp.array([[1, 2], [3, 4]]))
        (Array([1, 2], dtype=int32), Array([3, 4], dtype=int32))
    """
    array = to_array(x, "lax.unstack")
    place = canonical_axis("lax.unstack", axis, array.ndim)
    pieces = P.split(array, sizes=(1,) * array.shape[place], dimension=place)
    return tuple(P.squeeze(piece, dimensions=(place,)) for piece in pieces)


@public
def split(operand: ArrayLike, sizes: Sequence[int], axis: int = 0) -> list[Array]:
    """An array cut into consecutive pieces.

    Args:
        operand: an array.
        sizes: of the pieces along the axis.
        axis: the axis.

    Raises:
        ShapeError: the sizes do not add up to that of the axis.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.split(jnp.array([1, 2, 3]), (1, 2))
        [Array([1], dtype=int32), Array([2, 3], dtype=int32)]
    """
    x = to_array(operand, "lax.split")
    place = canonical_axis("lax.split", axis, x.ndim)
    return P.split(x, sizes=shape_tuple("lax.split", sizes, "sizes"), dimension=place)


@public
def pad(
    operand: ArrayLike,
    padding_value: ArrayLike,
    padding_config: Sequence[tuple[int, int, int]],
) -> Array:
    """A value put before, after and between the elements of an array.

    Args:
        operand: an array of rank n.
        padding_value: a scalar of its dtype, or a Python number.
        padding_config: for each of the n axes (low, high, interior); negative low or high cut
            elements off, interior is the number of values between two elements.

    Raises:
        FxTypeError: the dtypes differ.
        ShapeError: there are not n entries, or more is cut than there is.
        FxValueError: an interior number is negative.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.pad(jnp.array([1, 2, 3]), 0, [(-1, 2, 1)])
        Array([0, 2, 0, 3, 0, 0], dtype=int32)
    """
    x = to_array(operand, "lax.pad")
    value = scalar_beside("lax.pad", padding_value, x)
    config = tuple([integers("lax.pad", "padding_config", triple) for triple in padding_config])
    if any(len(triple) != 3 for triple in config):
        raise FxValueError(
            f"lax.pad expects (low, high, interior) for each axis, got {padding_config}."
        )
    return P.pad(x, value, padding_config=config)
