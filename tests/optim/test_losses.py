"""Losses: beside Optax, their derivatives, their values at infinity, and their errors."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import nn, optim
from tests.laws import check_derivatives, check_vmap

try:
    import jax
    import optax
except ImportError:
    jax = optax = None

_RNG = np.random.default_rng(0)


def floats(*shape):
    return _RNG.normal(size=shape).astype(np.float32)


def distributions(*shape):
    x = _RNG.uniform(0.1, 1.0, size=shape)
    return (x / x.sum(-1, keepdims=True)).astype(np.float32)


def integers(high, *shape):
    return _RNG.integers(0, high, size=shape).astype(np.int32)


def bits(*shape):
    return (_RNG.uniform(size=shape) < 0.6).astype(np.float32)


MASK = np.array([[True, True, False, True], [True, False, True, True], [True] * 4])
X, Y, P, Q = floats(3, 4), floats(3, 4), distributions(3, 4), distributions(3, 4)
LABELS, BITS, SIGNS = integers(4, 3), bits(3, 4), 2 * bits(3, 4) - 1
SEG, SEG_Y = floats(2, 3, 4, 3), np.eye(3, dtype=np.float32)[integers(3, 2, 3, 4)]
LOG_P = np.log(P)

# name -> (program over the module of losses, arguments)
LOSSES = {
    "squared_error": (lambda o, x, y: o.squared_error(x, y), X, Y),
    "squared_error_alone": (lambda o, x: o.squared_error(x), X),
    "l2_loss": (lambda o, x, y: o.l2_loss(x, y), X, Y),
    "l2_loss_alone": (lambda o, x: o.l2_loss(x), X),
    "huber_loss": (lambda o, x, y: o.huber_loss(x, y, delta=0.7), X, Y),
    "log_cosh": (lambda o, x, y: o.log_cosh(x, y), X, Y),
    "log_cosh_large": (lambda o, x: o.log_cosh(x), 50 * X),
    "cosine_similarity": (lambda o, x, y: o.cosine_similarity(x, y, epsilon=1e-3), X, Y),
    "cosine_similarity_where": (
        lambda o, x, y: o.cosine_similarity(x, y, axis=0, where=MASK),
        X,
        Y,
    ),
    "cosine_distance": (lambda o, x, y: o.cosine_distance(x, y, axis=(0, 1)), X, Y),
    "sigmoid_bce": (lambda o, x, y: o.sigmoid_binary_cross_entropy(x, y), X, BITS),
    "sigmoid_bce_int": (lambda o, x: o.sigmoid_binary_cross_entropy(x, BITS.astype(int)), X),
    "sigmoid_bce_large": (lambda o, x, y: o.sigmoid_binary_cross_entropy(x, y), 80 * X, BITS),
    "focal": (lambda o, x: o.sigmoid_focal_loss(x, BITS), X),
    "focal_alpha": (lambda o, x: o.sigmoid_focal_loss(x, BITS, alpha=0.3, gamma=1.5), X),
    "softmax": (lambda o, x, p: o.softmax_cross_entropy(x, p), X, P),
    "softmax_axis": (lambda o, x, p: o.softmax_cross_entropy(x, p, axis=0), X, P),
    "softmax_where": (lambda o, x, p: o.softmax_cross_entropy(x, p, where=MASK), X, P),
    "safe_softmax": (lambda o, x, p: o.safe_softmax_cross_entropy(x, p), X, P),
    "integer": (lambda o, x: o.softmax_cross_entropy_with_integer_labels(x, LABELS), X),
    "integer_axis": (
        lambda o, x: o.softmax_cross_entropy_with_integer_labels(x, integers_of(o, 4), axis=0),
        X,
    ),
    "integer_axes": (
        lambda o, x: o.softmax_cross_entropy_with_integer_labels(x, LABELS_OF_TWO, axis=(0, 2)),
        floats(3, 2, 4),
    ),
    "integer_where": (
        lambda o, x: o.softmax_cross_entropy_with_integer_labels(
            x, np.int32([0, 2, 3]), where=MASK
        ),
        X,
    ),
    "poly": (lambda o, x, p: o.poly_loss_cross_entropy(x, p, epsilon=1.5), X, P),
    "hinge": (lambda o, x: o.hinge_loss(x, SIGNS), X),
    "perceptron": (lambda o, x: o.perceptron_loss(x, SIGNS), X),
    "sparsemax": (lambda o, x: o.sparsemax_loss(x, BITS.astype(bool)), X),
    "multiclass_hinge": (lambda o, x: o.multiclass_hinge_loss(x, LABELS), X),
    "multiclass_perceptron": (lambda o, x: o.multiclass_perceptron_loss(x, LABELS), X),
    "multiclass_sparsemax": (lambda o, x: o.multiclass_sparsemax_loss(x, LABELS), X),
    "kl": (lambda o, x, q: o.kl_divergence(x, q), LOG_P, Q),
    "kl_where": (lambda o, x, q: o.kl_divergence(x, q, axis=0, where=MASK), LOG_P, Q),
    "kl_log": (lambda o, x, q: o.kl_divergence_with_log_targets(x, q), LOG_P, np.log(Q)),
    "kl_generalized": (lambda o, x, q: o.generalized_kl_divergence(x, q), LOG_P, 2 * Q),
    "smooth": (lambda o, p: o.smooth_labels(p, 0.1), P),
    "smooth_axes": (lambda o, p: o.smooth_labels(p, 0.1, axis=0, where=MASK), P),
    "ntxent": (lambda o, x: o.ntxent(x, np.int32([0, 1, 0, 1, 1]), 0.5), floats(5, 3)),
    "triplet": (lambda o, x, y, z: o.triplet_margin_loss(x, y, z), X, Y, floats(3, 4)),
    "triplet_axis": (
        lambda o, x, y, z: o.triplet_margin_loss(x, y, z, 0, 4, 0.5),
        X,
        Y,
        floats(3, 4),
    ),
    "ranking": (lambda o, x: o.ranking_softmax_loss(x, BITS), X),
    "ranking_weights": (
        lambda o, x: o.ranking_softmax_loss(x, BITS, where=MASK, weights=P, reduce_fn=None),
        X,
    ),
    "dice": (lambda o, x: o.dice_loss(x, SEG_Y), SEG),
    "dice_options": (
        lambda o, x: o.dice_loss(
            x,
            SEG_Y,
            class_weights=np.float32([1.0, 2.0, 3.0]),
            alpha=0.3,
            beta=0.7,
            reduction="sum",
            ignore_background=True,
        ),
        SEG,
    ),
    "dice_generalized": (lambda o, x: o.multiclass_generalized_dice_loss(x, SEG_Y), SEG),
    "dice_binary": (lambda o, x: o.binary_dice_loss(x, BITS), X),
    "ctc": (
        lambda o, x: o.ctc_loss(
            x,
            np.float32([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1]]),
            np.int32([[1, 1, 2], [2, 3, 0]]),
            np.float32([[0, 0, 0], [0, 0, 1]]),
        ),
        floats(2, 6, 4),
    ),
}
LABELS_OF_TWO, OTHERS = integers(12, 2), np.array([0, 2, 3], np.int32)
_COLUMNS = integers(3, 4)


def integers_of(_, size):
    assert size == 4
    return _COLUMNS


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_and_vmap(name):
    program, *arguments = LOSSES[name]
    wide = [jnp.asarray(x, dtype=jnp.float64) for x in arguments]
    f = lambda *xs: program(optim.losses, *xs)
    check_derivatives(f, *wide)
    check_vmap(f, *wide)


@pytest.mark.skipif(optax is None, reason="compares with Optax")
@pytest.mark.parametrize("name", LOSSES)
def test_same_values_as_optax(name):
    program, *arguments = LOSSES[name]
    ours = program(optim.losses, *map(jnp.asarray, arguments))
    theirs = program(optax.losses, *map(jax.numpy.asarray, arguments))
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=2e-5, atol=2e-6)


@pytest.mark.skipif(optax is None, reason="compares with Optax")
def test_fenchel_young_loss():
    ours = optim.losses.make_fenchel_young_loss(nn.logsumexp)(jnp.asarray(X), jnp.asarray(P))
    theirs = optax.losses.make_fenchel_young_loss(jax.nn.logsumexp)(X, P)
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(
    "name",
    [
        "squared_error",
        "l2_loss",
        "huber_loss",
        "log_cosh",
        "sigmoid_bce",
        "softmax",
        "integer",
        "kl",
        "hinge",
        "cosine_similarity",
        "smooth",
        "focal",
    ],
)
def test_dtypes_are_kept(name, dtype):
    program, *arguments = LOSSES[name]
    out = program(optim.losses, *(jnp.asarray(x, dtype=dtype) for x in arguments))
    if name not in ("hinge",):  # its targets in the table are float32
        assert out.dtype == jnp.dtype(dtype)


def test_finite_at_infinity():
    """Certain predictions have losses and derivatives, not NaN."""
    f = lambda x: jnp.sum(optim.sigmoid_binary_cross_entropy(x, jnp.array([1.0, 0.0])))
    value, grad = fx.value_and_grad(f)(jnp.array([1e4, -1e4]))
    assert float(value) == 0
    assert np.asarray(grad).tolist() == [0.0, 0.0]

    logits = jnp.array([0.0, -jnp.inf, 0.0])
    f = lambda x: optim.safe_softmax_cross_entropy(x, jnp.array([1.0, 0.0, 0.0]))
    value, grad = fx.value_and_grad(f)(logits)
    np.testing.assert_allclose(float(value), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(grad), [-0.5, 0.0, 0.5], rtol=1e-6)

    f = lambda q: optim.kl_divergence(jnp.log(jnp.array([0.5, 0.5])), q)
    grad = fx.grad(f)(jnp.array([1.0, 0.0]))
    assert np.isfinite(np.asarray(grad)).all()


def test_cross_entropies_agree():
    """Integer labels, one-hot labels, and two classes of a sigmoid."""
    x, codes = jnp.asarray(X), nn.one_hot(LABELS, 4)
    a = optim.softmax_cross_entropy_with_integer_labels(x, LABELS)
    b = optim.softmax_cross_entropy(x, codes)
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5)
    two = jnp.stack([jnp.zeros_like(x), x], axis=-1)
    c = optim.softmax_cross_entropy_with_integer_labels(two, BITS.astype(np.int32))
    d = optim.sigmoid_binary_cross_entropy(x, BITS)
    np.testing.assert_allclose(np.asarray(c), np.asarray(d), rtol=1e-5, atol=1e-6)


def test_ctc_sums_all_alignments():
    """Beside a sum over every path, for all labels of up to two of two classes."""
    log_p = nn.log_softmax(jnp.asarray(floats(4, 3)))

    def collapse(path):
        merged = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
        return tuple(c for c in merged if c != 0)

    totals = {}
    for path in np.ndindex(3, 3, 3, 3):
        p = np.exp(sum(float(log_p[t, c]) for t, c in enumerate(path)))
        totals[collapse(path)] = totals.get(collapse(path), 0.0) + p
    for label in [(1,), (2,), (1, 1), (1, 2), (2, 1), (2, 2), ()]:
        padded = np.array([[*label, *[0] * (2 - len(label))]], np.int32)
        pads = np.array([[0.0] * len(label) + [1.0] * (2 - len(label))], np.float32)
        loss = optim.ctc_loss(log_p[None], jnp.zeros((1, 4)), padded, pads)
        np.testing.assert_allclose(float(loss[0]), -np.log(totals[label]), rtol=1e-4)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (lambda o: o.squared_error(jnp.ones(3), jnp.ones((3, 1))), r"\(3,\) and \(3, 1\)"),
        (lambda o: o.l2_loss(jnp.ones(3, jnp.int32)), "int32, expected floats"),
        (lambda o: o.softmax_cross_entropy(jnp.ones(3, jnp.int32), 1), "logits of dtype int32"),
        (
            lambda o: o.softmax_cross_entropy_with_integer_labels(jnp.ones(3), jnp.array(1.0)),
            "labels of dtype float32",
        ),
        (
            lambda o: o.softmax_cross_entropy_with_integer_labels(
                jnp.ones((2, 3)), jnp.ones((2, 3), jnp.int32)
            ),
            r"labels of shape \(2, 3\), expected \(2,\)",
        ),
        (
            lambda o: o.softmax_cross_entropy_with_integer_labels(
                jnp.ones((2, 3)), jnp.ones(2, jnp.int32), axis=None
            ),
            "axis=None",
        ),
        (lambda o: o.dice_loss(jnp.ones((2, 3, 1)), jnp.ones((2, 3, 1)), reduction="max"), "'max'"),
        (lambda o: o.ntxent(jnp.ones((4, 2)), jnp.ones(3, jnp.int32)), r"labels of shape \(3,\)"),
        (
            lambda o: o.ctc_loss(jnp.ones((1, 2)), 0, jnp.ones((1, 1), jnp.int32), 0),
            "time, classes",
        ),
    ],
)
def test_errors_name_the_cause(program, words):
    with pytest.raises((ValueError, TypeError), match=words):
        program(optim.losses)
