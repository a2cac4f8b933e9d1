"""Quasi-Newton minimization in while loops: BFGS with backtracking on Rosenbrock's valley."""

from typing import NamedTuple

import fx as jax
import fx.numpy as jnp
from fx import grad, jit, lax, vmap


class State(NamedTuple):
    x: jax.Array
    f: jax.Array
    g: jax.Array
    H: jax.Array
    steps: jax.Array
    evaluations: jax.Array


def rosenbrock(x):
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def himmelblau(p):
    x, y = p
    return (x**2 + y - 11.0) ** 2 + (x + y**2 - 7.0) ** 2


def backtrack(fun, state, direction):
    """Armijo's rule: halves the step until the descent is enough."""
    slope = state.g @ direction

    def too_long(carry):
        t, value, k = carry
        return (value > state.f + 1e-4 * t * slope) & (k < 30)

    def halve(carry):
        t, _, k = carry
        t = t / 2
        return t, fun(state.x + t * direction), k + 1

    return lax.while_loop(too_long, halve, (1.0, fun(state.x + direction), 1))


def minimize(fun, x0, tolerance=1e-4, max_steps=120):
    n = x0.shape[0]
    identity = jnp.eye(n)

    def not_done(s):
        return (jnp.max(jnp.abs(s.g)) > tolerance) & (s.steps < max_steps)

    def step(s):
        direction = -s.H @ s.g
        t, value, k = backtrack(fun, s, direction)
        x = s.x + t * direction
        g = grad(fun)(x)
        dx, dg = x - s.x, g - s.g
        curvature = dx @ dg
        rho = jnp.where(curvature > 1e-10, 1.0 / jnp.where(curvature > 1e-10, curvature, 1.0), 0.0)
        left = identity - rho * jnp.outer(dx, dg)
        H = jnp.where(rho > 0, left @ s.H @ left.T + rho * jnp.outer(dx, dx), s.H)
        return State(x, value, g, H, s.steps + 1, s.evaluations + k)

    start = State(x0, fun(x0), grad(fun)(x0), identity, jnp.int32(0), jnp.int32(1))
    return lax.while_loop(not_done, step, start)


def run():
    valley = jit(lambda x0: minimize(rosenbrock, x0))(jnp.array([-1.2, 1.0, -0.5, 0.8]))
    starts = jnp.array([[3.0, 3.0], [-3.0, 3.0], [-3.0, -3.0], [3.0, -3.0]])
    many = jit(vmap(lambda x0: minimize(himmelblau, x0)))(starts)
    return {
        "valley": valley.x,
        "value": valley.f,
        "steps": valley.steps,
        "minima": many.x,
        "values": many.f,
        "first step": backtrack(
            rosenbrock,
            State(starts[0], rosenbrock(starts[0]), grad(rosenbrock)(starts[0]), None, 0, 0),
            -grad(rosenbrock)(starts[0]),
        ),
    }
