"""The normal distribution of vectors of n elements.

Example:
    >>> import fx.numpy as jnp
    >>> from fx.scipy.stats import multivariate_normal
    >>> multivariate_normal.logpdf(jnp.zeros(2), jnp.zeros(2), jnp.eye(2)).round(4)
    Array(-1.8379, dtype=float32)
"""

from __future__ import annotations

import math
from typing import Any

import fx.numpy as jnp
from fx import lax
from fx.core.array import Array
from fx.errors import FxValueError, ShapeError, public
from fx.numpy.promotion import common_shape
from fx.scipy.stats.common import real_operands

__all__ = ["logpdf", "pdf"]

_LOG_2_PI = math.log(2 * math.pi)


@public
def logpdf(x: Any, mean: Any, cov: Any, allow_singular: Any = None) -> Array:
    """Logarithm of the density.

    Args:
        x: points, shape (..., n); of any shape if `mean` is a scalar.
        mean: shape (..., n), or a scalar for n = 1.
        cov: covariances, shape (..., n, n), positive definite; or a scalar: times the identity.
        allow_singular: must be None.

    Returns:
        Array of the common shape of the leading axes; NaN where `cov` is not positive definite.

    Raises:
        ShapeError: the shapes do not fit.
        FxValueError: `allow_singular` is given.

    Example:
        >>> from fx.scipy.stats import multivariate_normal
        >>> multivariate_normal.logpdf(0.0, 0.0, 1.0).round(4)
        Array(-0.9189, dtype=float32, weak_type=True)
    """
    name = "scipy.stats.multivariate_normal.logpdf"
    if allow_singular is not None:
        raise FxValueError(f"{name}: allow_singular must be None, got {allow_singular!r}.")
    x, mean, cov = real_operands(name, x, mean, cov)
    if not mean.ndim:
        if cov.ndim:
            raise ShapeError(f"{name} with a scalar mean expects a scalar cov, got {cov.shape}.")
        return -0.5 * ((x - mean) ** 2 / cov + _LOG_2_PI + jnp.log(cov))
    n = mean.shape[-1]
    wrong = not x.ndim or x.shape[-1] not in (1, n)
    if wrong or (cov.ndim and cov.shape[-2:] != (n, n)):
        raise ShapeError(
            f"{name} expects x and mean of shape (..., n) and cov of shape (..., n, n) or a "
            f"scalar, got {x.aval.short()}, {mean.aval.short()} and {cov.aval.short()}."
        )
    y = x - mean
    if not cov.ndim:
        return -0.5 * (jnp.sum(y * y, axis=-1) / cov + n * (_LOG_2_PI + jnp.log(cov)))
    factor = jnp.linalg.cholesky(cov)
    determinant = 2 * jnp.sum(jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)
    if cov.ndim == 2:
        # One matrix for all points, which become columns.
        columns = jnp.moveaxis(y, -1, 0).reshape(n, -1)
        z = lax.linalg.triangular_solve(factor, columns, left_side=True, lower=True)
        square = jnp.sum(z * z, axis=0).reshape(y.shape[:-1])
    else:
        lead = common_shape(name, [y.shape[:-1], cov.shape[:-2]])
        full = jnp.broadcast_to(factor, (*lead, n, n))
        rows = jnp.broadcast_to(y, (*lead, n))
        z = lax.linalg.triangular_solve(full, rows, left_side=True, lower=True)
        square = jnp.sum(z * z, axis=-1)
    return -0.5 * (square + n * _LOG_2_PI + determinant)


@public
def pdf(x: Any, mean: Any, cov: Any) -> Array:
    """Density.

    Args:
        x, mean, cov: as in `logpdf`.

    Returns:
        Array of the common shape of the leading axes.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> from fx.scipy.stats import multivariate_normal
        >>> multivariate_normal.pdf(0.0, 0.0, 1.0).round(4)
        Array(0.3989, dtype=float32, weak_type=True)
    """
    return jnp.exp(logpdf(x, mean, cov))
