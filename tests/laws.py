"""The laws that every differentiable, mappable function obeys, as checks to call in a test.

    check_jvp(f, *args)         jvp = finite differences, in float64
    check_transpose(f, *args)   <u, J v> = <J^T u, v>, for the linear half of f at args
    check_vmap(f, *args)        vmap(f) = stack of f, for all choices of mapped axes
    check_jit(f, *args)         jit(f) = f, and the staged program is well typed
    check_derivatives(f, *args) jvp and transpose
    check_laws(f, *args)        all of these

`f` takes arrays and returns an array or a list of arrays. Integer arguments take no part in
derivatives.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.backends.numpy import NumpyBackend
from fx.core.array import Array, to_array
from fx.core.check import check_jaxpr
from fx.core.primitive import Linear
from fx.transforms.jvp import jvp_flat
from fx.transforms.linearize import linearize_flat
from fx.transforms.stage import stage
from fx.transforms.transpose import backward_pass
from fx.transforms.vmap import materialize, vmap_flat


def flat(f: Callable[..., Any]) -> Callable[..., list[Any]]:
    """`f` with a list of results."""

    def function(*args: Any) -> list[Any]:
        out = f(*args)
        return list(out) if isinstance(out, (list, tuple)) else [out]

    return function


def is_active(x: Any) -> bool:
    """Whether an argument has tangents."""
    return dtypes.is_inexact(to_array(x).dtype)


def random_like(x: Any, seed: int) -> Array:
    """Normal numbers of the shape and dtype of an array."""
    rng = np.random.default_rng(seed)
    shape, dtype = to_array(x).shape, to_array(x).dtype
    values = rng.normal(size=shape)
    if dtype.kind == "c":
        values = values + 1j * rng.normal(size=shape)
    return Array(np.asarray(values).astype(dtype))


def numbers(x: Any) -> np.ndarray:
    """An array as float64 or complex128 (others as they are), for comparison."""
    data = np.asarray(x._data if type(x) is Array else x)
    if not dtypes.is_inexact(data.dtype):
        return data
    return data.astype(np.complex128 if data.dtype.kind == "c" else np.float64)


def difference(a: Any, b: Any) -> np.ndarray:
    """a - b, and 0 where they are equal infinities."""
    x, y = numbers(a), numbers(b)
    return np.subtract(x, y, out=np.zeros_like(x), where=x != y)


def assert_close(a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, what: str = "") -> None:
    """Equal shapes, dtypes and (up to rounding) values; None is zero."""
    if a is None or b is None:
        other = b if a is None else a
        if other is not None:
            np.testing.assert_allclose(numbers(other), 0, atol=atol, err_msg=what)
        return
    assert a.dtype == b.dtype, f"{what}: dtypes {a.dtype} and {b.dtype}"
    x, y = numbers(a), numbers(b)
    assert x.shape == y.shape, f"{what}: shapes {x.shape} and {y.shape}"
    if x.dtype.kind in "fc":
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol, err_msg=what)
    else:
        np.testing.assert_array_equal(x, y, err_msg=what)


def check_jit(f: Callable[..., Any], *args: Any, rtol: float = 1e-6, atol: float = 1e-6) -> None:
    """The staged program is well typed and computes the same."""
    arrays = [to_array(x) for x in args]
    jaxpr = stage(flat(f), [x.aval for x in arrays])
    check_jaxpr(jaxpr)
    outs = NumpyBackend().compile(jaxpr)([x._data for x in arrays])
    for eager, staged in zip(flat(f)(*arrays), outs, strict=True):
        assert_close(eager, Array(staged), rtol, atol, "jit(f) = f")


def check_jvp(
    f: Callable[..., Any],
    *args: Any,
    step: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    seed: int = 0,
) -> None:
    """The derivative along a random direction is the central difference (use 64 bits)."""
    arrays = [to_array(x) for x in args]
    active = [is_active(x) for x in arrays]
    directions = [
        random_like(x, seed + i) if on else None for i, (x, on) in _numbered(arrays, active)
    ]
    # Every subset of active arguments: symbolic zeros take paths of their own.
    for subset in _subsets(active):
        chosen = [d if i in subset else None for i, d in enumerate(directions)]
        outs, tangents = jvp_flat(flat(f), arrays, chosen)

        def moved(sign: float, chosen: Sequence[Any] = chosen) -> list[Any]:
            points = [
                x if d is None else Array(np.asarray(x._data + sign * step * d._data))
                for x, d in zip(arrays, chosen, strict=True)
            ]
            return flat(f)(*points)

        for out, tangent, ahead, behind in zip(outs, tangents, moved(1), moved(-1), strict=True):
            if not is_active(out):
                assert tangent is None, "an integer result has no tangent"
                continue
            slope = difference(ahead, behind) / (2 * step)
            got = np.zeros(out.shape) if tangent is None else numbers(tangent)
            assert tangent is None or tangent.dtype == out.dtype
            np.testing.assert_allclose(got, slope, rtol=rtol, atol=atol, err_msg=f"jvp in {subset}")


def check_transpose(
    f: Callable[..., Any], *args: Any, rtol: float = 1e-6, atol: float = 1e-6, seed: int = 0
) -> None:
    """<u, J v> = <J^T u, v>, and linearize = jvp, for every subset of active arguments."""
    arrays = [to_array(x) for x in args]
    active = [is_active(x) for x in arrays]
    for subset in _subsets(active):
        on = [i in subset for i in range(len(arrays))]
        directions = [random_like(x, seed + i) for i, x in enumerate(arrays) if on[i]]
        outs, jaxpr, active_out = linearize_flat(flat(f), arrays, on)
        check_jaxpr(jaxpr)
        tangents = _run(jaxpr, directions)
        everywhere = iter(directions)
        _, expected = jvp_flat(flat(f), arrays, [next(everywhere) if o else None for o in on])
        for tangent, other in zip(_spread(tangents, active_out), expected, strict=True):
            assert_close(tangent, other, rtol, atol, "linearize = jvp")
        alive = [o for o, a in zip(outs, active_out, strict=True) if a]
        cotangents = [random_like(o, seed + 50 + i) for i, o in enumerate(alive)]
        back = backward_pass(jaxpr, [Linear(v.aval) for v in jaxpr.invars], cotangents)
        for ct, direction in zip(back, directions, strict=True):
            if ct is not None:
                assert (ct.shape, ct.dtype) == (direction.shape, direction.dtype)
        left = sum(_pair(u, t) for u, t in zip(cotangents, tangents, strict=True))
        right = sum(_pair(c, v) for c, v in zip(back, directions, strict=True) if c is not None)
        np.testing.assert_allclose(left, right, rtol=rtol, atol=atol, err_msg=f"transpose {subset}")


def check_vmap(
    f: Callable[..., Any],
    *args: Any,
    size: int = 3,
    rtol: float = 1e-6,
    atol: float = 1e-6,
    seed: int = 0,
    vary: Callable[[int, Any, int], Any] | None = None,
    all_axes: bool = True,
    all_subsets: bool = True,
) -> None:
    """vmap(f) = stack of f, for every choice of mapped arguments and of their mapped axes.

    Args:
        f, args: a function and one example of its arguments.
        size: of the mapped axis.
        vary: (number of the argument, example, seed) -> another example; by default normal
            numbers for floats and a permutation of the example's elements for integers.
        all_axes: map over every axis position; else over the first and the last.
        all_subsets: map every subset of the arguments; else all of them.
    """
    arrays = [to_array(x) for x in args]
    rows = [
        [x._data] + [_another(i, x, seed + 7 * k + i, vary) for k in range(1, size)]
        for i, x in enumerate(arrays)
    ]
    places = [
        [None] * all_subsets + list(range(x.ndim + 1) if all_axes else sorted({0, x.ndim}))
        for x in arrays
    ]
    for dims in itertools.product(*places):
        if all(d is None for d in dims):
            continue
        mapped = [
            x if d is None else Array(np.stack(row, axis=d))
            for x, row, d in zip(arrays, rows, dims, strict=True)
        ]
        outs, out_dims = vmap_flat(flat(f), mapped, dims, size=size)
        single = [
            flat(f)(
                *[
                    x if d is None else Array(row[k])
                    for x, row, d in zip(arrays, rows, dims, strict=True)
                ]
            )
            for k in range(size)
        ]
        for i, (out, d) in enumerate(zip(outs, out_dims, strict=True)):
            stacked = Array(np.stack([one[i]._data for one in single]))
            whole = materialize(out, d, size)
            assert_close(whole, stacked, rtol, atol, f"vmap over {dims}")


def check_derivatives(f: Callable[..., Any], *args: Any, tolerance: float = 1e-5) -> None:
    """The laws of jvp, linearize and transpose, at 64-bit arguments."""
    check_jvp(f, *args, rtol=tolerance, atol=tolerance)
    check_transpose(f, *args)


def check_laws(f: Callable[..., Any], *args: Any, tolerance: float = 1e-5, **options: Any) -> None:
    """All laws of a smooth function, at float64 arguments (and integer ones)."""
    check_jit(f, *args)
    check_derivatives(f, *args, tolerance=tolerance)
    check_vmap(f, *args, **options)


def _numbered(xs: Sequence[Any], ys: Sequence[Any]) -> Any:
    return enumerate(zip(xs, ys, strict=True))


def _subsets(active: Sequence[bool]) -> list[set[int]]:
    on = [i for i, a in enumerate(active) if a]
    return [set(c) for n in range(1, len(on) + 1) for c in itertools.combinations(on, n)]


def _run(jaxpr: Any, args: Sequence[Any]) -> list[Any]:
    outs = NumpyBackend().compile(jaxpr)([x._data for x in args])
    return [Array(np.asarray(o)) for o in outs]


def _spread(values: Sequence[Any], mask: Sequence[bool]) -> list[Any]:
    rest = iter(values)
    return [next(rest) if m else None for m in mask]


def _pair(a: Any, b: Any) -> Any:
    """The real part decides, since it sees v and iv: maps between reals and complexes too."""
    return np.real(np.sum(numbers(a) * numbers(b)))


def _another(i: int, x: Array, seed: int, vary: Callable[[int, Any, int], Any] | None) -> Any:
    if vary is not None:
        return np.asarray(to_array(vary(i, x, seed))._data)
    if is_active(x):
        return random_like(x, seed)._data
    shuffled = np.random.default_rng(seed).permutation(x._data.reshape(-1))
    return shuffled.reshape(x.shape).astype(x.dtype)
