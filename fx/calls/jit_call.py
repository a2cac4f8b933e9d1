"""The primitive that carries a jitted program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fx.calls.base import CallPrimitive, run_jaxpr, transpose_call
from fx.core.avals import ShapedArray
from fx.core.ir import Jaxpr
from fx.core.primitive import AxisData
from fx.core.trace import Tracer
from fx.transforms.jvp import jvp_jaxpr
from fx.transforms.linearize import linearize_jaxpr
from fx.transforms.stage import hoist
from fx.transforms.vmap import batch_jaxpr, move_axis
from fx.util import merge_mask


class JitPrimitive(CallPrimitive):
    """A call of a jaxpr that is compiled as a unit."""

    name = "jit"

    def abstract_eval(self, *avals: ShapedArray, jaxpr: Jaxpr, name: str) -> list[ShapedArray]:
        return jaxpr.out_avals

    def impl(self, xp: Any, *arrays: Any, jaxpr: Jaxpr, name: str) -> list[Any]:
        return run_jaxpr(jaxpr, arrays)

    def body(self, params: dict[str, Any]) -> Jaxpr:
        return params["jaxpr"]

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: Jaxpr, name: str
    ) -> tuple[list[Any], list[Any]]:
        active = [t is not None for t in tangents]
        both, active_out = jvp_jaxpr(jaxpr, active)
        given = [t for t in tangents if t is not None]
        outs = self.bind(*primals, *given, jaxpr=both, name=name)
        split = len(jaxpr.outvars)
        zeros = [None] * active_out.count(False)
        return outs[:split], merge_mask(active_out, outs[split:], zeros)

    def linearize(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: Jaxpr, name: str
    ) -> tuple[list[Any], list[Any]]:
        parts = linearize_jaxpr(jaxpr, [t is not None for t in tangents])
        outs = self.bind(*primals, jaxpr=parts.forward, name=name)
        split = len(jaxpr.outvars)
        given = [t for t in tangents if t is not None]
        linear = self.bind(*outs[split:], *given, jaxpr=parts.linear, name=name)
        zeros = [None] * parts.active_out.count(False)
        return outs[:split], merge_mask(parts.active_out, linear, zeros)

    def transpose(self, cts: Sequence[Any], *args: Any, jaxpr: Jaxpr, name: str) -> list[Any]:
        return transpose_call(self, cts, args, jaxpr, name=name)

    def batch(
        self, axis: AxisData, args: Sequence[Any], dims: Sequence[Any], *, jaxpr: Jaxpr, name: str
    ) -> tuple[list[Any], list[Any]]:
        batched, on = batch_jaxpr(jaxpr, axis, [d is not None for d in dims])
        moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(args, dims, strict=True)]
        outs = self.bind(*moved, jaxpr=batched, name=name)
        return outs, [0 if b else None for b in on]


jit_p = JitPrimitive()


def eval_or_run(jaxpr: Jaxpr, arrays: Sequence[Any], name: str) -> list[Any]:
    """Bind a program under active transformations, or run it at once where there are none."""
    if not jaxpr.consts or not any(type(c) is Tracer for c in jaxpr.consts):
        return jit_p.bind(*arrays, jaxpr=jaxpr, name=name)
    closed, free = hoist(jaxpr)
    return jit_p.bind(*free, *arrays, jaxpr=closed, name=name)
