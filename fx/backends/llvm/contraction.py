"""Sums of products as LLVM IR: matrix products and convolutions by one tile of registers.

The tile holds P places of one dimension times Q vectors of the last one. For each index of the
summed dimensions it takes one number of x for each place, Q vectors of w, and adds P*Q products:
an outer product, which needs P + Q loads for P * Q vector operations and runs at the machine's
peak when they fill the registers (Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication", 2008). Where w does not fit the second-level cache, the summed dimensions are
walked in blocks for which it does, with the partial sums in the result's memory.

A unit of work is a group of tiles that share the vectors of w, for one index of the others.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

from fx.backends.llvm.builder import Value, memory_type, type_name
from fx.kernel.loops import Kernel

_CACHE = 256 << 10  # bytes of w that are used again before others come
_UNIT = 100_000  # cycles that a unit should take at least
_REST = 0.01  # of the time: what is left after full tiles is code of its own to compile
_MOST_VECTORS = 6  # of a tile, along the last dimension


def _cycles(p: int, q: int) -> float:
    """What one step of a tile costs: its products, its loads, or the latency of adding."""
    return max(p * q + 0.3 * p, p + q, 4) + 0.5


class Tiling:
    """How a contraction is cut into tiles and units.

    Attributes:
        width: elements of a vector.
        places: the dimension whose places share vectors of w, or None.
        p, q: places and vectors of a tile; group: tiles of a unit along `places`.
        blocked: index of the summed dimension that is walked in blocks of `block`; those before
            it are walked one by one.
        count, cost: units in all, and what one costs in elementwise operations.
    """

    def __init__(self, kernel: Kernel, vector_bytes: int, registers: int):
        products = kernel.products
        assert products is not None
        sizes, last = kernel.sizes, len(kernel.sizes) - 1
        item = kernel.arrays[products.x.array].itemsize
        self.width = max(1, vector_bytes // item)
        self.vectors = -(-sizes[last] // self.width)
        shared = [d for d in range(last) if not products.w.at.strides[d]]
        large = [d for d in shared if sizes[d] >= 4]
        self.places = large[-1] if large else shared[-1] if shared else None
        self.n_places = sizes[self.places] if self.places is not None else 1
        self.p, self.q = min(
            (
                (p, q)
                for q in range(1, min(self.vectors, _MOST_VECTORS) + 1)
                if not products.panel or products.panel % (q * self.width) == 0
                for p in range(1, self.n_places + 1)
                if p * q + q + 1 <= registers
            ),
            key=self._total,
        )
        depths = list(products.sizes)
        if kernel.chunks > 1:
            depths[0] = kernel.chunk
        self.depth = math.prod(depths)
        fitting = max(1, _CACHE // (self.q * self.width * item))
        self.blocked, self.block = 0, depths[0]
        if self.n_places > self.p and self.depth > 2 * fitting:
            while math.prod(depths[self.blocked + 1 :]) > fitting:
                self.blocked += 1
            inner = math.prod(depths[self.blocked + 1 :])
            self.block = min(depths[self.blocked], max(1, fitting // inner))
        self.in_blocks = self.blocked > 0 or self.block < depths[0]
        tiles = -(-self.n_places // self.p)
        wanted = int(_UNIT // (_cycles(self.p, self.q) * self.depth)) + 1
        self.group = min(tiles, max(wanted, 8 if self.in_blocks else 1))
        self.groups = -(-tiles // self.group)
        self.bands = -(-self.vectors // self.q)
        self.outer = [d for d in range(last) if d != self.places]
        self.count = (
            kernel.chunks * self.bands * math.prod(sizes[d] for d in self.outer) * self.groups
        )
        # An elementwise operation on a vector takes about a cycle or two.
        self.cost = max(1, int(self.group * _cycles(self.p, self.q) * self.depth * self.width / 2))

    def _total(self, tile: tuple[int, int]) -> float:
        """Cycles of one step of all tiles along both dimensions."""
        p, q = tile
        rows = [(p, self.n_places // p), (self.n_places % p, 1)]
        columns = [(q, self.vectors // q), (self.vectors % q, 1)]
        cycles = sum(_cycles(a, b) * m * n for a, m in rows for b, n in columns if a and b)
        return cycles * (1 + _REST * sum(size > 0 for size, _ in (rows[1], columns[1])))


class Contractor:
    """Writes a unit of a contraction into the function of a kernel's writer."""

    def __init__(self, writer: Any, tiling: Tiling):
        self.w = writer
        self.b = writer.b
        self.k: Kernel = writer.k
        assert self.k.products is not None
        self.products = self.k.products
        self.t = tiling
        self.last = len(self.k.sizes) - 1
        self.dtype = self.k.arrays[self.products.x.array]
        self.vector = type_name(self.dtype, tiling.width)

    def frame(self) -> None:
        """Registers of the tile, as memory that the optimizer turns into registers."""
        for p in range(self.t.p):
            for q in range(self.t.q):
                self.b.line(f"%tile{p}_{q} = alloca {self.vector}")

    def unit(self, unit: str) -> None:
        """All tiles of a unit, then what is computed from them."""
        b, t, w = self.b, self.t, self.w
        rest, group = b.divmod(unit, t.groups)
        for d in reversed(t.outer):
            rest, w.index[d] = b.divmod(rest, self.k.sizes[d])
        chunk, band = b.divmod(rest, t.bands)
        w.chunk = chunk
        self.first_sum = ("0", str(self.products.sizes[0]))
        if self.k.chunks > 1:
            start = b.integer(f"mul nsw i64 {chunk}, {self.k.chunk}")
            self.first_sum = (start, b.limited(start, self.k.chunk, self.products.sizes[0]))
        start = b.integer(f"mul nsw i64 {group}, {t.group * t.p}")
        stop = b.limited(start, t.group * t.p, t.n_places)
        left = self.k.sizes[self.last] - (t.bands - 1) * t.q * t.width
        for size in self._variants(band, left):
            column = b.integer(f"mul nsw i64 {band}, {t.q * t.width}")
            self.band(start, stop, column, size)

    def _variants(self, band: str, left: int) -> Iterator[int]:
        """The code for full bands and for the last, where that has fewer columns: how many."""
        b, t = self.b, self.t
        full = t.q * t.width
        if t.bands == 1 or left == full:
            yield left
            return
        ragged, whole, done = (b.name(s) for s in ("ragged", "whole", "bands"))
        test = b.integer(f"icmp eq i64 {band}, {t.bands - 1}")
        b.line(f"br i1 {test}, label %{ragged}, label %{whole}")
        b.label(whole)
        yield full
        b.line(f"br label %{done}")
        b.label(ragged)
        yield left
        b.line(f"br label %{done}")
        b.label(done)

    def band(self, start: str, stop: str, column: str, size: int) -> None:
        """Tiles of `size` columns from `column` on, for places start to stop."""
        t, w = self.t, self.w
        w.index[self.last] = column
        q = -(-size // t.width)
        tail = size % t.width
        if t.in_blocks:
            self._clear(start, stop, q, tail)
        with contextlib.ExitStack() as loops:
            sums = []
            for d in range(t.blocked):
                limits = self.first_sum if d == 0 else ("0", str(self.products.sizes[d]))
                sums.append(loops.enter_context(w.loop(*limits, 1, True)))
            d = t.blocked
            low, high = self.first_sum if d == 0 else ("0", str(self.products.sizes[d]))
            if t.in_blocks:
                low = loops.enter_context(w.loop(low, high, t.block, True))
                high = self.b.least(self.b.integer(f"add nsw i64 {low}, {t.block}"), high)
            for p0, p in self._rows(start, stop):
                self.tile(p0, p, q, tail, sums, (low, high))
        self._after(start, stop, column, size)

    def _rows(self, start: str, stop: str) -> Iterator[tuple[str, int]]:
        """Full tiles of the places, then what is left."""
        b, t, w = self.b, self.t, self.w
        rest = t.n_places % t.p
        if t.n_places == t.p:
            yield "0", t.p
            return
        whole = stop
        if rest:
            whole = b.integer(f"sub nsw i64 {stop}, {t.p - 1}")
        with w.loop(start, whole, t.p, True) as p0:
            yield p0, t.p
        if not rest:
            return
        some, none = b.name("some"), b.name("none")
        begin = t.n_places - rest
        test = b.integer(f"icmp eq i64 {stop}, {t.n_places}")
        b.line(f"br i1 {test}, label %{some}, label %{none}")
        b.label(some)
        yield str(begin), rest
        b.line(f"br label %{none}")
        b.label(none)

    # ------------------------------------------------------------------ tiles
    def tile(
        self, p0: str, p: int, q: int, tail: int, sums: Sequence[str], block: tuple[str, str]
    ) -> None:
        """One tile: p places from p0 on, q vectors, the last one of `tail` elements if not 0."""
        b, w, t = self.b, self.w, self.t
        self._at_place(p0)
        for i in range(p):
            for j in range(q):
                start = self._partial(i, j, q, tail) if t.in_blocks else "zeroinitializer"
                b.line(f"store {self.vector} {start}, ptr %tile{i}_{j}")
        x_at = w.offset(self.products.x.at)
        w_at = self._w_start()
        inner = range(t.blocked, len(self.products.sizes))
        with contextlib.ExitStack() as loops:
            index = list(sums)
            for d in inner:
                limits = block if d == t.blocked else ("0", str(self.products.sizes[d]))
                index.append(loops.enter_context(w.loop(*limits, 1)))
            x_from = self._offset(x_at, index, self.products.x_sums)
            w_from = self._offset(w_at, index, self.products.w_sums)
            self._step(x_from, w_from, p, q, tail)
        for i in range(p):
            for j in range(q):
                value = b.integer(f"load {self.vector}, ptr %tile{i}_{j}")
                self._put(value, i, j, q, tail)

    def _w_start(self) -> str:
        """The offset of the first column of the tile in w."""
        b, w, panel = self.b, self.w, self.products.panel
        if not panel:
            return w.offset(self.products.w.at)
        column = w.index[self.last]
        number, w.index[self.last] = b.divmod(column, panel)
        at = w.offset(self.products.w.at)
        w.index[self.last] = column
        return b.moved(at, number, self.products.panel_stride)

    def _step(self, x_from: str, w_from: str, p: int, q: int, tail: int) -> None:
        b, w, t = self.b, self.w, self.t
        one = memory_type(self.dtype, 1)
        x_base = w.pointer(self.products.x.array, one, x_from)
        w_base = w.pointer(self.products.w.array, one, w_from)
        step = self.products.x.at.strides[t.places] if t.places is not None else 0
        vectors = [self._vector(w_base, j, q, tail) for j in range(q)]
        for i in range(p):
            at = b.integer(f"getelementptr inbounds {one}, ptr {x_base}, i64 {i * step}")
            number = b.emit(f"load {one}, ptr {at}, align {self.dtype.itemsize}", self.dtype, 1)
            x = b.splat(number, t.width)
            for j in range(q):
                text = f"load {self.vector}, ptr %tile{i}_{j}"
                total = b.emit(text, self.dtype, t.width)
                if self.dtype.kind == "f":
                    total = b.fma(x, vectors[j], total)
                else:
                    total = b.binary("add", total, b.binary("mul", x, vectors[j]))
                b.line(f"store {self.vector} {total.text}, ptr %tile{i}_{j}")

    def _vector(self, base: str, j: int, q: int, tail: int) -> Value:
        b, t = self.b, self.t
        one = memory_type(self.dtype, 1)
        at = b.integer(f"getelementptr inbounds {one}, ptr {base}, i64 {j * t.width}")
        return b.emit(self._load(at, tail if j == q - 1 else 0), self.dtype, t.width)

    def _load(self, at: str, tail: int) -> str:
        item = self.dtype.itemsize
        if not tail:
            return f"load {self.vector}, ptr {at}, align {item}"
        one = memory_type(self.dtype, 1)
        return self.b.masked_load(self.vector, one, self.t.width, at, item, self._mask(tail))

    def _mask(self, tail: int) -> str:
        bits = ", ".join(f"i1 {'true' if i < tail else 'false'}" for i in range(self.t.width))
        return f"<{bits}>"

    # ------------------------------------------------------------------ the result's memory
    def _at_place(self, p0: str) -> None:
        if self.t.places is not None:
            self.w.index[self.t.places] = p0
        array, at = self.w.result(self.products.id)
        self.array, self.at = array, at
        self.where = self.w.with_chunk(self.w.offset(at))

    def _address(self, i: int, j: int) -> str:
        step = self.at.strides[self.t.places] if self.t.places is not None else 0
        one = memory_type(self.dtype, 1)
        base = self.w.pointer(self.array, one, self.where)
        return self.b.integer(
            f"getelementptr inbounds {one}, ptr {base}, i64 {i * step + j * self.t.width}"
        )

    def _partial(self, i: int, j: int, q: int, tail: int) -> str:
        return self.b.integer(self._load(self._address(i, j), tail if j == q - 1 else 0))

    def _put(self, value: str, i: int, j: int, q: int, tail: int) -> None:
        at, item = self._address(i, j), self.dtype.itemsize
        if not tail or j < q - 1:
            self.b.line(f"store {self.vector} {value}, ptr {at}, align {item}")
            return
        one = memory_type(self.dtype, 1)
        self.b.masked_store(self.vector, one, self.t.width, value, at, item, self._mask(tail))

    def _clear(self, start: str, stop: str, q: int, tail: int) -> None:
        with self.w.loop(start, stop, 1, True) as place:
            self._at_place(place)
            for j in range(q):
                self._put("zeroinitializer", 0, j, q, tail)

    def _offset(self, base: str, index: Sequence[str], strides: Sequence[int]) -> str:
        for i, stride in zip(index, strides, strict=True):
            base = self.b.moved(base, i, stride)
        return base

    # ------------------------------------------------------------------ what follows
    def _after(self, start: str, stop: str, column: str, size: int) -> None:
        """The other steps of the kernel, on the elements that the unit made."""
        w = self.w
        if len(self.k.steps) == 1:
            return
        end = self.b.integer(f"add nsw i64 {column}, {size}")
        with w.loop(start, stop, 1, True) as place:
            if self.t.places is not None:
                w.index[self.t.places] = place
            w.vectors(column, end, size % self.b.lanes != 0, lambda: w.stage(0))
