"""Iterative solvers: they solve, with preconditioners and trees, and have derivatives."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.scipy.sparse.linalg import bicgstab, cg, gmres
from fx.testing import check_grads

SOLVERS = {"cg": cg, "bicgstab": bicgstab, "gmres": gmres}
RNG = np.random.default_rng(0)


def system(name, n=8, kind=np.float64):
    a = RNG.normal(size=(n, n))
    if kind == np.complex128:
        a = a + 1j * RNG.normal(size=(n, n))
    a = a @ a.conj().T / n + np.eye(n) if name == "cg" else a / n + 2 * np.eye(n)
    b = RNG.normal(size=n) + (1j * RNG.normal(size=n) if kind == np.complex128 else 0)
    return a, b


@pytest.mark.parametrize("kind", [np.float64, np.complex128])
@pytest.mark.parametrize("name", SOLVERS)
def test_solutions_with_and_without_preconditioner(name, kind):
    a, b = system(name, kind=kind)
    expected = np.linalg.solve(a, b)
    diagonal = 1 / np.diag(a)
    for options in (
        {},
        {"M": np.diag(diagonal)},
        {"M": lambda v: diagonal * v, "x0": np.ones(8, kind)},
        {"x0": expected},
    ):
        x, info = SOLVERS[name](a, b, tol=1e-10, **options)
        assert info is None and x.dtype == kind
        np.testing.assert_allclose(x, expected, rtol=1e-7)
    x, _ = fx.jit(lambda a, b: SOLVERS[name](lambda v: a @ v, b, tol=1e-10))(a, b)
    np.testing.assert_allclose(x, expected, rtol=1e-7)
    assert not np.any(np.asarray(SOLVERS[name](a, 0 * b)[0]))


@pytest.mark.parametrize("name", SOLVERS)
def test_limits_hold_and_iterations_are_bounded(name):
    a, b = system(name, 12)
    for tol in (1e-2, 1e-6):
        x = np.asarray(SOLVERS[name](a, b, tol=tol)[0])
        assert np.linalg.norm(b - a @ x) <= 1.01 * tol * np.linalg.norm(b)
    x = np.asarray(SOLVERS[name](a, b, tol=0.0, atol=1e-3)[0])
    assert np.linalg.norm(b - a @ x) <= 1.01e-3
    assert not np.any(np.asarray(SOLVERS[name](a, b, maxiter=0)[0]))


@pytest.mark.parametrize("restart", [1, 3, 30])
def test_gmres_restarts(restart):
    a, b = system("gmres", 10)
    for method in ("batched", "incremental"):
        x, _ = gmres(a, b, tol=1e-9, restart=restart, maxiter=200, solve_method=method)
        np.testing.assert_allclose(x, np.linalg.solve(a, b), rtol=1e-6)


@pytest.mark.parametrize("name", SOLVERS)
def test_trees(name):
    scale = {"u": np.array([2.0, 3.0]), "v": (np.array([[4.0], [5.0]]),)}
    b = fx.tree.map(np.ones_like, scale)
    x, _ = SOLVERS[name](lambda t: fx.tree.map(jnp.multiply, scale, t), b, tol=1e-10)
    for got, s in zip(fx.tree.leaves(x), fx.tree.leaves(scale), strict=True):
        np.testing.assert_allclose(got, 1 / s, rtol=1e-8)


@pytest.mark.parametrize("name", SOLVERS)
def test_derivatives_and_batches(name):
    a, b = system(name, 4)

    def solve(a, b):
        matrix = (a + a.T) / 2 if name == "cg" else a
        return SOLVERS[name](matrix, b, tol=1e-12)[0]

    check_grads(solve, (a, b), order=1, modes=("fwd", "rev"))
    batch = fx.vmap(solve, (None, 0))(a, np.stack([b, 2 * b]))
    np.testing.assert_allclose(batch[1], solve(a, 2 * b), rtol=1e-7)


def test_values_of_jax():
    jax = pytest.importorskip("jax")
    jax_linalg = pytest.importorskip("jax.scipy.sparse.linalg")
    for name, solver in SOLVERS.items():
        a, b = (x.astype(np.float32) for x in system(name))
        theirs = getattr(jax_linalg, name)(jax.numpy.asarray(a), jax.numpy.asarray(b))[0]
        np.testing.assert_allclose(solver(a, b)[0], theirs, rtol=2e-4, atol=2e-5)


def test_errors():
    a, b = np.eye(2), np.ones(2)
    for name, solver in SOLVERS.items():
        with pytest.raises(ShapeError, match=f"{name}: A must be square"):
            solver(np.ones((2, 3)), b)
        with pytest.raises(FxTypeError, match="matrix or a function"):
            solver("a", b)
        with pytest.raises(ShapeError, match="x0 and b"):
            solver(a, b, x0=(b,))
        with pytest.raises(ShapeError, match="shapes"):
            solver(a, b, x0=np.ones(3))
        with pytest.raises(ShapeError, match="trees like b"):
            solver(lambda v: (v, v), b)
        with pytest.raises(ShapeError, match="arrays of the shapes of b"):
            solver(lambda v: v[:1], b)
    with pytest.raises(FxValueError, match="solve_method"):
        gmres(a, b, solve_method="fast")
    with pytest.raises(FxValueError, match="restart"):
        gmres(a, b, restart=0)
