"""A treedef as Python source: functions that build its trees, and that take them apart.

Walking a structure costs a call for each node; straight-line code made for one structure costs a
few bytecodes. Each kind of node writes its own part (`Node.source`, `Node.reader`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from fx.pytree.nodes import DICT, LEAF_TYPES, Structure, interchangeable, same_aux

# The parser limits how deeply an expression may nest, and compiling costs time for each node.
_DEPTH_LIMIT = 40
_NODES_LIMIT = 3000

_STR = frozenset({str})


def can_compile(treedef: Structure) -> bool:
    """Whether the structure is a container, and small enough for its source to be compiled."""
    return (
        treedef.parts != () and treedef.depth <= _DEPTH_LIMIT and treedef.num_nodes <= _NODES_LIMIT
    )


class _Names:
    """Fresh variable names, and the objects that the source refers to by name."""

    def __init__(self, **objects: Any):
        self.objects = objects
        self._count = itertools.count()

    def new(self) -> str:
        return f"x{next(self._count)}"

    def bind(self, value: Any) -> str:
        name = f"c{next(self._count)}"
        self.objects[name] = value
        return name

    def define(self, source: str) -> Callable[..., Any]:
        exec(source, self.objects)
        return self.objects.pop("compiled")


def compile_builder(treedef: Structure) -> Callable[[Sequence[Any]], Any]:
    """A function from a sequence of leaves, of the right length, to the tree."""
    names = _Names()
    leaves: list[str] = []

    def expression(treedef: Structure) -> str:
        if treedef.node is None:
            leaves.append(names.new())
            return leaves[-1]
        children = [expression(child) for child in treedef.parts]
        return treedef.node.source(treedef.aux, children, names.bind)

    result = expression(treedef)
    unpack = f" {', '.join(leaves)}, = leaves\n" if leaves else ""
    return names.define(f"def compiled(leaves):\n{unpack} return {result}")


def compile_reader(treedef: Structure) -> Callable[[Any, bool], list[Any] | None]:
    """A function (tree, exact) -> what the tree has where the structure has leaves, or None.

    The function gives None for a tree of another structure. With `exact`, these parts must be
    leaves, and static data must not merely be equal but indistinguishable.
    """
    names = _Names(
        type=type,
        len=len,
        map=map,
        chain=itertools.chain,
        leaf_types=LEAF_TYPES,
        str_only=_STR,
        interchangeable=interchangeable,
        same_aux=same_aux,
    )
    lines: list[str] = []
    leaves: list[str] = []
    dicts: list[str] = []
    plain_keys = True

    def read(treedef: Structure, tree: str) -> None:
        nonlocal plain_keys
        if treedef.node is None:
            leaves.append(tree)
            return
        children = [names.new() for _ in treedef.parts]
        lines.extend(treedef.node.reader(tree, treedef.aux, children, names.bind))
        if treedef.node is DICT:
            dicts.append(tree)
            plain_keys &= _STR.issuperset(map(type, treedef.aux))
        for child, name in zip(treedef.parts, children, strict=True):
            read(child, name)

    read(treedef, "tree")
    # Keys found by lookup are equal; that they are equal strings makes them the same.
    exact = f"leaf_types.issuperset(map(type, leaves)) and {plain_keys}"
    if dicts:
        exact += f" and str_only.issuperset(map(type, chain({', '.join(dicts)})))"
    body = [
        "same = interchangeable if exact else same_aux",
        "try:",
        *(f" {line}" for line in lines),
        "except KeyError:",
        " return None",
        f"leaves = [{', '.join(leaves)}]",
        f"return None if exact and not ({exact}) else leaves",
    ]
    return names.define("def compiled(tree, exact):\n" + "\n".join(f" {line}" for line in body))
