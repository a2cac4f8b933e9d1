"""`jax.tree` under fx: the short names of the functions over pytrees."""

import dataclasses
from typing import Any

from fx.pytree import tree_all as all
from fx.pytree import tree_broadcast as broadcast
from fx.pytree import tree_flatten as flatten
from fx.pytree import tree_flatten_with_path as flatten_with_path
from fx.pytree import tree_leaves as leaves
from fx.pytree import tree_leaves_with_path as leaves_with_path
from fx.pytree import tree_map as map
from fx.pytree import tree_map_with_path as map_with_path
from fx.pytree import tree_reduce as reduce
from fx.pytree import tree_reduce_associative as reduce_associative
from fx.pytree import tree_structure as structure
from fx.pytree import tree_transpose as transpose
from fx.pytree import tree_unflatten as unflatten

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
