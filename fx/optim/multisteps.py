"""One step of an optimizer for the gradients of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import fx.numpy as jnp
from fx import lax, tree
from fx.errors import FxTypeError, public
from fx.optim.base import (
    GradientTransformation,
    GradientTransformationExtraArgs,
    Numeric,
    Params,
    Updates,
    with_extra_args_support,
)
from fx.optim.numerics import abs_sq, safe_increment
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import tree_sum, tree_where, tree_zeros_like
from fx.optim.tree_utils.moments import tree_cast_like


class ShouldSkipUpdateFunction(Protocol):
    """The type of functions that tell whether gradients are to be left out."""

    def __call__(
        self, updates: Updates, gradient_step: Any, params: Params | None
    ) -> tuple[Any, Any]:
        """A boolean of shape (), and a pytree to keep in the state."""
        ...


@public
def skip_not_finite(updates: Updates, gradient_step: Numeric, params: Params) -> tuple[Any, Any]:
    """Leaves out gradients with NaN or infinity, as `should_skip_update_fn` of `MultiSteps`.

    Args:
        updates: the gradients.
        gradient_step: ignored.
        params: ignored.

    Returns:
        (skip, facts): a boolean, and a dict of it and of how many numbers were not finite.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> bool(optim.skip_not_finite(jnp.array([1.0, jnp.nan]), 0, None)[0])
        True
    """
    del gradient_step, params
    bad = tree_sum(tree.map(lambda g: jnp.logical_not(jnp.isfinite(g)), updates))
    count = jnp.asarray(bad, dtype=jnp.int32)
    return count > 0, {"should_skip": count > 0, "num_not_finite": count}


@public
def skip_large_updates(
    updates: Updates, gradient_step: Numeric, params: Params, max_squared_norm: Numeric
) -> tuple[Any, Any]:
    """Leaves out gradients of a large norm, as `should_skip_update_fn` of `MultiSteps`.

    Args:
        updates: the gradients.
        gradient_step: ignored.
        params: ignored.
        max_squared_norm: the square of the norm from which on gradients are left out; give it
            with `functools.partial`.

    Returns:
        (skip, facts): a boolean, and a dict of it and of the squared norm.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> bool(optim.skip_large_updates(jnp.array([3.0, 4.0]), 0, None, 20.0)[0])
        True
    """
    del gradient_step, params
    square = jnp.asarray(tree_sum(tree.map(abs_sq, updates)))
    skip = jnp.logical_not(square < max_squared_norm)  # NaN is skipped
    return skip, {"should_skip": skip, "norm_squared": square}


class MultiStepsState(NamedTuple):
    """The step within the period, the periods done, the inner state, and the gradients so far."""

    mini_step: Any
    gradient_step: Any
    inner_opt_state: Any
    acc_grads: Any
    skip_state: Any = ()


def _never(updates: Updates, gradient_step: Any, params: Params) -> tuple[Any, Any]:
    return jnp.array(False), ()


class MultiSteps:
    """An optimizer that takes one step for the gradients of k calls, and none between.

    Args:
        opt: the optimizer.
        every_k_schedule: k, or a schedule of it over the steps taken.
        use_grad_mean: whether the gradients are averaged; else they are summed.
        should_skip_update_fn: from (gradients, steps taken, parameters) to (whether to leave them
            out, a pytree to keep in the state); None leaves none out.
        accumulator_dtype: the dtype in which gradients are accumulated.

    Source: the average over k small batches is the gradient of one large batch.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.MultiSteps(optim.sgd(1.0), every_k_schedule=2)
        >>> params = jnp.array([0.0])
        >>> first, state = tx.update(jnp.array([2.0]), tx.init(params), params)
        >>> second, state = tx.update(jnp.array([4.0]), state, params)
        >>> first, second
        (Array([0.], dtype=float32), Array([-3.], dtype=float32))
    """

    def __init__(
        self,
        opt: GradientTransformation,
        every_k_schedule: int | Callable[[Any], Any],
        use_grad_mean: bool = True,
        should_skip_update_fn: ShouldSkipUpdateFunction | None = None,
        accumulator_dtype: Any = jnp.float32,
    ):
        self._opt = with_extra_args_support(opt)
        self._every_k = every_k_schedule
        self._use_grad_mean = use_grad_mean
        self._skip = _never if should_skip_update_fn is None else should_skip_update_fn
        self._dtype = accumulator_dtype

    @property
    def inner_opt(self) -> GradientTransformationExtraArgs:
        """The optimizer inside."""
        return self._opt

    def _accumulate(self, g: Any, total: Any, count: Any) -> Any:
        if self._use_grad_mean:
            return total + (g - total) / (count + 1)
        return g + total

    @public
    def init(self, params: Params) -> MultiStepsState:
        """The state before the first call."""
        zeros = tree_zeros_like(params)
        _, skip_state = self._skip(zeros, step_count(), params)
        return MultiStepsState(
            mini_step=step_count(),
            gradient_step=step_count(),
            inner_opt_state=self._opt.init(params),
            acc_grads=tree_zeros_like(params, self._dtype),
            skip_state=skip_state,
        )

    @public
    def update(
        self, updates: Updates, state: MultiStepsState, params: Params = None, **extra_args: Any
    ) -> tuple[Updates, MultiStepsState]:
        """The step of the inner optimizer in every k-th call, zeros else."""
        every_k = self._every_k(state.gradient_step) if callable(self._every_k) else self._every_k
        skip, skip_state = self._skip(updates, state.gradient_step, params)
        if jnp.asarray(skip).dtype != jnp.bool_ or jnp.shape(skip) != ():
            raise FxTypeError(
                "optim.MultiSteps: should_skip_update_fn gave "
                f"{jnp.asarray(skip).dtype}{list(jnp.shape(skip))}, expected a boolean of shape ()."
            )
        total = tree.map(
            lambda g, acc: self._accumulate(g, acc, state.mini_step), updates, state.acc_grads
        )
        last = state.mini_step == every_k - 1
        taken = jnp.logical_and(last, jnp.logical_not(skip))

        def step() -> Any:
            grads, old = tree_cast_like(total, updates), state.inner_opt_state
            out, new = self._opt.update(grads, old, params, **extra_args)
            return tree_cast_like(out, updates), tree_cast_like(new, old)

        def wait() -> Any:
            return tree_zeros_like(updates), state.inner_opt_state

        out, inner = lax.cond(taken, step, wait)
        cleared = tree.map(lambda acc: jnp.where(last, jnp.zeros_like(acc), acc), total)
        new = MultiStepsState(
            mini_step=safe_increment(state.mini_step) % every_k,
            gradient_step=jnp.where(last, safe_increment(state.gradient_step), state.gradient_step),
            inner_opt_state=inner,
            acc_grads=tree_cast_like(cleared, state.acc_grads),
            skip_state=skip_state,
        )
        counters = tree_where(skip, (state[0], state[1], state[3]), (new[0], new[1], new[3]))
        return out, MultiStepsState(counters[0], counters[1], inner, counters[2], skip_state)

    def has_updated(self, state: MultiStepsState) -> Any:
        """Whether the last call took a step of the inner optimizer."""
        return jnp.logical_and(state.mini_step == 0, state.gradient_step > 0)

    def gradient_transformation(self) -> GradientTransformation:
        """The pair `(init, update)`, for use in a `chain`."""
        return GradientTransformationExtraArgs(self.init, self.update)
