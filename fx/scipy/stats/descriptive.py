"""Ranks, modes and standard errors of samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import fx.numpy as jnp
from fx import dtypes
from fx.core.array import Array
from fx.errors import FxValueError, public
from fx.numpy.promotion import array, one_axis, some_axes
from fx.transforms.mapping import vmap


class ModeResult(NamedTuple):
    """The most frequent values, and how often they occur."""

    mode: Array
    count: Array


def _policy(name: str, policy: str) -> None:
    if policy != "propagate":
        raise FxValueError(f"{name} supports nan_policy='propagate', got {policy!r}.")


def _over_rows(function: Any, x: Any, axis: int) -> Any:
    """A function of vectors over the vectors along an axis, which comes last."""
    rows = jnp.moveaxis(x, axis, -1)
    lead = rows.shape[:-1]
    if not lead:
        return function(rows)
    out = vmap(function)(rows.reshape(-1, rows.shape[-1]))
    if isinstance(out, tuple):
        return tuple(o.reshape(lead + o.shape[1:]) for o in out)
    return out.reshape(lead + out.shape[1:])


_METHODS = ("average", "min", "max", "dense", "ordinal")


def _ranks(method: str) -> Any:
    def of_vector(x: Any) -> Any:
        order = jnp.argsort(x)
        if method == "ordinal":
            return jnp.argsort(order) + 1
        ordered = x[order]
        first = jnp.searchsorted(ordered, x, side="left")
        if method == "min":
            return first + 1
        if method == "dense":
            new = jnp.concatenate([jnp.ones(1, bool), ordered[1:] != ordered[:-1]])
            return jnp.cumsum(new)[first]
        last = jnp.searchsorted(ordered, x, side="right")
        return last if method == "max" else (first + last + 1) / 2

    return of_vector


@public
def rankdata(
    a: Any, method: str = "average", *, axis: int | None = None, nan_policy: str = "propagate"
) -> Array:
    """Ranks of elements, from 1.

    Args:
        a: array.
        method: what equal elements get: "average", "min" or "max" of their ranks, "dense": the
            same, and the next ones one more, or "ordinal": ranks in order of position.
        axis: the axis along which to rank; None: all elements, flattened.
        nan_policy: must be "propagate": ranks beside a NaN are NaN.

    Returns:
        Array of a.shape (flat if `axis` is None), of the default float dtype.

    Raises:
        FxValueError: no such method, policy or axis.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.scipy import stats
        >>> stats.rankdata(jnp.array([3, 1, 3]))
        Array([2.5, 1. , 2.5], dtype=float32)
    """
    name = "scipy.stats.rankdata"
    _policy(name, nan_policy)
    if method not in _METHODS:
        raise FxValueError(f"{name}: method must be one of {', '.join(_METHODS)}, got {method!r}.")
    x = array(a, name)
    if axis is None:
        x, axis = x.reshape(-1), 0
    place = one_axis(axis, x.ndim, name)
    if not x.size:
        return jnp.zeros(x.shape)
    ranks = jnp.moveaxis(_over_rows(_ranks(method), x, place), -1, place)
    ranks = ranks.astype(dtypes.default_float())
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return ranks
    unknown = jnp.isnan(x).any(axis=place, keepdims=True)
    return jnp.where(unknown, jnp.nan, ranks)


def _mode(x: Any) -> tuple[Any, Any]:
    ordered = jnp.sort(x)
    first = jnp.searchsorted(ordered, ordered, side="left")
    last = jnp.searchsorted(ordered, ordered, side="right")
    counts = last - first
    best = jnp.argmax(counts)
    return ordered[best], counts[best]


@public
def mode(
    a: Any, axis: int | None = 0, nan_policy: str = "propagate", keepdims: bool = False
) -> ModeResult:
    """The most frequent values along an axis, the smallest of several.

    Args:
        a: array; a NaN counts as a value.
        axis: the axis; None: all elements.
        nan_policy: must be "propagate".
        keepdims: keep the axis with size 1.

    Returns:
        `ModeResult(mode, count)`.

    Raises:
        FxValueError: no such policy or axis, or no elements.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.scipy import stats
        >>> stats.mode(jnp.array([3, 1, 3]))
        ModeResult(mode=Array(3, dtype=int32), count=Array(2, dtype=int32))
    """
    name = "scipy.stats.mode"
    _policy(name, nan_policy)
    x = array(a, name)
    shape, place = x.shape, None if axis is None else one_axis(axis, x.ndim, name)
    if place is None:
        x = x.reshape(-1)
    if not x.shape[place or 0]:
        raise FxValueError(f"{name} of no elements is not defined: {x.aval.short()}.")
    values, counts = _over_rows(_mode, x, place or 0)
    if keepdims:
        kept = tuple(1 if place in (None, i) else n for i, n in enumerate(shape))
        values, counts = values.reshape(kept), counts.reshape(kept)
    return ModeResult(values, counts)


@public
def sem(
    a: Any,
    axis: int | None = 0,
    ddof: int = 1,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> Array:
    """Standard error of the mean.

    Args:
        a: array.
        axis: the axis; None: all elements.
        ddof: what to subtract from the number of elements in the variance.
        nan_policy: must be "propagate".
        keepdims: keep the axis with size 1.

    Returns:
        Array.

    Raises:
        FxValueError: no such policy or axis.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.scipy import stats
        >>> stats.sem(jnp.array([1.0, 3.0]))
        Array(1., dtype=float32)
    """
    name = "scipy.stats.sem"
    _policy(name, nan_policy)
    x = array(a, name)
    count = np.prod([x.shape[i] for i in some_axes(axis, x.ndim, name)])
    return jnp.std(x, axis=axis, ddof=ddof, keepdims=keepdims) / float(np.sqrt(count))
