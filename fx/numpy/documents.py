"""Docstrings of the elementwise functions, made from a row of facts each.

A generated function is not found by doctest, so a module that makes some keeps `__test__`.
"""

from __future__ import annotations

_ARRAY = "array of the dtypes named above, or a number"


def document(
    name: str, summary: str, takes: str, gives: str, example: str, shown: str, arity: int = 1
) -> str:
    """The docstring of an elementwise function.

    Args:
        name: public name, for the example.
        summary: what it computes, without a full stop.
        takes: the dtypes it takes and how others are promoted.
        gives: the dtype of the result.
        example, shown: arguments as Python source, and the repr of the result.
        arity: number of arrays.
    """
    what = "x: an array or number" if arity == 1 else "x, y: arrays or numbers that broadcast"
    shape = "x.shape" if arity == 1 else "the common shape"
    who = "`x` is" if arity == 1 else "an argument is"
    shapes = "" if arity == 1 else "\n    ShapeError: the shapes do not broadcast."
    return f"""{summary}, elementwise.

Args:
    {what}; {takes}.

Returns:
    Array of {shape}; {gives}.

Raises:
    FxTypeError: {who} not an array or number of such a dtype.{shapes}

Example:
    >>> import fx.numpy as jnp
    >>> jnp.{name}({example})
    {shown}
"""
