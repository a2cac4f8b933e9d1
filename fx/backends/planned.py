"""A jaxpr as steps over slots: where every backend that compiles begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fx.backends.donation import reuse
from fx.backends.lowering import build_graph
from fx.backends.plan import Plan, Slots
from fx.core.ir import Jaxpr
from fx.kernel.target import CPU, Target


class Planned:
    """The plan of a program.

    Attributes:
        todo, dying: the steps, and the slots that each leaves empty.
        inputs, results: slots of arguments and results.
        in_place: positions of donated arguments that results are written over.
        constants, template: the values of the first slots; those of all, None where there is none.
    """

    def __init__(self, jaxpr: Jaxpr, donated: Sequence[int], target: Target = CPU):
        graph, inputs, constants, outputs = build_graph(jaxpr, target)
        plan = Plan(graph, outputs, Slots(), known=[n for n, _ in constants])
        self.inputs = [plan.slot(n) for n in inputs]
        results = [plan.array(n) for n in outputs]
        given = [(self.inputs[i], jaxpr.in_avals[i]) for i in donated]
        taken = reuse(plan, given, results)
        self.results = [taken.get(s, s) for s in results]
        self.in_place = [i for i in donated if self.inputs[i] in taken.values()]
        self.dying = plan.free({*self.results, *self.inputs}, len(constants))
        self.todo = plan.todo
        self.constants: list[Any] = [value for _, value in constants]
        self.template: list[Any] = self.constants + [None] * (len(plan.slots) - len(constants))
