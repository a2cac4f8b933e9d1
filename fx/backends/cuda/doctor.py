"""What there is of what a GPU needs."""

from __future__ import annotations

import ctypes
import ctypes.util
import glob
import importlib
import importlib.metadata
import importlib.util
import os
from typing import NamedTuple

from fx.backends.cuda import nvrtc, simulated

COMMAND = 'pip install "fx[gpu]"'


class Finding(NamedTuple):
    """One thing that was looked for.

    Attributes:
        what: its name.
        found: its version or place, or None.
        needed: whether the platform "gpu" needs it in this version of fx.
        cure: what brings it.
    """

    what: str
    found: str | None
    needed: bool
    cure: str


def findings() -> list[Finding]:
    """All that is looked for, in the order in which it is needed."""
    version = nvrtc.version()
    return [
        Finding("driver", _driver(), True, "install NVIDIA's driver on a machine with a GPU"),
        Finding("CuPy", _package("cupy-cuda13x", "cupy-cuda12x", "cupy"), True, COMMAND),
        Finding("NVRTC", version and ".".join(map(str, version)), True, COMMAND),
        Finding("cuBLASLt", _library("cublasLt"), False, "pip install nvidia-cublas"),
        Finding(
            "cuDNN frontend",
            _package("nvidia-cudnn-frontend"),
            False,
            'pip install "nvidia-cudnn-frontend>=1.24,<1.29"',
        ),
        Finding("NCCL", _library("nccl"), False, "pip install nvidia-nccl-cu13"),
        Finding("g++ (for the simulator)", simulated.compiler(), False, "apt install g++"),
    ]


def report() -> str:
    """What was found and what is missing, and the command that brings what is needed."""
    found = findings()
    width = max(len(f.what) for f in found)
    lines = [
        f"{f.what:<{width}}  {f.found}"
        if f.found
        else f"{f.what:<{width}}  missing{'' if f.needed else ' (not used yet)'}: {f.cure}"
        for f in found
    ]
    missing = [f for f in found if f.needed and not f.found]
    if not missing:
        return "\n".join([*lines, "The platform 'gpu' has what it needs."])
    cures = "; ".join(dict.fromkeys(f.cure for f in missing))
    names = ", ".join(f.what for f in missing)
    return "\n".join([*lines, f"The platform 'gpu' lacks {names}: {cures}"])


def explained(why: str) -> str:
    """An error's text: why there is no GPU, what was found, and how to go on."""
    return (
        f"{why}.\n{report()}\nOr choose another platform: fx.config.update('platform', 'cpu'), or "
        "FX_PLATFORM=cpu."
    )


def doctor() -> None:
    """Print the report; see `fx.doctor`."""
    print(report())


def _package(*names: str) -> str | None:
    for name in names:
        try:
            return f"{importlib.metadata.version(name)} ({name})"
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _driver() -> str | None:
    """The version of CUDA that the driver has, and how many GPUs; None without either."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version, count = ctypes.c_int(), ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDriverGetVersion(ctypes.byref(version)):
        return None
    if cuda.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return None
    return f"CUDA {version.value // 1000}.{version.value % 1000 // 10}, GPUs: {count.value}"


def _library(name: str) -> str | None:
    """Where a library of CUDA is, among the packages or the system's."""
    spec = importlib.util.find_spec("nvidia")
    for base in spec.submodule_search_locations or () if spec is not None else ():
        found = sorted(glob.glob(os.path.join(base, "*", "lib", f"lib{name}.so*")))
        if found:
            return os.path.basename(found[-1])
    return ctypes.util.find_library(name)
