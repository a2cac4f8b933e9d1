"""custom_gradient: a function that returns its reverse-mode rule beside its value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from fx.calls.closures import closure_convert
from fx.calls.custom import custom_vjp
from fx.core.array import aval_of
from fx.errors import FxTypeError, checked
from fx.pytree import Partial, tree_map
from fx.transforms.stage import name_of


@checked
def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns its own reverse-mode rule beside its value.

    Args:
        fun: from arrays in pytrees to `(out, rule)`, where `rule(cotangent)` gives the cotangent
            of the argument, or a tuple of them for several arguments. The rule may close over
            what `fun` computed.

    Returns:
        A function of the same arguments that returns `out`.

    Example:
        >>> import fx
        >>> square = fx.custom_gradient(lambda x: (x * x, lambda g: 5 * g * x))
        >>> square(3.0), fx.grad(square)(3.0)
        (Array(9., dtype=float32, weak_type=True), Array(15., dtype=float32, weak_type=True))
    """

    def pair(args: Any) -> tuple[Any, Any]:
        out = fun(*args)
        if not isinstance(out, (tuple, list)) or len(out) != 2 or not callable(out[1]):
            raise FxTypeError(
                f"custom_gradient expects {name_of(fun)} to return a pair (value, rule), where "
                "rule maps a cotangent of the value to those of the arguments."
            )
        return out[0], out[1]

    @functools.wraps(fun)
    def value(*args: Any) -> Any:
        return pair(args)[0]

    wrapped = custom_vjp(value)

    def forward(*args: Any) -> tuple[Any, Any]:
        out, rule = pair(args)
        cotangent = tree_map(lambda x: aval_of(x).strong(), out)
        converted, captured = closure_convert(rule, cotangent)

        def back(*inner: Any) -> tuple[Any, ...]:
            cts = converted(inner[-1], *inner[:-1])
            return cts if isinstance(cts, tuple) else (cts,)

        # The program travels in the structure of the residuals, what it captured as their leaves.
        return out, Partial(back, *captured)

    wrapped.defvjp(forward, lambda residuals, cotangent: residuals(cotangent))
    return wrapped
