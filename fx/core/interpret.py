"""The interpreter: evaluate a jaxpr equation by equation by binding its primitives.

Bound on concrete arrays this is evaluation; on the tracers of a transformation it *is* the
transformation, which is how jvp, vmap and the rest apply to a jaxpr.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fx.core.ir import Atom, Jaxpr, Literal, Var
from fx.core.trace import state


def eval_jaxpr(jaxpr: Jaxpr, args: Sequence[Any]) -> list[Any]:
    """Results of a jaxpr on arrays or tracers; equations keep their user source."""
    env: dict[Var, Any] = dict(zip(jaxpr.constvars, jaxpr.consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Atom) -> Any:
        return atom.value if type(atom) is Literal else env[atom]  # type: ignore[index]

    saved = state.source
    try:
        for eqn in jaxpr.eqns:
            state.source = eqn.source
            out = eqn.primitive.bind(*[read(v) for v in eqn.invars], **eqn.params)
            if eqn.primitive.multiple_results:
                env.update(zip(eqn.outvars, out, strict=True))
            else:
                env[eqn.outvars[0]] = out
    finally:
        state.source = saved
    return [read(v) for v in jaxpr.outvars]
