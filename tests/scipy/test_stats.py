"""fx.scipy.stats against SciPy in float64, JAX's names and types, and derivatives."""

import importlib
import inspect

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxError
from fx.scipy import stats
from tests.laws import check_derivatives, check_jit, check_vmap

scipy_stats = pytest.importorskip("scipy.stats")

LINE = np.array([-30.0, -2.3, -0.4, 0.1, 0.6, 0.9, 1.3, 4.7, 25.0])
UNIT = np.array([1e-6, 0.1, 0.35, 0.5, 0.72, 0.99])
COUNTS = np.array([-1.0, 0, 1, 2, 3, 4, 7])
FUNCTIONS = ("logpdf", "pdf", "logpmf", "pmf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf")

# name: arguments and shape parameters; whether loc and scale are taken as well
SHAPES = {
    "bernoulli": (COUNTS, (0.3,)),
    "beta": (LINE, (2.5, 1.7)),
    "betabinom": (COUNTS, (4, 1.5, 2.5)),
    "binom": (COUNTS, (4, 0.3)),
    "cauchy": (LINE, ()),
    "chi2": (LINE, (3.0,)),
    "expon": (LINE, ()),
    "gamma": (LINE, (2.2,)),
    "gennorm": (LINE, (1.4,)),
    "geom": (COUNTS, (0.3,)),
    "gumbel_l": (LINE, ()),
    "gumbel_r": (LINE, ()),
    "laplace": (LINE, ()),
    "logistic": (LINE, ()),
    "nbinom": (COUNTS, (3, 0.4)),
    "norm": (LINE, ()),
    "pareto": (LINE, (1.8,)),
    "poisson": (COUNTS, (2.3,)),
    "t": (LINE, (4.5,)),
    "truncnorm": (LINE, (-0.7, 1.4)),
    "uniform": (LINE, ()),
    "vonmises": (LINE[1:-1], (2.0,)),
    "wrapcauchy": (LINE, (0.4,)),
}
CASES = [
    (name, kind)
    for name in SHAPES
    for kind in FUNCTIONS
    if hasattr(importlib.import_module(f"fx.scipy.stats.{name}"), kind)
]
cases = pytest.mark.parametrize("name, kind", CASES)


def arguments(name, kind):
    """The function and two argument lists: plain, and with location and scale if it takes them."""
    function = getattr(getattr(stats, name), kind)
    x, shapes = SHAPES[name]
    if kind in ("ppf", "isf"):
        x = UNIT
    plain = (x, *shapes)
    taken = [p for p in inspect.signature(function).parameters if p in ("loc", "scale")]
    moved = {"loc": 2.0 if x is COUNTS else 0.25, "scale": 1.5}
    return function, [plain, *([(*plain, *[moved[p] for p in taken])] if taken else [])]


@cases
def test_values_are_scipys(name, kind):
    function, lists = arguments(name, kind)
    theirs = getattr(getattr(scipy_stats, name), kind)
    for args in lists:
        with np.errstate(all="ignore"):
            expected = theirs(*args)
        # SciPy takes logarithms of tails that have rounded to 0 or 1.
        known = np.isfinite(expected) if kind in ("logcdf", "logsf") else np.full(expected.shape, 1)
        got = np.asarray(function(*args))
        known = known.astype(bool)
        np.testing.assert_allclose(got[known], expected[known], rtol=1e-9, atol=1e-14)
        with np.errstate(all="ignore"):
            narrow = theirs(*[np.float64(np.float32(a)) for a in args])
        single = function(*[np.asarray(a, np.float32) for a in args])
        assert single.dtype == np.float32
        normal = known & (np.abs(narrow) > 1e-30) & (np.abs(narrow) < 1e30)
        np.testing.assert_allclose(np.asarray(single)[normal], narrow[normal], rtol=1e-4, atol=1e-5)


@cases
def test_laws(name, kind):
    function, lists = arguments(name, kind)
    args = lists[-1]
    check_jit(function, *args)
    # Inside of the support, away from the points where a density jumps.
    if kind in ("ppf", "isf"):
        x = UNIT[1:5]
    else:
        x = COUNTS[3:5] if args[0] is COUNTS else np.array([0.51, 0.83, 1.19])
        if name == "pareto":
            x = x + 1.5
    inside = (x, *[np.full(x.shape, a) for a in args[1:]])

    def vary(i, x, seed):
        return np.roll(inside[i], seed)

    check_vmap(function, *inside, vary=vary, all_subsets=False)
    wrt = list(range(len(inside)))
    if args[0] is COUNTS:  # what must be an integer has no derivative
        wrt = {"betabinom": [2, 3], "binom": [2], "nbinom": [2]}.get(name, [1])
    elif kind in ("cdf", "sf", "logcdf", "logsf") and name in ("beta", "gamma", "chi2", "gennorm"):
        wrt = [0]  # the shapes of incomplete functions are tested with these
    for i in wrt:

        def of_one(x, i=i):
            return function(*inside[:i], x, *inside[i + 1 :])

        check_derivatives(of_one, inside[i], tolerance=1e-4)


@cases
def test_derivatives_outside_of_the_support_are_finite(name, kind):
    function, lists = arguments(name, kind)
    slopes = fx.grad(lambda x: jnp.sum(jnp.where(jnp.isfinite(y := function(x, *lists[0][1:])),
                                                 y, 0)))(lists[0][0])  # fmt: skip
    assert np.isfinite(slopes).all()


@cases
def test_names_and_types_are_jaxs(name, kind):
    jax = pytest.importorskip("jax")
    theirs = getattr(importlib.import_module(f"jax.scipy.stats.{name}"), kind, None)
    if theirs is None:
        assert name == "poisson" and kind == "entropy"
        return
    function, lists = arguments(name, kind)
    assert list(inspect.signature(function).parameters) == list(
        inspect.signature(theirs).parameters
    )
    args = [np.asarray(a, np.float32) for a in lists[-1]]
    got, expected = function(*args), jax.eval_shape(theirs, *args)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)


def test_far_tails():
    far = np.array([-40.0, -1000.0])
    np.testing.assert_allclose(stats.norm.logcdf(far), scipy_stats.norm.logcdf(far), rtol=1e-12)
    np.testing.assert_allclose(stats.norm.logsf(-far), scipy_stats.norm.logsf(-far), rtol=1e-12)
    np.testing.assert_allclose(stats.cauchy.sf(1e20), 1 / (np.pi * 1e20), rtol=1e-6)
    for a, b, x in ((10.0, 12.0, 10.5), (-12.0, -10.0, -10.5), (-np.inf, 0.0, -1.0)):
        for kind in ("logpdf", "logcdf", "logsf"):
            got = getattr(stats.truncnorm, kind)(np.float64(x), a, b)
            expected = getattr(scipy_stats.truncnorm, kind)(x, a, b)
            np.testing.assert_allclose(got, expected, rtol=1e-8)


def test_quantiles_of_what_is_no_probability():
    for name in ("norm", "uniform", "expon", "cauchy", "logistic"):
        assert np.isnan(getattr(stats, name).ppf(np.array([-0.1, 1.1]))).all()
    assert np.isnan(stats.bernoulli.ppf(2.0, 0.5))


# ------------------------------------------------------------------ vectors
def test_multivariate_normal():
    rng = np.random.default_rng(0)
    x, mean = rng.normal(size=(2, 5, 3)), rng.normal(size=3)
    root = rng.normal(size=(3, 3))
    cov = root @ root.T + np.eye(3)
    normal = stats.multivariate_normal
    for args in ((x, mean, cov), (x[0, 0], mean, cov), (np.float64(0.3), 0.1, 2.0)):
        expected = scipy_stats.multivariate_normal.logpdf(*args)
        np.testing.assert_allclose(normal.logpdf(*args), expected, rtol=1e-12)
        np.testing.assert_allclose(normal.pdf(*args), np.exp(expected), rtol=1e-12)
    scaled = normal.logpdf(x, mean, 2.0)
    np.testing.assert_allclose(scaled, normal.logpdf(x, mean, 2 * np.eye(3)), rtol=1e-12)
    covs = np.stack([cov, 2 * cov])[:, None]
    stacked = normal.logpdf(x, mean, covs)
    for i in range(2):
        np.testing.assert_allclose(stacked[i], normal.logpdf(x[i], mean, covs[i, 0]), rtol=1e-12)
    check_jit(normal.logpdf, x, mean, cov)
    check_vmap(normal.logpdf, x[0], mean, cov, vary=lambda i, x, seed: x * (1 + seed / 50))
    check_derivatives(normal.logpdf, x[0], mean, cov)
    assert np.isnan(normal.logpdf(mean, mean, -cov))


def test_dirichlet_and_multinomial():
    rng = np.random.default_rng(0)
    alpha = rng.uniform(0.5, 3, 4)
    x = rng.dirichlet(alpha, 5).T
    expected = scipy_stats.dirichlet.logpdf(x, alpha)
    np.testing.assert_allclose(stats.dirichlet.logpdf(x, alpha), expected, rtol=1e-9)
    np.testing.assert_allclose(stats.dirichlet.pdf(x[:3], alpha), np.exp(expected), rtol=1e-9)
    assert stats.dirichlet.logpdf(x[:, 0] * 2, alpha) == -np.inf
    check_derivatives(lambda a: stats.dirichlet.logpdf(x, a), alpha)
    counts, p = np.array([[1, 0, 3], [2, 2, 0], [1, 1, 1]]), np.array([0.2, 0.3, 0.5])
    got = stats.multinomial.logpmf(counts, 4, p)
    np.testing.assert_allclose(got, scipy_stats.multinomial.logpmf(counts, 4, p), rtol=1e-6)
    np.testing.assert_allclose(stats.multinomial.pmf(counts, 4, p), np.exp(got))
    check_derivatives(lambda p: stats.multinomial.logpmf(counts[:2].astype(float), 4.0, p), p)


@pytest.mark.parametrize("method", ["average", "min", "max", "dense", "ordinal"])
def test_ranks(method):
    jax_stats = pytest.importorskip("jax.scipy.stats")
    x = np.random.default_rng(0).integers(0, 4, (3, 5))
    for a in (x, x.astype(np.float32)):
        for axis in (None, 0, 1):
            got = stats.rankdata(a, method, axis=axis)
            expected = scipy_stats.rankdata(a, method, axis=axis)
            np.testing.assert_array_equal(got, expected)
            assert got.dtype == jax_stats.rankdata(a, method, axis=axis).dtype
    with_nan = np.array([[1.0, np.nan], [3.0, 2.0]])
    np.testing.assert_array_equal(
        stats.rankdata(with_nan, method, axis=1), scipy_stats.rankdata(with_nan, method, axis=1)
    )


def test_modes_and_standard_errors():
    x = np.random.default_rng(0).integers(0, 4, (3, 5, 4))
    for axis in (None, 0, 1, -1):
        for keepdims in (False, True):
            ours = stats.mode(x, axis, keepdims=keepdims)
            theirs = scipy_stats.mode(x, axis, keepdims=keepdims)
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(
            stats.sem(x.astype(float), axis), scipy_stats.sem(x, axis), rtol=1e-12
        )


def test_every_distribution_is_there():
    for name in stats.__all__:
        assert getattr(stats, name) is not None
    with pytest.raises(AttributeError, match="gaussian"):
        _ = stats.gaussian


def test_errors():
    wrong = [
        ("real numbers", lambda: stats.norm.logpdf(1j)),
        ("scalar cov", lambda: stats.multivariate_normal.logpdf(0.0, 0.0, np.eye(2))),
        ("shape", lambda: stats.multivariate_normal.logpdf(np.ones(3), np.ones(2), np.eye(2))),
        ("allow_singular", lambda: stats.multivariate_normal.logpdf(0.0, 0.0, 1.0, True)),
        ("alpha of shape", lambda: stats.dirichlet.logpdf(np.ones(2), np.ones(4))),
        ("method must be", lambda: stats.rankdata(np.ones(3), "first")),
        ("nan_policy", lambda: stats.mode(np.ones(3), nan_policy="omit")),
        ("no elements", lambda: stats.mode(np.ones(0))),
    ]
    for message, call in wrong:
        with pytest.raises(FxError, match=message):
            call()
