"""Text of LLVM IR, one instruction at a time.

A value is its text and its type; `lanes` is 1 for scalars, else the width of the vectors. Text
parses faster than it is built through objects, and it is the key under which kernels are cached.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

_SCALARS = {
    "float32": "float",
    "float64": "double",
    "bool": "i1",
    **{f"{k}{n}": f"i{n}" for k in ("int", "uint") for n in (8, 16, 32, 64)},
}


class Value(NamedTuple):
    """An operand: `text` of the scalar or vector type, whose element has `dtype`."""

    text: str
    dtype: np.dtype
    lanes: int

    @property
    def type(self) -> str:
        return type_name(self.dtype, self.lanes)


F32, F64, I32, I64, BOOL = (
    np.dtype(t) for t in (np.float32, np.float64, np.int32, np.int64, np.bool_)
)


def type_name(dtype: np.dtype, lanes: int) -> str:
    """The LLVM type of a register."""
    scalar = _SCALARS[dtype.name]
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def memory_type(dtype: np.dtype, lanes: int) -> str:
    """The LLVM type of memory: a bool takes a byte."""
    return type_name(np.dtype(np.int8) if dtype == BOOL else dtype, lanes)


def literal(value: object, dtype: np.dtype) -> str:
    """A number as LLVM writes it; floats by their bits."""
    if dtype.kind == "f":
        wide = float(np.asarray(value, dtype))
        return f"0x{struct.unpack('<Q', struct.pack('<d', wide))[0]:016X}"
    if dtype == BOOL:
        return "true" if value else "false"
    return str(int(np.asarray(value, dtype).astype(f"i{dtype.itemsize}")))


class Builder:
    """Collects the lines of one function, and the declarations that they need."""

    def __init__(self, lanes: int):
        self.lanes = lanes
        self.lines: list[str] = []
        self.declared: dict[str, str] = {}
        self._count = 0

    # ------------------------------------------------------------------ text
    def name(self, stem: str = "v") -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def emit(self, text: str, dtype: np.dtype, lanes: int) -> Value:
        """One instruction with a result."""
        name = "%" + self.name()
        self.line(f"{name} = {text}")
        return Value(name, dtype, lanes)

    def integer(self, text: str) -> str:
        """One instruction whose result is an i64 (or pointer) of the loop control."""
        name = "%" + self.name()
        self.line(f"{name} = {text}")
        return name

    def call(self, function: str, result: str, *args: Value | str) -> str:
        """A call of an external function; declares it."""
        texts = [f"{a.type} {a.text}" if isinstance(a, Value) else a for a in args]
        kinds = [a.type if isinstance(a, Value) else a.split(" ")[0] for a in args]
        self.declared[function] = f"declare {result} @{function}({', '.join(kinds)})"
        return f"call {result} @{function}({', '.join(texts)})"

    # ------------------------------------------------------------------ values
    def const(self, value: object, dtype: np.dtype, lanes: int) -> Value:
        text = literal(value, dtype)
        if lanes > 1:
            text = f"splat ({type_name(dtype, 1)} {text})"
        return Value(text, dtype, lanes)

    def like(self, x: Value, value: object) -> Value:
        return self.const(value, x.dtype, x.lanes)

    def splat(self, x: Value, lanes: int) -> Value:
        """A scalar in all lanes."""
        if x.lanes == lanes:
            return x
        vector = type_name(x.dtype, lanes)
        one = self.emit(f"insertelement {vector} poison, {x.type} {x.text}, i32 0", x.dtype, lanes)
        return self.emit(
            f"shufflevector {vector} {one.text}, {vector} poison, <{lanes} x i32> zeroinitializer",
            x.dtype,
            lanes,
        )

    def binary(self, op: str, x: Value, y: Value, dtype: np.dtype | None = None) -> Value:
        return self.emit(f"{op} {x.type} {x.text}, {y.text}", dtype or x.dtype, x.lanes)

    def compare(self, op: str, x: Value, y: Value) -> Value:
        return self.binary(op, x, y, BOOL)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        return self.emit(
            f"select {condition.type} {condition.text}, {x.type} {x.text}, {y.type} {y.text}",
            x.dtype,
            x.lanes,
        )

    def cast(self, op: str, x: Value, dtype: np.dtype) -> Value:
        return self.emit(f"{op} {x.type} {x.text} to {type_name(dtype, x.lanes)}", dtype, x.lanes)

    def intrinsic(self, name: str, *args: Value) -> Value:
        """`llvm.name` on values of one type."""
        first = args[0]
        short = {"float": "f32", "double": "f64"}.get(type_name(first.dtype, 1)) or type_name(
            first.dtype, 1
        )
        suffix = short if first.lanes == 1 else f"v{first.lanes}{short}"
        return self.emit(
            self.call(f"llvm.{name}.{suffix}", first.type, *args), first.dtype, first.lanes
        )

    # ------------------------------------------------------------------ float arithmetic
    def add(self, x: Value, y: Value) -> Value:
        return self.binary("fadd", x, y)

    def sub(self, x: Value, y: Value) -> Value:
        return self.binary("fsub", x, y)

    def mul(self, x: Value, y: Value) -> Value:
        return self.binary("fmul", x, y)

    def div(self, x: Value, y: Value) -> Value:
        return self.binary("fdiv", x, y)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        return self.intrinsic("fma", x, y, z)

    def polynomial(self, x: Value, *coefficients: float) -> Value:
        """Horner's scheme, the highest power first."""
        total = self.like(x, coefficients[0])
        for c in coefficients[1:]:
            total = self.fma(total, x, self.like(x, c))
        return total
