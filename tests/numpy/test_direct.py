"""The short ways of `fx.numpy.direct` give what the general ones do, of special values too."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.numpy import direct
from tests.functions.spec import caller, leaves, smooth_point
from tests.functions.table import TABLE

NAMES = [n for n in jnp.__all__ if getattr(jnp, n) is getattr(direct, n, None)]
ROWS = [r for r in TABLE if r.name.removeprefix("numpy.") in NAMES and r.jit]
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1.0, -2.0])
# What these make of infinities and NaN is left open: as NumPy sorts, and at the ends of a range.
FINITE = {"numpy.interp", "numpy.convolve", "numpy.correlate", "numpy.polyval", "numpy.gradient"}


def special_point(r, seed):
    """Arguments of a row with infinities, NaN and ties among the floats."""
    rng = np.random.default_rng(seed)
    found = []
    for a, x in zip(r.args, smooth_point(r, "float32", seed), strict=True):
        data = np.array(x)
        if a.differentiable and r.name not in FINITE:
            mask = rng.uniform(size=data.shape) < 0.4
            data = np.where(mask, rng.choice(SPECIAL, data.shape), data).astype(data.dtype)
        found.append(jnp.asarray(data))
    return found


def test_most_functions_of_the_table_are_direct():
    assert len(NAMES) > 100 and len({r.name for r in ROWS}) > 90


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("r", ROWS, ids=str)
def test_short_way_equals_general_way(r):
    function = caller(r, "fx")
    for seed in range(4):
        args = special_point(r, seed)
        short = leaves(function(*args))
        general = leaves(fx.jit(function)(*args))
        for got, want in zip(short, general, strict=True):
            assert (got.shape, got.dtype, got.weak_type) == (
                want.shape,
                want.dtype,
                want.weak_type,
            )
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
