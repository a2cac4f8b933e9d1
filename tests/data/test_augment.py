"""Augmentation: what it leaves alone, what it moves where, and on what it depends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from fx.data import Augment, load
from fx.errors import FxValueError

STRONG = Augment(shift=3, rotate=20, scale=0.2, shear=0.2, elastic=1.5, stroke=0.7)


def images(count=6):
    return load().test_images[:count, :, :, 0]


def rng(seed=0):
    return np.random.default_rng(seed)


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
def test_zero_strength_is_the_identity(seed, count, height, width):
    batch = rng(seed).standard_normal((count, height, width)).astype(np.float32)
    np.testing.assert_array_equal(Augment()(batch, rng(seed)), batch)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_keeps_shape_dtype_and_range(dtype, channels):
    peak = 255 if dtype == np.uint8 else 1
    batch = np.zeros((2, 20, 24, *channels), dtype)
    batch[:, 5:15, 8:16] = peak
    before = batch.copy()
    result = STRONG(batch, rng())
    assert result.shape == batch.shape and result.dtype == batch.dtype
    assert result.min() >= 0 and result.max() <= peak
    assert not np.array_equal(result, batch)
    np.testing.assert_array_equal(batch, before)


def test_the_seed_decides():
    batch = images()
    np.testing.assert_array_equal(STRONG(batch, rng(1)), STRONG(batch, rng(1)))
    assert not np.array_equal(STRONG(batch, rng(1)), STRONG(batch, rng(2)))


def test_each_image_gets_its_own_map():
    batch = np.repeat(images(1), 4, axis=0)
    result = STRONG(batch, rng())
    assert len({image.tobytes() for image in result}) == 4


def test_channels_move_together():
    batch = images()
    result = STRONG(np.stack([batch, 2 * batch], axis=-1), rng())
    np.testing.assert_allclose(result[..., 1], 2 * result[..., 0], rtol=1e-6)
    np.testing.assert_allclose(result[..., 0], STRONG(batch, rng()), rtol=1e-6)


class Fixed:
    """A generator whose every value sits at the same fraction of its range."""

    def __init__(self, fraction):
        self.fraction = fraction

    def uniform(self, low, high, shape):
        return np.full(shape, low + self.fraction * (high - low))


def test_shift_by_whole_pixels():
    batch = images()
    expected = np.zeros_like(batch)
    expected[:, :-2, :-2] = batch[:, 2:, 2:]
    np.testing.assert_array_equal(Augment(shift=2)(batch, Fixed(1.0)), expected)


def test_rotation_by_a_right_angle():
    batch = images()
    turned = Augment(rotate=90)(batch, Fixed(1.0))
    np.testing.assert_allclose(turned, np.rot90(batch, -1, axes=(1, 2)), atol=1e-4)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_agrees_with_scipy_on_the_whole_affine_map(fraction):
    """scipy applies a matrix to output coordinates, as we do; ours is composed of named parts."""
    batch = images().astype(np.float64)
    augment = Augment(shift=1.5, rotate=20, scale=0.2, shear=0.3)
    result = augment(batch, Fixed(fraction))
    at = 2 * fraction - 1
    angle, factor = np.radians(20) * at, 1 / (1 + 0.2 * at)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, 0], [0.3 * at, 1]])
    matrix = factor * shear @ rotation
    centre = np.array([13.5, 13.5])
    offset = centre - matrix @ centre + 1.5 * at
    for image, got in zip(batch, result, strict=True):
        expected = ndimage.affine_transform(
            image, matrix, offset, order=1, mode="grid-constant", output_shape=image.shape
        )
        np.testing.assert_allclose(got, expected, atol=2e-4)


def test_elastic_bends_smoothly():
    ramp = np.broadcast_to(np.arange(28.0), (4, 28, 28)).astype(np.float32)
    bent = Augment(elastic=1.0)(ramp, rng())
    moved = bent[:, 3:-3, 3:-3] - ramp[:, 3:-3, 3:-3]
    assert 0.1 < np.abs(moved).max() <= 1.0 + 1e-4
    assert np.abs(np.diff(moved, axis=1)).max() < 0.5


def test_empty_batch():
    assert STRONG(np.zeros((0, 28, 28), np.float32), rng()).shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"shift": -1}, "shift >= 0"),
        ({"rotate": float("nan")}, "rotate >= 0 and finite"),
        ({"elastic": float("inf")}, "elastic >= 0 and finite"),
        ({"scale": 1.0}, "scale < 1"),
    ],
)
def test_bad_bounds(bounds, message):
    with pytest.raises(FxValueError, match=message):
        Augment(**bounds)


def test_an_image_without_batch_axis():
    with pytest.raises(FxValueError, match=r"add a batch axis"):
        STRONG(np.zeros((28, 28), np.float32), rng())


def test_strokes_go_towards_a_dilation_or_an_erosion():
    batch = images(40)
    cross = ndimage.generate_binary_structure(2, 1)
    result = Augment(stroke=1.0)(batch, rng())
    kinds = set()
    for before, after in zip(batch, result, strict=True):
        brightest = ndimage.grey_dilation(before, footprint=cross, mode="nearest")
        darkest = ndimage.grey_erosion(before, footprint=cross, mode="nearest")
        thicker = after.sum() > before.sum()
        kinds.add(thicker)
        change = (brightest if thicker else darkest) - before
        share = (after - before)[change != 0] / change[change != 0]
        assert 0 <= share.min() <= share.max() <= 1 + 1e-5
        np.testing.assert_allclose(share, share.mean(), atol=1e-4)
        assert (after == before)[change == 0].all()
    assert kinds == {True, False}


def test_stroke_is_a_share():
    with pytest.raises(FxValueError, match=r"expected stroke <= 1, got 1\.5"):
        Augment(stroke=1.5)
