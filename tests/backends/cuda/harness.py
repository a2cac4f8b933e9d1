"""Programs for a GPU, simulated or not, in memory where nothing goes unnoticed, in several orders.

What a program allocates is full of NaN (of ones, for other dtypes), between words that must stay as
they are. On the simulator kernels run with their threads forward, backward and shuffled; anywhere
they run in more and in fewer blocks than they ask for. Results must be the same bits, and those of
the interpreter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

import fx
from fx.backends.cuda import runtime, simulated
from fx.backends.cuda.memory import Buffer
from fx.backends.cuda.program import Program
from fx.backends.cuda.source import Source
from fx.backends.numpy import NumpyBackend
from tests.backends.agreement import all_same, raw

needs_compiler = pytest.mark.skipif(simulated.compiler() is None, reason="needs g++")

ORDERS = (0, 1, 7)
_GUARD = 256  # bytes on both sides
# What is beside arrays: NaN, which shows in results that are made of it, then a number, which is
# not what a kernel makes of itself.
_WORDS = {0: 0xFF, 1: 0xA5, 7: 0xFF}
_BATCH = 150  # kernels that are compiled at a time


class Guards:
    """What a machine that looks after its memory has.

    Attributes:
        order: of the threads, where that can be chosen; each goes with a number of blocks.
        shift: whether arrays begin one element after a multiple of 16 bytes.
        blocks: what was allocated: memory, where an array begins in it, its bytes, the guards'.
    """

    order = 0
    shift = False

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[tuple[Any, int, int, int]] = []

    def guarded(self, nbytes: int, itemsize: int) -> tuple[np.ndarray, int, int]:
        """Memory with guards around a poisoned middle, where that begins, the guards' bytes."""
        word = _WORDS[self.order]
        block = np.full(nbytes + 3 * _GUARD, word, np.uint8)
        start = _GUARD + -block.ctypes.data % 256 + (itemsize if self.shift else 0)
        block[start : start + nbytes] = 0xFF
        return block, start, word

    def resized(self, source: Source) -> Source:
        """A kernel in as many blocks as it asks for, in half of them, or in one more."""
        n = source.blocks
        return source._replace(blocks={0: n, 1: max(1, n // 2), 7: n + 1}[self.order])

    def memory(self, block: Any) -> np.ndarray:
        """The bytes of something in `blocks`."""
        return block

    def check(self) -> None:
        """That nothing beside an array was written to."""
        for block, start, n, word in self.blocks:
            found = self.memory(block)
            assert (found[:start] == word).all(), "written before an array"
            assert (found[start + n :] == word).all(), "written after an array"
        self.blocks = []


class Guarded(Guards, simulated.Simulator):
    """The simulator.

    Attributes:
        change: what is done to a kernel's text before it is compiled.
    """

    def __init__(self, change: Callable[[str], str] = lambda text: text):
        super().__init__()
        self.change = change

    def empty(self, shape, dtype):
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        block, start, word = self.guarded(nbytes, np.dtype(dtype).itemsize)
        self.blocks.append((block, start, nbytes, word))
        return Buffer(self, shape, dtype, block, block.ctypes.data + start)

    def prepare(self, sources):
        new = {s.name: s for s in sources if s.name not in self._libraries}
        sources = [s._replace(text=self.change(s.text)) for s in new.values()]
        for i in range(0, len(sources), _BATCH):
            super().prepare(sources[i : i + _BATCH])

    def launch(self, source, pointers):
        super().launch(self.resized(source), pointers)


class ByKernels(Guarded):
    """The simulator without a library for products."""

    multiplies = False


class Hardware(Guards, runtime.Gpu):
    """A GPU."""

    def empty(self, shape, dtype):
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        host, start, word = self.guarded(nbytes, np.dtype(dtype).itemsize)
        start = _GUARD + (start - _GUARD) % 16  # the device's memory begins at a multiple of 256
        host[:] = word
        host[start : start + nbytes] = 0xFF
        whole = runtime.Gpu.empty(self, host.shape, host.dtype)
        self._copied(whole.pointer, host.ctypes.data, host.nbytes, 1)
        self.wait()
        self.blocks.append((whole, start, nbytes, word))
        return Buffer(self, shape, dtype, whole.memory, whole.pointer + start)

    def memory(self, block):
        return self.download(block)

    def launch(self, source, pointers):
        super().launch(self.resized(source), pointers)


class Case(NamedTuple):
    """A program with arguments, and whether its results are exact."""

    what: str
    jaxpr: Any
    leaves: list[np.ndarray]
    exact: bool = False


def case(what: str, f: Callable[..., Any], args: Sequence[Any], exact: bool = False) -> Case:
    """A function at arguments."""
    leaves = [raw(x) for x in fx.tree.leaves(tuple(args))]
    return Case(what, fx.make_jaxpr(f)(*args), leaves, exact)


def sources_of(cases: Iterable[Case]) -> list[Source]:
    """The kernels of programs, each once; products both as kernels and as what follows a call."""
    found = {}
    for c in cases:
        for machine in (simulated.Simulator(), ByKernels()):
            found.update((s.name, s) for s in Program(c.jaxpr, machine).sources)
    return list(found.values())


def check(cases: Iterable[Case], machine: Any = None) -> list[Program]:
    """That programs compute what the interpreter does; they are compiled together."""
    machine = machine or Guarded()
    cases = list(cases)
    made = [Program(c.jaxpr, machine) for c in cases]
    sources = [s for p in made for s in p.sources]
    machine.prepare([*sources, *(s.plain() for s in sources if s.plain is not None)])
    wrong = []
    for c, program in zip(cases, made, strict=True):
        with np.errstate(all="ignore"):
            want = [np.asarray(x) for x in NumpyBackend().compile(c.jaxpr)(c.leaves)]
        try:
            _agree(c, program, machine, want)
        except Exception as error:
            wrong.append(f"{c.what}: {type(error).__name__}: {error}")
    assert not wrong, f"{len(wrong)} of {len(cases)}\n" + "\n".join(wrong[:5])
    return made


def _agree(c: Case, program: Program, machine: Guards, want: list[np.ndarray]) -> None:
    first: list[np.ndarray] = []
    for order, shift in [*((o, False) for o in ORDERS), (0, True)]:
        machine.order, machine.shift = order, shift
        got = [x.get() for x in program(c.leaves)]
        machine.check()
        all_same(got, want, c.exact)
        if not shift:
            first = first or got
            for a, b in zip(got, first, strict=True):
                assert a.tobytes() == b.tobytes(), f"another order ({order}) has other bits"
