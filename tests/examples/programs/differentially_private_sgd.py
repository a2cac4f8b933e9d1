"""Private training: a gradient for each example by vmap, clipped, summed and blurred by noise."""

from functools import partial

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import grad, jit, random, vmap
from fx.data import load
from fx.flatten_util import ravel_pytree

SIZES = [49, 16, 2]


def digits_three_and_eight():
    """Two digits, shrunk to 7 by 7."""
    data = load()

    def pick(images, labels):
        chosen = (labels == 3) | (labels == 8)
        small = images[chosen].reshape(-1, 7, 4, 7, 4).mean((2, 4)).reshape(-1, 49)
        return jnp.array(small), jnp.array(labels[chosen] == 8, dtype=jnp.int32)

    return pick(data.train_images, data.train_labels), pick(data.test_images, data.test_labels)


def init(key):
    keys = random.split(key, len(SIZES) - 1)
    return [
        {"w": random.normal(k, (m, n)) * jnp.sqrt(2.0 / m), "b": jnp.zeros(n)}
        for k, m, n in zip(keys, SIZES[:-1], SIZES[1:], strict=True)
    ]


def logits(params, x):
    *hidden, last = params
    for layer in hidden:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ last["w"] + last["b"]


def loss(params, batch):
    images, labels = batch
    return optax.softmax_cross_entropy_with_integer_labels(logits(params, images), labels).mean()


def clipped(params, clip, example):
    """The gradient of one example, at most `clip` long, and its length before."""
    single = jax.tree.map(lambda x: jnp.expand_dims(x, 0), example)
    flat, unravel = ravel_pytree(grad(loss)(params, single))
    norm = jnp.linalg.norm(flat)
    return unravel(flat / jnp.maximum(norm / clip, 1.0)), norm


def private_gradient(params, batch, key, clip, noise):
    size = batch[1].shape[0]
    gradients, norms = vmap(partial(clipped, params, clip))(batch)
    leaves, treedef = jax.tree.flatten(jax.tree.map(lambda g: jnp.sum(g, 0), gradients))
    keys = random.split(key, len(leaves))
    noisy = [
        g + clip * noise * random.normal(k, g.shape) for k, g in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(treedef, [g / size for g in noisy]), norms


def run(steps=120, batch_size=128, clip=1.0, noise=0.5):
    train, test = digits_three_and_eight()
    optimizer = optax.sgd(1.0, momentum=0.5)
    params = init(random.key(3))
    state = optimizer.init(params)

    @jit
    def update(i, params, state):
        key = random.fold_in(random.key(11), i)
        pick_key, noise_key = random.split(key)
        rows = random.choice(pick_key, train[1].shape[0], (batch_size,), replace=False)
        batch = train[0][rows], train[1][rows]
        gradient, norms = private_gradient(params, batch, noise_key, clip, noise)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, norms

    for i in range(steps):
        params, state, norms = update(i, params, state)
    few = train[0][:8], train[1][:8]
    per_example = vmap(lambda e: clipped(params, clip, e)[0])(few)
    lengths = vmap(lambda g: jnp.linalg.norm(ravel_pytree(g)[0]))(per_example)
    accuracy = jnp.mean(jnp.argmax(logits(params, test[0]), -1) == test[1])
    return {
        "accuracy": accuracy,
        "loss": loss(params, test),
        "norms": norms[:4],
        "longest": jnp.max(lengths),
    }
