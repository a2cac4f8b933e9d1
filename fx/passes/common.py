"""Common subexpressions: equations that compute the same are computed once.

Equal are the primitive, the operands, and the parameters with their types (True is not 1, 0.0 is
not -0.0). Effects happen as often as they are written, and checkpoints stay apart: what one
computes again is not to be kept from elsewhere.
"""

from __future__ import annotations

from typing import Any

from fx.calls.checkpoint import checkpoint_p
from fx.core.ir import Atom, Eqn, Jaxpr, Literal
from fx.passes.rewrite import Rewriter
from fx.transforms.dce import has_effects

# On these the order of operands says nothing, bit for bit. Not so for the extrema of floats: which
# of -0.0 and 0.0 they give depends on it; and complex products may be fused in either order.
_COMMUTE = frozenset(("add", "eq", "ne", "and", "or", "xor"))


def common(jaxpr: Jaxpr) -> Jaxpr:
    """The program with one of all equations that are the same."""
    r = Rewriter(jaxpr)
    seen: dict[Any, Eqn] = {}
    for old in jaxpr.eqns:
        eqn = r.current(old)
        try:
            first = seen.setdefault(_key(eqn), eqn)
        except TypeError:  # a parameter that is mutable, or unhashable for other reasons
            first = eqn
        if first is eqn:
            r.keep(eqn)
        else:
            r.source = eqn.source
            r.replace_all(eqn, first.outvars)
    return r.finish()


def _key(eqn: Eqn) -> Any:
    primitive = eqn.primitive
    # Only equations with several results carry programs.
    alone = primitive.multiple_results and (primitive is checkpoint_p or has_effects(eqn))
    if alone or primitive.effectful:
        return eqn
    operands = [_operand(v) for v in eqn.invars]
    if len(operands) == 2 and _commutes(primitive.name, eqn.invars[0]):
        operands.sort(key=hash)
    params = eqn.params
    if params:
        return (primitive, *operands, *[(k, frozen(v)) for k, v in params.items()])
    return (primitive, *operands)


def _commutes(name: str, x: Atom) -> bool:
    if name in _COMMUTE:
        return True
    kind = x.aval.dtype.kind
    return kind != "c" if name == "mul" else kind in "biu" and name in ("max", "min")


def _operand(atom: Atom) -> Any:
    if isinstance(atom, Literal):
        value, aval = atom.val, atom.aval
        return (aval.dtype, aval.weak_type, value.tobytes())
    return atom


def frozen(value: Any) -> Any:
    """A parameter as a key: equal are those of one type and value."""
    if isinstance(value, (tuple, list)):
        return (type(value), *map(frozen, value))
    if isinstance(value, float):
        return float, value.hex()
    if isinstance(value, (bool, int)):
        return type(value), value
    if isinstance(value, complex):
        return complex, value.real.hex(), value.imag.hex()
    return value
