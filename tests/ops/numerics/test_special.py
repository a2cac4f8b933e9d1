"""The special functions against mpmath, in units of the last place, and at the edges.

``pytest -rP tests/ops/numerics/test_special.py`` prints the table of measured errors.
"""

import ml_dtypes
import numpy as np
import pytest

from fx.ops.numerics import elementwise, special

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp.clone()
mp.dps = 40

INF, NAN = np.inf, np.nan


def uniform(low, high, count=150, seed=0):
    return np.random.default_rng(seed).uniform(low, high, count)


def powers_of_ten(low, high, count=80, seed=1):
    return 10.0 ** uniform(low, high, count, seed)


def integers(low, high, count, seed=2):
    return np.random.default_rng(seed).integers(low, high, count).astype(float)


def join(*parts):
    return np.concatenate([np.atleast_1d(p) for p in parts])


def erfcx(x):
    return mp.exp(x * x) * mp.erfc(x)


def scaled_bessel(order):
    return lambda x: mp.exp(-abs(x)) * mp.besseli(order, x)


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def cbrt(x):
    return mp.sign(x) * mp.cbrt(abs(x))


# name: oracle, arguments, largest error in ulp for float64 and float32
ACCURACY = {
    "erf": (mp.erf, join(uniform(-6, 6), uniform(0.9, 1.1), powers_of_ten(-35, 0)), 2, 2),
    "erfc": (mp.erfc, join(uniform(-6, 9), uniform(0.4, 0.6)), 4, 1),
    "erfcx": (erfcx, join(uniform(-9, 9), powers_of_ten(0, 15)), 4, 1),
    "erf_inv": (
        mp.erfinv,
        join(uniform(-1, 1), 1 - powers_of_ten(-7, -1), powers_of_ten(-30, 0)),
        4,
        4,
    ),
    "lgamma": (
        mp.loggamma,
        join(uniform(0, 10), uniform(0.9, 1.1), uniform(1.9, 2.1), powers_of_ten(-30, 30)),
        3,
        1,
    ),
    "digamma": (
        mp.digamma,
        join(uniform(0, 10), uniform(1.45, 1.47), powers_of_ten(-30, 30)),
        4,
        1,
    ),
    "bessel_i0e": (scaled_bessel(0), join(uniform(-20, 20), powers_of_ten(-10, 4)), 4, 1),
    "bessel_i1e": (scaled_bessel(1), join(uniform(-20, 20), powers_of_ten(-10, 4)), 4, 1),
    "logistic": (logistic, join(uniform(-20, 20), uniform(-80, 80)), 3, 4),
    "cbrt": (cbrt, join(uniform(-20, 20), powers_of_ten(-30, 30)), 4, 2),
}


def errors_in_ulp(actual, exact):
    """Distances from exact values (of mpmath), in units of the last place of the rounded ones."""
    unit = np.spacing(np.abs(np.array([float(e) for e in exact]).astype(actual.dtype)))
    distance = [float(abs(mp.mpf(float(a)) - e)) for a, e in zip(actual, exact, strict=True)]
    return np.array(distance) / unit


def assert_within_ulp(limit, label, actual, exact, arguments):
    errors = errors_in_ulp(actual, exact)
    worst = errors.argmax()
    row = f"{label:24}{errors[worst]:8.2f} ulp at {arguments[worst]!r}, mean {errors.mean():.2f}"
    print(row)
    assert errors[worst] <= limit, row


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ACCURACY)
def test_accuracy(name, dtype):
    oracle, arguments, *limits = ACCURACY[name]
    arguments = arguments.astype(dtype)
    exact = [oracle(mp.mpf(float(x))) for x in arguments]
    actual = getattr(special, name)(np, arguments)
    assert actual.dtype == dtype
    limit = limits[dtype == "float32"]
    assert_within_ulp(limit, f"{name} {dtype}", actual, exact, arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "limit"),
    [
        ("erfc", np.linspace(9, 26, 200), 4),
        ("erf_inv", 1 - powers_of_ten(-15.9, -5), 4),
        ("erf_inv", -1 + powers_of_ten(-15.9, -5), 4),
        ("erfcx", np.linspace(-26, -9, 100), 4),
        ("logistic", np.linspace(-700, -80, 100), 3),
    ],
)
def test_accuracy_in_the_tails_of_float64(name, arguments, limit):
    exact = [ACCURACY[name][0](mp.mpf(float(x))) for x in arguments]
    actual = getattr(special, name)(np, arguments)
    assert_within_ulp(limit, f"{name} tail", actual, exact, arguments)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [("lgamma", lambda x: mp.log(abs(mp.gamma(x)))), ("digamma", mp.digamma)],
)
def test_negative_arguments_are_absolutely_accurate(name, oracle):
    """The zeros between the poles allow no better; ``lgamma`` and ``digamma`` are of order 1."""
    arguments = join(-uniform(0, 30), -powers_of_ten(-30, 0))
    exact = np.array([float(oracle(mp.mpf(float(x)))) for x in arguments])
    actual = getattr(special, name)(np, arguments)
    error = np.abs(actual - exact) / np.maximum(np.abs(exact), 1)
    assert error.max() < 2e-15


def test_zeta_accuracy():
    x, q = join(uniform(1.01, 60, 30), uniform(1, 1.01, 10)), powers_of_ten(-2, 4, 40)
    precise = mpmath.mp.clone()
    precise.dps = 300  # mpmath's error is absolute, and the values are as small as 1e-240
    exact = [precise.zeta(precise.mpf(a), precise.mpf(b)) for a, b in zip(x, q, strict=True)]
    assert_within_ulp(30, "zeta", special.zeta(np, x, q), exact, list(zip(x, q, strict=True)))


def test_zeta_of_negative_q():
    x, q = integers(2, 12, 60), -uniform(0, 20, 60)
    exact = []
    for a, b in zip(x.astype(int).tolist(), map(mp.mpf, q), strict=True):
        negative = int(mp.ceil(-b))  # so many terms are summed one by one
        terms = mp.fsum((b + k) ** -a for k in range(negative))
        exact.append(float(terms + mp.zeta(a, b + negative)))
    np.testing.assert_allclose(special.zeta(np, x, q), exact, rtol=1e-12)


def polygamma(n, x):
    precise = mpmath.mp.clone()
    precise.dps = 300
    return precise.psi(int(n), precise.mpf(x))


def test_polygamma_accuracy():
    n, x = integers(0, 30, 150), powers_of_ten(-1, 3, 150)
    exact = [polygamma(a, b) for a, b in zip(n, x, strict=True)]
    assert_within_ulp(
        12, "polygamma", special.polygamma(np, n, x), exact, list(zip(n, x, strict=True))
    )


def test_polygamma_of_high_order_has_factors_out_of_range():
    n, x = np.array([170.0, 171, 200, 150, 300]), np.array([30.0, 30, 100, 200, 400])
    exact = [float(polygamma(a, b)) for a, b in zip(n, x, strict=True)]
    np.testing.assert_allclose(special.polygamma(np, n, x), exact, rtol=1e-11)


EDGES = {
    "erf": {0.0: 0.0, INF: 1, -INF: -1, NAN: NAN},
    "erfc": {0.0: 1, INF: 0.0, -INF: 2, NAN: NAN, 30: 0.0, -30: 2},
    "erfcx": {0.0: 1, INF: 0.0, -INF: INF, NAN: NAN, -30: INF},
    "erf_inv": {0.0: 0.0, 1: INF, -1: -INF, 1.5: NAN, INF: NAN, -INF: NAN, NAN: NAN},
    "logistic": {0.0: 0.5, INF: 1, -INF: 0.0, NAN: NAN, 800: 1, -800: 0.0},
    "cbrt": {0.0: 0.0, INF: INF, -INF: -INF, NAN: NAN},
    "lgamma": {0.0: INF, -1: INF, -2: INF, INF: INF, -INF: INF, NAN: NAN, 1: 0.0, 2: 0.0},
    "digamma": {0.0: -INF, -1: NAN, -2: NAN, INF: INF, -INF: NAN, NAN: NAN},
    "bessel_i0e": {0.0: 1, INF: 0.0, -INF: 0.0, NAN: NAN},
    "bessel_i1e": {0.0: 0.0, INF: 0.0, -INF: -0.0, NAN: NAN},
}
NEGATIVE_ZERO = {"erf": -0.0, "erf_inv": -0.0, "cbrt": -0.0, "lgamma": INF, "digamma": INF}
NEGATIVE_ZERO |= {"erfc": 1, "erfcx": 1, "logistic": 0.5, "bessel_i0e": 1, "bessel_i1e": -0.0}
EXTREMES = {
    "erf": {5e-324: 5e-324, 1e308: 1},
    "erfc": {1e308: 0.0, -1e308: 2},
    "erfcx": {1e300: 1 / np.sqrt(np.pi) * 1e-300, -1e308: INF},
    "erf_inv": {1e-310: 8.86226925452764e-311},
    "lgamma": {5e-324: 744.4400719213812, -5e-324: 744.4400719213812, -1e20: INF, 1e308: INF},
    "digamma": {5e-324: -INF, -5e-324: INF, -1e20: NAN, 1e308: 709.1962086421661},
    "bessel_i0e": {1e308: 3.989422804014327e-155},
    "bessel_i1e": {-1e308: -3.989422804014327e-155, 1e-310: 5e-311},
}


def assert_same(actual, expected):
    """Equal, also in where NaN stands and in the signs of zeros."""
    np.testing.assert_allclose(actual, expected, rtol=1e-15, atol=0)
    zeros = np.asarray(expected) == 0
    np.testing.assert_array_equal(np.signbit(actual[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", EDGES)
def test_edges(name, dtype):
    arguments = np.array([-0.0, *EDGES[name]]).astype(dtype)
    expected = np.array([NEGATIVE_ZERO[name], *EDGES[name].values()], np.float64)
    actual = getattr(special, name)(np, arguments)
    assert actual.dtype == dtype
    assert_same(actual.astype("float64"), expected)


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_of_float64(name):
    arguments, expected = (
        np.array(list(v), np.float64) for v in zip(*EXTREMES[name].items(), strict=True)
    )
    assert_same(getattr(special, name)(np, arguments), expected)


def test_zeta_edges():
    rows = [
        (0.5, 1, NAN),
        (-1, 1, NAN),
        (1, 2, INF),
        (1, -1.5, INF),
        (2, 0.0, INF),
        (2, -3, INF),
        (2.5, -1.5, NAN),
        (2.5, -1, INF),
        (2, INF, 0),
        (2, -INF, INF),
        (INF, 1, 1),
        (INF, 2, 0),
        (INF, 0.5, INF),
        (1e300, 1, 1),
        (NAN, 1, NAN),
        (2, NAN, NAN),
        (1, NAN, NAN),
    ]
    x, q, expected = np.array(rows, np.float64).T
    np.testing.assert_array_equal(special.zeta(np, x, q), expected)


def test_polygamma_edges():
    rows = [
        (0, 0.0, -INF),
        (0, -1, NAN),
        (0, INF, INF),
        (1, 0.0, INF),
        (1, -1, INF),
        (2, 0.0, -INF),
        (1, INF, 0),
        (-1, 1, NAN),
        (0.5, 1, NAN),
        (NAN, 1, NAN),
        (1, NAN, NAN),
        (0, NAN, NAN),
    ]
    n, x, expected = np.array(rows, np.float64).T
    np.testing.assert_array_equal(special.polygamma(np, n, x), expected)


# What `elementwise` adds to the kernels

ARITY = dict.fromkeys(special.__all__, 1) | {
    "beta_density": 3,
    "betainc": 3,
    "gamma_density": 2,
    "igamma": 2,
    "igamma_grad_a": 2,
    "igammac": 2,
    "polygamma": 2,
    "random_gamma_grad": 2,
    "zeta": 2,
}


def arguments_of(name, *shape, dtype="float64"):
    """Arguments inside the domain of any function: in (0, 1), or orders."""
    rng = np.random.default_rng(1)
    arguments = [rng.uniform(0.1, 0.9, shape).astype(dtype) for _ in range(ARITY[name])]
    if name == "zeta":
        arguments[0] += np.asarray(2, dtype)
    if name == "polygamma":
        arguments[0] = rng.integers(0, 4, shape).astype(dtype)
    return arguments


@pytest.mark.parametrize("name", special.__all__)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0), (2, 3)])
def test_shapes_and_blocks(name, shape, monkeypatch):
    function = getattr(special, name)
    arguments = arguments_of(name, *shape)
    for a in arguments:
        a.flags.writeable = False
    whole = function(np, *arguments)
    assert type(whole) is np.ndarray
    assert whole.shape == shape
    monkeypatch.setattr(elementwise, "_BLOCK", 4)
    np.testing.assert_array_equal(function(np, *arguments), whole)


@pytest.mark.parametrize("name", special.__all__)
def test_strided_arguments(name):
    function = getattr(special, name)
    arguments = arguments_of(name, 6, 4)
    strided = [a.T[::2] for a in arguments]
    np.testing.assert_array_equal(function(np, *strided), function(np, *arguments).T[::2])


@pytest.mark.parametrize("name", [n for n, arity in ARITY.items() if arity > 1])
def test_scalars_broadcast(name):
    function = getattr(special, name)
    first, *others = arguments_of(name, 2, 3)
    scalar = np.asarray(first[0, 0])
    expected = function(np, np.full((2, 3), scalar), *others)
    np.testing.assert_array_equal(function(np, scalar, *others), expected)


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", special.__all__)
def test_short_types_are_computed_in_longer_ones(name, dtype):
    function = getattr(special, name)
    arguments = arguments_of(name, 50, dtype=dtype)
    actual = function(np, *arguments)
    assert actual.dtype == dtype
    wide = function(np, *(a.astype("float64") for a in arguments))
    unit = float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(actual.astype("float64"), wide, rtol=0.51 * unit)


def test_logistic_reaches_the_subnormal_numbers():
    x = np.float32([-100.0])
    assert special.logistic(np, x)[0] == pytest.approx(np.exp(-100.0), rel=0.05)
