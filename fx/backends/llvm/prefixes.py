"""Folds of prefixes in LLVM IR: each row of the result is the one before it and a row of elements.

A unit of work is a block of the inner elements of one index of the outer axes. Where there are
several, they fill vectors; else one number goes along the axis. The order of the fold is that of
NumPy, so are the bits.
"""

from __future__ import annotations

from fx.backends.llvm import scalar
from fx.backends.llvm.builder import Builder, Value, type_name
from fx.kernel.prefixes import Prefixes


def write(p: Prefixes, lanes: int) -> tuple[str, dict[str, str]]:
    """The body of a kernel as text (its name is `@KERNEL`), and its declarations."""
    b = Builder(lanes)
    b.lines.append("define void @KERNEL(ptr %arrays, i64 %begin, i64 %end) {")
    b.label("entry")
    b.line("%q1 = getelementptr ptr, ptr %arrays, i64 1")
    b.line("%x = load ptr, ptr %arrays")
    b.line("%y = load ptr, ptr %q1")
    b.line(f"%before = alloca {type_name(p.dtype, 1)}")
    with b.loop("%begin", "%end", 1) as unit:
        if p.inner == 1:
            _line(b, p, unit)
        else:
            _rows(b, p, unit)
    b.line("ret void")
    b.lines.append("}")
    return "\n".join(b.lines), b.declared


def _load(b: Builder, p: Prefixes, array: str, at: str, lanes: int) -> Value:
    one, kind = type_name(p.dtype, 1), type_name(p.dtype, lanes)
    pointer = b.integer(f"getelementptr inbounds {one}, ptr {array}, i64 {at}")
    return b.emit(f"load {kind}, ptr {pointer}, align {p.dtype.itemsize}", p.dtype, lanes)


def _store(b: Builder, p: Prefixes, y: Value, at: str) -> None:
    pointer = b.integer(f"getelementptr inbounds {type_name(p.dtype, 1)}, ptr %y, i64 {at}")
    b.line(f"store {y.type} {y.text}, ptr {pointer}, align {p.dtype.itemsize}")


def _ends(p: Prefixes) -> tuple[int, int]:
    """The first index along the axis, and the step to the next."""
    return (p.count - 1, -1) if p.reverse else (0, 1)


def _line(b: Builder, p: Prefixes, unit: str) -> None:
    """Along one line, with what came before in a register."""
    start, step = _ends(p)
    kind = type_name(p.dtype, 1)
    first = b.integer(f"mul nsw i64 {unit}, {p.count}")
    place = b.integer(f"add nsw i64 {first}, {start}")
    y = _load(b, p, "%x", place, 1)
    _store(b, p, y, place)
    b.line(f"store {kind} {y.text}, ptr %before")
    with b.loop("1", str(p.count), 1) as i:
        moved = b.integer(f"mul nsw i64 {i}, {step}")
        at = b.integer(f"add nsw i64 {place}, {moved}")
        before = b.emit(f"load {kind}, ptr %before", p.dtype, 1)
        y = scalar.fold(b, p.op, before, _load(b, p, "%x", at, 1))
        _store(b, p, y, at)
        b.line(f"store {kind} {y.text}, ptr %before")


def _rows(b: Builder, p: Prefixes, unit: str) -> None:
    """Row after row: what came before is the last row of the result, still in the cache."""
    start, step = _ends(p)
    outer, block = b.divmod(unit, p.blocks)
    left = b.integer(f"mul nsw i64 {block}, {p.block}")
    right = b.limited(left, p.block, p.inner)
    width = b.integer(f"sub nsw i64 {right}, {left}")
    whole = b.integer(f"and i64 {width}, {-b.lanes}")
    middle = b.integer(f"add nsw i64 {left}, {whole}")
    base = b.integer(f"mul nsw i64 {outer}, {p.count * p.inner}")
    base = b.integer(f"add nsw i64 {base}, {start * p.inner}")

    def across(row: str, later: bool) -> None:
        for low, high, lanes in ((left, middle, b.lanes), (middle, right, 1)):
            with b.loop(low, high, lanes) as i:
                at = b.integer(f"add nsw i64 {row}, {i}")
                y = _load(b, p, "%x", at, lanes)
                if later:
                    before = b.integer(f"sub nsw i64 {at}, {step * p.inner}")
                    y = scalar.fold(b, p.op, _load(b, p, "%y", before, lanes), y)
                _store(b, p, y, at)

    across(base, False)
    with b.loop("1", str(p.count), 1) as n:
        moved = b.integer(f"mul nsw i64 {n}, {step * p.inner}")
        across(b.integer(f"add nsw i64 {base}, {moved}"), True)
