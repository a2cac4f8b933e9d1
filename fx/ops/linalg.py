"""Linear systems and determinants; what the families of matrix primitives share.

Operands are stacks of matrices, shape `(*B, m, n)`, with equal leading axes. Half precision is
computed in float32. Where LAPACK would raise (a singular or indefinite matrix), results are
infinite or NaN. Derivatives: Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation", 2008; Magnus and Neudecker, "Matrix differential calculus", 2019.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.primitive import P, Primitive, add_tangents, lit
from fx.errors import FxTypeError, ShapeError
from fx.ops.base import add_axis, broadcast_to, check_domain, move_axis
from fx.ops.numerics import linalg
from fx.ops.reduce import accumulator


# ------------------------------------------------------------------ building blocks of rules
def matmul(x: Any, y: Any) -> Any:
    """Product of two stacks of matrices with equal leading axes."""
    lead = tuple(range(x.ndim - 2))
    numbers = (((x.ndim - 1,), (x.ndim - 2,)), (lead, lead))
    return P.dot_general(
        x, y, dimension_numbers=numbers, precision=None, preferred_element_type=None
    )


def transposed(x: Any) -> Any:
    """Each matrix transposed."""
    order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return P.transpose(x, permutation=order)


def conjugated(x: Any) -> Any:
    """The complex conjugate; a real array as it is."""
    return P.conj(x) if x.dtype.kind == "c" else x


def adjoint(x: Any) -> Any:
    """Each matrix transposed and conjugated."""
    return conjugated(transposed(x))


def real_part(x: Any) -> Any:
    """The real part; a real array as it is."""
    return P.real(x) if x.dtype.kind == "c" else x


def like(x: Any, y: Any) -> Any:
    """`x` in the dtype of `y`, which may be complex where x is real."""
    return x if x.dtype == y.dtype else P.convert_element_type(x, new_dtype=y.dtype)


@functools.lru_cache(maxsize=128)
def _triangle(m: int, n: int, k: int) -> Array:
    mask = np.tri(m, n, k, bool)
    mask.flags.writeable = False
    return Array(mask)


def _masked(x: Any, mask: Array, inside: bool) -> Any:
    full = P.broadcast_in_dim(
        mask, shape=x.shape, broadcast_dimensions=(len(x.shape) - 2, len(x.shape) - 1)
    )
    zero = broadcast_to(lit(x, 0), x.shape)
    return P.select_n(full, zero, x) if inside else P.select_n(full, x, zero)


def lower_part(x: Any, k: int = 0) -> Any:
    """The elements on and below diagonal k, zeros above."""
    return _masked(x, _triangle(*x.shape[-2:], k), True)


def upper_part(x: Any, k: int = 0) -> Any:
    """The elements on and above diagonal k, zeros below."""
    return _masked(x, _triangle(*x.shape[-2:], k - 1), False)


def diagonal_part(x: Any) -> Any:
    """The matrix with all elements off the diagonal replaced by 0."""
    return lower_part(upper_part(x))


def diagonal(x: Any) -> Any:
    """The diagonals of square matrices, as vectors."""
    return P.reduce_sum(diagonal_part(x), axes=(x.ndim - 1,))


def trace(x: Any) -> Any:
    """The sums of the diagonals of square matrices."""
    return P.reduce_sum(diagonal_part(x), axes=(x.ndim - 2, x.ndim - 1))


def rows_of(x: Any, n: int) -> Any:
    """Vectors `(*B, k)` repeated as the n rows of matrices `(*B, n, k)`."""
    return add_axis(x, n, x.ndim - 1)


def columns_of(x: Any, n: int) -> Any:
    """Vectors `(*B, k)` repeated as the n columns of matrices `(*B, k, n)`."""
    return add_axis(x, n, x.ndim)


def identity(x: Any, n: int) -> Any:
    """Identity matrices with the leading axes and the dtype of `x`."""
    return P.broadcast_in_dim(
        Array(np.eye(n, dtype=x.dtype)),
        shape=(*x.shape[:-2], n, n),
        broadcast_dimensions=(x.ndim - 2, x.ndim - 1),
    )


def cut(x: Any, rows: int, columns: int) -> Any:
    """The first rows and columns of each matrix."""
    if x.shape[-2:] == (rows, columns):
        return x
    return P.slice(
        x,
        start_indices=(0,) * x.ndim,
        limit_indices=(*x.shape[:-2], rows, columns),
        strides=None,
    )


# ------------------------------------------------------------------ checks
def check_matrix(name: str, x: Any, square: bool = False) -> None:
    """Raise unless an operand is a floating or complex matrix or stack of matrices."""
    check_domain(name, x.dtype, "fc")
    if len(x.shape) < 2 or (square and x.shape[-1] != x.shape[-2]):
        wanted = "(..., n, n)" if square else "(..., m, n)"
        raise ShapeError(
            f"{name} expects a matrix or a stack of matrices, of shape {wanted}, got {x.short()}."
        )


def check_system(name: str, a: ShapedArray, b: ShapedArray, axis: int) -> None:
    """Raise unless `b` has right sides for the square matrices `a` along its axis."""
    check_matrix(name, a, square=True)
    if a.dtype != b.dtype:
        raise FxTypeError(
            f"{name} expects a and b of one dtype, got {a.short()} and {b.short()}. Convert one "
            "with x.astype(...)."
        )
    if a.ndim != b.ndim or a.shape[:-2] != b.shape[:-2] or b.shape[axis] != a.shape[-1]:
        wanted = "(..., n, k)" if axis == -2 else "(..., k, n)"
        raise ShapeError(
            f"{name} expects a of shape (..., n, n) and b of shape {wanted} with the same leading "
            f"axes, got {a.short()} and {b.short()}."
        )


# ------------------------------------------------------------------ the family
class MatrixPrimitive(Primitive):
    """A function of stacks of matrices: mapped axes become leading ones."""

    kinds = "fc"

    def compute(self, xp: Any, *arrays: Any, **params: Any) -> Any:
        """`impl` in a dtype that LAPACK has."""
        raise self.missing("evaluation", "compute(self, xp, *arrays, **params)")

    def impl(self, xp: Any, *arrays: Any, **params: Any) -> Any:
        dtype = arrays[0].dtype
        wide = accumulator(dtype)
        if wide == dtype:
            return self.compute(xp, *arrays, **params)
        outs = self.compute(
            xp, *[a.astype(wide) if a.dtype == dtype else a for a in arrays], **params
        )
        if not self.multiple_results:
            return outs.astype(dtype)
        return [o.astype(dtype) if o.dtype == wide else o for o in outs]

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        operands = [
            add_axis(x, axis.size) if d is None else move_axis(x, d, 0)
            for x, d in zip(args, dims, strict=True)
        ]
        outs = self.bind(*operands, **params)
        return outs, [0] * len(outs) if self.multiple_results else 0


class System(MatrixPrimitive):
    """`x` in an equation with a square matrix `a` and a right side `b`, in which it is linear."""

    def side(self, **params: Any) -> int:
        """The axis of `b` that has the size of `a`."""
        return -2

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        (a, b), (da, db) = args, dims
        if da is not None:
            return super().batch(axis, args, dims, **params)
        # One matrix for all: the mapped axis joins the right sides.
        many = a.ndim - 2 if self.side(**params) == -1 else a.ndim - 1
        b = move_axis(b, db, many)
        count = b.shape[many + 1]
        shape = (*b.shape[:many], axis.size * count, *b.shape[many + 2 :])
        x = self.bind(a, P.reshape(b, new_sizes=shape), **params)
        return P.reshape(x, new_sizes=b.shape), many


class TriangularSolve(System):
    """op(a) x = b or x op(a) = b for a triangular a, of which the other triangle is not read."""

    name = "triangular_solve"

    def side(self, **params: Any) -> int:
        return -2 if params["left_side"] else -1

    def abstract_eval(self, a: ShapedArray, b: ShapedArray, **params: Any) -> ShapedArray:
        check_system(self.name, a, b, self.side(**params))
        return b.update(weak_type=a.weak_type and b.weak_type)

    def compute(self, xp: Any, a: Any, b: Any, **params: Any) -> Any:
        return linalg.triangular_solve(xp, a, b, **params)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        (a, _), (ta, tb) = primals, tangents
        right = tb
        if ta is not None:
            strict = int(params["unit_diagonal"])
            t = lower_part(ta, -strict) if params["lower"] else upper_part(ta, strict)
            if params["conjugate_a"]:
                t = conjugated(t)
            if params["transpose_a"]:
                t = transposed(t)
            change = matmul(t, out) if params["left_side"] else matmul(out, t)
            right = add_tangents(tb, P.neg(change))
        return self.bind(a, right, **params)

    def transpose(self, ct: Any, a: Any, b: Any, **params: Any) -> list[Any]:
        flipped = params | {"transpose_a": not params["transpose_a"]}
        return [None, self.bind(a, ct, **flipped)]


class Solve(System):
    """x in a x = b, by elimination with partial pivoting."""

    name = "solve"

    def abstract_eval(self, a: ShapedArray, b: ShapedArray) -> ShapedArray:
        check_system(self.name, a, b, -2)
        return b.update(weak_type=a.weak_type and b.weak_type)

    def compute(self, xp: Any, a: Any, b: Any) -> Any:
        return linalg.solve(xp, a, b)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        (a, _), (ta, tb) = primals, tangents
        right = tb if ta is None else add_tangents(tb, P.neg(matmul(ta, out)))
        return self.bind(a, right)

    def transpose(self, ct: Any, a: Any, b: Any) -> list[Any]:
        return [None, self.bind(transposed(a), ct)]


class TridiagonalSolve(MatrixPrimitive):
    """x in a x = b, where a has the diagonals dl (its first element unused), d, du (its last)."""

    name = "tridiagonal_solve"

    def abstract_eval(
        self, dl: ShapedArray, d: ShapedArray, du: ShapedArray, b: ShapedArray
    ) -> ShapedArray:
        operands = (dl, d, du, b)
        got = ", ".join(x.short() for x in operands)
        check_domain(self.name, d.dtype, self.kinds)
        if any(x.dtype != d.dtype for x in operands):
            raise FxTypeError(f"tridiagonal_solve expects operands of one dtype, got {got}.")
        if not d.shape or {dl.shape, du.shape, b.shape[:-1]} != {d.shape}:
            raise ShapeError(
                "tridiagonal_solve expects three diagonals of shape (..., n) and b of shape "
                f"(..., n, k), got {got}."
            )
        return b.update(weak_type=all(x.weak_type for x in operands))

    def compute(self, xp: Any, dl: Any, d: Any, du: Any, b: Any) -> Any:
        return linalg.tridiagonal_solve(xp, dl, d, du, b)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        *diagonals, _ = primals
        right = tangents[3]
        for t, shift in zip(tangents[:3], (1, 0, -1), strict=True):
            if t is not None:
                # Row i of a diagonal multiplies row i - shift of x.
                rows = shifted_rows(out, shift)
                change = P.mul(columns_of(t, out.shape[-1]), rows)
                right = add_tangents(right, P.neg(change))
        return self.bind(*diagonals, right)

    def transpose(self, ct: Any, dl: Any, d: Any, du: Any, b: Any) -> list[Any]:
        below, above = shifted_elements(du, 1), shifted_elements(dl, -1)
        return [None, None, None, self.bind(below, d, above, ct)]


def shifted_elements(x: Any, shift: int) -> Any:
    """`x[i - shift]` at i along the last axis, zeros where there is none."""
    if x.shape[-1] == 0:
        return x
    config = ((0, 0, 0),) * (x.ndim - 1) + ((shift, -shift, 0),)
    return P.pad(x, lit(x, 0), padding_config=config)


def shifted_rows(x: Any, shift: int) -> Any:
    """`x[i - shift]` at i along the axis before the last."""
    if not shift or x.shape[-2] == 0:
        return x
    config = (*((0, 0, 0),) * (x.ndim - 2), (shift, -shift, 0), (0, 0, 0))
    return P.pad(x, lit(x, 0), padding_config=config)


# ------------------------------------------------------------------ determinants
class LogDeterminant(MatrixPrimitive):
    """The determinant as (sign or phase, logarithm of the absolute value)."""

    name = "slogdet"
    multiple_results = True

    def abstract_eval(self, a: ShapedArray) -> list[ShapedArray]:
        check_matrix(self.name, a, square=True)
        sign = a.update(shape=a.shape[:-2])
        return [sign, sign.update(dtype=dtypes.real_dtype(a.dtype))]

    def compute(self, xp: Any, a: Any) -> list[Any]:
        return list(xp.linalg.slogdet(a))

    def jvp(self, primals: Sequence[Any], out: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        # d log det a = tr(a^-1 da): its real part moves the logarithm, the other turns the phase.
        slope = trace(P.solve(primals[0], tangents[0]))
        if slope.dtype.kind != "c":
            return [None, slope]
        turn = P.imag(slope)
        return [P.mul(out[0], P.complex(P.mul(turn, lit(turn, 0)), turn)), P.real(slope)]


class Determinant(MatrixPrimitive):
    """The determinant; its derivative is right for singular matrices too (Jacobi's formula)."""

    name = "det"

    def abstract_eval(self, a: ShapedArray) -> ShapedArray:
        check_matrix(self.name, a, square=True)
        return a.update(shape=a.shape[:-2])

    def compute(self, xp: Any, a: Any) -> Any:
        return xp.asarray(xp.linalg.det(a))

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        return trace(matmul(P.adjugate(primals[0]), tangents[0]))


class Adjugate(MatrixPrimitive):
    """The transposed matrix of cofactors: det(a) a^-1 where a is regular, and it always exists."""

    name = "adjugate"

    def abstract_eval(self, a: ShapedArray) -> ShapedArray:
        check_matrix(self.name, a, square=True)
        return a

    def compute(self, xp: Any, a: Any) -> Any:
        return linalg.adjugate(xp, a)

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any]) -> Any:
        (a,), (t,) = primals, tangents
        n = a.shape[-1]
        if n <= 3:
            return _small_adjugate_tangent(a, t)
        # The derivative of det(a) a^-1; it is NaN where a is singular.
        spread = columns_of(rows_of_scalar(trace(matmul(out, t)), n), n)
        change = P.sub(P.mul(spread, out), matmul(matmul(out, t), out))
        return P.div(change, columns_of(rows_of_scalar(P.det(a), n), n))


def _small_adjugate_tangent(a: Any, t: Any) -> Any:
    """The derivative of the adjugate as a polynomial, which holds for singular matrices too.

    By the theorem of Cayley and Hamilton adj(a) is 1, tr(a) - a, or a² - tr(a) a + (tr(a)² -
    tr(a²)) / 2 for 1, 2 or 3 rows, where a number stands for its multiple of the identity.
    """
    n, one = a.shape[-1], identity(a, a.shape[-1])

    def times(x: Any, y: Any) -> Any:
        return P.mul(columns_of(rows_of_scalar(x, n), n), y)

    if n <= 1:
        return P.sub(t, t)
    if n == 2:
        return P.sub(times(trace(t), one), t)
    product = matmul(a, t)
    squares = P.add(product, matmul(t, a))
    traces = P.add(times(trace(t), a), times(trace(a), t))
    scale = P.sub(P.mul(trace(a), trace(t)), trace(product))
    return P.add(P.sub(squares, traces), times(scale, one))


def rows_of_scalar(x: Any, n: int) -> Any:
    """`(*B)` repeated to `(*B, n)`."""
    return add_axis(x, n, x.ndim)


TriangularSolve()
Solve()
TridiagonalSolve()
LogDeterminant()
Determinant()
Adjugate()
