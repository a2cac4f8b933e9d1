"""The printer: a jaxpr as text in JAX's notation.

    { lambda a:f32[3]; b:f32[3]. let
        c:f32[3] = mul a b
        d:f32[] = reduce_sum[axes=(0,)] c
      in (d,) }

Constants stand before the semicolon. Parameters print in alphabetical order; an inner jaxpr is
indented. `fx.testing` reads the notation back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fx import dtypes
from fx.core.ir import Atom, Eqn, Jaxpr, Literal, Var, set_printer, subjaxprs


def _names() -> Any:
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
        yield text
        count += 1


class _Printer:
    def __init__(self, source: bool) -> None:
        self.fresh = _names()
        self.names: dict[Var, str] = {}
        self.source = source

    def define(self, var: Var) -> str:
        name = self.names.setdefault(var, next(self.fresh))
        return f"{name}:{var.aval.short()}"

    def use(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            return f"{_number(atom.val)}:{atom.aval.short()}"
        return self.names.get(atom, "?")

    def jaxpr(self, jaxpr: Jaxpr, indent: int) -> str:
        consts = " ".join(self.define(v) for v in jaxpr.constvars)
        ins = " ".join(self.define(v) for v in jaxpr.invars)
        head = f"{{ lambda {consts}; {ins}. let".replace("lambda ;", "lambda ;")
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
        return f"{outs} = {eqn.primitive.name}{params} {ins}".rstrip() + where

    def params(self, eqn: Eqn, indent: int) -> str:
        shown = {k: v for k, v in sorted(eqn.params.items()) if v is not None}
        if not shown:
            return ""
        if not subjaxprs(eqn.params):
            return "[" + " ".join(f"{k}={_value(v)}" for k, v in shown.items()) + "]"
        pad = " " * (indent + 2)
        lines = [f"{pad}{k}={self.param(v, indent + 2)}" for k, v in shown.items()]
        return "[\n" + "\n".join(lines) + "\n" + " " * indent + "]"

    def param(self, value: Any, indent: int) -> str:
        if isinstance(value, Jaxpr):
            return _Printer(self.source).jaxpr(value, indent)
        if isinstance(value, (tuple, list)) and any(isinstance(v, Jaxpr) for v in value):
            pad = " " * (indent + 2)
            inner = "\n".join(pad + self.param(v, indent + 2) for v in value)
            return f"(\n{inner}\n{' ' * indent})"
        return _value(value)


def _number(value: np.ndarray) -> str:
    if value.dtype.kind == "b":
        return str(bool(value))
    if dtypes.is_integer(value.dtype):
        return str(int(value))
    if value.dtype.kind == "c":
        return repr(complex(value))
    text = repr(float(value))
    short = f"{float(value):.7g}"
    return text if dtypes.short_name(value.dtype) == "f64" or float(short) == float(text) else short


def _value(value: Any) -> str:
    if isinstance(value, np.dtype):
        return "float0" if value == dtypes.float0 else dtypes.short_name(value)
    if isinstance(value, np.ndarray):
        return f"array({value.dtype}{list(value.shape)})"
    if isinstance(value, tuple) and type(value) is tuple:
        inner = ", ".join(_value(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return str(value)


def pretty(jaxpr: Jaxpr, *, source: bool = False) -> str:
    """A jaxpr as text; with `source`, each equation followed by the user's file and line.

    Example:
        >>> import fx
        >>> print(fx.core.pretty.pretty(fx.make_jaxpr(lambda x: -x)(1.0)))
        { lambda ; a:~f32[]. let b:~f32[] = neg a in (b,) }
    """
    return _Printer(source).jaxpr(jaxpr, 0)


set_printer(pretty)
