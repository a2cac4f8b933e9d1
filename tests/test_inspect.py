"""Looking inside: explanations of retraces, texts, costs, what the compiler knows."""

import math

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxRuntimeError, FxTypeError, FxValueError

X = jnp.linspace(0.0, 1.0, 12).reshape(3, 4)


# ------------------------------------------------------------------ explain
def test_explain_names_what_differs_from_the_nearest_signature():
    f = fx.jit(
        lambda params, x, n=1, *, mode="a": params["w"] * x * n, static_argnames=("n", "mode")
    )
    calls = [
        ({"w": X}, X),
        ({"w": X[:2]}, X),
        ({"w": X}, X, 3),
        ({"w": X}, 2.0, 3),
        ({"w": X, "b": X}, X),
    ]
    f(*calls[0])
    with pytest.raises(Exception, match="shape"):
        f(*calls[1])  # traced, never compiled: no signature
    for call in calls[2:]:
        f(*call)
    f({"w": X}, X, mode="b")
    f({"w": X}, X, mode="b")
    told = f.explain()
    assert told.reasons == [
        "first call",
        "static n: nothing -> 3",
        "x: f32[3,4] -> ~f32[]",
        "params['b']: nothing -> f32[3,4]",
        "static mode: nothing -> 'b'",
    ]
    assert [s.calls for s in told.signatures] == [1, 1, 1, 1, 2]
    assert all(s.trace_ms > 0 and s.lower_ms > 0 for s in told.signatures)
    text = str(told)
    assert "5 signatures" in text and "params['w']: f32[3,4], x: f32[3,4]" in text
    assert repr(told) == text


def test_explain_tells_weak_types_static_types_and_contexts():
    f = fx.jit(lambda x: x + 1)
    f(1.0)
    f(jnp.asarray(1.0, "float32"))
    assert "~f32[] -> f32[] (a Python number has a weak type)" in f.explain().reasons[1]
    g = fx.jit(lambda x, n: x * n, static_argnums=1)
    g(X, 1)
    g(X, True)
    assert g.explain().reasons[1] == "static n: 1 -> True"
    h = fx.jit(lambda x: x + 1)
    h(X)
    with fx.default_dtype("float64"):
        h(X)
    assert "default dtypes" in h.explain().reasons[1]
    k = fx.jit(lambda x: x)
    k((X, X))
    k([X, X])
    assert k.explain().reasons[1].startswith("structure of the arguments")


def test_explain_of_nothing():
    f = fx.jit(lambda: 1.0)
    assert str(f.explain()).endswith("0 signatures")
    f()
    assert "no arguments" in str(f.explain())


def test_max_traces_shows_the_explanation():
    f = fx.jit(lambda x: x * 2, max_traces=2)
    for n in (1, 2, 1, 2):
        f(jnp.ones(n))
    with pytest.raises(FxRuntimeError, match=r"max_traces=2(.|\n)*x: f32\[2\] -> f32\[3\]"):
        f(jnp.ones(3))
    f(jnp.ones(1))  # what was traced still runs
    f.clear_cache()
    assert float(f(jnp.ones(3))[0]) == 2.0


# ------------------------------------------------------------------ costs
def cost(f, *args):
    return fx.jit(f).lower(*args).cost_analysis()


COSTS = {
    "elementwise": (lambda x: x * 2 + x, (X,), 24, 0),
    "transcendental": (lambda x: jnp.sin(x) * 2, (X,), 12, 12),
    "product": (lambda x: x @ x.T, (X,), 2 * 3 * 3 * 4, 0),
    "reduction": (lambda x: x.sum(0), (X,), 12, 0),
    "convolution": (
        lambda x, w: fx.lax.conv_general_dilated(x, w, (1, 1), "VALID"),
        (jnp.ones((2, 3, 8, 8)), jnp.ones((5, 3, 3, 3))),
        2 * (2 * 5 * 6 * 6) * (3 * 9),
        0,
    ),
    "scan": (lambda x: fx.lax.scan(lambda c, r: (c * r + r, None), x[0], x)[0], (X,), 3 * 8, 0),
    "inner jit": (lambda x: fx.jit(lambda y: y * y)(x), (X,), 12, 0),
    "costliest branch": (
        lambda x: fx.lax.cond(x[0, 0] > 0, lambda y: y * y * y, lambda y: y, x),
        (X,),
        24,
        0,
    ),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs(name):
    f, args, flops, special = COSTS[name]
    got = cost(f, *args)
    extra = 1 if name == "costliest branch" else 0  # the comparison
    assert got["flops"] - flops <= extra and got["flops"] >= flops
    assert got["transcendentals"] == special
    for key in ("flops", "transcendentals", "bytes accessed"):
        assert math.isclose(got[key], sum(e[key] for e in got["equations"]))


def test_costs_name_the_line():
    got = cost(lambda x: jnp.exp(x).sum(), X)
    assert [e["name"] for e in got["equations"]] == ["exp", "reduce_sum"]
    assert all("test_inspect.py:" in e["source"] for e in got["equations"])
    assert got["equations"][0]["bytes accessed"] == 2 * 12 * 4


def test_costs_agree_with_xla():
    jax = pytest.importorskip("jax")

    def f(lib):
        return lambda x, w: lib.numpy.tanh(x @ w) * 2

    x, w = np.ones((8, 16), np.float32), np.ones((16, 4), np.float32)
    theirs = jax.jit(f(jax)).lower(x, w).cost_analysis()
    ours = cost(f(fx), x, w)
    assert ours["flops"] == theirs["flops"]
    assert ours["transcendentals"] == theirs["transcendentals"]


# ------------------------------------------------------------------ stages
def test_texts_of_the_interpreter():
    lowered = fx.jit(lambda x: jnp.sin(x) * 2).lower(X)
    assert lowered.as_text() == lowered.as_text("jaxpr") == str(lowered.jaxpr)
    with pytest.raises(FxValueError, match="expects one of"):
        lowered.as_text("wasm")
    with fx.config.scope(cpu_backend="numpy"):
        assert lowered.compile().as_text() == str(lowered.jaxpr)
        with pytest.raises(FxValueError, match="known to the compiler"):
            lowered.as_text("llvm")
        with pytest.raises(FxValueError, match="known to the compiler"):
            lowered.compile().memory_analysis()


def test_a_compiled_program_checks_its_arguments():
    compiled = fx.jit(lambda x: x * 2).lower(X).compile()
    np.testing.assert_array_equal(compiled(X), np.asarray(X) * 2)
    with pytest.raises(FxTypeError, match="expects f32"):
        compiled(jnp.ones(3))
    with pytest.raises(FxTypeError, match="structure"):
        compiled(X, X)
    assert compiled.out_info.shape == (3, 4)
