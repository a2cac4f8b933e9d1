"""Convolutions: `conv_general_dilated` and its arrangements, and how paddings are named.

As everywhere in deep learning, a convolution does not reverse the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import fx.ops  # noqa: F401 (registers the primitives)
from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.lax.arguments import ArrayLike, integer, integers
from fx.lax.linear import PrecisionLike, canonical_precision
from fx.ops.conv import ConvDimensionNumbers, check_specs, reach

Padding = str | Sequence[tuple[int, int]]
ConvGeneralDilatedDimensionNumbers = None | ConvDimensionNumbers | tuple[str, str, str]


# ------------------------------------------------------------------ reading arguments
@public
def padtype_to_pads(
    in_shape: Sequence[int],
    window_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: str,
) -> list[tuple[int, int]]:
    """The amounts of padding that a name stands for.

    Args:
        in_shape: sizes of the dimensions that windows move along.
        window_shape: sizes of the windows (with dilation: from their first to last element).
        window_strides: distances of the windows.
        padding: "VALID": none; "SAME": so much that there are ceil(size / stride) windows, the
            odd element at the end; "SAME_LOWER": the same with the odd element in front.

    Returns:
        one pair (low, high) a dimension.

    Raises:
        FxValueError: the name is none of these.

    Example:
        >>> from fx import lax
        >>> lax.padtype_to_pads((28, 28), (3, 4), (2, 1), "SAME")
        [(0, 1), (1, 2)]
    """
    return _named_padding("lax.padtype_to_pads", in_shape, window_shape, window_strides, padding)


def _named_padding(
    name: str,
    sizes: Sequence[int],
    windows: Sequence[int],
    strides: Sequence[int],
    padding: Any,
) -> list[tuple[int, int]]:
    kind = padding.upper() if isinstance(padding, str) else padding
    if kind not in ("VALID", "SAME", "SAME_LOWER"):
        raise FxValueError(
            f"{name}: padding must be 'VALID', 'SAME' or 'SAME_LOWER', or one pair (low, high) for "
            f"each dimension, got {padding!r}."
        )
    if kind == "VALID":
        return [(0, 0)] * len(sizes)
    if not len(sizes) == len(windows) == len(strides):
        raise ShapeError(
            f"{name}: padding={padding!r} needs window sizes and strides for each of the "
            f"{len(sizes)} dimensions, got {tuple(windows)} and {tuple(strides)}."
        )
    if any(stride < 1 for stride in strides):
        raise FxValueError(f"{name}: strides must be at least 1, got {tuple(strides)}.")
    pads = []
    for n, window, stride in zip(sizes, windows, strides, strict=True):
        total = max(0, (-(-n // stride) - 1) * stride + window - n)
        less = total // 2
        pads.append((less, total - less) if kind == "SAME" else (total - less, less))
    return pads


def canonical_padding(
    name: str,
    padding: Any,
    sizes: Sequence[int],
    windows: Sequence[int],
    strides: Sequence[int],
) -> tuple[tuple[int, int], ...]:
    """Padding as users write it, as one pair a dimension."""
    if isinstance(padding, str):
        return tuple(_named_padding(name, sizes, windows, strides, padding))
    try:
        pairs = [(low, high) for low, high in padding]
    except (TypeError, ValueError):
        raise FxTypeError(
            f"{name}: padding must be a name or one pair (low, high) for each dimension, got "
            f"{padding!r}."
        ) from None
    return tuple((integer(name, "padding", a), integer(name, "padding", b)) for a, b in pairs)


@public
def conv_dimension_numbers(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    dimension_numbers: ConvGeneralDilatedDimensionNumbers,
) -> ConvDimensionNumbers:
    """Which axes of image, kernel and result correspond, from three strings of letters.

    Args:
        lhs_shape, rhs_shape: shapes of image and kernel.
        dimension_numbers: three strings with a letter for each axis of image, kernel and result:
            N batch, C feature, O output feature, I input feature, and any other letters for the
            spatial dimensions, the same in all three. None is batch (or output feature), feature,
            then space in all three. `ConvDimensionNumbers` are returned as they are.

    Returns:
        `ConvDimensionNumbers`; the spatial dimensions are in the kernel's order.

    Raises:
        FxValueError: a letter is missing or occurs twice, or the spatial letters differ.
        FxTypeError: the dimension numbers are no strings.

    Example:
        >>> from fx import lax
        >>> lax.conv_dimension_numbers((1, 3, 8, 8), (5, 3, 3, 3), ("NCHW", "OIHW", "NHWC"))
        ConvDimensionNumbers(lhs_spec=(0, 1, 2, 3), rhs_spec=(0, 1, 2, 3), out_spec=(0, 3, 1, 2))
    """
    name = "lax.conv_dimension_numbers"
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    if len(lhs_shape) != len(rhs_shape):
        raise ShapeError(
            f"{name} expects image and kernel of one rank, got shapes {tuple(lhs_shape)} and "
            f"{tuple(rhs_shape)}."
        )
    rank = len(lhs_shape)
    if dimension_numbers is None:
        return ConvDimensionNumbers(*[tuple(range(rank))] * 3)
    specs = tuple(dimension_numbers) if isinstance(dimension_numbers, (tuple, list)) else ()
    if len(specs) != 3 or not all(isinstance(spec, str) for spec in specs):
        raise FxTypeError(
            f"{name} expects dimension_numbers of three strings, as ('NHWC', 'HWIO', 'NHWC'), got "
            f"{dimension_numbers!r}."
        )
    space = [c for c in specs[1] if c not in "OI"]
    found = []
    for spec, (first, second), what in zip(
        specs, ("NC", "OI", "NC"), ("image", "kernel", "result"), strict=True
    ):
        wanted = [first, second, *space]
        if len(set(wanted)) != rank or sorted(spec) != sorted(wanted):
            raise FxValueError(
                f"{name}: the letters {spec!r} for the axes of the {what} must be {first}, "
                f"{second} and {rank - 2} letters for space, each once and the same spatial ones "
                f"for image, kernel and result, got {specs}."
            )
        found.append(tuple(spec.index(c) for c in wanted))
    return ConvDimensionNumbers(*found)


# ------------------------------------------------------------------ convolutions
@public
def conv_general_dilated(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: ConvGeneralDilatedDimensionNumbers = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Array:
    """Convolution of any rank, with strides, padding, dilation and groups.

    Args:
        lhs: the image, an array of rank n + 2 for n spatial dimensions; of a number dtype.
            Half-precision floats are summed in float32.
        rhs: the kernel, of the same rank and dtype.
        window_strides: n positive integers, the distances of the windows.
        padding: "SAME", "SAME_LOWER", "VALID" (see `padtype_to_pads`), or n pairs (low, high) of
            zeros to add around the (dilated) image; negative amounts cut.
        lhs_dilation: n positive integers, the distances of the image's elements: above 1 there
            are zeros between them, which makes a transposed convolution.
        rhs_dilation: n positive integers, the distances of the kernel's taps (an "atrous"
            convolution).
        dimension_numbers: where batch, feature and space are, see `conv_dimension_numbers`. By
            default (batch, feature, space), (output feature, input feature, space).
        feature_group_count: the features of image and result are cut into so many groups, each of
            the image's convolved to its own of the result.
        batch_group_count: the batch of the image and the features of the result are cut into so
            many groups (kernel gradients of grouped convolutions).
        precision: a hint, see `Precision`.
        preferred_element_type: the dtype to accumulate in and to return.

    Returns:
        an array of the same rank.

    Raises:
        ShapeError: ranks, numbers of features or groups do not fit.
        FxValueError: strides, dilations or groups are not positive, a name is unknown.
        FxTypeError: the dtypes differ and `preferred_element_type` is not given.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> image, kernel = jnp.ones((1, 8, 8, 3)), jnp.ones((3, 3, 3, 5))
        >>> numbers = ("NHWC", "HWIO", "NHWC")
        >>> lax.conv_general_dilated(image, kernel, (2, 2), "SAME", dimension_numbers=numbers).shape
        (1, 4, 4, 5)
    """
    name = "lax.conv_general_dilated"
    x, w = to_array(lhs, name), to_array(rhs, name)
    numbers = conv_dimension_numbers(x.shape, w.shape, dimension_numbers)
    check_specs(f"{name} of {x.aval.short()} and {w.aval.short()}", x.ndim, w.ndim, numbers)
    ones = (1,) * (x.ndim - 2)
    strides = integers(name, "window_strides", window_strides)
    spread = ones if lhs_dilation is None else integers(name, "lhs_dilation", lhs_dilation)
    steps = ones if rhs_dilation is None else integers(name, "rhs_dilation", rhs_dilation)
    if isinstance(padding, str) and any(d != 1 for d in spread):
        raise FxValueError(
            f"{name}: padding={padding!r} is not defined for lhs_dilation={spread}. Give one pair "
            "(low, high) for each spatial dimension, or use lax.conv_transpose."
        )
    space = [x.shape[a] for a in numbers.lhs_spec[2:]] if isinstance(padding, str) else ()
    taps = [w.shape[a] for a in numbers.rhs_spec[2:]] if isinstance(padding, str) else ()
    pads = canonical_padding(
        name, padding, space, [reach(n, d) for n, d in zip(taps, steps, strict=False)], strides
    )
    return P.conv_general_dilated(
        x,
        w,
        window_strides=strides,
        padding=pads,
        lhs_dilation=spread,
        rhs_dilation=steps,
        dimension_numbers=numbers,
        feature_group_count=integer(name, "feature_group_count", feature_group_count),
        batch_group_count=integer(name, "batch_group_count", batch_group_count),
        precision=canonical_precision(name, precision),
        preferred_element_type=(
            None if preferred_element_type is None else dtypes.canonicalize(preferred_element_type)
        ),
    )


@public
def conv(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Sequence[int],
    padding: Padding,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Array:
    """Convolution of images (batch, feature, space) by a kernel (output, input feature, space).

    Args:
        lhs, rhs, window_strides, padding, precision, preferred_element_type: as for
            `conv_general_dilated`.

    Returns:
        an array (batch, output feature, space).

    Raises:
        ShapeError: ranks or numbers of features do not fit.
        FxTypeError: the dtypes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.conv(jnp.ones((1, 3, 8, 8)), jnp.ones((5, 3, 3, 3)), (1, 1), "VALID").shape
        (1, 5, 6, 6)
    """
    return conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


@public
def conv_with_general_padding(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] | None,
    rhs_dilation: Sequence[int] | None,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Array:
    """As `conv`, with dilations.

    Args:
        lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation, precision,
            preferred_element_type: as for `conv_general_dilated`.

    Returns:
        an array (batch, output feature, space).

    Raises:
        ShapeError: ranks or numbers of features do not fit.
        FxTypeError: the dtypes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> image, kernel = jnp.ones((1, 1, 9)), jnp.ones((1, 1, 3))
        >>> lax.conv_with_general_padding(image, kernel, (1,), [(0, 0)], None, (4,))
        Array([[[3.]]], dtype=float32)
    """
    return conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


_CHANNELS_LAST = {
    2: ("NC", "IO", "NC"),
    3: ("NHC", "HIO", "NHC"),
    4: ("NHWC", "HWIO", "NHWC"),
    5: ("NHWDC", "HWDIO", "NHWDC"),
}


@public
def conv_transpose(
    lhs: ArrayLike,
    rhs: ArrayLike,
    strides: Sequence[int],
    padding: Padding,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: ConvGeneralDilatedDimensionNumbers = None,
    transpose_kernel: bool = False,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
    use_consistent_padding: bool = False,
) -> Array:
    """Transposed ("fractionally strided") convolution: the image grows by the strides.

    Args:
        lhs: the image.
        rhs: the kernel.
        strides: positive integers, by which the spatial sizes grow.
        padding: "SAME" (sizes grow exactly by the strides), "VALID" (every product counts), or
            pairs (low, high). Pairs pad the dilated image; with `use_consistent_padding` they
            are, as the names are, those of the convolution that this one transposes.
        rhs_dilation: positive integers, the distances of the kernel's taps.
        dimension_numbers: as for `conv_general_dilated`, but by default channels-last:
            ('NHWC', 'HWIO', 'NHWC').
        transpose_kernel: read the taps backwards and exchange the kernel's features, so that the
            result is the gradient of the convolution by `rhs` with these strides.
        precision, preferred_element_type: as for `conv_general_dilated`.
        use_consistent_padding: see `padding`.

    Returns:
        an array of the same rank.

    Raises:
        ShapeError: ranks or numbers of features do not fit.
        FxValueError: there is no default for `dimension_numbers` of this rank.
        FxTypeError: the dtypes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> image, kernel = jnp.ones((1, 4, 4, 3)), jnp.ones((3, 3, 3, 5))
        >>> lax.conv_transpose(image, kernel, (2, 2), "SAME").shape
        (1, 8, 8, 5)
    """
    name = "lax.conv_transpose"
    x, w = to_array(lhs, name), to_array(rhs, name)
    if dimension_numbers is None:
        if x.ndim not in _CHANNELS_LAST:
            raise FxValueError(
                f"{name}: dimension_numbers must be given for an image of rank {x.ndim}; there are "
                "defaults for 0 to 3 spatial dimensions."
            )
        dimension_numbers = _CHANNELS_LAST[x.ndim]  # type: ignore[assignment]
    numbers = conv_dimension_numbers(x.shape, w.shape, dimension_numbers)
    rank = x.ndim - 2
    sizes = integers(name, "strides", strides)
    steps = (1,) * rank if rhs_dilation is None else integers(name, "rhs_dilation", rhs_dilation)
    taps = [w.shape[a] for a in numbers.rhs_spec[2:]]
    named = isinstance(padding, str) and padding.upper() in ("SAME", "VALID")
    if named or use_consistent_padding:
        if isinstance(padding, str) and not named:
            raise FxValueError(
                f"{name}: padding must be 'SAME', 'VALID', or one pair (low, high) for each "
                f"spatial dimension, got {padding!r}."
            )
        if not len(sizes) == len(steps) == rank:
            raise ShapeError(
                f"{name} of {x.aval.short()} expects strides and rhs_dilation to have one entry "
                f"for each of its {rank} spatial dimensions, got {sizes} and {steps}."
            )
        kinds = [padding] * rank if named else canonical_padding(name, padding, (), (), ())
        padding = [
            _pads_of_transpose(reach(n, d), s, kind)
            for n, d, s, kind in zip(taps, steps, sizes, kinds, strict=True)
        ]
    if transpose_kernel:
        out, into, *space = numbers.rhs_spec
        w = P.rev(w, dimensions=tuple(space))
        numbers = numbers._replace(rhs_spec=(into, out, *space))
    return conv_general_dilated(
        x,
        w,
        (1,) * rank,
        padding,
        lhs_dilation=sizes,
        rhs_dilation=steps,
        dimension_numbers=numbers,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def _pads_of_transpose(taps: int, stride: int, padding: Any) -> tuple[int, int]:
    """What pads a dilated image, from the padding of the convolution that is transposed."""
    if not isinstance(padding, str):
        return taps - 1 - padding[0], taps - 1 - padding[1]
    if padding.upper() == "VALID":
        return taps - 1, stride - 1 + max(taps - stride, 0)
    total = taps + stride - 2
    low = taps - 1 if stride >= taps else (total + 1) // 2
    return low, total - low


# ------------------------------------------------------------------ patches
@public
def conv_general_dilated_patches(
    lhs: ArrayLike,
    filter_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: ConvGeneralDilatedDimensionNumbers = None,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Array:
    """The windows that a convolution would see, as features: "im2col".

    Args:
        lhs: the image, as for `conv_general_dilated`.
        filter_shape: the spatial sizes of a window.
        window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers, precision,
            preferred_element_type: as for `conv_general_dilated`.

    Returns:
        an array whose features are the image's features by the elements of a window.

    Raises:
        ShapeError: the number of spatial dimensions does not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> x = jnp.array([[[1.0, 2.0, 3.0, 4.0]]])
        >>> lax.conv_general_dilated_patches(x, (3,), (1,), "VALID")
        Array([[[1., 2.],
                [2., 3.],
                [3., 4.]]], dtype=float32)
    """
    name = "lax.conv_general_dilated_patches"
    x = to_array(lhs, name)
    sizes = integers(name, "filter_shape", filter_shape)
    if len(sizes) != x.ndim - 2:
        raise ShapeError(
            f"{name} of {x.aval.short()}: filter_shape must have a size for each of the "
            f"{max(x.ndim - 2, 0)} spatial axes, got {sizes}."
        )
    numbers = conv_dimension_numbers(x.shape, (1, 1, *sizes), dimension_numbers)
    features, count = x.shape[numbers.lhs_spec[1]], math.prod(sizes)
    unit = np.eye(count, dtype=x.dtype).reshape(count, 1, *sizes)
    kernel = Array(np.tile(unit, (features, *(1,) * (unit.ndim - 1))))
    return conv_general_dilated(
        x,
        kernel,
        window_strides,
        padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=numbers._replace(rhs_spec=tuple(range(x.ndim))),
        feature_group_count=features,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


@public
def conv_general_dilated_local(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Sequence[int],
    padding: Padding,
    filter_shape: Sequence[int],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: ConvGeneralDilatedDimensionNumbers = None,
    precision: PrecisionLike = None,
) -> Array:
    """A convolution whose kernel differs from place to place (a locally connected layer).

    Args:
        lhs: the image, as for `conv_general_dilated`.
        rhs: the kernels: the spatial dimensions are those of the result, the input features are
            the image's features by the elements of a window (as
            `conv_general_dilated_patches` orders them).
        filter_shape: the spatial sizes of a window.
        window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers, precision: as for
            `conv_general_dilated`.

    Returns:
        an array of the same rank.

    Raises:
        ShapeError: the sizes do not fit.
        FxTypeError: the dtypes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> image, kernels = jnp.ones((1, 3, 8)), jnp.ones((5, 9, 6))
        >>> lax.conv_general_dilated_local(image, kernels, (1,), "VALID", (3,)).shape
        (1, 5, 6)
    """
    name = "lax.conv_general_dilated_local"
    x, w = to_array(lhs, name), to_array(rhs, name)
    numbers = conv_dimension_numbers(x.shape, w.shape, dimension_numbers)
    patches = conv_general_dilated_patches(
        x,
        filter_shape,
        window_strides,
        padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=numbers,
    )
    batch, feature, *space = numbers.out_spec
    in_feature, places = numbers.rhs_spec[1], numbers.rhs_spec[2:]
    out = P.dot_general(
        patches,
        w,
        dimension_numbers=(((feature,), (in_feature,)), (tuple(space), places)),
        precision=canonical_precision(name, precision),
        preferred_element_type=None,
    )
    # Its axes are space, batch, output feature; `order` says which axes they become.
    order = (*space, batch, feature)
    return P.transpose(out, permutation=tuple(sorted(range(out.ndim), key=order.__getitem__)))
