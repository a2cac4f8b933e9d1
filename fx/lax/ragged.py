"""Products of groups of rows with a matrix each."""

from __future__ import annotations

from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, ShapeError, public
from fx.lax.elementwise import bitwise_and
from fx.lax.linear import dot_general


@public
def ragged_dot(
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    group_offset: Any = None,
) -> Array:
    """Rows of `lhs` in consecutive groups, those of group i times the matrix `rhs[i]`.

    All groups are multiplied with all rows: the cost is that of g dense products.

    Args:
        lhs: array of shape (m, k).
        rhs: array of shape (g, k, n).
        group_sizes: g integers, the numbers of rows; rows beyond their sum give zeros.
        precision, preferred_element_type: as in `dot_general`.
        group_offset: not supported.

    Returns:
        Array of shape (m, n).

    Raises:
        ShapeError: the shapes do not fit.
        FxTypeError: group_sizes are no integers.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> rhs = jnp.array([[[1.0]], [[10.0]]])
        >>> lax.ragged_dot(jnp.ones((4, 1)), rhs, jnp.array([1, 2])).tolist()
        [[1.0], [10.0], [10.0], [0.0]]
    """
    x, y, sizes = (to_array(v, "ragged_dot") for v in (lhs, rhs, group_sizes))
    if group_offset is not None:
        raise FxTypeError("ragged_dot: group_offset is not supported.")
    if not dtypes.is_integer(sizes.dtype):
        raise FxTypeError(f"ragged_dot: group_sizes must be integers, got {sizes.aval.short()}.")
    groups = y.shape[:1]
    if x.ndim != 2 or y.ndim != 3 or x.shape[1] != y.shape[1] or sizes.shape != groups:
        raise ShapeError(
            "ragged_dot expects lhs of shape (m, k), rhs of shape (g, k, n) and g group_sizes, got "
            f"{x.aval.short()}, {y.aval.short()} and {sizes.aval.short()}."
        )
    m, g = x.shape[0], groups[0]
    ends = P.cumsum(sizes, axis=0, reverse=False)
    row = P.iota(dtype=sizes.dtype, shape=(m, g), dimension=0)
    whole = {"shape": (m, g), "broadcast_dimensions": (1,)}
    end = P.broadcast_in_dim(ends, **whole)
    start = P.broadcast_in_dim(P.sub(ends, sizes), **whole)
    member = bitwise_and(P.ge(row, start), P.lt(row, end))
    # (m, g, k): each row in the place of its group, then one product over (g, k).
    spread = P.broadcast_in_dim(x, shape=(m, g, x.shape[1]), broadcast_dimensions=(0, 2))
    mask = P.broadcast_in_dim(member, shape=spread.shape, broadcast_dimensions=(0, 1))
    none = P.broadcast_in_dim(
        Array(np.zeros((), x.dtype)), shape=spread.shape, broadcast_dimensions=()
    )
    placed = P.select_n(mask, none, spread)
    numbers = (((1, 2), (0, 1)), ((), ()))
    return dot_general(placed, y, numbers, precision, preferred_element_type)
