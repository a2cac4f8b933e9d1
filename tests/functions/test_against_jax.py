"""Values and gradients of the differentiable functions are those of JAX, in float32.

Many rows are compiled at once, as compiling takes most of the time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import fx
from fx import dtypes
from tests.functions.spec import Row, caller, jax, leaves, smooth_point
from tests.functions.table import TABLE

pytestmark = pytest.mark.skipif(jax is None, reason="compares with JAX")

ROWS = [r for r in TABLE if r.jax and r.jit and r.differentiable]
CHUNK = 60
# Eigenvectors and the like are compared in tests/numpy/test_linalg.py, up to their phase.
FREE = {"numpy.linalg.qr", "scipy.linalg.qr", "lax.linalg.qr", "numpy.linalg.svd"}
# Functions of which JAX has no gradient, or raises in it.
WITHOUT = {
    "scipy.linalg.polar",
    "lax.linalg.cholesky_update",
    "lax.linalg.symmetric_product",
    "lax.scatter_mul",
    "lax.scatter_apply",
    *(f"scipy.stats.gumbel_{side}.{f}" for side in "lr" for f in ("logpdf", "pdf", "ppf")),
}
# Without these passes XLA compiles in half the time.
_FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def value_and_gradient(r: Row, library: Any, name: str) -> Any:
    """A function of the row's arguments: the results, and the gradient of a weighted sum of them
    by every float argument."""
    function, jnp = caller(r, name), library.numpy
    active = tuple(i for i, a in enumerate(r.args) if a.differentiable)

    def results(*args: Any) -> list[Any]:
        return [jnp.asarray(x) for x in leaves(function(*args))]

    def total(*args: Any) -> Any:
        result = 0.0
        for out in results(*args):
            if not dtypes.is_inexact(np.dtype(out.dtype)):
                continue
            weights = np.cos(np.arange(out.size).reshape(out.shape))
            part = jnp.real(out) + jnp.imag(out) if out.dtype.kind == "c" else out
            result = result + jnp.sum(part * weights.astype(part.dtype))
        return result

    return lambda *args: (results(*args), library.grad(total, active)(*args))


def arguments(r: Row) -> list[np.ndarray]:
    return [np.asarray(x) for x in smooth_point(r, "float32")]


@cache
def expected(chunk: int) -> list[Any]:
    """JAX's results of some consecutive rows."""
    rows = ROWS[chunk * CHUNK : (chunk + 1) * CHUNK]
    functions = [value_and_gradient(r, jax, "jax") for r in rows]
    inputs = [[jax.numpy.asarray(x) for x in arguments(r)] for r in rows]

    errors: dict[int, Exception] = {}

    def everything(inputs: Any) -> Any:
        outs = []
        for number, (f, args) in enumerate(zip(functions, inputs, strict=True)):
            try:
                outs.append(f(*args))
            except Exception as error:
                errors[number] = error
                outs.append(None)
        return outs

    found = jax.jit(everything).lower(inputs).compile(_FAST)(inputs)
    return [errors.get(number, x) for number, x in enumerate(found)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", range(len(ROWS)), ids=[str(r) for r in ROWS])
def test_value_and_gradient(number):
    r = ROWS[number]
    want = expected(number // CHUNK)[number % CHUNK]
    assert isinstance(want, Exception) == (r.name in WITHOUT), want
    if isinstance(want, Exception):
        return
    args = [fx.numpy.asarray(x) for x in arguments(r)]
    got = value_and_gradient(r, fx, "fx")(*args)
    for kind, xs, ys in zip(("value", "gradient"), got, want, strict=True):
        if kind == "value" and (r.name in FREE or r.name.startswith("random.")):
            continue
        if r.name in FREE:
            continue
        for x, y in zip(xs, ys, strict=True):
            a, b = np.asarray(x), np.asarray(y)
            assert a.dtype == b.dtype, f"{kind}: {a.dtype}, JAX has {b.dtype}"
            scale = np.abs(b[np.isfinite(b)]).max(initial=1.0)
            rtol = max(10 * r.rtol, 1e-3)
            np.testing.assert_allclose(a, b, rtol, rtol * scale, err_msg=kind)
