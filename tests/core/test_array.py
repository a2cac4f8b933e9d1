"""What an Array is: immutable data with a type, Python's and NumPy's protocols, text forms.

Values of operators and methods are NumPy's; how they promote is tested with fx.numpy.
"""

import copy
import math
import operator
import pickle

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fx
import fx.numpy as jnp
from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.array_interface import ArrayInterface
from fx.errors import FxTypeError, FxValueError

NUMPY_DTYPES = [
    "bool", "int8", "int32", "int64", "uint8", "uint32", "float16", "float32", "float64",
    "complex64", "complex128",
]  # fmt: skip
arrays = hnp.arrays(
    st.sampled_from(NUMPY_DTYPES).map(np.dtype), hnp.array_shapes(min_dims=0, min_side=0)
)
X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2


# ------------------------------------------------------------------ type
@given(arrays)
def test_the_type_is_that_of_the_data(x):
    a = jnp.asarray(x)
    assert type(a) is Array and isinstance(a, fx.Array)
    for name in ("shape", "dtype", "ndim", "size", "itemsize", "nbytes"):
        assert getattr(a, name) == getattr(x, name)
    assert not a.weak_type
    assert a.aval == fx.ShapedArray(x.shape, x.dtype)
    if x.ndim:
        assert len(a) == len(x)


def test_numbers_become_weak_arrays_and_numpy_scalars_strong_ones():
    for value, dtype in [(1, "int32"), (1.5, "float32"), (1j, "complex64")]:
        assert to_array(value).aval == fx.ShapedArray((), np.dtype(dtype), True)
    assert to_array(True).aval == fx.ShapedArray((), np.dtype(bool))
    assert to_array(np.float64(1.5)).aval == fx.ShapedArray((), np.dtype("float64"), True)
    with fx.default_dtype("float64"):
        assert to_array(1.5).dtype == np.float64 and to_array(1).dtype == np.int64


def test_objects_with_an_array_of_their_own_are_taken():
    class Own:
        def __fx_array__(self):
            return jnp.asarray([1.0, 2.0])

    class Jax:
        def __jax_array__(self):
            return np.array([1.0, 2.0], np.float32)

    class Numpy:
        def __array__(self, dtype=None, copy=None):
            return np.array([1.0, 2.0], np.float32)

    for x in (Own(), Jax(), Numpy()):
        assert jnp.sin(x).aval == fx.ShapedArray((2,), np.dtype("float32"))


def test_foreign_byte_order_and_odd_dtypes():
    assert to_array(np.array([1, 2], ">i4"))._data.tolist() == [1, 2]
    assert to_array(np.array([1, 2], ">i4")).dtype.isnative
    for x in (np.array(["a"]), np.array([None]), np.array(["2020-01-01"], "M8[D]")):
        with pytest.raises(FxTypeError, match="expects arrays"):
            to_array(x)


# ------------------------------------------------------------------ immutability
def test_later_changes_to_a_source_do_not_reach_an_array():
    for make in (jnp.asarray, jnp.array, to_array):
        source = np.zeros(3)
        made = make(source)
        source[0] = 7
        assert made._data[0] == 0


def test_what_leaves_an_array_cannot_change_it():
    a = jnp.zeros(3)
    for view in (np.asarray(a), np.array(a, copy=False), a.__array__()):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1
    for own in (np.array(a), np.asarray(a, dtype=np.float64), np.array(a, copy=True)):
        own[0] = 1
    assert a.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "change",
    [
        lambda a: operator.setitem(a, 0, 1.0),
        lambda a: operator.setitem(a, slice(None), a),
        lambda a: setattr(a, "shape", (3, 1)),
        lambda a: setattr(a, "dtype", "int32"),
        lambda a: setattr(a, "name", "x"),
        lambda a: operator.delitem(a, 0),
    ],
)
def test_an_array_refuses_changes(change):
    a = jnp.zeros(3)
    with pytest.raises((TypeError, AttributeError)):
        change(a)
    assert a.tolist() == [0, 0, 0] and a.shape == (3,)


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv", "ipow", "imatmul"])
def test_augmented_assignment_makes_a_new_array(name):
    a = b = jnp.asarray([[1.0, 2.0], [3.0, 4.0]])
    b = getattr(operator, name)(b, jnp.ones((2, 2)) * 2)
    assert b is not a and a.tolist() == [[1, 2], [3, 4]]


# ------------------------------------------------------------------ operators
BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
BINARY += ["lt", "le", "gt", "ge", "eq", "ne"]
BITS = ["and_", "or_", "xor", "lshift", "rshift"]


@pytest.mark.parametrize("name", BINARY + BITS)
def test_binary_operators_in_all_combinations(name):
    function = getattr(operator, name)
    kind = np.int32 if name in BITS else np.float32
    x, y = np.array([[1, 2, 3]]).astype(kind), np.array([[2], [5]]).astype(kind)
    expected = function(x, y)
    a, b = jnp.asarray(x), jnp.asarray(y)
    for left, right in [(a, b), (a, y), (x, b)]:
        out = function(left, right)
        assert type(out) is Array, (type(left), type(right))
        assert out.dtype == expected.dtype
        np.testing.assert_allclose(out, expected, rtol=1e-6)
    for number in (2, 3.5) if kind is np.float32 else (2,):
        for out, wanted in [
            (function(a, number), function(x, number)),
            (function(number, a), function(number, x)),
        ]:
            assert type(out) is Array
            np.testing.assert_allclose(out, wanted, rtol=1e-6)
    jitted = fx.jit(function)(a, b)
    assert jitted.aval == function(a, b).aval
    np.testing.assert_allclose(jitted, expected, rtol=1e-6)


def test_matmul_divmod_and_unary_operators():
    a = jnp.asarray(X)
    for out, expected in [
        (a @ X.T, X @ X.T),
        (X.T @ a, X.T @ X),
        (divmod(a, 2)[0], X // 2),
        (divmod(a, 2)[1], X % 2),
        (divmod(7, a + 3)[0], 7 // (X + 3)),
        (-a, -X),
        (+a, +X),
        (abs(a), abs(X)),
        (~jnp.asarray([1, 2]), ~np.array([1, 2])),
        (round(a / 3, 1), np.round(X / np.float32(3), 1)),
    ]:
        assert type(out) is Array
        np.testing.assert_allclose(out, expected, rtol=1e-6)
    assert 3.0 in a and 9.0 not in a


def test_operators_leave_unknown_operands_to_their_own():
    class Other:
        def __radd__(self, x):
            return "added"

        def __gt__(self, x):
            return "greater"

    assert jnp.ones(2) + Other() == "added"
    assert (jnp.ones(2) < Other()) == "greater"
    assert (jnp.ones(2) == None) is False  # noqa: E711
    assert (jnp.ones(2) != "text") is True
    with pytest.raises(TypeError, match="unsupported operand"):
        jnp.ones(2) + object()


def test_numpy_functions_take_arrays():
    a = jnp.asarray(X)
    assert isinstance(np.sin(a), np.ndarray)
    np.testing.assert_array_equal(np.add(a, X), X + X)
    np.testing.assert_array_equal(np.concatenate([a, X]), np.concatenate([X, X]))


# ------------------------------------------------------------------ methods and properties
METHODS = {
    "all": (), "any": (), "argmax": (1,), "argmin": (0,), "clip": (-1, 1), "conj": (),
    "conjugate": (), "copy": (), "cumprod": (1,), "cumsum": (0,), "diagonal": (), "dot": (X.T,),
    "flatten": (), "max": (), "mean": (0,), "min": (1,), "nonzero": (), "prod": (),
    "ravel": (), "repeat": (2, 1), "reshape": (3, 2), "round": (0,), "squeeze": (), "std": (),
    "sum": (), "swapaxes": (0, 1), "take": (np.array([1, 0]),), "tobytes": (), "tolist": (),
    "trace": (), "transpose": (1, 0), "var": (0,), "argsort": (1,), "astype": ("int8",),
    "compress": ([True, False],), "item": (3,),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_numpys(name):
    out = getattr(jnp.asarray(X), name)(*METHODS[name])
    expected = getattr(X, name)(*METHODS[name])
    if isinstance(expected, (list, bytes, float)):
        assert out == expected
        return
    outs, expecteds = (out, expected) if isinstance(expected, tuple) else ([out], [expected])
    for o, e in zip(outs, expecteds, strict=True):
        assert type(o) is Array
        np.testing.assert_allclose(o, e, rtol=1e-6)


def test_methods_beyond_numpys():
    a = jnp.asarray([3.0, 1.0, 2.0])
    assert a.sort().tolist() == [1, 2, 3]
    assert a.argpartition(1)[0] == 1
    assert jnp.asarray([1.0, 3.0]).searchsorted(2.0) == 1
    assert jnp.asarray([1, 0]).choose([jnp.zeros(2), jnp.ones(2)]).tolist() == [1, 0]
    assert a.ptp() == 2
    assert a.clone().tolist() == a.tolist()
    assert a.view("int32").dtype == np.int32
    assert a.view("uint8").shape == (12,)
    np.testing.assert_array_equal(a.view("uint8"), np.array([3, 1, 2], np.float32).view("uint8"))
    assert a.flat.shape == (3,)
    assert jnp.asarray(X).T.shape == (3, 2) and jnp.ones((2, 3, 4)).mT.shape == (2, 4, 3)
    assert jnp.asarray([1 + 2j]).real.tolist() == [1] and jnp.asarray([1 + 2j]).imag.tolist() == [2]


def test_devices_and_readiness():
    a = jnp.ones((2, 3))
    device = fx.devices()[0]
    assert a.devices() == {device} and a.device == device
    assert a.sharding.device_set == {device} and a.sharding.is_fully_replicated
    assert hash(a.sharding) == hash(jnp.ones(2).sharding)
    assert a.block_until_ready() is a and a.to_device(device) is a
    assert a.is_fully_addressable and a.is_fully_replicated and a.is_ready()
    assert not a.committed and not a.is_deleted()
    a.copy_to_host_async()
    assert a.on_device_size_in_bytes() == 24
    assert a.unsafe_buffer_pointer() == np.asarray(a).ctypes.data
    (shard,) = a.addressable_shards
    assert shard.data is a and shard.device == device and shard.index == (slice(None),) * 2
    assert a.global_shards[0].replica_id == 0 and a.addressable_data(0) is a
    assert a.__array_namespace__() is jnp


def test_arrays_have_what_jax_arrays_have():
    jax = pytest.importorskip("jax")
    ours = jnp.ones((2, 2))
    private = {"format", "platform", "traceback", "device_buffer", "device_buffers", "byteswap"}
    for name in dir(jax.numpy.ones((2, 2))):
        if not name.startswith("_") and name not in private:
            assert hasattr(ours, name), name


def test_every_method_and_property_is_documented_or_named_like_numpys():
    for name in vars(ArrayInterface):
        assert hasattr(Array, name), name


# ------------------------------------------------------------------ NumPy's protocols
@given(arrays)
def test_numpy_gets_the_data_back(x):
    a = jnp.asarray(x)
    np.testing.assert_array_equal(np.asarray(a), x)
    assert np.asarray(a).dtype == x.dtype
    assert np.shares_memory(np.asarray(a), a._data) or not x.size


def test_the_copy_argument_of_numpys_protocol():
    a = jnp.asarray([1.0, 2.0])
    assert np.shares_memory(a.__array__(), a._data)
    assert np.shares_memory(a.__array__(copy=False), a._data)
    assert not np.shares_memory(a.__array__(copy=True), a._data)
    assert a.__array__(np.float64).dtype == np.float64
    assert a.__array__(np.float32, copy=False).dtype == np.float32
    with pytest.raises(ValueError, match="needs a copy"):
        a.__array__(np.float64, copy=False)


@pytest.mark.parametrize("dtype", [d for d in NUMPY_DTYPES if d != "bool"])
def test_dlpack_in_and_out(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    a = jnp.asarray(x)
    out = np.from_dlpack(a)
    np.testing.assert_array_equal(out, x)
    back = jnp.from_dlpack(x)
    assert type(back) is Array and back.dtype == x.dtype
    np.testing.assert_array_equal(back, x)
    assert a.__dlpack_device__() == x.__dlpack_device__()


def test_dlpack_with_torch():
    torch = pytest.importorskip("torch")
    t = torch.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(jnp.from_dlpack(t), t.numpy())
    np.testing.assert_array_equal(torch.from_dlpack(jnp.asarray(X)).numpy(), X)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    for a in (jnp.asarray(X), to_array(1.5), jnp.zeros((0, 2), "int8"), fx.random.key(3)):
        back = pickle.loads(pickle.dumps(a, protocol))
        assert type(back) is Array and back.aval == a.aval
        np.testing.assert_array_equal(back._data, a._data)
    half = jnp.asarray([1.5], "bfloat16")
    assert pickle.loads(pickle.dumps(half, protocol)).dtype == ml_dtypes.bfloat16


def test_copies():
    a = to_array(1.5)
    assert copy.copy(a) is a
    deep = copy.deepcopy({"a": [a]})["a"][0]
    assert deep is not a and deep.aval == a.aval and float(deep) == 1.5
    assert fx.jit(lambda x: copy.deepcopy(x) + copy.copy(x))(2.0) == 4


def test_traced_values_are_not_pickled():
    with pytest.raises(FxTypeError, match="cannot be pickled"):
        fx.jit(pickle.dumps)(1.0)


def test_the_buffer_protocol():
    a = jnp.asarray(X)
    view = memoryview(a.__buffer__(0))
    assert view.readonly and view.shape == (2, 3) and view.format == "f"
    assert bytes(view) == X.tobytes() == a.tobytes()


def test_arrays_are_not_hashable():
    for use in (hash, lambda a: {a}, lambda a: {a: 1}):
        with pytest.raises(FxTypeError, match=r"not hashable.*tobytes"):
            use(jnp.ones(2))


# ------------------------------------------------------------------ conversion to Python
@given(arrays.filter(lambda x: x.size == 1))
def test_a_single_element_converts(x):
    a = jnp.asarray(x)
    if x.shape:
        x = x.reshape(())
        a = a.reshape(())
    assert bool(a) == bool(x)
    assert complex(a) == complex(x) or np.isnan(x)
    if x.dtype.kind != "c":
        assert float(a) == float(x) or np.isnan(x)
        if np.isfinite(x):
            assert int(a) == int(x)
    assert a.item() == x.item() or np.isnan(x)


@pytest.mark.parametrize("convert", [float, int, complex, bool, operator.index])
def test_several_elements_do_not_convert(convert):
    for x in (jnp.arange(3), jnp.zeros((0,), int)):
        with pytest.raises(FxTypeError):
            convert(x)
        with pytest.raises(FxTypeError):
            fx.vmap(lambda row: convert(row))(x.reshape(1, -1))


def test_indices():
    assert [10, 20, 30][jnp.asarray(1)] == 20
    assert list(range(jnp.asarray(3))) == [0, 1, 2]
    for bad in (jnp.asarray(1.0), jnp.asarray([1]), jnp.asarray(True)):
        with pytest.raises(TypeError):
            operator.index(bad)


def test_math_functions():
    a = jnp.asarray(2.5)
    assert math.floor(a) == 2 and math.ceil(a) == 3 and math.trunc(a) == 2
    assert math.sqrt(a) == math.sqrt(2.5)


def test_complex_does_not_become_real():
    for convert in (float, int):
        with pytest.raises(FxTypeError, match="complex"):
            convert(jnp.asarray(1j))


def test_truth_of_arrays():
    assert jnp.asarray([[1]]) and not jnp.asarray(0.0)
    with pytest.raises(FxTypeError, match="ambiguous"):
        bool(jnp.ones(2))
    with pytest.raises(FxTypeError, match="ambiguous"):
        bool(jnp.ones(0))


def test_iteration():
    rows = list(jnp.asarray(X))
    assert [r.tolist() for r in rows] == X.tolist() and all(type(r) is Array for r in rows)
    assert list(jnp.zeros((0, 2))) == []
    a, b = jnp.asarray([1, 2])
    assert (int(a), int(b)) == (1, 2)
    traced = fx.make_jaxpr(lambda x: sum(x))(jnp.ones(50))
    assert sum(e.primitive.name == "split" for e in traced.eqns) == 1
    assert [int(v) for v in reversed(jnp.arange(3))] == [2, 1, 0]


# ------------------------------------------------------------------ text
@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: jnp.asarray(1.5), "Array(1.5, dtype=float32, weak_type=True)"),
        (lambda: jnp.asarray([1, 2]), "Array([1, 2], dtype=int32)"),
        (lambda: jnp.asarray([True]), "Array([ True], dtype=bool)"),
        (lambda: jnp.zeros((0, 3)), "Array([], shape=(0, 3), dtype=float32)"),
        (lambda: jnp.asarray([1.5], "bfloat16"), "Array([1.5], dtype=bfloat16)"),
        (lambda: jnp.asarray([1 + 2j]), "Array([1.+2.j], dtype=complex64)"),
    ],
)
def test_repr(make, text):
    assert repr(make()) == text


def test_str_and_format():
    a = jnp.asarray(1.25)
    assert str(a) == "1.25" == f"{a}"
    assert f"{a:.1f}" == "1.2" and f"{jnp.asarray(7):04d}" == "0007"
    assert f"{jnp.asarray([1, 2])}" == "[1 2]"
    with pytest.raises(TypeError):
        f"{jnp.ones(2):.2f}"
    texts = []
    fx.jit(lambda x: texts.append((str(x), repr(x), f"{x}")) or x)(a)
    assert all("Traced<~f32[]>" in t for t in texts[0])
    with pytest.raises(fx.errors.TracerArrayConversionError, match="format"):
        fx.jit(lambda x: f"{x:.2f}")(a)
    with pytest.raises(FxValueError, match="size 1"):
        jnp.ones(2).item()


def test_the_representation_of_keys_shows_their_words():
    assert repr(fx.random.key(7)) == "Array((), dtype=key<fry>) overlaying:\n[0 7]"
    assert dtypes.is_key(fx.random.key(7).dtype)
