"""Elementwise functions and operators with two ways in: a short one for concrete arrays, and the
general one, which promotes, broadcasts and binds primitives.

Eagerly, on arrays whose dtype needs no promotion, a function is one NumPy ufunc between a few
identity tests: NumPy's broadcasting and its treatment of Python scalars beside an array are the
same as fx's there. Everything else (tracers, mixed dtypes, NumPy arrays, errors) takes the
general way, and gives the same values, which tests hold against each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fx import dtypes
from fx.config import detours
from fx.core.array import Array, is_arraylike
from fx.errors import FxTypeError, hide_frames, reraise
from fx.util import fp_enter, fp_exit

_FLOATS = [np.dtype(t) for t in (np.float16, np.float32, np.float64)]
_COMPLEX = [np.dtype(t) for t in (np.complex64, np.complex128)]
_INTEGERS = [np.dtype(f"{k}{n}") for k in ("int", "uint") for n in (8, 16, 32, 64)]

BOOL = frozenset([np.dtype(bool)])
INTEGER = frozenset(_INTEGERS)
SINGLE_DOUBLE = frozenset(_FLOATS[1:])
FLOAT = frozenset(_FLOATS)
BFLOAT16 = frozenset([np.dtype(dtypes.bfloat16)])
COMPLEX = frozenset(_COMPLEX)
REAL = INTEGER | FLOAT | BFLOAT16
NUMBER = REAL | COMPLEX
NONE: frozenset[np.dtype] = frozenset()

ndarray = np.ndarray


def concrete(out: Any) -> Any:
    """The result of a ufunc as an ndarray: NumPy returns scalars for rank 0."""
    return np.asarray(out) if isinstance(out, np.generic) else out


F = TypeVar("F", bound=Callable[..., Any])


def short_way(short: Callable[..., Any]) -> Callable[[F], F]:
    """Decorate a public function with a short way for concrete arrays, in place of `public`.

    Args:
        short: takes the same arguments, and returns None where it does not apply. It may raise
            ValueError, TypeError or IndexError on wrong ones: the general way then explains.
    """

    def decorate(general: F) -> F:
        @functools.wraps(general)
        def function(*args: Any, **kwargs: Any) -> Any:
            try:
                if not detours[0]:
                    try:
                        out = short(*args, **kwargs)
                        if out is not None:
                            return out
                    except (ValueError, TypeError, IndexError, OverflowError):
                        pass
                return general(*args, **kwargs)
            except Exception as error:
                try:
                    reraise(error, general, args, kwargs)
                except Exception as final:
                    hide_frames(final)
                    raise

        return function  # type: ignore[return-value]

    return decorate


def alike(xs: Any) -> list[Any] | None:
    """The data of concrete arrays of one dtype (two or more), or None."""
    if type(xs) is not list and type(xs) is not tuple:
        return None
    data = []
    for x in xs:
        if type(x) is not Array:
            return None
        data.append(x._data)
        if x._data.dtype is not data[0].dtype:
            return None
    return data if len(data) > 1 else None


def unary(
    name: str, doc: str, general: Callable[[Any], Any], ufunc: Any = None, fast: frozenset = NONE
) -> Callable[[Any], Any]:
    """A function of one array.

    Args:
        name, doc: for the result's `__name__` and `__doc__`.
        general: any array-like to an Array.
        ufunc: NumPy's function for the dtypes in `fast`, equal to what `general` computes.
    """

    def function(x: Any, /) -> Any:
        if type(x) is Array and x._data.dtype in fast and not detours[0]:
            token = fp_enter()
            try:
                out = ufunc(x._data)
            finally:
                fp_exit(token)
            return Array(out if type(out) is ndarray else concrete(out), x.weak_type)
        try:
            return general(x)
        except Exception as error:
            try:
                reraise(error, function, (x,))
            except Exception as final:
                hide_frames(final)
                raise

    return _named(function, name, doc)


class Binary:
    """One elementwise function of two arrays in three forms: function, operator, reflected.

    Args:
        name, doc: of the public function.
        general: two array-likes to an Array.
        ufunc: NumPy's function, equal to `general` on two arrays of a dtype in `fast`.
        fast: those dtypes.
        scalars: dtypes of an array that may meet a Python number on the short way: an int or
            float beside a float array, a small int beside an integer array.
        weak: whether the result of two weak operands is weak (not for comparisons).
        int_right: whether the right operand may be a Python int on the short way.
    """

    def __init__(
        self,
        name: str,
        general: Callable[[Any, Any], Any],
        ufunc: Any = None,
        fast: frozenset = NONE,
        scalars: frozenset = FLOAT | COMPLEX | INTEGER,
        weak: bool = True,
        int_right: bool = True,
    ):
        self.name = name
        self.general = general
        self.ufunc = ufunc
        self.fast = fast
        self.scalars = fast & scalars
        self.weak = weak
        self.int_right = int_right

    def function(self, doc: str) -> Callable[[Any, Any], Any]:
        """`f(x, y)` of two array-likes."""
        return _named(self._with_short_way(self.general), self.name, doc)

    def operator(self, method: str, symbol: str, reflected: bool = False) -> Callable:
        """The method of Array; NotImplemented for an operand that is not an array or number."""
        general = self.general

        def otherwise(x: Any, y: Any) -> Any:
            if not is_arraylike(y) and not hasattr(y, "__fx_array__"):
                return refuse(symbol, y, reflected)
            return general(y, x) if reflected else general(x, y)

        return _named(self._with_short_way(otherwise, reflected), method, None)

    def _with_short_way(
        self, otherwise: Callable[[Any, Any], Any], reflected: bool = False
    ) -> Callable[[Any, Any], Any]:
        ufunc, fast, scalars, weak = self.ufunc, self.fast, self.scalars, self.weak
        inexact = scalars & (FLOAT | COMPLEX)
        ints = self.int_right or reflected

        def function(x: Any, y: Any, /) -> Any:
            if type(x) is Array and not detours[0]:
                a, kind = x._data, type(y)
                dtype = a.dtype
                if kind is Array:
                    b = y._data
                    short = dtype is b.dtype and dtype in fast
                    weakly = weak and x.weak_type and y.weak_type
                elif kind is float:
                    # NumPy gives a Python number the array's dtype, as fx does beside a strong one.
                    short = dtype in inexact and not x.weak_type
                    b, weakly = y, False
                elif kind is int and ints:
                    short = dtype in scalars and 0 <= y < 128 and not x.weak_type
                    b, weakly = y, False
                else:
                    short = False
                if short:
                    token = fp_enter()
                    try:
                        out = ufunc(b, a) if reflected else ufunc(a, b)
                        return Array(out if type(out) is ndarray else concrete(out), weakly)
                    except ValueError:
                        pass  # shapes that do not broadcast: the other way explains
                    finally:
                        fp_exit(token)
            try:
                return otherwise(x, y)
            except Exception as error:
                try:
                    reraise(error, function, (x, y))
                except Exception as final:
                    hide_frames(final)
                    raise

        return function


def refuse(symbol: str, other: Any, reflected: bool) -> Any:
    """What an operator does with a foreign operand: NotImplemented, unless it is a sequence."""
    if isinstance(other, (list, tuple)) and symbol not in ("==", "!="):
        order = (
            f"{type(other).__name__} {symbol} Array"
            if reflected
            else (f"Array {symbol} {type(other).__name__}")
        )
        raise FxTypeError(
            f"{order}: lists and tuples are not converted implicitly. Write "
            "fx.numpy.asarray(...) around it."
        )
    return NotImplemented


def _named(function: Callable[..., Any], name: str, doc: str | None) -> Callable[..., Any]:
    function.__name__ = name
    function.__qualname__ = name
    function.__module__ = "fx.numpy"
    function.__doc__ = doc
    return function
