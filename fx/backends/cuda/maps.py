"""Maps: each thread takes an element, or as many neighbours as 16 bytes have.

Where operands run along another dimension than the result, blocks take tiles of 32 by 32: they are
read along that dimension into shared memory, whose rows have 33 elements so that columns lie in
different banks, and are read across from there.
"""

from __future__ import annotations

import math

from fx.backends.cuda.source import Source, finished
from fx.backends.cuda.spellings import memory
from fx.backends.cuda.writer import Writer, loads_of
from fx.kernel.loops import Kernel, Load
from fx.kernel.vocabulary import BOOL

THREADS = 256
_TILE = 32
_SHARED = 40 << 10  # bytes for tiles
_LARGE = 16  # indices along both dimensions from which on tiles are worth their barriers


def write(kernel: Kernel, wide: bool = True) -> Source:
    """The source of a map; accesses are of single elements unless `wide`."""
    d = _across(kernel)
    return _tiled(kernel, d) if d is not None else _straight(kernel, wide)


def _straight(kernel: Kernel, wide: bool) -> Source:
    w = Writer(kernel)
    stores = [s for s in kernel.steps if s.id in kernel.stores]
    loads = loads_of(kernel.steps)
    if wide:
        w.width = w.widths([kernel.sizes[-1]], loads, stores)
    count = kernel.size // w.width
    code = w.code
    head = f"for ({w.kind} g = blockIdx.x * {THREADS} + threadIdx.x; g < {count}; "
    with code.block(head + f"g += gridDim.x * {THREADS})"):
        w.split_lanes("g", range(len(kernel.sizes)), kernel.sizes)
        with w.lanes(loads, stores):
            w.values(kernel.steps)
    blocks = -(-count // THREADS)
    plain = (lambda: _straight(kernel, False)) if w.width > 1 else None
    align = w.align(stores, loads)
    return finished(
        code, kernel.arrays, len(kernel.stores), blocks, THREADS, align=align, plain=plain
    )


def turned(kernel: Kernel, d: int) -> list[Load]:
    """What a map reads that is contiguous along dimension d, but not along the last one."""
    last = len(kernel.sizes) - 1
    return [
        a
        for a in loads_of(kernel.steps)
        if a.at.strides[d] == 1 and a.at.strides[last] > 1 and kernel.arrays[a.array] != BOOL
    ]


def _across(kernel: Kernel) -> int | None:
    """The dimension along which tiles are read, if there is one."""
    last = len(kernel.sizes) - 1
    if kernel.sizes[last] < _LARGE:
        return None
    able = [d for d in range(last) if kernel.sizes[d] >= _LARGE and turned(kernel, d)]
    return max(able, key=lambda d: len(turned(kernel, d)), default=None)


def _tiled(kernel: Kernel, d: int) -> Source:
    w = Writer(kernel)
    code, last, sizes = w.code, w.last, kernel.sizes
    loads, room = [], _SHARED
    for a in turned(kernel, d):
        room -= _TILE * (_TILE + 1) * kernel.arrays[a.array].itemsize
        if room >= 0:
            loads.append(a)
    names = {}
    for a in loads:
        names[a] = code.name("tile")
        kind = memory(kernel.arrays[a.array])
        code.line(f"__shared__ {kind} {names[a]}[{_TILE}][{_TILE + 1}];")
    others = [i for i in range(last) if i != d]
    counts = [-(-sizes[d] // _TILE), -(-sizes[last] // _TILE)]
    total = math.prod(sizes[i] for i in others) * math.prod(counts)
    rows = THREADS // _TILE
    code.line(f"const i32 x = threadIdx.x % {_TILE}, y = threadIdx.x / {_TILE};")
    with code.block(f"for ({w.kind} g = blockIdx.x; g < {total}; g += gridDim.x)"):
        w.split("g", [*others, d, last], [*(sizes[i] for i in others), *counts])
        corner = {i: code.let(w.kind, "c", f"{w.index[i]} * {_TILE}") for i in (d, last)}
        with code.block(f"for (i32 r = y; r < {_TILE}; r += {rows})"):
            w.index[d] = code.let(w.kind, "i", f"{corner[d]} + x")
            w.index[last] = code.let(w.kind, "i", f"{corner[last]} + r")
            inside = f"{w.index[d]} < {sizes[d]} && {w.index[last]} < {sizes[last]}"
            with code.block(f"if ({inside})"):
                for a, name in names.items():
                    code.line(f"{name}[r][x] = p{a.array}[{w.offset(a.at)}];")
        code.barrier()
        with code.block(f"for (i32 r = y; r < {_TILE}; r += {rows})"):
            w.index[d] = code.let(w.kind, "i", f"{corner[d]} + r")
            w.index[last] = code.let(w.kind, "i", f"{corner[last]} + x")
            inside = f"{w.index[d]} < {sizes[d]} && {w.index[last]} < {sizes[last]}"
            with code.block(f"if ({inside})"):
                w.known = {a: f"{name}[x][r]" for a, name in names.items()}
                stores = [s for s in kernel.steps if s.id in kernel.stores]
                with w.lanes((), stores):
                    w.values(kernel.steps)
        code.barrier()
    return finished(code, kernel.arrays, len(kernel.stores), total, THREADS, barriers=True)
