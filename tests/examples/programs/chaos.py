"""Chaos: the Lorenz attractor with its Lyapunov exponents by jvp, and the logistic map."""

import fx as jax
import fx.numpy as jnp
from fx import jit, jvp, lax, random, vmap


def lorenz(state, sigma=10.0, rho=28.0, beta=8.0 / 3.0):
    x, y, z = state
    return jnp.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def step(state, h=0.01):
    k1 = lorenz(state)
    k2 = lorenz(state + h / 2 * k1)
    k3 = lorenz(state + h / 2 * k2)
    k4 = lorenz(state + h * k3)
    return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@jax.jit
def largest_exponent(state, direction):
    """Growth of a tangent vector, renormalized at each step."""

    def body(carry, _):
        state, direction = carry
        state, moved = jvp(step, (state,), (direction,))
        length = jnp.sqrt(jnp.sum(moved**2))
        return (state, moved / length), jnp.log(length)

    _, growth = lax.scan(body, (state, direction), xs=None, length=5000)
    return jnp.mean(growth) / 0.01


def logistic_map(r, x):
    return r * x * (1 - x)


def exponent_of_logistic_map(r, steps=1500):
    derivative = jax.grad(logistic_map, argnums=1)

    def body(x, _):
        slope = jnp.log(jnp.maximum(jnp.abs(derivative(r, x)), 1e-12))
        return logistic_map(r, x), slope

    x = lax.fori_loop(0, 100, lambda i, x: logistic_map(r, x), 0.3)
    return jnp.mean(lax.scan(body, x, None, length=steps)[1])


def run():
    start = jnp.array([1.0, 1.0, 1.0])
    _, path = lax.scan(lambda s, _: (step(s),) * 2, start, None, length=200)
    jacobian = jax.jacfwd(step)(start)
    starts = start + 1e-3 * random.normal(random.key(0), (10, 3))
    cloud = jit(vmap(lambda s: lax.fori_loop(0, 100, lambda i, s: step(s), s)))(starts)
    exponents = jit(vmap(exponent_of_logistic_map))(jnp.array([2.5, 3.2, 3.5, 4.0]))
    return {
        "path": path[::20],
        "volume": jacobian,
        "cloud": cloud[:4],
        "lorenz exponent": largest_exponent(path[-1], jnp.array([1.0, 0.0, 0.0])),
        "logistic exponents": exponents,
    }
