"""Sorting and selection: ordered, a permutation, stable; derivatives move with the elements."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fx
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError
from tests import laws

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)
DTYPES = ["bool", "int8", "uint16", "int32", "int64", "uint64"]
DTYPES += ["float16", "bfloat16", "float32", "float64"]


def few_values(dtype, shape):
    """Arrays with ties, in which order among equals shows."""
    elements = st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0])
    if dtype in ("float32", "float64", "float16", "bfloat16"):
        elements = elements | st.sampled_from([np.nan, np.inf, -np.inf])
    wanted = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    return hnp.arrays(np.float32, shape, elements=elements).map(lambda x: x.astype(wanted))


def wide(x):
    return x.astype(np.float32) if x.dtype.name in ("bfloat16", "float16") else x


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@settings(max_examples=20)
def test_sort_is_numpys_stable_sort(dtype, data):
    shape = data.draw(SHAPES)
    x = data.draw(few_values(dtype, shape))
    axis = data.draw(st.integers(0, x.ndim - 1))
    places = np.broadcast_to(np.arange(shape[axis]).reshape(-1, *(1,) * (x.ndim - axis - 1)), shape)
    values, order = P.sort(Array(x), Array(places), dimension=axis, is_stable=True, num_keys=1)
    assert values.dtype == x.dtype
    expected = np.argsort(wide(x), axis=axis, kind="stable")
    np.testing.assert_array_equal(order, expected)
    np.testing.assert_array_equal(
        wide(values._data), wide(np.take_along_axis(x, expected, axis=axis))
    )


@given(st.data())
def test_several_keys_are_lexicographic(data):
    shape = data.draw(SHAPES)
    keys = [data.draw(few_values("int8", shape)) for _ in range(3)]
    axis = data.draw(st.integers(0, len(shape) - 1))
    n = data.draw(st.integers(1, 3))
    outs = P.sort(*map(Array, keys), dimension=axis, is_stable=True, num_keys=n)
    order = np.lexsort(keys[:n][::-1], axis=axis)
    for out, key in zip(outs, keys, strict=True):
        np.testing.assert_array_equal(out, np.take_along_axis(key, order, axis=axis))


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@settings(max_examples=20)
def test_top_k_is_the_head_of_a_descending_sort(dtype, data):
    x = data.draw(few_values(dtype, data.draw(SHAPES)))
    axis = data.draw(st.integers(0, x.ndim - 1))
    k = data.draw(st.integers(0, x.shape[axis]))
    values, places = P.top_k(Array(x), k=k, axis=axis)
    assert (values.dtype, places.dtype) == (x.dtype, np.dtype(np.int32))
    taken = np.take_along_axis(x, places._data, axis=axis)
    np.testing.assert_array_equal(wide(values._data), wide(taken))
    ascending = np.sort(wide(x), axis=axis)  # NaN last: the largest
    head = np.flip(ascending, axis).take(range(k), axis=axis)
    np.testing.assert_array_equal(wide(values._data), head)
    # Of equals the first comes first, where -0.0 is below 0.0.
    order, found = np.moveaxis(places._data, axis, -1), np.moveaxis(wide(values._data), axis, -1)
    equal = (found[..., 1:] == found[..., :-1]) & (
        np.copysign(1, found[..., 1:]) == np.copysign(1, found[..., :-1])
    )
    assert (order[..., 1:] > order[..., :-1])[equal].all()
    assert (np.diff(np.sort(order, axis=-1), axis=-1) > 0).all()


# ------------------------------------------------------------------ transformations
@pytest.mark.parametrize("axis", [0, 1])
def test_laws(axis):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4, 5))
    sort = lambda *xs: tuple(P.sort(*xs, dimension=axis, is_stable=True, num_keys=1))
    laws.check_laws(sort, x, y)
    laws.check_laws(lambda x: P.top_k(x, k=3, axis=axis), x)


def test_values_are_differentiated_even_where_keys_are_integers():
    keys, values = np.array([2, 0, 1]), np.array([10.0, 20.0, 30.0])
    weights = np.array([1.0, 2.0, 3.0])

    def weighted(values):
        _, moved = P.sort(keys, values, dimension=0, is_stable=True, num_keys=1)
        return P.reduce_sum(P.mul(moved, weights), axes=(0,))

    np.testing.assert_array_equal(fx.grad(weighted)(values), [3, 1, 2])


def test_second_derivatives():
    x = np.array([3.0, 1.0, 2.0])

    def cubes_by_rank(x):
        ordered = P.sort(x, dimension=0, is_stable=True, num_keys=1)[0]
        return P.reduce_sum(P.mul(P.integer_pow(ordered, y=3), np.arange(1.0, 4)), axes=(0,))

    hessian = fx.vmap(lambda v: fx.jvp(fx.grad(cubes_by_rank), (x,), (v,))[1])(np.eye(3))
    np.testing.assert_allclose(np.asarray(hessian), np.diag(6 * x * np.array([3, 1, 2])))


# ------------------------------------------------------------------ errors
def test_what_does_not_fit_is_refused():
    x, y = Array(np.ones((2, 3))), Array(np.ones((3, 2)))
    options = {"is_stable": True, "num_keys": 1}
    with pytest.raises(ShapeError, match="one shape"):
        P.sort(x, y, dimension=0, **options)
    with pytest.raises(FxValueError, match=r"an axis in \[0, 2\), got 2"):
        P.sort(x, dimension=2, **options)
    with pytest.raises(FxValueError, match="num_keys between 1"):
        P.sort(x, dimension=0, is_stable=True, num_keys=2)
    with pytest.raises(FxValueError, match=r"k in \[0, 3\]"):
        P.top_k(x, k=4, axis=1)
    with pytest.raises(FxTypeError, match="top_k expects"):
        P.top_k(Array(np.ones(2, np.complex64)), k=1, axis=0)
