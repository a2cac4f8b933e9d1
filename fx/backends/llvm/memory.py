"""Memory for large arrays, used again.

A large array that is freed goes back to the operating system, and the next one costs a page fault
for each 4 KB, more than the kernel that fills it. So the memory of large results and of what a
program keeps in between is held for the next array of the same size, up to a limit.
"""

from __future__ import annotations

import functools
import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

LARGE = 1 << 20  # bytes; smaller arrays are malloc's business, which does keep them
LIMIT = 1 << 29  # bytes held at most, beyond what is in use


_LINE, _PAGE, _HUGE = 64, 1 << 12, 1 << 21  # of the cache; of memory, and what few faults fill
_numbers = itertools.count()


class _Block:
    """Memory, and where it is: at the beginning of a line, so that no vector is on two.

    Each block begins at another line of a page. Else what is at the same index of several arrays
    would be in the same few places of the cache, and a load might wait for a store elsewhere.
    """

    __slots__ = ("address", "memory", "size")

    def __init__(self, size: int):
        unit = _HUGE if size >= 2 * _HUGE else _PAGE
        self.memory = np.empty(size + unit + _PAGE, np.uint8)
        self.size = size
        start = self.memory.ctypes.data
        self.address: int = start + -start % unit + 3 * _LINE * next(_numbers) % _PAGE


class _Pool:
    def __init__(self) -> None:
        self.lock = threading.RLock()  # a collection inside may free an array
        self.free: OrderedDict[int, list[_Block]] = OrderedDict()
        self.held = 0

    def take(self, size: int) -> _Block | None:
        with self.lock:
            blocks = self.free.get(size)
            if not blocks:
                return None
            self.held -= size
            return blocks.pop()

    def give(self, block: _Block) -> None:
        size = block.size
        with self.lock:
            self.free.setdefault(size, []).append(block)
            self.free.move_to_end(size)
            self.held += size
            while self.held > LIMIT:  # the sizes not used for longest go first
                oldest = next(iter(self.free))
                if self.free[oldest]:
                    self.free[oldest].pop()
                    self.held -= oldest
                else:
                    del self.free[oldest]


_pool = _Pool()


class _Owner:
    """Keeps a block while an array uses it, then gives it back."""

    __slots__ = ("__array_interface__", "block")

    is_fx_memory = True  # nothing but arrays of fx has it

    def __init__(self, block: _Block, shape: tuple[int, ...], dtype: np.dtype):
        self.block = block
        self.__array_interface__ = {
            "data": (block.address, False),
            "shape": shape,
            "typestr": dtype.str,
            "version": 3,
        }

    def __del__(self, give: Any = _pool.give) -> None:  # bound here: globals go before objects do
        give(self.block)


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialized array in row-major order."""
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    block = _pool.take(size)
    if block is None:
        block = _Block(size)
    out = np.asarray(_Owner(block, shape, dtype))
    return out if out.dtype is dtype else out.view(dtype)  # what NumPy has no letters for


def maker(shape: tuple[int, ...], dtype: np.dtype) -> Callable[[], np.ndarray]:
    """`empty` for a type that is asked for again and again."""
    large = math.prod(shape) * dtype.itemsize >= LARGE
    return functools.partial(empty if large else np.empty, shape, dtype)
