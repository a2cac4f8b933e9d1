"""Convolution kernels against jax.lax.conv_general_dilated, its gradients included."""

import math
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import ml_dtypes
import numpy as np
import pytest

from fx.ops.numerics.conv import conv_general_dilated, conv_out_space

jax = pytest.importorskip("jax")
lax = jax.lax


def check(lhs, rhs, spec, **params):
    rank = lhs.ndim - 2
    params = {
        "window_strides": (1,) * rank,
        "padding": [(0, 0)] * rank,
        "lhs_dilation": (1,) * rank,
        "rhs_dilation": (1,) * rank,
        **params,
    }
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, spec)
    with jax.enable_x64(True):
        want = lax.conv_general_dilated(
            lhs, rhs, dimension_numbers=numbers, precision="highest", **params
        )
        want = np.asarray(want)
    before = lhs.copy(), rhs.copy()
    got = conv_general_dilated(np, lhs, rhs, dimension_numbers=tuple(numbers), **params)
    assert got.dtype == want.dtype and got.shape == want.shape
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(before[0], lhs)
    np.testing.assert_array_equal(before[1], rhs)
    if lhs.dtype.kind in "iu":
        np.testing.assert_array_equal(got, want)
    else:
        tolerance = {2: 2e-2, 4: 2e-5}.get(lhs.dtype.itemsize, 1e-10)
        if lhs.dtype == np.complex64:
            tolerance = 2e-5
        wide = np.complex128 if lhs.dtype.kind == "c" else np.float64
        np.testing.assert_allclose(
            got.astype(wide), want.astype(wide), rtol=tolerance, atol=tolerance * 10
        )
    return got


def draw(rng, shape, dtype=np.float32):
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        return rng.integers(0, 7, shape).astype(dtype)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.kind == "c" else x).astype(dtype)


LETTERS = {0: "", 1: "W", 2: "HW", 3: "DHW"}


@pytest.mark.parametrize(
    "dtype",
    [np.int8, np.int32, np.uint8, np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
    + [np.complex64, np.complex128],
)
@pytest.mark.parametrize("order", ["first", "last"])
def test_dtypes(dtype, order):
    rng = np.random.default_rng(0)
    if order == "first":
        lhs, rhs, spec = (2, 3, 7, 6), (4, 3, 3, 2), ("NCHW", "OIHW", "NCHW")
    else:
        lhs, rhs, spec = (2, 7, 6, 3), (3, 2, 3, 4), ("NHWC", "HWIO", "NHWC")
    check(draw(rng, lhs, dtype), draw(rng, rhs, dtype), spec, padding=[(1, 0), (0, 2)])


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
@pytest.mark.parametrize("lhs_order", ["first", "last"])
@pytest.mark.parametrize("out_order", ["first", "last"])
def test_ranks_and_layouts(rank, lhs_order, out_order):
    rng = np.random.default_rng(rank)
    space = LETTERS[rank]
    rhs_order = lhs_order if rank % 2 else out_order
    size = {"N": 3, "C": 4, "O": 6, "I": 4, "D": 5, "H": 6, "W": 7}
    lhs_spec = f"NC{space}" if lhs_order == "first" else f"N{space}C"
    rhs_spec = f"OI{space}" if rhs_order == "first" else f"{space}IO"
    out_spec = f"NC{space}" if out_order == "first" else f"N{space}C"
    lhs = draw(rng, [size[letter] for letter in lhs_spec])
    kernel = {"D": 2, "H": 3, "W": 2}
    rhs = draw(rng, [kernel.get(letter, size[letter]) for letter in rhs_spec])
    check(lhs, rhs, (lhs_spec, rhs_spec, out_spec), padding=[(1, 1)] * rank)


def test_unusual_axis_orders():
    rng = np.random.default_rng(3)
    check(
        draw(rng, (5, 3, 6, 2)),
        draw(rng, (3, 4, 2, 3)),
        ("HCWN", "IOHW", "CWNH"),
        padding=[(1, 1)] * 2,
    )
    check(draw(rng, (6, 2, 3, 5)), draw(rng, (2, 4, 3, 3)), ("WNCH", "WOIH", "HNWC"))


SPACES = [
    {"window_strides": (2, 1)},
    {"window_strides": (2, 3), "padding": [(2, 1), (0, 3)]},
    {"padding": [(-1, 2), (1, -2)]},
    {"padding": [(-2, -1), (-1, -1)], "window_strides": (1, 2)},
    {"rhs_dilation": (2, 3), "padding": [(2, 2), (1, 3)]},
    {"lhs_dilation": (2, 3), "padding": [(2, 1), (1, 3)]},
    {"lhs_dilation": (2, 3), "padding": [(-2, -1), (-5, 3)]},
    {"lhs_dilation": (4, 1), "padding": [(3, 5), (0, 0)]},
    {"lhs_dilation": (3, 2), "rhs_dilation": (1, 2), "padding": [(2, 1), (1, 3)]},
    {"lhs_dilation": (3, 2), "window_strides": (1, 2), "padding": [(2, 1), (1, 3)]},
    {"lhs_dilation": (2, 2), "window_strides": (3, 2), "rhs_dilation": (2, 1)},
    {"padding": [(-4, -5), (0, 0)]},
    {"padding": [(-20, 30), (0, 0)], "lhs_dilation": (2, 1)},
]


@pytest.mark.parametrize("params", SPACES)
@pytest.mark.parametrize("spec", [("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC")])
def test_strides_padding_dilation(params, spec):
    rng = np.random.default_rng(1)
    size = {"N": 2, "C": 3, "O": 4, "I": 3, "H": 9, "W": 8}
    lhs = draw(rng, [size[letter] for letter in spec[0]])
    rhs = draw(rng, [{"H": 3, "W": 2}.get(letter, size[letter]) for letter in spec[1]])
    check(lhs, rhs, spec, **params)


@pytest.mark.parametrize("spec", [("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC")])
@pytest.mark.parametrize(
    ("groups", "channels", "outs"), [(2, 2, 3), (4, 1, 1), (4, 1, 2), (3, 1, 5), (3, 2, 1)]
)
@pytest.mark.parametrize("kind", ["feature", "batch"])
def test_groups(spec, groups, channels, outs, kind):
    rng = np.random.default_rng(2)
    feature = kind == "feature"
    size = {"N": 2 if feature else 2 * groups, "C": channels * (groups if feature else 1)}
    size |= {"I": channels, "O": outs * groups, "H": 7, "W": 6}
    lhs = draw(rng, [size[letter] for letter in spec[0]])
    rhs = draw(rng, [{"H": 3, "W": 2}.get(letter, size[letter]) for letter in spec[1]])
    key = f"{kind}_group_count"
    check(lhs, rhs, spec, padding=[(1, 1), (0, 1)], window_strides=(1, 2), **{key: groups})
    check(lhs, rhs, spec, padding=[(1, 1), (0, 1)], lhs_dilation=(1, 2), **{key: groups})


@pytest.mark.parametrize("shape", [(0, 3, 5, 5), (2, 0, 5, 5), (2, 3, 0, 5), (2, 3, 2, 5)])
def test_zero_size(shape):
    rhs = np.ones((4, shape[1], 3, 3), np.float32)
    padding = [(3, 0), (1, 1)] if shape[2] == 0 else [(0, 0), (0, 0)]
    lhs = np.ones(shape, np.float32)
    check(lhs, rhs, ("NCHW", "OIHW", "NCHW"), padding=padding)


def test_no_output_features():
    lhs, rhs = np.ones((2, 3, 5, 5), np.float32), np.ones((0, 3, 3, 3), np.float32)
    check(lhs, rhs, ("NCHW", "OIHW", "NCHW"))


# Large enough to be cut into several chunks, and for every layout.
@pytest.mark.parametrize("spec", [("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC")])
@pytest.mark.parametrize(
    ("size", "kernel", "channels"),
    [((26, 26), (3, 3), (32, 16)), ((28, 28), (3, 3), (1, 8)), ((5, 5), (5, 5), (16, 8))]
    + [((7, 7), (3, 3), (48, 32)), ((20, 20), (1, 1), (64, 16))],
)
@pytest.mark.parametrize(("stride", "pad"), [(1, "VALID"), (2, "SAME")])
def test_gradients(spec, size, kernel, channels, stride, pad):
    """Run the very convolutions that JAX's autodiff makes of a convolution."""
    rng = np.random.default_rng(4)
    sizes = {"N": 19, "C": channels[0], "I": channels[0], "O": channels[1]}
    lhs = draw(rng, [{**sizes, "H": size[0], "W": size[1]}[letter] for letter in spec[0]])
    rhs = draw(rng, [{**sizes, "H": kernel[0], "W": kernel[1]}[letter] for letter in spec[1]])

    def f(lhs, rhs):
        return lax.conv_general_dilated(lhs, rhs, (stride, stride), pad, dimension_numbers=spec)

    out, pullback = jax.vjp(f, lhs, rhs)
    cotangent = draw(rng, out.shape)
    jaxpr = jax.make_jaxpr(lambda ct: pullback(ct))(cotangent)
    convs = [eqn for eqn in jaxpr.eqns if eqn.primitive.name == "conv_general_dilated"]
    assert len(convs) == 2
    for eqn in convs:
        operands = [draw(rng, var.aval.shape) for var in eqn.invars]
        got = conv_general_dilated(np, *operands, **keywords(eqn.params))
        want = lax.conv_general_dilated(*operands, precision="highest", **keywords(eqn.params))
        scale = np.abs(want).max()
        np.testing.assert_allclose(got / scale, want / scale, atol=3e-6)
    got = conv_general_dilated(np, lhs, rhs, **f_params(f, lhs, rhs))
    np.testing.assert_allclose(got, out, atol=3e-4)


KEYS = (
    "window_strides",
    "padding",
    "lhs_dilation",
    "rhs_dilation",
    "dimension_numbers",
    "feature_group_count",
    "batch_group_count",
)


def keywords(params):
    return {key: params[key] for key in KEYS}


def f_params(f, *args):
    (eqn,) = jax.make_jaxpr(f)(*args).eqns
    return keywords(eqn.params)


@pytest.mark.parametrize("spec", [("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC")])
def test_depthwise_gradients(spec):
    rng = np.random.default_rng(5)
    lhs = draw(rng, (3, 6, 9, 9) if spec[0] == "NCHW" else (3, 9, 9, 6))
    rhs = draw(rng, (12, 1, 3, 3) if spec[0] == "NCHW" else (3, 3, 1, 12))

    def f(lhs, rhs):
        return lax.conv_general_dilated(
            lhs, rhs, (1, 1), "SAME", dimension_numbers=spec, feature_group_count=6
        )

    out, pullback = jax.vjp(f, lhs, rhs)
    for eqn in jax.make_jaxpr(lambda ct: pullback(ct))(out).eqns:
        if eqn.primitive.name == "conv_general_dilated":
            operands = [draw(rng, var.aval.shape) for var in eqn.invars]
            got = conv_general_dilated(np, *operands, **keywords(eqn.params))
            want = lax.conv_general_dilated(*operands, **keywords(eqn.params))
            np.testing.assert_allclose(got, want, atol=1e-4)


def test_out_space_matches_shapes():
    assert conv_out_space((5, 2), (3, 3), (2, 1), [(0, 0), (0, 0)], (1, 1), (1, 1)) == (2, 0)
    assert conv_out_space((), (), (), [], (), ()) == ()
    assert math.prod(conv_out_space((4,), (1,), (1,), [(0, 0)], (3,), (1,))) == 10
