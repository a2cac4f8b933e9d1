"""From a Python function to a jaxpr, and from pytrees of arguments to flat lists and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from fx.core.array import Array, is_arraylike, to_array
from fx.core.avals import ShapedArray
from fx.core.check import checked
from fx.core.ir import Jaxpr
from fx.core.leaks import leak_checked
from fx.core.trace import StagingTrace, Tracer, push
from fx.errors import FxTypeError
from fx.pytree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path, tree_unflatten


class FlatFunction:
    """A function of pytrees as a function of flat lists; remembers the tree of its results."""

    def __init__(self, function: Callable[..., Any], in_tree: PyTreeDef, *, what: str):
        self.function = function
        self.in_tree = in_tree
        self.what = what
        self.out_tree: Any = None

    def __call__(self, *leaves: Any) -> list[Array]:
        args, kwargs = tree_unflatten(self.in_tree, leaves)
        out = self.function(*args, **kwargs)
        outs, self.out_tree = tree_flatten(out)
        return [x if isinstance(x, Array) else self._convert(x, out) for x in outs]

    def _convert(self, x: Any, out: Any) -> Array:
        if is_arraylike(x):
            return to_array(x)
        path = next(keystr(p) for p, leaf in tree_flatten_with_path(out)[0] if leaf is x)
        raise FxTypeError(
            f"{self.what} of {name_of(self.function)} expects a function that returns arrays, "
            f"got {type(x).__name__} at result{path}. Return arrays or numbers (in any pytree)."
        )


def name_of(function: Any) -> str:
    """A readable name of a function, also of partials and callables."""
    inner = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
    name = getattr(function, "__name__", None)
    if name is None:
        return name_of(inner) if inner is not None else type(function).__name__
    return name


def origin_of(function: Any) -> str:
    """`name at file:line` of a function, for messages."""
    target = inspect.unwrap(function) if callable(function) else function
    while hasattr(target, "func"):
        target = target.func
    code = getattr(target, "__code__", None)
    where = f" at {code.co_filename}:{code.co_firstlineno}" if code is not None else ""
    return f"{name_of(function)}{where}"


def arg_names(function: Callable[..., Any], args: Any, kwargs: Any) -> list[str]:
    """A name such as `params['w']` for each leaf of the arguments."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
        parts: list[tuple[str, Any]] = []
        for name, value in bound.arguments.items():
            kind = bound.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                parts.extend((f"{name}[{i}]", v) for i, v in enumerate(value))
            elif kind is inspect.Parameter.VAR_KEYWORD:
                parts.extend(sorted(value.items()))
            elif kind is inspect.Parameter.KEYWORD_ONLY:
                continue
            else:
                parts.append((name, value))
        positional = {name for name, _ in parts}
        parts.extend((k, kwargs[k]) for k in sorted(kwargs) if k not in positional)
    except (TypeError, ValueError):
        parts = [(f"args[{i}]", v) for i, v in enumerate(args)]
        parts.extend((k, kwargs[k]) for k in sorted(kwargs))
    return [
        name + keystr(path) for name, value in parts for path, _ in tree_flatten_with_path(value)[0]
    ]


@leak_checked
def stage(
    function: Callable[..., Sequence[Any]],
    avals: Sequence[ShapedArray],
    *,
    what: str = "jit",
    origin: str = "a function",
    names: Sequence[str] = (),
) -> Jaxpr:
    """Trace a function of flat lists to a jaxpr; its constants may be tracers (see `hoist`)."""
    trace = StagingTrace(origin, what=what)
    with push(trace):
        padded = list(names) if len(names) == len(avals) else [""] * len(avals)
        args = [trace.new_arg(a, name) for a, name in zip(avals, padded, strict=True)]
        outs = function(*args)
        return checked(trace.to_jaxpr(outs))


def hoist(jaxpr: Jaxpr) -> tuple[Jaxpr, list[Any]]:
    """Turn constants that are tracers into leading inputs; returns the jaxpr and those tracers.

    A jaxpr that is kept (in a cache, in an equation) must not hold tracers.
    """
    if not any(type(c) is Tracer for c in jaxpr.consts):
        return jaxpr, []
    pairs = list(zip(jaxpr.constvars, jaxpr.consts, strict=True))
    free = [(v, c) for v, c in pairs if type(c) is Tracer]
    kept = [(v, c) for v, c in pairs if type(c) is not Tracer]
    closed = Jaxpr(
        [v for v, _ in free] + jaxpr.invars,
        jaxpr.outvars,
        jaxpr.eqns,
        [v for v, _ in kept],
        [c for _, c in kept],
    )
    return closed, [c for _, c in free]
