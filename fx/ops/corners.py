"""How windows at traced positions are lowered: loads and updates at coordinates that are data.

The coordinates are columns of an array of indices. Where that array is a concatenation, as it is
for `x[i, j]`, each column is seen through it, so that what computes it is fused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.kernel.graph import Scatter, resolve
from fx.kernel.views import View, contiguous
from fx.kernel.vocabulary import HALVES
from fx.ops.dimension_numbers import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
)


def gathered(
    graph: Any,
    x: Any,
    indices: Any,
    shape: tuple[int, ...],
    *,
    numbers: GatherDimensionNumbers,
    sizes: Sequence[int],
    fill: Any = None,
) -> Any:
    """A gather; windows not wholly inside are moved, or `fill` if there is one.

    None where the graph has no form for it.
    """
    if 0 in shape or not x.size:
        return None
    batch = [i for i in range(len(shape)) if i not in numbers.offset_dims]
    terms = _of_operand(len(sizes), numbers, batch)
    columns = _columns(graph, indices, shape, batch)
    if columns is None:
        return None
    lasts = [x.shape[axis] - sizes[axis] for axis in numbers.start_index_map]
    return _taken(
        graph, x, shape, terms, zip(numbers.start_index_map, lasts, columns, strict=True), fill
    )


def sliced(graph: Any, x: Any, starts: Sequence[Any], sizes: tuple[int, ...]) -> Any:
    """A dynamic slice; None where the graph has no form for it."""
    if 0 in sizes or not x.size:
        return None
    terms = [((i, 1),) for i in range(len(sizes))]
    rows = [(i, n - sizes[i], s) for i, (n, s) in enumerate(zip(x.shape, starts, strict=True))]
    return _taken(graph, x, sizes, terms, rows, None)


def _taken(graph: Any, x: Any, shape: Sequence[int], terms: Any, columns: Any, fill: Any) -> Any:
    """Elements of `x`; coordinates that are known become offsets of the view."""
    offsets, left = [0] * len(terms), []
    for axis, last, column in columns:
        number = _known(column)
        if number is not None and (fill is None or 0 <= number <= last):
            offsets[axis] = min(max(number, 0), last)
        elif last or fill is not None:
            left.append((axis, last, column))
    return graph.take(x, shape, View(tuple(terms), tuple(offsets)), left, fill)


def updated(graph: Any, x: Any, update: Any, starts: Sequence[Any]) -> Any:
    """A dynamic update of a slice; None where the graph has no form for it."""
    if not x.size:
        return None
    if not update.size:
        return x
    rows = [
        (i, n - update.shape[i], s) for i, (n, s) in enumerate(zip(x.shape, starts, strict=True))
    ]
    columns = [(i, last, graph.view(s, update.shape, ())) for i, last, s in rows]
    return _put(graph, "set", x, update, range(len(x.shape)), columns, False)


def scattered_into(
    graph: Any,
    op: str,
    x: Any,
    indices: Any,
    updates: Any,
    *,
    numbers: ScatterDimensionNumbers,
    mode: GatherScatterMode,
) -> Any:
    """A scatter; None where the graph has no form for it."""
    if not x.size:
        return None
    if not updates.size:
        return x
    rank = len(updates.shape)
    gather = GatherDimensionNumbers(*numbers)
    batch = [i for i in range(rank) if i not in gather.offset_dims]
    terms = _of_operand(len(x.shape), gather, batch)
    targets: list[int | None] = [None] * rank
    for axis, row in enumerate(terms):
        for along, _ in row:
            targets[along] = axis
    columns = _columns(graph, indices, updates.shape, batch)
    if columns is None:
        return None
    sizes = [updates.shape[row[0][0]] if row else 1 for row in terms]
    for axis in gather.operand_batching_dims:
        sizes[axis] = 1
    rows = [
        (axis, x.shape[axis] - sizes[axis], c)
        for axis, c in zip(gather.start_index_map, columns, strict=True)
    ]
    return _put(graph, op, x, updates, targets, rows, mode is not GatherScatterMode.CLIP)


def _put(graph: Any, op: str, x: Any, updates: Any, targets: Any, columns: Any, drops: bool) -> Any:
    if op != "set" and x.dtype in HALVES:  # as NumPy's rule: rounded once, at the end
        wide, more = (graph.map("convert", a, dtype=np.dtype(np.float32)) for a in (x, updates))
        made = _put(graph, op, wide, more, targets, columns, drops)
        return None if made is None else graph.map("convert", made, dtype=x.dtype)
    left, offset = [], 0
    strides = contiguous(x.shape)
    for axis, last, column in columns:
        number = _known(column)
        if number is None:
            left.append((axis, last, column))
        elif drops and not 0 <= number <= last:
            return x
        else:
            offset += min(max(number, 0), last) * strides[axis]
    picks = tuple((axis, last) for axis, last, _ in left)
    how = Scatter(tuple(targets), picks, offset, drops)
    return graph.scatter(op, x, updates, [c for *_, c in left], how)


def _of_operand(
    rank: int, numbers: GatherDimensionNumbers, batch: Sequence[int]
) -> list[tuple[tuple[int, int], ...]]:
    """Which axis of the result each axis of the operand goes along, apart from its coordinate."""
    dropped = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    inside = iter(numbers.offset_dims)
    terms: list[Any] = [() if i in dropped else ((next(inside), 1),) for i in range(rank)]
    pairs = zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)
    for axis, place in pairs:
        terms[axis] = ((batch[place], 1),)
    return terms


def _columns(
    graph: Any, indices: Any, shape: Sequence[int], batch: Sequence[int]
) -> list[Any] | None:
    """Each coordinate at every index of a result with these batch axes."""
    terms = [((a, 1),) for a in batch]
    columns = []
    for k in range(indices.shape[-1]):
        column = graph.look(indices, shape, (*terms, ()), (*(0 for _ in batch), k))
        if column is None:
            return None
        columns.append(_seen_through(graph, column))
    return columns


def _seen_through(graph: Any, node: Any) -> Any:
    """The same elements, where they were before they were put behind one another."""
    while True:
        base, view = resolve(node)
        if base.op == "copy" and resolve(base.args[0])[0].kind in ("iota", "constant"):
            node = graph.look(base.args[0], node.shape, *view)
            continue
        if base.op != "pad":
            return node
        inside = True
        for terms, low, high in base.attr:
            if any(view.terms[axis] and base.shape[axis] != 1 for axis, _ in terms):
                return node
            number = sum(step * view.offsets[axis] for axis, step in terms)
            inside = inside and low <= number < high
        part = base.args[not inside]
        if not part.shape:
            return part
        node = graph.look(part, node.shape, *view)


def _known(column: Any) -> int | None:
    """The one number that a column consists of, if it is part of the program."""
    base, _ = resolve(column)
    return int(base.attr) if base.kind == "constant" else None
