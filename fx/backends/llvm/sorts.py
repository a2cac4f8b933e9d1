"""Sorting in LLVM IR: runs that double in length are merged, back and forth between two rows.

A unit of work is a row. Merging takes no branches that depend on the numbers.
"""

from __future__ import annotations

from fx.backends.llvm.builder import Builder
from fx.kernel.sorts import Sorts


def write(k: Sorts, lanes: int) -> tuple[str, dict[str, str]]:
    """The body of a kernel as text (its name is `@KERNEL`), and its declarations."""
    b, n = Builder(lanes), k.count
    b.lines.append("define void @KERNEL(ptr %arrays, i64 %begin, i64 %end) {")
    b.label("entry")
    b.line("%q1 = getelementptr ptr, ptr %arrays, i64 1")
    b.line("%x = load ptr, ptr %arrays")
    b.line("%y = load ptr, ptr %q1")
    b.line("%left = alloca i64")
    b.line("%right = alloca i64")
    with b.loop("%begin", "%end", 1) as row:
        source = _place(b, "%x", b.integer(f"mul nsw i64 {row}, {n}"))
        first = _place(b, "%y", b.integer(f"mul nsw i64 {row}, {2 * n}"))
        second = _place(b, first, str(n))
        # After the last pass the numbers must be in the first row.
        start = second if k.passes % 2 else first
        with b.loop("0", str(n), 1) as i:
            b.line(f"store i64 {_load(b, source, i)}, ptr {_place(b, start, i)}")
        with b.loop("0", str(k.passes), 1) as p:
            odd = b.integer(f"and i64 {b.integer(f'add i64 {p}, {k.passes % 2}')}, 1")
            odd = b.integer(f"icmp ne i64 {odd}, 0")
            old = b.integer(f"select i1 {odd}, ptr {second}, ptr {first}")
            new = b.integer(f"select i1 {odd}, ptr {first}, ptr {second}")
            width = b.integer(f"shl i64 1, {p}")
            pairs = b.integer(f"add i64 {p}, 1")
            count = b.integer(
                f"lshr i64 {b.integer(f'add i64 {n - 1}, {_power(b, pairs)}')}, {pairs}"
            )
            with b.loop("0", count, 1) as pair:
                _merge(b, n, old, new, width, b.integer(f"shl i64 {pair}, {pairs}"))
    b.line("ret void")
    b.lines.append("}")
    return "\n".join(b.lines), b.declared


def _power(b: Builder, p: str) -> str:
    return b.integer(f"shl i64 1, {p}")


def _place(b: Builder, pointer: str, i: str) -> str:
    return b.integer(f"getelementptr inbounds i64, ptr {pointer}, i64 {i}")


def _load(b: Builder, pointer: str, i: str) -> str:
    return b.integer(f"load i64, ptr {_place(b, pointer, i)}, align 8")


def _merge(b: Builder, n: int, old: str, new: str, width: str, low: str) -> None:
    """Two neighbouring runs of `width` numbers, from `low` on, as one."""
    middle = b.least(b.integer(f"add i64 {low}, {width}"), n)
    high = b.least(b.integer(f"add i64 {middle}, {width}"), n)
    b.line(f"store i64 {low}, ptr %left")
    b.line(f"store i64 {middle}, ptr %right")
    with b.loop(low, high, 1) as k:
        i, j = b.integer("load i64, ptr %left"), b.integer("load i64, ptr %right")
        x, y = (_load(b, old, b.least(at, n - 1)) for at in (i, j))
        more = b.integer(f"icmp slt i64 {i}, {middle}")
        none = b.integer(f"icmp sge i64 {j}, {high}")
        less = b.integer(f"icmp ule i64 {x}, {y}")
        take = b.integer(f"and i1 {more}, {b.integer(f'or i1 {none}, {less}')}")
        b.line(
            f"store i64 {b.integer(f'select i1 {take}, i64 {x}, i64 {y}')}, "
            f"ptr {_place(b, new, k)}, align 8"
        )
        step = b.integer(f"zext i1 {take} to i64")
        b.line(f"store i64 {b.integer(f'add i64 {i}, {step}')}, ptr %left")
        other = b.integer(f"xor i64 {step}, 1")
        b.line(f"store i64 {b.integer(f'add i64 {j}, {other}')}, ptr %right")
