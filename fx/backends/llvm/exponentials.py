"""Exponentials, logarithms, powers and hyperbolic functions of float64 vectors.

Each is an exact reduction of the range, a polynomial of `function_tables`, and a few steps that
keep what rounding would lose. Where `single`, the argument was a float32 and the result will be
one: then shorter polynomials do, and a result is off by little more than its last rounding. What
ends in `_by` serves float32 vectors too, by functions of theirs.
The methods are those of Tang ("Table-driven implementation of the exponential function", ACM
TOMS 15, 1989, without the tables), of Kahan for log1p, and sums and products in two parts as in
Dekker ("A floating-point technique for extending the available precision", 1971).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fx.backends.llvm import function_tables as tables
from fx.backends.llvm.builder import F32, F64, I32, I64, Builder, Value
from fx.ops.numerics import special_tables


class _Format(NamedTuple):
    integer: np.dtype
    digits: int
    bias: int
    magic: float  # adding it rounds to an integer, which its low bits then hold


_FORMATS = {
    F32: _Format(I32, 23, 127, 1.5 * 2.0**23),
    F64: _Format(I64, 52, 1023, 1.5 * 2.0**52),
}


# ------------------------------------------------------------------ parts of numbers
def rounded(b: Builder, x: Value) -> tuple[Value, Value]:
    """The nearest integer as a float, and an integer whose low bits are those of it."""
    form = _FORMATS[x.dtype]
    magic = b.like(x, form.magic)
    shifted = b.add(x, magic)
    return b.sub(shifted, magic), b.cast("bitcast", shifted, form.integer)


def power_of_two(b: Builder, n: Value) -> Value:
    """2.0 ** n for integers n where that is neither subnormal nor infinite."""
    form = _FORMATS[n.dtype]
    bits = b.cast("bitcast", b.add(n, b.like(n, form.magic + form.bias)), form.integer)
    return b.cast("bitcast", b.binary("shl", bits, b.like(bits, form.digits)), n.dtype)


def _scaled(b: Builder, y: Value, n: Value, single: bool) -> Value:
    """y * 2**n, by two factors where 2**n itself may overflow or be subnormal."""
    if single:
        return b.mul(y, power_of_two(b, n))
    half, _ = rounded(b, b.mul(n, b.like(n, 0.5)))
    first, second = power_of_two(b, half), power_of_two(b, b.sub(n, half))
    return b.mul(b.mul(y, first), second)


def limit(b: Builder, x: Value, low: float, high: float) -> Value:
    """Clamped; NaN stays."""
    x = b.select(b.compare("fcmp ogt", x, b.like(x, high)), b.like(x, high), x)
    return b.select(b.compare("fcmp olt", x, b.like(x, low)), b.like(x, low), x)


def table(b: Builder, x: Value, coefficients: tuple[float, ...]) -> Value:
    """A polynomial of `function_tables`, whose lowest power comes first."""
    if x.dtype == F32 or len(coefficients) < 5:
        return b.polynomial(x, *reversed(coefficients))
    # Even and odd powers apart: functions of float64 are long enough to wait for their chains.
    square = b.mul(x, x)
    even = b.polynomial(square, *reversed(coefficients[::2]))
    return b.fma(b.polynomial(square, *reversed(coefficients[1::2])), x, even)


def split(b: Builder, x: Value) -> tuple[Value, Value]:
    """k and f with x = 2**k * (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), for positive x."""
    integer, digits, bias, magic = _FORMATS[x.dtype]
    small = b.compare("fcmp olt", x, b.like(x, float(np.finfo(x.dtype).tiny)))
    x = b.select(small, b.mul(x, b.like(x, 2.0 ** (digits + 2))), x)
    bits = b.cast("bitcast", x, integer)
    # Subtract the bits of sqrt(1/2), split off the exponent, add them again.
    base = int(np.asarray(math.sqrt(0.5), x.dtype).view(integer))
    moved = b.binary("add", bits, b.like(bits, ((bias + 1) << digits) - base))
    exponent = b.binary("lshr", moved, b.like(bits, digits))
    mantissa = b.binary("and", moved, b.like(bits, (1 << digits) - 1))
    m = b.cast("bitcast", b.binary("add", mantissa, b.like(bits, base)), x.dtype)
    offset = int(np.asarray(magic, x.dtype).view(integer))
    k = b.cast("bitcast", b.binary("or", exponent, b.like(bits, offset)), x.dtype)
    lift = magic + bias + 1
    lift = b.select(small, b.like(x, lift + digits + 2), b.like(x, lift))
    return b.sub(k, lift), b.sub(m, b.like(x, 1.0))


class _Pair(NamedTuple):
    """An unevaluated sum of which the second part is what rounding the first one lost."""

    high: Value
    low: Value


def _sum(b: Builder, x: Value, y: Value) -> _Pair:
    """x + y exactly, if x is 0 or not the smaller one."""
    high = b.add(x, y)
    return _Pair(high, b.add(b.sub(x, high), y))


def _product(b: Builder, x: Value, y: Value) -> _Pair:
    high = b.mul(x, y)
    return _Pair(high, b.fma(x, y, b.negative(high)))


def _times(b: Builder, x: _Pair, y: _Pair) -> _Pair:
    high, low = _product(b, x.high, y.high)
    return _Pair(high, b.add(low, b.fma(x.high, y.low, b.mul(x.low, y.high))))


# ------------------------------------------------------------------ exponentials
def _exp_parts(b: Builder, x: Value, low: Value | None, single: bool) -> tuple[Value, Value]:
    """n and p with exp(x + low) = 2**n * (1 + p), |p| < 1/2."""
    n, _ = rounded(b, b.mul(x, b.like(x, math.log2(math.e))))
    first, second = tables.LOG2
    r = b.fma(n, b.like(x, -first), x)
    if low is None:
        r = b.fma(n, b.like(x, -second), r)
    else:
        r = b.add(r, b.fma(n, b.like(x, -second), low))
    q = table(b, r, tables.EXP_SINGLE if single else tables.EXP)
    return n, b.fma(b.mul(r, r), q, r)


def _exp(b: Builder, x: Value, low: Value | None, single: bool, power: float = 0.0) -> Value:
    """exp(x + low) * 2**power, for arguments within limits."""
    n, p = _exp_parts(b, x, low, single)
    n = b.add(n, b.like(x, power)) if power else n
    return _scaled(b, b.add(p, b.like(x, 1.0)), n, single)


def _limited(b: Builder, x: Value, single: bool) -> Value:
    """What is beyond overflows, or underflows, all the same."""
    return limit(b, x, -105.0, 90.0) if single else limit(b, x, -746.0, 711.0)


def exp(b: Builder, x: Value) -> Value:
    return _exp(b, _limited(b, x, False), None, False)


def exp2(b: Builder, x: Value) -> Value:
    x = limit(b, x, -1080.0, 1025.0)
    n, _ = rounded(b, x)
    r = b.sub(x, n)
    return _scaled(b, b.fma(r, table(b, r, tables.EXP2), b.like(x, 1.0)), n, False)


def expm1(b: Builder, x: Value) -> Value:
    n, p = _exp_parts(b, limit(b, x, -40.0, 710.0), None, False)
    half = power_of_two(b, b.sub(n, b.like(x, 1.0)))  # of 2**n, which may overflow
    y = b.fma(half, p, b.sub(half, b.like(x, 0.5)))
    tiny = b.compare("fcmp olt", b.intrinsic("fabs", x), b.like(x, 2.0**-54))
    return b.select(tiny, x, b.add(y, y))


def logistic(b: Builder, x: Value) -> Value:
    return logistic_by(b, x, lambda v: exp(b, v))


def logistic_by(b: Builder, x: Value, exponential: Callable[[Value], Value]) -> Value:
    """1 / (1 + e**-|x|) or its complement: no overflow on either side."""
    e = exponential(b.negative(b.intrinsic("fabs", x)))
    one = b.like(x, 1.0)
    top = b.select(b.compare("fcmp oge", x, b.like(x, 0.0)), one, e)
    return b.div(top, b.add(one, e))


def tanh(b: Builder, x: Value) -> Value:
    return tanh_by(b, x, lambda v: expm1(b, v))


def tanh_by(b: Builder, x: Value, less_one: Callable[[Value], Value]) -> Value:
    """-t / (2 + t) with t = e**(-2 |x|) - 1, which neither overflows nor cancels."""
    t = less_one(b.mul(b.intrinsic("fabs", x), b.like(x, -2.0)))
    y = b.div(t, b.add(t, b.like(x, 2.0)))
    return b.intrinsic("copysign", y, x)


def _half_exp(b: Builder, x: Value) -> Value:
    return _exp(b, _limited(b, x, False), None, False, -1.0)


def cosh(b: Builder, x: Value) -> Value:
    return cosh_by(b, x, lambda v: _half_exp(b, v))


def cosh_by(b: Builder, x: Value, half_exp: Callable[[Value], Value]) -> Value:
    # Half of e**|x| and of its inverse: cosh overflows later than e**|x|.
    half = half_exp(b.intrinsic("fabs", x))
    return b.add(half, b.div(b.like(x, 0.25), half))


def sinh(b: Builder, x: Value) -> Value:
    return sinh_by(b, x, lambda v: _half_exp(b, v), tables.SINH)


def sinh_by(
    b: Builder, x: Value, half_exp: Callable[[Value], Value], rest: tuple[float, ...]
) -> Value:
    size = b.intrinsic("fabs", x)
    half = half_exp(size)
    far = b.sub(half, b.div(b.like(x, 0.25), half))
    square = b.mul(x, x)
    near = b.fma(b.mul(size, square), table(b, square, rest), size)
    y = b.select(b.compare("fcmp olt", size, b.like(x, 1.0)), near, far)
    return b.intrinsic("copysign", y, x)


# ------------------------------------------------------------------ logarithms
def _log(b: Builder, k: Value, f: Value, single: bool) -> Value:
    """log(2**k * (1 + f))."""
    # 1 + f = (1 + s) / (1 - s), log(1 + f) = 2 atanh(s) = f - (f**2 / 2 - s (f**2 / 2 + rest)).
    half = b.mul(b.mul(f, b.like(f, 0.5)), f)
    s = b.div(f, b.add(f, b.like(f, 2.0)))
    z = b.mul(s, s)
    q = table(b, z, tables.LOG_SINGLE if single else tables.LOG)
    first, second = tables.LOG2
    inner = b.mul(s, b.fma(z, q, half))
    inner = b.fma(k, b.like(f, second), inner)
    return b.fma(k, b.like(f, first), b.sub(f, b.sub(half, inner)))


def log_ends(b: Builder, x: Value, y: Value, zero: float) -> Value:
    """Infinity and NaN stay; at `zero` there is -infinity, below it NaN."""
    y = b.select(b.compare("fcmp olt", x, b.like(x, np.inf)), y, x)
    y = b.select(b.compare("fcmp oeq", x, b.like(x, zero)), b.like(x, -np.inf), y)
    return b.select(b.compare("fcmp olt", x, b.like(x, zero)), b.like(x, np.nan), y)


def log(b: Builder, x: Value) -> Value:
    return log_ends(b, x, _log(b, *split(b, x), False), 0.0)


# log(1 + x), or where a condition is given and holds log(2 (1 + x)), so that x may be halved.
Log1p = Callable[[Value, "Value | None"], Value]


def log1p(b: Builder, x: Value) -> Value:
    return _log1p(b, x, None)


def _log1p(b: Builder, x: Value, doubled: Value | None) -> Value:
    return log1p_by(b, x, doubled, lambda k, f: _log(b, k, f, False))


def log1p_by(
    b: Builder, x: Value, doubled: Value | None, log: Callable[[Value, Value], Value]
) -> Value:
    """log(1 + x), or where `doubled` log(2 (1 + x)), by log(2**k * (1 + f))."""
    one = b.like(x, 1.0)
    u = b.add(x, one)
    lost = b.sub(x, b.sub(u, one))
    k, f = split(b, u)
    # What u lost, in units of 2**k: of small x, f becomes all of x.
    down = b.negative(b.select(b.compare("fcmp olt", k, b.like(k, 64.0)), k, b.like(k, 64.0)))
    f = b.fma(lost, power_of_two(b, down), f)
    if doubled is not None:
        k = b.select(doubled, b.add(k, one), k)
    y = log_ends(b, x, log(k, f), -1.0)
    return b.select(b.compare("fcmp oeq", x, b.like(x, 0.0)), x, y)


def _huge(b: Builder, x: Value) -> Value:
    return b.compare("fcmp ogt", x, b.like(x, 2.0**60))


def asinh(b: Builder, x: Value) -> Value:
    return asinh_by(b, x, lambda u, doubled: _log1p(b, u, doubled))


def asinh_by(b: Builder, x: Value, log1p: Log1p) -> Value:
    # log(x + sqrt(1 + x**2)) = log1p(x + x**2 / (1 + sqrt(1 + x**2))), or log(2 x).
    size, one = b.intrinsic("fabs", x), b.like(x, 1.0)
    z = b.mul(x, x)
    root = b.intrinsic("sqrt", b.add(z, one))
    u = b.add(size, b.div(z, b.add(root, one)))
    huge = _huge(b, size)
    return b.intrinsic("copysign", log1p(b.select(huge, size, u), huge), x)


def acosh(b: Builder, x: Value) -> Value:
    return acosh_by(b, x, lambda u, doubled: _log1p(b, u, doubled))


def acosh_by(b: Builder, x: Value, log1p: Log1p) -> Value:
    # With t = x - 1: log1p(t + sqrt(t**2 + 2 t)), or log(2 x).
    t = b.sub(x, b.like(x, 1.0))
    u = b.add(t, b.intrinsic("sqrt", b.mul(t, b.add(t, b.like(x, 2.0)))))
    huge = _huge(b, x)
    y = log1p(b.select(huge, x, u), huge)
    return b.select(b.compare("fcmp olt", x, b.like(x, 1.0)), b.like(x, np.nan), y)


def atanh(b: Builder, x: Value) -> Value:
    return atanh_by(b, x, lambda u, doubled: _log1p(b, u, doubled))


def atanh_by(b: Builder, x: Value, log1p: Log1p) -> Value:
    size = b.intrinsic("fabs", x)
    u = b.div(b.add(size, size), b.sub(b.like(x, 1.0), size))
    return b.intrinsic("copysign", b.mul(log1p(u, None), b.like(x, 0.5)), x)


# ------------------------------------------------------------------ powers
def _log_in_two_parts(b: Builder, x: Value) -> _Pair:
    """log(x) for positive x to 2**-64 of it."""
    k, f = split(b, x)
    den, den_low = _sum(b, b.like(f, 2.0), f)
    inverse = b.div(b.like(f, 1.0), den)
    first = b.mul(f, inverse)
    rest = b.fma(b.negative(first), den_low, b.fma(b.negative(first), den, f))
    s = _Pair(first, b.mul(rest, inverse))
    z = _times(b, s, s)
    high, low = tables.TWO_THIRDS
    t = _sum(b, b.like(f, high), b.mul(z.high, table(b, z.high, tables.LOG_TAIL)))
    t = _Pair(t.high, b.add(t.low, b.like(f, low)))
    q = _times(b, s, _times(b, z, t))
    short, remainder = tables.LOG2_SHORT
    total, low1 = _sum(b, b.mul(k, b.like(f, short)), b.add(s.high, s.high))
    total, low2 = _sum(b, total, q.high)
    low = b.add(b.fma(k, b.like(f, remainder), q.low), b.add(s.low, s.low))
    return _sum(b, total, b.add(b.add(low1, low2), low))


def pow(b: Builder, x: Value, y: Value) -> Value:
    """x ** y in either dtype, float32 through float64."""
    size, inf = b.intrinsic("fabs", x), b.like(x, np.inf)
    z = _pow_single(b, size, y) if x.dtype == F32 else _pow_double(b, size, y)
    usual = b.binary("and", b.compare("fcmp ogt", x, b.like(x, 0.0)), b.compare("fcmp olt", x, inf))
    usual = b.binary("and", usual, b.compare("fcmp olt", b.intrinsic("fabs", y), inf))
    rare = b.binary("xor", usual, b.like(usual, True))
    return b.where_any(rare, lambda: _pow_ends(b, x, y, z), z)


def _pow_ends(b: Builder, x: Value, y: Value, z: Value) -> Value:
    """x ** y for all numbers, if z is |x| ** y where both are finite and not zero."""
    zero, one, inf = (b.like(x, v) for v in (0.0, 1.0, np.inf))
    size, power = b.intrinsic("fabs", x), b.intrinsic("fabs", y)
    # Zero or infinity where either is one of the two: infinity if both are small or both large.
    end = b.binary("or", b.compare("fcmp oeq", size, zero), b.compare("fcmp oeq", size, inf))
    end = b.binary("or", end, b.compare("fcmp oeq", power, inf))
    same = b.binary("xor", b.compare("fcmp olt", size, one), b.compare("fcmp ogt", y, zero))
    z = b.select(end, b.select(same, inf, zero), z)
    z = b.select(b.compare("fcmp oeq", size, one), one, z)
    # Negative numbers have integer powers only, and odd ones keep the sign.
    half = b.mul(y, b.like(y, 0.5))
    whole = b.compare("fcmp oeq", b.intrinsic("rint", y), y)
    uneven = b.compare("fcmp one", b.intrinsic("rint", half), half)
    odd = b.binary("and", whole, uneven)
    z = b.select(odd, b.intrinsic("copysign", z, x), z)
    negative = b.binary("and", b.compare("fcmp olt", x, zero), b.compare("fcmp olt", size, inf))
    wrong = b.select(whole, b.like(negative, False), negative)
    wrong = b.binary("or", wrong, b.compare("fcmp uno", x, y))
    z = b.select(wrong, b.like(x, np.nan), z)
    always = b.binary("or", b.compare("fcmp oeq", x, one), b.compare("fcmp oeq", y, zero))
    return b.select(always, one, z)


def _pow_single(b: Builder, size: Value, y: Value) -> Value:
    k, f = (b.cast("fpext", v, F64) for v in split(b, size))
    e = b.mul(b.cast("fpext", y, F64), _log(b, k, f, True))
    return b.cast("fptrunc", _exp(b, _limited(b, e, True), None, True), F32)


def _pow_double(b: Builder, size: Value, y: Value) -> Value:
    high, rest = _log_in_two_parts(b, size)
    e, low = _product(b, y, high)
    low = b.fma(y, rest, low)
    inside = b.compare("fcmp olt", b.intrinsic("fabs", e), b.like(e, 1000.0))
    low = b.select(inside, low, b.like(low, 0.0))
    return _exp(b, _limited(b, e, False), low, False)


def cbrt(b: Builder, x: Value, single: bool) -> Value:
    size = b.intrinsic("fabs", x)
    k, f = split(b, size)
    third, _ = rounded(b, b.fma(k, b.like(x, 1 / 3), b.like(x, -1 / 3)))
    rest = b.fma(third, b.like(x, -3.0), k)  # 0, 1 or 2
    start = table(b, f, tables.CBRT)
    m = b.mul(b.add(f, b.like(x, 1.0)), power_of_two(b, rest))
    one, two = b.like(x, 1.0), b.like(x, 2.0)
    turn = b.select(b.compare("fcmp oeq", rest, one), b.like(x, 2 ** (-1 / 3)), one)
    turn = b.select(b.compare("fcmp oeq", rest, two), b.like(x, 2 ** (-2 / 3)), turn)
    y = b.mul(start, turn)
    # One step of fourth order towards y = m**(-1/3): h = 1 - m y**3 is small.
    h = b.fma(b.mul(b.mul(b.negative(m), y), y), y, b.like(x, 1.0))
    y = b.fma(b.mul(y, h), b.polynomial(h, 14 / 81, 2 / 9, 1 / 3), y)
    square = b.mul(y, y)
    r = b.mul(m, square)
    if not single:  # a step of Newton's method on r**3 = m, with the square in two parts
        q = _product(b, r, r)
        left = b.sub(b.fma(b.negative(q.high), r, m), b.mul(q.low, r))
        r = b.fma(b.mul(left, square), b.like(x, 1 / 3), r)
    r = b.mul(r, power_of_two(b, third))
    inside = b.compare("fcmp olt", size, b.like(x, np.inf))
    inside = b.binary("and", inside, b.compare("fcmp one", size, b.like(x, 0.0)))
    return b.select(inside, b.intrinsic("copysign", r, x), x)


# ------------------------------------------------------------------ error functions
def _erf_near(b: Builder, x: Value) -> Value:
    """erf for |x| <= 1."""
    return b.fma(x, table(b, b.mul(x, x), special_tables.ERF), x)


def _erfc_far(b: Builder, x: Value) -> Value:
    """erfc for x >= 1/2."""
    square = _product(b, x, b.negative(x))
    e = _exp(b, square.high, square.low, False)
    return erfc_by(b, x, e, special_tables.ERFC_TAIL)


def erfc_by(b: Builder, x: Value, e: Value, tail: tuple[float, ...]) -> Value:
    """e F(t) / (1 + 2 x), with e = exp(-x**2), as in `fx.ops.numerics.error_function`."""
    three = b.like(x, 3.0)
    f = table(b, b.div(b.sub(x, three), b.add(x, three)), tail)
    return b.mul(e, b.div(f, b.fma(x, b.like(x, 2.0), b.like(x, 1.0))))


def erf(b: Builder, x: Value) -> Value:
    size, one = b.intrinsic("fabs", x), b.like(x, 1.0)
    near = _erf_near(b, x)
    far = b.compare("fcmp oge", size, one)

    def beyond() -> Value:
        tail = _erfc_far(b, limit(b, size, 0.5, 28.0))
        return b.select(far, b.intrinsic("copysign", b.sub(one, tail), x), near)

    return b.where_any(far, beyond, near)


def erfc(b: Builder, x: Value) -> Value:
    return erfc_parts(b, x, _erf_near(b, x), lambda v: _erfc_far(b, limit(b, v, 0.5, 28.0)))


def erfc_parts(b: Builder, x: Value, near: Value, far: Callable[[Value], Value]) -> Value:
    """erfc by erf near zero, and by erfc of what is not."""
    y = b.sub(b.like(x, 1.0), near)
    above = b.compare("fcmp oge", x, b.like(x, 0.5))
    below = b.compare("fcmp olt", x, b.like(x, -1.0))
    beyond = b.binary("or", above, below)

    def outside() -> Value:
        tail = far(b.intrinsic("fabs", x))
        tail = b.select(below, b.sub(b.like(x, 2.0), tail), tail)
        return b.select(beyond, tail, y)

    return b.where_any(beyond, outside, y)


# Functions of float64, and those that serve float32 as well, with a keyword `single`.
FLOAT64: dict[str, Callable[..., Value]] = {
    "acosh": acosh,
    "asinh": asinh,
    "atanh": atanh,
    "cosh": cosh,
    "erf": erf,
    "erfc": erfc,
    "exp": exp,
    "exp2": exp2,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "logistic": logistic,
    "sinh": sinh,
    "tanh": tanh,
}
WIDE: dict[str, Callable[..., Value]] = {"cbrt": cbrt}
