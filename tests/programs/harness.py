"""What the laws over random programs share: programs as functions of their floating-point
arguments, comparison of trees, and the table of transformations with a reference for each.

Every transformation of the table takes a function of `(xs, n)`, floating-point arguments and an
integer, and returns another such function, so that they compose in any order. The reference of a
transformation does the same without it: a loop in place of a map, one derivative at a time in
place of a gradient, nothing in place of jit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fx
import fx.numpy as jnp
from fx import dtypes
from fx.testing import Program

Function = Callable[[Any, Any], Any]


# ------------------------------------------------------------------ trees of arrays
def assert_close(a: Any, b: Any, tolerance: float = 1e-6, what: str = "") -> None:
    """Equal structures, shapes, dtypes and (up to rounding) values."""
    left, structure = fx.tree.flatten_with_path(a)
    right, other = fx.tree.flatten(b)
    assert structure == other, f"{what}: {structure} and {other}"
    for (path, x), y in zip(left, right, strict=True):
        where = f"{what} at {fx.tree_util.keystr(path)}"
        assert (x.shape, x.dtype) == (y.shape, y.dtype), f"{where}: {x.dtype}{x.shape}, {y}"
        if x.dtype != dtypes.float0:
            p, q = (np.asarray(z).astype(np.float64) for z in (x, y))
            np.testing.assert_allclose(p, q, rtol=tolerance, atol=tolerance, err_msg=where)


def random_like(tree: Any, seed: int) -> Any:
    """Normal numbers of the types of a tree."""
    rng = np.random.default_rng(seed)
    return fx.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), dtype=x.dtype), tree)


def dot(a: Any, b: Any) -> float:
    """The sum of the products of two trees."""
    pairs = zip(fx.tree.leaves(a), fx.tree.leaves(b), strict=True)
    return sum(float(np.vdot(np.asarray(x), np.asarray(y))) for x, y in pairs)


def row(tree: Any, i: int) -> Any:
    """Element i of the leading axis of every array."""
    return fx.tree.map(lambda x: x[i], tree)


def stacked(trees: Sequence[Any]) -> Any:
    """Trees of one structure as one, with a new leading axis."""
    return fx.tree.map(lambda *xs: jnp.stack(xs), *trees)


# ------------------------------------------------------------------ programs
def split(program: Program) -> tuple[Function, Any, Any]:
    """A program as a function of `(xs, n)`, and these arguments."""
    xs = tuple(program.args[i] for i in program.argnums)
    n = program.args[len(xs)] if len(program.args) > len(xs) else jnp.int32(0)
    if len(program.args) > len(xs):
        return lambda xs, n: program(*xs, n), xs, n
    return lambda xs, n: program(*xs), xs, n


def scalar(out: Any) -> Any:
    """A number that depends on all floating-point results."""
    leaves = [x for x in fx.tree.leaves(out) if dtypes.is_inexact(x.dtype)]
    return sum(jnp.mean(jnp.sin(x + 0.3 * i)) for i, x in enumerate(leaves))


# ------------------------------------------------------------------ transformations
def rows(x: Any, size: int) -> Any:
    """A batch made of one value, itself first."""
    if dtypes.is_inexact(x.dtype):
        return jnp.stack([x * 1.0, 0.5 * x + 0.1, jnp.sin(2.0 * x)][:size])
    return jnp.stack([x, (x + 2) % 5, 4 - x][:size])


def batch(tree: Any, size: int) -> Any:
    return fx.tree.map(lambda x: rows(x, size), tree)


def direction(xs: Any) -> Any:
    """Tangents for a point, the same in the reference."""
    return fx.tree.map(lambda x: jnp.cos(1.7 * x), xs)


def grad(f: Function) -> Function:
    return lambda xs, n: fx.grad(lambda xs: scalar(f(xs, n)))(xs)


def jvp(f: Function) -> Function:
    return lambda xs, n: fx.jvp(lambda xs: f(xs, n), (xs,), (direction(xs),))


def mapped(transform: Any, size: int) -> Callable[[Function], Function]:
    return lambda f: lambda xs, n: transform(f)(batch(xs, size), rows(n, size))


TRANSFORMS: dict[str, Callable[[Function], Function]] = {
    "jit": fx.jit,
    "vmap": mapped(fx.vmap, 3),
    "grad": grad,
    "jvp": jvp,
    "checkpoint": fx.checkpoint,
    "pmap": mapped(fx.pmap, 2),
}


# ------------------------------------------------------------------ their references
def loop(size: int) -> Callable[[Function], Function]:
    """A map as a loop in Python."""

    def reference(f: Function) -> Function:
        def run(xs: Any, n: Any) -> Any:
            many, ns = batch(xs, size), rows(n, size)
            return stacked([f(row(many, i), ns[i]) for i in range(size)])

        return run

    return reference


def one_by_one(f: Function) -> Function:
    """The gradient from forward derivatives along each element."""

    def run(xs: Any, n: Any) -> Any:
        leaves, structure = fx.tree.flatten(xs)
        function = lambda *leaves: scalar(f(fx.tree.unflatten(structure, leaves), n))

        def slope(i: int, k: int) -> Any:
            tangents = [jnp.zeros_like(x) for x in leaves]
            unit = np.zeros(leaves[i].size)
            unit[k] = 1
            tangents[i] = jnp.asarray(unit.reshape(leaves[i].shape), dtype=leaves[i].dtype)
            return fx.jvp(function, leaves, tangents)[1]

        slopes = [jnp.stack([slope(i, k) for k in range(x.size)]) for i, x in enumerate(leaves)]
        shaped = [s.reshape(x.shape) for s, x in zip(slopes, leaves, strict=True)]
        return fx.tree.unflatten(structure, shaped)

    return run


REFERENCES: dict[str, Callable[[Function], Function]] = {
    "jit": lambda f: f,
    "vmap": loop(3),
    "grad": one_by_one,
    "jvp": jvp,
    "checkpoint": lambda f: f,
    "pmap": loop(2),
}


def compose(table: dict[str, Callable[[Function], Function]], names: Sequence[str]) -> Any:
    """The composition of transformations, the first outermost."""

    def apply(f: Function) -> Function:
        for name in reversed(names):
            f = table[name](f)
        return f

    return apply


def check_composition(program: Program, names: Sequence[str], tolerance: float = 1e-6) -> None:
    """A composition of transformations and that of their references agree on a program."""
    f, xs, n = split(program)
    got = compose(TRANSFORMS, names)(f)(xs, n)
    want = compose(REFERENCES, names)(f)(xs, n)
    assert_close(got, want, tolerance, " of ".join(names))
