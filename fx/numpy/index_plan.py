"""What stands between the brackets of `x[...]`, understood: a plan for reading and for writing.

NumPy's rules in three steps. A static part (slices and integers) cuts a box out of the array; the
rest of the plan is about that box. Integer arrays then index some of its axes, broadcast together.
New axes of size 1 come last, as they move no element. Traced integers count as arrays of rank 0,
a concrete boolean mask as the positions where it holds, and a traced one stays a mask.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fx.core.array import Array, as_ndarray, scalar
from fx.core.primitive import P, lit
from fx.core.trace import Tracer
from fx.errors import (
    FxError,
    FxIndexError,
    FxTypeError,
    FxValueError,
    TracerIntegerConversionError,
)
from fx.lax.slicing import as_index, index_dtype, wrapped
from fx.numpy.creation import make_array
from fx.ops.dimension_numbers import GatherDimensionNumbers, GatherScatterMode
from fx.signatures import text_of

NEW, BLOCK = -1, -2  # tokens: an inserted axis, and the axes of the arrays; else an operand axis

_INT32_MAX = np.iinfo(np.int32).max
_FEW = 1 << 16  # up to so many static positions are looked through for repeated ones


class Bounds(NamedTuple):
    """How indices out of bounds are treated.

    Attributes:
        name: of the operation, for messages.
        check: whether known ones raise.
        wrap: whether negative ones count from the end.
        modulo: whether all are taken modulo the size.
    """

    name: str
    check: bool = True
    wrap: bool = True
    modulo: bool = False


class Mask(NamedTuple):
    """A boolean index that is applied by choosing: it covers `count` axes from `axis` on."""

    values: Any
    axis: int
    count: int


class Plan(NamedTuple):
    """A parsed index.

    Attributes:
        shape: of the operand.
        basic: for each axis its positions (a range) or its position (an int, axis dropped).
        arrays: (axis, positions) for axes indexed by arrays; concrete positions are ndarrays.
        batch: the shape to which the arrays broadcast; None where all are integers.
        mask: a boolean index kept as such.
        tokens: the axes of the result.
        unique: whether no element is indexed twice, as far as known without looking.
    """

    shape: tuple[int, ...]
    basic: tuple[Any, ...]
    arrays: tuple[tuple[int, Any], ...]
    batch: tuple[int, ...] | None
    mask: Mask | None
    tokens: tuple[int, ...]
    unique: bool

    def sizes(self, block: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """The shape of the result; `block` replaces the shape of the arrays."""
        block = self.batch if block is None else block
        sizes: list[int] = []
        for token in self.tokens:
            if token == BLOCK:
                sizes.extend(block or ())
            else:
                sizes.append(1 if token == NEW else len(self.basic[token]))
        return tuple(sizes)

    def box_axis(self, axis: int) -> int:
        """Position of an operand axis in the box that the static part cuts out."""
        return axis - sum(isinstance(b, int) for b in self.basic[:axis])

    def box_shape(self) -> tuple[int, ...]:
        return tuple([len(b) for b in self.basic if not isinstance(b, int)])

    def numbers(self) -> GatherDimensionNumbers:
        """Dimension numbers of the gather of the arrays' positions from the box."""
        offsets, position = [], 0
        for token in self.tokens:
            if token == BLOCK:
                position += len(self.batch or ())
            elif token != NEW:
                offsets.append(position)
                position += 1
        axes = tuple(self.box_axis(axis) for axis, _ in self.arrays)
        return GatherDimensionNumbers(tuple(offsets), tuple(sorted(axes)), axes)

    def corners(self) -> Array:
        """The arrays' positions side by side in a last axis, as gather and scatter take them."""
        batch = self.batch or ()
        columns = [positions for _, positions in self.arrays]
        if all(type(c) is np.ndarray for c in columns):
            wide = max(self.shape, default=0) > _INT32_MAX or any(
                c.size and max(c.max(), -c.min()) > _INT32_MAX for c in columns
            )
            out = np.empty((*batch, len(columns)), np.int64 if wide else np.int32)
            for i, c in enumerate(columns):
                out[..., i] = c
            return Array(out)
        arrays = [Array(c) if type(c) is np.ndarray else c for c in columns]
        # Static positions are int64 but small where they were checked: the others decide.
        given = [c for c in columns if type(c) is not np.ndarray]
        dtype = index_dtype(given, self.shape)
        full = []
        for array in arrays:
            if type(array) is Array:
                array = Array(np.clip(array._data, *_limits(dtype)).astype(dtype))
            kept = tuple(range(len(batch) - array.ndim, len(batch)))
            full.append(
                P.broadcast_in_dim(
                    as_index(array, dtype), shape=(*batch, 1), broadcast_dimensions=kept
                )
            )
        return full[0] if len(full) == 1 else P.concatenate(*full, dimension=len(batch))

    def starts(self) -> list[Array]:
        """The box's start index in each axis, for arrays of rank 0."""
        index = {self.box_axis(axis): positions for axis, positions in self.arrays}
        given = [i for i in index.values() if type(i) is not np.ndarray]
        dtype = index_dtype(given, self.shape)
        found = []
        for axis in range(len(self.box_shape())):
            i = index.get(axis)
            if i is None or type(i) is np.ndarray:
                low, high = _limits(dtype)
                found.append(scalar(0 if i is None else min(max(int(i), low), high), dtype))
            else:
                found.append(as_index(i, dtype))
        return found

    def known_unique(self) -> bool:
        """Whether no element is indexed twice, looking at static positions."""
        if self.unique:
            return True
        columns = [positions for _, positions in self.arrays]
        if any(type(c) is not np.ndarray for c in columns):
            return False
        size = int(np.prod(self.batch or ()))
        if not columns or size > _FEW:
            return False
        sizes = [self.shape[axis] for axis, _ in self.arrays]
        if any(
            c.size and (c.min() < 0 or c.max() >= n) for c, n in zip(columns, sizes, strict=True)
        ):
            return False
        flat = np.ravel_multi_index(np.broadcast_arrays(*columns), tuple(sizes))
        return np.unique(flat).size == size


def _limits(dtype: np.dtype) -> tuple[int, int]:
    return np.iinfo(dtype).min, np.iinfo(dtype).max


# ------------------------------------------------------------------ single items
def _not_an_index(name: str, x: Any) -> FxIndexError:
    return FxIndexError(
        f"{name}: {text_of(x)} is not an index. Expected integers, slices, None, ..., integer "
        "arrays or boolean arrays."
    )


def _classified(name: str, x: Any) -> Any:
    """An item as an int, slice, None, Ellipsis, np.bool_, ndarray of integers or bools, Tracer."""
    kind = type(x)
    if kind is int or kind is slice or x is None or x is Ellipsis:
        return x
    if kind is bool:
        return np.bool_(x)
    if kind is Tracer:
        if x.dtype.kind in "iub":
            return x
        raise FxIndexError(
            f"{name}: an index must be an integer or bool array, got {x.aval.short()}. Convert "
            "with x.astype(int)."
        )
    if isinstance(x, (list, tuple)):
        array = make_array(list(x), None, name)
        if not array.size and array.dtype.kind == "f":  # an empty list
            array = Array(np.zeros(array.shape, np.int32))
        return _classified(name, array)
    if isinstance(x, Array):
        x = x._data if type(x) is Array else np.asarray(x)
    elif not isinstance(x, (np.ndarray, np.generic)):
        if isinstance(x, type) or not (hasattr(x, "__array__") or hasattr(x, "__index__")):
            raise _not_an_index(name, x)
        if not hasattr(x, "__array__"):
            return operator.index(x)
        x = as_ndarray(x, name)
    if x.dtype.kind not in "iub":
        raise _not_an_index(name, x)
    if x.ndim:
        return x
    return np.bool_(x) if x.dtype.kind == "b" else int(x)


def _positions(name: str, s: slice, size: int) -> range:
    """The positions in a slice of an axis."""
    for bound in (s.start, s.stop, s.step):
        if isinstance(bound, Tracer):
            bound._concrete(
                TracerIntegerConversionError,
                f"{name}: the bound of a slice (for a window of static size at a traced start "
                "use fx.lax.dynamic_slice)",
            )
    try:
        return range(*s.indices(size))
    except FxError:
        raise
    except TypeError:
        raise FxTypeError(f"{name}: bounds of a slice must be integers or None, got {s}.") from None
    except ValueError:
        raise FxValueError(f"{name}: the step of a slice must not be zero, got {s}.") from None


def _outside(name: str, index: Any, axis: int, size: int) -> FxIndexError:
    valid = f"valid ones are {-size} to {size - 1}" if size else "the axis is empty"
    return FxIndexError(
        f"{name}: index {index} is out of bounds for axis {axis} with size {size}; {valid}. To "
        'allow it use x.at[...] with mode="clip", "fill" or "drop".'
    )


def _static_positions(values: np.ndarray, axis: int, size: int, bounds: Bounds) -> np.ndarray:
    if values.dtype == np.uint64:
        values = np.minimum(values, np.uint64(np.iinfo(np.int64).max))
    values = values.astype(np.int64)
    if not values.size:
        return values
    if bounds.check:
        lowest = -size if bounds.wrap else 0
        if values.min() < lowest or values.max() >= size:
            bad = values[(values < lowest) | (values >= size)].flat[0]
            raise _outside(bounds.name, bad, axis, size)
    if bounds.modulo:
        return values % max(size, 1)
    return np.where(values < 0, values + size, values) if bounds.wrap else values


def _traced_positions(values: Any, size: int, bounds: Bounds) -> Any:
    index = as_index(values, index_dtype([values], [size]))
    if values.dtype.kind == "u" and not bounds.modulo:
        return index
    if bounds.modulo:
        index = P.rem(index, lit(index, max(size, 1)))
    return wrapped(index, size) if bounds.wrap or bounds.modulo else index


# ------------------------------------------------------------------ the whole index
def plan_index(
    shape: tuple[int, ...], index: Any, bounds: Bounds, *, keep_masks: bool = False
) -> Plan:
    """Parse an index of an array.

    Args:
        shape: of the array.
        index: what stands between the brackets.
        bounds: what to do about indices out of bounds.
        keep_masks: keep a concrete boolean mask as one (traced ones always are).

    Raises:
        FxIndexError: an item is not an index, is out of bounds, or there are too many.
        TracerIntegerConversionError: a bound of a slice is traced.
    """
    name = bounds.name
    items = [_classified(name, x) for x in (index if type(index) is tuple else (index,))]
    items = _expanded(name, items, shape)

    axis = 0
    basic: list[Any] = []
    arrays: list[tuple[int, Any]] = []
    blocks: list[tuple[int, ...]] = []
    tokens: list[int] = []
    mask: Mask | None = None
    places: list[int] = []  # where in `items` there are integers and arrays
    block_token = 0
    only_masks = True
    for place, item in enumerate(items):
        if item is None:
            tokens.append(NEW)
            continue
        if type(item) is slice:
            tokens.append(axis)
            basic.append(_positions(name, item, shape[axis]))
            axis += 1
            continue
        if item is Ellipsis:
            continue
        if not places:
            block_token = len(tokens)
        places.append(place)
        if type(item) is np.bool_:
            blocks.append((int(item),))
            continue
        if _is_mask(item):
            count = item.ndim
            _check_mask(name, item, axis, shape)
            if type(item) is Tracer or keep_masks:
                if mask is not None:
                    raise FxIndexError(f"{name}: only one of several boolean masks may be traced.")
                mask = Mask(item, axis, count)
            else:
                found = np.nonzero(item)
                blocks.append(found[0].shape)
                arrays.extend((axis + i, f) for i, f in enumerate(found))
            basic.extend(range(n) for n in shape[axis : axis + count])
            axis += count
            continue
        size = shape[axis]
        if type(item) is int:
            inside = (-size if bounds.wrap else 0) <= item < size
            if inside:
                basic.append(item % size)
                axis += 1
                continue
            positions = _static_positions(np.asarray(item), axis, size, bounds)
        elif type(item) is Tracer:
            positions = _traced_positions(item, size, bounds)
        else:
            positions = _static_positions(item, axis, size, bounds)
        only_masks = False
        if item_shape := positions.shape:
            blocks.append(item_shape)
        arrays.append((axis, positions))
        basic.append(range(size))
        axis += 1

    batch = _broadcast(name, blocks) if blocks else None
    if blocks or mask is not None:
        together = places[-1] - places[0] == len(places) - 1
        tokens.insert(block_token if together else 0, BLOCK)
    unique = (only_masks and len(blocks) < 2) or not batch
    return Plan(shape, tuple(basic), tuple(arrays), batch, mask, tuple(tokens), unique)


def _is_mask(item: Any) -> bool:
    return isinstance(item, (np.ndarray, Tracer)) and item.dtype == np.bool_


def _expanded(name: str, items: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Items with an Ellipsis followed by the slices it stands for, and slices put at the end."""
    used = 0
    ellipses = [i for i, x in enumerate(items) if x is Ellipsis]
    for x in items:
        if _is_mask(x):
            used += x.ndim
        elif x is not None and x is not Ellipsis and type(x) is not np.bool_:
            used += 1
    if len(ellipses) > 1:
        raise FxIndexError(f"{name}: an index may hold only one ellipsis ('...').")
    rest = len(shape) - used
    if rest < 0:
        raise FxIndexError(
            f"{name}: too many indices: the array is {len(shape)}-dimensional, but {used} axes "
            f"were indexed; its shape is {shape}."
        )
    place = ellipses[0] + 1 if ellipses else len(items)
    return [*items[:place], *[slice(None)] * rest, *items[place:]]


def _check_mask(name: str, mask: Any, axis: int, shape: tuple[int, ...]) -> None:
    covered = shape[axis : axis + mask.ndim]
    if mask.shape != covered:
        raise FxIndexError(
            f"{name}: a boolean index of shape {mask.shape} does not match the axes it covers, "
            f"which have shape {covered} (axis {axis} on, of shape {shape})."
        )


def _broadcast(name: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        got = ", ".join(map(str, shapes))
        raise FxIndexError(
            f"{name}: index arrays of shapes {got} do not broadcast together. For the outer "
            "product of positions use fx.numpy.ix_."
        ) from None


def mode_and_bounds(name: str, mode: Any, wrap: bool, *, reads: bool) -> tuple[Any, Bounds]:
    """The mode of gather or scatter, and how indices are treated, for a `mode=` argument.

    By default known indices are checked, and traced ones are moved inside when reading and left
    out when writing, as in JAX.
    """
    if mode is None:
        default = GatherScatterMode.CLIP if reads else GatherScatterMode.FILL_OR_DROP
        return default, Bounds(name, True, wrap)
    if isinstance(mode, str) and mode == "wrap":
        return GatherScatterMode.CLIP, Bounds(name, False, True, True)
    return GatherScatterMode.from_any(mode), Bounds(name, False, wrap)
