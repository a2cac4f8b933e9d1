"""Reductions, running sums, means, quantiles and histograms."""

from __future__ import annotations

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError
from tests.numpy.harness import case, check, rand

X = rand(3, 4, 2)
V = rand(7)
N = rand(3, 4, dtype=np.int32)
SMALL = rand(3, 4, dtype=np.int8)
MASK = rand(3, 4, 2, dtype=bool)
Z = rand(3, 4, dtype=np.complex64)
HOLES = np.where(rand(3, 4, 2, seed=5) > 1.2, np.nan, X).astype(np.float32)
EMPTY_ROW = HOLES.copy()
EMPTY_ROW[1] = np.nan

AXES = [None, 0, -1, (0, 2)]
SUMS = ("sum", "prod")
SPREADS = ("mean", "var", "std")


def of(name, **options):
    return lambda m, x: getattr(m, name)(x, **options)


CASES = [
    *(case(f"{n} {a}", of(n, axis=a), X) for n in (*SUMS, *SPREADS, "max", "min") for a in AXES),
    *(case(f"{n} keepdims", of(n, axis=1, keepdims=True), X)
      for n in (*SUMS, *SPREADS, "max", "min", "ptp")),
    *(case(f"{n} of ints", of(n, axis=1), N) for n in (*SUMS, *SPREADS, "max", "min", "ptp")),
    *(case(f"{n} of int8", of(n), SMALL, numpy=n != "prod") for n in (*SUMS, "max", "min")),
    *(case(f"{n} of bools", of(n, axis=0), MASK)
      for n in (*SUMS, "mean", "max", "min", "all", "any", "count_nonzero")),
    *(case(f"{n} of complex", of(n, axis=0), Z, off="grad") for n in (*SUMS, *SPREADS)),
    *(case(f"{n} of scalar", of(n), np.float32(2.5) * np.ones((), np.float32))
      for n in (*SUMS, *SPREADS, "max", "argmax")),
    *(case(f"{n} of nothing", of(n, axis=0), np.zeros((0, 3), np.float32), off="jax grad")
      for n in (*SUMS, *SPREADS, "all", "any")),
    *(case(f"{n} over no axes", of(n, axis=()), X, off="jax") for n in (*SUMS, "max", "mean")),
    *(case(f"{n} where", lambda m, x, k, n=n: getattr(m, n)(x, axis=1, where=k), X, MASK,
           grad=n != "std") for n in (*SUMS, *SPREADS)),
    *(case(f"{n} where", lambda m, x, k, n=n: getattr(m, n)(x, axis=1, where=k, initial=0.0), X,
           MASK) for n in ("max", "min")),
    *(case(f"{n} initial", of(n, axis=1, initial=0.5), X) for n in (*SUMS, "max", "min")),
    *(case(f"{n} dtype", of(n, axis=1, dtype="float16"), X, rtol=2e-3, off="grad")
      for n in (*SUMS, "mean")),
    case("sum dtype of ints", of("sum", dtype="int8"), N),
    case("var ddof", of("var", axis=1, ddof=1), X),
    case("std ddof", of("std", axis=0, ddof=1), X),
    case("var correction", of("var", axis=1, correction=1), X),
    case("var with mean", lambda m, x: m.var(x, axis=1, mean=m.mean(x, 1, keepdims=True)), X),
    case("ptp", of("ptp", axis=1), X),
    *(case(f"{n} {a}", of(n, axis=a), X) for n in ("argmax", "argmin") for a in (None, 0, -1)),
    case("argmax keepdims", of("argmax", axis=1, keepdims=True), X),
    case("argmax with nan", of("argmax", axis=1), HOLES),
    case("argmin of ints", of("argmin", axis=0), N),
    case("all of floats", of("all", axis=0), X),
    case("any keepdims", of("any", axis=(0, 1), keepdims=True), MASK),
    case("count_nonzero", of("count_nonzero", axis=1), N),
    # without NaN
    *(case(f"{n} {a}", of(n, axis=a), HOLES, off="grad")
      for n in ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd")
      for a in (None, 1)),
    *(case(f"{n} nothing left", of(n, axis=(1, 2)), EMPTY_ROW, off="grad")
      for n in ("nansum", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd")),
    *(case(f"{n}", of(n, axis=2), HOLES, off="grad numpy") for n in ("nanargmax", "nanargmin")),
    *(case(f"{n} of ints", of(n, axis=1), N) for n in ("nansum", "nanmax", "nanmean", "nanvar")),
    *(case(f"{n} grad", of(n, axis=1), np.nan_to_num(HOLES, nan=0.3)) for n in
      ("nansum", "nanmax", "nanmean", "nanstd")),
    *(case(n, of(n, axis=1), HOLES, off="grad") for n in ("nancumsum", "nancumprod")),
    # along an axis
    *(case(f"{n} {a}", of(n, axis=a), X) for n in ("cumsum", "cumprod") for a in (None, 0, -1)),
    *(case(f"{n} of ints", of(n, axis=1), N) for n in ("cumsum", "cumprod")),
    case("cumsum of bools", of("cumsum", axis=1), MASK),
    case("cumulative_sum", of("cumulative_sum", axis=1, include_initial=True), X),
    case("cumulative_prod", of("cumulative_prod"), V),
    case("diff", of("diff"), X, ),
    case("diff 2", of("diff", n=2, axis=1), X),
    case("diff ends", lambda m, x: m.diff(x, axis=1, prepend=0.0, append=x[:, :1]), X),
    case("diff of bools", of("diff", axis=1), MASK),
    case("ediff1d", of("ediff1d", to_begin=0.0, to_end=9.0), V),
    case("gradient", of("gradient"), V),
    case("gradient of axes", lambda m, x: m.gradient(x, 0.5, 2.0, axis=(0, 1)), X),
    case("gradient at points", lambda m, x: m.gradient(x, m.cumsum(m.abs(x))), V, off="jax grad"),
    case("trapezoid", of("trapezoid", axis=1), X),
    case("trapezoid dx", of("trapezoid", dx=0.1), V),
    case("trapezoid x", lambda m, y, x: m.trapezoid(y, x, axis=0), X, np.sort(rand(3))),
    # statistics
    case("average", of("average", axis=1), X),
    case("average weights", lambda m, x, w: m.average(x, axis=1, weights=m.abs(w)), X, rand(4)),
    case("average all", lambda m, x: m.average(x, weights=x * x, returned=True), X),
    *(case(f"median {a}", of("median", axis=a), X) for a in AXES),
    case("median of odd", of("median"), V),
    case("median with nan", of("median", axis=1), HOLES, off="grad"),
    case("median of ints", of("median", axis=1, keepdims=True), N),
    *(case(f"quantile {how}", of("quantile", q=0.3, axis=1, method=how), X)
      for how in ("linear", "lower", "higher", "nearest", "midpoint")),
    case("quantiles", lambda m, x: m.quantile(x, m.asarray([0.1, 0.5, 1.0]), axis=(0, 2)), X),
    case("quantiles keepdims", lambda m, x: m.quantile(x, m.asarray([0.25, 0.5]), axis=1,
                                                       keepdims=True), X),
    case("percentile", of("percentile", q=40.0, axis=0), X),
    case("nanmedian", of("nanmedian", axis=1), HOLES, off="grad"),
    case("nanquantile", of("nanquantile", q=0.3, axis=(1, 2)), EMPTY_ROW, off="grad"),
    case("nanpercentile", of("nanpercentile", q=30.0), HOLES, off="grad"),
    case("cov", of("cov"), rand(3, 6)),
    case("cov columns", of("cov", rowvar=False, bias=True), rand(6, 3)),
    case("cov of vector", of("cov"), V),
    case("cov of two", lambda m, x, y: m.cov(x, y, ddof=0), V, V[::-1].copy()),
    case("cov weights", lambda m, x, w: m.cov(x, aweights=m.abs(w)), rand(3, 6), rand(6)),
    case("cov counts", lambda m, x, w: m.cov(x, fweights=w), rand(3, 4),
         np.array([1, 2, 3, 1], np.int32)),
    case("cov of complex", of("cov"), rand(3, 6, dtype=np.complex64), off="grad"),
    case("corrcoef", of("corrcoef"), rand(3, 6)),
    case("bincount", lambda m, x: m.bincount(x), np.abs(N[0]), off="jit vmap"),
    case("bincount weights", lambda m, x, w: m.bincount(x, w, minlength=12), np.abs(N[0]), rand(4),
         off="jit vmap grad"),
    case("bincount length", lambda m, x: m.bincount(x, length=5), np.abs(N[0]), off="numpy"),
    case("histogram", lambda m, x: m.histogram(x, bins=5), V, off="grad"),
    case("histogram range", lambda m, x: m.histogram(x, bins=4, range=(-1.0, 1.0)), V, off="grad"),
    case("histogram density", lambda m, x, w: m.histogram(x, bins=4, weights=m.abs(w),
                                                          density=True), V, rand(7, seed=3),
         off="grad"),
    case("histogram edges", lambda m, x: m.histogram(x, m.asarray([-2.0, 0.0, 0.5, 3.0])), V,
         off="grad"),
    case("histogram2d", lambda m, x, y: m.histogram2d(x, y, bins=3), V, V[::-1].copy(),
         off="grad jax"),
    case("histogramdd", lambda m, x: m.histogramdd(x, bins=(2, 3), density=True), rand(9, 2),
         off="grad jax"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("c", CASES, ids=str)
def test_function(c):
    check(c)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_added_up_in_single(dtype):
    x = jnp.full((4096,), 0.1, dtype)
    exact = float(np.asarray(x[:1]).astype(np.float64)[0])
    for name in ("sum", "mean"):
        got = getattr(jnp, name)(x)
        assert got.dtype == x.dtype
        want = exact * (4096 if name == "sum" else 1)
        assert abs(float(got) - want) < 5e-3 * want


def test_means_of_64_bits_stay():
    x = jnp.arange(3, dtype="float64")
    assert x.mean().dtype == x.var().dtype == np.float64
    assert jnp.ones(3, "int64").sum().dtype == np.int64


@pytest.mark.parametrize("name", ["sum", "max", "mean", "argmax", "all", "cumsum"])
def test_wrong_axes_are_refused(name):
    for axis in (2, -3):
        with pytest.raises(FxValueError, match="out of range"):
            getattr(jnp, name)(jnp.ones((2, 3)), axis)
        with pytest.raises(FxValueError, match="out of range"):
            fx.jit(lambda x, a=axis: getattr(jnp, name)(x, a))(jnp.ones((2, 3)))


def test_errors():
    with pytest.raises(FxValueError, match="initial"):
        jnp.max(jnp.zeros((0, 2)), axis=0)
    with pytest.raises(FxValueError, match="initial"):
        jnp.max(jnp.ones(3), where=jnp.ones(3, bool))
    with pytest.raises(FxValueError, match="empty"):
        jnp.argmax(jnp.zeros(0))
    with pytest.raises(FxTypeError, match="immutable"):
        jnp.sum(jnp.ones(3), out=np.ones(()))
    with pytest.raises(FxValueError, match="distinct"):
        jnp.sum(jnp.ones((2, 2)), axis=(0, 0))
    with pytest.raises(FxValueError, match="method"):
        jnp.quantile(jnp.ones(3), 0.5, method="best")
    assert float(jnp.max(jnp.zeros((0,)), initial=3.0)) == 3.0
