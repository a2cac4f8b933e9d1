"""lax reductions take JAX's arguments and give its results; `reduce` folds by any monoid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fx
from fx import lax
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError

FLOATING = ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"]


def small_floats(shape):
    return hnp.arrays(np.float32, shape, elements=st.integers(-8, 8).map(lambda n: n / 2))


@pytest.mark.parametrize("name", FLOATING)
@given(data=st.data())
@settings(max_examples=12)
def test_values_and_gradients_are_jaxs(name, data):
    jax = pytest.importorskip("jax")
    x = data.draw(small_floats(hnp.array_shapes(max_dims=3, max_side=4)))
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, x.ndim - 1)))))
    ours, theirs = getattr(lax, name), getattr(jax.lax, name)
    np.testing.assert_allclose(ours(x, axes), theirs(x, axes), rtol=1e-5)
    out, pull = fx.vjp(lambda x: ours(x, axes), x)
    _, their_pull = jax.vjp(lambda x: theirs(x, axes), x)
    ct = np.ones(out.shape, np.float32)
    np.testing.assert_allclose(pull(ct)[0], their_pull(ct)[0], rtol=1e-5)


@pytest.mark.parametrize("name", ["reduce_and", "reduce_or", "reduce_xor"])
def test_bitwise_values_are_jaxs(name):
    jax = pytest.importorskip("jax")
    for dtype in ("bool", "int8", "uint32"):
        x = np.random.default_rng(0).integers(0, 100, (3, 4)).astype(dtype)
        for axes in ((), (0,), (0, 1)):
            out = getattr(lax, name)(x, axes)
            np.testing.assert_array_equal(out, getattr(jax.lax, name)(x, axes))


def test_axes_may_count_from_the_end():
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(lax.reduce_sum(x, (-1,)), x.sum(-1))
    np.testing.assert_array_equal(lax.argmax(x, -1, "int32"), x.argmax(-1))
    with pytest.raises(FxValueError, match="out of bounds"):
        lax.reduce_sum(x, (2,))
    with pytest.raises(FxValueError, match="distinct"):
        lax.reduce_sum(x, (1, -1))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@given(x=hnp.arrays(np.float32, (3, 4), elements=st.sampled_from([0, 1, np.nan, -np.inf])))
@settings(max_examples=15)
def test_positions_are_jaxs(name, x):
    jax = pytest.importorskip("jax")
    for axis in (0, 1):
        out = getattr(lax, name)(x, axis, "int32")
        np.testing.assert_array_equal(out, getattr(jax.lax, name)(x, axis, "int32"))


# ------------------------------------------------------------------ reduce by a computation
MONOIDS = {
    "add": (lax.add, 0.0, np.add),
    "mul": (lax.mul, 1.0, np.multiply),
    "max": (lax.max, -np.inf, np.maximum),
    "min": (lax.min, np.inf, np.minimum),
    # The same, in a form that is not one primitive.
    "add of negatives": (lambda a, b: lax.neg(lax.add(lax.neg(a), lax.neg(b))), 0.0, np.add),
    "mul by halves": (lambda a, b: lax.mul(lax.mul(a, 0.5), lax.mul(b, 2.0)), 1.0, np.multiply),
}


@pytest.mark.parametrize("name", MONOIDS)
@given(data=st.data())
def test_reduce_by_a_monoid_is_numpys(name, data):
    computation, identity, ufunc = MONOIDS[name]
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    x = data.draw(small_floats(shape))
    axes = tuple(data.draw(st.sets(st.integers(0, x.ndim - 1)))) if x.ndim else ()
    out = lax.reduce(x, identity, computation, axes)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, ufunc.reduce(x, axis=axes, initial=identity), rtol=1e-5)


def test_known_monoids_run_as_their_reductions():
    x = np.ones((3, 4), np.float32)

    def equations(computation, init, operand=x):
        jaxpr = fx.make_jaxpr(lambda x: lax.reduce(x, init, computation, (0,)))(operand)
        return [eqn.primitive.name for eqn in jaxpr.eqns]

    assert equations(lax.add, 0.0) == ["reduce_sum"]
    assert equations(lambda a, b: lax.add(b, a), 0.0) == ["reduce_sum"]
    assert equations(lax.max, -np.inf) == ["reduce_max"]
    assert equations(lax.add, 3.0) == ["reduce_sum", "add"]
    integers = np.ones((3, 4), np.int32)
    assert equations(lax.bitwise_and, -1, integers) == ["reduce_and"]
    assert equations(lax.bitwise_xor, 0, integers) == ["reduce_xor"]
    assert "reduce_sum" not in equations(lambda a, b: lax.add(a, a), 0.0)


def test_any_identity_is_folded_in():
    x = np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(lax.reduce(x, 3.0, lax.add, (0,)), [6, 6])
    np.testing.assert_array_equal(lax.reduce(x[:0], 3.0, lax.add, (0,)), [3, 3])
    keep_first = lambda a, b: lax.add(lax.mul(a, 1.0), lax.mul(b, 0.0))
    np.testing.assert_array_equal(lax.reduce(x[:0], 3.0, keep_first, (0,)), [3, 3])


@given(hnp.arrays(np.int32, st.integers(1, 9), elements=st.integers(0, 9)))
def test_reduce_keeps_the_order_of_what_does_not_commute(digits):
    """Numbers in decimal: (value, power of ten) pairs join associatively, but not in any order."""

    def join(left, right):
        value = lax.add(lax.mul(left[0], right[1]), right[0])
        return value, lax.mul(left[1], right[1])

    tens = np.full(digits.shape, 10, np.int64)
    value, _ = lax.reduce((digits.astype(np.int64), tens), (np.int64(0), np.int64(1)), join, (0,))
    assert int(value) == int("".join(map(str, digits)))


def test_reduce_of_a_tree_finds_a_maximum_with_its_position():
    def later(a, b):
        larger = lax.gt(b["x"], a["x"])
        return {k: lax.select(larger, b[k], a[k]) for k in a}

    x = np.random.default_rng(0).normal(size=(4, 5))
    where = np.arange(20).reshape(4, 5)
    for axes in ((0,), (1,), (0, 1)):
        out = lax.reduce({"x": x, "i": where}, {"x": -np.inf, "i": -1}, later, axes)
        np.testing.assert_array_equal(out["x"], x.max(axes))
        np.testing.assert_array_equal(x.reshape(-1)[np.asarray(out["i"])], x.max(axes))


def test_reduce_differentiates_and_maps():
    def log_add(a, b):
        top = lax.max(a, b)
        return lax.add(top, lax.log1p(lax.exp(lax.neg(lax.abs(lax.sub(a, b))))))

    x = np.random.default_rng(0).normal(size=(3, 7))
    fold = lambda x: lax.reduce(x, -1e30, log_add, (0,))
    expected = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    np.testing.assert_allclose(fx.vmap(fx.grad(fold))(x), expected, rtol=1e-6)
    np.testing.assert_allclose(fx.jit(fx.vmap(fold))(x), np.log(np.exp(x).sum(1)), rtol=1e-6)


def test_reduce_refuses_what_does_not_fit():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(FxTypeError, match="structure"):
        lax.reduce((x, x), 0.0, lax.add, (0,))
    with pytest.raises(FxTypeError, match="initial values of the operands' dtypes"):
        lax.reduce(x, np.array(0.0), lax.add, (0,))
    with pytest.raises(ShapeError, match="scalar initial values"):
        lax.reduce(x, np.zeros(3, np.float32), lax.add, (0,))
    with pytest.raises(ShapeError, match="one shape"):
        lax.reduce((x, x.T), (0.0, 0.0), lambda a, b: a, (0,))
    with pytest.raises(FxTypeError, match="scalars of the operands' dtypes"):
        lax.reduce(x, 0.0, lax.lt, (0,))
    with pytest.raises(FxTypeError, match="returns the structure"):
        lax.reduce(x, 0.0, lambda a, b: (a, b), (0,))


def test_bool_sums_are_logical_or_as_the_computation_says():
    out = lax.reduce(np.array([True, False]), False, lambda a, b: P.add(a, b), (0,))
    assert bool(out) is True
