"""Strategies of pytrees: the containers they draw, and that fx takes them apart and together."""

from __future__ import annotations

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

import fx
from fx import testing

INTEGERS = testing.pytrees(st.integers())


@given(INTEGERS)
def test_trees_come_apart_and_together(tree) -> None:
    leaves, structure = fx.tree.flatten(tree)
    assert all(isinstance(x, int) for x in leaves)
    assert fx.tree.unflatten(structure, leaves) == tree


@pytest.mark.parametrize("kind", [tuple, list, dict, testing.Pair, testing.Record, type(None)])
def test_every_container_is_drawn(kind: type) -> None:
    assert type(find(INTEGERS, lambda tree: type(tree) is kind)) is kind


@given(testing.pytrees(st.integers(), containers=["tuple", "dict"], max_leaves=4))
def test_containers_may_be_chosen(tree) -> None:
    def check(node) -> None:
        assert type(node) in (int, tuple, dict)
        for child in node.values() if type(node) is dict else node if type(node) is tuple else ():
            check(child)

    check(tree)


@given(testing.pytrees(testing.arrays("float32", (2,), min_value=-1, max_value=1)))
def test_transformations_take_them(tree) -> None:
    double = fx.jit(lambda tree: fx.tree.map(lambda x: 2 * x, tree))(tree)
    assert fx.tree.structure(double) == fx.tree.structure(tree)
    for x, y in zip(fx.tree.leaves(tree), fx.tree.leaves(double), strict=True):
        assert (y == 2 * x).all()
