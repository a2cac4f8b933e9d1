"""Initializers have the numbers of `jax.nn.initializers`."""

import numpy as np
import pytest

from fx import random
from fx.errors import FxValueError
from fx.nn import initializers

try:
    import jax
except ImportError:
    jax = None

needs_jax = pytest.mark.skipif(jax is None, reason="jax is the oracle")

NAMES = [
    "uniform",
    "normal",
    "truncated_normal",
    "glorot_uniform",
    "glorot_normal",
    "lecun_uniform",
    "lecun_normal",
    "he_uniform",
    "he_normal",
]
SCHEMES = [
    (mode, distribution)
    for mode in ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
    for distribution in ("truncated_normal", "normal", "uniform")
]


def both(name, shape, dtype, *args, **options):
    ours = getattr(initializers, name)(*args, **options)(random.key(3), shape, dtype)
    theirs = getattr(jax.nn.initializers, name)(*args, **options)(jax.random.key(3), shape, dtype)
    assert ours.dtype == theirs.dtype
    return np.asarray(ours).astype(np.float32), np.asarray(theirs).astype(np.float32)


@needs_jax
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_to_the_last_bit(name, dtype):
    np.testing.assert_array_equal(*both(name, (24, 16), dtype))


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize(("mode", "distribution"), SCHEMES)
def test_scaling_by_any_axes(mode, distribution):
    axes = {"in_axis": 0, "out_axis": (1, 2), "batch_axis": 3}
    pair = both("variance_scaling", (4, 5, 6, 7), "float32", 1.7, mode, distribution, **axes)
    np.testing.assert_array_equal(*pair)


@needs_jax
@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (2, 3, 4)])
@pytest.mark.parametrize("column_axis", [-1, 0])
def test_orthogonal_is_jaxs_up_to_rounding(shape, column_axis):
    pair = both("orthogonal", shape, "float32", 2.0, column_axis)
    np.testing.assert_allclose(*pair, atol=2e-6)


@needs_jax
@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 4, 2, 2), (1, 3, 5, 2, 4)])
def test_delta_orthogonal_is_jaxs_up_to_rounding(shape):
    np.testing.assert_allclose(*both("delta_orthogonal", shape, "float32"), atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 3, 4)])
def test_orthogonal_vectors(shape):
    x = np.asarray(initializers.orthogonal()(random.key(0), shape, "float64"))
    matrix = x.reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_refusals():
    with pytest.raises(FxValueError, match="two axes"):
        initializers.orthogonal()(random.key(0), (3,))
    with pytest.raises(FxValueError, match="rank 3, 4 or 5"):
        initializers.delta_orthogonal()(random.key(0), (3, 3))
    with pytest.raises(FxValueError, match="inputs"):
        initializers.delta_orthogonal()(random.key(0), (3, 4, 2))
    assert initializers.orthogonal()(random.key(0), (0, 3)).shape == (0, 3)
