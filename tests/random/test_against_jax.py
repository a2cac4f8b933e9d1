"""The samples are those of `jax.random` for the same key: bit for bit, or as near as stated.

`jax_digests.json` holds digests of what JAX 0.10.2 draws, so most of this is checked without JAX,
which takes a second to compile a sampler. The slow tests compare with JAX itself, and check the
digests; `python -m tests.random.test_against_jax` writes them anew.
"""

import functools
import hashlib
import json
import pathlib

import ml_dtypes
import numpy as np
import pytest

import fx
from fx import random

try:
    import jax
except ImportError:
    jax = None

needs_jax = pytest.mark.skipif(jax is None, reason="jax is the oracle")
DIGESTS = pathlib.Path(__file__).with_name("jax_digests.json")

N = 10_007
BF16, F16, F64 = ml_dtypes.bfloat16, np.float16, np.float64


def f32(*values):
    return np.array(values, np.float32)


def ramp(n, dtype=np.float32):
    return np.arange(n).astype(dtype)


TABLE = ramp(60, np.int32).reshape(5, 12)

# Name -> sampler of (module, key); equal to the last bit.
EXACT = {
    "bits": lambda r, k: r.bits(k, (N,)),
    "bits 0-d": lambda r, k: r.bits(k),
    "bits uint8": lambda r, k: r.bits(k, (7, 3), "uint8"),
    "bits empty": lambda r, k: r.bits(k, (3, 0), "uint16"),
    "uniform": lambda r, k: r.uniform(k, (N,)),
    "uniform 0-d": lambda r, k: r.uniform(k),
    "uniform empty": lambda r, k: r.uniform(k, (0, 4)),
    "uniform scaled": lambda r, k: r.uniform(k, (N,), minval=-1, maxval=3),
    "uniform rounded": lambda r, k: r.uniform(k, (N,), minval=0.1, maxval=0.7),
    "uniform wide": lambda r, k: r.uniform(k, (N,), minval=-1e30, maxval=3e30),
    "uniform arrays": lambda r, k: r.uniform(k, (N, 3), minval=f32(0.1, 0.2, 0.3), maxval=1.7),
    "uniform bfloat16": lambda r, k: r.uniform(k, (N,), BF16, 0.1, 0.7),
    "uniform float16": lambda r, k: r.uniform(k, (N,), F16, 0.1, 0.7),
    "normal": lambda r, k: r.normal(k, (300, 401)),
    "normal 0-d": lambda r, k: r.normal(k),
    "normal empty": lambda r, k: r.normal(k, (0,)),
    "normal bfloat16": lambda r, k: r.normal(k, (N,), BF16),
    "normal float16": lambda r, k: r.normal(k, (N,), F16),
    "normal complex64": lambda r, k: r.normal(k, (N,), "complex64"),
    "truncated_normal": lambda r, k: r.truncated_normal(k, -2, 2, (N,)),
    "truncated_normal tail": lambda r, k: r.truncated_normal(k, 0.3, 5.0, (N,)),
    "truncated_normal arrays": lambda r, k: r.truncated_normal(k, f32(0.3, -3), f32(5, 1), (N, 2)),
    "truncated_normal bfloat16": lambda r, k: r.truncated_normal(k, 0.3, 1.5, (N,), BF16),
    "truncated_normal float16": lambda r, k: r.truncated_normal(k, 0.3, 5.0, (N,), F16),
    "randint": lambda r, k: r.randint(k, (N,), 0, 10),
    "randint power of 2": lambda r, k: r.randint(k, (N,), -8, 8),
    "randint large": lambda r, k: r.randint(k, (N,), -5, 1_000_003),
    "randint whole": lambda r, k: r.randint(k, (N,), -(2**31), 2**31 - 1),
    "randint uint32": lambda r, k: r.randint(k, (N,), 0, 2**31 - 1, "uint32"),
    "randint uint8": lambda r, k: r.randint(k, (N,), 0, 256, "uint8"),
    "randint int8": lambda r, k: r.randint(k, (N,), -200, 200, "int8"),
    "randint int16": lambda r, k: r.randint(k, (N,), -7, 2000, "int16"),
    "randint empty range": lambda r, k: r.randint(k, (N,), 7, 3),
    "randint arrays": lambda r, k: r.randint(
        k, (N, 3), np.array([0, 5, -7], np.int32), np.array([100, 2, 123456789], np.int32)
    ),
    "randint arrays uint8": lambda r, k: r.randint(
        k, (N, 2), np.array([0, -7], np.int32), np.array([100, 1000], np.int32), "uint8"
    ),
    "bernoulli": lambda r, k: r.bernoulli(k, 0.3, (N,)),
    "bernoulli high": lambda r, k: r.bernoulli(k, 0.3, (N,), mode="high"),
    "bernoulli arrays": lambda r, k: r.bernoulli(k, f32(0.3, 0.5), (N, 2)),
    "bernoulli default": lambda r, k: r.bernoulli(k),
    "rademacher": lambda r, k: r.rademacher(k, (N,)),
    "rademacher float": lambda r, k: r.rademacher(k, (N,), "float32"),
    "permutation": lambda r, k: r.permutation(k, 1000),
    "permutation large": lambda r, k: r.permutation(k, 100_003),
    "permutation 0": lambda r, k: r.permutation(k, 0),
    "permutation 1": lambda r, k: r.permutation(k, 1),
    "permutation array": lambda r, k: r.permutation(k, TABLE, axis=1),
    "permutation rows": lambda r, k: r.permutation(k, TABLE),
    "permutation independent": lambda r, k: r.permutation(k, TABLE, axis=-1, independent=True),
    "choice": lambda r, k: r.choice(k, 17, (N,)),
    "choice 0-d": lambda r, k: r.choice(k, 5),
    "choice none": lambda r, k: r.choice(k, 5, (0, 2)),
    "choice array": lambda r, k: r.choice(k, TABLE, (7, 3), axis=1),
    "choice array rest": lambda r, k: r.choice(k, TABLE, (7, 1), axis=1, replace=False),
    "choice rest": lambda r, k: r.choice(k, 1000, (33, 2), replace=False),
    "choice p": lambda r, k: r.choice(k, 1000, (N,), p=ramp(1000)),
    "choice p int": lambda r, k: r.choice(k, 5, (N,), p=np.array([1, 2, 3, 0, 1], np.int32)),
    "choice p array": lambda r, k: r.choice(k, TABLE, (4,), axis=1, p=ramp(12)),
    "choice p rest": lambda r, k: r.choice(k, 1000, (300,), p=ramp(1000), replace=False),
    "choice p rest high": lambda r, k: r.choice(
        k, 1000, (300,), p=ramp(1000), replace=False, mode="high"
    ),
    "categorical": lambda r, k: r.categorical(k, ramp(5), shape=(N,)),
    "categorical axis": lambda r, k: r.categorical(k, ramp(15).reshape(5, 3), axis=0),
    "categorical broadcast": lambda r, k: r.categorical(
        k, ramp(15).reshape(5, 1, 3) / 7, axis=0, shape=(100, 4, 3)
    ),
    "categorical rest": lambda r, k: r.categorical(
        k, ramp(30).reshape(2, 5, 3) / 7, axis=1, shape=(2, 2, 2, 3), replace=False
    ),
    "categorical high": lambda r, k: r.categorical(k, ramp(5), shape=(N,), mode="high"),
    "categorical bfloat16": lambda r, k: r.categorical(k, ramp(5, BF16), shape=(N,)),
    "gumbel": lambda r, k: r.gumbel(k, (N,)),
    "gumbel high": lambda r, k: r.gumbel(k, (N,), mode="high"),
    "gumbel highest": lambda r, k: r.gumbel(k, (N,), mode="highest"),
    "gumbel bfloat16": lambda r, k: r.gumbel(k, (N,), BF16),
    "gumbel float16": lambda r, k: r.gumbel(k, (N,), F16),
    "gumbel high float16": lambda r, k: r.gumbel(k, (N,), F16, mode="high"),
    "exponential": lambda r, k: r.exponential(k, (N,)),
    "exponential float16": lambda r, k: r.exponential(k, (N,), F16),
    "laplace": lambda r, k: r.laplace(k, (N,)),
    "laplace bfloat16": lambda r, k: r.laplace(k, (N,), BF16),
    "logistic": lambda r, k: r.logistic(k, (N,)),
    "logistic float16": lambda r, k: r.logistic(k, (N,), F16),
    "pareto": lambda r, k: r.pareto(k, 2.3, (N,)),
    "pareto arrays": lambda r, k: r.pareto(k, f32(2.3, 0.7), (N, 2)),
    "rayleigh": lambda r, k: r.rayleigh(k, np.asarray(2.3, np.float32), (N,)),
    "triangular": lambda r, k: r.triangular(k, -0.3, 0.5, 1.7, (N,)),
    "lognormal": lambda r, k: r.lognormal(k, 0.7, (N,)),
    "lognormal arrays": lambda r, k: r.lognormal(k, f32(2.3, 0.7), (N, 2)),
    "wald": lambda r, k: r.wald(k, np.asarray(1.3, np.float32), (N,)),
    "geometric": lambda r, k: r.geometric(k, 0.13, (N,)),
    "geometric arrays": lambda r, k: r.geometric(k, f32(0.1, 0.5)),
    "poisson": lambda r, k: r.poisson(k, 3.0, (N,)),
    "poisson large": lambda r, k: r.poisson(k, 1e6, (N,)),
    "poisson mixed": lambda r, k: r.poisson(k, f32(0, 1, 5, 20, 1e3, np.nan, -1, 3e4)),
    "poisson int8": lambda r, k: r.poisson(k, 3.0, (N,), "int8"),
    "binomial": lambda r, k: r.binomial(k, 30, 0.3, (N,)),
    "binomial many": lambda r, k: r.binomial(k, 3000, 0.3, (N,)),
    "binomial mixed": lambda r, k: r.binomial(
        k, f32(0, 5, 200, 1e3, -1, 7.7), f32(0.5, 0.9, 0.4, 0.999, 0.5, -0.1)
    ),
    "multinomial": lambda r, k: r.multinomial(k, 100, ramp(5), shape=(100, 5)),
}

# Name -> sampler and the largest distance: relative to the value, plus the same absolutely.
NEAR = {
    "cauchy": (lambda r, k: r.cauchy(k, (N,)), 1e-6),
    "weibull_min": (lambda r, k: r.weibull_min(k, 2.3, 1.7, (N,)), 1e-6),
    "maxwell": (lambda r, k: r.maxwell(k, (N,)), 5e-7),
    "double_sided_maxwell": (lambda r, k: r.double_sided_maxwell(k, 0.3, 1.7, (N,)), 2e-6),
    "gamma": (lambda r, k: r.gamma(k, 2.3, (N,)), 5e-6),
    "gamma small": (lambda r, k: r.gamma(k, np.linspace(0.05, 1, N, dtype="f4")), 5e-6),
    "loggamma": (lambda r, k: r.loggamma(k, np.linspace(0.05, 1, N, dtype="f4")), 5e-6),
    "beta": (lambda r, k: r.beta(k, 0.7, 2.3, (N,)), 2e-5),
    "dirichlet": (lambda r, k: r.dirichlet(k, ramp(3) + 1, (N,)), 5e-6),
    "chisquare": (lambda r, k: r.chisquare(k, 3.0, (N,)), 5e-6),
    "f": (lambda r, k: r.f(k, 3.0, 5.0, (N,)), 1e-5),
    "t": (lambda r, k: r.t(k, 3.0, (N,)), 5e-6),
    "generalized_normal": (lambda r, k: r.generalized_normal(k, 1.5, (N,)), 5e-6),
    "orthogonal": (lambda r, k: r.orthogonal(k, 7, (2,)), 2e-6),
    "orthogonal rows": (lambda r, k: r.orthogonal(k, 3, m=7), 2e-6),
    "multivariate_normal": (
        lambda r, k: r.multivariate_normal(k, ramp(2), f32(2, 0.5, 0.5, 1).reshape(2, 2), (N,)),
        2e-6,
    ),
    "multivariate_normal eigh": (
        lambda r, k: r.multivariate_normal(
            k, ramp(6).reshape(3, 2), f32(2, 0.5, 0.5, 1).reshape(2, 2), method="eigh"
        ),
        2e-6,
    ),
    "multivariate_normal svd": (
        lambda r, k: r.multivariate_normal(
            k, ramp(2), f32(2, 0.5, 0.5, 1).reshape(2, 2), (5,), method="svd"
        ),
        2e-6,
    ),
    "ball": (lambda r, k: r.ball(k, 3, 2.5, (N,)), 2e-6),
}


def numbers(x):
    """Bits, so that equality is of every bit but for NaNs."""
    x = np.asarray(x)
    if x.dtype == BF16:
        x = x.astype(np.float32)
    return x


def assert_equal(got, expected):
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(numbers(got), numbers(expected))


def digest(x):
    """A few letters that tell arrays apart: dtype, shape and every bit, but for which NaN it is."""
    x = numbers(x)
    if x.dtype.kind == "f":
        x = np.where(np.isnan(x), np.asarray(np.nan, x.dtype), x)
    text = f"{x.dtype} {x.shape}".encode() + np.ascontiguousarray(x).tobytes()
    return hashlib.sha256(text).hexdigest()[:16]


@functools.cache
def digests():
    return json.loads(DIGESTS.read_text())


@functools.cache
def expected(name):
    call = EXACT[name] if name in EXACT else NEAR[name][0]
    return np.asarray(call(jax.random, jax.random.key(42)))


@pytest.mark.parametrize("name", EXACT)
def test_every_bit_is_jaxs(name):
    assert digest(EXACT[name](random, random.key(42))) == digests()[name]


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
def test_digests_are_of_jaxs_samples(name):
    assert digest(expected(name)) == digests()[name]


@needs_jax
@pytest.mark.parametrize("name", ["bits", "uniform rounded", "normal", "randint", "categorical"])
def test_equal_to_jax(name):
    assert_equal(EXACT[name](random, random.key(42)), expected(name))


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("name", NEAR)
def test_near(name):
    call, tolerance = NEAR[name]
    got = call(random, random.key(42))
    assert got.shape == expected(name).shape
    assert got.dtype == expected(name).dtype
    np.testing.assert_allclose(got, expected(name), rtol=tolerance, atol=tolerance)


FEW = ["normal 0-d", "randint arrays uint8", "categorical axis", "choice p array", "poisson mixed"]


@pytest.mark.parametrize("name", ["uniform arrays", "permutation", *FEW])
def test_jit_and_vmap_give_the_same_samples(name):
    call = functools.partial(EXACT[name], random)
    assert digest(fx.jit(call)(random.key(42))) == digests()[name]
    keys = random.split(random.key(42), 3)
    together = fx.vmap(call)(keys)
    for i in range(3):
        assert_equal(together[i], np.asarray(call(keys[i])))


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("name", ["uniform arrays", "permutation", *FEW])
def test_vmap_is_jaxs(name):
    together = fx.vmap(functools.partial(EXACT[name], random))(random.split(random.key(42), 3))
    theirs = jax.vmap(functools.partial(EXACT[name], jax.random))(
        jax.random.split(jax.random.key(42), 3)
    )
    assert_equal(together, np.asarray(theirs))


@pytest.mark.parametrize("name", FEW)
def test_legacy_keys_give_the_same_samples(name):
    assert digest(EXACT[name](random, random.PRNGKey(42))) == digests()[name]


@needs_jax
def test_a_million_normal_numbers_are_equal():
    got = random.normal(random.key(7), (1_000_003,))
    assert_equal(got, np.asarray(jax.random.normal(jax.random.key(7), (1_000_003,))))


DOUBLE = {
    "bits": lambda r, k: r.bits(k, (N,), "uint64"),
    "uniform": lambda r, k: r.uniform(k, (N,), F64),
    "uniform rounded": lambda r, k: r.uniform(k, (N,), F64, 0.1, 0.7),
    "uniform arrays": lambda r, k: r.uniform(k, (N, 2), F64, np.array([0.1, -7.3]), 1e3),
    "randint": lambda r, k: r.randint(k, (N,), -7, 10**15, "int64"),
    "randint whole": lambda r, k: r.randint(k, (N,), -(2**63), 2**63 - 1, "int64"),
    "randint uint64": lambda r, k: r.randint(k, (N,), 0, 2**63 - 1, "uint64"),
    "exponential": lambda r, k: r.exponential(k, (N,), F64),
}


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("name", DOUBLE)
def test_64_bits_equal_to_the_last_bit(name):
    with jax.enable_x64(True):
        theirs = np.asarray(DOUBLE[name](jax.random, jax.random.key(42)))
    got = DOUBLE[name](random, random.key(42))
    if name == "exponential":  # log1p in float64 has no fused steps here
        np.testing.assert_allclose(got, theirs, rtol=4e-16)
    else:
        assert_equal(got, theirs)


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("name", ["normal", "gumbel", "laplace", "truncated_normal"])
def test_64_bits_near(name):
    bounds = (-2, 2) if name == "truncated_normal" else ()
    with jax.enable_x64(True):
        theirs = getattr(jax.random, name)(jax.random.key(42), *bounds, (N,), F64)
    got = getattr(random, name)(random.key(42), *bounds, (N,), F64)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.asarray(theirs), rtol=2e-14)


if __name__ == "__main__":
    found = {name: digest(expected(name)) for name in EXACT}
    DIGESTS.write_text(json.dumps(found, indent=1) + "\n")
