"""Shapes computed from shapes are those of results, and JAX's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx.numpy as jnp
from fx import lax
from fx.errors import FxError, FxTypeError

SPECS = ("NHWC", "HWIO", "NHWC")


@given(
    st.lists(st.integers(1, 7), min_size=2, max_size=2),
    st.lists(st.integers(1, 4), min_size=2, max_size=2),
    st.lists(st.integers(1, 3), min_size=2, max_size=2),
    st.sampled_from(["SAME", "VALID", [(1, 0), (2, 1)]]),
)
def test_shapes_are_those_of_results(space, window, strides, padding):
    x, k = jnp.ones((2, *space, 3)), jnp.ones((*window, 3, 4))
    try:
        out = lax.conv_general_dilated(x, k, strides, padding, dimension_numbers=SPECS)
    except FxError:
        with pytest.raises(FxError):
            lax.conv_general_shape_tuple(x.shape, k.shape, strides, padding, SPECS)
        return
    assert lax.conv_general_shape_tuple(x.shape, k.shape, strides, padding, SPECS) == out.shape
    assert lax.conv_shape_tuple((2, 3, *space), (4, 3, *window), strides, padding) == tuple(
        np.take(out.shape, [0, 3, 1, 2])
    )
    up = lax.conv_transpose(x, k, strides, padding, dimension_numbers=SPECS)
    assert lax.conv_transpose_shape_tuple(x.shape, k.shape, strides, padding, SPECS) == up.shape
    down = lax.reduce_window(x[0, :, :, 0], 0.0, lax.add, window, strides, padding)
    assert lax.reduce_window_shape_tuple(space, window, strides, padding) == down.shape


def test_permutations_are_those_of_jax():
    jax = pytest.importorskip("jax")
    for specs in (SPECS, ("NCHW", "OIHW", "NCHW"), ("CNHW", "OHWI", "NHWC"), ("NWC", "WIO", "NCW")):
        assert lax.conv_general_permutations(specs) == jax.lax.conv_general_permutations(specs)
    with pytest.raises(FxTypeError, match="three strings"):
        lax.conv_general_permutations(None)
    with pytest.raises(FxError):
        lax.conv_general_permutations(("NHWX", "HWIO", "NHWC"))
    with pytest.raises(FxError):
        lax.reduce_window_shape_tuple((2, 3), (1,), (1, 1), "VALID")
