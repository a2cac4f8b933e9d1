"""Losses of overlap, for segmented images."""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx.core.array import Array, to_array
from fx.errors import FxValueError, public
from fx.lax.arguments import ArrayLike
from fx.nn import sigmoid, softmax
from fx.optim.losses.arguments import same_shape


@public
def dice_loss(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    class_weights: ArrayLike | None = None,
    smooth: float = 1.0,
    alpha: float = 0.5,
    beta: float = 0.5,
    apply_softmax: bool = True,
    reduction: str = "mean",
    ignore_background: bool = False,
    axis: Any = None,
) -> Array:
    """1 − overlap / (overlap + alpha · false positives + beta · false negatives), by class.

    Args:
        predictions: (n, ..., classes): logits, or probabilities. With one class the last axis may
            be left out, here or in the targets.
        targets: 0 or 1, of the same shape.
        class_weights: (classes,): factors of the losses; None for 1.
        smooth: added to both parts of the quotient.
        alpha: the weight of false positives; ½ and ½ give the Dice coefficient, other weights
            the Tversky index.
        beta: the weight of false negatives.
        apply_softmax: whether predictions are logits: softmax over classes, or the sigmoid for
            one class.
        reduction: over classes: "mean", "sum" or "none".
        ignore_background: whether class 0 is left out.
        axis: the axes of the pixels; all but the first and the last if None.

    Returns:
        (n,), or (n, classes) without reduction.

    Raises:
        ShapeError: the shapes differ.
        FxValueError: another reduction.

    Source: Milletari, Navab and Ahmadi, "V-Net: fully convolutional neural networks for volumetric
    medical image segmentation", 2016; Salehi, Erdogmus and Gholipour, "Tversky loss function for
    image segmentation using 3D fully convolutional deep networks", 2017.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> p = jnp.array([[[1.0, 0.0], [0.0, 1.0]]])
        >>> optim.losses.dice_loss(p, p, apply_softmax=False)
        Array([0.], dtype=float32)
    """
    reductions = {"mean": jnp.mean, "sum": jnp.sum, "none": lambda x, axis: x}
    if reduction not in reductions:
        raise FxValueError(
            f"optim.losses.dice_loss: got reduction={reduction!r}, expected 'mean', 'sum' or "
            "'none'."
        )
    x, y = to_array(predictions), to_array(targets)
    if x.ndim == y.ndim - 1:
        x = x[..., None]
    if y.ndim == x.ndim - 1:
        y = y[..., None]
    same_shape("losses.dice_loss", x, y)
    if apply_softmax:
        x = sigmoid(x) if x.shape[-1] == 1 else softmax(x, axis=-1)
    axes = tuple(range(1, x.ndim - 1)) if axis is None else axis
    overlap = jnp.sum(x * y, axis=axes)
    extra, missed = jnp.sum(x, axis=axes) - overlap, jnp.sum(y, axis=axes) - overlap
    loss = 1 - (overlap + smooth) / (overlap + alpha * extra + beta * missed + smooth)
    if class_weights is not None:
        loss = loss * jnp.asarray(class_weights)
    if ignore_background and x.shape[-1] > 1:
        loss = loss[..., 1:]
    return reductions[reduction](loss, axis=-1)


@public
def multiclass_generalized_dice_loss(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    smooth: float = 1.0,
    apply_softmax: bool = True,
    ignore_background: bool = False,
) -> Array:
    """The mean `dice_loss`, classes weighted by 1 / frequency².

    Args:
        predictions: (n, ..., classes): logits, or probabilities.
        targets: 0 or 1, of the same shape.
        smooth: added to both parts of the quotient.
        apply_softmax: whether predictions are logits.
        ignore_background: whether class 0 is left out.

    Returns:
        an array of shape ().

    Raises:
        ShapeError: the shapes differ.

    Source: Sudre, Li, Vercauteren, Ourselin and Cardoso, "Generalised Dice overlap as a deep
    learning loss function for highly unbalanced segmentations", 2017.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> p = jnp.array([[[1.0, 0.0], [0.0, 1.0]]])
        >>> optim.losses.multiclass_generalized_dice_loss(p, p, apply_softmax=False)
        Array(0., dtype=float32)
    """
    x, y = to_array(predictions), to_array(targets)
    same_shape("losses.multiclass_generalized_dice_loss", x, y)
    frequencies = jnp.sum(y, axis=tuple(range(y.ndim - 1)))
    weights = 1 / (frequencies**2 + 1e-7)
    return jnp.mean(
        dice_loss(
            x,
            y,
            class_weights=weights / jnp.mean(weights),
            smooth=smooth,
            apply_softmax=apply_softmax,
            reduction="none",
            ignore_background=ignore_background,
        )
    )


@public
def binary_dice_loss(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    smooth: float = 1.0,
    apply_sigmoid: bool = True,
) -> Array:
    """`dice_loss` of one class.

    Args:
        predictions: (n, ...): logits, or probabilities; a last axis of size 1 may follow.
        targets: 0 or 1, of the same shape.
        smooth: added to both parts of the quotient.
        apply_sigmoid: whether predictions are logits.

    Returns:
        (n,).

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> p = jnp.array([[1.0, 0.0, 1.0]])
        >>> optim.losses.binary_dice_loss(p, p, apply_sigmoid=False)
        Array([0.], dtype=float32)
    """
    x, y = to_array(predictions), to_array(targets)
    if x.ndim == y.ndim and x.shape[-1] != 1:
        x, y = x[..., None], y[..., None]
    return dice_loss(x, y, smooth=smooth, apply_softmax=apply_sigmoid)
