"""Exported programs give in this process and in another what they gave before, with their
derivatives; what cannot be written says so."""

import collections
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

import fx
import fx.numpy as jnp
from fx import lax, nn, random
from fx.errors import FxTypeError, FxValueError
from fx.export import (
    deserialize,
    export,
    register_namedtuple_serialization,
    register_pytree_node_serialization,
)
from fx.testing import programs

Point = collections.namedtuple("Point", ["x", "y"])
register_namedtuple_serialization(Point, serialized_name="tests.Point")
WEIGHTS = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


@fx.tree_util.register_pytree_node_class
class Tagged:
    def __init__(self, tag, value):
        self.tag, self.value = tag, value

    def tree_flatten(self):
        return (self.value,), self.tag

    @classmethod
    def tree_unflatten(cls, tag, children):
        return cls(tag, *children)


register_pytree_node_serialization(
    Tagged,
    serialized_name="tests.Tagged",
    serialize_auxdata=str.encode,
    deserialize_auxdata=bytes.decode,
)


def network(params, x):
    """Constants, custom rules, a loop with a constant in its body, a checkpoint with a policy."""
    h = nn.gelu(x @ params["w"] + jnp.asarray(WEIGHTS)[0])
    h = fx.checkpoint(nn.relu, policy=fx.checkpoint_policies.dots_saveable)(h)
    table = np.linspace(0, 1, 40, dtype=np.float32)
    h, ys = lax.scan(lambda c, v: (c * v + jnp.asarray(table)[:4], c.sum()), h, h[:, 0])
    return {"loss": nn.logsumexp(h), "ys": ys, "n": jnp.int32(3), "b": h.astype("bfloat16")}


def draws(key, n):
    words = random.key_data(key)
    return random.normal(key, (2,)) * n, lax.cond(n > 1, lambda: words, lambda: words + 1)


PARAMS = {"w": jnp.asarray(WEIGHTS)}
X = jnp.ones((2, 3))
CASES = {
    "network": (network, (PARAMS, X)),
    "keys": (draws, (random.key(3), 2.0)),
    "containers": (lambda p, t: (Point(p.y, [t]), None), (Point(1.0, 2), Tagged("a", X))),
    "types": (lambda d: d, ({0: jnp.ones(2, "float16"), 1: (jnp.ones(0), 1j, True)},)),
    "while": (lambda x: lax.while_loop(lambda c: c < 9, lambda c: c * x + 1, 0.5), (1.5,)),
}


def assert_same(got, expected):
    assert fx.tree.structure(got) == fx.tree.structure(expected)
    for a, b in zip(fx.tree.leaves(got), fx.tree.leaves(expected), strict=True):
        assert fx.typeof(a) == fx.typeof(b)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("name", CASES)
def test_a_program_read_back_computes_the_same(name):
    f, args = CASES[name]
    exported = export(fx.jit(f))(*args)
    again = deserialize(exported.serialize())
    assert again.in_tree == exported.in_tree and again.out_tree == exported.out_tree
    assert again.in_avals == exported.in_avals and again.out_avals == exported.out_avals
    expected = fx.jit(f)(*args)
    assert_same(exported.call(*args), expected)
    assert_same(again.call(*args), expected)
    assert again.serialize() == deserialize(again.serialize()).serialize()


@given(programs(max_equations=8))
def test_programs_drawn_by_hypothesis(program):
    exported = export(fx.jit(program))(*program.args)
    try:
        blob = exported.serialize()
    except FxTypeError:
        return  # it calls back into Python
    assert_same(deserialize(blob).call(*program.args), exported.call(*program.args))


def test_derivatives_come_along():
    def loss(call, x):
        return call(PARAMS, x)["loss"] * 2

    exported = export(fx.jit(network))(PARAMS, X)
    expected = fx.grad(lambda x: loss(network, x))(X)
    for call in (exported.call, deserialize(exported.serialize(vjp_order=1)).call):
        np.testing.assert_allclose(fx.grad(lambda x, c=call: loss(c, x))(X), expected, rtol=1e-6)
        np.testing.assert_allclose(
            fx.jit(fx.grad(lambda x, c=call: loss(c, x)))(X), expected, rtol=1e-6
        )
        batch = fx.vmap(lambda x, c=call: loss(c, x))(jnp.stack([X, 2 * X]))
        np.testing.assert_allclose(batch[0], loss(network, X), rtol=1e-6)
    without = deserialize(exported.serialize())
    assert without.has_rules and not without.has_vjp()
    with pytest.raises(FxTypeError, match="vjp_order=1"):
        fx.grad(lambda x: loss(without.call, x))(X)
    simple = deserialize(export(fx.jit(lambda x: jnp.sin(x) * x))(1.0).serialize())
    second = fx.grad(fx.grad(simple.call))(1.0)
    np.testing.assert_allclose(second, 2 * np.cos(1) - np.sin(1), rtol=1e-5)


READER = """
import pickle, sys
import numpy as np
import fx
blob, args = pickle.load(sys.stdin.buffer)
print("fx.nn" in sys.modules)
out = fx.export.deserialize(blob).call(*args)
sys.stdout.flush()
print(np.asarray(out["loss"]).tobytes().hex())
"""


def test_another_process_reads_it():
    blob = export(fx.jit(network))(PARAMS, X).serialize()
    done = subprocess.run(
        [sys.executable, "-c", READER],
        input=pickle.dumps((blob, (PARAMS, X))),
        capture_output=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()
    loaded, value = done.stdout.decode().split()
    assert loaded == "False"
    assert value == np.asarray(fx.jit(network)(PARAMS, X)["loss"]).tobytes().hex()


def test_what_cannot_be_written_says_so():
    struct = fx.ShapeDtypeStruct((2,), "float32")
    with pytest.raises(FxTypeError, match="made by fx"):
        export(jnp.sin)
    callback = fx.jit(lambda x: fx.pure_callback(np.sin, struct, x))
    with pytest.raises(FxTypeError, match="Python object"):
        export(callback)(struct).serialize()
    unknown = collections.namedtuple("unknown", "a")
    with pytest.raises(FxTypeError, match="register_namedtuple_serialization"):
        export(fx.jit(lambda x: unknown(x)))(struct).serialize()
    with pytest.raises(FxTypeError, match="key"):
        export(fx.jit(lambda x: {(1, 2): x}))(struct).serialize()
    with pytest.raises(FxValueError, match="registered already"):
        register_namedtuple_serialization(Point, serialized_name="other")
    with pytest.raises(FxTypeError, match="from_children"):
        register_pytree_node_serialization(
            int, serialized_name="int", serialize_auxdata=bytes, deserialize_auxdata=bytes
        )
    with pytest.raises(FxValueError, match="vjp_order"):
        export(fx.jit(jnp.sin))(struct).serialize(vjp_order=2)


def test_wrong_arguments_and_damaged_bytes():
    exported = export(fx.jit(lambda x: x + jnp.asarray(WEIGHTS)))(jnp.zeros((3, 4)))
    assert exported.platforms == ("cpu",) and exported.nr_devices == 1
    assert "add" in exported.as_text()
    with pytest.raises(FxTypeError, match="structure"):
        exported.call(1.0, 2.0)
    with pytest.raises(FxTypeError, match=r"f32\[3,4\] for leaf 0"):
        exported.call(jnp.zeros(3))
    blob = bytes(exported.serialize())
    for bad in (
        b"",
        b"other",
        blob[:-1],
        blob[:40],
        blob.replace(b'"version": 1', b'"version": 9'),
    ):
        with pytest.raises(FxValueError, match=r"export\.deserialize"):
            deserialize(bad)
    point = export(fx.jit(lambda p: p.x))(Point(1.0, 2.0)).serialize()
    with pytest.raises(FxTypeError, match="not registered in this process"):
        deserialize(point.replace(b"tests.Point", b"tests.Paint"))
