"""Sets: unique elements, membership, and the operations on sets given as arrays.

The size of the result depends on values, so under jit `size=` says how many elements to return.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import ConcretizationTypeError, public
from fx.numpy.creation import make_array
from fx.numpy.cumulative import cut
from fx.numpy.manipulation import permuted, reshaped
from fx.numpy.promotion import (
    array,
    cast,
    integer,
    one_axis,
    operand,
    promote,
    select,
)
from fx.numpy.selection import nonzero
from fx.numpy.sorting import searchsorted


class UniqueAll(NamedTuple):
    """Result of `unique_all`."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """Result of `unique_counts`."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """Result of `unique_inverse`."""

    values: Any
    inverse_indices: Any


@public
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    size: int | None = None,
    fill_value: Any = None,
    sorted: bool = True,
) -> Any:
    """The distinct elements in ascending order.

    Args:
        ar: array.
        return_index: also return the position of each one's first occurrence.
        return_inverse: also return, for each element, its position in the result.
        return_counts: also return how often each occurs.
        axis: compare slices along this axis instead of elements.
        equal_nan: whether all NaN are one element.
        size: how many to return; needed when `ar` is traced. Fewer are cut off.
        fill_value: what fills the result up to `size`; its first element by default.
        sorted: accepted; the result always is.

    Returns:
        Array, or a tuple with the wanted index arrays.

    Raises:
        ConcretizationTypeError: `ar` is traced and `size` is not given.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.unique(jnp.array([3, 1, 3]), return_counts=True)
        (Array([1, 3], dtype=int32), Array([1, 2], dtype=int32))
    """
    x = array(ar, "numpy.unique")
    shape = x.shape
    if axis is None:
        place, rows = 0, reshaped(x, (-1, 1))
        slice_shape: tuple[int, ...] = ()
    else:
        place = one_axis(axis, x.ndim, "numpy.unique")
        front = permuted(x, (place, *(i for i in range(x.ndim) if i != place)))
        slice_shape = front.shape[1:]
        rows = reshaped(front, (shape[place], int(np.prod(slice_shape))))
    count = None if size is None else integer(size, "numpy.unique", "size")
    if count is None:
        rows._concrete(ConcretizationTypeError, "numpy.unique without size=")
    values, first, inverse, counts = _unique_rows(rows, count, fill_value, equal_nan)
    values = reshaped(values, (values.shape[0], *slice_shape))
    if axis is not None:
        order = list(range(1, values.ndim))
        order.insert(place, 0)
        values = permuted(values, order)
    if axis is None and return_inverse:
        inverse = reshaped(inverse, shape)
    extra = [
        v
        for v, on in ((first, return_index), (inverse, return_inverse), (counts, return_counts))
        if on
    ]
    return (values, *extra) if extra else values


def _unique_rows(rows: Any, size: int | None, fill: Any, equal_nan: bool) -> tuple[Any, ...]:
    """Distinct rows of a matrix in ascending order, first positions, inverse, counts."""
    n, width = rows.shape
    dtype = dtypes.default_int()
    if not n or not width:
        kept = min(n, 1) if width == 0 and n else 0
        kept = kept if size is None else size
        zero = Array(np.zeros(kept, dtype))
        blank = Array(np.zeros((kept, width), rows.dtype))
        counts = Array(np.full(kept, n if n and not width else 0, dtype))
        return blank, zero, Array(np.zeros(n, dtype)), counts
    index = P.iota(dtype=dtype, shape=(n,), dimension=0)
    columns = [P.squeeze(cut(rows, 1, i, i + 1), dimensions=(1,)) for i in range(width)]
    *ordered, order = P.sort(*columns, index, dimension=0, is_stable=True, num_keys=width)
    new = None
    for column in ordered:
        here, before = cut(column, 0, 1, None), cut(column, 0, None, -1)
        differs = P.ne(here, before)
        if equal_nan and dtypes.is_inexact(column.dtype):
            both = P.table["and"](P.ne(here, here), P.ne(before, before))
            differs = P.table["and"](differs, P.table["not"](both))
        new = differs if new is None else P.table["or"](new, differs)
    starts = P.concatenate(Array(np.ones(1, bool)), new, dimension=0)
    number = P.cumsum(P.convert_element_type(starts, new_dtype=dtype), axis=0, reverse=False)
    number = P.sub(number, lit(number, 1))
    inverse = P.broadcast_in_dim(lit(index, 0), shape=(n,), broadcast_dimensions=())
    inverse = inverse.at[order].set(number)
    (place,) = nonzero(starts, size=size, fill_value=n)
    found = P.lt(place, lit(place, n))
    safe = P.min(place, lit(place, n - 1))
    if place.shape[0]:
        # Behind the last one stands the smallest, unless a filling is given.
        safe = select(found, safe, lit(safe, 0))
    first = order[safe]
    values = P.concatenate(*[reshaped(c, (n, 1)) for c in ordered], dimension=1)[safe]
    if fill is not None and size is not None:
        blank = cast(operand(fill, "numpy.unique"), rows.dtype, False, "numpy.unique")
        mask = P.broadcast_in_dim(found, shape=values.shape, broadcast_dimensions=(0,))
        values = select(mask, values, blank)
    following = P.concatenate(cut(place, 0, 1, None), Array(np.full(1, n, dtype)), dimension=0)
    counts = P.sub(P.min(following, lit(place, n)), P.min(place, lit(place, n)))
    return values, first, inverse, counts


@public
def unique_all(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueAll:
    """Distinct elements, their first positions, the inverse, and counts (the array API's name).

    Args:
        x: array.
        size, fill_value: as in `unique`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.unique_all(jnp.array([3, 1, 3])).counts
        Array([1, 2], dtype=int32)
    """
    return UniqueAll(
        *unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value)
    )


@public
def unique_counts(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueCounts:
    """Distinct elements and how often each occurs (the array API's name).

    Args:
        x: array.
        size, fill_value: as in `unique`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.unique_counts(jnp.array([3, 1, 3])).counts
        Array([1, 2], dtype=int32)
    """
    out = unique(x, False, False, True, equal_nan=False, size=size, fill_value=fill_value)
    return UniqueCounts(*out)


@public
def unique_inverse(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueInverse:
    """Distinct elements and each element's position among them (the array API's name).

    Args:
        x: array.
        size, fill_value: as in `unique`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.unique_inverse(jnp.array([3, 1, 3])).inverse_indices
        Array([1, 0, 1], dtype=int32)
    """
    out = unique(x, False, True, False, equal_nan=False, size=size, fill_value=fill_value)
    return UniqueInverse(*out)


@public
def unique_values(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> Array:
    """Distinct elements (the array API's name).

    Args:
        x: array.
        size, fill_value: as in `unique`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.unique_values(jnp.array([3, 1, 3]))
        Array([1, 3], dtype=int32)
    """
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


# ------------------------------------------------------------------ membership and operations
@public
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    method: str = "auto",
) -> Array:
    """Whether each element occurs in a set.

    Args:
        element: array.
        test_elements: the set, as an array.
        assume_unique, method: accepted.
        invert: whether each does not occur.

    Returns:
        bool Array of the shape of `element`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.isin(jnp.array([1, 2, 3]), jnp.array([2, 5]))
        Array([False,  True, False], dtype=bool)
    """
    x, members = promote(
        "numpy.isin",
        make_array(element, None, "numpy.isin"),
        make_array(test_elements, None, "numpy.isin"),
    )
    flat, members = reshaped(x, (-1,)), reshaped(members, (-1,))
    n, m = flat.shape[0], members.shape[0]
    if m <= _FEW_MEMBERS:
        left = P.broadcast_in_dim(flat, shape=(n, m), broadcast_dimensions=(0,))
        right = P.broadcast_in_dim(members, shape=(n, m), broadcast_dimensions=(1,))
        found = P.reduce_or(P.eq(left, right), axes=(1,))
    else:
        (ordered,) = P.sort(members, dimension=0, is_stable=True, num_keys=1)
        place = searchsorted(ordered, flat)
        found = P.eq(ordered[P.min(place, lit(place, m - 1))], flat)
    found = reshaped(found, x.shape)
    return P.table["not"](found) if invert else found


# Up to so many each is compared with all; among more, each is searched for.
_FEW_MEMBERS = 8


def _flat_pair(a: Any, b: Any, name: str) -> tuple[Any, Any]:
    x, y = promote(name, make_array(a, None, name), make_array(b, None, name))
    return reshaped(x, (-1,)), reshaped(y, (-1,))


@public
def union1d(ar1: Any, ar2: Any, *, size: int | None = None, fill_value: Any = None) -> Array:
    """The distinct elements of two arrays, in ascending order.

    Args:
        ar1, ar2: arrays.
        size, fill_value: as in `unique`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.union1d(jnp.array([1, 3]), jnp.array([2, 3]))
        Array([1, 2, 3], dtype=int32)
    """
    both = P.concatenate(*_flat_pair(ar1, ar2, "numpy.union1d"), dimension=0)
    return unique(both, size=size, fill_value=fill_value)


def _chosen(values: Any, mask: Any, size: int | None, fill_value: Any) -> Any:
    """Elements under a mask; with a size, filled up by `fill_value` (or the smallest)."""
    (index,) = nonzero(mask, size=size, fill_value=values.shape[0])
    if size is None:
        return values[index]
    blank = lit(values, 0) if fill_value is None else fill_value
    blank = cast(operand(blank, "sets"), values.dtype, False, "sets")
    if not values.shape[0]:
        return P.broadcast_in_dim(blank, shape=(size,), broadcast_dimensions=())
    inside = P.lt(index, lit(index, values.shape[0]))
    picked = values[P.min(index, lit(index, values.shape[0] - 1))]
    return select(inside, picked, blank)


@public
def setdiff1d(
    ar1: Any,
    ar2: Any,
    assume_unique: bool = False,
    *,
    size: int | None = None,
    fill_value: Any = None,
) -> Array:
    """The distinct elements of one array that do not occur in another.

    Args:
        ar1, ar2: arrays.
        assume_unique: a promise that elements are distinct; the result keeps their order.
        size: how many to return; needed when an argument is traced.
        fill_value: what fills the result up to `size`, 0 by default.

    Returns:
        A vector of the dtype of `ar1`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.setdiff1d(jnp.array([3, 1, 2]), jnp.array([2]))
        Array([1, 3], dtype=int32)
    """
    x = reshaped(make_array(ar1, None, "numpy.setdiff1d"), (-1,))
    y = make_array(ar2, None, "numpy.setdiff1d")
    if assume_unique:
        return _chosen(x, isin(x, y, invert=True), size, fill_value)
    (ordered,) = P.sort(x, dimension=0, is_stable=True, num_keys=1)
    return _chosen(
        ordered,
        P.table["and"](_first_of_runs(ordered), isin(ordered, y, invert=True)),
        size,
        fill_value,
    )


def _first_of_runs(ordered: Any) -> Any:
    """Whether each element of a sorted vector differs from the one before."""
    if ordered.shape[0] == 0:
        return Array(np.zeros(0, bool))
    changes = P.ne(cut(ordered, 0, 1, None), cut(ordered, 0, None, -1))
    return P.concatenate(Array(np.ones(1, bool)), changes, dimension=0)


@public
def intersect1d(
    ar1: Any,
    ar2: Any,
    assume_unique: bool = False,
    return_indices: bool = False,
    *,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements that occur in both arrays, in ascending order.

    Args:
        ar1, ar2: arrays.
        assume_unique: accepted.
        return_indices: also return their first positions in both arrays.
        size: how many to return; needed when an argument is traced.
        fill_value: what fills the result up to `size`, 0 by default.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.intersect1d(jnp.array([3, 1, 2]), jnp.array([2, 3]))
        Array([2, 3], dtype=int32)
    """
    x, y = _flat_pair(ar1, ar2, "numpy.intersect1d")
    index = P.iota(dtype=dtypes.default_int(), shape=x.shape, dimension=0)
    ordered, order = P.sort(x, index, dimension=0, is_stable=True, num_keys=1)
    mask = P.table["and"](_first_of_runs(ordered), isin(ordered, y))
    values = _chosen(ordered, mask, size, fill_value)
    if not return_indices:
        return values
    first = _chosen(order, mask, size, x.shape[0] if size is not None else None)
    index = P.iota(dtype=dtypes.default_int(), shape=y.shape, dimension=0)
    ordered, order = P.sort(y, index, dimension=0, is_stable=True, num_keys=1)
    mask = P.table["and"](_first_of_runs(ordered), isin(ordered, x))
    return values, first, _chosen(order, mask, size, y.shape[0] if size is not None else None)


@public
def setxor1d(
    ar1: Any,
    ar2: Any,
    assume_unique: bool = False,
    *,
    size: int | None = None,
    fill_value: Any = None,
) -> Array:
    """The distinct elements that occur in exactly one of two arrays, in ascending order.

    Args:
        ar1, ar2: arrays.
        assume_unique: accepted.
        size: how many to return; needed when an argument is traced.
        fill_value: what fills the result up to `size`, 0 by default.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.setxor1d(jnp.array([3, 1]), jnp.array([2, 3]))
        Array([1, 2], dtype=int32)
    """
    x, y = _flat_pair(ar1, ar2, "numpy.setxor1d")
    both = P.concatenate(x, y, dimension=0)
    (ordered,) = P.sort(both, dimension=0, is_stable=True, num_keys=1)
    once = P.table["not"](P.table["and"](isin(ordered, x), isin(ordered, y)))
    return _chosen(ordered, P.table["and"](_first_of_runs(ordered), once), size, fill_value)
