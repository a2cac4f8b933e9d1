"""The normal distribution cut to [a, b] in units of the scale, from the location.

Example:
    >>> from fx.scipy.stats import truncnorm
    >>> truncnorm.cdf(0.0, -1.0, 1.0).round(4)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import math

import fx.numpy as jnp
from fx.nn.activations import log1mexp
from fx.scipy.special import log_ndtr, ndtr
from fx.scipy.stats.common import Continuous

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_family = Continuous("truncnorm", a=-1.0, b=2.0)


def _log_mass(a, b):
    """Logarithm of the normal probability of [a, b], from the tail where it is a difference of
    small numbers."""
    right = a > 0
    left = ~right & (b < 0)
    # In the right tail both are mirrored.
    low = jnp.where(right, -b, jnp.where(left, a, -1))
    high = jnp.where(right, -a, jnp.where(left, b, 1))
    large, small = log_ndtr(high), log_ndtr(low)
    gap = jnp.where(large > small, large - small, 1)
    tail = jnp.where(large > small, large + log1mexp(gap), -jnp.inf)
    middle = right | left
    inner_a, inner_b = jnp.where(middle, -1, a), jnp.where(middle, 1, b)
    centre = jnp.log1p(-ndtr(inner_a) - ndtr(-inner_b))
    return jnp.where(middle, tail, centre)


def _logpdf(y, a, b):
    inside = (y >= a) & (y <= b)
    value = -0.5 * (y * y + math.log(2 * math.pi)) - _log_mass(a, b)
    return jnp.where(a < b, jnp.where(inside, value, -jnp.inf), jnp.nan)


def _logcdf(y, a, b):
    inside = (y > a) & (y < b)
    value = _log_mass(a, jnp.where(inside, y, b)) - _log_mass(a, b)
    out = jnp.where(inside, value, jnp.where(y <= a, -jnp.inf, 0))
    return jnp.where(a < b, out, jnp.nan)


def _logsf(y, a, b):
    return _logcdf(-y, -b, -a)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", lambda y, a, b: jnp.exp(_logcdf(y, a, b)))
sf = _family.below("sf", lambda y, a, b: jnp.exp(_logsf(y, a, b)))
logcdf = _family.below("logcdf", _logcdf)
logsf = _family.below("logsf", _logsf)
