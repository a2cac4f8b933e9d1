"""Dense layers, embeddings, normalization, dropout and reshaping.

The features are the last axis everywhere; all axes before it are batch axes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import fx.numpy as jnp
from fx import random
from fx.core.array import to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.lax.arguments import canonical_axes
from fx.nn import initializers
from fx.nn.base import (
    Layer,
    Params,
    check_features,
    compute_dtype,
    param,
    param_dtype,
    shape_of,
)

_LECUN_NORMAL = initializers.lecun_normal()
_UNIT_ROWS = initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)


@dataclasses.dataclass(frozen=True)
class Dense(Layer):
    """x · kernel + bias along the last axis.

    Attributes:
        features: the size of the last axis of the result.
        use_bias: whether to add a bias.
        kernel_init, bias_init: initializers, (key, shape, dtype) -> array.
        dtype: to compute in; by default what input and parameters promote to.
        param_dtype: of the parameters; by default the default float dtype.

    Parameters: kernel (input features, features), bias (features,).

    Raises:
        ShapeError: the input has other features than the parameters were made for.
        FxTypeError: the parameters are not this layer's.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn, random
        >>> layer = nn.Dense(3)
        >>> params = layer.init(random.key(0), jnp.ones((2, 4)))
        >>> layer.apply(params, jnp.ones((5, 7, 4))).shape
        (5, 7, 3)
    """

    features: int
    use_bias: bool = True
    kernel_init: Callable[..., Any] = _LECUN_NORMAL
    bias_init: Callable[..., Any] = initializers.zeros
    dtype: Any = None
    param_dtype: Any = None

    @public
    def init(self, key: Any, x: Any) -> Params:
        aval = shape_of(x, "nn.Dense.init")
        if not aval.shape:
            raise ShapeError("nn.Dense.init expects an input with a feature axis, got a scalar.")
        dtype = param_dtype(self.param_dtype)
        kernel_key, bias_key = random.split(key)
        params = {"kernel": self.kernel_init(kernel_key, (aval.shape[-1], self.features), dtype)}
        if self.use_bias:
            params["bias"] = self.bias_init(bias_key, (self.features,), dtype)
        return params

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        x, kernel = to_array(x, "nn.Dense"), param(params, "kernel", "nn.Dense")
        check_features("nn.Dense", x, kernel.shape[0])
        dtype = compute_dtype(self.dtype, x, kernel)
        out = P.dot_general(
            x.astype(dtype),
            kernel.astype(dtype),
            dimension_numbers=(((x.ndim - 1,), (0,)), ((), ())),
            precision=None,
            preferred_element_type=None,
        )
        return out + param(params, "bias", "nn.Dense").astype(dtype) if self.use_bias else out


@dataclasses.dataclass(frozen=True)
class Embed(Layer):
    """A table of vectors, looked up by integers.

    Attributes:
        num_embeddings: the number of vectors.
        features: their length.
        embedding_init: an initializer, (key, shape, dtype) -> array.
        param_dtype: of the table; by default the default float dtype.

    Parameters: embedding (num_embeddings, features).

    Raises:
        FxTypeError: the input is not of an integer dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn, random
        >>> layer = nn.Embed(10, 4)
        >>> params = layer.init(random.key(0), jnp.array([0]))
        >>> layer.apply(params, jnp.array([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    num_embeddings: int
    features: int
    embedding_init: Callable[..., Any] = _UNIT_ROWS
    param_dtype: Any = None

    @public
    def init(self, key: Any, x: Any) -> Params:
        shape = (self.num_embeddings, self.features)
        return {"embedding": self.embedding_init(key, shape, param_dtype(self.param_dtype))}

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        x = to_array(x, "nn.Embed")
        if x.dtype.kind not in "iu":
            raise FxTypeError(f"nn.Embed expects integers, got {x.aval.short()}.")
        return jnp.take(param(params, "embedding", "nn.Embed"), x, axis=0)


@dataclasses.dataclass(frozen=True)
class LayerNorm(Layer):
    """Zero mean and unit variance over the last axis, then a learned scale and bias.

    Ba et al., "Layer normalization", 2016.

    Attributes:
        epsilon: added to the variance.
        use_bias, use_scale: whether to learn them.
        bias_init, scale_init: initializers, (key, shape, dtype) -> array.
        dtype: to compute in, at least float32; by default what input and parameters promote to.
        param_dtype: of the parameters; by default the default float dtype.

    Parameters: scale (features,), bias (features,).

    Raises:
        ShapeError: the input has other features than the parameters were made for.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn, random
        >>> layer = nn.LayerNorm(epsilon=0.0)
        >>> params = layer.init(random.key(0), jnp.ones((1, 2)))
        >>> layer.apply(params, jnp.array([[1.0, 3.0]]))
        Array([[-1.,  1.]], dtype=float32)
    """

    epsilon: float = 1e-6
    use_bias: bool = True
    use_scale: bool = True
    bias_init: Callable[..., Any] = initializers.zeros
    scale_init: Callable[..., Any] = initializers.ones
    dtype: Any = None
    param_dtype: Any = None

    @public
    def init(self, key: Any, x: Any) -> Params:
        return _affine_params(self, key, x, "nn.LayerNorm")

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        x = to_array(x, "nn.LayerNorm")
        wide = x.astype(jnp.promote_types(compute_dtype(self.dtype, x), jnp.float32))
        centred = wide - jnp.mean(wide, -1, keepdims=True)
        variance = jnp.mean(jnp.square(centred), -1, keepdims=True)
        out = centred * P.rsqrt(variance + self.epsilon)
        return _affine(self, params, x, out, "nn.LayerNorm")


@dataclasses.dataclass(frozen=True)
class RMSNorm(Layer):
    """Unit mean square over the last axis, then a learned scale.

    Zhang and Sennrich, "Root mean square layer normalization", 2019.

    Attributes:
        epsilon: added to the mean square.
        use_scale: whether to learn a scale.
        scale_init: an initializer, (key, shape, dtype) -> array.
        dtype: to compute in, at least float32; by default what input and parameters promote to.
        param_dtype: of the parameters; by default the default float dtype.

    Parameters: scale (features,).

    Raises:
        ShapeError: the input has other features than the parameters were made for.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn, random
        >>> layer = nn.RMSNorm(epsilon=0.0)
        >>> params = layer.init(random.key(0), jnp.ones((1, 2)))
        >>> layer.apply(params, jnp.array([[7.0, 1.0]]))
        Array([[1.4, 0.2]], dtype=float32)
    """

    epsilon: float = 1e-6
    use_scale: bool = True
    scale_init: Callable[..., Any] = initializers.ones
    dtype: Any = None
    param_dtype: Any = None

    @public
    def init(self, key: Any, x: Any) -> Params:
        return _affine_params(self, key, x, "nn.RMSNorm")

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        x = to_array(x, "nn.RMSNorm")
        wide = x.astype(jnp.promote_types(compute_dtype(self.dtype, x), jnp.float32))
        out = wide * P.rsqrt(jnp.mean(jnp.square(wide), -1, keepdims=True) + self.epsilon)
        return _affine(self, params, x, out, "nn.RMSNorm")


def _affine_params(layer: Any, key: Any, x: Any, what: str) -> Params:
    shape = shape_of(x, f"{what}.init").shape[-1:]
    if not shape:
        raise ShapeError(f"{what}.init expects an input with a feature axis, got a scalar.")
    dtype, keys = param_dtype(layer.param_dtype), random.split(key)
    params = {}
    if layer.use_scale:
        params["scale"] = layer.scale_init(keys[0], shape, dtype)
    if getattr(layer, "use_bias", False):
        params["bias"] = layer.bias_init(keys[1], shape, dtype)
    return params


def _affine(layer: Any, params: Params, x: Any, out: Any, what: str) -> Any:
    """`out` times the scale plus the bias, in the layer's dtype."""
    arrays = [x]
    if layer.use_scale:
        arrays.append(param(params, "scale", what))
        check_features(what, x, arrays[-1].shape[0])
        out = out * arrays[-1]
    if getattr(layer, "use_bias", False):
        arrays.append(param(params, "bias", what))
        check_features(what, x, arrays[-1].shape[0])
        out = out + arrays[-1]
    return out.astype(compute_dtype(layer.dtype, *arrays))


@dataclasses.dataclass(frozen=True)
class Dropout(Layer):
    """When training, set elements to 0 at random and scale the others up; else the identity.

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Attributes:
        rate: the probability of a 0, in [0, 1].
        broadcast_dims: axes along which all elements share one draw.

    Raises:
        FxValueError: the rate is not a probability, or `key` is missing in training.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn, random
        >>> layer = nn.Dropout(0.5)
        >>> layer.apply({}, jnp.ones(4))
        Array([1., 1., 1., 1.], dtype=float32)
        >>> y = layer.apply({}, jnp.ones(1000), key=random.key(0), train=True)
        >>> bool(((y == 0) | (y == 2)).all())
        True
    """

    rate: float
    broadcast_dims: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise FxValueError(f"nn.Dropout: rate must be a probability, got {self.rate!r}.")

    @property
    def stochastic(self) -> bool:
        return self.rate > 0

    @public
    def init(self, key: Any, x: Any) -> Params:
        return {}

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        x = to_array(x, "nn.Dropout")
        if not train or self.rate == 0:
            return x
        if key is None:
            raise FxValueError(
                "nn.Dropout needs a random key when training: pass apply(..., key=key, "
                "train=True), with a new key for each step."
            )
        if self.rate == 1:
            return jnp.zeros_like(x)
        shared = canonical_axes("nn.Dropout", self.broadcast_dims, x.ndim)
        shape = tuple(1 if i in shared else n for i, n in enumerate(x.shape))
        kept = random.bernoulli(key, 1 - self.rate, shape)
        return jnp.where(kept, x / (1 - self.rate), 0)


@dataclasses.dataclass(frozen=True)
class Flatten(Layer):
    """All axes but the first made one.

    Raises:
        ShapeError: the input is a scalar.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.Flatten().apply({}, jnp.ones((2, 3, 4))).shape
        (2, 12)
    """

    @public
    def init(self, key: Any, x: Any) -> Params:
        return {}

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        x = to_array(x, "nn.Flatten")
        if not x.shape:
            raise ShapeError("nn.Flatten expects an input with a batch axis, got a scalar.")
        return P.reshape(x, new_sizes=(x.shape[0], math.prod(x.shape[1:])))
