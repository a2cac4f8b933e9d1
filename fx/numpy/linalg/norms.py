"""Norms of vectors and matrices.

They have derivatives everywhere: where a norm is 0, which is a corner, its gradient is taken to be
0 (the subgradient of least norm) rather than NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.dispatch import SINGLE_DOUBLE, short_way
from fx.numpy.promotion import convert, promote_inexact, select, some_axes
from fx.numpy.reductions import kept
from fx.ops.reduce import accumulator
from fx.util import fp_enter, fp_exit

Axis = int | tuple[int, ...] | None
Order = float | str | None


def _safe_root(total: Any, power: float = 2) -> Any:
    """`total ** (1 / power)`, with a derivative of 0 at 0."""
    zero = P.eq(total, lit(total, 0))
    inside = select(zero, lit(total, 1), total)
    root = P.sqrt(inside) if power == 2 else P.pow(inside, lit(total, 1 / power))
    return select(zero, lit(total, 0), root)


def _euclidean(x: Any, axes: tuple[int, ...]) -> Any:
    if x.dtype.kind == "c":
        real, imag = P.real(x), P.imag(x)
        squares = P.add(P.mul(real, real), P.mul(imag, imag))
    else:
        squares = P.mul(x, x)
    return _safe_root(P.reduce_sum(squares, axes=axes))


def _vector(x: Any, order: Any, axes: tuple[int, ...], name: str) -> Any:
    """The norm of all elements over the axes, as a vector."""
    if order is None or order == 2:
        return _euclidean(x, axes)
    if isinstance(order, (str, complex)):
        raise FxValueError(
            f"{name}: the norm of vectors expects ord to be a number, inf or -inf, got {order!r}."
        )
    size = P.abs(x)
    if order == math.inf:
        return jnp.max(size, axis=axes, initial=0)
    if order == -math.inf:
        return jnp.min(size, axis=axes)
    if order == 0:
        nonzero = P.convert_element_type(P.ne(size, lit(size, 0)), new_dtype=size.dtype)
        return P.reduce_sum(nonzero, axes=axes)
    if order == 1:
        return P.reduce_sum(size, axes=axes)
    powers = P.pow(size, lit(size, float(order)))
    return _safe_root(P.reduce_sum(powers, axes=axes), float(order))


def _matrix(x: Any, order: Any, axes: tuple[int, ...], name: str) -> Any:
    """The norm of the matrices in two axes (rows, columns)."""
    rows, columns = axes
    if order is None or order == "fro":
        return _euclidean(x, axes)
    if order in ("nuc", 2, -2):
        values = P.svd(jnp.moveaxis(x, axes, (-2, -1)), full_matrices=False, compute_uv=False)[0]
        if order == "nuc":
            return jnp.sum(values, axis=-1)
        return jnp.max(values, axis=-1, initial=0) if order == 2 else jnp.min(values, axis=-1)
    if order in (1, -1, math.inf, -math.inf):
        inner, outer = (rows, columns) if abs(order) == 1 else (columns, rows)
        sums = P.reduce_sum(P.abs(x), axes=(inner,))
        outer -= inner < outer
        return jnp.max(sums, axis=outer, initial=0) if order > 0 else jnp.min(sums, axis=outer)
    raise FxValueError(
        f"{name}: the norm of matrices expects ord to be None, 'fro', 'nuc', 1, -1, 2, -2, inf or "
        f"-inf, got {order!r}."
    )


def _order(order: Any, name: str) -> Any:
    """`ord` as None, a number, or a name of a norm of matrices."""
    if order in ("inf", "-inf"):
        return float(order)
    if order is None or order in ("fro", "nuc"):
        return order
    if isinstance(order, (int, float, np.number)) and not isinstance(order, Array):
        return order
    if isinstance(order, str):
        raise FxValueError(
            f"{name}: ord must be None, a number, 'fro', 'nuc', 'inf' or '-inf', got {order!r}."
        )
    raise FxTypeError(
        f"{name}: ord must be None, a Python number, 'fro' or 'nuc', got {type(order).__name__}. "
        "Which norm it is must be known before tracing."
    )


def _norm(x: Any, order: Any, axes: tuple[int, ...], keepdims: bool, name: str, rule: Any) -> Array:
    # Half precision is summed in single, so that squares do not overflow.
    wide = convert(x, accumulator(x.dtype)) if accumulator(x.dtype) != x.dtype else x
    out = rule(wide, _order(order, name), axes, name)
    if wide is not x:
        out = convert(out, x.dtype)
    return kept(out, x.shape, axes, keepdims)


def _norm_short(x: Any, ord: None = None, axis: None = None) -> Any:
    plain = type(x) is Array and not x.weak_type and x._data.dtype in SINGLE_DOUBLE
    if not plain or ord is not None or axis is not None:
        return None
    numbers = x._data.reshape(-1)
    token = fp_enter()
    try:
        return Array(np.asarray(np.sqrt(np.dot(numbers, numbers))))
    finally:
        fp_exit(token)


@short_way(_norm_short)
@public
def norm(x: Any, ord: Order = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Norm of vectors or matrices.

    Args:
        x: array; integers become floats.
        ord: which norm. None: the root of the sum of squares over all axes. Of vectors: 2, 1,
            another number p (the p-norm), inf, -inf (largest, smallest absolute value), 0 (the
            number of elements that are not 0). Of matrices: "fro", "nuc" (sum of singular
            values), 2, -2 (largest, smallest singular value), 1, -1, inf, -inf (largest, smallest
            sum of absolute values in columns, rows).
        axis: one axis for vectors, two for matrices; None for all axes.
        keepdims: keep the reduced axes with size 1.

    Returns:
        Array of the real dtype of `x`. Its gradient is 0 where the norm is 0.

    Raises:
        FxValueError: no such norm or axis.
        ShapeError: `ord` is given, and there are neither one nor two axes.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> jnp.linalg.norm(jnp.array([3.0, 4.0]))
        Array(5., dtype=float32)
        >>> fx.grad(jnp.linalg.norm)(jnp.zeros(2))
        Array([0., 0.], dtype=float32)
    """
    name = "numpy.linalg.norm"
    (array,) = promote_inexact(name, x)
    axes = some_axes(axis, array.ndim, name)
    if ord is None and (axis is None or len(axes) < 3):
        return _norm(array, None, axes, keepdims, name, _vector)
    if len(axes) not in (1, 2):
        raise ShapeError(
            f"{name} of {array.aval.short()} expects one axis for vectors or two for matrices, got "
            f"axis={axis} and ord={ord!r}. Name the axes, or use ord=None for all elements."
        )
    return _norm(array, ord, axes, keepdims, name, _vector if len(axes) == 1 else _matrix)


@public
def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: Order = 2) -> Array:
    """Norm of the elements of an array, as one vector or along axes.

    Args:
        x: array; integers become floats.
        axis: an axis, several axes, or None for all.
        keepdims: keep the reduced axes with size 1.
        ord: 2, 1, another number, inf, -inf or 0, as for vectors in `norm`.

    Returns:
        Array of the real dtype of `x`.

    Raises:
        FxValueError: no such norm or axis.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.vector_norm(jnp.ones((2, 3)), ord=1)
        Array(6., dtype=float32)
    """
    name = "numpy.linalg.vector_norm"
    (array,) = promote_inexact(name, x)
    return _norm(array, ord, some_axes(axis, array.ndim, name), keepdims, name, _vector)


@public
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Order = "fro") -> Array:
    """Norm of the matrices in the last two axes.

    Args:
        x: array of shape (..., m, n); integers become floats.
        keepdims: keep the two axes with size 1.
        ord: "fro", "nuc", 1, -1, 2, -2, inf or -inf, as for matrices in `norm`.

    Returns:
        Array of shape (...), of the real dtype of `x`.

    Raises:
        FxValueError: no such norm.
        ShapeError: `x` has less than two axes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linalg.matrix_norm(jnp.ones((5, 2, 3)), ord=1).shape
        (5,)
    """
    name = "numpy.linalg.matrix_norm"
    (array,) = promote_inexact(name, x)
    if array.ndim < 2:
        raise ShapeError(f"{name} expects an array of shape (..., m, n), got {array.aval.short()}.")
    axes = (array.ndim - 2, array.ndim - 1)
    return _norm(array, ord, axes, keepdims, name, _matrix)
