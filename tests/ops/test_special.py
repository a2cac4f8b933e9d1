"""Special functions: derivatives of every order against mpmath, limits at the ends of domains.

Values are tested in tests/ops/numerics; here only how the primitives wrap and differentiate them.
"""

import ml_dtypes
import mpmath
import numpy as np
import pytest

import fx
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, MissingRuleError
from tests import laws

mpmath.mp.dps = 40


def betainc(a, b, x):
    return mpmath.betainc(a, b, 0, x, regularized=True)


def igamma(a, x):
    return mpmath.gammainc(a, 0, x, regularized=True)


def gamma_density(a, x):
    return mpmath.power(x, a - 1) * mpmath.exp(-x) / mpmath.gamma(a)


def beta_density(a, b, x):
    return mpmath.power(x, a - 1) * mpmath.power(1 - x, b - 1) / mpmath.beta(a, b)


# primitive: (the same by mpmath, arguments, which arguments it is differentiable in)
ONE = {
    "erf": (mpmath.erf, [-2.5, -0.5, 0.0, 1e-3, 1.0, 3.0]),
    "erfc": (mpmath.erfc, [-2.5, -0.5, 0.0, 1e-3, 1.0, 5.0]),
    "erfcx": (lambda x: mpmath.exp(x * x) * mpmath.erfc(x), [-2.5, -0.5, 0.0, 1e-3, 1.0, 5.0]),
    "erf_inv": (mpmath.erfinv, [-0.9, -0.5, 0.0, 1e-3, 0.3, 0.99]),
    "lgamma": (lambda x: mpmath.log(abs(mpmath.gamma(x))), [-2.3, -0.5, 0.1, 1.5, 4.0, 20.0]),
    "digamma": (mpmath.digamma, [-2.3, -0.5, 0.1, 1.5, 4.0, 20.0]),
    "bessel_i0e": (
        lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x),
        [-12.0, -3.0, -0.1, 1e-3, 1.0, 30.0],
    ),
    "bessel_i1e": (
        lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(1, x),
        [-12.0, -3.0, -0.1, 1e-2, 1.0, 30.0],
    ),
}
SEVERAL = {
    "polygamma": (mpmath.polygamma, [(1, 0.5), (2, 3.0), (3, 10.0)], (1,)),
    "zeta": (mpmath.zeta, [(2.5, 0.5), (3.0, 2.0), (1.5, 10.0)], (1,)),
    "igamma": (igamma, [(0.5, 0.2), (1.0, 1.0), (3.0, 5.0), (20.0, 15.0)], (0, 1)),
    "igammac": (
        lambda a, x: 1 - igamma(a, x),
        [(0.5, 0.2), (1.0, 1.0), (3.0, 5.0), (20.0, 15.0)],
        (0, 1),
    ),
    "gamma_density": (gamma_density, [(0.5, 0.2), (1.0, 1.0), (3.0, 5.0), (20.0, 15.0)], (0, 1)),
    "igamma_grad_a": (
        lambda a, x: mpmath.diff(igamma, (a, x), (1, 0)),
        [(0.5, 0.2), (3.0, 5.0)],
        (1,),
    ),
    "random_gamma_grad": (
        lambda a, x: -mpmath.diff(igamma, (a, x), (1, 0)) / gamma_density(a, x),
        [(0.5, 0.2), (3.0, 5.0)],
        (1,),
    ),
    "regularized_incomplete_beta": (betainc, [(0.5, 2.0, 0.3), (3.0, 1.0, 0.9)], (2,)),
    "beta_density": (
        beta_density,
        [(0.5, 2.0, 0.3), (3.0, 1.0, 0.9), (1.0, 4.0, 0.2)],
        (0, 1, 2),
    ),
}


@pytest.mark.parametrize("name", ONE)
def test_three_derivatives_of_functions_of_one_number(name):
    reference, points = ONE[name]
    function = P.table[name]
    for order in range(1, 4):
        function = lambda x, f=function: fx.jvp(f, (x,), (np.float64(1),))[1]
        out = [float(function(np.float64(x))) for x in points]
        expected = [float(mpmath.diff(reference, x, order)) for x in points]
        np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-11)


def only(name, position, operands):
    """The primitive as a function of one operand, the others fixed."""
    before = [Array(np.asarray(v)) for v in operands[:position]]
    after = [Array(np.asarray(v)) for v in operands[position + 1 :]]
    return lambda x: P.table[name](*before, x, *after)


def exact_slope(reference, position, point):
    order = [int(i == position) for i in range(len(point))]
    return float(mpmath.diff(reference, tuple(point), tuple(order)))


@pytest.mark.parametrize("name", SEVERAL)
def test_derivatives_of_functions_of_several_numbers(name):
    reference, points, active = SEVERAL[name]
    for position in active:
        for point in points:
            point = np.array(point, np.float64)
            slope = float(fx.grad(only(name, position, point))(point[position]))
            expected = exact_slope(reference, position, point.tolist())
            np.testing.assert_allclose(slope, expected, rtol=1e-9)


@pytest.mark.parametrize("name", [*ONE, *SEVERAL])
def test_laws(name):
    if name in ONE:
        points, active = [(x,) for x in ONE[name][1] if x], (0,)
    else:
        _, points, active = SEVERAL[name]
    columns = np.array(points).T
    for position in active:
        function = only(name, position, columns)
        shrunk = lambda i, x, seed: x._data * 0.9 ** (seed % 5)  # stays inside the domain
        laws.check_laws(function, columns[position], vary=shrunk)


@pytest.mark.parametrize("name", [*ONE, *SEVERAL])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_narrow_dtypes_are_rounded_from_wider_ones(name, dtype):
    points = [(x,) for x in ONE[name][1]] if name in ONE else SEVERAL[name][1]
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    columns = np.array(points).T.astype(dtype)
    out = P.table[name](*map(Array, columns))
    assert out.dtype == dtype
    exact = P.table[name](*[Array(c.astype(np.float64)) for c in columns])._data
    rtol = 4 * float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(out._data.astype(np.float64), exact, rtol=rtol, atol=rtol / 10)


def test_a_scalar_operand_stands_for_all_elements():
    x = Array(np.array([0.5, 1.0, 2.0]))
    out = P.igamma(scalar(2), x)
    np.testing.assert_array_equal(out, P.igamma(Array(np.full(3, 2.0)), x))
    mean = lambda a: P.reduce_sum(P.igamma(a, x), axes=(0,))
    slopes = fx.grad(lambda a: P.reduce_sum(P.igamma(a, x), axes=(0,)))(np.full(3, 2.0))
    np.testing.assert_allclose(fx.grad(mean)(np.float64(2)), np.asarray(slopes).sum())


# ------------------------------------------------------------------ ends of domains
def scalar(value, dtype=np.float64):
    return Array(np.asarray(value, dtype))


def slope_at(function, x):
    return float(fx.grad(function)(np.float64(x)))


@pytest.mark.parametrize("a, b, x, slope", [(1, 3, 0, 3), (3, 1, 1, 3), (2, 2, 1, 0), (2, 2, 0, 0)])
def test_slopes_of_betainc_at_the_ends_of_the_domain_are_limits(a, b, x, slope):
    function = lambda x: P.regularized_incomplete_beta(scalar(a), scalar(b), x)
    assert slope_at(function, x) == pytest.approx(slope)


def test_slopes_at_zero_are_limits():
    assert slope_at(P.bessel_i1e, 0) == 0.5
    cases = [(1, 1, 1), (1, 2, 0), (1, 0.5, np.inf)]
    cases += [(2, 1, -1), (2, 2, 1), (2, 3, 0), (3, 3, 1), (2, 1.5, np.inf)]
    for order, shape, expected in cases:
        function = lambda x, shape=shape: P.igamma(scalar(shape), x)
        for _ in range(order - 1):
            function = fx.grad(function)
        assert slope_at(function, 0) == pytest.approx(expected)


def test_slopes_keep_their_digits_for_large_parameters():
    single = lambda value: scalar(value, np.float32)
    a, x = 1e4, np.float32(1.001e4)
    slope = fx.grad(lambda x: P.igamma(single(a), x))(x)
    np.testing.assert_allclose(float(slope), float(gamma_density(a, float(x))), rtol=1e-6)
    b, x = 2e4, np.float32(0.334)
    slope = fx.grad(lambda x: P.regularized_incomplete_beta(single(a), single(b), x))(x)
    np.testing.assert_allclose(float(slope), float(beta_density(a, b, float(x))), rtol=1e-6)


# ------------------------------------------------------------------ errors
@pytest.mark.parametrize(
    "name, position, argument, shown",
    [
        ("polygamma", 0, "m", "polygamma"),
        ("zeta", 0, "its first argument", "zeta"),
        ("igamma_grad_a", 0, "a", "igamma_grad_a"),
        ("random_gamma_grad", 0, "a", "random_gamma_grad"),
        ("regularized_incomplete_beta", 0, "a", "betainc"),
        ("regularized_incomplete_beta", 1, "b", "betainc"),
    ],
)
def test_a_derivative_without_a_closed_form_is_refused(name, position, argument, shown):
    point = np.array(SEVERAL[name][1][0])
    with pytest.raises(MissingRuleError, match=f"{shown} has no derivative .* {argument}"):
        fx.grad(only(name, position, point))(point[position])


def test_integers_are_refused():
    with pytest.raises(FxTypeError, match="erf expects"):
        P.erf(Array(np.arange(3)))
    with pytest.raises(FxTypeError, match="igamma expects operands of one dtype"):
        P.igamma(Array(np.ones(2)), Array(np.ones(2, np.float32)))
