"""The functions over pytrees, by their names in `jax.tree_util`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fx.errors import FxTypeError, TreeError
from fx.pytree.keys import KeyEntry, KeyPath, keystr
from fx.pytree.mismatch import equality_errors_pytreedef, match_prefix, mismatch
from fx.pytree.nodes import TUPLE, Node, find_node
from fx.pytree.treedef import IsLeaf, PyTreeDef, flatten, flatten_with_path, make

_MISSING: Any = object()

# ---------------------------------------------------------------------------------------------
# Apart and together


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves of a tree, depth first and left to right, and its structure.

    Args:
      tree: a pytree. Dicts are read in the order of their sorted keys.
      is_leaf: called with each subtree; where it is true the subtree counts as a leaf.

    Returns:
      (list of leaves, PyTreeDef).

    Raises:
      TreeError: dict keys that cannot be sorted, or nesting without end.

    >>> tree_flatten({"b": 3, "a": [1, 2]})
    ([1, 2, 3], PyTreeDef({'a': [*, *], 'b': *}))
    """
    return flatten(tree, is_leaf)


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of the given structure and leaves: the inverse of `tree_flatten`.

    Raises:
      TreeError: the number of leaves is not the structure's.

    >>> tree_unflatten(tree_structure({"a": 0, "b": (0, 0)}), [1, 2, 3])
    {'a': 1, 'b': (2, 3)}
    """
    return treedef.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of a tree, in the order of `tree_flatten`.

    >>> tree_leaves({"b": 3, "a": [1, None, 2]})
    [1, 2, 3]
    """
    return flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> PyTreeDef:
    """The structure of a tree.

    >>> tree_structure({"a": 0, "b": (0, None)})
    PyTreeDef({'a': *, 'b': (*, None)})
    """
    return flatten(tree, is_leaf)[1]


def flatten_one_level(tree: Any) -> tuple[Sequence[Any], Any]:
    """(children, static data) of a container.

    Raises:
      TreeError: `tree` is a leaf.

    >>> flatten_one_level({"b": (1, 2), "a": 0})
    ((0, (1, 2)), ('a', 'b'))
    """
    return _node_of(tree).flatten(tree)


def flatten_one_level_with_keys(tree: Any) -> tuple[list[tuple[KeyEntry, Any]], Any]:
    """([(key, child)], static data) of a container.

    Raises:
      TreeError: `tree` is a leaf.
    """
    keys, children, aux = _node_of(tree).flatten_with_keys(tree)
    return list(zip(keys, children, strict=True)), aux


def _node_of(tree: Any) -> Node:
    node = find_node(type(tree))
    if node is None:
        raise TreeError(
            f"{type(tree).__name__} is a leaf, so it has no children. Register the class with "
            "fx.tree_util.register_pytree_node or register_dataclass to make it a container."
        )
    return node


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf = None) -> bool:
    """Whether every element is a leaf.

    >>> all_leaves([1, "a"]), all_leaves([1, None])
    (True, False)
    """
    for item in iterable:
        if find_node(type(item)) is not None and (is_leaf is None or not is_leaf(item)):
            return False
    return True


# ---------------------------------------------------------------------------------------------
# Maps and folds


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply a function to the leaves of one or several trees.

    Args:
      f: called with one leaf of `tree` and the corresponding subtrees of `rest`.
      tree: gives the structure of the result.
      *rest: trees that have the structure of `tree` down to its leaves.
      is_leaf: where it is true of a subtree of `tree`, that subtree counts as a leaf.

    Raises:
      TreeError: a tree of `rest` differs from `tree`; says where and how.

    >>> tree_map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
    {'a': 11, 'b': (22, 33)}
    """
    leaves, treedef = flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten([f(leaf) for leaf in leaves])
    columns = [_columns("tree_map", i, treedef, other) for i, other in enumerate(rest)]
    return treedef.unflatten([f(*xs) for xs in zip(leaves, *columns, strict=True)])


def _columns(operation: str, i: int, treedef: PyTreeDef, other: Any) -> list[Any]:
    subtrees = treedef.match(other)
    if subtrees is None:
        raise mismatch(treedef, other, operation, "the first tree", f"tree {i + 2}")
    return subtrees


def tree_reduce(
    function: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = _MISSING,
    is_leaf: IsLeaf = None,
) -> Any:
    """Fold the leaves from left to right, as `functools.reduce`.

    Raises:
      TreeError: a tree without leaves and no `initializer`.

    >>> import operator
    >>> tree_reduce(operator.add, {"a": 1, "b": (2, 3)})
    6
    """
    leaves = tree_leaves(tree, is_leaf)
    if initializer is not _MISSING:
        return functools.reduce(function, leaves, initializer)
    if not leaves:
        raise TreeError("tree_reduce of a tree without leaves needs an initializer.")
    return functools.reduce(function, leaves)


def tree_reduce_associative(
    operation: Callable[[Any, Any], Any],
    tree: Any,
    *,
    identity: Any = _MISSING,
    is_leaf: IsLeaf = None,
) -> Any:
    """Fold the leaves in a balanced binary tree, of logarithmic depth.

    Args:
      operation: associative.
      tree: a pytree.
      identity: the result for a tree without leaves.
      is_leaf: as in `tree_flatten`.

    Raises:
      TreeError: a tree without leaves and no `identity`.

    >>> tree_reduce_associative(lambda a, b: f"({a}+{b})", [1, 2, 3, 4])
    '((1+2)+(3+4))'
    """
    leaves = tree_leaves(tree, is_leaf)
    if not leaves:
        if identity is _MISSING:
            raise TreeError("tree_reduce_associative of a tree without leaves needs an identity.")
        return identity

    def fold(items: list[Any]) -> Any:
        if len(items) == 1:
            return items[0]
        half = len(items) // 2
        return operation(fold(items[:half]), fold(items[half:]))

    return fold(leaves)


def tree_all(tree: Any, *, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves are true.

    >>> tree_all({"a": True, "b": (True, None)})
    True
    """
    for path, leaf in tree_flatten_with_path(tree, is_leaf)[0]:
        try:
            if not leaf:
                return False
        except ValueError as error:  # an ndarray of several elements
            raise FxTypeError(f"tree.all: the leaf tree{keystr(path)}: {error}") from None
    return True


# ---------------------------------------------------------------------------------------------
# Paths


def tree_flatten_with_path(
    tree: Any, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """`tree_flatten` with each leaf's key path.

    Args:
      tree: a pytree.
      is_leaf: as in `tree_flatten`.
      is_leaf_takes_path: `is_leaf` is called with a path and a subtree.

    Returns:
      (list of (path, leaf), PyTreeDef).

    >>> from fx.tree_util import keystr
    >>> leaves, _ = tree_flatten_with_path({"a": [1, 2]})
    >>> [(keystr(path), leaf) for path, leaf in leaves]
    [("['a'][0]", 1), ("['a'][1]", 2)]
    """
    if is_leaf is None or is_leaf_takes_path:
        return flatten_with_path(tree, is_leaf)
    return flatten_with_path(tree, lambda _, subtree: is_leaf(subtree))


def tree_leaves_with_path(
    tree: Any, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> list[tuple[KeyPath, Any]]:
    """The (path, leaf) pairs of `tree_flatten_with_path`."""
    return tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


def tree_map_with_path(
    f: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: Callable[..., bool] | None = None,
    is_leaf_takes_path: bool = False,
) -> Any:
    """`tree_map` with a function that takes the key path first.

    >>> from fx.tree_util import keystr
    >>> tree_map_with_path(lambda path, x: keystr(path), {"a": [1, 2]})
    {'a': ["['a'][0]", "['a'][1]"]}
    """
    pairs, treedef = tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    columns = [_columns("tree_map_with_path", i, treedef, r) for i, r in enumerate(rest)]
    return treedef.unflatten([f(*pair, *xs) for pair, *xs in zip(pairs, *columns, strict=True)])


# ---------------------------------------------------------------------------------------------
# Structures


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether the structure is a single node: a leaf or an empty container.

    >>> treedef_is_leaf(tree_structure(1)), treedef_is_leaf(tree_structure([1]))
    (True, False)
    """
    return treedef.num_nodes == 1


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of the immediate children.

    >>> treedef_children(tree_structure([(1, 2), 3]))
    [PyTreeDef((*, *)), PyTreeDef(*)]
    """
    return treedef.children()


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees with the given structures.

    >>> treedef_tuple([tree_structure([1]), tree_structure(2)])
    PyTreeDef(([*], *))
    """
    treedefs = tuple(treedefs)
    if not all(isinstance(t, PyTreeDef) for t in treedefs):
        raise FxTypeError(
            f"tree_util.treedef_tuple expects structures (of tree_structure), got {treedefs!r}."
        )
    return make(TUPLE, None, tuple(treedefs))


def tree_transpose(
    outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any
) -> Any:
    """Turn a tree of trees inside out.

    Args:
      outer_treedef: the structure of the outer tree.
      inner_treedef: the structure of each of its leaves; None: that of the first.
      pytree_to_transpose: a tree of structure `outer_treedef.compose(inner_treedef)`.

    Returns:
      a tree of structure `inner_treedef.compose(outer_treedef)`.

    Raises:
      TreeError: the tree does not have that structure.

    >>> tree_transpose(tree_structure([0, 0]), tree_structure({"a": 0}), [{"a": 1}, {"a": 2}])
    {'a': [1, 2]}
    """
    what = "tree_transpose"
    inner_trees = outer_treedef.match(pytree_to_transpose)
    if inner_trees is None:
        raise mismatch(outer_treedef, pytree_to_transpose, what, "outer_treedef", "the tree")
    if inner_treedef is None:
        if not inner_trees:
            raise TreeError("tree_transpose: give inner_treedef, the outer tree has no leaves.")
        inner_treedef = tree_structure(inner_trees[0])
    rows = []
    for i, inner in enumerate(inner_trees):
        row = inner_treedef.match(inner)
        if row is None:
            raise mismatch(inner_treedef, inner, what, "inner_treedef", f"inner tree {i}")
        rows.append(row)
    columns = zip(*rows, strict=True) if rows else [()] * inner_treedef.num_leaves
    return inner_treedef.unflatten([outer_treedef.unflatten(column) for column in columns])


# ---------------------------------------------------------------------------------------------
# Prefixes: a tree whose leaves stand for whole subtrees of another


def broadcast_prefix(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of a prefix, each repeated for every leaf of `full_tree` that it stands for.

    Args:
      prefix_tree: a tree that ends earlier than `full_tree`, and agrees with it until then.
      full_tree: the whole tree.
      is_leaf: as in `tree_flatten`, for `prefix_tree`.

    Returns:
      a list with one entry for each leaf of `full_tree`.

    Raises:
      TreeError: `prefix_tree` is no prefix of `full_tree`; says where.

    >>> broadcast_prefix((0, 1), ({"a": 5, "b": 6}, 7))
    [0, 0, 1]
    """
    leaves, treedef = flatten(prefix_tree, is_leaf)
    subtrees = treedef.match(full_tree)
    if subtrees is None:
        raise mismatch(treedef, full_tree, "broadcast_prefix", "the prefix", "the full tree")
    result: list[Any] = []
    for leaf, subtree in zip(leaves, subtrees, strict=True):
        result += [leaf] * tree_structure(subtree).num_leaves
    return result


def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> Any:
    """`broadcast_prefix` as a tree of the structure of `full_tree`.

    >>> tree_broadcast((0, 1), ({"a": 5, "b": 6}, 7))
    ({'a': 0, 'b': 0}, 1)
    """
    leaves = broadcast_prefix(prefix_tree, full_tree, is_leaf)
    return tree_structure(full_tree).unflatten(leaves)


def flatten_prefix(
    operation: str, prefix_tree: Any, treedef: PyTreeDef, is_leaf: IsLeaf = None
) -> list[Any]:
    """`broadcast_prefix` against a structure, for options such as `in_axes` and `out_axes`.

    Args:
      operation: what the tree is for; begins the error message.
      prefix_tree: a prefix of trees of structure `treedef`.
      treedef: the structure of the whole tree.
      is_leaf: as in `tree_flatten`, for `prefix_tree`: `lambda x: x is None` makes None a leaf.

    Returns:
      a list with one entry for each leaf of `treedef`.

    Raises:
      TreeError: `prefix_tree` is no prefix of `treedef`; says where.

    >>> flatten_prefix("in_axes", (0, None), tree_structure(([1, 2], 3)), lambda x: x is None)
    [0, 0, None]
    """
    return match_prefix(operation, prefix_tree, treedef, is_leaf)


def equality_errors(
    tree1: Any, tree2: Any, is_leaf: IsLeaf = None
) -> list[tuple[KeyPath, str, str, str]]:
    """Where two trees differ in structure: [(path, what 1 has, what 2 has, what to do)].

    >>> from fx.tree_util import keystr
    >>> for path, one, two, _ in equality_errors({"a": [1, 2]}, {"a": [1]}):
    ...     print(keystr(path), "|", one, "|", two)
    ['a'] | a list of length 2 | a list of length 1
    """
    return equality_errors_pytreedef(tree_structure(tree1, is_leaf), tree_structure(tree2, is_leaf))
