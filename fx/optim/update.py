"""Parameters after a step, and slow copies of parameters."""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx import lax, tree
from fx.errors import public
from fx.optim.base import Numeric, Params, Updates


def _is_none(x: Any) -> bool:
    return x is None


@public
def apply_updates(params: Params, updates: Updates) -> Params:
    """params + updates, each in the dtype of its parameter.

    Args:
        params: a pytree of arrays.
        updates: a pytree of the same structure; None (beside a parameter or in its place) means
            no change.

    Returns:
        a pytree like `params`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.apply_updates({"w": jnp.array([1.0])}, {"w": jnp.array([-0.5])})
        {'w': Array([0.5], dtype=float32)}
    """

    def step(p: Any, u: Any) -> Any:
        if p is None or u is None:
            return p
        p = jnp.asarray(p)
        return jnp.astype(p + u, p.dtype)

    return tree.map(step, params, updates, is_leaf=_is_none)


@public
def incremental_update(new_tensors: Params, old_tensors: Params, step_size: Numeric) -> Params:
    """step_size · new + (1 − step_size) · old: a moving average, as of a target network.

    Args:
        new_tensors: a pytree of arrays.
        old_tensors: a pytree of the same structure.
        step_size: the weight of `new_tensors`.

    Returns:
        a pytree of the same structure.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.incremental_update(jnp.array([4.0]), jnp.array([0.0]), 0.25)
        Array([1.], dtype=float32)
    """

    def mix(new: Any, old: Any) -> Any:
        return None if new is None else step_size * new + (1.0 - step_size) * old

    return tree.map(mix, new_tensors, old_tensors, is_leaf=_is_none)


@public
def periodic_update(
    new_tensors: Params, old_tensors: Params, steps: Any, update_period: int
) -> Params:
    """The new parameters in every `update_period`-th step, the old ones between.

    Args:
        new_tensors: a pytree of arrays.
        old_tensors: a pytree of the same structure.
        steps: the number of steps done, an integer of shape ().
        update_period: how often the new ones are taken.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.periodic_update(jnp.array([4.0]), jnp.array([0.0]), jnp.array(3), 2)
        Array([0.], dtype=float32)
    """
    return lax.cond(
        jnp.mod(steps, update_period) == 0,
        lambda new, old: new,
        lambda new, old: old,
        new_tensors,
        old_tensors,
    )
