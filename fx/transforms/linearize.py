"""Linearization: jvp whose tangents are recorded, so that the linear half can run again or be
transposed.

It is derived from `jvp` by partial evaluation: values are computed as usual, tangents are tracers
of a staging trace just below, so that every operation on tangents lands in one linear jaxpr and
every value that it needs (a *residual*) becomes one of its constants.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from fx.core.check import checked
from fx.core.interpret import eval_jaxpr
from fx.core.ir import Jaxpr, Var
from fx.core.leaks import leak_checked
from fx.core.primitive import Primitive, instantiate, zeros
from fx.core.trace import StagingTrace, Tracer, push
from fx.transforms.jvp import JVPTrace


class LinearTrace(StagingTrace):
    """Records the operations on tangents.

    In a derivative rule that a user wrote, a jit or a loop may mix values and tangents. Recorded
    as one equation, its values would pass for tangents. So it is split while `in_user_rule`: its
    results are linear in the tangents, hence its derivative at zero tangents is its linear half,
    and what has no derivative is a value.
    """

    __slots__ = ("in_user_rule",)

    def __init__(self, origin: str):
        super().__init__(origin, dynamic=False, what="the linear part of grad")
        self.in_user_rule = False

    @contextlib.contextmanager
    def user_rule(self, on: bool = True) -> Iterator[None]:
        """Split the calls that are made in a block."""
        saved, self.in_user_rule = self.in_user_rule, on
        try:
            yield
        finally:
            self.in_user_rule = saved

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if not (self.in_user_rule and primitive.multiple_results):
            return super().process(primitive, args, params)
        tangents = [x if type(x) is Tracer and x._trace is self else None for x in args]
        values = [x if t is None else zeros(t.aval) for x, t in zip(args, tangents, strict=True)]
        with self.user_rule(False):
            outs, touts = primitive.linearize(values, tangents, **params)
        return [o if t is None else t for o, t in zip(outs, touts, strict=True)]


class LinearizeTrace(JVPTrace):
    """A JVPTrace whose tangents are tracers of a staging trace."""

    __slots__ = ()

    def rule(
        self, primitive: Primitive, primals: list[Any], tangents: list[Any], params: dict[str, Any]
    ) -> tuple[Any, Any]:
        return primitive.linearize(primals, tangents, **params)


@leak_checked
def linearize_flat(
    function: Callable[..., Sequence[Any]],
    primals: Sequence[Any],
    active: Sequence[bool],
    origin: str = "a function",
    dense: Sequence[bool] = (),
) -> tuple[list[Any], Jaxpr, list[bool]]:
    """Results, the linear jaxpr (active tangents -> non-zero tangents), and which are non-zero.

    The linear jaxpr's constants are the residuals; they may be tracers of enclosing traces.
    Tangents of results marked `dense` are made explicit where they are zero.
    """
    linear = LinearTrace(origin)
    with push(linear), push(LinearizeTrace(origin)) as trace:
        ins = [
            Tracer(trace, p, linear.new_arg(p.aval.strong())) if on else p
            for p, on in zip(primals, active, strict=True)
        ]
        pairs = [trace.unwrap(x) for x in function(*ins)]
        for i, want in enumerate(dense):
            value, tangent = pairs[i]
            if want:
                pairs[i] = value, instantiate(tangent, value)
        jaxpr = checked(linear.to_jaxpr([t for _, t in pairs if t is not None]))
    return [p for p, _ in pairs], jaxpr, [t is not None for _, t in pairs]


class Linearized(NamedTuple):
    """A jaxpr cut in two by `linearize_jaxpr`.

    Attributes:
        forward: (inputs) -> (results, residuals).
        linear: (residuals, active tangents) -> (non-zero tangents).
        active_out: which results have a non-zero tangent.
        forwarded: for each residual, the position of the input it equals, or None. Such a
            residual needs no storage (and no stacking in a loop).
    """

    forward: Jaxpr
    linear: Jaxpr
    active_out: list[bool]
    forwarded: list[int | None]


def linearize_jaxpr(jaxpr: Jaxpr, active: Sequence[bool], dense: Sequence[bool] = ()) -> Linearized:
    """Split a jaxpr into a forward program and a linear one that shares its residuals.

    Results marked `dense` get a tangent even where it is zero (loop carries, branches).
    """
    key = ("linearize", tuple(active), tuple(dense))
    if key not in jaxpr.memo:
        trace = StagingTrace("linearize of a jaxpr")
        with push(trace):
            ins = [trace.new_arg(aval) for aval in jaxpr.in_avals]
            outs, linear, active_out = linearize_flat(
                lambda *args: eval_jaxpr(jaxpr, args), ins, active, dense=dense
            )
            residual_vars: list[Var] = []
            residuals, constvars, consts = [], [], []
            for var, value in zip(linear.constvars, linear.consts, strict=True):
                if type(value) is Tracer:
                    residual_vars.append(var)
                    residuals.append(value)
                else:
                    constvars.append(var)
                    consts.append(value)
            forward = checked(trace.to_jaxpr(outs + residuals))
        position = {v: i for i, v in enumerate(forward.invars)}
        jaxpr.memo[key] = Linearized(
            forward,
            Jaxpr(residual_vars + linear.invars, linear.outvars, linear.eqns, constvars, consts),
            active_out,
            [position.get(v) for v in forward.outvars[len(outs) :]],  # type: ignore[arg-type]
        )
    return jaxpr.memo[key]
