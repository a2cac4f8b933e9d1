"""Minima of the usual test functions, beside SciPy's and JAX's."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.scipy.optimize import minimize

METHODS = ("BFGS", "l-bfgs-experimental-do-not-rely-on-this")


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def steep(x):
    return jnp.sum(jnp.exp(x) - 2 * x) + 1e3 * (x[0] - x[1]) ** 4


PROBLEMS = {
    "rosenbrock": (rosenbrock, np.array([-1.2, 1.0, 0.7])),
    "himmelblau": (himmelblau, np.array([1.0, 1.0])),
    "steep": (steep, np.array([3.0, -4.0])),
    "quadratic": (lambda x: jnp.sum(x**2 * np.arange(1, 6)), np.full(5, 7.0)),
    "one": (lambda x: jnp.cosh(x[0] - 2), np.array([0.0])),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_minima_are_found(name, method):
    scipy_optimize = pytest.importorskip("scipy.optimize")
    f, start = PROBLEMS[name]
    # L-BFGS also ends where the value no longer changes by much.
    found = minimize(f, start, method=method, tol=1e-6)
    theirs = scipy_optimize.minimize(lambda x: float(f(x)), start, jac=lambda x: fx.grad(f)(x))
    assert bool(found.success) and int(found.status) == 0
    assert found.x.dtype == np.float64 and found.jac.shape == start.shape
    np.testing.assert_allclose(found.fun, theirs.fun, atol=1e-6)
    assert int(found.nfev) <= 3 * theirs.nfev + 20
    assert found.nfev == found.njev and int(found.nit) <= int(found.nfev)
    if method == "BFGS":
        assert float(jnp.abs(found.jac).max()) < 1e-6
        np.testing.assert_allclose(found.x, theirs.x, atol=1e-3)


def test_single_precision_jit_and_batches():
    starts = jnp.asarray([[-1.2, 1.0], [2.0, 2.0]])
    run = fx.jit(lambda x, b: minimize(lambda x, b: rosenbrock(x) * b, x, (b,), method="BFGS"))
    found = run(starts[0], 2.0)
    assert found.x.dtype == np.float32
    np.testing.assert_allclose(found.x, np.ones(2), atol=2e-2)
    both = fx.vmap(lambda x: minimize(himmelblau, x, method="BFGS").fun)(starts)
    np.testing.assert_allclose(both, np.zeros(2), atol=1e-5)


def test_the_inverse_hessian_of_a_quadratic():
    a = np.array([[3.0, 1.0], [1.0, 2.0]])
    found = minimize(lambda x: x @ a @ x / 2, np.array([2.0, -1.0]), method="bfgs", tol=1e-10)
    np.testing.assert_allclose(found.hess_inv, np.linalg.inv(a), rtol=1e-2)


def test_jax_finds_the_same():
    jax_optimize = pytest.importorskip("jax.scipy.optimize")
    start = np.array([1.0, 1.0], np.float32)
    theirs = jax_optimize.minimize(himmelblau_of_jax, start, method="BFGS")
    ours = minimize(himmelblau, start, method="BFGS")
    assert ours._fields == theirs._fields
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-3)


def himmelblau_of_jax(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


@pytest.mark.parametrize("method", METHODS)
def test_reasons_to_stop(method):
    f, start = PROBLEMS["rosenbrock"]
    few = minimize(f, start, method=method, options={"maxiter": 2})
    assert int(few.status) == 1 and not bool(few.success) and int(few.nit) == 2
    there = minimize(f, np.ones(3), method=method)
    assert bool(there.success) and int(there.nit) == 0 and int(there.nfev) == 1
    # Downhill without end.
    lost = minimize(lambda x: -x[0], np.zeros(1), method=method)
    assert not bool(lost.success)
    # No step is better: the gradient is wrong.
    lying = fx.custom_jvp(lambda x: jnp.sum(jnp.abs(x)))
    lying.defjvp(lambda p, t: (lying(*p), -jnp.sum(t[0]) - 1 * jnp.sum(jnp.sign(p[0]) * t[0])))
    assert int(minimize(lying, np.ones(1), method=method).status) == 3
    if method != "BFGS":
        assert int(minimize(f, start, method=method, options={"maxfun": 4}).status) == 5


def test_errors():
    f, start = PROBLEMS["one"]
    with pytest.raises(FxValueError, match="'BFGS'"):
        minimize(f, start, method="newton")
    with pytest.raises(FxValueError, match=r"no options \['step'\]"):
        minimize(f, start, method="BFGS", options={"step": 1})
    with pytest.raises(ShapeError, match="ravel_pytree"):
        minimize(f, np.ones((2, 2)), method="BFGS")
    with pytest.raises(FxTypeError, match="tuple"):
        minimize(f, start, 2.0, method="BFGS")
