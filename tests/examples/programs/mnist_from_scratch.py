"""A multilayer perceptron on handwritten digits, with nothing but arrays and gradients."""

import numpy.random as npr

import fx as jax
import fx.numpy as jnp
from fx import grad, jit, random
from fx.data import load
from fx.nn import logsumexp, one_hot

LAYERS = [784, 128, 10]
STEP = 0.1


def random_layer(m, n, key, scale=5e-2):
    w_key, b_key = random.split(key)
    return scale * random.normal(w_key, (n, m)), scale * random.normal(b_key, (n,))


def init(sizes, key):
    keys = random.split(key, len(sizes))
    return [random_layer(m, n, k) for m, n, k in zip(sizes[:-1], sizes[1:], keys[1:], strict=True)]


def predict(params, image):
    activations = image
    for w, b in params[:-1]:
        activations = jnp.maximum(0, jnp.dot(w, activations) + b)
    final_w, final_b = params[-1]
    logits = jnp.dot(final_w, activations) + final_b
    return logits - logsumexp(logits)


batched_predict = jax.vmap(predict, in_axes=(None, 0))


def loss(params, images, targets):
    return -jnp.mean(batched_predict(params, images) * targets)


@jit
def update(params, x, y):
    gradients = grad(loss)(params, x, y)
    return [
        (w - STEP * 10 * dw, b - STEP * 10 * db)
        for (w, b), (dw, db) in zip(params, gradients, strict=True)
    ]


@jit
def accuracy(params, images, targets):
    target_class = jnp.argmax(targets, axis=1)
    predicted_class = jnp.argmax(batched_predict(params, images), axis=1)
    return jnp.mean(predicted_class == target_class)


def batches(images, labels, size, rng):
    order = rng.permutation(len(images))
    for start in range(0, len(images) - size + 1, size):
        rows = order[start : start + size]
        yield images[rows], labels[rows]


def run(epochs=5):
    data = load()
    train_images = data.train_images.reshape(-1, 784)
    train_labels = one_hot(data.train_labels, 10)
    test_images = jnp.asarray(data.test_images.reshape(-1, 784))
    test_labels = one_hot(data.test_labels, 10)
    params = init(LAYERS, random.key(0))
    first = update(params, train_images[:64], train_labels[:64])
    rng = npr.RandomState(0)
    for _ in range(epochs):
        for x, y in batches(train_images, train_labels, 64, rng):
            params = update(params, x, y)
    single = predict(params, test_images[0])
    return {
        "first step": [jnp.sum(jnp.abs(w)) for w, _ in first],
        "loss": loss(params, test_images, test_labels),
        "accuracy": accuracy(params, test_images, test_labels),
        "sums to one": jnp.sum(jnp.exp(single)),
    }
