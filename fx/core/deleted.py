"""What an array holds after it was deleted: its type, and an error for everything else.

It is an ndarray, since compiled code reads what it is given as one; being neither aligned nor in
row-major order, it is not taken for data. Whoever computes asks for `dtype`, so that is an error
as well; the array itself asks for `type_of`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fx.errors import FxRuntimeError

_KNOWN = frozenset(("__class__", "shape", "ndim", "size", "refuse"))


class Deleted(np.ndarray):
    """Stands for the data of an array that is no more."""

    _why: str

    def __getattribute__(self, name: str) -> Any:
        if name in _KNOWN:
            return super().__getattribute__(name)
        Deleted.refuse(self)

    def refuse(self, *args: Any, **kwargs: Any) -> Any:
        """The error for whatever is asked of the data."""
        raise FxRuntimeError(object.__getattribute__(self, "_why"))


# What Python and NumPy look up in the type, past `__getattribute__`.
for _name in ("array", "array_ufunc", "array_function", "getitem", "iter", "len", "bool", "int",
              "float", "complex", "index", "copy", "deepcopy", "reduce", "reduce_ex"):  # fmt: skip
    setattr(Deleted, f"__{_name}__", Deleted.refuse)


def deleted(shape: tuple[int, ...], dtype: np.dtype, why: str) -> Deleted:
    """What stands for an array of a type; `why` says what became of it, and what to do."""
    memory = np.zeros(dtype.itemsize + 1, np.uint8)
    out = np.ndarray.__new__(Deleted, shape, dtype, memory, 1, (0,) * len(shape))
    object.__setattr__(out, "_why", why)
    return out


def type_of(data: Any) -> np.dtype:
    """The dtype of an array's data, also where that is deleted."""
    return np.ndarray.dtype.__get__(data) if type(data) is Deleted else data.dtype
