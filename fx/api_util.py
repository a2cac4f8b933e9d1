"""Helpers of transformations, those of `jax.api_util` that have a meaning here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fx.core.array import aval_of
from fx.core.avals import ShapedArray
from fx.errors import FxValueError, public
from fx.pytree import PyTreeDef, flatten_prefix

__all__ = ["flatten_axes", "safe_map", "shaped_abstractify"]


@public
def shaped_abstractify(x: Any) -> ShapedArray:
    """The type of an array-like value, as `fx.typeof` gives it.

    Example:
        >>> import fx
        >>> fx.api_util.shaped_abstractify(1.0)
        ShapedArray(~f32[])
    """
    return aval_of(x)


@public
def flatten_axes(name: str, treedef: PyTreeDef, axis_tree: Any) -> list[Any]:
    """An entry of a tree prefix for each leaf of a structure; None is an entry.

    Args:
        name: what the prefix is for; begins the error message.
        treedef: the structure.
        axis_tree: the prefix.

    Example:
        >>> import fx
        >>> fx.api_util.flatten_axes("axes", fx.tree.structure(([1, 2], 3)), (0, None))
        [0, 0, None]
    """
    return flatten_prefix(name, axis_tree, treedef, is_leaf=lambda axis: axis is None)


@public
def safe_map(f: Callable[..., Any], *args: Any) -> list[Any]:
    """`map` to a list, over sequences that must have one length.

    Example:
        >>> import fx
        >>> fx.api_util.safe_map(max, [1, 5], [3, 4])
        [3, 5]
    """
    columns = [list(arg) for arg in args]
    if len({len(column) for column in columns}) > 1:
        lengths = [len(column) for column in columns]
        raise FxValueError(f"safe_map: the sequences have different lengths, {lengths}.")
    return [f(*row) for row in zip(*columns, strict=True)]
