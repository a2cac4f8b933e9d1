"""A cluster as a loop nest: what a code generator reads.

The dimensions of a kernel are those of its cluster's domain, without size 1, and neighbours made
one where every array allows it. Each step computes one node from loads, indices, constants and
earlier steps. Steps have a *level*: a full value of level n may read rows of level n, which are
folds of full values below n, so a kernel runs over each row once for each level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fx.kernel.fuse import Cluster, Fusion, match, resolve, storage
from fx.kernel.graph import Node


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
    """One node: `role` is "full", "row" or "fold" (from full values to a row)."""

    id: int
    op: str
    args: tuple[Load | Index | Number | Ref, ...]
    dtype: np.dtype
    role: str
    level: int


class Kernel:
    """A loop nest.

    Attributes:
        sizes, reduced: extent of each dimension, and whether it is folded away.
        arrays: dtype of each array; those that are written come last.
        steps: in order of computation.
        stores: step id -> (array, where). Rows of a kernel in chunks are stored once a chunk,
            with the chunk as an outermost dimension.
        chunks, chunk: the outermost folded dimension is cut into `chunks` pieces of `chunk`.
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
    ):
        self.sizes = sizes
        self.reduced = reduced
        self.arrays = arrays
        self.steps = steps
        self.stores = stores
        self.chunks = chunks
        self.chunk = chunk

    @property
    def rows(self) -> int:
        """How many indices remain when the folded dimensions are dropped."""
        return math.prod(n for n, r in zip(self.sizes, self.reduced, strict=True) if not r)

    @property
    def size(self) -> int:
        return math.prod(self.sizes)

    @property
    def by_columns(self) -> bool:
        """Whether the innermost dimension stays while others are folded."""
        return any(self.reduced) and not self.reduced[-1]


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a row-major array."""
    strides, total = [], 1
    for n in reversed(shape):
        strides.append(total)
        total *= n
    return tuple(reversed(strides))


def make_kernel(cluster: Cluster, fusion: Fusion) -> tuple[Kernel, list[Node], list[Node]]:
    """The kernel of a cluster, and the nodes whose arrays it reads and writes."""
    domain, kept = cluster.domain, cluster.kept
    members = {n.id for n in cluster.nodes}
    reads: list[Node] = []
    place: dict[int, int] = {}
    steps: list[Step] = []
    levels: dict[int, int] = {}

    def operand(arg: Node, axes: Sequence[int | None]) -> Load | Index | Number | Ref:
        base, view = resolve(arg)
        if base.id in members:
            return Ref(base.id)
        if base.kind == "constant":
            return Number(base.attr)
        scalar = not arg.shape
        strides = [0] * len(domain)
        unit = contiguous(base.shape)
        if base.kind == "iota":
            unit = tuple(int(i == base.attr) for i in range(len(base.shape)))
        offset = 0
        for stride, n, axis, step, start in zip(unit, base.shape, *view, strict=True):
            offset += stride * start
            if axis is not None and n != 1 and not scalar:
                into = axes[axis]
                if into is not None:  # else the axis has one index, 0
                    strides[into] += stride * step
        at = Affine(tuple(strides), offset)
        if base.kind == "iota":
            return Index(at, base.dtype)
        array = storage(base)
        if array.id not in place:
            place[array.id] = len(reads)
            reads.append(array)
        return Load(place[array.id], at)

    everywhere = range(len(domain))
    for node in cluster.nodes:
        role = "fold" if node.kind == "reduce" else "full" if node.id in cluster.full else "row"
        axes = cluster.axes[node.id]
        if role == "fold":
            axes = match(node.args[0].shape, domain, everywhere) or ()
        args = tuple(operand(a, axes) for a in node.args)
        level = max((levels[a.id] for a in args if isinstance(a, Ref)), default=0)
        if role == "fold":
            level += 1
        levels[node.id] = level
        steps.append(Step(node.id, node.op, args, node.dtype, role, level))

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
        cluster.chunk if cluster.reduced else 1,
    )  # fmt: skip
    return _simplified(kernel), reads, writes


def _affines(kernel: Kernel) -> list[Affine]:
    found = [at for _, at in kernel.stores.values()]
    for step in kernel.steps:
        found += [a.at for a in step.args if isinstance(a, (Load, Index))]
    return found


def _simplified(kernel: Kernel) -> Kernel:
    """Without dimensions of size 1; neighbours joined where all accesses step evenly."""
    sizes, reduced = list(kernel.sizes), list(kernel.reduced)
    keep = [i for i, n in enumerate(sizes) if n != 1]
    if kernel.chunks > 1:  # the outermost folded dimension is the one that was cut
        first = reduced.index(True)
        if first not in keep:
            keep = sorted((*keep, first))
    affines = [Affine(tuple(a.strides[i] for i in keep), a.offset) for a in _affines(kernel)]
    sizes, reduced = [sizes[i] for i in keep], [reduced[i] for i in keep]
    groups = [[i] for i in range(len(sizes))]
    cut = reduced.index(True) if kernel.chunks > 1 else -1
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

    steps = [s._replace(args=tuple(operand(a) for a in s.args)) for s in kernel.steps]
    stores = {k: (array, merged(f)) for k, (array, f) in kernel.stores.items()}
    return Kernel(
        (1,) if single else tuple(math.prod(sizes[i] for i in g) for g in groups),
        (False,) if single else tuple(reduced[g[0]] for g in groups),
        kernel.arrays,
        steps,
        stores,
        kernel.chunks,
        kernel.chunk,
    )
