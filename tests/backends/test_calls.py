"""Calls of compiled functions: whatever was called before, a call is what its first one would be.

A jitted function compares the signature of its last call first, and native code reads arrays where
they are; here the arguments are of all kinds, their signatures change from call to call, and many
threads call at once.
"""

import gc
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.core.array import Array
from fx.testing import pytrees

pytest.importorskip("fx.backends.llvm.program", exc_type=ImportError)
from fx.backends.llvm import memory
from fx.backends.llvm.program import padded

BASE = np.arange(24, dtype=np.float32).reshape(4, 6)


def _unaligned():
    raw = np.zeros(4 * 6 + 1, np.uint8)
    x = raw[1:].view(np.float32)
    x[...] = BASE[0]
    return x


def _read_only():
    x = BASE.copy()
    x.flags.writeable = False
    return x


KINDS = {
    "array": lambda: jnp.asarray(BASE),
    "another shape": lambda: jnp.asarray(BASE[:2]),
    "another dtype": lambda: jnp.asarray(BASE.astype(np.int32)),
    "bfloat16": lambda: jnp.asarray(BASE).astype("bfloat16"),
    "weak array": lambda: jnp.asarray(3.0),
    "strong array": lambda: jnp.asarray(3.0, "float32"),
    "empty": lambda: jnp.zeros((0, 6)),
    "transposed": lambda: jnp.asarray(BASE).T,
    "every other": lambda: fx.Array(BASE[:, ::2]),
    "backwards": lambda: fx.Array(BASE[::-1]),
    "repeated": lambda: fx.Array(np.broadcast_to(BASE[:1], (4, 6))),
    "unaligned": lambda: fx.Array(_unaligned()),
    "ndarray": lambda: BASE.copy(),
    "ndarray in columns": lambda: np.asfortranarray(BASE),
    "read-only ndarray": _read_only,
    "unaligned ndarray": _unaligned,
    "swapped bytes": lambda: BASE.astype(">f4"),
    "NumPy scalar": lambda: np.float32(1.5),
    "bool": lambda: True,
    "int": lambda: 7,
    "float": lambda: 2.5,
    "complex": lambda: 1 + 2j,
}
TREES = pytrees(st.sampled_from([*KINDS]).map(lambda name: KINDS[name]()), max_leaves=5)


def described(tree):
    """Structure, types and bits of a tree of results."""
    leaves, structure = fx.tree.flatten(tree)
    assert all(type(x) is Array for x in leaves)
    for x in leaves:
        assert x.aval.shape == x._data.shape and x.aval.dtype == x._data.dtype
        assert x.aval.weak_type == x.weak_type
    return structure, [(x.aval, np.asarray(x).tobytes()) for x in leaves]


def changed(*args, **kwargs):
    """Results that are computed, that are arguments, and that are constants."""
    leaves = fx.tree.leaves((args, kwargs))
    doubled = fx.tree.map(lambda x: x + x, (args, kwargs))
    return doubled, leaves[:1], [jnp.arange(3.0)] * bool(leaves)


@given(st.lists(st.tuples(TREES, TREES), min_size=1, max_size=4), st.data())
@settings(max_examples=40, deadline=None)
def test_any_sequence_of_calls_gives_what_first_calls_give(calls, data):
    f = fx.jit(changed)
    count = 0
    for i in [*range(len(calls)), *data.draw(st.lists(st.integers(0, len(calls) - 1)))]:
        first, second = calls[i]
        if data.draw(st.booleans()):
            got, want = f(first, b=second), fx.jit(changed)(first, b=second)
        else:
            got, want = f(first, second), fx.jit(changed)(first, second)
        assert described(got) == described(want)
        count += 1
    assert sum(s.calls for s in f.explain().signatures) == count


@pytest.mark.parametrize("one", KINDS)
def test_each_kind_after_each_other(one):
    def g(x, y):
        return x + y, y

    f, y = fx.jit(g), jnp.asarray(1.0, "float32")
    for other in KINDS:
        for _ in range(2):
            for name in (one, other):
                x = KINDS[name]()
                assert described(f(x, y)) == described(fx.jit(g)(x, y)), (one, other)


SAME_LEAVES = [
    lambda x, y: ((x, y), {}),
    lambda x, y: (((x, y),), {}),
    lambda x, y: (([x, y],), {}),
    lambda x, y: (({"a": x, "b": y},), {}),
    lambda x, y: (({"b": x, "a": y},), {}),
    lambda x, y: ((x,), {"b": y}),
    lambda x, y: ((), {"b": x, "a": y}),
    lambda x, y: ((x, None, y), {}),
    lambda x, y: ((x, y, ()), {}),
]


@given(st.lists(st.sampled_from(SAME_LEAVES), min_size=2, max_size=12))
@settings(max_examples=30, deadline=None)
def test_trees_with_the_same_leaves_are_told_apart(calls):
    f = fx.jit(lambda *args, **kwargs: (args, kwargs, [x * 2 for x in fx.tree.leaves(args)]))
    x, y = jnp.ones(3), jnp.zeros(3)
    for call in calls:
        args, kwargs = call(x, y)
        got = f(*args, **kwargs)
        assert described(got[:2]) == described((args, kwargs))
        assert len(got[2]) == len(fx.tree.leaves(args))


def test_static_arguments_choose_the_program():
    f = fx.jit(lambda x, n, *, mode="up": x * n if mode == "up" else x - n, static_argnums=1,
               static_argnames="mode")  # fmt: skip
    x = jnp.ones(3)
    for _ in range(3):
        for n in (2, 2.0, 3, True):
            assert f(x, n).dtype == np.float32 and float(f(x, n)[0]) == n
            assert float(f(x, n, mode="down")[0]) == 1 - n
            assert f(jnp.ones((2, 2)), n).shape == (2, 2)
    with pytest.raises(fx.errors.FxValueError, match="number 1 must be hashable"):
        f(x, [1])
    with pytest.raises(fx.errors.FxValueError, match="mode must be hashable"):
        f(x, 2, mode=["up"])


def test_static_keywords_in_any_order_are_one_signature():
    f = fx.jit(lambda x, *, a, b: x * a + b, static_argnames=("a", "b"))
    x = jnp.ones(3)
    for _ in range(2):
        assert float(f(x, a=2, b=3.0)[0]) == float(f(x, b=3.0, a=2)[0]) == 5
    assert [s.calls for s in f.explain().signatures] == [4]


def test_a_mutated_ndarray_does_not_change_results():
    f = fx.jit(lambda x: (x, x.reshape(-1), x + 1))
    for _ in range(3):
        x = BASE.copy()
        outs = f(x)
        x[...] = -1
        np.testing.assert_array_equal(outs[0], BASE)
        np.testing.assert_array_equal(outs[1], BASE.reshape(-1))
        np.testing.assert_array_equal(outs[2], BASE + 1)


# ------------------------------------------------------------------ what surrounds a call
def _warm():
    f = fx.jit(lambda x: jnp.log(x) * 2.0)
    x = jnp.ones(3)
    for _ in range(3):
        f(x)
    return f, x


def test_scopes_are_seen_by_a_function_that_was_called_before():
    f, x = _warm()
    ran = []
    g = fx.jit(lambda x: (ran.append(type(x)), x)[1])
    for _ in range(3):
        g(x)
    assert len(ran) == 1
    with fx.disable_jit():
        g(x)
    assert len(ran) == 2 and ran[1] is Array
    with fx.default_dtype("float64"):
        assert f(1.0).dtype == np.float64
    assert f(1.0).dtype == np.float32
    with fx.debug_nans(), pytest.raises(fx.errors.NonFiniteError, match="log"):
        f(-x)
    assert np.isnan(f(-x)).all()
    assert fx.make_jaxpr(f)(x).eqns[0].primitive.name == "jit"


def test_transformations_of_a_function_that_was_called_before():
    f, x = _warm()
    np.testing.assert_allclose(fx.grad(lambda x: f(x).sum())(x), 2 * np.ones(3), rtol=1e-6)
    np.testing.assert_allclose(fx.vmap(f)(jnp.ones((2, 3))), np.zeros((2, 3)))
    np.testing.assert_allclose(fx.jit(lambda x: f(x) + 1)(x), np.ones(3))
    _, tangent = fx.jvp(f, (x,), (x,))
    np.testing.assert_allclose(tangent, 2 * np.ones(3), rtol=1e-6)
    np.testing.assert_allclose(fx.grad(lambda a: (f(x) * a).sum())(1.0), 0)
    total = fx.vmap(lambda v: f(x) + fx.lax.psum(v, "i"), axis_name="i")(jnp.ones((4, 3)))
    np.testing.assert_allclose(total, 4 * np.ones((4, 3)))


def test_errors_of_a_function_that_was_called_before():
    f, x = _warm()
    for wrong in ("text", [1, "a"], object(), np.array(["a"])):
        for _ in range(2):
            with pytest.raises(TypeError):
                f(wrong)
    with pytest.raises(TypeError):
        f(x, x)
    with pytest.raises(fx.errors.FxTypeError, match="does not fit"):
        fx.jit(lambda x: x)(2**80)
    np.testing.assert_allclose(f(x), 0)


def test_cleared_caches_are_not_used():
    traces = []
    f = fx.jit(lambda x: (traces.append(1), x + 1)[1])
    for clear in (f.clear_cache, fx.clear_caches):
        f(jnp.ones(2)), f(jnp.ones(2))
        before = len(traces)
        clear()
        f(jnp.ones(2))
        assert len(traces) == before + 1


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "int8", "bool", "complex64", "bfloat16", "float8_e5m2"]
)
def test_large_results_have_their_dtype(dtype):
    """Their memory is used again, and has a type of its own."""
    f = fx.jit(lambda x: (x[::-1], jnp.where(x == x, x, x)))
    x = (np.arange(1 << 21) % 2).astype(fx.dtypes.canonicalize(dtype))
    for _ in range(3):
        for got, want in zip(f(x), (x[::-1], x), strict=True):
            assert got.dtype == x.dtype == got._data.dtype
            assert np.asarray(got).tobytes() == want.tobytes()


def test_large_arrays_begin_with_a_line_of_the_cache_and_not_all_with_the_same_one():
    float32 = np.dtype(np.float32)
    arrays = [memory.empty((n,), float32) for n in (1 << 18, 1 << 19, 1 << 21, 300_001) * 4]
    places = [x.ctypes.data for x in arrays]
    assert all(place % 64 == 0 for place in places)
    assert len({place % 4096 for place in places}) > len(places) // 2  # some may be older
    for i, x in enumerate(arrays):
        x[...] = i
    assert all((x == i).all() for i, x in enumerate(arrays))
    assert [padded(n) for n in (1, 64, 65, 4096, 1 << 20)] == [64, 64, 128, 4160, (1 << 20) + 64]


def test_calls_keep_nothing_alive():
    f = fx.jit(lambda x: (x * 2, x))
    for _ in range(3):
        x = jnp.ones(1000)
        kept = [weakref.ref(v) for v in (x, *f(x))]
        data = weakref.ref(x._data)
        del x
        gc.collect()
        assert not any(r() for r in kept) and data() is None


# ------------------------------------------------------------------ threads
@pytest.mark.parametrize("size", [3, 5000, 300_000])
def test_threads_do_not_see_the_values_of_one_another(size):
    """Small programs keep the interpreter lock, large ones release it and share the cores."""

    def g(x, y):
        hidden = jnp.tanh(x - x.max() + y)  # a reduction: memory between two kernels
        return {"sum": (hidden * 0 + y).sum() / size, "whole": x[::-1] + y}

    f = fx.jit(g)
    wrong = []
    barrier = threading.Barrier(6)

    def work(k):
        rng = np.random.default_rng(k)
        barrier.wait()
        for i in range(60 if size < 100_000 else 8):
            value = np.float32(rng.integers(0, 1000))
            n = size if i % 3 else size + k + 1  # signatures change, too
            x = fx.Array(np.full(2 * n, value)[::2] if i % 2 else np.full(n, value))
            out = f(x, jnp.asarray(value))
            whole = np.asarray(out["whole"])
            if whole.shape != (n,) or not (whole == 2 * value).all():
                wrong.append((k, i, "whole"))
            if not np.isclose(float(out["sum"]), value * n / size, rtol=1e-4):
                wrong.append((k, i, "sum", float(out["sum"]), value))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_long_program_lets_other_threads_run():
    f = fx.jit(lambda x: fx.lax.fori_loop(0, 300, lambda i, x: jnp.tanh(x) + 0.1, x))
    x = jnp.ones(200_000)
    f(x)
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        for _ in range(3):
            f(x)
    finally:
        done.set()
        thread.join()
    assert len(ticks) > 3
