"""Updates bounded by value, by norm, or relative to the parameters."""

from __future__ import annotations

import math
from typing import Any

import fx.numpy as jnp
from fx import tree
from fx.errors import FxValueError, ShapeError, checked, public
from fx.optim.base import (
    EmptyState,
    GradientTransformation,
    Numeric,
    Params,
    Tree,
    Updates,
    init_empty_state,
    need_params,
    stateless_with_tree_map,
)
from fx.optim.numerics import abs_sq, scalar
from fx.optim.tree_utils.arithmetic import global_norm, tree_norm
from fx.transforms.mapping import vmap

AdaptiveGradClipState = EmptyState
ClipState = EmptyState
ClipByGlobalNormState = EmptyState


@checked
def clip(max_delta: Numeric) -> GradientTransformation:
    """Every number clipped to [−max_delta, max_delta].

    Args:
        max_delta: the largest size.

    Returns:
        a `GradientTransformation` without state.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.clip(1.0)
        >>> tx.update(jnp.array([-4.0, 0.5]), tx.init(jnp.ones(2)))[0]
        Array([-1. ,  0.5], dtype=float32)
    """
    return stateless_with_tree_map(
        lambda g, p: jnp.clip(g, scalar(-max_delta, g), scalar(max_delta, g))
    )


@checked
def clip_by_block_rms(threshold: Numeric) -> GradientTransformation:
    """Each array scaled down, where needed, until its root mean square is threshold.

    Args:
        threshold: the largest root mean square.

    Returns:
        a `GradientTransformation` without state.

    Source: Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost",
    2018, section 6.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.clip_by_block_rms(1.0)
        >>> tx.update(jnp.array([-4.0, 4.0]), tx.init(jnp.ones(2)))[0]
        Array([-1.,  1.], dtype=float32)
    """

    def bound(u: Any, p: Any) -> Any:
        return u / jnp.maximum(1, jnp.sqrt(jnp.mean(abs_sq(u))) / scalar(threshold, u))

    return stateless_with_tree_map(bound)


@checked
def clip_by_global_norm(max_norm: Numeric) -> GradientTransformation:
    """All updates scaled down together, where needed, until their norm is max_norm.

    Args:
        max_norm: the largest norm.

    Returns:
        a `GradientTransformation` without state.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
    networks", 2013.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.clip_by_global_norm(1.0)
        >>> tx.update([jnp.array([3.0]), jnp.array([4.0])], tx.init([]))[0]
        [Array([0.6], dtype=float32), Array([0.8], dtype=float32)]
    """

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        norm = global_norm(updates)
        small = norm < max_norm

        def bound(u: Any) -> Any:
            return jnp.where(small, u, u / scalar(norm, u) * scalar(max_norm, u))

        return tree.map(bound, updates), state

    return GradientTransformation(init_empty_state, update)


def unitwise_norm(x: Any, axis: Any = None) -> Any:
    """The norm of the weights of each output unit, in the shape of the weights.

    Args:
        x: weights whose last axis is the units: a vector or scalar is one unit; in a matrix or an
            array of 3 axes the first axis is summed, in kernels of convolutions (4 or 5 axes) all
            but the last.
        axis: the axes to sum, instead.

    Returns:
        an array of the shape of x.

    Raises:
        ShapeError: x has more than 5 axes and axis is None.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim.clipping import unitwise_norm
        >>> unitwise_norm(jnp.array([[3.0, 0.0], [4.0, 1.0]]))
        Array([[5., 1.],
               [5., 1.]], dtype=float32)
    """
    x = jnp.asarray(x)
    if axis is None:
        axes = {2: (0,), 3: (0,), 4: (0, 1, 2), 5: (0, 1, 2, 3)}
        if sum(size != 1 for size in x.shape) > 1:
            if x.ndim not in axes:
                raise ShapeError(
                    f"optim.unitwise_norm: got weights of shape {x.shape}, expected at most 5 "
                    "axes. Give the axes to sum: axis=(...)."
                )
            axis = axes[x.ndim]
    total = jnp.sum(abs_sq(x), axis=axis, keepdims=True)
    return jnp.broadcast_to(jnp.sqrt(total), x.shape)


def unitwise_clip(g_norm: Any, max_norm: Numeric, grad: Any, div_eps: Numeric = 1e-6) -> Any:
    """Each number scaled by max_norm / g_norm where g_norm is not below max_norm.

    Args:
        g_norm: norms, in the shape of grad.
        max_norm: the largest norms, in the shape of grad.
        grad: updates.
        div_eps: the smallest divisor.

    Returns:
        an array of the shape of grad.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim.clipping import unitwise_clip
        >>> unitwise_clip(jnp.array([4.0]), jnp.array([1.0]), jnp.array([2.0]))
        Array([0.5], dtype=float32)
    """
    bounded = grad * (max_norm / jnp.maximum(g_norm, div_eps))
    return jnp.where(g_norm < max_norm, grad, bounded)


@checked
def adaptive_grad_clip(
    clipping: Numeric, eps: Numeric = 1e-3, axis: Any = None
) -> GradientTransformation:
    """Each unit's updates scaled down, where needed, to a part of the norm of its weights.

    Args:
        clipping: the largest norm of the updates, as a part of the norm of the weights.
        eps: the smallest norm of the weights.
        axis: the axes of a unit's weights; None for those of `unitwise_norm`.

    Returns:
        a `GradientTransformation` without state, whose `update` needs parameters.

    Source: Brock, De, Smith and Simonyan, "High-performance large-scale image recognition without
    normalization", 2021.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.adaptive_grad_clip(0.5), jnp.array([3.0, 4.0])
        >>> tx.update(jnp.array([0.0, 5.0]), tx.init(params), params)[0]
        Array([0. , 2.5], dtype=float32)
    """

    def bound(g: Any, p: Any) -> Any:
        most = scalar(clipping, g) * jnp.maximum(unitwise_norm(p, axis), scalar(eps, g))
        return unitwise_clip(unitwise_norm(g, axis), most, g)

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        need_params("adaptive_grad_clip", params)
        return tree.map(bound, updates, params), state

    return GradientTransformation(init_empty_state, update)


@public
def per_example_global_norm_clip(grads: Tree, l2_norm_clip: Numeric) -> tuple[Any, Any]:
    """The sum over examples of gradients, each example's scaled down to a norm where needed.

    Args:
        grads: a pytree of arrays whose first axis is the examples.
        l2_norm_clip: the largest norm of an example's gradients.

    Returns:
        (sums, count): a pytree of arrays without the first axis, and how many examples were
        scaled.

    Raises:
        ShapeError: the arrays do not all have the same first axis.

    Source: Abadi et al., "Deep learning with differential privacy", 2016.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.per_example_global_norm_clip([jnp.array([[3.0], [0.5]])], 1.0)
        ([Array([1.5], dtype=float32)], Array(1, dtype=int32))
    """
    _check_examples("per_example_global_norm_clip", grads)
    norms = vmap(tree_norm)(grads)
    factors = jnp.where(norms > l2_norm_clip, l2_norm_clip / jnp.where(norms > 0, norms, 1), 1.0)
    sums = tree.map(lambda g: jnp.tensordot(jnp.astype(factors, g.dtype), g, axes=1), grads)
    return sums, jnp.sum(factors < 1)


@public
def per_example_layer_norm_clip(
    grads: Tree, global_l2_norm_clip: Numeric, uniform: bool = True
) -> tuple[Any, Any]:
    """`per_example_global_norm_clip` of each array by itself, with a part of the norm.

    Args:
        grads: a pytree of arrays whose first axis is the examples.
        global_l2_norm_clip: the largest norm of an example's gradients together.
        uniform: whether each array gets the same part; otherwise larger arrays get more.

    Returns:
        (sums, counts): pytrees of the structure of grads.

    Raises:
        ShapeError: the arrays do not all have the same first axis.

    Source: McMahan, Ramage, Talwar and Zhang, "Learning differentially private recurrent language
    models", 2018.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.per_example_layer_norm_clip([jnp.array([[3.0], [0.5]])], 1.0)
        ([Array([1.5], dtype=float32)], [Array(1, dtype=int32)])
    """
    _check_examples("per_example_layer_norm_clip", grads)
    leaves = tree.leaves(grads)
    sizes = [1 if uniform else math.prod(g.shape[1:]) for g in leaves]
    results = [
        per_example_global_norm_clip(g, global_l2_norm_clip * (size / sum(sizes)) ** 0.5)
        for g, size in zip(leaves, sizes, strict=True)
    ]
    shape = tree.structure(grads)
    return (
        tree.unflatten(shape, [total for total, _ in results]),
        tree.unflatten(shape, [count for _, count in results]),
    )


def _check_examples(name: str, grads: Any) -> None:
    shapes = [jnp.shape(g) for g in tree.leaves(grads)]
    if not shapes:
        raise FxValueError(f"optim.{name}: got gradients without arrays.")
    if any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) > 1:
        raise ShapeError(
            f"optim.{name}: got gradients of shapes {shapes}, expected the examples as the first "
            "axis of each. Write vmap(grad(loss), in_axes=(None, 0))(params, examples)."
        )
