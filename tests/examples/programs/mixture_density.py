"""A mixture density network: a curve that is no function, with a mixture for each input."""

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import jit, random
from fx.nn import logsumexp

COMPONENTS = 5


def init(key, hidden=32):
    k1, k2 = random.split(key)
    return {
        "w1": random.normal(k1, (1, hidden)),
        "b1": random.uniform(k1, (hidden,), minval=-2.0, maxval=2.0),
        "w2": random.normal(k2, (hidden, 3 * COMPONENTS)) / jnp.sqrt(hidden),
        "b2": jnp.zeros(3 * COMPONENTS)
        .at[COMPONENTS : 2 * COMPONENTS]
        .set(jnp.linspace(-1, 1, COMPONENTS)),
    }


def mixture(params, x):
    h = jnp.tanh(x @ params["w1"] + params["b1"])
    logits, means, log_scales = jnp.split(h @ params["w2"] + params["b2"], 3, axis=-1)
    return jax.nn.log_softmax(logits), means, log_scales


def negative_log_likelihood(params, x, y):
    log_weights, means, log_scales = mixture(params, x)
    z = (y - means) * jnp.exp(-log_scales)
    log_normal = -0.5 * z**2 - log_scales - 0.5 * jnp.log(2 * jnp.pi)
    return -jnp.mean(logsumexp(log_weights + log_normal, axis=-1))


def sample(params, key, x):
    component_key, noise_key = random.split(key)
    log_weights, means, log_scales = mixture(params, x)
    k = random.categorical(component_key, log_weights, axis=-1)
    pick = lambda a: jnp.take_along_axis(a, k[:, None], axis=-1)[:, 0]
    return pick(means) + jnp.exp(pick(log_scales)) * random.normal(noise_key, k.shape)


def run(points=400, steps=400):
    # x = y + 0.3 sin(2 pi y) + noise, so that y has up to three values for an x.
    y_key, noise_key = random.split(random.key(0))
    y = random.uniform(y_key, (points, 1))
    x = y + 0.3 * jnp.sin(2 * jnp.pi * y) + 0.05 * random.normal(noise_key, (points, 1))
    x, y = 4 * x - 2, 4 * y - 2
    params = init(random.key(1))
    optimizer = optax.chain(optax.clip(5.0), optax.scale_by_adam(), optax.scale(-1e-2))
    state = optimizer.init(params)

    @jit
    def step(params, state):
        value, gradient = jax.value_and_grad(negative_log_likelihood)(params, x, y)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, value

    history = []
    for _ in range(steps):
        params, state, value = step(params, state)
        history.append(value)
    middle = sample(params, random.key(2), jnp.zeros((2000, 1)))
    weights, _, _ = mixture(params, jnp.zeros((1, 1)))
    return {
        "start": jnp.stack(history[:10]),
        "last": history[-1],
        # At x = 0 the curve passes through three values of y, two of them off zero.
        "high": jnp.mean(middle > 0.6),
        "low": jnp.mean(middle < -0.6),
        "sum of weights": jnp.exp(weights).sum(),
    }
