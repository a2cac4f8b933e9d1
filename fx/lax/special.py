"""Special functions under JAX's names, as a table.

All take floating-point arrays of one dtype and of equal shapes (or rank 0). Half precision is
computed in float32. The formulas and their sources are in `fx.ops.special` and
`fx.ops.numerics.special`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fx.ops  # noqa: F401 (registers the primitives)
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import public
from fx.lax.arguments import ArrayLike, operands

_DOC = """{text}

    Args:
        {arguments}: {what}; or a Python number.

    Returns:
        an array of the same shape and dtype.

    Raises:
        FxTypeError: a dtype is not floating, or they differ.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> {example}
        {result}
    """

_ONE = "an array of floating dtype"
_SEVERAL = "arrays of one floating dtype, of equal shapes or rank 0"


def _finish(function: Any, name: str, arguments: str, text: str, **example: str) -> Any:
    function.__name__ = function.__qualname__ = name
    what = _ONE if len(arguments) == 1 else _SEVERAL
    function.__doc__ = _DOC.format(text=text, arguments=arguments, what=what, **example)
    return public(function)


def _of_one(name: str, text: str, example: str, result: str) -> Callable[[ArrayLike], Array]:
    bind = getattr(P, name)

    def function(x: ArrayLike) -> Array:
        return bind(*operands(f"lax.{name}", x))

    return _finish(function, name, "x", text, example=example, result=result)


erf = _of_one(
    "erf",
    "Error function: 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x.",
    "lax.erf(jnp.array([0.0, 1.0]))",
    "Array([0.       , 0.8427008], dtype=float32)",
)
erfc = _of_one(
    "erfc",
    "Complementary error function: 1 - erf(x), accurate where erf(x) is close to 1.",
    "lax.erfc(jnp.array([0.0, 1.0]))",
    "Array([1.       , 0.1572992], dtype=float32)",
)
erf_inv = _of_one(
    "erf_inv",
    "Inverse of the error function, on [-1, 1].",
    "lax.erf_inv(jnp.array([0.0, 0.5]))",
    "Array([0.        , 0.47693628], dtype=float32)",
)
lgamma = _of_one(
    "lgamma",
    "Logarithm of the absolute value of the gamma function.",
    "lax.lgamma(jnp.array([1.0, 5.0]))",
    "Array([0.       , 3.1780539], dtype=float32)",
)
digamma = _of_one(
    "digamma",
    "Derivative of the logarithm of the gamma function.",
    "lax.digamma(jnp.array([1.0, 2.0]))",
    "Array([-0.5772157 ,  0.42278433], dtype=float32)",
)
bessel_i0e = _of_one(
    "bessel_i0e",
    "Modified Bessel function of order 0, scaled: exp(-|x|) I_0(x).",
    "lax.bessel_i0e(jnp.array([0.0, 1.0]))",
    "Array([1.       , 0.4657596], dtype=float32)",
)
bessel_i1e = _of_one(
    "bessel_i1e",
    "Modified Bessel function of order 1, scaled: exp(-|x|) I_1(x).",
    "lax.bessel_i1e(jnp.array([0.0, 1.0]))",
    "Array([0.        , 0.20791042], dtype=float32)",
)


def _of_a_and_x(
    name: str, text: str, example: str, result: str
) -> Callable[[ArrayLike, ArrayLike], Array]:
    bind = getattr(P, name)

    def function(a: ArrayLike, x: ArrayLike) -> Array:
        return bind(*operands(f"lax.{name}", a, x))

    return _finish(function, name, "a, x", text, example=example, result=result)


igamma = _of_a_and_x(
    "igamma",
    "Regularized lower incomplete gamma function: the gamma distribution's probability below x.",
    "lax.igamma(jnp.array([1.0, 5.0]), jnp.array([1.0, 2.0]))",
    "Array([0.63212055, 0.05265302], dtype=float32)",
)
igammac = _of_a_and_x(
    "igammac",
    "Regularized upper incomplete gamma function: 1 - igamma(a, x), accurate where that is small.",
    "lax.igammac(jnp.array([1.0, 5.0]), jnp.array([1.0, 2.0]))",
    "Array([0.36787945, 0.947347  ], dtype=float32)",
)
igamma_grad_a = _of_a_and_x(
    "igamma_grad_a",
    "Derivative of igamma(a, x) with respect to a. It has no derivative with respect to a itself.",
    "lax.igamma_grad_a(jnp.array([1.0]), jnp.array([1.0]))",
    "Array([-0.4317297], dtype=float32)",
)
random_gamma_grad = _of_a_and_x(
    "random_gamma_grad",
    """Derivative with respect to a of a sample x of the gamma distribution of shape a.

    It keeps the sample's quantile, so igamma(a, x), as it is. It has no derivative with respect
    to a itself. Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", 2018.""",
    "lax.random_gamma_grad(jnp.array([1.0]), jnp.array([1.0]))",
    "Array([1.173563], dtype=float32)",
)


@public
def polygamma(m: ArrayLike, x: ArrayLike) -> Array:
    """Derivative of order m + 1 of the logarithm of the gamma function.

    Args:
        m: the order as an array of floating dtype that holds non-negative integers, or a number.
            There is no derivative with respect to it.
        x: an array of the same dtype, of equal shape or rank 0.

    Returns:
        an array of their shape and dtype.

    Raises:
        FxTypeError: a dtype is not floating, or they differ.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.polygamma(1.0, jnp.array([1.0, 2.0]))
        Array([1.644934  , 0.64493406], dtype=float32)
    """
    return P.polygamma(*operands("lax.polygamma", m, x))


@public
def zeta(x: ArrayLike, q: ArrayLike) -> Array:
    """Hurwitz zeta function: the sum of (k + q)**-x over k = 0, 1, 2, ...

    Args:
        x: an array of floating dtype, or a number. There is no derivative with respect to it.
        q: an array of the same dtype, of equal shape or rank 0.

    Returns:
        an array of their shape and dtype.

    Raises:
        FxTypeError: a dtype is not floating, or they differ.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.zeta(2.0, jnp.array([1.0, 2.0]))
        Array([1.644934  , 0.64493406], dtype=float32)
    """
    return P.zeta(*operands("lax.zeta", x, q))


@public
def betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """Regularized incomplete beta function: the beta distribution's probability below x.

    Args:
        a, b, x: arrays of one floating dtype, of equal shapes or rank 0; or Python numbers. There
            is no derivative with respect to a and b.

    Returns:
        an array of their shape and dtype.

    Raises:
        FxTypeError: a dtype is not floating, or they differ.
        ShapeError: the shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.betainc(2.0, 2.0, jnp.array([0.25, 0.5]))
        Array([0.15625, 0.5    ], dtype=float32)
    """
    return P.regularized_incomplete_beta(*operands("lax.betainc", a, b, x))
