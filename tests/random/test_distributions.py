"""Samplers draw from their distributions: distances to SciPy's distribution functions, moments."""

import numpy as np
import pytest

import fx.numpy as jnp
from fx import random

stats = pytest.importorskip("scipy.stats")

N = 20_000

# Name -> sampler of a key, and SciPy's distribution.
CONTINUOUS = {
    "uniform": (lambda k: random.uniform(k, (N,), minval=-1, maxval=2), stats.uniform(-1, 3)),
    "normal": (lambda k: random.normal(k, (N,)), stats.norm()),
    "normal float64": (lambda k: random.normal(k, (N,), "float64"), stats.norm()),
    "truncated_normal": (
        lambda k: random.truncated_normal(k, -0.5, 2.0, (N,)),
        stats.truncnorm(-0.5, 2.0),
    ),
    "lognormal": (lambda k: random.lognormal(k, 0.7, (N,)), stats.lognorm(0.7)),
    "maxwell": (lambda k: random.maxwell(k, (N,)), stats.maxwell()),
    "wald": (lambda k: random.wald(k, 1.3, (N,)), stats.invgauss(1.3)),
    "exponential": (lambda k: random.exponential(k, (N,)), stats.expon()),
    "gumbel": (lambda k: random.gumbel(k, (N,)), stats.gumbel_r()),
    "gumbel high": (lambda k: random.gumbel(k, (N,), mode="high"), stats.gumbel_r()),
    "gumbel highest": (lambda k: random.gumbel(k, (N,), mode="highest"), stats.gumbel_r()),
    "laplace": (lambda k: random.laplace(k, (N,)), stats.laplace()),
    "logistic": (lambda k: random.logistic(k, (N,)), stats.logistic()),
    "cauchy": (lambda k: random.cauchy(k, (N,)), stats.cauchy()),
    "pareto": (lambda k: random.pareto(k, 2.3, (N,)), stats.pareto(2.3)),
    "rayleigh": (lambda k: random.rayleigh(k, 1.7, (N,)), stats.rayleigh(scale=1.7)),
    "weibull_min": (
        lambda k: random.weibull_min(k, 1.7, 2.3, (N,)),
        stats.weibull_min(2.3, scale=1.7),
    ),
    "triangular": (
        lambda k: random.triangular(k, -1.0, 0.5, 2.0, (N,)),
        stats.triang(0.5, loc=-1, scale=3),
    ),
    "gamma": (lambda k: random.gamma(k, 2.3, (N,)), stats.gamma(2.3)),
    "gamma small": (lambda k: random.gamma(k, 0.2, (N,)), stats.gamma(0.2)),
    "gamma float64": (lambda k: random.gamma(k, 1e3, (N,), "float64"), stats.gamma(1e3)),
    "loggamma": (lambda k: random.loggamma(k, 0.3, (N,)), stats.loggamma(0.3)),
    "beta": (lambda k: random.beta(k, 0.7, 2.3, (N,)), stats.beta(0.7, 2.3)),
    "chisquare": (lambda k: random.chisquare(k, 3.5, (N,)), stats.chi2(3.5)),
    "f": (lambda k: random.f(k, 3.0, 7.0, (N,)), stats.f(3, 7)),
    "t": (lambda k: random.t(k, 3.5, (N,)), stats.t(3.5)),
    "generalized_normal": (
        lambda k: random.generalized_normal(k, 1.5, (N,)),
        stats.gennorm(1.5),
    ),
}

DISCRETE = {
    "randint": (lambda k: random.randint(k, (N,), -3, 8), stats.randint(-3, 8)),
    "bernoulli": (lambda k: random.bernoulli(k, 0.3, (N,)), stats.bernoulli(0.3)),
    "bernoulli high": (lambda k: random.bernoulli(k, 0.3, (N,), "high"), stats.bernoulli(0.3)),
    "geometric": (lambda k: random.geometric(k, 0.3, (N,)), stats.geom(0.3)),
    "poisson": (lambda k: random.poisson(k, 3.7, (N,)), stats.poisson(3.7)),
    "poisson large": (lambda k: random.poisson(k, 47.0, (N,)), stats.poisson(47)),
    "binomial": (lambda k: random.binomial(k, 12, 0.3, (N,)), stats.binom(12, 0.3)),
    "binomial likely": (lambda k: random.binomial(k, 12, 0.9, (N,)), stats.binom(12, 0.9)),
    "binomial large": (lambda k: random.binomial(k, 200, 0.4, (N,)), stats.binom(200, 0.4)),
    "choice": (lambda k: random.choice(k, 7, (N,)), stats.randint(0, 7)),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_kolmogorov_smirnov(name):
    """The seed is fixed; a right sampler fails for one seed in a thousand."""
    draw, distribution = CONTINUOUS[name]
    sample = np.asarray(draw(random.key(1)), np.float64)
    assert sample.shape == (N,)
    assert stats.kstest(sample, distribution.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", DISCRETE)
def test_chi_squared(name):
    draw, distribution = DISCRETE[name]
    sample = np.asarray(draw(random.key(2))).astype(np.int64)
    inside = np.arange(*(int(distribution.ppf(q)) for q in (0.001, 0.999)))
    inside = inside if len(inside) > 1 else np.arange(2)
    expected = distribution.pmf(inside)
    observed = np.array([(sample == v).sum() for v in inside])
    rest = max(1 - expected.sum(), 0)
    if rest > 1e-6:
        observed, expected = [*observed, N - observed.sum()], [*expected, rest]
    p = stats.chisquare(observed, np.array(expected) / np.sum(expected) * N).pvalue
    assert p > 1e-3


def frequencies(sample, count):
    return np.bincount(np.asarray(sample).reshape(-1), minlength=count) / np.size(sample)


@pytest.mark.parametrize("mode", ["low", "high"])
def test_categorical_and_choice_follow_their_weights(mode):
    p = np.array([0.1, 0.0, 0.5, 0.4], np.float32)
    with np.errstate(divide="ignore"):
        drawn = random.categorical(random.key(0), jnp.asarray(np.log(p)), shape=(N,), mode=mode)
    np.testing.assert_allclose(frequencies(drawn, 4), p, atol=0.015)
    chosen = random.choice(random.key(1), 4, (N,), p=p * 3)
    np.testing.assert_allclose(frequencies(chosen, 4), p, atol=0.015)


def test_sampling_without_replacement_repeats_nothing():
    for p in (None, np.arange(1, 51, dtype=np.float32)):
        drawn = np.asarray(random.choice(random.key(3), 50, (50,), replace=False, p=p))
        assert sorted(drawn) == list(range(50))
    logits = jnp.zeros((3, 10))
    drawn = np.asarray(random.categorical(random.key(4), logits, shape=(10, 3), replace=False))
    assert (np.sort(drawn, axis=0) == np.arange(10)[:, None]).all()


def test_permutations_are_equally_likely():
    keys = random.split(random.key(5), 6000)
    orders = np.stack([np.asarray(random.permutation(k, 3)) for k in keys])
    codes = orders @ np.array([9, 3, 1])
    counts = np.unique(codes, return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


def test_moments_of_vectors():
    alpha = np.array([1.0, 2.0, 5.0], np.float32)
    x = np.asarray(random.dirichlet(random.key(0), alpha, (N,)))
    np.testing.assert_allclose(x.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(x.mean(0), alpha / 8, atol=0.01)
    counts = np.asarray(random.multinomial(random.key(1), 20, alpha / 8, shape=(2000, 3)))
    np.testing.assert_array_equal(counts.sum(-1), 20)
    np.testing.assert_allclose(counts.mean(0), alpha / 8 * 20, atol=0.2)
    inside = np.asarray(random.ball(random.key(2), 2, 2, (N,)))
    radius = np.hypot(inside[:, 0], inside[:, 1])
    assert stats.kstest(radius.astype(np.float64), lambda r: np.clip(r, 0, 1) ** 2).pvalue > 1e-3
    z = np.asarray(random.normal(random.key(3), (N,), "complex64"))
    assert abs(z.mean()) < 0.03 and abs(np.mean(np.abs(z) ** 2) - 1) < 0.03


def test_two_sided_maxwell_is_symmetric():
    x = np.asarray(random.double_sided_maxwell(random.key(0), 1.0, 2.0, (N,)), np.float64)
    y = (x - 1) / 2
    assert stats.kstest(np.abs(y), stats.maxwell().cdf).pvalue > 1e-3
    assert abs(np.mean(y > 0) - 0.5) < 0.02


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 2), (2, 5), (0, 0), (3, 0)])
def test_orthogonal_matrices(n, m, dtype):
    x = np.asarray(random.orthogonal(random.key(0), n, (4,), dtype, m))
    assert x.shape == (4, n, m)
    tall = x if n >= m else x.conj().swapaxes(-1, -2)
    gram = tall.conj().swapaxes(-1, -2) @ tall
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(min(n, m)), gram.shape), atol=1e-12)


def test_orthogonal_matrices_are_uniform():
    """The first entry of a random rotation of 3-space is uniform in [-1, 1]."""
    x = np.asarray(random.orthogonal(random.key(0), 3, (N,)), np.float64)[:, 0, 0]
    assert stats.kstest(x, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_new_keys_are_independent():
    """Correlations between streams of split, folded and consecutive seeds."""
    keys = [
        *random.split(random.key(0), 4),
        *(random.fold_in(random.key(0), i) for i in range(9, 12)),
    ]
    keys += [random.key(i) for i in range(1, 4)]
    x = np.stack([np.asarray(random.normal(k, (N,))) for k in keys])
    correlations = np.corrcoef(x) - np.eye(len(keys))
    assert np.abs(correlations).max() < 5 / np.sqrt(N)
