"""Programs on the platform "simulated_gpu", as users run them; what is said where there is none."""

import subprocess
import sys

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.backends.cuda import simulated
from fx.core.backend import get_backend
from tests.backends.agreement import all_same, raw
from tests.backends.cuda.harness import needs_compiler
from tests.backends.cuda.training import STEPS

simulation = lambda: fx.config.scope(platform="simulated_gpu")


def f32(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@needs_compiler
@pytest.mark.parametrize("name", STEPS)
def test_training(name):
    """Several steps of whole training programs: state, gradients, update and loss."""
    function, args = STEPS[name]()
    inner = getattr(function, "__wrapped__", function)

    def run():
        step, now = fx.jit(lambda *a: inner(*a)), args
        for _ in range(2):
            out = step(*now)
            n = len(out) - 1
            state = out[:n]
            now = (*state, *now[n:])
        return [raw(x) for x in fx.tree.leaves(out)]

    with fx.config.scope(cpu_backend="numpy"):
        want = run()
    with simulation():
        got = run()
    all_same(got, want, False)


@needs_compiler
def test_transformations_compose():
    def f(x):
        return jnp.sum(jnp.tanh(x) ** 2)

    x = f32(4, 5)
    with simulation():
        got = fx.jit(fx.vmap(fx.grad(f)))(x)
        step = fx.jit(lambda x: x.at[1].set(7.0), donate_argnums=0)
        assert step(jnp.asarray(f32(3)))[1] == 7
    np.testing.assert_allclose(got, 2 * np.tanh(x) * (1 - np.tanh(x) ** 2), rtol=1e-4, atol=1e-6)


@needs_compiler
def test_results_may_be_written_over_arguments():
    def update(p, g, m):
        m = 0.9 * m + g
        return p - 0.1 * m, m

    for n in (3, 64, 1001):
        p, g, m = (jnp.asarray(f32(n) + i) for i in range(3))
        want = update(p, g, m)
        with simulation():
            step = fx.jit(update, donate_argnums=(0, 2))
            all_same([raw(x) for x in step(p, g, m)], [raw(x) for x in want], False)


@needs_compiler
def test_rules_of_numpy_stand_between_kernels():
    with simulation():
        got = fx.jit(lambda x: jnp.linalg.svd(x * 2)[1] + 1)(f32(4, 3))
    np.testing.assert_allclose(got, np.linalg.svd(f32(4, 3) * 2)[1] + 1, rtol=1e-5)


@needs_compiler
def test_kernels_can_be_read():
    with simulation():
        compiled = fx.jit(lambda x: jnp.sin(x) * 2).lower(f32(8)).compile()
        text = compiled.as_text()
        assert "sinf(" in text and "__global__" in text and text == compiled.as_text("cuda")
        with pytest.raises(fx.errors.FxValueError, match="'jaxpr' or 'cuda'"):
            compiled.as_text("asm")


@needs_compiler
def test_nans_are_found_where_they_arise():
    with simulation(), fx.debug_nans(), pytest.raises(FloatingPointError, match="log"):
        fx.jit(lambda x: jnp.log(x) + 1)(jnp.asarray(-1.0))


def test_nothing_runs_elsewhere_than_asked(monkeypatch):
    monkeypatch.setattr(simulated.shutil, "which", lambda name: None)
    machine = simulated.Simulator()
    monkeypatch.setattr(get_backend("simulated_cuda"), "machine", machine)
    with simulation(), pytest.raises(fx.errors.FxRuntimeError, match="apt install g"):
        fx.jit(lambda x: lax.sin(x) * 3 + 0.25)(1.0)


def test_platforms_have_names():
    with (
        pytest.raises(fx.errors.FxValueError, match="'cpu', 'gpu', 'simulated_gpu'"),
        fx.config.scope(platform="tpu"),
    ):
        pass
    done = subprocess.run(
        [sys.executable, "-c", "import fx"],
        env={"FX_PLATFORM": "tpu", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert "FX_PLATFORM='tpu': expected one of 'cpu', 'gpu'" in done.stderr
