"""Initializers with the names and the numbers of `jax.nn.initializers`.

An initializer is a function (key, shape, dtype) -> array; most are made by a function of their
parameters. In a kernel the next-to-last axis holds the inputs, the last one the outputs, and all
others the window of a convolution, unless told otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

import fx.numpy as jnp
from fx import dtypes, random
from fx.core.array import Array
from fx.errors import FxTypeError, FxValueError, public

Axes = int | Sequence[int]


@runtime_checkable
class Initializer(Protocol):
    """The type of initializers: (key, shape, dtype) -> array."""

    def __call__(self, key: Any, shape: Sequence[int], dtype: Any = None) -> Array:
        """An array of a shape and dtype."""
        ...


def _dtype(dtype: Any) -> np.dtype:
    return dtypes.default_float() if dtype is None else dtypes.canonicalize(dtype)


# ------------------------------------------------------------------ constants
@public
def zeros(key: Any, shape: Sequence[int], dtype: Any = None) -> Array:
    """Zeros, whatever the key.

    Args:
        key: ignored.
        shape: the shape.
        dtype: the dtype; the default float dtype if None.

    Returns:
        an array.

    Example:
        >>> from fx.nn import initializers
        >>> initializers.zeros(None, (3,))
        Array([0., 0., 0.], dtype=float32)
    """
    return jnp.zeros(shape, _dtype(dtype))


@public
def ones(key: Any, shape: Sequence[int], dtype: Any = None) -> Array:
    """Ones, whatever the key.

    Args:
        key: ignored.
        shape: the shape.
        dtype: the dtype; the default float dtype if None.

    Returns:
        an array.

    Example:
        >>> from fx.nn import initializers
        >>> initializers.ones(None, (3,))
        Array([1., 1., 1.], dtype=float32)
    """
    return jnp.ones(shape, _dtype(dtype))


@public
def constant(value: Any, dtype: Any = None) -> Initializer:
    """An initializer that repeats a value, whatever the key.

    Args:
        value: a number, or an array that broadcasts to the shape.
        dtype: the dtype where the call names none.

    Returns:
        an initializer.

    Example:
        >>> from fx.nn import initializers
        >>> initializers.constant(0.1)(None, (2,))
        Array([0.1, 0.1], dtype=float32)
    """
    return lambda key, shape, dtype=dtype: jnp.full(shape, value, _dtype(dtype))


# ------------------------------------------------------------------ one distribution for all
@public
def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """An initializer that draws from [0, scale).

    Args:
        scale: the end of the interval.
        dtype: the dtype where the call names none.

    Returns:
        an initializer.

    Example:
        >>> from fx import random
        >>> from fx.nn import initializers
        >>> x = initializers.uniform(10.0)(random.key(0), (100,))
        >>> bool((0 <= x.min()) & (x.max() < 10))
        True
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Array:
        dtype = _dtype(dtype)
        return random.uniform(key, shape, dtype) * jnp.asarray(scale, dtype)

    return init


@public
def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """An initializer that draws from the normal distribution of mean 0.

    Args:
        stddev: the standard deviation.
        dtype: the dtype where the call names none.

    Returns:
        an initializer.

    Example:
        >>> from fx import random
        >>> from fx.nn import initializers
        >>> x = initializers.normal(5.0)(random.key(0), (10_000,))
        >>> round(float(x.std()))
        5
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Array:
        dtype = _dtype(dtype)
        return random.normal(key, shape, dtype) * jnp.asarray(stddev, dtype)

    return init


@public
def truncated_normal(
    stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0, upper: Any = 2.0
) -> Initializer:
    """An initializer that draws from the normal distribution within bounds.

    Args:
        stddev: the standard deviation before truncation.
        dtype: the dtype where the call names none.
        lower, upper: bounds, in standard deviations.

    Returns:
        an initializer.

    Example:
        >>> from fx import random
        >>> from fx.nn import initializers
        >>> x = initializers.truncated_normal(5.0)(random.key(0), (1000,))
        >>> bool(abs(x).max() <= 10)
        True
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Array:
        dtype = _dtype(dtype)
        draws = random.truncated_normal(key, lower, upper, shape, dtype)
        return draws * jnp.asarray(stddev, dtype)

    return init


# ------------------------------------------------------------------ scaled by the fans
def _size(shape: Sequence[int], axes: Axes) -> int:
    return shape[axes] if isinstance(axes, int) else math.prod(shape[a] for a in axes)


def _fans(
    shape: Sequence[int], in_axis: Axes, out_axis: Axes, batch_axis: Axes
) -> tuple[float, float]:
    """How many inputs each output has, and how many outputs each input."""
    if len(shape) < 2 and in_axis == -2:
        raise FxValueError(
            f"an initializer that scales by the fans expects a shape with an axis of inputs and "
            f"one of outputs, got {tuple(shape)}. Name in_axis and out_axis, or use another one."
        )
    inputs, outputs = _size(shape, in_axis), _size(shape, out_axis)
    window = math.prod(shape) / max(1, inputs * outputs * _size(shape, batch_axis))
    return inputs * window, outputs * window


_DENOMINATORS: dict[str, Callable[[float, float], float]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "fan_geo_avg": lambda fan_in, fan_out: math.sqrt(fan_in * fan_out),
}

# The standard deviation of the normal distribution truncated to [-2, 2].
_TRUNCATED_STDDEV = 0.87962566103423978


@public
def variance_scaling(
    scale: Any,
    mode: str,
    distribution: str,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: Any = None,
) -> Initializer:
    """An initializer whose variance is scale / n, with n the inputs or outputs of a unit.

    Args:
        scale: a positive number.
        mode: "fan_in", "fan_out", "fan_avg" (their mean) or "fan_geo_avg" (their geometric mean).
        distribution: "truncated_normal" (to two standard deviations), "normal" or "uniform".
        in_axis, out_axis: axes of inputs and outputs; all others are the window.
        batch_axis: axes that are neither.
        dtype: the dtype where the call names none.

    Returns:
        an initializer.

    Raises:
        FxValueError: mode or distribution do not exist; when called, a shape of rank below 2.
        FxTypeError: when called, a dtype that is not floating.

    Example:
        >>> from fx import random
        >>> from fx.nn import initializers
        >>> init = initializers.variance_scaling(2.0, "fan_in", "normal")
        >>> x = init(random.key(0), (3, 3, 32, 64))
        >>> round(float(x.var() * 3 * 3 * 32), 1)
        2.0
    """
    if mode not in _DENOMINATORS:
        raise FxValueError(
            f"variance_scaling: mode must be one of {', '.join(map(repr, _DENOMINATORS))}, got "
            f"{mode!r}."
        )
    if distribution not in ("truncated_normal", "normal", "uniform"):
        raise FxValueError(
            "variance_scaling: distribution must be 'truncated_normal', 'normal' or 'uniform', got "
            f"{distribution!r}."
        )

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Array:
        dtype = _dtype(dtype)
        if not dtypes.is_floating(dtype):
            raise FxTypeError(
                f"variance_scaling expects a floating dtype, got {dtypes.short_name(dtype)}."
            )
        shape = tuple(shape)
        fans = _fans(shape, in_axis, out_axis, batch_axis)
        variance = jnp.asarray(scale / max(1.0, _DENOMINATORS[mode](*fans)), dtype)
        if distribution == "truncated_normal":
            stddev = jnp.sqrt(variance) / jnp.asarray(_TRUNCATED_STDDEV, dtype)
            return random.truncated_normal(key, -2, 2, shape, dtype) * stddev
        if distribution == "normal":
            return random.normal(key, shape, dtype) * jnp.sqrt(variance)
        return random.uniform(key, shape, dtype, -1) * jnp.sqrt(3 * variance)

    return init


_DOC = """{title}: variance {scale} / {mode}, {distribution} distribution.

    {source}

    Args:
        in_axis, out_axis, batch_axis, dtype: as for `variance_scaling`.

    Returns:
        an initializer.

    Example:
        >>> from fx import random
        >>> from fx.nn import initializers
        >>> initializers.{name}()(random.key(0), (3, 3, 16, 32)).shape
        (3, 3, 16, 32)
    """


def _scaled(
    name: str, title: str, source: str, scale: float, mode: str, distribution: str
) -> Callable[..., Initializer]:
    def function(
        in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None
    ) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(
        title=title,
        scale=int(scale),
        mode=mode,
        distribution=distribution.replace("_", " "),
        source=source,
        name=name,
    )
    return public(function)


_GLOROT = 'Glorot and Bengio, "Understanding the difficulty of training deep networks", 2010.'
_LECUN = 'LeCun et al., "Efficient backprop", 1998.'
_HE = 'He et al., "Delving deep into rectifiers", 2015.'
_NORMAL = "truncated_normal"

glorot_uniform = _scaled("glorot_uniform", "Glorot", _GLOROT, 1.0, "fan_avg", "uniform")
glorot_normal = _scaled("glorot_normal", "Glorot", _GLOROT, 1.0, "fan_avg", _NORMAL)
lecun_uniform = _scaled("lecun_uniform", "LeCun", _LECUN, 1.0, "fan_in", "uniform")
lecun_normal = _scaled("lecun_normal", "LeCun", _LECUN, 1.0, "fan_in", _NORMAL)
he_uniform = _scaled("he_uniform", "He", _HE, 2.0, "fan_in", "uniform")
he_normal = _scaled("he_normal", "He", _HE, 2.0, "fan_in", _NORMAL)

xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal


# ------------------------------------------------------------------ orthogonal matrices
@public
def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """An initializer that draws uniformly among orthogonal matrices, times a scale.

    Args:
        scale: a number.
        column_axis: the axis of the columns; all others together are that of the rows. The
            shorter of the two has orthonormal vectors along the other.
        dtype: the dtype where the call names none.

    Returns:
        an initializer, whose results equal JAX's up to rounding.

    Raises:
        FxValueError: when called, a shape of rank below 2.

    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks", ICLR 2014.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import random
        >>> from fx.nn import initializers
        >>> x = initializers.orthogonal()(random.key(0), (4, 3))
        >>> bool(jnp.allclose(x.T @ x, jnp.eye(3), atol=1e-6))
        True
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Array:
        dtype = _dtype(dtype)
        if len(shape) < 2:
            raise FxValueError(
                f"orthogonal expects a shape with at least two axes, got {tuple(shape)}."
            )
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        columns = shape[column_axis]
        matrix = random.orthogonal(key, math.prod(shape) // columns, (), dtype, columns)
        others = tuple(np.delete(shape, column_axis).tolist())
        moved = jnp.moveaxis(matrix.reshape((*others, columns)), -1, column_axis)
        return jnp.asarray(scale, dtype) * moved

    return init


@public
def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """An initializer of convolutions: an orthogonal matrix in the middle of the window, else 0.

    Args:
        scale: a number.
        column_axis: as for `orthogonal`, of the matrix (inputs, outputs).
        dtype: the dtype where the call names none.

    Returns:
        an initializer for shapes (*window, inputs, outputs) with 1, 2 or 3 axes of the window.

    Raises:
        FxValueError: when called, a shape of another rank, or with more inputs than outputs.

    Source: Xiao et al., "Dynamical isometry and a mean field theory of CNNs", ICML 2018.

    Example:
        >>> from fx import random
        >>> from fx.nn import initializers
        >>> x = initializers.delta_orthogonal()(random.key(0), (3, 3, 2, 4))
        >>> int((x != 0).sum()), bool((x[1, 1] != 0).all())
        (8, True)
    """
    matrix = orthogonal(scale, column_axis, dtype)

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Array:
        dtype = _dtype(dtype)
        if len(shape) not in (3, 4, 5):
            raise FxValueError(
                f"delta_orthogonal expects a shape (*window, inputs, outputs) of rank 3, 4 or 5, "
                f"got {tuple(shape)}."
            )
        if shape[-1] < shape[-2]:
            raise FxValueError(
                f"delta_orthogonal expects at most as many inputs as outputs, got {shape[-2]} and "
                f"{shape[-1]}."
            )
        middle = tuple((n - 1) // 2 for n in shape[:-2])
        kernel = jnp.zeros(shape, dtype)
        return kernel.at[middle].set(matrix(key, shape[-2:], dtype))

    return init
