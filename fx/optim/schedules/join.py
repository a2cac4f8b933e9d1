"""Schedules of several pieces: warmups, cycles, restarts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError, checked, public
from fx.optim.base import Numeric, Schedule
from fx.optim.schedules.basic import (
    cosine_decay_schedule,
    exponential_decay,
    linear_schedule,
    piecewise_interpolate_schedule,
)


@checked
def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """One schedule after the other; each counts from its own first step.

    Args:
        schedules: the pieces.
        boundaries: at which steps the second and further pieces begin.

    Returns:
        a schedule.

    Raises:
        FxValueError: there is not one boundary less than schedules.

    Example:
        >>> from fx import optim
        >>> f = optim.join_schedules(
        ...     [optim.linear_schedule(0.0, 2.0, 2), optim.constant_schedule(5.0)], [2]
        ... )
        >>> [float(f(i)) for i in range(4)]
        [0.0, 1.0, 5.0, 5.0]
    """
    if len(boundaries) != len(schedules) - 1:
        raise FxValueError(
            f"optim.join_schedules: got {len(schedules)} schedules and {len(boundaries)} "
            "boundaries, expected one boundary less than schedules."
        )

    @public
    def schedule(step: Numeric) -> Any:
        value = schedules[0](step)
        for boundary, piece in zip(boundaries, schedules[1:], strict=True):
            value = jnp.where(step < boundary, value, piece(step - boundary))
        return value

    return schedule


@checked
def warmup_constant_schedule(
    init_value: Numeric, peak_value: Numeric, warmup_steps: int
) -> Schedule:
    """A line up to the peak, then the peak.

    Args:
        init_value: the first value.
        peak_value: the value after the warmup.
        warmup_steps: how many steps the warmup takes.

    Returns:
        a schedule.

    Example:
        >>> from fx import optim
        >>> f = optim.warmup_constant_schedule(0.0, 1.0, warmup_steps=4)
        >>> [float(f(i)) for i in (0, 1, 4, 5)]
        [0.0, 0.25, 1.0, 1.0]
    """
    return linear_schedule(init_value, peak_value, warmup_steps)


@checked
def warmup_cosine_decay_schedule(
    init_value: Numeric,
    peak_value: Numeric,
    warmup_steps: int,
    decay_steps: int,
    end_value: Numeric = 0.0,
    exponent: Numeric = 1.0,
) -> Schedule:
    """A line up to the peak, then half a cosine down to the end.

    Args:
        init_value: the first value.
        peak_value: the value after the warmup.
        warmup_steps: how many steps the warmup takes.
        decay_steps: how many steps the whole schedule takes, warmup included.
        end_value: the last value.
        exponent: a power of the cosine's half wave.

    Returns:
        a schedule.

    Raises:
        FxValueError: decay_steps is not larger than warmup_steps.

    Example:
        >>> from fx import optim
        >>> f = optim.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps=2, decay_steps=6)
        >>> [round(float(f(i)), 3) for i in (0, 1, 2, 3, 4, 6)]
        [0.0, 0.5, 1.0, 0.854, 0.5, 0.0]
    """
    if not decay_steps > warmup_steps:
        raise FxValueError(
            f"optim.warmup_cosine_decay_schedule: got decay_steps={decay_steps} and "
            f"warmup_steps={warmup_steps}, expected more steps in all than for the warmup."
        )
    # A peak of 0 has no ratio to the end: then every value of the decay is 0.
    alpha = 0.0 if peak_value == 0.0 else end_value / peak_value
    decay = cosine_decay_schedule(peak_value, decay_steps - warmup_steps, alpha, exponent)
    return join_schedules(
        [linear_schedule(init_value, peak_value, warmup_steps), decay], [warmup_steps]
    )


@checked
def warmup_exponential_decay_schedule(
    init_value: Numeric,
    peak_value: Numeric,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: Numeric,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: Numeric = None,
) -> Schedule:
    """A line up to the peak, then `exponential_decay`.

    Args:
        init_value: the first value.
        peak_value: the value after the warmup.
        warmup_steps: how many steps the warmup takes.
        transition_steps: in how many steps the value is then multiplied by `decay_rate`.
        decay_rate: the factor.
        transition_begin: how many steps after the warmup the decay begins.
        staircase: whether the value falls at once at the end of each `transition_steps`.
        end_value: where the decay ends.

    Returns:
        a schedule.

    Example:
        >>> from fx import optim
        >>> f = optim.warmup_exponential_decay_schedule(0.0, 1.0, 2, 1, 0.5)
        >>> [float(f(i)) for i in range(5)]
        [0.0, 0.5, 1.0, 0.5, 0.25]
    """
    decay = exponential_decay(
        peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value
    )
    return join_schedules(
        [linear_schedule(init_value, peak_value, warmup_steps), decay], [warmup_steps]
    )


@checked
def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: Numeric,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """One cycle: half a cosine up to the peak, half a cosine down below the first value.

    Args:
        transition_steps: how many steps the cycle takes; must be positive.
        peak_value: the largest value.
        pct_start: which part of the steps goes up.
        div_factor: the peak divided by the first value.
        final_div_factor: the first value divided by the last.

    Returns:
        a schedule.

    Raises:
        FxValueError: transition_steps is not positive.

    Source: Smith and Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018.

    Example:
        >>> from fx import optim
        >>> f = optim.cosine_onecycle_schedule(10, 1.0, div_factor=4.0)
        >>> [round(float(f(i)), 3) for i in (0, 3, 10)]
        [0.25, 1.0, 0.0]
    """
    _check_cycle("cosine_onecycle_schedule", transition_steps)
    return piecewise_interpolate_schedule(
        "cosine",
        peak_value / div_factor,
        {
            int(pct_start * transition_steps): div_factor,
            int(transition_steps): 1.0 / (div_factor * final_div_factor),
        },
    )


@checked
def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: Numeric,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """One cycle of lines: up to the peak, down to the first value, down to the last one.

    Args:
        transition_steps: how many steps the cycle takes; must be positive.
        peak_value: the largest value.
        pct_start: which part of the steps goes up.
        pct_final: after which part of the steps the last descent begins.
        div_factor: the peak divided by the first value.
        final_div_factor: the first value divided by the last.

    Returns:
        a schedule.

    Raises:
        FxValueError: transition_steps is not positive.

    Source: Smith and Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018.

    Example:
        >>> from fx import optim
        >>> f = optim.linear_onecycle_schedule(20, 1.0, div_factor=4.0)
        >>> [round(float(f(i)), 3) for i in (0, 3, 6, 17, 20)]
        [0.25, 0.625, 1.0, 0.25, 0.0]
    """
    _check_cycle("linear_onecycle_schedule", transition_steps)
    return piecewise_interpolate_schedule(
        "linear",
        peak_value / div_factor,
        {
            int(pct_start * transition_steps): div_factor,
            int(pct_final * transition_steps): 1.0 / div_factor,
            int(transition_steps): 1.0 / final_div_factor,
        },
    )


@checked
def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Any]]) -> Schedule:
    """Warm restarts: several `warmup_cosine_decay_schedule`, one after the other.

    Args:
        cosine_kwargs: the arguments of each cycle, as dicts.

    Returns:
        a schedule.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    Example:
        >>> from fx import optim
        >>> cycle = dict(init_value=0.0, peak_value=1.0, warmup_steps=1, decay_steps=3)
        >>> f = optim.sgdr_schedule([cycle, cycle])
        >>> [round(float(f(i)), 3) for i in range(5)]
        [0.0, 1.0, 0.5, 0.0, 1.0]
    """
    cycles = list(cosine_kwargs)
    if not all(isinstance(kwargs, Mapping) and "decay_steps" in kwargs for kwargs in cycles):
        raise FxTypeError(
            "optim.sgdr_schedule expects the keywords of warmup_cosine_decay_schedule as dicts, "
            f"decay_steps among them, got {cosine_kwargs!r}."
        )
    boundaries, step = [], 0
    for kwargs in cycles[:-1]:
        step += kwargs["decay_steps"]
        boundaries.append(step)
    return join_schedules([warmup_cosine_decay_schedule(**kwargs) for kwargs in cycles], boundaries)


def _check_cycle(name: str, transition_steps: int) -> None:
    if transition_steps <= 0:
        raise FxValueError(
            f"optim.{name}: got transition_steps={transition_steps}, expected a positive number."
        )
