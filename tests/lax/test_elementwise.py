"""Elementwise lax functions: values as in JAX for every dtype and special values, and the laws."""

import functools

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import dtypes, lax
from fx.core.array import Array
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.lax import elementwise
from tests.laws import check_derivatives, check_jit, check_laws, check_vmap, numbers

UNARY = {
    name: function
    for name, function in vars(elementwise).items()
    if callable(function) and "x: an array of" in (function.__doc__ or "")
}
BINARY = {
    name: function
    for name, function in vars(elementwise).items()
    if callable(function) and "x, y: arrays of one dtype" in (function.__doc__ or "")
}
DTYPES = {
    "bool": np.bool_,
    "int8": np.int8,
    "int32": np.int32,
    "uint8": np.uint8,
    "uint32": np.uint32,
    "float16": np.float16,
    "bfloat16": dtypes.bfloat16,
    "float32": np.float32,
    "complex64": np.complex64,
}
TOLERANCE = {"float16": 5e-3, "bfloat16": 2e-2, "float32": 3e-6, "complex64": 1e-4}


def samples(dtype):
    """Ordinary and extreme values of a dtype."""
    name = np.dtype(dtype).name
    if name == "bool":
        return np.array([False, True])
    if name.startswith(("int", "uint")):
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, 3, 7, info.max, info.max - 1, info.min, info.min // 2], dtype)
    real = np.array([0.0, -0.0, 0.3, -0.7, 1.0, -1.0, 2.5, -3.25, 9.0])
    if name == "complex64":
        return (real[:, None] + 1j * np.array([0.5, -1.25])).reshape(-1).astype(dtype)
    return np.concatenate([real, [0.5, 1.5, np.inf, -np.inf, np.nan]]).astype(dtype)


def test_the_table_is_complete():
    assert len(UNARY) == 33 and len(BINARY) == 22
    for name in [*UNARY, *BINARY]:
        assert getattr(lax, name).__name__ == name


# fx is defined on a little more than JAX, and on complex angles it is not.
WIDER = {"add", "mul", "abs", "complex"}


def compare(name, ours, theirs, *args):
    """Equal values, or an error from both."""
    try:
        expected = theirs(*args)
    except TypeError:
        if name not in WIDER:
            with pytest.raises(FxTypeError, match="expects operands of a"):
                ours(*args)
        return
    if name == "atan2" and args[0].dtype.kind == "c":
        return
    got = ours(*args)
    assert got.dtype == expected.dtype, (name, got.dtype, expected.dtype)
    tolerance = TOLERANCE.get(got.dtype.name, 0)
    actual, wanted = numbers(got), numbers(np.asarray(expected))
    if name == "asinh" and actual.dtype.kind == "c":  # on the cut both sides are right
        actual, wanted = abs(actual.real), abs(wanted.real)
    np.testing.assert_allclose(actual, wanted, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_unary_functions_equal_jax(dtype):
    theirs = pytest.importorskip("jax.lax")
    x = samples(dtype)
    for name, function in UNARY.items():
        compare(name, function, getattr(theirs, name), x)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_binary_functions_equal_jax(dtype):
    theirs = pytest.importorskip("jax.lax")
    x = samples(dtype)
    a, b = [v.reshape(-1) for v in np.meshgrid(x, x)]
    for name, function in BINARY.items():
        left, right = a, b
        if name.startswith("shift"):  # beyond the width, or negative
            right = np.clip(b, 0 if np.dtype(dtype).kind == "u" else -1, 40).astype(dtype)
        compare(name, function, getattr(theirs, name), left, right)


# ------------------------------------------------------------------ derivatives
SMOOTH = {
    "asin": (-0.9, 0.9),
    "acos": (-0.9, 0.9),
    "atanh": (-0.9, 0.9),
    "acosh": (1.2, 3.0),
    "log": (0.2, 3.0),
    "log1p": (-0.8, 3.0),
    "sqrt": (0.2, 3.0),
    "rsqrt": (0.2, 3.0),
    "cbrt": (0.2, 3.0),
    "tan": (-1.2, 1.2),
}
REAL_ONLY = {"cbrt", "floor", "ceil", "is_finite"}
INTEGER_ONLY = {"bitwise_not", "population_count", "clz"}


@pytest.mark.parametrize("name", sorted(set(UNARY) - INTEGER_ONLY))
def test_unary_laws(name):
    rng = np.random.default_rng(0)
    low, high = SMOOTH.get(name, (-2.0, 2.0))
    x = rng.uniform(low, high, (2, 3))
    f = UNARY[name]
    if name not in ("real", "imag"):
        check_laws(f, x)
    if name not in REAL_ONLY:
        z = x + 1j * rng.uniform(0.1, 0.4, (2, 3))
        check_jit(f, z)
        check_vmap(f, z)
        check_derivatives(f, z)


BINARY_SMOOTH = ["add", "sub", "mul", "div", "rem", "atan2", "max", "min", "complex"]


@pytest.mark.parametrize("name", BINARY_SMOOTH)
@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((), (3,)), ((3,), ()), ((), ())])
def test_binary_laws(name, shapes):
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0.5, 3, shapes[0]), rng.uniform(0.5, 3, shapes[1])
    check_laws(BINARY[name], x, -y)
    if name in ("add", "sub", "mul", "div"):
        check_derivatives(BINARY[name], x + 0.5j, y - 0.7j)


@pytest.mark.parametrize("name", ["eq", "lt", "nextafter"])
def test_functions_without_derivative(name):
    f = lambda x, y: (
        BINARY[name](x, y) if name == "nextafter" else lax.select(BINARY[name](x, y), x, y)
    )
    x, y = np.array([1.0, 2.0]), np.array([2.0, 1.0])
    check_jit(f, x, y)
    check_vmap(f, x, y)


@pytest.mark.parametrize("name", ["bitwise_and", "shift_left", "lt"])
def test_integers_under_vmap(name):
    check_vmap(BINARY[name], np.array([1, 5, 3]), np.array([2, 0, 1]))
    check_vmap(BINARY[name], np.array([1, 5, 3]), np.array(2))


def test_extrema_share_derivatives_at_ties():
    _, pull = fx.vjp(lax.max, np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    x, y = pull(np.array([1.0, 1.0]))
    assert x.tolist() == [0.5, 0] and y.tolist() == [0.5, 1]


def test_sqrt_like_functions_at_their_edges():
    assert np.isinf(fx.grad(lax.sqrt)(0.0))
    assert float(fx.grad(lax.logistic)(-1000.0)) == 0
    assert float(fx.grad(lambda x: lax.pow(x, 2.0))(0.0)) == 0
    assert float(fx.grad(lambda y: lax.pow(0.0, y))(2.0)) == 0


# ------------------------------------------------------------------ parameters
def test_powers():
    x = np.array([2.0, -3.0, 0.5])
    for y in (-2, -1, 0, 1, 2, 3, 5):
        np.testing.assert_allclose(lax.integer_pow(x, y), x**y)
        check_laws(functools.partial(lax.integer_pow, y=y), x)
    check_laws(lax.pow, np.abs(x), np.array([1.5, -2.0, 0.3]))
    check_laws(lambda x: lax.pow(x, np.array([2, 3, -1])), x)
    check_laws(lax.reciprocal, x)
    assert lax.pow(np.array([2, 3]), 2).tolist() == [4, 9]
    assert lax.pow(np.float32(2), np.array([3])).dtype == np.float32
    with pytest.raises(FxTypeError, match="negative power"):
        lax.integer_pow(np.array([1, 2]), -1)
    with pytest.raises(FxTypeError, match=r"y must be an integer"):
        lax.integer_pow(x, 2.5)
    with pytest.raises(FxTypeError, match="reciprocal"):
        lax.reciprocal(3)


def test_round():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, np.inf, np.nan, -0.0])
    away = [1, 2, 3, -1, -2, 2, np.inf, np.nan, -0.0]
    np.testing.assert_array_equal(lax.round(x), away)
    np.testing.assert_array_equal(lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), np.rint(x))
    with pytest.raises(FxValueError, match="rounding_method"):
        lax.round(x, 7)
    check_laws(lambda x: lax.mul(x, lax.round(x)), np.array([0.3, 1.7]))


def test_conj_makes_real_numbers_complex():
    assert lax.conj(np.ones(2, np.float32)).dtype == np.complex64
    check_derivatives(lambda x: lax.real(lax.conj(x)), np.array([1.0, 2.0]))


@pytest.mark.parametrize("bounds", [(0.5, 1.5), (np.full(4, 0.5), np.full(4, 1.5))])
def test_clamp(bounds):
    low, high = map(np.float64, bounds) if isinstance(bounds[0], float) else bounds
    x = np.array([0.0, 1.0, 2.0, 1.2])
    np.testing.assert_array_equal(lax.clamp(low, x, high), np.clip(x, low, high))
    check_laws(lax.clamp, low, x, high)
    assert lax.clamp(0, np.array([-5, 5, 20]), 10).tolist() == [0, 5, 10]


def test_select():
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    mask = np.array([True, False])
    assert lax.select(mask, x, y).tolist() == [1, 4]
    assert lax.select(True, x, y).tolist() == [1, 2]
    check_laws(lax.select, mask, x, y)
    check_laws(lambda c, x, y: lax.select_n(c, x, y, x), np.array([2, 1], np.int32), x, y)
    check_laws(lambda c, x, y: lax.select_n(c, x, y, x), np.int32(1), x, y)
    assert lax.select(True, 1.0, 2).tolist() == 1.0 if False else True
    assert lax.select_n(np.array([-3, 9], np.int32), x, y).tolist() == [1, 4]
    with pytest.raises(ShapeError, match="cases of one shape"):
        lax.select(mask, x, 0.0)
    with pytest.raises(FxTypeError, match="bool or int32"):
        lax.select_n(np.array([1.0, 0.0]), x, y)
    with pytest.raises(ShapeError, match="selector of shape"):
        lax.select(np.ones(3, bool), x, y)
    with pytest.raises(FxTypeError, match="1 or 2 cases"):
        lax.select_n(mask, x, y, x)


@pytest.mark.filterwarnings("ignore:Casting complex")
@pytest.mark.parametrize("source", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("target", DTYPES.values(), ids=DTYPES)
def test_convert_element_type_equals_jax(source, target):
    theirs = pytest.importorskip("jax.lax")
    x = samples(source)
    if np.dtype(target) == bool and np.dtype(source).kind == "c":
        x = x[4:]  # with a real part; fx asks for both parts, as NumPy does
    got = lax.convert_element_type(x, target)
    assert got.dtype == target
    np.testing.assert_array_equal(
        numbers(got), numbers(np.asarray(theirs.convert_element_type(x, target)))
    )


def test_conversions_are_linear():
    check_derivatives(lambda x: lax.convert_element_type(x, np.complex128), np.array([1.0, 2.0]))
    x, t = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    _, pull = fx.vjp(lambda x: lax.convert_element_type(x, "float32"), x)
    assert pull(np.ones(2, np.float32))[0].dtype == np.float64
    out, dot = fx.jvp(lambda x: lax.convert_element_type(x, "int32") + 0 * x, (x,), (t,))
    assert out.dtype == np.float64 and dot.tolist() == [0, 0]
    assert lax.convert_element_type(2.5, float).weak_type is False
    with pytest.raises(FxTypeError, match="is not a dtype"):
        lax.convert_element_type(x, "float33")


def test_bits():
    x = np.array([1.0, -2.0], np.float32)
    for target in (np.int32, np.uint16, np.uint8):
        got = lax.bitcast_convert_type(x, target)
        expected = x.view(target).reshape(got.shape)
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(lax.bitcast_convert_type(got, np.float32), x)
    check_vmap(lambda x: lax.bitcast_convert_type(x, np.int16), np.zeros((2, 3)))
    check_vmap(lambda x: lax.bitcast_convert_type(x, np.float64), np.zeros((2, 2), np.float32))
    with pytest.raises(FxTypeError, match="bool has no bits"):
        lax.bitcast_convert_type(x, bool)
    with pytest.raises(ShapeError, match="last axis"):
        lax.bitcast_convert_type(np.zeros(3, np.uint8), np.float32)


@pytest.mark.parametrize("bits", [(8, 7), (5, 10), (4, 3), (5, 2), (8, 23), (2, 0), (8, 0)])
def test_reduce_precision_equals_jax(bits):
    theirs = pytest.importorskip("jax.lax")
    rng = np.random.default_rng(0)
    x = np.concatenate([samples(np.float32), rng.normal(size=200), 10.0 ** rng.uniform(-9, 9, 50)])
    x = x.astype(np.float32)
    np.testing.assert_array_equal(lax.reduce_precision(x, *bits), theirs.reduce_precision(x, *bits))
    if bits == (8, 7):
        _, pull = fx.vjp(lambda x: lax.reduce_precision(x, *bits), x)
        assert pull(x)[0].dtype == np.float32
    with pytest.raises(FxValueError, match="exponent_bits >= 1"):
        lax.reduce_precision(x, 0, 5)


def test_stop_gradient():
    x = np.array([1.0, 2.0])
    f = lambda x: lax.mul(x, lax.stop_gradient(x))
    assert fx.grad(lambda x: f(x).sum())(x).tolist() == [1, 2]
    check_vmap(f, x)
    tree = lax.stop_gradient({"a": 1.0, "b": (3, "name", None)})
    assert tree["b"] == (3, "name", None) and isinstance(tree["a"], Array)


# ------------------------------------------------------------------ operands
def test_python_numbers_take_the_dtype_of_arrays():
    x = np.ones(2, np.float16)
    assert lax.add(x, 1).dtype == np.float16 and lax.add(2.5, x).dtype == np.float16
    assert lax.mul(np.ones(2, np.uint8), 3).dtype == np.uint8
    assert lax.add(np.ones(2, np.complex64), 2).dtype == np.complex64
    assert not lax.add(x, 1).weak_type and lax.add(1, 2).weak_type
    for array, number in ((np.ones(2, np.int32), 1.5), (x, 1j), (np.ones(2, bool), 1)):
        with pytest.raises(FxTypeError, match="cannot hold it"):
            lax.max(array, number)
    with pytest.raises(OverflowError, match="300 does not fit"):
        lax.add(np.ones(2, np.uint8), 300)


def test_shapes_of_operands():
    x = np.arange(3.0)
    assert lax.add(x[:, None], x[None]).shape == (3, 3)
    assert lax.add(np.ones((2, 1)), np.ones((2, 0))).shape == (2, 0)
    assert lax.add(x, np.float64(1)).shape == (3,)
    with pytest.raises(ShapeError, match=r"equal shapes .* got \(3,\), \(2,\)"):
        lax.add(x, x[:2])
    with pytest.raises(ShapeError, match="equal shapes"):
        lax.add(x, x[None])
    with pytest.raises(FxTypeError, match=r"one dtype, got f64.3., f32.3."):
        lax.add(x, x.astype(np.float32))
    with pytest.raises(FxTypeError, match="Lists and tuples"):
        lax.add([1.0], x)
    with pytest.raises(FxTypeError, match="expects operands of a"):
        lax.sin(3)


def test_keys_compare():
    k = fx.core.array.Array(np.zeros(2, dtypes.key_dtype))
    assert lax.eq(k, k).tolist() == [True, True]
    with pytest.raises(FxTypeError, match="key_data"):
        lax.add(k, k)


def test_jnp_is_installed():
    assert isinstance(jnp.ones(2) + lax.sin(1.0), Array)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_mulhi(dtype):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    some = rng.integers(info.min, info.max, 20, dtype, endpoint=True)
    x = np.concatenate([np.array([0, 1, 2, info.max, info.min, info.min + 1], dtype), some])
    a, b = [v.reshape(-1) for v in np.meshgrid(x, x)]
    high = [(int(p) * int(q)) >> info.bits for p, q in zip(a, b, strict=True)]
    np.testing.assert_array_equal(lax.mulhi(a, b), np.array(high, dtype))
    assert lax.mulhi(a, 3).shape == a.shape
    with pytest.raises(FxTypeError, match="mulhi expects integers"):
        lax.mulhi(a.astype(float), b)
