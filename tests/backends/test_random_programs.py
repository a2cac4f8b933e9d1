"""Long random programs, their arguments as they come, threads and processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import lax
from fx.testing import programs

pytest.importorskip("llvmlite")

from fx.backends.llvm import engine
from tests.backends.agreement import agree, described, raw
from tests.backends.test_contractions import contraction, seeded
from tests.backends.test_loops import loop
from tests.backends.test_windows import convolution, network


def odd(x, how):
    """The same array, laid out in a way that native code cannot read as it is."""
    x = raw(x)
    if how == "unaligned" and x.dtype != bool:
        space = np.zeros(x.nbytes + 1, np.uint8)[1:]
        out = np.ndarray(x.shape, x.dtype, space)
        out[...] = x
        return out
    if how == "columns" and x.ndim:
        return np.asfortranarray(x)
    if how == "apart":
        wide = np.zeros((*x.shape, 3), x.dtype)
        wide[..., 1] = x
        return wide[..., 1]
    if how == "backwards" and x.ndim:
        return x[::-1].copy()[::-1]
    return x


LAYOUTS = ["plain", "unaligned", "columns", "apart", "backwards"]


@given(programs(max_equations=40, dtype="float64"), st.data())
@settings(max_examples=60)
def test_programs(drawn, data):
    args = fx.tree.map(lambda x: odd(x, data.draw(st.sampled_from(LAYOUTS))), drawn.args)
    agree(drawn, *args, exact=False)


@given(programs(max_equations=200, dtype="float64", max_arguments=4))
@settings(max_examples=10)
def test_long_programs(drawn):
    agree(drawn, *drawn.args, exact=False)


@pytest.mark.slow
@given(programs(max_equations=200, dtype="float64"), st.sampled_from(["value", "grad", "vmap"]))
@settings(max_examples=40)
def test_many_long_programs(drawn, how):
    if how == "grad" and drawn.argnums:

        def loss(*args):
            outs = fx.tree.leaves(drawn(*args))
            return sum(
                (jnp.sum(x) for x in outs if x.dtype == np.float64), jnp.zeros((), "float64")
            )

        agree(fx.grad(loss, drawn.argnums), *drawn.args, exact=False)
    elif how == "vmap":
        agree(fx.vmap(drawn), *drawn.batch(3), exact=False)
    else:
        agree(drawn, *drawn.args, exact=False)


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.0, 3e38]
NOT_FINITE = {
    "product": lambda x, y: x @ y,
    "transposed": lambda x, y: x.T @ y.T,
    "row": lambda x, y: x[0] @ y,
    "column": lambda x, y: x @ y[:, 0],
    "dots": lambda x, y: (x * y.T[: x.shape[0]]).sum(-1),
    "image": lambda x, y: lax.conv(x[None, None], y[None, None, :3, :3], (1, 1), "SAME"),
    "maxima": lambda x, y: lax.reduce_window(x, -np.inf, lax.max, (2, 2), (2, 2), "SAME"),
    "sums": lambda x, y: lax.reduce_window(x, 0.0, lax.add, (2, 3), (1, 2), "SAME"),
    "padded": lambda x, y: lax.pad(x, y[0, 0], [(1, 2, 1), (0, 1, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_FINITE)
@pytest.mark.parametrize("n", [3, 17, 70])
def test_nan_and_infinities(name, n):
    """Where NumPy has NaN or an infinity, so have compiled programs."""
    rng = np.random.default_rng(n)

    def matrix():
        x = rng.integers(-3, 4, (n, n)).astype(np.float32)
        at = rng.integers(0, n, (2, 4))
        x[at[0], at[1]] = rng.choice(SPECIAL, 4)
        return x

    for _ in range(4):
        agree(NOT_FINITE[name], matrix(), matrix(), exact=False)


@pytest.mark.parametrize("lanes", [4, 8])
def test_narrower_vectors(lanes, monkeypatch):
    """Machines with shorter and fewer registers have other tiles and other ragged ends."""
    monkeypatch.setattr(engine.engine(), "lanes", lanes)
    monkeypatch.setattr(engine.engine(), "registers", 16)
    for generator, count in ((contraction, 30), (convolution, 10), (network, 4), (loop, 8)):
        for seed in range(count):
            f, args, what, exact = generator(seeded(seed))
            with described(f"{generator.__name__}, seed {seed}: {what}"):
                agree(f, *args, exact=exact)


# ------------------------------------------------------------------ threads and processes
def _jobs(count):
    """Compiled functions of all kinds, with arguments and the interpreter's results."""
    jobs = []
    for generator in (contraction, convolution, loop, network):
        for seed in range(count):
            f, args, _, *_ = generator(seeded(seed))
            with fx.config.scope(cpu_backend="numpy"):
                want = [raw(x) for x in fx.tree.leaves(fx.jit(lambda *a, f=f: f(*a))(*args))]
            jobs.append((fx.jit(f), args, want))
    x = np.ones((300, 400), np.float32)
    jobs.append((fx.jit(lambda x: x @ x.T), (x,), [np.full((300, 300), 400, np.float32)]))
    return jobs


def test_many_python_threads():
    """Threads call the same and different functions at once, the first time too."""
    jobs, wrong = _jobs(4), []

    def work(first):
        for i in range(3 * len(jobs)):
            f, args, want = jobs[(first + 5 * i) % len(jobs)]
            try:
                for a, b in zip(fx.tree.leaves(f(*args)), want, strict=True):
                    if raw(a).dtype.names is None:
                        np.testing.assert_allclose(raw(a), b, rtol=1e-4, atol=1e-4)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[0]


_DIGEST = """
import hashlib, os, sys
import numpy as np
from fx.backends.llvm import engine
from fx.backends.llvm.runtime import Runtime
count = int(sys.argv[1])
os.sched_getaffinity = lambda pid: range(count)
import fx, fx.numpy as jnp
from fx import lax
from tests.backends.agreement import raw
from tests.backends.test_contractions import seeded
from tests.backends.test_loops import loop
from tests.backends.test_windows import network
rng = np.random.default_rng(0)
x = rng.standard_normal((257, 300)).astype(np.float32)
image = rng.standard_normal((4, 33, 33, 5)).astype(np.float32)
kernel = rng.standard_normal((3, 3, 5, 24)).astype(np.float32)
long = rng.standard_normal((40_003, 7)).astype(np.float32)

def conv(x, w):
    z = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    z = jnp.maximum(z, 0)
    return lax.reduce_window(z, -np.float32(np.inf), lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

def rnn(w, x):
    def step(h, v):
        h = jnp.tanh(h @ w + v)
        return h, h
    return lax.scan(step, jnp.zeros((64, 300), "float32"), x)[1].sum()

work = [
    (lambda x: (x @ x.T, x.T @ x, (x @ x.T).sum(0)), (x,)),
    (lambda y: y.T @ y, (long,)),
    (lambda x, w: fx.value_and_grad(lambda *a: (conv(*a) ** 2).sum(), (0, 1))(x, w),
     (image, kernel)),
    (lambda w, x: fx.grad(rnn)(w, x), (rng.standard_normal((300, 300)).astype(np.float32) * 0.05,
     rng.standard_normal((6, 64, 300)).astype(np.float32))),
]
at = rng.integers(0, 50, 30_000)
sums = lambda y: (jnp.zeros((50, 7), y.dtype).at[at].add(y[:30_000]), y[at].cumsum(0))
work.append((sums, (long,)))
work += [g(seeded(s))[:2] for g in (loop, network) for s in range(2)]
digest = hashlib.sha256()
for f, args in work:
    f = fx.jit(f)
    for _ in range(2):
        for y in fx.tree.leaves(f(*args)):
            digest.update(raw(y).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_results_do_not_depend_on_the_number_of_threads():
    made = [
        subprocess.run(
            [sys.executable, "-c", _DIGEST, str(n)], capture_output=True, text=True, check=True
        ).stdout
        for n in (1, 2, 3, 8)
    ]
    assert len(set(made)) == 1, made


_FORK = """
import os, sys, warnings
import numpy as np
import fx
warnings.simplefilter("ignore")  # newer Pythons warn of forks beside threads
from tests.backends.test_random_programs import _jobs
from tests.backends.agreement import raw

def run(jobs):
    for f, args, want in jobs:
        for a, b in zip(fx.tree.leaves(f(*args)), want, strict=True):
            if raw(a).dtype.names is None:
                np.testing.assert_allclose(raw(a), b, rtol=1e-4, atol=1e-4)

jobs = _jobs(3)
run(jobs[::2])
pid = os.fork()
if pid == 0:
    try:
        run(jobs)
        os._exit(0)
    except BaseException as error:
        print(error, flush=True)
        os._exit(1)
assert os.waitpid(pid, 0)[1] == 0
run(jobs)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork():
    done = subprocess.run(
        [sys.executable, "-c", _FORK], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
