"""fx.scipy.special against SciPy in float64, JAX's types, and derivatives."""

import numpy as np
import pytest

import fx.numpy as jnp
from fx.errors import FxError
from fx.scipy import special
from tests.laws import check_derivatives, check_jit, check_vmap

scipy_special = pytest.importorskip("scipy.special")

REAL = np.array([-3.3, -1.7, -0.6, -0.2, 0.3, 0.9, 1.4, 2.2, 5.1, 17.0])
POSITIVE = np.array([1e-3, 0.2, 0.7, 1.0, 1.9, 4.4, 8.3, 30.0])
UNIT = np.array([1e-9, 1e-3, 0.05, 0.3, 0.5, 0.66, 0.9, 0.999])
WIDE = np.array([-300.0, -40, -25, -19.9, -11, -9.9, -3, 0, 0.5, 2, 9, 30])

# name: arguments, and the positions of those with derivatives
ROWS = {
    "beta": ((POSITIVE, POSITIVE[::-1]), (0, 1)),
    "betainc": ((POSITIVE[1:], POSITIVE[:0:-1], UNIT[1:]), (2,)),
    "betaln": ((POSITIVE, POSITIVE[::-1]), (0, 1)),
    "boxcox": ((POSITIVE, REAL[:8]), (0, 1)),
    "boxcox1p": ((POSITIVE, REAL[:8]), (0, 1)),
    "digamma": ((REAL,), (0,)),
    "entr": ((POSITIVE,), (0,)),
    "erf": ((REAL,), (0,)),
    "erfc": ((REAL,), (0,)),
    "erfinv": ((UNIT,), (0,)),
    "expit": ((REAL,), (0,)),
    "factorial": ((POSITIVE,), (0,)),
    "gamma": ((REAL,), (0,)),
    "gammainc": ((POSITIVE, POSITIVE[::-1]), (1,)),
    "gammaincc": ((POSITIVE, POSITIVE[::-1]), (1,)),
    "gammaln": ((REAL,), (0,)),
    "gammasgn": ((REAL,), ()),
    "i0": ((REAL,), (0,)),
    "i0e": ((REAL,), (0,)),
    "i1": ((REAL,), (0,)),
    "i1e": ((REAL,), (0,)),
    "kl_div": ((POSITIVE, POSITIVE[::-1]), (0, 1)),
    "log_ndtr": ((WIDE,), (0,)),
    "loggamma": ((POSITIVE,), (0,)),
    "logit": ((UNIT[1:],), (0,)),
    "ndtr": ((REAL,), (0,)),
    "ndtri": ((UNIT,), ()),
    "poch": ((POSITIVE, POSITIVE[::-1]), (0, 1)),
    "polygamma": ((np.full(8, 2.0), POSITIVE), (1,)),
    "rel_entr": ((POSITIVE, POSITIVE[::-1]), (0, 1)),
    "xlog1py": ((REAL[:8], POSITIVE), (0, 1)),
    "xlogy": ((REAL[:8], POSITIVE), (0, 1)),
    "zeta": ((1 + POSITIVE, POSITIVE[::-1]), (1,)),
}


@pytest.mark.parametrize("name", ROWS)
def test_values_are_scipys(name):
    args, _ = ROWS[name]
    f = getattr(special, name)
    got, expected = f(*args), getattr(scipy_special, name)(*args)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    single = f(*[a.astype(np.float32) for a in args])
    assert single.dtype == np.float32
    narrow = getattr(scipy_special, name)(*[a.astype(np.float32).astype(float) for a in args])
    narrow = np.where(np.abs(narrow) < 1e38, narrow, np.inf)
    np.testing.assert_allclose(single, narrow, rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("name", ROWS)
def test_laws(name):
    args, active = ROWS[name]
    f = getattr(special, name)
    check_jit(f, *args)
    check_vmap(f, *[a[:3] for a in args], vary=lambda i, x, seed: args[i][seed % 3 : seed % 3 + 3])
    inside = [a[2:] for a in args]
    if name in ("gamma", "factorial", "i0", "i1", "poch", "beta"):  # steep further on
        inside = [a[:5] for a in inside]
    for position in active:

        def of_one(x, position=position):
            return f(*inside[:position], x, *inside[position + 1 :])

        check_derivatives(of_one, inside[position], tolerance=1e-4)


@pytest.mark.parametrize("name", ROWS)
def test_types_are_jaxs(name):
    jax = pytest.importorskip("jax")
    theirs = pytest.importorskip("jax.scipy.special")
    count = len(ROWS[name][0])
    args = [np.ones((3, 1), np.float32), *[np.full(2, 2, np.float32)] * (count - 1)]
    if name == "polygamma":  # JAX takes integer orders only
        args[0] = args[0].astype(np.int32)
    expected = jax.eval_shape(lambda: getattr(theirs, name)(*args))
    got = getattr(special, name)(*args)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)


def test_edges():
    x = np.array([0.0, 0.0, 0.0, 1.0])
    y = np.array([0.0, np.inf, np.nan, 0.0])
    for name in ("xlogy", "xlog1py", "rel_entr", "kl_div"):
        got, expected = getattr(special, name)(x, y), getattr(scipy_special, name)(x, y)
        if name.startswith("xl"):
            np.testing.assert_array_equal(got, expected)
        else:
            np.testing.assert_array_equal(got[np.array([0, 1, 3])], expected[[0, 1, 3]])
    np.testing.assert_array_equal(special.entr(np.array([-1.0, 0.0])), [-np.inf, 0])
    np.testing.assert_array_equal(special.ndtri(np.array([0.0, 1.0])), [-np.inf, np.inf])
    assert np.isnan(special.ndtri(2.0)) and np.isnan(special.ndtri(-1.0))
    tiny = np.array([1e-300, 1e-100, 1e-20])
    np.testing.assert_allclose(special.ndtri(tiny), scipy_special.ndtri(tiny), rtol=1e-12)
    check_derivatives(special.ndtri, UNIT[3:7])
    np.testing.assert_array_equal(special.gammasgn(np.array([0.0, -0.0, -1.0])), [1, -1, np.nan])
    n = np.array([1e6, 1e10])  # SciPy's betaln has 11 digits there
    exact = np.log(2) - np.log(n) - np.log(n + 1) - np.log(n + 2)
    np.testing.assert_allclose(special.betaln(n, 3.0), exact, rtol=1e-14)
    np.testing.assert_allclose(special.betaln(n, n), scipy_special.betaln(n, n), rtol=1e-13)
    np.testing.assert_allclose(special.zeta(3.0), scipy_special.zeta(3.0), rtol=1e-6)
    np.testing.assert_allclose(
        special.multigammaln(POSITIVE[4:], 3), scipy_special.multigammaln(POSITIVE[4:], 3)
    )


def test_sums():
    x = np.log(np.arange(1.0, 7).reshape(2, 3))
    np.testing.assert_allclose(special.logsumexp(x), np.log(21))
    np.testing.assert_allclose(special.softmax(x), np.exp(x) / 21)
    np.testing.assert_allclose(special.log_softmax(x, axis=1), scipy_special.log_softmax(x, 1))


def test_arguments_promote_broadcast_and_have_names():
    assert special.xlogy(jnp.ones((2, 1)), np.arange(3)).shape == (2, 3)
    assert special.gammainc(a=1, x=jnp.ones(2)).dtype == np.float32
    assert special.xlogy(1j, 2.0).dtype == np.complex64


def test_errors():
    wrong = [
        ("real numbers", lambda: special.erf(1j)),
        ("exact", lambda: special.factorial(3, exact=True)),
        ("d must be", lambda: special.multigammaln(3.0, 1.5)),
        ("do not broadcast", lambda: special.beta(np.ones(2), np.ones(3))),
    ]
    for message, call in wrong:
        with pytest.raises(FxError, match=message):
            call()
