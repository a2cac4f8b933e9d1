"""The compiler's fitted coefficients are what a Chebyshev fit of their functions gives.

``python -m tests.backends.test_function_tables`` prints the tables, should a degree change.
"""

import numpy as np
import pytest

pytest.importorskip("mpmath")
tables = pytest.importorskip("fx.backends.llvm.function_tables")

from tests.ops.numerics.test_special_tables import (  # noqa: E402
    digamma_quotient,
    erf_over_x,
    fit,
    lgamma_quotient,
    mp,
    scaled_erfc,
)

THIRD = mp.mpf(1) / 3
HALF_OCTAVE = mp.log(2) / 2
ATANH_END = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
ATAN_END = mp.tan(mp.pi / 8) ** 2
SINE_END = (mp.pi / 4) ** 2
# What rounding may add to an end of an interval.
MORE = 1 + mp.mpf(10) ** -6


def smooth(quotient, at_zero):
    """A function of x and its root, whose value at zero is a limit."""
    return lambda x: quotient(x, mp.sqrt(x)) if abs(x) > 1e-15 else at_zero


exp_rest = smooth(lambda x, _: (mp.expm1(x) - x) / x**2, THIRD * 3 / 2)
exp2_slope = smooth(lambda x, _: mp.expm1(x * mp.log(2)) / x, mp.log(2))
log_rest = smooth(lambda x, r: (2 * mp.atanh(r) / r - 2) / x, 2 * THIRD)
log_tail = smooth(lambda x, r: ((2 * mp.atanh(r) / r - 2) / x - 2 * THIRD) / x, mp.mpf(2) / 5)
log1p_rest = smooth(lambda x, _: (mp.log1p(x) - x + x**2 / 2) / x**3, THIRD)
sin_rest = smooth(lambda x, r: (mp.sin(r) / r - 1) / x, -THIRD / 2)
cos_rest = smooth(lambda x, r: (mp.cos(r) - 1 + x / 2) / x**2, THIRD / 8)
asin_rest = smooth(lambda x, r: (mp.asin(r) / r - 1) / x, THIRD / 2)
atan_rest = smooth(lambda x, r: (mp.atan(r) / r - 1) / x, -THIRD)
sinh_rest = smooth(lambda x, r: (mp.sinh(r) / r - 1) / x, THIRD / 2)

EXP = (exp_rest, -HALF_OCTAVE * MORE, HALF_OCTAVE * MORE, 0)
EXP2 = (exp2_slope, -0.5, 0.5, 0)
LOG = (log_rest, 0, ATANH_END * MORE, 0)
SIN = (sin_rest, 0, SINE_END * MORE, 0)
COS = (cos_rest, 0, SINE_END * MORE, 0)
ASIN = (asin_rest, 0, 0.25, 0)
ATAN = (atan_rest, 0, ATAN_END * MORE, 0)
SINH = (sinh_rest, 0, 1, 0)
# name: function, interval, centre of the powers, degree
FITS = {
    "EXP": (*EXP, 10),
    "EXP_SINGLE": (*EXP, 5),
    "EXP2": (*EXP2, 11),
    "EXP2_SINGLE": (*EXP2, 6),
    "LOG": (*LOG, 6),
    "LOG_SINGLE": (*LOG, 4),
    "LOG1P_SINGLE": (log1p_rest, (mp.sqrt(0.5) - 1) * MORE, (mp.sqrt(2) - 1) * MORE, 0, 8),
    "LOG_TAIL": (log_tail, 0, ATANH_END * MORE, 0, 7),
    "SIN": (*SIN, 6),
    "SIN_SINGLE": (*SIN, 3),
    "COS": (*COS, 5),
    "COS_SINGLE": (*COS, 2),
    "ASIN": (*ASIN, 12),
    "ASIN_SINGLE": (*ASIN, 5),
    "ATAN": (*ATAN, 10),
    "ATAN_SINGLE": (*ATAN, 5),
    "SINH": (*SINH, 6),
    "SINH_SINGLE": (*SINH, 3),
    "ERFC_TAIL_SINGLE": (scaled_erfc, mp.mpf(-5) / 7, mp.mpf(5) / 9, 0, 10),
    "LGAMMA_SINGLE": (lgamma_quotient, 0, 2, 1, 15),
    "DIGAMMA_SINGLE": (digamma_quotient, 1, 2, 1.5, 11),
    "CBRT": (lambda x: x**-THIRD, mp.sqrt(0.5), mp.sqrt(2), 1, 4),
}


def quotient(function, low, high, above, below):
    """Numerator and denominator, the latter's constant 1, that interpolate a function likewise."""
    count = above + below + 1
    middle, half = mp.mpf(low + high) / 2, mp.mpf(high - low) / 2
    nodes = [middle + half * mp.cos((k + mp.mpf(1) / 2) * mp.pi / count) for k in range(count)]
    values = [function(x) for x in nodes]
    rows = [
        [*(x**j for j in range(above + 1)), *(-v * x ** (j + 1) for j in range(below))]
        for x, v in zip(nodes, values, strict=True)
    ]
    result = [float(c) for c in mp.lu_solve(mp.matrix(rows), mp.matrix(values))]
    return tuple(result[: above + 1]), (1.0, *result[above + 1 :])


def erf_quotient():
    return quotient(lambda x: 1 + erf_over_x(x), 0, mp.mpf("3.92") ** 2, 6, 5)


def test_error_function():
    numerator, denominator = erf_quotient()
    assert pytest.approx(numerator, rel=1e-15) == tables.ERF_NUMERATOR_SINGLE
    assert pytest.approx(denominator, rel=1e-15) == tables.ERF_DENOMINATOR_SINGLE


@pytest.mark.parametrize("name", FITS)
def test_table_is_the_chebyshev_fit(name):
    assert getattr(tables, name) == pytest.approx(fit(*FITS[name]), rel=1e-15)


def parts(value, count, kind=float):
    """A number as a sum of floats, each the nearest of what is left."""
    result = []
    for _ in range(count):
        result.append(float(kind(float(value))))
        value -= result[-1]
    return tuple(result)


def test_constants_in_parts():
    assert parts(mp.pi / 2, 3) == tables.HALF_PI
    assert parts(mp.pi / 2, 3, np.float32) == tables.HALF_PI_SINGLE
    assert parts(mp.log(2), 2) == tables.LOG2
    assert parts(2 * THIRD, 2) == tables.TWO_THIRDS
    high, low = tables.LOG2_SHORT
    assert high == int(mp.log(2) * 2**41) / 2**41  # times an exponent it is exact
    assert low == float(mp.log(2) - high)


if __name__ == "__main__":
    results = {name: fit(*arguments) for name, arguments in FITS.items()}
    results["ERF_NUMERATOR_SINGLE"], results["ERF_DENOMINATOR_SINGLE"] = erf_quotient()
    for name, coefficients in results.items():
        print(f"{name} = (")
        for coefficient in coefficients:
            print(f"    {coefficient!r},")
        print(")")
