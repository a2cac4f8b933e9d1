"""Eigenvalues, roots of matrices and least squares by iteration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fx.numpy as jnp
from fx import lax, random
from fx.core.array import Array
from fx.errors import FxTypeError, ShapeError, public
from fx.lax.arguments import ArrayLike
from fx.optim.tree_utils.arithmetic import scaled, tree_norm, tree_sub, tree_vdot


@public
def power_iteration(
    matrix: ArrayLike | Callable[[Any], Any],
    *,
    v0: Any = None,
    num_iters: int = 100,
    error_tolerance: float = 1e-6,
    precision: Any = lax.Precision.HIGHEST,
    key: Any = None,
) -> tuple[Any, Any]:
    """The eigenvalue of largest size of a symmetric matrix, and its eigenvector.

    Args:
        matrix: an array (n, n), or a linear function of a pytree.
        v0: where the iteration starts; random numbers if None.
        num_iters: how many products are formed at most.
        error_tolerance: it ends when ‖A v − λ v‖ is below this part of |λ|.
        precision: of matrix products, as in `fx.lax.dot`.
        key: the key of the random numbers.

    Returns:
        (eigenvalue, eigenvector of norm 1).

    Raises:
        FxTypeError: matrix is a function, and v0 is None.

    Source: von Mises and Pollaczek-Geiringer, "Praktische Verfahren der Gleichungsauflösung", 1929.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> value, vector = optim.power_iteration(jnp.array([[2.0, 0.0], [0.0, -5.0]]))
        >>> value.round(3)
        Array(-5., dtype=float32)
    """
    if callable(matrix):
        product: Callable[[Any], Any] = matrix
        if v0 is None:
            raise FxTypeError(
                "optim.power_iteration: got a function and no v0. Give a pytree to start from: "
                "v0=..."
            )
    else:
        array = jnp.asarray(matrix)

        def product(v: Any, /) -> Any:
            return jnp.matmul(array, v, precision=precision)

        if v0 is None:
            start = random.key(0) if key is None else key
            v0 = random.uniform(start, array.shape[-1:], array.dtype, -1.0, 1.0)

    def unit(v: Any) -> Any:
        return scaled(1 / tree_norm(v), v)

    def unfinished(state: Any) -> Any:
        vector, image, value, count = state
        error = tree_norm(tree_sub(image, scaled(value, vector)))
        return ~(error < error_tolerance * jnp.abs(value)) & (count < num_iters)

    def step(state: Any) -> Any:
        vector = unit(state[1])
        image = product(vector)
        return vector, image, tree_vdot(vector, image), state[3] + 1

    first = unit(v0)
    image = product(first)
    state = (first, image, tree_vdot(first, image) * 0, jnp.zeros((), jnp.int32))
    _, image, value, _ = lax.while_loop(unfinished, step, state)
    return value, unit(image)


@public
def matrix_inverse_pth_root(
    matrix: ArrayLike,
    p: int,
    num_iters: int = 100,
    ridge_epsilon: float = 1e-6,
    error_tolerance: float = 1e-6,
    precision: Any = lax.Precision.HIGHEST,
) -> tuple[Array, Array]:
    """A^(−1/p) of a symmetric positive semidefinite matrix, by a coupled Newton iteration.

    Args:
        matrix: an array (n, n).
        p: the root; a power of 2 up to 8.
        num_iters: how many steps are taken at most.
        ridge_epsilon: the part of the largest eigenvalue that is added to all of them.
        error_tolerance: it ends when no number of Aʸ X − 1 is larger.
        precision: of matrix products, as in `fx.lax.dot`.

    Returns:
        (root, error): an array (n, n) and one of shape ().

    Raises:
        ShapeError: the matrix is not square.

    Source: Guo and Higham, "A Schur-Newton method for the matrix pth root and its inverse", 2006.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> root, error = optim.matrix_inverse_pth_root(jnp.array([[4.0, 0.0], [0.0, 16.0]]), 2)
        >>> root.round(2)
        Array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    a = jnp.asarray(matrix)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(
            f"optim.matrix_inverse_pth_root: got shape {a.shape}, expected a square matrix."
        )
    largest, _ = power_iteration(a, precision=precision)
    ridge = ridge_epsilon * jnp.maximum(largest, 1e-16)
    if a.shape[0] == 1:
        return (a + ridge) ** (-1.0 / p), jnp.zeros((), a.dtype)
    one = jnp.eye(a.shape[0], dtype=a.dtype)

    def dot(x: Any, y: Any) -> Any:
        return jnp.matmul(x, y, precision=precision)

    def power(x: Any) -> Any:
        result, square, n = None, x, p
        while n:
            if n & 1:
                result = square if result is None else dot(result, square)
            n >>= 1
            square = dot(square, square) if n else square
        return result

    def unfinished(state: Any) -> Any:
        count, _, _, _, error, falls = state
        return (count < num_iters) & (error > error_tolerance) & falls

    def step(state: Any) -> Any:
        count, power_left, root, _, error, _ = state
        factor = (1 + 1 / p) * one - power_left / p
        new_left = dot(power(factor), power_left)
        new_error = jnp.max(jnp.abs(new_left - one))
        return count + 1, new_left, dot(root, factor), root, new_error, new_error < error * 1.2

    damped = a + ridge * one
    z = (1 + p) / (2 * jnp.sqrt(jnp.sum(damped * damped)))
    left, root = damped * z, one * z ** (1.0 / p)
    error = jnp.max(jnp.abs(left - one))
    state = (jnp.zeros((), jnp.int32), left, root, root, error, jnp.array(True))
    _, left, root, last, error, falls = lax.while_loop(unfinished, step, state)
    return jnp.where(falls, root, last), jnp.max(jnp.abs(left - one))


@public
def nnls(A: ArrayLike, b: ArrayLike, iters: int, unroll: int = 1, L: Any = None) -> Array:
    """The x without negative numbers for which ‖A x − b‖ is least, by accelerated projection.

    Args:
        A: an array (m, n).
        b: an array (m,) or (m, k).
        iters: how many steps are taken.
        unroll: how many steps a loop iteration takes.
        L: an upper bound of the largest eigenvalue of AᵀA; computed if None.

    Returns:
        an array (n,) or (n, k).

    Raises:
        ShapeError: the shapes do not fit.

    Source: Nesterov, "A method of solving a convex programming problem with convergence rate
    O(1/k²)", 1983; Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm for
    linear inverse problems", 2009.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> A, b = jnp.array([[2.0, 0.0], [0.0, 1.0]]), jnp.array([4.0, -3.0])
        >>> optim.nnls(A, b, iters=100).round(3)
        Array([2., 0.], dtype=float32)
    """
    a, b = jnp.asarray(A), jnp.asarray(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ShapeError(
            f"optim.nnls: got shapes {a.shape} and {b.shape}, expected (m, n) and (m,) or (m, k)."
        )
    gram, target = a.T @ a, a.T @ b
    if L is None:
        frobenius = jnp.sqrt(jnp.sum(gram * gram))
        columns = jnp.max(jnp.sum(jnp.abs(gram), axis=0)) if gram.size else 0.0
        L = jnp.minimum(frobenius, columns)
    bound = jnp.where(L == 0, 1, L)

    def step(state: Any, _: None) -> tuple[Any, None]:
        x, ahead, t = state
        new_t = (1 + jnp.sqrt(1 + 4 * t * t)) / 2
        new = jnp.maximum(ahead - (gram @ ahead - target) / bound, 0)
        return (new, new + (t - 1) / new_t * (new - x), new_t), None

    x = jnp.zeros(a.shape[1:] + b.shape[1:], target.dtype)
    start = (x, x, jnp.zeros((), target.dtype))
    return lax.scan(step, start, length=iters, unroll=unroll)[0][0]
