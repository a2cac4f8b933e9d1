"""What primitives that carry a jaxpr share: collectives inside find their axis, and impl runs the
inner program on the backend of its arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.config import config
from fx.core.array import Array, to_array
from fx.core.avals import ShapedArray
from fx.core.backend import get_backend
from fx.core.check import expect_types
from fx.core.ir import Jaxpr, subjaxprs
from fx.core.primitive import Linear, Primitive
from fx.core.remote import are_remote, run_remote
from fx.core.trace import Tracer, state
from fx.errors import FxTypeError
from fx.transforms.transpose import transpose_jaxpr
from fx.util import merge_mask


def jaxpr_axes(jaxpr: Jaxpr) -> frozenset[Any]:
    """Names of the axes that collectives inside a jaxpr use and nothing inside binds."""
    if "axes" not in jaxpr.memo:
        names: set[Any] = set()
        for eqn in jaxpr.eqns:
            inner: set[Any] = set(getattr(eqn.primitive, "axis_names", lambda p: ())(eqn.params))
            for sub in subjaxprs(eqn.params):
                inner |= jaxpr_axes(sub)
            bound = getattr(eqn.primitive, "binds_axis", None)
            if bound is not None:
                inner.discard(eqn.params[bound])
            names |= inner
        jaxpr.memo["axes"] = frozenset(names)
    return jaxpr.memo["axes"]


def names_of(axis_name: Any) -> tuple[Any, ...]:
    """What a collective's `axis_name` names: one axis or a tuple of them."""
    names = tuple(axis_name) if isinstance(axis_name, (tuple, list)) else (axis_name,)
    if any(name.__hash__ is None for name in names):
        raise FxTypeError(f"a collective's axis_name must be a name or names, got {axis_name!r}.")
    return names


def compiled(jaxpr: Jaxpr) -> Callable[[Sequence[Any]], list[Any]]:
    """A jaxpr as a function of ndarrays."""
    return get_backend(config.cpu_backend).compile(jaxpr)


def run_jaxpr(jaxpr: Jaxpr, arrays: Sequence[Any]) -> list[Any]:
    """Evaluate a jaxpr on raw arrays."""
    return compiled(jaxpr)(arrays)


def transpose_call(
    primitive: Primitive, cts: Sequence[Any], args: Sequence[Any], jaxpr: Jaxpr, **params: Any
) -> list[Any]:
    """Cotangents of a call of `jaxpr` on `args`: a call of its transpose."""
    is_linear = [isinstance(a, Linear) for a in args]
    backward, nonzero = transpose_jaxpr(jaxpr, is_linear, [ct is not None for ct in cts])
    known = [a for a in args if not isinstance(a, Linear)]
    given = [ct for ct in cts if ct is not None]
    outs = primitive.bind(*known, *given, jaxpr=backward, **params)
    linear = merge_mask(nonzero, outs, [None] * nonzero.count(False))
    return merge_mask(is_linear, linear, [None] * is_linear.count(False))


class CallPrimitive(Primitive):
    """Base of primitives with jaxprs in their parameters; results are lists."""

    multiple_results = True

    def bind(self, *args: Any, **params: Any) -> Any:
        if state.axes:
            trace = _axis_trace(self, args, params)
            if trace is not None:
                return trace.process(self, args, params)
        return super().bind(*args, **params)

    __call__ = bind

    def check_inner(self, *avals: ShapedArray, **params: Any) -> None:
        if "jaxpr" in params:
            expect_types(f"operands of {self.name}", avals, params["jaxpr"].in_avals)

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        arrays = [x if type(x) is Array else to_array(x, self.name) for x in args]
        if config.platform != "cpu" or are_remote(arrays):
            return run_remote(self, arrays, params)
        avals = self.abstract_eval(*[x.aval for x in arrays], **params)
        outs = self.impl(np, *[x._data for x in arrays], **params)
        return [Array(o, a.weak_type) for o, a in zip(outs, avals, strict=True)]


def _axis_trace(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """The vmap whose axis a collective inside names, if it is inner to all operands' traces."""
    names: set[Any] = set()
    for sub in subjaxprs(params):
        names |= jaxpr_axes(sub)
    bound = getattr(primitive, "binds_axis", None)
    if bound is not None:
        names.discard(params[bound])
    return innermost_axis_trace(names, args)


def innermost_axis_trace(names: Any, args: Sequence[Any]) -> Any:
    """The innermost vmap trace among the named axes, unless an operand or jit is inner still."""
    best = None
    for name in names:
        data = state.axes.get(name)
        if data is None or data.trace is None:
            continue
        if best is None or data.trace.level > best.level:
            best = data.trace
    if best is None:
        return None
    level = max((x._trace.level for x in args if type(x) is Tracer), default=-1)
    if state.dynamic is not None:
        level = max(level, state.dynamic.level)
    return best if best.level > level else None
