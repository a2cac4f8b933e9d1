"""Losses of margins: hinges, perceptrons, sparsemax, and losses of a maximum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fx.numpy as jnp
from fx.core.array import Array, to_array
from fx.errors import ShapeError, checked, public
from fx.lax.arguments import ArrayLike
from fx.nn import one_hot, sparse_plus
from fx.optim.losses.arguments import same_shape
from fx.optim.projections import projection_simplex
from fx.transforms.mapping import vmap


@public
def hinge_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """max(0, 1 − output · target), number by number.

    Args:
        predictor_outputs: outputs of a decision function.
        targets: −1 or 1.

    Returns:
        an array of the broadcast shape.

    Source: Rosasco et al., "Are loss functions all the same?", 2004.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.hinge_loss(jnp.array([0.5, 3.0]), jnp.array([1, 1]))
        Array([0.5, 0. ], dtype=float32)
    """
    return jnp.maximum(0, 1 - to_array(predictor_outputs) * targets)


@public
def perceptron_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """max(0, −output · target), number by number.

    Args:
        predictor_outputs: outputs of a decision function.
        targets: −1 or 1, of the same shape.

    Returns:
        an array of that shape.

    Raises:
        ShapeError: the shapes differ.

    Source: Rosenblatt, "The perceptron: a probabilistic model for information storage and
    organization in the brain", 1958.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.losses.perceptron_loss(jnp.array([0.5, 3.0]), jnp.array([-1, 1]))
        Array([0.5, 0. ], dtype=float32)
    """
    x, y = to_array(predictor_outputs), to_array(targets)
    same_shape("losses.perceptron_loss", x, y)
    return jnp.maximum(0, -x * y)


@public
def sparsemax_loss(logits: ArrayLike, labels: ArrayLike) -> Array:
    """The binary loss of sparsemax, 0 for predictions that are clear.

    Args:
        logits: the score of label 1.
        labels: 0 or 1.

    Returns:
        an array of the broadcast shape.

    Source: Blondel, Martins and Niculae, "Learning with Fenchel-Young losses", 2020.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.losses.sparsemax_loss(jnp.array([0.0, 3.0]), jnp.array([1, 1]))
        Array([0.25, 0.  ], dtype=float32)
    """
    x = to_array(logits)
    return sparse_plus(jnp.where(to_array(labels), -x, x))


def _with_classes(scores: ArrayLike, least: int = 1) -> Array:
    """Scores as an array whose last axis is over the classes."""
    x = to_array(scores)
    if x.ndim < least:
        expected = "(batch, classes)" if least > 1 else "(..., classes)"
        raise ShapeError(f"the loss expects scores of shape {expected}, got {x.aval.short()}.")
    return x


@public
def multiclass_hinge_loss(scores: ArrayLike, labels: ArrayLike) -> Array:
    """The largest score of a wrong class plus 1, or the label's score, minus the label's score.

    Args:
        scores: floats; classes along the last axis.
        labels: integers, in the shape of scores without that axis.

    Returns:
        an array of the shape of labels.

    Source: Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based
    vector machines", 2001.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.losses.multiclass_hinge_loss(jnp.array([[1.0, 1.5]]), jnp.array([1]))
        Array([0.5], dtype=float32)
    """
    x = _with_classes(scores)
    label = one_hot(labels, x.shape[-1], dtype=x.dtype)
    return jnp.max(x + 1 - label, axis=-1) - jnp.sum(x * label, axis=-1)


@public
def multiclass_perceptron_loss(scores: ArrayLike, labels: ArrayLike) -> Array:
    """The largest score minus the label's score.

    Args:
        scores: floats; classes along the last axis.
        labels: integers, in the shape of scores without that axis.

    Returns:
        an array of the shape of labels.

    Source: Collins, "Discriminative training methods for hidden Markov models", 2002.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.losses.multiclass_perceptron_loss(jnp.array([[1.0, 1.5]]), jnp.array([0]))
        Array([0.5], dtype=float32)
    """
    x = _with_classes(scores)
    label = one_hot(labels, x.shape[-1], dtype=x.dtype)
    return jnp.max(x, axis=-1) - jnp.sum(x * label, axis=-1)


@public
def multiclass_sparsemax_loss(scores: ArrayLike, labels: ArrayLike) -> Array:
    """The loss of the projection of scores on the simplex (sparsemax).

    Args:
        scores: floats (n, classes).
        labels: integers (n,).

    Returns:
        an array (n,).

    Source: Martins and Astudillo, "From softmax to sparsemax", 2016.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> f = optim.losses.multiclass_sparsemax_loss
        >>> f(jnp.array([[0.0, 0.0], [3.0, 0.0]]), jnp.array([0, 0]))
        Array([0.25, 0.  ], dtype=float32)
    """

    def one(x: Any, label: Any) -> Any:
        chosen = one_hot(label, x.shape[-1], dtype=x.dtype)
        p = projection_simplex(x)
        return jnp.vdot(p, x - jnp.vdot(x, chosen)) + 0.5 * (1 - jnp.vdot(p, p))

    return vmap(one)(_with_classes(scores, 2), to_array(labels))


@checked
def make_fenchel_young_loss(max_fun: Callable[..., Any]) -> Callable[..., Any]:
    """The loss max_fun(scores) − ⟨targets, scores⟩ of a generalized maximum.

    Args:
        max_fun: from scores (n,) to a number, such as logsumexp.

    Returns:
        a function of (scores, targets, *args, **kwargs), whose last axes are reduced; further
        arguments are those of max_fun.

    Source: Blondel, Martins and Niculae, "Learning with Fenchel-Young losses", 2020.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn, optim
        >>> loss = optim.losses.make_fenchel_young_loss(nn.logsumexp)
        >>> loss(jnp.array([0.0, 0.0]), jnp.array([1.0, 0.0])).round(3)
        Array(0.693, dtype=float32)
    """
    maximum = jnp.vectorize(max_fun, signature="(n)->()")

    def fenchel_young_loss(scores: Any, targets: Any, *args: Any, **kwargs: Any) -> Any:
        return maximum(scores, *args, **kwargs) - jnp.sum(
            to_array(targets) * to_array(scores), axis=-1
        )

    return fenchel_young_loss
