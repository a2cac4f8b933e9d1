"""Kernels that are no loop nests: folds of prefixes, updates of single places, sorted rows."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from fx.backends.cuda.source import Code, Source, finished, index_type
from fx.backends.cuda.spellings import fold, memory
from fx.kernel.prefixes import Prefixes
from fx.kernel.scatters import Axis, Scatters, count
from fx.kernel.sorts import Sorts

THREADS = 256
_LANES = 32
_SHORT = 64  # along an axis: below that, a thread goes through it alone


# ------------------------------------------------------------------ prefixes
def prefixes(p: Prefixes) -> Source:
    """Folds of prefixes.

    Where there are inner elements, or the axis is short, each thread goes along the axis of its
    own. Else a block goes along it in steps of as many elements as it has threads: within a warp
    lanes fold what is 1, 2, 4, ... before them, then each adds the totals of the warps before its
    own and of the steps before.
    """
    if p.inner > 1 or p.count < _SHORT:
        return _each_alone(p)
    code, kind = Code(), index_type(p.size)
    element = memory(p.dtype)
    step = -1 if p.reverse else 1
    code.line(f"__shared__ {element} totals[{THREADS // _LANES}];")
    code.line(f"const i32 lane = threadIdx.x % {_LANES}, warp = threadIdx.x / {_LANES};")
    with code.block(f"for ({kind} g = blockIdx.x; g < {p.outer}; g += gridDim.x)"):
        first = f"g * {p.count}" + (f" + {p.count - 1}" if p.reverse else "")
        code.line(f"const {kind} first = {first};")
        code.line(f"{element} carry = 0;")
        with code.block(f"for ({kind} e0 = 0; e0 < {p.count}; e0 += {THREADS})"):
            code.line(f"const {kind} e = e0 + threadIdx.x;")
            code.line(f"{element} v = e < {p.count} ? p0[first + e * {step}] : ({element})0;")
            code.line("#pragma unroll")
            with code.block(f"for (i32 by = 1; by < {_LANES}; by <<= 1)"):
                code.line(f"const {element} earlier = before(v, by);")
                code.line(f"if (lane >= by) v = {fold(p.op, 'earlier', 'v', p.dtype)};")
            code.line(f"if (lane == {_LANES - 1}) totals[warp] = v;")
            code.barrier()
            with code.block("for (i32 n = warp - 1; n >= 0; n--)"):
                code.line(f"v = {fold(p.op, 'totals[n]', 'v', p.dtype)};")
            code.line(f"if (e0 > 0) v = {fold(p.op, 'carry', 'v', p.dtype)};")
            code.line(f"if (e < {p.count}) p1[first + e * {step}] = v;")
            code.barrier()
            # The last thread's value is the carry of all: it has no element only in the last step.
            code.line(f"if (threadIdx.x == {THREADS - 1}) totals[0] = v;")
            code.barrier()
            code.line("carry = totals[0];")
            code.barrier()
    return finished(code, p.arrays, 1, p.outer, THREADS, barriers=True)


def _each_alone(p: Prefixes) -> Source:
    code, kind = Code(), index_type(p.size)
    element = memory(p.dtype)
    lines = p.outer * p.inner
    start, step = ((p.count - 1) * p.inner, -p.inner) if p.reverse else (0, p.inner)
    head = f"for ({kind} g = blockIdx.x * {THREADS} + threadIdx.x; g < {lines}; "
    with code.block(head + f"g += gridDim.x * {THREADS})"):
        code.line(f"{kind} at = g / {p.inner} * {p.count * p.inner} + g % {p.inner} + {start};")
        code.line(f"{element} v = p0[at];")
        code.line("p1[at] = v;")
        with code.block(f"for ({kind} n = 1; n < {p.count}; n++)"):
            code.line(f"at += {step};")
            code.line(f"v = {fold(p.op, 'v', 'p0[at]', p.dtype)};")
            code.line("p1[at] = v;")
    return finished(code, p.arrays, 1, -(-lines // THREADS), THREADS)


# ------------------------------------------------------------------ updates
def scatters(k: Scatters) -> Source:
    """Updates: each thread has an index of the free axes, and goes through all others in order.

    So each element sees its updates in the order of the batch axes, and no two threads touch one.
    """
    code = Code()
    sizes = [count(k.free), count(k.batch), count(k.window), k.size, k.start, k.first]
    reach = k.start + sum(c.last * c.stride for c in k.columns)
    for axis in (*k.free, *k.batch, *k.window):
        reach += axis.size * (abs(axis.target) + abs(axis.update))
    kind = index_type(*sizes, reach, *(c.offset for c in k.columns))
    n, free = len(k.columns), count(k.free)
    head = f"for ({kind} g = blockIdx.x * {THREADS} + threadIdx.x; g < {free}; "
    with code.block(head + f"g += gridDim.x * {THREADS})"):
        indices: list[tuple[Axis, str]] = []
        rest = "g"
        for i, axis in enumerate(reversed(k.free)):
            if i == len(k.free) - 1:
                indices.append((axis, code.let(kind, "i", rest)))
                break
            indices.append((axis, code.let(kind, "i", f"{rest} % {axis.size}")))
            rest = code.let(kind, "d", f"{rest} / {axis.size}")
        with contextlib.ExitStack() as loops:
            for axis in k.batch:
                indices.append((axis, _loop(code, loops, kind, axis)))
            terms, tests = [], []
            for c, column in enumerate(k.columns):
                at = _sum([(i, a.columns[c]) for a, i in indices], column.offset)
                t = memory(column.dtype)
                x = code.let(t, "x", f"p{c}[{at}]")
                if k.drops:
                    tests.append(f"is_inside<{t}>({x}, {column.last})")
                terms.append(f"({kind})moved_inside<{t}>({x}, {column.last}) * {column.stride}")
            if tests:
                loops.enter_context(code.block(f"if ({' && '.join(tests)})"))
            place = " + ".join([*terms, "0"])
            base = code.let(kind, "base", place)
            for axis in k.window:
                indices.append((axis, _loop(code, loops, kind, axis)))
            target = _sum([(i, a.target) for a, i in indices], k.start)
            update = f"p{n}[{_sum([(i, a.update) for a, i in indices], k.first)}]"
            into = f"p{n + 1}[{base} + {target}]"
            value = update if k.op == "set" else fold(k.op, into, update, k.dtype)
            code.line(f"{into} = {value};")
    return finished(code, k.arrays, 1, -(-free // THREADS), THREADS)


def _loop(code: Code, loops: contextlib.ExitStack, kind: str, axis: Axis) -> str:
    i = code.name("j")
    loops.enter_context(code.block(f"for ({kind} {i} = 0; {i} < {axis.size}; {i}++)"))
    return i


def _sum(terms: Sequence[tuple[str, int]], offset: int) -> str:
    parts = [i if s == 1 else f"{i} * {s}" for i, s in terms if s]
    return " + ".join([*parts, *([str(offset)] if offset or not parts else [])])


# ------------------------------------------------------------------ sorts
def sorts(k: Sorts) -> Source:
    """Sorted rows, a block each: neighbouring runs are merged, back and forth between two rows.

    The place of a number in the merged run is its place in its own and how many of the other come
    before it, which a binary search tells; equal ones of the run on the left come first.
    """
    code, n = Code(), k.count
    kind = index_type(2 * k.size)
    with code.block(f"for ({kind} g = blockIdx.x; g < {k.rows}; g += gridDim.x)"):
        code.line(f"u64* const first = p1 + g * {2 * n};")
        code.line(f"u64* const second = first + {n};")
        # After the last pass the numbers must be in the first row.
        old, new = ("second", "first") if k.passes % 2 else ("first", "second")
        code.line(f"u64 *old = {old}, *made = {new};")
        with code.block(f"for ({kind} i = threadIdx.x; i < {n}; i += {THREADS})"):
            code.line(f"old[i] = p0[g * {n} + i];")
        code.barrier()
        with code.block(f"for ({kind} width = 1; width < {n}; width *= 2)"):
            with code.block(f"for ({kind} i = threadIdx.x; i < {n}; i += {THREADS})"):
                code.line("const u64 x = old[i];")
                code.line(f"const {kind} run = i / width, begin = (run ^ 1) * width;")
                code.line("const bool left = !(run & 1);")
                code.line(f"{kind} low = begin < {n} ? begin : {n};")
                code.line(f"{kind} high = begin + width < {n} ? begin + width : {n};")
                code.line(f"const {kind} start = low;")
                with code.block("while (low < high)"):
                    code.line(f"const {kind} middle = low + (high - low) / 2;")
                    code.line("const bool earlier = left ? old[middle] < x : old[middle] <= x;")
                    code.line("if (earlier) low = middle + 1; else high = middle;")
                code.line("const " + kind + " pair = run / 2 * 2 * width;")
                code.line("made[pair + (i - run * width) + (low - start)] = x;")
            code.barrier()
            code.line("u64* const swap = old;")
            code.line("old = made;")
            code.line("made = swap;")
    return finished(code, k.arrays, 1, k.rows, THREADS, barriers=True)
