"""How the work of a kernel is cut into units, of which each thread takes some at a time."""

from __future__ import annotations

import math
import weakref

from fx.backends.llvm import engine
from fx.backends.llvm.builder import BOOL
from fx.backends.llvm.contraction import Tiling
from fx.kernel.loops import AnyKernel, Kernel, Load
from fx.kernel.prefixes import Prefixes
from fx.kernel.scatters import Axis, Scatters, count
from fx.kernel.sorts import Sorts
from fx.kernel.vocabulary import CHEAP, PLACED

_BLOCK = 16384  # elements of the innermost dimension in a unit
_SQUARE = 8  # indices along two dimensions from which on turning squares beats gathering
_SMALL = 8192  # elements up to which a unit takes more indices of the other dimensions
_LARGE = 1 << 18  # elements from which on what is computed of each makes no difference
_SHARED = 1 << 16  # updates from which on threads share them
_PIECE = 512  # elements of a window in a unit at least: memory is read slowly by shorter pieces
_COLUMNS = 2048  # the same for accumulators that live in the first-level cache


_known: weakref.WeakKeyDictionary[AnyKernel, Units] = weakref.WeakKeyDictionary()


def units_of(kernel: AnyKernel) -> Units:
    """How the work of a kernel is cut."""
    units = _known.get(kernel)
    if units is None:
        units = _known[kernel] = Units(kernel)
    return units


class Units:
    """How a kernel's work is cut: `count` units, each of about `cost` elements.

    Attributes:
        block, blocks: elements of the innermost dimension in a unit, if it stays; how many there
            are.
        across: the dimension along which squares are turned, or None.
        spans: for some of the other dimensions that stay, how many indices a unit takes.
        tiling: of a contraction, its tiles on this machine.
        weight: see the function.
    """

    # Of updates: the free axes that are loops of units, and the innermost one.
    outer: list[Axis]
    inner: Axis | None = None
    tiling: Tiling | None = None
    weight = 1

    def __init__(self, kernel: AnyKernel):
        if isinstance(kernel, Scatters):
            self._updates(kernel)
            return
        if isinstance(kernel, Sorts):
            self.block, self.blocks, self.across, self.spans = kernel.count, 1, None, {}
            self.count, self.cost = kernel.rows, kernel.count * (8 * kernel.passes + 1)
            return
        if isinstance(kernel, Prefixes):
            self.block, self.blocks, self.across = kernel.block, kernel.blocks, None
            self.spans: dict[int, int] = {}
            self.count = kernel.outer * kernel.blocks
            self.cost = kernel.count * kernel.block
            return
        inner = kernel.sizes[-1]
        if kernel.products is not None:
            self.tiling = Tiling(kernel, 4 * engine.lanes(), engine.registers())
            self.block, self.blocks, self.across, self.spans = inner, 1, None, {}
            self.count, self.cost = self.tiling.count, self.tiling.cost
            return
        self.block, self.weight = inner, weight(kernel)
        self.across = across(kernel)
        if not any(kernel.reduced):
            self.block = min(inner, _BLOCK >> self.weight.bit_length() - 1)
        elif kernel.by_columns:
            self.block = min(inner, _COLUMNS)
        self.blocks = -(-inner // self.block)
        self.spans = {}
        outer = [d for d, r in enumerate(kernel.reduced[:-1]) if not r]
        if self.across is None:
            self._span(kernel, outer)
        else:
            self.spans[self.across] = engine.lanes()
        self.count = kernel.chunks * (1 if kernel.reduced[-1] else self.blocks)
        for d in outer:
            self.count *= -(-kernel.sizes[d] // self.spans.get(d, 1))
        self.cost = max(1, self.weight * kernel.size // max(1, self.count))

    def _updates(self, k: Scatters) -> None:
        """Threads share the free elements, and each goes through all coordinates.

        That they share the places is worth nothing: each would look at all to find its own.
        """
        same = [a for a in k.free if not any(a.columns)]
        able = [a for a in same if a.target == 1 and a.update in (0, 1)]
        if not able and not k.batch:
            able = same[-1:]
        self.inner = able[-1] if able else None
        self.outer = [a for a in k.free if a is not self.inner]
        self.across, self.spans, self.blocks, rows = None, {}, 1, count(self.outer)
        size = self.block = self.inner.size if self.inner is not None else 1
        wanted = 2 * engine.cores() if k.size >= _SHARED else 1
        if rows < wanted:
            lines = -(-size // (-(-wanted // rows) * engine.lanes()))
            self.block = min(size, max(_PIECE, lines * engine.lanes()))
            self.blocks = -(-size // self.block)
        self.count = rows * self.blocks
        self.cost = max(1, k.size // self.count)

    def _span(self, kernel: Kernel, outer: list[int]) -> None:
        """Let a unit take more than one index, from the innermost dimension outwards."""
        folded = math.prod(n for n, r in zip(kernel.sizes, kernel.reduced, strict=True) if r)
        size = folded // kernel.chunks * (1 if kernel.reduced[-1] else self.block)
        for d in reversed(outer):
            span = min(kernel.sizes[d], _SMALL // self.weight // max(1, size))
            if span <= 1:
                return
            self.spans[d] = span
            size *= span
            if span < kernel.sizes[d]:
                return


def weight(kernel: Kernel) -> int:
    """What an element costs, compared with one of which little is computed; 1 for large kernels,
    whose units are many in any case."""
    if kernel.size >= _LARGE:
        return 1
    operations = sum(1 if s.op in CHEAP else 6 for s in kernel.steps)
    return max(1, (operations + len(kernel.arrays)) // 6)


def turned(kernel: Kernel, d: int) -> list[Load]:
    """What a map reads that is contiguous along dimension d, but not along the last one."""
    last = len(kernel.sizes) - 1
    loads = [a for s in kernel.steps for a in s.args[s.op in PLACED :] if isinstance(a, Load)]
    return [
        a
        for a in dict.fromkeys(loads)
        if a.at.strides[d] == 1 and a.at.strides[last] > 1 and kernel.arrays[a.array] != BOOL
    ]


def across(kernel: Kernel) -> int | None:
    """The dimension along which a map reads squares that it turns, if there is one."""
    last = len(kernel.sizes) - 1
    if any(kernel.reduced) or kernel.products is not None or kernel.sizes[last] < _SQUARE:
        return None
    able = [d for d in range(last) if kernel.sizes[d] >= _SQUARE and turned(kernel, d)]
    return max(able, key=lambda d: len(turned(kernel, d)), default=None)
