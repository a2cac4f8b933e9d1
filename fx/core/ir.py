"""The IR: a `Jaxpr` is a list of equations over typed variables, in single-assignment form.

Constants live inside the jaxpr: `constvars` are variables whose values are `consts`. A rank-0
constant appears in place, as a `Literal`. Every equation remembers the user's source line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fx.core.avals import ShapedArray

if TYPE_CHECKING:
    from fx.core.primitive import Primitive

T = TypeVar("T", bound=type)


class Var:
    """A variable of the IR; identity is its name."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray):
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var({self.aval.short()})"


class Literal:
    """A rank-0 constant in an equation; `value` is a concrete `fx.Array`."""

    __slots__ = ("aval", "value")

    def __init__(self, value: Any, aval: ShapedArray):
        self.value = value
        self.aval = aval

    @property
    def val(self) -> np.ndarray:
        """The raw rank-0 ndarray."""
        return self.value._data

    def __repr__(self) -> str:
        return f"Literal({self.val}:{self.aval.short()})"


Atom = Var | Literal


class Eqn:
    """`outvars = primitive[params] invars`, written at `source` in the user's code."""

    __slots__ = ("invars", "outvars", "params", "primitive", "source")

    def __init__(
        self,
        primitive: Primitive,
        invars: Sequence[Atom],
        outvars: Sequence[Var],
        params: dict[str, Any],
        source: Any = None,
    ):
        self.primitive = primitive
        self.invars = invars
        self.outvars = outvars
        self.params = params
        self.source = source

    def __repr__(self) -> str:
        return f"Eqn({self.primitive.name}, {list(self.invars)} -> {list(self.outvars)})"


class Jaxpr:
    """A typed first-order program: `lambda constvars; invars. let eqns in outvars`.

    Attributes:
        invars: inputs, `Var`s.
        outvars: results, `Var`s or `Literal`s.
        eqns: equations in order of evaluation.
        constvars, consts: captured arrays, as variables and as values (concrete arrays; tracers
            of an enclosing trace only before the jaxpr is closed over by `calls.close`).
    """

    __slots__ = ("__weakref__", "consts", "constvars", "eqns", "invars", "memo", "outvars")

    def __init__(
        self,
        invars: Sequence[Var],
        outvars: Sequence[Atom],
        eqns: Sequence[Eqn],
        constvars: Sequence[Var] = (),
        consts: Sequence[Any] = (),
    ):
        self.invars = list(invars)
        self.outvars = list(outvars)
        self.eqns = list(eqns)
        self.constvars = list(constvars)
        self.consts = list(consts)
        # Derived programs (jvp, transpose, compiled forms) live and die with their jaxpr.
        self.memo: dict[Any, Any] = {}

    @property
    def in_avals(self) -> list[ShapedArray]:
        return [v.aval for v in self.invars]

    @property
    def out_avals(self) -> list[ShapedArray]:
        return [v.aval for v in self.outvars]

    @property
    def jaxpr(self) -> Jaxpr:
        """Itself: JAX code that unwraps a ClosedJaxpr keeps working."""
        return self

    def __str__(self) -> str:
        return _printer(self)

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def _printer(jaxpr: Jaxpr) -> str:
    return f"<Jaxpr with {len(jaxpr.eqns)} equations>"


def set_printer(function: Any) -> None:
    """Install the printer; `core.pretty` stands above this module and calls this once."""
    global _printer
    _printer = function


def subjaxprs(params: dict[str, Any]) -> list[Jaxpr]:
    """The jaxprs that an equation carries in its parameters, in order, inside tuples too."""
    found: list[Jaxpr] = []
    for value in params.values():
        _collect(value, found)
    return found


def _collect(value: Any, found: list[Jaxpr]) -> None:
    if isinstance(value, Jaxpr):
        found.append(value)
    elif isinstance(value, (tuple, list)):
        for inner in value:
            _collect(inner, found)


READABLE: dict[str, type] = {}


def readable(cls: T) -> T:
    """Decorate a namedtuple or an enum whose values are parameters: printed programs that hold
    them can be read back."""
    READABLE[cls.__name__] = cls
    return cls
