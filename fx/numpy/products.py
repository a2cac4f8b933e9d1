"""Products of vectors, matrices and tensors; all are `dot_general`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.config import detours
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxValueError, ShapeError, hide_frames, public, reraise
from fx.numpy.dispatch import COMPLEX, SINGLE_DOUBLE, concrete
from fx.numpy.manipulation import permuted, reshaped
from fx.numpy.promotion import (
    a_dtype,
    array,
    common_shape,
    expand_to,
    integer,
    one_axis,
    promote,
    some_axes,
)
from fx.util import fp_enter, fp_exit

_BLAS = SINGLE_DOUBLE | COMPLEX


def contract(
    x: Any,
    y: Any,
    contracting: tuple[Sequence[int], Sequence[int]],
    batch: tuple[Sequence[int], Sequence[int]] = ((), ()),
    precision: Any = None,
    dtype: Any = None,
) -> Any:
    """`dot_general`: batch axes first, then the free axes of x, then those of y."""
    numbers = (
        (tuple(contracting[0]), tuple(contracting[1])),
        (tuple(batch[0]), tuple(batch[1])),
    )
    return P.dot_general(
        x, y, dimension_numbers=numbers, precision=precision, preferred_element_type=dtype
    )


def _preferred(dtype: Any, name: str) -> np.dtype | None:
    return a_dtype(dtype, name)


def _sizes_agree(name: str, x: Any, y: Any, m: int, n: int, what: str) -> None:
    if m != n:
        raise ShapeError(
            f"{name} of {x.aval.short()} and {y.aval.short()}: {what} must be equal, got {m} and "
            f"{n}. Transpose one operand, or use fx.numpy.einsum to name the axes."
        )


def _short(x: Any, y: Any, function: Any) -> Any:
    """NumPy's product of two concrete arrays that BLAS takes as they are, or None."""
    if type(x) is not Array or type(y) is not Array or detours[0]:
        return None
    a, b = x._data, y._data
    if a.dtype is not b.dtype or a.dtype not in _BLAS or not 0 < a.ndim < 3 or not 0 < b.ndim < 3:
        return None
    token = fp_enter()
    try:
        out = function(a, b)
    except ValueError:
        return None
    finally:
        fp_exit(token)
    return Array(out if type(out) is np.ndarray else concrete(out), x.weak_type and y.weak_type)


# ------------------------------------------------------------------ matrices
def matmul(
    a: Any,
    b: Any,
    *,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """Matrix product; leading axes are stacks of matrices and broadcast.

    Args:
        a: array of shape (..., m, k), or a vector (k,).
        b: array of shape (..., k, n), or a vector (k,).
        precision: hint to backends with several speeds.
        preferred_element_type: dtype of the result and of the accumulation.

    Returns:
        Array of shape (..., m, n), without m or n where the operand is a vector.

    Raises:
        ShapeError: the sizes k differ, or an operand is a scalar.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.matmul(jnp.ones((2, 3)), jnp.ones((3, 4))).shape
        (2, 4)
    """
    if preferred_element_type is None:
        out = _short(a, b, np.matmul)
        if out is not None:
            return out
    try:
        return _matmul(a, b, precision, _preferred(preferred_element_type, "numpy.matmul"))
    except Exception as error:
        try:
            reraise(error, matmul, (a, b))
        except Exception as final:
            hide_frames(final)
            raise


def _matmul(a: Any, b: Any, precision: Any = None, dtype: Any = None) -> Any:
    x, y = promote("numpy.matmul", array(a, "numpy.matmul"), array(b, "numpy.matmul"))
    if not x.ndim or not y.ndim:
        raise ShapeError(
            f"matmul (x @ y) expects arrays of rank at least 1, got {x.aval.short()} and "
            f"{y.aval.short()}. Multiply by a scalar with x * y."
        )
    depth = y.shape[0] if y.ndim == 1 else y.shape[-2]
    _sizes_agree("matmul", x, y, x.shape[-1], depth, "the inner sizes")
    if x.ndim == 1 or y.ndim <= 2:
        numbers = ((x.ndim - 1,), (max(y.ndim - 2, 0),))
        return contract(x, y, numbers, ((), ()), precision, dtype)
    return _stacks(x, y, precision, dtype)


def _stacks(x: Any, y: Any, precision: Any, dtype: Any) -> Any:
    """Product of stacks of matrices whose leading axes broadcast."""
    if x.ndim == 2 and y.ndim > 2:
        x = P.reshape(x, new_sizes=(1,) * (y.ndim - 2) + x.shape)
    lead = common_shape("matmul", [x.shape[:-2], y.shape[:-2]])
    if x.shape[:-2] != lead and all(n == 1 for n in x.shape[:-2]):
        # One matrix for a whole stack: contract once, then bring the stack's axes to the front.
        one = P.reshape(x, new_sizes=x.shape[-2:])
        y = expand_to(y, lead + y.shape[-2:])
        out = contract(one, y, ((1,), (y.ndim - 2,)), ((), ()), precision, dtype)
        return permuted(out, (*range(1, out.ndim - 1), 0, out.ndim - 1))
    x = expand_to(x, lead + x.shape[-2:])
    y = expand_to(y, lead + y.shape[-2:])
    axes = tuple(range(len(lead)))
    return contract(x, y, ((x.ndim - 1,), (y.ndim - 2,)), (axes, axes), precision, dtype)


@public
def matvec(x1: Any, x2: Any, /) -> Array:
    """Product of matrices and vectors; leading axes broadcast.

    Args:
        x1: array of shape (..., m, k).
        x2: array of shape (..., k).

    Returns:
        Array of shape (..., m).

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.matvec(jnp.ones((5, 2, 3)), jnp.ones((5, 3))).shape
        (5, 2)
    """
    x = array(x2, "numpy.matvec")
    column = P.reshape(x, new_sizes=(*x.shape, 1))
    out = _matmul(x1, column)
    return P.reshape(out, new_sizes=out.shape[:-1])


@public
def vecmat(x1: Any, x2: Any, /) -> Array:
    """Product of (conjugated) vectors and matrices; leading axes broadcast.

    Args:
        x1: array of shape (..., k).
        x2: array of shape (..., k, n).

    Returns:
        Array of shape (..., n).

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.vecmat(jnp.ones((5, 2)), jnp.ones((5, 2, 3))).shape
        (5, 3)
    """
    x = _conjugated(array(x1, "numpy.vecmat"))
    if not x.ndim:
        raise ShapeError(f"numpy.vecmat expects vectors, got {x.aval.short()}. Use x1 * x2.")
    row = P.reshape(x, new_sizes=(*x.shape[:-1], 1, x.shape[-1]))
    out = _matmul(row, x2)
    return P.reshape(out, new_sizes=out.shape[:-2] + out.shape[-1:])


def _conjugated(x: Any) -> Any:
    return P.conj(x) if x.dtype.kind == "c" else x


@public
def dot(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Array:
    """Sum of products over the last axis of `a` and the second-to-last (or only) axis of `b`.

    Args:
        a, b: arrays; a scalar multiplies.
        precision: hint to backends with several speeds.
        preferred_element_type: dtype of the result and of the accumulation.

    Returns:
        Array of shape a.shape[:-1] + b.shape without its contracted axis.

    Raises:
        ShapeError: the contracted sizes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.dot(jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0]))
        Array(11., dtype=float32)
    """
    if preferred_element_type is None:
        out = _short(a, b, np.dot)
        if out is not None:
            return out
    x, y = promote("numpy.dot", array(a, "numpy.dot"), array(b, "numpy.dot"))
    if not x.ndim or not y.ndim:
        return P.mul(x, y)
    axis = max(y.ndim - 2, 0)
    _sizes_agree("numpy.dot", x, y, x.shape[-1], y.shape[axis], "the contracted sizes")
    dtype = _preferred(preferred_element_type, "numpy.dot")
    return contract(x, y, ((x.ndim - 1,), (axis,)), ((), ()), precision, dtype)


# ------------------------------------------------------------------ vectors
@public
def vdot(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Array:
    """Scalar product of all elements, the first argument conjugated.

    Args:
        a, b: arrays with equally many elements.
        precision, preferred_element_type: as in `dot`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.vdot(jnp.array([1j, 2.0]), jnp.array([1j, 3.0]))
        Array(7.+0.j, dtype=complex64)
    """
    x = reshaped(_conjugated(array(a, "numpy.vdot")), (-1,))
    y = reshaped(array(b, "numpy.vdot"), (-1,))
    return dot(x, y, precision=precision, preferred_element_type=preferred_element_type)


@public
def vecdot(
    x1: Any,
    x2: Any,
    /,
    *,
    axis: int = -1,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """Scalar products of vectors along one axis, the first argument conjugated.

    Args:
        x1, x2: arrays that broadcast, with equal sizes along `axis`.
        axis: of the vectors.
        precision, preferred_element_type: as in `dot`.

    Returns:
        Array of the broadcast shape without that axis.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.vecdot(jnp.ones((2, 3)), jnp.ones((2, 3)))
        Array([3., 3.], dtype=float32)
    """
    x, y = promote("numpy.vecdot", array(x1, "numpy.vecdot"), array(x2, "numpy.vecdot"))
    i, j = one_axis(axis, x.ndim, "numpy.vecdot"), one_axis(axis, y.ndim, "numpy.vecdot")
    _sizes_agree("numpy.vecdot", x, y, x.shape[i], y.shape[j], f"the sizes of axis {axis}")
    x = permuted(_conjugated(x), (*(k for k in range(x.ndim) if k != i), i))
    y = permuted(y, (*(k for k in range(y.ndim) if k != j), j))
    shape = common_shape("numpy.vecdot", [x.shape, y.shape])
    x, y = expand_to(x, shape), expand_to(y, shape)
    axes, last = tuple(range(len(shape) - 1)), (len(shape) - 1,)
    dtype = _preferred(preferred_element_type, "numpy.vecdot")
    return contract(x, y, (last, last), (axes, axes), precision, dtype)


@public
def inner(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Array:
    """Sum of products over the last axes.

    Args:
        a, b: arrays with equal last sizes; a scalar multiplies.
        precision, preferred_element_type: as in `dot`.

    Returns:
        Array of shape a.shape[:-1] + b.shape[:-1].

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.inner(jnp.array([1, 2]), jnp.array([3, 4]))
        Array(11, dtype=int32)
    """
    x, y = promote("numpy.inner", array(a, "numpy.inner"), array(b, "numpy.inner"))
    if not x.ndim or not y.ndim:
        return P.mul(x, y)
    _sizes_agree("numpy.inner", x, y, x.shape[-1], y.shape[-1], "the last sizes")
    dtype = _preferred(preferred_element_type, "numpy.inner")
    return contract(x, y, ((x.ndim - 1,), (y.ndim - 1,)), ((), ()), precision, dtype)


@public
def outer(a: Any, b: Any, out: None = None) -> Array:
    """Products of each element of `a` with each of `b`.

    Args:
        a, b: arrays of m and n elements.
        out: must be None.

    Returns:
        Array of shape (m, n).

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.outer(jnp.array([1, 2]), jnp.array([3, 4]))
        Array([[3, 4],
               [6, 8]], dtype=int32)
    """
    x, y = promote("numpy.outer", array(a, "numpy.outer"), array(b, "numpy.outer"))
    m, n = x.size, y.size
    column = reshaped(x, (m,))
    left = P.broadcast_in_dim(column, shape=(m, n), broadcast_dimensions=(0,))
    right = P.broadcast_in_dim(reshaped(y, (n,)), shape=(m, n), broadcast_dimensions=(1,))
    return P.mul(left, right)


@public
def kron(a: Any, b: Any) -> Array:
    """Kronecker product: each element of `a` times the whole of `b`, as blocks.

    Args:
        a, b: arrays; ranks are made equal by axes of size 1 in front.

    Returns:
        Array whose sizes are products of the operands' sizes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.kron(jnp.array([1, 10]), jnp.array([1, 2]))
        Array([ 1,  2, 10, 20], dtype=int32)
    """
    x, y = promote("numpy.kron", array(a, "numpy.kron"), array(b, "numpy.kron"))
    rank = max(x.ndim, y.ndim)
    m = (1,) * (rank - x.ndim) + x.shape
    n = (1,) * (rank - y.ndim) + y.shape
    shape = tuple(k for pair in zip(m, n, strict=True) for k in pair)
    even = tuple(2 * (i + rank - x.ndim) for i in range(x.ndim))
    odd = tuple(2 * (i + rank - y.ndim) + 1 for i in range(y.ndim))
    product = P.mul(
        P.broadcast_in_dim(x, shape=shape, broadcast_dimensions=even),
        P.broadcast_in_dim(y, shape=shape, broadcast_dimensions=odd),
    )
    return P.reshape(product, new_sizes=tuple(i * j for i, j in zip(m, n, strict=True)))


@public
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """Cross product of vectors of 3 components (of 2: the third component of the product).

    Args:
        a, b: arrays of vectors; the other axes broadcast.
        axisa, axisb, axisc: the vectors' axes in `a`, `b` and the result.
        axis: all three at once.

    Raises:
        ShapeError: vectors do not have 2 or 3 components.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.cross(jnp.array([1, 0, 0]), jnp.array([0, 1, 0]))
        Array([0, 0, 1], dtype=int32)
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = promote("numpy.cross", array(a, "numpy.cross"), array(b, "numpy.cross"))
    x, y = _last(x, axisa, "numpy.cross"), _last(y, axisb, "numpy.cross")
    if x.shape[-1] not in (2, 3) or y.shape[-1] not in (2, 3):
        raise ShapeError(
            f"numpy.cross expects vectors of 2 or 3 components, got {x.aval.short()} and "
            f"{y.aval.short()}."
        )
    shape = common_shape("numpy.cross", [x.shape[:-1], y.shape[:-1]])
    p, q = _components(x, shape), _components(y, shape)
    third = P.sub(P.mul(p[0], q[1]), P.mul(p[1], q[0]))
    if len(p) == 2 and len(q) == 2:
        return third
    zero = P.sub(third, third)
    p, q = [*p, zero][:3], [*q, zero][:3]
    parts = [
        P.sub(P.mul(p[1], q[2]), P.mul(p[2], q[1])),
        P.sub(P.mul(p[2], q[0]), P.mul(p[0], q[2])),
        third,
    ]
    rows = [P.reshape(c, new_sizes=(*shape, 1)) for c in parts]
    out = P.concatenate(*rows, dimension=len(shape))
    place = one_axis(axisc, out.ndim, "numpy.cross")
    order = list(range(out.ndim - 1))
    order.insert(place, out.ndim - 1)
    return permuted(out, order)


def _last(x: Any, axis: int, name: str) -> Any:
    i = one_axis(axis, x.ndim, name)
    return permuted(x, (*(k for k in range(x.ndim) if k != i), i))


def _components(x: Any, shape: tuple[int, ...]) -> list[Any]:
    return [expand_to(x[..., i], shape) for i in range(x.shape[-1])]


# ------------------------------------------------------------------ tensors
@public
def tensordot(
    a: Any,
    b: Any,
    axes: Any = 2,
    *,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """Sum of products over chosen axes of both operands.

    Args:
        a, b: arrays.
        axes: how many last axes of `a` and first axes of `b`, or a pair of (sequences of) axes.
        precision, preferred_element_type: as in `dot`.

    Returns:
        Array with the remaining axes of `a`, then those of `b`.

    Raises:
        ShapeError: contracted sizes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.tensordot(jnp.ones((2, 3, 4)), jnp.ones((3, 4, 5)), axes=2).shape
        (2, 5)
    """
    x, y = promote("numpy.tensordot", array(a, "tensordot"), array(b, "tensordot"))
    if isinstance(axes, (tuple, list)):
        if len(axes) != 2:
            raise FxValueError(f"numpy.tensordot: axes must be an integer or a pair, got {axes!r}.")
        left = some_axes(_axes_of(axes[0]), x.ndim, "numpy.tensordot")
        right = some_axes(_axes_of(axes[1]), y.ndim, "numpy.tensordot")
    else:
        count = integer(axes, "numpy.tensordot", "axes")
        if not 0 <= count <= min(x.ndim, y.ndim):
            raise FxValueError(
                f"numpy.tensordot of {x.aval.short()} and {y.aval.short()}: cannot contract "
                f"{count} axes."
            )
        left, right = tuple(range(x.ndim - count, x.ndim)), tuple(range(count))
    if len(left) != len(right):
        raise FxValueError(f"numpy.tensordot: both sides must name equally many axes, got {axes}.")
    for i, j in zip(left, right, strict=True):
        _sizes_agree("numpy.tensordot", x, y, x.shape[i], y.shape[j], f"sizes of axes {i} and {j}")
    dtype = _preferred(preferred_element_type, "numpy.tensordot")
    return contract(x, y, (left, right), ((), ()), precision, dtype)


def _axes_of(axes: Any) -> Any:
    return tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)
