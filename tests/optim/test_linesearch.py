"""Line searches and L-BFGS: their conditions, and the same steps as Optax."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import optim

try:
    import jax
    import optax
except ImportError:
    jax = optax = None


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def quartic(x):
    return ((x - 0.5) ** 4).sum() + 0.1 * (x**2).sum()


def steep(x):
    return (x**2).sum() ** 0.5 * 30.0 + (x[0] - 3.0) ** 2


LOSSES = {"rosenbrock": rosenbrock, "quartic": quartic, "steep": steep}
METHODS = {
    "lbfgs": lambda o: o.lbfgs(),
    "lbfgs_plain": lambda o: o.lbfgs(
        1e-3, memory_size=3, scale_init_precond=False, linesearch=None
    ),
    "lbfgs_short": lambda o: o.lbfgs(memory_size=2),
    "lbfgs_backtracking": lambda o: o.lbfgs(
        linesearch=o.scale_by_backtracking_linesearch(20, store_grad=True)
    ),
    "zoom": lambda o: o.chain(o.sgd(0.01), o.scale_by_zoom_linesearch(15)),
    "zoom_options": lambda o: o.chain(
        o.sgd(0.01),
        o.scale_by_zoom_linesearch(
            8, 4.0, 1e-3, 3.0, curv_rtol=0.5, approx_dec_rtol=None, initial_guess_strategy="one"
        ),
    ),
    "zoom_fails": lambda o: o.chain(o.sgd(10.0), o.scale_by_zoom_linesearch(2)),
    "backtracking": lambda o: o.chain(o.sgd(0.05), o.scale_by_backtracking_linesearch(25)),
    "backtracking_options": lambda o: o.chain(
        o.sgd(0.05),
        o.scale_by_backtracking_linesearch(
            3, 1e-2, 0.5, 2.0, max_learning_rate=3.0, atol=1e-4, rtol=1e-4, store_grad=True
        ),
    ),
}
START = np.array([-0.7, 0.9, 0.4], np.float64)


def run(library, value_and_grad, compiler, make, loss, x, steps):
    tx = make(library)

    @compiler
    def step(x, state):
        value, grad = value_and_grad(loss)(x)
        updates, state = tx.update(grad, state, x, value=value, grad=grad, value_fn=loss)
        return library.apply_updates(x, updates), state

    state, path = tx.init(x), []
    for _ in range(steps):
        x, state = step(x, state)
        path.append(np.asarray(x))
    return np.stack(path), state


def run_fx(make, loss, steps, dtype=jnp.float64):
    return run(optim, fx.value_and_grad, fx.jit, make, loss, jnp.asarray(START, dtype=dtype), steps)


# JAX compiles each for seconds: these always, the others on demand.
ALWAYS = {
    ("lbfgs", "rosenbrock"),
    ("lbfgs_plain", "quartic"),
    ("zoom_options", "steep"),
    ("backtracking_options", "rosenbrock"),
}
PAIRS = [
    pytest.param(name, loss, marks=[] if (name, loss) in ALWAYS else pytest.mark.slow)
    for name in METHODS
    for loss in LOSSES
]


@pytest.mark.skipif(optax is None, reason="compares with Optax")
@pytest.mark.parametrize(("name", "loss"), PAIRS)
def test_same_steps_as_optax(name, loss):
    """In float32, in which Optax's searches run; for as many steps as rounding leaves alike."""
    path, state = run_fx(METHODS[name], LOSSES[loss], 5, jnp.float32)
    x = jax.numpy.asarray(START.astype(np.float32))
    other, other_state = run(optax, jax.value_and_grad, jax.jit, METHODS[name], LOSSES[loss], x, 5)
    np.testing.assert_allclose(path, other, rtol=1e-3, atol=1e-3)
    ours = fx.tree.flatten_with_path(state)[0]
    theirs = jax.tree_util.tree_flatten_with_path(other_state)[0]
    assert [str(p) for p, _ in ours] == [str(p) for p, _ in theirs]
    for (path_, a), (_, b) in zip(ours, theirs, strict=True):
        assert (a.shape, str(a.dtype)) == (b.shape, str(b.dtype)), path_


@pytest.mark.parametrize("loss", ["rosenbrock", "quartic"])
@pytest.mark.parametrize("name", ["lbfgs", "lbfgs_backtracking", "lbfgs_short"])
def test_lbfgs_converges(name, loss):
    """To the minimum, in float64, in few steps."""
    path, _ = run_fx(METHODS[name], LOSSES[loss], 60)
    gradient = fx.grad(LOSSES[loss])(jnp.asarray(path[-1]))
    assert float(optim.tree.norm(gradient)) < 1e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_zoom_meets_the_wolfe_conditions(loss):
    f = LOSSES[loss]
    tx = optim.scale_by_zoom_linesearch(30, slope_rtol=1e-4, curv_rtol=0.5, approx_dec_rtol=None)
    rng = np.random.default_rng(0)
    for _ in range(10):
        x = jnp.asarray(rng.normal(size=3))
        value, grad = fx.value_and_grad(f)(x)
        direction = -grad * float(rng.uniform(0.001, 10.0))
        updates, state = tx.update(direction, tx.init(x), x, value=value, grad=grad, value_fn=f)
        step, slope = float(state.learning_rate), float(jnp.vdot(direction, grad))
        new_value, new_grad = fx.value_and_grad(f)(x + updates)
        if float(state.info.decrease_error) == float(state.info.curvature_error) == 0:
            assert float(new_value) <= float(value) + 1e-4 * step * slope + 1e-12
            assert abs(float(jnp.vdot(direction, new_grad))) <= 0.5 * abs(slope) + 1e-12
        else:  # a kink has no point where the slope is small; then at least the loss has fallen
            assert loss == "steep"
            assert float(new_value) < float(value)
        np.testing.assert_allclose(float(state.value), float(new_value), rtol=1e-12)
        np.testing.assert_allclose(np.asarray(state.grad), np.asarray(new_grad), rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_backtracking_meets_the_armijo_condition(loss):
    f = LOSSES[loss]
    tx = optim.scale_by_backtracking_linesearch(60, slope_rtol=0.1, store_grad=True)
    rng = np.random.default_rng(0)
    for _ in range(10):
        x = jnp.asarray(rng.normal(size=3))
        value, grad = fx.value_and_grad(f)(x)
        updates, state = tx.update(-grad, tx.init(x), x, value=value, grad=grad, value_fn=f)
        step, slope = float(state.learning_rate), -float(jnp.vdot(grad, grad))
        new_value, new_grad = fx.value_and_grad(f)(x + updates)
        assert float(new_value) <= float(value) + 0.1 * step * slope + 1e-12
        np.testing.assert_allclose(float(state.value), float(new_value), rtol=1e-12)
        np.testing.assert_allclose(np.asarray(state.grad), np.asarray(new_grad), rtol=1e-9)


def test_no_step_outside_of_the_domain():
    """Where every loss along the line is infinite, the parameters stay."""
    f = lambda x: jnp.sum(jnp.where(x == 1, x, jnp.inf))
    x, grad = jnp.ones(2), jnp.ones(2)
    for search in (optim.scale_by_backtracking_linesearch(5), optim.scale_by_zoom_linesearch(5)):
        updates, _ = search.update(-grad, search.init(x), x, value=2.0, grad=grad, value_fn=f)
        np.testing.assert_array_equal(np.asarray(updates), 0)


def test_lbfgs_direction_is_newton_of_a_quadratic():
    """With n steps in memory, exact searches end after n + 1 steps."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    hessian = jnp.asarray(root @ root.T + np.eye(4))
    f = lambda x: 0.5 * jnp.vdot(x, hessian @ x)
    tx, x = optim.scale_by_lbfgs(memory_size=6), jnp.asarray(rng.normal(size=4))
    state = tx.init(x)
    for _ in range(6):
        grad = fx.grad(f)(x)
        direction, state = tx.update(grad, state, x)
        step = jnp.vdot(direction, grad) / jnp.vdot(direction, hessian @ direction)
        x = x - step * direction
    assert float(optim.tree.norm(x)) < 1e-8


def test_value_and_grad_from_state_does_not_evaluate_again():
    calls = []

    def f(x):
        calls.append(1)
        return jnp.sum(x**2)

    tx, x = optim.lbfgs(), jnp.array([4.0, -3.0])
    state = tx.init(x)
    value_and_grad = optim.value_and_grad_from_state(f)
    value, grad = value_and_grad(x, state=state)
    updates, state = tx.update(grad, state, x, value=value, grad=grad, value_fn=f)
    x = optim.apply_updates(x, updates)
    again = value_and_grad(x, state=state)
    np.testing.assert_allclose(float(again[0]), float(jnp.sum(x**2)), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(again[1]), np.asarray(2 * x), rtol=1e-6)
    with pytest.raises(ValueError, match="store_grad"):
        value_and_grad(x, state=optim.sgd(0.1).init(x))


def test_keywords_of_the_loss():
    f = lambda x, scale: scale * jnp.sum(x**2)
    tx, x = optim.lbfgs(), jnp.array([4.0])
    value, grad = fx.value_and_grad(f)(x, 2.0)
    words = {"value": value, "grad": grad, "value_fn": f}
    updates, _ = tx.update(grad, tx.init(x), x, **words, scale=2.0)
    assert float(f(x + updates, 2.0)) < float(value)
    with pytest.raises(TypeError, match=r"\['size'\]"):
        tx.update(grad, tx.init(x), x, **words, scale=2.0, size=3)


def test_verbose_searches_say_that_they_failed(capfd):
    f = lambda x: jnp.sum(x**2)
    x = jnp.array([4.0])
    for search in (
        optim.scale_by_backtracking_linesearch(2, verbose=True),
        optim.scale_by_zoom_linesearch(2, verbose=True),
    ):
        search.update(x, search.init(x), x, value=f(x), grad=2 * x, value_fn=f)  # uphill
        assert "no step size" in capfd.readouterr().out
