"""Markov chains: Metropolis on many chains at once, and Hamiltonian Monte Carlo by leapfrog."""

from functools import partial

import fx.numpy as jnp
from fx import grad, jit, lax, random, vmap


def log_density(x):
    """A correlated Gaussian with mean (1, -2)."""
    precision = jnp.array([[2.0, -1.2], [-1.2, 1.5]])
    d = x - jnp.array([1.0, -2.0])
    return -0.5 * d @ precision @ d


@partial(jit, static_argnames=("log_p", "steps"))
def metropolis(key, x0, log_p, steps, scale):
    def body(i, state):
        x, lp, accepted = state
        move_key, accept_key = random.split(random.fold_in(key, i))
        proposal = x + scale * random.normal(move_key, x.shape)
        lp_proposal = log_p(proposal)
        accept = jnp.log(random.uniform(accept_key)) < lp_proposal - lp
        x = jnp.where(accept, proposal, x)
        lp = jnp.where(accept, lp_proposal, lp)
        return x, lp, accepted + accept

    return lax.fori_loop(0, steps, body, (x0, log_p(x0), 0))


def leapfrog(log_p, x, p, h, n):
    half = lambda x, p: p + h / 2 * grad(log_p)(x)

    def body(_, state):
        x, p = state
        p = half(x, p)
        x = x + h * p
        return x, half(x, p)

    return lax.fori_loop(0, n, body, (x, p))


def hmc(log_p, key, x0, samples, h=0.3, n=8):
    def step(x, key):
        p_key, accept_key = random.split(key)
        p = random.normal(p_key, x.shape)
        x_new, p_new = leapfrog(log_p, x, p, h, n)
        energy = lambda x, p: jnp.sum(p**2) / 2 - log_p(x)
        change = energy(x, p) - energy(x_new, p_new)
        accept = random.uniform(accept_key) < jnp.exp(jnp.minimum(change, 0.0))
        x = lax.cond(accept, lambda: x_new, lambda: x)
        return x, (x, accept)

    return lax.scan(step, x0, random.split(key, samples))[1]


def run():
    keys = random.split(random.key(0), 400)
    x, _, accepted = vmap(lambda k: metropolis(k, jnp.zeros(2), log_density, 120, 0.8))(keys)
    first = metropolis(keys[0], jnp.zeros(2), log_density, 120, 0.8)
    samples, accepts = jit(partial(hmc, log_density, samples=1500))(random.key(1), jnp.zeros(2))
    back = leapfrog(log_density, *leapfrog(log_density, jnp.ones(2), jnp.ones(2), 0.3, 8), -0.3, 8)
    samples = samples[100:]
    return {
        "metropolis mean": x.mean(0),
        "metropolis rate": accepted.mean() / 120,
        "alone": jnp.max(jnp.abs(first[0] - x[0])),
        "hmc mean": samples.mean(0),
        "hmc cov": jnp.cov(samples.T),
        "hmc rate": accepts.mean(),
        "reversible": back,
    }
