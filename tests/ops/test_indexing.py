"""Dynamic slices and gather: values as in JAX, and the laws, for dimension numbers drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fx
from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.ops.dimension_numbers import GatherDimensionNumbers, GatherScatterMode
from tests.laws import check_laws
from tests.ops.windows import gathers

CLIP, FILL = GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP


def numbered(shape, dtype=np.float64):
    return np.arange(1, 1 + int(np.prod(shape)), dtype=np.float64).reshape(shape).astype(dtype)


def gather(x, indices, case, fill_value=None):
    return P.gather(
        x,
        indices,
        dimension_numbers=case.numbers,
        slice_sizes=case.sizes,
        indices_are_sorted=False,
        unique_indices=False,
        mode=case.mode,
        fill_value=fill_value,
    )


def others(i, x, seed):
    """Other indices near the examples, or other numbers."""
    rng = np.random.default_rng(seed)
    if dtypes.is_integer(x.dtype):
        return rng.integers(0, 1 + max(x._data.max(initial=0), 0), x.shape).astype(x.dtype)
    return rng.normal(size=x.shape)


# ------------------------------------------------------------------ dynamic slices
@st.composite
def windows(draw):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4))
    sizes = tuple(draw(st.integers(0, n)) for n in shape)
    starts = [np.int32(draw(st.integers(-2, n + 2))) for n in shape]
    moved = [min(max(s, 0), n - k) for s, n, k in zip(starts, shape, sizes, strict=True)]
    index = tuple(slice(s, s + k) for s, k in zip(moved, sizes, strict=True))
    return shape, sizes, starts, index


def other_starts(i, x, seed):
    rng = np.random.default_rng(seed)
    return np.int32(rng.integers(-2, 6)) if x.dtype == np.int32 else rng.normal(size=x.shape)


@given(windows())
def test_dynamic_slice(case):
    shape, sizes, starts, index = case
    x = numbered(shape)
    out = P.dynamic_slice(x, *starts, slice_sizes=sizes)
    np.testing.assert_array_equal(out._data, x[index])
    f = lambda x, *starts: P.dynamic_slice(x, *starts, slice_sizes=sizes)
    check_laws(f, x, *starts, vary=other_starts)


@given(windows())
def test_dynamic_update_slice(case):
    shape, sizes, starts, index = case
    x, update = numbered(shape), -numbered(sizes)
    expected = x.copy()
    expected[index] = update
    out = P.dynamic_update_slice(x, update, *starts)
    np.testing.assert_array_equal(out._data, expected)
    check_laws(P.dynamic_update_slice, x, update, *starts, vary=other_starts)


def test_a_dynamic_slice_with_mapped_operand_stays_one():
    f = lambda x, i: P.dynamic_slice(x, i, slice_sizes=(2,))
    text = str(fx.make_jaxpr(fx.vmap(f, in_axes=(1, None), out_axes=1))(np.zeros((4, 3)), 1))
    assert "dynamic_slice" in text and "gather" not in text and "transpose" not in text


# ------------------------------------------------------------------ gather
@settings(max_examples=20)  # XLA compiles each
@given(gathers())
def test_gather_equals_jax(case):
    lax = pytest.importorskip("jax.lax")
    for dtype in (np.float32, np.int8, np.uint16, np.bool_):
        x = numbered(case.shape, dtype)
        expected = lax.gather(
            x,
            case.indices,
            lax.GatherDimensionNumbers(*case.numbers),
            case.sizes,
            mode=case.mode.value.removesuffix("_or_drop"),
        )
        out = gather(x, case.indices, case)
        assert out.shape == case.result and out.dtype == dtype
        np.testing.assert_array_equal(out._data, expected)


@given(gathers())
def test_gather_laws(case):
    f = lambda x, i: gather(x, i, case)
    if case.mode is FILL:  # NaN has no difference quotient
        f = lambda x, i: gather(x, i, case, fill_value=3.0)
    check_laws(f, numbered(case.shape), case.indices, vary=others)


@given(gathers(modes=[CLIP, FILL]), st.sampled_from([np.int8, np.uint8, np.uint64, np.int64]))
def test_indices_of_any_integer_dtype(case, dtype):
    x, info = numbered(case.shape), np.iinfo(dtype)
    indices = np.clip(case.indices.astype(np.int64), 0 if info.min == 0 else None, None)
    wide = gather(x, indices, case)
    np.testing.assert_array_equal(gather(x, indices.astype(dtype), case)._data, wide._data)
    np.testing.assert_array_equal(
        gather(x, np.full_like(indices, info.max, dtype), case)._data,
        gather(x, np.full_like(indices, 100), case)._data,
    )


@pytest.mark.parametrize(
    "dtype, fill",
    [
        (np.int16, np.iinfo(np.int16).min),
        (np.uint16, np.iinfo(np.uint16).max),
        (np.bool_, True),
        (np.float16, np.nan),
        (dtypes.bfloat16, np.nan),
        (np.complex64, np.nan),
    ],
)
def test_fill_values(dtype, fill):
    numbers = GatherDimensionNumbers((), (0,), (0,))
    out = P.gather(
        np.ones(3, dtype),
        np.array([[1], [7]]),
        dimension_numbers=numbers,
        slice_sizes=(1,),
        indices_are_sorted=False,
        unique_indices=False,
        mode=FILL,
        fill_value=None,
    )
    assert out.dtype == dtype
    wide = np.complex64 if out.dtype.kind == "c" else np.float64
    np.testing.assert_array_equal(out._data.astype(wide), np.array([1, fill], wide))


def test_keys_are_gathered_whole():
    data = np.zeros(3, dtypes.key_dtype)
    data["k0"] = [1, 2, 3]
    numbers = GatherDimensionNumbers((), (0,), (0,))
    out = P.gather(
        Array(data),
        np.array([[2], [9]]),
        dimension_numbers=numbers,
        slice_sizes=(1,),
        indices_are_sorted=False,
        unique_indices=False,
        mode=FILL,
        fill_value=None,
    )
    assert out._data["k0"].tolist() == [3, 2**32 - 1]


# ------------------------------------------------------------------ errors
X, WHERE = np.zeros((3, 4)), np.zeros((2, 1), np.int32)
GOOD = GatherDimensionNumbers((1,), (0,), (0,))


@pytest.mark.parametrize(
    "operand, indices, numbers, sizes, kind, text",
    [
        (X, WHERE.astype(float), GOOD, (1, 4), FxTypeError, "integer indices"),
        (X, np.int32(0), GOOD, (1, 4), ShapeError, "rank 1 or more"),
        (X, WHERE, GOOD._replace(offset_dims=(5,)), (1, 4), ShapeError, "offset_dims must lie"),
        (X, WHERE, GOOD._replace(collapsed_slice_dims=(0, 0)), (1, 4), ShapeError, "distinct"),
        (X, WHERE, GatherDimensionNumbers((2, 1), (), (0,)), (1, 4), ShapeError, "ascend"),
        (X, WHERE, GOOD._replace(start_index_map=(0, 1)), (1, 4), ShapeError, "length 1"),
        (
            X,
            WHERE,
            GOOD._replace(start_index_map=(2,)),
            (1, 4),
            ShapeError,
            "start_index_map must lie",
        ),
        (X, WHERE, GOOD, (1,), ShapeError, "must be 2 numbers"),
        (X, WHERE, GOOD, (1, 5), ShapeError, r"lie in \[0, 4\]"),
        (X, WHERE, GOOD, (2, 4), ShapeError, "must be 1 for the axis 0"),
        (X, WHERE, GatherDimensionNumbers((), (0,), (0,)), (1, 4), ShapeError, "as many as the 1"),
        (
            X,
            WHERE,
            GatherDimensionNumbers((1,), (0,), (0,), (0,), (0,)),
            (1, 4),
            ShapeError,
            "disjoint",
        ),
        (
            X,
            WHERE,
            GatherDimensionNumbers((1,), (), (1,), (0,), ()),
            (1, 4),
            ShapeError,
            "as many as",
        ),
        (
            X,
            WHERE,
            GatherDimensionNumbers((1,), (), (1,), (0,), (0,)),
            (1, 4),
            ShapeError,
            "sizes of",
        ),
        (
            X,
            WHERE,
            GatherDimensionNumbers((1,), (), (0,), (0,), (0,)),
            (1, 4),
            ShapeError,
            "disjoint",
        ),
    ],
)
def test_gather_errors(operand, indices, numbers, sizes, kind, text):
    with pytest.raises(kind, match=text):
        P.gather(
            operand,
            indices,
            dimension_numbers=numbers,
            slice_sizes=sizes,
            indices_are_sorted=False,
            unique_indices=False,
            mode=CLIP,
            fill_value=None,
        )


@pytest.mark.parametrize(
    "call, kind, text",
    [
        (lambda: P.dynamic_slice(X, 0, slice_sizes=(1, 1)), ShapeError, "each of its 2 axes"),
        (lambda: P.dynamic_slice(X, 0, 0, slice_sizes=(4, 1)), ShapeError, "fits inside"),
        (lambda: P.dynamic_slice(X, 0, 0.0, slice_sizes=(1, 1)), FxTypeError, "integer scalars"),
        (
            lambda: P.dynamic_slice(X, WHERE[0], 0, slice_sizes=(1, 1)),
            FxTypeError,
            "integer scalars",
        ),
        (lambda: P.dynamic_update_slice(X, X.astype("f"), 0, 0), FxTypeError, "same dtype"),
        (lambda: P.dynamic_update_slice(X, X[0], 0, 0), ShapeError, "rank 2"),
        (lambda: GatherScatterMode.from_any("near"), FxValueError, "'clip'"),
    ],
)
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_mode_names():
    names = ["fill", "drop", "clip", "promise_in_bounds", None, CLIP]
    found = [GatherScatterMode.from_any(n) for n in names]
    assert found == [FILL, FILL, CLIP, GatherScatterMode.PROMISE_IN_BOUNDS, FILL, CLIP]
    assert repr(CLIP) == "GatherScatterMode.CLIP"


def test_weak_type_of_the_operand_stays():
    weak = P.broadcast_in_dim(to_array(1.0), shape=(3,), broadcast_dimensions=())
    assert P.dynamic_slice(weak, np.int32(0), slice_sizes=(2,)).weak_type
