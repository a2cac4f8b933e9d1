"""Adam and its kin: moving averages of gradients and of their squares."""

from __future__ import annotations

from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import tree
from fx.errors import FxValueError, checked, public
from fx.optim.base import GradientTransformation, Numeric, Params, Updates
from fx.optim.numerics import abs_sq, is_zero, safe_increment, scalar, widened
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import (
    map_present,
    tree_full_like,
    tree_sub,
    tree_zeros_for_squares,
    tree_zeros_like,
)
from fx.optim.tree_utils.moments import (
    tree_bias_correction,
    tree_cast,
    tree_update_infinity_moment,
    tree_update_moment,
    tree_update_moment_per_elem_norm,
)


class ScaleByAdamState(NamedTuple):
    """How many steps were done, and the averages of the updates and of their squares."""

    count: Any
    mu: Any
    nu: Any


def plus(x: Any, term: Any) -> Any:
    """x + term, without the sum where the term is the Python number 0."""
    return x if is_zero(term) else x + scalar(term, x)


def quotient(mu: Any, nu: Any, eps: Numeric, eps_root: Numeric) -> Any:
    """mu / (sqrt(nu + eps_root) + eps), leaf by leaf."""

    def divide(m: Any, v: Any) -> Any:
        return jnp.astype(widened(m, v) / plus(jnp.sqrt(plus(v, eps_root)), eps), m.dtype)

    return map_present(divide, mu, nu)


def first_moment(updates: Updates, mu: Any, b1: Numeric, count: Numeric, nesterov: bool) -> Any:
    """The corrected average of updates, a step ahead with Nesterov's momentum (Dozat, 2016)."""
    if not nesterov:
        return tree_bias_correction(mu, b1, count)
    ahead = tree_bias_correction(mu, b1, safe_increment(count))
    now = tree_bias_correction(updates, b1, count)
    return map_present(lambda m, g: scalar(b1, m) * m + (1 - scalar(b1, g)) * g, ahead, now)


@checked
def scale_by_adam(
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
    bias_correction: bool = True,
) -> GradientTransformation:
    """The average of updates, divided by the root of the average of their squares.

    Args:
        b1: the decay rate of the average of updates.
        b2: the decay rate of the average of squares.
        eps: added to the root.
        eps_root: added under the root; derivatives through the step need it to be positive.
        mu_dtype: the dtype of the average of updates; the parameters' if None.
        nesterov: whether to look one step ahead.
        bias_correction: whether the averages are divided by 1 − b^t, as they began with 0. This
            keyword is fx's own.

    Returns:
        a `GradientTransformation`.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_adam(eps=0.0)
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 1., -1.], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByAdamState:
        mu = tree_zeros_like(params, mu_dtype)
        return ScaleByAdamState(step_count(), mu, tree_zeros_for_squares(params))

    @public
    def update(updates: Updates, state: ScaleByAdamState, params: Params = None) -> Any:
        mu = tree_update_moment(updates, state.mu, b1, 1)
        nu = tree_update_moment_per_elem_norm(updates, state.nu, b2, 2)
        count = safe_increment(state.count)
        if bias_correction:
            mu_hat = first_moment(updates, mu, b1, count, nesterov)
            nu_hat = tree_bias_correction(nu, b2, count)
        else:
            mu_hat = tree_update_moment(updates, mu, b1, 1) if nesterov else mu
            nu_hat = nu
        out = quotient(mu_hat, nu_hat, eps, eps_root)
        return out, ScaleByAdamState(count, tree_cast(mu, mu_dtype), nu)

    return GradientTransformation(init, update)


class ScaleByAmsgradState(NamedTuple):
    """The state of Adam, and the largest average of squares so far."""

    count: Any
    mu: Any
    nu: Any
    nu_max: Any


@checked
def scale_by_amsgrad(
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
    mu_dtype: Any = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> GradientTransformation:
    """Adam with the largest average of squares so far, so that no step size grows.

    Args:
        b1: the decay rate of the average of updates.
        b2: the decay rate of the average of squares.
        eps: added to the root.
        eps_root: added under the root.
        mu_dtype: the dtype of the average of updates; the parameters' if None.
        bias_correction_mu: whether the average of updates is divided by 1 − b1^t.
        bias_correction_nu: whether the average of squares is divided by 1 − b2^t.

    Returns:
        a `GradientTransformation`.

    Source: Reddi, Kale and Kumar, "On the convergence of Adam and beyond", 2018.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_amsgrad(eps=0.0)
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 1., -1.], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByAmsgradState:
        nu, nu_max = tree_zeros_for_squares(params), tree_zeros_for_squares(params)
        return ScaleByAmsgradState(step_count(), tree_zeros_like(params, mu_dtype), nu, nu_max)

    @public
    def update(updates: Updates, state: ScaleByAmsgradState, params: Params = None) -> Any:
        mu = tree_update_moment(updates, state.mu, b1, 1)
        nu = tree_update_moment_per_elem_norm(updates, state.nu, b2, 2)
        count = safe_increment(state.count)
        mu_hat = tree_bias_correction(mu, b1, count) if bias_correction_mu else mu
        nu_hat = tree_bias_correction(nu, b2, count) if bias_correction_nu else nu
        nu_max = map_present(jnp.maximum, nu_hat, state.nu_max)
        out = quotient(mu_hat, nu_max, eps, eps_root)
        return out, ScaleByAmsgradState(count, tree_cast(mu, mu_dtype), nu, nu_max)

    return GradientTransformation(init, update)


@checked
def scale_by_adamax(
    b1: Numeric = 0.9, b2: Numeric = 0.999, eps: Numeric = 1e-8
) -> GradientTransformation:
    """The average of updates, divided by their decaying maximum.

    Args:
        b1: the decay rate of the average of updates.
        b2: the decay rate of the maximum.
        eps: added to the size of each update.

    Returns:
        a `GradientTransformation`.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, section 7.1.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_adamax(eps=0.0)
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 1., -1.], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByAdamState:
        nu = tree_zeros_for_squares(params)
        return ScaleByAdamState(step_count(), tree_zeros_like(params), nu)

    @public
    def update(updates: Updates, state: ScaleByAdamState, params: Params = None) -> Any:
        count = safe_increment(state.count)
        mu = tree_update_moment(updates, state.mu, b1, 1)
        nu = tree_update_infinity_moment(updates, state.nu, b2, eps)
        mu_hat = tree_bias_correction(mu, b1, count)
        out = map_present(lambda m, v: jnp.astype(widened(m, v) / v, m.dtype), mu_hat, nu)
        return out, ScaleByAdamState(count, mu, nu)

    return GradientTransformation(init, update)


class ScaleByBeliefState(NamedTuple):
    """How many steps were done, and the averages of the updates and of squared surprises."""

    count: Any
    mu: Any
    nu: Any


@checked
def scale_by_belief(
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-16,
    eps_root: Numeric = 1e-16,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    """Adam with the squares of (update − average) instead of the squares of updates.

    Args:
        b1: the decay rate of the average of updates.
        b2: the decay rate of the average of squares.
        eps: added to the root.
        eps_root: added to the average of squares in every step.
        nesterov: whether to look one step ahead.

    Returns:
        a `GradientTransformation`.

    Source: Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed
    gradients", 2020.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_belief()
        >>> tx.update(jnp.array([9.0, -0.9]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 1.111, -1.111], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByBeliefState:
        return ScaleByBeliefState(
            step_count(), tree_zeros_like(params), tree_zeros_for_squares(params)
        )

    @public
    def update(updates: Updates, state: ScaleByBeliefState, params: Params = None) -> Any:
        mu = tree_update_moment(updates, state.mu, b1, 1)
        surprise = tree_sub(updates, mu)
        nu = tree_update_moment_per_elem_norm(surprise, state.nu, b2, 2)
        nu = map_present(lambda v: plus(v, eps_root), nu)
        count = safe_increment(state.count)
        mu_hat = first_moment(updates, mu, b1, count, nesterov)
        out = quotient(mu_hat, tree_bias_correction(nu, b2, count), eps, 0.0)
        return out, ScaleByBeliefState(count, mu, nu)

    return GradientTransformation(init, update)


@checked
def scale_by_yogi(
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-3,
    eps_root: Numeric = 0.0,
    initial_accumulator_value: Numeric = 1e-6,
) -> GradientTransformation:
    """Adam whose average of squares changes by a bounded amount in each step.

    Args:
        b1: the decay rate of the average of updates.
        b2: the decay rate of the average of squares.
        eps: added to the root.
        eps_root: added under the root.
        initial_accumulator_value: what both averages begin with.

    Returns:
        a `GradientTransformation`.

    Source: Zaheer, Reddi, Sachan, Kale and Kumar, "Adaptive methods for nonconvex optimization",
    2018.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_yogi(eps=0.0, initial_accumulator_value=0.0)
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 1., -1.], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByAdamState:
        value = initial_accumulator_value
        nu = tree.map(lambda z: z + value, tree_zeros_for_squares(params))
        return ScaleByAdamState(step_count(), tree_full_like(params, value), nu)

    def grow(g: Any, v: Any) -> Any:
        square = abs_sq(widened(g, v))
        return v - (1 - scalar(b2, v)) * jnp.sign(v - square) * square

    @public
    def update(updates: Updates, state: ScaleByAdamState, params: Params = None) -> Any:
        mu = tree_update_moment(updates, state.mu, b1, 1)
        nu = map_present(grow, updates, state.nu)
        count = safe_increment(state.count)
        mu_hat = tree_bias_correction(mu, b1, count)
        out = quotient(mu_hat, tree_bias_correction(nu, b2, count), eps, eps_root)
        return out, ScaleByAdamState(count, mu, nu)

    return GradientTransformation(init, update)


@checked
def scale_by_radam(
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
    threshold: Numeric = 5.0,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    """Adam that divides by the root only when enough steps make it reliable.

    Args:
        b1: the decay rate of the average of updates.
        b2: the decay rate of the average of squares.
        eps: added to the root.
        eps_root: added under the root.
        threshold: from which length of the averaged window on it divides.
        nesterov: whether to look one step ahead.

    Returns:
        a `GradientTransformation`.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond", 2020.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_radam()
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 4. , -0.5], dtype=float32)
    """
    if isinstance(b2, (int, float)) and b2 == 1:
        raise FxValueError("optim.scale_by_radam: b2 must be less than 1, got 1.")
    longest = 2.0 / (1.0 - b2) - 1.0

    @public
    def init(params: Params) -> ScaleByAdamState:
        return ScaleByAdamState(
            step_count(), tree_zeros_like(params), tree_zeros_for_squares(params)
        )

    @public
    def update(updates: Updates, state: ScaleByAdamState, params: Params = None) -> Any:
        mu = tree_update_moment(updates, state.mu, b1, 1)
        nu = tree_update_moment_per_elem_norm(updates, state.nu, b2, 2)
        count = safe_increment(state.count)
        power = b2**count
        length = longest - 2 * count * power / (1 - power)
        reliable = length >= threshold
        safe = jnp.where(reliable, length, 5.0)  # the root below is of a negative number else
        rectify = jnp.sqrt(
            (safe - 4) * (safe - 2) * longest / ((longest - 4) * (longest - 2) * safe)
        )
        mu_hat = first_moment(updates, mu, b1, count, nesterov)
        adaptive = quotient(mu_hat, tree_bias_correction(nu, b2, count), eps, eps_root)
        out = map_present(
            lambda m, u: jnp.where(reliable, scalar(rectify, u) * u, m), mu_hat, adaptive
        )
        return out, ScaleByAdamState(count, mu, nu)

    return GradientTransformation(init, update)


class ScaleByAdanState(NamedTuple):
    """Averages of updates, of their differences and of squares; the last update; the steps."""

    m: Any
    v: Any
    n: Any
    g: Any
    t: Any


@checked
def scale_by_adan(
    b1: Numeric = 0.98,
    b2: Numeric = 0.92,
    b3: Numeric = 0.99,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
) -> GradientTransformation:
    """Adam with Nesterov's momentum, made of the differences of successive updates.

    Args:
        b1: the decay rate of the average of updates.
        b2: the decay rate of the average of differences.
        b3: the decay rate of the average of squares.
        eps: added to the root.
        eps_root: added under the root.

    Returns:
        a `GradientTransformation`.

    Source: Xie, Zhou, Li, Lin and Yan, "Adan: adaptive Nesterov momentum algorithm for faster
    optimizing deep models", 2022.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_adan(eps=0.0)
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0].round(3)
        Array([ 1., -1.], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByAdanState:
        m, v, g = (tree_zeros_like(params) for _ in range(3))
        return ScaleByAdanState(m, v, tree_zeros_for_squares(params), g, step_count())

    def add_part(x: Any, y: Any) -> Any:
        return x + (1 - scalar(b2, y)) * y

    @public
    def update(updates: Updates, state: ScaleByAdanState, params: Params = None) -> Any:
        first = state.t == 0
        change = map_present(
            lambda g, old: jnp.where(first, jnp.zeros_like(g), g - old), updates, state.g
        )
        m = tree_update_moment(updates, state.m, b1, 1)
        v = tree_update_moment(change, state.v, b2, 1)
        ahead = map_present(add_part, updates, change)
        n = tree_update_moment_per_elem_norm(ahead, state.n, b3, 2)
        t = safe_increment(state.t)
        step = map_present(add_part, tree_bias_correction(m, b1, t), tree_bias_correction(v, b2, t))
        out = quotient(step, tree_bias_correction(n, b3, t), eps, eps_root)
        return out, ScaleByAdanState(m, v, n, updates, t)

    return GradientTransformation(init, update)


class ScaleByLionState(NamedTuple):
    """How many steps were done, and the average of the updates."""

    count: Any
    mu: Any


@checked
def scale_by_lion(
    b1: Numeric = 0.9,
    b2: Numeric = 0.99,
    mu_dtype: Any = None,
    *,
    mode: str = "hard",
    smooth_beta: float = 1.0,
) -> GradientTransformation:
    """The sign of a mix of the update and the average of past ones.

    Args:
        b1: the weight of the average in the mix.
        b2: the decay rate of the average.
        mu_dtype: the dtype of the average; the parameters' if None.
        mode: "hard" for the sign, "smooth" for tanh(smooth_beta · mix), "refined" for the mix
            clipped to [−1, 1].
        smooth_beta: the slope of "smooth".

    Returns:
        a `GradientTransformation`.

    Raises:
        FxValueError: another mode.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", 2023.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_lion()
        >>> tx.update(jnp.array([4.0, -0.5]), tx.init(jnp.ones(2)))[0]
        Array([ 1., -1.], dtype=float32)
    """
    shapes = {
        "hard": jnp.sign,
        "smooth": lambda x: jnp.tanh(smooth_beta * x),
        "refined": lambda x: jnp.clip(x, -1, 1),
    }
    if mode not in shapes:
        raise FxValueError(
            f"optim.scale_by_lion: got mode={mode!r}, expected one of {sorted(shapes)}."
        )

    @public
    def init(params: Params) -> ScaleByLionState:
        return ScaleByLionState(step_count(), tree_zeros_like(params, mu_dtype))

    @public
    def update(updates: Updates, state: ScaleByLionState, params: Params = None) -> Any:
        mix = tree_update_moment(updates, state.mu, b1, 1)
        out = tree.map(shapes[mode], mix)
        mu = tree_cast(tree_update_moment(updates, state.mu, b2, 1), mu_dtype)
        return out, ScaleByLionState(safe_increment(state.count), mu)

    return GradientTransformation(init, update)
