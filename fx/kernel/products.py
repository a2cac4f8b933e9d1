"""Sums of products in a graph: how the operands of a contraction are laid out.

Axes are those of an einsum: of both operands and the result (batch), of one operand and the
result (free), or of both operands only (summed). A contraction runs along a free axis of one
operand, called w, that has stride 1 there, in vectors; the other operand, x, may lie in any way.
Which operand is w, and whether it is copied to have such an axis, is decided by what all costs.
Where one side has no free axis to speak of, vectors run elsewhere: products are then a fused
multiplication and sum. A target that does not pack takes both operands as they lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fx.kernel.graph import Einsum, Graph, Node, resolve
from fx.kernel.vocabulary import BOOL, HALVES, NATIVE

# Vectors are taken to have so many elements: a rough measure serves to weigh layouts.
_WIDTH = 16
_PANEL = 64  # elements of a panel of w, a multiple of any tile's width
_FAR = 256  # elements between rows of w from which on it pays to copy them together
_FEW = 4  # free elements that are too few to fill a vector or a tile


class _Operand(NamedTuple):
    """An operand: its node, which axis of the contraction each of its axes is, its strides."""

    node: Node
    axes: tuple[int, ...]
    strides: dict[int, int]


def contract(
    graph: Graph,
    x: Node,
    x_axes: Sequence[int],
    y: Node,
    y_axes: Sequence[int],
    shape: Sequence[int],
    reduced: Sequence[int],
) -> Node | None:
    """The sum over `reduced` of x times y, of shape `shape`; None if it has no native form.

    `x_axes` and `y_axes` say for each axis of the operands which axis of the contraction it is:
    those of `shape`, then those of `reduced`. Each of `reduced` is an axis of both.
    """
    if x.dtype == y.dtype and x.dtype in HALVES:  # float32 keeps what adds up
        wide_x, wide_y = (graph.map("convert", a, dtype=np.float32) for a in (x, y))
        assert wide_x is not None and wide_y is not None
        made = _contracted(graph, wide_x, x_axes, wide_y, y_axes, shape, reduced)
        return made and graph.map("convert", made, dtype=x.dtype)
    made = _contracted(graph, x, x_axes, y, y_axes, shape, reduced)
    if made is not None:
        made.products = Einsum(x, tuple(x_axes), y, tuple(y_axes), tuple(shape), tuple(reduced))
    return made


def _contracted(
    graph: Graph,
    x: Node,
    x_axes: Sequence[int],
    y: Node,
    y_axes: Sequence[int],
    shape: Sequence[int],
    reduced: Sequence[int],
) -> Node | None:
    sizes = (*shape, *reduced)
    if x.dtype != y.dtype or x.dtype not in NATIVE - {BOOL} or 0 in sizes:
        return None
    left, right = _operand(graph, x, x_axes, sizes), _operand(graph, y, y_axes, sizes)
    n = len(shape)
    depth = math.prod(reduced)
    free = [
        math.prod(sizes[a] for a in range(n) if a in p.strides and a not in q.strides)
        for p, q in ((left, right), (right, left))
    ]
    if depth == 1 or min(free) < _FEW:
        return _multiplied(graph, left, right, sizes, n)
    if not graph.target.packs:
        x_axes, y_axes = left.axes, right.axes
        return graph.contract(left.node, x_axes, right.node, y_axes, shape, reduced)
    best = min(
        (_Plan(graph, p, q, sizes, n, packed, gathered)
         for p, q in ((left, right), (right, left))
         for packed in (False, True)
         for gathered in (False, True)),
        key=lambda plan: plan.cost,
    )  # fmt: skip
    return best.build(graph)


def _operand(graph: Graph, x: Node, axes: Sequence[int], sizes: Sequence[int]) -> _Operand:
    """With what is no array made one; axes of size 1 count as absent."""
    strides = graph.strides(x)
    if strides is None:
        x = graph.copy(x)
        strides = graph.strides(x)
        assert strides is not None
    by_axis = {a: s for a, s in zip(axes, strides, strict=True) if sizes[a] != 1}
    return _Operand(x, tuple(axes), by_axis)


class _Plan:
    """One way to lay out a contraction, and what it costs in cycles."""

    def __init__(
        self,
        graph: Graph,
        x: _Operand,
        w: _Operand,
        sizes: Sequence[int],
        n: int,
        packed: bool,
        gathered: bool,
    ):
        self.x, self.w, self.sizes, self.n = x, w, sizes, n
        self.packed, self.gathered = packed, gathered  # whether w and x are copied
        self.free = [a for a in range(n) if a in w.strides and a not in x.strides]
        self.cost = math.inf
        if packed:
            self.vector = self.free[-1]
        else:
            able = [a for a in self.free if w.strides[a] == 1 and sizes[a] >= _FEW]
            if not able:
                return
            self.vector = able[-1]
        last = max((a for a in range(n) if sizes[a] != 1), default=n - 1)
        self.natural = self.vector == last
        others = [a for a in range(n) if a != self.vector]
        if not self.natural:
            others.sort(key=lambda a: -x.strides.get(a, 0))
        self.order = [*others, self.vector]
        self.sums = sorted(range(n, len(sizes)), key=lambda a: -x.strides.get(a, 0))
        # A packed operand's free axes become one where they stand together in the result.
        self.joined = [self.vector]
        if packed and self.order[n - len(self.free) :] == self.free:
            self.joined = self.free
        self.length = math.prod(sizes[a] for a in self.joined)
        products, out = math.prod(sizes), math.prod(sizes[:n])
        self.cost = products / self.length * -(-self.length // _WIDTH)
        if packed:
            per_element = 0.3 if w.strides.get(self.vector) == 1 else 1
            if resolve(w.node)[0].id not in graph.lasting:  # else it is done once for all
                self.cost += 10_000 + per_element * math.prod(sizes[a] for a in w.strides)
        elif min(w.strides[a] for a in self.sums if a in w.strides) >= _FAR:
            self.cost *= 2  # rows of w far apart share few places of the caches
        elements = math.prod(sizes[a] for a in x.strides)
        if gathered and elements > resolve(x.node)[0].size:
            self.cost = math.inf  # overlapping windows
        elif gathered:
            if resolve(x.node)[0].id not in graph.lasting:
                self.cost += 10_000 + 0.5 * elements
        elif min(x.strides[a] for a in self.sums if a in x.strides) >= _FAR:
            self.cost *= 1.5
        if not self.natural:
            self.cost += 1.5 * out

    def build(self, graph: Graph) -> Node:
        """The nodes of the plan."""
        x, w, sizes = self.x, self.w, self.sizes
        kept = [a for a in self.order if a not in self.joined]
        shape = [*(sizes[a] for a in kept), self.length]
        order = {a: i for i, a in enumerate(kept)}
        order |= {a: len(shape) + i for i, a in enumerate(self.sums)}
        depths = [sizes[a] for a in self.sums]
        panel = 0
        if self.packed:
            panel = _PANEL if self.length > _PANEL else 0
            node, axes = self._packing(graph, panel)
            w_axes = [order.get(a, len(shape) - 1) for a in axes]
            if panel:
                w_axes = [len(shape) + len(depths), *w_axes]
        else:
            node = w.node
            order[self.vector] = len(shape) - 1
            w_axes = [order[a] for a in w.axes]
        axes, node_x = x.axes, x.node
        if self.gathered:
            axes = tuple(sorted(x.axes, key=lambda a: (a >= self.n, order.get(a, -1))))
            turned = graph.view(
                node_x, [sizes[a] for a in axes], tuple(axes.index(a) for a in x.axes)
            )
            assert turned is not None
            node_x = graph.copy(turned)
        x_axes = [order.get(a, len(shape) - 1) for a in axes]
        made = graph.contract(node_x, x_axes, node, w_axes, shape, depths, panel)
        if self.joined != [self.vector] or len(shape) != self.n:
            split = graph.reshape(made, [sizes[a] for a in self.order])
            assert split is not None
            made = split
        if self.order == list(range(self.n)):
            return made
        back = graph.view(made, [sizes[a] for a in range(self.n)], tuple(self.order))
        assert back is not None
        return back

    def _packing(self, graph: Graph, panel: int) -> tuple[Node, list[int]]:
        """A copy of w: (panels,) other axes, summed axes, then the free ones as one.

        With the axes of the contraction that its axes (but the one of panels) are.
        """
        w, sizes = self.w, self.sizes
        others = [a for a in self.order if a in w.axes and a not in self.joined]
        axes = [*others, *self.sums, *self.joined]
        turned = graph.view(w.node, [sizes[a] for a in axes], tuple(axes.index(a) for a in w.axes))
        assert turned is not None
        lead = [sizes[a] for a in (*others, *self.sums)]
        axes = [*others, *self.sums, self.vector]
        if len(self.joined) > 1:
            merged = graph.reshape(turned, [*lead, self.length])
            assert merged is not None
            turned = merged
        if not panel:
            return graph.copy(turned), axes
        count = -(-self.length // panel)
        n = len(lead) + 1
        terms = (*(((i, 1),) for i in range(1, n)), ((0, panel), (n, 1)))
        cut = graph.look(turned, [count, *lead, panel], terms, (0,) * n)
        assert cut is not None
        if self.length % panel == 0:
            return graph.copy(cut), axes
        fill = graph.constant(cut.dtype.type(0))
        return graph.bounded(cut, fill, [(((0, panel), (n, 1)), 0, self.length)]), axes


def _multiplied(
    graph: Graph, x: _Operand, y: _Operand, sizes: Sequence[int], n: int
) -> Node | None:
    """The products as a map and their sum as a reduction, along what is contiguous."""
    big = max((x, y), key=lambda p: math.prod(sizes[a] for a in p.strides))
    unit = next((a for a in big.strides if big.strides[a] == 1), None)
    kept, summed = list(range(n)), list(range(n, len(sizes)))
    if unit is not None and unit < n and any(sizes[a] != 1 for a in summed):
        kept.remove(unit)
        order = [*kept, *summed, unit]
        kept.append(unit)
    else:
        if unit is not None and unit >= n:
            summed.remove(unit)
            summed.append(unit)
        order = [*kept, *summed]
    where = {a: i for i, a in enumerate(order)}
    shape = [sizes[a] for a in order]
    factors = []
    for p in (x, y):
        shown = graph.view(p.node, shape, tuple(where[a] for a in p.axes))
        assert shown is not None
        factors.append(shown)
    total = graph.map("mul", *factors)
    if total is None:
        return None
    if summed:
        total = graph.reduce("add", total, [where[a] for a in summed])
    if total is None or kept == list(range(n)):
        return total
    return graph.view(total, [sizes[a] for a in range(n)], tuple(kept))
