"""The Cauchy distribution: 1 / (π (1 + y²)) at y = (x - loc) / scale, divided by scale.

Example:
    >>> from fx.scipy.stats import cauchy
    >>> cauchy.cdf(0.0)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import math

import fx.numpy as jnp
from fx.scipy.stats.common import Continuous

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_family = Continuous("cauchy")


def _logpdf(y):
    return -jnp.log1p(y * y) - math.log(math.pi)


def _above(y):
    # The angle of the point (y, 1) keeps its digits in the far tail.
    return jnp.arctan2(1, y) / math.pi


def _quantile(q):
    # From the nearer end, where the tangent is large but its argument is exact.
    low = q < 0.5
    return jnp.where(low, -1, 1) / jnp.tan(math.pi * jnp.where(low, q, 1 - q))


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", lambda y: _above(-y))
sf = _family.below("sf", _above)
logcdf = _family.below("logcdf", lambda y: jnp.log(_above(-y)))
logsf = _family.below("logsf", lambda y: jnp.log(_above(y)))
ppf = _family.quantile("ppf", _quantile)
isf = _family.quantile("isf", lambda q: -_quantile(q))
