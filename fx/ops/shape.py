"""Primitives that move and repeat elements without computing on them.

All are linear and take every dtype, random keys included; broadcast transposes into a sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.avals import ShapedArray
from fx.core.primitive import P, Primitive
from fx.errors import AxisError, FxValueError, ShapeError
from fx.ops.base import check_domain, move_axis
from fx.util import without


class Structural(Primitive):
    """One operand whose elements are only moved: the tangent moves in the same way."""

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        return self.bind(tangents[0], **params)


def check_axes(name: str, what: str, axes: Sequence[int], ndim: int) -> None:
    """Raise unless axes are distinct and in [0, ndim)."""
    for axis in axes:
        if not 0 <= axis < ndim:
            raise AxisError(
                f"{name}: {what} {axis} is out of range for an operand of rank {ndim}; "
                f"expected a number in [0, {ndim})."
            )
    if len(set(axes)) != len(axes):
        raise FxValueError(f"{name}: {what} must be distinct, got {tuple(axes)}.")


def check_sizes(name: str, shape: Sequence[int]) -> None:
    """Raise unless a shape consists of non-negative integers."""
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name} expects non-negative sizes, got the shape {tuple(shape)}.")


class BroadcastInDim(Structural):
    """Repeat along new axes and axes of size 1; operand axis i becomes broadcast_dimensions[i]."""

    name = "broadcast_in_dim"

    def abstract_eval(
        self, x: ShapedArray, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...]
    ) -> ShapedArray:
        check_sizes(self.name, shape)
        if len(broadcast_dimensions) != x.ndim:
            raise ShapeError(
                f"broadcast_in_dim of {x.short()} expects one broadcast dimension for each of its "
                f"{x.ndim} axes, got {broadcast_dimensions}."
            )
        last = -1
        for i, (n, d) in enumerate(zip(x.shape, broadcast_dimensions, strict=True)):
            if not last < d < len(shape):
                raise ShapeError(
                    f"broadcast_in_dim expects strictly increasing broadcast dimensions below "
                    f"the rank {len(shape)} of the result {shape}, got {broadcast_dimensions}."
                )
            if n not in (1, shape[d]):
                raise ShapeError(
                    f"broadcast_in_dim of {x.short()} to {shape}: axis {i} has size {n}, but axis "
                    f"{d} of the result has size {shape[d]}; expected 1 or an equal size."
                )
            last = d
        return x.update(shape=shape)

    def impl(
        self, xp: Any, x: Any, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...]
    ) -> Any:
        if x.ndim and x.ndim != len(shape):
            aligned = [1] * len(shape)
            for n, d in zip(x.shape, broadcast_dimensions, strict=True):
                aligned[d] = n
            x = x.reshape(aligned)
        if not x.ndim and xp is np and x.dtype.kind in "biuf":
            # The same as below, without its general preparations: gradients of sums begin here.
            out = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
            out.flags.writeable = False
            return out
        return xp.broadcast_to(x, shape)

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        shape: tuple[int, ...],
        broadcast_dimensions: tuple[int, ...],
    ) -> Any:
        (x,) = args
        axes = tuple(
            d if n == shape[d] else None for n, d in zip(x.shape, broadcast_dimensions, strict=True)
        )
        return graph.view(x, shape, axes)

    def transpose(
        self, ct: Any, x: Any, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...]
    ) -> list[Any]:
        kept = {
            d for n, d in zip(x.shape, broadcast_dimensions, strict=True) if n == shape[d] or n != 1
        }
        repeated = tuple(d for d in range(len(shape)) if d not in kept)
        if repeated:
            ct = P.reduce_sum(ct, axes=repeated)
        return [P.reshape(ct, new_sizes=x.shape) if ct.shape != x.shape else ct]

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        shape: tuple[int, ...],
        broadcast_dimensions: tuple[int, ...],
    ) -> Any:
        (x,), (d,) = args, dims
        # Right behind the image of the axis before it, so that the order of axes is kept.
        place = broadcast_dimensions[d - 1] + 1 if d else 0
        moved = [b + (b >= place) for b in broadcast_dimensions]
        moved.insert(d, place)
        full = shape[:place] + (axis.size,) + shape[place:]
        return self.bind(x, shape=full, broadcast_dimensions=tuple(moved)), place


BroadcastInDim()


class Reshape(Structural):
    """The same elements in row-major order in another shape."""

    name = "reshape"

    def abstract_eval(self, x: ShapedArray, *, new_sizes: tuple[int, ...]) -> ShapedArray:
        check_sizes(self.name, new_sizes)
        if math.prod(new_sizes) != x.size:
            raise ShapeError(
                f"reshape of {x.short()}, which has {x.size} elements, to {new_sizes}, which has "
                f"{math.prod(new_sizes)}: the number of elements must stay the same."
            )
        return x.update(shape=new_sizes)

    def impl(self, xp: Any, x: Any, *, new_sizes: tuple[int, ...]) -> Any:
        return x.reshape(new_sizes)

    def lower(
        self, graph: Any, args: Sequence[Any], out: Any, *, new_sizes: tuple[int, ...]
    ) -> Any:
        (x,) = args
        if [n for n in x.shape if n != 1] != [n for n in new_sizes if n != 1]:
            return graph.reshape(x, new_sizes)
        places = iter(i for i, n in enumerate(new_sizes) if n != 1)
        return graph.view(x, new_sizes, tuple(None if n == 1 else next(places) for n in x.shape))

    def transpose(self, ct: Any, x: Any, *, new_sizes: tuple[int, ...]) -> list[Any]:
        return [P.reshape(ct, new_sizes=x.shape)]

    def batch(
        self, axis: Any, args: Sequence[Any], dims: Sequence[Any], *, new_sizes: tuple[int, ...]
    ) -> Any:
        (x,), (d,) = args, dims
        before, after = math.prod(x.shape[:d]), math.prod(x.shape[d + 1 :])
        # The mapped axis may stay where it is if no reshaped axis crosses it.
        for place in range(len(new_sizes) + 1):
            head, tail = new_sizes[:place], new_sizes[place:]
            if math.prod(head) == before and math.prod(tail) == after:
                return self.bind(x, new_sizes=(*head, axis.size, *tail)), place
        return self.bind(move_axis(x, d, 0), new_sizes=(axis.size, *new_sizes)), 0


Reshape()


class Transpose(Structural):
    """Permute axes: axis i of the result is axis permutation[i] of the operand."""

    name = "transpose"

    def abstract_eval(self, x: ShapedArray, *, permutation: tuple[int, ...]) -> ShapedArray:
        if sorted(permutation) != list(range(x.ndim)):
            raise FxValueError(
                f"transpose of {x.short()} expects a permutation of {tuple(range(x.ndim))}, got "
                f"{permutation}."
            )
        return x.update(shape=tuple([x.shape[p] for p in permutation]))

    def impl(self, xp: Any, x: Any, *, permutation: tuple[int, ...]) -> Any:
        return x.transpose(permutation)

    def lower(
        self, graph: Any, args: Sequence[Any], out: Any, *, permutation: tuple[int, ...]
    ) -> Any:
        axes = tuple(permutation.index(i) for i in range(len(permutation)))
        return graph.view(args[0], out.shape, axes)

    def transpose(self, ct: Any, x: Any, *, permutation: tuple[int, ...]) -> list[Any]:
        inverse = tuple(sorted(range(len(permutation)), key=permutation.__getitem__))
        return [P.transpose(ct, permutation=inverse)]

    def batch(
        self, axis: Any, args: Sequence[Any], dims: Sequence[Any], *, permutation: tuple[int, ...]
    ) -> Any:
        (x,), (d,) = args, dims
        order = [p + (p >= d) for p in permutation]
        order.insert(d, d)
        return self.bind(x, permutation=tuple(order)), d


Transpose()


class Squeeze(Structural):
    """Drop axes of size 1."""

    name = "squeeze"

    def abstract_eval(self, x: ShapedArray, *, dimensions: tuple[int, ...]) -> ShapedArray:
        check_axes(self.name, "axis", dimensions, x.ndim)
        for d in dimensions:
            if x.shape[d] != 1:
                raise ShapeError(
                    f"squeeze of {x.short()}: axis {d} has size {x.shape[d]}; only axes of size 1 "
                    "can be dropped."
                )
        return x.update(shape=without(x.shape, dimensions))

    def impl(self, xp: Any, x: Any, *, dimensions: tuple[int, ...]) -> Any:
        return xp.squeeze(x, dimensions)

    def lower(
        self, graph: Any, args: Sequence[Any], out: Any, *, dimensions: tuple[int, ...]
    ) -> Any:
        (x,) = args
        kept = without(range(len(x.shape)), dimensions)
        axes = tuple(kept.index(i) if i in kept else None for i in range(len(x.shape)))
        return graph.view(x, out.shape, axes)

    def transpose(self, ct: Any, x: Any, *, dimensions: tuple[int, ...]) -> list[Any]:
        return [P.reshape(ct, new_sizes=x.shape)]

    def batch(
        self, axis: Any, args: Sequence[Any], dims: Sequence[Any], *, dimensions: tuple[int, ...]
    ) -> Any:
        (x,), (d,) = args, dims
        out = self.bind(x, dimensions=tuple(i + (i >= d) for i in dimensions))
        return out, d - sum(i < d for i in dimensions)


Squeeze()


class Rev(Structural):
    """Reverse the order of elements along axes."""

    name = "rev"

    def abstract_eval(self, x: ShapedArray, *, dimensions: tuple[int, ...]) -> ShapedArray:
        check_axes(self.name, "axis", dimensions, x.ndim)
        return x

    def impl(self, xp: Any, x: Any, *, dimensions: tuple[int, ...]) -> Any:
        return xp.flip(x, dimensions) if dimensions else x

    def lower(
        self, graph: Any, args: Sequence[Any], out: Any, *, dimensions: tuple[int, ...]
    ) -> Any:
        (x,) = args
        if not x.size:
            return None
        turned = [i in dimensions for i in range(len(x.shape))]
        steps = tuple(-1 if t else 1 for t in turned)
        starts = tuple(n - 1 if t else 0 for n, t in zip(x.shape, turned, strict=True))
        return graph.view(x, x.shape, tuple(range(len(x.shape))), steps, starts)

    def transpose(self, ct: Any, x: Any, *, dimensions: tuple[int, ...]) -> list[Any]:
        return [P.rev(ct, dimensions=dimensions)]

    def batch(
        self, axis: Any, args: Sequence[Any], dims: Sequence[Any], *, dimensions: tuple[int, ...]
    ) -> Any:
        (x,), (d,) = args, dims
        return self.bind(x, dimensions=tuple(i + (i >= d) for i in dimensions)), d


Rev()


class Iota(Primitive):
    """0, 1, 2, ... along one axis of a shape, repeated along the others."""

    name = "iota"

    def abstract_eval(
        self, *, dtype: np.dtype, shape: tuple[int, ...], dimension: int
    ) -> ShapedArray:
        check_sizes(self.name, shape)
        check_axes(self.name, "axis", (dimension,), len(shape))
        check_domain(self.name, dtype, "ifc")
        return ShapedArray(shape, dtype)

    def impl(self, xp: Any, *, dtype: np.dtype, shape: tuple[int, ...], dimension: int) -> Any:
        n = shape[dimension]
        # ml_dtypes' own arange counts in the narrow dtype and sticks where it runs out of bits.
        row = xp.arange(n) if dtypes.is_inexact(dtype) else xp.arange(n, dtype=np.int64)
        row = row.astype(dtype)
        if len(shape) == 1:
            return row
        aligned = [1] * len(shape)
        aligned[dimension] = n
        return xp.broadcast_to(row.reshape(aligned), shape)

    def lower(
        self, graph: Any, args: Any, out: Any, *, dtype: Any, shape: tuple[int, ...], dimension: int
    ) -> Any:
        return graph.iota(shape, dimension, dtype)


Iota()
