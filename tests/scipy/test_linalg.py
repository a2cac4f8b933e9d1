"""fx.scipy.linalg against SciPy and JAX, with derivatives."""

from typing import Any

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxError
from fx.scipy import linalg
from tests.laws import check_derivatives, check_jit, check_vmap

scipy_linalg = pytest.importorskip("scipy.linalg")


def normal(*shape, seed=0, dtype: Any = float):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


A = normal(3, 3) + 4 * np.eye(3)
Z = normal(3, 3, dtype=complex) + 4 * np.eye(3)
P, PZ = A @ A.T, Z @ Z.conj().T
B, C = normal(3, 2, seed=1), normal(3, seed=2)

# name, arguments, options; SciPy's function of the same name says what is right
SAME = [
    *(("cholesky", (a,), {"lower": lower}) for a in (P, PZ) for lower in (False, True)),
    *(("solve", (a, b), {}) for a in (A, Z) for b in (B, C)),
    *(("solve", (P, B), {"assume_a": kind}) for kind in ("pos", "sym", "her")),
    *(("solve", (PZ, B), {"assume_a": "pos", "lower": lower}) for lower in (False, True)),
    *(
        ("solve_triangular", (a, b), {"trans": t, "lower": low, "unit_diagonal": unit})
        for a in (A, Z)
        for b in (B, C)
        for t in (0, "T", 2)
        for low, unit in ((False, True), (True, False))
    ),
    *(("det", (a,), {}) for a in (A, Z)),
    *(("inv", (a,), {}) for a in (A, Z)),
    *(("lu", (a,), {}) for a in (A, Z, normal(4, 2), normal(2, 4), normal(2, 3, 3))),
    ("lu", (normal(4, 2),), {"permute_l": True}),
    *(("lu_factor", (a,), {}) for a in (A, Z)),
    *(("qr", (a,), {"mode": m}) for a in (A, Z, normal(4, 2)) for m in ("full", "economic", "r")),
    *(("svd", (a,), {"compute_uv": False}) for a in (A, Z, normal(4, 2))),
    *(("eigh", (a,), {"eigvals_only": True}) for a in (P, PZ)),
    *(("eigh", (a, b), {"eigvals_only": True}) for a, b in ((P, A.T @ A), (PZ, PZ + np.eye(3)))),
    *(
        ("expm", (a,), {})
        for a in (A, Z / 3, 30 * normal(3, 3), normal(2, 3, 3), 1e-9 * A, np.zeros((2, 2)))
    ),
    ("expm_frechet", (A, normal(3, 3)), {}),
    *(("polar", (a,), {"side": s}) for a in (A, Z, normal(4, 2)) for s in ("left", "right")),
    ("block_diag", (A, 5.0, C), {}),
    ("toeplitz", (C,), {}),
    ("toeplitz", (C, B[:, 0]), {}),
    ("toeplitz", (Z[0],), {}),
    ("hankel", (C,), {}),
    ("hankel", (C, normal(5)), {}),
    ("circulant", (C,), {}),
    ("companion", (C,), {}),
    ("fiedler", (C,), {}),
    ("leslie", (C, C[1:]), {}),
    *(
        ("convolution_matrix", (C, n), {"mode": m})
        for n in (1, 2, 3, 5)
        for m in ("full", "same", "valid")
    ),
    *(("dft", (n,), {"scale": s}) for n in (0, 1, 4) for s in (None, "sqrtn", "n")),
    *(("hilbert", (n,), {}) for n in (0, 1, 4)),
    *(("pascal", (n,), {"kind": k}) for n in (0, 1, 4) for k in ("symmetric", "lower", "upper")),
    *(("hadamard", (n,), {}) for n in (1, 2, 8)),
    *(("helmert", (n,), {"full": f}) for n in (1, 2, 5) for f in (False, True)),
]


def leaves(out):
    return list(out) if isinstance(out, tuple) else [out]


@pytest.mark.parametrize("name, args, options", SAME, ids=lambda x: x if type(x) is str else None)
def test_values_are_scipys(name, args, options):
    ours = leaves(getattr(linalg, name)(*args, **options))
    theirs = leaves(getattr(scipy_linalg, name)(*args, **options))
    for x, y in zip(ours, theirs, strict=True):
        assert np.shape(x) == np.shape(y)
        exact = x.dtype in (np.float64, np.complex128)
        scale = max(1.0, np.abs(y).max(initial=0))
        np.testing.assert_allclose(x, y, rtol=0, atol=(1e-11 if exact else 1e-6) * scale)


# JAX has neither generalized eigenvalues nor stacks of lu.
IN_JAX = [c for c in SAME if not (c[0] == "eigh" and len(c[1]) == 2) and np.ndim(c[1][0]) < 3]


@pytest.mark.parametrize("name, args, options", IN_JAX, ids=lambda x: x if type(x) is str else None)
def test_types_are_jaxs(name, args, options):
    jax = pytest.importorskip("jax")
    module = pytest.importorskip("jax.scipy.linalg")
    if name == "polar":
        options = options | {"method": "svd"}
    narrow = [
        a.astype("complex64" if a.dtype.kind == "c" else "float32")
        if isinstance(a, np.ndarray)
        else a
        for a in args
    ]
    ours = leaves(getattr(linalg, name)(*narrow, **options))
    theirs = leaves(jax.eval_shape(lambda: getattr(module, name)(*narrow, **options)))
    for x, y in zip(ours, theirs, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)


@pytest.mark.parametrize("trans", [0, 1, 2])
@pytest.mark.parametrize("a", [A, Z], ids=["real", "complex"])
def test_factors_solve(a, trans):
    op = [a, a.T, a.conj().T][trans]
    for b in (B, C, normal(2, 3, 2)):
        x = linalg.lu_solve(linalg.lu_factor(a), b, trans)
        np.testing.assert_allclose(op @ x, b + 0 * a[0, 0], atol=1e-12)
    for lower in (False, True):
        x = linalg.cho_solve(linalg.cho_factor(a @ a.conj().T, lower), B)
        np.testing.assert_allclose(a @ a.conj().T @ x, B + 0 * a[0, 0], atol=1e-11)


def test_generalized_eigenvectors():
    for a, b in ((P, A.T @ A), (PZ, PZ + np.eye(3))):
        w, v = linalg.eigh(a, b)
        np.testing.assert_allclose(a @ v, b @ v * w, atol=1e-11)
        np.testing.assert_allclose(np.conj(v).T @ b @ v, np.eye(3), atol=1e-11)


def test_exponentials():
    upper = np.triu(A)
    np.testing.assert_allclose(
        linalg.expm(upper, upper_triangular=True), linalg.expm(upper), rtol=1e-12
    )
    big = np.eye(2) * 100.0
    assert np.isnan(linalg.expm(big, max_squarings=2)).all()
    assert not np.isnan(linalg.expm(np.stack([big, big / 100]), max_squarings=2)[1]).any()
    check_jit(linalg.expm, A)
    check_vmap(linalg.expm, A)
    check_derivatives(linalg.expm, A)
    check_derivatives(linalg.expm, Z / 3)
    check_derivatives(fx.grad(lambda a: linalg.expm(a)[0, 1]), A / 2)
    assert linalg.expm(jnp.eye(2, dtype="bfloat16")).dtype == "bfloat16"


def test_derivatives():
    check_derivatives(lambda a, b: linalg.solve(a @ a.T, b, assume_a="pos"), A, B)
    check_derivatives(lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b, 1), A, B)
    check_derivatives(lambda a, b: linalg.eigh(a @ a.T, b @ b.T, eigvals_only=True), A, A + 1)
    check_derivatives(lambda c: linalg.toeplitz(c), C)
    check_derivatives(lambda a: linalg.polar(a), A)


def test_gradients_are_jaxs():
    jax = pytest.importorskip("jax")
    module = pytest.importorskip("jax.scipy.linalg")

    def loss(m, la):
        def f(a, b):
            k = a @ a.T + m.numpy.eye(3)
            x = la.cho_solve(la.cho_factor(k, lower=True), b)
            y = la.solve_triangular(la.cholesky(k), b, trans="T")
            z = la.expm(a / 5) @ la.lu(a)[2] @ b
            return (x * y * z).sum()

        return m.jit(m.grad(f, (0, 1)))

    args = [x.astype(np.float32) for x in (A, B)]
    for x, y in zip(loss(fx, linalg)(*args), loss(jax, module)(*args), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)


def test_errors():
    wrong = [
        ("square", lambda: linalg.cholesky(B)),
        ("square", lambda: linalg.expm(B)),
        ("b of shape", lambda: linalg.cho_solve((A, True), C[:2])),
        ("trans must be", lambda: linalg.solve_triangular(A, B, trans="H")),
        ("trans must be", lambda: linalg.lu_solve((A, np.arange(3)), B, trans=3)),
        ("assume_a", lambda: linalg.solve(A, B, assume_a="banded")),
        ("mode must be", lambda: linalg.qr(A, mode="raw")),
        ("pivoting", lambda: linalg.qr(A, pivoting=True)),
        ("type=1", lambda: linalg.eigh(A, type=2)),
        ("one shape", lambda: linalg.expm_frechet(A, B)),
        ("side must be", lambda: linalg.polar(A, side="up")),
        ("vector", lambda: linalg.hankel(A)),
        ("vectors", lambda: linalg.circulant(1.0)),
        ("matrices", lambda: linalg.block_diag(normal(2, 2, 2))),
        ("power of 2", lambda: linalg.hadamard(6)),
        ("scale must be", lambda: linalg.dft(3, "m")),
        ("kind must be", lambda: linalg.pascal(3, "full")),
        ("not be negative", lambda: linalg.hilbert(-1)),
        ("positive n", lambda: linalg.convolution_matrix(C, 0)),
        ("mode must be", lambda: linalg.convolution_matrix(C, 3, "half")),
        ("two coefficients", lambda: linalg.companion(C[:1])),
        ("one element less", lambda: linalg.leslie(C, C)),
    ]
    for message, call in wrong:
        with pytest.raises(FxError, match=message):
            call()
