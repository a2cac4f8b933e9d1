"""checkpoint: changes no value and no derivative; what it saves and computes again is counted."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import lax
from fx.core.array import to_array
from fx.core.ir import subjaxprs
from fx.errors import FxTypeError
from fx.transforms.linearize import linearize_flat
from tests.laws import check_laws

policies = fx.checkpoint_policies
X = np.array([0.3, -0.8, 1.1])
W = np.array([[0.5, -0.2, 0.1], [0.3, 0.4, -0.6], [-0.1, 0.2, 0.7]])


def count(jaxpr, name):
    """How often a primitive occurs in a program and in those inside it."""
    inner = sum(count(j, name) for e in jaxpr.eqns for j in subjaxprs(e.params))
    return inner + sum(e.primitive.name == name for e in jaxpr.eqns)


def computed(f, *args, name="sin"):
    """How often value and gradient of f apply a primitive."""
    return count(fx.make_jaxpr(fx.value_and_grad(f))(*args), name)


def saved(f, *args):
    """Shapes of what f keeps between the forward and the backward pass, beside its arguments."""
    arrays = [to_array(x) for x in args]
    _, linear, _ = linearize_flat(lambda *xs: [f(*xs)], arrays, [True] * len(arrays))
    return sorted(c.shape for c in linear.consts if not any(c is a for a in arrays))


def layer(w, x):
    return jnp.sin(jnp.sin(w @ x))


def chain(f, depth=4):
    def apply(w, x):
        for _ in range(depth):
            x = f(w, x)
        return x.sum()

    return apply


# ------------------------------------------------------------------ values
BODIES = {
    "elementwise": lambda w, x: jnp.tanh(x) * jnp.exp(-x * x),
    "matrix": layer,
    "jit inside": lambda w, x: fx.jit(layer)(w, x) + x,
    "scan inside": lambda w, x: lax.scan(lambda c, r: (jnp.sin(c * r), c), x, w)[0],
    "cond inside": lambda w, x: lax.cond(x[0] > 0, jnp.sin, lambda x: x * w[0], x),
    "nested": lambda w, x: fx.checkpoint(lambda x: jnp.sin(fx.checkpoint(jnp.cos)(w @ x)))(x),
    "integers": lambda w, x: x * jnp.argsort(x) + jnp.sum(w),
    "trees": lambda w, x: fx.checkpoint(lambda d: {"r": d["w"] @ d["x"][0]})({"w": w, "x": (x,)})[
        "r"
    ],
}
POLICIES = {
    "none": None,
    "nothing": policies.nothing_saveable,
    "everything": policies.everything_saveable,
    "dots": policies.dots_saveable,
    "dots without batch": policies.dots_with_no_batch_dims_saveable,
    "names": policies.save_only_these_names("a"),
    "both": policies.save_from_both_policies(
        policies.dots_saveable, policies.save_only_these_names("a")
    ),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("body", BODIES)
def test_no_value_and_no_derivative_changes(body, policy):
    f = BODIES[body]
    g = fx.checkpoint(f, policy=POLICIES[policy], prevent_cse=len(body) % 2 == 0)
    plain, remat = chain(f, 2), chain(g, 2)
    for transform in (
        lambda f: f,
        lambda f: fx.grad(f, (0, 1)),
        lambda f: fx.jit(fx.grad(f, (0, 1))),
        lambda f: fx.grad(fx.jit(f), (0, 1)),
        lambda f: fx.jacfwd(f, 1),
        lambda f: fx.hessian(f, 1),
        lambda f: fx.jacrev(fx.jacrev(f, 1), 1),
        lambda f: lambda w, x: fx.vmap(fx.grad(f, (0, 1)), (None, 0))(w, jnp.stack([x, 2 * x])),
        lambda f: fx.grad(lambda w, x: fx.vmap(f, (None, 0))(w, jnp.stack([x, -x])).sum()),
    ):
        a, b = transform(plain)(W, X), transform(remat)(W, X)
        for u, v in zip(fx.tree.leaves(a), fx.tree.leaves(b), strict=True):
            np.testing.assert_allclose(u, v, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("policy", ["none", "dots"])
def test_laws(policy):
    f = fx.checkpoint(layer, policy=POLICIES[policy])
    check_laws(f, W, X, all_axes=False)
    check_laws(fx.grad(lambda w, x: f(w, x).sum(), 1), W, X, all_axes=False)


@given(st.lists(st.sampled_from(["jit", "checkpoint", "vmap", "plain"]), min_size=1, max_size=5))
def test_any_nesting(wrappers):
    wrap = {"jit": fx.jit, "checkpoint": fx.checkpoint, "plain": lambda f: f,
            "vmap": lambda f: lambda x: fx.vmap(f)(x[None])[0]}  # fmt: skip
    f = lambda x: jnp.sin(x) * x
    g = f
    for name in wrappers:
        g = wrap[name](g)
        g = lambda x, g=g: jnp.sin(g(x))
        f = lambda x, f=f: jnp.sin(f(x))
    loss = lambda f: lambda x: f(x).sum()
    np.testing.assert_allclose(fx.grad(loss(g))(X), fx.grad(loss(f))(X), rtol=1e-12)
    np.testing.assert_allclose(
        fx.hessian(loss(g))(X), fx.hessian(loss(f))(X), rtol=1e-9, atol=1e-12
    )


# ------------------------------------------------------------------ what is saved, what is repeated
def test_intermediate_values_are_not_saved():
    plain, remat = chain(layer), chain(fx.checkpoint(layer))
    # Each layer keeps its input; without checkpoint also the cosines of both sines.
    assert len(saved(plain, W, X)) > len(saved(remat, W, X)) <= 4
    assert saved(chain(fx.checkpoint(chain(layer)), 1), W, X) == []


def test_the_function_runs_again_in_the_backward_pass():
    """Two sines a layer forwards; to differentiate the outer one the inner runs once more."""
    assert computed(chain(layer), W, X) == 8
    assert computed(chain(fx.checkpoint(layer)), W, X) == 8 + 4
    assert computed(fx.checkpoint(chain(layer)), W, X) == 8 + 7
    assert computed(chain(fx.checkpoint(layer)), W, X, name="cos") == 8
    assert computed(chain(layer), W, X, name="cos") == 8


def test_the_forward_pass_alone_runs_once():
    f = fx.checkpoint(lambda x: jnp.sin(x))
    assert count(fx.make_jaxpr(f)(X), "sin") == 1
    assert count(fx.make_jaxpr(lambda x: fx.jvp(f, (x,), (x,)))(X), "sin") == 1


def products(f):
    """Forward and recomputed products of `w @ x` in the gradient with respect to x."""
    return count(fx.make_jaxpr(fx.value_and_grad(f, 1))(W, X), "dot_general")


def test_policies_choose_what_is_saved():
    f = chain(layer, 3)
    # In the gradient of x: 3 products forwards, 3 backwards; recomputing adds the forward ones.
    assert products(f) == 6
    assert products(fx.checkpoint(f)) == 6 + 3
    assert products(fx.checkpoint(f, policy=policies.nothing_saveable)) == 6 + 3
    assert products(fx.checkpoint(f, policy=policies.everything_saveable)) == 6
    for policy in (policies.dots_saveable, policies.checkpoint_dots,
                   policies.dots_with_no_batch_dims_saveable):  # fmt: skip
        g = fx.checkpoint(f, policy=policy)
        assert products(g) == 6
        # Sines run again: three inner ones, and two outer ones that a weight was applied to.
        assert computed(g, W, X) == 6 + 5
        assert saved(g, W, X) == [(3,)] * 3
    assert saved(fx.checkpoint(f, policy=policies.everything_saveable), W, X) != []


def test_batched_products_are_told_apart():
    f = lambda x: jnp.sum(jnp.sin(jnp.einsum("bij,bjk->bik", x, x)))
    x = np.ones((2, 3, 3))
    keep, drop = policies.dots_saveable, policies.dots_with_no_batch_dims_saveable
    assert saved(fx.checkpoint(f, policy=keep), x) == [(2, 3, 3)]
    assert saved(fx.checkpoint(f, policy=drop), x) == []


def named(x):
    x = fx.ad_checkpoint.checkpoint_name(jnp.sin(x), "a")
    x = fx.ad_checkpoint.checkpoint_name(jnp.sin(x), "b")
    return jnp.sum(jnp.sin(x))


@pytest.mark.parametrize(
    "policy, sines",
    [
        (None, 3 + 2),
        (policies.save_only_these_names("a"), 3 + 1),
        (policies.save_only_these_names("b"), 3 + 1),
        (policies.save_only_these_names("a", "b"), 3),
        (policies.save_any_names_but_these("a"), 3 + 1),
        (policies.save_any_names_but_these(), 3),
        (policies.save_any_names_but_these("a", "b"), 3 + 2),
    ],
)
def test_names(policy, sines):
    f = fx.checkpoint(named, policy=policy)
    assert computed(f, X) == sines
    np.testing.assert_allclose(fx.grad(f)(X), fx.grad(named)(X))
    np.testing.assert_allclose(fx.vmap(fx.grad(f))(W), fx.vmap(fx.grad(named))(W))


def test_values_inside_jit_can_be_saved():
    f = lambda w, x: fx.jit(layer)(w, x).sum()
    assert saved(fx.checkpoint(f, policy=policies.dots_saveable), W, X) == [(3,)]


def test_memory_of_a_scan_of_checkpoints():
    """Only the carries are stacked, not what happens inside a step."""

    def loss(step):
        return lambda x: lax.scan(lambda c, _: (step(c), None), x, None, length=50)[0].sum()

    step = lambda c: jnp.sin(jnp.cos(jnp.sin(jnp.cos(c))))
    text = lambda s: str(fx.make_jaxpr(fx.grad(loss(s)))(X))
    stacked = lambda s: len(re.findall(r":f64\[50,3\]", text(s)))
    assert stacked(fx.checkpoint(step)) < stacked(step)
    np.testing.assert_allclose(fx.grad(loss(fx.checkpoint(step)))(X), fx.grad(loss(step))(X))


def test_side_effects_of_the_forward_pass_happen_once_a_pass():
    seen = []

    @fx.checkpoint
    def f(x):
        fx.debug.callback(lambda v: seen.append(float(v)), x)
        return jnp.sin(jnp.sin(x))

    f(1.0)
    assert seen == [1.0]
    fx.grad(f)(2.0)
    assert seen[1] == 2.0 and set(seen[1:]) == {2.0} and len(seen) <= 3


# ------------------------------------------------------------------ calling
def test_static_arguments_keywords_and_decorators():
    @fx.checkpoint(static_argnums=(1,))
    def f(x, how, *, scale=1.0):
        return scale * (jnp.sin(x) if how == "sin" else jnp.cos(x))

    assert f.__name__ == "f"
    np.testing.assert_allclose(fx.grad(f)(0.5, "sin"), np.cos(0.5), rtol=1e-6)
    np.testing.assert_allclose(fx.grad(f)(0.5, "cos", scale=2.0), -2 * np.sin(0.5), rtol=1e-6)
    assert fx.remat is fx.checkpoint
    with pytest.raises(FxTypeError, match="checkpoint expects a function"):
        fx.checkpoint(3)


def test_closures_over_tracers():
    f = lambda y: fx.checkpoint(lambda x: jnp.sin(x * y))(2.0)
    np.testing.assert_allclose(fx.grad(f)(0.5), 2 * np.cos(1.0), rtol=1e-6)
    np.testing.assert_allclose(fx.vmap(fx.grad(f))(X), 2 * np.cos(2 * X), rtol=1e-6)
    np.testing.assert_allclose(fx.hessian(f)(0.5), -4 * np.sin(1.0), rtol=1e-6)


def test_arguments_without_tangents():
    f = fx.checkpoint(lambda x, i, k: x * i + fx.random.normal(k))
    key = fx.random.key(0)
    for g in (fx.grad(f), fx.jit(fx.grad(f))):
        assert float(g(2.0, 3, key)) == 3.0
    h = fx.checkpoint(lambda x: (x * 2, jnp.int32(3)))
    assert float(fx.grad(lambda x: h(x)[0] * h(x)[1])(1.0)) == 6.0
