"""Convolution, correlation, interpolation and window functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.lax.convolution import conv_general_dilated
from fx.numpy.creation import make_array
from fx.numpy.manipulation import reshaped
from fx.numpy.promotion import (
    a_dtype,
    cast,
    convert,
    expand_to,
    integer,
    operand,
    promote_inexact,
    select,
)
from fx.numpy.sorting import searchsorted


# ------------------------------------------------------------------ convolution
def _slide(x: Any, y: Any, mode: str, precision: Any, dtype: Any, name: str) -> Any:
    """Correlation of two vectors (y is not reversed), the longer one first."""
    n, m = x.shape[0], y.shape[0]
    before, after = {"full": (m - 1, m - 1), "same": (m // 2, (m - 1) // 2), "valid": (0, 0)}[mode]
    out = conv_general_dilated(
        reshaped(x, (1, 1, n)),
        reshaped(y, (1, 1, m)),
        window_strides=(1,),
        padding=[(before, after)],
        precision=precision,
        preferred_element_type=a_dtype(dtype, name),
    )
    return reshaped(out, (out.shape[-1],))


def _vectors(a: Any, v: Any, mode: str, name: str) -> list[Any]:
    if mode not in ("full", "same", "valid"):
        raise FxValueError(f"{name}: mode must be 'full', 'same' or 'valid', got {mode!r}.")
    xs = promote_inexact(name, make_array(a, None, name), make_array(v, None, name))
    if any(x.ndim != 1 for x in xs):
        raise ShapeError(f"{name} expects vectors, got shapes {xs[0].shape} and {xs[1].shape}.")
    if not xs[0].size or not xs[1].size:
        raise ShapeError(f"{name}: the vectors must not be empty.")
    return xs


@public
def convolve(
    a: Any, v: Any, mode: str = "full", *, precision: Any = None, preferred_element_type: Any = None
) -> Array:
    """Convolution of two vectors, sum over k of a[k] v[n - k].

    Args:
        a, v: vectors; integers become the default float.
        mode: "full", "same" (the size of the longer one) or "valid" (no padding).
        precision, preferred_element_type: as in `dot`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.convolve(jnp.array([1.0, 2.0]), jnp.array([1.0, 1.0]))
        Array([1., 3., 2.], dtype=float32)
    """
    x, y = _vectors(a, v, mode, "numpy.convolve")
    if x.shape[0] < y.shape[0]:
        x, y = y, x
    back = P.rev(y, dimensions=(0,))
    return _slide(x, back, mode, precision, preferred_element_type, "numpy.convolve")


@public
def correlate(
    a: Any,
    v: Any,
    mode: str = "valid",
    *,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """Correlation of two vectors, sum over k of a[n + k] conj(v[k]).

    Args:
        a, v: vectors.
        mode: "full", "same" or "valid".
        precision, preferred_element_type: as in `dot`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.correlate(jnp.array([1.0, 2.0, 3.0]), jnp.array([0.0, 1.0]))
        Array([2., 3.], dtype=float32)
    """
    x, y = _vectors(a, v, mode, "numpy.correlate")
    y = P.conj(y) if y.dtype.kind == "c" else y
    if x.shape[0] >= y.shape[0]:
        return _slide(x, y, mode, precision, preferred_element_type, "numpy.correlate")
    out = _slide(y, x, mode, precision, preferred_element_type, "numpy.correlate")
    return P.rev(out, dimensions=(0,))


# ------------------------------------------------------------------ interpolation
@public
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Array:
    """Piecewise linear interpolation between samples.

    Args:
        x: where to evaluate.
        xp: ascending coordinates of the samples.
        fp: the samples.
        left, right: values outside; the end samples by default, "extrapolate" for straight lines.
        period: of the coordinates, if the function is periodic.

    Returns:
        Array of the shape of `x`.

    Raises:
        ShapeError: `xp` and `fp` are not vectors of one size.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.interp(1.5, jnp.array([1.0, 2.0]), jnp.array([10.0, 20.0]))
        Array(15., dtype=float32)
    """
    points, at = promote_inexact("numpy.interp", xp, x)
    (values,) = promote_inexact("numpy.interp", fp)
    if points.ndim != 1 or values.shape != points.shape or not points.shape[0]:
        raise ShapeError(
            "numpy.interp expects xp and fp to be vectors of one size, got shapes "
            f"{points.shape} and {values.shape}."
        )
    if period is not None:
        cycle = cast(operand(period, "numpy.interp"), points.dtype, False, "numpy.interp")
        points, at = _wrapped(points, cycle), _wrapped(at, cycle)
        points, values = P.sort(points, values, dimension=0, is_stable=True, num_keys=1)
        points = P.concatenate(
            P.sub(points[-1:], cycle), points, P.add(points[:1], cycle), dimension=0
        )
        values = P.concatenate(values[-1:], values, values[:1], dimension=0)
    n = points.shape[0]
    index = searchsorted(points, at, "right")
    index = P.max(P.min(index, lit(index, n - 1)), lit(index, min(1, n - 1)))
    before = P.max(P.sub(index, lit(index, 1)), lit(index, 0))
    low, width = points[before], P.sub(points[index], points[before])
    flat = P.eq(width, lit(width, 0))
    t = P.div(P.sub(at, low), select(flat, lit(width, 1), width))
    t = convert(select(flat, lit(t, 0), t), dtypes.promote_types(t.dtype, values.dtype))
    start, rise = values[before], P.sub(values[index], values[before])
    dtype = t.dtype
    out = P.add(convert(start, dtype), P.mul(t, convert(rise, dtype)))
    if period is not None:
        return out
    for side, outside, end in (
        (left, P.lt(at, points[0]), values[0]),
        (right, P.gt(at, points[-1]), values[-1]),
    ):
        if isinstance(side, str):
            if side != "extrapolate":
                raise FxValueError(
                    f"numpy.interp: left and right must be numbers or 'extrapolate', got {side!r}."
                )
            continue
        value = end if side is None else cast(operand(side, "interp"), dtype, False, "interp")
        out = select(outside, expand_to(convert(value, dtype), out.shape), out)
    return out


def _wrapped(x: Any, period: Any) -> Any:
    rest = P.rem(x, period)
    return select(P.lt(rest, lit(rest, 0)), P.add(rest, P.abs(period)), rest)


# ------------------------------------------------------------------ windows
def _cosines(n: Any, name: str, weights: tuple[float, ...]) -> Any:
    """Sum of weights[k] cos(2πk i/(n - 1)): 1 for a single sample."""
    count = integer(n, name, "M")
    dtype = dtypes.default_float()
    if count < 2:
        return Array(np.ones(max(count, 0), dtype))
    i = P.iota(dtype=dtype, shape=(count,), dimension=0)
    total: Any = None
    for k, w in enumerate(weights):
        angle = P.mul(i, lit(i, 2 * math.pi * k / (count - 1)))
        term = P.mul(P.cos(angle), lit(i, w))
        total = term if total is None else P.add(total, term)
    return total


def _window(name: str, weights: tuple[float, ...], text: str, shown: str) -> Callable[..., Array]:
    def function(M: int) -> Array:
        return _cosines(M, f"numpy.{name}", weights)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""The {text} window, a taper for spectra.

    Args:
        M: number of samples.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(3).round(2) + 0.0
        {shown}
    """
    return public(function)


hanning = _window("hanning", (0.5, -0.5), "Hann", "Array([0., 1., 0.], dtype=float32)")
hamming = _window("hamming", (0.54, -0.46), "Hamming", "Array([0.08, 1.  , 0.08], dtype=float32)")
blackman = _window("blackman", (0.42, -0.5, 0.08), "Blackman", "Array([0., 1., 0.], dtype=float32)")


@public
def bartlett(M: int) -> Array:
    """The triangular window.

    Args:
        M: number of samples.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.bartlett(3)
        Array([0., 1., 0.], dtype=float32)
    """
    count = integer(M, "numpy.bartlett", "M")
    dtype = dtypes.default_float()
    if count < 2:
        return Array(np.ones(max(count, 0), dtype))
    i = P.iota(dtype=dtype, shape=(count,), dimension=0)
    return P.sub(lit(i, 1), P.abs(P.sub(P.mul(i, lit(i, 2 / (count - 1))), lit(i, 1))))


@public
def kaiser(M: int, beta: Any) -> Array:
    """The Kaiser window, I₀(β √(1 - t²))/I₀(β) for t in [-1, 1].

    Args:
        M: number of samples.
        beta: shape.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.kaiser(3, 0.0)
        Array([1., 1., 1.], dtype=float32)
    """
    count = integer(M, "numpy.kaiser", "M")
    dtype = dtypes.default_float()
    if count < 2:
        return Array(np.ones(max(count, 0), dtype))
    i = P.iota(dtype=dtype, shape=(count,), dimension=0)
    t = P.sub(P.mul(i, lit(i, 2 / (count - 1))), lit(i, 1))
    shape = cast(operand(beta, "numpy.kaiser"), dtype, False, "numpy.kaiser")
    inside = P.max(P.sub(lit(t, 1), P.mul(t, t)), lit(t, 0))
    size = P.abs(shape)
    bent = P.mul(size, P.sqrt(inside))
    scaled = P.div(P.bessel_i0e(bent), P.bessel_i0e(size))
    return P.mul(scaled, P.exp(P.sub(bent, size)))


@public
def i0(x: Any) -> Array:
    """The modified Bessel function of the first kind of order 0.

    Args:
        x: real array or number.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.i0(1.0)
        Array(1.266066, dtype=float32, weak_type=True)
    """
    (y,) = promote_inexact("numpy.i0", x)
    if y.dtype.kind == "c":
        raise FxTypeError(f"numpy.i0 is defined on real numbers, got {y.aval.short()}.")
    return P.mul(P.exp(P.abs(y)), P.bessel_i0e(y))
