"""A jaxpr as a graph: what primitives lower to, calls inlined, loops with a graph of their own.

A loop whose body lowers to native forms altogether becomes one node. What its body computes from
constants of the loop alone, such as the packed weights of a matrix product, is moved before it.
Products that a loop only adds up, as the gradient of weights that all its steps use, become one of
what its steps multiply, after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.core.ir import Jaxpr, Literal
from fx.core.primitive import LoopForm
from fx.kernel.fuse import storage
from fx.kernel.graph import Branch, Einsum, Graph, Loop, Node, used
from fx.kernel.products import contract
from fx.kernel.target import CPU, Target
from fx.kernel.vocabulary import NATIVE
from fx.passes import optimize
from fx.transforms.dce import has_effects
from fx.util import split_list

_COMPUTED = frozenset(("map", "reduce", "contract", "prefixes", "scatter"))


class _Builder:
    """Builds the graph of a program, and of the bodies of its loops."""

    def __init__(self, target: Target) -> None:
        self.graph = Graph(target)
        self.constants: list[tuple[Node, Any]] = []

    def hold(self, value: Any) -> Node:
        """An array that is part of the program."""
        node = self.graph.input(value.shape, value.dtype)
        self.constants.append((node, value))
        return node

    def run(self, jaxpr: Jaxpr, args: Sequence[Node]) -> list[Node]:
        """The results of a program for nodes of the graph."""
        env: dict[Any, Node] = {}
        for var, const in zip(jaxpr.constvars, jaxpr.consts, strict=True):
            env[var] = self.hold(const._data)
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(atom: Any) -> Node:
            if isinstance(atom, Literal):
                value = np.asarray(atom.val)
                return self.graph.constant(value) if value.dtype in NATIVE else self.hold(value)
            return env[atom]

        for eqn in jaxpr.eqns:
            operands = [read(a) for a in eqn.invars]
            inner = eqn.primitive.body(eqn.params)
            if inner is not None:
                results = self.run(inner, operands)
            else:
                results = self.lowered(eqn, operands)
            env.update(zip(eqn.outvars, results, strict=True))
        return [read(a) for a in jaxpr.outvars]

    def shown(self, values: Sequence[Node]) -> list[Node]:
        """Values for others than kernels to read."""
        strided = self.graph.target.strided
        return [x if strided else self.graph.array(x) for x in values]

    def lowered(self, eqn: Any, operands: Sequence[Node]) -> list[Node]:
        """The results of one equation."""
        graph = self.graph
        graph.source = eqn.source
        types = [v.aval for v in eqn.outvars]
        many = eqn.primitive.multiple_results
        form = eqn.primitive.loop(eqn.params)
        branches = eqn.primitive.branches(eqn.params)
        made: Any
        if form is not None:
            made = self.loop(form, operands, types)
        elif branches is not None:
            made = self.choice(branches, operands, types)
        else:
            made = eqn.primitive.lower(graph, operands, types if many else types[0], **eqn.params)
        if made is None:
            return graph.opaque(eqn, self.shown(operands), has_effects(eqn))
        return made if many else [made]

    # ------------------------------------------------------------------ loops
    def loop(
        self, form: LoopForm, operands: Sequence[Node], types: Sequence[Any]
    ) -> list[Node] | None:
        """The results of a loop; None if its body has parts that are not native."""
        if (not form.length and form.test is None) or not _native([*operands, *types]):
            return None
        tested, operands = operands[: form.test_consts], operands[form.test_consts :]
        test, test_held = None, []
        if form.test is not None:
            made = self._branch(form.test)
            if made is None:
                return None
            test, test_held = made
            inputs = [*test.inputs[: form.test_consts], *(n for n, _ in test_held)]
            inputs += test.inputs[form.test_consts :]
            test = test._replace(inputs=inputs)
        inner = _Builder(self.graph.target)
        inner.graph.inside = True
        inputs = [inner.graph.input(v.aval.shape, v.aval.dtype) for v in form.body.invars]
        fixed, carry, xs = split_list(inputs, form.consts, form.carries)
        inner.graph.lasting = {n.id for n in fixed}
        outputs = inner.run(form.body, inputs)
        sums = {} if form.test is not None else _sums(inner.graph, carry, outputs)
        # What is summed afterwards is no carry, but its factors are stacked, if they are not yet.
        kept = [i for i in range(len(outputs)) if i not in sums]
        factors = [f for p in sums.values() for f in (p.x, p.y) if f not in xs]
        outputs = [*(outputs[i] for i in kept), *factors]
        shapes = [o.shape for o in outputs]
        outputs = _own_arrays(inner.graph, outputs)
        carry = [c for i, c in enumerate(carry) if i not in sums]
        outer = dict(zip((n.id for n in inputs), operands, strict=True))
        moving = {n.id for n in inputs[form.consts :]}
        held = [(n, self.hold(value)) for n, value in inner.constants]
        outer.update((n.id, o) for n, o in held)
        hoisted = self._hoist(inner.graph, outputs, outer, moving)
        wanted = used(outputs)
        if _has_calls(inner.graph, wanted):
            return None
        pairs = [*((n, outer[n.id]) for n in fixed), *held, *hoisted]
        pairs = [(n, o) for n, o in pairs if n.id in wanted]
        loop = Loop(
            inner.graph, [n for n, _ in pairs], carry, xs, outputs, form.length, form.reverse, test
        )
        arrays = [*(o for _, o in pairs), *(outer[n.id] for n in (*carry, *xs))]
        arrays += [*tested, *(o for _, o in test_held)]
        k, n = len(carry), len(kept)
        shapes = [s if i < k else (form.length, *s) for i, s in enumerate(shapes)]
        made = self.graph.loop(loop, [self.graph.array(a) for a in arrays], shapes)
        stacked = dict(zip((f.id for f in factors), made[n:], strict=True))
        stacked.update((x.id, outer[x.id]) for x in xs)
        results: list[Any] = [None] * len(types)
        for i, node in zip(kept, made, strict=False):
            results[i] = node
        for i, products in sums.items():
            total = _product_of_all(self.graph, products, stacked, form.length)
            results[i] = total and self.graph.map("add", operands[form.consts + i], total)
        return None if any(r is None for r in results) else results

    def choice(
        self, branches: Sequence[Jaxpr], operands: Sequence[Node], types: Sequence[Any]
    ) -> list[Node] | None:
        """The results of one of several programs; None if not all of them are native."""
        if not _native([*operands, *types]) or not types:
            return None
        index, *rest = operands
        made, held = [], []
        for jaxpr in branches:
            branch = self._branch(jaxpr)
            if branch is None:
                return None
            made.append(branch)
            held += branch[1]
        # Each branch has all operands for inputs, those that only others hold as well.
        full = []
        for branch, mine in made:
            own = {id(n) for n, _ in mine}
            more = [n if id(n) in own else branch.graph.input(n.shape, n.dtype) for n, _ in held]
            full.append(branch._replace(inputs=[*branch.inputs, *more]))
        last = self.graph.constant(np.int32(len(branches) - 1))
        number = self.graph.map("max", index, self.graph.constant(np.int32(0)))
        number = number and self.graph.map("min", number, last)
        if number is None:
            return None
        arrays = [self.graph.array(a) for a in (*rest, *(o for _, o in held))]
        return self.graph.choice(full, [number, *arrays], [t.shape for t in types])

    def _branch(self, jaxpr: Jaxpr) -> tuple[Branch, list[tuple[Node, Node]]] | None:
        """A program as a graph of its own, and the inputs that stand for constants it holds."""
        inner = _Builder(self.graph.target)
        inner.graph.inside = True
        inputs = [inner.graph.input(v.aval.shape, v.aval.dtype) for v in jaxpr.invars]
        outputs = _own_arrays(inner.graph, inner.run(jaxpr, inputs))
        if _has_calls(inner.graph, used(outputs)):
            return None
        held = [(n, self.hold(value)) for n, value in inner.constants]
        return Branch(inner.graph, inputs, outputs), held

    def _hoist(
        self, body: Graph, outputs: Sequence[Node], outer: dict[int, Node], moving: set[int]
    ) -> list[tuple[Node, Node]]:
        """Move what is costly and does not change before the loop.

        Gives the inputs of the body that stand for what was moved, with the nodes outside.
        """
        kept = {n.id for n in outputs}
        stand_ins: dict[int, Node] = {}
        moved: list[tuple[Node, Node]] = []
        for node in list(body.nodes):
            node.args = tuple(stand_ins.get(a.id, a) for a in node.args)
            if node.id in moving or any(a.id in moving for a in node.args):
                moving.add(node.id)
                continue
            costly = node.kind in ("reduce", "contract", "prefixes", "scatter", "sort")
            costly = costly or node.op in ("copy", "pad", "take")
            if costly and node.id not in kept and _closed(node, outer):
                there = self._cloned(node, outer)
                stand_in = stand_ins[node.id] = body.input(node.shape, node.dtype)
                outer[stand_in.id] = there
                moved.append((stand_in, there))
        return moved

    def _cloned(self, node: Node, outer: dict[int, Node]) -> Node:
        """The node in the graph outside."""
        if node.id not in outer:
            args = tuple(self._cloned(a, outer) for a in node.args)
            outer[node.id] = self.graph.again(node, args)
        return outer[node.id]


def _native(values: Sequence[Any]) -> bool:
    """Whether all nodes or types are of native dtypes, and not empty."""
    return all(t.dtype in NATIVE and 0 not in t.shape for t in values)


def _has_calls(graph: Graph, wanted: set[int]) -> bool:
    """Whether a graph has opaque nodes that are used, or have effects."""
    return any(n.kind == "opaque" and (n.attr or n.id in wanted) for n in graph.nodes)


def _closed(node: Node, outer: dict[int, Node]) -> bool:
    """Whether a node is made of what is known outside by native forms."""
    if node.id in outer:
        return True
    if node.kind in ("input", "opaque", "result", "loop", "choice"):
        return False
    return all(_closed(a, outer) for a in node.args)


def _sums(graph: Graph, carry: Sequence[Node], outputs: Sequence[Node]) -> dict[int, Einsum]:
    """Which carries of a loop are sums of products that nothing in the loop reads."""
    readers: dict[int, list[Node]] = {}
    wanted = used(outputs)
    for node in graph.nodes:
        for a in node.args if node.id in wanted else ():
            readers.setdefault(a.id, []).append(node)
    found = {}
    for i, (old, new) in enumerate(zip(carry, outputs[: len(carry)], strict=True)):
        if new.op != "add" or old not in new.args or readers.get(new.id) or old.id not in wanted:
            continue
        if sum(o is new for o in outputs) > 1 or old in outputs or readers[old.id] != [new]:
            continue
        term = new.args[1 - new.args.index(old)]
        p = term.products
        if p is None or readers[term.id] != [new] or term.dtype.kind != "f":
            continue
        if p.x.size + p.y.size <= 2 * new.size:
            found[i] = p
    return found


def _product_of_all(graph: Graph, p: Einsum, stacked: dict[int, Node], length: int) -> Node | None:
    """The sum over all steps of a loop of what each multiplies: one more summed axis."""
    n = len(p.shape)

    def axes(of: tuple[int, ...]) -> list[int]:
        return [n, *(a + (a >= n) for a in of)]

    return contract(
        graph,
        stacked[p.x.id],
        axes(p.x_axes),
        stacked[p.y.id],
        axes(p.y_axes),
        p.shape,
        (length, *p.reduced),
    )


def _own_arrays(graph: Graph, outputs: Sequence[Node]) -> list[Node]:
    """The outputs, each computed into an array of its own."""
    seen: set[int] = set()
    own = []
    for node in outputs:
        base = storage(node)
        if base.kind not in _COMPUTED or base.id in seen:
            base = graph.copy(node)
        seen.add(base.id)
        own.append(base)
    return own


def build_graph(
    jaxpr: Jaxpr, target: Target = CPU
) -> tuple[Graph, list[Node], list[tuple[Node, Any]], list[Node]]:
    """The graph of a program: (graph, inputs, constants with their arrays, outputs)."""
    builder = _Builder(target)
    inputs = [builder.graph.input(v.aval.shape, v.aval.dtype) for v in jaxpr.invars]
    outputs = builder.shown(builder.run(optimize(jaxpr), inputs))
    return builder.graph, inputs, builder.constants, outputs
