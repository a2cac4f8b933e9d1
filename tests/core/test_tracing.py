"""Tracing: leaks name their origin, state is restored after errors, equations know their lines."""

import threading

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.config import detours
from fx.core.interpret import eval_jaxpr
from fx.core.pretty import pretty
from fx.core.trace import bind_axis, state
from fx.errors import FxError, UnexpectedTracerError, format_source


def snapshot():
    return (state.level, state.dynamic, dict(state.axes), state.source, state.scope, detours[0])


CLEAN = (0, None, {}, None, "", 0)


# ------------------------------------------------------------------ leaks
TRANSFORMS = {
    "jit": lambda f: fx.jit(f)(1.0),
    "grad": lambda f: fx.grad(f)(1.0),
    "jvp": lambda f: fx.jvp(f, (1.0,), (1.0,)),
    "vjp": lambda f: fx.vjp(f, 1.0),
    "linearize": lambda f: fx.linearize(f, 1.0),
    "vmap": lambda f: fx.vmap(f)(jnp.ones(2)),
    "pmap": lambda f: fx.pmap(f)(jnp.ones(2)),
    "make_jaxpr": lambda f: fx.make_jaxpr(f)(1.0),
    "eval_shape": lambda f: fx.eval_shape(f, 1.0),
    "scan": lambda f: lax.scan(lambda c, x: (f(c), x), 0.0, jnp.ones(2)),
    "while_loop": lambda f: lax.while_loop(lambda v: v < 0, f, 1.0),
    "cond": lambda f: lax.cond(True, f, f, 1.0),
    "checkpoint": lambda f: fx.grad(fx.checkpoint(f))(1.0),
    "jit of vmap": lambda f: fx.jit(fx.vmap(f))(jnp.ones(2)),
    "grad of jit": lambda f: fx.grad(fx.jit(f))(1.0),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_leaked_tracer_raises_when_used_and_names_its_origin(name):
    kept = []

    def keeps(x):
        kept.append(jnp.sin(x))
        return x * 1.0

    TRANSFORMS[name](keeps)
    for use in (
        lambda x: x + 1,
        lambda x: jnp.sin(x),
        lambda x: float(x),
        lambda x: fx.jit(lambda y: x + y)(1.0),
        lambda x: fx.vmap(lambda y: x + y)(jnp.ones(2)),
        lambda x: fx.grad(lambda y: x * y)(1.0),
        lambda x: np.asarray(x),
        lambda x: lax.cond(True, lambda: x, lambda: x),
        lambda x: fx.jit(lambda: x)(),
    ):
        with pytest.raises(UnexpectedTracerError, match="leaked") as raised:
            use(kept[0])
        if name not in ("checkpoint", "grad of jit"):  # they trace a program's own variables
            assert "keeps" in str(raised.value) or "<lambda>" in str(raised.value)
            assert __file__ in str(raised.value)
    assert snapshot() == CLEAN


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_leak_checker_raises_as_the_transformation_ends(name):
    kept = []

    def keeps(x):
        kept.append(x)
        return x * 1.0

    with fx.check_tracer_leaks():
        TRANSFORMS[name](lambda x: x * 1.0)
        with pytest.raises(UnexpectedTracerError, match="outlived"):
            TRANSFORMS[name](keeps)
    assert snapshot() == CLEAN


# ------------------------------------------------------------------ state
@pytest.mark.parametrize("name", TRANSFORMS)
def test_state_is_restored_after_an_exception_anywhere(name):
    # The error comes from the first, second, ... operation inside, whatever traces are active.
    class Stop(Exception):
        pass

    for calls in range(3):
        remaining = [calls]

        def fails(x, remaining=remaining):
            with fx.named_scope("inner"):
                for _ in range(3):
                    if not remaining[0]:
                        raise Stop
                    remaining[0] -= 1
                    x = jnp.sin(x) * 2
            return x

        with pytest.raises(Stop):
            TRANSFORMS[name](fails)
        assert snapshot() == CLEAN
    assert float(fx.jit(fx.grad(jnp.sin))(0.0)) == 1


def test_state_is_restored_after_errors_in_scopes():
    scopes = fx.named_scope("a"), bind_axis("i", None), fx.ensure_compile_time_eval()
    with pytest.raises(ZeroDivisionError), scopes[0], scopes[1], scopes[2]:
        assert state.scope == "a" and "i" in state.axes
        raise ZeroDivisionError
    assert snapshot() == CLEAN
    jaxpr = fx.make_jaxpr(lambda x: jnp.sin(x))(1.0)
    with pytest.raises(FxError):
        eval_jaxpr(jaxpr, [np.array(["a"])])
    assert snapshot() == CLEAN


def test_interrupts_restore_the_state():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fx.jit(fx.grad(interrupted))(1.0)
    assert snapshot() == CLEAN


def test_each_thread_has_its_own_state():
    inside, done, seen = threading.Event(), threading.Event(), {}

    def other():
        inside.wait(10)
        seen["state"] = snapshot()[:5]
        seen["sum"] = fx.jit(lambda x: x + 1)(1.0).tolist()
        seen["concrete"] = type(jnp.ones(2) + 1)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()

    def waits(x):
        inside.set()
        assert done.wait(10)
        assert state.dynamic is not None
        return x * 2

    with fx.named_scope("outer"):
        assert fx.jit(waits)(3.0) == 6
    thread.join()
    assert seen == {"state": CLEAN[:5], "sum": 2.0, "concrete": fx.Array}


def test_many_threads_trace_at_once():
    results, errors = {}, []

    @fx.jit
    def shared(x):
        return jnp.sin(x) * 2

    def work(i):
        try:
            for n in range(1, 6):
                x = jnp.full((n,), float(i))
                g = fx.grad(lambda x: shared(x).sum())(x)
                np.testing.assert_allclose(g, 2 * np.cos(np.full(n, i)), rtol=1e-5)
            results[i] = snapshot()[:5]
        except Exception as error:  # handed to the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert list(results.values()) == [CLEAN[:5]] * 8 and detours[0] == 0


# ------------------------------------------------------------------ sources
def program(x):
    y = jnp.sin(x)
    with fx.named_scope("outer"):
        with fx.named_scope("inner"):
            z = jnp.cos(y)
        z = z * 2
    return lax.scan(
        lambda c, v: (
            c + v,
            jnp.exp(c),
        ),
        z,
        jnp.ones(3),
    )


LINES = {"sin": (1, ""), "cos": (4, "outer/inner"), "mul": (5, "outer"), "scan": (6, "")}


@pytest.mark.parametrize(
    "trace",
    [
        lambda: fx.make_jaxpr(program)(1.0),
        lambda: fx.make_jaxpr(fx.jit(program))(1.0).eqns[0].params["jaxpr"],
        lambda: fx.make_jaxpr(fx.vmap(program))(jnp.ones(2)),
        lambda: fx.make_jaxpr(fx.vmap(fx.jit(program)))(jnp.ones(2)).eqns[0].params["jaxpr"],
        lambda: fx.make_jaxpr(lambda x: fx.jvp(program, (x,), (x,)))(1.0),
    ],
)
def test_equations_know_the_users_line_and_scope_through_transformations(trace):
    first = program.__code__.co_firstlineno
    found = {
        (e.primitive.name, e.source.code.co_filename, e.source.line - first, e.source.scope)
        for e in trace().eqns
    }
    assert {(name, __file__, line, scope) for name, (line, scope) in LINES.items()} <= found


def test_derivatives_keep_the_line_of_what_they_are_derivatives_of():
    def f(x):
        y = jnp.sin(x)
        return jnp.exp(y)

    _, pull = fx.vjp(f, 1.0)
    jaxpr = fx.make_jaxpr(fx.grad(f))(1.0)
    first = f.__code__.co_firstlineno
    lines = {e.primitive.name: e.source.line - first for e in jaxpr.eqns}
    assert lines["sin"] == lines["cos"] == 1 and lines["exp"] == 2
    assert pull(1.0)


def test_lines_inside_programs_inside():
    scan = next(e for e in fx.make_jaxpr(program)(1.0).eqns if e.primitive.name == "scan")
    first = program.__code__.co_firstlineno
    lines = {e.primitive.name: e.source.line - first for e in scan.params["jaxpr"].eqns}
    assert lines == {"exp": 9, "add": 8}


def test_sources_are_printed():
    text = pretty(fx.make_jaxpr(program)(1.0), source=True)
    first = program.__code__.co_firstlineno
    assert f"# test_tracing.py:{first + 4} outer/inner" in text
    source = fx.make_jaxpr(program)(1.0).eqns[0].source
    assert format_source(source) == f"{__file__}:{first + 1} (program)"
    assert format_source(None) == "<unknown>"


def test_named_call_and_names_of_scopes():
    f = fx.named_call(lambda x: jnp.sin(x), name="layer")
    with fx.named_scope("net"):
        jaxpr = fx.make_jaxpr(f)(1.0)
    assert jaxpr.eqns[0].source.scope == "net/layer"
