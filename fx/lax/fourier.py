"""The Fourier transform under the name of `jax.lax.fft`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxValueError, ShapeError, public
from fx.lax.arguments import ArrayLike, shape_tuple
from fx.ops.fft import FftType


@public
def fft(x: ArrayLike, fft_type: FftType | str | int, fft_lengths: Sequence[int]) -> Array:
    """Discrete Fourier transform over the last axes.

    Args:
        x: an array. FFT, IFFT and IRFFT make floats complex; RFFT takes float32 or float64.
        fft_type: a `FftType`, its name in any case, or its number. Inverse transforms divide by
            the number of elements.
        fft_lengths: the sizes of the transformed axes, for RFFT and IRFFT those of the real side:
            the last axis of the other side has n // 2 + 1 elements.

    Returns:
        an array of the same leading axes, complex or (IRFFT) real.

    Raises:
        FxTypeError: the dtype does not suit the transform.
        ShapeError: the last axes have other sizes.
        FxValueError: no such transform, or more lengths than axes.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.fft(jnp.array([1.0, 0.0, 0.0, 0.0]), "rfft", (4,))
        Array([1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)
    """
    name = "lax.fft"
    lengths = shape_tuple(name, fft_lengths, "fft_lengths")
    kind = _kind(fft_type)
    array = to_array(x, name)
    if len(lengths) > array.ndim:
        raise ShapeError(
            f"{name} of {array.aval.short()} expects 1 to {array.ndim} lengths, got {lengths}."
        )
    if kind != FftType.RFFT and dtypes.is_inexact(array.dtype) and array.dtype.kind != "c":
        array = P.convert_element_type(array, new_dtype=dtypes.complex_dtype(array.dtype))
    return P.fft(array, fft_type=kind, fft_lengths=lengths)


def _kind(fft_type: FftType | str | int) -> FftType:
    try:
        if isinstance(fft_type, str):
            return FftType[fft_type.upper()]
        if isinstance(fft_type, (int, np.integer)):
            return FftType(fft_type)
    except (KeyError, ValueError):
        pass
    raise FxValueError(
        f"lax.fft: fft_type must be one of {', '.join(FftType.__members__)}, got {fft_type!r}."
    )
