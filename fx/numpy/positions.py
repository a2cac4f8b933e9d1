"""Elements by their positions: take, put and their kin; positions as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import (
    FxIndexError,
    FxTypeError,
    FxValueError,
    ShapeError,
    public,
)
from fx.numpy.creation import make_array
from fx.numpy.logic import truth
from fx.numpy.manipulation import reshaped
from fx.numpy.promotion import (
    a_shape,
    array,
    common_shape,
    convert,
    expand_to,
    joined,
    no_out,
    one_axis,
    promote,
)
from fx.numpy.promotion import (
    select as choose_between,
)
from fx.numpy.selection import into_range, ravelled
from fx.ops.dimension_numbers import GatherDimensionNumbers, GatherScatterMode


# ------------------------------------------------------------------ elements by positions
@public
def take(
    a: Any,
    indices: Any,
    axis: int | None = None,
    out: None = None,
    mode: str | None = None,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    fill_value: Any = None,
) -> Array:
    """Elements at positions along an axis.

    Args:
        a: array.
        indices: integer array of positions; negative ones count from the end.
        axis: along which; the flattened array by default.
        out: must be None.
        mode: for positions out of range: "clip" (where negative ones are 0), "wrap" or "fill".
            By default an IndexError eagerly, and "fill" under jit.
        unique_indices, indices_are_sorted: promises that a compiler may use.
        fill_value: for mode "fill"; NaN, or the least integer, by default.

    Returns:
        Array of shape a.shape[:axis] + indices.shape + a.shape[axis + 1:].

    Raises:
        FxIndexError: a position is out of range, eagerly, without `mode`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.take(jnp.array([10, 20, 30]), jnp.array([2, 0]))
        Array([30, 10], dtype=int32)
    """
    no_out(out, "numpy.take")
    x = array(a, "numpy.take")
    index = make_array(indices, None, "numpy.take")
    if not dtypes.is_integer(index.dtype):
        raise FxTypeError(f"numpy.take expects integer positions, got {index.aval.short()}.")
    if axis is None:
        x, place = reshaped(x, (-1,)), 0
    else:
        place = one_axis(axis, x.ndim, "numpy.take")
    if mode == "raise":
        mode = None
    if mode in ("wrap", "clip"):
        index, mode = into_range(index, x.shape[place], mode, "numpy.take"), "clip"
    key = (slice(None),) * place + (index,)
    if mode is None and fill_value is None:
        return x[key]
    return x.at[key].get(
        mode=mode,
        fill_value=fill_value,
        unique_indices=unique_indices,
        indices_are_sorted=indices_are_sorted,
    )


def _aligned(arr: Any, indices: Any, axis: int | None, name: str) -> tuple[Any, Any, int]:
    """Array and positions of one rank, broadcast in all axes but one."""
    x, index = array(arr, name), make_array(indices, None, name)
    if not dtypes.is_integer(index.dtype):
        raise FxTypeError(f"{name} expects integer positions, got {index.aval.short()}.")
    if axis is None:
        if index.ndim != 1:
            raise ShapeError(f"{name}: without axis, indices must be a vector, got {index.shape}.")
        return reshaped(x, (-1,)), index, 0
    if x.ndim != index.ndim:
        raise ShapeError(
            f"{name} expects array and indices of equal rank, got {x.aval.short()} and "
            f"{index.aval.short()}."
        )
    place = one_axis(axis, x.ndim, name)
    rest = [s[:place] + (1,) + s[place + 1 :] for s in (x.shape, index.shape)]
    shape = common_shape(name, rest)
    x = expand_to(x, shape[:place] + (x.shape[place],) + shape[place + 1 :])
    return x, expand_to(index, shape[:place] + (index.shape[place],) + shape[place + 1 :]), place


def _one_number(value: Any, name: str) -> Any:
    """`fill_value` as a Python number."""
    x = array(value, name)
    if x.size != 1:
        raise FxValueError(f"{name}: fill_value must be one number, got {x.aval.short()}.")
    return x.item()  # type: ignore[attr-defined]


@public
def take_along_axis(
    arr: Any, indices: Any, axis: int | None = -1, mode: str | None = None, fill_value: Any = None
) -> Array:
    """Elements at positions along an axis, with positions of its own for each row.

    Args:
        arr: array.
        indices: integer array of the same rank; the other axes broadcast.
        axis: along which; None flattens `arr`.
        mode: for positions out of range: "clip" or "fill". By default an IndexError eagerly, and
            "fill" under jit.
        fill_value: for mode "fill"; NaN, or the least integer, by default.

    Returns:
        Array of the broadcast shape, with the size of `indices` along the axis.

    Raises:
        FxIndexError: a position is out of range, eagerly, without `mode`.
        ShapeError: ranks differ.

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.array([[10, 20], [30, 40]])
        >>> jnp.take_along_axis(x, jnp.array([[1], [0]]), axis=1)
        Array([[20],
               [30]], dtype=int32)
    """
    name = "numpy.take_along_axis"
    x, index, place = _aligned(arr, indices, axis, name)
    n = x.shape[place]
    parsed = GatherScatterMode.from_any(mode or "fill")
    if mode is None:
        _check_positions(index, n, name)
    if parsed is not GatherScatterMode.PROMISE_IN_BOUNDS:
        index = choose_between(P.lt(index, lit(index, 0)), P.add(index, lit(index, n)), index)
    others = tuple(i for i in range(x.ndim) if i != place)
    fill = None
    if parsed is GatherScatterMode.FILL_OR_DROP and fill_value is not None:
        fill = _one_number(fill_value, name)
    return P.gather(
        x,
        P.reshape(index, new_sizes=(*index.shape, 1)),
        dimension_numbers=GatherDimensionNumbers(
            offset_dims=(),
            collapsed_slice_dims=(place,),
            start_index_map=(place,),
            operand_batching_dims=others,
            start_indices_batching_dims=others,
        ),
        slice_sizes=(1,) * x.ndim,
        indices_are_sorted=False,
        unique_indices=False,
        mode=parsed,
        fill_value=fill,
    )


def _check_positions(index: Any, n: int, name: str) -> None:
    """Raise for a concrete position outside [-n, n)."""
    if type(index) is Array and index.size:
        low, high = index._data.min(), index._data.max()
        if low < -n or high >= n:
            raise FxIndexError(
                f"{name}: position {low if low < -n else high} is out of range for an axis of "
                f"size {n}. Use mode='clip' or mode='fill' for out-of-range positions."
            )


@public
def put_along_axis(
    arr: Any,
    indices: Any,
    values: Any,
    axis: int | None,
    inplace: bool = True,
    *,
    mode: str | None = None,
) -> Array:
    """A copy with elements replaced at positions along an axis, its own for each row.

    Args:
        arr: array.
        indices: integer array of the same rank; the other axes broadcast.
        values: what to put there; broadcasts against `indices`.
        axis: along which; None flattens.
        inplace: must be False: arrays are immutable.
        mode: for positions out of range: "clip" or "drop".

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.array([[1, 2], [3, 4]])
        >>> jnp.put_along_axis(x, jnp.array([[1], [0]]), 9, axis=1, inplace=False)
        Array([[1, 9],
               [9, 4]], dtype=int32)
    """
    _not_in_place(inplace, "numpy.put_along_axis")
    original = array(arr, "numpy.put_along_axis")
    x, index, place = _aligned(original, indices, axis, "numpy.put_along_axis")
    key = []
    for i in range(x.ndim):
        if i == place:
            key.append(index)
        else:
            sizes = tuple(x.shape[i] if j == i else 1 for j in range(x.ndim))
            key.append(P.iota(dtype=np.dtype(np.int32), shape=sizes, dimension=i))
    out = x.at[tuple(key)].set(values, mode=mode)
    return reshaped(out, original.shape) if axis is None else out


def _not_in_place(inplace: bool, name: str) -> None:
    if inplace:
        raise FxValueError(
            f"{name}: fx arrays are immutable. Pass inplace=False and use the result, or write "
            "x = x.at[...].set(...)."
        )


@public
def put(a: Any, ind: Any, v: Any, mode: str | None = None, *, inplace: bool = True) -> Array:
    """A copy with elements replaced at positions in the flattened array.

    Args:
        a: array.
        ind: integer positions.
        v: values, repeated as often as needed.
        mode: for positions out of range: "clip" or "wrap".
        inplace: must be False: arrays are immutable.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.put(jnp.array([1, 2, 3]), jnp.array([0, 2]), 9, inplace=False)
        Array([9, 2, 9], dtype=int32)
    """
    _not_in_place(inplace, "numpy.put")
    x = array(a, "numpy.put")
    index = ravelled(make_array(ind, None, "numpy.put"), "numpy.put")
    values = ravelled(make_array(v, None, "numpy.put"), "numpy.put")
    if not index.size or not values.size:
        return x
    if mode == "wrap":
        index, mode = into_range(index, x.size, "wrap", "numpy.put"), "clip"
    repeats = -(-index.size // values.size)
    values = P.concatenate(*[values] * repeats, dimension=0) if repeats > 1 else values
    flat = reshaped(x, (-1,)).at[index].set(values[: index.size], mode=mode)
    return reshaped(flat, x.shape)


@public
def place(arr: Any, mask: Any, vals: Any, *, inplace: bool = True) -> Array:
    """A copy with the elements under a mask replaced by values in order.

    Args:
        arr: array.
        mask: bool array of its size.
        vals: values, repeated as often as needed.
        inplace: must be False: arrays are immutable.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.place(jnp.array([1, 2, 3]), jnp.array([True, False, True]), [7], inplace=False)
        Array([7, 2, 7], dtype=int32)
    """
    _not_in_place(inplace, "numpy.place")
    x = array(arr, "numpy.place")
    chosen = ravelled(truth(array(mask, "numpy.place")), "numpy.place")
    values = ravelled(make_array(vals, None, "numpy.place"), "numpy.place")
    if chosen.size != x.size:
        raise ShapeError(f"numpy.place: the mask has {chosen.size} elements for {x.size}.")
    if not values.size:
        raise FxValueError("numpy.place needs at least one value.")
    rank = P.cumsum(
        P.convert_element_type(chosen, new_dtype=np.dtype(np.int32)), axis=0, reverse=False
    )
    order = P.sub(rank, lit(rank, 1))
    order = choose_between(chosen, order, lit(order, 0))
    new = convert(values[P.rem(order, lit(order, values.size))], x.dtype)
    return reshaped(choose_between(chosen, new, reshaped(x, (-1,))), x.shape)


# ------------------------------------------------------------------ positions as numbers
@public
def ravel_multi_index(
    multi_index: Sequence[Any], dims: Sequence[int], mode: str = "raise", order: str = "C"
) -> Array:
    """Positions in the flattened array from positions along each axis.

    Args:
        multi_index: one integer array for each axis.
        dims: the shape.
        mode: for positions out of range: "raise" (only eagerly), "wrap" or "clip".
        order: "C" for row-major, "F" for column-major order.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.ravel_multi_index((jnp.array([1]), jnp.array([2])), (3, 4))
        Array([6], dtype=int32)
    """
    name = "numpy.ravel_multi_index"
    if len(multi_index) != len(dims):
        raise FxValueError(f"{name}: got {len(multi_index)} index arrays for {len(dims)} axes.")
    if order not in ("C", "F"):
        raise FxValueError(f"{name}: order must be 'C' or 'F', got {order!r}.")
    columns = promote(name, *[make_array(i, None, name) for i in multi_index])
    shape = common_shape(name, [c.shape for c in columns])
    dtype, _ = joined(columns)
    strides = [
        math.prod(dims[i + 1 :]) if order == "C" else math.prod(dims[:i]) for i in range(len(dims))
    ]
    total = P.broadcast_in_dim(Array(np.zeros((), dtype)), shape=shape, broadcast_dimensions=())
    for column, n, stride in zip(columns, dims, strides, strict=True):
        inside = into_range(column, n, mode, name)
        total = P.add(total, expand_to(P.mul(inside, lit(inside, stride)), shape))
    return total


@public
def unravel_index(indices: Any, shape: int | Sequence[int]) -> tuple[Array, ...]:
    """Positions along each axis from positions in the flattened array.

    Args:
        indices: integer array.
        shape: sizes of the axes.

    Returns:
        A tuple of one array for each axis; positions out of range are clipped.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.unravel_index(jnp.array([5]), (2, 3))
        (Array([1], dtype=int32), Array([2], dtype=int32))
    """
    index = make_array(indices, None, "numpy.unravel_index")
    sizes = a_shape(shape, "numpy.unravel_index")
    total = math.prod(sizes)
    index = choose_between(P.lt(index, lit(index, 0)), P.add(index, lit(index, total)), index)
    index = P.min(P.max(index, lit(index, 0)), lit(index, max(total - 1, 0)))
    out = []
    for i, n in enumerate(sizes):
        stride = math.prod(sizes[i + 1 :])
        quotient = P.div(index, lit(index, max(stride, 1)))
        out.append(P.rem(quotient, lit(index, max(n, 1))))
    return tuple(out)
