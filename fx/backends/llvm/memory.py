"""Memory for large arrays, used again.

A large array that is freed goes back to the operating system, and the next one costs a page fault
for each 4 KB, more than the kernel that fills it. So the memory of large results and of what a
program keeps in between is held for the next array of the same size, up to a limit.
"""

from __future__ import annotations

import functools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

LARGE = 1 << 20  # bytes; smaller arrays are malloc's business, which does keep them
LIMIT = 1 << 29  # bytes held at most, beyond what is in use


class _Pool:
    def __init__(self) -> None:
        self.lock = threading.RLock()  # a collection inside may free an array
        self.free: OrderedDict[int, list[np.ndarray]] = OrderedDict()
        self.held = 0

    def take(self, size: int) -> np.ndarray | None:
        with self.lock:
            blocks = self.free.get(size)
            if not blocks:
                return None
            self.held -= size
            return blocks.pop()

    def give(self, block: np.ndarray) -> None:
        size = block.nbytes
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

    def __init__(self, block: np.ndarray, shape: tuple[int, ...], dtype: np.dtype):
        self.block = block
        self.__array_interface__ = {
            "data": (block.ctypes.data, False),
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
        block = np.empty(size, np.uint8)
    out = np.asarray(_Owner(block, shape, dtype))
    return out if dtype.names is None else out.view(dtype)  # random keys


def maker(shape: tuple[int, ...], dtype: np.dtype) -> Callable[[], np.ndarray]:
    """`empty` for a type that is asked for again and again."""
    large = math.prod(shape) * dtype.itemsize >= LARGE
    return functools.partial(empty if large else np.empty, shape, dtype)
