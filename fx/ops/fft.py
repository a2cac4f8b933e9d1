"""The discrete Fourier transform over trailing axes.

Source of the definition, and of the scale (inverse transforms divide by the number of elements):
Cooley and Tukey, "An algorithm for the machine calculation of complex Fourier series", 1965.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.ir import readable
from fx.core.primitive import P, Primitive, lit
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.ops.base import move_axis


@readable
class FftType(enum.IntEnum):
    """Which Fourier transform: forward, inverse, of real numbers, or back to real numbers.

    Example:
        >>> from fx import lax
        >>> lax.FftType.RFFT.name
        'RFFT'
    """

    FFT = 0
    IFFT = 1
    RFFT = 2
    IRFFT = 3


class Fft(Primitive):
    """A Fourier transform over the last `len(fft_lengths)` axes, whose lengths (of the real side,
    for RFFT and IRFFT) those are. The real transforms keep n // 2 + 1 elements of the last axis."""

    name = "fft"

    def abstract_eval(
        self, x: ShapedArray, *, fft_type: FftType, fft_lengths: tuple[int, ...]
    ) -> ShapedArray:
        _check_dtype(x, fft_type)
        rank = len(fft_lengths)
        if not 1 <= rank <= x.ndim:
            raise FxValueError(
                f"fft of {x.short()} expects 1 to {x.ndim} lengths, one for each transformed axis, "
                f"got {fft_lengths}."
            )
        halved = (*fft_lengths[:-1], _half(fft_lengths[-1]))
        before, after = fft_lengths, fft_lengths
        if fft_type == FftType.RFFT:
            after = halved
        if fft_type == FftType.IRFFT:
            before = halved
        if x.shape[x.ndim - rank :] != before:
            raise ShapeError(
                f"fft of {x.short()} with {fft_type.name} and fft_lengths={fft_lengths} expects "
                f"an array whose last axes have the sizes {before}. Pad or slice it first, or use "
                "fx.numpy.fft, which does."
            )
        return ShapedArray((*x.shape[: x.ndim - rank], *after), _OUT[fft_type](x.dtype))

    def impl(self, xp: Any, x: Any, *, fft_type: FftType, fft_lengths: tuple[int, ...]) -> Any:
        axes = tuple(range(x.ndim - len(fft_lengths), x.ndim))
        dtype = _OUT[fft_type](x.dtype)
        if 0 in x.shape or 0 in fft_lengths:
            last = _half(fft_lengths[-1]) if fft_type == FftType.RFFT else fft_lengths[-1]
            return xp.zeros((*x.shape[: axes[0]], *fft_lengths[:-1], last), dtype)
        if fft_type == FftType.FFT:
            out = xp.fft.fftn(x, axes=axes)
        elif fft_type == FftType.IFFT:
            out = xp.fft.ifftn(x, axes=axes)
        elif fft_type == FftType.RFFT:
            out = xp.fft.rfftn(x, axes=axes)
        else:
            out = xp.fft.irfftn(x, fft_lengths, axes=axes)
        return out.astype(dtype, copy=False)

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        return self.bind(tangents[0], **params)

    def transpose(
        self, ct: Any, x: Any, *, fft_type: FftType, fft_lengths: tuple[int, ...]
    ) -> list[Any]:
        if fft_type in (FftType.FFT, FftType.IFFT):  # symmetric matrices
            return [self.bind(ct, fft_type=fft_type, fft_lengths=fft_lengths)]
        if fft_type == FftType.RFFT:
            # The real part of the full transform of the half, continued by zeros.
            missing = fft_lengths[-1] - ct.shape[-1]
            config = (*((0, 0, 0),) * (ct.ndim - 1), (0, missing, 0))
            full = P.pad(ct, lit(ct, 0), padding_config=config)
            return [P.real(self.bind(full, fft_type=FftType.FFT, fft_lengths=fft_lengths))]
        # Elements that stand for two of the full transform count twice.
        spectrum = P.conj(self.bind(ct, fft_type=FftType.RFFT, fft_lengths=fft_lengths))
        n = fft_lengths[-1]
        weights = np.full(_half(n), 2 / max(math.prod(fft_lengths), 1))
        weights[:1] /= 2
        if n % 2 == 0:
            weights[-1:] /= 2
        scale = P.broadcast_in_dim(
            Array(weights.astype(spectrum.dtype)),
            shape=spectrum.shape,
            broadcast_dimensions=(spectrum.ndim - 1,),
        )
        return [P.mul(spectrum, scale)]

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        return self.bind(move_axis(args[0], dims[0], 0), **params), 0


def _half(n: int) -> int:
    return n // 2 + 1 if n else 0


_OUT = {
    FftType.FFT: np.dtype,
    FftType.IFFT: np.dtype,
    FftType.RFFT: dtypes.complex_dtype,
    FftType.IRFFT: dtypes.real_dtype,
}


def _check_dtype(x: ShapedArray, fft_type: FftType) -> None:
    if fft_type != FftType.RFFT and x.dtype.kind != "c":
        raise FxTypeError(
            f"fft with {fft_type.name} expects an array of a complex dtype, got {x.short()}. "
            "Convert with x.astype(...), or use FftType.RFFT for real numbers."
        )
    if fft_type == FftType.RFFT and x.dtype not in (np.float32, np.float64):
        raise FxTypeError(
            f"fft with RFFT expects an array of dtype float32 or float64, got {x.short()}. "
            "Convert with x.astype('float32') first."
        )


Fft()
