"""Grids of coordinates, index tricks, and arrays made by calling or reading something."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.dlpack import imported
from fx.core.primitive import P
from fx.errors import FxError, FxTypeError, FxValueError, ShapeError, public
from fx.numpy.creation import frozen, make_array
from fx.numpy.joining import joined_along
from fx.numpy.manipulation import reshaped
from fx.numpy.placing import on_device
from fx.numpy.promotion import a_dtype, a_shape, array, convert, expand_to
from fx.numpy.ranges import arange, linspace
from fx.signatures import shown


@public
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> list[Array]:
    """Coordinates of the points of a grid, one array for each dimension.

    Args:
        *xi: vectors of coordinates (or numbers).
        copy: accepted.
        sparse: keep axes of size 1 instead of repeating along them.
        indexing: "xy": the first vector runs along axis 1; "ij": along axis 0.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.meshgrid(jnp.array([1, 2]), jnp.array([3, 4]))[0]
        Array([[1, 2],
               [1, 2]], dtype=int32)
    """
    if indexing not in ("xy", "ij"):
        raise FxValueError(f"numpy.meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}.")
    vectors = [make_array(x, None, "numpy.meshgrid") for x in xi]
    if any(v.ndim > 1 for v in vectors):
        raise ShapeError("numpy.meshgrid expects vectors.")
    vectors = [reshaped(v, (v.size,)) for v in vectors]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]  # axis of each vector
    sizes = [0] * len(order)
    for v, place in zip(vectors, order, strict=True):
        sizes[place] = v.size
    out = []
    for v, place in zip(vectors, order, strict=True):
        if sparse:
            shape = tuple(v.size if i == place else 1 for i in range(len(sizes)))
            out.append(reshaped(v, shape))
        else:
            out.append(P.broadcast_in_dim(v, shape=tuple(sizes), broadcast_dimensions=(place,)))
    return out


@public
def indices(dimensions: Any, dtype: Any = None, sparse: bool = False) -> Any:
    """The positions of a grid along each of its axes.

    Args:
        dimensions: sizes.
        dtype: int32 (the default integer) by default.
        sparse: return a tuple of arrays with axes of size 1 instead.

    Returns:
        Array of shape (len(dimensions), *dimensions).

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.indices((2, 2))[0]
        Array([[0, 0],
               [1, 1]], dtype=int32)
    """
    sizes = a_shape(dimensions, "numpy.indices")
    wanted = a_dtype(dtype, "numpy.indices") or dtypes.default_int()
    grids = []
    for i, n in enumerate(sizes):
        shape = tuple(n if j == i else 1 for j in range(len(sizes))) if sparse else sizes
        grids.append(P.iota(dtype=wanted, shape=shape, dimension=i))
    if sparse:
        return tuple(grids)
    if not grids:
        return Array(np.zeros((0,), wanted))
    rows = [P.reshape(g, new_sizes=(1, *sizes)) for g in grids]
    return P.concatenate(*rows, dimension=0) if len(rows) > 1 else rows[0]


@public
def ix_(*args: Any) -> tuple[Array, ...]:
    """Vectors shaped so that together they index a grid: `x[jnp.ix_(rows, columns)]`.

    Args:
        *args: vectors of positions, or bool vectors.

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.array([[1, 2, 3], [4, 5, 6]])
        >>> x[jnp.ix_(jnp.array([1]), jnp.array([0, 2]))]
        Array([[4, 6]], dtype=int32)
    """
    out = []
    for i, a in enumerate(args):
        v = make_array(a, None, "numpy.ix_")
        if v.ndim != 1:
            raise ShapeError(f"numpy.ix_ expects vectors, got {v.aval.short()}.")
        if v.dtype == np.bool_:
            v = Array(np.flatnonzero(np.asarray(v)).astype(dtypes.default_int()))
        if not v.size:  # an empty list is one of positions, not of floats
            v = convert(v, dtypes.default_int())
        out.append(reshaped(v, tuple(v.size if j == i else 1 for j in range(len(args)))))
    return tuple(out)


def _axis_points(cut: slice, name: str) -> Any:
    """Coordinates of one slice: by distance, or (with an imaginary step) by number."""
    start = 0 if cut.start is None else cut.start
    step = 1 if cut.step is None else cut.step
    if cut.stop is None:
        raise FxValueError(f"{name}: slices need a stop, got {cut}.")
    if isinstance(step, complex):
        return linspace(start, cut.stop, int(abs(step)))
    return arange(start, cut.stop, step)


class _Grid:
    """`mgrid` and `ogrid`: grids written as slices."""

    def __init__(self, name: str, dense: bool):
        self._name = name
        self._dense = dense

    def __repr__(self) -> str:
        return f"fx.numpy.{self._name}"

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return _axis_points(key, self._name)
        axes = [_axis_points(k, self._name) for k in key]
        dtype = dtypes.result_type(*axes)
        grids = meshgrid(*[convert(a, dtype) for a in axes], indexing="ij", sparse=not self._dense)
        if not self._dense:
            return grids
        return joined_along([reshaped(g, (1, *g.shape)) for g in grids], 0, self._name)


mgrid = _Grid("mgrid", True)
ogrid = _Grid("ogrid", False)


class _Join:
    """`r_` and `c_`: arrays, numbers and slices joined along an axis."""

    def __init__(self, name: str, axis: int, rank: int, place: int):
        self._name = name
        self._defaults = axis, rank, place

    def __repr__(self) -> str:
        return f"fx.numpy.{self._name}"

    def __getitem__(self, key: Any) -> Array:
        items = list(key) if isinstance(key, tuple) else [key]
        axis, rank, place = self._defaults
        if items and isinstance(items[0], str):
            numbers = [int(v) for v in items.pop(0).split(",")]
            axis, rank, place = (*numbers, *(axis, rank, place)[len(numbers) :])
        parts = []
        for item in items:
            if isinstance(item, slice):
                x = _axis_points(item, self._name)
            else:
                x = make_array(item, None, f"numpy.{self._name}")
            if x.ndim < max(rank, 1):
                extra = max(rank, 1) - x.ndim
                # The array's own axes start at `place`, or end with the new array's axes.
                before = extra if place < 0 else min(place, extra)
                x = reshaped(x, (1,) * before + x.shape + (1,) * (extra - before))
            parts.append(x)
        return joined_along(parts, axis, f"numpy.{self._name}")


r_ = _Join("r_", 0, 1, -1)
c_ = _Join("c_", -1, 2, 0)


# ------------------------------------------------------------------ from functions and buffers
@contextlib.contextmanager
def _refusals(name: str) -> Iterator[None]:
    """NumPy's errors on contents that it cannot read, as errors of `name`."""
    try:
        yield
    except (ValueError, DeprecationWarning) as error:
        if isinstance(error, FxError) or "truth value" in str(error):
            raise  # an option is not what its annotation says
        raise FxValueError(f"{name}: {error}.") from None


def _file(file: Any, name: str) -> Any:
    """A path or an open file; a number, which would be a file descriptor, is neither."""
    if isinstance(file, (str, os.PathLike)) or hasattr(file, "read") or hasattr(file, "write"):
        return file
    raise FxTypeError(f"{name}: file must be a path or an open file, got {shown(file)}.")


@public
def fromfunction(
    function: Callable[..., Any], shape: Any, *, dtype: Any = float, **kwargs: Any
) -> Array:
    """The values of a function on the positions of a grid.

    Args:
        function: of one array for each axis.
        shape: sizes of the grid.
        dtype: of the positions.
        **kwargs: passed on.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fromfunction(lambda i, j: i + j, (2, 2), dtype=int)
        Array([[0, 1],
               [1, 2]], dtype=int32)
    """
    sizes = a_shape(shape, "numpy.fromfunction")
    wanted = a_dtype(dtype, "numpy.fromfunction") or dtypes.default_float()
    grids = [P.iota(dtype=wanted, shape=sizes, dimension=i) for i in range(len(sizes))]
    out = make_array(function(*grids, **kwargs), None, "numpy.fromfunction")
    return expand_to(out, sizes) if out.shape == () else out


@public
def frombuffer(buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0) -> Array:
    """The bytes of a buffer as a vector.

    Args:
        buffer: bytes or anything with the buffer protocol.
        dtype: of the elements.
        count: how many; all by default.
        offset: where to start, in bytes.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.frombuffer(b"\\x01\\x02", dtype=jnp.uint8)
        Array([1, 2], dtype=uint8)
    """
    wanted = a_dtype(dtype, "numpy.frombuffer")
    try:
        memoryview(buffer)
    except (TypeError, BufferError):
        raise FxTypeError(
            f"numpy.frombuffer expects bytes or an object with a buffer, got {shown(buffer)}."
        ) from None
    with _refusals("numpy.frombuffer"):
        return make_array(np.frombuffer(buffer, wanted, count, offset), None, "numpy.frombuffer")


@public
def fromiter(iter: Iterable[Any], dtype: Any, count: int = -1) -> Array:
    """The numbers of an iterator as a vector.

    Args:
        iter: numbers.
        dtype: of the elements.
        count: how many; all by default.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fromiter((i * i for i in range(3)), dtype=int)
        Array([0, 1, 4], dtype=int32)
    """
    with _refusals("numpy.fromiter"):
        return Array(np.fromiter(iter, a_dtype(dtype, "numpy.fromiter"), count))  # type: ignore[arg-type]


@public
def fromstring(string: str, dtype: Any = float, count: int = -1, *, sep: str) -> Array:
    """Numbers in a text as a vector.

    Args:
        string: the text.
        dtype: of the elements.
        count: how many; all by default.
        sep: between the numbers.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.fromstring("1 2", dtype=int, sep=" ")
        Array([1, 2], dtype=int32)
    """
    if not isinstance(string, str):
        raise FxTypeError(f"numpy.fromstring: string must be a string, got {shown(string)}.")
    with _refusals("numpy.fromstring"):
        return Array(np.fromstring(string, a_dtype(dtype, "numpy.fromstring"), count, sep=sep))


@public
def fromfile(file: Any, dtype: Any = float, count: int = -1, sep: str = "", offset: int = 0) -> Any:
    """The contents of a file as a vector.

    Args:
        file: open file or path.
        dtype: of the elements.
        count: how many; all by default.
        sep: between numbers in a text file; empty for a binary one.
        offset: where to start, in bytes.

    Example:
        >>> import fx.numpy as jnp, tempfile, numpy as np
        >>> with tempfile.NamedTemporaryFile() as f:
        ...     np.arange(2, dtype="int8").tofile(f.name)
        ...     jnp.fromfile(f.name, dtype=jnp.int8)
        Array([0, 1], dtype=int8)
    """
    with _refusals("numpy.fromfile"):
        wanted = a_dtype(dtype, "numpy.fromfile")
        return Array(np.fromfile(_file(file, "numpy.fromfile"), wanted, count, sep, offset))


@public
def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """An array of another library, by the DLPack protocol.

    Args:
        x: an object with `__dlpack__`, on the CPU.
        device: where to put it; see `fx.device_put`.
        copy: None or True: in memory of its own, since the other library may write to its. False:
            never copied, so that nobody may write to it any more. An Array is copied for True only.

    Raises:
        FxTypeError: `x` does not speak the protocol.
        BufferError: it is not on the CPU, or its dtype is not one that fx has.

    Source: https://dmlc.github.io/dlpack/latest/python_spec.html

    Example:
        >>> import fx.numpy as jnp, numpy as np
        >>> jnp.from_dlpack(np.ones(2, np.float32))
        Array([1., 1.], dtype=float32)
    """
    name = "numpy.from_dlpack"
    if isinstance(x, Array):
        return on_device(P.copy(x) if copy else x, device, name)
    if not hasattr(x, "__dlpack__"):
        raise FxTypeError(f"{name} expects an array with __dlpack__, got {type(x)}.")
    data = imported(x)
    return on_device(frozen(data if copy is False else data.copy(), name), device, name)


# ------------------------------------------------------------------ files
@public
def save(file: Any, arr: Any, allow_pickle: bool = True) -> None:
    """Write an array in NumPy's .npy format.

    Args:
        file: open binary file or path.
        arr: array.
        allow_pickle: accepted; numbers need none.

    Example:
        >>> import fx.numpy as jnp, io
        >>> f = io.BytesIO()
        >>> jnp.save(f, jnp.arange(2))
        >>> _ = f.seek(0)
        >>> jnp.load(f)
        Array([0, 1], dtype=int32)
    """
    data = np.asarray(array(arr, "numpy.save"))
    np.save(_file(file, "numpy.save"), data, allow_pickle=allow_pickle)


@public
def savez(file: Any, *args: Any, **kwds: Any) -> None:
    """Write several arrays into one .npz file.

    Args:
        file: open binary file or path.
        *args, **kwds: arrays; without a name they are called arr_0, arr_1, ...

    Example:
        >>> import fx.numpy as jnp, io
        >>> f = io.BytesIO()
        >>> jnp.savez(f, a=jnp.arange(2))
        >>> _ = f.seek(0)
        >>> jnp.load(f)["a"].tolist()
        [0, 1]
    """
    named: Any = {k: np.asarray(array(v, "numpy.savez")) for k, v in kwds.items()}
    np.savez(
        _file(file, "numpy.savez"), *[np.asarray(array(v, "numpy.savez")) for v in args], **named
    )


@public
def load(file: Any, mmap_mode: str | None = None, allow_pickle: bool = False, **kwargs: Any) -> Any:
    """Read a .npy file as an Array, or a .npz file as a mapping of names to ndarrays.

    Args:
        file: open binary file or path.
        mmap_mode: map the file into memory instead of reading it.
        allow_pickle: must stay False for files from others: unpickling runs code.
        **kwargs: passed on to `numpy.load`.

    Example:
        >>> import fx.numpy as jnp, io
        >>> f = io.BytesIO()
        >>> jnp.save(f, jnp.ones(2))
        >>> _ = f.seek(0)
        >>> jnp.load(f)
        Array([1., 1.], dtype=float32)
    """
    if mmap_mode is not None and mmap_mode not in ("r", "r+", "w+", "c"):
        raise FxValueError(
            f"numpy.load: mmap_mode must be 'r', 'r+', 'w+' or 'c', got {mmap_mode!r}."
        )
    with _refusals("numpy.load"):
        path = _file(file, "numpy.load")
        out = np.load(path, mmap_mode=mmap_mode, allow_pickle=allow_pickle, **kwargs)
    if not isinstance(out, np.ndarray):
        return out
    if out.dtype.kind == "V" and out.dtype.itemsize == 2 and out.dtype.names is None:
        out = out.view(dtypes.bfloat16)  # what NumPy makes of a bfloat16 file
    return make_array(out, None, "numpy.load")
