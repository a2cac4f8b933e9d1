"""How a special function of promoted arrays becomes a public one, with its documentation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fx import dtypes
from fx.errors import FxTypeError, public
from fx.numpy.promotion import expand_to, inexact_operands

_DOC = """{text}, elementwise.

Args:
    {arguments}: arrays or numbers that broadcast; integers become floats.

Returns:
    Array of the common shape and dtype.

Raises:
    FxTypeError: an argument does not hold numbers, or complex ones that have no such function.
    ShapeError: the shapes do not broadcast.

Example:
    >>> from fx.scipy import special
    >>> special.{example}
    {shown}
"""


def special(
    text: str, example: str, shown: str, complex_too: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function of promoted arrays (of one shape, or rank 0): promote, document."""

    def decorate(compute: Callable[..., Any]) -> Callable[..., Any]:
        name = compute.__name__
        full = f"scipy.special.{name}"

        def checked(*xs: Any) -> Any:
            operands = inexact_operands(full, *xs)
            if not complex_too and operands[0].dtype.kind == "c":
                raise FxTypeError(
                    f"{full} expects real numbers, got {dtypes.short_name(operands[0].dtype)}."
                )
            return compute(*operands)

        parameters = list(inspect.signature(compute).parameters)
        signature = inspect.signature(compute)

        def one(x: Any) -> Any:
            return checked(x)

        def several(*args: Any, **kwargs: Any) -> Any:
            return checked(*signature.bind(*args, **kwargs).arguments.values())

        function: Any = one if parameters == ["x"] else several
        if function is several:
            function.__signature__ = signature
        function.__name__ = function.__qualname__ = name
        function.__module__ = compute.__module__
        function.__doc__ = _DOC.format(
            text=text, arguments=", ".join(parameters), example=example, shown=shown
        )
        return public(function)

    return decorate


def full(*xs: Any) -> list[Any]:
    """Operands all of the common shape."""
    shape = next((x.shape for x in xs if x.shape), ())
    return [expand_to(x, shape) for x in xs]
