"""Loops and branches inside compiled programs: nothing of Python runs between their kernels."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.backends.numpy import NumpyBackend

program = pytest.importorskip("fx.backends.llvm.program", exc_type=ImportError)
from fx.backends.lowering import build_graph  # noqa: E402

RNG = np.random.default_rng(0)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def halve_until_small(x):
    return lax.while_loop(lambda c: jnp.abs(c).sum() > 1, lambda c: c * 0.5, x)


def branches(i, x):
    return lax.switch(i, [lambda x: x * 2, lambda x: x.T @ x @ x.T, jnp.ones_like], x)


CASES = {
    "while": (
        lambda x: lax.while_loop(
            lambda c: (c[0] < 5) & (c[1].sum() < 100), lambda c: (c[0] + 1, c[1] * 2), (0, x)
        ),
        f32(4),
    ),
    "while that never runs": (
        lambda x: lax.while_loop(lambda c: c[0] < 0, lambda c: (c[0] + 1, c[1] * 2), (0, x)),
        f32(4),
    ),
    "while with constants": (
        lambda x, w: lax.while_loop(
            lambda c: (c * w.sum()).sum() < 3, lambda c: jnp.tanh(c @ w) + 1, x
        ),
        f32(3),
        np.abs(f32(3, 3)),
    ),
    "carries that change places": (
        lambda x: lax.while_loop(lambda c: c[2] < 5, lambda c: (c[1], c[0], c[2] + 1), (x, -x, 0)),
        f32(4),
    ),
    "fori with a length known late": (
        lambda x, n: lax.fori_loop(0, n, lambda i, c: c * 0.5 + i, x),
        f32(4),
        np.int32(7),
    ),
    "first branch": (branches, np.int32(0), f32(4, 4)),
    "second branch": (branches, np.int32(1), f32(4, 4)),
    "beyond the last branch": (branches, np.int32(9), f32(4, 4)),
    "below the first branch": (branches, np.int32(-3), f32(4, 4)),
    "cond with a constant result": (
        lambda x: lax.cond(x.sum() > 0, lambda x: (x * 2, x.sum()), lambda x: (x, 3.0), x),
        f32(4, 4),
    ),
    "cond in scan": (
        lambda x: lax.scan(
            lambda c, x: (lax.cond(x.sum() > 0, lambda c: c + x, lambda c: c * 0.5, c), c),
            jnp.zeros(3),
            x,
        ),
        f32(9, 3),
    ),
    "while in scan": (
        lambda x: lax.scan(lambda c, x: (halve_until_small(c + x), c), jnp.zeros(3), x),
        f32(9, 3),
    ),
    "scan in while": (
        lambda x: lax.while_loop(
            lambda c: c[1] < 3,
            lambda c: (lax.scan(lambda d, y: (d * 0.9 + y, None), c[0], x)[0], c[1] + 1),
            (jnp.zeros(3), 0),
        ),
        f32(5, 3),
    ),
    "while in cond in while": (
        lambda x: lax.while_loop(
            lambda c: c[1] < 6,
            lambda c: (lax.cond(c[1] % 2 == 0, halve_until_small, lambda v: v * 3, c[0]), c[1] + 1),
            (x, 0),
        ),
        f32(4),
    ),
    "gradient of a bounded while": (
        lambda x: fx.grad(
            lambda x: lax.while_loop(
                lambda c: c.sum() < 20, lambda c: c * c * 0.5 + 1, x, max_steps=8
            ).sum()
        )(x),
        np.abs(f32(4)),
    ),
    "updates of a carry": (
        lambda x: lax.fori_loop(0, 7, lambda i, c: c.at[i % 3].add(c.sum() * 0.1), x),
        f32(3),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_is_native_and_equals_the_interpreter(name):
    f, *args = CASES[name]
    args = [np.asarray(a) for a in args]
    jaxpr = fx.make_jaxpr(f)(*args)
    assert [n for n in build_graph(jaxpr)[0].nodes if n.kind == "opaque"] == []
    compiled = program.Program(jaxpr)
    want = NumpyBackend().compile(jaxpr)(args)
    for _ in range(2):
        got = compiled(args)
        for a, b in zip(got, want, strict=True):
            assert (a.shape, a.dtype) == (np.shape(b), np.asarray(b).dtype)
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_only_the_chosen_branch_runs():
    """A branch that would loop for ever is not run."""
    endless = lambda x: lax.while_loop(lambda c: c.sum() > -1, lambda c: c * 0 + 1, x)
    f = fx.jit(lambda p, x: lax.cond(p, endless, lambda x: x, x))
    np.testing.assert_array_equal(f(False, jnp.arange(3.0)), [0, 1, 2])


ENDLESS = """
import fx, fx.numpy as jnp
from fx import lax
f = fx.jit(lambda x: lax.while_loop(lambda c: c.sum() > -1, lambda c: jnp.tanh(c) ** 2 + 0.1, x))
print("ready", flush=True)
try:
    f(jnp.ones(50_000))
except KeyboardInterrupt:
    print("interrupted", fx.jit(lambda x: x + 1)(1), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_an_endless_loop_can_be_interrupted():
    env = {**os.environ, "FX_CPU_BACKEND": "llvm"}
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True, env=env
    ) as child:
        try:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            time.sleep(1.5)  # it has compiled, and runs
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted 2\n"
        finally:
            child.kill()
