"""The distribution of the number of ones among n coins of probability p.

Example:
    >>> from fx.scipy.stats import binom
    >>> binom.pmf(1, 2, 0.5).round(4)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import betaln, xlog1py, xlogy
from fx.scipy.stats.common import Discrete, log_choose, only, whole

__all__ = ["logpmf", "pmf"]

_family = Discrete("binom", n=3, p=0.5, point=1)


def _logpmf(k, n, p):
    def inside(k):
        return log_choose(n, k, betaln) + xlogy(k, p) + xlog1py(n - k, -p)

    return only((k >= 0) & (k <= n) & whole(k), inside, k, 0, -jnp.inf)


logpmf = _family.logpmf(_logpmf)
pmf = _family.pmf(_logpmf)
