"""Decompositions, and what follows from singular values."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import dtypes
from fx.core.array import Array
from fx.errors import FxValueError, ShapeError, public
from fx.lax import linalg
from fx.numpy.linalg.checks import matrices, square
from fx.numpy.linalg.norms import norm
from fx.numpy.linalg.systems import inv
from fx.numpy.promotion import array, promote_inexact
from fx.ops.linalg import adjoint, transposed


class EigResult(NamedTuple):
    """Eigenvalues, and eigenvectors in columns."""

    eigenvalues: Array
    eigenvectors: Array


class EighResult(NamedTuple):
    """Ascending eigenvalues, and orthonormal eigenvectors in columns."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """Orthonormal columns, and an upper triangular matrix."""

    Q: Array
    R: Array


class SVDResult(NamedTuple):
    """Left singular vectors in columns, descending singular values, right ones in rows."""

    U: Array
    S: Array
    Vh: Array


@public
def cholesky(a: Any, *, upper: bool = False, symmetrize_input: bool = True) -> Array:
    """Triangular factors of Hermitian positive definite matrices: a = l l^H = u^H u.

    Args:
        a: array of shape (..., n, n); integers become floats.
        upper: whether to return u; otherwise l.
        symmetrize_input: whether to replace `a` by (a + a^H) / 2 first; otherwise only its lower
            triangle is read.

    Returns:
        Array like `a`. The triangle is NaN where `a` is not positive definite.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.cholesky(jnp.array([[4.0, 2.0], [2.0, 5.0]]))
        Array([[2., 0.],
               [1., 2.]], dtype=float32)
    """
    name = "numpy.linalg.cholesky"
    matrix = square(name, *promote_inexact(name, a))
    lower = linalg.cholesky(matrix, symmetrize_input=symmetrize_input)
    return adjoint(lower) if upper else lower


@public
def qr(a: Any, mode: str = "reduced") -> Any:
    """a = q r with orthonormal columns in q and upper triangular r.

    Args:
        a: array of shape (..., m, n); integers become floats. Let k = min(m, n).
        mode: "reduced": q and r of shapes (..., m, k) and (..., k, n); "complete": (..., m, m) and
            (..., m, n), without a derivative if m > n; "r": r alone, reduced; "raw": LAPACK's
            packed form, transposed, and its factors, without derivatives.

    Returns:
        `QRResult(Q, R)`, the array r, or a pair.

    Raises:
        ShapeError: `a` has less than two axes.
        FxValueError: no such mode.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.qr(jnp.ones((3, 2))).R.shape
        (2, 2)
    """
    name = "numpy.linalg.qr"
    matrix = matrices(name, *promote_inexact(name, a))
    if mode == "raw":
        packed, taus = linalg.geqrf(matrix)
        return transposed(packed), taus
    if mode not in ("reduced", "complete", "r"):
        raise FxValueError(
            f"{name}: mode must be 'reduced', 'complete', 'r' or 'raw', got {mode!r}."
        )
    q, r = linalg.qr(matrix, full_matrices=mode == "complete")
    return r if mode == "r" else QRResult(q, r)


def _lower(name: str, uplo: Any) -> bool:
    if uplo in (None, "L", "l"):
        return True
    if uplo in ("U", "u"):
        return False
    raise FxValueError(f"{name}: UPLO must be 'L', 'U' or None, got {uplo!r}.")


@public
def eigh(a: Any, UPLO: str | None = None, symmetrize_input: bool = True) -> EighResult:
    """Eigenvalues and eigenvectors of Hermitian matrices: a v = v * w.

    Args:
        a: array of shape (..., n, n); integers become floats.
        UPLO: which triangle is read, "L" (also None) or "U".
        symmetrize_input: whether to replace `a` by (a + a^H) / 2 first.

    Returns:
        `EighResult(eigenvalues, eigenvectors)`: real and ascending, of shape (..., n), and an
        array like `a`. Derivatives of eigenvectors are infinite or NaN where eigenvalues are equal.

    Raises:
        ShapeError: the matrices are not square.
        FxValueError: `UPLO` is something else.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.eigh(jnp.array([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        Array([1., 2.], dtype=float32)
    """
    name = "numpy.linalg.eigh"
    lower = _lower(name, UPLO)
    matrix = square(name, *promote_inexact(name, a))
    v, w = linalg.eigh(matrix, lower=lower, symmetrize_input=symmetrize_input)
    return EighResult(w, v)


@public
def eigvalsh(a: Any, UPLO: str | None = "L", *, symmetrize_input: bool = True) -> Array:
    """Eigenvalues of Hermitian matrices, in ascending order.

    Args:
        a, UPLO, symmetrize_input: as in `eigh`.

    Returns:
        Real array of shape (..., n).

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.eigvalsh(jnp.array([[2.0, 0.0], [0.0, 1.0]]))
        Array([1., 2.], dtype=float32)
    """
    return eigh(a, UPLO, symmetrize_input).eigenvalues


@public
def eig(a: Any) -> EigResult:
    """Eigenvalues and eigenvectors of general matrices: a v = v * w.

    Args:
        a: array of shape (..., n, n); integers become floats.

    Returns:
        `EigResult(eigenvalues, eigenvectors)`, complex: of shape (..., n) in no particular order,
        and an array like `a` with vectors of norm 1 in columns.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.eig(jnp.eye(2)).eigenvalues
        Array([1.+0.j, 1.+0.j], dtype=complex64)
    """
    name = "numpy.linalg.eig"
    matrix = square(name, *promote_inexact(name, a))
    return EigResult(*linalg.eig(matrix, compute_left_eigenvectors=False))


@public
def eigvals(a: Any) -> Array:
    """Eigenvalues of general matrices.

    Args:
        a: array of shape (..., n, n); integers become floats.

    Returns:
        Complex array of shape (..., n), in no particular order.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.eigvals(jnp.array([[2.0, 0.0], [1.0, 3.0]])).real.sum()
        Array(5., dtype=float32)
    """
    name = "numpy.linalg.eigvals"
    matrix = square(name, *promote_inexact(name, a))
    return linalg.eig(matrix, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]


@public
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    hermitian: bool = False,
    subset_by_index: tuple[int, int] | None = None,
) -> Any:
    """Singular values and vectors: a = (u * s) vh.

    Args:
        a: array of shape (..., m, n); integers become floats. Let k = min(m, n).
        full_matrices: whether u and vh are square; otherwise they have k columns and rows.
        compute_uv: whether to return u and vh.
        hermitian: whether `a` is Hermitian; its eigenvalues are then used.
        subset_by_index: (start, stop) of the singular values to return; None for all.

    Returns:
        `SVDResult(U, S, Vh)`, or the array S of shape (..., k) alone, which is real and descends.

    Raises:
        ShapeError: `a` has less than two axes.
        FxValueError: both `hermitian` and `subset_by_index` are given.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.svd(jnp.array([[3.0, 0.0], [0.0, -4.0]])).S
        Array([4., 3.], dtype=float32)
    """
    name = "numpy.linalg.svd"
    matrix = matrices(name, *promote_inexact(name, a))
    if hermitian:
        if subset_by_index is not None:
            raise FxValueError(f"{name}: hermitian=True cannot select a subset of singular values.")
        return _hermitian_svd(matrix, compute_uv)
    outs = linalg.svd(
        matrix,
        full_matrices=full_matrices,
        compute_uv=compute_uv,
        subset_by_index=subset_by_index,
    )
    return SVDResult(*outs) if compute_uv else outs


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    w, v = eigh(a)
    order = jnp.argsort(-jnp.abs(w), axis=-1)
    w = jnp.take_along_axis(w, order, axis=-1)
    if not compute_uv:
        return jnp.abs(w)
    v = jnp.take_along_axis(v, order[..., None, :], axis=-1)
    # An eigenvalue of 0 keeps its vector on both sides.
    sign = jnp.where(w < 0, -1, 1).astype(a.dtype)
    return SVDResult(v, jnp.abs(w), adjoint(v * sign[..., None, :]))


@public
def svdvals(x: Any, /) -> Array:
    """Singular values, in descending order.

    Args:
        x: array of shape (..., m, n); integers become floats.

    Returns:
        Real array of shape (..., min(m, n)).

    Raises:
        ShapeError: `x` has less than two axes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.svdvals(jnp.array([[3.0, 0.0], [0.0, -4.0]]))
        Array([4., 3.], dtype=float32)
    """
    return svd(x, compute_uv=False)


@public
def cond(x: Any, p: float | str | None = None) -> Array:
    """Condition numbers: how much a x magnifies relative errors.

    Args:
        x: array of shape (..., m, n), not empty; square unless `p` is None, 2 or -2.
        p: the norm, as for matrices in `norm`; None is 2, the quotient of singular values.

    Returns:
        Real array of shape (...); infinite where the matrix is singular.

    Raises:
        ShapeError: an empty or not a square matrix.
        FxValueError: no such norm.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.cond(jnp.diag(jnp.array([1.0, 4.0])))
        Array(4., dtype=float32)
    """
    name = "numpy.linalg.cond"
    matrix = matrices(name, *promote_inexact(name, x))
    if not matrix.size:
        raise ShapeError(f"{name} of an empty array, {matrix.aval.short()}, is not defined.")
    if p in (None, 2, -2):
        s = svdvals(matrix)
        largest, smallest = s[..., 0], s[..., -1]
        out = smallest / largest if p == -2 else largest / smallest
    else:
        square(name, matrix)
        out = norm(matrix, ord=p, axis=(-2, -1)) * norm(inv(matrix), ord=p, axis=(-2, -1))
    # 0 / 0 of a singular matrix is no error of the matrix.
    unknown = jnp.isnan(matrix).any(axis=(-2, -1))
    return jnp.where(jnp.isnan(out) & ~unknown, math.inf, out)


@public
def matrix_rank(M: Any, rtol: Any = None, *, hermitian: bool = False, tol: Any = None) -> Array:
    """Ranks of matrices: how many singular values are not negligible.

    Args:
        M: array of shape (..., m, n); a vector or scalar has rank 0 or 1.
        rtol: singular values not above `rtol` times the largest are negligible; a number or an
            array of shape (...). By default max(m, n) eps.
        hermitian: whether the matrices are Hermitian.
        tol: the same bound as an absolute number, in place of `rtol`.

    Returns:
        Array of the default integer dtype, of shape (...).

    Raises:
        FxValueError: both `rtol` and `tol` are given.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.matrix_rank(jnp.ones((3, 3)))
        Array(1, dtype=int32)
    """
    name = "numpy.linalg.matrix_rank"
    if rtol is not None and tol is not None:
        raise FxValueError(f"{name} got both rtol and tol; give one of them.")
    (x,) = promote_inexact(name, M)
    if x.ndim < 2:
        return jnp.any(x != 0).astype(dtypes.default_int())
    s = svd(x, full_matrices=False, compute_uv=False, hermitian=hermitian)
    if tol is None:
        if rtol is None:
            rtol = max(x.shape[-2:]) * float(dtypes.finfo(s.dtype).eps)
        bound = jnp.max(s, axis=-1, initial=0) * jnp.asarray(array(rtol, name), s.dtype)
    else:
        bound = jnp.asarray(array(tol, name), s.dtype)
    return jnp.sum(s > bound[..., None], axis=-1, dtype=dtypes.default_int())
