"""`jax.tree_util` under fx: the long names of the functions over pytrees."""

from fx import pytree
from fx.errors import public
from fx.pytree import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    KeyEntry,
    KeyPath,
    Partial,
    PyTreeDef,
    SequenceKey,
)
from fx.tree import all as tree_all
from fx.tree import broadcast as tree_broadcast
from fx.tree import flatten as tree_flatten
from fx.tree import flatten_with_path as tree_flatten_with_path
from fx.tree import leaves
from fx.tree import leaves as tree_leaves
from fx.tree import leaves_with_path as tree_leaves_with_path
from fx.tree import map as tree_map
from fx.tree import map_with_path as tree_map_with_path
from fx.tree import reduce as tree_reduce
from fx.tree import reduce_associative as tree_reduce_associative
from fx.tree import structure as tree_structure
from fx.tree import transpose as tree_transpose
from fx.tree import unflatten as tree_unflatten

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
    "flatten_one_level",
    "flatten_one_level_with_keys",
    "is_tree_node",
    "keystr",
    "leaves",
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

all_leaves = public(pytree.all_leaves)
flatten_one_level = public(pytree.flatten_one_level)
flatten_one_level_with_keys = public(pytree.flatten_one_level_with_keys)
is_tree_node = public(pytree.is_tree_node)
keystr = public(pytree.keystr)
register_dataclass = public(pytree.register_dataclass)
register_pytree_node = public(pytree.register_pytree_node)
register_pytree_node_class = public(pytree.register_pytree_node_class)
register_pytree_with_keys = public(pytree.register_pytree_with_keys)
register_pytree_with_keys_class = public(pytree.register_pytree_with_keys_class)
register_static = public(pytree.register_static)
treedef_children = public(pytree.treedef_children)
treedef_is_leaf = public(pytree.treedef_is_leaf)
treedef_tuple = public(pytree.treedef_tuple)
