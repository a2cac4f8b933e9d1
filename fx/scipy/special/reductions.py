"""Softmax as SciPy calls it: over all axes unless told otherwise."""

from __future__ import annotations

from typing import Any

from fx.core.array import Array
from fx.errors import public
from fx.nn import functions

Axis = int | tuple[int, ...] | None


@public
def softmax(x: Any, /, *, axis: Axis = None) -> Array:
    """exp(x) / Σ exp(x): positive numbers that add up to 1.

    Args:
        x: array; integers become floats.
        axis: the axis or axes that add up to 1; None for all.

    Returns:
        Array like `x`.

    Raises:
        FxValueError: an axis does not exist.

    Example:
        >>> from fx.scipy import special
        >>> import fx.numpy as jnp
        >>> special.softmax(jnp.zeros((2, 2)))
        Array([[0.25, 0.25],
               [0.25, 0.25]], dtype=float32)
    """
    return functions.softmax(x, axis)


@public
def log_softmax(x: Any, /, *, axis: Axis = None) -> Array:
    """Logarithm of `softmax`, without overflow.

    Args:
        x: array; integers become floats.
        axis: the axis or axes that add up to 1; None for all.

    Returns:
        Array like `x`.

    Raises:
        FxValueError: an axis does not exist.

    Example:
        >>> from fx.scipy import special
        >>> import fx.numpy as jnp
        >>> special.log_softmax(jnp.zeros(2))
        Array([-0.6931472, -0.6931472], dtype=float32)
    """
    return functions.log_softmax(x, axis)
