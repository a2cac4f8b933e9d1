"""The uniform distribution on [loc, loc + scale].

Example:
    >>> from fx.scipy.stats import uniform
    >>> uniform.pdf(3.0, 2.0, 4.0)
    Array(0.25, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.stats.common import Continuous

__all__ = ["cdf", "logpdf", "pdf", "ppf"]

_family = Continuous("uniform")


def _logpdf(y):
    return jnp.where((y >= 0) & (y <= 1), 0 * y, -jnp.inf)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", lambda y: jnp.clip(y, 0, 1))
ppf = _family.quantile("ppf", lambda q: q)
