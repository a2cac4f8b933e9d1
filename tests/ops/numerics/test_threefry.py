"""Threefry equals its published test vectors, and every key function equals JAX bit for bit."""

import numpy as np
import pytest

from fx.ops.numerics import threefry

try:
    import jax
except ImportError:
    jax = None

needs_jax = pytest.mark.skipif(jax is None, reason="jax is the oracle")

SEEDS = [0, 1, 42, -1, -7, 2**31 - 1, -(2**31), 2**31, 2**32 - 1]
WIDE_SEEDS = [2**32, 2**40 + 5, -(2**31) - 1, -(2**40), 2**63 - 1, -(2**63)]
SHAPES = [(), (0,), (1,), (7,), (3, 0, 2), (4, 5), (70_001,)]


@pytest.fixture(autouse=True)
def partitionable():
    """The oracle's counters are fx's only in the mode that JAX has as its default."""
    if jax is None:
        yield
    else:
        with jax.threefry_partitionable(True):
            yield


def of_jax(key):
    """The JAX key with the same words."""
    return jax.random.wrap_key_data(key, impl="threefry2x32")


def keys(*shape):
    return np.random.default_rng(0).integers(0, 2**32, (*shape, 2), dtype=np.uint32)


@pytest.mark.parametrize(
    ("counter", "key", "cipher"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_random123_vectors(counter, key, cipher):
    words = [np.uint32(w) for w in (*key, *counter)]
    assert tuple(map(int, threefry.threefry2x32(np, *words))) == cipher


def test_threefry2x32_broadcasts_and_leaves_its_inputs():
    k0, x0 = np.arange(3, dtype=np.uint32)[:, None], np.arange(4, dtype=np.uint32)
    k1, x1 = k0 + np.uint32(9), x0 + np.uint32(5)
    copies = [a.copy() for a in (k0, k1, x0, x1)]
    y0, y1 = threefry.threefry2x32(np, k0, k1, x0, x1)
    assert y0.shape == y1.shape == (3, 4)
    assert y0[2, 3] == threefry.threefry2x32(np, k0[2, 0], k1[2, 0], x0[3], x1[3])[0]
    for before, after in zip(copies, (k0, k1, x0, x1), strict=True):
        np.testing.assert_array_equal(before, after)


@needs_jax
@pytest.mark.parametrize("value", SEEDS)
def test_seed_equals_jax(value):
    expected = jax.random.key_data(jax.random.key(value))
    np.testing.assert_array_equal(threefry.seed(np, value), expected)


@needs_jax
@pytest.mark.parametrize("value", WIDE_SEEDS)
def test_wide_seed_equals_jax_in_64_bit_mode(value):
    with jax.enable_x64(True):
        expected = np.asarray(jax.random.key_data(jax.random.key(value)))
    np.testing.assert_array_equal(threefry.seed(np, value), expected)
    np.testing.assert_array_equal(threefry.seed(np, np.int64(value)), expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
def test_seed_of_a_short_type_has_no_high_word(dtype):
    info = np.iinfo(dtype)
    values = np.array([info.min, -1 % 2**7, info.max], dtype)
    expected = [[0, int(v) % 2**32] for v in values]
    np.testing.assert_array_equal(threefry.seed(np, values), expected)


def test_seed_of_unsigned_64_bits():
    assert threefry.seed(np, np.uint64(2**63 + 1)).tolist() == [2**31, 1]
    assert threefry.seed(np, 2**64 - 1).tolist() == [2**32 - 1, 2**32 - 1]
    assert threefry.seed(np, np.zeros((2, 3), np.int64)).shape == (2, 3, 2)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1])
def test_seed_beyond_64_bits_raises(value):
    with pytest.raises(OverflowError, match="modulo"):
        threefry.seed(np, value)


@needs_jax
@pytest.mark.parametrize("shape", SHAPES)
def test_split_equals_jax(shape):
    key = keys()
    expected = jax.random.key_data(jax.random.split(of_jax(key), shape))
    np.testing.assert_array_equal(threefry.split(np, key, shape), expected)


@needs_jax
@pytest.mark.parametrize("data", [0, 1, 12345, 2**32 - 1, np.int32(-7), np.int64(2**33 + 1)])
def test_fold_in_equals_jax(data):
    key = keys()
    expected = jax.random.key_data(jax.random.fold_in(of_jax(key), data))
    np.testing.assert_array_equal(threefry.fold_in(np, key, data), expected)


@pytest.mark.parametrize("data", [-1, 2**32])
def test_fold_in_out_of_range_raises(data):
    with pytest.raises(OverflowError, match="modulo"):
        threefry.fold_in(np, keys(), data)


@needs_jax
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bit_width", [8, 16, 32, 64])
def test_random_bits_equal_jax(bit_width, shape):
    key = keys()
    with jax.enable_x64(True):
        expected = np.asarray(jax.random.bits(of_jax(key), shape, f"uint{bit_width}"))
    bits = threefry.random_bits(np, key, bit_width, shape)
    assert bits.dtype == expected.dtype
    np.testing.assert_array_equal(bits, expected)


@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 5)])
@pytest.mark.parametrize("batch", [(), (0,), (4,), (2, 3)])
def test_a_batch_of_keys_is_the_stack_of_each(batch, shape):
    batch_of_keys = keys(*batch)
    bits = threefry.random_bits(np, batch_of_keys, 32, shape)
    new = threefry.split(np, batch_of_keys, shape)
    assert bits.shape == (*batch, *shape)
    assert new.shape == (*batch, *shape, 2)
    for i in np.ndindex(*batch):
        np.testing.assert_array_equal(
            bits[i], threefry.random_bits(np, batch_of_keys[i], 32, shape)
        )
        np.testing.assert_array_equal(new[i], threefry.split(np, batch_of_keys[i], shape))


def test_fold_in_broadcasts_keys_and_data():
    batch_of_keys, data = keys(3, 1), np.arange(4)
    new = threefry.fold_in(np, batch_of_keys, data)
    assert new.shape == (3, 4, 2)
    np.testing.assert_array_equal(new[2, 1], threefry.fold_in(np, batch_of_keys[2, 0], 1))


@pytest.mark.parametrize("block", [1, 4, 64])
@pytest.mark.parametrize("batch", [(), (9,)])
@pytest.mark.parametrize("few", [0, 15])
def test_block_size_changes_no_bit(monkeypatch, block, batch, few):
    batch_of_keys = keys(*batch)[..., ::-1]  # not contiguous
    expected = threefry.random_bits(np, batch_of_keys, 64, (5, 3))
    monkeypatch.setattr(threefry, "_BLOCK_CPU", block)
    monkeypatch.setattr(threefry, "_FEW", few)
    np.testing.assert_array_equal(threefry.random_bits(np, batch_of_keys, 64, (5, 3)), expected)


def test_a_counter_above_32_bits_has_a_high_word(monkeypatch):
    """An array of 2**32 elements is too large to test, so the loop starts just below there."""
    first = 2**32 - 4
    monkeypatch.setattr(threefry, "_BLOCK_CPU", 4)
    monkeypatch.setattr(threefry, "_corners", lambda *_: iter([(0, first), (0, first + 4)]))
    seen = []

    class Window:
        """Stands for the whole array; gives a buffer of four for every block."""

        shape = (1, 2**32 + 4)

        def __getitem__(self, index):
            return np.empty((1, 4), np.uint32)

    key = keys()
    threefry._fill(np, key, Window(), lambda out, x0, x1: seen.append((x0.copy(), x1.copy())))
    for (x0, x1), start in zip(seen, (first, first + 4), strict=True):
        counter = np.arange(start, start + 4, dtype=np.uint64)
        high, low = (counter >> np.uint64(32)).astype(np.uint32), counter.astype(np.uint32)
        expected = threefry.threefry2x32(np, key[0], key[1], high, low)
        np.testing.assert_array_equal((x0[0], x1[0]), expected)


@pytest.mark.parametrize("bit_width", [1, 4, 128])
def test_unknown_width_raises(bit_width):
    with pytest.raises(ValueError, match="bit_width must be"):
        threefry.random_bits(np, keys(), bit_width, (2,))
