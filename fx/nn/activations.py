"""Activations: elementwise functions of `jax.nn`, stable at both ends of the number line.

Where the textbook formula overflows or its derivative is 0 times infinity, a rule of its own gives
the derivative.
"""

from __future__ import annotations

import math
from typing import Any

import fx.numpy as jnp
from fx.calls.custom import custom_jvp
from fx.config import detours
from fx.core.array import Array, to_array
from fx.core.primitive import P, lit, zeros
from fx.errors import FxValueError, public
from fx.lax.arguments import ArrayLike, canonical_axis
from fx.numpy.promotion import promote_inexact


def _within(inside: Any, tangent: Any) -> Any:
    """The tangent where the condition holds, else zero."""
    return P.select_n(inside, zeros(tangent.aval), tangent)


@public
def identity(x: ArrayLike) -> Array:
    """x itself, as an array.

    Args:
        x: an array or number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.identity(jnp.array([-1.0, 2.0]))
        Array([-1.,  2.], dtype=float32)
    """
    return to_array(x, "nn.identity")


@custom_jvp
def _relu(x: Any) -> Any:
    return jnp.maximum(x, 0)


_relu.defjvps(lambda t, out, x: _within(P.gt(x, lit(x, 0)), t))


@public
def relu(x: ArrayLike) -> Array:
    """Rectified linear unit: max(x, 0), with derivative 0 at 0.

    The derivative at 0 follows Bertoin et al., "Numerical influence of ReLU'(0) on
    backpropagation", 2021.

    Args:
        x: an array or number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.relu(jnp.array([-2.0, 0.0, 3.0]))
        Array([0., 0., 3.], dtype=float32)
    """
    if type(x) is Array and not detours[0]:
        return jnp.maximum(x, 0)
    return _relu(x)


@custom_jvp
def _relu6(x: Any) -> Any:
    return jnp.minimum(jnp.maximum(x, 0), 6.0)


_relu6.defjvps(lambda t, out, x: _within(P.table["and"](P.gt(x, lit(x, 0)), P.lt(x, lit(x, 6))), t))


@public
def relu6(x: ArrayLike) -> Array:
    """min(max(x, 0), 6), with derivative 0 at both ends.

    Args:
        x: an array or number.

    Returns:
        an array of the same shape, of floating dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.relu6(jnp.array([-2.0, 3.0, 8.0]))
        Array([0., 3., 6.], dtype=float32)
    """
    return _relu6(x)


@public
def leaky_relu(x: ArrayLike, negative_slope: ArrayLike = 1e-2) -> Array:
    """x where x >= 0, else negative_slope · x.

    Args:
        x: an array or number.
        negative_slope: the slope of the negative half.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.leaky_relu(jnp.array([-2.0, 3.0]), 0.5)
        Array([-1.,  3.], dtype=float32)
    """
    x = to_array(x, "nn.leaky_relu")
    return jnp.where(x >= 0, x, negative_slope * x)


@public
def sigmoid(x: ArrayLike) -> Array:
    """Logistic function: 1 / (1 + exp(-x)).

    Args:
        x: an array of floating or complex dtype, or a float.

    Returns:
        an array of the same shape and dtype.

    Raises:
        FxTypeError: x is an array of integers or bools.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.sigmoid(jnp.array([-1000.0, 0.0, 1000.0]))
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    return P.logistic(to_array(x, "nn.sigmoid"))


@public
def tanh(x: ArrayLike) -> Array:
    """Hyperbolic tangent.

    Args:
        x: an array or number.

    Returns:
        an array of the same shape, of floating (or complex) dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.tanh(jnp.array([-1000.0, 0.0]))
        Array([-1.,  0.], dtype=float32)
    """
    return jnp.tanh(x)


@custom_jvp
def _softplus(x: Any) -> Any:
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


_softplus.defjvps(lambda t, out, x: t * P.logistic(x))


@public
def softplus(x: ArrayLike) -> Array:
    """log(1 + exp(x)), a smooth relu, without overflow.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.softplus(jnp.array([-1000.0, 0.0, 1000.0]))
        Array([0.000000e+00, 6.931472e-01, 1.000000e+03], dtype=float32)
    """
    return _softplus(_inexact(x, "nn.softplus"))


def _inexact(x: ArrayLike, name: str) -> Array:
    """`x` as an array of floating (or complex) dtype."""
    return promote_inexact(name, x)[0]


@public
def sparse_plus(x: ArrayLike) -> Array:
    """0 for x <= -1, (x + 1)² / 4 between, x for x >= 1: a softplus that reaches 0.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.sparse_plus(jnp.array([-2.0, 0.0, 2.0]))
        Array([0.  , 0.25, 2.  ], dtype=float32)
    """
    x = _inexact(x, "nn.sparse_plus")
    return jnp.where(x <= -1, 0.0, jnp.where(x >= 1, x, jnp.square(x + 1) / 4))


@public
def sparse_sigmoid(x: ArrayLike) -> Array:
    """(x + 1) / 2, cut to [0, 1]: the derivative of `sparse_plus`.

    Martins and Astudillo, "From softmax to sparsemax", 2016, in two dimensions.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.sparse_sigmoid(jnp.array([-2.0, 0.0, 0.5]))
        Array([0.  , 0.5 , 0.75], dtype=float32)
    """
    return 0.5 * jnp.clip(_inexact(x, "nn.sparse_sigmoid") + 1, 0.0, 2.0)


@public
def soft_sign(x: ArrayLike) -> Array:
    """x / (|x| + 1).

    Args:
        x: an array or number.

    Returns:
        an array of the same shape, of floating dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.soft_sign(jnp.array([-1.0, 3.0]))
        Array([-0.5 ,  0.75], dtype=float32)
    """
    x = to_array(x, "nn.soft_sign")
    return x / (jnp.abs(x) + 1)


@public
def silu(x: ArrayLike) -> Array:
    """x · sigmoid(x), also called swish.

    Elfwing et al., "Sigmoid-weighted linear units", 2017.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.silu(jnp.array([-1000.0, 0.0, 1000.0]))
        Array([  -0.,    0., 1000.], dtype=float32)
    """
    x = _inexact(x, "nn.silu")
    return x * P.logistic(x)


swish = silu


@public
def mish(x: ArrayLike) -> Array:
    """x · tanh(softplus(x)).

    Misra, "Mish: a self regularized non-monotonic activation function", 2019.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.mish(jnp.array([0.0, 1.0]))
        Array([0.       , 0.8650984], dtype=float32)
    """
    x = _inexact(x, "nn.mish")
    return x * jnp.tanh(_softplus(x))


@public
def log_sigmoid(x: ArrayLike) -> Array:
    """log(sigmoid(x)), without overflow.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.log_sigmoid(jnp.array([-1000.0, 0.0]))
        Array([-1.000000e+03, -6.931472e-01], dtype=float32)
    """
    return -_softplus(-_inexact(x, "nn.log_sigmoid"))


@custom_jvp
def _log1mexp(x: Any) -> Any:
    near = jnp.log(-jnp.expm1(-x))
    return jnp.where(x < math.log(2), near, jnp.log1p(-jnp.exp(-x)))


_log1mexp.defjvps(lambda t, out, x: t / jnp.expm1(x))


@public
def log1mexp(x: ArrayLike) -> Array:
    """log(1 - exp(-x)) for x > 0, accurate for small and for large x.

    Mächler, "Accurately computing log(1 - exp(-|a|))", 2012.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype; NaN where x < 0.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.log1mexp(jnp.array([0.0, 0.5, 100.0]))
        Array([          -inf, -9.3275213e-01, -3.7835059e-44], dtype=float32)
    """
    return _log1mexp(_inexact(x, "nn.log1mexp"))


@public
def elu(x: ArrayLike, alpha: ArrayLike = 1.0) -> Array:
    """Exponential linear unit: x where x > 0, else alpha · (exp(x) - 1).

    Clevert et al., "Fast and accurate deep network learning by exponential linear units", 2015.

    Args:
        x: an array of floating dtype, or a number.
        alpha: minus the limit at minus infinity.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.elu(jnp.array([-1000.0, 0.0, 2.0]))
        Array([-1.,  0.,  2.], dtype=float32)
    """
    x = _inexact(x, "nn.elu")
    # The inner choice keeps infinities out of the derivative of the branch not taken.
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0.0, x)))


@public
def celu(x: ArrayLike, alpha: ArrayLike = 1.0) -> Array:
    """Continuously differentiable elu: x where x > 0, else alpha · (exp(x / alpha) - 1).

    Barron, "Continuously differentiable exponential linear units", 2017.

    Args:
        x: an array of floating dtype, or a number.
        alpha: minus the limit at minus infinity.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.celu(jnp.array([-1000.0, 0.0, 2.0]), 0.5)
        Array([-0.5,  0. ,  2. ], dtype=float32)
    """
    x = _inexact(x, "nn.celu")
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0.0, x) / alpha))


# The fixed point of mean 0 and variance 1 under the activation fixes both constants.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


@public
def selu(x: ArrayLike) -> Array:
    """Self-normalizing elu: 1.0507 · elu(x, 1.6733).

    Klambauer et al., "Self-normalizing neural networks", 2017.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.selu(jnp.array([-1000.0, 1.0]))
        Array([-1.7580993,  1.050701 ], dtype=float32)
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


@public
def gelu(x: ArrayLike, approximate: bool = True) -> Array:
    """Gaussian error linear unit: x · Φ(x), with Φ the normal distribution function.

    Hendrycks and Gimpel, "Gaussian error linear units", 2016.

    Args:
        x: an array of floating dtype, or a number.
        approximate: compute x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))) instead.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.gelu(jnp.array([-1.0, 0.0, 1.0]), approximate=False)
        Array([-0.15865526,  0.        ,  0.8413447 ], dtype=float32)
    """
    x = _inexact(x, "nn.gelu")
    if approximate:
        slope = math.sqrt(2 / math.pi)
        # No x³, which float16 does not hold beyond 40: its derivative would be infinity times 0.
        inner = x * (slope + 0.044715 * slope * (x * x))
        return x * (0.5 * (1 + jnp.tanh(inner)))
    return 0.5 * x * P.erfc(-math.sqrt(0.5) * x)


@public
def hard_tanh(x: ArrayLike) -> Array:
    """x, cut to [-1, 1].

    Args:
        x: an array or number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.hard_tanh(jnp.array([-2.0, 0.5]))
        Array([-1. ,  0.5], dtype=float32)
    """
    x = to_array(x, "nn.hard_tanh")
    return jnp.where(x > 1, 1, jnp.where(x < -1, -1, x))


@public
def hard_sigmoid(x: ArrayLike) -> Array:
    """relu6(x + 3) / 6.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.hard_sigmoid(jnp.array([-3.0, 0.0, 5.0]))
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    return _relu6(_inexact(x, "nn.hard_sigmoid") + 3) / 6


@public
def hard_silu(x: ArrayLike) -> Array:
    """x · hard_sigmoid(x), also called hard_swish.

    Howard et al., "Searching for MobileNetV3", 2019.

    Args:
        x: an array of floating dtype, or a number.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.hard_silu(jnp.array([-3.0, 1.5, 5.0]))
        Array([-0.   ,  1.125,  5.   ], dtype=float32)
    """
    x = _inexact(x, "nn.hard_silu")
    return x * hard_sigmoid(x)


hard_swish = hard_silu


@public
def squareplus(x: ArrayLike, b: ArrayLike = 4) -> Array:
    """(x + √(x² + b)) / 2, an algebraic softplus.

    Barron, "Squareplus: a softplus-like algebraic rectifier", 2021.

    Args:
        x: an array of floating dtype, or a number.
        b: how smooth it is; 0 gives relu.

    Returns:
        an array of the same shape and dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.squareplus(jnp.array([0.0, 1.5]))
        Array([1., 2.], dtype=float32)
    """
    x = _inexact(x, "nn.squareplus")
    return (x + jnp.sqrt(jnp.square(x) + b)) / 2


@public
def glu(x: ArrayLike, axis: int = -1) -> Array:
    """Gated linear unit: the first half of an axis times the sigmoid of the second half.

    Dauphin et al., "Language modeling with gated convolutional networks", 2016.

    Args:
        x: an array of floating dtype.
        axis: an axis of even size.

    Returns:
        an array whose axis is half as long.

    Raises:
        FxValueError: the axis does not exist, or its size is odd.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> nn.glu(jnp.array([2.0, 4.0, 0.0, 1000.0]))
        Array([1., 4.], dtype=float32)
    """
    x = _inexact(x, "nn.glu")
    axis = canonical_axis("nn.glu", axis, x.ndim)
    if x.shape[axis] % 2:
        raise FxValueError(
            f"nn.glu of {x.aval.short()}: axis {axis} must have an even size to be halved, got "
            f"{x.shape[axis]}."
        )
    half = x.shape[axis] // 2
    value, gate = P.split(x, sizes=(half, half), dimension=axis)
    return value * P.logistic(gate)
