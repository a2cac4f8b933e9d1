"""Kernels on the CPU: `simulated.h` gives g++ what CUDA C++ has, and runs threads in turns.

It is slow and exact about what matters to a program: the sequence of operations, who waits for
whom, which element is accessed. So programs for a GPU are tested where there is none.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

import numpy as np

from fx.backends.cache import disk_cache
from fx.backends.cuda.codegen import module
from fx.backends.cuda.libraries import Gemm, Matrix
from fx.backends.cuda.memory import Buffer
from fx.backends.cuda.source import Source
from fx.core.backend import Device
from fx.errors import FxRuntimeError

# Rounding as written: nothing is fused or reordered.
_FLAGS = ["-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-ffp-contract=off"]
_FLAGS += ["-fno-strict-aliasing"]
_LINE = 256  # bytes: memory begins at multiples of this
_VERSION = 1  # part of the key of compiled code: count up when `_FLAGS` or `_wrapper` change


def compiler() -> str | None:
    """The C++ compiler, if there is one."""
    return shutil.which(os.environ.get("CXX", "g++"))


def _wrapper(s: Source) -> str:
    pointers = ", ".join(f"(decltype(fx_parameter<{i}>({s.name})))a[{i}]" for i in range(s.arrays))
    call = f"[](void* v) {{ void** a = (void**)v; {s.name}({pointers}); }}"
    return (
        f'extern "C" const char* {s.name}_run(unsigned blocks, int how, void** arrays) {{\n'
        f"  return fx_launch(blocks, {s.threads}, {int(s.barriers)}, how, {call}, arrays);\n}}"
    )


# The type of a function's parameter, by its number.
_PARAMETERS = """
template <int N, class First, class... Rest>
struct fx_nth { typedef typename fx_nth<N - 1, Rest...>::type type; };
template <class First, class... Rest>
struct fx_nth<0, First, Rest...> { typedef First type; };
template <int N, class... All>
typename fx_nth<N, All...>::type fx_parameter(void (*)(All...));
"""


def text_of(sources: Sequence[Source]) -> str:
    """What g++ is given for some kernels."""
    header = resources.files("fx.backends.cuda").joinpath("simulated.h").read_text()
    sources = list({s.name: s for s in sources}.values())
    kernels = module(sources).replace('extern "C" __global__', "__global__")
    return "\n".join([header, kernels, _PARAMETERS, *map(_wrapper, sources)])


def _built(text: str) -> bytes:
    """The shared library of a text, from the disk or from the compiler."""
    path = compiler()
    if path is None:
        raise FxRuntimeError(
            "simulating a GPU needs a C++ compiler, and there is no g++ on the PATH. Install one "
            "(apt install g++), name another by the environment variable CXX, or set "
            "fx.config.update('platform', 'cpu')."
        )
    disk = disk_cache()
    flags = repr((_VERSION, _FLAGS)).encode()
    key = hashlib.blake2b(flags + text.encode(), digest_size=20).hexdigest()
    code = disk and disk.get(key)
    if code:
        return code
    with tempfile.TemporaryDirectory() as folder:
        source, out = os.path.join(folder, "kernels.cpp"), os.path.join(folder, "kernels.so")
        with open(source, "w") as file:
            file.write(text)
        done = subprocess.run([path, *_FLAGS, "-o", out, source], capture_output=True, text=True)
        if done.returncode:
            raise FxRuntimeError(f"{path} refused generated kernels:\n{done.stderr[:2000]}")
        with open(out, "rb") as file:
            code = file.read()
    if disk:
        disk.put(key, code)
    return code


class Library:
    """Some kernels, compiled for the CPU."""

    def __init__(self, sources: Sequence[Source]):
        code = _built(text_of(sources))
        with tempfile.NamedTemporaryFile(suffix=".so") as file:
            file.write(code)
            file.flush()
            self._library = ctypes.CDLL(file.name)
        self._lock = threading.Lock()  # its threads are in static memory

    def launch(
        self, source: Source, pointers: Sequence[int], order: int = 0, blocks: int = 0
    ) -> None:
        """Run a kernel on arrays at addresses.

        Args:
            order: of the threads: 0 forward, 1 backward, else shuffled.
            blocks: how many, if not as many as the source says.
        """
        function: Any = getattr(self._library, f"{source.name}_run")
        function.restype = ctypes.c_char_p
        arrays = (ctypes.c_void_p * len(pointers))(*pointers)
        with self._lock:
            problem = function(blocks or source.blocks, order, arrays)
        if problem:
            raise FxRuntimeError(f"a simulated kernel failed: {problem.decode()}")


class Simulator:
    """A machine (see `fx.backends.cuda.program`) whose device is the simulator.

    Attributes:
        order: of the threads of each kernel: 0 forward, 1 backward, else shuffled.
    """

    backend = "simulated_cuda"
    multiplies = True

    def __init__(self, order: int = 0):
        self.device = Device("simulated_gpu", 0)
        self.order = order
        self._libraries: dict[str, Library] = {}

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> Buffer:
        """New memory on the device."""
        memory = np.empty(math.prod(shape) * dtype.itemsize + _LINE, np.uint8)
        return Buffer(self, shape, dtype, memory, -(-memory.ctypes.data // _LINE) * _LINE)

    def upload(self, x: np.ndarray) -> Buffer:
        """A copy of an array on the device."""
        out = self.empty(x.shape, x.dtype)
        x = np.ascontiguousarray(x)
        ctypes.memmove(out.pointer, x.ctypes.data, x.nbytes)
        return out

    def download(self, x: Buffer) -> np.ndarray:
        """A copy of an array on the CPU."""
        out = np.empty(x.shape, x.dtype)
        ctypes.memmove(out.ctypes.data, x.pointer, x.nbytes)
        return out

    def prepare(self, sources: Iterable[Source]) -> None:
        """Compile kernels that are not yet known, all at once."""
        new = {s.name: s for s in sources if s.name not in self._libraries}
        if new:
            self._libraries.update(dict.fromkeys(new, Library(list(new.values()))))

    def launch(self, source: Source, pointers: Sequence[int]) -> None:
        """Run a kernel on arrays at addresses."""
        self._libraries[source.name].launch(source, pointers, self.order)

    def multiply(self, gemm: Gemm, pointers: Sequence[int]) -> None:
        """A product by NumPy, in the place of cuBLAS."""

        def shown(matrix: Matrix, rows: int, columns: int) -> np.ndarray:
            place = pointers[matrix.array] + matrix.offset * gemm.dtype.itemsize
            steps = (matrix.lead, 1) if matrix.turned else (1, matrix.lead)
            strides = [s * gemm.dtype.itemsize for s in (matrix.apart, *steps)]
            shape = (gemm.batch, rows, columns)
            ends = [s * (n - 1) for s, n in zip(strides, shape, strict=True)]
            memory: Any = (ctypes.c_uint8 * (sum(ends) + gemm.dtype.itemsize)).from_address(place)
            return np.ndarray(shape, gemm.dtype, memory, 0, strides)

        a, b = shown(gemm.a, gemm.m, gemm.k), shown(gemm.b, gemm.k, gemm.n)
        shown(gemm.out, gemm.m, gemm.n)[...] = a @ b

    def copy(self, to: int, of: int, nbytes: int) -> None:
        """Copy memory of the device."""
        ctypes.memmove(to, of, nbytes)

    def number(self, at: int, dtype: np.dtype) -> int:
        """A number in the device's memory."""
        return int(np.frombuffer(ctypes.string_at(at, dtype.itemsize), dtype)[0])

    def rule(self, eqn: Any, operands: Sequence[Buffer]) -> list[Buffer]:
        """The results of a primitive's rule, by NumPy in the place of CuPy."""
        out = eqn.primitive.impl(np, *[x.get() for x in operands], **eqn.params)
        outs = out if eqn.primitive.multiple_results else [out]
        return [x if isinstance(x, Buffer) else self.upload(np.asarray(x)) for x in outs]

    def wait(self) -> None:
        """Kernels are done when they return."""
