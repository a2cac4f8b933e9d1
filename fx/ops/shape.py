"""Primitives that move, repeat, join and cut elements without computing on them.

All are linear and take every dtype, random keys included. They transpose into one another:
broadcast into a sum, slice into pad, concatenate into slices.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import scalar
from fx.core.avals import ShapedArray
from fx.core.primitive import Linear, P, Primitive, instantiate, zeros
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.ops.base import add_axis, broadcast_to, check_domain, move_axis
from fx.util import without


class Structural(Primitive):
    """One operand whose elements are only moved: the tangent moves in the same way."""

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        return self.bind(tangents[0], **params)


def check_axes(name: str, what: str, axes: Sequence[int], ndim: int) -> None:
    """Raise unless axes are distinct and in [0, ndim)."""
    for axis in axes:
        if not 0 <= axis < ndim:
            raise FxValueError(
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
        return xp.broadcast_to(x, shape)

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

    def transpose(self, ct: Any, x: Any, *, dimensions: tuple[int, ...]) -> list[Any]:
        return [P.rev(ct, dimensions=dimensions)]

    def batch(
        self, axis: Any, args: Sequence[Any], dims: Sequence[Any], *, dimensions: tuple[int, ...]
    ) -> Any:
        (x,), (d,) = args, dims
        return self.bind(x, dimensions=tuple(i + (i >= d) for i in dimensions)), d


Rev()


class Concatenate(Primitive):
    """Join arrays along one axis; the other axes agree."""

    name = "concatenate"

    def abstract_eval(self, *operands: ShapedArray, dimension: int) -> ShapedArray:
        if not operands:
            raise FxValueError("concatenate needs at least one array, got none.")
        first = operands[0]
        check_axes(self.name, "axis", (dimension,), first.ndim)
        got = ", ".join(x.short() for x in operands)
        if any(x.dtype != first.dtype for x in operands):
            raise FxTypeError(
                f"concatenate expects operands of one dtype, got {got}. Convert with "
                "x.astype(...), or use fx.numpy.concatenate, which promotes."
            )
        rest = without(first.shape, [dimension])
        if any(x.ndim != first.ndim or without(x.shape, [dimension]) != rest for x in operands):
            raise ShapeError(
                f"concatenate along axis {dimension} expects operands whose other axes agree, got "
                f"{got}."
            )
        shape = list(first.shape)
        shape[dimension] = sum(x.shape[dimension] for x in operands)
        return ShapedArray(tuple(shape), first.dtype, all(x.weak_type for x in operands))

    def impl(self, xp: Any, *operands: Any, dimension: int) -> Any:
        return xp.concatenate(operands, dimension)

    def jvp(
        self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], *, dimension: int
    ) -> Any:
        full = [instantiate(t, p) for t, p in zip(tangents, primals, strict=True)]
        return P.concatenate(*full, dimension=dimension)

    def transpose(self, ct: Any, *operands: Any, dimension: int) -> list[Any]:
        results: list[Any] = []
        start, limit = [0] * ct.ndim, list(ct.shape)
        for x in operands:
            limit[dimension] = start[dimension] + x.shape[dimension]
            results.append(
                P.slice(
                    ct,
                    start_indices=tuple(start),
                    limit_indices=tuple(limit),
                    strides=None,
                )
                if isinstance(x, Linear)
                else None
            )
            start[dimension] = limit[dimension]
        return results

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], *, dimension: int) -> Any:
        place = next(d for d in dims if d is not None)
        operands = [
            add_axis(x, axis.size, place) if d is None else move_axis(x, d, place)
            for x, d in zip(args, dims, strict=True)
        ]
        return self.bind(*operands, dimension=dimension + (dimension >= place)), place


Concatenate()


class Pad(Primitive):
    """Put a value before, after and between elements; negative amounts before/after cut instead.

    `padding_config` holds (low, high, interior) for each axis.
    """

    name = "pad"

    def abstract_eval(
        self, x: ShapedArray, value: ShapedArray, *, padding_config: tuple[tuple[int, ...], ...]
    ) -> ShapedArray:
        if x.dtype != value.dtype:
            raise FxTypeError(
                f"pad of {x.short()} expects a padding value of the same dtype, got "
                f"{value.short()}."
            )
        if value.shape:
            raise ShapeError(f"pad expects a scalar padding value, got {value.short()}.")
        if len(padding_config) != x.ndim:
            raise ShapeError(
                f"pad of {x.short()} expects (low, high, interior) for each of its {x.ndim} axes, "
                f"got {padding_config}."
            )
        shape = []
        for i, (n, (low, high, interior)) in enumerate(zip(x.shape, padding_config, strict=True)):
            if interior < 0:
                raise FxValueError(
                    f"pad expects non-negative interior padding, got {interior} for axis {i}."
                )
            size = n + low + high + max(n - 1, 0) * interior
            if size < 0:
                raise ShapeError(
                    f"pad of {x.short()} with {padding_config} cuts more than axis {i} holds: its "
                    f"size would be {size}."
                )
            shape.append(size)
        return ShapedArray(tuple(shape), x.dtype, x.weak_type and value.weak_type)

    def impl(
        self, xp: Any, x: Any, value: Any, *, padding_config: tuple[tuple[int, ...], ...]
    ) -> Any:
        target, source, shape = [], [], []
        for n, (low, high, interior) in zip(x.shape, padding_config, strict=True):
            step = interior + 1
            size = n + low + high + max(n - 1, 0) * interior
            # Elements k with 0 <= low + k * step < size survive.
            first = max(0, -(low // step))
            last = min(n, (size - 1 - low) // step + 1)
            last = max(first, last)
            start = low + first * step
            target.append(slice(start, max(start, low + (last - 1) * step + 1), step))
            if first == last:
                target[-1] = slice(0, 0)
            source.append(slice(first, last))
            shape.append(size)
        out = xp.empty(tuple(shape), x.dtype)
        out[...] = value
        out[tuple(target)] = x[tuple(source)]
        return out

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        return P.pad(*[instantiate(t, p) for t, p in zip(tangents, primals, strict=True)], **params)

    def transpose(
        self, ct: Any, x: Any, value: Any, *, padding_config: tuple[tuple[int, ...], ...]
    ) -> list[Any]:
        zero = zeros(ShapedArray((), ct.dtype))
        inner = ct
        if any(low or high for low, high, _ in padding_config):
            undo = tuple((-low, -high, 0) for low, high, _ in padding_config)
            inner = P.pad(ct, zero, padding_config=undo)
        if any(interior for *_, interior in padding_config):
            inner = P.slice(
                inner,
                start_indices=(0,) * ct.ndim,
                limit_indices=inner.shape,
                strides=tuple(interior + 1 for *_, interior in padding_config),
            )
        outside = None
        if isinstance(value, Linear):
            axes = tuple(range(ct.ndim))
            outside = P.sub(P.reduce_sum(ct, axes=axes), P.reduce_sum(inner, axes=axes))
        return [inner if isinstance(x, Linear) else None, outside]

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        padding_config: tuple[tuple[int, ...], ...],
    ) -> Any:
        (x, value), (d, value_dim) = args, dims
        if d is None:
            x, d = add_axis(x, axis.size, 0), 0
        config = padding_config[:d] + ((0, 0, 0),) + padding_config[d:]
        if value_dim is None:
            return self.bind(x, value, padding_config=config), d
        # One value for each row: pad a mask in the same way and choose.
        true, false = scalar(True, np.dtype(bool)), scalar(False, np.dtype(bool))
        inside = P.pad(broadcast_to(true, x.shape), false, padding_config=config)
        padded = P.pad(x, zeros(ShapedArray((), x.dtype)), padding_config=config)
        values = P.broadcast_in_dim(value, shape=padded.shape, broadcast_dimensions=(d,))
        return P.select_n(inside, values, padded), d


Pad()


class Slice(Structural):
    """Elements from start to limit with positive strides, all static."""

    name = "slice"

    def abstract_eval(
        self,
        x: ShapedArray,
        *,
        start_indices: tuple[int, ...],
        limit_indices: tuple[int, ...],
        strides: tuple[int, ...] | None,
    ) -> ShapedArray:
        steps = strides or (1,) * x.ndim
        if not len(start_indices) == len(limit_indices) == len(steps) == x.ndim:
            raise ShapeError(
                f"slice of {x.short()} expects start, limit and stride for each of its {x.ndim} "
                f"axes, got {start_indices}, {limit_indices}, {strides}."
            )
        shape = []
        for i, (n, start, limit, step) in enumerate(
            zip(x.shape, start_indices, limit_indices, steps, strict=True)
        ):
            if not 0 <= start <= limit <= n:
                raise FxValueError(
                    f"slice of {x.short()} expects 0 <= start <= limit <= {n} for axis {i}, got "
                    f"start {start} and limit {limit}."
                )
            if step <= 0:
                raise FxValueError(
                    f"slice expects positive strides, got {strides}. Use fx.lax.rev to reverse."
                )
            shape.append(-((start - limit) // step))
        return x.update(shape=tuple(shape))

    def impl(
        self,
        xp: Any,
        x: Any,
        *,
        start_indices: tuple[int, ...],
        limit_indices: tuple[int, ...],
        strides: tuple[int, ...] | None,
    ) -> Any:
        steps = strides or (1,) * x.ndim
        cuts = zip(start_indices, limit_indices, steps, strict=True)
        return x[tuple(slice(*cut) for cut in cuts)]

    def transpose(
        self,
        ct: Any,
        x: Any,
        *,
        start_indices: tuple[int, ...],
        limit_indices: tuple[int, ...],
        strides: tuple[int, ...] | None,
    ) -> list[Any]:
        config = []
        steps = strides or (1,) * ct.ndim
        for n, size, start, step in zip(x.shape, ct.shape, start_indices, steps, strict=True):
            covered = (size - 1) * step + 1 if size else 0
            config.append((start, n - start - covered, step - 1))
        zero = zeros(ShapedArray((), ct.dtype))
        return [P.pad(ct, zero, padding_config=tuple(config))]

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        start_indices: tuple[int, ...],
        limit_indices: tuple[int, ...],
        strides: tuple[int, ...] | None,
    ) -> Any:
        (x,), (d,) = args, dims
        out = self.bind(
            x,
            start_indices=start_indices[:d] + (0,) + start_indices[d:],
            limit_indices=limit_indices[:d] + (axis.size,) + limit_indices[d:],
            strides=strides and strides[:d] + (1,) + strides[d:],
        )
        return out, d


Slice()


class Split(Structural):
    """Cut one axis into consecutive pieces of the given sizes."""

    name = "split"
    multiple_results = True

    def abstract_eval(
        self, x: ShapedArray, *, sizes: tuple[int, ...], dimension: int
    ) -> list[ShapedArray]:
        check_axes(self.name, "axis", (dimension,), x.ndim)
        check_sizes(self.name, sizes)
        if sum(sizes) != x.shape[dimension]:
            raise ShapeError(
                f"split of {x.short()} along axis {dimension} expects sizes that add up to "
                f"{x.shape[dimension]}, got {sizes}."
            )
        head, tail = x.shape[:dimension], x.shape[dimension + 1 :]
        return [x.update(shape=(*head, n, *tail)) for n in sizes]

    def impl(self, xp: Any, x: Any, *, sizes: tuple[int, ...], dimension: int) -> Any:
        before = (slice(None),) * dimension
        ends = list(itertools.accumulate(sizes))
        return [x[(*before, slice(e - n, e))] for e, n in zip(ends, sizes, strict=True)]

    def transpose(self, ct: Any, x: Any, *, sizes: tuple[int, ...], dimension: int) -> list[Any]:
        parts = self.abstract_eval(x.aval, sizes=sizes, dimension=dimension)
        full = [instantiate(c, a) for c, a in zip(ct, parts, strict=True)]
        return [P.concatenate(*full, dimension=dimension)]

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        sizes: tuple[int, ...],
        dimension: int,
    ) -> Any:
        (x,), (d,) = args, dims
        out = self.bind(x, sizes=sizes, dimension=dimension + (dimension >= d))
        return out, [d] * len(sizes)


Split()


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


Iota()
