"""Comparisons, bit operations, choices between arrays, and changes of dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.avals import ShapedArray
from fx.core.primitive import Linear, P, Primitive, instantiate, zeros
from fx.errors import FxTypeError, ShapeError
from fx.ops.base import (
    Binary,
    Comparison,
    Elementwise,
    Unary,
    align,
    broadcast_to,
    check_domain,
    in_domain,
    unbroadcast,
)
from fx.ops.numerics.select import select


# ------------------------------------------------------------------ comparisons and bits
class Equality(Comparison):
    """eq or ne, also of random keys, which NumPy's ufuncs do not take."""

    def impl(self, xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.names is None:
            return self.function(xp, x, y)
        return x == y if self.name == "eq" else x != y


Equality("eq", "equal", "bifck")
Equality("ne", "not_equal", "bifck")
Comparison("lt", "less")
Comparison("le", "less_equal")
Comparison("gt", "greater")
Comparison("ge", "greater_equal")


class IsFinite(Unary):
    """Whether each element is neither infinite nor NaN."""

    def out_dtype(self, *dtypes_in: np.dtype) -> np.dtype:
        return np.dtype(bool)


IsFinite("is_finite", "isfinite", None, "f")
Unary("not", "invert", None, "bi")
Binary("and", "bitwise_and", kinds="bi")
Binary("or", "bitwise_or", kinds="bi")
Binary("xor", "bitwise_xor", kinds="bi")


def _shifted(xp: Any, x: Any, y: Any, shifted: Any, overflow: Any) -> Any:
    """XLA defines shifts by the width and more; C (and NumPy) do not."""
    bits = x.dtype.itemsize * 8
    unsigned = y.astype(f"u{y.dtype.itemsize}")
    return xp.where(unsigned < bits, shifted(xp.minimum(unsigned, bits - 1)), overflow)


def _shift_left(xp: Any, x: Any, y: Any) -> Any:
    return _shifted(xp, x, y, lambda s: xp.left_shift(x, s.astype(x.dtype)), xp.zeros_like(x))


def _shift_right_arithmetic(xp: Any, x: Any, y: Any) -> Any:
    signed = x.view(f"i{x.dtype.itemsize}") if x.ndim else x.astype(f"i{x.dtype.itemsize}")

    def shift(s: Any) -> Any:
        return xp.right_shift(signed, s.astype(signed.dtype)).astype(x.dtype)

    return _shifted(xp, x, y, shift, xp.where(signed < 0, -1, 0).astype(x.dtype))


def _shift_right_logical(xp: Any, x: Any, y: Any) -> Any:
    unsigned = x.astype(f"u{x.dtype.itemsize}")

    def shift(s: Any) -> Any:
        return xp.right_shift(unsigned, s.astype(unsigned.dtype)).astype(x.dtype)

    return _shifted(xp, x, y, shift, xp.zeros_like(x))


Binary("shift_left", _shift_left, kinds="i")
Binary("shift_right_arithmetic", _shift_right_arithmetic, kinds="i")
Binary("shift_right_logical", _shift_right_logical, kinds="i")


def _population_count(xp: Any, x: Any) -> Any:
    unsigned = x.astype(f"u{x.dtype.itemsize}")
    return xp.bitwise_count(unsigned).astype(x.dtype)


def _clz(xp: Any, x: Any) -> Any:
    """Leading zeros: smear the highest set bit to the right, then count."""
    bits = x.dtype.itemsize * 8
    v = x.astype(f"u{x.dtype.itemsize}")
    step = 1
    while step < bits:
        v = v | (v >> v.dtype.type(step))
        step *= 2
    return (bits - xp.bitwise_count(v)).astype(x.dtype)


Unary("population_count", _population_count, None, "i")
Unary("clz", _clz, None, "i")


# ------------------------------------------------------------------ choices
class SelectN(Primitive):
    """`cases[which]` elementwise; `which` is bool (two cases) or int32, full shape or rank 0."""

    name = "select_n"

    def abstract_eval(self, which: ShapedArray, *cases: ShapedArray) -> ShapedArray:
        if which.dtype != np.bool_ and which.dtype != np.int32:
            raise FxTypeError(f"select_n expects a bool or int32 selector, got {which.short()}.")
        if not cases or (which.dtype == np.bool_ and len(cases) > 2):
            raise FxTypeError(
                f"select_n expects 1 or 2 cases for a bool selector and at least 1 for an int32 "
                f"one, got {len(cases)}."
            )
        first = next(iter(cases))
        if any(c.shape != first.shape or c.dtype != first.dtype for c in cases):
            got = ", ".join(c.short() for c in cases)
            raise ShapeError(f"select_n expects cases of one shape and dtype, got {got}.")
        if which.shape not in ((), first.shape):
            raise ShapeError(
                f"select_n expects a selector of shape () or {first.shape}, got {which.shape}."
            )
        return first.update(weak_type=all(c.weak_type for c in cases))

    def impl(self, xp: Any, which: Any, *cases: Any) -> Any:
        if len(cases) == 1:
            return cases[0]
        if which.dtype == np.bool_:
            return select(xp, which, cases[1], cases[0])
        out = cases[0]
        index = xp.clip(which, 0, len(cases) - 1)
        for i, case in enumerate(cases[1:], 1):
            out = xp.where(index == i, case, out)
        return out

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        if len(args) == 2:
            return args[1]
        which, *cases = args
        if which.dtype == np.bool_:
            return graph.map("select", *args)
        out = cases[0]
        for i, case in enumerate(cases[1:], 1):
            beyond = graph.map("ge", which, graph.constant(np.int32(i)))
            out = out and graph.map("select", beyond, out, case)
        return out

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        which = primals[0]
        if all(t is None for t in tangents[1:]):
            return None
        return P.select_n(which, *[instantiate(t, out) for t in tangents[1:]])

    def transpose(self, ct: Any, which: Any, *cases: Any) -> list[Any]:
        zero = zeros(ct)
        results: list[Any] = [None]
        for i, case in enumerate(cases):
            linear = isinstance(case, Linear)
            picked = [ct if j == i else zero for j in range(len(cases))]
            results.append(P.select_n(which, *picked) if linear else None)
        return results

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any]) -> Any:
        which, *cases = args
        if dims[0] is None and not which.shape:
            operands, dim = align(cases, dims[1:], axis.size)
            operands = self._full(operands)
            return P.select_n(which, *operands), dim
        operands, dim = align(args, dims, axis.size)
        return P.select_n(*self._full(operands)), dim

    @staticmethod
    def _full(operands: Sequence[Any]) -> list[Any]:
        shape = max((x.shape for x in operands), key=len)
        return [broadcast_to(x, shape) for x in operands]


SelectN()


class Clamp(Elementwise):
    """min(max(x, low), high); the bounds are full or rank 0."""

    name = "clamp"
    kinds = "bif"

    def impl(self, xp: Any, low: Any, x: Any, high: Any) -> Any:
        return xp.minimum(xp.maximum(x, low), high)

    def lower(self, graph: Any, args: Sequence[Any], out: Any) -> Any:
        low, x, high = args
        raised = graph.map("max", x, low)
        return None if raised is None else graph.map("min", raised, high)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        low, x, high = [broadcast_to(p, out.shape) for p in primals]
        inside = getattr(P, "and")(P.gt(x, low), P.lt(x, high))
        where = (
            getattr(P, "and")(P.gt(low, x), P.lt(low, high)),
            inside,
            P.gt(x, high) if tangents[0] is None else P.ge(P.max(x, low), high),
        )
        total = None
        for mask, t in zip(where, tangents, strict=True):
            if t is not None:
                t = broadcast_to(t, out.shape)
                term = P.select_n(mask, zeros(out), t)
                total = term if total is None else P.add(total, term)
        return total


Clamp()


# ------------------------------------------------------------------ changes of dtype
class ConvertElementType(Primitive):
    """Change dtype; float to integer truncates, complex to real drops the imaginary part."""

    name = "convert_element_type"

    def abstract_eval(
        self, x: ShapedArray, *, new_dtype: np.dtype, weak_type: bool = False
    ) -> ShapedArray:
        check_domain("convert_element_type", x.dtype, "bifc")
        return ShapedArray(x.shape, new_dtype, weak_type)

    def impl(self, xp: Any, x: Any, *, new_dtype: np.dtype, weak_type: bool = False) -> Any:
        if x.dtype == new_dtype:
            return x
        if x.dtype.kind == "c" and new_dtype.kind not in "cb":
            x = x.real
        if new_dtype.kind in "iu" and in_domain(x.dtype, "f"):
            return _float_to_int(xp, x, new_dtype)
        return x.astype(new_dtype)

    def lower(
        self, graph: Any, args: Sequence[Any], out: Any, *, new_dtype: Any, weak_type: bool = False
    ) -> Any:
        return graph.map("convert", *args, dtype=new_dtype)

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        if not dtypes.is_inexact(out.dtype):
            return None
        return P.convert_element_type(
            tangents[0], new_dtype=out.dtype, weak_type=params.get("weak_type", False)
        )

    def transpose(self, ct: Any, x: Any, **params: Any) -> list[Any]:
        return [P.convert_element_type(ct, new_dtype=x.dtype)]

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        return self.bind(*args, **params), dims[0]


def _float_to_int(xp: Any, x: Any, dtype: np.dtype) -> Any:
    """Saturate at the ends and map NaN to 0, as XLA does; C leaves both undefined."""
    info = np.iinfo(dtype)
    wide = x.astype(np.float64)
    out = xp.where(xp.isnan(wide), 0, wide)
    low, high = float(info.min), float(info.max)
    inside = (out > low) & (out < high)
    cast = xp.where(inside, out, 0).astype(dtype)
    return xp.where(
        inside, cast, xp.where(out <= low, dtype.type(info.min), dtype.type(info.max))
    ).astype(dtype)


ConvertElementType()


class BitcastConvertType(Primitive):
    """Reinterpret bits; a change of width adds or removes a last axis."""

    name = "bitcast_convert_type"

    def abstract_eval(self, x: ShapedArray, *, new_dtype: np.dtype) -> ShapedArray:
        old, new = x.dtype.itemsize, new_dtype.itemsize
        if (x.dtype == np.bool_) != (new_dtype == np.bool_):
            raise FxTypeError(
                f"bitcast_convert_type of {x.short()} to {new_dtype}: bool has no bits."
            )
        if old == new:
            return ShapedArray(x.shape, new_dtype)
        if old > new:
            return ShapedArray((*x.shape, old // new), new_dtype)
        if not x.shape or x.shape[-1] != new // old:
            raise ShapeError(
                f"bitcast_convert_type of {x.short()} to {new_dtype} expects a last axis of "
                f"{new // old}."
            )
        return ShapedArray(x.shape[:-1], new_dtype)

    def impl(self, xp: Any, x: Any, *, new_dtype: np.dtype) -> Any:
        shape = self.abstract_eval(ShapedArray(x.shape, x.dtype), new_dtype=new_dtype).shape
        return xp.ascontiguousarray(x).reshape(-1).view(new_dtype).reshape(shape)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, new_dtype: np.dtype) -> Any:
        (x,), old, new = args, args[0].dtype.itemsize, new_dtype.itemsize
        if old == new:
            return graph.map("bitcast", x, dtype=new_dtype)
        whole, result = np.dtype(f"u{old}"), np.dtype(f"u{new}")
        bits = graph.map("bitcast", x, dtype=whole)
        if bits is None:
            return None
        n = len(x.shape)
        if old > new:  # the low part first
            which = graph.iota(out.shape, n, whole)
            places = graph.map("mul", which, graph.constant(whole.type(8 * new)))
            bits = graph.view(bits, out.shape, range(n))
            part = graph.map("shift_right_logical", bits, places)
            return graph.map("bitcast", graph.map("convert", part, dtype=result), dtype=new_dtype)
        total = None
        axes, steps = (*range(n - 1), None), (1,) * n
        for i in range(new // old):
            part = graph.view(bits, out.shape, axes, steps, (*(0,) * (n - 1), i))
            part = graph.map("convert", part, dtype=result)
            part = graph.map("shift_left", part, graph.constant(result.type(8 * old * i)))
            total = part if total is None else graph.map("or", total, part)
        return graph.map("bitcast", total, dtype=new_dtype)

    def jvp(self, primals: Any, out: Any, tangents: Any, **params: Any) -> Any:
        return None

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        (x,), (d,) = args, dims
        if d:
            order = (d, *(i for i in range(x.ndim) if i != d))
            x = P.transpose(x, permutation=order)
        return self.bind(x, **params), 0


BitcastConvertType()


class ReducePrecision(Unary):
    """Round to a smaller exponent and mantissa, keeping the dtype."""

    def impl(self, xp: Any, x: Any, *, exponent_bits: int, mantissa_bits: int) -> Any:
        if dtypes.short_name(x.dtype) == "f64":
            raise_bits, full = np.uint64, 52
        else:
            raise_bits, full = np.uint32, 23
        wide = x.astype(np.float64 if full == 52 else np.float32)
        exponent_bits, mantissa_bits = min(exponent_bits, 11), min(mantissa_bits, 52)
        drop = max(full - mantissa_bits, 0)
        if drop:
            bits = xp.ascontiguousarray(wide).view(raise_bits)
            one = raise_bits(1)
            odd = (bits >> raise_bits(drop)) & one
            bits = bits + (raise_bits((1 << (drop - 1)) - 1) + odd)
            bits = bits & ~raise_bits((1 << drop) - 1)
            wide = xp.where(xp.isfinite(wide), bits.view(wide.dtype), wide)
        largest = 2.0 ** (2 ** (exponent_bits - 1) - 1) * (2 - 2.0**-mantissa_bits)
        smallest = 2.0 ** (2 - 2 ** (exponent_bits - 1))
        size = xp.abs(wide)
        wide = xp.where(size > largest, xp.copysign(np.inf, wide), wide)
        wide = xp.where(size < smallest, xp.copysign(0.0, wide), wide)
        return xp.where(xp.isnan(x), x, wide.astype(x.dtype).reshape(x.shape)).astype(x.dtype)

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        exponent_bits: int,
        mantissa_bits: int,
    ) -> Any:
        (x,), dtype = args, args[0].dtype
        whole = np.dtype(f"u{dtype.itemsize}")
        full = dtypes.finfo(dtype).nmant
        bits = graph.map("bitcast", x, dtype=whole)
        if bits is None:
            return None

        def number(value: int) -> Any:
            return graph.constant(whole.type(value))

        wide, drop = x, max(full - mantissa_bits, 0)
        if drop:
            odd = graph.map("shift_right_logical", bits, number(drop))
            odd = graph.map("and", odd, number(1))
            half = graph.map("add", odd, number((1 << (drop - 1)) - 1))
            kept = number((1 << 8 * dtype.itemsize) - (1 << drop))
            near = graph.map("and", graph.map("add", bits, half), kept)
            near = graph.map("bitcast", near, dtype=dtype)
            wide = graph.map("select", graph.map("is_finite", x), x, near)
        sign = graph.map("and", bits, number(1 << (8 * dtype.itemsize - 1)))
        infinity = graph.map("or", sign, number(int(np.array(np.inf, dtype).view(whole))))
        with np.errstate(over="ignore"):
            largest = dtype.type(2.0 ** (2 ** (exponent_bits - 1) - 1) * (2 - 2.0**-mantissa_bits))
        smallest = dtype.type(2.0 ** (2 - 2 ** (exponent_bits - 1)))
        size = graph.map("abs", wide)
        for op, limit, beyond in (("gt", largest, infinity), ("lt", smallest, sign)):
            outside = graph.map(op, size, graph.constant(limit))
            wide = graph.map("select", outside, wide, graph.map("bitcast", beyond, dtype=dtype))
        return wide

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        return self.bind(tangents[0], **params)

    def transpose(self, ct: Any, x: Any, **params: Any) -> list[Any]:
        return [unbroadcast(self.bind(ct, **params), x)]


ReducePrecision("reduce_precision", "abs", None, "f")
