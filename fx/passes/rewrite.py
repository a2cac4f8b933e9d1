"""What the passes share: a program that is made from another, equation by equation.

A pass walks over the equations in order. It keeps an equation, or says what stands for its results;
later equations then read that. Programs are never changed in place: jit's bodies are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.core.array import Array, scalar
from fx.core.avals import ShapedArray
from fx.core.ir import Atom, Eqn, Jaxpr, Literal, Var
from fx.core.primitive import P, Primitive

Rule = Callable[["Rewriter", Eqn], bool]


def literal(value: Any, aval: ShapedArray) -> Literal:
    """A rank-0 constant of the dtype and weakness of a type."""
    array = scalar(value, aval.dtype, aval.weak_type)
    return Literal(array, array.aval)


def pure(eqn: Eqn) -> bool:
    """Whether an equation is nothing but a function of its operands that may be evaluated at any
    time, any number of times: no call of Python, no exchange with other devices."""
    primitive = eqn.primitive
    return not (
        primitive.effectful or hasattr(primitive, "axis_names") or primitive.name == "pure_callback"
    )


def renamed(jaxpr: Jaxpr, new: dict[Var, Atom], invars: Sequence[Var]) -> Jaxpr:
    """A program that reads other atoms in place of some variables, with new inputs."""
    eqns = [with_operands(e, [_read(new, v) for v in e.invars]) for e in jaxpr.eqns]
    outvars = [_read(new, v) for v in jaxpr.outvars]
    return Jaxpr(invars, outvars, eqns, jaxpr.constvars, jaxpr.consts)


def with_operands(eqn: Eqn, operands: Sequence[Atom]) -> Eqn:
    """The equation on other operands."""
    return Eqn(eqn.primitive, operands, eqn.outvars, eqn.params, eqn.source)


def _read(new: dict[Var, Atom], atom: Atom) -> Atom:
    return new.get(atom, atom)  # type: ignore[arg-type]


class Rewriter:
    """A program in the making.

    Attributes:
        eqns: what there is of it.
        changed: whether it differs from the one that it is made from.
        consts: the values of variables that are constants.
        source: of the equations that `add` makes: that of the equation at hand.
    """

    def __init__(self, jaxpr: Jaxpr):
        self.jaxpr = jaxpr
        self.eqns: list[Eqn] = []
        self.changed = False
        self.consts: dict[Var, Any] = dict(zip(jaxpr.constvars, jaxpr.consts, strict=True))
        self.source: Any = None
        self._by_id: dict[int, Var] = {id(c): v for v, c in self.consts.items()}
        self._new: dict[Var, Atom] = {}
        self._made: dict[Var, Eqn] = {}
        self._results = {v for v in jaxpr.outvars if isinstance(v, Var)}

    # ------------------------------------------------------------------ reading
    def read(self, atom: Atom) -> Atom:
        """What stands for an atom of the original."""
        return self._new.get(atom, atom)  # type: ignore[arg-type]

    def current(self, eqn: Eqn) -> Eqn:
        """An equation of the original on what stands for its operands."""
        new = self._new
        if new and not new.keys().isdisjoint(eqn.invars):
            return with_operands(eqn, [self.read(v) for v in eqn.invars])
        return eqn

    def made_by(self, atom: Atom, name: str) -> Eqn | None:
        """The equation that makes an atom, if it is one of the primitive."""
        eqn = self._made.get(atom)  # type: ignore[arg-type]
        return eqn if eqn is not None and eqn.primitive.name == name else None

    def is_result(self, var: Var) -> bool:
        """Whether a variable is a result of the program."""
        return var in self._results

    # ------------------------------------------------------------------ writing
    def keep(self, eqn: Eqn) -> None:
        """Append an equation."""
        self.eqns.append(eqn)
        for v in eqn.outvars:
            self._made[v] = eqn

    def add(self, primitive: Primitive, *operands: Atom, **params: Any) -> Var:
        """Append a new equation with one result, which is returned."""
        var = Var(primitive.abstract_eval(*[v.aval for v in operands], **params))
        self.keep(Eqn(primitive, operands, (var,), params, self.source))
        return var

    def replace(self, var: Var, atom: Atom) -> None:
        """Let an atom of the same type stand for a variable of the original.

        Weakness is of no interest but to results of the program, which keep theirs.
        """
        self.changed = True
        weak = var.aval.weak_type
        if weak != atom.aval.weak_type and var in self._results:
            params = {"new_dtype": var.aval.dtype, "weak_type": weak}
            self.keep(Eqn(P.convert_element_type, (atom,), (var,), params, self.source))
        else:
            self._new[var] = atom

    def replace_all(self, eqn: Eqn, atoms: Sequence[Atom]) -> None:
        """Let atoms stand for the results of an equation."""
        for var, atom in zip(eqn.outvars, atoms, strict=True):
            self.replace(var, atom)

    def const(self, value: Array) -> Var:
        """The variable of a constant array; one for each array."""
        var = self._by_id.get(id(value))
        if var is None:
            var = self._by_id[id(value)] = Var(value.aval)
            self.consts[var] = value
        return var

    def spread(self, atom: Atom, shape: tuple[int, ...]) -> Atom:
        """A rank-0 atom repeated to a shape; one of that shape as it is."""
        if atom.aval.shape == shape:
            return atom
        return self.add(P.broadcast_in_dim, atom, shape=shape, broadcast_dimensions=())

    def inline(self, body: Jaxpr, operands: Sequence[Atom]) -> list[Atom]:
        """Append the equations of a program on operands, with variables of their own."""
        new: dict[Var, Atom] = dict(zip(body.invars, operands, strict=True))
        for var, value in zip(body.constvars, body.consts, strict=True):
            new[var] = self.const(value)
        for eqn in body.eqns:
            outs = [Var(v.aval) for v in eqn.outvars]
            ins = [_read(new, v) for v in eqn.invars]
            self.keep(Eqn(eqn.primitive, ins, outs, eqn.params, eqn.source))
            new.update(zip(eqn.outvars, outs, strict=True))
        return [_read(new, v) for v in body.outvars]

    def finish(self) -> Jaxpr:
        """The new program; the original where nothing has changed."""
        if not self.changed:
            return self.jaxpr
        outvars = [self.read(v) for v in self.jaxpr.outvars]
        return Jaxpr(self.jaxpr.invars, outvars, self.eqns, [*self.consts], [*self.consts.values()])


def rewrite(jaxpr: Jaxpr, rules: dict[str, Rule]) -> Jaxpr:
    """Apply rules, by name of primitive, to all equations.

    A rule gets the equation on its current operands. It returns False to keep it, or calls
    `replace` for its results (or `keep` for another equation) and returns True.
    """
    if not any(e.primitive.name in rules for e in jaxpr.eqns):
        return jaxpr
    r = Rewriter(jaxpr)
    for old in jaxpr.eqns:
        eqn = r.current(old)
        rule = rules.get(eqn.primitive.name)
        if rule is not None:
            r.source = eqn.source
            if rule(r, eqn):
                continue
        r.keep(eqn)
    return r.finish()


def nbytes(aval: ShapedArray) -> int:
    """The memory that an array of a type takes."""
    return aval.size * np.dtype(aval.dtype).itemsize
