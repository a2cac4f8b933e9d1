"""A cluster as a loop nest: what a code generator reads.

The dimensions of a kernel are those of its cluster's domain, without size 1, and neighbours made
one where every array allows it. Each step computes one node from loads, indices, constants and
earlier steps. Steps have a *level*: a full value of level n may read rows of level n, which are
folds of full values below n, so a kernel runs over each row once for each level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fx.kernel.fuse import Cluster, Fusion, match, storage
from fx.kernel.graph import Node, resolve
from fx.kernel.prefixes import Prefixes
from fx.kernel.scatters import Scatters
from fx.kernel.sorts import Sorts
from fx.kernel.views import contiguous


class Affine(NamedTuple):
    """offset + sum of strides times the index along each dimension, in elements."""

    strides: tuple[int, ...]
    offset: int


class Load(NamedTuple):
    """An element of an array that the kernel reads."""

    array: int
    at: Affine


class Index(NamedTuple):
    """The index itself, as a number (iota)."""

    at: Affine
    dtype: np.dtype


class Number(NamedTuple):
    """A constant."""

    value: np.ndarray


class Ref(NamedTuple):
    """The value of another step."""

    id: int


class Step(NamedTuple):
    """One node: `role` is "full", "row" or "fold" (from full values to a row).

    `bounds`, for op "pad": (index, low, high) where its first operand may be loaded. `source` is
    the user's line. `picks`, for op "take": (largest, stride) of each coordinate, which are its
    operands after the first; one more stands for what is beyond.
    """

    id: int
    op: str
    args: tuple[Load | Index | Number | Ref, ...]
    dtype: np.dtype
    role: str
    level: int
    bounds: tuple[tuple[Affine, int, int], ...] = ()
    source: Any = None
    picks: tuple[tuple[int, int], ...] = ()


class Products(NamedTuple):
    """The sum of products that a kernel computes before its steps: step `id` is its value.

    The operands are arrays x and w, at an index of the kernel and of the summed dimensions
    (`sizes`, outermost first); their strides along these are `x_sums` and `w_sums`. For a target
    that packs, the last dimension of the kernel is one along which w and the result have stride 1
    and x has 0. If
    `panel` is not 0, w is cut along it into panels of so many elements, `panel_stride` apart.
    """

    id: int
    x: Load
    w: Load
    sizes: tuple[int, ...]
    x_sums: tuple[int, ...]
    w_sums: tuple[int, ...]
    panel: int
    panel_stride: int


class Kernel:
    """A loop nest.

    Attributes:
        sizes, reduced: extent of each dimension, and whether it is folded away.
        arrays: dtype of each array; those that are written come last.
        steps: in order of computation.
        stores: step id -> (array, where). Rows of a kernel in chunks are stored once a chunk,
            with the chunk as an outermost dimension.
        chunks, chunk: the outermost folded (or summed) dimension is cut into `chunks` pieces of
            `chunk`.
        products: what is contracted, if anything.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        reduced: tuple[bool, ...],
        arrays: list[np.dtype],
        steps: list[Step],
        stores: dict[int, tuple[int, Affine]],
        chunks: int,
        chunk: int,
        products: Products | None = None,
    ):
        self.sizes = sizes
        self.reduced = reduced
        self.arrays = arrays
        self.steps = steps
        self.stores = stores
        self.chunks = chunks
        self.chunk = chunk
        self.products = products

    @property
    def rows(self) -> int:
        """How many indices remain when the folded dimensions are dropped."""
        return math.prod(n for n, r in zip(self.sizes, self.reduced, strict=True) if not r)

    @property
    def size(self) -> int:
        return math.prod(self.sizes)

    @property
    def sums(self) -> int | None:
        """The step whose array holds the sums of products: theirs, or the first one after them."""
        if self.products is None:
            return None
        if self.products.id in self.stores:
            return self.products.id
        dtype = self.arrays[self.products.x.array]
        kept = (s for s in self.steps if s.role == "full" and s.id in self.stores)
        return next(s.id for s in kept if s.dtype == dtype)

    def full_values(self, roots: Iterable[int], known: Callable[[Step], bool]) -> list[Step]:
        """The full values among some steps and those that they are made of, in order.

        What is `known` is not made of others.
        """
        steps = {s.id: s for s in self.steps}
        stack, seen = [*roots], set()
        while stack:
            s = steps[stack.pop()]
            if s.id in seen or s.role != "full":
                continue
            seen.add(s.id)
            if not known(s):
                stack += [a.id for a in s.args if isinstance(a, Ref)]
        return [s for s in self.steps if s.id in seen]

    @property
    def by_columns(self) -> bool:
        """Whether the innermost dimension stays while others are folded."""
        return any(self.reduced) and not self.reduced[-1]


AnyKernel: TypeAlias = Kernel | Prefixes | Scatters | Sorts


def make_kernel(cluster: Cluster, fusion: Fusion) -> tuple[AnyKernel, list[Node], list[Node]]:
    """The kernel of a cluster, and the nodes whose arrays it reads and writes."""
    head = cluster.nodes[0]
    if head.kind == "prefixes":
        return Prefixes(head), [storage(head.args[0])], [head]
    if head.kind == "sort":
        return Sorts(head), [storage(head.args[0])], [head]
    if head.kind == "scatter":
        scatters = Scatters(head)
        return scatters, scatters.reads, [head]
    domain, kept = cluster.domain, cluster.kept
    members = {n.id for n in cluster.nodes}
    reads: list[Node] = []
    place: dict[int, int] = {}
    steps: list[Step] = []
    levels: dict[int, int] = {}

    def place_of(array: Node) -> int:
        if array.id not in place:
            place[array.id] = len(reads)
            reads.append(array)
        return place[array.id]

    def affine(arg: Node, axes: Sequence[int | None], count: int) -> tuple[Node, Affine]:
        """The node behind an operand and where its elements are, for `count` dimensions."""
        base, view = resolve(arg)
        scalar = not arg.shape
        strides = [0] * count
        unit = contiguous(base.shape)
        if base.kind == "iota":
            unit = base.attr
        offset = 0
        for stride, n, terms, start in zip(unit, base.shape, *view, strict=True):
            if n == 1:  # the only index is 0, whatever a view inside bounds says of others
                continue
            offset += stride * start
            for axis, step in () if scalar else terms:
                into = axes[axis]
                if into is not None:  # else the axis has one index, 0
                    strides[into] += stride * step
        return base, Affine(tuple(strides), offset)

    def operand(arg: Node, axes: Sequence[int | None]) -> Load | Index | Number | Ref:
        base, at = affine(arg, axes, len(domain))
        if base.id in members:
            return Ref(base.id)
        if base.kind == "constant":
            return Number(base.attr)
        if base.kind == "iota":
            return Index(at, base.dtype)
        return Load(place_of(storage(base)), at)

    def products(node: Node) -> Products:
        sizes, n = node.attr.reduced, len(domain)
        inner = n + len(sizes)
        loads: list[Load] = []
        sums: list[tuple[int, ...]] = []
        beyond = 0
        for arg, axes in zip(node.args, (node.attr.x_axes, node.attr.w_axes), strict=True):
            base, at = affine(arg, axes, inner + 1)
            loads.append(Load(place_of(storage(base)), Affine(at.strides[:n], at.offset)))
            sums.append(at.strides[n:inner])
            beyond = at.strides[inner]
        (x, w), (x_sums, w_sums) = loads, sums
        return Products(node.id, x, w, sizes, x_sums, w_sums, node.attr.panel, beyond)

    everywhere = range(len(domain))
    contracted = None
    for node in cluster.nodes:
        if node.kind == "contract":
            contracted = products(node)
            levels[node.id] = 0
            steps.append(Step(node.id, node.op, (), node.dtype, "full", 0, (), node.source))
            continue
        role = "fold" if node.kind == "reduce" else "full" if node.id in cluster.full else "row"
        axes: tuple[int | None, ...] = cluster.axes[node.id]
        if role == "fold":
            axes = match(node.args[0].shape, domain, everywhere) or ()
        args = tuple(operand(a, axes) for a in node.args)
        level = max((levels[a.id] for a in args if isinstance(a, Ref)), default=0)
        if role == "fold":
            level += 1
        levels[node.id] = level
        bounds: list[tuple[Affine, int, int]] = []
        held: Any = node.attr if node.op == "pad" else ()
        for terms, low, high in held:
            along = [0] * len(domain)
            for axis, factor in terms:
                into = axes[int(axis)]
                if into is not None:
                    along[into] += factor
            bounds.append((Affine(tuple(along), 0), low, high))
        within, picks = tuple(bounds), node.attr if node.op == "take" else ()
        steps.append(
            Step(node.id, node.op, args, node.dtype, role, level, within, node.source, picks)
        )

    writes = [n for n in cluster.nodes if n.id in fusion.stored]
    stores = {}
    arrays = [n.dtype for n in reads] + [n.dtype for n in writes]
    row_strides = contiguous(cluster.row_shape)
    for node in writes:
        strides = [0] * len(domain)
        if node.id in cluster.full:
            strides = list(contiguous(domain))
        else:
            for axis, stride in zip(kept, row_strides, strict=True):
                strides[axis] = stride
        stores[node.id] = (len(reads) + len(stores), Affine(tuple(strides), 0))
    folded = [i in (cluster.reduced or ()) for i in everywhere]
    kernel = Kernel(
        domain, tuple(folded), arrays, steps, stores, cluster.chunks,
        cluster.chunk if cluster.chunks > 1 else 1, contracted,
    )  # fmt: skip
    return _simplified(kernel), reads, writes


def _affines(kernel: Kernel) -> list[Affine]:
    found = [at for _, at in kernel.stores.values()]
    for step in kernel.steps:
        found += [a.at for a in step.args if isinstance(a, (Load, Index))]
        found += [at for at, _, _ in step.bounds]
    if kernel.products is not None:
        found += [kernel.products.x.at, kernel.products.w.at]
    return found


def _simplified(kernel: Kernel) -> Kernel:
    """Without dimensions of size 1; neighbours joined where all accesses step evenly."""
    sizes, reduced = list(kernel.sizes), list(kernel.reduced)
    keep = [i for i, n in enumerate(sizes) if n != 1]
    cut = -1
    if kernel.chunks > 1 and kernel.products is None:
        first = reduced.index(True)  # the outermost folded dimension is the one that was cut
        keep = sorted({*keep, first})
        cut = keep.index(first)
    affines = [Affine(tuple(a.strides[i] for i in keep), a.offset) for a in _affines(kernel)]
    sizes, reduced = [sizes[i] for i in keep], [reduced[i] for i in keep]
    groups = [[i] for i in range(len(sizes))]
    at = len(groups) - 1
    while at > 0:
        a, b = groups[at - 1][-1], groups[at][0]
        inner = math.prod(sizes[i] for i in groups[at])
        last = groups[at][-1]
        if (
            reduced[a] == reduced[b]
            and a != cut
            and all(f.strides[a] == f.strides[last] * inner for f in affines)
        ):
            groups[at - 1] += groups.pop(at)
        at -= 1

    single = not groups  # one element still makes a loop

    def merged(f: Affine) -> Affine:
        strides = tuple(f.strides[i] for i in keep)
        return Affine((0,) if single else tuple(strides[g[-1]] for g in groups), f.offset)

    def operand(a: Load | Index | Number | Ref) -> Load | Index | Number | Ref:
        if isinstance(a, Load):
            return Load(a.array, merged(a.at))
        return Index(merged(a.at), a.dtype) if isinstance(a, Index) else a

    steps = [
        s._replace(
            args=tuple(operand(a) for a in s.args),
            bounds=tuple((merged(at), low, high) for at, low, high in s.bounds),
        )
        for s in kernel.steps
    ]
    stores = {k: (array, merged(f)) for k, (array, f) in kernel.stores.items()}
    products = kernel.products
    if products is not None:
        x, w = (load._replace(at=merged(load.at)) for load in (products.x, products.w))
        products = _joined_sums(products._replace(x=x, w=w), kernel.chunks > 1)
    return Kernel(
        (1,) if single else tuple(math.prod(sizes[i] for i in g) for g in groups),
        (False,) if single else tuple(reduced[g[0]] for g in groups),
        kernel.arrays,
        steps,
        stores,
        kernel.chunks,
        kernel.chunk,
        products,
    )


def _joined_sums(p: Products, cut: bool) -> Products:
    """The summed dimensions without those of size 1, neighbours joined where they step evenly."""
    rows = list(zip(p.sizes, p.x_sums, p.w_sums, strict=True))
    joined: list[tuple[int, int, int]] = []
    for i, (n, xs, ws) in enumerate(rows):
        if n == 1 and not (cut and i == 0):
            continue
        if joined and not (cut and len(joined) == 1):
            m, xo, wo = joined[-1]
            if xo == xs * n and wo == ws * n:
                joined[-1] = (m * n, xs, ws)
                continue
        joined.append((n, xs, ws))
    sizes, x_sums, w_sums = zip(*(joined or [(1, 0, 0)]), strict=True)
    return p._replace(sizes=sizes, x_sums=x_sums, w_sums=w_sums)
