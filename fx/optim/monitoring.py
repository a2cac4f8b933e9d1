"""Measurements of updates, kept in the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fx.errors import checked, public
from fx.optim.accumulation import ema
from fx.optim.base import (
    GradientTransformation,
    GradientTransformationExtraArgs,
    Numeric,
    Params,
    Updates,
    stateless,
    with_extra_args_support,
)
from fx.optim.combine import chain


class SnapshotState(NamedTuple):
    """A measurement by its name."""

    measurement: Any


@checked
def snapshot(measure_name: str, measure: Callable[[Updates], Any]) -> GradientTransformation:
    """Updates as they are; a measurement of them is kept in the state.

    Args:
        measure_name: its name, for `tree_get(state, measure_name)`.
        measure: from the updates to what is kept.

    Returns:
        a `GradientTransformation`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.chain(optim.snapshot("norm", optim.global_norm), optim.sgd(1.0))
        >>> updates, state = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.ones(2)))
        >>> optim.tree_utils.tree_get(state, "norm")
        Array(5., dtype=float32)
    """

    @public
    def init(params: Params) -> SnapshotState:
        return SnapshotState({measure_name: measure(params)})

    @public
    def update(updates: Updates, state: SnapshotState, params: Params = None) -> Any:
        return updates, SnapshotState({measure_name: measure(updates)})

    return GradientTransformation(init, update)


class MonitorState(NamedTuple):
    """Measurements by their names, and the states of what makes them."""

    measurements: Any
    measure_states: Any


@checked
def monitor(
    measures: Mapping[str, Callable[[Updates], Any] | GradientTransformation],
) -> GradientTransformationExtraArgs:
    """Updates as they are; several measurements of them are kept in the state.

    Args:
        measures: from names to functions of the updates, or to gradient transformations whose
            updates are kept.

    Returns:
        a `GradientTransformationExtraArgs`. There are no measurements before the first step, so
        the structure of the state changes with it.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.monitor({"norm": optim.global_norm, "mean": optim.ema(0.9)})
        >>> updates, state = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.ones(2)))
        >>> state.measurements["norm"]
        Array(5., dtype=float32)
    """

    def as_transformation(measure: Any) -> GradientTransformationExtraArgs:
        if callable(measure):
            return with_extra_args_support(stateless(lambda updates, params: measure(updates)))
        return with_extra_args_support(measure)

    members = {name: as_transformation(measure) for name, measure in measures.items()}

    @public
    def init(params: Params) -> MonitorState:
        return MonitorState({}, tuple(tx.init(params) for tx in members.values()))

    @public
    def update(
        updates: Updates, state: MonitorState, params: Params = None, **extra_args: Any
    ) -> Any:
        measurements, states = {}, []
        for (name, tx), old in zip(members.items(), state.measure_states, strict=True):
            measurements[name], new = tx.update(updates, old, params, **extra_args)
            states.append(new)
        return updates, MonitorState(measurements, tuple(states))

    return GradientTransformationExtraArgs(init, update)


@checked
def measure_with_ema(
    measure: Callable[[Updates], Any],
    decay: Numeric,
    debias: bool = True,
    accumulator_dtype: Any = None,
) -> GradientTransformationExtraArgs:
    """A measurement for `monitor`, averaged over steps.

    Args:
        measure: from the updates to a pytree of arrays.
        decay: the weight of the old average.
        debias: whether to divide by 1 − decay^t, as the average began with 0.
        accumulator_dtype: the dtype of the average; the measurement's if None.

    Returns:
        a `GradientTransformationExtraArgs` whose updates are the average.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.monitor({"norm": optim.measure_with_ema(optim.global_norm, 0.9)})
        >>> updates, state = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.ones(2)))
        >>> state.measurements["norm"].round(3)
        Array(5., dtype=float32)
    """
    average = ema(decay, debias, accumulator_dtype)
    return chain(
        stateless(lambda updates, params: measure(updates)),
        average._replace(init=lambda params: average.init(measure(params))),
    )
