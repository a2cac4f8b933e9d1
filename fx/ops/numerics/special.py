"""The special functions of one name each: short ones here, the others from their families' files.

Callers write ``special.erf(xp, x)``. All functions take arrays of one float dtype whose shapes
broadcast, and return an array of that dtype.
"""

import math
from types import ModuleType
from typing import Any

from fx.ops.numerics import special_tables as tables
from fx.ops.numerics.elementwise import elementwise, polynomial, replace
from fx.ops.numerics.error_function import erf, erf_inv, erfc, erfcx
from fx.ops.numerics.gamma import digamma, lgamma, polygamma, zeta
from fx.ops.numerics.incomplete import (
    beta_density,
    betainc,
    gamma_density,
    igamma,
    igamma_grad_a,
    igammac,
    random_gamma_grad,
)

__all__ = [
    "bessel_i0e",
    "bessel_i1e",
    "beta_density",
    "betainc",
    "cbrt",
    "digamma",
    "erf",
    "erf_inv",
    "erfc",
    "erfcx",
    "gamma_density",
    "igamma",
    "igamma_grad_a",
    "igammac",
    "lgamma",
    "logistic",
    "polygamma",
    "random_gamma_grad",
    "zeta",
]

Array = Any  # an ndarray of the array module that the caller passes as `xp`

# The power series of I0(x) and 2 I1(x) / x in (x / 2)**2: all terms are positive, and below
# x = 8 the first 26 are enough (DLMF 10.25.2).
_BESSEL_LIMIT = 8
_I0_SERIES = tuple(1 / math.factorial(k) ** 2 for k in range(26))
_I1_SERIES = tuple(1 / (math.factorial(k) * math.factorial(k + 1)) for k in range(26))


@elementwise(single=True)
def logistic(xp: ModuleType, x: Array) -> Array:
    """``1 / (1 + exp(-x))``, which for negative ``x`` is ``exp(x) / (1 + exp(x))``.

    Args:
      x: a float array of any shape.

    Returns:
      An array like ``x``, within 3 ulp also where it is subnormal.

    Example:
      >>> import numpy as np
      >>> logistic(np, np.array([0.0, 2.0, -800.0])).round(6).tolist()
      [0.5, 0.880797, 0.0]
    """
    decay = xp.exp(-xp.abs(x))
    out = xp.where(x < 0, decay, 1)
    decay += 1
    out /= decay
    return out


@elementwise(single=True)
def cbrt(xp: ModuleType, x: Array) -> Array:
    """The real cube root.

    Args:
      x: a float array of any shape.

    Returns:
      An array like ``x``.

    Example:
      >>> import numpy as np
      >>> cbrt(np, np.array([27.0, -8.0])).round(6).tolist()
      [3.0, -2.0]
    """
    return xp.cbrt(x)


@elementwise(single=False)
def bessel_i0e(xp: ModuleType, x: Array) -> Array:
    """The modified Bessel function of order 0, scaled: ``exp(-abs(x)) I0(x)``.

    Args:
      x: a float array of any shape.

    Returns:
      An array like ``x``, within 4 ulp.

    Example:
      >>> import numpy as np
      >>> bessel_i0e(np, np.array([0.0, 1.0, 100.0])).round(6).tolist()
      [1.0, 0.46576, 0.039944]
    """
    x = xp.abs(x)
    quarter = x * x * 0.25
    out = xp.exp(-x) * polynomial(xp, _I0_SERIES, quarter)
    replace(xp, out, x > _BESSEL_LIMIT, _bessel_i0e_tail, x)
    return out


def _bessel_i0e_tail(xp: ModuleType, x: Array) -> Array:
    return polynomial(xp, tables.BESSEL_I0_TAIL, 1 / x - 0.0625) / xp.sqrt(x)


@elementwise(single=False)
def bessel_i1e(xp: ModuleType, x: Array) -> Array:
    """The modified Bessel function of order 1, scaled: ``exp(-abs(x)) I1(x)``.

    Args:
      x: a float array of any shape.

    Returns:
      An array like ``x``, within 4 ulp.

    Example:
      >>> import numpy as np
      >>> bessel_i1e(np, np.array([0.0, 1.0, -100.0])).round(6).tolist()
      [0.0, 0.20791, -0.039744]
    """
    size = xp.abs(x)
    quarter = x * x * 0.25
    out = xp.exp(-size) * polynomial(xp, _I1_SERIES, quarter) * (x * 0.5)
    replace(xp, out, size > _BESSEL_LIMIT, _bessel_i1e_tail, x)
    return out


def _bessel_i1e_tail(xp: ModuleType, x: Array) -> Array:
    size = xp.abs(x)
    out = polynomial(xp, tables.BESSEL_I1_TAIL, 1 / size - 0.0625) / xp.sqrt(size)
    return xp.copysign(out, x)
