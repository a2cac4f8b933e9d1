"""Divergences between distributions, and smoothed labels."""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx.core.array import Array
from fx.errors import public
from fx.lax.arguments import ArrayLike
from fx.optim.base import Numeric
from fx.optim.losses.arguments import floating


@public
def kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Any = -1, where: ArrayLike | None = None
) -> Array:
    """Σ target · (log target − log prediction): the Kullback-Leibler divergence.

    Args:
        log_predictions: logarithms of the predicted probabilities.
        targets: probabilities.
        axis: the axis (or axes) of the distributions.
        where: which numbers count; None for all.

    Returns:
        an array of the broadcast shape without the axis.

    Raises:
        FxTypeError: an argument is not of floats.

    Source: Kullback and Leibler, "On information and sufficiency", 1951.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.kl_divergence(jnp.log(jnp.array([0.5, 0.5])), jnp.array([1.0, 0.0])).round(3)
        Array(0.693, dtype=float32)
    """
    log_p = floating("kl_divergence", log_predictions, "log_predictions")
    q = floating("kl_divergence", targets, "targets")
    # The logarithm is taken of 1 instead of 0: neither 0 · ∞ nor its derivative is formed.
    log_q = jnp.log(jnp.where(q == 0, 1, q))
    return jnp.sum(q * (log_q - log_p), axis=axis, where=where)


@public
def kl_divergence_with_log_targets(
    log_predictions: ArrayLike,
    log_targets: ArrayLike,
    axis: Any = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`kl_divergence` of logarithms of both distributions.

    Args:
        log_predictions: logarithms of the predicted probabilities.
        log_targets: logarithms of probabilities.
        axis: the axis (or axes) of the distributions.
        where: which numbers count; None for all.

    Returns:
        an array of the broadcast shape without the axis.

    Raises:
        FxTypeError: an argument is not of floats.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> p = jnp.log(jnp.array([0.5, 0.5]))
        >>> optim.losses.kl_divergence_with_log_targets(p, p)
        Array(0., dtype=float32)
    """
    name = "kl_divergence_with_log_targets"
    log_p = floating(name, log_predictions, "log_predictions")
    log_q = floating(name, log_targets, "log_targets")
    return jnp.sum(jnp.exp(log_q) * (log_q - log_p), axis=axis, where=where)


@public
def generalized_kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Any = -1, where: ArrayLike | None = None
) -> Array:
    """`kl_divergence` + Σ (prediction − target), not negative for any positive numbers.

    Args:
        log_predictions: logarithms of the predicted numbers.
        targets: numbers that are not negative.
        axis: the axis (or axes) of the sums.
        where: which numbers count; None for all.

    Returns:
        an array of the broadcast shape without the axis.

    Raises:
        FxTypeError: an argument is not of floats.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.losses.generalized_kl_divergence(jnp.array([0.0, 0.0]), jnp.array([0.0, 1.0]))
        Array(1., dtype=float32)
    """
    divergence = kl_divergence(log_predictions, targets, axis, where)
    excess = jnp.exp(jnp.asarray(log_predictions)) - jnp.asarray(targets)
    return divergence + jnp.sum(excess, axis=axis, where=where)


@public
def convex_kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Any = -1, where: ArrayLike | None = None
) -> Array:
    """`generalized_kl_divergence` under its old name.

    Args:
        log_predictions: logarithms of the predicted numbers.
        targets: numbers that are not negative.
        axis: the axis (or axes) of the sums.
        where: which numbers count; None for all.

    Returns:
        an array of the broadcast shape without the axis.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.convex_kl_divergence(jnp.array([0.0, 0.0]), jnp.array([0.0, 1.0]))
        Array(1., dtype=float32)
    """
    return generalized_kl_divergence(log_predictions, targets, axis, where)


@public
def smooth_labels(
    labels: ArrayLike, alpha: Numeric, *, axis: Any = -1, where: ArrayLike | None = None
) -> Array:
    """(1 − alpha) · labels + alpha / number of classes.

    Args:
        labels: floats; one-hot codes along axis.
        alpha: the part that is spread over all classes.
        axis: the axis (or axes) of the classes.
        where: which classes count; None for all.

    Returns:
        an array of the shape of labels.

    Raises:
        FxTypeError: labels are not floats.

    Source: Müller, Kornblith and Hinton, "When does label smoothing help?", 2019.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.smooth_labels(jnp.array([0.0, 1.0]), 0.5)
        Array([0.25, 0.75], dtype=float32)
    """
    labels = floating("smooth_labels", labels, "labels")
    if where is None:
        count: Any = jnp.size(labels, axis)
    else:
        count = jnp.astype(jnp.sum(jnp.asarray(where), axis, keepdims=True), labels.dtype)
    return (1 - alpha) * labels + alpha / count
