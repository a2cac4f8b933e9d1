"""Every function on arrays that hypothesis draws: NumPy's or SciPy's values, JAX's types.

Shapes are of rank 0 to 3 with sizes of 0 and 1 among them, and broadcast; dtypes are all that the
row names; arrays lie in memory in one piece, transposed, strided or reversed, or are Python
numbers. The same is asked of the staged call.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import fx
from fx import dtypes
from fx.core.array import Array, FxOverflowError
from fx.errors import FxError
from tests.functions.spec import Row, caller, jax, leaves, numbers, shape_of
from tests.functions.table import TABLE

FEW, MANY = 3, 25  # examples of each row in the default run, and in the slow one
_TOLERANCE = {"float16": 5e-3, "bfloat16": 4e-2}
_WIDE = {
    "b": "int64",
    "i": "int64",
    "u": "int64",
    "f": "float64",
    "V": "float64",
    "c": "complex128",
}
_LAYOUTS = ("plain", "transposed", "strided", "reversed")
_PYTHON = {"bool": bool, "int32": int, "float32": float, "complex64": complex}


# ------------------------------------------------------------------ drawing
@dataclass(frozen=True)
class Example:
    """Arguments of a row: raw arrays, and which of them are passed as Python numbers."""

    arrays: tuple[np.ndarray, ...]
    python: tuple[bool, ...]

    @property
    def wide(self) -> bool:
        """Whether there are 64 bits, which JAX has behind a flag: its types then are those of fx
        with a default dtype of 64 bits."""
        pairs = zip(self.arrays, self.python, strict=True)
        kinds = {a.dtype.name for a, python in pairs if not python}
        signed = kinds & {"int8", "int16", "int32"}
        return bool(kinds & {"int64", "uint64", "float64", "complex128"}) or (
            "uint32" in kinds and bool(signed)
        )

    def arguments(self, wrap: Any) -> list[Any]:
        """The arguments of a library."""
        return [
            _PYTHON[a.dtype.name](a) if python else wrap(a)
            for a, python in zip(self.arrays, self.python, strict=True)
        ]


def _layout(x: np.ndarray, layout: str) -> np.ndarray:
    """The same values, lying otherwise in memory."""
    if not x.ndim or layout == "plain":
        return x
    if layout == "transposed":
        return np.ascontiguousarray(x.T).T
    if layout == "strided":
        out = np.empty((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)[..., ::2]
        out[...] = x
        return out
    return np.ascontiguousarray(x[::-1])[::-1]


@st.composite
def examples(draw: Any, r: Row) -> Example:
    common = draw(st.lists(st.sampled_from([2, 3, 1, 0]), max_size=3))
    symbols = {d for a in r.args for d in a.dims if d.isalpha()}
    sizes: dict[str, Any] = {"*": common}
    for s in sorted(symbols):
        sizes[s] = draw(st.sampled_from([2, 3, 1] if s.isupper() else [2, 3, 1, 0]))
    first = next((a for a in r.args if not a.fixed), None)
    one = draw(st.sampled_from(first.dtypes)) if first else ""
    arrays, python = [], []
    for i, a in enumerate(r.args):
        if "~" in a.dims:
            kept = common[draw(st.integers(0, len(common))) :]
            ones = draw(st.lists(st.booleans(), min_size=len(kept), max_size=len(kept)))
            sizes[f"~{i}"] = [1 if o else n for n, o in zip(kept, ones, strict=True)]
        same = r.one_dtype and not a.fixed
        dtype = one if same else draw(st.sampled_from(a.dtypes))
        shape = shape_of(a, sizes, i)
        x = numbers(a, shape, dtype, draw(st.integers(0, 99)), draw(st.booleans()))
        as_number = not r.one_dtype and shape == () and x.dtype.name in _PYTHON
        python.append(as_number and not a.fixed and draw(st.booleans()))
        arrays.append(_layout(x, draw(st.sampled_from(_LAYOUTS))))
    return Example(tuple(arrays), tuple(python))


# ------------------------------------------------------------------ what is expected
def _reference(r: Row, example: Example, wide: bool) -> list[Any]:
    """NumPy's results, of the arguments as they are or in 64 bits."""
    arrays = example.arrays
    if wide:
        kinds = [a.kinds for a in r.args]
        arrays = tuple(
            a if kind == "b" else a.astype(_WIDE[a.dtype.kind])
            for a, kind in zip(arrays, kinds, strict=True)
        )
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return leaves(caller(r, "numpy")(*arrays))


def _check_values(r: Row, example: Example, got: list[Any]) -> None:
    """NumPy's values: those of 64 bits for floats, of the same dtypes for integers that wrap."""
    xs = [np.asarray(x) for x in got]
    floats = any(dtypes.is_inexact(x.dtype) for x in (*xs, *example.arrays))
    ys = [np.asarray(y) for y in _reference(r, example, floats)]
    assert len(xs) == len(ys), f"{len(xs)} results, NumPy has {len(ys)}"
    for x, y in zip(xs, ys, strict=True):
        assert x.shape == y.shape, f"shape {x.shape}, NumPy has {y.shape}"
        if not dtypes.is_inexact(x.dtype):
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(x, y.astype(x.dtype))
            continue
        close(x, y, r.rtol, example)


def close(x: np.ndarray, y: np.ndarray, rtol: float, example: Example) -> None:
    """Close values; the dtype with the fewest bits says how close."""
    types = [x.dtype, *(a.dtype for a in example.arrays if dtypes.is_inexact(a.dtype))]
    names = {dtypes.real_dtype(t).name for t in types}
    rough = max((_TOLERANCE.get(n, 0.0) for n in names), default=0.0)
    rtol = max(rtol * (1e-4 if names == {"float64"} else 1.0), rough)
    wide = np.complex128 if "c" in (x.dtype.kind, y.dtype.kind) else np.float64
    x, y = x.astype(wide), y.astype(wide)
    finite = np.abs(y[np.isfinite(y)])
    scale = max([1e-2, *finite.ravel(), *(_size(a) for a in example.arrays if rough)])
    np.testing.assert_allclose(x, y, rtol, rtol * scale)


def _size(a: np.ndarray) -> float:
    """The largest number of an argument: rounding it is an error of that scale."""
    if not dtypes.is_inexact(a.dtype) or not a.size:
        return 0.0
    return float(np.abs(a.astype(np.complex128)).max())


def _check_types(r: Row, example: Example, got: list[Any]) -> None:
    """JAX's shapes, dtypes and weak types."""
    function = caller(r, "jax")

    def call() -> Any:
        outs = leaves(function(*example.arguments(jax.numpy.asarray)))
        return [x for x in outs if isinstance(x, jax.Array)]

    try:
        expected = jax.eval_shape(call) if r.jit else call()
    except (TypeError, ValueError, OverflowError, NotImplementedError):
        if r.wider:
            return
        raise
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape, f"shape {a.shape}, JAX has {b.shape}"
        if not (r.indices and example.wide and a.dtype.kind == b.dtype.kind == "i"):
            assert a.dtype == b.dtype, f"dtype {a.dtype}, JAX has {b.dtype}"
        # JAX marks the results of comparisons, too, and drops the mark of uint64 with a signed
        # integer, which has a float that is weak, in some functions.
        if not r.weak or a.dtype == np.bool_ or {"uint64", "int64"} <= _promoted(example):
            continue
        assert a.weak_type == b.weak_type, f"weak_type={a.weak_type}, JAX has the other"


def _promoted(example: Example) -> set[str]:
    """Which of uint64 and of signed integers there are."""
    kinds = {a.dtype.name for a in example.arrays}
    return {"uint64"} & kinds | ({"int64"} if any(k.startswith("int") for k in kinds) else set())


def _check_refused(r: Row, example: Example) -> None:
    """What fx refuses, JAX refuses."""
    if jax is None:
        return
    function = caller(r, "jax")
    with pytest.raises((TypeError, ValueError, OverflowError)):
        jax.eval_shape(lambda: function(*example.arguments(jax.numpy.asarray)))


@contextlib.contextmanager
def _sizes(wide: bool) -> Iterator[None]:
    """Default dtypes of 64 bits in fx and JAX, or of 32 in both."""
    with contextlib.ExitStack() as stack:
        if wide:
            stack.enter_context(fx.default_dtype("float64"))
        if jax is not None:
            stack.enter_context(jax.enable_x64(wide))
        yield


each = pytest.mark.parametrize("r", TABLE, ids=str)


@each
@pytest.mark.filterwarnings("ignore")
def test_function(r):
    check_examples(r, FEW)


@each
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_function_on_many_examples(r):
    check_examples(r, MANY)


def check_examples(r: Row, count: int) -> None:
    @settings(max_examples=count if r.args else 1)
    @given(example=examples(r))
    def check(example: Example) -> None:
        note(f"{example}")
        with _sizes(example.wide):
            try:
                outs = leaves(caller(r, "fx")(*example.arguments(Array)))
            except FxOverflowError:
                return  # a Python number that does not fit the dtype; JAX lets some wrap
            except FxError:
                _check_refused(r, example)
                return
            got = [x for x in outs if isinstance(x, Array)]
            if jax is not None and r.jax:
                _check_types(r, example, got)
            if r.values and r.ref:
                _check_values(r, example, outs)
            if r.jit and len(got) == len(outs):
                _check_staged(r, example, got)

    check()


def _check_staged(r: Row, example: Example, got: list[Array]) -> None:
    """The same results, dtypes and weak types under jit."""
    arguments = example.arguments(Array)
    held = [i for i, x in enumerate(arguments) if isinstance(x, Array)]
    function = caller(r, "fx")

    def of_arrays(*arrays: Any) -> Any:
        full = list(arguments)
        for i, x in zip(held, arrays, strict=True):
            full[i] = x
        return leaves(function(*full))

    staged = fx.jit(of_arrays)(*[arguments[i] for i in held])
    for a, b in zip(staged, got, strict=True):
        assert (a.shape, a.dtype, a.weak_type) == (b.shape, b.dtype, b.weak_type), "under jit"
        if dtypes.is_inexact(a.dtype):
            close(np.asarray(a), np.asarray(b), 1e-6, example)
        elif a.dtype.kind in "biu":
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
