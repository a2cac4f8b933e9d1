"""Numbers that optimizers need: counters that stop at their maximum, norms that can be derived."""

from __future__ import annotations

from typing import Any

import numpy as np

import fx.numpy as jnp
from fx import dtypes
from fx.core.array import Array, to_array
from fx.errors import public
from fx.lax.arguments import ArrayLike


def scalar(value: Any, like: Any) -> Any:
    """A hyperparameter for use beside an array, whose dtype the result shall keep.

    Python numbers have no dtype of their own; arrays (a schedule's value, an injected
    hyperparameter) are cast.
    """
    if isinstance(value, (bool, int, float, complex)):
        return value
    return jnp.asarray(value, dtype=jnp.result_type(like))


def is_zero(value: Any) -> bool:
    """Whether a hyperparameter is the Python number 0, so that a term can be left out."""
    return isinstance(value, (int, float)) and value == 0


def cast(x: Any, dtype: Any) -> Any:
    """An array in a dtype; as it is if dtype is None."""
    return x if dtype is None else jnp.asarray(x, dtype=dtype)


def square_dtype(dtype: Any) -> np.dtype:
    """The real dtype in which squares of a dtype are kept.

    In float16 the square of 1e-4 is 0, and so is an epsilon of 1e-8: where a gradient vanished,
    Adam would divide 0 by 0. All other floats keep their own dtype.
    """
    real = dtypes.real_dtype(dtype)
    return np.dtype(np.float32) if real == np.float16 else real


def widened(x: Any, like: Any) -> Any:
    """An array in at least the precision of another one, before it is squared."""
    array, kept = to_array(x), to_array(like)
    if array.dtype == kept.dtype:
        return array
    return jnp.astype(array, dtypes.promote_types(array.dtype, kept.dtype))


def abs_sq(x: ArrayLike) -> Array:
    """|x|², real also for complex x, and with a derivative at 0.

    Args:
        x: an array.

    Returns:
        a real array of the same shape.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim.numerics import abs_sq
        >>> abs_sq(jnp.array([3 + 4j]))
        Array([25.], dtype=float32)
    """
    x = jnp.asarray(x)
    if x.dtype.kind == "c":
        return jnp.real(x) ** 2 + jnp.imag(x) ** 2
    return x * x


@public
def safe_increment(count: ArrayLike) -> Array:
    """count + 1, but never past the largest number of its dtype.

    A step counter that overflowed would become negative, and with it the powers of the decay
    rates wrong.

    Args:
        count: an integer (or float) array.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.safe_increment(jnp.array([5, 127], jnp.int8))
        Array([  6, 127], dtype=int8)
    """
    count = jnp.asarray(count)
    info = dtypes.finfo if dtypes.is_inexact(count.dtype) else dtypes.iinfo
    top = info(count.dtype).max
    return jnp.where(count < top, count + 1, jnp.asarray(top, dtype=count.dtype))


@public
def safe_int32_increment(count: ArrayLike) -> Array:
    """`safe_increment` under its old name.

    Args:
        count: an integer array.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.safe_int32_increment(jnp.array(2**31 - 1, jnp.int32))
        Array(2147483647, dtype=int32)
    """
    return safe_increment(count)


@public
def safe_norm(
    x: ArrayLike,
    min_norm: ArrayLike,
    ord: int | float | str | None = None,
    axis: Any = None,
    keepdims: bool = False,
) -> Array:
    """max(‖x‖, min_norm), whose derivative is 0 (not NaN) where the norm is not above min_norm.

    Args:
        x: an array.
        min_norm: the smallest result.
        ord: the order of the vector norm: None or 2, 1, inf, or another positive number.
        axis: the axes of the norm; None for all.
        keepdims: whether the axes are kept with size 1.

    Returns:
        an array with the axes removed.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.safe_norm(jnp.array([3.0, 4.0]), 0.0)
        Array(5., dtype=float32)
        >>> fx.grad(lambda x: optim.safe_norm(x, 0.0))(jnp.zeros(2))
        Array([0., 0.], dtype=float32)
    """
    x = jnp.asarray(x)
    size = _norm(x, ord, axis, True)
    small = size <= min_norm
    # The second norm is taken where it has a derivative, so that `where` has no 0 * NaN to choose.
    moved = jnp.where(small, jnp.ones_like(x), x)
    norm = _norm(moved, ord, axis, keepdims)
    if not keepdims:
        small = jnp.squeeze(small, axis=axis)
    return jnp.where(small, jnp.asarray(min_norm, dtype=norm.dtype), norm)


def _root(reduce: Any, x: Any, **options: Any) -> Any:
    """The root of reduced squares, in the real dtype of x."""
    real = dtypes.real_dtype(x.dtype)
    wide = jnp.astype(x, square_dtype(x.dtype)) if real == np.float16 else x
    return jnp.astype(jnp.sqrt(reduce(abs_sq(wide), **options)), real)


def _norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    if ord is None or ord == 2:
        return _root(jnp.sum, x, axis=axis, keepdims=keepdims)
    size = jnp.abs(x)
    if ord == np.inf or ord == "inf":
        return jnp.max(size, axis=axis, keepdims=keepdims)
    if ord == 1:
        return jnp.sum(size, axis=axis, keepdims=keepdims)
    return jnp.sum(size**ord, axis=axis, keepdims=keepdims) ** (1 / ord)


@public
def safe_root_mean_squares(x: ArrayLike, min_rms: ArrayLike) -> Array:
    """max(√mean|x|², min_rms), whose derivative is 0 where the root is not above min_rms.

    Args:
        x: an array.
        min_rms: the smallest result.

    Returns:
        an array of shape ().

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.safe_root_mean_squares(jnp.array([3.0, -3.0]), 1e-3)
        Array(3., dtype=float32)
    """
    x = jnp.asarray(x)
    small = _root(jnp.mean, x) <= min_rms
    rms = _root(jnp.mean, jnp.where(small, jnp.ones_like(x), x))
    return jnp.where(small, jnp.asarray(min_rms, dtype=rms.dtype), rms)
