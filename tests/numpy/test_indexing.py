"""Indexing: NumPy's results for indices of all kinds, concrete and traced; updates; derivatives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fx
import fx.numpy as jnp
from fx import dtypes
from fx.calls.scan import scan
from fx.core.array import Array
from fx.errors import (
    FxIndexError,
    FxTypeError,
    FxValueError,
    NonConcreteBooleanIndexError,
    ShapeError,
    TracerIntegerConversionError,
)
from tests.laws import check_derivatives, check_jit, check_laws, check_vmap

UFUNCS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


def numbered(shape, dtype=np.float32):
    return np.arange(1, 1 + int(np.prod(shape))).reshape(shape).astype(dtype)


# ------------------------------------------------------------------ indices of all kinds
@st.composite
def indexed(draw, masks=True):
    """A shape and a valid index of it."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4))
    batch = draw(st.sampled_from([(2,), (3,), (2, 2)]))
    items, axis, ellipsis = [], 0, False
    while axis < len(shape):
        size = shape[axis]
        kinds = ["slice", "int", "array", "new", "end"]
        kinds += ["mask", "flag"] if masks else []
        kinds += [] if ellipsis else ["ellipsis"]
        kind = draw(st.sampled_from(kinds))
        if kind == "slice":
            bound = st.none() | st.integers(-size - 2, size + 2)
            step = draw(st.sampled_from([None, 1, 2, 3, -1, -2]))
            items.append(slice(draw(bound), draw(bound), step))
            axis += 1
        elif kind == "int":
            items.append(draw(st.integers(-size, size - 1)))
            axis += 1
        elif kind == "array":
            tail = draw(st.sampled_from([batch, batch[-1:], (1,), ()]))
            count = int(np.prod(tail))
            flat = [draw(st.integers(-size, size - 1)) for _ in range(count)]
            items.append(np.array(flat, np.int32).reshape(tail))
            axis += 1
        elif kind == "mask":
            covered = shape[axis : axis + draw(st.integers(1, 2))]
            items.append(draw(hnp.arrays(bool, covered)))
            axis += len(covered)
        elif kind == "flag":
            items.append(draw(st.booleans()))
        elif kind == "new":
            items.append(None)
        elif kind == "ellipsis":
            items.append(Ellipsis)
            ellipsis, rest = True, len(shape) - axis
            axis += draw(st.integers(0, rest))
        else:
            break
    if len(items) == 1 and draw(st.booleans()):
        return shape, items[0]
    return shape, tuple(items)


def traced_parts(index):
    """The integers and integer arrays of an index, and the function that puts others in place."""
    items = index if isinstance(index, tuple) else (index,)
    where = [
        i
        for i, x in enumerate(items)
        if (isinstance(x, np.ndarray) and x.dtype != bool) or type(x) is int
    ]

    def rebuilt(parts):
        new = list(items)
        for i, part in zip(where, parts, strict=True):
            new[i] = part
        return tuple(new)

    return [items[i] for i in where], rebuilt


def numpy_result(x, index):
    try:
        return x[index]
    except IndexError:
        return None


@given(indexed())
def test_getitem_equals_numpy(case):
    shape, index = case
    x = numbered(shape)
    expected = numpy_result(x, index)
    if expected is None:  # index arrays that do not broadcast
        with pytest.raises(FxIndexError):
            Array(x)[index]
        with pytest.raises(FxIndexError):
            fx.jit(lambda x: x[index])(x)
        return
    parts, rebuilt = traced_parts(index)
    for got in (
        Array(x)[index],
        fx.jit(lambda x: x[index])(x),
        fx.jit(lambda x, *parts: x[rebuilt(parts)])(x, *parts),
    ):
        assert got.shape == expected.shape and got.dtype == x.dtype
        np.testing.assert_array_equal(got, expected)


@given(indexed(), st.sampled_from(["set", *UFUNCS]), st.data())
def test_updates_equal_numpy(case, name, data):
    shape, index = case
    x = numbered(shape)
    selected = numpy_result(x, index)
    if selected is None:
        with pytest.raises(FxIndexError):
            getattr(Array(x).at[index], name)(1.0)
        return
    operand = selected.shape[data.draw(st.integers(0, selected.ndim)) :]
    y = numbered(operand) * 2 - 5
    expected = x.copy()
    if name == "set":
        expected[index] = y
    else:
        UFUNCS[name].at(expected, index, y)
    parts, rebuilt = traced_parts(index)
    for got in (
        getattr(Array(x).at[index], name)(y),
        fx.jit(lambda x, y: getattr(x.at[index], name)(y))(x, y),
        fx.jit(lambda x, y, *p: getattr(x.at[rebuilt(p)], name)(y))(x, y, *parts),
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


@settings(max_examples=25)
@given(indexed(masks=False))
def test_indexing_obeys_the_laws(case):
    shape, index = case
    x = numbered(shape, np.float64)
    selected = numpy_result(x, index)
    if selected is None:
        return
    parts, rebuilt = traced_parts(index)
    read = lambda x, *parts: x[rebuilt(parts)]
    check_jit(read, x, *parts)
    check_derivatives(read, x, *parts)
    check_vmap(read, x, *parts, size=2, all_axes=False)
    y = -numbered(selected.shape, np.float64)
    for name in ("set", "multiply"):
        write = lambda x, y, *parts, name=name: getattr(x.at[rebuilt(parts)], name)(y)
        check_derivatives(write, x, y, *parts)
        if len(parts) < 2:
            check_vmap(write, x, y, *parts, size=2, all_axes=False)


@settings(max_examples=15)
@given(indexed(masks=False))
def test_static_indices_have_the_same_derivatives(case):
    shape, index = case
    x = numbered(shape, np.float64)
    selected = numpy_result(x, index)
    if selected is None:
        return
    check_derivatives(lambda x: x[index], x)
    y = -numbered(selected.shape, np.float64)
    for name in ("set", "add", "divide"):
        check_derivatives(lambda x, y, name=name: getattr(x.at[index], name)(y), x, y)


# ------------------------------------------------------------------ agreement with JAX
def test_traced_indices_out_of_bounds_are_as_in_jax():
    jax = pytest.importorskip("jax")
    x = np.arange(5, dtype=np.float32)
    far = np.array([7, -1, -7, 2], np.int32)
    programs = [
        lambda x, i: x[i],
        lambda x, i: x[i[0]],
        lambda x, i: x[i[2]],
        lambda x, i: x.at[i].set(9.0),
        lambda x, i: x.at[i[0]].set(9.0),
        lambda x, i: x.at[i].add(1.0),
        lambda x, i: x.at[i].set(9.0, mode="clip"),
        lambda x, i: x.at[i[0]].add(9.0, mode="clip"),
        lambda x, i: x.at[i].get(mode="fill"),
        lambda x, i: x.at[i[0]].get(mode="fill", fill_value=3),
        lambda x, i: x.at[i].get(mode="clip"),
        lambda x, i: x.at[i].get(mode="fill", wrap_negative_indices=False),
        lambda x, i: x.at[i].set(9.0, wrap_negative_indices=False),
        lambda x, i: x.at[i].power(2.0),
        lambda x, i: x.at[i].divide(2.0),
        lambda x, i: x.at[i].apply(lambda y: y * 2),
        lambda x, i: x.at[i[:1]].apply(lambda y: y * 2, mode="clip"),
    ]
    for program in programs:
        expected = jax.jit(program)(x, far)
        np.testing.assert_allclose(fx.jit(program)(x, far), expected, rtol=1e-6)


def test_explicit_modes_allow_what_is_known_to_be_outside():
    x, far = jnp.arange(5.0), np.array([7, -7, 1])
    assert x.at[far].get(mode="clip").tolist() == [4, 0, 1]
    assert x.at[far].get(mode="wrap").tolist() == [2, 3, 1]
    assert x.at[far].get(mode="fill", fill_value=-1).tolist() == [-1, -1, 1]
    assert np.isnan(x.at[9].get(mode="fill"))
    assert x.at[9].get(mode="clip") == 4 and x.at[9].get(mode="promise_in_bounds") == 4
    assert x.at[far].set(8.0, mode="drop").tolist() == [0, 8, 2, 3, 4]
    assert x.at[9].set(8.0, mode="drop").tolist() == [0, 1, 2, 3, 4]
    assert x.at[9].set(8.0, mode="clip").tolist() == [0, 1, 2, 3, 8]
    assert x.at[-9].add(8.0, mode="wrap").tolist() == [0, 9, 2, 3, 4]
    assert x.at[-1].get(wrap_negative_indices=False, mode="fill", fill_value=7) == 7
    m = jnp.arange(6.0).reshape(2, 3)
    assert m.at[5, 1:].get(mode="fill", fill_value=0).tolist() == [0, 0]
    assert m.at[5, 1:].multiply(0, mode="drop").tolist() == m.tolist()
    assert m.at[5, 1:].multiply(0, mode="clip").tolist() == [[0, 1, 2], [3, 0, 0]]
    with pytest.raises(FxValueError, match="unknown mode"):
        x.at[0].get(mode="near")


# ------------------------------------------------------------------ other changes
def test_repeated_indices_change_repeatedly():
    x, i = jnp.array([2.0, 3.0]), np.array([0, 0, 1])
    for index in (i, Array(i)):
        assert x.at[index].power(2).tolist() == [16, 9]
        assert x.at[index].divide(2).tolist() == [0.5, 1.5]
        assert x.at[index].apply(lambda y: y + 1).tolist() == [4, 4]
        assert x.at[index].mul(3.0).tolist() == [18, 9] and x.at[index].sub(1.0).tolist() == [0, 2]
        assert x.at[index].set(np.array([5.0, 6.0, 7.0])).tolist() == [6, 7]
    f = fx.jit(lambda x, i: x.at[i].apply(jnp.sin))
    np.testing.assert_allclose(f(x, i), [np.sin(np.sin(2.0)), np.sin(3.0)], rtol=1e-6)
    check_derivatives(lambda x: x.at[i].apply(jnp.sin), np.array([2.0, 3.0]))


def test_changes_of_boxes():
    x = jnp.arange(12.0).reshape(3, 4)
    n = np.asarray(x).copy()
    n[::2, ::-3] **= 2
    assert x.at[::2, ::-3].power(2).tolist() == n.tolist()
    assert x.at[1].apply(lambda y: -y)[1].tolist() == [-4, -5, -6, -7]
    assert x.at[...].divide(2.0).tolist() == (np.asarray(x) / 2).tolist()
    assert x.at[()].max(5.0).tolist() == np.maximum(x, 5).tolist()
    assert x.at[3:].set(1.0).tolist() == x.tolist()
    with pytest.raises(ShapeError, match="must keep the shape"):
        x.at[1].apply(jnp.sum)
    assert repr(x.at[1]).startswith("IndexUpdateRef(Array(")
    assert repr(x.at).startswith("IndexUpdateHelper(Array(")


# ------------------------------------------------------------------ masks
MASK = np.array([True, False, True])


def test_traced_masks_choose():
    x = np.arange(12.0).reshape(3, 4)
    for index, mask in (
        (lambda m: m, MASK),
        (lambda m: (slice(None), m), np.array([True, False, True, False])),
        (lambda m: (m, 1), MASK),
        (lambda m: (m, slice(None, None, -2)), MASK),
        (lambda m: (Ellipsis, None, m), np.array([True, False, True, False])),
        (lambda m: m, x > 4),
        (lambda m: m, np.bool_(True)),
        (lambda m: (0, m), np.array([True, False, True, False])),
    ):
        for name in ("set", "add", "multiply", "max"):
            expected = x.copy()
            where = index(mask)
            new = np.float64(5)
            if name == "set":
                expected[where] = new
            else:
                {**UFUNCS}[name].at(expected, where, new)
            f = lambda x, m, y, index=index, name=name: getattr(x.at[index(m)], name)(y)
            np.testing.assert_array_equal(fx.jit(f)(x, mask, new), expected)
            np.testing.assert_array_equal(f(Array(x), mask, new), expected)
            check_vmap(f, x, mask, new, size=2, all_axes=False)
            check_derivatives(f, x, mask, new)


def test_traced_masks_with_rows():
    x, row = np.arange(12.0).reshape(3, 4), np.array([9.0, 8.0, 7.0, 6.0])
    f = fx.jit(lambda x, m, y: x.at[m].set(y))
    expected = x.copy()
    expected[MASK] = row
    np.testing.assert_array_equal(f(x, MASK, row), expected)
    np.testing.assert_array_equal(f(x, MASK, row[None]), expected)
    g = fx.jit(lambda x, m, y, i: x.at[i, m].add(y))
    expected = x.copy()
    expected[1, row > 7] += 3
    np.testing.assert_array_equal(g(x, row > 7, 3.0, 1), expected)
    np.testing.assert_array_equal(g(x, row > 7, 3.0, 8), x)
    h = fx.jit(lambda x, m: x.at[m].apply(lambda y: y * 2))
    np.testing.assert_array_equal(h(x, x > 4), np.where(x > 4, 2 * x, x))
    with pytest.raises(NonConcreteBooleanIndexError, match="one element of y for each"):
        f(x, MASK, np.ones((2, 4)))
    with pytest.raises(NonConcreteBooleanIndexError, match="combined with index arrays"):
        fx.jit(lambda x, m: x.at[m, np.array([0, 1])].set(0.0))(x, MASK)
    with pytest.raises(FxIndexError, match="only one of several"):
        fx.jit(lambda x, m: x.at[m, m].set(0.0))(x[:, :3], MASK)


def test_traced_masks_cannot_select():
    x = np.arange(3.0)
    with pytest.raises(NonConcreteBooleanIndexError, match=r"where\(mask"):
        fx.jit(lambda x: x[x > 1])(x)
    with pytest.raises(NonConcreteBooleanIndexError, match="vmap"):
        fx.vmap(lambda x: x[x > 1])(x[None])
    assert fx.grad(lambda x: x[x > 0.5].sum())(x).tolist() == [0, 1, 1]
    assert fx.jit(lambda x: x[MASK])(x).tolist() == [0, 2]


# ------------------------------------------------------------------ items of other types
def test_lists_numbers_and_arrays_as_indices():
    x = jnp.arange(5.0)
    assert x[[1, 2]].tolist() == [1, 2] and x[[]].shape == (0,)
    assert x[np.int8(-1)] == 4 and x[jnp.array(2)] == 2 and x[np.uint64(3)] == 3
    assert x[np.array([3], np.uint64)].tolist() == [3]
    assert x[[[0, 1], [2, 3]]].shape == (2, 2) and x[(1,)] == 1
    assert x[jnp.array(1) : jnp.array(4)].tolist() == [1, 2, 3]
    assert x[[True, False, True, False, False]].tolist() == [0, 2]
    f = fx.jit(lambda x, i: x[[i, 0, i + 1]])
    assert f(x, 2).tolist() == [2, 0, 3]
    assert fx.jit(lambda x, i: x[i])(x, np.uint8(200)) == 4
    assert fx.jit(lambda x, i: x[i])(x, np.array([2**64 - 1], np.uint64)).tolist() == [4]
    assert [float(v) for v in x] == [0, 1, 2, 3, 4]


def test_dtypes_and_weakness_stay():
    weak = jnp.asarray(2.0)[None]
    assert weak[0].weak_type == weak.weak_type
    for dtype in (np.int8, np.bool_, np.float16, dtypes.bfloat16, np.complex64):
        x = jnp.ones((3, 2), dtype)
        i = np.array([0, 0])
        assert x[i].dtype == dtype and fx.jit(lambda x, i: x[i])(x, i).dtype == dtype
        assert x.at[i].set(0 if dtype is not np.bool_ else False).dtype == dtype
    half = jnp.zeros(1, np.float16).at[np.zeros(3000, int)].add(1.0)
    assert half.tolist() == [3000]  # summed in float32


def test_keys_are_indexed_whole():
    data = np.zeros((2, 2), dtypes.key_dtype)
    data["k0"] = [[1, 2], [3, 4]]
    k = Array(data)
    assert k[1, 0]._data["k0"] == 3 and k[[1, 0]].shape == (2, 2)
    assert k.at[0].set(k[1])._data["k0"].tolist() == [[3, 4], [3, 4]]
    assert fx.jit(lambda k, i: k[i])(k, 1)._data["k0"].tolist() == [3, 4]
    with pytest.raises(FxIndexError, match="not an index"):
        k["k0"]
    with pytest.raises(FxTypeError, match="cannot hold"):
        k.at[0].set(1)


def test_operands_keep_the_dtype_of_the_array():
    x = jnp.arange(3)
    assert x.at[0].set(np.int64(7)).dtype == np.int32
    assert jnp.ones(2).at[0].set(np.float64(0.5)).dtype == np.float32
    assert jnp.ones(2).at[:].set([3, 4]).tolist() == [3, 4]
    assert jnp.ones(2).at[0].add(True).tolist() == [2, 1]
    for bad in (2.5, np.float32(1), 1j, jnp.ones(1)):
        with pytest.raises(FxTypeError, match="cannot hold"):
            x.at[0].set(bad)
    with pytest.raises(FxTypeError, match="quotient"):
        x.at[0].divide(2)
    with pytest.raises(FxTypeError, match="cannot hold"):
        jnp.ones(2).at[0].set(1j)


# ------------------------------------------------------------------ errors
@pytest.mark.parametrize(
    "index, kind, text",
    [
        (5, FxIndexError, "index 5 is out of bounds for axis 0 with size 3"),
        ((0, -5), FxIndexError, "index -5 is out of bounds for axis 1 with size 4"),
        (np.array([0, 7]), FxIndexError, "index 7 is out of bounds for axis 0 with size 3"),
        ((slice(None), [[9]]), FxIndexError, "index 9 is out of bounds for axis 1"),
        ((0, 0, 0), FxIndexError, "2-dimensional, but 3 axes"),
        ((..., 0, ...), FxIndexError, "one ellipsis"),
        ("a", FxIndexError, "'a' is not an index"),
        (1.5, FxIndexError, "1.5 is not an index"),
        (np.array([1.5]), FxIndexError, "is not an index"),
        (np.ones(2, bool), FxIndexError, "does not match the axes it covers"),
        (([0, 1], [0, 1, 2]), FxIndexError, "do not broadcast"),
        (slice(None, None, 0), FxValueError, "step"),
        (slice(1.5), FxTypeError, "bounds of a slice"),
    ],
)
def test_errors_are_the_same_eager_and_staged(index, kind, text):
    x = jnp.zeros((3, 4))
    for call in (
        lambda: x[index],
        lambda: fx.jit(lambda x: x[index])(x),
        lambda: x.at[index].get(),
        lambda: x.at[index].set(0.0),
        lambda: fx.jit(lambda x: x.at[index].add(0.0))(x),
        lambda: fx.grad(lambda x: x.at[index].mul(2.0).sum())(x),
    ):
        with pytest.raises(kind, match=text):
            call()


def test_traced_items_that_no_index_can_be():
    x = np.arange(5.0)
    with pytest.raises(FxIndexError, match="integer or bool array, got f"):
        fx.jit(lambda x: x[x])(x)
    with pytest.raises(TracerIntegerConversionError, match="dynamic_slice"):
        fx.jit(lambda x, i: x[i : i + 2])(x, 1)
    with pytest.raises(ShapeError, match=r"\(3,\) does not broadcast to the shape \(2,\)"):
        jnp.arange(4.0).at[:2].set(np.ones(3))
    with pytest.raises(FxTypeError, match="immutable"):
        jnp.arange(3)[0] = 1


def test_mapped_indices_and_operands():
    x = np.arange(12.0).reshape(3, 4)
    i = np.array([2, 0, 3], np.int32)
    rows = fx.vmap(lambda x, i: x[i])(x, i)
    assert rows.tolist() == [2, 4, 11]
    check_laws(lambda x, i: x[i, 1:], x.T, np.int32(2))
    check_laws(lambda x, i: x.at[:, i].set(0.0), x, np.int32(-1))
    check_laws(lambda x, y, i: x.at[i].add(y), x, x[:2], np.array([1, 1], np.int32))
    out = scan(lambda c, j: (c.at[j].multiply(2.0), c[j]), x, np.arange(3))[1]
    assert out.tolist() == x.tolist()


UPDATES = {
    "one": lambda x, y: jnp.broadcast_to(x, (1,)).at[0].set(y),
    "element": lambda x, y: jnp.broadcast_to(x, (3,)).at[0].set(y),
    "elements": lambda x, y: jnp.broadcast_to(x, (3,)).at[jnp.array([0, 1])].add(y),
    "mask": lambda x, y: jnp.broadcast_to(x, (3,)).at[jnp.arange(3) > 0].set(y),
}


@pytest.mark.parametrize("name", UPDATES)
def test_an_updated_array_is_as_weak_as_it_was(name):
    y = jnp.ones(())
    for f in (UPDATES[name], fx.jit(UPDATES[name])):
        assert f(2.0, y).weak_type and not f(jnp.ones(()), 2.0).weak_type
