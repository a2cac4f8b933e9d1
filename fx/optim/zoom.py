"""The search for a step size that meets the strong Wolfe conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import lax
from fx.optim.tree_utils.arithmetic import tree_where
from fx.optim.tree_utils.moments import tree_cast_like


class ZoomOptions(NamedTuple):
    """The arguments of `optim.scale_by_zoom_linesearch`."""

    max_steps: int
    max_step_size: float | None
    tol: float
    increase_factor: float
    slope_rtol: float
    curv_rtol: float
    approx_dec_rtol: float | None
    interval_threshold: float


class Point(NamedTuple):
    """A step size, and the loss and its slope there."""

    step: Any
    value: Any
    slope: Any


class ZoomState(NamedTuple):
    """A search: the last point, the interval, and the best point with enough decrease."""

    count: Any
    step: Any
    value: Any
    slope: Any
    grad: Any
    decrease_error: Any
    curvature_error: Any
    interval_found: Any
    done: Any
    failed: Any
    low: Point
    high: Point
    reference: tuple[Any, Any]  # the step size and loss of a point that the interval lost
    safe: tuple[Any, Any, Any]  # step size, loss, gradient


def _cubic_minimum(a: Point, b: Point, reference: tuple[Any, Any]) -> Any:
    """Where the cubic through a (with its slope), b and the reference is least, or NaN."""
    db, dc = b.step - a.step, reference[0] - a.step
    rb = b.value - a.value - a.slope * db
    rc = reference[1] - a.value - a.slope * dc
    scale = (db * dc) ** 2 * (db - dc)
    third = (dc**2 * rb - db**2 * rc) / scale
    second = (db**3 * rc - dc**3 * rb) / scale
    root = jnp.sqrt(second * second - 3 * third * a.slope)
    return a.step + (root - second) / (3 * third)


def _quadratic_minimum(a: Point, b: Point) -> Any:
    """Where the parabola through a (with its slope) and b is least, or NaN."""
    db = b.step - a.step
    second = (b.value - a.value - a.slope * db) / db**2
    return a.step - a.slope / (2 * second)


def zoom(
    on_line: Callable[[Any], tuple[Any, Any, Any]],
    start: tuple[Any, Any, Any],
    guess: Any,
    options: ZoomOptions,
) -> ZoomState:
    """The search along a line.

    Args:
        on_line: from a step size to (loss, slope, gradient).
        start: what on_line gives for 0.
        guess: the first step size.
        options: the options.

    Returns:
        the last state; its step, value and grad are the result.

    Source: Nocedal and Wright, "Numerical optimization", 2006, algorithms 3.5 and 3.6.
    """
    value0, slope0, grad0 = start
    dtype = value0.dtype
    zero, infinite = jnp.zeros((), dtype), jnp.full((), jnp.inf, dtype)
    nothing = jnp.array(False)

    def positive(error: Any) -> Any:
        return jnp.where(jnp.isnan(error), jnp.inf, jnp.maximum(error, 0))

    def evaluate(step: Any) -> tuple[Point, Any, Any, Any]:
        """The point, its gradient, and by how much it misses both conditions."""
        value, slope, grad = on_line(step)
        missed = value - value0 - options.slope_rtol * step * slope0
        if options.approx_dec_rtol is not None:
            # Close to a minimum differences of losses are rounding errors; slopes are not.
            by_slope = slope - (2 * options.slope_rtol - 1) * slope0
            by_value = value - value0 - options.approx_dec_rtol * jnp.abs(value0)
            missed = jnp.minimum(jnp.maximum(by_slope, by_value), missed)
        curvature = jnp.abs(slope) - options.curv_rtol * jnp.abs(slope0)
        return Point(step, value, slope), grad, positive(missed), positive(curvature)

    def widen(state: ZoomState) -> ZoomState:
        """One step of algorithm 3.5: a larger step size, until an interval is found."""
        last = Point(state.step, state.value, state.slope)
        step = jnp.where(state.count == 0, guess, options.increase_factor * last.step)
        at_end = nothing
        if options.max_step_size is not None:
            at_end = step >= options.max_step_size
            step = jnp.minimum(step, options.max_step_size)
        new, grad, decrease, curvature = evaluate(step)
        met = jnp.maximum(decrease, curvature) <= options.tol
        rises = (decrease > 0) | ((new.value >= last.value) & (state.count > 0))
        turns = (new.slope >= 0) & ~rises
        found = rises | turns | met
        done = met | (at_end & ~found)
        low, high = tree_where(turns, (new, last), (last, new))
        return ZoomState(
            count=state.count + 1,
            step=new.step,
            value=new.value,
            slope=new.slope,
            grad=grad,
            decrease_error=decrease,
            curvature_error=curvature,
            interval_found=found,
            done=done,
            failed=(state.count + 1 >= options.max_steps) & ~done,
            low=low,
            high=high,
            reference=(low.step, low.value),
            safe=tree_where(decrease <= options.tol, (new.step, new.value, grad), state.safe),
        )

    def narrow(state: ZoomState) -> ZoomState:
        """One step of algorithm 3.6: a point within the interval, which becomes an end of it."""
        low, high = state.low, state.high
        length = jnp.abs(high.step - low.step)
        left, right = jnp.minimum(high.step, low.step), jnp.maximum(high.step, low.step)

        def within(point: Any, margin: float) -> Any:
            return (point > left + margin * length) & (point < right - margin * length)

        cubic = _cubic_minimum(low, high, state.reference)
        quadratic = _quadratic_minimum(low, high)
        middle = jnp.where(within(quadratic, 0.1), quadratic, (low.step + high.step) / 2)
        middle = jnp.where(within(cubic, 0.2), cubic, middle)
        new, grad, decrease, curvature = evaluate(middle)
        done = jnp.maximum(decrease, curvature) <= options.tol
        better = (decrease <= options.tol) & (new.value < state.safe[1])
        safe = tree_where(better, (new.step, new.value, grad), state.safe)
        cut = (decrease > 0) | (new.value >= low.value)
        flip = (new.slope * (high.step - low.step) >= 0) & ~cut
        lost = tree_where(cut | flip, high, low)
        stuck = (length <= options.interval_threshold) & (safe[0] > 0)
        return ZoomState(
            count=state.count + 1,
            step=new.step,
            value=new.value,
            slope=new.slope,
            grad=grad,
            decrease_error=decrease,
            curvature_error=curvature,
            interval_found=state.interval_found,
            done=done,
            failed=((state.count + 1 >= options.max_steps) | stuck) & ~done,
            low=tree_where(cut, low, new),
            high=tree_where(cut, new, tree_where(flip, low, high)),
            reference=(lost.step, lost.value),
            safe=safe,
        )

    def searching(state: ZoomState) -> Any:
        return ~(state.done | state.failed)

    def step(state: ZoomState) -> ZoomState:
        new = lax.cond(
            state.interval_found,
            lambda: tree_cast_like(narrow(state), state),
            lambda: tree_cast_like(widen(state), state),
        )
        # A search that fails falls back on the best point with enough decrease, or makes no step
        # where all losses were infinite.
        use_safe = new.failed & ((new.safe[0] > 0) | jnp.isinf(new.decrease_error))
        taken = tree_where(use_safe, new.safe, (new.step, new.value, new.grad))
        return new._replace(step=taken[0], value=taken[1], grad=taken[2])

    origin = Point(zero, value0, slope0)
    state = ZoomState(
        count=jnp.zeros((), jnp.int32),
        step=zero,
        value=value0,
        slope=slope0,
        grad=grad0,
        decrease_error=infinite,
        curvature_error=infinite,
        interval_found=nothing,
        done=nothing,
        failed=nothing,
        low=origin,
        high=origin,
        reference=(zero, value0),
        safe=(zero, value0, grad0),
    )
    return lax.while_loop(searching, step, state)
