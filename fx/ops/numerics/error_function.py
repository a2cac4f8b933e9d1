"""The error function, its complement, scaled complement and inverse.

erf is a polynomial near zero; further out ``erfc(x) = exp(-x**2) F(t) / (1 + 2 x)``, where ``F`` is
almost constant in ``t = (x - 3) / (x + 3)`` (Shepherd and Laframboise, "Chebyshev approximation of
(1 + 2x) exp(x**2) erfc x", Math. Comp. 36, 1981). The inverse is, as in Giles, "Approximating the
erfinv function" (2010), ``x`` times a polynomial of ``w = -log(1 - x**2)`` or of its square root.
"""

import functools
from types import ModuleType
from typing import Any

from fx.ops.numerics import special_tables as tables
from fx.ops.numerics.elementwise import elementwise, polynomial, replace

Array = Any  # an ndarray of the array module that the caller passes as `xp`


@elementwise(single=True)
def erf(xp: ModuleType, x: Array) -> Array:
    """The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to ``x``.

    Args:
      x: a float array of any shape.

    Returns:
      An array like ``x``, within 2 ulp (``float32``: 2 ulp). ``erf(inf)`` is 1.

    Example:
      >>> import numpy as np
      >>> erf(np, np.array([0.0, 0.5, 6.0])).round(6).tolist()
      [0.0, 0.5205, 1.0]
    """
    is_single = x.dtype == xp.float32
    out = polynomial(xp, tables.ERF_SINGLE if is_single else tables.ERF, x * x)
    out *= x
    out += x  # the tables hold erf(x) / x - 1: adding x last leaves one rounding of a large term
    tail = _erf_tail_single if is_single else _erf_tail
    replace(xp, out, xp.abs(x) >= 1, tail, x)
    return out


def _erf_tail(xp: ModuleType, x: Array) -> Array:
    return xp.copysign(1 - _erfc_tail(xp, xp.abs(x)), x)


def _erf_tail_single(xp: ModuleType, x: Array) -> Array:
    distance = xp.minimum(xp.abs(x), 4)  # from where on erf rounds to 1
    complement = xp.exp(-polynomial(xp, tables.ERF_TAIL_SINGLE, distance - 2.5))
    return xp.copysign(1 - complement, x)


@elementwise(single=False)
def erfc(xp: ModuleType, x: Array) -> Array:
    """The complement ``1 - erf(x)``, without its cancellation.

    Args:
      x: a float array of any shape.

    Returns:
      An array like ``x``, within 4 ulp; it underflows to 0 beyond 26.5 (``float32``: 10.1).

    Example:
      >>> import numpy as np
      >>> [f"{y:.6e}" for y in erfc(np, np.array([0.0, 10.0]))]
      ['1.000000e+00', '2.088488e-45']
    """
    out = polynomial(xp, tables.ERF, x * x)
    out *= x
    out += x
    out = 1 - out
    replace(xp, out, x >= 0.5, _erfc_tail, x)
    replace(xp, out, x < -1, lambda xp, x: 2 - _erfc_tail(xp, -x), x)
    return out


@elementwise(single=False)
def erfcx(xp: ModuleType, x: Array) -> Array:
    """The scaled complement ``exp(x**2) * erfc(x)``.

    Args:
      x: a float array of any shape.

    Returns:
      An array like ``x``, within 4 ulp; it overflows to infinity below -26.6 (``float32``: -9.4).

    Example:
      >>> import numpy as np
      >>> erfcx(np, np.array([0.0, 1e9])).tolist()
      [1.0, 5.641895835477563e-10]
    """
    out = polynomial(xp, tables.ERF, x * x)
    out *= x
    out += x
    out = (1 - out) * xp.exp(x * x)
    replace(xp, out, x >= 0.5, _erfcx_tail, x)
    replace(xp, out, x < -1, _erfcx_of_negative, x)
    return out


def _erfcx_of_negative(xp: ModuleType, x: Array) -> Array:
    x = xp.maximum(x, -40)
    return 2 / _exp_minus_square(xp, x) - _erfcx_tail(xp, -x)


def _erfc_tail(xp: ModuleType, x: Array) -> Array:
    """erfc for ``x >= 0.5``."""
    x = xp.minimum(x, 40)  # where it is 0 already, and infinity would make a NaN
    return _exp_minus_square(xp, x) * _erfcx_tail(xp, x)


def _erfcx_tail(xp: ModuleType, x: Array) -> Array:
    """erfcx for ``x >= 0.5``."""
    t = 1 - 6 / (x + 3)
    return polynomial(xp, tables.ERFC_TAIL, t) / (1 + 2 * x)


def _exp_minus_square(xp: ModuleType, x: Array) -> Array:
    """``exp(-x**2)`` without the rounding of the square, which would cost ``x**2`` ulp."""
    high = x.astype(xp.float32).astype(xp.float64)  # its square is exact
    return xp.exp(-high * high) * xp.exp((high - x) * (high + x))


@elementwise(single=True)
def erf_inv(xp: ModuleType, x: Array) -> Array:
    """The inverse of ``erf``.

    Args:
      x: a float array of any shape, in ``[-1, 1]``.

    Returns:
      An array like ``x``, within 4 ulp (``float32``: 4 ulp); infinities at -1 and 1, NaN outside.

    Example:
      >>> import numpy as np
      >>> erf_inv(np, np.array([0.0, 0.5, -1.0])).round(6).tolist()
      [0.0, 0.476936, -inf]
    """
    is_single = x.dtype == xp.float32
    w = 1 - x
    w *= 1 + x
    w = xp.log(w, out=w)
    w *= -1
    centre = tables.ERF_INV_CENTRE_SINGLE if is_single else tables.ERF_INV_CENTRE
    out = polynomial(xp, centre, w - 2.5)
    out *= x
    middle = tables.ERF_INV_MIDDLE_SINGLE if is_single else tables.ERF_INV_MIDDLE
    # No float32 but 1 lies beyond the middle: 1 - 2**-24 has w = 15.9.
    replace(xp, out, w > 5, functools.partial(_erf_inv_tail, table=middle, start=3), x, w)
    if not is_single:
        end = functools.partial(_erf_inv_tail, table=tables.ERF_INV_END, start=5)
        replace(xp, out, w > 16, end, x, w)
    replace(xp, out, w == xp.inf, lambda xp, x: x * xp.inf, x)
    return out


def _erf_inv_tail(
    xp: ModuleType, x: Array, w: Array, *, table: tuple[float, ...], start: int
) -> Array:
    return x * polynomial(xp, table, xp.sqrt(w) - start)
