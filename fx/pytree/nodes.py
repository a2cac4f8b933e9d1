"""What a pytree node is: how one level of a container comes apart and goes together again.

A registered type has one `Node`, which knows its children, their keys, its static ("aux") data
and how to print and rebuild it. Everything else is a leaf. This module owns the registry.
"""

from __future__ import annotations

import functools
import operator
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from fx.errors import FxTypeError, TreeError
from fx.pytree.keys import DictKey, FlattenedIndexKey, GetAttrKey, KeyEntry, SequenceKey

# ---------------------------------------------------------------------------------------------
# Nodes


class Structure(Protocol):
    """What the modules below `treedef` know of a `PyTreeDef`."""

    node: Node | None  # kind of the root; None for a leaf
    aux: Any  # its static data
    num_leaves: int
    num_nodes: int
    depth: int

    @property
    def parts(self) -> tuple[Structure, ...]: ...  # its children


class Node:
    """One container type. `cls` is the exact type; subclasses of it are other types."""

    __slots__ = ("cls", "recent")

    def __init__(self, cls: type):
        self.cls = cls
        self.recent: Any = None  # the latest structure with this root; kept here by treedef.py

    def flatten(self, tree: Any) -> tuple[Sequence[Any], Any]:
        """(children, static data) of one container."""
        raise NotImplementedError

    def unflatten(self, aux: Any, children: Sequence[Any]) -> Any:
        """The container again."""
        raise NotImplementedError

    def keys(self, aux: Any, count: int) -> Sequence[KeyEntry]:
        """Keys of the children, as far as they follow from the static data."""
        raise NotImplementedError

    def flatten_with_keys(self, tree: Any) -> tuple[Sequence[KeyEntry], Sequence[Any], Any]:
        """(keys, children, static data) of one container."""
        children, aux = self.flatten(tree)
        return self.keys(aux, len(children)), children, aux

    def text(self, aux: Any, children: Sequence[str]) -> str:
        """How a treedef prints this node around its printed children."""
        return f"CustomNode({self.cls.__name__}[{aux}], [{', '.join(children)}])"

    def source(self, aux: Any, children: Sequence[str], bind: Callable[[Any], str]) -> str:
        """Python source that builds the container from its children's source.

        `bind` gives a name to an object that the source refers to.
        """
        inner = "".join(f"{child}," for child in children)
        return f"{bind(self.unflatten)}({bind(aux)}, ({inner}))"

    def reader(
        self, tree: str, aux: Any, children: Sequence[str], bind: Callable[[Any], str]
    ) -> list[str]:
        """Python statements that assign the children of the variable `tree` to variables.

        They return None from the function around them, or raise KeyError, if `tree` is another
        kind of container. `same` compares static data there.
        """
        node, count = bind(self), len(children)
        return [
            f"if type({tree}) is not {bind(self.cls)}: return None",
            f"children, aux = {node}.flatten({tree})",
            f"if len(children) != {count} or not same({node}, {bind(aux)}, aux): return None",
            *_unpack(children, "children"),
        ]

    def describe(self, aux: Any, count: int) -> str:
        """A phrase for error messages."""
        children = "1 child" if count == 1 else f"{count} children"
        return f"{named(self.cls)} with {children} and static data {brief(aux)}"


def _unpack(names: Sequence[str], sequence: str) -> list[str]:
    return [f"{''.join(f'{name},' for name in names)} = {sequence}"] if names else []


def named(cls: type) -> str:
    """The name of a class with its article."""
    return f"{'an' if cls.__name__[0] in 'AEIOU' else 'a'} {cls.__name__}"


def brief(value: Any, width: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= width else text[: width - 4] + " ..."


@functools.lru_cache(maxsize=256)
def _sequence_keys(count: int) -> tuple[SequenceKey, ...]:
    return tuple(map(SequenceKey, range(count)))


def _read_sequence(
    cls: type, tree: str, children: Sequence[str], bind: Callable[[Any], str]
) -> list[str]:
    check = f"if type({tree}) is not {bind(cls)} or len({tree}) != {len(children)}: return None"
    return [check, *_unpack(children, tree)]


class _SequenceNode(Node):
    """list and tuple."""

    __slots__ = ()

    def flatten(self, tree: Any) -> tuple[Sequence[Any], Any]:
        return tree, None

    def unflatten(self, aux: Any, children: Sequence[Any]) -> Any:
        return self.cls(children)

    def keys(self, aux: Any, count: int) -> Sequence[KeyEntry]:
        return _sequence_keys(count)

    def text(self, aux: Any, children: Sequence[str]) -> str:
        inner = ", ".join(children)
        if self.cls is list:
            return f"[{inner}]"
        return f"({inner},)" if len(children) == 1 else f"({inner})"

    def source(self, aux: Any, children: Sequence[str], bind: Callable[[Any], str]) -> str:
        return self.text(aux, children)

    def reader(
        self, tree: str, aux: Any, children: Sequence[str], bind: Callable[[Any], str]
    ) -> list[str]:
        return _read_sequence(self.cls, tree, children, bind)

    def describe(self, aux: Any, count: int) -> str:
        return f"a {self.cls.__name__} of length {count}"


class _NoneNode(Node):
    """None: a node without children."""

    __slots__ = ()

    def flatten(self, tree: Any) -> tuple[Sequence[Any], Any]:
        return (), None

    def unflatten(self, aux: Any, children: Sequence[Any]) -> Any:
        return None

    def keys(self, aux: Any, count: int) -> Sequence[KeyEntry]:
        return ()

    def text(self, aux: Any, children: Sequence[str]) -> str:
        return "None"

    def source(self, aux: Any, children: Sequence[str], bind: Callable[[Any], str]) -> str:
        return "None"

    def reader(
        self, tree: str, aux: Any, children: Sequence[str], bind: Callable[[Any], str]
    ) -> list[str]:
        return [f"if {tree} is not None: return None"]

    def describe(self, aux: Any, count: int) -> str:
        return "None (an empty subtree)"


class DictOrder:
    """The sorted keys of a dict, and how to read its values in that order."""

    __slots__ = ("key_path", "keys", "recent", "treedef", "values")

    def __init__(self, keys: tuple[Any, ...]):
        self.keys = keys
        # Kept here by treedef.py: the structure of a dict of leaves with these keys, and the
        # latest one of a dict with these keys that nests further.
        self.treedef: Any = None
        self.recent: Any = None
        self.key_path = tuple(map(DictKey, keys))
        if len(keys) > 1:
            self.values: Callable[[dict], tuple] = operator.itemgetter(*keys)
        else:
            self.values = lambda tree: tuple(tree[key] for key in keys)


_STR = frozenset({str})
# Types whose equal values of the same type are interchangeable, so that an order found for some
# keys can be used for equal ones. (1 == True == 1.0, and an enum member may equal its string.)
_PLAIN_KEYS = frozenset({str, int, bool, bytes, type(None)})
_ORDERS: dict[Any, DictOrder] = {}
_ORDERS_LIMIT = 4096


def dict_order(tree: dict) -> DictOrder:
    """The order of a dict's keys; dicts that list the same names share one object."""
    keys = tuple(tree)
    order = _ORDERS.get(keys)
    if order is not None and _STR.issuperset(map(type, keys)):
        return order
    return _find_order(keys)


def _find_order(keys: tuple[Any, ...]) -> DictOrder:
    types = tuple(map(type, keys))
    name = keys if _STR.issuperset(types) else (keys, types)
    if not _PLAIN_KEYS.issuperset(types):
        return DictOrder(_sorted(keys))
    order = _ORDERS.get(name)
    if order is None:
        if len(_ORDERS) >= _ORDERS_LIMIT:
            _ORDERS.clear()
        ordered = _sorted(keys)
        # Dicts that differ only in insertion order share the object that belongs to sorted keys.
        order = DictOrder(ordered) if ordered == keys else _find_order(ordered)
        _ORDERS[name] = order
    return order


def _sorted(keys: Iterable[Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(keys))
    except TypeError:
        kinds = sorted({type(key).__name__ for key in keys})
        raise TreeError(
            f"the keys of a dict in a pytree must be sortable, got {brief(tuple(keys))} "
            f"(of types {', '.join(kinds)}). Use keys of one sortable type, or a "
            "collections.OrderedDict, whose children keep the order of insertion."
        ) from None


def _describe_keys(name: str, keys: Sequence[Any]) -> str:
    if not keys:
        return f"an empty {name}"
    article = "an" if name[0] == "O" else "a"
    shown = ", ".join(map(repr, keys[:8])) + (", ..." if len(keys) > 8 else "")
    return f"{article} {name} with {len(keys)} key{'s' if len(keys) > 1 else ''}: {shown}"


class _DictNode(Node):
    """dict: children in the order of sorted keys, which are the static data."""

    __slots__ = ()

    def flatten(self, tree: Any) -> tuple[Sequence[Any], Any]:
        order = dict_order(tree)
        return order.values(tree), order.keys

    def flatten_with_keys(self, tree: Any) -> tuple[Sequence[KeyEntry], Sequence[Any], Any]:
        order = dict_order(tree)
        return order.key_path, order.values(tree), order.keys

    def unflatten(self, aux: Any, children: Sequence[Any]) -> Any:
        return dict(zip(aux, children, strict=True))

    def keys(self, aux: Any, count: int) -> Sequence[KeyEntry]:
        return tuple(map(DictKey, aux))

    def text(self, aux: Any, children: Sequence[str]) -> str:
        items = (f"{key!r}: {child}" for key, child in zip(aux, children, strict=True))
        return f"{{{', '.join(items)}}}"

    def source(self, aux: Any, children: Sequence[str], bind: Callable[[Any], str]) -> str:
        items = (
            f"{repr(key) if type(key) is str else bind(key)}: {child}"
            for key, child in zip(aux, children, strict=True)
        )
        return f"{{{', '.join(items)}}}"

    def reader(
        self, tree: str, aux: Any, children: Sequence[str], bind: Callable[[Any], str]
    ) -> list[str]:
        return [
            f"if type({tree}) is not dict or len({tree}) != {len(aux)}: return None",
            *(
                f"{child} = {tree}[{repr(key) if type(key) is str else bind(key)}]"
                for key, child in zip(aux, children, strict=True)
            ),
        ]

    def describe(self, aux: Any, count: int) -> str:
        return _describe_keys("dict", aux)


class _OrderedDictNode(Node):
    """OrderedDict: the order of insertion is part of the structure."""

    __slots__ = ()

    def flatten(self, tree: Any) -> tuple[Sequence[Any], Any]:
        return tuple(tree.values()), tuple(tree)

    def keys(self, aux: Any, count: int) -> Sequence[KeyEntry]:
        return tuple(map(DictKey, aux))

    def unflatten(self, aux: Any, children: Sequence[Any]) -> Any:
        return OrderedDict(zip(aux, children, strict=True))

    def describe(self, aux: Any, count: int) -> str:
        return _describe_keys("OrderedDict", aux)


class _DefaultDictNode(Node):
    """defaultdict: static data are the factory and the sorted keys."""

    __slots__ = ()

    def flatten(self, tree: Any) -> tuple[Sequence[Any], Any]:
        order = dict_order(tree)
        return order.values(tree), (tree.default_factory, order.keys)

    def unflatten(self, aux: Any, children: Sequence[Any]) -> Any:
        factory, keys = aux
        return defaultdict(factory, zip(keys, children, strict=True))

    def keys(self, aux: Any, count: int) -> Sequence[KeyEntry]:
        return tuple(map(DictKey, aux[1]))

    def describe(self, aux: Any, count: int) -> str:
        return _describe_keys(f"defaultdict({aux[0]})", aux[1])


class _NamedTupleNode(Node):
    """Any type made by namedtuple or typing.NamedTuple; recognized without registration."""

    __slots__ = ()

    def flatten(self, tree: Any) -> tuple[Sequence[Any], Any]:
        return tree, None

    def unflatten(self, aux: Any, children: Sequence[Any]) -> Any:
        return self.cls(*children)

    def keys(self, aux: Any, count: int) -> Sequence[KeyEntry]:
        return tuple(map(GetAttrKey, self.cls._fields))  # type: ignore[attr-defined]

    def text(self, aux: Any, children: Sequence[str]) -> str:
        return f"CustomNode(namedtuple[{self.cls.__name__}], [{', '.join(children)}])"

    def source(self, aux: Any, children: Sequence[str], bind: Callable[[Any], str]) -> str:
        return f"{bind(self.cls)}({', '.join(children)})"

    def reader(
        self, tree: str, aux: Any, children: Sequence[str], bind: Callable[[Any], str]
    ) -> list[str]:
        return _read_sequence(self.cls, tree, children, bind)

    def describe(self, aux: Any, count: int) -> str:
        return f"a namedtuple {self.cls.__name__}"


class DataclassNode(Node):
    """A class whose state is its fields: some are children, the others static data."""

    __slots__ = ("data", "meta")

    def __init__(self, cls: type, data: tuple[str, ...], meta: tuple[str, ...]):
        super().__init__(cls)
        self.data = data
        self.meta = meta

    def flatten(self, tree: Any) -> tuple[Sequence[Any], Any]:
        children = tuple([getattr(tree, name) for name in self.data])
        return children, tuple([getattr(tree, name) for name in self.meta])

    def unflatten(self, aux: Any, children: Sequence[Any]) -> Any:
        fields = dict(zip(self.meta, aux, strict=True))
        fields.update(zip(self.data, children, strict=True))
        return self.cls(**fields)

    def keys(self, aux: Any, count: int) -> Sequence[KeyEntry]:
        return tuple(map(GetAttrKey, self.data))

    def source(self, aux: Any, children: Sequence[str], bind: Callable[[Any], str]) -> str:
        values = [*map(bind, aux), *children]
        fields = zip(self.meta + self.data, values, strict=True)
        return f"{bind(self.cls)}({', '.join(f'{name}={value}' for name, value in fields)})"

    def describe(self, aux: Any, count: int) -> str:
        static = ", ".join(
            f"{name}={brief(value)}" for name, value in zip(self.meta, aux, strict=True)
        )
        return named(self.cls) + (f" with {static}" if static else "")


class CustomNode(Node):
    """A type registered with functions."""

    __slots__ = ("_flatten", "_flatten_with_keys", "_unflatten")

    def __init__(
        self,
        cls: type,
        flatten: Callable[[Any], tuple[Iterable[Any], Any]],
        unflatten: Callable[[Any, Any], Any],
        flatten_with_keys: Callable[[Any], tuple[Iterable[Any], Any]] | None,
    ):
        super().__init__(cls)
        self._flatten = flatten
        self._unflatten = unflatten
        self._flatten_with_keys = flatten_with_keys

    def flatten(self, tree: Any) -> tuple[Sequence[Any], Any]:
        children, aux = self._pair(self._flatten(tree), "children")
        return (children if type(children) is tuple else tuple(children)), aux

    def unflatten(self, aux: Any, children: Sequence[Any]) -> Any:
        return self._unflatten(aux, children)

    def keys(self, aux: Any, count: int) -> Sequence[KeyEntry]:
        return tuple(map(FlattenedIndexKey, range(count)))

    def flatten_with_keys(self, tree: Any) -> tuple[Sequence[KeyEntry], Sequence[Any], Any]:
        if self._flatten_with_keys is None:
            return super().flatten_with_keys(tree)
        pairs, aux = self._pair(self._flatten_with_keys(tree), "(key, child) pairs")
        pairs = tuple(pairs)
        return tuple(key for key, _ in pairs), tuple(child for _, child in pairs), aux

    def _pair(self, result: Any, what: str) -> tuple[Iterable[Any], Any]:
        try:
            children, aux = result
            iter(children)
        except (TypeError, ValueError):
            raise TreeError(
                f"the function registered to flatten {self.cls.__name__} must return "
                f"({what}, static data), got {brief(result)}."
            ) from None
        return children, aux

    def source(self, aux: Any, children: Sequence[str], bind: Callable[[Any], str]) -> str:
        inner = "".join(f"{child}," for child in children)
        return f"{bind(self._unflatten)}({bind(aux)}, ({inner}))"


# ---------------------------------------------------------------------------------------------
# Static data


def same_aux(node: Node, a: Any, b: Any) -> bool:
    """Whether the static data of two nodes are equal.

    Raises:
      FxTypeError: their == fails, or gives no bool.
    """
    if a is b:
        return True
    try:
        return bool(a == b)
    except Exception as error:
        raise FxTypeError(
            f"cannot compare the static data of two {node.cls.__name__}: {error}. Static data "
            "must have an == that gives one bool; arrays belong among the children."
        ) from error


_ATOMS = frozenset({str, int, bool, bytes, type(None), type})


def interchangeable(node: Node, a: Any, b: Any) -> bool:
    """Whether static data are equal and cannot be told apart, as 1 and True or 0.0 and -0.0 can."""
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is tuple:
        return len(a) == len(b) and all(
            interchangeable(node, x, y) for x, y in zip(a, b, strict=True)
        )
    if kind is float:
        return repr(a) == repr(b)
    return kind in _ATOMS and a == b


# ---------------------------------------------------------------------------------------------
# The registry

TUPLE, LIST, DICT, NONE = (
    _SequenceNode(tuple),
    _SequenceNode(list),
    _DictNode(dict),
    _NoneNode(type(None)),
)
NODES: dict[type, Node] = {
    node.cls: node
    for node in (
        TUPLE,
        LIST,
        DICT,
        NONE,
        _OrderedDictNode(OrderedDict),
        _DefaultDictNode(defaultdict),
    )
}
# Types seen and found not to be nodes: one set operation then tells that children are all leaves.
LEAF_TYPES: set[type] = {bool, int, float, complex, str, bytes, np.ndarray}


def find_node(kind: type) -> Node | None:
    """The node of a type, or None for a leaf type, which is remembered."""
    node = NODES.get(kind)
    if node is not None:
        return node
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return NODES.setdefault(kind, _NamedTupleNode(kind))
    LEAF_TYPES.add(kind)
    return None


def is_tree_node(typ: type) -> bool:
    """Whether instances of exactly this type are containers rather than leaves.

    >>> is_tree_node(dict), is_tree_node(int)
    (True, False)
    """
    return find_node(typ) is not None


def register(node: Node) -> None:
    """Enter a node into the registry; refuses a class that is registered already."""
    known = NODES.get(node.cls)
    if known is not None and not isinstance(known, _NamedTupleNode):
        raise TreeError(
            f"{node.cls.__module__}.{node.cls.__qualname__} is already registered as a pytree "
            "node; register each class once."
        )
    NODES[node.cls] = node
    LEAF_TYPES.discard(node.cls)
