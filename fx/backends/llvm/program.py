"""A jaxpr as a program for the CPU: native kernels, and NumPy's rules for what is not native.

`lowering` makes it a graph, `plan` steps over slots; here the steps become callables, and a call of
the program runs them. A slot is emptied after its last use.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fx.backends import rules
from fx.backends.llvm import codegen, engine
from fx.backends.llvm.memory import maker
from fx.backends.llvm.runtime import runtime
from fx.backends.llvm.steps import TASK, Words
from fx.backends.llvm.units import units_of
from fx.backends.plan import POINTERS, Item, Repeat, Run
from fx.backends.planned import Planned
from fx.backends.rules import ready
from fx.core.ir import Jaxpr
from fx.kernel.loops import AnyKernel

ndarray = np.ndarray
_BYTE = np.dtype(np.uint8)


def padded(nbytes: int) -> int:
    """What a piece of scratch memory takes: whole lines of the cache, and never whole pages, for
    the reason that `memory` gives."""
    lines = -(-nbytes // 64)
    return 64 * (lines + (lines % 64 == 0))


class Program:
    """A compiled jaxpr. Call it with a list of ndarrays.

    `donated` are arguments that nothing else needs: results may be written over those of them
    that `in_place` names.

    Attributes:
        kernels: the loop nests, in order.
        inputs, results, template: slots of arguments and results; the values of constants.
        todo, dying, calls: the steps, the slots that each leaves empty, what does each.
        run: the results for ndarrays.
        argument_bytes, result_bytes: the sizes of arguments, and of all results.
    """

    run: Callable[[Sequence[Any]], list[Any]]

    def __init__(self, jaxpr: Jaxpr, donated: Sequence[int] = ()):
        plan = Planned(jaxpr, donated)
        self.inputs, self.results, self.in_place = plan.inputs, plan.results, plan.in_place
        self.todo, self.dying, self.template = plan.todo, plan.dying, plan.template
        runs = [t.step for t in plan.todo if isinstance(t.step, Run)]
        self.kernels: list[AnyKernel] = [k for run in runs for k in kernels_of(run.items)]
        texts = [codegen.write(k, engine.lanes()) for k in self.kernels]
        addresses = iter(engine.compile_kernels(texts))
        if len(runs) == len(plan.todo) == 1:
            given = [*range(len(plan.constants)), *self.inputs]
            native, slots = _native_call(runs[0], given, addresses)
            self.run = self._single(native, slots, plan.constants)
            self.calls = [_native_step(native, given, slots)]
        else:
            self.run = self._general
            self.calls = [_callable(*todo, addresses) for todo in plan.todo]
        self._compiled = list(zip(self.calls, self.dying, strict=True))
        self.argument_bytes = [_nbytes(a) for a in jaxpr.in_avals]
        self.result_bytes = sum(_nbytes(a) for a in jaxpr.out_avals)

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        return self.run(args)

    def _general(self, args: Sequence[Any]) -> list[Any]:
        """`run`, step by step."""
        values = self.template.copy()
        for slot, arg in zip(self.inputs, args, strict=True):
            values[slot] = arg
        return rules.carried_out(self._compiled, values, self.results)

    def _single(
        self, native: Callable[..., Any], slots: list[int], constants: list[Any]
    ) -> Callable[[Sequence[Any]], list[Any]]:
        """`run` for a program that is one native call: without a list of all slots."""
        count, results = len(self.inputs), [slots.index(s) for s in self.results]
        first = results[0] if results else 0
        if results == [*range(first, first + len(results))]:
            pick: Any = operator.itemgetter(slice(first, first + len(results)))
        else:
            pick = operator.itemgetter(*results)  # several, which makes it a tuple

        def run(args: Sequence[Any]) -> list[Any]:
            if len(args) != count:
                raise TypeError(f"a program of {count} arrays got {len(args)}")
            return [*pick(native(*constants, *args))]

        return run


def _nbytes(aval: Any) -> int:
    return aval.size * aval.dtype.itemsize


def kernels_of(items: Sequence[Item]) -> Iterator[AnyKernel]:
    """All kernels, in the order in which `written` asks for their addresses."""
    for item in items:
        if item.kernel is not None:
            yield item.kernel
        else:
            yield from kernels_of(item.inner)


def written(
    words: Words, items: Sequence[Item], position: Callable[[int], int], addresses: Iterator[int]
) -> None:
    """Write the items of a run as a program for the runtime."""
    for item in items:
        if item.kernel is not None:
            units = units_of(item.kernel)
            grain = max(1, TASK // units.cost)
            words.kernel(next(addresses), units.count, grain, [position(s) for s in item.slots])
        elif item.loop is not None:
            _written_loop(words, item.loop, position, addresses)
        else:
            for i, block in enumerate(item.choice or ()):
                jump = words.unless(position(item.slots[0]), i)
                _pointers(words, block.before, position)
                written(words, block.items, position, addresses)
                words.here(jump)


def _written_loop(
    words: Words, loop: Repeat, position: Callable[[int], int], addresses: Iterator[int]
) -> None:
    jump = None
    _pointers(words, loop.before, position)
    with words.loop(loop.count):
        if loop.test is not None:
            _pointers(words, loop.test.before, position)
            written(words, loop.test.items, position, addresses)
            jump = words.stop(position(loop.test.flag))
        written(words, loop.items, position, addresses)
        _pointers(words, loop.after, position)
    if jump is not None:
        words.here(jump)
    _pointers(words, loop.finally_, position)


def _pointers(
    words: Words, steps: Sequence[tuple[Any, ...]], position: Callable[[int], int]
) -> None:
    for op, *rest in steps:
        n = POINTERS[op]
        words.pointer(op, *(position(s) for s in rest[:n]), *rest[n:])


def _callable(
    step: Any, reads: list[int], makes: list[int], addresses: Iterator[int]
) -> Callable[[list[Any]], None]:
    """What does a step of a plan to the values of all slots."""
    if isinstance(step, Run):
        native, slots = _native_call(step, step.given, addresses)
        return _native_step(native, step.given, slots)
    what, *rest = step
    return rules.KINDS[what](*rest, reads, makes)


def _native_call(
    run: Run, given: Sequence[int], addresses: Iterator[int]
) -> tuple[Callable[..., Sequence[np.ndarray]], list[int]]:
    """A run as a function, and the slots of what it returns.

    The function takes the arrays of the slots `given`, and returns those, as `ready` makes them,
    the arrays that it makes, and whatever.
    """
    makers = [maker(shape, dtype) for _, shape, dtype in run.new]
    slots = [*given, *(s for s, *_ in run.new)]
    scratch = 0
    positions = {s: i for i, s in enumerate(slots)}

    def position(slot: int) -> int:
        """Where a slot's pointer is: behind those of arrays are those of loops' bodies."""
        return positions.setdefault(slot, len(positions))

    words = Words()
    if run.raw:  # in one block
        block = position(-1)
        for slot, nbytes in run.raw:
            words.pointer("set", position(slot), block, scratch)
            scratch += padded(nbytes)
        makers.append(maker((scratch,), _BYTE))
    written(words, run.items, position, addresses)
    program, native = words.array(len(positions)), runtime().run

    def call(*arrays: np.ndarray) -> Sequence[np.ndarray]:
        made = (*arrays, *map(operator.call, makers))
        if not native((program, *made)):
            made = tuple(map(ready, made))
            native((program, *made))
        return made

    return call, slots


def _native_step(
    native: Callable[..., Sequence[np.ndarray]], given: Sequence[int], slots: Sequence[int]
) -> Callable[[list[Any]], None]:
    def call(values: list[Any]) -> None:
        for slot, x in zip(slots, native(*[values[s] for s in given]), strict=False):
            values[slot] = x

    return call
