"""Interpolation under the names of `jax.scipy.interpolate`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx.core.array import Array, to_array
from fx.core.trace import Tracer
from fx.errors import FxValueError, ShapeError, public
from fx.numpy.promotion import promote_inexact

__all__ = ["RegularGridInterpolator"]

_METHODS = ("linear", "nearest")


class RegularGridInterpolator:
    """Values between the points of a rectangular grid.

    Args:
        points: for each axis a strictly monotonic vector of coordinates.
        values: array of shape (m1, ..., mk, *rest) at the grid's points.
        method: "linear", weights by the distance along each axis, or "nearest".
        bounds_error: raise for places outside the grid, where their values are known.
        fill_value: the result outside the grid; None extrapolates.

    Raises:
        ShapeError: the lengths of points do not fit the values.
        FxValueError: coordinates are not strictly monotonic, or there is no such method.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> x, y = jnp.arange(3.0), jnp.arange(2.0)
        >>> f = fx.scipy.interpolate.RegularGridInterpolator((x, y), x[:, None] + 10 * y)
        >>> f(jnp.array([[0.5, 0.5], [2.0, 1.0]]))
        Array([ 5.5, 12. ], dtype=float32)
    """

    @public
    def __init__(
        self,
        points: Sequence[Any],
        values: Any,
        method: str = "linear",
        bounds_error: bool = False,
        fill_value: Any = np.nan,
    ):
        name = "RegularGridInterpolator"
        self.method = _checked(method)
        self.bounds_error = bounds_error
        self.fill_value = fill_value
        self.grid = tuple(promote_inexact(name, *points)) if len(points) else ()
        (self.values,) = promote_inexact(name, values)
        if len(self.grid) > self.values.ndim:
            raise ShapeError(
                f"{name}: {len(self.grid)} vectors of points for values of shape "
                f"{self.values.shape}."
            )
        grid, sides = [], []
        for i, p in enumerate(self.grid):
            if p.ndim != 1 or not p.size or p.shape[0] != self.values.shape[i]:
                raise ShapeError(
                    f"{name}: points[{i}] must be a vector with an entry for each of the "
                    f"{self.values.shape[i]} values along axis {i}, got shape {p.shape}."
                )
            if isinstance(p, Tracer):
                grid.append(p)
                continue
            steps = np.diff(np.asarray(p, np.float64))
            if not (np.all(steps > 0) or np.all(steps < 0)):
                raise FxValueError(
                    f"{name}: points[{i}] must strictly ascend or descend. Sort them, and the "
                    "values with them."
                )
            down = bool(np.any(steps < 0))
            grid.append(p[::-1] if down else p)
            sides += [i] if down else []
        self.grid = tuple(grid)
        if sides:
            self.values = jnp.flip(self.values, sides)

    @public
    def __call__(self, xi: Any, method: str | None = None) -> Array:
        """Values at places.

        Args:
            xi: array of shape (..., k), or a tuple of k arrays that broadcast together.
            method: another one than the interpolator's.

        Returns:
            Array of shape (..., *rest).

        Raises:
            ShapeError: not k coordinates.
            FxValueError: a place is outside, and bounds_error is set.
        """
        chosen = self.method if method is None else _checked(method)
        k, name = len(self.grid), "RegularGridInterpolator"
        if isinstance(xi, (tuple, list)):
            columns = jnp.broadcast_arrays(*[to_array(x, name) for x in xi])
            places = jnp.stack(columns, axis=-1)
        else:
            places = to_array(xi, name)
            places = places[..., None] if k == 1 and places.shape[-1:] != (1,) else places
        if places.shape[-1:] != (k,):
            raise ShapeError(
                f"{name}: xi must have {k} coordinates along its last axis, got shape "
                f"{places.shape}."
            )
        (places,) = promote_inexact(name, places)
        coordinates = [places[..., i] for i in range(k)]
        out = self._linear(coordinates) if chosen == "linear" else self._nearest(coordinates)
        return self._outside(out, coordinates)

    def _cells(self, coordinates: list[Any]) -> list[tuple[Any, Any]]:
        """For each axis the number of the cell, and how far into it the place lies, from 0 to 1."""
        cells = []
        for x, grid in zip(coordinates, self.grid, strict=True):
            last = max(grid.shape[0] - 2, 0)
            i = jnp.clip(jnp.searchsorted(grid, x, side="right") - 1, 0, last)
            if grid.shape[0] == 1:
                cells.append((i, jnp.zeros_like(x)))
            else:
                cells.append((i, (x - grid[i]) / (grid[i + 1] - grid[i])))
        return cells

    def _linear(self, coordinates: list[Any]) -> Any:
        cells = self._cells(coordinates)
        rest = (None,) * (self.values.ndim - len(cells))
        total: Any = 0
        for corner in itertools.product((0, 1), repeat=len(cells)):
            if any(c and g.shape[0] == 1 for c, g in zip(corner, self.grid, strict=True)):
                continue
            weight: Any = 1.0
            for c, (_, t) in zip(corner, cells, strict=True):
                weight = weight * (t if c else 1 - t)
            index = tuple(i + c for c, (i, _) in zip(corner, cells, strict=True))
            values = self.values[index]
            total = total + values * (weight[(..., *rest)] if len(cells) else weight)
        return total

    def _nearest(self, coordinates: list[Any]) -> Any:
        index = tuple(
            i + ((t > 0.5) & (g.shape[0] > 1))
            for (i, t), g in zip(self._cells(coordinates), self.grid, strict=True)
        )
        return self.values[index]

    def _outside(self, out: Any, coordinates: list[Any]) -> Any:
        outside: Any = jnp.zeros(coordinates[0].shape if coordinates else (), bool)
        for x, grid in zip(coordinates, self.grid, strict=True):
            outside = outside | (x < grid[0]) | (x > grid[-1])
        if self.bounds_error and not isinstance(outside, Tracer) and bool(jnp.any(outside)):
            raise FxValueError(
                "RegularGridInterpolator: a place is outside the grid. Use bounds_error=False with "
                "a fill_value, or fill_value=None to extrapolate."
            )
        if self.fill_value is None:
            return out
        outside = outside.reshape(outside.shape + (1,) * (out.ndim - outside.ndim))
        return jnp.where(outside, jnp.asarray(self.fill_value, out.dtype), out)


def _checked(method: str) -> str:
    if method not in _METHODS:
        raise FxValueError(
            f"RegularGridInterpolator: method must be 'linear' or 'nearest', got {method!r}."
        )
    return method
