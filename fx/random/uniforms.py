"""Uniform numbers, and what is a simple function of one: bits, floats, integers, coins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P, lit
from fx.errors import FxTypeError, FxValueError, public
from fx.lax.arguments import broadcast
from fx.random.arguments import (
    ArrayLike,
    as_dtype,
    draw_bits,
    draw_unit,
    float_dtype,
    int_dtype,
    parameter,
    sample_shape,
    single_key,
    split_key,
    unstack,
)

_NUMBERS = (int, float, np.generic)


@public
def bits(key: ArrayLike, shape: Sequence[int] = (), dtype: Any = None) -> Array:
    """Random bits, as unsigned integers.

    Args:
        key: a random key.
        shape: of the result.
        dtype: an unsigned integer dtype; uint32 by default.

    Raises:
        FxTypeError: the dtype is not an unsigned integer one; not a key.

    Example:
        >>> import fx
        >>> fx.random.bits(fx.random.key(0), (3,), "uint8")
        Array([167, 146,  40], dtype=uint8)
    """
    key = single_key("bits", key)
    kind = dtypes.default_uint() if dtype is None else dtypes.check_user_dtype(dtype, "random.bits")
    if kind.kind != "u":
        raise FxTypeError(
            f"random.bits: dtype must be an unsigned integer dtype, got {kind}. Use e.g. 'uint32', "
            "or fx.random.randint for signed integers."
        )
    return draw_bits(key, sample_shape("bits", shape), kind.itemsize * 8)


@public
def uniform(
    key: ArrayLike,
    shape: Sequence[int] = (),
    dtype: Any = None,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Array:
    """Numbers distributed uniformly in [minval, maxval).

    Args:
        key: a random key.
        shape: of the result.
        dtype: a floating dtype; the default one if None. As many random bits are used as its
            mantissa has.
        minval, maxval: bounds that broadcast to `shape`; the result is differentiable in them.

    Raises:
        FxTypeError: the dtype is not floating; not a key.
        ShapeError: the bounds do not broadcast to `shape`.

    Example:
        >>> import fx
        >>> fx.random.uniform(fx.random.key(0), (2,))
        Array([0.947667 , 0.9785799], dtype=float32)
    """
    key = single_key("uniform", key)
    kind = float_dtype("uniform", dtype, minval, maxval)
    return scaled_uniform("uniform", key, sample_shape("uniform", shape), kind, minval, maxval)


def scaled_uniform(
    name: str, key: Array, shape: tuple[int, ...], dtype: np.dtype, minval: Any, maxval: Any
) -> Array:
    """`uniform` for checked arguments. low + unit * (high - low) is rounded once, as by XLA."""
    unit = draw_unit(key, shape, dtype)
    half = dtype.itemsize < 4
    if isinstance(minval, _NUMBERS) and isinstance(maxval, _NUMBERS):
        low, high = (as_dtype(x, dtype) for x in (minval, maxval))
        span = np.asarray(high - low)
        if low == 0 and span == 1:
            return unit
        # A power of two scales without rounding.
        exact = half or math.frexp(span)[0] == 0.5
        low, width = Array(low), Array(span)
    else:
        low = parameter(name, "minval", minval, dtype)
        width = _difference(parameter(name, "maxval", maxval, dtype), low)
        low, width = (x if not x.shape else broadcast(x, shape) for x in (low, width))
        exact = half
    scaled = P.add(P.mul(unit, width), low) if exact else P.fma(unit, width, low)
    return P.max(low, scaled)


def _difference(high: Array, low: Array) -> Array:
    shape = np.broadcast_shapes(high.shape, low.shape)
    return P.sub(*(x if not x.shape else broadcast(x, shape) for x in (high, low)))


@public
def randint(
    key: ArrayLike,
    shape: Sequence[int],
    minval: ArrayLike,
    maxval: ArrayLike,
    dtype: Any = None,
) -> Array:
    """Integers distributed uniformly in [minval, maxval).

    Args:
        key: a random key.
        shape: of the result.
        minval, maxval: integers, or integer arrays that broadcast to `shape`. Where maxval is not
            above minval, the result is minval.
        dtype: an integer dtype; the default one if None. Bounds are clipped to its range, and
            a maxval one beyond it is honoured.

    The result is a remainder of random bits, so the probabilities of two integers differ slightly:
    relatively by (maxval - minval) / 2**64 at most for ranges up to 2**16, and, since JAX's
    arithmetic drops the high word there, by (maxval - minval) / 2**32 for larger ones (squares of
    these powers for a dtype of 64 bits).

    Raises:
        FxTypeError: the dtype or a bound is not of an integer dtype; not a key.
        ShapeError: the bounds do not broadcast to `shape`.

    Example:
        >>> import fx
        >>> fx.random.randint(fx.random.key(0), (4,), 0, 10)
        Array([9, 0, 2, 3], dtype=int32)
    """
    key = single_key("randint", key)
    kind = int_dtype("randint", dtype)
    size = sample_shape("randint", shape)
    if isinstance(minval, (int, np.integer)) and isinstance(maxval, (int, np.integer)):
        return _static_randint(key, size, int(minval), int(maxval), kind)
    return _traced_randint(key, size, minval, maxval, kind)


def _sampled(dtype: np.dtype) -> tuple[np.dtype, np.dtype]:
    """The dtype in which integers are drawn, of at least 32 bits, and its unsigned partner."""
    wide = dtype if dtype.itemsize >= 4 else np.dtype(np.int32)
    return wide, np.dtype(f"uint{wide.itemsize * 8}")


def _static_randint(
    key: Array, shape: tuple[int, ...], minval: int, maxval: int, dtype: np.dtype
) -> Array:
    info, (wide, _) = np.iinfo(dtype), _sampled(dtype)
    low = min(max(minval, info.min), info.max)
    high = min(max(maxval, info.min), info.max + 1)
    width = wide.itemsize * 8
    span = max(high - low, 1) % (1 << width)  # 0 stands for the full range
    # The high word h adds h * 2**width % span; XLA's arithmetic wraps, so this is 0 for
    # spans above 2**(width / 2), where the low word alone decides.
    half = (1 << width // 2) % span if span else 0
    factor = half * half % (1 << width) % span if span else 0
    high_key, low_key = split_key(key)
    offset = _remainder(draw_bits(low_key, shape, width), span)
    if factor:
        upper = _remainder(draw_bits(high_key, shape, width), span)
        scaled = P.mul(upper, lit(upper, factor))
        offset = _remainder(P.add(scaled, offset), span)
    offset = P.convert_element_type(offset, new_dtype=wide)
    result = P.add(offset, lit(offset, low)) if low else offset
    return result if dtype == wide else P.convert_element_type(result, new_dtype=dtype)


def _remainder(x: Array, span: int) -> Array:
    """x modulo a static span, where 0 stands for one more than fits."""
    if span == 0:
        return x
    if span & (span - 1) == 0:
        return getattr(P, "and")(x, lit(x, span - 1))
    return P.rem(x, lit(x, span))


def _traced_randint(
    key: Array, shape: tuple[int, ...], minval: Any, maxval: Any, dtype: np.dtype
) -> Array:
    info, (wide, unsigned) = np.iinfo(dtype), _sampled(dtype)
    low, high = (_bound(what, x) for what, x in (("minval", minval), ("maxval", maxval)))
    # One more than the largest integer is a valid bound, but does not fit the dtype.
    ceiling = min(int(info.max), int(np.iinfo(high.dtype).max))
    beyond = broadcast(P.gt(high, lit(high, ceiling)), shape)
    low, high = (broadcast(_clipped(x, wide), shape) for x in (low, high))
    if dtype != wide:
        low = P.clamp(lit(low, info.min), low, lit(low, info.max))
        high = P.clamp(lit(high, info.min), high, lit(high, info.max + 1))
    span = P.convert_element_type(P.sub(high, low), new_dtype=unsigned)
    one = broadcast(lit(span, 1), shape)
    span = P.select_n(P.le(high, low), span, one)
    if dtype == wide:
        larger = getattr(P, "and")(beyond, P.gt(high, low))
        span = P.select_n(larger, span, P.add(span, one))
    width = wide.itemsize * 8
    half = P.rem(lit(span, 1 << width // 2), span)
    factor = P.rem(P.mul(half, half), span)
    high_key, low_key = split_key(key)
    upper = P.rem(draw_bits(high_key, shape, width), span)
    lower = P.rem(draw_bits(low_key, shape, width), span)
    offset = P.rem(P.add(P.mul(upper, factor), lower), span)
    result = P.add(low, P.convert_element_type(offset, new_dtype=wide))
    return result if dtype == wide else P.convert_element_type(result, new_dtype=dtype)


def _bound(what: str, value: Any) -> Array:
    array = to_array(value, "random.randint")
    if not dtypes.is_integer(array.dtype):
        raise FxTypeError(
            f"random.randint: {what} must be an integer, got {array.aval.short()}. Round it "
            "first: x.astype(int)."
        )
    return array


def _clipped(x: Array, dtype: np.dtype) -> Array:
    """Another integer dtype, with values that do not fit clipped to its range."""
    if x.dtype == dtype:
        return x
    old, new = np.iinfo(x.dtype), np.iinfo(dtype)
    low, high = max(int(old.min), int(new.min)), min(int(old.max), int(new.max))
    return P.convert_element_type(P.clamp(lit(x, low), x, lit(x, high)), new_dtype=dtype)


@public
def bernoulli(
    key: ArrayLike,
    p: ArrayLike = 0.5,
    shape: Sequence[int] | None = None,
    mode: str = "low",
) -> Array:
    """Coins that fall on True with probability p.

    Args:
        key: a random key.
        p: probabilities, of a floating dtype.
        shape: of the result, to which p broadcasts; that of p if None.
        mode: 'high' uses twice the random bits, for probabilities below 1e-7.

    Returns:
        bool of the shape.

    Raises:
        FxTypeError: p is not floating; not a key.
        FxValueError: another mode.

    Example:
        >>> import fx
        >>> fx.random.bernoulli(fx.random.key(0), 0.3, (4,))
        Array([False, False, False, False], dtype=bool)
    """
    if mode not in ("high", "low"):
        raise FxValueError(f"random.bernoulli: mode must be 'high' or 'low', got {mode!r}.")
    key = single_key("bernoulli", key)
    chance = to_array(p, "random.bernoulli")
    if not dtypes.is_floating(chance.dtype):
        raise FxTypeError(
            f"random.bernoulli: p must be floating, got {chance.aval.short()}. Use e.g. 0.5."
        )
    size = sample_shape("bernoulli", shape, chance.shape)
    dtype = chance.dtype
    chance = chance if not chance.shape else broadcast(chance, size)
    if mode == "low":
        return P.lt(draw_unit(key, size, dtype), chance)
    coarse, fine = unstack(draw_unit(key, (2, *size), dtype))
    fine = P.mul(fine, lit(fine, 2.0 ** -dtypes.finfo(dtype).nmant))
    return P.lt(fine, P.sub(chance, coarse))


@public
def rademacher(key: ArrayLike, shape: Sequence[int] = (), dtype: Any = None) -> Array:
    """Signs: -1 or 1, each with probability 1/2.

    Args:
        key: a random key.
        shape: of the result.
        dtype: a numeric dtype; the default integer dtype if None.

    Raises:
        FxTypeError: not a dtype; not a key.

    Example:
        >>> import fx
        >>> fx.random.rademacher(fx.random.key(0), (4,))
        Array([-1, -1,  1,  1], dtype=int32)
    """
    key = single_key("rademacher", key)
    kind = dtypes.check_user_dtype(int if dtype is None else dtype, "random.rademacher")
    return signs(key, sample_shape("rademacher", shape), kind)


def signs(key: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """`rademacher` for checked arguments."""
    unit = draw_unit(key, shape, dtypes.default_float())
    heads = P.convert_element_type(P.lt(unit, lit(unit, 0.5)), new_dtype=dtype)
    return P.sub(P.mul(heads, lit(heads, 2)), lit(heads, 1))
