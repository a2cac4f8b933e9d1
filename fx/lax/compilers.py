"""Hints to compilers and choices of platforms, which mean little on one CPU."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from fx.core.array import to_array
from fx.core.trace import named_scope
from fx.errors import FxTypeError, FxValueError, checked, public
from fx.pytree import tree_map
from fx.signatures import shown


@public
def optimization_barrier(operand: Any, /) -> Any:
    """The arrays of a tree unchanged. fx's compiler never reorders across results that are used.

    Args:
        operand: arrays in a pytree.

    Example:
        >>> from fx import lax
        >>> lax.optimization_barrier(2.0)
        Array(2., dtype=float32, weak_type=True)
    """
    return tree_map(lambda x: to_array(x, "optimization_barrier"), operand)


@public
def platform_dependent(
    *args: Any, default: Callable[..., Any] | None = None, **per_platform: Callable[..., Any]
) -> Any:
    """Call the function for this platform: `cpu`.

    Args:
        *args: of the functions.
        default: for platforms that are not named.
        **per_platform: a function by the name of the platform.

    Raises:
        FxValueError: there is neither `cpu` nor a default.

    Example:
        >>> from fx import lax
        >>> lax.platform_dependent(2.0, cpu=lambda x: x + 1, cuda=lambda x: x - 1)
        3.0
    """
    chosen = per_platform.get("cpu", default)
    if chosen is None:
        raise FxValueError(
            f"platform_dependent has functions for {sorted(per_platform)}, but runs on 'cpu'. Pass "
            "cpu= or default=."
        )
    if not callable(chosen):
        raise FxTypeError(f"platform_dependent expects functions, got {shown(chosen)}.")
    return chosen(*args)


@checked
def composite(decomposition: Callable[..., Any], name: str, version: int = 0) -> Callable[..., Any]:
    """A function under a name that other compilers may know; fx runs it as it is.

    Args:
        decomposition: the function; its keyword arguments are attributes.
        name: of the operation; it shows in the sources of printed programs.
        version: accepted as in JAX.

    Example:
        >>> from fx import lax
        >>> lax.composite(lambda x, *, scale: x * scale, "my.scaled")(2.0, scale=3.0)
        6.0
    """

    @functools.wraps(decomposition)
    def call(*args: Any, **kwargs: Any) -> Any:
        with named_scope(name):
            return decomposition(*args, **kwargs)

    return call
