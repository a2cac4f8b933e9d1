"""Many networks trained at once: vmap over initializations and over data, on two spirals."""

import fx as jax
import fx.numpy as jnp
from fx import grad, jit, random, vmap
from fx.tree_util import tree_map


def spirals(key, n):
    key, noise_key = random.split(key)
    angle = 3.0 * jnp.sqrt(random.uniform(key, (n,)))
    labels = jnp.arange(n) % 2
    radius = angle / 3.0
    phase = angle + labels * jnp.pi
    x = jnp.stack([radius * jnp.cos(phase), radius * jnp.sin(phase)], axis=-1)
    return x + 0.02 * random.normal(noise_key, x.shape), labels


def init(key, width=32):
    k1, k2, k3 = random.split(key, 3)
    return {
        "in": {"w": random.normal(k1, (2, width)) * 2.0, "b": random.normal(k2, (width,))},
        "out": {"w": random.normal(k3, (width, 2)) / jnp.sqrt(width), "b": jnp.zeros(2)},
    }


def forward(params, x):
    hidden = jax.nn.gelu(x @ params["in"]["w"] + params["in"]["b"])
    return jax.nn.log_softmax(hidden @ params["out"]["w"] + params["out"]["b"])


def loss(params, x, y):
    return -jnp.mean(jnp.take_along_axis(forward(params, x), y[:, None], axis=1))


def step(params, x, y):
    return tree_map(lambda p, g: p - 1.0 * g, params, grad(loss)(params, x, y))


def fit(key, x, y, steps=300):
    init_key, sample_key = random.split(key)
    rows = random.randint(sample_key, (x.shape[0],), 0, x.shape[0])  # a bootstrap sample
    return jax.lax.fori_loop(0, steps, lambda _, p: step(p, x[rows], y[rows]), init(init_key))


def run(members=8):
    x, y = spirals(random.key(0), 96)
    x_test, y_test = spirals(random.key(1), 64)
    keys = random.split(random.key(2), members)
    ensemble = jit(vmap(fit, in_axes=(0, None, None)))(keys, x, y)
    alone = fit(keys[3], x, y)
    third = tree_map(lambda p: p[3], ensemble)
    difference = jnp.max(
        jnp.array([jnp.max(jnp.abs(a - b)) for a, b in
                   zip(jax.tree.leaves(alone), jax.tree.leaves(third), strict=True)])
    )  # fmt: skip
    log_probs = vmap(forward, in_axes=(0, None))(ensemble, x_test)
    votes = jax.nn.logsumexp(log_probs, axis=0) - jnp.log(members)
    each = jnp.mean(jnp.argmax(log_probs, -1) == y_test, axis=-1)
    return {
        "each": each,
        "together": jnp.mean(jnp.argmax(votes, -1) == y_test),
        "difference": difference,
        "spread": jnp.std(jnp.exp(log_probs[..., 1]), axis=0).mean(),
    }
