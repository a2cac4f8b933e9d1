"""`reduce_window`: a reduction over sliding windows, by any monoid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import fx.ops  # noqa: F401 (registers the primitives)
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, ShapeError, TreeError, public
from fx.lax.arguments import integers, scalar_beside
from fx.lax.convolution import Padding, canonical_padding
from fx.lax.reductions import known_monoid, reduce
from fx.ops.base import in_domain
from fx.ops.conv import reach
from fx.ops.window import check_window, window_elements
from fx.pytree import tree_flatten, tree_unflatten

_PRIMITIVES = {
    "add": "reduce_window_sum",
    "mul": "reduce_window_prod",
    "max": "reduce_window_max",
    "min": "reduce_window_min",
}


@public
def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Callable[[Any, Any], Any],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: Padding = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Any:
    """Fold every window of an array by a monoid: pooling.

    Sums, products, maxima and minima (`lax.add`, `lax.mul`, `lax.max`, `lax.min`, or functions
    that amount to them) cost a few passes over the array; other operations take as much memory as
    all windows together. The derivative of a maximum or minimum
    goes to the first of equal elements.

    Args:
        operand: an array, or a pytree of arrays of one shape that are folded together.
        init_value: a scalar of the operand's dtype (a pytree of them): the identity of
            `computation` (which then also fills the padding).
        computation: (a, b) -> c on scalars, or on such pytrees of scalars; associative.
        window_dimensions: the size of a window in each dimension.
        window_strides: the distances of the windows; 1 by default.
        padding: "VALID", "SAME", "SAME_LOWER", or a pair (low, high) for each dimension; negative
            amounts cut.
        base_dilation: the distances of the operand's elements, 1 by default.
        window_dilation: the distances of the elements of a window, 1 by default.

    Returns:
        an array of the operand's dtype and rank, with one element a window (a pytree of them).

    Raises:
        ShapeError: a parameter does not have one entry for each dimension, or shapes differ.
        FxValueError: sizes, strides or dilations are not positive.
        FxTypeError: the dtypes do not match.
        TreeError: operand and initial value differ in structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> x = jnp.array([[1.0, 5.0, 2.0, 0.0], [4.0, 3.0, 1.0, 7.0]])
        >>> lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2))
        Array([[5., 7.]], dtype=float32)
        >>> lax.reduce_window(x, 0.0, lax.add, (1, 3), padding="SAME")
        Array([[ 6.,  8.,  7.,  2.],
               [ 7.,  8., 11.,  8.]], dtype=float32)
    """
    name = "lax.reduce_window"
    leaves, tree = tree_flatten(operand)
    inits, init_tree = tree_flatten(init_value)
    if init_tree != tree:
        raise TreeError(
            f"{name} expects initial values with the structure of the operand, {tree}, got "
            f"{init_tree}."
        )
    arrays = [to_array(x, name) for x in leaves]
    starts = [scalar_beside(name, v, x) for v, x in zip(inits, arrays, strict=True)]
    if not arrays or any(x.shape != arrays[0].shape for x in arrays):
        got = ", ".join(x.aval.short() for x in arrays) or "none"
        raise ShapeError(f"{name} expects arrays of one shape, got {got}.")
    for x, v in zip(arrays, starts, strict=True):
        if v.shape or v.dtype != x.dtype:
            raise FxTypeError(
                f"{name} expects scalar initial values of the operands' dtypes, got "
                f"{v.aval.short()} for {x.aval.short()}."
            )
    params = _parameters(
        name,
        arrays[0],
        window_dimensions,
        window_strides,
        padding,
        base_dilation,
        window_dilation,
    )
    if len(arrays) == 1:
        (x,), (start,) = arrays, starts

        def combine(a: Any, b: Any) -> list[Any]:
            out = computation(tree_unflatten(tree, [a]), tree_unflatten(tree, [b]))
            return [to_array(y, f"the computation of {name}") for y in tree_flatten(out)[0]]

        monoid = known_monoid(combine, x.dtype)
        if monoid in _PRIMITIVES:
            primitive = getattr(P, _PRIMITIVES[monoid])
            if in_domain(x.dtype, primitive.kinds):
                out = primitive(x, **params)
                if not (type(start) is Array and start._data == primitive.identity(x.dtype)._data):
                    out = getattr(P, monoid)(start, out)
                return tree_unflatten(tree, [out])
    windows = [window_elements(x, v, params) for x, v in zip(arrays, starts, strict=True)]
    return reduce(
        tree_unflatten(tree, windows), tree_unflatten(tree, starts), computation, dimensions=(0,)
    )


def _parameters(
    name: str,
    x: Array,
    window_dimensions: Any,
    window_strides: Any,
    padding: Any,
    base_dilation: Any,
    window_dilation: Any,
) -> dict[str, Any]:
    ones = (1,) * x.ndim

    def read(what: str, values: Any) -> tuple[int, ...]:
        return ones if values is None else integers(name, what, values)

    given = {
        "window_dimensions": read("window_dimensions", window_dimensions),
        "window_strides": read("window_strides", window_strides),
        "base_dilation": read("base_dilation", base_dilation),
        "window_dilation": read("window_dilation", window_dilation),
    }
    check_window(f"{name} of {x.aval.short()}", x.ndim, **given)
    sizes = [
        reach(n, d)
        for n, d in zip(given["window_dimensions"], given["window_dilation"], strict=True)
    ]
    pads = canonical_padding(name, padding, x.shape, sizes, given["window_strides"])
    check_window(f"{name} of {x.aval.short()}", x.ndim, padding=pads)
    return given | {"padding": pads}
