"""Transcendental functions of float32 vectors in straight-line code.

Each is a range reduction and a polynomial or quotient of `function_tables`; the tests hold each
against float64 and state its error in units in the last place. What is not here is computed in
float64, by `exponentials` and `trigonometry`.
"""

from __future__ import annotations

import math

import numpy as np

from fx.backends.llvm import exponentials
from fx.backends.llvm import function_tables as tables
from fx.backends.llvm.builder import F32, I32, Builder, Value
from fx.ops.numerics import special_tables

_MAGIC = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer, which its low bits then hold


def _rounded(b: Builder, x: Value) -> tuple[Value, Value]:
    """The nearest integer as a float and as an int32; harmless for NaN."""
    magic = b.like(x, _MAGIC)
    shifted = b.add(x, magic)
    bits = b.cast("bitcast", shifted, I32)
    offset = b.like(bits, int(np.float32(_MAGIC).view(np.int32)))
    return b.sub(shifted, magic), b.binary("sub", bits, offset)


def _power_of_two(b: Builder, n: Value) -> Value:
    """2.0 ** n for -126 <= n <= 127."""
    biased = b.binary("add", n, b.like(n, 127))
    return b.cast("bitcast", b.binary("shl", biased, b.like(n, 23)), F32)


def _limit(b: Builder, x: Value, low: float, high: float) -> Value:
    """Clamped; NaN stays."""
    x = b.select(b.compare("fcmp ogt", x, b.like(x, high)), b.like(x, high), x)
    return b.select(b.compare("fcmp olt", x, b.like(x, low)), b.like(x, low), x)


def _exp_parts(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    """n, r and p with exp(x) = 2**n * (1 + p), p = expm1(r), |r| <= log(2) / 2."""
    whole, n = _rounded(b, b.mul(x, b.like(x, math.log2(math.e))))
    r = b.fma(whole, b.like(x, -0.693359375), x)
    r = b.fma(whole, b.like(x, 2.12194440e-4), r)
    q = exponentials.table(b, r, tables.EXP_SINGLE)
    return n, r, b.fma(b.mul(r, r), q, r)


def _exp(b: Builder, x: Value, less: int = 0) -> Value:
    """exp(x) / 2**less."""
    n, _, p = _exp_parts(b, _limit(b, x, -105.0, 90.0))
    # Two factors, since 2**n itself may overflow or be subnormal where the result does not.
    half = b.binary("ashr", n, b.like(n, 1))
    rest = b.binary("sub", n, half)
    rest = b.binary("sub", rest, b.like(n, less)) if less else rest
    first, second = _power_of_two(b, half), _power_of_two(b, rest)
    return b.mul(b.mul(b.add(p, b.like(p, 1)), first), second)


def exp(b: Builder, x: Value) -> Value:
    return _exp(b, x)


def exp2(b: Builder, x: Value) -> Value:
    x = _limit(b, x, -152.0, 129.0)
    whole, n = _rounded(b, x)
    q = exponentials.table(b, b.sub(x, whole), tables.EXP2_SINGLE)
    half = b.binary("ashr", n, b.like(n, 1))
    first, second = _power_of_two(b, half), _power_of_two(b, b.binary("sub", n, half))
    return b.mul(b.mul(b.fma(b.sub(x, whole), q, b.like(x, 1.0)), first), second)


def cosh(b: Builder, x: Value) -> Value:
    return exponentials.cosh_by(b, x, lambda v: _exp(b, v, 1))


def sinh(b: Builder, x: Value) -> Value:
    return exponentials.sinh_by(b, x, lambda v: _exp(b, v, 1), tables.SINH_SINGLE)


def expm1(b: Builder, x: Value) -> Value:
    n, _, p = _exp_parts(b, _limit(b, x, -80.0, 89.0))
    scale = _power_of_two(b, b.binary("sub", n, b.like(n, 1)))  # half of it, lest it overflow
    y = b.fma(scale, p, b.sub(scale, b.like(x, 0.5)))
    tiny = b.compare("fcmp olt", b.intrinsic("fabs", x), b.like(x, 2.0**-25))
    return b.select(tiny, x, b.add(y, y))


def _log(b: Builder, e: Value, r: Value) -> Value:
    """log(2**e * (1 + r))."""
    z = b.mul(r, r)
    q = exponentials.table(b, r, tables.LOG1P_SINGLE)
    y = b.mul(b.mul(z, r), q)
    y = b.fma(e, b.like(r, -2.12194440e-4), y)
    y = b.fma(z, b.like(r, -0.5), y)
    return b.fma(e, b.like(r, 0.693359375), b.add(r, y))


def log(b: Builder, x: Value) -> Value:
    return exponentials.log_ends(b, x, _log(b, *exponentials.split(b, x)), 0.0)


def _log1p(b: Builder, x: Value, doubled: Value | None = None) -> Value:
    return exponentials.log1p_by(b, x, doubled, lambda e, r: _log(b, e, r))


def log1p(b: Builder, x: Value) -> Value:
    return _log1p(b, x)


def asinh(b: Builder, x: Value) -> Value:
    return exponentials.asinh_by(b, x, lambda u, doubled: _log1p(b, u, doubled))


def acosh(b: Builder, x: Value) -> Value:
    return exponentials.acosh_by(b, x, lambda u, doubled: _log1p(b, u, doubled))


def atanh(b: Builder, x: Value) -> Value:
    return exponentials.atanh_by(b, x, lambda u, doubled: _log1p(b, u, doubled))


def logistic(b: Builder, x: Value) -> Value:
    return exponentials.logistic_by(b, x, lambda v: exp(b, v))


def tanh(b: Builder, x: Value) -> Value:
    return exponentials.tanh_by(b, x, lambda v: expm1(b, v))


def erf(b: Builder, x: Value) -> Value:
    c = _limit(b, x, -3.92, 3.92)  # beyond, it rounds to one
    z = b.mul(c, c)
    p = exponentials.table(b, z, tables.ERF_NUMERATOR_SINGLE)
    q = exponentials.table(b, z, tables.ERF_DENOMINATOR_SINGLE)
    return b.mul(c, b.div(p, q))  # c * p may be subnormal


def erfc(b: Builder, x: Value) -> Value:
    near = b.fma(x, exponentials.table(b, b.mul(x, x), special_tables.ERF_SINGLE), x)
    return exponentials.erfc_parts(b, x, near, lambda v: _erfc_far(b, _limit(b, v, 0.5, 10.5)))


def _erfc_far(b: Builder, x: Value) -> Value:
    square = b.mul(x, b.negative(x))
    lost = b.fma(x, b.negative(x), b.negative(square))
    e = _exp(b, square)
    return exponentials.erfc_by(b, x, b.fma(e, lost, e), tables.ERFC_TAIL_SINGLE)


def _turned(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    """n, sin(r) and cos(r) with x = n * pi / 2 + r, |r| <= pi / 4, as long as |x| < ANGLE.

    By multiples of three parts of pi / 2 (Cody and Waite, see `trigonometry`): the first product
    and difference are exact, then |x - r| is below 2**-58.
    """

    def made() -> tuple[Value, Value, Value]:
        shifted = b.fma(x, b.like(x, 2 / math.pi), b.like(x, _MAGIC))
        quarter, r = b.negative(b.sub(shifted, b.like(x, _MAGIC))), x
        for part in tables.HALF_PI_SINGLE:
            r = b.fma(quarter, b.like(x, part), r)
        z = b.mul(r, r)
        s = b.fma(b.mul(z, r), exponentials.table(b, z, tables.SIN_SINGLE), r)
        half = b.fma(z, b.like(z, -0.5), b.like(z, 1.0))
        c = b.fma(b.mul(z, z), exponentials.table(b, z, tables.COS_SINGLE), half)
        return b.cast("bitcast", shifted, I32), s, c

    return b.once("turned", x, made)


def _chosen(b: Builder, n: Value, even: Value, odd: Value, sign: Value) -> Value:
    """One or the other by the lowest bit of n; the second one of `sign` changes its sign."""
    y = b.select(b.compare("icmp ne", b.binary("and", n, b.like(n, 1)), b.like(n, 0)), odd, even)
    flip = b.binary("shl", b.binary("and", sign, b.like(n, 2)), b.like(n, 30))
    return b.cast("bitcast", b.binary("xor", b.cast("bitcast", y, I32), flip), F32)


def sin(b: Builder, x: Value) -> Value:
    n, s, c = _turned(b, x)
    y = _chosen(b, n, s, c, n)
    return b.select(b.compare("fcmp oeq", x, b.like(x, 0.0)), x, y)  # keeps -0.0


def cos(b: Builder, x: Value) -> Value:
    n, s, c = _turned(b, x)
    return _chosen(b, n, c, s, b.binary("add", n, b.like(n, 1)))


FLOAT32 = {
    "acosh": acosh,
    "asinh": asinh,
    "atanh": atanh,
    "cosh": cosh,
    "erfc": erfc,
    "exp": exp,
    "exp2": exp2,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "logistic": logistic,
    "sinh": sinh,
    "tanh": tanh,
    "erf": erf,
}
BOUNDED = {"sin": sin, "cos": cos}  # for |x| < ANGLE; beyond, float64 is needed
ANGLE = 2.0**16
