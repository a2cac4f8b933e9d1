"""Indexing of arrays: `x[index]` and the updates `x.at[index].set(y)` and its kin.

On concrete arrays both are NumPy's own indexing. On traced ones the index becomes a plan
(`index_plan`), and the plan becomes primitives (`index_lowering`). The values are the same, but
known indices that are out of bounds raise, while traced ones are moved inside when reading and
left out when writing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, hide_frames, public, reraise
from fx.lax.arguments import number
from fx.lax.indexing import static_scalar
from fx.numpy.creation import make_array
from fx.numpy.index_lowering import Flags, cast, check_update, read, update
from fx.numpy.index_plan import mode_and_bounds, plan_index
from fx.util import fp_enter, fp_exit

ndarray = np.ndarray
_TRACED = object()


def getitem(x: Array, index: Any) -> Array:
    """`x[index]` by NumPy's rules.

    Args:
        x: an array.
        index: integers, slices, None, `...`, integer or boolean arrays, or a tuple of these. Any
            integer may be traced; bounds of slices and boolean masks must not be, since the
            shape of the result would depend on them.

    Returns:
        the selected elements. Traced indices out of bounds are moved inside.

    Raises:
        FxIndexError: an index known now is out of bounds, or is not an index.
        NonConcreteBooleanIndexError: a boolean mask is traced.

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.arange(12).reshape(3, 4)
        >>> x[1:, ::-2]
        Array([[ 7,  5],
               [11,  9]], dtype=int32)
        >>> x[jnp.array([2, 0]), 1]
        Array([9, 1], dtype=int32)
    """
    if type(x) is Array:
        raw = index if type(index) is int else _raw(index)
        if raw is not _TRACED:
            try:
                out = x._data[raw]
                return Array(out if type(out) is ndarray else np.asarray(out), x.weak_type)
            except (IndexError, TypeError, ValueError, OverflowError):
                pass  # the plan says what is wrong
    try:
        mode, bounds = mode_and_bounds("x[...]", None, True, reads=True)
        return read(x, plan_index(x.shape, index, bounds), Flags(mode))
    except Exception as error:
        try:
            reraise(error, getitem, (x, index))
        except Exception as final:
            hide_frames(final)
            raise


def _raw(index: Any) -> Any:
    """The index for an ndarray, or _TRACED if it needs a plan."""
    kind = type(index)
    if kind is tuple:
        raw = []
        for item in index:
            if type(item) is not int:
                item = _raw(item)
                if item is _TRACED:
                    return _TRACED
            raw.append(item)
        return tuple(raw)
    if kind is Array:
        data = index._data
        return data if data.dtype.kind in "iub" else _TRACED
    if kind is slice:
        plain = all(b is None or type(b) is int for b in (index.start, index.stop, index.step))
        return index if plain else _TRACED
    if kind is int or index is None or index is Ellipsis or kind is bool:
        return index
    if isinstance(index, (np.ndarray, np.generic)):
        return index if index.dtype.kind in "iub" else _TRACED
    return _TRACED


# ------------------------------------------------------------------ updates
class IndexUpdateHelper:
    """`x.at`: index it to get at the updates of elements."""

    __slots__ = ("array",)

    def __init__(self, array: Array):
        self.array = array

    def __getitem__(self, index: Any) -> IndexUpdateRef:
        return IndexUpdateRef(self.array, index)

    def __repr__(self) -> str:
        return f"IndexUpdateHelper({self.array!r})"


class IndexUpdateRef:
    """`x.at[index]`: each method returns a copy of x with the indexed elements changed.

    All take the same keyword arguments:

    * `indices_are_sorted`, `unique_indices`: promises that let some updates run faster.
    * `mode`: what to do about indices out of bounds. By default those known now raise, and
      traced ones are left out ("clip" for `get`). "drop" or "fill" leaves them out, "clip" moves
      them inside, "wrap" counts them modulo the size, "promise_in_bounds" promises there are none.
    * `wrap_negative_indices`: whether negative ones count from the end.

    An element indexed several times is changed several times, except by `set`, where the last
    value in row-major order remains. A traced boolean mask may be used with an operand that
    does not depend on the number of its positions.

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.zeros(4)
        >>> x.at[1].set(5.0)
        Array([0., 5., 0., 0.], dtype=float32)
        >>> x.at[jnp.array([0, 0, 3])].add(1.0)
        Array([2., 0., 0., 1.], dtype=float32)
    """

    __slots__ = ("array", "index")

    def __init__(self, array: Array, index: Any):
        self.array = array
        self.index = index

    def __repr__(self) -> str:
        return f"IndexUpdateRef({self.array!r}, {self.index!r})"

    @public
    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
        fill_value: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Array:
        """`x[index]`, with a choice of what to do about indices out of bounds.

        Args:
            indices_are_sorted, unique_indices, mode, wrap_negative_indices: see the class.
            fill_value: for mode "fill"; by default NaN, the lowest signed or the highest
                unsigned integer, or True.

        Raises:
            FxIndexError: an index is not one, or is known to be out of bounds in the default mode.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.arange(3.0).at[jnp.array([1, 7])].get(mode="fill", fill_value=-1.0)
            Array([ 1., -1.], dtype=float32)
        """
        if mode is None and wrap_negative_indices:
            raw = _raw(self.index) if type(self.array) is Array else _TRACED
            if raw is not _TRACED:
                return getitem(self.array, self.index)
        parsed, bounds = mode_and_bounds("x.at[...].get", mode, wrap_negative_indices, reads=True)
        plan = plan_index(self.array.shape, self.index, bounds)
        fill = None if fill_value is None else static_scalar("x.at[...].get", fill_value)
        return read(self.array, plan, Flags(parsed, unique_indices, indices_are_sorted), fill)

    @public
    def set(self, values: Any, **options: Any) -> Array:
        """`x[index] = values`.

        Args:
            values: broadcast to the indexed elements, and cast to the dtype of x; what its kind
                cannot hold (a float in integers) is refused.
            **options: see the class.

        Raises:
            FxIndexError: an index is not one, or is known to be out of bounds in the default mode.
            FxTypeError: the dtype of x cannot hold the values.
            ShapeError: the values do not broadcast.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.zeros((2, 2)).at[0].set(jnp.array([1.0, 2.0]))
            Array([[1., 2.],
                   [0., 0.]], dtype=float32)
        """
        return self._update("set", values, **options)

    @public
    def add(self, values: Any, **options: Any) -> Array:
        """`x[index] += values`, repeated indices included; arguments as for `set`.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.arange(3).at[1:].add(10)
            Array([ 0, 11, 12], dtype=int32)
        """
        return self._update("add", values, **options)

    @public
    def subtract(self, values: Any, **options: Any) -> Array:
        """`x[index] -= values`, repeated indices included; arguments as for `set`.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.arange(3).at[1:].subtract(10)
            Array([ 0, -9, -8], dtype=int32)
        """
        return self._update("subtract", values, **options)

    sub = subtract

    @public
    def multiply(self, values: Any, **options: Any) -> Array:
        """`x[index] *= values`, repeated indices included; arguments as for `set`.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.arange(3).at[1:].multiply(10)
            Array([ 0, 10, 20], dtype=int32)
        """
        return self._update("multiply", values, **options)

    mul = multiply

    @public
    def divide(self, values: Any, **options: Any) -> Array:
        """`x[index] /= values`, repeated indices included; arguments as for `set`.

        Raises:
            FxTypeError: x holds integers.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.arange(3.0).at[1:].divide(4)
            Array([0.  , 0.25, 0.5 ], dtype=float32)
        """
        return self._update("divide", values, **options)

    @public
    def power(self, values: Any, **options: Any) -> Array:
        """`x[index] **= values`, repeated indices included; arguments as for `set`.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.arange(4.0).at[2:].power(2)
            Array([0., 1., 4., 9.], dtype=float32)
        """
        return self._update("power", values, **options)

    @public
    def min(self, values: Any, **options: Any) -> Array:
        """`x[index] = minimum(x[index], values)`; arguments as for `set`.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.arange(4).at[1:].min(2)
            Array([0, 1, 2, 2], dtype=int32)
        """
        return self._update("min", values, **options)

    @public
    def max(self, values: Any, **options: Any) -> Array:
        """`x[index] = maximum(x[index], values)`; arguments as for `set`.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.arange(4).at[1:].max(2)
            Array([0, 2, 2, 3], dtype=int32)
        """
        return self._update("max", values, **options)

    @public
    def apply(self, func: Callable[[Array], Any], **options: Any) -> Array:
        """`x[index] = func(x[index])`; func is applied again for a repeated index.

        Args:
            func: an elementwise function of arrays; its result is cast to the dtype of x.
            **options: see the class.

        Example:
            >>> import fx.numpy as jnp
            >>> jnp.array([1.0, 4.0, 9.0]).at[1:].apply(jnp.sqrt)
            Array([1., 2., 3.], dtype=float32)
        """
        return self._update("apply", func, **options)

    def _update(
        self,
        name: str,
        operand: Any,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Array:
        x, operation = self.array, f"x.at[...].{name}"
        y = operand if name == "apply" else _operand(operation, operand, x.dtype)
        check_update(x, name)
        if mode is None and wrap_negative_indices and type(x) is type(y) is Array:
            out = _eager_update(x._data, name, self.index, y._data)
            if out is not None:
                return Array(out, x.weak_type)
        parsed, bounds = mode_and_bounds(operation, mode, wrap_negative_indices, reads=False)
        scalar = name == "apply" or not y.shape
        plan = plan_index(x.shape, self.index, bounds, keep_masks=scalar and _one_mask(self.index))
        out = update(x, plan, name, y, Flags(parsed, unique_indices, indices_are_sorted))
        if out.weak_type == x.weak_type:
            return out
        return P.convert_element_type(out, new_dtype=x.dtype, weak_type=x.weak_type)


def _one_mask(index: Any) -> bool:
    """Whether a single boolean mask, and no other array, is in an index."""
    items = index if type(index) is tuple else (index,)
    if any(isinstance(x, (bool, np.bool_)) for x in items):
        return False
    arrays = [
        x for x in items if isinstance(x, (Array, np.ndarray, list)) and getattr(x, "ndim", 1)
    ]
    return len(arrays) == 1 and getattr(arrays[0], "dtype", None) == np.bool_


_RANKS = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def _operand(name: str, y: Any, dtype: np.dtype) -> Array:
    """The operand of an update in the dtype of the array."""
    if type(y) in (bool, int, float, complex) and dtype.kind != "V":
        return number(name, y, dtype)
    array = make_array(y, None, name) if isinstance(y, (list, tuple)) else to_array(y, name)
    if array.dtype == dtype:
        return array
    if dtypes.is_key(dtype) or dtypes.is_key(array.dtype) or _rank(array.dtype) > _rank(dtype):
        raise FxTypeError(
            f"{name}: an array of dtype {dtypes.short_name(dtype)} cannot hold values of "
            f"{array.aval.short()}. Convert them with .astype(...), or the array first."
        )
    return cast(array, dtype)


def _rank(dtype: np.dtype) -> int:
    return _RANKS["f" if dtypes.is_floating(dtype) else dtype.kind]


_UFUNCS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


def _eager_update(x: np.ndarray, name: str, index: Any, y: np.ndarray) -> np.ndarray | None:
    """The update by NumPy, or None where it takes a plan (or fails, which the plan explains)."""
    ufunc = _UFUNCS.get(name)
    raw = index if type(index) is int else _raw(index)
    if raw is _TRACED or (ufunc is None and name != "set"):
        return None
    if ufunc is not None and x.dtype.kind not in "iufc":
        return None
    out = x.copy()
    token = fp_enter()
    try:
        if ufunc is None:
            out[raw] = y
        elif _is_basic(raw):
            out[raw] = ufunc(out[raw], y)
        elif x.dtype.itemsize > 2:  # small floats are combined in float32, as traced ones are
            ufunc.at(out, raw, y)
        else:
            return None
    except (IndexError, TypeError, ValueError):
        return None
    finally:
        fp_exit(token)
    return out


def _is_basic(raw: Any) -> bool:
    items = raw if type(raw) is tuple else (raw,)
    return all(x is None or x is Ellipsis or type(x) in (int, slice) for x in items)
