"""jit: what makes it trace again, static arguments, ahead-of-time stages, closures, threads."""

import functools
import re
import threading
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.core.check import check_jaxpr
from fx.errors import (
    ConcretizationTypeError,
    FxTypeError,
    FxValueError,
    NonConcreteBooleanIndexError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    UnexpectedTracerError,
)

ONES = np.ones(3, np.float32)
Pair = namedtuple("Pair", "a b")


def counted(function, **options):
    """A jitted function and the list that grows by one with each trace."""
    traces = []

    @functools.wraps(function)
    def body(*args, **kwargs):
        traces.append(1)
        return function(*args, **kwargs)

    return fx.jit(body, **options), traces


# ------------------------------------------------------------------ the cache
def total(x):
    return sum(jnp.sum(leaf) * 2 for leaf in fx.tree.leaves(x))


# Arguments in groups of one signature; members of different groups trace anew.
GROUPS = [
    [jnp.ones(3), np.ones(3, np.float32), 2 * jnp.ones(3)],
    [np.ones(3), jnp.ones(3, "float64")],
    [jnp.ones((3, 1)), np.zeros((3, 1), np.float32)],
    [jnp.ones(4)],
    [1, 7, -3],
    [1.0, 2.5],
    [True, False, np.bool_(True)],
    [1j, 2 + 3j],
    [np.float32(1), jnp.float32(4)],
    [jnp.int8(1), np.int8(3)],
    [jnp.bfloat16(1)],
    [(jnp.ones(3),)],
    [[jnp.ones(3)]],
    [{"a": jnp.ones(3), "b": 1}, {"b": 5, "a": ONES}],
    [{"a": jnp.ones(3), "c": 1}],
    [{"a": jnp.ones(3), "b": None}],
    [Pair(1.0, jnp.ones(3)), Pair(2.0, ONES)],
    [(1.0, jnp.ones(3))],
    [fx.random.key(0), fx.random.key(5)],
]


@given(st.data())
def test_one_trace_for_each_signature(data):
    """By structure, shapes, dtypes and weakness; not by values, order of keys or array type."""
    f, traces = counted(lambda x: fx.tree.leaves(x)[0])
    order = data.draw(st.permutations([(i, x) for i, group in enumerate(GROUPS) for x in group]))
    seen = set()
    for group, x in order:
        f(x)
        seen.add(group)
        assert len(traces) == len(seen)
    assert f._cache_size() == len(GROUPS)


def test_defaults_and_scopes_are_part_of_the_signature():
    f, traces = counted(lambda x: x * jnp.asarray([1.5]))
    assert f(1).dtype == np.float32
    with fx.default_dtype("float64"):
        assert f(1).dtype == np.float64
        assert len(traces) == 2
    assert f(1).dtype == np.float32 and len(traces) == 2
    g, traces = counted(lambda x: x * fx.lax.axis_size("i"))
    for size in (2, 3, 2):
        out = fx.vmap(g, axis_name="i")(jnp.ones(size))
        np.testing.assert_array_equal(out, np.full(size, size))
    assert len(traces) == 2


def test_clear_cache_forgets():
    f, traces = counted(jnp.sin)
    f(1.0), f(1.0)
    f.clear_cache()
    f(1.0)
    assert len(traces) == 2
    fx.clear_caches()
    assert f._cache_size() == 0
    f(1.0)
    assert len(traces) == 3


def test_traced_calls_use_the_cache_too():
    """Under transformations the trace of the inner function is the same."""
    f, traces = counted(lambda x: jnp.sin(x) * x)
    x = np.array(0.5)
    f(x), fx.grad(f)(x), fx.hessian(f)(x), fx.jit(fx.grad(f))(x), fx.jvp(f, (x,), (x,))
    fx.vmap(f)(np.ones(4)), fx.jit(fx.vmap(fx.grad(f)))(np.ones(4))
    assert len(traces) == 1


def test_failed_trace_is_not_cached():
    fail = [True]

    @fx.jit
    def f(x):
        if fail[0]:
            raise ZeroDivisionError
        return x + 1

    with pytest.raises(ZeroDivisionError):
        f(1)
    fail[0] = False
    assert int(f(1)) == 2


# ------------------------------------------------------------------ static arguments
def power(x, n, *, negate=False):
    return -(x**n) if negate else x**n


@pytest.mark.parametrize(
    "options", [{"static_argnums": 1}, {"static_argnums": (1,)}, {"static_argnums": -2},
                {"static_argnames": "n"}, {"static_argnames": ["n", "negate"]},
                {"static_argnums": [1], "static_argnames": "negate"}],
)  # fmt: skip
def test_static_by_number_or_by_name(options):
    if options.get("static_argnums") == -2:
        f = fx.jit(lambda x, n, y: x**n * y, **options)
        assert float(f(3.0, 2, 2.0)) == 18.0
        return
    names = options.get("static_argnames", ())
    kwargs = {"negate": True} if "negate" in names else {}
    f, traces = counted(power, **options)
    sign = -1 if kwargs else 1
    assert float(f(3.0, 2, **kwargs)) == sign * 9.0 == float(f(3.0, n=2, **kwargs))
    assert float(f(4.0, 2, **kwargs)) == sign * 16.0
    assert float(f(3.0, 3, **kwargs)) == sign * 27.0
    assert len(traces) <= 3


def test_static_values_are_told_apart_by_type_and_equality():
    f, traces = counted(lambda x, n: x * n, static_argnums=1)
    for n, dtype in [(1, "int32"), (1.0, "float32"), (True, "int32"), (1, "int32")]:
        assert f(3, n).dtype == dtype
    assert len(traces) == 3


def test_static_functions_dataclasses_and_strings():
    @dataclass(frozen=True)
    class Config:
        width: int
        name: str = "a"

    f, traces = counted(lambda how, c, x: how(x) * c.width, static_argnums=(0, 1))
    for _ in range(2):
        assert float(f(jnp.negative, Config(3), 2.0)) == -6.0
    assert float(f(jnp.square, Config(2), 2.0)) == 8.0
    assert len(traces) == 2


class Scale:
    """Methods as jitted functions."""

    def __init__(self, factor):
        self.factor = factor

    @functools.partial(fx.jit, static_argnums=0)
    def times(self, x):
        return x * self.factor

    @staticmethod
    @fx.jit
    def twice(x):
        return 2 * x

    @classmethod
    @functools.partial(fx.jit, static_argnums=0)
    def made(cls, x):
        return x + len(cls.__name__)


def test_methods():
    a, b = Scale(3.0), Scale(5.0)
    assert (float(a.times(2.0)), float(b.times(2.0))) == (6.0, 10.0)
    assert (float(a.twice(2.0)), float(Scale.made(1.0))) == (4.0, 6.0)
    assert float(fx.jit(a.times)(2.0)) == 6.0 == float(fx.grad(lambda x: a.times(x) * 2)(1.0))


def test_pytree_methods():
    @functools.partial(fx.tree_util.register_dataclass, data_fields=["w"], meta_fields=["n"])
    @dataclass
    class Layer:
        w: object
        n: int

        @fx.jit
        def apply(self, x):
            return self.w * x * self.n

    assert float(Layer(2.0, 3).apply(1.0)) == 6.0 == float(Layer(2.0, 3).apply(x=1.0))
    assert float(fx.grad(lambda layer: layer.apply(4.0))(Layer(2.0, 3)).w) == 12.0


def test_decorator_forms_and_donation():
    @fx.jit(static_argnames=("n",), donate_argnames="x")
    def f(x, n=2):
        """Documentation."""
        return x * n

    assert float(f(2.0)) == 4.0 and float(f(2.0, n=5)) == 10.0
    assert f.__name__ == "f" and f.__doc__ == "Documentation." and f.__wrapped__(2.0) == 4.0
    for options in ({"donate_argnums": 0}, {"donate_argnums": (0,)}, {"donate_argnames": ["x"]}):
        x = jnp.ones(3)
        np.testing.assert_array_equal(fx.jit(lambda x: x + 1, **options)(x), 2 * ONES)
        assert x.is_deleted()


def test_inline_and_nested():
    inner = fx.jit(lambda y: y * 2, inline=True)
    assert "jit" not in str(fx.make_jaxpr(lambda x: inner(x) + 1)(1.0))
    outer = fx.make_jaxpr(lambda x: fx.jit(fx.jit(lambda y: y * 2))(x))(1.0)
    check_jaxpr(outer)
    assert str(outer).count("jit[") == 2
    assert int(fx.jit(fx.jit(lambda y: y * 2))(3)) == 6


# ------------------------------------------------------------------ closures
def test_closing_over_tracers_of_outer_transformations():
    x = np.array([0.5, -1.0])
    f = lambda y: fx.jit(lambda x: jnp.sin(x) * y)(2.0)
    np.testing.assert_allclose(fx.grad(f)(3.0), np.sin(2.0), rtol=1e-6)
    np.testing.assert_allclose(fx.vmap(f)(x), np.sin(2.0) * x, rtol=1e-6)
    np.testing.assert_allclose(fx.jit(fx.vmap(fx.grad(f)))(x), np.full(2, np.sin(2.0)), rtol=1e-6)
    np.testing.assert_allclose(
        fx.jacfwd(lambda y: fx.jit(lambda: fx.jit(lambda: y * y)())())(3.0), 6.0
    )


def test_global_tracers_are_not_kept():
    box = {}
    g = fx.jit(lambda x: x * box["y"])

    def h(y):
        box["y"] = y
        return g(2.0)

    assert float(fx.grad(h)(5.0)) == 2.0 and float(fx.jit(h)(7.0)) == 14.0
    assert g._cache_size() == 0  # a program with a tracer in it cannot be used again
    box["y"] = 3.0
    assert float(g(2.0)) == 6.0 and g._cache_size() == 1


def test_closed_over_arrays_are_constants():
    w = np.random.default_rng(0).normal(size=(3, 3))
    f = fx.jit(lambda x: w @ x)
    np.testing.assert_allclose(f(np.ones(3)), w.sum(1))
    jaxpr = fx.make_jaxpr(f)(np.ones(3))
    check_jaxpr(jaxpr)
    np.testing.assert_allclose(fx.jacrev(f)(np.ones(3)), w)


def test_results_that_are_inputs_or_repeat():
    x, y = jnp.ones(2), jnp.zeros(3)
    out = fx.jit(lambda x, y: {"a": x, "b": (x, y, x + 0), "c": 3, "d": None})(x, y)
    assert out["d"] is None and int(out["c"]) == 3
    np.testing.assert_array_equal(out["b"][1], y)
    assert fx.jit(lambda: (jnp.arange(3), None))()[0].shape == (3,)


# ------------------------------------------------------------------ ahead of time
def test_stages():
    f = fx.jit(lambda x, y: {"out": x @ y, "n": 1})
    shape = fx.ShapeDtypeStruct((2, 3), "float32")
    y = np.ones((3, 4), np.float32)
    for lowered in (f.lower(shape, y), f.trace(shape, y), f.trace(shape, y).lower()):
        assert lowered.out_info["out"].shape == (2, 4) and lowered.out_info["n"].shape == ()
        assert "dot_general" in lowered.as_text()
        compiled = lowered.compile()
        assert "dot_general" in compiled.as_text("jaxpr") and compiled.as_text()
        np.testing.assert_array_equal(compiled(np.ones((2, 3), np.float32), y)["out"], 3.0)
    assert f.eval_shape(shape, y)["out"] == fx.ShapeDtypeStruct((2, 4), "float32")
    np.testing.assert_array_equal(
        fx.jit(lambda a: compiled(a, y)["out"])(np.ones((2, 3), np.float32)), 3.0
    )


def test_stages_with_static_and_keyword_arguments():
    f = fx.jit(power, static_argnames=("n", "negate"))
    compiled = f.lower(1.0, n=3, negate=True).compile()
    assert float(compiled(2.0)) == -8.0
    with pytest.raises(FxTypeError, match="compiled power expects f32"):
        compiled(np.float64(2.0))
    with pytest.raises(FxTypeError, match="structure"):
        compiled(2.0, 3.0)


def test_eval_shape_and_make_jaxpr_run_nothing():
    def f(x, n=1, *, d):
        fx.debug.callback(lambda v: pytest.fail("ran"), x)
        return {"a": x @ d["w"], "b": n}

    huge = fx.ShapeDtypeStruct((10**6, 10**6), "float16")
    out = fx.eval_shape(f, huge, d={"w": huge})
    assert out["a"] == fx.ShapeDtypeStruct((10**6, 10**6), "float16")
    assert out["b"].weak_type
    jaxpr, shapes = fx.make_jaxpr(f, return_shape=True)(huge, d={"w": huge})
    check_jaxpr(jaxpr)
    assert shapes["a"] == out["a"] and jaxpr.out_avals[0].shape == huge.shape


def test_make_jaxpr_options():
    assert "3.0" in str(fx.make_jaxpr(lambda x, n: x * n, static_argnums=1)(1.0, 3))
    jaxpr = fx.make_jaxpr(lambda x: fx.lax.psum(x, "i"), axis_env=[("i", 4)])(1.0)
    assert "psum" in str(jaxpr)


def test_closure_convert():
    def f(y):
        converted, captured = fx.closure_convert(lambda x: {"r": jnp.sin(x) * y}, 1.0)
        assert len(captured) == 1
        return converted(2.0, *captured)["r"]

    np.testing.assert_allclose(fx.grad(f)(3.0), np.sin(2.0), rtol=1e-6)
    np.testing.assert_allclose(fx.vmap(f)(ONES), np.sin(2.0) * ONES, rtol=1e-6)
    _, none = fx.closure_convert(lambda x: x + ONES, ONES)
    assert none == []


# ------------------------------------------------------------------ modes
def test_disable_jit_runs_python():
    f = fx.jit(lambda x: x * 2 if x > 1 else x)
    with fx.disable_jit():
        assert float(f(3.0)) == 6.0 == float(fx.grad(lambda x: f(x) * x / 2)(3.0))
        with fx.disable_jit(False), pytest.raises(TracerBoolConversionError):
            f(3.0)
    with pytest.raises(TracerBoolConversionError):
        f(3.0)


def test_ensure_compile_time_eval():
    @fx.jit
    def f(x):
        with fx.ensure_compile_time_eval():
            steps = jnp.sum(jnp.arange(4))
            assert type(steps) is fx.Array and int(steps) == 6
            y = x + steps  # still recorded
        assert type(jnp.arange(2)) is not fx.Array
        return y

    assert int(f(1)) == 7


def test_named_scopes_show_in_errors_and_sources():
    def f(x):
        with fx.named_scope("outer"), fx.named_scope("inner"):
            return fx.named_call(lambda y: jnp.sin(y), name="call")(x)

    jaxpr = fx.make_jaxpr(f)(1.0)
    scopes = {e.source.scope for e in jaxpr.eqns}
    assert scopes == {"outer/inner/call"}
    jaxpr = fx.make_jaxpr(fx.grad(f))(1.0)
    kept = {e.source.scope for e in jaxpr.eqns if e.primitive.name != "convert_element_type"}
    assert kept == {"outer/inner/call"}


def test_enable_checks_accepts_what_we_make():
    with fx.enable_checks():
        f = lambda x: fx.lax.scan(lambda c, y: (c * y, jnp.sin(c)), x, jnp.ones(3))[1].sum()
        fx.jit(fx.vmap(fx.grad(f)))(ONES)
        fx.jit(fx.hessian(fx.checkpoint(f)))(1.0)


def test_leaks_are_found_at_their_origin():
    kept = []

    def leaky(x):
        kept.append(x * 2)
        return x + 1

    mapped = lambda f: lambda x: fx.vmap(f)(jnp.ones(3))
    for transform in (
        fx.jit,
        fx.grad,
        mapped,
        fx.make_jaxpr,
        lambda f: lambda x: fx.jvp(f, (x,), (x,)),
    ):
        with fx.checking_leaks(), pytest.raises(UnexpectedTracerError, match=r"leaky at .*held by"):
            transform(leaky)(1.0)
        kept.clear()
        with fx.check_tracer_leaks(False):
            transform(leaky)(1.0)
        with pytest.raises(UnexpectedTracerError, match=r"leaky at .*leaked"):
            kept[0] + 1
        kept.clear()


def test_checking_leaks_has_no_false_alarms():
    x = jnp.ones(3)
    with fx.checking_leaks():
        f = lambda x: jnp.sum(
            fx.jit(jnp.sin)(x) * fx.lax.scan(lambda c, y: (c * y, c), x, x)[0].sum()
        )
        fx.jit(fx.hessian(f))(x)
        fx.vmap(fx.grad(lambda x: (jnp.sin(x), {"x": x}), has_aux=True))(x)
        fx.vjp(lambda x: (jnp.sin(x), x), x, has_aux=True)[1](x)
        fx.jacfwd(lambda x: (jnp.sin(x), x), has_aux=True)(x)
        fx.jit(fx.grad(fx.checkpoint(f)))(x)
        fx.pmap(lambda x: fx.lax.psum(x, "i"), "i")(x)
        fx.linear_transpose(lambda x: 2 * x, x)(x)


# ------------------------------------------------------------------ errors
ERRORS = [
    (lambda: fx.jit(3), FxTypeError, "jit expects a function, got int"),
    (lambda: fx.jit(lambda x: x)("a"), FxTypeError, "the argument x must be an array"),
    (lambda: fx.jit(lambda x: x)({"k": [object()]}), FxTypeError, "the argument x['k'][0]"),
    (lambda: fx.jit(lambda x: "a")(1), FxTypeError, "got str at result"),
    (lambda: fx.jit(lambda x: {"a": [object()]})(1), FxTypeError, "result['a'][0]"),
    (lambda: fx.jit(lambda x: x, static_argnames="q"), FxValueError, "static_argnames has 'q'"),
    (lambda: fx.jit(lambda x: x, static_argnums=3), FxValueError, "static_argnums has 3"),
    (lambda: fx.jit(lambda x: x, static_argnums="a"), FxTypeError, "static_argnums expects ints"),
    (lambda: fx.jit(lambda x: x, donate_argnums="a"), FxTypeError, "donate_argnums expects ints"),
    (lambda: fx.jit(lambda x, n: x, static_argnums=1)(1, [2]), FxValueError, "must be hashable"),
    (lambda: fx.jit(lambda x, n: x, static_argnums=1)(1, ONES), FxValueError, "got ndarray"),
    (lambda: fx.jit(lambda x: x if x else 1)(1), TracerBoolConversionError, "the argument x"),
    (lambda: fx.jit(lambda x: 1 if 0 < x < 3 else 2)(1), TracerBoolConversionError, "lax.cond"),
    (lambda: fx.jit(lambda n: jnp.zeros(n))(3), TracerIntegerConversionError, "the argument n"),
    (lambda: fx.jit(lambda n: [1, 2][n])(1), TracerIntegerConversionError, "static"),
    (lambda: fx.jit(lambda n: list(range(n)))(3), TracerIntegerConversionError, "static"),
    (lambda: fx.jit(lambda x: np.sin(x))(ONES), TracerArrayConversionError, "NumPy function"),
    (lambda: fx.jit(lambda x: float(x))(1.0), ConcretizationTypeError, "float()"),
    (lambda: fx.jit(lambda x: x.item())(1.0), ConcretizationTypeError, "item()"),
    (lambda: fx.jit(lambda x: f"{x:.2f}")(1.0), ConcretizationTypeError, "debug.print"),
    (lambda: fx.jit(lambda x: x[x > 0])(ONES), NonConcreteBooleanIndexError, "where"),
    (lambda: fx.jit(lambda x: {x: 1})(1.0), FxTypeError, "not hashable"),
]  # fmt: skip


@pytest.mark.parametrize(
    "call, kind, words", ERRORS, ids=[re.sub(r"\W+", "-", w) for *_, w in ERRORS]
)
def test_errors(call, kind, words):
    with pytest.raises(kind, match=re.escape(words)) as caught:
        call()
    assert caught.traceback[-1].path.name == "test_jit.py"
    assert int(fx.jit(lambda x: x + 1)(1)) == 2


def test_messages_name_the_leaf_that_a_value_depends_on():
    def f(params, x):
        y = params["w"][1] * 2 + 1
        return x if y > 0 else -x

    with pytest.raises(TracerBoolConversionError, match=r"the argument params\['w'\]\[1\]"):
        fx.jit(f)({"w": [1.0, 2.0], "b": 3.0}, 4.0)


# ------------------------------------------------------------------ threads
def test_threads_trace_and_run_side_by_side():
    """Each thread traces, differentiates and maps on its own; the shared cache stays right."""
    f = fx.jit(lambda x: jnp.sin(x) * x)
    results, problems = {}, []
    start = threading.Barrier(8)

    def work(i):
        try:
            start.wait()
            for k in range(6):
                n = 1 + (i + k) % 4
                x = np.full(n, 0.1 * i + k)
                value = f(x)
                slope = fx.vmap(fx.grad(lambda v: f(v) * 2))(x)
                local = fx.jit(lambda x: x.sum() if True else None)(x)
                assert isinstance(value, fx.Array) and not isinstance(value, fx.core.trace.Tracer)
                results[i, k] = (x, value, slope, local)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    _ = [t.start() for t in threads], [t.join() for t in threads]
    assert not problems
    for x, value, slope, local in results.values():
        np.testing.assert_allclose(value, np.sin(x) * x)
        np.testing.assert_allclose(slope, 2 * (np.cos(x) * x + np.sin(x)))
        np.testing.assert_allclose(local, x.sum())


def test_a_thread_inside_a_traced_function_has_its_own_state():
    def f(x):
        found = []
        thread = threading.Thread(target=lambda: found.append(jnp.sin(1.0)))
        thread.start(), thread.join()
        assert type(found[0]) is fx.Array
        return x * found[0]

    np.testing.assert_allclose(fx.jit(f)(2.0), 2 * np.sin(1.0), rtol=1e-6)
