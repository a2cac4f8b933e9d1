"""Weight decay, sparsity penalties, noise and constraints: what is added to the gradients.

`add_l1_penalty`, `l1_penalty` and `l2_penalty` are fx's own, with the manners of
`add_decayed_weights`.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import random, tree
from fx.errors import FxTypeError, checked, public
from fx.optim.base import (
    EmptyState,
    GradientTransformation,
    MaskOrFn,
    Numeric,
    Params,
    ScalarOrSchedule,
    Updates,
    init_empty_state,
    need_params,
)
from fx.optim.masking import masked, resolve, select
from fx.optim.numerics import abs_sq, is_zero, safe_increment, scalar
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import map_present
from fx.optim.tree_utils.randomness import tree_random_like

AddDecayedWeightsState = EmptyState
NonNegativeParamsState = EmptyState


class WeightDecaySchedule(NamedTuple):
    """How many steps were done."""

    count: Any


def _add_penalty(name: str, strength: ScalarOrSchedule, mask: Any, gradient: Any) -> Any:
    """updates + strength · gradient(params), where the mask holds."""

    @public
    def init(params: Params) -> EmptyState | WeightDecaySchedule:
        return WeightDecaySchedule(step_count()) if callable(strength) else EmptyState()

    @public
    def update(updates: Updates, state: Any, params: Params = None) -> Any:
        need_params(name, params)
        if is_zero(strength):
            return updates, state
        factor, new = strength, state
        if callable(strength):
            factor, new = strength(state.count), WeightDecaySchedule(safe_increment(state.count))
        return map_present(lambda g, p: g + scalar(factor, g) * gradient(p), updates, params), new

    tx = GradientTransformation(init, update)
    return tx if mask is None else masked(tx, mask)


@checked
def add_decayed_weights(
    weight_decay: ScalarOrSchedule = 0.0, mask: MaskOrFn | None = None
) -> GradientTransformation:
    """updates + weight_decay · parameters: the gradient of ½ weight_decay ‖parameters‖².

    Before the learning rate in a `chain` it is the L2 penalty of SGD; after `scale_by_adam` it is
    the decoupled weight decay of AdamW.

    Args:
        weight_decay: a number or a schedule.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters decay; None for all.

    Returns:
        a `GradientTransformation` whose `update` needs parameters.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.add_decayed_weights(0.5), jnp.array([4.0])
        >>> tx.update(jnp.array([1.0]), tx.init(params), params)[0]
        Array([3.], dtype=float32)
    """
    return _add_penalty("add_decayed_weights", weight_decay, mask, lambda p: p)


@checked
def add_l1_penalty(
    strength: ScalarOrSchedule = 0.0, mask: MaskOrFn | None = None
) -> GradientTransformation:
    """updates + strength · sign(parameters): the gradient of strength · ‖parameters‖₁.

    A name of fx, not of Optax. Parameters that are 0 stay 0 as far as the penalty goes.

    Args:
        strength: a number or a schedule.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters are penalized; None for all.

    Returns:
        a `GradientTransformation` whose `update` needs parameters.

    Source: Tibshirani, "Regression shrinkage and selection via the lasso", 1996.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.add_l1_penalty(0.5, mask={"w": True, "b": False})
        >>> params = {"w": jnp.array([4.0, -4.0]), "b": jnp.array([4.0])}
        >>> grads = {"w": jnp.zeros(2), "b": jnp.zeros(1)}
        >>> tx.update(grads, tx.init(params), params)[0]
        {'b': Array([0.], dtype=float32), 'w': Array([ 0.5, -0.5], dtype=float32)}
    """
    return _add_penalty("add_l1_penalty", strength, mask, jnp.sign)


def _sum_over(params: Params, mask: Any, f: Any) -> Any:
    chosen = params if mask is None else select(resolve(mask, params), params)
    return tree.reduce(operator.add, tree.map(lambda p: jnp.sum(f(p)), chosen), 0.0)


@public
def l1_penalty(params: Params, strength: Numeric = 1.0, mask: MaskOrFn | None = None) -> Any:
    """strength · ‖parameters‖₁, to add to a loss.

    A name of fx, not of Optax.

    Args:
        params: a pytree of arrays.
        strength: a number.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters count; None for all.

    Returns:
        an array of shape ().

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.l1_penalty(
        ...     {"w": jnp.array([3.0, -1.0]), "b": jnp.array([9.0])},
        ...     0.5,
        ...     mask={"w": True, "b": False},
        ... )
        Array(2., dtype=float32)
    """
    return strength * _sum_over(params, mask, jnp.abs)


@public
def l2_penalty(params: Params, strength: Numeric = 1.0, mask: MaskOrFn | None = None) -> Any:
    """½ strength · ‖parameters‖², to add to a loss; its gradient is strength · parameters.

    A name of fx, not of Optax.

    Args:
        params: a pytree of arrays.
        strength: a number.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters count; None for all.

    Returns:
        an array of shape ().

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.l2_penalty({"w": jnp.array([3.0, -1.0])}, 0.5)
        Array(2.5, dtype=float32)
    """
    return 0.5 * strength * _sum_over(params, mask, abs_sq)


class AddNoiseState(NamedTuple):
    """How many steps were done, and the key of the next one."""

    count: Any
    rng_key: Any


def as_key(name: str, key: Any, seed: int | None) -> Any:
    """A key from the arguments `key` (a key, or an int) and `seed` (an int)."""
    if (key is None) == (seed is None):
        got = "neither key nor seed" if key is None else "both key and seed"
        raise FxTypeError(f"optim.{name}: got {got}, expected one. Write key=random.key(0).")
    value = seed if key is None else key
    return random.key(value) if isinstance(value, int) else value


@checked
def add_noise(
    eta: Numeric, gamma: Numeric, key: Any = None, *, seed: int | None = None
) -> GradientTransformation:
    """Normal noise of variance eta / t^gamma added to the updates of step t.

    Args:
        eta: the variance in the first step.
        gamma: how fast it falls.
        key: a random key, or an int to make one of.
        seed: an int to make the key of, instead of `key`.

    Returns:
        a `GradientTransformation`, whose state has the key.

    Raises:
        FxTypeError: neither or both of key and seed are given.

    Source: Neelakantan et al., "Adding gradient noise improves learning for very deep networks",
    2015.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim, random
        >>> tx = optim.add_noise(0.01, 0.55, random.key(0))
        >>> updates, state = tx.update(jnp.ones(3), tx.init(jnp.ones(3)))
        >>> bool(jnp.all(jnp.abs(updates - 1) < 1))
        True
    """
    start = as_key("add_noise", key, seed)

    @public
    def init(params: Params) -> AddNoiseState:
        return AddNoiseState(step_count(), start)

    @public
    def update(updates: Updates, state: AddNoiseState, params: Params = None) -> Any:
        count = safe_increment(state.count)
        deviation = jnp.sqrt(eta / count**gamma)
        keys = random.split(state.rng_key)
        noise = tree_random_like(keys[1], updates)
        noisy = map_present(lambda g, n: g + scalar(deviation, g) * n, updates, noise)
        return noisy, AddNoiseState(count, keys[0])

    return GradientTransformation(init, update)


@checked
def keep_params_nonnegative() -> GradientTransformation:
    """Updates that leave no parameter negative: one that would become so becomes 0.

    Returns:
        a `GradientTransformation` without state, whose `update` needs parameters. It comes last
        in a `chain`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.keep_params_nonnegative(), jnp.array([1.0, 1.0])
        >>> tx.update(jnp.array([-3.0, 2.0]), tx.init(params), params)[0]
        Array([-1.,  2.], dtype=float32)
    """

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        need_params("keep_params_nonnegative", params)
        return map_present(lambda p, u: jnp.where(p + u < 0, -p, u), params, updates), state

    return GradientTransformation(init_empty_state, update)


class ZeroNansState(NamedTuple):
    """For each array, whether its last updates had a NaN."""

    found_nan: Any


@checked
def zero_nans() -> GradientTransformation:
    """Updates with 0 in place of NaN.

    Returns:
        a `GradientTransformation`, whose state says where NaNs were.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.zero_nans()
        >>> tx.update(jnp.array([jnp.nan, 2.0]), tx.init(jnp.ones(2)))
        (Array([0., 2.], dtype=float32), ZeroNansState(found_nan=Array(True, dtype=bool)))
    """

    @public
    def init(params: Params) -> ZeroNansState:
        return ZeroNansState(tree.map(lambda p: jnp.array(False), params))

    @public
    def update(updates: Updates, state: ZeroNansState, params: Params = None) -> Any:
        found = tree.map(lambda g: jnp.any(jnp.isnan(g)), updates)
        clean = tree.map(lambda g: jnp.where(jnp.isnan(g), jnp.zeros_like(g), g), updates)
        return clean, ZeroNansState(found)

    return GradientTransformation(init, update)
