"""Averages of iterates in place of a schedule of the learning rate."""

from __future__ import annotations

from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import tree
from fx.errors import FxTypeError, checked, public
from fx.optim.base import (
    GradientTransformation,
    GradientTransformationExtraArgs,
    Params,
    ScalarOrSchedule,
    Updates,
    need_params,
    with_extra_args_support,
)
from fx.optim.combine import chain
from fx.optim.descent_optimizers import sgd
from fx.optim.numerics import safe_increment, scalar
from fx.optim.rms import scale_by_rms
from fx.optim.scaling import scale_by_learning_rate
from fx.optim.schedules import warmup_constant_schedule
from fx.optim.tree_utils.moments import tree_cast, tree_dtype
from fx.optim.update import apply_updates
from fx.optim.weights import add_decayed_weights


class ScheduleFreeState(NamedTuple):
    """The mix b1, the sum of weights, the next step, the largest rate, and the inner iterate."""

    b1: Any
    weight_sum: Any
    step_count: Any
    max_lr: Any
    base_optimizer_state: Any
    z: Any


def _average(params: Params, z: Params, b1: Any) -> Params:
    """The x of params = b1 · x + (1 − b1) · z."""
    return tree.map(lambda y, zi: (y - (1 - scalar(b1, y)) * zi) / scalar(b1, y), params, z)


@public
def schedule_free_eval_params(state: Any, params: Params) -> Params:
    """The averaged parameters, which are to be evaluated.

    Args:
        state: a `ScheduleFreeState`.
        params: the parameters that were trained.

    Returns:
        a pytree of the same structure.

    Raises:
        FxTypeError: the state is of another kind.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> params = jnp.array([2.0])
        >>> state = optim.contrib.schedule_free_sgd().init(params)
        >>> optim.contrib.schedule_free_eval_params(state, params).round(3)
        Array([2.], dtype=float32)
    """
    if getattr(state, "b1", None) is None or getattr(state, "z", None) is None:
        raise FxTypeError(
            f"optim.contrib.schedule_free_eval_params: got {type(state).__name__}, expected a "
            "ScheduleFreeState. Find it in the state of a chain: "
            "optim.tree_utils.tree_get(state, 'ScheduleFreeState')."
        )
    return _average(params, state.z, state.b1)


@checked
def schedule_free(
    base_optimizer: GradientTransformation,
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    weight_lr_power: float = 2.0,
    state_dtype: Any = None,
) -> GradientTransformationExtraArgs:
    """An optimizer without momentum, whose gradients are taken near the average of its iterates.

    Args:
        base_optimizer: the optimizer; it should have no momentum.
        learning_rate: its learning rate, for the weights of the average; a number or a schedule.
        b1: the part of the average in the parameters; the rest is the optimizer's iterate.
        weight_lr_power: an iterate's weight is this power of the largest learning rate so far.
        state_dtype: the dtype of the optimizer's iterate; the parameters' if None.

    Returns:
        a `GradientTransformationExtraArgs` whose `update` needs parameters. Evaluate with
        `schedule_free_eval_params`.

    Source: Defazio et al., "The road less scheduled", 2024.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx = optim.contrib.schedule_free(optim.sgd(0.3), learning_rate=0.3)
        >>> x = jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(20):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(optim.contrib.schedule_free_eval_params(state, x)) < 1)
        True
    """
    base = with_extra_args_support(base_optimizer)

    @public
    def init(params: Params) -> ScheduleFreeState:
        dtype = tree_dtype(params, "lowest")
        return ScheduleFreeState(
            b1=jnp.asarray(b1, dtype=dtype),
            weight_sum=jnp.zeros((), dtype),
            step_count=jnp.ones((), jnp.int32),
            max_lr=jnp.zeros((), dtype),
            base_optimizer_state=base.init(params),
            z=tree_cast(params, state_dtype),
        )

    @public
    def update(
        updates: Updates, state: ScheduleFreeState, params: Params = None, **extra_args: Any
    ) -> Any:
        need_params("contrib.schedule_free", params)
        rate = learning_rate(state.step_count) if callable(learning_rate) else learning_rate
        largest = jnp.maximum(state.max_lr, scalar(rate, state.max_lr))
        weight = largest**weight_lr_power
        total = state.weight_sum + weight
        # In a warmup from 0 all weights so far are 0: 0 / 0 counts as 0.
        share = jnp.where(
            total == 0, jnp.zeros_like(total), weight / jnp.where(total == 0, 1, total)
        )
        steps, inner = base.update(updates, state.base_optimizer_state, params, **extra_args)
        z = apply_updates(state.z, steps)

        def move(y: Any, x: Any, zi: Any) -> Any:
            c, b = scalar(share, y), scalar(b1, y)
            average = (1 - c) * x + c * zi
            return b * average + (1 - b) * zi - y

        out = tree.map(move, params, _average(params, state.z, b1), z)
        return out, ScheduleFreeState(
            state.b1, total, safe_increment(state.step_count), largest, inner, z
        )

    return GradientTransformationExtraArgs(init, update)


def _warm(learning_rate: float, warmup_steps: int | None) -> ScalarOrSchedule:
    if warmup_steps is None:
        return learning_rate
    return warmup_constant_schedule(0, learning_rate, warmup_steps)


@checked
def schedule_free_sgd(
    learning_rate: float = 1.0,
    warmup_steps: int | None = None,
    b1: float = 0.9,
    weight_decay: float | None = None,
    weight_lr_power: float = 2.0,
    state_dtype: Any = None,
) -> GradientTransformationExtraArgs:
    """`schedule_free` gradient descent.

    Args:
        learning_rate: a number.
        warmup_steps: in how many steps it is reached; None for none.
        b1: the part of the average in the parameters.
        weight_decay: the strength of an L2 penalty; None for none.
        weight_lr_power: an iterate's weight is this power of the largest learning rate so far.
        state_dtype: the dtype of the optimizer's iterate; the parameters' if None.

    Returns:
        a `GradientTransformationExtraArgs` whose `update` needs parameters.

    Source: Defazio et al., "The road less scheduled", 2024.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.contrib.schedule_free_sgd(0.5), jnp.array([2.0])
        >>> tx.update(jnp.array([1.0]), tx.init(params), params)[0].round(3)
        Array([-0.5], dtype=float32)
    """
    rate = _warm(learning_rate, warmup_steps)
    optimizer = sgd(rate)
    if weight_decay is not None:
        optimizer = chain(add_decayed_weights(weight_decay), optimizer)
    return schedule_free(optimizer, rate, b1, weight_lr_power, state_dtype)


@checked
def schedule_free_adamw(
    learning_rate: float = 0.0025,
    warmup_steps: int | None = None,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    weight_lr_power: float = 2.0,
    state_dtype: Any = None,
) -> GradientTransformationExtraArgs:
    """`schedule_free` AdamW.

    Args:
        learning_rate: a number.
        warmup_steps: in how many steps it is reached; None for none.
        b1: the part of the average in the parameters.
        b2: the decay rate of the average of squares.
        eps: added to its root.
        weight_decay: how much of each parameter is taken off in a step, times the learning rate.
        weight_lr_power: an iterate's weight is this power of the largest learning rate so far.
        state_dtype: the dtype of the optimizer's iterate; the parameters' if None.

    Returns:
        a `GradientTransformationExtraArgs` whose `update` needs parameters.

    Source: Defazio et al., "The road less scheduled", 2024.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.contrib.schedule_free_adamw(0.5), jnp.array([2.0])
        >>> tx.update(jnp.array([3.0]), tx.init(params), params)[0].round(3)
        Array([-0.5], dtype=float32)
    """
    rate = _warm(learning_rate, warmup_steps)
    optimizer = chain(
        scale_by_rms(b2, eps, eps_in_sqrt=False, bias_correction=True),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(rate),
    )
    return schedule_free(optimizer, rate, b1, weight_lr_power, state_dtype)
