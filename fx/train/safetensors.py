"""The safetensors format: a JSON header with each array's name, dtype, shape and place, then bytes.

Written out here because it is so small: it needs no further package, reads bfloat16, and each
damaged file gets its own message. https://github.com/huggingface/safetensors describes the format.
"""

import json
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from fx.errors import FileError, FxTypeError
from fx.train.files import replacing

_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype("<u1"),
    "U16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "U64": np.dtype("<u8"),
    "I8": np.dtype("<i1"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "C64": np.dtype("<c8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_HEADER_LIMIT = 100_000_000  # bytes, as in the reference implementation
_CHECKSUM = "crc32"  # our key in the metadata; other programs ignore it


def write(
    path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes named arrays (and string metadata) as one safetensors file, whole or not at all.

    A checksum of the arrays' bytes goes into the metadata, so `read` notices flipped bits.

    Raises:
        FxTypeError: an array has a dtype that the format lacks (complex128, random keys).
        FileError: the file cannot be written.
    """
    header: dict[str, Any] = {}
    chunks, offset, checksum = [], 0, 0
    for name, value in arrays.items():
        # (asarray with order="C" keeps rank 0, which ascontiguousarray would not)
        array = np.asarray(value, order="C")
        dtype = array.dtype.newbyteorder("<") if array.dtype.kind in "iufc" else array.dtype
        if dtype not in _NAMES:
            raise FxTypeError(
                f"safetensors: {name!r} has dtype {array.dtype}, expected one of "
                f"{', '.join(sorted(map(str, _NAMES)))}; convert it, or save its parts (real and "
                "imag of complex128, random.key_data of a key)"
            )
        data = array.astype(dtype, copy=False).tobytes()
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
        checksum = zlib.crc32(data, checksum)
    header["__metadata__"] = {**(metadata or {}), _CHECKSUM: f"{checksum:08x}"}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with replacing(path) as file:
        file.write(struct.pack("<Q", len(encoded)))
        file.write(encoded)
        for data in chunks:
            file.write(data)


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Reads a safetensors file, written by fx or by any other program.

    Returns:
        The arrays by name, and the metadata.

    Raises:
        FileError: the file is missing, truncated, damaged, or no safetensors file.

    >>> import numpy as np, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "weights.safetensors")
    ...     write(path, {"w": np.ones((2, 3), np.float32)}, {"note": "all ones"})
    ...     arrays, metadata = read(path)
    >>> arrays["w"].shape, metadata["note"]
    ((2, 3), 'all ones')
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"cannot read {str(path)!r}: {error.strerror or error}") from error

    def damaged(why: str) -> FileError:
        return FileError(
            f"{str(path)!r} is damaged or no safetensors file: {why}; use another copy of the file"
        )

    if len(content) < 8:
        raise damaged(f"expected at least 8 bytes, got {len(content)}")
    (length,) = struct.unpack_from("<Q", content)
    if length > min(_HEADER_LIMIT, len(content) - 8):
        raise damaged(f"its header should have {length} bytes, the file has {len(content)}")
    try:
        header = json.loads(content[8 : 8 + length])
        metadata = dict(header.pop("__metadata__", {}))
        entries = {name: _entry(**entry) for name, entry in header.items()}
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise damaged(f"its header is not valid ({error})") from error

    data = memoryview(content)[8 + length :]
    end = 0
    for name, (dtype, shape, start, stop) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if start != end or stop - start != math.prod(shape) * dtype.itemsize:
            raise damaged(f"{name!r} lies at bytes {start} to {stop}, which does not fit {shape}")
        end = stop
    if end != len(data):
        raise damaged(f"expected {end} bytes of data, got {len(data)}")
    checksum = metadata.pop(_CHECKSUM, None)
    if checksum not in (None, f"{zlib.crc32(data):08x}"):
        raise damaged("the checksum of its arrays differs")
    arrays = {
        name: np.frombuffer(data[start:stop], dtype).reshape(shape)
        for name, (dtype, shape, start, stop) in entries.items()
    }
    return arrays, metadata


def _entry(dtype, shape, data_offsets):
    start, stop = data_offsets
    if not all(isinstance(size, int) and size >= 0 for size in (*shape, start, stop)):
        raise ValueError("negative or fractional sizes")
    return _DTYPES[dtype], tuple(shape), start, stop
