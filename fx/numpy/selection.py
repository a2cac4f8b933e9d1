"""Choosing between arrays by conditions; positions of non-zeros, and elements by masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import (
    FxIndexError,
    FxTypeError,
    FxValueError,
    NonConcreteBooleanIndexError,
    ShapeError,
    public,
)
from fx.numpy.creation import make_array
from fx.numpy.dispatch import FLOAT, short_way
from fx.numpy.logic import truth
from fx.numpy.manipulation import reshaped
from fx.numpy.promotion import (
    array,
    cast,
    common_shape,
    convert,
    expand_to,
    integer,
    no_out,
    one_axis,
    operand,
    promote,
)
from fx.numpy.promotion import (
    select as choose_between,
)
from fx.signatures import shown


# ------------------------------------------------------------------ by conditions
def _where_short(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    if type(condition) is not Array or condition._data.dtype.kind != "b":
        return None
    data, weak, dtype = [], True, None
    for v in (x, y):
        if type(v) is Array:
            data.append(v._data)
            weak = weak and v.weak_type
            if dtype is not None and v._data.dtype is not dtype:
                return None
            dtype = v._data.dtype
        elif type(v) is float or type(v) is int:
            data.append(v)
        else:
            return None
    if dtype not in FLOAT or (weak and not (type(x) is type(y) is Array)):
        return None
    return Array(np.asarray(np.where(condition._data, *data)), weak)


@short_way(_where_short)
def where(
    condition: Any,
    x: Any = None,
    y: Any = None,
    /,
    *,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """`x` where the condition holds, else `y`; with the condition alone, where it holds.

    Args:
        condition: array; what is not zero holds.
        x, y: arrays or numbers that broadcast against it; dtypes are promoted.
        size, fill_value: as in `nonzero`, for the form with the condition alone.

    Returns:
        Array; or a tuple of index arrays, as from `nonzero`.

    Raises:
        FxTypeError: only one of x and y is given.
        ShapeError: shapes do not broadcast.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.where(jnp.array([True, False]), 1.0, jnp.array([5.0, 6.0]))
        Array([1., 6.], dtype=float32)
    """
    if x is None and y is None:
        return nonzero(condition, size=size, fill_value=fill_value)
    if x is None or y is None or size is not None or fill_value is not None:
        raise FxTypeError(
            "numpy.where takes (condition, x, y), or the condition alone with size= and "
            "fill_value=."
        )
    mask = truth(array(condition, "numpy.where"))
    a, b = promote("numpy.where", x, y)
    shapes = [mask.shape, a.shape, b.shape]
    shape = common_shape("numpy.where", shapes)
    mask = expand_to(mask, shape) if mask.shape else mask
    return P.select_n(mask, expand_to(b, shape), expand_to(a, shape))


@public
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Array:
    """The choice of the first condition that holds.

    Args:
        condlist: bool arrays.
        choicelist: as many arrays; all broadcast.
        default: where no condition holds.

    Raises:
        FxValueError: the lists are empty or of different lengths.

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.arange(4)
        >>> jnp.select([x < 1, x < 3], [x, 10 * x], -1)
        Array([ 0, 10, 20, -1], dtype=int32)
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise FxValueError(
            f"numpy.select needs as many choices as conditions and at least one, got "
            f"{len(condlist)} conditions and {len(choicelist)} choices."
        )
    *choices, out = promote("numpy.select", *choicelist, default)
    masks = [truth(array(c, "numpy.select")) for c in condlist]
    shape = common_shape("numpy.select", [v.shape for v in (*masks, *choices, out)])
    out = expand_to(out, shape)
    for mask, choice in zip(masks[::-1], choices[::-1], strict=True):
        out = P.select_n(expand_to(mask, shape), out, expand_to(choice, shape))
    return out


@public
def choose(a: Any, choices: Sequence[Any] | Array, out: None = None, mode: str = "raise") -> Array:
    """Elementwise choice by number: `choices[a[i]][i]`.

    Args:
        a: integer array.
        choices: sequence of arrays that broadcast against it.
        out: must be None.
        mode: for numbers out of range: "raise" (only eagerly), "wrap" or "clip".

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.choose(jnp.array([0, 1]), [jnp.array([1, 2]), jnp.array([10, 20])])
        Array([ 1, 20], dtype=int32)
    """
    no_out(out, "numpy.choose")
    index = array(a, "numpy.choose")
    if not dtypes.is_integer(index.dtype):
        raise FxTypeError(f"numpy.choose expects integers, got {index.aval.short()}.")
    if not hasattr(type(choices), "__iter__"):
        raise FxTypeError(f"numpy.choose: choices must be a sequence, got {shown(choices)}.")
    options = promote("numpy.choose", *[make_array(c, None, "numpy.choose") for c in choices])
    n = len(options)
    index = into_range(index, n, mode, "numpy.choose")
    shape = common_shape("numpy.choose", [index.shape, *[c.shape for c in options]])
    which = expand_to(convert(index, np.dtype(np.int32)), shape)
    return P.select_n(which, *[expand_to(c, shape) for c in options])


def into_range(index: Any, n: int, mode: str, name: str) -> Any:
    if mode == "raise":
        if type(index) is Array and index.size:
            data = index._data
            if data.min() < 0 or data.max() >= n:
                raise FxIndexError(f"{name}: an index is out of range for {n} elements.")
        return index
    if mode == "clip":
        return P.min(P.max(index, lit(index, 0)), lit(index, n - 1))
    if mode == "wrap":
        rest = P.rem(index, lit(index, n))
        return choose_between(P.lt(rest, lit(rest, 0)), P.add(rest, lit(rest, n)), rest)
    raise FxValueError(f"{name}: mode must be 'raise', 'wrap' or 'clip', got {mode!r}.")


@public
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """A function given by cases: the function of the last condition that holds.

    Args:
        x: array.
        condlist: bool arrays of its shape.
        funclist: as many functions or numbers, or one more for where no condition holds (0
            otherwise). All functions are applied to all of `x`.
        *args, **kw: passed on to the functions.

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.array([-1.0, 2.0])
        >>> jnp.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v * v])
        Array([1., 4.], dtype=float32)
    """
    y = array(x, "numpy.piecewise")
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    masks = [truth(array(c, "numpy.piecewise")) for c in conditions]
    if len(funclist) not in (len(masks), len(masks) + 1):
        raise FxValueError(
            f"numpy.piecewise: {len(masks)} conditions need {len(masks)} or {len(masks) + 1} "
            f"functions, got {len(funclist)}."
        )
    values = [f(y, *args, **kw) if callable(f) else f for f in funclist]
    cases = [expand_to(convert(array(v, "numpy.piecewise"), y.dtype), y.shape) for v in values]
    out = cases[-1] if len(cases) > len(masks) else P.mul(y, lit(y, 0))
    for mask, case in zip(masks, cases, strict=False):
        out = choose_between(expand_to(mask, y.shape), case, out)
    return out


# ------------------------------------------------------------------ positions of non-zeros
@public
def nonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> tuple[Array, ...]:
    """Positions of the elements that are not zero, one array for each axis.

    Args:
        a: array of rank at least 1.
        size: how many positions to return; needed when `a` is traced. The first ones are kept, or
            the rest is filled.
        fill_value: what fills, 0 by default; a number or one for each axis.

    Raises:
        NonConcreteBooleanIndexError: `a` is traced and `size` is not given.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.nonzero(jnp.array([3, 0, 5]))
        (Array([0, 2], dtype=int32),)
    """
    x = array(a, "numpy.nonzero")
    if not x.ndim:
        raise ShapeError(
            "numpy.nonzero expects an array of rank at least 1, got a scalar. Use "
            "fx.numpy.atleast_1d(x)."
        )
    dtype = dtypes.default_int()
    if size is None:
        data = x._concrete(NonConcreteBooleanIndexError, "numpy.nonzero without size=")
        return tuple(Array(i.astype(dtype)) for i in np.nonzero(data))
    count = integer(size, "numpy.nonzero", "size")
    mask = reshaped(truth(x), (-1,))
    place = _first_true(mask, count, dtype)
    columns = []
    stride = x.size
    for n in x.shape:
        stride = stride // n if n else 1
        columns.append(P.rem(P.div(place, lit(place, max(stride, 1))), lit(place, max(n, 1))))
    total = P.reduce_sum(P.convert_element_type(mask, new_dtype=dtype), axes=(0,))
    found = P.lt(P.iota(dtype=dtype, shape=(count,), dimension=0), total)
    fills = fill_value if isinstance(fill_value, (tuple, list)) else (fill_value,) * x.ndim
    out = []
    for column, fill in zip(columns, fills, strict=True):
        value = cast(operand(0 if fill is None else fill, "nonzero"), dtype, False, "nonzero")
        out.append(choose_between(found, column, value))
    return tuple(out)


def _first_true(mask: Any, count: int, dtype: np.dtype) -> Any:
    """Positions of the first `count` true elements of a vector (any numbers behind the last).

    The k-th is the number of prefixes that hold at most k true elements.
    """
    n = mask.shape[0]
    if not n or not count:
        return P.broadcast_in_dim(
            Array(np.zeros((), dtype)), shape=(count,), broadcast_dimensions=()
        )
    prefixes = P.cumsum(P.convert_element_type(mask, new_dtype=dtype), axis=0, reverse=False)
    slot = P.min(prefixes, lit(prefixes, count))
    # Count prefixes by value, then add up: histogram[k] = how many prefixes equal k.
    ones = P.broadcast_in_dim(lit(slot, 1), shape=(n,), broadcast_dimensions=())
    zeros = P.broadcast_in_dim(lit(slot, 0), shape=(count + 1,), broadcast_dimensions=())
    histogram = zeros.at[slot].add(ones)
    below = P.cumsum(histogram, axis=0, reverse=False)
    return below[:count]


@public
def flatnonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> Array:
    """Positions in the flattened array of the elements that are not zero.

    Args:
        a: array.
        size, fill_value: as in `nonzero`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.flatnonzero(jnp.array([[0, 1], [1, 0]]))
        Array([1, 2], dtype=int32)
    """
    return nonzero(ravelled(a, "numpy.flatnonzero"), size=size, fill_value=fill_value)[0]


def ravelled(a: Any, name: str) -> Any:
    """An array-like in one axis."""
    return reshaped(array(a, name), (-1,))


@public
def argwhere(a: Any, *, size: int | None = None, fill_value: Any = None) -> Array:
    """Positions of the elements that are not zero, one row each.

    Args:
        a: array.
        size, fill_value: as in `nonzero`.

    Returns:
        Array of shape (count, rank).

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.argwhere(jnp.array([[0, 1], [1, 0]]))
        Array([[0, 1],
               [1, 0]], dtype=int32)
    """
    x = array(a, "numpy.argwhere")
    if not x.ndim:
        count = len(nonzero(reshaped(x, (1,)), size=size)[0])
        return Array(np.zeros((count, 0), dtypes.default_int()))
    columns = nonzero(x, size=size, fill_value=fill_value)
    rows = [P.reshape(c, new_sizes=(c.shape[0], 1)) for c in columns]
    return P.concatenate(*rows, dimension=1) if len(rows) > 1 else rows[0]


# ------------------------------------------------------------------ elements by masks
@public
def compress(
    condition: Any,
    a: Any,
    axis: int | None = None,
    *,
    size: int | None = None,
    fill_value: Any = 0,
    out: None = None,
) -> Array:
    """The slices along an axis whose condition holds.

    Args:
        condition: bool vector.
        a: array.
        axis: along which; the flattened array by default.
        size: how many slices to return; needed when the condition is traced.
        fill_value: fills the result up to `size`.
        out: must be None.

    Raises:
        NonConcreteBooleanIndexError: the condition is traced and `size` is not given.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.compress(jnp.array([True, False, True]), jnp.array([1, 2, 3]))
        Array([1, 3], dtype=int32)
    """
    no_out(out, "numpy.compress")
    x = array(a, "numpy.compress")
    mask = truth(make_array(condition, None, "numpy.compress"))
    if mask.ndim != 1:
        raise ShapeError(f"numpy.compress expects a condition vector, got {mask.aval.short()}.")
    if axis is None:
        x, along = reshaped(x, (-1,)), 0
    else:
        along = one_axis(axis, x.ndim, "numpy.compress")
    n = x.shape[along]
    (index,) = nonzero(mask, size=size, fill_value=mask.shape[0] + n)
    if size is None:
        return x[(slice(None),) * along + (index,)]
    key = (slice(None),) * along + (index,)
    return x.at[key].get(mode="fill", fill_value=fill_value)


@public
def extract(condition: Any, arr: Any, *, size: int | None = None, fill_value: Any = 0) -> Array:
    """The elements under a mask, in one axis.

    Args:
        condition: bool array of the shape of `arr`.
        arr: array.
        size, fill_value: as in `compress`.

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.array([[1, 5], [7, 2]])
        >>> jnp.extract(x > 3, x)
        Array([5, 7], dtype=int32)
    """
    mask = ravelled(make_array(condition, None, "numpy.extract"), "numpy.extract")
    return compress(mask, ravelled(arr, "numpy.extract"), size=size, fill_value=fill_value)
