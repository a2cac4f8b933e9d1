"""Choices by bit masks equal numpy.where to the last bit, on any dtype and memory layout."""

import ml_dtypes
import numpy as np
import pytest

from fx.ops.numerics.select import select

SHAPE = (90, 95)  # more elements than the limit below which numpy.where does it
DTYPES = ["?", "i1", "u2", "i4", "i8", "f2", "f4", "f8", "c8", "c16", ml_dtypes.bfloat16]


def draw(rng, dtype):
    """Any bits: NaNs with payloads, negative zeros, infinities."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.uniform(size=SHAPE) < 0.5
    return rng.integers(0, 256, (*SHAPE, dtype.itemsize), np.uint8).view(dtype)[..., 0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_equals_where(dtype):
    rng = np.random.default_rng(0)
    mask, x, y = rng.uniform(size=SHAPE) < 0.4, draw(rng, dtype), draw(rng, dtype)
    zero = np.broadcast_to(np.zeros((), dtype), SHAPE)
    one = np.broadcast_to(np.ones((), dtype), SHAPE)
    rows = np.broadcast_to(y[:1], SHAPE)
    layouts = [(x, y), (x, zero), (zero, x), (zero, zero), (one, x), (x, one), (rows, x), (x, rows)]
    for yes, no in layouts:
        before = mask.copy(), yes.copy(), no.copy()
        for turned in (False, True):
            args = [a[::-1, ::-1] if turned else a for a in (mask, yes, no)]
            got = select(np, *args)
            assert got.dtype == dtype
            assert got.tobytes() == np.where(*args).astype(dtype).tobytes()
        for now, was in zip((mask, yes, no), before, strict=True):
            assert now.tobytes() == was.tobytes()


def test_minus_zero_is_not_zero():
    minus = np.broadcast_to(np.float32(-0.0), SHAPE)
    got = select(np, np.zeros(SHAPE, bool), np.ones(SHAPE, np.float32), minus)
    assert np.signbit(got).all()


def test_shapes_that_broadcast():
    rng = np.random.default_rng(1)
    mask, x, y = rng.uniform(size=(95,)) < 0.4, draw(rng, "f4"), draw(rng, "f4")
    assert select(np, mask, x, y).tobytes() == np.where(mask, x, y).tobytes()
    assert select(np, mask[:0], x[:0, :0], y[:0, :0]).shape == (0, 0)
