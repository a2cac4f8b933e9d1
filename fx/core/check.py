"""The type checker of the IR: every transformation's output must pass it in the tests."""

from __future__ import annotations

from collections.abc import Sequence

from fx.config import config
from fx.core.avals import ShapedArray
from fx.core.ir import Atom, Jaxpr, Literal, Var, subjaxprs
from fx.core.trace import Tracer
from fx.errors import JaxprTypeError, format_source


def check_jaxpr(jaxpr: Jaxpr) -> None:
    """Raise `JaxprTypeError` unless the jaxpr is well formed and well typed.

    Each variable is defined once and before use; constants have their variables' types and are
    no tracers; each equation's results have the types that its primitive infers; the jaxprs inside
    its parameters fit its operands, and the same holds for them.

    Example:
        >>> import fx
        >>> fx.core.check.check_jaxpr(fx.make_jaxpr(lambda x: x * 2)(1.0))
    """
    defined: set[Var] = set()

    def define(var: Var, what: str) -> None:
        if not isinstance(var, Var):
            raise JaxprTypeError(f"{what} must be a Var, got {var!r}")
        if var in defined:
            raise JaxprTypeError(f"{what} {var!r} is defined twice")
        defined.add(var)

    def use(atom: Atom, what: str) -> None:
        if isinstance(atom, Literal):
            value = atom.value
            if value.shape != () or value.dtype != atom.aval.dtype:
                raise JaxprTypeError(f"{what}: literal {atom!r} does not have its own type")
        elif atom not in defined:
            raise JaxprTypeError(f"{what} uses {atom!r} before its definition")

    for var, const in zip(jaxpr.constvars, jaxpr.consts, strict=True):
        define(var, "constant")
        if type(const) is not Tracer and not var.aval.same_type(const.aval):
            raise JaxprTypeError(f"constant of type {const.aval.short()} for {var!r}")
    for var in jaxpr.invars:
        define(var, "input")
    for eqn in jaxpr.eqns:
        where = f"equation {eqn.primitive.name} at {format_source(eqn.source)}"
        for atom in eqn.invars:
            use(atom, where)
        inferred = eqn.primitive.abstract_eval(*[v.aval for v in eqn.invars], **eqn.params)
        types = list(inferred) if eqn.primitive.multiple_results else [inferred]
        if len(types) != len(eqn.outvars):
            raise JaxprTypeError(f"{where}: {len(eqn.outvars)} results, expected {len(types)}")
        for var, aval in zip(eqn.outvars, types, strict=True):
            define(var, f"result of {where}")
            if not var.aval.same_type(aval):
                raise JaxprTypeError(
                    f"{where}: result has type {var.aval.short()}, the primitive infers "
                    f"{aval.short()}"
                )
        eqn.primitive.check_inner(*[v.aval for v in eqn.invars], **eqn.params)
        for inner in subjaxprs(eqn.params):
            check_jaxpr(inner)
    for atom in jaxpr.outvars:
        use(atom, "result")


def checked(jaxpr: Jaxpr) -> Jaxpr:
    """The jaxpr, type-checked if `fx.config.enable_checks` says so."""
    if config.enable_checks:
        check_jaxpr(jaxpr)
    return jaxpr


def expect_types(what: str, found: Sequence[ShapedArray], expected: Sequence[ShapedArray]) -> None:
    """Raise `JaxprTypeError` unless two lists of types are equal, but for weakness."""
    same = len(found) == len(expected)
    if not same or not all(a.same_type(b) for a, b in zip(found, expected, strict=True)):
        raise JaxprTypeError(
            f"{what}: got ({', '.join(a.short() for a in found)}), expected "
            f"({', '.join(a.short() for a in expected)})"
        )
