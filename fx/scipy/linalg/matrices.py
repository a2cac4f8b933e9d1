"""Matrices with a structure, made of vectors or of their size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx.core.array import Array
from fx.errors import FxValueError, ShapeError, public
from fx.numpy.promotion import a_dtype, array, arrays, integer, promote, promote_inexact


def _vector(x: Any, name: str) -> Any:
    (a,) = arrays(name, x)
    if a.ndim != 1:
        raise ShapeError(f"{name} expects a vector, got {a.aval.short()}.")
    return a


def _size(n: Any, name: str) -> int:
    size = integer(n, name, "n")
    if size < 0:
        raise FxValueError(f"{name}: n must not be negative, got {size}.")
    return size


@public
def block_diag(*arrs: Any) -> Array:
    """A matrix with the given ones along its diagonal, and zeros elsewhere.

    Args:
        arrs: matrices; vectors are rows, scalars are 1 x 1.

    Returns:
        Matrix of the dtype to which they promote.

    Raises:
        ShapeError: an array has more than two axes.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.block_diag(fx.numpy.ones((1, 2)), 5.0)
        Array([[1., 1., 0.],
               [0., 0., 5.]], dtype=float32)
    """
    name = "scipy.linalg.block_diag"
    blocks = promote(name, *[array(a, name) for a in arrs]) if arrs else [jnp.zeros((1, 0))]
    for b in blocks:
        if b.ndim > 2:
            raise ShapeError(f"{name} expects matrices, got {b.aval.short()}.")
    blocks = [jnp.atleast_2d(b) for b in blocks]
    width, before, rows = sum(b.shape[1] for b in blocks), 0, []
    for b in blocks:
        rows.append(jnp.pad(b, ((0, 0), (before, width - before - b.shape[1]))))
        before += b.shape[1]
    return jnp.concatenate(rows, axis=0)


@public
def toeplitz(c: Any, r: Any = None) -> Array:
    """Matrices with constant diagonals.

    Args:
        c: first column, shape (..., n).
        r: first row, shape (..., m), whose first element is not used; by default conj(c).

    Returns:
        Array of shape (..., n, m).

    Raises:
        ShapeError: the leading axes do not broadcast.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.toeplitz(fx.numpy.array([1, 2, 3]))
        Array([[1, 2, 3],
               [2, 1, 2],
               [3, 2, 1]], dtype=int32)
    """
    name = "scipy.linalg.toeplitz"
    column = jnp.atleast_1d(array(c, name))
    row = jnp.conj(column) if r is None else jnp.atleast_1d(array(r, name))
    column, row = promote(name, column, row)
    n, m = column.shape[-1], row.shape[-1]
    lead = jnp.broadcast_shapes(column.shape[:-1], row.shape[:-1])
    column = jnp.broadcast_to(column, (*lead, n))
    row = jnp.broadcast_to(row, (*lead, m))
    values = jnp.concatenate([jnp.flip(row[..., 1:], -1), column], axis=-1)
    return values[..., np.arange(n)[:, None] - np.arange(m) + max(m - 1, 0)]


@public
def hankel(c: Any, r: Any = None) -> Array:
    """A matrix with constant antidiagonals.

    Args:
        c: first column, shape (n,).
        r: last row, shape (m,), whose first element is not used; by default zeros.

    Returns:
        Array of shape (n, m).

    Raises:
        ShapeError: an argument is not a vector.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.hankel(fx.numpy.array([1, 2]), fx.numpy.array([0, 5]))
        Array([[1, 2],
               [2, 5]], dtype=int32)
    """
    name = "scipy.linalg.hankel"
    column = _vector(c, name)
    row = jnp.zeros_like(column) if r is None else _vector(r, name)
    column, row = promote(name, column, row)
    values = jnp.concatenate([column, row[1:]])
    return values[np.arange(column.shape[0])[:, None] + np.arange(row.shape[0])]


@public
def circulant(c: Any) -> Array:
    """Matrices whose columns are cyclic shifts of a vector.

    Args:
        c: first column, shape (..., n).

    Returns:
        Array of shape (..., n, n).

    Raises:
        ShapeError: `c` is a scalar.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.circulant(fx.numpy.array([1, 2, 3]))
        Array([[1, 3, 2],
               [2, 1, 3],
               [3, 2, 1]], dtype=int32)
    """
    name = "scipy.linalg.circulant"
    column = array(c, name)
    if not column.ndim:
        raise ShapeError(f"{name} expects vectors, of shape (..., n), got a scalar.")
    n = column.shape[-1]
    return column[..., (np.arange(n)[:, None] - np.arange(n)) % max(n, 1)]


@public
def companion(a: Any) -> Array:
    """The matrix whose eigenvalues are the roots of a polynomial.

    Args:
        a: coefficients, the highest power first, shape (n,), n > 1.

    Returns:
        Array of shape (n - 1, n - 1).

    Raises:
        ShapeError: `a` is not a vector of two elements or more.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.companion(fx.numpy.array([1.0, -3.0, 2.0]))
        Array([[ 3., -2.],
               [ 1.,  0.]], dtype=float32)
    """
    name = "scipy.linalg.companion"
    (coefficients,) = promote_inexact(name, _vector(a, name))
    n = coefficients.shape[0]
    if n < 2:
        raise ShapeError(f"{name} expects two coefficients or more, got {n}.")
    first = -coefficients[1:] / coefficients[0]
    below = jnp.eye(n - 2, n - 1, dtype=first.dtype)
    return jnp.concatenate([first[None], below])


@public
def convolution_matrix(a: Any, n: int, mode: str = "full") -> Array:
    """The matrix m with m @ x = convolve(a, x, mode) for vectors x of n elements.

    Args:
        a: vector, not empty.
        n: size of x, positive.
        mode: "full", "same" or "valid".

    Returns:
        Matrix with n columns.

    Raises:
        ShapeError, FxValueError: an argument is something else.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.convolution_matrix(fx.numpy.array([1, 2]), 2)
        Array([[1, 0],
               [2, 1],
               [0, 2]], dtype=int32)
    """
    name = "scipy.linalg.convolution_matrix"
    kernel, size = _vector(a, name), integer(n, name, "n")
    k = kernel.shape[0]
    if size < 1 or k < 1:
        raise FxValueError(f"{name} expects a vector and a positive n, got {k} elements, n={size}.")
    if mode not in ("full", "same", "valid"):
        raise FxValueError(f"{name}: mode must be 'full', 'same' or 'valid', got {mode!r}.")
    zeros = jnp.zeros(size - 1, kernel.dtype)
    full = toeplitz(jnp.concatenate([kernel, zeros]), jnp.concatenate([kernel[:1], zeros]))
    rows = {"full": size + k - 1, "same": max(size, k), "valid": max(size, k) - min(size, k) + 1}
    start = (full.shape[0] - rows[mode]) // 2
    return full[start : start + rows[mode]]


@public
def dft(n: int, scale: str | None = None, *, dtype: Any = None) -> Array:
    """The matrix of the discrete Fourier transform: dft(n) @ x = fft(x).

    Args:
        n: size.
        scale: None, "sqrtn" or "n": what to divide by.
        dtype: of the result, complex64 by default.

    Returns:
        Complex array of shape (n, n).

    Raises:
        FxValueError: `n` is negative, or there is no such scale.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.dft(2).real
        Array([[ 1.,  1.],
               [ 1., -1.]], dtype=float32)
    """
    name = "scipy.linalg.dft"
    size = _size(n, name)
    if scale not in (None, "sqrtn", "n"):
        raise FxValueError(f"{name}: scale must be None, 'sqrtn' or 'n', got {scale!r}.")
    turns = np.outer(np.arange(size), np.arange(size)) % max(size, 1)
    values = np.exp(-2j * np.pi * turns / max(size, 1))
    values = values / {None: 1, "sqrtn": math.sqrt(size), "n": size}[scale]
    return jnp.asarray(values, a_dtype(dtype, name) or np.dtype(np.complex64))


@public
def hilbert(n: int) -> Array:
    """The matrix of 1 / (i + j + 1), which is hard to invert.

    Args:
        n: size.

    Returns:
        float32 array of shape (n, n).

    Raises:
        FxValueError: `n` is negative.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.hilbert(2)
        Array([[1.        , 0.5       ],
               [0.5       , 0.33333334]], dtype=float32)
    """
    i = np.arange(_size(n, "scipy.linalg.hilbert"))
    return jnp.asarray(1 / (i[:, None] + i + 1), np.float32)


@public
def pascal(n: int, kind: str | None = None) -> Array:
    """The matrix of binomial coefficients.

    Args:
        n: size.
        kind: "symmetric" (also None): choose(i + j, i); "lower": choose(i, j); or "upper".

    Returns:
        float32 array of shape (n, n).

    Raises:
        FxValueError: `n` is negative, or there is no such kind.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.pascal(3)
        Array([[1., 1., 1.],
               [1., 2., 3.],
               [1., 3., 6.]], dtype=float32)
    """
    name = "scipy.linalg.pascal"
    size = _size(n, name)
    if kind not in (None, "symmetric", "lower", "upper"):
        raise FxValueError(f"{name}: kind must be 'symmetric', 'lower' or 'upper', got {kind!r}.")
    lower = np.array([[math.comb(i, j) for j in range(size)] for i in range(size)], float)
    lower = lower.reshape(size, size)
    values = {"lower": lower, "upper": lower.T}.get(kind or "", lower @ lower.T)
    return jnp.asarray(values, np.float32)


@public
def hadamard(n: int, dtype: Any = int) -> Array:
    """Sylvester's matrix of 1 and -1 with orthogonal columns.

    Args:
        n: size, a power of 2.
        dtype: of the result.

    Returns:
        Array of shape (n, n).

    Raises:
        FxValueError: `n` is not a power of 2.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.hadamard(2)
        Array([[ 1,  1],
               [ 1, -1]], dtype=int32)
    """
    name = "scipy.linalg.hadamard"
    size = integer(n, name, "n")
    if size < 1 or size & (size - 1):
        raise FxValueError(f"{name}: n must be a power of 2, got {size}.")
    common = np.arange(size)[:, None] & np.arange(size)
    return jnp.asarray(1 - 2 * (np.bitwise_count(common) % 2).astype(int), dtype=dtype)


@public
def helmert(n: int, full: bool = False) -> Array:
    """Orthonormal contrasts: rows that compare an element with the mean of those before it.

    Args:
        n: size.
        full: whether to keep the first row, of equal elements.

    Returns:
        float32 array of shape (n, n), or (n - 1, n).

    Raises:
        FxValueError: `n` is negative.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.helmert(2)
        Array([[ 0.70710677, -0.70710677]], dtype=float32)
    """
    size = _size(n, "scipy.linalg.helmert")
    i = np.arange(1, size)
    rows = np.tril(np.ones((size, size)), -1)[1:]
    rows[i - 1, i] = -i
    rows = rows / np.sqrt(i * (i + 1))[:, None]
    if full:
        rows = np.concatenate([np.full((min(size, 1), size), 1 / math.sqrt(max(size, 1))), rows])
    return jnp.asarray(rows, np.float32)


@public
def fiedler(a: Any) -> Array:
    """The matrix of |a[i] - a[j]|.

    Args:
        a: vector (n,).

    Returns:
        Array of shape (n, n).

    Raises:
        ShapeError: `a` is not a vector.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.fiedler(fx.numpy.array([1, 4]))
        Array([[0, 3],
               [3, 0]], dtype=int32)
    """
    x = _vector(a, "scipy.linalg.fiedler")
    return jnp.abs(x[:, None] - x)


@public
def leslie(f: Any, s: Any) -> Array:
    """The matrix of a population's growth by age.

    Args:
        f: births in each age, shape (n,).
        s: survival from each age to the next, shape (n - 1,).

    Returns:
        Array of shape (n, n).

    Raises:
        ShapeError: the shapes are others.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.leslie(fx.numpy.array([0.0, 2.0]), fx.numpy.array([0.5]))
        Array([[0. , 2. ],
               [0.5, 0. ]], dtype=float32)
    """
    name = "scipy.linalg.leslie"
    births, survival = promote(name, _vector(f, name), _vector(s, name))
    if births.shape[0] != survival.shape[0] + 1:
        raise ShapeError(
            f"{name} expects s to have one element less than f, got {births.aval.short()} and "
            f"{survival.aval.short()}."
        )
    below = jnp.diag(survival)
    below = jnp.pad(below, ((0, 0), (0, 1)))
    return jnp.concatenate([births[None], below])
