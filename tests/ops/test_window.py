"""Window reductions and selections over random windows: folds, lawful, and equal to JAX."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
from fx.core.array import Array
from fx.core.primitive import P, zeros
from fx.errors import FxTypeError, FxValueError, ShapeError
from tests import laws

FOLDS = {
    "reduce_window_sum": (np.add, 0.0, "add"),
    "reduce_window_prod": (np.multiply, 1.0, "mul"),
    "reduce_window_max": (np.maximum, -np.inf, "max"),
    "reduce_window_min": (np.minimum, np.inf, "min"),
}


@st.composite
def windows(draw, dilated=True, crop=1, least_rank=0):
    """A shape and all parameters of a window reduction."""
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=least_rank, max_size=3)))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in shape)

    return shape, {
        "window_dimensions": each(1, 3),
        "window_strides": each(1, 3),
        "padding": tuple(zip(each(-crop, 2), each(-crop, 2), strict=True)),
        "base_dilation": each(1, 2 if dilated else 1),
        "window_dilation": each(1, 2 if dilated else 1),
    }


def distinct(shape, seed=0):
    """Numbers far enough from one another for finite differences of an extremum."""
    size = int(np.prod(shape))
    return np.random.default_rng(seed).permutation(size).reshape(shape) / 8 + 0.25


def naive(x, fold, start, params):
    """The definition, element by element."""
    rows = list(zip(*[params[k] for k in ("base_dilation", "padding")], x.shape, strict=True))
    counts = P.reduce_window_sum.abstract_eval(Array(x).aval, **params).shape
    out = np.full(counts, start)
    for p, t in itertools.product(np.ndindex(*counts), np.ndindex(*params["window_dimensions"])):
        place = [
            a * s + b * d - low
            for a, b, s, d, (_, (low, _), _) in zip(
                p, t, params["window_strides"], params["window_dilation"], rows, strict=True
            )
        ]
        if all(i % s == 0 and 0 <= i // s < n for i, (s, _, n) in zip(place, rows, strict=True)):
            at = tuple(i // s for i, (s, _, _) in zip(place, rows, strict=True))
            out[p] = fold(out[p], x[at])
    return out


@given(windows(), st.sampled_from(list(FOLDS)))
def test_values_are_folds(case, name):
    shape, params = case
    fold, start, _ = FOLDS[name]
    x = np.random.default_rng(0).normal(size=shape)
    out = P.table[name](Array(x), **params)
    np.testing.assert_allclose(out, naive(x, fold, start, params), rtol=1e-12)


@given(windows(), st.sampled_from(list(FOLDS)))
@settings(max_examples=40)
def test_laws(case, name):
    shape, params = case
    vary = lambda i, x, seed: distinct(shape, seed)

    def reduce(x):
        out = P.table[name](x, **params)
        # The extremum of an empty window is infinite, which finite differences do not take.
        return P.select_n(P.is_finite(out), zeros(out), out)

    laws.check_laws(reduce, distinct(shape), vary=vary, all_axes=False)


@given(windows(dilated=False), st.sampled_from(["ge", "le"]))
@settings(max_examples=30)
def test_laws_of_selections(case, select):
    shape, params = case
    params = {k: v for k, v in params.items() if not k.endswith("dilation")}
    x = distinct(shape)
    gather = lambda t, x: P.select_and_gather_add(t, x, select=select, **params)
    scatter = lambda s, x: P.select_and_scatter_add(s, x, select=select, **params)
    t = distinct(shape, 1)
    vary = lambda i, x, seed: distinct(x.shape, seed)
    laws.check_laws(gather, t, x, vary=vary, all_axes=False)
    laws.check_laws(scatter, gather(Array(t), Array(x)), x, vary=vary, all_axes=False)


@given(windows(), st.sampled_from(list(FOLDS)))
@settings(max_examples=15)
def test_laws_of_gradients(case, name):
    shape, params = case
    reduce = lambda x: P.table[name](x, **params)
    x = distinct(shape)
    ct = distinct(fx.eval_shape(reduce, x).shape, 1)
    gradient = lambda x, ct: fx.vjp(reduce, x)[1](ct)
    laws.check_jit(gradient, x, ct)
    laws.check_derivatives(gradient, x, ct)


# Where padding cuts, XLA's gradients of pooling end the process.
@given(
    windows(dilated=False, crop=0, least_rank=1),
    st.sampled_from(["add", "max", "min"]),
    st.booleans(),
)
@settings(max_examples=20)
def test_values_and_gradients_are_jaxs_also_at_ties(case, operation, ties):
    jax = pytest.importorskip("jax")
    shape, params = case
    rng = np.random.default_rng(0)
    x = (rng.integers(0, 3, shape) if ties else rng.normal(size=shape)).astype(np.float32)
    name = next(n for n, row in FOLDS.items() if row[2] == operation)
    start = np.float32(FOLDS[name][1])
    theirs = lambda x: jax.lax.reduce_window(x, start, getattr(jax.lax, operation), **params)
    ours = lambda x: P.table[name](x, **params)
    expected, pull = jax.vjp(theirs, x)
    out, our_pull = fx.vjp(ours, x)
    np.testing.assert_allclose(out, expected, rtol=1e-5)
    ct = rng.integers(1, 9, out.shape).astype(np.float32)
    np.testing.assert_allclose(our_pull(ct)[0], pull(jax.numpy.asarray(ct))[0], rtol=1e-5)


ROW = {
    "window_dimensions": (2,),
    "window_strides": (2,),
    "padding": ((0, 0),),
    "base_dilation": (1,),
    "window_dilation": (1,),
}


def test_the_derivative_of_a_maximum_goes_to_the_first_of_equals():
    x = np.array([1.0, 1.0, 3.0, 2.0, 5.0, 5.0], np.float32)
    gradient = fx.grad(lambda x: P.reduce_sum(P.reduce_window_max(x, **ROW), axes=(0,)))(x)
    np.testing.assert_array_equal(gradient, [1, 0, 1, 0, 1, 0])


@pytest.mark.parametrize("name", FOLDS)
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bfloat16", "float16", "float64"])
def test_dtypes(name, dtype):
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    x = np.array([3, 2, 1, 4], dtype)
    out = P.table[name](Array(x), **ROW)
    pairs = x.astype(np.float64).reshape(2, 2)
    expected = FOLDS[name][0].reduce(pairs, axis=1)
    assert out.dtype == dtype
    np.testing.assert_array_equal(np.asarray(out, np.float64), expected)


def test_bools_have_extrema():
    x = Array(np.array([True, False, False, False]))
    np.testing.assert_array_equal(P.reduce_window_max(x, **ROW), [True, False])
    np.testing.assert_array_equal(P.reduce_window_min(x, **ROW), [False, False])


@pytest.mark.parametrize(
    "name, changes, error, message",
    [
        ("reduce_window_sum", {"window_dimensions": (2, 2)}, ShapeError, "one entry for each"),
        ("reduce_window_sum", {"window_strides": (0,)}, FxValueError, "positive window_strides"),
        ("reduce_window_max", {"padding": ()}, ShapeError, "padding"),
        ("reduce_window_prod", {"base_dilation": (0,)}, FxValueError, "positive base_dilation"),
    ],
)
def test_wrong_parameters_are_explained(name, changes, error, message):
    with pytest.raises(error, match=message):
        P.table[name](Array(np.ones(4, np.float32)), **ROW | changes)


def test_wrong_operands_of_selections_are_explained():
    x, row = Array(np.ones(4, np.float32)), {k: ROW[k] for k in list(ROW)[:3]}
    with pytest.raises(ShapeError, match="one source for each window"):
        P.select_and_scatter_add(x, x, select="ge", **row)
    with pytest.raises(ShapeError, match="the operand's shape"):
        P.select_and_gather_add(Array(np.ones(3, np.float32)), x, select="ge", **row)
    with pytest.raises(FxTypeError, match="one dtype"):
        P.select_and_gather_add(Array(np.ones(4)), x, select="ge", **row)
    with pytest.raises(FxValueError, match="select="):
        P.select_and_gather_add(x, x, select="max", **row)
    with pytest.raises(FxTypeError, match="reduce_window_sum expects"):
        P.reduce_window_sum(Array(np.ones(4, bool)), **ROW)
