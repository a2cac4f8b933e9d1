"""Every fitted coefficient is what a Chebyshev fit of its function gives, computed anew.

``python tests/ops/numerics/test_special_tables.py`` prints the tables, should a degree change.
"""

import pytest

from fx.ops.numerics import special_tables

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp.clone()
mp.dps = 50


def erf_over_x(t):
    """erf(x) / x - 1 as a function of x**2."""
    return (mp.erf(mp.sqrt(t)) / mp.sqrt(t) if t else 2 / mp.sqrt(mp.pi)) - 1


def scaled_erfc(t):
    """(1 + 2 x) exp(x**2) erfc(x) as a function of t = (x - 3) / (x + 3)."""
    x = 3 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def minus_log_erfc(x):
    return -mp.log(mp.erfc(x))


def erfinv_over_x(w):
    """erfinv(x) / x as a function of w = -log(1 - x**2)."""
    x = mp.sqrt(-mp.expm1(-w))
    complement = -mp.expm1(mp.log1p(-mp.exp(-w)) / 2)  # 1 - x, without cancellation
    guess = mp.sqrt(w) * (1 - mp.mpf("0.1") * min(1, w / 5))
    y = mp.findroot(lambda y: mp.log(mp.erfc(y)) - mp.log(complement), guess)
    return y / x


def erfinv_over_x_of_root(s):
    return erfinv_over_x(s * s)


def lgamma_quotient(u):
    """lgamma(1 + u) / (u (u - 1))."""
    return mp.loggamma(1 + u) / (u * (u - 1))


def digamma_quotient(x):
    """digamma(x) divided by the distance to its positive zero."""
    return mp.digamma(x) / (x - mp.findroot(mp.digamma, 1.4616))


def bessel_quotient(order):
    """sqrt(x) exp(-x) I(x) as a function of 1 / x."""
    return lambda z: mp.exp(-1 / z) * mp.besseli(order, 1 / z) / mp.sqrt(z)


ROOT_5 = mp.sqrt(5)
# name: function, interval, centre of the powers, degree
FITS = {
    "ERF": (erf_over_x, 0, 1, 0, 11),
    "ERF_SINGLE": (erf_over_x, 0, 1, 0, 6),
    "ERFC_TAIL": (scaled_erfc, mp.mpf(-5) / 7, 1, 0, 22),
    "ERF_TAIL_SINGLE": (minus_log_erfc, 1, 4, 2.5, 8),
    "ERF_INV_CENTRE": (erfinv_over_x, 0, 5, 2.5, 21),
    "ERF_INV_MIDDLE": (erfinv_over_x_of_root, ROOT_5, 4, 3, 19),
    "ERF_INV_END": (erfinv_over_x_of_root, 4, 6.25, 5, 18),
    "ERF_INV_CENTRE_SINGLE": (erfinv_over_x, 0, 5, 2.5, 9),
    "ERF_INV_MIDDLE_SINGLE": (erfinv_over_x_of_root, ROOT_5, 4, 3, 9),
    "LGAMMA": (lgamma_quotient, 0, 2, 1, 27),
    "DIGAMMA": (digamma_quotient, 1, 2, 1.5, 22),
    "BESSEL_I0_TAIL": (bessel_quotient(0), 0, 0.125, 0.0625, 23),
    "BESSEL_I1_TAIL": (bessel_quotient(1), 0, 0.125, 0.0625, 23),
}


def fit(function, low, high, centre, degree):
    """The interpolant in the Chebyshev nodes, as coefficients of powers of ``x - centre``."""
    count = degree + 1
    low, high = mp.mpf(low), mp.mpf(high)
    angles = [(k + mp.mpf(1) / 2) * mp.pi / count for k in range(count)]
    values = [function((low + high) / 2 + (high - low) / 2 * mp.cos(a)) for a in angles]
    slope, offset = 2 / (high - low), (2 * centre - low - high) / (high - low)
    chebyshev = [mp.mpf(1)], [offset, slope]  # T_j and T_{j+1} in powers of x - centre
    result = [mp.mpf(0)] * count
    for j in range(count):
        weight = 2 * mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angles, strict=True)) / count
        for i, c in enumerate(chebyshev[0]):
            result[i] += c * (weight / 2 if j == 0 else weight)
        following = [mp.mpf(0)] * (j + 3)
        for i, c in enumerate(chebyshev[1]):
            following[i] += 2 * offset * c
            following[i + 1] += 2 * slope * c
        for i, c in enumerate(chebyshev[0]):
            following[i] -= c
        chebyshev = chebyshev[1], following
    return tuple(float(c) for c in result)


@pytest.mark.parametrize("name", FITS)
def test_table_is_the_chebyshev_fit(name):
    assert getattr(special_tables, name) == pytest.approx(fit(*FITS[name]), rel=1e-15)


def gauss_legendre(count):
    """Nodes and weights on [0, 1], each as accurate near 0 as near 1."""
    nodes, weights = [], []
    for i in range(count):
        t = mp.cos(mp.pi * (i + mp.mpf(3) / 4) / (count + mp.mpf(1) / 2))
        slope = mp.mpf(1)
        for _ in range(8):  # Newton's method
            below, value = mp.mpf(1), t
            for k in range(2, count + 1):
                below, value = value, ((2 * k - 1) * t * value - (k - 1) * below) / k
            slope = count * (t * value - below) / (t * t - 1)
            t -= value / slope
        nodes.append(float((1 - t) / 2))
        weights.append(float(1 / ((1 - t * t) * slope * slope)))
    return nodes, weights


def test_gauss_rule():
    nodes, weights = gauss_legendre(len(special_tables.GAUSS_NODES))
    assert list(special_tables.GAUSS_NODES) == pytest.approx(nodes, rel=1e-15)
    assert list(special_tables.GAUSS_WEIGHTS) == pytest.approx(weights, rel=1e-15)


def test_digamma_root():
    root = mp.findroot(mp.digamma, 1.4616)
    assert float(root) == special_tables.DIGAMMA_ROOT
    assert float(root - float(root)) == special_tables.DIGAMMA_ROOT_LOW


def test_bernoulli_numbers():
    expected = [float(mp.bernoulli(2 * (k + 1))) for k in range(len(special_tables.BERNOULLI))]
    assert list(special_tables.BERNOULLI) == pytest.approx(expected, rel=1e-15)


if __name__ == "__main__":
    for name, arguments in FITS.items():
        print(f"{name} = (")
        for coefficient in fit(*arguments):
            print(f"    {coefficient!r},")
        print(")")
