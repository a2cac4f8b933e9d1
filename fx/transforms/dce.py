"""Dead code elimination: keep the equations that results or effects need."""

from __future__ import annotations

from collections.abc import Sequence

from fx.core.ir import Eqn, Jaxpr, Var, subjaxprs


def has_effects(eqn: Eqn) -> bool:
    """Whether an equation, or one inside it, must run even if nothing uses its results."""
    return eqn.primitive.effectful or any(jaxpr_effects(j) for j in subjaxprs(eqn.params))


def jaxpr_effects(jaxpr: Jaxpr) -> bool:
    """Whether any equation of a jaxpr has effects."""
    if "effects" not in jaxpr.memo:
        jaxpr.memo["effects"] = any(has_effects(e) for e in jaxpr.eqns)
    return jaxpr.memo["effects"]


def dce(jaxpr: Jaxpr, used: Sequence[bool] | None = None) -> Jaxpr:
    """The jaxpr with only the used results, and without what they do not need.

    Inputs stay as they are; constants that nothing uses go.
    """
    outvars = [v for i, v in enumerate(jaxpr.outvars) if used is None or used[i]]
    needed = {v for v in outvars if isinstance(v, Var)}
    kept: list[Eqn] = []
    for eqn in reversed(jaxpr.eqns):
        if has_effects(eqn) or not needed.isdisjoint(eqn.outvars):
            kept.append(eqn)
            needed.update(v for v in eqn.invars if isinstance(v, Var))
    pairs = [(v, c) for v, c in zip(jaxpr.constvars, jaxpr.consts, strict=True) if v in needed]
    return Jaxpr(jaxpr.invars, outvars, kept[::-1], [v for v, _ in pairs], [c for _, c in pairs])


def used_inputs(jaxpr: Jaxpr) -> list[bool]:
    """Which inputs any equation or result of a jaxpr reads."""
    read = {v for e in jaxpr.eqns for v in e.invars if isinstance(v, Var)}
    read.update(v for v in jaxpr.outvars if isinstance(v, Var))
    return [v in read for v in jaxpr.invars]
