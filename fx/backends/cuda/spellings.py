"""The dialect's dtypes, constants and scalar operations in CUDA C++: one table of spellings.

They compute what the NumPy rules compute: nothing is contracted to fused multiply-adds unless the
program says so (kernels are compiled with `-fmad=false`), NaN wins in max and min, conversions
saturate, integers wrap around, shifts by the width and more give zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.kernel.vocabulary import BF16, BOOL, F16, HALVES, INTEGERS, KEY, PORTABLE

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
# The type in registers; halves are their bits, keys both words (the first one in the low half).
TYPES = {
    F32: "f32",
    F64: "f64",
    F16: "u16",
    BF16: "u16",
    BOOL: "bool",
    KEY: "u64",
    **{np.dtype(f"{k}{n}"): f"{k[0]}{n}" for k in ("int", "uint") for n in (8, 16, 32, 64)},
}
# Functions by the name that CUDA has for float64; that of float32 ends with f.
_FUNCTIONS = {
    **{
        op: op
        for op in (
            ["sqrt", "rsqrt", "exp", "exp2", "log", "log1p", "expm1", "sin", "cos", "tan", "tanh"]
            + ["sinh", "cosh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "cbrt", "floor"]
            + ["ceil", "pow", "atan2", "erf", "erfc", "fma", "nextafter", "lgamma"]
        )
    },
    "abs": "fabs",
    "round_even": "rint",
    "round_away": "round",
    "rem": "fmod",
    "erf_inv": "erfinv",
}
_INFIX = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_BITS = {"and": "&", "or": "|", "xor": "^"}
# Bools: both operands are computed in any case, since one may be an exchange between threads.
_LOGIC = {"and": "&", "or": "|", "xor": "^", "add": "|", "max": "|", "mul": "&", "min": "&"}
_OF_INTEGERS = {
    "add": "wrap_add",
    "sub": "wrap_sub",
    "mul": "wrap_mul",
    "div": "int_div",
    "rem": "int_rem",
    "pow": "int_pow",
    "max": "largest",
    "min": "smallest",
    "sign": "sign_of",
    "population_count": "bits_set",
    "clz": "leading_zeros",
    "shift_left": "shifted_left",
    "shift_right_logical": "shifted_right",
    "shift_right_arithmetic": "shifted_down",
}
_OF_FLOATS = {
    "max": "largest",
    "min": "smallest",
    "sign": "sign_of",
    "logistic": "logistic_of",
    "logaddexp": "log_add_exp",
    "digamma": "digamma",
}


def register(dtype: np.dtype) -> str:
    """The type of a value in a register."""
    return TYPES[dtype]


def memory(dtype: np.dtype) -> str:
    """The type of an element in memory: a bool takes a byte."""
    return "u8" if dtype == BOOL else TYPES[dtype]


def loaded(text: str, dtype: np.dtype) -> str:
    """An element of memory as a value."""
    return f"({text} != 0)" if dtype == BOOL else text


def stored(text: str, dtype: np.dtype) -> str:
    """A value as an element of memory."""
    return f"(u8){text}" if dtype == BOOL else text


def literal(value: Any, dtype: np.dtype) -> str:
    """A constant."""
    if dtype == BOOL:
        return "true" if value else "false"
    if dtype in HALVES:
        return f"(u16){int(np.asarray(value, dtype).view(np.uint16))}"
    if dtype == KEY:
        return f"{int(np.asarray(value, dtype).view(np.uint64))}ull"
    if dtype.kind == "f":
        number = np.asarray(value, dtype)
        if np.isfinite(number):
            return f"{float(number).hex()}{'f' if dtype == F32 else ''}"
        if dtype == F32:
            return f"f32_of_bits(0x{int(number.view(np.uint32)):08x}u)"
        return f"f64_of_bits(0x{int(number.view(np.uint64)):016x}ull)"
    number = int(value)
    suffix = "ull" if dtype.kind == "u" else "ll"
    if number == -(1 << 63):
        return "(i64)(-9223372036854775807ll - 1)"
    if dtype.itemsize == 8:
        return f"({TYPES[dtype]}){number}{suffix}"
    return f"({TYPES[dtype]}){number}{'u' if dtype.kind == 'u' else ''}"


def apply(op: str, args: Sequence[str], dtypes: Sequence[np.dtype], dtype: np.dtype) -> str:
    """The expression of an operation on values of some dtypes; its result has `dtype`."""
    kind = dtypes[-1]
    if op == "select":
        which, no, yes = args
        return f"({which} ? {yes} : {no})"
    if op in ("copy", "fresh"):
        return args[0]
    if op == "convert":
        return convert(args[0], kind, dtype)
    if op == "bitcast":
        same = TYPES[kind] == TYPES[dtype]
        return args[0] if same else f"bits_as<{TYPES[dtype]}>({args[0]})"
    if op == "pair":
        return f"pair_of({args[0]}, {args[1]})"
    if op == "threefry" or op in PORTABLE:
        return f"{op}({', '.join(args)})"
    if op == "first_word":
        return f"(u32){args[0]}"
    if op == "second_word":
        return f"(u32)({args[0]} >> 32)"
    if op in _INFIX:
        return f"({args[0]} {_INFIX[op]} {args[1]})"
    if kind == BOOL:
        return f"!{args[0]}" if op == "not" else f"(bool)({args[0]} {_LOGIC[op]} {args[1]})"
    return (_float if kind.kind == "f" else _integer)(op, args, kind)


def _float(op: str, args: Sequence[str], dtype: np.dtype) -> str:
    f = "f" if dtype == F32 else ""
    if op in _ARITHMETIC:
        return f"({args[0]} {_ARITHMETIC[op]} {args[1]})"
    if op == "neg":
        return f"(-{args[0]})"
    if op == "square":
        return f"({args[0]} * {args[0]})"
    if op == "is_finite":
        return f"(fabs{f}({args[0]}) < {literal(np.inf, dtype)})"
    if op == "rsqrt":  # CUDA's own rounds less well than a root and a quotient
        return f"({literal(1, dtype)} / sqrt{f}({args[0]}))"
    if op == "lgamma" and dtype == F32:
        return f"(f32)lgamma((f64){args[0]})"
    name = _OF_FLOATS.get(op) or _FUNCTIONS[op] + f
    return f"{name}({', '.join(args)})"


def _integer(op: str, args: Sequence[str], dtype: np.dtype) -> str:
    kind = TYPES[dtype]
    if op in _BITS:
        return f"({kind})({args[0]} {_BITS[op]} {args[1]})"
    if op == "not":
        return f"({kind})(~{args[0]})"
    if op == "neg":
        return f"wrap_sub<{kind}>(0, {args[0]})"
    if op == "square":
        return f"wrap_mul<{kind}>({args[0]}, {args[0]})"
    if op == "abs":
        if dtype.kind == "u":
            return args[0]
        return f"({args[0]} < 0 ? wrap_sub<{kind}>(0, {args[0]}) : {args[0]})"
    return f"{_OF_INTEGERS[op]}<{kind}>({', '.join(args)})"


def convert(x: str, old: np.dtype, new: np.dtype) -> str:
    """Change of dtype; float to integer saturates, NaN to 0."""
    if old == new:
        return x
    if old in HALVES:
        wide = f"f32_of_{'f16' if old == F16 else 'bf16'}({x})"
        return convert(wide, F32, new)
    if new in HALVES:
        return f"{'f16' if new == F16 else 'bf16'}_of_f32({convert(x, old, F32)})"
    if new == BOOL:
        return f"({x} != 0)"
    if old.kind == "f" and new in INTEGERS:
        info = np.iinfo(new)
        ends = (literal(float(v), old) for v in (info.min, float(info.max) + (info.bits < 64)))
        numbers = (literal(v, new) for v in (info.min, info.max))
        return f"int_of<{TYPES[new]}, {TYPES[old]}>({', '.join([x, *ends, *numbers])})"
    return f"({TYPES[new]}){x}"


def fold(op: str, x: str, y: str, dtype: np.dtype) -> str:
    """One step of a reduction, in the order (accumulator, element)."""
    return apply(op, (x, y), (dtype, dtype), dtype)
