"""Diagonals and triangles of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxValueError, ShapeError, public
from fx.numpy.creation import diagonal_mask, make_array
from fx.numpy.cumulative import cut
from fx.numpy.manipulation import permuted, reshaped
from fx.numpy.promotion import (
    a_dtype,
    array,
    convert,
    expand_to,
    integer,
    no_out,
    one_axis,
    select,
)
from fx.numpy.reductions import sum as sum_over


def _matrices(a: Any, axis1: int, axis2: int, name: str) -> Any:
    """The array with the two axes last."""
    x = array(a, name)
    if x.ndim < 2:
        raise ShapeError(f"{name} expects an array of rank at least 2, got {x.aval.short()}.")
    i, j = one_axis(axis1, x.ndim, name), one_axis(axis2, x.ndim, name)
    if i == j:
        raise FxValueError(f"{name}: axis1 and axis2 must differ, both are {i}.")
    return permuted(x, (*(k for k in range(x.ndim) if k not in (i, j)), i, j))


def diagonal_of(x: Any, offset: int) -> Any:
    """The diagonals of the matrices in the last two axes, as the last axis.

    Rows are laid end to end: each next diagonal element is one row and one column further.
    """
    rows, columns = x.shape[-2:]
    start = (0, offset) if offset >= 0 else (-offset, 0)
    size = max(0, min(rows - start[0], columns - start[1]))
    lead = x.shape[:-2]
    if not size:
        return cut(reshaped(x, (*lead, rows * columns)), len(lead), 0, 0)
    place = len(lead)
    flat = cut(reshaped(x, (*lead, rows * columns)), place, start[0] * columns + start[1], None)
    wanted = (size - 1) * (columns + 1) + 1
    return cut(flat, place, 0, wanted, columns + 1)


@public
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonals of matrices.

    Args:
        a: array of rank at least 2.
        offset: which diagonal: positive above the main one.
        axis1, axis2: rows and columns.

    Returns:
        Array without these axes, with the diagonal as the last one.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.diagonal(jnp.array([[1, 2], [3, 4]]))
        Array([1, 4], dtype=int32)
    """
    x = _matrices(a, axis1, axis2, "numpy.diagonal")
    return diagonal_of(x, integer(offset, "numpy.diagonal", "offset"))


@public
def trace(
    a: Any,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Any = None,
    out: None = None,
) -> Array:
    """Sum of a diagonal.

    Args:
        a: array of rank at least 2.
        offset, axis1, axis2: as in `diagonal`.
        dtype: of the result.
        out: must be None.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.trace(jnp.array([[1, 2], [3, 4]]))
        Array(5, dtype=int32)
    """
    no_out(out, "numpy.trace")
    x = _matrices(a, axis1, axis2, "numpy.trace")
    return sum_over(diagonal_of(x, integer(offset, "numpy.trace", "offset")), -1, dtype)


@public
def diag(v: Any, k: int = 0) -> Array:
    """The diagonal of a matrix, or a matrix with a vector as its diagonal.

    Args:
        v: matrix or vector.
        k: which diagonal: positive above the main one.

    Raises:
        ShapeError: the rank is neither 1 nor 2.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.diag(jnp.array([1, 2]))
        Array([[1, 0],
               [0, 2]], dtype=int32)
    """
    x = make_array(v, None, "numpy.diag")
    shift = integer(k, "numpy.diag", "k")
    if x.ndim == 2:
        return diagonal_of(x, shift)
    if x.ndim != 1:
        raise ShapeError(f"numpy.diag expects a vector or a matrix, got {x.aval.short()}.")
    n, extra = x.shape[0], abs(shift)
    size = n + extra
    if not n:
        return make_array(np.zeros((size, size), x.dtype), None, "numpy.diag")
    # Each element is followed by as many zeros as one row and one column take.
    zero = Array(np.zeros((), x.dtype))
    start = shift if shift >= 0 else extra * size
    covered = (n - 1) * (size + 1) + 1
    config = ((start, size * size - start - covered, size),)
    return P.reshape(P.pad(x, zero, padding_config=config), new_sizes=(size, size))


@public
def diagflat(v: Any, k: int = 0) -> Array:
    """A matrix with the flattened array as its diagonal.

    Args:
        v: array.
        k: which diagonal: positive above the main one.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.diagflat(jnp.array([[1], [2]]))
        Array([[1, 0],
               [0, 2]], dtype=int32)
    """
    return diag(reshaped(make_array(v, None, "numpy.diagflat"), (-1,)), k)


@public
def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Array:
    """A copy with another main diagonal.

    Args:
        a: array of rank at least 2, of equal sizes if the rank is more than 2.
        val: number or vector, repeated as often as needed.
        wrap: for tall matrices, start again one row below the end.
        inplace: must be False: arrays are immutable.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fill_diagonal(jnp.ones((2, 2)), 5, inplace=False)
        Array([[5., 1.],
               [1., 5.]], dtype=float32)
    """
    if inplace:
        raise FxValueError(
            "numpy.fill_diagonal: fx arrays are immutable. Pass inplace=False and use the result."
        )
    x = array(a, "numpy.fill_diagonal")
    if x.ndim < 2 or (x.ndim > 2 and len(set(x.shape)) > 1):
        raise ShapeError(
            "numpy.fill_diagonal expects a matrix, or an array of equal sizes, got "
            f"{x.aval.short()}."
        )
    step = int(np.sum(np.cumprod((1, *x.shape[:0:-1]))))
    tall = x.ndim == 2 and not wrap
    end = min(x.size, x.shape[1] ** 2) if tall else x.size
    places = np.arange(0, end, step, dtype=np.int32)
    values = reshaped(convert(make_array(val, None, "numpy.fill_diagonal"), x.dtype), (-1,))
    if values.size != 1:
        repeats = -(-places.size // values.size)
        values = P.concatenate(*[values] * repeats, dimension=0)[: places.size]
    else:
        values = reshaped(values, ())
    return reshaped(reshaped(x, (-1,)).at[Array(places)].set(values), x.shape)


# ------------------------------------------------------------------ triangles
@public
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Array:
    """Ones at and below a diagonal, zeros above.

    Args:
        N, M: rows and columns; square by default.
        k: which diagonal: positive above the main one.
        dtype: float32 (the default float) by default.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.tri(2)
        Array([[1., 0.],
               [1., 1.]], dtype=float32)
    """
    rows = integer(N, "numpy.tri", "N")
    columns = rows if M is None else integer(M, "numpy.tri", "M")
    wanted = a_dtype(dtype, "numpy.tri") or dtypes.default_float()
    return diagonal_mask(rows, columns, integer(k, "numpy.tri", "k"), "ge", wanted)


def _triangle(name: str, lower: bool, text: str, shown: str) -> Callable[..., Array]:
    where = f"numpy.{name}"

    def function(m: Any, k: int = 0) -> Array:
        x = make_array(m, None, where)
        if x.ndim < 2:
            raise ShapeError(f"{where} expects an array of rank at least 2, got {x.aval.short()}.")
        shift = integer(k, where, "k")
        compare = "ge" if lower else "le"
        mask = diagonal_mask(x.shape[-2], x.shape[-1], shift, compare, np.dtype(bool))
        return select(expand_to(mask, x.shape), x, lit(x, 0))

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""The {text} triangle of matrices, zeros elsewhere.

    Args:
        m: array of rank at least 2.
        k: which diagonal bounds it: positive above the main one.

    Raises:
        ShapeError: the rank is less than 2.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([[1, 2], [3, 4]]))
        {shown}
    """
    return public(function)


tril = _triangle("tril", True, "lower", "Array([[1, 0],\n               [3, 4]], dtype=int32)")
triu = _triangle("triu", False, "upper", "Array([[1, 2],\n               [0, 4]], dtype=int32)")


def _triangle_indices(name: str, lower: bool, shown: str) -> tuple[Callable, Callable]:
    find = np.tril_indices if lower else np.triu_indices
    triangle = "lower" if lower else "upper"

    def function(n: int, k: int = 0, m: int | None = None) -> tuple[Array, Array]:
        rows = integer(n, f"numpy.{name}", "n")
        columns = None if m is None else integer(m, f"numpy.{name}", "m")
        i, j = find(rows, integer(k, f"numpy.{name}", "k"), columns)
        dtype = dtypes.default_int()
        return Array(i.astype(dtype)), Array(j.astype(dtype))

    def of_array(arr: Any, k: int = 0) -> tuple[Array, Array]:
        shape = array(arr, f"numpy.{name}_from").shape
        if len(shape) != 2:
            raise ShapeError(f"numpy.{name}_from expects a matrix, got shape {shape}.")
        return function(shape[0], k, shape[1])

    for f, own, given in (
        (function, name, "n, m: rows and columns; square by default."),
        (of_array, f"{name}_from", "arr: the matrix."),
    ):
        example = f"jnp.{own}(2)" if f is function else f"jnp.{own}(jnp.ones((2, 2)))"
        f.__name__ = f.__qualname__ = own
        f.__module__ = __name__
        f.__doc__ = f"""Rows and columns of the {triangle} triangle of a matrix.

    Args:
        {given}
        k: which diagonal bounds it: positive above the main one.

    Returns:
        Two integer Arrays.

    Example:
        >>> import fx.numpy as jnp
        >>> {example}
        {shown}
    """
    return public(function), public(of_array)


tril_indices, tril_indices_from = _triangle_indices(
    "tril_indices", True, "(Array([0, 1, 1], dtype=int32), Array([0, 0, 1], dtype=int32))"
)
triu_indices, triu_indices_from = _triangle_indices(
    "triu_indices", False, "(Array([0, 0, 1], dtype=int32), Array([0, 1, 1], dtype=int32))"
)


@public
def diag_indices(n: int, ndim: int = 2) -> tuple[Array, ...]:
    """Positions of the main diagonal.

    Args:
        n: its size.
        ndim: rank of the array.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.diag_indices(2)
        (Array([0, 1], dtype=int32), Array([0, 1], dtype=int32))
    """
    count = integer(n, "numpy.diag_indices", "n")
    rank = integer(ndim, "numpy.diag_indices", "ndim")
    if count < 0 or not 0 <= rank <= 64:
        raise FxValueError(
            f"numpy.diag_indices: n must be at least 0 and ndim from 0 to 64, got {n} and {ndim}."
        )
    index = Array(np.arange(count, dtype=dtypes.default_int()))
    return (index,) * rank


@public
def diag_indices_from(arr: Any) -> tuple[Array, ...]:
    """Positions of the main diagonal of an array of equal sizes.

    Args:
        arr: array of rank at least 2.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.diag_indices_from(jnp.ones((2, 2)))
        (Array([0, 1], dtype=int32), Array([0, 1], dtype=int32))
    """
    x = array(arr, "numpy.diag_indices_from")
    if x.ndim < 2 or len(set(x.shape)) > 1:
        raise ShapeError(
            f"numpy.diag_indices_from expects rank at least 2 and equal sizes, got "
            f"{x.aval.short()}."
        )
    return diag_indices(x.shape[0], x.ndim)


@public
def mask_indices(n: int, mask_func: Callable[..., Any], k: int = 0) -> tuple[Array, ...]:
    """Positions where a function of an n by n matrix of ones is not zero.

    Args:
        n: rows and columns.
        mask_func: such as `triu`: (matrix, k) to matrix.
        k: passed on.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.mask_indices(2, jnp.triu)
        (Array([0, 0, 1], dtype=int32), Array([0, 1, 1], dtype=int32))
    """
    ones = Array(np.ones((n, n), dtypes.default_int()))
    mask = np.asarray(array(mask_func(ones, k), "numpy.mask_indices"))
    if not mask.ndim:
        raise ShapeError("numpy.mask_indices: mask_func must give a matrix, got a scalar.")
    return tuple(Array(i.astype(dtypes.default_int())) for i in np.nonzero(mask))


@public
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Array:
    """The Vandermonde matrix: powers of a vector as columns.

    Args:
        x: vector.
        N: number of columns; the vector's size by default.
        increasing: powers from 0 up instead of down to 0.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.vander(jnp.array([2, 3]), 3)
        Array([[4, 2, 1],
               [9, 3, 1]], dtype=int32)
    """
    v = array(x, "numpy.vander")
    if v.ndim != 1:
        raise ShapeError(f"numpy.vander expects a vector, got {v.aval.short()}.")
    n = v.shape[0] if N is None else integer(N, "numpy.vander", "N")
    if n < 0:
        raise FxValueError(f"numpy.vander: N must not be negative, got {n}.")
    if v.dtype == np.bool_:
        v = convert(v, dtypes.default_int())
    if not n:
        return Array(np.zeros((v.shape[0], 0), v.dtype))
    if n > 64:  # one operation, where an equation for each column would be many
        powers = P.iota(dtype=dtypes.default_int(), shape=(1, n), dimension=1)
        powers = powers if increasing else P.rev(powers, dimensions=(1,))
        return P.pow(
            P.broadcast_in_dim(v, shape=(*v.shape, n), broadcast_dimensions=(0,)),
            P.broadcast_in_dim(powers, shape=(*v.shape, n), broadcast_dimensions=(0, 1)),
        )
    columns = [P.reshape(P.integer_pow(v, y=i), new_sizes=(*v.shape, 1)) for i in range(n)]
    return P.concatenate(*(columns if increasing else columns[::-1]), dimension=1)
