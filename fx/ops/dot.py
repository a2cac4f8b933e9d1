"""`dot_general`: the one contraction, of which matmul, tensordot and einsum are arrangements.

Axes of an operand are batch (shared, kept), contracting (shared, summed) or free (its own, kept);
the result has the batch axes, then the free axes of the left, then those of the right operand.
The implementation views both operands as stacks of matrices for BLAS, and copies only where axes
that have to be merged do not lie together in memory.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.primitive import Linear, P, Primitive
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.kernel.products import contract
from fx.ops.base import check_domain
from fx.ops.reduce import accumulator
from fx.util import fp_enter, fp_exit, without

Axes = tuple[int, ...]
DimensionNumbers = tuple[tuple[Axes, Axes], tuple[Axes, Axes]]
Permutation = tuple[int, ...] | None


class Plan(NamedTuple):
    """How operands become stacks of matrices (batch, rows, depth) and (batch, depth, columns).

    A permutation or shape of None means that there is nothing to do.
    """

    out_shape: tuple[int, ...]
    left_order: Permutation
    left_shape: tuple[int, ...] | None
    right_order: Permutation
    right_shape: tuple[int, ...] | None
    matrix_shape: tuple[int, ...] | None  # of the product, where it is not `out_shape`
    depth: int


def _check(dimension_numbers: DimensionNumbers, left: Any, right: Any) -> None:
    """Raise unless the axes exist, once each, and corresponding sizes agree."""
    for what, axes in zip(("contracting", "batch"), dimension_numbers, strict=True):
        if len(axes[0]) != len(axes[1]):
            raise ShapeError(
                f"dot_general expects as many {what} axes of the left as of the right operand, "
                f"got {axes[0]} and {axes[1]}."
            )
        for i, j in zip(*axes, strict=True):
            if 0 <= i < len(left) and 0 <= j < len(right) and left[i] != right[j]:
                raise ShapeError(
                    f"dot_general expects {what} axes of equal sizes, got axis {i} of {left} "
                    f"(size {left[i]}) and axis {j} of {right} (size {right[j]})."
                )
    for side, (shape, name) in enumerate(((left, "left"), (right, "right"))):
        axes = dimension_numbers[0][side] + dimension_numbers[1][side]
        if len(set(axes)) != len(axes) or any(not 0 <= a < len(shape) for a in axes):
            raise FxValueError(
                f"dot_general expects distinct contracting and batch axes in [0, {len(shape)}) "
                f"for its {name} operand of shape {shape}, got {dimension_numbers[0][side]} and "
                f"{dimension_numbers[1][side]}."
            )


@functools.lru_cache(maxsize=4096)
def plan(dimension_numbers: DimensionNumbers, left: Axes, right: Axes) -> Plan:
    """Check the dimension numbers against two shapes and arrange the product."""
    _check(dimension_numbers, left, right)
    (lc, rc), (lb, rb) = dimension_numbers
    left_free = without(range(len(left)), lc + lb)
    right_free = without(range(len(right)), rc + rb)
    # Contracted axes may be summed in any order: keep that of the operand dearer to copy.
    by = lc if math.prod(left) >= math.prod(right) else rc
    pairs = [pair for _, pair in sorted(zip(by, zip(lc, rc, strict=True), strict=True))]
    batch = [left[a] for a in lb]
    depth = math.prod(left[a] for a in lc)
    rows = [left[a] for a in left_free]
    columns = [right[a] for a in right_free]
    left_order = (*lb, *left_free, *[i for i, _ in pairs])
    right_order = (*rb, *[j for _, j in pairs], *right_free)
    # A vector needs no axis of size 1 where matmul has a form for it.
    m = (math.prod(rows),) if batch or len(left_free) else ()
    n = (math.prod(columns),) if batch or len(right_free) else ()
    left_shape = (*batch, *m, depth)
    right_shape = (*batch, depth, *n)
    out_shape = (*batch, *rows, *columns)
    matrix_shape = (*batch, *m, *n)

    def unless_same(new: Any, old: Any) -> Any:
        return None if tuple(new) == tuple(old) else tuple(new)

    return Plan(
        out_shape,
        unless_same(left_order, range(len(left))),
        unless_same(left_shape, [left[a] for a in left_order]),
        unless_same(right_order, range(len(right))),
        unless_same(right_shape, [right[a] for a in right_order]),
        unless_same(matrix_shape, out_shape),
        depth,
    )


def _arranged(x: Any, order: Permutation, shape: tuple[int, ...] | None) -> Any:
    if order is not None:
        x = x.transpose(order)
    return x if shape is None else x.reshape(shape)


class DotGeneral(Primitive):
    """Contraction of two operands of one dtype (of any two if `preferred_element_type` is set).

    `precision` is a hint to backends with several speeds; the reference always uses full precision.
    """

    name = "dot_general"

    def abstract_eval(
        self,
        x: ShapedArray,
        y: ShapedArray,
        *,
        dimension_numbers: DimensionNumbers,
        precision: Any = None,
        preferred_element_type: np.dtype | None = None,
    ) -> ShapedArray:
        shape = plan(dimension_numbers, x.shape, y.shape).out_shape
        dtype = self.out_dtype(x.dtype, y.dtype, preferred_element_type)
        weak = x.weak_type and y.weak_type and preferred_element_type is None
        return ShapedArray(shape, dtype, weak)

    def out_dtype(self, x: np.dtype, y: np.dtype, preferred: np.dtype | None) -> np.dtype:
        """The dtype of the result, or an error if the operands' dtypes do not fit."""
        if preferred is None:
            if x != y:
                raise FxTypeError(
                    f"dot_general expects operands of one dtype, got {dtypes.short_name(x)} and "
                    f"{dtypes.short_name(y)}. Convert one with x.astype(...), name the dtype of "
                    "the result with preferred_element_type=, or use fx.numpy.matmul, which "
                    "promotes."
                )
            check_domain(self.name, x, "bifc")
            return x
        for dtype in (x, y):
            check_domain(self.name, dtype, "bifc")
            kind, wanted = _RANK[dtype.kind], _RANK[preferred.kind]
            if kind > wanted or (kind == 0) != (wanted == 0):
                raise FxTypeError(
                    f"dot_general of {dtypes.short_name(x)} and {dtypes.short_name(y)} cannot "
                    f"have preferred_element_type={dtypes.short_name(preferred)}: expected "
                    "integers to integers or floats, floats to floats, complex to complex."
                )
        return preferred

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        x, y = args
        preferred = params.get("preferred_element_type")
        if type(x) is not Array or type(y) is not Array:
            return super().eager(args, params)
        a, b = x._data, y._data
        self.out_dtype(a.dtype, b.dtype, preferred)
        token = fp_enter()
        try:
            out = self.impl(np, a, b, **params)
        finally:
            fp_exit(token)
        return Array(
            out if type(out) is np.ndarray else np.asarray(out),
            x.weak_type and y.weak_type and preferred is None,
        )

    def impl(
        self,
        xp: Any,
        x: Any,
        y: Any,
        *,
        dimension_numbers: DimensionNumbers,
        precision: Any = None,
        preferred_element_type: np.dtype | None = None,
    ) -> Any:
        how = plan(dimension_numbers, x.shape, y.shape)
        dtype = preferred_element_type
        if dtype is None:
            dtype = x.dtype
        compute = _compute_dtype(x.dtype, y.dtype, dtype, how.depth)
        # Converted first, so that a copy which the conversion makes anyway need not be followed
        # by another one for the layout.
        if x.dtype != compute:
            x = x.astype(compute)
        if y.dtype != compute:
            y = y.astype(compute)
        x = _arranged(x, how.left_order, how.left_shape)
        y = _arranged(y, how.right_order, how.right_shape)
        # An outer product is a multiplication: the depth axes of size 1 broadcast.
        outer = how.depth == 1 and x.ndim > 1 and y.ndim > 1
        out = xp.multiply(x, y) if outer else xp.matmul(x, y)
        if how.matrix_shape is not None:
            out = out.reshape(how.out_shape)
        if compute == dtype:
            return out
        if dtype.kind == "b":
            return out != 0
        # Through int64, which wraps; a float out of range has no defined conversion.
        return (out.astype(np.int64) if dtype.kind in "iu" else out).astype(dtype)

    def lower(
        self,
        graph: Any,
        args: Sequence[Any],
        out: Any,
        *,
        dimension_numbers: DimensionNumbers,
        precision: Any = None,
        preferred_element_type: np.dtype | None = None,
    ) -> Any:
        x, y = (graph.map("convert", a, dtype=out.dtype) for a in args)
        if x is None or y is None:
            return None
        (lc, rc), (lb, rb) = dimension_numbers
        left_free = without(range(len(x.shape)), lc + lb)
        right_free = without(range(len(y.shape)), rc + rb)
        n = len(out.shape)
        left = dict(zip((*lb, *left_free), range(n), strict=False))
        left |= {a: n + i for i, a in enumerate(lc)}
        kept = (*range(len(lb)), *range(n - len(right_free), n))
        right = dict(zip((*rb, *right_free), kept, strict=True))
        right |= {a: n + i for i, a in enumerate(rc)}
        return contract(
            graph,
            x,
            [left[a] for a in range(len(x.shape))],
            y,
            [right[a] for a in range(len(y.shape))],
            out.shape,
            [x.shape[a] for a in lc],
        )

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        (x, y), (tx, ty) = primals, tangents
        if tx is None:
            return self.bind(x, ty, **params)
        left = self.bind(tx, y, **params)
        return left if ty is None else P.add(left, self.bind(x, ty, **params))

    def transpose(
        self,
        ct: Any,
        x: Any,
        y: Any,
        *,
        dimension_numbers: DimensionNumbers,
        precision: Any = None,
        preferred_element_type: np.dtype | None = None,
    ) -> list[Any]:
        (lc, rc), (lb, rb) = dimension_numbers
        n_batch, n_left = len(lb), len(x.shape) - len(lc) - len(lb)
        of_left = tuple(range(n_batch, n_batch + n_left))
        of_right = tuple(range(n_batch + n_left, ct.ndim))
        params = {"precision": precision}
        if isinstance(x, Linear):
            return [_pulled(ct, y, x, (lc, lb), (rc, rb), of_left, of_right, params), None]
        return [None, _pulled(ct, x, y, (rc, rb), (lc, lb), of_right, of_left, params)]

    def batch(
        self,
        axis: Any,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        dimension_numbers: DimensionNumbers,
        **params: Any,
    ) -> Any:
        (x, y), (dx, dy) = args, dims
        (lc, rc), (lb, rb) = dimension_numbers
        if dx is not None:
            lc, lb = _shift(lc, dx), _shift(lb, dx)
        if dy is not None:
            rc, rb = _shift(rc, dy), _shift(rb, dy)
        if dx is not None and dy is not None:
            numbers = ((lc, rc), ((dx, *lb), (dy, *rb)))
            return self.bind(x, y, dimension_numbers=numbers, **params), 0
        # The mapped axis of the only batched operand is one more free axis.
        numbers = ((lc, rc), (lb, rb))
        out = self.bind(x, y, dimension_numbers=numbers, **params)
        left_free = without(range(x.ndim), lc + lb)
        if dx is not None:
            return out, len(lb) + left_free.index(dx)
        right_free = without(range(y.ndim), rc + rb)
        return out, len(lb) + len(left_free) + right_free.index(dy)


def _shift(axes: Axes, dim: int) -> Axes:
    return tuple([a + (a >= dim) for a in axes])


# Position of a dtype's kind in the chain of sets of numbers; bfloat16 has no kind of its own.
_RANK = {"b": 0, "i": 1, "u": 1, "f": 2, "V": 2, "c": 3}


@functools.lru_cache(maxsize=1024)
def _compute_dtype(x: np.dtype, y: np.dtype, out: np.dtype, depth: int) -> np.dtype:
    """The dtype to multiply and accumulate in.

    Half precision is summed in float32. BLAS has no integers, so narrow ones go through floats
    where every sum is exact; the wrapped result is the same.
    """
    a, b, c = (accumulator(d) for d in (x, y, out))
    compute = dtypes.promote_types(dtypes.promote_types(a, b), c)
    if compute.kind == "b":
        return np.dtype(np.float32)
    if compute.kind in "iu":
        bound = depth << 8 * (x.itemsize + y.itemsize)
        if bound <= 1 << 24:
            return np.dtype(np.float32)
        if bound <= 1 << 53:
            return np.dtype(np.float64)
    return compute


def _pulled(
    ct: Any,
    other: Any,
    target: Linear,
    target_axes: tuple[Axes, Axes],
    other_axes: tuple[Axes, Axes],
    ct_target: Axes,
    ct_other: Axes,
    params: dict[str, Any],
) -> Any:
    """Cotangent of one operand: ct contracted with the other operand over the other's free axes.

    Both orders of the two factors are right; the one whose result needs no transposition wins.
    """
    (contract, batch), (other_contract, other_batch) = target_axes, other_axes
    other_free = without(range(other.ndim), other_contract + other_batch)
    free = without(range(len(target.shape)), contract + batch)
    # The contracting axes of `other` come out ascending; these are the target's axes for them.
    paired = tuple(t for _, t in sorted(zip(other_contract, contract, strict=True)))
    ct_batch = tuple(range(len(batch)))
    orders = (batch + free + paired, batch + paired + free)
    if orders[1] == tuple(range(len(target.shape))) and orders[0] != orders[1]:
        numbers = ((other_free, ct_other), (other_batch, ct_batch))
        factors, order = (other, ct), orders[1]
    else:
        numbers = ((ct_other, other_free), (ct_batch, other_batch))
        factors, order = (ct, other), orders[0]
    same = ct.dtype == other.dtype == target.dtype
    out = P.dot_general(
        *factors,
        dimension_numbers=numbers,
        preferred_element_type=None if same else target.dtype,
        **params,
    )
    permutation = tuple(sorted(range(len(order)), key=order.__getitem__))
    if permutation == tuple(range(len(order))):
        return out
    return P.transpose(out, permutation=permutation)


DotGeneral()
