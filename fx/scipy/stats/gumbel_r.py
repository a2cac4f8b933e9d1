"""The distribution of maxima, with cdf exp(-exp(-y)) at y = (x - loc) / scale.

Example:
    >>> from fx.scipy.stats import gumbel_r
    >>> gumbel_r.logcdf(0.0)
    Array(-1., dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.nn.activations import log1mexp
from fx.scipy.stats.common import Continuous

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_family = Continuous("gumbel_r")


def _logpdf(y):
    return -(y + jnp.exp(-y))


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", lambda y: jnp.exp(-jnp.exp(-y)))
sf = _family.below("sf", lambda y: -jnp.expm1(-jnp.exp(-y)))
logcdf = _family.below("logcdf", lambda y: -jnp.exp(-y))
logsf = _family.below("logsf", lambda y: log1mexp(jnp.exp(-y)))
ppf = _family.quantile("ppf", lambda q: -jnp.log(-jnp.log(q)), "p")
