"""Strategies of pytrees: the containers that fx knows, nested at random."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from fx.tree_util import register_dataclass


class Pair(NamedTuple):
    """A named tuple, as `pytrees` draws them."""

    first: Any
    second: Any


@register_dataclass
@dataclasses.dataclass(frozen=True)
class Record:
    """A registered dataclass, as `pytrees` draws them."""

    left: Any
    right: Any


_CONTAINERS = ("tuple", "list", "dict", "namedtuple", "dataclass", "none")


def pytrees(
    leaves: st.SearchStrategy[Any],
    *,
    containers: Iterable[str] = _CONTAINERS,
    max_leaves: int = 8,
    max_width: int = 3,
) -> st.SearchStrategy[Any]:
    """Pytrees: tuples, lists, dicts, named tuples, dataclasses and None, nested, with leaves.

    Args:
        leaves: a strategy of leaves; it must not draw None, which is a tree without leaves.
        containers: which of "tuple", "list", "dict", "namedtuple", "dataclass" and "none" there
            may be. Named tuples are `Pair`s, dataclasses are `Record`s.
        max_leaves: about how many leaves a tree may have.
        max_width: of one tuple, list or dict; each may be empty, too.

    Returns:
        A strategy of pytrees. Examples shrink to few containers and leaves, these to None.

    Example:
        >>> from hypothesis import find, strategies as st
        >>> find(pytrees(st.integers()), lambda tree: isinstance(tree, Record))
        Record(left=None, right=None)
    """
    if not isinstance(leaves, st.SearchStrategy):
        raise InvalidArgument(f"pytrees: leaves={leaves!r} must be a strategy")
    chosen = [containers] if isinstance(containers, str) else list(containers)
    unknown = [c for c in chosen if c not in _CONTAINERS]
    if unknown:
        raise InvalidArgument(
            f"pytrees: containers has {unknown}, expected some of {list(_CONTAINERS)}"
        )
    keys = st.text("abcxyz", min_size=1, max_size=2)

    def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, max_size=max_width)
        table = {
            "tuple": several.map(tuple),
            "list": several,
            "dict": st.dictionaries(keys, inner, max_size=max_width),
            "namedtuple": st.builds(Pair, inner, inner),
            "dataclass": st.builds(Record, inner, inner),
        }
        return st.one_of(*[table[c] for c in chosen if c != "none"])

    base = leaves | st.none() if "none" in chosen else leaves
    if set(chosen) <= {"none"}:
        return base
    return st.recursive(base, extend, max_leaves=max_leaves)
