"""A jaxpr as a program for the CPU: native kernels, and NumPy's rules for what is not fused.

Values live in slots. The program is a list of steps, in order: runs of kernels, which are one
native call each, calls of NumPy rules, and views, which cost no copy. A slot is emptied after its
last use; arrays that only kernels see are raw memory, shared where lifetimes do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.backends.llvm import codegen, engine
from fx.backends.llvm.memory import empty
from fx.backends.llvm.runtime import MOST_ARRAYS, TASK, runtime, words
from fx.core.ir import Jaxpr, Literal
from fx.core.primitive import P
from fx.kernel.fuse import Cluster, Fusion, storage
from fx.kernel.graph import NATIVE, Graph, Node, contiguous, resolve
from fx.kernel.loops import Affine, Kernel, Load, Step, make_kernel
from fx.kernel.prefixes import Prefixes
from fx.passes import optimize
from fx.transforms.dce import has_effects
from fx.util import fp_enter, fp_exit

ndarray = np.ndarray
_BYTE = np.dtype(np.uint8)
_READY = 0x101  # flags: contiguous in row-major order, and aligned


def _ready(x: np.ndarray) -> np.ndarray:
    """The array, or a copy of it that native code can read: in row-major order and aligned."""
    return x if x.flags.num & _READY == _READY else np.require(x, requirements=("C", "A"))


def build_graph(jaxpr: Jaxpr) -> tuple[Graph, list[Node], list[tuple[Node, Any]], list[Node]]:
    """The graph of a program: (graph, inputs, constants with their arrays, outputs)."""
    graph = Graph()
    constants: list[tuple[Node, Any]] = []

    def hold(value: Any) -> Node:
        node = graph.input(value.shape, value.dtype)
        constants.append((node, value))
        return node

    def run(jaxpr: Jaxpr, args: Sequence[Node]) -> list[Node]:
        env: dict[Any, Node] = {}
        for var, const in zip(jaxpr.constvars, jaxpr.consts, strict=True):
            env[var] = hold(const._data)
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(atom: Any) -> Node:
            if isinstance(atom, Literal):
                value = np.asarray(atom.val)
                return graph.constant(value) if value.dtype in NATIVE else hold(value)
            return env[atom]

        for eqn in jaxpr.eqns:
            operands = [read(a) for a in eqn.invars]
            inner = eqn.primitive.body(eqn.params)
            if inner is not None:
                env.update(zip(eqn.outvars, run(inner, operands), strict=True))
                continue
            types = [v.aval for v in eqn.outvars]
            many = eqn.primitive.multiple_results
            made = eqn.primitive.lower(graph, operands, types if many else types[0], **eqn.params)
            if made is None:
                results = graph.opaque(eqn, operands, has_effects(eqn))
            else:
                results = made if many else [made]
            env.update(zip(eqn.outvars, results, strict=True))
        return [read(a) for a in jaxpr.outvars]

    inputs = [graph.input(v.aval.shape, v.aval.dtype) for v in jaxpr.invars]
    outputs = run(optimize(jaxpr), inputs)
    return graph, inputs, constants, outputs


class _Run:
    """Kernels that follow one another, as one native call."""

    def __init__(self) -> None:
        self.kernels: list[tuple[Kernel | Prefixes, list[int]]] = []  # with the slots of its arrays
        self.new: list[tuple[int, tuple[int, ...], np.dtype]] = []  # arrays that it makes
        self.raw: list[tuple[int, int]] = []  # memory that only it sees: slot and bytes
        self.given: list[int] = []  # arrays that it reads


class Program:
    """A compiled jaxpr. Call it with a list of ndarrays.

    Attributes:
        kernels: the loop nests, in order.
    """

    def __init__(self, jaxpr: Jaxpr):
        graph, inputs, constants, outputs = build_graph(jaxpr)
        self.fusion = Fusion(graph, outputs)
        self._slots: dict[Any, int] = {}
        self.kernels: list[Kernel | Prefixes] = []
        self._template: list[Any] = []
        for node, value in constants:
            self._template[self._slot(node) :] = [value]
        self._inputs = [self._slot(n) for n in inputs]
        self._plan(outputs)
        self._results = [self._array(n) for n in outputs]
        self._free(set(self._results) | set(self._inputs), len(constants))
        self._template += [None] * (len(self._slots) - len(self._template))
        steps = [s for s, _, _ in self._todo]
        self._compiled = self._compile(steps)

    # ------------------------------------------------------------------ planning
    def _slot(self, key: Any) -> int:
        if isinstance(key, Node):
            key = (key.args[0].id, key.op) if key.kind == "result" else key.id
        if key not in self._slots:
            self._slots[key] = len(self._slots)
        return self._slots[key]

    def _plan(self, outputs: Sequence[Node]) -> None:
        # (step, slots that it reads, slots that it makes)
        self._todo: list[tuple[Any, list[int], list[int]]] = []
        current: _Run | None = None
        for cluster in self.fusion.order():
            if cluster.nodes[0].kind == "opaque":
                current = None
                self._opaque(cluster.nodes[0])
                continue
            if current is None:
                current = _Run()
                self._todo.append((current, [], []))
            self._native(cluster, current)

    def _native(self, cluster: Cluster, run: _Run) -> None:
        kernel, reads, writes = _kernel(cluster, self.fusion)
        if len(kernel.arrays) > MOST_ARRAYS:
            raise NotImplementedError(f"a kernel of {len(kernel.arrays)} arrays")
        if not kernel.size:
            for n in writes:  # nothing to compute, but arrays to make
                run.new.append((self._slot(n), n.shape, n.dtype))
            return
        made = {s for s, *_ in run.new} | {s for s, _ in run.raw}
        slots = [self._slot(n) for n in reads]
        run.given += [s for s in slots if s not in made and s not in run.given]
        partial = []
        for n in writes:
            slot = self._slot(n)
            if kernel.chunks > 1 and n.kind in ("reduce", "contract"):
                run.new.append((slot, n.shape, n.dtype))
                slot = self._slot(("partial", n.id))
                run.raw.append((slot, kernel.chunks * n.size * n.dtype.itemsize))
                partial.append((slot, n))
            else:
                run.new.append((slot, n.shape, n.dtype))
            slots.append(slot)
        run.kernels.append((kernel, slots))
        for slot, n in partial:
            run.kernels.append((_gathering(n, kernel.chunks), [slot, self._slot(n)]))

    def _opaque(self, node: Node) -> None:
        eqn = node.op
        operands = [self._array(a) for a in node.args]
        results = [self._slot((node.id, i)) for i in range(len(eqn.outvars))]
        self._todo.append((_Call(eqn, operands, results), operands, results))

    def _array(self, node: Node) -> int:
        """The slot that holds a node's value as an ndarray, adding steps that make it one."""
        if node.kind in ("input", "result", "map", "reduce", "contract", "prefixes"):
            return self._slot(node)
        known = node.id in self._slots
        slot = self._slot(node)
        if known:
            return slot
        if node.kind == "constant":
            self._todo.append((_Constant(node.attr, slot), [], [slot]))
        elif node.kind == "iota":
            self._todo.append((_Iota(node, slot), [], [slot]))
        elif node.kind == "reshape":
            source = self._array(storage(node))
            self._todo.append((_Reshape(node.shape, source, slot), [source], [slot]))
        else:
            base, view = resolve(node)
            source = self._array(base)
            unit = contiguous(base.shape)
            item, strides, offset = node.dtype.itemsize, [0] * len(node.shape), 0
            for stride, n, terms, start in zip(unit, base.shape, *view, strict=True):
                offset += stride * start * item
                for axis, step in terms if n != 1 else ():
                    strides[axis] += stride * step * item
            step_ = _Look(node.shape, node.dtype, offset, tuple(strides), source, slot)
            self._todo.append((step_, [source], [slot]))
        return slot

    def _free(self, kept: set[int], constants: int) -> None:
        """Note after which step each slot is empty; share raw memory within runs."""
        last: dict[int, int] = {}
        for i, (step, reads, makes) in enumerate(self._todo):
            used = [*reads, *makes]
            if isinstance(step, _Run):
                used += [*step.given, *(s for s, *_ in step.new)]
            last.update((s, i) for s in used)
        self._dying: list[list[int]] = [[] for _ in self._todo]
        for slot, i in last.items():
            if slot not in kept and slot >= constants:
                self._dying[i].append(slot)
        for i, (step, _, _) in enumerate(self._todo):
            if isinstance(step, _Run):
                self._share(step, set(self._dying[i]))

    def _share(self, run: _Run, dying: set[int]) -> None:
        """Arrays that are made and die in a run become raw memory; memory is used again."""
        local = [(s, int(np.prod(shape)) * d.itemsize) for s, shape, d in run.new if s in dying]
        gone = {s for s, _ in local}
        run.new = [n for n in run.new if n[0] not in gone]
        sizes = dict([*run.raw, *local])
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for k, (_, slots) in enumerate(run.kernels):
            for s in slots:
                first.setdefault(s, k)
                last[s] = k
        free: list[tuple[int, int]] = []
        place: dict[int, int] = {}
        blocks: list[tuple[int, int]] = []
        for k, (_, slots) in enumerate(run.kernels):
            for s in dict.fromkeys(slots):
                if s in sizes and first[s] == k:
                    fitting = [b for b in free if sizes[s] <= b[1] <= 2 * sizes[s] + 4096]
                    if fitting:
                        block = min(fitting, key=lambda b: b[1])
                        free.remove(block)
                    else:
                        block = (self._slot(("block", id(run), len(blocks))), sizes[s])
                        blocks.append(block)
                    place[s] = block[0]
                    sizes[block[0]] = block[1]
            for s in dict.fromkeys(slots):
                if s in place and last[s] == k:
                    free.append((place[s], sizes[place[s]]))
        run.raw = blocks
        run.kernels = [(k, [place.get(s, s) for s in slots]) for k, slots in run.kernels]

    # ------------------------------------------------------------------ making it run
    def _compile(self, steps: Sequence[Any]) -> list[tuple[Callable[[list[Any]], None], list[int]]]:
        runs = [s for s in steps if isinstance(s, _Run)]
        self.kernels = [k for r in runs for k, _ in r.kernels]
        texts = [codegen.write(k, engine.lanes()) for k in self.kernels]
        addresses = iter(engine.compile_kernels(texts))
        compiled = []
        for step, dying in zip(steps, self._dying, strict=True):
            call = _native_call(step, addresses) if isinstance(step, _Run) else step
            compiled.append((call, dying))
        return compiled

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        values = self._template.copy()
        for slot, arg in zip(self._inputs, args, strict=True):
            values[slot] = arg
        token = fp_enter()
        try:
            for step, dying in self._compiled:
                step(values)
                for slot in dying:
                    values[slot] = None
        finally:
            fp_exit(token)
        return [values[s] for s in self._results]


def _kernel(cluster: Cluster, fusion: Fusion) -> tuple[Kernel | Prefixes, list[Node], list[Node]]:
    """The kernel of a cluster, and the nodes whose arrays it reads and writes."""
    node = cluster.nodes[0]
    if node.kind == "prefixes":
        return Prefixes(node), [storage(node.args[0])], [node]
    return make_kernel(cluster, fusion)


def _gathering(node: Node, chunks: int) -> Kernel:
    """The kernel that folds the partial results of a reduction in chunks."""
    rows = node.size
    sizes, reduced = ((chunks, rows), (True, False)) if rows != 1 else ((chunks,), (True,))
    at, to = (Affine((rows, 1), 0), Affine((0, 1), 0)) if rows != 1 else (
        Affine((1,), 0), Affine((0,), 0))  # fmt: skip
    op = "add" if node.kind == "contract" else node.op
    step = Step(node.id, op, (Load(0, at),), node.dtype, "fold", 1)
    return Kernel(sizes, reduced, [node.dtype] * 2, [step], {node.id: (1, to)}, 1, 1)


def _native_call(run: _Run, addresses: Any) -> Callable[[list[Any]], None]:
    new = [(slot, shape, dtype) for slot, shape, dtype in run.new]
    raw, given = list(run.raw), list(run.given)
    order = [*given, *(s for s, *_ in new), *(s for s, _ in raw)]
    position = {s: i for i, s in enumerate(order)}
    listed = []
    for kernel, slots in run.kernels:
        units = codegen.Units(kernel)
        grain = max(1, TASK // units.cost)
        listed.append((next(addresses), units.count, grain, [position[s] for s in slots]))
    program = words(listed)
    where, count = program.ctypes.data, len(listed)
    native = runtime().run

    def call(values: list[Any]) -> None:
        for slot, shape, dtype in new:
            values[slot] = empty(shape, dtype)
        for slot, size in raw:
            values[slot] = empty((size,), _BYTE)
        for slot in given:
            values[slot] = _ready(values[slot])
        native(tuple([values[s] for s in order]), where, count)
        for slot, _ in raw:
            values[slot] = None

    call.program = program  # type: ignore[attr-defined]  # keeps its memory
    return call


class _Call:
    """A primitive's own rule."""

    __slots__ = ("eqn", "impl", "ins", "outs", "params")

    def __init__(self, eqn: Any, ins: list[int], outs: list[int]):
        self.eqn = eqn
        self.impl = eqn.primitive.impl
        self.params = eqn.params
        self.ins = ins
        self.outs = outs

    def __call__(self, values: list[Any]) -> None:
        out = self.impl(np, *[values[i] for i in self.ins], **self.params)
        if not self.eqn.primitive.multiple_results:
            out = [out]
        for slot, x in zip(self.outs, out, strict=True):
            values[slot] = x if type(x) is ndarray else np.asarray(x)


class _Constant:
    __slots__ = ("slot", "value")

    def __init__(self, value: np.ndarray, slot: int):
        self.value = value
        self.slot = slot

    def __call__(self, values: list[Any]) -> None:
        values[self.slot] = self.value


class _Iota:
    __slots__ = ("axis", "dtype", "shape", "slot")

    def __init__(self, node: Node, slot: int):
        self.shape = node.shape
        self.axis = node.attr.index(1)
        self.dtype = node.dtype
        self.slot = slot

    def __call__(self, values: list[Any]) -> None:
        values[self.slot] = P.iota.impl(np, dtype=self.dtype, shape=self.shape, dimension=self.axis)


class _Reshape:
    __slots__ = ("shape", "slot", "source")

    def __init__(self, shape: tuple[int, ...], source: int, slot: int):
        self.shape = shape
        self.source = source
        self.slot = slot

    def __call__(self, values: list[Any]) -> None:
        values[self.slot] = values[self.source].reshape(self.shape)


class _Look:
    """A view of an array in row-major order."""

    __slots__ = ("dtype", "offset", "shape", "slot", "source", "strides")

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype,
        offset: int,
        strides: tuple[int, ...],
        source: int,
        slot: int,
    ):
        self.shape = shape
        self.dtype = dtype
        self.offset = offset
        self.strides = strides
        self.source = source
        self.slot = slot

    def __call__(self, values: list[Any]) -> None:
        base = _ready(values[self.source])
        values[self.slot] = ndarray(self.shape, self.dtype, base, self.offset, self.strides)
