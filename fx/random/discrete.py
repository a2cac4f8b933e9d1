"""Choices among finitely many things: permutations, samples, categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P, lit
from fx.core.trace import Tracer
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.lax.arguments import broadcast, canonical_axis, integer
from fx.lax.creation import iota
from fx.lax.indexing import index_take
from fx.random.arguments import (
    ArrayLike,
    draw_bits,
    draw_unit,
    inexact,
    sample_shape,
    single_key,
    split_key,
)
from fx.random.continuous import draw_gumbel
from fx.random.uniforms import randint


@public
def permutation(
    key: ArrayLike, x: int | ArrayLike, axis: int = 0, independent: bool = False
) -> Array:
    """An array with its slices along an axis in random order.

    Args:
        key: a random key.
        x: an array; or an integer n for the numbers 0 ... n - 1.
        axis: along which to permute.
        independent: whether each vector along the axis gets an order of its own.

    Returns:
        An array like x.

    Raises:
        FxTypeError: x has no axes and is not an integer; not a key.

    Source: sorting by random words, repeated until ties are improbable (Tjablin, in
    tensorflow/compiler/tf2xla/random_ops.cc).

    Example:
        >>> import fx
        >>> fx.random.permutation(fx.random.key(0), 5)
        Array([0, 1, 4, 3, 2], dtype=int32)
    """
    key = single_key("permutation", key)
    array = to_array(x, "random.permutation")
    if not array.shape:
        canonical_axis("random.permutation", axis, 1)
        return _shuffled(key, _range("permutation", x), 0)
    place = canonical_axis("random.permutation", axis, array.ndim)
    if independent or array.ndim == 1:
        return _shuffled(key, array, place)
    order = _shuffled(key, iota(np.int32, array.shape[place]), 0)
    return take(array, order, place)


def _range(name: str, count: Any) -> Array:
    if not dtypes.is_integer(to_array(count).dtype):
        raise FxTypeError(
            f"random.{name} expects an integer or an array with at least one axis, got "
            f"{to_array(count).aval.short()}."
        )
    n = integer(f"random.{name}", "x", count if isinstance(count, (int, Tracer)) else int(count))
    return iota(dtypes.default_int(), n)


def _shuffled(key: Array, x: Array, axis: int) -> Array:
    # Elements whose words tie in every round keep their order; so many rounds make this rare.
    rounds = math.ceil(3 * math.log(max(1, x.size)) / math.log(0xFFFFFFFF))
    for _ in range(rounds):
        key, subkey = split_key(key)
        words = draw_bits(subkey, x.shape)
        _, x = P.sort(words, x, dimension=axis, is_stable=True, num_keys=1)
    return x


def take(x: Array, indices: Array, axis: int) -> Array:
    """Slices of x along an axis, at valid positions of any shape."""
    flat = P.reshape(indices, new_sizes=(indices.size,))
    rows = index_take(x, (flat,), (axis,))
    if axis:
        order = (*range(1, axis + 1), 0, *range(axis + 1, x.ndim))
        rows = P.transpose(rows, permutation=order)
    return P.reshape(rows, new_sizes=x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


@public
def choice(
    key: ArrayLike,
    a: int | ArrayLike,
    shape: Sequence[int] = (),
    replace: bool = True,
    p: ArrayLike | None = None,
    axis: int = 0,
    mode: str | None = None,
) -> Array:
    """A random sample of the slices of an array.

    Args:
        key: a random key.
        a: an array; or an integer n for the numbers 0 ... n - 1.
        shape: of the sample.
        replace: whether a slice may be drawn several times.
        p: probabilities of the slices, up to a common factor; equal ones if None.
        axis: along which to draw.
        mode: of `gumbel`, for p without replacement.

    Returns:
        An array of shape `(*a.shape[:axis], *shape, *a.shape[axis + 1:])`.

    Raises:
        FxValueError: nothing to draw from; or more draws than slices without replacement.
        ShapeError: p does not have shape `(a.shape[axis],)`.

    Example:
        >>> import fx
        >>> fx.random.choice(fx.random.key(0), 5, (3,), replace=False)
        Array([0, 1, 4], dtype=int32)
    """
    key = single_key("choice", key)
    if not isinstance(shape, Sequence):
        raise FxTypeError(f"random.choice: shape must be a tuple of integers, got {shape!r}.")
    size = sample_shape("choice", shape)
    array = to_array(a, "random.choice")
    whole = not array.shape
    place = 0 if whole else canonical_axis("random.choice", axis, array.ndim)
    items = _range("choice", a) if whole else array
    count, draws = items.shape[place], math.prod(size)
    full = items.shape[:place] + size + items.shape[place + 1 :]
    if draws == 0:
        empty = Array(np.zeros((), items.dtype))
        return broadcast(empty, full)
    if count == 0:
        raise FxValueError(
            f"random.choice: there is nothing to draw {size} from: axis {place} of a has size 0."
        )
    if not replace and draws > count:
        raise FxValueError(
            f"random.choice cannot draw {draws} of {count} without replacement. Use replace=True."
        )
    if p is None and not replace:
        order = permutation(key, array if not whole else count, place)
        start = (0,) * items.ndim
        stop = (*items.shape[:place], draws, *items.shape[place + 1 :])
        chosen = P.slice(order, start_indices=start, limit_indices=stop, strides=None)
        return P.reshape(chosen, new_sizes=full)
    if p is None:
        index = randint(key, size, 0, count)
    else:
        index = _weighted(key, p, count, size, draws, replace, mode)
    return index if whole else take(array, index, place)


def _weighted(
    key: Array,
    p: Any,
    count: int,
    shape: tuple[int, ...],
    draws: int,
    replace: bool,
    mode: str | None,
) -> Array:
    """Positions drawn with given weights."""
    (weights,) = inexact("choice", p)
    if weights.shape != (count,):
        raise ShapeError(
            f"random.choice: p must have shape ({count},), one probability for each slice of a, "
            f"got {weights.shape}."
        )
    if not replace:
        # Gumbel top-k: Vieira, "Gumbel-max trick and weighted reservoir sampling", 2014.
        noise = draw_gumbel("choice", key, (count,), weights.dtype, mode)
        _, index = P.top_k(P.add(noise, P.portable_log(weights)), k=draws, axis=0)
        return _default_int(P.reshape(index, new_sizes=shape))
    total = prefix_sums(weights)
    last = P.slice(total, start_indices=(count - 1,), limit_indices=(count,), strides=None)
    u = draw_unit(key, shape, weights.dtype)
    target = P.mul(P.reshape(last, new_sizes=()), P.sub(lit(u, 1), u))
    return _default_int(_count_below(total, target))


def _default_int(x: Array) -> Array:
    return P.convert_element_type(x, new_dtype=dtypes.default_int())


_TILE = 16


def prefix_sums(x: Array) -> Array:
    """Cumulative sums of a vector, added up in tiles of 16 as XLA does on CPUs.

    The order of the additions decides the last bits, and with them now and then a sample.
    """
    (n,) = x.shape
    if n <= _TILE:
        return P.cumsum(x, axis=0, reverse=False)
    tiles = -(-n // _TILE)
    zero = lit(x, 0)
    padded = P.pad(x, zero, padding_config=((0, tiles * _TILE - n, 0),))
    inner = P.cumsum(P.reshape(padded, new_sizes=(tiles, _TILE)), axis=1, reverse=False)
    ends = P.slice(inner, start_indices=(0, _TILE - 1), limit_indices=(tiles, _TILE), strides=None)
    before = P.pad(
        prefix_sums(P.reshape(ends, new_sizes=(tiles,))), zero, padding_config=((1, -1, 0),)
    )
    offset = P.broadcast_in_dim(before, shape=inner.shape, broadcast_dimensions=(0,))
    flat = P.reshape(P.add(inner, offset), new_sizes=(tiles * _TILE,))
    return P.slice(flat, start_indices=(0,), limit_indices=(n,), strides=None)


def _count_below(ascending: Array, values: Array) -> Array:
    """How many elements of an ascending vector are below each value, at most all but the last."""
    (n,) = ascending.shape
    count = P.broadcast_in_dim(
        Array(np.zeros((), np.int32)), shape=values.shape, broadcast_dimensions=()
    )
    step = 1 << max(n - 1, 1).bit_length()
    while step := step // 2:
        probe = P.add(count, lit(count, step - 1))
        inside = P.lt(probe, lit(count, n))
        below = P.lt(take(ascending, P.min(probe, lit(count, n - 1)), 0), values)
        go = getattr(P, "and")(inside, below)
        count = P.select_n(go, count, P.add(probe, lit(count, 1)))
    return P.min(count, lit(count, n - 1))


@public
def categorical(
    key: ArrayLike,
    logits: ArrayLike,
    axis: int = -1,
    shape: Sequence[int] | None = None,
    replace: bool = True,
    mode: str | None = None,
) -> Array:
    """Categories drawn with probabilities softmax(logits).

    Args:
        key: a random key.
        logits: log-probabilities, up to a constant along `axis`.
        axis: of the categories.
        shape: of the result, to which the other axes of logits broadcast; theirs if None.
        replace: without replacement, draws along the leading axes that `shape` adds are distinct.
        mode: of `gumbel`.

    Returns:
        Integers of the shape.

    Raises:
        FxTypeError: logits are not floating; not a key.
        FxValueError: more draws than categories without replacement.
        ShapeError: the axes do not broadcast to `shape`.

    Source: the Gumbel-max trick; without replacement Kool, van Hoof and Welling, "Stochastic beams
    and where to find them", ICML 2019.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.random.categorical(fx.random.key(0), jnp.array([0.0, 1.0, 2.0]), shape=(4,))
        Array([1, 1, 2, 1], dtype=int32)
    """
    key = single_key("categorical", key)
    scores = to_array(logits, "random.categorical")
    if not dtypes.is_floating(scores.dtype):
        raise FxTypeError(
            f"random.categorical: logits must be floating, got {scores.aval.short()}. They are "
            "log-probabilities: use jnp.log(p)."
        )
    place = canonical_axis("random.categorical", axis, scores.ndim)
    batch = scores.shape[:place] + scores.shape[place + 1 :]
    size = sample_shape("categorical", shape, batch)
    prefix, own = size[: len(size) - len(batch)], size[len(size) - len(batch) :]
    if replace:
        full = (*prefix, *own[:place], scores.shape[place], *own[place:])
        noise = draw_gumbel("categorical", key, full, scores.dtype, mode)
        total = P.add(noise, broadcast(scores, full))
        found = P.argmax(total, axes=(len(prefix) + place,), index_dtype=dtypes.default_int())
        return found
    draws = math.prod(prefix)
    if draws > scores.shape[place]:
        raise FxValueError(
            f"random.categorical cannot draw {draws} of {scores.shape[place]} categories without "
            "replacement."
        )
    noise = draw_gumbel("categorical", key, scores.shape, scores.dtype, mode)
    _, index = P.top_k(P.add(scores, noise), k=draws, axis=place)
    order = (place, *(i for i in range(scores.ndim) if i != place))
    index = P.reshape(P.transpose(index, permutation=order), new_sizes=(*prefix, *batch))
    return broadcast(index, size)
