"""Derivatives of functions that have none, by random perturbations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fx.numpy as jnp
from fx import lax, random, tree
from fx.errors import checked
from fx.optim.tree_utils.arithmetic import tree_sum
from fx.optim.tree_utils.randomness import tree_random_like
from fx.transforms.mapping import vmap


class Normal:
    """Standard normal noise.

    Example:
        >>> from fx import optim, random
        >>> optim.perturbations.Normal().sample(random.key(0), (2,)).shape
        (2,)
    """

    def sample(self, key: Any, sample_shape: Any = (), dtype: Any = float) -> Any:
        """Random numbers."""
        return random.normal(key, sample_shape, dtype)

    def log_prob(self, inputs: Any) -> Any:
        """The logarithm of the density, up to a constant."""
        return -0.5 * inputs**2


class Gumbel:
    """Standard Gumbel noise, whose perturbed argmax is a softmax.

    Example:
        >>> from fx import optim, random
        >>> optim.perturbations.Gumbel().sample(random.key(0), (2,)).shape
        (2,)
    """

    def sample(self, key: Any, sample_shape: Any = (), dtype: Any = float) -> Any:
        """Random numbers."""
        return random.gumbel(key, sample_shape, dtype)

    def log_prob(self, inputs: Any) -> Any:
        """The logarithm of the density."""
        return -inputs - jnp.exp(-inputs)


# One object, as the default of make_perturbed_fun.
_GUMBEL = Gumbel()


@checked
def make_perturbed_fun(
    fun: Callable[[Any], Any],
    num_samples: int = 1000,
    sigma: float = 0.1,
    noise: Any = _GUMBEL,
    use_baseline: bool = True,
) -> Callable[[Any, Any], Any]:
    """The mean of a function over noise added to its input, which has derivatives of all orders.

    Args:
        fun: from a pytree of floats to a pytree of floats; it need not have derivatives.
        num_samples: over how many samples the mean is taken.
        sigma: the factor of the noise.
        noise: an object with `sample(key, shape, dtype)` and `log_prob(x)`.
        use_baseline: whether the value without noise is taken off, which lowers the variance.

    Returns:
        a function of (key, input).

    Source: Berthet et al., "Learning with differentiable perturbed optimizers", 2020; Foerster et
    al., "DiCE: the infinitely differentiable Monte Carlo estimator", 2018.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn, optim, random
        >>> argmax = lambda x: nn.one_hot(jnp.argmax(x), 2)
        >>> f = optim.perturbations.make_perturbed_fun(argmax, sigma=1.0)
        >>> bool(jnp.allclose(f(random.key(0), jnp.array([0.0, 0.0])), 0.5, atol=0.1))
        True
    """

    def perturbed(key: Any, inputs: Any) -> Any:
        baseline = fun(lax.stop_gradient(inputs)) if use_baseline else None

        def one(key: Any) -> Any:
            drawn = tree_random_like(key, inputs, noise.sample)
            moved = tree.map(lambda x, z: lax.stop_gradient(x + sigma * z), inputs, drawn)
            # The noise that leads from the inputs to this point, with its derivative by them.
            needed = tree.map(lambda x, y: (y - x) / sigma, inputs, moved)
            score = tree_sum(tree.map(noise.log_prob, needed))
            # 1, with the derivative of the score.
            weight = jnp.exp(score - lax.stop_gradient(score))
            out = tree.map(lambda y: weight * y, fun(moved))
            if use_baseline:
                out = tree.map(lambda y, base: y + (1 - weight) * base, out, baseline)
            return out

        outs = vmap(one)(random.split(key, num_samples))
        return tree.map(lambda y: jnp.mean(y, axis=0), outs)

    return perturbed
