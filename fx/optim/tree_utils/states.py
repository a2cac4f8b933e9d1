"""Finding and changing parts of optimizer states by name."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from fx import tree as trees
from fx.errors import FxError, public
from fx.optim.base import ParamsPlaceholder, Tree
from fx.tree_util import DictKey

Path = tuple[Any, ...]
Filter = Callable[[Path, Any], Any] | None


class StateKeyError(FxError, KeyError):
    """A state has no part of a name, or several."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class NamedTupleKey:
    """The step of a path into a field of a named tuple, whose class it names too.

    Example:
        >>> from fx import optim
        >>> print(optim.tree_utils.NamedTupleKey("ScaleByAdamState", "mu"))
        ScaleByAdamState.mu
    """

    tuple_name: str
    name: str

    def __str__(self) -> str:
        return f"{self.tuple_name}.{self.name}"


def _is_named_tuple(node: Any) -> bool:
    return isinstance(node, tuple) and hasattr(node, "_fields")


def _children(node: Any) -> list[tuple[Any, Any]]:
    """Pairs (step of the path, child), one level down; none for a leaf."""
    if _is_named_tuple(node):
        name = type(node).__name__
        return [(NamedTupleKey(name, field), getattr(node, field)) for field in node._fields]
    if isinstance(node, dict):
        return [(DictKey(key), child) for key, child in node.items()]
    found = trees.flatten_with_path(node, is_leaf=lambda x: x is not node)[0]
    return [(path[0], child) for path, child in found if path]


def _rebuild(node: Any, children: list[Any]) -> Any:
    if _is_named_tuple(node):
        return type(node)(*children)
    if isinstance(node, dict):
        copy = node.copy()  # keeps the class and the order
        copy.update(zip(node, children, strict=True))
        return copy
    return trees.unflatten(trees.structure(node, is_leaf=lambda x: x is not node), children)


def _name(step: Any) -> Any:
    if isinstance(step, NamedTupleKey):
        return step.name
    return step.key if isinstance(step, DictKey) else None


def _find(node: Any, key: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if _is_named_tuple(node) and type(node).__name__ == key:
        yield path, node
    children = _children(node)
    for step, child in children:
        if isinstance(key, Hashable) and _name(step) == key:
            yield (*path, step), child
    for step, child in children:
        yield from _find(child, key, (*path, step))


@public
def tree_get_all_with_path(
    tree: Tree, key: Any, filtering: Filter = None
) -> list[tuple[Path, Any]]:
    """All parts of a name, with their paths.

    Args:
        tree: a pytree, such as the state of an optimizer.
        key: the name of a field or of the class of a named tuple, or a key of a dict.
        filtering: from (path, value) to whether it counts.

    Returns:
        a list of pairs (path, value); fields of named tuples are `NamedTupleKey` in the paths.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> state = optim.adam(0.1).init(jnp.ones(2))
        >>> [(path, value)] = optim.tree_utils.tree_get_all_with_path(state, "mu")
        >>> print(path[0], path[1], value)
        [0] ScaleByAdamState.mu [0. 0.]
    """
    return [
        (path, value)
        for path, value in _find(tree, key, ())
        if filtering is None or filtering(path, value)
    ]


@public
def tree_get(tree: Tree, key: Any, default: Any = None, filtering: Filter = None) -> Any:
    """The part of a name.

    Args:
        tree: a pytree, such as the state of an optimizer.
        key: the name of a field or of the class of a named tuple, or a key of a dict.
        default: the result if there is none.
        filtering: from (path, value) to whether it counts.

    Returns:
        the value.

    Raises:
        KeyError: there are several.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.inject_hyperparams(optim.sgd)(learning_rate=0.5)
        >>> optim.tree_utils.tree_get(tx.init(jnp.ones(2)), "learning_rate")
        Array(0.5, dtype=float32)
    """
    found = tree_get_all_with_path(tree, key, filtering)
    if len(found) > 1:
        places = ["".join(f"[{step}]" for step in path) for path, _ in found]
        raise StateKeyError(
            f"optim.tree_get: got {len(found)} values for {key!r}, at {', '.join(places)}; "
            "expected one. Choose with `filtering`, or take tree_get_all_with_path."
        )
    return found[0][1] if found else default


@public
def tree_set(tree: Tree, filtering: Filter = None, /, **kwargs: Any) -> Any:
    """A copy with other values for the parts of some names.

    Args:
        tree: a pytree, such as the state of an optimizer.
        filtering: from (path, old value) to whether it is replaced.
        **kwargs: from names (of a field or of the class of a named tuple, or keys of a dict) to
            the new values.

    Returns:
        a pytree.

    Raises:
        KeyError: a name does not occur.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.inject_hyperparams(optim.sgd)(learning_rate=0.5)
        >>> state = optim.tree_utils.tree_set(tx.init(jnp.ones(2)), learning_rate=jnp.float32(0.25))
        >>> state.hyperparams["learning_rate"]
        Array(0.25, dtype=float32)
    """
    for key in kwargs:
        if not tree_get_all_with_path(tree, key, filtering):
            chosen = " that the filter takes" if filtering else ""
            raise StateKeyError(
                f"optim.tree_set: got the name {key!r}, but the tree has no such field, named "
                f"tuple or key{chosen}."
            )

    def chosen_by(path: Path, value: Any) -> bool:
        return filtering is None or bool(filtering(path, value))

    def replace(node: Any, path: Path) -> Any:
        name = type(node).__name__
        if _is_named_tuple(node) and name in kwargs and chosen_by(path, node):
            return kwargs[name]
        children = _children(node)
        if not children:
            return node
        new = []
        for step, child in children:
            here, name = (*path, step), _name(step)
            if name in kwargs and chosen_by(here, child):
                new.append(kwargs[name])
            else:
                new.append(replace(child, here))
        return _rebuild(node, new)

    return replace(tree, ())


@public
def tree_map_params(
    initable: Any,
    f: Callable[..., Any],
    state: Any,
    /,
    *rest: Any,
    transform_non_params: Callable[..., Any] | None = None,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """A function of the leaves of a state that stand beside parameters, such as Adam's moments.

    Args:
        initable: a gradient transformation, or its `init`.
        f: from a leaf of the state (and the leaves of `rest` in its place) to a new leaf.
        state: a state that `initable` made.
        *rest: pytrees of the structure of the parameters.
        transform_non_params: a function of the other leaves; None leaves them as they are.
        is_leaf: what else counts as a leaf.

    Returns:
        a state of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.sgd(0.1, momentum=0.9)
        >>> state = tx.init({"w": jnp.ones(2)})
        >>> optim.tree_map_params(tx, lambda m: m + 1, state)[0].trace
        {'w': Array([1., 1.], dtype=float32)}
    """
    init = initable.init if hasattr(initable, "init") else initable

    def is_placeholder(x: Any) -> bool:
        return isinstance(x, ParamsPlaceholder)

    def change(pattern: Any, value: Any) -> Any:
        if is_placeholder(pattern):
            return trees.map(f, value, *rest, is_leaf=is_leaf)
        return value if transform_non_params is None else transform_non_params(value)

    return trees.map(change, init(ParamsPlaceholder()), state, is_leaf=is_placeholder)
