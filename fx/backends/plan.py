"""What a program does, in order: runs of kernels and loops, NumPy rules, and where values live.

Values live in slots, and the slots of a loop's body are among those of the program. Arrays that
only the kernels of a run see are raw memory, shared where lifetimes do not overlap. Inside a loop
a slot is but a pointer: it steps along stacked arrays, and the carry has two places that change
roles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fx.kernel.fuse import ALONE, Cluster, Fusion, storage
from fx.kernel.graph import Branch, Graph, Loop, Node, resolve
from fx.kernel.loops import Affine, AnyKernel, Kernel, Load, Step, make_kernel
from fx.kernel.scatters import Scatters
from fx.kernel.views import contiguous

MOST_ARRAYS = 256  # of a kernel: what runtimes have room for
FOREVER = (1 << 63) - 1  # times that a loop runs which only its test ends


class Item(NamedTuple):
    """A part of a run: a kernel on the arrays in `slots`, or a loop and all that it touches.

    Or a choice among blocks, by the number in the first slot.
    """

    slots: list[int]
    kernel: AnyKernel | None = None
    loop: Repeat | None = None
    choice: list[Block] | None = None

    @property
    def inner(self) -> list[Item]:
        """The items inside, in the order in which they are written."""
        if self.loop is not None:
            return [*(self.loop.test.items if self.loop.test else ()), *self.loop.items]
        return [item for block in self.choice or () for item in block.items]


class Block(NamedTuple):
    """Items, and how pointers are set before them (see `Repeat`); `flag` holds a test's result."""

    before: list[tuple[Any, ...]]
    items: list[Item]
    flag: int = -1


class Repeat(NamedTuple):
    """A loop of a run.

    `before` and `after` (each time round) set pointers: ("set", slot, other, bytes beyond it),
    ("move", slot, other, bytes) copies memory, ("add", slot, bytes), ("swap", slot, other).
    With a `test` it runs as long as that sets its flag; `finally_` comes after the last time.
    """

    count: int
    before: list[tuple[Any, ...]]
    items: list[Item]
    after: list[tuple[Any, ...]]
    test: Block | None = None
    finally_: Sequence[tuple[Any, ...]] = ()


class Run:
    """Kernels and loops that follow one another, as one native call."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.new: list[tuple[int, tuple[int, ...], Any]] = []  # arrays that it makes
        self.raw: list[tuple[int, int]] = []  # memory that only it sees: slot and bytes
        self.given: list[int] = []  # arrays that it reads
        self.made: set[int] = set()  # all of these as far as `counted`, while it is planned
        self.counted: tuple[int, int] = (0, 0)

    def share(self, dying: set[int], slots: Slots) -> None:
        """Arrays that are made and die in the run become raw memory; memory is used again."""
        gone = self.in_place(dying)
        local = [(s, math.prod(shape) * d.itemsize) for s, shape, d in self.new if s in dying]
        gone |= {s for s, _ in local}
        self.new = [n for n in self.new if n[0] not in gone]
        sizes = dict([*self.raw, *local])
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for k, item in enumerate(self.items):
            for s in item.slots:
                first.setdefault(s, k)
                last[s] = k
        free: list[tuple[int, int]] = []
        place: dict[int, int] = {}
        blocks: list[tuple[int, int]] = []
        for k, item in enumerate(self.items):
            for s in dict.fromkeys(item.slots):
                if s in sizes and first[s] == k:
                    fitting = [b for b in free if sizes[s] <= b[1] <= 2 * sizes[s] + 4096]
                    if fitting:
                        block = min(fitting, key=lambda b: b[1])
                        free.remove(block)
                    else:
                        block = (slots.of(("block", id(self), len(blocks))), sizes[s])
                        blocks.append(block)
                    place[s] = block[0]
                    sizes[block[0]] = block[1]
            for s in dict.fromkeys(item.slots):
                if s in place and last[s] == k:
                    free.append((place[s], sizes[place[s]]))
        self.raw = blocks
        self.items = [moved(item, place) for item in self.items]

    def in_place(self, dying: set[int]) -> set[int]:
        """Update arrays in place that nothing else reads, rather than copies of them.

        Gives the slots that are gone.
        """
        local = {s: math.prod(shape) * d.itemsize for s, shape, d in self.new if s in dying}
        self.items, gone = without_copies(self.items, lambda s, _, size: local.get(s) == size)
        self.new = [row for row in self.new if row[0] not in gone]
        return gone


def without_copies(
    items: Sequence[Item], may: Callable[[int, int, int], bool]
) -> tuple[list[Item], set[int]]:
    """Items without copies to be updated, of arrays that nothing reads afterwards.

    The copy stands for the original then, if `may` says so of both slots and their bytes. Gives
    also the slots of those originals.
    """
    users: dict[int, list[int]] = {}
    for k, item in enumerate(items):
        for s in dict.fromkeys(item.slots):
            users.setdefault(s, []).append(k)
    place: dict[int, int] = {}
    gone: set[int] = set()
    for k, item in enumerate(items):
        found = copied(item)
        if found and users[found[0]][-1] == k and may(*found):
            place[found[0]] = found[1]
            gone.add(k)
    for s in list(place):
        end = place[s]
        while end in place:
            end = place[end]
        place[s] = end
    return [moved(item, place) for k, item in enumerate(items) if k not in gone], set(place)


def _delayed(items: list[Item]) -> list[Item]:
    """Items in such an order that what others read is updated after that, where it can be.

    This comes before `without_copies`: until then, what an item reads does not change.
    """
    users: dict[int, list[int]] = {}
    for k, item in enumerate(items):
        for s in dict.fromkeys(item.slots):
            users.setdefault(s, []).append(k)
    order = list(range(len(items)))
    for k in reversed(range(len(items))):
        found = copied(items[k])
        if found is None or users[found[0]][-1] == k:
            continue
        _, update, *readers = users[found[1]]
        order = [j for j in order if j not in (k, update)]
        at = min((order.index(j) for j in readers), default=len(order))
        order[at:at] = [k, update]
    return [items[k] for k in order]


def copied(item: Item) -> tuple[int, int, int] | None:
    """The slots of a whole array and of its copy to be updated, and their bytes."""
    kernel = item.kernel
    if not isinstance(kernel, Kernel) or [s.op for s in kernel.steps] != ["fresh"]:
        return None
    (step,) = kernel.steps
    (load,) = step.args
    whole = Affine((1,) if kernel.size > 1 else (0,), 0)
    if not isinstance(load, Load) or (load.at, kernel.stores[step.id][1]) != (whole, whole):
        return None
    return item.slots[0], item.slots[1], kernel.size * step.dtype.itemsize


def moved(item: Item, place: dict[int, int]) -> Item:
    """The item with its slots at other places."""
    slots = [place.get(s, s) for s in item.slots]

    def pointers(steps: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [
            (op, *(place.get(s, s) for s in rest[: POINTERS[op]]), *rest[POINTERS[op] :])
            for op, *rest in steps
        ]

    def block(b: Block) -> Block:
        items = [moved(i, place) for i in b.items]
        return Block(pointers(b.before), items, place.get(b.flag, b.flag))

    loop, choice = item.loop, item.choice
    if loop is not None:
        loop = Repeat(
            loop.count,
            pointers(loop.before),
            [moved(i, place) for i in loop.items],
            pointers(loop.after),
            block(loop.test) if loop.test is not None else None,
            pointers(loop.finally_),
        )
    if choice is not None:
        choice = [block(b) for b in choice]
    return Item(slots, item.kernel, loop, choice)


POINTERS = {"set": 2, "move": 2, "add": 1, "swap": 2}  # how many operands are slots


class Slots:
    """Numbers for values, by key."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}

    def of(self, key: Any) -> int:
        return self.numbers.setdefault(key, len(self.numbers))

    def __len__(self) -> int:
        return len(self.numbers)


class Todo(NamedTuple):
    """A step of a program, with the slots that it reads and makes.

    `step` is a Run, or a tuple: ("call", equation), ("constant", value), ("iota", node),
    ("reshape", shape), or ("look", shape, dtype, offset, strides), the last two in bytes.
    """

    step: Any
    reads: list[int]
    makes: list[int]


class Plan:
    """The steps of a graph's program.

    Attributes:
        fusion: the clusters of the graph.
        todo: the steps in order.
    """

    def __init__(
        self,
        graph: Graph,
        outputs: Sequence[Node],
        slots: Slots,
        scope: Any = (),
        known: Sequence[Node] = (),
    ):
        self.fusion = Fusion(graph, outputs)
        self.slots = slots
        self.scope = scope
        for node in known:
            self.slot(node)
        self.todo: list[Todo] = []
        current: Run | None = None
        for cluster in self.fusion.order():
            if cluster.nodes[0].kind == "opaque":
                current = None
                self._opaque(cluster.nodes[0])
                continue
            if current is None:
                current = Run()
                self.todo.append(Todo(current, [], []))
            if cluster.nodes[0].kind == "choice":
                self._choice(cluster.nodes[0], current)
            elif cluster.nodes[0].kind in ALONE:
                self._loop(cluster.nodes[0], current)
            else:
                self._native(cluster, current)
        for todo in self.todo:
            if isinstance(todo.step, Run):
                todo.step.items = _delayed(todo.step.items)

    def slot(self, key: Any) -> int:
        """The slot of a node, or of something else by its key."""
        if isinstance(key, Node):
            if key.kind == "scatter":  # works in place
                return self.slot(key.args[0])
            key = (key.args[0].id, key.op) if key.kind == "result" else key.id
        return self.slots.of((self.scope, key))

    def _native(self, cluster: Cluster, run: Run) -> None:
        kernel, reads, writes = make_kernel(cluster, self.fusion)
        if len(kernel.arrays) > MOST_ARRAYS:
            raise NotImplementedError(f"a kernel of {len(kernel.arrays)} arrays")
        if not kernel.size:
            for n in writes:  # nothing to compute, but arrays to make
                run.new.append((self.slot(n), n.shape, n.dtype))
            return
        slots = [self.slot(n) for n in reads]
        self._given(slots, run)
        partial = []
        if isinstance(kernel, Scatters):
            target = self.slot(writes.pop())
            self._given([target], run)
            slots.append(target)
        for n in writes:
            slot = self.slot(n)
            if kernel.chunks > 1 and n.kind in ("reduce", "contract"):
                run.new.append((slot, n.shape, n.dtype))
                slot = self.slot(("partial", n.id))
                run.raw.append((slot, kernel.chunks * n.size * n.dtype.itemsize))
                partial.append((slot, n))
            else:
                run.new.append((slot, n.shape, n.dtype))
            slots.append(slot)
        run.items.append(Item(slots, kernel))
        for slot, n in partial:
            run.items.append(Item([slot, self.slot(n)], _gathering(n, kernel.chunks)))

    def _given(self, slots: Sequence[int], run: Run) -> None:
        made = run.made
        made.update(s for s, *_ in run.new[run.counted[0] :])  # what came since the last time
        made.update(s for s, _ in run.raw[run.counted[1] :])
        run.counted = len(run.new), len(run.raw)
        run.given += [s for s in dict.fromkeys(slots) if s not in made]
        made.update(slots)

    def _loop(self, head: Node, run: Run) -> None:
        """A loop as a part of a run."""
        loop: Loop = head.attr
        inner, body = self._inside(loop.graph, loop.outputs, head.id)
        args = [self.slot(storage(n)) for n in head.args]
        self._given(args, run)
        n, k = len(loop.consts), len(loop.carry)
        before: list[tuple[Any, ...]] = []
        after: list[tuple[Any, ...]] = []
        touched = list(args)
        at_last: list[tuple[Any, ...]] = []
        for node, there in zip(loop.consts, args[:n], strict=True):
            before.append(("set", inner.slot(node), there, 0))
        stays = self._in_place(loop, inner, body)
        outside = set()
        results = [self.slot((head.id, i)) for i in range(len(loop.outputs))]
        touched += results
        for i, (node, new) in enumerate(zip(loop.carry, loop.outputs[:k], strict=True)):
            size = new.size * new.dtype.itemsize
            if i in stays:
                run.new.append((results[i], new.shape, new.dtype))
                before.append(("move", results[i], args[n + i], size))
                before.append(("set", inner.slot(node), results[i], 0))
                before.append(("set", inner.slot(new), results[i], 0))
                outside.add(inner.slot(new))
                continue
            spare = self.slot(("spare", head.id, i))
            run.raw.append((spare, size))
            run.new.append((results[i], new.shape, new.dtype))
            touched.append(spare)
            old, made = inner.slot(node), inner.slot(new)
            # After the last time the carry must be in the result.
            start, other = (spare, results[i]) if loop.length % 2 else (results[i], spare)
            if loop.test is not None:  # then it is copied there
                start = self.slot(("start", head.id, i))
                other = spare
                run.raw.append((start, size))
                touched.append(start)
                at_last.append(("move", results[i], old, size))
            before += [("move", start, args[n + i], size), ("set", old, start, 0)]
            before.append(("set", made, other, 0))
            after.append(("swap", old, made))
            outside.add(made)
        stacked = [*zip(loop.xs, args[n + k :], strict=False)]
        for node, result in zip(loop.outputs[k:], results[k:], strict=True):
            run.new.append((result, (loop.length, *node.shape), node.dtype))
            stacked.append((node, result))
            outside.add(inner.slot(node))
        for node, there in stacked:
            size = node.size * node.dtype.itemsize
            start = (loop.length - 1) * size if loop.reverse else 0
            before.append(("set", inner.slot(node), there, start))
            after.append(("add", inner.slot(node), -size if loop.reverse else size))
        touched += self._settle(body, outside, run)
        test = None
        if loop.test is not None:
            own = len(loop.test.inputs) - k
            there = [*args[len(args) - own :], *(inner.slot(c) for c in loop.carry)]
            test, more = self._block(loop.test, there, [], (head.id, "test"), run)
            touched += more
        count = loop.length if loop.test is None else FOREVER
        repeat = Repeat(count, before, body.items, after, test, at_last)
        run.items.append(Item(touched, None, repeat))

    @staticmethod
    def _in_place(loop: Loop, inner: Plan, body: Run) -> set[int]:
        """Which carries of a loop are updated in place."""
        carries = list(zip(loop.carry, loop.outputs, strict=False))
        kept = {inner.slot(n) for n in loop.outputs}
        body.in_place({s for s, *_ in body.new} - kept)
        made = {
            inner.slot(old): (inner.slot(new), new.size * new.dtype.itemsize)
            for old, new in carries
        }
        body.items, gone = without_copies(
            body.items, lambda old, new, size: made.get(old) == (new, size)
        )
        return {i for i, (old, _) in enumerate(carries) if inner.slot(old) in gone}

    def _choice(self, head: Node, run: Run) -> None:
        """A choice among programs as a part of a run."""
        args = [self.slot(storage(n)) for n in head.args]
        self._given(args, run)
        branches: tuple[Branch, ...] = head.attr
        results = []
        for i, node in enumerate(branches[0].outputs):
            results.append(self.slot((head.id, i)))
            run.new.append((results[i], node.shape, node.dtype))
        touched, blocks = [*args, *results], []
        for i, branch in enumerate(branches):
            block, more = self._block(branch, args[1:], results, (head.id, i), run)
            blocks.append(block)
            touched += more
        run.items.append(Item(touched, None, None, blocks))

    def _inside(self, graph: Graph, outputs: Sequence[Node], key: Any) -> tuple[Plan, Run]:
        """The plan of a graph inside, and its only run."""
        inner = Plan(graph, outputs, self.slots, (self.scope, key))
        return inner, inner.todo[0].step if inner.todo else Run()

    def _settle(self, body: Run, outside: set[int], run: Run) -> list[int]:
        """Give a run inside memory for all that it makes but what is outside; its slots."""
        local = {s for s, *_ in body.new if s not in outside}
        body.new = [row for row in body.new if row[0] in local]
        body.share(local, self.slots)
        run.raw += body.raw
        return [s for s, _ in body.raw]

    def _block(
        self, branch: Branch, args: Sequence[int], results: Sequence[int], key: Any, run: Run
    ) -> tuple[Block, list[int]]:
        """A graph inside on arrays in slots, and the memory that it needs.

        Without slots for results, the first one, a bool, is the block's flag.
        """
        inner, body = self._inside(branch.graph, branch.outputs, key)
        before = [("set", inner.slot(n), a, 0) for n, a in zip(branch.inputs, args, strict=True)]
        outside = set()
        for node, there in zip(branch.outputs, results, strict=False):
            before.append(("set", inner.slot(node), there, 0))
            outside.add(inner.slot(node))
        flag = -1 if results else inner.slot(branch.outputs[0])
        if flag >= 0:  # its own memory, which is not shared: it is read after the kernels
            body.new = [row for row in body.new if row[0] != flag]
            run.raw.append((flag, 1))
        touched = self._settle(body, outside, run)
        return Block(before, body.items, flag), [*touched, *([flag] if flag >= 0 else [])]

    def _opaque(self, node: Node) -> None:
        eqn = node.op
        operands = [self.array(a) for a in node.args]
        results = [self.slot((node.id, i)) for i in range(len(eqn.outvars))]
        self.todo.append(Todo(("call", eqn), operands, results))

    def array(self, node: Node) -> int:
        """The slot that holds a node's value as an ndarray, adding steps that make it one."""
        if node.kind in (
            "input",
            "result",
            "map",
            "reduce",
            "contract",
            "prefixes",
            "scatter",
            "sort",
        ):
            return self.slot(node)
        known = len(self.slots)
        slot = self.slot(node)
        if slot < known:
            return slot
        if node.kind == "constant":
            self.todo.append(Todo(("constant", node.attr), [], [slot]))
        elif node.kind == "iota":
            self.todo.append(Todo(("iota", node), [], [slot]))
        elif node.kind == "reshape":
            source = self.array(storage(node))
            self.todo.append(Todo(("reshape", node.shape), [source], [slot]))
        else:
            base, view = resolve(node)
            source = self.array(base)
            unit = contiguous(base.shape)
            item, strides, offset = node.dtype.itemsize, [0] * len(node.shape), 0
            for stride, n, terms, start in zip(unit, base.shape, *view, strict=True):
                offset += stride * start * item
                for axis, step in terms if n != 1 else ():
                    strides[axis] += stride * step * item
            step_ = ("look", node.shape, node.dtype, offset, tuple(strides))
            self.todo.append(Todo(step_, [source], [slot]))
        return slot

    def free(self, kept: set[int], constants: int) -> list[list[int]]:
        """For each step the slots that are empty after it; shares raw memory within runs."""
        last: dict[int, int] = {}
        for i, (step, reads, makes) in enumerate(self.todo):
            used = [*reads, *makes]
            if isinstance(step, Run):
                used += [*step.given, *(s for s, *_ in step.new)]
            last.update((s, i) for s in used)
        dying: list[list[int]] = [[] for _ in self.todo]
        for slot, i in last.items():
            if slot not in kept and slot >= constants:
                dying[i].append(slot)
        for i, (step, _, _) in enumerate(self.todo):
            if isinstance(step, Run):
                step.share(set(dying[i]), self.slots)
        return dying


def _gathering(node: Node, chunks: int) -> Kernel:
    """The kernel that folds the partial results of a reduction in chunks."""
    rows = node.size
    sizes, reduced = ((chunks, rows), (True, False)) if rows != 1 else ((chunks,), (True,))
    at, to = (Affine((rows, 1), 0), Affine((0, 1), 0)) if rows != 1 else (
        Affine((1,), 0), Affine((0,), 0))  # fmt: skip
    op = "add" if node.kind == "contract" else node.op
    step = Step(node.id, op, (Load(0, at),), node.dtype, "fold", 1, (), node.source)
    return Kernel(sizes, reduced, [node.dtype] * 2, [step], {node.id: (1, to)}, 1, 1)
