"""Reinforcement learning: episodes of a cart and a pole by scan, and the policy's gradient."""

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import jit, lax, random, vmap


def dynamics(state, force):
    """Barto, Sutton and Anderson's cart and pole, one step of 0.02 s."""
    x, v, theta, omega = state
    cos, sin = jnp.cos(theta), jnp.sin(theta)
    push = (force + 0.05 * omega**2 * sin) / 1.1
    alpha = (9.8 * sin - cos * push) / (0.5 * (4.0 / 3.0 - 0.1 * cos**2 / 1.1))
    acceleration = push - 0.05 * alpha * cos / 1.1
    return jnp.stack(
        [x + 0.02 * v, v + 0.02 * acceleration, theta + 0.02 * omega, omega + 0.02 * alpha]
    )


def logits(params, state):
    return jnp.tanh(state @ params["w1"]) @ params["w2"]


def episode(params, key, steps):
    start_key, key = random.split(key)
    state = random.uniform(start_key, (4,), minval=-0.05, maxval=0.05)

    def step(carry, key):
        state, alive = carry
        scores = jax.nn.log_softmax(logits(params, state))
        action = random.categorical(key, scores)
        moved = dynamics(state, jnp.where(action == 1, 10.0, -10.0))
        inside = (jnp.abs(moved[0]) < 2.4) & (jnp.abs(moved[2]) < 0.21)
        still = jnp.logical_and(alive, inside)
        state = lax.select(still, moved, state)
        return (state, still), (scores[action] * alive, alive)

    _, (scores, alive) = lax.scan(step, (state, True), random.split(key, steps))
    return scores, alive


def run(iterations=30, episodes=32, steps=100):
    k1, k2 = random.split(random.key(0))
    params = {"w1": random.normal(k1, (4, 16)), "w2": 0.1 * random.normal(k2, (16, 2))}
    optimizer = optax.adam(5e-2)
    state = optimizer.init(params)

    def surrogate(params, key):
        scores, alive = vmap(lambda k: episode(params, k, steps))(random.split(key, episodes))
        rewards = alive.astype(jnp.float32)
        to_go = jnp.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]
        baseline = to_go.mean(0)
        advantage = lax.stop_gradient((to_go - baseline) / (to_go.std() + 1e-6))
        return -jnp.sum(scores * advantage) / episodes, rewards.sum(1).mean()

    @jit
    def improve(params, state, key):
        (_, length), g = jax.value_and_grad(surrogate, has_aux=True)(params, key)
        updates, state = optimizer.update(g, state)
        return optax.apply_updates(params, updates), state, length

    lengths = []
    for i in range(iterations):
        params, state, length = improve(params, state, random.fold_in(random.key(1), i))
        lengths.append(length)
    return {"first": jnp.stack(lengths[:2]), "last": jnp.mean(jnp.stack(lengths[-5:]))}
