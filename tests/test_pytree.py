"""Pytrees: round trips over random trees, agreement with JAX, and errors that name the path."""

import collections
import copy
import dataclasses
import functools
import gc
import operator
import pickle
import threading
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fx import pytree, tree
from fx.errors import TreeError
from fx.tree_util import (
    DictKey,
    GetAttrKey,
    Partial,
    PyTreeDef,
    SequenceKey,
    all_leaves,
    flatten_one_level,
    flatten_one_level_with_keys,
    is_tree_node,
    keystr,
    register_dataclass,
    register_pytree_node_class,
    register_pytree_with_keys_class,
    register_static,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_leaves_with_path,
    tree_map,
    tree_structure,
    tree_unflatten,
    treedef_children,
    treedef_is_leaf,
    treedef_tuple,
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


@register_pytree_node_class
class Box:
    def __init__(self, items, label=None):
        self.items, self.label = tuple(items), label

    def tree_flatten(self):
        return self.items, self.label

    @classmethod
    def tree_unflatten(cls, label, children):
        return cls(children, label)

    def __eq__(self, other):
        return type(other) is Box and (self.items, self.label) == (other.items, other.label)

    __hash__ = None


@register_pytree_with_keys_class
class Keyed:
    def __init__(self, left, right):
        self.left, self.right = left, right

    def tree_flatten_with_keys(self):
        return ((GetAttrKey("left"), self.left), ("right", self.right)), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)

    def __eq__(self, other):
        return type(other) is Keyed and (self.left, self.right) == (other.left, other.right)

    __hash__ = None


@register_static
class Mode(str):
    pass


class StrKey(str):
    """A string that is a dict key, equal to a plain one but not the same."""


leaves = st.one_of(st.integers(), st.text(max_size=2), st.floats(allow_nan=False))
names = st.text("abc", max_size=2)


def containers(children):
    keys = st.one_of(names, names.map(StrKey))
    return st.one_of(
        st.lists(children, max_size=4),
        st.lists(children, max_size=4).map(tuple),
        st.dictionaries(keys, children, max_size=4),
        st.dictionaries(st.one_of(st.integers(0, 3), st.booleans()), children, max_size=3),
        st.dictionaries(names, children, max_size=3).map(collections.OrderedDict),
        st.dictionaries(names, children, max_size=3).map(
            lambda items: collections.defaultdict(list, items)
        ),
        st.builds(Point, children, children),
        st.builds(Layer, children, children, names, st.sampled_from([1, 1.0, True, 0.0, -0.0])),
        st.builds(Box, st.lists(children, max_size=3), names),
        st.builds(Keyed, children, children),
        st.builds(functools.partial(Partial, max), children, key=children),
        st.builds(Mode, names),
        st.none(),
    )


trees = st.recursive(leaves, containers, max_leaves=12)


def same(a, b):
    """Equal, with equal types all the way down, and equal order of keys in the end."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        orders = list(a), list(b)
        if not isinstance(a, collections.OrderedDict):
            orders = tuple(map(sorted, orders))
        keys_same = all(map(same, *orders)) and len(a) == len(b)
        return keys_same and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Layer):
        return all(same(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))
    if isinstance(a, Box):
        return same((a.items, a.label), (b.items, b.label))
    if isinstance(a, Keyed):
        return same((a.left, a.right), (b.left, b.right))
    if isinstance(a, Partial):
        return a.func is b.func and same((a.args, a.keywords), (b.args, b.keywords))
    return repr(a) == repr(b)


# -- laws


@given(trees, st.integers(1, 5))
def test_unflatten_undoes_flatten_however_often(tree_, times):
    for _ in range(times):  # first by walking, later compiled
        flat, treedef = tree_flatten(tree_)
        assert same(treedef.unflatten(flat), tree_)
        assert same(treedef.unflatten(iter(flat)), tree_)
        assert treedef.num_leaves == len(flat)
        subtrees = treedef.flatten_up_to(tree_)
        assert len(subtrees) == len(flat) and all(map(operator.is_, subtrees, flat))
        found = treedef.leaves_of(tree_)
        assert found is not None and all(map(operator.is_, found, flat))


@given(trees)
def test_the_ways_to_flatten_agree(tree_):
    flat, treedef = tree_flatten(tree_)
    pairs, treedef_of_pairs = tree_flatten_with_path(tree_)
    assert treedef == treedef_of_pairs and hash(treedef) == hash(treedef_of_pairs)
    assert all(map(operator.is_, flat, [leaf for _, leaf in pairs]))
    stopped, treedef_of_stopped = tree_flatten(tree_, is_leaf=lambda _: False)
    assert treedef == treedef_of_stopped
    assert all(map(operator.is_, flat, stopped))
    assert all_leaves(flat)
    assert len({path for path, _ in pairs}) == len(pairs)


@given(trees, trees)
def test_equality_of_structures_is_that_of_their_trees_with_equal_leaves(a, b):
    one, two = tree_structure(a), tree_structure(b)
    zeros = [treedef.unflatten([0] * treedef.num_leaves) for treedef in (one, two)]
    assert (one == two) == (tree_structure(zeros[0]) == tree_structure(zeros[1]))
    assert (one == two) == (not pytree.equality_errors_pytreedef(one, two))
    assert (one == two) == (one.leaves_of(b) is not None)
    if one == two:
        assert hash(one) == hash(two)
    else:
        for subtrees in (one.match(b), two.match(a)):
            assert subtrees is None or not all_leaves(subtrees)


@given(trees)
def test_structures_survive_pickle_copy_and_the_emptying_of_the_cache(tree_):
    treedef = tree_structure(tree_)
    assert copy.deepcopy(treedef) is copy.copy(treedef) is treedef
    assert pickle.loads(pickle.dumps(treedef)) == treedef
    pytree.treedef._INTERNED.clear()
    again = tree_structure(tree_)
    assert again == treedef and hash(again) == hash(treedef)


@given(trees)
def test_children_and_node_data_describe_one_level(tree_):
    treedef = tree_structure(tree_)
    if treedef.node_data() is None:
        assert treedef.children() == [] and treedef_is_leaf(treedef)
        return
    children, _ = flatten_one_level(tree_)
    assert treedef_children(treedef) == [tree_structure(child) for child in children]
    assert treedef.num_nodes == 1 + sum(child.num_nodes for child in treedef.children())
    assert treedef.node_data()[0] is type(tree_)
    pairs, _ = flatten_one_level_with_keys(tree_)
    assert all(map(operator.is_, children, [child for _, child in pairs]))


@given(trees, trees)
def test_compose_puts_a_structure_in_the_place_of_leaves(outer, inner):
    one, two = tree_structure(outer), tree_structure(inner)
    assert one.compose(two) == tree_structure(tree_map(lambda _: inner, outer))
    assert one.compose(tree_structure(0)) == one == tree_structure(0).compose(one)


@given(trees, trees)
def test_transpose_turns_inside_out_and_back(outer, inner):
    one, two = tree_structure(outer), tree_structure(inner)
    if not (one.num_leaves and two.num_leaves):
        return
    count = iter(range(10**6))
    nested = tree_map(lambda _: tree_map(lambda _: next(count), inner), outer)
    turned = tree.transpose(one, two, nested)
    assert tree_structure(turned) == two.compose(one)
    assert same(tree.transpose(two, one, turned), nested)
    assert same(tree.transpose(one, None, nested), turned)


@given(trees)
def test_a_prefix_is_repeated_for_each_leaf_it_stands_for(tree_):
    treedef = tree_structure(tree_)
    assert pytree.broadcast_prefix(7, tree_) == [7] * treedef.num_leaves
    assert same(tree.broadcast(tree_, tree_), tree_)
    assert pytree.flatten_prefix("in_axes", tree_, treedef) == tree_leaves(tree_)
    deeper = tree_map(lambda leaf: (leaf, [leaf]), tree_)
    expected = [leaf for leaf in tree_leaves(tree_) for _ in range(2)]
    assert pytree.broadcast_prefix(tree_, deeper) == expected
    assert pytree.flatten_prefix("in_axes", tree_, tree_structure(deeper)) == expected


@given(trees)
def test_map_and_reduce_are_those_of_the_leaves(tree_):
    flat, treedef = tree_flatten(tree_)
    assert same(tree.map(lambda x: (x,), tree_), treedef.unflatten([(x,) for x in flat]))
    both = tree.map(lambda x, y: [x, y], tree_, tree.map(str, tree_))
    assert same(both, treedef.unflatten([[x, str(x)] for x in flat]))
    assert tree.reduce(lambda a, b: a + str(b), tree_, "") == "".join(map(str, flat))
    joined = tree.reduce_associative(operator.add, tree.map(str, tree_), identity="")
    assert joined == "".join(map(str, flat))
    assert tree.all(tree_) == all(flat)
    paths = tree.map_with_path(lambda path, x, y: (path, x, y), tree_, tree_)
    expected = [(path, leaf, leaf) for path, leaf in tree_leaves_with_path(tree_)]
    assert same(paths, treedef.unflatten(expected))


# -- agreement with JAX


@pytest.fixture(scope="module")
def jax_tree_util():
    """JAX's pytrees, with this file's classes registered there too."""
    theirs = pytest.importorskip("jax").tree_util
    theirs.register_dataclass(Layer, data_fields=["w", "b"], meta_fields=["name", "scale"])
    theirs.register_pytree_node_class(Box)

    def with_keys(keyed):
        return ((theirs.GetAttrKey("left"), keyed.left), ("right", keyed.right)), None

    theirs.register_pytree_with_keys(Keyed, with_keys, Keyed.tree_unflatten)
    theirs.register_static(Mode)
    theirs.register_pytree_node(
        Partial,
        lambda partial: ((partial.args, partial.keywords), partial.func),
        lambda function, bound: Partial(function, *bound[0], **bound[1]),
    )
    return theirs


@given(trees, trees)
def test_agrees_with_jax(jax_tree_util, a, b):
    theirs = jax_tree_util
    for tree_ in (a, b):
        flat, treedef = tree_flatten(tree_)
        their_flat, their_treedef = theirs.tree_flatten(tree_)
        assert all(map(operator.is_, flat, their_flat)) and len(flat) == len(their_flat)
        assert repr(treedef) == repr(their_treedef)
        assert treedef.num_nodes == their_treedef.num_nodes
        assert treedef.node_data() == their_treedef.node_data()
        assert treedef_is_leaf(treedef) == theirs.treedef_is_leaf(their_treedef)
        paths = [path for path, _ in tree_leaves_with_path(tree_)]
        their_paths = [path for path, _ in theirs.tree_leaves_with_path(tree_)]
        assert repr(paths) == repr(their_paths)
        for path, their_path in zip(paths, their_paths, strict=True):
            assert keystr(path) == theirs.keystr(their_path)
            simple = keystr(path, simple=True, separator="/")
            assert simple == theirs.keystr(their_path, simple=True, separator="/")
        mapped = tree_map(lambda x: [x], tree_)
        assert same(mapped, theirs.tree_map(lambda x: [x], tree_))
    assert (tree_structure(a) == tree_structure(b)) == (
        theirs.tree_structure(a) == theirs.tree_structure(b)
    )
    composed = tree_structure(a).compose(tree_structure(b))
    their_composed = theirs.tree_structure(a).compose(theirs.tree_structure(b))
    assert repr(composed) == repr(their_composed)


def test_the_facades_have_the_names_of_jax(jax_tree_util):
    from_jax = {name for name in dir(jax_tree_util) if name[0] != "_"}
    ours = {name for name in dir(pytest.importorskip("fx.tree_util")) if name[0] != "_"}
    assert from_jax - ours == {"default_registry"}
    names = {name for name in dir(pytest.importorskip("jax").tree) if name[0] != "_"}
    assert names - set(dir(tree)) == set()


# -- containers


def test_exact_types_count():
    class MyDict(dict):
        pass

    class MyList(list):
        pass

    class MyTuple(tuple):
        pass

    for leaf in (MyDict(a=1), MyList([1]), MyTuple((1,)), "ab", {1, 2}, np.ones(2), range(3)):
        assert treedef_is_leaf(tree_structure(leaf))
        assert tree_leaves([leaf, {"a": leaf}])[0] is leaf
        assert not is_tree_node(type(leaf))


def test_dict_order_does_not_matter_and_result_is_sorted():
    one, two = {"b": 1, "a": 2}, {"a": 2, "b": 1}
    assert tree_flatten(one) == tree_flatten(two) == ([2, 1], tree_structure({"a": 0, "b": 0}))
    assert tree_structure(one) is tree_structure(two)
    assert list(tree_map(lambda x: x, one)) == ["a", "b"]
    assert list(tree_map(lambda x: x, collections.OrderedDict(b=1, a=2))) == ["b", "a"]
    kept = tree_map(lambda x: x, collections.defaultdict(set, b=1, a=2))
    assert kept["new"] == set()


@pytest.mark.parametrize("keys", [(1, "a"), (None, "a"), (1j, 2j), ((1,), "b")])
def test_unsortable_keys_name_the_remedy(keys):
    with pytest.raises(TreeError, match=r"must be sortable, got .*OrderedDict"):
        tree_flatten([dict.fromkeys(keys, 0)])


def test_equal_keys_and_static_data_that_are_not_the_same_are_kept():
    assert [*map(type, tree_map(str, {StrKey("a"): 1}))] == [StrKey]
    for _ in range(4):
        assert tree_structure({"a": 1}) == tree_structure({StrKey("a"): 1})
        assert [*map(type, tree_map(str, {"a": 1, "b": 2}))] == [str, str]
        assert [*map(type, tree_map(str, {StrKey("a"): 1, "b": 2}))] == [StrKey, str]
        nested = tree_map(str, {"x": {StrKey("a"): 1}, "y": [2]})
        assert [*map(type, nested["x"])] == [StrKey]
        plain = tree_map(str, {"x": {"a": 1}, "y": [2]})
        assert [*map(type, plain["x"])] == [str]
        for key in (1, True, 1.0):
            assert [*map(type, tree_map(str, {key: 1}))] == [type(key)]
        for scale in (1, 1.0, True, 0.0, -0.0, float("nan")):
            layer = Layer(1, [2], scale=scale)
            assert repr(tree_map(lambda x: x, layer).scale) == repr(scale)
            assert repr(tree_map(lambda x: x, {"a": {"b": layer}})["a"]["b"].scale) == repr(scale)


def test_is_leaf_stops_anywhere():
    value = {"a": (1, None), "b": [2, {"c": 3}]}
    flat, treedef = tree_flatten(value, is_leaf=lambda x: x is None or isinstance(x, list))
    assert flat == [1, None, [2, {"c": 3}]]
    assert repr(treedef) == "PyTreeDef({'a': (*, *), 'b': *})"
    assert tree_leaves(value, is_leaf=lambda x: True) == [value]
    by_path = tree_leaves_with_path(
        value, is_leaf=lambda path, _: len(path) == 1, is_leaf_takes_path=True
    )
    assert [leaf for _, leaf in by_path] == [(1, None), [2, {"c": 3}]]
    assert tree_leaves_with_path(value, is_leaf=lambda x: x is None)[1] == (
        (DictKey("a"), SequenceKey(1)),
        None,
    )
    assert all_leaves([None, 1], is_leaf=lambda x: x is None)
    assert not all_leaves([[1]])


def test_treedef_tuple():
    parts = [tree_structure(1), tree_structure({"a": 2}), tree_structure(None)]
    assert treedef_tuple(parts) == tree_structure((1, {"a": 2}, None))
    assert treedef_tuple(parts[:1]) is tree_structure((1,))
    assert treedef_tuple([]) == tree_structure(())


def test_equal_structures_are_one_object():
    def make():
        return ({"w": [1, (2, Point(3, 4))], "b": Layer(1, 2, "n")}, None, [5])

    assert tree_structure(make()) is tree_structure(make())
    assert tree_structure(make()) is tree_flatten_with_path(make())[1]


# -- threads and memory


def test_threads_agree():
    def build(i):
        return {f"k{i}": [Point(i, {"w": i}), Layer(i, (i,), f"n{i % 3}")], "z": (None, i)}

    failures = []
    barrier = threading.Barrier(4)

    def work():
        barrier.wait()
        for i in list(range(40)) * 5:
            flat, treedef = tree_flatten(build(i))
            if not same(treedef.unflatten(flat), build(i)) or flat != [i] * 5:
                failures.append(i)
            if treedef.leaves_of(build(i)) != flat:
                failures.append(i)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_caches_are_bounded_and_hold_no_leaves(monkeypatch):
    monkeypatch.setattr(pytree.treedef, "_INTERNED_LIMIT", 50)
    monkeypatch.setattr(pytree.nodes, "_ORDERS_LIMIT", 50)
    for i in range(300):
        value = {f"key{i}": [i], "other": i}
        assert tree_map(lambda x: x, value) == value
    assert len(pytree.treedef._INTERNED) <= 51
    assert len(pytree.nodes._ORDERS) <= 51

    class Leaf:
        pass

    leaf = Leaf()
    seen = weakref.ref(leaf)
    for _ in range(5):
        flat, treedef = tree_flatten({"a": [leaf], "b": (leaf, leaf)})
        treedef.unflatten(flat)
    del leaf, flat
    gc.collect()
    assert seen() is None


def test_treedefs_can_be_weakly_referenced_and_are_no_leaves_of_other_types():
    treedef = tree_structure((1, Keyed(2, 3)))
    assert weakref.ref(treedef)() is treedef
    assert isinstance(treedef, PyTreeDef) and treedef != 3
    assert tree_unflatten(treedef, "abc") == ("a", Keyed("b", "c"))
