"""Derivative rules that users write with jit and control flow over values and tangents together."""

from __future__ import annotations

import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.errors import TreeError
from fx.testing import check_grads

X = jnp.asarray([0.3, 1.2, -0.7], dtype="float64")


def by_jit(x, t):
    slope, tangent = fx.jit(lambda x, t: (jnp.cos(x), 2 * t))(x, t)
    return slope * tangent


def by_scan(x, t):
    step = lambda c, _: ((c[0], c[1] + jnp.cos(c[0]) * t), None)
    (_, total), _ = lax.scan(step, (x, 0 * t), None, length=2)
    return total


def by_cond(x, t):
    branch = lambda x, t: (jnp.cos(x), 2 * t)
    slope, tangent = lax.cond(x.sum() > 0, branch, branch, x, t)
    return slope * tangent


def by_sort(x, t):
    slope, tangent = lax.sort((jnp.cos(x), t), num_keys=1)
    return jnp.zeros_like(t).at[jnp.argsort(jnp.cos(x))].set(2 * slope * tangent)


def by_jvp(x, t):
    twice = fx.jit(lambda x: lax.fori_loop(0, 2, lambda i, c: c + jnp.sin(x), 0 * x))
    return fx.jvp(twice, (x,), (t,))[1]


def by_vmap(x, t):
    slope, tangent = fx.vmap(fx.jit(lambda x, t: (jnp.cos(x), 2 * t)))(x, t)
    return slope * tangent


def by_while(x, t):
    step = lambda c: (c[0] + 1, c[1] + jnp.cos(x))
    return lax.while_loop(lambda c: c[0] < 2, step, (0, 0 * x))[1] * t


@pytest.mark.parametrize("tangent", [by_jit, by_scan, by_cond, by_sort, by_jvp, by_vmap, by_while])
def test_rules_that_mix_values_and_tangents(tangent) -> None:
    @fx.custom_jvp
    def f(x):
        return 2 * jnp.sin(x)

    @f.defjvp
    def _(primals, tangents):
        (x,), (t,) = primals, tangents
        return f(x), tangent(x, t)

    order = 1 if tangent is by_while else 2  # an unbounded loop has no reverse derivative
    for g in (f, fx.jit(f), fx.checkpoint(f), lambda x: lax.map(f, x[:, None])):
        check_grads(g, (X,), order)


def test_cotangents_of_trees_with_none() -> None:
    """None in a cotangent is a zero, where the argument has None it is nothing."""

    @fx.custom_vjp
    def f(tree):
        return tree["a"][0] * tree["b"]

    f.defvjp(
        lambda tree: (f(tree), tree),
        lambda tree, ct: ({"a": (ct * tree["b"], None), "b": ct * tree["a"][0]},),
    )
    tree = {"a": (jnp.asarray(2.0), None), "b": jnp.asarray(3.0)}
    assert fx.grad(f)(tree) == {"a": (3.0, None), "b": 2.0}

    f.defvjp(lambda tree: (f(tree), tree), lambda tree, ct: ({"a": None, "b": ct},))
    assert fx.grad(f)(tree) == {"a": (0.0, None), "b": 1.0}

    f.defvjp(lambda tree: (f(tree), tree), lambda tree, ct: ({"a": ct, "b": ct},))
    with pytest.raises(TreeError, match="must have the structure"):
        fx.grad(f)(tree)
