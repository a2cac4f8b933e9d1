"""Trigonometric functions and their inverses, and remainders, of float64 vectors.

Angles are reduced by multiples of pi / 2 in two parts (Cody and Waite, "Software Manual for the
Elementary Functions", 1980, with fused products); inverse functions by the half angle and by the
quotient (y - x) / (y + x), an eighth of a turn. Where `single`, the argument was a float32 and the
result will be one: then shorter polynomials do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fx.backends.llvm import function_tables as tables
from fx.backends.llvm.builder import F64, I64, Builder, Value
from fx.backends.llvm.exponentials import rounded, table

ANGLE = 2.0**27  # where the reduction of float64 ends
ANGLE_SINGLE = 2.0**30


# ------------------------------------------------------------------ of angles
def _reduced(b: Builder, x: Value, single: bool) -> tuple[Value, Value, Value | None]:
    """Bits of n, and r and low with x = n * pi / 2 + r + low; |r| <= pi / 4."""
    n, bits = rounded(b, b.mul(x, b.like(x, 2 / math.pi)))
    first, second, third = (b.like(x, c) for c in tables.HALF_PI)
    start = b.fma(b.negative(n), first, x)  # exact
    if single:
        return bits, b.fma(b.negative(n), second, start), None
    w = b.mul(n, second)
    rest = b.fma(n, second, b.negative(w))
    r = b.sub(start, w)
    back = b.sub(r, start)
    lost = b.sub(b.sub(start, b.sub(r, back)), b.add(w, back))
    return bits, r, b.fma(b.negative(n), third, b.sub(lost, rest))


def _sin_cos(b: Builder, x: Value, single: bool) -> tuple[Value, Value, Value]:
    """Bits of the number of quarter turns, and sine and cosine of the rest."""
    bits, r, low = _reduced(b, x, single)
    z = b.mul(r, r)
    half = b.mul(z, b.like(z, -0.5))
    s = table(b, z, tables.SIN_SINGLE if single else tables.SIN)
    c = table(b, z, tables.COS_SINGLE if single else tables.COS)
    one = b.like(x, 1.0)
    if low is None:
        s = b.fma(b.mul(r, z), s, r)
        return bits, s, b.fma(b.mul(z, z), c, b.add(half, one))
    s = b.add(r, b.fma(b.mul(r, z), s, b.fma(low, half, low)))
    top = b.add(half, one)
    lost = b.add(b.sub(one, top), half)
    c = b.add(lost, b.fma(b.mul(z, z), c, b.mul(b.negative(r), low)))
    return bits, s, b.add(top, c)


def _odd(b: Builder, bits: Value) -> Value:
    return b.compare("icmp ne", b.binary("and", bits, b.like(bits, 1)), b.like(bits, 0))


def _flipped(b: Builder, y: Value, sign: Value) -> Value:
    """y with its sign changed where the highest bit of `sign` is set."""
    sign = b.binary("and", sign, b.like(sign, -(1 << 63)))
    return b.cast("bitcast", b.binary("xor", b.cast("bitcast", y, I64), sign), F64)


def sin(b: Builder, x: Value, single: bool) -> Value:
    bits, s, c = _sin_cos(b, x, single)
    y = b.select(_odd(b, bits), c, s)
    y = _flipped(b, y, b.binary("shl", bits, b.like(bits, 62)))
    return b.select(b.compare("fcmp oeq", x, b.like(x, 0.0)), x, y)


def cos(b: Builder, x: Value, single: bool) -> Value:
    bits, s, c = _sin_cos(b, x, single)
    y = b.select(_odd(b, bits), s, c)
    bits = b.binary("add", bits, b.like(bits, 1))
    return _flipped(b, y, b.binary("shl", bits, b.like(bits, 62)))


def tan(b: Builder, x: Value, single: bool) -> Value:
    bits, s, c = _sin_cos(b, x, single)
    odd = _odd(b, bits)
    y = b.div(b.select(odd, c, s), b.select(odd, s, c))
    y = _flipped(b, y, b.binary("shl", bits, b.like(bits, 63)))
    return b.select(b.compare("fcmp oeq", x, b.like(x, 0.0)), x, y)


# ------------------------------------------------------------------ angles
def _arc_parts(b: Builder, x: Value, single: bool) -> tuple[Value, Value, Value, Value]:
    """Whether |x| > 1/2, |x|, and s and its rest: asin(|x|), or half of acos(|x|)."""
    size = b.intrinsic("fabs", x)
    big = b.compare("fcmp ogt", size, b.like(x, 0.5))
    half = b.fma(size, b.like(x, -0.5), b.like(x, 0.5))
    z = b.select(big, half, b.mul(x, x))
    s = b.select(big, b.intrinsic("sqrt", z), size)
    q = table(b, z, tables.ASIN_SINGLE if single else tables.ASIN)
    return big, size, s, b.mul(b.mul(s, z), q)


def asin(b: Builder, x: Value, single: bool) -> Value:
    big, _, s, rest = _arc_parts(b, x, single)
    high, low, _ = tables.HALF_PI
    two = b.like(x, -2.0)
    far = b.add(b.fma(s, two, b.like(x, high)), b.fma(rest, two, b.like(x, low)))
    y = b.select(big, far, b.add(s, rest))
    return b.intrinsic("copysign", y, x)


def acos(b: Builder, x: Value, single: bool) -> Value:
    big, _, s, rest = _arc_parts(b, x, single)
    high, low, _ = tables.HALF_PI
    negative = b.compare("fcmp olt", x, b.like(x, 0.0))
    # Near zero pi / 2 - asin(x); else 2 asin(s) or pi minus that.
    signed, signed_rest = (b.intrinsic("copysign", v, x) for v in (s, rest))
    near = b.sub(b.like(x, high), b.sub(signed, b.sub(b.like(x, low), signed_rest)))
    twice, twice_rest = b.add(s, s), b.add(rest, rest)
    minus = b.sub(b.like(x, 2 * high), b.sub(twice, b.sub(b.like(x, 2 * low), twice_rest)))
    far = b.select(negative, minus, b.add(twice, twice_rest))
    return b.select(big, far, near)


def _arc_of_quotient(b: Builder, y: Value, x: Value, single: bool) -> Value:
    """atan(y / x) for numbers that are not negative, in [0, pi / 2]."""
    high, low, _ = tables.HALF_PI
    steep = b.compare("fcmp ogt", y, b.mul(x, b.like(x, math.tan(3 * math.pi / 8))))
    middle = b.compare("fcmp ogt", y, b.mul(x, b.like(x, math.tan(math.pi / 8))))
    top = b.select(middle, b.sub(y, x), y)
    top = b.select(steep, b.negative(x), top)
    bottom = b.select(middle, b.add(y, x), x)
    bottom = b.select(steep, y, bottom)
    bottom = b.select(b.compare("fcmp oeq", bottom, b.like(x, 0.0)), b.like(x, 1.0), bottom)
    t = b.div(top, bottom)
    z = b.mul(t, t)
    q = table(b, z, tables.ATAN_SINGLE if single else tables.ATAN)

    def offset(value: float) -> Value:
        part = b.select(middle, b.like(x, value / 2), b.like(x, 0.0))
        return b.select(steep, b.like(x, value), part)

    return b.add(offset(high), b.add(t, b.fma(b.mul(t, z), q, offset(low))))


def atan(b: Builder, x: Value, single: bool) -> Value:
    size = b.intrinsic("fabs", x)
    y = _arc_of_quotient(b, size, b.like(x, 1.0), single)
    return b.intrinsic("copysign", y, x)


def atan2(b: Builder, y: Value, x: Value, single: bool) -> Value:
    high, low, _ = tables.HALF_PI
    inf, one = b.like(x, np.inf), b.like(x, 1.0)
    top, bottom = b.intrinsic("fabs", y), b.intrinsic("fabs", x)
    # Two infinities are as long as each other; of huge numbers the sum would overflow.
    both = b.compare("fcmp oeq", top, inf)
    both = b.binary("and", both, b.compare("fcmp oeq", bottom, inf))
    top, bottom = b.select(both, one, top), b.select(both, one, bottom)
    if not single:
        larger = b.select(b.compare("fcmp ogt", top, bottom), top, bottom)
        scale = b.select(b.compare("fcmp ogt", larger, b.like(x, 2.0**1020)), b.like(x, 0.25), one)
        top, bottom = b.mul(top, scale), b.mul(bottom, scale)
    a = _arc_of_quotient(b, top, bottom, single)
    sign = b.cast("bitcast", x, I64)
    left = b.compare("icmp slt", sign, b.like(sign, 0))
    a = b.select(left, b.sub(b.like(x, 2 * high), b.sub(a, b.like(x, 2 * low))), a)
    return b.intrinsic("copysign", a, y)


# ------------------------------------------------------------------ remainders
def rem(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    """x - y * trunc(x / y) without rounding, and where the quotient is too long for that."""
    top, bottom = b.intrinsic("fabs", x), b.intrinsic("fabs", y)
    quotient = b.intrinsic("floor", b.div(top, bottom))  # or one more than that of x and y
    r = b.fma(b.negative(quotient), bottom, top)
    r = b.select(b.compare("fcmp olt", r, b.like(r, 0.0)), b.add(r, bottom), r)
    # Below y it is x, also if y is infinite.
    r = b.select(b.compare("fcmp olt", top, bottom), top, r)
    long = b.compare("fcmp oge", quotient, b.like(x, 2.0**53))
    return b.intrinsic("copysign", r, x), long


def far(b: Builder, x: Value, single: bool) -> Value:
    """Where an angle is too large for its reduction."""
    bound = ANGLE_SINGLE if single else ANGLE
    return b.compare("fcmp oge", b.intrinsic("fabs", x), b.like(x, bound))


WIDE: dict[str, Callable[..., Value]] = {
    "acos": acos,
    "asin": asin,
    "atan": atan,
    "atan2": atan2,
    "cos": cos,
    "sin": sin,
    "tan": tan,
}
