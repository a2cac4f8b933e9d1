"""Fusion: which nodes of a graph are computed together.

A *cluster* becomes one kernel: a loop nest over a domain. Its members are full (one value for each
index of the domain) or rows (one value for each index that remains when the reduced axes are
dropped). A node joins the cluster of an operand when it is indexed alike, so elementwise chains,
their reductions, and what is computed from those for the same row (softmax, layer norm) end up
in one kernel. What is used elsewhere is kept in memory, all else lives in registers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from fx.kernel.graph import Contraction, Graph, Node, resolve

# A reduction of at least this many elements into few rows is cut into chunks that run in parallel
# (and whose partial results are folded in a fixed order, whatever the number of threads).
CHUNK = 1 << 16
MIN_ROWS = 64
# A contraction of at least DEEP terms into a result of at most SMALL elements is cut into PIECES.
DEEP, SMALL, PIECES = 1024, 1 << 16, 8
_FUSED = ("map", "reduce", "contract")


def match(
    shape: Sequence[int], domain: Sequence[int], axes: Sequence[int]
) -> tuple[int | None, ...] | None:
    """Which of some axes of a domain each axis of a shape is, in order; None where it has size 1.

    None altogether if the sizes differ.
    """
    wanted = [a for a in axes if domain[a] != 1]
    if [n for n in shape if n != 1] != [domain[a] for a in wanted]:
        return None
    places = iter(wanted)
    return tuple(None if n == 1 else next(places) for n in shape)


def storage(node: Node) -> Node:
    """The node whose array holds the elements of a node that is no view."""
    while node.kind == "reshape":
        node = node.args[0]
    return node


def _pieces(size: int, reduced: tuple[int, ...]) -> int:
    """Into how many pieces the outermost summed axis of a contraction is cut."""
    if size > SMALL or math.prod(reduced) < DEEP:
        return 1
    step = -(-reduced[0] // PIECES)
    return -(-reduced[0] // step)


class Cluster:
    """Nodes computed in one loop nest."""

    __slots__ = ("axes", "bit", "deps", "domain", "full", "merged", "nodes", "reduced", "rows")

    def __init__(self, number: int, domain: tuple[int, ...]):
        self.bit = 1 << number
        self.deps = 0
        self.domain = domain
        self.reduced: tuple[int, ...] | None = None
        self.nodes: list[Node] = []
        self.axes: dict[int, tuple[int | None, ...]] = {}  # of each member, in the domain
        self.full: set[int] = set()
        self.rows: set[int] = set()
        self.merged: Cluster | None = None

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes of the domain that are not reduced."""
        gone = self.reduced or ()
        return tuple(i for i in range(len(self.domain)) if i not in gone)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return tuple(self.domain[i] for i in self.kept)

    @property
    def by_columns(self) -> bool:
        """Whether the innermost axis (of more than one element) stays while others go."""
        inner = max((i for i, n in enumerate(self.domain) if n > 1), default=None)
        return bool(self.reduced) and inner is not None and inner not in self.reduced

    @property
    def contraction(self) -> Contraction | None:
        """What the cluster contracts, if it does: its first node does, the others follow."""
        return self.nodes[0].attr if self.nodes[0].kind == "contract" else None

    @property
    def chunks(self) -> int:
        """Into how many pieces the outermost reduced axis is cut; 1 for none."""
        contraction = self.contraction
        if contraction is not None:
            return _pieces(math.prod(self.domain), contraction.reduced)
        if not self.reduced:
            return 1
        rows, count = math.prod(self.row_shape), math.prod(self.domain)
        if count < 2 * CHUNK or (rows >= MIN_ROWS and not self.by_columns):
            return 1
        outer = self.domain[self.reduced[0]]
        step = max(1, outer * CHUNK // count)
        return -(-outer // step)

    @property
    def chunk(self) -> int:
        """How much of the outermost reduced axis a chunk takes."""
        contraction = self.contraction
        if contraction is not None:
            return -(-contraction.reduced[0] // self.chunks)
        assert self.reduced
        outer = self.domain[self.reduced[0]]
        return -(-outer // self.chunks)

    @property
    def goes_on(self) -> bool:
        """Whether values may be computed from the rows inside the same kernel."""
        return bool(self.reduced) and self.chunks == 1 and not self.by_columns


class Fusion:
    """The clusters of a graph, in an order in which they can run.

    Attributes:
        stored: ids of the nodes whose values must be arrays.
    """

    def __init__(self, graph: Graph, outputs: Sequence[Node]):
        self.clusters: list[Cluster] = []
        self.home: dict[int, Cluster] = {}
        opaque = [n for n in graph.nodes if n.kind == "opaque"]
        used = _used([*outputs, *opaque])
        self.nodes = [n for n in graph.nodes if n.id in used]
        self._effects = 0
        for node in self.nodes:
            self._place(node)
        self.stored = self._stored(outputs)

    # ------------------------------------------------------------------ placing
    def _place(self, node: Node) -> None:
        if node.kind in ("contract", "prefixes"):
            self.clusters.append(Cluster(len(self.clusters), node.shape))
            self._enter(node, self.clusters[-1], "full")
        elif node.kind in ("map", "reduce"):
            chosen = self._join(node)
            if chosen is None:
                domain = node.args[0].shape if node.kind == "reduce" else node.shape
                chosen = Cluster(len(self.clusters), domain)
                self.clusters.append(chosen)
                self._enter(node, chosen, "row" if node.kind == "reduce" else "full")
        elif node.kind == "opaque":
            cluster = Cluster(len(self.clusters), ())
            self.clusters.append(cluster)
            cluster.nodes.append(node)
            self.home[node.id] = cluster
            cluster.deps = self._dependencies(node.args)
            if node.attr:  # effects keep their order
                cluster.deps |= self._effects
                self._effects |= cluster.bit

    def of(self, node: Node) -> Cluster | None:
        """The cluster of a node, if it is computed in one."""
        node = storage(node)
        if node.kind == "result":
            node = node.args[0]
        cluster = self.home.get(node.id)
        while cluster is not None and cluster.merged is not None:
            cluster = cluster.merged
        return cluster

    def _dependencies(self, args: Iterable[Node], but: Cluster | None = None) -> int:
        bits = 0
        for arg in args:
            cluster = self.of(resolve(arg)[0])
            if cluster is not None and cluster is not but:
                bits |= cluster.bit | cluster.deps
        return bits

    def _enter(self, node: Node, cluster: Cluster, role: str) -> None:
        more = self._dependencies(node.args, cluster)
        if node.kind == "reduce":
            cluster.reduced = _folded(node, cluster)
        (cluster.full if role == "full" else cluster.rows).add(node.id)
        axes = self._axes(node, cluster, role)
        assert axes is not None
        cluster.axes[node.id] = axes
        cluster.nodes.append(node)
        self.home[node.id] = cluster
        self._extend(cluster, more)

    def _extend(self, cluster: Cluster, more: int) -> None:
        if more & ~cluster.deps:
            cluster.deps |= more
            for other in self.clusters:
                if other.deps & cluster.bit:
                    other.deps |= more

    def _join(self, node: Node) -> Cluster | None:
        """Put a node into the cluster of one of its operands, if it is indexed alike."""
        chosen = None
        for arg in node.args:
            base, _ = resolve(arg)
            cluster = self.of(base)
            if cluster is None or base.kind not in _FUSED or cluster is chosen:
                continue
            if chosen is None:
                role = self._role(node, cluster)
                if role is not None and not self._dependencies(node.args, cluster) & cluster.bit:
                    self._enter(node, cluster, role)
                    chosen = cluster
            elif self._mergeable(cluster, chosen):
                self._merge(cluster, chosen, node)
        return chosen

    def _role(self, node: Node, cluster: Cluster) -> str | None:
        """ "full" or "row" if the node fits the cluster with all operands that live there."""
        if cluster.nodes[0].kind == "opaque":
            return None
        if cluster.contraction is not None and (node.kind == "reduce" or cluster.chunks > 1):
            return None
        if node.kind == "reduce":
            folded = _folded(node, cluster)
            if folded is None or cluster.reduced not in (None, folded):
                return None
            return "row" if self._fits(node, cluster, "full") else None
        if self._fits(node, cluster, "full"):
            return "full"
        if cluster.goes_on and self._fits(node, cluster, "row"):
            return "row"
        return None

    @staticmethod
    def _axes(node: Node, cluster: Cluster, role: str) -> tuple[int | None, ...] | None:
        """Where the axes of a node (of a reduction's result) are in the domain."""
        axes = range(len(cluster.domain)) if role == "full" else cluster.kept
        return match(node.shape, cluster.domain, axes)

    def _fits(self, node: Node, cluster: Cluster, role: str) -> bool:
        """Whether a node with this role sees all members among its operands at its own index.

        For a reduction it is the role of its operand.
        """
        if node.kind == "contract" or node.op == "pad":  # read what must be in memory
            if any(self.of(resolve(a)[0]) is cluster for a in node.args):
                return False
            if node.kind == "contract":
                return node.shape == cluster.domain
        shape = node.args[0].shape if node.kind == "reduce" else node.shape
        axes = range(len(cluster.domain)) if role == "full" else cluster.kept
        own = match(shape, cluster.domain, axes)
        if own is None:
            return False
        for arg in node.args:
            base, view = resolve(arg)
            if self.of(base) is not cluster:
                continue
            if base.kind == "reshape" or (role == "row" and base.id not in cluster.rows):
                return False
            if base.id in cluster.rows and not cluster.goes_on:
                return False
            scalar = not arg.shape
            for n, terms, offset, want in zip(
                base.shape, *view, cluster.axes[base.id], strict=True
            ):
                if n != 1 and (
                    scalar
                    or len(terms) != 1
                    or own[terms[0][0]] != want
                    or terms[0][1] != 1
                    or offset
                ):
                    return False
        return True

    def _mergeable(self, a: Cluster, b: Cluster) -> bool:
        """Whether two clusters of one domain can be one, for a node that reads both."""
        if a.domain != b.domain or a.nodes[0].kind == "opaque":
            return False
        if a.reduced and b.reduced and a.reduced != b.reduced:
            return False
        one, other = a.contraction, b.contraction
        if one is not None or other is not None:
            if a.reduced or b.reduced or (one is not None and other is not None):
                return False
            if (a if one is not None else b).chunks > 1:
                return False
        # No third cluster may stand between the two.
        between = (a.deps | b.deps) & ~(a.bit | b.bit)
        for other in self.clusters:
            if other.bit & between and other.merged is None and other.deps & (a.bit | b.bit):
                return False
        return True

    def _merge(self, a: Cluster, b: Cluster, node: Node) -> None:
        """Move the members of `a` into `b`, if `node` and all others still fit."""
        old = (b.nodes, b.full, b.rows, b.reduced, b.axes)
        # A contraction comes first: what follows it in its cluster does not feed it.
        nodes = sorted((*a.nodes, *b.nodes), key=lambda n: (n.kind != "contract", n.id))
        b.nodes, b.full, b.rows = nodes, a.full | b.full, a.rows | b.rows
        b.reduced = b.reduced or a.reduced
        b.axes = {**a.axes, **b.axes}
        a.merged = b
        for member in nodes:
            role = "full" if member.kind == "reduce" or member.id in b.full else "row"
            if not self._fits(member, b, role):
                a.merged = None
                b.nodes, b.full, b.rows, b.reduced, b.axes = old
                return
        bits = (a.deps | b.deps) & ~(a.bit | b.bit)
        b.deps = bits
        for other in self.clusters:
            if other.deps & (a.bit | b.bit):
                other.deps |= bits | b.bit

    # ------------------------------------------------------------------ results
    def _stored(self, outputs: Sequence[Node]) -> set[int]:
        """Nodes that something outside their cluster reads."""
        stored = {storage(resolve(n)[0]).id for n in outputs}
        for node in self.nodes:
            if node.kind not in (*_FUSED, "prefixes", "opaque", "reshape"):
                continue
            home = self.of(node)
            for arg in node.args:
                base = resolve(arg)[0]
                if node.kind in ("opaque", "reshape") or self.of(base) is not home:
                    stored.add(storage(base).id)
        for cluster in self.clusters:  # partial sums need memory: a result's that is stored anyway
            if cluster.merged is None and cluster.contraction is not None:
                first = cluster.nodes[0]
                if not any(n.id in stored and n.dtype == first.dtype for n in cluster.nodes):
                    stored.add(first.id)
        return stored

    def order(self) -> list[Cluster]:
        """Clusters such that each comes after those that it depends on."""
        waiting = [c for c in self.clusters if c.merged is None]
        alive = 0
        for c in waiting:
            alive |= c.bit
        done, result = 0, []
        opaque = False  # kernels first, while there are any: they run together
        while waiting:
            rest = []
            for c in waiting:
                if c.deps & alive & ~done or (c.nodes[0].kind == "opaque") != opaque:
                    rest.append(c)
                else:
                    result.append(c)
                    done |= c.bit
            if len(rest) == len(waiting):
                if opaque and not any(c.deps & alive & ~done == 0 for c in rest):
                    raise AssertionError("the clusters depend on one another")
                opaque = not opaque
            elif opaque:
                opaque = False
            waiting = rest
        return result


def _folded(node: Node, cluster: Cluster) -> tuple[int, ...] | None:
    """The axes of a cluster's domain that a reduction folds, if it goes over that domain."""
    places = match(node.args[0].shape, cluster.domain, range(len(cluster.domain)))
    if places is None:
        return None
    return tuple(p for i in node.attr if (p := places[i]) is not None)


def _used(outputs: Sequence[Node]) -> set[int]:
    seen: set[int] = set()
    stack: list[Any] = list(outputs)
    while stack:
        node = stack.pop()
        if node.id not in seen:
            seen.add(node.id)
            stack.extend(node.args)
    return seen
