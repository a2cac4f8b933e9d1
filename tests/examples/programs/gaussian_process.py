"""Gaussian process regression: Cholesky factors, predictions, and kernel parameters by gradients
of the marginal likelihood."""

from functools import partial

import fx as jax
import fx.numpy as jnp
from fx import grad, jit, random, vmap
from fx.lax.linalg import triangular_solve


def covariance(kernel, xs, ys):
    return vmap(lambda x: vmap(lambda y: kernel(x, y))(ys))(xs)


def softplus(x):
    return jnp.logaddexp(x, 0.0)


def exponential_quadratic(x, y):
    return jnp.exp(-jnp.sum((x - y) ** 2))


def gp(params, x, y, x_new=None):
    """Minus the log marginal likelihood; or the mean and variance of predictions."""
    noise = softplus(params["noise"])
    amplitude = softplus(params["amplitude"])
    length = softplus(params["length"])
    n = x.shape[0]
    mean = jnp.mean(y)
    centred = y - mean
    scaled = x / length
    K = amplitude * covariance(exponential_quadratic, scaled, scaled) + (noise + 1e-5) * jnp.eye(n)
    chol = jnp.linalg.cholesky(K)
    half = triangular_solve(chol, centred[:, None], left_side=True, lower=True)
    alpha = triangular_solve(chol, half, left_side=True, lower=True, transpose_a=True)[:, 0]
    if x_new is not None:
        cross = amplitude * covariance(exponential_quadratic, scaled, x_new / length)
        mu = jnp.dot(cross.T, alpha) + mean
        v = triangular_solve(chol, cross, left_side=True, lower=True)
        prior = amplitude * covariance(exponential_quadratic, x_new / length, x_new / length)
        return mu, jnp.diag(prior - jnp.dot(v.T, v))
    fit = jnp.dot(centred, alpha) / 2
    volume = jnp.sum(jnp.log(jnp.diag(chol)))
    prior = jnp.sum(0.05 * (amplitude - 1.0) ** 2 + 0.05 * (length - 1.0) ** 2)
    return fit + volume + n / 2 * jnp.log(2 * jnp.pi) + prior


def run(points=30, steps=80):
    f = lambda x: jnp.sin(2 * x[:, 0]) + 0.5 * x[:, 0]
    x_key, noise_key = random.split(random.key(0))
    x = random.uniform(x_key, (points, 1), minval=-3.0, maxval=3.0)
    y = f(x) + 0.1 * random.normal(noise_key, (points,))
    likelihood = jit(partial(gp, x=x, y=y))
    gradient = jit(grad(partial(gp, x=x, y=y)))
    params = {
        k: jnp.zeros((1, 1)) if k == "length" else jnp.zeros(())
        for k in ("amplitude", "noise", "length")
    }
    first = likelihood(params)
    slope = gradient(params)
    momentum = jax.tree.map(jnp.zeros_like, params)
    for _ in range(steps):
        momentum = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, momentum, gradient(params))
        params = jax.tree.map(lambda p, m: p - 0.1 * m, params, momentum)
    x_new = jnp.linspace(-2.8, 2.8, 20)[:, None]
    mu, variance = jit(gp)(params, x, y, x_new)
    return {
        "first": first,
        "slope": slope,
        "last": likelihood(params),
        "mean": mu,
        "variance": variance,
        "error": jnp.max(jnp.abs(mu - f(x_new))),
        "noise": softplus(params["noise"]),
    }
