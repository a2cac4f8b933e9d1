"""Distributions of counts: Poisson, binomial, multinomial, and the waiting time of a success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.core.array import Array, to_array
from fx.core.primitive import P, lit
from fx.errors import FxValueError, public
from fx.lax.arguments import broadcast
from fx.random.arguments import (
    ArrayLike,
    draw_unit,
    float_dtype,
    inexact,
    int_dtype,
    parameter,
    sample_shape,
    single_key,
    split_key,
    unstack,
)

_FLOAT32 = np.dtype(np.float32)


@public
def poisson(
    key: ArrayLike, lam: ArrayLike, shape: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """Counts k with probability lam**k exp(-lam) / k!.

    Args:
        key: a random key.
        lam: rates, at least 0, taken in float32.
        shape: of the result, to which lam broadcasts; that of lam if None.
        dtype: an integer dtype; the default one if None.

    Returns:
        Integers; -1 for a rate that is negative or NaN.

    Raises:
        FxTypeError: the dtype is not an integer dtype; not a key.

    Sources: Knuth, TAOCP 3.4.1; Hörmann, "The transformed rejection method for generating Poisson
    random variables", Insurance: Mathematics and Economics 1993.

    Example:
        >>> import fx
        >>> fx.random.poisson(fx.random.key(0), 3.0, (4,)).shape
        (4,)
    """
    key = single_key("poisson", key)
    kind = int_dtype("poisson", dtype)
    size = sample_shape("poisson", shape, to_array(lam, "random.poisson").shape)
    counts = P.random_poisson(key, parameter("poisson", "lam", lam, _FLOAT32, size))
    return P.convert_element_type(counts, new_dtype=kind)


@public
def binomial(
    key: ArrayLike,
    n: ArrayLike,
    p: ArrayLike,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
) -> Array:
    """Numbers of successes in n trials that succeed with probability p each.

    Args:
        key: a random key.
        n: numbers of trials; of a fraction the whole part counts.
        p: probabilities.
        shape: of the result, to which they broadcast; theirs if None.
        dtype: a floating dtype; the default one if None.

    Returns:
        Whole numbers of the floating dtype; NaN where n is negative or p is not in [0, 1].

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Sources: Kachitvichyanukul and Schmeiser, "Binomial random variate generation", CACM 1988;
    Hörmann, "The generation of binomial random variates", JSCS 1993.

    Example:
        >>> import fx
        >>> fx.random.binomial(fx.random.key(0), 10, 0.5, (4,)).shape
        (4,)
    """
    key = single_key("binomial", key)
    kind = float_dtype("binomial", dtype, n, p)
    size = sample_shape("binomial", shape, np.shape(n), np.shape(p))
    (chance,) = inexact("binomial", p)
    drawn = _binomial(key, parameter("binomial", "n", n, chance.dtype, size), chance)
    return P.convert_element_type(drawn, new_dtype=kind)


def _binomial(key: Array, n: Array, p: Array) -> Array:
    return P.random_binomial(key, n, broadcast(p, n.shape))


@public
def multinomial(
    key: ArrayLike,
    n: ArrayLike,
    p: ArrayLike,
    *,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
    unroll: int | bool = 1,
) -> Array:
    """How often each of k outcomes occurs in n trials.

    Args:
        key: a random key.
        n: numbers of trials, whose shape broadcasts to that of p without its last axis.
        p: probabilities of the outcomes along the last axis, up to a common factor.
        shape: of the result, with the axis of outcomes last, to which p broadcasts; that of p if
            None.
        dtype: a floating dtype; the default one if None.
        unroll: accepted for compatibility; the outcomes are drawn one after another.

    Returns:
        Whole numbers of the floating dtype, of the shape of p or `shape`.

    Raises:
        FxTypeError: the dtype is not floating; not a key.
        FxValueError: p has no axis.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> counts = fx.random.multinomial(fx.random.key(0), 100, jnp.array([0.2, 0.3, 0.5]))
        >>> counts.shape, float(counts.sum())
        ((3,), 100.0)
    """
    key = single_key("multinomial", key)
    kind = float_dtype("multinomial", dtype, n, p)
    trials, chances = inexact("multinomial", n, p)
    if not chances.shape:
        raise FxValueError("random.multinomial: p needs at least one axis, got a number.")
    size = sample_shape("multinomial", chances.shape if shape is None else shape, chances.shape)
    rest = broadcast(trials, size[:-1])
    chances = broadcast(chances, size)
    order = (len(size) - 1, *range(len(size) - 1))
    outcomes = P.transpose(chances, permutation=order)
    # The probability of each outcome, given that it is not an earlier one.
    left = P.cumsum(outcomes, axis=0, reverse=True)
    ones = broadcast(lit(left, 1), left.shape)
    ratios = P.div(outcomes, P.select_n(P.eq(left, lit(left, 0)), left, ones))
    ratios = P.clamp(lit(ratios, 0), ratios, lit(ratios, 1))
    counts = []
    for k, ratio in zip(split_key(key, size[-1]), unstack(ratios), strict=True):
        drawn = _binomial(k, rest, ratio)
        rest = P.sub(rest, drawn)
        counts.append(P.reshape(drawn, new_sizes=(*drawn.shape, 1)))
    joined = P.concatenate(*counts, dimension=len(size) - 1)
    return P.convert_element_type(joined, new_dtype=kind)


@public
def geometric(
    key: ArrayLike, p: ArrayLike, shape: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """Numbers of trials up to the first success: k >= 1 with probability p (1 - p)**(k - 1).

    Args:
        key: a random key.
        p: probabilities of a success, in (0, 1).
        shape: of the result, to which p broadcasts; that of p if None.
        dtype: an integer dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not an integer dtype; not a key.

    Example:
        >>> import fx
        >>> fx.random.geometric(fx.random.key(0), 0.3, (3,))
        Array([1, 1, 4], dtype=int32)
    """
    key = single_key("geometric", key)
    kind = int_dtype("geometric", dtype)
    (chance,) = inexact("geometric", p)
    size = sample_shape("geometric", shape, chance.shape)
    u = draw_unit(key, size, chance.dtype)
    u = P.select_n(P.eq(u, lit(u, 0)), u, broadcast(lit(u, 1), size))
    failing = broadcast(P.portable_log1p(P.neg(chance)), size)
    steps = P.floor(P.div(P.portable_log(u), failing))
    return P.convert_element_type(P.add(steps, lit(steps, 1)), new_dtype=kind)
