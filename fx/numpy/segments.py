"""Reductions by segment, of the elements that carry one number: `jax.ops.segment_sum` and kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import ConcretizationTypeError, FxTypeError, FxValueError, ShapeError, public
from fx.numpy.promotion import array, convert, integer
from fx.numpy.reductions import largest, smallest
from fx.numpy.selection import into_range


def _segment(name: str, update: str, start: Callable[[Any], Any], text: str, shown: str) -> Any:
    where = f"ops.{name}"

    def function(
        data: Any,
        segment_ids: Any,
        num_segments: int | None = None,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        bucket_size: int | None = None,
        mode: str | None = None,
    ) -> Array:
        x, ids = array(data, where), array(segment_ids, where)
        if not dtypes.is_integer(ids.dtype):
            raise FxTypeError(f"{where} expects integer segment_ids, got {ids.aval.short()}.")
        if x.shape[: ids.ndim] != ids.shape:
            raise ShapeError(
                f"{where}: segment_ids of {ids.aval.short()} do not number the first axes of data "
                f"of {x.aval.short()}. Give them the shape data.shape[:k]."
            )
        if bucket_size is not None and bucket_size < 1:
            raise FxValueError(f"{where}: bucket_size must be at least 1, got {bucket_size}.")
        if num_segments is None:
            try:
                num_segments = int(ids.max()) + 1 if ids.size else 0
            except ConcretizationTypeError:
                raise ConcretizationTypeError(
                    f"{where} needs num_segments under jit and vmap, where the largest of "
                    f"segment_ids ({ids.aval.short()}) is not known."
                ) from None
        count = integer(num_segments, where, "num_segments")
        if count < 0:
            raise FxValueError(f"{where}: num_segments must not be negative, got {count}.")
        shape = (count, *x.shape[ids.ndim :])
        out = P.broadcast_in_dim(lit(x, start(x.dtype)), shape=shape, broadcast_dimensions=())
        if mode == "clip":
            ids = into_range(ids, count, "clip", where)
        elif mode is None or mode in ("drop", "fill"):
            mode = "drop"
            if ids.dtype.kind == "i":  # a negative position counts from the end: move it outside
                ids = convert(ids, np.promote_types(ids.dtype, np.int32))
                ids = P.select_n(
                    P.lt(ids, lit(ids, 0)),
                    ids,
                    P.broadcast_in_dim(lit(ids, count), shape=ids.shape, broadcast_dimensions=()),
                )
        else:
            raise FxValueError(f"{where}: mode must be 'drop' or 'clip', got {mode!r}.")
        options = {"unique_indices": unique_indices, "indices_are_sorted": indices_are_sorted}
        return getattr(out.at[ids], update)(x, mode=mode, **options)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""The {text} of each segment of `data`.

    Args:
        data: array; its first axes are numbered by `segment_ids`.
        segment_ids: integer array of shape data.shape[:k]. Numbers outside of
            [0, num_segments) take no part.
        num_segments: how many; by default one more than the largest number, which must be known.
        indices_are_sorted, unique_indices: promises that a compiler may use.
        bucket_size: accepted as in JAX, where it bounds the rounding error; not needed here.
        mode: for numbers out of range: "drop" by default, or "clip".

    Returns:
        Array of shape (num_segments, *data.shape[k:]) and the dtype of `data`. A segment without
        elements has the value of a {text} over nothing.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> fx.ops.{name}(jnp.array([1.0, 2.0, 3.0]), jnp.array([0, 0, 1]), num_segments=2)
        Array({shown}, dtype=float32)
    """
    return public(function)


segment_sum = _segment("segment_sum", "add", lambda dtype: 0, "sum", "[3., 3.]")
segment_prod = _segment("segment_prod", "multiply", lambda dtype: 1, "product", "[2., 3.]")
segment_max = _segment("segment_max", "max", smallest, "maximum", "[2., 3.]")
segment_min = _segment("segment_min", "min", largest, "minimum", "[1., 3.]")
