"""Samples are differentiable in the parameters of their distributions, at fixed keys."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import random
from tests import laws

KEY = 11


def parameters(*values):
    return [jnp.asarray(np.array(v, np.float64)) for v in values]


# Sampler of parameters alone; where they are (float64).
SMOOTH = {
    "uniform": (
        lambda a, b: random.uniform(random.key(KEY), (5,), "float64", a, b),
        parameters(-0.3, 1.7),
    ),
    "truncated_normal": (
        lambda a, b: random.truncated_normal(random.key(KEY), a, b, (5,), "float64"),
        parameters(-0.5, 1.5),
    ),
    "lognormal": (
        lambda s: random.lognormal(random.key(KEY), s, (5,), "float64"),
        parameters(0.7),
    ),
    "double_sided_maxwell": (
        lambda m, s: random.double_sided_maxwell(random.key(KEY), m, s, (3,), "float64"),
        parameters(0.2, 1.4),
    ),
    "pareto": (lambda b: random.pareto(random.key(KEY), b, (5,), "float64"), parameters(2.5)),
    "rayleigh": (lambda s: random.rayleigh(random.key(KEY), s), parameters([0.5, 2.0])),
    "weibull_min": (
        lambda s, c: random.weibull_min(random.key(KEY), s, c, (4,), "float64"),
        parameters(1.5, 2.0),
    ),
    "triangular": (
        lambda a, m, b: random.triangular(random.key(KEY), a, m, b, (4,), "float64"),
        parameters(-1.0, 0.3, 2.0),
    ),
    "wald": (lambda m: random.wald(random.key(KEY), m, (4,), "float64"), parameters(1.2)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_reparameterized_samples_are_differentiable(name):
    f, args = SMOOTH[name]
    laws.check_derivatives(f, *args)


def at(sampler, *more, count=400):
    return lambda a: sampler(random.key(KEY), a, *more, (count,), "float64")


# Sampler of a parameter, and the derivative of its mean at 2.5.
IMPLICIT = {
    "gamma": (at(random.gamma), 1.0),
    "gamma below 1": (lambda a: random.gamma(random.key(KEY), a - 2.0, (400,), "float64"), 1.0),
    "loggamma": (at(random.loggamma), 0.4907),  # trigamma(2.5)
    "chisquare": (at(random.chisquare), 1.0),
    "beta": (at(random.beta, 3.0), 3 / 5.5**2),
    "dirichlet": (
        lambda a: random.dirichlet(random.key(KEY), a * jnp.asarray([1.0, 2.0]), (200,), "float64")[
            :, 0
        ],
        0.0,
    ),
}


@pytest.mark.parametrize("name", IMPLICIT)
def test_implicit_gradients_move_the_mean(name):
    f, expected = IMPLICIT[name]
    slope = fx.grad(lambda a: f(a).mean())(jnp.asarray(2.5, dtype="float64"))
    assert abs(float(slope) - expected) < 0.15


@pytest.mark.parametrize("a", [0.3, 1.0, 4.0, 50.0])
@pytest.mark.parametrize("log_space", [False, True])
def test_gamma_gradient_keeps_the_distribution_function(a, log_space):
    """dx/da = -(dF/da) / (dF/dx) for the distribution function F(x; a), by differences."""
    special = pytest.importorskip("scipy.special")
    draw = random.loggamma if log_space else random.gamma
    at = jnp.asarray(np.full(6, a))
    sample, slope = fx.jvp(lambda a: draw(random.key(KEY), a), (at,), (jnp.ones_like(at),))
    x = np.exp(np.asarray(sample)) if log_space else np.asarray(sample)
    h = 1e-5 * a
    along_a = (special.gammainc(a + h, x) - special.gammainc(a - h, x)) / (2 * h)
    density = np.exp((a - 1) * np.log(x) - x - special.gammaln(a))
    expected = -along_a / density / (x if log_space else 1)
    np.testing.assert_allclose(slope, expected, rtol=1e-4)


def test_the_key_takes_no_derivative():
    def f(scale, key):
        return (scale * random.normal(key, (3,))).sum()

    key = random.key(KEY)
    slope = fx.jit(fx.grad(f))(2.0, key)
    np.testing.assert_allclose(slope, random.normal(key, (3,)).sum(), rtol=1e-6)
    per_key = fx.vmap(fx.grad(f), in_axes=(None, 0))(2.0, random.split(key, 4))
    assert per_key.shape == (4,)
    with pytest.raises(TypeError):
        fx.grad(f, argnums=1)(2.0, key)


def test_discrete_samples_have_no_gradient():
    slope = fx.grad(lambda rate: random.poisson(random.key(0), rate).astype("float32") * 1.0)(3.0)
    assert float(slope) == 0
    slope = fx.grad(lambda p: random.binomial(random.key(0), 10, p) * 1.0)(0.3)
    assert float(slope) == 0
