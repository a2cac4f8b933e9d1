"""Schedules: their values, beside Optax's, and what holds for all of them."""

import functools

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import optim

try:
    import optax
except ImportError:
    optax = None

WARM = {"init_value": 0.1, "peak_value": 1.0, "warmup_steps": 4, "decay_steps": 10}

SCHEDULES = {
    "constant": lambda o: o.constant_schedule(0.3),
    "linear": lambda o: o.linear_schedule(1.0, 0.1, 7, 3),
    "linear_none": lambda o: o.linear_schedule(1.0, 0.1, 0),
    "linear_early": lambda o: o.linear_schedule(1.0, 0.1, 7, -3),
    "polynomial": lambda o: o.polynomial_schedule(1.0, 0.1, 2.5, 9, 2),
    "exponential": lambda o: o.exponential_decay(1.0, 3, 0.5),
    "exponential_begin": lambda o: o.exponential_decay(1.0, 3, 0.5, 4, staircase=True),
    "exponential_end": lambda o: o.exponential_decay(1.0, 3, 0.5, end_value=0.2),
    "exponential_up": lambda o: o.exponential_decay(1.0, 3, 2.0, end_value=3.0),
    "exponential_none": lambda o: o.exponential_decay(1.0, 0, 2.0),
    "cosine": lambda o: o.cosine_decay_schedule(1.0, 9, 0.1, 1.5),
    "steps": lambda o: o.piecewise_constant_schedule(1.0, {3: 0.5, 8: 0.1}),
    "steps_none": lambda o: o.piecewise_constant_schedule(1.0),
    "lines": lambda o: o.piecewise_interpolate_schedule("linear", 1.0, {3: 0.5, 8: 4.0}),
    "cosines": lambda o: o.piecewise_interpolate_schedule("cosine", 1.0, {3: 0.5, 8: 4.0}),
    "join": lambda o: o.join_schedules(
        [o.linear_schedule(0.0, 1.0, 3), o.constant_schedule(0.7), lambda i: 0.5**i], [3, 6]
    ),
    "warmup_constant": lambda o: o.warmup_constant_schedule(0.1, 1.0, 5),
    "warmup_cosine": lambda o: o.warmup_cosine_decay_schedule(**WARM, end_value=0.05, exponent=2),
    "warmup_cosine_zero": lambda o: o.warmup_cosine_decay_schedule(0.0, 0.0, 2, 5),
    "warmup_exponential": lambda o: o.warmup_exponential_decay_schedule(
        0.1, 1.0, 4, 3, 0.5, 2, True, 0.3
    ),
    "cosine_onecycle": lambda o: o.cosine_onecycle_schedule(12, 1.0),
    "linear_onecycle": lambda o: o.linear_onecycle_schedule(14, 1.0),
    "sgdr": lambda o: o.sgdr_schedule([WARM, {**WARM, "peak_value": 0.5}]),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_jit_and_vmap(name):
    schedule = SCHEDULES[name](optim)
    values = [float(schedule(i)) for i in range(20)]
    assert np.isfinite(values).all()
    counts = jnp.arange(20, dtype=jnp.int32)
    np.testing.assert_allclose([float(schedule(i)) for i in counts], values, rtol=1e-5, atol=1e-7)
    compiled = fx.jit(fx.vmap(lambda i: jnp.asarray(schedule(i), dtype=jnp.float32)))(counts)
    np.testing.assert_allclose(np.asarray(compiled), values, rtol=1e-5, atol=1e-7)


@pytest.mark.skipif(optax is None, reason="compares with Optax")
@pytest.mark.parametrize("name", SCHEDULES)
def test_same_values_as_optax(name):
    ours, theirs = SCHEDULES[name](optim), SCHEDULES[name](optax)
    values = [float(theirs(np.int32(i))) for i in range(20)]
    np.testing.assert_allclose([float(ours(i)) for i in range(20)], values, rtol=1e-5, atol=1e-6)


def test_ends():
    """The warmup ends at the peak, the schedule at its end value, and it stays there."""
    f = optim.warmup_cosine_decay_schedule(**WARM, end_value=0.05)
    np.testing.assert_allclose([float(f(i)) for i in (0, 4, 10, 99)], [0.1, 1.0, 0.05, 0.05], 1e-6)
    peak = max(range(20), key=lambda i: float(f(i)))
    assert peak == 4


def test_a_schedule_is_read_before_the_step_counts():
    """The first step takes the value at 0."""
    tx = optim.sgd(lambda count: count + 1.0)
    params = jnp.zeros(1)
    state, steps = tx.init(params), []
    for _ in range(3):
        updates, state = tx.update(jnp.ones(1), state)
        steps.append(float(updates[0]))
    assert steps == [-1.0, -2.0, -3.0]


def test_injected_hyperparameters_change_between_steps():
    tx = optim.inject_hyperparams(optim.sgd)(learning_rate=0.5)
    params = jnp.array([1.0])
    step = fx.jit(tx.update)
    updates, state = step(params, tx.init(params), params)
    assert float(updates[0]) == -0.5
    state.hyperparams["learning_rate"] = jnp.array(0.25, jnp.float32)
    updates, state = step(params, state, params)
    assert float(updates[0]) == -0.25
    assert int(state.count) == 2


def test_injected_schedules():
    make = optim.inject_hyperparams(optim.adam, static_args=("b1", "nesterov"))
    tx = make(optim.linear_schedule(1.0, 0.0, 4), b2=lambda count: 0.9 + 0.01 * count)
    state = tx.init(jnp.ones(2))
    assert set(state.hyperparams) == {"learning_rate", "b2", "eps", "eps_root"}
    seen = []
    for _ in range(3):
        _, state = tx.update(jnp.ones(2), state, jnp.ones(2))
        seen.append((float(state.hyperparams["learning_rate"]), float(state.hyperparams["b2"])))
    np.testing.assert_allclose(seen, [(1.0, 0.9), (0.75, 0.91), (0.5, 0.92)], rtol=1e-6)


def test_injected_stateful_schedule():
    """A schedule may have a state, and read keywords of `update`."""

    class Follow:
        def init(self):
            return jnp.array(1.0, jnp.float32)

        def update(self, state, *, value, **extra_args):
            return jnp.asarray(value, dtype=jnp.float32)

        def __call__(self, state, **extra_args):
            return state

    tx = optim.inject_hyperparams(optim.sgd)(learning_rate=Follow())
    state = tx.init(jnp.ones(1))
    first, state = tx.update(jnp.ones(1), state, value=0.125)
    second, state = tx.update(jnp.ones(1), state, value=9.0)
    assert (float(first[0]), float(second[0])) == (-1.0, -0.125)


def test_injected_decay_rates_keep_their_digits_in_narrow_floats():
    tx = optim.inject_hyperparams(optim.adam)(0.1)
    state = tx.init(jnp.ones(1, jnp.bfloat16))
    np.testing.assert_allclose(float(state.hyperparams["b2"]), 0.999, rtol=1e-6)
    coarse = optim.inject_hyperparams(optim.adam, hyperparam_dtype=jnp.bfloat16)(0.1)
    assert float(coarse.init(jnp.ones(1)).hyperparams["b2"]) == 1.0


def test_learning_rates_can_be_learned():
    """The derivative with respect to an injected learning rate, by finite differences."""
    make = optim.inject_hyperparams(optim.adam)

    def after(rate):
        x = jnp.array([1.0, -2.0], jnp.float64)
        tx = make(learning_rate=rate)
        state = tx.init(x)
        for _ in range(3):
            updates, state = tx.update(2 * x, state, x)
            x = optim.apply_updates(x, updates)
        return jnp.sum(x**2)

    rate, h = 0.1, 1e-6
    grad = fx.grad(after)(jnp.array(rate, jnp.float64))
    plus, minus = (float(after(jnp.array(rate + s * h, jnp.float64))) for s in (1, -1))
    np.testing.assert_allclose(float(grad), (plus - minus) / (2 * h), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.cosine_decay_schedule(1.0, 0), "decay_steps=0"),
        (lambda: optim.warmup_cosine_decay_schedule(0.0, 1.0, 5, 5), "warmup_steps=5"),
        (lambda: optim.piecewise_constant_schedule(1.0, {2: -1.0}), "not negative"),
        (lambda: optim.piecewise_interpolate_schedule("cubic", 1.0), "'linear' or 'cosine'"),
        (lambda: optim.join_schedules([lambda i: i], [3]), "one boundary less"),
        (lambda: optim.cosine_onecycle_schedule(0, 1.0), "positive"),
        (lambda: optim.linear_onecycle_schedule(0, 1.0), "positive"),
        (lambda: optim.inject_hyperparams(optim.sgd, "rate"), "'rate'"),
        (lambda: optim.contrib.reduce_on_plateau(factor=2.0), "factor=2.0"),
        (lambda: optim.contrib.reduce_on_plateau(rtol=0.0), "one of them positive"),
    ],
)
def test_errors_name_the_cause(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_plateau_reduces_after_patience_and_cools_down():
    tx = optim.contrib.reduce_on_plateau(factor=0.5, patience=2, cooldown=2, min_scale=0.2)
    state = tx.init(jnp.ones(1))
    update = fx.jit(functools.partial(tx.update, jnp.ones(1)))
    scales = []
    for value in [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]:
        updates, state = update(state, value=value)
        scales.append(float(updates[0]))
    assert scales == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
