"""fx arrays among other libraries: NumPy, PyTorch, pandas, scikit-learn, Pillow, matplotlib, SciPy.

What they take is a row of a table; what cannot be, says what to call instead. A library that is not
installed is skipped.
"""

from __future__ import annotations

import array
import copy
import ctypes
import io
import json
import pickle

import ml_dtypes
import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxBufferError, FxTypeError, TracerArrayConversionError

DTYPES = [
    "bool", "int8", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64",
    "complex64", "complex128",
]  # fmt: skip
A = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
X = jnp.asarray(A)


def same(got, expected):
    """Equal values, dtypes and shapes, whatever arrays they are."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(got, expected)


# ------------------------------------------------------------------ NumPy
FUNCTIONS = {
    "exp": np.exp, "negative": np.negative, "square": np.square, "sign": np.sign,
    "isfinite": np.isfinite, "conjugate": np.conjugate, "sort": np.sort,
    "add": lambda x: np.add(x, x), "maximum": lambda x: np.maximum(x, x[::-1]),
    "add.reduce": np.add.reduce, "add.outer": lambda x: np.add.outer(x, x),
    "where": lambda x: np.where(x != 0, x, x), "concatenate": lambda x: np.concatenate([x, x]),
    "stack": lambda x: np.stack([x, x], 1), "dot": lambda x: np.dot(x, x.T),
    "einsum": lambda x: np.einsum("ij->ji", x), "take": lambda x: np.take(x, [0, 1]),
    "unique": np.unique, "pad": lambda x: np.pad(x, 1), "roll": lambda x: np.roll(x, 1),
    "array": np.array, "copy": np.copy, "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3)),
    "nested": lambda x: np.asarray([x[0], x[1]]), "vectorize": np.vectorize(lambda v: v),
}  # fmt: skip
# Among these, what NumPy does not do with a dtype is NumPy's matter, with fx's arrays as with its.


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_functions_do_with_fx_arrays_what_they_do_with_numpys(name, dtype):
    numpys = np.abs(A).astype(jnp.dtype(dtype))
    try:
        expected = FUNCTIONS[name](numpys)
    except TypeError as error:
        with pytest.raises(type(error)):
            FUNCTIONS[name](jnp.asarray(numpys))
        return
    same(FUNCTIONS[name](jnp.asarray(numpys)), expected)


# These call the method of the array, so that the result is one of fx, with fx's dtypes.
@pytest.mark.parametrize("name", ["sum", "mean", "max", "std", "cumsum", "argsort"])
def test_numpy_functions_that_call_a_method_give_fx_arrays(name):
    out = getattr(np, name)(X)
    assert type(out) is fx.Array
    np.testing.assert_allclose(out, getattr(np, name)(A), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_sees_the_memory_and_cannot_write(dtype):
    x = jnp.arange(4).astype(dtype)
    view = np.asarray(x)
    assert view.dtype == x.dtype and not view.flags.writeable
    assert view.ctypes.data == x.unsafe_buffer_pointer()
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    same(np.asarray(x, dtype=np.complex128), np.asarray(x).astype(np.complex128))


IN_PLACE = {
    "ufunc out": lambda x: np.add(x, 1, out=x),
    "sum out": lambda x: np.sum(x, out=x),
    "copyto": lambda x: np.copyto(x, 1),
    "add.at": lambda x: np.add.at(x, 0, 1),
    "putmask": lambda x: np.putmask(x, x > 1, 0),
    "fill_diagonal": lambda x: np.fill_diagonal(x, 0),
    "item": lambda x: x.__setitem__(0, 1),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_numpy_cannot_change_an_array_in_place(name):
    x = jnp.asarray(A)
    with pytest.raises(TypeError):
        IN_PLACE[name](x)
    same(x, A)


def test_an_fx_operand_changes_a_numpy_array_in_place():
    total = A.copy()
    np.add(total, X, out=total)
    same(total, A + A)


@pytest.mark.parametrize(
    "call",
    [
        np.sin,
        np.linalg.norm,
        lambda x: np.add(A, x),
        lambda x: np.concatenate([x, x]),
        np.asarray,
        lambda x: x.__array__(),
        memoryview,
    ],
)
def test_numpy_given_a_traced_value_says_what_to_call(call):
    if call is memoryview:
        call = lambda x: x.__buffer__(0)
    with pytest.raises(TracerArrayConversionError) as raised:
        fx.jit(lambda weights: call(weights))(X)
    for words in ("fx.numpy", "argument weights", "pure_callback"):
        assert words in str(raised.value)


def test_numpys_operators_leave_fx_the_result():
    for out in (A + X, A * X, A @ X.T, A < X, np.float32(2) * X):
        assert type(out) is fx.Array
    traced = fx.jit(lambda x: A @ x.T + np.float32(1))(X)
    np.testing.assert_allclose(traced, A @ A.T + 1)


# ------------------------------------------------------------------ what asarray takes
SOURCES = {
    "list": ([[1.0, 2.0], [3.0, 4.0]], "float32"),
    "mixed list": ([1, 2.5, True], "float32"),
    "NumPy numbers": ([np.float64(1), 2], "float64"),
    "arrays in a list": ([X[0], A[1]], "float32"),
    "range": (range(3), "int32"),
    "array.array": (array.array("d", [1.0, 2.0]), "float64"),
    "ctypes": ((ctypes.c_float * 3)(1, 2, 3), "float32"),
    "bytearray": (bytearray(b"ab"), "uint8"),
    "memoryview": (memoryview(np.arange(4, dtype="i2")), "int16"),
    "big-endian": (np.arange(3, dtype=">i4"), "int32"),
    "strided": (np.arange(12.0)[::-3], "float64"),
    "read-only": (np.broadcast_to(np.float32(1), (2, 2)), "float32"),
    "half": (np.ones(2, ml_dtypes.bfloat16), "bfloat16"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_asarray_takes_what_has_numbers(name):
    source, dtype = SOURCES[name]
    out = jnp.asarray(source)
    assert type(out) is fx.Array and out.dtype == jnp.dtype(dtype)
    expected = [np.asarray(v) for v in source] if isinstance(source, list) else source
    np.testing.assert_array_equal(np.asarray(out), np.asarray(expected))


class OnGpu:
    """What CuPy's array looks like from outside."""

    shape, dtype = (3,), np.dtype("float32")

    @property
    def __cuda_array_interface__(self):
        return {"shape": (3,), "typestr": "<f4", "data": (16, False), "version": 3}

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __dlpack__(self, **options):
        raise AssertionError("memory of a GPU must not be read")

    def __dlpack_device__(self):
        return (2, 0)


class OnlyCuda:
    """What Numba's array looks like: the interface of CUDA, no more."""

    __cuda_array_interface__ = OnGpu.__cuda_array_interface__


@pytest.mark.parametrize("kind", [OnGpu, OnlyCuda])
@pytest.mark.parametrize(
    "call",
    [jnp.asarray, jnp.array, lambda x: jnp.asarray([x, x]), jnp.sin, lambda x: fx.jit(jnp.sin)(x)],
)
def test_an_array_on_a_gpu_says_how_to_copy_it(kind, call):
    if kind is OnlyCuda and call not in (jnp.asarray, jnp.array, jnp.sin):
        return  # a leaf that is no array: jit says so
    with pytest.raises(FxTypeError, match=r"x\.get\(\)"):
        call(kind())
    if kind is OnGpu:
        with pytest.raises(FxBufferError, match=r"x\.get\(\).*x\.cpu\(\)"):
            jnp.from_dlpack(kind())


REFUSED = {
    "objects": (np.array([1, None], object), "na_value"),
    "dates": (np.array(["2020"], "M8[Y]"), "astype"),
    "durations": (np.array([1], "m8[s]"), "timedelta64"),
    "text": (np.array(["a"]), "encode"),
    "bytes": (np.array([b"a"]), "encode"),
    "records": (np.zeros(2, [("a", "f4")]), "field"),
    "long doubles": (np.ones(2, np.longdouble), "float64"),
    "masked": (np.ma.array([1.0], mask=[True]), "filled"),
    "bytes of unknown dtype": (np.zeros(2, "V1"), "view"),
    "a dict": ({"a": 1}, "tree.map"),
    "a set": ({1}, "list"),
    "a generator": ((i for i in range(2)), "list"),
    "ragged": ([[1], [1, 2]], "equal lengths"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_numbers_says_how_to_get_them(name):
    source, words = REFUSED[name]
    with pytest.raises((FxTypeError, ValueError), match=words):
        jnp.asarray(source)


# ------------------------------------------------------------------ copies and files
@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_and_files_keep_values_and_dtypes(dtype, tmp_path):
    x = jnp.asarray(A).astype(dtype)
    for back in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(back) is fx.Array
        same(back, x)
    jnp.save(tmp_path / "x.npy", x)
    same(jnp.load(tmp_path / "x.npy"), x)
    np.save(tmp_path / "y.npy", x)
    same(jnp.load(tmp_path / "y.npy"), x)
    assert bytes(x) == x.tobytes() == np.asarray(x).tobytes()
    if dtype != "bfloat16":  # of which NumPy's files keep the bits
        same(np.load(tmp_path / "x.npy"), x)


def test_json_takes_lists():
    with pytest.raises(TypeError, match="Array is not JSON serializable"):
        json.dumps({"x": X})
    assert json.loads(json.dumps({"x": X}, default=lambda x: x.tolist())) == {"x": A.tolist()}


def test_safetensors():
    files = pytest.importorskip("safetensors.numpy")
    saved = files.save({"x": np.asarray(X)})
    same(jnp.asarray(files.load(saved)["x"]), X)


def test_pillow():
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    same(jnp.asarray(image.fromarray(pixels)), pixels)
    back = image.fromarray(np.asarray(jnp.asarray(pixels)))
    same(np.asarray(back), pixels)
    file = io.BytesIO()
    back.save(file, "png")
    same(jnp.asarray(image.open(file)), pixels)


# ------------------------------------------------------------------ PyTorch
@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", [*DTYPES, "float8_e4m3fn", "float8_e5m2"])
def test_tensors_both_ways(torch, dtype):
    x = jnp.asarray(A).astype(dtype)
    tensor = torch.from_dlpack(x)
    assert str(tensor.dtype) == f"torch.{dtype}"
    assert tensor.data_ptr() == x.unsafe_buffer_pointer()
    for back in (jnp.asarray(tensor), jnp.from_dlpack(tensor), jnp.array(tensor)):
        same(back, x)
        assert back.unsafe_buffer_pointer() != tensor.data_ptr()  # a tensor may change
    shared = jnp.from_dlpack(tensor, copy=False)
    assert shared.unsafe_buffer_pointer() == tensor.data_ptr()


def test_tensors_in_any_layout_and_among_arrays(torch):
    tensor = torch.arange(12.0).reshape(3, 4)
    for part in (
        tensor.T,
        tensor[:, ::2],
        tensor[1:, 1:],
        tensor[0, 0],
        tensor[:0],
        tensor.flip(0),
    ):
        same(jnp.asarray(part), part.numpy())
        same(jnp.from_dlpack(part), part.numpy())
    for x in (X.T, X[:, ::2], X[:0], X[0, 0]):
        same(torch.from_dlpack(x).numpy(), x)
    for out in (tensor + jnp.ones(4), jnp.ones(4) + tensor, jnp.ones((2, 3)) @ tensor):
        assert type(out) is fx.Array
    same(fx.jit(lambda x: x * 2)(tensor), tensor.numpy() * 2)
    same(X[torch.tensor([1, 0])], A[[1, 0]])
    same(X[torch.tensor([True, False])], A[[True, False]])
    same(jnp.asarray([tensor[0], tensor[1]]), tensor[:2].numpy())


def test_tensors_that_cannot_be_taken_say_what_to_call(torch):
    leaf = torch.ones(2, requires_grad=True)
    for call in (jnp.asarray, jnp.sin, lambda t: X[0, :2] + t, lambda t: jnp.asarray([t, t])):
        with pytest.raises(FxTypeError, match=r"detach\(\)"):
            call(leaf)
    with pytest.raises(FxBufferError, match=r"detach\(\)"):
        jnp.from_dlpack(leaf)
    with pytest.raises(FxTypeError, match="resolve_conj"):
        jnp.asarray(torch.tensor([1j]).conj())
    for odd in (torch.ones(2, 2).to_sparse(), torch.empty(2, device="meta")):
        with pytest.raises(FxTypeError):
            jnp.asarray(odd)
        with pytest.raises(FxBufferError):
            jnp.from_dlpack(odd)
    with pytest.raises(FxBufferError, match="key_data"):
        torch.from_dlpack(fx.random.key(0))
    with pytest.raises(TracerArrayConversionError):
        fx.jit(torch.from_dlpack)(X)


def test_consumers_that_know_no_read_only_memory_get_a_copy():
    x = jnp.asarray(np.frombuffer(np.ones(2, np.float32).tobytes(), np.float32))
    assert not x._data.flags.writeable
    assert x.__dlpack__() is not None
    same(np.from_dlpack(x), np.ones(2, np.float32))


def test_jax_both_ways():
    jax = pytest.importorskip("jax")
    theirs = jax.numpy.arange(3.0)
    same(jnp.asarray(theirs), theirs)
    same(jnp.from_dlpack(theirs), theirs)
    same(jax.numpy.asarray(X), A)
    same(jax.dlpack.from_dlpack(X), A)
    same(jnp.asarray(theirs.astype("bfloat16")), theirs.astype("bfloat16"))
    assert type(X[0] + theirs) is fx.Array
    with pytest.raises(FxTypeError, match="key_data"):
        jnp.asarray(jax.random.key(0))


# ------------------------------------------------------------------ pandas
@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


def test_columns_and_frames_are_arrays(pandas):
    series = pandas.Series([1.0, 2.0, 3.0])
    frame = pandas.DataFrame({"a": [1, 2], "b": [1.5, 2.5]})
    for source in (series, series.values, frame, frame["a"], frame.index, frame.T):
        same(jnp.asarray(source), np.asarray(source))
    for kind in ("Int64", "Int8", "Float32", "boolean"):
        column = pandas.Series([1, 0], dtype=kind)
        assert jnp.asarray(column).dtype == jnp.dtype(kind.lower().replace("boolean", "bool"))
    assert float(jnp.mean(frame)) == float(frame.values.mean())
    same(fx.jit(lambda x: x * 2)(series), series.values * 2)
    assert type(X[0] + series) is fx.Array


def test_columns_that_have_no_numbers_say_how_to_get_them(pandas):
    for column, words in (
        (pandas.Series([True, None], dtype="boolean"), "na_value"),
        (pandas.Series([1, None], dtype="object"), "fillna"),
        (pandas.DataFrame({"a": [1], "b": ["x"]}), "astype"),
        (pandas.Series(pandas.to_datetime(["2020-01-01"])), "dates"),
    ):
        with pytest.raises(FxTypeError, match=words):
            jnp.asarray(column)
    with pytest.raises(FxTypeError):
        jnp.asarray(pandas.NA)
    missing = pandas.Series([1, None], dtype="Int64")
    same(jnp.asarray(missing.to_numpy(dtype=float, na_value=np.nan)), np.array([1, np.nan]))


def test_frames_take_arrays(pandas):
    same(pandas.Series(X[0]).values, A[0])
    same(pandas.DataFrame(X).values, A)
    frame = pandas.DataFrame({"x": X[0], "y": jnp.arange(3)})
    frame["z"] = X[1]
    assert list(frame.columns) == ["x", "y", "z"]
    same(frame["z"].values, A[1])
    same(frame["x"].iloc[jnp.asarray([2, 0])].values, A[0][[2, 0]])
    with pytest.raises(TracerArrayConversionError):
        fx.jit(lambda x: pandas.Series(x))(X[0])


# ------------------------------------------------------------------ scikit-learn, SciPy, matplotlib
def test_estimators_fit_and_predict():
    pytest.importorskip("sklearn")
    from_ = lambda module, name: getattr(pytest.importorskip(f"sklearn.{module}"), name)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(60, 3)))
    y, labels = x @ jnp.asarray([1.0, 2.0, 3.0]), (x[:, 0] > 0).astype(int)
    line = from_("linear_model", "LinearRegression")()
    np.testing.assert_allclose(line.fit(x, y, sample_weight=jnp.ones(60)).predict(x), y, atol=1e-6)
    scaled = from_("preprocessing", "StandardScaler")().fit_transform(x)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    for module, name, options in (
        ("linear_model", "LogisticRegression", {}),
        ("tree", "DecisionTreeClassifier", {}),
        ("neighbors", "KNeighborsClassifier", {}),
        ("svm", "SVC", {}),
    ):
        model = from_(module, name)(**options)
        assert model.fit(x, labels).score(x, labels) > 0.9
        numpys = from_(module, name)(**options).fit(np.asarray(x), np.asarray(labels))
        same(model.predict(x), numpys.predict(np.asarray(x)))
    parts = from_("model_selection", "train_test_split")(x, labels, random_state=0)
    assert all(type(part) is fx.Array for part in parts)
    assert from_("metrics", "accuracy_score")(labels, labels) == 1
    with pytest.raises(TracerArrayConversionError, match="argument x"):
        fx.jit(lambda x: line.fit(x, y).coef_)(x)


def test_scipy_takes_arrays():
    optimize = pytest.importorskip("scipy.optimize")
    sparse = pytest.importorskip("scipy.sparse")
    f = lambda p: jnp.sum((p - 1) ** 2)
    found = optimize.minimize(f, jnp.zeros(2), jac=fx.grad(f)).x
    np.testing.assert_allclose(found, 1, atol=1e-5)
    matrix = sparse.csr_matrix(np.asarray(X))
    np.testing.assert_allclose(matrix @ jnp.ones(3), A.sum(1))
    same(jnp.asarray(matrix.toarray()), A)
    for call in (jnp.asarray, jnp.sin):
        with pytest.raises(FxTypeError, match="toarray"):
            call(matrix)


def test_figures_take_arrays():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots()
    x, y = jnp.arange(5.0), jnp.arange(5.0) ** 2
    (line,) = axes.plot(x, y)
    axes.scatter(x, y, c=y)
    axes.errorbar(x, y, yerr=jnp.abs(y))
    axes.bar(x, y)
    axes.hist(y)
    axes.imshow(X)
    axes.contourf(jnp.eye(3))
    axes.plot(x.astype("bfloat16"), y.astype("float16"))
    axes.set_xlim(y.min(), y.max())
    figure.canvas.draw()
    np.testing.assert_array_equal(np.asarray(line.get_xydata()), np.stack([x, y], 1))
