"""The distribution of a coin: 1 with probability p, otherwise 0.

Example:
    >>> from fx.scipy.stats import bernoulli
    >>> bernoulli.pmf(1, 0.25).round(4)
    Array(0.25, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import xlog1py, xlogy
from fx.scipy.stats.common import Discrete

__all__ = ["cdf", "logpmf", "pmf", "ppf"]

_family = Discrete("bernoulli", p=0.5, point=1)


def _logpmf(k, p):
    possible = (k == 0) | (k == 1)
    k = jnp.where(possible, k, 0)
    return jnp.where(possible, xlogy(k, p) + xlog1py(1 - k, -p), -jnp.inf)


def _cdf(k, p):
    value = jnp.where(k < 0, 0, jnp.where(k < 1, 1 - p, 1))
    return jnp.where((p >= 0) & (p <= 1), value, jnp.nan)


def _ppf(q, p):
    known = (q >= 0) & (q <= 1) & (p >= 0) & (p <= 1)
    return jnp.where(known, jnp.where(q <= 1 - p, jnp.zeros_like(q), jnp.ones_like(q)), jnp.nan)


logpmf = _family.logpmf(_logpmf)
pmf = _family.pmf(_logpmf)
cdf = _family.function("cdf", "k", _cdf, located=False)
ppf = _family.function("ppf", "q", _ppf, located=False)
