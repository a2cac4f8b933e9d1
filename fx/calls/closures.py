"""closure_convert: make the traced values that a function closes over its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fx.core.array import aval_of
from fx.core.interpret import eval_jaxpr
from fx.errors import public
from fx.pytree import tree_flatten, tree_unflatten
from fx.transforms.stage import FlatFunction, hoist, origin_of, stage


@public
def closure_convert(
    fun: Callable[..., Any], *example_args: Any
) -> tuple[Callable[..., Any], list[Any]]:
    """A function without captured tracers, and the list of those that it takes instead.

    A custom_vjp rule must not close over values that are being differentiated; convert first and
    pass them along.

    Args:
        fun: a function of arrays in pytrees.
        *example_args: arrays of the types that it will be called with.

    Returns:
        `(converted, captured)` with `converted(*args, *captured)` equal to `fun(*args)`.

    Example:
        >>> import fx
        >>> f, captured = fx.closure_convert(lambda x: x + 1, 2.0)
        >>> f(3.0, *captured)
        Array(4., dtype=float32, weak_type=True)
    """
    leaves, tree = tree_flatten((example_args, {}))
    flat = FlatFunction(fun, tree, what="closure_convert")
    jaxpr, captured = hoist(
        stage(flat, [aval_of(x) for x in leaves], what="closure_convert", origin=origin_of(fun))
    )

    def converted(*args: Any) -> Any:
        split = len(args) - len(captured)
        inner, _ = tree_flatten(args[:split])
        return tree_unflatten(flat.out_tree, eval_jaxpr(jaxpr, [*args[split:], *inner]))

    return converted, captured
