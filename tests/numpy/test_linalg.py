"""fx.numpy.linalg against NumPy and JAX, and where it is meant to do better."""

from __future__ import annotations

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError, ShapeError
from tests.laws import check_derivatives
from tests.numpy.harness import case, check, rand

EYE = np.eye(3, dtype=np.float32)
A = rand(3, 3) + 4 * EYE
S = rand(2, 3, 3) + 4 * EYE
Z = rand(3, 3, dtype=np.complex64) + 4 * EYE
N = np.array([[2, 1, 0], [1, 3, 1], [0, 1, 4]], np.int32)
H = (A + A.T) / 2
HZ = ((Z + Z.conj().T) / 2).astype(np.complex64)
P = A @ A.T
PZ = (Z @ Z.conj().T).astype(np.complex64)
W, T = rand(2, 4), rand(4, 2)
V = rand(3)
E = np.zeros((2, 0, 0), np.float32)


def la(name, *args, **options):
    return lambda m, *xs: getattr(m.linalg, name)(*xs, *args, **options)


def parts(name, pick, **options):
    return lambda m, *xs: pick(m, getattr(m.linalg, name)(*xs, **options))


def sizes(m, x):
    """What does not depend on the signs or phases of vectors."""
    return m.abs(x)


def spectral(m, eig):
    return eig[0], sizes(m, eig[1])


def singular(m, svd):
    return sizes(m, svd[0]), svd[1], sizes(m, svd[2])


COMPLEX = "grad"  # the harness has no gradients of complex arguments
CASES = [
    *(case(f"{n} {a.dtype}{a.shape}", la(n), a, off=off)
      for n in ("inv", "det", "slogdet")
      for a, off in [(A, ""), (S, ""), (Z, COMPLEX), (N, "grad"), (rand(2, 2), ""),
                     (rand(5, 5), ""), (E, "")]),
    *(case(f"solve {a.dtype}{a.shape} {b.dtype}{b.shape}", la("solve"), a, b, off=off)
      for a, b, off in [(A, V, ""), (A, rand(3, 2), ""), (S, rand(2, 3, 2), ""), (S, V, "numpy"),
                        (A, rand(5, 3, 2), ""), (S, rand(3, 2), ""), (S[:1], rand(5, 3, 1), ""),
                        (Z, V, COMPLEX), (N, N, "grad"), (E, np.zeros((2, 0, 3), np.float32), "")]),
    *(case(f"cholesky {a.dtype}{a.shape} {o}", la("cholesky", **o), a, off=off)
      for o in ({}, {"upper": True})
      for a, off in [(P, ""), (PZ, COMPLEX), (S @ S.transpose(0, 2, 1), ""), (E, "")]),
    # JAX's gradients of functions of one triangle are those of both; fx's are of what is read.
    case("cholesky of a triangle", la("cholesky", symmetrize_input=False), np.tril(P),
         off="jax numpy"),
    case("cholesky of a triangle, upper", la("cholesky", upper=True, symmetrize_input=False),
         np.tril(P), off="jax numpy"),
    *(case(f"qr {mode} {a.dtype}{a.shape}", la("qr", mode), a, off=off, rtol=1e-4)
      for mode, a, off in [("reduced", A, ""), ("complete", A, ""), ("r", T, ""), ("r", W, "jax"),
                           ("reduced", T, ""), ("reduced", Z, COMPLEX), ("complete", T, "grad"),
                           ("raw", T, "grad"), ("raw", W, "grad"), ("reduced", S, "")]),
    *(case(f"eigh {a.dtype}{a.shape} {o}", parts("eigh", spectral, **o), a, off=off, rtol=1e-4)
      for o in ({}, {"UPLO": "U"}) for a, off in [(H, ""), (HZ, COMPLEX), (E, "")]),
    case("eigh of a triangle", parts("eigh", spectral, symmetrize_input=False), np.tril(H),
         off="jax numpy", rtol=1e-4),
    *(case(f"eigvalsh {a.dtype}{a.shape}", la("eigvalsh"), a, off=off)
      for a, off in [(H, ""), (HZ, COMPLEX), (N, "grad")]),
    *(case(f"eigvals {a.dtype}{a.shape}",
           lambda m, x: m.sort(m.linalg.eigvals(x).real), a, off=off)
      for a, off in [(A, ""), (S, ""), (Z, COMPLEX)]),
    case("eig", parts("eig", lambda m, e: m.sort(sizes(m, e[1]).sum(0))),
         np.diag([1, 3, 7]).astype(np.float32) + rand(3, 3) / 4, off="grad", rtol=1e-4),
    *(case(f"svd {o} {a.dtype}{a.shape}", parts("svd", singular, **o), a, off=off, rtol=1e-4)
      for o in ({"full_matrices": False}, {})
      for a, off in [(A, ""), (Z, COMPLEX), (W, "" if o else "grad"), (T, "" if o else "grad"),
                     (E, "")]),
    *(case(f"svdvals {a.dtype}{a.shape}", la("svdvals"), a, off=off)
      for a, off in [(A, ""), (Z, COMPLEX), (W, ""), (S, "")]),
    case("svd hermitian", parts("svd", singular, hermitian=True), H - 4 * EYE, rtol=1e-4),
    case("svd hermitian values", la("svd", compute_uv=False, hermitian=True), H - 4 * EYE),
    *(case(f"pinv {a.dtype}{a.shape}", la("pinv"), a, off=off, rtol=1e-4)
      for a, off in [(A, ""), (Z, COMPLEX), (W, ""), (T, ""), (S, ""),
                     (np.zeros((0, 3), np.float32), "")]),
    case("pinv by tolerance", la("pinv", 0.5), W, rtol=1e-4),
    *(case(f"lstsq {a.shape} {b.shape}",
           parts("lstsq", lambda m, out: (out[0], out[1] + 1, *out[2:])), a, b, off=off, rtol=1e-4)
      for a, b, off in [(T, rand(4), ""), (T, rand(4, 2), ""), (W, rand(2, 3), "numpy")]),
    *(case(f"matrix_rank {a.shape} {o}", la("matrix_rank", **o), a, off="grad")
      for a, o in [(A, {}), (np.ones((2, 3, 4), np.float32), {}), (V, {}), (A * 0, {}), (H, {
          "hermitian": True}), (A, {"tol": 4.0})]),
    case("matrix_rank by relative tolerance", la("matrix_rank", rtol=0.9), S, off="grad jax"),
    *(case(f"matrix_power {n} {a.dtype}", la("matrix_power", n), a, off=off, rtol=1e-4)
      for n in (0, 1, 2, 7, -1, -3) for a, off in [(A, ""), (S, ""), (Z, COMPLEX)]),
    case("matrix_power of ints", la("matrix_power", 5), N, off="grad"),
    *(case(f"multi_dot {[x.shape for x in xs]}", lambda m, *xs: m.linalg.multi_dot(xs), *xs)
      for xs in [(A, A), (W, T, W), (V, A, A), (V, A, A, V), (A, A, V), (rand(4), T, W, T)]),
    case("tensorinv", la("tensorinv", 2),
         rand(2, 3, 3, 2) + 3 * np.eye(6, dtype=np.float32).reshape(2, 3, 3, 2), rtol=1e-4),
    case("tensorsolve", la("tensorsolve"), rand(2, 3, 6) + 3 * np.eye(
        6, dtype=np.float32).reshape(2, 3, 6), rand(2, 3), rtol=1e-4),
    case("tensorsolve axes", la("tensorsolve", axes=(0,)), rand(6, 2, 3) + 3 * np.eye(
        6, dtype=np.float32).reshape(6, 2, 3), rand(2, 3), rtol=1e-4),
    *(case(f"cond {p} {a.dtype}{a.shape}", la("cond", p), a, off=off, rtol=1e-4)
      for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc")
      for a, off in [(A, ""), (S, ""), (Z, COMPLEX)]),
    case("cond of rectangles", la("cond"), W, rtol=1e-4),
    *(case(f"norm {o} {a.dtype}", la("norm", o), a, off=off)
      for o in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
      for a, off in [(W, ""), (Z, COMPLEX)]),
    *(case(f"norm {o} of vectors {a.dtype}", la("norm", o), a, off=off)
      for o in (None, 0, 1, 2, 3, 2.5, -1, np.inf, -np.inf)
      for a, off in [(V, ""), (Z[0].copy(), COMPLEX)]),
    *(case(f"norm {o} over {axis} {k}", la("norm", o, axis, k), S)
      for o, axis in [(None, None), (None, 1), (2, -1), (1, (0, 2)), ("nuc", (2, 0)),
                      (-2, (-1, 0)), (np.inf, (1, 2)), (3, 0), (None, (0, 1))]
      for k in (False, True)),
    case("norm of ints", la("norm"), N, off="grad"),
    case("norm of nothing", la("norm"), np.zeros((0, 3), np.float32)),
    case("norm of scalars", la("norm"), np.ones((), np.float32)),
    *(case(f"vector_norm {o} {axis}", la("vector_norm", axis=axis, ord=o, keepdims=k), S)
      for o, axis, k in [(2, None, False), (1, (0, 1), True), (np.inf, -1, False), (3, (0,), False),
                         (2, None, True)]),
    *(case(f"matrix_norm {o} {k}", la("matrix_norm", ord=o, keepdims=k), S)
      for o, k in [("fro", False), (1, True), ("nuc", False), (2, True)]),
    case("cross", la("cross"), rand(2, 3), rand(2, 3, seed=1)),
    case("outer", la("outer"), V, rand(4)),
    case("diagonal", la("diagonal", offset=1), S),
    case("trace", la("trace"), S),
    case("trace offset", la("trace", offset=-1), S),
    case("matmul", la("matmul"), A, W.T[:3].copy()),
    case("matrix_transpose", la("matrix_transpose"), S),
    case("tensordot", la("tensordot", axes=1), S, A),
    case("vecdot", la("vecdot"), A, H),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("c", CASES, ids=str)
def test_function(c):
    check(c)


# ------------------------------------------------------------------ derivatives
def double(*shape, seed=0):
    return rand(*shape, seed=seed).astype(np.float64)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_the_determinant_of_a_singular_matrix_has_its_gradient(rank):
    a = double(3, rank) @ double(rank, 3, seed=1)
    minors = [
        [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(3)]
        for i in range(3)
    ]
    np.testing.assert_allclose(fx.grad(jnp.linalg.det)(a), minors, atol=1e-12)


def test_least_squares_have_derivatives_for_any_shape_and_equal_singular_values():
    check_derivatives(lambda a, b: jnp.linalg.lstsq(a, b)[0], double(4, 2), double(4))
    check_derivatives(lambda a, b: jnp.linalg.lstsq(a, b)[0], double(2, 4), double(2, 3))
    check_derivatives(jnp.linalg.pinv, np.eye(4, 2))
    check_derivatives(jnp.linalg.pinv, np.eye(2, 4))
    slope = fx.grad(lambda a: jnp.linalg.pinv(a).sum())(np.diag([2.0, 0.0]))
    np.testing.assert_allclose(slope, [[-0.25, 0.25], [0.25, 0]], atol=1e-12)
    z = rand(3, 2, dtype=np.complex128)
    check_derivatives(jnp.linalg.pinv, z)
    check_derivatives(fx.grad(lambda a: jnp.linalg.pinv(a).sum()), double(3, 2))


@pytest.mark.parametrize("order", [None, 2, 1, 3, 1.5, "fro"])
def test_norms_have_a_gradient_of_zero_at_zero(order):
    x = np.zeros((2, 3) if order == "fro" else 3)
    np.testing.assert_array_equal(fx.grad(lambda x: jnp.linalg.norm(x, order))(x), np.zeros_like(x))
    rows = np.stack([np.zeros(3), np.ones(3)])
    if order != "fro":
        slopes = fx.grad(lambda x: jnp.linalg.norm(x, order, axis=1).sum())(rows)
        assert np.isfinite(slopes).all() and (np.asarray(slopes)[1] > 0).all()
    np.testing.assert_array_equal(fx.grad(jnp.linalg.norm)(np.zeros(2, complex)), [0, 0])


def test_second_derivatives():
    a = double(3, 3) + 4 * np.eye(3)
    for f in (
        jnp.linalg.det,
        lambda a: jnp.linalg.slogdet(a)[1],
        lambda a: jnp.linalg.inv(a).sum(),
        lambda a: jnp.linalg.norm(jnp.linalg.cholesky(a @ a.T)),
    ):
        check_derivatives(fx.grad(f), a)


# ------------------------------------------------------------------ edges
def test_singular_matrices():
    jax = pytest.importorskip("jax")
    zeros, ones = np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)
    for name in ("inv", "slogdet", "cond", "det"):
        for a in (zeros, ones, np.stack([ones, np.eye(2, dtype=np.float32)])):
            got, expected = getattr(jnp.linalg, name)(a), getattr(jax.numpy.linalg, name)(a)
            for x, y in zip(np.atleast_1d(got), np.atleast_1d(expected), strict=True):
                finite = np.isfinite(y) if name != "cond" else np.asarray(y) < 1e6
                np.testing.assert_allclose(
                    np.where(finite, x, 0), np.where(finite, y, 0), atol=1e-6
                )
                assert (np.isfinite(x) == np.isfinite(y)).all() or name == "cond"
    assert np.isnan(jnp.linalg.cond(np.full((2, 2), np.nan)))
    assert jnp.linalg.cond(zeros) == np.inf


def test_one_triangle_is_read():
    for a in (P, PZ):
        spoiled = a + np.triu(np.full((3, 3), 9, np.float32), 1)
        lower = jnp.linalg.cholesky(spoiled, symmetrize_input=False)
        upper = jnp.linalg.cholesky(spoiled, upper=True, symmetrize_input=False)
        np.testing.assert_allclose(lower, np.linalg.cholesky(a), rtol=1e-5)
        np.testing.assert_array_equal(upper, np.conj(lower).T)
        for uplo, one in (("L", np.tril(a)), ("U", np.triu(a))):
            values = jnp.linalg.eigvalsh(one, uplo, symmetrize_input=False)
            np.testing.assert_allclose(values, np.linalg.eigvalsh(a), rtol=1e-5)


def test_half_precision_norms_do_not_overflow():
    x = jnp.array([300.0, 400.0], jnp.float16)
    assert jnp.linalg.norm(x) == 500 and jnp.linalg.norm(x).dtype == jnp.float16


def test_results_have_names():
    assert jnp.linalg.svd(A).S.shape == (3,)
    assert jnp.linalg.eigh(H)._fields == ("eigenvalues", "eigenvectors")
    assert jnp.linalg.qr(A).R.shape == (3, 3)
    assert jnp.linalg.slogdet(A).sign == 1
    jitted = fx.jit(jnp.linalg.eig)(A)
    assert type(jitted).__name__ == "EigResult"


def test_least_squares_as_numpy_returns_them():
    for a in (np.ones((3, 2)), double(3, 2), double(2, 3)):
        b = double(a.shape[0], 2)
        ours = jnp.linalg.lstsq(a, b, numpy_resid=True)
        theirs = np.linalg.lstsq(a, b)
        for x, y in zip(ours, theirs, strict=True):
            assert x.shape == y.shape
            np.testing.assert_allclose(x, y, atol=1e-12)


def test_modules_are_imported_when_used():
    assert "linalg" in dir(jnp) and "fft" in dir(jnp)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = jnp.nonsense


def test_every_name_of_jax_is_there():
    jax = pytest.importorskip("jax")
    for module in ("linalg", "fft"):
        theirs = {n for n in dir(getattr(jax.numpy, module)) if not n.startswith("_")}
        assert theirs - set(dir(getattr(jnp, module))) == set()


def test_errors():
    a = jnp.ones((2, 3))
    la = jnp.linalg
    wrong = [
        (ShapeError, "square", lambda: la.inv(a)),
        (ShapeError, "square", lambda: la.det(1.0)),
        (ShapeError, "square", lambda: la.eigh(a)),
        (ShapeError, "square", lambda: la.matrix_power(a, 2)),
        (ShapeError, r"b\[\.\.\., None\]", lambda: la.solve(S, rand(2, 3))),
        (ShapeError, "expects b of shape", lambda: la.solve(A, V[:2])),
        (ShapeError, r"\(\.\.\., m, n\)", lambda: la.svd(V)),
        (ShapeError, "vmap", lambda: la.lstsq(S, S)),
        (ShapeError, "empty", lambda: la.cond(np.zeros((0, 0)))),
        (ShapeError, "one axis", lambda: la.norm(S, 2)),
        (ShapeError, "two vectors", lambda: la.outer(a, a)),
        (ShapeError, "3 elements", lambda: la.cross(a.T, a.T)),
        (ShapeError, "first axes hold", lambda: la.tensorinv(a, 1)),
        (ShapeError, "as many elements", lambda: la.tensorsolve(a, V)),
        (ShapeError, "array 1", lambda: la.multi_dot([A, V, A])),
        (FxValueError, "two arrays", lambda: la.multi_dot([A])),
        (FxValueError, "mode", lambda: la.qr(a, "full")),
        (FxValueError, "UPLO", lambda: la.eigh(A, "X")),
        (FxValueError, "norm of matrices", lambda: la.norm(a, 3)),
        (FxValueError, "norm of vectors", lambda: la.norm(V, "fro")),
        (FxValueError, "ord must be", lambda: la.norm(V, "two")),
        (FxTypeError, "before tracing", lambda: fx.jit(la.norm)(V, 2)),
        (FxValueError, "method", lambda: la.slogdet(A, method="svd")),
        (FxValueError, "rcond", lambda: la.pinv(A, 0.1, rcond=0.1)),
        (FxValueError, "rtol and tol", lambda: la.matrix_rank(A, 0.1, tol=0.1)),
        (FxValueError, "hermitian", lambda: la.svd(A, hermitian=True, subset_by_index=(0, 1))),
        (FxValueError, "positive", lambda: la.tensorinv(A, 0)),
    ]
    for kind, message, call in wrong:
        with pytest.raises(kind, match=message):
            call()


@pytest.mark.slow
def test_compositions_of_transformations_are_jaxs():
    jax = pytest.importorskip("jax")
    a, b = double(4, 3, 3), double(4, 3)

    def programs(m):
        n = m.numpy

        def f(a, b):
            k = a @ a.T + n.eye(3)
            x = n.linalg.solve(a, b)
            parts = [
                n.linalg.slogdet(k)[1],
                n.linalg.norm(x),
                n.linalg.det(a),
                (n.linalg.cholesky(k) @ x).sum(),
                n.abs(n.fft.fft(x)).sum(),
                n.linalg.svd(a, compute_uv=False).max(),
                n.linalg.eigvalsh(k)[0],
                n.linalg.pinv(a)[0, 0],
                n.linalg.qr(a)[1].sum(),
            ]
            return sum(parts)

        def mixed(a, b):
            return m.grad(lambda a: m.jvp(lambda b: f(a, b), (b,), (b * b,))[1])(a)

        return [
            m.jit(m.vmap(mixed))(a, b),
            m.jit(m.grad(lambda a, b: m.vmap(f)(a, b).sum()))(a, b),
            m.vmap(m.jit(m.hessian(f)))(a, b),
        ]

    with jax.enable_x64(True):
        expected = [np.asarray(x) for x in programs(jax)]
    for x, y in zip(programs(fx), expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9 * np.abs(y).max())
