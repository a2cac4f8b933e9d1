"""Linear systems, inverses, determinants and products of chains of matrices."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import fx.numpy as jnp
from fx import dtypes
from fx.calls.custom import custom_jvp
from fx.core.array import Array
from fx.core.primitive import P
from fx.core.trace import Tracer
from fx.errors import FxValueError, ShapeError, public
from fx.numpy.linalg.checks import matrices, square
from fx.numpy.promotion import array, common_shape, expand_to, integer, promote_inexact
from fx.ops.linalg import adjoint, identity


class SlogdetResult(NamedTuple):
    """Sign (or phase) of a determinant, and the logarithm of its absolute value."""

    sign: Array
    logabsdet: Array


@public
def solve(a: Any, b: Any) -> Array:
    """x in a x = b, by elimination with partial pivoting.

    Args:
        a: array of shape (..., n, n); integers become floats.
        b: array of shape (n,), or (..., n, k); the leading axes broadcast.

    Returns:
        Array like `b`; infinite or NaN where `a` is singular.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.solve(jnp.array([[2.0, 0.0], [0.0, 4.0]]), jnp.array([2.0, 2.0]))
        Array([1. , 0.5], dtype=float32)
    """
    name = "numpy.linalg.solve"
    matrix, right = promote_inexact(name, a, b)
    square(name, matrix)
    n = matrix.shape[-1]
    vector = right.ndim == 1
    if right.ndim == 0 or right.shape[0 if vector else -2] != n:
        raise ShapeError(
            f"{name} of {matrix.aval.short()} expects b of shape ({n},) or (..., {n}, k), got "
            f"{right.aval.short()}. Vectors in the last axis of a stack: "
            "fx.numpy.linalg.solve(a, b[..., None])[..., 0]."
        )
    if vector:
        right = P.reshape(right, new_sizes=(n, 1))
    x = _solve(matrix, right, name)
    return P.squeeze(x, dimensions=(x.ndim - 1,)) if vector else x


def _solve(a: Any, b: Any, name: str) -> Any:
    lead = common_shape(name, [a.shape[:-2], b.shape[:-2]])
    if a.ndim == 2 and lead:
        # One matrix for many right sides, which become columns.
        count = b.ndim - 2
        order = (count, *range(count), count + 1)
        columns = P.transpose(b, permutation=order)
        flat = (columns.shape[0], math.prod(columns.shape[1:]))
        x = P.solve(a, P.reshape(columns, new_sizes=flat))
        back = (*range(1, count + 1), 0, count + 1)
        return P.transpose(P.reshape(x, new_sizes=columns.shape), permutation=back)
    return P.solve(expand_to(a, lead + a.shape[-2:]), expand_to(b, lead + b.shape[-2:]))


@public
def inv(a: Any) -> Array:
    """Inverse matrices.

    Args:
        a: array of shape (..., n, n); integers become floats.

    Returns:
        Array like `a`; infinite or NaN where it is singular.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.inv(jnp.array([[2.0, 0.0], [0.0, 4.0]]))
        Array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    matrix = square("numpy.linalg.inv", *promote_inexact("numpy.linalg.inv", a))
    return P.solve(matrix, identity(matrix, matrix.shape[-1]))


@public
def det(a: Any) -> Array:
    """Determinants; their derivatives are right for singular matrices too.

    Args:
        a: array of shape (..., n, n); integers become floats.

    Returns:
        Array of shape (...).

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> jnp.linalg.det(jnp.diag(jnp.array([2.0, 4.0])))
        Array(8., dtype=float32)
    """
    return P.det(square("numpy.linalg.det", *promote_inexact("numpy.linalg.det", a)))


@public
def slogdet(a: Any, *, method: str | None = None) -> SlogdetResult:
    """Determinants as sign and logarithm, which do not overflow.

    Args:
        a: array of shape (..., n, n); integers become floats.
        method: None, "lu" or "qr"; the result is the same.

    Returns:
        `(sign, logabsdet)`, arrays of shape (...): sign is -1, 0 or 1, or a complex number of
        absolute value 1 or 0; logabsdet is -inf where the matrix is singular.

    Raises:
        ShapeError: the matrices are not square.
        FxValueError: no such method.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.slogdet(-jnp.eye(3))
        SlogdetResult(sign=Array(-1., dtype=float32), logabsdet=Array(0., dtype=float32))
    """
    name = "numpy.linalg.slogdet"
    if method not in (None, "lu", "qr"):
        raise FxValueError(f"{name}: method must be None, 'lu' or 'qr', got {method!r}.")
    return SlogdetResult(*P.slogdet(square(name, *promote_inexact(name, a))))


# ------------------------------------------------------------------ least squares
@custom_jvp
def _pinv(a: Any, rtol: Any) -> Any:
    u, s, vh = P.svd(a, full_matrices=False, compute_uv=True)
    if not s.shape[-1]:
        return jnp.zeros(a.shape[:-2] + a.shape[-2:][::-1], a.dtype)
    cutoff = rtol[..., None] * s[..., :1]
    inverse = jnp.where(s > cutoff, 1 / jnp.where(s > cutoff, s, 1), 0)
    return (adjoint(vh) * inverse[..., None, :].astype(a.dtype)) @ adjoint(u)


@_pinv.defjvp
def _pinv_jvp(primals: Any, tangents: Any) -> Any:
    # Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    # problems whose variables separate", 1973, for matrices of locally constant rank.
    (a, rtol), (t, _) = primals, tangents
    p = _pinv(a, rtol)
    pt, th = adjoint(p), adjoint(t)
    within = p @ t @ p
    rows = p @ pt @ th
    columns = th @ pt @ p
    return p, rows - rows @ a @ p + columns - p @ a @ columns - within


def _cutoff(name: str, rtol: Any, a: Any, factor: float) -> Any:
    """The relative cutoff of singular values, by default a multiple of the rounding error."""
    real = dtypes.real_dtype(a.dtype)
    if rtol is None:
        rtol = factor * max(a.shape[-2:]) * float(dtypes.finfo(real).eps)
    return jnp.asarray(array(rtol, name), real)


@public
def pinv(a: Any, rtol: Any = None, hermitian: bool = False, *, rcond: Any = None) -> Array:
    """Pseudo-inverses (Moore and Penrose).

    Args:
        a: array of shape (..., m, n); integers become floats.
        rtol: singular values not above `rtol` times the largest count as 0; a number or array of
            shape (...). By default 10 max(m, n) eps.
        hermitian: whether `a` is Hermitian; the result is the same.
        rcond: another name of `rtol`.

    Returns:
        Array of shape (..., n, m).

    Raises:
        ShapeError: `a` has less than two axes.
        FxValueError: both `rtol` and `rcond` are given.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.pinv(jnp.array([[2.0], [0.0]]))
        Array([[0.5, 0. ]], dtype=float32)
    """
    name = "numpy.linalg.pinv"
    if rtol is not None and rcond is not None:
        raise FxValueError(f"{name} got both rtol and rcond, which mean the same; give rtol.")
    matrix = matrices(name, *promote_inexact(name, a))
    return _pinv(matrix, _cutoff(name, rcond if rtol is None else rtol, matrix, 10))


@public
def lstsq(
    a: Any, b: Any, rcond: float | None = None, *, numpy_resid: bool = False
) -> tuple[Array, Array, Array, Array]:
    """x of least norm among those for which the norm of b - a x is least.

    Args:
        a: array of shape (m, n); integers become floats.
        b: array of shape (m,) or (m, k).
        rcond: singular values not above `rcond` times the largest count as 0. By default
            max(m, n) eps.
        numpy_resid: return no residuals where NumPy does not (the rank is less than n, or m <= n);
            their shape then depends on values.

    Returns:
        `(x, residuals, rank, s)`: x of shape (n,) or (n, k), the sums of the squares of b - a x,
        of shape (1,) or (k,), the rank of a (int32), and its singular values.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> x, _, rank, _ = jnp.linalg.lstsq(jnp.ones((3, 1)), jnp.array([1.0, 2.0, 6.0]))
        >>> x.round(3), rank
        (Array([3.], dtype=float32), Array(1, dtype=int32))
    """
    name = "numpy.linalg.lstsq"
    matrix, right = promote_inexact(name, a, b)
    if matrix.ndim != 2 or right.ndim not in (1, 2) or right.shape[0] != matrix.shape[0]:
        raise ShapeError(
            f"{name} expects a of shape (m, n) and b of shape (m,) or (m, k), got "
            f"{matrix.aval.short()} and {right.aval.short()}. Map over stacks with fx.vmap."
        )
    tolerance = _cutoff(name, rcond if rcond is None or rcond >= 0 else None, matrix, 1)
    (s,) = P.svd(matrix, full_matrices=False, compute_uv=False)
    rank = jnp.sum(s > tolerance * s[:1], dtype=np.int32)
    columns = right if right.ndim == 2 else right[:, None]
    x = _pinv(matrix, tolerance) @ columns
    rest = columns - matrix @ x
    residuals = jnp.sum(jnp.real(rest * jnp.conj(rest)), axis=0)
    m, n = matrix.shape
    if numpy_resid and (m <= n or (not isinstance(rank, Tracer) and int(rank) < n)):
        residuals = jnp.zeros((0,), residuals.dtype)
    return x if right.ndim == 2 else x[:, 0], residuals, rank, s


# ------------------------------------------------------------------ tensors, powers, chains
@public
def tensorinv(a: Any, ind: int = 2) -> Array:
    """The inverse of the map from the last axes of an array to its first ones.

    Args:
        a: array; the products of the sizes of its first `ind` axes and of the others agree.
        ind: how many axes come first, at least 1.

    Returns:
        Array of shape a.shape[ind:] + a.shape[:ind].

    Raises:
        FxValueError: `ind` is less than 1.
        ShapeError: the products differ.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.tensorinv(jnp.eye(6).reshape(6, 2, 3), ind=1).shape
        (2, 3, 6)
    """
    name = "numpy.linalg.tensorinv"
    (x,) = promote_inexact(name, a)
    count = integer(ind, name, "ind")
    if count < 1:
        raise FxValueError(f"{name}: ind must be positive, got {count}.")
    n, m = math.prod(x.shape[:count]), math.prod(x.shape[count:])
    if n != m:
        raise ShapeError(
            f"{name} of {x.aval.short()} with ind={count}: the first axes hold {n} elements and "
            f"the others {m}; expected equal numbers."
        )
    out = inv(P.reshape(x, new_sizes=(n, m)))
    return P.reshape(out, new_sizes=x.shape[count:] + x.shape[:count])


@public
def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Array:
    """x in tensordot(a, x, x.ndim) = b.

    Args:
        a: array of shape b.shape + x.shape, both of one number of elements.
        b: array.
        axes: axes of `a` to move to its end first.

    Returns:
        The array x.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.tensorsolve(jnp.eye(6).reshape(6, 2, 3), jnp.ones(6)).shape
        (2, 3)
    """
    name = "numpy.linalg.tensorsolve"
    x, y = promote_inexact(name, a, b)
    if axes is not None:
        x = jnp.moveaxis(x, tuple(axes), tuple(range(x.ndim - len(tuple(axes)), x.ndim)))
    shape = x.shape[y.ndim :]
    n = math.prod(shape)
    if x.shape[: y.ndim] != y.shape or y.size != n:
        raise ShapeError(
            f"{name} expects a of shape b.shape + x.shape, with as many elements in b as in x, got "
            f"{x.aval.short()} and {y.aval.short()}."
        )
    out = P.solve(P.reshape(x, new_sizes=(n, n)), P.reshape(y, new_sizes=(n, 1)))
    return P.reshape(out, new_sizes=shape)


@public
def matrix_power(a: Any, n: int) -> Array:
    """Powers of square matrices, by repeated squaring.

    Args:
        a: array of shape (..., m, m).
        n: a Python integer; a negative one inverts first.

    Returns:
        Array like `a`; for negative `n` integers become floats.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.matrix_power(jnp.array([[1, 1], [0, 1]]), 5)
        Array([[1, 5],
               [0, 1]], dtype=int32)
    """
    name = "numpy.linalg.matrix_power"
    power = integer(n, name, "n")
    base = square(name, array(a, name))
    if power < 0:
        base, power = inv(base), -power
    if power == 0:
        return jnp.broadcast_to(jnp.eye(base.shape[-1], dtype=base.dtype), base.shape)
    result = None
    while True:
        if power & 1:
            result = base if result is None else result @ base
        power >>= 1
        if not power:
            return result  # type: ignore[return-value]
        base = base @ base


@public
def multi_dot(arrays: Sequence[Any], *, precision: Any = None) -> Array:
    """The product of several matrices, in the order that needs the fewest multiplications.

    Args:
        arrays: two or more matrices; the first and the last may be vectors.
        precision: hint to backends with several speeds.

    Returns:
        Array: a matrix, a vector or a scalar.

    Raises:
        FxValueError: less than two arrays.
        ShapeError: an array has another rank, or sizes do not agree.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.multi_dot([jnp.ones((2, 9)), jnp.ones((9, 9)), jnp.ones(9)])
        Array([81., 81.], dtype=float32)
    """
    name = "numpy.linalg.multi_dot"
    xs = [array(x, name) for x in arrays]
    if len(xs) < 2:
        raise FxValueError(f"{name} expects at least two arrays, got {len(xs)}.")
    for i, x in enumerate(xs):
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, len(xs) - 1)):
            raise ShapeError(
                f"{name} expects matrices, or vectors as the first and the last; array {i} is "
                f"{x.aval.short()}."
            )
    letters = [string.ascii_letters[i : i + 2] for i in range(len(xs))]
    if xs[0].ndim == 1:
        letters[0] = letters[0][1]
    if xs[-1].ndim == 1:
        letters[-1] = letters[-1][0]
    kept = (letters[0][0] if xs[0].ndim == 2 else "") + (letters[-1][1] if xs[-1].ndim == 2 else "")
    equation = f"{','.join(letters)}->{kept}"
    return jnp.einsum(equation, *xs, optimize="optimal", precision=precision)
