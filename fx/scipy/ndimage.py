"""Sampling of arrays between their elements, under the names of `jax.scipy.ndimage`."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import fx.numpy as jnp
from fx.core.array import Array
from fx.errors import FxValueError, ShapeError, public
from fx.numpy.promotion import promote, promote_inexact

__all__ = ["map_coordinates"]


def _mirror(i: Any, n: int) -> Any:
    """Reflection about the middles of the end elements: d c b | a b c d | c b a."""
    period = max(2 * (n - 1), 1)
    i = jnp.mod(i, period)
    return jnp.where(i >= n, period - i, i)


def _reflect(i: Any, n: int) -> Any:
    """Reflection about the outer edges: b a | a b c d | d c."""
    i = jnp.mod(i, 2 * n)
    return jnp.where(i >= n, 2 * n - 1 - i, i)


_MODES = {
    "constant": lambda i, n: i,
    "nearest": lambda i, n: jnp.clip(i, 0, n - 1),
    "wrap": lambda i, n: jnp.mod(i, n),
    "mirror": _mirror,
    "reflect": _reflect,
}


@public
def map_coordinates(
    input: Any, coordinates: Sequence[Any], order: int, mode: str = "constant", cval: Any = 0.0
) -> Array:
    """Values of an array at fractional positions.

    Args:
        input: an array.
        coordinates: for each of its axes an array of positions; these broadcast together.
        order: 0 for the nearest element, 1 for linear interpolation.
        mode: what lies outside: "constant" (`cval`), "nearest" (the end element), "wrap" (the array
            repeats), "mirror" or "reflect" (it repeats backwards, about the middles of the end
            elements or about their edges).
        cval: for mode "constant".

    Returns:
        Array of the shape of the coordinates and the dtype of the input.

    Raises:
        ShapeError: not one array of coordinates for each axis.
        FxValueError: another order or mode.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.scipy.ndimage.map_coordinates(jnp.array([0.0, 10.0]), [jnp.array([0.25])], order=1)
        Array([2.5], dtype=float32)
    """
    name = "map_coordinates"
    (x,) = promote(name, input)
    if len(coordinates) != x.ndim:
        raise ShapeError(
            f"{name}: {len(coordinates)} arrays of coordinates for an array of {x.ndim} axes."
        )
    if mode not in _MODES:
        raise FxValueError(
            f"{name}: mode must be one of {', '.join(map(repr, _MODES))}, got {mode!r}."
        )
    if order not in (0, 1):
        raise FxValueError(f"{name}: order must be 0 or 1, got {order!r}.")
    places = jnp.broadcast_arrays(*promote_inexact(name, *coordinates)) if x.ndim else []
    corners = []
    for p in places:
        if order == 0:
            corners.append([(jnp.round(p).astype("int32"), 1.0)])
        else:
            low = jnp.floor(p)
            part, i = p - low, low.astype("int32")
            corners.append([(i, 1 - part), (i + 1, part)])
    total: Any = 0
    for corner in itertools.product(*corners):
        index, inside, weight = [], True, 1.0
        for (i, w), n in zip(corner, x.shape, strict=True):
            fixed = _MODES[mode](i, n)
            inside = operator.and_(inside, (fixed >= 0) & (fixed < n))
            index.append(jnp.clip(fixed, 0, max(n - 1, 0)))
            weight = weight * w
        value = x[tuple(index)]
        if mode == "constant":
            value = jnp.where(inside, value, jnp.asarray(cval, x.dtype))
        total = total + (value if order == 0 else weight * value)
    if jnp.issubdtype(x.dtype, jnp.integer):
        total = jnp.round(total)
    return jnp.asarray(total, x.dtype)
