"""Functions over axes: softmax and its kin, standardization, one-hot codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx import dtypes
from fx.calls.custom import custom_jvp
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, public
from fx.lax.arguments import ArrayLike, canonical_axes, canonical_axis, integer

Axis = int | Sequence[int] | None


def _axes(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    return canonical_axes(name, axis if isinstance(axis, (tuple, list)) else (axis,), ndim)


def _float(x: ArrayLike, name: str) -> Array:
    x = to_array(x, name)
    return x * 1.0 if x.dtype.kind in "biu" else x


def _largest(x: Any, axes: tuple[int, ...], where: Any) -> Any:
    """Maximum over axes, which stay with size 1; minus infinity over nothing; no derivative."""
    peak = jnp.max(x, axes, keepdims=True, initial=-np.inf, where=where)
    return P.stop_gradient(peak)


# ------------------------------------------------------------------ exponential families
def _softmax_of(x: Any, axes: tuple[int, ...], where: Any) -> Any:
    inside = x if where is None else jnp.where(where, x, -np.inf)
    weights = jnp.exp(inside - _largest(x, axes, where))
    result = weights / jnp.sum(weights, axes, keepdims=True, where=where)
    return result if where is None else jnp.where(where, result, 0)


_softmax = custom_jvp(_softmax_of, nondiff_argnums=(1,))


@_softmax.defjvp
def _(axes: tuple[int, ...], primals: Any, tangents: Any) -> Any:
    (x, where), (t, _) = primals, tangents
    y = _softmax(x, axes, where)
    return y, y * (t - jnp.sum(y * t, axes, keepdims=True, where=where))


@public
def softmax(x: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None) -> Array:
    """exp(x) / Σ exp(x): positive numbers that add up to 1 over axes.

    Args:
        x: an array of floating dtype.
        axis: the axis or axes to sum over; None for all.
        where: a bool array: elements to leave out are 0 in the result.

    Returns:
        an array of the same shape and dtype. NaN where an element is +inf.

    Raises:
        FxValueError: an axis does not exist.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.softmax(jnp.array([0.0, 0.0, jnp.log(2.0)]))
        Array([0.25, 0.25, 0.5 ], dtype=float32)
    """
    x = _float(x, "nn.softmax")
    return _softmax(x, _axes("nn.softmax", axis, x.ndim), where)


@public
def log_softmax(x: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None) -> Array:
    """log(softmax(x)), accurate where softmax is 0 in floating point.

    Args:
        x: an array of floating dtype.
        axis: the axis or axes to sum over; None for all.
        where: a bool array: elements to leave out are minus infinity in the result.

    Returns:
        an array of the same shape and dtype. NaN where an element is +inf.

    Raises:
        FxValueError: an axis does not exist.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.log_softmax(jnp.array([0.0, 1000.0]))
        Array([-1000.,     0.], dtype=float32)
    """
    x = _float(x, "nn.log_softmax")
    axes = _axes("nn.log_softmax", axis, x.ndim)
    inside = x if where is None else jnp.where(where, x, -np.inf)
    shifted = inside - _largest(x, axes, where)
    total = jnp.sum(jnp.exp(shifted), axes, keepdims=True, where=where)
    result = shifted - jnp.log(total)
    return result if where is None else jnp.where(where, result, -np.inf)


@public
def logsumexp(
    a: ArrayLike,
    axis: Axis = None,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: ArrayLike | None = None,
) -> Any:
    """log(Σ b · exp(a)) over axes, without overflow.

    Args:
        a: an array of floating or complex dtype.
        axis: the axis or axes to sum over; None for all.
        b: factors, of a shape that broadcasts with `a`.
        keepdims: keep the axes with size 1.
        return_sign: return the sign of the sum too, and the logarithm of its absolute value.
        where: a bool array: elements to leave out.

    Returns:
        an array, or with `return_sign` a pair of arrays. Without it, a real negative sum gives
        NaN.

    Raises:
        FxValueError: an axis does not exist.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.logsumexp(jnp.array([1000.0, 1000.0]))
        Array(1000.6932, dtype=float32)
    """
    name = "nn.logsumexp"
    a = _float(a, name)
    if where is not None:
        a = jnp.where(where, a, 0)
    if b is not None:
        a, b = jnp.broadcast_arrays(a, b)
        dtype = jnp.result_type(a, b)
        a, b = a.astype(dtype), b.astype(dtype)
        a = jnp.where(b != 0, a, -np.inf)
    axes = _axes(name, axis, a.ndim)
    peak = _largest(a.real, axes, where)
    peak = jnp.where(jnp.isfinite(peak), peak, 0)
    terms = jnp.exp(a - peak)
    if b is not None:
        terms = terms * b
    total = jnp.sum(terms, axes, keepdims=True, where=where)
    is_complex = total.dtype.kind == "c"
    sign = jnp.sign(total)
    if return_sign or not is_complex:
        total = jnp.abs(total)
    if b is None:  # of minus infinities alone the derivative is 0, not 0 / 0
        some = total != 0
        out = jnp.where(some, jnp.log(jnp.where(some, total, 1)), -np.inf) + peak
    else:
        out = jnp.log(total) + peak
    if not keepdims:
        out, sign = jnp.squeeze(out, axes), jnp.squeeze(sign, axes)
    if return_sign:
        return out, sign
    return jnp.where(sign < 0, np.nan, out) if b is not None and not is_complex else out


@public
def logmeanexp(
    x: ArrayLike, axis: Axis = None, where: ArrayLike | None = None, keepdims: bool = False
) -> Array:
    """log of the mean of exp(x) over axes, without overflow.

    Args:
        x: an array of floating or complex dtype.
        axis: the axis or axes to average over; None for all.
        where: a bool array: elements to leave out.
        keepdims: keep the axes with size 1.

    Returns:
        an array.

    Raises:
        FxValueError: an axis does not exist.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.logmeanexp(jnp.array([1000.0, 1000.0]))
        Array(1000., dtype=float32)
    """
    x = _float(x, "nn.logmeanexp")
    axes = _axes("nn.logmeanexp", axis, x.ndim)
    total = logsumexp(x, axes, where=where, keepdims=keepdims)
    if where is None:
        return total - np.log(np.prod([x.shape[a] for a in axes], dtype=np.float64)).item()
    kept = jnp.broadcast_to(where, x.shape)
    return total - jnp.log(jnp.sum(kept, axes, keepdims=keepdims).astype(total.real.dtype))


# ------------------------------------------------------------------ others
@public
def standardize(
    x: ArrayLike,
    axis: Axis = -1,
    mean: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    epsilon: ArrayLike = 1e-5,
    where: ArrayLike | None = None,
    *,
    algorithm: str = "fast",
) -> Array:
    """(x - mean) / √(variance + epsilon): zero mean and unit variance over axes.

    Args:
        x: an array of floating dtype.
        axis: the axis or axes to standardize; None for all.
        mean, variance: use these in place of those of x.
        epsilon: added to the variance, so that no division is by zero.
        where: a bool array: elements to leave out of mean and variance.
        algorithm: "fast": the mean of the squares less the square of the mean; "stable": the
            mean of the squared deviations, which does not cancel.

    Returns:
        an array of the same shape and dtype.

    Raises:
        FxValueError: an axis or the algorithm does not exist.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.standardize(jnp.array([1.0, 3.0]), epsilon=0.0)
        Array([-1.,  1.], dtype=float32)
    """
    name = "nn.standardize"
    x = _float(x, name)
    axes = _axes(name, axis, x.ndim)
    if mean is None:
        mean = jnp.mean(x, axes, keepdims=True, where=where)
    if variance is None:
        if algorithm == "stable":
            variance = jnp.mean(jnp.square(x - mean), axes, keepdims=True, where=where)
        elif algorithm == "fast":
            square = jnp.mean(jnp.square(x), axes, keepdims=True, where=where)
            variance = jnp.maximum(square - jnp.square(mean), 0)
        else:
            raise FxValueError(f"{name}: algorithm must be 'fast' or 'stable', got {algorithm!r}.")
    return (x - mean) * P.rsqrt(to_array(variance + epsilon))


@public
def one_hot(x: Any, num_classes: int, *, dtype: Any = None, axis: int = -1) -> Array:
    """Integers as vectors that are 1 at that position and 0 elsewhere.

    Args:
        x: an array of integers; one outside [0, num_classes) becomes zeros.
        num_classes: the length of the vectors.
        dtype: of the result; the default float dtype if None.
        axis: where the new axis goes.

    Returns:
        an array with one more axis.

    Raises:
        FxTypeError: x is not of an integer dtype.
        FxValueError: the axis does not exist in the result.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.one_hot(jnp.array([0, 2, 3]), 3)
        Array([[1., 0., 0.],
               [0., 0., 1.],
               [0., 0., 0.]], dtype=float32)
    """
    name = "nn.one_hot"
    x = jnp.asarray(x)
    if x.dtype.kind not in "iu":
        raise FxTypeError(
            f"{name} expects integers, got {x.aval.short()}. Convert with x.astype(int) first."
        )
    place = canonical_axis(name, axis, x.ndim + 1)
    count = integer(name, "num_classes", num_classes)
    if count < 0:
        raise FxValueError(f"{name}: num_classes must be at least 0, got {count}.")
    shape = (*x.shape[:place], count, *x.shape[place:])
    kept = tuple(i for i in range(x.ndim + 1) if i != place)
    # Positions in a dtype that holds them all, or else a small dtype would wrap.
    wide = x.dtype if count <= np.iinfo(x.dtype).max else np.dtype(np.int64)
    codes = P.broadcast_in_dim(x.astype(wide), shape=shape, broadcast_dimensions=kept)
    numbers = P.iota(dtype=wide, shape=shape, dimension=place)
    out = dtypes.default_float() if dtype is None else dtypes.canonicalize(dtype)
    return P.eq(codes, numbers).astype(out)
