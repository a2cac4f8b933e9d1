"""Shapes: reshape, permute and repeat axes, join and split arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.config import detours
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.creation import make_array
from fx.numpy.dispatch import short_way
from fx.numpy.promotion import (
    a_shape,
    array,
    arrays,
    common_shape,
    convert,
    expand_to,
    integer,
    one_axis,
    some_axes,
)
from fx.signatures import shown
from fx.util import moved


# ------------------------------------------------------------------ reshape
@public
def reshape(a: Any, shape: Any = None, order: str = "C", *, copy: bool | None = None) -> Array:
    """The same elements, in row-major order, in another shape.

    Args:
        a: array-like.
        shape: sizes; one of them may be -1 and follows from the others.
        order: "C" for row-major, "F" for column-major order of reading and writing.
        copy: accepted; arrays are immutable.

    Raises:
        ShapeError: the numbers of elements differ.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.reshape(jnp.arange(4), (2, -1))
        Array([[0, 1],
               [2, 3]], dtype=int32)
    """
    if shape is None:
        raise FxTypeError("numpy.reshape needs a shape, e.g. jnp.reshape(x, (2, -1)).")
    return reshaped(array(a, "numpy.reshape"), shape, order)


def reshaped(x: Any, shape: Any, order: str = "C") -> Any:
    """`reshape` of an Array."""
    if type(x) is Array and not detours[0] and type(shape) is tuple and order == "C":
        try:
            return Array(x._data.reshape(shape), x.weak_type)
        except (ValueError, TypeError):
            pass  # the other way explains
    sizes = full_sizes(x, a_shape(shape, "numpy.reshape"))
    if order == "C":
        return x if sizes == x.shape else P.reshape(x, new_sizes=sizes)
    if order != "F":
        raise FxValueError(f"numpy.reshape: order must be 'C' or 'F', got {order!r}.")
    back = P.reshape(reversed_axes(x), new_sizes=sizes[::-1])
    return reversed_axes(back)


def full_sizes(x: Any, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with -1 resolved."""
    unknown = [i for i, n in enumerate(sizes) if n < 0]
    if not unknown:
        return sizes
    rest = math.prod(n for n in sizes if n >= 0)
    if len(unknown) > 1 or sizes[unknown[0]] != -1:
        raise ShapeError(f"reshape: only one size may be -1, got {sizes}.")
    if (rest == 0 and x.size) or (rest and x.size % rest):
        raise ShapeError(
            f"reshape of {x.aval.short()}, which has {x.size} elements, to {sizes}: the known "
            f"sizes multiply to {rest}, which does not divide it."
        )
    missing = x.size // rest if rest else 0
    return tuple(missing if n == -1 else n for n in sizes)


def reversed_axes(x: Any) -> Any:
    """`x` with its axes in reverse order."""
    if x.ndim < 2:
        return x
    return P.transpose(x, permutation=tuple(range(x.ndim))[::-1])


@public
def ravel(a: Any, order: str = "C") -> Array:
    """All elements in one axis.

    Args:
        a: array-like.
        order: "C" for row-major, "F" for column-major order.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.ravel(jnp.array([[1, 2], [3, 4]]))
        Array([1, 2, 3, 4], dtype=int32)
    """
    return reshaped(array(a, "numpy.ravel"), (-1,), "C" if order in ("K", "A") else order)


def _squeeze_short(a: Any, axis: Any = None) -> Any:
    return Array(a._data.squeeze(axis), a.weak_type) if type(a) is Array else None


@short_way(_squeeze_short)
def squeeze(a: Any, axis: int | Sequence[int] | None = None) -> Array:
    """Drop axes of size 1.

    Args:
        a: array-like.
        axis: which axes; all of size 1 by default.

    Raises:
        ShapeError: an axis has another size.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.squeeze(jnp.ones((1, 3, 1))).shape
        (3,)
    """
    x = array(a, "numpy.squeeze")
    if axis is None:
        axes = tuple(i for i, n in enumerate(x.shape) if n == 1)
    else:
        axes = some_axes(axis, x.ndim, "numpy.squeeze")
    return P.squeeze(x, dimensions=axes) if axes else x


def _expand_short(a: Any, axis: Any) -> Any:
    if type(a) is not Array or type(axis) is not int:
        return None
    shape = list(a._data.shape)
    place = axis if axis >= 0 else axis + len(shape) + 1
    if not 0 <= place <= len(shape):
        return None
    shape.insert(place, 1)
    return Array(a._data.reshape(shape), a.weak_type)


@short_way(_expand_short)
def expand_dims(a: Any, axis: int | Sequence[int]) -> Array:
    """Put in axes of size 1.

    Args:
        a: array-like.
        axis: where the new axes are in the result.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.expand_dims(jnp.ones(3), (0, 2)).shape
        (1, 3, 1)
    """
    x = array(a, "numpy.expand_dims")
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    axes = some_axes(axis, x.ndim + count, "numpy.expand_dims")
    sizes = iter(x.shape)
    full = tuple([1 if i in axes else next(sizes) for i in range(x.ndim + count)])
    kept = tuple(i for i in range(len(full)) if i not in axes)
    return P.broadcast_in_dim(x, shape=full, broadcast_dimensions=kept)


# ------------------------------------------------------------------ permute
def _transpose_short(a: Any, axes: Any = None) -> Any:
    return Array(a._data.transpose(axes), a.weak_type) if type(a) is Array else None


@short_way(_transpose_short)
def transpose(a: Any, axes: Sequence[int] | None = None) -> Array:
    """Permute axes.

    Args:
        a: array-like.
        axes: axis i of the result is axis axes[i] of `a`; reversed by default.

    Raises:
        FxValueError: `axes` is not a permutation.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.transpose(jnp.ones((2, 3, 4)), (2, 0, 1)).shape
        (4, 2, 3)
    """
    return permuted(array(a, "numpy.transpose"), axes)


def permuted(x: Any, axes: Any) -> Any:
    """`transpose` of an Array."""
    if axes is None:
        order = tuple(range(x.ndim))[::-1]
    else:
        if not hasattr(type(axes), "__iter__"):
            raise FxTypeError(f"numpy.transpose expects a sequence of axes, got {shown(axes)}.")
        order = some_axes(tuple(axes), x.ndim, "numpy.transpose")
        if len(order) != x.ndim:
            raise FxValueError(
                f"numpy.transpose of {x.aval.short()} expects {x.ndim} axes, got {tuple(axes)}."
            )
    if order == tuple(range(x.ndim)):
        return x
    if type(x) is Array and not detours[0]:
        return Array(x._data.transpose(order), x.weak_type)
    return P.transpose(x, permutation=order)


permute_dims = transpose


@public
def matrix_transpose(x: Any, /) -> Array:
    """Exchange the last two axes.

    Args:
        x: array of rank at least 2.

    Raises:
        ShapeError: the rank is less than 2.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.matrix_transpose(jnp.ones((5, 2, 3))).shape
        (5, 3, 2)
    """
    x = array(x, "numpy.matrix_transpose")
    if x.ndim < 2:
        raise ShapeError(
            f"matrix_transpose (x.mT) expects an array of rank at least 2, got {x.aval.short()}."
        )
    return permuted(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _swapaxes_short(a: Any, axis1: Any, axis2: Any) -> Any:
    return Array(a._data.swapaxes(axis1, axis2), a.weak_type) if type(a) is Array else None


@short_way(_swapaxes_short)
def swapaxes(a: Any, axis1: int, axis2: int) -> Array:
    """Exchange two axes.

    Args:
        a: array-like.
        axis1, axis2: the axes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.swapaxes(jnp.ones((2, 3, 4)), 0, 2).shape
        (4, 3, 2)
    """
    x = array(a, "numpy.swapaxes")
    i = one_axis(axis1, x.ndim, "numpy.swapaxes")
    j = one_axis(axis2, x.ndim, "numpy.swapaxes")
    order = list(range(x.ndim))
    order[i], order[j] = j, i
    return permuted(x, order)


@public
def moveaxis(a: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """Move axes to new positions; the others keep their order.

    Args:
        a: array-like.
        source, destination: axes, and where each goes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.moveaxis(jnp.ones((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    x = array(a, "numpy.moveaxis")
    sources = some_axes(source, x.ndim, "numpy.moveaxis")
    targets = some_axes(destination, x.ndim, "numpy.moveaxis")
    if len(sources) != len(targets):
        raise FxValueError(
            f"numpy.moveaxis: source and destination must have equal lengths, got {source!r} and "
            f"{destination!r}."
        )
    order = [i for i in range(x.ndim) if i not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return permuted(x, order)


@public
def rollaxis(a: Any, axis: int, start: int = 0) -> Array:
    """Move one axis to stand before another.

    Args:
        a: array-like.
        axis: the axis to move.
        start: the axis before which it goes, up to the rank.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.rollaxis(jnp.ones((2, 3, 4)), 2).shape
        (4, 2, 3)
    """
    x = array(a, "numpy.rollaxis")
    source = one_axis(axis, x.ndim, "numpy.rollaxis")
    target = start + x.ndim if start < 0 else start
    if not 0 <= target <= x.ndim:
        raise FxValueError(f"numpy.rollaxis: start {start} is out of range for rank {x.ndim}.")
    return permuted(x, moved(range(x.ndim), source, target - (source < target)))


@public
def flip(m: Any, axis: int | Sequence[int] | None = None) -> Array:
    """Reverse the order of elements along axes.

    Args:
        m: array-like.
        axis: which axes; all by default.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.flip(jnp.array([1, 2, 3]))
        Array([3, 2, 1], dtype=int32)
    """
    x = array(m, "numpy.flip")
    return P.rev(x, dimensions=some_axes(axis, x.ndim, "numpy.flip"))


def _flip_along(name: str, axis: int) -> Callable[[Any], Array]:
    def function(m: Any) -> Array:
        x = array(m, f"numpy.{name}")
        if x.ndim <= axis:
            raise ShapeError(
                f"numpy.{name} expects an array of rank at least {axis + 1}, got {x.aval.short()}."
            )
        return P.rev(x, dimensions=(axis,))

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""Reverse the order of elements along axis {axis}.

    Args:
        m: array of rank at least {axis + 1}.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([[1, 2], [3, 4]]))
        Array([[{"3, 4" if axis == 0 else "2, 1"}],
               [{"1, 2" if axis == 0 else "4, 3"}]], dtype=int32)
    """
    return public(function)


flipud = _flip_along("flipud", 0)
fliplr = _flip_along("fliplr", 1)


@public
def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Rotate by multiples of 90 degrees in the plane of two axes.

    Args:
        m: array of rank at least 2.
        k: how many times, from the first axis towards the second.
        axes: the plane.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.rot90(jnp.array([[1, 2], [3, 4]]))
        Array([[2, 4],
               [1, 3]], dtype=int32)
    """
    x = array(m, "numpy.rot90")
    first, second = some_axes(tuple(axes), x.ndim, "numpy.rot90")
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return P.rev(x, dimensions=(first, second))
    if turns == 1:
        return swapaxes(P.rev(x, dimensions=(second,)), first, second)
    return P.rev(swapaxes(x, first, second), dimensions=(second,))


# ------------------------------------------------------------------ broadcast and repeat
@public
def broadcast_to(array: Any, shape: Any) -> Array:
    """Repeat along new leading axes and axes of size 1.

    Args:
        array: array-like.
        shape: of the result.

    Raises:
        ShapeError: the shape does not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.broadcast_to(jnp.array([1, 2]), (2, 2))
        Array([[1, 2],
               [1, 2]], dtype=int32)
    """
    (x,) = arrays("numpy.broadcast_to", array)
    full = a_shape(shape, "numpy.broadcast_to")
    if common_shape("numpy.broadcast_to", [x.shape, full]) != full:
        raise ShapeError(
            f"numpy.broadcast_to of {x.aval.short()} to {full}: aligned from the right, each size "
            "must be 1 or equal."
        )
    return expand_to(x, full)


@public
def broadcast_arrays(*args: Any) -> list[Array]:
    """Arrays repeated to their common shape.

    Args:
        *args: array-likes.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> import fx.numpy as jnp
        >>> [x.shape for x in jnp.broadcast_arrays(jnp.ones((2, 1)), jnp.ones(3))]
        [(2, 3), (2, 3)]
    """
    xs = arrays("numpy.broadcast_arrays", *args)
    shape = common_shape("numpy.broadcast_arrays", [x.shape for x in xs])
    return [expand_to(x, shape) for x in xs]


@public
def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape to which arrays of the given shapes broadcast.

    Args:
        *shapes: integers or sequences of them.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.broadcast_shapes((2, 1), (3,))
        (2, 3)
    """
    return common_shape("broadcast_shapes", [a_shape(s, "broadcast_shapes") for s in shapes])


@public
def tile(A: Any, reps: Any) -> Array:
    """Repeat a whole array along each axis.

    Args:
        A: array-like.
        reps: repetitions of each axis, aligned from the right.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.tile(jnp.array([1, 2]), 2)
        Array([1, 2, 1, 2], dtype=int32)
    """
    x = array(A, "numpy.tile")
    times = a_shape(reps, "numpy.tile")
    rank = max(len(times), x.ndim)
    times = (1,) * (rank - len(times)) + times
    shape = (1,) * (rank - x.ndim) + x.shape
    full = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    offset = rank - x.ndim
    places = tuple(2 * (i + offset) + 1 for i in range(x.ndim))
    spread = P.broadcast_in_dim(x, shape=full, broadcast_dimensions=places)
    return P.reshape(spread, new_sizes=tuple(t * n for t, n in zip(times, shape, strict=True)))


@public
def repeat(
    a: Any, repeats: Any, axis: int | None = None, *, total_repeat_length: int | None = None
) -> Array:
    """Repeat each element along an axis.

    Args:
        a: array-like.
        repeats: how often; an integer, or one for each element of the axis.
        axis: along which; the flattened array by default.
        total_repeat_length: size of the result's axis, needed when `repeats` is traced. The
            result is cut there, or filled by repeating the last element.

    Raises:
        ConcretizationTypeError: `repeats` is traced and `total_repeat_length` is not given.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.repeat(jnp.array([1, 2]), jnp.array([1, 3]))
        Array([1, 2, 2, 2], dtype=int32)
    """
    x = array(a, "numpy.repeat")
    if axis is None:
        x, place = reshaped(x, (-1,)), 0
    else:
        place = one_axis(axis, x.ndim, "numpy.repeat")
    n = x.shape[place]
    counts = make_array(repeats, None, "numpy.repeat")
    if not dtypes.is_integer(counts.dtype) and counts.dtype != np.bool_:
        raise FxTypeError(f"numpy.repeat: repeats must be integers, got {counts.aval.short()}.")
    if total_repeat_length is not None:
        return _repeat_to(x, counts, place, integer(total_repeat_length, "numpy.repeat", "length"))
    values = np.asarray(counts)
    if values.size == 1:
        times = int(values.reshape(()))
        if times < 0:
            raise FxValueError(f"numpy.repeat: repeats must not be negative, got {times}.")
        full = x.shape[: place + 1] + (times,) + x.shape[place + 1 :]
        kept = tuple(i for i in range(len(full)) if i != place + 1)
        spread = P.broadcast_in_dim(x, shape=full, broadcast_dimensions=kept)
        sizes = x.shape[:place] + (n * times,) + x.shape[place + 1 :]
        return P.reshape(spread, new_sizes=sizes)
    if values.shape != (n,):
        raise ShapeError(
            f"numpy.repeat: repeats must have one entry for each of the {n} elements of axis "
            f"{place}, got shape {values.shape}."
        )
    if (values < 0).any():
        raise FxValueError("numpy.repeat: repeats must not be negative.")
    return take_static(x, np.repeat(np.arange(n, dtype=np.int32), values), place)


def take_static(x: Any, index: np.ndarray, axis: int) -> Any:
    """Elements of one axis at known positions."""
    key = (slice(None),) * axis + (Array(index),)
    return x[key]


def _repeat_to(x: Any, counts: Any, axis: int, length: int) -> Any:
    n = x.shape[axis]
    counts = expand_to(convert(counts, np.dtype(np.int32)), (n,))
    if n == 0:
        raise FxValueError("numpy.repeat: an empty axis cannot fill total_repeat_length.")
    # Element k of the result is the number of groups that end at or before k.
    ends = P.cumsum(counts, axis=0, reverse=False)
    place = P.iota(dtype=np.dtype(np.int32), shape=(n, length), dimension=1)
    full_ends = P.broadcast_in_dim(ends, shape=(n, length), broadcast_dimensions=(0,))
    passed = P.convert_element_type(P.le(full_ends, place), new_dtype=np.dtype(np.int32))
    index = P.reduce_sum(passed, axes=(0,))
    last = Array(np.asarray(n - 1, np.int32))
    return x[(slice(None),) * axis + (P.min(index, last),)]
