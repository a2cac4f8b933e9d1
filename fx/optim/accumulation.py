"""Updates of several steps together: momentum, moving averages, gradient accumulation."""

from __future__ import annotations

from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import tree
from fx.errors import checked, public
from fx.optim.base import GradientTransformation, Numeric, Params, Updates
from fx.optim.numerics import safe_increment, scalar
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import map_present, tree_zeros_like
from fx.optim.tree_utils.moments import tree_bias_correction, tree_cast, tree_update_moment


class TraceState(NamedTuple):
    """The decaying sum of past updates."""

    trace: Any


@checked
def trace(
    decay: Numeric, nesterov: bool = False, accumulator_dtype: Any = None
) -> GradientTransformation:
    """The sum of all updates so far, older ones decayed: momentum.

    Unlike `ema` it has no factor 1 − decay.

    Args:
        decay: the weight of the sum so far, for each new update.
        nesterov: whether to look one step ahead.
        accumulator_dtype: the dtype of the sum; the parameters' if None.

    Returns:
        a `GradientTransformation`.

    Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum
    in deep learning", 2013.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.trace(0.5)
        >>> updates, state = tx.update(jnp.array([4.0]), tx.init(jnp.array([1.0])))
        >>> tx.update(jnp.array([4.0]), state)
        (Array([6.], dtype=float32), TraceState(trace=Array([6.], dtype=float32)))
    """

    @public
    def init(params: Params) -> TraceState:
        return TraceState(tree_zeros_like(params, accumulator_dtype))

    def add(g: Any, t: Any) -> Any:
        return g + scalar(decay, t) * t

    @public
    def update(updates: Updates, state: TraceState, params: Params = None) -> Any:
        total = map_present(add, updates, state.trace)
        ahead = map_present(add, updates, total) if nesterov else total
        return ahead, TraceState(tree_cast(total, accumulator_dtype))

    return GradientTransformation(init, update)


class EmaState(NamedTuple):
    """How many steps were done, and the moving average."""

    count: Any
    ema: Any


@checked
def ema(
    decay: Numeric, debias: bool = True, accumulator_dtype: Any = None
) -> GradientTransformation:
    """The exponential moving average of the updates.

    Args:
        decay: the weight of the old average.
        debias: whether to divide by 1 − decay^t, as the average began with 0.
        accumulator_dtype: the dtype of the average; the parameters' if None.

    Returns:
        a `GradientTransformation`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.ema(0.5, debias=False)
        >>> tx.update(jnp.array([4.0]), tx.init(jnp.array([1.0])))[0]
        Array([2.], dtype=float32)
    """

    @public
    def init(params: Params) -> EmaState:
        return EmaState(step_count(), tree_zeros_like(params, accumulator_dtype))

    @public
    def update(updates: Updates, state: EmaState, params: Params = None) -> Any:
        average = tree_update_moment(updates, state.ema, decay, 1)
        count = safe_increment(state.count)
        out = tree_bias_correction(average, decay, count) if debias else average
        return out, EmaState(count, tree_cast(average, accumulator_dtype))

    return GradientTransformation(init, update)


class ApplyEvery(NamedTuple):
    """The step within the period, and the sum of its updates so far."""

    count: Any
    grad_acc: Any


@checked
def apply_every(k: Any = 1) -> GradientTransformation:
    """The sum of k updates in every k-th step, 0 between.

    Args:
        k: the period.

    Returns:
        a `GradientTransformation`. `MultiSteps` also keeps other states from seeing the steps
        between.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.apply_every(2)
        >>> first, state = tx.update(jnp.array([4.0]), tx.init(jnp.array([1.0])))
        >>> second, state = tx.update(jnp.array([3.0]), state)
        >>> first, second
        (Array([0.], dtype=float32), Array([7.], dtype=float32))
    """

    @public
    def init(params: Params) -> ApplyEvery:
        return ApplyEvery(step_count(), tree_zeros_like(params))

    @public
    def update(updates: Updates, state: Any, params: Params = None) -> Any:
        place = state.count % k
        total = tree.map(lambda g, t: jnp.where(place != 0, t + g, g), updates, state.grad_acc)
        out = tree.map(lambda t: jnp.where(place == k - 1, t, jnp.zeros_like(t)), total)
        return out, ApplyEvery(safe_increment(state.count) % k, total)

    return GradientTransformation(init, update)
