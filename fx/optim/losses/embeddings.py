"""Losses of embeddings and rankings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fx.numpy as jnp
from fx import dtypes
from fx.core.array import Array, to_array
from fx.errors import ShapeError, public
from fx.lax.arguments import ArrayLike
from fx.nn import log_softmax, logsumexp
from fx.optim.base import Numeric
from fx.optim.losses.arguments import floating
from fx.optim.losses.regression import cosine_similarity


@public
def ntxent(embeddings: ArrayLike, labels: ArrayLike, temperature: Numeric = 0.07) -> Array:
    """The normalized, temperature-scaled cross entropy of pairs of equal labels.

    Args:
        embeddings: floats (n, features).
        labels: integers (n,); some labels occur twice or more.
        temperature: a divisor of the cosines.

    Returns:
        an array of shape (): the mean over all ordered pairs of equal labels, each against the
        embeddings of other labels.

    Raises:
        FxTypeError: embeddings are not floats.
        ShapeError: there are not as many labels as embeddings.

    Source: Chen, Kornblith, Norouzi and Hinton, "A simple framework for contrastive learning of
    visual representations", 2020.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> x = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> optim.losses.ntxent(x, jnp.array([0, 0, 1, 1]), temperature=1.0).round(3)
        Array(0.551, dtype=float32)
    """
    x, y = floating("losses.ntxent", embeddings, "embeddings"), to_array(labels)
    if y.shape != x.shape[:1]:
        raise ShapeError(
            f"optim.losses.ntxent: got embeddings of shape {x.shape} and labels of shape "
            f"{y.shape}, expected labels of shape {x.shape[:1]}."
        )
    tiny = float(dtypes.finfo(x.dtype).eps)
    cosines = cosine_similarity(x[None], x[:, None], epsilon=tiny) / temperature
    equal = y[:, None] == y[None]
    pairs = jnp.logical_and(equal, jnp.logical_not(jnp.eye(y.shape[0], dtype=jnp.bool_)))
    others = logsumexp(cosines, axis=1, keepdims=True, where=jnp.logical_not(equal))
    losses = jnp.logaddexp(cosines, others) - cosines
    return jnp.sum(jnp.where(pairs, losses, 0)) / jnp.sum(pairs)


@public
def triplet_margin_loss(
    anchors: ArrayLike,
    positives: ArrayLike,
    negatives: ArrayLike,
    axis: Any = -1,
    norm_degree: Numeric = 2,
    margin: Numeric = 1.0,
    eps: Numeric = 1e-6,
) -> Array:
    """max(0, distance to the positive − distance to the negative + margin).

    Args:
        anchors: floats; vectors along axis.
        positives: vectors that belong to the anchors.
        negatives: vectors that do not.
        axis: the axis (or axes) of the vectors.
        norm_degree: the order of the distance.
        margin: how much farther the negatives are to be.
        eps: added under the roots.

    Returns:
        an array of the broadcast shape without the axis.

    Raises:
        FxTypeError: an argument is not of floats.

    Source: Balntas, Riba, Ponsa and Mikolajczyk, "Learning local feature descriptors with triplets
    and shallow convolutional neural networks", 2016.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> a, p, n = jnp.zeros(2), jnp.array([3.0, 4.0]), jnp.array([0.0, 5.5])
        >>> optim.losses.triplet_margin_loss(a, p, n).round(3)
        Array(0.5, dtype=float32)
    """
    name = "losses.triplet_margin_loss"
    a = floating(name, anchors, "anchors")

    def distance(b: Any, what: str) -> Any:
        total = jnp.sum((a - floating(name, b, what)) ** norm_degree, axis=axis) + eps
        return total ** (1 / norm_degree)

    gap = distance(positives, "positives") - distance(negatives, "negatives") + margin
    return jnp.maximum(gap, 0)


@public
def ranking_softmax_loss(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    where: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    reduce_fn: Callable[..., Any] | None = jnp.mean,
) -> Array:
    """−Σ label · log softmax(logits) over the items of each list.

    Args:
        logits: floats (..., items): the scores.
        labels: (..., items): the relevance of each item.
        where: which items count; None for all.
        weights: factors of the labels; None for 1.
        reduce_fn: what is done with the losses of the lists, called with `where`; None for
            nothing.

    Returns:
        what reduce_fn gives; lists without items count as 0 or not at all.

    Raises:
        FxTypeError: logits are not floats.

    Source: Bruch, Wang, Bendersky and Najork, "An analysis of the softmax cross entropy loss for
    learning-to-rank with binary relevance", 2019.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> logits, labels = jnp.array([[0.0, 0.0]]), jnp.array([[1.0, 0.0]])
        >>> optim.losses.ranking_softmax_loss(logits, labels).round(3)
        Array(0.693, dtype=float32)
    """
    x = floating("losses.ranking_softmax_loss", logits, "logits")
    y = jnp.astype(to_array(labels), x.dtype)
    if weights is not None:
        y = y * jnp.asarray(weights)
    mask = None if where is None else jnp.asarray(where)
    log_p = log_softmax(x, -1, mask)
    if mask is None:
        losses = -jnp.sum(y * log_p, axis=-1)
        return losses if reduce_fn is None else reduce_fn(losses)
    losses = -jnp.sum(jnp.where(mask, y, 0) * jnp.where(mask, log_p, 0), axis=-1)
    some = jnp.any(mask, axis=-1)
    if reduce_fn is None:
        return jnp.where(some, losses, 0)
    if reduce_fn is jnp.mean:  # the mean over nothing is 0 here
        return jnp.sum(losses, where=some) / jnp.maximum(jnp.sum(some), 1)
    return reduce_fn(losses, where=some)
