"""Random numbers in vectors: the cipher and the float functions that samples are made of.

The functions round as `fx.ops.numerics.portable` says, step by step, so that the bits are those of
the interpreter. (Its fused steps round twice about once in 2**29; these never do.) The cipher is
that of `fx.ops.numerics.threefry`. Each is large, so a module has one function of it, called for
each vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fx.backends.llvm.builder import F32, I32, KEY, U32, U64, Builder, Value
from fx.ops.numerics import portable_tables as tables
from fx.ops.numerics.threefry import PARITY, ROTATIONS


# ------------------------------------------------------------------ pairs of words
def pair(b: Builder, first: Value, second: Value) -> Value:
    """A key of two words, which lie in memory in this order."""
    wide = b.binary("shl", b.cast("zext", second, U64), b.const(32, U64, second.lanes))
    whole = b.binary("or", wide, b.cast("zext", first, U64), KEY)
    b.halves[whole.text] = (first, second)
    return whole


def word(b: Builder, key: Value, which: int) -> Value:
    """One of the two words of a key."""
    known = b.halves.get(key.text)
    if known is not None:
        return known[which]
    if which:
        key = b.binary("lshr", key, b.const(32, U64, key.lanes))
    return b.cast("trunc", key, U32)


def threefry(b: Builder, key: Value, counter: Value) -> Value:
    """The counter enciphered with the key; both are pairs of words, and so is the result."""
    words = [word(b, x, i) for x in (key, counter) for i in (0, 1)]
    return pair(b, *b.outlined("threefry", _threefry, *words))


def _threefry(b: Builder, k0: Value, k1: Value, x0: Value, x1: Value) -> Sequence[Value]:
    k2 = b.binary("xor", b.binary("xor", k0, k1), b.like(k0, PARITY))
    schedule = (k0, k1, k2)
    x0, x1 = b.binary("add", x0, k0), b.binary("add", x1, k1)
    for injection in range(1, 6):
        for distance in ROTATIONS[(injection - 1) % 2]:
            x0 = b.binary("add", x0, x1)
            x1 = b.intrinsic("fshl", x1, x1, b.like(x1, distance))
            x1 = b.binary("xor", x1, x0)
        x0 = b.binary("add", x0, schedule[injection % 3])
        late = b.binary("add", schedule[(injection + 1) % 3], b.like(x1, injection))
        x1 = b.binary("add", x1, late)
    return x0, x1


# ------------------------------------------------------------------ functions
def _fits(b: Builder, x: Value, low: float, high: float) -> Value:
    """Clamped; NaN stays."""
    x = b.select(b.compare("fcmp olt", x, b.like(x, low)), b.like(x, low), x)
    return b.select(b.compare("fcmp ogt", x, b.like(x, high)), b.like(x, high), x)


def _log(b: Builder, x: Value) -> Value:
    tiny = b.like(x, tables.TINY)
    bits = b.cast("bitcast", b.select(b.compare("fcmp ogt", x, tiny), x, tiny), I32)
    e = b.binary("sub", b.binary("lshr", bits, b.like(bits, 23)), b.like(bits, 126))
    bits = b.binary("and", bits, b.like(bits, 0x007FFFFF))
    m = b.cast("bitcast", b.binary("or", bits, b.like(bits, 0x3F000000)), F32)
    low = b.compare("fcmp olt", m, b.like(m, tables.SQRT_HALF))
    exponent = b.cast("sitofp", e, F32)
    exponent = b.select(low, b.sub(exponent, b.like(m, 1.0)), exponent)
    m = b.add(b.sub(m, b.like(m, 1.0)), b.select(low, m, b.like(m, 0.0)))
    first, second, third = (b.polynomial(m, *p) for p in tables.LOG_P)
    square = b.mul(m, m)
    cube = b.mul(square, m)
    y = b.fma(first, cube, second)
    y = b.fma(y, cube, third)
    y = b.fma(y, cube, b.mul(exponent, b.like(m, tables.LOG2_LOW)))
    y = b.add(y, b.sub(m, b.mul(square, b.like(m, 0.5))))
    y = b.add(y, b.mul(exponent, b.like(m, tables.LOG2_HIGH)))
    y = b.select(b.compare("fcmp oeq", x, b.like(x, 0.0)), b.like(x, -np.inf), y)
    y = b.select(b.compare("fcmp oeq", x, b.like(x, np.inf)), x, y)
    return b.select(b.compare("fcmp oge", x, b.like(x, 0.0)), y, b.like(x, np.nan))


def _log1p(b: Builder, x: Value) -> Value:
    far = _log(b, b.add(x, b.like(x, 1.0)))
    numerator = b.polynomial(x, *tables.LOG1P_NUMERATOR_32)
    denominator = b.polynomial(x, *tables.LOG1P_DENOMINATOR_32)
    square = b.mul(x, x)
    y = b.mul(b.mul(x, square), b.div(numerator, denominator))
    near = b.add(x, b.fma(square, b.like(x, -0.5), y))
    small = b.compare("fcmp olt", b.intrinsic("fabs", x), b.like(x, np.float32(tables.LOG1P_SMALL)))
    return b.select(small, near, far)


def _exp(b: Builder, x: Value) -> Value:
    x = _fits(b, x, float(np.float32(-87.8)), float(np.float32(88.8)))
    n = b.intrinsic("floor", b.fma(x, b.like(x, tables.LOG2_E), b.like(x, 0.5)))
    n = _fits(b, n, -127.0, 127.0)
    x = b.sub(x, b.mul(n, b.like(x, tables.LOG2_HIGH)))
    x = b.fma(n, b.like(x, -tables.LOG2_LOW), x)
    y = b.polynomial(x, *tables.EXP_P)
    y = b.add(b.fma(y, b.mul(x, x), x), b.like(x, 1.0))
    whole = b.select(b.compare("fcmp uno", n, n), b.like(n, 0.0), n)
    power = b.cast("fptosi", whole, I32)
    power = b.binary("shl", b.binary("add", power, b.like(power, 127)), b.like(power, 23))
    y = b.mul(y, b.cast("bitcast", power, F32))
    return b.select(b.compare("fcmp olt", y, b.like(y, tables.TINY)), b.like(y, 0.0), y)


def _erf(b: Builder, x: Value) -> Value:
    square = b.mul(x, x)
    numerator = b.mul(x, b.polynomial(square, *tables.ERF_NUMERATOR))
    y = b.div(numerator, b.polynomial(square, *tables.ERF_DENOMINATOR))
    one = b.intrinsic("copysign", b.like(x, 1.0), x)
    far = b.compare("fcmp oge", b.intrinsic("fabs", x), b.like(x, tables.ERF_LIMIT))
    return b.select(far, one, y)


def _erf_inv(b: Builder, x: Value) -> Value:
    w = b.negative(_log1p(b, b.mul(x, b.negative(x))))
    (limit, shift, center), (_, tail_shift, tail) = tables.ERF_INV_32
    y = b.polynomial(b.sub(w, b.like(w, shift)), *center)
    far = b.compare("fcmp uge", w, b.like(w, limit))

    def beyond() -> Value:
        root = b.sub(b.intrinsic("sqrt", w), b.like(w, tail_shift))
        return b.select(far, b.polynomial(root, *tail), y)

    y = b.where_any(far, beyond, y)  # rare: one number in 300
    end = b.compare("fcmp oeq", b.intrinsic("fabs", x), b.like(x, 1.0))
    return b.mul(x, b.select(end, b.like(x, np.inf), y))


_BODIES: dict[str, Callable[[Builder, Value], Value]] = {
    "portable_log": _log,
    "portable_log1p": _log1p,
    "portable_exp": _exp,
    "portable_erf": _erf,
    "portable_erf_inv": _erf_inv,
}


def portable(b: Builder, op: str, x: Value) -> Value:
    """One of the functions of float32 whose every rounding is fixed."""
    (y,) = b.outlined(op, lambda inner, v: [_BODIES[op](inner, v)], x)
    return y
