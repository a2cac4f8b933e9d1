"""A long short-term memory network by scan, learning to remember the first of its inputs."""

from functools import partial

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import jit, lax, random


def init(key, inputs, hidden, outputs):
    k1, k2, k3 = random.split(key, 3)
    orthogonal = jax.nn.initializers.orthogonal()
    return {
        "input": random.normal(k1, (inputs, 4 * hidden)) / jnp.sqrt(inputs),
        "recurrent": jnp.concatenate(
            [orthogonal(k, (hidden, hidden)) for k in random.split(k2, 4)], 1
        ),
        "bias": jnp.zeros(4 * hidden).at[hidden : 2 * hidden].set(1.0),
        "output": random.normal(k3, (hidden, outputs)) / jnp.sqrt(hidden),
    }


def cell(params, carry, x):
    h, c = carry
    gates = x @ params["input"] + h @ params["recurrent"] + params["bias"]
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def forward(params, xs):
    """xs: (time, batch, inputs)."""
    batch, hidden = xs.shape[1], params["recurrent"].shape[0]
    start = jnp.zeros((batch, hidden)), jnp.zeros((batch, hidden))
    (h, _), hs = lax.scan(partial(cell, params), start, xs)
    return h @ params["output"], hs


def make_batch(key, batch, length, symbols):
    tokens = random.randint(key, (length, batch), 0, symbols)
    return jax.nn.one_hot(tokens, symbols), tokens[0]


def run(steps=300, batch=32, length=12, symbols=4, hidden=24):
    params = init(random.key(0), symbols, hidden, symbols)
    optimizer = optax.adam(optax.cosine_decay_schedule(2e-2, steps))
    state = optimizer.init(params)

    def loss(params, xs, labels):
        logits, _ = forward(params, xs)
        value = optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, symbols)).mean()
        return value, jnp.mean(jnp.argmax(logits, -1) == labels)

    @jit
    def step(params, state, key):
        xs, labels = make_batch(key, batch, length, symbols)
        (value, accuracy), gradient = jax.value_and_grad(loss, has_aux=True)(params, xs, labels)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, value, accuracy

    history = []
    for key in random.split(random.key(1), steps):
        params, state, value, accuracy = step(params, state, key)
        history.append(value)
    xs, labels = make_batch(random.key(7), 256, length, symbols)
    value, accuracy = loss(params, xs, labels)
    return {"start": jnp.stack(history[:5]), "loss": value, "accuracy": accuracy}
