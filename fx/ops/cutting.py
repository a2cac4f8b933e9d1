"""Primitives that join and cut arrays: concatenate, pad, slice and split.

Like those of `shape` they are linear, take every dtype, and transpose into one another: slice into
pad, concatenate into slices.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.core.array import scalar
from fx.core.avals import ShapedArray
from fx.core.primitive import Linear, P, Primitive, instantiate, zeros
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.ops.base import add_axis, broadcast_to, move_axis
from fx.ops.shape import Structural, check_axes, check_sizes
from fx.ops.windows import padded
from fx.util import without


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

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, dimension: int) -> Any:
        return graph.join(args, dimension) if out.size else None

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

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        padding_config: tuple[tuple[int, ...], ...],
    ) -> Any:
        x, value = args
        return padded(graph, x, value, padding_config) if out.size else None

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

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        start_indices: tuple[int, ...],
        limit_indices: tuple[int, ...],
        strides: tuple[int, ...] | None,
    ) -> Any:
        (x,) = args
        if not out.size:
            return None
        n = len(x.shape)
        return graph.view(x, out.shape, tuple(range(n)), strides or (1,) * n, start_indices)

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

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Sequence[Any],
        *,
        sizes: tuple[int, ...],
        dimension: int,
    ) -> Any:
        (x,) = args
        if not x.size or 0 in sizes:
            return None
        parts, start = [], 0
        for part in out:
            offsets = [start if i == dimension else 0 for i in range(len(x.shape))]
            parts.append(graph.view(x, part.shape, range(len(x.shape)), None, offsets))
            start += part.shape[dimension]
        return None if parts[0] is None else parts

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
