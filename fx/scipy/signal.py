"""Convolutions under the names of `jax.scipy.signal`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fx.numpy as jnp
from fx import lax
from fx.core.array import Array
from fx.errors import FxValueError, ShapeError, public
from fx.numpy.promotion import promote_inexact, some_axes

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "fftconvolve"]

_MODES = ("full", "same", "valid")


def _pair(name: str, in1: Any, in2: Any, mode: str) -> tuple[Any, Any]:
    if mode not in _MODES:
        raise FxValueError(f"{name}: mode must be 'full', 'same' or 'valid', got {mode!r}.")
    x, y = promote_inexact(name, in1, in2)
    if x.ndim != y.ndim:
        raise ShapeError(
            f"{name} expects two arrays of one rank, got {x.aval.short()} and {y.aval.short()}."
        )
    if not x.size or not y.size:
        raise ShapeError(
            f"{name} of empty arrays is not defined: {x.aval.short()} and {y.aval.short()}."
        )
    return x, y


def _ordered(name: str, x: Any, y: Any, mode: str, axes: Sequence[int]) -> tuple[Any, Any]:
    """For "valid", the array that holds the other comes first."""
    if mode != "valid" or all(x.shape[i] >= y.shape[i] for i in axes):
        return x, y
    if all(y.shape[i] >= x.shape[i] for i in axes):
        return y, x
    raise ShapeError(
        f"{name} with mode='valid' expects one array to be at least as large as the other along "
        f"every axis, got {x.aval.short()} and {y.aval.short()}."
    )


def _slid(x: Any, y: Any, mode: str, precision: Any) -> Any:
    """Sums of products of windows of x with y as it is."""
    padding = {
        "full": [(n - 1, n - 1) for n in y.shape],
        "same": [(n - n // 2 - 1, n // 2) for n in y.shape],
        "valid": [(0, 0) for _ in y.shape],
    }[mode]
    if not x.ndim:
        return x * y
    ones = (1,) * x.ndim
    out = lax.conv_general_dilated(
        x[None, None], y[None, None], window_strides=ones, padding=padding, precision=precision
    )
    return out[0, 0]


def _direct(name: str, x: Any, y: Any, mode: str, precision: Any) -> Any:
    first, second = _ordered(name, x, y, mode, range(x.ndim))
    if mode != "same":
        return _slid(first, jnp.flip(second), mode, precision)
    full = _slid(first, jnp.flip(second), "full", precision)
    return _centred(full, x.shape)


def _centred(x: Any, shape: Sequence[int]) -> Any:
    starts = [(n - m) // 2 for n, m in zip(x.shape, shape, strict=True)]
    return _part(x, starts, shape)


def _part(x: Any, starts: Sequence[int], shape: Sequence[int]) -> Any:
    return x[tuple(slice(s, s + m) for s, m in zip(starts, shape, strict=True))]


def _check_method(name: str, method: str) -> None:
    if method not in ("auto", "direct", "fft"):
        raise FxValueError(f"{name}: method must be 'auto', 'direct' or 'fft', got {method!r}.")


@public
def convolve(
    in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None
) -> Array:
    """Convolution of two arrays of one rank.

    Args:
        in1, in2: arrays, not empty; integers become floats.
        mode: "full": all sums; "same": the middle, of the shape of `in1`; "valid": those sums to
            which no zeros are added.
        method: "direct" (also "auto") or "fft".
        precision: hint to backends with several speeds.

    Returns:
        Array.

    Raises:
        ShapeError: the ranks differ, or neither array holds the other in mode "valid".
        FxValueError: no such mode or method.

    Example:
        >>> import fx
        >>> x = fx.numpy.array([1.0, 2.0])
        >>> fx.scipy.signal.convolve(x, x)
        Array([1., 4., 4.], dtype=float32)
    """
    name = "scipy.signal.convolve"
    _check_method(name, method)
    if method == "fft":
        return fftconvolve(in1, in2, mode)
    return _direct(name, *_pair(name, in1, in2, mode), mode, precision)


@public
def correlate(
    in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None
) -> Array:
    """Correlation of two arrays of one rank: `convolve` with `in2` reversed and conjugated.

    Args:
        in1, in2, mode, method, precision: as in `convolve`.

    Returns:
        Array.

    Raises:
        ShapeError: the ranks differ, or neither array holds the other in mode "valid".
        FxValueError: no such mode or method.

    Example:
        >>> import fx
        >>> fx.scipy.signal.correlate(fx.numpy.array([1.0, 2.0]), fx.numpy.array([0.0, 1.0]))
        Array([1., 2., 0.], dtype=float32)
    """
    name = "scipy.signal.correlate"
    _check_method(name, method)
    x, y = _pair(name, in1, in2, mode)
    y = jnp.conj(jnp.flip(y))
    return fftconvolve(x, y, mode) if method == "fft" else _direct(name, x, y, mode, precision)


@public
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Array:
    """`convolve` by Fourier transforms, along some axes; others broadcast.

    Args:
        in1, in2, mode: as in `convolve`.
        axes: the axes to convolve along; None for all.

    Returns:
        Array.

    Raises:
        ShapeError: the shapes do not fit.
        FxValueError: no such mode or axis.

    Example:
        >>> import fx
        >>> x = fx.numpy.array([1.0, 2.0])
        >>> fx.scipy.signal.fftconvolve(x, x).round(3)
        Array([1., 4., 4.], dtype=float32)
    """
    name = "scipy.signal.fftconvolve"
    x, y = _pair(name, in1, in2, mode)
    found = some_axes(axes, x.ndim, name)
    if not found:
        return x * y
    x, y = _ordered(name, x, y, mode, found)
    sizes = [x.shape[i] + y.shape[i] - 1 for i in found]
    if x.dtype.kind == "c":
        product = jnp.fft.fftn(x, sizes, found) * jnp.fft.fftn(y, sizes, found)
        full = jnp.fft.ifftn(product, sizes, found)
    else:
        product = jnp.fft.rfftn(x, sizes, found) * jnp.fft.rfftn(y, sizes, found)
        full = jnp.fft.irfftn(product, sizes, found)
    full = full.astype(x.dtype)
    if mode == "full":
        return full
    shape = list(full.shape)
    for i in found:
        shape[i] = x.shape[i] if mode == "same" else x.shape[i] - y.shape[i] + 1
    return _centred(full, shape)


def _planar(name: str, in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any) -> Any:
    if boundary != "fill" or fillvalue != 0:
        raise FxValueError(
            f"{name} supports boundary='fill' and fillvalue=0, got {boundary!r} and {fillvalue!r}. "
            "Pad with fx.numpy.pad first."
        )
    x, y = _pair(name, in1, in2, mode)
    if x.ndim != 2:
        raise ShapeError(f"{name} expects two matrices, got {x.aval.short()}.")
    return x, y


@public
def convolve2d(
    in1: Any,
    in2: Any,
    mode: str = "full",
    boundary: str = "fill",
    fillvalue: float = 0,
    precision: Any = None,
) -> Array:
    """`convolve` of two matrices.

    Args:
        in1, in2, mode, precision: as in `convolve`.
        boundary, fillvalue: must be "fill" and 0.

    Returns:
        Matrix.

    Raises:
        ShapeError: an array is not a matrix.
        FxValueError: another mode or boundary.

    Example:
        >>> import fx
        >>> fx.scipy.signal.convolve2d(fx.numpy.ones((2, 2)), fx.numpy.ones((1, 2)))
        Array([[1., 2., 1.],
               [1., 2., 1.]], dtype=float32)
    """
    name = "scipy.signal.convolve2d"
    x, y = _planar(name, in1, in2, mode, boundary, fillvalue)
    return convolve(x, y, mode, "direct", precision)


@public
def correlate2d(
    in1: Any,
    in2: Any,
    mode: str = "full",
    boundary: str = "fill",
    fillvalue: float = 0,
    precision: Any = None,
) -> Array:
    """`correlate` of two matrices.

    Args:
        in1, in2, mode, precision: as in `convolve`.
        boundary, fillvalue: must be "fill" and 0.

    Returns:
        Matrix.

    Raises:
        ShapeError: an array is not a matrix.
        FxValueError: another mode or boundary.

    Example:
        >>> import fx
        >>> fx.scipy.signal.correlate2d(fx.numpy.ones((2, 2)), fx.numpy.ones((2, 2)), "valid")
        Array([[4.]], dtype=float32)
    """
    name = "scipy.signal.correlate2d"
    x, y = _planar(name, in1, in2, mode, boundary, fillvalue)
    if mode == "same":
        # Unlike `correlate`, this rounds the middle up.
        full = correlate(x, y, "full", "direct", precision)
        starts = [-((m - n) // 2) for n, m in zip(full.shape, x.shape, strict=True)]
        return _part(full, starts, x.shape)
    out = correlate(x, y, mode, "direct", precision)
    # SciPy slides the smaller array over the larger one, and conjugates the second in any case.
    swapped = mode == "valid" and _ordered(name, x, y, mode, (0, 1))[0] is not x
    return jnp.conj(out) if swapped else out
