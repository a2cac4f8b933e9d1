"""Types for annotations, under the names of `jax.typing`."""

from typing import Any, Protocol

import numpy as np

from fx.core.array import Array

__all__ = ["ArrayLike", "DTypeLike"]


class SupportsDType(Protocol):
    """Anything that has a dtype."""

    @property
    def dtype(self) -> np.dtype: ...


ArrayLike = Array | np.ndarray | np.bool_ | np.number | bool | int | float | complex
"""What functions take as an array: fx and NumPy arrays and scalars, and Python numbers."""

DTypeLike = str | type[Any] | np.dtype | SupportsDType
"""What stands for a dtype: a name, a scalar type, a dtype, or something that has one."""
