"""The structure of a pytree as a value: `PyTreeDef`, and the engine that flattens trees to it.

Structures are interned: flattening two trees of the same structure nearly always gives the very
same `PyTreeDef` object, so that comparing and hashing them, as jit does on every call, is cheap.
Where a tree is rebuilt often, its treedef compiles itself to a Python function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fx.errors import FxTypeError, TreeError
from fx.pytree_nodes import (
    DICT,
    LEAF_TYPES,
    LIST,
    NODES,
    NONE,
    TUPLE,
    KeyPath,
    Node,
    dict_order,
    find_node,
    keystr,
)

IsLeaf = Callable[[Any], bool] | None

# A tree is rebuilt by recursion this many times before its treedef is worth compiling.
_USES_BEFORE_COMPILING = 2
# The parser limits how deeply source may nest, and compiling takes time for each leaf.
_COMPILED_DEPTH_LIMIT = 40
_COMPILED_NODES_LIMIT = 3000


class PyTreeDef:
    """The structure of a pytree: everything but its leaves.

    Made by `tree_structure` and `tree_flatten`; hashable (if its static data are), comparable,
    picklable, and printed with a star for each leaf.

    >>> flatten({"b": [1, 2], "a": None})[1]
    PyTreeDef({'a': None, 'b': [*, *]})
    """

    __slots__ = (
        "__weakref__",
        "_aux",
        "_build",
        "_children",
        "_depth",
        "_flat",
        "_hash",
        "_node",
        "_uses",
        "num_leaves",
        "num_nodes",
    )

    num_leaves: int  # number of leaves
    num_nodes: int  # number of nodes, leaves included

    def __init__(self, node: Node | None, aux: Any, children: tuple[PyTreeDef, ...]):
        """Internal: use `tree_structure`. `node` is None for the leaf."""
        self._node = node
        self._aux = aux
        self._children = children
        self._hash: int | None = None
        self._uses = 0
        self._build: Callable[[Sequence[Any]], Any] | None = None
        if node is None:
            self.num_leaves = self.num_nodes = 1
            self._depth = 0
            self._flat = False
            self._build = _first
            return
        self.num_leaves = sum([child.num_leaves for child in children])
        self.num_nodes = 1 + sum([child.num_nodes for child in children])
        self._depth = 1 + max([child._depth for child in children], default=0)
        # Whether all children are leaves: they are then copied in one step.
        self._flat = all(child._node is None for child in children)
        if self._flat:
            if node is DICT:
                self._build = lambda leaves: dict(zip(aux, leaves, strict=True))
            elif node is TUPLE or node is LIST:
                self._build = node.cls

    # -- as a value

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, PyTreeDef):
            return NotImplemented
        return (
            self._node is other._node
            and self.num_nodes == other.num_nodes
            and self.num_leaves == other.num_leaves
            and (self._node is None or _same_aux(self._node, self._aux, other._aux))
            and self._children == other._children
        )

    def __hash__(self) -> int:
        result = self._hash
        if result is None:
            result = self._hash = self._compute_hash()
        return result

    def _compute_hash(self) -> int:
        try:
            aux_hash = hash(self._aux)
        except TypeError:
            assert self._node is not None
            raise FxTypeError(
                f"the static data of {self._node.cls.__name__} is not hashable: {self._aux!r}. "
                "The structure of an argument of jit serves as a cache key, so static data must "
                "be hashable: use tuples instead of lists, and make arrays children instead of "
                "static data."
            ) from None
        return hash((self._node, aux_hash, self._children))

    def __repr__(self) -> str:
        return f"PyTreeDef({self._text()})"

    def _text(self) -> str:
        if self._node is None:
            return "*"
        return self._node.text(self._aux, [child._text() for child in self._children])

    def __reduce__(self) -> tuple[Any, ...]:
        if self._node is None:
            return _leaf_treedef, ()
        return _restore, (self._node.cls, self._aux, self._children)

    def __copy__(self) -> PyTreeDef:
        return self

    def __deepcopy__(self, memo: dict) -> PyTreeDef:
        return self

    # -- parts

    def children(self) -> list[PyTreeDef]:
        """Structures of the immediate children."""
        return list(self._children)

    def node_data(self) -> tuple[type, Any] | None:
        """(type, static data) of the root, or None for a leaf. A dict's data are its keys."""
        if self._node is None:
            return None
        return self._node.cls, list(self._aux) if self._node is DICT else self._aux

    def compose(self, inner: PyTreeDef) -> PyTreeDef:
        """This structure with `inner` in the place of each leaf.

        >>> flatten((0, 0))[1].compose(flatten([0])[1])
        PyTreeDef(([*], [*]))
        """
        if self._node is None:
            return inner
        children = tuple([child.compose(inner) for child in self._children])
        return make(self._node, self._aux, children)

    # -- to and from leaves

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with the given leaves, in order.

        Raises:
          TreeError: the number of leaves is not `num_leaves`.

        >>> flatten({"b": 0, "a": (0, 0)})[1].unflatten([1, 2, 3])
        {'a': (1, 2), 'b': 3}
        """
        if leaves.__class__ is not list and leaves.__class__ is not tuple:
            leaves = list(leaves)
        if len(leaves) != self.num_leaves:  # type: ignore[arg-type]
            raise TreeError(
                f"unflatten got {len(leaves)} leaves for a structure with {self.num_leaves}: "  # type: ignore[arg-type]
                f"{abbreviate(self)}. Pass exactly one value for each star."
            )
        build = self._build
        if build is not None:
            return build(leaves)  # type: ignore[arg-type]
        self._uses += 1
        if self._uses > _USES_BEFORE_COMPILING:
            self._build = _compile(self)
        return _rebuild(self, iter(leaves))

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The subtrees of `tree` that stand where this structure has leaves.

        Raises:
          TreeError: `tree` has another structure above the leaves; says where.

        >>> flatten([0, 0])[1].flatten_up_to([(1, 2), {"a": 3}])
        [(1, 2), {'a': 3}]
        """
        subtrees: list[Any] = []
        if not match(self, tree, subtrees):
            raise mismatch(self, tree, "flatten_up_to", "the structure", "the tree")
        return subtrees


def _first(leaves: Sequence[Any]) -> Any:
    return leaves[0]


LEAF = PyTreeDef(None, None, ())


def _leaf_treedef() -> PyTreeDef:
    return LEAF


def _restore(cls: type, aux: Any, children: tuple[PyTreeDef, ...]) -> PyTreeDef:
    node = find_node(cls)
    if node is None:
        raise TreeError(
            f"cannot restore a treedef: {cls.__qualname__} is not registered as a pytree node in "
            "this process. Import the module that registers it first."
        )
    return make(node, aux, children)


def abbreviate(treedef: PyTreeDef, width: int = 200) -> str:
    """The printed structure, cut to about `width` characters for an error message."""
    text = repr(treedef)
    return text if len(text) <= width else f"{text[:width]} ... ({treedef.num_leaves} leaves)"


def _same_aux(node: Node, a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        return bool(a == b)
    except Exception as error:
        raise FxTypeError(
            f"cannot compare the static data of two {node.cls.__name__}: {error}. Static data "
            "must have an == that gives one bool; arrays belong among the children."
        ) from error


# ---------------------------------------------------------------------------------------------
# Interning

# (node, aux, number of leaf children or tuple of children) -> treedef. Only an optimization:
# equality never relies on it, so it may be emptied at any time.
_INTERNED: dict[Any, PyTreeDef] = {}
_INTERNED_LIMIT = 16384
_ATOMS = frozenset({str, int, bool, bytes, type(None), type})


def _interchangeable(a: Any, b: Any) -> bool:
    """Whether equal static data are indistinguishable (as 1 and True, or 0.0 and -0.0, are not)."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) is tuple:
        return len(a) == len(b) and all(map(_interchangeable, a, b))
    return type(a) in _ATOMS and a == b


def _intern(node: Node, aux: Any, children: int | tuple[PyTreeDef, ...]) -> PyTreeDef:
    name = (node, aux, children)
    try:
        found = _INTERNED.get(name)
    except Exception:  # static data that cannot be hashed or compared
        return _new(node, aux, children)
    if found is not None:
        return found if _interchangeable(found._aux, aux) else _new(node, aux, children)
    if len(_INTERNED) >= _INTERNED_LIMIT:
        _INTERNED.clear()
    found = _INTERNED[name] = _new(node, aux, children)
    return found


def _new(node: Node, aux: Any, children: int | tuple[PyTreeDef, ...]) -> PyTreeDef:
    return PyTreeDef(node, aux, (LEAF,) * children if isinstance(children, int) else children)


def make(node: Node, aux: Any, children: tuple[PyTreeDef, ...]) -> PyTreeDef:
    """The treedef of a node with these children."""
    for child in children:
        if child is not LEAF:
            return _intern(node, aux, children)
    return _intern(node, aux, len(children))


# ---------------------------------------------------------------------------------------------
# Flattening


def flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """(leaves, treedef). See `fx.tree.flatten`."""
    kind = tree.__class__
    leaves: list[Any] = []
    try:
        if is_leaf is None:
            return leaves, _flatten(tree, leaves)
        return leaves, _flatten_until(tree, is_leaf, leaves)
    except RecursionError:
        raise _too_deep(kind) from None


def _too_deep(kind: type) -> TreeError:
    return TreeError(
        f"a {kind.__name__} nests too deeply for a pytree. Does a container contain itself? "
        "Otherwise flatten it by hand, or raise sys.setrecursionlimit."
    )


def _flatten(tree: Any, leaves: list[Any]) -> PyTreeDef:
    kind = type(tree)
    if kind is dict:
        order = dict_order(tree)
        children = order.values(tree)
        if LEAF_TYPES.issuperset(map(type, children)):
            leaves += children
            if order.treedef is None:
                order.treedef = _intern(DICT, order.keys, len(children))
            return order.treedef
        node, aux = DICT, order.keys
    else:
        if kind in LEAF_TYPES:
            leaves.append(tree)
            return LEAF
        node = NODES.get(kind) or find_node(kind)
        if node is None:
            leaves.append(tree)
            return LEAF
        children, aux = node.flatten(tree)
        if LEAF_TYPES.issuperset(map(type, children)):
            leaves += children
            return _intern(node, aux, len(children))
    treedefs = []
    for child in children:
        if type(child) in LEAF_TYPES:
            leaves.append(child)
            treedefs.append(LEAF)
        else:
            treedefs.append(_flatten(child, leaves))
    return make(node, aux, tuple(treedefs))


def _flatten_until(tree: Any, is_leaf: Callable[[Any], bool], leaves: list[Any]) -> PyTreeDef:
    node = None if is_leaf(tree) else find_node(type(tree))
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
        raise _too_deep(type(tree)) from None


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
    treedefs = [
        _flatten_with_path((*path, key), child, is_leaf, leaves)
        for key, child in zip(keys, children, strict=True)
    ]
    return make(node, aux, tuple(treedefs))


# ---------------------------------------------------------------------------------------------
# Unflattening


def _rebuild(treedef: PyTreeDef, leaves: Iterator[Any]) -> Any:
    node = treedef._node
    if node is None:
        return next(leaves)
    children = tuple([_rebuild(child, leaves) for child in treedef._children])
    return node.unflatten(treedef._aux, children)


def _compile(treedef: PyTreeDef) -> Callable[[Sequence[Any]], Any]:
    """A function that builds the tree from a list of leaves of the right length."""
    if treedef._depth > _COMPILED_DEPTH_LIMIT or treedef.num_nodes > _COMPILED_NODES_LIMIT:
        return lambda leaves: _rebuild(treedef, iter(leaves))
    objects: dict[str, Any] = {}
    names = iter([f"x{i}" for i in range(treedef.num_leaves)])

    def bind(value: Any) -> str:
        name = f"c{len(objects)}"
        objects[name] = value
        return name

    def source(treedef: PyTreeDef) -> str:
        if treedef._node is None:
            return next(names)
        children = [source(child) for child in treedef._children]
        return treedef._node.source(treedef._aux, children, bind)

    result = source(treedef)
    unpack = "".join([f"x{i}," for i in range(treedef.num_leaves)])
    body = f" ({unpack}) = leaves\n" if unpack else ""
    exec(f"def unflatten(leaves):\n{body} return {result}", objects)
    return objects["unflatten"]


# ---------------------------------------------------------------------------------------------
# Matching a tree against a structure


def match(treedef: PyTreeDef, tree: Any, subtrees: list[Any]) -> bool:
    """Append to `subtrees` what `tree` has where `treedef` has leaves; False if they differ."""
    node = treedef._node
    if node is None:
        subtrees.append(tree)
        return True
    if type(tree) is not node.cls:
        return False
    children, aux = node.flatten(tree)
    count = len(treedef._children)
    if len(children) != count or not _same_aux(node, treedef._aux, aux):
        return False
    if treedef._flat:
        subtrees += children
        return True
    for child, subtree in zip(treedef._children, children, strict=True):
        if not match(child, subtree, subtrees):
            return False
    return True


def mismatch(
    treedef: PyTreeDef, tree: Any, operation: str, expected_name: str, got_name: str
) -> TreeError:
    """The error for a tree that `match` refused, with the first path where they differ."""
    found = _first_difference(treedef, tree, ())
    if found is None:
        return TreeError(f"{operation}: {got_name} does not fit {abbreviate(treedef)}.")
    path, expected, got, fix = found
    where = f"at {got_name}{keystr(path)}" if path else f"at the root of {got_name}"
    return TreeError(
        f"{operation}: tree structures differ {where}:\n"
        f"  {expected_name} has {expected}\n"
        f"  {got_name} has {got}\n"
        f"{fix}"
    )


def _first_difference(
    treedef: PyTreeDef, tree: Any, path: KeyPath
) -> tuple[KeyPath, str, str, str] | None:
    node = treedef._node
    if node is None:
        return None
    expected = node.describe(treedef._aux, len(treedef._children))
    if type(tree) is not node.cls:
        other = find_node(type(tree))
        got = f"a leaf of type {type(tree).__name__}"
        if other is not None:
            children, aux = other.flatten(tree)
            got = other.describe(aux, len(children))
        return path, expected, got, _advice_for_types(node, other)
    keys, children, aux = node.flatten_with_keys(tree)
    if len(children) != len(treedef._children) or not _same_aux(node, treedef._aux, aux):
        got = node.describe(aux, len(children))
        return path, expected, got, _advice_for_node(node, treedef._aux, aux)
    for key, child, subtree in zip(keys, treedef._children, children, strict=True):
        found = _first_difference(child, subtree, (*path, key))
        if found is not None:
            return found
    return None


def _advice_for_types(expected: Node, got: Node | None) -> str:
    if got is None:
        if expected is NONE:
            return (
                "None is a subtree without leaves. Put a value on both sides or on neither, or "
                "pass is_leaf=lambda x: x is None to treat None as a leaf."
            )
        return "Give a container of the same structure instead of the leaf."
    if got is NONE:
        return "None is a subtree without leaves. Put a value on both sides or on neither."
    return (
        f"Containers must have the same type: convert one of the two, to {expected.cls.__name__} "
        f"or to {got.cls.__name__}."
    )


def _advice_for_node(node: Node, expected: Any, got: Any) -> str:
    if node is TUPLE or node is LIST:
        return "Make the two lengths equal."
    if node is DICT:
        missing = [key for key in expected if key not in got]
        extra = [key for key in got if key not in expected]
        parts = [f"Add the missing {missing}."] if missing else []
        return " ".join(parts + ([f"Remove the unexpected {extra}."] if extra else []))
    return "Static data (keys, names, hyperparameters) must be equal on both sides."


def match_prefix(
    operation: str,
    prefix: Any,
    treedef: PyTreeDef,
    is_leaf: IsLeaf,
    path: KeyPath,
    leaves: list[Any],
) -> None:
    """Append to `leaves` each leaf of `prefix` once for every leaf of `treedef` it stands for."""
    node = None if is_leaf is not None and is_leaf(prefix) else find_node(type(prefix))
    if node is None:
        leaves += [prefix] * treedef.num_leaves
        return
    keys, children, aux = node.flatten_with_keys(prefix)
    found = _root_difference(treedef, node, aux, len(children))
    if found is not None:
        full, got, fix = found
        where = f"at {operation}{keystr(path)}" if path else "at the root"
        raise TreeError(
            f"{operation}: not a prefix of the tree it is for, which is {abbreviate(treedef)} "
            f"{where}:\n  {operation} has {got}\n  the tree has {full}\n{fix}"
        )
    for key, child, child_treedef in zip(keys, children, treedef._children, strict=True):
        match_prefix(operation, child, child_treedef, is_leaf, (*path, key), leaves)


def _root_difference(
    treedef: PyTreeDef, node: Node | None, aux: Any, count: int
) -> tuple[str, str, str] | None:
    """(what treedef's root is, what the other root is, advice) if the two roots differ."""
    expected = treedef._node
    got_text = "a leaf" if node is None else node.describe(aux, count)
    if expected is None:
        if node is None:
            return None
        return "a leaf", got_text, "Give one value there."
    full_text = expected.describe(treedef._aux, len(treedef._children))
    if node is not expected:
        return full_text, got_text, _advice_for_types(expected, node)
    if count != len(treedef._children) or not _same_aux(node, treedef._aux, aux):
        return full_text, got_text, _advice_for_node(node, treedef._aux, aux)
    return None


def equality_errors_pytreedef(
    tree1: PyTreeDef, tree2: PyTreeDef
) -> list[tuple[KeyPath, str, str, str]]:
    """Where two structures differ: [(path, what 1 has, what 2 has, what to do)]."""
    errors: list[tuple[KeyPath, str, str, str]] = []
    _collect_errors(tree1, tree2, (), errors)
    return errors


def _collect_errors(
    tree1: PyTreeDef,
    tree2: PyTreeDef,
    path: KeyPath,
    errors: list[tuple[KeyPath, str, str, str]],
) -> None:
    if tree1 is tree2:
        return
    found = _root_difference(tree1, tree2._node, tree2._aux, len(tree2._children))
    if found is not None:
        errors.append((path, *found))
    elif tree1._node is not None:
        keys = tree1._node.keys(tree1._aux, len(tree1._children))
        for key, one, two in zip(keys, tree1._children, tree2._children, strict=True):
            _collect_errors(one, two, (*path, key), errors)
