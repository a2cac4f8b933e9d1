"""The Pareto distribution: b / y**(b + 1) at y = (x - loc) / scale >= 1, divided by scale.

Example:
    >>> from fx.scipy.stats import pareto
    >>> pareto.sf(2.0, 1.0).round(4)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.nn.activations import log1mexp
from fx.scipy.stats.common import Continuous, only

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]

_family = Continuous("pareto", b=2.0, point=1.5)


def _logpdf(y, b):
    return only(y >= 1, lambda y: jnp.log(b) - (b + 1) * jnp.log(y), y, 1, -jnp.inf)


def _logsf(y, b):
    return -b * jnp.log(jnp.maximum(y, 1))


def _logcdf(y, b):
    return only(y > 1, lambda y: log1mexp(b * jnp.log(y)), y, 2, -jnp.inf)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", lambda y, b: -jnp.expm1(_logsf(y, b)))
sf = _family.below("sf", lambda y, b: jnp.exp(_logsf(y, b)))
logcdf = _family.below("logcdf", _logcdf)
logsf = _family.below("logsf", _logsf)
ppf = _family.quantile("ppf", lambda q, b: jnp.exp(-jnp.log1p(-q) / b))
