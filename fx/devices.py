"""Devices and transfers: one CPU by default, more by name when asked for."""

from __future__ import annotations

import gc
import importlib
from typing import Any

import numpy as np

from fx.calls.placement import place_tree
from fx.config import config
from fx.core.array import Array, to_array
from fx.core.backend import PLATFORMS, Device, cpu_devices, get_backend
from fx.core.remote import DeviceArray
from fx.errors import FxValueError, public
from fx.pytree import tree_leaves, tree_map


@public
def devices(backend: str | None = None) -> list[Device]:
    """The devices of a platform: `fx.config.cpu_devices` CPU devices (1 unless changed), or a GPU.

    Args:
        backend: "cpu", "gpu" or "simulated_gpu"; by default `fx.config.platform`.

    Raises:
        FxRuntimeError: what the platform needs is not there; the error says what to install.

    Example:
        >>> import fx
        >>> fx.devices()
        [CpuDevice(id=0)]
    """
    platform = backend or config.platform
    if platform == "cpu":
        return cpu_devices(config.cpu_devices)
    if platform not in PLATFORMS:
        raise FxValueError(
            f"devices: no platform {platform!r}; expected one of {', '.join(map(repr, PLATFORMS))}."
        )
    return [get_backend(PLATFORMS[platform]).machine.device]  # type: ignore[attr-defined]


def local_devices(
    process_index: int | None = None, backend: str | None = None, host_id: int | None = None
) -> list[Device]:
    """The devices of this process: all of them."""
    return devices(backend)


def device_count(backend: str | None = None) -> int:
    """How many devices there are."""
    return len(devices(backend))


def local_device_count(backend: str | None = None) -> int:
    """How many devices this process has."""
    return len(devices(backend))


def process_index(backend: str | None = None) -> int:
    """The number of this process: 0."""
    return 0


def process_count(backend: str | None = None) -> int:
    """How many processes run this program together: 1."""
    return 1


def default_backend() -> str:
    """The platform that operations run on."""
    return config.platform


@public
def device_put(
    x: Any, device: Any = None, *, src: Any = None, donate: bool = False, may_alias: Any = None
) -> Any:
    """The arrays of a tree on a device or spread over several, as fx Arrays.

    Args:
        x: arrays or numbers in a pytree.
        device: a `Device`, a sharding, a `PartitionSpec` for the mesh in scope, or a tree prefix
            of these. All CPU devices share their memory: the array keeps its value and remembers
            its `.sharding`. On a GPU it is a copy, and so are the results of what is done with it.
        src, donate, may_alias: accepted as in JAX.

    Raises:
        ShapeError: mesh axes do not divide the array axes that they cut.
        FxTypeError: `device` is something else.

    Example:
        >>> import fx, numpy as np
        >>> fx.device_put(np.float32([1, 2]))
        Array([1., 2.], dtype=float32)
    """
    return place_tree("device_put", x, device)


@public
def device_get(x: Any) -> Any:
    """The arrays of a tree as NumPy arrays.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.device_get(jnp.ones(2))
        array([1., 1.], dtype=float32)
    """
    return tree_map(lambda leaf: np.asarray(leaf) if isinstance(leaf, Array) else leaf, x)


def block_until_ready(x: Any) -> Any:
    """Wait until the arrays of a tree are computed, and return the tree."""
    for leaf in tree_leaves(x):
        if isinstance(leaf, Array):
            leaf.block_until_ready()
    return x


def effects_barrier() -> None:
    """Wait for callbacks; those of the CPU are done when a call returns."""


def doctor() -> None:
    """Print what there is of what the platform "gpu" needs, and what brings the rest.

    Example:
        >>> import fx
        >>> fx.doctor()
        driver ...
    """
    importlib.import_module("fx.backends.cuda.doctor").doctor()


@public
def typeof(x: Any) -> Any:
    """The type of a value as the IR has it: shape, dtype, weakness.

    Example:
        >>> import fx
        >>> fx.typeof(1.0)
        ShapedArray(~f32[])
    """
    return x.aval if isinstance(x, Array) else to_array(x, "typeof").aval


@public
def live_arrays(platform: str | None = None) -> list[Array]:
    """The arrays that there are, found by the garbage collector; for debugging.

    Args:
        platform: only "cpu" exists in this version.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> x = jnp.ones(3)
        >>> any(x is other for other in fx.live_arrays())
        True
    """
    devices(platform)
    return [x for x in gc.get_objects() if type(x) in (Array, DeviceArray)]
