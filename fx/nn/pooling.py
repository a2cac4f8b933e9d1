"""Pooling layers, channels last: images are (batch..., space..., features)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import lax
from fx.core.array import Array, to_array
from fx.errors import ShapeError, public
from fx.lax.convolution import padtype_to_pads
from fx.nn.base import Layer, Padding, Params, Sizes, pads, sizes, window


class _Pool(Layer):
    """What pooling layers share; subclasses are dataclasses with these fields."""

    window_shape: Sizes
    strides: int | Sequence[int] | None
    padding: Padding

    def __post_init__(self) -> None:
        what = f"nn.{type(self).__name__}"
        object.__setattr__(self, "window_shape", window(what, "window_shape", self.window_shape))
        if self.strides is not None and not isinstance(self.strides, int):
            object.__setattr__(self, "strides", tuple(self.strides))
        object.__setattr__(self, "padding", pads(what, self.padding, len(self.window_shape)))
        self._steps()

    def _steps(self) -> tuple[int, ...]:
        steps = self.window_shape if self.strides is None else self.strides
        return sizes(f"nn.{type(self).__name__}", "strides", steps, len(self.window_shape))

    @public
    def init(self, key: Any, x: Any) -> Params:
        return {}

    def _reduce(self, x: Any, start: Any, computation: Callable[[Any, Any], Any]) -> Any:
        """Fold the windows of the spatial axes."""
        rank = len(self.window_shape)
        if x.ndim < rank + 1:
            raise ShapeError(
                f"nn.{type(self).__name__} expects an input (batch..., {rank} spatial axes, "
                f"features), got {x.aval.short()}."
            )
        before = (1,) * (x.ndim - rank - 1)
        whole, steps = (*before, *self.window_shape, 1), (*before, *self._steps(), 1)
        padding = self.padding
        if isinstance(padding, str):
            padding = padtype_to_pads(x.shape, whole, steps, padding)
        else:
            padding = [*[(0, 0)] * len(before), *padding, (0, 0)]
        return lax.reduce_window(x, start, computation, whole, steps, padding)


@dataclasses.dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest element of each window; its derivative goes to the first of equal ones.

    Attributes:
        window_shape: the sizes of the window, one for each spatial dimension.
        strides: the distances of the windows; those of the window itself by default.
        padding: "VALID", "SAME", "SAME_LOWER", or a pair (low, high) for each dimension; padding
            is never the largest.

    Raises:
        ShapeError: the input has too few axes.
        FxValueError: strides or padding do not have one entry for each spatial dimension.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
        >>> nn.MaxPool((2, 2)).apply({}, x)[0, :, :, 0]
        Array([[ 5.,  7.],
               [13., 15.]], dtype=float32)
    """

    window_shape: Sizes
    strides: int | Sequence[int] | None = None
    padding: Padding = "VALID"

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        x = to_array(x, "nn.MaxPool")
        least = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -math.inf
        return self._reduce(x, Array(np.asarray(least, x.dtype)), lax.max)


@dataclasses.dataclass(frozen=True)
class AvgPool(_Pool):
    """The mean of each window.

    Attributes:
        window_shape: the sizes of the window, one for each spatial dimension.
        strides: the distances of the windows; those of the window itself by default.
        padding: "VALID", "SAME", "SAME_LOWER", or a pair (low, high) for each dimension.
        count_include_pad: whether the padding counts as zeros; else each window is divided by the
            number of its elements inside the image.

    Raises:
        ShapeError: the input has too few axes.
        FxValueError: strides or padding do not have one entry for each spatial dimension.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
        >>> nn.AvgPool((2, 2)).apply({}, x)[0, :, :, 0]
        Array([[ 2.5,  4.5],
               [10.5, 12.5]], dtype=float32)
    """

    window_shape: Sizes
    strides: int | Sequence[int] | None = None
    padding: Padding = "VALID"
    count_include_pad: bool = True

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        x = to_array(x, "nn.AvgPool")
        zero = Array(np.zeros((), x.dtype))
        total = self._reduce(x, zero, lax.add)
        if self.count_include_pad:
            return total / math.prod(self.window_shape)
        before = x.ndim - len(self.window_shape) - 1
        shape = (*[1] * before, *x.shape[before:-1], 1)
        return total / self._reduce(Array(np.ones(shape, x.dtype)), zero, lax.add)
