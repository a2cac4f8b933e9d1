"""Sorting in XLA's order: NaN last and equal to NaN, -0.0 equal to 0.0, complex lexicographic.

NumPy sorts plain integers several times faster than it argsorts anything stably. So a key of up to
32 bits becomes the high half of a 64-bit integer whose low half is the element's position: sorting
those is an argsort, and stable, because no two are equal.
"""

import math

import numpy as np


def sort_multi(xp, operands, *, dimension, is_stable=True, num_keys=1):
    """Sort `operands` together, by the first `num_keys` of them in lexicographic order.

    Args:
      xp: numpy or cupy.
      operands: arrays of one shape; the keys are of any boolean, integer, float or complex dtype.
      dimension: the axis to sort along, non-negative.
      is_stable: whether elements with equal keys keep their order.
      num_keys: how many operands are keys.

    Returns:
      A list of arrays of the operands' dtypes. NaN comes last.

    >>> keys, values = np.array([2.0, np.nan, 1.0]), np.array([10, 20, 30])
    >>> sort_multi(np, [keys, values], dimension=0)
    [array([ 1.,  2., nan]), array([30, 10, 20])]
    """
    keys = [_comparable(key) for key in operands[:num_keys]]
    (first, *rest) = operands
    alike = first.dtype.kind in "biu" or (  # whether equal elements are: then order is invisible
        keys[0] is first
        and first.dtype.kind == "f"
        and (not is_stable or not _has_negative_zero(xp, first))
    )
    if alike and not rest:
        return [xp.sort(first, axis=dimension)]
    order = _argsort(xp, keys, dimension, is_stable)
    return [xp.take_along_axis(x, order, axis=dimension) for x in operands]


def _comparable(x):
    """Narrow floats as float32, for speed and for NumPy's sorts."""
    narrow = (x.dtype.kind == "f" and x.dtype.itemsize < 4) or x.dtype.kind == "V"
    return x.astype(np.float32) if narrow else x


def _has_negative_zero(xp, x):
    return bool(((x == 0) & xp.signbit(x)).any())


def _argsort(xp, keys, axis, is_stable):
    parts = []
    for key in keys:
        parts += [key.real, key.imag] if key.dtype.kind == "c" else [key]
    if len(parts) > 1:
        if xp is np:
            return np.lexsort(parts[::-1], axis=axis)
        order = None  # CuPy's lexsort knows no axis: sort by the last key, then by those before
        for part in parts[::-1]:
            if order is not None:
                part = xp.take_along_axis(part, order, axis=axis)
            step = xp.argsort(part, axis=axis, kind="stable")
            order = step if order is None else xp.take_along_axis(order, step, axis=axis)
        return order
    (key,) = parts
    if key.dtype.itemsize > 4 or xp is not np:
        return xp.argsort(key, axis=axis, kind="stable" if is_stable else None)
    if key.dtype.kind == "f":
        key = key + np.float32(0)  # makes -0.0 equal to 0.0
        nan = np.isnan(key)
        if nan.any():
            key[nan] = math.nan  # and all NaN equal, whatever their sign
    return _positions(np.sort(_packed(np, _ordinal(key), axis), axis=axis))


def _ordinal(x):
    """Signed integers in the order of `x`: of floats, IEEE 754's total order."""
    if x.dtype.kind in "fV":
        bits = x.view(np.dtype(f"i{x.itemsize}"))
        # Negative floats grow as their bits shrink.
        return bits ^ ((bits >> (8 * x.itemsize - 1)) & np.iinfo(bits.dtype).max)
    if x.dtype.kind == "u":
        half = x.dtype.type(1 << (8 * x.itemsize - 1))
        return (x ^ half).view(np.dtype(f"i{x.itemsize}"))
    return x.astype(np.int64, copy=False)


def _packed(xp, ordinal, axis):
    """High half: an integer of up to 32 bits; low half: its position along the axis."""
    position = xp.arange(ordinal.shape[axis], dtype=np.int64)
    position = position.reshape(-1, *(1,) * (ordinal.ndim - 1 - axis))
    return (ordinal.astype(np.int64) << 32) | position


def _positions(packed):
    return packed & 0xFFFFFFFF


def top_k(xp, x, k, axis=-1):
    """The `k` largest elements along `axis`, in descending order, and their positions.

    Equal elements keep their order. As in JAX, NaN is the largest (if its sign bit is clear, as
    computations make it; else the smallest), and 0.0 is larger than -0.0.

    Args:
      xp: numpy or cupy.
      x: an array of a boolean, integer or float dtype.
      k: at most the size of the axis.
      axis: an int.

    Returns:
      Values of x's dtype, and int32 positions.

    >>> top_k(np, np.array([3.0, 1.0, 4.0, 4.0]), 3)
    (array([4., 4., 3.]), array([2, 3, 0], dtype=int32))
    """
    axis %= x.ndim
    size = x.shape[axis]
    descending = ~_ordinal(x)
    first = (slice(None),) * axis + (slice(k),)
    if x.dtype.itemsize > 4:
        order = xp.argsort(descending, axis=axis, kind="stable")[first]
    else:
        packed = _packed(xp, descending, axis)
        if 0 < k < size // 4:
            packed = xp.partition(packed, k - 1, axis=axis)[first]
        order = _positions(xp.sort(packed, axis=axis)[first])
    return xp.take_along_axis(x, order, axis=axis), order.astype(np.int32)


def argminmax(xp, x, *, axis, kind, index_dtype):
    """Position of the smallest or largest element along `axis`; the first of equals; NaN wins.

    Args:
      xp: numpy or cupy.
      x: an array whose `axis` is not empty.
      axis: an int.
      kind: "min" or "max".
      index_dtype: the result's dtype.

    >>> argminmax(np, np.array([2.0, 5.0, 5.0]), axis=0, kind="max", index_dtype=np.int32)
    array(1, dtype=int32)
    """
    find = xp.argmax if kind == "max" else xp.argmin
    return xp.asarray(find(_comparable(x), axis=axis)).astype(index_dtype)
