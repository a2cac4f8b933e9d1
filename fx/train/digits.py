"""A convolutional network that reads digits: the model, its loss and its training step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import fx
import fx.numpy as jnp
from fx import nn, optim, random
from fx.data import Augment
from fx.train.config import Config

AUGMENT = Augment(shift=1.5, rotate=12, scale=0.15, shear=0.15, elastic=1, stroke=0.7)

# Adam's memory of squared gradients, in steps 1 / (1 - b2): short, because a run has only 1,500.
_B2 = 0.99


class State(NamedTuple):
    """All that a training step changes."""

    step: Any
    params: Any
    opt_state: Any


class Programs(NamedTuple):
    """The functions that a training run calls; `step` and `predict` are compiled."""

    init: Callable[[Any], State]
    step: Callable[[State, Any, Any], tuple[State, Any]]
    predict: Callable[[Any, Any], Any]


def network(dropout: float) -> nn.Sequential:
    """Images (n, 28, 28, 1) to log-probabilities (n, 10)."""
    return nn.Sequential(
        (
            ("conv1", nn.Conv(32, (3, 3), padding="VALID")),
            nn.relu,
            ("conv2", nn.Conv(64, (3, 3), padding="VALID")),
            nn.relu,
            nn.MaxPool((2, 2)),
            nn.Flatten(),
            ("hidden", nn.Dense(128)),
            nn.relu,
            nn.Dropout(dropout),
            ("digit", nn.Dense(10)),
            nn.log_softmax,
        )
    )


def optimizer(config: Config, steps: int) -> optim.GradientTransformation:
    """The configured rule, its rate rising over a tenth of the steps and then falling to 0."""
    rate = optim.warmup_cosine_decay_schedule(
        init_value=config.learning_rate / 25,
        peak_value=config.learning_rate,
        warmup_steps=max(1, steps // 10),
        decay_steps=max(2, steps),
    )
    if config.optimizer == "sgd":
        return optim.sgd(rate, momentum=config.momentum, nesterov=config.nesterov)
    if config.optimizer == "adamw":
        return optim.adamw(rate, b2=_B2, weight_decay=config.l2, mask=_is_weight)
    return optim.adam(rate, b2=_B2)


def build(config: Config, steps: int) -> Programs:
    """Everything that a run of so many steps needs."""
    net, rule = network(config.dropout), optimizer(config, steps)
    l2 = 0.0 if config.optimizer == "adamw" else config.l2  # adamw decays the weights by itself
    init_key, dropout_key = random.split(random.key(config.seed))

    def init(images):
        params = net.init(init_key, images)
        return State(jnp.zeros((), jnp.int32), params, rule.init(params))

    def loss(params, images, labels, key):
        log_probs = net.apply(params, images, key=key, train=True)
        likelihood = jnp.mean(jnp.take_along_axis(log_probs, labels[:, None], axis=1))
        weights = [p for p in fx.tree.leaves(params) if p.ndim > 1]
        absolute = sum(jnp.sum(jnp.abs(w)) for w in weights) if config.l1 else 0.0
        squared = sum(jnp.sum(w * w) for w in weights) if l2 else 0.0
        return -likelihood + config.l1 * absolute + 0.5 * l2 * squared

    @fx.jit
    def step(state, images, labels):
        key = random.fold_in(dropout_key, state.step)
        value, grads = fx.value_and_grad(loss)(state.params, images, labels, key)
        updates, opt_state = rule.update(grads, state.opt_state, state.params)
        params = optim.apply_updates(state.params, updates)
        return State(state.step + 1, params, opt_state), value

    @fx.jit
    def predict(params, images):
        return jnp.argmax(net.apply(params, images), axis=1)

    return Programs(init, step, predict)


def _is_weight(params):
    return fx.tree.map(lambda p: p.ndim > 1, params)
