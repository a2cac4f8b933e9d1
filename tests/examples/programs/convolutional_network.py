"""A small convolutional network on handwritten digits, straight from lax."""

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import jit, lax, random
from fx.data import load

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def init(key):
    k1, k2, k3 = random.split(key, 3)
    he = jax.nn.initializers.he_normal()
    return {
        "conv1": {"w": he(k1, (3, 3, 1, 8)), "b": jnp.zeros(8)},
        "conv2": {"w": he(k2, (3, 3, 8, 16)), "b": jnp.zeros(16)},
        "dense": {"w": he(k3, (4 * 4 * 16, 10)), "b": jnp.zeros(10)},
    }


def conv(layer, x, stride):
    out = lax.conv_general_dilated(
        x, layer["w"], window_strides=(stride, stride), padding="SAME", dimension_numbers=DIMENSIONS
    )
    return jax.nn.relu(out + layer["b"])


def max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")


def logits(params, x):
    x = max_pool(conv(params["conv1"], x, 1))
    x = max_pool(conv(params["conv2"], x, 1))
    return x.reshape(x.shape[0], -1) @ params["dense"]["w"] + params["dense"]["b"]


def loss(params, x, y):
    smooth = optax.smooth_labels(jax.nn.one_hot(y, 10), 0.05)
    return optax.softmax_cross_entropy(logits(params, x), smooth).mean()


def run(steps=100, batch=64):
    data = load()
    shrink = lambda x: x.reshape(-1, 14, 2, 14, 2, 1).mean((2, 4))
    images, labels = jnp.array(shrink(data.train_images)), jnp.array(data.train_labels)
    params = init(random.key(0))
    optimizer = optax.sgd(0.1, momentum=0.9, nesterov=True)
    state = optimizer.init(params)
    first = jax.grad(loss)(params, images[:16], labels[:16])

    @jit
    def step(params, state, rows):
        value, g = jax.value_and_grad(loss)(params, images[rows], labels[rows])
        updates, state = optimizer.update(g, state)
        return optax.apply_updates(params, updates), state, value

    order = random.permutation(random.key(1), 4000)
    for i in range(steps):
        rows = lax.dynamic_slice_in_dim(order, (i * batch) % 3900, batch)
        params, state, value = step(params, state, rows)
    guesses = jnp.argmax(logits(params, shrink(data.test_images)), -1)
    return {
        "first": first["conv1"]["w"],
        "accuracy": jnp.mean(guesses == data.test_labels),
        "loss": value,
    }
