"""Inlining: equations that are nothing but a call of a program become that program's equations.

A checkpoint stays a call. Inside one on the way back a function is computed again, and where it
could meet the same values of the way forward, these would have to be kept: what a checkpoint
avoids.
"""

from __future__ import annotations

from collections.abc import Sequence

from fx.calls.checkpoint import checkpoint_p
from fx.core.ir import Atom, Eqn, Jaxpr, Var
from fx.passes.rewrite import Rewriter, with_operands


def _body(eqn: Eqn) -> Jaxpr | None:
    return None if eqn.primitive is checkpoint_p else eqn.primitive.body(eqn.params)


def inline_calls(jaxpr: Jaxpr) -> Jaxpr:
    """The program with the bodies of jit and of custom derivatives in place of their calls."""
    if all(_body(e) is None for e in jaxpr.eqns):
        return jaxpr
    r = Rewriter(jaxpr)
    for old in jaxpr.eqns:
        eqn = r.current(old)
        body = _body(eqn)
        if body is None:
            r.keep(eqn)
        else:
            r.source = eqn.source
            r.replace_all(eqn, _call(r, body, eqn.invars))
    return r.finish()


def _call(r: Rewriter, body: Jaxpr, operands: Sequence[Atom]) -> list[Atom]:
    new: dict[Var, Atom] = dict(zip(body.invars, operands, strict=True))
    for var, value in zip(body.constvars, body.consts, strict=True):
        new[var] = r.const(value)
    for eqn in body.eqns:
        ins: list[Atom] = [new.get(v, v) for v in eqn.invars]  # type: ignore[arg-type]
        inner = _body(eqn)
        if inner is not None:
            new.update(zip(eqn.outvars, _call(r, inner, ins), strict=True))
            continue
        outs = [Var(v.aval) for v in eqn.outvars]
        made = with_operands(eqn, ins)
        made.outvars = outs
        r.keep(made)
        new.update(zip(eqn.outvars, outs, strict=True))
    return [new.get(v, v) for v in body.outvars]  # type: ignore[arg-type]
