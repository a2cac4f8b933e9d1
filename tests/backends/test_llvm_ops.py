"""Compiled programs compute what the interpreter does, for every primitive and dtype."""

import numpy as np
import pytest

import fx
from fx import dtypes
from fx.backends.numpy import NumpyBackend
from fx.core.backend import get_backend
from fx.core.primitive import P
from tests.laws import numbers
from tests.op_table import TABLE, traced

pytest.importorskip("llvmlite")

ROWS = pytest.mark.parametrize("row", TABLE, ids=str)


def tolerance(dtype: np.dtype) -> float:
    return 16 * float(dtypes.finfo(dtype).eps)


def agree(jaxpr, raw):
    """Run compiled and interpreted, on the arrays as they are."""
    expected = NumpyBackend().compile(jaxpr)(raw)
    got = get_backend("llvm").compile(jaxpr)(raw)
    for a, b in zip(got, expected, strict=True):
        b = np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if b.dtype.names is None and dtypes.is_inexact(b.dtype):
            x, y = numbers(a), numbers(b)
            scale = np.max(np.abs(y[np.isfinite(y)]), initial=1.0)
            limit = tolerance(b.dtype)
            np.testing.assert_allclose(x, y, rtol=limit, atol=limit * scale)
        else:
            np.testing.assert_array_equal(a, b)


@ROWS
def test_compiled_is_interpreted(row):
    for number in range(len(row.examples)):
        for dtype in row.dtypes:
            arrays = row.arguments(number, dtype)
            agree(traced(row, arrays), [x._data for x in arrays])


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "and", "or", "xor"])
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "int64"])
def test_folds_along_all_axes(name, axes, dtype):
    primitive = P.table[f"reduce_{name}"]
    if dtype == "bool" and name in ("sum", "prod"):
        return  # are sums of integers
    x = np.random.default_rng(0).integers(0, 7, (3, 5, 7)).astype(dtype)
    agree(fx.make_jaxpr(lambda v: primitive(v, axes=axes))(x), [x])


@ROWS
def test_arrays_that_are_not_contiguous(row):
    for number in range(len(row.examples)):
        arrays = row.arguments(number, row.dtypes[0])
        raw = []
        for x in arrays:
            wide = np.empty((*x.shape, 2), x.dtype)
            wide[..., 0] = wide[..., 1] = x._data
            raw.append(wide[..., 0])
        agree(traced(row, arrays), raw)
