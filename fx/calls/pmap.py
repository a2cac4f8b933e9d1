"""pmap: run one program on several devices at once, each on its slice of the data.

The program of a device is traced once, with collectives for what the devices exchange. On the CPU
a device is a thread, made for the call; NumPy and native code release the interpreter's lock.
Many machines and GPUs have their place in `impl`: only who runs the program changes.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.calls.base import CallPrimitive, compiled
from fx.calls.communicator import Communicator, current
from fx.calls.jit import JitFunction
from fx.config import config
from fx.core.array import aval_of
from fx.core.avals import ShapedArray
from fx.core.check import expect_types
from fx.core.ir import Jaxpr
from fx.core.primitive import AxisData, Linear, P
from fx.core.trace import bind_axis
from fx.errors import FxTypeError, FxValueError, public
from fx.pytree import tree_unflatten
from fx.transforms.jvp import jvp_jaxpr
from fx.transforms.linearize import linearize_jaxpr
from fx.transforms.mapping import check_axes, map_inputs, out_dims
from fx.transforms.stage import FlatFunction, hoist, name_of, origin_of, stage
from fx.transforms.transpose import transpose_jaxpr
from fx.transforms.vmap import batch_jaxpr, materialize, move_axis
from fx.util import merge_mask


class PmapPrimitive(CallPrimitive):
    """`jaxpr` on `size` devices; `mapped` inputs are cut along axis 0, others go to all.

    Results are stacked along axis 0.
    """

    name = "pmap"
    binds_axis = "axis_name"

    def abstract_eval(self, *avals: ShapedArray, jaxpr: Jaxpr, size: int, **_: Any) -> Any:
        return [a.update(shape=(size, *a.shape)) for a in jaxpr.out_avals]

    def check_inner(self, *avals: ShapedArray, **params: Any) -> None:
        size, inner = params["size"], params["jaxpr"].in_avals
        whole = [
            a.update(shape=(size, *a.shape)) if m else a
            for a, m in zip(inner, params["mapped"], strict=True)
        ]
        expect_types("operands of pmap", avals, whole)

    def impl(
        self,
        xp: Any,
        *arrays: Any,
        jaxpr: Jaxpr,
        axis_name: Any,
        size: int,
        mapped: tuple[bool, ...],
    ) -> list[Any]:
        run = compiled(jaxpr)

        def device(rank: int) -> list[Any]:
            return run([x[rank, ...] if m else x for x, m in zip(arrays, mapped, strict=True)])

        outs = run_on_threads(device, size, axis_name)
        if not size:
            return [np.empty((0, *a.shape), a.dtype) for a in jaxpr.out_avals]
        return [np.stack(column) for column in zip(*outs, strict=True)]

    def _scope(self, axis_name: Any, size: int) -> Any:
        return bind_axis(axis_name, AxisData(axis_name, size))

    # ------------------------------------------------------------------ derivatives
    def jvp_call(
        self,
        primals: Sequence[Any],
        tangents: Sequence[Any],
        *,
        jaxpr: Jaxpr,
        axis_name: Any,
        size: int,
        mapped: tuple[bool, ...],
    ) -> tuple[list[Any], list[Any]]:
        active = [t is not None for t in tangents]
        with self._scope(axis_name, size):
            both, on = jvp_jaxpr(jaxpr, active)
        given = [t for t in tangents if t is not None]
        given_mapped = tuple(m for m, a in zip(mapped, active, strict=True) if a)
        outs = self.bind(
            *primals,
            *given,
            jaxpr=both,
            axis_name=axis_name,
            size=size,
            mapped=mapped + given_mapped,
        )
        split = len(jaxpr.outvars)
        return outs[:split], merge_mask(on, outs[split:], [None] * on.count(False))

    def linearize(
        self,
        primals: Sequence[Any],
        tangents: Sequence[Any],
        *,
        jaxpr: Jaxpr,
        axis_name: Any,
        size: int,
        mapped: tuple[bool, ...],
    ) -> tuple[list[Any], list[Any]]:
        active = [t is not None for t in tangents]
        with self._scope(axis_name, size):
            parts = linearize_jaxpr(jaxpr, active)
        n_out = len(jaxpr.outvars)
        # A residual that is an input is passed again instead of being stacked.
        keep = [True] * n_out + [f is None for f in parts.forwarded]
        forward = Jaxpr(
            parts.forward.invars,
            [v for v, want in zip(parts.forward.outvars, keep, strict=True) if want],
            parts.forward.eqns,
            parts.forward.constvars,
            parts.forward.consts,
        )
        common = {"axis_name": axis_name, "size": size}
        outs = self.bind(*primals, jaxpr=forward, mapped=mapped, **common)
        saved = iter(outs[n_out:])
        residuals = [next(saved) if f is None else primals[f] for f in parts.forwarded]
        residual_mapped = tuple(True if f is None else mapped[f] for f in parts.forwarded)
        given = [t for t in tangents if t is not None]
        given_mapped = tuple(m for m, a in zip(mapped, active, strict=True) if a)
        touts = self.bind(
            *residuals,
            *given,
            jaxpr=parts.linear,
            mapped=residual_mapped + given_mapped,
            **common,
        )
        on = parts.active_out
        return outs[:n_out], merge_mask(on, touts, [None] * on.count(False))

    def transpose(
        self,
        cts: Sequence[Any],
        *args: Any,
        jaxpr: Jaxpr,
        axis_name: Any,
        size: int,
        mapped: tuple[bool, ...],
    ) -> list[Any]:
        is_linear = [isinstance(a, Linear) for a in args]
        with self._scope(axis_name, size):
            backward, nonzero = transpose_jaxpr(jaxpr, is_linear, [ct is not None for ct in cts])
        known = [(a, m) for a, m in zip(args, mapped, strict=True) if not isinstance(a, Linear)]
        given = [ct for ct in cts if ct is not None]
        outs = iter(
            self.bind(
                *[a for a, _ in known],
                *given,
                jaxpr=backward,
                axis_name=axis_name,
                size=size,
                mapped=(*[m for _, m in known], *[True] * len(given)),
            )
        )
        marks = iter(nonzero)
        results: list[Any] = []
        for lin, m in zip(is_linear, mapped, strict=True):
            if not lin or not next(marks):
                results.append(None)
            else:
                ct = next(outs)
                results.append(ct if m else P.reduce_sum(ct, axes=(0,)))
        return results

    def batch(
        self,
        axis: AxisData,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        jaxpr: Jaxpr,
        axis_name: Any,
        size: int,
        mapped: tuple[bool, ...],
    ) -> tuple[list[Any], list[Any]]:
        with self._scope(axis_name, size):
            inner, on = batch_jaxpr(jaxpr, axis, [d is not None for d in dims])
        moved = [
            x if d is None else move_axis(x, d, 1 if m else 0)
            for x, d, m in zip(args, dims, mapped, strict=True)
        ]
        outs = self.bind(*moved, jaxpr=inner, axis_name=axis_name, size=size, mapped=mapped)
        return outs, [1 if b else None for b in on]


pmap_p = PmapPrimitive()


def run_on_threads(device: Callable[[int], Any], size: int, axis_name: Any) -> list[Any]:
    """Results of `device(rank)` for all ranks, each on its thread, with collectives between them.

    When a rank fails, the others are released from their meeting point and its error is raised.
    """
    if size == 0:
        return []
    meeting = Communicator(size)
    results: list[Any] = [None] * size
    errors: list[BaseException] = []
    broken: list[BaseException] = []
    outer, options = current.ranks, config.scoped()

    def work(rank: int) -> None:
        saved = current.ranks
        above = {name: (m.child((size, rank)), r) for name, (m, r) in outer.items()}
        current.ranks = {**above, axis_name: (meeting, rank)}
        try:
            with config.scope(**options):
                results[rank] = device(rank)
        except BaseException as error:
            # A broken barrier says that another rank failed, whose error is the one to raise.
            kind = broken if isinstance(error, threading.BrokenBarrierError) else errors
            kind.append(error)
            for point, _ in current.ranks.values():
                point.abort()
        finally:
            current.ranks = saved

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(1, size)]
    for thread in threads:
        thread.start()
    try:
        work(0)
    finally:
        for thread in threads:
            thread.join()
    for error in (*errors, *broken):
        raise error
    return results


@public
def pmap(
    fun: Callable[..., Any],
    axis_name: Any = None,
    *,
    in_axes: Any = 0,
    out_axes: Any = 0,
    static_broadcasted_argnums: int | Sequence[int] = (),
    devices: int | Sequence[Any] | None = None,
    backend: str | None = None,
    axis_size: int | None = None,
    donate_argnums: int | Sequence[int] = (),
) -> Callable[..., Any]:
    """Map a function over devices: device i runs it on slice i of the mapped arguments.

    Args:
        fun: a function of arrays in pytrees, which may use collectives over `axis_name`.
        axis_name: a name for collectives.
        in_axes: the axis to cut for each positional argument, None to give it to all devices, or
            a tree prefix of these. Keyword arguments are cut along axis 0.
        out_axes: where the devices' axis goes in the results; None takes the first device's.
        static_broadcasted_argnums: positions of arguments that are Python values.
        devices: how many devices, or a list of them. CPU devices are threads, made when needed,
            so any number goes. By default as many as the mapped axis is long.
        backend, axis_size, donate_argnums: as in JAX.

    Returns:
        A function with the arguments of `fun`; its results equal those of `vmap`.

    Raises:
        FxValueError: the mapped axis does not have one slice for each device.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.pmap(lambda x: x / fx.lax.psum(x, "i"), "i", devices=2)(jnp.asarray([1.0, 3.0]))
        Array([0.25, 0.75], dtype=float32)
    """
    if not callable(fun):
        raise FxTypeError(f"pmap expects a function, got {type(fun).__name__}.")
    check_axes(in_axes, "pmap", "in_axes")
    check_axes(out_axes, "pmap", "out_axes")
    if isinstance(devices, bool) or (isinstance(devices, int) and devices < 1):
        raise FxValueError(f"pmap: devices must be at least 1, got {devices!r}.")
    if isinstance(devices, str) or not isinstance(devices, (int, Sequence, type(None))):
        raise FxTypeError(f"pmap: devices expects a number or a list of devices, got {devices!r}.")
    count = devices if isinstance(devices, int) or devices is None else len(devices)
    static = static_broadcasted_argnums
    nums = (static,) if isinstance(static, int) else tuple(static)

    @functools.wraps(fun)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        fixed = {i % len(args): args[i] for i in nums}
        dynamic = tuple(x for i, x in enumerate(args) if i not in fixed)
        axes = in_axes
        if isinstance(axes, (tuple, list)) and len(axes) == len(args):
            axes = tuple(a for i, a in enumerate(axes) if i not in fixed)

        def partial(*rest: Any, **others: Any) -> Any:
            items = iter(rest)
            full = [fixed[i] if i in fixed else next(items) for i in range(len(args))]
            return fun(*full, **others)

        functools.update_wrapper(partial, fun)
        arrays, tree, dims, size = map_inputs("pmap", fun, dynamic, kwargs, axes, axis_size)
        if count is not None and size != count:
            raise FxValueError(
                f"pmap of {name_of(fun)}: the mapped axis has size {size}, but there are {count} "
                "devices. Reshape to one slice for each device, or pass devices=None."
            )
        on = [d is not None for d in dims]
        moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(arrays, dims, strict=True)]
        avals = [aval_of(x) for x in moved]
        avals = [a.update(shape=a.shape[1:]) if m else a for a, m in zip(avals, on, strict=True)]
        flat = FlatFunction(partial, tree, what="pmap")
        with bind_axis(axis_name, AxisData(axis_name, size)):
            jaxpr, free = hoist(stage(flat, avals, what="pmap", origin=origin_of(fun)))
        outs = pmap_p.bind(
            *free,
            *moved,
            jaxpr=jaxpr,
            axis_name=axis_name,
            size=size,
            mapped=(*[False] * len(free), *on),
        )
        wanted = out_dims("pmap", out_axes, flat.out_tree, [x.ndim for x in outs])
        placed = [
            _first(x) if want is None else materialize(x, 0, size, want)
            for x, want in zip(outs, wanted, strict=True)
        ]
        return tree_unflatten(flat.out_tree, placed)

    return JitFunction(mapped, nums, (), False)


def _first(x: Any) -> Any:
    stop = (1, *x.shape[1:])
    row = P.slice(x, start_indices=(0,) * x.ndim, limit_indices=stop, strides=None)
    return P.squeeze(row, dimensions=(0,))
