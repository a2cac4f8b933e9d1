"""Scaled gradients, and normal distributions given by parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import fx.numpy as jnp
from fx import lax, random, tree
from fx.calls.custom import custom_jvp
from fx.core.array import Array
from fx.errors import public


@custom_jvp
def _scaled_derivative(x: Any, scale: Any) -> Any:
    return x


@_scaled_derivative.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x, scale), (t, _) = primals, tangents
    return x, jnp.asarray(scale, dtype=t.dtype) * t


@public
def scale_gradient(inputs: Any, scale: float) -> Any:
    """The inputs as they are, whose derivatives are multiplied by scale.

    Args:
        inputs: a pytree of arrays.
        scale: the factor.

    Returns:
        a pytree of the same structure.

    Source: Ganin and Lempitsky, "Unsupervised domain adaptation by backpropagation", 2015, for
    negative factors.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> float(fx.grad(lambda x: optim.scale_gradient(x, 0.5) ** 2)(jnp.array(3.0)))
        3.0
    """
    if isinstance(scale, (int, float)) and scale == 1:
        return inputs
    if isinstance(scale, (int, float)) and scale == 0:
        return tree.map(lax.stop_gradient, inputs)

    return tree.map(lambda x: _scaled_derivative(x, scale), inputs)


class MultiNormalDiagFromLogScale:
    """Independent normal numbers of given means and logarithms of standard deviations.

    Args:
        loc: the means.
        log_scale: the logarithms, broadcast against the means.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> normal = optim.multi_normal(jnp.zeros(2), jnp.zeros(2))
        >>> normal.log_prob(jnp.zeros(2)).round(3)
        Array(-1.838, dtype=float32)
    """

    def __init__(self, loc: Any, log_scale: Any):
        self._mean = jnp.asarray(loc)
        self._log_scale = jnp.asarray(log_scale)
        self._scale = jnp.exp(self._log_scale)
        self._shape = jnp.broadcast_shapes(self._mean.shape, self._scale.shape)

    def sample(self, shape: Sequence[int], key: Any) -> Array:
        """Random numbers of the shape (*shape, *event shape), derivable by the parameters."""
        size = (*shape, *self._shape)
        return random.normal(key, size, self._mean.dtype) * self._scale + self._mean

    def log_prob(self, x: Any) -> Array:
        """The logarithm of the density, summed over the event's axes."""
        z = (jnp.asarray(x) - self._mean) / self._scale
        terms = -0.5 * (z * z) - self._log_scale - 0.5 * math.log(2 * math.pi)
        return jnp.sum(terms, axis=tuple(range(-len(self._shape), 0)))

    @property
    def log_scale(self) -> Array:
        """The logarithms of the standard deviations."""
        return self._log_scale

    @property
    def params(self) -> list[Array]:
        """[means, logarithms of standard deviations]."""
        return [self._mean, self._log_scale]


@public
def multi_normal(loc: Any, log_scale: Any) -> MultiNormalDiagFromLogScale:
    """Independent normal numbers of given means and logarithms of standard deviations.

    Args:
        loc: the means.
        log_scale: the logarithms, broadcast against the means.

    Returns:
        an object with `sample(shape, key)`, `log_prob(x)`, `log_scale` and `params`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim, random
        >>> optim.multi_normal(jnp.zeros(2), jnp.zeros(2)).sample((3,), random.key(0)).shape
        (3, 2)
    """
    return MultiNormalDiagFromLogScale(loc, log_scale)
