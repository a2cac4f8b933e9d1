"""Polynomials as vectors of coefficients, the highest power first, as in `numpy.polyval`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fx import dtypes
from fx.calls.scan import scan
from fx.core.array import Array, to_array
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.lax import linalg
from fx.numpy import arithmetic, creation, elementary, joining, reductions, selection
from fx.numpy.diagonals import diag, vander
from fx.numpy.joining import atleast_1d
from fx.numpy.products import outer
from fx.numpy.promotion import common_shape, integer, promote, promote_inexact
from fx.numpy.signal import convolve

_UNROLLED = 32  # coefficients up to which Horner's scheme is written out


def _coefficients(name: str, *ps: Any) -> list[Any]:
    arrays = [atleast_1d(p) for p in promote(name, *ps)]
    for p in arrays:
        if p.ndim != 1:
            raise ShapeError(
                f"{name} expects vectors of coefficients, got {p.aval.short()}. Use fx.vmap for "
                "many polynomials."
            )
    return arrays


@public
def polyval(p: Any, x: Any, *, unroll: int = 16) -> Array:
    """Values of a polynomial: `p[0] * x**(n - 1) + ... + p[n - 1]`, by Horner's scheme.

    Args:
        p: n coefficients, the highest power first; further axes broadcast against x.
        x: where, of any shape.
        unroll: accepted as in JAX.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.polyval(jnp.array([1.0, 0.0, -1.0]), jnp.array([2.0, 3.0]))
        Array([3., 8.], dtype=float32)
    """
    integer(unroll, "numpy.polyval", "unroll")
    p, x = promote("numpy.polyval", p, x)
    if not p.ndim:
        raise ShapeError("numpy.polyval expects a vector of coefficients, got a scalar.")
    shape = common_shape("numpy.polyval", [p.shape[1:], x.shape])
    y: Any = creation.zeros(shape, p.dtype)
    if p.shape[0] > _UNROLLED:
        return scan(lambda y, c: (y * x + c, None), y, p)[0]
    for i in range(p.shape[0]):
        y = y * x + p[i]
    return y


@public
def polyadd(a1: Any, a2: Any) -> Array:
    """Coefficients of a sum.

    Args:
        a1, a2: coefficients, the highest power first.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.polyadd(jnp.array([1, 2]), jnp.array([3, 0, 1]))
        Array([3, 1, 3], dtype=int32)
    """
    a, b = _aligned("numpy.polyadd", a1, a2)
    return a + b


@public
def polysub(a1: Any, a2: Any) -> Array:
    """Coefficients of a difference; arguments as in `polyadd`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.polysub(jnp.array([1, 2]), jnp.array([3, 0, 1]))
        Array([-3, 1, 1], dtype=int32)
    """
    a, b = _aligned("numpy.polysub", a1, a2)
    return a - b


def _aligned(name: str, *ps: Any) -> list[Any]:
    """Coefficient vectors of one length, with zeros in front."""
    arrays = _coefficients(name, *ps)
    length = max(p.shape[0] for p in arrays)
    return [_padded(p, length) for p in arrays]


def _padded(p: Any, length: int) -> Any:
    missing = creation.zeros(length - p.shape[0], p.dtype)
    return joining.concatenate([missing, p]) if missing.size else p


@public
def polymul(a1: Any, a2: Any, *, trim_leading_zeros: bool = False) -> Array:
    """Coefficients of a product.

    Args:
        a1, a2: coefficients, the highest power first; integers become the default float.
        trim_leading_zeros: drop zeros in front of the factors; their values must be known.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.polymul(jnp.array([1.0, 1.0]), jnp.array([1.0, -1.0]))
        Array([ 1., 0., -1.], dtype=float32)
    """
    a, b = _coefficients("numpy.polymul", *promote_inexact("numpy.polymul", a1, a2))
    if trim_leading_zeros:
        a, b = (_trimmed(p, "numpy.polymul: trim_leading_zeros") for p in (a, b))
    return convolve(a, b, mode="full")


def _trimmed(p: Any, what: str) -> Any:
    """Without zeros in front, but at least one coefficient."""
    data = np.asarray(to_array(p, what))
    found = np.flatnonzero(data)
    return p[found[0] if found.size else len(data) - 1 :] if len(data) else p


@public
def polydiv(u: Any, v: Any, *, trim_leading_zeros: bool = False) -> tuple[Array, Array]:
    """Quotient and remainder of a division of polynomials.

    Args:
        u, v: coefficients, the highest power first; v[0] must not be 0.
        trim_leading_zeros: drop zeros in front of the remainder; its values must be known.

    Returns:
        `(quotient, remainder)` with u = quotient v + remainder; the remainder has the length of u.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.polydiv(jnp.array([1.0, 0.0, -1.0]), jnp.array([1.0, 1.0]))
        (Array([ 1., -1.], dtype=float32), Array([0., 0., 0.], dtype=float32))
    """
    a, b = _coefficients("numpy.polydiv", *promote_inexact("numpy.polydiv", u, v))
    m, n = a.shape[0] - 1, b.shape[0] - 1
    if n < 0 or m < 0:
        raise ShapeError("numpy.polydiv expects at least one coefficient on each side.")
    steps = max(m - n + 1, 1)
    quotient: Any = creation.zeros(steps, a.dtype)
    for k in range(max(m - n + 1, 0)):
        factor = a[k] / b[0]
        quotient = quotient.at[k].set(factor)
        a = a.at[k : k + n + 1].add(-factor * b)
    return quotient, _trimmed(a, "numpy.polydiv") if trim_leading_zeros else a


@public
def polyder(p: Any, m: int = 1) -> Array:
    """Coefficients of a derivative.

    Args:
        p: coefficients, the highest power first; integers become the default float.
        m: how many times to differentiate.

    Raises:
        FxValueError: m is negative.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.polyder(jnp.array([1.0, 2.0, 3.0]))
        Array([2., 2.], dtype=float32)
    """
    (p,) = _coefficients("numpy.polyder", *promote_inexact("numpy.polyder", p))
    times = _order(m, "numpy.polyder")
    powers = np.arange(p.shape[0])[::-1]
    factors = np.ones(p.shape[0])
    for k in range(min(times, p.shape[0])):
        factors = factors * (powers - k)
    kept = max(p.shape[0] - times, 0)
    return p[:kept] * factors[:kept].astype(p.dtype)


def _order(m: Any, name: str) -> int:
    order = integer(m, name, "m")
    if order < 0:
        raise FxValueError(f"{name}: the order m must be at least 0, got {order}.")
    return order


@public
def polyint(p: Any, m: int = 1, k: Any = None) -> Array:
    """Coefficients of an integral.

    Args:
        p: coefficients, the highest power first; integers become the default float.
        m: how many times to integrate.
        k: the m constants of integration, a scalar if m is 1; zeros if None.

    Raises:
        FxValueError: m is negative, or there are not m constants.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.polyint(jnp.array([2.0, 2.0]), k=5.0)
        Array([1., 2., 5.], dtype=float32)
    """
    times = _order(m, "numpy.polyint")
    (p,) = _coefficients("numpy.polyint", *promote_inexact("numpy.polyint", p))
    constants = _constants(k, times, p.dtype)
    for i in range(times):
        degrees = np.arange(p.shape[0], 0, -1).astype(p.dtype)
        p = joining.concatenate([p / degrees, constants[i : i + 1].astype(p.dtype)])
    return p


def _constants(k: Any, times: int, dtype: Any) -> Any:
    if k is None:
        return creation.zeros(times, dtype)
    values = atleast_1d(k)
    if values.shape == (1,) and times > 1:
        values = creation.full((times,), values[0])
    if values.shape != (times,):
        raise FxValueError(
            f"numpy.polyint: m={times} integrations need {times} constants k, got "
            f"{values.aval.short()}."
        )
    return values


def _eigenvalues(matrix: Any) -> Any:
    return linalg.eig(matrix, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]


@public
def poly(seq_of_zeros: Any) -> Array:
    """Coefficients of the polynomial with given zeros, or the characteristic one of a matrix.

    Args:
        seq_of_zeros: a vector of zeros, or a square matrix.

    Raises:
        ShapeError: neither a vector nor a square matrix.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.poly(jnp.array([1.0, -1.0]))
        Array([ 1., 0., -1.], dtype=float32)
    """
    (zeros,) = promote_inexact("numpy.poly", seq_of_zeros)
    zeros = atleast_1d(zeros)
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] and zeros.shape[0]:
        zeros = _eigenvalues(zeros)
    if zeros.ndim != 1:
        raise ShapeError(
            f"numpy.poly expects a vector of zeros or a square matrix, got {zeros.aval.short()}."
        )
    p: Any = creation.ones(1, zeros.dtype)
    none = creation.zeros(1, zeros.dtype)
    for i in range(zeros.shape[0]):
        p = joining.concatenate([p, none]) - zeros[i] * joining.concatenate([none, p])
    return p


@public
def roots(p: Any, *, strip_zeros: bool = True) -> Array:
    """Zeros of a polynomial: the eigenvalues of its companion matrix.

    Args:
        p: coefficients, the highest power first.
        strip_zeros: drop zero coefficients at both ends, whose values must be known; False is for
            jit, and then the first coefficient must not be 0.

    Returns:
        A complex vector.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.sort(jnp.roots(jnp.array([1.0, 0.0, -4.0]))).real
        Array([-2., 2.], dtype=float32)
    """
    (p,) = _coefficients("numpy.roots", *promote_inexact("numpy.roots", p))
    kind = dtypes.complex_dtype(p.dtype)
    zeros = 0
    if strip_zeros:
        known = np.flatnonzero(np.asarray(p))
        if not known.size:
            return creation.zeros(0, kind)
        zeros = p.shape[0] - 1 - int(known[-1])
        p = p[int(known[0]) : int(known[-1]) + 1]
    degree = max(p.shape[0] - 1, 0)
    none = creation.zeros(zeros, kind)
    if not degree:
        return none
    companion = diag(creation.ones(degree - 1, p.dtype), k=-1).at[0].set(-p[1:] / p[0])
    return joining.concatenate([_eigenvalues(companion), none])


@public
def polyfit(
    x: Any,
    y: Any,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Any = None,
    cov: bool | str = False,
) -> Any:
    """The polynomial that fits points best in the sense of least squares.

    Args:
        x: where, a vector of n numbers.
        y: values, of shape (n,) or (n, k) for k fits.
        deg: the degree.
        rcond: singular values below this part of the largest one count as zero; n times the
            dtype's epsilon if None.
        full: also return residuals, rank, singular values and rcond.
        w: weights of the residuals, of shape (n,).
        cov: also return the covariance of the coefficients; "unscaled" without the variance of
            the residuals.

    Returns:
        Coefficients of shape (deg + 1,) or (deg + 1, k), the highest power first, alone or in a
        tuple.

    Raises:
        FxValueError: the degree is negative.
        ShapeError: x is no vector, y or w do not fit it.

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.arange(4.0)
        >>> jnp.round(jnp.polyfit(x, 2 * x + 1, 1), 3)
        Array([2., 1.], dtype=float32)
    """
    x, y = promote_inexact("numpy.polyfit", x, y)
    order = integer(deg, "numpy.polyfit", "deg") + 1
    if order < 1:
        raise FxValueError(f"numpy.polyfit: the degree must be at least 0, got {deg}.")
    if x.ndim != 1 or not x.size or y.ndim not in (1, 2) or y.shape[0] != x.shape[0]:
        raise ShapeError(
            f"numpy.polyfit expects x of shape (n,) and y of shape (n,) or (n, k), n > 0, got "
            f"{x.aval.short()} and {y.aval.short()}."
        )
    if rcond is None:
        rcond = len(x) * float(dtypes.finfo(x.dtype).eps)
    left, right = vander(x, order), y
    if w is not None:
        weights = to_array(w, "numpy.polyfit").astype(x.dtype)
        if weights.shape != x.shape:
            raise ShapeError(f"numpy.polyfit: w must have shape {x.shape}, got {weights.shape}.")
        left = left * weights[:, None]
        right = right * (weights[:, None] if right.ndim == 2 else weights)
    scale = elementary.sqrt(reductions.sum(arithmetic.square(left), axis=0))
    left = left / scale
    u, s, vh = linalg.svd(left, full_matrices=False)
    used = (s > 0) & (s >= rcond * s[0])
    inverse = selection.where(used, 1 / selection.where(used, s, 1), 0)
    columns = right if right.ndim == 2 else right[:, None]
    solution = vh.T.conj() @ (inverse[:, None] * (u.T.conj() @ columns))
    residuals = reductions.sum(abs(columns - left @ solution) ** 2, axis=0)
    c: Any = solution / scale[:, None]
    c = c if right.ndim == 2 else c[:, 0]
    if full:
        rank = reductions.sum(used, dtype=np.int32)
        return c, residuals, rank, s, to_array(rcond).astype(x.dtype)
    if not cov:
        return c
    base = (vh.T * inverse**2) @ vh.conj() / outer(scale, scale)
    if cov == "unscaled":
        return c, base
    if not isinstance(cov, (bool, np.bool_)):
        raise FxTypeError(f"numpy.polyfit: cov must be a bool or 'unscaled', got {cov!r}.")
    if len(x) <= order:
        raise FxValueError(
            f"numpy.polyfit: the covariance of {order} coefficients needs more than {order} "
            f"points, got {len(x)}. Use cov='unscaled'."
        )
    factor = residuals / (len(x) - order)
    return c, (base * factor[0] if y.ndim == 1 else base[:, :, None] * factor)
