"""The structure of a pytree as a value: `PyTreeDef`, and the engine that flattens trees to it.

Structures are interned: flattening two trees of the same structure nearly always gives the very
same `PyTreeDef` object, so that comparing and hashing them, as jit does on every call, is cheap.
A structure that comes up often compiles itself to straight-line Python (`fx.pytree.compiled`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fx.errors import FxTypeError, TreeError
from fx.pytree.compiled import can_compile, compile_builder, compile_reader
from fx.pytree.keys import KeyPath
from fx.pytree.mismatch import abbreviate, mismatch
from fx.pytree.nodes import (
    DICT,
    LEAF_TYPES,
    LIST,
    NODES,
    TUPLE,
    DictOrder,
    Node,
    dict_order,
    find_node,
    interchangeable,
    same_aux,
)

IsLeaf = Callable[[Any], bool] | None

# A structure is walked this many times, each way, before it is worth compiling.
_USES_BEFORE_COMPILING = 2


class PyTreeDef:
    """The structure of a pytree: everything but its leaves.

    Made by `tree_structure` and `tree_flatten`; hashable (if its static data are), comparable,
    picklable, and printed with a star for each leaf. `num_leaves` and `num_nodes` count its
    leaves, and all its nodes with leaves included.

    >>> from fx.tree_util import tree_structure
    >>> tree_structure({"b": [1, 2], "a": None})
    PyTreeDef({'a': None, 'b': [*, *]})
    """

    # node: kind of the root, None for a leaf; aux: its static data; parts: its children.
    __slots__ = (
        "__weakref__",
        "_build",
        "_builds",
        "_flat",
        "_hash",
        "_read",
        "_reads",
        "aux",
        "depth",
        "node",
        "num_leaves",
        "num_nodes",
        "parts",
    )

    def __init__(self, node: Node | None, aux: Any, parts: tuple[PyTreeDef, ...]):
        """Not for users, who call `tree_structure`: equal structures should be one object."""
        self.node = node
        self.aux = aux
        self.parts = parts
        self.num_leaves = 1 if node is None else sum([part.num_leaves for part in parts])
        self.num_nodes = 1 + sum([part.num_nodes for part in parts])
        self.depth = 0 if node is None else 1 + max([part.depth for part in parts], default=0)
        # Whether all children are leaves: they are then copied in one step.
        self._flat = node is not None and all(part.node is None for part in parts)
        self._hash: int | None = None
        self._builds = self._reads = 0
        self._build = _simple_builder(self)
        self._read: Callable[[Any, bool], list[Any] | None] | None = None

    # -- as a value

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, PyTreeDef):
            return NotImplemented
        return (
            self.node is other.node
            and self.num_nodes == other.num_nodes
            and self.num_leaves == other.num_leaves
            and (self.node is None or same_aux(self.node, self.aux, other.aux))
            and self.parts == other.parts
        )

    def __hash__(self) -> int:
        result = self._hash
        if result is None:
            result = self._hash = self._compute_hash()
        return result

    def _compute_hash(self) -> int:
        try:
            aux_hash = hash(self.aux)
        except TypeError:
            name = self.node.cls.__name__ if self.node else "leaf"
            raise FxTypeError(
                f"the static data of {name} is not hashable: {self.aux!r}. The structure of an "
                "argument of jit serves as a cache key, so static data must be hashable: use "
                "tuples instead of lists, and make arrays children instead of static data."
            ) from None
        return hash((self.node, aux_hash, self.parts))

    def __repr__(self) -> str:
        return f"PyTreeDef({self._text()})"

    def _text(self) -> str:
        if self.node is None:
            return "*"
        return self.node.text(self.aux, [part._text() for part in self.parts])

    def __reduce__(self) -> tuple[Any, ...]:
        if self.node is None:
            return _restore_leaf, ()
        return _restore, (self.node.cls, self.aux, self.parts)

    def __copy__(self) -> PyTreeDef:
        return self

    def __deepcopy__(self, memo: dict) -> PyTreeDef:
        return self

    # -- parts

    def children(self) -> list[PyTreeDef]:
        """Structures of the immediate children."""
        return list(self.parts)

    def node_data(self) -> tuple[type, Any] | None:
        """(type, static data) of the root, or None for a leaf. A dict's data are its keys."""
        if self.node is None:
            return None
        return self.node.cls, list(self.aux) if self.node is DICT else self.aux

    def compose(self, inner: PyTreeDef) -> PyTreeDef:
        """This structure with `inner` in the place of each leaf.

        >>> from fx.tree_util import tree_structure
        >>> tree_structure((0, 0)).compose(tree_structure([0]))
        PyTreeDef(([*], [*]))
        """
        if self.node is None:
            return inner
        return make(self.node, self.aux, tuple([part.compose(inner) for part in self.parts]))

    # -- to and from leaves

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with the given leaves, in order.

        Raises:
          TreeError: the number of leaves is not `num_leaves`.

        >>> from fx.tree_util import tree_structure
        >>> tree_structure({"b": 0, "a": (0, 0)}).unflatten([1, 2, 3])
        {'a': (1, 2), 'b': 3}
        """
        if not isinstance(leaves, (list, tuple)):
            leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise TreeError(
                f"unflatten got {len(leaves)} leaves for a structure with {self.num_leaves}: "
                f"{abbreviate(self)}. Pass exactly one value for each star."
            )
        build = self._build
        if build is not None:
            return build(leaves)
        self._builds += 1
        if self._builds > _USES_BEFORE_COMPILING and can_compile(self):
            self._build = compile_builder(self)
        return _rebuild(self, iter(leaves))

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The subtrees of `tree` that stand where this structure has leaves.

        Raises:
          TreeError: `tree` has another structure above the leaves; says where.

        >>> from fx.tree_util import tree_structure
        >>> tree_structure([0, 0]).flatten_up_to([(1, 2), {"a": 3}])
        [(1, 2), {'a': 3}]
        """
        subtrees = self.match(tree)
        if subtrees is None:
            raise mismatch(self, tree, "flatten_up_to", "the structure", "the tree")
        return subtrees

    def match(self, tree: Any) -> list[Any] | None:
        """`flatten_up_to`, with None for a tree of another structure."""
        if self._read is not None:
            return self._read(tree, False)
        self.prepare_reader()
        subtrees: list[Any] = []
        return subtrees if _match(self, tree, subtrees) else None

    def leaves_of(self, tree: Any) -> list[Any] | None:
        """The leaves of `tree` if this is its structure, else None.

        Faster than flattening, for a structure that comes up often.

        >>> from fx.tree_util import tree_structure
        >>> pair = tree_structure((0, 0))
        >>> pair.leaves_of((1, 2)), pair.leaves_of((1, [2])), pair.leaves_of([1, 2])
        ([1, 2], None, None)
        """
        if self._read is not None:
            leaves = self._read(tree, True)
            if leaves is not None:
                return leaves
        leaves, treedef = flatten(tree)
        return leaves if treedef == self else None

    def prepare_reader(self) -> None:
        """Count a sighting of this structure, and compile its reader if there were enough."""
        self._reads += 1
        if self._reads == _USES_BEFORE_COMPILING + 1 and can_compile(self):
            self._read = compile_reader(self)


def _simple_builder(treedef: PyTreeDef) -> Callable[[Sequence[Any]], Any] | None:
    node, aux = treedef.node, treedef.aux
    if node is None:
        return _first
    if treedef._flat and (node is TUPLE or node is LIST):
        return node.cls
    if treedef._flat and node is DICT:
        return lambda leaves: dict(zip(aux, leaves, strict=True))
    return None


def _first(leaves: Sequence[Any]) -> Any:
    return leaves[0]


LEAF = PyTreeDef(None, None, ())


def _restore_leaf() -> PyTreeDef:
    return LEAF


def _restore(cls: type, aux: Any, parts: tuple[PyTreeDef, ...]) -> PyTreeDef:
    node = find_node(cls)
    if node is None:
        raise TreeError(
            f"cannot restore a treedef: {cls.__qualname__} is not registered as a pytree node in "
            "this process. Import the module that registers it first."
        )
    return make(node, aux, parts)


# ---------------------------------------------------------------------------------------------
# Interning

# (node, static data, number of leaf children or tuple of children) -> treedef. Only an
# optimization: equality never relies on it, so it may be emptied at any time.
_INTERNED: dict[Any, PyTreeDef] = {}
_INTERNED_LIMIT = 16384


def _intern(node: Node, aux: Any, parts: int | tuple[PyTreeDef, ...]) -> PyTreeDef:
    name = (node, aux, parts)
    try:
        found = _INTERNED.get(name)
    except Exception:  # static data that cannot be hashed or compared
        return _new(node, aux, parts)
    if found is not None:
        same_parts = isinstance(parts, int) or all(map(operator.is_, found.parts, parts))
        if same_parts and interchangeable(node, found.aux, aux):
            return found
        return _new(node, aux, parts)
    if len(_INTERNED) >= _INTERNED_LIMIT:
        _INTERNED.clear()
    found = _INTERNED[name] = _new(node, aux, parts)
    return found


def _new(node: Node, aux: Any, parts: int | tuple[PyTreeDef, ...]) -> PyTreeDef:
    return PyTreeDef(node, aux, (LEAF,) * parts if isinstance(parts, int) else parts)


def make(node: Node, aux: Any, parts: tuple[PyTreeDef, ...]) -> PyTreeDef:
    """The treedef of a node with these children."""
    for part in parts:
        if part is not LEAF:
            return _intern(node, aux, parts)
    return _intern(node, aux, len(parts))


# ---------------------------------------------------------------------------------------------
# Flattening


def flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """(leaves, treedef). See `fx.tree.flatten`."""
    leaves: list[Any] = []
    try:
        if is_leaf is None:
            return leaves, _flatten(tree, leaves)
        return leaves, _flatten_until(tree, is_leaf, leaves)
    except RecursionError:
        raise _too_deep(tree) from None


def _too_deep(tree: Any) -> TreeError:
    return TreeError(
        f"a {type(tree).__name__} nests too deeply for a pytree. Does a container contain itself? "
        "Otherwise flatten it by hand, or raise sys.setrecursionlimit."
    )


def _flatten(tree: Any, leaves: list[Any]) -> PyTreeDef:
    kind = type(tree)
    if kind in LEAF_TYPES:
        leaves.append(tree)
        return LEAF
    if kind is dict:
        order = dict_order(tree)
        children, aux = order.values(tree), order.keys
        if LEAF_TYPES.issuperset(map(type, children)):
            leaves += children
            if order.treedef is None:
                order.treedef = _intern(DICT, aux, len(children))
            return order.treedef
        node: Node = DICT
        owner: DictOrder | Node = order
    else:
        found_node = NODES.get(kind) or find_node(kind)
        if found_node is None:
            leaves.append(tree)
            return LEAF
        node = owner = found_node
        children, aux = node.flatten(tree)
        if LEAF_TYPES.issuperset(map(type, children)):
            leaves += children
            return _intern(node, aux, len(children))
    # A container of containers: perhaps of the same structure as the last one of its kind.
    recent = owner.recent
    if recent is not None and recent._read is not None:
        found = recent._read(tree, True)
        if found is not None:
            leaves += found
            return recent
    parts = []
    for child in children:
        if type(child) in LEAF_TYPES:
            leaves.append(child)
            parts.append(LEAF)
        else:
            parts.append(_flatten(child, leaves))
    owner.recent = treedef = make(node, aux, tuple(parts))
    treedef.prepare_reader()
    return treedef


def _says_yes(answer: Any) -> bool:
    try:
        return bool(answer)
    except ValueError:  # an ndarray of several elements
        raise FxTypeError(f"is_leaf must return a bool, got {type(answer).__name__}.") from None


def _flatten_until(tree: Any, is_leaf: Callable[[Any], bool], leaves: list[Any]) -> PyTreeDef:
    node = None if _says_yes(is_leaf(tree)) else find_node(type(tree))
    if node is None:
        leaves.append(tree)
        return LEAF
    children, aux = node.flatten(tree)
    return make(node, aux, tuple([_flatten_until(child, is_leaf, leaves) for child in children]))


def flatten_with_path(
    tree: Any, is_leaf: Callable[[KeyPath, Any], bool] | None = None
) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """([(path, leaf)], treedef), where `is_leaf` takes a path and a subtree."""
    leaves: list[tuple[KeyPath, Any]] = []
    try:
        return leaves, _flatten_with_path((), tree, is_leaf, leaves)
    except RecursionError:
        raise _too_deep(tree) from None


def _flatten_with_path(
    path: KeyPath,
    tree: Any,
    is_leaf: Callable[[KeyPath, Any], bool] | None,
    leaves: list[tuple[KeyPath, Any]],
) -> PyTreeDef:
    stop = is_leaf is not None and is_leaf(path, tree)
    node = None if stop else find_node(type(tree))
    if node is None:
        leaves.append((path, tree))
        return LEAF
    keys, children, aux = node.flatten_with_keys(tree)
    parts = [
        _flatten_with_path((*path, key), child, is_leaf, leaves)
        for key, child in zip(keys, children, strict=True)
    ]
    return make(node, aux, tuple(parts))


# ---------------------------------------------------------------------------------------------
# Walking a structure that was not compiled


def _rebuild(treedef: PyTreeDef, leaves: Iterator[Any]) -> Any:
    node = treedef.node
    if node is None:
        return next(leaves)
    return node.unflatten(treedef.aux, tuple([_rebuild(part, leaves) for part in treedef.parts]))


def _match(treedef: PyTreeDef, tree: Any, subtrees: list[Any]) -> bool:
    node = treedef.node
    if node is None:
        subtrees.append(tree)
        return True
    if type(tree) is not node.cls:
        return False
    children, aux = node.flatten(tree)
    if len(children) != len(treedef.parts) or not same_aux(node, treedef.aux, aux):
        return False
    if treedef._flat:
        subtrees += children
        return True
    for part, child in zip(treedef.parts, children, strict=True):
        if not _match(part, child, subtrees):
            return False
    return True
