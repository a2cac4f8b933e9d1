"""Sharpness-aware minimization: gradients at the worst point nearby."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import lax, tree
from fx.errors import FxTypeError, FxValueError, checked, public
from fx.optim.base import (
    EmptyState,
    GradientTransformation,
    GradientTransformationExtraArgs,
    Params,
    Updates,
    init_empty_state,
    need_params,
)
from fx.optim.numerics import scalar
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import tree_norm, tree_where
from fx.optim.update import apply_updates

NormalizeState = EmptyState


@checked
def normalize() -> GradientTransformation:
    """All updates divided by their norm together.

    Returns:
        a `GradientTransformation` without state.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.contrib.normalize()
        >>> tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.ones(2)))[0].round(3)
        Array([0.6, 0.8], dtype=float32)
    """

    @public
    def update(updates: Updates, state: Any, params: Params = None) -> Any:
        norm = tree_norm(updates)
        return tree.map(lambda u: u / scalar(norm, u), updates), state

    return GradientTransformation(init_empty_state, update)


class SAMState(NamedTuple):
    """The call within the period, both optimizers' states, the parameters to go back to."""

    steps_since_sync: Any
    opt_state: Any
    adv_state: Any
    cache: Any


@checked
def sam(
    optimizer: GradientTransformation,
    adv_optimizer: GradientTransformation,
    sync_period: int = 2,
    reset_state: bool = True,
    opaque_mode: bool = False,
    batch_axis_name: Any = None,
) -> GradientTransformationExtraArgs:
    """An optimizer that takes its gradients where an adversary has moved the parameters.

    Args:
        optimizer: the optimizer.
        adv_optimizer: the adversary; its steps are taken uphill.
        sync_period: the adversary takes one step less, then the optimizer takes one.
        reset_state: whether the adversary's state is then made anew.
        opaque_mode: whether one call of `update` does all of it, with gradients from the keyword
            `grad_fn(params, i)`; else every call is one step, of the adversary or the optimizer.
        batch_axis_name: in opaque mode, an axis over which these gradients are averaged.

    Returns:
        a `GradientTransformationExtraArgs` whose `update` needs parameters.

    Raises:
        FxValueError: sync_period is less than 1.

    Source: Foret, Kleiner, Mobahi and Neyshabur, "Sharpness-aware minimization for efficiently
    improving generalization", 2021.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> adversary = optim.chain(optim.contrib.normalize(), optim.sgd(0.1))
        >>> tx, x = optim.contrib.sam(optim.sgd(0.25), adversary), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(20):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 0.1)
        True
    """
    if sync_period < 1:
        raise FxValueError(
            f"optim.contrib.sam: got sync_period={sync_period}, expected at least 1."
        )

    @public
    def init(params: Params) -> SAMState:
        return SAMState(
            step_count(),
            optimizer.init(params),
            adv_optimizer.init(params),
            None if opaque_mode else params,
        )

    def uphill(updates: Updates, state: Any, params: Params) -> Any:
        steps, state = adv_optimizer.update(updates, state, params)
        return tree.map(lambda u: -u, steps), state

    @public
    def update(
        updates: Updates,
        state: SAMState,
        params: Params = None,
        *,
        grad_fn: Callable[[Any, int], Any] | None = None,
        **extra_args: Any,
    ) -> Any:
        need_params("contrib.sam", params)
        if opaque_mode:
            return all_at_once(updates, state, params, grad_fn)
        first = state.steps_since_sync == 0
        last = state.steps_since_sync == sync_period - 1
        adverse, adv_state = uphill(updates, state.adv_state, params)
        steps, opt_state = optimizer.update(updates, state.opt_state, state.cache)
        back = tree.map(lambda c, p, u: c - p + u, state.cache, params, steps)
        fresh = adv_optimizer.init(params) if reset_state else state.adv_state
        return tree_where(last, back, adverse), SAMState(
            (state.steps_since_sync + 1) % sync_period,
            tree_where(last, opt_state, state.opt_state),
            tree_where(last, fresh, adv_state),
            tree_where(first, params, state.cache),
        )

    def all_at_once(updates: Updates, state: Any, params: Params, grad_fn: Any) -> Any:
        if grad_fn is None:
            raise FxTypeError(
                "optim.contrib.sam: update() got no grad_fn, which opaque_mode=True needs. "
                "Write tx.update(grads, state, params, grad_fn=lambda p, i: fx.grad(loss)(p))."
            )
        moved, adv_state = params, state.adv_state
        for i in range(sync_period - 1):
            steps, adv_state = uphill(updates, adv_state, moved)
            moved = apply_updates(moved, steps)
            updates = grad_fn(moved, i)
            if batch_axis_name is not None:
                updates = lax.pmean(updates, batch_axis_name)
        out, opt_state = optimizer.update(updates, state.opt_state, params)
        if reset_state:
            adv_state = adv_optimizer.init(params)
        return out, SAMState(jnp.zeros_like(state.steps_since_sync), opt_state, adv_state, None)

    return GradientTransformationExtraArgs(init, update)
