"""Shapes, dtypes and parameters of samplers: what they give, and which errors name the fix."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import random
from fx.errors import FxTypeError, FxValueError, ShapeError

KEY = random.key(0)
ONE_PARAMETER = ["gamma", "loggamma", "pareto", "rayleigh", "t", "chisquare", "wald", "lognormal"]
NO_PARAMETER = [
    "uniform",
    "normal",
    "exponential",
    "gumbel",
    "laplace",
    "logistic",
    "cauchy",
    "maxwell",
]


@pytest.mark.parametrize("name", NO_PARAMETER)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_explicit_dtypes_are_honoured(name, dtype):
    x = getattr(random, name)(KEY, (2, 3), dtype)
    assert x.dtype == fx.dtypes.canonicalize(dtype)
    assert x.shape == (2, 3) and not x.weak_type
    assert bool(jnp.isfinite(x.astype("float32")).all())


@pytest.mark.parametrize("name", NO_PARAMETER)
def test_the_default_dtype_is_scoped(name):
    assert getattr(random, name)(KEY, (2,)).dtype == np.float32
    with fx.default_dtype("float64"):
        assert getattr(random, name)(KEY, (2,)).dtype == np.float64
        assert random.randint(KEY, (2,), 0, 5).dtype == np.int64
        assert random.bits(KEY).dtype == np.uint64


@pytest.mark.parametrize("name", ONE_PARAMETER)
def test_parameters_give_shape_and_width(name):
    sampler = getattr(random, name)
    assert sampler(KEY, np.ones((2, 1), np.float32)).shape == (2, 1)
    assert sampler(KEY, np.ones((2, 1), np.float32), (5, 2, 3)).shape == (5, 2, 3)
    assert sampler(KEY, 1.5, (0, 2)).shape == (0, 2)
    assert sampler(KEY, 1.5).dtype == np.float32
    assert sampler(KEY, np.ones(2, np.float16)).dtype == np.float32
    assert sampler(KEY, np.ones(2)).dtype == np.float64
    assert sampler(KEY, 2, (2,), "bfloat16").dtype == fx.numpy.bfloat16
    assert sampler(KEY, np.array([1, 2])).shape == (2,)


@pytest.mark.parametrize("name", ONE_PARAMETER)
def test_numbers_keep_the_digits_of_the_result(name):
    sampler = getattr(random, name)
    of_array = sampler(KEY, np.full(3, 1.3), (3,))
    np.testing.assert_allclose(sampler(KEY, 1.3, (3,), "float64"), of_array, rtol=1e-15)


@pytest.mark.parametrize("name", ONE_PARAMETER)
def test_parameters_that_do_not_broadcast_raise(name):
    with pytest.raises(ShapeError, match=rf"random\.{name}.*\(3,\).*does not broadcast"):
        getattr(random, name)(KEY, np.ones(3), (2,))
    with pytest.raises(ShapeError, match="does not broadcast"):
        getattr(random, name)(KEY, np.ones((2, 3)), (3,))
    with pytest.raises(FxTypeError, match="real"):
        getattr(random, name)(KEY, 1j)


def test_two_parameters_broadcast_together():
    a, b = np.ones((3, 1), np.float32), np.ones(2, np.float32)
    for name in ("beta", "f", "binomial"):
        assert getattr(random, name)(KEY, a, b).shape == (3, 2)
        with pytest.raises(ShapeError, match="do not broadcast together"):
            getattr(random, name)(KEY, np.ones(3), np.ones(2))
    assert random.truncated_normal(KEY, -a, b).shape == (3, 2)
    assert random.triangular(KEY, -a, 0.0, b).shape == (3, 2)
    assert random.weibull_min(KEY, a, b, (4, 1, 1)).shape == (4, 3, 2)
    assert random.double_sided_maxwell(KEY, 0.0, b, (4,)).shape == (4, 2)


@pytest.mark.parametrize("name", NO_PARAMETER)
@pytest.mark.parametrize("dtype", ["int32", "bool", "uint8"])
def test_floating_samplers_want_a_floating_dtype(name, dtype):
    with pytest.raises(FxTypeError, match=rf"random\.{name}: dtype must be floating, got {dtype}"):
        getattr(random, name)(KEY, (2,), dtype)


def test_integer_samplers_want_an_integer_dtype():
    with pytest.raises(FxTypeError, match=r"random\.randint: dtype must be an integer"):
        random.randint(KEY, (), 0, 5, "float32")
    with pytest.raises(FxTypeError, match=r"random\.poisson: dtype must be an integer"):
        random.poisson(KEY, 3.0, dtype="float32")
    with pytest.raises(FxTypeError, match="unsigned"):
        random.bits(KEY, (), "int32")
    with pytest.raises(FxTypeError, match="is not a dtype"):
        random.uniform(KEY, (), "flot32")
    with pytest.raises(FxTypeError, match="astype"):
        random.randint(KEY, (), 0.0, 5)


@pytest.mark.parametrize("shape", [-1, (2, -3), 2.5, (2, 1.5), "ab"])
def test_shapes_are_tuples_of_sizes(shape):
    with pytest.raises((ShapeError, FxTypeError), match=r"random\.normal"):
        random.normal(KEY, shape)


def test_an_integer_is_a_shape_of_one_axis():
    np.testing.assert_array_equal(random.normal(KEY, 3), random.normal(KEY, (3,)))


def test_a_traced_shape_names_the_argument():
    with pytest.raises(fx.errors.TracerIntegerConversionError, match="argument n"):
        fx.jit(lambda n: random.normal(KEY, (n,)))(3)


def test_uniform_stays_in_its_interval():
    for dtype in ("bfloat16", "float16", "float32", "float64"):
        for low, high in ((0, 1), (0.1, 0.7), (-1e3, 1e-3), (5, 5)):
            x = np.asarray(random.uniform(KEY, (3000,), dtype, low, high)).astype(np.float64)
            bound = np.asarray(low).astype(fx.dtypes.canonicalize(dtype)).astype(np.float64)
            assert (x >= bound).all() and (x <= high + abs(high) * 0.01).all()


@pytest.mark.parametrize(
    ("dtype", "low", "high", "least", "most"),
    [
        ("uint8", 0, 256, 0, 255),
        ("uint8", -50, 1000, 0, 255),
        ("int8", -128, 128, -128, 127),
        ("int16", 100, 101, 100, 100),
        ("uint32", 0, 2**32, 0, 2**32 - 1),
        ("int64", -(2**63), 2**63, -(2**63), 2**63 - 1),
        ("uint64", 0, 2**64, 0, 2**64 - 1),
        ("int32", 5, 5, 5, 5),
    ],
)
def test_randint_reaches_the_whole_range(dtype, low, high, least, most):
    x = np.asarray(random.randint(KEY, (4000,), low, high, dtype))
    assert x.dtype == dtype
    assert x.min() >= least and x.max() <= most
    assert int(x.max()) - int(x.min()) >= (most - least) * 0.95


def test_randint_of_arrays_equals_randint_of_numbers():
    bounds = [(0, 10), (-5, 7), (3, 3), (-(2**31), 2**31 - 1), (0, 2**20)]
    for low, high in bounds:
        numbers = random.randint(KEY, (50,), low, high)
        arrays = random.randint(KEY, (50,), np.int32(low)[None], jnp.asarray(high, dtype="int32"))
        np.testing.assert_array_equal(numbers, arrays)
        traced = fx.jit(lambda a, b: random.randint(KEY, (50,), a, b))(
            np.int32(low), np.int32(high)
        )
        np.testing.assert_array_equal(numbers, traced)


def test_refusals_say_what_to_do():
    with pytest.raises(FxValueError, match=r"cannot draw 6 of 5.*replace=True"):
        random.choice(KEY, 5, (6,), replace=False)
    with pytest.raises(FxValueError, match="nothing to draw"):
        random.choice(KEY, jnp.zeros((0, 2)), (3,))
    with pytest.raises(ShapeError, match=r"p must have shape \(5,\)"):
        random.choice(KEY, 5, (2,), p=np.ones(4, np.float32))
    with pytest.raises(FxTypeError, match="shape must be a tuple"):
        random.choice(KEY, 5, 3)
    with pytest.raises(FxTypeError, match="integer or an array"):
        random.permutation(KEY, 2.5)
    with pytest.raises(FxValueError, match="axis"):
        random.permutation(KEY, np.arange(3), axis=1)
    with pytest.raises(FxValueError, match="'high' or 'low'"):
        random.bernoulli(KEY, 0.5, mode="middle")
    with pytest.raises(FxTypeError, match="must be floating"):
        random.bernoulli(KEY, 1)
    with pytest.raises(FxValueError, match="mode must be"):
        random.gumbel(KEY, mode="middle")
    with pytest.raises(FxValueError, match="cannot draw 4 of 3"):
        random.categorical(KEY, jnp.zeros(3), shape=(4,), replace=False)
    with pytest.raises(FxTypeError, match="log-probabilities"):
        random.categorical(KEY, jnp.arange(3))
    with pytest.raises(ShapeError, match="does not broadcast"):
        random.categorical(KEY, jnp.zeros((2, 3)), shape=(5,))
    with pytest.raises(FxValueError, match="at least one axis"):
        random.dirichlet(KEY, 1.0)
    with pytest.raises(FxValueError, match="at least one axis"):
        random.multinomial(KEY, 3, 1.0)
    with pytest.raises(FxTypeError, match="d must be an integer"):
        random.ball(KEY, 2.5)


def test_every_public_function_has_an_example():
    for name in random.__all__:
        assert ">>>" in getattr(random, name).__doc__, name


def test_multivariate_normal_checks_its_parameters():
    draw = random.multivariate_normal
    eye = np.eye(2, dtype=np.float32)
    assert draw(KEY, np.zeros((3, 2), np.float32), eye).shape == (3, 2)
    assert draw(KEY, np.zeros(2), eye).dtype == np.float64
    assert draw(KEY, np.zeros(2), eye, (4,), "bfloat16").dtype == fx.numpy.bfloat16
    for mean, cov in ((0.0, eye), (np.zeros(3), eye), (np.zeros(2), np.ones(2))):
        with pytest.raises(ShapeError, match="mean of shape"):
            draw(KEY, mean, cov)
    with pytest.raises(ShapeError, match="does not broadcast"):
        draw(KEY, np.zeros((3, 2)), eye, (2,))
    with pytest.raises(FxValueError, match="'svd'"):
        draw(KEY, np.zeros(2), eye, method="qr")
