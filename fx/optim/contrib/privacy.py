"""Differentially private gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

from fx import random, tree
from fx.errors import checked, public
from fx.optim.accumulation import trace
from fx.optim.base import (
    GradientTransformation,
    Params,
    ScalarOrSchedule,
    Updates,
    identity,
)
from fx.optim.clipping import per_example_global_norm_clip
from fx.optim.combine import chain
from fx.optim.scaling import scale_by_learning_rate
from fx.optim.weights import as_key


class DifferentiallyPrivateAggregateState(NamedTuple):
    """The key of the next step."""

    rng_key: Any


@checked
def differentially_private_aggregate(
    l2_norm_clip: float, noise_multiplier: float, key: Any = None, *, seed: int | None = None
) -> GradientTransformation:
    """The mean of the gradients of examples, each clipped to a norm, with normal noise.

    Args:
        l2_norm_clip: the largest norm of an example's gradients.
        noise_multiplier: the standard deviation of the noise of the sum, as a multiple of that.
        key: a random key, or an int to make one of.
        seed: an int to make the key of, instead of `key`.

    Returns:
        a `GradientTransformation` of gradients whose first axis is the examples. Other
        transformations come after it in a `chain`.

    Raises:
        FxTypeError: neither or both of key and seed are given.

    Source: Abadi et al., "Deep learning with differential privacy", 2016.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim, random
        >>> tx = optim.contrib.differentially_private_aggregate(1.0, 0.0, random.key(0))
        >>> tx.update(jnp.array([[3.0], [0.5]]), tx.init(jnp.ones(1)))[0]
        Array([0.75], dtype=float32)
    """
    start = as_key("contrib.differentially_private_aggregate", key, seed)
    deviation = l2_norm_clip * noise_multiplier

    @public
    def init(params: Params) -> DifferentiallyPrivateAggregateState:
        return DifferentiallyPrivateAggregateState(start)

    @public
    def update(
        updates: Updates, state: DifferentiallyPrivateAggregateState, params: Params = None
    ) -> Any:
        sums, _ = per_example_global_norm_clip(updates, l2_norm_clip)
        leaves, shape = tree.flatten(sums)
        count = tree.leaves(updates)[0].shape[0]
        keys = random.split(state.rng_key, len(leaves) + 1)
        means = [
            (g + deviation * random.normal(keys[i + 1], g.shape, g.dtype)) / count
            for i, g in enumerate(leaves)
        ]
        return tree.unflatten(shape, means), DifferentiallyPrivateAggregateState(keys[0])

    return GradientTransformation(init, update)


@checked
def dpsgd(
    learning_rate: ScalarOrSchedule,
    l2_norm_clip: float,
    noise_multiplier: float,
    seed: int,
    momentum: float | None = None,
    nesterov: bool = False,
) -> GradientTransformation:
    """Gradient descent with differentially private gradients.

    Args:
        learning_rate: a number or a schedule.
        l2_norm_clip: the largest norm of an example's gradients.
        noise_multiplier: the standard deviation of the noise of the sum, as a multiple of that.
        seed: an int to make the random key of.
        momentum: the decay rate of the sum of past steps; None for no momentum.
        nesterov: whether to look one step ahead.

    Returns:
        a `GradientTransformation` of gradients whose first axis is the examples.

    Source: Abadi et al., "Deep learning with differential privacy", 2016.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x, example: jnp.sum((x - example) ** 2)
        >>> tx, x, examples = optim.contrib.dpsgd(0.5, 1.0, 0.1, 0), jnp.zeros(1), jnp.ones((4, 1))
        >>> grads = fx.vmap(fx.grad(loss), in_axes=(None, 0))(x, examples)
        >>> tx.update(grads, tx.init(x))[0].shape
        (1,)
    """
    return chain(
        differentially_private_aggregate(l2_norm_clip, noise_multiplier, seed=seed),
        identity() if momentum is None else trace(momentum, nesterov),
        scale_by_learning_rate(learning_rate),
    )
