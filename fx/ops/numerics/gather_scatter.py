"""XLA's gather and scatter on raw arrays, by one strided view of all windows.

A window is a box of the operand at some corner. The view `[corner axes..., window axes...]` of an
array (strides repeated, no copy) makes a gather of windows of any size an ordinary advanced index
on its corner axes, and a scatter an assignment. What is left is to make the corners safe, to drop
what lies outside, and to combine updates of the same element.

Semantics: https://openxla.org/xla/operation_semantics#gather, and the modes of `jax.lax`.
"""

import math

import numpy as np

_UFUNC = {"add": "add", "mul": "multiply", "min": "minimum", "max": "maximum"}

# From this many elements a window, combining whole windows beats visiting elements one by one.
_WIDE_WINDOW = 32


def gather(xp, operand, indices, *, dimension_numbers, slice_sizes, mode, fill_value=None):
    """The windows of `operand` at the corners that `indices` lists.

    Args:
      xp: numpy or cupy.
      operand: any array.
      indices: integers; the last axis holds the coordinates of a corner.
      dimension_numbers: (offset_dims, collapsed_slice_dims, start_index_map,
        operand_batching_dims, start_indices_batching_dims) of `jax.lax.GatherDimensionNumbers`.
      slice_sizes: the window's size in each operand dimension.
      mode: "clip" moves a window that is not wholly inside to the nearest place inside, and so
        does "promise_in_bounds"; "fill" returns `fill_value` for it. Or an enum of such a value.
      fill_value: a scalar; needed by "fill".

    Returns:
      An array of operand's dtype.

    >>> x = np.arange(6).reshape(3, 2)
    >>> rows = np.array([[2], [0], [7]])
    >>> gather(
    ...     np,
    ...     x,
    ...     rows,
    ...     dimension_numbers=((1,), (0,), (0,), (), ()),
    ...     slice_sizes=(1, 2),
    ...     mode="fill",
    ...     fill_value=-1,
    ... )
    array([[ 4,  5],
           [ 0,  1],
           [-1, -1]])
    """
    offset_dims, collapsed, index_map, *batching = dimension_numbers
    batching = list(zip(*batching, strict=True))
    batch, sizes = indices.shape[:-1], tuple(slice_sizes)
    dropped = {*collapsed, *(dim for dim, _ in batching)}
    kept = [dim for dim in range(operand.ndim) if dim not in dropped]
    inner = tuple(sizes[dim] for dim in kept)

    if 0 in batch or 0 in inner:
        out = xp.empty((*batch, *inner), operand.dtype)
    else:
        corners, inside = _corners(
            xp, indices, operand.shape, sizes, index_map, batching, _fills(mode)
        )
        out = _read(xp, operand, corners, sizes, kept, batch)
        if inside is not None:
            out[~inside] = fill_value
    rank = len(batch) + len(inner)
    batch_axes, inner_axes = iter(range(len(batch))), iter(range(len(batch), rank))
    inside_window = set(offset_dims)
    axes = [next(inner_axes if axis in inside_window else batch_axes) for axis in range(rank)]
    return out.transpose(axes)


def _read(xp, operand, corners, sizes, kept, batch):
    """New array [*batch, *sizes of kept dimensions]: the windows at corners that are inside."""
    inner = tuple(sizes[dim] for dim in kept)
    if xp is np and math.prod(batch) == 1:
        return operand[_box(corners, sizes)].reshape(batch + inner).copy()
    if not corners:
        block = operand[_box(corners, sizes)].reshape(inner)
        return xp.broadcast_to(block, batch + inner).copy()
    if operand.flags.c_contiguous:
        if math.prod(inner) == 1:
            flat = xp.broadcast_to(_flat(corners, operand), batch)
            return operand.reshape(-1).take(flat).reshape(batch + inner)
        if len(corners) == 1:
            ((dim, corner),) = corners.items()
            whole = [*operand.shape[:dim], *operand.shape[dim + 1 :]]
            if dim not in kept and list(inner) == whole:
                out = operand.take(xp.broadcast_to(corner, batch), axis=dim)
                axes = list(range(out.ndim))
                lead = axes[dim : dim + len(batch)]
                return out.transpose(lead + axes[:dim] + axes[dim + len(batch) :])
    view = _windows(xp, operand, corners, sizes, kept)
    return view[tuple(xp.broadcast_to(corner, batch) for corner in corners.values())]


def scatter(
    xp,
    operand,
    indices,
    updates,
    *,
    kind,
    dimension_numbers,
    mode,
    unique_indices=False,
):
    """Combine windows of `updates` into a copy of `operand` at the corners `indices` lists.

    Args:
      xp: numpy or cupy.
      operand: any array.
      indices: integers; the last axis holds the coordinates of a corner.
      updates: an array of operand's dtype, one window a corner.
      kind: "set", of which the last update of an element wins, or "add", "mul", "min" or "max",
        which combine all updates; float16 and bfloat16 are combined in float32.
      dimension_numbers: (update_window_dims, inserted_window_dims, scatter_dims_to_operand_dims,
        operand_batching_dims, scatter_indices_batching_dims) of
        `jax.lax.ScatterDimensionNumbers`.
      mode: "clip" moves a window that is not wholly inside to the nearest place inside; any other
        drops it. Or an enum of such a value.
      unique_indices: the caller's promise that no element is updated twice.

    Returns:
      A C-contiguous array of operand's shape and dtype.

    >>> where = np.array([[1], [3], [1]])
    >>> numbers = ((), (0,), (0,), (), ())
    >>> updates = np.array([1.0, 2.0, 5.0])
    >>> scatter(np, np.zeros(4), where, updates, kind="add", dimension_numbers=numbers, mode="clip")
    array([0., 6., 0., 2.])
    """
    update_window_dims, inserted, index_map, *batching = dimension_numbers
    batching = list(zip(*batching, strict=True))
    batch = indices.shape[:-1]
    dropped = {*inserted, *(dim for dim, _ in batching)}
    kept = [dim for dim in range(operand.ndim) if dim not in dropped]
    sizes = [1] * operand.ndim
    for dim, axis in zip(kept, update_window_dims, strict=True):
        sizes[dim] = updates.shape[axis]

    dtype = operand.dtype
    if kind != "set" and _is_narrow(dtype):
        operand, updates = operand.astype(np.float32), updates.astype(np.float32)
    out = xp.array(operand, order="C")
    inside_window = set(update_window_dims)
    axes = [axis for axis in range(updates.ndim) if axis not in inside_window]
    updates = updates.transpose(*axes, *update_window_dims)  # [*batch, *kept sizes]
    if updates.size:
        corners, inside = _corners(xp, indices, out.shape, sizes, index_map, batching, _drops(mode))
        _write(xp, out, corners, inside, updates, sizes, kept, batch, kind, unique_indices)
    return out.astype(dtype, copy=False)


def _write(xp, out, corners, inside, updates, sizes, kept, batch, kind, unique):
    """Update the array `out` in place."""
    op = None if kind == "set" else getattr(xp, _UFUNC[kind])
    if not corners or (xp is np and math.prod(batch) == 1):
        if inside is not None:  # a single window, and outside
            return
        target = out[(*_box(corners, sizes), Ellipsis)]  # a view, of rank 0 too
        for update in updates.reshape(-1, *sizes):
            target[...] = update if op is None else op(target, update)
        return

    # One axis for all corners, in order: of equal ones, an assignment must come last.
    corners = {dim: xp.broadcast_to(corner, batch).reshape(-1) for dim, corner in corners.items()}
    updates = updates.reshape(-1, *updates.shape[len(batch) :])
    if inside is not None:
        inside = inside.reshape(-1)
        corners = {dim: corner[inside] for dim, corner in corners.items()}
        updates = updates[inside]
    width = math.prod(sizes)
    if width == 1:
        _combine(xp, out.reshape(-1), _flat(corners, out), updates.reshape(-1), op, unique)
        return
    view = _windows(xp, out, corners, sizes, kept)
    where = tuple(corners.values())
    if op is None:
        view[where] = updates
    elif unique:
        view[where] = op(view[where], updates)
    elif width >= _WIDE_WINDOW and all(sizes[dim] == 1 for dim in corners):
        # Windows at different corners are disjoint.
        flat, updates, first = _reduce_duplicates(xp, _flat(corners, out), updates, op)
        where = tuple(corner[first] for corner in corners.values())
        view[where] = op(view[where], updates)
    else:
        steps = [stride // out.itemsize for stride in view.strides[len(corners) :]]
        flat = _flat(corners, out).reshape(-1, *(1,) * len(kept))
        for axis, (dim, step) in enumerate(zip(kept, steps, strict=True)):
            spread = xp.arange(sizes[dim]) * step
            flat = flat + spread.reshape(-1, *(1,) * (len(kept) - 1 - axis))
        _combine(xp, out.reshape(-1), flat.reshape(-1), updates.reshape(-1), op, False)


def _combine(xp, out, where, updates, op, unique):
    """out[where] op= updates, for one axis."""
    if op is None:
        out[where] = updates
    elif unique:
        out[where] = op(out[where], updates)
    elif xp is np and op is np.add and _counts(out, updates):
        out += np.bincount(where, updates, out.size).astype(out.dtype)
    elif xp is np or op is xp.add:
        op.at(out, where, updates)
    else:  # CuPy's other ufuncs have no `at` for all dtypes
        where, updates, _ = _reduce_duplicates(xp, where, updates, op)
        out[where] = op(out[where], updates)


def _counts(out, updates):
    """Whether so many floats go to so few places that a histogram of float64 is faster."""
    return out.dtype.kind == "f" and out.dtype.itemsize >= 4 and updates.size >= 4 * out.size


def _reduce_duplicates(xp, where, updates, op):
    """Combine updates of equal places: (distinct places, updates, a number of each place).

    In each round the odd members of a run of equal places join their left neighbours, so there
    are as many rounds as the longest run has binary digits.
    """
    numbers = xp.argsort(where, kind="stable")
    where, updates = where[numbers], updates[numbers]
    while True:
        repeats = where[1:] == where[:-1]
        if not bool(repeats.any()):
            return where, updates, numbers
        place = xp.arange(where.shape[0])
        begins = place.copy()
        begins[1:][repeats] = 0
        odd = ((place - _running_max(xp, begins)) & 1).astype(bool)
        right = xp.flatnonzero(odd)
        updates[right - 1] = op(updates[right - 1], updates[right])
        where, updates, numbers = where[~odd], updates[~odd], numbers[~odd]


def _running_max(xp, x):
    if xp is np:
        return np.maximum.accumulate(x)
    shift = 1
    while shift < x.shape[0]:
        x[shift:] = xp.maximum(x[shift:], x[:-shift].copy())
        shift *= 2
    return x


def _corners(xp, indices, shape, sizes, index_map, batching, reports):
    """Coordinates moved inside, and which of the windows were inside before.

    The former as {dimension: array that broadcasts to the batch shape}; the latter is None if all
    were, and unless `reports`.
    """
    corners, inside = {}, None
    for number, dim in enumerate(index_map):
        last = shape[dim] - sizes[dim]
        corner = indices[..., number]
        if corner.dtype == np.uint64:  # the largest would turn negative
            corner = xp.minimum(corner, np.uint64(np.iinfo(np.int64).max))
        corner = corner.astype(np.intp, copy=False)
        # Almost always all is inside, and NumPy finds out without another array.
        if xp is not np or corner.min() < 0 or corner.max() > last:
            if reports:
                fits = (corner >= 0) & (corner <= last)
                inside = fits if inside is None else inside & fits
            corner = xp.clip(corner, 0, last)
        corners[dim] = corner
    rank = indices.ndim - 1
    for dim, axis in batching:
        count = xp.arange(indices.shape[axis])
        corners[dim] = count.reshape(-1, *(1,) * (rank - 1 - axis))
    return corners, inside


def _windows(xp, array, corners, sizes, kept):
    """View [corner axes in the order of `corners`, window axes of `kept` dimensions]."""
    shape = [array.shape[dim] - sizes[dim] + 1 for dim in corners]
    shape += [sizes[dim] for dim in kept]
    strides = [array.strides[dim] for dim in (*corners, *kept)]
    return xp.lib.stride_tricks.as_strided(array, tuple(shape), tuple(strides))


def _box(corners, sizes):
    """Index of the only window."""
    starts = [int(corners[dim].item()) if dim in corners else 0 for dim in range(len(sizes))]
    return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))


def _flat(corners, array):
    """Place of each corner in a C-contiguous array's elements."""
    steps = [stride // array.itemsize for stride in array.strides]
    return sum(
        (corner if steps[dim] == 1 else corner * steps[dim] for dim, corner in corners.items()),
        start=np.intp(0),
    )


def _fills(mode):
    return _name(mode).startswith("fill")


def _drops(mode):
    return _name(mode) != "clip"


def _name(mode):
    return getattr(mode, "value", mode)


def _is_narrow(dtype):
    if dtype.kind == "V":  # bfloat16 and most floats of 8 bits, but not keys
        return dtype.names is None
    return dtype.kind == "f" and dtype.itemsize < 4
