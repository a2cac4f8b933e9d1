"""Decompositions and linear systems as SciPy arranges them."""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.lax import linalg
from fx.numpy.promotion import common_shape, expand_to, promote_inexact
from fx.ops.linalg import adjoint

# SciPy's flags about copies and checks are accepted and change nothing: arrays are immutable, and
# what is not finite gives NaN.


def _square(name: str, a: Any) -> Any:
    (x,) = promote_inexact(name, a)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"{name} expects square matrices, of shape (..., n, n), got {x.aval.short()}."
        )
    return x


def _system(name: str, a: Any, b: Any) -> tuple[Any, Any, bool]:
    """A square matrix, right sides with equal leading axes, and whether it was one vector."""
    matrix, right = promote_inexact(name, a, b)
    _square(name, matrix)
    vector = right.ndim == 1
    if vector:
        right = right[:, None]
    if right.ndim < 2 or right.shape[-2] != matrix.shape[-1]:
        raise ShapeError(
            f"{name} expects b of shape (n,) or (..., n, k), for matrices of shape (..., n, n); "
            f"got {matrix.aval.short()} and {right.aval.short()}."
        )
    lead = common_shape(name, [matrix.shape[:-2], right.shape[:-2]])
    matrix = expand_to(matrix, lead + matrix.shape[-2:])
    return matrix, expand_to(right, lead + right.shape[-2:]), vector


def _triangular(a: Any, b: Any, lower: bool, adjoint: bool, unit: bool = False) -> Any:
    return linalg.triangular_solve(
        a,
        b,
        left_side=True,
        lower=lower,
        transpose_a=adjoint,
        conjugate_a=adjoint,
        unit_diagonal=unit,
    )


@public
def cholesky(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Array:
    """Triangular factor of Hermitian positive definite matrices: a = u^H u, or l l^H.

    Args:
        a: array of shape (..., n, n), of which the triangle of the result is read.
        lower: whether to return l; otherwise u.
        overwrite_a, check_finite: ignored.

    Returns:
        Array like `a`, its triangle NaN where it is not positive definite.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.cholesky(fx.numpy.array([[4.0, 2.0], [2.0, 5.0]]))
        Array([[2., 1.],
               [0., 2.]], dtype=float32)
    """
    matrix = _square("scipy.linalg.cholesky", a)
    if lower:
        return linalg.cholesky(matrix, symmetrize_input=False)
    return adjoint(linalg.cholesky(adjoint(matrix), symmetrize_input=False))


@public
def cho_factor(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, bool]:
    """The factor that `cho_solve` takes, and its triangle.

    Args:
        a, lower, overwrite_a, check_finite: as in `cholesky`.

    Returns:
        The factor and `lower`.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx
        >>> factor = fx.scipy.linalg.cho_factor(2 * fx.numpy.eye(2))
        >>> fx.scipy.linalg.cho_solve(factor, fx.numpy.ones(2)).round(4)
        Array([0.5, 0.5], dtype=float32)
    """
    return cholesky(a, lower), lower


def _two(pair: Any, name: str, what: str, source: str) -> Any:
    """The pair that a factorization gave."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise FxTypeError(f"{name}: {what} must be what scipy.linalg.{source} gives, a pair.")
    return pair


@public
def cho_solve(
    c_and_lower: tuple[Any, bool], b: Any, overwrite_b: bool = False, check_finite: bool = True
) -> Array:
    """x in a x = b, given the Cholesky factor of a.

    Args:
        c_and_lower: the result of `cho_factor`.
        b: array of shape (n,) or (..., n, k).
        overwrite_b, check_finite: ignored.

    Returns:
        Array like `b`.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.cho_solve((2 * fx.numpy.eye(2), True), fx.numpy.ones(2))
        Array([0.25, 0.25], dtype=float32)
    """
    factor, lower = _two(c_and_lower, "scipy.linalg.cho_solve", "c_and_lower", "cho_factor")
    c, right, vector = _system("scipy.linalg.cho_solve", factor, b)
    x = _triangular(c, right, bool(lower), adjoint=not lower)
    x = _triangular(c, x, bool(lower), adjoint=bool(lower))
    return x[..., 0] if vector else x


@public
def solve_triangular(
    a: Any,
    b: Any,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    debug: Any = None,
    check_finite: bool = True,
) -> Array:
    """x in op(a) x = b for triangular a.

    Args:
        a: array of shape (..., n, n), of which one triangle is read.
        b: array of shape (n,) or (..., n, k).
        trans: op: 0 or "N": a itself; 1 or "T": transposed; 2 or "C": transposed and conjugated.
        lower: which triangle.
        unit_diagonal: take the diagonal to be 1.
        overwrite_b, debug, check_finite: ignored.

    Returns:
        Array like `b`; infinite or NaN where `a` is singular.

    Raises:
        ShapeError: the shapes do not fit.
        FxValueError: `trans` is something else.

    Example:
        >>> import fx
        >>> a = fx.numpy.array([[2.0, 0.0], [1.0, 4.0]])
        >>> fx.scipy.linalg.solve_triangular(a, fx.numpy.array([2.0, 9.0]), lower=True)
        Array([1., 2.], dtype=float32)
    """
    name = "scipy.linalg.solve_triangular"
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise FxValueError(f"{name}: trans must be 0, 1, 2, 'N', 'T' or 'C', got {trans!r}.")
    matrix, right, vector = _system(name, a, b)
    x = linalg.triangular_solve(
        matrix,
        right,
        left_side=True,
        lower=lower,
        transpose_a=trans not in (0, "N"),
        conjugate_a=trans in (2, "C"),
        unit_diagonal=unit_diagonal,
    )
    return x[..., 0] if vector else x


@public
def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    debug: bool = False,
    check_finite: bool = True,
    assume_a: str = "gen",
) -> Array:
    """x in a x = b.

    Args:
        a: array of shape (..., n, n).
        b: array of shape (n,) or (..., n, k).
        lower: for `assume_a="pos"`, which triangle is read.
        overwrite_a, overwrite_b, debug, check_finite: ignored.
        assume_a: "gen", "sym", "her", or "pos": positive definite, which halves the work.

    Returns:
        Array like `b`; infinite or NaN where `a` is singular.

    Raises:
        ShapeError: the shapes do not fit.
        FxValueError: `assume_a` is something else.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.solve(4 * fx.numpy.eye(2), fx.numpy.ones(2), assume_a="pos")
        Array([0.25, 0.25], dtype=float32)
    """
    name = "scipy.linalg.solve"
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise FxValueError(
            f"{name}: assume_a must be 'gen', 'sym', 'her' or 'pos', got {assume_a!r}."
        )
    if assume_a == "pos":
        return cho_solve(cho_factor(a, lower), b)
    return jnp.linalg.solve(a, b)


@public
def lu(
    a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, ...]:
    """a = p l u with a permutation p, unit lower triangular l and upper triangular u.

    Args:
        a: array of shape (..., m, n); let k = min(m, n).
        permute_l: whether to return p l and u only.
        overwrite_a, check_finite: ignored.

    Returns:
        `(p, l, u)` of shapes (..., m, m), (..., m, k) and (..., k, n); or `(p l, u)`.

    Raises:
        ShapeError: `a` has less than two axes.

    Example:
        >>> import fx
        >>> p, l, u = fx.scipy.linalg.lu(fx.numpy.array([[1.0, 2.0], [4.0, 4.0]]))
        >>> u
        Array([[4., 4.],
               [0., 1.]], dtype=float32)
    """
    (matrix,) = promote_inexact("scipy.linalg.lu", a)
    packed, _, order = linalg.lu(matrix)
    m, n = packed.shape[-2:]
    k = min(m, n)
    lower = jnp.tril(packed, -1)[..., :, :k] + jnp.eye(m, k, dtype=packed.dtype)
    upper = jnp.triu(packed)[..., :k, :]
    real = lower.real.dtype
    permutation = (jnp.arange(m)[:, None] == order[..., None, :]).astype(real)
    if permute_l:
        return permutation.astype(lower.dtype) @ lower, upper
    return permutation, lower, upper


@public
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, Array]:
    """The packed factors that `lu_solve` takes.

    Args:
        a: array of shape (..., m, n).
        overwrite_a, check_finite: ignored.

    Returns:
        `(lu, pivots)`: u on and above the diagonal and l below it, and int32 row exchanges.

    Raises:
        ShapeError: `a` has less than two axes.

    Example:
        >>> import fx
        >>> factors = fx.scipy.linalg.lu_factor(2 * fx.numpy.eye(2))
        >>> fx.scipy.linalg.lu_solve(factors, fx.numpy.ones(2))
        Array([0.5, 0.5], dtype=float32)
    """
    (matrix,) = promote_inexact("scipy.linalg.lu_factor", a)
    packed, pivots, _ = linalg.lu(matrix)
    return packed, pivots


@public
def lu_solve(
    lu_and_piv: tuple[Any, Any],
    b: Any,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """x in op(a) x = b, given the factors of a.

    Args:
        lu_and_piv: the result of `lu_factor`.
        b: array of shape (n,) or (..., n, k).
        trans: op: 0: a itself; 1: transposed; 2: transposed and conjugated.
        overwrite_b, check_finite: ignored.

    Returns:
        Array like `b`; infinite or NaN where a is singular.

    Raises:
        ShapeError: the shapes do not fit.
        FxValueError: `trans` is something else.

    Example:
        >>> import fx
        >>> factors = fx.scipy.linalg.lu_factor(fx.numpy.array([[0.0, 2.0], [4.0, 0.0]]))
        >>> fx.scipy.linalg.lu_solve(factors, fx.numpy.ones(2))
        Array([0.25, 0.5 ], dtype=float32)
    """
    name = "scipy.linalg.lu_solve"
    if trans not in (0, 1, 2):
        raise FxValueError(f"{name}: trans must be 0, 1 or 2, got {trans!r}.")
    packed, pivots = _two(lu_and_piv, name, "lu_and_piv", "lu_factor")
    matrix, right, vector = _system(name, packed, b)
    n = matrix.shape[-1]
    order = linalg.lu_pivots_to_permutation(pivots, n)
    order = expand_to(order, (*matrix.shape[:-2], n))[..., None]
    if trans == 0:
        x = jnp.take_along_axis(right, order, axis=-2)
        x = _triangular(matrix, x, lower=True, adjoint=False, unit=True)
        x = _triangular(matrix, x, lower=False, adjoint=False)
    else:
        flip = {"left_side": True, "transpose_a": True, "conjugate_a": trans == 2}
        x = linalg.triangular_solve(matrix, right, lower=False, **flip)
        x = linalg.triangular_solve(matrix, x, lower=True, unit_diagonal=True, **flip)
        back = jnp.argsort(order, axis=-2)
        x = jnp.take_along_axis(x, back, axis=-2)
    return x[..., 0] if vector else x


@public
def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> tuple[Array, ...]:
    """a = q r with orthonormal columns in q and upper triangular r.

    Args:
        a: array of shape (..., m, n).
        overwrite_a, lwork, check_finite: ignored.
        mode: "full": q is square; "economic": q has min(m, n) columns; "r": r alone.
        pivoting: must be False.

    Returns:
        `(q, r)`, or `(r,)`.

    Raises:
        ShapeError: `a` has less than two axes.
        FxValueError: no such mode, or `pivoting` is set.

    Example:
        >>> import fx
        >>> q, r = fx.scipy.linalg.qr(fx.numpy.ones((3, 2)), mode="economic")
        >>> q.shape, r.shape
        ((3, 2), (2, 2))
    """
    name = "scipy.linalg.qr"
    if mode not in ("full", "r", "economic"):
        raise FxValueError(f"{name}: mode must be 'full', 'r' or 'economic', got {mode!r}.")
    (matrix,) = promote_inexact(name, a)
    q, r = linalg.qr(matrix, pivoting=pivoting, full_matrices=mode != "economic")
    return (r,) if mode == "r" else (q, r)


@public
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """a = (u * s) vh: singular values and vectors.

    Args:
        a: array of shape (..., m, n); let k = min(m, n).
        full_matrices: whether u and vh are square; otherwise they have k columns and rows.
        compute_uv: whether to return u and vh.
        overwrite_a, check_finite, lapack_driver: ignored.

    Returns:
        `(u, s, vh)`, or s alone.

    Raises:
        ShapeError: `a` has less than two axes.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.svd(fx.numpy.array([[3.0, 0.0], [0.0, -4.0]]), compute_uv=False)
        Array([4., 3.], dtype=float32)
    """
    (matrix,) = promote_inexact("scipy.linalg.svd", a)
    return linalg.svd(matrix, full_matrices=full_matrices, compute_uv=compute_uv)


@public
def eigh(
    a: Any,
    b: Any = None,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    turbo: bool = True,
    eigvals: None = None,
    type: int = 1,
    check_finite: bool = True,
) -> Any:
    """Eigenvalues and eigenvectors of Hermitian matrices: a v = v * w, or a v = b v * w.

    Args:
        a: array of shape (..., n, n); (a + a^H) / 2 is used.
        b: None, or Hermitian positive definite matrices of the same shape.
        lower: which triangle of b is read.
        eigvals_only: whether to return the eigenvalues alone.
        overwrite_a, overwrite_b, turbo, check_finite: ignored.
        eigvals: must be None.
        type: must be 1.

    Returns:
        `(w, v)` or w: ascending eigenvalues (..., n), and eigenvectors in columns, normalized so
        that v^H v, or v^H b v, is the identity.

    Raises:
        ShapeError: the matrices are not square.
        FxValueError: `eigvals` or `type` are given.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.eigh(fx.numpy.diag(fx.numpy.array([2.0, 1.0])), eigvals_only=True)
        Array([1., 2.], dtype=float32)
    """
    name = "scipy.linalg.eigh"
    if eigvals is not None or type != 1:
        raise FxValueError(f"{name} supports eigvals=None and type=1, got {eigvals!r} and {type}.")
    matrix = _square(name, a)
    if b is None:
        v, w = linalg.eigh(matrix, lower=lower)
        return w if eigvals_only else (w, v)
    matrix, weight = promote_inexact(name, matrix, _square(name, b))
    # With b = l l^H: the problem of l^-1 a l^-H, whose vectors are l^H v.
    factor = cholesky(weight if lower else adjoint(weight), lower=True)
    inner = _triangular(factor, matrix, lower=True, adjoint=False)
    inner = adjoint(_triangular(factor, adjoint(inner), lower=True, adjoint=False))
    v, w = linalg.eigh(inner)
    return w if eigvals_only else (w, _triangular(factor, v, lower=True, adjoint=True))


@public
def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Determinants; see `fx.numpy.linalg.det`.

    Args:
        a: array of shape (..., n, n).
        overwrite_a, check_finite: ignored.

    Returns:
        Array of shape (...).

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.det(2 * fx.numpy.eye(2))
        Array(4., dtype=float32)
    """
    return P.det(_square("scipy.linalg.det", a))


@public
def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Inverse matrices.

    Args:
        a: array of shape (..., n, n).
        overwrite_a, check_finite: ignored.

    Returns:
        Array like `a`; infinite or NaN where it is singular.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.inv(2 * fx.numpy.eye(2))
        Array([[0.5, 0. ],
               [0. , 0.5]], dtype=float32)
    """
    return jnp.linalg.inv(_square("scipy.linalg.inv", a))
