"""Kernel regression: the Gram matrix by nested vmap; the dual problem by descent and by CG."""

import fx.numpy as jnp
from fx import grad, jit, lax, random, vmap


def gram(kernel, xs):
    return vmap(lambda x: vmap(lambda y: kernel(x, y))(xs))(xs)


def rbf(x, y, length=1.0):
    return jnp.exp(-jnp.sum((x - y) ** 2) / (2 * length**2))


def linear(x, y):
    return jnp.dot(x, y)


def minimize(f, x, steps, step_size):
    df = grad(f)
    body = lambda i, x: x - step_size * df(x)
    return lax.fori_loop(0, steps, body, x)


def conjugate_gradient(matvec, b, tolerance, max_steps):
    def not_done(state):
        _, _, _, rs, k = state
        return (rs > tolerance**2) & (k < max_steps)

    def step(state):
        x, r, p, rs, k = state
        Ap = matvec(p)
        alpha = rs / jnp.vdot(p, Ap)
        x, r = x + alpha * p, r - alpha * Ap
        rs_next = jnp.vdot(r, r)
        return x, r, r + rs_next / rs * p, rs_next, k + 1

    start = (jnp.zeros_like(b), b, b, jnp.vdot(b, b), 0)
    x, _, _, _, k = lax.while_loop(not_done, step, start)
    return x, k


def fit(kernel, xs, ys, ridge, steps=400, step_size=2e-3):
    K = gram(kernel, xs)

    def objective(v):
        residual = jnp.dot(K, v) - ys
        return jnp.sum(residual**2) / 2 + ridge * jnp.vdot(v, jnp.dot(K, v)) / 2

    v = minimize(objective, jnp.zeros_like(ys), steps, step_size)
    predict = jit(lambda x: jnp.vdot(v, vmap(lambda y: kernel(x, y))(xs)))
    return predict, v


def run():
    key = random.PRNGKey(1)
    key, x_key, w_key = random.split(key, 3)

    # A linear kernel finds the linear function behind the data.
    xs = random.normal(x_key, (60, 5))
    w_true = random.normal(w_key, (5,))
    ys = jnp.dot(xs, w_true)
    predict, v = fit(linear, xs, ys, 1e-3, step_size=1e-4)
    w = jnp.dot(xs.T, v)
    query = jnp.array([0.3, -1.0, 2.0, 0.1, 0.5])

    # A Gaussian kernel, the same system by conjugate gradients.
    points = jnp.linspace(-3, 3, 40)[:, None]
    values = jnp.sin(2 * points[:, 0]) + 0.1 * points[:, 0] ** 2
    K = gram(rbf, points)
    ridge = 1e-2
    dual, iterations = conjugate_gradient(lambda p: K @ p + ridge * p, values, 1e-4, 200)
    smooth = vmap(lambda x: jnp.vdot(dual, vmap(lambda y: rbf(x, y))(points)))
    middle = (points[1:] + points[:-1]) / 2
    truth = jnp.sin(2 * middle[:, 0]) + 0.1 * middle[:, 0] ** 2
    return {
        "gram": K,
        "weight error": jnp.max(jnp.abs(w - w_true)),
        "prediction": predict(query),
        "truth": jnp.vdot(query, w_true),
        "iterations": iterations,
        "smooth error": jnp.max(jnp.abs(smooth(middle) - truth)),
        "gradient at a point": grad(lambda x: smooth(x[None, None])[0])(0.3),
    }
