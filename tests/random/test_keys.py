"""Keys: the words of JAX's keys, in both forms; arguments that are not keys raise typed errors."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import random
from fx.errors import FxTypeError, FxValueError, KeyReuseError, ShapeError

try:
    import jax
except ImportError:
    jax = None

needs_jax = pytest.mark.skipif(jax is None, reason="jax is the oracle")

SEEDS = [0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1]


def words(keys):
    return np.asarray(random.key_data(keys))


@needs_jax
@pytest.mark.parametrize("seed", SEEDS)
def test_keys_are_jaxs(seed):
    theirs = jax.random.key(seed)
    for ours in (random.key(seed), random.PRNGKey(seed)):
        np.testing.assert_array_equal(words(ours), jax.random.key_data(theirs))
        np.testing.assert_array_equal(
            words(random.split(ours, 3)), jax.random.key_data(jax.random.split(theirs, 3))
        )
        np.testing.assert_array_equal(
            words(random.split(ours, (2, 0, 3))),
            jax.random.key_data(jax.random.split(theirs, (2, 0, 3))),
        )
        for data in (0, 7, 2**32 - 1, np.int32(-3)):
            np.testing.assert_array_equal(
                words(random.fold_in(ours, data)),
                jax.random.key_data(jax.random.fold_in(theirs, data)),
            )


def test_wide_seeds_keep_64_bits():
    assert words(random.key(2**32 + 7)).tolist() == [1, 7]
    assert words(random.key(-(2**40))).tolist() == [2**32 - 2**8, 0]
    assert words(random.key(2**64 - 1)).tolist() == [2**32 - 1] * 2
    assert words(random.key(np.int64(2**33))).tolist() == [2, 0]


def test_a_traced_seed_gives_the_same_key():
    seeds = jnp.asarray([3, -5], dtype="int32")
    together = fx.vmap(random.key)(seeds)
    assert together.shape == (2,)
    for seed, key in zip((3, -5), together, strict=True):
        np.testing.assert_array_equal(words(key), words(random.key(seed)))
    np.testing.assert_array_equal(words(fx.jit(random.key)(3)), words(random.key(3)))
    np.testing.assert_array_equal(words(fx.jit(lambda: random.key(9))()), words(random.key(9)))


def test_the_two_forms():
    typed, legacy = random.key(5), random.PRNGKey(5)
    assert typed.shape == () and typed.dtype == random.key_dtype()
    assert legacy.shape == (2,) and legacy.dtype == np.uint32
    assert jnp.issubdtype(typed.dtype, fx.dtypes.prng_key)
    assert random.split(typed).shape == (2,)
    assert random.split(legacy).shape == (2, 2)
    assert random.fold_in(legacy, 1).dtype == np.uint32
    assert random.clone(legacy).dtype == np.uint32
    assert random.key_impl(typed) == random.key_impl(legacy) == "threefry2x32"
    assert bool(random.wrap_key_data(legacy) == typed)
    for name in ("threefry2x32", random.key_dtype()):
        assert bool(random.key(5, dtype=name) == typed)
    assert bool(random.key(5, impl="threefry2x32") == typed)


def test_keys_are_leaves_of_programs():
    keys = random.split(random.key(0), 4)

    def step(key):
        key, use = random.split(key)
        return key, random.uniform(use)

    @fx.jit
    def run(keys):
        return fx.vmap(step)(keys)

    new, x = run(keys)
    assert new.dtype == keys.dtype and x.shape == (4,)
    a, b = keys[:2]
    assert not bool(a == b)
    stacked = jnp.stack([a, b])
    np.testing.assert_array_equal(words(stacked), words(keys)[:2])
    np.testing.assert_array_equal(words(jnp.concatenate([keys, keys])), [*words(keys)] * 2)
    np.testing.assert_array_equal(words(keys.reshape(2, 2)), words(keys).reshape(2, 2, 2))


@pytest.mark.parametrize("bad", [None, "key", 3, 1.5, float("nan"), [0, 1], object()])
def test_what_is_no_key_raises(bad):
    with pytest.raises(
        FxTypeError, match=r"random\.normal expects a random key, got .*random\.key"
    ):
        random.normal(bad)
    with pytest.raises(FxTypeError, match=r"random\.split expects a random key"):
        random.split(bad)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros(2, np.float32),
        np.full(2, np.nan),
        np.zeros(2, np.int32),
        np.zeros(3, np.uint32),
        np.zeros((), np.uint32),
    ],
)
def test_arrays_that_are_no_keys_raise(bad):
    with pytest.raises(FxTypeError, match=r"expects a random key .*got .*random\.key"):
        random.uniform(bad)
    with pytest.raises((FxTypeError, ShapeError), match="key data must have"):
        random.wrap_key_data(bad)


@pytest.mark.parametrize("name", ["normal", "bits", "split", "exponential", "poisson", "gamma"])
def test_an_array_of_keys_needs_vmap(name):
    keys = random.split(random.key(0), 3)
    extra = (1.0,) if name in ("poisson", "gamma") else ()
    for batch in (keys, random.key_data(keys)):
        with pytest.raises(FxValueError, match=r"single key.*fx\.vmap"):
            getattr(random, name)(batch, *extra)


@pytest.mark.parametrize("seed", [1.5, float("nan"), "3", None, [3], np.float32(2)])
def test_seeds_are_integers(seed):
    with pytest.raises(FxTypeError, match="random"):
        random.key(seed)


def test_other_refusals():
    key = random.key(0)
    with pytest.raises(FxTypeError, match="random key"):
        random.key(key)
    with pytest.raises(FxValueError, match="vmap"):
        random.key(np.zeros(3, np.int32))
    with pytest.raises(FxValueError, match="64 bits"):
        random.key(2**64)
    with pytest.raises(FxValueError, match="threefry2x32"):
        random.key(0, impl="rbg")
    with pytest.raises(FxValueError, match="not both"):
        random.key(0, impl="threefry2x32", dtype="threefry2x32")
    with pytest.raises(FxTypeError, match="num"):
        random.split(key, 2.5)
    with pytest.raises(ShapeError, match="num"):
        random.split(key, -1)
    with pytest.raises(OverflowError, match="modulo"):
        random.fold_in(key, -1)
    with pytest.raises(FxTypeError, match="integer"):
        random.fold_in(key, 1.0)
    with pytest.raises(FxValueError, match="vmap"):
        random.fold_in(key, np.arange(3))


def test_a_traced_number_of_keys_names_the_argument():
    with pytest.raises(fx.errors.TracerIntegerConversionError, match="argument n"):
        fx.jit(lambda n: random.split(random.key(0), n))(3)


def test_reuse_through_the_public_functions():
    with fx.config.scope(debug_key_reuse=True):
        key = random.key(1234)
        random.normal(key, (3,))
        with pytest.raises(KeyReuseError, match=r"test_keys\.py"):
            random.uniform(key)
        legacy = random.PRNGKey(4321)
        random.gamma(legacy, 2.0)
        with pytest.raises(KeyReuseError):
            random.poisson(legacy, 2.0)
        for sampler in (random.permutation, random.choice):
            fresh = random.clone(key)
            sampler(fresh, 10)
            with pytest.raises(KeyReuseError):
                random.split(fresh)
        random.fold_in(key, 3)
