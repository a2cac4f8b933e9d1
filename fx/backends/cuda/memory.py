"""Arrays in a machine's memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fx.core.remote import Remote


class Buffer(Remote):
    """The elements of an array in a machine's memory, in row-major order.

    Attributes:
        machine: whose memory it is.
        memory: what keeps it alive; several buffers may share it.
        pointer: the address of the first element.
        base: None, or another buffer of the same memory.
    """

    __slots__ = ("base", "dtype", "machine", "memory", "pointer", "shape")

    flags = np.empty(0).flags  # those of an ndarray whose owner may write to it

    def __init__(
        self, machine: Any, shape: tuple[int, ...], dtype: np.dtype, memory: Any, pointer: int
    ):
        self.machine = machine
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.memory = memory
        self.pointer = pointer
        self.base: Buffer | None = None

    @property
    def device(self) -> Any:  # type: ignore[override]
        return self.machine.device

    @property
    def backend(self) -> str:  # type: ignore[override]
        return self.machine.backend

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def reshape(self, shape: tuple[int, ...]) -> Buffer:
        """The same elements under another shape."""
        other = Buffer(self.machine, shape, self.dtype, self.memory, self.pointer)
        other.base, self.base = self, self.base or other
        return other

    def copy(self) -> Buffer:
        """The same elements in other memory."""
        other = self.machine.empty(self.shape, self.dtype)
        self.machine.copy(other.pointer, self.pointer, self.nbytes)
        return other

    def get(self) -> np.ndarray:
        """A copy on the CPU."""
        return self.machine.download(self)

    def wait(self) -> None:
        """Wait until the elements are computed."""
        self.machine.wait()
