"""Transformations made of others: one after the other, or by groups of parameters."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

from fx import tree
from fx.errors import FxTypeError, FxValueError, checked, public
from fx.optim.base import (
    GradientTransformation,
    GradientTransformationExtraArgs,
    OptState,
    Params,
    Updates,
    with_extra_args_support,
)
from fx.optim.masking import masked
from fx.signatures import shown


@checked
def chain(*args: GradientTransformation) -> GradientTransformationExtraArgs:
    """The transformations one after the other, the first one first.

    Args:
        *args: transformations. Keywords of `update` reach each one that takes keywords.

    Returns:
        a `GradientTransformationExtraArgs`, whose state is the tuple of states.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.chain(optim.clip(1.0), optim.scale(-0.5))
        >>> tx.update(jnp.array([4.0]), tx.init(jnp.array([1.0])))[0]
        Array([-0.5], dtype=float32)
    """
    members = [with_extra_args_support(tx) for tx in args]

    @public
    def init(params: Params) -> tuple[OptState, ...]:
        return tuple(tx.init(params) for tx in members)

    @public
    def update(updates: Updates, state: Any, params: Params = None, **extra_args: Any) -> Any:
        if not isinstance(state, (tuple, list)):
            raise FxTypeError(
                f"optim.chain: the state must be what init gives, got {shown(state)}."
            )
        if len(state) != len(members):
            raise FxValueError(
                f"optim.chain: got a state of {len(state)} parts for {len(members)} "
                "transformations. Make the state with init() of the same chain."
            )
        new = []
        for tx, part in zip(members, state, strict=True):
            updates, part = tx.update(updates, part, params, **extra_args)
            new.append(part)
        return updates, tuple(new)

    return GradientTransformationExtraArgs(init, update)


@checked
def named_chain(
    *args: tuple[str, GradientTransformation],
) -> GradientTransformationExtraArgs:
    """`chain` with names: the state is a dict, so that a part of it can be found.

    Args:
        *args: pairs (name, transformation); names differ.

    Returns:
        a `GradientTransformationExtraArgs`, whose state is a dict of states.

    Raises:
        FxValueError: a name occurs twice.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.named_chain(("clip", optim.clip(1.0)), ("step", optim.scale(-0.5)))
        >>> tx.init(jnp.array([1.0]))
        {'clip': EmptyState(), 'step': EmptyState()}
    """
    if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in args):
        raise FxTypeError(f"optim.named_chain expects pairs (name, transformation), got {args}.")
    names = [name for name, _ in args]
    if len(set(names)) != len(names):
        raise FxValueError(f"optim.named_chain: got names {names}, expected names that all differ.")
    members = [(name, with_extra_args_support(tx)) for name, tx in args]

    @public
    def init(params: Params) -> dict[str, OptState]:
        return {name: tx.init(params) for name, tx in members}

    @public
    def update(updates: Updates, state: Any, params: Params = None, **extra_args: Any) -> Any:
        new = {}
        for name, tx in members:
            updates, new[name] = tx.update(updates, state[name], params, **extra_args)
        return updates, new

    return GradientTransformationExtraArgs(init, update)


class PartitionState(NamedTuple):
    """The states of the groups, by label."""

    inner_states: Any


MultiTransformState = PartitionState


@checked
def partition(
    transforms: Mapping[Hashable, GradientTransformation],
    param_labels: Any | Callable[[Params], Any],
    *,
    mask_compatible_extra_args: bool = False,
) -> GradientTransformationExtraArgs:
    """Another transformation for each group of parameters.

    Args:
        transforms: from labels to transformations.
        param_labels: a pytree of labels shaped like the parameters (a label may stand for a whole
            subtree), or a function from the parameters to one.
        mask_compatible_extra_args: whether keywords of `update` that are pytrees shaped like the
            parameters are masked like them.

    Returns:
        a `GradientTransformationExtraArgs`.

    Raises:
        FxValueError: a label has no transformation.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.partition(
        ...     {"train": optim.sgd(1.0), "keep": optim.set_to_zero()}, {"a": "train", "b": "keep"}
        ... )
        >>> params = {"a": jnp.array([1.0]), "b": jnp.array([1.0])}
        >>> tx.update(params, tx.init(params), params)[0]
        {'a': Array([-1.], dtype=float32), 'b': Array([0.], dtype=float32)}
    """
    transforms = dict(transforms)

    def labels_of(params: Params) -> Any:
        return param_labels(params) if callable(param_labels) else param_labels

    def group(label: Hashable, labels: Any) -> GradientTransformationExtraArgs:
        mask = tree.map(lambda found: found == label, labels)
        return masked(
            transforms[label], mask, mask_compatible_extra_args=mask_compatible_extra_args
        )

    @public
    def init(params: Params) -> PartitionState:
        labels = labels_of(params)
        unknown = set(tree.leaves(labels)) - set(transforms)
        if unknown:
            raise FxValueError(
                f"optim.partition: labels {sorted(map(repr, unknown))} have no transformation; "
                f"expected labels among {sorted(map(repr, transforms))}."
            )
        return PartitionState({label: group(label, labels).init(params) for label in transforms})

    @public
    def update(
        updates: Updates, state: PartitionState, params: Params = None, **extra_args: Any
    ) -> Any:
        labels = labels_of(updates if params is None else params)
        new = {}
        for label in transforms:
            updates, new[label] = group(label, labels).update(
                updates, state.inner_states[label], params, **extra_args
            )
        return updates, PartitionState(new)

    return GradientTransformationExtraArgs(init, update)


multi_transform = partition
