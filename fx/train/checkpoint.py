"""Pytrees in files: each leaf is stored as a safetensors array under its key path."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

import fx.numpy as jnp
from fx import tree_util
from fx.core.array import Array
from fx.errors import FileError, FxTypeError, FxValueError
from fx.train.files import replacing

# The key of what fx adds to a file's own metadata, which is strings: as JSON, the caller's metadata
# and a checksum of the arrays, since the format has none.
_METADATA = "fx"

# What the library both writes and reads: ?, u1, ..., i8, f2, f4, f8, c8 and bfloat16.
_DTYPES = {np.dtype(code) for code in "?BbHhIiQqefdF"} | {np.dtype(ml_dtypes.bfloat16)}


def save(path: str | Path, tree: Any, metadata: Mapping[str, Any] | None = None) -> None:
    """Writes a pytree of arrays and numbers, such as parameters or a whole training state.

    Args:
        path: the file; a former one is replaced only when the new one is complete.
        tree: its leaves are fx or NumPy arrays or Python numbers. A leaf's name in the file is its
            key path joined by dots: `{"dense": [w, b]}` gives `dense.0` and `dense.1`.
        metadata: anything that JSON can express.

    Raises:
        FxTypeError: a leaf is no array, or has a dtype that safetensors lacks.
        FxValueError: two leaves have the same name (`{"a.b": x, "a": {"b": y}}`).
        FileError: the file cannot be written.

    >>> import pathlib, tempfile
    >>> import fx.numpy as jnp
    >>> state = {"params": {"w": jnp.ones((2, 3)), "b": jnp.zeros(3)}, "step": 7}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "state.safetensors")
    ...     save(path, state, {"epoch": 2})
    ...     restored, about = load(path, state), load_metadata(path)
    >>> restored["params"]["w"].shape, restored["step"], about
    ((2, 3), 7, {'epoch': 2})
    """
    arrays = {}
    for name, leaf in _named_leaves(tree):
        if name in arrays:
            raise FxValueError(
                f"checkpoint.save: two leaves are named {name!r}, because a key contains a dot; "
                "rename that key"
            )
        arrays[name] = _stored(name, _as_numpy(name, leaf))
    about = {"metadata": dict(metadata or {}), "crc32": _checksum(arrays)}
    content = safetensors.numpy.save(arrays, {_METADATA: json.dumps(about)})
    with replacing(path) as file:
        file.write(content)


def load(path: str | Path, like: Any = None) -> Any:
    """Reads a pytree that `save` wrote, or any other safetensors file.

    Args:
        path: the file.
        like: a tree of the wanted structure, with arrays of the wanted shapes and dtypes. Each
            leaf comes back as what it is there: an fx array, a NumPy array or a number.

    Returns:
        The tree; without `like` a flat dict from name to fx array.

    Raises:
        FileError: the file is missing or damaged, or does not hold that tree; the message names
            each leaf that is missing, unexpected, or of another shape or dtype.
    """
    arrays, _ = _read(path)
    if like is None:
        return {name: jnp.asarray(array) for name, array in arrays.items()}
    wanted = dict(_named_leaves(like))
    problems = [f"  {name}: missing" for name in wanted if name not in arrays]
    problems += [f"  {name}: not expected" for name in arrays if name not in wanted]
    for name in wanted.keys() & arrays.keys():
        leaf, array = _as_numpy(name, wanted[name]), arrays[name]
        dtype = leaf.dtype.newbyteorder("=")
        if (leaf.shape, dtype) != (array.shape, array.dtype):
            problems.append(
                f"  {name}: expected {dtype} of shape {leaf.shape}, got {array.dtype} of "
                f"shape {array.shape}"
            )
    if problems:
        shown = sorted(problems)[:10] + (["  ..."] if len(problems) > 10 else [])
        raise FileError(
            f"checkpoint.load: {str(path)!r} does not hold the expected tree:\n"
            + "\n".join(shown)
            + "\nLoad it with the model and optimizer that it was saved with."
        )
    leaves = [_like(leaf, arrays[name]) for name, leaf in _named_leaves(like)]
    return tree_util.tree_unflatten(tree_util.tree_structure(like), leaves)


def load_metadata(path: str | Path) -> dict[str, Any]:
    """Reads the metadata that `save` was given; empty for files from elsewhere.

    Raises:
        FileError: the file is missing or damaged.
    """
    return _read(path)[1]


def _read(path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a safetensors file, and the metadata that `save` was given."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
    except OSError as error:
        raise FileError(f"cannot read {str(path)!r}: {error}") from error
    # (AttributeError: a dtype that NumPy lacks)
    except (safetensors.SafetensorError, AttributeError, ValueError) as error:
        raise FileError(
            f"{str(path)!r} is damaged or no safetensors file of NumPy's dtypes: {error}; use "
            "another copy of the file"
        ) from error
    if about.get("crc32") not in (None, _checksum(arrays)):
        raise FileError(
            f"{str(path)!r} is damaged: the checksum of its arrays differs; use another copy of "
            "the file"
        )
    return arrays, about.get("metadata", {})


def _checksum(arrays) -> str:
    checksum = 0
    for name in sorted(arrays):
        checksum = zlib.crc32(arrays[name].tobytes(), checksum)
    return f"{checksum:08x}"


def _named_leaves(tree):
    leaves, _ = tree_util.tree_flatten_with_path(tree)
    return [(tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in leaves]


def _as_numpy(name, leaf) -> np.ndarray:
    if not isinstance(leaf, (Array, np.ndarray, np.generic, bool, int, float)):
        raise FxTypeError(
            f"checkpoint: expected an array or a number at {name!r}, got {type(leaf).__name__}; "
            "put other values into the metadata"
        )
    return np.asarray(leaf)


def _stored(name, array):
    """The array as the library needs it: of a dtype it knows, little-endian, without gaps."""
    array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    if array.dtype not in _DTYPES:
        raise FxTypeError(
            f"checkpoint.save: {name!r} has dtype {array.dtype}, expected one of "
            f"{', '.join(sorted(map(str, _DTYPES)))}; convert it, or save its parts (real and imag "
            "of complex128, random.key_data of a key)"
        )
    return array


def _like(leaf, array):
    if isinstance(leaf, Array):
        return jnp.asarray(array)
    return array if isinstance(leaf, (np.ndarray, np.generic)) else array.item()
