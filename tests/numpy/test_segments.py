"""Reductions by segment: those of NumPy's loops, the laws, JAX's types, and the errors."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import ConcretizationTypeError, FxTypeError, FxValueError, ShapeError
from tests.laws import check_laws

FOLDS = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
EMPTY = {"sum": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf}
IDS = np.array([2, 0, -1, 2, 7, 0], np.int32)
X = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)


def reference(name, x, ids, count):
    out = np.full((count, *x.shape[1:]), EMPTY[name], x.dtype)
    for row, k in zip(x, ids, strict=True):
        if 0 <= k < count:
            out[k] = FOLDS[name](out[k], row)
    return out


def function(name):
    return getattr(fx.ops, f"segment_{name}")


@pytest.mark.parametrize("name", FOLDS)
def test_values_and_laws(name):
    f = function(name)
    np.testing.assert_allclose(f(X, IDS, 3), reference(name, X, IDS, 3), rtol=1e-6)
    np.testing.assert_allclose(f(X, IDS.clip(0)), reference(name, X, IDS.clip(0), 8), rtol=1e-6)
    np.testing.assert_allclose(
        f(X, IDS, 3, mode="clip"), reference(name, X, IDS.clip(0, 2), 3), rtol=1e-6
    )
    check_laws(lambda x: f(x, IDS.clip(0), 3), X.astype(np.float64))
    check_laws(lambda x, i: f(x, i, 8), X[:, 0].astype(np.float64), IDS.clip(0))


@pytest.mark.parametrize("name", FOLDS)
@pytest.mark.parametrize("dtype", ["int32", "float16", "uint8"])
@pytest.mark.parametrize("ids", ["int32", "int8", "uint8"])
def test_against_jax(name, dtype, ids):
    jax = pytest.importorskip("jax")
    x, i = np.arange(1, 7).astype(dtype), IDS.astype(ids)
    got, want = function(name)(x, i, 3), getattr(jax.ops, f"segment_{name}")(x, i, 3)
    assert got.dtype == want.dtype and got.weak_type == want.weak_type
    np.testing.assert_array_equal(got, want)


def test_segments_of_a_matrix_of_numbers():
    x, ids = jnp.arange(6.0).reshape(2, 3), jnp.array([[0, 1, 0], [1, 1, 0]])
    np.testing.assert_array_equal(fx.ops.segment_sum(x, ids), [7.0, 8.0])


def test_errors():
    with pytest.raises(FxTypeError, match="integer segment_ids, got f32"):
        fx.ops.segment_sum(X, X[:, 0], 3)
    with pytest.raises(ShapeError, match="do not number the first axes"):
        fx.ops.segment_sum(X, IDS[:4], 3)
    with pytest.raises(FxValueError, match="num_segments must not be negative"):
        fx.ops.segment_sum(X, IDS, -1)
    with pytest.raises(FxValueError, match="mode must be"):
        fx.ops.segment_sum(X, IDS, 3, mode="wrap")
    with pytest.raises(ConcretizationTypeError, match="needs num_segments under jit"):
        fx.jit(fx.ops.segment_sum)(X, IDS)
    with pytest.raises(AttributeError, match="segment_mean"):
        fx.ops.segment_mean
