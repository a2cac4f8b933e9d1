"""The methods and properties of `fx.Array`, installed on the class: operators, reductions, shape
changes, indexing and `.at`. Each is the function of `fx.numpy` of the same name.

Installing them here keeps `fx.core.array` free of primitives; tracers inherit all of them.
"""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import ConcretizationTypeError, FxIndexError, FxTypeError, FxValueError, public
from fx.numpy import (
    arithmetic,
    creation,
    cumulative,
    diagonals,
    dispatch,
    formatting,
    indexing,
    manipulation,
    moments,
    namespace_info,
    operators,
    placing,
    positions,
    products,
    reductions,
    rounding,
    selection,
    sorting,
)
from fx.numpy.dispatch import FLOAT, INTEGER, REAL, short_way
from fx.util import fp_enter, fp_exit


def _variadic(args: tuple[Any, ...]) -> Any:
    """Sizes or axes given one by one or as one sequence."""
    return args[0] if len(args) == 1 and not isinstance(args[0], int) else args


def _reshape_short(self: Any, *args: Any) -> Any:
    return Array(self._data.reshape(*args), self.weak_type) if type(self) is Array else None


@short_way(_reshape_short)
def _reshape(self: Array, *args: Any, order: str = "C", copy: bool | None = None) -> Array:
    """`fx.numpy.reshape`; the sizes may be given one by one."""
    return manipulation.reshaped(self, _variadic(args), order)


@public
def _transpose(self: Array, *args: Any) -> Array:
    """`fx.numpy.transpose`; the axes may be given one by one."""
    return manipulation.permuted(self, _variadic(args) if args else None)


def _astype_short(self: Any, dtype: Any) -> Any:
    if type(self) is not Array or self.weak_type:
        return None
    data, wanted = self._data, dtypes.canonicalize(dtype)
    if data.dtype is wanted:
        return self
    # Floats saturate in integers, complex numbers lose a part: that is not NumPy's astype.
    if (data.dtype in FLOAT and wanted in FLOAT) or (data.dtype in INTEGER and wanted in REAL):
        token = fp_enter()
        try:
            return Array(data.astype(wanted))
        finally:
            fp_exit(token)
    return None


@short_way(_astype_short)
def _astype(self: Array, dtype: Any, copy: bool = False, device: Any = None) -> Array:
    """The array in another dtype; see `fx.numpy.astype`."""
    return creation.astype(self, dtype, copy=copy, device=device)


@public
def _flatten(self: Array, order: str = "C") -> Array:
    """All elements in one axis."""
    return manipulation.reshaped(self, (-1,), "C" if order in ("K", "A") else order)


@public
def _item(self: Array, *args: int) -> Any:
    """One element as a Python number.

    Args:
        *args: its position, or nothing for the only element.

    Raises:
        FxValueError: the array has several elements and no position is given.
        ConcretizationTypeError: the array is traced.
    """
    data = self._concrete(ConcretizationTypeError, "x.item()")
    if not args and data.size != 1:
        raise FxValueError(
            f"x.item() needs an array of size 1, got {self.aval.short()}. Give a position, or "
            "use x.tolist()."
        )
    try:
        return np.asarray(data).item(*args)
    except TypeError:
        raise FxTypeError(f"x.item() expects integers as a position, got {args!r}.") from None
    except (IndexError, ValueError) as error:
        raise FxIndexError(f"x.item{args} of {self.aval.short()}: {error}.") from None


@public
def _tolist(self: Array) -> Any:
    """The array as nested lists of Python numbers."""
    return np.asarray(self._concrete(ConcretizationTypeError, "x.tolist()")).tolist()


@public
def _tobytes(self: Array, order: str | None = "C") -> bytes:
    """The elements' bytes in row-major order."""
    return np.asarray(self._concrete(ConcretizationTypeError, "x.tobytes()")).tobytes(order or "C")  # type: ignore[arg-type]


@public
def _view(self: Array, dtype: Any = None, type: None = None) -> Array:
    """The bits read as another dtype; the last axis shrinks or grows with the item size.

    Raises:
        FxValueError: the last axis does not divide.
    """
    if type is not None:
        raise FxTypeError("x.view: type= is not supported; give a dtype.")
    if dtype is None:
        return self
    wanted = dtypes.check_user_dtype(dtype, "x.view")
    old, new = self.dtype.itemsize, wanted.itemsize
    if self.dtype == wanted:
        return self
    if self.dtype == np.bool_ or wanted == np.bool_:
        if old != new:
            raise FxValueError(f"x.view of {self.aval.short()} to {wanted}: sizes differ.")
        return self.astype(np.uint8).view(wanted) if self.dtype == np.bool_ else self != 0  # type: ignore[attr-defined]
    if old == new:
        return P.bitcast_convert_type(self, new_dtype=wanted)
    if not self.ndim:
        raise FxValueError(f"x.view of {self.aval.short()} to {wanted}: a scalar keeps its size.")
    n, lead = self.shape[-1], self.shape[:-1]
    if old > new:
        out = P.bitcast_convert_type(self, new_dtype=wanted)
        return P.reshape(out, new_sizes=(*lead, n * (old // new)))
    ratio = new // old
    if n % ratio:
        raise FxValueError(
            f"x.view of {self.aval.short()} to {wanted}: the last axis must be a multiple of "
            f"{ratio}."
        )
    parts = P.reshape(self, new_sizes=(*lead, n // ratio, ratio))
    return P.bitcast_convert_type(parts, new_dtype=wanted)


@public
def _take(
    self: Array,
    indices: Any,
    axis: int | None = None,
    out: None = None,
    mode: str | None = None,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    fill_value: Any = None,
) -> Array:
    """Elements at positions along an axis; see `fx.numpy.take`."""
    return positions.take(
        self, indices, axis, out, mode, unique_indices, indices_are_sorted, fill_value
    )


@public
def _iterate(self: Array) -> Any:
    """Rows one by one: a single split, so that n rows cost one equation when traced."""
    if not self.ndim:
        raise FxTypeError(f"iteration over a 0-d array {self.aval.short()}. Use x.reshape(-1).")
    return iter(rows(self))


def rows(x: Array) -> list[Any]:
    """The elements of the first axis."""
    n = x.shape[0]
    if type(x) is Array:
        return [x[i] for i in range(n)]  # type: ignore[index]
    if n == 0:
        return []
    parts = P.split(x, sizes=(1,) * n, dimension=0)
    return [P.squeeze(p, dimensions=(0,)) for p in parts]


def _array_namespace(self: Array, *, api_version: str | None = None) -> Any:
    """`fx.numpy`, the array API's namespace, of the one version that fx has.

    Raises:
        FxValueError: another version is asked for.
    """
    if api_version not in (None, namespace_info.API_VERSION):
        raise FxValueError(
            f"__array_namespace__: got api_version={api_version!r}, but fx.numpy follows the array "
            f"API {namespace_info.API_VERSION}. Leave it out, or ask for that version."
        )
    return sys.modules["fx.numpy"]


@public
def _addressable_data(self: Array, index: int) -> Array:
    """The part of the array on the device of that number."""
    shards = placing.shards(self)
    number = operator.index(index)
    if not 0 <= number < len(shards):
        raise FxIndexError(f"x.addressable_data: there are {len(shards)} shards, got {index}.")
    return shards[number].data


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "all": reductions.all,
    "any": reductions.any,
    "argmax": reductions.argmax,
    "argmin": reductions.argmin,
    "argpartition": sorting.argpartition,
    "argsort": sorting.argsort,
    "clip": rounding.clip,
    "compress": lambda self, condition, axis=None, **kw: selection.compress(
        condition, self, axis, **kw
    ),
    "choose": selection.choose,
    "conj": arithmetic.conjugate,
    "conjugate": arithmetic.conjugate,
    "copy": creation.copy,
    "cumprod": cumulative.cumprod,
    "cumsum": cumulative.cumsum,
    "diagonal": diagonals.diagonal,
    "dot": products.dot,
    "max": reductions.max,
    "mean": moments.mean,
    "min": reductions.min,
    "nonzero": selection.nonzero,
    "prod": reductions.prod,
    "ptp": reductions.ptp,
    "ravel": manipulation.ravel,
    "repeat": manipulation.repeat,
    "round": rounding.round,
    "searchsorted": sorting.searchsorted,
    "sort": sorting.sort,
    "squeeze": manipulation.squeeze,
    "std": moments.std,
    "sum": reductions.sum,
    "swapaxes": manipulation.swapaxes,
    "trace": diagonals.trace,
    "var": moments.var,
    "clone": creation.copy,
    "astype": _astype,
    "flatten": _flatten,
    "item": _item,
    "reshape": _reshape,
    "take": _take,
    "tobytes": _tobytes,
    "tolist": _tolist,
    "transpose": _transpose,
    "view": _view,
    "to_device": placing.to_device,
    "devices": lambda self: placing.sharding(self).device_set,
    "addressable_data": _addressable_data,
    "__array_namespace__": _array_namespace,
    "__bytes__": lambda self: _tobytes(self),
    "__iter__": _iterate,
}
_PROPERTIES: dict[str, Callable[[Any], Any]] = {
    "T": manipulation.transpose,
    "mT": manipulation.matrix_transpose,
    "real": arithmetic.real,
    "imag": arithmetic.imag,
    "flat": lambda self: manipulation.reshaped(self, (-1,)),
    "at": indexing.IndexUpdateHelper,
    "device": placing.device,
    "sharding": placing.sharding,
    "addressable_shards": placing.shards,
    "global_shards": placing.shards,
}


def install() -> None:
    """Attach everything to Array."""
    for name, function in _FUNCTIONS.items():
        setattr(Array, name, function)
        own = inspect.unwrap(function)
        if own.__name__.startswith("_") and not name.startswith("_"):
            own.__qualname__ = f"Array.{name}"  # what Python says of a wrong number of arguments
    for name, getter in _PROPERTIES.items():
        setattr(Array, name, property(getter))
    Array.__getitem__ = indexing.getitem  # type: ignore[attr-defined]
    Array.__matmul__, Array.__rmatmul__ = public(_matmul), public(_rmatmul)  # type: ignore[attr-defined]
    operators.install()
    formatting.install()


def _matmul(self: Array, other: Any) -> Any:
    """`self @ other`"""
    if not operators.accepts(other):
        return dispatch.refuse("@", other, False)
    return products.matmul(self, other)


def _rmatmul(self: Array, other: Any) -> Any:
    """`other @ self`"""
    if not operators.accepts(other):
        return dispatch.refuse("@", other, True)
    return products.matmul(other, self)
