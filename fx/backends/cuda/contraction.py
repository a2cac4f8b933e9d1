"""Sums of products: blocks take tiles of the result, staged through shared memory.

The dimensions of the kernel are those of x alone (with those of neither), of w alone, and of both,
which are a batch. A tile is a stretch of the first by a stretch of the second, flattened; 256
threads hold its sums in registers, each those of places 16 apart in both directions, so that
neighbouring threads store neighbours. Slices of 16 along what is summed pass through shared memory,
read from wherever the operands lie; whichever of its two directions is contiguous there is the one
along which neighbouring threads read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager

from fx.backends.cuda.source import Code, Source, finished
from fx.backends.cuda.spellings import memory, stored
from fx.backends.cuda.writer import Writer
from fx.kernel.loops import Affine, Kernel, Load

THREADS = 256
_SIDE = 16  # threads along either direction of a tile
_DEEP = 16  # of a slice
_ENOUGH = 264  # tiles that keep a GPU busy: below that, smaller ones


class _Contraction(Writer):
    """Writes a contraction and what follows it elementwise."""

    def __init__(self, kernel: Kernel):
        super().__init__(kernel)
        assert kernel.products is not None
        p = self.p = kernel.products
        dims = range(len(kernel.sizes))
        self.across = [d for d in dims if p.w.at.strides[d] and not p.x.at.strides[d]]
        self.batch = [d for d in dims if p.w.at.strides[d] and p.x.at.strides[d]]
        self.down = [d for d in dims if not p.w.at.strides[d]]
        self.m, self.n, self.batches = (
            math.prod(kernel.sizes[d] for d in dims)
            for dims in (self.down, self.across, self.batch)
        )
        self.inner = math.prod(p.sizes[1:])
        self.depth = math.prod(p.sizes)
        self.dtype = kernel.arrays[p.x.array]
        self.tile = self._tile()

    def _tile(self) -> tuple[int, int]:
        sides = (128, 64, 32, 16) if self.dtype.itemsize <= 4 else (64, 32, 16)
        for side in sides:
            rows, columns = min(side, _near(self.m)), min(side, _near(self.n))
            tiles = -(-self.m // rows) * -(-self.n // columns) * self.batches * self.k.chunks
            if tiles >= _ENOUGH:
                return rows, columns
        return min(32, _near(self.m)), min(32, _near(self.n))

    def source(self) -> Source:
        code, k, p = self.code, self.k, self.p
        rows, columns = self.tile
        tiles = [-(-self.m // rows), -(-self.n // columns)]
        work = math.prod(tiles) * self.batches * k.chunks
        kind = memory(self.dtype)
        code.line(f"__shared__ {kind} xs[{_DEEP}][{rows + 1}], ws[{_DEEP}][{columns + 1}];")
        code.line(f"const i32 tx = threadIdx.x % {_SIDE}, ty = threadIdx.x / {_SIDE};")
        with code.block(f"for ({self.kind} g = blockIdx.x; g < {work}; g += gridDim.x)"):
            rest = "g"
            column = code.let(self.kind, "m", f"{rest} % {tiles[1]} * {columns}")
            rest = code.let(self.kind, "d", f"{rest} / {tiles[1]}")
            row = code.let(self.kind, "m", f"{rest} % {tiles[0]} * {rows}")
            rest = code.let(self.kind, "d", f"{rest} / {tiles[0]}")
            low, high, chunk = "0", str(self.depth), "0"
            if k.chunks > 1:
                chunk = code.let(self.kind, "chunk", f"{rest} % {k.chunks}")
                rest = code.let(self.kind, "d", f"{rest} / {k.chunks}")
                low = code.let(self.kind, "low", f"{chunk} * {k.chunk * self.inner}")
                end = f"{low} + {k.chunk * self.inner}"
                high = code.let(self.kind, "high", f"{end} < {self.depth} ? {end} : {self.depth}")
            if self.batch:
                self.split(rest, self.batch, [k.sizes[d] for d in self.batch])
            each = rows // _SIDE, columns // _SIDE
            code.line(f"{kind} acc[{each[0]}][{each[1]}];")
            with _each(code, "a", each[0]), _each(code, "b", each[1]):
                code.line("acc[a][b] = 0;")
            with code.block(f"for ({self.kind} k0 = {low}; k0 < {high}; k0 += {_DEEP})"):
                self.stage("xs", p.x, p.x_sums, self.down, row, self.m, rows, high)
                self.stage("ws", p.w, p.w_sums, self.across, column, self.n, columns, high)
                code.barrier()
                self.multiply(each)
                code.barrier()
            self.finish_tile(each, row, column, chunk)
        return finished(code, k.arrays, len(k.stores), work, THREADS, barriers=True)

    def stage(
        self,
        name: str,
        load: Load,
        sums: Sequence[int],
        dims: Sequence[int],
        first: str,
        count: int,
        length: int,
        high: str,
    ) -> None:
        """Read a slice of an operand into shared memory: zeros beyond its ends."""
        code = self.code
        unit = sums[-1] == 1 or not any(load.at.strides[d] == 1 for d in dims)
        steps = length * _DEEP // THREADS
        with code.block():
            if unit:  # along what is summed
                code.line(f"const i32 deep = threadIdx.x % {_DEEP};")
                sum_text, test = self._summed("k0 + deep", sums, high)
            else:
                code.line(f"const i32 place = threadIdx.x % {length};")
                where, inside = self._placed(f"{first} + place", load.at, dims, count)
            with _each(code, "s", max(1, steps)):
                whole = f"threadIdx.x + s * {THREADS}"
                if unit:
                    code.line(f"const i32 place = ({whole}) / {_DEEP};")
                    where, inside = self._placed(f"{first} + place", load.at, dims, count)
                else:
                    code.line(f"const i32 deep = ({whole}) / {length};")
                    sum_text, test = self._summed("k0 + deep", sums, high)
                text = f"p{load.array}[{where} + {sum_text}]"
                code.line(
                    f"{name}[deep][place] = {inside} && {test} ? {text} : ({memory(self.dtype)})0;"
                )

    def _summed(self, text: str, sums: Sequence[int], high: str) -> tuple[str, str]:
        """What an index along the sum adds to an offset, and whether it is inside."""
        code = self.code
        rest = code.let(self.kind, "q", text)
        test = f"{rest} < {high}"
        terms = []
        sizes = list(self.p.sizes)
        for n in reversed(range(len(sizes))):
            part = rest
            if n:
                part = code.let(self.kind, "q", f"{rest} % {sizes[n]}")
                rest = code.let(self.kind, "q", f"{rest} / {sizes[n]}")
            if sums[n]:
                terms.append(part if sums[n] == 1 else f"{part} * {sums[n]}")
        return " + ".join(terms) or "0", test

    def _placed(self, text: str, at: Affine, dims: Sequence[int], count: int) -> tuple[str, str]:
        """The offset of a place of a tile, without what is summed, and whether it is inside."""
        mine = self.code.let(self.kind, "m", text)
        before = list(self.index)
        if dims:
            self.split(mine, dims, [self.k.sizes[d] for d in dims])
        where = self.offset(at)
        self.index = before
        return where, f"{mine} < {count}"

    def multiply(self, each: tuple[int, int]) -> None:
        """Add the products of a slice."""
        code, kind = self.code, memory(self.dtype)
        code.line("#pragma unroll")
        with code.block(f"for (i32 d = 0; d < {_DEEP}; d++)"):
            code.line(f"{kind} xr[{each[0]}], wr[{each[1]}];")
            with _each(code, "a", each[0]):
                code.line(f"xr[a] = xs[d][ty + a * {_SIDE}];")
            with _each(code, "b", each[1]):
                code.line(f"wr[b] = ws[d][tx + b * {_SIDE}];")
            with _each(code, "a", each[0]), _each(code, "b", each[1]):
                code.line(f"acc[a][b] = {self._fused('xr[a]', 'wr[b]', 'acc[a][b]')};")

    def _fused(self, x: str, y: str, z: str) -> str:
        if self.dtype.kind == "f":
            return f"fma{'f' if self.dtype.itemsize == 4 else ''}({x}, {y}, {z})"
        kind = memory(self.dtype)
        return f"wrap_add<{kind}>({z}, wrap_mul<{kind}>({x}, {y}))"

    def finish_tile(self, each: tuple[int, int], row: str, column: str, chunk: str) -> None:
        """Compute what follows for each element, and store it."""
        code, k = self.code, self.k
        stores = [s for s in k.steps if s.id in k.stores]
        with _each(code, "a", each[0]), _each(code, "b", each[1]):
            down = code.let(self.kind, "m", f"{row} + ty + a * {_SIDE}")
            right = code.let(self.kind, "m", f"{column} + tx + b * {_SIDE}")
            with code.block(f"if ({down} < {self.m} && {right} < {self.n})"):
                if self.down:
                    self.split(down, self.down, [k.sizes[d] for d in self.down])
                if self.across:
                    self.split(right, self.across, [k.sizes[d] for d in self.across])
                self.cache = {self.p.id: "acc[a][b]"}
                self.values(s for s in k.steps if s.id != self.p.id)
                for s in stores:
                    array, at = k.stores[s.id]
                    where = self.offset(at)
                    if k.chunks > 1:
                        where = f"{where} + {chunk} * {k.size}"
                    code.line(f"p{array}[{where}] = {stored(self.cache[s.id], s.dtype)};")


def _each(code: Code, name: str, count: int) -> AbstractContextManager[None]:
    """An unrolled loop."""
    code.line("#pragma unroll")
    return code.block(f"for (i32 {name} = 0; {name} < {count}; {name}++)")


def _near(n: int) -> int:
    """A side of a tile for so many places."""
    return max(_SIDE, 1 << (n - 1).bit_length())


def write(kernel: Kernel) -> Source:
    """The source of a contraction."""
    return _Contraction(kernel).source()
