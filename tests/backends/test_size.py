"""Programs of thousands of equations: planned in near linear time, in kernels of bounded size."""

import time

import numpy as np
import pytest

import fx
import fx.numpy as jnp

program = pytest.importorskip("fx.backends.llvm.program", exc_type=ImportError)
from fx.backends.lowering import build_graph  # noqa: E402
from fx.kernel.fuse import LARGEST, Fusion  # noqa: E402

X = np.linspace(0.1, 1, 24, dtype=np.float32).reshape(4, 6)


def chain(n):
    def f(x):
        for i in range(n):
            x = x * 0.5 + i if i % 2 else jnp.maximum(x, 1.0)
        return x

    return f


def tree(n):
    def f(x):
        leaves = [x * i + x for i in range(n // 3)]
        while len(leaves) > 1:
            pairs = zip(leaves[::2], leaves[1::2], strict=False)
            leaves = [a + b for a, b in pairs] + leaves[len(leaves) // 2 * 2 :]
        return leaves[0]

    return f


def outputs(n):
    return lambda x: [x * i + 1 for i in range(n // 2)]


def rows(n):
    def f(x):
        for _ in range(n // 4):
            x = x - jnp.max(x, -1, keepdims=True) + 1
        return x

    return f


def calls(n):
    def f(x):
        for _ in range(n // 2):
            x = jnp.sort(x, -1) + 1
        return x

    return f


SHAPES = {f.__name__: f for f in (chain, tree, outputs, rows, calls)}


@pytest.mark.parametrize("shape", SHAPES)
def test_kernels_are_bounded_and_right(shape):
    f = SHAPES[shape](1200)
    made = program.Program(fx.make_jaxpr(f)(X))
    kernels = [k for k in made.kernels if hasattr(k, "steps")]
    assert all(len(k.steps) <= LARGEST and len(k.arrays) <= LARGEST for k in kernels)
    with fx.config.scope(cpu_backend="numpy"):
        want = fx.tree.leaves(fx.jit(f)(X))
    for a, b in zip(made([X]), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_fusion_takes_near_linear_time(shape):
    seconds = []
    for n in (500, 4000):
        graph, _, _, results = build_graph(fx.make_jaxpr(SHAPES[shape](n))(X))
        best = np.inf
        for _ in range(3):
            start = time.perf_counter()
            Fusion(graph, results).order()
            best = min(best, time.perf_counter() - start)
        seconds.append(best)
    assert seconds[1] < 8 * 3 * seconds[0]  # quadratic would be 64 times
