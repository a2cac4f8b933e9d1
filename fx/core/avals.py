"""Abstract values: what is known of an array while a program is traced.

`ShapedArray(shape, dtype, weak_type)` is the only type of the IR. `ShapeDtypeStruct` is its
public cousin, the result of `eval_shape` and a stand-in for real arguments.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from fx import dtypes
from fx.errors import FxTypeError
from fx.signatures import shown


class ShapedArray:
    """The type of an IR variable: static shape, dtype, and whether the dtype is weak.

    A weak dtype comes from Python scalars and yields to others in promotion, as in JAX.
    """

    __slots__ = ("_hash", "dtype", "shape", "weak_type")

    shape: tuple[int, ...]
    dtype: np.dtype
    weak_type: bool

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, weak_type: bool = False):
        self.shape = shape
        self.dtype = dtype
        self.weak_type = weak_type
        self._hash: int | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def update(self, **changes: Any) -> ShapedArray:
        """A copy with some of shape, dtype and weak_type replaced."""
        return ShapedArray(
            changes.get("shape", self.shape),
            changes.get("dtype", self.dtype),
            changes.get("weak_type", self.weak_type),
        )

    def strong(self) -> ShapedArray:
        """The same type without weakness."""
        return ShapedArray(self.shape, self.dtype) if self.weak_type else self

    def same_type(self, other: ShapedArray) -> bool:
        """Equality that ignores weakness."""
        return self.shape == other.shape and self.dtype == other.dtype

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, ShapedArray)
            and self.shape == other.shape
            and self.dtype == other.dtype
            and self.weak_type == other.weak_type
        )

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.shape, self.dtype, self.weak_type))
        return self._hash

    def short(self) -> str:
        """`f32[4,3]`, with a `~` in front when the dtype is weak."""
        dims = ",".join(map(str, self.shape))
        return f"{'~' if self.weak_type else ''}{dtypes.short_name(self.dtype)}[{dims}]"

    def __repr__(self) -> str:
        return f"ShapedArray({self.short()})"


_INTERNED: dict[Any, ShapedArray] = {}
_INTERNED_LIMIT = 16384


def interned(shape: tuple[int, ...], dtype: np.dtype, weak_type: bool) -> ShapedArray:
    """The type as an object that equal types nearly always share, so that comparing is cheap."""
    name = shape, dtype, weak_type
    aval = _INTERNED.get(name)
    if aval is None:
        if len(_INTERNED) >= _INTERNED_LIMIT:
            _INTERNED.clear()
        aval = _INTERNED[name] = ShapedArray(shape, dtype, weak_type)
    return aval


class ShapeDtypeStruct:
    """Shape and dtype of an array without its data.

    Example:
        >>> import fx
        >>> fx.eval_shape(lambda x: x @ x.T, fx.ShapeDtypeStruct((3, 4), "float32"))
        ShapeDtypeStruct(shape=(3, 3), dtype=float32)
    """

    __slots__ = ("dtype", "shape", "weak_type")

    shape: tuple[int, ...]
    dtype: np.dtype
    weak_type: bool

    def __init__(self, shape: Any, dtype: Any, *, weak_type: bool = False):
        try:
            sizes = tuple(operator.index(d) for d in shape)
        except TypeError:
            raise FxTypeError(
                f"ShapeDtypeStruct: shape must be a sequence of integers, got {shown(shape)}."
            ) from None
        object.__setattr__(self, "shape", sizes)
        object.__setattr__(self, "dtype", dtypes.canonicalize(dtype))
        object.__setattr__(self, "weak_type", bool(weak_type))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("ShapeDtypeStruct is immutable; make a new one instead")

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an unsized ShapeDtypeStruct: its shape is ()")
        return self.shape[0]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ShapeDtypeStruct)
            and self.shape == other.shape
            and self.dtype == other.dtype
            and self.weak_type == other.weak_type
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.weak_type))

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        name = "key<fry>" if dtypes.is_key(self.dtype) else self.dtype.name
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={name}{weak})"
