"""The optimizer: passes over the IR, each a function from a jaxpr to a jaxpr, run before compiling.

    inline_calls   bodies of jit and custom derivatives in place of their calls
    dead           what nothing needs goes
    loops          less in loops and branches; what does not change leaves the loop
    common         equations that are the same become one
    shapes         moves that do nothing or undo one another go
    algebra        arithmetic that changes nothing goes
    broadcasts     arithmetic before repetition
    fold           what is known is computed now
    bodies         all of this inside loops, branches and checkpoints

Each pass gives back its argument itself where it has nothing to do. A pass changes no value: on the
interpreter a program gives the same bits before and after, for NaN, infinities and zeros of
either sign. What users see of a program does not change either: the types of its results, its
effects and their order, the source lines of its equations. The interpreter runs programs as they
are written, and so is the oracle for what compilers make of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fx.core.ir import Eqn, Jaxpr
from fx.passes.algebra import algebra
from fx.passes.broadcasts import broadcasts
from fx.passes.common import common
from fx.passes.dead import dead
from fx.passes.fold import fold
from fx.passes.inline import inline_calls
from fx.passes.loops import loops
from fx.passes.shapes import shapes

_CARRIERS = frozenset(("scan", "while", "cond", "checkpoint", "pmap"))


def bodies(jaxpr: Jaxpr) -> Jaxpr:
    """The program with optimized bodies in its loops, branches, checkpoints and maps."""
    eqns = [_with_bodies(e) if e.primitive.name in _CARRIERS else e for e in jaxpr.eqns]
    if all(a is b for a, b in zip(eqns, jaxpr.eqns, strict=True)):
        return jaxpr
    return Jaxpr(jaxpr.invars, jaxpr.outvars, eqns, jaxpr.constvars, jaxpr.consts)


def _with_bodies(eqn: Eqn) -> Eqn:
    params = {name: _optimized(value) for name, value in eqn.params.items()}
    if all(params[name] is value for name, value in eqn.params.items()):
        return eqn
    return Eqn(eqn.primitive, eqn.invars, eqn.outvars, params, eqn.source)


def _optimized(value: Any) -> Any:
    if isinstance(value, Jaxpr):
        return optimize(value)
    if type(value) is tuple and value and all(isinstance(x, Jaxpr) for x in value):
        new = tuple(optimize(x) for x in value)
        return value if all(a is b for a, b in zip(new, value, strict=True)) else new
    return value


PASSES: tuple[Callable[[Jaxpr], Jaxpr], ...] = (
    inline_calls,
    dead,
    bodies,
    loops,
    common,
    shapes,
    algebra,
    broadcasts,
    fold,
)
ROUNDS = 10


def optimize(jaxpr: Jaxpr) -> Jaxpr:
    """A program that computes the same with less: the passes in turn, until none finds anything.

    Args:
        jaxpr: any closed program. It stays as it is.

    Returns:
        A program of the same type, kept with the first: the jaxpr itself if it is optimal.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> from fx.passes import optimize
        >>> optimize(fx.make_jaxpr(lambda x: -(-x) * 1.0 + jnp.sin(x) + jnp.sin(x))(2.0))
        { lambda ; a:~f32[]. let
            b:~f32[] = sin a
            c:~f32[] = add a b
            d:~f32[] = add c b
          in (d,) }
    """
    best = jaxpr.memo.get("optimized")
    if best is None:
        best = _run(jaxpr)
        # A program that refers to itself would live until the next garbage collection.
        best.memo["optimized"] = _ITSELF
        jaxpr.memo["optimized"] = _ITSELF if best is jaxpr else best
    return jaxpr if best is _ITSELF else best


_ITSELF = object()


def _run(jaxpr: Jaxpr) -> Jaxpr:
    idle = 0
    for step in range(ROUNDS * len(PASSES)):
        new = PASSES[step % len(PASSES)](jaxpr)
        idle = idle + 1 if new is jaxpr else 0
        jaxpr = new
        if idle == len(PASSES):
            break
    return jaxpr
