"""Programs with mutable references equal the pure programs that they stand for."""

import gc

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.core.refs import alive
from fx.errors import FxError, FxTypeError, FxValueError

X = np.arange(4, dtype=np.float32)


def in_line(lib, lax, x):
    ref = lib.new_ref(x)
    ref[0] = 3.0
    ref[1:] = ref[1:] * 2
    ref[...] += ref[0]
    return ref[...]


def scanned(lib, lax, x):
    total, last = lib.new_ref(x[:2] * 0), lib.new_ref(0)

    def body(c, v):
        total[0] += v
        last[...] = last[...] + 1
        return c + total[0], total[...]

    out = lax.scan(body, 0.0, x)
    return out, total[...], last[...]


def looped(lib, lax, x):
    ref = lib.new_ref(x)

    def body(i, c):
        ref[i] = c * ref[i] + 1
        return c + ref[i]

    return lax.fori_loop(0, 3, body, 1.5), lib.freeze(ref)


def bounded(lib, lax, x):
    ref = lib.new_ref(x)

    def body(c):
        ref[0] = ref[0] * 1.5 + 1
        return c + 1

    return lax.while_loop(lambda c: c < 3, body, 0.0), ref[...]


def branched(lib, lax, x):
    ref = lib.new_ref(x)

    def double(v):
        ref[0] = v
        return v + 1

    def keep(v):
        return v - ref[1]

    y = lax.cond(x[1] > 0, double, keep, x[2])
    z = lax.switch(2, [keep, keep, double], y)
    return y, z, ref[...]


def nested(lib, lax, x):
    ref = lib.new_ref(x[0] * 0)

    def inner(i, c):
        ref[...] += c
        return c + 1

    def outer(c, v):
        return lax.fori_loop(0, 2, inner, c) + ref[...] * v, None

    return lax.scan(outer, 0.0, x)[0], ref[...]


def jitted(lib, lax, x):
    ref = lib.new_ref(x)

    @lib.jit
    def step(y):
        ref[0] = ref[0] + y
        return ref[...].sum()

    first = step(1.0)
    ref[1] = 7.0
    return first, step(2.0), ref[...]


def passed(lib, lax, x):
    a, b = lib.new_ref(x), lib.new_ref(x[:2])

    @lib.jit
    def move(source, target, n):
        target[...] = source[:2] * n
        source[0] = 0.0
        return n + 1

    return move(a, b, 2.0), move(a, b, 3.0), a[...], b[...]


PROGRAMS = [in_line, scanned, looped, bounded, branched, nested, jitted, passed]


def assert_close(got, expected):
    for a, b in zip(fx.tree.leaves(got), fx.tree.leaves(expected), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs_are_those_of_jax_under_every_transformation(program):
    jax = pytest.importorskip("jax")
    if not hasattr(jax, "new_ref"):
        pytest.skip("this JAX has no references")

    def ours(x):
        return program(fx, lax, x)

    expected = program(jax, jax.lax, jax.numpy.asarray(X))
    assert_close(ours(jnp.asarray(X)), expected)
    assert_close(fx.jit(ours)(X), expected)
    batch = fx.vmap(ours)(np.stack([X, 2 * X]))
    assert_close(fx.tree.map(lambda v: v[0], batch), expected)
    assert_close(fx.tree.map(lambda v: v[1], batch), ours(jnp.asarray(2 * X)))


def total(x, program):
    leaves = fx.tree.leaves(program(fx, lax, x))
    return sum(v.sum() for v in leaves if jnp.issubdtype(v.dtype, jnp.floating))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_derivatives(program):
    x = np.linspace(0.3, 1.2, 4)
    direction = np.cos(np.arange(4))
    _, tangent = fx.jvp(lambda x: total(x, program), (x,), (direction,))
    steps = [float(total(x + e * direction, program)) for e in (1e-6, -1e-6)]
    np.testing.assert_allclose(tangent, (steps[0] - steps[1]) / 2e-6, rtol=1e-5)
    if program not in (bounded,):  # its number of steps has no bound
        gradient = fx.jit(fx.grad(lambda x: total(x, program)))(x)
        np.testing.assert_allclose(gradient @ direction, tangent, rtol=1e-6)


def test_the_test_of_a_loop_may_read():
    ref = fx.new_ref(0.0)

    def body(c):
        ref[...] += 2.0
        return c + 1

    assert int(lax.while_loop(lambda c: ref[...] < 5, body, 0)) == 3 and float(ref[...]) == 6


def test_a_jitted_function_is_traced_once_and_sees_new_values():
    count = []
    ref = fx.new_ref(jnp.zeros(2))

    @fx.jit
    def f(x):
        count.append(1)
        ref[0] += x
        return ref[...]

    for i in range(4):
        assert f(1.0).tolist() == [i + 1, 0]
    assert len(count) == 2  # once to find the references
    ref[...] = jnp.ones(2)
    assert f(1.0).tolist() == [2, 1] and len(count) == 2
    read = fx.jit(lambda: ref[1])
    assert float(read()) == 1
    ref[1] = 5.0
    assert float(read()) == 5
    f.clear_cache()
    f(1.0)
    assert len(count) == 4


def test_a_jitted_function_keeps_no_reference_alive():
    def use():
        ref = fx.new_ref(1.0)
        f = fx.jit(lambda x: x * ref[...])
        f(2.0)
        assert alive[0] == before + 1

    gc.collect()
    before = alive[0]
    use()
    gc.collect()
    assert alive[0] == before


def test_references_have_types_and_say_what_they_hold():
    ref = fx.new_ref(np.ones((2, 3), np.float32))
    assert (ref.shape, ref.dtype, ref.ndim, ref.size, len(ref)) == ((2, 3), np.float32, 2, 6, 2)
    assert isinstance(ref, fx.Ref) and repr(fx.new_ref(2.5)) == "Ref(2.5, dtype=float32)"
    ref[0] = np.arange(3)
    assert ref[...].dtype == np.float32 and not fx.new_ref(1.0)[...].weak_type
    assert fx.freeze(ref)[0].tolist() == [0, 1, 2] and repr(ref) == "Ref(freed)"


def outside_of(transform):
    ref = fx.new_ref(0.0)

    def f(x):
        ref[...] = x
        return x

    return transform(f)(np.ones((), np.float32))


def twice():
    ref = fx.new_ref(1.0)
    return fx.jit(lambda a, b: a[...] + b[...])(ref, ref)


def closed_twice():
    ref = fx.new_ref(1.0)
    return fx.jit(lambda a: a[...] + ref[...])(ref)


def used_after():
    ref = fx.new_ref(1.0)
    fx.free_ref(ref)
    return ref[...]


ERRORS = {
    "grad": (lambda: outside_of(fx.grad), FxTypeError, "outside of a transformation"),
    "vmap": (
        lambda: outside_of(lambda f: lambda x: fx.vmap(f)(x[None])),
        FxTypeError,
        "outside of a transformation",
    ),
    "twice": (twice, FxValueError, "one reference twice"),
    "closed": (closed_twice, FxValueError, "one reference twice"),
    "freed": (used_after, FxValueError, "freeze or fx"),
    "returned": (lambda: fx.jit(lambda x: fx.new_ref(x))(1.0), FxTypeError, "got Ref"),
    "shape": (lambda: fx.new_ref(jnp.ones(2)).__setitem__(0, jnp.ones(3)), FxError, "shape"),
    "freeze": (lambda: fx.freeze(1.0), FxTypeError, "expects a reference"),
    "array": (lambda: jnp.sin(fx.new_ref(1.0)), FxTypeError, "got Ref"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind, match=text):
        call()
