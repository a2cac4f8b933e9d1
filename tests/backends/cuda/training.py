"""Training steps of a convolutional network and of a transformer, small enough to simulate."""

import numpy as np

import fx
import fx.numpy as jnp
import fx.optim as optim
from fx import random
from fx.train import digits
from fx.train.config import Config
from tests.examples.programs import transformer


def cnn(batch=3):
    """The step of `python -m fx` with dropout and Adam: a function and its arguments."""
    programs = digits.build(Config(), 100)
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.random((batch, 28, 28, 1)).astype(np.float32))
    labels = jnp.asarray(rng.integers(0, 10, batch).astype(np.int32))
    return programs.step, (programs.init(images), images, labels)


def attention(batch=2):
    """The step of the transformer among the examples, with AdamW."""
    params = transformer.init(random.key(0))
    optimizer = optim.adamw(1e-2, weight_decay=1e-4)

    def step(params, state, tokens):
        gradient_of = fx.value_and_grad(transformer.loss, has_aux=True)
        (value, _), gradient = gradient_of(params, tokens)
        updates, state = optimizer.update(gradient, state, params)
        return optim.apply_updates(params, updates), state, value

    tokens = transformer.batch_of(random.key(1), batch)
    return step, (params, optimizer.init(params), tokens)


STEPS = {"cnn": cnn, "transformer": attention}
