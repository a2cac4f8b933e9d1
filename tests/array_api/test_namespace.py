"""What the array API asks of a namespace besides its functions: inspection, devices, exchange."""

import inspect

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import AxisError, FxTypeError, FxValueError

VERSION = "2024.12"
INFO = jnp.__array_namespace_info__()
STANDARD = {
    "bool": ["bool"],
    "signed integer": ["int8", "int16", "int32", "int64"],
    "unsigned integer": ["uint8", "uint16", "uint32", "uint64"],
    "real floating": ["float32", "float64"],
    "complex floating": ["complex64", "complex128"],
}


# ------------------------------------------------------------------ inspection
def test_version():
    x = jnp.ones(2)
    assert jnp.__array_api_version__ == VERSION
    assert x.__array_namespace__() is x.__array_namespace__(api_version=VERSION) is jnp
    with pytest.raises(FxValueError, match=r"api_version='2021.12'.*follows.*2024.12"):
        x.__array_namespace__(api_version="2021.12")


def test_the_namespace_of_traced_arrays_is_the_same():
    def f(x):
        return x.__array_namespace__().sum(x) * x.ndim

    assert fx.jit(f)(jnp.ones(3)) == fx.grad(f)(jnp.ones(3)).sum() == 3


def test_capabilities():
    capabilities = INFO.capabilities()
    assert capabilities == {
        "boolean indexing": True,
        "data-dependent shapes": True,
        "max dimensions": 64,
    }
    assert jnp.zeros((1,) * capabilities["max dimensions"]).ndim == 64
    with pytest.raises((ValueError, MemoryError), match="64"):
        jnp.zeros((1,) * 65)


@pytest.mark.parametrize(
    "kind", [*STANDARD, ("bool", "real floating"), "integral", "numeric", None]
)
def test_dtypes_by_kind(kind):
    unions = {
        "integral": ("signed integer", "unsigned integer"),
        "numeric": tuple(STANDARD)[1:],
        None: tuple(STANDARD),
    }
    kinds = kind if isinstance(kind, tuple) else unions.get(kind, (kind,))
    found = INFO.dtypes(kind=kind)
    assert sorted(found) == sorted(name for k in kinds for name in STANDARD[k])
    for name, dtype in found.items():
        assert dtype == getattr(jnp, name) == jnp.zeros(1, dtype).dtype


def test_unknown_kinds_and_devices_are_refused():
    with pytest.raises(FxValueError, match="unknown kind 'odd'"):
        INFO.dtypes(kind="odd")
    for question in (INFO.dtypes, INFO.default_dtypes):
        with pytest.raises(FxTypeError, match=r"fx\.devices\(\) or None, got device='cpu'"):
            question(device="cpu")


@pytest.mark.parametrize("width", [32, 64])
def test_default_dtypes(width):
    with fx.default_dtype(f"float{width}"):
        found = INFO.default_dtypes(device=INFO.default_device())
        assert found == {
            "real floating": np.dtype(f"float{width}"),
            "complex floating": np.dtype(f"complex{2 * width}"),
            "integral": np.dtype(f"int{width}"),
            "indexing": np.dtype(f"int{width}"),
        }
        assert jnp.zeros(1).dtype == jnp.asarray(1.5).dtype == found["real floating"]
        assert jnp.asarray(1j).dtype == found["complex floating"]
        assert jnp.arange(3).dtype == jnp.asarray(1).dtype == found["integral"]
        indices = (jnp.argmax(jnp.ones(2)), jnp.nonzero(jnp.ones(2))[0], jnp.argsort(jnp.ones(2)))
        assert {x.dtype for x in indices} == {found["indexing"]}


# ------------------------------------------------------------------ devices
@pytest.fixture
def two_devices():
    with fx.config.scope(cpu_devices=2):
        assert INFO.devices() == fx.devices() and len(fx.devices()) == 2
        assert INFO.default_device() == fx.devices()[0] == jnp.ones(1).device
        yield fx.devices()


MAKERS = {
    "arange": lambda **kw: jnp.arange(3, **kw),
    "array": lambda **kw: jnp.array([1, 2], **kw),
    "asarray": lambda **kw: jnp.asarray([1, 2], **kw),
    "astype": lambda **kw: jnp.astype(jnp.ones(2), jnp.int8, **kw),
    "x.astype": lambda **kw: jnp.ones(2).astype(jnp.int8, **kw),
    "empty": lambda **kw: jnp.empty(3, **kw),
    "empty_like": lambda **kw: jnp.empty_like(jnp.ones(2), **kw),
    "eye": lambda **kw: jnp.eye(2, **kw),
    "fft.fftfreq": lambda **kw: jnp.fft.fftfreq(3, **kw),
    "fft.rfftfreq": lambda **kw: jnp.fft.rfftfreq(3, **kw),
    "from_dlpack": lambda **kw: jnp.from_dlpack(np.ones(2), **kw),
    "full": lambda **kw: jnp.full(2, 7, **kw),
    "full_like": lambda **kw: jnp.full_like(jnp.ones(2), 7, **kw),
    "linspace": lambda **kw: jnp.linspace(0, 1, 3, **kw),
    "ones": lambda **kw: jnp.ones(2, **kw),
    "ones_like": lambda **kw: jnp.ones_like(jnp.ones(2), **kw),
    "zeros": lambda **kw: jnp.zeros(2, **kw),
    "zeros_like": lambda **kw: jnp.zeros_like(jnp.ones(2), **kw),
}


def test_every_function_that_takes_a_device_is_in_the_table():
    taking = {
        prefix + name
        for prefix, module in (("", jnp), ("fft.", jnp.fft), ("linalg.", jnp.linalg))
        for name in module.__all__
        if callable(f := getattr(module, name))
        and not isinstance(f, type)
        and "device" in inspect.signature(f).parameters
    }
    assert taking | {"x.astype"} == set(MAKERS)


@pytest.mark.parametrize("name", MAKERS)
def test_arrays_are_made_where_device_says(name, two_devices):
    make = MAKERS[name]
    plain = make()
    assert plain.device == two_devices[0]
    for device in two_devices:
        x = make(device=device)
        assert x.device == device and x.dtype == plain.dtype
        np.testing.assert_array_equal(x, plain)
    with pytest.raises(FxTypeError, match="expects a sharding, a PartitionSpec, a Device or None"):
        make(device="cpu")


def test_arrays_go_to_devices(two_devices):
    first, second = two_devices
    x = jnp.arange(3)
    y = x.to_device(second)
    assert x.to_device(first) is x and y.device == second and y.to_device(first).device == first
    np.testing.assert_array_equal(x, y)
    assert jnp.zeros_like(y).device == second and jnp.zeros_like(y, device=first).device == first
    assert fx.jit(lambda x: x.to_device(second) + 1)(x).tolist() == [1, 2, 3]
    with pytest.raises(FxValueError, match="no streams"):
        x.to_device(first, stream=1)


# ------------------------------------------------------------------ copies
def _shares(x, y):
    x, y = (a._data if isinstance(a, fx.Array) else a for a in (x, y))
    return np.shares_memory(x, y)


def test_asarray_of_an_ndarray():
    a = np.arange(3.0)
    for copy in (None, True):
        assert not _shares(jnp.asarray(a, copy=copy), a)
    shared = jnp.asarray(a, copy=False)
    assert _shares(shared, a) and shared.dtype == a.dtype and a.flags.writeable
    a.flags.writeable = False
    assert _shares(jnp.asarray(a), a) and not _shares(jnp.asarray(a, copy=True), a)


def test_asarray_of_an_array():
    x = jnp.arange(3)
    assert jnp.asarray(x) is jnp.asarray(x, copy=False) is jnp.asarray(x, x.dtype, copy=False) is x
    y = jnp.asarray(x, copy=True)
    assert not _shares(x, y) and (x == y).all()
    assert not _shares(x, jnp.astype(x, x.dtype, copy=True)) and jnp.astype(x, x.dtype) is x
    assert jnp.asarray(jnp.asarray(1.5), jnp.float32, copy=False).weak_type is False


def test_asarray_copies_under_jit_too():
    x = jnp.arange(3)
    for copy in (None, True, False):
        assert (fx.jit(lambda x, copy=copy: jnp.asarray(x, copy=copy))(x) == x).all()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1.5, None), ([1, 2], None), (np.ones(2), "float32"), (jnp.ones(2), "int8")],
)
def test_asarray_without_a_copy_where_one_is_needed(value, dtype):
    with pytest.raises(FxValueError, match=r"numpy.asarray with copy=False.*needs a copy"):
        jnp.asarray(value, dtype, copy=False)


def test_asarray_without_a_copy_of_another_byte_order():
    with pytest.raises(FxValueError, match="byte order"):
        jnp.asarray(np.ones(2, ">f4" if np.little_endian else "<f4"), copy=False)


def test_asarray_of_a_buffer():
    data = bytearray(b"\x01\x02")
    shared = jnp.asarray(memoryview(data), copy=False)
    data[0] = 7
    assert shared.tolist() == [7, 2] and jnp.asarray(memoryview(data)).dtype == np.uint8


# ------------------------------------------------------------------ DLPack
DTYPES = [name for names in STANDARD.values() for name in names] + ["float16"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_dlpack_with_numpy(dtype, shape):
    a = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    x = jnp.from_dlpack(a)
    assert (x.dtype, x.shape) == (a.dtype, a.shape) and not _shares(x, a)
    back = np.from_dlpack(x)
    np.testing.assert_array_equal(back, a)
    assert not back.flags.writeable
    assert a.size == 0 or (_shares(back, x) and _shares(jnp.from_dlpack(a, copy=False), a))
    mine = np.from_dlpack(x, copy=True)
    assert mine.flags.writeable and not _shares(mine, x)
    assert x.__dlpack_device__() == a.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d not in ("uint16", "uint32", "uint64")])
def test_dlpack_with_torch(dtype):
    torch = pytest.importorskip("torch")
    t = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)).T
    x = jnp.from_dlpack(t)
    np.testing.assert_array_equal(x, t.numpy())
    assert torch.equal(torch.from_dlpack(x), t)
    shared = jnp.from_dlpack(t, copy=False)
    before = shared.tolist()
    t[0, 0] = 1 - int(t[0, 0].real)
    assert x.tolist() == before and shared.tolist() != before


def test_dlpack_with_jax():
    jax = pytest.importorskip("jax")
    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(jax.dlpack.from_dlpack(x), x)
    np.testing.assert_array_equal(jnp.from_dlpack(jax.numpy.ones((2, 3))), np.ones((2, 3)))


class Foreign:
    """An array of another library: one that knows nothing but DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Legacy(Foreign):
    """One that knows only the first version of the protocol, which has no options but this."""

    def __dlpack__(self, stream=None):
        return self.array.__dlpack__()


BEYOND_NUMPY = ["bfloat16"] + [d.name for d in fx.dtypes.FLOAT8]


@pytest.mark.parametrize("dtype", BEYOND_NUMPY)
def test_dlpack_of_dtypes_that_numpy_has_not(dtype):
    x = jnp.arange(6).reshape(2, 3).astype(dtype).T
    for again in (jnp.from_dlpack(Foreign(x)), jnp.from_dlpack(Foreign(x), copy=False)):
        assert again.dtype == x.dtype and (again == x).all() and again.shape == (3, 2)
    assert (jnp.from_dlpack(Legacy(x), copy=False) == x).all()


@pytest.mark.parametrize("dtype", BEYOND_NUMPY)
def test_dlpack_with_torch_of_dtypes_that_numpy_has_not(dtype):
    torch = pytest.importorskip("torch")
    if not hasattr(torch, dtype):
        pytest.skip(f"torch has no {dtype}")
    t = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)).T
    for x in (jnp.from_dlpack(t), jnp.asarray(t)):
        assert x.dtype == dtype and (x.astype("float32") == t.float().numpy()).all()
        back = torch.from_dlpack(x)
        assert back.dtype == t.dtype and torch.equal(back.float(), t.float())


@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_dlpack_of_dtypes_that_fx_has_not():
    torch = pytest.importorskip("torch")
    with pytest.raises(BufferError, match="Convert the array to another dtype"):
        jnp.from_dlpack(torch.ones(2, dtype=torch.complex32))


def test_dlpack_of_an_array_of_fx():
    x = jnp.arange(3)
    assert jnp.from_dlpack(x) is jnp.from_dlpack(x, copy=False) is x
    assert not _shares(jnp.from_dlpack(x, copy=True), x)


def test_what_dlpack_does_not_take():
    with pytest.raises(FxTypeError, match="from_dlpack expects an array with __dlpack__"):
        jnp.from_dlpack([1, 2])
    with pytest.raises(BufferError):
        fx.random.key(0).__dlpack__()
    with pytest.raises(BufferError):
        jnp.ones(2).__dlpack__(dl_device=(2, 0))  # a GPU


def test_arrays_of_the_first_version_of_dlpack_are_copied():
    # NumPy calls such memory read-only, since the protocol did not say; its owner writes to it.
    a = np.zeros(3)
    made = [jnp.from_dlpack(Legacy(a)), jnp.asarray(Legacy(a)), jnp.array(Legacy(a))]
    a[:] = 7
    assert all(x.tolist() == [0.0] * 3 for x in made)


# ------------------------------------------------------------------ the ecosystem
def test_array_api_compat_finds_the_namespace():
    compat = pytest.importorskip("array_api_compat")
    x = jnp.ones((2, 3))
    assert compat.is_array_api_obj(x) and compat.array_namespace(x, jnp.zeros(1), 1.0) is jnp
    assert compat.array_namespace(x, api_version=VERSION) is jnp
    assert compat.device(x) == fx.devices()[0] and compat.size(x) == 6
    assert (compat.to_device(x, fx.devices()[0]) == x).all()


def test_an_axis_out_of_range_is_an_index_error_too():
    for call in (jnp.expand_dims, jnp.sum, jnp.flip, jnp.sort):
        with pytest.raises(AxisError, match="axis 5 is out of range"):
            call(jnp.ones(2), axis=5)
    assert issubclass(AxisError, IndexError) and issubclass(AxisError, ValueError)


@pytest.mark.parametrize("name", ["linspace", "logspace", "geomspace"])
def test_ranges_are_computed_in_the_dtype_that_is_asked_for(name):
    found = getattr(jnp, name)(0.1, 0.7, 5, dtype="float64")
    np.testing.assert_allclose(found, getattr(np, name)(0.1, 0.7, 5), rtol=1e-15)


def test_frequencies_are_computed_in_the_dtype_that_is_asked_for():
    found = jnp.fft.rfftfreq(5, 0.1, dtype="float64")
    np.testing.assert_allclose(found, np.fft.rfftfreq(5, 0.1), rtol=1e-15)


@pytest.mark.parametrize("k", [-(2**40), -3, 3, 2**40])
def test_diagonals_far_away(k):
    for name in ("eye", "tri"):
        np.testing.assert_array_equal(
            getattr(jnp, name)(2, 3, k=k), getattr(np, name)(2, 3, k=int(np.clip(k, -9, 9)))
        )


@pytest.mark.parametrize("view", [np.diagonal, lambda a: np.broadcast_to(a, (2, 3, 3))])
def test_read_only_views_of_memory_that_can_change_are_copied(view):
    a = np.zeros((3, 3))
    made = [jnp.asarray(view(a)), jnp.array(view(a)), fx.jit(lambda x: x)(view(a)), view(a) + 0]
    a[:] = 7
    assert not any(np.asarray(x).any() for x in made)


def test_what_numpy_gets_of_an_array_comes_back_without_a_copy():
    for x in (jnp.arange(6), jnp.arange(6).reshape(2, 3), jnp.ones(3) + 1):
        assert _shares(jnp.asarray(np.asarray(x)), x)
    a = np.zeros(3)
    np.asarray(jnp.asarray(a, copy=False))
    a[:] = 1  # still the owner's to write
