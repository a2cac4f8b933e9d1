"""pmap = vmap: on random programs with collectives, any number of devices, and composed with jit,
grad and vmap in any order; its options; errors, which must neither hang nor linger; threads.
"""

import re
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import lax, testing
from fx.errors import FxError, FxNameError, FxTypeError, FxValueError, ShapeError, TreeError
from tests.laws import numbers

DEVICES = (1, 2, 3, 8)
RNG = np.random.default_rng(0)


def same(a, b, tolerance=1e-9):
    """Equal trees of equal shapes and dtypes."""
    assert fx.tree.structure(a) == fx.tree.structure(b)
    for x, y in zip(fx.tree.leaves(a), fx.tree.leaves(b), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(numbers(x), numbers(y), rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------ random programs
def loss(mapped, argnums):
    """The gradient of a number that depends on every result of a mapped program."""

    def total(*args):
        leaves = [y for y in fx.tree.leaves(mapped(*args)) if fx.dtypes.is_inexact(y.dtype)]
        return sum((jnp.sum(jnp.sin(y)) for y in leaves), jnp.zeros((), "float64"))

    return fx.grad(total, argnums)


@settings(max_examples=60)
@given(
    testing.programs(dtype="float64", collectives="i", max_equations=10), st.sampled_from(DEVICES)
)
def test_pmap_is_vmap_on_random_programs(program, devices):
    args = program.batch(devices)
    one = fx.vmap(program, axis_name="i")
    other = fx.pmap(program, axis_name="i", devices=devices)
    expected = one(*args)
    same(other(*args), expected)
    same(fx.jit(other)(*args), expected)
    same(fx.pmap(fx.jit(program), axis_name="i")(*args), expected)
    slopes = loss(one, program.argnums)(*args)
    same(loss(other, program.argnums)(*args), slopes)
    same(fx.jit(loss(fx.jit(other), program.argnums))(*args), slopes)


@settings(max_examples=40)
@given(
    testing.programs(dtype="float64", collectives="i", max_equations=6, scalar=True),
    st.sampled_from((1, 2, 3)),
    st.lists(st.sampled_from(["jit", "vmap", "grad", "jvp"]), min_size=1, max_size=3),
)
def test_any_order_of_transformations(program, devices, transforms):
    """Whatever is put around pmap gives the same as around vmap."""
    args = program.batch(devices)

    def around(mapped):
        f, rest = mapped, args
        for name in transforms:
            if name == "jit":
                f = fx.jit(f)
            elif name == "grad":
                f = loss(f, program.argnums)
            elif name == "vmap":
                f = fx.vmap(f)
                rest = fx.tree.map(lambda x: jnp.stack([x, x]), rest)
            else:
                inner = f

                def f(*xs, inner=inner):
                    tangents = fx.tree.map(
                        lambda x: (
                            jnp.cos(x)
                            if fx.dtypes.is_inexact(x.dtype)
                            else np.zeros(x.shape, fx.dtypes.float0)
                        ),
                        xs,
                    )
                    out, slope = fx.jvp(inner, xs, tangents)
                    return [
                        s if fx.dtypes.is_inexact(o.dtype) else o
                        for o, s in zip(fx.tree.leaves(out), fx.tree.leaves(slope), strict=True)
                    ]

        return f(*rest)

    same(around(fx.pmap(program, axis_name="i")), around(fx.vmap(program, axis_name="i")), 1e-7)


# ------------------------------------------------------------------ options
def model(params, x):
    out = jnp.tanh(x @ params["w"] + params["b"])
    return {"out": out, "mean": lax.pmean(out.sum(), "i"), "rank": lax.axis_index("i")}


@pytest.mark.parametrize("devices", DEVICES)
def test_axes_as_trees(devices):
    params = {"w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=(devices, 2))}
    x = RNG.normal(size=(4, 3, devices))
    options = {
        "axis_name": "i",
        "in_axes": ({"w": None, "b": 0}, 2),
        "out_axes": {"out": 1, "mean": 0, "rank": 0},
    }
    expected = fx.vmap(model, **options)(params, x)
    same(fx.pmap(model, **options)(params, x), expected)
    same(fx.pmap(model, **options, devices=devices)(params, x), expected)
    same(fx.pmap(model, **options, devices=[object()] * devices)(params, x), expected)
    with fx.config.scope(cpu_devices=devices):
        same(fx.pmap(model, **options, devices=fx.devices())(params, x), expected)
    options["out_axes"] = {"out": -1, "mean": None, "rank": 0}
    got = fx.pmap(model, **options)(params, x)
    assert got["mean"].shape == () and got["out"].shape == (4, 2, devices)


def test_keyword_and_static_arguments():
    def f(how, x, n, *, y):
        return getattr(jnp, how)(x) * n + y

    g = fx.pmap(f, static_broadcasted_argnums=(0, 2))
    x, y = np.arange(3.0), np.ones(3)
    same(g("sin", x, 2, y=y), jnp.asarray(np.sin(x) * 2 + 1))
    same(g("cos", x, 3, y=y), jnp.asarray(np.cos(x) * 3 + 1))
    h = fx.pmap(lambda x, n: x * n, in_axes=(1, None), static_broadcasted_argnums=1)
    same(h(np.ones((2, 3)), 4), 4 * jnp.ones((3, 2), "float64"))


def test_axis_size_and_unmapped_arguments():
    out = fx.pmap(lambda x: x * lax.axis_index("i"), "i", in_axes=None, axis_size=4)(2)
    np.testing.assert_array_equal(out, [0, 2, 4, 6])
    assert fx.pmap(lambda: lax.axis_index("i"), "i", axis_size=3)().tolist() == [0, 1, 2]


def test_traces_once_for_all_devices_and_calls():
    traces = []
    f = fx.pmap(lambda x: (traces.append(1), x * 2)[1])
    for _ in range(3):
        f(np.ones(8))
    assert len(traces) == 1
    f(np.ones(4))
    assert len(traces) == 2
    assert "pmap" in f.lower(np.ones(4)).as_text()


def test_each_device_is_a_thread_and_they_run_together():
    """A barrier among callbacks passes only if all devices run at the same time."""
    names, barrier = set(), threading.Barrier(4)

    def meet(x):
        barrier.wait(timeout=20)
        names.add(threading.current_thread().name)
        return x

    fx.pmap(lambda x: fx.pure_callback(meet, x, x))(np.ones(4))
    assert len(names) == 4


def test_random_keys_on_devices():
    keys = fx.random.split(fx.random.key(0), 3)
    f = lambda k: fx.random.normal(fx.random.fold_in(k, lax.axis_index("i")), (2,))
    same(fx.pmap(f, "i")(keys), fx.vmap(f, axis_name="i")(keys))


# ------------------------------------------------------------------ nesting
@pytest.mark.parametrize("outer, inner", [(1, 3), (2, 2), (3, 2), (4, 3)])
def test_nested(outer, inner):
    x = RNG.normal(size=(outer, inner, 2))

    def f(v):
        w = lax.psum(v, "i") * lax.axis_index("j") + lax.all_gather(v, "j").sum(0)
        return jnp.sin(w) / lax.psum(v * v, ("i", "j"))

    wraps = (fx.vmap, fx.pmap)
    grids = [a(b(f, axis_name="j"), axis_name="i") for a in wraps for b in wraps]
    expected, pull = fx.vjp(grids[0], x)
    for grid in grids[1:]:
        for g in (grid, fx.jit(grid)):
            same(g(x), expected)
            out, back = fx.vjp(g, x)
            same(back(jnp.cos(out)), pull(jnp.cos(expected)))


def test_three_levels_many_times():
    f = lambda v: lax.psum(lax.psum(v, ("a", "c")) * v, "b")
    g = fx.pmap(fx.pmap(fx.pmap(f, "c"), "b"), "a")
    x = RNG.normal(size=(2, 2, 2))
    expected = fx.vmap(fx.vmap(fx.vmap(f, axis_name="c"), axis_name="b"), axis_name="a")(x)
    for _ in range(10):
        same(g(x), expected)


def test_pmap_inside_control_flow():
    x = np.arange(1.0, 4.0)
    inner = fx.pmap(lambda v: v / lax.psum(v, "i"), "i")
    f = lambda x: lax.scan(lambda c, _: (inner(jnp.sin(c)), None), x, None, length=3)[0]
    g = lambda x: lax.scan(lambda c, _: (jnp.sin(c) / jnp.sin(c).sum(), None), x, None, length=3)[0]
    same(f(x), g(x))
    same(fx.jacrev(f)(x), fx.jacrev(g)(x))
    same(fx.jit(fx.jacfwd(f))(x), fx.jacfwd(g)(x))


# ------------------------------------------------------------------ errors
def test_an_error_on_one_device_is_raised_and_the_others_stop():
    def fails(x):
        if float(x) == 2.0:
            raise ZeroDivisionError("device 2")
        return x

    def f(x):
        y = fx.pure_callback(fails, x, x)
        for _ in range(3):
            y = lax.psum(y, "i")  # the others wait here
        return y

    for devices in (3, 8):
        for g in (fx.pmap(f, "i"), fx.jit(fx.pmap(f, "i"))):
            with pytest.raises(ZeroDivisionError, match="device 2"):
                g(np.arange(float(devices)))
    before = threading.active_count()
    same(fx.pmap(lambda x: lax.psum(x, "i"), "i")(np.ones(3)), 3 * jnp.ones(3, "float64"))
    assert threading.active_count() == before


@pytest.mark.parametrize("bad", [(0, 0), (1, 2), (1, 0)])
@pytest.mark.parametrize("early", [True, False])
def test_an_error_in_a_nested_device_stops_all_levels(bad, early):
    def fails(i, j):
        if (int(i), int(j)) == bad:
            raise ZeroDivisionError(f"device {bad}")
        return np.float64(0)

    def f(x):
        i, j = lax.axis_index("i"), lax.axis_index("j")
        check = fx.pure_callback(fails, fx.ShapeDtypeStruct((), "float64"), i, j)
        start = check if early else 0 * x
        y = lax.psum(x + start, "i") + lax.psum(x, "j")
        return lax.psum(y + (0 if early else check), ("i", "j"))

    g = fx.pmap(fx.pmap(f, "j"), "i")
    done = []

    def call():
        with pytest.raises(ZeroDivisionError, match=re.escape(f"device {bad}")):
            g(np.ones((2, 3)))
        done.append(True)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(timeout=30)
    assert done, "a failing device left others waiting"


same_x = lambda x: x
ERRORS = [
    (lambda: fx.pmap(3), FxTypeError, "pmap expects a function, got int"),
    (lambda: fx.pmap(same_x, devices=0), FxValueError, "at least 1"),
    (lambda: fx.pmap(same_x, devices="cpu"), FxTypeError, "a number or a list of devices"),
    (lambda: fx.pmap(same_x, in_axes="a"), FxTypeError, "integers and None"),
    (lambda: fx.pmap(same_x, devices=3)(np.ones(4)), FxValueError, "size 4, but there are 3"),
    (lambda: fx.pmap(same_x)(1.0), ShapeError, "pmap of <lambda>: in_axes maps axis 0"),
    (lambda: fx.pmap(lambda x, y: x)(np.ones(2), np.ones(3)), ShapeError, "argument [1] has 3"),
    (lambda: fx.pmap(same_x, in_axes=({"a": 0},))(np.ones(2)), TreeError, "in_axes"),
    (lambda: fx.pmap(same_x, out_axes=1)(np.ones(2)), ShapeError, "out_axes has 1"),
    (lambda: fx.pmap(lambda x: "a")(np.ones(2)), FxTypeError, "got str at result"),
    (lambda: fx.pmap(lambda x: lax.psum(x, "j"), "i")(np.ones(2)), FxNameError, "'j'"),
    (lambda: fx.pmap(lambda x: 1 if x > 0 else 2)(np.ones(2)), FxTypeError, "bool()"),
    (
        lambda: fx.pmap(lambda x, n: x, static_broadcasted_argnums=1)(np.ones(2), [1]),
        FxValueError,
        "must be hashable",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "call, kind, words", ERRORS, ids=[re.sub(r"\W+", "-", w) for *_, w in ERRORS]
)
def test_errors(call, kind, words):
    with pytest.raises(kind, match=re.escape(words)) as caught:
        call()
    assert isinstance(caught.value, FxError)
    assert caught.traceback[-1].path.name == "test_pmap.py"


# ------------------------------------------------------------------ threads
def test_pmaps_in_several_threads_do_not_mix():
    f = fx.pmap(lambda x: lax.psum(x, "i") * x, "i")
    problems = []

    def work(k):
        try:
            for n in (2, 3, 4):
                x = np.arange(1.0, n + 1) * (k + 1)
                for _ in range(5):
                    same(f(x), jnp.asarray(x.sum() * x))
                    same(fx.vjp(f, x)[1](np.ones(n))[0], jnp.asarray(x * 0 + 2 * x.sum()))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    _ = [t.start() for t in threads], [t.join() for t in threads]
    assert not problems


def test_settings_of_the_caller_hold_on_every_device():
    with fx.default_dtype("float64"):
        assert fx.pmap(lambda x: x * 1.5)(np.arange(3)).dtype == np.float64
    with fx.debug_nans(), pytest.raises(FloatingPointError):
        fx.pmap(lambda x: jnp.log(x))(np.array([1.0, -1.0]))
