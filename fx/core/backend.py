"""Devices and the protocol of a backend: what it takes to run compiled programs somewhere.

A backend is one folder that makes an object with `compile(jaxpr) -> callable on raw arrays`.
CPU devices are names for threads that run parts of a `pmap`; they are made when asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fx.config import config
from fx.core.ir import Jaxpr
from fx.errors import FxValueError


class Backend(Protocol):
    """What a backend offers."""

    name: str

    def compile(
        self, jaxpr: Jaxpr, donated: tuple[int, ...] = ()
    ) -> Callable[[Sequence[Any]], list[Any]]:
        """A function from raw arrays to raw arrays that runs the program.

        `donated` are positions of arguments whose memory it may reuse. If it has an attribute
        `in_place`, it writes over those that this names.
        """
        ...


class Device:
    """One device: a platform and a number."""

    __slots__ = ("id", "platform")

    def __init__(self, platform: str, id: int):
        self.platform = platform
        self.id = id

    @property
    def device_kind(self) -> str:
        return self.platform

    @property
    def process_index(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"{self.platform.title().replace('_', '')}Device(id={self.id})"

    def __str__(self) -> str:
        return f"{self.platform}:{self.id}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and (self.platform, self.id) == (other.platform, other.id)

    def __hash__(self) -> int:
        return hash((self.platform, self.id))


_backends: dict[str, Backend] = {}
_MODULES = {
    "llvm": "fx.backends.llvm",
    "numpy": "fx.backends.numpy",
    "cuda": "fx.backends.cuda.gpu",
    "simulated_cuda": "fx.backends.cuda",
}
# The backends of platforms other than the CPU, which has several.
PLATFORMS = {"gpu": "cuda", "simulated_gpu": "simulated_cuda"}


def register_backend(name: str, backend: Backend) -> None:
    """Make a backend available under a name."""
    _backends[name] = backend


def get_backend(name: str | None = None) -> Backend:
    """A backend by name, imported when first asked for.

    By default that of `fx.config.platform`, which for the CPU is `fx.config.cpu_backend`.
    """
    name = name or PLATFORMS.get(config.platform) or config.cpu_backend
    if name not in _backends:
        if name not in _MODULES:
            raise FxValueError(f"no backend {name!r}; expected one of {', '.join(_MODULES)}.")
        module = importlib.import_module(_MODULES[name])
        if name not in _backends:  # it is made of what may not be there
            register_backend(name, module.make_backend())
    return _backends[name]


def backend_for(device: Device) -> Backend:
    """The backend of a device other than the CPU."""
    backend = get_backend(PLATFORMS[device.platform])
    known = backend.machine.device  # type: ignore[attr-defined]
    if device != known:
        raise FxValueError(f"there is no device {device}; the platform has {known}.")
    return backend


def cpu_devices(count: int) -> list[Device]:
    """The first `count` CPU devices."""
    return [Device("cpu", i) for i in range(count)]
