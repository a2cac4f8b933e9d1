"""Cumulative reductions: `cumsum` and its kin, as a table."""

from __future__ import annotations

from collections.abc import Callable

import fx.ops  # noqa: F401 (registers the primitives)
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import public
from fx.lax.arguments import ArrayLike, canonical_axis

_DOC = """{text}

    Args:
        operand: an array of {kinds} dtype.
        axis: the axis to go along; negative ones count from the end.
        reverse: go from the last element to the first.

    Returns:
        an array of the same shape and dtype.

    Raises:
        FxTypeError: the dtype is another.
        FxValueError: the axis does not exist.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> {example}
        {result}
    """


def _cumulative(
    name: str, text: str, kinds: str, example: str, result: str
) -> Callable[..., Array]:
    bind = getattr(P, name)

    def function(operand: ArrayLike, axis: int = 0, reverse: bool = False) -> Array:
        x = to_array(operand, f"lax.{name}")
        index = canonical_axis(f"lax.{name}", axis, x.ndim)
        return bind(x, axis=index, reverse=bool(reverse))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(text=text, kinds=kinds, example=example, result=result)
    return public(function)


cumsum = _cumulative(
    "cumsum",
    "Running sum: element i is the sum of the elements up to i.",
    "number",
    "lax.cumsum(jnp.array([1, 2, 3]), reverse=True)",
    "Array([6, 5, 3], dtype=int32)",
)
cumprod = _cumulative(
    "cumprod",
    "Running product; differentiable at zeros too.",
    "number",
    "lax.cumprod(jnp.array([1, 2, 3]))",
    "Array([1, 2, 6], dtype=int32)",
)
cummax = _cumulative(
    "cummax",
    "Running maximum. NaN wins from where it stands; elements that tie share the derivative.",
    "any (but key)",
    "lax.cummax(jnp.array([1, 3, 2]))",
    "Array([1, 3, 3], dtype=int32)",
)
cummin = _cumulative(
    "cummin",
    "Running minimum. NaN wins from where it stands; elements that tie share the derivative.",
    "any (but key)",
    "lax.cummin(jnp.array([2, 3, 1]))",
    "Array([2, 2, 1], dtype=int32)",
)
cumlogsumexp = _cumulative(
    "cumlogsumexp",
    "Running log(sum(exp(x))), without overflow.",
    "floating or complex",
    "lax.cumlogsumexp(jnp.array([0.0, 0.0]))",
    "Array([0.       , 0.6931472], dtype=float32)",
)
