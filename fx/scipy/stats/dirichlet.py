"""The Dirichlet distribution of probabilities that add up to 1.

Example:
    >>> import fx.numpy as jnp
    >>> from fx.scipy.stats import dirichlet
    >>> dirichlet.pdf(jnp.array([0.5, 0.5]), jnp.ones(2)).round(4)
    Array(1., dtype=float32)
"""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx.core.array import Array
from fx.errors import ShapeError, public
from fx.scipy.special import gammaln, xlogy
from fx.scipy.stats.common import real_operands

__all__ = ["logpdf", "pdf"]


@public
def logpdf(x: Any, alpha: Any) -> Array:
    """Logarithm of the density.

    Args:
        x: probabilities, shape (n, ...), or (n - 1, ...): the last one is then what is missing.
        alpha: positive, shape (n,).

    Returns:
        Array of the shape of `x` without its first axis; -inf where these are no probabilities.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.scipy.stats import dirichlet
        >>> dirichlet.logpdf(jnp.array([0.5, 0.5]), jnp.ones(2)).round(4)
        Array(0., dtype=float32)
    """
    name = "scipy.stats.dirichlet.logpdf"
    x, alpha = real_operands(name, x, alpha)
    if alpha.ndim != 1 or not x.ndim or alpha.shape[0] - x.shape[0] not in (0, 1):
        raise ShapeError(
            f"{name} expects alpha of shape (n,) and x of shape (n, ...) or (n - 1, ...), got "
            f"{alpha.aval.short()} and {x.aval.short()}."
        )
    if x.shape[0] < alpha.shape[0]:
        x = jnp.concatenate([x, 1 - jnp.sum(x, axis=0, keepdims=True)])
    constant = jnp.sum(gammaln(alpha)) - gammaln(jnp.sum(alpha))
    alpha = alpha.reshape(-1, *(1,) * (x.ndim - 1))
    tolerance = 1e-5 if x.dtype.itemsize < 8 else 1e-10
    possible = jnp.all(x >= 0, axis=0) & (jnp.abs(jnp.sum(x, axis=0) - 1) < tolerance)
    value = jnp.sum(xlogy(alpha - 1, jnp.where(possible, x, 1)), axis=0) - constant
    return jnp.where(possible, value, -jnp.inf)


@public
def pdf(x: Any, alpha: Any) -> Array:
    """Density.

    Args:
        x, alpha: as in `logpdf`.

    Returns:
        Array of the shape of `x` without its first axis.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.scipy.stats import dirichlet
        >>> dirichlet.pdf(jnp.array([0.5, 0.5]), jnp.ones(2)).round(4)
        Array(1., dtype=float32)
    """
    return jnp.exp(logpdf(x, alpha))
