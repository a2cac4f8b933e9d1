"""The methods of ufuncs on the functions of two arrays that have them in JAX."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxValueError

NAMES = [
    *("add", "multiply", "subtract", "maximum", "minimum", "logaddexp", "logaddexp2"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "logical_or", "logical_xor"),
]
X = np.array([[3, 1, 2], [4, 6, 5]], np.int32)


@pytest.mark.parametrize("name", NAMES)
def test_methods_are_those_of_numpy(name):
    f, ours = getattr(np, name), getattr(jnp, name)
    assert (ours.nin, ours.nout, ours.nargs) == (2, 1, 3)
    kind = np.float32 if name.startswith("logadd") else np.int32
    x = X.astype(bool) if name.startswith("logical") else X.astype(kind)
    for axis in (0, 1):
        for keep in (False, True):
            np.testing.assert_allclose(
                ours.reduce(x, axis, keepdims=keep), f.reduce(x, axis, keepdims=keep), rtol=1e-6
            )
        np.testing.assert_allclose(
            ours.accumulate(x, axis=axis), f.accumulate(x, axis=axis), rtol=1e-6
        )
    np.testing.assert_allclose(ours.outer(x[0], x), f.outer(x[0], x), rtol=1e-6)
    expected = x.copy()
    f.at(expected, ([0, 1, 0], [1, 2, 1]), x[0])
    got = ours.at(x, (jnp.array([0, 1, 0]), jnp.array([1, 2, 1])), x[0], inplace=False)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    np.testing.assert_allclose(fx.jit(ours.reduce)(x), f.reduce(x), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_types_are_those_of_jax(name):
    theirs = getattr(pytest.importorskip("jax").numpy, name)
    ours = getattr(jnp, name)
    assert ours.identity == theirs.identity
    got, want = ours.outer(X[0], X[1]), theirs.outer(X[0], X[1])
    assert got.dtype == want.dtype and got.shape == want.shape


def test_masks_identities_and_errors():
    mask = X > 2
    np.testing.assert_array_equal(jnp.add.reduce(X, 1, where=mask), [3, 15])
    np.testing.assert_array_equal(jnp.bitwise_or.reduce(X, 1, where=mask), [3, 7])
    assert int(jnp.add.reduce(jnp.zeros(0, jnp.int32))) == 0
    assert int(jnp.multiply.reduce(X, axis=None, initial=2)) == 1440
    with pytest.raises(FxValueError, match="inplace=False"):
        jnp.add.at(X, 0, 1)
    with pytest.raises(FxValueError, match=r"add.reduce: arrays are immutable"):
        jnp.add.reduce(X, out=X)
