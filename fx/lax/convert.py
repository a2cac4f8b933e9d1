"""Elementwise `jax.lax` functions with parameters: powers, rounding, choices, changes of dtype."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, is_arraylike, to_array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, public
from fx.lax.arguments import ArrayLike, integer, number, operands
from fx.pytree import tree_map


class RoundingMethod(enum.IntEnum):
    """What `round` does with numbers halfway between two integers.

    Example:
        >>> from fx import lax
        >>> lax.RoundingMethod.TO_NEAREST_EVEN.value
        1
    """

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


@public
def pow(x: ArrayLike, y: ArrayLike) -> Array:
    """Power: x ** y.

    Args:
        x: an array of integer, floating or complex dtype.
        y: an array of the same dtype, or of an integer dtype; or a Python number.

    Returns:
        an array of their shape and of the dtype of x.

    Raises:
        FxTypeError: the dtypes do not fit together.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.pow(jnp.array([2.0, 3.0]), 2)
        Array([4., 9.], dtype=float32)
    """
    return P.pow(*operands("lax.pow", x, y))


@public
def integer_pow(x: ArrayLike, y: int) -> Array:
    """Power with a static integer exponent, by repeated multiplication.

    Args:
        x: an array of integer, floating or complex dtype.
        y: a Python integer; not negative if x is an integer.

    Raises:
        FxTypeError: y is not an integer, or negative for an integer x.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.integer_pow(jnp.array([2.0, -1.0]), 3)
        Array([ 8., -1.], dtype=float32)
    """
    return P.integer_pow(to_array(x, "lax.integer_pow"), y=integer("lax.integer_pow", "y", y))


@public
def mulhi(x: ArrayLike, y: ArrayLike, /) -> Array:
    """The upper half of the bits of a product of integers.

    Args:
        x, y: arrays of one integer dtype of n bits, of equal shapes or rank 0.

    Returns:
        an array of their shape and dtype: the upper n bits of the 2n bits of x * y.

    Raises:
        FxTypeError: the dtypes differ or are not integer.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.mulhi(jnp.array([1 << 20, -3]), jnp.array([1 << 20, 5]))
        Array([256,  -1], dtype=int32)
    """
    a, b = operands("lax.mulhi", x, y)
    if not dtypes.is_integer(a.dtype) or a.dtype != b.dtype:
        raise FxTypeError(
            f"lax.mulhi expects integers of one dtype, got {a.aval.short()} and {b.aval.short()}."
        )
    bits, signed = 8 * a.dtype.itemsize, a.dtype.kind == "i"
    if bits < 64:
        wide = np.dtype(np.int64 if signed else np.uint64)
        product = P.mul(convert_element_type(a, wide), convert_element_type(b, wide))
        shift = P.shift_right_arithmetic if signed else P.shift_right_logical
        return convert_element_type(shift(product, lit(product, bits)), a.dtype)
    # Schoolbook multiplication with digits of 32 bits (Knuth, TAOCP 2, 4.3.1).
    unsigned = np.dtype(np.uint64)
    u, v = convert_element_type(a, unsigned), convert_element_type(b, unsigned)
    half, mask = lit(u, 32), lit(u, 0xFFFFFFFF)

    def digits(n: Array) -> tuple[Array, Array]:
        return getattr(P, "and")(n, mask), P.shift_right_logical(n, half)

    (u0, u1), (v0, v1) = digits(u), digits(v)
    low, carry = digits(P.add(P.mul(u1, v0), digits(P.mul(u0, v0))[1]))
    middle = digits(P.add(P.mul(u0, v1), low))[1]
    high = convert_element_type(P.add(P.mul(u1, v1), P.add(carry, middle)), a.dtype)
    if not signed:
        return high
    # A negative factor n was taken as n + 2**64: subtract the other one.
    sign = lit(a, bits - 1)
    for negative, other in ((a, b), (b, a)):
        mask_of = P.shift_right_arithmetic(negative, sign)
        high = P.sub(high, getattr(P, "and")(mask_of, other))
    return high


@public
def reciprocal(x: ArrayLike) -> Array:
    """Reciprocal: 1 / x.

    Args:
        x: an array of floating or complex dtype.

    Raises:
        FxTypeError: the dtype is another.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.reciprocal(jnp.array([2.0, 4.0]))
        Array([0.5 , 0.25], dtype=float32)
    """
    array = to_array(x, "lax.reciprocal")
    if not dtypes.is_inexact(array.dtype):
        raise FxTypeError(
            f"lax.reciprocal expects a floating or complex dtype, got {array.aval.short()}. "
            "Convert with x.astype(...) first."
        )
    return P.integer_pow(array, y=-1)


@public
def conj(x: ArrayLike) -> Array:
    """Complex conjugate; real numbers become complex.

    Args:
        x: an array of floating or complex dtype.

    Returns:
        a complex array of its shape.

    Raises:
        FxTypeError: the dtype is another.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.conj(jnp.array([1 + 2j]))
        Array([1.-2.j], dtype=complex64)
    """
    array = to_array(x, "lax.conj")
    if dtypes.is_floating(array.dtype):
        return P.complex(array, lit(array, 0))
    return P.conj(array)


@public
def round(x: ArrayLike, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Array:
    """The nearest integer, as a float.

    Args:
        x: an array of a floating dtype.
        rounding_method: what to do halfway between two integers.

    Raises:
        FxTypeError: x is not floating.
        FxValueError: there is no such rounding method.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.round(jnp.array([0.5, 1.5]))
        Array([1., 2.], dtype=float32)
        >>> lax.round(jnp.array([0.5, 1.5]), lax.RoundingMethod.TO_NEAREST_EVEN)
        Array([0., 2.], dtype=float32)
    """
    try:
        method = RoundingMethod(rounding_method)
    except (ValueError, TypeError):
        raise FxValueError(
            f"lax.round: unknown rounding_method {rounding_method!r}; expected a member of "
            "lax.RoundingMethod."
        ) from None
    return P.round(to_array(x, "lax.round"), rounding_method=int(method))


# ------------------------------------------------------------------ choices
@public
def clamp(min: ArrayLike, x: ArrayLike, max: ArrayLike) -> Array:
    """x limited to the interval from min to max.

    Args:
        min: lower bound: an array of the shape of x, or a scalar.
        x: an array of bool, integer or floating dtype.
        max: upper bound, as min.

    Raises:
        FxTypeError: the dtypes differ, or are complex.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.clamp(0, jnp.array([-1, 5, 12]), 10)
        Array([ 0,  5, 10], dtype=int32)
    """
    array = x if not isinstance(x, (bool, int, float)) else to_array(x)
    low, middle, high = operands("lax.clamp", min, array, max)
    return P.clamp(low, middle, high)


@public
def select(pred: ArrayLike, on_true: ArrayLike, on_false: ArrayLike) -> Array:
    """Elements of one array where a predicate holds, else of the other.

    Args:
        pred: a bool array of the shape of the others, or a scalar.
        on_true: an array, or a Python number beside an array.
        on_false: an array of the same shape and dtype.

    Raises:
        FxTypeError: the dtypes do not fit.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.select(jnp.array([True, False]), jnp.array([1, 2]), jnp.array([3, 4]))
        Array([1, 4], dtype=int32)
    """
    return P.select_n(to_array(pred, "lax.select"), *_cases("lax.select", on_false, on_true))


@public
def select_n(which: ArrayLike, *cases: ArrayLike) -> Array:
    """Elements of the cases, chosen by number.

    Args:
        which: a bool (two cases) or int32 array of the shape of the cases, or a scalar.
        cases: arrays of one shape and dtype.

    Returns:
        an array of that shape with `cases[which]` elementwise; numbers out of range are clamped.

    Raises:
        FxTypeError: a dtype does not fit.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.select_n(jnp.array([1, 0]), jnp.array([1, 2]), jnp.array([3, 4]))
        Array([3, 2], dtype=int32)
    """
    return P.select_n(to_array(which, "lax.select_n"), *_cases("lax.select_n", *cases))


def _cases(name: str, *cases: ArrayLike) -> list[Array]:
    """Cases as arrays; a Python number takes the dtype of the first array."""
    first = next((x for x in cases if not isinstance(x, (bool, int, float, complex))), None)
    if first is None:
        return [to_array(x, name) for x in cases]
    dtype = to_array(first, name).dtype
    return [
        number(name, x, dtype) if isinstance(x, (bool, int, float, complex)) else to_array(x, name)
        for x in cases
    ]


# ------------------------------------------------------------------ dtypes
@public
def convert_element_type(operand: ArrayLike, new_dtype: Any) -> Array:
    """An array in another dtype.

    Floats become integers by truncation (saturating at the ends, NaN as 0), complex numbers
    become real ones without their imaginary part.

    Args:
        operand: an array.
        new_dtype: a dtype or its name.

    Raises:
        FxTypeError: `new_dtype` is not a dtype, or either is that of random keys.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.convert_element_type(jnp.array([1.7, -1.7]), "int32")
        Array([ 1, -1], dtype=int32)
    """
    array = to_array(operand, "lax.convert_element_type")
    dtype = dtypes.check_user_dtype(new_dtype, "lax.convert_element_type")
    if array.dtype == dtype and not array.weak_type:
        return array
    return P.convert_element_type(array, new_dtype=dtype)


@public
def bitcast_convert_type(operand: ArrayLike, new_dtype: Any) -> Array:
    """The bits of an array as another dtype.

    Args:
        operand: an array.
        new_dtype: a dtype. If it is narrower, a last axis is added that holds the parts; if it is
            wider, the last axis is joined.

    Raises:
        FxTypeError: a dtype has no bits (bool).
        ShapeError: the last axis does not make up one element of a wider dtype.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.bitcast_convert_type(jnp.array([1.0]), "uint32")
        Array([1065353216], dtype=uint32)
    """
    return P.bitcast_convert_type(
        to_array(operand, "lax.bitcast_convert_type"),
        new_dtype=dtypes.check_user_dtype(new_dtype, "lax.bitcast_convert_type"),
    )


@public
def reduce_precision(operand: ArrayLike, exponent_bits: int, mantissa_bits: int) -> Array:
    """Numbers rounded as if their format were smaller, kept in their dtype.

    Args:
        operand: an array of a floating dtype.
        exponent_bits: width of the exponent, at least 1.
        mantissa_bits: width of the mantissa, at least 0.

    Raises:
        FxTypeError: the operand is not floating.
        FxValueError: a width is too small.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.reduce_precision(jnp.array([1.2345678]), exponent_bits=8, mantissa_bits=7)
        Array([1.234375], dtype=float32)
    """
    exponent = integer("lax.reduce_precision", "exponent_bits", exponent_bits)
    mantissa = integer("lax.reduce_precision", "mantissa_bits", mantissa_bits)
    if exponent < 1 or mantissa < 0:
        raise FxValueError(
            "lax.reduce_precision expects exponent_bits >= 1 and mantissa_bits >= 0, got "
            f"{exponent} and {mantissa}."
        )
    return P.reduce_precision(
        to_array(operand, "lax.reduce_precision"), exponent_bits=exponent, mantissa_bits=mantissa
    )


@public
def stop_gradient(x: Any) -> Any:
    """The identity, through which no derivative flows.

    Args:
        x: an array or a pytree of arrays; integer leaves and others are returned as they are.

    Example:
        >>> import fx
        >>> from fx import lax
        >>> float(fx.grad(lambda x: x * lax.stop_gradient(x))(3.0))
        3.0
    """
    return tree_map(_stop, x)


def _stop(x: Any) -> Any:
    if not is_arraylike(x):
        return x
    array = to_array(x, "lax.stop_gradient")
    return P.stop_gradient(array) if dtypes.is_inexact(array.dtype) else x
