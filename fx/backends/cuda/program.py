"""A jaxpr as a program for a GPU: kernels, launched one after another, and NumPy's rules for the
rest.

What runs it is a *machine*: the simulator, or a GPU. They differ in how memory is made and copied,
kernels are compiled and launched, numbers are read; all else is here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from fx.backends.cuda import codegen
from fx.backends.cuda.libraries import Gemm, call_of
from fx.backends.cuda.memory import Buffer
from fx.backends.cuda.source import Source
from fx.backends.plan import Item, Repeat, Run
from fx.backends.planned import Planned
from fx.backends.rules import carried_out
from fx.core.backend import Device
from fx.core.ir import Jaxpr
from fx.kernel.loops import AnyKernel
from fx.kernel.target import GPU

_LINE = 256  # bytes: pieces of scratch memory begin at multiples of this
_BYTE, _FLAG, _NUMBER = np.dtype(np.uint8), np.dtype(np.uint8), np.dtype(np.int32)


class Machine(Protocol):
    """What runs kernels: the simulator, or a GPU.

    Attributes:
        device, backend: the device that it is, and the name of the backend that compiles for it.
        multiplies: whether it has a library for products.
    """

    device: Device
    backend: str
    multiplies: bool

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> Buffer:
        """New memory."""
        ...

    def upload(self, x: np.ndarray) -> Buffer:
        """A copy of an array on the device."""
        ...

    def download(self, x: Buffer) -> np.ndarray:
        """A copy of an array on the CPU, when it is computed."""
        ...

    def prepare(self, sources: Sequence[Source]) -> None:
        """Compile kernels that are not known yet, all at once."""
        ...

    def launch(self, source: Source, pointers: Sequence[int]) -> None:
        """Run a kernel on arrays at addresses, after what was launched before."""
        ...

    def multiply(self, gemm: Gemm, pointers: Sequence[int]) -> None:
        """Compute a product of matrices by a library."""
        ...

    def copy(self, to: int, of: int, nbytes: int) -> None:
        """Copy memory of the device."""
        ...

    def number(self, at: int, dtype: np.dtype) -> int:
        """A number in the device's memory, when it is computed."""
        ...

    def rule(self, eqn: Any, operands: Sequence[Buffer]) -> list[Buffer]:
        """The results of a primitive's own rule."""
        ...

    def wait(self) -> None:
        """Wait for all that was launched."""
        ...


class Program:
    """A compiled jaxpr. Call it with a list of arrays.

    `donated` are arguments that nothing else needs: results may be written over those of them
    that `in_place` names.

    Attributes:
        sources, calls: the kernels in order, and the products that a library computes.
        todo: the steps; dying: the slots that each leaves empty.
    """

    def __init__(self, jaxpr: Jaxpr, machine: Machine, donated: Sequence[int] = ()):
        self.machine = machine
        plan = Planned(jaxpr, donated, GPU)
        self.inputs, self.results, self.in_place = plan.inputs, plan.results, plan.in_place
        self.todo, self.dying, self.template = plan.todo, plan.dying, plan.template
        runs = [t.step for t in plan.todo if isinstance(t.step, Run)]
        items = [i for run in runs for i in kernels_of(run.items)]
        self._work_of = {id(i): _work(i, machine) for i in items}
        work = [w for i in items for w in self._work_of[id(i)]]
        self.sources = [w for w in work if isinstance(w, Source)]
        self.calls = [w for w in work if isinstance(w, Gemm)]
        self._steps = [self._step(*t) for t in plan.todo]
        self._ready = False
        self._lock = threading.Lock()

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        if not self._ready:
            with self._lock:
                self._prepare()
        values = self.template.copy()
        for slot, arg in zip(self.inputs, args, strict=True):
            values[slot] = self._sent(arg)
        return carried_out(zip(self._steps, self.dying, strict=True), values, self.results)

    def _sent(self, x: Any) -> Buffer:
        """An array in the machine's memory."""
        return x if isinstance(x, Buffer) else self.machine.upload(x)

    def _prepare(self) -> None:
        """Compile the kernels and send the constants, the first time."""
        if not self._ready:
            self.machine.prepare(self.sources)
            values: list[Any] = self.template
            self.template = [x if x is None else self._sent(x) for x in values]
            self._ready = True

    def _step(self, step: Any, reads: list[int], makes: list[int]) -> Callable[[list[Any]], None]:
        """What does a step to the values of all slots."""
        if isinstance(step, Run):
            return lambda values: self._run(step, values)
        what, rest = step

        def call(values: list[Any]) -> None:
            outs = self.machine.rule(rest, [values[i] for i in reads])
            for slot, x in zip(makes, outs, strict=True):
                values[slot] = x

        def reshape(values: list[Any]) -> None:
            values[makes[0]] = values[reads[0]].reshape(rest)

        return {"call": call, "reshape": reshape}[what]

    # ------------------------------------------------------------------ runs
    def _run(self, run: Run, values: list[Any]) -> None:
        """Make the arrays of a run, and do its items."""
        machine = self.machine
        at: dict[int, int] = {}
        for slot, shape, dtype in run.new:
            values[slot] = machine.empty(shape, dtype)
        for slot in (*run.given, *(s for s, *_ in run.new)):
            at[slot] = values[slot].pointer
        sizes = [-(-nbytes // _LINE) * _LINE for _, nbytes in run.raw]
        block = machine.empty((sum(sizes),), _BYTE) if sizes else None
        start = block.pointer if block is not None else 0
        for (slot, _), size in zip(run.raw, sizes, strict=True):
            at[slot] = start
            start += size
        self._items(run.items, at)

    def _items(self, items: Sequence[Item], at: dict[int, int]) -> None:
        for item in items:
            if item.kernel is not None:
                pointers = [at[s] for s in item.slots]
                for work in self._work_of[id(item)]:
                    if isinstance(work, Gemm):
                        self.machine.multiply(work, pointers)
                    else:
                        self._launch(work, pointers)
            elif item.loop is not None:
                self._loop(item.loop, at)
            else:
                number = self.machine.number(at[item.slots[0]], _NUMBER)
                block = (item.choice or [])[number]
                self._pointers(block.before, at)
                self._items(block.items, at)

    def _launch(self, source: Source, pointers: Sequence[int]) -> None:
        if source.plain is not None and any(p % source.align for p in pointers):
            source = source.plain()
            self.machine.prepare([source])
        self.machine.launch(source, pointers)

    def _loop(self, loop: Repeat, at: dict[int, int]) -> None:
        self._pointers(loop.before, at)
        for _ in range(loop.count):
            if loop.test is not None:
                self._pointers(loop.test.before, at)
                self._items(loop.test.items, at)
                if not self.machine.number(at[loop.test.flag], _FLAG):
                    break
            self._items(loop.items, at)
            self._pointers(loop.after, at)
        self._pointers(loop.finally_, at)

    def _pointers(self, steps: Sequence[tuple[Any, ...]], at: dict[int, int]) -> None:
        for op, slot, *rest in steps:
            if op == "set":
                at[slot] = at[rest[0]] + rest[1]
            elif op == "move":
                self.machine.copy(at[slot], at[rest[0]], rest[1])
            elif op == "add":
                at[slot] += rest[0]
            else:
                at[slot], at[rest[0]] = at[rest[0]], at[slot]


def kernels_of(items: Sequence[Item]) -> Iterator[Item]:
    """The items that are kernels, of some and of what is inside them."""
    for item in items:
        if item.kernel is not None:
            yield item
        else:
            yield from kernels_of(item.inner)


def _work(item: Item, machine: Machine) -> list[Source | Gemm]:
    """What computes a kernel: a kernel, or a call of a library and a kernel for what follows."""
    assert item.kernel is not None
    call = call_of(item.kernel) if machine.multiplies else None
    if call is None:
        return [_source(item.kernel, item.slots)]
    gemm, rest = call
    return [gemm] if rest is None else [gemm, _source(rest, item.slots)]


def _source(kernel: AnyKernel, slots: Sequence[int]) -> Source:
    """The source of a kernel for the arrays that it is given."""
    source = codegen.write(kernel)
    return source if len(set(slots)) == len(slots) else source.shared()
