"""Sorting: `sort` of one or several arrays together, `sort_key_val`, `top_k` and its kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fx.ops  # noqa: F401 (registers the primitives)
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, public
from fx.lax.arguments import ArrayLike, canonical_axis, integer
from fx.ops.base import check_domain


@public
def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """Sort an array, or several arrays together, in ascending order along an axis.

    NaN comes last, -0.0 equals 0.0, complex numbers compare by real part first.

    Args:
        operand: an array, or a sequence of arrays of one shape.
        dimension: the axis to sort along; negative ones count from the end.
        is_stable: whether elements that compare equal keep their order.
        num_keys: how many of the arrays to compare, the first one first; the others follow along.

    Returns:
        an array, or a tuple of arrays, of the same shapes and dtypes.

    Raises:
        FxTypeError: a key has no order (random keys), or the operand is no array.
        FxValueError: the axis does not exist, or `num_keys` is not from 1 to the number of arrays.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.sort((jnp.array([2, 1, 2]), jnp.array([5, 6, 4])), num_keys=2)
        (Array([1, 2, 2], dtype=int32), Array([6, 4, 5], dtype=int32))
    """
    several = isinstance(operand, (tuple, list))
    if several and not operand:
        raise FxTypeError("lax.sort expects an array or a sequence of at least one, got none.")
    arrays = [to_array(x, "lax.sort") for x in (operand if several else (operand,))]
    outs = P.sort(
        *arrays,
        dimension=canonical_axis("lax.sort", dimension, arrays[0].ndim),
        is_stable=bool(is_stable),
        num_keys=integer("lax.sort", "num_keys", num_keys),
    )
    return tuple(outs) if several else outs[0]


@public
def sort_key_val(
    keys: ArrayLike, values: ArrayLike, dimension: int = -1, is_stable: bool = True
) -> tuple[Array, Array]:
    """Sort keys along an axis, and values along with them.

    Args:
        keys, values: arrays of one shape.
        dimension: the axis to sort along; negative ones count from the end.
        is_stable: whether the values of equal keys keep their order.

    Returns:
        the sorted keys, and the values in the order of their keys.

    Raises:
        FxValueError: the axis does not exist.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.sort_key_val(jnp.array([3, 1, 2]), jnp.array([0.3, 0.1, 0.2]))
        (Array([1, 2, 3], dtype=int32), Array([0.1, 0.2, 0.3], dtype=float32))
    """
    name = "lax.sort_key_val"
    arrays = to_array(keys, name), to_array(values, name)
    axis = canonical_axis(name, dimension, arrays[0].ndim)
    sorted_keys, sorted_values = P.sort(
        *arrays, dimension=axis, is_stable=bool(is_stable), num_keys=1
    )
    return sorted_keys, sorted_values


@public
def top_k(operand: ArrayLike, k: int, *, axis: int = -1) -> tuple[Array, Array]:
    """The k largest elements along an axis, in descending order, and their positions.

    Equal elements keep their order. NaN counts as the largest, and 0.0 as larger than -0.0.

    Args:
        operand: an array of bool, integer or floating dtype.
        k: how many, at most the size of the axis.
        axis: the axis to search; negative ones count from the end.

    Returns:
        the values, and their positions as int32; in both the axis has size k.

    Raises:
        FxTypeError: the dtype is another.
        FxValueError: the axis does not exist, or is smaller than k.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.top_k(jnp.array([3.0, 1.0, 4.0]), 2)
        (Array([4., 3.], dtype=float32), Array([2, 0], dtype=int32))
    """
    x = to_array(operand, "lax.top_k")
    if not x.shape:
        raise FxValueError("lax.top_k needs an array of at least one axis, got a scalar.")
    index = canonical_axis("lax.top_k", axis, x.ndim)
    values, positions = P.top_k(x, k=integer("lax.top_k", "k", k), axis=index)
    return values, positions


_APPROXIMATE_DOC = """The k {which} elements along an axis; exact, though JAX's may be approximate.

    Args:
        operand: an array of floating dtype.
        k: how many, at most the size of the axis.
        reduction_dimension: the axis to search; negative ones count from the end.
        recall_target: the part of the results that must be right; all of them are.
        reduction_input_size_override: the size that `recall_target` refers to; it changes nothing.
        aggregate_to_topk: whether exactly k results are wanted; that is what is returned.

    Returns:
        the values, in {order} order, and their positions as int32.

    Raises:
        FxTypeError: the dtype is not floating.
        FxValueError: the axis does not exist, or is smaller than k.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.{name}(jnp.array([3.0, 1.0, 4.0]), 2)
        {result}
    """


def _approximate(name: str, which: str, order: str, result: str) -> Callable[..., Any]:
    def function(
        operand: ArrayLike,
        k: int,
        reduction_dimension: int = -1,
        recall_target: float = 0.95,
        reduction_input_size_override: int = -1,
        aggregate_to_topk: bool = True,
    ) -> tuple[Array, Array]:
        x = to_array(operand, f"lax.{name}")
        check_domain(f"lax.{name}", x.dtype, "f")
        if order == "descending":
            return top_k(x, k, axis=reduction_dimension)
        values, positions = top_k(P.neg(x), k, axis=reduction_dimension)
        return P.neg(values), positions

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _APPROXIMATE_DOC.format(name=name, which=which, order=order, result=result)
    return public(function)


approx_max_k = _approximate(
    "approx_max_k",
    "largest",
    "descending",
    "(Array([4., 3.], dtype=float32), Array([2, 0], dtype=int32))",
)
approx_min_k = _approximate(
    "approx_min_k",
    "smallest",
    "ascending",
    "(Array([1., 3.], dtype=float32), Array([1, 0], dtype=int32))",
)
