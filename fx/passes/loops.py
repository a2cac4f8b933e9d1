"""Loops and branches: what does not change leaves the loop, what is decided is not asked.

* A carry that passes through unchanged is a constant of the loop; constants that are literals, or
  the same twice, become part of the body.
* A scan of no step or one, a while whose condition is false, and a cond whose index is known are
  no loops and no choices.
* Equations that depend only on constants are computed once, before the loop (`motion`).
* What one scan stacks for another, which could compute it from the rest, is not (`recompute`).
"""

from __future__ import annotations

from collections.abc import Sequence

from fx.core.ir import Atom, Eqn, Jaxpr, Literal, Var
from fx.core.primitive import P
from fx.passes.motion import moved_out
from fx.passes.recompute import recomputed
from fx.passes.rewrite import Rewriter, literal, renamed, rewrite
from fx.util import split_list


def loops(jaxpr: Jaxpr) -> Jaxpr:
    """The program with less in its loops and branches."""
    return rewrite(jaxpr, {"scan": _scan, "while": _while, "cond": _cond})


def _fixed(operands: Sequence[Atom], invars: Sequence[Var]) -> tuple[dict[Var, Atom], list[bool]]:
    """What a body may read in place of its constants: literals, and the first of equal ones.

    Also which constants are left.
    """
    new: dict[Var, Atom] = {}
    first: dict[Atom, Var] = {}
    for atom, var in zip(operands, invars, strict=True):
        if isinstance(atom, Literal):
            new[var] = atom
        elif first.setdefault(atom, var) is not var:
            new[var] = first[atom]
    return new, [v not in new for v in invars]


def _chosen(items: Sequence, mask: Sequence[bool]) -> list:
    return [x for x, on in zip(items, mask, strict=True) if on]


# ------------------------------------------------------------------ scan
def _scan(r: Rewriter, eqn: Eqn) -> bool:
    nc, k = eqn.params["counts"]
    if eqn.params["length"] == 0 and all(v.aval.dtype.kind != "V" for v in eqn.outvars[k:]):
        empty = [r.spread(literal(0, v.aval), v.aval.shape) for v in eqn.outvars[k:]]
        r.replace_all(eqn, [*eqn.invars[nc : nc + k], *empty])
        return True
    if eqn.params["length"] == 1:
        return _one_step(r, eqn)
    return _scan_constants(r, eqn) or _scan_motion(r, eqn) or recomputed(r, eqn)


def _one_step(r: Rewriter, eqn: Eqn) -> bool:
    jaxpr, (nc, k) = eqn.params["jaxpr"], eqn.params["counts"]
    slices = [r.add(P.squeeze, x, dimensions=(0,)) for x in eqn.invars[nc + k :]]
    outs = r.inline(jaxpr, [*eqn.invars[: nc + k], *slices])
    stacked = [_stacked(r, y, 1) for y in outs[k:]]
    r.replace_all(eqn, [*outs[:k], *stacked])
    return True


def _scan_constants(r: Rewriter, eqn: Eqn) -> bool:
    jaxpr, (nc, k) = eqn.params["jaxpr"], eqn.params["counts"]
    consts, carry, xs = split_list(eqn.invars, nc, k)
    const_vars, carry_vars, x_vars = split_list(jaxpr.invars, nc, k)
    moves = [out is not var for out, var in zip(jaxpr.outvars[:k], carry_vars, strict=True)]
    still = [not m for m in moves]
    consts += _chosen(carry, still)
    const_vars += _chosen(carry_vars, still)
    # Outputs that are the same in every step, and those that are the same as others.
    values = dict(zip(const_vars, consts, strict=True))
    fixed = [out if isinstance(out, Literal) else values.get(out) for out in jaxpr.outvars[k:]]
    first: dict[Atom, Var] = {}
    for var, out, atom in zip(eqn.outvars[k:], jaxpr.outvars[k:], fixed, strict=True):
        if atom is None:
            first.setdefault(out, var)
    ys = list(zip(eqn.outvars[k:], jaxpr.outvars[k:], strict=True))
    wanted_ys = [first.get(out) is var for var, out in ys]
    whole = dict(zip(x_vars, xs, strict=True))
    passed = [whole.get(out) for _, out in ys]  # an input, slice by slice
    wanted_ys = [w and x is None for w, x in zip(wanted_ys, passed, strict=True)]
    # Inputs that are the same in every step.
    repeating = [_repeated(r, x) for x in xs]
    inside = [e for e in (_row(v, e) for v, e in zip(x_vars, repeating, strict=True)) if e]
    for x in repeating:
        if x is not None:
            consts.append(x.invars[0])
    const_vars += [e.invars[0] for e in inside]
    sliced = [x is None for x in repeating]
    xs, x_vars = _chosen(xs, sliced), _chosen(x_vars, sliced)
    new, kept = _fixed(consts, const_vars)
    doubled, wanted = _fixed(xs, x_vars)
    if all((*moves, *wanted_ys, *sliced, *kept, *wanted)):
        return False
    operands = [*_chosen(consts, kept), *_chosen(carry, moves), *_chosen(xs, wanted)]
    invars = [*_chosen(const_vars, kept), *_chosen(carry_vars, moves), *_chosen(x_vars, wanted)]
    body = Jaxpr(jaxpr.invars, jaxpr.outvars, [*inside, *jaxpr.eqns], jaxpr.constvars, jaxpr.consts)
    body = renamed(body, {**new, **doubled}, invars)
    body.outvars = _chosen(body.outvars, [*moves, *wanted_ys])
    outs = _chosen(eqn.outvars, [*moves, *wanted_ys])
    params = {**eqn.params, "jaxpr": body, "counts": (sum(kept), sum(moves))}
    r.keep(Eqn(eqn.primitive, operands, outs, params, eqn.source))
    r.changed = True
    for var, atom in zip(_chosen(eqn.outvars[:k], still), _chosen(carry, still), strict=True):
        r.replace(var, atom)
    for (var, out), atom, x in zip(ys, fixed, passed, strict=True):
        if x is not None:
            r.replace(var, x)
        elif atom is not None:
            r.replace(var, _stacked(r, atom, eqn.params["length"]))
        elif first[out] is not var:
            r.replace(var, first[out])
    return True


def _repeated(r: Rewriter, x: Atom) -> Eqn | None:
    """The equation that repeats something along the axis that a scan runs over."""
    eqn = r.made_by(x, "broadcast_in_dim")
    return eqn if eqn is not None and 0 not in eqn.params["broadcast_dimensions"] else None


def _row(var: Var, eqn: Eqn | None) -> Eqn | None:
    """The same inside the body, for one step: an equation for a variable that was sliced."""
    if eqn is None:
        return None
    params = {
        "shape": eqn.params["shape"][1:],
        "broadcast_dimensions": tuple(d - 1 for d in eqn.params["broadcast_dimensions"]),
    }
    return Eqn(eqn.primitive, (Var(eqn.invars[0].aval),), (var,), params, eqn.source)


def _stacked(r: Rewriter, atom: Atom, length: int) -> Atom:
    """The same value for each step."""
    rank = len(atom.aval.shape)
    return r.add(
        P.broadcast_in_dim,
        atom,
        shape=(length, *atom.aval.shape),
        broadcast_dimensions=tuple(range(1, rank + 1)),
    )


def _scan_motion(r: Rewriter, eqn: Eqn) -> bool:
    nc, k = eqn.params["counts"]
    moved = moved_out(r, eqn.params["jaxpr"], eqn.invars[:nc])
    if moved is None:
        return False
    body, more = moved
    params = {**eqn.params, "jaxpr": body, "counts": (nc + len(more), k)}
    operands = [*eqn.invars[:nc], *more, *eqn.invars[nc:]]
    r.keep(Eqn(eqn.primitive, operands, eqn.outvars, params, eqn.source))
    r.changed = True
    return True


# ------------------------------------------------------------------ while
def _while(r: Rewriter, eqn: Eqn) -> bool:
    test, (k, m) = eqn.params["cond_jaxpr"], eqn.params["counts"]
    going = test.outvars[0]
    if isinstance(going, Literal) and not going.val:
        r.replace_all(eqn, eqn.invars[k + m :])
        return True
    return _while_constants(r, eqn) or _while_motion(r, eqn)


def _while_constants(r: Rewriter, eqn: Eqn) -> bool:
    test, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
    k, m = eqn.params["counts"]
    test_consts, body_consts, carry = split_list(eqn.invars, k, m)
    test_vars, test_carry = split_list(test.invars, k)
    body_vars, body_carry = split_list(body.invars, m)
    moves = [out is not var for out, var in zip(body.outvars, body_carry, strict=True)]
    if not any(moves):
        return False  # it never starts or never ends: as it is written
    still = [not x for x in moves]
    test_consts += _chosen(carry, still)
    body_consts += _chosen(carry, still)
    test_vars += _chosen(test_carry, still)
    body_vars += _chosen(body_carry, still)
    test_new, test_kept = _fixed(test_consts, test_vars)
    body_new, body_kept = _fixed(body_consts, body_vars)
    if all(moves) and all(test_kept) and all(body_kept):
        return False
    new_test = renamed(
        test, test_new, [*_chosen(test_vars, test_kept), *_chosen(test_carry, moves)]
    )
    new_body = renamed(
        body, body_new, [*_chosen(body_vars, body_kept), *_chosen(body_carry, moves)]
    )
    new_body.outvars = _chosen(new_body.outvars, moves)
    operands = [
        *_chosen(test_consts, test_kept),
        *_chosen(body_consts, body_kept),
        *_chosen(carry, moves),
    ]
    params = {
        "cond_jaxpr": new_test,
        "body_jaxpr": new_body,
        "counts": (sum(test_kept), sum(body_kept)),
    }
    r.keep(Eqn(eqn.primitive, operands, _chosen(eqn.outvars, moves), params, eqn.source))
    r.changed = True
    for var, atom in zip(_chosen(eqn.outvars, still), _chosen(carry, still), strict=True):
        r.replace(var, atom)
    return True


def _while_motion(r: Rewriter, eqn: Eqn) -> bool:
    k, m = eqn.params["counts"]
    tested = moved_out(r, eqn.params["cond_jaxpr"], eqn.invars[:k])
    stepped = moved_out(r, eqn.params["body_jaxpr"], eqn.invars[k : k + m])
    if tested is None and stepped is None:
        return False
    test, more_test = tested or (eqn.params["cond_jaxpr"], [])
    body, more_body = stepped or (eqn.params["body_jaxpr"], [])
    operands = [*eqn.invars[:k], *more_test, *eqn.invars[k : k + m], *more_body]
    params = {
        "cond_jaxpr": test,
        "body_jaxpr": body,
        "counts": (k + len(more_test), m + len(more_body)),
    }
    r.keep(Eqn(eqn.primitive, [*operands, *eqn.invars[k + m :]], eqn.outvars, params, eqn.source))
    r.changed = True
    return True


# ------------------------------------------------------------------ cond
def _cond(r: Rewriter, eqn: Eqn) -> bool:
    (index, *operands), branches = eqn.invars, eqn.params["branches"]
    if isinstance(index, Literal):
        taken = branches[min(max(int(index.val), 0), len(branches) - 1)]
        r.replace_all(eqn, r.inline(taken, operands))
        return True
    # Results that are the same operand whatever the index.
    places = [{v: i for i, v in enumerate(b.invars)} for b in branches]
    outs: list[Atom | None] = []
    for column in zip(*[b.outvars for b in branches], strict=True):
        found = {p.get(v, -1) for p, v in zip(places, column, strict=True)}
        place = found.pop()
        outs.append(operands[place] if not found and place >= 0 else None)
    kept = [x is None for x in outs]
    sets = [_fixed(operands, b.invars) for b in branches]
    left = sets[0][1]
    if all(kept) and all(left):
        return False
    new = []
    for branch, (atoms, _) in zip(branches, sets, strict=True):
        body = renamed(branch, atoms, _chosen(branch.invars, left))
        body.outvars = _chosen(body.outvars, kept)
        new.append(body)
    r.keep(
        Eqn(
            eqn.primitive,
            [index, *_chosen(operands, left)],
            _chosen(eqn.outvars, kept),
            {**eqn.params, "branches": tuple(new)},
            eqn.source,
        )
    )
    r.changed = True
    for var, atom in zip(eqn.outvars, outs, strict=True):
        if atom is not None:
            r.replace(var, atom)
    return True
