"""checkpoint (remat): keep the inputs of a function instead of its intermediate values, and
compute those again on the way back.

Linearizing evaluates the function as usual and records `checkpoint_lin`, which holds only the
inputs (and what the policy says to save). Transposing that computes the function again,
linearizes it, and runs it backwards, as one program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from fx.calls.base import CallPrimitive, run_jaxpr, transpose_call
from fx.calls.jit_call import jit_p
from fx.core.array import Array, aval_of, to_array
from fx.core.avals import ShapedArray
from fx.core.check import checked, expect_types
from fx.core.ir import Jaxpr, Literal, Var
from fx.core.primitive import AxisData, Linear, Primitive, instantiate
from fx.core.trace import StagingTrace, Tracer, push
from fx.errors import FxTypeError, public
from fx.pytree import tree_flatten, tree_map, tree_unflatten
from fx.transforms.dce import dce
from fx.transforms.jvp import jvp_flat, jvp_jaxpr
from fx.transforms.linearize import linearize_flat, linearize_jaxpr
from fx.transforms.stage import FlatFunction, arg_names, hoist, name_of, origin_of, stage
from fx.transforms.transpose import backward_pass
from fx.transforms.vmap import batch_jaxpr, materialize, move_axis
from fx.util import merge_mask

Policy = Callable[..., bool]


class CheckpointPrimitive(CallPrimitive):
    """A call whose intermediate values are not kept for the backward pass."""

    name = "checkpoint"

    def abstract_eval(self, *avals: ShapedArray, jaxpr: Jaxpr, policy: Any) -> list[ShapedArray]:
        return jaxpr.out_avals

    def impl(self, xp: Any, *arrays: Any, jaxpr: Jaxpr, policy: Any) -> list[Any]:
        return run_jaxpr(jaxpr, arrays)

    def body(self, params: dict[str, Any]) -> Jaxpr:
        return params["jaxpr"]

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: Jaxpr, policy: Any
    ) -> tuple[list[Any], list[Any]]:
        both, on = jvp_jaxpr(jaxpr, [t is not None for t in tangents])
        given = [t for t in tangents if t is not None]
        outs = self.bind(*primals, *given, jaxpr=both, policy=policy)
        split = len(jaxpr.outvars)
        return outs[:split], merge_mask(on, outs[split:], [None] * on.count(False))

    def linearize(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: Jaxpr, policy: Any
    ) -> tuple[list[Any], list[Any]]:
        active = tuple(t is not None for t in tangents)
        inner, saved_vars = saved_by(jaxpr, policy)
        forward = _with_results(inner, saved_vars)
        outs = jit_p.bind(*primals, jaxpr=forward, name="checkpoint")
        split = len(inner.outvars)
        on = tuple(linearize_jaxpr(inner, active).active_out)
        given = [t for t in tangents if t is not None]
        touts = checkpoint_lin_p.bind(
            *primals,
            *outs[split:],
            *given,
            jaxpr=inner,
            saved=saved_vars,
            active=active,
            active_out=on,
        )
        return outs[:split], merge_mask(on, touts, [None] * on.count(False))

    def transpose(self, cts: Sequence[Any], *args: Any, jaxpr: Jaxpr, policy: Any) -> list[Any]:
        return transpose_call(self, cts, args, jaxpr, policy=policy)

    def batch(
        self,
        axis: AxisData,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        jaxpr: Jaxpr,
        policy: Any,
    ) -> tuple[list[Any], list[Any]]:
        mapped, on = batch_jaxpr(jaxpr, axis, [d is not None for d in dims])
        moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(args, dims, strict=True)]
        outs = self.bind(*moved, jaxpr=mapped, policy=policy)
        return outs, [0 if b else None for b in on]


checkpoint_p = CheckpointPrimitive()


def _with_results(jaxpr: Jaxpr, more: Sequence[Var]) -> Jaxpr:
    return Jaxpr(jaxpr.invars, [*jaxpr.outvars, *more], jaxpr.eqns, jaxpr.constvars, jaxpr.consts)


def saved_by(jaxpr: Jaxpr, policy: Policy | None) -> tuple[Jaxpr, tuple[Var, ...]]:
    """The jaxpr with inner jits inlined, and the variables that a policy wants kept."""
    if policy is None:
        return jaxpr, ()
    key = ("saved", policy)
    if key not in jaxpr.memo:
        flat = stage(lambda *args: _eval_inlined(jaxpr, args), jaxpr.in_avals)
        saved: list[Var] = []
        for eqn in flat.eqns:
            if policy(eqn.primitive, *[v.aval for v in eqn.invars], **eqn.params):
                saved.extend(eqn.outvars)
        jaxpr.memo[key] = flat, tuple(saved)
    return jaxpr.memo[key]


def _eval_inlined(jaxpr: Jaxpr, args: Sequence[Any]) -> list[Any]:
    """Evaluate with nested jits opened, so that a policy sees the operations inside."""
    env: dict[Var, Any] = dict(zip(jaxpr.constvars, jaxpr.consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.value if type(atom) is Literal else env[atom]

    for eqn in jaxpr.eqns:
        values = [read(v) for v in eqn.invars]
        if eqn.primitive is jit_p:
            outs = _eval_inlined(eqn.params["jaxpr"], values)
        else:
            out = eqn.primitive.bind(*values, **eqn.params)
            outs = out if eqn.primitive.multiple_results else [out]
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _eval_saved(jaxpr: Jaxpr, saved: dict[Var, Any], args: Sequence[Any]) -> list[Any]:
    """Evaluate under a derivative trace, with the values of saved variables taken as given."""
    env: dict[Var, Any] = dict(zip(jaxpr.constvars, jaxpr.consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.value if type(atom) is Literal else env[atom]

    for eqn in jaxpr.eqns:
        out = eqn.primitive.bind(*[read(v) for v in eqn.invars], **eqn.params)
        for var, x in zip(
            eqn.outvars, out if eqn.primitive.multiple_results else [out], strict=True
        ):
            if var in saved:
                differentiated = type(x) is Tracer and hasattr(x._trace, "rule")
                x = Tracer(x._trace, saved[var], x.b) if differentiated else saved[var]
            env[var] = x
    return [read(v) for v in jaxpr.outvars]


class CheckpointLin(CallPrimitive):
    """The linear half of a checkpointed call.

    args: inputs, saved values, active tangents. `jaxpr` is the function itself.
    """

    name = "checkpoint_lin"

    def abstract_eval(
        self, *avals: ShapedArray, jaxpr: Jaxpr, active_out: Any, **params: Any
    ) -> list[ShapedArray]:
        return [a.strong() for a, on in zip(jaxpr.out_avals, active_out, strict=True) if on]

    def check_inner(self, *avals: ShapedArray, **params: Any) -> None:
        types = self._forward(**params).in_avals
        expect_types("operands of checkpoint_lin", avals, types)

    def _forward(self, jaxpr: Jaxpr, saved: Any, active: Any, active_out: Any) -> Jaxpr:
        """(inputs, saved, tangents) -> tangents of results, without what they do not need."""
        key = ("checkpoint_forward", saved, active, active_out)
        if key not in jaxpr.memo:
            n, s = len(jaxpr.invars), len(saved)
            types = [*jaxpr.in_avals, *[v.aval for v in saved]]
            types += [v.aval.strong() for v, on in zip(jaxpr.invars, active, strict=True) if on]

            def run(*args: Any) -> list[Any]:
                values = dict(zip(saved, args[n : n + s], strict=True))
                tangents = merge_mask(active, args[n + s :], [None] * active.count(False))
                _, touts = jvp_flat(lambda *xs: _eval_saved(jaxpr, values, xs), args[:n], tangents)
                return [
                    instantiate(t, v.aval)
                    for t, v, on in zip(touts, jaxpr.outvars, active_out, strict=True)
                    if on
                ]

            jaxpr.memo[key] = dce(stage(run, types))
        return jaxpr.memo[key]

    def impl(self, xp: Any, *arrays: Any, **params: Any) -> list[Any]:
        return run_jaxpr(self._forward(**params), arrays)

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[list[Any], list[Any]]:
        return jit_p.jvp_call(primals, tangents, jaxpr=self._forward(**params), name="checkpoint")

    def linearize(
        self, primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[list[Any], list[Any]]:
        return jit_p.linearize(primals, tangents, jaxpr=self._forward(**params), name="checkpoint")

    def transpose(
        self,
        cts: Sequence[Any],
        *args: Any,
        jaxpr: Jaxpr,
        saved: Any,
        active: Any,
        active_out: Any,
    ) -> list[Any]:
        n, s = len(jaxpr.invars), len(saved)
        known = args[: n + s]
        ct_on = tuple(ct is not None for ct in cts)
        backward = self._backward(jaxpr, saved, active, active_out, ct_on)
        given = [ct for ct in cts if ct is not None]
        outs = checkpoint_p.bind(*known, *given, jaxpr=backward, policy=None)
        return [None] * (n + s) + [
            ct if isinstance(a, Linear) else None for ct, a in zip(outs, args[n + s :], strict=True)
        ]

    def _backward(
        self, jaxpr: Jaxpr, saved: Any, active: Any, active_out: Any, ct_on: Any
    ) -> Jaxpr:
        """(inputs, saved, cotangents) -> cotangents of the active inputs."""
        key = ("checkpoint_backward", saved, active, active_out, ct_on)
        if key not in jaxpr.memo:
            trace = StagingTrace("backward pass of a checkpoint")
            with push(trace):
                primals = [trace.new_arg(a) for a in jaxpr.in_avals]
                values = {v: trace.new_arg(v.aval) for v in saved}
                outs = [v.aval for v, on in zip(jaxpr.outvars, active_out, strict=True) if on]
                given = [
                    trace.new_arg(a.strong()) if on else None
                    for a, on in zip(outs, ct_on, strict=True)
                ]
                _, linear, on = linearize_flat(
                    lambda *xs: _eval_saved(jaxpr, values, xs), primals, active
                )
                cts = iter(given)
                full = [next(cts) if want else None for want in active_out]
                kept = [ct for ct, nonzero in zip(full, on, strict=True) if nonzero]
                linears = [Linear(v.aval) for v in linear.invars]
                back = backward_pass(linear, linears, kept)
                avals = [a for a, want in zip(jaxpr.in_avals, active, strict=True) if want]
                result = trace.to_jaxpr(
                    [instantiate(ct, a) for ct, a in zip(back, avals, strict=True)]
                )
            jaxpr.memo[key] = dce(checked(result))
        return jaxpr.memo[key]

    def batch(
        self,
        axis: AxisData,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        jaxpr: Jaxpr,
        saved: Any,
        active: Any,
        active_out: Any,
    ) -> tuple[list[Any], list[Any]]:
        forward = self._forward(jaxpr, saved, active, active_out)
        mapped, _ = batch_jaxpr(forward, axis, [True] * len(args), True)
        full = [materialize(x, d, axis.size) for x, d in zip(args, dims, strict=True)]
        outs = jit_p.bind(*full, jaxpr=mapped, name="checkpoint")
        return outs, [0] * len(outs)


checkpoint_lin_p = CheckpointLin()


# ------------------------------------------------------------------ names and policies
class NamePrimitive(Primitive):
    """The identity, with a name that policies can refer to."""

    name = "name"

    def abstract_eval(self, x: ShapedArray, *, name: str) -> ShapedArray:
        return x

    def impl(self, xp: Any, x: Any, *, name: str) -> Any:
        return x

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, name: str) -> Any:
        return args[0]

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], *, name: str) -> Any:
        return tangents[0]

    def transpose(self, ct: Any, x: Any, *, name: str) -> list[Any]:
        return [ct]

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], *, name: str) -> Any:
        return self.bind(*args, name=name), dims[0]


name_p = NamePrimitive()


@public
def checkpoint_name(x: Any, name: str) -> Any:
    """Name the arrays of a tree, for the policies that save by name."""
    return tree_map(lambda leaf: name_p.bind(to_array(leaf, "checkpoint_name"), name=name), x)


def _nothing_saveable(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    return False


def _everything_saveable(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    return True


def _dots_saveable(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    return primitive.name in ("dot_general", "conv_general_dilated")


def _dots_without_batch(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    if primitive.name != "dot_general":
        return False
    _, (lhs_batch, rhs_batch) = params["dimension_numbers"]
    return not lhs_batch and not rhs_batch


class _SaveNames:
    """A policy by name, hashable so that programs can be cached."""

    def __init__(self, names: Sequence[str], invert: bool):
        self.names = frozenset(names)
        self.invert = invert

    def __call__(self, primitive: Primitive, *avals: Any, **params: Any) -> bool:
        if primitive.name != "name":
            return False
        return (params["name"] in self.names) != self.invert

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SaveNames) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.names, self.invert))


class checkpoint_policies:
    """What a checkpoint keeps; each is a function of an equation to a bool."""

    nothing_saveable = staticmethod(_nothing_saveable)
    everything_saveable = staticmethod(_everything_saveable)
    dots_saveable = staticmethod(_dots_saveable)
    checkpoint_dots = staticmethod(_dots_saveable)
    dots_with_no_batch_dims_saveable = staticmethod(_dots_without_batch)
    checkpoint_dots_with_no_batch_dims = staticmethod(_dots_without_batch)

    @staticmethod
    def save_only_these_names(*names: str) -> Policy:
        """Keep the values that `checkpoint_name` gave one of these names."""
        return _SaveNames(names, False)

    @staticmethod
    def save_any_names_but_these(*names: str) -> Policy:
        """Keep all named values but these."""
        return _SaveNames(names, True)

    @staticmethod
    def save_from_both_policies(first: Policy, second: Policy) -> Policy:
        """Keep what either policy keeps."""
        return lambda *args, **params: first(*args, **params) or second(*args, **params)


@public
def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    prevent_cse: bool = True,
    policy: Policy | None = None,
    static_argnums: int | Sequence[int] = (),
) -> Any:
    """A function whose intermediate values are computed again in the backward pass.

    Args:
        fun: a function of arrays in pytrees. Without it, returns a decorator.
        prevent_cse: accepted as in JAX; values are never merged with those of the forward pass.
        policy: what to keep all the same, one of `checkpoint_policies`.
        static_argnums: positions of arguments that are Python values.

    Returns:
        A function with the same results and derivatives, and less memory held between the
        forward and the backward pass (Griewank and Walther, "Revolve", 2000).

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.grad(fx.checkpoint(lambda x: jnp.sin(jnp.sin(x))))(0.0)
        Array(1., dtype=float32, weak_type=True)
    """
    if fun is None:
        return lambda f: checkpoint(
            f, prevent_cse=prevent_cse, policy=policy, static_argnums=static_argnums
        )
    if not callable(fun):
        raise FxTypeError(f"checkpoint expects a function, got {type(fun).__name__}.")
    nums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @public
    @functools.wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        static = {i % len(args) for i in nums}
        fixed = {i: x for i, x in enumerate(args) if i in static}

        def partial(*rest: Any, **others: Any) -> Any:
            items = iter(rest)
            full = [fixed[i] if i in fixed else next(items) for i in range(len(args))]
            return fun(*full, **others)

        functools.update_wrapper(partial, fun)
        dynamic = tuple(x for i, x in enumerate(args) if i not in static)
        leaves, tree = tree_flatten((dynamic, kwargs))
        arrays: list[Array] = [to_array(x, f"checkpoint of {name_of(fun)}") for x in leaves]
        if not any(type(x) is Tracer for x in arrays):
            return fun(*args, **kwargs)
        flat = FlatFunction(partial, tree, what="checkpoint")
        names = arg_names(fun, args, kwargs) if not nums else ()
        jaxpr, free = hoist(
            stage(
                flat,
                [aval_of(x) for x in arrays],
                what="checkpoint",
                origin=origin_of(fun),
                names=names,
            )
        )
        outs = checkpoint_p.bind(*free, *arrays, jaxpr=jaxpr, policy=policy)
        return tree_unflatten(flat.out_tree, outs)

    return checkpointed
