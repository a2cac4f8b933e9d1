"""The distribution of the counts of n draws from categories of probabilities p.

Example:
    >>> import fx.numpy as jnp
    >>> from fx.scipy.stats import multinomial
    >>> multinomial.pmf(jnp.array([1, 1]), 2, jnp.array([0.5, 0.5])).round(4)
    Array(0.5, dtype=float32)
"""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx.core.array import Array
from fx.errors import public
from fx.scipy.special import gammaln, xlogy
from fx.scipy.stats.common import real_operands

__all__ = ["logpmf", "pmf"]


@public
def logpmf(x: Any, n: Any, p: Any) -> Array:
    """Logarithm of the probability of counts.

    Args:
        x: counts, shape (..., k).
        n: number of draws, shape (...).
        p: probabilities, shape (..., k).

    Returns:
        Array of the common shape of the leading axes; -inf where the counts do not add up to n.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.scipy.stats import multinomial
        >>> multinomial.logpmf(jnp.array([1, 0]), 2, jnp.array([0.5, 0.5]))
        Array(-inf, dtype=float32)
    """
    x, n, p = real_operands("scipy.stats.multinomial.logpmf", x, n, p)
    value = gammaln(n + 1) + jnp.sum(xlogy(x, p) - gammaln(x + 1), axis=-1)
    return jnp.where(jnp.sum(x, axis=-1) == n, value, -jnp.inf)


@public
def pmf(x: Any, n: Any, p: Any) -> Array:
    """Probability of counts.

    Args:
        x, n, p: as in `logpmf`.

    Returns:
        Array of the common shape of the leading axes.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.scipy.stats import multinomial
        >>> multinomial.pmf(jnp.array([1, 1]), 2, jnp.array([0.5, 0.5])).round(4)
        Array(0.5, dtype=float32)
    """
    return jnp.exp(logpmf(x, n, p))
