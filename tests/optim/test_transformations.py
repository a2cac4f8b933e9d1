"""What each wrapper, mask, clip and penalty promises."""

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import optim, random

try:
    import jax
    import optax
except ImportError:
    jax = optax = None

GRADS = {"w": jnp.array([[3.0, -4.0], [0.0, 2.0]]), "b": jnp.array([1.0, -1.0])}
PARAMS = {"w": jnp.array([[1.0, -2.0], [0.5, 0.0]]), "b": jnp.array([2.0, 0.25])}


def once(tx, grads=GRADS, params=PARAMS, **extra):
    tx = optim.with_extra_args_support(tx)
    return tx.update(grads, tx.init(params), params, **extra)[0]


def several(tx, count, grads=GRADS, params=PARAMS):
    state, seen = tx.init(params), []
    for _ in range(count):
        updates, state = tx.update(grads, state, params)
        seen.append(updates)
    return seen, state


def assert_close(a, b, rtol=1e-6, atol=1e-7):
    assert fx.tree.structure(a) == fx.tree.structure(b)
    for x, y in zip(fx.tree.leaves(a), fx.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=atol)


# ------------------------------------------------------------------ penalties
MASKS = {
    "none": None,
    "tree": {"w": True, "b": False},
    "function": lambda params: fx.tree.map(lambda p: p.ndim > 1, params),
}


@pytest.mark.parametrize("strength", [0.0, 0.3])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    ("transformation", "penalty"),
    [
        (optim.add_l1_penalty, optim.l1_penalty),
        (optim.add_decayed_weights, optim.l2_penalty),
    ],
)
def test_penalties_are_gradients(transformation, penalty, mask, strength):
    """The transformation adds the gradient of the term of the loss."""
    added = once(transformation(strength, MASKS[mask]))
    gradient = fx.grad(lambda p: penalty(p, strength, MASKS[mask]))(PARAMS)
    assert_close(added, optim.tree.add(GRADS, gradient))


def test_l1_penalty_makes_weights_zero():
    """The lasso: small coefficients of noise die, the others stay."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(200, 8)).astype(np.float32))
    truth = jnp.array([2.0, -1.5, 0, 0, 0, 0, 0, 0])
    y = x @ truth + 0.1 * jnp.asarray(rng.normal(size=200).astype(np.float32))
    rate = optim.exponential_decay(0.1, 50, 0.5)
    tx = optim.chain(optim.add_l1_penalty(0.2), optim.sgd(rate))
    w = jnp.zeros(8)
    state = tx.init(w)
    step = fx.jit(
        lambda w, state: tx.update(fx.grad(lambda w: jnp.mean((x @ w - y) ** 2) / 2)(w), state, w)
    )
    for _ in range(400):
        updates, state = step(w, state)
        w = w + updates
    w = np.asarray(w)
    assert (np.abs(w[2:]) < 1e-2).all()
    np.testing.assert_allclose(w[:2], [1.8, -1.3], atol=0.1)


def test_scheduled_decay():
    tx = optim.add_decayed_weights(lambda count: 1.0 * count)
    zeros = optim.tree.zeros_like(PARAMS)
    seen, _ = several(tx, 3, zeros)
    for i, updates in enumerate(seen):
        assert_close(updates, optim.tree.scale(float(i), PARAMS))


# ------------------------------------------------------------------ clips
@seed(0)
@given(st.lists(st.floats(-10, 10, width=32), min_size=4, max_size=4), st.floats(0.1, 10))
def test_clip_by_global_norm(values, most):
    grads = {"a": jnp.asarray(np.float32(values[:3])), "b": jnp.asarray(np.float32(values[3]))}
    out = once(optim.clip_by_global_norm(most), grads, grads)
    before, after = float(optim.global_norm(grads)), float(optim.global_norm(out))
    assert after <= most * (1 + 1e-5)
    if before < most:
        assert_close(out, grads)
    else:
        assert_close(out, optim.tree.scale(most / before, grads), rtol=1e-4)


def test_clip_by_value():
    assert float(optim.tree.max(once(optim.clip(0.5)))) == 0.5
    assert float(optim.tree.min(once(optim.clip(0.5)))) == -0.5


@pytest.mark.parametrize("shape", [(), (3,), (3, 2), (4, 3, 2), (1, 5, 1), (3, 3, 2, 4)])
def test_adaptive_clip_bounds_each_unit(shape):
    rng = np.random.default_rng(0)
    p, g = (jnp.asarray(rng.normal(size=shape).astype(np.float32)) for _ in range(2))
    tx = optim.adaptive_grad_clip(0.1)
    out = tx.update(100 * g, tx.init(p), p)[0]
    norms = optim.clipping.unitwise_norm
    ratio = np.asarray(norms(out) / jnp.maximum(norms(p), 1e-3))
    np.testing.assert_allclose(ratio, 0.1, rtol=1e-4)
    with pytest.raises(ValueError, match="axis"):
        norms(jnp.ones((2,) * 6))


@pytest.mark.skipif(optax is None, reason="compares with Optax")
@pytest.mark.parametrize("uniform", [True, False])
def test_per_example_clips_are_optaxs(uniform):
    rng = np.random.default_rng(0)
    grads = {"a": rng.normal(size=(5, 3)), "b": rng.normal(size=(5, 2, 2))}
    grads = {name: g.astype(np.float32) for name, g in grads.items()}
    ours = optim.per_example_layer_norm_clip(fx.tree.map(jnp.asarray, grads), 2.0, uniform)
    theirs = optax.per_example_layer_norm_clip(grads, 2.0, uniform)
    assert_close(ours, fx.tree.map(np.asarray, theirs), rtol=1e-5)
    ours = optim.per_example_global_norm_clip(fx.tree.map(jnp.asarray, grads), 2.0)
    theirs = optax.per_example_global_norm_clip(grads, 2.0)
    assert_close(ours, fx.tree.map(np.asarray, theirs), rtol=1e-5)


def test_per_example_clips_check_their_arguments():
    for clip in (optim.per_example_global_norm_clip, optim.per_example_layer_norm_clip):
        with pytest.raises(ValueError, match="in_axes"):
            clip({"a": jnp.ones((3, 2)), "b": jnp.ones((2, 2))}, 1.0)
        sums, _ = clip({"a": jnp.zeros((3, 2))}, 1.0)  # a norm of 0
        np.testing.assert_array_equal(np.asarray(sums["a"]), 0)


# ------------------------------------------------------------------ chains, masks, groups
def test_chains():
    tx = optim.chain(optim.scale(2.0), optim.chain(optim.scale(3.0)), optim.identity())
    assert_close(once(tx), optim.tree.scale(6.0, GRADS))
    assert_close(once(optim.chain()), GRADS)
    with pytest.raises(ValueError, match="1 parts for 3"):
        tx.update(GRADS, (optim.EmptyState(),))
    with pytest.raises(ValueError, match="all differ"):
        optim.named_chain(("a", optim.identity()), ("a", optim.identity()))


def test_keywords_pass_through_chains_and_wrappers():
    def update(updates, state, params=None, *, factor, **extra):
        return optim.tree.scale(factor, updates), state

    inner = optim.GradientTransformationExtraArgs(optim.init_empty_state, update)
    wrapped = [
        optim.chain(optim.identity(), inner),
        optim.named_chain(("one", optim.identity()), ("two", inner)),
        optim.masked(inner, {"w": True, "b": True}),
        optim.partition({"a": inner}, {"w": "a", "b": "a"}),
        optim.flatten(inner),
        optim.apply_if_finite(inner, 3),
        optim.MultiSteps(inner, 1).gradient_transformation(),
        optim.conditionally_transform(inner, lambda step: True),
        optim.inject_hyperparams(lambda: inner)(),
    ]
    for tx in wrapped:
        assert_close(once(tx, factor=5.0), optim.tree.scale(5.0, GRADS))


@pytest.mark.parametrize("mask", ["tree", "function"])
def test_masks_hold_no_state_of_what_they_leave_out(mask):
    tx = optim.masked(optim.trace(0.9), MASKS[mask])
    (updates, _), state = several(tx, 2)
    assert state.inner_state.trace["b"] == optim.MaskedNode()
    assert len(fx.tree.leaves(state)) == 1
    assert_close(updates["b"], GRADS["b"])
    whole = {"outer": GRADS, "other": jnp.ones(2)}
    out = once(optim.masked(optim.set_to_zero(), {"outer": True, "other": False}), whole, whole)
    assert float(optim.global_norm(out["outer"])) == 0
    assert float(out["other"][0]) == 1


def test_groups():
    labels = lambda params: fx.tree.map(lambda p: "w" if p.ndim > 1 else "b", params)
    tx = optim.multi_transform({"w": optim.scale(2.0), "b": optim.scale(3.0)}, labels)
    expected = {"w": 2 * GRADS["w"], "b": 3 * GRADS["b"]}
    assert_close(once(tx), expected)
    with pytest.raises(ValueError, match="'c'"):
        optim.partition({"a": optim.identity()}, {"w": "a", "b": "c"}).init(PARAMS)
    frozen = optim.freeze({"w": True, "b": False})
    assert float(optim.global_norm(once(frozen)["w"])) == 0


# ------------------------------------------------------------------ several steps
@pytest.mark.parametrize("mean", [True, False])
def test_multi_steps_are_one_large_batch(mean):
    rng = np.random.default_rng(0)
    batches = [
        {
            name: jnp.asarray(rng.normal(size=p.shape).astype(np.float32))
            for name, p in PARAMS.items()
        }
        for _ in range(6)
    ]
    small = optim.MultiSteps(optim.adam(0.1), 3, use_grad_mean=mean)
    large = optim.adam(0.1)
    a, b, state_a, state_b = PARAMS, PARAMS, small.init(PARAMS), large.init(PARAMS)
    step = fx.jit(small.update)
    for i, grads in enumerate(batches):
        updates, state_a = step(grads, state_a, a)
        a = optim.apply_updates(a, updates)
        assert bool(small.has_updated(state_a)) == (i % 3 == 2)
        if i % 3 == 2:
            total = optim.tree.add(*batches[i - 2 : i + 1])
            total = optim.tree.scale(1 / 3, total) if mean else total
            updates, state_b = large.update(total, state_b, b)
            b = optim.apply_updates(b, updates)
        assert_close(a, b, rtol=1e-5)


def test_multi_steps_skip_bad_gradients():
    tx = optim.MultiSteps(optim.sgd(1.0), 2, should_skip_update_fn=optim.skip_not_finite)
    bad = optim.tree.full_like(GRADS, jnp.nan)
    state, seen = tx.init(PARAMS), []
    for grads in (GRADS, bad, GRADS):
        updates, state = tx.update(grads, state, PARAMS)
        seen.append(updates)
    assert_close(seen[1], optim.tree.zeros_like(GRADS))
    assert_close(seen[2], optim.tree.scale(-1.0, GRADS))
    with pytest.raises(TypeError, match="boolean"):
        wrong = optim.MultiSteps(optim.sgd(1.0), 2, should_skip_update_fn=lambda *_: (1.0, ()))
        wrong.update(GRADS, wrong.init(PARAMS), PARAMS)


def test_apply_if_finite_lets_through_after_many_errors():
    tx = optim.apply_if_finite(optim.sgd(1.0), max_consecutive_errors=2)
    bad = optim.tree.full_like(GRADS, jnp.inf)
    seen, state = several(tx, 3, bad)
    assert [bool(jnp.isfinite(optim.global_norm(u))) for u in seen] == [True, True, False]
    assert int(state.total_notfinite) == 3
    _, state = tx.update(GRADS, state, PARAMS)
    assert (int(state.notfinite_count), bool(state.last_finite)) == (0, True)


def test_lookahead():
    """The slow copy goes half way in every second step, and the fast one meets it there."""
    tx = optim.lookahead(optim.sgd(1.0, momentum=0.5), 2, 0.5, reset_state=True)
    params = optim.LookaheadParams.init_synced(jnp.array([0.0]))
    state, seen = tx.init(params), []
    for _ in range(4):
        updates, state = tx.update(jnp.array([-1.0]), state, params)
        params = optim.apply_updates(params, updates)
        seen.append((float(params.fast[0]), float(params.slow[0])))
    assert seen == [(1.0, 0.0), (1.25, 1.25), (2.25, 1.25), (2.5, 2.5)]
    with pytest.raises(TypeError, match="init_synced"):
        tx.update(jnp.ones(1), state, jnp.ones(1))
    with pytest.raises(ValueError, match="sync_period"):
        optim.lookahead(optim.sgd(1.0), 0, 0.5)


def test_flat_transformations_agree():
    """Adam works number by number, so it is the same on one vector."""
    a, b = several(optim.flatten(optim.adam(0.1)), 3)[0], several(optim.adam(0.1), 3)[0]
    assert_close(a, b)


def test_slow_copies():
    assert_close(optim.incremental_update(GRADS, PARAMS, 1.0), GRADS)
    assert_close(optim.incremental_update(GRADS, PARAMS, 0.0), PARAMS)
    assert_close(optim.periodic_update(GRADS, PARAMS, 4, 2), GRADS)
    assert_close(fx.jit(optim.periodic_update)(GRADS, PARAMS, 5, 2), PARAMS)


def test_counters_stop_at_their_maximum():
    for dtype in (jnp.int8, jnp.uint8, jnp.int32, jnp.float16):
        top = jnp.finfo(dtype).max if dtype == jnp.float16 else jnp.iinfo(dtype).max
        count = optim.safe_increment(jnp.array(top, dtype))
        assert (count.dtype, float(count)) == (jnp.dtype(dtype), float(top))


def test_noise_has_the_promised_variance():
    tx, zeros = optim.add_noise(0.5, 1.0, random.key(0)), jnp.zeros(20_000)
    seen, _ = several(tx, 2, zeros, zeros)
    for step, noise in enumerate(seen, start=1):
        np.testing.assert_allclose(float(jnp.std(noise)), (0.5 / step) ** 0.5, rtol=0.03)
    assert float(jnp.max(jnp.abs(seen[0] - seen[1]))) > 0


def test_privacy_bounds_what_one_example_does():
    quiet = optim.contrib.differentially_private_aggregate(1.0, 0.0, 0)
    grads = jnp.array([[3.0, 4.0], [0.3, 0.4]])
    np.testing.assert_allclose(np.asarray(once(quiet, grads, grads[0])), [0.45, 0.6], rtol=1e-5)
    loud = optim.contrib.differentially_private_aggregate(2.0, 1.5, seed=1)
    noise = once(loud, jnp.zeros((4, 20_000)), jnp.zeros(20_000))
    np.testing.assert_allclose(float(jnp.std(noise)), 2.0 * 1.5 / 4, rtol=0.03)


def test_sharpness_in_one_call_or_several():
    """Opaque mode with its own gradients takes the steps of transparent mode."""
    grad = fx.grad(lambda x: jnp.sum((x - 1) ** 4))

    def make(opaque):
        adversary = optim.chain(optim.contrib.normalize(), optim.sgd(0.05))
        return optim.contrib.sam(optim.sgd(0.02, momentum=0.5), adversary, 3, opaque_mode=opaque)

    several_, one = make(False), make(True)
    x = y = jnp.array([3.0, -2.0])
    state, state_one = several_.init(x), one.init(y)
    for _ in range(4):
        for _ in range(3):
            updates, state = several_.update(grad(x), state, x)
            x = x + updates
        updates, state_one = one.update(grad(y), state_one, y, grad_fn=lambda p, i: grad(p))
        y = y + updates
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-4)
    with pytest.raises(TypeError, match="grad_fn"):
        one.update(grad(y), state_one, y)


def test_monitors_see_what_passes():
    tx = optim.chain(
        optim.monitor(
            {"norm": optim.global_norm, "mean": optim.measure_with_ema(optim.tree.sum, 0.9)}
        ),
        optim.sgd(0.1),
    )
    (first, second), state = several(tx, 2)
    assert_close(first, optim.tree.scale(-0.1, GRADS))
    assert_close(first, second)
    measured = optim.tree.get(state, "measurements")
    np.testing.assert_allclose(float(measured["norm"]), float(optim.global_norm(GRADS)))
    np.testing.assert_allclose(float(measured["mean"]), float(optim.tree.sum(GRADS)), rtol=1e-5)


def test_safe_norms_have_derivatives_at_zero():
    for f in (
        lambda x: optim.safe_norm(x, 0.0),
        lambda x: jnp.sum(optim.safe_norm(x, 1e-3, axis=0)),
        lambda x: optim.safe_root_mean_squares(x, 0.0),
    ):
        np.testing.assert_array_equal(np.asarray(fx.grad(f)(jnp.zeros((2, 3)))), 0)
    x = jnp.array([[3.0, -4.0], [0.0, 1.0]])
    for order in (None, 1, 2, 3, np.inf):
        expected = np.linalg.norm(np.asarray(x), order or 2, axis=1)
        got = optim.safe_norm(x, 0.0, ord=order, axis=1)
        np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-6)
        assert optim.safe_norm(x, 9.0, ord=order, axis=1, keepdims=True).shape == (2, 1)


def test_scaled_gradients():
    for factor in (-2.0, 0.0, 0.5, 1.0, jnp.array(3.0)):
        value, grad = fx.value_and_grad(lambda x: optim.scale_gradient({"a": x}, factor)["a"] ** 2)(  # noqa: B023
            jnp.array(3.0)
        )
        assert (float(value), float(grad)) == (9.0, 6.0 * float(factor))


# ------------------------------------------------------------------ matrices, distributions
def test_power_iteration_and_roots():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    a = root @ root.T + 0.5 * np.eye(4)
    value, vector = fx.jit(optim.power_iteration)(jnp.asarray(a))
    np.testing.assert_allclose(float(value), np.linalg.eigvalsh(a)[-1], rtol=1e-5)
    np.testing.assert_allclose(a @ np.asarray(vector), float(value) * np.asarray(vector), rtol=1e-2)
    same, _ = optim.power_iteration(lambda v: jnp.asarray(a) @ v, v0=jnp.ones(4, jnp.float64))
    np.testing.assert_allclose(float(same), float(value), rtol=1e-5)
    values, vectors = np.linalg.eigh(a)
    for p in (1, 2, 4, 8):
        got, error = optim.matrix_inverse_pth_root(jnp.asarray(a), p, ridge_epsilon=1e-12)
        expected = vectors @ np.diag(values ** (-1 / p)) @ vectors.T
        assert float(error) < 1e-5
        np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(TypeError, match="v0"):
        optim.power_iteration(lambda v: v)
    with pytest.raises(ValueError, match="square"):
        optim.matrix_inverse_pth_root(jnp.ones((2, 3)), 2)


def test_non_negative_least_squares():
    nnls = pytest.importorskip("scipy.optimize").nnls
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 4)), rng.normal(size=6)
    got = fx.jit(lambda a, b: optim.nnls(a, b, 2000))(jnp.asarray(a), jnp.asarray(b))
    np.testing.assert_allclose(np.asarray(got), nnls(a, b)[0], atol=1e-4)
    with pytest.raises(ValueError, match="shapes"):
        optim.nnls(jnp.ones((2, 3)), jnp.ones(3), 5)


def test_normal_distributions():
    normal = optim.multi_normal(jnp.array([1.0, -1.0]), jnp.array([0.5, -0.5]))
    x = normal.sample((20_000,), random.key(0))
    np.testing.assert_allclose(np.asarray(jnp.mean(x, axis=0)), [1.0, -1.0], atol=0.05)
    np.testing.assert_allclose(np.asarray(jnp.std(x, axis=0)), np.exp([0.5, -0.5]), rtol=0.03)
    np.testing.assert_allclose(
        float(normal.log_prob(normal.params[0])), -np.log(2 * np.pi), rtol=1e-6
    )
    assert normal.log_scale.shape == (2,)
