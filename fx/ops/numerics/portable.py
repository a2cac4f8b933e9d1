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

from fx.ops.numerics import special

Array = Any  # an ndarray of the array module that the caller passes as `xp`

# Elements handled together, so that the temporaries of one block stay in the L2 cache.
_BLOCK = 1 << 15

_TINY = np.float32(2.0**-126)
_SQRT_HALF = np.float32(0.707106781186547524)
# log(1 + x) = x - x**2 / 2 + x**3 P(x), P in three interleaved parts
_LOG_P = (
    (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1),
    (-1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1),
    (2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
# log(2) in two parts; the first has few bits, so that its multiples are exact
_LOG2_HIGH, _LOG2_LOW = 0.693359375, -2.12194440e-4

# exp(x) = 1 + x + x**2 P(x)
_EXP_P = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
_LOG2_E = np.float32(1.44269504088896341)

# erf(x) = x P(x**2) / Q(x**2), and 1 in float32 from the limit on
_ERF_LIMIT = np.float32(3.832506856900711)
_ERF_NUMERATOR = (
    2.2905065861350646e-4,
    3.4082910107109506e-3,
    5.0955695062380861e-2,
    1.8520832239976145e-1,
    1.128379143519084,
)
_ERF_DENOMINATOR = (
    -1.1791602954361697e-7,
    2.3547966471313185e-5,
    1.0179625278914885e-3,
    1.4070470171167667e-2,
    1.1098505178285362e-1,
    4.9746925110067538e-1,
    1.0,
)

_LOG1P_SMALL = 0.41421356237309504880  # sqrt(2) - 1
_LOG1P_NUMERATOR = (
    4.5270000862445199635215e-5,
    4.9854102823193375972212e-1,
    6.5787325942061044846969e0,
    2.9911919328553073277375e1,
    6.0949667980987787057556e1,
    5.7112963590585538103336e1,
    2.0039553499201281259648e1,
)
_LOG1P_DENOMINATOR = (
    1.0,
    1.5062909083469192043167e1,
    8.3047565967967209469434e1,
    2.2176239823732856465394e2,
    3.0909872225312059774938e2,
    2.1642788614495947685003e2,
    6.0118660497603843919306e1,
)

# With w = -log(1 - x**2), erf_inv(x) = x * polynomial(w - shift) below the first limit of w, and
# x * polynomial(sqrt(w) - shift) below the others. Entries: limit, shift, polynomial.
_ERF_INV_32 = (
    (
        5.0,
        2.5,
        (
            2.81022636e-08,
            3.43273939e-07,
            -3.5233877e-06,
            -4.39150654e-06,
            0.00021858087,
            -0.00125372503,
            -0.00417768164,
            0.246640727,
            1.50140941,
        ),
    ),
    (
        np.inf,
        3.0,
        (
            -0.000200214257,
            0.000100950558,
            0.00134934322,
            -0.00367342844,
            0.00573950773,
            -0.0076224613,
            0.00943887047,
            1.00167406,
            2.83297682,
        ),
    ),
)
_ERF_INV_64 = (
    (
        6.25,
        3.125,
        (
            -3.6444120640178196996e-21,
            -1.685059138182016589e-19,
            1.2858480715256400167e-18,
            1.115787767802518096e-17,
            -1.333171662854620906e-16,
            2.0972767875968561637e-17,
            6.6376381343583238325e-15,
            -4.0545662729752068639e-14,
            -8.1519341976054721522e-14,
            2.6335093153082322977e-12,
            -1.2975133253453532498e-11,
            -5.4154120542946279317e-11,
            1.051212273321532285e-09,
            -4.1126339803469836976e-09,
            -2.9070369957882005086e-08,
            4.2347877827932403518e-07,
            -1.3654692000834678645e-06,
            -1.3882523362786468719e-05,
            0.0001867342080340571352,
            -0.00074070253416626697512,
            -0.0060336708714301490533,
            0.24015818242558961693,
            1.6536545626831027356,
        ),
    ),
    (
        16.0,
        3.25,
        (
            2.2137376921775787049e-09,
            9.0756561938885390979e-08,
            -2.7517406297064545428e-07,
            1.8239629214389227755e-08,
            1.5027403968909827627e-06,
            -4.013867526981545969e-06,
            2.9234449089955446044e-06,
            1.2475304481671778723e-05,
            -4.7318229009055733981e-05,
            6.8284851459573175448e-05,
            2.4031110387097893999e-05,
            -0.0003550375203628474796,
            0.00095328937973738049703,
            -0.0016882755560235047313,
            0.0024914420961078508066,
            -0.0037512085075692412107,
            0.005370914553590063617,
            1.0052589676941592334,
            3.0838856104922207635,
        ),
    ),
    (
        np.inf,
        5.0,
        (
            -2.7109920616438573243e-11,
            -2.5556418169965252055e-10,
            1.5076572693500548083e-09,
            -3.7894654401267369937e-09,
            7.6157012080783393804e-09,
            -1.4960026627149240478e-08,
            2.9147953450901080826e-08,
            -6.7711997758452339498e-08,
            2.2900482228026654717e-07,
            -9.9298272942317002539e-07,
            4.5260625972231537039e-06,
            -1.9681778105531670567e-05,
            7.5995277030017761139e-05,
            -0.00021503011930044477347,
            -0.00013871931833623122026,
            1.0103004648645343977,
            4.8499064014085844221,
        ),
    ),
)


def _rounded(constants: Sequence[Any]) -> tuple[Any, ...]:
    """The constants as float32 holds them, each in a Python float."""
    return tuple(float(np.float32(c)) for c in constants)


_LOG_P = tuple(_rounded(part) for part in _LOG_P)
_LOG2_HIGH, _LOG2_LOW = _rounded((_LOG2_HIGH, _LOG2_LOW))
_EXP_P = _rounded(_EXP_P)
_ERF_NUMERATOR = _rounded(_ERF_NUMERATOR)
_ERF_DENOMINATOR = _rounded(_ERF_DENOMINATOR)
_LOG1P_NUMERATOR_32 = _rounded(_LOG1P_NUMERATOR)
_LOG1P_DENOMINATOR_32 = _rounded(_LOG1P_DENOMINATOR)
_ERF_INV_32 = tuple((limit, shift, _rounded(p)) for limit, shift, p in _ERF_INV_32)


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
    n = xp.floor((x * np.float64(_LOG2_E) + 0.5).astype(np.float32))
    n = xp.clip(n, np.float32(-127), np.float32(127))
    x = x - n * np.float32(_LOG2_HIGH)  # the product is exact
    wide = (x - n * np.float64(_LOG2_LOW)).astype(np.float32).astype(np.float64)
    y = _horner(np.float32(_EXP_P[0]), wide, _EXP_P[1:])
    x = wide.astype(np.float32)
    y = (y * (x * x).astype(np.float64) + x).astype(np.float32) + np.float32(1)
    power = ((xp.nan_to_num(n).astype(np.int32) + 127) << 23).view(np.float32)
    y = y * power
    return xp.where(y < _TINY, np.float32(0), y)


def _erf_32(xp: Any, x: Array) -> Array:
    wide = (x * x).astype(np.float64)
    numerator = x * _horner(np.float32(_ERF_NUMERATOR[0]), wide, _ERF_NUMERATOR[1:])
    y = numerator / _horner(np.float32(_ERF_DENOMINATOR[0]), wide, _ERF_DENOMINATOR[1:])
    return xp.where(xp.abs(x) >= _ERF_LIMIT, xp.copysign(np.float32(1), x), y)


def _log_32(xp: Any, x: Array) -> Array:
    bits = xp.where(x > _TINY, x, _TINY).view(np.uint32)
    # x = 2**e m with m in [sqrt(1/2), sqrt(2))
    e = (bits >> 23).astype(np.int32) - 126
    m = ((bits & np.uint32(0x807FFFFF)) | np.uint32(0x3F000000)).view(np.float32)
    low = m < _SQRT_HALF
    e = (e - low).astype(np.float32)
    m = (m - np.float32(1)) + xp.where(low, m, np.float32(0))
    wide = m.astype(np.float64)
    first, second, third = (
        _horner((wide * p[0] + p[1]).astype(np.float32), wide, p[2:]) for p in _LOG_P
    )
    square = m * m
    cube = (square * m).astype(np.float64)
    y = (first * cube + second).astype(np.float32)
    y = (y * cube + third).astype(np.float32)
    y = (y * cube + e * np.float32(_LOG2_LOW)).astype(np.float32)
    y = y + (m - square * np.float32(0.5))
    y = y + e * np.float32(_LOG2_HIGH)  # the product is exact
    y = xp.where(x == 0, np.float32(-np.inf), y)
    y = xp.where(x == np.inf, x, y)
    return xp.where(x >= 0, y, np.float32(np.nan))


def _log1p_32(xp: Any, x: Array) -> Array:
    small = xp.abs(x) < np.float32(_LOG1P_SMALL)
    out = xp.empty_like(x)
    inside, outside = xp.flatnonzero(small), xp.flatnonzero(~small)
    out[outside] = _log_32(xp, x[outside] + np.float32(1))
    x = x[inside]
    wide = x.astype(np.float64)
    numerator = _horner(np.float32(_LOG1P_NUMERATOR_32[0]), wide, _LOG1P_NUMERATOR_32[1:])
    denominator = _horner(np.float32(1), wide, _LOG1P_DENOMINATOR_32[1:])
    square = x * x
    y = x * square * (numerator / denominator)
    y = (square * np.float64(-0.5) + y).astype(np.float32)
    out[inside] = x + y
    return out


def _erf_inv_32(xp: Any, x: Array) -> Array:
    w = -_log1p_32(xp, x * -x)
    (limit, shift, center), (_, tail_shift, tail) = _ERF_INV_32
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
    y = _polynomial_64(x, _LOG1P_NUMERATOR) / _polynomial_64(x, _LOG1P_DENOMINATOR)
    y = x + (x * square * y - 0.5 * square)
    return xp.where(xp.abs(x) < _LOG1P_SMALL, y, xp.log(x + 1))


def _erf_inv_64(xp: Any, x: Array) -> Array:
    w = -_log1p_64(xp, x * -x)
    _, shift, center = _ERF_INV_64[0]
    y = _polynomial_64(w - shift, center)
    lower = _ERF_INV_64[0][0]
    for limit, shift, tail in _ERF_INV_64[1:]:
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
