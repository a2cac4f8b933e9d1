"""Memory shared with other libraries by DLPack, bfloat16 and the floats of 8 bits included.

NumPy speaks the protocol for its own dtypes. Those of ml_dtypes travel as unsigned integers of
their size, and in the description of the memory, which is a C struct in a capsule, the byte that
says so is set to what the elements are.

Source: https://dmlc.github.io/dlpack/latest/c_api.html
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from fx import dtypes
from fx.errors import FxBufferError

# DLDataTypeCode of what NumPy has no dtype for.
_CODES = {
    np.dtype(dtypes.bfloat16): 4,
    np.dtype(dtypes.float8_e3m4): 7,
    np.dtype(dtypes.float8_e4m3): 8,
    np.dtype(dtypes.float8_e4m3b11fnuz): 9,
    np.dtype(dtypes.float8_e4m3fn): 10,
    np.dtype(dtypes.float8_e4m3fnuz): 11,
    np.dtype(dtypes.float8_e5m2): 12,
    np.dtype(dtypes.float8_e5m2fnuz): 13,
}
_DTYPES = {code: dtype for dtype, code in _CODES.items()}
_UNSIGNED = 1


class _DLDataType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("dtype", _DLDataType),
    )  # what follows is not needed


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _DLTensor),
    )


_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def _element_type(capsule: Any) -> _DLDataType:
    """The description of the elements in a fresh capsule of either version; to be written to."""
    if _is_valid(capsule, b"dltensor_versioned"):
        return _Versioned.from_address(_pointer(capsule, b"dltensor_versioned")).tensor.dtype
    return _DLTensor.from_address(_pointer(capsule, b"dltensor")).dtype


def exported(data: Any, **options: Any) -> Any:
    """A capsule with an array's memory.

    Args:
        data: numpy.ndarray or cupy.ndarray.
        **options: of `__dlpack__`.

    Raises:
        BufferError: the dtype has no place in the protocol, or the consumer's wish cannot be met.
    """
    if dtypes.is_key(data.dtype):
        raise FxBufferError(
            "DLPack has no random keys. Give fx.random.key_data(key) and, back, wrap_key_data."
        )
    if options.get("max_version") is None and options.get("copy") is not False:
        # An old consumer cannot be told that it may not write.
        data = data if data.flags.writeable else data.copy()
    code = _CODES.get(data.dtype)
    if code is None:
        return data.__dlpack__(**options)
    capsule = data.view(f"uint{8 * data.dtype.itemsize}").__dlpack__(**options)
    _element_type(capsule).code = code
    return capsule


_CPU = 1
_ON_CPU = (_CPU, 3, 11)  # pinned memory of CUDA and ROCm too


class _Producer:
    """An array whose elements are told to be unsigned integers if NumPy does not know them."""

    def __init__(self, array: Any):
        self.array = array
        self.dtype: np.dtype | None = None

    def __dlpack__(self, **options: Any) -> Any:
        capsule = self.array.__dlpack__(**options)
        element = _element_type(capsule)
        dtype = _DTYPES.get(element.code)
        if dtype is not None and (element.bits, element.lanes) == (8 * dtype.itemsize, 1):
            self.dtype, element.code = dtype, _UNSIGNED
        return capsule

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def imported(array: Any) -> np.ndarray:
    """The memory of another library's array.

    Raises:
        FxBufferError: it is not on the CPU, its dtype is not one of NumPy's or ml_dtypes', or its
            owner does not give it away.
    """
    kind = type(array).__name__
    try:
        place = getattr(array, "__dlpack_device__", lambda: (_CPU, 0))()
    except (ValueError, RuntimeError, BufferError) as error:
        raise FxBufferError(f"a {kind} cannot be taken over by DLPack: {error}") from None
    if place[0] not in _ON_CPU:
        raise FxBufferError(
            f"a {kind} on a device of type {int(place[0])} (DLPack's number; 2 is CUDA) is not in "
            "memory of the CPU. Copy it there first: x.get() of CuPy, x.cpu() of PyTorch."
        )
    producer = _Producer(array)
    try:
        data = np.from_dlpack(producer)
    except RuntimeError as error:  # NumPy's error for a dtype that it does not know
        raise FxBufferError(
            f"a {kind}: {error}. Convert the array to another dtype first."
        ) from None
    except BufferError as error:
        raise FxBufferError(f"a {kind} cannot be taken over by DLPack: {error}") from None
    return data if producer.dtype is None else data.view(producer.dtype)
