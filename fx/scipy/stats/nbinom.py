"""The distribution of the number of zeros before the n-th one, for coins of probability p.

Example:
    >>> from fx.scipy.stats import nbinom
    >>> nbinom.pmf(0, 2, 0.5).round(4)
    Array(0.25, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import gammaln, xlog1py, xlogy
from fx.scipy.stats.common import Discrete, only, whole

__all__ = ["logpmf", "pmf"]

_family = Discrete("nbinom", n=3, p=0.5, point=1)


def _logpmf(k, n, p):
    def inside(k):
        ways = gammaln(k + n) - gammaln(n) - gammaln(k + 1)
        return ways + xlogy(n, p) + xlog1py(k, -p)

    return only((k >= 0) & whole(k), inside, k, 0, -jnp.inf)


logpmf = _family.logpmf(_logpmf)
pmf = _family.pmf(_logpmf)
