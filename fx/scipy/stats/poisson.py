"""The Poisson distribution: mu**k exp(-mu) / k!.

Example:
    >>> from fx.scipy.stats import poisson
    >>> poisson.pmf(0, 1.0).round(4)
    Array(0.3679, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import gammaincc, gammaln, xlogy
from fx.scipy.stats.common import Discrete, only, whole

__all__ = ["cdf", "logpmf", "pmf"]

_family = Discrete("poisson", mu=2.0, point=1)


def _logpmf(k, mu):
    def inside(k):
        return xlogy(k, mu) - gammaln(k + 1) - mu

    return only((k >= 0) & whole(k), inside, k, 0, -jnp.inf)


def _cdf(k, mu):
    return only(k >= 0, lambda k: gammaincc(jnp.floor(k) + 1, mu), k, 0, 0)


logpmf = _family.logpmf(_logpmf)
pmf = _family.pmf(_logpmf)
cdf = _family.function("cdf", "k", _cdf, located=True)
