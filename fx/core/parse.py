"""The reader: the inverse of the printer, for programs whose parameters are data.

Numbers, strings, dtypes, types, tuples, lists, the namedtuples and enums marked `readable`, and
programs inside programs are read back. Python functions and objects (callbacks, derivative rules,
policies) have no text, and constants that were too large to print have no values: both raise.
"""

from __future__ import annotations

import ast
import enum
import re
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.ir import READABLE, Atom, Eqn, Jaxpr, Literal, Var
from fx.core.pretty import DTYPE, named_params
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, public

_REAL = r"[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|inf\b|nan\b)"
_IMAGINARY = r"[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|inf|nan)j"
_TOKEN = re.compile(
    rf"""(?P<space>\s+|\#[^\n]*)
    |(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<object><(?:function|object)\ [^\n]*?>(?=[\s\]),]))
    |(?P<complex>\({_REAL}{_IMAGINARY}\)|{_IMAGINARY}\b)
    |(?P<type>~?{DTYPE}\[[\d,]*\])
    |(?P<number>{_REAL}|(?:True|False)\b)
    |(?P<dtype>{DTYPE}(?![\w.<>]))
    |(?P<word>[A-Za-z_<][\w<>]*(?:\.\w+)?)
    |(?P<mark>[{{}}()\[\],;.=:])""",
    re.VERBOSE,
)


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.error("what is no part of the notation", position)
            if match.lastgroup != "space":
                self.tokens.append((str(match.lastgroup), match.group(), position))
            position = match.end()
        self.next = 0

    # ------------------------------------------------------------------ tokens
    def error(self, problem: str, position: int | None = None) -> FxValueError:
        if position is None:
            at = self.next if self.next < len(self.tokens) else -1
            position = self.tokens[at][2] if self.tokens else 0
        line = self.text.count("\n", 0, position) + 1
        near = self.text[position : position + 30].split("\n")[0]
        return FxValueError(
            f"parse_jaxpr, line {line}, at {near!r}: {problem}. The text must be one that "
            "str(jaxpr) gives."
        )

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self.next + ahead
        return self.tokens[at][:2] if at < len(self.tokens) else ("end", "")

    def take(self, kind: str | None = None, expected: str = "") -> str:
        found, text = self.peek()
        if found == "end" or (kind is not None and found != kind):
            raise self.error(f"expected {expected or kind}")
        self.next += 1
        return text

    def skip(self, mark: str) -> bool:
        """Pass over a mark or word, if it comes next."""
        if self.peek()[0] in ("mark", "word") and self.peek()[1] == mark:
            self.next += 1
            return True
        return False

    def need(self, mark: str) -> None:
        if not self.skip(mark):
            raise self.error(f"expected {mark!r}")

    # ------------------------------------------------------------------ programs
    def jaxpr(self) -> Jaxpr:
        self.need("{")
        self.need("lambda")
        env: dict[str, Var] = {}
        constvars, consts = [], []
        while not self.skip(";"):
            var = self.define(env)
            constvars.append(var)
            consts.append(self.const(var.aval))
        invars = []
        while not self.skip("."):
            invars.append(self.define(env))
        self.need("let")
        eqns = []
        while not self.skip("in"):
            eqns.append(self.eqn(env))
            self.skip(";")
        self.need("(")
        outvars = []
        while not self.skip(")"):
            outvars.append(self.atom(env))
            self.skip(",")
        self.need("}")
        return Jaxpr(invars, outvars, eqns, constvars, consts)

    def define(self, env: dict[str, Var]) -> Var:
        name = self.take("word", "a variable")
        if name in env:
            raise self.error(f"the variable {name} is defined twice")
        self.need(":")
        env[name] = Var(self.type())
        return env[name]

    def type(self) -> ShapedArray:
        return _type(self.take("type", "a type such as f32[3]"))

    def const(self, aval: ShapedArray) -> Array:
        if not self.skip("="):
            raise self.error(
                f"a constant of type {aval.short()} has no value here. It was too large to "
                "print: pass max_const= to fx.core.pretty.pretty"
            )
        self.need("[")
        values = []
        while not self.skip("]"):
            values.append(self.number())
            self.skip(",")
        dtype = np.dtype(np.uint32) if dtypes.is_key(aval.dtype) else aval.dtype
        data = np.array([_cast(v, dtype) for v in values], dtype)
        if dtypes.is_key(aval.dtype):
            data = data.view(aval.dtype)
        if data.size != aval.size:
            raise self.error(f"{data.size} values for a constant of type {aval.short()}")
        return Array(data.reshape(aval.shape), aval.weak_type)

    def eqn(self, env: dict[str, Var]) -> Eqn:
        outs: dict[str, Var] = {}
        while not self.skip("="):
            self.define(outs)
        name = self.take("word", "the name of a primitive")
        if name not in P.table:
            where = self.tokens[self.next - 1][2]
            raise self.error(f"there is no primitive named {name!r}", where)
        params: dict[str, Any] = dict.fromkeys(named_params(type(P.table[name])))
        if self.skip("["):
            while not self.skip("]"):
                key = self.take("word", "the name of a parameter")
                self.need("=")
                params[key] = self.value()
        invars = []
        while self.peek()[0] in ("number", "complex") or self.is_variable():
            invars.append(self.atom(env))
        for key in outs:
            if key in env:
                raise self.error(f"the variable {key} is defined twice")
        env.update(outs)
        return Eqn(P.table[name], invars, tuple(outs.values()), params)

    def is_variable(self) -> bool:
        """Whether a variable is used here, rather than defined or the word `in`."""
        kind, text = self.peek()
        return kind == "word" and text != "in" and self.peek(1)[1] != ":"

    def atom(self, env: dict[str, Var]) -> Atom:
        if self.peek()[0] in ("number", "complex"):
            value = self.number()
            self.need(":")
            aval = self.type()
            return Literal(Array(np.asarray(_cast(value, aval.dtype)), aval.weak_type), aval)
        name = self.take("word", "a variable or a number")
        if name not in env:
            raise self.error(f"the variable {name} is not defined before")
        return env[name]

    # ------------------------------------------------------------------ parameters
    def number(self) -> Any:
        kind, text = self.peek()
        if kind not in ("number", "complex"):
            raise self.error("expected a number")
        self.next += 1
        if text in ("True", "False"):
            return text == "True"
        if kind == "complex":
            return complex(text)
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)

    def value(self) -> Any:
        kind, text = self.peek()
        if kind in ("number", "complex"):
            value = self.number()
            if self.skip(":"):
                return np.asarray(_cast(value, self.type().dtype))[()]
            return value
        if text == "{":
            return self.jaxpr()
        if text in ("(", "["):
            self.next += 1
            items = self.items(")" if text == "(" else "]")
            return tuple(items) if text == "(" else items
        self.next += 1
        if kind == "text":
            return ast.literal_eval(text)
        if kind == "dtype":
            return dtypes.from_short_name(text)
        if kind == "type":
            return _type(text)
        if kind == "word":
            return self.word(text)
        self.next -= 1
        if kind == "object":
            raise FxTypeError(
                f"parse_jaxpr: the program holds {text}, a Python object, which has no text. Only "
                "programs whose parameters are data can be read back; trace the function again."
            )
        raise self.error("expected the value of a parameter")

    def items(self, end: str) -> list[Any]:
        found = []
        while not self.skip(end):
            found.append(self.value())
            self.skip(",")
        return found

    def word(self, text: str) -> Any:
        name, _, member = text.partition(".")
        cls: Any = READABLE.get(name)
        if text == "None":
            return None
        if member:
            if cls is None or not issubclass(cls, enum.Enum) or member not in cls.__members__:
                raise self.error(f"{text} is not a member of an enum that can be read")
            return cls[member]
        if not self.skip("("):
            return text
        if cls is None:
            raise self.error(f"{name} is not a class that can be read; mark it fx.core.ir.readable")
        fields = {}
        while not self.skip(")"):
            key = self.take("word", "a field")
            self.need("=")
            fields[key] = self.value()
            self.skip(",")
        return cls(**fields)


def _type(text: str) -> ShapedArray:
    head, _, dims = text.lstrip("~")[:-1].rpartition("[")
    shape = tuple(int(n) for n in dims.split(",") if n)
    return ShapedArray(shape, dtypes.from_short_name(head), text.startswith("~"))


def _cast(value: Any, dtype: np.dtype) -> Any:
    return dtype.type(value)


@public
def parse_jaxpr(text: str) -> Jaxpr:
    """Read a program that was printed.

    Args:
        text: what `str(jaxpr)` or `fx.core.pretty.pretty` gave.

    Returns:
        A jaxpr that prints the same and computes the same; it knows no source lines.

    Raises:
        FxValueError: the text is not in the notation, or a constant in it has no value.
        FxTypeError: the program holds Python functions or objects.

    Example:
        >>> import fx
        >>> from fx.core.parse import parse_jaxpr
        >>> parse_jaxpr("{ lambda ; a:f32[3]. let b:f32[3] = mul a 2.0:f32[] in (b,) }")
        { lambda ; a:f32[3]. let b:f32[3] = mul a 2.0:f32[] in (b,) }
    """
    if not isinstance(text, str):
        raise FxTypeError(f"parse_jaxpr expects a string, got {type(text).__name__}.")
    reader = _Reader(text)
    jaxpr = reader.jaxpr()
    if reader.peek()[0] != "end":
        raise reader.error("there is more text after the program")
    return jaxpr
