"""The dialect's scalar operations in LLVM IR, on registers of one or several lanes.

They compute what the NumPy rules compute: arithmetic rounds after each operation (no x * y + z is
contracted), NaN wins in max and min, conversions saturate, shifts by the width and more give zero.
Functions are vector code of `polynomials`, `exponentials`, `trigonometry` and `special`; of numbers
too large for that, which are rare, angles and remainders call the C library lane by lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fx.backends.llvm import exponentials, polynomials, random, special, trigonometry
from fx.backends.llvm.builder import BOOL, F32, F64, I32, Builder, Value, type_name
from fx.kernel.vocabulary import BF16, F16, HALVES, PORTABLE

_COMPARISONS = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_ORDERS = {"lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
_LIBRARY = {"sin": "sin", "cos": "cos", "tan": "tan", "rem": "fmod"}
_INTRINSICS = {
    "sqrt": "sqrt",
    "floor": "floor",
    "ceil": "ceil",
    "round_even": "roundeven",
    "round_away": "round",
}


def apply(b: Builder, op: str, args: Sequence[Value], dtype: np.dtype) -> Value:
    """The result of an operation."""
    x = args[-1]
    if op == "select":
        which, no, yes = args
        return b.select(which, yes, no)
    if op in ("copy", "fresh"):
        return x
    if op == "convert":
        return convert(b, x, dtype)
    if op == "bitcast":
        same = type_name(x.dtype, 1) == type_name(dtype, 1)
        return x._replace(dtype=dtype) if same else b.cast("bitcast", x, dtype)
    if op == "pair":
        return random.pair(b, *args)
    if op == "threefry":
        return random.threefry(b, *args)
    if op in ("first_word", "second_word"):
        return random.word(b, x, int(op == "second_word"))
    if op in PORTABLE:
        return random.portable(b, op, x)
    if op in _COMPARISONS:
        return _compare(b, op, *args)
    if op == "is_finite":
        return b.compare("fcmp olt", b.intrinsic("fabs", x), b.like(x, np.inf))
    if x.dtype == BOOL:
        return _logic(b, op, args)
    return (_float if x.dtype.kind == "f" else _integer)(b, op, args)


def _compare(b: Builder, op: str, x: Value, y: Value) -> Value:
    if x.dtype.kind == "f":
        return b.compare(f"fcmp {_COMPARISONS[op]}", x, y)
    sign = "s" if x.dtype.kind == "i" else "u"
    return b.compare(f"icmp {sign + op if op in _ORDERS else op}", x, y)


def _logic(b: Builder, op: str, args: Sequence[Value]) -> Value:
    if op == "not":
        return b.binary("xor", args[0], b.like(args[0], True))
    name = {"add": "or", "max": "or", "mul": "and", "min": "and"}.get(op, op)
    return b.binary(name, args[0], args[1])


def _integer(b: Builder, op: str, args: Sequence[Value]) -> Value:
    x = args[0]
    signed = x.dtype.kind == "i"
    if op in ("add", "sub", "mul", "and", "or", "xor"):
        return b.binary(op, args[0], args[1])
    if op == "square":
        return b.binary("mul", x, x)
    if op == "neg":
        return b.binary("sub", b.like(x, 0), x)
    if op == "not":
        return b.binary("xor", x, b.like(x, -1 if signed else np.iinfo(x.dtype).max))
    if op in ("max", "min"):
        return b.intrinsic(("s" if signed else "u") + op, *args)
    if op == "abs":
        return b.intrinsic("smax", x, b.binary("sub", b.like(x, 0), x)) if signed else x
    if op == "sign":
        positive = b.intrinsic("smin" if signed else "umin", x, b.like(x, 1))
        return b.intrinsic("smax", positive, b.like(x, -1)) if signed else positive
    bits = x.dtype.itemsize * 8
    if op == "pow":
        return b.outlined("power", _power, *args)[0]
    if op == "population_count":
        return b.intrinsic("ctpop", x)
    if op == "clz":
        kind = type_name(x.dtype, 1)
        name = f"llvm.ctlz.{kind if x.lanes == 1 else f'v{x.lanes}{kind}'}"
        return b.emit(b.call(name, x.type, x, "i1 false"), x.dtype, x.lanes)
    if op in ("div", "rem"):
        return _divide(b, op, *args)
    name = {
        "shift_left": "shl",
        "shift_right_logical": "lshr",
        "shift_right_arithmetic": "ashr",
    }[op]
    by = args[1]
    inside = b.compare("icmp ult", by, b.like(by, bits))
    if name == "ashr":
        return b.binary(name, x, b.select(inside, by, b.like(by, bits - 1)))
    shifted = b.binary(name, x, b.select(inside, by, b.like(by, 0)))
    return b.select(inside, shifted, b.like(x, 0))


def _power(b: Builder, x: Value, y: Value) -> list[Value]:
    """x to the power of y, an unsigned number, by its binary digits."""
    again = b.like(x, 1)
    b.line("br label %digit")
    b.label("digit")
    result, base, left = (
        Value(f"%{name}", x.dtype, x.lanes) for name in ("result", "base", "left")
    )
    for name, start in (("result", again), ("base", x), ("left", y)):
        b.line(f"%{name} = phi {x.type} [{start.text}, %entry], [%{name}.next, %digit]")
    odd = b.compare("icmp ne", b.binary("and", left, b.like(x, 1)), b.like(x, 0))
    product = b.binary("mul", result, base)
    b.line(
        f"%result.next = select {odd.type} {odd.text}, {x.type} {product.text}, {x.type} %result"
    )
    b.line(f"%base.next = mul {x.type} %base, %base")
    b.line(f"%left.next = lshr {x.type} %left, {b.like(x, 1).text}")
    rest = Value("%left.next", x.dtype, x.lanes)
    if x.lanes > 1:
        kind = type_name(x.dtype, 1)
        name = f"llvm.vector.reduce.or.v{x.lanes}{kind}"
        rest = b.emit(b.call(name, kind, rest), x.dtype, 1)
    more = b.compare("icmp ne", rest, b.like(rest, 0))
    b.line(f"br i1 {more.text}, label %digit, label %done")
    b.label("done")
    return [result._replace(text="%result.next")]


def _divide(b: Builder, op: str, x: Value, y: Value) -> Value:
    """Quotient and remainder: those by 0 are -1 and x; by -1 the quotient may wrap around."""
    zero = b.compare("icmp eq", y, b.like(y, 0))
    if x.dtype.kind == "u":
        safe = b.select(zero, b.like(y, 1), y)
        result = b.binary("u" + op, x, safe)
        return b.select(zero, b.like(x, np.iinfo(x.dtype).max) if op == "div" else x, result)
    minus = b.compare("icmp eq", y, b.like(y, -1))
    safe = b.select(b.binary("or", zero, minus), b.like(y, 1), y)
    result = b.binary("s" + op, x, safe)
    if op == "rem":
        return b.select(zero, x, result)
    result = b.select(minus, b.binary("sub", b.like(x, 0), x), result)
    return b.select(zero, b.like(x, -1), result)


def _next_after(b: Builder, x: Value, y: Value) -> Value:
    """The number beside x on the way to y: one step of its bits, counted from zero."""
    whole = np.dtype(f"int{x.dtype.itemsize * 8}")
    bits = b.cast("bitcast", x, whole)
    away = b.binary(
        "xor",
        b.compare("fcmp olt", x, b.like(x, 0.0)),
        b.compare("fcmp olt", x, y),
    )
    step = b.select(away, b.like(bits, 1), b.like(bits, -1))
    moved = b.cast("bitcast", b.binary("add", bits, step), x.dtype)
    tiny = b.intrinsic("copysign", b.like(x, np.finfo(x.dtype).smallest_subnormal), y)
    moved = b.select(b.compare("fcmp oeq", x, b.like(x, 0.0)), tiny, moved)
    moved = b.select(b.compare("fcmp oeq", x, y), y, moved)
    return b.select(b.compare("fcmp uno", x, y), b.add(x, y), moved)


def _log_add_exp(b: Builder, x: Value, y: Value) -> Value:
    """The larger one, and what the other adds; equal infinities have no difference."""
    larger = _float(b, "max", [x, y])
    apart = b.intrinsic("fabs", b.sub(x, y))
    apart = b.select(b.compare("fcmp oeq", x, y), b.like(x, 0.0), apart)
    share = _float(b, "exp", [b.negative(apart)])
    return b.add(larger, _float(b, "log1p", [share]))


def _float(b: Builder, op: str, args: Sequence[Value]) -> Value:
    x = args[0]
    if op in ("add", "sub", "mul", "div"):
        return b.binary("f" + op, args[0], args[1])
    if op == "neg":
        return b.emit(f"fneg {x.type} {x.text}", x.dtype, x.lanes)
    if op == "square":
        return b.binary("fmul", x, x)
    if op == "abs":
        return b.intrinsic("fabs", x)
    if op in ("max", "min"):
        y = args[1]
        inner = b.select(b.compare("fcmp ogt" if op == "max" else "fcmp olt", x, y), x, y)
        return b.select(b.compare("fcmp uno", x, x), x, inner)
    if op == "sign":
        down = b.select(b.compare("fcmp olt", x, b.like(x, 0.0)), b.like(x, -1.0), x)
        return b.select(b.compare("fcmp ogt", x, b.like(x, 0.0)), b.like(x, 1.0), down)
    if op in _INTRINSICS:
        return b.intrinsic(_INTRINSICS[op], x)
    if op == "nextafter":
        return _next_after(b, *args)
    if op == "fma":
        return b.fma(*args)
    if op == "logaddexp":
        return _log_add_exp(b, *args)
    if op == "rsqrt":
        return b.div(b.like(x, 1.0), b.intrinsic("sqrt", x))
    if x.dtype == F32 and op in polynomials.FLOAT32:
        return polynomials.FLOAT32[op](b, x)
    if x.dtype == F32 and op in polynomials.BOUNDED:
        return _bounded(b, op, x)
    if op in _SHORT:
        return _FUNCTIONS[op](b, *args)[0]
    return b.outlined(op, _FUNCTIONS[op], *args)[0]


def _wide(op: str, function: Callable[..., Value]) -> Callable[..., list[Value]]:
    """A function in float64, of arguments of either dtype."""

    def body(b: Builder, *args: Value) -> list[Value]:
        wide, single = [convert(b, a, F64) for a in args], args[0].dtype == F32
        y = convert(b, function(b, *wide, single=single), args[0].dtype)
        if op in ("sin", "cos", "tan"):
            y = _unless(b, trigonometry.far(b, wide[0], single), y, op, args)
        return [y]

    return body


def _rem(b: Builder, x: Value, y: Value) -> list[Value]:
    r, long = trigonometry.rem(b, convert(b, x, F64), convert(b, y, F64))
    return [_unless(b, long, convert(b, r, x.dtype), "rem", [x, y])]


def _log(b: Builder, x: Value) -> Value:
    return polynomials.log(b, x) if x.dtype == F32 else _float(b, "log", [x])


def _erf_inv(b: Builder, x: Value) -> list[Value]:
    return [special.erf_inv(b, x, lambda v: _log(b, v))]


def _lgamma(b: Builder, x: Value) -> list[Value]:
    wide, single = convert(b, x, F64), x.dtype == F32

    def log(v: Value) -> Value:  # of which it has three
        return b.outlined("log", _FUNCTIONS["log"], v)[0]

    y = special.lgamma(b, wide, single, log, lambda v: trigonometry.sin(b, v, single))
    return [convert(b, y, x.dtype)]


def _digamma(b: Builder, x: Value) -> list[Value]:
    wide, single = convert(b, x, F64), x.dtype == F32
    log, tan = (lambda v: _log(b, v)), (lambda v: trigonometry.tan(b, v, single))
    return [convert(b, special.digamma(b, wide, single, log, tan), x.dtype)]


_FUNCTIONS: dict[str, Callable[..., list[Value]]] = {
    "erf_inv": _erf_inv,
    "digamma": _digamma,
    "lgamma": _lgamma,
    "pow": lambda b, x, y: [exponentials.pow(b, x, y)],
    "rem": _rem,
    **{op: lambda b, x, f=f: [f(b, x)] for op, f in exponentials.FLOAT64.items()},
    **{op: _wide(op, f) for op, f in (exponentials.WIDE | trigonometry.WIDE).items()},
}
# A loop around them holds their constants in registers; for longer ones that makes no difference.
_SHORT = frozenset(
    ["acos", "asin", "atan", "cosh", "exp", "exp2", "expm1"]
    + ["log", "log1p", "logistic", "sinh", "tanh"]
)


def _bounded(b: Builder, op: str, x: Value) -> Value:
    """The polynomial, or where it is out of its range what float64 gives."""
    y = polynomials.BOUNDED[op](b, x)
    big = b.compare("fcmp oge", b.intrinsic("fabs", x), b.like(x, polynomials.ANGLE))
    wide = _wide(op, trigonometry.WIDE[op])
    return b.where_any(big, lambda: b.select(big, b.outlined(op, wide, x)[0], y), y)


def _unless(b: Builder, far: Value, y: Value, op: str, args: Sequence[Value]) -> Value:
    """The value, or where it is out of its range, which is rare, the C library's."""
    return b.where_any(far, lambda: b.select(far, _library(b, op, args), y), y)


def _library(b: Builder, op: str, args: Sequence[Value]) -> Value:
    """A function of the C library, in each lane."""
    x = args[0]
    function = _LIBRARY[op] + ("f" if x.dtype == F32 else "")
    if x.lanes == 1:
        return b.emit(b.call(function, x.type, *args), x.dtype, 1)
    (y,) = b.outlined(f"each.{function}", lambda inner, *v: [_each(inner, function, v)], *args)
    return y


def _each(b: Builder, function: str, args: Sequence[Value]) -> Value:
    """A loop over the lanes, in memory: a call for each of them takes long to compile."""
    x = args[0]
    one = type_name(x.dtype, 1)
    places = [b.integer(f"alloca {x.type}") for _ in args]
    for place, a in zip(places, args, strict=True):
        b.line(f"store {a.type} {a.text}, ptr {place}")
    b.line("br label %lane")
    b.label("lane")
    b.line("%i = phi i64 [0, %entry], [%next, %lane]")
    lanes = [b.integer(f"getelementptr {one}, ptr {place}, i64 %i") for place in places]
    values = [b.emit(f"load {one}, ptr {lane}", x.dtype, 1) for lane in lanes]
    y = b.emit(b.call(function, one, *values), x.dtype, 1)
    b.line(f"store {one} {y.text}, ptr {lanes[0]}")
    b.line("%next = add nuw i64 %i, 1")
    b.line(f"%more = icmp ult i64 %next, {x.lanes}")
    b.line("br i1 %more, label %lane, label %done")
    b.label("done")
    return b.emit(f"load {x.type}, ptr {places[0]}", x.dtype, x.lanes)


def convert(b: Builder, x: Value, dtype: np.dtype) -> Value:
    """Change of dtype; float to integer saturates, NaN to 0."""
    if x.dtype == dtype:
        return x
    if x.dtype in HALVES or dtype in HALVES:
        return _narrowed(b, convert(b, _widened(b, x), F32), dtype) if dtype in HALVES else (
            convert(b, _widened(b, x), dtype))  # fmt: skip
    old, new = x.dtype.kind, dtype.kind
    if new == "b":
        return b.compare("fcmp une" if old == "f" else "icmp ne", x, b.like(x, 0))
    if old == "b":
        return b.cast("uitofp" if new == "f" else "zext", x, dtype)
    if old == "f" and new == "f":
        return b.cast("fpext" if dtype.itemsize > x.dtype.itemsize else "fptrunc", x, dtype)
    if new == "f":
        return b.cast("sitofp" if old == "i" else "uitofp", x, dtype)
    if old == "f":
        target, source = type_name(dtype, 1), {"float": "f32", "double": "f64"}
        wide = "" if x.lanes == 1 else f"v{x.lanes}"
        name = f"llvm.fpto{'s' if new == 'i' else 'u'}i.sat.{wide}{target}.{wide}"
        name += source[type_name(x.dtype, 1)]
        return b.emit(b.call(name, type_name(dtype, x.lanes), x), dtype, x.lanes)
    if dtype.itemsize == x.dtype.itemsize:
        return Value(x.text, dtype, x.lanes)
    if dtype.itemsize < x.dtype.itemsize:
        return b.cast("trunc", x, dtype)
    return b.cast("sext" if old == "i" else "zext", x, dtype)


def fold(b: Builder, op: str, x: Value, y: Value) -> Value:
    """One step of a reduction, in the order (accumulator, element)."""
    return apply(b, op, [x, y], x.dtype)


def _widened(b: Builder, x: Value) -> Value:
    """A half as float32, which has all its values."""
    if x.dtype == F16:
        return b.cast("fpext", x, F32)
    if x.dtype != BF16:
        return x
    bits = b.binary("shl", b.cast("zext", x, I32), b.const(16, I32, x.lanes))
    return b.cast("bitcast", bits, F32)


def _narrowed(b: Builder, x: Value, dtype: np.dtype) -> Value:
    """A float32 rounded to the nearest half, ties to even."""
    if dtype == F16:
        return b.cast("fptrunc", x, dtype)
    bits = b.cast("bitcast", x, I32)
    high = b.binary("lshr", bits, b.like(bits, 16))
    odd = b.binary("and", high, b.like(bits, 1))
    up = b.binary("add", bits, b.binary("add", odd, b.like(bits, 0x7FFF)))
    rounded = b.binary("lshr", up, b.like(bits, 16))
    nan = b.compare("fcmp uno", x, x)
    quiet = b.binary("or", high, b.like(bits, 0x40))
    return b.cast("trunc", b.select(nan, quiet, rounded), dtype)
