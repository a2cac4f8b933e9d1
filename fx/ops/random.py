"""Random keys and random bits: primitives over arrays of keys.

A key is one element of the structured dtype `fx.dtypes.key_dtype`, two 32-bit words, so that
arrays of keys are reshaped, indexed, joined and mapped like any array. Bits are a pure function
of a key and a counter (`fx.ops.numerics.threefry`). An operation on an array of keys of shape B
is the stack of what each key gives alone, so a batch axis of keys is an axis of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.config import config
from fx.core.avals import ShapedArray
from fx.core.primitive import Primitive
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.ops.base import Elementwise, align, check_domain, move_axis
from fx.ops.key_reuse import consume, renew
from fx.ops.numerics import threefry
from fx.ops.shape import check_sizes

_UINT32 = np.dtype(np.uint32)


def words(keys: Any) -> Any:
    """The uint32[..., 2] view of a raw array of keys."""
    return keys[..., None].view(_UINT32)


def from_words(xp: Any, data: Any) -> Any:
    """The array of keys that views a raw uint32[..., 2] array."""
    return xp.ascontiguousarray(data).view(dtypes.key_dtype)[..., 0]


# ------------------------------------------------------------------ lowering
def _repeated(graph: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """Each element of `x` along the further axes of a shape."""
    return graph.view(x, shape, range(len(x.shape)))


def _enciphered(graph: Any, keys: Any, shape: tuple[int, ...]) -> Any:
    """For each key, the counters 0, 1, ... of an array of `shape` enciphered with it."""
    full = (*keys.shape, *shape)
    strides = [0] * len(full)
    count = 1
    for axis in reversed(range(len(keys.shape), len(full))):
        strides[axis] = count
        count *= full[axis]
    if count <= 1 << 32:
        high, low = graph.constant(np.uint32(0)), graph.index(full, strides, np.uint32)
    else:
        whole = graph.index(full, strides, np.uint64)
        top = graph.map("shift_right_logical", whole, graph.constant(np.uint64(32)))
        high, low = (graph.map("convert", x, dtype=np.uint32) for x in (top, whole))
    counters = graph.map("pair", high, low, dtype=dtypes.key_dtype)
    return graph.map("threefry", _repeated(graph, keys, full), counters)


def _words(graph: Any, keys: Any) -> list[Any]:
    return [graph.map(f"{which}_word", keys, dtype=np.uint32) for which in ("first", "second")]


class KeyPrimitive(Primitive):
    """An operation on an array of keys; further axes of the result follow those of the keys.

    Attributes:
        uses: whether it uses up the keys in its first operand.
        makes: whether its results are new keys.
    """

    uses = False
    makes = False

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if not config.debug_key_reuse:
            out = super().eager(args, params)
            if self.makes:  # free while nothing is marked
                renew(words(out._data))
            return out
        if self.uses and dtypes.is_key(args[0].dtype):
            consume(words(args[0]._data), self.name)
        out = super().eager(args, params)
        if self.makes:
            renew(words(out._data))
        return out

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        return self.bind(*args, **params), dims[0]


class RandomSeed(KeyPrimitive):
    """Keys from integers: the 64 bits of each, or 32 and zeros."""

    name = "random_seed"
    makes = True

    def abstract_eval(self, seeds: ShapedArray) -> ShapedArray:
        check_domain(self.name, seeds.dtype, "i")
        return ShapedArray(seeds.shape, dtypes.key_dtype)

    def impl(self, xp: Any, seeds: Any) -> Any:
        return from_words(xp, threefry.seed(xp, seeds))

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        (seeds,) = args
        high = graph.constant(np.uint32(0))
        if seeds.dtype.itemsize == 8:
            bits = graph.constant(seeds.dtype.type(32))
            top = graph.map("shift_right_logical", seeds, bits)
            high = graph.map("convert", top, dtype=np.uint32)
        low = graph.map("convert", seeds, dtype=np.uint32)
        return graph.map("pair", high, low, dtype=dtypes.key_dtype)


class RandomSplit(KeyPrimitive):
    """New keys of shape `shape` from each key."""

    name = "random_split"
    uses = True
    makes = True

    def abstract_eval(self, keys: ShapedArray, *, shape: tuple[int, ...]) -> ShapedArray:
        check_domain(self.name, keys.dtype, "k")
        check_sizes(self.name, shape)
        return ShapedArray(keys.shape + shape, dtypes.key_dtype)

    def impl(self, xp: Any, keys: Any, *, shape: tuple[int, ...]) -> Any:
        return from_words(xp, threefry.split(xp, words(keys), shape))

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, shape: tuple[int, ...]) -> Any:
        return _enciphered(graph, args[0], shape)


class RandomFoldIn(KeyPrimitive):
    """A new key from each key and a uint32; shapes are equal, or one is ()."""

    name = "random_fold_in"
    makes = True

    def abstract_eval(self, keys: ShapedArray, data: ShapedArray) -> ShapedArray:
        check_domain(self.name, keys.dtype, "k")
        if data.dtype != _UINT32:
            raise FxTypeError(
                f"random_fold_in expects data of dtype u32, got {data.short()}. Convert it with "
                "x.astype('uint32')."
            )
        if keys.shape and data.shape and keys.shape != data.shape:
            raise ShapeError(
                f"random_fold_in expects keys and data of equal shapes (or scalars), got "
                f"{keys.shape} and {data.shape}. Broadcast first."
            )
        return ShapedArray(keys.shape or data.shape, dtypes.key_dtype)

    def impl(self, xp: Any, keys: Any, data: Any) -> Any:
        return from_words(xp, threefry.fold_in(xp, words(keys), data))

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        keys, data = args
        zero = graph.constant(np.uint32(0))
        counters = graph.map("pair", zero, data, dtype=dtypes.key_dtype)
        return graph.map("threefry", keys, counters)

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        operands, dim = align(args, dims, axis.size)
        return self.bind(*operands), dim


class RandomBits(KeyPrimitive):
    """Unsigned integers of `bit_width` bits, of shape `shape` for each key."""

    name = "random_bits"
    uses = True

    def abstract_eval(
        self, keys: ShapedArray, *, bit_width: int, shape: tuple[int, ...]
    ) -> ShapedArray:
        check_domain(self.name, keys.dtype, "k")
        check_sizes(self.name, shape)
        if bit_width not in (8, 16, 32, 64):
            raise FxValueError(
                f"random_bits expects a bit_width of 8, 16, 32 or 64, got {bit_width}."
            )
        return ShapedArray(keys.shape + shape, np.dtype(f"uint{bit_width}"))

    def impl(self, xp: Any, keys: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
        return threefry.random_bits(xp, words(keys), bit_width, shape)

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        bit_width: int,
        shape: tuple[int, ...],
    ) -> Any:
        first, second = _words(graph, _enciphered(graph, args[0], shape))
        if bit_width == 64:
            high, low = (graph.map("convert", x, dtype=np.uint64) for x in (first, second))
            shifted = graph.map("shift_left", high, graph.constant(np.uint64(32)))
            return graph.map("or", shifted, low)
        word = graph.map("xor", first, second)
        return word if bit_width == 32 else graph.map("convert", word, dtype=out.dtype)


class RandomWrap(KeyPrimitive):
    """Keys from their words, uint32[..., 2]."""

    name = "random_wrap"

    def abstract_eval(self, data: ShapedArray) -> ShapedArray:
        if data.dtype != _UINT32:
            raise FxTypeError(
                f"key data must have dtype uint32, got {data.short()}. Make keys with "
                "fx.random.key(seed)."
            )
        if data.shape[-1:] != (2,):
            raise ShapeError(
                f"key data must have shape (..., 2), two words a key, got {data.shape}. Make "
                "keys with fx.random.key(seed)."
            )
        return ShapedArray(data.shape[:-1], dtypes.key_dtype)

    def impl(self, xp: Any, data: Any) -> Any:
        return from_words(xp, data)

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        (data,), n = args, len(out.shape)
        axes, steps = (*range(n), None), (1,) * (n + 1)
        parts = [graph.view(data, out.shape, axes, steps, (*(0,) * n, i)) for i in (0, 1)]
        return graph.map("pair", *parts, dtype=dtypes.key_dtype)

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        return self.bind(move_axis(args[0], dims[0], 0)), 0


class RandomUnwrap(KeyPrimitive):
    """The words of keys, uint32[..., 2]."""

    name = "random_unwrap"

    def abstract_eval(self, keys: ShapedArray) -> ShapedArray:
        check_domain(self.name, keys.dtype, "k")
        return ShapedArray((*keys.shape, 2), _UINT32)

    def impl(self, xp: Any, keys: Any) -> Any:
        return words(keys)

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        (keys,) = args
        which = graph.iota(out.shape, len(keys.shape), np.uint32)
        second = graph.map("eq", which, graph.constant(np.uint32(1)))
        return graph.map("select", second, *_words(graph, _repeated(graph, keys, out.shape)))


class RandomClone(KeyPrimitive):
    """The same keys, which may be used again."""

    name = "random_clone"
    makes = True

    def abstract_eval(self, keys: ShapedArray) -> ShapedArray:
        check_domain(self.name, keys.dtype, "k")
        return keys

    def impl(self, xp: Any, keys: Any) -> Any:
        return keys

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        return args[0]


class Threefry(Elementwise):
    """Encipher pairs of words: (key0, key1, x0, x1), all uint32, to two words."""

    name = "threefry2x32"
    multiple_results = True
    kinds = "i"

    def abstract_eval(self, *avals: ShapedArray, **params: Any) -> Any:
        if any(a.dtype != _UINT32 for a in avals):
            got = ", ".join(a.short() for a in avals)
            raise FxTypeError(f"threefry2x32 expects four operands of dtype u32, got {got}.")
        out = super().abstract_eval(*avals).strong()
        return [out, out]

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        return super(Elementwise, self).eager(args, params)

    def impl(self, xp: Any, k0: Any, k1: Any, x0: Any, x1: Any) -> Any:
        return threefry.threefry2x32(xp, k0, k1, x0, x1)

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        key, counter = (graph.map("pair", *args[i : i + 2], dtype=dtypes.key_dtype) for i in (0, 2))
        return _words(graph, graph.map("threefry", key, counter))

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        outs, dim = super().batch(axis, args, dims)
        return outs, [dim, dim]


RandomSeed()
RandomSplit()
RandomFoldIn()
RandomBits()
RandomWrap()
RandomUnwrap()
RandomClone()
Threefry()
