"""Kernels as LLVM IR: a loop nest becomes `void kernel(ptr arrays, i64 begin, i64 end)`.

`arrays` points to the data pointers; `begin` and `end` say which *units* of work to do. A unit is

    map        a block of the innermost dimension; where operands run along another one, for as
               many indices of that as a vector has lanes, since they are read in square tiles
    by rows    one row, or one chunk of it: each level is a loop over the folded dimensions
    by columns a block of the innermost dimension, for one chunk of the folded ones, whose
               accumulators are the results in memory
    products   see `contraction`

so that any split of the units among threads computes the same bits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fx.backends.llvm import places, prefixes, scalar, sorts
from fx.backends.llvm.builder import (
    BOOL,
    I32,
    I64,
    Builder,
    Value,
    memory_type,
    transposed,
    type_name,
)
from fx.backends.llvm.contraction import Contractor
from fx.backends.llvm.units import turned, units_of
from fx.kernel.loops import Affine, AnyKernel, Index, Kernel, Load, Number, Ref, Step
from fx.kernel.prefixes import Prefixes
from fx.kernel.scatters import Scatters
from fx.kernel.sorts import Sorts
from fx.kernel.vocabulary import CHEAP, PLACED, identity

_OTHERS: Any = {Prefixes: prefixes.write, Scatters: places.write, Sorts: sorts.write}


def write(kernel: AnyKernel, lanes: int) -> tuple[str, dict[str, str]]:
    """The body of a kernel as text (its name is `@KERNEL`), and its declarations."""
    if not isinstance(kernel, Kernel):
        return _OTHERS[type(kernel)](kernel, lanes)
    writer = _Writer(kernel, lanes)
    writer.function()
    return "\n".join(writer.b.lines), writer.b.declared


_ROWS = 4  # that are added to accumulators in memory at a time


class _Writer:
    def __init__(self, kernel: Kernel, lanes: int):
        self.k = kernel
        self.b = Builder(lanes)
        self.units = units_of(kernel)
        self.steps = {s.id: s for s in kernel.steps}
        # Texts name steps by their place: equal kernels of other nodes are equal texts.
        self.number = {s.id: i for i, s in enumerate(kernel.steps)}
        self.last = len(kernel.sizes) - 1
        self.index: list[str] = ["0"] * len(kernel.sizes)
        self.rows: dict[int, Value] = {}
        self.scratch: dict[int, int] = {}
        self.hoisted: dict[Load, Value] = {}
        self.starts: tuple[list[str], dict[int, tuple[str, Value | None]]] = [], {}
        tiling = self.units.tiling
        self.products = Contractor(self, tiling) if tiling is not None else None
        self._plan_scratch()

    # ------------------------------------------------------------------ frame
    def function(self) -> None:
        b, k = self.b, self.k
        b.lines.append("define void @KERNEL(ptr %arrays, i64 %begin, i64 %end) {")
        b.label("entry")
        for i in range(len(k.arrays)):
            b.line(f"%q{i} = getelementptr ptr, ptr %arrays, i64 {i}")
            b.line(f"%p{i} = load ptr, ptr %q{i}")
        for s in k.steps:
            if s.role == "fold":
                b.line(f"%acc{self.number[s.id]} = alloca {type_name(s.dtype, b.lanes)}")
        if self.products is not None:
            self.products.frame()
        if self.units.across is not None:
            for n, load in enumerate(turned(k, self.units.across)):
                kind = type_name(k.arrays[load.array], b.lanes)
                b.line(f"%square{n} = alloca {kind}, i64 {b.lanes}, align 64")
        with self.loop("%begin", "%end", 1, self.products is not None) as unit:
            self.rows, self.hoisted = {}, {}
            if self.products is not None:
                self.products.unit(unit)
            else:
                self.unit(unit)
        b.line("ret void")
        b.lines.append("}")

    def loop(
        self, start: str, stop: str, step: int, hidden: bool = False
    ) -> contextlib.AbstractContextManager[str]:
        return self.b.loop(start, stop, step, hidden)

    def unit(self, unit: str) -> None:
        """Find out where a unit lies, then do it."""
        k, b = self.k, self.b
        rest, chunk = b.divmod(unit, k.chunks)
        start, stop = "0", str(k.sizes[-1])
        inner_stays = not k.reduced[-1]
        if inner_stays:
            rest, block = b.divmod(rest, self.units.blocks)
            if self.units.blocks > 1:
                start = b.integer(f"mul nsw i64 {block}, {self.units.block}")
                stop = b.limited(start, self.units.block, k.sizes[-1])
        kept = [d for d in range(self.last + 1) if not k.reduced[d]]
        outer = kept[:-1] if inner_stays else kept
        d = self.units.across
        spans = []
        for i in reversed(outer):
            span = self.units.spans.get(i, 1)
            rest, self.index[i] = b.divmod(rest, -(-k.sizes[i] // span))
            if span > 1 and i != d:
                low = self.index[i]
                if low != "0":
                    low = b.integer(f"mul nsw i64 {low}, {span}")
                spans.append((i, low, b.limited(low, span, k.sizes[i])))
        folded = [d for d in range(self.last + 1) if k.reduced[d]]
        self.ranges = {d: ("0", str(k.sizes[d])) for d in folded}
        if k.chunks > 1:
            first = b.integer(f"mul nsw i64 {chunk}, {k.chunk}")
            self.ranges[folded[0]] = (first, b.limited(first, k.chunk, k.sizes[folded[0]]))
        self.chunk = chunk
        with contextlib.ExitStack() as loops:
            for i, low, high in reversed(spans):
                self.index[i] = loops.enter_context(self.loop(low, high, 1))
            if d is not None:
                self.squares(d, start, stop)
            elif not folded:
                self.inner(start, stop, lambda: self.stage(0))
            elif inner_stays:
                self.columns(folded, start, stop)
            else:
                self.by_rows(folded)

    # ------------------------------------------------------------------ squares
    def squares(self, d: int, start: str, stop: str) -> None:
        """A map over a block of dimension d, whose operands along d are turned in registers."""
        b, k = self.b, self.k
        loads, lanes = turned(k, d), b.lanes
        low = b.integer(f"mul nsw i64 {self.index[d]}, {lanes}")
        high = b.limited(low, lanes, k.sizes[d])
        mask = None
        if k.sizes[d] % lanes:
            left = b.integer(f"sub nsw i64 {high}, {low}")
            count = b.emit(f"trunc i64 {left} to i32", I32, 1)
            mask = b.compare("icmp slt", self.lane_numbers(), b.splat(count, lanes))
        with self.loop(start, stop, lanes) as first:
            self.index[d] = low
            for n, load in enumerate(loads):
                rows = []
                for i in range(lanes):
                    row = b.integer(f"add nsw i64 {first}, {i}")
                    if k.sizes[-1] % lanes or self._ragged(k.sizes[-1]):
                        row = b.least(row, k.sizes[-1] - 1)
                    self.index[self.last] = row
                    at = self.offset(load.at)
                    rows.append(self.fetch(load.array, at, k.arrays[load.array], mask))
                for i, column in enumerate(transposed(b, rows)):
                    to = b.integer(f"getelementptr {column.type}, ptr %square{n}, i64 {i}")
                    b.line(f"store {column.type} {column.text}, ptr {to}")
            end = b.least(b.integer(f"add nsw i64 {first}, {lanes}"), stop)
            with self.loop(low, high, 1) as place:
                self.index[d] = place
                row = b.integer(f"sub nsw i64 {place}, {low}")

                def body() -> None:
                    for n, load in enumerate(loads):
                        dtype = k.arrays[load.array]
                        kind = type_name(dtype, lanes)
                        at = b.integer(f"getelementptr {kind}, ptr %square{n}, i64 {row}")
                        self.cache[load] = b.emit(f"load {kind}, ptr {at}", dtype, lanes)
                    self.stage(0)

                ragged = bool(k.sizes[-1] % lanes) or self._ragged(k.sizes[-1])
                self.vectors(first, end, ragged, body)

    def inner(self, start: str, stop: str, body: Callable[[], None]) -> None:
        """The vector loop over the innermost dimension."""
        size = self.k.sizes[-1]
        ragged = bool(size % self.b.lanes) or (start != "0" and self._ragged(size))
        self.vectors(start, stop, ragged, body)

    def vectors(self, start: str, stop: str, ragged: bool, body: Callable[[], None]) -> None:
        """A loop over a part of the innermost dimension, with a mask if it is `ragged`."""
        b = self.b
        self.starts = places.starts(self)
        with self.loop(start, stop, b.lanes) as i:
            self.index[self.last] = i
            self.mask = None
            if ragged:
                left = b.least(b.integer(f"sub nsw i64 {stop}, {i}"), b.lanes)
                count = b.emit(f"trunc i64 {left} to i32", I32, 1)
                self.mask = b.compare("icmp slt", self.lane_numbers(), b.splat(count, b.lanes))
            self.cache: dict[object, Value] = {}
            body()
        self.index[self.last] = "0"
        self.starts = [], {}

    def _ragged(self, size: int) -> bool:
        """Whether a unit's part of the innermost dimension may not fill its vectors."""
        if self.k.reduced[-1]:
            cut = (
                self.k.chunk if self.k.chunks > 1 and self.k.reduced.index(True) == self.last else 0
            )
            return bool(cut % self.b.lanes)
        return bool(self.units.block % self.b.lanes)

    def lane_numbers(self) -> Value:
        text = ", ".join(f"i32 {i}" for i in range(self.b.lanes))
        if self.b.lanes == 1:
            return Value("0", I32, 1)
        return Value(f"<{text}>", I32, self.b.lanes)

    # ------------------------------------------------------------------ by rows
    def by_rows(self, folded: list[int]) -> None:
        b, k = self.b, self.k
        top = max(s.level for s in k.steps)
        for level in range(top + 1):
            for s in k.steps:
                if s.role == "row" and s.level == level:
                    self.row(s)
            folds = [s for s in k.steps if s.role == "fold" and s.level == level + 1]
            if not folds and not self._writes(level):
                continue
            self._hoist(level, folded)
            for s in folds:
                start = b.const(identity(s.op, s.dtype), s.dtype, b.lanes)
                b.line(f"store {start.type} {start.text}, ptr %acc{self.number[s.id]}")
            self.nest(folded, level, folds)
            for s in folds:
                kind = type_name(s.dtype, b.lanes)
                total = b.emit(f"load {kind}, ptr %acc{self.number[s.id]}", s.dtype, b.lanes)
                self.rows[s.id] = self.across(s.op, total)
        for s in k.steps:
            if s.role != "full" and s.id in k.stores:
                self.store_row(s)

    def nest(self, folded: list[int], level: int, folds: list[Step]) -> None:
        """Loops over the folded dimensions, the last one in vectors."""

        def body() -> None:
            self.stage(level)
            for s in folds:
                self.accumulate(s)

        with contextlib.ExitStack() as loops:
            for d in folded[:-1]:
                self.index[d] = loops.enter_context(self.loop(*self.ranges[d], 1))
            self.inner(*self.ranges[self.last], body)
        for d in folded:
            self.index[d] = "0"

    def row(self, s: Step) -> None:
        """A scalar of the row, from other scalars and loads."""
        args = [self.row_operand(a) for a in s.args]
        self.rows[s.id] = scalar.apply(self.b, s.op, args, s.dtype)

    def row_operand(self, a: Load | Index | Number | Ref) -> Value:
        if isinstance(a, Ref):
            return self.rows[a.id]
        if isinstance(a, Number):
            return self.b.const(a.value[()], a.value.dtype, 1)
        if isinstance(a, Index):
            return self.index_value(a.at, a.dtype, 1)
        return self.load(a.array, a.at, self.k.arrays[a.array], 1)

    def accumulate(self, s: Step) -> None:
        b = self.b
        (arg,) = s.args
        x = self.operand(arg)
        if self.mask is not None:
            x = b.select(self.mask, x, b.const(identity(s.op, s.dtype), s.dtype, b.lanes))
        old = b.emit(f"load {x.type}, ptr %acc{self.number[s.id]}", s.dtype, b.lanes)
        new = scalar.fold(b, s.op, old, x)
        b.line(f"store {new.type} {new.text}, ptr %acc{self.number[s.id]}")

    def across(self, op: str, x: Value) -> Value:
        """The fold of all lanes, by halves."""
        b, lanes = self.b, x.lanes
        while lanes > 1:
            half = lanes // 2
            parts = []
            for low in (0, half):
                picks = ", ".join(f"i32 {low + i}" for i in range(half))
                text = f"shufflevector {x.type} {x.text}, {x.type} poison, <{half} x i32> <{picks}>"
                if half == 1:
                    text = f"extractelement {x.type} {x.text}, i32 {low}"
                parts.append(b.emit(text, x.dtype, half))
            x = scalar.fold(b, op, *parts)
            lanes = half
        return x

    def store_row(self, s: Step) -> None:
        self.put(self.rows[s.id], *self.place(s), None)

    def place(self, s: Step) -> tuple[int, str]:
        """The array and the offset of a row's value: each chunk has its own results."""
        array, at = self.k.stores[s.id]
        return array, self.with_chunk(self.offset(at))

    def with_chunk(self, where: str) -> str:
        """An offset among the results of the chunk that the unit works on."""
        if self.k.chunks == 1:
            return where
        return self.b.moved(where, self.chunk, self.k.rows)

    def result(self, id: int) -> tuple[int, Affine]:
        """The array that holds a full value, its own or one that is written later."""
        return self.k.stores[self.scratch.get(id, id)]

    # ------------------------------------------------------------------ by columns
    def columns(self, folded: list[int], start: str, stop: str) -> None:
        """Accumulators in memory: rows stream past a block of columns."""
        b, k = self.b, self.k
        folds = [s for s in k.steps if s.role == "fold"]

        def fill() -> None:
            for s in folds:
                value = b.const(identity(s.op, s.dtype), s.dtype, b.lanes)
                self.put(value, *self.place(s), self.mask)

        def body(rows: int = 1) -> None:
            d, places = folded[-1], [self.place(s) for s in folds]
            first = self.index[d]
            totals = [
                self.fetch(array, where, s.dtype, self.mask)
                for s, (array, where) in zip(folds, places, strict=True)
            ]
            for row in range(rows):
                if row:
                    self.index[d] = b.integer(f"add nsw i64 {first}, {row}")
                    self.cache = {}
                self.stage(0)
                for i, s in enumerate(folds):
                    totals[i] = scalar.fold(b, s.op, totals[i], self.operand(s.args[0]))
            self.index[d] = first
            for total, (array, where) in zip(totals, places, strict=True):
                self.put(total, array, where, self.mask)

        self.inner(start, stop, fill)
        # Several rows at a time where little is computed: the accumulators' memory is what costs.
        rows = _ROWS if len(k.steps) <= _ROWS else 1
        with contextlib.ExitStack() as loops:
            for d in folded[:-1]:
                self.index[d] = loops.enter_context(self.loop(*self.ranges[d], 1))
            d = folded[-1]
            low, high = self.ranges[d]
            if rows > 1:
                count = b.integer(f"sub nsw i64 {high}, {low}")
                whole = b.integer(f"and i64 {count}, {-rows}")
                middle = b.integer(f"add nsw i64 {low}, {whole}")
                with self.loop(low, middle, rows) as self.index[d]:
                    self.inner(start, stop, lambda: body(rows))
                low = middle
            with self.loop(low, high, 1) as self.index[d]:
                self.inner(start, stop, body)
        for d in folded:
            self.index[d] = "0"

    # ------------------------------------------------------------------ full values
    def stage(self, level: int) -> None:
        """Compute the full values of a level, and store those that are kept."""
        writes = {s.id for s in self._writes(level)}
        for s in self._demanded(level):
            kept = self._kept(s)
            if kept is not None and (s.level < level or s.op == "contract"):
                self.cache[s.id] = self.fetch(kept[0], self.offset(kept[1]), s.dtype, self.mask)
                continue
            value = self.cache[s.id] = self.computed(s)
            if s.id in writes and kept is not None:
                self.put(value, kept[0], self.offset(kept[1]), self.mask)

    def computed(self, s: Step) -> Value:
        """The value of a step in each lane."""
        if s.op == "take":
            return places.taken(self, s)
        if s.op != "pad":
            return scalar.apply(self.b, s.op, [self.operand(a) for a in s.args], s.dtype)
        load, fill = s.args
        assert isinstance(load, Load)
        b, outside = self.b, self.mask
        inside = None
        for at, low, high in s.bounds:
            number = Value(self.offset(at), I64, 1)
            if at.strides[self.last]:
                number = b.splat(b.cast("trunc", number, I32), b.lanes)
                steps = b.binary("mul", self.lane_numbers(), b.like(number, at.strides[self.last]))
                number = b.binary("add", number, steps)
            from_low = b.binary("sub", number, b.like(number, low))
            test = b.compare("icmp ult", from_low, b.like(number, high - low))
            test = b.splat(test, b.lanes)
            inside = test if inside is None else b.binary("and", inside, test)
        assert inside is not None  # there is a bound
        self.mask = inside if outside is None else b.binary("and", outside, inside)
        if load.at.strides[self.last]:
            value = self.load(load.array, load.at, s.dtype, b.lanes)
        else:  # one element for all lanes, that exists if any of them is inside
            name = f"llvm.vector.reduce.or.v{b.lanes}i1"
            some = b.integer(b.call(name, "i1", self.mask))
            where = b.integer(f"select i1 {some}, i64 {self.offset(load.at)}, i64 0")
            value = b.splat(self.fetch(load.array, where, s.dtype, None, 1), b.lanes)
        self.mask = outside
        return b.select(inside, value, self.operand(fill))

    def _writes(self, level: int) -> list[Step]:
        return [
            s
            for s in self.k.steps
            if s.role == "full" and s.level == level and self._kept(s) is not None
        ]

    def _kept(self, s: Step) -> tuple[int, Affine] | None:
        """Where a full value is kept in memory, if it is."""
        return self.k.stores.get(self.scratch.get(s.id, s.id))

    def _demanded(self, level: int) -> list[Step]:
        """The full values that a level computes or reads back, in order."""
        roots = [s.id for s in self._writes(level)]
        for s in self.k.steps:
            if s.role == "fold" and s.level == level + 1:
                roots += [a.id for a in s.args if isinstance(a, Ref)]
        return self.k.full_values(roots, lambda s: s.level != level and self._kept(s) is not None)

    def operand(self, a: Load | Index | Number | Ref) -> Value:
        b = self.b
        if isinstance(a, Number):
            return b.const(a.value[()], a.value.dtype, b.lanes)
        if isinstance(a, Ref):
            if a.id in self.cache:
                return self.cache[a.id]
            return b.splat(self.rows[a.id], b.lanes)
        if a not in self.cache:
            if isinstance(a, Index):
                self.cache[a] = self.index_value(a.at, a.dtype, b.lanes)
            elif a in self.hoisted:
                self.cache[a] = b.splat(self.hoisted[a], b.lanes)
            else:
                self.cache[a] = self.load(a.array, a.at, self.k.arrays[a.array], b.lanes)
        return self.cache[a]

    def _hoist(self, level: int, dims: list[int]) -> None:
        """Load before the loops what does not change in them."""
        for s in self.k.steps:
            if s.role == "row" or s.level > level + 1:
                continue
            for a in s.args[s.op in PLACED :]:
                if not isinstance(a, Load) or a in self.hoisted:
                    continue
                if not any(a.at.strides[d] for d in dims):
                    self.hoisted[a] = self.load(a.array, a.at, self.k.arrays[a.array], 1)

    def _plan_scratch(self) -> None:
        """Keep costly values that a later level needs in an array that is written later still."""
        products, host = self.k.products, self.k.sums
        if products is not None and host is not None:  # such a kernel has one level
            if host != products.id:
                self.scratch[products.id] = host
            return
        hosts = [s for s in self.k.steps if s.role == "full" and s.id in self.k.stores]
        top = max(s.level for s in self.k.steps)
        while top:
            last: dict[int, int] = {}
            for level in range(1, top + 1):
                last.update((s.id, level) for s in self._demanded(level) if s.level < level)
            for id, level in sorted(last.items(), reverse=True):
                s = self.steps[id]
                if s.op in CHEAP or self._kept(s) is not None:
                    continue
                # The last level that needs it reads it before its place is written.
                host = next(
                    (
                        t
                        for t in hosts
                        if (t.level, self.number[t.id]) > (level, self.number[id])
                        and t.dtype == s.dtype
                    ),
                    None,
                )
                if host is not None:
                    self.scratch[id] = host.id
                    hosts.remove(host)
                    break
            else:
                return

    # ------------------------------------------------------------------ memory
    def offset(self, at: Affine) -> str:
        """The element offset at the current index."""
        total = str(at.offset)
        for stride, i in zip(at.strides, self.index, strict=True):
            total = self.b.moved(total, i, stride)
        return total

    def pointer(self, array: int, dtype_text: str, where: str) -> str:
        return self.b.integer(f"getelementptr inbounds {dtype_text}, ptr %p{array}, i64 {where}")

    def load(self, array: int, at: Affine, dtype: np.dtype, lanes: int) -> Value:
        b, where = self.b, self.offset(at)
        stride = at.strides[self.last]
        if lanes == 1 or not stride:
            value = self.fetch(array, where, dtype, None, 1)
            return b.splat(value, lanes)
        if stride == 1:
            return self.fetch(array, where, dtype, self.mask)
        return places.apart(self, array, where, stride, dtype)

    def fetch(
        self, array: int, where: str, dtype: np.dtype, mask: Value | None, lanes: int = 0
    ) -> Value:
        """A contiguous load; lanes outside the mask are zero."""
        b = self.b
        lanes = lanes or b.lanes
        kind, one = memory_type(dtype, lanes), memory_type(dtype, 1)
        pointer = self.pointer(array, one, where)
        align = dtype.itemsize
        if mask is None or lanes == 1:
            text = f"load {kind}, ptr {pointer}, align {align}"
        else:
            text = b.masked_load(kind, one, lanes, pointer, align, mask.text)
        value = b.emit(text, dtype, lanes)
        if dtype == BOOL:
            return b.emit(f"icmp ne {kind} {value.text}, zeroinitializer" if lanes > 1 else
                          f"icmp ne i8 {value.text}, 0", BOOL, lanes)  # fmt: skip
        return value

    def put(self, value: Value, array: int, where: str, mask: Value | None) -> None:
        """A contiguous store."""
        b, lanes = self.b, value.lanes
        kind, one = memory_type(value.dtype, lanes), memory_type(value.dtype, 1)
        text = value.text
        if value.dtype == BOOL:
            text = b.integer(f"zext {value.type} {text} to {kind}")
        pointer = self.pointer(array, one, where)
        align = value.dtype.itemsize
        if mask is None or lanes == 1:
            b.line(f"store {kind} {text}, ptr {pointer}, align {align}")
            return
        b.masked_store(kind, one, lanes, text, pointer, align, mask.text)

    def index_value(self, at: Affine, dtype: np.dtype, lanes: int) -> Value:
        """The index itself as a number."""
        b = self.b
        base = Value(self.offset(at), I64, 1)
        stride = at.strides[self.last]
        if lanes > 1 and stride and dtype.kind in "iu" and dtype.itemsize <= 4:
            wide = np.arange(lanes, dtype=np.int64) * stride
            kind = type_name(dtype, 1)
            steps = ", ".join(f"{kind} {i}" for i in wide.astype(f"i{dtype.itemsize}"))
            start = b.splat(scalar.convert(b, base, dtype), lanes)
            return b.binary("add", start, Value(f"<{steps}>", dtype, lanes))
        if lanes == 1 or not stride:
            return b.splat(scalar.convert(b, base, dtype), lanes)
        steps = ", ".join(f"i64 {i * stride}" for i in range(lanes))
        whole = b.binary("add", b.splat(base, lanes), Value(f"<{steps}>", I64, lanes))
        return scalar.convert(b, whole, dtype)
