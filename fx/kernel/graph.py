"""The graph of a program: a closed vocabulary that every primitive lowers to.

    input     an argument or a constant of the program
    map       a scalar operation on each element of operands of one shape (or rank 0)
    view      elements of one operand, moved or repeated by an affine map of their index
    reshape   the elements of an array in memory under another shape
    iota      a sum of multiples of the index along each axis
    prefixes  a fold of all prefixes along one axis
    sort      rows of unsigned numbers in ascending order
    reduce    a fold over some axes
    contract  a sum of products of two operands over some axes
    scatter   an array with elements updated at places that are data, one after another
    loop      a graph of its own, run for each index of a leading axis, or as long as a test holds
    choice    one of several graphs, chosen by a number
    opaque    a call of a primitive's NumPy rule, for all that is not one of these

A primitive's `lower` method uses the methods of `Graph`; the default is opaque.

Layouts: a node may be *fluid*, which says that its axes stand in the order that is best for memory
(a convolution computes channels last, whatever the program asks for). What the program sees is an
arrangement of it, a view or reshape that keeps every element once. Elementwise operations and
reductions of an arrangement are done on the fluid node itself and arranged afterwards, so one
layout runs through a whole network and transposes meet their inverses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fx.kernel.target import CPU, Target
from fx.kernel.views import View, compose, contiguous, identity_view, inverse, inverted, merging
from fx.kernel.vocabulary import (
    BOOL,
    COMPARISONS,
    F16,
    HALVES,
    INTEGERS,
    KEY,
    MOVES,
    NATIVE,
    has,
)

_MOST_PARTS = 16  # that are joined by looking at each


class Arrangement(NamedTuple):
    """That a node shows the elements of a fluid one.

    Attributes:
        base: the fluid node.
        place: the index in the arrangement of each index of the base, as a view.
        chain: the steps from the base to the arrangement: ("view", shape, axes) or
            ("reshape", shape).
    """

    base: Node
    place: View
    chain: tuple[tuple[Any, ...], ...]


class Einsum(NamedTuple):
    """What a node sums: x times y, with the axes of both among those of a contraction.

    These are the axes of the result, then `reduced`.
    """

    x: Node
    x_axes: tuple[int, ...]
    y: Node
    y_axes: tuple[int, ...]
    shape: tuple[int, ...]
    reduced: tuple[int, ...]


class Contraction(NamedTuple):
    """The axes of a contraction: first those of the result, then those that are summed.

    Attributes:
        reduced: sizes of the summed axes.
        x_axes, w_axes: for each axis of the operands, which axis of the contraction it is.
        panel: if not 0, w is cut along its free axis into panels of so many elements, each an
            index of an axis of w beyond those of the contraction.
    """

    reduced: tuple[int, ...]
    x_axes: tuple[int, ...]
    w_axes: tuple[int, ...]
    panel: int = 0


class Scatter(NamedTuple):
    """How a scatter's updates lie in its result.

    Attributes:
        targets: for each axis of the updates, along which axis of the result it goes, or None.
        picks: for each column of coordinates, the axis of the result and the largest one.
        offset: of the first element, in elements.
        drops: whether windows not wholly inside are left out, else they are moved inside.
    """

    targets: tuple[int | None, ...]
    picks: tuple[tuple[int, int], ...]
    offset: int
    drops: bool


class Loop(NamedTuple):
    """A loop over a leading axis, with a graph for its body.

    Attributes:
        graph: the body's nodes.
        consts, carry, xs: inputs of the body: the same each time, from the time before, slices.
        outputs: the new carry, then slices of stacked results; each is computed by a kernel.
        length, reverse: how many times, and whether from the last index on.
        test: for a loop whose length (0 here) only shows as it runs, a branch that takes its own
            constants, which come last among the loop's operands, then the carry.
    """

    graph: Graph
    consts: Sequence[Node]
    carry: Sequence[Node]
    xs: Sequence[Node]
    outputs: Sequence[Node]
    length: int
    reverse: bool
    test: Branch | None = None


class Branch(NamedTuple):
    """A graph with its inputs, and outputs that are each computed by a kernel."""

    graph: Graph
    inputs: Sequence[Node]
    outputs: Sequence[Node]


class Node:
    """One value: its shape, dtype, and how it is made."""

    __slots__ = (
        "args", "arranged", "attr", "dtype", "fluid", "id", "kind", "op", "products", "shape",
        "source",
    )  # fmt: skip

    def __init__(
        self,
        id: int,
        kind: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        op: Any = None,
        args: tuple[Node, ...] = (),
        attr: Any = None,
    ):
        self.id = id
        self.kind = kind
        self.shape = shape
        self.dtype = dtype
        self.op = op
        self.args = args
        self.attr = attr
        self.fluid = False
        self.arranged: Arrangement | None = None
        self.products: Einsum | None = None  # what it sums, however that is laid out
        self.source: Any = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        inner = ", ".join(f"%{a.id}" for a in self.args)
        return f"%{self.id}:{self.dtype}{list(self.shape)} = {self.kind} {self.op}({inner})"


class Graph:
    """Nodes in order of definition. The methods are what `Primitive.lower` may use."""

    def __init__(self, target: Target = CPU) -> None:
        self.target = target
        self.nodes: list[Node] = []
        self.lasting: set[int] = set()  # inputs of a loop's body that are the same each time
        self.inside = False  # whether this is the body of a loop or a branch
        self.source: Any = None  # of the equation that is being lowered, for its nodes

    def _add(self, kind: str, shape: Any, dtype: Any, *rest: Any) -> Node:
        node = Node(len(self.nodes), kind, tuple(shape), np.dtype(dtype), *rest)
        node.source = self.source
        self.nodes.append(node)
        return node

    def input(self, shape: Sequence[int], dtype: Any) -> Node:
        """An argument, or a constant with data."""
        return self._add("input", shape, dtype)

    def constant(self, value: Any) -> Node:
        """A rank-0 number that is part of the code."""
        data = np.asarray(value)
        return self._add("constant", (), data.dtype, None, (), data)

    def map(self, op: str, *args: Node, dtype: Any = None) -> Node | None:
        """A scalar operation on each element, or None if the dialect lacks it for these dtypes."""
        if op == "convert" and args[0].dtype == dtype:
            return args[0]
        if op not in MOVES and any(a.dtype in HALVES for a in args):
            return self._widened(op, args)
        first = args[-1].dtype
        if any(a.dtype not in NATIVE for a in args) or not has(op, args[0].dtype, first):
            return None
        shape = next((a.shape for a in args if a.shape), ())
        if dtype is None:
            dtype = BOOL if op in COMPARISONS or op == "is_finite" else first
        if np.dtype(dtype) not in NATIVE or (first == np.float64 and dtype == F16):
            return None
        arranged = [a.arranged for a in args if a.arranged and a.shape]
        how = max(arranged, key=lambda a: len(a.base.shape), default=None)  # the finest
        if how is None:
            node = self._add("map", shape, dtype, op, args)
            node.fluid = any(a.fluid and a.shape for a in args)
            return node
        operands = tuple(self._pulled(a, how) if a.shape else a for a in args)
        node = self._add("map", how.base.shape, dtype, op, operands)
        node.fluid = True
        return self._restored(node, how.chain)

    def _widened(self, op: str, args: Sequence[Node]) -> Node | None:
        """An operation on halves: on float32, and rounded."""
        if op in ("bitcast", "nextafter"):
            return None
        half = next(a.dtype for a in args if a.dtype in HALVES)
        wide = [self._single(a) for a in args]
        made = self.map(op, *wide)
        if made is None or made.dtype != np.float32:
            return made
        return self.map("convert", made, dtype=half)

    def _single(self, x: Node) -> Node:
        """Halves as float32, other nodes as they are."""
        if x.dtype not in HALVES:
            return x
        wide = self.map("convert", x, dtype=np.float32)
        assert wide is not None
        return wide

    def view(
        self,
        x: Node,
        shape: Sequence[int],
        axes: Sequence[int | None],
        steps: Sequence[int] | None = None,
        offsets: Sequence[int] | None = None,
    ) -> Node | None:
        """Elements of `x`: its index along each axis is offset + step * (index along `axis`)."""
        n = len(x.shape)
        terms = tuple(
            () if a is None else ((a, step),)
            for a, step in zip(axes, steps or (1,) * n, strict=True)
        )
        node = self.look(x, shape, terms, tuple(offsets or (0,) * n))
        how = x.arranged or (_itself(x) if x.fluid else None)
        if node is not None and how is not None:
            place = inverse(x.shape, node.shape, node.attr)
            if place is not None:
                chain = (*how.chain, ("view", node.shape, tuple(axes)))
                node.arranged = Arrangement(how.base, compose(how.place, place), chain)
        return node

    def look(
        self,
        x: Node,
        shape: Sequence[int],
        terms: Sequence[tuple[tuple[int, int], ...]],
        offsets: Sequence[int],
    ) -> Node | None:
        """Elements of `x` at the indices of a `View`."""
        if x.dtype not in NATIVE:
            return None
        return self._add("view", shape, x.dtype, None, (x,), View(tuple(terms), tuple(offsets)))

    def copy(self, x: Node) -> Node:
        """An array in row-major order of what may be a view."""
        return self._add("map", x.shape, x.dtype, "copy", (x,))

    def array(self, x: Node) -> Node:
        """What is an array in row-major order as it is, else a copy that is one."""
        return self.copy(x) if x.kind in ("view", "iota", "constant") else x

    def reshape(self, x: Node, shape: Sequence[int]) -> Node | None:
        """Another shape; what is not an array in row-major order becomes one first."""
        if x.dtype not in NATIVE:
            return None
        how = x.arranged or (_itself(x) if x.fluid else None)
        x = self.array(x)
        node = self._add("reshape", shape, x.dtype, None, (x,))
        if how is not None:
            place = merging(x.shape, node.shape)
            if place is not None:
                chain = (*how.chain, ("reshape", node.shape))
                node.arranged = Arrangement(how.base, compose(how.place, place), chain)
        return node

    def iota(self, shape: Sequence[int], axis: int, dtype: Any) -> Node | None:
        """The index along an axis."""
        if np.dtype(dtype) not in NATIVE - {BOOL, KEY}:
            return None
        strides = tuple(int(i == axis) for i in range(len(shape)))
        return self._add("iota", shape, dtype, None, (), strides)

    def index(self, shape: Sequence[int], strides: Sequence[int], dtype: Any) -> Node:
        """The sum of the index along each axis times a stride, for maps to read."""
        return self._add("iota", shape, dtype, None, (), tuple(strides))

    def reduce(self, op: str, x: Node, axes: Sequence[int]) -> Node | None:
        """A fold over axes."""
        if x.dtype not in NATIVE or not x.size:
            return None
        if op in ("and", "or") and x.dtype.kind == "f":
            return None
        if op in ("add", "mul") and x.dtype == BOOL:
            return None
        if x.dtype in HALVES:
            total = self.reduce(op, self._single(x), axes)
            return total and self.map("convert", total, dtype=x.dtype)
        shape = [n for i, n in enumerate(x.shape) if i not in axes]
        if all(x.shape[i] == 1 for i in axes):
            kept = iter(range(len(shape)))
            places = tuple(None if i in axes else next(kept) for i in range(len(x.shape)))
            return self.view(x, shape, places)
        if x.arranged is not None:
            base, place, _ = x.arranged
            folded = {a for i in axes for a, _ in place.terms[i]}
            order = [a for i in range(len(x.shape)) if i not in axes for a, _ in place.terms[i]]
            if order == sorted(order):  # what is kept stands in the same order in both
                return self.reshape(self._fold(op, base, folded), shape)
        return self._fold(op, x, axes)

    def _fold(self, op: str, x: Node, axes: Iterable[int]) -> Node:
        axes = tuple(sorted(axes))
        shape = [n for i, n in enumerate(x.shape) if i not in axes]
        return self._add("reduce", shape, x.dtype, op, (x,), axes)

    def pad(self, x: Node, fill: Node, low: Sequence[int], high: Sequence[int]) -> Node | None:
        """`x` with `low` and `high` elements of `fill` (rank 0) around it, none negative."""
        if x.dtype not in NATIVE or not x.size:
            return None
        if not any(low) and not any(high):
            return x
        base, order = self.layout(x)
        if order is not None:
            turned = self.pad(base, fill, *([p[i] for i in inverted(order)] for p in (low, high)))
            return turned and self.ordered(turned, order)
        x = self._held(x)
        n = range(len(x.shape))
        shape = tuple(a + size + b for a, size, b in zip(low, x.shape, high, strict=True))
        inside = self.look(x, shape, tuple(((i, 1),) for i in n), tuple(-a for a in low))
        assert inside is not None
        bounds = [(((i, 1),), low[i], low[i] + x.shape[i]) for i in n if low[i] or high[i]]
        node = self.bounded(inside, fill, bounds)
        node.fluid = x.fluid
        return node

    def prefixes(self, op: str, x: Node, axis: int, reverse: bool) -> Node | None:
        """Folds of all prefixes (of all suffixes, if `reverse`) along an axis."""
        if x.dtype not in NATIVE or not has(op, x.dtype, x.dtype):
            return None
        if op in ("add", "mul") and x.dtype == BOOL:
            return None
        return self._add("prefixes", x.shape, x.dtype, op, (self.array(x),), (axis, reverse))

    def sort(self, x: Node) -> Node:
        """The rows of an array of uint64 in ascending order: those with index 0 on a new axis.

        That comes before the last one; what has index 1 means nothing.
        """
        shape = (*x.shape[:-1], 2, x.shape[-1])
        return self._add("sort", shape, x.dtype, "sort", (self.array(x),))

    def join(self, parts: Sequence[Node], axis: int) -> Node | None:
        """Arrays behind one another along an axis."""
        if any(p.dtype not in NATIVE for p in parts) or len(parts) > _MOST_PARTS:
            return None
        parts = [p for p in parts if p.size]
        if len(parts) == 1:
            return parts[0]
        base, order = self.layout(parts[0])
        if order is not None:
            inverse = inverted(order)
            shapes = [[p.shape[i] for i in inverse] for p in parts]
            turned = [self.view(p, s, order) for p, s in zip(parts, shapes, strict=True)]
            whole = self.join([base, *(t for t in turned[1:] if t is not None)], order[axis])
            return whole and self.ordered(whole, order)
        shape = list(parts[0].shape)
        shape[axis] = sum(p.shape[axis] for p in parts)
        every = range(len(shape))
        whole, start = self.constant(np.zeros((), parts[0].dtype)), 0
        for part in parts:
            part = self._held(part)
            offsets = [-start if i == axis else 0 for i in every]
            stop = start + part.shape[axis]
            shown = self.look(part, shape, tuple(((i, 1),) for i in every), offsets)
            assert shown is not None
            whole = self.bounded(shown, whole, [(((axis, 1),), start, stop)])
            start = stop
        whole.fluid = parts[0].fluid
        return whole

    def bounded(
        self, x: Node, fill: Node, bounds: Iterable[tuple[tuple[tuple[int, int], ...], int, int]]
    ) -> Node:
        """The view `x` where bounds hold, else `fill`, a node of rank 0 or of the same shape.

        A bound is (terms, low, high): the sum of step * index over (axis, step) among its terms is
        at least `low` and below `high`. Outside, `x` may show what no array has.
        """
        return self._add("map", x.shape, x.dtype, "pad", (x, fill), tuple(bounds))

    def take(
        self,
        x: Node,
        shape: Sequence[int],
        view: View,
        columns: Sequence[tuple[int, int, Node]],
        fill: Node | None = None,
    ) -> Node | None:
        """Elements of `x` at the indices of a view, plus coordinates that are data.

        A column is (axis of x, largest coordinate, node of the result's shape or rank 0). What is
        beyond is moved inside, or is `fill` (rank 0) if there is one.
        """
        nodes = [c for _, _, c in columns]
        if x.dtype not in NATIVE or any(c.dtype not in INTEGERS for c in nodes):
            return None
        x = self._held(x)
        strides, shown = self.strides(x), self.look(x, shape, *view)
        assert strides is not None and shown is not None
        picks = tuple((last, strides[axis]) for axis, last, _ in columns)
        args = (shown, *nodes, *([] if fill is None else [fill]))
        return self._add("map", shape, x.dtype, "take", args, picks)

    def scatter(
        self, op: str, x: Node, updates: Node, columns: Sequence[Node], how: Scatter
    ) -> Node | None:
        """`x` with updates folded into it (op "set": put there).

        The columns of coordinates have the updates' shape, or rank 0.
        """
        if x.dtype not in NATIVE or any(c.dtype not in INTEGERS for c in columns):
            return None
        if op != "set" and not has(op, x.dtype, x.dtype):
            return None
        fresh = self._add("map", x.shape, x.dtype, "fresh", (x,))
        args = (fresh, self._held(updates), *(self._held(c) for c in columns))
        return self._add("scatter", x.shape, x.dtype, op, args, how)

    def _held(self, x: Node) -> Node:
        """The same in memory, if it is made of numbers that are nowhere."""
        base, view = resolve(x)
        if base.kind not in ("iota", "constant"):
            return x
        node = self.look(self.copy(base), x.shape, *view)
        assert node is not None
        return node

    def contract(
        self,
        x: Node,
        x_axes: Sequence[int],
        w: Node,
        w_axes: Sequence[int],
        shape: Sequence[int],
        reduced: Sequence[int],
        panel: int = 0,
    ) -> Node:
        """A sum of products.

        For a target that packs, the last axis of the result is one of `w` alone, of stride 1.
        """
        attr = Contraction(tuple(reduced), tuple(x_axes), tuple(w_axes), panel)
        return self._add("contract", shape, x.dtype, "contract", (x, w), attr)

    def loop(self, loop: Loop, args: Sequence[Node], shapes: Sequence[Sequence[int]]) -> list[Node]:
        """The results of a loop, of given shapes: final carry, stacked results."""
        head = self._add("loop", (), BOOL, None, tuple(args), loop)
        k, length = len(loop.carry), (loop.length,)
        made = [n.shape if i < k else length + n.shape for i, n in enumerate(loop.outputs)]
        return self._results(head, loop.outputs, made, shapes)

    def choice(
        self, branches: Sequence[Branch], args: Sequence[Node], shapes: Sequence[Sequence[int]]
    ) -> list[Node]:
        """The results, of given shapes, of the branch whose number the first operand, int32, is.

        The others are the inputs of all branches.
        """
        head = self._add("choice", (), BOOL, None, tuple(args), tuple(branches))
        outputs = branches[0].outputs
        return self._results(head, outputs, [n.shape for n in outputs], shapes)

    def _results(
        self, head: Node, outputs: Sequence[Node], made: Sequence[Any], shapes: Sequence[Any]
    ) -> list[Node]:
        """The results of a node: arrays of the shapes `made`, as what has other shapes."""
        results = []
        for i, (out, own, shape) in enumerate(zip(outputs, made, shapes, strict=True)):
            node = self._add("result", own, out.dtype, i, (head,))
            shown = node if own == tuple(shape) else self.reshape(node, shape)
            assert shown is not None
            results.append(shown)
        return results

    def again(self, node: Node, args: tuple[Node, ...]) -> Node:
        """A node like one of another graph, of these operands."""
        made = self._add(node.kind, node.shape, node.dtype, node.op, args, node.attr)
        made.source = node.source
        return made

    # ------------------------------------------------------------------ layouts
    def layout(self, x: Node) -> tuple[Node, tuple[int, ...] | None]:
        """The fluid node behind a permutation of it, and which of its axes each axis of x is.

        (x, None) where x is not one.
        """
        if x.arranged is None:
            return x, None
        base, place, _ = x.arranged
        axes = [terms[0][0] for terms in place.terms if len(terms) == 1]
        if sorted(axes) != list(range(len(base.shape))) or len(axes) != len(x.shape):
            return x, None
        return base, tuple(axes)

    def ordered(self, x: Node, order: Sequence[int]) -> Node:
        """The fluid node `x` with its axes in another order: axis i is axis order[i] of `x`."""
        x.fluid = True
        inverse = inverted(order)
        node = self.view(x, tuple(x.shape[i] for i in order), inverse)
        assert node is not None
        return node

    def strides(self, x: Node) -> tuple[int, ...] | None:
        """How far apart the elements along each axis are in memory; None for what has no array."""
        base, view = resolve(x)
        if base.kind in ("constant", "iota"):
            return None
        strides = [0] * len(x.shape)
        for unit, terms in zip(contiguous(base.shape), view.terms, strict=True):
            for axis, step in terms:
                strides[axis] += unit * step
        return tuple(strides)

    def _pulled(self, x: Node, how: Arrangement) -> Node:
        """What `x`, of the arrangement's shape, shows at each index of the arrangement's base."""
        mine = x.arranged
        if mine is not None and mine.base.shape == how.base.shape and mine.place == how.place:
            return mine.base
        node = self.look(x, how.base.shape, *how.place)
        assert node is not None
        return node

    def _restored(self, node: Node, chain: Sequence[tuple[Any, ...]]) -> Node:
        for kind, *rest in chain:
            made = self.view(node, *rest) if kind == "view" else self.reshape(node, *rest)
            assert made is not None
            node = made
        return node

    def opaque(self, eqn: Any, args: Sequence[Node], effects: bool = False) -> list[Node]:
        """The results of an equation that its primitive's own rule computes."""
        types = [v.aval for v in eqn.outvars]
        head = self._add("opaque", (), BOOL, eqn, tuple(args), effects)
        return [self._add("result", t.shape, t.dtype, i, (head,)) for i, t in enumerate(types)]


def used(outputs: Sequence[Node]) -> set[int]:
    """The ids of all nodes that some nodes are made of."""
    seen: set[int] = set()
    stack: list[Node] = list(outputs)
    while stack:
        node = stack.pop()
        if node.id not in seen:
            seen.add(node.id)
            stack.extend(node.args)
    return seen


def resolve(node: Node) -> tuple[Node, View]:
    """The node behind a chain of views, and the view from the chain's index to that node's."""
    view = identity_view(node.shape)
    while node.kind == "view":
        view = compose(view, node.attr)
        node = node.args[0]
    return node, view


def _itself(node: Node) -> Arrangement:
    return Arrangement(node, identity_view(node.shape), ())
