"""Moving averages of pytrees, and their dtypes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx import dtypes
from fx import tree as trees
from fx.errors import FxTypeError, FxValueError, public
from fx.optim.base import Numeric, Tree
from fx.optim.numerics import abs_sq, scalar, widened
from fx.optim.tree_utils.arithmetic import map_present


@public
def tree_update_moment(updates: Tree, moments: Tree, decay: Numeric, order: float) -> Any:
    """decay · moment + (1 − decay) · update^order.

    Args:
        updates: a pytree of arrays; where it has None, so has the result.
        moments: a pytree of the same structure.
        decay: the weight of the old moments.
        order: the power.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_update_moment([jnp.array([4.0])], [jnp.array([0.0])], 0.75, 1)
        [Array([1.], dtype=float32)]
    """

    @public
    def update(g: Any, m: Any) -> Any:
        power = g if order == 1 else widened(g, m) ** order
        return (1 - scalar(decay, power)) * power + scalar(decay, m) * m

    return map_present(update, updates, moments)


@public
def tree_update_infinity_moment(updates: Tree, moments: Tree, decay: Numeric, eps: Numeric) -> Any:
    """max(decay · moment, |update| + eps).

    Args:
        updates: a pytree of arrays; where it has None, so has the result.
        moments: a pytree of the same structure.
        decay: the factor of the old moments.
        eps: a small number.

    Returns:
        a pytree of the same structure.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, section 7.1.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_update_infinity_moment(
        ...     [jnp.array([-4.0])], [jnp.array([6.0])], 0.5, 0.0
        ... )
        [Array([4.], dtype=float32)]
    """

    @public
    def update(g: Any, m: Any) -> Any:
        size = jnp.abs(widened(g, m))
        return jnp.maximum(size + scalar(eps, size), scalar(decay, m) * m)

    return map_present(update, updates, moments)


@public
def tree_update_moment_per_elem_norm(
    updates: Tree, moments: Tree, decay: Numeric, order: float
) -> Any:
    """decay · moment + (1 − decay) · |update|^order, real for complex updates too.

    Args:
        updates: a pytree of arrays; where it has None, so has the result.
        moments: a pytree of the same structure.
        decay: the weight of the old moments.
        order: the power.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> g = [jnp.array([3.0 + 4.0j])]
        >>> tree_utils.tree_update_moment_per_elem_norm(g, [jnp.zeros(1)], 0.8, 2)
        [Array([5.], dtype=float32)]
    """

    def power(g: Any) -> Any:
        if order == 2:
            return abs_sq(g)
        return g**order if jnp.result_type(g).kind != "c" else abs_sq(g) ** (order / 2)

    @public
    def update(g: Any, m: Any) -> Any:
        norm = power(widened(g, m))
        return (1 - scalar(decay, norm)) * norm + scalar(decay, m) * m

    return map_present(update, updates, moments)


@public
def tree_bias_correction(moment: Tree, decay: Numeric, count: Numeric) -> Any:
    """moment / (1 − decay^count): the average without the zero that it began with.

    Args:
        moment: a pytree of arrays.
        decay: the decay rate of the moving average.
        count: how many steps it has averaged, from 1 on.

    Returns:
        a pytree of the same structure.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, section 3.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_bias_correction([jnp.array(1.0)], 0.5, jnp.array(2))
        [Array(1.3333334, dtype=float32)]
    """
    weights: dict[Any, Any] = {}

    def correct(m: Any) -> Any:
        # In float64 for float64, and in float32 for narrower floats, where 1 - 0.999 is too coarse.
        wide = dtypes.promote_types(np.float32, dtypes.real_dtype(jnp.result_type(m)))
        if wide not in weights:
            weights[wide] = 1 - jnp.asarray(decay, dtype=wide) ** count
        return m / scalar(weights[wide], m)

    return trees.map(correct, moment)


@public
def update_moment(updates: Tree, moments: Tree, decay: Numeric, order: float) -> Any:
    """`tree_update_moment` under its old name.

    Args:
        updates: a pytree of arrays.
        moments: a pytree of the same structure.
        decay: the weight of the old moments.
        order: the power.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.update_moment([jnp.array([4.0])], [jnp.array([0.0])], 0.75, 2)
        [Array([4.], dtype=float32)]
    """
    return tree_update_moment(updates, moments, decay, order)


@public
def update_infinity_moment(updates: Tree, moments: Tree, decay: Numeric, eps: Numeric) -> Any:
    """`tree_update_infinity_moment` under its old name.

    Args:
        updates: a pytree of arrays.
        moments: a pytree of the same structure.
        decay: the factor of the old moments.
        eps: a small number.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.update_infinity_moment([jnp.array([-4.0])], [jnp.array([9.0])], 0.5, 0.0)
        [Array([4.5], dtype=float32)]
    """
    return tree_update_infinity_moment(updates, moments, decay, eps)


@public
def update_moment_per_elem_norm(updates: Tree, moments: Tree, decay: Numeric, order: float) -> Any:
    """`tree_update_moment_per_elem_norm` under its old name.

    Args:
        updates: a pytree of arrays.
        moments: a pytree of the same structure.
        decay: the weight of the old moments.
        order: the power.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.update_moment_per_elem_norm([jnp.array([4.0])], [jnp.array([0.0])], 0.75, 2)
        [Array([4.], dtype=float32)]
    """
    return tree_update_moment_per_elem_norm(updates, moments, decay, order)


@public
def bias_correction(moment: Tree, decay: Numeric, count: Numeric) -> Any:
    """`tree_bias_correction` under its old name.

    Args:
        moment: a pytree of arrays.
        decay: the decay rate of the moving average.
        count: how many steps it has averaged, from 1 on.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> optim.bias_correction([jnp.array(1.5)], 0.5, jnp.array(2))
        [Array(2., dtype=float32)]
    """
    return tree_bias_correction(moment, decay, count)


# ------------------------------------------------------------------ dtypes
@public
def tree_cast(tree: Tree, dtype: Any) -> Any:
    """Every leaf in a dtype.

    Args:
        tree: a pytree of arrays.
        dtype: the dtype; None leaves the tree as it is.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_cast([jnp.array(1.0)], jnp.float16)
        [Array(1., dtype=float16)]
    """
    if dtype is None:
        return tree
    return trees.map(lambda x: jnp.astype(x, dtype), tree)


@public
def tree_cast_like(tree: Tree, other_tree: Tree) -> Any:
    """Every leaf in the dtype of the leaf in its place in another pytree.

    Args:
        tree: a pytree of arrays.
        other_tree: a pytree of the same structure.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_cast_like([jnp.array(1.5)], [jnp.array(0)])
        [Array(1, dtype=int32)]
    """
    return trees.map(
        lambda x, other: jnp.astype(x, other.dtype) if hasattr(other, "dtype") else x,
        tree,
        other_tree,
    )


@public
def tree_dtype(tree: Tree, mixed_dtype_handler: str | None = None) -> Any:
    """The dtype of a pytree.

    Args:
        tree: a pytree of arrays.
        mixed_dtype_handler: what to do about several dtypes: None to raise, "promote" for the one
            they promote to, "highest" or "lowest" for the last or first of them in the order of
            promotion.

    Returns:
        a dtype; the default float dtype for a tree without leaves.

    Raises:
        FxTypeError: the dtypes differ and there is no handler, or neither of two dtypes promotes
            to the other.
        FxValueError: an unknown handler.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim import tree_utils
        >>> tree = {"a": jnp.zeros(1, jnp.float16), "b": jnp.zeros(1)}
        >>> tree_utils.tree_dtype(tree, "lowest")
        dtype('float16')
    """
    handlers = {
        "promote": dtypes.promote_types,
        "highest": lambda a, b: _ordered(a, b)[1],
        "lowest": lambda a, b: _ordered(a, b)[0],
    }
    if mixed_dtype_handler is not None and mixed_dtype_handler not in handlers:
        raise FxValueError(
            f"optim.tree_dtype: got mixed_dtype_handler={mixed_dtype_handler!r}, expected None, "
            "'promote', 'highest' or 'lowest'."
        )
    found = [jnp.asarray(x).dtype for x in trees.leaves(tree)]
    if not found:
        return dtypes.default_float()
    if mixed_dtype_handler is None:
        if len(set(found)) > 1:
            raise FxTypeError(
                f"optim.tree_dtype: got leaves of dtypes {sorted(map(str, set(found)))}, expected "
                "one dtype. Give mixed_dtype_handler='promote', 'highest' or 'lowest'."
            )
        return found[0]
    return functools.reduce(handlers[mixed_dtype_handler], found)


def _ordered(a: Any, b: Any) -> tuple[Any, Any]:
    higher = dtypes.promote_types(a, b)
    if higher not in (a, b):
        raise FxTypeError(
            f"optim.tree_dtype: neither {a} nor {b} promotes to the other. "
            "Give mixed_dtype_handler='promote'."
        )
    return (b, a) if higher == a else (a, b)
