"""What a compiled program is, as text and in bytes, and a slow run of it that times each part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fx.backends.llvm import codegen, engine
from fx.backends.llvm.program import Program, kernels_of, padded, written
from fx.backends.llvm.runtime import runtime
from fx.backends.llvm.steps import Words
from fx.backends.plan import Item, Run
from fx.backends.rules import carried_out, ready
from fx.errors import format_source
from fx.kernel.loops import Affine, Index, Kernel, Load, Number, Ref, Step

_BYTE = np.dtype(np.uint8)


class Memory(NamedTuple):
    """The bytes of a call; see `Compiled.memory_analysis`."""

    argument_size_in_bytes: int
    output_size_in_bytes: int
    constant_size_in_bytes: int
    temp_size_in_bytes: int
    peak_memory_in_bytes: int
    generated_code_size_in_bytes: int


class Inspection:
    """A compiled program, to look at.

    `as_text` gives the loops, the LLVM or the assembly of its kernels, `memory` the bytes that a
    call takes.
    """

    def __init__(self, program: Program):
        self._program = program

    def as_text(self, dialect: str) -> str:
        """ "loops", "llvm" or "asm"."""
        parts = []
        if dialect == "loops":
            count = 0
            for step in self._program.todo:
                if isinstance(step.step, Run):
                    for depth, item in _nested(step.step.items):
                        if item.loop is not None:
                            times = "as long as its first kernels say"
                            if item.loop.test is None:
                                times = f"{item.loop.count} times"
                            text = f"loop: {times}"
                        elif item.choice is not None:
                            text = f"one of {len(item.choice)} branches"
                        else:
                            text = _loops(item.kernel, count)
                            count += 1
                        parts.append(_indented(text, depth))
                else:
                    parts.append(_call_text(step.step))
            return "\n\n".join(parts)
        for text in dict.fromkeys(m for _, m in self._modules()):
            parts.append(engine.shown(text, dialect))
        return "\n".join(parts)

    def _modules(self) -> list[tuple[str, str]]:
        texts = [codegen.write(k, engine.lanes()) for k in self._program.kernels]
        return [engine.kernel_module(*t) for t in texts]

    def memory(self) -> Memory:
        """The bytes of arguments, results, constants, and the most at any time of a call."""
        p = self._program
        size: dict[int, int] = {}  # of the memory that a slot owns or looks into
        holder: dict[int, int] = {}  # slot -> the slot that owns its memory
        users: dict[int, int] = {}
        held = most = 0

        def make(slot: int, nbytes: int, owner: int | None = None) -> None:
            nonlocal held, most
            owner = slot if owner is None else owner
            holder[slot] = owner
            users[owner] = users.get(owner, 0) + 1
            if owner == slot:
                size[slot] = nbytes
                held += nbytes
                most = max(most, held)

        def drop(slot: int) -> None:
            nonlocal held
            owner = holder.pop(slot, None)
            if owner is not None:
                users[owner] -= 1
                if not users[owner]:
                    held -= size[owner]

        given = {slot: value.nbytes for slot, value in enumerate(p.template) if value is not None}
        arguments = dict(zip(p.inputs, p.argument_bytes, strict=True))
        for slot in {**given, **arguments}:
            make(slot, 0)  # they are there before the call, and stay
        for todo, dying in zip(p.todo, p.dying, strict=True):
            step = todo.step
            if isinstance(step, Run):
                for slot, shape, dtype in step.new:
                    make(slot, int(np.prod(shape)) * dtype.itemsize)
                for slot, nbytes in step.raw:
                    make(slot, padded(nbytes))
                for slot, _ in step.raw:
                    drop(slot)
            elif step[0] == "call":
                for slot, v in zip(todo.makes, step[1].outvars, strict=True):
                    make(slot, v.aval.size * v.aval.dtype.itemsize)
            elif step[0] == "iota":
                make(todo.makes[0], step[1].size * step[1].dtype.itemsize)
            elif step[0] == "constant":
                make(todo.makes[0], 0)
            else:
                make(todo.makes[0], 0, holder[todo.reads[0]])
            for slot in dying:
                drop(slot)
        outputs = p.result_bytes
        code = sum(
            len(c) for c in engine.objects(list(dict.fromkeys(m for _, m in self._modules())))
        )
        total = sum(arguments.values())
        return Memory(total, outputs, sum(given.values()), most - held, total + most, code)


# ------------------------------------------------------------------ loops as text
def _nested(items: Sequence[Item], depth: int = 0) -> Iterator[tuple[int, Item]]:
    for item in items:
        yield depth, item
        yield from _nested(item.inner, depth + 1)


def _indented(text: str, depth: int) -> str:
    return "\n".join("  " * depth + line for line in text.splitlines())


def _call_text(step: Any) -> str:
    what, *rest = step
    if what == "call":
        return f"call {rest[0].primitive.name}  # {format_source(rest[0].source)}"
    if what in ("reshape", "look"):
        return f"{'view' if what == 'look' else what} to {list(rest[0])}"
    return what


def _place(at: Affine) -> str:
    terms = [f"i{d}" if s == 1 else f"{s}*i{d}" for d, s in enumerate(at.strides) if s]
    if at.offset or not terms:
        terms.append(str(at.offset))
    return " + ".join(terms)


def _summed(strides: Sequence[int]) -> str:
    return "".join(f" + k{d}" if s == 1 else f" + {s}*k{d}" for d, s in enumerate(strides) if s)


def _loops(kernel: Any, number: int) -> str:
    if not isinstance(kernel, Kernel):
        return f"kernel {number}: {type(kernel).__name__.lower()} {_attributes(kernel)}"
    names = {s.id: f"v{i}" for i, s in enumerate(kernel.steps)}

    def operand(a: Any) -> str:
        if isinstance(a, Load):
            return f"a{a.array}[{_place(a.at)}]"
        if isinstance(a, Index):
            return f"({_place(a.at)})"
        return str(a.value) if isinstance(a, Number) else names[a.id] if isinstance(a, Ref) else "?"

    written_ones = {array for array, _ in kernel.stores.values()}
    arrays = [f"a{i}: {'out ' * (i in written_ones)}{d}" for i, d in enumerate(kernel.arrays)]
    lines = [f"kernel {number}: {', '.join(arrays)}"]
    for d, (n, folded) in enumerate(zip(kernel.sizes, kernel.reduced, strict=True)):
        what = "  (folded)" if folded else ""
        lines.append(f"  for i{d} < {n}{what}")
    if kernel.chunks > 1:
        lines.append(f"  in {kernel.chunks} chunks of {kernel.chunk} of the outermost folded one")
    products = kernel.products
    if products is not None:
        over = ", ".join(f"k{d} < {n}" for d, n in enumerate(products.sizes))
        x, w = (
            f"a{load.array}[{_place(load.at)}{_summed(sums)}]"
            for load, sums in ((products.x, products.x_sums), (products.w, products.w_sums))
        )
        lines.append(f"    {names.get(products.id, 'v')} = sum for {over} of {x} * {w}")
    level = 0
    for s in kernel.steps:
        now = s.level + (s.role != "fold") if any(kernel.reduced) else 0
        if now > level:
            level = now
            lines.append(f"    -- pass {level} over each row")
        if products is None or s.id != products.id:
            role = {"full": "", "row": "row ", "fold": "fold "}[s.role]
            text = f"    {names[s.id]} = {role}{s.op}({', '.join(map(operand, s.args))})"
            lines.append(f"{text:<60}  # {format_source(s.source)}")
        if s.id in kernel.stores:
            array, at = kernel.stores[s.id]
            lines.append(f"    a{array}[{_place(at)}] = {names[s.id]}")
    return "\n".join(lines)


def _attributes(kernel: Any) -> str:
    fields = getattr(kernel, "_fields", None) or [k for k in vars(kernel) if k[0] != "_"]
    shown = ((f, getattr(kernel, f)) for f in fields)
    return ", ".join(f"{f}={v}" for f, v in shown if isinstance(v, (int, str, tuple)))


# ------------------------------------------------------------------ timing
Record = Callable[[str, int, int, dict[str, Any]], None]


class Profiled:
    """A program that runs kernel by kernel and reports each."""

    def __init__(self, program: Program):
        self._program = program
        texts = [codegen.write(k, engine.lanes()) for k in program.kernels]
        addresses = iter(engine.compile_kernels(texts))
        self._steps: list[tuple[Callable[..., None], list[int]]] = []
        for todo, dying, call in zip(program.todo, program.dying, program.calls, strict=True):
            if isinstance(todo.step, Run):
                self._steps.append((_timed_run(todo.step, addresses), dying))
            else:
                self._steps.append((_timed_call(todo, call), dying))

    def __call__(self, args: Sequence[Any], record: Record) -> list[Any]:
        p = self._program
        values = p.template.copy()
        for slot, arg in zip(p.inputs, args, strict=True):
            values[slot] = arg
        steps = [
            (lambda values, step=step: step(values, record), dying) for step, dying in self._steps
        ]
        return carried_out(steps, values, p.results)


def _timed_call(todo: Any, call: Callable[[list[Any]], None]) -> Callable[..., None]:
    what, *rest = todo.step
    named = what == "call"

    def timed(values: list[Any], record: Record) -> None:
        start = time.perf_counter_ns()
        call(values)
        if named:  # the others are views and constants
            arrays = [values[s] for s in (*todo.reads, *todo.makes)]
            notes = {"kind": "call", "source": format_source(rest[0].source),
                     "bytes": sum(getattr(a, "nbytes", 0) for a in arrays)}  # fmt: skip
            record(rest[0].primitive.name, start, time.perf_counter_ns(), notes)

    return timed


def _timed_run(run: Run, addresses: Iterator[int]) -> Callable[..., None]:
    """As a program's native call, but a call for each kernel."""
    order = [*run.given, *(s for s, *_ in run.new), *(s for s, _ in run.raw)]
    positions = {s: i for i, s in enumerate(order)}
    native = runtime().run
    items = []
    for item in run.items:
        words = Words()
        written(words, [item], lambda s: positions.setdefault(s, len(positions)), addresses)
        items.append((words, item))
    parts = [(words.array(len(positions)), *_described(item)) for words, item in items]

    def timed(values: list[Any], record: Record) -> None:
        for slot, shape, dtype in run.new:
            values[slot] = np.empty(shape, dtype)
        for slot, nbytes in run.raw:
            values[slot] = np.empty(nbytes, _BYTE)
        for slot in run.given:
            values[slot] = ready(values[slot])
        arrays = [values[s] for s in order]
        for program, name, notes in parts:
            start = time.perf_counter_ns()
            native((program, *arrays))
            record(name, start, time.perf_counter_ns(), notes)
        for slot, _ in run.raw:
            values[slot] = None

    return timed


def _described(item: Item) -> tuple[str, dict[str, Any]]:
    """The name of a part, and what to note of it."""
    kernels = list(kernels_of([item]))
    steps: list[Step] = [s for k in kernels for s in getattr(k, "steps", ())]
    names = list(dict.fromkeys(s.op for s in steps)) or [type(k).__name__.lower() for k in kernels]
    shown = " ".join(names[:6]) + (" ..." if len(names) > 6 else "")
    sources = list(dict.fromkeys(format_source(s.source) for s in steps if s.source is not None))
    kind = "loop" if item.loop is not None else "choice" if item.choice is not None else "kernel"
    notes: dict[str, Any] = {"kind": kind}
    notes["source"] = sources[-1] if sources else "<unknown>"
    notes["lines"] = ", ".join(sources)
    times = item.loop.count if item.loop is not None and item.loop.test is None else 1
    notes["bytes"] = sum(_traffic(k) for k in kernels) * times
    notes["sizes"] = " x ".join(str(n) for k in kernels[:1] for n in getattr(k, "sizes", ()))
    return shown if kind == "kernel" else f"{kind} of {shown}", notes


def _traffic(kernel: Any) -> int:
    """The bytes of the elements that a kernel reads and writes, each once."""
    if not isinstance(kernel, Kernel):
        return 0
    seen: dict[int, int] = {}

    def note(array: int, at: Affine, also: int = 1) -> None:
        count = also
        for n, stride in zip(kernel.sizes, at.strides, strict=True):
            count *= n if stride else 1
        seen[array] = max(seen.get(array, 0), count)

    for s in kernel.steps:
        for a in s.args:
            if isinstance(a, Load):
                note(a.array, a.at)
    for array, at in kernel.stores.values():
        note(array, at, kernel.chunks if any(kernel.reduced) else 1)
    if kernel.products is not None:
        p = kernel.products
        for load, sums in ((p.x, p.x_sums), (p.w, p.w_sums)):
            also = 1
            for n, stride in zip(p.sizes, sums, strict=True):
                also *= n if stride else 1
            note(load.array, load.at, also)
    return sum(n * kernel.arrays[array].itemsize for array, n in seen.items())
