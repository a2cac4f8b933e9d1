"""lax products: ranks, promotion, precision, and JAX's results."""

import numpy as np
import pytest

import fx
from fx import lax
from fx.errors import FxTypeError, FxValueError, ShapeError


def arrays(*shapes, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize(
    "left, right", [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 2)), ((3, 4), (4, 2))]
)
def test_dot_of_vectors_and_matrices(left, right):
    x, y = arrays(left, right)
    np.testing.assert_allclose(lax.dot(x, y), x @ y, rtol=1e-5)


def test_dot_with_dimension_numbers_is_dot_general():
    x, y = arrays((5, 2, 3), (3, 5, 4))
    numbers = (([2], [0]), ([0], [1]))
    expected = np.einsum("bik,kbj->bij", x, y)
    np.testing.assert_allclose(lax.dot(x, y, dimension_numbers=numbers), expected, rtol=1e-5)
    np.testing.assert_allclose(lax.dot_general(x, y, numbers), expected, rtol=1e-5)


def test_batch_matmul():
    x, y = arrays((2, 5, 3, 4), (2, 5, 4, 2))
    np.testing.assert_allclose(lax.batch_matmul(x, y), x @ y, rtol=1e-5)


@pytest.mark.parametrize(
    "left, right", [("float32", "bfloat16"), ("int8", "int32"), ("int32", "float32")]
)
def test_dtypes_promote_as_in_jax(left, right):
    jnp = pytest.importorskip("jax.numpy")
    lax_of_jax = pytest.importorskip("jax.lax")
    x, y = jnp.ones((2, 3), left), jnp.ones((3, 2), right)
    for options in ({}, {"preferred_element_type": "float32"}):
        ours = lax.dot(np.asarray(x), np.asarray(y), **options)
        theirs = lax_of_jax.dot(x, y, **options)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_precision_is_kept_and_changes_nothing_here():
    x, y = arrays((2, 3), (3, 2))
    plain = lax.dot(x, y)
    for precision in (
        "highest",
        lax.Precision.HIGH,
        ("bfloat16", lax.Precision.HIGHEST),
        [lax.Precision.DEFAULT] * 2,
    ):
        np.testing.assert_array_equal(lax.dot(x, y, precision=precision), plain)
    (eqn,) = fx.make_jaxpr(lambda x: lax.dot(x, x, precision="highest"))(np.ones(3)).eqns
    assert eqn.params["precision"] == (lax.Precision.HIGHEST, lax.Precision.HIGHEST)
    for wrong in ("best", ("high",), 7):
        with pytest.raises(FxValueError, match="precision must be None"):
            lax.dot(x, y, precision=wrong)


def test_second_derivatives_under_jit_and_vmap_are_jaxs():
    jax = pytest.importorskip("jax")
    x, w, v = arrays((5, 3), (3, 4), (3, 4))

    def curvature(module):
        def loss(w, x):
            out = module.lax.dot(x, w)
            return module.lax.reduce_sum(module.lax.mul(module.lax.sin(out), out), (0,))

        def product(w, x):
            return module.jvp(lambda w: module.grad(loss)(w, x), (w,), (v,))[1]

        return module.jit(module.vmap(product, (None, 0)))

    np.testing.assert_allclose(curvature(fx)(w, x), curvature(jax)(w, x), rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_is_refused():
    x, y = arrays((2, 3), (2, 2))
    with pytest.raises(ShapeError, match="expected equal sizes, got 3 and 2"):
        lax.dot(x, y)
    with pytest.raises(ShapeError, match="vectors or matrices"):
        lax.dot(x[None], y)
    with pytest.raises(ShapeError, match="vectors or matrices"):
        lax.dot(2.0, x)
    with pytest.raises(ShapeError, match="arrays of one rank"):
        lax.batch_matmul(x[None], y)
    with pytest.raises(ShapeError, match="arrays of one rank"):
        lax.batch_matmul(x[0], y[0])
    with pytest.raises(FxValueError, match="four sequences of axes"):
        lax.dot_general(x, y, ((0,), (0,)))
    with pytest.raises(FxTypeError, match="must be an integer"):
        lax.dot_general(x, y, (((0.5,), (0,)), ((), ())))
    with pytest.raises(FxTypeError, match="preferred_element_type=i32"):
        lax.dot(y, y, preferred_element_type="int32")
