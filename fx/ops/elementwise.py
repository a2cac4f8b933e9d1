"""Elementwise arithmetic and transcendental functions with their derivatives.

Each primitive is one entry: name, implementation, tangent, domain. Derivatives are the textbook
ones, written so that they stay finite where the function does (sources are named where a form is
not the obvious one).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.avals import ShapedArray
from fx.core.primitive import Linear, P, Primitive, lit
from fx.errors import FxTypeError
from fx.ops.base import Binary, Elementwise, LinearUnary, Unary, broadcast_to, unbroadcast


def _where(condition: Any, x: Any, y: Any) -> Any:
    """select_n with scalars made full, for rules."""
    shape = condition.shape
    return P.select_n(condition, broadcast_to(y, shape), broadcast_to(x, shape))


# ------------------------------------------------------------------ linear operations
class Add(Binary):
    """x + y."""

    def transpose(self, ct: Any, x: Any, y: Any) -> list[Any]:
        return [unbroadcast(ct, a) if isinstance(a, Linear) else None for a in (x, y)]


class Sub(Binary):
    """x - y."""

    def transpose(self, ct: Any, x: Any, y: Any) -> list[Any]:
        return [
            unbroadcast(ct, x) if isinstance(x, Linear) else None,
            unbroadcast(P.neg(ct), y) if isinstance(y, Linear) else None,
        ]


class Mul(Binary):
    """x * y."""

    def transpose(self, ct: Any, x: Any, y: Any) -> list[Any]:
        if isinstance(x, Linear):
            return [unbroadcast(P.mul(ct, y), x), None]
        return [None, unbroadcast(P.mul(x, ct), y)]


class Div(Binary):
    """x / y; integers truncate towards zero, and x / 0 is -1, as in XLA."""

    def impl(self, xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind not in "iu":
            return xp.divide(x, y)
        # Floor division, plus one where it rounded a negative quotient down.
        safe = xp.where(y == 0, xp.ones_like(y), y)
        quotient = xp.floor_divide(x, safe)
        inexact = (quotient * safe != x) & ((x < 0) != (safe < 0))
        return xp.where(y == 0, ~xp.zeros_like(quotient), quotient + inexact.astype(x.dtype))

    def transpose(self, ct: Any, x: Any, y: Any) -> list[Any]:
        return [unbroadcast(P.div(ct, y), x), None]


class Rem(Binary):
    """Remainder with the sign of x; x rem 0 is x for integers, as in XLA."""

    def impl(self, xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind not in "iu":
            return xp.fmod(x, y)
        safe = xp.where(y == 0, xp.ones_like(y), y)
        return xp.where(y == 0, x, xp.fmod(x, safe))


Add("add", "add", lambda t, x, y, o: t, lambda t, x, y, o: t, "bifc")
Sub("sub", "subtract", lambda t, x, y, o: t, lambda t, x, y, o: P.neg(t))
Mul("mul", "multiply", lambda t, x, y, o: P.mul(t, y), lambda t, x, y, o: P.mul(x, t), "bifc")
Div(
    "div",
    "divide",
    lambda t, x, y, o: P.div(t, y),
    lambda t, x, y, o: P.mul(t, P.neg(P.div(o, y))),
)
Rem(
    "rem",
    "fmod",
    lambda t, x, y, o: t,
    # x = y * trunc(x / y) + rem
    lambda t, x, y, o: P.mul(t, P.neg(_truncate(P.div(x, y)))),
    "if",
)


def _truncate(x: Any) -> Any:
    return P.mul(P.sign(x), P.floor(P.abs(x)))


LinearUnary("neg", "negative", lambda ct, x: P.neg(ct), "ifc")
LinearUnary("conj", "conjugate", lambda ct, x: P.conj(ct), "c")


class Copy(LinearUnary):
    """The identity, as an equation."""

    def impl(self, xp: Any, x: Any) -> Any:
        return x.copy()

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        return args[0]


Copy("copy", "copy", lambda ct, x: ct, "bifck")


class StopGradient(Unary):
    """The identity with a derivative of zero."""

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        return args[0]


StopGradient("stop_gradient", lambda xp, x: x, None, "bifck")


# ------------------------------------------------------------------ powers
def _square_root_tangent(t: Any, x: Any, out: Any) -> Any:
    return P.div(P.mul(t, lit(x, 0.5)), out)


Unary("square", "square", lambda t, x, o: P.mul(t, P.mul(x, lit(x, 2))), "ifc")
Unary("sqrt", "sqrt", _square_root_tangent)


def _rsqrt(xp: Any, x: Any) -> Any:
    return xp.reciprocal(xp.sqrt(x))


Unary("rsqrt", _rsqrt, lambda t, x, o: P.mul(t, P.mul(lit(x, -0.5), P.div(o, x))))


def _cbrt(xp: Any, x: Any) -> Any:
    # C's cbrtf is off by up to two units in the last place, cubes of integers included.
    return xp.cbrt(x.astype(np.float64)).astype(x.dtype)


Unary(
    "cbrt",
    _cbrt,
    lambda t, x, o: P.div(P.mul(t, lit(x, 1 / 3)), P.mul(o, o)),
    "f",
)


class IntegerPow(Elementwise):
    """x ** y for a Python integer y, by repeated squaring."""

    name = "integer_pow"
    kinds = "ifc"

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        # The short way knows dtypes only, and a negative power is refused for some.
        return (
            Primitive.eager(self, args, params) if params["y"] < 0 else super().eager(args, params)
        )

    def impl(self, xp: Any, x: Any, *, y: int) -> Any:
        if y == 2:
            return xp.multiply(x, x)
        if y == 0:
            return xp.ones_like(x)
        power, result, base = abs(y), None, x
        while power:
            if power & 1:
                result = base if result is None else xp.multiply(result, base)
            power >>= 1
            if power:
                base = xp.multiply(base, base)
        return xp.divide(xp.ones((), x.dtype), result) if y < 0 else result

    def abstract_eval(self, *avals: ShapedArray, **params: Any) -> ShapedArray:
        if params["y"] < 0 and avals[0].dtype.kind in "iu":
            raise FxTypeError(
                f"integer_pow of {avals[0].short()} with the negative power {params['y']}: "
                "integers have no inverse. Convert to a floating dtype first."
            )
        return super().abstract_eval(*avals, **params)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, y: int) -> Any:
        power, result, base = abs(y), None, args[0]
        if graph.map("mul", base, base) is None:
            return None
        if not power:
            return graph.view(graph.constant(np.ones((), out.dtype)), out.shape, ())
        while power:
            if power & 1:
                result = base if result is None else graph.map("mul", result, base)
            power >>= 1
            if power:
                base = graph.map("mul", base, base)
        if y > 0:
            return result
        return graph.map("div", graph.constant(np.ones((), out.dtype)), result)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], *, y: int) -> Any:
        (x,), (t,) = primals, tangents
        if y == 0:
            return None
        if y == 1:
            return t
        return P.mul(t, P.mul(lit(x, y), x if y == 2 else P.integer_pow(x, y=y - 1)))


IntegerPow()


class Pow(Binary):
    """x ** y; y may be an integer where x is not."""

    def check_dtypes(self, *avals: ShapedArray) -> None:
        x, y = avals
        if y.dtype.kind in "iu" and x.dtype.kind != "b":
            super().check_dtypes(x)
        else:
            super().check_dtypes(x, y)

    def impl(self, xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind in "iu" and y.dtype.kind == "i":
            safe = xp.maximum(y, 0)  # negative powers of integers: 1 for 1, +-1 for -1, else 0
            sign = xp.where(y % 2 == 0, xp.ones_like(x), x)
            inverse = xp.where((x == 1) | (x == -1), sign, xp.zeros_like(x))
            return xp.where(y < 0, inverse, xp.power(x, safe.astype(x.dtype)))
        if x.dtype != y.dtype:
            return xp.power(x, y.astype(x.dtype)).astype(x.dtype)
        return xp.power(x, y)

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        x, y = args
        if x.dtype.kind in "iu" and y.dtype.kind in "iu":
            return _whole_power(graph, x, y)
        if x.dtype.kind == "f":
            y = graph.map("convert", y, dtype=x.dtype)
        return graph.map("pow", x, y) if y is not None and y.dtype == x.dtype else None


def _whole_power(graph: Any, x: Any, y: Any) -> Any:
    def number(of: Any, value: int) -> Any:
        return graph.constant(of.dtype.type(value))

    zero = number(y, 0)
    power = y if y.dtype.kind == "u" else graph.map("max", y, zero)
    result = graph.map("pow", x, graph.map("convert", power, dtype=x.dtype))
    if y.dtype.kind == "u":
        return result
    # Negative powers: 1 for 1, 1 or -1 for -1, else 0.
    even = graph.map("eq", graph.map("and", y, number(y, 1)), zero)
    unit = graph.map("eq", x, number(x, 1))
    if x.dtype.kind == "i":
        unit = graph.map("or", unit, graph.map("eq", x, number(x, -1)))
    inverse = graph.map("select", even, x, number(x, 1))
    inverse = graph.map("select", unit, number(x, 0), inverse)
    return graph.map("select", graph.map("lt", y, zero), result, inverse)


def _pow_left(t: Any, x: Any, y: Any, out: Any) -> Any:
    # y * x**(y - 1), and 0 where both are 0. Nowhere else may y == 0 be an exception: the
    # derivative of this in y is 1 / x there.
    y = broadcast_to(P.convert_element_type(y, new_dtype=x.dtype), out.shape)
    x = broadcast_to(x, out.shape)
    both = getattr(P, "and")(P.eq(x, lit(x, 0)), P.eq(y, lit(y, 0)))
    power = _where(both, lit(y, 1), P.sub(y, lit(y, 1)))
    return P.mul(t, P.mul(y, P.pow(x, power)))


def _pow_right(t: Any, x: Any, y: Any, out: Any) -> Any:
    # log(x) * x**y, and 0 at x == 0 (where the limit is 0 for y > 0).
    x = broadcast_to(x, out.shape)
    zero = P.eq(x, lit(x, 0))
    safe = _where(zero, lit(x, 1), x)
    return P.mul(t, P.mul(P.log(safe), out))


Pow("pow", "power", _pow_left, _pow_right, "ifc")


# ------------------------------------------------------------------ exponentials and logarithms
Unary("exp", "exp", lambda t, x, o: P.mul(t, o))
Unary("exp2", "exp2", lambda t, x, o: P.mul(t, P.mul(o, lit(x, math.log(2)))))
Unary("log", "log", lambda t, x, o: P.div(t, x))
Unary("log1p", "log1p", lambda t, x, o: P.div(t, P.add(x, lit(x, 1))))


def _expm1(xp: Any, x: Any) -> Any:
    out = xp.expm1(x)
    if x.dtype.kind != "c":
        return out
    # For infinities and NaN C's rules, which exp keeps; a real part of zero is 0.0.
    out = xp.asarray(xp.where(xp.isfinite(out), out, xp.exp(x) - 1))
    out.real += 0.0
    return out


Unary("expm1", _expm1, lambda t, x, o: P.mul(t, P.add(o, lit(x, 1))))


def _logistic(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        return 1 / (1 + xp.exp(-x))
    # 1/(1 + e^-|x|) or its complement: no overflow on either side.
    e = xp.exp(-xp.abs(x))
    one = xp.ones((), x.dtype)
    return xp.where(x >= 0, one, e) / (one + e)


Unary("logistic", _logistic, lambda t, x, o: P.mul(t, P.mul(o, P.sub(lit(x, 1), o))))


# ------------------------------------------------------------------ trigonometric and hyperbolic
def _one_minus_square(o: Any) -> Any:
    return P.sub(lit(o, 1), P.mul(o, o))


def _root(x: Any, sign: int, shift: int) -> Any:
    """sqrt(shift + sign * x**2), factored where the subtraction would cancel."""
    if sign < 0:
        return P.sqrt(P.mul(P.sub(lit(x, 1), x), P.add(lit(x, 1), x)))
    if shift < 0:
        return P.mul(P.sqrt(P.sub(x, lit(x, 1))), P.sqrt(P.add(x, lit(x, 1))))
    return P.sqrt(P.add(P.mul(x, x), lit(x, 1)))


Unary("sin", "sin", lambda t, x, o: P.mul(t, P.cos(x)))
Unary("cos", "cos", lambda t, x, o: P.neg(P.mul(t, P.sin(x))))
Unary("tan", "tan", lambda t, x, o: P.mul(t, P.add(lit(x, 1), P.mul(o, o))))
Unary("asin", "arcsin", lambda t, x, o: P.div(t, _root(x, -1, 1)))
Unary("acos", "arccos", lambda t, x, o: P.neg(P.div(t, _root(x, -1, 1))))
Unary("atan", "arctan", lambda t, x, o: P.div(t, P.add(lit(x, 1), P.mul(x, x))))
Unary("sinh", "sinh", lambda t, x, o: P.mul(t, P.cosh(x)))
Unary("cosh", "cosh", lambda t, x, o: P.mul(t, P.sinh(x)))


def _tanh(xp: Any, x: Any) -> Any:
    out = xp.tanh(x)
    if x.dtype.kind != "c":
        return out
    # At the infinities the limit, whose zero has the imaginary part's sign.
    out = xp.asarray(out)
    edge = xp.isinf(x.real) & xp.isfinite(x.imag)
    out.imag = xp.where(edge, xp.copysign(0, x.imag), out.imag)
    return out


Unary("tanh", _tanh, lambda t, x, o: P.mul(t, _one_minus_square(o)))
Unary("asinh", "arcsinh", lambda t, x, o: P.div(t, _root(x, 1, 1)))
Unary("acosh", "arccosh", lambda t, x, o: P.div(t, _root(x, 1, -1)))
Unary(
    "atanh",
    "arctanh",
    lambda t, x, o: P.div(t, P.mul(P.sub(lit(x, 1), x), P.add(lit(x, 1), x))),
)


def _hypotenuse2(x: Any, y: Any) -> Any:
    return P.add(P.mul(x, x), P.mul(y, y))


Binary(
    "atan2",
    "arctan2",
    lambda t, x, y, o: P.mul(t, P.div(y, _hypotenuse2(x, y))),
    lambda t, x, y, o: P.mul(t, P.neg(P.div(x, _hypotenuse2(x, y)))),
    "f",
)


# ------------------------------------------------------------------ extrema, rounding, sign
def _pick(t: Any, x: Any, y: Any, out: Any) -> Any:
    """Tangent of an extremum: 1 where x is it, 1/2 at a tie."""
    x, y = broadcast_to(x, out.shape), broadcast_to(y, out.shape)
    share = _where(P.eq(x, y), lit(t, 0.5), lit(t, 1))
    return P.mul(t, _where(P.eq(x, out), share, lit(t, 0)))


def _complex_extremum(xp: Any, x: Any, y: Any, larger: bool) -> Any:
    before = xp.where(x.real == y.real, x.imag < y.imag, x.real < y.real)
    return xp.where(before == larger, y, x)


class Extremum(Binary):
    """max or min; NaN wins, complex numbers compare lexicographically."""

    def impl(self, xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind == "c":
            return _complex_extremum(xp, x, y, self.name == "max")
        return self.function(xp, x, y)


Extremum(
    "max",
    "maximum",
    lambda t, x, y, o: _pick(t, x, y, o),
    lambda t, x, y, o: _pick(t, y, x, o),
    "bifc",
)
Extremum(
    "min",
    "minimum",
    lambda t, x, y, o: _pick(t, x, y, o),
    lambda t, x, y, o: _pick(t, y, x, o),
    "bifc",
)
Unary("floor", "floor", None, "f")
Unary("ceil", "ceil", None, "f")


class Round(Unary):
    """Round to the nearest integer; rounding_method 0: ties away from zero, 1: ties to even."""

    def impl(self, xp: Any, x: Any, *, rounding_method: int) -> Any:
        if rounding_method:
            return xp.rint(x)
        down = xp.floor(xp.abs(x))
        return xp.copysign(down + (xp.abs(x) - down >= 0.5).astype(x.dtype), x)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, rounding_method: int) -> Any:
        return graph.map("round_even" if rounding_method else "round_away", *args)

    def jvp(self, primals: Any, out: Any, tangents: Any, **params: Any) -> Any:
        return None


Round("round", "rint", None, "f")


def _sign(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        size = xp.abs(x)
        return xp.where(size == 0, xp.zeros_like(x), x / xp.where(size == 0, 1, size))
    if dtypes.is_floating(x.dtype):
        return xp.where(x == 0, x, xp.sign(x))  # keeps -0.0
    return xp.sign(x)


class Sign(Unary):
    """-1, 0 or 1; x / |x| for complex numbers."""

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        (x,), (t,) = primals, tangents
        if x.dtype.kind != "c":
            return None
        # d(x/|x|) = i * Im(conj(s) t) / |x| * s
        size = P.abs(x)
        turn = P.div(P.imag(P.mul(P.conj(out), t)), size)
        return P.mul(out, P.complex(P.mul(turn, lit(turn, 0)), turn))


Sign("sign", _sign, None, "ifc")


class NextAfter(Binary):
    """The next representable number after x in the direction of y."""

    def impl(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.nextafter(x, y).astype(x.dtype)


NextAfter("nextafter", "nextafter", None, None, "f")


# ------------------------------------------------------------------ complex numbers
class RealPart(Unary):
    """Real or imaginary part: complex to float."""

    kinds = "c"

    def out_dtype(self, *dtypes_in: np.dtype) -> np.dtype:
        return dtypes.real_dtype(dtypes_in[0])

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        return super(Elementwise, self).eager(args, params)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        return self.bind(tangents[0])

    def transpose(self, ct: Any, x: Any) -> list[Any]:
        zero = P.mul(ct, lit(ct, 0))
        # fx keeps JAX's convention: cotangents pair bilinearly, so imag transposes to -i.
        return [P.complex(ct, zero) if self.name == "real" else P.complex(zero, P.neg(ct))]


RealPart("real", lambda xp, x: xp.ascontiguousarray(x.real).reshape(x.shape), None, "c")
RealPart("imag", lambda xp, x: xp.ascontiguousarray(x.imag).reshape(x.shape), None, "c")


class MakeComplex(Binary):
    """x + iy of two real arrays."""

    kinds = "f"

    def out_dtype(self, *dtypes_in: np.dtype) -> np.dtype:
        return dtypes.complex_dtype(dtypes_in[0])

    def impl(self, xp: Any, x: Any, y: Any) -> Any:
        shape = x.shape or y.shape
        out = xp.empty(shape, dtypes.complex_dtype(x.dtype))
        out.real[...] = x
        out.imag[...] = y
        return out

    def transpose(self, ct: Any, x: Any, y: Any) -> list[Any]:
        return [
            unbroadcast(P.real(ct), x) if isinstance(x, Linear) else None,
            unbroadcast(P.imag(P.neg(ct)), y) if isinstance(y, Linear) else None,
        ]


MakeComplex(
    "complex",
    "add",
    lambda t, x, y, o: P.complex(t, P.mul(t, lit(t, 0))),
    lambda t, x, y, o: P.complex(P.mul(t, lit(t, 0)), t),
    "f",
)


class Abs(Unary):
    """Absolute value; complex to float."""

    def out_dtype(self, *dtypes_in: np.dtype) -> np.dtype:
        return dtypes.real_dtype(dtypes_in[0])

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        (x,), (t,) = primals, tangents
        if x.dtype.kind != "c":
            return P.mul(t, P.sign(x))
        return P.real(P.mul(t, P.conj(P.sign(x))))


Abs("abs", "absolute", None, "ifc")
