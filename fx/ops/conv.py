"""`conv_general_dilated`: the one convolution, whose gradients are convolutions again.

With image x, kernel w and result y, all three products `y = x * w`, `x' = y' * w` and
`w' = x * y'` sum over the same triples (image place, tap, result place). So a gradient only
renames what is batch, feature, tap and position: strides become dilations, and a kernel whose
taps are read backwards has what were its outputs as inputs. Groups stay groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fx import dtypes
from fx.core.avals import ShapedArray
from fx.core.ir import readable
from fx.core.primitive import Linear, P, Primitive, zeros
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.ops.base import check_domain
from fx.ops.numerics import conv as numerics
from fx.ops.windows import convolved
from fx.util import moved, without

Ints = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]


@readable
class ConvDimensionNumbers(NamedTuple):
    """Which axes of image, kernel and result of a convolution correspond.

    Attributes:
        lhs_spec: axes of the image: batch, feature, then space.
        rhs_spec: axes of the kernel: output feature, input feature, then space.
        out_spec: axes of the result: batch, feature, then space.

    Example:
        >>> from fx import lax
        >>> lax.conv_dimension_numbers((1, 8, 8, 3), (3, 3, 3, 5), ("NHWC", "HWIO", "NHWC"))
        ConvDimensionNumbers(lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2))
    """

    lhs_spec: Ints
    rhs_spec: Ints
    out_spec: Ints


def _arranged(shape: Sequence[int], spec: Ints) -> tuple[int, int, Ints]:
    """The two leading sizes that a spec names, and the spatial ones."""
    first, second, *space = [shape[axis] for axis in spec]
    return first, second, tuple(space)


def reach(count: int, step: int) -> int:
    """The length that `count` points at distance `step` cover."""
    return (count - 1) * step + 1 if count else 0


class ConvGeneralDilated(Primitive):
    """Sum over window places and input features of image times kernel (no reversal).

    `precision` is a hint to backends with several speeds. Operands have one dtype, or any two if
    `preferred_element_type`, the dtype to accumulate in and to return, is set.
    """

    name = "conv_general_dilated"

    def abstract_eval(
        self,
        lhs: ShapedArray,
        rhs: ShapedArray,
        *,
        window_strides: Ints,
        padding: Padding,
        lhs_dilation: Ints,
        rhs_dilation: Ints,
        dimension_numbers: ConvDimensionNumbers,
        feature_group_count: int,
        batch_group_count: int,
        precision: Any = None,
        preferred_element_type: np.dtype | None = None,
    ) -> ShapedArray:
        dtype = _out_dtype(lhs.dtype, rhs.dtype, preferred_element_type)
        got = f"{self.name} of {lhs.short()} and {rhs.short()}"
        check_specs(got, lhs.ndim, rhs.ndim, dimension_numbers)
        rank = lhs.ndim - 2
        for what, values in (
            ("window_strides", window_strides),
            ("padding", padding),
            ("lhs_dilation", lhs_dilation),
            ("rhs_dilation", rhs_dilation),
        ):
            if len(values) != rank:
                raise ShapeError(
                    f"{got} expects {what} to have one entry for each of its {rank} spatial "
                    f"dimensions, got {values}."
                )
            if what != "padding" and any(v < 1 for v in values):  # type: ignore[operator]
                raise FxValueError(f"{got} expects positive {what}, got {values}.")
        lhs_spec, rhs_spec, out_spec = dimension_numbers
        batch, features, space = _arranged(lhs.shape, lhs_spec)
        outs, depth, taps = _arranged(rhs.shape, rhs_spec)
        _check_groups(
            got, (batch, features), (outs, depth), (feature_group_count, batch_group_count)
        )
        positions = numerics.conv_out_space(
            space, taps, window_strides, padding, lhs_dilation, rhs_dilation
        )
        shape = [0] * lhs.ndim
        sizes = (batch // batch_group_count, outs, *positions)
        for axis, size in zip(out_spec, sizes, strict=True):
            shape[axis] = size
        weak = lhs.weak_type and rhs.weak_type and preferred_element_type is None
        return ShapedArray(tuple(shape), dtype, weak)

    def impl(
        self,
        xp: Any,
        lhs: Any,
        rhs: Any,
        *,
        precision: Any = None,
        preferred_element_type: np.dtype | None = None,
        **params: Any,
    ) -> Any:
        if preferred_element_type is None:
            return numerics.conv_general_dilated(xp, lhs, rhs, **params)
        compute = dtypes.promote_types(
            dtypes.promote_types(lhs.dtype, rhs.dtype), preferred_element_type
        )
        lhs, rhs = lhs.astype(compute, copy=False), rhs.astype(compute, copy=False)
        out = numerics.conv_general_dilated(xp, lhs, rhs, **params)
        return out.astype(preferred_element_type, copy=False)

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        dimension_numbers: ConvDimensionNumbers,
        feature_group_count: int,
        batch_group_count: int,
        precision: Any = None,
        preferred_element_type: np.dtype | None = None,
        **params: Any,
    ) -> Any:
        lhs, rhs = (graph.map("convert", a, dtype=out.dtype) for a in args)
        if lhs is None or rhs is None:
            return None
        return convolved(
            graph,
            lhs,
            rhs,
            out.shape,
            specs=dimension_numbers,
            feature_groups=feature_group_count,
            batch_groups=batch_group_count,
            **params,
        )

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        (lhs, rhs), (t_lhs, t_rhs) = primals, tangents
        if t_lhs is None:
            return self.bind(lhs, t_rhs, **params)
        left = self.bind(t_lhs, rhs, **params)
        return left if t_rhs is None else P.add(left, self.bind(lhs, t_rhs, **params))

    def transpose(self, ct: Any, lhs: Any, rhs: Any, **params: Any) -> list[Any]:
        if isinstance(lhs, Linear):
            return [_pull_to_image(ct, lhs, rhs, **params), None]
        return [None, _pull_to_kernel(ct, lhs, rhs, **params)]

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        dimension_numbers: ConvDimensionNumbers,
        feature_group_count: int,
        batch_group_count: int,
        **params: Any,
    ) -> Any:
        (lhs, rhs), (lhs_dim, rhs_dim) = args, dims
        lhs_spec, rhs_spec, out_spec = dimension_numbers
        if not axis.size:  # which no number of groups or features can say
            one = self.abstract_eval(
                *[
                    ShapedArray(x.shape if d is None else without(x.shape, [d]), x.dtype)
                    for x, d in zip(args, dims, strict=True)
                ],
                dimension_numbers=dimension_numbers,
                feature_group_count=feature_group_count,
                batch_group_count=batch_group_count,
                **params,
            )
            return zeros(one.update(shape=(0, *one.shape))), 0
        feature_groups, batch_groups, place = feature_group_count, batch_group_count, out_spec[1]
        if lhs_dim is None:
            # More output features, in every group.
            rhs = merge_axis(rhs, rhs_dim, rhs_spec[0], feature_groups * batch_groups)
            outer = feature_groups * batch_groups
        elif rhs_dim is None:
            # More images, in every group.
            lhs = merge_axis(lhs, lhs_dim, lhs_spec[0], batch_groups)
            place, outer = out_spec[0], 1
        else:
            # More groups.
            lhs = merge_axis(lhs, lhs_dim, lhs_spec[0] if batch_groups > 1 else lhs_spec[1], 1)
            rhs = merge_axis(rhs, rhs_dim, rhs_spec[0], 1)
            if batch_groups > 1:
                batch_groups *= axis.size
            else:
                feature_groups *= axis.size
            outer = 1
        out = self.bind(
            lhs,
            rhs,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_groups,
            batch_group_count=batch_groups,
            **params,
        )
        return split_axis(out, place, outer, axis.size)


# ------------------------------------------------------------------ checks
def _out_dtype(lhs: np.dtype, rhs: np.dtype, preferred: np.dtype | None) -> np.dtype:
    name = ConvGeneralDilated.name
    for dtype in (lhs, rhs):
        check_domain(name, dtype, "ifc")
    got = f"{dtypes.short_name(lhs)} and {dtypes.short_name(rhs)}"
    if preferred is None:
        if lhs != rhs:
            raise FxTypeError(
                f"{name} expects operands of one dtype, got {got}. Convert one with "
                "x.astype(...), or name the dtype of the result with preferred_element_type=."
            )
        return lhs
    check_domain(name, preferred, "ifc")
    for dtype in (lhs, rhs):
        if _RANK[dtype.kind] > _RANK[preferred.kind]:
            raise FxTypeError(
                f"{name} of {got} cannot have "
                f"preferred_element_type={dtypes.short_name(preferred)}: expected integers to "
                "integers or floats, floats to floats, complex to complex."
            )
    return preferred


# Position of a dtype's kind in the chain of sets of numbers; bfloat16 has no kind of its own.
_RANK = {"i": 1, "u": 1, "f": 2, "V": 2, "c": 3}


def check_specs(got: str, lhs_rank: int, rhs_rank: int, numbers: ConvDimensionNumbers) -> None:
    """Raise unless both operands have one rank and each spec names every axis once."""
    if lhs_rank != rhs_rank or lhs_rank < 2:
        raise ShapeError(
            f"{got} expects an image and a kernel of one rank, which is at least 2 (batch and "
            "feature, or output and input feature, then space)."
        )
    for field, spec in zip(numbers._fields, numbers, strict=True):
        if sorted(spec) != list(range(lhs_rank)):
            raise FxValueError(
                f"{got} expects dimension_numbers.{field} to be a permutation of "
                f"{tuple(range(lhs_rank))}, got {spec}."
            )


def _check_groups(
    got: str, image: tuple[int, int], kernel: tuple[int, int], groups: tuple[int, int]
) -> None:
    (batch, features), (outs, depth), (feature_groups, batch_groups) = image, kernel, groups
    if feature_groups < 1 or batch_groups < 1:
        raise FxValueError(
            f"{got} expects positive group counts, got feature_group_count={feature_groups} and "
            f"batch_group_count={batch_groups}."
        )
    if feature_groups > 1 and batch_groups > 1:
        raise FxValueError(
            f"{got}: at most one of feature_group_count and batch_group_count may be above 1, got "
            f"{feature_groups} and {batch_groups}."
        )
    if features != depth * feature_groups:
        times = f" times feature_group_count={feature_groups}" if feature_groups > 1 else ""
        raise ShapeError(
            f"{got}: the image's features must be the kernel's input features{times}, got "
            f"{features} and {depth}. Check dimension_numbers, which say where the features are."
        )
    for what, size, name, count in (
        ("output features", outs, "feature_group_count", feature_groups),
        ("output features", outs, "batch_group_count", batch_groups),
        ("images", batch, "batch_group_count", batch_groups),
    ):
        if size % count:
            raise ShapeError(
                f"{got}: the number of {what} must be a multiple of {name}={count}, got {size}."
            )


# ------------------------------------------------------------------ axes within axes
def merge_axis(x: Any, source: int, target: int, outer: int) -> Any:
    """Merge the axis `source` of `x` into another one, as the factor behind `outer`.

    `target` counts without the source axis: sizes (outer * n) become (outer * size * n).
    """
    if source != target:
        x = P.transpose(x, permutation=tuple(moved(range(x.ndim), source, target)))
    head, (size, n), tail = x.shape[:target], x.shape[target : target + 2], x.shape[target + 2 :]
    if outer > 1:
        x = P.reshape(x, new_sizes=(*head, size, outer, n // outer, *tail))
        x = P.transpose(x, permutation=tuple(moved(range(x.ndim), target, target + 1)))
    return P.reshape(x, new_sizes=(*head, size * n, *tail))


def split_axis(x: Any, axis: int, outer: int, size: int) -> tuple[Any, int]:
    """Undo `merge_axis`: `x` with the factor behind `outer` as an axis, and its position."""
    head, n, tail = x.shape[:axis], x.shape[axis] // (outer * size), x.shape[axis + 1 :]
    if outer == 1:
        return P.reshape(x, new_sizes=(*head, size, n, *tail)), axis
    x = P.reshape(x, new_sizes=(*head, outer, size, n, *tail))
    x = P.transpose(x, permutation=tuple(moved(range(x.ndim), axis + 1, axis)))
    return P.reshape(x, new_sizes=(*head, size, outer * n, *tail)), axis


def _regroup(x: Any, groups: int, source: int, target: int) -> Any:
    """Make the outer factor `groups` of one axis the outer factor of another one."""
    n = x.shape[source] // groups
    x = P.reshape(x, new_sizes=(*x.shape[:source], groups, n, *x.shape[source + 1 :]))
    return merge_axis(x, source, target, 1)


# ------------------------------------------------------------------ gradients
def _pull_to_image(
    ct: Any,
    lhs: Linear,
    rhs: Any,
    *,
    window_strides: Ints,
    padding: Padding,
    lhs_dilation: Ints,
    rhs_dilation: Ints,
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    precision: Any = None,
    preferred_element_type: np.dtype | None = None,
) -> Any:
    """Cotangent of the image: ct, spread by the strides, meets the reversed kernel."""
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    if 0 in lhs.shape or 0 in rhs.shape or 0 in ct.shape:
        return zeros(lhs)
    groups = feature_group_count * batch_group_count
    if groups > 1:
        # Kernel (g o, i, ...) to (o, g i, ...): the groups go with what is now the output.
        rhs = _regroup(rhs, groups, rhs_spec[0], rhs_spec[1])
    rows = zip(
        lhs_spec[2:],
        rhs_spec[2:],
        out_spec[2:],
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        strict=True,
    )
    pads = []
    for image, tap, place, stride, (low, _), spread, step in rows:
        taps = reach(rhs.shape[tap], step)
        before = taps - 1 - low
        total = reach(lhs.shape[image], spread) + taps - 1
        pads.append((before, total - before - reach(ct.shape[place], stride)))
    out = P.conv_general_dilated(
        ct,
        P.rev(rhs, dimensions=rhs_spec[2:]),
        window_strides=lhs_dilation,
        padding=tuple(pads),
        lhs_dilation=window_strides,
        rhs_dilation=rhs_dilation,
        dimension_numbers=ConvDimensionNumbers(
            out_spec, (rhs_spec[1], rhs_spec[0], *rhs_spec[2:]), lhs_spec
        ),
        feature_group_count=groups,
        batch_group_count=1,
        precision=precision,
        preferred_element_type=_element_type(ct, rhs, lhs),
    )
    if batch_group_count > 1:
        out = _regroup(out, batch_group_count, lhs_spec[1], lhs_spec[0])
    return out


def _pull_to_kernel(
    ct: Any,
    lhs: Any,
    rhs: Linear,
    *,
    window_strides: Ints,
    padding: Padding,
    lhs_dilation: Ints,
    rhs_dilation: Ints,
    dimension_numbers: ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    precision: Any = None,
    preferred_element_type: np.dtype | None = None,
) -> Any:
    """Cotangent of the kernel: the image, its batch summed as features, meets ct as a kernel."""
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    if 0 in lhs.shape or 0 in rhs.shape or 0 in ct.shape:
        return zeros(rhs)
    rows = zip(
        lhs_spec[2:],
        rhs_spec[2:],
        out_spec[2:],
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        strict=True,
    )
    pads = []
    for image, tap, place, stride, (low, _), spread, step in rows:
        # Windows of the size of ct at every tap, and not at one more.
        total = reach(rhs.shape[tap], step) + reach(ct.shape[place], stride) - 1
        pads.append((low, total - low - reach(lhs.shape[image], spread)))

    def exchanged(spec: Ints) -> Ints:
        return (spec[1], spec[0], *spec[2:])

    return P.conv_general_dilated(
        lhs,
        ct,
        window_strides=rhs_dilation,
        padding=tuple(pads),
        lhs_dilation=lhs_dilation,
        rhs_dilation=window_strides,
        dimension_numbers=ConvDimensionNumbers(
            exchanged(lhs_spec), exchanged(out_spec), exchanged(rhs_spec)
        ),
        feature_group_count=batch_group_count,
        batch_group_count=feature_group_count,
        precision=precision,
        preferred_element_type=_element_type(lhs, ct, rhs),
    )


def _element_type(x: Any, y: Any, target: Any) -> np.dtype | None:
    return None if x.dtype == y.dtype == target.dtype else target.dtype


ConvGeneralDilated()
