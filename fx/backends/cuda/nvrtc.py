"""NVIDIA's runtime compiler through ctypes: CUDA C++ to code for a processor.

It needs no GPU and no driver. The library is that of the package nvidia-cuda-nvrtc (which CuPy's
extra brings), or the system's.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import glob
import importlib.util
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from fx.errors import FxRuntimeError

OPTIONS = ("-std=c++17", "-fmad=false", "-w", "--ptxas-options=-v")
_found: list[Any] = []


class Code(NamedTuple):
    """What the compiler made: the code, and by kernel the bytes of registers spilled to memory."""

    cubin: bytes
    registers: dict[str, int]
    spills: dict[str, int]


def _paths() -> list[str]:
    found: list[str] = []
    spec = importlib.util.find_spec("nvidia")
    for base in spec.submodule_search_locations or () if spec is not None else ():
        found += sorted(glob.glob(os.path.join(base, "*", "lib", "libnvrtc*.so*")), reverse=True)
    return found


def library() -> Any | None:
    """libnvrtc, or None if it is not installed."""
    if not _found:
        _found.append(_loaded())
    return _found[0]


def _loaded() -> Any | None:
    paths = _paths()
    builtins = [p for p in paths if "builtins" in p and ".alt." not in p]
    compilers = [p for p in paths if "builtins" not in p and ".alt." not in p]
    system = ctypes.util.find_library("nvrtc")
    try:
        for path in builtins[:1]:  # which the compiler looks for by its bare name
            ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        for path in compilers or ([system] if system else []):
            return ctypes.CDLL(path)
    except OSError:
        return None
    return None


def version() -> tuple[int, int] | None:
    """The version of NVRTC, or None if it is not installed."""
    lib = library()
    if lib is None:
        return None
    major, minor = ctypes.c_int(), ctypes.c_int()
    lib.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def compile_text(text: str, architecture: str, options: Sequence[str] = OPTIONS) -> Code:
    """The code of a module for an architecture such as "sm_90"."""
    lib = library()
    if lib is None:
        raise FxRuntimeError(
            "compiling for a GPU needs NVRTC, which is not installed. Install it by\n"
            '    pip install "fx[gpu]"'
        )
    program = ctypes.c_void_p()
    _check(
        lib,
        lib.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None),
    )
    try:
        given = [f"-arch={architecture}", *options]
        array = (ctypes.c_char_p * len(given))(*(o.encode() for o in given))
        status = lib.nvrtcCompileProgram(program, len(given), array)
        log = _text(lib, program, "ProgramLog").decode(errors="replace")
        if status:
            raise FxRuntimeError(f"NVRTC refused generated kernels:\n{log[:2000]}")
        return Code(_text(lib, program, "CUBIN"), *_usage(log))
    finally:
        lib.nvrtcDestroyProgram(ctypes.byref(program))


def _usage(log: str) -> tuple[dict[str, int], dict[str, int]]:
    """Registers and spilled bytes of each kernel, from the assembler's report."""
    registers, spills, name = {}, {}, ""
    for line in log.splitlines():
        if found := re.search(r"(?:Function properties for|entry function) '?(\w+)", line):
            name = found[1]
        if found := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spills[name] = spills.get(name, 0) + int(found[1]) + int(found[2])
        if found := re.search(r"Used (\d+) registers", line):
            registers[name] = int(found[1])
    return registers, spills


def _text(lib: Any, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    _check(lib, getattr(lib, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(lib, getattr(lib, f"nvrtcGet{what}")(program, buffer))
    return buffer.raw


def _check(lib: Any, status: int) -> None:
    if status:
        lib.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise FxRuntimeError(f"NVRTC failed: {lib.nvrtcGetErrorString(status).decode()}")
