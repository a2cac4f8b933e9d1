"""A tour of derivatives: logistic regression, Jacobians, Hessian-vector products, complex ones."""

import fx as jax
import fx.numpy as jnp
from fx import grad, hessian, jacfwd, jacrev, jit, jvp, random, value_and_grad, vjp, vmap

ROWS = [[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30], [0.74, -2.49, 1.39]]
INPUTS = jnp.array(ROWS)
TARGETS = jnp.array([True, True, False, True])


def sigmoid(x):
    return 0.5 * (jnp.tanh(x / 2) + 1)


def predict(W, b, inputs):
    return sigmoid(jnp.dot(inputs, W) + b)


def loss(W, b):
    predictions = predict(W, b, INPUTS)
    label_probs = predictions * TARGETS + (1 - predictions) * (1 - TARGETS)
    return -jnp.sum(jnp.log(label_probs))


def loss_of_dict(params):
    return loss(params["W"], params["b"])


def hvp_forward_over_reverse(f, primals, tangents):
    return jvp(grad(f), primals, tangents)[1]


def hvp_reverse_over_reverse(f, x, v):
    return grad(lambda x: jnp.vdot(grad(f)(x), v))(x)


def matrix_jacobian_product(f, x, M):
    _, pullback = vjp(f, x)
    (outs,) = vmap(pullback)(M)
    return outs


def matrix_tangent_product(f, x, M):
    return vmap(lambda s: jvp(f, (x,), (s,))[1])(M)


def complex_function(z):
    x, y = jnp.real(z), jnp.imag(z)
    return jnp.sin(x) * jnp.cosh(y) + 1j * jnp.cos(x) * jnp.sinh(y)


def run():
    key = random.PRNGKey(0)
    key, W_key, b_key = random.split(key, 3)
    W = random.normal(W_key, (3,))
    b = random.normal(b_key, ())
    out = {}

    # Gradients with respect to positions and containers.
    out["grad W"], out["grad b"] = grad(loss, (0, 1))(W, b)
    value, gradient = value_and_grad(loss_of_dict)({"W": W, "b": b})
    out["value"] = value
    assert jnp.allclose(gradient["W"], out["grad W"], rtol=1e-5)

    # Against a finite difference along a direction.
    step = 1e-2
    unit = random.normal(key, W.shape)
    unit = unit / jnp.sqrt(jnp.vdot(unit, unit))
    slope = (loss(W + step / 2 * unit, b) - loss(W - step / 2 * unit, b)) / step
    out["slope error"] = jnp.abs(slope - jnp.vdot(out["grad W"], unit))

    # Gradient descent, as one compiled step.
    @jit
    def update(params):
        return jax.tree.map(lambda p, g: p - 0.5 * g, params, grad(loss_of_dict)(params))

    params = {"W": W, "b": b}
    for _ in range(60):
        params = update(params)
    out["trained loss"] = loss_of_dict(params)

    # Jacobians, forward and reverse.
    f = lambda W: predict(W, b, INPUTS)
    J = jacfwd(f)(W)
    out["jacobian"] = J
    assert jnp.allclose(J, jacrev(f)(W), atol=1e-6)
    for key_, J_ in jacrev(lambda p: predict(p["W"], p["b"], INPUTS))({"W": W, "b": b}).items():
        out["jacobian of " + key_] = J_
    out["hessian"] = hessian(lambda W: loss(W, b))(W)
    out["hessian of predictions"] = jacfwd(jacrev(f))(W)

    # Hessian-vector products without the Hessian.
    v = jnp.array([1.0, -2.0, 0.5])
    objective = lambda W: loss(W, b)
    out["hvp"] = hvp_forward_over_reverse(objective, (W,), (v,))
    assert jnp.allclose(out["hvp"], hvp_reverse_over_reverse(objective, W, v), rtol=1e-4)
    assert jnp.allclose(out["hvp"], out["hessian"] @ v, rtol=1e-4)
    tensor = random.normal(random.PRNGKey(5), (5, 4))
    g = lambda X: jnp.sum(jnp.tanh(X) ** 2)
    direction = random.normal(random.PRNGKey(6), (5, 4))
    full = jnp.tensordot(hessian(g)(tensor), direction, 2)
    assert jnp.allclose(full, hvp_forward_over_reverse(g, (tensor,), (direction,)), atol=1e-4)

    # Matrix-Jacobian products both ways.
    M = random.normal(random.PRNGKey(7), (6, 4))
    out["vmap of vjp"] = matrix_jacobian_product(f, W, M)
    assert jnp.allclose(out["vmap of vjp"], M @ J, atol=1e-5)
    N = random.normal(random.PRNGKey(8), (6, 3))
    assert jnp.allclose(matrix_tangent_product(f, W, N), N @ J.T, atol=1e-5)

    # Complex derivatives: holomorphic, of a real part, and a vjp of C to C.
    z = 0.5 + 0.8j
    out["complex"] = grad(complex_function, holomorphic=True)(z)
    out["real of complex"] = grad(lambda z: jnp.real(z) ** 2 + jnp.imag(z) ** 3)(z)
    out["tanh"] = grad(jnp.tanh, holomorphic=True)(z)
    A = jnp.array([[5.0, 2.0 + 3j, 5j], [2.0 - 3j, 7.0, 1.0 + 7j], [-5j, 1.0 - 7j, 12.0]])
    quadratic = lambda X: jnp.real(jnp.trace(X @ X.conj().T))
    out["of a matrix"] = grad(quadratic)(A)
    return out
