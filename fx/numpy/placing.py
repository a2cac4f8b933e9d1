"""Where arrays are: `device=` of the functions that make them, and the methods that ask."""

from __future__ import annotations

from typing import Any, NamedTuple

from fx.calls.placement import placed
from fx.core.array import Array
from fx.core.backend import Device
from fx.core.mesh import SingleDeviceSharding
from fx.errors import FxValueError, public

CPU = Device("cpu", 0)
_WHOLE = SingleDeviceSharding(CPU)


def on_device(x: Any, device: Any, name: str) -> Any:
    """An array on a device or with a sharding, for the function `name`; None leaves it alone."""
    if device is None or (isinstance(device, Device) and type(x) is Array and x.device == device):
        return x
    return placed(name, x, device)


def beside(x: Any, other: Any, device: Any, name: str) -> Any:
    """As `on_device`; without a device, where `other` was put."""
    if device is None and type(other) is Array and x.shape == other.shape:
        device = getattr(other, "_placement", None)
    return on_device(x, device, name)


class Shard(NamedTuple):
    """The part of an array on a device.

    Attributes:
        device: where it is.
        index: slices of the array that it holds.
        replica_id: its number among equal shards.
        data: it, as an array.
    """

    device: Device
    index: tuple[slice, ...]
    replica_id: int
    data: Array


def sharding(self: Array) -> Any:
    """How the array is spread over devices: whole on the first, unless it was put elsewhere."""
    return getattr(self, "_placement", _WHOLE)


def shards(self: Array) -> list[Shard]:
    """The array's part on each device."""
    place = sharding(self)
    if place is _WHOLE:
        return [Shard(CPU, (slice(None),) * self.ndim, 0, self)]
    places = place.devices_indices_map(self.shape)
    replicas: dict[str, int] = {}
    found = []
    for device, index in places.items():
        number = replicas[str(index)] = replicas.get(str(index), -1) + 1
        found.append(Shard(device, index, number, self[index]))
    return found


def device(self: Array) -> Any:
    """The device that has the array, or the sharding if several have it."""
    place = sharding(self)
    return next(iter(place.device_set)) if isinstance(place, SingleDeviceSharding) else place


@public
def to_device(self: Array, device: Any, /, *, stream: Any = None) -> Array:
    """The array on a device; see `fx.device_put`.

    Args:
        device: a `Device` or a sharding.
        stream: None; the CPU has no streams.

    Raises:
        FxTypeError: `device` is something else.
        FxValueError: a stream is given.
    """
    if stream is not None:
        raise FxValueError(
            f"to_device: the CPU has no streams, got stream={stream!r}. Leave it out."
        )
    return on_device(self, device, "to_device")
