"""Black-box variational inference: a Gaussian with its mean and scale fitted by reparametrized
gradients, on a density of a banana's shape and on one whose answer is known."""

from functools import partial

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import grad, jit, lax, random, vmap


def normal_logpdf(x, mean, std):
    return -0.5 * ((x - mean) / std) ** 2 - jnp.log(std) - 0.5 * jnp.log(2 * jnp.pi)


def diagonal_sample(key, mean, log_std):
    return mean + jnp.exp(log_std) * random.normal(key, mean.shape)


def diagonal_logpdf(x, mean, log_std):
    return jnp.sum(vmap(normal_logpdf)(x, mean, jnp.exp(log_std)))


def elbo(log_density, key, mean, log_std):
    """One sample's estimate of the evidence's lower bound."""
    x = diagonal_sample(key, mean, log_std)
    return log_density(x) - diagonal_logpdf(x, mean, log_std)


def batch_elbo(log_density, key, params, samples):
    keys = random.split(key, samples)
    return jnp.mean(vmap(partial(elbo, log_density), in_axes=(0, None, None))(keys, *params))


def banana(x):
    return normal_logpdf(x[0], 0.0, 1.0) + normal_logpdf(x[1], x[0] ** 2 / 2, 0.5)


def gaussian(x):
    return normal_logpdf(x[0], 1.5, 0.7) + normal_logpdf(x[1], -2.0, 0.2)


def fit(log_density, samples=64, steps=300, rate=5e-2):
    optimizer = optax.adam(rate)
    params = jnp.zeros(2), -0.5 * jnp.ones(2)

    def step(carry, i):
        params, state = carry
        key = random.fold_in(random.key(4), i)
        value, gradient = jax.value_and_grad(lambda p: -batch_elbo(log_density, key, p, samples))(
            params
        )
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, updates), state), value

    run = jit(lambda params: lax.scan(step, (params, optimizer.init(params)), jnp.arange(steps)))
    (params, _), bound = run(params)
    return params, bound


def run():
    (mean, log_std), bound = fit(gaussian)
    (banana_mean, banana_log_std), banana_bound = fit(banana)
    estimate = batch_elbo(banana, random.key(9), (banana_mean, banana_log_std), 2000)
    slope = grad(lambda m: batch_elbo(banana, random.key(9), (m, banana_log_std), 500))(banana_mean)
    return {
        "mean": mean,
        "std": jnp.exp(log_std),
        "gap": jnp.mean(bound[-50:]),
        "banana": (banana_mean, banana_log_std),
        "before": jnp.mean(banana_bound[:20]),
        "after": jnp.mean(banana_bound[-50:]),
        "bound": estimate,
        "slope": slope,
    }
