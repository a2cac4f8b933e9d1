"""The exponential distribution: exp(-y) at y = (x - loc) / scale >= 0, divided by scale.

Example:
    >>> from fx.scipy.stats import expon
    >>> expon.logsf(2.0)
    Array(-2., dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.nn.activations import log1mexp
from fx.scipy.stats.common import Continuous, only

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_family = Continuous("expon")


def _logpdf(y):
    return jnp.where(y >= 0, -y, -jnp.inf)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", lambda y: -jnp.expm1(-jnp.maximum(y, 0)))
sf = _family.below("sf", lambda y: jnp.exp(-jnp.maximum(y, 0)))
logcdf = _family.below("logcdf", lambda y: only(y > 0, log1mexp, y, 1, -jnp.inf))
logsf = _family.below("logsf", lambda y: -jnp.maximum(y, 0))
ppf = _family.quantile("ppf", lambda q: -jnp.log1p(-q))
