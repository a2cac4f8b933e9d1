"""`jax.tree` under fx: the short names of the functions over pytrees."""

import dataclasses
from typing import Any

from fx import pytree
from fx.errors import public

__all__ = [
    "all",
    "broadcast",
    "flatten",
    "flatten_with_path",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "reduce_associative",
    "static",
    "structure",
    "transpose",
    "unflatten",
]

all = public(pytree.tree_all)
broadcast = public(pytree.tree_broadcast)
flatten = public(pytree.tree_flatten)
flatten_with_path = public(pytree.tree_flatten_with_path)
leaves = public(pytree.tree_leaves)
leaves_with_path = public(pytree.tree_leaves_with_path)
map = public(pytree.tree_map)
map_with_path = public(pytree.tree_map_with_path)
reduce = public(pytree.tree_reduce)
reduce_associative = public(pytree.tree_reduce_associative)
structure = public(pytree.tree_structure)
transpose = public(pytree.tree_transpose)
unflatten = public(pytree.tree_unflatten)


def static(**kwargs: Any) -> Any:
    """A dataclass field that is static data, not a child, of a registered dataclass.

    Args:
      **kwargs: those of `dataclasses.field`.

    >>> from fx.tree_util import register_dataclass
    >>> @register_dataclass
    ... @dataclasses.dataclass
    ... class Scale:
    ...     x: float
    ...     mode: str = static(default="linear")
    >>> structure(Scale(2.0))
    PyTreeDef(CustomNode(Scale[('linear',)], [*]))
    """
    metadata = {"static": True, **(kwargs.pop("metadata", None) or {})}
    return dataclasses.field(metadata=metadata, **kwargs)
