"""Triangular factors: Cholesky, LU and QR.

Source of the derivatives of LU and Cholesky: Murray, "Differentiation of the Cholesky
decomposition", 2016; of QR: Walter and Lehmann, "Algorithmic differentiation of linear algebra
functions with application in optimum experimental design", 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.core.avals import ShapedArray
from fx.core.primitive import P, Primitive, lit
from fx.errors import FxTypeError, FxValueError, MissingRuleError, ShapeError
from fx.ops.base import check_domain, move_axis
from fx.ops.dimension_numbers import GatherDimensionNumbers, GatherScatterMode
from fx.ops.linalg import (
    MatrixPrimitive,
    adjoint,
    check_matrix,
    cut,
    diagonal_part,
    like,
    lower_part,
    matmul,
    real_part,
    upper_part,
)
from fx.ops.numerics import linalg

INT32 = np.dtype(np.int32)


def _solve(
    a: Any, b: Any, left: bool, lower: bool, adjoint: bool = False, unit: bool = False
) -> Any:
    return P.triangular_solve(
        a,
        b,
        left_side=left,
        lower=lower,
        transpose_a=adjoint,
        conjugate_a=adjoint,
        unit_diagonal=unit,
    )


def hermitian_from_lower(x: Any) -> Any:
    """The Hermitian matrix with the lower triangle (and real diagonal) of `x`."""
    below = lower_part(x, -1)
    middle = like(real_part(diagonal_part(x)), x)
    return P.add(P.add(below, adjoint(below)), middle)


class Cholesky(MatrixPrimitive):
    """Lower l with a = l l^H; only the lower triangle of a is read. NaN if there is none."""

    name = "cholesky"

    def abstract_eval(self, a: ShapedArray) -> ShapedArray:
        check_matrix(self.name, a, square=True)
        return a

    def compute(self, xp: Any, a: Any) -> Any:
        return linalg.cholesky(xp, a)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        # With y = l^-1 da l^-H = l^-1 dl + (l^-1 dl)^H: the lower half of y is l^-1 dl.
        change = hermitian_from_lower(tangents[0])
        y = _solve(out, change, left=True, lower=True)
        y = _solve(out, y, left=False, lower=True, adjoint=True)
        middle = diagonal_part(y)
        return matmul(out, P.sub(lower_part(y), P.mul(middle, lit(middle, 0.5))))


class LU(MatrixPrimitive):
    """Packed triangular factors of the rows of a in pivoted order, the pivots, and that order."""

    name = "lu"
    multiple_results = True

    def abstract_eval(self, a: ShapedArray) -> list[ShapedArray]:
        check_matrix(self.name, a)
        *lead, m, n = a.shape
        return [a, ShapedArray((*lead, min(m, n)), INT32), ShapedArray((*lead, m), INT32)]

    def compute(self, xp: Any, a: Any) -> Sequence[Any]:
        return linalg.lu(xp, a)

    def jvp(self, primals: Sequence[Any], out: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        packed, _, order = out
        m, n = packed.shape[-2:]
        change = take_rows(tangents[0], order)
        # l and u made square: identities continue them.
        left = _continued(lower_part(packed, -1), m)
        right = _continued(upper_part(packed), n, kept=min(m, n))
        # l^-1 da u^-1 = l^-1 dl + du u^-1: strictly lower plus upper.
        y = _solve(left, change, left=True, lower=True, unit=True)
        y = _solve(right, y, left=False, lower=False)
        lower = matmul(_with_unit_diagonal(left), lower_part(y, -1))
        return [P.add(lower, matmul(upper_part(y), right)), None, None]


def _with_unit_diagonal(x: Any) -> Any:
    n = x.shape[-1]
    eye = P.broadcast_in_dim(
        P.convert_element_type(_eye(n), new_dtype=x.dtype),
        shape=x.shape,
        broadcast_dimensions=(x.ndim - 2, x.ndim - 1),
    )
    return P.add(x, eye)


def _eye(n: int) -> Any:
    rows = P.iota(dtype=INT32, shape=(n, n), dimension=0)
    return P.eq(rows, P.iota(dtype=INT32, shape=(n, n), dimension=1))


def _continued(x: Any, n: int, kept: int | None = None) -> Any:
    """`x` cut or padded to n rows and columns, with ones on the diagonal from `kept` on."""
    rows, columns = x.shape[-2:]
    x = cut(x, min(rows, n), min(columns, n))
    rows, columns = x.shape[-2:]
    if rows != n or columns != n:
        config = (*((0, 0, 0),) * (x.ndim - 2), (0, n - rows, 0), (0, n - columns, 0))
        x = P.pad(x, lit(x, 0), padding_config=config)
    if kept is None or kept == n:
        return x
    ones = np.diag(np.arange(n) >= kept).astype(x.dtype)
    return P.add(
        x, P.broadcast_in_dim(ones, shape=x.shape, broadcast_dimensions=(x.ndim - 2, x.ndim - 1))
    )


def take_rows(x: Any, order: Any) -> Any:
    """`x[..., order, :]` for each index of the leading axes."""
    lead = tuple(range(x.ndim - 2))
    numbers = GatherDimensionNumbers(
        offset_dims=(x.ndim - 1,),
        collapsed_slice_dims=(x.ndim - 2,),
        start_index_map=(x.ndim - 2,),
        operand_batching_dims=lead,
        start_indices_batching_dims=lead,
    )
    return P.gather(
        x,
        P.reshape(order, new_sizes=(*order.shape, 1)),
        dimension_numbers=numbers,
        slice_sizes=(1,) * (x.ndim - 1) + x.shape[-1:],
        indices_are_sorted=False,
        unique_indices=True,
        mode=GatherScatterMode.PROMISE_IN_BOUNDS,
        fill_value=None,
    )


class PivotsToPermutation(Primitive):
    """The order of rows after exchanges: first 0 with pivots[0], then 1 with pivots[1], ..."""

    name = "lu_pivots_to_permutation"
    kinds = "i"

    def abstract_eval(self, pivots: ShapedArray, *, permutation_size: int) -> ShapedArray:
        check_domain(self.name, pivots.dtype, self.kinds)
        if not pivots.shape:
            raise ShapeError(f"{self.name} expects pivots of shape (..., k), got a scalar.")
        if permutation_size < pivots.shape[-1]:
            raise FxValueError(
                f"{self.name} of {pivots.short()} expects a permutation_size of at least "
                f"{pivots.shape[-1]}, the number of pivots, got {permutation_size}."
            )
        return ShapedArray((*pivots.shape[:-1], permutation_size), pivots.dtype)

    def impl(self, xp: Any, pivots: Any, *, permutation_size: int) -> Any:
        return linalg.pivots_to_permutation(xp, pivots, permutation_size)

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        return self.bind(move_axis(args[0], dims[0], 0), **params), 0


class QR(MatrixPrimitive):
    """a = q r with orthonormal columns in q, upper triangular r."""

    name = "qr"
    multiple_results = True

    def abstract_eval(self, a: ShapedArray, *, full_matrices: bool) -> list[ShapedArray]:
        check_matrix(self.name, a)
        *lead, m, n = a.shape
        k = m if full_matrices else min(m, n)
        return [a.update(shape=(*lead, m, k)), a.update(shape=(*lead, k, n))]

    def compute(self, xp: Any, a: Any, *, full_matrices: bool) -> Sequence[Any]:
        return linalg.qr(xp, a, full_matrices)

    def jvp(
        self,
        primals: Sequence[Any],
        out: Sequence[Any],
        tangents: Sequence[Any],
        *,
        full_matrices: bool,
    ) -> list[Any]:
        (q, r), (t,) = out, tangents
        m, n = t.shape[-2:]
        if full_matrices and m > n:
            raise MissingRuleError(
                f"qr of {m} x {n} matrices with full_matrices=True has no derivative: the last "
                f"{m - n} columns of q are not determined. Use full_matrices=False "
                '(fx.numpy.linalg.qr with mode="reduced").'
            )
        k = min(m, n)
        # q^H dq is skew, and q^H da r^-1 - q^H dq = dr r^-1 is upper triangular with a real
        # diagonal: this fixes the former. Columns beyond the k-th only enter into dr.
        y = _solve(cut(r, k, k), cut(t, m, k), left=False, lower=False)
        inner = matmul(adjoint(q), y)
        below = lower_part(inner, -1)
        skew = P.sub(below, adjoint(below))
        if skew.dtype.kind == "c":
            middle = diagonal_part(inner)
            skew = P.add(skew, P.sub(middle, like(P.real(middle), middle)))
        dq = P.add(matmul(q, P.sub(skew, inner)), y)
        dr = P.sub(matmul(adjoint(q), t), matmul(skew, r))
        return [dq, upper_part(dr)]


class GeneralQR(MatrixPrimitive):
    """QR in LAPACK's packed form: r above, Householder vectors below the diagonal, and taus."""

    name = "geqrf"
    multiple_results = True

    def abstract_eval(self, a: ShapedArray) -> list[ShapedArray]:
        check_matrix(self.name, a)
        *lead, m, n = a.shape
        return [a, a.update(shape=(*lead, min(m, n)))]

    def compute(self, xp: Any, a: Any) -> Sequence[Any]:
        return linalg.geqrf(xp, a)


class HouseholderProduct(MatrixPrimitive):
    """The first n columns of the product of reflections that a packed QR stands for."""

    name = "householder_product"

    def abstract_eval(self, a: ShapedArray, taus: ShapedArray) -> ShapedArray:
        check_matrix(self.name, a)
        if a.dtype != taus.dtype:
            raise FxTypeError(
                f"{self.name} expects a and taus of one dtype, got {a.short()} and {taus.short()}."
            )
        m, n = a.shape[-2:]
        if taus.shape[:-1] != a.shape[:-2] or not taus.shape or m < n or taus.shape[-1] > n:
            raise ShapeError(
                f"{self.name} expects a of shape (..., m, n) with m >= n and taus of shape "
                f"(..., k) with k <= n, got {a.short()} and {taus.short()}."
            )
        return a

    def compute(self, xp: Any, a: Any, taus: Any) -> Any:
        return linalg.householder_product(xp, a, taus)


Cholesky()
LU()
PivotsToPermutation()
QR()
GeneralQR()
HouseholderProduct()
