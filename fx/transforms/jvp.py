"""Forward mode: a tracer pairs a value with its tangent, and each primitive has a `jvp` rule.

The value is a concrete array outside jit, so Python control flow on it works. A tangent of None
is a symbolic zero: what does not depend on the inputs costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fx import dtypes
from fx.core.array import aval_of
from fx.core.avals import ShapedArray
from fx.core.check import checked
from fx.core.interpret import eval_jaxpr
from fx.core.ir import Jaxpr
from fx.core.leaks import leak_checked
from fx.core.primitive import Primitive, instantiate
from fx.core.trace import StagingTrace, Trace, Tracer, push


class JVPTrace(Trace):
    """Tracers hold (primal, tangent)."""

    __slots__ = ()
    has_values = True

    def aval(self, tracer: Tracer) -> ShapedArray:
        return aval_of(tracer.a)

    def concrete(self, tracer: Tracer, error: type[Exception], what: str) -> Any:
        return tracer.a._concrete(error, what)

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        primals, tangents, constant = [], [], True
        for x in args:
            if type(x) is Tracer and x._trace is self:
                primals.append(x.a)
                tangents.append(x.b)
                constant = constant and x.b is None
            else:
                primals.append(x)
                tangents.append(None)
        if constant:
            return primitive.bind(*primals, **params)
        out, tangent = self.rule(primitive, primals, tangents, params)
        if primitive.multiple_results:
            return [self.wrap(o, t) for o, t in zip(out, tangent, strict=True)]
        return self.wrap(out, tangent)

    def rule(
        self, primitive: Primitive, primals: list[Any], tangents: list[Any], params: dict[str, Any]
    ) -> tuple[Any, Any]:
        return primitive.jvp_call(primals, tangents, **params)

    def wrap(self, primal: Any, tangent: Any) -> Any:
        return primal if tangent is None else Tracer(self, primal, tangent)

    def unwrap(self, x: Any) -> tuple[Any, Any]:
        """Primal and tangent of a result of the traced function."""
        if type(x) is Tracer and x._trace is self:
            return x.a, x.b
        return x, None


@leak_checked
def jvp_flat(
    function: Callable[..., Sequence[Any]],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    origin: str = "a function",
) -> tuple[list[Any], list[Any]]:
    """Results and tangents (None where zero) of a function on flat lists of arrays."""
    with push(JVPTrace(origin)) as trace:
        ins = [trace.wrap(p, t) for p, t in zip(primals, tangents, strict=True)]
        pairs = [trace.unwrap(x) for x in function(*ins)]
    return [p for p, _ in pairs], [t for _, t in pairs]


def tangent_aval(aval: ShapedArray) -> ShapedArray:
    """The type of tangents of a value: its own, or float0 for what has no tangents."""
    if dtypes.is_inexact(aval.dtype):
        return aval
    return ShapedArray(aval.shape, dtypes.float0)


def jvp_jaxpr(
    jaxpr: Jaxpr, active: Sequence[bool], instantiate_outs: bool | Sequence[bool] = False
) -> tuple[Jaxpr, list[bool]]:
    """The jaxpr (primals, active tangents) -> (results, non-zero tangents), and which are those.

    `instantiate_outs` makes zeros explicit, for results whose tangent must exist (loop carries).
    """
    wanted = (
        (instantiate_outs,) * len(jaxpr.outvars)
        if isinstance(instantiate_outs, bool)
        else tuple(instantiate_outs)
    )
    key = ("jvp", tuple(active), wanted)
    if key not in jaxpr.memo:
        trace = StagingTrace("jvp of a jaxpr")
        with push(trace):
            primals = [trace.new_arg(aval) for aval in jaxpr.in_avals]
            tangents = [
                trace.new_arg(v.aval.strong()) if on else None
                for v, on in zip(jaxpr.invars, active, strict=True)
            ]
            outs, touts = jvp_flat(lambda *args: eval_jaxpr(jaxpr, args), primals, tangents)
            touts = [
                instantiate(t, o.aval) if want else t
                for t, o, want in zip(touts, jaxpr.outvars, wanted, strict=True)
            ]
            result = checked(trace.to_jaxpr(outs + [t for t in touts if t is not None]))
        jaxpr.memo[key] = result, [t is not None for t in touts]
    return jaxpr.memo[key]
