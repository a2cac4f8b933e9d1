"""Normal distributions: normal, truncated, log-normal, and what is made of several normals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxValueError, ShapeError, public
from fx.lax.arguments import broadcast
from fx.numpy import linalg, matmul, sqrt
from fx.random.arguments import (
    ArrayLike,
    draw_unit,
    float_dtype,
    inexact,
    parameter,
    sample_shape,
    single_key,
    split_key,
    static_integer,
)
from fx.random.uniforms import scaled_uniform, signs


@public
def normal(key: ArrayLike, shape: Sequence[int] = (), dtype: Any = None) -> Array:
    """Standard normal numbers: density exp(-x**2 / 2) / sqrt(2 pi).

    A uniform number goes through the inverse of the distribution function. float32 results are
    the same on every machine, bit for bit, and lie in [-5.42, 5.23]: there are 2**23 of them.

    Args:
        key: a random key.
        shape: of the result.
        dtype: a floating or complex dtype; the default float one if None. A complex number has
            independent parts of variance 1/2.

    Raises:
        FxTypeError: the dtype is neither floating nor complex; not a key.

    Example:
        >>> import fx
        >>> fx.random.normal(fx.random.key(0), (3,))
        Array([ 1.6226422 ,  2.0252647 , -0.43359444], dtype=float32)
    """
    key = single_key("normal", key)
    size = sample_shape("normal", shape)
    if dtype is not None and dtypes.is_complex(dtypes.check_user_dtype(dtype, "random.normal")):
        return _complex_normal(key, size, dtypes.canonicalize(dtype))
    return draw_normal(key, size, float_dtype("normal", dtype))


def draw_normal(key: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """`normal` of a floating dtype for checked arguments."""
    z = _half_variance(key, shape, dtype)
    return P.mul(lit(z, math.sqrt(2)), z)


def _half_variance(key: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Normal numbers of variance 1/2."""
    lowest = np.nextafter(np.asarray(-1, dtype), np.asarray(0, dtype))
    return P.portable_erf_inv(scaled_uniform("normal", key, shape, dtype, lowest, 1))


def _complex_normal(key: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    part = dtypes.real_dtype(dtype)
    real, imaginary = (draw_normal(k, shape, part) for k in split_key(key))
    return P.complex(*(P.mul(x, lit(x, _inverse_root(part))) for x in (real, imaginary)))


def _inverse_root(dtype: np.dtype) -> Any:
    """1 / sqrt(2), rounded as XLA does when it divides by sqrt(2)."""
    return np.asarray(1, dtype) / np.asarray(math.sqrt(2), dtype)


@public
def truncated_normal(
    key: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
) -> Array:
    """Standard normal numbers under the condition lower < x < upper.

    Args:
        key: a random key.
        lower, upper: bounds, which broadcast together.
        shape: of the result, to which the bounds broadcast; theirs if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.
        ShapeError: the bounds do not broadcast to `shape`.

    Example:
        >>> import fx
        >>> fx.random.truncated_normal(fx.random.key(0), -2, 2, (3,))
        Array([ 1.4559592 ,  1.7147487 , -0.41267535], dtype=float32)
    """
    key = single_key("truncated_normal", key)
    kind = float_dtype("truncated_normal", dtype, lower, upper)
    low, high = (parameter("truncated_normal", "bounds", x, kind) for x in (lower, upper))
    size = sample_shape("truncated_normal", shape, low.shape, high.shape)
    ends = [P.portable_erf(P.mul(x, lit(x, _inverse_root(kind)))) for x in (low, high)]
    u = scaled_uniform("truncated_normal", key, size, kind, *ends)
    x = P.mul(lit(u, math.sqrt(2)), P.portable_erf_inv(u))
    low, high = (P.stop_gradient(parameter("", "", x, kind, size)) for x in (low, high))
    infinity = lit(x, math.inf)
    return P.clamp(P.nextafter(low, infinity), x, P.nextafter(high, P.neg(infinity)))


@public
def lognormal(
    key: ArrayLike,
    sigma: ArrayLike = 1.0,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
) -> Array:
    """Numbers whose logarithm is normal with mean 0 and standard deviation sigma.

    Args:
        key: a random key.
        sigma: standard deviations of the logarithm.
        shape: of the result, to which sigma broadcasts; that of sigma if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.lognormal(fx.random.key(0), 0.5, (2,))
        Array([2.2508795, 2.752838 ], dtype=float32)
    """
    key = single_key("lognormal", key)
    kind = float_dtype("lognormal", dtype, sigma)
    size = sample_shape("lognormal", shape, np.shape(sigma))
    scale = parameter("lognormal", "sigma", sigma, kind)
    z = _half_variance(key, size, kind)
    factor = P.mul(scale, lit(z, math.sqrt(2)))  # before it is broadcast, as by XLA
    return P.portable_exp(P.mul(factor if not factor.shape else broadcast(factor, size), z))


@public
def maxwell(key: ArrayLike, shape: Sequence[int] = (), dtype: Any = None) -> Array:
    """Numbers of density sqrt(2 / pi) x**2 exp(-x**2 / 2) on x >= 0.

    The length of a vector of three normal numbers.

    Args:
        key: a random key.
        shape: of the result.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.maxwell(fx.random.key(0), (2,))
        Array([2.6310966, 0.9910329], dtype=float32)
    """
    key = single_key("maxwell", key)
    return _maxwell(key, sample_shape("maxwell", shape), float_dtype("maxwell", dtype))


def _maxwell(key: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    x = draw_normal(key, (*shape, 3), dtype)
    return P.sqrt(P.reduce_sum(P.mul(x, x), axes=(len(shape),)))


@public
def double_sided_maxwell(
    key: ArrayLike,
    loc: ArrayLike,
    scale: ArrayLike,
    shape: Sequence[int] = (),
    dtype: Any = None,
) -> Array:
    """loc + scale * s * x for a random sign s and x from `maxwell`.

    Args:
        key: a random key.
        loc, scale: parameters, which broadcast together to a shape `s`.
        shape: of the result: `(*shape, *s)`; `s` alone with an empty `shape` and axes in `s` are
            repeated, as in JAX.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.double_sided_maxwell(fx.random.key(0), 0.0, 2.0, (2,)).shape
        (2,)
    """
    key = single_key("double_sided_maxwell", key)
    kind = float_dtype("double_sided_maxwell", dtype, loc, scale)
    own = sample_shape("double_sided_maxwell", None, np.shape(loc), np.shape(scale))
    size = (sample_shape("double_sided_maxwell", shape) or own) + own
    center, width = (
        parameter("double_sided_maxwell", "a parameter", x, kind, size) for x in (loc, scale)
    )
    size_key, sign_key = split_key(key)
    x = P.mul(signs(sign_key, size, kind), _maxwell(size_key, size, kind))
    return P.fma(x, width, center)


@public
def wald(
    key: ArrayLike,
    mean: ArrayLike,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
) -> Array:
    """Numbers of the Wald (inverse Gaussian) distribution of scale 1.

    The density is exp(-(x - mean)**2 / (2 mean**2 x)) / sqrt(2 pi x**3) on x > 0. Source:
    Michael, Schucany and Haas, "Generating random variates using transformations with multiple
    roots", The American Statistician, 1976.

    Args:
        key: a random key.
        mean: means, above 0.
        shape: of the result, to which mean broadcasts; that of mean if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.wald(fx.random.key(0), 1.0, (2,)).shape
        (2,)
    """
    key = single_key("wald", key)
    kind = float_dtype("wald", dtype, mean)
    size = sample_shape("wald", shape, np.shape(mean))
    m: Any = parameter("wald", "mean", mean, kind, size)
    normal_key, uniform_key = split_key(key)
    v: Any = draw_normal(normal_key, size, kind)
    y = v * v
    root = P.sqrt(P.fma(4 * m, y, (m * m) * (y * y)))
    x = P.fma(-(m * 0.5), root, m + m * m * y * 0.5)
    z = draw_unit(uniform_key, size, kind)
    return P.select_n(P.le(z, m / (m + x)), m * m / x, x)


@public
def orthogonal(
    key: ArrayLike,
    n: int,
    shape: Sequence[int] = (),
    dtype: Any = None,
    m: int | None = None,
) -> Array:
    """Matrices distributed uniformly among those with orthonormal columns or rows.

    Results equal those of `jax.random` up to rounding.

    Args:
        key: a random key.
        n: the number of rows.
        shape: of the array of matrices.
        dtype: a floating or complex dtype; the default float one if None.
        m: the number of columns; n if None.

    Returns:
        An array of shape `(*shape, n, m)`. The columns are orthonormal if n >= m, else the rows.

    Raises:
        FxTypeError: the dtype is neither floating nor complex; n or m is not an integer; not a key.

    Source: Mezzadri, "How to generate random matrices from the classical compact groups", Notices
    of the AMS, 2007.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> q = fx.random.orthogonal(fx.random.key(0), 3)
        >>> bool(jnp.allclose(q.T @ q, jnp.eye(3), atol=1e-6))
        True
    """
    key = single_key("orthogonal", key)
    rows = static_integer("orthogonal", "n", n)
    columns = rows if m is None else static_integer("orthogonal", "m", m)
    size = sample_shape("orthogonal", shape)
    frame = P.orthonormalize(normal(key, (*size, max(rows, columns), min(rows, columns)), dtype))
    if rows >= columns:
        return frame
    order = (*range(len(size)), len(size) + 1, len(size))
    return P.transpose(frame, permutation=order)


@public
def multivariate_normal(
    key: ArrayLike,
    mean: ArrayLike,
    cov: ArrayLike,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
    method: str = "cholesky",
) -> Array:
    """Normal vectors of given mean and covariance: mean + factor z with factor factor^T = cov.

    Args:
        key: a random key.
        mean: of shape (..., n).
        cov: symmetric positive semidefinite matrices of shape (..., n, n). With "cholesky" they
            must be definite, else the results are NaN.
        shape: of the array of vectors; that of the leading axes of mean and cov if None.
        dtype: a floating dtype; the default one if None.
        method: how to factor cov: "cholesky", "eigh" or "svd".

    Returns:
        An array of shape `(*shape, n)`.

    Raises:
        FxValueError: the method is another one.
        ShapeError: mean is no vector, cov no matrix, or their shapes do not fit.
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.random.multivariate_normal(fx.random.key(0), jnp.zeros(2), jnp.eye(2)).shape
        (2,)
    """
    name = "multivariate_normal"
    if method not in ("cholesky", "eigh", "svd"):
        raise FxValueError(f"random.{name}: method must be 'cholesky', 'eigh' or 'svd'.")
    key = single_key(name, key)
    # Unlike other samples these have the dtype of their parameters, be it a narrow one.
    center, matrix = inexact(name, mean, cov)
    kind = float_dtype(name, center.dtype if dtype is None else dtype)
    center, matrix = (
        parameter(name, what, x, kind) for what, x in (("mean", center), ("cov", matrix))
    )
    if not center.ndim or matrix.ndim < 2 or matrix.shape[-2:] != center.shape[-1:] * 2:
        raise ShapeError(
            f"random.{name} expects mean of shape (..., n) and cov of shape (..., n, n), got "
            f"{center.shape} and {matrix.shape}."
        )
    size = sample_shape(name, shape, center.shape[:-1], matrix.shape[:-2])
    factor: Any
    if method == "cholesky":
        factor = linalg.cholesky(matrix)
    else:
        values, vectors = linalg.eigh(matrix) if method == "eigh" else linalg.svd(matrix)[1::-1]
        factor = vectors * sqrt(values)[..., None, :]
    z = draw_normal(key, (*size, center.shape[-1]), kind)
    return center + matmul(factor, z[..., None])[..., 0]
