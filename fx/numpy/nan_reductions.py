"""Reductions that ignore NaN: it is replaced by the identity of the fold, or left out of counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import public
from fx.numpy import moments, reductions
from fx.numpy.promotion import (
    a_dtype,
    array,
    convert,
    no_out,
    operands,
    select,
    some_axes,
)

Axis = int | tuple[int, ...] | None


def _missing(x: Any) -> Any:
    return P.ne(x, x) if dtypes.is_inexact(x.dtype) else None


def _without_nan(x: Any, fill: Any) -> Any:
    missing = _missing(x)
    return x if missing is None else select(missing, lit(x, fill), x)


def _total(name: str, whole: Callable[..., Any], identity: int, text: str, shown: str) -> Any:
    where_ = f"numpy.{name}"

    def function(
        a: Any,
        axis: Axis = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Array:
        no_out(out, where_)
        x = _without_nan(array(a, where_), identity)
        return whole(x, axis, dtype, None, keepdims, initial, where)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""{text} over axes, NaN counting as {identity}.

    Args:
        a: array or number.
        axis, dtype, out, keepdims, initial, where: as in `sum`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([2.0, jnp.nan, 3.0]))
        Array({shown}, dtype=float32)
    """
    return public(function)


nansum = _total("nansum", reductions.sum, 0, "Sum", "5.")
nanprod = _total("nanprod", reductions.prod, 1, "Product", "6.")


def _extremum(name: str, whole: Callable[..., Any], identity: float, shown: str) -> Any:
    where_ = f"numpy.{name}"

    def function(
        a: Any,
        axis: Axis = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Array:
        no_out(out, where_)
        x = array(a, where_)
        missing = _missing(x)
        if missing is None:
            return whole(x, axis, None, keepdims, initial, where)
        result = whole(_without_nan(x, identity), axis, None, keepdims, initial, where)
        # Where everything is NaN (and nothing else to start from) so is the result.
        axes = some_axes(axis, x.ndim, where_)
        nothing = reductions.kept(P.reduce_and(missing, axes=axes), x.shape, axes, keepdims)
        if initial is not None:
            return result
        return select(nothing, lit(result, np.nan), result)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""The {name[3:]}imum over axes of what is not NaN; NaN if nothing is.

    Args:
        a: array or number.
        axis, out, keepdims, initial, where: as in `max`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([2.0, jnp.nan, 3.0]))
        Array({shown}, dtype=float32)
    """
    return public(function)


nanmax = _extremum("nanmax", reductions.max, -np.inf, "3.")
nanmin = _extremum("nanmin", reductions.min, np.inf, "2.")


def _position(name: str, whole: Callable[..., Any], identity: float, shown: int) -> Any:
    where_ = f"numpy.{name}"

    def function(
        a: Any, axis: int | None = None, out: None = None, keepdims: bool | None = None
    ) -> Array:
        no_out(out, where_)
        x = array(a, where_)
        missing = _missing(x)
        if missing is None:
            return whole(x, axis, None, keepdims)
        place = whole(_without_nan(x, identity), axis, None, keepdims)
        axes = some_axes(axis, x.ndim, where_)
        nothing = P.reduce_and(missing, axes=axes)
        nothing = reductions.kept(nothing, x.shape, axes, bool(keepdims))
        return select(nothing, lit(place, -1), place)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""As `{name[3:]}`, ignoring NaN; -1 where everything is NaN.

    Args:
        a: array.
        axis, out, keepdims: as in `{name[3:]}`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([2.0, jnp.nan, 3.0]))
        Array({shown}, dtype=int32)
    """
    return public(function)


nanargmax = _position("nanargmax", reductions.argmax, -np.inf, 2)
nanargmin = _position("nanargmin", reductions.argmin, np.inf, 0)


# ------------------------------------------------------------------ means and spreads
def _present(x: Any, where: Any, name: str) -> Any:
    """Mask of what counts: not NaN, and under the user's mask."""
    missing = _missing(x)
    if missing is None:
        return where
    present = P.table["not"](missing)
    if where is None:
        return present
    return P.table["and"](*operands(name, present, where))


@public
def nanmean(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    where: Any = None,
) -> Array:
    """Mean over axes of what is not NaN; NaN if nothing is.

    Args:
        a: array or number.
        axis, dtype, out, keepdims, where: as in `mean`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.nanmean(jnp.array([2.0, jnp.nan, 4.0]))
        Array(3., dtype=float32)
    """
    no_out(out, "numpy.nanmean")
    x = array(a, "numpy.nanmean")
    mask = _present(x, where, "numpy.nanmean")
    return moments.mean(x, axis, dtype, None, keepdims, where=mask)


@public
def nanvar(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: int = 0,
    keepdims: bool = False,
    where: Any = None,
    mean: Any = None,
) -> Array:
    """Variance over axes of what is not NaN; NaN if there is too little.

    Args:
        a: array or number.
        axis, dtype, out, ddof, keepdims, where, mean: as in `var`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.nanvar(jnp.array([1.0, jnp.nan, 3.0]))
        Array(1., dtype=float32)
    """
    no_out(out, "numpy.nanvar")
    x = array(a, "numpy.nanvar")
    wanted = a_dtype(dtype, "numpy.nanvar")
    mask = _present(x, where, "numpy.nanvar")
    if mask is None:
        return moments.var(x, axis, dtype, None, ddof, keepdims, mean=mean)
    if mean is None:
        mean = moments.mean(x, axis, None, None, True, where=mask)
    # Where there are no more elements than ddof the division 0/0 would hide a sum of rounding.
    out_ = moments.var(_without_nan(x, 0), axis, dtype, None, ddof, keepdims, where=mask, mean=mean)
    axes = some_axes(axis, x.ndim, "numpy.nanvar")
    count = moments.counted(
        convert(x, dtypes.real_dtype(x.dtype)) if x.dtype.kind == "c" else x,
        axes,
        mask,
        "numpy.nanvar",
    )
    few = reductions.kept(P.le(count, lit(count, ddof)), x.shape, axes, keepdims)
    out_ = select(few, lit(out_, np.nan), out_)
    return out_ if wanted is None else convert(out_, dtypes.real_dtype(wanted))


@public
def nanstd(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: int = 0,
    keepdims: bool = False,
    where: Any = None,
    mean: Any = None,
) -> Array:
    """Standard deviation over axes of what is not NaN; NaN if there is too little.

    Args:
        a: array or number.
        axis, dtype, out, ddof, keepdims, where, mean: as in `var`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.nanstd(jnp.array([1.0, jnp.nan, 3.0]))
        Array(1., dtype=float32)
    """
    no_out(out, "numpy.nanstd")
    return P.sqrt(nanvar(a, axis, dtype, None, ddof, keepdims, where, mean))
