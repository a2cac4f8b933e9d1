"""A GPU, through CuPy: memory, streams, modules and launches.

It was run on a stand-in for CuPy, and not yet on hardware. Kernels are compiled by NVRTC to code
for the GPU's own architecture, which is kept on disk, and loaded as modules. All work goes to one
stream, in order; the CPU waits for it when it reads something.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fx.backends.cache import disk_cache
from fx.backends.cuda import nvrtc
from fx.backends.cuda.codegen import module
from fx.backends.cuda.doctor import explained
from fx.backends.cuda.libraries import Gemm
from fx.backends.cuda.memory import Buffer
from fx.backends.cuda.source import Source
from fx.core.backend import Device
from fx.core.ir import subjaxprs
from fx.errors import FxRuntimeError

_TO_DEVICE, _TO_HOST, _ON_DEVICE = 1, 2, 3  # kinds of copies, as CUDA numbers them


class Gpu:
    """A machine (see `fx.backends.cuda.program`) that is a GPU."""

    backend = "cuda"

    def __init__(self, number: int = 0):
        try:
            self.cupy: Any = importlib.import_module("cupy")
        except ImportError:
            raise FxRuntimeError(explained("the platform 'gpu' needs CuPy")) from None
        if not self.cupy.is_available():
            raise FxRuntimeError(explained("the platform 'gpu' needs a GPU and its driver"))
        if nvrtc.library() is None:
            raise FxRuntimeError(explained("the platform 'gpu' needs NVRTC"))
        self.device = Device("gpu", number)
        self._number = number
        self._runtime = self.cupy.cuda.runtime
        properties = self._runtime.getDeviceProperties(number)
        self.architecture = f"sm_{properties['major']}{properties['minor']}"
        with self.cupy.cuda.Device(number):
            self._stream = self.cupy.cuda.Stream(non_blocking=True)
        self._functions: dict[str, Any] = {}
        self._blas = self._blas_of()
        self.multiplies = self._blas is not None
        self._making = threading.Lock()

    # ------------------------------------------------------------------ memory
    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> Buffer:
        """New memory, from CuPy's pool of this stream."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        cuda = self.cupy.cuda
        try:
            with cuda.Device(self._number), self._stream:
                memory = cuda.alloc(max(1, nbytes))
        except cuda.memory.OutOfMemoryError:
            pool = self.cupy.get_default_memory_pool()
            free, total = self._runtime.memGetInfo()
            raise FxRuntimeError(
                f"{self.device} has no room for {nbytes} bytes: of {total} bytes, arrays hold "
                f"{pool.used_bytes()}, and {free} are free. Delete arrays, donate arguments "
                "(donate_argnums), or make batches smaller."
            ) from None
        return Buffer(self, shape, dtype, memory, memory.ptr)

    def upload(self, x: np.ndarray) -> Buffer:
        """A copy of an array on the device."""
        x = np.ascontiguousarray(x)
        out = self.empty(x.shape, x.dtype)
        if x.nbytes:
            self._copied(out.pointer, x.ctypes.data, x.nbytes, _TO_DEVICE)
            self._stream.synchronize()  # the CPU's memory may be written to afterwards
        return out

    def download(self, x: Buffer) -> np.ndarray:
        """A copy of an array on the CPU, when it is computed."""
        out = np.empty(x.shape, x.dtype)
        if x.nbytes:
            self._copied(out.ctypes.data, x.pointer, x.nbytes, _TO_HOST)
        self._stream.synchronize()
        return out

    def copy(self, to: int, of: int, nbytes: int) -> None:
        """Copy memory of the device."""
        self._copied(to, of, nbytes, _ON_DEVICE)

    def number(self, at: int, dtype: np.dtype) -> int:
        """A number in the device's memory, when it is computed."""
        out = np.empty((), dtype)
        self._copied(out.ctypes.data, at, dtype.itemsize, _TO_HOST)
        self._stream.synchronize()
        return int(out)

    def _copied(self, to: int, of: int, nbytes: int, kind: int) -> None:
        with self.cupy.cuda.Device(self._number):
            self._runtime.memcpyAsync(to, of, nbytes, kind, self._stream.ptr)

    def wait(self) -> None:
        """Wait for all that was launched."""
        self._stream.synchronize()

    # ------------------------------------------------------------------ kernels
    def prepare(self, sources: Iterable[Source]) -> None:
        """Compile kernels that are not known yet, as one module."""
        with self._making:
            new = {s.name: s for s in sources if s.name not in self._functions}
            if not new:
                return
            code = self._code(module(new.values()))
            with self.cupy.cuda.Device(self._number):
                loaded = self.cupy.cuda.function.Module()
                loaded.load(code)
                self._functions.update((name, loaded.get_function(name)) for name in new)

    def _code(self, text: str) -> bytes:
        """The code of a module, from the disk or from the compiler."""
        disk = disk_cache()
        identity = repr((nvrtc.version(), nvrtc.OPTIONS, self.architecture)).encode()
        key = hashlib.blake2b(identity + text.encode(), digest_size=20).hexdigest()
        code = disk and disk.get(key)
        if not code:
            code = nvrtc.compile_text(text, self.architecture).cubin
            if disk:
                disk.put(key, code)
        return code

    def launch(self, source: Source, pointers: Sequence[int]) -> None:
        """Run a kernel on arrays at addresses, after what was launched before."""
        arguments = tuple(map(np.uint64, pointers))
        with self.cupy.cuda.Device(self._number):
            self._functions[source.name](
                (source.blocks, 1, 1), (source.threads, 1, 1), arguments, 0, self._stream
            )

    # ------------------------------------------------------------------ products
    def _blas_of(self) -> Any:
        """CuPy's binding of cuBLAS; None where that is not installed, and kernels multiply."""
        try:
            return importlib.import_module("cupy_backends.cuda.libs.cublas")
        except ImportError:
            return None

    def multiply(self, gemm: Gemm, pointers: Sequence[int]) -> None:
        """A product by cuBLAS, in full precision, after what was launched before."""
        blas = self._blas
        with self.cupy.cuda.Device(self._number):
            handle = self.cupy.cuda.device.get_cublas_handle()
            blas.setStream(handle, self._stream.ptr)
            blas.setPointerMode(handle, blas.CUBLAS_POINTER_MODE_HOST)
            blas.setMathMode(handle, blas.CUBLAS_DEFAULT_MATH)
            single = gemm.dtype == np.float32
            call = blas.sgemmStridedBatched if single else blas.dgemmStridedBatched
            one, zero = np.ones((), gemm.dtype), np.zeros((), gemm.dtype)
            a, b, out = (
                (pointers[x.array] + x.offset * gemm.dtype.itemsize, x.lead, x.apart)
                for x in (gemm.a, gemm.b, gemm.out)
            )
            call(
                handle, int(gemm.a.turned), int(gemm.b.turned), gemm.m, gemm.n, gemm.k,
                one.ctypes.data, *a, *b, zero.ctypes.data, *out, gemm.batch,
            )  # fmt: skip

    # ------------------------------------------------------------------ rules
    def rule(self, eqn: Any, operands: Sequence[Buffer]) -> list[Buffer]:
        """The results of a primitive's own rule, on CuPy's arrays."""
        cupy, primitive = self.cupy, eqn.primitive
        if subjaxprs(eqn.params):
            raise FxRuntimeError(
                f"{primitive.name} cannot run on {self.device}: the program inside has operations "
                "without a kernel, and runs on CPUs only. Use operations that have one "
                '(as_text("jaxpr") of it shows them), or move its operands to the CPU: '
                'fx.device_put(x, fx.devices("cpu")[0]).'
            )
        with cupy.cuda.Device(self._number), self._stream:
            try:
                out = primitive.impl(cupy, *map(self._shown, operands), **eqn.params)
                outs = out if primitive.multiple_results else [out]
                return [self._held(cupy.ascontiguousarray(cupy.asarray(x))) for x in outs]
            except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
                raise FxRuntimeError(
                    f"{primitive.name} cannot run on {self.device}: {type(error).__name__}: "
                    f"{error}. Move its operands to the CPU: fx.device_put(x, "
                    'fx.devices("cpu")[0]).'
                ) from error

    def _shown(self, x: Buffer) -> Any:
        """A buffer as an array of CuPy, in the same memory."""
        cuda = self.cupy.cuda
        owner = cuda.memory.UnownedMemory(x.pointer, max(1, x.nbytes), x, self._number)
        return self.cupy.ndarray(x.shape, x.dtype, cuda.MemoryPointer(owner, 0))

    def _held(self, x: Any) -> Buffer:
        """An array of CuPy as a buffer, in the same memory."""
        return Buffer(self, x.shape, x.dtype, x, x.data.ptr)
