"""Options: where they hold, and that they do what they say."""

import logging
import threading

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.config import detours
from fx.errors import FxTypeError, FxValueError, NonFiniteError, ShapeError

X = jnp.asarray([-1.0, 4.0])


def line_of(error: pytest.ExceptionInfo) -> str:
    return str(error.value)


NAN_PROGRAMS = {
    "eager": lambda: jnp.log(X),
    "operator": lambda: (X - X) / (X - X),
    "jit": lambda: fx.jit(jnp.log)(X),
    "grad": lambda: fx.grad(lambda x: jnp.log(x).sum())(X),
    "vmap": lambda: fx.vmap(jnp.log)(X),
    "jit of vmap of grad": lambda: fx.jit(fx.vmap(fx.grad(jnp.log)))(X - X),
    "scan": lambda: fx.lax.scan(lambda c, x: (c + jnp.log(x), x), 0.0, X),
    "pmap": lambda: fx.pmap(jnp.log)(X),
}


@pytest.mark.parametrize("name", NAN_PROGRAMS)
def test_debug_nans_names_the_line(name):
    program = NAN_PROGRAMS[name]
    program()  # without the option nothing is raised
    bad = fx.debug_infs if name == "jit of vmap of grad" else fx.debug_nans
    with bad(), pytest.raises(NonFiniteError, match="operands") as error:
        program()
    assert "test_config.py:" in line_of(error)
    assert detours[0] == 0


def test_debug_nans_says_which_operands():
    with fx.debug_nans(), pytest.raises(FloatingPointError, match=r"log .*f32\[2\].*from -1 to 4"):
        jnp.log(X)
    with fx.debug_nans():
        assert float(jnp.sqrt(X[1])) == 2.0


def test_debug_infs():
    with fx.debug_infs(), pytest.raises(NonFiniteError, match="infinity"):
        _ = 1 / (X - X)
    with fx.debug_nans():
        assert np.isinf(np.asarray(1 / (X - X))).all()


def test_debug_nans_for_the_whole_process():
    fx.config.update("jax_debug_nans", True)
    try:
        with pytest.raises(NonFiniteError):
            jnp.log(X)
    finally:
        fx.config.update("debug_nans", False)
    assert detours[0] == 0
    jnp.log(X)


def test_scopes_hold_in_their_thread_only():
    seen = []
    with fx.disable_jit():
        thread = threading.Thread(target=lambda: seen.append(fx.config.disable_jit))
        thread.start()
        thread.join()
        assert fx.config.disable_jit
    assert seen == [False] and not fx.config.disable_jit


def test_unknown_options_and_values():
    with pytest.raises(FxValueError, match="unknown option"):
        fx.config.update("no_such_option", 1)
    with pytest.raises(AttributeError, match="no option"):
        _ = fx.config.no_such_option
    with pytest.raises(FxValueError, match="'standard', 'strict'"), fx.numpy_dtype_promotion("x"):
        pass
    assert detours[0] == 0


def test_strict_dtype_promotion():
    i = jnp.arange(2)
    with fx.numpy_dtype_promotion("strict"):
        with pytest.raises(FxTypeError, match="f32 and i32"):
            _ = X + i
        with pytest.raises(FxTypeError, match="strict"):
            fx.jit(jnp.add)(X, i)
        assert (X + 1).dtype == np.float32
        assert jnp.add(i, 2).dtype == np.int32
    assert (X + i).dtype == np.float32


def test_rank_promotion():
    m = jnp.ones((3, 2))
    with fx.numpy_rank_promotion("raise"):
        with pytest.raises(ShapeError, match=r"\(2,\) and \(3, 2\)"):
            _ = m + X
        with pytest.raises(ShapeError):
            fx.jit(jnp.multiply)(m, X)
        assert (m + 1).shape == (m + m[:1]).shape == (3, 2)
    with fx.numpy_rank_promotion("warn"), pytest.warns(UserWarning, match="ranks"):
        assert (m * X).shape == (3, 2)
    assert (m + X).shape == (3, 2)


def test_log_compiles(caplog):
    f = fx.jit(lambda x: x + 1)
    with fx.log_compiles(), caplog.at_level(logging.WARNING, "fx"):
        f(X)
        f(X)
    assert len(caplog.records) == 1 and "f32[2]" in caplog.text
