"""Euclidean projections of pytrees onto convex sets."""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx import lax
from fx import tree as trees
from fx.calls.custom import custom_jvp
from fx.errors import FxTypeError, public
from fx.optim.base import Numeric, Tree
from fx.optim.tree_utils.arithmetic import (
    tree_add_scale,
    tree_full_like,
    tree_norm,
    tree_scale,
    tree_vdot,
)


@public
def projection_non_negative(tree: Tree) -> Any:
    """The nearest numbers that are not negative: max(x, 0).

    Args:
        tree: a pytree of arrays.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_non_negative(jnp.array([-1.0, 2.0]))
        Array([0., 2.], dtype=float32)
    """
    return trees.map(lambda x: jnp.maximum(x, 0), tree)


@public
def projection_box(tree: Tree, lower: Any, upper: Any) -> Any:
    """The nearest numbers of intervals.

    Args:
        tree: a pytree of arrays.
        lower: the lower ends: a number, or a pytree of the same structure.
        upper: the upper ends: a number, or a pytree of the same structure.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_box(jnp.array([-1.0, 2.0]), 0, 1)
        Array([0., 1.], dtype=float32)
    """
    ends = [
        end if trees.structure(end) == trees.structure(tree) else trees.map(lambda x: end, tree)  # noqa: B023
        for end in (lower, upper)
    ]
    return trees.map(jnp.clip, tree, *ends)


@public
def projection_hypercube(tree: Tree, scale: Numeric = 1) -> Any:
    """The nearest numbers of [0, scale].

    Args:
        tree: a pytree of arrays.
        scale: the upper end: a number, or a pytree of the same structure.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_hypercube(jnp.array([-1.0, 2.0]))
        Array([0., 1.], dtype=float32)
    """
    return projection_box(tree, 0, scale)


@custom_jvp
def _unit_simplex(values: Any) -> Any:
    ordered = jnp.flip(jnp.sort(values))
    counts = jnp.arange(1, values.shape[0] + 1)
    shifts = (1 - jnp.cumsum(ordered)) / jnp.astype(counts, values.dtype)
    kept = jnp.maximum(jnp.sum(ordered + shifts > 0), 1)
    return jnp.maximum(values + shifts[kept - 1], 0)


@_unit_simplex.defjvp
def _(primals: Any, tangents: Any) -> Any:
    # On the face of the simplex that the result lies in, the projection takes the mean off.
    (values,), (t,) = primals, tangents
    out = _unit_simplex(values)
    face = jnp.astype(out > 0, out.dtype)
    return out, face * (t - jnp.sum(face * t) / jnp.sum(face))


def _ravel(tree: Any) -> tuple[Any, Any]:
    """All numbers as a vector, and the function back."""
    leaves, shape = trees.flatten(tree)
    if not leaves:
        raise FxTypeError("optim.projections: got a pytree without arrays.")
    leaves = [jnp.asarray(x) for x in leaves]
    ends = [0]
    for x in leaves:
        ends.append(ends[-1] + x.size)

    def unravel(vector: Any) -> Any:
        parts = [
            jnp.reshape(vector[begin:end], x.shape)
            for begin, end, x in zip(ends, ends[1:], leaves, strict=False)
        ]
        parts = [jnp.astype(part, x.dtype) for part, x in zip(parts, leaves, strict=True)]
        return trees.unflatten(shape, parts)

    return jnp.concatenate([jnp.ravel(x) for x in leaves]), unravel


@public
def projection_simplex(tree: Tree, scale: Numeric = 1) -> Any:
    """The nearest numbers that are not negative and add up to scale.

    Args:
        tree: a pytree of arrays.
        scale: the sum, positive.

    Returns:
        a pytree of the same structure.

    Source: Duchi, Shalev-Shwartz, Singer and Chandra, "Efficient projections onto the ℓ1-ball for
    learning in high dimensions", 2008.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_simplex(jnp.array([0.5, 1.0, -3.0]))
        Array([0.25, 0.75, 0.  ], dtype=float32)
    """
    values, unravel = _ravel(tree)
    return unravel(scale * _unit_simplex(values / scale))


@public
def projection_l1_sphere(tree: Tree, scale: Numeric = 1) -> Any:
    """The nearest numbers whose sizes add up to scale.

    Args:
        tree: a pytree of arrays.
        scale: the sum of sizes, positive.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_l1_sphere(jnp.array([-0.5, 1.0, 0.0]))
        Array([-0.25,  0.75,  0.  ], dtype=float32)
    """
    sizes = projection_simplex(trees.map(jnp.abs, tree), scale)
    return trees.map(lambda x, size: jnp.sign(x) * size, tree, sizes)


@public
def projection_l1_ball(tree: Tree, scale: Numeric = 1) -> Any:
    """The nearest numbers whose sizes add up to scale at most.

    Args:
        tree: a pytree of arrays.
        scale: the largest sum of sizes, positive.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_l1_ball(jnp.array([-0.25, 0.5]))
        Array([-0.25,  0.5 ], dtype=float32)
    """
    return lax.cond(
        tree_norm(tree, ord=1) <= scale,
        lambda x: x,
        lambda x: projection_l1_sphere(x, scale),
        tree,
    )


@public
def projection_l2_sphere(tree: Tree, scale: Numeric = 1) -> Any:
    """The nearest point whose norm is scale.

    Args:
        tree: a pytree of arrays, not all 0.
        scale: the norm, positive.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_l2_sphere(jnp.array([0.0, 4.0]))
        Array([0., 1.], dtype=float32)
    """
    return tree_scale(scale / tree_norm(tree), tree)


@public
def projection_l2_ball(tree: Tree, scale: Numeric = 1) -> Any:
    """The nearest point whose norm is scale at most.

    Args:
        tree: a pytree of arrays.
        scale: the largest norm, positive.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_l2_ball(jnp.array([0.0, 4.0]))
        Array([0., 1.], dtype=float32)
    """
    square = tree_norm(tree, squared=True)
    return tree_scale(scale / jnp.sqrt(jnp.maximum(square, scale**2)), tree)


@public
def projection_linf_ball(tree: Tree, scale: Numeric = 1) -> Any:
    """The nearest numbers of [−scale, scale].

    Args:
        tree: a pytree of arrays.
        scale: the largest size, positive.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_linf_ball(jnp.array([-3.0, 0.5]))
        Array([-1. ,  0.5], dtype=float32)
    """
    return projection_box(tree, tree_full_like(tree, -scale), tree_full_like(tree, scale))


@public
def projection_vector(x: Any, a: Any) -> Any:
    """The nearest multiple of a vector.

    Args:
        x: a pytree of arrays.
        a: a pytree of the same structure, not all 0.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_vector(jnp.array([3.0, 1.0]), jnp.array([1.0, 1.0]))
        Array([2., 2.], dtype=float32)
    """
    return tree_scale(tree_vdot(x, a) / tree_vdot(a, a), a)


@public
def projection_hyperplane(x: Any, a: Any, b: Any) -> Any:
    """The nearest point y with ⟨a, y⟩ = b.

    Args:
        x: a pytree of arrays.
        a: a pytree of the same structure, not all 0.
        b: a number.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_hyperplane(jnp.array([3.0, 1.0]), jnp.ones(2), 0)
        Array([ 1., -1.], dtype=float32)
    """
    return tree_add_scale(x, (b - tree_vdot(x, a)) / tree_vdot(a, a), a)


@public
def projection_halfspace(x: Any, a: Any, b: Any) -> Any:
    """The nearest point y with ⟨a, y⟩ ≤ b.

    Args:
        x: a pytree of arrays.
        a: a pytree of the same structure, not all 0.
        b: a number.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.projections.projection_halfspace(jnp.array([3.0, 1.0]), jnp.ones(2), 9)
        Array([3., 1.], dtype=float32)
    """
    return tree_add_scale(x, jnp.minimum((b - tree_vdot(x, a)) / tree_vdot(a, a), 0), a)
