"""Cumulative reductions equal NumPy's accumulations; their derivatives hold at zeros and ties."""

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
from fx.ops.cumulative import prefixes
from fx.ops.reduce import dual_mul
from tests import laws

NUMPY = {
    "cumsum": np.add,
    "cumprod": np.multiply,
    "cummax": np.maximum,
    "cummin": np.minimum,
    "cumlogsumexp": np.logaddexp,
}
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)


def accumulated(name, x, axis, reverse):
    if reverse:
        return np.flip(accumulated(name, np.flip(x, axis), axis, False), axis)
    with np.errstate(all="ignore"):
        return NUMPY[name].accumulate(x, axis=axis, dtype=x.dtype)


@st.composite
def cases(draw, dtype, special=()):
    shape = draw(SHAPES)
    quarters = st.integers(-8, 8).map(lambda n: n / 4)
    elements = quarters | st.sampled_from(special) if special else quarters
    x = draw(hnp.arrays(np.float64, shape, elements=elements)).astype(dtype)
    return x, draw(st.integers(0, len(shape) - 1)), draw(st.booleans())


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@given(data=st.data())
def test_values_are_numpys(name, dtype, data):
    special = (np.nan, np.inf, -np.inf)
    wanted = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    x, axis, reverse = data.draw(cases(wanted, special))
    out = P.table[name](Array(x), axis=axis, reverse=reverse)
    assert (out.shape, out.dtype) == (x.shape, x.dtype)
    half = x.itemsize == 2
    expected = accumulated(name, x.astype(np.float32) if half else x, axis, reverse)
    rtol = 1e-2 if half else 1e-5
    wide = [np.asarray(a).astype(np.float64) for a in (out._data, expected.astype(x.dtype))]
    np.testing.assert_allclose(*wide, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin"])
@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "complex64"])
@given(data=st.data())
@settings(max_examples=10)
def test_values_of_other_dtypes_are_numpys(name, dtype, data):
    x, axis, reverse = data.draw(cases("int8"))
    x = x.astype(dtype)
    out = P.table[name](Array(x), axis=axis, reverse=reverse)
    assert out.dtype == x.dtype
    np.testing.assert_allclose(out, accumulated(name, x, axis, reverse), rtol=1e-5)


# ------------------------------------------------------------------ transformations
@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape, axis", [((1,), 0), ((2,), 0), ((7,), 0), ((3, 8), 1), ((5, 2), 0)])
def test_laws(name, reverse, shape, axis):
    x = np.random.default_rng(0).normal(size=shape)
    function = lambda x: P.table[name](x, axis=axis, reverse=reverse)
    laws.check_laws(function, x)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cumlogsumexp"])
def test_complex_derivatives(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=6) + 1j * rng.normal(size=6)
    laws.check_derivatives(lambda x: P.table[name](x, axis=0, reverse=False), x)


@pytest.mark.parametrize("name", ["cumprod", "cummax", "cummin", "cumlogsumexp"])
@given(x=hnp.arrays(np.float64, st.integers(1, 9), elements=st.sampled_from([0.0, 1.0, 2.0])))
@settings(max_examples=15)
def test_derivatives_are_those_of_the_reductions_of_prefixes(name, x):
    fold = {
        "cumprod": lambda x: P.reduce_prod(x, axes=(0,)),
        "cummax": lambda x: P.reduce_max(x, axes=(0,)),
        "cummin": lambda x: P.reduce_min(x, axes=(0,)),
        "cumlogsumexp": lambda x: P.log(P.reduce_sum(P.exp(x), axes=(0,))),
    }[name]
    t = np.arange(1.0, x.size + 1)
    _, tangent = fx.jvp(lambda x: P.table[name](x, axis=0, reverse=False), (x,), (t,))
    expected = [fx.jvp(fold, (x[:n],), (t[:n],))[1] for n in range(1, x.size + 1)]
    np.testing.assert_allclose(tangent, [float(e) for e in expected], rtol=1e-12)


def test_second_derivatives_at_zeros():
    x = np.array([0.0, 2.0, 0.0, 3.0])
    last = lambda x: P.reduce_sum(P.cumprod(x, axis=0, reverse=True), axes=(0,))
    hessian = fx.vmap(lambda v: fx.jvp(fx.grad(last), (x,), (v,))[1])(np.eye(4))
    # sum of suffix products: 0*2*0*3 + 2*0*3 + 0*3 + 3
    expected = np.zeros((4, 4))
    expected[0, 2] = expected[2, 0] = 6
    expected[1, 2] = expected[2, 1] = 3
    expected[2, 3] = expected[3, 2] = 1 + 2
    np.testing.assert_allclose(np.asarray(hessian), expected)


def test_logsumexp_of_infinities_has_finite_derivatives():
    x = np.array([-np.inf, -np.inf, 1.0, 2.0])
    function = lambda x: P.cumlogsumexp(x, axis=0, reverse=False)
    out, tangent = fx.jvp(function, (x,), (np.ones(4),))
    np.testing.assert_allclose(out, [-np.inf, -np.inf, 1, np.logaddexp(1, 2)])
    np.testing.assert_allclose(tangent, [1, 0, 1, 1])
    _, tangent = fx.jvp(function, (np.array([1.0, np.inf, 2.0]),), (np.array([5.0, 3.0, 7.0]),))
    np.testing.assert_allclose(tangent, [5, 3, 3])


def test_derivative_of_a_running_maximum_is_nan_from_a_nan_on():
    x = np.array([1.0, np.nan, 3.0])
    function = lambda x: P.cummax(x, axis=0, reverse=False)
    _, tangent = fx.jvp(function, (x,), (np.ones(3),))
    np.testing.assert_array_equal(tangent, [1, np.nan, np.nan])


@given(st.integers(0, 33))
@settings(max_examples=34)
def test_prefixes_of_any_length_by_an_operation_that_does_not_commute(size):
    """Affine maps x -> a x + b, composed from left to right."""
    rng = np.random.default_rng(size)
    a, b = rng.normal(size=(2, size))
    slopes, offsets = prefixes(
        lambda f, g: (P.mul(f[0], g[0]), P.add(P.mul(g[0], f[1]), g[1])), (Array(a), Array(b)), 0
    )
    slope, offset = 1.0, 0.0
    for i in range(size):
        slope, offset = a[i] * slope, a[i] * offset + b[i]
        np.testing.assert_allclose([slopes._data[i], offsets._data[i]], [slope, offset])


def test_prefixes_take_linear_work():
    size = 1024
    x = np.ones(size)
    jaxpr = fx.make_jaxpr(lambda x, t: prefixes(dual_mul, (x, t), 0))(x, x)
    products = sum(e.outvars[0].aval.size for e in jaxpr.eqns if e.primitive.name == "mul")
    assert products <= 3 * 2 * size


# ------------------------------------------------------------------ errors
def test_wrong_axes_and_dtypes_are_refused():
    x = Array(np.ones((2, 3)))
    for axis in (-1, 2):
        with pytest.raises(FxValueError, match=r"cumsum expects an axis in \[0, 2\)"):
            P.cumsum(x, axis=axis, reverse=False)
    with pytest.raises(FxTypeError, match="cumsum expects operands"):
        P.cumsum(Array(np.ones(2, bool)), axis=0, reverse=False)
    with pytest.raises(FxTypeError, match="cumlogsumexp expects operands"):
        P.cumlogsumexp(Array(np.ones(2, np.int32)), axis=0, reverse=False)
