"""Special functions in vectors, by the formulas and tables of `fx.ops.numerics`.

What they need of logarithms and tangents is given by the caller, as that depends on the dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fx.backends.llvm.builder import F32, Builder, Value
from fx.ops.numerics import gamma
from fx.ops.numerics import special_tables as tables

Function = Callable[[Value], Value]


def erf_inv(b: Builder, x: Value, log: Function) -> Value:
    """The inverse of the error function."""
    one = b.like(x, 1.0)
    w = b.negative(log(b.mul(b.sub(one, x), b.add(one, x))))
    single = x.dtype == F32
    centre = tables.ERF_INV_CENTRE_SINGLE if single else tables.ERF_INV_CENTRE
    middle = tables.ERF_INV_MIDDLE_SINGLE if single else tables.ERF_INV_MIDDLE
    y = b.mul(x, b.polynomial(b.sub(w, b.like(w, 2.5)), *reversed(centre)))

    def tail(limit: float, table: tuple[float, ...], start: float, before: Value) -> Value:
        far = b.compare("fcmp ogt", w, b.like(w, limit))

        def beyond() -> Value:
            t = b.sub(b.intrinsic("sqrt", w), b.like(w, start))
            return b.select(far, b.mul(x, b.polynomial(t, *reversed(table))), before)

        return b.where_any(far, beyond, before)

    y = tail(5.0, middle, 3.0, y)
    if not single:
        y = tail(16.0, tables.ERF_INV_END, 5.0, y)
    end = b.compare("fcmp oeq", w, b.like(w, np.inf))
    return b.select(end, b.mul(x, b.like(x, np.inf)), y)


def digamma(b: Builder, x: Value, log: Function, tan: Function) -> Value:
    """The derivative of lgamma, of float64."""
    one = b.like(x, 1.0)
    negative = b.compare("fcmp olt", x, b.like(x, 0.0))
    positive = b.select(negative, b.sub(one, x), x)
    y = _digamma_of_positive(b, positive, log)

    def reflected() -> Value:
        distance = b.sub(x, b.intrinsic("rint", x))
        slope = tan(b.mul(b.like(x, math.pi), distance))
        z = b.sub(y, b.div(b.like(x, math.pi), slope))
        pole = b.compare("fcmp oeq", distance, b.like(x, 0.0))
        pole = b.binary("or", pole, b.compare("fcmp oeq", x, b.like(x, -np.inf)))
        return b.select(negative, b.select(pole, b.like(x, np.nan), z), y)

    return b.where_any(negative, reflected, y)


def _digamma_of_positive(b: Builder, x: Value, log: Function) -> Value:
    one = b.like(x, 1.0)
    square = b.div(one, b.mul(x, x))
    series = b.mul(square, b.polynomial(square, *reversed(gamma.DIGAMMA_SERIES)))
    large = b.sub(log(x), b.add(b.div(b.like(x, 0.5), x), series))
    small = b.compare("fcmp olt", x, b.like(x, gamma.LARGE))

    def near() -> Value:
        below = b.compare("fcmp olt", x, one)
        total = b.select(below, b.div(b.like(x, -1.0), x), b.like(x, 0.0))
        at = b.select(below, b.add(x, one), x)
        for _ in range(math.ceil(gamma.LARGE - 2)):  # digamma(x) = digamma(x - 1) + 1 / (x - 1)
            above = b.compare("fcmp ogt", at, b.like(x, 2.0))
            at = b.select(above, b.sub(at, one), at)
            total = b.select(above, b.add(total, b.div(one, at)), total)
        distance = b.sub(at, b.like(x, tables.DIGAMMA_ROOT))
        distance = b.sub(distance, b.like(x, tables.DIGAMMA_ROOT_LOW))
        fitted = b.polynomial(b.sub(at, b.like(x, 1.5)), *reversed(tables.DIGAMMA))
        return b.select(small, b.fma(distance, fitted, total), large)

    return b.where_any(small, near, large)
