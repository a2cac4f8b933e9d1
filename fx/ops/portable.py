"""Elementwise primitives that random samples are made of: reproducible to the last bit.

Their kernels (`fx.ops.numerics.portable`) fix every rounding, so that a key gives the same float32
samples on every machine. `log` and `log1p` remain the fast ones of the platform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.avals import ShapedArray
from fx.core.primitive import P, lit
from fx.errors import FxTypeError
from fx.ops.base import Elementwise, Unary, broadcast_to
from fx.ops.numerics import portable

Unary("portable_log", portable.log, lambda t, x, out: P.div(t, x), "f")
Unary("portable_log1p", portable.log1p, lambda t, x, out: P.div(t, P.add(x, lit(x, 1))), "f")
Unary("portable_exp", portable.exp, lambda t, x, out: P.mul(t, out), "f")


def _erf_tangent(t: Any, x: Any, out: Any) -> Any:
    slope = P.mul(lit(x, 2 / math.sqrt(math.pi)), P.exp(P.neg(P.mul(x, x))))
    return P.mul(t, slope)


Unary("portable_erf", portable.erf, _erf_tangent, "f")


def _erf_inv_tangent(t: Any, x: Any, out: Any) -> Any:
    # The derivative of the inverse at x is 1 / erf'(out).
    return P.mul(t, P.mul(lit(x, math.sqrt(math.pi) / 2), P.exp(P.mul(out, out))))


Unary("portable_erf_inv", portable.erf_inv, _erf_inv_tangent, "f")


class FusedMultiplyAdd(Elementwise):
    """x * y + z with a single rounding (half precision: computed in float32)."""

    name = "fma"
    kinds = "f"

    def impl(self, xp: Any, x: Any, y: Any, z: Any) -> Any:
        return portable.fma(xp, x, y, z)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        x, y, _ = primals
        total = None
        for factor, t in zip((y, x, None), tangents, strict=True):
            if t is not None:
                t = broadcast_to(t, out.shape)
                term = t if factor is None else P.mul(t, factor)
                total = term if total is None else P.add(total, term)
        return total


FusedMultiplyAdd()


class UnitInterval(Elementwise):
    """Unsigned integers to floats in [0, 1), by as many leading bits as the mantissa has."""

    name = "unit_interval"
    kinds = "i"

    def abstract_eval(self, *avals: ShapedArray, **params: Any) -> ShapedArray:
        (bits,), dtype = avals, params["dtype"]
        width = unit_bits(dtype)
        if bits.dtype != np.dtype(f"uint{width}"):
            raise FxTypeError(
                f"unit_interval to {dtypes.short_name(dtype)} expects operands of dtype "
                f"u{width}, got {bits.short()}."
            )
        return ShapedArray(bits.shape, dtype)

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        return super(Elementwise, self).eager(args, params)

    def impl(self, xp: Any, bits: Any, *, dtype: np.dtype) -> Any:
        return portable.unit_interval(xp, bits, dtype)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, dtype: np.dtype) -> Any:
        if dtype.itemsize < 4:
            return None
        (bits,), kept = args, dtypes.finfo(dtype).nmant
        drop = graph.constant(bits.dtype.type(bits.dtype.itemsize * 8 - kept))
        whole = graph.map("shift_right_logical", bits, drop)
        signed = graph.map("bitcast", whole, dtype=f"i{dtype.itemsize}")  # converts faster
        unit = graph.constant(dtype.type(2.0**-kept))
        return graph.map("mul", graph.map("convert", signed, dtype=dtype), unit)


UnitInterval()


def unit_bits(dtype: np.dtype) -> int:
    """How many random bits a float of this dtype takes: its width, or 8 for bfloat16."""
    return 8 if dtypes.finfo(dtype).nmant < 8 else dtype.itemsize * 8
