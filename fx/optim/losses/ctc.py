"""Connectionist temporal classification: labels of sequences without their alignment."""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx import lax
from fx.core.array import Array
from fx.errors import ShapeError, public
from fx.lax.arguments import ArrayLike
from fx.nn import log_softmax, one_hot
from fx.optim.losses.arguments import floating, integers


@public
def ctc_loss_with_forward_probs(
    logits: ArrayLike,
    logit_paddings: ArrayLike,
    labels: ArrayLike,
    label_paddings: ArrayLike,
    *,
    blank_id: int = 0,
    log_epsilon: float = -1e5,
) -> tuple[Array, Array, Array]:
    """`ctc_loss`, and the log-probabilities of all prefixes of the labels at all times.

    Args:
        logits: floats (n, time, classes).
        logit_paddings: (n, time): 1 after the end of a sequence, else 0.
        labels: integers (n, length).
        label_paddings: (n, length): 1 after the end of the labels, else 0.
        blank_id: the class between labels.
        log_epsilon: a number for log 0.

    Returns:
        (losses, blank, emit): (n,), (time, n, length + 1) and (time, n, length): the prefix of
        j labels was emitted, and the last class was blank, or the label j itself.

    Raises:
        FxTypeError: logits are not floats, or labels not integers.
        ShapeError: the shapes do not fit.

    Source: Graves, Fernández, Gomez and Schmidhuber, "Connectionist temporal classification:
    labelling unsegmented sequence data with recurrent neural networks", 2006.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss, blank, emit = optim.ctc_loss_with_forward_probs(
        ...     jnp.zeros((1, 2, 2)), jnp.zeros((1, 2)), jnp.array([[1]]), jnp.zeros((1, 1))
        ... )
        >>> loss.round(3), blank.shape, emit.shape
        (Array([0.288], dtype=float32), (2, 1, 2), (2, 1, 1))
    """
    name = "ctc_loss"
    x, y = floating(name, logits, "logits"), integers(name, labels, "labels")
    pads, label_pads = jnp.asarray(logit_paddings), jnp.asarray(label_paddings)
    if x.ndim != 3 or y.ndim != 2 or x.shape[0] != y.shape[0]:
        raise ShapeError(
            f"optim.{name}: got logits of shape {x.shape} and labels of shape {y.shape}, expected "
            "(n, time, classes) and (n, length)."
        )
    if pads.shape != x.shape[:2] or label_pads.shape != y.shape:
        raise ShapeError(
            f"optim.{name}: got paddings of shapes {pads.shape} and {label_pads.shape}, expected "
            f"{x.shape[:2]} for the logits and {y.shape} for the labels."
        )
    n, length = y.shape
    log_p = jnp.moveaxis(log_softmax(x), 1, 0)  # (time, n, classes)
    log_blank = log_p[:, :, blank_id : blank_id + 1]
    log_label = jnp.einsum("tnk,nlk->tnl", log_p, one_hot(y, x.shape[-1], dtype=x.dtype))
    # A label that repeats the one before needs a blank between.
    repeats = jnp.pad(jnp.astype(y[:, :-1] == y[:, 1:], x.dtype), ((0, 0), (0, 1)))
    impossible = jnp.full((n, length), log_epsilon, x.dtype)

    def extend(blank: Any, added: Any) -> Any:
        return jnp.concatenate([blank[:, :1], jnp.logaddexp(blank[:, 1:], added)], axis=1)

    def step(carry: Any, now: Any) -> Any:
        blank, emit = carry
        label, silence, pad = now
        ready = extend(blank, emit + log_epsilon * repeats)
        next_emit = jnp.logaddexp(ready[:, :-1], emit) + label
        next_blank = extend(ready + silence, emit + silence + log_epsilon * (1 - repeats))
        over = jnp.astype(pad, x.dtype)[:, None]
        new = (
            over * blank + (1 - over) * next_blank,
            over * emit + (1 - over) * next_emit,
        )
        return new, new

    start = jnp.concatenate([jnp.zeros((n, 1), x.dtype), impossible], axis=1)
    times = (log_label, log_blank, jnp.transpose(pads))
    _, (blank, emit) = lax.scan(step, (start, impossible), times)
    last = extend(blank[-1], emit[-1])
    blank = blank.at[-1].set(last)
    lengths = length - jnp.astype(jnp.sum(label_pads, axis=1), jnp.int32)
    losses = -jnp.sum(last * one_hot(lengths, length + 1, dtype=x.dtype), axis=1)
    return losses, blank, emit


@public
def ctc_loss(
    logits: ArrayLike,
    logit_paddings: ArrayLike,
    labels: ArrayLike,
    label_paddings: ArrayLike,
    *,
    blank_id: int = 0,
    log_epsilon: float = -1e5,
) -> Array:
    """−log of the probability of labels, summed over all their alignments with the times.

    Args:
        logits: floats (n, time, classes).
        logit_paddings: (n, time): 1 after the end of a sequence, else 0.
        labels: integers (n, length).
        label_paddings: (n, length): 1 after the end of the labels, else 0.
        blank_id: the class between labels.
        log_epsilon: a number for log 0.

    Returns:
        an array (n,).

    Raises:
        FxTypeError: logits are not floats, or labels not integers.
        ShapeError: the shapes do not fit.

    Source: Graves, Fernández, Gomez and Schmidhuber, "Connectionist temporal classification:
    labelling unsegmented sequence data with recurrent neural networks", 2006.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.ctc_loss(
        ...     jnp.zeros((1, 2, 2)), jnp.zeros((1, 2)), jnp.array([[1]]), jnp.zeros((1, 1))
        ... ).round(3)
        Array([0.288], dtype=float32)
    """
    return ctc_loss_with_forward_probs(
        logits,
        logit_paddings,
        labels,
        label_paddings,
        blank_id=blank_id,
        log_epsilon=log_epsilon,
    )[0]
