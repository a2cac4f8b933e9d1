"""How users make their own classes pytree nodes, and `Partial`, a function that is one."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from fx.errors import FxTypeError, TreeError
from fx.pytree.nodes import CustomNode, DataclassNode, brief, register
from fx.signatures import shown

T = TypeVar("T", bound=type)


def _check_class(function: str, cls: Any) -> None:
    if not isinstance(cls, type):
        raise FxTypeError(f"{function} takes a class, got {brief(cls)}.")


def register_pytree_node(
    nodetype: type,
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_with_keys_func: Callable[[Any], tuple[Iterable[Any], Any]] | None = None,
) -> None:
    """Make instances of a class containers.

    Args:
      nodetype: the class; subclasses are not included.
      flatten_func: instance -> (children, static data). The static data must be hashable to be
        used with jit, and comparable.
      unflatten_func: (static data, tuple of children) -> instance. Children may be any objects,
        so it should not convert or check them.
      flatten_with_keys_func: instance -> (pairs of key and child, static data), for key paths.

    Raises:
      TreeError: the class is registered already.

    >>> from fx.tree_util import is_tree_node
    >>> class Pair:
    ...     def __init__(self, a, b):
    ...         self.a, self.b = a, b
    >>> register_pytree_node(Pair, lambda p: ((p.a, p.b), None), lambda _, ab: Pair(*ab))
    >>> is_tree_node(Pair)
    True
    """
    _check_class("register_pytree_node", nodetype)
    if not (callable(flatten_func) and callable(unflatten_func)):
        raise FxTypeError(
            f"register_pytree_node({nodetype.__name__}, ...): flatten_func and unflatten_func "
            f"must be callable, got {brief(flatten_func)} and {brief(unflatten_func)}."
        )
    register(CustomNode(nodetype, flatten_func, unflatten_func, flatten_with_keys_func))


def register_pytree_with_keys(
    nodetype: type,
    flatten_with_keys: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]] | None = None,
) -> None:
    """`register_pytree_node` for a class whose children have keys.

    Args:
      nodetype: the class.
      flatten_with_keys: instance -> (pairs of key and child, static data).
      unflatten_func: (static data, tuple of children) -> instance.
      flatten_func: the same as `flatten_with_keys` without keys, only needed for speed.

    Raises:
      TreeError: the class is registered already.
    """

    def without_keys(tree: Any) -> tuple[Iterable[Any], Any]:
        pairs, aux = flatten_with_keys(tree)
        return tuple(child for _, child in pairs), aux

    register_pytree_node(nodetype, flatten_func or without_keys, unflatten_func, flatten_with_keys)


def _has_methods(cls: Any, name: str, *methods: str) -> None:
    missing = [m for m in methods if not callable(getattr(cls, m, None))]
    if not isinstance(cls, type) or missing:
        raise FxTypeError(
            f"tree_util.{name} expects a class with the methods {' and '.join(methods)}, got "
            f"{shown(cls)}."
        )


def register_pytree_node_class(cls: T) -> T:
    """Class decorator: register a class by its methods `tree_flatten` and `tree_unflatten`.

    >>> @register_pytree_node_class
    ... class Scaled:
    ...     def __init__(self, x, scale):
    ...         self.x, self.scale = x, scale
    ...
    ...     def tree_flatten(self):
    ...         return (self.x,), self.scale
    ...
    ...     @classmethod
    ...     def tree_unflatten(cls, scale, children):
    ...         return cls(*children, scale)
    """
    _has_methods(cls, "register_pytree_node_class", "tree_flatten", "tree_unflatten")
    register_pytree_node(cls, operator.methodcaller("tree_flatten"), cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_pytree_with_keys_class(cls: T) -> T:
    """Class decorator: register by `tree_flatten_with_keys` and `tree_unflatten`.

    A method `tree_flatten` is used where keys are not needed, if there is one.
    """
    _has_methods(cls, "register_pytree_with_keys_class", "tree_flatten_with_keys", "tree_unflatten")
    flatten = operator.methodcaller("tree_flatten") if hasattr(cls, "tree_flatten") else None
    register_pytree_with_keys(
        cls,
        operator.methodcaller("tree_flatten_with_keys"),
        cls.tree_unflatten,  # type: ignore[attr-defined]
        flatten,
    )
    return cls


def register_static(cls: T) -> T:
    """Class decorator: instances are containers without children, static under jit.

    The class must be hashable and comparable, since instances become part of treedefs.

    >>> @register_static
    ... class Mode(str):
    ...     pass
    """
    _check_class("register_static", cls)
    register_pytree_node(cls, lambda obj: ((), obj), lambda obj, _: obj)
    return cls


def register_dataclass(
    nodetype: T,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> T:
    """Make instances of a dataclass containers of their fields. Also a decorator.

    Args:
      nodetype: a dataclass, or a class whose state is its fields and whose constructor takes them
        as keywords.
      data_fields: names of the fields that are children. Default: all but those marked static.
      meta_fields: names of the fields that are static data, hashable and comparable. Default:
        those declared with `fx.tree.static()` or `dataclasses.field(metadata={"static": True})`.
      drop_fields: names of fields of a dataclass that are left out; they get their default value.

    Raises:
      FxTypeError: only one of `data_fields` and `meta_fields` is given, or neither and
        `nodetype` is not a dataclass.
      TreeError: the fields do not cover the constructor's ones, or overlap.

    >>> import dataclasses
    >>> @register_dataclass
    ... @dataclasses.dataclass(frozen=True)
    ... class Affine:
    ...     w: float
    ...     b: float
    ...     name: str = dataclasses.field(default="affine", metadata={"static": True})
    """
    _check_class("register_dataclass", nodetype)
    is_dataclass = dataclasses.is_dataclass(nodetype)
    if (data_fields is None) != (meta_fields is None):
        raise FxTypeError(
            f"register_dataclass({nodetype.__name__}): give both data_fields and meta_fields or "
            f"neither, got data_fields={data_fields!r} and meta_fields={meta_fields!r}."
        )
    if data_fields is None or meta_fields is None:
        if not is_dataclass:
            raise FxTypeError(
                f"register_dataclass({nodetype.__name__}): it is not a dataclass, so data_fields "
                "and meta_fields are needed. Decorate it with @dataclasses.dataclass first, or "
                "name its fields."
            )
        fields = [f for f in dataclasses.fields(nodetype) if f.name not in drop_fields]
        data_fields = [f.name for f in fields if not f.metadata.get("static", False)]
        meta_fields = [f.name for f in fields if f.metadata.get("static", False)]
    data, meta = tuple(data_fields), tuple(meta_fields)
    if overlap := set(data) & set(meta):
        raise TreeError(
            f"register_dataclass({nodetype.__name__}): fields {sorted(overlap)} are named both as "
            "data and as static; keep each in one list."
        )
    if is_dataclass:
        _check_fields(nodetype, {*data, *meta}, drop_fields)
    register(DataclassNode(nodetype, data, meta))
    return nodetype


def _check_fields(nodetype: type, named: set[str], drop_fields: Sequence[str]) -> None:
    taken = {f.name for f in dataclasses.fields(nodetype) if f.init} - set(drop_fields)  # type: ignore[arg-type]
    if missing := sorted(taken - named):
        raise TreeError(
            f"register_dataclass({nodetype.__name__}): fields {missing} are neither data nor "
            "static. Add each to data_fields or meta_fields, or to drop_fields if its default "
            "value will do."
        )
    if unknown := sorted(named - taken):
        raise TreeError(
            f"register_dataclass({nodetype.__name__}): its constructor takes no {unknown}. "
            "Leave them out; put a field declared with init=False into drop_fields."
        )


# ---------------------------------------------------------------------------------------------
# Partial


class _HiddenPartial:
    """Wraps a functools.partial so that Partial does not merge it into its own arguments."""

    def __init__(self, function: functools.partial):
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return self.function == getattr(other, "function", other)

    def __hash__(self) -> int:
        return hash(self.function)

    def __repr__(self) -> str:
        return repr(self.function)


class Partial(functools.partial):
    """A `functools.partial` that is a pytree: bound arguments are children, the function static.

    It can be passed to, and returned from, transformed functions.

    >>> double = Partial(lambda a, x: a * x, 2)
    >>> double(21)
    42
    """

    def __new__(cls, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Partial:
        if not callable(func):
            raise FxTypeError(f"tree_util.Partial expects a function, got {shown(func)}.")
        if isinstance(func, functools.partial):
            func = _HiddenPartial(func)
        return super().__new__(cls, func, *args, **kwargs)


register_pytree_node(
    Partial,
    lambda partial: ((partial.args, partial.keywords), partial.func),
    lambda function, bound: Partial(function, *bound[0], **bound[1]),
)
