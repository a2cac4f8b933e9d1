"""Meshes, shardings and shard_map: blocks are where the specs say, programs give what they give on
whole arrays and what they give in JAX, and wrong specs are told apart."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import P, lax
from fx.sharding import AbstractMesh, Mesh, NamedSharding

MESH = fx.make_mesh((2, 3), ("x", "y"))


@st.composite
def shardings(draw):
    """A mesh of up to three axes, a shape, and a spec that fits both."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    names = [f"m{i}" for i in range(len(sizes))]
    ndim = draw(st.integers(0, 3))
    groups = [[] for _ in range(ndim)]
    for name in draw(st.permutations(names)):
        place = draw(st.integers(0, ndim))
        if place < ndim:
            groups[place].append(name)
    size = dict(zip(names, sizes, strict=True))
    counts = [int(np.prod([size[n] for n in group])) for group in groups]
    shape = tuple(c * draw(st.integers(1, 2)) for c in counts)
    spec = P(*[tuple(g) if g else None for g in groups])
    return NamedSharding(fx.make_mesh(sizes, names), spec), shape


def numbered(shape):
    return jnp.asarray(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


@given(shardings())
def test_every_device_gets_the_block_that_its_sharding_says(case):
    sharding, shape = case
    x = numbered(shape)
    names = sharding.mesh.axis_names

    def place(block):
        """Each block, and the number of its device in all its elements."""
        return block, jnp.zeros(block.shape, "int32") + lax.axis_index(names)

    run = fx.shard_map(
        place, mesh=sharding.mesh, in_specs=sharding.spec, out_specs=sharding.spec, check_vma=False
    )
    same, owner = run(x)
    np.testing.assert_array_equal(same, x)
    first = {}
    for number, device in enumerate(sharding.mesh.devices.flat):
        index = sharding.devices_indices_map(shape)[device]
        first.setdefault(str(index), (index, number))
    expected = np.zeros(shape, np.int32)
    for index, number in first.values():  # of equal blocks the first device's counts
        expected[index] = number
    np.testing.assert_array_equal(owner, expected)


@given(shardings())
def test_shards_put_together_are_the_array(case):
    sharding, shape = case
    x = fx.device_put(numbered(shape), sharding)
    assert x.sharding == sharding and x.committed and x.devices() == sharding.device_set
    whole = np.full(shape, np.nan, np.float32)
    for shard in x.addressable_shards:
        assert shard.data.shape == sharding.shard_shape(shape)
        whole[shard.index] = shard.data
    np.testing.assert_array_equal(whole, x)
    parts = [shard.data for shard in x.addressable_shards]
    again = fx.make_array_from_single_device_arrays(shape, sharding, parts)
    np.testing.assert_array_equal(again, x)
    called = fx.make_array_from_callback(shape, sharding, lambda index: np.asarray(x)[index])
    np.testing.assert_array_equal(called, x)
    replicated = sharding.is_fully_replicated
    assert replicated == (sharding.shard_shape(shape) == shape) == x.is_fully_replicated


# Programs of a mesh of 2 x 3 devices: body, in_specs, out_specs, shapes of the arguments.
PROGRAMS = {
    "matmul": ("lax.psum(a @ b, 'y')", "(P('x', 'y'), P('y', None))", "P('x')", [(4, 6), (6, 5)]),
    "normalize": (
        "a / jnp.sqrt(lax.pmean(jnp.mean(a * a), ('x', 'y')))",
        "P(('x', 'y'))",
        "P(('x', 'y'))",
        [(12,)],
    ),
    "swapped": ("jnp.sin(a) * a[0]", "P(('y', 'x'), None)", "P(None, ('x', 'y'))", [(12, 6)]),
    "ring": (
        "a + lax.ppermute(a, 'y', [(0, 1), (1, 2), (2, 0)])",
        "P('x', 'y')",
        "P('x', 'y')",
        [(2, 6)],
    ),
    "scatter": (
        "lax.psum_scatter(a, 'y', scatter_dimension=0, tiled=True)",
        "P('x')",
        "P(('x', 'y'))",
        [(12, 2)],
    ),
    "transpose": (
        "lax.all_to_all(a, 'y', split_axis=1, concat_axis=0, tiled=True)",
        "P('y', None)",
        "P(None, 'y')",
        [(6, 6)],
    ),
    "gather": ("lax.all_gather(a, 'x', tiled=True) * 2", "P('x', 'y')", "P('x', 'y')", [(4, 3)]),
    "loop": (
        "lax.scan(lambda c, v: (c + lax.psum(v, 'x'), c * v), a[0] * 0, a)[1]",
        "P(None, 'x')",
        "P(None, 'x')",
        [(3, 4)],
    ),
}

OF_JAX = """
import os, pickle, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=6"
os.environ["JAX_PLATFORMS"] = "cpu"
import jax, jax.numpy as jnp, numpy as np
from jax import lax, P
mesh = jax.make_mesh((2, 3), ("x", "y"), (jax.sharding.AxisType.Auto,) * 2)
programs, results = pickle.load(sys.stdin.buffer), {}
for name, (body, ins, outs, args) in programs.items():
    f = jax.shard_map(eval("lambda a, b=None: " + body), mesh=mesh, in_specs=eval(ins),
                      out_specs=eval(outs), check_vma=False)
    both = lambda *args: (f(*args), jax.grad(lambda *a: jnp.sum(jnp.cos(f(*a))))(*args))
    results[name] = [np.asarray(x) for x in jax.jit(both)(*args)]
pickle.dump(results, sys.stdout.buffer)
"""


def arguments(name):
    rng = np.random.default_rng(len(name))
    return [rng.uniform(-1, 1, shape).astype(np.float32) for shape in PROGRAMS[name][3]]


@pytest.fixture(scope="module")
def of_jax():
    """Value and gradient of each program as JAX has them, on six devices of their own process."""
    pytest.importorskip("jax")
    given_programs = {n: (*PROGRAMS[n][:3], arguments(n)) for n in PROGRAMS}
    done = subprocess.run(
        [sys.executable, "-c", OF_JAX],
        input=pickle.dumps(given_programs),
        capture_output=True,
        timeout=300,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def mapped(name):
    body, ins, outs, _ = PROGRAMS[name]
    scope = {"lax": lax, "jnp": jnp, "P": P}
    function = eval("lambda a, b=None: " + body, scope)
    return fx.shard_map(
        function,
        mesh=MESH,
        in_specs=eval(ins, scope),
        out_specs=eval(outs, scope),
        check_vma=False,
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_and_their_gradients_are_those_of_jax(name, of_jax):
    f, args = mapped(name), [jnp.asarray(x) for x in arguments(name)]
    value, grad = of_jax[name]
    np.testing.assert_allclose(f(*args), value, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(fx.jit(f)(*args), value, rtol=2e-5, atol=1e-6)
    got = fx.grad(lambda *a: jnp.sum(jnp.cos(f(*a))))(*args)
    np.testing.assert_allclose(got, grad, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_batch_is_a_batch_of_results(name):
    f, args = mapped(name), [jnp.asarray(x) for x in arguments(name)]
    two = [jnp.stack([x, x * 0.5]) for x in args]
    rows = [f(*[x[i] for x in two]) for i in range(2)]
    np.testing.assert_allclose(fx.vmap(f)(*two), np.stack(rows), rtol=1e-5, atol=1e-6)


def test_trees_decorators_inference_and_the_mesh_in_scope():
    @fx.shard_map(out_specs={"sum": P(), "rows": P("x")}, mesh=MESH)
    def f(tree):
        return {"sum": lax.psum(tree["a"].sum(), "x") + tree["b"], "rows": tree["a"] * tree["b"]}

    a = fx.device_put(jnp.arange(4.0), NamedSharding(MESH, P("x")))
    out = f({"a": a, "b": jnp.asarray(2.0)})
    assert float(out["sum"]) == 8 and out["rows"].tolist() == [0, 2, 4, 6]
    with fx.set_mesh(MESH):
        total = fx.shard_map(lambda x: lax.psum(x, "y"), in_specs=P("y"), out_specs=P())
        assert total(jnp.arange(3)).tolist() == [3]
        one = fx.smap(lambda x: x - x[0], in_axes=1, out_axes=0, axis_name="x")
        assert one(jnp.ones((2, 4))).shape == (4, 2)
        assert fx.sharding.get_mesh() == MESH
    assert fx.sharding.get_mesh().empty and fx.sharding.get_abstract_mesh().empty
    with MESH, fx.sharding.use_abstract_mesh(AbstractMesh((5,), ("z",))):
        assert fx.sharding.get_abstract_mesh().shape == {"z": 5}


def test_jit_checks_sizes_and_places_results():
    sharding = NamedSharding(MESH, P("x"))

    def f(scale, x, n):
        return {"y": lax.with_sharding_constraint(x * scale, sharding), "n": n}

    g = fx.jit(
        f, static_argnums=0, in_shardings=(sharding, None), out_shardings={"y": sharding, "n": None}
    )
    out = g(3, jnp.ones(4), 1)
    assert out["y"].sharding == sharding and out["y"].tolist() == [3] * 4
    assert not out["n"].committed
    with pytest.raises(fx.errors.ShapeError, match="2 does not divide 3"):
        g(3, jnp.ones(3), 1)
    with pytest.raises(fx.errors.ShapeError, match="2 does not divide 5"):
        fx.jit(lambda x: x, out_shardings=sharding)(jnp.ones(5))


def test_meshes_and_specs_are_values():
    again = fx.make_mesh((2, 3), ("x", "y"))
    assert again == MESH and hash(again) == hash(MESH) and again.size == 6
    assert fx.make_mesh((2, 3), ("y", "x")) != MESH
    assert MESH.abstract_mesh == AbstractMesh((2, 3), ("x", "y"))
    assert MESH.device_ids.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert P("x", ("y",)) == P("x", "y") != P("x", "y", None) and P("x") + P("y") == P("x", "y")
    assert tuple(P("x", None)) == ("x", None) and P("x", None).count(None) == 1
    assert P(("x", "y")).index(("x", "y")) == 0 and pickle.loads(pickle.dumps(P("x"))) == P("x")
    assert fx.tree.leaves({"a": P("x", "y")}) == [P("x", "y")]
    s = NamedSharding(MESH, P("x"))
    assert s == NamedSharding(again, P("x")) and hash(s) == hash(NamedSharding(again, P("x")))
    assert s.is_equivalent_to(NamedSharding(MESH, P("x", None)), 2)
    assert not s.is_equivalent_to(NamedSharding(MESH, P("y")), 1)
    assert s.update(spec=P("y")).shard_shape((3,)) == (1,) and s.num_devices == 6


ERRORS = {
    "no device of another number": (
        lambda: fx.make_mesh((2,), ("x",), devices=fx.devices()),
        "2 devices",
    ),
    "size": (lambda: fx.make_mesh((0,), ("x",)), "at least 1"),
    "names": (lambda: fx.make_mesh((2, 2), ("x",)), "one name for each"),
    "equal names": (lambda: fx.make_mesh((2, 2), ("x", "x")), "must differ"),
    "no devices": (lambda: Mesh(np.arange(2), "x"), "array of devices"),
    "unknown axis": (lambda: NamedSharding(MESH, P("z")), "does not have"),
    "axis twice": (lambda: NamedSharding(MESH, P("x", "x")), "twice"),
    "no spec": (lambda: NamedSharding(MESH, "x"), "PartitionSpec"),
    "no mesh": (lambda: NamedSharding(None, P("x")), "expects a Mesh"),
    "long spec": (lambda: fx.device_put(jnp.ones(2), NamedSharding(MESH, P(None, "x"))), "entries"),
    "no place": (lambda: fx.device_put(jnp.ones(2), 3), "expects a sharding"),
    "no mesh in scope": (lambda: lax.with_sharding_constraint(jnp.ones(2), P("x")), "set_mesh"),
    "set_mesh": (lambda: fx.set_mesh("x"), "expects a Mesh"),
    "parts": (
        lambda: fx.make_array_from_single_device_arrays((2,), NamedSharding(MESH, P("x")), []),
        "0 arrays for 6",
    ),
    "part": (
        lambda: fx.make_array_from_callback(
            (2,), NamedSharding(MESH, P("x")), lambda i: np.ones(2)
        ),
        "shape",
    ),
    "global": (
        lambda: fx.make_array_from_process_local_data(
            NamedSharding(MESH, P("x")), np.ones(2), (4,)
        ),
        "global_shape",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_meshes_and_placements(name):
    make, text = ERRORS[name]
    with pytest.raises(fx.errors.FxError, match=text):
        make()


SHARD_MAP_ERRORS = {
    "differs": ((lambda x: x, P("x"), P()), "differ between the devices along"),
    "differs inside jit": ((fx.jit(lambda x: x * lax.axis_index("y")), P("x"), P("x")), "'y'"),
    "sizes": ((lambda x: x, P("y"), P("y")), "3 does not divide 4"),
    "long in": ((lambda x: x, P("x", "y"), P("x")), "2 entries"),
    "long out": ((jnp.sum, P("x"), P("x")), "0 axes"),
    "unknown": ((lambda x: x, P("z"), P("z")), "does not have"),
    "tree": ((lambda x: x, (P("x"), P("x")), P("x")), "in_specs"),
    "type": ((lambda x: x, ("x",), P("x")), "PartitionSpec"),
}


@pytest.mark.parametrize("name", SHARD_MAP_ERRORS)
def test_errors_of_shard_map(name):
    (f, ins, outs), text = SHARD_MAP_ERRORS[name]
    with pytest.raises(fx.errors.FxError, match=text):
        fx.shard_map(f, mesh=MESH, in_specs=ins, out_specs=outs)(jnp.ones(4))


def test_more_errors_of_shard_map():
    with pytest.raises(fx.errors.FxTypeError, match="expects a function"):
        fx.shard_map(3, mesh=MESH, in_specs=P(), out_specs=P())
    with pytest.raises(fx.errors.FxValueError, match="no mesh"):
        fx.shard_map(lambda x: x, in_specs=P(), out_specs=P())(1.0)
    with pytest.raises(fx.errors.FxTypeError, match="got str at argument"):
        fx.shard_map(lambda x: x, mesh=MESH, in_specs=P(), out_specs=P())("a")
    with pytest.raises(fx.errors.FxValueError, match="axis_names"):
        f = fx.shard_map(lambda x: x, mesh=MESH, in_specs=P("y"), out_specs=P(), axis_names={"x"})
        f(jnp.ones(3))
    with pytest.raises(fx.errors.FxValueError, match="axis_names"):
        fx.shard_map(lambda x: x, mesh=MESH, in_specs=P(), out_specs=P(), axis_names={"q"})(1.0)


def test_results_that_are_equal_on_all_devices_need_no_axis():
    loop = lambda x: lax.fori_loop(0, 2, lambda i, c: c + lax.psum(x, "x"), jnp.zeros(2))
    for f in (
        lambda x: lax.pmax(x, "x"),
        fx.jit(lambda x: lax.psum(x, "x") + 1),
        lambda x: lax.all_gather(x, "x").sum(0),
        loop,
        lambda x: jnp.ones(2),
    ):
        out = fx.shard_map(f, mesh=MESH, in_specs=P("x"), out_specs=P())(jnp.arange(4.0))
        assert out.shape == (2,)
    with fx.set_mesh(MESH):
        assert lax.pcast(jnp.ones(2), "x", to="varying").shape == (2,)
