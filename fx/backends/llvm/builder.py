"""Text of LLVM IR, one instruction at a time.

A value is its text and its type; `lanes` is 1 for scalars, else the width of the vectors. Text
parses faster than it is built through objects, and it is the key under which kernels are cached.
"""

from __future__ import annotations

import contextlib
import functools
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fx.dtypes import key_dtype
from fx.kernel.vocabulary import F16, HALVES

_SCALARS = {
    "float32": "float",
    "float64": "double",
    "float16": "half",
    "bfloat16": "i16",  # its bits
    "bool": "i1",
    key_dtype.name: "i64",  # both words, the first one in the low half
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


F32, F64, I32, I64, U32, U64, BOOL = (
    np.dtype(t)
    for t in (np.float32, np.float64, np.int32, np.int64, np.uint32, np.uint64, np.bool_)
)
KEY = key_dtype


@functools.cache
def type_name(dtype: np.dtype, lanes: int) -> str:
    """The LLVM type of a register."""
    scalar = _SCALARS[dtype.name]
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


@functools.cache
def memory_type(dtype: np.dtype, lanes: int) -> str:
    """The LLVM type of memory: a bool takes a byte."""
    return type_name(np.dtype(np.int8) if dtype == BOOL else dtype, lanes)


def literal(value: object, dtype: np.dtype) -> str:
    """A number as LLVM writes it; floats by their bits."""
    if dtype in HALVES:
        bits = int(np.asarray(value, dtype).view(np.uint16))
        return f"0xH{bits:04X}" if dtype == F16 else str(bits)
    if dtype.kind == "f":
        wide = float(np.asarray(value, dtype))
        return f"0x{struct.unpack('<Q', struct.pack('<d', wide))[0]:016X}"
    if dtype == BOOL:
        return "true" if value else "false"
    if dtype == KEY:
        return str(int(np.asarray(value, dtype).view(np.int64)))
    return str(int(np.asarray(value, dtype).astype(f"i{dtype.itemsize}")))


# Functions by their names: the types of their results, and their text with what they need.
_functions: dict[str, tuple[list[Value], dict[str, str]]] = {}


def _suffix(one: str, lanes: int) -> str:
    """What the names of intrinsics end with, for a scalar type or vectors of it."""
    short = {"float": "f32", "double": "f64", "half": "f16"}.get(one, one)
    return short if lanes == 1 else f"v{lanes}{short}"


class Builder:
    """Collects the lines of one function, and the declarations that they need."""

    def __init__(self, lanes: int):
        self.lanes = lanes
        self.lines: list[str] = []
        self.declared: dict[str, str] = {}
        self.halves: dict[str, tuple[Value, Value]] = {}  # the words of keys made of words
        self._known: dict[tuple[str, str], Any] = {}
        self._count = 0

    # ------------------------------------------------------------------ text
    def name(self, stem: str = "v") -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self._known = {}

    def once(self, what: str, x: Value, make: Callable[[], Any]) -> Any:
        """What `make` gives, or gave for the same value if that is known here."""
        if (what, x.text) not in self._known:
            self._known[what, x.text] = make()
        return self._known[what, x.text]

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

    # ------------------------------------------------------------------ indices: i64 as text
    def least(self, x: str, y: str | int) -> str:
        """The smaller of two."""
        return self.integer(self.call("llvm.smin.i64", "i64", f"i64 {x}", f"i64 {y}"))

    def limited(self, start: str, length: int, size: int) -> str:
        """The smaller of start + length and size, for a start that is a multiple of length."""
        end = self.integer(f"add nsw i64 {start}, {length}")
        return end if size % length == 0 else self.least(end, size)

    def divmod(self, x: str, n: int) -> tuple[str, str]:
        """Quotient and remainder."""
        if n == 1:
            return x, "0"
        return self.integer(f"udiv i64 {x}, {n}"), self.integer(f"urem i64 {x}, {n}")

    def moved(self, x: str, i: str, stride: int) -> str:
        """x + i * stride"""
        if not stride or i == "0":
            return x
        term = i if stride == 1 else self.integer(f"mul nsw i64 {i}, {stride}")
        return term if x == "0" else self.integer(f"add nsw i64 {x}, {term}")

    # ------------------------------------------------------------------ calls
    def call(self, function: str, result: str, *args: Value | str) -> str:
        """A call of an external function; declares it."""
        texts = [f"{a.type} {a.text}" if isinstance(a, Value) else a for a in args]
        kinds = [a.type if isinstance(a, Value) else a.split(" ")[0] for a in args]
        self.declared[function] = f"declare {result} @{function}({', '.join(kinds)})"
        return f"call {result} @{function}({', '.join(texts)})"

    def outlined(
        self, name: str, body: Callable[..., Sequence[Value]], *args: Value
    ) -> list[Value]:
        """Results of a function of its own, of which a module has one for each vector width.

        What is large is compiled once, however often it is used.
        """
        first = args[0]
        symbol = f"fx.{name}.{type_name(first.dtype, 1)}.{first.lanes}"
        if symbol not in _functions:
            _functions[symbol] = _function(symbol, body, args)
        results, declared = _functions[symbol]
        self.declared.update(declared)
        text = f"call {_struct(results)} @{symbol}({', '.join(f'{a.type} {a.text}' for a in args)})"
        if len(results) == 1:
            return [self.emit(text, results[0].dtype, results[0].lanes)]
        whole = self.integer(text)
        return [
            self.emit(f"extractvalue {_struct(results)} {whole}, {i}", r.dtype, r.lanes)
            for i, r in enumerate(results)
        ]

    def where_any(self, condition: Value, body: Callable[[], Value], otherwise: Value) -> Value:
        """A value that is computed only if the condition holds in a lane."""
        if condition.lanes > 1:
            name = f"llvm.vector.reduce.or.v{condition.lanes}i1"
            condition = self.emit(self.call(name, "i1", condition), BOOL, 1)
        rare, usual, done = self.name("rare"), self.name("usual"), self.name("done")
        known = self._known
        self.line(f"br label %{usual}")
        self.label(usual)
        # Registers are kept for the usual way, and saved and restored on the rare one.
        odds = '!prof !{!"branch_weights", i32 1, i32 9999}'
        self.line(f"br i1 {condition.text}, label %{rare}, label %{done}, {odds}")
        self.label(rare)
        y = body()
        last = self.name("last")
        self.line(f"br label %{last}")
        self.label(last)
        self.line(f"br label %{done}")
        self.label(done)
        self._known = known
        text = f"phi {y.type} [{otherwise.text}, %{usual}], [{y.text}, %{last}]"
        return self.emit(text, y.dtype, y.lanes)

    @contextlib.contextmanager
    def loop(self, start: str, stop: str, step: int, hidden: bool = False) -> Iterator[str]:
        """A loop that tests before each round; the latch is a block of its own.

        `hidden` keeps from LLVM how the index grows: to find cheaper ways to what it addresses
        takes as long as all the rest, and is worth it in the innermost loop only.
        """
        b = self
        head, body, latch, done = (b.name(s) for s in ("head", "body", "latch", "done"))
        entry = b.name("from")
        i, after = "%" + b.name("i"), "%" + b.name("next")
        b.line(f"br label %{entry}")
        b.label(entry)
        b.line(f"br label %{head}")
        b.label(head)
        b.line(f"{i} = phi i64 [{start}, %{entry}], [{after}, %{latch}]")
        more = b.integer(f"icmp slt i64 {i}, {stop}")
        b.line(f"br i1 {more}, label %{body}, label %{done}")
        b.label(body)
        yield i
        b.line(f"br label %{latch}")
        b.label(latch)
        grown = f"add nsw i64 {i}, {step}"
        if hidden:
            grown = f'call i64 asm "", "=r,0"(i64 {b.integer(grown)})'
        b.line(f"{after} = {grown}")
        b.line(f"br label %{head}")
        b.label(done)

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
        suffix = _suffix(type_name(first.dtype, 1), first.lanes)
        return self.emit(
            self.call(f"llvm.{name}.{suffix}", first.type, *args), first.dtype, first.lanes
        )

    def masked_load(self, kind: str, one: str, lanes: int, at: str, align: int, mask: str) -> str:
        """The text of a load of a vector of `one`; lanes outside the mask are zero."""
        name = f"llvm.masked.load.{_suffix(one, lanes)}.p0"
        self.declared[name] = f"declare {kind} @{name}(ptr, <{lanes} x i1>, {kind})"
        return (
            f"call {kind} @{name}(ptr align {align} {at}, <{lanes} x i1> {mask}, "
            f"{kind} zeroinitializer)"
        )

    def masked_store(self, kind: str, one: str, lanes: int, value: str, at: str, align: int,
                     mask: str) -> None:  # fmt: skip
        """Store the lanes of a vector of `one` that the mask has."""
        name = f"llvm.masked.store.{_suffix(one, lanes)}.p0"
        self.declared[name] = f"declare void @{name}({kind}, ptr, <{lanes} x i1>)"
        self.line(
            f"call void @{name}({kind} {value}, ptr align {align} {at}, <{lanes} x i1> {mask})"
        )

    def masked_gather(self, kind: str, one: str, lanes: int, at: str, align: int, mask: str) -> str:
        """The text of a load through a vector of pointers."""
        name = f"llvm.masked.gather.{_suffix(one, lanes)}.v{lanes}p0"
        self.declared[name] = f"declare {kind} @{name}(<{lanes} x ptr>, <{lanes} x i1>, {kind})"
        return (
            f"call {kind} @{name}(<{lanes} x ptr> align {align} {at}, <{lanes} x i1> {mask}, "
            f"{kind} zeroinitializer)"
        )

    # ------------------------------------------------------------------ float arithmetic
    def negative(self, x: Value) -> Value:
        return self.emit(f"fneg {x.type} {x.text}", x.dtype, x.lanes)

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


def _struct(values: Sequence[Value]) -> str:
    types = ", ".join(v.type for v in values)
    return types if len(values) == 1 else f"{{ {types} }}"


def _function(
    symbol: str, body: Callable[..., Sequence[Value]], args: Sequence[Value]
) -> tuple[list[Value], dict[str, str]]:
    b = Builder(args[0].lanes)
    results = list(body(b, *[a._replace(text=f"%a{i}") for i, a in enumerate(args)]))
    kind = _struct(results)
    if len(results) == 1:
        b.line(f"ret {kind} {results[0].text}")
    else:
        whole = "poison"
        for i, r in enumerate(results):
            whole = b.integer(f"insertvalue {kind} {whole}, {r.type} {r.text}, {i}")
        b.line(f"ret {kind} {whole}")
    parameters = ", ".join(f"{a.type} %a{i}" for i, a in enumerate(args))
    head = f"define internal {kind} @{symbol}({parameters}) noinline {{"
    text = "\n".join([head, "entry:", *b.lines, "}"])
    return results, {**b.declared, symbol: text}


def transposed(b: Builder, rows: list[Value]) -> list[Value]:
    """The columns of a square of vectors.

    Neighbours change places within each quad of elements, then quads do as a whole: machines have
    instructions for just these, and LLVM finds them at once.
    """
    n = len(rows)

    def mixed(x: Value, y: Value, picks: list[int]) -> Value:
        text = ", ".join(f"i32 {i}" for i in picks)
        text = f"shufflevector {x.type} {x.text}, {y.type} {y.text}, <{n} x i32> <{text}>"
        out = b.emit(text, x.dtype, n)
        if x.dtype.kind != "f" or x.dtype.itemsize < 4:
            return out
        # Else LLVM tries for long to make fewer of these, in vain.
        fence = f"llvm.arithmetic.fence.v{n}f{8 * x.dtype.itemsize}"
        return b.emit(b.call(fence, x.type, out), x.dtype, n)

    def halves(x: Value, y: Value, order: list[int]) -> list[Value]:
        """Of the first halves of all quads, then of the second ones."""
        return [mixed(x, y, [q + h + i for q in range(0, n, 4) for i in order]) for h in (0, 2)]

    def spread(parts: list[Value]) -> list[Value]:
        """Transposes quads: part k of the result has quad k of each part."""
        if len(parts) == 1:
            return parts
        out = list(parts)
        for odd in (0, 1):
            quads = [4 * q + i for q in range(odd, n // 2, 2) for i in range(4)]
            pairs = zip(parts[::2], parts[1::2], strict=True)
            out[odd::2] = spread([mixed(x, y, quads) for x, y in pairs])
        return out

    quads: list[list[Value]] = []
    for i in range(0, n, 4):
        r = rows[i : i + 4]
        order = [0, n, 1, n + 1]
        pairs = zip(halves(r[0], r[1], order), halves(r[2], r[3], order), strict=True)
        quads.append([v for x, y in pairs for v in halves(x, y, [0, 1, n, n + 1])])
    columns = list(rows)
    for c, parts in enumerate(zip(*quads, strict=True)):
        columns[c::4] = spread(list(parts))
    return columns
