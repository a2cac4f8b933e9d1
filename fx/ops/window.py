"""Reductions over sliding windows, and the selections that are the derivatives of the extrema.

A sum over windows transposes into a sum over windows (of a dilated cotangent). The tangent of a
maximum is taken where the maximum was found: `select_and_gather_add`, which transposes into
`select_and_scatter_add` and back, so that pooling has derivatives of every order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.primitive import Linear, P, Primitive, zeros
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.ops.base import add_axis, check_domain, move_axis
from fx.ops.conv import Ints, Padding, reach
from fx.ops.numerics import window as numerics
from fx.ops.windows import pooled, scattered


def check_window(got: str, ndim: int, **params: Any) -> None:
    """Raise unless every parameter has one entry a dimension and none but padding is below 1."""
    for what, values in params.items():
        if len(values) != ndim:
            raise ShapeError(
                f"{got} expects {what} to have one entry for each of its {ndim} dimensions, got "
                f"{values}."
            )
        if what != "padding" and any(v < 1 for v in values):
            raise FxValueError(f"{got} expects positive {what}, got {values}.")


def shape_with(name: str, x: ShapedArray, **params: Any) -> Ints:
    """The number of windows in each dimension of an operand, after checking the parameters."""
    check_window(f"{name} of {x.short()}", x.ndim, **params)
    ones = (1,) * x.ndim
    return numerics.window_shape(
        x.shape,
        params["window_dimensions"],
        params["window_strides"],
        params["padding"],
        params.get("base_dilation", ones),
        params.get("window_dilation", ones),
    )


def with_axis(dim: int, params: dict[str, Any]) -> dict[str, Any]:
    """Window parameters of an operand with one more axis, along which windows have size 1."""
    return {
        what: (*values[:dim], (0, 0) if what == "padding" else 1, *values[dim:])
        for what, values in params.items()
    }


def window_elements(x: Any, fill: Array, params: dict[str, Any]) -> Any:
    """The elements of all windows, along a new first axis in row-major order.

    For what has no rule of its own; it needs as much memory as all windows together.
    """
    padding, spread = params["padding"], params["base_dilation"]
    config = tuple((low, high, s - 1) for (low, high), s in zip(padding, spread, strict=True))
    shape = shape_with("reduce_window", x.aval, **params)
    if 0 in shape:
        return zeros(ShapedArray((int(np.prod(params["window_dimensions"])), *shape), x.dtype))
    if any(any(row) for row in config):
        x = P.pad(x, fill, padding_config=config)
    rows = zip(
        params["window_dimensions"],
        params["window_dilation"],
        params["window_strides"],
        shape,
        strict=True,
    )
    places = []
    for size, step, stride, count in rows:
        covered = reach(count, stride)
        places.append([(tap * step, tap * step + covered) for tap in range(size)])
    pieces = [
        P.slice(
            x,
            start_indices=tuple(start for start, _ in where),
            limit_indices=tuple(limit for _, limit in where),
            strides=params["window_strides"],
        )
        for where in itertools.product(*places)
    ]
    return P.concatenate(*[add_axis(piece, 1) for piece in pieces], dimension=0)


# ------------------------------------------------------------------ reductions
class ReduceWindow(Primitive):
    """A monoid folded over every window; what lies in the padding counts as its identity."""

    def __init__(self, name: str, kind: str, kinds: str):
        super().__init__(name)
        self.kind = kind
        self.kinds = kinds

    def abstract_eval(
        self,
        x: ShapedArray,
        *,
        window_dimensions: Ints,
        window_strides: Ints,
        padding: Padding,
        base_dilation: Ints,
        window_dilation: Ints,
    ) -> ShapedArray:
        check_domain(self.name, x.dtype, self.kinds)
        shape = shape_with(
            self.name,
            x,
            window_dimensions=window_dimensions,
            window_strides=window_strides,
            padding=padding,
            base_dilation=base_dilation,
            window_dilation=window_dilation,
        )
        return x.update(shape=shape)

    def impl(self, xp: Any, x: Any, **params: Any) -> Any:
        return numerics.reduce_window(xp, x, kind=self.kind, **params)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, **params: Any) -> Any:
        (x,) = args
        fill = graph.constant(numerics.identity(self.kind, x.dtype))
        return pooled(graph, x, self.kind, fill, shape=out.shape, **params)

    def identity(self, dtype: np.dtype) -> Array:
        """The value that changes no fold."""
        return Array(np.asarray(numerics.identity(self.kind, dtype)))

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        return self.bind(args[0], **with_axis(dims[0], params)), dims[0]


class ReduceWindowSum(ReduceWindow):
    """Sum over windows; linear."""

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        return self.bind(tangents[0], **params)

    def transpose(
        self,
        ct: Any,
        x: Linear,
        *,
        window_dimensions: Ints,
        window_strides: Ints,
        padding: Padding,
        base_dilation: Ints,
        window_dilation: Ints,
    ) -> list[Any]:
        if 0 in ct.shape or 0 in x.shape:
            return [zeros(x)]
        rows = zip(
            x.shape,
            ct.shape,
            window_dimensions,
            window_strides,
            padding,
            base_dilation,
            window_dilation,
            strict=True,
        )
        # As for a convolution: cotangents, spread by the strides, under the window read backwards.
        pads = []
        for n, count, size, stride, (low, _), spread, step in rows:
            taps = reach(size, step)
            before = taps - 1 - low
            total = reach(n, spread) + taps - 1
            pads.append((before, total - before - reach(count, stride)))
        out = self.bind(
            ct,
            window_dimensions=window_dimensions,
            window_strides=base_dilation,
            padding=tuple(pads),
            base_dilation=window_strides,
            window_dilation=window_dilation,
        )
        return [out]


class ReduceWindowProd(ReduceWindow):
    """Product over windows; its derivative is that of a product over the windows' elements."""

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        if not out.size:
            return None
        elements = window_elements(primals[0], self.identity(out.dtype), params)
        changes = window_elements(tangents[0], zeros(ShapedArray((), out.dtype)), params)
        return P.reduce_prod.jvp([elements], out, [changes], axes=(0,))


class ReduceWindowExtremum(ReduceWindow):
    """Maximum or minimum over windows; the derivative goes to the first of equal elements."""

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        (x,), (t,) = primals, tangents
        base, steps = params.pop("base_dilation"), params.pop("window_dilation")
        if any(s > 1 for s in steps):
            params |= {"base_dilation": base, "window_dilation": steps}
            return self._tangent_by_position(x, t, params)
        if any(s > 1 for s in base):
            config = tuple((0, 0, s - 1) for s in base)
            x = P.pad(x, self.identity(x.dtype), padding_config=config)
            t = P.pad(t, zeros(ShapedArray((), t.dtype)), padding_config=config)
        select = "ge" if self.kind == "max" else "le"
        return P.select_and_gather_add(t, x, select=select, **params)

    def _tangent_by_position(self, x: Any, t: Any, params: dict[str, Any]) -> Any:
        """Where windows have gaps: the tangent at the position of the extremum among them."""
        elements = window_elements(x, self.identity(x.dtype), params)
        changes = window_elements(t, zeros(ShapedArray((), t.dtype)), params)
        if not elements.size:
            return None
        dtype = np.dtype(np.int32)
        find = P.argmax if self.kind == "max" else P.argmin
        best = add_axis(find(elements, axes=(0,), index_dtype=dtype), elements.shape[0])
        number = P.iota(dtype=dtype, shape=elements.shape, dimension=0)
        chosen = P.select_n(P.eq(number, best), zeros(changes), changes)
        return P.reduce_sum(chosen, axes=(0,))


# ------------------------------------------------------------------ selections
class Select(Primitive):
    """Rules shared by the two selections: linear in the first operand, constant in the second.

    `select` says which element of a window of `operand` is selected: "ge" the first largest, "le"
    the first smallest.
    """

    def check(self, values: ShapedArray, operand: ShapedArray, select: str) -> None:
        """Raise unless the dtypes are in the domain and the selection is known."""
        check_domain(self.name, operand.dtype, "f")
        if values.dtype != operand.dtype:
            raise FxTypeError(
                f"{self.name} expects operands of one dtype, got {values.short()} and "
                f"{operand.short()}."
            )
        if select not in ("ge", "le"):
            raise FxValueError(f"{self.name} expects select='ge' or 'le', got {select!r}.")

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        return None if tangents[0] is None else self.bind(tangents[0], primals[1], **params)

    def batch(
        self, axis: Any, args: Sequence[Any], dims: Sequence[Any], *, select: str, **params: Any
    ) -> Any:
        (values, operand), (d, operand_dim) = args, dims
        if d is None:
            values, d = add_axis(values, axis.size, operand_dim), operand_dim
        elif operand_dim is None:
            operand = add_axis(operand, axis.size, d)
        else:
            operand = move_axis(operand, operand_dim, d)
        return self.bind(values, operand, select=select, **with_axis(d, params)), d


class SelectAndGatherAdd(Select):
    """For each window, the value at the place selected by the operand; 0 for an empty window."""

    name = "select_and_gather_add"

    def abstract_eval(
        self,
        tangents: ShapedArray,
        operand: ShapedArray,
        *,
        select: str,
        window_dimensions: Ints,
        window_strides: Ints,
        padding: Padding,
    ) -> ShapedArray:
        self.check(tangents, operand, select)
        if tangents.shape != operand.shape:
            raise ShapeError(
                f"{self.name} expects tangents of the operand's shape, got {tangents.short()} and "
                f"{operand.short()}."
            )
        shape = shape_with(
            self.name,
            operand,
            window_dimensions=window_dimensions,
            window_strides=window_strides,
            padding=padding,
        )
        return ShapedArray(shape, tangents.dtype)

    def impl(self, xp: Any, tangents: Any, operand: Any, **params: Any) -> Any:
        if not operand.ndim:
            return tangents
        return numerics.select_and_gather_add(xp, tangents, operand, **params)

    def transpose(self, ct: Any, tangents: Any, operand: Any, **params: Any) -> list[Any]:
        return [P.select_and_scatter_add(ct, operand, **params), None]


class SelectAndScatterAdd(Select):
    """Add each source, one a window, at the place that its window of the operand selects."""

    name = "select_and_scatter_add"

    def abstract_eval(
        self,
        source: ShapedArray,
        operand: ShapedArray,
        *,
        select: str,
        window_dimensions: Ints,
        window_strides: Ints,
        padding: Padding,
    ) -> ShapedArray:
        self.check(source, operand, select)
        shape = shape_with(
            self.name,
            operand,
            window_dimensions=window_dimensions,
            window_strides=window_strides,
            padding=padding,
        )
        if source.shape != shape:
            raise ShapeError(
                f"{self.name} expects one source for each window, of shape {shape}, got "
                f"{source.short()}."
            )
        return ShapedArray(operand.shape, source.dtype)

    def impl(self, xp: Any, source: Any, operand: Any, **params: Any) -> Any:
        if not operand.ndim:
            return source
        if 0 in source.shape:
            return xp.zeros(operand.shape, source.dtype)
        return numerics.select_and_scatter_add(xp, source, operand, **params)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, **params: Any) -> Any:
        return scattered(graph, *args, **params)

    def transpose(self, ct: Any, source: Any, operand: Any, **params: Any) -> list[Any]:
        return [P.select_and_gather_add(ct, operand, **params), None]


ReduceWindowSum("reduce_window_sum", "add", "ifc")
ReduceWindowProd("reduce_window_prod", "mul", "ifc")
ReduceWindowExtremum("reduce_window_max", "max", "bif")
ReduceWindowExtremum("reduce_window_min", "min", "bif")
SelectAndGatherAdd()
SelectAndScatterAdd()
