"""Compiled code on disk: found again, never trusted when damaged, bounded, shared by processes;
and what an interrupted compilation leaves behind."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.config import detours
from fx.core.trace import state

engine = pytest.importorskip("fx.backends.llvm.engine", exc_type=ImportError)
from fx.backends import cache  # noqa: E402

KEY = "5" * 40  # its first byte is not one after which a cache trims itself


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty cache, and a process that has compiled nothing."""
    monkeypatch.setenv("FX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(engine, "_addresses", {})
    return tmp_path / "cache"


@pytest.fixture
def compilations(monkeypatch):
    """The texts that are compiled, as they are."""
    texts = []

    def counted(text, *options, original=engine._object_code):
        texts.append(text)
        return original(text, *options)

    monkeypatch.setattr(engine, "_object_code", counted)
    return texts


def program(x):
    return jnp.exp(-x * x) + 3.25, jnp.sum(jnp.sin(x) * x)


X = np.linspace(-2, 2, 37, dtype=np.float32)
EXPECTED = (np.exp(-X * X) + 3.25, np.sum(np.sin(X) * X))


def run():
    """The program, traced and compiled anew."""
    got = fx.jit(lambda x: program(x))(jnp.asarray(X))
    for a, b in zip(got, EXPECTED, strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-5, atol=1e-5)


def forget():
    engine._addresses.clear()


# ------------------------------------------------------------------ finding
def test_a_process_that_comes_later_compiles_nothing(directory, compilations):
    run()
    assert compilations
    first = len(compilations)
    forget()
    run()
    assert len(compilations) == first
    assert all(stat.S_IMODE(f.stat().st_mode) & 0o022 == 0 for f in directory.iterdir())


def test_equal_kernels_are_compiled_once(directory, compilations):
    f = fx.jit(lambda xs: [jnp.sum(jnp.tanh(x) * 7) for x in xs])
    f([jnp.asarray(X + i) for i in range(9)])
    assert len(compilations) == len(set(compilations)) < 9


def test_the_key_names_the_machine_and_the_versions(directory, compilations, monkeypatch):
    run()
    first = len(compilations)
    for change in (b"another processor", b"another LLVM"):
        forget()
        monkeypatch.setattr(engine.engine(), "identity", change)
        run()
    assert len(compilations) == 3 * first


def test_it_can_be_off(directory, compilations):
    with fx.config.scope(enable_compilation_cache=False):
        run()
        forget()
        run()
    assert len(compilations) == 2 * len(set(compilations))
    assert not directory.exists()


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.delenv("FX_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.default_directory() == str(tmp_path / "xdg" / "fx")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.default_directory() == str(tmp_path / "home" / ".cache" / "fx")
    monkeypatch.setenv("FX_CACHE_DIR", str(tmp_path / "own"))
    assert cache.default_directory() == str(tmp_path / "own")
    with fx.config.scope(compilation_cache_dir=str(tmp_path / "option")):
        assert cache.default_directory() == str(tmp_path / "option")


def test_without_a_home_there_is_none(monkeypatch):
    monkeypatch.delenv("FX_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does without one
    assert cache.default_directory() is None
    assert cache.disk_cache() is None


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, compilations):
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv("FX_CACHE_DIR", str(tmp_path / "file" / "below"))
    for _ in range(2):
        monkeypatch.setattr(engine, "_addresses", {})
        run()
    assert len(compilations) == 2 * len(set(compilations))
    assert not cache.disk_cache().writable


# ------------------------------------------------------------------ damage
DAMAGE = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "headless": lambda data: data[8:],
    "one bit": lambda data: data[:-9] + bytes([data[-9] ^ 4]) + data[-8:],
    "longer": lambda data: data + b"\0",
    "noise": lambda data: os.urandom(len(data)),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_written_anew(directory, compilations, kind):
    run()
    first = len(compilations)
    good = {f: f.read_bytes() for f in directory.iterdir()}
    for file, data in good.items():
        file.write_bytes(DAMAGE[kind](data))
    forget()
    run()
    assert len(compilations) == 2 * first
    assert {f: f.read_bytes() for f in directory.iterdir()} == good


def test_a_file_under_another_name_is_not_taken(tmp_path):
    store = cache.DiskCache(str(tmp_path), 1 << 20)
    store.put(KEY, b"code")
    os.replace(tmp_path / KEY, tmp_path / ("6" * 40))
    assert store.get("6" * 40) is None
    assert store.get(KEY) is None


@given(st.binary(max_size=200), st.data())
@settings(max_examples=30)
def test_no_damage_goes_unnoticed(tmp_path_factory, body, data):
    path = tmp_path_factory.mktemp("cache")
    store = cache.DiskCache(str(path), 1 << 20)
    store.put(KEY, body)
    assert store.get(KEY) == body
    whole = bytearray((path / KEY).read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    (path / KEY).write_bytes(whole)
    assert store.get(KEY) is None


def test_code_of_another_user_is_not_run(tmp_path, monkeypatch):
    store = cache.DiskCache(str(tmp_path), 1 << 20)
    store.put(KEY, b"code")
    owner = (tmp_path / KEY).stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner:  # the administrator's files serve everyone
        assert store.get(KEY) is None
    else:
        assert store.get(KEY) == b"code"


# ------------------------------------------------------------------ size
def test_what_was_not_used_for_longest_goes_first(tmp_path):
    store = cache.DiskCache(str(tmp_path), 40 * 4096)
    now = time.time()
    for i in range(60):
        key = f"{i + 16:02x}" + "0" * 38
        store.put(key, bytes(100))
        os.utime(tmp_path / key, (now - 100_000 + i, now - 100_000 + i))
    oldest = f"{16:02x}" + "0" * 38
    assert store.get(oldest) is not None  # a use, which saves it
    store.trim()
    left = sorted(f.name for f in tmp_path.iterdir())
    assert len(left) == 30
    assert oldest in left and f"{17:02x}" + "0" * 38 not in left and left[-1][:2] == "4b"


def test_writing_keeps_it_bounded(tmp_path):
    store = cache.DiskCache(str(tmp_path), 16 * 4096)
    rng = np.random.default_rng(0)
    for _ in range(500):
        store.put(rng.bytes(20).hex(), bytes(10))
    assert len(list(tmp_path.iterdir())) < 400


def test_unfinished_files_of_dead_processes_go(tmp_path):
    store = cache.DiskCache(str(tmp_path), 1 << 20)
    for name, age in ((".old-1", 10_000), (".new-1", 10)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    store.trim()
    assert [f.name for f in tmp_path.iterdir()] == [".new-1"]


# ------------------------------------------------------------------ processes and threads
PROCESS = """
import sys, numpy as np, fx, fx.numpy as jnp
x = jnp.linspace(-1.0, 1.0, 101)
for i in range(6):
    f = fx.jit(lambda x: [jnp.sin(x * k) + jnp.sum(x * k) for k in range(i, i + 3)])
    for k, y in enumerate(f(x), i):
        np.testing.assert_allclose(y, np.sin(np.asarray(x) * k) + np.sum(np.asarray(x) * k),
                                   rtol=1e-4, atol=1e-4)
from fx.backends import cache
assert cache.disk_cache().writable
"""


def start(code, directory):
    env = {**os.environ, "FX_CACHE_DIR": str(directory), "FX_CPU_BACKEND": "llvm",
           "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", code], env=env, stderr=subprocess.PIPE)


def test_processes_share_a_directory(tmp_path):
    running = [start(PROCESS, tmp_path) for _ in range(4)]
    end = time.time() + 60
    while any(p.poll() is None for p in running) and time.time() < end:
        for file in list(tmp_path.iterdir())[::3]:  # and someone deletes and damages files
            if not file.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    file.unlink() if file.name.startswith("a") else file.write_bytes(b"damaged")
        time.sleep(0.02)
    for p in running:
        assert p.wait(60) == 0, p.stderr.read().decode()
        p.stderr.close()
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".")]


def test_threads_compile_at_the_same_time(directory):
    failures = []

    def work():
        try:
            for _ in range(3):
                run()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


# ------------------------------------------------------------------ interrupts
class Interrupts:
    """Raises KeyboardInterrupt where Ctrl-C would, the n-th time: after a call of a built-in
    function, or as a Python function begins. Only inside fx, since a test has no way to undo what
    other code does."""

    def __init__(self, after):
        self.left = after

    def __call__(self, frame, event, arg):
        if event not in ("call", "c_return"):
            return
        name = frame.f_code.co_filename
        if not any(part in name for part in ("/fx/", "llvmlite", "concurrent", "contextlib")):
            return
        if frame.f_code.co_name == "__del__":  # an error there is only printed
            return
        self.left -= 1
        if self.left == 0:
            sys.setprofile(None)
            raise KeyboardInterrupt


def interrupted(after):
    """Whether tracing, compiling and running were interrupted at a point."""
    sys.setprofile(Interrupts(after))
    try:
        run()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


# An interrupt below LLVM's `__del__` methods is printed and goes on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_point_leaves_the_caches_intact(directory):
    run()
    total = 1_000_000
    rng = np.random.default_rng(0)
    counter = Interrupts(total)
    forget()
    sys.setprofile(counter)
    try:
        run()
    finally:
        sys.setprofile(None)
    points = total - counter.left
    assert points > 1000
    hits = 0
    for after in rng.integers(1, points, 150):
        forget()
        for file in directory.iterdir():
            file.unlink()
        hits += interrupted(int(after))
        forget()
        run()  # from what the interrupted one left on disk
        store = cache.disk_cache()
        assert all(store.get(f.name) for f in directory.iterdir())
        assert detours[0] == 0
        assert (state.level, state.dynamic, state.axes) == (0, None, {})
    assert hits > 100


SIGNALS = """
import signal, sys, warnings
import numpy as np, fx, fx.numpy as jnp
warnings.simplefilter("error")
x = jnp.linspace(-1.0, 1.0, 101)
want = None
hits = 0
for i in range(1, 60):
    k = np.float32(i)
    f = fx.jit(lambda x: [jnp.sin(x * k), jnp.sum(jnp.tanh(x) * k), jnp.exp(x + k).reshape(101, 1)])
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0004 * i)
        try:
            f(x)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        hits += 1
    a, b, c = f(x)
    y = np.asarray(x)
    np.testing.assert_allclose(a, np.sin(y * k), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(b, np.sum(np.tanh(y) * k), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(c[:, 0], np.exp(y + k), rtol=1e-4)
print(hits)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_signals_while_compiling(tmp_path):
    process = start(SIGNALS.replace("print(hits)", "assert hits > 5, hits"), tmp_path)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    store = cache.DiskCache(str(tmp_path), 1 << 28)
    assert all(store.get(f.name) for f in tmp_path.iterdir() if not f.name.startswith("."))
