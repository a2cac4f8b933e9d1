"""Vectorization: a tracer pairs a batched value with the position of its mapped axis.

Each primitive's `batch` rule says how it acts on a batch; operations on unbatched values run once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fx.core.array import aval_of
from fx.core.avals import ShapedArray
from fx.core.check import checked
from fx.core.interpret import eval_jaxpr
from fx.core.ir import Jaxpr
from fx.core.leaks import leak_checked
from fx.core.primitive import AxisData, P, Primitive
from fx.core.trace import StagingTrace, Trace, Tracer, bind_axis, push
from fx.util import moved, without


class BatchTrace(Trace):
    """Tracers hold (batched value, position of the mapped axis)."""

    __slots__ = ("axis",)

    def __init__(self, origin: str, name: Any, size: int):
        super().__init__(origin)
        self.axis = AxisData(name, size, self)

    def aval(self, tracer: Tracer) -> ShapedArray:
        aval = aval_of(tracer.a)
        return aval.update(shape=without(aval.shape, [tracer.b]))

    def concrete(self, tracer: Tracer, error: type[Exception], what: str) -> Any:
        raise error(
            f"{what} needs one concrete value, but under vmap the value {tracer.aval.short()} "
            f"stands for {self.axis.size} at once, in {self.origin}. Use fx.numpy.where or "
            "fx.lax.cond for a choice, or move the Python code out of the mapped function."
        )

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        values, dims = [], []
        for x in args:
            if type(x) is Tracer and x._trace is self:
                values.append(x.a)
                dims.append(x.b)
            else:
                values.append(x)
                dims.append(None)
        out, dim = primitive.batch(self.axis, values, dims, **params)
        if primitive.multiple_results:
            return [self.wrap(o, d) for o, d in zip(out, dim, strict=True)]
        return self.wrap(out, dim)

    def wrap(self, value: Any, dim: int | None) -> Any:
        return value if dim is None else Tracer(self, value, dim)

    def unwrap(self, x: Any) -> tuple[Any, int | None]:
        if type(x) is Tracer and x._trace is self:
            return x.a, x.b
        return x, None


@leak_checked
def vmap_flat(
    function: Callable[..., Sequence[Any]],
    args: Sequence[Any],
    dims: Sequence[int | None],
    *,
    name: Any = None,
    size: int,
    origin: str = "a function",
) -> tuple[list[Any], list[int | None]]:
    """Results of a function mapped over `dims` of its arguments, with their mapped axes."""
    trace = BatchTrace(origin, name, size)
    with push(trace), bind_axis(name, trace.axis):
        ins = [trace.wrap(x, d) for x, d in zip(args, dims, strict=True)]
        pairs = [trace.unwrap(x) for x in function(*ins)]
    return [v for v, _ in pairs], [d for _, d in pairs]


def move_axis(x: Any, source: int, destination: int) -> Any:
    """`x` with one axis moved."""
    if source == destination:
        return x
    order = moved(range(x.ndim), source, destination)
    return P.transpose(x, permutation=tuple(order))


def add_axis(x: Any, size: int, position: int = 0) -> Any:
    """`x` repeated `size` times along a new axis."""
    shape = list(x.shape)
    shape.insert(position, size)
    kept = [i for i in range(len(shape)) if i != position]
    return P.broadcast_in_dim(x, shape=tuple(shape), broadcast_dimensions=tuple(kept))


def materialize(x: Any, dim: int | None, size: int, destination: int = 0) -> Any:
    """A value with its mapped axis at `destination`, repeated if it has none."""
    if dim is None:
        return add_axis(x, size, destination)
    return move_axis(x, dim, destination)


def batch_jaxpr(
    jaxpr: Jaxpr,
    axis: AxisData,
    batched: Sequence[bool],
    force_out: bool | Sequence[bool] = False,
) -> tuple[Jaxpr, list[bool]]:
    """The jaxpr mapped over axis 0 of the `batched` inputs, and which results are batched.

    Batched results have the axis at 0; `force_out` repeats those that would not have one.
    """
    force = (force_out,) * len(jaxpr.outvars) if isinstance(force_out, bool) else tuple(force_out)
    key = ("batch", axis.name, axis.size, tuple(batched), force)
    if key not in jaxpr.memo:
        trace = StagingTrace("vmap of a jaxpr")
        with push(trace):
            ins = [
                trace.new_arg(aval.update(shape=(axis.size, *aval.shape)) if on else aval)
                for aval, on in zip(jaxpr.in_avals, batched, strict=True)
            ]
            outs, dims = vmap_flat(
                lambda *args: eval_jaxpr(jaxpr, args),
                ins,
                [0 if on else None for on in batched],
                name=axis.name,
                size=axis.size,
            )
            outs = [
                x if d is None and not want else materialize(x, d, axis.size)
                for x, d, want in zip(outs, dims, force, strict=True)
            ]
            result = checked(trace.to_jaxpr(outs))
        on = [d is not None or want for d, want in zip(dims, force, strict=True)]
        jaxpr.memo[key] = result, on
    return jaxpr.memo[key]
