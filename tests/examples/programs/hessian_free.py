"""Second-order training without a Hessian: Gauss-Newton products inside conjugate gradients."""

from itertools import pairwise

import fx as jax
import fx.numpy as jnp
from fx import grad, jit, jvp, lax, linearize, random, vjp
from fx.flatten_util import ravel_pytree


def init(key, sizes):
    params = []
    for m, n in pairwise(sizes):
        key, sub = random.split(key)
        params.append((random.normal(sub, (m, n)) / jnp.sqrt(m), jnp.zeros(n)))
    return params


def net(params, x):
    for w, b in params[:-1]:
        x = jnp.tanh(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def conjugate_gradient(matvec, b, steps):
    def body(_, state):
        x, r, p, rr = state
        Ap = matvec(p)
        alpha = rr / jnp.maximum(jnp.vdot(p, Ap), 1e-20)
        x = x + alpha * p
        r = r - alpha * Ap
        new = jnp.vdot(r, r)
        return x, r, r + new / jnp.maximum(rr, 1e-20) * p, new

    return lax.fori_loop(0, steps, body, (jnp.zeros_like(b), b, b, jnp.vdot(b, b)))[0]


def gauss_newton_product(outputs, loss_of_outputs, theta, v):
    """J' H J v, where H is the Hessian of the loss by the outputs."""
    z, Jv = jvp(outputs, (theta,), (v,))
    _, HJv = jvp(grad(loss_of_outputs), (z,), (Jv,))
    _, pullback = vjp(outputs, theta)
    return pullback(HJv)[0]


def run(steps=12):
    x = jnp.linspace(-2, 2, 64)[:, None]
    y = jnp.sin(3 * x) * jnp.exp(-(x**2) / 4)
    theta, unravel = ravel_pytree(init(random.PRNGKey(0), [1, 20, 20, 1]))
    outputs = lambda theta: net(unravel(theta), x)
    mse = lambda z: jnp.mean((z - y) ** 2)
    loss = lambda theta: mse(outputs(theta))

    @jit
    def update(theta, damping):
        g = grad(loss)(theta)
        product = lambda v: gauss_newton_product(outputs, mse, theta, v) + damping * v
        direction = conjugate_gradient(product, -g, 40)
        scales = jnp.array([1.0, 0.5, 0.25, 0.1, 0.0])
        losses = jax.vmap(lambda s: loss(theta + s * direction))(scales)
        best = jnp.argmin(losses)
        reduction = jnp.where(best == 0, 0.3, 1.5)
        return theta + scales[best] * direction, damping * reduction, losses[best]

    damping = 1e-2
    history = [loss(theta)]
    for _ in range(steps):
        theta, damping, value = update(theta, damping)
        history.append(value)

    # The same product three ways at the start.
    v = random.normal(random.key(3), theta.shape)
    g, hvp = linearize(grad(loss), theta)
    forward = jvp(grad(loss), (theta,), (v,))[1]
    reverse = grad(lambda t: jnp.vdot(grad(loss)(t), v))(theta)
    return {
        "history": jnp.array(history)[:4],
        "last": history[-1],
        "gradient": jnp.sqrt(jnp.vdot(g, g)),
        "forward and linearized": jnp.max(jnp.abs(hvp(v) - forward)) / jnp.max(jnp.abs(forward)),
        "forward and reverse": jnp.max(jnp.abs(reverse - forward)) / jnp.max(jnp.abs(forward)),
    }
