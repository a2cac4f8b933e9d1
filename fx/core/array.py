"""The array type: an immutable wrapper of one `numpy.ndarray` (or `cupy.ndarray`).

This file holds what an Array *is*: its data, its type, NumPy's protocols, conversion to Python.
What one can *do* with it (operators, methods, indexing, `.at`) is attached by
`fx.numpy.array_methods`, since those are compositions of primitives.
"""

from __future__ import annotations

import copy as _copy
from typing import TYPE_CHECKING, Any

import numpy as np

from fx import dtypes
from fx.core import dlpack
from fx.core.avals import ShapedArray, interned
from fx.core.deleted import Deleted, deleted, type_of
from fx.errors import FxError, FxOverflowError, FxTypeError, public
from fx.signatures import declare, text_of

if TYPE_CHECKING:
    from fx.core.array_interface import ArrayInterface
else:
    ArrayInterface = object


class Array(ArrayInterface):
    """An immutable n-dimensional array, concrete or traced.

    Made by functions such as `fx.numpy.asarray`, never directly. `isinstance(x, fx.Array)` also
    holds for traced values; `type(x) is fx.Array` only for concrete ones.

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.asarray([1.0, 2.0])
        >>> x.at[0].set(5.0)
        Array([5., 2.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_aval", "_data", "_placement", "weak_type")

    # NumPy hands mixed expressions (ndarray + Array) to Array's reflected operators.
    __array_priority__ = 100

    _aval: ShapedArray | None  # the type, once it was asked for
    _data: Any
    _placement: Any  # a sharding, where `device_put` gave one; else unset
    weak_type: bool

    def __init__(self, data: Any, weak_type: bool = False):
        self._data = data
        self.weak_type = weak_type
        self._aval = None

    # ------------------------------------------------------------------ type
    @property
    def aval(self) -> ShapedArray:
        aval = self._aval
        if aval is None:
            data = self._data
            if type(data) is Deleted:
                data.refuse()
            aval = self._aval = interned(data.shape, data.dtype, self.weak_type)
        return aval

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def dtype(self) -> np.dtype:
        data = self._data
        return data.dtype if type(data) is np.ndarray else type_of(data)

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    # ------------------------------------------------------------------ to Python and NumPy
    def _concrete(self, error: type[Exception], what: str) -> Any:
        """The raw data; tracers override this to fall back on their value or to raise `error`."""
        if type(self._data) is Deleted:
            self._data.refuse()
        return self._data

    def _scalar(self, error: type[Exception], what: str) -> Any:
        data = self._concrete(error, what)
        if data.size != 1 or (data.ndim and what != "bool()"):
            raise FxTypeError(
                f"{what} needs an array with exactly one element and shape (), got "
                f"{self.aval.short()}. Index it, or use .item() on an array of size 1."
            )
        return data

    @public
    def __len__(self) -> int:
        if not self.shape:
            raise FxTypeError(f"len() of an unsized array {self.aval.short()}")
        return self.shape[0]

    @public
    def __hash__(self) -> int:
        raise FxTypeError(
            "an fx.Array is not hashable: it cannot be a dict key, a set member or a static "
            "argument. Pass it as an ordinary argument, or hash x.tobytes()."
        )

    @public
    def __setitem__(self, index: Any, value: Any) -> None:
        raise FxTypeError(
            "fx arrays are immutable: instead of x[i] = y write x = x.at[i].set(y); "
            "instead of x[i] += y write x = x.at[i].add(y)."
        )

    def __copy__(self) -> Array:
        return self

    def __deepcopy__(self, memo: Any) -> Array:
        return Array(_copy.deepcopy(self._data, memo), self.weak_type)

    def __reduce__(self) -> Any:
        return _unpickle, (np.asarray(self), self.weak_type)

    @public
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        from_device = getattr(self._data, "get", None)  # cupy
        data = from_device() if from_device is not None else self._data
        if dtype is not None and data.dtype != dtype:
            if copy is False:
                raise FxValueErrorNoCopy(self, dtype)
            return data.astype(dtype)
        if copy:
            return data.copy()
        view = data.view()
        # All of it is read-only from now on: so `to_array` knows that it may share the view.
        while isinstance(data, np.ndarray) and data.flags.writeable:
            data.flags.writeable = False
            data = data.base
        view.flags.writeable = False
        return view

    @public
    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule with the memory, for `from_dlpack` of another library.

        From version 1.0 of DLPack it says that the memory is not to be written to; an older
        consumer is trusted not to.

        Args:
            stream, max_version, dl_device, copy: the consumer's wishes, as in the array API.

        Raises:
            BufferError: the dtype or the device is not one of the CPU's.
        """
        data = self._data
        if max_version is not None and max_version[0] >= 1 and not copy:
            data = data.view()
            data.flags.writeable = False
        return dlpack.exported(
            data, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()

    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(np.asarray(self))  # type: ignore[arg-type]

    @property
    def __cuda_array_interface__(self) -> Any:
        return self._data.__cuda_array_interface__  # AttributeError on a CPU array, as it should

    def block_until_ready(self) -> Array:
        """Wait until the value is computed; CPU arrays always are. Returns the array."""
        return self

    def copy_to_host_async(self) -> None:
        """Start a transfer to the host; CPU arrays are there."""

    def is_deleted(self) -> bool:
        """Whether the array was deleted, or donated to a jitted function."""
        return type(self._data) is Deleted

    def delete(self) -> None:
        """Let go of the memory now; what uses the array afterwards raises FxRuntimeError."""
        if not self.is_deleted():
            delete(self, "deleted by its method delete(). Keep it as long as it is used.")

    def is_ready(self) -> bool:
        """Whether the value is computed; CPU arrays always are."""
        return True

    @property
    def is_fully_addressable(self) -> bool:
        return True

    @property
    def is_fully_replicated(self) -> bool:
        """Whether every device of the array's sharding has all of it."""
        return self.sharding.is_fully_replicated

    @property
    def committed(self) -> bool:
        """Whether the array was put somewhere on purpose: it has a sharding of its own."""
        return hasattr(self, "_placement")

    def on_device_size_in_bytes(self) -> int:
        """The memory that the elements take."""
        return self.nbytes

    @public
    def unsafe_buffer_pointer(self) -> int:
        """The address of the first element."""
        return self._data.ctypes.data


def delete(array: Array, why: str) -> None:
    """Take the data from an array; errors will say why."""
    text, data = f"the array {array.aval.strong().short()} was {why}", array._data
    array._aval = None  # first: a call that finds the type known takes the data for granted
    array._data = deleted(data.shape, data.dtype, text)


def FxValueErrorNoCopy(array: Array, dtype: Any) -> Exception:
    """The error for a conversion that cannot be done without the copy that was ruled out."""
    return ValueError(
        f"np.asarray(x, dtype={np.dtype(dtype)}, copy=False): x has dtype {array.dtype}, and a "
        "conversion needs a copy. Use copy=None."
    )


def _unpickle(data: np.ndarray, weak_type: bool) -> Array:
    return Array(data, weak_type)


_PYTHON_SCALARS = (bool, int, float, complex)


def _are_numbers(x: Any) -> bool:
    return dtypes.KIND[aval_of(x).dtype] != "k"


declare("ArrayLike", "an array or a number", _are_numbers)


def is_arraylike(x: Any) -> bool:
    """Whether `x` is a leaf that `to_array` takes: array, tracer, NumPy value, Python number."""
    return isinstance(x, (Array, np.ndarray, np.generic, *_PYTHON_SCALARS)) or hasattr(
        x, "__array__"
    )


def scalar(value: Any, dtype: np.dtype, weak_type: bool = False) -> Array:
    """A rank-0 array."""
    return Array(np.asarray(value, dtype), weak_type)


def to_array(x: Any, operation: str = "this operation") -> Array:
    """Any array-like leaf as an Array; Python scalars become weakly typed, and so do np.float64
    and np.complex128, which are subclasses of them: `x / np.sqrt(8)` has the dtype of x.

    A writeable ndarray is copied, so that later changes to it cannot reach an immutable Array.
    """
    kind = type(x)
    if isinstance(x, Array):
        return x
    if kind is np.ndarray:
        return Array(_native(x, operation))
    if kind is bool:
        return Array(np.asarray(x))
    if kind is int:
        return Array(_python_int(x), True)
    if kind is float:
        return Array(np.asarray(x, dtypes.default_float()), True)
    if kind is complex:
        return Array(np.asarray(x, dtypes.default_complex()), True)
    if isinstance(x, np.generic):  # np.float64 and np.complex128 are Python's numbers as well
        return Array(_native(np.asarray(x), operation), isinstance(x, (float, complex)))
    if isinstance(x, (int, float, complex)):  # subclasses such as IntEnum
        base: Any = next(t for t in (bool, int, float, complex) if isinstance(x, t))
        return to_array(base(x), operation)
    convert = getattr(x, "__fx_array__", None) or getattr(x, "__jax_array__", None)
    if convert is not None:
        return to_array(convert(), operation)
    if isinstance(x, np.ma.MaskedArray):
        raise FxTypeError(
            f"{operation} expects arrays or numbers, got a masked array, whose mask fx arrays "
            "cannot keep. Use x.filled(value), or pass x.data and x.mask."
        )
    if hasattr(x, "__array__") and not isinstance(x, type):
        return to_array(as_ndarray(x, operation), operation)
    raise FxTypeError(_no_array(x, kind.__name__, operation))


def _python_int(x: int) -> np.ndarray:
    dtype = dtypes.default_int()
    try:
        return np.asarray(x, dtype)
    except OverflowError:
        raise FxOverflowError(
            f"the Python integer {x} does not fit the default integer dtype {dtype}. Write its "
            f"dtype, e.g. np.int64({x})."
        ) from None


def _native(x: np.ndarray, operation: str) -> np.ndarray:
    if x.dtype not in dtypes.KIND:
        native = x.dtype.newbyteorder("=")
        if native not in dtypes.KIND:
            raise FxTypeError(_no_array(x, f"ndarray of dtype {x.dtype}", operation))
        return x.astype(native)
    base: Any = x
    while isinstance(base, np.ndarray):
        if base.flags.writeable:  # also that of a read-only view: a diagonal, a broadcast array
            return x.copy()
        base = base.base
    return x


def _no_array(x: Any, got: str, operation: str) -> str:
    return f"{operation} expects arrays or numbers, got {got} ({text_of(x)}). {hint_on(x)}"


def hint_on(x: Any) -> str:
    """How to make an array of what is none yet."""
    dtype = getattr(x, "dtype", None)
    kind = getattr(dtype, "kind", "")
    if isinstance(x, np.ndarray) and kind in _HINTS:
        return _HINTS["record" if getattr(dtype, "names", None) else kind]
    if hasattr(x, "__cuda_array_interface__"):
        return _ON_GPU
    if hasattr(x, "toarray"):
        return "Make a sparse matrix dense with x.toarray()."
    return "Lists and tuples are not converted implicitly: use fx.numpy.asarray(...)."


_ON_GPU = (
    "It is in the memory of a GPU: copy it first, with x.get() of CuPy, x.cpu() of PyTorch or "
    "x.copy_to_host() of Numba."
)
# By the kind of NumPy's dtype.
_HINTS = {
    "O": "Convert objects with x.astype(float); of a pandas column with missing values, use "
    "x.to_numpy(dtype=float, na_value=numpy.nan), or x.fillna(...) first.",
    "M": "Make dates numbers first, e.g. with x.astype('int64').",
    "m": "Make durations numbers first, e.g. with x / numpy.timedelta64(1, 's').",
    "U": "Text is no number: encode it, e.g. with numpy.unique(x, return_inverse=True).",
    "S": "Text is no number: encode it, e.g. with numpy.unique(x, return_inverse=True).",
    "f": "Convert it to a dtype that fx has, e.g. with x.astype('float64').",
    "c": "Convert it to a dtype that fx has, e.g. with x.astype('complex128').",
    "V": "If these are numbers of a dtype that NumPy does not know, say which with x.view(dtype).",
    "record": "Take one field of the records, e.g. x['name'].",
}


def as_ndarray(x: Any, operation: str) -> np.ndarray:
    """What another library's array gives NumPy, or its refusal (of a gradient, of a device)."""
    try:
        return np.asarray(x)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        if isinstance(error, FxError):
            raise
        hint = f" {_ON_GPU}" if hasattr(x, "__cuda_array_interface__") else ""
        raise FxTypeError(
            f"{operation}: {type(x).__name__} gives NumPy no array: {error}{hint}"
        ) from None


def aval_of(x: Any) -> ShapedArray:
    """The type of any array-like leaf, without making an array of it where that is cheap."""
    if isinstance(x, Array):
        return x.aval
    if type(x) is np.ndarray and x.dtype in dtypes.KIND:
        return ShapedArray(x.shape, x.dtype)
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if isinstance(shape, tuple) and isinstance(dtype, np.dtype) and not hasattr(x, "__array__"):
        return ShapedArray(shape, dtype, bool(getattr(x, "weak_type", False)))
    return to_array(x).aval
