"""How long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from fx.devices import block_until_ready
from fx.errors import FxValueError, public


class Timing:
    """The times of calls; prints as one line.

    Attributes:
        first: seconds of the first call, which traces and compiles what was not yet.
        times: seconds of each call after those that warm up.
    """

    def __init__(self, name: str, first: float, times: Sequence[float]):
        self.name = name
        self.first = first
        self.times = sorted(times)

    @property
    def min(self) -> float:
        """The fastest call: other work on the machine only ever adds time."""
        return self.times[0]

    @property
    def median(self) -> float:
        """The call in the middle."""
        n = len(self.times)
        return (self.times[(n - 1) // 2] + self.times[n // 2]) / 2

    def __repr__(self) -> str:
        count = len(self.times)
        return (
            f"{self.name}: {_shown(self.min)} (median {_shown(self.median)}, {count} calls; "
            f"first call {_shown(self.first)})"
        )


def _shown(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


@public
def timeit(f: Callable[..., Any], *args: Any, seconds: float = 0.5, **kwargs: Any) -> Timing:
    """Time calls of a function, to the end of their work.

    Args:
        f: any function; a jitted one traces and compiles in the first call.
        *args, **kwargs: what it is called with.
        seconds: how long to go on, after two calls that warm up; at least three calls are timed.

    Returns:
        A `Timing`, with `min`, `median`, `first` and `times` in seconds.

    Raises:
        FxValueError: `seconds` is negative.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> timing = fx.timeit(fx.jit(jnp.sin), jnp.ones(10), seconds=0.01)
        >>> 0 < timing.min <= timing.median and timing.first > timing.min
        True
        >>> print(timing)
        sin: ... (median ..., ... calls; first call ...)
    """
    if seconds < 0:
        raise FxValueError(f"timeit: seconds must not be negative, got {seconds}.")
    clock = time.perf_counter

    def once() -> float:
        start = clock()
        block_until_ready(f(*args, **kwargs))
        return clock() - start

    first = once()
    once()
    times: list[float] = []
    end = clock() + seconds
    while len(times) < 3 or (clock() < end and len(times) < 100_000):
        times.append(once())
    return Timing(getattr(f, "__name__", type(f).__name__), first, times)
