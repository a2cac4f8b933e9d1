"""lax special functions take JAX's arguments and give its values and gradients."""

import numpy as np
import pytest

import fx
from fx import lax
from fx.errors import FxTypeError, MissingRuleError, ShapeError

X = np.linspace(0.1, 0.9, 5).astype(np.float32)
ARGUMENTS = {
    "erf": (X,),
    "erfc": (X,),
    "erf_inv": (X,),
    "lgamma": (X,),
    "digamma": (X,),
    "bessel_i0e": (X,),
    "bessel_i1e": (X,),
    "polygamma": (np.full(5, 2, np.float32), X),
    "zeta": (np.full(5, 2.5, np.float32), X),
    "igamma": (X, 2 * X),
    "igammac": (X, 2 * X),
    "igamma_grad_a": (X, 2 * X),
    "random_gamma_grad": (X, 2 * X),
    "betainc": (2 * X, 3 * X, X),
}
# JAX has no derivatives of the others.
DERIVED = ["erf", "erfc", "erf_inv", "lgamma", "digamma", "bessel_i0e", "bessel_i1e"]
DERIVED += ["polygamma", "igamma", "igammac", "betainc"]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_values_are_jaxs(name):
    jax = pytest.importorskip("jax")
    out = getattr(lax, name)(*ARGUMENTS[name])
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, getattr(jax.lax, name)(*ARGUMENTS[name]), rtol=1e-4)


@pytest.mark.parametrize("name", DERIVED)
def test_gradients_by_the_last_argument_are_jaxs(name):
    jax = pytest.importorskip("jax")
    *fixed, x = ARGUMENTS[name]

    def gradient(module):
        function = getattr(module.lax, name)
        return module.grad(lambda x: module.lax.reduce_sum(function(*fixed, x), (0,)))(x)

    np.testing.assert_allclose(gradient(fx), gradient(jax), rtol=1e-4)


def test_numbers_take_the_dtype_of_the_array():
    assert lax.igamma(2, X).dtype == np.float32
    assert lax.polygamma(1.0, X.astype(np.float16)).dtype == np.float16
    assert lax.erf(0.5).shape == ()


def test_what_does_not_fit_is_refused():
    with pytest.raises(FxTypeError, match="erf expects operands of a floating-point dtype"):
        lax.erf(np.arange(3))
    with pytest.raises(FxTypeError, match="one dtype"):
        lax.igamma(X, X.astype(np.float64))
    with pytest.raises(ShapeError, match="equal shapes"):
        lax.igamma(X, X[:3])
    with pytest.raises(MissingRuleError, match="betainc has no derivative with respect to a"):
        fx.grad(lambda a: lax.reduce_sum(lax.betainc(a, X, X), (0,)))(X)
