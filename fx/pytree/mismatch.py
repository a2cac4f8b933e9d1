"""Errors for trees that should have had the same structure: where, what each has, what to do."""

from __future__ import annotations

from typing import Any

from fx.errors import TreeError
from fx.pytree.keys import KeyPath, keystr
from fx.pytree.nodes import DICT, LIST, NONE, TUPLE, Node, Structure, find_node, same_aux


def abbreviate(treedef: Structure, width: int = 200) -> str:
    """The printed structure, cut to about `width` characters for an error message."""
    text = repr(treedef)
    return text if len(text) <= width else f"{text[:width]} ... ({treedef.num_leaves} leaves)"


def mismatch(
    treedef: Structure, tree: Any, operation: str, expected_name: str, got_name: str
) -> TreeError:
    """The error for a tree that does not have the structure `treedef` down to its leaves.

    Args:
      treedef: the structure.
      tree: the tree that differs from it.
      operation: what was going on; begins the message.
      expected_name: what the structure belongs to, such as "the first tree".
      got_name: what `tree` is.
    """
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
    treedef: Structure, tree: Any, path: KeyPath
) -> tuple[KeyPath, str, str, str] | None:
    if treedef.node is None:
        return None
    node = find_node(type(tree))
    if node is None:
        got = f"a leaf of type {type(tree).__name__}"
        return path, _describe(treedef), got, _advice_for_types(treedef.node, None)
    keys, children, aux = node.flatten_with_keys(tree)
    found = _root_difference(treedef, node, aux, len(children))
    if found is not None:
        return path, *found
    for key, child, subtree in zip(keys, treedef.parts, children, strict=True):
        deeper = _first_difference(child, subtree, (*path, key))
        if deeper is not None:
            return deeper
    return None


def match_prefix(operation: str, prefix: Any, treedef: Structure, is_leaf: Any) -> list[Any]:
    """Each leaf of `prefix`, once for every leaf of `treedef` that it stands for.

    Raises:
      TreeError: `prefix` is no prefix of `treedef`.
    """
    leaves: list[Any] = []

    def walk(prefix: Any, part: Structure, path: KeyPath) -> None:
        node = None if is_leaf is not None and is_leaf(prefix) else find_node(type(prefix))
        if node is None:
            leaves.extend([prefix] * part.num_leaves)
            return
        keys, children, aux = node.flatten_with_keys(prefix)
        found = _root_difference(part, node, aux, len(children))
        if found is not None:
            full, got, fix = found
            raise TreeError(
                f"{operation}: not a prefix of the tree it is for, {abbreviate(treedef)}:\n"
                f"  {operation}{keystr(path)} is {got}\n"
                f"  the tree has {full} there\n"
                f"{fix}"
            )
        for key, child, child_part in zip(keys, children, part.parts, strict=True):
            walk(child, child_part, (*path, key))

    walk(prefix, treedef, ())
    return leaves


def equality_errors_pytreedef(
    tree1: Structure, tree2: Structure
) -> list[tuple[KeyPath, str, str, str]]:
    """Where two structures differ: [(path, what 1 has, what 2 has, what to do)].

    Children of classes that were registered with key functions are named by position here, since
    a structure does not hold their keys.
    """
    errors: list[tuple[KeyPath, str, str, str]] = []
    _collect_errors(tree1, tree2, (), errors)
    return errors


def _collect_errors(
    tree1: Structure,
    tree2: Structure,
    path: KeyPath,
    errors: list[tuple[KeyPath, str, str, str]],
) -> None:
    if tree1 is tree2:
        return
    found = _root_difference(tree1, tree2.node, tree2.aux, len(tree2.parts))
    if found is not None:
        errors.append((path, *found))
    elif tree1.node is not None:
        keys = tree1.node.keys(tree1.aux, len(tree1.parts))
        for key, one, two in zip(keys, tree1.parts, tree2.parts, strict=True):
            _collect_errors(one, two, (*path, key), errors)


def _describe(treedef: Structure) -> str:
    if treedef.node is None:
        return "a leaf"
    return treedef.node.describe(treedef.aux, len(treedef.parts))


def _root_difference(
    treedef: Structure, node: Node | None, aux: Any, count: int
) -> tuple[str, str, str] | None:
    """(what the root of `treedef` is, what the other root is, advice) if the two differ."""
    expected = treedef.node
    got = "a leaf" if node is None else node.describe(aux, count)
    if expected is None:
        if node is None:
            return None
        return "a leaf", got, "Give one value there instead of a container."
    if node is not expected:
        return _describe(treedef), got, _advice_for_types(expected, node)
    if count != len(treedef.parts) or not same_aux(expected, treedef.aux, aux):
        return _describe(treedef), got, _advice_for_node(expected, treedef.aux, aux)
    return None


def _advice_for_types(expected: Node, got: Node | None) -> str:
    if expected is NONE or got is NONE:
        return (
            "None is a container without leaves: put a value on both sides or on neither, or pass "
            "is_leaf=lambda x: x is None where None should count as a leaf."
        )
    if got is None:
        return "Give a container of the same structure there instead of a leaf."
    return (
        f"Both must be containers of the same type: convert the {got.cls.__name__} to "
        f"{expected.cls.__name__}, or the other way round."
    )


def _advice_for_node(node: Node, expected: Any, got: Any) -> str:
    if node is TUPLE or node is LIST:
        return "Make the two lengths equal."
    if node is DICT:
        missing = [key for key in expected if key not in got]
        extra = [key for key in got if key not in expected]
        advice = [f"add the missing {_listed(missing)}"] if missing else []
        advice += [f"remove the unexpected {_listed(extra)}"] if extra else []
        return f"The keys must be equal: {' and '.join(advice)}."
    return (
        f"The static data of a {node.cls.__name__} (its keys, names or hyperparameters) must be "
        "equal on both sides."
    )


def _listed(keys: list[Any]) -> str:
    return ", ".join(map(repr, keys[:8])) + (", ..." if len(keys) > 8 else "")
