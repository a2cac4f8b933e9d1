"""Reductions equal NumPy's for every dtype, shape and choice of axes; derivatives obey the laws."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fx
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError
from tests import laws

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["bfloat16", "float16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
NUMBERS = [*INTEGERS, *FLOATS, *COMPLEX]
HALF = ("bfloat16", "float16")

NUMPY = {
    "reduce_sum": np.add,
    "reduce_prod": np.multiply,
    "reduce_max": np.maximum,
    "reduce_min": np.minimum,
    "reduce_and": np.bitwise_and,
    "reduce_or": np.bitwise_or,
    "reduce_xor": np.bitwise_xor,
}
DOMAINS = {
    "reduce_sum": NUMBERS,
    "reduce_prod": NUMBERS,
    "reduce_max": ["bool", *NUMBERS],
    "reduce_min": ["bool", *NUMBERS],
    "reduce_and": ["bool", *INTEGERS],
    "reduce_or": ["bool", *INTEGERS],
    "reduce_xor": ["bool", *INTEGERS],
}
DERIVED = ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"]


def numbers(dtype, shape):
    """Arrays of small numbers, which every dtype holds exactly, NaN and infinities included."""
    dtype = np.dtype(dtype) if dtype != "bfloat16" else np.dtype(ml_dtypes.bfloat16)
    if dtype.kind == "b":
        return hnp.arrays(bool, shape)
    if dtype.kind in "iu":
        return hnp.arrays(dtype, shape)
    finite = st.integers(-16, 16).map(lambda n: n / 4)
    special = st.sampled_from([np.nan, np.inf, -np.inf, -0.0])
    real = hnp.arrays(np.float32, shape, elements=finite | special)
    if dtype.kind != "c":
        return real.map(lambda x: x.astype(dtype))
    whole = hnp.arrays(np.float32, shape, elements=finite)
    return st.tuples(whole, whole).map(lambda pair: (pair[0] + 1j * pair[1]).astype(dtype))


@st.composite
def reductions(draw, names=tuple(NUMPY), dtypes=None):
    name = draw(st.sampled_from(names))
    dtype = draw(st.sampled_from(dtypes or DOMAINS[name]))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    axes = draw(st.sets(st.integers(0, len(shape) - 1))) if shape else set()
    x = draw(numbers(dtype, shape))
    order = draw(st.permutations(range(len(shape))))
    return name, x.transpose(order), tuple(draw(st.permutations(sorted(axes))))


def reference(name, x, axes):
    """The reduction by NumPy, with half precision computed in float32 and rounded once."""
    ufunc = NUMPY[name]
    wide = x.astype(np.float32) if x.dtype.name in HALF else x
    with np.errstate(all="ignore"):
        if ufunc in (np.add, np.multiply):
            out = ufunc.reduce(wide, axis=axes, dtype=wide.dtype)
        elif ufunc in (np.maximum, np.minimum):
            out = ufunc.reduce(wide, axis=axes, initial=P.table[name].identity(wide.dtype))
        else:
            out = ufunc.reduce(wide, axis=axes)
        return np.asarray(out).astype(x.dtype)


@given(reductions())
def test_values_are_numpys(case):
    name, x, axes = case
    out, expected = P.table[name](Array(x), axes=axes)._data, reference(name, x, axes)
    assert (out.shape, out.dtype) == (expected.shape, x.dtype)
    if x.dtype.name in HALF:
        out, expected = out.astype(np.float32), expected.astype(np.float32)
    # Sums and products of floats may be taken in another order.
    loose = name in ("reduce_sum", "reduce_prod") and x.dtype.kind in "fcV"
    rtol = (1e-2 if x.dtype.name in HALF else 1e-5) if loose else 0
    np.testing.assert_allclose(out, expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("size", [3, 4, 100, 4096, 5000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_rows_are_accurate_whichever_way_they_are_added(size, dtype):
    x = np.random.default_rng(size).normal(size=(3, size)).astype(dtype)
    for rows in (x, x.T.copy().T, x[:, ::2]):
        out = P.reduce_sum(Array(rows), axes=(1,))._data
        expected = rows.astype(np.float64).sum(1)
        np.testing.assert_allclose(out, expected, atol=np.finfo(dtype).eps * size)


def test_half_precision_is_summed_in_float32():
    for dtype in (np.float16, ml_dtypes.bfloat16):
        ones = Array(np.ones((4000,), dtype))
        out = P.reduce_sum(ones, axes=(0,))
        assert out.dtype == dtype
        assert float(out._data) == float(np.asarray(4000, dtype))


@pytest.mark.parametrize("dtype", ["bool", *NUMBERS])
def test_extrema_of_nothing_lose_against_everything(dtype):
    empty = Array(np.zeros((0, 2), ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype))
    low, high = P.reduce_max(empty, axes=(0,))._data, P.reduce_min(empty, axes=(0,))._data
    assert low.dtype == high.dtype == empty.dtype and low.shape == (2,)
    if empty.dtype.kind in "iu":
        assert (low[0], high[0]) == (np.iinfo(dtype).min, np.iinfo(dtype).max)
    elif empty.dtype.kind == "b":
        assert (low[0], high[0]) == (False, True)
    else:
        assert (complex(low[0]), complex(high[0])) == (-np.inf, np.inf)


# ------------------------------------------------------------------ positions
@given(reductions(names=("reduce_max", "reduce_min")), st.sampled_from(["int32", "uint8"]))
def test_argmax_finds_the_first_extremum(case, index_dtype):
    name, x, _ = case
    if not x.size:
        return
    ordinary = x.astype(np.float32) if x.dtype.name in HALF else x
    find = np.argmax if name == "reduce_max" else np.argmin
    primitive = P.argmax if name == "reduce_max" else P.argmin
    for axis in range(x.ndim):
        out = primitive(Array(x), axes=(axis,), index_dtype=np.dtype(index_dtype))
        assert out.dtype == index_dtype
        np.testing.assert_array_equal(out._data, find(ordinary, axis=axis))


# ------------------------------------------------------------------ transformations
@given(reductions())
@settings(max_examples=25)
def test_vmap_and_jit(case):
    name, x, axes = case
    laws.check_vmap(lambda x: P.table[name](x, axes=axes), x, rtol=1e-2)
    laws.check_jit(lambda x: P.table[name](x, axes=axes), x)


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("shape, axes", [((5,), (0,)), ((3, 4), (1,)), ((2, 3, 7), (2, 0))])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_derivatives(name, shape, axes, dtype):
    if dtype == "complex128" and name in ("reduce_max", "reduce_min"):
        return
    x = np.random.default_rng(1).normal(size=shape).astype(dtype)
    laws.check_laws(lambda x: P.table[name](x, axes=axes), x)


@pytest.mark.parametrize("zeros", [0, 1, 2, 5])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_product_has_exact_derivatives_at_zeros(zeros, size):
    x = np.arange(1.0, size + 1)
    x[:zeros] = 0
    expected = [np.prod(np.delete(x, i)) for i in range(size)]
    gradient = fx.grad(lambda x: P.reduce_prod(x, axes=(0,)))(x)
    np.testing.assert_allclose(np.asarray(gradient), expected)
    hessian = fx.vmap(
        lambda v: fx.jvp(fx.grad(lambda x: P.reduce_prod(x, axes=(0,))), (x,), (v,))[1]
    )(np.eye(size))
    pairs = [
        [0.0 if i == j else np.prod(np.delete(x, [i, j])) for i in range(size)] for j in range(size)
    ]
    np.testing.assert_allclose(np.asarray(hessian), pairs)


def test_product_over_nothing_has_no_derivative():
    x = np.ones((0, 2))
    out, tangent = fx.jvp(lambda x: P.reduce_prod(x, axes=(0,)), (x,), (x,))
    np.testing.assert_array_equal(np.asarray(out), [1, 1])
    np.testing.assert_array_equal(np.asarray(tangent), [0, 0])


@pytest.mark.parametrize("name", ["reduce_max", "reduce_min"])
def test_ties_share_the_derivative_and_nan_spoils_it(name):
    sign = 1 if name == "reduce_max" else -1
    gradient = fx.grad(lambda x: P.table[name](x, axes=(0,)))
    ties = gradient(np.array([3.0, 1.0, 3.0, 3.0]) * sign)
    np.testing.assert_allclose(np.asarray(ties), [1 / 3, 0, 1 / 3, 1 / 3])
    assert np.isnan(np.asarray(gradient(np.array([1.0, np.nan])))).all()


# ------------------------------------------------------------------ array modules like CuPy
class Other:
    """NumPy under another name: what an array module without `ufunc.reduce` is asked for."""

    def __getattr__(self, name):
        return getattr(np, name)


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("size", [0, 1, 2, 5, 8])
def test_other_array_modules_need_no_reduce_of_ufuncs(name, size):
    x = np.random.default_rng(0).integers(0, 100, (3, size, 2)).astype(np.int16)
    for axes in ((1,), (0, 2), (2, 1), ()):
        out = P.table[name].impl(Other(), x, axes=axes)
        assert out.dtype == x.dtype
        np.testing.assert_array_equal(out, reference(name, x, axes))


# ------------------------------------------------------------------ errors
@pytest.mark.parametrize("axes", [(2,), (-1,), (0, 0)])
def test_wrong_axes_are_refused_eagerly_and_when_traced(axes):
    x = np.ones((2, 3), np.float32)
    with pytest.raises(FxValueError, match="distinct axes"):
        P.reduce_sum(Array(x), axes=axes)
    with pytest.raises(FxValueError, match="distinct axes"):
        fx.make_jaxpr(lambda x: P.reduce_sum(x, axes=axes))(x)


def test_dtypes_outside_the_domain_are_refused():
    with pytest.raises(FxTypeError, match="reduce_sum expects"):
        P.reduce_sum(Array(np.ones(2, bool)), axes=(0,))
    with pytest.raises(FxTypeError, match="reduce_and expects"):
        P.reduce_and(Array(np.ones(2)), axes=(0,))


def test_positions_in_nothing_and_of_float_dtype_are_refused():
    int32 = np.dtype(np.int32)
    with pytest.raises(FxValueError, match="no elements"):
        P.argmax(Array(np.ones((0, 2))), axes=(0,), index_dtype=int32)
    with pytest.raises(FxValueError, match="exactly one axis"):
        P.argmax(Array(np.ones((3, 2))), axes=(0, 1), index_dtype=int32)
    with pytest.raises(FxTypeError, match="integer index_dtype"):
        P.argmax(Array(np.ones((3, 2))), axes=(0,), index_dtype=np.dtype(np.float32))
