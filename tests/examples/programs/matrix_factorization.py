"""Missing ratings from two thin matrices: alternating least squares by vmap, and by gradients."""

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import jit, random, vmap


def solve_row(other, ratings, seen, ridge):
    """The least-squares row of one factor, given the other; unseen ratings weigh nothing."""
    weighted = other * seen[:, None]
    gram = weighted.T @ other + ridge * jnp.eye(other.shape[1])
    return jnp.linalg.solve(gram, weighted.T @ ratings)


@jit
def alternate(U, V, ratings, seen, ridge):
    U = vmap(solve_row, (None, 0, 0, None))(V, ratings, seen, ridge)
    V = vmap(solve_row, (None, 1, 1, None))(U, ratings, seen, ridge)
    return U, V


def error(U, V, ratings, mask):
    return jnp.sqrt(jnp.sum(mask * (U @ V.T - ratings) ** 2) / jnp.sum(mask))


def run(users=60, items=40, rank=3):
    k = random.split(random.key(0), 6)
    truth = random.normal(k[0], (users, rank)) @ random.normal(k[1], (items, rank)).T
    seen = random.bernoulli(k[2], 0.5, truth.shape).astype(jnp.float32)
    ratings = truth * seen
    U = random.normal(k[3], (users, rank))
    V = random.normal(k[4], (items, rank))
    start = error(U, V, truth, 1 - seen)
    for _ in range(20):
        U, V = alternate(U, V, ratings, seen, 1e-2)

    def objective(factors):
        U, V = factors
        fit = jnp.sum(optax.losses.squared_error(U @ V.T, ratings) * seen)
        return fit / jnp.sum(seen) + 1e-4 * (jnp.mean(U**2) + jnp.mean(V**2))

    optimizer = optax.adam(3e-2)
    factors = random.normal(k[3], (users, rank)), random.normal(k[5], (items, rank))
    state = optimizer.init(factors)

    @jit
    def step(factors, state):
        gradient = jax.grad(objective)(factors)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(factors, updates), state

    for _ in range(400):
        factors, state = step(factors, state)
    return {
        "start": start,
        "alternating": error(U, V, truth, 1 - seen),
        "gradients": error(*factors, truth, 1 - seen),
        "corner": (U @ V.T)[:3, :3],
        "seen": seen.sum(),
    }
