"""A Kalman filter and smoother by scan; its likelihood's gradient recovers the noise levels."""

from typing import NamedTuple

import fx as jax
import fx.numpy as jnp
from fx import jit, lax, random, value_and_grad


class Model(NamedTuple):
    A: jax.Array
    C: jax.Array
    Q: jax.Array
    R: jax.Array


class Belief(NamedTuple):
    mean: jax.Array
    cov: jax.Array


def predict(model, belief):
    return Belief(model.A @ belief.mean, model.A @ belief.cov @ model.A.T + model.Q)


def correct(model, belief, y):
    S = model.C @ belief.cov @ model.C.T + model.R
    gain = jnp.linalg.solve(S, model.C @ belief.cov).T
    error = y - model.C @ belief.mean
    updated = Belief(belief.mean + gain @ error, belief.cov - gain @ model.C @ belief.cov)
    _, logdet = jnp.linalg.slogdet(2 * jnp.pi * S)
    log_likelihood = -0.5 * (logdet + error @ jnp.linalg.solve(S, error))
    return updated, log_likelihood


@jit
def filtered(model, prior, ys):
    def step(belief, y):
        predicted = predict(model, belief)
        updated, ll = correct(model, predicted, y)
        return updated, (updated, predicted, ll)

    _, (beliefs, predictions, ll) = lax.scan(step, prior, ys)
    return beliefs, predictions, jnp.sum(ll)


@jit
def smoothed(model, beliefs, predictions):
    def step(later, inputs):
        belief, predicted = inputs
        gain = jnp.linalg.solve(predicted.cov, model.A @ belief.cov).T
        mean = belief.mean + gain @ (later.mean - predicted.mean)
        cov = belief.cov + gain @ (later.cov - predicted.cov) @ gain.T
        return Belief(mean, cov), Belief(mean, cov)

    last = jax.tree.map(lambda x: x[-1], beliefs)
    inputs = jax.tree.map(lambda x: x[:-1], beliefs), jax.tree.map(lambda x: x[1:], predictions)
    return lax.scan(step, last, inputs, reverse=True)[1]


def model_of(log_q, log_r, dt=0.2):
    A = jnp.array([[1.0, dt], [0.0, 1.0]])
    G = jnp.array([dt**2 / 2, dt])
    Q = jnp.exp(log_q) * jnp.outer(G, G) + 1e-6 * jnp.eye(2)
    return Model(A, jnp.array([[1.0, 0.0]]), Q, jnp.exp(log_r) * jnp.eye(1))


def simulate(key, model, steps):
    def step(x, key):
        k1, k2 = random.split(key)
        L = jnp.linalg.cholesky(model.Q)
        x = model.A @ x + L @ random.normal(k1, (2,))
        return x, (x, model.C @ x + jnp.sqrt(model.R) @ random.normal(k2, (1,)))

    return lax.scan(step, jnp.zeros(2), random.split(key, steps))[1]


def run():
    truth = model_of(jnp.log(1.0), jnp.log(0.25))
    xs, ys = simulate(random.key(5), truth, 200)
    prior = Belief(jnp.zeros(2), jnp.eye(2))
    beliefs, predictions, ll = filtered(truth, prior, ys)
    smooth = smoothed(truth, beliefs, predictions)

    def negative(params):
        return -filtered(model_of(*params), prior, ys)[2] / ys.shape[0]

    step = jit(value_and_grad(negative))
    params = jnp.array([-2.0, 1.0])
    for _ in range(40):
        value, gradient = step(params)
        params = params - 0.6 * gradient
    raw = jnp.mean((ys[:, 0] - xs[:, 0]) ** 2)
    return {
        "log likelihood": ll,
        "raw error": raw,
        "filtered error": jnp.mean((beliefs.mean[:, 0] - xs[:, 0]) ** 2),
        "smoothed error": jnp.mean((smooth.mean[:, 0] - xs[:-1, 0]) ** 2),
        "fitted": params,
        "fit": value,
    }
