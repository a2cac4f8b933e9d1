"""Shapes, slices, gather, scatter and new arrays in lax: the calls of JAX give JAX's results."""

import inspect

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.core.array import to_array
from fx.errors import FxError, FxIndexError, FxTypeError, FxValueError, ShapeError
from tests.laws import check_jit, check_laws, check_vmap

A = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
V = np.arange(5, dtype=np.int32)
ROWS = np.array([[2], [0], [9]], np.int32)

# Each is called with our lax and with JAX's.
CALLS = {
    "broadcast": lambda lax: lax.broadcast(V, (2, 3)),
    "broadcast scalar": lambda lax: lax.broadcast(2.0, (2,)),
    "broadcast_in_dim": lambda lax: lax.broadcast_in_dim(V, (5, 2), (0,)),
    "broadcast_to_rank": lambda lax: lax.broadcast_to_rank(V, 3),
    "broadcasted_iota": lambda lax: lax.broadcasted_iota("int8", (2, 3), 1),
    "iota": lambda lax: lax.iota("float32", 4),
    "iota int": lambda lax: lax.iota(int, 4),
    "broadcast_like": lambda lax: lax.broadcast_like(V[:3, None], A),
    "expand_dims": lambda lax: lax.expand_dims(V, (0, -1)),
    "expand_dims nothing": lambda lax: lax.expand_dims(V, ()),
    "tile": lambda lax: lax.tile(A, (2, 1, 3)),
    "tile none": lambda lax: lax.tile(V, (0,)),
    "reshape": lambda lax: lax.reshape(A, (6, 4)),
    "reshape order": lambda lax: lax.reshape(A, (6, 4), dimensions=(2, 0, 1)),
    "transpose": lambda lax: lax.transpose(A, (2, 0, 1)),
    "transpose array": lambda lax: lax.transpose(A, np.array([1, 0, 2])),
    "squeeze": lambda lax: lax.squeeze(A[None, :, :1], (0, -2)),
    "rev": lambda lax: lax.rev(A, (0, 2)),
    "collapse": lambda lax: lax.collapse(A, 1),
    "collapse two": lambda lax: lax.collapse(A, 0, 2),
    "collapse negative": lambda lax: lax.collapse(A, -3, -1),
    "collapse none": lambda lax: lax.collapse(A, 1, 1),
    "concatenate": lambda lax: lax.concatenate([A, A[:1]], 0),
    "concatenate one": lambda lax: lax.concatenate([A], 1),
    "stack": lambda lax: lax.stack([V, V], axis=-1),
    "pad": lambda lax: lax.pad(A, 0.0, [(1, 0, 2), (-1, 1, 0), (0, -2, 1)]),
    "slice": lambda lax: lax.slice(A, (0, 1, 0), (2, 3, 4), (1, 1, 3)),
    "slice_in_dim": lambda lax: lax.slice_in_dim(A, -2, None, axis=-1),
    "slice_in_dim stride": lambda lax: lax.slice_in_dim(V, 0, 5, 2),
    "index_in_dim": lambda lax: lax.index_in_dim(A, -1, 1),
    "index_in_dim drop": lambda lax: lax.index_in_dim(A, 1, 2, keepdims=False),
    "dynamic_slice": lambda lax: lax.dynamic_slice(A, (1, -1, 9), (1, 2, 2)),
    "dynamic_slice array": lambda lax: lax.dynamic_slice(V, np.array([-9]), (2,)),
    "dynamic_slice unsigned": lambda lax: lax.dynamic_slice(V, [np.uint8(250)], (2,)),
    "dynamic_slice_in_dim": lambda lax: lax.dynamic_slice_in_dim(A, 1, 2, axis=-2),
    "dynamic_index_in_dim": lambda lax: lax.dynamic_index_in_dim(A, -1, 2, keepdims=False),
    "dynamic_update_slice": lambda lax: lax.dynamic_update_slice(A, -A[:1, :2], (-1, 7, 0)),
    "dynamic_update_slice_in_dim": lambda lax: lax.dynamic_update_slice_in_dim(V, V[:2], 4, 0),
    "dynamic_update_index_in_dim": lambda lax: lax.dynamic_update_index_in_dim(A, A[:, 0], 2, 1),
    "dynamic_update_index_in_dim kept": lambda lax: lax.dynamic_update_index_in_dim(V, V[:1], 2, 0),
    "full": lambda lax: lax.full((2, 3), 7),
    "full dtype": lambda lax: lax.full((2,), 2.7, "int32"),
    "full array": lambda lax: lax.full((2,), np.float32(3)),
    "full_like": lambda lax: lax.full_like(V, 3.7),
    "full_like shape": lambda lax: lax.full_like(V, 3, "float32", shape=(2, 2)),
    "gather": lambda lax: lax.gather(
        A[0], ROWS, lax.GatherDimensionNumbers((1,), (0,), (0,)), (1, 4)
    ),
    "gather fill": lambda lax: lax.gather(
        A[0], ROWS, lax.GatherDimensionNumbers((1,), (0,), (0,)), (1, 4), mode="fill", fill_value=5
    ),
    "index_take": lambda lax: lax.index_take(A, (V[:2], V[1:3] - 2), (0, 2)),
    "scatter_apply": lambda lax: lax.scatter_apply(
        A[0, 0],
        ROWS,
        lambda y: 3 * y,
        lax.ScatterDimensionNumbers((), (0,), (0,)),
        update_shape=(3,),
    ),
    "scatter_apply repeated": lambda lax: lax.scatter_apply(
        A[0, 0],
        np.array([[1], [2], [1], [1]]),
        lambda y: 3 * y + 1,
        lax.ScatterDimensionNumbers((), (0,), (0,)),
        update_shape=(4,),
    ),
}
for _name in ("scatter", "scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max"):
    CALLS[_name] = lambda lax, name=_name: getattr(lax, name)(
        A[0], ROWS, -A[0], lax.ScatterDimensionNumbers((1,), (0,), (0,)), unique_indices=True
    )
LISTS = {
    "split": lambda lax: lax.split(A, (1, 2), axis=1),
    "unstack": lambda lax: lax.unstack(A, axis=-1),
    "unstack 1": lambda lax: lax.unstack(V),
}


@pytest.mark.parametrize("name", CALLS)
def test_results_equal_jax(name):
    theirs = pytest.importorskip("jax.lax")
    expected, got = CALLS[name](theirs), CALLS[name](lax)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    assert got.weak_type == expected.aval.weak_type
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", LISTS)
def test_lists_equal_jax(name):
    theirs = pytest.importorskip("jax.lax")
    expected, got = LISTS[name](theirs), LISTS[name](lax)
    assert type(got) is type(expected) and len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_signatures_begin_as_in_jax():
    theirs = pytest.importorskip("jax.lax")
    left_out = {"out_sharding", "sharding"}
    for name in {*(n.split()[0] for n in (*CALLS, *LISTS)), "clamp", "select", "pow"}:
        ours = list(inspect.signature(getattr(lax, name)).parameters)
        want = [p for p in inspect.signature(getattr(theirs, name)).parameters if p not in left_out]
        assert ours == want, name


def test_broadcast_shapes():
    assert lax.broadcast_shapes((2, 1), (3,), ()) == (2, 3)
    with pytest.raises(ShapeError, match="do not broadcast"):
        lax.broadcast_shapes((2,), (3,))


def test_fill_values_keep_large_integers():
    assert lax.full((1,), 2**40, "int64").tolist() == [2**40]
    assert lax.full_like(np.zeros(2, np.uint64), 2**64 - 1).tolist() == [2**64 - 1] * 2
    assert lax.full_like(to_array(1.0), 2).weak_type
    assert lax.empty((2,), "int8").tolist() == [0, 0]
    with pytest.raises(OverflowError, match="-1 does not fit u8"):
        lax.full((1,), -1, "uint8")


def test_negative_starts_need_not_wrap():
    assert lax.dynamic_slice(V, [-1], (2,), allow_negative_indices=False).tolist() == [0, 1]
    both = lax.dynamic_slice(A[0], [-1, -1], (1, 2), allow_negative_indices=(True, False))
    assert both.tolist() == [[8, 9]]


# ------------------------------------------------------------------ under transformations
def test_traced_starts():
    x = np.arange(6.0)
    f = lambda x, i: lax.dynamic_slice(x, (i,), (2,))
    g = lambda x, u, i: lax.dynamic_update_slice_in_dim(x, u, i, 0)
    for i in (-1, 0, 3, 9):
        check_laws(f, x, np.int32(i))
        check_laws(g, x, x[:2] * 2, np.int32(i))
    h = lambda x, i: lax.dynamic_slice(x, i, (2, 1))
    check_laws(h, x.reshape(3, 2), np.array([-1, 1], np.int32))
    check_jit(
        lambda x, i: lax.dynamic_slice(x, (i, 0), (1, 1)), x.reshape(3, 2), np.uint64(2**63 + 5)
    )


def test_index_take_and_gather_are_mapped():
    x, i = np.arange(12.0).reshape(3, 4), np.array([0, 2, 1], np.int32)
    check_laws(lambda x, i: lax.index_take(x, (i, -i), (1, 0)), x, i)


def test_scatter_apply_transforms():
    numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
    x = np.array([0.5, 1.5, 2.5])

    def f(x, i):
        return lax.scatter_apply(x, i, jnp.sin, numbers, update_shape=(3,))

    for i in ([[0], [1], [7]], [[1], [1], [1]], [[2], [0], [2]]):
        check_laws(f, x, np.array(i, np.int32))
    out = lax.scatter_apply(x, np.array([[1]]), lambda y: y > 1, numbers, update_shape=(1,))
    assert out.tolist() == [0.5, 1.0, 2.5]
    with pytest.raises(ShapeError, match="must keep the shape"):
        lax.scatter_apply(x, np.array([[1]]), lambda y: y.sum(), numbers, update_shape=(1,))


def test_one_equation_each():
    text = str(
        fx.make_jaxpr(lambda x: lax.reshape(lax.transpose(x, (1, 0)), (6,)))(np.ones((2, 3)))
    )
    assert text.count("reshape") == 1 and text.count("transpose") == 1
    same = fx.make_jaxpr(lambda x: lax.squeeze(lax.rev(lax.transpose(x, (0, 1)), ()), ()))
    assert not same(np.ones((2, 3))).eqns
    check_vmap(lambda x: lax.tile(x, (2,)), np.arange(3.0))


# ------------------------------------------------------------------ errors
NUMBERS = lax.GatherDimensionNumbers((), (0,), (0,))


@pytest.mark.parametrize(
    "call, kind, text",
    [
        (lambda: lax.broadcast(V, (-1,)), ShapeError, "non-negative"),
        (lambda: lax.broadcast_to_rank(A, 2), FxValueError, "more than 2 axes"),
        (lambda: lax.broadcast_in_dim(V, (2, 4), (1,)), ShapeError, "expected 1 or an equal size"),
        (lambda: lax.broadcast_like(A, V), ShapeError, "more axes"),
        (lambda: lax.expand_dims(V, (0, 0)), FxValueError, "distinct"),
        (lambda: lax.expand_dims(V, (5,)), FxValueError, "out of bounds"),
        (lambda: lax.expand_dims(V, 0), FxTypeError, "sequence of integers"),
        (lambda: lax.tile(V, (2, 2)), ShapeError, "1 repetitions"),
        (lambda: lax.reshape(V, (-1,)), ShapeError, "non-negative"),
        (lambda: lax.reshape(V, (2, 2)), ShapeError, "number of elements"),
        (lambda: lax.transpose(A, (0, 1)), FxValueError, "permutation"),
        (lambda: lax.collapse(A, 2, 1), FxValueError, "start_dimension <= stop_dimension"),
        (lambda: lax.concatenate([], 0), FxValueError, "at least one"),
        (lambda: lax.concatenate([V], 1), FxValueError, "out of bounds"),
        (lambda: lax.stack([], 0), FxValueError, "at least one"),
        (lambda: lax.stack([V, V[1:]]), ShapeError, "one shape"),
        (lambda: lax.split(V, (1, 1)), ShapeError, "add up to 5"),
        (lambda: lax.pad(V, 1.5, [(0, 0, 0)]), FxTypeError, "cannot hold it"),
        (lambda: lax.pad(V, 0, [(0, 0)]), FxValueError, "low, high, interior"),
        (lambda: lax.full((2,), V), FxTypeError, "scalar as fill_value"),
        (lambda: lax.full((2.5,), 1), FxTypeError, "must be an integer"),
        (lambda: lax.iota("bool", 3), FxTypeError, "iota"),
        (lambda: lax.slice(V, (0,), (9,)), FxValueError, "limit 9"),
        (lambda: lax.slice_in_dim(V, 3, 1), FxValueError, "start 3"),
        (lambda: lax.index_in_dim(V, 5), FxIndexError, "axis 0 of size 5"),
        (lambda: lax.dynamic_slice(V, (1.5,), (1,)), FxTypeError, "integer scalars"),
        (lambda: lax.dynamic_slice(V, (1, 1), (1,)), ShapeError, "each of the 1 axes"),
        (lambda: lax.dynamic_slice(V, A, (1,)), ShapeError, "array of rank 1"),
        (lambda: lax.dynamic_slice(V, (1,), (7,)), ShapeError, "fits inside"),
        (lambda: lax.dynamic_update_slice(V, np.ones(1), (1,)), FxTypeError, "same dtype"),
        (lambda: lax.gather(V, ROWS, NUMBERS, (1,), mode="near"), FxValueError, "unknown mode"),
        (
            lambda: lax.gather(V, ROWS, NUMBERS, (1,), mode="fill", fill_value=V),
            FxTypeError,
            "scalar",
        ),
        (lambda: lax.index_take(V, (V, V), (0,)), FxValueError, "each of the axes"),
        (lambda: lax.index_take(A, (V, V[:1]), (0, 1)), ShapeError, r"one shape \(n,\)"),
    ],
)
def test_errors_say_what_is_wrong(call, kind, text):
    with pytest.raises(kind, match=text) as error:
        call()
    assert isinstance(error.value, FxError)
    assert all("/fx/lax/" not in str(entry.path) for entry in error.traceback)


def test_traced_sizes_are_refused_with_the_reason():
    for f in (
        lambda n: lax.full((n,), 1.0),
        lambda n: lax.iota("int32", n),
        lambda n: lax.slice_in_dim(V, 0, n),
        lambda n: lax.rev(A, (n,)),
    ):
        with pytest.raises(fx.errors.TracerIntegerConversionError, match="static"):
            fx.jit(f)(1)
