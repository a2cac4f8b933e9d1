"""Activations: their definitions, JAX's values and derivatives at kinks and extremes, laws."""

import math

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import nn
from fx.errors import FxTypeError, FxValueError
from tests.laws import check_jit, check_jvp

jax = pytest.importorskip("jax")

erf = np.vectorize(math.erf)


def logistic(x):
    return 1 / (1 + np.exp(-x))


# name: (program over a module with the functions of jax.nn, definition in NumPy, its kinks)
TABLE = {
    "identity": (lambda m, x: m.identity(x), lambda x: x, ()),
    "relu": (lambda m, x: m.relu(x), lambda x: np.maximum(x, 0), (0,)),
    "relu6": (lambda m, x: m.relu6(x), lambda x: np.clip(x, 0, 6), (0, 6)),
    "leaky_relu": (lambda m, x: m.leaky_relu(x), lambda x: np.where(x < 0, 0.01 * x, x), (0,)),
    "leaky_relu 0.3": (
        lambda m, x: m.leaky_relu(x, 0.3),
        lambda x: np.where(x < 0, 0.3 * x, x),
        (0,),
    ),
    "sigmoid": (lambda m, x: m.sigmoid(x), logistic, ()),
    "tanh": (lambda m, x: m.tanh(x), np.tanh, ()),
    "softplus": (lambda m, x: m.softplus(x), lambda x: np.log(1 + np.exp(x)), ()),
    "sparse_plus": (
        lambda m, x: m.sparse_plus(x),
        lambda x: np.where(np.abs(x) < 1, (x + 1) ** 2 / 4, np.maximum(x, 0)),
        (-1, 1),
    ),
    "sparse_sigmoid": (
        lambda m, x: m.sparse_sigmoid(x),
        lambda x: np.clip((x + 1) / 2, 0, 1),
        (-1, 1),
    ),
    "soft_sign": (lambda m, x: m.soft_sign(x), lambda x: x / (1 + np.abs(x)), (0,)),
    "silu": (lambda m, x: m.silu(x), lambda x: x * logistic(x), ()),
    "swish": (lambda m, x: m.swish(x), lambda x: x * logistic(x), ()),
    "mish": (lambda m, x: m.mish(x), lambda x: x * np.tanh(np.log(1 + np.exp(x))), ()),
    "log_sigmoid": (lambda m, x: m.log_sigmoid(x), lambda x: np.log(logistic(x)), ()),
    "log1mexp": (lambda m, x: m.log1mexp(x), lambda x: np.log(1 - np.exp(-x)), (0,)),
    "elu": (lambda m, x: m.elu(x), lambda x: np.where(x > 0, x, np.exp(x) - 1), (0,)),
    "elu 0.5": (lambda m, x: m.elu(x, 0.5), lambda x: np.where(x > 0, x, np.expm1(x) / 2), (0,)),
    "celu": (lambda m, x: m.celu(x), lambda x: np.where(x > 0, x, np.exp(x) - 1), (0,)),
    "celu 0.5": (
        lambda m, x: m.celu(x, 0.5),
        lambda x: np.where(x > 0, x, np.expm1(2 * x) / 2),
        (0,),
    ),
    "selu": (
        lambda m, x: m.selu(x),
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        (0,),
    ),
    "gelu": (
        lambda m, x: m.gelu(x),
        lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        (),
    ),
    "gelu exact": (
        lambda m, x: m.gelu(x, approximate=False),
        lambda x: x / 2 * (1 + erf(x / math.sqrt(2))),
        (),
    ),
    "hard_tanh": (lambda m, x: m.hard_tanh(x), lambda x: np.clip(x, -1, 1), (-1, 1)),
    "hard_sigmoid": (
        lambda m, x: m.hard_sigmoid(x),
        lambda x: np.clip(x + 3, 0, 6) / 6,
        (-3, 3),
    ),
    "hard_silu": (lambda m, x: m.hard_silu(x), lambda x: x * np.clip(x + 3, 0, 6) / 6, (-3, 3)),
    "hard_swish": (lambda m, x: m.hard_swish(x), lambda x: x * np.clip(x + 3, 0, 6) / 6, (-3, 3)),
    "squareplus": (lambda m, x: m.squareplus(x), lambda x: (x + np.sqrt(x * x + 4)) / 2, ()),
    "squareplus 0.1": (
        lambda m, x: m.squareplus(x, 0.1),
        lambda x: (x + np.sqrt(x * x + 0.1)) / 2,
        (),
    ),
}
EXTREMES = np.array(
    [-np.inf, -1e300, -1e30, -1000, -100, -20, -6, -3, -2.5, -1, -0.5, -1e-9, -1e-300, -0.0]
    + [0.0, 1e-300, 1e-9, 1e-4, 0.3, 1, 2.5, 3, 6, 20, 100, 1000, 1e30, 1e300, np.inf, np.nan]
)
# Where the second derivative at 0 is that of another side than in JAX, or of both in part.
OTHER_SIDE = {"soft_sign", "celu", "celu 0.5"}

everything = pytest.mark.parametrize("name", TABLE)


def ordinary(name):
    """Points between -8 and 8, none near a kink; positive ones for log1mexp."""
    x = np.random.default_rng(0).uniform(-8, 8, 40)
    if name == "log1mexp":
        return np.abs(x) + 0.05
    for kink in TABLE[name][2]:
        x = x[np.abs(x - kink) > 0.01]
    return x


def test_the_table_is_complete():
    names = {name.partition(" ")[0] for name in TABLE}
    functions = {name for name in dir(nn.activations) if name in nn.__all__}
    assert names | {"glu"} == functions
    other = {"one_hot", "softmax", "log_softmax", "logsumexp", "logmeanexp", "standardize"}
    other |= {"dot_product_attention", "initializers"}
    # Products of scaled 8-bit blocks, which fx does not have.
    other |= {"scaled_dot_general", "scaled_matmul", "get_scaled_dot_general_config"}
    assert {n for n in dir(jax.nn) if not n.startswith("_")} <= functions | other


@everything
def test_definition(name):
    program, definition, _ = TABLE[name]
    x = ordinary(name)
    np.testing.assert_allclose(program(nn, jnp.asarray(x)), definition(x), rtol=1e-12, atol=1e-14)


@pytest.fixture(scope="module")
def theirs():
    """Values, first and second derivatives of all of JAX's at the extreme points, in float64."""
    with jax.enable_x64(True):

        @jax.jit
        def compute(x):
            out = {}
            for name, (program, _, _) in TABLE.items():
                f = lambda x, program=program: program(jax.nn, x)
                first = jax.grad(f)
                out[name] = f(x), jax.vmap(first)(x), jax.vmap(jax.grad(first))(x)
            return out

        return jax.tree.map(np.asarray, compute(EXTREMES))


@everything
def test_kinks_and_extremes_against_jax(name, theirs):
    program = TABLE[name][0]
    f = lambda x: program(nn, x)
    x = jnp.asarray(EXTREMES)
    first, second = fx.vmap(fx.grad(f))(x), fx.vmap(fx.grad(fx.grad(f)))(x)
    for order, (got, want) in enumerate(zip((f(x), first, second), theirs[name], strict=True)):
        got = np.asarray(got)
        if order == 2 and name in OTHER_SIDE:
            got, want = got[EXTREMES != 0], want[EXTREMES != 0]
        # Derivatives such as 1 - tanh² cancel, and near the limits have no relative accuracy.
        np.testing.assert_allclose(
            got, want, rtol=1e-9, atol=1e-13, err_msg=f"derivative of order {order}"
        )


@everything
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_smaller_floats_are_close_to_float64(name, dtype):
    program = TABLE[name][0]
    x = jnp.asarray(EXTREMES[(np.abs(EXTREMES) < 200) | ~np.isfinite(EXTREMES)]).astype(dtype)
    got = program(nn, x)
    assert got.dtype == dtype
    epsilon = float(jnp.finfo(dtype).eps)
    want = program(nn, x.astype("float64"))
    got, want = np.asarray(got).astype(np.float64), np.asarray(want)
    atol = 8 * epsilon * (50 if name.startswith("squareplus") else 1)  # x + √(x² + b) cancels
    np.testing.assert_allclose(got, want, rtol=16 * epsilon, atol=atol)


@everything
def test_no_nan_from_finite_numbers(name):
    """Neither values nor derivatives, where a textbook formula gives inf - inf or 0 times inf."""
    if name == "log1mexp":
        pytest.skip("is not defined on the negative half")
    program = TABLE[name][0]
    x = jnp.asarray([-1e15, -1e4, -100.0, -1.0, 0.0, 1.0, 100.0, 1e4, 1e15], "float32")
    value, slope = fx.vmap(fx.value_and_grad(lambda x: program(nn, x)))(x)
    assert not np.isnan(value).any() and not np.isnan(slope).any()


@everything
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "bfloat16", "float32", None])
def test_dtypes_are_jaxs(name, dtype):
    """fx takes integers also where JAX does not; but hard_tanh needs a dtype that holds -1."""
    program = TABLE[name][0]
    x = 2.0 if dtype is None else jnp.ones((2, 3), dtype)
    if name == "hard_tanh" and dtype == "uint16":
        with pytest.raises(OverflowError, match="does not fit uint16"):
            program(nn, x)
        return
    try:
        want = jax.eval_shape(lambda: program(jax.nn, x if dtype is None else np.asarray(x)))
    except TypeError:
        want = None
    if want is None and name == "sigmoid":
        with pytest.raises(FxTypeError):
            program(nn, x)
        return
    got = program(nn, x)
    if want is None:
        assert got.dtype == "float32"
    else:
        assert (got.shape, got.dtype) == (want.shape, want.dtype)


@everything
def test_laws(name):
    program = TABLE[name][0]
    x = ordinary(name)[:12]
    f = lambda x: program(nn, x)
    check_jvp(f, x, rtol=1e-6, atol=1e-8)
    check_jit(f, x)
    x = jnp.asarray(x)
    second = fx.vmap(fx.grad(fx.grad(f)))(x)
    slope = fx.vmap(fx.grad(f))
    quotient = (slope(x + 1e-5) - slope(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(second, quotient, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(fx.vmap(f)(x), f(x))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_glu(axis):
    x = np.random.default_rng(0).normal(size=(4, 6))
    value, gate = np.split(x, 2, axis)
    got = nn.glu(jnp.asarray(x), axis)
    np.testing.assert_allclose(got, value * logistic(gate), rtol=1e-14)
    check_jvp(lambda x: nn.glu(x, axis), x)
    check_jit(lambda x: nn.glu(x, axis), x)


def test_glu_refuses_what_it_cannot_halve():
    with pytest.raises(FxValueError, match=r"nn\.glu of f32\[2,3\]: axis 1 .* even .* got 3"):
        nn.glu(jnp.ones((2, 3)))
    with pytest.raises(FxValueError, match=r"nn\.glu.*axis 2"):
        nn.glu(jnp.ones((2, 4)), axis=2)


def test_parameters_are_differentiated():
    """negative_slope, alpha and b may be arrays, and learned."""
    x = np.array([-2.0, -0.5, 0.7, 3.0])
    for f in (nn.leaky_relu, nn.elu, nn.celu, nn.squareplus):
        check_jvp(lambda x, p, f=f: f(x, p), x, np.float64(0.7))
        assert f(jnp.asarray(x), jnp.full(4, 0.7)).shape == (4,)
