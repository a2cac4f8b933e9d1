"""Interpolation on grids against SciPy, with derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.errors import FxValueError, ShapeError
from fx.scipy.interpolate import RegularGridInterpolator
from fx.scipy.ndimage import map_coordinates
from fx.testing import check_grads


def grid(rng, dims, rest=()):
    points = tuple(np.sort(rng.normal(size=n)) for n in dims)
    return points, rng.normal(size=(*dims, *rest))


@pytest.mark.parametrize("method", ["linear", "nearest"])
@pytest.mark.parametrize("fill", [np.nan, 1.5, None])
@given(st.lists(st.integers(2, 4), min_size=1, max_size=3), st.sampled_from([(), (2,)]))
def test_values_are_scipys(method, fill, dims, rest):
    scipy_interpolate = pytest.importorskip("scipy.interpolate")
    rng = np.random.default_rng(sum(dims))
    points, values = grid(rng, dims, rest)
    places = rng.normal(size=(3, 4, len(dims)))
    options = {"method": method, "bounds_error": False, "fill_value": fill}
    theirs = scipy_interpolate.RegularGridInterpolator(points, values, **options)(places)
    np.testing.assert_allclose(RegularGridInterpolator(points, values, **options)(places), theirs)
    down = [p[::-1] for p in points]
    flipped = RegularGridInterpolator(down, np.flip(values, range(len(dims))), **options)
    np.testing.assert_allclose(flipped(places), theirs, rtol=1e-9)


def test_derivatives_and_programs():
    rng = np.random.default_rng(0)
    points, values = grid(rng, (4, 3))
    inside = np.stack([rng.uniform(p[0], p[-1], 5) for p in points], axis=-1)
    check_grads(lambda v, x: RegularGridInterpolator(points, v)(x), (values, inside), order=1)
    f = RegularGridInterpolator(points, values)
    np.testing.assert_allclose(fx.jit(f)(inside), f(inside))
    np.testing.assert_allclose(fx.vmap(f)(inside), f(inside))
    np.testing.assert_allclose(f((inside[:, 0], inside[:, 1])), f(inside))
    assert f(inside, method="nearest").shape == (5,)
    one = RegularGridInterpolator((np.arange(3.0),), np.arange(3.0) ** 2)
    np.testing.assert_allclose(one(np.array([0.5, 1.5])), [0.5, 2.5])
    single = RegularGridInterpolator((np.ones(1), np.arange(2.0)), np.array([[1.0, 3.0]]))
    np.testing.assert_allclose(single(np.array([1.0, 0.5])), 2.0)


def test_errors_of_grids():
    points, values = grid(np.random.default_rng(0), (4, 3))
    cases = [
        (lambda: RegularGridInterpolator(points, values, "cubic"), FxValueError, "'nearest'"),
        (lambda: RegularGridInterpolator(points, values[0]), ShapeError, "points"),
        (lambda: RegularGridInterpolator(points[::-1], values), ShapeError, r"points\[0\]"),
        (lambda: RegularGridInterpolator((np.zeros(4),), values), FxValueError, "ascend"),
        (lambda: RegularGridInterpolator(points, values)(np.ones(3)), ShapeError, "2 coordinates"),
        (
            lambda: RegularGridInterpolator(points, values, bounds_error=True)(9 * np.ones(2)),
            FxValueError,
            "outside",
        ),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind, match=text):
            call()


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("mode", ["constant", "nearest", "wrap", "mirror", "reflect"])
def test_map_coordinates_is_that_of_jax(mode, order):
    jax_ndimage = pytest.importorskip("jax.scipy.ndimage")
    rng = np.random.default_rng(0)
    for shape, kind in (
        ((5,), "float32"),
        ((3, 4), "float32"),
        ((4, 1), "float32"),
        ((4,), "int32"),
    ):
        x = (10 * rng.normal(size=shape)).astype(kind)
        places = [rng.uniform(-7, 9, (2, 6)).astype("float32") for _ in shape]
        got = map_coordinates(x, places, order, mode, cval=2.0)
        theirs = jax_ndimage.map_coordinates(x, places, order, mode, cval=2.0)
        assert got.dtype == theirs.dtype
        np.testing.assert_allclose(got, theirs, rtol=1e-4, atol=1e-4)


def test_map_coordinates_has_derivatives_and_errors():
    rng = np.random.default_rng(0)
    x, places = rng.normal(size=(3, 4)), rng.uniform(0, 2, (2, 5))
    check_grads(lambda x, p: map_coordinates(x, [*p], 1), (x, jnp.asarray(places)), order=1)
    with pytest.raises(ShapeError, match="2 axes"):
        map_coordinates(x, [places], 1)
    with pytest.raises(FxValueError, match="order"):
        map_coordinates(x, places, 3)
    with pytest.raises(FxValueError, match="'reflect'"):
        map_coordinates(x, places, 1, "periodic")
