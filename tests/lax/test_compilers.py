"""Hints change no value; what is not there for this platform says so; rows in groups."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.testing import check_grads


def test_hints_change_no_value_and_have_derivatives():
    x = np.array([1.0, 2.0])

    def f(x):
        tree = lax.optimization_barrier({"a": x, "b": x * 2})
        scaled = lax.composite(lambda v, *, scale: v**2 * scale, "test.scaled", version=1)
        return lax.platform_dependent(tree["a"], tree["b"], cpu=lambda a, b: scaled(a, scale=b))

    np.testing.assert_allclose(fx.jit(f)(x), 2 * x**3)
    check_grads(f, (x,), order=2)
    assert float(lax.platform_dependent(2.0, default=lambda v: v + 1, tpu=None)) == 3
    with pytest.raises(FxValueError, match=r"\['cuda'\], but runs on 'cpu'"):
        lax.platform_dependent(1.0, cuda=lambda v: v)
    with pytest.raises(FxTypeError, match="decomposition must be a function"):
        lax.composite(3, "a")


def test_rows_in_groups():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(3, 3, 2))
    for sizes in ([2, 0, 4], [7, 0, 0], [0, 0, 0], [5, 5, 5]):
        owner = np.repeat(np.arange(3), sizes)[:7]
        expected = np.zeros((7, 2))
        for i, g in enumerate(owner):
            expected[i] = x[i] @ y[g]
        np.testing.assert_allclose(lax.ragged_dot(x, y, np.array(sizes)), expected)
    check_grads(lambda x, y: lax.ragged_dot(x, y, np.array([2, 0, 4])), (x, y), order=2)
    assert (
        lax.ragged_dot(
            jnp.ones((2, 3), "bfloat16"),
            y.astype("bfloat16"),
            np.ones(3, int),
            preferred_element_type="float32",
        ).dtype
        == np.float32
    )
    with pytest.raises(ShapeError, match="group_sizes"):
        lax.ragged_dot(x, y, np.ones(2, int))
    with pytest.raises(FxTypeError, match="integers"):
        lax.ragged_dot(x, y, np.ones(3))
    with pytest.raises(FxTypeError, match="group_offset"):
        lax.ragged_dot(x, y, np.ones(3, int), group_offset=np.zeros(1, int))
