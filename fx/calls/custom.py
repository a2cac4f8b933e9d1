"""Functions with derivatives of their own: custom_jvp and custom_vjp.

`call_custom` hands a call to the innermost trace: one that differentiates applies the user's rule,
vmap maps both function and rule, and only a trace that records a program stages the function, as
a primitive that carries its jaxpr and the rule. So Python control flow works in functions and
rules wherever values are concrete.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from fx import dtypes
from fx.calls.base import CallPrimitive, run_jaxpr, transpose_call
from fx.calls.jit_call import jit_p
from fx.config import detours
from fx.core.array import Array, aval_of, to_array
from fx.core.avals import ShapedArray
from fx.core.ir import Jaxpr
from fx.core.primitive import AxisData, Linear, P, Primitive, instantiate
from fx.core.trace import StagingTrace, Tracer, check_alive, state
from fx.errors import FxTypeError, FxValueError, ShapeError, TreeError, public
from fx.pytree import (
    flatten_prefix,
    tree_flatten,
    tree_flatten_with_path,
    tree_unflatten,
)
from fx.transforms.jvp import JVPTrace
from fx.transforms.linearize import LinearizeTrace
from fx.transforms.mapping import is_none
from fx.transforms.stage import FlatFunction, hoist, name_of, stage
from fx.transforms.vmap import BatchTrace, batch_jaxpr, materialize, vmap_flat

Flat = Callable[..., list[Any]]


def batched(rule: Flat, axis: AxisData) -> Flat:
    """A flat function mapped over axis 0 of all its arguments and results."""

    def mapped(*args: Any) -> list[Any]:
        outs, dims = vmap_flat(rule, args, [0] * len(args), name=axis.name, size=axis.size)
        return [materialize(x, d, axis.size) for x, d in zip(outs, dims, strict=True)]

    if hasattr(rule, "count"):
        mapped.count = rule.count  # type: ignore[attr-defined]
    return mapped


class CustomCall(CallPrimitive):
    """A staged call of `jaxpr`; subclasses hold the rules as flat functions in `rules`."""

    def abstract_eval(self, *avals: ShapedArray, jaxpr: Jaxpr, **params: Any) -> list[ShapedArray]:
        return jaxpr.out_avals

    def impl(self, xp: Any, *arrays: Any, jaxpr: Jaxpr, **params: Any) -> list[Any]:
        return run_jaxpr(jaxpr, arrays)

    def body(self, params: dict[str, Any]) -> Jaxpr:
        return params["jaxpr"]

    def skip_free(self, free: Sequence[ShapedArray], rules: tuple[Flat, ...]) -> tuple[Flat, ...]:
        """Rules for a call with captured values in front, to which no derivative flows."""
        raise NotImplementedError

    def batch(
        self,
        axis: AxisData,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        jaxpr: Jaxpr,
        rules: tuple[Flat, ...],
    ) -> tuple[list[Any], list[Any]]:
        full = [materialize(x, d, axis.size) for x, d in zip(args, dims, strict=True)]
        inner, _ = batch_jaxpr(jaxpr, axis, [True] * len(args), True)
        outs = self.bind(*full, jaxpr=inner, rules=tuple(batched(r, axis) for r in rules))
        return outs, [0] * len(outs)


def call_custom(
    primitive: CustomCall, function: Flat, rules: tuple[Flat, ...], args: Sequence[Any]
) -> list[Any]:
    """Call a flat function with custom rules under the active transformations."""
    tracers = [x for x in args if type(x) is Tracer]
    trace = max((x._trace for x in tracers), key=lambda t: t.level, default=None)
    level = trace.level if trace is not None else -1
    if detours[0] and state.dynamic is not None and state.dynamic.level > level:
        trace = state.dynamic
    if trace is None:
        return function(*args)
    for x in tracers:
        check_alive(x)
    if isinstance(trace, StagingTrace):
        if not trace.dynamic:
            return function(*args)  # the linear part of a derivative: nothing left to customize
        avals = [aval_of(x) for x in args]
        jaxpr, free = hoist(stage(function, avals, what=primitive.name, origin=trace.origin))
        if free:
            rules = primitive.skip_free([x.aval for x in free], rules)
        return primitive.bind(*free, *args, jaxpr=jaxpr, rules=rules)
    pairs = [trace.unwrap(x) for x in args]  # type: ignore[attr-defined]
    values = [v for v, _ in pairs]
    marks = [m for _, m in pairs]
    if isinstance(trace, BatchTrace):
        if all(m is None for m in marks):
            return call_custom(primitive, function, rules, values)
        axis = trace.axis
        full = [materialize(x, d, axis.size) for x, d in zip(values, marks, strict=True)]
        mapped = tuple(batched(r, axis) for r in rules)
        outs = call_custom(primitive, batched(function, axis), mapped, full)
        return [trace.wrap(x, 0) for x in outs]
    assert isinstance(trace, JVPTrace)
    if all(m is None for m in marks):
        return call_custom(primitive, function, rules, values)
    rule = primitive.linearize if isinstance(trace, LinearizeTrace) else primitive.jvp_call
    outs, touts = rule(values, marks, jaxpr=None, rules=rules)
    return [trace.wrap(o, t) for o, t in zip(outs, touts, strict=True)]


def _tangents_of(outs: Sequence[Any], touts: Sequence[Any]) -> list[Any]:
    return [t if dtypes.is_inexact(o.dtype) else None for o, t in zip(outs, touts, strict=True)]


class CustomJVPCall(CustomCall):
    """rules = (jvp,): `jvp(*primals, *tangents)` gives results and tangents in one list."""

    name = "custom_jvp_call"

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: Any, rules: Any
    ) -> tuple[list[Any], list[Any]]:
        dense = [instantiate(t, p) for t, p in zip(tangents, primals, strict=True)]
        both = rules[0](*primals, *dense)
        half = len(both) // 2
        return both[:half], _tangents_of(both[:half], both[half:])

    def linearize(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: Any, rules: Any
    ) -> tuple[list[Any], list[Any]]:
        linear: Any = next(t._trace for t in tangents if t is not None)
        with linear.user_rule():
            return self.jvp_call(primals, tangents, jaxpr=jaxpr, rules=rules)

    def transpose(self, cts: Sequence[Any], *args: Any, jaxpr: Jaxpr, rules: Any) -> list[Any]:
        # A linear function; its transpose needs no rule of the user.
        return transpose_call(jit_p, cts, args, jaxpr, name=self.name)

    def skip_free(self, free: Sequence[ShapedArray], rules: tuple[Flat, ...]) -> tuple[Flat, ...]:
        (rule,), count = rules, len(free)

        def skipping(*args: Any) -> list[Any]:
            half = len(args) // 2
            return rule(*args[count:half], *args[half + count :])

        return (skipping,)


custom_jvp_p = CustomJVPCall()


class CustomVJPCall(CustomCall):
    """rules = (fwd, bwd): `fwd(*args)` gives results and residuals in one list whose cut is
    `fwd.count()`; `bwd(*residuals, *cotangents)` gives the cotangents of all arguments.
    """

    name = "custom_vjp_call"

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[list[Any], list[Any]]:
        raise FxTypeError(
            "jvp (forward mode) of a function with custom_vjp: it defines only a reverse-mode "
            "rule. Use custom_jvp, which serves both modes, or reverse mode (grad, vjp, jacrev)."
        )

    def linearize(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: Any, rules: Any
    ) -> tuple[list[Any], list[Any]]:
        fwd, bwd = rules
        both = fwd(*primals)
        count = bwd.count()
        outs, residuals = both[:count], both[count:]
        active = tuple(t is not None for t in tangents)
        given = [t for t in tangents if t is not None]
        avals = tuple(aval_of(x).strong() for x in outs)
        touts = custom_lin_p.bind(
            *residuals, *given, bwd=bwd, active=active, split=len(residuals), avals=avals
        )
        return outs, _tangents_of(outs, touts)

    def skip_free(self, free: Sequence[ShapedArray], rules: tuple[Flat, ...]) -> tuple[Flat, ...]:
        (fwd, bwd), count = rules, len(free)

        def padded(*args: Any) -> list[Any]:
            return [instantiate(None, aval) for aval in free] + bwd(*args)

        padded.count = bwd.count  # type: ignore[attr-defined]
        return (lambda *args: fwd(*args[count:])), padded


custom_vjp_p = CustomVJPCall()


class CustomLin(Primitive):
    """The linear map of a custom_vjp function, known only through its transpose."""

    name = "custom_lin"
    multiple_results = True

    def abstract_eval(self, *args: ShapedArray, avals: Any, **params: Any) -> list[ShapedArray]:
        return list(avals)

    def impl(self, xp: Any, *args: Any, **params: Any) -> Any:
        return custom_vjp_p.jvp_call((), ())

    def jvp_call(self, primals: Any, tangents: Any, **params: Any) -> Any:
        return custom_vjp_p.jvp_call((), ())

    def transpose(
        self, cts: Any, *args: Any, bwd: Flat, active: Any, split: int, avals: Any
    ) -> list[Any]:
        dense = [instantiate(ct, aval) for ct, aval in zip(cts, avals, strict=True)]
        results = bwd(*args[:split], *dense)
        kept = [ct for ct, on in zip(results, active, strict=True) if on]
        return [None] * split + [
            ct if isinstance(arg, Linear) else None
            for ct, arg in zip(kept, args[split:], strict=True)
        ]

    def batch(self, axis: Any, args: Any, dims: Any, *, bwd: Any, avals: Any, **params: Any) -> Any:
        full = [materialize(x, d, axis.size) for x, d in zip(args, dims, strict=True)]
        wide = tuple(a.update(shape=(axis.size, *a.shape)) for a in avals)
        outs = self.bind(*full, bwd=batched(bwd, axis), avals=wide, **params)
        return outs, [0] * len(outs)


custom_lin_p = CustomLin()


# ------------------------------------------------------------------ the decorators
def _positional_args(fun: Callable[..., Any], args: Any, kwargs: Any, what: str) -> tuple[Any, ...]:
    """All arguments by position, with defaults filled in."""
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        if not kwargs:
            return args
        raise FxTypeError(
            f"{what} of {name_of(fun)}, whose signature is not known, takes arguments by position "
            f"only, got {sorted(kwargs)}."
        ) from None
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise FxTypeError(f"{what} of {name_of(fun)}: {error}.") from None
    bound.apply_defaults()
    if bound.kwargs:
        raise FxTypeError(
            f"{what} of {name_of(fun)} takes no keyword-only arguments, got "
            f"{sorted(bound.kwargs)}. Make them positional or close over them."
        )
    return bound.args


class _Custom:
    """What the two decorators share: which arguments are static, and the flat call."""

    what = ""

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()):
        if not callable(fun):
            raise FxTypeError(f"{self.what} expects a function, got {type(fun).__name__}.")
        functools.update_wrapper(self, fun)  # pyright: ignore[reportArgumentType]
        self.fun = fun
        self.nondiff_argnums = tuple(
            (nondiff_argnums,) if isinstance(nondiff_argnums, int) else nondiff_argnums
        )

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return functools.partial(self, instance)  # pyright: ignore[reportArgumentType]

    def _split(self, args: Any, kwargs: Any) -> tuple[list[Any], list[Any], Callable[..., Any]]:
        """Static arguments, the others, and a function that puts both back in order."""
        full = _positional_args(self.fun, args, kwargs, self.what)
        for i in self.nondiff_argnums:
            if not -len(full) <= i < len(full):
                raise FxValueError(
                    f"{self.what} of {name_of(self.fun)}: nondiff_argnums has {i}, but there are "
                    f"{len(full)} arguments."
                )
        static = {i % len(full) for i in self.nondiff_argnums}

        def merge(rest: Sequence[Any]) -> list[Any]:
            items = iter(rest)
            return [x if i in static else next(items) for i, x in enumerate(full)]

        fixed = [full[i % len(full)] for i in self.nondiff_argnums]
        return fixed, [x for i, x in enumerate(full) if i not in static], merge

    def _arrays(self, leaves: Sequence[Any]) -> list[Array]:
        return [to_array(x, f"{self.what} of {name_of(self.fun)}") for x in leaves]


class custom_jvp(_Custom):
    """A function with a forward-mode rule of its own, which reverse mode transposes.

    Args:
        fun: a function of arrays in pytrees.
        nondiff_argnums: positions of arguments that are Python values for the rule.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> @fx.custom_jvp
        ... def log1pexp(x):
        ...     return jnp.log1p(jnp.exp(x))
        >>> @log1pexp.defjvp
        ... def _(primals, tangents):
        ...     (x,), (t,) = primals, tangents
        ...     return log1pexp(x), t * (1 - 1 / (1 + jnp.exp(x)))
        >>> fx.grad(log1pexp)(100.0)
        Array(1., dtype=float32, weak_type=True)
    """

    what = "custom_jvp"

    @public
    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()):
        super().__init__(fun, nondiff_argnums)
        self.jvp: Callable[..., Any] | None = None

    def defjvp(self, jvp: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Set the rule `jvp(*nondiff_args, primals, tangents) -> (out, tangent_out)`."""
        self.jvp = jvp
        return jvp

    @public
    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Set one rule an argument: `jvp(tangent, out, *primals) -> tangent_out`, None for zero."""
        if self.nondiff_argnums:
            raise FxTypeError("custom_jvp.defjvps takes no nondiff_argnums; use defjvp instead.")

        def rule(primals: Any, tangents: Any) -> Any:
            if len(primals) != len(jvps):
                raise FxTypeError(
                    f"custom_jvp.defjvps of {name_of(self.fun)} got {len(jvps)} rules for "
                    f"{len(primals)} arguments. Give one an argument, None for a zero derivative."
                )
            out = self(*primals)
            terms = [
                f(t, out, *primals) for f, t in zip(jvps, tangents, strict=True) if f is not None
            ]
            if not terms:
                return out, instantiate(None, out)
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            return out, total

        self.jvp = rule

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.jvp is None:
            raise FxTypeError(
                f"custom_jvp function {name_of(self.fun)} has no rule: decorate one with "
                f"@{name_of(self.fun)}.defjvp."
            )
        fixed, rest, merge = self._split(args, kwargs)
        leaves, tree = tree_flatten((tuple(rest), {}))
        flat = FlatFunction(lambda *xs: self.fun(*merge(xs)), tree, what=self.what)
        out_tree: list[Any] = []

        def rule(*both: Any) -> list[Any]:
            half = len(both) // 2
            primals = tree_unflatten(tree, both[:half])[0]
            tangents = tree_unflatten(tree, both[half:])[0]
            pair = self.jvp(*fixed, primals, tangents)  # type: ignore[misc]
            return self._check_pair(pair, out_tree)

        outs = call_custom(custom_jvp_p, flat, (rule,), self._arrays(leaves))
        structure = flat.out_tree if flat.out_tree is not None else out_tree[0]
        return tree_unflatten(structure, outs)

    def _check_pair(self, pair: Any, out_tree: list[Any]) -> list[Any]:
        name = name_of(self.fun)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise FxTypeError(
                f"custom_jvp rule of {name} must return a pair (out, tangent_out), got "
                f"{type(pair).__name__}."
            )
        outs, tree = tree_flatten(pair[0])
        touts, t_tree = tree_flatten(pair[1])
        if tree != t_tree:
            raise TreeError(
                f"custom_jvp rule of {name}: the tangent must have the structure of the result, "
                f"{tree}, got {t_tree}."
            )
        out_tree[:] = [tree]
        outs = [to_array(x) for x in outs]
        fixed = []
        for x, t in zip(outs, touts, strict=True):
            if getattr(t, "dtype", None) == dtypes.float0:
                fixed.append(instantiate(None, x))
                continue
            t = to_array(t)
            if t.shape != x.shape or (t.dtype != x.dtype and not t.weak_type):
                raise ShapeError(
                    f"custom_jvp rule of {name}: the tangent of {x.aval.strong().short()} must "
                    f"have that type, got {t.aval.short()}."
                )
            fixed.append(_cast(t, x.dtype))
        return outs + fixed


def _with_zeros(ct: Any, structure: Any) -> list[Any] | None:
    """The leaves of a cotangent that has None in place of subtrees of a structure, or None."""
    try:
        full = flatten_prefix("custom_vjp", ct, structure, is_leaf=is_none)
    except TreeError:
        return None
    whole = tree_unflatten(structure, range(structure.num_leaves))
    paths = {path for path, _ in tree_flatten_with_path(whole)[0]}
    return full if all(path in paths for path, _ in tree_flatten_with_path(ct)[0]) else None


def _cast(x: Any, dtype: Any) -> Any:
    return x if x.dtype == dtype else P.convert_element_type(x, new_dtype=dtype)


class custom_vjp(_Custom):
    """A function with a reverse-mode rule of its own.

    Args:
        fun: a function of arrays in pytrees.
        nondiff_argnums: positions of arguments that are Python values for the rules.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> @fx.custom_vjp
        ... def clip_gradient(x):
        ...     return x
        >>> clip_gradient.defvjp(lambda x: (x, None), lambda _, g: (jnp.clip(g, -1.0, 1.0),))
        >>> fx.grad(lambda x: 10 * clip_gradient(x))(2.0)
        Array(1., dtype=float32, weak_type=True)
    """

    what = "custom_vjp"

    @public
    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()):
        super().__init__(fun, nondiff_argnums)
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None

    def defvjp(
        self,
        fwd: Callable[..., Any],
        bwd: Callable[..., Any],
        symbolic_zeros: bool = False,
        optimize_remat: bool = False,
    ) -> None:
        """Set the rules.

        Args:
            fwd: `fwd(*args) -> (out, residuals)`.
            bwd: `bwd(*nondiff_args, residuals, cotangent) -> tuple of cotangents`, one for each
                differentiable argument; None stands for zero.
            symbolic_zeros, optimize_remat: accepted as in JAX, without effect.
        """
        self.fwd, self.bwd = fwd, bwd

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.fwd is None or self.bwd is None:
            raise FxTypeError(
                f"custom_vjp function {name_of(self.fun)} has no rules: call "
                f"{name_of(self.fun)}.defvjp(fwd, bwd)."
            )
        forward, backward = self.fwd, self.bwd
        fixed, rest, merge = self._split(args, kwargs)
        leaves, tree = tree_flatten((tuple(rest), {}))
        arrays = self._arrays(leaves)
        flat = FlatFunction(lambda *xs: self.fun(*merge(xs)), tree, what=self.what)
        trees: dict[str, Any] = {}
        avals = [x.aval for x in arrays]

        def fwd(*inner: Any) -> list[Any]:
            pair = forward(*merge(tree_unflatten(tree, inner)[0]))
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise FxTypeError(
                    f"custom_vjp fwd of {name_of(self.fun)} must return a pair (out, residuals), "
                    f"got {type(pair).__name__}."
                )
            outs, trees["out"] = tree_flatten(pair[0])
            residuals, trees["res"] = tree_flatten(pair[1])
            trees["count"] = len(outs)
            return [to_array(x) for x in (*outs, *residuals)]

        def bwd(*inner: Any) -> list[Any]:
            split = len(inner) - trees["count"]
            residuals = tree_unflatten(trees["res"], inner[:split])
            cotangent = tree_unflatten(trees["out"], inner[split:])
            result = backward(*fixed, residuals, cotangent)
            return self._check_cotangents(result, tree, avals)

        bwd.count = lambda: trees["count"]  # type: ignore[attr-defined]
        outs = call_custom(custom_vjp_p, flat, (fwd, bwd), arrays)
        structure = flat.out_tree if flat.out_tree is not None else trees["out"]
        return tree_unflatten(structure, outs)

    def _check_cotangents(self, result: Any, tree: Any, avals: Sequence[ShapedArray]) -> list[Any]:
        name = name_of(self.fun)
        args_tree = tree_unflatten(tree, range(tree.num_leaves))[0]
        if isinstance(result, list):
            result = tuple(result)
        if not isinstance(result, tuple) or len(result) != len(args_tree):
            got = f"{len(result)} of them" if isinstance(result, tuple) else type(result).__name__
            raise FxTypeError(
                f"custom_vjp bwd of {name} must return a tuple of {len(args_tree)} cotangents, "
                f"one for each differentiable argument, got {got}."
            )
        flat: list[Any] = []
        for arg, ct in zip(args_tree, result, strict=True):
            leaves, structure = tree_flatten(arg)
            if ct is None:
                flat.extend([None] * len(leaves))
                continue
            # None is a zero, for an array or for all of a subtree.
            cts, ct_tree = tree_flatten(ct)
            if ct_tree != structure:
                cts = _with_zeros(ct, structure)
            if cts is None:
                raise TreeError(
                    f"custom_vjp bwd of {name}: a cotangent must have the structure of its "
                    f"argument, {structure}, got {ct_tree}."
                )
            flat.extend(cts)
        checked: list[Any] = []
        for ct, aval in zip(flat, avals, strict=True):
            if ct is None or getattr(ct, "dtype", None) == dtypes.float0:
                checked.append(instantiate(None, aval))
                continue
            ct = to_array(ct)
            if ct.shape != aval.shape:
                raise ShapeError(
                    f"custom_vjp bwd of {name}: the cotangent of an argument "
                    f"{aval.strong().short()} must have its shape, got {ct.aval.short()}."
                )
            checked.append(_cast(ct, aval.dtype))
        return checked
