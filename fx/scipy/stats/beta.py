"""The beta distribution: y**(a - 1) (1 - y)**(b - 1) / B(a, b) at y = (x - loc) / scale in [0, 1].

Example:
    >>> from fx.scipy.stats import beta
    >>> beta.cdf(0.5, 2.0, 2.0)
    Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import betainc, betaln, xlog1py, xlogy
from fx.scipy.stats.common import Continuous, only

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_family = Continuous("beta", a=2.0, b=3.0)


def _logpdf(y, a, b):
    def inside(y):
        return xlogy(a - 1, y) + xlog1py(b - 1, -y) - betaln(a, b)

    return only((y >= 0) & (y <= 1), inside, y, 0.5, -jnp.inf)


def _cdf(y, a, b):
    return betainc(a, b, jnp.clip(y, 0, 1))


def _logcdf(y, a, b):
    outside = jnp.where(y > 0, 0, -jnp.inf)
    return only((y > 0) & (y < 1), lambda y: jnp.log(betainc(a, b, y)), y, 0.5, outside)


def _sf(y, a, b):
    return betainc(b, a, 1 - jnp.clip(y, 0, 1))


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
cdf = _family.below("cdf", _cdf)
sf = _family.below("sf", _sf)
logcdf = _family.below("logcdf", _logcdf)
logsf = _family.below("logsf", lambda y, a, b: _logcdf(1 - y, b, a))
