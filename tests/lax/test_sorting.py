"""lax sorting and cumulative functions take JAX's arguments and give its results."""

import numpy as np
import pytest

import fx
from fx import lax
from fx.errors import FxTypeError, FxValueError

ODD = np.array([1.0, np.nan, -0.0, 0.0, -np.inf, np.inf, -1.0, 0.0], np.float32)


def same(ours, theirs):
    ours = ours if isinstance(ours, tuple) else (ours,)
    theirs = theirs if isinstance(theirs, (tuple, list)) else (theirs,)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(np.signbit(one), np.signbit(other))


@pytest.mark.parametrize("dimension", [-1, 0])
def test_sort_is_jaxs(dimension):
    jax = pytest.importorskip("jax")
    x = np.stack([ODD, ODD[::-1]])
    places = np.arange(16, dtype=np.int32).reshape(2, 8)
    keys = (x > 0).astype(np.int32)
    same(lax.sort(x, dimension), jax.lax.sort(x, dimension))
    same(
        lax.sort((keys, x, places), dimension, num_keys=2),
        jax.lax.sort((keys, x, places), dimension, num_keys=2),
    )
    same(lax.sort_key_val(keys, places, dimension), jax.lax.sort_key_val(keys, places, dimension))


def test_top_k_is_jaxs():
    jax = pytest.importorskip("jax")
    x = np.stack([ODD, ODD[::-1]])
    for k, axis in ((0, -1), (3, -1), (8, 1), (1, 0)):
        same(lax.top_k(x, k, axis=axis), jax.lax.top_k(x, k, axis=axis))
    positive = x > 0
    same(lax.top_k(positive, 3), jax.lax.top_k(positive, 3))


@pytest.mark.parametrize("name", ["approx_max_k", "approx_min_k"])
def test_approximate_selection_is_exact(name):
    jax = pytest.importorskip("jax")
    x = np.random.default_rng(0).permutation(30).reshape(3, 10).astype(np.float32)
    for axis in (-1, 0):
        ours = getattr(lax, name)(x, 2, reduction_dimension=axis, recall_target=0.9)
        same(ours, getattr(jax.lax, name)(x, 2, reduction_dimension=axis, recall_target=1.0))
    with pytest.raises(FxTypeError, match=f"{name} expects"):
        getattr(lax, name)(x.astype(int), 2)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumulative_values_and_gradients_are_jaxs(name, reverse):
    jax = pytest.importorskip("jax")
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    ours = lambda x: getattr(lax, name)(x, axis=1, reverse=reverse)
    theirs = lambda x: getattr(jax.lax, name)(x, axis=1, reverse=reverse)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5)
    out, pull = fx.vjp(ours, x)
    _, their_pull = jax.vjp(theirs, x)
    np.testing.assert_allclose(pull(out)[0], their_pull(np.asarray(out))[0], rtol=1e-4, atol=1e-5)


def test_axis_of_cumulative_functions_is_the_first_by_default_and_may_be_negative():
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(lax.cumsum(x), x.cumsum(0))
    np.testing.assert_array_equal(lax.cumsum(x, -1), x.cumsum(1))


def test_a_sequence_of_one_array_stays_a_sequence():
    out = lax.sort([np.array([2, 1])])
    assert isinstance(out, tuple) and len(out) == 1


def test_what_does_not_fit_is_refused():
    with pytest.raises(FxTypeError, match="at least one"):
        lax.sort(())
    with pytest.raises(FxValueError, match="out of bounds"):
        lax.sort(np.ones(3), 1)
    with pytest.raises(FxValueError, match="at least one axis"):
        lax.top_k(np.float32(1), 1)
    with pytest.raises(FxValueError, match="out of bounds"):
        lax.cumsum(np.float32(1))
    with pytest.raises(FxTypeError, match="integer"):
        lax.top_k(np.ones(3), 1.5)
