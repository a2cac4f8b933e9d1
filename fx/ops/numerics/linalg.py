"""Matrix decompositions of batches, which give NaN where LAPACK or NumPy would raise or hang.

All functions take arrays of shape ``(*B, m, n)`` of ``float32``, ``float64``, ``complex64`` or
``complex128``; any dimension may be zero. What ``xp.linalg`` has is called; ``lu`` and
``triangular_solve`` are recursive, so that their work is done by matrix products
(Toledo, "Locality of reference in LU decomposition with partial pivoting", 1997).

Iterative LAPACK drivers may raise, loop for ever or return some finite numbers when they meet a
NaN, so a matrix with a NaN or an infinity never reaches them: an identity takes its place and its
results become NaN.
"""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # an ndarray of the array module that the caller passes as `xp`

# Below this size a matrix product costs less than the calls that a further halving would add.
_BASE = 32


def cholesky(xp: ModuleType, a: Array) -> Array:
    """Factor Hermitian positive-definite matrices: ``a = l @ l.conj().T`` with lower ``l``.

    Args:
      a: shape ``(*B, n, n)``; only the lower triangle and the real part of the diagonal are read.

    Returns:
      An array like ``a``, zero above the diagonal. The lower triangle of a matrix that is not
      positive definite, or not finite, is NaN.

    Example:
      >>> cholesky(np, np.array([[4.0, 2.0], [2.0, 5.0]])).tolist()
      [[2.0, 0.0], [1.0, 2.0]]
    """
    (factor,) = _nan_where_impossible(xp, lambda m: (xp.linalg.cholesky(m),), xp.tril(a))
    return xp.tril(factor)


def qr(xp: ModuleType, a: Array, full_matrices: bool = True) -> tuple[Array, Array]:
    """Factor ``a = q @ r`` with orthonormal columns in ``q`` and upper triangular ``r``.

    Args:
      a: shape ``(*B, m, n)``.
      full_matrices: whether ``q`` is square; otherwise it has ``k = min(m, n)`` columns.

    Returns:
      ``q`` of shape ``(*B, m, m)`` and ``r`` of shape ``(*B, m, n)``, or ``(*B, m, k)`` and
      ``(*B, k, n)``.

    Example:
      >>> q, r = qr(np, np.ones((3, 2)), full_matrices=False)
      >>> q.shape, r.shape, bool(np.allclose(q @ r, 1))
      ((3, 2), (2, 2), True)
    """
    q, r = xp.linalg.qr(a, mode="complete" if full_matrices else "reduced")
    return q, r


def eigh(xp: ModuleType, a: Array, lower: bool = True) -> tuple[Array, Array]:
    """Diagonalize Hermitian matrices: ``a @ v = v * w``.

    Args:
      a: shape ``(*B, n, n)``.
      lower: which triangle is read; the other one is taken to be its conjugate.

    Returns:
      ``(v, w)`` as ``lax.linalg.eigh``: orthonormal eigenvectors ``(*B, n, n)`` in columns, and
      real eigenvalues ``(*B, n)`` in ascending order. NaN for a matrix that is not finite.

    Example:
      >>> eigh(np, np.array([[2.0, 9.0], [1.0, 2.0]]))[1].tolist()
      [1.0, 3.0]
    """
    triangle = xp.tril(a) if lower else xp.triu(a)

    def diagonalize(m: Array) -> tuple[Array, Array]:
        w, v = xp.linalg.eigh(m, UPLO="L" if lower else "U")
        return v, w

    v, w = _nan_where_impossible(xp, diagonalize, triangle)
    return v, w


def eig(xp: ModuleType, a: Array) -> tuple[Array, Array]:
    """Diagonalize general matrices: ``a @ v = v * w``.

    Args:
      a: shape ``(*B, n, n)``.

    Returns:
      ``(w, v)``: eigenvalues ``(*B, n)`` in no particular order and right eigenvectors
      ``(*B, n, n)`` of norm 1 in columns, both complex. NaN for a matrix that is not finite.

    Example:
      >>> w, v = eig(np, np.array([[0.0, -1.0], [1.0, 0.0]]))
      >>> sorted(w.tolist(), key=lambda z: z.imag)
      [-1j, 1j]
    """
    # A real matrix has complex results here, whatever its eigenvalues are: types must not depend
    # on values.
    complex_dtype = xp.result_type(a.dtype, xp.complex64)

    def diagonalize(m: Array) -> tuple[Array, Array]:
        w, v = xp.linalg.eig(m)
        return w.astype(complex_dtype), v.astype(complex_dtype)

    w, v = _nan_where_impossible(xp, diagonalize, a)
    return w, v


def svd(
    xp: ModuleType, a: Array, full_matrices: bool = True, compute_uv: bool = True
) -> tuple[Array, ...]:
    """Factor ``a = (u * s) @ vh`` with orthonormal ``u`` and ``vh`` and ``s >= 0``, descending.

    Args:
      a: shape ``(*B, m, n)``; let ``k = min(m, n)``.
      full_matrices: whether ``u`` and ``vh`` are square.
      compute_uv: whether to return them at all.

    Returns:
      ``(u, s, vh)`` of shapes ``(*B, m, m)``, ``(*B, k)``, ``(*B, n, n)``, or with ``k`` columns
      and rows if not ``full_matrices``; only ``(s,)`` if not ``compute_uv``. NaN for a matrix that
      is not finite.

    Example:
      >>> svd(np, np.array([[3.0, 0.0], [0.0, -4.0]]), compute_uv=False)[0].tolist()
      [4.0, 3.0]
    """

    def factor(m: Array) -> tuple[Array, ...]:
        if compute_uv:
            return tuple(xp.linalg.svd(m, full_matrices=full_matrices))
        return (xp.linalg.svd(m, compute_uv=False),)

    return _nan_where_impossible(xp, factor, a)


def triangular_solve(
    xp: ModuleType,
    a: Array,
    b: Array,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Array:
    """Solve ``op(a) @ x = b`` (``left_side``) or ``x @ op(a) = b`` for a triangular ``a``.

    Args:
      a: shape ``(*B, n, n)``; the other triangle is never read.
      b: shape ``(*B, n, k)`` or, for the right side, ``(*B, k, n)``; the same dtype.
      left_side: the side of ``x`` on which ``a`` stands.
      lower: the triangle of ``a`` (before ``op``) that is read.
      transpose_a, conjugate_a: ``op``; both make the Hermitian adjoint.
      unit_diagonal: take the diagonal to be 1, and do not read it.

    Returns:
      ``x``, an array like ``b``. Zeros on the diagonal give infinities or NaN.

    Example:
      >>> a, b = np.array([[2.0, 7.0], [1.0, 4.0]]), np.array([[2.0], [9.0]])
      >>> triangular_solve(np, a, b, left_side=True, lower=True).tolist()
      [[1.0], [2.0]]
    """
    x = xp.array(b)  # a copy, to be solved in place
    if conjugate_a:
        a = xp.conj(a)
    if transpose_a:
        a, lower = xp.swapaxes(a, -1, -2), not lower
    if left_side:
        _substitute(xp, a, x, lower, unit_diagonal)
    else:  # the same equation, transposed
        _substitute(xp, xp.swapaxes(a, -1, -2), xp.swapaxes(x, -1, -2), not lower, unit_diagonal)
    return x


def lu(xp: ModuleType, a: Array) -> tuple[Array, Array, Array]:
    """Factor ``a[permutation] = l @ u`` by elimination with partial pivoting.

    Args:
      a: shape ``(*B, m, n)``; let ``k = min(m, n)``.

    Returns:
      ``(lu, pivots, permutation)``: an array like ``a`` with ``u`` on and above the diagonal and
      the unit lower ``l`` below it; ``int32`` pivots ``(*B, k)``, where row ``i`` was exchanged
      with row ``pivots[i] >= i``; and the ``int32`` permutation ``(*B, m)`` that they make.
      A singular matrix has a zero on the diagonal of ``u``; NaN spreads as in the arithmetic.

    Example:
      >>> packed, pivots, permutation = lu(np, np.array([[1.0, 2.0], [4.0, 4.0]]))
      >>> packed.tolist(), pivots.tolist(), permutation.tolist()
      ([[4.0, 4.0], [0.25, 1.0]], [1, 1], [1, 0])
    """
    *batch, m, n = a.shape
    count, k = math.prod(batch), min(m, n)
    work = xp.array(a).reshape(count, m, n)
    pivots = xp.zeros((count, k), xp.int32)
    if k == 0:
        permutation = xp.broadcast_to(xp.arange(m, dtype=xp.int32), (count, m))
    else:
        permutation = _eliminate(xp, work, pivots, 0, k)
        if n > k:
            rest = work[:, :, k:]
            rest[...] = _permute_rows(xp, rest, permutation)
            _substitute(xp, work[:, :, :k], rest, lower=True, unit_diagonal=True)
    return (
        work.reshape(a.shape),
        pivots.reshape(*batch, k),
        xp.array(permutation, xp.int32).reshape(*batch, m),
    )


def _eliminate(xp: ModuleType, work: Array, pivots: Array, start: int, stop: int) -> Array:
    """Factor ``work[:, start:, start:stop]`` in place; returns the permutation of its rows."""
    if stop - start <= _BASE:
        return _eliminate_columns(xp, work[:, start:, start:stop], pivots[:, start:stop], start)
    middle = (start + stop) // 2
    first = _eliminate(xp, work, pivots, start, middle)
    right = work[:, start:, middle:stop]
    right[...] = _permute_rows(xp, right, first)
    left = work[:, start:, start:middle]
    done = middle - start
    _substitute(xp, left[:, :done], right[:, :done], lower=True, unit_diagonal=True)
    right[:, done:] -= left[:, done:] @ right[:, :done]
    second = _eliminate(xp, work, pivots, middle, stop)
    left[:, done:] = _permute_rows(xp, left[:, done:], second)
    below = xp.take_along_axis(first[:, done:], second, axis=1)
    return xp.concatenate([first[:, :done], below], axis=1)


def _eliminate_columns(xp: ModuleType, panel: Array, pivots: Array, offset: int) -> Array:
    """``_eliminate`` for a narrow panel, column by column; pivots count from ``-offset``."""
    count, rows, columns = panel.shape
    matrices = xp.arange(count)
    permutation = xp.tile(xp.arange(rows), (count, 1))
    for j in range(columns):
        best = _size(xp, panel[:, j:, j]).argmax(axis=1) + j
        pivots[:, j] = best + offset
        for array in (panel, permutation):
            chosen = array[matrices, best]  # a copy: the index is an array
            array[matrices, best] = array[:, j]
            array[:, j] = chosen
        pivot = panel[:, j, j]
        # A pivot of zero has only zeros below it, which must stay zeros.
        panel[:, j + 1 :, j] /= xp.where(pivot == 0, 1, pivot)[:, None]
        update = panel[:, j + 1 :, j, None] * panel[:, None, j, j + 1 :]
        panel[:, j + 1 :, j + 1 :] -= update
    return permutation


def _size(xp: ModuleType, x: Array) -> Array:
    """The magnitude by which LAPACK chooses pivots: no square root for complex numbers."""
    return xp.abs(x.real) + xp.abs(x.imag) if x.dtype.kind == "c" else xp.abs(x)


def _permute_rows(xp: ModuleType, x: Array, permutation: Array) -> Array:
    return xp.take_along_axis(x, permutation[:, :, None], axis=1)


def _substitute(xp: ModuleType, a: Array, x: Array, lower: bool, unit_diagonal: bool) -> None:
    """Replace ``x`` of shape ``(..., n, k)`` by the solution of ``a @ y = x``."""
    n = x.shape[-2]
    if n > _BASE:
        middle = n // 2
        halves = slice(None, middle), slice(middle, n)
        first, second = halves if lower else halves[::-1]
        _substitute(xp, a[..., first, first], x[..., first, :], lower, unit_diagonal)
        x[..., second, :] -= a[..., second, first] @ x[..., first, :]
        _substitute(xp, a[..., second, second], x[..., second, :], lower, unit_diagonal)
        return
    for i in range(n) if lower else reversed(range(n)):
        row = x[..., i : i + 1, :]
        solved = slice(None, i) if lower else slice(i + 1, n)
        row -= a[..., i : i + 1, solved] @ x[..., solved, :]
        if not unit_diagonal:
            row /= a[..., i : i + 1, i : i + 1]


def solve(xp: ModuleType, a: Array, b: Array) -> Array:
    """Solve ``a @ x = b`` by elimination with partial pivoting.

    Args:
      a: shape ``(*B, n, n)``.
      b: shape ``(*B, n, k)``; the same dtype.

    Returns:
      ``x``, an array like ``b``; infinities and NaN where ``a`` is singular.

    Example:
      >>> solve(np, np.array([[2.0, 0.0], [0.0, 4.0]]), np.ones((2, 1))).tolist()
      [[0.5], [0.25]]
    """
    try:
        return xp.linalg.solve(a, b)
    except np.linalg.LinAlgError:  # the zero pivot divides instead
        packed, _, order = lu(xp, a)
        y = xp.take_along_axis(b, order[..., None], axis=-2)
        y = triangular_solve(xp, packed, y, left_side=True, lower=True, unit_diagonal=True)
        return triangular_solve(xp, packed, y, left_side=True)


def tridiagonal_solve(xp: ModuleType, dl: Array, d: Array, du: Array, b: Array) -> Array:
    """Solve ``a @ x = b`` for tridiagonal ``a``, by elimination with partial pivoting.

    Args:
      dl, d, du: shape ``(*B, n)``, below, on and above the diagonal: row ``i`` of ``a`` has
        ``dl[i], d[i], du[i]`` at ``i - 1, i, i + 1``; ``dl[0]`` and ``du[n - 1]`` are not read.
      b: shape ``(*B, n, k)``; the same dtype.

    Returns:
      ``x``, an array like ``b``; infinities and NaN where ``a`` is singular.

    Example:
      >>> d, off = np.array([2.0, 2.0]), np.array([0.0, 0.0])
      >>> tridiagonal_solve(np, off, d, off, np.ones((2, 1))).tolist()
      [[0.5], [0.5]]
    """
    n = d.shape[-1]
    # Row i becomes first[i], second[i], third[i] at columns i, i + 1, i + 2.
    first, second, x = xp.array(d), xp.array(du), xp.array(b)
    third = xp.zeros_like(second)
    if n:
        second[..., -1] = 0
    for i in range(n - 1):
        pivot, below = first[..., i].copy(), dl[..., i + 1]
        swap = _size(xp, pivot) < _size(xp, below)
        rows = [
            (pivot, below),
            (second[..., i].copy(), first[..., i + 1].copy()),
            (third[..., i].copy(), second[..., i + 1].copy()),
        ]
        upper = [xp.where(swap, q, p) for p, q in rows]
        lower = [xp.where(swap, p, q) for p, q in rows]
        factor = lower[0] / xp.where(upper[0] == 0, 1, upper[0])
        first[..., i], second[..., i], third[..., i] = upper
        first[..., i + 1] = lower[1] - factor * upper[1]
        second[..., i + 1] = lower[2] - factor * upper[2]
        top, bottom = x[..., i, :].copy(), x[..., i + 1, :].copy()
        x[..., i, :] = xp.where(swap[..., None], bottom, top)
        x[..., i + 1, :] = xp.where(swap[..., None], top, bottom)
        x[..., i + 1, :] -= factor[..., None] * x[..., i, :]
    for i in reversed(range(n)):
        if i + 1 < n:
            x[..., i, :] -= second[..., i, None] * x[..., i + 1, :]
        if i + 2 < n:
            x[..., i, :] -= third[..., i, None] * x[..., i + 2, :]
        x[..., i, :] /= first[..., i, None]
    return x


def adjugate(xp: ModuleType, a: Array) -> Array:
    """Transposed matrices of cofactors, so that ``a @ adjugate(a) = det(a) * I``.

    From ``a = u * s @ vh``: the adjugate of a product is the reversed product of the adjugates,
    and those of orthonormal and diagonal matrices are simple. So no division is done, and
    singular matrices are no exception.

    Args:
      a: shape ``(*B, n, n)``.

    Returns:
      An array like ``a``.

    Example:
      >>> adjugate(np, np.array([[3.0, 0.0], [0.0, 0.0]])).round(12).tolist()
      [[0.0, 0.0], [0.0, 3.0]]
    """
    u, s, vh = svd(xp, a)
    one = xp.ones_like(s[..., :1])
    before = xp.cumprod(xp.concatenate([one, s[..., :-1]], axis=-1), axis=-1)
    after = xp.concatenate([s[..., 1:], one], axis=-1) if s.shape[-1] else s
    after = xp.cumprod(after[..., ::-1], axis=-1)[..., ::-1]
    scale = (xp.linalg.det(u) * xp.linalg.det(vh))[..., None]
    return _adjoint(xp, vh) * (before * after * scale)[..., None, :] @ _adjoint(xp, u)


def _adjoint(xp: ModuleType, x: Array) -> Array:
    return xp.conj(xp.swapaxes(x, -1, -2))


def left_eigenvectors(xp: ModuleType, a: Array, w: Array) -> Array:
    """Left eigenvectors ``v.conj().T @ a = w * v.conj().T`` for the eigenvalues of `eig`.

    Args:
      a: shape ``(*B, n, n)``.
      w: shape ``(*B, n)``, complex.

    Returns:
      Complex vectors of norm 1 in the columns of an array of shape ``(*B, n, n)``.

    Example:
      >>> left_eigenvectors(np, np.array([[1.0, 1.0], [0.0, 2.0]]), np.array([1 + 0j, 2])).shape
      (2, 2)
    """
    found, v = eig(xp, _adjoint(xp, a))
    # The adjoint has the conjugate eigenvalues, in another order: each takes the nearest left.
    distance = xp.abs(xp.conj(w)[..., :, None] - found[..., None, :])
    order = xp.zeros(w.shape, xp.int64)
    for i in range(w.shape[-1]):
        nearest = distance[..., i, :].argmin(axis=-1)
        order[..., i] = nearest
        xp.put_along_axis(distance, nearest[..., None, None], xp.inf, axis=-1)
    return xp.take_along_axis(v, order[..., None, :], axis=-1)


def geqrf(xp: ModuleType, a: Array) -> tuple[Array, Array]:
    """QR as LAPACK packs it.

    Args:
      a: shape ``(*B, m, n)``; let ``k = min(m, n)``.

    Returns:
      An array like ``a`` with ``r`` on and above the diagonal and Householder vectors below it
      (their first element, 1, left out), and their factors ``taus`` of shape ``(*B, k)``.

    Example:
      >>> packed, taus = geqrf(np, np.ones((3, 2)))
      >>> packed.shape, taus.shape
      ((3, 2), (2,))
    """
    packed, taus = xp.linalg.qr(a, mode="raw")
    return xp.ascontiguousarray(xp.swapaxes(packed, -1, -2)), taus


def householder_product(xp: ModuleType, a: Array, taus: Array) -> Array:
    """The first columns of ``h[0] @ h[1] @ ...``, where ``h[i] = I - taus[i] * v v^H``.

    Args:
      a: shape ``(*B, m, n)``, ``m >= n``; ``v`` is column ``i`` with 1 at ``i`` and zeros above.
      taus: shape ``(*B, k)``, ``k <= n``.

    Returns:
      An array like ``a``.

    Example:
      >>> householder_product(np, np.zeros((2, 1)), np.array([2.0])).tolist()
      [[-1.0], [0.0]]
    """
    m, n = a.shape[-2:]
    out = xp.array(xp.broadcast_to(xp.eye(m, n, dtype=a.dtype), a.shape))
    for i in reversed(range(taus.shape[-1])):
        v = xp.array(a[..., i:, i : i + 1])
        v[..., 0, 0] = 1
        rest = out[..., i:, :]
        rest -= taus[..., i, None, None] * v @ (_adjoint(xp, v) @ rest)
    return out


def pivots_to_permutation(xp: ModuleType, pivots: Array, size: int) -> Array:
    """The order of rows after exchanging row 0 with row ``pivots[0]``, then 1, and so on.

    Args:
      pivots: integers of shape ``(*B, k)``.
      size: the number of rows, at least ``k``.

    Returns:
      An array of shape ``(*B, size)`` and the dtype of ``pivots``.

    Example:
      >>> pivots_to_permutation(np, np.array([2, 2]), 3).tolist()
      [2, 0, 1]
    """
    *batch, k = pivots.shape
    flat = pivots.reshape(math.prod(batch), k)
    order = xp.tile(xp.arange(size, dtype=pivots.dtype), (len(flat), 1))
    rows = xp.arange(len(flat))
    for i in range(k):
        chosen = order[rows, flat[:, i]]
        order[rows, flat[:, i]] = order[:, i]
        order[:, i] = chosen
    return order.reshape(*batch, size)


def _nan_where_impossible(
    xp: ModuleType, decompose: Callable[[Array], tuple[Array, ...]], a: Array
) -> tuple[Array, ...]:
    """``decompose(a)``, with NaN for the matrices that are not finite or cannot be decomposed."""
    impossible = ~xp.isfinite(a).all(axis=(-2, -1))
    placeholder = xp.eye(*a.shape[-2:], dtype=a.dtype)
    if impossible.any():
        a = xp.where(impossible[..., None, None], placeholder, a)
    try:
        results = decompose(a)
    except np.linalg.LinAlgError:  # CuPy raises NumPy's
        failed = _failures(xp, decompose, a.reshape(-1, *a.shape[-2:])).reshape(a.shape[:-2])
        impossible = impossible | failed
        results = decompose(xp.where(impossible[..., None, None], placeholder, a))
    if not impossible.any():
        return results
    return tuple(
        xp.where(
            impossible.reshape(impossible.shape + (1,) * (r.ndim - impossible.ndim)), xp.nan, r
        )
        for r in results
    )


def _failures(xp: ModuleType, decompose: Callable[[Array], tuple[Array, ...]], a: Array) -> Array:
    """Which matrices of ``a`` of shape ``(count, m, n)`` raise, found by bisection."""
    try:
        decompose(a)
    except np.linalg.LinAlgError:
        if len(a) == 1:
            return xp.ones(1, bool)
        middle = len(a) // 2
        halves = (_failures(xp, decompose, half) for half in (a[:middle], a[middle:]))
        return xp.concatenate(list(halves))
    return xp.zeros(len(a), bool)
