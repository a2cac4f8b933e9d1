"""Pytrees as vectors, parts of states by name, and projections."""

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import optim, random
from fx.optim import projections, tree_utils
from tests.laws import check_derivatives

try:
    import jax
    import optax
except ImportError:
    jax = optax = None

_RNG = np.random.default_rng(0)


def sample(*shape):
    return _RNG.normal(size=shape).astype(np.float32)


TREES = [{"a": sample(2, 3), "b": [sample(4), sample()]} for _ in range(2)]
COMPLEX = {"a": sample(2, 3) + 1j * sample(2, 3), "b": [sample(4), sample()]}

# name -> a program over the module of functions and two trees
FUNCTIONS = {
    "add": lambda o, x, y: o.tree_add(x, y, x),
    "sub": lambda o, x, y: o.tree_sub(x, y),
    "mul": lambda o, x, y: o.tree_mul(x, y),
    "div": lambda o, x, y: o.tree_div(x, y),
    "scale": lambda o, x, y: o.tree_scale(0.3, x),
    "add_scale": lambda o, x, y: o.tree_add_scale(x, 0.3, y),
    "clip": lambda o, x, y: o.tree_clip(x, -0.5, 0.2),
    "conj": lambda o, x, y: o.tree_conj(x),
    "real": lambda o, x, y: o.tree_real(x),
    "where": lambda o, x, y: o.tree_where(x["a"][0, 0] > 0, x, y),
    "zeros": lambda o, x, y: o.tree_zeros_like(x),
    "zeros_dtype": lambda o, x, y: o.tree_zeros_like(x, "float16"),
    "ones": lambda o, x, y: o.tree_ones_like(x),
    "full": lambda o, x, y: o.tree_full_like(x, 7),
    "batch": lambda o, x, y: o.tree_batch_shape(x, (2, 1)),
    "vdot": lambda o, x, y: o.tree_vdot(x, y),
    "sum": lambda o, x, y: o.tree_sum(x),
    "sum_pairs": lambda o, x, y: o.tree_sum(x, associative_reduction=True),
    "size": lambda o, x, y: o.tree_size(x),
    "norm": lambda o, x, y: o.tree_norm(x),
    "norm_1": lambda o, x, y: o.tree_norm(x, 1),
    "norm_inf": lambda o, x, y: o.tree_norm(x, np.inf, squared=True),
    "norm_squared": lambda o, x, y: o.tree_norm(x, squared=True),
    "allclose": lambda o, x, y: o.tree_allclose(x, o.tree_add_scale(x, 1e-9, y)),
    "moment": lambda o, x, y: o.tree_update_moment(x, y, 0.9, 3),
    "moment_norm": lambda o, x, y: o.tree_update_moment_per_elem_norm(x, o.tree_real(y), 0.9, 2),
    "moment_norm_4": lambda o, x, y: o.tree_update_moment_per_elem_norm(x, o.tree_real(y), 0.9, 4),
    "moment_inf": lambda o, x, y: o.tree_update_infinity_moment(x, o.tree_real(y), 0.9, 1e-3),
    "cast": lambda o, x, y: o.tree_cast(o.tree_real(x), "float16"),
    "cast_none": lambda o, x, y: o.tree_cast(x, None),
    "cast_like": lambda o, x, y: o.tree_cast_like(o.tree_cast(y, "float16"), y),
}
REAL_ONLY = {"clip", "max", "min"}


def alike(tree, number):
    """A number in the structure of a tree of either library."""
    if isinstance(tree, dict):
        return {key: alike(x, number) for key, x in tree.items()}
    return [alike(x, number) for x in tree] if isinstance(tree, list) else number


PROJECTIONS = {
    "non_negative": lambda o, x, a: o.projection_non_negative(x),
    "box": lambda o, x, a: o.projection_box(x, alike(x, -0.3), alike(x, 0.4)),
    "hypercube": lambda o, x, a: o.projection_hypercube(x, alike(x, 0.7)),
    "simplex": lambda o, x, a: o.projection_simplex(x, 1.5),
    "l1_sphere": lambda o, x, a: o.projection_l1_sphere(x, 1.5),
    "l1_ball": lambda o, x, a: o.projection_l1_ball(x, 1.5),
    "l1_ball_inside": lambda o, x, a: o.projection_l1_ball(x, 99.0),
    "l2_sphere": lambda o, x, a: o.projection_l2_sphere(x, 1.5),
    "l2_ball": lambda o, x, a: o.projection_l2_ball(x, 1.5),
    "l2_ball_inside": lambda o, x, a: o.projection_l2_ball(x, 99.0),
    "linf_ball": lambda o, x, a: o.projection_linf_ball(x, 0.5),
    "vector": lambda o, x, a: o.projection_vector(x, a),
    "hyperplane": lambda o, x, a: o.projection_hyperplane(x, a, 0.5),
    "halfspace": lambda o, x, a: o.projection_halfspace(x, a, -5.0),
    "halfspace_inside": lambda o, x, a: o.projection_halfspace(x, a, 99.0),
}


def assert_trees_close(ours, theirs, rtol=1e-5, atol=1e-6):
    a, b = fx.tree.flatten_with_path(ours)[0], jax.tree_util.tree_flatten_with_path(theirs)[0]
    assert [str(p) for p, _ in a] == [str(p) for p, _ in b]
    for (_, x), (_, y) in zip(a, b, strict=True):
        if hasattr(y, "dtype"):
            assert (x.dtype, x.shape) == (y.dtype, y.shape)
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=atol)


@pytest.mark.skipif(optax is None, reason="compares with Optax")
@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("name", [*FUNCTIONS, "max", "min"])
def test_same_values_as_optax(name, kind):
    if kind == "complex" and name in REAL_ONLY:
        return
    program = FUNCTIONS.get(name, lambda o, x, y: getattr(o, f"tree_{name}")(x))
    first = COMPLEX if kind == "complex" else TREES[0]
    x, y = (fx.tree.map(jnp.asarray, t) for t in (first, TREES[1]))
    x_, y_ = (jax.tree.map(jax.numpy.asarray, t) for t in (first, TREES[1]))
    assert_trees_close(program(tree_utils, x, y), program(optax.tree_utils, x_, y_))


@pytest.mark.skipif(optax is None, reason="compares with Optax")
@pytest.mark.parametrize("name", sorted(PROJECTIONS.keys() - {"hypercube"}))  # there only of arrays
def test_projections_are_optaxs(name):
    x, a = (fx.tree.map(jnp.asarray, t) for t in TREES)
    x_, a_ = (jax.tree.map(jax.numpy.asarray, t) for t in TREES)
    ours = PROJECTIONS[name](projections, x, a)
    assert_trees_close(ours, PROJECTIONS[name](optax.projections, x_, a_))


@pytest.mark.parametrize("name", sorted(PROJECTIONS.keys() - {"l2_sphere", "l1_sphere"}))
def test_projections_are_nearest_points(name):
    """Projecting twice is projecting once, and no point of the (convex) set is nearer: the error
    is at right angles or more to any other projected point."""
    a = jnp.asarray(sample(6).astype(np.float64))
    project = lambda x: PROJECTIONS[name](projections, x, a)
    for _ in range(5):
        x, other = (jnp.asarray(2.0 * _RNG.normal(size=6)) for _ in range(2))
        p, q = project(x), project(other)
        np.testing.assert_allclose(np.asarray(project(p)), np.asarray(p), atol=1e-6)
        assert float(jnp.vdot(x - p, q - p)) <= 1e-6


def test_numbers_may_stand_for_trees_of_them():
    x = fx.tree.map(jnp.asarray, TREES[0])
    ends = alike(x, -0.3), alike(x, 0.4)
    a, b = projections.projection_box(x, *ends), projections.projection_box(x, -0.3, 0.4)
    assert bool(tree_utils.tree_allclose(a, b))


@pytest.mark.parametrize("name", PROJECTIONS)
def test_derivatives_of_projections(name):
    a = jnp.asarray(sample(6).astype(np.float64))
    check_derivatives(
        lambda x: PROJECTIONS[name](projections, x, a), jnp.asarray(sample(6).astype(np.float64))
    )


@seed(0)
@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=6), st.floats(0.1, 4.0))
def test_simplex_projection(values, scale):
    """Nothing negative, the sum is scale, and the order is kept."""
    x = np.array(values)
    p = np.asarray(projections.projection_simplex(jnp.asarray(x), scale))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(), scale, rtol=1e-6)
    assert (np.diff(p[np.argsort(x)]) >= -1e-9).all()


def test_dtypes_of_trees():
    tree = {"a": jnp.zeros(1, jnp.float16), "b": jnp.zeros(1, jnp.bfloat16)}
    assert tree_utils.tree_dtype(tree, "promote") == jnp.float32
    with pytest.raises(TypeError, match="'promote'"):
        tree_utils.tree_dtype(tree, "highest")
    with pytest.raises(TypeError, match="mixed_dtype_handler"):
        tree_utils.tree_dtype(tree)
    with pytest.raises(ValueError, match="'widest'"):
        tree_utils.tree_dtype(tree, "widest")
    wide = {"a": jnp.zeros(1, jnp.float64), "b": jnp.zeros(1)}
    assert tree_utils.tree_dtype(wide, "lowest") == jnp.float32
    assert tree_utils.tree_dtype(wide, "highest") == jnp.float64
    assert tree_utils.tree_dtype({"a": jnp.zeros(1)}) == jnp.float32
    assert tree_utils.tree_dtype({}) == jnp.float32


def test_random_trees():
    target = {"a": jnp.zeros((50, 40)), "b": jnp.zeros(3, jnp.float16)}
    tree = tree_utils.tree_random_like(random.key(0), target)
    assert (tree["a"].dtype, tree["b"].dtype) == (jnp.float32, jnp.float16)
    assert abs(float(jnp.mean(tree["a"]))) < 0.1
    assert abs(float(jnp.std(tree["a"])) - 1) < 0.1
    other = tree_utils.tree_random_like(random.key(0), target, random.uniform, jnp.float64)
    assert other["b"].dtype == jnp.float64


@pytest.mark.skipif(optax is None, reason="compares with Optax")
def test_random_trees_are_optaxs():
    ours = tree_utils.tree_random_like(random.key(3), fx.tree.map(jnp.asarray, TREES[0]))
    theirs = optax.tree_utils.tree_random_like(
        jax.random.key(3), jax.tree.map(jax.numpy.asarray, TREES[0])
    )
    assert_trees_close(ours, theirs)


# ------------------------------------------------------------------ states by name
def make_state():
    tx = optim.chain(
        optim.clip(1.0),
        optim.masked(optim.adam(0.1), {"w": True, "b": False}),
        optim.inject_hyperparams(optim.sgd)(0.5, momentum=0.9),
    )
    return tx, tx.init({"w": jnp.ones(2), "b": jnp.ones(3)})


def test_parts_of_states_by_name():
    _, state = make_state()
    get = tree_utils.tree_get
    assert float(get(state, "learning_rate")) == 0.5
    assert isinstance(get(state, "ScaleByAdamState"), optim.ScaleByAdamState)
    assert get(state, "mu")["w"].shape == (2,)
    assert get(state, "nothing") is None
    assert get(state, "nothing", default=7) == 7
    with pytest.raises(KeyError, match="count"):
        get(state, "count")
    inside = lambda path, value: any(
        isinstance(key, tree_utils.NamedTupleKey) and key.tuple_name == "ScaleByAdamState"
        for key in path
    )
    assert int(get(state, "count", filtering=inside)) == 0


def test_setting_parts_of_states():
    tx, state = make_state()
    new = tree_utils.tree_set(state, learning_rate=jnp.float32(0.25), mu={"w": jnp.ones(2)})
    assert fx.tree.structure(new)  # a pytree
    assert float(tree_utils.tree_get(new, "learning_rate")) == 0.25
    assert float(tree_utils.tree_get(state, "learning_rate")) == 0.5
    np.testing.assert_array_equal(np.asarray(tree_utils.tree_get(new, "mu")["w"]), 1)
    only_int = lambda path, value: getattr(value, "dtype", None) == jnp.int32
    counted = tree_utils.tree_set(state, only_int, count=jnp.int32(9))
    counts = [v for _, v in tree_utils.tree_get_all_with_path(counted, "count")]
    assert len(counts) == 2 and all(int(c) == 9 for c in counts)
    replaced = tree_utils.tree_set(state, ScaleByAdamState=optim.EmptyState())
    assert tree_utils.tree_get(replaced, "mu") is None
    with pytest.raises(KeyError, match="rate_of_learning"):
        tree_utils.tree_set(state, rate_of_learning=1.0)
    with pytest.raises(KeyError, match="filter"):
        tree_utils.tree_set(state, lambda path, value: False, count=1)
    params = {"w": jnp.ones(2), "b": jnp.ones(3)}
    slower = tree_utils.tree_set(state, learning_rate=jnp.float32(0.25))
    updates, _ = tx.update(params, slower, params)
    assert float(updates["b"][0]) == -0.25


@pytest.mark.skipif(optax is None, reason="compares with Optax")
@pytest.mark.parametrize("key", ["mu", "count", "learning_rate", "trace", "EmptyState"])
def test_paths_are_optaxs(key):
    def make(o, xp):
        tx = o.chain(
            o.scale_by_adam(), o.masked(o.trace(0.9), {"w": True}), o.inject_hyperparams(o.sgd)(1.0)
        )
        return tx.init({"w": xp.ones(2)})

    ours = tree_utils.tree_get_all_with_path(make(optim, jnp), key)
    theirs = optax.tree_utils.tree_get_all_with_path(make(optax, jax.numpy), key)
    words = lambda found: sorted("".join(map(str, path)) for path, _ in found)
    assert words(ours) == words(theirs)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.adam(0.1),
        lambda: optim.chain(optim.clip(1.0), optim.sgd(0.1, momentum=0.9)),
        lambda: optim.inject_hyperparams(optim.adam)(0.1),
        lambda: optim.MultiSteps(optim.adam(0.1), 2),
    ],
)
def test_map_over_the_parts_that_follow_parameters(make):
    tx, params = make(), {"w": jnp.ones(2), "b": {"c": jnp.ones(3)}}
    state = tx.init(params)
    mapped = optim.tree_map_params(tx, lambda x, name: name, state, {"w": "w", "b": {"c": "c"}})
    found = [x for x in fx.tree.leaves(mapped) if isinstance(x, str)]
    like = [x for x in fx.tree.leaves(state) if x.shape in ((2,), (3,))]
    assert len(found) == len(like) > 0
    rest = optim.tree_map_params(tx, lambda x: None, state, transform_non_params=lambda x: "other")
    assert set(fx.tree.leaves(rest)) <= {"other"}


def test_map_over_masked_parameters():
    tx = optim.masked(optim.adam(0.1), {"w": True, "b": False})
    state = tx.init({"w": jnp.ones(2), "b": jnp.ones(3)})
    mapped = optim.tree_map_params(
        tx,
        lambda x, name: x if isinstance(x, optim.MaskedNode) else name,
        state,
        {"w": "w", "b": "b"},
        is_leaf=lambda x: isinstance(x, optim.MaskedNode),
    )
    inner = mapped.inner_state[0]
    assert inner.mu == {"w": "w", "b": optim.MaskedNode()}
