"""Contractions: `dot_general` and the products that are arrangements of it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import fx.ops  # noqa: F401 (registers the primitives)
from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.ir import readable
from fx.core.primitive import P
from fx.errors import FxValueError, ShapeError, public
from fx.lax.arguments import ArrayLike, integers

DotDimensionNumbers = tuple[
    tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]
]


@readable
class Precision(enum.Enum):
    """How carefully a backend with several speeds of multiplication should multiply.

    A hint, which never lowers the result's dtype; the CPU always multiplies in full precision.

    Example:
        >>> from fx import lax
        >>> lax.Precision("highest")
        HIGHEST
    """

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2

    @classmethod
    def _missing_(cls, value: object) -> Precision | None:
        return _PRECISION_NAMES.get(value.lower()) if isinstance(value, str) else None

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


_PRECISION_NAMES = {
    "default": Precision.DEFAULT,
    "fastest": Precision.DEFAULT,
    "bfloat16": Precision.DEFAULT,
    "high": Precision.HIGH,
    "bfloat16_3x": Precision.HIGH,
    "tensorfloat32": Precision.HIGH,
    "highest": Precision.HIGHEST,
    "float32": Precision.HIGHEST,
}

PrecisionLike = None | str | Precision | tuple[str, str] | tuple[Precision, Precision]


def canonical_precision(name: str, precision: Any) -> tuple[Precision, Precision] | None:
    """The precision of each operand, from what users write: None, a name, a member, or a pair."""
    if precision is None:
        return None
    pair = precision if isinstance(precision, (tuple, list)) else (precision, precision)
    try:
        left, right = pair
        return Precision(left), Precision(right)
    except (TypeError, ValueError):
        raise FxValueError(
            f"{name}: precision must be None, a lax.Precision, one of "
            f"{', '.join(map(repr, _PRECISION_NAMES))}, or a pair of these, got {precision!r}."
        ) from None


def _contract(
    name: str,
    x: Array,
    y: Array,
    numbers: Any,
    precision: Any,
    preferred: Any,
) -> Array:
    if preferred is not None:
        preferred = dtypes.canonicalize(preferred)
    elif x.dtype != y.dtype:
        preferred = dtypes.promote_types(x.dtype, y.dtype)
    return P.dot_general(
        x,
        y,
        dimension_numbers=numbers,
        precision=canonical_precision(name, precision),
        preferred_element_type=preferred,
    )


def _canonical_numbers(name: str, numbers: Any) -> Any:
    try:
        (lc, rc), (lb, rb) = numbers
    except (TypeError, ValueError):
        raise FxValueError(
            f"{name}: dimension_numbers must be ((left contracting, right contracting), "
            f"(left batch, right batch)), four sequences of axes, got {numbers!r}."
        ) from None
    what = "a dimension number"
    return (
        (integers(name, what, lc), integers(name, what, rc)),
        (integers(name, what, lb), integers(name, what, rb)),
    )


@public
def dot_general(
    lhs: ArrayLike,
    rhs: ArrayLike,
    dimension_numbers: DotDimensionNumbers,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Array:
    """Sum the products of two arrays over contracting axes, for each index of the batch axes.

    Args:
        lhs, rhs: arrays. Half-precision floats are summed in float32, integers wrap.
        dimension_numbers: `((lhs contracting, rhs contracting), (lhs batch, rhs batch))`, four
            sequences of non-negative axes; corresponding axes have equal sizes.
        precision: a hint, see `Precision`.
        preferred_element_type: the dtype to accumulate in and to return; by default the one that
            the operands' dtypes promote to.

    Returns:
        an array with the batch axes, the other axes of `lhs`, then the other axes of `rhs`.

    Raises:
        ShapeError: sizes of corresponding axes differ.
        FxValueError: an axis does not exist, or is given twice.
        FxTypeError: `preferred_element_type` cannot hold products of the operands.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> x, y = jnp.ones((5, 2, 3)), jnp.ones((5, 3, 4))
        >>> lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))).shape
        (5, 2, 4)
    """
    name = "lax.dot_general"
    x, y = to_array(lhs, name), to_array(rhs, name)
    numbers = _canonical_numbers(name, dimension_numbers)
    return _contract(name, x, y, numbers, precision, preferred_element_type)


@public
def dot(
    lhs: ArrayLike,
    rhs: ArrayLike,
    *,
    dimension_numbers: DotDimensionNumbers | None = None,
    precision: PrecisionLike = None,
    preferred_element_type: Any = None,
) -> Array:
    """Product of two vectors, matrices, or a vector and a matrix.

    Args:
        lhs, rhs: arrays of rank 1 or 2; of any rank if `dimension_numbers` are given.
        dimension_numbers, precision, preferred_element_type: as for `dot_general`.

    Returns:
        an array: rank 0 for two vectors, 1 for a vector and a matrix, 2 for two matrices.

    Raises:
        ShapeError: the ranks are others, or the sizes that are summed over differ.
        FxTypeError: `preferred_element_type` cannot hold products of the operands.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.dot(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([1.0, 10.0]))
        Array([21., 43.], dtype=float32)
    """
    name = "lax.dot"
    x, y = to_array(lhs, name), to_array(rhs, name)
    if dimension_numbers is not None:
        numbers = _canonical_numbers(name, dimension_numbers)
    elif x.ndim in (1, 2) and y.ndim in (1, 2):
        if x.shape[-1] != y.shape[0]:
            raise ShapeError(
                f"lax.dot of {x.aval.short()} and {y.aval.short()} sums over the last axis of the "
                f"left and the first of the right operand: expected equal sizes, got "
                f"{x.shape[-1]} and {y.shape[0]}."
            )
        numbers = (((x.ndim - 1,), (0,)), ((), ()))
    else:
        raise ShapeError(
            f"lax.dot expects vectors or matrices, got {x.aval.short()} and {y.aval.short()}. Use "
            "fx.numpy.matmul or fx.numpy.dot, or give dimension_numbers."
        )
    return _contract(name, x, y, numbers, precision, preferred_element_type)


@public
def batch_matmul(lhs: ArrayLike, rhs: ArrayLike, precision: PrecisionLike = None) -> Array:
    """Matrix products for each index of the leading axes, which must agree.

    Args:
        lhs: an array of shape (..., n, k).
        rhs: an array of shape (..., k, m), of the same rank.
        precision: a hint, see `Precision`.

    Returns:
        an array of shape (..., n, m).

    Raises:
        ShapeError: the ranks differ or are less than 2, or sizes do not agree.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.batch_matmul(jnp.ones((5, 2, 3)), jnp.ones((5, 3, 4))).shape
        (5, 2, 4)
    """
    name = "lax.batch_matmul"
    x, y = to_array(lhs, name), to_array(rhs, name)
    if x.ndim != y.ndim or x.ndim < 2:
        raise ShapeError(
            f"lax.batch_matmul expects two arrays of one rank, which is at least 2, got "
            f"{x.aval.short()} and {y.aval.short()}. fx.numpy.matmul broadcasts leading axes."
        )
    batch = tuple(range(x.ndim - 2))
    numbers = (((x.ndim - 1,), (x.ndim - 2,)), (batch, batch))
    return _contract(name, x, y, numbers, precision, None)
