"""The gamma distribution: y**(a - 1) exp(-y) / Γ(a) at y = (x - loc) / scale >= 0.

Example:
    >>> from fx.scipy.stats import gamma
    >>> gamma.cdf(1.0, 1.0).round(4)
    Array(0.6321, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import gammainc, gammaincc, gammaln, xlogy
from fx.scipy.stats.common import Continuous, only

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_family = Continuous("gamma", a=2.0)


def standard_logpdf(y, a):
    """The logarithm of the density at location 0 and scale 1."""

    def inside(y):
        return xlogy(a - 1, y) - y - gammaln(a)

    return only(y >= 0, inside, y, 1, -jnp.inf)


def standard_cdf(y, a):
    """The probability below y at location 0 and scale 1."""
    return gammainc(a, jnp.maximum(y, 0))


def standard_sf(y, a):
    """The probability above y at location 0 and scale 1."""
    return gammaincc(a, jnp.maximum(y, 0))


def standard_logcdf(y, a):
    """The logarithm of the probability below y at location 0 and scale 1."""
    return only(y > 0, lambda y: jnp.log(gammainc(a, y)), y, 1, -jnp.inf)


logpdf = _family.logpdf(standard_logpdf)
pdf = _family.pdf(standard_logpdf)
cdf = _family.below("cdf", standard_cdf)
sf = _family.below("sf", standard_sf)
logcdf = _family.below("logcdf", standard_logcdf)
logsf = _family.below("logsf", lambda y, a: jnp.log(standard_sf(y, a)))
