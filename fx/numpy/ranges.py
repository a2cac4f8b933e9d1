"""Ranges of numbers: arange, linspace, logspace and geomspace."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, scalar
from fx.core.primitive import P, lit
from fx.core.trace import Tracer
from fx.errors import FxTypeError, FxValueError, public
from fx.numpy.creation import make_array, staging
from fx.numpy.placing import on_device
from fx.numpy.promotion import (
    a_dtype,
    common_shape,
    convert,
    expand_to,
    integer,
    joined,
    one_axis,
    operand,
    promote_inexact,
    select,
)


@public
def arange(
    start: Any, stop: Any = None, step: Any = None, dtype: Any = None, *, device: Any = None
) -> Array:
    """Evenly spaced numbers from start (included) to stop (excluded).

    Args:
        start: first number; with one argument that is `stop`, and start is 0.
        stop: end of the half-open interval.
        step: distance between numbers, 1 by default.
        dtype: by default the promoted dtype of the arguments: int32 for Python ints.
        device: where to put it; see `fx.device_put`.

    Returns:
        Array of shape (⌈(stop - start)/step⌉,).

    Raises:
        TracerIntegerConversionError: an argument is traced; the shape would depend on it.
        FxValueError: the step is zero.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.arange(2, 10, 3)
        Array([2, 5, 8], dtype=int32)
    """
    out = _range(start, stop, step, a_dtype(dtype, "numpy.arange"))
    return on_device(out, device, "numpy.arange")


def _range(start: Any, stop: Any, step: Any, dtype: np.dtype | None) -> Array:
    given = [_number(v, "numpy.arange") for v in (start, stop, step) if v is not None]
    dtype = dtype or joined([operand(v, "numpy.arange") for v in given])[0]
    if dtype == np.bool_:
        dtype = dtypes.default_int()
    if stop is None:
        first, last, by = 0, given[0], given[1] if step is not None else 1
    else:
        first, last, by = given[0], given[1], given[2] if step is not None else 1
    if not (dtypes.is_integer(dtype) or dtypes.is_floating(dtype)):
        raise FxTypeError(f"numpy.arange counts in real numbers, got {dtypes.short_name(dtype)}.")
    if by == 0:
        raise FxValueError("numpy.arange: the step must not be zero.")
    integral = all(isinstance(v, (int, np.integer)) for v in (first, last, by))
    size = max(
        0, -((int(first) - int(last)) // int(by)) if integral else math.ceil((last - first) / by)
    )
    if not staging():
        if integral and dtypes.is_integer(dtype):
            return Array(np.arange(int(first), int(last), int(by), dtype=dtype))
        steps = np.arange(size) * (by if integral else float(by)) + first
        return Array(np.asarray(steps).astype(dtype))
    out = P.iota(dtype=dtype, shape=(size,), dimension=0)
    if by != 1:
        out = P.mul(out, scalar(by, dtype))
    return P.add(out, scalar(first, dtype)) if first != 0 else out


def _number(value: Any, name: str) -> Any:
    """A concrete real number: Python's or NumPy's."""
    if isinstance(value, (int, float, np.generic)):
        return value
    if type(value) is Tracer:
        return value.dtype.type(operator.index(value)) if _is_int(value) else float(value)
    if isinstance(value, (Array, np.ndarray)) and value.ndim == 0:
        return np.asarray(value)[()]
    raise FxTypeError(f"{name} expects real numbers, got {type(value).__name__}: {value!r}.")


def _is_int(x: Any) -> bool:
    return dtypes.is_integer(x.dtype)


def _ends(name: str, start: Any, stop: Any, dtype: np.dtype | None) -> list[Any]:
    """Both in an inexact dtype: the result's, so that its precision is not lost on the way."""
    if dtype is None or not dtypes.is_inexact(dtype):
        return promote_inexact(name, start, stop)
    return [make_array(x, dtype, name) for x in (start, stop)]


@public
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """`num` evenly spaced numbers over an interval.

    Args:
        start, stop: ends; arrays broadcast against each other.
        num: how many numbers.
        endpoint: whether `stop` is the last of them.
        retstep: also return the distance.
        dtype: inexact promoted dtype by default; integers are rounded down.
        axis: where the new axis goes in the result.
        device: where to put it; see `fx.device_put`.

    Returns:
        Array with a new axis of size `num`; or (array, step).

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.linspace(0, 1, 5)
        Array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    num = integer(num, "numpy.linspace", "num")
    if num < 0:
        raise FxValueError(f"numpy.linspace: num must not be negative, got {num}.")
    out_dtype = a_dtype(dtype, "numpy.linspace")
    first, last = _ends("numpy.linspace", start, stop, out_dtype)
    shape = common_shape("numpy.linspace", [first.shape, last.shape])
    first, last = expand_to(first, shape), expand_to(last, shape)
    place = one_axis(axis, len(shape) + 1, "numpy.linspace")
    full_shape = shape[:place] + (num,) + shape[place:]
    kept = tuple(i for i in range(len(full_shape)) if i != place)

    def along(x: Any) -> Any:
        return P.broadcast_in_dim(x, shape=full_shape, broadcast_dimensions=kept)

    parts = num - 1 if endpoint else num
    count = P.iota(dtype=first.dtype, shape=full_shape, dimension=place)
    # start (1 - t) + stop t hits both ends exactly.
    t = P.div(count, lit(count, max(parts, 1)))
    out = P.add(P.mul(along(first), P.sub(lit(t, 1), t)), P.mul(along(last), t))
    if out_dtype is not None:
        out = convert(P.floor(out) if dtypes.is_integer(out_dtype) else out, out_dtype)
    out = on_device(out, device, "numpy.linspace")
    if not retstep:
        return out
    step = lit(first, math.nan) if parts < 1 else P.div(P.sub(last, first), lit(first, parts))
    return out, step


@public
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """Numbers evenly spaced on a logarithmic scale, base**start to base**stop.

    Args:
        start, stop: ends of the exponents.
        num, endpoint, axis, dtype: as in `linspace`.
        base: of the powers.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.logspace(0, 2, 3)
        Array([  1.,  10., 100.], dtype=float32)
    """
    out_dtype = a_dtype(dtype, "numpy.logspace")
    first, last = _ends("numpy.logspace", start, stop, out_dtype)
    exponents = linspace(first, last, num, endpoint, False, None, axis)
    x, y = promote_inexact("numpy.logspace", base, exponents)
    out = P.pow(x, y)
    return out if out_dtype is None else convert(out, out_dtype)


@public
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Array:
    """Numbers in geometric progression from start to stop.

    Args:
        start, stop: ends, of equal sign and not zero.
        num, endpoint, axis, dtype: as in `linspace`.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.geomspace(1, 100, 3)
        Array([  1.,  10., 100.], dtype=float32)
    """
    out_dtype = a_dtype(dtype, "numpy.geomspace")
    first, last = _ends("numpy.geomspace", start, stop, out_dtype)
    ends = [P.div(P.log(P.abs(x)), lit(x, math.log(10))) for x in (first, last)]
    logs = linspace(ends[0], ends[1], num, endpoint, axis=axis)
    size = P.pow(lit(logs, 10), logs)
    place = one_axis(axis, logs.ndim, "numpy.geomspace")
    sign = P.sign(expand_to(first, common_shape("numpy.geomspace", [first.shape, last.shape])))
    kept = tuple(i for i in range(logs.ndim) if i != place)

    def along(x: Any) -> Any:
        return P.broadcast_in_dim(x, shape=logs.shape, broadcast_dimensions=kept)

    # The ends themselves, not what is left of them after log and exp.
    out = P.mul(size, along(sign))
    count = P.iota(dtype=np.dtype(np.int32), shape=logs.shape, dimension=place)
    out = select(P.eq(count, lit(count, 0)), along(expand_to(first, sign.shape)), out)
    if endpoint and num > 1:
        out = select(P.eq(count, lit(count, num - 1)), along(expand_to(last, sign.shape)), out)
    return out if out_dtype is None else convert(out, out_dtype)
