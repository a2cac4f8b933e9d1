"""How the functions of a distribution are made of its standard form.

A family names its shape parameters; each of its functions is given for location 0 and scale 1:

    _family = Continuous("laplace")
    logpdf = _family.logpdf(lambda y: -jnp.abs(y) - math.log(2))
    pdf = _family.exp(logpdf)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import fx.numpy as jnp
from fx import dtypes
from fx.core.array import Array
from fx.errors import FxTypeError, public
from fx.numpy.promotion import promote_inexact

_TEXT = {
    "logpdf": "Logarithm of the density",
    "pdf": "Density",
    "logpmf": "Logarithm of the probability of a value",
    "pmf": "Probability of a value",
    "cdf": "Probability of a value up to {x}",
    "logcdf": "Logarithm of the probability of a value up to {x}",
    "sf": "Probability of a value above {x}, 1 - cdf without cancellation",
    "logsf": "Logarithm of the probability of a value above {x}",
    "ppf": "Quantile: the inverse of cdf",
    "isf": "The inverse of sf",
}
_DOC = """{text}, elementwise; see the module for the distribution.

Args:
    {arguments}: arrays or numbers that broadcast; integers become floats.

Returns:
    Array of the common shape.

Raises:
    FxTypeError: an argument does not hold real numbers.
    ShapeError: the shapes do not broadcast.

Example:
    >>> import fx.numpy as jnp
    >>> from fx.scipy import stats
    >>> stats.{family}.{kind}(jnp.full(3, {point}){shapes}).shape
    (3,)
"""


def real_operands(name: str, *args: Any) -> list[Any]:
    """Promoted real arrays."""
    operands = promote_inexact(name, *args)
    if operands[0].dtype.kind == "c":
        raise FxTypeError(
            f"{name} expects real numbers, got {dtypes.short_name(operands[0].dtype)}."
        )
    return operands


def only(condition: Any, compute: Callable[[Any], Any], x: Any, safe: float, other: Any) -> Any:
    """`compute(x)` where the condition holds, else `other`; derivatives do not see the rest."""
    return jnp.where(condition, compute(jnp.where(condition, x, safe)), other)


class Family:
    """Functions of one distribution; subclasses say how location and scale enter.

    Args:
        name: of the module.
        shapes: names of shape parameters, and an example of each.
        located: whether a function takes `loc` (and, if continuous, `scale`).
        point: an example of the argument, and of a probability.
    """

    scaled = False

    def __init__(self, name: str, *, located: bool = True, point: float = 0.5, **shapes: float):
        self.name = name
        self.shapes = shapes
        self.located = located
        self.point = point

    def _function(
        self, kind: str, argument: str, compute: Callable[..., Any], located: bool = True
    ) -> Callable[..., Array]:
        """`compute(x, shapes, loc, scale)` as a public function."""
        full = f"scipy.stats.{self.name}.{kind}"
        defaults = {}
        if self.located and located:
            defaults = {"loc": 0} | ({"scale": 1} if self.scaled else {})
        ways = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(n, ways) for n in (argument, *self.shapes)]
        parameters += [inspect.Parameter(n, ways, default=v) for n, v in defaults.items()]
        signature, count = inspect.Signature(parameters), len(self.shapes)

        def function(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            x, *rest = real_operands(full, *bound.arguments.values())
            loc, scale = [*rest[count:], None, None][:2]
            return compute(x, rest[:count], loc, scale)

        function.__name__ = function.__qualname__ = kind
        function.__signature__ = signature  # type: ignore[attr-defined]
        function.__module__ = f"fx.scipy.stats.{self.name}"
        function.__doc__ = _DOC.format(
            text=_TEXT[kind].format(x=argument),
            arguments=", ".join(signature.parameters),
            family=self.name,
            kind=kind,
            point=0.5 if kind in ("ppf", "isf") else self.point,
            shapes="".join(f", {v}" for v in self.shapes.values()),
        )
        return public(function)


def _standard(x: Any, loc: Any, scale: Any) -> Any:
    if loc is not None:
        x = x - loc
    return x if scale is None else x / scale


class Continuous(Family):
    """A distribution with a density."""

    scaled = True

    def logpdf(self, compute: Callable[..., Any]) -> Callable[..., Array]:
        """From the logarithm of the standard density."""

        def located(x: Any, shapes: Any, loc: Any, scale: Any) -> Any:
            out = compute(_standard(x, loc, scale), *shapes)
            return out if scale is None else out - jnp.log(scale)

        return self._function("logpdf", "x", located)

    def pdf(self, compute: Callable[..., Any]) -> Callable[..., Array]:
        """From the logarithm of the standard density."""

        def located(x: Any, shapes: Any, loc: Any, scale: Any) -> Any:
            out = jnp.exp(compute(_standard(x, loc, scale), *shapes))
            return out if scale is None else out / scale

        return self._function("pdf", "x", located)

    def below(self, kind: str, compute: Callable[..., Any], argument: str = "x") -> Any:
        """cdf, sf and their logarithms, from the standard ones."""
        return self._function(
            kind, argument, lambda x, shapes, loc, scale: compute(_standard(x, loc, scale), *shapes)
        )

    def quantile(self, kind: str, compute: Callable[..., Any], argument: str = "q") -> Any:
        """ppf or isf, from the standard one; NaN outside of [0, 1]."""

        def located(q: Any, shapes: Any, loc: Any, scale: Any) -> Any:
            inside = (q >= 0) & (q <= 1)
            value = compute(jnp.where(inside, q, 0.5), *shapes)
            return jnp.where(inside, value * scale + loc, jnp.nan)

        return self._function(kind, argument, located)


class Discrete(Family):
    """A distribution of integers."""

    def logpmf(self, compute: Callable[..., Any]) -> Callable[..., Array]:
        """From the logarithm of the probabilities at location 0."""
        return self._function(
            "logpmf", "k", lambda x, shapes, loc, _: compute(_standard(x, loc, None), *shapes)
        )

    def pmf(self, compute: Callable[..., Any]) -> Callable[..., Array]:
        """From the logarithm of the probabilities at location 0."""
        return self._function(
            "pmf", "k", lambda x, shapes, loc, _: jnp.exp(compute(_standard(x, loc, None), *shapes))
        )

    def function(
        self, kind: str, argument: str, compute: Callable[..., Any], located: bool
    ) -> Callable[..., Array]:
        """Another function of the value less the location."""
        return self._function(
            kind,
            argument,
            lambda x, shapes, loc, _: compute(_standard(x, loc, None), *shapes),
            located,
        )


def log_choose(n: Any, k: Any, betaln: Callable[[Any, Any], Any]) -> Any:
    """Logarithm of a binomial coefficient."""
    return -jnp.log1p(n) - betaln(n - k + 1, k + 1)


def whole(k: Any) -> Any:
    """Where numbers are integers."""
    return jnp.floor(k) == k
