"""Elementary functions whose float32 results are the same on every machine.

Random samples should not change with the CPU or with the version of a math library, so what they
are made of is a fixed program here: polynomials whose every rounding is written out. Each step
`a * b + c` is a fused multiply-add, rounded once. The program is the one that XLA compiles for
CPUs, so the samples also equal those of `jax.random` bit for bit.

NumPy has no fused multiply-add, but the product of two float32 numbers is exact in float64, so a
float64 sum rounded to float32 is one. (The sum is rounded twice, which matters about once in 2**29
steps; `fma` corrects it, the polynomials do not.) Half precision goes through float32. float64 is
computed by the same formulas without fused steps, so its last bits are not portable.

Sources: exp, log and log1p are those of the Cephes library (Moshier), the first two in the
arrangement of Pommier's sse_mathfun; erf is Eigen's rational approximation; its inverse is from
Giles, "Approximating the erfinv function", GPU Computing Gems, 2011.
"""

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from fx.ops.numerics import portable_tables as tables
from fx.ops.numerics import special

Array = Any  # an ndarray of the array module that the caller passes as `xp`

# Elements handled together, so that the temporaries of one block stay in the L2 cache.
_BLOCK = 1 << 15


def exp(xp: Any, x: Array) -> Array:
    """Exponential function; float32 results below 2**-126 are 0.

    Example:
      >>> exp(np, np.float32([0.0, 1.0, -np.inf]))
      array([1.       , 2.7182817, 0.       ], dtype=float32)
    """
    return _by_dtype(xp, x, _exp_32, lambda xp, x: xp.exp(x))


def log(xp: Any, x: Array) -> Array:
    """Natural logarithm; float32 subnormals count as the smallest normal number.

    Example:
      >>> log(np, np.float32([0.5, 1.0, 0.0]))
      array([-0.6931472,  0.       ,       -inf], dtype=float32)
    """
    return _by_dtype(xp, x, _log_32, lambda xp, x: xp.log(x))


def log1p(xp: Any, x: Array) -> Array:
    """log(1 + x), accurate near 0."""
    return _by_dtype(xp, x, _log1p_32, _log1p_64)


def erf(xp: Any, x: Array) -> Array:
    """The error function.

    Example:
      >>> erf(np, np.float32([0.5, -9.0]))
      array([ 0.5204999, -1.       ], dtype=float32)
    """
    return _by_dtype(xp, x, _erf_32, special.erf)


def erf_inv(xp: Any, x: Array) -> Array:
    """Inverse of the error function: infinite at -1 and 1, NaN beyond.

    As in XLA the rounding of x * x limits the accuracy near 1, to a relative error of about 1e-11
    in float64; `special.erf_inv` is accurate.

    Example:
      >>> erf_inv(np, np.float32([-1.0, 0.0, 0.5]))
      array([      -inf, 0.        , 0.47693628], dtype=float32)
    """
    return _by_dtype(xp, x, _erf_inv_32, _erf_inv_64)


def _by_dtype(
    xp: Any,
    x: Array,
    single: Callable[[Any, Array], Array],
    double: Callable[[Any, Array], Array],
) -> Array:
    """Apply the function for the dtype, a block at a time."""
    function = double if x.dtype == np.float64 else single
    out = xp.empty(x.shape, x.dtype)
    source, target = xp.ascontiguousarray(x).reshape(-1), out.reshape(-1)
    wide = source.dtype if source.dtype.itemsize >= 4 else np.dtype(np.float32)
    block = _BLOCK if xp is np else max(source.size, 1)
    for i in range(0, source.size, block):
        target[i : i + block] = function(xp, source[i : i + block].astype(wide, copy=False))
    return out


def _horner(y: Array, x: Array, coefficients: Sequence[float]) -> Array:
    """(((y x + c0) x + c1) ...) in float32 with one rounding a step; x is in float64."""
    for c in coefficients:
        wide = y * x
        wide += c
        y = wide.astype(np.float32)
    return y


def _exp_32(xp: Any, x: Array) -> Array:
    x = xp.clip(x, np.float32(-87.8), np.float32(88.8))
    n = xp.floor((x * np.float64(tables.LOG2_E) + 0.5).astype(np.float32))
    n = xp.clip(n, np.float32(-127), np.float32(127))
    x = x - n * np.float32(tables.LOG2_HIGH)  # the product is exact
    wide = (x - n * np.float64(tables.LOG2_LOW)).astype(np.float32).astype(np.float64)
    y = _horner(np.float32(tables.EXP_P[0]), wide, tables.EXP_P[1:])
    x = wide.astype(np.float32)
    y = (y * (x * x).astype(np.float64) + x).astype(np.float32) + np.float32(1)
    power = ((xp.nan_to_num(n).astype(np.int32) + 127) << 23).view(np.float32)
    y = y * power
    return xp.where(y < tables.TINY, np.float32(0), y)


def _erf_32(xp: Any, x: Array) -> Array:
    wide = (x * x).astype(np.float64)
    numerator = x * _horner(np.float32(tables.ERF_NUMERATOR[0]), wide, tables.ERF_NUMERATOR[1:])
    y = numerator / _horner(np.float32(tables.ERF_DENOMINATOR[0]), wide, tables.ERF_DENOMINATOR[1:])
    return xp.where(xp.abs(x) >= tables.ERF_LIMIT, xp.copysign(np.float32(1), x), y)


def _log_32(xp: Any, x: Array) -> Array:
    bits = xp.where(x > tables.TINY, x, tables.TINY).view(np.uint32)
    # x = 2**e m with m in [sqrt(1/2), sqrt(2))
    e = (bits >> 23).astype(np.int32) - 126
    m = ((bits & np.uint32(0x807FFFFF)) | np.uint32(0x3F000000)).view(np.float32)
    low = m < tables.SQRT_HALF
    e = (e - low).astype(np.float32)
    m = (m - np.float32(1)) + xp.where(low, m, np.float32(0))
    wide = m.astype(np.float64)
    first, second, third = (
        _horner((wide * p[0] + p[1]).astype(np.float32), wide, p[2:]) for p in tables.LOG_P
    )
    square = m * m
    cube = (square * m).astype(np.float64)
    y = (first * cube + second).astype(np.float32)
    y = (y * cube + third).astype(np.float32)
    y = (y * cube + e * np.float32(tables.LOG2_LOW)).astype(np.float32)
    y = y + (m - square * np.float32(0.5))
    y = y + e * np.float32(tables.LOG2_HIGH)  # the product is exact
    y = xp.where(x == 0, np.float32(-np.inf), y)
    y = xp.where(x == np.inf, x, y)
    return xp.where(x >= 0, y, np.float32(np.nan))


def _log1p_32(xp: Any, x: Array) -> Array:
    small = xp.abs(x) < np.float32(tables.LOG1P_SMALL)
    out = xp.empty_like(x)
    inside, outside = xp.flatnonzero(small), xp.flatnonzero(~small)
    out[outside] = _log_32(xp, x[outside] + np.float32(1))
    x = x[inside]
    wide = x.astype(np.float64)
    numerator = _horner(
        np.float32(tables.LOG1P_NUMERATOR_32[0]), wide, tables.LOG1P_NUMERATOR_32[1:]
    )
    denominator = _horner(np.float32(1), wide, tables.LOG1P_DENOMINATOR_32[1:])
    square = x * x
    y = x * square * (numerator / denominator)
    y = (square * np.float64(-0.5) + y).astype(np.float32)
    out[inside] = x + y
    return out


def _erf_inv_32(xp: Any, x: Array) -> Array:
    w = -_log1p_32(xp, x * -x)
    (limit, shift, center), (_, tail_shift, tail) = tables.ERF_INV_32
    wide = (w - np.float32(shift)).astype(np.float64)
    y = _horner(np.float32(center[0]), wide, center[1:])
    far = xp.flatnonzero(~(w < np.float32(limit)))
    wide = (xp.sqrt(w[far]) - np.float32(tail_shift)).astype(np.float64)
    y[far] = _horner(np.float32(tail[0]), wide, tail[1:])
    return x * xp.where(xp.abs(x) == 1, np.float32(np.inf), y)


def _polynomial_64(x: Array, coefficients: Sequence[float]) -> Array:
    y = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        y *= x
        y += c
    return y


def _log1p_64(xp: Any, x: Array) -> Array:
    square = x * x
    y = _polynomial_64(x, tables.LOG1P_NUMERATOR) / _polynomial_64(x, tables.LOG1P_DENOMINATOR)
    y = x + (x * square * y - 0.5 * square)
    return xp.where(xp.abs(x) < tables.LOG1P_SMALL, y, xp.log(x + 1))


def _erf_inv_64(xp: Any, x: Array) -> Array:
    w = -_log1p_64(xp, x * -x)
    _, shift, center = tables.ERF_INV_64[0]
    y = _polynomial_64(w - shift, center)
    lower = tables.ERF_INV_64[0][0]
    for limit, shift, tail in tables.ERF_INV_64[1:]:
        inside = xp.flatnonzero((w >= lower) & (w < limit))
        y[inside] = _polynomial_64(xp.sqrt(w[inside]) - shift, tail)
        lower = limit
    return x * xp.where(xp.abs(x) == 1, np.inf, y)


def fma(xp: Any, x: Array, y: Array, z: Array) -> Array:
    """x * y + z with a single rounding (half precision: in float32, then rounded).

    float64 needs the parts of the product to be representable: numbers beyond 2**990 and products
    below 2**-960 are not rounded correctly.

    Args:
      xp: the array module.
      x, y, z: floating arrays of one dtype, whose shapes broadcast.

    Example:
      >>> third = np.float32(1 / 3)
      >>> float(fma(np, third, np.float32(3), np.float32(-1)))
      2.9802322387695312e-08
    """
    dtype = x.dtype
    if dtype == np.float64:
        return _fma_64(xp, x, y, z)
    if dtype != np.float32:
        x, y, z = (a.astype(np.float32) for a in (x, y, z))
        return _fma_32(xp, x, y, z).astype(dtype)
    return _fma_32(xp, x, y, z)


def _fma_32(xp: Any, x: Array, y: Array, z: Array) -> Array:
    product = xp.atleast_1d(x.astype(np.float64) * y)  # exact
    total = product + z
    out = total.astype(np.float32)
    # Rounding twice is wrong only where the first rounding hit the middle of two float32 numbers
    # (for subnormal results: any of fewer bits).
    tie = (total.view(np.uint64) & np.uint64(0x1FFFFFFF)) == np.uint64(0x10000000)
    tie |= xp.abs(total) < 2.0**-126
    where = xp.flatnonzero(tie)
    if where.size:
        a = product.reshape(-1)[where]
        b = xp.broadcast_to(z, out.shape).reshape(-1)[where].astype(np.float64)
        out.reshape(-1)[where] = _odd_sum(xp, a, b).astype(np.float32)
    return out.reshape(np.broadcast_shapes(x.shape, y.shape, z.shape))


def _fma_64(xp: Any, x: Array, y: Array, z: Array) -> Array:
    # Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
    # rounding to odd", IEEE Transactions on Computers, 2008.
    high, low = _two_product(x, y)
    sum_high, sum_low = _two_sum(z, low)
    total, rest = _two_sum(high, sum_high)
    out = total + _odd_sum(xp, *xp.broadcast_arrays(sum_low, rest))
    return xp.where(xp.isfinite(out), out, x * y + z)


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b rounded, and the error of the rounding (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """a * b rounded, and the error of the rounding (Dekker)."""
    (a1, a0), (b1, b0) = _halves(a), _halves(b)
    product = a * b
    return product, a0 * b0 - (((product - a1 * b1) - a0 * b1) - a1 * b0)


def _halves(a: Array) -> tuple[Array, Array]:
    """Two numbers of 26 bits whose sum is a (Veltkamp)."""
    scaled = a * 134217729.0  # 2**27 + 1
    high = scaled - (scaled - a)
    return high, a - high


def _odd_sum(xp: Any, a: Array, b: Array) -> Array:
    """a + b in float64, rounded to an odd last bit where it is inexact: safe to round again."""
    total, error = _two_sum(a, b)
    total = xp.atleast_1d(total)
    even = (total.view(np.uint64) & np.uint64(1)) == 0
    toward = xp.where(error > 0, np.inf, -np.inf)
    total = xp.where((error != 0) & even, xp.nextafter(total, toward), total)
    return total.reshape(np.shape(error))


def unit_interval(xp: Any, bits: Array, dtype: np.dtype) -> Array:
    """A float in [0, 1) from the leading bits of an unsigned integer: a multiple of its epsilon.

    Args:
      xp: the array module.
      bits: uint8 for bfloat16, else of the width of `dtype`.
      dtype: a floating dtype.

    Example:
      >>> unit_interval(np, np.uint32([0, 2**31, 2**32 - 1]), np.dtype(np.float32))
      array([0.       , 0.5      , 0.9999999], dtype=float32)
    """
    kept = ml_dtypes.finfo(dtype).nmant
    width = bits.dtype.itemsize * 8
    whole = bits >> bits.dtype.type(width - kept)
    wide = dtype if dtype.itemsize >= 4 else np.dtype(np.float32)
    # Signed integers convert faster than unsigned ones.
    signed = whole.view(f"i{whole.dtype.itemsize}") if whole.ndim else whole
    out = signed.astype(wide)
    out *= wide.type(2.0**-kept)
    return out.astype(dtype, copy=False)
