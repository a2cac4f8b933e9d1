"""LLVM for the host: text in, addresses out.

Each kernel is compiled as a module of its own, on all cores, unless this process knows its text or
the disk has its object code. Those that a program lacks are linked together. Compiled code lives
as long as the process.
"""

from __future__ import annotations

import _thread
import ctypes
import hashlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from fx.backends.cache import disk_cache

# Part of the key of object code on disk. What determines the code of a kernel is its text and
# what is done to that here: count up when `optimized` or the target's options change.
PIPELINE = 3


class _Engine:
    """The linker of this process, and the description of its machine."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.target = llvm.Target.from_default_triple()
        features = llvm.get_host_cpu_features()
        self.cpu, self.features = llvm.get_host_cpu_name(), features.flatten()
        self.machines = [self.new_machine()]
        self.jit = llvm.create_lljit_compiler(self.new_machine())
        self.triple = self.target.triple
        # Lanes of a float32 vector in one register.
        self.lanes = 16 if features.get("avx512f") else 8 if features.get("avx2") else 4
        self.registers = 32 if features.get("avx512f") or "aarch64" in self.triple else 16
        self.numbers = itertools.count()
        self.trackers: list[object] = []  # keep compiled code alive
        known = (PIPELINE, llvmlite.__version__, llvm.llvm_version_info, self.triple, self.cpu)
        self.identity = repr((*known, self.features)).encode()

    def new_machine(self, level: int = 1) -> Any:
        return self.target.create_target_machine(cpu=self.cpu, features=self.features, opt=level)


_engine: list[_Engine] = []
_making = threading.Lock()
spent = [0.0]  # seconds in `compile_kernels`
_addresses: dict[str, int] = {}  # name of a kernel, a digest of its text -> its address


def engine() -> _Engine:
    """The compiler of this process, made at first use."""
    if not _engine:
        with _making:
            if not _engine:
                apart([lambda: _engine.append(_Engine())])
    return _engine[0]


def lanes() -> int:
    """How many float32 fit a vector register of this machine."""
    return engine().lanes


def registers() -> int:
    """How many vector registers this machine has."""
    return engine().registers


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def apart(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of functions that run at the same time, each in a thread of its own.

    Whatever enters LLVM does so here: Ctrl-C raises in the main thread, and llvmlite's lock would
    stay taken if that was in its hands. Who is interrupted leaves the threads to finish alone.
    """
    results: list[Any] = [None] * len(tasks)
    errors: list[BaseException] = []

    def work(i: int, done: Any) -> None:
        try:
            results[i] = tasks[i]()
        except BaseException as error:
            errors.append(error)
        finally:
            done.release()

    waiting = []
    for i in range(len(tasks)):
        done = _thread.allocate_lock()
        done.acquire()
        _thread.start_new_thread(work, (i, done))  # `threading` has locks of Python code
        waiting.append(done)
    for done in waiting:
        done.acquire()
    if errors:
        raise errors[0]
    return results


# ------------------------------------------------------------------ text to object code
def optimized(text: str, machine: Any) -> llvm.ModuleRef:
    """Parse, verify and optimize a module, in a context of its own."""
    e = engine()
    module = llvm.parse_assembly(f'target triple = "{e.triple}"\n{text}', llvm.create_context())
    module.verify()
    # Kernels come as vectors with their invariants hoisted: little is left to improve, and the
    # usual pipeline takes twice as long as these for the same speed.
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    passes.run(module, llvm.create_pass_builder(machine, options))
    return module


def _unlocked_emit() -> Any:
    """LLVM's emission of object code without llvmlite's lock, which lets one thread at a time
    into LLVM; modules in contexts of their own with machines of their own are independent."""
    try:
        emit = ctypes.CDLL(llvm.ffi.lib._name).LLVMPY_TargetMachineEmitToMemory
    except (AttributeError, OSError):
        return None
    emit.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    emit.restype = llvm.ffi.LLVMMemoryBufferRef
    return emit


_emit = _unlocked_emit()


def _object_code(text: str, quickly: bool = False) -> bytes:
    """The object code of a module; quickly made for what does little but call kernels."""
    e = engine()
    try:
        # Of the calling thread as long as it works.
        machine = e.new_machine(0) if quickly else e.machines.pop()
    except IndexError:
        machine = e.new_machine()
    try:
        module = optimized(text, machine)
        if _emit is None:
            return machine.emit_object(module)
        lib = llvm.ffi.lib
        error = ctypes.c_char_p()
        held = [ctypes.cast(x._ptr, ctypes.c_void_p) for x in (machine, module)]  # pyright: ignore
        buffer = _emit(*held, 1, ctypes.byref(error))
        if not buffer:
            raise RuntimeError(f"LLVM could not emit code: {error.value}")
        try:
            start, size = lib.LLVMPY_GetBufferStart(buffer), lib.LLVMPY_GetBufferSize(buffer)
            return ctypes.string_at(start, size)  # pyright: ignore[reportArgumentType]
        finally:
            lib.LLVMPY_DisposeMemoryBuffer(buffer)
    finally:
        if not quickly:
            e.machines.append(machine)


def objects(texts: Sequence[str], quickly: bool = False) -> list[bytes]:
    """The object code of modules: from the disk, or compiled on all cores."""
    e, disk = engine(), disk_cache()
    keys = [hashlib.blake2b(e.identity + t.encode(), digest_size=20).hexdigest() for t in texts]
    found = [disk and disk.get(key) for key in keys]
    # The longest first, so that no thread starts one when the others are done.
    missing = sorted((i for i, code in enumerate(found) if not code), key=lambda i: -len(texts[i]))
    following = iter(missing)  # whose steps are atomic

    def work() -> None:
        for i in following:
            code = found[i] = _object_code(texts[i], quickly)
            if disk:
                disk.put(keys[i], code)

    apart([work] * min(cores(), len(missing)))
    return [code for code in found if code]


def _link(objects: Sequence[bytes], names: Iterable[str]) -> dict[str, int]:
    """Addresses of functions in object code."""
    e, names = engine(), list(names)

    def link() -> dict[str, int]:
        library = llvm.JITLibraryBuilder().add_current_process()
        for code in objects:
            library.add_object_img(code)
        for name in names:
            library.export_symbol(name)
        tracker = library.link(e.jit, f"fx{next(e.numbers)}")
        e.trackers.append(tracker)
        return {name: tracker[name] for name in names}

    return apart([link])[0]


# ------------------------------------------------------------------ what the others call
def shown(text: str, dialect: str) -> str:
    """An optimized module as "llvm", or as "asm"."""

    def work() -> str:
        machine = e.new_machine()
        module = optimized(text, machine)
        return str(module) if dialect == "llvm" else machine.emit_assembly(module)

    e = engine()
    return apart([work])[0]


def compile_module(text: str, names: Iterable[str]) -> dict[str, int]:
    """Addresses of functions of the runtime's module."""
    return _link(objects([text], quickly=True), names)


def kernel_module(body: str, declared: dict[str, str]) -> tuple[str, str]:
    """A kernel's function, named by its digest, and the module of that alone."""
    name = "k" + hashlib.blake2b(body.encode(), digest_size=16).hexdigest()
    return name, "\n".join([*declared.values(), body.replace("@KERNEL", f"@{name}")])


def compile_kernels(kernels: Sequence[tuple[str, dict[str, str]]]) -> list[int]:
    """The address of each kernel, given as (body, declarations); equal ones are one."""
    start = time.perf_counter()
    modules = [kernel_module(*k) for k in kernels]
    new = {name: text for name, text in modules if name not in _addresses}
    if new:
        # Two threads that lack the same kernel both compile it; either result will do.
        _addresses.update(_link(objects(list(new.values())), new))
    spent[0] += time.perf_counter() - start
    return [_addresses[name] for name, _ in modules]
