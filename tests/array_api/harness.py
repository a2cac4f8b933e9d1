"""One law for every function of the array API: fx.numpy gives what array-api-strict gives.

A `Row` is a program over a namespace, which calls the function it is named after, and a strategy
for its arguments. array-api-strict is the standard's own strict implementation, on NumPy; its
defaults are of 64 bits, so fx runs with these. Where strict leaves a choice (an order, a sign) the
program takes it out, and so it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fx
import fx.numpy as jnp
from fx.tree_util import tree_flatten, tree_unflatten

VERSION = "2024.12"

BOOL = ["bool"]
SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
INTEGER = SIGNED + UNSIGNED
FLOAT = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
REAL = INTEGER + FLOAT
INEXACT = FLOAT + COMPLEX
NUMERIC = REAL + COMPLEX
ALL = BOOL + NUMERIC


@dataclass(frozen=True)
class Row:
    """A function of the standard, a program that calls it, and the arguments to draw.

    Attributes:
        name: of the function, with its extension: "linalg.inv".
        program: (namespace, *args) -> arrays or Python values, nested.
        args: strategy of argument tuples; ndarrays in them become arrays of the namespace.
        jit: whether shapes and values of the results allow the program under `fx.jit`.
        rtol: relative to the largest element, in units of the precision.
    """

    name: str
    program: Callable[..., Any]
    args: st.SearchStrategy[tuple[Any, ...]]
    jit: bool = True
    rtol: float = 64.0

    def __str__(self) -> str:
        return self.name


def check(row: Row, strict: Any, args: tuple[Any, ...]) -> None:
    """The law for one choice of arguments, eagerly and under `jit`."""
    with strict.ArrayAPIStrictFlags(api_version=VERSION), np.errstate(all="ignore"):
        expected = _plain(row.program(strict, *_converted(args, strict.asarray)))
    with fx.default_dtype("float64"):
        _same(_plain(row.program(jnp, *_converted(args, jnp.asarray))), expected, row, "eager")
        if row.jit:
            _same(_plain(_jitted(row, args)), expected, row, "jit")


def _converted(args: Any, asarray: Callable[[Any], Any]) -> Any:
    leaves, tree = tree_flatten(args, is_leaf=lambda x: x is None)
    leaves = [asarray(x) if isinstance(x, np.ndarray) else x for x in leaves]
    return tree_unflatten(tree, leaves)


def _jitted(row: Row, args: tuple[Any, ...]) -> Any:
    leaves, tree = tree_flatten(args, is_leaf=lambda x: x is None)
    arrays = [i for i, x in enumerate(leaves) if isinstance(x, np.ndarray)]

    def function(*xs: Any) -> Any:
        full = list(leaves)
        for i, x in zip(arrays, xs, strict=True):
            full[i] = x
        return row.program(jnp, *tree_unflatten(tree, full))

    return fx.jit(function)(*(leaves[i] for i in arrays))


def _plain(out: Any) -> Any:
    """Arrays as ndarrays, and what is made of them as lists."""
    if isinstance(out, (tuple, list)):
        return [_plain(x) for x in out]
    if isinstance(out, dict):
        return {k: _plain(v) for k, v in out.items()}
    return np.array(out) if hasattr(out, "dtype") else out


def _same(got: Any, expected: Any, row: Row, how: str) -> None:
    what = f"{row} ({how})"
    if isinstance(expected, list):
        assert len(got) == len(expected), what
        for a, b in zip(got, expected, strict=True):
            _same(a, b, row, how)
    elif isinstance(expected, np.ndarray):
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype), (
            f"{what}: {got.dtype}{got.shape}, expected {expected.dtype}{expected.shape}"
        )
        if expected.dtype.kind in "biu":
            np.testing.assert_array_equal(got, expected, err_msg=what)
            return
        rtol = row.rtol * np.finfo(expected.dtype).eps
        size = np.abs(expected[np.isfinite(expected)])
        atol = rtol * min(1.0, float(size.max())) if size.size else 0.0
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, err_msg=what)
    else:
        assert got == expected and type(got) is type(expected), f"{what}: {got!r}, {expected!r}"


# ------------------------------------------------------------------ arguments
def shapes(low: int = 0, high: int = 3, smallest: int = 0) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of `low` to `high` axes, of sizes up to 3."""
    return hnp.array_shapes(min_dims=low, max_dims=high, min_side=smallest, max_side=3)


def elements(dtype: str, special: bool = False, size: int = 9) -> st.SearchStrategy[Any]:
    """Numbers up to `size`; floats with infinities, NaN and signed zeros too if `special`."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return st.booleans()
    if kind in "iu":
        return st.integers(0 if kind == "u" else -size, size)
    if kind == "c":
        part = elements("float32", False, size)
        return st.builds(complex, part, part)
    # Numbers of few bits, none so small that its square is subnormal.
    plain = st.integers(-16 * size, 16 * size).map(lambda n: n / 16)
    odd = st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan])
    return plain | odd if special else plain


@st.composite
def arrays(
    draw: Any, dtypes: list[str], shape: Any = None, special: bool = False, size: int = 9
) -> np.ndarray:
    """An array of one of the dtypes."""
    dtype = draw(st.sampled_from(dtypes))
    full = draw(shapes() if shape is None else shape) if not isinstance(shape, tuple) else shape
    return draw(hnp.arrays(dtype, full, elements=elements(dtype, special, size)))


def one(dtypes: list[str], shape: Any = None, **options: Any) -> st.SearchStrategy[Any]:
    """One array as the only argument."""
    return st.tuples(arrays(dtypes, shape, **options))


_PROMOTING = [BOOL, SIGNED, UNSIGNED, FLOAT, COMPLEX, FLOAT + COMPLEX, SIGNED + UNSIGNED[:3]]


@st.composite
def pairs(
    draw: Any, dtypes: list[str], shape: Any = None, special: bool = False, size: int = 9
) -> tuple[Any, Any]:
    """Two arrays whose shapes broadcast and whose dtypes promote, or one and a Python number."""
    groups = [[d for d in group if d in dtypes] for group in _PROMOTING]
    group = draw(st.sampled_from([g for g in groups if g]))
    if shape is None:
        first, second = draw(
            hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)
        ).input_shapes
    else:
        first = second = draw(shape)
    x = draw(arrays(group, first, special, size))
    return x, draw(arrays(group, second, special, size))


def axis_of(x: np.ndarray) -> st.SearchStrategy[int]:
    """An axis of an array, counted from either end."""
    return st.integers(-x.ndim, x.ndim - 1)


def axes_of(x: np.ndarray) -> st.SearchStrategy[Any]:
    """None, an axis, or several axes of an array."""
    if not x.ndim:
        return st.none()
    return st.none() | axis_of(x) | hnp.valid_tuple_axes(x.ndim, min_size=1)
