"""Convolutional layers, channels last: images are (batch..., space..., features).

Kernels are (window..., input features, features), as in Flax; see `fx.lax` for other layouts.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from fx import lax, random
from fx.core.array import to_array
from fx.errors import FxValueError, ShapeError, public
from fx.nn import initializers
from fx.nn.base import (
    Layer,
    Padding,
    Params,
    Sizes,
    check_features,
    compute_dtype,
    pads,
    param,
    param_dtype,
    shape_of,
    sizes,
    window,
)
from fx.ops.conv import ConvDimensionNumbers

_LECUN_NORMAL = initializers.lecun_normal()


def channels_last(rank: int) -> ConvDimensionNumbers:
    """Dimension numbers of images (batch, space..., features) with `rank` spatial dimensions."""
    image = (0, rank + 1, *range(1, rank + 1))
    return ConvDimensionNumbers(image, (rank + 1, rank, *range(rank)), image)


def one_batch_axis(x: Any, rank: int, what: str) -> Any:
    """`x` with all axes before the `rank` spatial ones merged into one."""
    if x.ndim < rank + 1:
        raise ShapeError(
            f"{what} expects an input (batch..., {rank} spatial axes, features), got "
            f"{x.aval.short()}."
        )
    space = x.shape[x.ndim - rank - 1 :]
    return x.reshape(math.prod(x.shape[: x.ndim - rank - 1]), *space)


@dataclasses.dataclass(frozen=True)
class Conv(Layer):
    """Convolution of any number of spatial dimensions, plus a bias.

    Attributes:
        features: the size of the last axis of the result.
        kernel_size: the sizes of the window, one for each spatial dimension.
        strides: the distances of the windows; one number for all dimensions or one for each.
        padding: "SAME", "SAME_LOWER", "VALID", or a pair (low, high) for each dimension.
        input_dilation, kernel_dilation: the distances of the image's elements and of the taps.
        feature_group_count: input and output features are cut into so many groups; the number of
            input features makes a depthwise convolution.
        use_bias: whether to add a bias.
        kernel_init, bias_init: initializers, (key, shape, dtype) -> array.
        dtype: to compute in; by default what input and parameters promote to.
        param_dtype: of the parameters; by default the default float dtype.

    Parameters: kernel (window..., input features / groups, features), bias (features,).

    Raises:
        ShapeError: the input has too few axes, or other features than the parameters were made
            for.
        FxValueError: a hyperparameter does not have one entry for each spatial dimension, or the
            groups do not divide the features.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn, random
        >>> layer = nn.Conv(32, (3, 3), padding="VALID")
        >>> images = jnp.ones((5, 28, 28, 1))
        >>> params = layer.init(random.key(0), images)
        >>> params["kernel"].shape, layer.apply(params, images).shape
        ((3, 3, 1, 32), (5, 26, 26, 32))
    """

    features: int
    kernel_size: Sizes
    strides: int | Sequence[int] = 1
    padding: Padding = "SAME"
    input_dilation: int | Sequence[int] = 1
    kernel_dilation: int | Sequence[int] = 1
    feature_group_count: int = 1
    use_bias: bool = True
    kernel_init: Callable[..., Any] = _LECUN_NORMAL
    bias_init: Callable[..., Any] = initializers.zeros
    dtype: Any = None
    param_dtype: Any = None

    def __post_init__(self) -> None:
        _freeze(self, "nn.Conv")
        if self.features % self.feature_group_count:
            raise FxValueError(
                f"nn.Conv: feature_group_count={self.feature_group_count} must divide "
                f"features={self.features}."
            )

    @public
    def init(self, key: Any, x: Any) -> Params:
        depth = _input_features(x, len(self.kernel_size), "nn.Conv.init")
        if depth % self.feature_group_count:
            raise FxValueError(
                f"nn.Conv.init: feature_group_count={self.feature_group_count} must divide the "
                f"{depth} features of the input."
            )
        shape = (*self.kernel_size, depth // self.feature_group_count, self.features)
        return _params(self, key, shape)

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        x, kernel = to_array(x, "nn.Conv"), param(params, "kernel", "nn.Conv")
        rank = len(self.kernel_size)
        images = one_batch_axis(x, rank, "nn.Conv")
        check_features("nn.Conv", x, kernel.shape[-2] * self.feature_group_count)
        dtype = compute_dtype(self.dtype, x, kernel)
        out = lax.conv_general_dilated(
            images.astype(dtype),
            kernel.astype(dtype),
            sizes("nn.Conv", "strides", self.strides, rank),
            self.padding,
            lhs_dilation=sizes("nn.Conv", "input_dilation", self.input_dilation, rank),
            rhs_dilation=sizes("nn.Conv", "kernel_dilation", self.kernel_dilation, rank),
            dimension_numbers=channels_last(rank),
            feature_group_count=self.feature_group_count,
        )
        return _finish(self, params, x, out, rank, "nn.Conv")


@dataclasses.dataclass(frozen=True)
class ConvTranspose(Layer):
    """Transposed convolution: the image grows by the strides. Plus a bias.

    Attributes:
        features, kernel_size, kernel_dilation, use_bias, kernel_init, bias_init, dtype,
            param_dtype: as for `Conv`.
        strides: by how much each spatial dimension grows.
        padding: "SAME", "VALID", or a pair (low, high) for each dimension, see
            `fx.lax.conv_transpose`.
        transpose_kernel: whether to read the taps backwards and exchange the kernel's features.

    Parameters: kernel (window..., input features, features), with the features exchanged if
    `transpose_kernel`; bias (features,).

    Raises:
        ShapeError: the input has too few axes, or other features than the parameters were made
            for.
        FxValueError: a hyperparameter does not have one entry for each spatial dimension.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn, random
        >>> layer = nn.ConvTranspose(3, (4, 4), strides=2)
        >>> params = layer.init(random.key(0), jnp.ones((1, 8, 8, 16)))
        >>> layer.apply(params, jnp.ones((1, 8, 8, 16))).shape
        (1, 16, 16, 3)
    """

    features: int
    kernel_size: Sizes
    strides: int | Sequence[int] = 1
    padding: Padding = "SAME"
    kernel_dilation: int | Sequence[int] = 1
    use_bias: bool = True
    transpose_kernel: bool = False
    kernel_init: Callable[..., Any] = _LECUN_NORMAL
    bias_init: Callable[..., Any] = initializers.zeros
    dtype: Any = None
    param_dtype: Any = None

    def __post_init__(self) -> None:
        _freeze(self, "nn.ConvTranspose")

    @public
    def init(self, key: Any, x: Any) -> Params:
        depth = _input_features(x, len(self.kernel_size), "nn.ConvTranspose.init")
        pair = (self.features, depth) if self.transpose_kernel else (depth, self.features)
        return _params(self, key, (*self.kernel_size, *pair))

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        what = "nn.ConvTranspose"
        x, kernel = to_array(x, what), param(params, "kernel", what)
        rank = len(self.kernel_size)
        images = one_batch_axis(x, rank, what)
        check_features(what, x, kernel.shape[-1 if self.transpose_kernel else -2])
        dtype = compute_dtype(self.dtype, x, kernel)
        out = lax.conv_transpose(
            images.astype(dtype),
            kernel.astype(dtype),
            sizes(what, "strides", self.strides, rank),
            self.padding,
            rhs_dilation=sizes(what, "kernel_dilation", self.kernel_dilation, rank),
            dimension_numbers=channels_last(rank),
            transpose_kernel=self.transpose_kernel,
        )
        return _finish(self, params, x, out, rank, what)


def _freeze(layer: Any, what: str) -> None:
    """Make sequences tuples, so that the layer is hashable, and check them early."""
    object.__setattr__(layer, "kernel_size", window(what, "kernel_size", layer.kernel_size))
    rank = len(layer.kernel_size)
    for name in ("strides", "input_dilation", "kernel_dilation"):
        value = getattr(layer, name, 1)
        checked = sizes(what, name, value if isinstance(value, int) else tuple(value), rank)
        if not isinstance(value, int):
            object.__setattr__(layer, name, checked)
    object.__setattr__(layer, "padding", pads(what, layer.padding, rank))


def _input_features(x: Any, rank: int, what: str) -> int:
    aval = shape_of(x, what)
    if aval.ndim < rank + 1:
        raise ShapeError(
            f"{what} expects an input (batch..., {rank} spatial axes, features), got "
            f"{aval.short()}."
        )
    return aval.shape[-1]


def _params(layer: Any, key: Any, kernel_shape: tuple[int, ...]) -> Params:
    dtype = param_dtype(layer.param_dtype)
    kernel_key, bias_key = random.split(key)
    params = {"kernel": layer.kernel_init(kernel_key, kernel_shape, dtype)}
    if layer.use_bias:
        params["bias"] = layer.bias_init(bias_key, (layer.features,), dtype)
    return params


def _finish(layer: Any, params: Params, x: Any, out: Any, rank: int, what: str) -> Any:
    """Add the bias and bring the batch axes back."""
    if layer.use_bias:
        out = out + param(params, "bias", what).astype(out.dtype)
    if x.ndim != rank + 2:
        out = out.reshape(*x.shape[: x.ndim - rank - 1], *out.shape[1:])
    return out
