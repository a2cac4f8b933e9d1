"""Special functions in vectors, by the formulas and tables of `fx.ops.numerics`.

What they need of logarithms and tangents is given by the caller, as that depends on the dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from fx.backends.llvm import function_tables as fits
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


def _fits(single: bool, short: tuple[float, ...], table: tuple[float, ...]) -> Iterable[float]:
    return reversed(short if single else table)


def lgamma(b: Builder, x: Value, single: bool, log: Function, sin: Function) -> Value:
    """The logarithm of the size of the gamma function, of float64."""
    one, two = b.like(x, 1.0), b.like(x, 2.0)
    size = b.intrinsic("fabs", x)
    small = b.compare("fcmp olt", size, b.like(x, gamma.LARGE))
    below = b.compare("fcmp olt", size, one)
    u = b.select(below, size, b.sub(size, one))
    factor = b.select(below, size, one)
    for _ in range(math.ceil(gamma.LARGE - 3)):  # lgamma(1 + u) = lgamma(u) + log(u)
        above = b.compare("fcmp ogt", u, two)
        factor = b.select(above, b.mul(factor, u), factor)
        u = b.select(above, b.sub(u, one), u)
    logarithm = log(b.select(small, factor, size))
    centred = b.sub(u, one)
    fitted = b.polynomial(centred, *_fits(single, fits.LGAMMA_SINGLE, tables.LGAMMA))
    signed = b.select(below, b.negative(logarithm), logarithm)
    near = b.fma(b.mul(u, centred), fitted, signed)
    inverse = b.div(one, size)
    square = b.mul(inverse, inverse)
    terms = _fits(single, gamma.LGAMMA_SERIES[:4], gamma.LGAMMA_SERIES)
    series = b.fma(b.polynomial(square, *terms), inverse, b.like(x, tables.LOG_SQRT_2_PI - 0.5))
    far = b.fma(b.sub(size, b.like(x, 0.5)), b.sub(logarithm, one), series)
    y = b.select(small, near, far)
    negative = b.compare("fcmp olt", x, b.like(x, 0.0))

    def reflected() -> Value:
        distance = b.intrinsic("fabs", b.sub(x, b.intrinsic("rint", x)))
        # Two logarithms, because the product of a tiny x and a tiny sine would underflow.
        sine = b.mul(sin(b.mul(distance, b.like(x, math.pi))), b.like(x, 1 / math.pi))
        z = b.sub(b.sub(b.negative(log(size)), log(sine)), y)
        pole = b.compare("fcmp oeq", distance, b.like(x, 0.0))
        pole = b.binary("or", pole, b.compare("fcmp oeq", size, b.like(x, np.inf)))
        return b.select(negative, b.select(pole, b.like(x, np.inf), z), y)

    return b.where_any(negative, reflected, y)


def digamma(b: Builder, x: Value, single: bool, log: Function, tan: Function) -> Value:
    """The derivative of lgamma, of float64."""
    one = b.like(x, 1.0)
    negative = b.compare("fcmp olt", x, b.like(x, 0.0))
    positive = b.select(negative, b.sub(one, x), x)
    y = _digamma_of_positive(b, positive, single, log)

    def reflected() -> Value:
        distance = b.sub(x, b.intrinsic("rint", x))
        slope = tan(b.mul(b.like(x, math.pi), distance))
        z = b.sub(y, b.div(b.like(x, math.pi), slope))
        pole = b.compare("fcmp oeq", distance, b.like(x, 0.0))
        pole = b.binary("or", pole, b.compare("fcmp oeq", x, b.like(x, -np.inf)))
        return b.select(negative, b.select(pole, b.like(x, np.nan), z), y)

    return b.where_any(negative, reflected, y)


def _digamma_of_positive(b: Builder, x: Value, single: bool, log: Function) -> Value:
    one = b.like(x, 1.0)
    square = b.div(one, b.mul(x, x))
    terms = _fits(single, gamma.DIGAMMA_SERIES[:4], gamma.DIGAMMA_SERIES)
    series = b.mul(square, b.polynomial(square, *terms))
    large = b.sub(log(x), b.add(b.div(b.like(x, 0.5), x), series))
    small = b.compare("fcmp olt", x, b.like(x, gamma.LARGE))

    def near() -> Value:
        below = b.compare("fcmp olt", x, one)
        at = b.select(below, b.add(x, one), x)
        # digamma(x) = digamma(x - 1) + 1 / (x - 1); the fractions are added up to one.
        top = b.select(below, b.like(x, -1.0), b.like(x, 0.0))
        bottom = b.select(below, x, one)
        for _ in range(math.ceil(gamma.LARGE - 2)):
            above = b.compare("fcmp ogt", at, b.like(x, 2.0))
            at = b.select(above, b.sub(at, one), at)
            top = b.select(above, b.fma(top, at, bottom), top)
            bottom = b.select(above, b.mul(bottom, at), bottom)
        total = b.div(top, bottom)
        distance = b.sub(at, b.like(x, tables.DIGAMMA_ROOT))
        distance = b.sub(distance, b.like(x, tables.DIGAMMA_ROOT_LOW))
        terms = _fits(single, fits.DIGAMMA_SINGLE, tables.DIGAMMA)
        fitted = b.polynomial(b.sub(at, b.like(x, 1.5)), *terms)
        return b.select(small, b.fma(distance, fitted, total), large)

    return b.where_any(small, near, large)
