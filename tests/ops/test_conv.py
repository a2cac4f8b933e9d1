"""conv_general_dilated over random parameters: a sum of products, lawful, and equal to JAX."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.ops.conv import ConvDimensionNumbers
from tests import laws

LAYOUTS = {
    "NCHW": ConvDimensionNumbers((0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2, 3)),
    "NHWC": ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)),
}


def params_of(rank=2, **changes):
    one = (1,) * rank
    spec = tuple(range(rank + 2))
    return {
        "window_strides": one,
        "padding": ((0, 0),) * rank,
        "lhs_dilation": one,
        "rhs_dilation": one,
        "dimension_numbers": ConvDimensionNumbers(spec, spec, spec),
        "feature_group_count": 1,
        "batch_group_count": 1,
        "precision": None,
        "preferred_element_type": None,
    } | changes


def placed(sizes, spec):
    shape = [0] * len(sizes)
    for axis, size in zip(spec, sizes, strict=True):
        shape[axis] = size
    return tuple(shape)


@st.composite
def convolutions(draw, max_rank=3, least=0, crop=2):
    """Shapes of image and kernel and all parameters."""
    rank = draw(st.integers(0, max_rank))
    groups = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (3, 1), (1, 2), (1, 3)]))
    images, depth, outs = [draw(st.integers(max(least, 1), 2)) for _ in range(3)]

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    specs = [tuple(draw(st.permutations(range(rank + 2)))) for _ in range(3)]
    space, taps = each(least, 6), each(max(least, 1), 3)
    params = params_of(
        rank,
        window_strides=each(1, 3),
        padding=tuple(zip(each(-crop, 3), each(-crop, 3), strict=True)),
        lhs_dilation=each(1, 2),
        rhs_dilation=each(1, 2),
        dimension_numbers=ConvDimensionNumbers(*specs),
        feature_group_count=groups[0],
        batch_group_count=groups[1],
    )
    lhs = placed((images * groups[1], depth * groups[0], *space), specs[0])
    rhs = placed((outs * groups[0] * groups[1], depth, *taps), specs[1])
    return lhs, rhs, params


def naive(x, w, params):
    """The definition, product by product, in float64."""
    numbers = params["dimension_numbers"]
    x, w = x.transpose(numbers.lhs_spec), w.transpose(numbers.rhs_spec)
    groups = params["feature_group_count"], params["batch_group_count"]
    aval = P.conv_general_dilated.abstract_eval(
        ShapedArray(x.shape, x.dtype),
        ShapedArray(w.shape, w.dtype),
        **params | {"dimension_numbers": params_of(x.ndim - 2)["dimension_numbers"]},
    )
    out = np.zeros(aval.shape)
    (batch, outs), positions = aval.shape[:2], aval.shape[2:]
    depth, taps = w.shape[1], w.shape[2:]
    for n, o in np.ndindex(batch, outs):
        feature = o // (outs // groups[0]) * depth
        image = n + o // (outs // groups[1]) * batch
        for p, t in itertools.product(np.ndindex(positions), np.ndindex(taps)):
            place = [
                a * stride + b * step - low
                for a, b, stride, step, (low, _) in zip(
                    p,
                    t,
                    params["window_strides"],
                    params["rhs_dilation"],
                    params["padding"],
                    strict=True,
                )
            ]
            spread = params["lhs_dilation"]
            if any(i % s for i, s in zip(place, spread, strict=True)):
                continue
            place = tuple(i // s for i, s in zip(place, spread, strict=True))
            if all(0 <= i < size for i, size in zip(place, x.shape[2:], strict=True)):
                inside = (slice(feature, feature + depth), *place)
                out[(n, o, *p)] += np.dot(x[image][inside], w[(o, slice(None), *t)])
    return out.transpose(np.argsort(numbers.out_spec))


def normal(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@given(convolutions(max_rank=2))
@settings(max_examples=40)
def test_values_are_the_definitions(case):
    lhs, rhs, params = case
    x, w = normal(*lhs), normal(*rhs, seed=1)
    out = P.conv_general_dilated(Array(x), Array(w), **params)
    np.testing.assert_allclose(out, naive(x, w, params), rtol=1e-10, atol=1e-10)


@given(convolutions(least=1))
@settings(max_examples=20)
def test_laws(case):
    lhs, rhs, params = case
    conv = lambda x, w: P.conv_general_dilated(x, w, **params)
    laws.check_laws(conv, normal(*lhs), normal(*rhs, seed=1), all_axes=False)


@given(convolutions(max_rank=2, least=1))
@settings(max_examples=10)
def test_laws_of_gradients(case):
    lhs, rhs, params = case
    x, w = normal(*lhs), normal(*rhs, seed=1)
    conv = lambda x, w: P.conv_general_dilated(x, w, **params)
    ct = normal(*fx.eval_shape(conv, x, w).shape, seed=2)
    gradients = lambda x, w, ct: fx.vjp(conv, x, w)[1](ct)
    laws.check_jit(gradients, x, w, ct)
    laws.check_derivatives(gradients, x, w, ct)


@given(convolutions(least=1), st.sampled_from(["float32", "complex64", "bfloat16"]))
@settings(max_examples=12)
def test_values_and_gradients_are_jaxs(case, dtype):
    jax = pytest.importorskip("jax")
    lhs, rhs, params = case
    rng = np.random.default_rng(0)
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    small = lambda shape: rng.integers(-3, 4, shape).astype(np.float32).astype(dtype)
    x, w = small(lhs), small(rhs)
    numbers = jax.lax.ConvDimensionNumbers(*params["dimension_numbers"])
    theirs = params | {"dimension_numbers": numbers}
    ours = lambda x, w: P.conv_general_dilated(x, w, **params)
    reference = lambda x, w: jax.lax.conv_general_dilated(x, w, **theirs)
    expected = reference(x, w)
    out = fx.jit(ours)(x, w)
    assert (out.shape, out.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(np.asarray(out), np.asarray(expected))
    ct = small(expected.shape)
    try:
        expected = jax.vjp(reference, x, w)[1](jax.numpy.asarray(ct))
    except (TypeError, ValueError, RuntimeError):
        return  # JAX's rule makes a convolution that it refuses, where windows miss the image
    for g, h in zip(fx.vjp(ours, x, w)[1](ct), expected, strict=True):
        np.testing.assert_array_equal(np.asarray(g), np.asarray(h))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_of_a_plain_convolution_are_one_convolution_each(layout):
    shapes = {"NCHW": [(2, 3, 8, 8), (4, 3, 3, 3)], "NHWC": [(2, 8, 8, 3), (3, 3, 3, 4)]}[layout]
    x, w = [np.ones(s, np.float32) for s in shapes]
    conv = lambda x, w: P.conv_general_dilated(x, w, **params_of(dimension_numbers=LAYOUTS[layout]))

    def gradients(x, w):
        out, pull = fx.vjp(conv, x, w)
        return pull(out)

    names = [e.primitive.name for e in fx.make_jaxpr(gradients)(x, w).eqns]
    assert sorted(names) == ["conv_general_dilated"] * 3 + ["rev"]


@pytest.mark.parametrize("in_axes", [(0, None), (None, 0), (0, 0)])
def test_vmap_is_one_convolution(in_axes):
    x, w = np.ones((2, 3, 8), np.float32), np.ones((4, 3, 3), np.float32)
    stack = lambda a, axis: a if axis is None else np.stack([a] * 5)
    conv = lambda x, w: P.conv_general_dilated(x, w, **params_of(1))
    mapped = fx.vmap(conv, in_axes)
    args = stack(x, in_axes[0]), stack(w, in_axes[1])
    names = [e.primitive.name for e in fx.make_jaxpr(mapped)(*args).eqns]
    assert names.count("conv_general_dilated") == 1
    assert mapped(*args).shape == (5, 2, 4, 6)


def test_preferred_element_type_accumulates_and_returns_it():
    x = np.full((1, 64, 9), 0.1, ml_dtypes.bfloat16)
    w = np.ones((2, 64, 3), ml_dtypes.bfloat16)
    params = params_of(1, preferred_element_type=np.dtype(np.float32))
    conv = lambda x, w: P.conv_general_dilated(x, w, **params)
    out = conv(Array(x), Array(w))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, np.full((1, 2, 7), 3 * 64 * float(x[0, 0, 0])), rtol=1e-6)
    gx, gw = fx.vjp(conv, x, w)[1](np.ones(out.shape, np.float32))
    assert gx.dtype == gw.dtype == ml_dtypes.bfloat16
    laws.check_jit(conv, x, w)


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "float16", "float64", "complex128"])
def test_dtypes(dtype):
    x, w = np.ones((1, 2, 5), dtype), np.full((3, 2, 2), 2, dtype)
    out = P.conv_general_dilated(Array(x), Array(w), **params_of(1))
    assert out.dtype == dtype
    np.testing.assert_array_equal(np.asarray(out), np.full((1, 3, 4), 8, dtype))


@pytest.mark.parametrize("empty", [(0, 3, 8), (2, 0, 8), (2, 3, 0)])
def test_empty_images_have_zero_gradients(empty):
    x, w = np.ones(empty, np.float32), np.ones((4, empty[1], 3), np.float32)
    conv = lambda x, w: P.conv_general_dilated(x, w, **params_of(1, padding=((2, 2),)))
    out, pull = fx.vjp(conv, x, w)
    gx, gw = pull(out)
    assert (gx.shape, gw.shape) == (x.shape, w.shape)
    np.testing.assert_array_equal(np.asarray(gw), 0)


BAD = [
    (((2, 3, 8), (4, 2, 3)), {}, ShapeError, "the image's features must be the kernel's"),
    (((2, 3, 8), (4, 3, 3, 3)), {}, ShapeError, "of one rank"),
    (((2,), (4,)), {}, ShapeError, "of one rank"),
    (((2, 3, 8), (4, 3, 3)), {"window_strides": (1, 1)}, ShapeError, "one entry for each"),
    (((2, 3, 8), (4, 3, 3)), {"window_strides": (0,)}, FxValueError, "positive window_strides"),
    (((2, 3, 8), (4, 3, 3)), {"lhs_dilation": (0,)}, FxValueError, "positive lhs_dilation"),
    (((2, 3, 8), (4, 3, 3)), {"padding": ()}, ShapeError, "padding"),
    (((2, 4, 8), (3, 2, 3)), {"feature_group_count": 2}, ShapeError, "output features"),
    (((3, 4, 8), (4, 4, 3)), {"batch_group_count": 2}, ShapeError, "images"),
    (((2, 4, 8), (4, 2, 3)), {"feature_group_count": 0}, FxValueError, "positive group"),
    (
        ((2, 4, 8), (4, 2, 3)),
        {"feature_group_count": 2, "batch_group_count": 2},
        FxValueError,
        "at most one",
    ),
    (
        ((2, 3, 8), (4, 3, 3)),
        {"dimension_numbers": ConvDimensionNumbers((0, 1, 1), (0, 1, 2), (0, 1, 2))},
        FxValueError,
        "lhs_spec",
    ),
]


@pytest.mark.parametrize("shapes, changes, error, message", BAD)
def test_wrong_arguments_are_explained(shapes, changes, error, message):
    x, w = [Array(np.ones(s, np.float32)) for s in shapes]
    with pytest.raises(error, match=message):
        P.conv_general_dilated(x, w, **params_of(1, **changes))


@pytest.mark.parametrize(
    "dtypes, preferred",
    [
        (("float32", "float64"), None),
        (("bool", "bool"), None),
        (("float32", "float32"), "int32"),
        (("complex64", "complex64"), "float32"),
    ],
)
def test_wrong_dtypes_are_explained(dtypes, preferred):
    x, w = [Array(np.ones((1, 1, 3), d)) for d in dtypes]
    preferred = preferred and np.dtype(preferred)
    with pytest.raises(FxTypeError, match="conv_general_dilated"):
        P.conv_general_dilated(x, w, **params_of(1, preferred_element_type=preferred))
