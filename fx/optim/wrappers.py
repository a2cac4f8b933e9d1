"""Transformations under conditions, on flat vectors, and of slow copies of parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import lax, tree
from fx.errors import FxTypeError, FxValueError, checked, public
from fx.optim.base import (
    GradientTransformation,
    GradientTransformationExtraArgs,
    Numeric,
    OptState,
    Params,
    Updates,
    need_params,
    set_to_zero,
    with_extra_args_support,
)
from fx.optim.combine import partition
from fx.optim.numerics import safe_increment, scalar
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import tree_where, tree_zeros_like
from fx.optim.tree_utils.moments import tree_cast_like

ConditionFn = Callable[..., Any]


def _either(
    apply: Any,
    inner: GradientTransformationExtraArgs,
    updates: Updates,
    state: Any,
    params: Params,
    extra_args: dict[str, Any],
    zeros: bool,
) -> tuple[Updates, OptState]:
    """The inner update where `apply` holds; else the updates (or zeros) and the same state."""

    def transform() -> Any:
        out, new = inner.update(updates, state.inner_state, params, **extra_args)
        return tree_cast_like(out, updates), tree_cast_like(new, state.inner_state)

    def leave() -> Any:
        return tree_zeros_like(updates) if zeros else updates, state.inner_state

    return lax.cond(apply, transform, leave)


class ApplyIfFiniteState(NamedTuple):
    """Calls in a row, and in all, with numbers that were not finite; whether the last was."""

    notfinite_count: Any
    last_finite: Any
    total_notfinite: Any
    inner_state: Any


@checked
def apply_if_finite(
    inner: GradientTransformation, max_consecutive_errors: int
) -> GradientTransformationExtraArgs:
    """A transformation that leaves out gradients with NaN or infinity: zeros, and the same state.

    Args:
        inner: the transformation.
        max_consecutive_errors: after so many such calls in a row, the next one is let through.

    Returns:
        a `GradientTransformationExtraArgs`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.apply_if_finite(optim.sgd(1.0), max_consecutive_errors=3)
        >>> updates, state = tx.update(jnp.array([1.0, jnp.nan]), tx.init(jnp.ones(2)))
        >>> updates, state.notfinite_count
        (Array([0., 0.], dtype=float32), Array(1, dtype=int32))
    """
    inner = with_extra_args_support(inner)

    @public
    def init(params: Params) -> ApplyIfFiniteState:
        return ApplyIfFiniteState(step_count(), jnp.array(True), step_count(), inner.init(params))

    @public
    def update(
        updates: Updates, state: ApplyIfFiniteState, params: Params = None, **extra_args: Any
    ) -> Any:
        checks = [jnp.all(jnp.isfinite(g)) for g in tree.leaves(updates)]
        finite = functools.reduce(jnp.logical_and, checks, jnp.array(True))
        row = jnp.where(finite, 0, safe_increment(state.notfinite_count))
        apply = jnp.logical_or(finite, row > max_consecutive_errors)
        out, inner_state = _either(apply, inner, updates, state, params, extra_args, zeros=True)
        total = state.total_notfinite
        new_total = jnp.where(finite, total, safe_increment(total))
        return out, ApplyIfFiniteState(row, finite, new_total, inner_state)

    return GradientTransformationExtraArgs(init, update)


class ConditionallyTransformState(NamedTuple):
    """The inner state, and how many steps were done."""

    inner_state: Any
    step: Any


@checked
def conditionally_transform(
    inner: GradientTransformation,
    should_transform_fn: ConditionFn,
    forward_extra_args: bool = False,
) -> GradientTransformationExtraArgs:
    """A transformation in some steps; in others the updates pass as they are.

    Args:
        inner: the transformation.
        should_transform_fn: from the number of steps done to whether this one counts.
        forward_extra_args: whether it also gets the keywords of `update`.

    Returns:
        a `GradientTransformationExtraArgs`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.conditionally_transform(optim.scale(10.0), lambda step: step >= 1)
        >>> first, state = tx.update(jnp.array([2.0]), tx.init(jnp.ones(1)))
        >>> first, tx.update(jnp.array([2.0]), state)[0]
        (Array([2.], dtype=float32), Array([20.], dtype=float32))
    """
    inner = with_extra_args_support(inner)

    @public
    def init(params: Params) -> ConditionallyTransformState:
        return ConditionallyTransformState(inner.init(params), step_count())

    @public
    def update(
        updates: Updates,
        state: ConditionallyTransformState,
        params: Params = None,
        **extra_args: Any,
    ) -> Any:
        apply = should_transform_fn(state.step, **(extra_args if forward_extra_args else {}))
        out, inner_state = _either(apply, inner, updates, state, params, extra_args, zeros=False)
        return out, ConditionallyTransformState(inner_state, safe_increment(state.step))

    return GradientTransformationExtraArgs(init, update)


class ConditionallyMaskState(NamedTuple):
    """How many steps were done, and the inner state."""

    step: Any
    inner_state: Any


@checked
def conditionally_mask(
    inner: GradientTransformation,
    should_transform_fn: ConditionFn,
    forward_extra_args: bool = False,
) -> GradientTransformationExtraArgs:
    """A transformation in some steps; in others the updates are zeros.

    Args:
        inner: the transformation.
        should_transform_fn: from the number of steps done to whether this one counts.
        forward_extra_args: whether it also gets the keywords of `update`.

    Returns:
        a `GradientTransformationExtraArgs`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.conditionally_mask(optim.scale(10.0), lambda step: step >= 1)
        >>> first, state = tx.update(jnp.array([2.0]), tx.init(jnp.ones(1)))
        >>> first, tx.update(jnp.array([2.0]), state)[0]
        (Array([0.], dtype=float32), Array([20.], dtype=float32))
    """
    inner = with_extra_args_support(inner)

    @public
    def init(params: Params) -> ConditionallyMaskState:
        return ConditionallyMaskState(step_count(), inner.init(params))

    @public
    def update(
        updates: Updates, state: ConditionallyMaskState, params: Params = None, **extra_args: Any
    ) -> Any:
        apply = should_transform_fn(state.step, **(extra_args if forward_extra_args else {}))
        out, inner_state = _either(apply, inner, updates, state, params, extra_args, zeros=True)
        return out, ConditionallyMaskState(safe_increment(state.step), inner_state)

    return GradientTransformationExtraArgs(init, update)


@checked
def flatten(inner: GradientTransformation) -> GradientTransformationExtraArgs:
    """A transformation on all parameters as one vector: fewer, larger operations.

    Args:
        inner: the transformation. It sees a vector in place of the pytree, so masks do not fit.

    Returns:
        a `GradientTransformationExtraArgs`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.flatten(optim.trace(0.9))
        >>> params = {"a": jnp.ones((2, 2)), "b": jnp.ones(3)}
        >>> tx.init(params).trace.shape
        (7,)
    """
    inner = with_extra_args_support(inner)

    def ravel(values: Any) -> Any:
        return jnp.concatenate([jnp.ravel(x) for x in tree.leaves(values)])

    def unravel(vector: Any, like: Any) -> Any:
        parts, begin = [], 0
        for x in tree.leaves(like):
            end = begin + x.size
            parts.append(jnp.reshape(vector[begin:end], x.shape))
            begin = end
        return tree.unflatten(tree.structure(like), parts)

    @public
    def init(params: Params) -> OptState:
        return inner.init(ravel(params))

    @public
    def update(updates: Updates, state: Any, params: Params = None, **extra_args: Any) -> Any:
        flat_params = None if params is None else ravel(params)
        out, state = inner.update(ravel(updates), state, flat_params, **extra_args)
        return unravel(out, updates), state

    return GradientTransformationExtraArgs(init, update)


@checked
def selective_transform(
    optimizer: GradientTransformation, *, freeze_mask: Any
) -> GradientTransformation:
    """An optimizer of the parameters that a mask does not freeze; zero updates for the others.

    Args:
        optimizer: the optimizer.
        freeze_mask: a pytree of booleans shaped like the parameters (a boolean may stand for a
            whole subtree), or a function from the parameters to one; True freezes.

    Returns:
        a `GradientTransformation`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.selective_transform(optim.sgd(1.0), freeze_mask={"w": False, "b": True})
        >>> grads = {"w": jnp.array([2.0]), "b": jnp.array([2.0])}
        >>> tx.update(grads, tx.init(grads))[0]
        {'b': Array([0.], dtype=float32), 'w': Array([-2.], dtype=float32)}
    """

    def labels(params: Params) -> Any:
        mask = freeze_mask(params) if callable(freeze_mask) else freeze_mask
        return tree.map(lambda frozen: "freeze" if frozen else "train", mask)

    return partition({"train": optimizer, "freeze": set_to_zero()}, labels)


class LookaheadParams(NamedTuple):
    """Parameters that an optimizer moves, and a slow copy of them."""

    fast: Any
    slow: Any

    @classmethod
    def init_synced(cls, params: Params) -> LookaheadParams:
        """Both as given.

        Args:
            params: a pytree of arrays.

        Returns:
            `LookaheadParams`.
        """
        return cls(fast=params, slow=params)


class LookaheadState(NamedTuple):
    """The state of the optimizer, and how many steps ago the copies were equal."""

    fast_state: Any
    steps_since_sync: Any


@checked
def lookahead(
    fast_optimizer: GradientTransformation,
    sync_period: int,
    slow_step_size: Numeric,
    reset_state: bool = False,
) -> GradientTransformation:
    """An optimizer whose parameters go back, every few steps, towards a slow copy of them.

    Args:
        fast_optimizer: the optimizer.
        sync_period: after how many steps the slow copy takes a step towards the fast parameters,
            which then are set to it.
        slow_step_size: which part of the way it goes.
        reset_state: whether the optimizer's state is then made anew.

    Returns:
        a `GradientTransformation` of `LookaheadParams`; gradients are taken at `params.fast`, and
        results with `params.slow`.

    Raises:
        FxValueError: sync_period is less than 1.

    Source: Zhang, Lucas, Hinton and Ba, "Lookahead optimizer: k steps forward, 1 step back", 2019.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.lookahead(optim.sgd(1.0), sync_period=1, slow_step_size=0.5)
        >>> params = optim.LookaheadParams.init_synced(jnp.array([4.0]))
        >>> updates, state = tx.update(jnp.array([2.0]), tx.init(params), params)
        >>> optim.apply_updates(params, updates)
        LookaheadParams(fast=Array([3.], dtype=float32), slow=Array([3.], dtype=float32))
    """
    if sync_period < 1:
        raise FxValueError(f"optim.lookahead: got sync_period={sync_period}, expected at least 1.")

    @public
    def init(params: Params) -> LookaheadState:
        fast = params.fast if isinstance(params, LookaheadParams) else params
        return LookaheadState(fast_optimizer.init(fast), step_count())

    @public
    def update(updates: Updates, state: LookaheadState, params: Params = None) -> Any:
        need_params("lookahead", params)
        if not hasattr(params, "fast"):
            raise FxTypeError(
                f"optim.lookahead: got parameters of type {type(params).__name__}, expected "
                "LookaheadParams. Write params = optim.LookaheadParams.init_synced(params)."
            )
        steps, fast_state = fast_optimizer.update(updates, state.fast_state, params.fast)
        sync = state.steps_since_sync == sync_period - 1

        def ahead(f: Any, s: Any, u: Any) -> Any:
            """How far the fast parameters will be from the slow ones, in a step of syncing."""
            gap = f + u - s
            return jnp.where(sync, gap, jnp.zeros_like(gap))

        gap = tree.map(ahead, params.fast, params.slow, steps)
        slow = tree.map(lambda d: scalar(slow_step_size, d) * d, gap)
        fast = tree.map(lambda u, d: u - (1 - scalar(slow_step_size, d)) * d, steps, gap)
        if reset_state:
            fast_state = tree_where(sync, fast_optimizer.init(params.fast), fast_state)
        count = (state.steps_since_sync + 1) % sync_period
        return LookaheadParams(fast, slow), LookaheadState(fast_state, count)

    return GradientTransformation(init, update)
