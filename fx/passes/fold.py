"""Constant folding: equations whose operands are known are evaluated now, by the interpreter.

Small results only: a large constant is memory where there was a computation. Counting (`iota`) and
repeating stay equations, since a kernel does them for free, but what is computed from them can be
folded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fx.core.array import Array
from fx.core.ir import Atom, Eqn, Jaxpr, Literal, Var, subjaxprs
from fx.passes.rewrite import Rewriter, pure
from fx.util import quiet_fp

LARGEST = 1024  # elements of an operand or a result
_FREE = frozenset(("iota", "broadcast_in_dim"))


class _Folder(Rewriter):
    """A rewriter that knows values."""

    def __init__(self, jaxpr: Jaxpr):
        super().__init__(jaxpr)
        self.known = {v for v, c in self.consts.items() if type(c) is Array and c.size <= LARGEST}
        self.values: dict[Var, np.ndarray] = {}

    def is_known(self, atom: Atom) -> bool:
        return isinstance(atom, Literal) or atom in self.known

    def value(self, atom: Atom) -> np.ndarray:
        if isinstance(atom, Literal):
            return atom.val
        if atom in self.consts:
            return self.consts[atom]._data
        if atom not in self.values:
            eqn = self.made_by(atom, "iota") or self.made_by(atom, "broadcast_in_dim")
            assert eqn is not None
            (self.values[atom],) = self.evaluate(eqn)
        return self.values[atom]

    def evaluate(self, eqn: Eqn) -> list[np.ndarray]:
        out = eqn.primitive.impl(np, *[self.value(v) for v in eqn.invars], **eqn.params)
        return [np.asarray(x) for x in (out if eqn.primitive.multiple_results else [out])]


def fold(jaxpr: Jaxpr) -> Jaxpr:
    """The program with constants in place of what can be computed from constants."""
    r = _Folder(jaxpr)
    with quiet_fp():
        for old in jaxpr.eqns:
            eqn = r.current(old)
            small = all(v.aval.size <= LARGEST for v in eqn.outvars)
            if small and all(r.is_known(v) for v in eqn.invars):
                if eqn.primitive.name in _FREE:
                    r.known.update(eqn.outvars)
                elif eqn.invars and _fold(r, eqn):
                    continue
            r.keep(eqn)
    return r.finish()


def _fold(r: _Folder, eqn: Eqn) -> bool:
    if not pure(eqn) or subjaxprs(eqn.params):
        return False
    try:
        values = r.evaluate(eqn)
    except Exception:  # let it fail where the program runs
        return False
    avals = [v.aval for v in eqn.outvars]
    if any((x.shape, x.dtype) != (a.shape, a.dtype) for x, a in zip(values, avals, strict=True)):
        return False
    atoms: list[Any] = []
    for value, aval in zip(values, avals, strict=True):
        array = Array(np.array(value, order="C"), aval.weak_type)
        if not aval.shape and aval.dtype.kind != "V":
            atoms.append(Literal(array, aval))
        else:
            atoms.append(r.const(array))
            r.known.add(atoms[-1])
    r.source = eqn.source
    r.replace_all(eqn, atoms)
    return True
