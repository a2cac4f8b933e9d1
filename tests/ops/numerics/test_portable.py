"""Portable functions: the bits of XLA, near the truth, and rounded once where they say so."""

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from fx.ops.numerics import portable

try:
    import jax
    from jax import lax
except ImportError:
    jax = None

needs_jax = pytest.mark.skipif(jax is None, reason="jax is the oracle")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SINGLE = np.float32
HALVES = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]
FUNCTIONS = ["exp", "log", "log1p", "erf", "erf_inv"]
TINY = 2.0**-126


def arguments(name, count=200_000):
    rng = np.random.default_rng(len(name))
    # Arguments with subnormal results are left out: XLA flushes those to 0.
    special = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 2 * TINY, 3e38]
    if name == "erf_inv":
        x = np.concatenate([rng.uniform(-1.01, 1.01, count), special])
    elif name == "exp":
        x = np.concatenate([rng.uniform(-110, 100, count), rng.normal(size=count), special])
    else:
        x = np.concatenate(
            [np.exp(rng.uniform(-80, 80, count)), 3 * rng.normal(size=count), special]
        )
    return x.astype(SINGLE)


def assert_same_bits(got, expected):
    """Equal bit for bit, but for which NaN it is."""
    assert got.dtype == expected.dtype
    kind = f"u{got.dtype.itemsize}"
    nan = np.isnan(got) & np.isnan(expected)
    different = (np.atleast_1d(got).view(kind) != np.atleast_1d(expected).view(kind)) & ~nan
    assert not different.any(), f"{different.sum()} of {different.size} differ"


@needs_jax
@pytest.mark.parametrize("name", FUNCTIONS)
def test_single_precision_equals_xla(name):
    x = arguments(name)
    expected = np.asarray(jax.jit(getattr(lax, name))(x))
    assert_same_bits(getattr(portable, name)(np, x), expected)


@needs_jax
def test_erf_inv_equals_xla_for_every_normal_number():
    """The 2**23 arguments that `random.normal` can draw: every one of them."""
    unit = np.arange(2**23, dtype=np.uint32).astype(SINGLE) * SINGLE(2.0**-23)
    lowest = np.nextafter(SINGLE(-1), SINGLE(0))
    u = np.maximum(unit * SINGLE(2) + lowest, lowest)
    expected = np.asarray(jax.jit(lax.erf_inv)(u))
    assert_same_bits(portable.erf_inv(np, u), expected)


@needs_jax
@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_half_precision_equals_xla_for_every_number(name, dtype):
    x = np.arange(2**16, dtype=np.uint16).view(dtype)
    # XLA takes numbers that are subnormal in float32 for 0, as arguments and as results.
    x = x[~((np.abs(x.astype(SINGLE)) < 2 * TINY) & (x != 0))]
    with np.errstate(all="ignore"):
        got = getattr(portable, name)(np, x)
    assert_same_bits(got.astype(SINGLE), np.asarray(jax.jit(getattr(lax, name))(x)).astype(SINGLE))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_double_precision_is_accurate(name):
    mpmath = pytest.importorskip("mpmath")
    reference = {
        "exp": mpmath.exp,
        "log": mpmath.log,
        "log1p": lambda v: mpmath.log1p(v),
        "erf": mpmath.erf,
        "erf_inv": mpmath.erfinv,
    }[name]
    rng = np.random.default_rng(0)
    x = {
        "log": np.exp(rng.uniform(-300, 300, 200)),
        "log1p": np.concatenate([rng.uniform(-0.99, 5, 100), rng.normal(size=100) * 1e-9]),
        # Nearer to 1 the rounding of x * x shows, as in XLA.
        "erf_inv": rng.uniform(-0.95, 0.95, 200),
    }.get(name, rng.uniform(-5, 5, 200))
    expected = np.array([float(reference(mpmath.mpf(float(v)))) for v in x])
    np.testing.assert_allclose(getattr(portable, name)(np, x), expected, rtol=2e-14)


@needs_jax
def test_double_precision_is_near_xla():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(-1, 1, 20_000), 1 - np.exp(rng.uniform(-35, -2, 20_000))])
    with jax.enable_x64(True):
        expected = np.asarray(jax.jit(lax.erf_inv)(x))
    ulps = np.abs(portable.erf_inv(np, x).view(np.int64) - expected.view(np.int64))
    assert ulps.max() <= 4


def test_ends_of_the_domains():
    x = np.array([-1, 1, -2, 2, 0, np.inf, np.nan], SINGLE)
    inf, nan = np.inf, np.nan
    for dtype in (np.float32, np.float64):
        x = x.astype(dtype)
        np.testing.assert_array_equal(portable.erf_inv(np, x), [-inf, inf, nan, nan, 0, nan, nan])
        np.testing.assert_array_equal(
            portable.log(np, x)[[0, 1, 4, 5, 6]], [nan, 0, -inf, inf, nan]
        )
        np.testing.assert_array_equal(portable.exp(np, -x)[[4, 5, 6]], [1, 0, nan])
        np.testing.assert_array_equal(portable.log1p(np, x)[[0, 2, 4, 5]], [-inf, nan, 0, inf])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [*HALVES, np.dtype("f4"), np.dtype("f8")], ids=str)
def test_shapes_and_strides(name, dtype):
    function = getattr(portable, name)
    x = np.linspace(0.1, 0.9, 24).astype(dtype).reshape(2, 3, 4)
    copy = x.copy()
    flat = function(np, x.reshape(-1))
    np.testing.assert_array_equal(function(np, x.T), flat.reshape(2, 3, 4).T)
    np.testing.assert_array_equal(function(np, x[0, 0, 0]), flat[0])
    assert function(np, x[:, :0]).shape == (2, 0, 4)
    np.testing.assert_array_equal(x, copy)


def test_block_size_changes_no_bit(monkeypatch):
    x = np.linspace(0.01, 0.99, 1000).astype(SINGLE)
    expected = portable.erf_inv(np, x)
    monkeypatch.setattr(portable, "_BLOCK", 7)
    np.testing.assert_array_equal(portable.erf_inv(np, x), expected)


def nearest(value, dtype):
    """The floating number nearest to a Fraction, ties to even."""
    if value == 0:
        return dtype(0)
    digits, lowest = (24, -149) if dtype is np.float32 else (53, -1074)
    exponent = math.floor(math.log2(abs(value)))
    while Fraction(2) ** exponent > abs(value):
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= abs(value):
        exponent += 1
    unit = Fraction(2) ** max(exponent - digits + 1, lowest)
    return dtype(float(round(value / unit) * unit))  # round() of a Fraction: ties to even


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("digits", [3, 12, 24])
def test_fma_rounds_once(dtype, digits):
    """Few digits make exact ties common; they are what rounding twice gets wrong."""
    rng = np.random.default_rng(digits)
    n = 300
    limit = 2 ** (digits if dtype is np.float32 else 2 * digits)
    x, y = (rng.integers(1, limit, n) * 2.0 ** rng.integers(-30, 0, n) for _ in range(2))
    z = rng.integers(-limit, limit, n) * 2.0 ** rng.integers(-90, 10, n)
    x, y, z = (v.astype(dtype) for v in (x, y, z))
    got = portable.fma(np, x, y, z)
    for i in range(n):
        exact = Fraction(float(x[i])) * Fraction(float(y[i])) + Fraction(float(z[i]))
        assert got[i] == nearest(exact, dtype), (x[i], y[i], z[i])


def test_fma_of_subnormal_results_rounds_once():
    rng = np.random.default_rng(0)
    x = rng.integers(1, 2**24, 300).astype(SINGLE) * SINGLE(2.0**-100)
    y = rng.integers(1, 2**24, 300).astype(SINGLE) * SINGLE(2.0**-70)
    z = rng.integers(0, 2**10, 300).astype(SINGLE) * SINGLE(2.0**-149)
    got = portable.fma(np, x, y, z)
    for i in range(len(x)):
        exact = Fraction(float(x[i])) * Fraction(float(y[i])) + Fraction(float(z[i]))
        assert got[i] == nearest(exact, SINGLE)


@pytest.mark.parametrize("dtype", [*HALVES, np.dtype("f4"), np.dtype("f8")], ids=str)
def test_fma_broadcasts_and_propagates(dtype):
    x = np.arange(3).astype(dtype)
    got = portable.fma(np, x, np.asarray(2, dtype), np.ones((2, 1), dtype))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.astype(float), [[1, 3, 5]] * 2)
    assert portable.fma(np, x[0], x[1], x[2]).shape == ()
    special = np.array([np.inf, np.nan, 1e4]).astype(dtype)
    out = portable.fma(np, special, special, np.asarray(1, dtype)).astype(float)
    assert out[0] == np.inf and np.isnan(out[1]) and out[2] > 1e4


@pytest.mark.parametrize(
    ("dtype", "bits", "digits"),
    [("f2", "u2", 10), ("bfloat16", "u1", 7), ("f4", "u4", 23), ("f8", "u8", 52)],
)
def test_unit_interval_keeps_the_leading_bits(dtype, bits, digits):
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    top = np.iinfo(bits).max
    words = np.array([0, top, top // 2 + 1, top // 3, 1], bits)
    got = portable.unit_interval(np, words, dtype)
    assert got.dtype == dtype
    width = words.dtype.itemsize * 8
    expected = [(int(w) >> (width - digits)) / 2**digits for w in words]
    np.testing.assert_array_equal(got.astype(float), expected)
    assert portable.unit_interval(np, words[0], dtype).shape == ()
