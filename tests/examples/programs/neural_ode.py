"""A neural network as the right-hand side of a differential equation, fitted to a spiral."""

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import jit, lax, random, vmap


def init_mlp(key, sizes):
    keys = random.split(key, len(sizes) - 1)
    initializer = jax.nn.initializers.glorot_normal()
    return [
        (initializer(k, (m, n)), jnp.zeros((n,)))
        for k, m, n in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def mlp(params, x):
    *hidden, (w, b) = params
    for w_, b_ in hidden:
        x = jnp.tanh(x @ w_ + b_)
    return x @ w + b


def solve(field, y0, h, steps):
    """Midpoint rule; each step is recomputed in the backward pass."""

    @jax.checkpoint
    def step(y, _):
        middle = y + h / 2 * field(y)
        y = y + h * field(middle)
        return y, y

    return lax.scan(step, y0, None, length=steps)[1]


def spiral(y):
    A = jnp.array([[-0.1, 2.0], [-2.0, -0.1]])
    return (y**3) @ A


def run(steps=40, h=0.05, iterations=250):
    key = random.key(2)
    key, data_key, init_key = random.split(key, 3)
    starts = random.uniform(data_key, (16, 2), minval=-1.5, maxval=1.5)
    truth = vmap(lambda y0: solve(spiral, y0, h, steps))(starts)
    params = init_mlp(init_key, [2, 24, 2])
    schedule = optax.exponential_decay(2e-2, transition_steps=50, decay_rate=0.8)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))

    def loss(params):
        field = lambda y: mlp(params, y**3)
        paths = vmap(lambda y0: solve(field, y0, h, steps))(starts)
        return jnp.mean(jnp.square(paths - truth))

    @jit
    def train(params, state):
        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    state = optimizer.init(params)
    history = []
    for _ in range(iterations):
        params, state, value = train(params, state)
        history.append(value)
    new = jnp.array([0.7, -1.2])
    error = solve(lambda y: mlp(params, y**3), new, h, steps) - solve(spiral, new, h, steps)
    return {
        "first": history[0],
        "tenth": history[10],
        "last": history[-1],
        "error": jnp.max(jnp.abs(error)),
    }
