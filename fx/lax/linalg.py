"""Matrix decompositions and triangular systems under the names of `jax.lax.linalg`.

All take matrices or stacks of matrices, shape (..., m, n), of a floating or complex dtype; half
precision is computed in float32. Sources of the derivatives are in `fx.ops.linalg` and its
neighbours.
"""

from __future__ import annotations

from typing import Any

from fx.core.array import Array, to_array
from fx.core.primitive import P, lit
from fx.errors import FxValueError, ShapeError, public
from fx.lax.arguments import ArrayLike, integer, integers
from fx.ops.linalg import adjoint, matmul, transposed

__all__ = [
    "cholesky",
    "cholesky_update",
    "eig",
    "eigh",
    "geqrf",
    "householder_product",
    "lu",
    "lu_pivots_to_permutation",
    "qr",
    "svd",
    "symmetric_product",
    "triangular_solve",
    "tridiagonal_solve",
]


def matrices(x: ArrayLike, name: str, square: bool = False) -> Array:
    """An array of matrices. What is mapped by vmap has more axes than its rank, so that the
    primitive could not tell."""
    a = to_array(x, name)
    if a.ndim < 2 or (square and a.shape[-1] != a.shape[-2]):
        what = "square matrices, of shape (..., n, n)" if square else "matrices (..., m, n)"
        raise ShapeError(f"{name} expects {what}, got {a.aval.short()}.")
    return a


def symmetrized(x: Any, name: str) -> Any:
    """(x + x^H) / 2, whose triangles agree."""
    x = matrices(x, name, square=True)
    return P.mul(P.add(x, adjoint(x)), lit(x, 0.5))


@public
def cholesky(x: ArrayLike, *, symmetrize_input: bool = True) -> Array:
    """Lower triangular l with x = l l^H, for Hermitian positive definite matrices.

    Args:
        x: an array of shape (..., n, n).
        symmetrize_input: whether to replace x by (x + x^H) / 2 first; otherwise only its lower
            triangle is read.

    Returns:
        an array like x, zero above the diagonal. The lower triangle is NaN where x is not
        positive definite.

    Raises:
        FxTypeError: x is neither floating nor complex.
        ShapeError: its matrices are not square.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.linalg.cholesky(jnp.array([[4.0, 2.0], [2.0, 5.0]]))
        Array([[2., 0.],
               [1., 2.]], dtype=float32)
    """
    name = "lax.linalg.cholesky"
    a = matrices(x, name, square=True)
    return P.cholesky(symmetrized(a, name) if symmetrize_input else a)


@public
def cholesky_update(r_matrix: ArrayLike, w_vector: ArrayLike) -> Array:
    """The upper triangular factor of r^T r + w w^T, for the factor r of r^T r.

    Args:
        r_matrix: an upper triangular array of shape (n, n), of real floating dtype.
        w_vector: an array of shape (n,) of the same dtype.

    Returns:
        an upper triangular array of shape (n, n) with a positive diagonal.

    Raises:
        ShapeError: the shapes are others.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.linalg.cholesky_update(jnp.array([[3.0]]), jnp.array([4.0]))
        Array([[5.]], dtype=float32)
    """
    name = "lax.linalg.cholesky_update"
    r, w = to_array(r_matrix, name), to_array(w_vector, name)
    if r.ndim != 2 or w.ndim != 1 or r.shape != w.shape * 2:
        raise ShapeError(
            f"{name} expects a matrix of shape (n, n) and a vector of shape (n,), got "
            f"{r.aval.short()} and {w.aval.short()}."
        )
    column = P.reshape(w, new_sizes=(*w.shape, 1))
    total = P.add(matmul(transposed(r), r), matmul(column, transposed(column)))
    return transposed(P.cholesky(total))


@public
def symmetric_product(
    a_matrix: ArrayLike,
    c_matrix: ArrayLike,
    *,
    alpha: float = 1.0,
    beta: float = 0.0,
    symmetrize_output: bool = False,
) -> Array:
    """alpha * a a^T + beta * c.

    Args:
        a_matrix: an array of shape (..., m, n).
        c_matrix: an array of shape (..., m, m) of the same dtype, symmetric.
        alpha, beta: numbers.
        symmetrize_output: changes nothing: both triangles of the result are computed.

    Returns:
        an array like `c_matrix`.

    Raises:
        FxTypeError, ShapeError: dtypes or shapes do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> a = jnp.array([[1.0, 2.0]])
        >>> lax.linalg.symmetric_product(a, jnp.ones((1, 1)), alpha=2.0, beta=1.0)
        Array([[11.]], dtype=float32)
    """
    name = "lax.linalg.symmetric_product"
    a, c = to_array(a_matrix, name), to_array(c_matrix, name)
    product = P.mul(matmul(a, transposed(a)), lit(a, alpha))
    return P.add(product, P.mul(c, lit(c, beta)))


@public
def triangular_solve(
    a: ArrayLike,
    b: ArrayLike,
    *,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Array:
    """x in op(a) x = b (`left_side`) or x op(a) = b, for triangular matrices a.

    Args:
        a: an array of shape (..., n, n); the other triangle is not read.
        b: an array of the same dtype and leading axes, of shape (..., n, k), or (..., k, n) for
            the right side; or of shape (..., n) for one right side.
        left_side: the side of x on which a stands.
        lower: which triangle of a is read.
        transpose_a, conjugate_a: what op does.
        unit_diagonal: take the diagonal to be 1, and do not read it.

    Returns:
        an array like b; infinite or NaN where a has a zero on the diagonal.

    Raises:
        FxTypeError: the dtypes differ, or are neither floating nor complex.
        ShapeError: the shapes do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> a, b = jnp.array([[2.0, 0.0], [1.0, 4.0]]), jnp.array([[2.0], [9.0]])
        >>> lax.linalg.triangular_solve(a, b, left_side=True, lower=True)
        Array([[1.],
               [2.]], dtype=float32)
    """
    name = "lax.linalg.triangular_solve"
    matrix, right = matrices(a, name, square=True), to_array(b, name)
    single = right.ndim == matrix.ndim - 1 and right.ndim > 0
    if single:
        n = right.shape[-1:]
        shape = right.shape[:-1] + ((*n, 1) if left_side else (1, *n))
        right = P.reshape(right, new_sizes=shape)
    x = P.triangular_solve(
        matrix,
        right,
        left_side=bool(left_side),
        lower=bool(lower),
        transpose_a=bool(transpose_a),
        conjugate_a=bool(conjugate_a) and matrix.dtype.kind == "c",
        unit_diagonal=bool(unit_diagonal),
    )
    return P.squeeze(x, dimensions=(x.ndim - (1 if left_side else 2),)) if single else x


@public
def tridiagonal_solve(
    dl: ArrayLike,
    d: ArrayLike,
    du: ArrayLike,
    b: ArrayLike,
    *,
    perturb_singular: bool = False,
) -> Array:
    """x in a x = b for tridiagonal matrices a.

    Args:
        dl, d, du: arrays of shape (..., n): row i of a has dl[i], d[i], du[i] at columns i - 1, i
            and i + 1; dl[0] and du[n - 1] are not read.
        b: an array of shape (..., n, k) of the same dtype.
        perturb_singular: must be False.

    Returns:
        an array like b; infinite or NaN where a is singular.

    Raises:
        FxTypeError, ShapeError: dtypes or shapes do not fit.
        FxValueError: `perturb_singular` is set.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> d, off = jnp.array([2.0, 2.0]), jnp.array([0.0, 0.0])
        >>> lax.linalg.tridiagonal_solve(off, d, off, jnp.ones((2, 1)))
        Array([[0.5],
               [0.5]], dtype=float32)
    """
    name = "lax.linalg.tridiagonal_solve"
    if perturb_singular:
        raise FxValueError(f"{name}: perturb_singular=True is not supported; add to d yourself.")
    return P.tridiagonal_solve(*[to_array(x, name) for x in (dl, d, du, b)])


@public
def lu(x: ArrayLike) -> tuple[Array, Array, Array]:
    """Triangular factors l and u of the rows of x in pivoted order: x[permutation] = l u.

    Args:
        x: an array of shape (..., m, n).

    Returns:
        `(lu, pivots, permutation)`: an array like x with u on and above the diagonal and l (whose
        diagonal is 1) below it; for each of the min(m, n) columns the row that was exchanged with
        it, int32; and the order of the rows (..., m), int32.

    Raises:
        FxTypeError, ShapeError: x is not a floating or complex array of rank 2 or more.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> packed, pivots, permutation = lax.linalg.lu(jnp.array([[1.0, 2.0], [4.0, 4.0]]))
        >>> packed.tolist(), pivots.tolist(), permutation.tolist()
        ([[4.0, 4.0], [0.25, 1.0]], [1, 1], [1, 0])
    """
    packed, pivots, permutation = P.lu(matrices(x, "lax.linalg.lu"))
    return packed, pivots, permutation


@public
def lu_pivots_to_permutation(pivots: ArrayLike, permutation_size: int) -> Array:
    """The order of rows that the exchanges of `lu` make.

    Args:
        pivots: an integer array of shape (..., k): row i is exchanged with row pivots[i].
        permutation_size: the number of rows, at least k.

    Returns:
        an array of shape (..., permutation_size) and the same dtype.

    Raises:
        FxTypeError, FxValueError: no integers, or more pivots than rows.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.linalg.lu_pivots_to_permutation(jnp.array([2, 2]), 3)
        Array([2, 0, 1], dtype=int32)
    """
    name = "lax.linalg.lu_pivots_to_permutation"
    size = integer(name, "permutation_size", permutation_size)
    return P.lu_pivots_to_permutation(to_array(pivots, name), permutation_size=size)


@public
def qr(
    x: ArrayLike, *, pivoting: bool = False, full_matrices: bool = True, use_magma: Any = None
) -> tuple[Array, Array]:
    """x = q r with orthonormal columns in q and upper triangular r.

    Args:
        x: an array of shape (..., m, n).
        pivoting: must be False.
        full_matrices: whether q has m columns; otherwise min(m, n). There is no derivative if it
            has more than n.
        use_magma: ignored.

    Returns:
        q and r, of the dtype of x.

    Raises:
        FxTypeError, ShapeError: x is not a floating or complex array of rank 2 or more.
        FxValueError: `pivoting` is set.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> q, r = lax.linalg.qr(jnp.ones((3, 2)), full_matrices=False)
        >>> q.shape, r.shape, bool(jnp.allclose(q @ r, 1))
        ((3, 2), (2, 2), True)
    """
    if pivoting:
        raise FxValueError(
            "lax.linalg.qr: pivoting=True is not supported; expected False. Use lax.linalg.svd to "
            "find the rank."
        )
    q, r = P.qr(matrices(x, "lax.linalg.qr"), full_matrices=bool(full_matrices))
    return q, r


@public
def geqrf(a: ArrayLike) -> tuple[Array, Array]:
    """QR in LAPACK's packed form; without derivatives.

    Args:
        a: an array of shape (..., m, n).

    Returns:
        an array like a, with r on and above the diagonal and Householder vectors below it, and
        their factors, of shape (..., min(m, n)).

    Raises:
        FxTypeError, ShapeError: a is not a floating or complex array of rank 2 or more.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> packed, taus = lax.linalg.geqrf(jnp.ones((3, 2)))
        >>> packed.shape, taus.shape
        ((3, 2), (2,))
    """
    packed, taus = P.geqrf(matrices(a, "lax.linalg.geqrf"))
    return packed, taus


@public
def householder_product(a: ArrayLike, taus: ArrayLike) -> Array:
    """The first n columns of the product of reflections of a packed QR; without derivatives.

    Args:
        a: an array of shape (..., m, n), m >= n, with Householder vectors below the diagonal.
        taus: an array of shape (..., k), k <= n.

    Returns:
        an array like a with orthonormal columns.

    Raises:
        FxTypeError, ShapeError: dtypes or shapes do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> packed, taus = lax.linalg.geqrf(jnp.ones((3, 2)))
        >>> lax.linalg.householder_product(packed, taus).shape
        (3, 2)
    """
    name = "lax.linalg.householder_product"
    return P.householder_product(matrices(a, name), to_array(taus, name))


def _subset(name: str, subset: Any, n: int) -> tuple[int, int] | None:
    """(start, stop) of the values that are wanted, None for all of them."""
    if subset is None:
        return None
    limits = integers(name, "subset_by_index", subset)
    if len(limits) != 2 or not 0 <= limits[0] < limits[1] <= n:
        raise FxValueError(
            f"{name}: subset_by_index must be (start, stop) with 0 <= start < stop <= {n}, got "
            f"{limits}."
        )
    return limits[0], limits[1]


def _between(x: Any, limits: tuple[int, int] | None, axis: int) -> Any:
    if limits is None:
        return x
    start, stop = [0] * x.ndim, list(x.shape)
    start[axis], stop[axis] = limits
    return P.slice(x, start_indices=tuple(start), limit_indices=tuple(stop), strides=None)


@public
def eigh(
    x: ArrayLike,
    *,
    lower: bool = True,
    symmetrize_input: bool = True,
    sort_eigenvalues: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    implementation: Any = None,
) -> tuple[Array, Array]:
    """Eigenvectors and eigenvalues of Hermitian matrices: x v = v * w.

    Args:
        x: an array of shape (..., n, n).
        lower: which triangle is read.
        symmetrize_input: whether to replace x by (x + x^H) / 2 first.
        sort_eigenvalues: changes nothing: they always ascend.
        subset_by_index: (start, stop) of the eigenvalues to return; None for all.
        implementation: ignored.

    Returns:
        `(v, w)`: orthonormal eigenvectors in the columns of an array like x, and real eigenvalues
        of shape (..., n). Both are NaN where x is not finite. Derivatives of v are infinite or
        NaN where eigenvalues are equal.

    Raises:
        FxTypeError: x is neither floating nor complex.
        ShapeError: its matrices are not square.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> v, w = lax.linalg.eigh(jnp.array([[2.0, 0.0], [0.0, 1.0]]))
        >>> w
        Array([1., 2.], dtype=float32)
    """
    name = "lax.linalg.eigh"
    a = matrices(x, name, square=True)
    if symmetrize_input:
        a = symmetrized(a, name)
    v, w = P.eigh(a, lower=bool(lower))
    limits = _subset(name, subset_by_index, w.shape[-1])
    return _between(v, limits, -1), _between(w, limits, -1)


@public
def eig(
    x: ArrayLike,
    *,
    compute_left_eigenvectors: bool = True,
    compute_right_eigenvectors: bool = True,
    enable_eigvec_derivs: bool = False,
    implementation: Any = None,
    use_magma: Any = None,
) -> list[Array]:
    """Eigenvalues and eigenvectors of general matrices: x vr = vr * w, vl^H x = w[:, None] * vl^H.

    Args:
        x: an array of shape (..., n, n).
        compute_left_eigenvectors, compute_right_eigenvectors: what to return.
        enable_eigvec_derivs: changes nothing: eigenvectors have derivatives, those of the vectors
            of norm 1 with a real largest component.
        implementation, use_magma: ignored.

    Returns:
        `[w, vl, vr]` or fewer: complex eigenvalues of shape (..., n), and eigenvectors in the
        columns of arrays of shape (..., n, n).

    Raises:
        FxTypeError: x is neither floating nor complex.
        ShapeError: its matrices are not square.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> w, vr = lax.linalg.eig(jnp.eye(2), compute_left_eigenvectors=False)
        >>> w
        Array([1.+0.j, 1.+0.j], dtype=complex64)
    """
    return P.eig(
        matrices(x, "lax.linalg.eig", square=True),
        compute_left_eigenvectors=bool(compute_left_eigenvectors),
        compute_right_eigenvectors=bool(compute_right_eigenvectors),
    )


@public
def svd(
    x: ArrayLike,
    *,
    full_matrices: bool = True,
    compute_uv: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    algorithm: Any = None,
) -> Any:
    """Singular values and vectors: x = (u * s) vh.

    Args:
        x: an array of shape (..., m, n); let k = min(m, n).
        full_matrices: whether u and vh are square; otherwise they have k columns and rows. If
            they are, derivatives exist for m = n only.
        compute_uv: whether to return u and vh.
        subset_by_index: (start, stop) of the singular values to return; None for all.
        algorithm: ignored.

    Returns:
        `(u, s, vh)`, or s alone: s of shape (..., k) descends. NaN where x is not finite.
        Derivatives of u and vh are infinite or NaN where singular values are equal.

    Raises:
        FxTypeError, ShapeError: x is not a floating or complex array of rank 2 or more.
        FxValueError: a subset of full matrices is asked for.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.linalg.svd(jnp.array([[3.0, 0.0], [0.0, -4.0]]), compute_uv=False)
        Array([4., 3.], dtype=float32)
    """
    name = "lax.linalg.svd"
    a = matrices(x, name)
    outs = P.svd(a, full_matrices=bool(full_matrices), compute_uv=bool(compute_uv))
    if not compute_uv:
        return _between(outs[0], _subset(name, subset_by_index, outs[0].shape[-1]), -1)
    u, s, vh = outs
    limits = _subset(name, subset_by_index, s.shape[-1])
    if limits not in (None, (0, s.shape[-1])) and full_matrices and u.shape[-1] != vh.shape[-1]:
        raise FxValueError(
            f"{name}: subset_by_index={limits} needs full_matrices=False for {a.aval.short()}."
        )
    return _between(u, limits, -1), _between(s, limits, -1), _between(vh, limits, -2)
