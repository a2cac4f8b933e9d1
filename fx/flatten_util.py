"""`jax.flatten_util` under fx: a pytree of arrays as one vector, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx import dtypes, lax
from fx.core.array import Array
from fx.errors import FxTypeError, ShapeError, public
from fx.pytree import tree_flatten, tree_unflatten

__all__ = ["ravel_pytree"]


@public
def ravel_pytree(pytree: Any) -> tuple[Array, Callable[[Any], Any]]:
    """Lays the leaves of a pytree end to end in one vector.

    Args:
      pytree: leaves are arrays or Python numbers, of any shapes and dtypes.

    Returns:
      The vector, of the dtype to which the leaves' dtypes promote (float32, of size zero, where
      there are no leaves), and the function that takes a vector of that size back to a pytree of
      the same structure, shapes and dtypes. Where all leaves have one dtype, that function keeps
      the dtype of the vector it is given.

    Raises (the returned function):
      ShapeError: the vector has another size.
      FxTypeError: the leaves' dtypes differ and the vector does not have the promoted one.

    >>> vector, unravel = ravel_pytree({"b": jnp.zeros(2), "w": jnp.ones((2, 2))})
    >>> vector
    Array([0., 0., 1., 1., 1., 1.], dtype=float32)
    >>> unravel(2 * vector)["w"]
    Array([[2., 2.],
           [2., 2.]], dtype=float32)
    """
    leaves, treedef = tree_flatten(pytree)
    arrays = [jnp.asarray(leaf) for leaf in leaves]
    shapes = [x.shape for x in arrays]
    kinds = [x.dtype for x in arrays]
    dtype = dtypes.result_type(*kinds) if kinds else np.dtype(np.float32)
    ends = np.cumsum([math.prod(shape) for shape in shapes], dtype=int).tolist()
    size = ends[-1] if ends else 0
    mixed = any(kind != dtype for kind in kinds)

    @public
    def unravel(vector: Any) -> Any:
        x = jnp.asarray(vector)
        if x.shape != (size,):
            raise ShapeError(
                f"unravel expects a vector of shape ({size},), got {x.shape}. Give it a vector "
                "like the one that ravel_pytree returned"
            )
        if mixed and x.dtype != dtype:
            raise FxTypeError(
                f"unravel expects a vector of dtype {dtype}, to which the dtypes of the leaves "
                f"promote, got {x.dtype}. Convert it with x.astype({str(dtype)!r})"
            )
        starts = [0, *ends][: len(ends)]
        parts = [
            lax.reshape(lax.slice(x, (start,), (end,)), shape)
            for start, end, shape in zip(starts, ends, shapes, strict=True)
        ]
        if mixed:
            # To the original, possibly narrower dtype; complex to real keeps the real part.
            parts = [
                lax.convert_element_type(part, kind)
                for part, kind in zip(parts, kinds, strict=True)
            ]
        return tree_unflatten(treedef, parts)

    if not arrays:
        return jnp.zeros((0,), dtype), unravel
    flat = [lax.reshape(lax.convert_element_type(x, dtype), (x.size,)) for x in arrays]
    return lax.concatenate(flat, 0), unravel
