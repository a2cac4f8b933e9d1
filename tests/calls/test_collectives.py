"""Collectives: each is a function of the stack of all instances' values, and that definition,
written with NumPy, is what vmap and pmap must give: values, derivatives, batches.
"""

import itertools
import re

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.errors import FxError, FxNameError, FxTypeError, FxValueError, ShapeError
from tests.laws import assert_close, check_laws

SIZE = 3
PERM = [(0, 2), (2, 1)]
SHUFFLE = [2, 0, 1]


def everyone(m, value):
    """One value for all instances."""
    return m.broadcast_to(value[None], (SIZE, *value.shape))


def gathered(m, x, axis, tiled):
    rows = [x[i] for i in range(SIZE)]
    return everyone(m, m.concatenate(rows, axis) if tiled else m.stack(rows, axis))


def scattered(m, x, axis, tiled):
    total = m.sum(x, 0)
    parts = m.split(total, SIZE, axis)
    return m.stack([p if tiled else m.squeeze(p, axis) for p in parts])


def exchanged(m, x, split, concat, tiled):
    parts = [m.split(x[j], SIZE, split) for j in range(SIZE)]
    out = []
    for i in range(SIZE):
        mine = [parts[j][i] for j in range(SIZE)]
        if tiled:
            out.append(m.concatenate(mine, concat))
        else:
            out.append(m.stack([m.squeeze(p, split) for p in mine], concat))
    return m.stack(out)


def permuted(m, x, perm):
    source = {d: s for s, d in perm}
    return m.stack([x[source[i]] if i in source else 0 * x[0] for i in range(SIZE)])


def indexed(m, x):
    return x * m.arange(SIZE, dtype="int32").reshape((SIZE,) + (1,) * (x.ndim - 1))


# name: (the collective of an instance's value, its definition on the stack, shape of a value)
TABLE = {
    "psum": (lambda x: lax.psum(x, "i"), lambda m, x: everyone(m, m.sum(x, 0)), (2, 3)),
    "pmean": (lambda x: lax.pmean(x, "i"), lambda m, x: everyone(m, m.mean(x, 0)), (2, 3)),
    "pmax": (lambda x: lax.pmax(x, "i"), lambda m, x: everyone(m, m.max(x, 0)), (2, 3)),
    "pmin": (lambda x: lax.pmin(x, "i"), lambda m, x: everyone(m, m.min(x, 0)), (2, 3)),
    "pshuffle": (
        lambda x: lax.pshuffle(x, "i", SHUFFLE),
        lambda m, x: m.stack([x[s] for s in SHUFFLE]),
        (2,),
    ),
    "ppermute": (lambda x: lax.ppermute(x, "i", PERM), lambda m, x: permuted(m, x, PERM), (2,)),
    "ppermute ring": (
        lambda x: lax.ppermute(x, "i", [(k, (k + 1) % SIZE) for k in range(SIZE)]),
        lambda m, x: m.stack([x[(i - 1) % SIZE] for i in range(SIZE)]),
        (2,),
    ),
    "pswapaxes": (
        lambda x: lax.pswapaxes(x, "i", 1),
        lambda m, x: exchanged(m, x, 1, 1, False),
        (2, 3),
    ),
    "axis_index": (lambda x: x * lax.axis_index("i"), indexed, (2,)),
    "axis_size": (lambda x: x * lax.axis_size("i"), lambda m, x: x * SIZE, (2,)),
    "psum of a rank-0 value": (
        lambda x: lax.psum(x, "i"),
        lambda m, x: everyone(m, m.sum(x, 0)),
        (),
    ),
}
for axis, tiled in itertools.product([0, 1, -1], [False, True]):
    TABLE[f"all_gather {axis} {tiled}"] = (
        lambda x, a=axis, t=tiled: lax.all_gather(x, "i", axis=a, tiled=t),
        lambda m, x, a=axis, t=tiled: gathered(m, x, a, t),
        (2, 2),
    )
for axis, tiled in itertools.product([0, 1], [False, True]):
    TABLE[f"psum_scatter {axis} {tiled}"] = (
        lambda x, a=axis, t=tiled: lax.psum_scatter(x, "i", scatter_dimension=a, tiled=t),
        lambda m, x, a=axis, t=tiled: scattered(m, x, a, t),
        (6, 6) if tiled else (3, 3),
    )
for split, concat, tiled in itertools.product([0, 1], [0, 1], [False, True]):
    TABLE[f"all_to_all {split} {concat} {tiled}"] = (
        lambda x, s=split, c=concat, t=tiled: lax.all_to_all(x, "i", s, c, tiled=t),
        lambda m, x, s=split, c=concat, t=tiled: exchanged(m, x, s, c, t),
        (6, 6) if tiled else (3, 3),
    )

each = pytest.mark.parametrize("name", TABLE)
MAPS = {
    "vmap": lambda f: fx.vmap(f, axis_name="i"),
    "pmap": lambda f: fx.pmap(f, axis_name="i", devices=SIZE),
    "jit of vmap": lambda f: fx.jit(fx.vmap(fx.jit(f), axis_name="i")),
    "jit of pmap": lambda f: fx.jit(fx.pmap(fx.jit(f), axis_name="i")),
}
mapped = pytest.mark.parametrize("how", MAPS)


def stack_of(shape, seed=0):
    return np.random.default_rng(seed).normal(size=(SIZE, *shape))


@each
@mapped
def test_values_are_the_definition(name, how):
    f, dense, shape = TABLE[name]
    x = stack_of(shape)
    np.testing.assert_allclose(MAPS[how](f)(x), dense(np, x), rtol=1e-12)
    whole = np.arange(SIZE * int(np.prod(shape)), dtype=np.int32).reshape(SIZE, *shape)
    if name != "pmean":
        got = MAPS[how](f)(whole)
        assert got.dtype == np.int32
        np.testing.assert_array_equal(got, dense(np, whole))


@each
@mapped
def test_derivatives_are_those_of_the_definition(name, how):
    f, dense, shape = TABLE[name]
    x, t = stack_of(shape), stack_of(shape, 1)
    g = MAPS[how](f)
    defined = lambda x: dense(jnp, x)
    assert_close(fx.jvp(g, (x,), (t,))[1], fx.jvp(defined, (x,), (t,))[1], 1e-9, 1e-9)
    ct = jnp.cos(g(x))
    assert_close(fx.vjp(g, x)[1](ct)[0], fx.vjp(defined, x)[1](ct)[0], 1e-9, 1e-9)
    loss = lambda f: lambda x: jnp.sum(jnp.sin(f(jnp.sin(x))))
    second = lambda f: lambda x: fx.jvp(fx.grad(loss(f)), (x,), (t,))[1]
    assert_close(second(g)(x), second(defined)(x), 1e-9, 1e-9)


@each
@pytest.mark.parametrize("kind", ["vmap", "pmap"])
def test_another_axis_rides_along(name, kind):
    """A batch outside or inside the named axis changes nothing."""
    f, dense, shape = TABLE[name]
    batch = np.stack([stack_of(shape, k) for k in range(2)])
    expected = np.stack([dense(np, x) for x in batch])
    g = MAPS[kind](f)
    np.testing.assert_allclose(fx.vmap(g)(batch), expected, rtol=1e-12)
    inner = MAPS[kind](fx.vmap(f))
    np.testing.assert_allclose(
        np.moveaxis(inner(np.moveaxis(batch, 0, 1)), 1, 0), expected, rtol=1e-12
    )
    last = fx.vmap(g, in_axes=-1, out_axes=-1)(np.moveaxis(batch, 0, -1))
    np.testing.assert_allclose(np.moveaxis(last, -1, 0), expected, rtol=1e-12)
    slopes = fx.grad(lambda b: jnp.sum(jnp.sin(fx.vmap(g)(b))))(batch)
    defined = fx.grad(lambda b: jnp.sum(jnp.sin(fx.vmap(lambda x: dense(jnp, x))(b))))(batch)
    assert_close(slopes, defined, 1e-9, 1e-9)


@each
def test_values_that_do_not_depend_on_the_axis(name):
    f, dense, shape = TABLE[name]
    x = stack_of(shape)[0]
    expected = dense(np, np.stack([x] * SIZE))
    for how in (fx.vmap, fx.pmap):
        got = how(f, axis_name="i", in_axes=None, axis_size=SIZE)(x)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["psum", "all_gather 1 True", "all_to_all 0 1 False",
                                  "psum_scatter 0 True", "ppermute", "pmax"])  # fmt: skip
def test_laws(name):
    f, _, shape = TABLE[name]
    for how in ("vmap", "pmap"):
        check_laws(lambda x, how=how: MAPS[how](f)(x), stack_of(shape), all_axes=False)


@each
def test_against_jax(name):
    """JAX has the same values and gradients under vmap, where it has them."""
    jax = pytest.importorskip("jax")
    if name in ("pmax", "pmin"):
        pytest.skip("JAX does not differentiate pmax and pmin")
    if name == "ppermute":
        pytest.skip("JAX's vmap takes whole permutations only")
    f, _, shape = TABLE[name]
    x = stack_of(shape)
    code = {"lax": jax.lax}
    g = type(f)(f.__code__, {**f.__globals__, **code}, f.__name__, f.__defaults__, f.__closure__)
    weights = np.cos(np.asarray(fx.vmap(f, axis_name="i")(x)))
    with jax.enable_x64(True):
        theirs = jax.vmap(g, axis_name="i")
        out = theirs(x)
        slopes = jax.grad(lambda x: (theirs(x) * weights).sum())(x)
    ours = fx.vmap(f, axis_name="i")
    np.testing.assert_allclose(ours(x), out, rtol=1e-9)
    np.testing.assert_allclose(
        fx.grad(lambda x: (ours(x) * weights).sum())(x), slopes, rtol=1e-9, atol=1e-12
    )


# ------------------------------------------------------------------ several axes
def grid(f, outer="vmap", inner="vmap"):
    wrap = {"vmap": fx.vmap, "pmap": fx.pmap}
    return wrap[outer](wrap[inner](f, axis_name="j"), axis_name="i")


@pytest.mark.parametrize("outer", ["vmap", "pmap"])
@pytest.mark.parametrize("inner", ["vmap", "pmap"])
def test_several_axis_names(outer, inner):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    cases = [
        (lambda v: lax.psum(v, ("i", "j")), lambda x: x.sum((0, 1), keepdims=True)),
        (lambda v: lax.psum(v, ("j", "i")), lambda x: x.sum((0, 1), keepdims=True)),
        (lambda v: lax.psum(v, "i"), lambda x: x.sum(0, keepdims=True)),
        (lambda v: lax.psum(v, "j"), lambda x: x.sum(1, keepdims=True)),
        (lambda v: lax.pmean(v, ("i", "j")), lambda x: x.mean((0, 1), keepdims=True)),
        (lambda v: lax.pmax(v, ("i", "j")), lambda x: x.max((0, 1), keepdims=True)),
        (lambda v: lax.psum(lax.pmax(v, "j"), "i"), lambda x: x.max(1, keepdims=True).sum(0)[None]),
    ]
    for f, dense in cases:
        for call in (grid(f, outer, inner), fx.jit(grid(f, outer, inner))):
            got = call(x)
            np.testing.assert_allclose(got, np.broadcast_to(dense(x), x.shape), rtol=1e-12)
        (slope,) = fx.vjp(grid(f, outer, inner), x)[1](np.cos(x))
        whole = lambda x, dense=dense: jnp.broadcast_to(dense(x), x.shape)
        (expected,) = fx.vjp(whole, jnp.asarray(x))[1](np.cos(x))
        assert_close(slope, expected, 1e-9, 1e-9)
    index = grid(lambda v: v[0] * 0 + lax.axis_index(("i", "j")), outer, inner)(x)
    np.testing.assert_array_equal(index, np.arange(6).reshape(2, 3))
    size = grid(lambda v: v[0] * 0 + lax.axis_size(("i", "j")), outer, inner)(x)
    np.testing.assert_array_equal(size, np.full((2, 3), 6))
    gather = grid(lambda v: lax.all_gather(lax.all_gather(v, "j"), "i"), outer, inner)(x)
    np.testing.assert_array_equal(gather[1, 2], x)
    both = ("i", "j")
    flat = grid(lambda v: lax.all_gather(v, both), outer, inner)(x)
    np.testing.assert_array_equal(flat[1, 0], x.reshape(6, 4))
    joined = grid(lambda v: lax.all_gather(v, both, axis=0, tiled=True), outer, inner)(x)
    np.testing.assert_array_equal(joined[0, 2], x.reshape(24))
    parts = np.random.default_rng(1).normal(size=(2, 3, 6, 2))
    one = grid(lambda v: lax.psum_scatter(v, both), outer, inner)(parts)
    np.testing.assert_allclose(one.reshape(6, 2), parts.sum((0, 1)), rtol=1e-12)
    some = grid(lambda v: lax.psum_scatter(v, both, tiled=True), outer, inner)(parts)
    np.testing.assert_allclose(some.reshape(6, 2), parts.sum((0, 1)), rtol=1e-12)


def test_the_inner_of_two_equal_names_is_meant():
    x = np.arange(6.0).reshape(2, 3)
    f = fx.vmap(fx.vmap(lambda v: lax.psum(v, "i"), axis_name="i"), axis_name="i")
    np.testing.assert_array_equal(f(x), np.broadcast_to(x.sum(1, keepdims=True), x.shape))


def test_inside_control_flow():
    x = np.arange(1.0, 4.0)
    programs = {
        "scan": lambda v: lax.scan(lambda c, _: (lax.psum(c, "i") / 3, None), v, None, length=2)[0],
        "cond": lambda v: lax.cond(
            lax.axis_size("i") > 1, lambda v: lax.psum(v, "i"), lambda v: v, v
        ),
        "while": lambda v: lax.while_loop(
            lambda c: lax.pmax(c, "i") < 9, lambda c: c + lax.psum(c, "i"), v
        ),
        "checkpoint": lambda v: fx.checkpoint(lambda v: jnp.sin(lax.psum(v, "i")))(v),
        "jit": lambda v: fx.jit(lambda v: v / lax.psum(v, "i"))(v),
        "map": lambda v: lax.map(lambda w: lax.psum(w, "i"), v * jnp.ones(2))[0],
        "grad": lambda v: fx.grad(lambda v: lax.psum(v * v, "i"))(v),
    }
    expected = {
        "scan": np.full(3, 2.0), "cond": np.full(3, 6.0), "while": None,
        "checkpoint": np.full(3, np.sin(6.0)), "jit": x / 6, "map": np.full(3, 6.0), "grad": 6 * x,
    }  # fmt: skip
    for name, f in programs.items():
        outs = [m(f)(x) for m in MAPS.values()]
        for out in outs[1:]:
            np.testing.assert_allclose(out, outs[0], rtol=1e-12)
        if expected[name] is not None:
            np.testing.assert_allclose(outs[0], expected[name], rtol=1e-12)


def test_trees_numbers_and_bools():
    f = lambda x: lax.psum({"x": x, "two": 2, "half": 0.5, "b": x > 0, "none": None}, "i")
    for how in MAPS.values():
        out = how(f)(np.array([1.0, -1.0, 3.0]))
        np.testing.assert_array_equal(out["x"], [3.0] * 3)
        assert int(out["two"][0]) == 6 and float(out["half"][0]) == 1.5 and out["none"] is None
        np.testing.assert_array_equal(out["b"], [2, 2, 2])
    means = fx.vmap(lambda x: lax.pmean((x, 3), "i"), axis_name="i")(np.arange(3))
    np.testing.assert_array_equal(means[0], [1.0] * 3)
    assert means[0].dtype == np.float32


def test_tied_extrema_share_the_gradient():
    x = np.array([2.0, 5.0, 5.0])
    for how in ("vmap", "pmap"):
        g = fx.grad(lambda x, how=how: MAPS[how](lambda v: lax.pmax(v, "i"))(x)[0])
        np.testing.assert_allclose(g(x), [0.0, 0.5, 0.5])


# ------------------------------------------------------------------ errors
def under(f, n=SIZE):
    return lambda: fx.vmap(f, axis_name="i")(np.ones((n, 2, 4)))


ERRORS = [
    (lambda: lax.psum(1.0, "i"), FxNameError, "unbound axis name 'i'"),
    (under(lambda x: lax.psum(x, "j")), FxNameError, "bound here: [\"'i'\"]"),
    (under(lambda x: lax.axis_index("j")), FxNameError, "unbound axis name 'j'"),
    (under(lambda x: lax.axis_size("j")), FxNameError, "unbound axis name 'j'"),
    (under(lambda x: lax.ppermute(x, ("i", "j"), [])), FxTypeError, "expects one axis name"),
    (under(lambda x: lax.all_gather(x, "i", axis=4)), FxValueError, "axis 4 does not exist"),
    (under(lambda x: lax.psum_scatter(x, "i")), ShapeError, "to have 3 elements"),
    (under(lambda x: lax.psum_scatter(x, "i", tiled=True)), ShapeError, "a multiple of 3"),
    (under(lambda x: lax.all_to_all(x, "i", 0, 0)), ShapeError, "the size of the mapped axis, 3"),
    (under(lambda x: lax.all_to_all(x, "i", 1, 0, tiled=True)), ShapeError, "a multiple"),
    (under(lambda x: lax.all_to_all(x, "i", 2, 0)), FxValueError, "axis 2 does not exist"),
    (under(lambda x: lax.ppermute(x, "i", [(0, 1), (0, 2)])), FxValueError, "at most once"),
    (under(lambda x: lax.ppermute(x, "i", [(0, 3)])), FxValueError, "from 0 to 2"),
    (under(lambda x: lax.pshuffle(x, "i", [0, 1, 1])), FxValueError, "a permutation"),
    (under(lambda x: lax.psum(x, "i", axis_index_groups=[[0]])), FxTypeError, "map two axes"),
    (under(lambda x: lax.psum("text", "i")), FxTypeError, "psum expects arrays"),
]


@pytest.mark.parametrize(
    "call, kind, words", ERRORS, ids=[re.sub(r"\W+", "-", w) for *_, w in ERRORS]
)
def test_errors(call, kind, words):
    with pytest.raises(kind, match=re.escape(words)) as caught:
        call()
    assert isinstance(caught.value, FxError)
    assert caught.traceback[-1].path.name == "test_collectives.py"
