"""Pytrees: registering classes, and errors that name the path and the remedy."""

import collections
import dataclasses
import functools
import operator
from typing import Any, NamedTuple

import numpy as np
import pytest

from fx import pytree, tree
from fx.errors import FxTypeError, TreeError
from fx.tree_util import (
    GetAttrKey,
    Partial,
    flatten_one_level,
    keystr,
    register_dataclass,
    register_pytree_node,
    register_pytree_with_keys,
    register_static,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_leaves_with_path,
    tree_map,
    tree_structure,
)


class Point(NamedTuple):
    x: Any
    y: Any = 0


@register_dataclass
@dataclasses.dataclass(frozen=True)
class Layer:
    w: Any
    b: Any
    name: str = tree.static(default="layer")
    scale: float = tree.static(default=1.0)


@dataclasses.dataclass
class Box:
    items: list
    label: Any = None


register_pytree_node(
    Box, lambda box: (box.items, box.label), lambda label, items: Box(list(items), label)
)


@dataclasses.dataclass
class Keyed:
    left: Any
    right: Any


register_pytree_with_keys(
    Keyed,
    lambda keyed: (((GetAttrKey("left"), keyed.left), ("right", keyed.right)), None),
    lambda _, children: Keyed(*children),
)


@register_static
class Mode(str):
    pass


# -- registered classes


def test_a_type_can_be_registered_after_it_was_seen_as_a_leaf():
    class Late:
        def __init__(self, x):
            self.x = x

    class LateTuple(NamedTuple):
        x: Any

    def example():
        return [Late(1), {"a": Late(2)}, LateTuple(3)]

    for _ in range(5):
        assert len(tree_leaves(example())) == 3
        assert isinstance(tree_leaves(example())[0], Late)
    register_pytree_node(Late, lambda late: ([late.x], None), lambda _, xs: Late(*xs))
    register_pytree_node(LateTuple, lambda late: ((), late), lambda late, _: late)
    assert tree_leaves(example()) == [1, 2]
    for cls in (Late, LateTuple, dict):
        with pytest.raises(TreeError, match=rf"{cls.__name__} is already registered"):
            register_pytree_node(cls, lambda x: ((), x), lambda x, _: x)


def test_registering_with_keys():
    class Named:
        def __init__(self, **kwargs):
            self.kwargs = kwargs

    calls = []

    def with_keys(named):
        calls.append("keys")
        return [(GetAttrKey(key), x) for key, x in named.kwargs.items()], tuple(named.kwargs)

    register_pytree_with_keys(
        Named, with_keys, lambda keys, xs: Named(**dict(zip(keys, xs, strict=True)))
    )
    value = Named(p=1, q=[2])
    assert tree_leaves(value) == [1, 2]
    assert [keystr(path) for path, _ in tree_leaves_with_path([value])] == ["[0].p", "[0].q[0]"]
    assert tree_map(str, value).kwargs == {"p": "1", "q": ["2"]}


def test_bad_registrations_are_explained():
    class Bad:
        pass

    with pytest.raises(FxTypeError, match="must be callable"):
        register_pytree_node(Bad, 1, 2)  # type: ignore[arg-type]
    with pytest.raises(FxTypeError, match="takes a class, got 3"):
        register_static(3)  # type: ignore[type-var]
    register_pytree_node(Bad, lambda bad: 3, lambda aux, children: Bad())  # type: ignore[arg-type]
    with pytest.raises(TreeError, match=r"flatten Bad must return \(children, static data\), got"):
        tree_flatten([Bad()])
    with pytest.raises(TreeError, match="int is a leaf, so it has no children"):
        flatten_one_level(3)


def test_register_dataclass_checks_the_fields():
    @dataclasses.dataclass
    class A:
        x: int
        y: int = 0
        z: int = dataclasses.field(default=0, init=False)

    with pytest.raises(FxTypeError, match="both data_fields and meta_fields or neither"):
        register_dataclass(A, ["x"])
    with pytest.raises(FxTypeError, match="not a dataclass"):
        register_dataclass(int)
    with pytest.raises(TreeError, match=r"fields \['y'\] are neither data nor static"):
        register_dataclass(A, ["x"], [])
    with pytest.raises(TreeError, match=r"takes no \['w'\]"):
        register_dataclass(A, ["x", "y", "w"], [])
    with pytest.raises(TreeError, match=r"takes no \['z'\].*init=False into drop_fields"):
        register_dataclass(A)
    with pytest.raises(TreeError, match=r"\['x'\] are named both"):
        register_dataclass(A, ["x"], ["x", "y"])
    register_dataclass(A, drop_fields=["y", "z"])
    assert tree_map(str, A(1, 2)) == A("1", 0)  # type: ignore[arg-type]


def test_register_dataclass_takes_other_classes_too():
    class Plain:
        def __init__(self, x, mode):
            self.x, self.mode = x, mode

    register_dataclass(Plain, data_fields=["x"], meta_fields=["mode"])
    value = tree_map(str, {"p": Plain([1], "m")})["p"]
    assert value.x == ["1"] and value.mode == "m"
    assert [keystr(path) for path, _ in tree_leaves_with_path(Plain(1, 2))] == [".x"]


def test_partial_keeps_its_function_static_and_its_arguments_as_leaves():
    add = Partial(lambda *xs, **kw: (xs, kw), 1, k=2)
    assert tree_leaves(add) == [1, 2]
    assert tree_map(lambda x: x * 10, add)(3) == ((10, 3), {"k": 20})
    inner = functools.partial(pow, 2)
    assert tree_leaves(Partial(inner, 5)) == [5]
    assert Partial(inner, 5)() == 32
    assert tree_structure(Partial(inner, 5)) == tree_structure(Partial(inner, 6))
    assert hash(tree_structure(Partial(inner))) == hash(tree_structure(Partial(inner)))
    assert tree_structure(Partial(pow)) != tree_structure(Partial(max))
    assert Partial(lambda func: func, func=3)() == 3


def test_static_nodes_are_structure():
    assert tree_leaves([Mode("a"), 1]) == [1]
    assert tree_structure(Mode("a")) == tree_structure(Mode("a"))
    assert tree_structure(Mode("a")) != tree_structure(Mode("b"))


# -- errors


def error_of(function, *args, **kwargs):
    with pytest.raises(TreeError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "where", "expected", "got", "advice"),
    [
        (
            {"a": {"q": 1}},
            {"a": 2},
            "tree 2['a']",
            "a dict with 1 key: 'q'",
            "a leaf of type int",
            "Give a container",
        ),
        (
            [1, [2, 3]],
            [1, [2]],
            "tree 2[1]",
            "a list of length 2",
            "a list of length 1",
            "Make the two lengths equal",
        ),
        (
            {"x": 1, "y": 2},
            {"x": 1, "z": 2},
            "the root of tree 2",
            "a dict with 2 keys: 'x', 'y'",
            "a dict with 2 keys: 'x', 'z'",
            "add the missing 'y' and remove the unexpected 'z'",
        ),
        (
            Point(None, 1),
            Point(3, 1),
            "tree 2.x",
            "None",
            "a leaf of type int",
            "is_leaf=lambda x: x is None",
        ),
        ([[1]], [None], "tree 2[0]", "a list of length 1", "None", "None is a container"),
        (
            (1, 2),
            Point(1, 2),
            "the root of tree 2",
            "a tuple of length 2",
            "a namedtuple Point",
            "convert the Point to tuple",
        ),
        (
            [Layer(1, 2, "p")],
            [Layer(1, 2, "q")],
            "tree 2[0]",
            "a Layer with name='p', scale=1.0",
            "a Layer with name='q', scale=1.0",
            "The static data of a Layer",
        ),
        (
            Box([1, 2], "m"),
            Box([1], "m"),
            "the root of tree 2",
            "a Box with 2 children and static data 'm'",
            "a Box with 1 child and static data 'm'",
            "equal on both sides",
        ),
        (
            collections.OrderedDict(a=1, b=2),
            collections.OrderedDict(b=1, a=2),
            "the root of tree 2",
            "an OrderedDict with 2 keys: 'a', 'b'",
            "an OrderedDict with 2 keys: 'b', 'a'",
            "OrderedDict",
        ),
        (Keyed(1, [2]), Keyed(1, 2), "tree 2right", "a list", "a leaf of type int", "container"),
    ],
)
def test_map_says_where_trees_differ(first, second, where, expected, got, advice):
    for _ in range(4):  # walked, then compiled
        message = error_of(tree_map, lambda *_: 0, first, second)
        head, one, two, fix = message.split("\n")
        assert head == f"tree_map: tree structures differ at {where}:"
        assert one.startswith(f"  the first tree has {expected}")
        assert two.startswith(f"  tree 2 has {got}")
        assert advice in fix


def test_other_errors_say_where_too():
    assert "tree 3[0]" in error_of(tree_map, max, [[1]], [[2]], [3])
    message = error_of(tree_structure({"a": [0]}).flatten_up_to, {"a": 1})
    assert "flatten_up_to: tree structures differ at the tree['a']" in message
    message = error_of(pytree.broadcast_prefix, {"a": [1, 2]}, {"a": [1]})
    assert "broadcast_prefix: tree structures differ at the full tree['a']" in message
    message = error_of(
        pytree.flatten_prefix, "in_axes", ({"a": [0]}, 1), tree_structure(({"a": 5}, 6))
    )
    assert "in_axes: not a prefix of the tree it is for, PyTreeDef(({'a': *}, *))" in message
    assert "in_axes[0]['a'] is a list of length 1" in message
    assert "the tree has a leaf there" in message
    message = error_of(tree.transpose, tree_structure([0, 0]), tree_structure((0,)), [(1,), [2]])
    assert "tree_transpose: tree structures differ at the root of inner tree 1" in message


def test_wrong_number_of_leaves():
    treedef = tree_structure({"a": [1, 2], "b": 3})
    for count in (0, 2, 4):
        for _ in range(4):
            message = error_of(treedef.unflatten, range(count))
            assert f"got {count} leaves for a structure with 3: PyTreeDef({{'a': [*, *]" in message
    assert len(error_of(tree_structure([0] * 1000).unflatten, [])) < 400


def test_folds_of_nothing():
    assert "needs an initializer" in error_of(tree.reduce, operator.add, None)
    assert "needs an identity" in error_of(tree.reduce_associative, operator.add, [])
    assert tree.reduce(operator.add, (), 5) == tree.reduce_associative(max, [], identity=5) == 5
    assert tree.all(())


def test_equality_errors_list_all_differences():
    one = {"a": [1, 2], "b": {"c": (1,)}, "d": 1}
    two = {"a": [1], "b": {"c": 1}, "d": [1]}
    found = [(keystr(path), x, y) for path, x, y, _ in pytree.equality_errors(one, two)]
    assert found == [
        ("['a']", "a list of length 2", "a list of length 1"),
        ("['b']['c']", "a tuple of length 1", "a leaf"),
        ("['d']", "a leaf", "a list of length 1"),
    ]
    assert pytree.equality_errors(one, one) == []


def test_unhashable_static_data_is_an_error_only_when_hashed():
    value = [Box([1], label=[1, 2])]
    for _ in range(4):
        flat, treedef = tree_flatten(value)
        assert flat == [1] and treedef == tree_structure(value)
        assert tree_map(lambda x: x, value) == value
        with pytest.raises(FxTypeError, match=r"static data of Box is not hashable: \[1, 2\]"):
            hash(treedef)


def test_static_data_without_a_truth_value():
    array = np.arange(3)
    treedef = tree_structure(Box([1], array))
    assert treedef == tree_structure(Box([2], array)), "the same object is equal"
    with pytest.raises(FxTypeError, match="cannot compare the static data of two Box"):
        assert treedef != tree_structure(Box([1], np.arange(3)))
    with pytest.raises(FxTypeError, match="not hashable"):
        hash(treedef)


def test_nesting_without_end():
    loop: list = []
    loop.append(loop)
    assert "contain itself" in error_of(tree_flatten, loop)
    assert "contain itself" in error_of(tree_flatten_with_path, {"a": loop})
    assert "contain itself" in error_of(tree_flatten, loop, is_leaf=lambda _: False)


def test_deep_and_wide_trees():
    deep: Any = 1
    for _ in range(150):
        deep = {"x": (deep,)}
    wide = [{str(i): i} for i in range(4000)]
    for value in (deep, wide):
        for _ in range(5):
            flat, treedef = tree_flatten(value)
            assert treedef.unflatten(flat) == value
            assert treedef.flatten_up_to(value) == flat
            assert hash(treedef) == hash(tree_structure(value))


def test_the_result_of_unflatten_shares_nothing_with_the_leaves():
    flat = [1, 2]
    treedef = tree_structure([0, 0])
    treedef.unflatten(flat).append(3)
    assert flat == [1, 2]
