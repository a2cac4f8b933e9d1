"""Arrays whose elements are in the memory of a device other than the CPU.

Work follows its data: an operation on them, or a jitted function of them, runs where they are. What
is on the CPU and was not put there on purpose is sent along.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fx.core.array import Array
from fx.core.backend import get_backend
from fx.errors import FxValueError


class Remote:
    """The elements of an array, in row-major order in a device's memory.

    Attributes:
        shape, dtype: of the array.
        device: where it is.
        backend: the name of the backend that runs programs there.
    """

    __slots__ = ()

    shape: tuple[int, ...]
    dtype: np.dtype
    device: Any
    backend: str

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError(f"NumPy was given an array on {self.device}, which it cannot read")

    def get(self) -> np.ndarray:
        """A copy on the CPU."""
        raise NotImplementedError

    def wait(self) -> None:
        """Wait until the elements are computed."""
        raise NotImplementedError


class DeviceArray(Array):
    """A concrete array on a device other than the CPU; its data is a `Remote`."""

    __slots__ = ()

    def _concrete(self, error: type[Exception], what: str) -> Any:
        return np.asarray(self)

    def __deepcopy__(self, memo: Any) -> Array:
        return self

    def block_until_ready(self) -> Array:
        """Wait until the value is computed. Returns the array."""
        self._data.wait()
        return self


def are_remote(arrays: Iterable[Any]) -> bool:
    """Whether any of some arrays is on a device other than the CPU."""
    return DeviceArray in map(type, arrays)


def run_remote(primitive: Any, arrays: Sequence[Array], params: dict[str, Any]) -> Any:
    """The results of an operation, where its operands are, else on the platform in force."""
    backend: Any = get_backend(backend_of(primitive.name, arrays))
    return backend.operation(primitive, arrays, params)


def backend_of(what: str, arrays: Iterable[Any]) -> str | None:
    """The name of the backend that has some arrays; None if they are on the CPU.

    Raises:
        FxValueError: they were put on different devices.
    """
    first = None
    for x in arrays:
        if type(x) is DeviceArray:
            device = x._data.device
        elif type(x) is Array and hasattr(x, "_placement") and len(x.devices()) == 1:
            (device,) = x.devices()
        else:
            continue
        if first is None:
            first = x, device
        elif device != first[1]:
            raise FxValueError(
                f"{what}: its operands are on different devices, {first[0].aval.short()} on "
                f"{first[1]} and {x.aval.short()} on {device}. Move one of them: "
                f"fx.device_put(x, {device!r})."
            )
    remote = [x for x in arrays if type(x) is DeviceArray]
    return remote[0]._data.backend if remote else None
