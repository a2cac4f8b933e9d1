"""Arithmetic before repetition: what would compute the same number many times computes it once.

An operand of elementwise arithmetic that is a repeated scalar becomes the scalar, which broadcasts
in place. Where all operands are repeated in the same way, they are computed with first and the
result is repeated.
"""

from __future__ import annotations

import math

from fx.core.ir import Atom, Eqn, Jaxpr
from fx.core.primitive import P
from fx.ops.base import Elementwise
from fx.passes.rewrite import Rewriter


def broadcasts(jaxpr: Jaxpr) -> Jaxpr:
    """The program with repetition as late as possible."""
    r = Rewriter(jaxpr)
    for old in jaxpr.eqns:
        eqn = r.current(old)
        r.source = eqn.source
        atom = _later(r, eqn) if _is_elementwise(eqn) else None
        if atom is None:
            r.keep(eqn)
        else:
            r.replace(eqn.outvars[0], atom)
    return r.finish()


def _is_elementwise(eqn: Eqn) -> bool:
    primitive = eqn.primitive
    named = primitive is P.convert_element_type or primitive is P.select_n
    return named or (isinstance(primitive, Elementwise) and not primitive.multiple_results)


def _later(r: Rewriter, eqn: Eqn) -> Atom | None:
    shape = eqn.outvars[0].aval.shape
    if not shape:
        return None
    repeated = [r.made_by(v, "broadcast_in_dim") for v in eqn.invars]
    if not any(repeated):
        return None
    # With scalars in place: what is left of the full operands, and how each is repeated.
    operands = [
        e.invars[0] if e is not None and not e.invars[0].aval.shape else v
        for v, e in zip(eqn.invars, repeated, strict=True)
    ]
    full = [(v, e) for v, e in zip(operands, repeated, strict=True) if v.aval.shape]
    if not full:
        return r.spread(_computed(r, eqn, operands), shape)
    (_, first) = full[0]
    alike = first is not None and all(e is not None and _alike(e, first) for _, e in full)
    if first is not None and alike and first.invars[0].aval.size < math.prod(shape):
        inner = [
            e.invars[0] if e is not None else v for v, e in zip(operands, repeated, strict=True)
        ]
        if eqn.primitive is P.select_n:
            inner[1:] = [r.spread(v, first.invars[0].aval.shape) for v in inner[1:]]
        return r.add(P.broadcast_in_dim, _computed(r, eqn, inner), **first.params)
    # The cases of select_n keep their shape; its selector may be a scalar.
    free = [0] if eqn.primitive is P.select_n else range(len(operands))
    operands = [operands[i] if i in free else v for i, v in enumerate(eqn.invars)]
    if all(a is b for a, b in zip(operands, eqn.invars, strict=True)):
        return None
    return _computed(r, eqn, operands)


def _alike(a: Eqn, b: Eqn) -> bool:
    return (
        a.params["broadcast_dimensions"] == b.params["broadcast_dimensions"]
        and a.invars[0].aval.shape == b.invars[0].aval.shape
    )


def _computed(r: Rewriter, eqn: Eqn, operands: list[Atom]) -> Atom:
    return r.add(eqn.primitive, *operands, **eqn.params)
