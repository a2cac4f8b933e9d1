"""Gamma distributions and what is made of them: beta, Dirichlet, chi-square, F, Student's t.

A gamma sample is differentiable in its parameter, by implicit differentiation of the distribution
function (Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", NeurIPS 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.core.array import Array
from fx.core.primitive import P, lit
from fx.errors import FxValueError, public
from fx.lax.arguments import broadcast
from fx.random.arguments import (
    ArrayLike,
    float_dtype,
    parameter,
    sample_shape,
    single_key,
    split_key,
    static_integer,
)
from fx.random.continuous import draw_exponential
from fx.random.normals import draw_normal
from fx.random.uniforms import signs


@public
def gamma(
    key: ArrayLike, a: ArrayLike, shape: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """Numbers of density x**(a - 1) exp(-x) / Gamma(a) on x >= 0.

    Multiply by a scale, or divide by a rate. A last bit may differ from `jax.random`, where XLA
    uses an approximate reciprocal square root. Half precision is drawn in float32 and rounded.

    Args:
        key: a random key.
        a: parameters, above 0; the result is differentiable in them.
        shape: of the result, to which a broadcasts; that of a if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.
        ShapeError: a does not broadcast to `shape`.

    Source: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 2000.

    Example:
        >>> import fx
        >>> fx.random.gamma(fx.random.key(0), 2.0, (2,)).shape
        (2,)
    """
    key = single_key("gamma", key)
    return _gamma("gamma", key, a, shape, float_dtype("gamma", dtype, a), False)


@public
def loggamma(
    key: ArrayLike, a: ArrayLike, shape: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """Logarithms of gamma distributed numbers, which do not underflow where a is small.

    Args:
        key: a random key; `exp` of the result is near what `gamma` draws with it.
        a: parameters, above 0; the result is differentiable in them.
        shape: of the result, to which a broadcasts; that of a if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> bool(fx.random.loggamma(fx.random.key(0), 1e-6) < -1000)
        True
    """
    key = single_key("loggamma", key)
    return _gamma("loggamma", key, a, shape, float_dtype("loggamma", dtype, a), True)


def _gamma(name: str, key: Array, a: Any, shape: Any, dtype: np.dtype, log_space: bool) -> Array:
    size = sample_shape(name, shape, np.shape(a))
    return P.random_gamma(key, parameter(name, "a", a, dtype, size), log_space=log_space)


@public
def beta(
    key: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
) -> Array:
    """Numbers of density proportional to x**(a - 1) (1 - x)**(b - 1) on [0, 1].

    Args:
        key: a random key.
        a, b: parameters, above 0; the result is differentiable in them.
        shape: of the result, to which they broadcast; theirs if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.beta(fx.random.key(0), 2.0, 3.0, (2,)).shape
        (2,)
    """
    key = single_key("beta", key)
    kind = float_dtype("beta", dtype, a, b)
    size = sample_shape("beta", shape, np.shape(a), np.shape(b))
    log_a, log_b = (
        _gamma("beta", k, x, size, kind, True) for k, x in zip(split_key(key), (a, b), strict=True)
    )
    # Relative to the larger, so that neither underflows to 0 / 0.
    largest = P.max(log_a, log_b)
    part, rest = (P.portable_exp(P.sub(x, largest)) for x in (log_a, log_b))
    return P.div(part, P.add(part, rest))


@public
def dirichlet(
    key: ArrayLike, alpha: ArrayLike, shape: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """Points of the simplex with density proportional to the product of x_i**(alpha_i - 1).

    Args:
        key: a random key.
        alpha: parameters, of shape `(*s, n)`; the result is differentiable in them.
        shape: of the points, to which `s` broadcasts; `s` if None.
        dtype: a floating dtype; the default one if None.

    Returns:
        An array of shape `(*shape, n)`, whose last axis sums to 1.

    Raises:
        FxTypeError: the dtype is not floating; not a key.
        FxValueError: alpha has no axis.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.random.dirichlet(fx.random.key(0), jnp.ones(3), (2,)).shape
        (2, 3)
    """
    key = single_key("dirichlet", key)
    own = np.shape(alpha)
    if not own:
        raise FxValueError("random.dirichlet: alpha needs at least one axis, got a number.")
    kind = float_dtype("dirichlet", dtype, alpha)
    size = (*sample_shape("dirichlet", shape, own[:-1]), own[-1])
    logs = _gamma("dirichlet", key, alpha, size, kind, True)
    axes = (logs.ndim - 1,)
    kept = tuple(range(logs.ndim - 1))

    def over(x: Array) -> Array:
        return P.broadcast_in_dim(x, shape=size, broadcast_dimensions=kept)

    largest = P.stop_gradient(P.reduce_max(logs, axes=axes))
    parts = P.portable_exp(P.sub(logs, over(largest)))
    return P.div(parts, over(P.reduce_sum(parts, axes=axes)))


@public
def chisquare(
    key: ArrayLike, df: ArrayLike, shape: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """Sums of df squares of standard normal numbers.

    Args:
        key: a random key.
        df: degrees of freedom, above 0, also fractions; the result is differentiable in them.
        shape: of the result, to which df broadcasts; that of df if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.chisquare(fx.random.key(0), 3.0, (2,)).shape
        (2,)
    """
    key = single_key("chisquare", key)
    kind = float_dtype("chisquare", dtype, df)
    size = sample_shape("chisquare", shape, np.shape(df))
    return _chisquare("chisquare", key, parameter("chisquare", "df", df, kind, size))


def _chisquare(name: str, key: Array, df: Array) -> Array:
    logarithm = _gamma(name, key, P.mul(df, lit(df, 0.5)), df.shape, df.dtype, True)
    x = P.portable_exp(logarithm)
    return P.mul(x, lit(x, 2))


@public
def f(
    key: ArrayLike,
    dfnum: ArrayLike,
    dfden: ArrayLike,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
) -> Array:
    """Ratios of the means of dfnum and of dfden squares of standard normal numbers.

    Args:
        key: a random key.
        dfnum, dfden: degrees of freedom of the numerator and the denominator, above 0.
        shape: of the result, to which they broadcast; theirs if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.f(fx.random.key(0), 3.0, 5.0, (2,)).shape
        (2,)
    """
    key = single_key("f", key)
    kind = float_dtype("f", dtype, dfnum, dfden)
    size = sample_shape("f", shape, np.shape(dfnum), np.shape(dfden))
    numerator, denominator = (parameter("f", "df", x, kind, size) for x in (dfnum, dfden))
    denominator_key, numerator_key = split_key(key)
    above = P.div(_chisquare("f", numerator_key, numerator), numerator)
    below = P.div(_chisquare("f", denominator_key, denominator), denominator)
    return P.div(above, below)


@public
def t(
    key: ArrayLike, df: ArrayLike, shape: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """Numbers of Student's t distribution: density proportional to (1 + x**2/df)**(-(df + 1)/2).

    Args:
        key: a random key.
        df: degrees of freedom, above 0; the result is differentiable in them.
        shape: of the result, to which df broadcasts; that of df if None.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.t(fx.random.key(0), 3.0, (2,)).shape
        (2,)
    """
    key = single_key("t", key)
    kind = float_dtype("t", dtype, df)
    size = sample_shape("t", shape, np.shape(df))
    half = P.mul(parameter("t", "df", df, kind, size), lit(Array(np.zeros((), kind)), 0.5))
    normal_key, gamma_key = split_key(key)
    g = _gamma("t", gamma_key, half, size, kind, False)
    return P.mul(draw_normal(normal_key, size, kind), P.sqrt(P.div(half, g)))


@public
def generalized_normal(
    key: ArrayLike, p: ArrayLike, shape: Sequence[int] = (), dtype: Any = None
) -> Array:
    """Numbers of density proportional to exp(-|x|**p).

    Args:
        key: a random key.
        p: the power, above 0; a number, or an array that broadcasts to the shape.
        shape: of the result.
        dtype: a floating dtype; the default one if None.

    Raises:
        FxTypeError: the dtype is not floating; not a key.

    Example:
        >>> import fx
        >>> fx.random.generalized_normal(fx.random.key(0), 2.0, (2,)).shape
        (2,)
    """
    key = single_key("generalized_normal", key)
    kind = float_dtype("generalized_normal", dtype, p)
    size = sample_shape("generalized_normal", shape, np.shape(p))
    return _generalized_normal(key, parameter("generalized_normal", "p", p, kind, size), size)


def _generalized_normal(key: Array, p: Array, shape: tuple[int, ...]) -> Array:
    inverse = P.div(lit(p, 1), p)
    gamma_key, sign_key = split_key(key)
    g = _gamma("generalized_normal", gamma_key, inverse, shape, p.dtype, False)
    return P.mul(signs(sign_key, shape, p.dtype), P.pow(g, inverse))


@public
def ball(
    key: ArrayLike, d: int, p: ArrayLike = 2, shape: Sequence[int] = (), dtype: Any = None
) -> Array:
    """Points distributed uniformly in the unit ball of the p-norm.

    Args:
        key: a random key.
        d: the dimension.
        p: the power of the norm, above 0; a number.
        shape: of the points.
        dtype: a floating dtype; the default one if None.

    Returns:
        An array of shape `(*shape, d)`.

    Raises:
        FxTypeError: the dtype is not floating; d is not an integer; not a key.

    Source: Barthe, Guédon, Mendelson and Naor, "A probabilistic approach to the geometry of the
    l_p^n-ball", Annals of Probability 2005.

    Example:
        >>> import fx
        >>> x = fx.random.ball(fx.random.key(0), 3, shape=(100,))
        >>> x.shape, bool(((x * x).sum(-1) < 1).all())
        ((100, 3), True)
    """
    key = single_key("ball", key)
    kind = float_dtype("ball", dtype, p)
    size = sample_shape("ball", shape)
    power = parameter("ball", "p", p, kind, ())
    full = (*size, static_integer("ball", "d", d))
    point_key, radius_key = split_key(key)
    x = _generalized_normal(point_key, power, full)
    e = draw_exponential(radius_key, size, kind)
    total = P.add(P.reduce_sum(P.pow(P.abs(x), power), axes=(len(size),)), e)
    norm = P.pow(total, P.div(lit(power, 1), power))
    column = P.reshape(norm, new_sizes=(*size, 1))
    return P.div(x, broadcast(column, full))
