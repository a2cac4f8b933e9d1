"""Updates divided by roots of averages or sums of squares: RMSProp, Adagrad, Adadelta."""

from __future__ import annotations

from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import lax, tree
from fx.errors import checked, public
from fx.optim.adam import plus
from fx.optim.base import GradientTransformation, Numeric, Params, Updates
from fx.optim.numerics import abs_sq, safe_increment, widened
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import (
    map_present,
    tree_zeros_for_squares,
    tree_zeros_like,
)
from fx.optim.tree_utils.moments import (
    tree_bias_correction,
    tree_update_moment,
    tree_update_moment_per_elem_norm,
)


def _filled(params: Params, value: Any) -> Any:
    """A number in the shapes of parameters, in a dtype for their squares."""
    return tree.map(lambda zeros: zeros + value, tree_zeros_for_squares(params))


def _times(g: Any, factor: Any) -> Any:
    return jnp.astype(g * factor, g.dtype)


class ScaleByRssState(NamedTuple):
    """The sum of squares of all updates."""

    sum_of_squares: Any


@checked
def scale_by_rss(
    initial_accumulator_value: Numeric = 0.1, eps: Numeric = 1e-7
) -> GradientTransformation:
    """Updates divided by the root of the sum of the squares of all updates so far.

    Args:
        initial_accumulator_value: what the sum begins with.
        eps: added to the sum.

    Returns:
        a `GradientTransformation`.

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization", 2011.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_rss(0.0, eps=0.0)
        >>> tx.update(jnp.array([4.0, 0.0]), tx.init(jnp.ones(2)))[0]
        Array([1., 0.], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByRssState:
        return ScaleByRssState(_filled(params, initial_accumulator_value))

    def divide(g: Any, total: Any) -> Any:
        # Where nothing was summed the root is taken of 1, so that there is no 0 / 0 to choose from.
        some = total > 0
        inverse = lax.rsqrt(plus(jnp.where(some, total, 1), eps))
        return jnp.astype(g * jnp.where(some, inverse, 0), g.dtype)

    @public
    def update(updates: Updates, state: ScaleByRssState, params: Params = None) -> Any:
        total = map_present(lambda g, t: abs_sq(widened(g, t)) + t, updates, state.sum_of_squares)
        return map_present(divide, updates, total), ScaleByRssState(total)

    return GradientTransformation(init, update)


class ScaleByRmsState(NamedTuple):
    """The average of squares."""

    nu: Any


class ScaleByRmsWithCountState(NamedTuple):
    """How many steps were done, and the average of squares."""

    count: Any
    nu: Any


def _inverse_root(v: Any, eps: Any, eps_in_sqrt: bool) -> Any:
    if eps_in_sqrt:
        return lax.rsqrt(plus(v, eps))
    return 1 / plus(jnp.sqrt(v), eps)


@checked
def scale_by_rms(
    decay: Numeric = 0.9,
    eps: Numeric = 1e-8,
    initial_scale: Numeric = 0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> GradientTransformation:
    """Updates divided by their root mean square over past steps.

    Args:
        decay: the decay rate of the average of squares.
        eps: added to that average, or to its root.
        initial_scale: what the average begins with.
        eps_in_sqrt: whether eps is added under the root.
        bias_correction: whether the average is divided by 1 − decay^t.

    Returns:
        a `GradientTransformation`.

    Source: Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_rms(decay=0.75, eps=0.0)
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 2., -2.], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByRmsState | ScaleByRmsWithCountState:
        nu = _filled(params, initial_scale)
        return (
            ScaleByRmsWithCountState(step_count(), nu) if bias_correction else ScaleByRmsState(nu)
        )

    @public
    def update(updates: Updates, state: Any, params: Params = None) -> Any:
        nu = tree_update_moment_per_elem_norm(updates, state.nu, decay, 2)
        if bias_correction:
            count = safe_increment(state.count)
            average = tree_bias_correction(nu, decay, count)
            new: Any = ScaleByRmsWithCountState(count, nu)
        else:
            average, new = nu, ScaleByRmsState(nu)
        out = map_present(
            lambda g, v: _times(g, _inverse_root(v, eps, eps_in_sqrt)), updates, average
        )
        return out, new

    return GradientTransformation(init, update)


class ScaleByRStdDevState(NamedTuple):
    """The averages of updates and of their squares."""

    mu: Any
    nu: Any


class ScaleByRStdDevWithCountState(NamedTuple):
    """How many steps were done, and the averages of updates and of their squares."""

    count: Any
    mu: Any
    nu: Any


@checked
def scale_by_stddev(
    decay: Numeric = 0.9,
    eps: Numeric = 1e-8,
    initial_scale: Numeric = 0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> GradientTransformation:
    """Updates divided by their standard deviation over past steps.

    Args:
        decay: the decay rate of both averages.
        eps: added to the variance, or to its root.
        initial_scale: what the average of squares begins with.
        eps_in_sqrt: whether eps is added under the root.
        bias_correction: whether the averages are divided by 1 − decay^t.

    Returns:
        a `GradientTransformation`.

    Source: Graves, "Generating sequences with recurrent neural networks", 2013.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_stddev(decay=0.5, eps=0.0)
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 2., -2.], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByRStdDevState | ScaleByRStdDevWithCountState:
        mu, nu = tree_zeros_like(params), _filled(params, initial_scale)
        if bias_correction:
            return ScaleByRStdDevWithCountState(step_count(), mu, nu)
        return ScaleByRStdDevState(mu, nu)

    @public
    def update(updates: Updates, state: Any, params: Params = None) -> Any:
        mu = tree_update_moment(updates, state.mu, decay, 1)
        nu = tree_update_moment_per_elem_norm(updates, state.nu, decay, 2)
        if bias_correction:
            count = safe_increment(state.count)
            mean = tree_bias_correction(mu, decay, count)
            square = tree_bias_correction(nu, decay, count)
            new: Any = ScaleByRStdDevWithCountState(count, mu, nu)
        else:
            mean, square, new = mu, nu, ScaleByRStdDevState(mu, nu)

        def rescale(g: Any, m: Any, v: Any) -> Any:
            # Rounding may make the variance negative, in narrow floats above all.
            variance = jnp.maximum(v - abs_sq(widened(m, v)), 0)
            return _times(g, _inverse_root(variance, eps, eps_in_sqrt))

        return map_present(rescale, updates, mean, square), new

    return GradientTransformation(init, update)


class ScaleByAdaDeltaState(NamedTuple):
    """The averages of the squares of updates, before and after."""

    e_g: Any
    e_x: Any


@checked
def scale_by_adadelta(rho: Numeric = 0.9, eps: Numeric = 1e-6) -> GradientTransformation:
    """Updates over their root mean square, times the root mean square of past results.

    Args:
        rho: the decay rate of both averages of squares.
        eps: added to both averages.

    Returns:
        a `GradientTransformation`.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_adadelta(rho=0.75, eps=1e-2)
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 0.2  , -0.186], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByAdaDeltaState:
        return ScaleByAdaDeltaState(tree_zeros_for_squares(params), tree_zeros_for_squares(params))

    def rescale(g: Any, before: Any, after: Any) -> Any:
        return _times(g, jnp.sqrt(plus(after, eps)) / jnp.sqrt(plus(before, eps)))

    @public
    def update(updates: Updates, state: ScaleByAdaDeltaState, params: Params = None) -> Any:
        e_g = tree_update_moment(updates, state.e_g, rho, 2)
        out = map_present(rescale, updates, e_g, state.e_x)
        return out, ScaleByAdaDeltaState(e_g, tree_update_moment(out, state.e_x, rho, 2))

    return GradientTransformation(init, update)
