"""Convolution as matrix products: every case is one contraction of sliding windows.

Write the image as `x[n, g, c, *S]` (image, group, channel, space). A window view of it,
`x[n, g, c, *taps, *positions]`, costs no memory; a convolution contracts that view with the
other operand in one of two ways:

* *spread* (many positions, few taps), the ordinary convolution and its input gradient:
  `out[n, g, o, p] = sum_{c, t} x[n, g, c, t, p] w[g, o, c, t]`;
* *gather* (few positions, many taps), the weight gradient, where what the caller names the kernel
  is as large as the image. Exchange the names of taps and positions, and of batch and feature:
  `out[c, g, o, t] = sum_{n, p} x[n, g, c, t, p] y[n, g, o, p]` over the same view.

Both are matrix products over the same copied-out windows ("im2col"), so one generator of windows,
working on few images at a time such that its buffers stay in cache, serves both.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

# Bytes of the copied-out windows of one chunk of images: enough rows for an efficient matrix
# product, few enough to be still in the cache when the product reads them. A GPU rather wants few
# launches.
_CHUNK_BYTES = 3 << 20
_CHUNK_BYTES_DEVICE = 256 << 20
_CHUNK_ROWS = 1024

# With fewer positions an image than this, a product for each image would spend its time in
# packing the weights: the images of a chunk are merged into one product.
_FEW_POSITIONS = 256

# With this many channels, channels-last windows are copied so much faster that changing the memory
# order of the image first pays.
_MANY_CHANNELS = 16

# Up to this many outputs a group, one-channel ("depthwise") groups are summed tap by tap.
_FEW_OUTPUTS = 4


def conv_general_dilated(
    xp,
    lhs,
    rhs,
    *,
    window_strides,
    padding,
    lhs_dilation,
    rhs_dilation,
    dimension_numbers,
    feature_group_count=1,
    batch_group_count=1,
):
    """Convolution of any rank, with strides, padding, dilation and groups.

    Args:
      xp: numpy or cupy.
      lhs: the image; its batch, feature and spatial axes are `dimension_numbers[0]`.
      rhs: the kernel, of lhs' dtype; its output feature, input feature and spatial axes are
        `dimension_numbers[1]`.
      window_strides, lhs_dilation, rhs_dilation: one int a spatial dimension.
      padding: one pair (low, high) a spatial dimension; negative values crop.
      dimension_numbers: (lhs_spec, rhs_spec, out_spec) as in `jax.lax.ConvDimensionNumbers`.
      feature_group_count: splits lhs features and output features into independent groups.
      batch_group_count: splits lhs batch and output features into independent groups.

    Returns:
      A C-contiguous array of lhs' dtype. float16 and bfloat16 accumulate in float32.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> nchw = ((0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2, 3))
    >>> conv_general_dilated(
    ...     np,
    ...     x,
    ...     np.ones((1, 1, 3, 3)),
    ...     window_strides=(1, 1),
    ...     padding=[(0, 0), (0, 0)],
    ...     lhs_dilation=(1, 1),
    ...     rhs_dilation=(1, 1),
    ...     dimension_numbers=nchw,
    ... )
    array([[[[45., 54.],
             [81., 90.]]]])
    """
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    dtype = lhs.dtype
    if (dtype.kind == "f" and dtype.itemsize < 4) or dtype.kind == "V":
        lhs, rhs = lhs.astype(np.float32), rhs.astype(np.float32)
    image, kernel = lhs.transpose(lhs_spec), rhs.transpose(rhs_spec)
    space, taps = image.shape[2:], kernel.shape[2:]
    padding = tuple((int(low), int(high)) for low, high in padding)
    positions = conv_out_space(space, taps, window_strides, padding, lhs_dilation, rhs_dilation)
    windows = _Windows(
        taps, tuple(rhs_dilation), positions, tuple(window_strides), padding, tuple(lhs_dilation)
    )
    features_last = out_spec[1] == len(out_spec) - 1
    groups = (feature_group_count, batch_group_count)
    out = _conv(xp, image, kernel, windows, groups, features_last)
    axes = tuple(out_spec.index(axis) for axis in range(len(out_spec)))
    return xp.ascontiguousarray(out.transpose(axes).astype(dtype, copy=False))


def conv_out_space(space, taps, window_strides, padding, lhs_dilation, rhs_dilation):
    """The output's spatial shape, from those of the image and the kernel.

    >>> conv_out_space((28,), (3,), (2,), [(0, 1)], (1,), (1,))
    (14,)
    """
    out = []
    rows = zip(space, taps, window_strides, padding, lhs_dilation, rhs_dilation, strict=True)
    for size, count, stride, (low, high), spread, step in rows:
        total = low + high + _reach(size, spread)
        out.append(max(0, (total - _reach(count, step)) // stride + 1) if total > 0 else 0)
    return tuple(out)


def _reach(count, step):
    """Length covered by `count` points at distance `step`."""
    return 0 if count == 0 else (count - 1) * step + 1


class _Windows(NamedTuple):
    """How windows lie on the image; every field has one entry a spatial dimension."""

    taps: tuple
    tap_step: tuple
    positions: tuple
    position_step: tuple
    padding: tuple  # (low, high), possibly negative
    dilation: tuple  # distance of the image's elements

    def exchanged(self):
        """The same windows where taps are called positions, and positions taps."""
        return self._replace(
            taps=self.positions,
            tap_step=self.position_step,
            positions=self.taps,
            position_step=self.tap_step,
        )


def _conv(xp, image, kernel, windows, groups, features_last):
    """image [b, f, *S], kernel [o, i, *K] -> out [b, o, *P].

    `groups` is (feature groups, batch groups); `features_last` asks for that memory order.
    """
    feature_groups, batch_groups = groups
    out_shape = (image.shape[0] // batch_groups, kernel.shape[0], *windows.positions)
    if 0 in out_shape or 0 in kernel.shape or 0 in image.shape:
        return xp.zeros(out_shape, image.dtype)
    if any(_phased(windows)):
        return _by_phases(xp, image, kernel, windows, groups, features_last)

    count = feature_groups * batch_groups
    if batch_groups > 1:  # [b, g, f, *S] in both cases
        image = image.reshape(count, -1, *image.shape[1:]).swapaxes(0, 1)
    else:
        image = image.reshape(image.shape[0], count, -1, *image.shape[2:])
    kernel = kernel.reshape(count, -1, *kernel.shape[1:])  # [g, o, f, *K]

    # A kernel larger than the output, and features that lie outermost in memory, tell the
    # gradient of the weights: its "features" are the images.
    if (
        math.prod(windows.taps) > math.prod(windows.positions)
        and image.strides[2] >= image.strides[0]
    ):
        image, other = image.swapaxes(0, 2), _move(kernel, 2, 0)
        out = _gather(xp, image, other, windows.exchanged(), features_last)
        return out.reshape(out_shape)
    return _spread(xp, image, kernel, windows, features_last)


# -- dilated images: an input gradient of stride s is s plain convolutions a dimension -----------


def _phased(windows):
    """Which dimensions `_by_phases` can split."""
    return [
        dilation > 1 and position_step == 1 and tap_step == 1
        for dilation, position_step, tap_step in zip(
            windows.dilation, windows.position_step, windows.tap_step, strict=True
        )
    ]


def _by_phases(xp, image, kernel, windows, groups, features_last):
    """Convolve a dilated image without multiplying by the zeros between its elements.

    The dilated, padded image at u is x[i] where u = s i + low, so output q = s t + r meets x only
    at the taps k = low - r (mod s): each r is a plain convolution with every s-th tap.
    """
    batch, outs = image.shape[0] // groups[1], kernel.shape[0]
    if features_last:
        out = _move(xp.zeros((batch, *windows.positions, outs), image.dtype), -1, 1)
    else:
        out = xp.zeros((batch, outs, *windows.positions), image.dtype)
    choices = [
        range(min(dilation, positions)) if phased else (None,)
        for phased, dilation, positions in zip(
            _phased(windows), windows.dilation, windows.positions, strict=True
        )
    ]
    for phases in itertools.product(*choices):
        where, taps, dims = [], [], []
        for d, phase in enumerate(phases):
            size, count, positions = image.shape[2 + d], windows.taps[d], windows.positions[d]
            low, high = windows.padding[d]
            step, first = 1, 0
            if phase is not None:
                step = windows.dilation[d]
                first = (low - phase) % step
                count, positions = -((first - count) // step), -((phase - positions) // step)
                low = (low - phase - first) // step
                high = positions + count - 1 - size - low
            where.append(slice(phase, None, step))
            taps.append(slice(first, None, step))
            dilation = 1 if phase is not None else windows.dilation[d]
            dims.append((count, windows.tap_step[d], positions, windows.position_step[d]))
            dims[-1] += ((low, high), dilation)
        if all(dim[0] > 0 for dim in dims):
            out[(..., *where)] = _conv(
                xp,
                image,
                kernel[(..., *taps)],
                _Windows(*zip(*dims, strict=True)),
                groups,
                features_last,
            )
    return out


# -- the two contractions -------------------------------------------------------------------------


def _spread(xp, image, kernel, windows, features_last):
    """out[n, (g, o), *p] = sum over c, t of image[n, g, c, t, p] kernel[g, o, c, t]."""
    images, groups, channels = image.shape[:3]
    outs, positions = kernel.shape[1], math.prod(windows.positions)
    if features_last:
        out = xp.empty((images, *windows.positions, groups * outs), image.dtype)
        view = out.reshape(images, positions, groups, outs).transpose(0, 2, 3, 1)
        out = _move(out, -1, 1)
    else:
        out = xp.empty((images, groups * outs, *windows.positions), image.dtype)
        view = out.reshape(images, groups, outs, positions)

    if _tap_by_tap(groups, channels, outs):
        shape = (images, groups, outs, *windows.positions)
        _spread_tap_by_tap(xp, image, kernel, windows, out.reshape(shape))
        return out

    layout = _Layout.choose(image, windows)
    if layout.channels_last:
        kernel = _move(kernel, 2, -1)
    weights = kernel.reshape(groups, outs, -1)
    for part, columns in _columns(xp, image, windows, layout):
        target = view[part]  # [n, g, o, p]; columns are [n, g, k, p], or with rows [1, g, k, (n p)]
        if layout.rows and features_last:
            rows = target.transpose(0, 3, 1, 2).reshape(-1, groups, outs).swapaxes(0, 1)
            xp.matmul(columns[0].swapaxes(1, 2), weights.swapaxes(1, 2), out=rows)
        elif layout.rows and positions < _FEW_POSITIONS:
            target[...] = _split_images(xp.matmul(weights, columns), target.shape[0])
        else:
            if layout.rows:
                columns = _split_images(columns, target.shape[0])
            if features_last:
                columns, turned = columns.swapaxes(2, 3), weights.swapaxes(1, 2)
                xp.matmul(columns, turned, out=target.swapaxes(2, 3))
            else:
                xp.matmul(weights, columns, out=target)
    return out


def _gather(xp, image, other, windows, features_last):
    """out[c, g, o, *t] = sum over n, p of image[n, g, c, t, p] other[n, g, o, p]."""
    groups, channels = image.shape[1:3]
    outs = other.shape[2]
    if _tap_by_tap(groups, channels, outs):
        return _gather_tap_by_tap(xp, image, other, windows)

    layout = _Layout.choose(image, windows)
    positions = math.prod(windows.positions)
    # Merge the images of a chunk, unless `other` is channels-first and would have to be copied.
    merge = positions < _FEW_POSITIONS or other.strides[2] <= min(other.strides[3:], default=0)
    total = None
    for part, columns in _columns(xp, image, windows, layout):
        factor = other[part]
        if layout.rows and merge:
            factor = _move(factor.swapaxes(0, 1), 2, -1)  # [g, n, *p, o]
            factor = factor.reshape(1, groups, -1, outs).swapaxes(2, 3)
        else:
            if layout.rows:
                columns = _split_images(columns, factor.shape[0])
            factor = factor.reshape(-1, groups, outs, positions)
        if features_last:
            product = xp.matmul(columns, factor.swapaxes(2, 3))
        else:
            product = xp.matmul(factor, columns.swapaxes(2, 3))
        product = product[0] if product.shape[0] == 1 else product.sum(0, dtype=product.dtype)
        total = product if total is None else xp.add(total, product, out=total)
    assert total is not None
    if features_last:
        total = total.swapaxes(1, 2)  # [g, o, k]
    if layout.channels_last:
        return _move(total.reshape(groups, outs, *windows.taps, channels), -1, 0)
    return _move(total.reshape(groups, outs, channels, *windows.taps), 2, 0)


def _split_images(merged, images):
    """[1, g, k, (n p)] -> [n, g, k, p], as a view."""
    _, groups, depth, _ = merged.shape
    return merged.reshape(groups, depth, images, -1).transpose(2, 0, 1, 3)


# -- depthwise convolution: a matrix product of depth one would only add overhead -----------------


def _tap_by_tap(groups, channels, outs):
    return groups > 1 and channels == 1 and outs <= _FEW_OUTPUTS


def _spread_tap_by_tap(xp, image, kernel, windows, out):
    """Fill out[n, g, o, *p] with the sum over taps of shifted images times weights [g, o]."""
    step = _chunk(xp, image, math.prod(out.shape[1:]))
    for part, view in _window_views(xp, image, windows, step, False):
        target = out[part]
        scratch = xp.empty_like(target)
        for number, tap in enumerate(np.ndindex(windows.taps)):
            shifted = view[(slice(None), slice(None), slice(None), *tap)]
            weight = kernel[(slice(None), slice(None), 0, *tap)]
            weight = weight.reshape(weight.shape + (1,) * len(tap))
            xp.multiply(shifted, weight, out=scratch if number else target)
            if number:
                xp.add(target, scratch, out=target)


def _gather_tap_by_tap(xp, image, other, windows):
    """out[1, g, o, *t]: sums over images and positions, one tap at a time."""
    out = xp.zeros((1, *other.shape[1:3], *windows.taps), image.dtype)
    axes = (0, *range(3, other.ndim))
    step = _chunk(xp, image, math.prod(other.shape[1:]))
    for part, view in _window_views(xp, image, windows, step, False):
        for tap in np.ndindex(windows.taps):
            shifted = view[(slice(None), slice(None), slice(None), *tap)]
            product = (shifted * other[part]).sum(axes, dtype=image.dtype)
            out[(0, slice(None), slice(None), *tap)] += product
    return out


# -- windows --------------------------------------------------------------------------------------


class _Layout(NamedTuple):
    """In which order the windows of a chunk are copied out, from how the image lies in memory."""

    rows: bool  # one row a position of any image, else one column a position within each image
    channels_last: bool  # within a window: taps, channel; else channel, taps
    repack: bool  # the image's own memory order must be changed first

    @staticmethod
    def choose(image, windows):
        channels, positions = image.shape[2], math.prod(windows.positions)
        inner = [
            stride
            for stride, size in zip(image.strides[3:], image.shape[3:], strict=True)
            if size > 1
        ]
        channels_last = channels > 1 and bool(inner) and image.strides[2] < min(inner)
        if positions == 1 or channels_last:
            return _Layout(True, channels_last, False)
        overlap = math.prod(windows.taps) > 1
        if positions < _FEW_POSITIONS or (channels >= _MANY_CHANNELS and overlap):
            return _Layout(True, True, overlap)
        return _Layout(False, False, False)


def _columns(xp, image, windows, layout):
    """Yield (slice of images, windows as matrices [n, g, k, p]), chunk by chunk.

    With `layout.rows` the images of a chunk are merged: [1, g, k, (n p)]. A yielded array is only
    valid until the next one.
    """
    groups, channels = image.shape[1:3]
    rank = image.ndim - 3
    taps, positions = range(3, 3 + rank), range(3 + rank, 3 + 2 * rank)
    if not layout.rows:
        order = (0, 1, 2, *taps, *positions)
    elif layout.channels_last:
        order = (1, 0, *positions, *taps, 2)
    else:
        order = (1, 0, *positions, 2, *taps)
    count, depth = math.prod(windows.positions), channels * math.prod(windows.taps)
    step = _chunk(xp, image, groups * depth * count)
    if layout.rows:
        step = max(step, -(-_CHUNK_ROWS // count))
    distinct = math.prod(windows.taps) == 1 or count == 1
    buffer = None
    for part, view in _window_views(xp, image, windows, step, layout.repack):
        view = view.transpose(order)
        if not distinct:
            if buffer is None or buffer.shape != view.shape:
                buffer = xp.empty(view.shape, view.dtype)
            buffer[...] = view
            view = buffer
        # Distinct elements may already lie as the matrix needs; then reshape copies nothing.
        if layout.rows:
            yield part, view.reshape(1, groups, -1, depth).swapaxes(2, 3)
        else:
            yield part, view.reshape(-1, groups, depth, count)


def _chunk(xp, image, elements):
    """How many images of `elements` elements each make a chunk."""
    limit = _CHUNK_BYTES if xp is np else _CHUNK_BYTES_DEVICE
    return max(1, limit // max(1, elements * image.itemsize))


def _window_views(xp, image, windows, step, repack):
    """Yield (slice of images, view [n, g, c, *taps, *positions]) for `step` images at a time.

    Padding and dilation are done here, a chunk at a time, in a buffer whose zeros are written
    once; `repack` makes that buffer channels-last whatever the image is.
    """
    spots = [
        _place(size, low, high, dilation)
        for size, (low, high), dilation in zip(
            image.shape[3:], windows.padding, windows.dilation, strict=True
        )
    ]
    sources = tuple(source for source, _, _ in spots)
    targets = tuple(target for _, target, _ in spots)
    totals = tuple(total for _, _, total in spots)
    bare = all(len(range(total)[target]) == total for _, target, total in spots) and not repack
    channels_last = repack or image.strides[2] < min(image.strides[3:], default=0)
    buffer = None
    for start in range(0, image.shape[0], step):
        part = slice(start, start + step)
        chunk = image[(part, slice(None), slice(None), *sources)]
        if not bare:
            count, groups, channels = chunk.shape[:3]
            if buffer is None or buffer.shape[0] != count:
                if channels_last:
                    shape = (count, *totals, groups, channels)
                    buffer = _move(_move(xp.zeros(shape, image.dtype), -1, 1), -1, 1)
                else:
                    buffer = xp.zeros((count, groups, channels, *totals), image.dtype)
            buffer[(slice(None), slice(None), slice(None), *targets)] = chunk
            chunk = buffer
        head, space = chunk.strides[:3], chunk.strides[3:]
        steps = [*zip(windows.tap_step, space, strict=True)]
        steps += zip(windows.position_step, space, strict=True)
        yield (
            part,
            xp.lib.stride_tricks.as_strided(
                chunk,
                (*chunk.shape[:3], *windows.taps, *windows.positions),
                (*head, *(count * stride for count, stride in steps)),
            ),
        )


def _place(size, low, high, dilation):
    """Where the elements of a dimension go: (source slice, target slice, padded size)."""
    total = low + high + _reach(size, dilation)
    first = max(0, -(low // dilation))
    last = min(size - 1, (total - 1 - low) // dilation)
    if first > last:
        return slice(0, 0), slice(0, 0), total
    start = low + first * dilation
    return (
        slice(first, last + 1),
        slice(start, low + last * dilation + 1, dilation),
        total,
    )


def _move(array, source, target):
    """`moveaxis` for one axis, without its overhead."""
    axes = list(range(array.ndim))
    axis = axes.pop(source)
    axes.insert(target % array.ndim, axis)
    return array.transpose(axes)
