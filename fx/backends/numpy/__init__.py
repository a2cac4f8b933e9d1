"""The NumPy backend: a program becomes a list of calls of NumPy rules, run one by one.

It is the oracle for the other backends. Slots replace variables, each value is dropped after its
last use, and nested jits are run as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.config import detours
from fx.core.backend import register_backend
from fx.core.finite import check_finite, watching
from fx.core.ir import Jaxpr, Literal, Var
from fx.transforms.dce import dce
from fx.util import fp_enter, fp_exit

ndarray = np.ndarray


class NumpyBackend:
    """Runs jaxprs on ndarrays."""

    name = "numpy"

    def compile(
        self, jaxpr: Jaxpr, donated: tuple[int, ...] = ()
    ) -> Callable[[Sequence[Any]], list[Any]]:
        """A function from ndarrays to ndarrays; kept with the jaxpr."""
        compiled = jaxpr.memo.get("numpy")
        if compiled is None:
            compiled = jaxpr.memo["numpy"] = _compile(jaxpr)
        return compiled


def _compile(jaxpr: Jaxpr) -> Callable[[Sequence[Any]], list[Any]]:
    jaxpr = dce(jaxpr)
    slots: dict[Any, int] = {}
    constants: list[Any] = []

    def slot(atom: Any) -> int:
        if atom not in slots:
            slots[atom] = len(slots)
            if isinstance(atom, Literal):
                constants.append((slots[atom], atom.val))
        return slots[atom]

    inputs = [slot(v) for v in jaxpr.invars]
    for var, value in zip(jaxpr.constvars, jaxpr.consts, strict=True):
        constants.append((slot(var), value._data))

    last: dict[Any, int] = {}
    for i, eqn in enumerate(jaxpr.eqns):
        last.update((v, i) for v in eqn.invars if isinstance(v, Var))
        last.update((v, i) for v in eqn.outvars)
    for v in jaxpr.outvars:
        last.pop(v, None)
    dying: dict[int, list[int]] = {}
    kept = {*jaxpr.constvars, *jaxpr.invars}
    for v, i in last.items():
        if v not in kept:
            dying.setdefault(i, []).append(v)

    steps = []
    for i, eqn in enumerate(jaxpr.eqns):
        ins = tuple(slot(v) for v in eqn.invars)
        outs = [slot(v) for v in eqn.outvars]
        target = outs if eqn.primitive.multiple_results else outs[0]
        free = tuple(slot(v) for v in dying.get(i, ()))
        steps.append((eqn.primitive.impl, ins, eqn.params, target, free, eqn))
    results = [slot(v) for v in jaxpr.outvars]

    template: list[Any] = [None] * len(slots)
    for index, value in constants:
        template[index] = value

    def run(args: Sequence[Any]) -> list[Any]:
        watched = detours[0] and watching()
        values = template.copy()
        for index, arg in zip(inputs, args, strict=True):
            values[index] = arg
        token = fp_enter()
        try:
            for impl, ins, params, target, free, eqn in steps:
                operands = [values[i] for i in ins]
                out = impl(np, *operands, **params)
                if watched:
                    outs = out if eqn.primitive.multiple_results else [np.asarray(out)]
                    check_finite(eqn.primitive.name, operands, outs, eqn.source)
                if type(target) is int:
                    values[target] = out if type(out) is ndarray else np.asarray(out)
                else:
                    for index, x in zip(target, out, strict=True):
                        values[index] = x if type(x) is ndarray else np.asarray(x)
                for index in free:
                    values[index] = None
        finally:
            fp_exit(token)
        return [values[i] for i in results]

    return run


register_backend("numpy", NumpyBackend())
