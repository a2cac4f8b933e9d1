"""What the Python array API asks a namespace about itself: devices, dtypes, capabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from fx.config import config
from fx.core.backend import Device, cpu_devices
from fx.dtypes import table as dtypes
from fx.errors import FxTypeError, public
from fx.numpy.comparing import isdtype
from fx.numpy.placing import CPU

API_VERSION = "2024.12"
# What fx has beyond the standard (bfloat16, float16, the floats of 8 bits) is not to be listed.
_STANDARD = (
    dtypes.BOOL,
    *dtypes.SIGNED,
    *dtypes.UNSIGNED,
    *(np.dtype(t) for t in (np.float32, np.float64, np.complex64, np.complex128)),
)
_MAX_DIMENSIONS = 64  # NumPy's


class NamespaceInfo:
    """Answers about `fx.numpy`: the array API's inspection utilities, each a method.

    Source: https://data-apis.org/array-api/2024.12/API_specification/inspection.html

    Example:
        >>> import fx.numpy as jnp
        >>> info = jnp.__array_namespace_info__()
        >>> info.default_device()
        CpuDevice(id=0)
        >>> sorted(info.dtypes(kind=("bool", "real floating")))
        ['bool', 'float32', 'float64']
    """

    def capabilities(self) -> dict[str, Any]:
        """What arrays can do outside of `jit`, where shapes may depend on values."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": _MAX_DIMENSIONS,
        }

    def default_device(self) -> Device:
        """Where arrays are made if nothing else is said."""
        return CPU

    def devices(self) -> list[Device]:
        """The devices there are; see `fx.devices`."""
        return cpu_devices(config.cpu_devices)

    @public
    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype]:
        """The dtypes of what has none of its own, by kind; `fx.default_dtype` changes them.

        Args:
            device: one of `devices()`; all have the same.

        Raises:
            FxTypeError: `device` is no device.
        """
        _known(device)
        return {
            "real floating": dtypes.default_float(),
            "complex floating": dtypes.default_complex(),
            "integral": dtypes.default_int(),
            "indexing": dtypes.default_int(),
        }

    @public
    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, np.dtype]:
        """The standard's dtypes by name.

        Args:
            device: one of `devices()`; all have the same.
            kind: as in `isdtype`: the name of a kind, or a tuple of such; None is all.

        Raises:
            FxTypeError: `device` is no device.
            FxValueError: the kind is unknown.
        """
        _known(device)
        return {d.name: d for d in _STANDARD if kind is None or isdtype(d, kind)}


def _known(device: Any) -> None:
    if not (device is None or isinstance(device, Device)):
        raise FxTypeError(f"expected one of fx.devices() or None, got device={device!r}.")


def __array_namespace_info__() -> NamespaceInfo:
    """What `fx.numpy` supports, for programs written to the array API; see `NamespaceInfo`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.__array_namespace_info__().default_dtypes()["integral"]
        dtype('int32')
    """
    return NamespaceInfo()
