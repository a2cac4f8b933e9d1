"""Padding, rolling, and putting in or taking out parts of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
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
    TracerIntegerConversionError,
    public,
)
from fx.numpy import moments, reductions
from fx.numpy.creation import make_array
from fx.numpy.cumulative import cut
from fx.numpy.manipulation import reshaped
from fx.numpy.promotion import (
    a_shape,
    array,
    convert,
    expand_to,
    integer,
    one_axis,
)


# ------------------------------------------------------------------ padding
def _pairs(width: Any, ndim: int, name: str) -> list[tuple[Any, Any]]:
    """(before, after) for each axis, from a number, a pair, one pair for all, or all pairs."""
    if isinstance(width, dict):
        out: list[tuple[Any, Any]] = [(0, 0)] * ndim
        for axis, value in width.items():
            pair = value if isinstance(value, (tuple, list)) else (value, value)
            out[one_axis(axis, ndim, name)] = (pair[0], pair[-1])
        return out
    if not isinstance(width, (tuple, list)):
        return [(width, width)] * ndim
    items = list(width)
    if all(not isinstance(v, (tuple, list)) for v in items):
        if len(items) == 1:
            return [(items[0], items[0])] * ndim
        if len(items) == 2:
            return [(items[0], items[1])] * ndim
        raise FxValueError(f"{name}: expected a number, a pair, or a pair for each axis.")
    pairs = [tuple(v) * (2 if len(v) == 1 else 1) for v in items]
    if len(pairs) == 1:
        pairs = pairs * ndim
    if len(pairs) != ndim or any(len(p) != 2 for p in pairs):
        raise FxValueError(
            f"{name}: expected (before, after) for each of {ndim} axes, got {width}."
        )
    return [(p[0], p[1]) for p in pairs]


@public
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """Put elements around an array.

    Args:
        array: array of rank n.
        pad_width: how many: a number, (before, after), one such pair for each axis, or a dict
            from axes to these.
        mode: what to put: "constant" (`constant_values=0`), "edge", "reflect" and "symmetric"
            (`reflect_type="even"` or "odd"), "wrap", "linear_ramp" (`end_values=0`), "maximum",
            "minimum", "mean", "median" (`stat_length=None`), "empty", or a function as in NumPy
            that returns the padded vector.

    Raises:
        FxValueError: a width is negative, the mode or an option is unknown.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.pad(jnp.array([1, 2, 3]), (1, 2), mode="reflect")
        Array([2, 1, 2, 3, 2, 1], dtype=int32)
    """
    name = "numpy.pad"
    x = make_array(array, None, name)
    if isinstance(pad_width, (np.ndarray, Array)):
        pad_width = np.asarray(pad_width).tolist()
    widths = [
        (integer(a, name, "pad_width"), integer(b, name, "pad_width"))
        for a, b in _pairs(pad_width, x.ndim, name)
    ]
    if any(n < 0 for pair in widths for n in pair):
        raise FxValueError(f"{name}: widths must not be negative, got {pad_width}.")
    if callable(mode):
        return _pad_by_function(x, widths, mode, kwargs)
    known = {
        "constant": {"constant_values"},
        "linear_ramp": {"end_values"},
        "maximum": {"stat_length"},
        "minimum": {"stat_length"},
        "mean": {"stat_length"},
        "median": {"stat_length"},
        "reflect": {"reflect_type"},
        "symmetric": {"reflect_type"},
        "edge": set(),
        "wrap": set(),
        "empty": set(),
    }
    if not isinstance(mode, str) or mode not in known:
        raise FxValueError(f"{name}: mode must be one of {', '.join(known)}, got {mode!r}.")
    if unknown := set(kwargs) - known[mode]:
        raise FxValueError(f"{name}: mode {mode!r} takes no option {', '.join(unknown)}.")
    if mode in ("constant", "empty"):
        return _pad_constant(x, widths, kwargs.get("constant_values", 0))
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = _pad_axis(x, axis, before, after, mode, kwargs)
    return x


def _pad_constant(x: Any, widths: list[tuple[int, int]], values: Any) -> Any:
    if not isinstance(values, (tuple, list, dict)):
        value = array(values, "numpy.pad")
        if not value.ndim:
            config = tuple((a, b, 0) for a, b in widths)
            return P.pad(x, convert(value, x.dtype), padding_config=config)
        values = np.asarray(value).tolist()
    each = _pairs(values, x.ndim, "numpy.pad")
    for axis, ((before, after), (low, high)) in enumerate(zip(widths, each, strict=True)):
        for amount, value in (((before, 0, 0), low), ((0, after, 0), high)):
            if any(amount):
                config = tuple(amount if i == axis else (0, 0, 0) for i in range(x.ndim))
                fill = convert(array(value, "numpy.pad"), x.dtype)
                x = P.pad(x, fill, padding_config=config)
    return x


def _pad_axis(x: Any, axis: int, before: int, after: int, mode: str, options: Any) -> Any:
    n = x.shape[axis]
    if mode in ("reflect", "symmetric", "wrap", "edge"):
        if not n:
            raise FxValueError(f"numpy.pad: cannot extend the empty axis {axis} by mode {mode!r}.")
        if options.get("reflect_type", "even") == "odd" and mode in ("reflect", "symmetric"):
            return _pad_odd(x, axis, before, after, mode)
        place = np.arange(-before, n + after)
        if mode == "edge":
            place = np.clip(place, 0, n - 1)
        elif mode == "wrap":
            place = place % n
        elif mode == "symmetric":
            place = place % (2 * n)
            place = np.where(place < n, place, 2 * n - 1 - place)
        elif n == 1:
            place = np.zeros_like(place)
        else:
            place = place % (2 * n - 2)
            place = np.where(place < n, place, 2 * n - 2 - place)
        return x[(slice(None),) * axis + (Array(place.astype(np.int32)),)]
    parts = []
    for amount, first in ((before, True), (after, False)):
        parts.append(_border(x, axis, amount, first, mode, options) if amount else None)
    whole = [p for p in (parts[0], x, parts[1]) if p is not None]
    return P.concatenate(*whole, dimension=axis)


def _pad_odd(x: Any, axis: int, before: int, after: int, mode: str) -> Any:
    """Reflection about the edge's point instead of about its position."""
    skip = 1 if mode == "reflect" else 0
    while before or after:
        n = x.shape[axis]
        reach = n - skip
        if reach <= 0:
            raise FxValueError(f"numpy.pad: axis {axis} of size {n} is too short to reflect.")
        low, high = min(before, reach), min(after, reach)
        first, last = cut(x, axis, 0, 1), cut(x, axis, n - 1, n)
        parts = [x]
        if low:
            mirrored = P.rev(cut(x, axis, skip, skip + low), dimensions=(axis,))
            twice = P.mul(first, lit(first, 2))
            parts.insert(0, P.sub(expand_to(twice, mirrored.shape), mirrored))
        if high:
            mirrored = P.rev(cut(x, axis, n - skip - high, n - skip), dimensions=(axis,))
            twice = P.mul(last, lit(last, 2))
            parts.append(P.sub(expand_to(twice, mirrored.shape), mirrored))
        x = P.concatenate(*parts, dimension=axis)
        before, after = before - low, after - high
    return x


_STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": reductions.max,
    "minimum": reductions.min,
    "mean": moments.mean,
}


def _border(x: Any, axis: int, amount: int, first: bool, mode: str, options: Any) -> Any:
    """The part in front of or behind an axis for the modes that compute it."""
    n = x.shape[axis]
    shape = x.shape[:axis] + (amount,) + x.shape[axis + 1 :]
    if mode == "linear_ramp":
        pair = _pairs(options.get("end_values", 0), x.ndim, "numpy.pad")[axis]
        end = convert(array(pair[0] if first else pair[1], "numpy.pad"), _ramp_dtype(x.dtype))
        edge = convert(cut(x, axis, 0, 1) if first else cut(x, axis, n - 1, n), end.dtype)
        count = P.iota(dtype=end.dtype, shape=shape, dimension=axis)
        t = P.div(count, lit(count, amount))
        if not first:
            t = P.sub(lit(t, 1), P.div(P.add(count, lit(count, 1)), lit(count, amount)))
        # From the end value (t = 0) to the edge (t = 1, just outside).
        edge = expand_to(edge, shape)
        ramp = P.add(P.mul(edge, t), P.mul(P.sub(lit(t, 1), t), end))
        return convert(P.floor(ramp) if dtypes.is_integer(x.dtype) else ramp, x.dtype)
    lengths = options.get("stat_length")
    part = x
    if lengths is not None:
        pair = _pairs(lengths, x.ndim, "numpy.pad")[axis]
        length = min(integer(pair[0 if first else 1], "numpy.pad", "stat_length"), n)
        part = cut(x, axis, 0, length) if first else cut(x, axis, n - length, n)
    if mode == "median":
        value = _median(part, axis)
    else:
        value = _STATISTICS[mode](part, axis, keepdims=True)
    if dtypes.is_integer(x.dtype) and dtypes.is_inexact(value.dtype):
        value = P.round(value, rounding_method=1)
    return expand_to(convert(value, x.dtype), shape)


def _median(x: Any, axis: int) -> Any:
    (rows,) = P.sort(x, dimension=axis, is_stable=True, num_keys=1)
    n = x.shape[axis]
    low, high = cut(rows, axis, (n - 1) // 2, (n - 1) // 2 + 1), cut(rows, axis, n // 2, n // 2 + 1)
    wide = _ramp_dtype(x.dtype)
    return P.mul(P.add(convert(low, wide), convert(high, wide)), Array(np.asarray(0.5, wide)))


def _ramp_dtype(dtype: np.dtype) -> np.dtype:
    return dtypes.to_inexact_dtype(dtype)


def _pad_by_function(x: Any, widths: list[tuple[int, int]], mode: Any, kwargs: Any) -> Any:
    padded = _pad_constant(x, widths, 0)
    for axis, pair in enumerate(widths):
        rest = [i for i in range(padded.ndim) if i != axis]
        order = [*rest, axis]
        moved = P.transpose(padded, permutation=tuple(order))
        rows = reshaped(moved, (-1, moved.shape[-1]))
        done = [array(mode(rows[i], pair, axis, kwargs), "numpy.pad") for i in range(rows.shape[0])]
        if any(d.shape != rows.shape[1:] for d in done):
            raise FxValueError(
                "numpy.pad: arrays are immutable, so a mode function must return the padded vector."
            )
        if done:
            joined = P.concatenate(*[reshaped(d, (1, -1)) for d in done], dimension=0)
            moved = reshaped(joined, moved.shape)
        back = tuple(int(i) for i in np.argsort(order))
        padded = P.transpose(moved, permutation=back)
    return padded


# ------------------------------------------------------------------ rolling
@public
def roll(a: Any, shift: Any, axis: Any = None) -> Array:
    """Move elements along axes; those that leave at one end enter at the other.

    Args:
        a: array.
        shift: how far, a number or one for each axis; may be traced.
        axis: along which; the flattened array by default.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.roll(jnp.array([1, 2, 3]), 1)
        Array([3, 1, 2], dtype=int32)
    """
    x = array(a, "numpy.roll")
    if axis is None:
        return reshaped(_rolled(reshaped(x, (-1,)), shift, 0), x.shape)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = [one_axis(i, x.ndim, "numpy.roll") for i in axes]
    if isinstance(shift, (tuple, list)):
        shifts = list(shift)
    elif np.ndim(shift) == 1 if not isinstance(shift, Array) else shift.ndim == 1:
        shifts = [shift[i] for i in range(shift.shape[0])]
    else:
        shifts = [shift] * len(places)
    if len(shifts) == 1:
        shifts = shifts * len(places)
    if len(shifts) != len(places):
        raise FxValueError(f"numpy.roll: got {len(shifts)} shifts for {len(places)} axes.")
    for amount, place in zip(shifts, places, strict=True):
        x = _rolled(x, amount, place)
    return x


def _rolled(x: Any, shift: Any, axis: int) -> Any:
    n = x.shape[axis]
    if not n:
        return x
    try:
        amount = integer(shift, "numpy.roll", "shift") % n
    except TracerIntegerConversionError:
        return _rolled_by_traced(x, shift, axis)
    if not amount:
        return x
    return P.concatenate(
        cut(x, axis, n - amount, None), cut(x, axis, 0, n - amount), dimension=axis
    )


def _rolled_by_traced(x: Any, shift: Any, axis: int) -> Any:
    n = x.shape[axis]
    if not dtypes.is_integer(shift.dtype) or shift.ndim:
        raise FxTypeError(f"numpy.roll: shift must be an integer, got {shift.aval.short()}.")
    start = P.rem(shift, lit(shift, n))
    start = P.sub(lit(start, n), P.add(start, lit(start, n)))  # in (-n, n]: n - shift mod n
    start = P.rem(P.add(start, lit(start, 2 * n)), lit(start, n))
    zero = lit(start, 0)
    starts = [start if i == axis else zero for i in range(x.ndim)]
    twice = P.concatenate(x, x, dimension=axis)
    return P.dynamic_slice(twice, *starts, slice_sizes=x.shape)


# ------------------------------------------------------------------ insertion and deletion
def _flat_if_none(arr: Any, axis: int | None, name: str) -> tuple[Any, int]:
    x = make_array(arr, None, name)
    if axis is None:
        return reshaped(x, (-1,)), 0
    return x, one_axis(axis, x.ndim, name)


def _positions(obj: Any, n: int, limit: int, name: str) -> np.ndarray:
    """Concrete positions in [0, limit) from an integer, slice, sequence or mask."""
    if isinstance(obj, slice):
        if obj.step == 0:
            raise FxValueError(f"{name}: the step of a slice must not be zero.")
        return np.arange(*obj.indices(n))
    index = np.asarray(make_array(obj, None, name))
    if index.dtype == np.bool_:
        if index.shape != (n,):
            raise ShapeError(f"{name}: a mask must have shape ({n},), got {index.shape}.")
        return np.flatnonzero(index)
    if index.size and not dtypes.is_integer(index.dtype):
        raise FxTypeError(f"{name}: positions must be integers, got {index.dtype}.")
    index = index.reshape(-1).astype(np.int64)
    index = np.where(index < 0, index + n, index)
    if ((index < 0) | (index >= limit)).any():
        raise FxIndexError(f"{name}: a position is out of range for an axis of size {n}.")
    return index


@public
def delete(
    arr: Any, obj: Any, axis: int | None = None, *, assume_unique_indices: bool = False
) -> Array:
    """An array without the slices at some positions.

    Args:
        arr: array.
        obj: an integer, slice, array of integers, or mask; its values must be known.
        axis: along which; the flattened array by default.
        assume_unique_indices: accepted.

    Raises:
        FxIndexError: a position is out of range.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.delete(jnp.array([10, 20, 30]), 1)
        Array([10, 30], dtype=int32)
    """
    x, place = _flat_if_none(arr, axis, "numpy.delete")
    n = x.shape[place]
    kept = np.delete(np.arange(n, dtype=np.int32), _positions(obj, n, n, "numpy.delete"))
    return x[(slice(None),) * place + (Array(kept),)]


@public
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Array:
    """An array with slices put in before some positions.

    Args:
        arr: array.
        obj: an integer, slice, array of integers, or mask; its values must be known.
        values: what to put in; broadcasts.
        axis: along which; the flattened array by default.

    Raises:
        FxIndexError: a position is out of range.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.insert(jnp.array([10, 30]), 1, 20)
        Array([10, 20, 30], dtype=int32)
    """
    x, place = _flat_if_none(arr, axis, "numpy.insert")
    n = x.shape[place]
    new = convert(make_array(values, None, "numpy.insert"), x.dtype)
    index = _positions(obj, n, n + 1, "numpy.insert")
    scalar = (
        not isinstance(obj, slice)
        and np.ndim(obj if not isinstance(obj, Array) else np.asarray(obj)) == 0
    )
    if scalar:
        # As in NumPy, one position takes all of the values: their first axis is the axis.
        new = P.reshape(new, new_sizes=(1,) * (x.ndim - new.ndim) + new.shape)
        if axis is not None and array(values, "numpy.insert").ndim:
            order = list(range(1, new.ndim))
            order.insert(place, 0)
            new = P.transpose(new, permutation=tuple(order))
        count = new.shape[place]
        index = np.repeat(index, count)
    else:
        count = index.size
        if new.ndim and new.ndim < x.ndim:
            new = P.reshape(new, new_sizes=(1,) * (x.ndim - new.ndim) + new.shape)
    new = expand_to(new, x.shape[:place] + (count,) + x.shape[place + 1 :])
    order_ = np.argsort(index, kind="stable")
    target = np.empty(count, np.int64)
    target[order_] = index[order_] + np.arange(count)
    source = np.empty(n + count, np.int32)
    old = np.ones(n + count, bool)
    old[target] = False
    source[old] = np.arange(n)
    source[target] = n + np.arange(count)
    both = P.concatenate(x, new, dimension=place)
    return both[(slice(None),) * place + (Array(source),)]


@public
def resize(a: Any, new_shape: Any) -> Array:
    """The elements, repeated or cut off, in another shape.

    Args:
        a: array.
        new_shape: sizes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.resize(jnp.array([1, 2, 3]), (2, 2))
        Array([[1, 2],
               [3, 1]], dtype=int32)
    """
    x = reshaped(array(a, "numpy.resize"), (-1,))
    shape = a_shape(new_shape, "numpy.resize")
    if any(n < 0 for n in shape):
        raise FxValueError(f"numpy.resize: sizes must not be negative, got {shape}.")
    size = math.prod(shape)
    if not x.size or not size:
        return P.broadcast_in_dim(lit(x, 0), shape=shape, broadcast_dimensions=())
    times = -(-size // x.size)
    flat = x
    if times > 1:
        rows = P.broadcast_in_dim(x, shape=(times, x.size), broadcast_dimensions=(1,))
        flat = P.reshape(rows, new_sizes=(times * x.size,))
    return P.reshape(cut(flat, 0, 0, size), new_sizes=shape)


@public
def trim_zeros(filt: Any, trim: str = "fb", axis: int | None = None) -> Array:
    """A vector without the zeros at its ends.

    Args:
        filt: vector; its values must be known.
        trim: "f": at the front, "b": at the back, "fb": both.
        axis: accepted for vectors.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.trim_zeros(jnp.array([0, 1, 0, 2, 0]))
        Array([1, 0, 2], dtype=int32)
    """
    x = make_array(filt, None, "numpy.trim_zeros")
    if x.ndim != 1:
        raise ShapeError(f"numpy.trim_zeros expects a vector, got {x.aval.short()}.")
    places = np.flatnonzero(np.asarray(x))
    if not places.size:
        return cut(x, 0, 0, 0)
    start = int(places[0]) if "f" in trim.lower() else 0
    stop = int(places[-1]) + 1 if "b" in trim.lower() else x.shape[0]
    return cut(x, 0, start, stop)


# ------------------------------------------------------------------ bits of bytes
@public
def packbits(a: Any, axis: int | None = None, bitorder: str = "big") -> Array:
    """Eight truth values in each byte.

    Args:
        a: bool or integer array; what is not zero is a set bit.
        axis: along which; the flattened array by default.
        bitorder: "big": the first value is the highest bit; "little": the lowest.

    Returns:
        uint8 Array; the last byte is filled with zeros.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.packbits(jnp.array([1, 0, 1]))
        Array([160], dtype=uint8)
    """
    x, place = _flat_if_none(array(a, "numpy.packbits"), axis, "numpy.packbits")
    if not (dtypes.is_integer(x.dtype) or x.dtype == np.bool_):
        raise FxTypeError(f"numpy.packbits expects bools or integers, got {x.aval.short()}.")
    weights = _bit_weights(bitorder)
    bits = convert(P.ne(x, lit(x, 0)), np.dtype(np.uint8))
    extra = -x.shape[place] % 8
    config = tuple((0, extra if i == place else 0, 0) for i in range(x.ndim))
    bits = P.pad(bits, lit(bits, 0), padding_config=config)
    n = bits.shape[place] // 8
    grouped = reshaped(bits, bits.shape[:place] + (n, 8) + bits.shape[place + 1 :])
    factors = P.broadcast_in_dim(
        Array(weights), shape=grouped.shape, broadcast_dimensions=(place + 1,)
    )
    return P.reduce_sum(P.mul(grouped, factors), axes=(place + 1,))


def _bit_weights(bitorder: str) -> np.ndarray:
    if bitorder not in ("big", "little"):
        raise FxValueError(f"bitorder must be 'big' or 'little', got {bitorder!r}.")
    weights = 2 ** np.arange(8)
    return (weights[::-1] if bitorder == "big" else weights).astype(np.uint8)


@public
def unpackbits(
    a: Any, axis: int | None = None, count: int | None = None, bitorder: str = "big"
) -> Array:
    """The bits of bytes.

    Args:
        a: uint8 array.
        axis: along which; the flattened array by default.
        count: how many bits to return; negative ones leave out as many at the end.
        bitorder: as in `packbits`.

    Returns:
        uint8 Array of zeros and ones.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.unpackbits(jnp.array([160], dtype=jnp.uint8), count=3)
        Array([1, 0, 1], dtype=uint8)
    """
    x, place = _flat_if_none(array(a, "numpy.unpackbits"), axis, "numpy.unpackbits")
    if x.dtype != np.uint8:
        raise FxTypeError(f"numpy.unpackbits expects uint8, got {x.aval.short()}.")
    n = x.shape[place]
    full = x.shape[: place + 1] + (8,) + x.shape[place + 1 :]
    kept = tuple(i for i in range(len(full)) if i != place + 1)
    spread = P.broadcast_in_dim(x, shape=full, broadcast_dimensions=kept)
    masks = P.broadcast_in_dim(
        Array(_bit_weights(bitorder)), shape=full, broadcast_dimensions=(place + 1,)
    )
    bits = convert(P.ne(P.table["and"](spread, masks), lit(x, 0)), np.dtype(np.uint8))
    bits = reshaped(bits, x.shape[:place] + (8 * n,) + x.shape[place + 1 :])
    if count is None:
        return bits
    if count > 8 * n:
        config = tuple((0, count - 8 * n if i == place else 0, 0) for i in range(x.ndim))
        return P.pad(bits, lit(bits, 0), padding_config=config)
    return cut(bits, place, 0, count)
