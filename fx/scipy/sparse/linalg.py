"""Iterative solvers under the names of `jax.scipy.sparse.linalg`.

The matrix is an array or a function; right-hand sides are arrays in pytrees, which the solvers see
as one vector. Derivatives solve again, with the transposed matrix in reverse mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fx.numpy as jnp
from fx import dtypes, lax
from fx.core.array import is_arraylike, to_array
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.flatten_util import ravel_pytree
from fx.pytree import tree_map, tree_structure

__all__ = ["bicgstab", "cg", "gmres"]

_DOC = """

    Args:
        A: a square matrix, or a linear function from trees like `b` to trees like `b`.
        b: the right-hand side, arrays in a pytree; with a matrix, a vector.
        x0: where to start; zeros if None.
        tol, atol: stop where norm(b - A x) <= max(tol norm(b), atol).
        maxiter: of the iterations; 10 times the number of unknowns if None.
        M: an approximate inverse of A, a matrix or a function."""
_RESULT = """

    Returns:
        `(x, info)`; info is None, as in JAX.

    Raises:
        ShapeError: shapes do not fit.
        FxTypeError: A or M is neither a matrix nor a function."""


def _vdot(x: Any, y: Any) -> Any:
    return jnp.vdot(x, y, precision=lax.Precision.HIGHEST)


def _norm(x: Any) -> Any:
    return jnp.sqrt(jnp.real(_vdot(x, x)))


def _operator(name: str, what: str, A: Any) -> Callable[[Any], Any]:
    if callable(A):
        return A
    if not is_arraylike(A):
        raise FxTypeError(f"{name}: {what} must be a matrix or a function, got {type(A).__name__}.")
    matrix: Any = to_array(A, name)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"{name}: {what} must be square, got shape {matrix.shape}.")
    return lambda x: matrix @ x


def _solve(
    name: str,
    algorithm: Callable[..., Any],
    A: Any,
    b: Any,
    x0: Any,
    maxiter: int | None,
    M: Any,
    hermitian: bool,
) -> tuple[Any, None]:
    """Run an algorithm on vectors: algorithm(matvec, b, x0, maxiter, M)."""
    operate = _operator(name, "A", A)
    precondition = None if M is None else _operator(name, "M", M)
    b = tree_map(lambda leaf: _inexact(name, leaf), b)
    start = tree_map(jnp.zeros_like, b) if x0 is None else x0
    if tree_structure(start) != tree_structure(b):
        raise ShapeError(
            f"{name}: x0 and b must have one structure, got {tree_structure(start)} and "
            f"{tree_structure(b)}."
        )
    start = tree_map(lambda x, y: jnp.asarray(x, y.dtype), start, b)
    right, back = ravel_pytree(b)
    first = ravel_pytree(start)[0]
    if first.shape != right.shape:
        raise ShapeError(f"{name}: x0 and b must have the same shapes.")
    count = 10 * right.size if maxiter is None else maxiter

    def flat(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def on_vectors(v: Any) -> Any:
            out = function(back(v))
            if tree_structure(out) != tree_structure(b):
                raise ShapeError(
                    f"{name}: A and M must give trees like b, {tree_structure(b)}, got "
                    f"{tree_structure(out)}."
                )
            vector = ravel_pytree(out)[0]
            if vector.shape != v.shape:
                raise ShapeError(f"{name}: A and M must give arrays of the shapes of b.")
            return vector.astype(v.dtype)

        return on_vectors

    ready = flat(precondition) if precondition is not None else lambda v: v

    def solve(matvec: Callable[[Any], Any], v: Any) -> Any:
        return algorithm(matvec, v, first, count, ready)

    symmetric = hermitian and not dtypes.is_complex(right.dtype)
    x = lax.custom_linear_solve(flat(operate), right, solve, solve, symmetric)
    return back(x), None


def _inexact(name: str, leaf: Any) -> Any:
    x = to_array(leaf, name)
    return jnp.asarray(x, dtypes.to_inexact_dtype(x.dtype))


def _limit(b: Any, tol: Any, atol: Any) -> Any:
    return jnp.maximum(tol * _norm(b), atol)


@public
def cg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    tol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
) -> tuple[Any, None]:
    """x with A x = b by conjugate gradients, for a Hermitian positive definite A.

    Source: Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems", 1952.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> A = jnp.array([[2.0, 1.0], [1.0, 3.0]])
        >>> x, _ = fx.scipy.sparse.linalg.cg(A, jnp.array([3.0, 4.0]))
        >>> x.round(3)
        Array([1., 1.], dtype=float32)
    """

    def algorithm(matvec: Any, b: Any, x: Any, count: int, M: Any) -> Any:
        limit = _limit(b, tol, atol) ** 2
        r = b - matvec(x)
        p = z = M(r)
        gamma = jnp.real(_vdot(r, z))

        def go_on(state: Any) -> Any:
            _, r, _, _, k = state
            return (jnp.real(_vdot(r, r)) > limit) & (k < count)

        def step(state: Any) -> Any:
            x, r, gamma, p, k = state
            ap = matvec(p)
            alpha = (gamma / jnp.real(_vdot(p, ap))).astype(x.dtype)
            x, r = x + alpha * p, r - alpha * ap
            z = M(r)
            after = jnp.real(_vdot(r, z))
            p = z + (after / gamma).astype(x.dtype) * p
            return x, r, after, p, k + 1

        return lax.while_loop(go_on, step, (x, r, gamma, p, 0))[0]

    return _solve("cg", algorithm, A, b, x0, maxiter, M, hermitian=True)


@public
def bicgstab(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    tol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
) -> tuple[Any, None]:
    """x with A x = b by the stabilized method of biconjugate gradients, for a general A.

    Source: van der Vorst, "Bi-CGSTAB", SIAM J. Sci. Stat. Comput., 1992.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> A = jnp.array([[2.0, 1.0], [0.0, 3.0]])
        >>> x, _ = fx.scipy.sparse.linalg.bicgstab(A, jnp.array([3.0, 3.0]))
        >>> x.round(3)
        Array([1., 1.], dtype=float32)
    """

    def algorithm(matvec: Any, b: Any, x: Any, count: int, M: Any) -> Any:
        limit = _limit(b, tol, atol) ** 2
        shadow = r = b - matvec(x)
        one = jnp.ones((), b.dtype)

        def go_on(state: Any) -> Any:
            r, k = state[1], state[-1]
            return (jnp.real(_vdot(r, r)) > limit) & (k < count) & (k >= 0)

        def step(state: Any) -> Any:
            x, r, alpha, omega, rho, p, q, k = state
            new = _vdot(shadow, r)
            beta = new / rho * alpha / omega
            p = r + beta * (p - omega * q)
            ready = M(p)
            q = matvec(ready)
            alpha = new / _vdot(shadow, q)
            s = r - alpha * q
            early = jnp.real(_vdot(s, s)) < limit
            s_ready = M(s)
            t = matvec(s_ready)
            omega = _vdot(t, s) / _vdot(t, t)
            x = x + alpha * ready + jnp.where(early, 0, omega * s_ready)
            r = jnp.where(early, s, s - omega * t)
            broken = (new == 0) | (omega == 0) | (alpha == 0)
            return x, r, alpha, omega, new, p, q, jnp.where(broken, -1, k + 1)

        none = jnp.zeros_like(b)
        return lax.while_loop(go_on, step, (x, r, one, one, one, none, none, 0))[0]

    return _solve("bicgstab", algorithm, A, b, x0, maxiter, M, hermitian=False)


@public
def gmres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    tol: float = 1e-5,
    atol: float = 0.0,
    restart: int = 20,
    maxiter: int | None = None,
    M: Any = None,
    solve_method: str = "batched",
) -> tuple[Any, None]:
    """x with A x = b by the restarted method of generalized minimal residuals, for a general A.

    Source: Saad and Schultz, "GMRES", SIAM J. Sci. Stat. Comput., 1986.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> A = jnp.array([[2.0, 1.0], [0.0, 3.0]])
        >>> x, _ = fx.scipy.sparse.linalg.gmres(A, jnp.array([3.0, 3.0]))
        >>> x.round(3)
        Array([1., 1.], dtype=float32)
    """
    if solve_method not in ("batched", "incremental"):
        raise FxValueError(
            f"gmres: solve_method must be 'batched' or 'incremental', got {solve_method!r}."
        )
    if restart < 1:
        raise FxValueError(f"gmres: restart must be at least 1, got {restart}.")

    def algorithm(matvec: Any, b: Any, x: Any, count: int, M: Any) -> Any:
        steps = min(restart, b.size)
        length, ready = _norm(b), M(b)
        # The preconditioned residual is what the method sees; its limit is in proportion.
        share = jnp.minimum(1, _limit(b, tol, atol) / jnp.where(length == 0, 1, length))
        limit = _norm(ready) * share

        def residual(x: Any) -> Any:
            return M(b - matvec(x))

        def go_on(state: Any) -> Any:
            _, r, k = state
            return (_norm(r) > limit) & (k < count)

        def cycle(state: Any) -> Any:
            x, r, k = state
            x = x + _correction(lambda v: M(matvec(v)), r, steps)
            return x, residual(x), k + 1

        return lax.while_loop(go_on, cycle, (x, residual(x), 0))[0]

    return _solve("gmres", algorithm, A, b, x0, maxiter, M, hermitian=False)


def _correction(operate: Callable[[Any], Any], r: Any, steps: int) -> Any:
    """The vector of the Krylov space of r that makes the residual r - operate(v) smallest."""
    length = _norm(r)
    eps = float(dtypes.finfo(r.dtype).eps)
    basis = jnp.zeros((steps + 1, r.size), r.dtype)
    basis = basis.at[0].set(r / length.astype(r.dtype))
    table = jnp.zeros((steps, steps + 1), r.dtype)

    def extend(k: Any, state: Any) -> Any:
        basis, table = state
        w = operate(basis[k])
        before = _norm(w)
        found = jnp.zeros(steps + 1, r.dtype)
        for _ in range(2):  # once more, against rounding
            part = basis.conj() @ w
            w = w - part @ basis
            found = found + part
        rest = _norm(w)
        end = rest <= eps * before  # the space holds the solution
        unit = jnp.where(end, 0, w / jnp.where(end, 1, rest).astype(w.dtype))
        found = found.at[k + 1].set(jnp.where(end, 0, rest).astype(r.dtype))
        return basis.at[k + 1].set(unit), table.at[k].set(found)

    basis, table = lax.fori_loop(0, steps, extend, (basis, table))
    target = jnp.zeros(steps + 1, r.dtype).at[0].set(length.astype(r.dtype))
    weights = jnp.linalg.lstsq(table.T, target)[0]
    return weights @ basis[:-1]


for _function, _more in (
    (cg, ""),
    (bicgstab, ""),
    (
        gmres,
        "\n        restart: how many directions to keep; maxiter counts restarts."
        '\n        solve_method: "batched" or "incremental", with the same results.',
    ),
):
    _head, _example = (_function.__doc__ or "").split("\n\n    Example:")
    _function.__doc__ = f"{_head}{_DOC}{_more}{_RESULT}\n\n    Example:{_example}"
