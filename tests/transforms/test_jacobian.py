"""jacfwd, jacrev, hessian: trees, options, dtypes; forward and reverse agree."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.errors import FxTypeError
from tests.laws import assert_close

X = np.array([0.3, -0.7, 1.1])


def close(a, b):
    assert fx.tree.structure(a) == fx.tree.structure(b)
    for x, y in zip(fx.tree.leaves(a), fx.tree.leaves(b), strict=True):
        assert_close(fx.numpy.asarray(x), fx.numpy.asarray(y), 1e-9, 1e-9)


def f(d, y):
    a, b = d["a"], d["b"]
    return {"s": jnp.sin(a) * b.sum() * y, "t": (jnp.outer(b, b) * a, y**2 * a)}


D = {"a": np.float64(0.4), "b": np.array([1.2, -0.3])}
Y = np.float64(0.9)


def finite(function, tree, step=1e-6):
    """Jacobian by differences: result tree of argument trees."""
    leaves, structure = fx.tree.flatten(tree)

    def moved(i, index, sign):
        new = [np.array(x) for x in leaves]
        new[i][index] += sign * step
        return fx.tree.leaves(function(fx.tree.unflatten(structure, new)))

    outs, out_structure = fx.tree.flatten(function(tree))
    columns = [[np.zeros((*o.shape, *np.shape(x))) for x in leaves] for o in outs]
    for i, x in enumerate(leaves):
        for index in np.ndindex(np.shape(x)):
            pairs = zip(moved(i, index, 1), moved(i, index, -1), strict=True)
            for row, (up, down) in zip(columns, pairs, strict=True):
                row[i][(..., *index)] = (np.asarray(up) - np.asarray(down)) / (2 * step)
    return fx.tree.unflatten(out_structure, [fx.tree.unflatten(structure, row) for row in columns])


def test_trees_of_results_and_arguments():
    expected = finite(lambda d: f(d, Y), D)
    for transform in (fx.jacfwd, fx.jacrev, fx.jacobian):
        for jac in (transform(f), fx.jit(transform(f)), transform(fx.jit(f))):
            got = jac(D, Y)
            assert fx.tree.structure(got) == fx.tree.structure(expected)
            for a, b in zip(fx.tree.leaves(got), fx.tree.leaves(expected), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("argnums", [0, 1, -1, (0, 1), (1, 0), (-1,)])
def test_argnums(argnums):
    forward, reverse = fx.jacfwd(f, argnums)(D, Y), fx.jacrev(f, argnums)(D, Y)
    close(forward, reverse)
    inner = forward["s"]
    assert isinstance(inner, tuple) == isinstance(argnums, tuple)


def test_hessian_is_symmetric_and_a_tree_of_trees():
    loss = lambda d, y: jnp.sum(f(d, y)["t"][0]) + f(d, y)["s"] ** 2
    h = fx.hessian(loss)(D, Y)
    assert set(h) == {"a", "b"} and h["a"]["b"].shape == (2,) and h["b"]["b"].shape == (2, 2)
    np.testing.assert_allclose(h["a"]["b"], h["b"]["a"])
    np.testing.assert_allclose(h["b"]["b"], np.asarray(h["b"]["b"]).T)
    close(h, fx.jacrev(fx.jacfwd(loss))(D, Y))
    close(h, fx.jacrev(fx.jacrev(loss))(D, Y))
    close(h, fx.jacfwd(fx.jacfwd(loss))(D, Y))
    close(h, fx.jit(fx.hessian(fx.jit(loss)))(D, Y))
    cross = fx.hessian(loss, (0, 1))(D, Y)
    np.testing.assert_allclose(cross[0]["b"][1], cross[1][0]["b"])


def test_hessian_of_a_vector_function():
    h = fx.hessian(lambda x: jnp.stack([x[0] * x[1], x[2] ** 2]))(X)
    expected = np.zeros((2, 3, 3))
    expected[0, 0, 1] = expected[0, 1, 0] = 1
    expected[1, 2, 2] = 2
    np.testing.assert_allclose(h, expected)


def test_has_aux():
    g = lambda x: (x**3, {"x": x, "text": "t"})
    for transform in (fx.jacfwd, fx.jacrev):
        jac, aux = transform(g, has_aux=True)(X)
        np.testing.assert_allclose(jac, np.diag(3 * X**2))
        np.testing.assert_array_equal(aux["x"], X)
        assert aux["text"] == "t"
    h, aux = fx.hessian(lambda x: (jnp.sum(x**3), {"x": x}), has_aux=True)(X)
    np.testing.assert_allclose(h, np.diag(6 * X))
    np.testing.assert_array_equal(aux["x"], X)


def test_holomorphic():
    z = X + 1j
    for transform in (fx.jacfwd, fx.jacrev):
        np.testing.assert_allclose(transform(jnp.exp, holomorphic=True)(z), np.diag(np.exp(z)))


def test_allow_int():
    got = fx.jacrev(lambda x, i: x * i, (0, 1), allow_int=True)(X, np.arange(3))
    np.testing.assert_allclose(got[0], np.diag([0.0, 1.0, 2.0]))
    assert got[1].dtype == fx.dtypes.float0 and got[1].shape == (3, 3)


def test_constant_and_empty_functions():
    for transform in (fx.jacfwd, fx.jacrev):
        np.testing.assert_array_equal(transform(lambda x: jnp.ones(2))(X), np.zeros((2, 3)))
        assert transform(lambda x: x * 2)(np.ones((0,))).shape == (0, 0)
        assert transform(lambda x: jnp.sum(x))(np.ones((2, 0))).shape == (2, 0)


def test_types_are_those_of_the_derivative():
    """Weak where the argument is weak; the argument's dtype in reverse, the result's forwards."""
    for transform in (fx.jacfwd, fx.jacrev):
        assert fx.typeof(transform(jnp.sin)(1.0)).short() == "~f32[]"
        assert fx.typeof(transform(jnp.sin)(jnp.float16(1))).short() == "f16[]"
    wide = lambda x: x.astype("float64") * X
    assert fx.jacrev(wide)(jnp.float16(1)).dtype == np.float16
    assert fx.jacfwd(wide)(jnp.float16(1)).dtype == np.float64


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4))
def test_forward_and_reverse_agree_on_random_maps(seed, n, m):
    rng = np.random.default_rng(seed)
    w, v = rng.normal(size=(m, n)), rng.normal(size=(n, m))
    x = rng.normal(size=n)
    g = lambda x: jnp.tanh(w @ jnp.sin(v @ jnp.cos(w @ x))) * x.sum()
    close(fx.jacfwd(g)(x), fx.jacrev(g)(x))
    batch = rng.normal(size=(2, n))
    close(fx.vmap(fx.jacfwd(g))(batch), fx.vmap(fx.jacrev(g))(batch))


ERRORS = [
    (lambda: fx.jacfwd(jnp.sin)(1), "jacfwd expects real floating-point arguments, got ~i32[]"),
    (lambda: fx.jacrev(jnp.sin)(1), "jacrev expects floating-point arguments"),
    (lambda: fx.jacrev(lambda x: x > 0)(1.0), "results, got bool[]"),
    (lambda: fx.jacfwd(jnp.sin)(1j), "holomorphic=True"),
    (lambda: fx.jacrev(jnp.sin)(1j), "holomorphic=True"),
    (lambda: fx.jacfwd(jnp.sin, holomorphic=True)(1.0), "expects complex arguments"),
    (lambda: fx.jacrev(lambda x: x.real, holomorphic=True)(1j), "expects complex results"),
    (lambda: fx.jacfwd(jnp.sin, 1)(1.0), "argnums has 1"),
    (lambda: fx.jacrev(jnp.sin, "a"), "argnums must be an integer or a sequence"),
]


@pytest.mark.parametrize("call, words", ERRORS, ids=[re.sub(r"\W+", "-", w) for _, w in ERRORS])
def test_errors(call, words):
    with pytest.raises(FxTypeError, match=re.escape(words)):
        call()
