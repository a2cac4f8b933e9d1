"""Functions over axes: JAX's values and derivatives on a table of cases, definitions, errors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import nn
from fx.errors import FxTypeError, FxValueError
from tests.laws import check_derivatives, check_jit, check_vmap

RNG = np.random.default_rng(7)
X = RNG.normal(size=(3, 4, 5)) * 3
LARGE = X * 400  # overflows exp
INFINITE = np.where(RNG.uniform(size=X.shape) < 0.3, -np.inf, X)
B = RNG.normal(size=(4, 1))
WHERE = RNG.uniform(size=X.shape) < 0.6
WHERE[0, 0] = False  # nothing is left of one row
SOME = WHERE | (np.add.outer(np.add.outer(range(3), range(4)), range(5)) % 3 == 0)
COMPLEX = X + 1j * RNG.normal(size=X.shape)
TOTAL = X.sum((1, 2), keepdims=True)

# A program over a module with the functions of jax.nn, and the argument to differentiate.
CASES = {
    "softmax": (lambda m, x: m.softmax(x), X),
    "softmax axis 0": (lambda m, x: m.softmax(x, 0), X),
    "softmax axes": (lambda m, x: m.softmax(x, (0, -1)), X),
    "softmax all": (lambda m, x: m.softmax(x, None), X),
    "softmax large": (lambda m, x: m.softmax(x), LARGE),
    "softmax -inf": (lambda m, x: m.softmax(x), INFINITE),
    "softmax where": (lambda m, x: m.softmax(x, where=SOME), X),
    "softmax where axes": (lambda m, x: m.softmax(x, (0, 1), where=SOME), X),
    "log_softmax": (lambda m, x: m.log_softmax(x), X),
    "log_softmax axes": (lambda m, x: m.log_softmax(x, (0, 2)), X),
    "log_softmax all": (lambda m, x: m.log_softmax(x, None), X),
    "log_softmax large": (lambda m, x: m.log_softmax(x), LARGE),
    "log_softmax where": (lambda m, x: m.log_softmax(x, where=SOME), X),
    "logsumexp": (lambda m, x: m.logsumexp(x), X),
    "logsumexp axis": (lambda m, x: m.logsumexp(x, 1), X),
    "logsumexp axes": (lambda m, x: m.logsumexp(x, (0, -1), keepdims=True), X),
    "logsumexp large": (lambda m, x: m.logsumexp(x, -1), LARGE),
    "logsumexp -large": (lambda m, x: m.logsumexp(-x - 5000, -1), np.abs(LARGE)),
    "logsumexp -inf": (lambda m, x: m.logsumexp(x, 0), INFINITE),
    "logsumexp b": (lambda m, x: m.logsumexp(x, 0, b=np.abs(B)), X),
    "logsumexp b axis": (lambda m, x: m.logsumexp(x, 2, np.abs(B), True), X),
    "logsumexp sign": (lambda m, x: m.logsumexp(x, 1, B, return_sign=True)[0], X),
    "logsumexp where": (lambda m, x: m.logsumexp(x, 1, where=SOME), X),
    "logsumexp b where": (lambda m, x: m.logsumexp(x, 2, b=B * B, where=SOME), X),
    "logmeanexp": (lambda m, x: m.logmeanexp(x), X),
    "logmeanexp axes": (lambda m, x: m.logmeanexp(x, (0, 1), keepdims=True), X),
    "logmeanexp large": (lambda m, x: m.logmeanexp(x, 2), LARGE),
    "logmeanexp where": (lambda m, x: m.logmeanexp(x, 1, SOME), X),
    "standardize": (lambda m, x: m.standardize(x), X),
    "standardize axes": (lambda m, x: m.standardize(x, (0, 2)), X),
    "standardize all": (lambda m, x: m.standardize(x, None, epsilon=0.1), X),
    "standardize where": (lambda m, x: m.standardize(x, 1, where=SOME), X),
    "standardize given": (lambda m, x: m.standardize(x, mean=TOTAL, variance=TOTAL**2), X),
    "standardize mean": (lambda m, x: m.standardize(x, mean=0.5, epsilon=1.0), X),
}
# Only values: derivatives of JAX are NaN here, or there are none.
VALUES = {
    "softmax where nothing": lambda m: m.softmax(X, where=WHERE),
    "log_softmax where nothing": lambda m: m.log_softmax(X, where=WHERE),
    "log_softmax -inf": lambda m: m.log_softmax(INFINITE),
    "logsumexp where nothing": lambda m: m.logsumexp(X, 2, where=WHERE),
    "logsumexp of nothing": lambda m: m.logsumexp(np.zeros((0, 3)), 0),
    "logsumexp inf": lambda m: m.logsumexp(np.array([np.inf, 1.0, -np.inf])),
    "logsumexp nan": lambda m: m.logsumexp(np.array([np.nan, 1.0])),
    "logsumexp negative": lambda m: m.logsumexp(X, 1, b=-1.0),
    "logsumexp b = 0": lambda m: m.logsumexp(LARGE, 0, b=0.0),
    "logsumexp signs": lambda m: m.logsumexp(X, (0, 1), b=B, return_sign=True)[1],
    "logsumexp complex": lambda m: m.logsumexp(COMPLEX, 1),
    "logsumexp complex sign": lambda m: m.logsumexp(COMPLEX, 1, return_sign=True)[1],
    "logsumexp scalar": lambda m: m.logsumexp(np.float64(2.5)),
    "one_hot": lambda m: m.one_hot(np.array([[0, 2], [4, -1]]), 4),
    "one_hot axis 0": lambda m: m.one_hot(np.array([[0, 2], [1, 3]]), 4, axis=0),
    "one_hot axis 1": lambda m: m.one_hot(np.array([[0, 2], [1, 3]]), 4, axis=1, dtype="int32"),
    "one_hot scalar": lambda m: m.one_hot(2, 3, dtype=bool),
    "one_hot none": lambda m: m.one_hot(np.array([1, 2]), 0),
}


@pytest.fixture(scope="module")
def theirs():
    """JAX's values and gradients of a weighted sum of them."""
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):

        @jax.jit
        def compute(inputs):
            out = {}
            for name, (program, _) in CASES.items():
                f = lambda x, program=program: program(jax.nn, x)
                value, back = jax.vjp(f, inputs[name])
                (slope,) = back(weights(value.shape))
                out[name] = value, slope
            values = {name: program(jax.nn) for name, program in VALUES.items()}
            return out, values

        return jax.tree.map(np.asarray, compute({name: x for name, (_, x) in CASES.items()}))


def weights(shape):
    return np.cos(np.arange(math.prod(shape), dtype=np.float64)).reshape(shape)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_jaxs(name, theirs):
    program, x = CASES[name]
    value, back = fx.vjp(lambda x: program(nn, x), jnp.asarray(x))
    (slope,) = back(jnp.asarray(weights(value.shape)))
    wanted, wanted_slope = theirs[0][name]
    np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(slope, wanted_slope, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", VALUES)
def test_values_are_jaxs(name, theirs):
    got, want = VALUES[name](nn), theirs[1][name]
    if name.startswith("one_hot"):
        assert got.dtype == (want.dtype if want.dtype.kind != "f" else "float32")
    else:
        assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_laws(name):
    program, x = CASES[name]
    f = lambda x: program(nn, x)
    if np.isfinite(x).all() and np.abs(x).max() < 100:
        check_derivatives(f, x)
    check_jit(f, x)
    check_vmap(f, x, size=2, all_axes=False)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_small_floats_keep_their_dtype(dtype):
    x = jnp.asarray(X).astype(dtype)
    epsilon = float(jnp.finfo(dtype).eps)
    for name, (program, _) in CASES.items():
        if any(word in name.split() for word in ("b", "given", "sign", "-large")):
            continue  # other float64 arguments take part
        got, want = program(nn, x), program(nn, x.astype("float64"))
        assert got.dtype == dtype, name
        got = np.asarray(got).astype(np.float64)
        np.testing.assert_allclose(got, want, rtol=8 * epsilon, atol=60 * epsilon, err_msg=name)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=8), st.floats(-1e4, 1e4))
def test_softmax_is_a_distribution_that_shifts_do_not_change(row, shift):
    x = jnp.asarray(np.array(row))
    p = np.asarray(nn.softmax(x))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(nn.softmax(x + shift), p, rtol=1e-7, atol=1e-12)
    total = nn.logsumexp(x)
    np.testing.assert_allclose(nn.log_softmax(x), x - total, rtol=1e-12, atol=1e-9)
    assert max(row) - 1e-9 <= float(total) <= max(row) + math.log(len(row)) + 1e-9
    np.testing.assert_allclose(nn.logmeanexp(x), total - math.log(len(row)), atol=1e-9)


def test_where_leaves_out():
    """What is left out is as if it were not there, and gets no gradient, whatever its value."""
    row, kept = np.array([1.0, np.nan, 3.0, np.inf]), np.array([True, False, True, False])
    short = jnp.asarray(row[kept])
    for f, rest in ((nn.softmax, 0.0), (nn.log_softmax, -np.inf)):
        got = np.asarray(f(jnp.asarray(row), where=kept))
        np.testing.assert_allclose(got[kept], f(short), rtol=1e-14)
        assert (got[~kept] == rest).all()
    for f in (nn.logsumexp, nn.logmeanexp):
        np.testing.assert_allclose(f(jnp.asarray(row), where=kept), f(short), rtol=1e-14)
        slope = np.asarray(fx.grad(lambda x, f=f: f(x, where=kept))(jnp.asarray(row)))
        np.testing.assert_allclose(slope[kept], nn.softmax(short), rtol=1e-14)
        assert (slope[~kept] == 0).all()


def test_stable_standardize_does_not_cancel():
    x = jnp.asarray(np.array([1.0, 2.0, 3.0]) + 1e5, "float32")
    got = nn.standardize(x, epsilon=0.0, algorithm="stable")
    np.testing.assert_allclose(got, np.array([-1.0, 0.0, 1.0]) * math.sqrt(1.5), rtol=1e-5)
    wide = jnp.asarray(X)
    np.testing.assert_allclose(nn.standardize(wide, algorithm="stable"), nn.standardize(wide))


def test_one_hot_codes_of_small_integers_do_not_wrap():
    codes = np.asarray(nn.one_hot(jnp.array([0, 127, -128], "int8"), 300))
    assert np.argwhere(codes).tolist() == [[0, 0], [1, 127]]


def test_integers_become_floats():
    x = jnp.array([0, 1])
    for f in (nn.softmax, nn.log_softmax, nn.logsumexp, nn.logmeanexp, nn.standardize):
        assert f(x).dtype == "float32"
        np.testing.assert_array_equal(f(x), f(x.astype("float32")))


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (lambda: nn.softmax(jnp.ones(3), 1), FxValueError, r"nn\.softmax.*axis 1"),
        (lambda: nn.log_softmax(jnp.ones(3), (0, -1)), FxValueError, r"nn\.log_softmax"),
        (lambda: nn.logsumexp(jnp.ones(3), -2), FxValueError, r"nn\.logsumexp.*axis -2"),
        (lambda: nn.logmeanexp(jnp.ones(3), 1), FxValueError, r"nn\.logmeanexp.*axis 1"),
        (lambda: nn.standardize(jnp.ones(3), 1), FxValueError, r"nn\.standardize.*axis 1"),
        (
            lambda: nn.standardize(jnp.ones(3), algorithm="slow"),
            FxValueError,
            "algorithm must be 'fast' or 'stable', got 'slow'",
        ),
        (
            lambda: nn.one_hot(jnp.ones(3), 3),
            FxTypeError,
            r"nn\.one_hot expects integers, got f32\[3\]. Convert",
        ),
        (lambda: nn.one_hot(jnp.arange(3), 3, axis=2), FxValueError, r"nn\.one_hot.*axis 2"),
        (lambda: nn.one_hot(jnp.arange(3), 3.5), FxTypeError, r"nn\.one_hot.*num_classes"),
        (lambda: nn.one_hot(jnp.arange(3), -1), FxValueError, r"nn\.one_hot.*num_classes"),
    ],
)
def test_refusals(program, error, message):
    with pytest.raises(error, match=message):
        program()
