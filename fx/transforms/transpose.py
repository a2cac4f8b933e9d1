"""Transposition: run a linear program backwards, from cotangents of results to those of inputs.

Equations that do not depend on the linear inputs are evaluated forwards first, so a program may
mix both (as the linear half of a checkpointed function does, which recomputes its values).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fx.core.check import checked
from fx.core.ir import Atom, Eqn, Jaxpr, Literal, Var
from fx.core.primitive import Linear, add_tangents, instantiate
from fx.core.trace import StagingTrace, push, state


def backward_pass(jaxpr: Jaxpr, args: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
    """Cotangents (None where zero) of the inputs given as `Linear`, None for the others.

    Args:
        jaxpr: a program that is linear in the inputs given as `Linear`.
        args: a value or a `Linear` for each input.
        cts: a cotangent or None for each result.
    """
    values: dict[Var, Any] = dict(zip(jaxpr.constvars, jaxpr.consts, strict=True))
    linear: set[Var] = set()
    for var, arg in zip(jaxpr.invars, args, strict=True):
        if type(arg) is Linear:
            linear.add(var)
        else:
            values[var] = arg

    def read(atom: Atom) -> Any:
        return atom.value if type(atom) is Literal else values[atom]  # type: ignore[index]

    saved = state.source
    try:
        equations: list[Eqn] = []
        for eqn in jaxpr.eqns:
            if not linear.isdisjoint(eqn.invars):
                equations.append(eqn)
                linear.update(eqn.outvars)
                continue
            state.source = eqn.source
            out = eqn.primitive.bind(*[read(v) for v in eqn.invars], **eqn.params)
            if eqn.primitive.multiple_results:
                values.update(zip(eqn.outvars, out, strict=True))
            else:
                values[eqn.outvars[0]] = out

        pending: dict[Var, Any] = {}
        for atom, ct in zip(jaxpr.outvars, cts, strict=True):
            if ct is not None and atom in linear:
                pending[atom] = add_tangents(pending.get(atom), ct)  # type: ignore[index]

        for eqn in reversed(equations):
            primitive = eqn.primitive
            if primitive.multiple_results:
                ct = [pending.pop(v, None) for v in eqn.outvars]
                if all(c is None for c in ct):
                    continue
            else:
                ct = pending.pop(eqn.outvars[0], None)
                if ct is None:
                    continue
            state.source = eqn.source
            operands = [Linear(v.aval) if v in linear else read(v) for v in eqn.invars]
            results = primitive.transpose(ct, *operands, **eqn.params)
            for var, result in zip(eqn.invars, results, strict=True):
                if result is not None and var in linear:
                    old = pending.get(var)  # type: ignore[arg-type]
                    pending[var] = result if old is None else add_tangents(old, result)  # type: ignore[index]
    finally:
        state.source = saved
    return [pending.get(v) for v in jaxpr.invars]


def transpose_jaxpr(
    jaxpr: Jaxpr, is_linear: Sequence[bool], active: Sequence[bool], *, dense: bool = False
) -> tuple[Jaxpr, list[bool]]:
    """The jaxpr (non-linear inputs, cotangents of active results) -> (cotangents of linear
    inputs), and which of those are non-zero; only the non-zero are results unless `dense`.
    """
    key = ("transpose", tuple(is_linear), tuple(active), dense)
    if key not in jaxpr.memo:
        trace = StagingTrace("transpose of a jaxpr")
        with push(trace):
            args = [
                Linear(v.aval) if lin else trace.new_arg(v.aval)
                for v, lin in zip(jaxpr.invars, is_linear, strict=True)
            ]
            cts = [
                trace.new_arg(v.aval.strong()) if on else None
                for v, on in zip(jaxpr.outvars, active, strict=True)
            ]
            results = [
                instantiate(ct, arg.aval) if dense else ct
                for ct, arg in zip(backward_pass(jaxpr, args, cts), args, strict=True)
                if type(arg) is Linear
            ]
            transposed = checked(trace.to_jaxpr([ct for ct in results if ct is not None]))
        jaxpr.memo[key] = transposed, [ct is not None for ct in results]
    return jaxpr.memo[key]
