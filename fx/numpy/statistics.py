"""Averages and covariances."""

from __future__ import annotations

from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.manipulation import permuted, reshaped
from fx.numpy.moments import mean
from fx.numpy.products import contract
from fx.numpy.promotion import (
    array,
    broadcast,
    convert,
    expand_to,
    promote_inexact,
    some_axes,
)
from fx.numpy.reductions import sum as sum_over


@public
def average(
    a: Any,
    axis: int | tuple[int, ...] | None = None,
    weights: Any = None,
    returned: bool = False,
    keepdims: bool = False,
) -> Any:
    """Weighted mean over axes.

    Args:
        a: array or number.
        axis: axes to average over; all by default.
        weights: array of the shape of `a`, or a vector for one axis; all equal by default.
        returned: also return the sum of the weights.
        keepdims: keep averaged axes with size 1.

    Returns:
        Array, or (Array, sum of weights).

    Raises:
        ShapeError: the weights do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.average(jnp.array([1.0, 3.0]), weights=jnp.array([3.0, 1.0]))
        Array(1.5, dtype=float32)
    """
    if weights is None:
        (x,) = promote_inexact("numpy.average", a)
        out = mean(x, axis, keepdims=keepdims)
        count = x.size // max(out.size, 1)
        total = P.broadcast_in_dim(lit(out, count), shape=out.shape, broadcast_dimensions=())
        return (out, total) if returned else out
    x, w = promote_inexact("numpy.average", a, weights)
    axes = some_axes(axis, x.ndim, "numpy.average")
    if w.shape != x.shape:
        if axis is None or w.shape != tuple(x.shape[i] for i in axes):
            raise ShapeError(
                f"numpy.average: weights of shape {w.shape} do not fit {x.aval.short()} along "
                f"axis {axis}."
            )
        order = sorted(range(len(axes)), key=lambda i: axes[i])
        w = P.broadcast_in_dim(
            permuted(w, order), shape=x.shape, broadcast_dimensions=tuple(sorted(axes))
        )
    total = sum_over(w, axes, keepdims=keepdims)
    out = P.div(sum_over(P.mul(x, w), axes, keepdims=keepdims), total)
    return (out, total) if returned else out


# ------------------------------------------------------------------ covariance
@public
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Array:
    """Covariance matrix of variables from observations.

    Args:
        m: matrix of variables by observations, or a vector of observations.
        y: more variables.
        rowvar: whether rows are variables; else columns are.
        bias: divide by the number of observations n instead of n - 1.
        ddof: what to subtract from n instead.
        fweights: how often each observation counts (integers).
        aweights: how much each observation matters.

    Returns:
        Array of shape (variables, variables), or () for one variable.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.cov(jnp.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
        Array([[ 1., -1.],
               [-1.,  1.]], dtype=float32)
    """
    if ddof is not None and int(ddof) != ddof:
        raise FxValueError(f"numpy.cov: ddof must be an integer, got {ddof}.")
    given = [m] if y is None else [m, y]
    xs = [_variables(x, rowvar) for x in promote_inexact("numpy.cov", *given)]
    x = P.concatenate(*xs, dimension=0) if len(xs) > 1 else xs[0]
    n = x.shape[1]
    if not x.shape[0]:
        return Array(np.zeros((0, 0), x.dtype))
    less = ddof if ddof is not None else (0 if bias else 1)
    w = _observation_weights(fweights, aweights, n, x.dtype)
    if w is None:
        middle = mean(x, 1, keepdims=True)
        divisor: Any = lit(x, max(n - less, 0))
    else:
        total = P.reduce_sum(w, axes=(0,))
        row = expand_to(w, x.shape)
        middle = P.div(sum_over(P.mul(x, row), 1, keepdims=True), total)
        if less == 0:
            divisor = total
        elif aweights is None:
            divisor = P.sub(total, lit(total, less))
        else:
            own = convert(array(aweights, "numpy.cov"), x.dtype)
            spent = P.div(P.reduce_sum(P.mul(w, own), axes=(0,)), total)
            divisor = P.sub(total, P.mul(spent, lit(total, less)))
    centred = P.sub(*broadcast("numpy.cov", [x, middle]))
    weighted = centred if w is None else P.mul(centred, expand_to(w, x.shape))
    other = P.conj(centred) if x.dtype.kind == "c" else centred
    out = P.div(contract(weighted, other, ((1,), (1,))), convert(divisor, x.dtype))
    return reshaped(out, ()) if out.shape == (1, 1) else out


def _variables(x: Any, rowvar: bool) -> Any:
    if x.ndim > 2:
        raise ShapeError(f"numpy.cov expects a matrix or a vector, got {x.aval.short()}.")
    if x.ndim < 2:
        return reshaped(x, (1, x.size))
    return x if rowvar or x.shape[0] == 1 else permuted(x, (1, 0))


def _observation_weights(fweights: Any, aweights: Any, n: int, dtype: np.dtype) -> Any:
    out = None
    for given, what in ((fweights, "fweights"), (aweights, "aweights")):
        if given is None:
            continue
        w = array(given, "numpy.cov")
        if w.shape != (n,):
            raise ShapeError(f"numpy.cov: {what} must have shape ({n},), got {w.shape}.")
        if what == "fweights" and not dtypes.is_integer(w.dtype):
            raise FxTypeError(f"numpy.cov: fweights must be integers, got {w.aval.short()}.")
        w = convert(w, dtype)
        out = w if out is None else P.mul(out, w)
    return out


@public
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, dtype: Any = None) -> Array:
    """Correlation coefficients: covariances divided by the standard deviations.

    Args:
        x, y, rowvar: as in `cov`.
        dtype: of the result.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.corrcoef(jnp.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
        Array([[ 1., -1.],
               [-1.,  1.]], dtype=float32)
    """
    c = cov(x, y, rowvar)
    if dtype is not None:
        c = convert(c, dtypes.check_user_dtype(dtype, "numpy.corrcoef"))
    if not c.ndim:
        return P.div(c, c)
    n = c.shape[0]
    variance = c[(Array(np.arange(n, dtype=np.int32)),) * 2]
    deviation = P.sqrt(P.real(variance) if c.dtype.kind == "c" else variance)
    deviation = convert(deviation, c.dtype)
    rows = P.broadcast_in_dim(deviation, shape=(n, n), broadcast_dimensions=(0,))
    columns = P.broadcast_in_dim(deviation, shape=(n, n), broadcast_dimensions=(1,))
    out = P.div(P.div(c, rows), columns)
    if c.dtype.kind == "c":
        one = lit(P.real(out), 1)
        parts = [P.min(P.max(p, P.neg(one)), one) for p in (P.real(out), P.imag(out))]
        return P.complex(*parts)
    return P.min(P.max(out, lit(out, -1)), lit(out, 1))
