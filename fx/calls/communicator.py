"""Threads that meet: how the devices of one pmap call exchange values."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from fx.core.trace import state
from fx.errors import FxNameError


class Communicator:
    """The meeting point of the threads of one pmap call."""

    def __init__(self, size: int):
        self.size = size
        self.barrier = threading.Barrier(size)
        self.slots: list[Any] = [None] * size
        self.shared: Any = None
        self.lock = threading.Lock()
        self.children: dict[Any, Communicator] = {}
        self.aborted = False

    def child(self, key: Any) -> Communicator:
        """The meeting point for threads that these ranks start, told apart by `key`.

        In a pmap inside a pmap, thread j of every outer rank meets the threads j of the others.
        """
        with self.lock:
            if key not in self.children:
                self.children[key] = Communicator(self.size)
                if self.aborted:
                    self.children[key].abort()
            return self.children[key]

    def abort(self) -> None:
        """Release all who wait here, and those who come later: a rank has failed."""
        with self.lock:
            self.aborted = True
            children = list(self.children.values())
        self.barrier.abort()
        for child in children:
            child.abort()

    def exchange(self, rank: int, value: Any) -> list[Any]:
        """The values of all ranks."""
        self.slots[rank] = value
        self.barrier.wait()
        values = list(self.slots)
        self.barrier.wait()
        return values

    def reduce(self, rank: int, value: Any, combine: Callable[..., Any]) -> Any:
        """The reduction over all ranks; each combines its part of the elements, in rank order."""
        self.slots[rank] = np.ascontiguousarray(value).reshape(-1)
        if rank == 0:
            self.shared = np.empty(value.shape, value.dtype)
        self.barrier.wait()
        flat = self.shared.reshape(-1)
        count = flat.size
        low, high = count * rank // self.size, count * (rank + 1) // self.size
        if high > low:
            part = flat[low:high]
            part[...] = self.slots[0][low:high]
            for other in self.slots[1:]:
                combine(part, other[low:high], out=part)
        self.barrier.wait()
        result = self.shared
        self.barrier.wait()
        return result


class _Current(threading.local):
    def __init__(self) -> None:
        self.ranks: dict[Any, tuple[Communicator, int]] = {}  # axis name -> where the thread stands


current = _Current()


def standing(name: Any) -> tuple[Communicator, int]:
    try:
        return current.ranks[name]
    except KeyError:
        raise unbound(name) from None


def unbound(name: Any, what: str = "a collective") -> FxNameError:
    """The error for an axis name that nothing binds."""
    return FxNameError(
        f"{what} over an unbound axis name {name!r}: no enclosing vmap or pmap has "
        f"axis_name={name!r}; bound here: {sorted(map(repr, state.axes)) or 'none'}."
    )
