"""Decompositions multiply back to their input, and give NaN where others raise."""

import numpy as np
import pytest

from fx.ops.numerics import linalg

scipy_linalg = pytest.importorskip("scipy.linalg")

DTYPES = ["float32", "float64", "complex64", "complex128"]
BATCHES = [(), (3,), (2, 3), (0,), (2, 0)]
SQUARES = [0, 1, 2, 5, 33, 80]
RECTANGLES = [(0, 0), (0, 3), (3, 0), (1, 4), (4, 1), (5, 3), (3, 5), (70, 40), (40, 70)]


def normal(*shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def adjoint(x):
    return np.swapaxes(x, -1, -2).conj()


def real(dtype):
    return np.finfo(dtype).dtype


def assert_near(actual, expected, ulps=20.0):
    """Equal up to ``ulps`` units of rounding of the largest entry and the dimension."""
    assert actual.shape == expected.shape
    if expected.size:
        size = max(1, *expected.shape[-2:]) if expected.ndim > 1 else 1
        tolerance = ulps * size * np.finfo(actual.dtype).eps * max(1, np.abs(expected).max())
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def assert_orthonormal_columns(q):
    assert_near(
        adjoint(q) @ q, np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2],) + 2 * q.shape[-1:])
    )


def positive(*batch, n, dtype):
    x = normal(*batch, n, n, dtype=dtype)
    return x @ adjoint(x) + n * np.eye(n, dtype=dtype)


# cholesky


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", SQUARES)
def test_cholesky_multiplies_back(dtype, batch, n):
    a = positive(*batch, n=n, dtype=dtype)
    factor = linalg.cholesky(np, a)
    assert factor.dtype == dtype
    assert_near(factor @ adjoint(factor), a)
    np.testing.assert_array_equal(factor, np.tril(factor))


def test_cholesky_reads_only_the_lower_triangle():
    a = positive(n=4, dtype="float64")
    spoiled = a + np.triu(np.full((4, 4), np.nan), 1)
    np.testing.assert_array_equal(linalg.cholesky(np, spoiled), linalg.cholesky(np, a))


def test_cholesky_of_matrices_that_are_not_positive_definite_is_nan():
    a = positive(7, n=3, dtype="float64")
    expected = np.linalg.cholesky(a)
    a[1] = -np.eye(3)
    a[4, 2, 0] = np.nan
    a[5] = np.inf
    factor = linalg.cholesky(np, a)
    bad = [1, 4, 5]
    np.testing.assert_array_equal(factor[bad], np.tril(np.full((3, 3, 3), np.nan)))
    good = [0, 2, 3, 6]
    np.testing.assert_array_equal(factor[good], expected[good])


# qr


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("shape", RECTANGLES)
@pytest.mark.parametrize("full_matrices", [True, False])
def test_qr_multiplies_back(dtype, batch, shape, full_matrices):
    a = normal(*batch, *shape, dtype=dtype)
    q, r = linalg.qr(np, a, full_matrices)
    assert q.dtype == r.dtype == dtype
    assert q.shape[-1] == (shape[0] if full_matrices else min(shape))
    assert_near(q @ r, a)
    assert_orthonormal_columns(q)
    np.testing.assert_array_equal(r, np.triu(r))


def test_qr_of_nan_is_nan():
    q, r = linalg.qr(np, np.full((3, 3), np.nan))
    assert np.isnan(q).all()
    assert np.isnan(r[np.triu_indices(3)]).all()


# eigh and eig


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", SQUARES)
@pytest.mark.parametrize("lower", [True, False])
def test_eigh_diagonalizes_what_its_triangle_says(dtype, batch, n, lower):
    a = normal(*batch, n, n, dtype=dtype)
    triangle = np.tril(a, -1) if lower else np.triu(a, 1)
    diagonal = np.eye(n) * a.real
    hermitian = triangle + adjoint(triangle) + diagonal
    v, w = linalg.eigh(np, a, lower)
    assert v.dtype == dtype
    assert w.dtype == real(dtype)
    assert v.shape == a.shape
    assert w.shape == a.shape[:-1]
    assert_near(v * w[..., None, :] @ adjoint(v), hermitian.astype(dtype))
    assert_orthonormal_columns(v)
    assert (np.diff(w, axis=-1) >= 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", SQUARES)
def test_eig_diagonalizes(dtype, batch, n):
    a = normal(*batch, n, n, dtype=dtype)
    w, v = linalg.eig(np, a)
    assert w.dtype == v.dtype == np.result_type(dtype, np.complex64)
    assert w.shape == a.shape[:-1]
    assert_near(a @ v, v * w[..., None, :])
    np.testing.assert_allclose(np.linalg.norm(v, axis=-2), 1, rtol=1e-5)


def test_eig_is_complex_also_for_real_eigenvalues():
    w, v = linalg.eig(np, np.diag(np.float32([1, 2])))
    assert w.dtype == v.dtype == np.complex64


# svd


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("shape", RECTANGLES)
@pytest.mark.parametrize("full_matrices", [True, False])
def test_svd_multiplies_back(dtype, batch, shape, full_matrices):
    a = normal(*batch, *shape, dtype=dtype)
    u, s, vh = linalg.svd(np, a, full_matrices)
    k = min(shape)
    assert u.dtype == vh.dtype == dtype
    assert s.dtype == real(dtype)
    assert s.shape == (*batch, k)
    assert u.shape[-1] == (shape[0] if full_matrices else k)
    assert vh.shape[-2] == (shape[1] if full_matrices else k)
    assert_near((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a)
    assert_orthonormal_columns(u)
    assert_orthonormal_columns(adjoint(vh))
    assert (s >= 0).all()
    assert (np.diff(s, axis=-1) <= 0).all()
    (alone,) = linalg.svd(np, a, compute_uv=False)
    assert_near(alone, s)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["eigh", "eig", "svd"])
def test_a_matrix_that_is_not_finite_gives_nan_and_leaves_the_others(dtype, value, name):
    decompose = getattr(linalg, name)
    a = normal(3, 4, 4, dtype=dtype)
    spoiled = a.copy()
    spoiled[1, 3, 0] = value
    results = zip(decompose(np, spoiled), decompose(np, a), strict=True)
    for actual, expected in results:
        assert actual.dtype == expected.dtype
        assert np.isnan(actual[1]).all()
        np.testing.assert_array_equal(actual[[0, 2]], expected[[0, 2]])


def test_a_nan_in_the_triangle_that_eigh_does_not_read_is_harmless():
    a = normal(3, 3)
    a[0, 2] = np.nan
    assert np.isfinite(linalg.eigh(np, a, lower=True)[0]).all()
    assert np.isnan(linalg.eigh(np, a, lower=False)[0]).all()


def test_every_failing_matrix_of_a_batch_is_found():
    """Drivers that do not converge raise for the whole batch."""

    def decompose(m):
        if (m[..., 0, 0] == 7).any():
            raise np.linalg.LinAlgError
        return (m.copy(),)

    a = np.zeros((3, 5, 2, 2))
    failing = [(0, 0), (1, 3), (1, 4), (2, 4)]
    for index in failing:
        a[(*index, 0, 0)] = 7
    (result,) = linalg._nan_where_impossible(np, decompose, a)
    is_nan = np.isnan(result).all(axis=(-2, -1))
    assert sorted(zip(*is_nan.nonzero(), strict=True)) == failing
    assert (result[~is_nan] == 0).all()


# triangular_solve


@pytest.mark.parametrize("unit_diagonal", [True, False])
@pytest.mark.parametrize("conjugate_a", [True, False])
@pytest.mark.parametrize("transpose_a", [True, False])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("left_side", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize(
    ("batch", "n", "k"), [((), 5, 3), ((2, 3), 40, 1), ((4,), 1, 2), ((0,), 3, 2), ((), 0, 2)]
)
def test_triangular_solve_solves(
    batch, n, k, dtype, left_side, lower, transpose_a, conjugate_a, unit_diagonal
):
    a = normal(*batch, n, n, dtype=dtype) / max(n, 1) + 2 * np.eye(n, dtype=dtype)
    b = normal(*batch, *((n, k) if left_side else (k, n)), dtype=dtype, seed=1)
    op = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        op = op * (1 - np.eye(n)) + np.eye(n)
    op = op.conj() if conjugate_a else op
    op = np.swapaxes(op, -1, -2) if transpose_a else op
    # What must not be read is poison.
    other = np.triu(np.ones((n, n)), 1) if lower else np.tril(np.ones((n, n)), -1)
    unread = other + np.eye(n) if unit_diagonal else other
    poisoned = np.where(unread == 1, np.nan, a).astype(dtype)
    options = (left_side, lower, transpose_a, conjugate_a, unit_diagonal)
    before = b.copy()
    x = linalg.triangular_solve(np, poisoned, b, *options)
    assert x.dtype == dtype
    assert_near((op @ x if left_side else x @ op).astype(dtype), b)
    np.testing.assert_array_equal(b, before)


def test_triangular_solve_is_as_accurate_as_scipy():
    a = np.tril(normal(300, 300)) + 20 * np.eye(300)
    b = normal(300, 7)
    x = linalg.triangular_solve(np, a, b, left_side=True, lower=True)
    np.testing.assert_allclose(x, scipy_linalg.solve_triangular(a, b, lower=True), rtol=1e-11)


def test_triangular_solve_of_a_singular_matrix_is_not_finite():
    a, b = np.diag([1.0, 0.0]), np.array([[1.0], [2.0]])
    with np.errstate(all="ignore"):
        x = linalg.triangular_solve(np, a, b, left_side=True, lower=True)
    np.testing.assert_array_equal(x, [[1.0], [np.inf]])


# lu


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("shape", RECTANGLES)
def test_lu_multiplies_back(dtype, batch, shape):
    a = normal(*batch, *shape, dtype=dtype)
    before = a.copy()
    packed, pivots, permutation = linalg.lu(np, a)
    np.testing.assert_array_equal(a, before)
    m, n = shape
    k = min(m, n)
    assert packed.dtype == dtype
    assert packed.shape == a.shape
    assert pivots.dtype == permutation.dtype == np.int32
    assert pivots.shape == (*batch, k)
    assert permutation.shape == (*batch, m)
    lower = np.tril(packed[..., :k], -1) + np.eye(m, k, dtype=dtype)
    upper = np.triu(packed[..., :k, :])
    assert_near(lower @ upper, np.take_along_axis(a, permutation[..., None], axis=-2))
    assert (np.abs(lower) <= 1.5).all()  # with |re| + |im| the multipliers may pass 1 a little
    for index in np.ndindex(*batch):
        rows = list(range(m))
        for i, pivot in enumerate(pivots[index]):
            rows[i], rows[pivot] = rows[pivot], rows[i]
        assert rows == permutation[index].tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 7, 32, 33, 150])
def test_lu_chooses_the_pivots_of_lapack(dtype, n):
    a = normal(n, n, dtype=dtype)
    packed, pivots, _ = linalg.lu(np, a)
    expected, expected_pivots = scipy_linalg.lu_factor(a)
    np.testing.assert_array_equal(pivots, expected_pivots)
    assert_near(packed, expected, ulps=200)


def test_lu_of_a_singular_matrix_has_a_zero_and_no_nan():
    a = np.zeros((2, 3, 3))
    a[1] = np.outer([1, 2, 3], [1, 1, 1])
    packed, pivots, _ = linalg.lu(np, a)
    assert np.isfinite(packed).all()
    np.testing.assert_array_equal(packed[0], 0)
    np.testing.assert_array_equal(pivots, [[0, 1, 2], [2, 1, 2]])
    np.testing.assert_array_equal(np.triu(packed[1])[1:], 0)


def test_lu_of_nan_has_valid_pivots():
    packed, pivots, permutation = linalg.lu(np, np.full((40, 40), np.nan))
    assert np.isnan(packed).all()
    assert ((pivots >= 0) & (pivots < 40)).all()
    assert sorted(permutation.tolist()) == list(range(40))


@pytest.mark.parametrize("name", ["cholesky", "qr", "eigh", "eig", "svd", "lu"])
def test_inputs_may_be_strided(name):
    a = positive(n=6, dtype="float64")
    strided = np.asfortranarray(np.repeat(np.repeat(a, 2, 0), 2, 1))[::2, ::2]
    results = [getattr(linalg, name)(np, x) for x in (strided, a)]
    if name == "cholesky":
        results = [(r,) for r in results]
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-12)


# systems, cofactors, packed factors


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_solve_and_adjugate_multiply_back(dtype, batch, n):
    a, b = normal(*batch, n, n, dtype=dtype), normal(*batch, n, 2, dtype=dtype)
    a = a + n * np.eye(n, dtype=dtype)
    x = linalg.solve(np, a, b)
    assert x.dtype == dtype
    assert_near(a @ x, b, 100)
    cofactors = linalg.adjugate(np, a)
    assert cofactors.dtype == dtype
    det = np.linalg.det(a)[..., None, None]
    assert_near(a @ cofactors, (det * np.eye(n)).astype(dtype), 100)


def test_only_the_singular_systems_of_a_stack_fail():
    a = np.stack([np.eye(2), np.ones((2, 2)), np.full((2, 2), np.nan), 2 * np.eye(2)])
    with np.errstate(all="ignore"):
        x = linalg.solve(np, a, np.ones((4, 2, 1)))
    np.testing.assert_array_equal(x[[0, 3], :, 0], [[1, 1], [0.5, 0.5]])
    assert not np.isfinite(x[[1, 2]]).any()


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_adjugates_of_singular_matrices_are_cofactors(rank):
    a = normal(2, 4, rank, dtype="complex128") @ normal(2, rank, 4, dtype="complex128", seed=1)
    expected = np.empty_like(a)
    for k, i, j in np.ndindex(a.shape):
        minor = np.delete(np.delete(a[k], i, 0), j, 1)
        expected[k, j, i] = (-1) ** (i + j) * np.linalg.det(minor)
    np.testing.assert_allclose(
        linalg.adjugate(np, a), expected, atol=1e-12 * (1 + abs(a).max()) ** 3
    )


def test_tridiagonal_systems_need_pivots_and_may_be_singular():
    zero, one = np.zeros(3), np.ones(3)
    b = np.array([[1.0], [2.0], [3.0]])
    off = np.array([0.0, 1.0, 0.0])
    x = linalg.tridiagonal_solve(np, off, np.array([0.0, 0.0, 1.0]), np.array([1.0, 0, 0]), b)
    np.testing.assert_array_equal(x[:, 0], [2, 1, 3])
    with np.errstate(all="ignore"):
        assert not np.isfinite(linalg.tridiagonal_solve(np, zero, zero, one, b)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (3, 3), (5, 3), (3, 5)])
def test_packed_reflections_multiply_to_q(dtype, batch, shape):
    a = normal(*batch, *shape, dtype=dtype)
    packed, taus = linalg.geqrf(np, a)
    k = min(shape)
    q = linalg.householder_product(np, packed[..., :, :k], taus)
    assert q.dtype == taus.dtype == dtype and taus.shape == (*batch, k)
    assert_near(q @ np.triu(packed[..., :k, :]), a)
    assert_orthonormal_columns(q)


def test_left_eigenvectors_are_those_of_their_eigenvalues():
    a = normal(2, 3, 5, 5)
    w, _ = linalg.eig(np, a)
    v = linalg.left_eigenvectors(np, a, w)
    assert_near(adjoint(v) @ a, w[..., :, None] * adjoint(v), 100)


@pytest.mark.parametrize("batch", BATCHES)
def test_pivots_make_the_permutation_of_lu(batch):
    for m, n in ((4, 4), (5, 2), (2, 5), (0, 3)):
        _, pivots, permutation = linalg.lu(np, normal(*batch, m, n))
        np.testing.assert_array_equal(linalg.pivots_to_permutation(np, pivots, m), permutation)
