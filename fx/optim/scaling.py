"""Updates times a number: a constant, a learning rate, a schedule, a norm."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import fx.numpy as jnp
from fx import tree
from fx.errors import checked, public
from fx.optim.base import (
    EmptyState,
    GradientTransformation,
    Numeric,
    Params,
    ScalarOrSchedule,
    Schedule,
    Updates,
    identity,
    init_empty_state,
    need_params,
    stateless_with_tree_map,
)
from fx.optim.numerics import (
    is_zero,
    safe_increment,
    safe_norm,
    safe_root_mean_squares,
    scalar,
    square_dtype,
)
from fx.optim.tree_utils.arithmetic import global_norm, scaled

ScaleState = EmptyState
ScaleByTrustRatioState = EmptyState


def step_count() -> Any:
    """The counter of a state before the first step."""
    return jnp.zeros((), jnp.int32)


@checked
def scale(step_size: Numeric) -> GradientTransformation:
    """step_size · updates.

    Args:
        step_size: a number.

    Returns:
        a `GradientTransformation` without state.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale(-0.5)
        >>> tx.update(jnp.array([4.0]), tx.init(jnp.array([1.0])))[0]
        Array([-2.], dtype=float32)
    """

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        return scaled(step_size, updates), state

    return GradientTransformation(init_empty_state, update)


class ScaleByScheduleState(NamedTuple):
    """How many steps were done."""

    count: Any


@checked
def scale_by_schedule(step_size_fn: Schedule) -> GradientTransformation:
    """step_size_fn(steps done) · updates.

    Args:
        step_size_fn: a schedule.

    Returns:
        a `GradientTransformation` that counts steps.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_schedule(lambda count: 1.0 / (count + 1))
        >>> state = tx.init(jnp.array([1.0]))
        >>> first, state = tx.update(jnp.array([4.0]), state)
        >>> second, state = tx.update(jnp.array([4.0]), state)
        >>> first, second
        (Array([4.], dtype=float32), Array([2.], dtype=float32))
    """

    @public
    def init(params: Params) -> ScaleByScheduleState:
        return ScaleByScheduleState(step_count())

    @public
    def update(updates: Updates, state: ScaleByScheduleState, params: Params = None) -> Any:
        step_size = step_size_fn(state.count)
        return scaled(step_size, updates), ScaleByScheduleState(safe_increment(state.count))

    return GradientTransformation(init, update)


@checked
def scale_by_learning_rate(
    learning_rate: ScalarOrSchedule | None = None, *, flip_sign: bool = True
) -> GradientTransformation:
    """−learning_rate · updates: gradients become steps downhill.

    Args:
        learning_rate: a number or a schedule; None leaves the updates as they are.
        flip_sign: False for +learning_rate.

    Returns:
        a `GradientTransformation`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_learning_rate(0.5)
        >>> tx.update(jnp.array([4.0]), tx.init(jnp.array([1.0])))[0]
        Array([-2.], dtype=float32)
    """
    if learning_rate is None:
        return identity()
    sign = -1 if flip_sign else 1
    if callable(learning_rate):
        schedule: Schedule = learning_rate
        return scale_by_schedule(lambda count: sign * schedule(count))
    return scale(sign * learning_rate)


@checked
def scale_by_sign() -> GradientTransformation:
    """The sign of each update: −1, 0 or 1.

    Returns:
        a `GradientTransformation` without state.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_sign()
        >>> tx.update(jnp.array([4.0, -0.1, 0.0]), tx.init(jnp.ones(3)))[0]
        Array([ 1., -1.,  0.], dtype=float32)
    """
    return stateless_with_tree_map(lambda g, p: jnp.sign(g))


@checked
def scale_by_param_block_norm(min_scale: Numeric = 1e-3) -> GradientTransformation:
    """Each array's updates times the norm of its parameters.

    Args:
        min_scale: the smallest factor.

    Returns:
        a `GradientTransformation` without state, whose `update` needs parameters.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.scale_by_param_block_norm(), jnp.array([3.0, 4.0])
        >>> tx.update(jnp.ones(2), tx.init(params), params)[0]
        Array([5., 5.], dtype=float32)
    """

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        need_params("scale_by_param_block_norm", params)
        return tree.map(lambda u, p: u * scalar(safe_norm(p, min_scale), u), updates, params), state

    return GradientTransformation(init_empty_state, update)


@checked
def scale_by_param_block_rms(min_scale: Numeric = 1e-3) -> GradientTransformation:
    """Each array's updates times the root mean square of its parameters.

    Args:
        min_scale: the smallest factor.

    Returns:
        a `GradientTransformation` without state, whose `update` needs parameters.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.scale_by_param_block_rms(), jnp.array([3.0, -3.0])
        >>> tx.update(jnp.ones(2), tx.init(params), params)[0]
        Array([3., 3.], dtype=float32)
    """

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        need_params("scale_by_param_block_rms", params)

        def rescale(u: Any, p: Any) -> Any:
            return u * scalar(safe_root_mean_squares(p, min_scale), u)

        return tree.map(rescale, updates, params), state

    return GradientTransformation(init_empty_state, update)


def _wide(dtype: Any) -> Any:
    return square_dtype(dtype) if dtype == np.float16 else dtype


@checked
def scale_by_trust_ratio(
    min_norm: Numeric = 0.0, trust_coefficient: Numeric = 1.0, eps: Numeric = 0.0
) -> GradientTransformation:
    """Each array's updates times trust_coefficient · ‖parameters‖ / (‖updates‖ + eps).

    Args:
        min_norm: the smallest norm, of either.
        trust_coefficient: a factor.
        eps: added to the norm of the updates.

    Returns:
        a `GradientTransformation` without state, whose `update` needs parameters. Where a norm is
        0 the updates stay as they are.

    Source: You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.scale_by_trust_ratio(), jnp.array([3.0, 4.0])
        >>> tx.update(jnp.array([0.0, 2.0]), tx.init(params), params)[0]
        Array([0., 5.], dtype=float32)
    """

    def rescale(u: Any, p: Any) -> Any:
        # In float16 a ratio to the norm of a vanishing update would be infinite.
        size, step = (safe_norm(jnp.astype(x, _wide(x.dtype)), min_norm) for x in (p, u))
        nothing = jnp.logical_or(size == 0, step == 0)
        length = step if is_zero(eps) else step + eps
        ratio = trust_coefficient * size / jnp.where(nothing, 1, length)
        return jnp.astype(u * jnp.where(nothing, 1, ratio), u.dtype)

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        need_params("scale_by_trust_ratio", params)
        return tree.map(rescale, updates, params), state

    return GradientTransformation(init_empty_state, update)


@checked
def normalize_by_update_norm(
    scale_factor: Numeric = 1.0, eps: Numeric = 1e-6
) -> GradientTransformation:
    """All updates scaled to the norm scale_factor together.

    Args:
        scale_factor: the norm of the result.
        eps: added to the norm of the updates.

    Returns:
        a `GradientTransformation` without state.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.normalize_by_update_norm(eps=0.0)
        >>> tx.update(jnp.array([0.0, 4.0]), tx.init(jnp.ones(2)))[0]
        Array([0., 1.], dtype=float32)
    """

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        norm = (global_norm(updates) + eps) / scale_factor
        return tree.map(lambda u: u / scalar(norm, u), updates), state

    return GradientTransformation(init_empty_state, update)


@checked
def centralize() -> GradientTransformation:
    """Updates without their mean over all axes but the first; vectors stay as they are.

    Returns:
        a `GradientTransformation` without state.

    Source: Yong, Huang, Hua and Zhang, "Gradient centralization: a new optimization technique for
    deep neural networks", 2020.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.centralize()
        >>> tx.update(jnp.array([[1.0, 3.0], [5.0, 5.0]]), tx.init(jnp.ones((2, 2))))[0]
        Array([[-1.,  1.],
               [ 0.,  0.]], dtype=float32)
    """

    def center(g: Any, p: Any) -> Any:
        if g.ndim < 2:
            return g
        return g - jnp.mean(g, axis=tuple(range(1, g.ndim)), keepdims=True)

    return stateless_with_tree_map(center)
