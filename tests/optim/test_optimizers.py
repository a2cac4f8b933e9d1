"""What holds for every optimizer: it finds minima, and it composes with jit, vmap and grad."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import optim
from tests.optim.table import OPTIMIZERS, TRANSFORMATIONS, VALUE, matrices

# Rows of fx alone, beside those that Optax has too.
OWN = {
    "adam_no_bias_correction": lambda o: o.adam(0.05, bias_correction=False),
    "nadam_no_bias_correction": lambda o: o.nadam(0.05, bias_correction=False),
    "l1": lambda o: o.chain(o.add_l1_penalty(1e-3, matrices), o.sgd(0.1)),
    "noisy_sgd": lambda o: o.noisy_sgd(0.1, eta=1e-3, key=0),
    "optimistic_adam": lambda o: o.optimistic_adam(0.05),
}
ALL = {**OPTIMIZERS, **TRANSFORMATIONS, **OWN, **VALUE}
START = {
    "w": np.linspace(-1.0, 1.5, 12, dtype=np.float32).reshape(3, 4),
    "b": np.array([0.3, -0.7, 0.1], np.float32),
    "s": np.array(0.8, np.float32),
}


def start(dtype=jnp.float32):
    return fx.tree.map(lambda x: jnp.asarray(x, dtype=dtype), START)


def bowl(params):
    """Least at 0.5, flat in no direction."""
    return sum(jnp.sum((x - 0.5) ** 2) for x in fx.tree.leaves(params))


def valley(params):
    """A curved valley, in the manner of Rosenbrock: least where each number is 0.5."""
    flat = jnp.concatenate([jnp.ravel(x) for x in fx.tree.leaves(params)]) + 0.5
    return jnp.sum(0.3 * (flat[1:] - flat[:-1] ** 2) ** 2 + 0.3 * (1 - flat[:-1]) ** 2)


PROBLEMS = {"bowl": (bowl, 0.35), "valley": (valley, 0.5)}


def take_step(tx, loss, params, state):
    value, grads = fx.value_and_grad(loss)(params)
    update = optim.with_extra_args_support(tx).update
    updates, state = update(grads, state, params, value=value)
    return optim.apply_updates(params, updates), state


def as_transformation(tx):
    return tx.gradient_transformation() if isinstance(tx, optim.MultiSteps) else tx


def make(name):
    return as_transformation(ALL[name](optim))


def assert_same(a, b, rtol=1e-5, atol=1e-6):
    a, b = (optim.tree.unwrap_random_key_data(x) for x in (a, b))
    assert fx.tree.structure(a) == fx.tree.structure(b)
    for x, y in zip(fx.tree.leaves(a), fx.tree.leaves(b), strict=True):
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        x, y = np.asarray(x), np.asarray(y)
        if x.dtype.kind not in "biu":
            x, y = x.astype(np.float64), y.astype(np.float64)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)


# A row that stops where the loss is 20.
NO_DESCENT = {"polyak_sgd_plus"}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", sorted({**OPTIMIZERS, **OWN, **VALUE}.keys() - NO_DESCENT))
def test_finds_the_minimum(name, problem):
    loss, part = PROBLEMS[problem]
    tx, params = make(name), start()

    @fx.jit
    def steps(params, state):
        def body(carry, _):
            return take_step(tx, loss, *carry), None

        return fx.lax.scan(body, (params, state), length=150)[0]

    first = float(loss(params))
    params, state = steps(params, tx.init(params))
    final = params
    if "schedule_free" in name:
        final = optim.contrib.schedule_free_eval_params(state, params)
    assert float(loss(final)) < part * first


@pytest.mark.parametrize("name", ALL)
def test_jit_is_eager_and_states_keep_their_types(name):
    tx, params = make(name), start()
    eager, compiled = (params, tx.init(params)), (params, fx.jit(tx.init)(params))
    assert_same(eager[1], compiled[1])
    step = fx.jit(lambda params, state: take_step(tx, bowl, params, state))
    for _ in range(3):
        old = eager[1]
        eager, compiled = take_step(tx, bowl, *eager), step(*compiled)
        assert_same(eager, compiled)
        for x, y in zip(fx.tree.leaves(old), fx.tree.leaves(eager[1]), strict=True):
            assert (x.shape, x.dtype) == (y.shape, y.dtype)


@pytest.mark.parametrize("name", ALL)
def test_vmap_is_a_loop(name):
    tx = make(name)
    many = [fx.tree.map(lambda x, k=k: x + k, start()) for k in (0.0, 0.25, -0.5)]
    stacked = fx.tree.map(lambda *xs: jnp.stack(xs), *many)

    def run(params):
        state = tx.init(params)
        for _ in range(2):
            params, state = take_step(tx, bowl, params, state)
        return params, state

    alone = [run(params) for params in many]
    together = fx.vmap(run)(stacked)
    assert_same(together, fx.tree.map(lambda *xs: jnp.stack(xs), *alone))


@pytest.mark.parametrize("name", ALL)
def test_differentiable(name):
    """The derivative of the loss after two steps exists, and is finite."""
    tx = make(name)

    def after(params):
        state = tx.init(params)
        for _ in range(2):
            params, state = take_step(tx, bowl, params, state)
        return bowl(params)

    grads = fx.grad(after)(start())
    for g in fx.tree.leaves(grads):
        assert np.isfinite(np.asarray(g)).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", ALL)
def test_parameters_keep_their_dtype(name, dtype):
    tx, params = make(name), start(dtype)
    state = tx.init(params)
    for _ in range(3):
        old = state
        params, state = take_step(tx, bowl, params, state)
        for p in fx.tree.leaves(params):
            assert p.dtype == jnp.dtype(dtype)
            assert np.isfinite(np.asarray(p).astype(np.float64)).all()
        for x, y in zip(fx.tree.leaves(old), fx.tree.leaves(state), strict=True):
            assert (x.shape, x.dtype) == (y.shape, y.dtype)


@pytest.mark.parametrize("name", sorted({**OPTIMIZERS, **OWN}))
def test_vanishing_and_tiny_gradients_in_float16(name):
    """Where a gradient or its square is 0 in float16, a step is as in float32, not NaN."""
    if name == "noisy_sgd":  # the noise of another dtype is other noise
        return
    values = {"w": [[0.0, 1e-4], [0.5, -0.25]], "b": [0.0, -2e-4], "c": [0.0, 0.0]}
    grads = {k: np.array(v, np.float32) for k, v in values.items()}
    params = {k: np.full(np.shape(v), 0.5, np.float32) for k, v in values.items()}
    results = []
    for dtype in ("float16", "float32"):
        p, g = (fx.tree.map(lambda x, d=dtype: jnp.asarray(x, dtype=d), t) for t in (params, grads))
        tx = make(name)
        state = tx.init(p)
        for _ in range(3):
            updates, state = tx.update(g, state, p)
            p = optim.apply_updates(p, updates)
        results.append(fx.tree.map(lambda x: np.asarray(x).astype(np.float32), p))
    for k in params:
        np.testing.assert_allclose(results[0][k], results[1][k], rtol=1e-2, atol=5e-3, err_msg=k)


@pytest.mark.parametrize("name", ALL)
def test_updates_have_the_dtype_of_gradients(name):
    """A float32 schedule or hyperparameter does not widen float16 updates."""
    tx, params = make(name), start(jnp.float16)
    update = optim.with_extra_args_support(tx).update
    updates, _ = update(params, tx.init(params), params, value=jnp.float32(1.0))
    if name in ("adam_bfloat16", "lion", "sgd_nesterov", "ema_options"):  # bfloat16 averages
        return
    if name == "adafactor_factored":  # the average of its momentum is in float32
        return
    for u in fx.tree.leaves(updates):
        assert u.dtype == jnp.float16


@pytest.mark.parametrize(
    "name", ["adam", "adamw", "amsgrad", "sgd", "sgd_momentum", "rmsprop", "adagrad", "lion"]
)
def test_parameters_may_be_none(name):
    tx = make(name)
    params = {"w": jnp.ones(3), "nothing": None}
    state = tx.init(params)
    for _ in range(2):
        updates, state = tx.update({"w": jnp.ones(3), "nothing": None}, state, params)
        params = optim.apply_updates(params, updates)
    assert params["nothing"] is None
    assert float(params["w"][0]) < 1


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "sgd_momentum", "amsgrad", "rmsprop"])
def test_gradients_may_be_none(name):
    """A parameter without a gradient stays as it is."""
    tx, params = make(name), {"w": jnp.ones(3), "still": jnp.ones(2)}
    updates, _ = tx.update({"w": jnp.ones(3), "still": None}, tx.init(params), params)
    new = optim.apply_updates(params, updates)
    np.testing.assert_array_equal(np.asarray(new["still"]), 1)
    assert float(new["w"][0]) < 1


@pytest.mark.parametrize("name", ["adam", "sgd_momentum", "rmsprop", "adafactor", "lamb", "lbfgs"])
def test_complex_parameters(name):
    if name == "lbfgs":
        tx = optim.lbfgs(linesearch=None)
    elif name == "adafactor":
        tx = optim.adafactor(0.1, clipping_threshold=None)
    elif name == "lamb":
        tx = optim.lamb(0.05)
    else:
        tx = make(name)
    params, target = jnp.array([1 + 1j, -0.5j]), jnp.array([0.5 - 0.5j, 1.0])
    loss = lambda z: jnp.sum(jnp.abs(z - target) ** 2)
    first, state = float(loss(params)), tx.init(params)
    for _ in range(30):
        grads = jnp.conj(fx.grad(loss)(params))
        updates, state = tx.update(grads, state, params)
        params = optim.apply_updates(params, updates)
    assert params.dtype == jnp.complex64
    assert float(loss(params)) < 0.7 * first


def test_without_bias_correction_the_averages_are_taken_as_they_are():
    g, params = jnp.array([3.0, -4.0]), jnp.zeros(2)
    tx = optim.scale_by_adam(0.9, 0.99, eps=0.0, bias_correction=False)
    updates, state = tx.update(g, tx.init(params))
    np.testing.assert_allclose(np.asarray(updates), [1.0, -1.0], rtol=1e-5)  # 0.1 / sqrt(0.01)
    updates, _ = tx.update(g, state)
    expected = (1 - 0.9**2) / (1 - 0.99**2) ** 0.5
    np.testing.assert_allclose(np.asarray(updates), [expected, -expected], rtol=1e-5)


def test_rprop_follows_the_paper():
    """Steps of the paper in plain Python, on one number at a time."""
    tx = optim.rprop(0.1, 0.5, 1.2, 1e-3, 1.0)
    params = jnp.array([1.0, -2.0, 0.3])
    state, size, last = tx.init(params), np.full(3, 0.1), np.zeros(3)
    expected = np.asarray(params).astype(np.float64)
    rng = np.random.default_rng(0)
    for _ in range(30):
        noise = rng.normal(size=3).astype(np.float32)
        grads = params + 0.5 * noise
        g = expected + 0.5 * noise
        for i in range(3):
            if g[i] * last[i] > 0:
                size[i] = min(size[i] * 1.2, 1.0)
            elif g[i] * last[i] < 0:
                size[i] = max(size[i] * 0.5, 1e-3)
                g[i] = 0
            expected[i] -= np.sign(g[i]) * size[i]
            last[i] = g[i]
        updates, state = tx.update(grads, state, params)
        params = optim.apply_updates(params, updates)
        np.testing.assert_allclose(np.asarray(params), expected, rtol=1e-4, atol=1e-5)


def test_optimistic_steps_settle_a_game():
    """min over x, max over y of x·y: descent spirals out, optimistic descent in."""

    def play(tx):
        point = jnp.array([1.0, 1.0])
        state = tx.init(point)
        for _ in range(300):
            grads = jnp.array([point[1], -point[0]])
            updates, state = tx.update(grads, state, point)
            point = optim.apply_updates(point, updates)
        return float(optim.global_norm(point))

    assert play(optim.sgd(0.1)) > 2
    assert play(optim.optimistic_gradient_descent(0.1)) < 0.5


def test_errors_name_the_cause():
    grads, params = jnp.ones(2), jnp.ones(2)
    needs_params = [
        optim.add_decayed_weights(0.1),
        optim.add_l1_penalty(0.1),
        optim.adaptive_grad_clip(0.1),
        optim.keep_params_nonnegative(),
        optim.scale_by_factored_rms(),
        optim.scale_by_lbfgs(),
        optim.scale_by_novograd(),
        optim.scale_by_param_block_norm(),
        optim.scale_by_param_block_rms(),
        optim.scale_by_trust_ratio(),
        optim.contrib.schedule_free_sgd(),
    ]
    for tx in needs_params:
        with pytest.raises(ValueError, match="no parameters"):
            tx.update(grads, tx.init(params))
    needs_value = [optim.polyak_sgd(), optim.contrib.reduce_on_plateau()]
    for tx in needs_value:
        with pytest.raises(TypeError, match="value=loss"):
            tx.update(grads, tx.init(params), params)
    with pytest.raises(TypeError, match="value_fn"):
        tx = optim.lbfgs()
        tx.update(grads, tx.init(params), params, value=1.0, grad=grads)
    with pytest.raises(ValueError, match="variant"):
        optim.polyak_sgd(variant="newton")
    with pytest.raises(ValueError, match="mode"):
        optim.scale_by_lion(mode="soft")
    with pytest.raises(ValueError, match="memory_size"):
        optim.scale_by_lbfgs(0)
    with pytest.raises(TypeError, match="complex"):
        optim.sm3(0.1).init(jnp.ones(2, jnp.complex64))
    with pytest.raises(TypeError, match="schedule"):
        optim.optimistic_adam(lambda count: 0.1)
    for arguments in ({}, {"key": 0, "seed": 0}):
        with pytest.raises(TypeError, match="key=random"):
            optim.noisy_sgd(0.1, **arguments)
