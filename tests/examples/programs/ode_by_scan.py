"""Ordinary differential equations by scan: a solution, its sensitivities, a fit to observations."""

from functools import partial

import fx as jax
import fx.numpy as jnp
from fx import grad, jit, lax, vmap


def rk4(f, y, t, h, *args):
    k1 = f(y, t, *args)
    k2 = f(jax.tree.map(lambda y, k: y + h / 2 * k, y, k1), t + h / 2, *args)
    k3 = f(jax.tree.map(lambda y, k: y + h / 2 * k, y, k2), t + h / 2, *args)
    k4 = f(jax.tree.map(lambda y, k: y + h * k, y, k3), t + h, *args)
    combine = lambda y, a, b, c, d: y + h / 6 * (a + 2 * b + 2 * c + d)
    return jax.tree.map(combine, y, k1, k2, k3, k4)


@partial(jit, static_argnums=(0,), static_argnames=("substeps",))
def odeint(f, y0, ts, *args, substeps=4):
    """The solution at the times `ts`, the first of which is that of y0."""

    def interval(carry, t_next):
        y, t = carry
        h = (t_next - t) / substeps
        y = lax.fori_loop(0, substeps, lambda i, y: rk4(f, y, t + i * h, h, *args), y)
        return (y, t_next), y

    _, ys = lax.scan(interval, (y0, ts[0]), ts[1:])
    return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), y0, ys)


def pendulum(state, t, params):
    angle, speed = state["angle"], state["speed"]
    return {"angle": speed, "speed": -params["g"] * jnp.sin(angle) - params["damping"] * speed}


def predator_prey(y, t, rates):
    a, b, c, d = rates
    return jnp.stack([a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]])


def run():
    out = {}
    # A linear equation, whose solution is known.
    ts = jnp.linspace(0.0, 2.0, 21)
    rotation = jnp.array([[0.0, 1.0], [-1.0, 0.0]])
    ys = odeint(lambda y, t: rotation @ y, jnp.array([1.0, 0.0]), ts)
    exact = jnp.stack([jnp.cos(ts), -jnp.sin(ts)], 1)
    out["rotation error"] = jnp.max(jnp.abs(ys - exact))

    # A pytree as the state, and the gradient of an outcome by parameters and initial state.
    def final_angle(params, y0):
        return odeint(pendulum, y0, ts, params)["angle"][-1]

    params = {"g": 9.81, "damping": 0.3}
    y0 = {"angle": jnp.array(0.8), "speed": jnp.array(0.0)}
    out["sensitivity"] = grad(final_angle, argnums=(0, 1))(params, y0)
    step = 1e-2
    ahead = final_angle({"g": 9.81 + step, "damping": 0.3}, y0)
    behind = final_angle({"g": 9.81 - step, "damping": 0.3}, y0)
    out["difference"] = (ahead - behind) / (2 * step)

    # Many initial states at once.
    angles = jnp.linspace(0.1, 1.5, 8)
    many = vmap(lambda a: final_angle(params, {"angle": a, "speed": jnp.zeros(())}))(angles)
    out["many"] = many

    # Rates of predators and prey from their observed numbers.
    truth = jnp.array([1.1, 0.4, 0.4, 0.1])
    start = jnp.array([10.0, 5.0])
    times = jnp.linspace(0.0, 6.0, 25)
    seen = odeint(predator_prey, start, times, truth)

    def misfit(log_rates):
        ys = odeint(predator_prey, start, times, jnp.exp(log_rates), substeps=2)
        return jnp.mean((jnp.log(ys) - jnp.log(seen)) ** 2)

    @jit
    def descend(log_rates, velocity):
        velocity = 0.9 * velocity - 0.02 * grad(misfit)(log_rates)
        return log_rates + velocity, velocity

    log_rates = jnp.log(jnp.array([0.9, 0.5, 0.5, 0.15]))
    velocity = jnp.zeros(4)
    out["misfit before"] = misfit(log_rates)
    for _ in range(60):
        log_rates, velocity = descend(log_rates, velocity)
    out["misfit after"] = misfit(log_rates)
    out["rates"] = jnp.exp(log_rates)
    return out
