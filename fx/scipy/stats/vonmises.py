"""The von Mises distribution of angles: exp(kappa cos(x)) / (2π I₀(kappa)).

Example:
    >>> from fx.scipy.stats import vonmises
    >>> vonmises.pdf(0.0, 0.0).round(4)
    Array(0.1592, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import math

import fx.numpy as jnp
from fx.scipy.special import i0e
from fx.scipy.stats.common import Continuous

__all__ = ["logpdf", "pdf"]

_family = Continuous("vonmises", located=False, kappa=2.0)


def _logpdf(x, kappa):
    return kappa * (jnp.cos(x) - 1) - jnp.log(2 * math.pi * i0e(kappa))


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
