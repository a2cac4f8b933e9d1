"""The logistic distribution, with cdf 1 / (1 + exp(-y)) at y = (x - loc) / scale.

Example:
    >>> from fx.scipy.stats import logistic
    >>> logistic.cdf(0.0)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import expit, logit
from fx.scipy.stats.common import Continuous

__all__ = ["cdf", "isf", "logpdf", "pdf", "ppf", "sf"]

_family = Continuous("logistic")


def _logpdf(y):
    size = jnp.abs(y)
    return -size - 2 * jnp.log1p(jnp.exp(-size))


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", expit)
sf = _family.below("sf", lambda y: expit(-y))
ppf = _family.quantile("ppf", logit, "x")
isf = _family.quantile("isf", lambda q: -logit(q), "x")
