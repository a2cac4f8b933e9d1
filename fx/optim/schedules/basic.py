"""Schedules of one piece: constant, polynomial, exponential, cosine, and steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import fx.numpy as jnp
from fx.errors import FxValueError, checked, public
from fx.optim.base import Numeric, ScalarOrSchedule, Schedule


@checked
def constant_schedule(value: Any) -> Schedule:
    """The same value at every step.

    Args:
        value: a number.

    Returns:
        a schedule.

    Example:
        >>> from fx import optim
        >>> optim.constant_schedule(0.1)(7)
        0.1
    """
    return lambda count: value


@checked
def polynomial_schedule(
    init_value: Numeric,
    end_value: Numeric,
    power: ScalarOrSchedule,
    transition_steps: int,
    transition_begin: int = 0,
) -> Schedule:
    """From one value to another along (1 − t)^power, t the done part of the transition.

    Args:
        init_value: the value until `transition_begin`.
        end_value: the value after the transition.
        power: 1 is a straight line; larger powers change faster at first.
        transition_steps: how many steps the transition takes; the value is constant if this is
            not positive.
        transition_begin: the step at which it begins; negative counts as 0.

    Returns:
        a schedule.

    Example:
        >>> from fx import optim
        >>> f = optim.polynomial_schedule(1.0, 0.0, power=2, transition_steps=4)
        >>> [float(f(i)) for i in (0, 2, 4, 9)]
        [1.0, 0.25, 0.0, 0.0]
    """
    if transition_steps <= 0:
        return constant_schedule(init_value)
    begin = max(0, transition_begin)

    @public
    def schedule(count: Numeric) -> Any:
        left = 1 - jnp.clip(count - begin, 0, transition_steps) / transition_steps
        return (init_value - end_value) * (left**power) + end_value

    return schedule


@checked
def linear_schedule(
    init_value: Numeric, end_value: Numeric, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    """From one value to another along a straight line.

    Args:
        init_value: the value until `transition_begin`.
        end_value: the value after the transition.
        transition_steps: how many steps the transition takes; the value is constant if this is
            not positive.
        transition_begin: the step at which it begins; negative counts as 0.

    Returns:
        a schedule.

    Example:
        >>> from fx import optim
        >>> f = optim.linear_schedule(1.0, 0.0, transition_steps=4)
        >>> [float(f(i)) for i in (0, 1, 4, 9)]
        [1.0, 0.75, 0.0, 0.0]
    """
    return polynomial_schedule(init_value, end_value, 1, transition_steps, transition_begin)


@checked
def exponential_decay(
    init_value: Numeric,
    transition_steps: int,
    decay_rate: Numeric,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: Numeric = None,
) -> Schedule:
    """init_value · decay_rate^(steps / transition_steps).

    Args:
        init_value: the value until `transition_begin`.
        transition_steps: in how many steps the value is multiplied by `decay_rate`; the value is
            constant if this is not positive.
        decay_rate: the factor; 0 means a constant value.
        transition_begin: the step at which the decay begins; negative counts as 0.
        staircase: whether the value falls at once at the end of each `transition_steps`.
        end_value: where the decay ends: a lower bound if decay_rate < 1, else an upper bound.

    Returns:
        a schedule.

    Example:
        >>> from fx import optim
        >>> f = optim.exponential_decay(1.0, transition_steps=2, decay_rate=0.25)
        >>> [float(f(i)) for i in (0, 1, 2)]
        [1.0, 0.5, 0.25]
    """
    if transition_steps <= 0 or (isinstance(decay_rate, (int, float)) and decay_rate == 0):
        return constant_schedule(init_value)
    begin = max(0, transition_begin)

    @public
    def schedule(count: Numeric) -> Any:
        done = jnp.maximum(count - begin, 0)
        periods = done / transition_steps
        if staircase:
            periods = jnp.floor(periods)
        value = jnp.where(done <= 0, init_value, init_value * jnp.power(decay_rate, periods))
        if end_value is None:
            return value
        return jnp.where(
            decay_rate < 1.0, jnp.maximum(value, end_value), jnp.minimum(value, end_value)
        )

    return schedule


@checked
def cosine_decay_schedule(
    init_value: Numeric, decay_steps: int, alpha: Numeric = 0.0, exponent: Numeric = 1.0
) -> Schedule:
    """Half a cosine, from init_value down to alpha · init_value.

    Args:
        init_value: the first value.
        decay_steps: how many steps the decay takes; must be positive.
        alpha: the last value, as a part of the first.
        exponent: a power of the cosine's half wave.

    Returns:
        a schedule.

    Raises:
        FxValueError: decay_steps is not positive.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    Example:
        >>> from fx import optim
        >>> f = optim.cosine_decay_schedule(1.0, decay_steps=4)
        >>> [round(float(f(i)), 3) for i in (0, 1, 2, 4, 9)]
        [1.0, 0.854, 0.5, 0.0, 0.0]
    """
    if not decay_steps > 0:
        raise FxValueError(
            f"optim.cosine_decay_schedule: got decay_steps={decay_steps}, expected a positive "
            "number of steps. Write optim.constant_schedule for no decay."
        )

    @public
    def schedule(count: Numeric) -> Any:
        done = jnp.minimum(count, decay_steps) / decay_steps
        wave = 0.5 * (1 + jnp.cos(math.pi * done))
        return init_value * ((1 - alpha) * wave**exponent + alpha)

    return schedule


@checked
def piecewise_constant_schedule(
    init_value: Numeric, boundaries_and_scales: Mapping[int, Any] | None = None
) -> Schedule:
    """A value that is multiplied by a factor at each of some steps.

    Args:
        init_value: the first value.
        boundaries_and_scales: from steps to factors, none of them negative; the factor counts
            from that step on.

    Returns:
        a schedule.

    Raises:
        FxValueError: a factor is negative.

    Example:
        >>> from fx import optim
        >>> f = optim.piecewise_constant_schedule(8.0, {2: 0.5, 4: 0.5})
        >>> [float(f(i)) for i in range(6)]
        [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]
    """
    steps = sorted((boundaries_and_scales or {}).items())
    _check_scales("piecewise_constant_schedule", steps)

    @public
    def schedule(count: Numeric) -> Any:
        value = init_value
        for boundary, factor in steps:
            value = jnp.where(count >= boundary, value * factor, value)
        return value

    return schedule


@checked
def piecewise_interpolate_schedule(
    interpolate_type: str,
    init_value: Numeric,
    boundaries_and_scales: Mapping[int, Any] | None = None,
) -> Schedule:
    """Through given values at given steps, with lines or half cosines between them.

    Args:
        interpolate_type: "linear" or "cosine".
        init_value: the first value.
        boundaries_and_scales: from steps to factors, none of them negative: at each step the
            value is the one at the step before, times the factor.

    Returns:
        a schedule, constant after the last step.

    Raises:
        FxValueError: another interpolate_type, or a negative factor.

    Example:
        >>> from fx import optim
        >>> f = optim.piecewise_interpolate_schedule("linear", 1.0, {2: 3.0, 4: 0.5})
        >>> [float(f(i)) for i in range(6)]
        [1.0, 2.0, 3.0, 2.25, 1.5, 1.5]
    """
    if interpolate_type not in ("linear", "cosine"):
        raise FxValueError(
            "optim.piecewise_interpolate_schedule: got "
            f"interpolate_type={interpolate_type!r}, expected 'linear' or 'cosine'."
        )
    steps = sorted((boundaries_and_scales or {}).items())
    _check_scales("piecewise_interpolate_schedule", steps)

    @public
    def schedule(count: Numeric) -> Any:
        start, low = 0, init_value
        value = low
        for boundary, factor in steps:
            high = low * factor
            done = jnp.clip((count - start) / (boundary - start), 0, 1)
            if interpolate_type == "cosine":
                done = 0.5 - 0.5 * jnp.cos(math.pi * done)
            value = jnp.where(count >= start, low + (high - low) * done, value)
            start, low = boundary, high
        return value

    return schedule


def _check_scales(name: str, steps: list[tuple[int, Any]]) -> None:
    for boundary, factor in steps:
        if factor < 0:
            raise FxValueError(
                f"optim.{name}: got the factor {factor} at step {boundary}, expected factors that "
                "are not negative."
            )
