"""Updates that look at signs, norms, the last step, or the value of the loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import dtypes, tree
from fx.errors import FxTypeError, FxValueError, checked, public
from fx.optim.adam import plus
from fx.optim.base import (
    EmptyState,
    GradientTransformation,
    GradientTransformationExtraArgs,
    Numeric,
    Params,
    ScalarOrSchedule,
    Updates,
    init_empty_state,
    need_params,
)
from fx.optim.numerics import abs_sq, is_zero, safe_increment, scalar, square_dtype, widened
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import (
    scaled,
    tree_full_like,
    tree_norm,
    tree_zeros_like,
)
from fx.optim.tree_utils.moments import tree_cast


class ScaleByOptimisticGradientState(NamedTuple):
    """Whether no step was done, and the last updates."""

    is_initial_step: Any
    previous_gradient: Any


@checked
def scale_by_optimistic_gradient(
    alpha: Numeric = 1.0, beta: Numeric = 1.0
) -> GradientTransformation:
    """alpha · update + beta · (update − last update).

    Args:
        alpha: the weight of the update.
        beta: the weight of its difference from the last one.

    Returns:
        a `GradientTransformation`.

    Source: Mokhtari, Ozdaglar and Pattathil, "A unified analysis of extra-gradient and optimistic
    gradient methods for saddle point problems", 2020.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_optimistic_gradient()
        >>> first, state = tx.update(jnp.array([4.0]), tx.init(jnp.ones(1)))
        >>> first, tx.update(jnp.array([5.0]), state)[0]
        (Array([4.], dtype=float32), Array([6.], dtype=float32))
    """

    @public
    def init(params: Params) -> ScaleByOptimisticGradientState:
        return ScaleByOptimisticGradientState(jnp.array(True), tree_zeros_like(params))

    @public
    def update(
        updates: Updates, state: ScaleByOptimisticGradientState, params: Params = None
    ) -> Any:
        def step(g: Any, last: Any) -> Any:
            last = jnp.where(state.is_initial_step, g, last)
            a, b = scalar(alpha, g), scalar(beta, g)
            return (a + b) * g - b * last

        new = ScaleByOptimisticGradientState(jnp.array(False), updates)
        return tree.map(step, updates, state.previous_gradient), new

    return GradientTransformation(init, update)


class ScaleByNovogradState(NamedTuple):
    """How many steps were done, the sum of steps, and the average squared norm of each array."""

    count: Any
    mu: Any
    nu: Any


@checked
def scale_by_novograd(
    b1: Numeric = 0.9,
    b2: Numeric = 0.25,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
    weight_decay: ScalarOrSchedule = 0.0,
    mu_dtype: Any = None,
) -> GradientTransformation:
    """Updates over the average norm of their array, with weight decay and momentum.

    Args:
        b1: the decay rate of the sum of past steps.
        b2: the decay rate of the average of squared norms.
        eps: added to the root of that average.
        eps_root: added under the root.
        weight_decay: how much of each parameter is added.
        mu_dtype: the dtype of the sum; the parameters' if None.

    Returns:
        a `GradientTransformation` whose `update` needs parameters.

    Source: Ginsburg et al., "Stochastic gradient methods with layer-wise adaptive moments for
    training of deep networks", 2019.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.scale_by_novograd(eps=0.0), jnp.ones(2)
        >>> tx.update(jnp.array([3.0, 4.0]), tx.init(params), params)[0].round(3)
        Array([0.6, 0.8], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByNovogradState:
        nu = tree.map(lambda p: jnp.zeros((), square_dtype(p.dtype)), params)
        return ScaleByNovogradState(step_count(), tree_zeros_like(params, mu_dtype), nu)

    @public
    def update(updates: Updates, state: ScaleByNovogradState, params: Params = None) -> Any:
        need_params("scale_by_novograd", params)
        first = state.count == 0

        def average(g: Any, v: Any) -> Any:
            norm = jnp.sum(abs_sq(widened(g, v)))
            decay = scalar(b2, v)
            return jnp.where(first, norm, (1 - decay) * norm + decay * v)

        def step(g: Any, p: Any, m: Any, v: Any) -> Any:
            new = jnp.astype(g / plus(jnp.sqrt(plus(v, eps_root)), eps), g.dtype)
            if not is_zero(weight_decay):
                new = new + scalar(weight_decay, p) * p
            return jnp.where(first, new, scalar(b1, m) * m + new)

        nu = tree.map(average, updates, state.nu)
        mu = tree_cast(tree.map(step, updates, params, state.mu, nu), mu_dtype)
        return mu, ScaleByNovogradState(safe_increment(state.count), mu, nu)

    return GradientTransformation(init, update)


class ScaleByRpropState(NamedTuple):
    """The size of each number's step, and the last steps."""

    step_sizes: Any
    prev_updates: Any


@checked
def scale_by_rprop(
    learning_rate: ScalarOrSchedule,
    eta_minus: Numeric = 0.5,
    eta_plus: Numeric = 1.2,
    min_step_size: Numeric = 1e-6,
    max_step_size: Numeric = 50.0,
) -> GradientTransformation:
    """The sign of each update, times a step size that grows while the sign stays.

    Args:
        learning_rate: the size of the first steps.
        eta_minus: the factor of a step size when the update has changed its sign.
        eta_plus: the factor when it has not.
        min_step_size: the smallest step.
        max_step_size: the largest step.

    Returns:
        a `GradientTransformation`. After a change of sign the step is 0.

    Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning:
    the RPROP algorithm", 1993; Igel and Hüsken, "Improving the Rprop learning algorithm", 2000.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_rprop(0.5)
        >>> tx.update(jnp.array([3.0, -4.0]), tx.init(jnp.ones(2)))[1].prev_updates
        Array([ 0.5, -0.5], dtype=float32)
    """

    @public
    def init(params: Params) -> ScaleByRpropState:
        return ScaleByRpropState(tree_full_like(params, learning_rate), tree_zeros_like(params))

    def resize(g: Any, last: Any, size: Any) -> Any:
        agree = g * last
        grown = jnp.clip(
            size * jnp.where(agree > 0, scalar(eta_plus, size), scalar(eta_minus, size)),
            scalar(min_step_size, size),
            scalar(max_step_size, size),
        )
        return jnp.where(agree == 0, size, grown)

    def move(g: Any, last: Any, size: Any) -> Any:
        return jnp.where(g * last < 0, jnp.zeros_like(g), size * jnp.sign(g))

    @public
    def update(updates: Updates, state: ScaleByRpropState, params: Params = None) -> Any:
        sizes = tree.map(resize, updates, state.prev_updates, state.step_sizes)
        steps = tree.map(move, updates, state.prev_updates, sizes)
        return steps, ScaleByRpropState(sizes, steps)

    return GradientTransformation(init, update)


@checked
def scale_by_polyak(
    f_min: Numeric = 0.0,
    max_learning_rate: ScalarOrSchedule = 1.0,
    eps: Numeric = 0.0,
    variant: str = "sps",
) -> GradientTransformationExtraArgs:
    """Updates times (value − f_min) / ‖updates‖², the step to the root of a tangent plane.

    Args:
        f_min: the minimum of the loss.
        max_learning_rate: the largest factor.
        eps: added to the squared norm.
        variant: "sps", or "sps+" for the factor 0 where the value is below f_min.

    Returns:
        a `GradientTransformationExtraArgs` without state, whose `update` needs the keyword
        `value`, the loss at the parameters.

    Raises:
        FxValueError: another variant.

    Source: Loizou, Vaswani, Laradji and Lacoste-Julien, "Stochastic Polyak step-size for SGD: an
    adaptive learning rate for fast convergence", 2021.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.scale_by_polyak()
        >>> tx.update(jnp.array([2.0]), tx.init(jnp.ones(1)), value=1.0)[0]
        Array([0.5], dtype=float32)
    """
    if variant not in ("sps", "sps+"):
        raise FxValueError(
            f"optim.scale_by_polyak: got variant={variant!r}, expected 'sps' or 'sps+'."
        )

    @public
    def update(
        updates: Updates,
        state: EmptyState,
        params: Params = None,
        *,
        value: Any = None,
        **extra_args: Any,
    ) -> Any:
        if value is None:
            raise FxTypeError(
                "optim.scale_by_polyak: update() got no value of the loss. "
                "Write tx.update(grads, state, params, value=loss(params))."
            )
        square = plus(tree_norm(updates, squared=True), eps)
        gap = scalar(jnp.asarray(value) - f_min, square)
        if variant == "sps+":
            gap = jnp.maximum(gap, 0)
        flat = square <= float(dtypes.finfo(square.dtype).eps)
        rate = jnp.minimum(gap / jnp.where(flat, 1, square), scalar(max_learning_rate, square))
        return scaled(jnp.where(flat, jnp.zeros_like(rate), rate), updates), state

    return GradientTransformationExtraArgs(init_empty_state, update)
