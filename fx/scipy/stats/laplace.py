"""The Laplace distribution: exp(-|y|) / 2 at y = (x - loc) / scale, divided by scale.

Example:
    >>> from fx.scipy.stats import laplace
    >>> laplace.cdf(0.0)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import math

import fx.numpy as jnp
from fx.scipy.stats.common import Continuous

__all__ = ["cdf", "logpdf", "pdf"]

_family = Continuous("laplace")


def _logpdf(y):
    return -jnp.abs(y) - math.log(2)


def _cdf(y):
    tail = 0.5 * jnp.exp(-jnp.abs(y))
    return jnp.where(y < 0, tail, 1 - tail)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", _cdf)
