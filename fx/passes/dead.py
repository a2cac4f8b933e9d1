"""Dead code, also inside the programs that equations carry.

What nothing needs goes: equations, and for loops, branches and checkpoints the results, carries and
operands that only feed themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fx.core.ir import Eqn, Jaxpr, Var
from fx.transforms.dce import dce, has_effects, used_inputs


def dead(jaxpr: Jaxpr) -> Jaxpr:
    """The program without what neither results nor effects need."""
    needed = {v for v in jaxpr.outvars if isinstance(v, Var)}
    kept: list[Eqn] = []
    changed = False
    for old in reversed(jaxpr.eqns):
        if needed.isdisjoint(old.outvars) and not has_effects(old):
            changed = True
            continue
        shrink = _SHRINK.get(old.primitive.name)
        eqn = old
        if shrink is not None:
            eqn = shrink(old, [v in needed for v in old.outvars])
            changed = changed or eqn is not old
        kept.append(eqn)
        needed.update(v for v in eqn.invars if isinstance(v, Var))
    pairs = [(v, c) for v, c in zip(jaxpr.constvars, jaxpr.consts, strict=True) if v in needed]
    if not changed and len(pairs) == len(jaxpr.constvars):
        return jaxpr
    return Jaxpr(
        jaxpr.invars, jaxpr.outvars, kept[::-1], [v for v, _ in pairs], [c for _, c in pairs]
    )


def _chosen(items: Sequence[Any], mask: Sequence[bool]) -> list[Any]:
    return [x for x, on in zip(items, mask, strict=True) if on]


def _live(jaxpr: Jaxpr, used: Sequence[bool]) -> list[bool]:
    """Which inputs the used results of a program, and its effects, depend on."""
    needed = {v for v, on in zip(jaxpr.outvars, used, strict=True) if on and isinstance(v, Var)}
    for eqn in reversed(jaxpr.eqns):
        if not needed.isdisjoint(eqn.outvars) or has_effects(eqn):
            needed.update(v for v in eqn.invars if isinstance(v, Var))
    return [v in needed for v in jaxpr.invars]


def _cut(jaxpr: Jaxpr, ins: Sequence[bool], outs: Sequence[bool]) -> Jaxpr:
    """The program from some of its inputs to some of its results."""
    less = dce(jaxpr, outs)
    return Jaxpr(_chosen(jaxpr.invars, ins), less.outvars, less.eqns, less.constvars, less.consts)


def _with(eqn: Eqn, ins: Sequence[bool], outs: Sequence[bool], **params: Any) -> Eqn:
    return Eqn(
        eqn.primitive,
        _chosen(eqn.invars, ins),
        _chosen(eqn.outvars, outs),
        {**eqn.params, **params},
        eqn.source,
    )


def _scan(eqn: Eqn, used: list[bool]) -> Eqn:
    jaxpr, (nc, k) = eqn.params["jaxpr"], eqn.params["counts"]
    outs = list(used)
    while True:  # a carry is needed if a step needs what the step before made of it
        ins = _live(jaxpr, outs)
        grown = [a or b for a, b in zip(outs, [*ins[nc : nc + k], *outs[k:]], strict=True)]
        if grown == outs:
            break
        outs = grown
    ins[nc : nc + k] = outs[:k]
    if all(ins) and all(outs):
        return eqn
    counts = (sum(ins[:nc]), sum(outs[:k]))
    return _with(eqn, ins, outs, jaxpr=_cut(jaxpr, ins, outs), counts=counts)


def _while(eqn: Eqn, used: list[bool]) -> Eqn:
    test, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
    k, m = eqn.params["counts"]
    tested = _live(test, [True])
    outs = [a or b for a, b in zip(used, tested[k:], strict=True)]
    while True:
        stepped = _live(body, outs)
        grown = [a or b for a, b in zip(outs, stepped[m:], strict=True)]
        if grown == outs:
            break
        outs = grown
    test_in, body_in = [*tested[:k], *outs], [*stepped[:m], *outs]
    if all(test_in) and all(body_in):
        return eqn
    return _with(
        eqn,
        [*tested[:k], *stepped[:m], *outs],
        outs,
        cond_jaxpr=_cut(test, test_in, [True]),
        body_jaxpr=_cut(body, body_in, outs),
        counts=(sum(tested[:k]), sum(stepped[:m])),
    )


def _cond(eqn: Eqn, used: list[bool]) -> Eqn:
    branches = eqn.params["branches"]
    ins = [any(marks) for marks in zip(*[_live(b, used) for b in branches], strict=True)]
    if all(ins) and all(used):
        return eqn
    cut = tuple(_cut(b, ins, used) for b in branches)
    return _with(eqn, [True, *ins], used, branches=cut)


def _checkpoint(eqn: Eqn, used: list[bool]) -> Eqn:
    jaxpr = eqn.params["jaxpr"]
    if all(used) and all(used_inputs(jaxpr)):
        return eqn
    ins = _live(jaxpr, used)
    return _with(eqn, ins, used, jaxpr=_cut(jaxpr, ins, used))


def _pmap(eqn: Eqn, used: list[bool]) -> Eqn:
    jaxpr = eqn.params["jaxpr"]
    ins = _live(jaxpr, used)
    if all(used) and all(ins):
        return eqn
    mapped = tuple(_chosen(eqn.params["mapped"], ins))
    return _with(eqn, ins, used, jaxpr=_cut(jaxpr, ins, used), mapped=mapped)


_SHRINK = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "checkpoint": _checkpoint,
    "pmap": _pmap,
}
