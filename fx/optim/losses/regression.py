"""Losses of predicted numbers and directions."""

from __future__ import annotations

import math
from typing import Any

import fx.numpy as jnp
from fx.core.array import Array, to_array
from fx.errors import public
from fx.lax.arguments import ArrayLike
from fx.nn import softplus
from fx.optim.losses.arguments import floating, same_shape


def _errors(name: str, predictions: Any, targets: Any, shapes: bool = False) -> Array:
    x = floating(name, predictions, "predictions")
    if targets is None:
        return x
    y = to_array(targets, f"optim.{name}")
    if shapes:
        same_shape(name, x, y)
    return x - y


@public
def squared_error(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """(prediction − target)², number by number.

    Args:
        predictions: floats.
        targets: numbers of the same shape; 0 if None.

    Returns:
        an array of the shape of predictions.

    Raises:
        ShapeError: the shapes differ.
        FxTypeError: predictions are not floats.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.squared_error(jnp.array([1.0, 5.0]), jnp.array([2.0, 2.0]))
        Array([1., 9.], dtype=float32)
    """
    errors = _errors("squared_error", predictions, targets, shapes=True)
    return errors * errors


@public
def l2_loss(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """½ (prediction − target)², number by number, whose gradient is the error.

    Args:
        predictions: floats.
        targets: numbers of the same shape; 0 if None.

    Returns:
        an array of the shape of predictions.

    Raises:
        ShapeError: the shapes differ.
        FxTypeError: predictions are not floats.

    Source: Bishop, "Pattern recognition and machine learning", 2006, section 3.1.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.l2_loss(jnp.array([1.0, 5.0]), jnp.array([2.0, 2.0]))
        Array([0.5, 4.5], dtype=float32)
    """
    errors = _errors("l2_loss", predictions, targets, shapes=True)
    return 0.5 * (errors * errors)


@public
def huber_loss(
    predictions: ArrayLike, targets: ArrayLike | None = None, *, delta: float = 1.0
) -> Array:
    """½ error² for small errors, delta · (|error| − ½ delta) for those larger than delta.

    Args:
        predictions: floats.
        targets: numbers; 0 if None.
        delta: where the parabola meets the line.

    Returns:
        an array of the broadcast shape.

    Raises:
        FxTypeError: predictions are not floats.

    Source: Huber, "Robust estimation of a location parameter", 1964.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.huber_loss(jnp.array([0.5, 3.0]))
        Array([0.125, 2.5  ], dtype=float32)
    """
    size = jnp.abs(_errors("huber_loss", predictions, targets))
    curved = jnp.minimum(size, delta)
    return 0.5 * (curved * curved) + delta * (size - curved)


@public
def log_cosh(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """log(cosh(error)): about ½ error² for small errors and |error| − log 2 for large ones.

    Args:
        predictions: floats.
        targets: numbers; 0 if None.

    Returns:
        an array of the broadcast shape.

    Raises:
        FxTypeError: predictions are not floats.

    Source: Chen et al., "Log hyperbolic cosine loss improves variational auto-encoder", 2019.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.log_cosh(jnp.array([0.0, 100.0])).round(3)
        Array([ 0.   , 99.307], dtype=float32)
    """
    errors = _errors("log_cosh", predictions, targets)
    return errors + softplus(-2 * errors) - math.log(2)


@public
def cosine_similarity(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    epsilon: float = 0.0,
    axis: Any = -1,
    where: ArrayLike | None = None,
) -> Array:
    """The cosine of the angle between vectors, from −1 to 1.

    Args:
        predictions: floats; vectors along axis.
        targets: floats; vectors along axis.
        epsilon: the smallest squared norm that is divided by.
        axis: the axis (or axes) of the vectors.
        where: which numbers count; None for all.

    Returns:
        an array of the broadcast shape without the axis.

    Raises:
        FxTypeError: the vectors are not of floats.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.cosine_similarity(jnp.array([3.0, 4.0]), jnp.array([1.0, 0.0])).round(3)
        Array(0.6, dtype=float32)
    """
    x = floating("cosine_similarity", predictions, "predictions")
    y = floating("cosine_similarity", targets, "targets")

    def unit(v: Any) -> Any:
        square = jnp.sum(v * v, axis=axis, keepdims=True, where=where)
        return v / jnp.sqrt(jnp.maximum(square, epsilon))

    return jnp.sum(unit(x) * unit(y), axis=axis, where=where)


@public
def cosine_distance(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    epsilon: float = 0.0,
    axis: Any = -1,
    where: ArrayLike | None = None,
) -> Array:
    """1 − `cosine_similarity`, from 0 to 2.

    Args:
        predictions: floats; vectors along axis.
        targets: floats; vectors along axis.
        epsilon: the smallest squared norm that is divided by.
        axis: the axis (or axes) of the vectors.
        where: which numbers count; None for all.

    Returns:
        an array of the broadcast shape without the axis.

    Raises:
        FxTypeError: the vectors are not of floats.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.cosine_distance(jnp.array([3.0, 4.0]), jnp.array([1.0, 0.0])).round(3)
        Array(0.4, dtype=float32)
    """
    return 1.0 - cosine_similarity(predictions, targets, epsilon=epsilon, axis=axis, where=where)
