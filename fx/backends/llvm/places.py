"""Coordinates that are data, in LLVM IR: loads from where they point, updates of what is there.

Whatever the coordinates are, no element outside an array is touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.backends.llvm import scalar
from fx.backends.llvm.builder import BOOL, I32, I64, Builder, Value, memory_type, type_name
from fx.backends.llvm.units import units_of
from fx.kernel.loops import Index, Load, Number, Ref, Step
from fx.kernel.scatters import Axis, Scatters

_NARROW = 1 << 31


def corner(b: Builder, x: Value, last: int, dtype: np.dtype) -> tuple[Value, Value]:
    """A coordinate moved between 0 and `last`, as `dtype` (I32 or I64), and whether it was."""
    kind = x.dtype
    small = kind.itemsize < 4 or kind == I32
    wide = I32 if small else I64 if kind.itemsize <= 4 or kind.kind == "i" else kind
    x = scalar.convert(b, x, wide)
    last = min(last, _NARROW - 1) if small else last
    inside = b.compare("icmp ule", x, b.like(x, last))
    if wide.kind == "i":
        x = b.intrinsic("smin", b.intrinsic("smax", x, b.like(x, 0)), b.like(x, last))
    else:
        x = b.intrinsic("umin", x, b.like(x, last))
    return scalar.convert(b, x, dtype), inside


# ---------------------------------------------------------------------- loads
def _same(w: Any, a: Load | Index | Number | Ref) -> bool:
    """Whether an operand is the same along the innermost dimension."""
    if isinstance(a, Ref):
        return w.steps[a.id].role != "full"
    return isinstance(a, Number) or not a.at.strides[w.last]


def _parts(s: Step) -> tuple[list[Any], Any]:
    """The columns of a "take", and what stands for elements outside, or None."""
    columns = list(s.args[1:])
    fill = columns.pop() if len(columns) > len(s.picks) else None
    return columns, fill


def start(w: Any, s: Step) -> tuple[str, Value | None]:
    """What the columns that stay the same add to an offset, and whether they are inside."""
    b = w.b
    columns, fill = _parts(s)
    total, inside = "0", None
    for a, (last, stride) in zip(columns, s.picks, strict=True):
        if not _same(w, a):
            continue
        x, fits = corner(b, w.row_operand(a), last, I64)
        term = x.text if stride == 1 else b.integer(f"mul nsw i64 {x.text}, {stride}")
        total = term if total == "0" else b.integer(f"add nsw i64 {total}, {term}")
        if fill is not None:
            inside = fits if inside is None else b.binary("and", inside, fits)
    return total, inside


def starts(w: Any) -> tuple[list[str], dict[int, tuple[str, Value | None]]]:
    """The starts of steps for which they are known before the innermost loop, at this index."""
    return w.index[:-1], {
        s.id: start(w, s)
        for s in w.k.steps
        if s.op == "take"
        and all(not isinstance(a, Ref) or not _same(w, a) or a.id in w.rows for a in s.args[1:])
    }


def apart(w: Any, array: int, where: str, stride: int, dtype: np.dtype) -> Value:
    """Elements `stride` apart, of which lanes outside the mask are not loaded."""
    b, n = w.b, w.b.lanes
    kind, one = memory_type(dtype, n), memory_type(dtype, 1)
    offsets = f"<{n} x i64> <{', '.join(f'i64 {i * stride}' for i in range(n))}>"
    pointer = w.pointer(array, one, where)
    vector = b.integer(f"getelementptr {one}, ptr {pointer}, {offsets}")
    mask = w.mask.text if w.mask is not None else "splat (i1 true)"
    value = b.emit(b.masked_gather(kind, one, n, vector, dtype.itemsize, mask), dtype, n)
    if dtype == BOOL:
        return b.emit(f"icmp ne {kind} {value.text}, zeroinitializer", BOOL, n)
    return value


def _each(w: Any, array: int, where: str, offsets: Value, dtype: np.dtype) -> Value:
    """Elements at offsets, lane by lane: two or three times as fast as a gather on AMD's cores."""
    b, n = w.b, offsets.lanes
    one, wide = memory_type(dtype, 1), memory_type(dtype, n)
    pointer, whole = w.pointer(array, one, where), "poison"
    index = type_name(offsets.dtype, 1)
    for i in range(n):
        at = b.integer(f"extractelement {offsets.type} {offsets.text}, i32 {i}")
        place = b.integer(f"getelementptr inbounds {one}, ptr {pointer}, {index} {at}")
        x = b.integer(f"load {one}, ptr {place}, align {dtype.itemsize}")
        whole = b.integer(f"insertelement {wide} {whole}, {one} {x}, i32 {i}")
    if dtype == BOOL:
        return b.emit(f"icmp ne {wide} {whole}, zeroinitializer", BOOL, n)
    return Value(whole, dtype, n)


def taken(w: Any, s: Step) -> Value:
    """Elements where columns say."""
    b = w.b
    load = s.args[0]
    assert isinstance(load, Load)
    columns, fill = _parts(s)
    outer, known = w.starts
    found = known.get(s.id) if outer == w.index[:-1] else None
    add, same_inside = found or start(w, s)
    where = w.offset(load.at)
    if add != "0":
        where = add if where == "0" else b.integer(f"add nsw i64 {where}, {add}")
    reach = sum(last * abs(stride) for last, stride in s.picks)
    reach += b.lanes * abs(load.at.strides[w.last])
    kind = I32 if reach < _NARROW else I64
    offsets, inside = None, None
    for a, (last, stride) in zip(columns, s.picks, strict=True):
        if _same(w, a):
            continue
        x, fits = corner(b, w.operand(a), last, kind)
        term = x if stride == 1 else b.binary("mul", x, b.like(x, stride))
        offsets = term if offsets is None else b.binary("add", offsets, term)
        inside = fits if inside is None else b.binary("and", inside, fits)
    step = load.at.strides[w.last]
    if offsets is not None:
        if step:
            lanes = np.arange(b.lanes) * step
            text = ", ".join(f"{type_name(kind, 1)} {i}" for i in lanes)
            offsets = b.binary("add", offsets, Value(f"<{text}>", kind, b.lanes))
            if w.mask is not None:  # lanes beyond the end see what the first one might
                offsets = b.select(w.mask, offsets, b.like(offsets, 0))
        y = _each(w, load.array, where, offsets, s.dtype)
    elif not step:
        y = b.splat(w.fetch(load.array, where, s.dtype, None, 1), b.lanes)
    elif step == 1:
        y = w.fetch(load.array, where, s.dtype, w.mask)
    else:
        y = apart(w, load.array, where, step, s.dtype)
    if fill is not None:
        other = w.operand(fill)
        y = b.select(inside, y, other) if inside is not None else y
        y = b.select(same_inside, y, other) if same_inside is not None else y
    return y


# ---------------------------------------------------------------------- updates
def write(k: Scatters, lanes: int) -> tuple[str, dict[str, str]]:
    """The body of a kernel of updates as text (its name is `@KERNEL`), and its declarations."""
    b = Builder(lanes)
    b.lines.append("define void @KERNEL(ptr %arrays, i64 %begin, i64 %end) {")
    b.label("entry")
    for i in range(len(k.arrays)):
        b.line(f"%q{i} = getelementptr ptr, ptr %arrays, i64 {i}")
        b.line(f"%p{i} = load ptr, ptr %q{i}")
    b.line(f"%aside = alloca {memory_type(k.dtype, 1)}")
    b.line(f"store {memory_type(k.dtype, 1)} zeroinitializer, ptr %aside")
    with b.loop("%begin", "%end", 1) as unit:
        _Updates(b, k).unit(unit)
    b.line("ret void")
    b.lines.append("}")
    return "\n".join(b.lines), b.declared


class _Offsets:
    """Where the current index is in the result, the updates and the columns."""

    def __init__(self, b: Builder, target: str, update: str, columns: Sequence[str]):
        self.b, self.target, self.update, self.columns = b, target, update, list(columns)

    def moved(self, axis: Axis, i: str) -> _Offsets:
        """At an index along an axis."""
        b = self.b
        columns = [b.moved(x, i, s) for x, s in zip(self.columns, axis.columns, strict=True)]
        target, update = b.moved(self.target, i, axis.target), b.moved(self.update, i, axis.update)
        return _Offsets(b, target, update, columns)


class _Updates:
    """Writes a unit of a kernel of updates."""

    def __init__(self, b: Builder, k: Scatters):
        self.b, self.k, self.units = b, k, units_of(k)

    def unit(self, unit: str) -> None:
        """Find out where a unit lies, then do it."""
        b, k, units = self.b, self.k, self.units
        rest, block = b.divmod(unit, units.blocks)
        inner = units.inner
        self.left, self.right = "0", "1" if inner is None else str(inner.size)
        if inner is not None and units.blocks > 1:
            self.left = b.integer(f"mul nsw i64 {block}, {units.block}")
            self.right = b.limited(self.left, units.block, inner.size)
        at = _Offsets(b, str(k.start), str(k.first), [str(c.offset) for c in k.columns])
        for axis in reversed(units.outer):
            rest, i = b.divmod(rest, axis.size)
            at = at.moved(axis, i)
        with contextlib.ExitStack() as loops:
            for axis in k.batch:
                at = at.moved(axis, loops.enter_context(b.loop("0", str(axis.size), 1)))
            self._window(at)

    def _window(self, at: _Offsets) -> None:
        """One window, if it is wanted."""
        b, k, units = self.b, self.k, self.units
        wanted: Value | None = None
        target = at.target
        for n, (column, where) in enumerate(zip(k.columns, at.columns, strict=True)):
            kind = type_name(column.dtype, 1)
            pointer = b.integer(f"getelementptr inbounds {kind}, ptr %p{n}, i64 {where}")
            x = b.emit(
                f"load {kind}, ptr {pointer}, align {column.dtype.itemsize}", column.dtype, 1
            )
            x, inside = corner(b, x, column.last, I64)
            if k.drops:
                wanted = inside if wanted is None else b.binary("and", wanted, inside)
            target = b.moved(target, x.text, column.stride)
        if units.inner is None and not k.window:
            self._update(_Offsets(b, target, at.update, []), 0, 1, wanted)
            return
        do, done = b.name("do"), b.name("passed")
        if wanted is not None:
            b.line(f"br i1 {wanted.text}, label %{do}, label %{done}")
            b.label(do)
        at = _Offsets(b, target, at.update, [])
        with contextlib.ExitStack() as loops:
            for axis in k.window:
                i = loops.enter_context(b.loop("0", str(axis.size), 1))
                at = at.moved(axis._replace(columns=()), i)
            self._line(at)
        if wanted is not None:
            b.line(f"br label %{done}")
            b.label(done)

    def _line(self, at: _Offsets) -> None:
        """Along the innermost free axis: in vectors where elements are neighbours."""
        b, inner = self.b, self.units.inner
        if inner is None:
            self._update(at, 0, 1)
            return
        axis = inner._replace(columns=())
        if inner.target != 1 or inner.update not in (0, 1):
            with b.loop(self.left, self.right, 1) as i:
                self._update(at.moved(axis, i), inner.update, 1)
            return
        width = b.integer(f"sub nsw i64 {self.right}, {self.left}")
        whole = b.integer(f"and i64 {width}, {-b.lanes}")
        middle = b.integer(f"add nsw i64 {self.left}, {whole}")
        for low, high, lanes in ((self.left, middle, b.lanes), (middle, self.right, 1)):
            with b.loop(low, high, lanes) as i:
                self._update(at.moved(axis, i), inner.update, lanes)

    def _update(self, at: _Offsets, stride: int, lanes: int, wanted: Value | None = None) -> None:
        """One vector of updates. One that is not wanted goes aside: a branch would mispredict."""
        b, k = self.b, self.k
        n = len(k.columns)
        update = self._load(n, at.update, lanes if stride else 1)
        y = b.splat(update, lanes)
        pointer = self._pointer(n + 1, at.target)
        if wanted is not None:
            pointer = b.integer(f"select i1 {wanted.text}, ptr {pointer}, ptr %aside")
        if k.op != "set":
            y = scalar.fold(b, k.op, self._loaded(pointer, lanes), y)
        b.line(f"store {y.type} {y.text}, ptr {pointer}, align {k.dtype.itemsize}")

    def _pointer(self, array: int, where: str) -> str:
        kind = memory_type(self.k.dtype, 1)
        return self.b.integer(f"getelementptr inbounds {kind}, ptr %p{array}, i64 {where}")

    def _load(self, array: int, where: str, lanes: int) -> Value:
        return self._loaded(self._pointer(array, where), lanes)

    def _loaded(self, pointer: str, lanes: int) -> Value:
        k, kind = self.k, type_name(self.k.dtype, lanes)
        return self.b.emit(f"load {kind}, ptr {pointer}, align {k.dtype.itemsize}", k.dtype, lanes)
