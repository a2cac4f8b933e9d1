"""Resizing of images (arrays of any rank), under the names of `jax.image`.

Along an axis, a result is a weighted sum of samples. The weights are a kernel at the distance of
the sample from the place in the input that the result looks at; with antialiasing the kernel is as
wide as the step between results, where that is larger than the step between samples.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx import dtypes, lax
from fx.core.array import Array
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.promotion import promote, promote_inexact, some_axes

__all__ = ["ResizeMethod", "resize", "scale_and_translate"]


class ResizeMethod(enum.Enum):
    """How `resize` finds values between samples.

    NEAREST takes the nearest one. LINEAR weights by a triangle; CUBIC by Keys' cubic with a = -1/2
    ("Cubic convolution interpolation for digital image processing", 1981); LANCZOS3 and LANCZOS5 by
    a windowed sinc of that radius.
    """

    NEAREST = 0
    LINEAR = 1
    LANCZOS3 = 2
    LANCZOS5 = 3
    CUBIC = 4

    @staticmethod
    @public
    def from_string(s: str) -> ResizeMethod:
        """The method of a name such as "bilinear".

        Raises:
            FxValueError: there is no such method.
        """
        if s not in _METHODS:
            raise FxValueError(
                f"image: unknown method {s!r}; expected one of {', '.join(map(repr, _METHODS))}."
            )
        return _METHODS[s]


_METHODS = {
    "nearest": ResizeMethod.NEAREST,
    **dict.fromkeys(["linear", "bilinear", "trilinear", "triangle"], ResizeMethod.LINEAR),
    "lanczos3": ResizeMethod.LANCZOS3,
    "lanczos5": ResizeMethod.LANCZOS5,
    **dict.fromkeys(["cubic", "bicubic", "tricubic"], ResizeMethod.CUBIC),
}


def _triangle(x: Any) -> Any:
    return jnp.maximum(0, 1 - x)


def _cubic(x: Any) -> Any:
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return jnp.where(x >= 2, 0, jnp.where(x >= 1, far, near))


def _lanczos(radius: float) -> Callable[[Any], Any]:
    def kernel(x: Any) -> Any:
        safe = jnp.where(x > 1e-3, x, 1)
        y = radius * jnp.sin(math.pi * x) * jnp.sin(math.pi * x / radius)
        inside = jnp.where(x > 1e-3, y / (math.pi**2 * safe**2), 1)
        return jnp.where(x > radius, 0, inside)

    return kernel


_KERNELS = {
    ResizeMethod.LINEAR: _triangle,
    ResizeMethod.CUBIC: _cubic,
    ResizeMethod.LANCZOS3: _lanczos(3.0),
    ResizeMethod.LANCZOS5: _lanczos(5.0),
}


def _method(method: Any) -> ResizeMethod:
    if isinstance(method, str):
        return ResizeMethod.from_string(method)
    if isinstance(method, ResizeMethod):
        return method
    raise FxTypeError(
        f"image: method expects a name or a ResizeMethod, got {type(method).__name__}."
    )


def _weights(
    size: int, count: int, scale: Any, translation: Any, kernel: Any, antialias: bool
) -> Any:
    """The matrix (size, count) from samples to results along an axis, in the dtype of scale."""
    dtype = scale.dtype
    step = 1 / scale
    width = jnp.maximum(step, 1) if antialias else 1
    half = np.asarray(0.5, dtype)
    place = (jnp.arange(count, dtype=dtype) + half) * step - translation * step - half
    distance = abs(place[None, :] - jnp.arange(size, dtype=dtype)[:, None]) / width
    weights = kernel(distance)
    total = weights.sum(axis=0, keepdims=True)
    tiny = 1000 * float(np.finfo(np.float32).eps)
    normed = weights / jnp.where(total != 0, total, 1)
    weights = jnp.where(abs(total) > tiny, normed, 0)
    inside = (place >= -0.5) & (place <= size - 0.5)
    return jnp.where(inside[None, :], weights, 0).astype(dtype)


def _scaled(
    x: Any,
    shape: Sequence[int],
    axes: Sequence[int],
    scale: Any,
    translation: Any,
    method: ResizeMethod,
    antialias: bool,
    precision: Any,
) -> Any:
    kernel = _KERNELS[method]
    wide = dtypes.real_dtype(x.dtype)
    for i, axis in enumerate(axes):
        weights = _weights(x.shape[axis], shape[axis], scale[i], translation[i], kernel, antialias)
        moved = jnp.tensordot(x, weights.astype(wide), axes=(axis, 0), precision=precision)
        x = jnp.moveaxis(moved, -1, axis)
    return x


def _shape(name: str, image: Any, shape: Any) -> tuple[int, ...]:
    sizes = lax.broadcast_shapes(tuple(shape))
    if len(sizes) != image.ndim:
        raise ShapeError(
            f"image.{name}: shape={sizes} must have an entry for each of the {image.ndim} axes of "
            f"the image, {image.aval.short()}."
        )
    return sizes


@public
def resize(
    image: Any,
    shape: Sequence[int],
    method: str | ResizeMethod,
    antialias: bool = True,
    precision: Any = lax.Precision.HIGHEST,
) -> Array:
    """An image in another size: the middles of the pixels at both ends lie where they lay.

    Args:
        image: an array; integers become the default float, but for "nearest".
        shape: of the result, with an entry for each axis of the image.
        method: a `ResizeMethod` or its name: "nearest", "linear" (also "bilinear", "trilinear",
            "triangle"), "cubic" (also "bicubic", "tricubic"), "lanczos3", "lanczos5".
        antialias: widen the kernel along axes that shrink.
        precision: as in `fx.numpy.dot`.

    Raises:
        ShapeError: `shape` has another length.
        FxValueError: there is no such method.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.image.resize(jnp.array([0.0, 4.0]), (4,), "linear")
        Array([0., 1., 3., 4.], dtype=float32)
    """
    chosen = _method(method)
    nearest = chosen is ResizeMethod.NEAREST
    (x,) = (promote if nearest else promote_inexact)("image.resize", image)
    sizes = _shape("resize", x, shape)
    axes = [i for i, (n, m) in enumerate(zip(x.shape, sizes, strict=True)) if n != m]
    if any(not x.shape[i] for i in axes):
        raise ShapeError(f"image.resize: {x.aval.short()} has no samples to make {sizes} of.")
    if nearest:
        for i in axes:
            x = jnp.take(x, _nearest(x.shape[i], sizes[i]), axis=i)
        return x
    wide = np.promote_types(dtypes.real_dtype(x.dtype), np.float32)
    ratios = [jnp.asarray(sizes[i] / x.shape[i], wide) for i in axes]
    zeros = [jnp.zeros((), wide)] * len(axes)
    return _scaled(x, sizes, axes, ratios, zeros, chosen, antialias, precision)


def _nearest(size: int, count: int) -> np.ndarray:
    middles = np.arange(count, dtype=np.float32) + np.float32(0.5)
    return np.floor(middles * np.float32(size) / np.float32(count)).astype(np.int32)


@public
def scale_and_translate(
    image: Any,
    shape: Sequence[int],
    spatial_dims: Sequence[int],
    scale: Any,
    translation: Any,
    method: str | ResizeMethod,
    antialias: bool = True,
    precision: Any = lax.Precision.HIGHEST,
) -> Array:
    """An image under x -> x * scale + translation along some axes; zero where it has no samples.

    Args:
        image: an array; integers become the default float.
        shape: of the result, with an entry for each axis of the image; the other axes keep theirs.
        spatial_dims: the axes to transform.
        scale, translation: vectors with an entry for each of them, which may be traced; gradients
            flow to both.
        method: as in `resize`, but not "nearest".
        antialias, precision: as in `resize`.

    Raises:
        ShapeError: lengths do not fit, or `shape` changes another axis.
        FxValueError: there is no such method, or it is "nearest".

    Example:
        >>> import fx, fx.numpy as jnp
        >>> one = jnp.array([1.0])
        >>> fx.image.scale_and_translate(jnp.array([1.0, 2.0, 3.0]), (3,), (0,), one, one, "linear")
        Array([0., 1., 2.], dtype=float32)
    """
    name, chosen = "image.scale_and_translate", _method(method)
    if chosen is ResizeMethod.NEAREST:
        raise FxValueError(f"{name}: method 'nearest' has no weights; use 'linear', or resize.")
    (x,) = promote_inexact(name, image)
    sizes = _shape("scale_and_translate", x, shape)
    axes = some_axes(tuple(spatial_dims), x.ndim, name)
    scale, translation = promote_inexact(name, scale, translation)
    for what, v in (("scale", scale), ("translation", translation)):
        if v.shape != (len(axes),):
            raise ShapeError(
                f"{name}: {what} must have an entry for each of spatial_dims={tuple(axes)}, got "
                f"{v.aval.short()}."
            )
    kept = [i for i in range(x.ndim) if i not in axes and sizes[i] != x.shape[i]]
    if kept:
        raise ShapeError(
            f"{name}: shape={sizes} changes the axes {kept} of {x.aval.short()}, which are not in "
            "spatial_dims."
        )
    return _scaled(x, sizes, axes, scale, translation, chosen, antialias, precision)
