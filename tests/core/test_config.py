"""Options: process-wide and scoped to a thread; debug_nans and debug_infs name the user's line."""

import threading

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.config import config, detours
from fx.errors import FxValueError, NonFiniteError

FLAGS = [
    "debug_nans", "debug_infs", "disable_jit", "enable_checks", "debug_key_reuse",
    "check_tracer_leaks", "log_compiles",
]  # fmt: skip


# ------------------------------------------------------------------ values and scopes
@pytest.mark.parametrize("name", FLAGS)
def test_flags_are_scoped_and_nest(name):
    scope = getattr(fx, name)
    assert getattr(config, name) is False
    with scope():
        assert getattr(config, name) is True
        with scope(False):
            assert getattr(config, name) is False
        assert getattr(config, name) is True
    assert getattr(config, name) is False
    with pytest.raises(ZeroDivisionError), scope():
        raise ZeroDivisionError
    assert getattr(config, name) is False and detours[0] == 0


@pytest.mark.parametrize("name", FLAGS)
def test_a_scope_belongs_to_its_thread_and_an_update_to_the_process(name):
    def elsewhere():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(getattr(config, name)))
        thread.start()
        thread.join()
        return seen[0]

    with getattr(fx, name)():
        assert elsewhere() is False
    try:
        config.update(name, True)
        assert elsewhere() is True and getattr(config, name) is True
        with getattr(fx, name)(False):
            assert getattr(config, name) is False and elsewhere() is True
    finally:
        config.update(name, False)
    assert detours[0] == 0


def test_names_and_values_are_checked():
    config.update("jax_debug_nans", False)
    assert set(FLAGS) <= set(config.options())
    for change in (
        lambda: config.update("debug_nan", True),
        lambda: setattr(config, "debugnans", True),
        lambda: config.update("numpy_rank_promotion", "never"),
    ):
        with pytest.raises(FxValueError):
            change()
    with pytest.raises(AttributeError, match="debug_nans"):
        config.debugnans
    with pytest.raises(FxValueError), config.scope(numpy_dtype_promotion="no"):
        pass
    assert config.numpy_rank_promotion == "allow" and detours[0] == 0


def test_attributes_may_be_assigned():
    try:
        config.disable_jit = True
        assert fx.jit(lambda x: 1 if x > 0 else 2)(3.0) == 1
    finally:
        config.disable_jit = False


def test_default_dtype():
    assert jnp.ones(2).dtype == np.float32
    with fx.default_dtype("float64"):
        assert jnp.ones(2).dtype == np.float64 and jnp.arange(3).dtype == np.int64
        assert fx.jit(lambda: jnp.zeros(2))().dtype == np.float64
        assert fx.random.normal(fx.random.key(0)).dtype == np.float64
        with fx.default_dtype("float32"):
            assert jnp.asarray(1.5).dtype == np.float32
    assert jnp.asarray([1.5]).dtype == np.float32
    # Explicit dtypes are honoured in every scope.
    assert jnp.ones(2, "float64").dtype == np.float64
    f = fx.jit(lambda: jnp.zeros(2))
    assert f().dtype == np.float32
    with fx.default_dtype("float64"):  # no stale program
        assert f().dtype == np.float64


# ------------------------------------------------------------------ NaN and infinity
def logs(x):
    y = x - 1
    return y * jnp.log(y)  # line 2


def overflows(x):
    return jnp.exp(x * 1000)  # line 1


RUNS = {
    "eager": lambda f, x: f(x),
    "jit": lambda f, x: fx.jit(f)(x),
    "vmap": lambda f, x: fx.vmap(f)(jnp.stack([x, x])),
    "jit of vmap": lambda f, x: fx.jit(fx.vmap(f))(jnp.stack([x, x])),
    "grad": lambda f, x: fx.grad(f)(x),
    "jit of grad": lambda f, x: fx.jit(fx.grad(f))(x),
    "grad of jit": lambda f, x: fx.grad(fx.jit(f))(x),
    "jvp": lambda f, x: fx.jvp(f, (x,), (x,)),
    "scan": lambda f, x: lax.scan(lambda c, v: (c, f(v)), 0.0, jnp.stack([x, x])),
    "cond": lambda f, x: lax.cond(x < 9, f, jnp.sin, x),
    "pmap": lambda f, x: fx.pmap(f)(jnp.stack([x, x])),
    "checkpoint": lambda f, x: fx.grad(fx.checkpoint(f))(x),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize(
    "scope, function, line", [(fx.debug_nans, logs, 2), (fx.debug_infs, overflows, 1)]
)
def test_the_first_operation_with_a_nan_or_infinity_is_named(name, scope, function, line):
    x = jnp.asarray(0.5)
    RUNS[name](function, x)  # no check, no error
    with scope():
        with pytest.raises(NonFiniteError) as raised:
            RUNS[name](function, x)
        text = str(raised.value)
        what, operation = ("NaN", "log") if function is logs else ("infinity", "exp")
        assert text.startswith(operation) and what in text
        assert f"{__file__}:{function.__code__.co_firstlineno + line} ({function.__name__})" in text
        assert "its operands: f32" in text
        RUNS[name](jnp.sin, x)
    RUNS[name](function, x)
    assert detours[0] == 0


def test_a_nan_of_a_derivative_is_named_too():
    def root(x):
        return jnp.sqrt(x)

    with fx.debug_infs(), pytest.raises(NonFiniteError, match="div"):
        fx.grad(root)(0.0)
    with fx.debug_nans(), pytest.raises(NonFiniteError, match=r"\(root\)"):
        fx.grad(lambda x: jnp.where(x > 0, root(x), 0.0))(0.0)


def test_nans_that_were_there_are_not_blamed_on_moves():
    with fx.debug_nans():
        x = jnp.asarray([np.nan, 1.0])
        assert fx.jit(lambda n: n + 1)(jnp.arange(2)).tolist() == [1, 2]
        with pytest.raises(NonFiniteError, match="with NaN in it"):
            x + 1


def test_both_checks_at_once_and_complex_numbers():
    with fx.debug_nans(), fx.debug_infs():
        with pytest.raises(NonFiniteError, match="infinity"):
            jnp.ones(2) / 0
        with pytest.raises(NonFiniteError, match="NaN"):
            jnp.zeros(2, "complex64") / 0
