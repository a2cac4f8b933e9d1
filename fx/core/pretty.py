"""The printer: a jaxpr as text in JAX's notation.

    { lambda a:f32[3]=[1.0, 2.0, 3.0]; b:f32[3]. let
        c:f32[3] = mul a b
        d:f32[] = reduce_sum[axes=(0,)] c
      in (d,) }

Constants stand before the semicolon, with their values where they are small. Parameters print in
alphabetical order, None is left out; an inner jaxpr is indented. Numbers have the digits that tell
them apart, and a string is quoted where it could be taken for something else: `fx.core.parse` reads
the notation back, but for Python objects, which print as `<function f>`.
"""

from __future__ import annotations

import enum
import functools
import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.ir import Atom, Eqn, Jaxpr, Literal, Var, set_printer, subjaxprs

# What a variable may not be called, and a string may not be without quotes.
WORDS = frozenset(["in", "let", "lambda", "inf", "nan", "infj", "nanj", "None", "True", "False"])
DTYPE = r"(?:bool|bf16|f8_\w+|[iufc]\d+|key<fry>|float0)"
_PLAIN = re.compile(r"[A-Za-z_<][\w<>]*")
_DTYPE = re.compile(DTYPE)
MAX_CONST = 8


def _names() -> Iterator[str]:
    """a, b, ..., z, aa, ab, ..."""
    count = 0
    while True:
        n, text = count, ""
        while True:
            n, letter = divmod(n, 26)
            text = chr(97 + letter) + text
            if n == 0:
                break
            n -= 1
        if text not in WORDS:
            yield text
        count += 1


@functools.cache
def named_params(kind: type) -> frozenset[str]:
    """The parameters that a class of primitives always has: None is left out for these, and put
    back by the reader."""
    parameters = inspect.signature(kind.abstract_eval).parameters.values()
    absent = (inspect.Parameter.empty, None)
    return frozenset(
        p.name
        for p in parameters
        if p.kind is inspect.Parameter.KEYWORD_ONLY and any(p.default is d for d in absent)
    )


class _Printer:
    def __init__(self, source: bool, max_const: int) -> None:
        self.fresh = _names()
        self.names: dict[Var, str] = {}
        self.source = source
        self.max_const = max_const

    def define(self, var: Var) -> str:
        name = self.names.setdefault(var, next(self.fresh))
        return f"{name}:{var.aval.short()}"

    def const(self, var: Var, value: Any) -> str:
        if type(value) is not Array or value.size > self.max_const:
            return self.define(var)
        data = value._data
        if dtypes.is_key(data.dtype):
            data = np.ascontiguousarray(data).view(np.uint32)
        return f"{self.define(var)}=[{', '.join(number(x) for x in data.reshape(-1))}]"

    def use(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            return f"{number(atom.val[()])}:{atom.aval.short()}"
        return self.names.get(atom, "?")

    def jaxpr(self, jaxpr: Jaxpr, indent: int) -> str:
        pairs = zip(jaxpr.constvars, jaxpr.consts, strict=True)
        consts = " ".join(self.const(v, c) for v, c in pairs)
        ins = " ".join(self.define(v) for v in jaxpr.invars)
        head = f"{{ lambda {consts}; {ins}. let"
        eqns = [self.eqn(e, indent + 4) for e in jaxpr.eqns]
        outs = ", ".join(self.use(v) for v in jaxpr.outvars)
        tail = f"in ({outs}{',' if len(jaxpr.outvars) == 1 else ''}) }}"
        if not eqns:
            return f"{head} {tail}"
        one = f"{head} {'; '.join(eqns)} {tail}"
        if len(eqns) <= 2 and "\n" not in one and len(one) + indent <= 80 and not self.source:
            return one
        pad = " " * indent
        body = "".join(f"\n{pad}    {line}" for line in eqns)
        return f"{head}{body}\n{pad}  {tail}"

    def eqn(self, eqn: Eqn, indent: int) -> str:
        outs = " ".join(self.define(v) for v in eqn.outvars)
        ins = " ".join(self.use(v) for v in eqn.invars)
        params = self.params(eqn, indent)
        where = ""
        if self.source and eqn.source is not None:
            name = eqn.source.code.co_filename.rsplit("/", 1)[-1]
            scope = f" {eqn.source.scope}" if eqn.source.scope else ""
            where = f"  # {name}:{eqn.source.line}{scope}"
        return f"{outs} = {eqn.primitive.name}{params} {ins}".strip() + where

    def params(self, eqn: Eqn, indent: int) -> str:
        named = named_params(type(eqn.primitive))
        shown = {k: v for k, v in sorted(eqn.params.items()) if v is not None or k not in named}
        if not shown:
            return ""
        if not subjaxprs(eqn.params):
            return "[" + " ".join(f"{k}={self.value(v, indent)}" for k, v in shown.items()) + "]"
        pad = " " * (indent + 2)
        lines = [f"{pad}{k}={self.value(v, indent + 2)}" for k, v in shown.items()]
        return "[\n" + "\n".join(lines) + "\n" + " " * indent + "]"

    def value(self, value: Any, indent: int, quoted: bool = False) -> str:
        """A parameter; strings inside others have quotes."""
        if isinstance(value, Jaxpr):
            return _Printer(self.source, self.max_const).jaxpr(value, indent)
        if isinstance(value, enum.Enum):
            return f"{type(value).__name__}.{value.name}"
        if isinstance(value, (tuple, list)):
            return self.items(value, indent)
        if isinstance(value, str):
            return repr(value) if quoted else _text(value)
        return _scalar(value)

    def items(self, value: Any, indent: int) -> str:
        brackets = "[]" if isinstance(value, list) else "()"
        fields = getattr(value, "_fields", None)
        if subjaxprs({"": value}):
            pad = " " * (indent + 2)
            rows = [self.value(v, indent + 2, True) for v in value]
            between = "" if fields is None else ","
            if fields is not None:
                rows = [f"{k}={row}" for k, row in zip(fields, rows, strict=True)]
            inner = f"{between}\n".join(pad + row for row in rows)
            inner = f"\n{inner}\n{' ' * indent}"
        elif fields is not None:
            pairs = zip(fields, value, strict=True)
            inner = ", ".join(f"{k}={self.value(v, indent, True)}" for k, v in pairs)
        else:
            inner = ", ".join(self.value(v, indent, True) for v in value)
            if len(value) == 1 and brackets == "()":
                inner += ","
        name = "" if fields is None else type(value).__name__
        return f"{name}{brackets[0]}{inner}{brackets[1]}"


def _text(value: str) -> str:
    plain = _PLAIN.fullmatch(value) and value not in WORDS and not _DTYPE.fullmatch(value)
    return value if plain else repr(value)


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float, complex)):
        return repr(value) if not isinstance(value, np.generic) else _numpy_scalar(value)
    if isinstance(value, np.dtype):
        return dtypes.short_name(value)
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        return _numpy_scalar(np.asarray(value)[()])
    if isinstance(value, ShapedArray):
        return value.short()
    kind = "function" if callable(value) else "object"
    return f"<{kind} {getattr(value, '__name__', type(value).__name__)}>"


def _numpy_scalar(value: Any) -> str:
    return f"{number(value)}:{dtypes.short_name(value.dtype)}[]"


def number(value: Any) -> str:
    """A NumPy scalar, with as many digits as tell it from the other values of its dtype."""
    if value.dtype.kind == "c":
        real, imag = str(value.real), str(value.imag)
        return f"({real}{'' if imag.startswith('-') else '+'}{imag}j)"
    return str(value)


def pretty(jaxpr: Jaxpr, *, source: bool = False, max_const: int = MAX_CONST) -> str:
    """A jaxpr as text.

    Args:
        jaxpr: a program.
        source: follow each equation by the user's file and line.
        max_const: constants of up to so many elements print with their values.

    Example:
        >>> import fx
        >>> print(fx.core.pretty.pretty(fx.make_jaxpr(lambda x: -x)(1.0)))
        { lambda ; a:~f32[]. let b:~f32[] = neg a in (b,) }
    """
    return _Printer(source, max_const).jaxpr(jaxpr, 0)


set_printer(pretty)
