"""How a gather or scatter lays out its windows: dimension numbers, their checks and conversions.

A scatter is a gather run backwards: its updates have the shape that the gather with the
corresponding numbers would return. So both share one shape function and one batching rule.
Semantics: https://openxla.org/xla/operation_semantics#gather
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fx import dtypes
from fx.core.avals import ShapedArray
from fx.core.ir import readable
from fx.errors import FxTypeError, FxValueError, ShapeError


@readable
class GatherDimensionNumbers(NamedTuple):
    """Which axes of operand, indices and result of `gather` correspond.

    The last axis of the indices holds the coordinates of one window's corner; the others are
    batch axes of the result.

    Attributes:
        offset_dims: axes of the result that run inside a window, ascending.
        collapsed_slice_dims: operand axes of window size 1 that the result lacks, ascending.
        start_index_map: the operand axis of each coordinate.
        operand_batching_dims: operand axes of window size 1 that go together with batch axes of
            the indices, ascending.
        start_indices_batching_dims: those axes of the indices, in corresponding order.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> numbers = lax.GatherDimensionNumbers(
        ...     offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,)
        ... )
        >>> rows = jnp.array([[2], [0]])
        >>> lax.gather(jnp.arange(6).reshape(3, 2), rows, numbers, slice_sizes=(1, 2))
        Array([[4, 5],
               [0, 1]], dtype=int32)
    """

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    start_indices_batching_dims: tuple[int, ...] = ()


@readable
class ScatterDimensionNumbers(NamedTuple):
    """Which axes of operand, indices and updates of a scatter correspond.

    Attributes:
        update_window_dims: axes of the updates that run inside a window, ascending.
        inserted_window_dims: operand axes of window size 1 that the updates lack, ascending.
        scatter_dims_to_operand_dims: the operand axis of each coordinate.
        operand_batching_dims: operand axes of window size 1 that go together with batch axes of
            the indices, ascending.
        scatter_indices_batching_dims: those axes of the indices, in corresponding order.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> numbers = lax.ScatterDimensionNumbers(
        ...     update_window_dims=(),
        ...     inserted_window_dims=(0,),
        ...     scatter_dims_to_operand_dims=(0,),
        ... )
        >>> where = jnp.array([[1], [3], [1]])
        >>> lax.scatter_add(jnp.zeros(4), where, jnp.array([1.0, 2.0, 5.0]), numbers)
        Array([0., 6., 0., 2.], dtype=float32)
    """

    update_window_dims: tuple[int, ...]
    inserted_window_dims: tuple[int, ...]
    scatter_dims_to_operand_dims: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    scatter_indices_batching_dims: tuple[int, ...] = ()


@readable
class GatherScatterMode(enum.Enum):
    """What gather and scatter do with a window that is not wholly inside the operand.

    Attributes:
        CLIP: move it to the nearest place inside.
        FILL_OR_DROP: gather returns a fill value for all of it; scatter leaves it out.
        PROMISE_IN_BOUNDS: the caller promises that there is none. As it turns out gather clips
            and scatter drops, and gradients are wrong.

    Example:
        >>> from fx import lax
        >>> lax.GatherScatterMode.from_any("clip")
        GatherScatterMode.CLIP
    """

    CLIP = "clip"
    FILL_OR_DROP = "fill_or_drop"
    PROMISE_IN_BOUNDS = "promise_in_bounds"

    def __repr__(self) -> str:
        return f"GatherScatterMode.{self.name}"

    @staticmethod
    def from_any(mode: str | GatherScatterMode | None) -> GatherScatterMode:
        """The mode for one of its names; None and "fill" and "drop" are FILL_OR_DROP.

        Raises:
            FxValueError: there is no mode of that name.
        """
        if isinstance(mode, GatherScatterMode):
            return mode
        found = _MODES.get(mode) if mode is None or isinstance(mode, str) else None
        if found is None:
            raise FxValueError(
                f"unknown mode {mode!r} for out-of-bounds indices. Known: 'fill' or 'drop', "
                "'clip', 'promise_in_bounds'."
            )
        return found


_MODES = {
    None: GatherScatterMode.FILL_OR_DROP,
    "fill": GatherScatterMode.FILL_OR_DROP,
    "drop": GatherScatterMode.FILL_OR_DROP,
    "clip": GatherScatterMode.CLIP,
    "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
}

# What a scatter calls the fields of its gather, for messages.
_SCATTER_NAMES = dict(
    zip(GatherDimensionNumbers._fields, ScatterDimensionNumbers._fields, strict=True)
) | {"result": "updates"}


def gather_shape(
    operand: ShapedArray,
    indices: ShapedArray,
    numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    name: str = "gather",
) -> tuple[int, ...]:
    """Shape of a gather's result (of a scatter's updates), after checking all of its arguments."""
    names = {} if name == "gather" else _SCATTER_NAMES

    def fail(field: str, text: str) -> None:
        got = f"{numbers}" if name == "gather" else f"{scatter_numbers(numbers)}"
        raise ShapeError(
            f"{name} of {operand.short()} with indices {indices.short()}: "
            f"{names.get(field, field)} {text}. Got {got}."
        )

    def check(field: str, bound: int, ordered: bool = True) -> None:
        dims = getattr(numbers, field)
        if any(not 0 <= d < bound for d in dims):
            fail(field, f"must lie in [0, {bound})")
        if len(set(dims)) != len(dims):
            fail(field, "must be distinct")
        if ordered and list(dims) != sorted(dims):
            fail(field, "must ascend")

    if not dtypes.is_integer(indices.dtype):
        raise FxTypeError(f"{name} expects integer indices, got {indices.short()}.")
    if not indices.shape:
        raise ShapeError(
            f"{name} expects indices of rank 1 or more, whose last axis holds the coordinates of "
            "a window, got a scalar. Add an axis of size 1."
        )
    rank, batch_rank = operand.ndim, indices.ndim - 1
    check("offset_dims", len(numbers.offset_dims) + batch_rank)
    check("collapsed_slice_dims", rank)
    check("operand_batching_dims", rank)
    check("start_index_map", rank, ordered=False)
    check("start_indices_batching_dims", batch_rank, ordered=False)
    batching = set(numbers.operand_batching_dims)
    if batching & set(numbers.collapsed_slice_dims):
        fail("collapsed_slice_dims", "must be disjoint from operand_batching_dims")
    if batching & set(numbers.start_index_map):
        fail("start_index_map", "must be disjoint from operand_batching_dims")
    if len(numbers.start_index_map) != indices.shape[-1]:
        fail("start_index_map", f"must have length {indices.shape[-1]}, the last axis of indices")
    pairs = [numbers.operand_batching_dims, numbers.start_indices_batching_dims]
    if len(pairs[0]) != len(pairs[1]):
        fail("start_indices_batching_dims", "must be as many as operand_batching_dims")
    if any(operand.shape[i] != indices.shape[j] for i, j in zip(*pairs, strict=True)):
        fail("start_indices_batching_dims", "must have the sizes of operand_batching_dims")
    dropped = batching | set(numbers.collapsed_slice_dims)
    if len(numbers.offset_dims) + len(dropped) != rank:
        fail("offset_dims", f"must be as many as the {rank - len(dropped)} window axes left")
    if len(slice_sizes) != rank:
        fail("slice_sizes", f"must be {rank} numbers, got {tuple(slice_sizes)}")
    empty = 0 in indices.shape
    for i, (size, n) in enumerate(zip(slice_sizes, operand.shape, strict=True)):
        if size < 0 or (size > n and not empty):
            fail("slice_sizes", f"must lie in [0, {n}] for axis {i}, got {tuple(slice_sizes)}")
        if (i in numbers.collapsed_slice_dims and size != 1) or (i in batching and size > 1):
            fail("slice_sizes", f"must be 1 for the axis {i} that is dropped, got {size}")
    return _interleave(indices.shape[:-1], numbers, slice_sizes)


def _interleave(
    batch: Sequence[int], numbers: GatherDimensionNumbers, slice_sizes: Sequence[int]
) -> tuple[int, ...]:
    dropped = {*numbers.operand_batching_dims, *numbers.collapsed_slice_dims}
    window = iter([n for i, n in enumerate(slice_sizes) if i not in dropped])
    outer = iter(batch)
    rank = len(batch) + len(numbers.offset_dims)
    return tuple([next(window if i in numbers.offset_dims else outer) for i in range(rank)])


def gather_numbers(numbers: ScatterDimensionNumbers) -> GatherDimensionNumbers:
    """The gather that reads the windows which a scatter writes."""
    return GatherDimensionNumbers(*numbers)


def scatter_numbers(numbers: GatherDimensionNumbers) -> ScatterDimensionNumbers:
    """The scatter that writes the windows which a gather reads."""
    return ScatterDimensionNumbers(*numbers)


def window_sizes(
    operand: ShapedArray, updates: ShapedArray, numbers: ScatterDimensionNumbers
) -> tuple[int, ...]:
    """The slice sizes of a scatter's gather: 1 for axes that the updates lack."""
    dropped = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    window = [updates.shape[d] for d in numbers.update_window_dims if 0 <= d < updates.ndim]
    if len(window) + len(dropped) != operand.ndim:
        raise ShapeError(
            f"scatter into {operand.short()} of updates {updates.short()}: update_window_dims, "
            "inserted_window_dims and operand_batching_dims must together be as many as the "
            f"{operand.ndim} axes of the operand. Got {numbers}."
        )
    sizes = iter(window)  # runs out if `dropped` has wrong axes, which gather_shape reports
    return tuple([1 if i in dropped else next(sizes, 0) for i in range(operand.ndim)])


def batched_numbers(
    numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    size: int,
    operand_dim: int | None,
    indices_dim: int | None,
) -> tuple[GatherDimensionNumbers, tuple[int, ...], int]:
    """Numbers and slice sizes when operand, indices or both have one more, mapped axis.

    Returns also the position of the mapped axis in the result. The mapped axis of the operand is
    one more window axis if the indices have none, and else a batching axis; a mapped axis of the
    indices is one more batch axis. It must not be the last one.
    """
    offsets, collapsed, index_map, operand_batch, indices_batch = numbers
    if operand_dim is not None:
        dropped = {*collapsed, *operand_batch}
        windows = [i for i in range(len(slice_sizes)) if i not in dropped]
        before = sum(i < operand_dim for i in windows)
        collapsed = tuple(i + (i >= operand_dim) for i in collapsed)
        index_map = tuple(i + (i >= operand_dim) for i in index_map)
        operand_batch = tuple(i + (i >= operand_dim) for i in operand_batch)
        full = size if indices_dim is None else 1
        slice_sizes = (*slice_sizes[:operand_dim], full, *slice_sizes[operand_dim:])
        if indices_dim is None:
            place = offsets[before - 1] + 1 if before else 0
            offsets = (
                *offsets[:before],
                place,
                *(d + 1 for d in offsets[before:]),
            )
            # The result's axes from `place` on make room; those before it are unchanged.
            new = GatherDimensionNumbers(
                offsets, collapsed, index_map, operand_batch, indices_batch
            )
            return new, tuple(slice_sizes), place
    assert indices_dim is not None
    indices_batch = tuple(d + (d >= indices_dim) for d in indices_batch)
    if operand_dim is not None:
        pairs = sorted(
            [*zip(operand_batch, indices_batch, strict=True), (operand_dim, indices_dim)]
        )
        operand_batch = tuple(p[0] for p in pairs)
        indices_batch = tuple(p[1] for p in pairs)
    # One batch axis of the result stands `indices_dim` batch axes behind the front.
    place, seen = 0, 0
    while seen < indices_dim:
        seen += place not in offsets
        place += 1
    offsets = tuple(d + (d >= place) for d in offsets)
    new = GatherDimensionNumbers(offsets, collapsed, index_map, operand_batch, indices_batch)
    return new, tuple(slice_sizes), place


def default_fill(dtype: np.dtype) -> Any:
    """What a gather returns for a window out of bounds: NaN, the extreme integer, or True."""
    if dtypes.is_inexact(dtype):
        return np.asarray(np.nan, dtype)[()]
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return dtype.type(info.min if dtype.kind == "i" else info.max)
    if dtype.kind == "b":
        return np.bool_(True)
    ones = np.iinfo(np.uint32).max
    return np.array((ones, ones), dtype)[()]
