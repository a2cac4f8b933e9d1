"""Rules for operations that only move and repeat elements: those that do nothing go, two in a row
become one. None of them computes, so all are exact for every dtype.
"""

from __future__ import annotations

from collections.abc import Sequence

from fx.core.ir import Atom, Eqn, Jaxpr
from fx.core.primitive import P
from fx.passes.algebra import Simplify, one_result
from fx.passes.rewrite import Rewriter, rewrite
from fx.util import without


def shapes(jaxpr: Jaxpr) -> Jaxpr:
    """The program without moves that do nothing or undo one another."""
    return rewrite(jaxpr, _RULES)


def _is_same(eqn: Eqn) -> bool:
    return eqn.invars[0].aval.shape == eqn.outvars[0].aval.shape


def _scalar(r: Rewriter, atom: Atom) -> Atom | None:
    """The rank-0 atom that all elements are, if it is known."""
    repeated = r.made_by(atom, "broadcast_in_dim")
    return (
        repeated.invars[0] if repeated is not None and not repeated.invars[0].aval.shape else None
    )


def _of_scalar(r: Rewriter, eqn: Eqn) -> Atom | None:
    """Any move of a repeated scalar is that scalar, repeated to the new shape."""
    scalar = _scalar(r, eqn.invars[0])
    return None if scalar is None else r.spread(scalar, eqn.outvars[0].aval.shape)


def _unmoved(r: Rewriter, atom: Atom) -> Atom | None:
    """What an atom has the elements of, in the same order: before a change of shape only."""
    for name in ("reshape", "squeeze"):
        eqn = r.made_by(atom, name)
        if eqn is not None:
            return eqn.invars[0]
    eqn = r.made_by(atom, "broadcast_in_dim")
    if eqn is not None and eqn.invars[0].aval.size == atom.aval.size:
        return eqn.invars[0]
    return None


def _reshaped(r: Rewriter, atom: Atom, shape: tuple[int, ...]) -> Atom:
    return atom if atom.aval.shape == shape else r.add(P.reshape, atom, new_sizes=shape)


def _reshape(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x,) = eqn.invars
    if _is_same(eqn):
        return x
    inner = _unmoved(r, x)
    if inner is not None:
        return _reshaped(r, inner, eqn.outvars[0].aval.shape)
    return _of_scalar(r, eqn)


def _squeeze(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x,), dimensions = eqn.invars, eqn.params["dimensions"]
    if not dimensions:
        return x
    inner = _unmoved(r, x)
    if inner is not None:
        return _reshaped(r, inner, eqn.outvars[0].aval.shape)
    repeated = r.made_by(x, "broadcast_in_dim")
    if repeated is None:
        return None
    places = repeated.params["broadcast_dimensions"]
    if not set(places).isdisjoint(dimensions):
        return None
    kept = without(range(len(x.aval.shape)), dimensions)
    return r.add(
        P.broadcast_in_dim,
        repeated.invars[0],
        shape=eqn.outvars[0].aval.shape,
        broadcast_dimensions=tuple(kept.index(d) for d in places),
    )


def _broadcast(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x,), places = eqn.invars, eqn.params["broadcast_dimensions"]
    if _is_same(eqn):
        return x
    shape = eqn.params["shape"]
    repeated = r.made_by(x, "broadcast_in_dim")
    if repeated is not None:
        first = repeated.params["broadcast_dimensions"]
        source, through = repeated.invars[0], tuple(places[d] for d in first)
        return r.add(P.broadcast_in_dim, source, shape=shape, broadcast_dimensions=through)
    # An axis of size 1 that was put in only to be repeated.
    for name in ("reshape", "squeeze"):
        moved = r.made_by(x, name)
        if moved is not None:
            (source,) = moved.invars
            found = _put_in(source.aval.shape, x.aval.shape)
            if found is not None:
                through = tuple(places[d] for d in found)
                return r.add(P.broadcast_in_dim, source, shape=shape, broadcast_dimensions=through)
    return None


def _put_in(before: Sequence[int], after: Sequence[int]) -> tuple[int, ...] | None:
    """Where the axes of a shape are in another one that has axes of size 1 more."""
    places: list[int] = []
    for i, n in enumerate(after):
        if len(places) < len(before) and before[len(places)] == n:
            places.append(i)
        elif n != 1:
            return None
    return tuple(places) if len(places) == len(before) else None


def _transpose(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x,), order = eqn.invars, eqn.params["permutation"]
    if order == tuple(range(len(order))):
        return x
    inner = r.made_by(x, "transpose")
    if inner is not None:
        first = inner.params["permutation"]
        both = tuple(first[i] for i in order)
        if both == tuple(range(len(both))):
            return inner.invars[0]
        return r.add(P.transpose, inner.invars[0], permutation=both)
    repeated = r.made_by(x, "broadcast_in_dim")
    if repeated is None:
        return None
    places = tuple(order.index(d) for d in repeated.params["broadcast_dimensions"])
    if list(places) != sorted(places):
        return None  # the axes of what is repeated would change places
    return r.add(
        P.broadcast_in_dim,
        repeated.invars[0],
        shape=eqn.outvars[0].aval.shape,
        broadcast_dimensions=places,
    )


def _rev(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x,), dimensions = eqn.invars, eqn.params["dimensions"]
    needed = tuple(d for d in dimensions if x.aval.shape[d] > 1)
    if not needed:
        return x
    inner = r.made_by(x, "rev")
    if inner is not None:
        left = tuple(sorted(set(needed) ^ set(inner.params["dimensions"])))
        return r.add(P.rev, inner.invars[0], dimensions=left) if left else inner.invars[0]
    if needed != dimensions:
        return r.add(P.rev, x, dimensions=needed)
    return _of_scalar(r, eqn)


def _slice(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x,) = eqn.invars
    if _is_same(eqn):  # all of it: a start or a stride would leave elements out
        return x
    inner = r.made_by(x, "slice")
    if inner is None:
        return _of_scalar(r, eqn)
    (source,) = inner.invars
    rank = len(x.aval.shape)
    starts, limits, steps = [], [], []
    for i, n in enumerate(eqn.outvars[0].aval.shape):
        first = (inner.params["strides"] or (1,) * rank)[i]
        second = (eqn.params["strides"] or (1,) * rank)[i]
        start = inner.params["start_indices"][i] + first * eqn.params["start_indices"][i]
        step = first * second
        start = min(start, source.aval.shape[i])
        starts.append(start)
        limits.append(start + (n - 1) * step + 1 if n else start)
        steps.append(step)
    return r.add(
        P.slice,
        source,
        start_indices=tuple(starts),
        limit_indices=tuple(limits),
        strides=tuple(steps) if any(s != 1 for s in steps) else None,
    )


def _pad(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x, _), amounts = eqn.invars, eqn.params["padding_config"]
    return x if all(amount == (0, 0, 0) for amount in map(tuple, amounts)) else None


def _concatenate(r: Rewriter, eqn: Eqn) -> Atom | None:
    axis = eqn.params["dimension"]
    full = [v for v in eqn.invars if v.aval.shape[axis]]
    if len(full) == 1:
        return full[0]
    if full and len(full) < len(eqn.invars):
        return r.add(P.concatenate, *full, dimension=axis)
    return None


def _dynamic_slice(r: Rewriter, eqn: Eqn) -> Atom | None:
    return eqn.invars[0] if _is_same(eqn) else None  # the start is moved inside: to 0


def _dynamic_update_slice(r: Rewriter, eqn: Eqn) -> Atom | None:
    x, update = eqn.invars[:2]
    return update if x.aval.shape == update.aval.shape else None


def _reduce(r: Rewriter, eqn: Eqn) -> Atom | None:
    """A fold of single elements. A sum starts from 0.0, which makes 0.0 of -0.0."""
    (x,) = eqn.invars
    if eqn.primitive is P.reduce_sum and x.aval.dtype.kind not in "iu":
        return None
    if any(x.aval.shape[i] != 1 for i in eqn.params["axes"]):
        return None
    return _reshaped(r, x, eqn.outvars[0].aval.shape)


_SIMPLIFY: dict[str, Simplify] = {
    "reshape": _reshape,
    "squeeze": _squeeze,
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "rev": _rev,
    "slice": _slice,
    "pad": _pad,
    "concatenate": _concatenate,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "reduce_sum": _reduce,
    "reduce_prod": _reduce,
    "reduce_max": _reduce,
    "reduce_min": _reduce,
    "reduce_and": _reduce,
    "reduce_or": _reduce,
}
_RULES = {name: one_result(rule) for name, rule in _SIMPLIFY.items()}
