"""Data-parallel training: pmap over devices, gradients averaged by a collective."""

from functools import partial

import fx as jax
import fx.numpy as jnp
from fx import lax, pmap, random
from fx.data import load


def init(key, sizes=(196, 32, 10)):
    keys = random.split(key, len(sizes) - 1)
    return [
        (random.normal(k, (m, n)) / jnp.sqrt(m), jnp.zeros(n))
        for k, m, n in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def predict(params, x):
    for w, b in params[:-1]:
        x = jnp.tanh(x @ w + b)
    w, b = params[-1]
    return jax.nn.log_softmax(x @ w + b)


def loss(params, x, y):
    return -jnp.mean(jnp.sum(predict(params, x) * y, axis=1))


@partial(pmap, axis_name="batch")
def update(params, x, y):
    value, gradient = jax.value_and_grad(loss)(params, x, y)
    gradient = [(lax.psum(dw, "batch"), lax.psum(db, "batch")) for dw, db in gradient]
    count = lax.psum(1, "batch")
    params = [
        (w - 0.5 * dw / count, b - 0.5 * db / count)
        for (w, b), (dw, db) in zip(params, gradient, strict=True)
    ]
    return params, lax.pmean(value, "batch")


def run(epochs=4, batch=160):
    devices = jax.local_device_count()
    data = load()
    shrink = lambda x: x.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 196)
    images, labels = shrink(data.train_images), jax.nn.one_hot(data.train_labels, 10)
    params = init(random.key(0))
    replicated = jax.tree.map(lambda x: jnp.array([x] * devices), params)
    per_device = batch // devices
    for _ in range(epochs):
        for start in range(0, len(images) - batch + 1, batch):
            x = images[start : start + batch].reshape(devices, per_device, -1)
            y = labels[start : start + batch].reshape(devices, per_device, -1)
            replicated, value = update(replicated, x, y)
    params = jax.device_get(jax.tree.map(lambda x: x[0], replicated))
    guesses = jnp.argmax(predict(params, shrink(data.test_images)), axis=1)
    return {
        "loss": value[0],
        "accuracy": jnp.mean(guesses == data.test_labels),
    }
