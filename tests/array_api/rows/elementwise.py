"""Elementwise functions and operators."""

import operator

import numpy as np
from hypothesis import strategies as st

from tests.array_api.harness import (
    ALL,
    BOOL,
    FLOAT,
    INEXACT,
    INTEGER,
    NUMERIC,
    REAL,
    SIGNED,
    Row,
    arrays,
    one,
    pairs,
)


def unary(names, dtypes, special=True, **options):
    """Rows for functions of one array."""
    return [
        Row(
            name,
            lambda xp, x, name=name: getattr(xp, name)(x),
            one(dtypes, special=special),
            **options,
        )
        for name in names.split()
    ]


def binary(names, dtypes, special=True, size=9, **options):
    """Rows for functions of two arrays."""
    return [
        Row(
            name,
            lambda xp, x, y, name=name: getattr(xp, name)(x, y),
            pairs(dtypes, special=special, size=size),
            **options,
        )
        for name in names.split()
    ]


def _number(dtype):
    """A Python number of a kind that may stand beside an array of a dtype."""
    if dtype.kind == "b":
        return st.booleans()
    whole = st.integers(1, 9)
    if dtype.kind in "iu":
        return whole
    return (
        whole
        | whole.map(lambda n: n / 8)
        | (whole.map(lambda n: n * 1j) if dtype.kind == "c" else whole)
    )


@st.composite
def with_number(draw, dtypes):
    """An array without zeros, and a Python number."""
    x = draw(arrays(dtypes))
    x[x == 0] = 1
    return x, draw(_number(x.dtype))


@st.composite
def shifts(draw):
    """Integers, and how far to move their bits."""
    x, y = draw(pairs(INTEGER))
    return x, np.asarray(abs(y) % (8 * y.itemsize))


@st.composite
def divisions(draw):
    """Finite numbers and divisors that are not zero."""
    x, y = draw(pairs(REAL))
    y[y == 0] = 1
    return x, y


@st.composite
def powers(draw):
    """Bases and exponents whose power is small."""
    x, y = draw(pairs(NUMERIC, size=3))
    if y.dtype.kind in "iu":
        return x, np.asarray(abs(y))
    return np.asarray(x + 4 * x.dtype.type(1)), y


@st.composite
def clipped(draw):
    """An array with two bounds, of which each may be missing, a number or an array."""
    x = draw(arrays(SIGNED + FLOAT))
    low = draw(arrays([x.dtype.name], x.shape) | arrays([x.dtype.name], ()))
    high = np.asarray(low + low.dtype.type(9))
    return x, draw(st.none() | st.just(-9) | st.just(low)), draw(st.none() | st.just(high))


OPERATORS = [
    *[(name, NUMERIC) for name in ("add", "sub", "mul")],
    *[(name, INEXACT) for name in ("truediv",)],
    *[(name, REAL) for name in ("floordiv", "mod", "lt", "le", "gt", "ge")],
    *[(name, BOOL + INTEGER) for name in ("and_", "or_", "xor")],
    *[(name, ALL) for name in ("eq", "ne")],
]

ROWS = [
    *unary("abs negative positive square round sign", NUMERIC, special=False),
    *unary("acos acosh asin asinh atan atanh cos cosh exp expm1 log log1p log2 log10", FLOAT),
    *unary("sin sinh sqrt tan tanh reciprocal", FLOAT),
    *unary("acos asin asinh atan cos cosh exp expm1 sin sinh tan tanh", INEXACT, special=False),
    *unary("log log1p log2 log10 sqrt", INEXACT, special=False),
    *unary("ceil floor trunc", REAL),
    *unary("isfinite isinf isnan", NUMERIC),
    *unary("conj real", NUMERIC, special=False),
    *unary("imag", ["complex64", "complex128"]),
    *unary("signbit", FLOAT),
    *unary("logical_not", BOOL),
    *unary("bitwise_invert", BOOL + INTEGER),
    *binary("add subtract multiply", NUMERIC, special=False),
    *binary("divide", FLOAT),
    *binary("divide", INEXACT, special=False),
    *binary("equal not_equal", ALL),
    *binary("less less_equal greater greater_equal", REAL),
    *binary("maximum minimum", REAL),
    *binary("logical_and logical_or logical_xor", BOOL),
    *binary("bitwise_and bitwise_or bitwise_xor", BOOL + INTEGER),
    *binary("atan2 copysign hypot nextafter logaddexp", FLOAT),
    *[
        Row(name, lambda xp, x, y, name=name: getattr(xp, name)(x, y), divisions())
        for name in ("floor_divide", "remainder")
    ],
    *[
        Row(name, lambda xp, x, y, name=name: getattr(xp, name)(x, y), shifts())
        for name in ("bitwise_left_shift", "bitwise_right_shift")
    ],
    Row("pow", lambda xp, x, y: xp.pow(x, y), powers()),
    Row("clip", lambda xp, x, low, high: xp.clip(x, low, high), clipped()),
    # Operators, with Python numbers on either side.
    *[
        Row(
            name,
            lambda xp, x, y, name=name: [getattr(operator, name)(*p) for p in ((x, y), (y, x))],
            with_number(dtypes),
        )
        for name, dtypes in OPERATORS
    ],
    *[
        Row(name, lambda xp, x, name=name: getattr(operator, name)(x), one(dtypes, special=True))
        for name, dtypes in [
            ("neg", FLOAT),
            ("pos", FLOAT),
            ("abs", FLOAT),
            ("invert", BOOL + INTEGER),
        ]
    ],
    *[
        Row(
            name,
            lambda xp, x, convert=convert: convert(x[()]),
            one(dtypes, ()),
            jit=False,
        )
        for name, convert, dtypes in [
            ("__bool__", bool, ALL),
            ("__int__", int, REAL),
            ("__float__", float, REAL),
            ("__complex__", complex, NUMERIC),
            ("__index__", operator.index, INTEGER),
        ]
    ],
]
