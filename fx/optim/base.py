"""The types of gradient transformations, and the simplest ones.

A gradient transformation is a pair of pure functions: `init` makes a state from the parameters,
`update` turns gradients and a state into updates and the next state. States are pytrees of arrays,
so they cross `jit` and are saved like parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import fx.numpy as jnp
from fx import dtypes, tree
from fx.core.array import aval_of, is_arraylike
from fx.errors import FxValueError, checked, public
from fx.signatures import declare
from fx.tree_util import register_pytree_node_class

Params = Any
Updates = Any
OptState = Any
Schedule = Callable[[Any], Any]
ScalarOrSchedule = Any
MaskOrFn = Any
Numeric = Any  # a number, or an array of numbers
Tree = Any


def _is_numeric(x: Any) -> bool:
    return is_arraylike(x) and dtypes.KIND[aval_of(x).dtype] in "biufc"


def _is_tree(x: Any) -> bool:
    return all(is_arraylike(leaf) and aval_of(leaf) for leaf in tree.leaves(x))


declare("Numeric", "a number", _is_numeric)
declare("ScalarOrSchedule", "a number or a schedule", lambda x: callable(x) or _is_numeric(x))
for _alias in ("Tree", "Params", "Updates"):
    declare(_alias, "a pytree of arrays", _is_tree)


class TransformInitFn(Protocol):
    """The type of `init`: from parameters to a state."""

    def __call__(self, params: Params) -> OptState:
        """The state before the first step."""
        ...


class TransformUpdateFn(Protocol):
    """The type of `update`: from gradients, state and parameters to updates and a new state."""

    def __call__(
        self, updates: Updates, state: OptState, params: Params | None = None
    ) -> tuple[Updates, OptState]:
        """The updates to add to the parameters, and the state after this step."""
        ...


class TransformUpdateExtraArgsFn(Protocol):
    """The type of an `update` that also takes keywords, such as `value` or `value_fn`."""

    def __call__(
        self,
        updates: Updates,
        state: OptState,
        params: Params | None = None,
        **extra_args: Any,
    ) -> tuple[Updates, OptState]:
        """The updates to add to the parameters, and the state after this step."""
        ...


class GradientTransformation(NamedTuple):
    """A pair of pure functions `init(params)` and `update(updates, state, params=None)`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> halve = optim.GradientTransformation(
        ...     lambda params: optim.EmptyState(),
        ...     lambda updates, state, params=None: (0.5 * updates, state),
        ... )
        >>> halve.update(jnp.array([2.0]), halve.init(jnp.array([1.0])))[0]
        Array([1.], dtype=float32)
    """

    init: Callable[..., OptState]
    update: Callable[..., tuple[Updates, OptState]]


class GradientTransformationExtraArgs(GradientTransformation):
    """A `GradientTransformation` whose `update` accepts keywords, and ignores unknown ones."""

    __slots__ = ()


class EmptyState(NamedTuple):
    """The state of a transformation that remembers nothing."""


@register_pytree_node_class
class ParamsPlaceholder:
    """Stands for the parameters where `init` shall show which parts of a state follow them."""

    def tree_flatten(self) -> tuple[tuple[()], None]:
        """No children."""
        return (), None

    @classmethod
    def tree_unflatten(cls, aux: None, children: tuple[()]) -> ParamsPlaceholder:
        """A placeholder."""
        del aux, children
        return cls()


@public
def init_empty_state(params: Params) -> EmptyState:
    """The `init` of a transformation that remembers nothing.

    Args:
        params: ignored.

    Returns:
        an `EmptyState`.

    Example:
        >>> from fx import optim
        >>> optim.init_empty_state(None)
        EmptyState()
    """
    del params
    return EmptyState()


def need_params(name: str, params: Params) -> None:
    """Raise unless `update` was given parameters."""
    if params is None:
        raise FxValueError(
            f"optim.{name}: update() got no parameters, but it needs them. "
            "Write `updates, state = tx.update(grads, state, params)`."
        )


@checked
def identity() -> GradientTransformation:
    """Updates as they are.

    Returns:
        a `GradientTransformation` without state.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.identity()
        >>> tx.update(jnp.array([3.0]), tx.init(jnp.array([1.0])))
        (Array([3.], dtype=float32), EmptyState())
    """
    return GradientTransformation(
        init_empty_state, lambda updates, state, params=None: (updates, state)
    )


@checked
def set_to_zero() -> GradientTransformation:
    """Zero updates, whatever the gradients: parameters under it stay as they are.

    Returns:
        a `GradientTransformation` without state.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.set_to_zero()
        >>> tx.update(jnp.array([3.0]), tx.init(jnp.array([1.0])))[0]
        Array([0.], dtype=float32)
    """

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        return tree.map(jnp.zeros_like, updates), state

    return GradientTransformation(init_empty_state, update)


@checked
def stateless(f: Callable[[Updates, Params], Updates]) -> GradientTransformation:
    """A transformation from a function of (updates, params).

    Args:
        f: from the updates and the parameters (or None) to new updates.

    Returns:
        a `GradientTransformation` without state.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.stateless(lambda updates, params: 2 * updates)
        >>> tx.update(jnp.array([3.0]), tx.init(jnp.array([1.0])))[0]
        Array([6.], dtype=float32)
    """

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        return f(updates, params), EmptyState()

    return GradientTransformation(init_empty_state, update)


@checked
def stateless_with_tree_map(f: Callable[[Any, Any], Any]) -> GradientTransformation:
    """A transformation from a function of one leaf (update, parameter).

    Args:
        f: from an update and its parameter (None where `update` got no parameters) to an update.

    Returns:
        a `GradientTransformation` without state.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.stateless_with_tree_map(lambda g, p: g + p)
        >>> params = {"w": jnp.array([1.0])}
        >>> tx.update({"w": jnp.array([3.0])}, tx.init(params), params)[0]
        {'w': Array([4.], dtype=float32)}
    """

    @public
    def update(updates: Updates, state: EmptyState, params: Params = None) -> Any:
        if params is None:
            return tree.map(lambda g: f(g, None), updates), EmptyState()
        return tree.map(f, updates, params), EmptyState()

    return GradientTransformation(init_empty_state, update)


@checked
def with_extra_args_support(tx: GradientTransformation) -> GradientTransformationExtraArgs:
    """The same transformation, whose `update` ignores keywords that it does not know.

    Args:
        tx: a transformation.

    Returns:
        a `GradientTransformationExtraArgs`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.with_extra_args_support(optim.identity())
        >>> tx.update(jnp.array([3.0]), tx.init(jnp.array([1.0])), value=0.5)[0]
        Array([3.], dtype=float32)
    """
    if isinstance(tx, GradientTransformationExtraArgs):
        return tx

    @public
    def update(updates: Updates, state: OptState, params: Params = None, **extra_args: Any) -> Any:
        del extra_args
        return tx.update(updates, state, params)

    return GradientTransformationExtraArgs(tx.init, update)
