"""Averages of squares kept by rows and columns: Adafactor, SM3."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fx.numpy as jnp
from fx import lax, tree
from fx.errors import FxTypeError, checked, public
from fx.optim.base import GradientTransformation, Numeric, Params, Updates, need_params
from fx.optim.numerics import abs_sq, safe_increment, scalar, square_dtype, widened
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import tree_zeros_like
from fx.optim.tree_utils.moments import tree_update_moment


class FactoredState(NamedTuple):
    """How many steps were done, and the averages of squares: by rows and columns, or in full."""

    count: Any
    v_row: Any
    v_col: Any
    v: Any


def decay_rate_pow(count: Numeric, exponent: Numeric = 0.8) -> Any:
    """1 − t^(−exponent) for the step t = count + 1.

    Args:
        count: how many steps were done.
        exponent: how fast it approaches 1.

    Returns:
        an array of shape ().

    Example:
        >>> from fx.optim.factored import decay_rate_pow
        >>> decay_rate_pow(3, 0.5)
        Array(0.5, dtype=float32)
    """
    return 1 - jnp.asarray(count + 1, dtype=jnp.float32) ** (-exponent)


def _factored_axes(shape: tuple[int, ...], factored: bool, least: int) -> tuple[int, int] | None:
    """The axes of the second largest and of the largest size, if both are large enough."""
    if not factored or len(shape) < 2:
        return None
    order = np.argsort(shape)
    if shape[order[-2]] < least:
        return None
    return int(order[-2]), int(order[-1])


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


@checked
def scale_by_factored_rms(
    factored: bool = True,
    decay_rate: Numeric = 0.8,
    step_offset: Any = 0,
    min_dim_size_to_factor: int = 128,
    epsilon: Numeric = 1e-30,
    decay_rate_fn: Callable[[Any, Any], Any] = decay_rate_pow,
) -> GradientTransformation:
    """Updates over the root of the average of squares, kept as rows and columns.

    Args:
        factored: whether any array is factored.
        decay_rate: the second argument of decay_rate_fn.
        step_offset: a number of steps to leave out of the count.
        min_dim_size_to_factor: arrays are factored if their two largest axes are at least so
            large.
        epsilon: added to the squares.
        decay_rate_fn: from (steps done, decay_rate) to the decay rate of the average.

    Returns:
        a `GradientTransformation` whose `update` needs parameters.

    Source: Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost",
    2018.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.scale_by_factored_rms(), jnp.ones(2)
        >>> tx.update(jnp.array([3.0, -4.0]), tx.init(params), params)[0].round(3)
        Array([ 1., -1.], dtype=float32)
    """

    def axes_of(p: Any) -> tuple[int, int] | None:
        return _factored_axes(jnp.shape(p), factored, min_dim_size_to_factor)

    @public
    def init(params: Params) -> FactoredState:
        def shapes(p: Any) -> list[Any]:
            axes = axes_of(p)
            if axes is None:
                return [(1,), (1,), jnp.shape(p)]
            small, large = axes
            return [_without(p.shape, large), _without(p.shape, small), (1,)]

        def part(i: int) -> Any:
            return tree.map(
                lambda p: jnp.zeros(shapes(p)[i], square_dtype(jnp.result_type(p))), params
            )

        return FactoredState(step_count(), part(0), part(1), part(2))

    @public
    def update(updates: Updates, state: FactoredState, params: Params = None) -> Any:
        need_params("scale_by_factored_rms", params)
        decay = decay_rate_fn(state.count - step_offset, decay_rate)

        def rescale(g: Any, row: Any, col: Any, full: Any, p: Any) -> list[Any]:
            square = abs_sq(widened(g, full)) + epsilon

            def average(old: Any, new: Any) -> Any:
                return jnp.astype(decay * old + (1 - decay) * new, old.dtype)

            axes = axes_of(p)
            if axes is None:
                full = average(full, square)
                return [jnp.astype(g * lax.rsqrt(full), g.dtype), row, col, full]
            small, large = axes
            row = average(row, jnp.mean(square, axis=large))
            col = average(col, jnp.mean(square, axis=small))
            kept = small - 1 if small > large else small
            mean = jnp.mean(row, axis=kept, keepdims=True)
            step = g * jnp.expand_dims(lax.rsqrt(row / mean), large)
            step = step * jnp.expand_dims(lax.rsqrt(col), small)
            return [jnp.astype(step, g.dtype), row, col, full]

        shape = tree.structure(updates)
        columns = zip(
            *(shape.flatten_up_to(t) for t in (updates, state.v_row, state.v_col, state.v, params)),
            strict=True,
        )
        results = [rescale(*leaves) for leaves in columns]
        out, *rest = (tree.unflatten(shape, [r[i] for r in results]) for i in range(4))
        return out, FactoredState(safe_increment(state.count), *rest)

    return GradientTransformation(init, update)


class ScaleBySM3State(NamedTuple):
    """For each axis of each array the sums of squares along it, and the average of steps."""

    mu: Any
    nu: Any


@checked
def scale_by_sm3(
    b1: Numeric = 0.9, b2: Numeric = 1.0, eps: Numeric = 1e-8
) -> GradientTransformation:
    """Adagrad whose sums of squares are bounded by maxima along each axis.

    Args:
        b1: the decay rate of the average of steps.
        b2: the decay rate of the sums of squares; 1 for sums, less for averages.
        eps: added to the sums.

    Returns:
        a `GradientTransformation`.

    Raises:
        FxTypeError: complex parameters.

    Source: Anil, Gupta, Koren and Singer, "Memory-efficient adaptive optimization", 2019.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_sm3(b1=0.0, eps=0.0)
        >>> tx.update(jnp.array([3.0, -4.0]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 1., -1.], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleBySM3State:
        for p in tree.leaves(params):
            if jnp.iscomplexobj(p):
                raise FxTypeError(
                    f"optim.scale_by_sm3: got parameters of dtype {p.dtype}, expected real ones."
                )
        mu = tree.map(
            lambda p: [jnp.zeros(n, square_dtype(jnp.result_type(p))) for n in p.shape], params
        )
        return ScaleBySM3State(mu, tree_zeros_like(params))

    def accumulate(g: Any, sums: list[Any]) -> Any:
        spread = [
            jnp.reshape(s, [size if i == axis else 1 for i, size in enumerate(g.shape)])
            for axis, s in enumerate(sums)
        ]
        weight = 1.0 if b2 == 1.0 else 1.0 - b2
        wide = jnp.astype(g, square_dtype(g.dtype))
        old = functools.reduce(jnp.minimum, spread) if spread else jnp.zeros_like(wide)
        return weight * (wide * wide) + scalar(b2, wide) * old

    def maxima(total: Any) -> list[Any]:
        axes = range(total.ndim)
        return [jnp.max(total, axis=tuple(a for a in axes if a != axis)) for axis in axes]

    def step(g: Any, total: Any) -> Any:
        some = total > 0
        inverse = jnp.where(some, lax.rsqrt(jnp.where(some, total, 1) + eps), 0)
        return jnp.astype(g * inverse, g.dtype)

    @public
    def update(updates: Updates, state: ScaleBySM3State, params: Params = None) -> Any:
        shape = tree.structure(updates)
        grads, sums = shape.flatten_up_to(updates), shape.flatten_up_to(state.mu)
        totals = [accumulate(g, s) for g, s in zip(grads, sums, strict=True)]
        steps = [step(g, total) for g, total in zip(grads, totals, strict=True)]
        nu = tree_update_moment(tree.unflatten(shape, steps), state.nu, b1, 1)
        mu = tree.unflatten(shape, [maxima(total) for total in totals])
        return nu, ScaleBySM3State(mu, nu)

    return GradientTransformation(init, update)
