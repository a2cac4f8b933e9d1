"""Random primitives: what each key gives alone, stacked; typed errors; reuse of keys."""

import numpy as np
import pytest

import fx
from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, KeyReuseError, ShapeError
from fx.ops import key_reuse
from fx.ops.numerics import threefry
from tests import laws


def keys(*shape):
    data = np.random.default_rng(0).integers(0, 2**32, (*shape, 2), dtype=np.uint32)
    return P.random_wrap(Array(data))


def u32(*values):
    return Array(np.array(values, np.uint32))


PROGRAMS = {
    "split": lambda k: P.random_unwrap(P.random_split(k, shape=(2, 3))),
    "bits8": lambda k: P.random_bits(k, bit_width=8, shape=(5,)),
    "bits64": lambda k: P.random_bits(k, bit_width=64, shape=()),
    "fold_in": lambda k: P.random_unwrap(P.random_fold_in(k, Array(np.uint32(7)[()]))),
    "clone": lambda k: P.random_unwrap(P.random_clone(k)),
    "wrap": lambda k: P.random_unwrap(P.random_wrap(P.random_unwrap(k))),
    "poisson": lambda k: P.random_poisson(k, full(k, 3.0)),
    "binomial": lambda k: P.random_binomial(k, full(k, 9.0), full(k, 0.4)),
    "gamma": lambda k: P.random_gamma(k, full(k, 1.5), log_space=False),
}


def full(key, value):
    shape = (*key.shape, 4)
    return P.broadcast_in_dim(
        Array(np.asarray(value, np.float32)), shape=shape, broadcast_dimensions=()
    )


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
def test_a_batch_of_keys_is_the_stack_of_each(name, shape):
    f, batch = PROGRAMS[name], keys(*shape)
    together = np.asarray(f(batch))
    for i in np.ndindex(*shape):
        alone = np.asarray(f(Array(np.asarray(batch._data[i]))))
        np.testing.assert_array_equal(together[i], alone)
    assert fx.eval_shape(f, batch).shape == together.shape


@pytest.mark.parametrize("name", PROGRAMS)
def test_random_primitives_obey_the_laws(name):
    f = PROGRAMS[name]
    laws.check_jit(f, keys(2))
    laws.check_vmap(f, keys(3))
    laws.check_vmap(f, keys(3, 2))


def test_vmap_of_fold_in_maps_keys_and_data():
    def f(k, n):
        return P.random_unwrap(P.random_fold_in(k, n))

    laws.check_vmap(f, keys(3), u32(1, 2, 3))
    together = fx.vmap(f, in_axes=(None, 0))(keys(), u32(4, 5))
    np.testing.assert_array_equal(together[1], f(keys(), Array(np.asarray(5, np.uint32))))


def test_vmap_over_parameters_keeps_the_key():
    rates = Array(np.array([[1.0, 2.0], [30.0, 4.0]], np.float32))
    together = fx.vmap(P.random_poisson, in_axes=(None, 0))(keys(), rates)
    for i in range(2):
        np.testing.assert_array_equal(together[i], P.random_poisson(keys(), rates[i]))


def test_orthonormalize_of_batches():
    x = Array(np.random.default_rng(0).normal(size=(2, 3, 4, 3)).astype(np.float32))
    laws.check_jit(P.orthonormalize, x)
    laws.check_vmap(P.orthonormalize, x)
    with pytest.raises(ShapeError, match="rows"):
        P.orthonormalize(P.transpose(x, permutation=(0, 1, 3, 2)))


def test_threefry_is_elementwise():
    words = [u32(1, 2, 3), u32(4, 5, 6), u32(7, 8, 9), Array(np.asarray(0, np.uint32))]
    out = P.threefry2x32(*words)
    expected = threefry.threefry2x32(np, *[w._data for w in words])
    for a, b in zip(out, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    laws.check_jit(P.threefry2x32, *words)
    laws.check_vmap(P.threefry2x32, *words)


def test_keys_move_like_any_array():
    batch = keys(3, 4)
    data = np.asarray(P.random_unwrap(batch))

    def moved(k):
        return P.random_unwrap(P.transpose(k, permutation=(1, 0)))

    np.testing.assert_array_equal(moved(batch), data.transpose(1, 0, 2))
    laws.check_jit(moved, batch)
    np.testing.assert_array_equal(P.random_unwrap(batch[1, ::2]), data[1, ::2])
    assert bool((batch == batch).all())
    np.testing.assert_array_equal(P.random_unwrap(fx.numpy.where(True, batch, batch)), data)


def test_keys_have_no_derivative():
    def f(x, k):
        return x * P.unit_interval(P.random_bits(k, bit_width=32, shape=()), dtype=x.dtype)

    x = Array(np.asarray(2.0, np.float32))
    gradient = fx.grad(f)(x, keys())
    np.testing.assert_array_equal(gradient, f(Array(np.asarray(1.0, np.float32)), keys()))


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (FxTypeError, lambda: P.random_seed(Array(np.float32(1)[()].reshape(())))),
        (FxTypeError, lambda: P.random_split(u32(1, 2), shape=(2,))),
        (FxTypeError, lambda: P.random_bits(u32(1, 2), bit_width=32, shape=())),
        (FxValueError, lambda: P.random_bits(keys(), bit_width=12, shape=())),
        (ShapeError, lambda: P.random_bits(keys(), bit_width=32, shape=(-1,))),
        (FxTypeError, lambda: P.random_wrap(Array(np.zeros(2, np.int32)))),
        (ShapeError, lambda: P.random_wrap(Array(np.zeros(3, np.uint32)))),
        (ShapeError, lambda: P.random_wrap(Array(np.zeros((), np.uint32)))),
        (FxTypeError, lambda: P.random_fold_in(keys(), Array(np.zeros((), np.int32)))),
        (ShapeError, lambda: P.random_fold_in(keys(3), u32(1, 2))),
        (FxTypeError, lambda: P.random_unwrap(u32(1, 2))),
        (FxTypeError, lambda: P.threefry2x32(u32(1), u32(1), u32(1), Array(np.zeros(1, int)))),
        (FxTypeError, lambda: P.unit_interval(u32(1), dtype=np.dtype(np.float64))),
        (ShapeError, lambda: P.random_gamma(keys(2), full(keys(3), 1.0), log_space=False)),
        (ShapeError, lambda: P.random_binomial(keys(), full(keys(), 1.0), full(keys(2), 0.5))),
        (FxTypeError, lambda: P.random_poisson(keys(), u32(1, 2))),
    ],
)
def test_wrong_operands_raise(error, call):
    with pytest.raises(error, match=r"expects|must"):
        call()


# ------------------------------------------------------------------ reuse of keys
@pytest.fixture
def watched():
    """Reuse is an error within the test, and no key has been used before."""
    key_reuse._used.keys.clear()
    with fx.config.scope(debug_key_reuse=True):
        yield
    key_reuse._used.keys.clear()


def draw(key):
    return P.random_bits(key, bit_width=32, shape=())


def test_reuse_is_not_watched_by_default():
    key = keys()
    draw(key), draw(key)


def test_a_key_is_used_once(watched):
    key = P.random_seed(Array(np.asarray(5, np.int32)))
    draw(key)
    with pytest.raises(KeyReuseError, match=r"random_bits had used at .*test_random.py"):
        draw(key)
    with pytest.raises(KeyReuseError, match=r"fx\.random\.split"):
        P.random_split(key, shape=(2,))


def test_an_index_does_not_hide_a_reuse(watched):
    both = P.random_split(keys(), shape=(2,))
    draw(both[0])
    draw(both[1])
    with pytest.raises(KeyReuseError):
        draw(both[0])


def test_clone_seed_and_fold_in_make_fresh_keys(watched):
    key = P.random_seed(Array(np.asarray(5, np.int32)))
    draw(key)
    draw(P.random_clone(key))
    draw(P.random_seed(Array(np.asarray(5, np.int32))))
    P.random_fold_in(key, Array(np.asarray(0, np.uint32)))  # uses nothing up


def test_reuse_is_seen_in_batches_and_under_transformations(watched):
    batch = keys(3)
    fx.vmap(draw)(batch)
    with pytest.raises(KeyReuseError):
        draw(batch[2])
    same = P.broadcast_in_dim(keys(), shape=(2,), broadcast_dimensions=())
    with pytest.raises(KeyReuseError):
        draw(same)
    with pytest.raises(KeyReuseError):
        x = Array(np.asarray(1.0, np.float32))
        fx.jvp(lambda x: x * P.unit_interval(draw(batch[0]), dtype=x.dtype), (x,), (x,))


def test_old_uses_are_forgotten(watched, monkeypatch):
    monkeypatch.setattr(key_reuse, "_LIMIT", 4)
    batch = keys(8)
    for i in range(8):
        draw(batch[i])
    assert len(key_reuse._used.keys) <= 4
    draw(batch[0])


def test_key_dtype_prints():
    assert str(fx.eval_shape(lambda k: k, keys(2)).dtype == dtypes.key_dtype) == "True"
    jaxpr = str(fx.make_jaxpr(lambda k: P.random_split(k, shape=(2,)))(keys()))
    assert "key<fry>[2] = random_split[shape=(2,)]" in jaxpr
