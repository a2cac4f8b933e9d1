"""Threefry-2x32: random bits as a pure function of a key and a 64-bit counter.

The generator is a block cipher of 20 rounds on pairs of 32-bit words, so every output word can be
computed alone, in any order and on any device. Source: Salmon, Moraes, Dror and Shaw, "Parallel
random numbers: as easy as 1, 2, 3", SC 2011. Counters are used as JAX uses them with
``jax_threefry_partitionable=True``: element ``i`` of an array enciphers the counter ``i``, its high
word first. All results therefore equal those of ``jax.random`` bit for bit.

A key is a ``uint32`` array of shape ``(2,)``; every function also takes a batch of keys of shape
``(*B, 2)``. Arrays are made a cache-sized block at a time: a round is five sweeps over two words
and one temporary, which are worth their arithmetic only while all three stay in the cache.
"""

import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # an ndarray of the array module that the caller passes as `xp`

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA  # the constant of the key schedule, from the Skein hash function
# Elements enciphered together. On a CPU the three buffers (768 KiB) should fit in the L2 cache;
# elsewhere a block is a kernel launch, so it is large. Both divide 2**32, so that no block
# straddles a change of the counter's high word.
_BLOCK_CPU = 1 << 16
_BLOCK_OTHER = 1 << 24
# Up to so many elements (a key that is split, say) Python's integers are faster than the hundred
# NumPy calls of a block.
_FEW = 8
_WORD = 0xFFFFFFFF


def threefry2x32(xp: ModuleType, k0: Array, k1: Array, x0: Array, x1: Array) -> tuple[Array, Array]:
    """Encipher the counters ``(x0, x1)`` with the keys ``(k0, k1)``.

    Args:
      xp: the array module, such as ``numpy``.
      k0, k1, x0, x1: ``uint32`` arrays whose shapes broadcast.

    Returns:
      Two ``uint32`` arrays of the broadcast shape.

    Example:
      >>> zero = np.uint32(0)
      >>> [f"{int(w):08x}" for w in threefry2x32(np, zero, zero, zero, zero)]
      ['6b200159', '99ba4efe']
    """
    shape = np.broadcast_shapes(*(np.shape(a) for a in (k0, k1, x0, x1)))
    words = [xp.empty(shape or (1,), xp.uint32) for _ in range(3)]
    words[0][...] = x0
    words[1][...] = x1
    _encipher(xp, xp.atleast_1d(k0), xp.atleast_1d(k1), *words)
    return words[0].reshape(shape), words[1].reshape(shape)


def seed(xp: ModuleType, value: int | Array) -> Array:
    """Make keys from integers.

    The 64 bits of a seed, two's complement, are the key, high word first. A seed whose type has at
    most 32 bits has a high word of zero, also when it is negative. A Python integer is taken as a
    32-bit one where it fits in ``int32`` or ``uint32``, which is what JAX does by default.

    Args:
      value: a Python integer in ``[-2**63, 2**64)``, or an integer array of any shape ``B``.

    Returns:
      A ``uint32`` array of shape ``(*B, 2)``.

    Raises:
      OverflowError: a Python integer needs more than 64 bits.

    Example:
      >>> seed(np, 2**32 + 7).tolist(), seed(np, -1).tolist()
      ([1, 7], [0, 4294967295])
    """
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise OverflowError(
                f"seed: a seed has at most 64 bits, got {value}; reduce it modulo 2**64"
            )
        is_short = -(1 << 31) <= value < 1 << 32
        high = 0 if is_short else (value >> 32) & _WORD
        return xp.asarray([high, value & _WORD], dtype=xp.uint32)
    bits = xp.asarray(value)
    key = xp.zeros((*bits.shape, 2), xp.uint32)
    key[..., 1] = bits.astype(xp.uint32)
    if bits.dtype.itemsize == 8:
        key[..., 0] = (bits >> 32).astype(xp.uint32)
    return key


def split(xp: ModuleType, key: Array, shape: tuple[int, ...]) -> Array:
    """Derive ``prod(shape)`` new keys from each key.

    Args:
      key: ``uint32`` of shape ``(*B, 2)``.
      shape: the shape of the new keys of one key.

    Returns:
      ``uint32`` keys of shape ``(*B, *shape, 2)``. New key ``i`` enciphers the counter ``i``, so
      the first keys do not depend on how many are asked for.

    Example:
      >>> split(np, seed(np, 0), (2,)).tolist()
      [[1797259609, 2579123966], [928981903, 3453687069]]
    """
    out = xp.empty((*key.shape[:-1], *shape, 2), xp.uint32)

    def store(block: Array, x0: Array, x1: Array) -> None:
        block[..., 0] = x0
        block[..., 1] = x1

    _fill(xp, key, out.reshape(_rows(key), math.prod(shape), 2), store)
    return out


def fold_in(xp: ModuleType, key: Array, data: int | Array) -> Array:
    """Derive from each key the new key that belongs to an integer.

    Args:
      key: ``uint32`` of shape ``(*B, 2)``.
      data: an integer in ``[0, 2**32)``, or an integer array whose shape broadcasts with ``B``;
        wider or negative elements of an array count modulo ``2**32``.

    Returns:
      ``uint32`` keys of the broadcast shape and a last axis of 2.

    Raises:
      OverflowError: a Python integer is out of range.

    Example:
      >>> fold_in(np, seed(np, 0), 1).tolist()
      [928981903, 3453687069]
    """
    if isinstance(data, int) and not 0 <= data < 1 << 32:
        raise OverflowError(
            f"fold_in: data must be in [0, 2**32), got {data}; reduce it modulo 2**32"
        )
    low = xp.asarray(data).astype(xp.uint32)
    if xp is np and key.size == 2 and low.size == 1:
        k0, k1 = key.reshape(2).tolist()
        pair = _encipher_one(k0, k1, low.item())
        shape = np.broadcast_shapes(key.shape[:-1], low.shape)
        return np.array(pair, np.uint32).reshape(*shape, 2)
    return xp.stack(threefry2x32(xp, key[..., 0], key[..., 1], xp.zeros_like(low), low), axis=-1)


def random_bits(xp: ModuleType, key: Array, bit_width: int, shape: tuple[int, ...]) -> Array:
    """Draw uniformly distributed unsigned integers.

    Args:
      key: ``uint32`` of shape ``(*B, 2)``.
      bit_width: 8, 16, 32 or 64.
      shape: the shape drawn for one key.

    Returns:
      An array of unsigned integers of that width, of shape ``(*B, *shape)``: what each key alone
      would draw, stacked.

    Raises:
      ValueError: there are no integers of that width.

    Example:
      >>> random_bits(np, seed(np, 0), 8, (4,)).tolist()
      [167, 146, 40, 53]
    """
    if bit_width not in (8, 16, 32, 64):
        raise ValueError(f"random_bits: bit_width must be 8, 16, 32 or 64, got {bit_width}")
    out = xp.empty((*key.shape[:-1], *shape), f"uint{bit_width}")

    def store_word(block: Array, x0: Array, x1: Array) -> None:
        xp.bitwise_xor(x0, x1, out=x0)
        block[...] = x0  # keeps the low bits

    def store_pair(block: Array, x0: Array, x1: Array) -> None:
        xp.left_shift(x0, 32, out=block, dtype=xp.uint64)
        xp.bitwise_or(block, x1, out=block)

    flat = out.reshape(_rows(key), math.prod(shape))
    _fill(xp, key, flat, store_pair if bit_width == 64 else store_word)
    return out


def _rows(key: Array) -> int:
    return math.prod(key.shape[:-1])


def _fill(
    xp: ModuleType, key: Array, out: Array, store: Callable[[Array, Array, Array], None]
) -> None:
    """Encipher the counter ``j`` with key ``i`` and ``store`` it in ``out[i, j]``, by blocks."""
    rows, columns = out.shape[:2]
    if rows == 0 or columns == 0:
        return
    if xp is np and rows * columns <= _FEW:
        pairs = key.reshape(rows, 2).tolist()
        words = [_encipher_one(a, b, j) for a, b in pairs for j in range(columns)]
        x0, x1 = np.array(words, np.uint32).T.reshape(2, rows, columns)
        store(out, x0, x1)
        return
    k0 = xp.ascontiguousarray(key[..., 0]).reshape(rows, 1)
    k1 = xp.ascontiguousarray(key[..., 1]).reshape(rows, 1)
    block = _BLOCK_CPU if xp is np else _BLOCK_OTHER
    width = min(columns, block)
    height = min(rows, max(1, block // width))
    counter = xp.arange(width, dtype=xp.uint32)
    buffers = [xp.empty((height, width), xp.uint32) for _ in range(3)]
    for i, j in _corners(rows, columns, height, width):
        some = (slice(i, i + height), slice(j, j + width))
        target = out[some]
        x0, x1, scratch = (b[: target.shape[0], : target.shape[1]] for b in buffers)
        x0[...] = j >> 32
        xp.add(counter[: target.shape[1]], xp.uint32(j & _WORD), out=x1)
        _encipher(xp, k0[some[0]], k1[some[0]], x0, x1, scratch)
        store(target, x0, x1)


def _corners(rows: int, columns: int, height: int, width: int) -> Iterator[tuple[int, int]]:
    for i in range(0, rows, height):
        for j in range(0, columns, width):
            yield i, j


def _encipher(xp: ModuleType, k0: Array, k1: Array, x0: Array, x1: Array, scratch: Array) -> None:
    """Replace the counters in ``x0`` and ``x1`` by their ciphertext, in place."""
    schedule = (k0, k1, k0 ^ k1 ^ xp.uint32(PARITY))
    xp.add(x0, k0, out=x0)
    xp.add(x1, k1, out=x1)
    for injection in range(1, 6):
        for distance in ROTATIONS[(injection - 1) % 2]:
            xp.add(x0, x1, out=x0)
            xp.left_shift(x1, xp.uint32(distance), out=scratch)
            xp.right_shift(x1, xp.uint32(32 - distance), out=x1)
            xp.bitwise_or(x1, scratch, out=x1)
            xp.bitwise_xor(x1, x0, out=x1)
        xp.add(x0, schedule[injection % 3], out=x0)
        xp.add(x1, schedule[(injection + 1) % 3] + xp.uint32(injection), out=x1)


def _encipher_one(k0: int, k1: int, counter: int) -> tuple[int, int]:
    """What ``_encipher`` does, for one counter of less than 32 bits, in Python's integers."""
    schedule = (k0, k1, k0 ^ k1 ^ PARITY)
    x0, x1 = k0, counter + k1 & _WORD
    for injection in range(1, 6):
        for distance in ROTATIONS[(injection - 1) % 2]:
            x0 = x0 + x1 & _WORD
            x1 = (x1 << distance | x1 >> 32 - distance) & _WORD ^ x0
        x0 = x0 + schedule[injection % 3] & _WORD
        x1 = x1 + schedule[(injection + 1) % 3] + injection & _WORD
    return x0, x1
