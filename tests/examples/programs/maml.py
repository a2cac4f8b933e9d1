"""Learning to learn: a gradient through gradient steps, for sine waves seen at few points."""

from functools import partial

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import grad, jit, lax, random, vmap


def init(key, sizes=(1, 32, 32, 1)):
    keys = random.split(key, len(sizes) - 1)
    return tuple(
        {"w": random.normal(k, (m, n)) / jnp.sqrt(m), "b": jnp.zeros((n,))}
        for k, m, n in zip(keys, sizes[:-1], sizes[1:], strict=True)
    )


def net(params, x):
    for layer in params[:-1]:
        x = jnp.tanh(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def loss(params, x, y):
    return jnp.mean((net(params, x) - y) ** 2)


def adapt(params, x, y, rate=0.05, steps=2):
    def step(p, _):
        return jax.tree_util.tree_map(lambda p, g: p - rate * g, p, grad(loss)(p, x, y)), None

    return lax.scan(step, params, None, length=steps)[0]


def task(key, points=10):
    a, b, c, d = random.split(key, 4)
    amplitude = random.uniform(a, (), minval=0.5, maxval=2.0)
    phase = random.uniform(b, (), maxval=jnp.pi)
    wave = lambda x: amplitude * jnp.sin(x + phase)
    x1, x2 = (random.uniform(k, (points, 1), minval=-3.0, maxval=3.0) for k in (c, d))
    return x1, wave(x1), x2, wave(x2)


def meta_loss(params, x1, y1, x2, y2):
    return loss(adapt(params, x1, y1), x2, y2)


def batch_loss(params, key, tasks):
    batch = vmap(task)(random.split(key, tasks))
    return jnp.mean(vmap(partial(meta_loss, params))(*batch))


def run(steps=250):
    params = init(random.key(0))
    optimizer = optax.adam(5e-3)
    state = optimizer.init(params)

    @jit
    def step(params, state, key):
        value, g = jax.value_and_grad(batch_loss)(params, key, 16)
        updates, state = optimizer.update(g, state)
        return optax.apply_updates(params, updates), state, value

    history = []
    for i in range(steps):
        params, state, value = step(params, state, random.fold_in(random.key(1), i))
        history.append(value)
    held_out = vmap(task)(random.split(random.key(2), 64))
    before = vmap(lambda x1, y1, x2, y2: loss(params, x2, y2))(*held_out).mean()
    after = vmap(partial(meta_loss, params))(*held_out).mean()
    return {"start": jnp.stack(history[:5]), "before": before, "after": after}
