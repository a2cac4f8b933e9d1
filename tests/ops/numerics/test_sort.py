"""Sorting kernels against jax.lax, above all where elements compare equal or are NaN."""

import os
import types

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import ml_dtypes
import numpy as np
import pytest

from fx.ops.numerics.sort import argminmax, sort_multi, top_k

jax = pytest.importorskip("jax")
lax = jax.lax

OTHER = types.SimpleNamespace(**{name: getattr(np, name) for name in dir(np) if name[0] != "_"})
DTYPES = [bool, np.int8, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
FLOATS = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


def draw(dtype, shape=(3, 40), seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.choice(np.array([info.min, info.max, 0, 1, 2], dtype), shape)
    special = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1.5, -2.5])
    if dtype.kind == "c":
        x = np.empty(shape, dtype)
        x.real, x.imag = rng.choice(special, shape), rng.choice(special, shape)
        return x
    return rng.choice(special, shape).astype(dtype)


def same(got, want):
    """Equal to the sign of zero; NaN equals NaN."""
    want = np.asarray(want)
    assert got.dtype == want.dtype
    if want.dtype.kind in "fV":
        got, want = got.astype(np.float64), want.astype(np.float64)
        np.testing.assert_array_equal(np.signbit(got[got == 0]), np.signbit(want[want == 0]))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", DTYPES + FLOATS + [np.complex64])
@pytest.mark.parametrize("axis", [0, 1])
def test_sort(dtype, axis):
    x = draw(dtype, (40, 3) if axis == 0 else (3, 40)).copy()
    iota = np.broadcast_to(np.arange(40), (3, 40)).astype(np.int32)
    iota = iota.T if axis == 0 else iota
    with jax.enable_x64(True):
        alone = lax.sort(x, dimension=axis)
        pair = lax.sort((x, iota), dimension=axis, num_keys=1)
    for xp in (np, OTHER):
        same(sort_multi(xp, [x], dimension=axis)[0], alone)
        got = sort_multi(xp, [x, iota], dimension=axis)
        same(got[0], pair[0])
        same(got[1], pair[1])
    if np.dtype(dtype).kind in "biuf":
        (got,) = sort_multi(np, [x], dimension=axis, is_stable=False)
        np.testing.assert_array_equal(got, np.asarray(alone))


@pytest.mark.parametrize("num_keys", [2, 3])
def test_several_keys(num_keys):
    keys = [draw(np.float32, seed=1), draw(np.complex64, seed=2), draw(np.int8, seed=3)]
    values = np.broadcast_to(np.arange(40), (3, 40)).astype(np.int32)
    want = lax.sort((*keys, values), dimension=1, num_keys=num_keys)
    for xp in (np, OTHER):
        got = sort_multi(xp, [*keys, values], dimension=1, num_keys=num_keys)
        for g, w in zip(got, want, strict=True):
            same(g, w)


def test_sort_moves_structured_values():
    keys = np.zeros(3, [("k0", "<u4"), ("k1", "<u4")])
    keys["k0"] = [7, 8, 9]
    _, got = sort_multi(np, [np.array([2, 1, 3]), keys], dimension=0)
    np.testing.assert_array_equal(got["k0"], [8, 7, 9])


@pytest.mark.parametrize("dtype", DTYPES + FLOATS)
@pytest.mark.parametrize("k", [0, 3, 40])
def test_top_k(dtype, k):
    x = draw(dtype)
    with jax.enable_x64(True):
        values, positions = lax.top_k(x, k)
    for xp in (np, OTHER):
        got = top_k(xp, x, k)
        same(got[0], values)
        same(got[1], positions)
    got = top_k(np, x.T, k, axis=0)
    same(got[0].T, values)
    same(got[1].T, positions)


@pytest.mark.parametrize("dtype", DTYPES + FLOATS)
@pytest.mark.parametrize("kind", ["min", "max"])
def test_argminmax(dtype, kind):
    x = draw(dtype)
    with jax.enable_x64(True):
        for axis in (0, 1):
            want = {"min": lax.argmin, "max": lax.argmax}[kind](x, axis, np.int32)
            same(argminmax(np, x, axis=axis, kind=kind, index_dtype=np.int32), want)


def test_argminmax_of_all_axis():
    got = argminmax(np, np.array([2, 7, 7, 1]), axis=0, kind="max", index_dtype=np.int64)
    assert got.shape == () and got.dtype == np.int64 and got == 1


def test_empty():
    x = np.zeros((0, 3), np.float32)
    assert sort_multi(np, [x, x], dimension=0)[1].shape == (0, 3)
    assert top_k(np, x, 2)[0].shape == (0, 2)
