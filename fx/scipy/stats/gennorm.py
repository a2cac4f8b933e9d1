"""The generalized normal distribution: proportional to exp(-|x|**beta).

Example:
    >>> from fx.scipy.stats import gennorm
    >>> gennorm.cdf(0.0, 2.0)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import math

import fx.numpy as jnp
from fx.scipy.special import gammainc, gammaln
from fx.scipy.stats.common import Continuous

__all__ = ["cdf", "logpdf", "pdf"]

_family = Continuous("gennorm", located=False, beta=1.5)


def _logpdf(x, beta):
    return jnp.log(beta) - math.log(2) - gammaln(1 / beta) - jnp.abs(x) ** beta


def _cdf(x, beta):
    return 0.5 * (1 + jnp.sign(x) * gammainc(1 / beta, jnp.abs(x) ** beta))


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", _cdf)
