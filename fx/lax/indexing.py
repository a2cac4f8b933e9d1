"""`jax.lax`'s gather and scatter: many windows at once, at the corners listed in an array.

Most programs need only `x[indices]` and `x.at[indices]`, which are written with these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.calls.while_loop import while_loop
from fx.core.array import Array, scalar, to_array
from fx.core.avals import ShapedArray
from fx.core.primitive import P, lit, zeros
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.lax.arguments import ArrayLike, canonical_axes, scalar_beside, shape_tuple
from fx.lax.slicing import as_index, index_dtype, wrapped
from fx.ops.dimension_numbers import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
    gather_numbers,
    window_sizes,
)

Mode = str | GatherScatterMode | None


@public
def gather(
    operand: ArrayLike,
    start_indices: ArrayLike,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: Mode = None,
    fill_value: Any = None,
) -> Array:
    """Windows of an array at the corners listed in an array of indices.

    Args:
        operand: an array of rank n.
        start_indices: integers; the last axis holds the coordinates of one corner.
        dimension_numbers: which axes of operand, indices and result correspond.
        slice_sizes: n sizes of a window.
        unique_indices: a promise that no element is read twice.
        indices_are_sorted: a promise that the indices ascend.
        mode: for windows that are not wholly inside: "clip" moves them inside, "fill" returns
            `fill_value` for them; None promises that there are none.
        fill_value: for mode "fill"; by default NaN, the lowest signed or the highest unsigned
            integer, or True.

    Raises:
        FxTypeError: the indices are not integers.
        ShapeError: the dimension numbers or sizes do not fit the shapes.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> numbers = lax.GatherDimensionNumbers(
        ...     offset_dims=(), collapsed_slice_dims=(0,), start_index_map=(0,)
        ... )
        >>> x, where = jnp.array([10, 11, 12]), jnp.array([[2], [0], [2]])
        >>> lax.gather(x, where, numbers, slice_sizes=(1,))
        Array([12, 10, 12], dtype=int32)
    """
    parsed = GatherScatterMode.from_any("promise_in_bounds" if mode is None else mode)
    fills = parsed is GatherScatterMode.FILL_OR_DROP and fill_value is not None
    return P.gather(
        to_array(operand, "lax.gather"),
        to_array(start_indices, "lax.gather"),
        dimension_numbers=GatherDimensionNumbers(*map(tuple, dimension_numbers)),
        slice_sizes=shape_tuple("lax.gather", slice_sizes, "slice_sizes"),
        indices_are_sorted=bool(indices_are_sorted),
        unique_indices=bool(unique_indices),
        mode=parsed,
        fill_value=static_scalar("lax.gather", fill_value) if fills else None,
    )


def static_scalar(name: str, value: Any) -> Any:
    """A fill value as a Python number."""
    array = np.asarray(value)
    if array.shape:
        raise FxTypeError(f"{name} expects a scalar fill_value, got one of shape {array.shape}.")
    return array.item()


_SCATTER_DOC = """{text}

    Args:
        operand: an array.
        scatter_indices: integers; the last axis holds the coordinates of one corner.
        updates: windows of the operand's dtype, one for each corner.
        dimension_numbers: which axes of operand, indices and updates correspond.
        indices_are_sorted: a promise that the indices ascend.
        unique_indices: a promise that no element is updated twice.
        mode: for windows that are not wholly inside: "clip" moves them inside, "drop" or None
            leaves them out, "promise_in_bounds" promises that there are none.

    Returns:
        an array like the operand.

    Raises:
        FxTypeError: the indices are not integers, or the dtypes differ.
        ShapeError: the dimension numbers do not fit the shapes.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> numbers = lax.ScatterDimensionNumbers(
        ...     update_window_dims=(), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,)
        ... )
        >>> x, where = jnp.array([1.0, 2.0, 3.0]), jnp.array([[2], [0], [2]])
        >>> lax.{name}(x, where, jnp.array([4.0, 5.0, 6.0]), numbers)
        {result}
    """


def _scatter(name: str, text: str, result: str, negated: bool = False) -> Callable[..., Array]:
    bind = P.scatter_add if negated else getattr(P, name)

    def function(
        operand: ArrayLike,
        scatter_indices: ArrayLike,
        updates: ArrayLike,
        dimension_numbers: ScatterDimensionNumbers,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Mode = None,
    ) -> Array:
        x = to_array(operand, f"lax.{name}")
        windows = scalar_beside(f"lax.{name}", updates, x)
        return bind(
            x,
            to_array(scatter_indices, f"lax.{name}"),
            P.neg(windows) if negated else windows,
            dimension_numbers=ScatterDimensionNumbers(*map(tuple, dimension_numbers)),
            indices_are_sorted=bool(indices_are_sorted),
            unique_indices=bool(unique_indices),
            mode=GatherScatterMode.from_any(mode),
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _SCATTER_DOC.format(name=name, text=text, result=result)
    return public(function)


scatter = _scatter(
    "scatter",
    "An array with windows replaced; of several updates of one element the last remains.",
    "Array([5., 2., 6.], dtype=float32)",
)
scatter_add = _scatter(
    "scatter_add", "An array with windows added to it.", "Array([ 6.,  2., 13.], dtype=float32)"
)
scatter_sub = _scatter(
    "scatter_sub",
    "An array with windows subtracted from it.",
    "Array([-4.,  2., -7.], dtype=float32)",
    negated=True,
)
scatter_mul = _scatter(
    "scatter_mul",
    "An array with windows multiplied into it.",
    "Array([ 5.,  2., 72.], dtype=float32)",
)
scatter_min = _scatter(
    "scatter_min",
    "An array with the minimum taken with windows.",
    "Array([1., 2., 3.], dtype=float32)",
)
scatter_max = _scatter(
    "scatter_max",
    "An array with the maximum taken with windows.",
    "Array([5., 2., 6.], dtype=float32)",
)


@public
def scatter_apply(
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    func: Callable[[Array], Array],
    dimension_numbers: ScatterDimensionNumbers,
    *,
    update_shape: Sequence[int] = (),
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Mode = None,
) -> Array:
    """An array with a function applied to the elements in windows, as often as they are listed.

    Args:
        operand: an array.
        scatter_indices: integers; the last axis holds the coordinates of one corner.
        func: from an array to an array of the same shape and dtype, elementwise.
        dimension_numbers: which axes of operand, indices and updates correspond.
        update_shape: the shape that updates would have.
        indices_are_sorted: a promise that the indices ascend.
        unique_indices: a promise that no element is listed twice.
        mode: as for `scatter`.

    Returns:
        an array like the operand.

    Raises:
        FxTypeError: the indices are not integers.
        ShapeError: the dimension numbers do not fit the shapes, or `func` changes the shape.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> numbers = lax.ScatterDimensionNumbers(
        ...     update_window_dims=(), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,)
        ... )
        >>> x, where = jnp.array([1.0, 2.0, 3.0]), jnp.array([[2], [0], [2]])
        >>> lax.scatter_apply(x, where, lambda y: 10 * y, numbers, update_shape=(3,))
        Array([ 10.,   2., 300.], dtype=float32)
    """
    x = to_array(operand, "lax.scatter_apply")
    indices = to_array(scatter_indices, "lax.scatter_apply")
    shape = shape_tuple("lax.scatter_apply", update_shape, "update_shape")
    numbers = ScatterDimensionNumbers(*map(tuple, dimension_numbers))
    flags = {
        "indices_are_sorted": bool(indices_are_sorted),
        "unique_indices": bool(unique_indices),
        "mode": GatherScatterMode.from_any(mode),
    }
    sizes = window_sizes(x.aval, ShapedArray(shape, x.dtype), numbers)

    def read(source: Array) -> Array:
        return P.gather(
            source,
            indices,
            dimension_numbers=gather_numbers(numbers),
            slice_sizes=sizes,
            fill_value=None,
            **flags,
        )

    def applied(source: Array, chosen: Array | None) -> Array:
        before = read(source)
        after = to_array(func(before), "lax.scatter_apply")
        if after.shape != before.shape:
            raise ShapeError(
                f"lax.scatter_apply: func must keep the shape {before.shape}, got {after.shape}."
            )
        if after.dtype != x.dtype:
            after = P.convert_element_type(after, new_dtype=x.dtype)
        if chosen is not None:
            after = P.select_n(chosen, before, after)
        return P.scatter(source, indices, after, dimension_numbers=numbers, **flags)

    # All places of an element are read and written together: each round applies func once, to
    # the elements that are listed more often than there were rounds.
    if unique_indices or math.prod(indices.shape[:-1]) < 2:
        return applied(x, None)
    none = zeros(ShapedArray(x.shape, _COUNT))
    one = P.broadcast_in_dim(scalar(1, _COUNT), shape=shape, broadcast_dimensions=())
    counts = P.scatter_add(none, indices, one, dimension_numbers=numbers, **flags)
    most = P.reduce_max(counts, axes=tuple(range(x.ndim)))
    listed = read(counts)

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        done, source = state
        return P.add(done, lit(done, 1)), applied(source, P.gt(listed, done))

    rounds = math.prod(indices.shape[:-1])
    start = (scalar(0, _COUNT), x)
    return while_loop(lambda state: P.lt(state[0], most), step, start, max_steps=rounds)[1]


_COUNT = np.dtype(np.int32)


@public
def index_take(src: ArrayLike, idxs: Sequence[ArrayLike], axes: Sequence[int]) -> Array:
    """Elements at the positions listed for some axes.

    Args:
        src: an array.
        idxs: for each of the axes an integer array of shape (n,).
        axes: the axes.

    Returns:
        an array of shape (n, *sizes of the other axes). Positions outside are moved inside.

    Raises:
        FxTypeError: a position is not an integer.
        ShapeError: the positions are not arrays of one length.
        FxValueError: there are not as many axes as positions, or one is out of range.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> x = jnp.array([[1, 2], [3, 4]])
        >>> lax.index_take(x, (jnp.array([0, 1]), jnp.array([1, 0])), (0, 1))
        Array([2, 3], dtype=int32)
    """
    x = to_array(src, "lax.index_take")
    places = canonical_axes("lax.index_take", axes, x.ndim)
    columns = [to_array(i, "lax.index_take") for i in idxs]
    if len(columns) != len(places):
        raise FxValueError(
            f"lax.index_take expects one array of positions for each of the axes {places}, got "
            f"{len(columns)}."
        )
    if any(c.ndim != 1 or c.shape != columns[0].shape for c in columns):
        got = ", ".join(c.aval.short() for c in columns)
        raise ShapeError(f"lax.index_take expects positions of one shape (n,), got {got}.")
    dtype = index_dtype(columns, x.shape)
    listed = [
        P.reshape(wrapped(as_index(c, dtype), x.shape[a]), new_sizes=(*c.shape, 1))
        for c, a in zip(columns, places, strict=True)
    ]
    order = sorted(range(len(places)), key=places.__getitem__)
    return P.gather(
        x,
        P.concatenate(*[listed[i] for i in order], dimension=1),
        dimension_numbers=GatherDimensionNumbers(
            offset_dims=tuple(range(1, 1 + x.ndim - len(places))),
            collapsed_slice_dims=tuple(sorted(places)),
            start_index_map=tuple(sorted(places)),
        ),
        slice_sizes=tuple([1 if a in places else n for a, n in enumerate(x.shape)]),
        indices_are_sorted=False,
        unique_indices=False,
        mode=GatherScatterMode.CLIP,
        fill_value=None,
    )
