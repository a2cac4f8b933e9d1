"""A fixed-point solver with a derivative of its own: the implicit function theorem as a vjp."""

from functools import partial

import fx as jax
import fx.numpy as jnp
from fx import custom_jvp, custom_vjp, grad, jit, lax, random, vjp, vmap


@partial(custom_vjp, nondiff_argnums=(0,))
def fixed_point(f, a, x_guess):
    def not_converged(state):
        previous, x = state
        return jnp.max(jnp.abs(previous - x)) > 1e-6

    def iterate(state):
        _, x = state
        return x, f(a, x)

    return lax.while_loop(not_converged, iterate, (x_guess, f(a, x_guess)))[1]


def fixed_point_fwd(f, a, x_init):
    x_star = fixed_point(f, a, x_init)
    return x_star, (a, x_star)


def fixed_point_rev(f, residuals, cotangent):
    a, x_star = residuals
    _, vjp_a = vjp(lambda a: f(a, x_star), a)
    # The cotangent of x solves a fixed-point equation, too.
    (a_bar,) = vjp_a(fixed_point(partial(rev_iterate, f), (a, x_star, cotangent), cotangent))
    return a_bar, jnp.zeros_like(x_star)


def rev_iterate(f, packed, u):
    a, x_star, cotangent = packed
    _, vjp_x = vjp(lambda x: f(a, x), x_star)
    return cotangent + vjp_x(u)[0]


fixed_point.defvjp(fixed_point_fwd, fixed_point_rev)


def newton_sqrt(a):
    return fixed_point(lambda a, x: 0.5 * (x + a / x), a, a)


@custom_jvp
def stable_log1pexp(x):
    return jnp.log(1.0 + jnp.exp(x))


@stable_log1pexp.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    return stable_log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * t


@custom_vjp
def clip_gradient(low, high, x):
    return x


clip_gradient.defvjp(
    lambda low, high, x: (x, (low, high)),
    lambda residuals, g: (None, None, jnp.clip(g, *residuals)),
)


def run():
    out = {}
    out["sqrt"] = newton_sqrt(2.0)
    out["derivative"] = grad(newton_sqrt)(2.0)
    out["second"] = grad(grad(newton_sqrt))(2.0)
    out["batch"] = vmap(jit(grad(newton_sqrt)))(jnp.array([1.0, 4.0, 9.0]))

    # The equilibrium of a recurrent layer, trained to give a chosen answer.
    W = 0.3 * random.normal(random.key(0), (6, 6)) / jnp.sqrt(6.0)
    b = random.normal(random.key(1), (6,))
    target = jnp.linspace(-0.5, 0.5, 6)
    layer = lambda params, z: jnp.tanh(params["W"] @ z + params["b"])

    def loss(params):
        z = fixed_point(layer, params, jnp.zeros(6))
        return jnp.sum((z - target) ** 2)

    params = {"W": W, "b": b}
    gradient = grad(loss)(params)
    unrolled = grad(
        lambda p: jnp.sum(
            (lax.fori_loop(0, 60, lambda _, z: layer(p, z), jnp.zeros(6)) - target) ** 2
        )
    )(params)
    out["gradient"] = gradient
    out["against unrolling"] = jnp.max(jnp.abs(gradient["W"] - unrolled["W"]))
    update = jit(lambda p: jax.tree.map(lambda p, g: p - 0.2 * g, p, grad(loss)(p)))
    out["loss before"] = loss(params)
    for _ in range(150):
        params = update(params)
    out["loss after"] = loss(params)

    # Rules for stability and for effect.
    out["log1pexp"] = vmap(grad(stable_log1pexp))(jnp.array([-3.0, 0.0, 100.0]))
    out["second log1pexp"] = grad(grad(stable_log1pexp))(1.0)
    out["clipped"] = vmap(grad(lambda x: jnp.sin(clip_gradient(-0.75, 0.75, x))))(
        jnp.linspace(0.0, 3.0, 7)
    )
    return out
