"""Kernels with folds: by rows where the innermost dimension is folded, else by columns.

By rows, a row (or one chunk of it) is that of 1 to 512 threads: each folds every so many elements,
then a warp folds its lanes by exchanging registers, and a block its warps through shared memory.
Each level of the kernel goes over the row once. What later levels need again stays in registers if
the row is short enough, else it is loaded or computed anew.

By columns, a block takes up to 32 columns, its threads in lines of those take every so many rows,
and the lines are folded in shared memory. The order of a fold depends on sizes alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fx.backends.cuda.source import Source, finished
from fx.backends.cuda.spellings import fold, literal, loaded, memory, register, stored
from fx.backends.cuda.writer import Writer, loads_of
from fx.kernel.loops import Kernel, Load, Ref, Step
from fx.kernel.vocabulary import CHEAP, identity

_THREADS = 256
_LANES = 32
_EACH = 4  # elements for which a row gets one more thread, up to a warp
_HELD = 16  # elements of a row that a thread may hold
_MEETING = 16  # folds by columns that meet at a time, in 2 KiB of shared memory each
_WORDS = 64  # registers in which it holds values of them


def write(kernel: Kernel, wide: bool = True) -> Source:
    """The source of a kernel with folds; accesses are of single elements unless `wide`."""
    return (_Rows(kernel, wide) if kernel.reduced[-1] else _Columns(kernel)).source()


def start(s: Step) -> str:
    """What a fold starts from."""
    return literal(identity(s.op, s.dtype), s.dtype)


class _Folding(Writer):
    """What both have in common: the range that is folded, and where rows are stored."""

    def __init__(self, kernel: Kernel):
        super().__init__(kernel)
        dims = range(len(kernel.sizes))
        self.folded = [d for d in dims if kernel.reduced[d]]
        self.kept = [d for d in dims if not kernel.reduced[d]]
        self.folded_sizes = [kernel.sizes[d] for d in self.folded]
        self.inner = math.prod(self.folded_sizes[1:])
        self.first = kernel.chunk if kernel.chunks > 1 else self.folded_sizes[0]
        self.count = self.first * self.inner  # elements of a chunk, of the last one at most
        self.chunk = "0"

    def range(self) -> str:
        """How many elements there are to fold."""
        k = self.k
        if k.chunks == 1:
            return str(self.count)
        whole = self.folded_sizes[0]
        if whole % k.chunk == 0:
            return str(self.count)
        rest = (whole - (k.chunks - 1) * k.chunk) * self.inner
        return f"({self.chunk} == {k.chunks - 1} ? {rest} : {self.count})"

    def place(self, number: str) -> None:
        """Set the index along the folded dimensions to that of an element (of a group)."""
        sizes = [self.first, *self.folded_sizes[1:]]
        self.split_lanes(number, self.folded, sizes)
        if self.k.chunks > 1:
            d = self.folded[0]
            at = f"{self.index[d]} + {self.chunk} * {self.k.chunk}"
            self.index[d] = self.code.let(self.kind, "i", at)

    def store_row(self, s: Step, value: str) -> None:
        """Each chunk has its own results."""
        array, at = self.k.stores[s.id]
        where = self.offset(at)
        if self.k.chunks > 1:
            where = f"{where} + {self.chunk} * {self.k.rows}"
        self.code.line(f"p{array}[{where}] = {stored(value, s.dtype)};")


class _Rows(_Folding):
    """Writes a kernel by rows."""

    def __init__(self, kernel: Kernel, wide: bool):
        super().__init__(kernel)
        self.top = max(s.level for s in kernel.steps)
        full = [s for s in kernel.steps if s.role == "full"]
        self.full_stores = [s for s in full if s.id in kernel.stores]
        folds = [s for s in kernel.steps if s.role == "fold"]
        self.loads = [a for a in loads_of([*full, *folds]) if self._moves(a)]
        if wide:
            able = [kernel.sizes[-1]]
            if kernel.chunks > 1 and len(self.folded) == 1:
                able.append(kernel.chunk)
            self.width = self.widths(able, self.loads, self.full_stores)
        self.groups = self.count // self.width
        self.threads = self._threads()
        self.block = max(self.threads, _THREADS if self.threads <= _LANES else 0)
        self.each = -(-self.groups // self.threads)
        self.kept_steps: list[int] = []
        self.kept_loads: list[Load] = []
        self._keep()

    def _moves(self, a: Load) -> bool:
        return any(a.at.strides[d] for d in self.folded)

    def _threads(self) -> int:
        if self.count > 4096:
            return 512
        if self.count > 512:
            return 256 if self.count > 2048 else 128
        wanted = max(1, min(self.groups, -(-self.count // _EACH)))
        return min(_LANES, 1 << (wanted - 1).bit_length())

    # ------------------------------------------------------------------ levels
    def _roots(self, level: int) -> tuple[list[Step], list[Step]]:
        """The folds that a level computes, and the full values that it stores."""
        folds = [s for s in self.k.steps if s.role == "fold" and s.level == level + 1]
        return folds, [s for s in self.full_stores if s.level == level]

    def _needed(self, level: int) -> list[Step]:
        """The full values that a level computes or has from before, in order."""
        folds, writes = self._roots(level)
        roots = [s.id for s in writes]
        roots += [a.id for s in folds for a in s.args if isinstance(a, Ref)]
        return self.k.full_values(
            roots, lambda s: s.id in self.kept_steps and self._first(s.id) < level
        )

    def _first(self, id: int) -> int:
        """The level that computes what is kept."""
        return self.firsts[id]

    def _needed_loads(self, level: int) -> list[Load]:
        steps = [
            s
            for s in self._needed(level)
            if not (s.id in self.kept_steps and self._first(s.id) < level)
        ]
        return [a for a in loads_of([*steps, *self._roots(level)[0]]) if self._moves(a)]

    def _keep(self) -> None:
        """Choose what is held in registers from one level to the next."""
        self.firsts: dict[int, int] = {}
        levels = range(self.top + 1)
        for level in levels:
            for s in self._needed(level):
                self.firsts.setdefault(s.id, level)
        if self.each * self.width > _HELD or self.k.chunks > 1:
            return
        room = _WORDS

        def fits(itemsize: int) -> bool:
            nonlocal room
            words = self.each * self.width * max(1, itemsize // 4)
            if words > room:
                return False
            room -= words
            return True

        for s in reversed(self.k.steps):
            if s.role == "full" and s.op not in CHEAP:
                times = sum(s in self._needed(level) for level in levels)
                if times > 1 and fits(s.dtype.itemsize):
                    self.kept_steps.append(s.id)
        for a in self.loads:
            times = sum(a in self._needed_loads(level) for level in levels)
            if times > 1 and fits(self.k.arrays[a.array].itemsize):
                self.kept_loads.append(a)

    # ------------------------------------------------------------------ text
    def source(self) -> Source:
        code, k = self.code, self.k
        several = self.block // self.threads
        tasks = k.rows * k.chunks
        step = f"gridDim.x * {several}" if several > 1 else "gridDim.x"
        begin = f"blockIdx.x * {several}" if several > 1 else "blockIdx.x"
        self.shared()
        with code.block(f"for ({self.kind} base = {begin}; base < {tasks}; base += {step})"):
            task = "base"
            code.line(f"const i32 t = threadIdx.x % {self.threads};")
            if several > 1:
                mine = code.let(self.kind, "m", f"base + threadIdx.x / {self.threads}")
                code.line(f"const bool live = {mine} < {tasks};")
                task = code.let(self.kind, "m", f"live ? {mine} : {tasks - 1}")
                self.guard = "if (live) "
            if k.chunks > 1:
                self.chunk = code.let(self.kind, "chunk", f"{task} % {k.chunks}")
                task = code.let(self.kind, "m", f"{task} / {k.chunks}")
            if self.kept:
                self.split(task, self.kept, [k.sizes[d] for d in self.kept])
            self.body()
            for d in self.folded:
                self.index[d] = "0"
            rows = [s for s in k.steps if s.role != "full" and s.id in k.stores]
            if rows:
                test = "t == 0 && live" if several > 1 else "t == 0"
                with code.block(f"if ({test})"):
                    for s in rows:
                        self.store_row(s, self.rows[s.id])
            if self.threads > _LANES and self.meetings == 1:
                code.barrier()  # with several, the next row's first one comes after this one's last
        plain = (lambda: write(self.k, False)) if self.width > 1 else None
        return finished(
            code,
            k.arrays,
            len(k.stores),
            -(-tasks // several),
            self.block,
            barriers=self.threads > 1,
            align=self.align(self.full_stores, self.loads),
            plain=plain,
        )

    def shared(self) -> None:
        """Memory in which the warps of a block meet."""
        self.meeting: dict[int, str] = {}
        if self.threads <= _LANES:
            return
        for s in self.k.steps:
            if s.role == "fold":
                self.meeting[s.id] = self.code.name("meet")
                kind = memory(s.dtype)
                self.code.line(f"__shared__ {kind} {self.meeting[s.id]}[{self.threads // _LANES}];")

    def body(self) -> None:
        """All levels of a row."""
        code = self.code
        self.meetings = 0  # barriers at which folds meet
        self.arrays: dict[object, str] = {}
        for what, dtype in [
            *((i, self.steps[i].dtype) for i in self.kept_steps),
            *((a, self.k.arrays[a.array]) for a in self.kept_loads),
        ]:
            self.arrays[what] = code.name("held")
            code.line(f"{register(dtype)} {self.arrays[what]}[{self.each * self.width}];")
        held: set[object] = set()
        for level in range(self.top + 1):
            for s in self.k.steps:
                if s.role == "row" and s.level == level:
                    self.cache = {}
                    self.rows[s.id] = code.let(register(s.dtype), "r", self.computed(s))
            folds, writes = self._roots(level)
            if folds or writes:
                self.level(level, folds, writes, held)

    def level(
        self, level: int, folds: Sequence[Step], writes: Sequence[Step], held: set[object]
    ) -> None:
        """One pass over the row."""
        code = self.code
        totals = {s.id: code.name("total") for s in folds}
        for s in folds:
            code.line(f"{register(s.dtype)} {totals[s.id]} = {start(s)};")
        steps = self._needed(level)
        loads = self._needed_loads(level)
        self._hoist([*steps, *folds])
        unrolled = bool(self.arrays)
        if unrolled:
            code.line("#pragma unroll")
            opened = code.block(f"for (i32 n = 0; n < {self.each}; n++)")
            inside = self.groups % self.threads != 0
        else:
            count = self.range()
            if self.width > 1:
                count = f"{count} / {self.width}"
            opened = code.block(f"for ({self.kind} e = t; e < {count}; e += {self.threads})")
            inside = False
        with opened:
            if unrolled:
                code.line(f"const {self.kind} e = t + n * {self.threads};")
            guard = code.block(f"if (e < {self.groups})") if inside else code.block()
            with guard:
                self.place("e")
                known = [a for a in self.kept_loads if a in held]
                fetched = [a for a in loads if a not in known]
                with self.lanes(fetched, writes) as lane:
                    at = f"n * {self.width} + {lane}" if self.width > 1 else "n"
                    for a in known:
                        self.cache[a] = f"{self.arrays[a]}[{at}]"
                    for a in fetched:
                        if a in self.arrays:
                            value = self.operand(a)
                            code.line(f"{self.arrays[a]}[{at}] = {value};")
                            self.cache[a] = value
                            held.add(a)
                    for s in steps:
                        if s.id in held:
                            self.cache[s.id] = f"{self.arrays[s.id]}[{at}]"
                            continue
                        self.values([s])
                        if s.id in self.arrays:
                            code.line(f"{self.arrays[s.id]}[{at}] = {self.cache[s.id]};")
                            held.add(s.id)
                    for s in folds:
                        value = self.operand(s.args[0])
                        code.line(f"{totals[s.id]} = {fold(s.op, totals[s.id], value, s.dtype)};")
        for d in self.folded:
            self.index[d] = "0"
        self.known = {}
        self.cache = {}
        self.meet(folds, totals)

    def _hoist(self, steps: Sequence[Step]) -> None:
        """Load before the loop what is the same in all of it."""
        self.cache = {}
        for a in loads_of(steps):
            if not self._moves(a):
                kind = register(self.k.arrays[a.array])
                self.known[a] = self.code.let(kind, "x", self.fetch(a))

    def meet(self, folds: Sequence[Step], totals: dict[int, str]) -> None:
        """Fold what the threads of a row have: each of them gets the whole."""
        code = self.code
        for s in folds:
            total = totals[s.id]
            if self.threads > 1:
                code.line("#pragma unroll")
                with code.block(f"for (i32 by = {min(_LANES, self.threads) // 2}; by; by >>= 1)"):
                    other = f"across({total}, by)"
                    code.line(f"{total} = {fold(s.op, total, other, s.dtype)};")
            if self.threads > _LANES:
                value = stored(total, s.dtype)
                place = f"{self.meeting[s.id]}[threadIdx.x / {_LANES}]"
                code.line(f"if (threadIdx.x % {_LANES} == 0) {place} = {value};")
            self.rows[s.id] = total
        if self.threads > _LANES and folds:
            self.meetings += 1
            code.barrier()
            for s in folds:
                name, total = self.meeting[s.id], totals[s.id]
                code.line(f"{total} = {loaded(f'{name}[0]', s.dtype)};")
                code.line("#pragma unroll")
                with code.block(f"for (i32 n = 1; n < {self.threads // _LANES}; n++)"):
                    other = loaded(f"{name}[n]", s.dtype)
                    code.line(f"{total} = {fold(s.op, total, other, s.dtype)};")


class _Columns(_Folding):
    """Writes a kernel by columns, which has one level."""

    def source(self) -> Source:
        code, k = self.code, self.k
        folds = [s for s in k.steps if s.role == "fold"]
        steps = [s for s in k.steps if s.role == "full"]
        writes = [s for s in steps if s.id in k.stores]
        across = min(_LANES, 1 << (k.rows - 1).bit_length())
        lines = _THREADS // across
        tiles = -(-k.rows // across)
        groups = _grouped(folds)
        for i in range(max(map(len, groups))):
            code.line(f"__shared__ f64 meet{i}[{_THREADS}];")
        code.line(f"const i32 x = threadIdx.x % {across}, y = threadIdx.x / {across};")
        head = f"for ({self.kind} g = blockIdx.x; g < {tiles * k.chunks}; g += gridDim.x)"
        with code.block(head):
            tile = "g"
            if k.chunks > 1:
                self.chunk = code.let(self.kind, "chunk", f"g / {tiles}")
                tile = code.let(self.kind, "m", f"g % {tiles}")
            mine = code.let(self.kind, "m", f"{tile} * {across} + x")
            code.line(f"const bool live = {mine} < {k.rows};")
            column = code.let(self.kind, "m", f"live ? {mine} : 0")
            self.split(column, self.kept, [k.sizes[d] for d in self.kept])
            totals = {s.id: code.name("total") for s in folds}
            for s in folds:
                code.line(f"{register(s.dtype)} {totals[s.id]} = {start(s)};")
            with code.block("if (live)"):
                count = self.range()
                with code.block(f"for ({self.kind} e = y; e < {count}; e += {lines})"):
                    self.place("e")
                    with self.lanes((), writes):
                        self.values(steps)
                        for s in folds:
                            total, value = totals[s.id], self.operand(s.args[0])
                            code.line(f"{total} = {fold(s.op, total, value, s.dtype)};")
            for d in self.folded:
                self.index[d] = "0"
            for group in groups:
                self.meet(group, totals, across, lines)
        work = tiles * k.chunks
        return finished(code, k.arrays, len(k.stores), work, _THREADS, barriers=True)

    def meet(self, folds: Sequence[Step], totals: dict[int, str], across: int, lines: int) -> None:
        """Fold what the lines of a block have, and store it."""
        code = self.code

        def shared(i: int, s: Step, place: str) -> str:
            return f"reinterpret_cast<{memory(s.dtype)}*>(meet{i})[{place}]"

        for i, s in enumerate(folds):
            code.line(f"{shared(i, s, 'threadIdx.x')} = {stored(totals[s.id], s.dtype)};")
        code.barrier()
        with code.block("if (y == 0 && live)"):
            for i, s in enumerate(folds):
                total = totals[s.id]
                with code.block(f"for (i32 n = 1; n < {lines}; n++)"):
                    other = loaded(shared(i, s, f"n * {across} + x"), s.dtype)
                    code.line(f"{total} = {fold(s.op, total, other, s.dtype)};")
                if s.id in self.k.stores:
                    self.store_row(s, total)
        code.barrier()


def _grouped(folds: Sequence[Step]) -> list[Sequence[Step]]:
    """Folds that meet at a time: as many as shared memory has room for."""
    return [folds[i : i + _MEETING] for i in range(0, len(folds), _MEETING)]
