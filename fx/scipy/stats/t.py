"""Student's distribution: proportional to (1 + y² / df)**(-(df + 1) / 2), y = (x - loc) / scale.

Example:
    >>> from fx.scipy.stats import t
    >>> t.pdf(0.0, 1.0).round(4)
    Array(0.3183, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import fx.numpy as jnp
from fx.scipy.special import betaln
from fx.scipy.stats.common import Continuous

__all__ = ["logpdf", "pdf"]

_family = Continuous("t", df=3.0)


def _logpdf(y, df):
    constant = betaln(0.5, df / 2) + jnp.log(df) / 2
    return -constant - (df + 1) / 2 * jnp.log1p(y * y / df)


logpdf = _family.logpdf(_logpdf)
pdf = _family.pdf(_logpdf)
