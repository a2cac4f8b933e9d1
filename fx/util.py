"""Small helpers without a better home: quiet floating-point flags and bounded caches."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

try:
    # Entering np.errstate costs more than a small ufunc; its context variable is a tenth of that.
    from numpy._core.umath import _extobj_contextvar, _make_extobj  # pyright: ignore

    _QUIET = _make_extobj(all="ignore")

    # No Python function around these two: each eager operation calls both.
    fp_enter = functools.partial(_extobj_contextvar.set, _QUIET)
    fp_exit = _extobj_contextvar.reset  # pyright: ignore[reportAssignmentType]
except ImportError:  # a NumPy that keeps this state elsewhere

    def fp_enter() -> Any:
        """Silence NumPy's floating-point warnings; give the token to `fp_exit` in `finally`."""
        context = np.errstate(all="ignore")
        context.__enter__()
        return context

    def fp_exit(token: Any) -> None:
        """Restore the floating-point state saved by `fp_enter`."""
        token.__exit__(None, None, None)


@contextlib.contextmanager
def quiet_fp() -> Iterator[None]:
    """Run a block with NumPy's floating-point warnings off: inf and nan propagate silently."""
    token = fp_enter()
    try:
        yield
    finally:
        fp_exit(token)


def moved(sequence: Sequence[Any], source: int, destination: int) -> list[Any]:
    """The list with one element moved, as `moveaxis` permutes axes."""
    items = list(sequence)
    items.insert(destination, items.pop(source))
    return items


def without(sequence: Iterable[Any], drop: Iterable[int]) -> tuple[Any, ...]:
    """The items whose positions are not in `drop`."""
    gone = set(drop)
    return tuple(x for i, x in enumerate(sequence) if i not in gone)


def split_list(items: Sequence[Any], *sizes: int) -> list[list[Any]]:
    """Cut a list into pieces of the given sizes and a last piece with the rest."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(list(items[start : start + size]))
        start += size
    pieces.append(list(items[start:]))
    return pieces


def merge_mask(mask: Sequence[bool], true: Iterable[Any], false: Iterable[Any]) -> list[Any]:
    """Interleave two lists: where the mask is set the next of `true`, else the next of `false`."""
    yes, no = iter(true), iter(false)
    return [next(yes) if m else next(no) for m in mask]
