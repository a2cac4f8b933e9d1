"""Fusion: which nodes of a graph are computed together.

A *cluster* becomes one kernel: a loop nest over a domain. Its members are full (one value for each
index of the domain) or rows (one value for each index that remains when the reduced axes are
dropped). A node joins the cluster of an operand when it is indexed alike, so elementwise chains,
their reductions, and what is computed from those for the same row (softmax, layer norm) end up
in one kernel. What is used elsewhere is kept in memory, all else lives in registers.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence

from fx.kernel.graph import Contraction, Graph, Node, resolve, used
from fx.kernel.target import Target
from fx.kernel.vocabulary import PLACED

# A cluster ends somewhere: the runtime takes 256 arrays a kernel, which its members and what it
# reads may need; and each level of its rows computes the levels below anew.
LARGEST = 240
MOST_LEVELS = 6
_FUSED = ("map", "reduce", "contract")
ALONE = ("opaque", "loop", "choice")  # kinds of nodes that are no part of a kernel


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


def _pieces(size: int, reduced: tuple[int, ...], on: Target) -> int:
    """Into how many pieces the outermost summed axis of a contraction is cut."""
    depth = math.prod(reduced)
    if size > on.small or depth < (on.deep if size >= on.many else on.long):
        return 1
    step = -(-reduced[0] // on.pieces)
    return -(-reduced[0] // step)


class Cluster:
    """Nodes computed in one loop nest."""

    __slots__ = (
        "axes", "bit", "deps", "domain", "full", "levels", "merged", "nodes", "reads", "reduced",
        "rows", "target", "users",
    )  # fmt: skip

    def __init__(self, number: int, domain: tuple[int, ...], target: Target):
        self.bit = 1 << number
        self.target = target
        self.deps = 0
        self.domain = domain
        self.reduced: tuple[int, ...] | None = None
        self.nodes: list[Node] = []
        self.axes: dict[int, tuple[int | None, ...]] = {}  # of each member, in the domain
        self.full: set[int] = set()
        self.rows: set[int] = set()
        self.merged: Cluster | None = None
        self.users: dict[Cluster, None] = {}  # clusters that read what this one computes
        self.reads: set[int] = set()  # nodes in memory that this one reads
        self.levels: dict[int, int] = {}  # of each member: how many folds lie one above another

    @property
    def size(self) -> int:
        """How many members it has, and arrays that it reads."""
        return len(self.nodes) + len(self.reads)

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
            return _pieces(math.prod(self.domain), contraction.reduced, self.target)
        if not self.reduced:
            return 1
        rows, count = math.prod(self.row_shape), math.prod(self.domain)
        on = self.target
        if count < 2 * on.chunk or (rows >= on.min_rows and not self.by_columns):
            return 1
        outer = self.domain[self.reduced[0]]
        step = max(1, outer * on.chunk // count)
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
        self.target = graph.target
        self.clusters: list[Cluster] = []
        self.home: dict[int, Cluster] = {}
        opaque = [n for n in graph.nodes if n.kind == "opaque"]
        wanted = used([*outputs, *opaque])
        self.nodes = [n for n in graph.nodes if n.id in wanted]
        self._effects: Cluster | None = None
        for node in self.nodes:
            self._place(node)
        self.stored = self._stored(outputs)

    # ------------------------------------------------------------------ placing
    def _place(self, node: Node) -> None:
        if node.kind in ("contract", "prefixes", "scatter", "sort"):
            self._enter(node, self._cluster(node.shape), "full")
        elif node.kind in ("map", "reduce"):
            chosen = self._join(node)
            if chosen is None:
                domain = node.args[0].shape if node.kind == "reduce" else node.shape
                chosen = self._cluster(domain)
                self._enter(node, chosen, "row" if node.kind == "reduce" else "full")
        elif node.kind in ALONE:
            cluster = self._cluster(())
            cluster.nodes.append(node)
            self.home[node.id] = cluster
            cluster.deps = self._dependencies(node.args)
            self._use(node.args, cluster)
            if node.kind == "opaque" and node.attr:  # effects keep their order
                if self._effects is not None:
                    cluster.deps |= self._effects.bit | self._effects.deps
                    self._effects.users[cluster] = None
                self._effects = cluster

    def _cluster(self, domain: tuple[int, ...]) -> Cluster:
        made = Cluster(len(self.clusters), domain, self.target)
        self.clusters.append(made)
        return made

    def of(self, node: Node) -> Cluster | None:
        """The cluster of a node, if it is computed in one."""
        node = storage(node)
        if node.kind == "result":
            node = node.args[0]
        cluster = self.home.get(node.id)
        return None if cluster is None else _alive(cluster)

    def _dependencies(self, args: Iterable[Node], but: Cluster | None = None) -> int:
        bits = 0
        for arg in args:
            cluster = self.of(resolve(arg)[0])
            if cluster is not None and cluster is not but:
                bits |= cluster.bit | cluster.deps
        return bits

    def _use(self, args: Iterable[Node], user: Cluster) -> None:
        """Note that a cluster reads the clusters of some operands."""
        for arg in args:
            base = resolve(arg)[0]
            cluster = self.of(base)
            if cluster is not user and base.kind not in ("constant", "iota"):
                user.reads.add(storage(base).id)
                if cluster is not None:
                    cluster.users[user] = None

    def _enter(self, node: Node, cluster: Cluster, role: str) -> None:
        more = self._dependencies(node.args, cluster)
        if node.kind == "reduce":
            cluster.reduced = _folded(node, cluster)
        (cluster.full if role == "full" else cluster.rows).add(node.id)
        axes = self._axes(node, cluster, role)
        assert axes is not None
        cluster.axes[node.id] = axes
        cluster.levels[node.id] = self._level(node, cluster)
        cluster.nodes.append(node)
        self.home[node.id] = cluster
        self._use(node.args, cluster)
        self._extend(cluster, more)

    @staticmethod
    def _level(node: Node, cluster: Cluster) -> int:
        known = cluster.levels
        below = max((known.get(resolve(a)[0].id, 0) for a in node.args), default=0)
        return below + (node.kind == "reduce")

    def _extend(self, cluster: Cluster, more: int) -> None:
        """Let a cluster depend on more, and with it all that depend on it."""
        waiting = [cluster]
        while waiting:
            one = waiting.pop()
            if more & ~one.deps:
                one.deps |= more
                waiting += [_alive(user) for user in one.users]

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
        if cluster.nodes[0].kind in ALONE or cluster.size + 1 + len(node.args) > LARGEST:
            return None
        if self._level(node, cluster) > MOST_LEVELS:
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
        if node.kind == "contract" or node.op in PLACED:  # read what must be in memory
            if role == "row":
                return False
            read = node.args if node.kind == "contract" else node.args[:1]
            if any(self.of(resolve(a)[0]) is cluster for a in read):
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
        if a.domain != b.domain or a.nodes[0].kind in ALONE:
            return False
        if a.reduced and b.reduced and a.reduced != b.reduced:
            return False
        one, other = a.contraction, b.contraction
        if one is not None or other is not None:
            if a.reduced or b.reduced or (one is not None and other is not None):
                return False
            if (a if one is not None else b).chunks > 1:
                return False
        if a.size + b.size > LARGEST:
            return False
        # No third cluster may stand between the two.
        for one, other in ((a, b), (b, a)):
            if one.deps & other.bit:
                for node in one.nodes:
                    for arg in node.args:
                        third = self.of(resolve(arg)[0])
                        if third not in (None, a, b) and third.deps & other.bit:
                            return False
        return True

    def _merge(self, a: Cluster, b: Cluster, node: Node) -> None:
        """Move the members of `a` into `b`, if `node` and all others still fit."""
        old = (b.nodes, b.full, b.rows, b.reduced, b.axes, b.levels)
        # A contraction comes first: what follows it in its cluster does not feed it.
        nodes = sorted((*a.nodes, *b.nodes), key=lambda n: (n.kind != "contract", n.id))
        b.nodes, b.full, b.rows = nodes, a.full | b.full, a.rows | b.rows
        b.reduced = b.reduced or a.reduced
        b.axes = {**a.axes, **b.axes}
        b.levels = {}
        a.merged = b
        for member in nodes:
            role = "full" if member.kind == "reduce" or member.id in b.full else "row"
            level = b.levels[member.id] = self._level(member, b)
            if level > MOST_LEVELS or not self._fits(member, b, role):
                a.merged = None
                b.nodes, b.full, b.rows, b.reduced, b.axes, b.levels = old
                return
        b.deps = (a.deps | b.deps) & ~(a.bit | b.bit)
        b.users = {u: None for u in map(_alive, (*a.users, *b.users)) if u is not b}
        own = {n.id for n in nodes}
        b.reads = {i for i in (*a.reads, *b.reads) if i not in own}
        for user in b.users:
            self._extend(user, b.deps | b.bit)

    # ------------------------------------------------------------------ results
    def _stored(self, outputs: Sequence[Node]) -> set[int]:
        """Nodes that something outside their cluster reads."""
        stored = {storage(resolve(n)[0]).id for n in outputs}
        for node in self.nodes:
            if node.kind not in (*_FUSED, *ALONE, "prefixes", "scatter", "sort", "reshape"):
                continue
            home = self.of(node)
            for arg in node.args:
                base = resolve(arg)[0]
                if node.kind in (*ALONE, "reshape") or self.of(base) is not home:
                    stored.add(storage(base).id)
        for cluster in self.clusters:  # partial sums need memory: a result's that is stored anyway
            if cluster.merged is None and cluster.contraction is not None:
                first = cluster.nodes[0]
                if not any(n.id in stored and n.dtype == first.dtype for n in cluster.nodes):
                    stored.add(first.id)
        return stored

    def order(self) -> list[Cluster]:
        """Clusters such that each comes after those that it depends on."""
        clusters = [c for c in self.clusters if c.merged is None]
        number = {c: i for i, c in enumerate(clusters)}
        users = [dict.fromkeys(number[_alive(u)] for u in c.users) for c in clusters]
        missing = [0] * len(clusters)  # how many clusters each one still waits for
        for i, those in enumerate(users):
            those.pop(i, None)
            for j in those:
                missing[j] += 1
        opaque = [c.nodes[0].kind == "opaque" for c in clusters]
        # Rounds over the clusters in order of definition: kernels as long as there are any, since
        # they run together, then one round of calls.
        ready = {kind: [i for i, n in enumerate(missing) if not n and opaque[i] == kind]
                 for kind in (False, True)}  # fmt: skip
        result: list[Cluster] = []
        while ready[False] or ready[True]:
            kind = not ready[False]
            now, ready[kind] = ready[kind], []
            heapq.heapify(now)
            while now:
                i = heapq.heappop(now)
                result.append(clusters[i])
                for j in users[i]:
                    missing[j] -= 1
                    if not missing[j]:
                        if opaque[j] == kind and j > i:
                            heapq.heappush(now, j)
                        else:
                            ready[opaque[j]].append(j)
        if len(result) != len(clusters):
            raise AssertionError("the clusters depend on one another")
        return result


def _alive(cluster: Cluster) -> Cluster:
    """The cluster that a cluster was merged into, if it was."""
    while cluster.merged is not None:
        cluster = cluster.merged
    return cluster


def _folded(node: Node, cluster: Cluster) -> tuple[int, ...] | None:
    """The axes of a cluster's domain that a reduction folds, if it goes over that domain."""
    places = match(node.args[0].shape, cluster.domain, range(len(cluster.domain)))
    if places is None:
        return None
    return tuple(p for i in node.attr if (p := places[i]) is not None)
