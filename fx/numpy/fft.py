"""Fourier transforms under the names of `jax.numpy.fft`.

    import fx.numpy as jnp
    spectrum = jnp.fft.rfft(x)

Numbers are complex64, or complex128 for float64 and complex128; integers become floats. The
definition and the three scalings are NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, public
from fx.numpy.placing import on_device
from fx.numpy.promotion import a_dtype, array, integer, one_axis, promote_inexact, some_axes
from fx.ops.fft import FftType

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

_NORMS = (None, "backward", "ortho", "forward")


def _scale(norm: str | None, inverse: bool, size: int, name: str) -> float:
    """What to multiply the primitive's result by: inverse transforms divide by the size."""
    if norm not in _NORMS:
        raise FxValueError(
            f"{name}: norm must be None, 'backward', 'ortho' or 'forward', got {norm!r}."
        )
    if not size or norm in (None, "backward"):
        return 1.0
    if norm == "ortho":
        return math.sqrt(size) if inverse else 1 / math.sqrt(size)
    return float(size) if inverse else 1 / size


def _resized(x: Any, axes: Sequence[int], sizes: Sequence[int]) -> Any:
    """`x` cut or padded with zeros at the ends of axes."""
    config = [(0, 0, 0)] * x.ndim
    for axis, size in zip(axes, sizes, strict=True):
        config[axis] = (0, size - x.shape[axis], 0)
    if all(not high for _, high, _ in config):
        return x
    return P.pad(x, lit(x, 0), padding_config=tuple(config))


def _operand(x: Any, kind: FftType, name: str) -> Any:
    """`x` in the dtype that the transform takes."""
    (x,) = promote_inexact(name, x)
    if kind == FftType.RFFT:
        if x.dtype.kind == "c":
            raise FxTypeError(
                f"{name} expects real numbers, got {x.aval.short()}. Take x.real, or use the "
                "transform of complex numbers."
            )
        wanted = dtypes.real_dtype(dtypes.complex_dtype(x.dtype))
    else:
        wanted = dtypes.complex_dtype(x.dtype)
    return x if x.dtype == wanted else P.convert_element_type(x, new_dtype=wanted)


def _transform(
    name: str, a: Any, kind: FftType, sizes: Any, axes: Sequence[int], norm: str | None
) -> Any:
    """Transform over distinct axes; sizes are those of the real side, -1 or None as they are."""
    x = _operand(a, kind, name)
    if not axes:
        _scale(norm, False, 1, name)
        return x
    half = kind == FftType.IRFFT
    lengths = [x.shape[axis] for axis in axes]
    if half:
        lengths[-1] = max(2 * (lengths[-1] - 1), 0)
    if sizes is not None:
        wanted = [integer(n, name, "a size") for n in sizes]
        lengths = [n if m == -1 else m for n, m in zip(lengths, wanted, strict=True)]
    if any(n < 0 for n in lengths):
        raise FxValueError(f"{name} expects sizes that are not negative, got {tuple(lengths)}.")
    if half:
        x = _resized(x, axes, [*lengths[:-1], lengths[-1] // 2 + 1 if lengths[-1] else 0])
    else:
        x = _resized(x, axes, lengths)
    last = tuple(range(x.ndim - len(axes), x.ndim))
    in_place = tuple(axes) == last
    if not in_place:
        x = jnp.moveaxis(x, tuple(axes), last)
    out = P.fft(x, fft_type=kind, fft_lengths=tuple(lengths))
    if not in_place:
        out = jnp.moveaxis(out, last, tuple(axes))
    inverse = kind in (FftType.IFFT, FftType.IRFFT)
    scale = _scale(norm, inverse, math.prod(lengths), name)
    return out if scale == 1 else P.mul(out, lit(out, scale))


def _axes(name: str, ndim: int, s: Any, axes: Any) -> tuple[tuple[int, ...], Any]:
    """The axes and sizes of a transform over several axes."""
    sizes = None if s is None else tuple(s)
    if axes is not None:
        found = some_axes(tuple(axes), ndim, name)
    elif sizes is not None:
        if len(sizes) > ndim:
            raise FxValueError(
                f"{name} got {len(sizes)} sizes, s={sizes}, for an array of rank {ndim}."
            )
        found = tuple(range(ndim - len(sizes), ndim))
    else:
        found = tuple(range(ndim))
    if sizes is not None and len(sizes) != len(found):
        raise FxValueError(
            f"{name} expects as many sizes as axes, got s={sizes} and axes={tuple(found)}."
        )
    return found, sizes


_ONE_DOC = """{text}

Args:
    a: array; {takes}.
    n: size of the transform, to which the axis is cut or padded with zeros{default}.
    axis: the axis to transform.
    norm: None or "backward": {scale} "ortho": both directions are divided
        by sqrt(n); "forward": the other way round.

Returns:
    {gives}

Raises:
    FxTypeError: `a` does not hold such numbers.
    FxValueError: no such axis or norm, or a negative size.

Example:
    >>> import fx.numpy as jnp
    >>> {example}
    {shown}
"""
_MANY_DOC = """{text}

Args:
    a: array; {takes}.
    s: sizes of the transform, to which the axes are cut or padded with zeros; -1 keeps a size.
        By default the sizes of the axes{default}.
    axes: the axes to transform{which}.
    norm: None, "backward", "ortho" or "forward", as in `{one}`.

Returns:
    {gives}

Raises:
    FxTypeError: `a` does not hold such numbers.
    FxValueError: no such axis or norm, another number of sizes than axes, or a negative size.

Example:
    >>> import fx.numpy as jnp
    >>> {example}
    {shown}
"""
_FORWARD = "the inverse transform is divided by n;"
_INVERSE = "this transform is divided by n;"
_TAKES = {
    FftType.FFT: "real or complex numbers",
    FftType.IFFT: "real or complex numbers",
    FftType.RFFT: "real numbers",
    FftType.IRFFT: "the non-negative half of the spectrum of real numbers",
}
_GIVES = {
    FftType.FFT: "Complex array.",
    FftType.IFFT: "Complex array.",
    FftType.RFFT: "Complex array, with n // 2 + 1 elements in the last transformed axis.",
    FftType.IRFFT: "Real array.",
}


def _named(function: Any, name: str, doc: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return public(function)


def _one_axis(
    name: str, kind: FftType, text: str, example: str, shown: str
) -> Callable[..., Array]:
    full = f"numpy.fft.{name}"

    def function(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
        x = array(a, full)
        place = one_axis(axis, x.ndim, full)
        return _transform(full, x, kind, None if n is None else (n,), (place,), norm)

    doc = _ONE_DOC.format(
        text=text,
        takes=_TAKES[kind],
        gives=_GIVES[kind],
        default="; by default 2 (size - 1)" if kind == FftType.IRFFT else "",
        scale=_INVERSE if kind in (FftType.IFFT, FftType.IRFFT) else _FORWARD,
        example=example,
        shown=shown,
    )
    return _named(function, name, doc)


def _many_axes(
    name: str, kind: FftType, text: str, default_axes: Any, example: str, shown: str
) -> Callable[..., Array]:
    full = f"numpy.fft.{name}"

    def function(
        a: Any,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = default_axes,
        norm: str | None = None,
    ) -> Array:
        x = array(a, full)
        found, sizes = _axes(full, x.ndim, s, axes)
        return _transform(full, x, kind, sizes, found, norm)

    doc = _MANY_DOC.format(
        text=text,
        takes=_TAKES[kind],
        gives=_GIVES[kind],
        default=", of the last one 2 (size - 1)" if kind == FftType.IRFFT else "",
        which="" if default_axes else "; by default all, or the last len(s)",
        one=name.rstrip("n2"),
        example=example,
        shown=shown,
    )
    return _named(function, name, doc)


_IMPULSE = "jnp.array([1.0, 0.0, 0.0, 0.0])"
fft = _one_axis(
    "fft",
    FftType.FFT,
    "Discrete Fourier transform: the sums of a[m] exp(-2πi k m / n) over m.",
    f"jnp.fft.fft({_IMPULSE})",
    "Array([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)",
)
ifft = _one_axis(
    "ifft",
    FftType.IFFT,
    "Inverse discrete Fourier transform.",
    "jnp.fft.ifft(jnp.ones(4))",
    "Array([1.+0.j, 0.+0.j, 0.+0.j, 0.+0.j], dtype=complex64)",
)
rfft = _one_axis(
    "rfft",
    FftType.RFFT,
    "Discrete Fourier transform of real numbers: its non-negative frequencies.",
    f"jnp.fft.rfft({_IMPULSE})",
    "Array([1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)",
)
irfft = _one_axis(
    "irfft",
    FftType.IRFFT,
    "Inverse of `rfft`.",
    "jnp.fft.irfft(jnp.ones(3))",
    "Array([1., 0., 0., 0.], dtype=float32)",
)
fftn = _many_axes(
    "fftn",
    FftType.FFT,
    "Discrete Fourier transform over several axes.",
    None,
    "jnp.fft.fftn(jnp.ones((2, 2)))[0]",
    "Array([4.+0.j, 0.+0.j], dtype=complex64)",
)
ifftn = _many_axes(
    "ifftn",
    FftType.IFFT,
    "Inverse discrete Fourier transform over several axes.",
    None,
    "jnp.fft.ifftn(jnp.ones((2, 2)))[0]",
    "Array([1.+0.j, 0.+0.j], dtype=complex64)",
)
rfftn = _many_axes(
    "rfftn",
    FftType.RFFT,
    "Discrete Fourier transform of real numbers over several axes, the last one halved.",
    None,
    "jnp.fft.rfftn(jnp.ones((4, 4))).shape",
    "(4, 3)",
)
irfftn = _many_axes(
    "irfftn",
    FftType.IRFFT,
    "Inverse of `rfftn`.",
    None,
    "jnp.fft.irfftn(jnp.ones((4, 3))).shape",
    "(4, 4)",
)
fft2 = _many_axes(
    "fft2",
    FftType.FFT,
    "Discrete Fourier transform over two axes.",
    (-2, -1),
    "jnp.fft.fft2(jnp.ones((2, 2)))[0]",
    "Array([4.+0.j, 0.+0.j], dtype=complex64)",
)
ifft2 = _many_axes(
    "ifft2",
    FftType.IFFT,
    "Inverse discrete Fourier transform over two axes.",
    (-2, -1),
    "jnp.fft.ifft2(jnp.ones((2, 2)))[0]",
    "Array([1.+0.j, 0.+0.j], dtype=complex64)",
)
rfft2 = _many_axes(
    "rfft2",
    FftType.RFFT,
    "Discrete Fourier transform of real numbers over two axes, the last one halved.",
    (-2, -1),
    "jnp.fft.rfft2(jnp.ones((4, 4))).shape",
    "(4, 3)",
)
irfft2 = _many_axes(
    "irfft2",
    FftType.IRFFT,
    "Inverse of `rfft2`.",
    (-2, -1),
    "jnp.fft.irfft2(jnp.ones((4, 3))).shape",
    "(4, 4)",
)

_OTHER = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


@public
def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """Fourier transform of a signal that is Hermitian: its spectrum is real.

    Args:
        a: array with the non-negative half of the signal.
        n: size of the result along the axis, by default 2 (size - 1).
        axis: the axis to transform.
        norm: as in `fft`.

    Returns:
        Real array.

    Raises:
        FxValueError: no such axis or norm, or a negative size.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fft.hfft(jnp.array([1.0, 0.0, 0.0]))
        Array([1., 1., 1., 1.], dtype=float32)
    """
    _scale(norm, False, 1, "numpy.fft.hfft")
    x = array(a, "numpy.fft.hfft")
    return irfft(jnp.conj(x), n, axis, _OTHER[norm])


@public
def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """Inverse of `hfft`: the non-negative half of the signal whose spectrum is real.

    Args:
        a: array of real numbers.
        n: size of the transform, by default that of the axis.
        axis: the axis to transform.
        norm: as in `ifft`.

    Returns:
        Complex array with n // 2 + 1 elements in the axis.

    Raises:
        FxTypeError: the numbers are complex.
        FxValueError: no such axis or norm, or a negative size.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fft.ihfft(jnp.ones(4)).real
        Array([1., 0., 0.], dtype=float32)
    """
    _scale(norm, False, 1, "numpy.fft.ihfft")
    return jnp.conj(rfft(a, n, axis, _OTHER[norm]))


# ------------------------------------------------------------------ frequencies and order
def _frequencies(name: str, count: Any, d: Any, dtype: Any, half: bool, device: Any) -> Any:
    n = integer(count, name, "n")
    if n <= 0:
        raise FxValueError(f"{name}: n must be positive, got {n}.")
    wanted = a_dtype(dtype, name) or dtypes.to_inexact_dtype(array(d, name).dtype)
    numbers = np.arange(n // 2 + 1) if half else np.fft.fftfreq(n, 1 / n).round()
    out = jnp.asarray(numbers, wanted) / (jnp.asarray(d, wanted) * n)
    return on_device(out, device, name)


@public
def fftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Array:
    """Frequencies of the elements of `fft`: 0, 1, ..., then the negative ones, over n d.

    Args:
        n: size of the transform.
        d: distance between samples.
        dtype: of the result, by default the dtype of `d`.
        device: where to put it; see `fx.device_put`.

    Returns:
        Array of shape (n,).

    Raises:
        FxValueError: `n` is not positive.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fft.fftfreq(4)
        Array([ 0.  ,  0.25, -0.5 , -0.25], dtype=float32)
    """
    return _frequencies("numpy.fft.fftfreq", n, d, dtype, False, device)


@public
def rfftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Array:
    """Frequencies of the elements of `rfft`: 0, 1, ..., n // 2, over n d.

    Args:
        n: size of the transform.
        d: distance between samples.
        dtype: of the result, by default the dtype of `d`.
        device: where to put it; see `fx.device_put`.

    Returns:
        Array of shape (n // 2 + 1,).

    Raises:
        FxValueError: `n` is not positive.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fft.rfftfreq(4)
        Array([0.  , 0.25, 0.5 ], dtype=float32)
    """
    return _frequencies("numpy.fft.rfftfreq", n, d, dtype, True, device)


def _rolled(x: Any, axes: Any, name: str, inverse: bool) -> Any:
    a = array(x, name)
    found = some_axes(axes, a.ndim, name)
    shifts = [-(a.shape[i] // 2) if inverse else a.shape[i] // 2 for i in found]
    return jnp.roll(a, tuple(shifts), found)


@public
def fftshift(x: Any, axes: int | Sequence[int] | None = None) -> Array:
    """Move frequency 0 to the middle of axes.

    Args:
        x: array.
        axes: an axis, several axes, or None for all.

    Returns:
        Array like `x`.

    Raises:
        FxValueError: no such axis.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fft.fftshift(jnp.array([0, 1, 2, -2, -1]))
        Array([-2, -1,  0,  1,  2], dtype=int32)
    """
    return _rolled(x, axes, "numpy.fft.fftshift", inverse=False)


@public
def ifftshift(x: Any, axes: int | Sequence[int] | None = None) -> Array:
    """Inverse of `fftshift`.

    Args:
        x: array.
        axes: an axis, several axes, or None for all.

    Returns:
        Array like `x`.

    Raises:
        FxValueError: no such axis.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fft.ifftshift(jnp.array([-2, -1, 0, 1, 2]))
        Array([ 0,  1,  2, -2, -1], dtype=int32)
    """
    return _rolled(x, axes, "numpy.fft.ifftshift", inverse=True)
