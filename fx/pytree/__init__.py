"""Pytrees: trees of dicts, lists, tuples and registered classes, taken apart into their leaves.

A *leaf* is anything that is no registered container. None is a container without children. Names
and meanings are those of `jax.tree_util`; users find them in `fx.tree` and `fx.tree_util`.

    nodes      what a container type is, and the registry
    register   how users add their own classes
    treedef    the structure of a tree, flattening and unflattening
    compiled   structures as straight-line Python
    mismatch   errors that say where two trees differ
    functions  map, reduce, transpose, prefixes, paths
"""

from fx.pytree.functions import (
    all_leaves,
    broadcast_prefix,
    equality_errors,
    flatten_one_level,
    flatten_one_level_with_keys,
    flatten_prefix,
    tree_all,
    tree_broadcast,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_leaves_with_path,
    tree_map,
    tree_map_with_path,
    tree_reduce,
    tree_reduce_associative,
    tree_structure,
    tree_transpose,
    tree_unflatten,
    treedef_children,
    treedef_is_leaf,
    treedef_tuple,
)
from fx.pytree.keys import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    KeyEntry,
    KeyPath,
    SequenceKey,
    keystr,
)
from fx.pytree.mismatch import equality_errors_pytreedef
from fx.pytree.nodes import is_tree_node
from fx.pytree.register import (
    Partial,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
)
from fx.pytree.treedef import PyTreeDef

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all_leaves",
    "broadcast_prefix",
    "equality_errors",
    "equality_errors_pytreedef",
    "flatten_one_level",
    "flatten_one_level_with_keys",
    "flatten_prefix",
    "is_tree_node",
    "keystr",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "tree_all",
    "tree_broadcast",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_reduce_associative",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_tuple",
]
