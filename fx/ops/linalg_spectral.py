"""Eigenvalues and singular values.

Derivatives of eigenvectors and singular vectors divide by differences of eigenvalues: where those
are equal the vectors are not determined, and their derivatives are infinite or NaN. The values
alone have derivatives as long as the matrix is diagonalizable.
Source: Giles, "An extended collection of matrix derivative results", 2008; for complex matrices
Boeddeker et al., "On the computation of complex-valued gradients with application to statistically
optimum beamforming", 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.avals import ShapedArray
from fx.core.primitive import P, lit
from fx.errors import MissingRuleError
from fx.ops.base import broadcast_to
from fx.ops.linalg import (
    MatrixPrimitive,
    adjoint,
    check_matrix,
    columns_of,
    conjugated,
    diagonal,
    diagonal_part,
    identity,
    like,
    matmul,
    real_part,
    rows_of,
)
from fx.ops.linalg_factors import hermitian_from_lower
from fx.ops.numerics import linalg


def _inverse_off_diagonal(x: Any) -> Any:
    """1 / x off the diagonal, 0 on it."""
    eye = identity(x, x.shape[-1])
    return P.sub(P.div(lit(x, 1), P.add(x, eye)), eye)


def _differences(w: Any) -> Any:
    """Matrices of w[j] - w[i]."""
    n = w.shape[-1]
    return P.sub(rows_of(w, n), columns_of(w, n))


class SymmetricEigen(MatrixPrimitive):
    """(v, w): orthonormal eigenvectors in columns and ascending eigenvalues of Hermitian matrices,
    of which one triangle is read."""

    name = "eigh"
    multiple_results = True

    def abstract_eval(self, a: ShapedArray, *, lower: bool) -> list[ShapedArray]:
        check_matrix(self.name, a, square=True)
        w = a.update(shape=a.shape[:-1], dtype=dtypes.real_dtype(a.dtype))
        return [a, w]

    def compute(self, xp: Any, a: Any, *, lower: bool) -> Sequence[Any]:
        return linalg.eigh(xp, a, lower)

    def jvp(
        self, primals: Sequence[Any], out: Sequence[Any], tangents: Sequence[Any], *, lower: bool
    ) -> list[Any]:
        (v, w), (t,) = out, tangents
        change = hermitian_from_lower(t if lower else adjoint(t))
        inner = matmul(adjoint(v), matmul(change, v))
        gaps = like(_inverse_off_diagonal(_differences(w)), inner)
        return [matmul(v, P.mul(gaps, inner)), real_part(diagonal(inner))]


class SingularValues(MatrixPrimitive):
    """a = (u * s) vh as [u, s, vh], or [s] alone."""

    name = "svd"
    multiple_results = True

    def abstract_eval(
        self, a: ShapedArray, *, full_matrices: bool, compute_uv: bool
    ) -> list[ShapedArray]:
        check_matrix(self.name, a)
        *lead, m, n = a.shape
        k = min(m, n)
        s = a.update(shape=(*lead, k), dtype=dtypes.real_dtype(a.dtype))
        if not compute_uv:
            return [s]
        rows, columns = (m, n) if full_matrices else (k, k)
        return [a.update(shape=(*lead, m, rows)), s, a.update(shape=(*lead, columns, n))]

    def compute(self, xp: Any, a: Any, *, full_matrices: bool, compute_uv: bool) -> Sequence[Any]:
        return linalg.svd(xp, a, full_matrices, compute_uv)

    def jvp_call(
        self,
        primals: Sequence[Any],
        tangents: Sequence[Any],
        *,
        full_matrices: bool,
        compute_uv: bool,
    ) -> tuple[Any, Any]:
        (a,), (t,) = primals, tangents
        m, n = a.shape[-2:]
        if compute_uv and full_matrices and m != n:
            raise MissingRuleError(
                f"svd of {m} x {n} matrices with full_matrices=True has no derivative: the last "
                f"{abs(m - n)} singular vectors are not determined. Use full_matrices=False."
            )
        u, s, vh = self.bind(a, full_matrices=False, compute_uv=True)
        uh, v = adjoint(u), adjoint(vh)
        inner = matmul(matmul(uh, t), v)
        ds = real_part(diagonal(inner))
        if not compute_uv:
            return [s], [ds]
        du, dv = _singular_vectors(u, s, v, inner)
        if m > n:
            outside = matmul(t, v)
            du = P.add(du, _divided(P.sub(outside, matmul(u, matmul(uh, outside))), s))
        if n > m:
            outside = matmul(adjoint(t), u)
            dv = P.add(dv, _divided(P.sub(outside, matmul(v, matmul(vh, outside))), s))
        return [u, s, vh], [du, ds, adjoint(dv)]


def _divided(x: Any, s: Any) -> Any:
    return P.div(x, like(rows_of(s, x.shape[-2]), x))


def _singular_vectors(u: Any, s: Any, v: Any, inner: Any) -> tuple[Any, Any]:
    """Changes of the vectors within the spaces that they span; `inner` is u^H da v."""
    k = s.shape[-1]
    # s[j]**2 - s[i]**2, factored to keep the digits of small gaps.
    gaps = P.mul(P.add(rows_of(s, k), columns_of(s, k)), _differences(s))
    factor = like(_inverse_off_diagonal(gaps), inner)
    by_column = P.mul(inner, like(rows_of(s, k), inner))
    by_row = P.mul(inner, like(columns_of(s, k), inner))
    left = P.mul(factor, P.add(by_column, adjoint(by_column)))
    right = P.mul(factor, P.add(by_row, adjoint(by_row)))
    if inner.dtype.kind == "c":
        # The phases of a pair of vectors may turn together; all of the turn is given to u.
        zero = P.eq(s, lit(s, 0))
        safe = P.select_n(zero, s, broadcast_to(lit(s, 1), s.shape))
        skew = P.mul(P.sub(inner, adjoint(inner)), lit(inner, 0.5))
        left = P.add(left, _divided(diagonal_part(skew), safe))
    return matmul(u, left), matmul(v, right)


class Eigen(MatrixPrimitive):
    """[w, vl, vr] of general matrices: eigenvalues and, where asked for, left and right
    eigenvectors, complex, of norm 1 and with a real largest component."""

    name = "eig"
    multiple_results = True

    def abstract_eval(
        self, a: ShapedArray, *, compute_left_eigenvectors: bool, compute_right_eigenvectors: bool
    ) -> list[ShapedArray]:
        check_matrix(self.name, a, square=True)
        v = a.update(dtype=dtypes.complex_dtype(a.dtype))
        w = v.update(shape=a.shape[:-1])
        return [w] + [v] * (compute_left_eigenvectors + compute_right_eigenvectors)

    def compute(
        self,
        xp: Any,
        a: Any,
        *,
        compute_left_eigenvectors: bool,
        compute_right_eigenvectors: bool,
    ) -> Sequence[Any]:
        w, vr = linalg.eig(xp, a)
        left = [linalg.left_eigenvectors(xp, a, w)] if compute_left_eigenvectors else []
        return [w, *left, *([vr] if compute_right_eigenvectors else [])]

    def jvp_call(
        self,
        primals: Sequence[Any],
        tangents: Sequence[Any],
        *,
        compute_left_eigenvectors: bool,
        compute_right_eigenvectors: bool,
    ) -> tuple[Any, Any]:
        outs = self.bind(
            *primals,
            compute_left_eigenvectors=compute_left_eigenvectors,
            compute_right_eigenvectors=True,
        )
        w, vr = outs[0], outs[-1]
        t = like(tangents[0], vr)
        inner = P.solve(vr, matmul(t, vr))
        touts = [diagonal(inner)]
        if compute_left_eigenvectors:
            vl = outs[1]
            of_adjoint = P.solve(vl, matmul(adjoint(t), vl))
            touts.append(_eigenvectors(conjugated(w), vl, of_adjoint))
        if compute_right_eigenvectors:
            return outs, [*touts, _eigenvectors(w, vr, inner)]
        return outs[:-1], touts


def _eigenvectors(w: Any, v: Any, inner: Any) -> Any:
    """Change of eigenvectors, given `inner` = v^-1 da v, that keeps LAPACK's normalization."""
    n = v.shape[-1]
    if not n:
        return v
    change = matmul(v, P.mul(_inverse_off_diagonal(_differences(w)), inner))
    # The norms stay 1 ...
    along = P.real(P.reduce_sum(P.mul(P.conj(v), change), axes=(v.ndim - 2,)))
    change = P.sub(change, P.mul(v, like(rows_of(along, n), v)))
    # ... and the components that LAPACK made real stay real.
    size = P.abs(P.real(v))
    exact = P.eq(P.imag(v), lit(size, 0))
    size = P.select_n(exact, broadcast_to(lit(size, -1), v.shape), size)
    first = P.argmax(size, axes=(v.ndim - 2,), index_dtype=np.dtype(np.int32))
    position = P.iota(dtype=np.dtype(np.int32), shape=v.shape, dimension=v.ndim - 2)
    chosen = P.eq(position, rows_of(first, n))
    zero = broadcast_to(lit(size, 0), v.shape)
    axis = (v.ndim - 2,)
    imag = P.reduce_sum(P.select_n(chosen, zero, P.imag(change)), axes=axis)
    real = P.reduce_sum(P.select_n(chosen, zero, P.real(v)), axes=axis)
    turn = P.div(imag, real)
    rotation = P.complex(P.mul(turn, lit(turn, 0)), turn)
    return P.sub(change, P.mul(v, rows_of(rotation, n)))


SymmetricEigen()
SingularValues()
Eigen()
