"""Arrays on a device: work follows them, they move when asked, and different devices do not mix."""

import copy
import pickle

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.core.remote import DeviceArray
from tests.backends.cuda.harness import needs_compiler

pytestmark = needs_compiler

CPU = fx.devices("cpu")[0]


@pytest.fixture
def gpu():
    return fx.devices("simulated_gpu")[0]


@pytest.fixture
def x(gpu):
    return fx.device_put(np.arange(12, dtype=np.float32).reshape(3, 4), gpu)


def on(x):
    """Where an array is, by its type as by what it says."""
    (device,) = x.devices()
    assert (type(x) is DeviceArray) == (device.platform != "cpu")
    return device


def test_platforms_have_devices(gpu):
    assert str(gpu) == "simulated_gpu:0" and repr(gpu) == "SimulatedGpuDevice(id=0)"
    assert fx.devices() == [CPU] and fx.default_backend() == "cpu"
    with fx.config.scope(platform="simulated_gpu"):
        assert fx.devices() == [gpu] and fx.default_backend() == "simulated_gpu"
        assert fx.devices("cpu") == [CPU]
    with pytest.raises(fx.errors.FxValueError, match="no platform 'tpu'"):
        fx.devices("tpu")


def test_arrays_move_there_and_back(gpu, x):
    assert on(x) == gpu and x.shape == (3, 4) and x.dtype == np.float32 and x.committed
    back = fx.device_put(x, CPU)
    assert on(back) == CPU
    np.testing.assert_array_equal(back, np.arange(12).reshape(3, 4))
    np.testing.assert_array_equal(np.asarray(x), fx.device_get(x))
    assert fx.device_put(x, gpu)._data is x._data, "it is there already"
    assert any(y is x for y in fx.live_arrays())


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "bfloat16", "complex64"])
def test_all_dtypes_move(gpu, dtype):
    x = jnp.asarray(np.arange(6).reshape(2, 3) % 2).astype(dtype)
    y = fx.device_put(x, gpu)
    assert on(y) == gpu and y.dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(y), np.asarray(x))


def test_keys_move(gpu):
    key = fx.random.key(3)
    there = fx.random.uniform(fx.device_put(key, gpu), (5,))
    assert on(there) == gpu
    np.testing.assert_array_equal(there, fx.random.uniform(key, (5,)))


OPERATIONS = {
    "sum": lambda x: x.sum(0),
    "operators": lambda x: (x * 2 + 1) / (x + 3) - x**2,
    "numpy": lambda x: jnp.where(x > 2, jnp.sin(x), jnp.maximum(x, 1)),
    "index": lambda x: x[1:, ::2],
    "negative": lambda x: x[-1],
    "gather": lambda x: x[np.array([2, 0])],
    "update": lambda x: x.at[0].set(7.0),
    "shape": lambda x: x.reshape(2, 6).T,
    "product": lambda x: x @ x.T,
    "sort": lambda x: jnp.sort(-x, axis=1),
    "factors": lambda x: jnp.linalg.svd(x)[1],
    "gradient": fx.grad(lambda x: (x**3).sum()),
    "vmap": fx.vmap(lambda r: r / r.sum()),
    "jit": fx.jit(lambda x: jnp.tanh(x) + 1),
    "scan": lambda x: lax.scan(lambda c, r: (c + r, c), jnp.zeros(4, "float32"), x)[0],
    "cond": lambda x: lax.cond(True, lambda x: x + 1, lambda x: x - 1, x),
    "mask": lambda x: x[x > 2],
    "closure": lambda x: fx.jit(lambda y: x * y + x[1, 1])(np.float32(2)),
    "hessian": lambda x: fx.hessian(lambda y: (x[0] * y**3).sum())(x[0]),
    "loop": lambda x: lax.fori_loop(0, x[0, 3].astype("int32"), lambda i, v: v + i, x),
    "python": lambda x: x * 2 if float(x[1, 1]) > 3 else x,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_work_follows_its_data(name, gpu, x):
    f = OPERATIONS[name]
    got, want = f(x), f(fx.device_put(x, CPU))
    assert on(got) == gpu
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-5, atol=1e-6)


def test_what_is_nowhere_on_purpose_is_sent_along(gpu, x):
    for other in (jnp.ones((3, 4)), np.ones((3, 4), np.float32), 1.0):
        assert on(x + other) == gpu and on(other * x) == gpu
        assert on(fx.jit(lambda a, b: a + b)(x, other)) == gpu


def test_devices_do_not_mix(x):
    other = fx.device_put(jnp.ones((3, 4)), CPU)
    for f in (lambda a, b: a + b, fx.jit(lambda a, b: a * b), fx.grad(lambda a, b: (a * b).sum())):
        with pytest.raises(fx.errors.FxValueError) as error:
            f(x, other)
        assert "f32[3,4] on simulated_gpu:0 and f32[3,4] on cpu:0" in str(error.value)
        assert "fx.device_put(x, CpuDevice(id=0))" in str(error.value)


def test_a_device_that_is_not_there():
    from_elsewhere = type(CPU)("simulated_gpu", 3)
    with pytest.raises(fx.errors.FxValueError, match="no device simulated_gpu:3"):
        fx.device_put(1.0, from_elsewhere)


def test_donated_arrays_are_gone(gpu, x):
    kept = x.reshape(12)  # shares the memory
    step = fx.jit(lambda x: x.at[0].set(1.0), donate_argnums=0)
    np.testing.assert_array_equal(step(x)[0], np.ones(4))
    assert x.is_deleted()
    with pytest.raises(fx.errors.FxRuntimeError, match="donated"):
        x + 1
    np.testing.assert_array_equal(kept, np.arange(12))


def test_arrays_are_copied_and_pickled(gpu, x):
    np.testing.assert_array_equal(np.asarray(copy.deepcopy(x)), np.asarray(x))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)), np.asarray(x))
    assert x.block_until_ready() is x and fx.block_until_ready({"a": x})["a"] is x


def test_numpy_is_not_given_what_it_cannot_read(x):
    with pytest.raises(TypeError, match="simulated_gpu:0, which it cannot read"):
        np.asarray(x._data)
