"""Running sums and products, differences, derivatives and integrals along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxValueError, ShapeError, public
from fx.numpy.creation import make_array
from fx.numpy.manipulation import reshaped
from fx.numpy.promotion import (
    a_dtype,
    array,
    broadcast,
    convert,
    integer,
    no_out,
    one_axis,
    promote,
    promote_inexact,
    select,
    some_axes,
)
from fx.numpy.reductions import widened


def cut(x: Any, axis: int, start: int | None, stop: int | None, step: int = 1) -> Any:
    """`x[start:stop:step]` along one axis, for known bounds."""
    n = x.shape[axis]
    first, last, _ = slice(start, stop).indices(n)
    return P.slice(
        x,
        start_indices=tuple(first if i == axis else 0 for i in range(x.ndim)),
        limit_indices=tuple(max(first, last) if i == axis else m for i, m in enumerate(x.shape)),
        strides=None if step == 1 else tuple(step if i == axis else 1 for i in range(x.ndim)),
    )


def _running(name: str, primitive: str, nan_value: int | None, text: str, shown: str) -> Callable:
    where = f"numpy.{name}"

    def function(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
        no_out(out, where)
        x = array(a, where)
        x = convert(x, a_dtype(dtype, where) or widened(x.dtype))
        if nan_value is not None and dtypes.is_inexact(x.dtype):
            x = select(P.ne(x, x), lit(x, nan_value), x)
        if axis is None:
            x, place = reshaped(x, (-1,)), 0
        else:
            place = one_axis(axis, x.ndim, where)
        return P.table[primitive](x, axis=place, reverse=False)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""Running {text} along an axis.

    Args:
        a: array.
        axis: along which; the flattened array by default.
        dtype: of the computation; narrow integers are widened to int32 by default.
        out: must be None.

    Returns:
        Array of the shape of `a`, flat if `axis` is None.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([1.0, 2.0, {"jnp.nan" if nan_value is not None else "3.0"}]))
        Array({shown}, dtype=float32)
    """
    return public(function)


cumsum = _running("cumsum", "cumsum", None, "sum", "[1., 3., 6.]")
cumprod = _running("cumprod", "cumprod", None, "product", "[1., 2., 6.]")
nancumsum = _running("nancumsum", "cumsum", 0, "sum, NaN counting as 0", "[1., 3., 3.]")
nancumprod = _running("nancumprod", "cumprod", 1, "product, NaN counting as 1", "[1., 2., 2.]")


def _from_start(name: str, primitive: str, value: int, text: str, shown: str) -> Callable:
    where = f"numpy.{name}"

    def function(
        x: Any,
        /,
        *,
        axis: int | None = None,
        dtype: Any = None,
        include_initial: bool = False,
    ) -> Array:
        y = array(x, where)
        if axis is None and y.ndim != 1:
            raise FxValueError(f"{where} of {y.aval.short()}: give axis= unless the rank is 1.")
        place = one_axis(0 if axis is None else axis, y.ndim, where)
        y = convert(y, a_dtype(dtype, where) or widened(y.dtype))
        out = P.table[primitive](y, axis=place, reverse=False)
        if not include_initial:
            return out
        shape = tuple(1 if i == place else n for i, n in enumerate(out.shape))
        first = P.broadcast_in_dim(lit(out, value), shape=shape, broadcast_dimensions=())
        return P.concatenate(first, out, dimension=place)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""Running {text} along an axis (the array API's name).

    Args:
        x: array of rank at least 1.
        axis: along which; may be left out for rank 1.
        dtype: of the computation.
        include_initial: put the {text} of nothing, {value}, in front.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([1, 2, 3]), include_initial=True)
        Array({shown}, dtype=int32)
    """
    return public(function)


cumulative_sum = _from_start("cumulative_sum", "cumsum", 0, "sum", "[0, 1, 3, 6]")
cumulative_prod = _from_start("cumulative_prod", "cumprod", 1, "product", "[1, 1, 2, 6]")


# ------------------------------------------------------------------ differences
@public
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """Differences of neighbours along an axis, n times.

    Args:
        a: array of rank at least 1; for bools, whether neighbours differ.
        n: how often.
        axis: along which.
        prepend, append: what to put at the ends first; scalars are repeated.

    Returns:
        Array whose axis is shorter by n.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.diff(jnp.array([1, 4, 9]))
        Array([3, 5], dtype=int32)
    """
    x = array(a, "numpy.diff")
    count = integer(n, "numpy.diff", "n")
    if count < 0:
        raise FxValueError(f"numpy.diff: n must not be negative, got {n}.")
    if not x.ndim:
        raise ShapeError(f"numpy.diff expects an array of rank at least 1, got {x.aval.short()}.")
    if count == 0:
        return x
    place = one_axis(axis, x.ndim, "numpy.diff")
    parts = [_end(prepend, x, place), x, _end(append, x, place)]
    parts = promote("numpy.diff", *[p for p in parts if p is not None])
    x = P.concatenate(*parts, dimension=place) if len(parts) > 1 else parts[0]
    minus = P.ne if x.dtype == np.bool_ else P.sub
    for _ in range(min(count, x.shape[place])):  # nothing is left after that
        x = minus(cut(x, place, 1, None), cut(x, place, None, -1))
    return x


def _end(value: Any, x: Any, axis: int) -> Any:
    if value is None:
        return None
    end = array(value, "numpy.diff")
    if end.ndim:
        return end
    shape = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
    return P.broadcast_in_dim(end, shape=shape, broadcast_dimensions=())


@public
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    """Differences of neighbours in the flattened array.

    Args:
        ary: array.
        to_end, to_begin: numbers to put behind and before the differences.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.ediff1d(jnp.array([1, 4, 9]), to_begin=0)
        Array([0, 3, 5], dtype=int32)
    """
    x = reshaped(array(ary, "numpy.ediff1d"), (-1,))
    steps = P.sub(cut(x, 0, 1, None), cut(x, 0, None, -1)) if x.size else x
    ends = [
        None if v is None else reshaped(convert(make_array(v, None, "ediff1d"), x.dtype), (-1,))
        for v in (to_begin, to_end)
    ]
    parts = [p for p in (ends[0], steps, ends[1]) if p is not None]
    return P.concatenate(*parts, dimension=0) if len(parts) > 1 else steps


@public
def gradient(
    f: Any, *varargs: Any, axis: int | Sequence[int] | None = None, edge_order: int | None = None
) -> Any:
    """Derivative from samples: central differences inside, one-sided at the ends.

    Args:
        f: array of samples.
        *varargs: distance of the samples: one for all axes, or for each axis a number or the
            samples' coordinates.
        axis: along which axes; all by default.
        edge_order: 1; differences at the ends are of first order.

    Returns:
        Array of the shape of `f`, or a list of them for several axes.

    Raises:
        ShapeError: an axis has fewer than 2 samples.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.gradient(jnp.array([1.0, 2.0, 4.0, 7.0]))
        Array([1. , 1.5, 2.5, 3. ], dtype=float32)
    """
    if edge_order not in (None, 1):
        raise FxValueError(f"numpy.gradient: edge_order must be 1, got {edge_order}.")
    (x,) = promote_inexact("numpy.gradient", f)
    axes = some_axes(axis, x.ndim, "numpy.gradient")
    if len(varargs) not in (0, 1, len(axes)):
        raise FxValueError(
            f"numpy.gradient: expected 0, 1 or {len(axes)} spacings, got {len(varargs)}."
        )
    spacings = varargs if len(varargs) == len(axes) else (varargs or (1.0,)) * len(axes)
    out = [_derivative(x, h, place) for h, place in zip(spacings, axes, strict=True)]
    return out[0] if len(axes) == 1 else out


def _derivative(x: Any, spacing: Any, axis: int) -> Any:
    if x.shape[axis] < 2:
        raise ShapeError(
            f"numpy.gradient of {x.aval.short()}: axis {axis} needs at least 2 samples."
        )
    h = convert(array(spacing, "numpy.gradient"), x.dtype)
    steps = P.sub(cut(x, axis, 1, None), cut(x, axis, None, -1))
    first, last = cut(steps, axis, 0, 1), cut(steps, axis, -1, None)
    if not h.ndim:
        inside = P.mul(P.sub(cut(x, axis, 2, None), cut(x, axis, None, -2)), lit(x, 0.5))
        return P.div(P.concatenate(first, inside, last, dimension=axis), h)
    if h.shape != (x.shape[axis],):
        raise ShapeError(
            f"numpy.gradient: coordinates of axis {axis} need shape ({x.shape[axis]},), got "
            f"{h.shape}."
        )
    d = P.sub(cut(h, 0, 1, None), cut(h, 0, None, -1))
    shape = tuple(d.shape[0] if i == axis else n for i, n in enumerate(x.shape))
    slopes = P.div(steps, P.broadcast_in_dim(d, shape=shape, broadcast_dimensions=(axis,)))
    # The mean of the two slopes, weighted by the other interval's length (second order).
    before, after = cut(d, 0, None, -1), cut(d, 0, 1, None)
    weight = P.div(after, P.add(before, after))
    inner = tuple(n - 1 if i == axis else n for i, n in enumerate(shape))
    weight = P.broadcast_in_dim(weight, shape=inner, broadcast_dimensions=(axis,))
    left, right = cut(slopes, axis, None, -1), cut(slopes, axis, 1, None)
    inside = P.add(P.mul(weight, left), P.mul(P.sub(lit(weight, 1), weight), right))
    ends = cut(slopes, axis, 0, 1), cut(slopes, axis, -1, None)
    return P.concatenate(ends[0], inside, ends[1], dimension=axis)


@public
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """Integral along an axis by the trapezoidal rule.

    Args:
        y: samples.
        x: their coordinates: a vector, or an array that broadcasts against `y`.
        dx: distance of the samples if `x` is not given.
        axis: along which.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.trapezoid(jnp.array([1.0, 2.0, 3.0]))
        Array(4., dtype=float32)
    """
    if x is None:
        (samples,) = promote_inexact("numpy.trapezoid", y)
        place = one_axis(axis, samples.ndim, "numpy.trapezoid")
        step = convert(array(dx, "numpy.trapezoid"), samples.dtype)
    else:
        samples, points = promote_inexact("numpy.trapezoid", y, x)
        place = one_axis(axis, samples.ndim, "numpy.trapezoid")
        if points.ndim == 1:
            step = P.sub(cut(points, 0, 1, None), cut(points, 0, None, -1))
            sizes = tuple(step.shape[0] if i == place else 1 for i in range(samples.ndim))
            step = P.reshape(step, new_sizes=sizes)
        else:
            along = one_axis(axis, points.ndim, "numpy.trapezoid")
            step = P.sub(cut(points, along, 1, None), cut(points, along, None, -1))
    pairs = P.add(cut(samples, place, 1, None), cut(samples, place, None, -1))
    area = P.mul(*broadcast("numpy.trapezoid", [pairs, step]))
    return P.mul(P.reduce_sum(area, axes=(place - samples.ndim + area.ndim,)), lit(area, 0.5))
