"""The runtime on CuPy, with a stand-in for CuPy; what there is without one, or without a driver."""

import subprocess
import sys

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.backends.cuda import CudaBackend, doctor, nvrtc, runtime
from fx.core import backend as backends
from fx.core.remote import DeviceArray
from tests.backends.agreement import all_same, raw
from tests.backends.cuda.fake_cupy import ROOM, Cupy, blas, compiled
from tests.backends.cuda.harness import Hardware, case, check, needs_compiler
from tests.backends.cuda.training import STEPS


@pytest.fixture
def gpu(monkeypatch):
    """The device of a machine whose CuPy is the stand-in."""
    monkeypatch.setitem(sys.modules, "cupy", Cupy())
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs.cublas", blas())
    monkeypatch.setattr(runtime.nvrtc, "library", lambda: object())
    monkeypatch.setattr(runtime.nvrtc, "version", lambda: (13, 0))
    monkeypatch.setattr(runtime.nvrtc, "compile_text", compiled)
    machine = runtime.Gpu()
    assert machine.multiplies
    monkeypatch.setitem(backends._backends, "cuda", CudaBackend(machine))
    with fx.config.scope(platform="gpu", enable_compilation_cache=False):
        yield machine.device


def f32(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@needs_compiler
def test_devices(gpu):
    assert fx.devices() == [gpu] and str(gpu) == "gpu:0" and repr(gpu) == "GpuDevice(id=0)"
    x = fx.device_put(f32(3), gpu)
    assert type(x) is DeviceArray and x.devices() == {gpu}
    np.testing.assert_array_equal(fx.device_put(x, fx.devices("cpu")[0]), f32(3))


PROGRAMS = {
    "map": (lambda x: jnp.tanh(x) * 2 + x[0], (f32(7, 33),)),
    "rows": (lambda x: fx.nn.softmax(x), (f32(7, 2000),)),
    "products": (lambda x: jnp.maximum(x @ x.T, 0), (f32(20, 33),)),
    "calls": (lambda x: jnp.tanh(x @ x.T), (f32(110, 130),)),
    "turned calls": (lambda x: (x.T @ x, jnp.einsum("ij,jk->ki", x, x.T) + 1), (f32(130, 110),)),
    "batches": (lambda x: jnp.einsum("bij,bkj->ibk", x, x), (f32(3, 100, 90),)),
    "rules": (lambda x: jnp.linalg.svd(x * 2)[1] + 1, (f32(5, 4),)),
    "while": (lambda x: lax.while_loop(lambda x: (x > 1e-3).any(), lambda x: x / 2, x), (f32(5),)),
    "switch": (lambda i, x: lax.switch(i, [jnp.sin, jnp.cos], x), (np.int32(1), f32(5))),
    "scan": (lambda x: lax.scan(lambda c, r: (c + r, c * r), x[0], x), (f32(6, 5),)),
    "constants": (lambda x: x + np.arange(5, dtype=np.float32)[::-1], (f32(5),)),
    "views": (lambda x: (x.T, x[:, ::2], x), (f32(4, 6),)),
    "part": (lambda x: x[1:].reshape(-1)[3:] * 2, (f32(4, 5),)),
    "keys": (lambda k: fx.random.normal(k, (9,)), (fx.random.key(0),)),
}


@needs_compiler
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name, gpu):
    f, args = PROGRAMS[name]
    got = fx.tree.leaves(fx.jit(lambda *a: f(*a))(*args))
    assert all(type(x) is DeviceArray for x in got)
    with fx.config.scope(platform="cpu", cpu_backend="numpy"):
        want = fx.tree.leaves(fx.jit(lambda *a: f(*a))(*args))
    all_same([raw(x) for x in got], [raw(x) for x in want], False)


@needs_compiler
def test_a_training_step(gpu):
    step, args = STEPS["transformer"]()
    got = fx.tree.leaves(fx.jit(step)(*args))
    with fx.config.scope(platform="cpu", cpu_backend="numpy"):
        want = fx.tree.leaves(fx.jit(lambda *a: step(*a))(*args))
    all_same([raw(x) for x in got], [raw(x) for x in want], False)


@needs_compiler
def test_operations_outside_of_programs(gpu):
    x = fx.device_put(f32(3, 4), gpu)
    y = jnp.sin(x).sum(0) + 1
    assert y.devices() == {gpu}
    np.testing.assert_allclose(y, np.sin(f32(3, 4)).sum(0) + 1, rtol=1e-5)


@needs_compiler
def test_the_harness_of_hardware_finds_what_is_wrong(gpu):
    """What will run on a GPU, on the stand-in."""
    program = [case("rows", lambda x: fx.nn.softmax(x) + 1, (f32(3, 33),))]
    check(program, Hardware())
    with pytest.MonkeyPatch.context() as patch:
        right = runtime.module
        patch.setattr(runtime, "module", lambda s: right(s).replace("e < 33", "e < 34"))
        with pytest.raises(AssertionError, match="rows"):
            check(program, Hardware())


@needs_compiler
def test_too_much_memory(gpu):
    with pytest.raises(fx.errors.FxRuntimeError) as error:
        fx.jit(lambda x: jnp.broadcast_to(x, (ROOM,)) * 2)(f32(1))
    text = str(error.value)
    assert f"no room for {4 * ROOM} bytes" in text and "hold 12345" in text and "donate" in text


@needs_compiler
def test_what_has_no_rule_says_how_to_go_on(gpu, monkeypatch):
    def refuse(*args, **kwargs):
        raise NotImplementedError("not in CuPy")

    monkeypatch.setattr(sys.modules["cupy"].linalg, "qr", refuse)
    with pytest.raises(fx.errors.FxRuntimeError, match=r"qr cannot run on gpu:0.*fx.device_put"):
        fx.jit(lambda x: jnp.linalg.qr(x)[1] + 1)(f32(3, 3))


@needs_compiler
def test_loops_around_rules_say_so(gpu):
    def step(c, x):
        return c + jnp.linalg.svd(x)[1].sum(), c

    with pytest.raises(fx.errors.FxRuntimeError, match="scan cannot run on gpu:0: the program"):
        fx.jit(lambda x: lax.scan(step, 0.0, x))(f32(2, 3, 3))


# ------------------------------------------------------------------ without
def without(monkeypatch, **modules):
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(backends._backends, "cuda", raising=False)


@pytest.mark.parametrize("what", ["nothing", "no driver"])
def test_a_gpu_that_is_not_there_is_an_error(what, monkeypatch):
    without(monkeypatch, cupy=None if what == "nothing" else Cupy(available=False))
    why = "needs CuPy" if what == "nothing" else "needs a GPU and its driver"
    f = fx.jit(lambda x: x + 1)
    with fx.config.scope(platform="gpu"):
        for use in (lambda: f(1.0), fx.devices, lambda: fx.devices("gpu")):
            with pytest.raises(fx.errors.FxRuntimeError, match=f"the platform 'gpu' {why}") as e:
                use()
            assert "FX_PLATFORM=cpu" in str(e.value) and "driver" in str(e.value)
    assert f(1.0) == 2.0


def test_the_doctor_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_driver", lambda: None)
    monkeypatch.setattr(doctor.nvrtc, "version", lambda: (13, 0))
    monkeypatch.setattr(doctor, "_package", lambda *names: None)
    fx.doctor()
    text = capsys.readouterr().out
    assert "NVRTC" in text and "13.0" in text
    assert "lacks driver, CuPy" in text and 'pip install "fx[gpu]"' in text
    monkeypatch.setattr(doctor, "_driver", lambda: "CUDA 13.0, GPUs: 1")
    monkeypatch.setattr(doctor, "_package", lambda *names: "14.2")
    assert doctor.report().endswith("has what it needs.")


_IMPORTS = """
import sys, types
class Broken(types.ModuleType):
    def __getattr__(self, name):
        raise RuntimeError("cudaErrorInsufficientDriver")
if sys.argv[1] == "broken":
    sys.modules["cupy"] = Broken("cupy")
else:
    sys.modules["cupy"] = None
import fx, fx.numpy as jnp
print(float(fx.jit(lambda x: jnp.sin(x) * 2)(0.0)), fx.devices())
print([m for m in sys.modules if m.startswith(("fx.backends.cuda", "nvidia"))])
"""


@pytest.mark.parametrize("what", ["missing", "broken"])
def test_import_does_not_ask_for_cupy(what):
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS, what],
        env={"PYTHONPATH": ":".join(sys.path), "FX_CPU_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0.0 [CpuDevice(id=0)]\n[]\n"


def test_nvrtc_that_is_missing_is_an_error(monkeypatch):
    monkeypatch.setattr(nvrtc, "_found", [None])
    assert nvrtc.version() is None
    with pytest.raises(fx.errors.FxRuntimeError, match="pip install"):
        nvrtc.compile_text("", "sm_90")
