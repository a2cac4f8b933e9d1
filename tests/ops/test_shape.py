"""Structural primitives: values as in NumPy, and the laws, for shapes and parameters drawn."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fx
from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxError, FxTypeError, FxValueError, ShapeError
from tests.laws import check_laws, check_vmap

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
DTYPES = [np.bool_, np.int8, np.uint64, np.float16, dtypes.bfloat16, np.float32, np.complex128]


def numbered(shape, dtype=np.float64):
    """An array of distinct numbers."""
    return np.arange(1, 1 + int(np.prod(shape)), dtype=np.float64).reshape(shape).astype(dtype)


def value(x):
    return np.asarray(x._data)


def keys(shape):
    data = np.zeros(shape, dtypes.key_dtype)
    data["k0"] = numbered(shape, np.uint32)
    return Array(data)


# ------------------------------------------------------------------ values
@st.composite
def broadcasts(draw):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    dims = tuple(i for i in range(len(shape)) if draw(st.booleans()))
    operand = tuple(1 if draw(st.integers(0, 3)) == 0 else shape[d] for d in dims)
    return operand, shape, dims


@given(broadcasts())
def test_broadcast_in_dim(case):
    operand, shape, dims = case
    x = numbered(operand)
    aligned = [1] * len(shape)
    for n, d in zip(operand, dims, strict=True):
        aligned[d] = n
    out = P.broadcast_in_dim(x, shape=shape, broadcast_dimensions=dims)
    np.testing.assert_array_equal(value(out), np.broadcast_to(x.reshape(aligned), shape))
    check_laws(lambda x: P.broadcast_in_dim(x, shape=shape, broadcast_dimensions=dims), x)


@st.composite
def reshapes(draw):
    factors = draw(st.lists(st.sampled_from([1, 2, 3]), max_size=4))

    def grouped():
        cuts = sorted(draw(st.lists(st.integers(0, len(factors)), max_size=2)))
        ends = [0, *cuts, len(factors)]
        return tuple(int(np.prod(factors[a:b])) for a, b in itertools.pairwise(ends))

    return grouped(), grouped()


@given(reshapes())
def test_reshape(shapes):
    x = numbered(shapes[0])
    out = P.reshape(x, new_sizes=shapes[1])
    np.testing.assert_array_equal(value(out), x.reshape(shapes[1]))
    check_laws(lambda x: P.reshape(x, new_sizes=shapes[1]), x)


def test_reshape_keeps_a_mapped_axis_that_nothing_crosses():
    jaxpr = fx.make_jaxpr(
        fx.vmap(lambda x: P.reshape(x, new_sizes=(2, 2, 3)), in_axes=1, out_axes=2)
    )(np.zeros((4, 5, 3)))
    assert "transpose" not in str(jaxpr)


@pytest.mark.parametrize("shape, other", [((0, 3), (3, 0)), ((2, 0), (0,)), ((0,), (4, 0, 2))])
def test_reshape_of_nothing(shape, other):
    check_laws(lambda x: P.reshape(x, new_sizes=other), np.zeros(shape))


@given(SHAPES.flatmap(lambda s: st.tuples(st.just(s), st.permutations(range(len(s))))))
def test_transpose(case):
    shape, order = case[0], tuple(case[1])
    x = numbered(shape)
    np.testing.assert_array_equal(value(P.transpose(x, permutation=order)), x.transpose(order))
    check_laws(lambda x: P.transpose(x, permutation=order), x)


@given(SHAPES, st.data())
def test_squeeze_and_rev(shape, data):
    shape = tuple(1 if n == 2 else n for n in shape)
    ones = [i for i, n in enumerate(shape) if n == 1]
    dims = tuple(i for i in ones if data.draw(st.booleans()))
    x = numbered(shape)
    np.testing.assert_array_equal(value(P.squeeze(x, dimensions=dims)), np.squeeze(x, dims))
    check_laws(lambda x: P.squeeze(x, dimensions=dims), x)
    dims = tuple(i for i in range(len(shape)) if data.draw(st.booleans()))
    np.testing.assert_array_equal(value(P.rev(x, dimensions=dims)), np.flip(x, dims))
    check_laws(lambda x: P.rev(x, dimensions=dims), x)


@given(hnp.array_shapes(max_dims=3, max_side=3), st.data())
def test_concatenate(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    xs = [numbered((*shape[:axis], n, *shape[axis + 1 :])) + 10 * i for i, n in enumerate(sizes)]
    out = P.concatenate(*xs, dimension=axis)
    np.testing.assert_array_equal(value(out), np.concatenate(xs, axis))
    check_laws(lambda *xs: P.concatenate(*xs, dimension=axis), *xs, all_axes=len(xs) < 3)


@given(hnp.array_shapes(max_dims=3, max_side=4), st.data())
def test_split(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    cut = data.draw(st.integers(0, shape[axis]))
    sizes, x = (cut, shape[axis] - cut), numbered(shape)
    for got, want in zip(
        P.split(x, sizes=sizes, dimension=axis), np.split(x, [cut], axis), strict=True
    ):
        np.testing.assert_array_equal(value(got), want)
    check_laws(lambda x: P.split(x, sizes=sizes, dimension=axis), x)
    check_laws(lambda x: P.split(x, sizes=sizes, dimension=axis)[1], x)


def padded(x, fill, config):
    """By its definition, one axis after the other: dilate, then put or cut at both ends."""
    for axis, (low, high, interior) in enumerate(config):
        rows = np.moveaxis(x, axis, 0)
        n = len(rows)
        wide = np.full((n + max(n - 1, 0) * interior, *rows.shape[1:]), fill, x.dtype)
        wide[:: interior + 1] = rows
        for amount, end in ((low, 0), (high, 1)):
            if amount < 0:
                wide = wide[-amount:] if end == 0 else wide[:amount]
            else:
                extra = np.full((amount, *wide.shape[1:]), fill, x.dtype)
                wide = np.concatenate([extra, wide] if end == 0 else [wide, extra])
        x = np.moveaxis(wide, 0, axis)
    return x


@st.composite
def paddings(draw):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4))
    config = []
    for n in shape:
        interior = draw(st.integers(0, 2))
        size = n + max(n - 1, 0) * interior
        low = draw(st.integers(-size, 3))
        high = draw(st.integers(-(size + min(low, 0)), 3))
        config.append((low, high, interior))
    return shape, tuple(config)


@given(paddings())
def test_pad(case):
    shape, config = case
    x, fill = numbered(shape), np.float64(-1)
    out = P.pad(x, fill, padding_config=config)
    np.testing.assert_array_equal(value(out), padded(x, fill, config))
    check_laws(lambda x, fill: P.pad(x, fill, padding_config=config), x, fill)


@st.composite
def cuts(draw):
    shape = draw(SHAPES)
    starts = tuple(draw(st.integers(0, n)) for n in shape)
    limits = tuple(draw(st.integers(a, n)) for a, n in zip(starts, shape, strict=True))
    steps = tuple(draw(st.integers(1, 3)) for _ in shape)
    return shape, starts, limits, draw(st.sampled_from([None, steps]))


@given(cuts())
def test_slice(case):
    shape, starts, limits, steps = case
    params = {"start_indices": starts, "limit_indices": limits, "strides": steps}
    x = numbered(shape)
    index = tuple(map(slice, starts, limits, steps or [1] * len(shape)))
    np.testing.assert_array_equal(value(P.slice(x, **params)), x[index])
    check_laws(lambda x: P.slice(x, **params), x)


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.float16, dtypes.bfloat16, np.complex64])
def test_iota(dtype):
    out = P.iota(dtype=np.dtype(dtype), shape=(2, 300), dimension=1)
    assert out.dtype == dtype
    np.testing.assert_array_equal(
        value(out), np.broadcast_to(np.arange(300).astype(dtype), (2, 300))
    )
    assert P.iota(dtype=np.dtype(dtype), shape=(0,), dimension=0).shape == (0,)


# ------------------------------------------------------------------ dtypes
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_keeps_its_elements(dtype):
    x = numbered((2, 3), dtype)
    fill = np.zeros((), dtype)
    results = {
        "transpose": (P.transpose(x, permutation=(1, 0)), x.T),
        "concatenate": (P.concatenate(x, x, dimension=0), np.concatenate([x, x])),
        "pad": (P.pad(x, fill, padding_config=((1, 0, 1), (-1, 0, 0))), None),
        "rev": (P.rev(x, dimensions=(0,)), x[::-1]),
        "broadcast": (P.broadcast_in_dim(x, shape=(2, 2, 3), broadcast_dimensions=(1, 2)), None),
    }
    for name, (got, want) in results.items():
        assert got.dtype == dtype, name
        if want is not None:
            np.testing.assert_array_equal(value(got), want)


def test_keys_move_as_whole_elements():
    k = keys((2, 3))
    assert value(P.transpose(k, permutation=(1, 0)))["k0"].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert P.concatenate(k, k, dimension=1).shape == (2, 6)
    assert value(P.reshape(k, new_sizes=(6,)))[4]["k0"] == 5
    check_vmap(lambda k: P.rev(k, dimensions=(0,)), np.zeros(3), all_axes=True)


def test_weak_types():
    weak = to_array(1.0)
    assert P.broadcast_in_dim(weak, shape=(2,), broadcast_dimensions=()).weak_type
    assert not P.concatenate(
        P.reshape(weak, new_sizes=(1,)), np.ones(1, np.float32), dimension=0
    ).weak_type


# ------------------------------------------------------------------ errors
X = np.zeros((2, 3))


@pytest.mark.parametrize(
    "call, kind, text",
    [
        (
            lambda: P.broadcast_in_dim(X, shape=(2, 4), broadcast_dimensions=(0, 1)),
            ShapeError,
            "axis 1 has size 3",
        ),
        (
            lambda: P.broadcast_in_dim(X, shape=(3, 2), broadcast_dimensions=(1, 0)),
            ShapeError,
            "increasing",
        ),
        (
            lambda: P.broadcast_in_dim(X, shape=(2, 3), broadcast_dimensions=(0,)),
            ShapeError,
            "one broadcast",
        ),
        (lambda: P.reshape(X, new_sizes=(5,)), ShapeError, "6 elements"),
        (lambda: P.reshape(X, new_sizes=(-1, 6)), ShapeError, "non-negative"),
        (lambda: P.transpose(X, permutation=(0, 0)), FxValueError, "permutation"),
        (lambda: P.squeeze(X, dimensions=(0,)), ShapeError, "size 2"),
        (lambda: P.squeeze(X, dimensions=(5,)), FxValueError, "out of range"),
        (lambda: P.rev(X, dimensions=(0, 0)), FxValueError, "distinct"),
        (lambda: P.concatenate(dimension=0), FxValueError, "at least one"),
        (lambda: P.concatenate(X, X.astype("f"), dimension=0), FxTypeError, "one dtype"),
        (lambda: P.concatenate(X, X.T, dimension=0), ShapeError, "other axes agree"),
        (lambda: P.concatenate(X, X[0], dimension=0), ShapeError, "other axes agree"),
        (
            lambda: P.pad(X, np.float32(0), padding_config=((0, 0, 0),) * 2),
            FxTypeError,
            "same dtype",
        ),
        (lambda: P.pad(X, X, padding_config=((0, 0, 0),) * 2), ShapeError, "scalar"),
        (
            lambda: P.pad(X, 0.0 * X[0, 0], padding_config=((0, 0, 0),)),
            ShapeError,
            "each of its 2 axes",
        ),
        (
            lambda: P.pad(X, np.float64(0), padding_config=((0, 0, -1), (0, 0, 0))),
            FxValueError,
            "non-negative",
        ),
        (
            lambda: P.pad(X, np.float64(0), padding_config=((-3, 0, 0), (0, 0, 0))),
            ShapeError,
            "cuts more",
        ),
        (
            lambda: P.slice(X, start_indices=(0, 0), limit_indices=(3, 3), strides=None),
            FxValueError,
            "limit 3",
        ),
        (
            lambda: P.slice(X, start_indices=(0, 0), limit_indices=(2, 3), strides=(1, 0)),
            FxValueError,
            "positive",
        ),
        (
            lambda: P.slice(X, start_indices=(0,), limit_indices=(2,), strides=None),
            ShapeError,
            "each of its 2 axes",
        ),
        (lambda: P.split(X, sizes=(1, 1), dimension=1), ShapeError, "add up to 3"),
        (lambda: P.iota(dtype=np.dtype(bool), shape=(2,), dimension=0), FxTypeError, "iota"),
        (
            lambda: P.iota(dtype=np.dtype("i4"), shape=(2,), dimension=1),
            FxValueError,
            "out of range",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, kind, text):
    with pytest.raises(kind, match=text) as error:
        call()
    assert isinstance(error.value, FxError)
