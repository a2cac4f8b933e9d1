"""Training the digits' network on several devices equals training it on one with all the data."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax, optim, random
from fx.train.digits import network

STEPS, BATCH = 20, 16

NET = network(dropout=0.0)
RULES = {
    # Where a gradient is rounding noise, Adam's quotient is too; a larger eps keeps it small.
    "adam": optim.adam(1e-3, eps=1e-6),
    "sgd": optim.sgd(0.05, momentum=0.9),
}


def data(side):
    """Sums of a few waves, whose frequencies depend on the label: something can be learnt."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, (STEPS, BATCH))
    grid = np.linspace(0, 3, side)
    waves = np.sin(labels[..., None, None] * (grid[:, None] + grid) * 0.5)
    images = waves + 0.3 * rng.normal(size=waves.shape)
    return images[..., None].astype(np.float32), labels.astype(np.int32)


def loss(params, images, labels):
    log_probs = NET.apply(params, images)
    return -jnp.mean(jnp.take_along_axis(log_probs, labels[:, None], axis=1))


def update(rule, params, state, grads):
    updates, state = rule.update(grads, state, params)
    return optim.apply_updates(params, updates), state


def train_whole(rule, images, labels):
    """One device, the whole batch."""

    @fx.jit
    def step(params, state, x, y):
        value, grads = fx.value_and_grad(loss)(params, x, y)
        return (*update(rule, params, state, grads), value)

    params = NET.init(random.key(0), images[0])
    state, losses = rule.init(params), []
    for x, y in zip(images, labels, strict=True):
        params, state, value = step(params, state, x, y)
        losses.append(float(value))
    return params, losses


def train_parallel(rule, images, labels, devices):
    """Each device has its part of the batch and a copy of the parameters."""

    def step(params, state, x, y):
        value, grads = lax.pmean(fx.value_and_grad(loss)(params, x, y), "batch")
        return (*update(rule, params, state, grads), value)

    mapped = fx.pmap(step, axis_name="batch", devices=devices)
    params = NET.init(random.key(0), images[0])
    copies = lambda tree: fx.tree.map(lambda x: jnp.stack([x] * devices), tree)
    params, state, losses = copies(params), copies(rule.init(params)), []
    cut = lambda x: x.reshape(devices, -1, *x.shape[1:])
    for x, y in zip(images, labels, strict=True):
        params, state, value = mapped(params, state, cut(x), cut(y))
        losses.append(float(value[0]))
    for leaf in fx.tree.leaves(params):
        for copy in leaf[1:]:
            np.testing.assert_array_equal(copy, leaf[0])  # the copies never drift apart
    return fx.tree.map(lambda x: x[0], params), losses


def check(name, side):
    images, labels = data(side)
    expected, losses = train_whole(RULES[name], images, labels)
    assert losses[-1] < losses[0]
    for devices in (2, 4):
        params, parallel = train_parallel(RULES[name], images, labels, devices)
        np.testing.assert_allclose(parallel, losses, rtol=1e-5, atol=1e-5)
        for a, b in zip(fx.tree.leaves(params), fx.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", RULES)
def test_parts_on_devices_equal_the_whole(name):
    """On images of a quarter of the digits' size, for speed."""
    check(name, 14)


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_parts_on_devices_equal_the_whole_at_full_size(name):
    check(name, 28)
