"""Functions of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx import lax
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxValueError, ShapeError, public
from fx.numpy.promotion import convert, integer, promote_inexact
from fx.ops.linalg import adjoint
from fx.ops.reduce import accumulator
from fx.transforms.grad import jvp

# Coefficients of the Padé approximants of exp, and the norm up to which they are exact to rounding:
# Higham, "The scaling and squaring method for the matrix exponential revisited", 2005, table 2.3.
_PADE = {
    4: (7, 3.925724783138660),
    8: (13, 5.371920351148152),
}


def _coefficients(order: int) -> list[float]:
    """Coefficients of the numerator, of which the last is 1."""
    f = math.factorial
    return [float(f(2 * order - k) // (f(k) * f(order - k))) for k in range(order + 1)]


def _square_matrix(name: str, a: Any) -> Any:
    (x,) = promote_inexact(name, a)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"{name} expects square matrices, of shape (..., n, n), got {x.aval.short()}."
        )
    return x


def _pade(a: Any, order: int, upper: bool) -> Any:
    """(-u + v)^-1 (u + v), with the odd and even parts u and v of a polynomial."""
    b = _coefficients(order)
    eye = jnp.eye(a.shape[-1], dtype=a.dtype)
    square = a @ a
    power, odd, even = eye, b[1] * eye, b[0] * eye
    for k in range(2, order, 2):
        power = square if k == 2 else power @ square
        odd, even = odd + b[k + 1] * power, even + b[k] * power
    odd = a @ odd
    if upper:
        return lax.linalg.triangular_solve(even - odd, even + odd, left_side=True)
    return P.solve(even - odd, even + odd)


@public
def expm(A: Any, *, upper_triangular: bool = False, max_squarings: int = 16) -> Array:
    """Exponentials of matrices, by scaling, a Padé approximant and squaring.

    Args:
        A: array of shape (..., n, n); integers become floats.
        upper_triangular: whether the matrices are upper triangular, which saves work.
        max_squarings: how often the result may be squared: norms (largest column sums) up to
            about 4 * 2 ** max_squarings are possible.

    Returns:
        Array like `A`; NaN where the norm is larger.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.expm(fx.numpy.array([[0.0, 1.0], [0.0, 0.0]]))
        Array([[1., 1.],
               [0., 1.]], dtype=float32)
    """
    name = "scipy.linalg.expm"
    a = _square_matrix(name, A)
    limit = integer(max_squarings, name, "max_squarings")
    wide = convert(a, accumulator(a.dtype)) if accumulator(a.dtype) != a.dtype else a
    out = _expm(wide, bool(upper_triangular), limit)
    return out if wide is a else convert(out, a.dtype)


def _expm(a: Any, upper: bool, limit: int) -> Any:
    if not a.size:
        return a
    real = a.real.dtype
    order, bound = _PADE[real.itemsize]
    norm = lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(a), axis=-2), axis=-1))
    count = jnp.maximum(0, jnp.ceil(jnp.log2(norm / bound)))
    scale = jnp.exp2(-jnp.minimum(count, limit))
    result = _pade(a * scale[..., None, None].astype(a.dtype), order, upper)

    def square(r: Any, i: Any) -> tuple[Any, None]:
        # Where no squaring is left the identity takes the place of r, so that nothing overflows.
        more = (i < count)[..., None, None]
        safe = jnp.where(more, r, 0)
        return jnp.where(more, safe @ safe, r), None

    steps = jnp.arange(limit, dtype=real)
    result, _ = lax.scan(square, result, steps)
    return jnp.where((count > limit)[..., None, None], np.nan, result)


@public
def expm_frechet(A: Any, E: Any, *, method: str | None = None, compute_expm: bool = True) -> Any:
    """The derivative of `expm` at A in the direction E.

    Args:
        A, E: arrays of shape (..., n, n).
        method: ignored.
        compute_expm: whether to return the exponential too.

    Returns:
        `(expm(A), derivative)`, or the derivative.

    Raises:
        ShapeError: the matrices are not square, or their shapes differ.

    Example:
        >>> import fx
        >>> zero, one = fx.numpy.zeros((1, 1)), fx.numpy.ones((1, 1))
        >>> fx.scipy.linalg.expm_frechet(zero, one, compute_expm=False)
        Array([[1.]], dtype=float32)
    """
    name = "scipy.linalg.expm_frechet"
    a, e = promote_inexact(name, A, E)
    if a.shape != e.shape:
        raise ShapeError(
            f"{name} expects A and E of one shape, got {a.aval.short()} and {e.aval.short()}."
        )
    out, tangent = jvp(expm, (a,), (e,))
    return (out, tangent) if compute_expm else tangent


@public
def polar(
    a: Any,
    side: str = "right",
    *,
    method: str = "qdwh",
    eps: float | None = None,
    max_iterations: int | None = None,
) -> tuple[Array, Array]:
    """Polar decomposition: a = u p, or p u, with orthonormal u and Hermitian p.

    Args:
        a: array of shape (m, n).
        side: "right": a = u p; "left": a = p u.
        method, eps, max_iterations: ignored: singular values are used.

    Returns:
        `(u, p)`: an array like `a`, and one of shape (n, n), or (m, m) for the left side.

    Raises:
        FxValueError: `side` is something else.

    Example:
        >>> import fx
        >>> fx.scipy.linalg.polar(fx.numpy.array([[-2.0]]))
        (Array([[-1.]], dtype=float32), Array([[2.]], dtype=float32))
    """
    name = "scipy.linalg.polar"
    if side not in ("right", "left"):
        raise FxValueError(f"{name}: side must be 'right' or 'left', got {side!r}.")
    (matrix,) = promote_inexact(name, a)
    u, s, vh = lax.linalg.svd(matrix, full_matrices=False)
    s = s[..., None, :].astype(u.dtype)
    positive = (adjoint(vh) * s) @ vh if side == "right" else (u * s) @ adjoint(u)
    return u @ vh, positive
