"""The distribution of the sum of df squares of normal numbers, at y = (x - loc) / scale.

Example:
    >>> from fx.scipy.stats import chi2
    >>> chi2.cdf(2.0, 2.0).round(4)
    Array(0.6321, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import math

import fx.numpy as jnp
from fx.scipy.stats.common import Continuous
from fx.scipy.stats.gamma import standard_cdf, standard_logcdf, standard_logpdf, standard_sf

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

# The gamma distribution of shape df / 2 and scale 2.
_family = Continuous("chi2", df=3.0)


def _logpdf(y, df):
    return standard_logpdf(y / 2, df / 2) - math.log(2)


def _cdf(y, df):
    return standard_cdf(y / 2, df / 2)


def _sf(y, df):
    return standard_sf(y / 2, df / 2)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", _cdf)
sf = _family.below("sf", _sf)
logcdf = _family.below("logcdf", lambda y, df: standard_logcdf(y / 2, df / 2))
logsf = _family.below("logsf", lambda y, df: jnp.log(_sf(y, df)))
