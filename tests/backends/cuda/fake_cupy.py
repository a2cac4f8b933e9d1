"""A stand-in for CuPy: its memory is the CPU's, its kernels run on the simulator.

What is sent to a stream waits there until somebody waits for the stream, so whoever reads a result
too early sees old memory. Only what `fx.backends.cuda.runtime` uses is here.
"""

from __future__ import annotations

import ctypes
import re
import types
from typing import Any

import numpy as np

from fx.backends.cuda import nvrtc
from fx.backends.cuda.simulated import Library
from fx.backends.cuda.source import Source

ROOM = 1 << 30  # bytes that there are


class OutOfMemoryError(MemoryError):
    pass


class Device:
    def __init__(self, number):
        assert number == 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


STREAMS: dict[int, Stream] = {}
FREED_LATER: list[
    np.ndarray
] = []  # as in CuPy's pool, which is used again in the order of the stream


class Stream:
    """Work that waits."""

    def __init__(self, non_blocking=False):
        self.work: list[Any] = []
        self.ptr = id(self)
        STREAMS[self.ptr] = self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def synchronize(self):
        work, self.work = self.work, []
        for item in work:
            item()
        FREED_LATER.clear()


class Memory:
    def __init__(self, nbytes):
        self.bytes = np.full(nbytes + 256, 0xFF, np.uint8)
        self.ptr = -(-self.bytes.ctypes.data // 256) * 256

    def __del__(self):
        FREED_LATER.append(self.bytes)


def alloc(nbytes):
    if nbytes > ROOM:
        raise OutOfMemoryError
    return Memory(nbytes)


class UnownedMemory:
    def __init__(self, ptr, size, owner, device_id=-1):
        self.ptr, self.owner = ptr, owner


class MemoryPointer:
    def __init__(self, memory, offset):
        self.memory, self.ptr = memory, memory.ptr + offset


class Array(np.ndarray):
    """An array of CuPy: like one of NumPy, but `data` is a pointer to its memory."""

    @property
    def data(self):  # type: ignore[override]
        return types.SimpleNamespace(ptr=self.ctypes.data)


def ndarray(shape, dtype, memptr):
    """A view of memory, when what was sent to the streams is done."""
    for stream in STREAMS.values():
        stream.synchronize()
    dtype = np.dtype(dtype)
    assert dtype.names is None, "CuPy has no structured dtypes"
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    block = (ctypes.c_uint8 * max(1, nbytes)).from_address(memptr.ptr)
    return np.frombuffer(block, np.uint8)[:nbytes].view(dtype).reshape(shape).view(Array)


def memcpyAsync(dst, src, size, kind, stream):
    assert kind in (1, 2, 3)
    STREAMS[stream].work.append(lambda: ctypes.memmove(dst, src, size))


class Module:
    """What `compiled` made, loaded."""

    def load(self, code):
        self.sources, texts = {}, code.decode().split('extern "C" __global__')
        for text in texts[1:]:
            threads, name, given = re.match(
                r" void __launch_bounds__\((\d+), 1\) (\w+)\(([^)]*)\)", text
            ).groups()
            count = given.count(",") + 1 if given else 0
            text = 'extern "C" __global__' + text
            self.sources[name] = Source(name, text, count, 0, int(threads), True)
        self.library = Library(list(self.sources.values()))

    def get_function(self, name):
        source = self.sources[name]

        def launch(grid, block, args, shared_mem=0, stream=None):
            assert grid[1:] == block[1:] == (1, 1) and block[0] == source.threads
            assert all(type(a) is np.uint64 for a in args) and len(args) == source.arrays
            pointers = [int(a) for a in args]
            stream.work.append(lambda: self.library.launch(source, pointers, 0, grid[0]))

        return launch


def blas():
    """cuBLAS: matrices in columns, leading dimensions, strides of batches, scalars of the CPU."""
    now = types.SimpleNamespace(stream=None)

    def columns(dtype, place, lead, apart, batch, rows, count, turned):
        shape = (batch, count, rows) if not turned else (batch, rows, count)
        assert lead >= shape[2], "a leading dimension is shorter than a column"
        item = dtype.itemsize
        strides = (apart * item, lead * item, item)
        size = sum(s * (n - 1) for s, n in zip(strides, shape, strict=True)) + item
        memory = np.frombuffer((ctypes.c_uint8 * size).from_address(place), np.uint8)
        x = np.ndarray(shape, dtype, memory, 0, strides)
        return x if turned else x.transpose(0, 2, 1)

    def gemm(dtype):
        def call(
            handle, ta, tb, m, n, k, alpha, a, lda, apart_a, b, ldb, apart_b, beta, c, ldc, apart_c,
            batch,
        ):  # fmt: skip
            assert handle == "handle" and ta in (0, 1) and tb in (0, 1)
            scalars = [ctypes.string_at(p, dtype.itemsize) for p in (alpha, beta)]
            assert [float(np.frombuffer(x, dtype)[0]) for x in scalars] == [1, 0]

            def work():
                x = columns(dtype, a, lda, apart_a, batch, m, k, ta)
                y = columns(dtype, b, ldb, apart_b, batch, k, n, tb)
                columns(dtype, c, ldc, apart_c, batch, m, n, 0)[...] = x @ y

            now.stream.work.append(work)

        return call

    return types.SimpleNamespace(
        CUBLAS_POINTER_MODE_HOST=0,
        CUBLAS_DEFAULT_MATH=0,
        setStream=lambda handle, ptr: setattr(now, "stream", STREAMS[ptr]),
        setPointerMode=lambda handle, mode: None,
        setMathMode=lambda handle, mode: None,
        sgemmStridedBatched=gemm(np.dtype(np.float32)),
        dgemmStridedBatched=gemm(np.dtype(np.float64)),
    )


def compiled(text: str, architecture: str, options: Any = ()) -> nvrtc.Code:
    """Instead of `nvrtc.compile_text`: the text is the code."""
    assert architecture == "sm_90"
    return nvrtc.Code(text.encode(), {}, {})


class Cupy(types.ModuleType):
    """The module."""

    def __init__(self, available: bool = True):
        super().__init__("cupy")
        runtime = types.SimpleNamespace(
            getDeviceProperties=lambda number: {"major": 9, "minor": 0},
            memcpyAsync=memcpyAsync,
            memGetInfo=lambda: (ROOM // 2, ROOM),
        )
        self.is_available = lambda: available
        self.ndarray = ndarray
        self.asarray = lambda x: np.asarray(x).view(Array)
        self.ascontiguousarray = lambda x: np.ascontiguousarray(x).view(Array)
        self.get_default_memory_pool = lambda: types.SimpleNamespace(used_bytes=lambda: 12345)
        self.cuda = types.SimpleNamespace(
            Device=Device,
            Stream=Stream,
            alloc=alloc,
            device=types.SimpleNamespace(get_cublas_handle=lambda: "handle"),
            MemoryPointer=MemoryPointer,
            runtime=runtime,
            function=types.SimpleNamespace(Module=Module),
            memory=types.SimpleNamespace(
                OutOfMemoryError=OutOfMemoryError, UnownedMemory=UnownedMemory
            ),
        )

    def __getattr__(self, name):
        if name.startswith("__") or name in ("poly1d",):
            raise AttributeError(name)
        return getattr(np, name)
