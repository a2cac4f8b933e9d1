"""Hyperparameters in the state, where they can be read, changed and checkpointed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

import fx.numpy as jnp
from fx import dtypes
from fx.core.array import Array
from fx.core.trace import Tracer
from fx.errors import FxTypeError, FxValueError, checked, public
from fx.optim.base import (
    GradientTransformation,
    GradientTransformationExtraArgs,
    Params,
    Schedule,
    Updates,
    with_extra_args_support,
)
from fx.optim.numerics import safe_increment
from fx.optim.scaling import step_count
from fx.optim.tree_utils.moments import tree_dtype


@runtime_checkable
class StatefulSchedule(Protocol):
    """A schedule with a state of its own: `init`, `update`, and a call that gives the value."""

    def init(self) -> Any:
        """The state before the first step."""
        ...

    def update(self, state: Any, **extra_args: Any) -> Any:
        """The state after a step."""
        ...

    def __call__(self, state: Any, **extra_args: Any) -> Any:
        """The value of the hyperparameter."""
        ...


class WrappedScheduleState(NamedTuple):
    """How many steps were done."""

    count: Any


class WrappedSchedule:
    """A schedule as a `StatefulSchedule` that counts the steps.

    Args:
        schedule_fn: a schedule.

    Example:
        >>> from fx import optim
        >>> schedule = optim.WrappedSchedule(lambda count: 10 * count)
        >>> schedule(schedule.update(schedule.init()))
        Array(10, dtype=int32)
    """

    @checked
    def __init__(self, schedule_fn: Schedule):
        self.schedule_fn = schedule_fn

    def init(self) -> WrappedScheduleState:
        """The state before the first step."""
        return WrappedScheduleState(step_count())

    def update(self, state: WrappedScheduleState, **extra_args: Any) -> WrappedScheduleState:
        """The state after a step."""
        del extra_args
        return WrappedScheduleState(safe_increment(state.count))

    def __call__(self, state: WrappedScheduleState, **extra_args: Any) -> Any:
        """The value of the hyperparameter."""
        del extra_args
        if not isinstance(state, WrappedScheduleState):
            raise FxTypeError(f"optim.WrappedSchedule expects its state (of init), got {state!r}.")
        return self.schedule_fn(state.count)


class InjectHyperparamsState(NamedTuple):
    """The state of `inject_hyperparams` as it was before schedules had states."""

    count: Any
    hyperparams: Any
    inner_state: Any


class InjectStatefulHyperparamsState(NamedTuple):
    """Steps done, values of the hyperparameters, states of their schedules, and the inner state."""

    count: Any
    hyperparams: Any
    hyperparams_states: Any
    inner_state: Any


@checked
def inject_hyperparams(
    inner_factory: Callable[..., GradientTransformation],
    static_args: str | Iterable[str] = (),
    hyperparam_dtype: Any = None,
) -> Callable[..., GradientTransformationExtraArgs]:
    """An optimizer whose hyperparameters are in its state, as `state.hyperparams[name]`.

    Any numeric argument of the optimizer may then be a schedule, or be changed between steps.

    Args:
        inner_factory: an optimizer, such as `optim.adam`.
        static_args: names of arguments that stay as they are.
        hyperparam_dtype: the dtype of real hyperparameters; if None the widest of the parameters',
            and float32 at least.

    Returns:
        a function with the arguments of inner_factory.

    Raises:
        FxValueError: static_args has a name that is no argument of inner_factory.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.inject_hyperparams(optim.sgd)(learning_rate=0.5)
        >>> state = tx.init(jnp.ones(1))
        >>> state.hyperparams["learning_rate"] = jnp.array([0.25])
        >>> tx.update(jnp.array([4.0]), state)[0]
        Array([-1.], dtype=float32)
    """
    given = (static_args,) if isinstance(static_args, str) else tuple(static_args)
    if not all(isinstance(name, str) for name in given):
        raise FxTypeError(f"optim.inject_hyperparams: static_args are names, got {static_args!r}.")
    static = set(given)
    try:
        signature = inspect.signature(inner_factory)
    except ValueError:
        raise FxTypeError(
            f"optim.inject_hyperparams expects a function with a signature, got {inner_factory!r}."
        ) from None
    unknown = static - set(signature.parameters)
    if unknown:
        raise FxValueError(
            f"optim.inject_hyperparams: got static_args {sorted(unknown)}, expected arguments of "
            f"{getattr(inner_factory, '__name__', inner_factory)}: {list(signature.parameters)}."
        )

    @functools.wraps(inner_factory)
    def factory(*args: Any, **kwargs: Any) -> GradientTransformationExtraArgs:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        schedules, numbers, others = _sort(bound.arguments, static)

        def make(hyperparams: dict[str, Any]) -> GradientTransformationExtraArgs:
            return with_extra_args_support(inner_factory(**others, **hyperparams))

        def dtype_of(params: Params) -> Any:
            if hyperparam_dtype is not None:
                return hyperparam_dtype
            # In bfloat16 a decay rate of 0.999 would be 1.
            return dtypes.promote_types(tree_dtype(params, "highest"), jnp.float32)

        @public
        def init(params: Params) -> InjectStatefulHyperparamsState:
            dtype = dtype_of(params)
            states = {name: schedule.init() for name, schedule in schedules.items()}
            values = {name: jnp.asarray(_cast(value, dtype)) for name, value in numbers.items()}
            for name, schedule in schedules.items():
                values[name] = _cast(schedule(states[name]), dtype)
            return InjectStatefulHyperparamsState(
                step_count(), values, states, make(values).init(params)
            )

        @public
        def update(
            updates: Updates,
            state: InjectStatefulHyperparamsState,
            params: Params = None,
            **extra_args: Any,
        ) -> Any:
            dtype = dtype_of(updates if params is None else params)
            values = {name: _cast(value, dtype) for name, value in state.hyperparams.items()}
            states = {}
            for name, schedule in schedules.items():
                old = state.hyperparams_states[name]
                values[name] = _cast(schedule(old, **extra_args), dtype)
                states[name] = schedule.update(old, **extra_args)
            updates, inner = make(values).update(updates, state.inner_state, params, **extra_args)
            return updates, InjectStatefulHyperparamsState(
                safe_increment(state.count), values, states, inner
            )

        return GradientTransformationExtraArgs(init, update)

    return factory


@checked
def inject_stateful_hyperparams(
    inner_factory: Callable[..., GradientTransformation],
    static_args: str | Iterable[str] = (),
    hyperparam_dtype: Any = None,
) -> Callable[..., GradientTransformationExtraArgs]:
    """`inject_hyperparams` under its old name.

    Args:
        inner_factory: an optimizer.
        static_args: names of arguments that stay as they are.
        hyperparam_dtype: the dtype of real hyperparameters.

    Returns:
        a function with the arguments of inner_factory.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.inject_stateful_hyperparams(optim.sgd)(learning_rate=0.5)
        >>> tx.update(jnp.array([4.0]), tx.init(jnp.ones(1)))[0]
        Array([-2.], dtype=float32)
    """
    return inject_hyperparams(inner_factory, static_args, hyperparam_dtype)


def _sort(arguments: dict[str, Any], static: set[str]) -> tuple[dict, dict, dict]:
    """Arguments as schedules, numbers, and others."""
    schedules: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in static or isinstance(value, (bool, type)):
            others[name] = value
        elif isinstance(value, StatefulSchedule):
            schedules[name] = value
        elif callable(value):
            schedules[name] = WrappedSchedule(value)
        elif isinstance(value, (int, float, np.number, np.ndarray, Array, Tracer)):
            numbers[name] = value
        else:
            others[name] = value
    return schedules, numbers, others


def _cast(value: Any, dtype: Any) -> Any:
    """Real numbers without a dtype of their own in a dtype; other values as they are."""
    if isinstance(value, (Array, Tracer)) and not value.weak_type:
        return value
    found = jnp.asarray(value)
    return jnp.asarray(value, dtype=dtype) if dtypes.is_floating(found.dtype) else found
