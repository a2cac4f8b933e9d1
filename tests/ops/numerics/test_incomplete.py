"""The incomplete gamma and beta functions against mpmath, and identities that need no oracle."""

import numpy as np
import pytest

from fx.ops.numerics import special

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp.clone()
mp.dps = 40

INF, NAN = np.inf, np.nan


def uniform(low, high, count, seed):
    return np.random.default_rng(seed).uniform(low, high, count)


def gamma_arguments(count=120):
    """Shapes over six decades; x near them, around them, and both tiny."""
    a = 10 ** uniform(-3, 3, count, 0)
    near = a * uniform(0.8, 1.25, count, 1)
    around = a * 10 ** uniform(-1, 1, count, 2)
    tiny_a, tiny_x = 10 ** uniform(-14, 0, count, 3), 10 ** uniform(-12, 0, count, 4)
    return np.concatenate([a, a, tiny_a]), np.concatenate([near, around, tiny_x])


def lower_gamma(a, x):
    return mp.gammainc(mp.mpf(a), 0, mp.mpf(x), regularized=True)


def upper_gamma(a, x):
    return mp.gammainc(mp.mpf(a), mp.mpf(x), regularized=True)


def gradient_of_gamma(a, x):
    """The derivative of the smaller side, by a difference in twice the digits."""
    side, sign = (lower_gamma, 1) if x < a else (upper_gamma, -1)
    step = mp.mpf(a) * mp.mpf(10) ** -12
    return sign * (side(a + step, x) - side(a - step, x)) / (2 * step)


def density_of_gamma(a, x):
    a, x = mp.mpf(a), mp.mpf(x)
    return mp.exp((a - 1) * mp.log(x) - x - mp.loggamma(a))


def density_of_beta(a, b, x):
    a, b, x = mp.mpf(a), mp.mpf(b), mp.mpf(x)
    logarithm = mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)
    return mp.exp((a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) + logarithm)


def beta_tail(a, b, x):
    a, b, x = mp.mpf(a), mp.mpf(b), mp.mpf(x)
    if x * (a + b) <= a:
        return mp.betainc(a, b, 0, x, regularized=True)
    return 1 - mp.betainc(b, a, 0, 1 - x, regularized=True)


def assert_relative(limit, actual, exact, *arguments):
    exact = np.array([float(e) for e in exact])
    regular = np.abs(exact) > 1e-290  # subnormal numbers have fewer digits
    error = np.abs(actual - exact)[regular] / np.abs(exact[regular])
    worst = error.argmax()
    where = [a[regular][worst] for a in arguments]
    row = f"{error[worst]:.2e} at {where}, median {np.median(error):.1e}"
    print(row)
    assert error[worst] <= limit, row


@pytest.mark.parametrize(("name", "oracle"), [("igamma", lower_gamma), ("igammac", upper_gamma)])
def test_incomplete_gamma(name, oracle):
    a, x = gamma_arguments()
    exact = [oracle(*ax) for ax in zip(a, x, strict=True)]
    assert_relative(5e-13, getattr(special, name)(np, a, x), exact, a, x)


def test_incomplete_gamma_of_huge_shapes():
    """Where SciPy may lose all digits: several deviations from a mean of 1e3 to 1e12."""
    a = 10 ** uniform(3, 12, 30, 0)
    x = a + uniform(-6, 6, 30, 1) * np.sqrt(a)

    def side(a, x):
        """The integral over log(t), cut where the integrand has vanished."""
        a, x = mp.mpf(a), mp.mpf(x)
        sign = 1 if x >= a else -1
        ends = [sign * k / mp.sqrt(x) for k in (0, 0.5, 1, 2, 3, 5, 8, 12, 20, 30)]
        integral = mp.quad(lambda v: mp.exp(a * v - x * mp.expm1(v)), ends)
        return sign * integral * mp.exp(a * mp.log(x) - x - mp.loggamma(a))

    exact = [side(*ax) for ax in zip(a, x, strict=True)]
    actual = np.where(x < a, special.igamma(np, a, x), special.igammac(np, a, x))
    assert_relative(1e-14, actual, exact, a, x)


def test_gradients_of_incomplete_gamma():
    a, x = (v[::3] for v in gamma_arguments())
    precise = mp.dps
    try:
        mp.dps = 60
        exact = [gradient_of_gamma(*ax) for ax in zip(a, x, strict=True)]
    finally:
        mp.dps = precise
    assert_relative(2e-13, special.igamma_grad_a(np, a, x), exact, a, x)
    moved = [-e / density_of_gamma(*ax) for e, *ax in zip(exact, a, x, strict=True)]
    assert_relative(1e-14, special.random_gamma_grad(np, a, x), moved, a, x)


def beta_arguments():
    a, b = 10 ** uniform(-2, 2.5, 400, 0), 10 ** uniform(-2, 2.5, 400, 1)
    mean = a / (a + b)
    deviation = np.sqrt(mean * (1 - mean) / (a + b + 1))
    near = np.clip(mean + 2 * uniform(-2, 2, 400, 2) * deviation, 1e-6, 1 - 1e-6)
    x = np.where(np.arange(400) % 2, near, uniform(0, 1, 400, 3))
    x[::10] = 10 ** uniform(-8, 0, 40, 4)
    return a, b, x


def test_betainc():
    a, b, x = beta_arguments()
    exact = [beta_tail(*abx) for abx in zip(a, b, x, strict=True)]
    assert_relative(5e-12, special.betainc(np, a, b, x), exact, a, b, x)


def test_betainc_of_large_parameters():
    stats = pytest.importorskip("scipy.special")
    a, b = 10 ** uniform(-1, 6, 500, 0), 10 ** uniform(-1, 6, 500, 1)
    mean = a / (a + b)
    deviation = np.sqrt(mean * (1 - mean) / (a + b + 1))
    x = np.clip(mean + uniform(-4, 4, 500, 2) * deviation, 1e-12, 1 - 1e-12)
    assert_relative(2e-12, special.betainc(np, a, b, x), stats.betainc(a, b, x), a, b, x)


def test_densities():
    a, x = gamma_arguments()
    exact = [density_of_gamma(*ax) for ax in zip(a, x, strict=True)]
    assert_relative(5e-13, special.gamma_density(np, a, x), exact, a, x)
    a, b, x = beta_arguments()
    exact = [density_of_beta(*abx) for abx in zip(a, b, x, strict=True)]
    assert_relative(5e-13, special.beta_density(np, a, b, x), exact, a, b, x)


def test_densities_do_not_underflow_with_their_product_by_x():
    a, x = np.array([2.0, 1.5, 1e-3]), np.array([1e-200, 1e-220, 1e-290])
    exact = [float(density_of_gamma(*ax)) for ax in zip(a, x, strict=True)]
    np.testing.assert_allclose(special.gamma_density(np, a, x), exact, rtol=1e-12)
    np.testing.assert_allclose(special.beta_density(np, a, np.ones(3), x), a * x ** (a - 1), 1e-12)


def test_density_edges():
    rows = [
        (0.5, 0.0, INF),
        (1.0, 0.0, 1.0),
        (2.0, 0.0, 0.0),
        (2.0, INF, 0.0),
        (INF, 1.0, 0.0),
        (0.0, 1.0, 0.0),
        (INF, INF, NAN),
        (-1.0, 1.0, NAN),
        (1.0, -1.0, NAN),
        (NAN, 1.0, NAN),
        (1.0, NAN, NAN),
    ]
    a, x, expected = np.array(rows).T
    np.testing.assert_array_equal(special.gamma_density(np, a, x), expected)
    rows = [
        (0.5, 2.0, 0.0, INF),
        (1.0, 2.0, 0.0, 2.0),
        (3.0, 2.0, 0.0, 0.0),
        (3.0, 0.5, 1.0, INF),
        (3.0, 1.0, 1.0, 3.0),
        (3.0, 2.0, 1.0, 0.0),
        (INF, 2.0, 0.5, 0.0),
        (0.0, 2.0, 0.5, 0.0),
        (0.0, 0.0, 0.5, NAN),
        (INF, INF, 0.5, NAN),
        (-1.0, 2.0, 0.5, NAN),
        (1.0, 2.0, 1.5, NAN),
        (1.0, 2.0, -0.5, NAN),
        (NAN, 2.0, 0.5, NAN),
        (2.0, NAN, 0.5, NAN),
        (2.0, 2.0, NAN, NAN),
    ]
    a, b, x, expected = np.array(rows).T
    np.testing.assert_array_equal(special.beta_density(np, a, b, x), expected)


def test_betainc_beside_a_tiny_parameter_is_absolutely_accurate():
    a, b = 10 ** uniform(-3, 1, 100, 0), 10 ** uniform(-6, 0, 100, 1)
    x = 1 - 10 ** uniform(-10, 0, 100, 2)
    exact = np.array([float(beta_tail(*abx)) for abx in zip(a, b, x, strict=True)])
    np.testing.assert_allclose(special.betainc(np, a, b, x), exact, rtol=0, atol=1e-14)


def test_sides_add_to_one():
    a, x = gamma_arguments()
    total = special.igamma(np, a, x) + special.igammac(np, a, x)
    np.testing.assert_allclose(total, 1, rtol=1e-15)
    b, x = a[::-1], uniform(0.01, 0.99, len(a), 5)
    total = special.betainc(np, a, b, x) + special.betainc(np, b, a, 1 - x)
    np.testing.assert_allclose(total, 1, rtol=1e-11)


@pytest.mark.parametrize(
    ("a", "x"),
    [(4.0, 4.0), (0.5, 0.5), (4.0, 3.999), (100.0, 100.0), (0.01, 0.5), (0.2, 0.082), (7, 7)],
)
def test_regions_meet_without_a_step(a, x):
    """No jump, and no fall, where one method takes over from another."""
    x = x * (1 + np.arange(-8, 9) * 2.0**-50)
    a = np.full_like(x, a)
    for values in (special.igamma(np, a, x), -special.igammac(np, a, x)):
        assert np.ptp(values) <= 1e-12 * np.abs(values).max()


GAMMA_EDGES = [
    (0.0, 0.0, NAN),
    (0.0, 1.0, 1.0),
    (1.0, 0.0, 0.0),
    (INF, 1.0, 0.0),
    (1.0, INF, 1.0),
    (INF, INF, NAN),
    (0.0, INF, 1.0),
    (INF, 0.0, 0.0),
    (-1.0, 1.0, NAN),
    (1.0, -1.0, NAN),
    (-1.0, 0.0, NAN),
    (-0.5, INF, NAN),
    (NAN, 1.0, NAN),
    (1.0, NAN, NAN),
    (1.0, 1e300, 1.0),
    (1e300, 1.0, 0.0),
    (1.0, 5e-324, 5e-324),
]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_gamma_edges(dtype):
    with np.errstate(all="ignore"):
        a, x, expected = (
            np.array(GAMMA_EDGES if dtype == "float64" else GAMMA_EDGES[:-3]).astype(dtype).T
        )
    np.testing.assert_array_equal(special.igamma(np, a, x), expected)
    np.testing.assert_array_equal(special.igammac(np, a, x), 1 - expected)


def test_gradient_edges():
    a = np.array([1.0, 1.0, 0.0, INF, -1.0, NAN, 1.0, 1e10])
    x = np.array([0.0, INF, 1.0, 1.0, 1.0, 1.0, -1.0, 0.0])
    nan = [NAN] * 5
    np.testing.assert_array_equal(special.igamma_grad_a(np, a, x), [0, 0, *nan, 0])
    np.testing.assert_array_equal(special.random_gamma_grad(np, a, x), [0, NAN, *nan, 0])


def test_betainc_edges_are_those_of_scipy():
    stats = pytest.importorskip("scipy.special")
    parameters, points = [0.0, 1.0, 2.5, INF, -1.0, NAN], [0.0, 0.5, 1.0, -0.1, 1.1, NAN]
    a, b, x = (v.ravel() for v in np.meshgrid(parameters, parameters, points))
    np.testing.assert_allclose(special.betainc(np, a, b, x), stats.betainc(a, b, x), rtol=1e-14)


def test_float32_is_correctly_rounded_almost_always():
    a, x = (v.astype("float32") for v in gamma_arguments())
    wide = special.igamma(np, a.astype("float64"), x.astype("float64"))
    np.testing.assert_array_equal(special.igamma(np, a, x), wide.astype("float32"))
