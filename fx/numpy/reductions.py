"""Sums, products, extrema and other folds over axes."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.config import detours
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, hide_frames, public, reraise
from fx.numpy.dispatch import BOOL, COMPLEX, INTEGER, SINGLE_DOUBLE, concrete, short_way
from fx.numpy.logic import truth
from fx.numpy.promotion import (
    a_dtype,
    array,
    cast,
    common_shape,
    convert,
    expand_to,
    no_out,
    select,
    some_axes,
)
from fx.util import fp_enter, fp_exit

Axis = int | tuple[int, ...] | None


# ------------------------------------------------------------------ parts shared by all
def kept(out: Any, shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> Any:
    """A reduced array, with the reduced axes back as axes of size 1 if wanted."""
    if not keepdims or not axes:
        return out
    return P.reshape(out, new_sizes=tuple(1 if i in axes else n for i, n in enumerate(shape)))


def masked(x: Any, where: Any, fill: Any, name: str) -> Any:
    """`x` with `fill` where the mask does not hold."""
    if where is None:
        return x
    mask = truth(array(where, name))
    shape = common_shape(name, [x.shape, mask.shape])
    return select(expand_to(mask, shape), expand_to(x, shape), lit(x, fill))


def fold(
    name: str, primitive: str, x: Any, axis: Any, keepdims: bool, initial: Any, combine: str
) -> Any:
    """Reduce by a primitive over user-given axes, then put in the initial value."""
    axes = some_axes(axis, x.ndim, name)
    out = P.table[primitive](x, axes=axes) if axes or primitive.startswith("arg") else x
    if initial is not None:
        first = cast(
            initial if isinstance(initial, (int, float, complex)) else array(initial, name),
            x.dtype,
            False,
            name,
        )
        if first.shape:
            raise FxValueError(f"{name}: initial must be a scalar, got {first.aval.short()}.")
        out = P.table[combine](out, first)
    return kept(out, x.shape, axes, keepdims)


def _short_way(primitive: Any, dtypes_: frozenset, empty: bool) -> Callable[..., Any]:
    """A fold of a concrete array by the primitive's implementation alone, or None where the
    arguments are unusual. `empty`: whether the fold over nothing has a value."""
    compute = primitive.impl

    def short(a: Any, axis: Any) -> Any:
        if type(a) is not Array or detours[0]:
            return None
        data = a._data
        if data.dtype not in dtypes_ or not (empty or data.size):
            return None
        if axis is None:
            axes = ALL_AXES[data.ndim]
        elif type(axis) is int and -data.ndim <= axis < data.ndim:
            axes = (axis if axis >= 0 else axis + data.ndim,)
        else:
            return None
        token = fp_enter()
        try:
            out = compute(np, data, axes=axes)
        finally:
            fp_exit(token)
        return Array(out if type(out) is np.ndarray else concrete(out))

    return short


ALL_AXES = [tuple(range(n)) for n in range(65)]
_add_reduce = _short_way(P.reduce_sum, SINGLE_DOUBLE | COMPLEX, True)
_max_reduce = _short_way(P.reduce_max, SINGLE_DOUBLE | INTEGER, False)
_min_reduce = _short_way(P.reduce_min, SINGLE_DOUBLE | INTEGER, False)


def _accumulated(x: Any, dtype: Any, name: str, promote_integers: bool = True) -> Any:
    """The operand of a sum or product in the dtype of the result: narrow integers are widened."""
    wanted = a_dtype(dtype, name) or (widened(x.dtype) if promote_integers else x.dtype)
    return convert(x, wanted)


def widened(dtype: np.dtype) -> np.dtype:
    """The dtype in which integers are added up: at least the default integer's width."""
    if dtype == np.bool_:
        return dtypes.default_int()
    if dtypes.is_integer(dtype):
        wide = dtypes.default_uint() if dtype.kind == "u" else dtypes.default_int()
        return wide if dtype.itemsize < wide.itemsize else dtype
    return dtype


def raw_axes(a: Any, axis: Any, floats: frozenset) -> tuple[Any, tuple[int, ...], int] | None:
    """(data, axes, count) of a concrete array and a usual axis, or None."""
    if type(a) is not Array or a._data.dtype not in floats:
        return None
    data = a._data
    if axis is None:
        return data, ALL_AXES[data.ndim], data.size
    if type(axis) is not int or not -data.ndim <= axis < data.ndim:
        return None
    return data, (axis if axis >= 0 else axis + data.ndim,), data.shape[axis]


# ------------------------------------------------------------------ sums and products
def sum(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
    promote_integers: bool = True,
) -> Array:
    """Sum over axes.

    Args:
        a: array or number of shape S.
        axis: axes to sum over; all by default.
        dtype: in which to add and of the result; narrow integers are widened to int32 by default.
        out: must be None.
        keepdims: keep summed axes with size 1.
        initial: number to start from.
        where: mask of elements to include; broadcasts against `a`.
        promote_integers: whether narrow integers are widened.

    Returns:
        Array of S without the summed axes. The sum over nothing is 0.

    Raises:
        FxValueError: an axis is out of range or repeated.
        ShapeError: `where` does not broadcast against `a`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.sum(jnp.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
        Array([4., 6.], dtype=float32)
    """
    try:
        if dtype is None and initial is None and where is None and out is None and not keepdims:
            short = _add_reduce(a, axis)
            if short is not None:
                return short
        no_out(out, "numpy.sum")
        x = _accumulated(array(a, "numpy.sum"), dtype, "numpy.sum", promote_integers)
        if x.dtype == np.bool_:
            x = masked(x, where, False, "numpy.sum")
            return fold("numpy.sum", "reduce_or", x, axis, keepdims, initial, "or")
        x = masked(x, where, 0, "numpy.sum")
        return fold("numpy.sum", "reduce_sum", x, axis, keepdims, initial, "add")
    except Exception as error:
        try:
            reraise(error, sum, (a, axis, dtype, out, keepdims, initial, where))
        except Exception as final:
            hide_frames(final)
            raise


@public
def prod(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
    promote_integers: bool = True,
) -> Array:
    """Product over axes.

    Args:
        a: array or number.
        axis, dtype, out, keepdims, initial, where, promote_integers: as in `sum`.

    Returns:
        Array without the reduced axes. The product over nothing is 1.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.prod(jnp.array([2.0, 3.0]))
        Array(6., dtype=float32)
    """
    no_out(out, "numpy.prod")
    x = _accumulated(array(a, "numpy.prod"), dtype, "numpy.prod", promote_integers)
    x = masked(x, where, 1, "numpy.prod")
    return fold("numpy.prod", "reduce_prod", x, axis, keepdims, initial, "mul")


# ------------------------------------------------------------------ extrema
def smallest(dtype: np.dtype) -> Any:
    """The identity of max: -inf, the least integer, or False."""
    if dtype == np.bool_:
        return False
    return np.iinfo(dtype).min if dtypes.is_integer(dtype) else -np.inf


def largest(dtype: np.dtype) -> Any:
    """The identity of min."""
    if dtype == np.bool_:
        return True
    return np.iinfo(dtype).max if dtypes.is_integer(dtype) else np.inf


def _extremum(
    name: str, primitive: str, combine: str, identity: Callable, short: Callable, text: str
) -> Callable[..., Array]:
    where_ = f"numpy.{name}"

    def function(
        a: Any,
        axis: Axis = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Array:
        try:
            if initial is None and where is None and out is None and not keepdims:
                fast = short(a, axis)
                if fast is not None:
                    return fast
            no_out(out, where_)
            x = array(a, where_)
            if where is not None and initial is None:
                raise FxValueError(
                    f"{where_}: where= needs initial=, the result where no element is included."
                )
            axes = some_axes(axis, x.ndim, where_)
            if initial is None and builtins.any(x.shape[i] == 0 for i in axes):
                raise FxValueError(
                    f"{where_} of {x.aval.short()} over axes {axes}: an empty axis has no "
                    f"{name}imum. Give initial=."
                )
            x = masked(convert(x, x.dtype), where, identity(x.dtype), where_)
            if x.dtype == np.bool_ and initial is not None:
                initial = bool(initial)
            return fold(where_, primitive, x, axis, keepdims, initial, combine)
        except Exception as error:
            try:
                reraise(error, function, (a, axis, out, keepdims, initial, where))
            except Exception as final:
                hide_frames(final)
                raise

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""The {text} element over axes; NaN if there is one.

    Args:
        a: array or number.
        axis: axes to reduce; all by default.
        out: must be None.
        keepdims: keep reduced axes with size 1.
        initial: number to start from; needed for empty axes and with `where`.
        where: mask of elements to include; broadcasts against `a`.

    Raises:
        FxValueError: an axis is wrong, or empty while `initial` is not given.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([[1, 4], [3, 2]]), axis=1)
        {"Array([4, 3], dtype=int32)" if name == "max" else "Array([1, 2], dtype=int32)"}
    """
    return function


max = _extremum("max", "reduce_max", "max", smallest, _max_reduce, "largest")
min = _extremum("min", "reduce_min", "min", largest, _min_reduce, "smallest")
amax, amin = max, min


@public
def ptp(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
    """Largest minus smallest element over axes ("peak to peak").

    Args:
        a: array or number.
        axis, out, keepdims: as in `max`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.ptp(jnp.array([1, 5, 3]))
        Array(4, dtype=int32)
    """
    no_out(out, "numpy.ptp")
    return P.sub(max(a, axis, None, keepdims), min(a, axis, None, keepdims))


# ------------------------------------------------------------------ truth
def _quantifier(name: str, primitive: str, combine: str, identity: bool, text: str) -> Callable:
    where_ = f"numpy.{name}"

    reduce = (np.logical_and if identity else np.logical_or).reduce

    def short(a: Any, axis: Axis = None) -> Any:
        found = raw_axes(a, axis, BOOL)
        return None if found is None else Array(np.asarray(reduce(found[0], axis=found[1])))

    def function(
        a: Any, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Any = None
    ) -> Array:
        no_out(out, where_)
        x = masked(truth(array(a, where_)), where, identity, where_)
        return fold(where_, primitive, x, axis, keepdims, None, combine)

    shown = "[False,  True]" if name == "all" else "[ True,  True]"
    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""Whether {text} over axes.

    Args:
        a: array or number; what is not zero is true.
        axis: axes to reduce; all by default.
        out: must be None.
        keepdims: keep reduced axes with size 1.
        where: mask of elements to include; broadcasts against `a`.

    Returns:
        bool Array; {identity} over nothing.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([[True, False], [True, True]]), axis=1)
        Array({shown}, dtype=bool)
    """
    return short_way(short)(function)


all = _quantifier("all", "reduce_and", "and", True, "all elements are true")
any = _quantifier("any", "reduce_or", "or", False, "any element is true")


@public
def count_nonzero(a: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """How many elements are not zero, over axes.

    Args:
        a: array or number.
        axis: axes to count over; all by default.
        keepdims: keep counted axes with size 1.

    Returns:
        Array of the default integer dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.count_nonzero(jnp.array([3, 0, 5]))
        Array(2, dtype=int32)
    """
    return sum(truth(array(a, "numpy.count_nonzero")), axis, dtypes.default_int(), None, keepdims)


# ------------------------------------------------------------------ positions of extrema
def _position(name: str, primitive: str, text: str) -> Callable[..., Array]:
    where_ = f"numpy.{name}"
    find = getattr(np, name)

    def short(a: Any, axis: int | None = None) -> Any:
        found = raw_axes(a, axis, SINGLE_DOUBLE | INTEGER)
        if found is None or not found[2]:
            return None
        place = find(found[0], axis)
        return Array(np.asarray(place, dtypes.default_int()))

    def function(
        a: Any, axis: int | None = None, out: None = None, keepdims: bool | None = None
    ) -> Array:
        no_out(out, where_)
        x = array(a, where_)
        shape = x.shape
        if axis is None:
            x, axes = P.reshape(x, new_sizes=(x.size,)), (0,)
        else:
            axes = some_axes(axis, x.ndim, where_)
            if len(axes) != 1:
                raise FxTypeError(f"{where_}: axis must be one integer or None, got {axis!r}.")
        if x.shape[axes[0]] == 0:
            raise FxValueError(f"{where_} of {array(a, where_).aval.short()}: the axis is empty.")
        out_ = P.table[primitive](x, axes=axes, index_dtype=dtypes.default_int())
        if not keepdims:
            return out_
        full = (
            (1,) * len(shape)
            if axis is None
            else tuple(1 if i in axes else n for i, n in enumerate(shape))
        )
        return P.reshape(out_, new_sizes=full)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""Index of the {text} element along an axis: the first, or the first NaN.

    Args:
        a: array.
        axis: along which; the flattened array by default.
        out: must be None.
        keepdims: keep the reduced axis with size 1.

    Returns:
        Array of the default integer dtype.

    Raises:
        FxValueError: the axis is empty or out of range.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([3, 9, 2]))
        Array({1 if name == "argmax" else 2}, dtype=int32)
    """
    return short_way(short)(function)


argmax = _position("argmax", "argmax", "largest")
argmin = _position("argmin", "argmin", "smallest")
