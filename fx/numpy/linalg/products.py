"""Functions of `fx.numpy` with the array API's rules: the last axes hold vectors and matrices."""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx.core.array import Array
from fx.errors import ShapeError, public
from fx.numpy.linalg.checks import matrices
from fx.numpy.promotion import array, one_axis


@public
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """Cross products of vectors of three components.

    Args:
        x1, x2: arrays that broadcast, with 3 elements along the axis.
        axis: where the components are.

    Returns:
        Array of the common shape.

    Raises:
        ShapeError: the axis has another size.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.cross(jnp.array([1, 0, 0]), jnp.array([0, 1, 0]))
        Array([0, 0, 1], dtype=int32)
    """
    name = "numpy.linalg.cross"
    x, y = array(x1, name), array(x2, name)
    for a in (x, y):
        if a.shape[one_axis(axis, a.ndim, name)] != 3:
            raise ShapeError(
                f"{name} expects 3 elements along axis {axis}, got {x.aval.short()} and "
                f"{y.aval.short()}."
            )
    return jnp.cross(x, y, axis=axis)


@public
def outer(x1: Any, x2: Any, /) -> Array:
    """All products of an element of one vector and an element of another.

    Args:
        x1, x2: arrays of shapes (m,) and (n,).

    Returns:
        Array of shape (m, n).

    Raises:
        ShapeError: an array is not a vector.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.outer(jnp.array([1, 2]), jnp.array([3, 4]))
        Array([[3, 4],
               [6, 8]], dtype=int32)
    """
    name = "numpy.linalg.outer"
    x, y = array(x1, name), array(x2, name)
    if x.ndim != 1 or y.ndim != 1:
        raise ShapeError(
            f"{name} expects two vectors, got {x.aval.short()} and {y.aval.short()}. "
            "fx.numpy.outer flattens its arguments."
        )
    return jnp.outer(x, y)


@public
def diagonal(x: Any, /, *, offset: int = 0) -> Array:
    """Diagonals of the matrices in the last two axes.

    Args:
        x: array of shape (..., m, n).
        offset: how far to the right of the main diagonal.

    Returns:
        Array of shape (..., size of the diagonal).

    Raises:
        ShapeError: `x` has less than two axes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.diagonal(jnp.array([[1, 2], [3, 4]]))
        Array([1, 4], dtype=int32)
    """
    name = "numpy.linalg.diagonal"
    return jnp.diagonal(matrices(name, array(x, name)), offset, -2, -1)


@public
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """Sums of diagonals of the matrices in the last two axes.

    Args:
        x: array of shape (..., m, n).
        offset: how far to the right of the main diagonal.
        dtype: of the sum; None for that of `x`.

    Returns:
        Array of shape (...).

    Raises:
        ShapeError: `x` has less than two axes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.trace(jnp.array([[1, 2], [3, 4]]))
        Array(5, dtype=int32)
    """
    name = "numpy.linalg.trace"
    return jnp.trace(matrices(name, array(x, name)), offset, -2, -1, dtype=dtype)
