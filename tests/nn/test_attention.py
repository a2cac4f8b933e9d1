"""Attention: its definition by loops, JAX's values and gradients, laws, errors."""

import math

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import nn
from fx.errors import FxTypeError, FxValueError, ShapeError
from tests.laws import check_derivatives, check_jit, check_vmap

RNG = np.random.default_rng(11)
B, T, S, H = 2, 5, 7, 4


def arrays(heads, groups, dtype=np.float64, rows=T, columns=S):
    shapes = (B, rows, heads, H), (B, columns, groups, H), (B, columns, groups, H)
    return tuple(np.random.default_rng(heads).normal(size=shape).astype(dtype) for shape in shapes)


def bits(*shape):
    """A mask, in which one query may attend to nothing where the shape has one row a query."""
    mask = RNG.uniform(size=shape) < 0.7
    if len(shape) > 1 and shape[-2] > 1:
        mask[..., 1, :] = False
    return mask


MASK = bits(B, 6, T, S)
LENGTHS = {
    "query_seq_lengths": np.array([3, 5], np.int32),
    "key_value_seq_lengths": np.array([7, 4], np.int32),
}
# name: (query heads, key heads, options)
CASES = {
    "plain": (3, 3, {}),
    "one head": (1, 1, {}),
    "groups": (6, 2, {}),
    "one key head": (6, 1, {}),
    "scale": (2, 2, {"scale": 0.3}),
    "causal": (3, 3, {"is_causal": True}),
    "causal groups": (4, 2, {"is_causal": True, "scale": 2.0}),
    "bias": (6, 3, {"bias": RNG.normal(size=(B, 6, T, S))}),
    "bias of all heads": (6, 3, {"bias": RNG.normal(size=(1, 1, T, S))}),
    "bias of low rank": (2, 2, {"bias": RNG.normal(size=(T, S))}),
    "mask": (6, 3, {"mask": MASK}),
    "mask of keys": (6, 2, {"mask": bits(B, 1, 1, S)}),
    "mask of low rank": (2, 1, {"mask": bits(T, S)}),
    "window": (2, 2, {"local_window_size": 1}),
    "window left": (2, 2, {"local_window_size": (2, 0)}),
    "window right": (2, 1, {"local_window_size": (0, 3), "is_causal": True}),
    "lengths": (2, 2, LENGTHS),
    "everything": (
        6,
        3,
        {
            "mask": MASK,
            "bias": RNG.normal(size=(1, 6, 1, S)),
            "is_causal": True,
            "local_window_size": (3, 1),
            "scale": 0.5,
            **LENGTHS,
        },
    ),
}


def defined(q, k, v, bias=0.0, mask=True, scale=None, is_causal=False, local_window_size=None,
            query_seq_lengths=None, key_value_seq_lengths=None):  # fmt: skip
    """One query after the other; also the logsumexp of its logits."""
    heads, groups = q.shape[2], k.shape[2]
    scale = 1 / math.sqrt(H) if scale is None else scale
    window = local_window_size
    left, right = (window, window) if isinstance(window, int) else window or (math.inf, math.inf)
    bias = np.broadcast_to(bias, (B, heads, q.shape[1], k.shape[1]))
    mask = np.broadcast_to(mask, bias.shape)
    out, residual = np.zeros(q.shape), np.zeros(q.shape[:3])
    for b, t, n in np.ndindex(*q.shape[:3]):
        group = n // (heads // groups)
        logits = k[b, :, group] @ q[b, t, n] * scale + bias[b, n, t]
        for s in range(k.shape[1]):
            forbidden = (
                not mask[b, n, t, s]
                or (is_causal and s > t)
                or not t - left <= s <= t + right
                or (query_seq_lengths is not None and t >= query_seq_lengths[b])
                or (key_value_seq_lengths is not None and s >= key_value_seq_lengths[b])
            )
            if forbidden:
                logits[s] = -1e30
        weights = np.exp(logits - logits.max())
        out[b, t, n] = weights / weights.sum() @ v[b, :, group]
        residual[b, t, n] = logits.max() + np.log(weights.sum())
        if query_seq_lengths is not None and t >= query_seq_lengths[b]:
            out[b, t, n] = 0
    return out, residual


def attend(name, module=nn):
    options = CASES[name][2]
    return lambda q, k, v: module.dot_product_attention(q, k, v, **options)


@pytest.mark.parametrize("name", CASES)
def test_definition(name):
    heads, groups, options = CASES[name]
    q, k, v = arrays(heads, groups)
    want, residual = defined(q, k, v, **options)
    got = attend(name)(*map(jnp.asarray, (q, k, v)))
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
    pair = nn.dot_product_attention(q, k, v, **options, return_residual=True)
    np.testing.assert_array_equal(pair[0], got)
    real = residual > -1e29  # the number that stands for nothing is not specified
    np.testing.assert_allclose(np.asarray(pair[1])[real], residual[real], rtol=1e-12)


@pytest.fixture(scope="module")
def theirs():
    jax = pytest.importorskip("jax")

    @jax.jit
    def compute():
        out = {}
        for name, (heads, groups, _) in CASES.items():
            value, back = jax.vjp(attend(name, jax.nn), *arrays(heads, groups, np.float32))
            out[name] = value, back(value)
        return out

    return jax.tree.map(np.asarray, compute())


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_jaxs(name, theirs):
    heads, groups, _ = CASES[name]
    inputs = [jnp.asarray(x) for x in arrays(heads, groups, np.float32)]
    value, back = fx.vjp(attend(name), *inputs)
    wanted, slopes = theirs[name]
    assert value.dtype == wanted.dtype
    np.testing.assert_allclose(value, wanted, rtol=2e-5, atol=2e-6)
    for got, want in zip(back(value), slopes, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=5e-6)


@pytest.mark.parametrize("name", ["groups", "bias", "everything"])
def test_laws(name):
    heads, groups, _ = CASES[name]
    inputs = arrays(heads, groups)
    check_derivatives(attend(name), *inputs)
    check_jit(attend(name), *inputs)
    check_vmap(attend(name), *inputs, size=2, all_axes=False)


def test_bias_is_differentiated():
    q, k, v = arrays(4, 2)
    check_derivatives(lambda b: nn.dot_product_attention(q, k, v, b), RNG.normal(size=(B, 4, T, S)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_computes_logits_in_float32(dtype):
    q, k, v = (jnp.asarray(x).astype(dtype) for x in arrays(4, 2))
    got = nn.dot_product_attention(100 * q, 100 * k, v, scale=1.0)  # overflows float16
    assert got.dtype == dtype
    want, _ = defined(*(np.asarray(x, np.float64) for x in (100 * q, 100 * k, v)), scale=1.0)
    np.testing.assert_allclose(np.asarray(got, np.float64), want, atol=0.02)


def test_without_a_batch():
    q, k, v = arrays(4, 2)
    mask = bits(4, T, S)
    got, residual = nn.dot_product_attention(q[0], k[0], v[0], mask=mask, return_residual=True)
    whole = nn.dot_product_attention(q[:1], k[:1], v[:1], mask=mask[None])
    assert got.shape == (T, 4, H) and residual.shape == (T, 4)
    np.testing.assert_array_equal(got, whole[0])


def test_padding_does_not_matter():
    """Keys that no query may see do not change results, and get no gradient."""
    q, k, v = arrays(2, 2)
    lengths = jnp.array([4, 4])
    f = lambda k, v: nn.dot_product_attention(q, k, v, key_value_seq_lengths=lengths)
    short = nn.dot_product_attention(q, k[:, :4], v[:, :4])
    np.testing.assert_allclose(f(k, v), short, rtol=1e-13)
    for slope in fx.grad(lambda k, v: f(k, v).sum(), argnums=(0, 1))(*map(jnp.asarray, (k, v))):
        assert (slope[:, 4:] == 0).all() and (slope[:, :4] != 0).any()


ONES = jnp.ones((2, 5, 4, 8))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"key": jnp.ones((2, 5, 4, 7))}, ShapeError, r"query f32\[2,5,4,8\], key f32\[2,5,4,7\]"),
        ({"value": jnp.ones((2, 6, 4, 8))}, ShapeError, r"expects query \(B, T, N, H\)"),
        ({"query": jnp.ones((3, 5, 4, 8))}, ShapeError, "all with or all without B"),
        ({"query": jnp.ones((2, 5, 6, 8))}, ShapeError, "a multiple of the 4 key heads"),
        ({"query": jnp.ones((1, 2, 5, 4, 8))}, ShapeError, r"expects query \(B, T, N, H\)"),
        ({"query": ONES.astype("bfloat16")}, FxTypeError, "of one dtype, got query bf16"),
        ({"mask": jnp.ones((5, 5))}, FxTypeError, "a mask of bools, got .* as bias"),
        ({"mask": jnp.ones((2, 3, 5, 5), bool)}, ShapeError, r"mask .*\(2, 4, 5, 5\), got bool"),
        ({"bias": jnp.ones((5, 6))}, ShapeError, r"a bias that broadcasts to \(B, N, T, S\)"),
        ({"query_seq_lengths": jnp.array([1])}, ShapeError, "query_seq_lengths of 2 integers"),
        ({"key_value_seq_lengths": jnp.ones(2)}, ShapeError, r"2 integers.*got f32\[2\]"),
        ({"implementation": "cudnn"}, FxValueError, "must be None or 'xla', got 'cudnn'"),
    ],
)
def test_refusals(options, error, message):
    with pytest.raises(error, match=r"nn\.dot_product_attention") as caught:
        nn.dot_product_attention(**{"query": ONES, "key": ONES, "value": ONES, **options})
    assert caught.match(message)
