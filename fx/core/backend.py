"""Devices and the protocol of a backend: what it takes to run compiled programs somewhere.

A backend is one folder that makes an object with `compile(jaxpr) -> callable on raw arrays`.
CPU devices are names for threads that run parts of a `pmap`; they are made when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fx.core.ir import Jaxpr
from fx.errors import FxValueError


class Backend(Protocol):
    """What a backend offers."""

    name: str

    def compile(self, jaxpr: Jaxpr) -> Callable[[Sequence[Any]], list[Any]]:
        """A function from raw arrays to raw arrays that runs the program."""
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
        return f"{self.platform.capitalize()}Device(id={self.id})"

    def __str__(self) -> str:
        return f"{self.platform}:{self.id}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and (self.platform, self.id) == (other.platform, other.id)

    def __hash__(self) -> int:
        return hash((self.platform, self.id))


_backends: dict[str, Backend] = {}


def register_backend(platform: str, backend: Backend) -> None:
    """Make a backend available under a platform name."""
    _backends[platform] = backend


def get_backend(platform: str = "cpu") -> Backend:
    """The backend of a platform."""
    if platform not in _backends:
        raise FxValueError(
            f"no backend for the platform {platform!r}; this installation has "
            f"{', '.join(_backends)}."
        )
    return _backends[platform]


def cpu_devices(count: int) -> list[Device]:
    """The first `count` CPU devices."""
    return [Device("cpu", i) for i in range(count)]
