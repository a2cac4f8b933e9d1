"""Arguments of losses."""

from __future__ import annotations

from typing import Any

from fx import dtypes
from fx.core.array import Array, to_array
from fx.errors import FxTypeError, ShapeError


def floating(name: str, x: Any, what: str) -> Array:
    """An array of a floating dtype."""
    x = to_array(x, f"optim.{name}")
    if not dtypes.is_floating(x.dtype):
        raise FxTypeError(
            f"optim.{name}: got {what} of dtype {x.dtype}, expected floats. "
            f"Write jnp.astype({what}, jnp.float32)."
        )
    return x


def integers(name: str, x: Any, what: str) -> Array:
    """An array of an integer dtype."""
    x = to_array(x, f"optim.{name}")
    if not dtypes.is_integer(x.dtype):
        raise FxTypeError(f"optim.{name}: got {what} of dtype {x.dtype}, expected integers.")
    return x


def same_shape(name: str, a: Array, b: Array) -> None:
    """Raise unless two arrays have one shape: broadcasting (n,) with (n, 1) is a common error."""
    if a.shape != b.shape:
        raise ShapeError(
            f"optim.{name}: got shapes {a.shape} and {b.shape}, expected the same. "
            "Reshape one of them, or broadcast them on purpose."
        )
