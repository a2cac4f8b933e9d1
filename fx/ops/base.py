"""Families of primitives: the rules that all members share are written once, here.

`Elementwise` operands have equal shapes, or rank 0 (a scalar broadcasts in place, with no
equation for it), and equal dtypes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.primitive import Linear, P, Primitive
from fx.errors import FxTypeError, ShapeError
from fx.util import fp_enter, fp_exit, moved

# Dtype domains, as predicates: which kinds an operation is defined on.
_KINDS: dict[str, Callable[[np.dtype], bool]] = {
    "b": lambda d: d.kind == "b",
    "i": lambda d: d.kind in "iu",
    "f": dtypes.is_floating,
    "c": lambda d: d.kind == "c",
    "k": dtypes.is_key,
}
_KIND_NAMES = {
    "b": "bool",
    "i": "integer",
    "f": "floating-point",
    "c": "complex",
    "k": "random key",
}


@functools.cache
def in_domain(dtype: np.dtype, kinds: str) -> bool:
    """Whether a dtype is of one of the kinds (a string of the letters b, i, f, c, k)."""
    return any(_KINDS[k](dtype) for k in kinds)


def check_domain(name: str, dtype: np.dtype, kinds: str) -> None:
    """Raise unless the dtype is of one of the kinds."""
    if not in_domain(dtype, kinds):
        wanted = ", ".join(_KIND_NAMES[k] for k in kinds)
        raise FxTypeError(
            f"{name} expects operands of a {wanted} dtype, got {dtypes.short_name(dtype)}. "
            + (
                "Random keys take no part in arithmetic; fx.random.key_data(key) has their bits."
                if dtypes.is_key(dtype)
                else "Convert with x.astype(...) first."
            )
        )


def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """A rank-0 value repeated to a shape; anything of that shape already is returned as it is."""
    if x.shape == shape:
        return x
    return P.broadcast_in_dim(x, shape=shape, broadcast_dimensions=())


def unbroadcast(ct: Any, aval: Any) -> Any:
    """Cotangent of an operand that may have been broadcast from rank 0: summed back."""
    if ct is None or ct.shape == aval.shape:
        return ct
    return P.reduce_sum(ct, axes=tuple(range(ct.ndim)))


def move_axis(x: Any, source: int, destination: int) -> Any:
    """`x` with one axis moved, for batch rules."""
    if source == destination:
        return x
    return P.transpose(x, permutation=tuple(moved(range(x.ndim), source, destination)))


def add_axis(x: Any, size: int, position: int = 0) -> Any:
    """`x` repeated along a new axis, for batch rules."""
    shape = list(x.shape)
    shape.insert(position, size)
    kept = tuple(i for i in range(len(shape)) if i != position)
    return P.broadcast_in_dim(x, shape=tuple(shape), broadcast_dimensions=kept)


class Elementwise(Primitive):
    """An operation on each element; subclasses say the domain and the resulting dtype."""

    kinds = "bifc"

    def out_dtype(self, *dtypes_in: np.dtype) -> np.dtype:
        return dtypes_in[0]

    def check_dtypes(self, *avals: ShapedArray) -> None:
        first = avals[0].dtype
        for aval in avals[1:]:
            if aval.dtype is not first and aval.dtype != first:
                got = ", ".join(a.short() for a in avals)
                raise FxTypeError(
                    f"{self.name} expects operands of one dtype, got {got}. Convert one with "
                    "fx.lax.convert_element_type, or use fx.numpy, which promotes."
                )
        check_domain(self.name, first, self.kinds)

    def abstract_eval(self, *avals: ShapedArray, **params: Any) -> ShapedArray:
        self.check_dtypes(*avals)
        first = avals[0]
        shape, weak = first.shape, first.weak_type
        for aval in avals[1:]:
            weak = weak and aval.weak_type
            if aval.shape and aval.shape != shape:
                if shape:
                    got = ", ".join(str(a.shape) for a in avals)
                    raise ShapeError(
                        f"{self.name} expects operands of equal shapes (or scalars), got {got}. "
                        "Broadcast first, or use fx.numpy, which broadcasts."
                    )
                shape = aval.shape
        dtype = self.out_dtype(*[a.dtype for a in avals])
        if shape is first.shape and dtype is first.dtype and weak == first.weak_type:
            return first
        return ShapedArray(shape, dtype, weak)

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        # The usual case (one dtype, one shape but for scalars) needs no types built and checked.
        first = args[0]
        if type(first) is not Array:
            return super().eager(args, params)
        data = first._data
        shape, dtype, weak = data.shape, data.dtype, first.weak_type
        arrays = [data]
        for x in args[1:]:
            if type(x) is not Array:
                return super().eager(args, params)
            data = x._data
            if data.dtype is not dtype:
                return super().eager(args, params)
            other = data.shape
            if other != shape and other:
                if shape:
                    return super().eager(args, params)
                shape = other
            weak = weak and x.weak_type
            arrays.append(data)
        if not in_domain(dtype, self.kinds):
            check_domain(self.name, dtype, self.kinds)
        token = fp_enter()
        try:
            out = self.impl(np, *arrays, **params)
        finally:
            fp_exit(token)
        return Array(out if type(out) is np.ndarray else np.asarray(out), weak)

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        operands, dim = align(args, dims, axis.size)
        return self.bind(*operands, **params), dim

    def lower(self, graph: Any, args: Sequence[Any], out: Any, **params: Any) -> Any:
        return None if params else graph.map(self.name, *args)


def align(args: Sequence[Any], dims: Sequence[Any], size: int) -> tuple[list[Any], int]:
    """Bring the mapped axes of elementwise operands together; unbatched scalars stay scalars."""
    found = {(d, x.ndim) for x, d in zip(args, dims, strict=True) if d is not None}
    plain = all(not x.shape for x, d in zip(args, dims, strict=True) if d is None)
    if len(found) == 1 and plain:
        return list(args), next(iter(found))[0]
    rank = max(x.ndim - (d is not None) for x, d in zip(args, dims, strict=True))
    shape = next(
        s
        for x, d in zip(args, dims, strict=True)
        if len(s := tuple(n for i, n in enumerate(x.shape) if i != d)) == rank
    )
    full = (size, *shape)
    out = []
    for x, d in zip(args, dims, strict=True):
        if d is None:
            if x.ndim:
                x = P.broadcast_in_dim(
                    x, shape=full, broadcast_dimensions=tuple(range(1, rank + 1))
                )
        else:
            if d:
                x = P.transpose(x, permutation=tuple(moved(range(x.ndim), d, 0)))
            if x.ndim != rank + 1:
                x = P.broadcast_in_dim(x, shape=full, broadcast_dimensions=(0,))
        out.append(x)
    return out, 0


class Unary(Elementwise):
    """One operand, given by its implementation and its derivative.

    Args:
        name: of the primitive.
        function: (xp, x) -> result, or the name of a NumPy function.
        tangent: (t, x, out) -> tangent, or None when the derivative is zero everywhere.
        kinds: the dtype domain.
    """

    def __init__(
        self,
        name: str,
        function: str | Callable[[Any, Any], Any],
        tangent: Callable[[Any, Any, Any], Any] | None,
        kinds: str = "fc",
    ):
        super().__init__(name)
        if isinstance(function, str):
            attribute = function
            self.function = lambda xp, x: getattr(xp, attribute)(x)
        else:
            self.function = function
        self.tangent = tangent
        self.kinds = kinds

    def impl(self, xp: Any, x: Any) -> Any:
        return self.function(xp, x)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        return None if self.tangent is None else self.tangent(tangents[0], primals[0], out)


class LinearUnary(Unary):
    """A unary operation that is linear: its tangent is itself, its transpose is given."""

    def __init__(
        self,
        name: str,
        function: str | Callable[[Any, Any], Any],
        transposed: Callable[[Any, Linear], Any],
        kinds: str = "fc",
    ):
        super().__init__(name, function, lambda t, x, out: self.bind(t), kinds)
        self.transposed = transposed

    def transpose(self, ct: Any, x: Any) -> list[Any]:
        return [self.transposed(ct, x)]


class Binary(Elementwise):
    """Two operands, given by the implementation and a tangent for each operand.

    Args:
        name: of the primitive.
        function: (xp, x, y) -> result, or the name of a NumPy function.
        left, right: (t, x, y, out) -> contribution of the operand's tangent, or None for zero.
        kinds: the dtype domain.
    """

    def __init__(
        self,
        name: str,
        function: str | Callable[[Any, Any, Any], Any],
        left: Callable[[Any, Any, Any, Any], Any] | None = None,
        right: Callable[[Any, Any, Any, Any], Any] | None = None,
        kinds: str = "ifc",
    ):
        super().__init__(name)
        if isinstance(function, str):
            attribute = function
            self.function = lambda xp, x, y: getattr(xp, attribute)(x, y)
        else:
            self.function = function
        self.parts = (left, right)
        self.kinds = kinds

    def impl(self, xp: Any, x: Any, y: Any) -> Any:
        return self.function(xp, x, y)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        total = None
        for t, part in zip(tangents, self.parts, strict=True):
            if t is None or part is None:
                continue
            term = part(broadcast_to(t, out.shape), primals[0], primals[1], out)
            total = term if total is None else P.add(total, term)
        return total


class Comparison(Binary):
    """Two operands to a bool; no derivative."""

    def __init__(self, name: str, function: str, kinds: str = "bif"):
        super().__init__(name, function, None, None, kinds)

    def out_dtype(self, *dtypes_in: np.dtype) -> np.dtype:
        return np.dtype(bool)

    def abstract_eval(self, *avals: ShapedArray, **params: Any) -> ShapedArray:
        return super().abstract_eval(*avals, **params).strong()

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        out = super().eager(args, params)
        return type(out)(out._data) if out.weak_type else out
