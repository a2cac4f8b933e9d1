"""Resizing in float64, its derivatives, and errors; values of JAX are in differential/."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.image import ResizeMethod, resize, scale_and_translate
from fx.testing import check_grads

SMOOTH = [m for m in ResizeMethod if m is not ResizeMethod.NEAREST]
ONE = np.ones(1)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(list(ResizeMethod)), st.booleans())
def test_constants_stay_and_results_are_linear_in_the_image(n, m, method, antialias):
    rng = np.random.default_rng(n + 10 * m)
    x, y = rng.normal(size=(2, n))
    new = [resize(v, (m,), method, antialias) for v in (x, y, 2 * x - y, np.ones(n))]
    assert all(v.dtype == np.float64 for v in new)
    np.testing.assert_allclose(2 * new[0] - new[1], new[2], atol=1e-12)
    np.testing.assert_allclose(new[3], np.ones(m), atol=1e-12)


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(list(ResizeMethod)))
def test_the_mirror_image_is_resized_to_the_mirror_image(n, m, method):
    if method is ResizeMethod.NEAREST and n % 2 == 0:
        return  # a result between two samples takes the second
    x = np.random.default_rng(n).normal(size=n)
    if method is ResizeMethod.NEAREST and m % 2 == 0:
        return
    np.testing.assert_allclose(
        resize(x[::-1], (m,), method), resize(x, (m,), method)[::-1], atol=1e-9
    )


@pytest.mark.parametrize("method", SMOOTH)
def test_derivatives(method):
    x = np.random.default_rng(0).normal(size=(3, 4))
    check_grads(lambda x: resize(x, (5, 2), method), (x,), order=2)
    scale, shift = np.array([1.13, 0.77]), np.array([0.21, -0.37])
    f = lambda x, s, t: scale_and_translate(x, (4, 3), (0, 1), s, t, method)
    check_grads(f, (x, scale, shift), order=1)


def test_an_image_moves_by_whole_pixels():
    x = np.arange(12.0).reshape(3, 4)
    moved = scale_and_translate(x, (3, 4), (1,), ONE, 2 * ONE, "cubic")
    np.testing.assert_allclose(moved, np.pad(x, ((0, 0), (2, 0)))[:, :4], atol=1e-12)
    same = fx.jit(lambda s: scale_and_translate(x, (3, 4), (-1,), s, 0 * s, "lanczos3"))(ONE)
    np.testing.assert_allclose(same, x, atol=1e-12)


ERRORS = {
    "method": (lambda: resize(ONE, (2,), "box"), FxValueError, "'bicubic'"),
    "no method": (lambda: resize(ONE, (2,), 3), FxTypeError, "ResizeMethod"),
    "rank": (lambda: resize(ONE, (2, 2), "linear"), ShapeError, "each of the 1 axes"),
    "empty": (lambda: resize(ONE[:0], (2,), "linear"), ShapeError, "no samples"),
    "nearest": (
        lambda: scale_and_translate(ONE, (2,), (0,), ONE, ONE, "nearest"),
        FxValueError,
        "no weights",
    ),
    "length": (
        lambda: scale_and_translate(ONE, (2,), (0,), jnp.ones(2), ONE, "linear"),
        ShapeError,
        "scale must",
    ),
    "other axis": (
        lambda: scale_and_translate(np.ones((2, 2)), (3, 3), (0,), ONE, ONE, "linear"),
        ShapeError,
        "spatial_dims",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind, match=text):
        call()
