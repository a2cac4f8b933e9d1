"""What the functions of `fx.numpy.linalg` demand of their operands."""

from __future__ import annotations

from typing import Any

from fx.errors import ShapeError


def matrices(name: str, x: Any) -> Any:
    """`x`, if it has two axes or more."""
    if x.ndim < 2:
        raise ShapeError(
            f"{name} expects a matrix or a stack of matrices, of shape (..., m, n), got "
            f"{x.aval.short()}."
        )
    return x


def square(name: str, x: Any) -> Any:
    """`x`, if it consists of square matrices."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"{name} expects a square matrix or a stack of them, of shape (..., n, n), got "
            f"{x.aval.short()}."
        )
    return x
