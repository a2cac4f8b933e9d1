"""The distribution of minima, with sf exp(-exp(y)) at y = (x - loc) / scale.

Example:
    >>> from fx.scipy.stats import gumbel_l
    >>> gumbel_l.logsf(0.0)
    Array(-1., dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.nn.activations import log1mexp
from fx.scipy.stats.common import Continuous

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_family = Continuous("gumbel_l")


def _logpdf(y):
    return y - jnp.exp(y)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", lambda y: -jnp.expm1(-jnp.exp(y)))
sf = _family.below("sf", lambda y: jnp.exp(-jnp.exp(y)))
logcdf = _family.below("logcdf", lambda y: log1mexp(jnp.exp(y)))
logsf = _family.below("logsf", lambda y: -jnp.exp(y))
ppf = _family.quantile("ppf", lambda q: jnp.log(-jnp.log1p(-q)), "p")
