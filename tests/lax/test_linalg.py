"""lax.linalg and lax.fft: values and gradients of JAX and NumPy, edges, refusals.

The laws of the primitives themselves are checked over the op table.
"""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.errors import FxError, FxTypeError, FxValueError, MissingRuleError, ShapeError

DTYPES = ["float32", "float64", "complex64", "complex128"]


def normal(*shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def adjoint(x):
    return np.swapaxes(np.asarray(x), -1, -2).conj()


def close(got, expected, dtype):
    tolerance = 200 * np.finfo(dtype).eps
    expected = np.asarray(expected)
    scale = max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


# ------------------------------------------------------------------ what the factors are
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (2, 3, 5), (5, 3), (0, 2, 2), (0, 3), (3, 0)])
def test_factors_multiply_back(shape, dtype):
    a = normal(*shape, dtype=dtype)
    packed, _, order = lax.linalg.lu(a)
    k = min(shape[-2:])
    lower = np.tril(packed, -1)[..., :k] + np.eye(shape[-2], k)
    close(lower @ np.triu(packed)[..., :k, :], np.take_along_axis(a, order[..., None], -2), dtype)
    for full in (False, True):
        q, r = lax.linalg.qr(a, full_matrices=full)
        close(q @ r, a, dtype)
        u, s, vh = lax.linalg.svd(a, full_matrices=full)
        assert s.dtype == np.finfo(dtype).dtype
        close((u[..., :k] * s[..., None, :].astype(dtype)) @ vh[..., :k, :], a, dtype)
        for orthonormal in (q, u, adjoint(vh)):
            gram = adjoint(orthonormal) @ np.asarray(orthonormal)
            close(gram, np.broadcast_to(np.eye(gram.shape[-1]), gram.shape), dtype)
    np.testing.assert_allclose(s, lax.linalg.svd(a, compute_uv=False), rtol=1e-4)
    if shape[-2] >= shape[-1]:
        close(lax.linalg.householder_product(*lax.linalg.geqrf(a)), lax.linalg.qr(
            a, full_matrices=False)[0], dtype)  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 3), (0, 0), (2, 0, 0)])
def test_spectra_diagonalize(shape, dtype):
    a = normal(*shape, dtype=dtype)
    hermitian = (a + adjoint(a)) / 2
    v, w = lax.linalg.eigh(a)
    close(hermitian @ v, v * w[..., None, :].astype(dtype), dtype)
    w, left, right = lax.linalg.eig(a)
    close(a @ right, right * w[..., None, :], dtype)
    close(adjoint(left) @ a, np.asarray(w)[..., :, None] * adjoint(left), dtype)
    positive = a @ adjoint(a) + np.eye(shape[-1], dtype=dtype)
    factor = lax.linalg.cholesky(positive)
    close(factor @ adjoint(factor), positive, dtype)


def test_left_eigenvectors_of_equal_eigenvalues_are_independent():
    left = lax.linalg.eig(np.eye(3))[1]
    assert np.linalg.matrix_rank(np.asarray(left)) == 3


def test_subsets():
    a = normal(5, 4)
    u, s, vh = lax.linalg.svd(a, full_matrices=False, subset_by_index=(1, 3))
    assert (u.shape, s.shape, vh.shape) == ((5, 2), (2,), (2, 4))
    np.testing.assert_allclose(s, lax.linalg.svd(a, compute_uv=False, subset_by_index=(1, 3)))
    v, w = lax.linalg.eigh(a[:4], subset_by_index=(0, 1))
    assert (v.shape, w.shape) == ((4, 1), (1,))


def test_updates_and_products():
    r, w = np.triu(normal(3, 3)) + 3 * np.eye(3), normal(3)
    updated = lax.linalg.cholesky_update(r, w)
    np.testing.assert_allclose(updated.T @ updated, r.T @ r + np.outer(w, w))
    np.testing.assert_array_equal(updated, np.triu(updated))
    c = normal(3, 3)
    got = lax.linalg.symmetric_product(r, c, alpha=2.0, beta=0.5)
    np.testing.assert_allclose(got, 2 * r @ r.T + c / 2)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tridiagonal_systems(n, dtype):
    dl, d, du, b = (normal(2, n, dtype=dtype, seed=i) for i in range(4))
    a = np.zeros((2, n, n), dtype)
    for i in range(n):
        a[:, i, i] = d[:, i]
        if i:
            a[:, i, i - 1], a[:, i - 1, i] = dl[:, i], du[:, i - 1]
    x = lax.linalg.tridiagonal_solve(dl, d, du, np.stack([b, 2 * b], -1))
    close(a @ x, np.stack([b, 2 * b], -1), dtype)


def test_one_right_side():
    a, b = np.tril(normal(3, 3)) + 3 * np.eye(3), normal(3)
    x = lax.linalg.triangular_solve(a, b, left_side=True, lower=True)
    np.testing.assert_allclose(a @ x, b)
    x = lax.linalg.triangular_solve(a, b, lower=True)
    np.testing.assert_allclose(x @ a, b)


# ------------------------------------------------------------------ degenerate input
def test_results_that_do_not_exist_are_nan_as_in_jax():
    jax = pytest.importorskip("jax")
    indefinite = np.array([np.eye(3), -np.eye(3), np.full((3, 3), np.nan)], np.float32)
    for f in (
        lambda m, x: m.lax.linalg.cholesky(x),
        lambda m, x: m.lax.linalg.lu(x[:2])[0],
        lambda m, x: m.lax.linalg.svd(x, compute_uv=False),
        lambda m, x: m.lax.linalg.triangular_solve(x - x, x, left_side=True),
    ):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(f(fx, indefinite), f(jax, indefinite))


def test_derivatives_of_eigenvalues_exist_where_eigenvalues_are_equal():
    def total(x):
        return lax.linalg.eigh(x)[1].sum() + lax.linalg.svd(x, compute_uv=False).sum()

    np.testing.assert_allclose(fx.grad(total)(np.eye(3)), 2 * np.eye(3))
    slopes = fx.grad(lambda x: lax.linalg.eigh(x)[0].sum())(np.eye(3))
    assert not np.isfinite(slopes).all(), "eigenvectors are not determined"


def test_no_derivative_of_vectors_that_are_not_determined():
    tall = np.ones((3, 2))
    with pytest.raises(MissingRuleError, match="full_matrices=False"):
        fx.grad(lambda x: lax.linalg.qr(x)[0].sum())(tall)
    with pytest.raises(MissingRuleError, match="full_matrices=False"):
        fx.grad(lambda x: lax.linalg.svd(x)[0].sum())(tall)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_single(dtype):
    a = jnp.asarray(normal(3, 3) + 4 * np.eye(3)).astype(dtype)
    wide = a.astype("float32")
    for f in (
        lax.linalg.cholesky,
        lambda x: lax.linalg.lu(x)[0],
        lambda x: lax.linalg.svd(x, compute_uv=False),
        lambda x: lax.linalg.triangular_solve(x, x, lower=True),
    ):
        out = f(a)
        assert out.dtype == a.dtype
        if f is not lax.linalg.cholesky:
            np.testing.assert_array_equal(out, f(wide).astype(dtype))


# ------------------------------------------------------------------ JAX's gradients
GRADIENTS = {
    "cholesky": lambda m, x: m.lax.linalg.cholesky(x @ x.T.conj() + m.numpy.eye(3)),
    "lu": lambda m, x: m.lax.linalg.lu(x)[0],
    "lu wide": lambda m, x: m.lax.linalg.lu(x[:2])[0],
    "qr": lambda m, x: m.numpy.stack(m.lax.linalg.qr(x)),
    "eigh": lambda m, x: m.lax.linalg.eigh(x)[1],
    "svd": lambda m, x: m.lax.linalg.svd(x, compute_uv=False),
    "svd wide": lambda m, x: (lambda u, s, v: m.numpy.abs(u) @ m.numpy.abs(v))(
        *m.lax.linalg.svd(x[:2], full_matrices=False)
    ),
    "eigvals": lambda m, x: m.numpy.sort(
        m.lax.linalg.eig(x, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[
            0
        ].real
    ),
    "triangular": lambda m, x: m.lax.linalg.triangular_solve(
        x + 3 * m.numpy.eye(3), x, left_side=True, transpose_a=True, conjugate_a=True
    ),
    "rfft": lambda m, x: m.lax.fft(x.real, "rfft", (3, 3)),
    "irfft": lambda m, x: m.lax.fft(m.lax.complex(x.real, x.real[::-1]), "irfft", (3, 5)),
}


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_gradients_are_jaxs(dtype):
    jax = pytest.importorskip("jax")
    x = normal(3, 3, dtype=dtype) + np.diag([1, 3, 6]).astype(dtype)

    def slopes(m):
        def loss(f):
            def total(x):
                y = f(m, x)
                weights = 1 + m.numpy.arange(y.size, dtype="float32").reshape(y.shape)
                return (y.real * weights + y.imag * weights[::-1]).sum()

            return total

        return m.jit(lambda x: {name: m.grad(loss(f))(x) for name, f in GRADIENTS.items()})(x)

    ours, theirs = slopes(fx), slopes(jax)
    for name in GRADIENTS:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3, atol=2e-3, err_msg=name)


def test_one_matrix_for_many_right_sides_is_not_copied():
    a = jnp.eye(3)

    def f(b):
        return lax.linalg.triangular_solve(a, b, left_side=True)

    jaxpr = fx.make_jaxpr(fx.vmap(f))(np.ones((5, 3, 2), np.float32))
    (eqn,) = (e for e in jaxpr.eqns if e.primitive.name == "triangular_solve")
    assert [v.aval.shape for v in eqn.invars] == [(3, 3), (3, 10)]


# ------------------------------------------------------------------ Fourier transforms
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 4, 5), (2, 3, 1)])
def test_fft_is_numpys(shape, rank):
    x, axes, lengths = normal(*shape, dtype="complex64"), tuple(range(-rank, 0)), shape[-rank:]
    real = np.real(x).copy()
    half = np.fft.rfftn(real, axes=axes)
    pairs = {
        "fft": (x, np.fft.fftn(x, axes=axes)),
        "IFFT": (x, np.fft.ifftn(x, axes=axes)),
        lax.FftType.RFFT: (real, half),
        3: (half.astype("complex64"), np.fft.irfftn(half, lengths, axes)),
    }
    for kind, (value, expected) in pairs.items():
        out = lax.fft(value, kind, lengths)
        assert out.dtype == ("float32" if kind == 3 else "complex64")
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_floats_become_complex():
    for dtype, wide in [
        ("float16", "complex64"),
        ("float32", "complex64"),
        ("float64", "complex128"),
    ]:
        assert lax.fft(np.ones(3, dtype), "fft", (3,)).dtype == wide


# ------------------------------------------------------------------ refusals
def test_what_does_not_fit_is_refused():
    a, z = np.ones((2, 3)), np.ones(3, complex)
    wrong = [
        (ShapeError, "square", lambda: lax.linalg.cholesky(a)),
        (ShapeError, r"\(\.\.\., n, n\)", lambda: lax.linalg.eig(a)),
        (ShapeError, r"\(\.\.\., m, n\)", lambda: lax.linalg.qr(a[0])),
        (FxTypeError, "lu expects", lambda: lax.linalg.lu(np.ones((2, 2), int))),
        (ShapeError, "same leading", lambda: lax.linalg.triangular_solve(np.eye(3), a, lower=True,
                                                                         left_side=True)),
        (FxTypeError, "one dtype", lambda: lax.linalg.triangular_solve(np.eye(3), a.astype("f4"))),
        (FxValueError, "pivoting", lambda: lax.linalg.qr(a, pivoting=True)),
        (FxValueError, "subset_by_index", lambda: lax.linalg.eigh(np.eye(2),
                                                                  subset_by_index=(1, 3))),
        (FxValueError, "full_matrices", lambda: lax.linalg.svd(a, subset_by_index=(0, 1))),
        (FxValueError, "perturb", lambda: lax.linalg.tridiagonal_solve(z, z, z, z[:, None],
                                                                       perturb_singular=True)),
        (ShapeError, "three diagonals", lambda: lax.linalg.tridiagonal_solve(z, z, z, z)),
        (FxValueError, "permutation_size", lambda:
         lax.linalg.lu_pivots_to_permutation(np.array([1, 1]), 1)),
        (FxValueError, "FFT, IFFT", lambda: lax.fft(z, "dct", (3,))),
        (ShapeError, r"sizes \(4,\)", lambda: lax.fft(z, "fft", (4,))),
        (FxTypeError, "RFFT", lambda: lax.fft(z, "rfft", (3,))),
        (FxTypeError, "complex", lambda: lax.fft(np.ones(3, int), "fft", (3,))),
        (FxValueError, "1 to 1 lengths", lambda: lax.fft(z, "fft", (3, 3))),
        (FxValueError, "1 to 1 lengths", lambda: lax.fft(z, "fft", ())),
    ]  # fmt: skip
    for kind, message, call in wrong:
        with pytest.raises(kind, match=message) as raised:
            call()
        assert isinstance(raised.value, FxError)
