"""A pytree as one vector: there and back, under the transformations, and its errors."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxTypeError, ShapeError
from fx.flatten_util import ravel_pytree

TREES = {
    "array": np.arange(6, dtype=np.float32).reshape(2, 3),
    "nested": {"a": [np.float32(1.5), np.ones((2, 0), np.float32)], "b": (np.ones(3, np.float32),)},
    "mixed": {"i": np.arange(3, dtype=np.int32), "h": np.ones((2, 2), np.float16)},
    "complex": [np.array([1 + 2j], np.complex64), np.ones(2, np.float32)],
    "numbers": [1, 2.5],
    "nothing": {},
}


@pytest.mark.parametrize("name", TREES)
def test_there_and_back(name):
    tree = TREES[name]
    vector, unravel = ravel_pytree(tree)
    leaves = [jnp.asarray(x) for x in fx.tree.leaves(tree)]
    assert vector.shape == (sum(x.size for x in leaves),)
    expected = [np.asarray(x).reshape(-1) for x in leaves]
    np.testing.assert_array_equal(vector, np.concatenate(expected) if expected else [])
    back = unravel(vector)
    assert fx.tree.structure(back) == fx.tree.structure(tree)
    for got, want in zip(fx.tree.leaves(back), leaves, strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", TREES)
def test_types_are_those_of_jax(name):
    flatten_util = pytest.importorskip("jax.flatten_util")
    vector, _ = ravel_pytree(TREES[name])
    expected, _ = flatten_util.ravel_pytree(TREES[name])
    assert vector.dtype == expected.dtype and vector.weak_type == expected.weak_type
    np.testing.assert_array_equal(vector, expected)


def test_transforms_pass_through():
    tree = {"w": jnp.arange(4.0).reshape(2, 2), "b": jnp.ones(2)}

    def loss(t):
        vector, unravel = ravel_pytree(t)
        again = unravel(vector * vector)
        return jnp.sum(again["w"] * 3) + jnp.sum(again["b"])

    gradient = fx.jit(fx.grad(loss))(tree)
    np.testing.assert_array_equal(gradient["w"], 6 * tree["w"])
    np.testing.assert_array_equal(gradient["b"], 2 * tree["b"])
    rows = fx.vmap(lambda t: ravel_pytree(t)[0])(tree)
    np.testing.assert_array_equal(rows, [[1, 0, 1], [1, 2, 3]])


def test_one_dtype_lets_another_through_and_mixed_ones_do_not():
    _, unravel = ravel_pytree([jnp.ones(2), jnp.ones(1)])
    assert unravel(np.ones(3, np.float64))[0].dtype == np.float64
    _, unravel = ravel_pytree(TREES["mixed"])
    with pytest.raises(FxTypeError, match=r"expects a vector of dtype float16.*got float32"):
        unravel(np.ones(7, np.float32))
    with pytest.raises(ShapeError, match=r"expects a vector of shape \(7,\), got \(6,\)"):
        unravel(np.ones(6, np.float16))
