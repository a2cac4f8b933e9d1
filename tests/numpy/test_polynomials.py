"""Polynomials against NumPy in float64, and their errors; values of JAX are in differential/."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.testing import check_grads

coefficients = st.lists(st.floats(-4, 4), min_size=1, max_size=6).map(np.array)


@given(coefficients, coefficients)
def test_arithmetic_is_that_of_numpy(a, b):
    for name in ("polyadd", "polysub", "polymul"):
        ours = np.asarray(getattr(jnp, name)(a, b))
        theirs = getattr(np, name)(a, b)
        np.testing.assert_allclose(ours[len(ours) - len(theirs) :], theirs, rtol=1e-12, atol=1e-12)
        assert not np.any(np.abs(ours[: len(ours) - len(theirs)]) > 1e-12)
    np.testing.assert_allclose(jnp.polyval(a, b), np.polyval(a, b), rtol=1e-10, atol=1e-10)


@given(coefficients, st.integers(0, 3))
def test_an_integral_undoes_a_derivative(p, m):
    integral = jnp.polyint(p, m)
    assert integral.shape == (len(p) + m,)
    np.testing.assert_allclose(jnp.polyder(integral, m), p, rtol=1e-12, atol=1e-12)


@given(coefficients, coefficients.filter(lambda p: abs(p[0]) > 0.5))
def test_a_quotient_times_the_divisor_and_the_remainder_are_the_dividend(u, v):
    quotient, remainder = jnp.polydiv(u, v)
    scale = 1 + float(jnp.abs(quotient).max())
    again = jnp.polyadd(jnp.polymul(quotient, v), remainder)
    padded = np.concatenate([np.zeros(again.size - len(u)), u])
    np.testing.assert_allclose(again, padded, rtol=1e-9, atol=1e-9 * scale)


def test_derivatives_of_values_and_fits():
    rng = np.random.default_rng(0)
    p, x, y = rng.normal(size=4), rng.normal(size=6), rng.normal(size=6)
    check_grads(jnp.polyval, (p, x), order=2)
    check_grads(lambda x, y: jnp.polyfit(x, y, 2), (x, y), order=1)
    check_grads(lambda z: jnp.poly(z), (p,), order=2)
    check_grads(lambda u, v: jnp.polydiv(u, v), (rng.normal(size=5), p + 3), order=1)


ERRORS = {
    "scalar": (lambda: jnp.polyval(1.0, 2.0), ShapeError, "vector"),
    "matrix": (lambda: jnp.polyadd(np.ones((2, 2)), np.ones(2)), ShapeError, "vectors"),
    "order": (lambda: jnp.polyder(np.ones(2), -1), FxValueError, "at least 0"),
    "no order": (lambda: jnp.polyint(np.ones(2), 1.5), FxTypeError, "integer"),
    "constants": (lambda: jnp.polyint(np.ones(2), 2, np.ones(3)), FxValueError, "2 constants"),
    "list": (lambda: jnp.polyval([1, 2], 3), FxTypeError, "asarray"),
    "no matrix": (lambda: jnp.poly(np.ones((2, 3))), ShapeError, "square"),
    "degree": (lambda: jnp.polyfit(np.ones(3), np.ones(3), -1), FxValueError, "degree"),
    "points": (lambda: jnp.polyfit(np.ones(3), np.ones(2), 1), ShapeError, "shape"),
    "weights": (lambda: jnp.polyfit(np.ones(3), np.ones(3), 1, w=np.ones(2)), ShapeError, "w must"),
    "few": (lambda: jnp.polyfit(np.ones(2), np.ones(2), 1, cov=True), FxValueError, "unscaled"),
    "cov": (lambda: jnp.polyfit(np.ones(3), np.ones(3), 1, cov="x"), FxTypeError, "unscaled"),
    "empty": (lambda: jnp.polydiv(np.ones(0), np.ones(1)), ShapeError, "at least one"),
    "traced": (lambda: fx.jit(jnp.roots)(np.ones(3)), fx.errors.FxError, "concrete"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind, match=text):
        call()
