"""One check for every function of fx.numpy: the same program on NumPy, JAX and fx.

A `Case` is a program written over a module `m` (numpy, jax.numpy or fx.numpy). `check` demands that
fx gives JAX's shape, dtype and weak type, NumPy's values (or else JAX's), the same under jit and
vmap, and a gradient that agrees with finite differences. What a case cannot do (its result's shape
depends on values, JAX differs on purpose) it says with a flag, and so the exceptions can be read
off the tables. With FX_TEST_PROFILE=thorough values and gradients are compared with JAX's too,
which is slow because JAX compiles each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fx
import fx.numpy as fnp

try:
    import jax
    import jax.numpy as jnp
except ImportError:  # the comparison with JAX is left out
    jax = jnp = None

THOROUGH = os.environ.get("FX_TEST_PROFILE") == "thorough"


@dataclass
class Case:
    """A program and its arguments (ndarrays become arrays of the module, other values stay)."""

    name: str
    program: Callable[..., Any]
    args: tuple[Any, ...]
    grad: bool = True
    jit: bool = True
    vmap: bool = True
    numpy: bool = True
    jax: bool = True
    weak: bool = True
    rtol: float = 2e-5
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def case(name: str, program: Callable[..., Any], *args: Any, **flags: Any) -> Case:
    """A row of a table; `off="grad vmap"` switches checks off."""
    for flag in flags.pop("off", "").split():
        flags[flag] = False
    return Case(name, program, args, **flags)


def rand(*shape: int, seed: int = 0, dtype: Any = np.float32, low: float = -2.0) -> np.ndarray:
    """Numbers without ties, away from integers, in (low, 2)."""
    rng = np.random.default_rng(seed + 17 * len(shape) + int(np.prod(shape)))
    x = rng.uniform(low, 2.0, shape)
    if np.dtype(dtype).kind == "c":
        return (x + 1j * rng.uniform(low, 2.0, shape)).astype(dtype)
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0 if np.dtype(dtype).kind == "u" else -9, 10, shape).astype(dtype)
    if np.dtype(dtype).kind == "b":
        return rng.uniform(size=shape) < 0.5
    return x.astype(dtype)


def leaves(out: Any) -> list[Any]:
    """The results of a program as a flat list."""
    if isinstance(out, (tuple, list)):
        return [v for o in out for v in leaves(o)]
    return [out]


def same(got: Any, expected: Any, rtol: float, what: str, scale: float | None = None) -> None:
    """Equal shapes and close values, NaN and infinities in the same places."""
    a, b = np.asarray(got), np.asarray(expected)
    assert a.shape == b.shape, f"{what}: shape {a.shape}, expected {b.shape}"
    if a.dtype.kind in "biu" and b.dtype.kind in "biu":
        np.testing.assert_array_equal(a, b, err_msg=what)
        return
    wide = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
    a, b = a.astype(wide), b.astype(wide)
    finite = np.abs(b[np.isfinite(b)])
    size = scale if scale is not None else (float(finite.max()) if finite.size else 1.0)
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(size, 1e-30), err_msg=what)


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


def run(module: Any, c: Case) -> Any:
    convert = module.asarray
    return c.program(module, *[convert(a) if is_array(a) else a for a in c.args])


def check(c: Case) -> None:
    """All laws of one case."""
    out = run(fnp, c)
    outs = leaves(out)
    if jax is not None and c.jax:
        _check_jax(c, outs)
    if c.numpy:
        with np.errstate(all="ignore"):
            expected = leaves(run(np, c))
        for got, want in zip(outs, expected, strict=True):
            same(got, want, max(c.rtol, 1e-6), "NumPy's values")
    arrays = [a for a in c.args if is_array(a)]
    if c.jit and arrays:
        _check_jit(c, outs)
    if c.vmap and arrays:
        _check_vmap(c)
    if c.grad and any(a.dtype.kind == "f" and a.size for a in arrays):
        _check_grad(c)
        if THOROUGH and c.jax and jax is not None:
            _check_grad_of_jax(c)


def _check_jax(c: Case, outs: list[Any]) -> None:
    if THOROUGH or not c.numpy or not c.jit:
        expected = leaves(run(jnp, c))
        for got, want in zip(outs, expected, strict=True):
            same(got, want, c.rtol, "JAX's values")
    else:  # types alone need no compilation
        expected = leaves(jax.eval_shape(lambda: run(jnp, c)))
    assert len(outs) == len(expected)
    for got, want in zip(outs, expected, strict=True):
        if hasattr(want, "dtype"):
            assert got.shape == want.shape, f"shape {got.shape}, JAX has {want.shape}"
            assert got.dtype == want.dtype, f"dtype {got.dtype}, JAX has {want.dtype}"
        if c.weak and hasattr(want, "weak_type"):
            assert got.weak_type == want.weak_type, f"weak {got.weak_type}, JAX has the other"


def _apply(c: Case, arrays: Any) -> Any:
    """The program on the given arrays in place of the case's."""
    rest = iter(arrays)
    return c.program(fnp, *[next(rest) if is_array(a) else a for a in c.args])


def _check_jit(c: Case, outs: list[Any]) -> None:
    arrays = [fnp.asarray(a) for a in c.args if is_array(a)]
    traced = leaves(fx.jit(lambda *xs: _apply(c, xs))(*arrays))
    for got, want in zip(traced, outs, strict=True):
        want = fnp.asarray(want)
        same(got, want, 1e-6, "jit's values")
        assert got.dtype == want.dtype, f"jit: dtype {got.dtype}, expected {want.dtype}"
        assert got.weak_type == want.weak_type, f"jit: weak type {got.weak_type}"


def _check_vmap(c: Case) -> None:
    arrays = [a for a in c.args if is_array(a)]
    batches = [np.stack([a, np.roll(a, 1, 0) if a.ndim else a]) for a in arrays]
    got = leaves(fx.vmap(lambda *xs: _apply(c, xs))(*[fnp.asarray(b) for b in batches]))
    rows = [leaves(_apply(c, [fnp.asarray(b[i]) for b in batches])) for i in range(2)]
    for k, value in enumerate(got):
        same(value, np.stack([np.asarray(r[k]) for r in rows]), 2e-6, "vmap's values")


def _loss(c: Case, module: Any) -> Callable[..., Any]:
    """A weighted sum of a case's floating results, of its arrays."""

    def total(*xs: Any) -> Any:
        rest = iter(xs)
        args = [next(rest) if is_array(a) else a for a in c.args]
        result = 0.0
        for out in leaves(c.program(module, *args)):
            if not hasattr(out, "dtype") or not np.issubdtype(out.dtype, np.inexact):
                continue
            weights = np.cos(np.arange(out.size).reshape(out.shape))
            part = module.real(out) + module.imag(out) if out.dtype.kind == "c" else out
            result = result + module.sum(part * weights.astype(part.dtype))
        return result

    return total


def _floats(c: Case) -> tuple[list[Any], tuple[int, ...]]:
    arrays = [a for a in c.args if is_array(a)]
    return arrays, tuple(i for i, a in enumerate(arrays) if a.dtype.kind == "f")


def _check_grad(c: Case) -> None:
    """The derivative in a direction against a difference quotient, in double precision."""
    arrays, floats = _floats(c)
    rng = np.random.default_rng(3)
    wide = [a.astype(np.float64) if i in floats else a for i, a in enumerate(arrays)]
    directions = [rng.standard_normal(a.shape) if i in floats else 0 for i, a in enumerate(wide)]
    loss = _loss(c, fnp)

    def at(t: float) -> list[Any]:
        moved = zip(wide, directions, enumerate(wide), strict=True)
        return [fnp.asarray(a + t * d if i in floats else a) for a, d, (i, _) in moved]

    gradients = fx.grad(loss, argnums=floats)(*at(0.0))
    got = sum(float((g * directions[i]).sum()) for g, i in zip(gradients, floats, strict=True))
    h = 1e-6
    want = (float(loss(*at(h))) - float(loss(*at(-h)))) / (2 * h)
    scale = max(1.0, sum(float(fnp.abs(g * directions[i]).sum()) for g, i in
                         zip(gradients, floats, strict=True)))  # fmt: skip
    assert abs(got - want) <= 2e-6 * scale, f"gradient: {got}, finite differences give {want}"
    single = fx.grad(loss, argnums=floats)(*[fnp.asarray(a) for a in arrays])
    for g, i in zip(single, floats, strict=True):
        assert g.shape == arrays[i].shape and g.dtype == arrays[i].dtype, "type of the gradient"


def _check_grad_of_jax(c: Case) -> None:
    arrays, floats = _floats(c)
    got = fx.grad(_loss(c, fnp), argnums=floats)(*[fnp.asarray(a) for a in arrays])
    want = jax.grad(_loss(c, jnp), argnums=floats)(*[jnp.asarray(a) for a in arrays])
    for g, w in zip(got, want, strict=True):
        same(g, w, max(c.rtol, 5e-5), "JAX's gradient")
