"""Pytrees of arrays as vectors: sums, products, norms, and pytrees of constants."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx import dtypes
from fx import tree as trees
from fx.dtypes import promote_types
from fx.errors import FxValueError, public
from fx.optim.base import Numeric, Tree
from fx.optim.numerics import abs_sq, scalar, square_dtype


def _is_none(x: Any) -> bool:
    return x is None


def map_present(f: Any, first: Any, *rest: Any) -> Any:
    """`tree.map` that gives None wherever the first tree has None, whatever the others have."""
    return trees.map(
        lambda x, *others: None if x is None else f(x, *others), first, *rest, is_leaf=_is_none
    )


# ------------------------------------------------------------------ leaf by leaf
@public
def tree_add(tree_x: Tree, tree_y: Tree, *other_trees: Any) -> Any:
    """The sum of pytrees, leaf by leaf.

    Args:
        tree_x: a pytree.
        tree_y: a pytree of the same structure.
        *other_trees: more of them.

    Returns:
        a pytree of the same structure.

    Example:
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_add([1, 2], [10, 20], [100, 200])
        [111, 222]
    """
    return trees.map(
        lambda *leaves: functools.reduce(operator.add, leaves), tree_x, tree_y, *other_trees
    )


@public
def tree_sub(tree_x: Tree, tree_y: Tree) -> Any:
    """The difference of two pytrees, leaf by leaf.

    Args:
        tree_x: a pytree.
        tree_y: a pytree of the same structure.

    Returns:
        a pytree of the same structure.

    Example:
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_sub([1, 2], [10, 20])
        [-9, -18]
    """
    return trees.map(operator.sub, tree_x, tree_y)


@public
def tree_mul(tree_x: Tree, tree_y: Tree) -> Any:
    """The product of two pytrees, leaf by leaf.

    Args:
        tree_x: a pytree.
        tree_y: a pytree of the same structure.

    Returns:
        a pytree of the same structure.

    Example:
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_mul([1, 2], [10, 20])
        [10, 40]
    """
    return trees.map(operator.mul, tree_x, tree_y)


@public
def tree_div(tree_x: Tree, tree_y: Tree) -> Any:
    """The quotient of two pytrees, leaf by leaf.

    Args:
        tree_x: a pytree.
        tree_y: a pytree of the same structure.

    Returns:
        a pytree of the same structure.

    Example:
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_div([1, 3], [2, 2])
        [0.5, 1.5]
    """
    return trees.map(operator.truediv, tree_x, tree_y)


@public
def tree_scale(scalar: Numeric, tree: Tree) -> Any:
    """scalar · tree.

    Args:
        scalar: a number.
        tree: a pytree.

    Returns:
        a pytree of the same structure.

    Example:
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_scale(3, {"a": 1, "b": [2]})
        {'a': 3, 'b': [6]}
    """
    return trees.map(lambda x: scalar * x, tree)


@public
def tree_add_scale(tree_x: Tree, scalar: Numeric, tree_y: Tree) -> Any:
    """tree_x + scalar · tree_y.

    Args:
        tree_x: a pytree; where it has None, so has the result.
        scalar: a number.
        tree_y: a pytree of the same structure.

    Returns:
        a pytree of the same structure.

    Example:
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_add_scale([1, 2], 3, [10, 20])
        [31, 62]
    """
    return map_present(lambda x, y: x + scalar * y, tree_x, tree_y)


@public
def tree_clip(tree: Tree, min_value: Numeric = None, max_value: Numeric = None) -> Any:
    """Every number clipped to an interval.

    Args:
        tree: a pytree of arrays.
        min_value: the lower end; None for none.
        max_value: the upper end; None for none.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_clip([jnp.array([-3.0, 3.0])], -1, 2)
        [Array([-1.,  2.], dtype=float32)]
    """
    return trees.map(lambda x: jnp.clip(x, min_value, max_value), tree)


@public
def tree_conj(tree: Tree) -> Any:
    """The complex conjugate, leaf by leaf.

    Args:
        tree: a pytree of arrays.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_conj([jnp.array([1 + 2j])])
        [Array([1.-2.j], dtype=complex64)]
    """
    return trees.map(jnp.conj, tree)


@public
def tree_real(tree: Tree) -> Any:
    """The real part, leaf by leaf.

    Args:
        tree: a pytree of arrays.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_real([jnp.array([1 + 2j])])
        [Array([1.], dtype=float32)]
    """
    return trees.map(jnp.real, tree)


@public
def tree_where(condition: Any, tree_x: Tree, tree_y: Tree) -> Any:
    """One pytree where a condition holds, the other elsewhere.

    Args:
        condition: a boolean array that broadcasts against every leaf.
        tree_x: a pytree.
        tree_y: a pytree of the same structure.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_where(jnp.array(True), [jnp.array([1])], [jnp.array([2])])
        [Array([1], dtype=int32)]
    """
    return trees.map(lambda x, y: jnp.where(condition, x, y), tree_x, tree_y)


# ------------------------------------------------------------------ constants
@public
def tree_zeros_like(tree: Tree, dtype: Any = None) -> Any:
    """Zeros of the shapes of a pytree.

    Args:
        tree: a pytree of arrays.
        dtype: the dtype; each leaf's own if None.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_zeros_like({"a": jnp.ones(2)})
        {'a': Array([0., 0.], dtype=float32)}
    """
    return trees.map(lambda x: jnp.zeros_like(x, dtype=dtype), tree)


@public
def tree_ones_like(tree: Tree, dtype: Any = None) -> Any:
    """Ones of the shapes of a pytree.

    Args:
        tree: a pytree of arrays.
        dtype: the dtype; each leaf's own if None.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_ones_like({"a": jnp.zeros(2)})
        {'a': Array([1., 1.], dtype=float32)}
    """
    return trees.map(lambda x: jnp.ones_like(x, dtype=dtype), tree)


def tree_zeros_for_squares(tree: Tree) -> Any:
    """Zeros in which squares of a pytree's numbers are summed; float32 for float16."""
    return trees.map(lambda x: jnp.zeros(jnp.shape(x), square_dtype(jnp.result_type(x))), tree)


@public
def tree_full_like(tree: Tree, fill_value: Any, dtype: Any = None) -> Any:
    """One number in the shapes of a pytree.

    Args:
        tree: a pytree of arrays.
        fill_value: the number.
        dtype: the dtype; each leaf's own if None.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_full_like({"a": jnp.zeros(2)}, 7)
        {'a': Array([7., 7.], dtype=float32)}
    """
    return trees.map(lambda x: jnp.full_like(x, fill_value, dtype=dtype), tree)


@public
def tree_batch_shape(tree: Tree, shape: tuple[int, ...] = ()) -> Any:
    """Every leaf repeated along new leading axes.

    Args:
        tree: a pytree of arrays.
        shape: the sizes of the new axes.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_batch_shape([jnp.ones(2)], (3,))[0].shape
        (3, 2)
    """
    return trees.map(lambda x: jnp.broadcast_to(x, (*shape, *jnp.shape(x))), tree)


# ------------------------------------------------------------------ reductions
@public
def tree_vdot(tree_x: Tree, tree_y: Tree) -> Any:
    """⟨x, y⟩ = Σ conj(x) y over all leaves.

    Args:
        tree_x: a pytree of arrays.
        tree_y: a pytree of the same structure and shapes.

    Returns:
        an array of shape ().

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> x = [jnp.array([1.0, 2.0]), jnp.array(3.0)]
        >>> tree_utils.tree_vdot(x, x)
        Array(14., dtype=float32)
    """
    return trees.reduce(operator.add, trees.map(jnp.vdot, tree_x, tree_y), 0)


@public
def tree_sum(tree: Tree, associative_reduction: bool = False) -> Any:
    """The sum of all numbers.

    Args:
        tree: a pytree of arrays.
        associative_reduction: whether the sums of the leaves are added in pairs, pairs of pairs
            and so on, instead of one after the other.

    Returns:
        an array of shape (); 0 for a tree without leaves.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_sum([jnp.ones(3), jnp.ones(2)])
        Array(5., dtype=float32)
    """
    sums = trees.map(jnp.sum, tree)
    if associative_reduction:
        return trees.reduce_associative(operator.add, sums, identity=0)
    return trees.reduce(operator.add, sums, 0)


@public
def tree_max(tree: Tree) -> Any:
    """The largest number.

    Args:
        tree: a pytree of arrays.

    Returns:
        an array of shape (); −∞ for a tree without numbers.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_max([jnp.array([1.0, 5.0]), jnp.array(3.0)])
        Array(5., dtype=float32)
    """
    filled = [jnp.max(x) for x in trees.leaves(tree) if jnp.size(x)]
    return functools.reduce(jnp.maximum, filled, -np.inf)


@public
def tree_min(tree: Tree) -> Any:
    """The smallest number.

    Args:
        tree: a pytree of arrays.

    Returns:
        an array of shape (); ∞ for a tree without numbers.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_min([jnp.array([1.0, 5.0]), jnp.array(3.0)])
        Array(1., dtype=float32)
    """
    filled = [jnp.min(x) for x in trees.leaves(tree) if jnp.size(x)]
    return functools.reduce(jnp.minimum, filled, np.inf)


@public
def tree_size(tree: Tree) -> int:
    """How many numbers a pytree holds.

    Args:
        tree: a pytree of arrays.

    Returns:
        an int.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_size([jnp.ones((2, 3)), jnp.array(1.0)])
        7
    """
    return sum(jnp.size(x) for x in trees.leaves(tree))


@public
def tree_norm(tree: Tree, ord: float | None = None, squared: bool = False) -> Any:
    """The norm of a pytree as one long vector.

    Args:
        tree: a pytree of arrays.
        ord: None or 2 (Euclid), 1, or inf.
        squared: whether to return the square.

    Returns:
        a real array of shape ().

    Raises:
        FxValueError: another order.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_norm({"a": jnp.array([3.0]), "b": jnp.array(4.0)})
        Array(5., dtype=float32)
    """
    if ord is None or ord == 2:
        leaves = trees.leaves(tree)
        squares = [abs_sq(jnp.asarray(x, dtype=_square_or_none(x))) for x in leaves]
        total = jnp.asarray(tree_sum(squares))
        norm = total if squared else jnp.sqrt(total)
        narrow = [dtypes.real_dtype(jnp.asarray(x).dtype) for x in leaves]
        return norm if not narrow else jnp.astype(norm, functools.reduce(promote_types, narrow))
    if ord == 1:
        norm = tree_sum(trees.map(jnp.abs, tree))
    elif ord in (np.inf, "inf", "infinity"):
        norm = tree_max(trees.map(jnp.abs, tree))
    else:
        raise FxValueError(f"optim.tree_norm: got ord={ord!r}, expected None, 1, 2 or inf.")
    norm = jnp.asarray(norm)
    return norm * norm if squared else norm


def _square_or_none(x: Any) -> Any:
    """float32 for float16, whose squares overflow beyond 256; None for other dtypes."""
    return np.float32 if jnp.asarray(x).dtype == np.float16 else None


@public
def global_norm(updates: Tree) -> Any:
    """The Euclidean norm of a pytree as one long vector.

    Args:
        updates: a pytree of arrays.

    Returns:
        a real array of shape ().

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.global_norm({"a": jnp.array([3.0]), "b": jnp.array(4.0)})
        Array(5., dtype=float32)
    """
    return tree_norm(updates)


@public
def tree_allclose(
    a: Any, b: Any, rtol: Numeric = 1e-5, atol: Numeric = 1e-8, equal_nan: bool = False
) -> Any:
    """Whether all numbers of two pytrees are close.

    Args:
        a: a pytree of arrays.
        b: a pytree of the same structure.
        rtol: the tolerance relative to |b|.
        atol: the absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Returns:
        a boolean of shape ().

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> bool(tree_utils.tree_allclose([jnp.ones(2)], [jnp.ones(2) + 1e-7]))
        True
    """
    close = trees.map(
        lambda x, y: jnp.allclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan), a, b
    )
    return functools.reduce(operator.and_, trees.leaves(close), True)


def scaled(value: Any, tree: Tree) -> Any:
    """value · tree, each leaf in its own dtype even if the value is an array of another."""
    return trees.map(lambda x: scalar(value, x) * x, tree)
