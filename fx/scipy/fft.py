"""Cosine transforms under the names of `jax.scipy.fft`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx.core.array import Array
from fx.errors import FxTypeError, FxValueError, public
from fx.numpy.promotion import integer, one_axis, promote_inexact, some_axes

__all__ = ["dct", "dctn", "idct", "idctn"]


def _operand(name: str, x: Any, kind: int, norm: str | None) -> Any:
    (a,) = promote_inexact(name, x)
    if a.dtype.kind == "c":
        raise FxTypeError(f"{name} expects real numbers, got {a.aval.short()}.")
    if kind != 2:
        raise FxValueError(f"{name} supports type=2, got {kind!r}.")
    if norm not in (None, "backward", "ortho"):
        raise FxValueError(f"{name}: norm must be None, 'backward' or 'ortho', got {norm!r}.")
    return a


def _sized(name: str, x: Any, n: Any, axis: int) -> Any:
    """`x` with its axis last, cut or padded with zeros."""
    x = jnp.moveaxis(x, axis, -1)
    if n is None:
        return x
    size = integer(n, name, "n")
    if size < 1:
        raise FxValueError(f"{name}: sizes must be positive, got {size}.")
    x = x[..., :size]
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, size - x.shape[-1])])


def _weights(n: int, norm: str | None, dtype: Any) -> Any:
    """What the orthonormal transform divides by."""
    w = np.full(n, math.sqrt(2 * n)) if norm == "ortho" else np.ones(n)
    if norm == "ortho":
        w[:1] = math.sqrt(4 * n)
    return jnp.asarray(w, dtype)


def _turn(n: int, like: Any, sign: int) -> Any:
    return jnp.asarray(np.exp(sign * 0.5j * np.pi * np.arange(n) / max(n, 1)), like.dtype)


def _forward(x: Any, norm: str | None) -> Any:
    # Even elements forwards, then odd ones backwards: their Fourier transform, turned. Makhoul,
    # "A fast cosine transform in one and two dimensions", 1980.
    n = x.shape[-1]
    order = np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)[::-1]])
    spectrum = jnp.fft.fft(x[..., order])
    out = 2 * (spectrum * _turn(n, spectrum, -1)).real
    return out / _weights(n, norm, out.dtype)


def _backward(x: Any, norm: str | None) -> Any:
    n = x.shape[-1]
    x = x * _weights(n, norm, x.dtype) / 2
    mirrored = jnp.concatenate([jnp.zeros_like(x[..., :1]), jnp.flip(x[..., 1:], -1)], axis=-1)
    spectrum = x - 1j * mirrored
    values = jnp.fft.ifft(spectrum * _turn(n, spectrum, 1)).real
    order = np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)[::-1]])
    return values[..., np.argsort(order)]


def _along(transform: Any, name: str, x: Any, n: Any, axis: Any, norm: str | None) -> Any:
    place = one_axis(axis, x.ndim, name)
    return jnp.moveaxis(transform(_sized(name, x, n, place), norm), -1, place)


@public
def dct(
    x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Array:
    """Discrete cosine transform: 2 Σ x[m] cos(π k (2 m + 1) / (2 n)) over m.

    Args:
        x: array of real numbers; integers become floats.
        type: must be 2.
        n: size, to which the axis is cut or padded with zeros.
        axis: the axis to transform.
        norm: None or "backward"; "ortho" makes the transform orthonormal.

    Returns:
        Array like `x`, with n elements along the axis.

    Raises:
        FxTypeError: the numbers are complex.
        FxValueError: no such axis, type or norm.

    Example:
        >>> import fx
        >>> fx.scipy.fft.dct(fx.numpy.ones(2)).round(3)
        Array([4., 0.], dtype=float32)
    """
    name = "scipy.fft.dct"
    return _along(_forward, name, _operand(name, x, type, norm), n, axis, norm)


@public
def idct(
    x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Array:
    """Inverse of `dct`.

    Args:
        x, type, n, axis, norm: as in `dct`.

    Returns:
        Array like `x`, with n elements along the axis.

    Raises:
        FxTypeError: the numbers are complex.
        FxValueError: no such axis, type or norm.

    Example:
        >>> import fx
        >>> fx.scipy.fft.idct(fx.numpy.array([4.0, 0.0])).round(3)
        Array([1., 1.], dtype=float32)
    """
    name = "scipy.fft.idct"
    return _along(_backward, name, _operand(name, x, type, norm), n, axis, norm)


def _over_axes(transform: Any, name: str, x: Any, s: Any, axes: Any, norm: str | None) -> Any:
    if axes is None:
        first = 0 if s is None else max(x.ndim - len(tuple(s)), 0)
        axes = tuple(range(first, x.ndim))
    found = some_axes(tuple(axes), x.ndim, name)
    sizes = [None] * len(found) if s is None else list(s)
    if len(sizes) != len(found):
        raise FxValueError(f"{name} expects as many sizes as axes, got s={s} and axes={found}.")
    for axis, n in zip(found, sizes, strict=True):
        x = _along(transform, name, x, n, axis, norm)
    return x


@public
def dctn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
) -> Array:
    """`dct` over several axes.

    Args:
        x, type, norm: as in `dct`.
        s: sizes of the axes.
        axes: the axes; by default all, or the last len(s).

    Returns:
        Array like `x`, with those sizes.

    Raises:
        FxTypeError: the numbers are complex.
        FxValueError: no such axis, type or norm.

    Example:
        >>> import fx
        >>> fx.scipy.fft.dctn(fx.numpy.ones((1, 1)))
        Array([[4.]], dtype=float32)
    """
    name = "scipy.fft.dctn"
    return _over_axes(_forward, name, _operand(name, x, type, norm), s, axes, norm)


@public
def idctn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
) -> Array:
    """Inverse of `dctn`.

    Args:
        x, type, s, axes, norm: as in `dctn`.

    Returns:
        Array like `x`, with those sizes.

    Raises:
        FxTypeError: the numbers are complex.
        FxValueError: no such axis, type or norm.

    Example:
        >>> import fx
        >>> fx.scipy.fft.idctn(fx.numpy.full((1, 1), 4.0))
        Array([[1.]], dtype=float32)
    """
    name = "scipy.fft.idctn"
    return _over_axes(_backward, name, _operand(name, x, type, norm), s, axes, norm)
