"""Transformations of some of the parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import tree
from fx.errors import FxTypeError, checked, public
from fx.optim.base import (
    GradientTransformation,
    GradientTransformationExtraArgs,
    Params,
    ParamsPlaceholder,
    Updates,
    set_to_zero,
    with_extra_args_support,
)
from fx.tree_util import keystr


class MaskedNode(NamedTuple):
    """What stands for a parameter that a mask leaves out: a pytree node without leaves."""


class MaskedState(NamedTuple):
    """The state of the masked transformation, without the parameters left out."""

    inner_state: Any


def resolve(mask: Any, params: Params) -> Any:
    """The mask as a pytree of booleans, if it is a function of the parameters."""
    leaves = tree.leaves(mask)
    if callable(mask) or (leaves and all(callable(leaf) for leaf in leaves)):
        return mask(params)
    return mask


def select(mask: Any, values: Any) -> Any:
    """The values where the mask holds, and `MaskedNode` elsewhere; a mask may be a prefix."""
    for path, keep in tree.leaves_with_path(mask):
        if jnp.ndim(keep):
            raise FxTypeError(
                f"a mask has one bool for each array, got an array at mask{keystr(path)}."
            )
    return tree.map(lambda keep, value: value if keep else MaskedNode(), mask, values)


@checked
def masked(
    inner: GradientTransformation,
    mask: Any | Callable[[Params], Any],
    *,
    mask_compatible_extra_args: bool = False,
) -> GradientTransformationExtraArgs:
    """A transformation of the parameters that a mask picks; other updates pass as they are.

    Args:
        inner: the transformation.
        mask: a pytree of booleans shaped like the parameters (a boolean may stand for a whole
            subtree), or a function from the parameters to one.
        mask_compatible_extra_args: whether keywords of `update` that are pytrees shaped like the
            updates are masked too.

    Returns:
        a `GradientTransformationExtraArgs`. Its state holds nothing for what the mask leaves out.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.masked(optim.scale(-1.0), {"w": True, "b": False})
        >>> grads = {"w": jnp.array([2.0]), "b": jnp.array([2.0])}
        >>> tx.update(grads, tx.init(grads))[0]
        {'b': Array([2.], dtype=float32), 'w': Array([-2.], dtype=float32)}
    """
    inner = with_extra_args_support(inner)

    @public
    def init(params: Params) -> MaskedState:
        if isinstance(params, ParamsPlaceholder):  # a mask does not fit it
            return MaskedState(inner.init(params))
        return MaskedState(inner.init(select(resolve(mask, params), params)))

    @public
    def update(
        updates: Updates, state: MaskedState, params: Params = None, **extra_args: Any
    ) -> Any:
        chosen = resolve(mask, updates if params is None else params)
        if mask_compatible_extra_args:
            shape = tree.structure(updates)
            extra_args = {
                name: select(chosen, value) if tree.structure(value) == shape else value
                for name, value in extra_args.items()
            }
        some = None if params is None else select(chosen, params)
        new, inner_state = inner.update(
            select(chosen, updates), state.inner_state, some, **extra_args
        )
        merged = tree.map(
            lambda keep, transformed, old: transformed if keep else old, chosen, new, updates
        )
        return merged, MaskedState(inner_state)

    return GradientTransformationExtraArgs(init, update)


@checked
def freeze(mask: bool | Any) -> GradientTransformation:
    """Zero updates for the parameters that a mask picks.

    Args:
        mask: a boolean, a pytree of booleans, or a function from the parameters to one; True
            freezes.

    Returns:
        a `GradientTransformation`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.chain(optim.sgd(1.0), optim.freeze({"w": False, "b": True}))
        >>> grads = {"w": jnp.array([2.0]), "b": jnp.array([2.0])}
        >>> tx.update(grads, tx.init(grads))[0]
        {'b': Array([0.], dtype=float32), 'w': Array([-2.], dtype=float32)}
    """
    return masked(set_to_zero(), mask)
