"""vmap: axes as trees, sizes, names, results that do not depend on the axis, errors."""

import functools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.errors import (
    ConcretizationTypeError,
    FxError,
    FxNameError,
    FxTypeError,
    FxValueError,
    ShapeError,
    TracerBoolConversionError,
    TreeError,
)
from fx.transforms.mapping import vmap
from tests.laws import numbers

RNG = np.random.default_rng(0)
ONES = np.ones(3, np.float32)


# ------------------------------------------------------------------ axes
def network(params, x, y):
    return {"z": (params["w"] @ x + y, params["b"] * 2.0), "s": jnp.sum(x) * y[0]}


SHAPES = {"w": (2, 3), "b": (2,), "x": (3,), "y": (2,)}
OUTS = {"z0": 1, "z1": 1, "s": 0}


@st.composite
def axes(draw):
    """An axis or None for each argument leaf (one at least mapped), and for each result."""
    ins = {
        k: draw(st.one_of(st.none(), st.integers(-len(s) - 1, len(s)))) for k, s in SHAPES.items()
    }
    if all(a is None for a in ins.values()):
        ins["x"] = 0
    outs = {k: draw(st.integers(-n - 1, n)) for k, n in OUTS.items()}
    return ins, outs, draw(st.integers(0, 4))


@given(axes())
def test_trees_of_axes(case):
    """vmap = stack of the function on slices, wherever the mapped axes are."""
    ins, outs, size = case
    rows = {k: RNG.normal(size=(size, *s)) for k, s in SHAPES.items()}

    def argument(k):
        return RNG.normal(size=SHAPES[k]) if ins[k] is None else np.moveaxis(rows[k], 0, ins[k])

    args = {k: argument(k) for k in SHAPES}

    def one(i):
        pick = lambda k: args[k] if ins[k] is None else rows[k][i]
        return network({"w": pick("w"), "b": pick("b")}, pick("x"), pick("y"))

    in_axes = ({"w": ins["w"], "b": ins["b"]}, ins["x"], ins["y"])
    out_axes = {"z": (outs["z0"], outs["z1"]), "s": outs["s"]}
    mapped = fx.vmap(network, in_axes=in_axes, out_axes=out_axes)
    got = mapped({"w": args["w"], "b": args["b"]}, args["x"], args["y"])
    results = [one(i) for i in range(size)]
    for path, k in (
        (lambda o: o["z"][0], "z0"),
        (lambda o: o["z"][1], "z1"),
        (lambda o: o["s"], "s"),
    ):
        shape = {"z0": (2,), "z1": (2,), "s": ()}[k]
        stacked = np.stack([numbers(path(r)) for r in results]) if size else np.zeros((0, *shape))
        np.testing.assert_allclose(path(got), np.moveaxis(stacked, 0, outs[k]))


def test_prefixes_of_axes():
    f = lambda d, y: (d["a"] * y, {"b": d["b"]})
    d = {"a": np.arange(3.0), "b": np.ones((3, 2))}
    for in_axes in [(0, None), [0, None], ({"a": 0, "b": 0}, None), (0, {})]:
        y = {} if in_axes == (0, {}) else 2.0
        g = (lambda d, y: f(d, 2.0)) if y == {} else f
        out = fx.vmap(g, in_axes=in_axes, out_axes=(0, {"b": 1}))(d, y)
        np.testing.assert_allclose(out[0], 2 * np.arange(3.0))
        assert out[1]["b"].shape == (2, 3)


def test_keyword_arguments_map_axis_0():
    out = fx.vmap(lambda x, *, y: x * y, in_axes=(None,))(2.0, y=np.arange(3.0))
    np.testing.assert_array_equal(out, [0, 2, 4])


def test_axis_size_without_mapped_arguments():
    assert fx.vmap(lambda: jnp.ones(2), axis_size=3)().shape == (3, 2)
    out = fx.vmap(lambda x: x, in_axes=None, axis_size=2)(5.0)
    np.testing.assert_array_equal(out, [5.0, 5.0])
    assert out.weak_type


def test_results_that_do_not_depend_on_the_axis():
    f = lambda x: (x, jnp.float32(3.0), fx.lax.psum(x, "i"), None)
    out = fx.vmap(f, out_axes=(0, None, None, 0), axis_name="i")(ONES)
    assert out[1].shape == () == out[2].shape and float(out[2]) == 3.0 and out[3] is None
    calls = []
    fx.vmap(lambda x: (calls.append(1), x)[1])(ONES)
    assert calls == [1]


def test_operations_on_unmapped_values_run_once():
    jaxpr = fx.make_jaxpr(fx.vmap(lambda x, w: x + jnp.sin(w @ w), (0, None)))(ONES, np.eye(2)[0])
    assert all(v.aval.shape != (3, 2) for e in jaxpr.eqns for v in e.outvars)


def test_names_sizes_and_ignored_options():
    f = lambda x: x * fx.lax.axis_size("i") + fx.lax.axis_index("i")
    np.testing.assert_array_equal(fx.vmap(f, axis_name="i", spmd_axis_name="b")(ONES), [3, 4, 5])
    g = fx.vmap(functools.partial(lambda x, n: x * n, n=3))
    np.testing.assert_array_equal(g(ONES), 3 * ONES)
    assert fx.vmap is vmap and fx.vmap(network).__name__ == "network"


def test_random_keys_and_narrow_dtypes_map():
    keys = fx.random.split(fx.random.key(0), 3)
    drawn = fx.vmap(fx.random.normal)(keys)
    np.testing.assert_array_equal(drawn, [float(fx.random.normal(k)) for k in keys])
    for dtype in (np.bool_, np.int8, np.float16, "bfloat16", np.complex64):
        x = jnp.ones((2, 3)).astype(dtype)
        assert fx.vmap(lambda x: x[::-1], in_axes=1, out_axes=1)(x).dtype == x.dtype


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_nested(depth):
    """Each vmap maps one more axis; the innermost sees numbers."""
    shape = tuple(range(2, 2 + depth))
    x = RNG.normal(size=shape)
    f = lambda v: jnp.sin(v) * v if v.shape == () else pytest.fail("not a number")
    for i in range(depth):
        f = fx.vmap(f, in_axes=i % 2 if i else 0, out_axes=i % 2 if i else 0)
    np.testing.assert_allclose(f(x), np.sin(x) * x)


def test_outer_product_of_axes():
    f = fx.vmap(fx.vmap(lambda x, y: x - y, (None, 0)), (0, None))
    x, y = np.arange(3), np.arange(4)
    np.testing.assert_array_equal(f(x, y), x[:, None] - y)


def test_per_example_gradients():
    w, x = RNG.normal(size=3), RNG.normal(size=(5, 3))
    loss = lambda w, x: jnp.tanh(w @ x) ** 2
    got = fx.jit(fx.vmap(fx.grad(loss), (None, 0)))(w, x)
    expected = np.stack([fx.grad(loss)(w, r) for r in x])
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    summed = fx.grad(lambda w: fx.vmap(loss, (None, 0))(w, x).sum())(w)
    np.testing.assert_allclose(summed, expected.sum(0), rtol=1e-12)


# ------------------------------------------------------------------ errors
same = lambda x: x
first = lambda x, y: x
ERRORS = [
    (lambda: fx.vmap(3), FxTypeError, "vmap expects a function, got int"),
    (lambda: fx.vmap(same, in_axes="a"), FxTypeError, "in_axes expects an int, None, or a tuple"),
    (lambda: fx.vmap(same, in_axes=(1.5,)), FxTypeError, "integers and None"),
    (lambda: fx.vmap(same, in_axes=True), FxTypeError, "got True"),
    (lambda: fx.vmap(same, out_axes="a"), FxTypeError, "out_axes expects integers"),
    (lambda: fx.vmap(same, in_axes=(0, 0))(ONES), FxValueError, "2 entries for 1 positional"),
    (lambda: fx.vmap(same, in_axes=None)(ONES), FxValueError, "axis_size="),
    (lambda: fx.vmap(same)(1.0), ShapeError, "axis 0 of argument [0], which has shape ()"),
    (lambda: fx.vmap(same, in_axes=1)(ONES), ShapeError, "axis 1 of argument [0]"),
    (lambda: fx.vmap(first)(ONES, {"k": ONES[:2]}), ShapeError, "argument [1]['k'] has 2"),
    (lambda: fx.vmap(same, axis_size=2)(ONES), ShapeError, "axis_size=2"),
    (lambda: fx.vmap(first)(ONES, y="text"), FxTypeError, "got str at keyword ['y']"),
    (lambda: fx.vmap(same, in_axes=({"a": 0},))({"b": ONES}), TreeError, "in_axes"),
    (lambda: fx.vmap(same, out_axes=(0, 0))(ONES), TreeError, "out_axes"),
    (lambda: fx.vmap(same, out_axes=1)(ONES), ShapeError, "out_axes has 1"),
    (lambda: fx.vmap(same, out_axes=None)(ONES), FxValueError, "depends on the mapped axis"),
    (lambda: fx.vmap(lambda x: "text")(ONES), FxTypeError, "got str at result"),
    (lambda: fx.vmap(lambda x: 1 if x > 0 else 2)(ONES), TracerBoolConversionError, "3 at once"),
    (lambda: fx.vmap(lambda x: float(x))(ONES), ConcretizationTypeError, "float()"),
    (lambda: fx.vmap(lambda x: fx.lax.psum(x, "j"))(ONES), FxNameError, "unbound axis name 'j'"),
]  # fmt: skip


@pytest.mark.parametrize(
    "call, kind, words", ERRORS, ids=[re.sub(r"\W+", "-", w) for *_, w in ERRORS]
)
def test_errors(call, kind, words):
    with pytest.raises(kind, match=re.escape(words)) as caught:
        call()
    assert isinstance(caught.value, FxError)
    assert caught.traceback[-1].path.name == "test_vmap.py"
    np.testing.assert_array_equal(fx.vmap(same)(ONES), ONES)
