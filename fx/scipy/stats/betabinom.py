"""The binomial distribution whose p has the beta distribution of a and b.

Example:
    >>> from fx.scipy.stats import betabinom
    >>> betabinom.pmf(0, 1, 1.0, 1.0).round(4)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import betaln
from fx.scipy.stats.common import Discrete, log_choose, only, whole

__all__ = ["logpmf", "pmf"]

_family = Discrete("betabinom", n=3, a=2.0, b=1.0, point=1)


def _logpmf(k, n, a, b):
    def inside(k):
        return log_choose(n, k, betaln) + betaln(k + a, n - k + b) - betaln(a, b)

    return only((k >= 0) & (k <= n) & whole(k), inside, k, 0, -jnp.inf)


logpmf = _family.logpmf(_logpmf)
pmf = _family.pmf(_logpmf)
