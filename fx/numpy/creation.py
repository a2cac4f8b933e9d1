"""Arrays from values, constant arrays and identity matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

import numpy as np

from fx import dtypes
from fx.config import detours
from fx.core.array import Array, hint_on, is_arraylike, scalar, to_array
from fx.core.dlpack import imported
from fx.core.primitive import P, lit
from fx.core.trace import Tracer, state
from fx.errors import FxBufferError, FxOverflowError, FxTypeError, FxValueError, public
from fx.numpy.placing import beside, on_device
from fx.numpy.promotion import (
    PYTHON_NUMBERS,
    a_dtype,
    a_shape,
    cast,
    common_shape,
    convert,
    expand_to,
    integer,
    joined,
    operand,
)
from fx.numpy.promotion import (
    array as as_operand,
)
from fx.signatures import shown


def staging() -> bool:
    """Whether operations on constants are being recorded in this thread."""
    return bool(detours[0]) and state.dynamic is not None


# ------------------------------------------------------------------ from values
@public
def array(
    object: Any,
    dtype: Any = None,
    copy: bool = True,
    order: str | None = "K",
    ndmin: int = 0,
    *,
    device: Any = None,
) -> Array:
    """An array of numbers, of nested lists of them, or of anything NumPy understands.

    Args:
        object: array-like, number, or nested sequences of these.
        dtype: of the result. By default that of `object`: Python ints are int32, floats float32
            (the defaults, see `fx.default_dtype`); NumPy's dtypes are kept, 64 bits included.
        copy: accepted; the result never shares memory that can change.
        order: accepted; memory order is not part of an array's meaning.
        ndmin: smallest rank; axes of size 1 are put in front.
        device: where to put it; see `fx.device_put`.

    Returns:
        Array; weakly typed if `object` is a Python number and no dtype is given.

    Raises:
        FxTypeError: something inside is not a number.
        FxValueError: the nested sequences are ragged.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.array([[1, 2], [3, 4]], dtype=jnp.float32)
        Array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    x = make_array(object, a_dtype(dtype, "numpy.array"), "numpy.array")
    missing = ndmin - x.ndim
    x = P.reshape(x, new_sizes=(1,) * missing + x.shape) if missing > 0 else x
    return on_device(x, device, "numpy.array")


@public
def asarray(
    a: Any,
    dtype: Any = None,
    order: str | None = None,
    *,
    copy: bool | None = None,
    device: Any = None,
) -> Array:
    """An array-like as an Array; an Array of the right dtype is returned as it is.

    Args:
        a: array-like, number, or nested sequences of these.
        dtype: of the result; by default as in `array`.
        order: accepted; memory order is not part of an array's meaning.
        copy: True: in memory of its own. None: copied where it could change, as a writeable
            ndarray can. False: never copied, so that its owner must not write to it any more.
        device: where to put it; see `fx.device_put`.

    Raises:
        FxTypeError: something inside is not a number.
        FxValueError: the nested sequences are ragged, or `copy=False` and a copy is needed: for
            numbers, sequences and another dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.asarray([1.0, 2.0])
        Array([1., 2.], dtype=float32)
    """
    name = "numpy.asarray"
    wanted = a_dtype(dtype, name)
    out = _shared(a, wanted, name) if copy is False else make_array(a, wanted, name)
    if copy and _same_memory(out, a):
        out = P.copy(out)
    return on_device(out, device, name)


def _same_memory(out: Any, a: Any) -> bool:
    if type(out) is not Array:
        return out is a
    return isinstance(a, (Array, np.ndarray)) and np.may_share_memory(
        out._data, a._data if type(a) is Array else a
    )


def _shared(x: Any, dtype: np.dtype | None, name: str) -> Array:
    """`x` as an Array without a copy."""
    if isinstance(x, Array):
        if dtype in (None, x.dtype):
            return x if dtype is None else convert(x, dtype)
        raise FxValueError(
            f"{name} with copy=False: an array of dtype {x.dtype} needs a copy to become {dtype}. "
            "Use copy=None, or leave dtype out."
        )
    try:
        data = np.asarray(x, dtype, copy=False)
    except ValueError:
        raise FxValueError(
            f"{name} with copy=False: {type(x).__name__} needs a copy to become an array"
            + (f" of dtype {dtype}" if dtype is not None else "")
            + ". Use copy=None."
        ) from None
    return frozen(data, name)


def frozen(data: np.ndarray, name: str) -> Array:
    """An ndarray's memory as an Array, trusting that nobody writes to it."""
    if not data.dtype.isnative:
        raise FxValueError(
            f"{name} with copy=False: the byte order of {data.dtype!r} is not this machine's. Use "
            "copy=None."
        )
    view = data.view()
    view.flags.writeable = False
    return Array(view) if view.dtype in dtypes.KIND else to_array(view, name)


def make_array(x: Any, dtype: np.dtype | None, name: str) -> Array:
    """`x` as an Array of a dtype (canonical, or None for its own)."""
    if isinstance(x, Array):
        return x if dtype is None else convert(x, dtype)
    kind = type(x)
    if kind in PYTHON_NUMBERS or kind is bool:
        return to_array(x, name) if dtype is None else _python_scalar(x, dtype, name)
    if isinstance(x, (list, tuple)):
        return _from_nested(x, dtype, name)
    if isinstance(x, (str, bytes)) or x is None:
        raise FxTypeError(
            f"{name} expects numbers or nested sequences of them, got {kind.__name__}: {x!r}."
        )
    if not is_arraylike(x) and not hasattr(x, "__fx_array__"):
        x = _from_protocol(x, name)
    try:
        out = to_array(x, name)
    except TypeError as error:
        if isinstance(x, np.ndarray) or not hasattr(x, "__dlpack__"):
            raise
        try:
            out = to_array(_from_protocol(x, name), name)  # a dtype of which NumPy has no array
        except FxBufferError:
            raise error from None
    return out if dtype is None else convert(out, dtype)


def _python_scalar(x: Any, dtype: np.dtype, name: str) -> Array:
    if type(x) is complex and dtype.kind != "c":
        return convert(to_array(x, name), dtype)
    if type(x) is float and dtypes.is_integer(dtype):
        x = math.trunc(x) if math.isfinite(x) else x
    try:
        return Array(np.asarray(x, dtype))
    except OverflowError:
        raise FxOverflowError(
            f"{name}: the Python number {x} does not fit {dtype}. Choose a wider dtype, or reduce "
            "the number first."
        ) from None
    except ValueError:  # inf or nan to an integer
        raise FxValueError(f"{name}: {x} has no value in the integer dtype {dtype}.") from None


def _from_protocol(x: Any, name: str) -> Any:
    if hasattr(x, "__dlpack__"):
        data = imported(x).copy()  # whether it can change, the protocol may not say
        data.flags.writeable = False
        return data
    try:
        return np.asarray(memoryview(x))
    except TypeError:
        pass
    if hasattr(x, "__array_interface__") and not isinstance(x, type):  # PIL's images
        return np.asarray(x)
    sequence = hasattr(x, "__len__") and hasattr(x, "__getitem__")  # range and others
    if sequence and not isinstance(x, (type, np.dtype, Mapping)):
        return np.asarray(make_array(list(x), None, name))
    hint = ""
    if isinstance(x, (Iterator, Set)):
        hint = " Convert it with list(...) first."
    elif isinstance(x, Mapping):
        hint = " Convert its values, e.g. with fx.tree.map(fx.numpy.asarray, x)."
    elif hasattr(x, "__cuda_array_interface__") or hasattr(x, "toarray"):
        hint = f" {hint_on(x)}"
    raise FxTypeError(f"{name} expects numbers or nested sequences of them, got {shown(x)}.{hint}")


_NUMBER_TYPES = PYTHON_NUMBERS | {bool}


def _from_nested(x: Any, dtype: np.dtype | None, name: str) -> Array:
    leaves: list[Any] = []
    types: set[type] = set()
    _collect(x, leaves, types, name)
    if not types:
        return _plain(x, dtype or dtypes.default_float(), name)
    if types <= _NUMBER_TYPES:
        if dtype is None:
            widest = next(t for t in (complex, float, int, bool) if t in types)
            dtype = dtypes.canonicalize(widest)
        return _plain(x, dtype, name)
    if dtype is None:
        dtype, _ = joined([operand(v, name) for v in leaves])
    if any(type(v) is Tracer for v in leaves) or (Array in types and staging()):
        return _stacked(x, dtype, name)
    return _plain(_unwrapped(x, name), dtype, name)


def _collect(x: Any, leaves: list[Any], types: set[type], name: str) -> None:
    """Gather the leaves that are not Python numbers, one number of each type, and all types."""
    for v in x:
        kind = type(v)
        if kind in _NUMBER_TYPES:
            if kind not in types:
                types.add(kind)
                leaves.append(v)
        elif isinstance(v, (list, tuple)):
            _collect(v, leaves, types, name)
        else:
            types.add(kind)
            leaves.append(to_array(v, name))


def _plain(x: Any, dtype: np.dtype, name: str) -> Array:
    """Nested sequences of NumPy's and Python's numbers."""
    try:
        if dtypes.is_integer(dtype) or dtype.kind in "bV":
            own = np.asarray(x) if dtype.kind != "V" else np.asarray(x, dtype)
            return convert(Array(own), dtype) if own.dtype.kind in "fc" else _integers(x, dtype)
        if dtype.kind != "c":
            own = np.asarray(x)
            if own.dtype.kind == "c":
                return convert(Array(own), dtype)
        return Array(np.asarray(x, dtype))
    except OverflowError:
        raise FxOverflowError(
            f"{name}: a Python integer inside does not fit {dtype}. Write the dtype, e.g. "
            "dtype='int64'."
        ) from None
    except ValueError as error:
        raise FxValueError(
            f"{name}: nested sequences must have equal lengths at each depth: {error}"
        ) from None


def _integers(x: Any, dtype: np.dtype) -> Array:
    return Array(np.asarray(x, dtype))


def _unwrapped(x: Any, name: str) -> Any:
    if isinstance(x, (list, tuple)):
        return [_unwrapped(v, name) for v in x]
    return x if type(x) in _NUMBER_TYPES else np.asarray(to_array(x, name))


def _stacked(x: Any, dtype: np.dtype, name: str) -> Array:
    """Nested sequences with tracers inside, joined by equations."""
    if not isinstance(x, (list, tuple)):
        return cast(operand(x, name), dtype, False, name)
    parts = [_stacked(v, dtype, name) for v in x]
    shapes = {p.shape for p in parts}
    if len(shapes) > 1:
        raise FxValueError(
            f"{name}: nested sequences must have equal shapes at each depth, got "
            f"{', '.join(str(s) for s in sorted(shapes))}."
        )
    if not parts:
        return scalar_fill((0,), dtype, 0)
    rows = [P.reshape(p, new_sizes=(1, *p.shape)) for p in parts]
    return P.concatenate(*rows, dimension=0) if len(rows) > 1 else rows[0]


# ------------------------------------------------------------------ constant arrays
def scalar_fill(
    shape: tuple[int, ...], dtype: np.dtype, value: Any, weak: bool = False, name: str = "full"
) -> Any:
    """A shape filled with a Python number: data when eager, an equation when staging."""
    if staging():
        fill = scalar(value, dtype, weak)
        return P.broadcast_in_dim(fill, shape=shape, broadcast_dimensions=()) if shape else fill
    if any(n < 0 for n in shape):
        raise FxValueError(f"numpy.{name}: a shape has no negative sizes, got {shape}.")
    if not dtype.names and value == 0:
        return Array(np.zeros(shape, dtype), weak)
    return Array(np.full(shape, value, dtype), weak)


def _constant(name: str, value: int, text: str) -> Callable[..., Array]:
    def function(shape: Any, dtype: Any = None, *, device: Any = None) -> Array:
        dtype = a_dtype(dtype, f"numpy.{name}")
        sizes = a_shape(shape, f"numpy.{name}")
        out = scalar_fill(sizes, dtype or dtypes.default_float(), value, name=name)
        return on_device(out, device, f"numpy.{name}")

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""An array of {text}.

    Args:
        shape: an integer or a sequence of them.
        dtype: float32 (the default float) by default.
        device: where to put it; see `fx.device_put`.

    Raises:
        FxTypeError: the shape is not of integers, or `dtype` is not a dtype.
        FxValueError: a size is negative.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}((1, 2))
        Array([[{value}., {value}.]], dtype=float32)
    """
    return public(function)


zeros = _constant("zeros", 0, "zeros")
ones = _constant("ones", 1, "ones")
empty = _constant("empty", 0, "zeros: an immutable array cannot be filled later")


def _constant_like(name: str, value: int, text: str) -> Callable[..., Array]:
    def function(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Array:
        out = _fill_like(a, value, dtype, shape, f"numpy.{name}")
        return beside(out, a, device, f"numpy.{name}")

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""An array of {text} with the shape and dtype of another.

    Args:
        a: array-like, or anything with shape and dtype.
        dtype, shape: override those of `a`.
        device: where to put it; by default where `a` is.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(jnp.array([1.5, 2.5]))
        Array([{value}., {value}.], dtype=float32)
    """
    return public(function)


def _fill_like(a: Any, value: Any, dtype: Any, shape: Any, name: str) -> Any:
    if not hasattr(a, "shape") or not hasattr(a, "dtype"):
        a = make_array(a, None, name)
    weak = dtype is None and getattr(a, "weak_type", False)
    dtype = a_dtype(dtype, name) or dtypes.canonicalize(a.dtype)
    full_shape = tuple(a.shape) if shape is None else a_shape(shape, name)
    if isinstance(value, (int, float, complex)):
        return scalar_fill(full_shape, dtype, np.asarray(value).astype(dtype), weak)
    fill = convert(as_operand(value, name), dtype)
    if weak and not fill.shape:
        fill = P.convert_element_type(fill, new_dtype=dtype, weak_type=True)
    return expand_to(_fitting(fill, full_shape, name), full_shape)


def _fitting(x: Any, shape: tuple[int, ...], name: str) -> Any:
    if common_shape(name, [x.shape, shape]) != shape:
        raise FxValueError(f"{name}: a fill value of shape {x.shape} does not fit {shape}.")
    return x


zeros_like = _constant_like("zeros_like", 0, "zeros")
ones_like = _constant_like("ones_like", 1, "ones")
empty_like = _constant_like("empty_like", 0, "zeros")


@public
def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None) -> Array:
    """An array filled with a value.

    Args:
        shape: an integer or a sequence of them.
        fill_value: number, or array that broadcasts to the shape.
        dtype: that of the value by default.
        device: where to put it; see `fx.device_put`.

    Raises:
        FxValueError: `fill_value` does not broadcast to the shape.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.full((2,), 7.0, jnp.float32)
        Array([7., 7.], dtype=float32)
    """
    shape = a_shape(shape, "numpy.full")
    value = make_array(fill_value, a_dtype(dtype, "numpy.full"), "numpy.full")
    if type(value) is Array and not value.ndim and not staging() and value.dtype.kind != "V":
        out = Array(np.full(shape, value._data), value.weak_type)
    else:
        out = expand_to(_fitting(value, shape, "numpy.full"), shape)
    return on_device(out, device, "numpy.full")


@public
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, shape: Any = None, *, device: Any = None
) -> Array:
    """An array filled with a value, with the shape and dtype of another.

    Args:
        a: array-like, or anything with shape and dtype.
        fill_value: number, or array that broadcasts to the shape.
        dtype, shape: override those of `a`.
        device: where to put it; by default where `a` is.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.full_like(jnp.array([1, 2]), 7)
        Array([7, 7], dtype=int32)
    """
    out = _fill_like(a, fill_value, dtype, shape, "numpy.full_like")
    return beside(out, a, device, "numpy.full_like")


# ------------------------------------------------------------------ rules
@public
def eye(
    N: int, M: int | None = None, k: int = 0, dtype: Any = None, *, device: Any = None
) -> Array:
    """A matrix with ones on a diagonal and zeros elsewhere.

    Args:
        N, M: rows and columns; square by default.
        k: which diagonal: positive above the main one.
        dtype: float32 (the default float) by default.
        device: where to put it; see `fx.device_put`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.eye(2)
        Array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    rows = integer(N, "numpy.eye", "N")
    columns = rows if M is None else integer(M, "numpy.eye", "M")
    shift = integer(k, "numpy.eye", "k")
    dtype = a_dtype(dtype, "numpy.eye") or dtypes.default_float()
    if rows < 0 or columns < 0:
        raise FxValueError(f"numpy.eye: sizes must not be negative, got {rows} and {columns}.")
    return on_device(diagonal_mask(rows, columns, shift, "eq", dtype), device, "numpy.eye")


def diagonal_mask(rows: int, columns: int, shift: int, compare: str, dtype: Any) -> Any:
    """Where `row + shift` relates to `column` as `compare` says, in a dtype."""
    row = P.iota(dtype=np.dtype(np.int32), shape=(rows, columns), dimension=0)
    column = P.iota(dtype=np.dtype(np.int32), shape=(rows, columns), dimension=1)
    shift = min(max(shift, -rows), columns)  # further away there is no difference
    if shift:
        row = P.add(row, lit(row, shift))
    return convert(P.table[compare](row, column), dtype)


@public
def identity(n: int, dtype: Any = None) -> Array:
    """The square identity matrix.

    Args:
        n: rows and columns.
        dtype: float32 (the default float) by default.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.identity(2, int)
        Array([[1, 0],
               [0, 1]], dtype=int32)
    """
    return eye(n, None, 0, dtype)


@public
def copy(a: Any, order: str | None = None) -> Array:
    """An array with the same values; arrays are immutable, so this is rarely needed.

    Args:
        a: array-like.
        order: accepted; memory order is not part of an array's meaning.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.copy(jnp.array([1, 2]))
        Array([1, 2], dtype=int32)
    """
    return P.copy(make_array(a, None, "numpy.copy"))


@public
def astype(x: Any, dtype: Any, /, *, copy: bool = False, device: Any = None) -> Array:
    """`x` in another dtype; floats become integers by truncation, saturating at the ends.

    Args:
        x: array.
        dtype: of the result; None is the default float.
        copy: True: in memory of its own even if the dtype is right.
        device: where to put it; see `fx.device_put`.

    Raises:
        FxTypeError: `dtype` is not a dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.astype(jnp.array([1.7, -1.7]), jnp.int32)
        Array([ 1, -1], dtype=int32)
    """
    x = as_operand(x, "numpy.astype")
    wanted = dtypes.default_float() if dtype is None else dtypes.check_user_dtype(dtype, "astype")
    out = convert(x, wanted)
    return on_device(P.copy(out) if copy and _same_memory(out, x) else out, device, "numpy.astype")
