"""Random pytrees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fx.numpy as jnp
from fx import dtypes, random
from fx import tree as trees
from fx.errors import public
from fx.optim.base import Tree


@public
def tree_split_key_like(rng_key: Any, target_tree: Tree) -> Any:
    """A key for each leaf.

    Args:
        rng_key: a key.
        target_tree: a pytree.

    Returns:
        a pytree of keys of the same structure.

    Example:
        >>> from fx import random
        >>> from fx.optim import tree_utils
        >>> keys = tree_utils.tree_split_key_like(random.key(0), {"a": 1, "b": 2})
        >>> sorted(keys)
        ['a', 'b']
    """
    shape = trees.structure(target_tree)
    keys = random.split(rng_key, shape.num_leaves)
    return trees.unflatten(shape, [keys[i] for i in range(shape.num_leaves)])


@public
def tree_random_like(
    rng_key: Any, target_tree: Tree, sampler: Callable[..., Any] = random.normal, dtype: Any = None
) -> Any:
    """Random numbers of the shapes of a pytree.

    Args:
        rng_key: a key.
        target_tree: a pytree of arrays.
        sampler: from (key, shape, dtype) to an array.
        dtype: the dtype; each leaf's own if None.

    Returns:
        a pytree of the same structure.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import random
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_random_like(random.key(0), [jnp.zeros((2, 3))])[0].shape
        (2, 3)
    """
    keys = tree_split_key_like(rng_key, target_tree)
    dtype = None if dtype is None else dtypes.check_user_dtype(dtype, "optim.tree_random_like")
    return trees.map(
        lambda x, key: sampler(key, jnp.shape(x), dtype or jnp.result_type(x)), target_tree, keys
    )


@public
def tree_unwrap_random_key_data(input_tree: Any) -> Any:
    """Every key as the array of its numbers; other leaves as they are.

    Args:
        input_tree: a pytree.

    Returns:
        a pytree of the same structure.

    Example:
        >>> from fx import random
        >>> from fx.optim import tree_utils
        >>> tree_utils.tree_unwrap_random_key_data([random.key(7)])
        [Array([0, 7], dtype=uint32)]
    """

    def unwrap(x: Any) -> Any:
        is_key = hasattr(x, "dtype") and dtypes.issubdtype(x.dtype, dtypes.prng_key)
        return random.key_data(x) if is_key else x

    return trees.map(unwrap, input_tree)
