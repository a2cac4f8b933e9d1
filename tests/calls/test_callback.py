"""pure_callback, io_callback, debug.callback, debug.print: order, transformations, errors."""

import functools
import re

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.errors import FxError, FxTypeError, FxValueError, ShapeError
from fx.experimental import io_callback

XS = np.array([0.3, -0.8, 1.1])
F32 = fx.ShapeDtypeStruct((), "float32")


# ------------------------------------------------------------------ pure_callback
def host_sin(x, **options):
    return fx.pure_callback(np.sin, x, x, **options)


def test_values_and_types():
    for x in (np.float64(0.3), XS, np.float16(0.3), np.ones((2, 0))):
        for got in (host_sin(x), fx.jit(host_sin)(x)):
            np.testing.assert_allclose(got, np.sin(x))
            assert got.dtype == x.dtype and not got.weak_type
    out = fx.jit(lambda x, y: fx.pure_callback(
        lambda a, *, b: {"s": a + b["k"], "n": None}, {"s": F32, "n": None}, x, b={"k": y}
    ))(1.0, 2.0)  # fmt: skip
    assert float(out["s"]) == 3.0 and out["n"] is None


def test_the_function_gets_concrete_arrays():
    def check(x):
        assert type(x) is fx.Array and float(x) == 2.0
        return np.float32(x if x > 1 else 0)

    f = lambda x: fx.pure_callback(check, F32, x, vmap_method="sequential")
    np.testing.assert_array_equal(fx.jit(fx.vmap(f))(2 * np.ones(2, np.float32)), [2.0, 2.0])


METHODS = {
    "sequential": [((), ())] * 3,
    "sequential_unrolled": [((), ())] * 3,
    "expand_dims": [((3,), (1,))],
    "broadcast_all": [((3,), (3,))],
}


@pytest.mark.parametrize("method", METHODS)
def test_vmap_methods(method):
    shapes = []

    def product(x, y):
        shapes.append((x.shape, y.shape))
        return np.asarray(x) * np.asarray(y)

    f = lambda x, y: fx.pure_callback(product, x, x, y, vmap_method=method)
    for mapped in (fx.vmap(f, (0, None)), fx.jit(fx.vmap(f, (0, None)))):
        shapes.clear()
        np.testing.assert_allclose(mapped(XS, np.float64(2.0)), 2 * XS)
        assert shapes == METHODS[method]
    twice = fx.vmap(fx.vmap(f, (None, 0)), (0, None))
    np.testing.assert_allclose(twice(XS, XS), np.outer(XS, XS))


def test_derivatives_come_from_a_custom_rule():
    @fx.custom_jvp
    def f(x):
        return host_sin(x, vmap_method="broadcast_all")

    f.defjvp(lambda p, t: (f(*p), t[0] * jnp.cos(p[0])))
    for g in (fx.grad(f), fx.jit(fx.grad(f)), lambda x: fx.vmap(fx.grad(f))(x[None])[0]):
        np.testing.assert_allclose(g(XS[0]), np.cos(XS[0]))
    assert float(fx.grad(lambda x: host_sin(lax.stop_gradient(x)) * x)(XS[0])) == np.sin(XS[0])
    by_int = lambda x: x * fx.pure_callback(lambda i: np.float32(i), F32, 3)
    assert float(fx.grad(by_int)(1.0)) == 3.0


def test_unused_pure_callbacks_may_be_dropped_and_others_may_not():
    calls = []

    def note(name, x):
        calls.append(name)
        return np.float32(0)

    @fx.jit
    def f(x):
        fx.pure_callback(functools.partial(note, "pure"), F32, x)
        io_callback(functools.partial(note, "io"), F32, x)
        fx.debug.callback(lambda v: calls.append("debug"), x)
        return x

    f(1.0)
    assert calls == ["io", "debug"]


# ------------------------------------------------------------------ order
PROGRAMS = {
    "straight": (lambda see: lambda x: [see(i, x) for i in range(5)] and x, [0, 1, 2, 3, 4]),
    "scan": (
        lambda see: lambda x: lax.scan(lambda c, i: (see(i, c), None), x, jnp.arange(3))[0],
        [0, 1, 2],
    ),
    "scan in reverse": (
        lambda see: lambda x: lax.scan(
            lambda c, i: (see(i, c), None), x, jnp.arange(3), reverse=True
        )[0],
        [2, 1, 0],
    ),
    "while": (
        lambda see: lambda x: lax.while_loop(
            lambda s: s[0] < 3, lambda s: (s[0] + 1, see(s[0], s[1])), (0, x)
        )[1],
        [0, 1, 2],
    ),
    "cond": (
        lambda see: lambda x: see(
            2, lax.cond(x > 0, lambda x: see(1, x), lambda x: see(7, x), see(0, x))
        ),
        [0, 1, 2],
    ),
    "nested jit": (lambda see: lambda x: see(1, fx.jit(lambda y: see(0, y))(x)), [0, 1]),
    "checkpoint": (lambda see: lambda x: see(1, fx.checkpoint(lambda y: see(0, y))(x)), [0, 1]),
}  # fmt: skip


@pytest.mark.parametrize("how", ["debug", "io"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_calls_keep_the_order_of_the_program_and_are_done_when_it_returns(name, how):
    program, expected = PROGRAMS[name]
    seen = []

    def see(i, x):
        if how == "io":
            io_callback(lambda i: seen.append(int(i)), None, i, ordered=True)
        else:
            fx.debug.callback(lambda i: seen.append(int(i)), i, ordered=True)
        return x

    f = program(see)
    for call in (f, fx.jit(f), lambda x: fx.jvp(fx.jit(f), (x,), (x,)), fx.value_and_grad(f)):
        if name == "while" and call is not f:
            call = fx.jit(f)
        seen.clear()
        call(1.0)
        # Where a checkpoint is differentiated, its function runs again.
        assert seen[: len(expected)] == expected
        assert name == "checkpoint" or len(seen) == len(expected)


def test_under_vmap_once_an_element():
    seen = []
    f = lambda x, y: (fx.debug.callback(lambda a, b: seen.append((float(a), float(b))), x, y), x)[1]
    for mapped in (fx.vmap(f, (0, None)), fx.jit(fx.vmap(f, (0, None)))):
        seen.clear()
        mapped(np.arange(3.0), 5.0)
        assert seen == [(0.0, 5.0), (1.0, 5.0), (2.0, 5.0)]
    seen.clear()
    fx.vmap(lambda x: f(2.0, 3.0))(np.arange(3.0))  # does not depend on the axis
    assert seen == [(2.0, 3.0)]
    seen.clear()
    fx.vmap(fx.vmap(f, (None, 0)), (0, None))(np.arange(2.0), np.arange(2.0))
    assert sorted(seen) == [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]


def test_io_callback_returns_values():
    state = {"count": 0}

    def increment(by):
        state["count"] += int(by)
        return np.int32(state["count"])

    f = fx.jit(lambda x: io_callback(increment, fx.ShapeDtypeStruct((), "int32"), x))
    assert [int(f(2)) for _ in range(3)] == [2, 4, 6]
    total = fx.jit(lambda: lax.fori_loop(0, 3, lambda i, c: c + f(i), jnp.int32(0)))()
    assert state["count"] == 9 and int(total) == 6 + 7 + 9


# ------------------------------------------------------------------ debug.print
PRINTS = [
    (lambda x: fx.debug.print("x = {}", x), "x = 2.0\n"),
    (lambda x: fx.debug.print("{x:.3f} {} {{}}", 7, x=x), "2.000 7 {}\n"),
    (lambda x: fx.debug.print("{a[0]} {n!r:>6}", a=(x * 2,), n="ok"), "4.0   'ok'\n"),
    (lambda x: fx.debug.print("{}", jnp.arange(3) * x), "[0. 2. 4.]\n"),
    (lambda x: fx.debug.print("{}", {"k": x, "s": "t"}), "Array(2., dtype=float32"),
    (lambda x: fx.debug.print("plain"), "plain\n"),
    (lambda x: fx.debug.print("{}", x, ordered=True), "2.0\n"),
    (lambda x: fx.vmap(lambda y: fx.debug.print("{} {}", x, y))(jnp.arange(2)), "2.0 0\n2.0 1\n"),
    (lambda x: fx.grad(lambda y: (fx.debug.print("{}", y), y)[1])(x), "2.0\n"),
]


@pytest.mark.parametrize("call, words", PRINTS, ids=range(len(PRINTS)))
def test_prints(call, words, capsys):
    def f(x):
        call(x)
        return x

    for run in (f, fx.jit(f), lambda x: fx.jit(fx.jit(f))(x)):
        run(jnp.float32(2))
        assert words in capsys.readouterr().out


# ------------------------------------------------------------------ errors
def fails(x):
    raise ZeroDivisionError("mine")


ERRORS = [
    (lambda: host_sin("text"), FxTypeError, "got str"),
    (lambda: fx.pure_callback(3, F32, 1.0), FxTypeError, "expects a function, got int"),
    (lambda: fx.pure_callback(np.sin, F32, 1.0, vmap_method="no"), FxValueError, "'no'"),
    (lambda: fx.pure_callback(lambda x: np.ones(3), F32, 1.0), ShapeError, "shape (3,)"),
    (lambda: fx.pure_callback(lambda x: (x, x), F32, 1.0), FxTypeError, "the structure"),
    (
        lambda: fx.pure_callback(lambda x: 1.5, fx.ShapeDtypeStruct((), "int32"), 1.0),
        FxTypeError,
        "returned f64, which does not fit i32[]",
    ),
    (lambda: fx.pure_callback(lambda x: 1j, F32, 1.0), FxTypeError, "c128"),
    (lambda: fx.grad(host_sin)(1.0), FxTypeError, "has no derivative"),
    (lambda: fx.jvp(host_sin, (1.0,), (1.0,)), FxTypeError, "custom_jvp"),
    (lambda: fx.vmap(host_sin)(XS), FxValueError, "vmap_method="),
    (lambda: fx.debug.callback(3, 1.0), FxTypeError, "expects a function"),
    (lambda: fx.debug.print("a", 1.0), FxValueError, "does not use the argument(s) 0"),
    (lambda: fx.debug.print("a {x}", x=1.0, y=2.0), FxValueError, "argument(s) y"),
    (lambda: fx.debug.print("{} {}", 1.0), FxValueError, "not given"),
    (lambda: fx.debug.print("{z}", x=1.0), FxValueError, "not given"),
]


@pytest.mark.parametrize(
    "call, kind, words", ERRORS, ids=[re.sub(r"\W+", "-", w) for *_, w in ERRORS]
)
def test_errors(call, kind, words):
    for attempt in (call, fx.jit(call)):
        with pytest.raises(kind, match=re.escape(words)) as caught:
            attempt()
        assert isinstance(caught.value, FxError)
        assert caught.traceback[-1].path.name == "test_callback.py"


def test_an_error_of_the_callback_is_raised_as_it_is():
    programs = [
        lambda x: fx.pure_callback(fails, x, x),
        lambda x: fx.debug.callback(fails, x) or x,
        lambda x: io_callback(fails, x, x),
        lambda x: lax.scan(lambda c, _: (fx.pure_callback(fails, c, c), None), x, None, length=2)[
            0
        ],
        lambda x: fx.pmap(lambda y: fx.pure_callback(fails, y, y))(x * jnp.ones(3)),
    ]
    for f in programs:
        for call in (f, fx.jit(f)):
            with pytest.raises(ZeroDivisionError, match="mine"):
                call(np.float64(1.0))
            assert float(fx.jit(lambda x: x + 1)(1.0)) == 2.0
