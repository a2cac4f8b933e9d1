"""Half precision in compiled programs: kept in 16 bits, computed in float32, rounded each time."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import dtypes, lax
from fx.backends.numpy import NumpyBackend

program = pytest.importorskip("fx.backends.llvm.program", exc_type=ImportError)
from fx.backends.lowering import build_graph  # noqa: E402

RNG = np.random.default_rng(0)
DTYPES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(dtypes.bfloat16)}
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def normal(*shape, scale=1.0):
    return (RNG.standard_normal(shape) * scale).astype(np.float32)


X, Y, W = normal(33, 47, scale=3), normal(33, 47), normal(47, 20)
IMAGES, KERNEL = normal(2, 3, 9, 9), normal(4, 3, 3, 3)
SPECIAL = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-7, 6e-8, -1e-5, 65504, 3e38, 1e-39, 7e4])
UNARY = ["sin", "cos", "exp", "tanh", "abs", "sign", "floor", "exp2", "cbrt", "arctan", "sinh"]
POSITIVE = ["log", "log1p", "sqrt"]

# name -> (function, operands, how many last places it may differ)
CASES = {
    **{n: (getattr(jnp, n), [X], 1) for n in UNARY},
    **{n: (getattr(jnp, n), [np.abs(X)], 1) for n in POSITIVE},
    "arithmetic": (lambda x, y: x * y + x / (y + 1) - x, [X, Y], 1),
    "choices": (lambda x, y: jnp.maximum(x * 2, y) ** 2 + jnp.where(x > 0, x, y), [X, Y], 1),
    "special": (lambda s: (s + s, s * 0.5, -s, s > 0, s == s, jnp.isfinite(s)), [SPECIAL], 0),
    "to float32": (lambda s: s.astype("float32"), [SPECIAL], 0),
    "to int": (lambda x: x.astype("int32"), [X], 0),
    "to bool and back": (lambda x: x.astype(bool).astype(x.dtype), [X], 0),
    "sums": (lambda x: (x.sum(), x.sum(0), x.mean(1), x.max(1)), [X], 1),
    "softmax": (lambda x: fx.nn.softmax(x, -1), [X], 2),
    "matmul": (lambda x, w: x @ w, [X, W], 1),
    "matmul of transposes": (lambda x, w: w.T @ x.T, [X, W], 1),
    "concatenate": (lambda x, y: jnp.concatenate([x, y], 1), [X, Y], 0),
    "pad": (lambda x: jnp.pad(x, 2), [X], 0),
    "transpose": (lambda x: x.T + 0, [X], 0),
    "take": (lambda x: x[jnp.array([3, 1, 2])], [X], 0),
    "set": (lambda x: x.at[2].set(1), [X], 0),
    "iota": (lambda x: jnp.arange(47, dtype=x.dtype) + x, [X], 0),
    "scan": (lambda x: lax.scan(lambda c, r: (c * 0.5 + r, c), jnp.zeros(47, x.dtype), x), [X], 0),
    "gradient": (
        lambda x, w: fx.grad(lambda w: (jnp.tanh(x @ w) ** 2).sum().astype("float32"))(w),
        [X, W],
        4,
    ),
    "convolution": (
        lambda x, k: lax.conv_general_dilated(x, k, (1, 1), "SAME"),
        [IMAGES, KERNEL],
        1,
    ),
    "pooling": (
        lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "SAME"),
        [IMAGES],
        0,
    ),
}


def close(got, want, eps, places):
    got, want = np.asarray(got), np.asarray(want)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    got, want = got.astype(np.float64), want.astype(np.float64)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    kept = ~np.isnan(want) & (got != want)
    assert np.all(
        np.abs(got - want)[kept] <= places * 1.01 * eps * np.maximum(np.abs(want), 1e-4)[kept]
    )


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_is_native_and_equals_the_interpreter(name, dtype):
    f, operands, places = CASES[name]
    args = [x.astype(DTYPES[dtype]) for x in operands]
    jaxpr = fx.make_jaxpr(f)(*args)
    assert [n for n in build_graph(jaxpr)[0].nodes if n.kind == "opaque"] == []
    want = NumpyBackend().compile(jaxpr)(args)
    for a, b in zip(program.Program(jaxpr)(args), want, strict=True):
        close(a, b, EPS[dtype], places)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
def test_conversions_round_to_nearest(dtype):
    """All halves, what lies between them, subnormals, overflow, integers."""
    half = DTYPES[dtype]
    every = np.arange(1 << 16, dtype=np.uint16).view(half)
    wide = every.astype(np.float32)
    with np.errstate(invalid="ignore"):
        between = np.concatenate([wide, (wide[:-1] + wide[1:]) / 2, np.nextafter(wide, 0)])
    spread = normal(5000) * 10.0 ** RNG.integers(-42, 38, 5000).astype(np.float32)
    whole = RNG.integers(-70000, 70000, 5000)
    for x in (every, between, spread, whole):
        target = np.dtype(np.float32) if x.dtype == half else half
        jaxpr = fx.make_jaxpr(lambda x, t=target: lax.convert_element_type(x, t))(x)
        (got,), (want,) = program.Program(jaxpr)([x]), NumpyBackend().compile(jaxpr)([x])
        np.testing.assert_array_equal(got.astype(np.float64), np.asarray(want, np.float64))
