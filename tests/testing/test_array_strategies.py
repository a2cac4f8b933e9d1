"""Strategies of arrays, dtypes and shapes: what they draw, shrink to, and refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

import fx
from fx import testing

ALL = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("bfloat16", "float16", "float32", "float64", "complex64", "complex128"),
]
REAL = ["bfloat16", "float16", "float32", "float64", "int8", "uint32"]


def wide(x: fx.Array) -> np.ndarray:
    return np.asarray(x).astype(np.complex128 if x.dtype.kind == "c" else np.float64)


@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
@settings(max_examples=10)
def test_arrays_have_the_dtype_and_shape(name: str, data: st.DataObject) -> None:
    shape = data.draw(testing.shapes())
    x = data.draw(testing.arrays(name, shape))
    assert isinstance(x, fx.Array)
    assert (x.dtype, x.shape, x.weak_type) == (fx.dtypes.canonicalize(name), shape, False)


@pytest.mark.parametrize("name", ALL)
def test_dtypes_draws_every_one(name: str) -> None:
    assert find(testing.dtypes(), lambda d: d == fx.dtypes.canonicalize(name)).name == name


@pytest.mark.parametrize("name", REAL)
@given(data=st.data())
@settings(max_examples=15)
def test_bounds_hold(name: str, data: st.DataObject) -> None:
    x = data.draw(testing.arrays(name, (4,), min_value=1, max_value=3))
    assert ((wide(x) >= 1) & (wide(x) <= 3)).all()


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32", "float64", "complex64"])
@given(data=st.data())
@settings(max_examples=25)
def test_finite_arrays(name: str, data: st.DataObject) -> None:
    x = data.draw(testing.arrays(name, (3,), allow_nan=False, allow_infinity=False))
    assert np.isfinite(wide(x)).all()


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
@given(data=st.data())
@settings(max_examples=25)
def test_no_subnormals(name: str, data: st.DataObject) -> None:
    x = np.abs(wide(data.draw(testing.arrays(name, (3,), allow_subnormal=False))))
    tiny = float(fx.dtypes.finfo(name).smallest_normal)
    assert ((x == 0) | ~(x < tiny)).all()


@pytest.mark.parametrize("name", ["bfloat16", "float32"])
def test_edge_values_are_drawn(name: str) -> None:
    arrays = testing.arrays(name, ())
    assert np.isnan(wide(find(arrays, lambda x: np.isnan(wide(x)))))
    assert wide(find(arrays, lambda x: np.isinf(wide(x)))) == np.inf
    assert wide(find(arrays, lambda x: wide(x) < 0)) == -1


def test_edge_shapes_are_drawn() -> None:
    shapes = testing.shapes()
    assert find(shapes, lambda s: True) == ()
    assert find(shapes, lambda s: 0 in s) == (0,)
    assert find(shapes, lambda s: len(s) == 2 and 0 not in s) == (1, 1)


def test_shrinking_ends_at_zero() -> None:
    found = find(testing.arrays("int32", testing.shapes(min_side=1)), lambda x: x.ndim == 2)
    assert found.shape == (1, 1)
    assert found[0, 0] == 0


@given(testing.arrays("int32", (5,), unique=True))
def test_unique(x: fx.Array) -> None:
    assert len(set(np.asarray(x).tolist())) == 5


@given(testing.arrays("float32", 3, elements=st.sampled_from([1.0, 2.0])))
def test_elements(x: fx.Array) -> None:
    assert set(np.asarray(x).tolist()) <= {1.0, 2.0}


@given(testing.arrays())
def test_without_arguments_anything_goes(x: fx.Array) -> None:
    assert fx.tree.leaves(x) == [x] or np.isnan(wide(x)).any() or x.size != 1


@pytest.mark.parametrize(
    ("strategy", "match"),
    [
        (lambda: testing.arrays("float32", (), min_value=0.1), "is not a number of dtype f32"),
        (lambda: testing.arrays("bfloat16", (), max_value=257), "is not a number of dtype bf16"),
        (lambda: testing.arrays("complex64", (), min_value=0), "c64 have no min_value"),
        (lambda: testing.arrays("bool", (), max_value=1), "bool have no max_value"),
        (lambda: testing.arrays("int8", (), allow_nan=True), "i8 have no allow_nan"),
        (
            lambda: testing.arrays("f4", (), elements=st.just(0.0), min_value=0),
            "excludes min_value",
        ),
        (lambda: testing.arrays("float32", (), min_value=2, max_value=1), "max_value"),
        (lambda: testing.dtypes(["floats"]), "expected some of"),
        (lambda: testing.dtypes([]), "at least one kind"),
        (lambda: testing.shapes(min_dims=3, max_dims=1), "max_dims"),
        (lambda: testing.pytrees(st.none(), containers=["sets"]), "expected some of"),
        (lambda: testing.pytrees(3), "must be a strategy"),
        (lambda: testing.programs(dtype="int32"), "must be a floating-point dtype"),
        (lambda: testing.programs(max_equations=0), "at least 1"),
    ],
)
def test_wrong_options_are_refused(strategy, match: str) -> None:
    with pytest.raises(InvalidArgument, match=match):
        strategy().validate()
