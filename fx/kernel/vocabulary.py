"""The scalar operations and dtypes that kernels have."""

from __future__ import annotations

from typing import Any

import numpy as np

from fx.dtypes import bfloat16, key_dtype

# Scalar operations, named as the primitives are. Operands and result share a dtype, except for
# comparisons (a bool result), select (a bool first operand) and convert.
ARITHMETIC = frozenset(("add", "sub", "mul", "neg", "max", "min", "square", "abs", "sign"))
REAL_ONLY = frozenset(
    [
        "div",
        "sqrt",
        "rsqrt",
        "exp",
        "exp2",
        "log",
        "log1p",
        "expm1",
        "logistic",
        "sin",
        "cos",
        "tan",
        "tanh",
        "sinh",
        "cosh",
        "asin",
        "acos",
        "atan",
        "asinh",
        "acosh",
        "atanh",
        "cbrt",
        "floor",
        "ceil",
        "round_even",
        "round_away",
        "pow",
        "atan2",
        "erf",
        "erfc",
        "rem",
        "fma",
        "nextafter",
        "erf_inv",
        "lgamma",
        "logaddexp",
        "digamma",
    ]
)
# Functions of float32 whose every rounding is fixed.
PORTABLE = frozenset(f"portable_{f}" for f in ("log", "log1p", "exp", "erf", "erf_inv"))
COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))
BITS = frozenset(("and", "or", "xor", "not"))
COUNTS = frozenset(("population_count", "clz"))
# A random key is a scalar of two words: made of them, taken apart, and a counter (such a pair too)
# enciphered with one.
KEYS = frozenset(("pair", "first_word", "second_word", "threefry"))
SHIFTS = frozenset(("shift_left", "shift_right_arithmetic", "shift_right_logical"))

FLOATS = frozenset((np.dtype(np.float32), np.dtype(np.float64)))
INTEGERS = frozenset(np.dtype(f"{k}{n}") for k in ("int", "uint") for n in (8, 16, 32, 64))
BOOL = np.dtype(bool)
KEY, WORD = key_dtype, np.dtype(np.uint32)
# Halves are how numbers are stored: arithmetic on them is that of float32, rounded.
F16, BF16 = np.dtype(np.float16), np.dtype(bfloat16)
HALVES = frozenset((F16, BF16))
NATIVE = FLOATS | INTEGERS | HALVES | {BOOL, KEY}
# Operations that only move values.
MOVES = frozenset(("copy", "fresh", "select", "pad", "take", "convert"))

# Operations that cost about as much as a load: recomputed rather than kept.
CHEAP = frozenset(
    [
        "add",
        "sub",
        "mul",
        "neg",
        "max",
        "min",
        "square",
        "abs",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "and",
        "or",
        "xor",
        "not",
        "select",
        "convert",
        "is_finite",
        "sign",
        "copy",
        "fresh",
        "bitcast",
        "pair",
        "first_word",
        "second_word",
        "shift_left",
        "shift_right_arithmetic",
        "shift_right_logical",
    ]
)

# Maps whose first operand is loaded from memory elsewhere than at their own index.
PLACED = frozenset(("pad", "take"))


def has(op: str, first: np.dtype, last: np.dtype) -> bool:
    """Whether an operation takes a first and a last operand of these dtypes."""
    if op == "select":
        return first == BOOL
    if op in ("eq", "ne"):
        return not HALVES & {first, last}
    if op in KEYS or KEY in (first, last):
        return op in KEYS and last == (WORD if op == "pair" else KEY)
    if op in MOVES:
        return True
    if HALVES & {first, last}:
        return False
    if op == "bitcast":
        return BOOL not in (first, last)
    if op in PORTABLE:
        return last == np.float32
    if last == BOOL:
        return op in BITS or op in COMPARISONS or op in ("max", "min", "mul", "add")
    if op in ARITHMETIC or op in COMPARISONS:
        return True
    if last in INTEGERS:
        return op in BITS or op in SHIFTS or op in COUNTS or op in ("div", "rem", "pow")
    return last in FLOATS and (op in REAL_ONLY or op == "is_finite")


def identity(op: str, dtype: np.dtype) -> Any:
    """What a fold starts from."""
    if op == "add":
        return -0.0 if dtype.kind == "f" else 0
    if op == "mul":
        return 1
    if op in ("or", "xor"):
        return 0
    if op == "and":
        return True if dtype == BOOL else -1 if dtype.kind == "i" else np.iinfo(dtype).max
    if dtype == BOOL:
        return op == "min"
    if dtype.kind == "f":
        return -np.inf if op == "max" else np.inf
    info = np.iinfo(dtype)
    return info.min if op == "max" else info.max
