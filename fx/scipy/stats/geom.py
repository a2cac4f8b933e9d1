"""The distribution of the number of coins up to the first one: p (1 - p)**(k - 1).

Example:
    >>> from fx.scipy.stats import geom
    >>> geom.pmf(2, 0.5).round(4)
    Array(0.25, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import xlog1py
from fx.scipy.stats.common import Discrete, only, whole

__all__ = ["logpmf", "pmf"]

_family = Discrete("geom", p=0.5, point=1)


def _logpmf(k, p):
    def inside(k):
        return xlog1py(k - 1, -p) + jnp.log(p)

    return only((k >= 1) & whole(k), inside, k, 1, -jnp.inf)


logpmf = _family.logpmf(_logpmf)
pmf = _family.pmf(_logpmf)
