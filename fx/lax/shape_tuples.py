"""Shapes of the results of convolutions and window reductions, from those of the operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.calls.jit import eval_shape
from fx.core.avals import ShapeDtypeStruct
from fx.errors import FxTypeError, FxValueError, public
from fx.lax.convolution import Padding, conv_dimension_numbers, conv_general_dilated, conv_transpose
from fx.lax.convolution import padtype_to_pads as pads_of


def _shape(function: Callable[..., Any], *shapes: Sequence[int]) -> tuple[int, ...]:
    return eval_shape(function, *[ShapeDtypeStruct(s, np.float32) for s in shapes]).shape


@public
def conv_general_permutations(
    dimension_numbers: Sequence[str],
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The permutations that bring inputs, kernel and result of a convolution to the orders
    (batch, feature, space...), (out, in, space...) and (batch, feature, space...).

    Args:
        dimension_numbers: three strings such as ("NHWC", "HWIO", "NHWC").

    Raises:
        FxTypeError: not three strings.
        FxValueError: letters are missing or repeated.

    Example:
        >>> from fx import lax
        >>> lax.conv_general_permutations(("NHWC", "HWIO", "NHWC"))
        ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
    """
    specs = dimension_numbers
    if not isinstance(specs, (tuple, list)) or [type(s) for s in specs] != [str] * 3:
        raise FxTypeError(
            f"conv_general_permutations expects three strings such as ('NHWC', 'HWIO', 'NHWC'), "
            f"got {specs!r}."
        )
    ones = (1,) * len(specs[0])
    return tuple(conv_dimension_numbers(ones, ones, tuple(specs)))  # type: ignore[return-value]


@public
def conv_general_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: Any,
    dimension_numbers: Any,
) -> tuple[int, ...]:
    """The shape of `conv_general_dilated`'s result; arguments as there.

    Example:
        >>> from fx import lax
        >>> numbers = ("NHWC", "HWIO", "NHWC")
        >>> lax.conv_general_shape_tuple((1, 8, 8, 3), (3, 3, 3, 5), (2, 2), "SAME", numbers)
        (1, 4, 4, 5)
    """

    def convolve(lhs: Any, rhs: Any) -> Any:
        return conv_general_dilated(
            lhs, rhs, window_strides, padding, dimension_numbers=dimension_numbers
        )

    return _shape(convolve, lhs_shape, rhs_shape)


@public
def conv_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    strides: Sequence[int],
    pads: Any,
    batch_group_count: int = 1,
) -> tuple[int, ...]:
    """The shape of a convolution of inputs (N, C, space...) with kernels (O, I, space...).

    Example:
        >>> from fx import lax
        >>> lax.conv_shape_tuple((1, 3, 8, 8), (5, 3, 3, 3), (1, 1), "VALID")
        (1, 5, 6, 6)
    """

    def convolve(lhs: Any, rhs: Any) -> Any:
        return conv_general_dilated(lhs, rhs, strides, pads, batch_group_count=batch_group_count)

    return _shape(convolve, lhs_shape, rhs_shape)


@public
def conv_transpose_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: Any,
    dimension_numbers: Any,
) -> tuple[int, ...]:
    """The shape of `conv_transpose`'s result; arguments as there.

    Example:
        >>> from fx import lax
        >>> numbers = ("NHWC", "HWIO", "NHWC")
        >>> lax.conv_transpose_shape_tuple((1, 8, 8, 3), (3, 3, 3, 5), (2, 2), "SAME", numbers)
        (1, 16, 16, 5)
    """

    def convolve(lhs: Any, rhs: Any) -> Any:
        return conv_transpose(
            lhs, rhs, window_strides, padding, dimension_numbers=dimension_numbers
        )

    return _shape(convolve, lhs_shape, rhs_shape)


@public
def reduce_window_shape_tuple(
    operand_shape: Sequence[int],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Padding,
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """The shape of `reduce_window`'s result.

    Args:
        operand_shape, window_dimensions, window_strides: with an entry for each axis.
        padding: (low, high) for each axis, or "SAME" or "VALID".
        base_dilation, window_dilation: ones if None.

    Raises:
        FxValueError: not an entry for each axis.

    Example:
        >>> from fx import lax
        >>> lax.reduce_window_shape_tuple((8, 9), (2, 3), (2, 1), [(0, 0), (1, 1)])
        (4, 9)
    """
    rank = len(operand_shape)
    base = tuple(base_dilation or (1,) * rank)
    dilation = tuple(window_dilation or (1,) * rank)
    given = [window_dimensions, window_strides, base, dilation]
    given += [] if isinstance(padding, str) else [padding]
    if any(len(entries) != rank for entries in given):
        raise FxValueError(
            f"reduce_window_shape_tuple expects an entry for each of the {rank} axes of "
            f"{tuple(operand_shape)} in all arguments."
        )
    sizes = [0 if n == 0 else (n - 1) * b + 1 for n, b in zip(operand_shape, base, strict=True)]
    spans = [(w - 1) * d + 1 for w, d in zip(window_dimensions, dilation, strict=True)]
    pads = pads_of(sizes, spans, window_strides, padding) if isinstance(padding, str) else padding
    found = zip(sizes, spans, window_strides, pads, strict=True)
    return tuple(max((n + low + high - w) // s + 1, 0) for n, w, s, (low, high) in found)
