"""Compiled programs against interpreted ones, in memory where nothing goes unnoticed.

`agree` runs a function both ways. What the compiled program allocates is full of NaN (of ones
beyond it, for other dtypes). With `guarded`, each array that native code reads or writes ends at a
page that may not be touched, then begins behind one: use that in a process of its own, since it
dies of an access outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import mmap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import fx
from fx import dtypes
from fx.backends import plan
from fx.backends.llvm import program
from fx.backends.numpy import NumpyBackend
from fx.core.remote import Remote
from tests.laws import numbers

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)


def raw(x: Any) -> np.ndarray:
    data = x._data if isinstance(x, fx.Array) else x
    return np.asarray(data.get() if isinstance(data, Remote) else data)


def poisoned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """New memory full of ones: NaN as floats."""
    out = np.empty(shape, dtype)
    out.reshape(-1).view(np.uint8)[...] = 0xFF
    return out


class Fence:
    """Allocates arrays beside pages that may not be touched."""

    def __init__(self, at_end: bool):
        self.at_end = at_end
        self.count = 0

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        pages = max(1, -(-size // PAGE))
        block = mmap.mmap(-1, (pages + 2) * PAGE)
        whole = np.frombuffer(block, np.uint8)
        whole[PAGE:-PAGE] = 0xFF
        for page in (0, pages + 1):
            address = ctypes.c_void_p(whole.ctypes.data + page * PAGE)
            if _libc.mprotect(address, ctypes.c_size_t(PAGE), 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        start = (pages + 1) * PAGE - size if self.at_end else PAGE
        self.count += 1
        return np.ndarray(shape, dtype, whole, start)

    def copy(self, x: Any) -> np.ndarray:
        x = raw(x)
        out = self.empty(x.shape, x.dtype)
        out[...] = x
        return out


def _unshared(run: plan.Run, dying: set[int], slots: plan.Slots) -> None:
    """Instead of `Run.share`: no two arrays are in the same memory."""
    local = [(s, math.prod(shape) * d.itemsize) for s, shape, d in run.new if s in dying]
    gone = {s for s, _ in local}
    run.new = [n for n in run.new if n[0] not in gone]
    run.raw += local


@contextlib.contextmanager
def replaced(where: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(where, name)
    setattr(where, name, value)
    try:
        yield
    finally:
        setattr(where, name, before)


@contextlib.contextmanager
def described(what: str) -> Iterator[None]:
    """Adds a description to what is raised."""
    try:
        yield
    except Exception as error:
        error.add_note(what)
        raise


def all_same(got: Any, want: Any, exact: bool) -> None:
    """Equal results of a program, up to rounding at the scale of the largest if not `exact`."""
    floats = [numbers(x) for x in map(np.asarray, want) if dtypes.is_inexact(x.dtype)]
    sizes = [np.max(np.abs(x[np.isfinite(x)]), initial=1.0) for x in floats]
    for a, b in zip(got, want, strict=True):
        same(a, b, exact, float(max(sizes, default=1.0)))


def same(got: Any, want: Any, exact: bool, scale: float = 1.0) -> None:
    """Equal shapes, dtypes and values, up to rounding of numbers of a scale if not `exact`."""
    want = np.asarray(want)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if exact or want.dtype.names is not None or not dtypes.is_inexact(want.dtype):
        np.testing.assert_array_equal(got, want)
        return
    x, y = numbers(got), numbers(want)
    limit = 1e-10 if want.dtype == np.float64 else 64 * float(dtypes.finfo(want.dtype).eps)
    np.testing.assert_allclose(x, y, rtol=limit, atol=limit * scale)


def agree(f: Callable[..., Any], *args: Any, exact: bool = True, guarded: bool = False) -> Any:
    """Compiled is interpreted, for arguments as they are. Gives the compiled program."""
    jaxpr = fx.make_jaxpr(f)(*args)
    leaves = [raw(x) for x in fx.tree.leaves(args)]
    with np.errstate(all="ignore"):
        want = NumpyBackend().compile(jaxpr)(leaves)
    if guarded:
        return _fenced(jaxpr, leaves, want, exact)
    with replaced(program, "maker", lambda *of: functools.partial(poisoned, *of)):
        made = program.Program(jaxpr)
    before = [x.copy() for x in leaves]
    first = made(leaves)
    for again in (first, made(leaves)):  # a second time, from the memory of the first
        all_same(again, want, exact)
    for a, b in zip(leaves, before, strict=True):
        np.testing.assert_array_equal(a, b, "an argument was written to")
    return made


def _fenced(jaxpr: Any, leaves: list[np.ndarray], want: list[Any], exact: bool) -> Any:
    fences = [Fence(True)]
    native_call = program._native_call

    def apart(run: plan.Run, *rest: Any) -> Any:
        """All memory of a run as arrays, and all that it reads behind fences."""
        run.new = [*run.new, *((s, (n,), np.dtype(np.uint8)) for s, n in run.raw)]
        run.raw = []
        call, slots = native_call(run, *rest)
        return lambda *arrays: call(*[fences[-1].copy(x) for x in arrays]), slots

    with (
        replaced(plan.Run, "share", _unshared),
        replaced(program, "maker", lambda *of: lambda: fences[-1].empty(*of)),
        replaced(program, "_native_call", apart),
    ):
        made = program.Program(jaxpr)
    for at_end in (True, False):
        fences.append(Fence(at_end))
        all_same(map(np.array, made(leaves)), want, exact)
    return made
