"""The normal distribution: exp(-y² / 2) / √(2π) at y = (x - loc) / scale, divided by scale.

Example:
    >>> from fx.scipy.stats import norm
    >>> norm.cdf(0.0)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import math

from fx.scipy.special import log_ndtr, ndtr, ndtri
from fx.scipy.stats.common import Continuous

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_family = Continuous("norm")
_LOG_2_PI = math.log(2 * math.pi)


def _logpdf(y):
    return -0.5 * (y * y + _LOG_2_PI)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", ndtr)
sf = _family.below("sf", lambda y: ndtr(-y))
logcdf = _family.below("logcdf", log_ndtr)
logsf = _family.below("logsf", lambda y: log_ndtr(-y))
ppf = _family.quantile("ppf", ndtri)
isf = _family.quantile("isf", lambda q: -ndtri(q))
