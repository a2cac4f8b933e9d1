"""Losses of predicted classes: cross entropies of logits."""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx.core.array import Array, to_array
from fx.errors import FxTypeError, ShapeError, public
from fx.lax.arguments import ArrayLike, canonical_axes, canonical_axis
from fx.nn import log_sigmoid, log_softmax, logsumexp, softmax, softplus
from fx.optim.base import Numeric
from fx.optim.losses.arguments import floating, integers


@public
def sigmoid_binary_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """−log of the probability of a binary label, number by number.

    Args:
        logits: floats; the log-odds of label 1.
        labels: 0 or 1, or a probability of 1; broadcast against logits.

    Returns:
        an array of the broadcast shape. Sum it over independent labels.

    Raises:
        FxTypeError: logits are not floats.

    Source: Goodfellow, Bengio and Courville, "Deep learning", 2016, section 6.2.2.2.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.sigmoid_binary_cross_entropy(jnp.array([0.0, 9.0]), jnp.array([1, 1])).round(3)
        Array([0.693, 0.   ], dtype=float32)
    """
    x = floating("sigmoid_binary_cross_entropy", logits, "logits")
    y = jnp.astype(to_array(labels), x.dtype)
    return softplus(x) - y * x


@public
def softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, axis: Any = -1, where: ArrayLike | None = None
) -> Array:
    """−Σ label · log softmax(logits): the cross entropy of distributions over classes.

    Args:
        logits: floats; classes along axis.
        labels: probabilities of the classes (or one-hot codes), broadcast against logits.
        axis: the axis (or axes) of the classes.
        where: which classes count; None for all.

    Returns:
        an array of the broadcast shape without the axis.

    Raises:
        FxTypeError: logits are not floats.

    Source: Goodfellow, Bengio and Courville, "Deep learning", 2016, section 6.2.2.3.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.softmax_cross_entropy(jnp.array([0.0, 0.0]), jnp.array([1.0, 0.0])).round(3)
        Array(0.693, dtype=float32)
    """
    x = floating("softmax_cross_entropy", logits, "logits")
    where = _spread(where, x, axis)
    log_p = log_softmax(x, axis, where)
    if where is not None:  # it is −∞ elsewhere, and so would derivatives by the labels be
        log_p = jnp.where(where, log_p, 0)
    return -jnp.sum(labels * log_p, axis=axis, where=where)


@public
def safe_softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """`softmax_cross_entropy` over the last axis, where labels of 0 may meet logits of −∞.

    Args:
        logits: floats; classes along the last axis.
        labels: probabilities of the classes, of the same shape.

    Returns:
        an array without the last axis.

    Raises:
        FxTypeError: logits are not floats.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> logits = jnp.array([0.0, 0.0, -jnp.inf])
        >>> optim.safe_softmax_cross_entropy(logits, jnp.array([1.0, 0.0, 0.0])).round(3)
        Array(0.693, dtype=float32)
    """
    x, y = floating("safe_softmax_cross_entropy", logits, "logits"), to_array(labels)
    used = y != 0
    # Both factors are replaced where the label is 0, so that neither 0 · ∞ nor its derivative is
    # formed.
    terms = y * jnp.where(used, log_softmax(x, -1), 0)
    return -jnp.sum(jnp.where(used, terms, 0), axis=-1)


@public
def softmax_cross_entropy_with_integer_labels(
    logits: ArrayLike, labels: ArrayLike, axis: Any = -1, where: ArrayLike | None = None
) -> Array:
    """log Σ exp(logits) − logits[label]: the cross entropy of a class given by its number.

    Args:
        logits: floats; classes along axis.
        labels: integers, in the shape of logits without the axis.
        axis: the axis of the classes; several axes are taken as one, in their order.
        where: which classes count; None for all.

    Returns:
        an array of the shape of labels; 0 where no class counts.

    Raises:
        FxTypeError: logits are not floats, labels not integers, or axis neither an int nor a
            tuple.
        ShapeError: the shapes do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> logits = jnp.array([[0.0, 0.0], [9.0, 0.0]])
        >>> optim.softmax_cross_entropy_with_integer_labels(logits, jnp.array([1, 0])).round(3)
        Array([0.693, 0.   ], dtype=float32)
    """
    name = "softmax_cross_entropy_with_integer_labels"
    x, y = floating(name, logits, "logits"), integers(name, labels, "labels")
    where = _spread(where, x, axis)
    if isinstance(axis, tuple):
        classes = canonical_axes(f"optim.{name}", axis, x.ndim)
        rest = tuple(i for i in range(x.ndim) if i not in classes)
        shape = tuple(x.shape[i] for i in rest) + (-1,)
        if where is not None:
            where = jnp.reshape(jnp.transpose(where, rest + classes), shape)
        x, axis = jnp.reshape(jnp.transpose(x, rest + classes), shape), len(rest)
    elif isinstance(axis, int):
        axis = canonical_axis(f"optim.{name}", axis, x.ndim)
    else:
        raise FxTypeError(f"optim.{name}: got axis={axis!r}, expected an int or a tuple of ints.")
    expected = x.shape[:axis] + x.shape[axis + 1 :]
    if y.shape != expected:
        raise ShapeError(
            f"optim.{name}: got labels of shape {y.shape}, expected {expected}: that of logits, "
            f"{x.shape}, without the axis of the classes. One-hot labels are for "
            "optim.softmax_cross_entropy."
        )
    chosen = jnp.squeeze(jnp.take_along_axis(x, jnp.expand_dims(y, axis), axis=axis), axis)
    loss = logsumexp(x, axis=axis, where=where) - chosen
    return loss if where is None else jnp.where(jnp.any(where, axis), loss, 0)


@public
def poly_loss_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    epsilon: float = 2.0,
    axis: Any = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`softmax_cross_entropy` + epsilon · Σ label · (1 − probability).

    Args:
        logits: floats; classes along axis.
        labels: probabilities of the classes, broadcast against logits.
        epsilon: the weight of the second term.
        axis: the axis (or axes) of the classes.
        where: which classes count; None for all.

    Returns:
        an array of the broadcast shape without the axis.

    Raises:
        FxTypeError: logits or labels are not floats.

    Source: Leng et al., "PolyLoss: a polynomial expansion perspective of classification loss
    functions", 2022.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> f = optim.losses.poly_loss_cross_entropy
        >>> f(jnp.array([0.0, 0.0]), jnp.array([1.0, 0.0])).round(3)
        Array(1.693, dtype=float32)
    """
    x = floating("poly_loss_cross_entropy", logits, "logits")
    y = floating("poly_loss_cross_entropy", labels, "labels")
    missed = jnp.sum(y * (1 - softmax(x, axis, where)), axis=axis, where=where)
    return softmax_cross_entropy(x, y, axis, where) + epsilon * missed


@public
def sigmoid_focal_loss(
    logits: ArrayLike, labels: ArrayLike, *, alpha: Numeric = None, gamma: Numeric = 2.0
) -> Array:
    """`sigmoid_binary_cross_entropy` times (1 − p)^gamma, p the probability of the label.

    Args:
        logits: floats; the log-odds of label 1.
        labels: 0 or 1.
        alpha: the weight of label 1 (1 − alpha is that of label 0); None for no weights.
        gamma: how much labels that are predicted well are left out.

    Returns:
        an array of the broadcast shape.

    Raises:
        FxTypeError: logits are not floats.

    Source: Lin, Goyal, Girshick, He and Dollár, "Focal loss for dense object detection", 2017.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.sigmoid_focal_loss(jnp.array([0.0, 9.0]), jnp.array([1, 1])).round(3)
        Array([0.173, 0.   ], dtype=float32)
    """
    x = floating("sigmoid_focal_loss", logits, "logits")
    y = jnp.astype(to_array(labels), x.dtype)
    # log(1 - p) = log(y q + (1 - y) p'), of log-probabilities, as p may round to 1.
    both = jnp.stack(jnp.broadcast_arrays(log_sigmoid(x), log_sigmoid(-x)), axis=-1)
    weights = jnp.stack(jnp.broadcast_arrays(1 - y, y), axis=-1)
    weights = jnp.broadcast_to(weights, jnp.broadcast_shapes(both.shape, weights.shape))
    log_miss = logsumexp(jnp.broadcast_to(both, weights.shape), axis=-1, b=weights)
    loss = sigmoid_binary_cross_entropy(x, y) * jnp.exp(gamma * log_miss)
    return loss if alpha is None else (alpha * y + (1 - alpha) * (1 - y)) * loss


def _spread(where: Any, logits: Array, axis: Any) -> Any:
    """A mask without the axis of the classes, with it."""
    if where is None:
        return None
    where = to_array(where)
    return where if where.ndim == logits.ndim else jnp.expand_dims(where, axis)
