"""Window and prefix reductions against jax.lax."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import ml_dtypes
import numpy as np
import pytest

from fx.ops.numerics.window import (
    cumulative,
    identity,
    reduce_window,
    select_and_gather_add,
    select_and_scatter_add,
)

jax = pytest.importorskip("jax")
lax = jax.lax

WINDOWS = [
    {"window_dimensions": (1, 2, 2), "window_strides": (1, 2, 2)},
    {
        "window_dimensions": (2, 3, 2),
        "window_strides": (1, 2, 1),
        "padding": [(0, 1), (2, 1), (0, 0)],
    },
    {"window_dimensions": (1, 8, 1), "window_strides": (1, 1, 1)},
    {
        "window_dimensions": (1, 7, 9),
        "window_strides": (1, 1, 3),
        "padding": [(0, 0), (1, 0), (2, 2)],
    },
    {"window_dimensions": (1, 3, 3), "padding": [(0, 0), (-1, 2), (3, -2)]},
    {
        "window_dimensions": (1, 2, 1),
        "window_strides": (1, 2, 3),
        "padding": [(0, 0), (5, 5), (0, 0)],
    },
    {"window_dimensions": (4, 3, 3)},
    {"window_dimensions": (1, 1, 1)},
]
DILATED = [
    {
        "window_dimensions": (1, 2, 3),
        "window_dilation": (1, 3, 2),
        "padding": [(0, 0), (1, 1), (2, 0)],
    },
    {
        "window_dimensions": (1, 2, 3),
        "base_dilation": (2, 3, 1),
        "padding": [(1, 0), (-1, 1), (0, 0)],
    },
    {"window_dimensions": (2, 2, 9), "base_dilation": (2, 1, 2), "window_dilation": (1, 2, 1)},
]


def fill(params, rank):
    ones = (1,) * rank
    none = {"window_strides": ones, "padding": [(0, 0)] * rank}
    return {**none, "base_dilation": ones, "window_dilation": ones, **params}


def draw(rng, shape, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0, 5, shape).astype(dtype)
    # Few different values: ties between elements of a window are common.
    x = rng.integers(-4, 5, shape) / 2
    return (x + 1j if dtype.kind == "c" else x).astype(dtype)


def oracle(x, kind, params):
    combine = {"add": lax.add, "mul": lax.mul, "max": lax.max, "min": lax.min}[kind]
    with jax.enable_x64(True):
        start = identity(kind, x.dtype)
        return np.asarray(
            lax.reduce_window(
                x,
                start,
                combine,
                params["window_dimensions"],
                params["window_strides"],
                params["padding"],
                params["base_dilation"],
                params["window_dilation"],
            )
        )


def close(got, want, tolerance):
    assert got.dtype == want.dtype and got.shape == want.shape
    wide = np.complex128 if got.dtype.kind == "c" else np.float64
    if tolerance:
        np.testing.assert_allclose(
            got.astype(wide), want.astype(wide), rtol=tolerance, atol=tolerance
        )
    else:
        np.testing.assert_array_equal(got.astype(wide), want.astype(wide))


@pytest.mark.parametrize("params", WINDOWS + DILATED)
@pytest.mark.parametrize("kind", ["add", "max"])
def test_reduce_window(params, kind):
    x = draw(np.random.default_rng(0), (4, 8, 9), np.float32)
    params = fill(params, 3)
    close(reduce_window(np, x, kind=kind, **params), oracle(x, kind, params), 1e-6)
    strided = np.asfortranarray(x)[::-1]
    close(reduce_window(np, strided, kind=kind, **params), oracle(strided, kind, params), 1e-6)


@pytest.mark.parametrize("kind", ["add", "mul", "max", "min"])
@pytest.mark.parametrize(
    "dtype",
    [bool, np.int8, np.uint16, np.int64, np.float16, ml_dtypes.bfloat16, np.float64, np.complex64],
)
def test_reduce_window_dtypes(kind, dtype):
    if (dtype is bool and kind in ("add", "mul")) or (
        dtype is np.complex64 and kind in ("max", "min")
    ):
        pytest.skip("not a reduction of this dtype")
    x = draw(np.random.default_rng(1), (5, 6), dtype)
    params = fill({"window_dimensions": (3, 2), "padding": [(1, 1), (0, 1)]}, 2)
    tolerance = 2e-2 if np.dtype(dtype).itemsize == 2 and dtype is not np.uint16 else 0
    close(reduce_window(np, x, kind=kind, **params), oracle(x, kind, params), tolerance)


def test_reduce_window_empty_and_scalar():
    params = fill({"window_dimensions": (2, 1)}, 2)
    assert reduce_window(np, np.ones((1, 3)), kind="max", **params).shape == (0, 3)
    params = fill({"window_dimensions": ()}, 0)
    assert reduce_window(np, np.float32(3)[...], kind="add", **params) == 3


def test_nan_propagates():
    x = np.array([1.0, np.nan, 2.0, 3.0], np.float32)
    params = fill({"window_dimensions": (2,)}, 1)
    for kind in ("add", "mul", "max", "min"):
        got = reduce_window(np, x, kind=kind, **params)
        np.testing.assert_array_equal(np.isnan(got), [True, True, False])


def pool(params, select):
    start, combine = (-np.inf, lax.max) if select == "ge" else (np.inf, lax.min)
    ordered = [params[key] for key in ("window_dimensions", "window_strides", "padding")]

    def f(x):
        return lax.reduce_window(x, np.asarray(start, x.dtype)[()], combine, *ordered)

    return f


@pytest.mark.parametrize(
    "params", [params for params in WINDOWS if min(min(params.get("padding", [(0,)]))) >= 0]
)
@pytest.mark.parametrize(
    ("select", "dtype"), [("ge", np.float32), ("le", np.float32), ("ge", ml_dtypes.bfloat16)]
)
def test_select(params, select, dtype):
    rng = np.random.default_rng(2)
    x = draw(rng, (4, 8, 9), dtype)
    params = fill(params, 3)
    del params["base_dilation"], params["window_dilation"]
    f = pool(params, select)
    out, pullback = jax.vjp(f, x)
    ct = rng.integers(-9, 9, out.shape).astype(dtype)
    tangent = rng.integers(-9, 9, x.shape).astype(dtype)
    got = select_and_scatter_add(np, ct, x, select=select, **params)
    close(got, np.asarray(pullback(ct)[0]), 0)
    got = select_and_gather_add(np, tangent, x, select=select, **params)
    close(got, np.asarray(jax.jvp(f, (x,), (tangent,))[1]), 0)


def test_select_with_negative_padding():
    """JAX has no such case: gather and scatter must be each other's transpose."""
    rng = np.random.default_rng(4)
    x, tangent = draw(rng, (7, 6), np.float32), draw(rng, (7, 6), np.float32)
    params = {"window_dimensions": (2, 3), "window_strides": (1, 2), "padding": [(-1, 2), (3, -2)]}
    out = select_and_gather_add(np, tangent, x, select="ge", **params)
    ct = draw(rng, out.shape, np.float32)
    back = select_and_scatter_add(np, ct, x, select="ge", **params)
    assert np.vdot(ct, out) == np.vdot(back, tangent)


def test_select_with_nan():
    x = np.array([[1, np.nan, 2, 3], [np.nan, np.nan, 5, 5], [4, 4, 1, np.nan]], np.float32)
    params = {"window_dimensions": (1, 4), "window_strides": (1, 1), "padding": [(0, 0)] * 2}
    _, pullback = jax.vjp(pool(params, "ge"), x)
    ct = np.array([[1], [2], [3]], np.float32)
    got = select_and_scatter_add(np, ct, x, select="ge", **params)
    np.testing.assert_array_equal(got, pullback(ct)[0])


CUMULATIVE = {
    "sum": lax.cumsum,
    "prod": lax.cumprod,
    "max": lax.cummax,
    "min": lax.cummin,
    "logsumexp": lax.cumlogsumexp,
}


@pytest.mark.parametrize("kind", CUMULATIVE)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [np.int8, ml_dtypes.bfloat16, np.float32, np.complex64])
def test_cumulative(kind, reverse, dtype):
    undefined = {np.int8: ("logsumexp",), np.complex64: ("max", "min")}
    if kind in undefined.get(dtype, ()):
        pytest.skip("not a reduction of this dtype")
    x = draw(np.random.default_rng(3), (3, 7, 2), dtype)
    got = cumulative(np, x, kind=kind, axis=1, reverse=reverse)
    want = np.asarray(CUMULATIVE[kind](x, axis=1, reverse=reverse))
    close(got, want, 3e-2 if dtype is ml_dtypes.bfloat16 else 1e-5)


def test_cumulative_edges():
    assert cumulative(np, np.zeros((0, 2)), kind="max", axis=0).shape == (0, 2)
    x = np.array([1.0, np.nan, 2.0])
    np.testing.assert_array_equal(cumulative(np, x, kind="max", axis=0), [1, np.nan, np.nan])
    x = np.array([-np.inf, -np.inf, 0.0], np.float32)
    np.testing.assert_array_equal(cumulative(np, x, kind="logsumexp", axis=0), x)
    with np.errstate(invalid="ignore"):
        got = cumulative(np, x.astype(np.complex64), kind="logsumexp", axis=0)
    np.testing.assert_array_equal(got, x)
