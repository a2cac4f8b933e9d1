"""The Cauchy distribution of angles in [0, 2π]: (1 - c²) / (2π (1 + c² - 2 c cos(x))).

Example:
    >>> from fx.scipy.stats import wrapcauchy
    >>> wrapcauchy.pdf(0.0, 0.0).round(4)
    Array(0.1592, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import math

import fx.numpy as jnp
from fx.scipy.stats.common import Continuous

__all__ = ["logpdf", "pdf"]

_family = Continuous("wrapcauchy", located=False, c=0.5)


def _logpdf(x, c):
    value = jnp.log1p(-c * c) - math.log(2 * math.pi) - jnp.log1p(c * c - 2 * c * jnp.cos(x))
    return jnp.where((x >= 0) & (x <= 2 * math.pi), value, -jnp.inf)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
