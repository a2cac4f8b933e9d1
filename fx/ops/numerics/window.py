"""Reductions over sliding windows and prefixes: a window is a few shifted, strided views.

No loop runs over windows or elements: for each offset inside a window, one strided slice holds
that element of all windows at once. A reduction over boxes is separable, so it goes dimension by
dimension; the choice of one element of each window, which max-pooling's derivatives need, compares
the offsets in row-major order and remembers the number of the winner.
"""

import math

import numpy as np

_UFUNC = {"add": "add", "mul": "multiply", "max": "maximum", "min": "minimum"}


def reduce_window(
    xp,
    x,
    *,
    kind,
    window_dimensions,
    window_strides,
    padding,
    base_dilation,
    window_dilation,
):
    """Reduce every window of `x` by `kind`: "add", "mul", "max" or "min".

    Args:
      xp: numpy or cupy.
      x: the operand; float16 and bfloat16 are reduced in float32.
      kind: the reduction; padding and the gaps of a dilated base hold its identity.
      window_dimensions, window_strides, base_dilation, window_dilation: one int a dimension.
      padding: one pair (low, high) a dimension; negative values crop.

    Returns:
      An array of x's dtype and the shape of `window_shape`. NaN propagates.

    >>> x = np.array([[1.0, 5.0, 2.0, 0.0], [4.0, 3.0, 1.0, 7.0]])
    >>> reduce_window(
    ...     np,
    ...     x,
    ...     kind="max",
    ...     window_dimensions=(2, 2),
    ...     window_strides=(2, 2),
    ...     padding=[(0, 0), (0, 0)],
    ...     base_dilation=(1, 1),
    ...     window_dilation=(1, 1),
    ... )
    array([[5., 7.]])
    """
    dtype = x.dtype
    x = _wide(x)
    start = identity(kind, x.dtype)
    out_shape = window_shape(
        x.shape, window_dimensions, window_strides, padding, base_dilation, window_dilation
    )
    dims = zip(
        out_shape,
        window_dimensions,
        window_strides,
        padding,
        base_dilation,
        window_dilation,
        strict=True,
    )
    for axis, (count, size, stride, (low, high), spread, step) in enumerate(dims):
        if spread > 1:
            x = pad(xp, x, start, axis, low, high, spread)
            low = high = 0
        if size == 1 and stride == 1 and low == 0 and high == 0:
            continue
        x = _reduce_axis(xp, x, kind, axis, (count, size, stride, low, high, step))
    return x.astype(dtype, copy=False)


def window_shape(shape, dimensions, strides, padding, base_dilation, window_dilation):
    """The number of windows in each dimension.

    >>> window_shape((5, 6), (2, 3), (2, 1), [(0, 1), (1, 1)], (1, 1), (1, 1))
    (3, 6)
    """
    out = []
    rows = zip(shape, dimensions, strides, padding, base_dilation, window_dilation, strict=True)
    for size, window, stride, (low, high), spread, step in rows:
        total = low + high + (0 if size == 0 else (size - 1) * spread + 1)
        reach = 0 if window == 0 else (window - 1) * step + 1
        out.append(0 if total <= 0 else max(0, (total - reach) // stride + 1))
    return tuple(out)


def identity(kind, dtype):
    """The neutral element of a reduction, as a scalar of `dtype`."""
    dtype = np.dtype(dtype)
    if kind in ("add", "mul"):
        return dtype.type(kind == "mul")
    if dtype.kind == "b":
        return dtype.type(kind == "min")
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return dtype.type(info.min if kind == "max" else info.max)
    return dtype.type(-math.inf if kind == "max" else math.inf)


def pad(xp, x, value, axis, low, high, spread=1):
    """Pad one axis by `value`, with `spread - 1` of it between elements; negative padding crops."""
    size = x.shape[axis]
    total = low + high + (0 if size == 0 else (size - 1) * spread + 1)
    shape = list(x.shape)
    shape[axis] = max(0, total)
    out = xp.full(tuple(shape), value, x.dtype)
    first, last = max(0, -(low // spread)), min(size - 1, (total - 1 - low) // spread)
    if first <= last:
        begin = low + first * spread
        spot = slice(begin, low + last * spread + 1, spread)
        out[_at(axis, spot)] = x[_at(axis, slice(first, last + 1))]
    return out


def _reduce_axis(xp, x, kind, axis, dim):
    """Windows along one axis: combine slices, or, when windows are few and long, reduce a view."""
    op, start = getattr(xp, _UFUNC[kind]), identity(kind, x.dtype)
    count, size, stride, low, high, step = dim
    shape = list(x.shape)
    shape[axis] = count
    if 0 in shape or size == 0:
        return xp.full(tuple(shape), start, x.dtype)
    if size > count:
        if low or high:
            x = pad(xp, x, start, axis, low, high)
        shape.append(size)
        strides = list(x.strides)
        strides.append(strides[axis] * step)
        strides[axis] *= stride
        view = xp.lib.stride_tricks.as_strided(x, tuple(shape), tuple(strides))
        if kind in ("add", "mul"):
            return (xp.sum if kind == "add" else xp.prod)(view, axis=-1, dtype=x.dtype)
        return (xp.max if kind == "max" else xp.min)(view, axis=-1)

    # Output p reads x[p stride + offset]; near an edge, only some p find it inside.
    whole, partial = [], []
    for tap in range(size):
        offset = tap * step - low
        first = max(0, -(offset // stride))
        last = min(count - 1, (x.shape[axis] - 1 - offset) // stride)
        if first <= last:
            places = slice(first * stride + offset, last * stride + offset + 1, stride)
            outputs = slice(first, last + 1)
            pieces = whole if last + 1 - first == count else partial
            pieces.append((_at(axis, outputs), x[_at(axis, places)]))
    if len(whole) > 1:
        (_, one), (_, two), *whole = whole
        out = op(one, two)
    else:
        out = xp.full(tuple(shape), start, x.dtype)
    for outputs, piece in whole + partial:
        target = out[outputs]
        op(target, piece, out=target)
    return out


def select_and_scatter_add(
    xp, source, operand, *, select, window_dimensions, window_strides, padding
):
    """Add each element of `source` at the place its window of `operand` selects.

    This is the gradient of max-pooling ("ge") and min-pooling ("le"). In row-major order, an
    element replaces the selected one unless `selected >= element` ("ge") holds: so the first of
    equal elements is selected, and NaN compares false as in XLA.

    Args:
      xp: numpy or cupy.
      source: one value a window.
      operand: the array the windows lie on.
      select: "ge" or "le".
      window_dimensions, window_strides: one int a dimension.
      padding: one pair (low, high) a dimension; padded places hold -inf ("ge") or inf ("le").

    Returns:
      An array of operand's shape and source's dtype.

    >>> select_and_scatter_add(
    ...     np,
    ...     np.array([10.0, 20.0]),
    ...     np.array([1.0, 3.0, 4.0, 4.0]),
    ...     select="ge",
    ...     window_dimensions=(2,),
    ...     window_strides=(2,),
    ...     padding=[(0, 0)],
    ... )
    array([ 0., 10., 20.,  0.])
    """
    dtype = source.dtype
    source, padded = _wide(source), _pad_for_select(xp, operand, select, padding)
    disjoint = all(
        size <= stride for size, stride in zip(window_dimensions, window_strides, strict=True)
    )
    out = xp.zeros(padded.shape, source.dtype)
    for chosen, where in _select(
        xp, padded, source.shape, select, window_dimensions, window_strides
    ):
        target = out[where]
        if disjoint:
            _masked(xp, chosen, source, target)
        else:
            share = _masked(xp, chosen, source, xp.empty_like(source))
            xp.add(target, share, out=target)
    for axis, (low, high) in enumerate(padding):
        if low or high:
            out = pad(xp, out, out.dtype.type(0), axis, -low, -high)
    return out.astype(dtype, copy=False)


def select_and_gather_add(
    xp, tangents, operand, *, select, window_dimensions, window_strides, padding
):
    """Of each window, the tangent at the place that the window of `operand` selects.

    This is the derivative of max-pooling ("ge") and min-pooling ("le"), and the transpose of
    `select_and_scatter_add`; the arguments are as there, `tangents` of operand's shape. Returns one
    value of tangents' dtype a window.

    >>> select_and_gather_add(
    ...     np,
    ...     np.array([0.1, 0.2, 0.3, 0.4]),
    ...     np.array([1.0, 3.0, 4.0, 4.0]),
    ...     select="ge",
    ...     window_dimensions=(2,),
    ...     window_strides=(2,),
    ...     padding=[(0, 0)],
    ... )
    array([0.2, 0.3])
    """
    ones = (1,) * operand.ndim
    shape = window_shape(operand.shape, window_dimensions, window_strides, padding, ones, ones)
    padded = _pad_for_select(xp, operand, select, padding)
    for axis, (low, high) in enumerate(padding):
        if low or high:
            tangents = pad(xp, tangents, tangents.dtype.type(0), axis, low, high)
    out = xp.zeros(shape, tangents.dtype)
    piece = xp.empty_like(out)
    for chosen, where in _select(xp, padded, shape, select, window_dimensions, window_strides):
        _masked(xp, chosen, tangents[where], piece)
        xp.bitwise_or(_bits(out), _bits(piece), out=_bits(out))  # one offset is chosen, once
    return out


def _pad_for_select(xp, operand, select, padding):
    operand = _wide(operand)
    value = identity("max" if select == "ge" else "min", operand.dtype)
    for axis, (low, high) in enumerate(padding):
        if low or high:
            operand = pad(xp, operand, value, axis, low, high)
    return operand


def _select(xp, operand, shape, select, window_dimensions, window_strides):
    """Yield (which windows select this offset, index of this offset of all windows)."""
    offsets = list(_offsets(window_dimensions, window_strides, shape))
    best_of = xp.maximum if select == "ge" else xp.minimum
    best = operand[offsets[0]]
    for where in offsets[1:]:
        best = best_of(best, operand[where])
    if best.dtype.kind == "f" and bool(xp.isnan(best).any()):
        yield from _select_in_order(xp, operand, offsets, select)
        return
    free = xp.ones(shape, bool)
    for where in offsets:
        chosen = (operand[where] == best) & free
        free ^= chosen
        yield chosen, where


def _select_in_order(xp, operand, offsets, select):
    """As XLA does, one offset after the other: only this is right where NaN is compared."""
    keeps = xp.greater_equal if select == "ge" else xp.less_equal
    best = operand[offsets[0]]
    winner = xp.zeros(best.shape, np.int32)
    for number, where in enumerate(offsets):
        if number:
            value = operand[where]
            beaten = ~keeps(best, value)
            winner = xp.where(beaten, np.int32(number), winner)
            best = xp.where(beaten, value, best)
    for number, where in enumerate(offsets):
        yield winner == number, where


def _masked(xp, mask, x, out):
    """out = where(mask, x, 0), by bit masks: a branch an element would cost five times as much."""
    bits = _bits(x)
    ones = xp.negative(mask.view(np.int8), dtype=bits.dtype)
    xp.bitwise_and(ones, bits, out=_bits(out))
    return out


def _bits(x):
    return x.view(np.dtype(f"i{x.itemsize}"))


def _offsets(window_dimensions, window_strides, shape):
    """For each offset in a window, row-major, the index of the elements there of all windows."""
    for offset in np.ndindex(*window_dimensions):
        yield tuple(
            slice(first, first + (count - 1) * stride + 1 if count else first, stride)
            for first, stride, count in zip(offset, window_strides, shape, strict=True)
        )


def cumulative(xp, x, *, kind, axis, reverse=False):
    """Reduce every prefix along `axis`; every suffix if `reverse`.

    Args:
      xp: numpy or cupy.
      x: the operand; sums, products and logsumexp of float16 and bfloat16 are taken in float32.
      kind: "sum", "prod", "max", "min" or "logsumexp".
      axis: a non-negative int.
      reverse: whether to go from the last element to the first.

    Returns:
      An array of x's shape and dtype. NaN propagates.

    >>> cumulative(np, np.array([1, 2, 3]), kind="sum", axis=0, reverse=True)
    array([6, 5, 3])
    """
    dtype = x.dtype
    x = _wide(x)
    if reverse:
        x = xp.flip(x, axis)
    if kind == "sum":
        out = xp.cumsum(x, axis=axis, dtype=x.dtype)
    elif kind == "prod":
        out = xp.cumprod(x, axis=axis, dtype=x.dtype)
    else:
        op = {"max": xp.maximum, "min": xp.minimum, "logsumexp": xp.logaddexp}[kind]
        if kind == "logsumexp" and x.dtype.kind == "c":
            out = _accumulate(xp, _logaddexp_complex(xp), x, axis)
        elif xp is np:
            out = op.accumulate(x, axis=axis)
        else:  # CuPy's ufuncs cannot accumulate
            out = _accumulate(xp, op, x, axis)
    if reverse:
        out = xp.flip(out, axis)
    return out.astype(dtype, copy=False)


def _accumulate(xp, op, x, axis):
    """Prefixes in log2(size) steps (Hillis and Steele, 1986): each adds the one 2^k before."""
    out, shift = x.copy(), 1
    while shift < x.shape[axis]:
        head = out[_at(axis, slice(None, -shift))]
        tail = out[_at(axis, slice(shift, None))]
        tail[...] = op(head, tail)  # a new array first: head and tail overlap
        shift *= 2
    return out


def _logaddexp_complex(xp):
    def op(a, b):
        larger = xp.where(a.real >= b.real, a, b)
        smaller = xp.where(a.real >= b.real, b, a)
        dead = larger.real == -math.inf  # exp(-inf) + exp(-inf): no difference to take
        shift = xp.where(dead, larger.dtype.type(0), smaller - larger)
        return xp.where(dead, larger, larger + xp.log1p(xp.exp(shift)))

    return op


def _wide(x):
    narrow = (x.dtype.kind == "f" and x.dtype.itemsize < 4) or x.dtype.kind == "V"
    return x.astype(np.float32) if narrow else x


def _at(axis, where):
    return (slice(None),) * axis + (where,)
