"""What a scan reads of an earlier one and can as well compute from the rest that it reads.

Reverse mode keeps derivatives for the way back: of a logistic function y, say, y and y * (1 - y).
A slice of the second takes longer to write and to read again than to compute from the first.
"""

from __future__ import annotations

from fx.core.ir import Atom, Eqn, Jaxpr, Literal, Var
from fx.passes.rewrite import Rewriter

_CHEAP = frozenset(("add", "sub", "mul", "neg", "square", "max", "min", "abs", "not", "select_n"))
_DEEPEST = 4  # equations from one slice to another


def recomputed(r: Rewriter, eqn: Eqn) -> bool:
    """Let a scan compute slices of stacked results of scans before it from others."""
    nc, k = eqn.params["counts"]
    jaxpr = eqn.params["jaxpr"]
    xs, x_vars = eqn.invars[nc + k :], jaxpr.invars[nc + k :]
    made: dict[int, tuple[Eqn, list[tuple[Atom, Var]]]] = {}
    for x, var in zip(xs, x_vars, strict=True):
        source = r.made_by(x, "scan")
        if source is not None and source.params["length"] == eqn.params["length"]:
            made.setdefault(id(source), (source, []))[1].append((x, var))
    eqns: list[Eqn] = []
    for source, pairs in made.values():
        slices = _slices(source)
        there = {slices[x]: var for x, var in pairs if slices.get(x) is not None}
        eqns += _from_others(source.params["jaxpr"], there)
    gone = {v for e in eqns for v in e.outvars}
    if gone.isdisjoint(x_vars):
        return False
    kept = [v not in gone for v in jaxpr.invars]
    invars = [v for v, keep in zip(jaxpr.invars, kept, strict=True) if keep]
    body = Jaxpr(invars, jaxpr.outvars, [*eqns, *jaxpr.eqns], jaxpr.constvars, jaxpr.consts)
    operands = [x for x, keep in zip(eqn.invars, kept, strict=True) if keep]
    r.keep(Eqn(eqn.primitive, operands, eqn.outvars, {**eqn.params, "jaxpr": body}, eqn.source))
    r.changed = True
    return True


def _slices(scan: Eqn) -> dict[Atom, Var]:
    """For each stacked result of a scan, the variable of the body that it has the values of."""
    k, outs = scan.params["counts"][1], scan.params["jaxpr"].outvars
    stacked = zip(scan.outvars[k:], outs[k:], strict=True)
    return {x: v for x, v in stacked if isinstance(v, Var)}


def _from_others(body: Jaxpr, there: dict[Var, Var]) -> list[Eqn]:
    """Equations that make some of `there` (variable of the body -> its slice) from the others."""
    by = {e.outvars[0]: e for e in body.eqns if e.primitive.name in _CHEAP}
    new: dict[Var, Var] = {}
    eqns: list[Eqn] = []

    def read(atom: Atom) -> Atom:
        return atom if isinstance(atom, Literal) else there.get(atom) or new[atom]

    def reachable(var: Var, depth: int) -> bool:
        """Whether a variable can be computed from slices, of which there is at least one."""
        e = by.get(var)
        if e is None or not depth:
            return False
        parts = [v for v in e.invars if isinstance(v, Var)]
        return bool(parts) and all(v in there or v in new or reachable(v, depth - 1) for v in parts)

    def make(var: Var, out: Var) -> None:
        e = by[var]
        for v in e.invars:
            if isinstance(v, Var) and v not in there and v not in new:
                make(v, new.setdefault(v, Var(v.aval)))
        eqns.append(Eqn(e.primitive, [read(v) for v in e.invars], (out,), e.params, e.source))

    order = {e.outvars[0]: i for i, e in enumerate(body.eqns) if e.outvars}
    for var in sorted((v for v in there if v in order), key=order.__getitem__):
        if var.aval == there[var].aval and reachable(var, _DEEPEST):
            make(var, there[var])
    return eqns
