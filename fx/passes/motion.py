"""Loop-invariant code: what of a body depends only on the loop's constants.

Moved are computations, with the moves of elements that they need; a transpose or a reshape alone
costs nothing where it is. A result must not be larger than what it is computed from, so that a
mask or a counter that a kernel makes on the fly does not become memory. Nothing that could raise,
call Python, or talk to other devices moves: a loop of no steps must not run it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fx.core.ir import Atom, Eqn, Jaxpr, Var
from fx.ops.base import Elementwise
from fx.ops.reduce import OverAxes
from fx.ops.shape import Structural
from fx.passes.rewrite import Rewriter, nbytes
from fx.util import split_list

SMALL = 4096  # bytes that a result may take in any case
_COMPUTE = frozenset(
    [
        "select_n",
        "convert_element_type",
        "dot_general",
        "conv_general_dilated",
        "concatenate",
        "pad",
        "gather",
        "dynamic_slice",
        "cumsum",
        "cumprod",
        "cummax",
        "cummin",
        "random_fold_in",
        "random_split",
        "random_bits",
    ]
)


def moved_out(
    r: Rewriter, body: Jaxpr, operands: Sequence[Atom]
) -> tuple[Jaxpr, list[Atom]] | None:
    """Compute before a loop what does not change in it.

    Args:
        r: where the equations before the loop go.
        body: its first inputs are the constants.
        operands: the constants.

    Returns:
        The body with more constants, behind those that there are, and their values; None if there
        is nothing to move.
    """
    consts, rest = split_list(body.invars, len(operands))
    # For each variable that does not change: bytes of what it is made of.
    made_of = {v: nbytes(v.aval) for v in [*consts, *body.constvars]}
    candidates: dict[Var, Eqn] = {}
    moved: set[Var] = set()
    for eqn in body.eqns:
        view = isinstance(eqn.primitive, Structural) or eqn.primitive.name == "iota"
        if not (view or _computes(eqn)):
            continue
        if any(isinstance(v, Var) and v not in made_of for v in eqn.invars):
            continue
        size = sum(made_of[v] for v in eqn.invars if isinstance(v, Var))
        candidates.update((v, eqn) for v in eqn.outvars)
        made_of.update((v, min(size, nbytes(v.aval))) for v in eqn.outvars)
        if not view and sum(nbytes(v.aval) for v in eqn.outvars) <= max(size, SMALL):
            moved.update(eqn.outvars)
            made_of.update((v, nbytes(v.aval)) for v in eqn.outvars)
    left = [e for e in body.eqns if not e.outvars or not moved.issuperset(e.outvars)]
    used = {v for e in left for v in e.invars} | set(body.outvars)
    border = [v for v in moved if v in used]
    if not border:
        return None
    order = {v: i for i, v in enumerate(v for e in body.eqns for v in e.outvars)}
    border.sort(key=order.__getitem__)

    env: dict[Var, Atom] = dict(zip(consts, operands, strict=True))
    env.update((v, r.const(c)) for v, c in zip(body.constvars, body.consts, strict=True))
    needed = set(border)
    for eqn in reversed(body.eqns):
        if not needed.isdisjoint(eqn.outvars):
            needed.update(v for v in eqn.invars if v in candidates)
    for eqn in body.eqns:
        if needed.isdisjoint(eqn.outvars):
            continue
        outs = [Var(v.aval) for v in eqn.outvars]
        ins: list[Atom] = [env.get(v, v) for v in eqn.invars]  # type: ignore[arg-type]
        r.keep(Eqn(eqn.primitive, ins, outs, eqn.params, eqn.source))
        env.update(zip(eqn.outvars, outs, strict=True))
    invars = [*consts, *border, *rest]
    new = Jaxpr(invars, body.outvars, left, body.constvars, body.consts)
    return new, [env[v] for v in border]


def _computes(eqn: Eqn) -> bool:
    primitive = eqn.primitive
    family = isinstance(primitive, (Elementwise, OverAxes))
    return (family or primitive.name in _COMPUTE) and not primitive.multiple_results
