"""Learning rates from the distance travelled."""

from __future__ import annotations

from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import tree
from fx.errors import checked, public
from fx.optim.base import GradientTransformation, Numeric, Params, Updates, need_params
from fx.optim.numerics import abs_sq, safe_norm, scalar
from fx.optim.tree_utils.moments import tree_cast


class ScaleByDistanceOverGradientsState(NamedTuple):
    """For each array the largest distance from its start, and the sum of squared gradients."""

    max_dist: Any
    grad_sum_of_squares: Any
    init_params: Any


@checked
def scale_by_distance_over_gradients(
    reps_rel: Numeric = 1e-6,
    eps: Numeric = 1e-8,
    param_dtype: Any = jnp.float32,
    global_scale: Any = 1.0,
) -> GradientTransformation:
    """Each array's updates times distance / √(sum of squared norms): no learning rate to choose.

    Args:
        reps_rel: the distance at the start, as a part of 1 + ‖parameters‖.
        eps: added to the sum.
        param_dtype: the dtype in which the first parameters are kept.
        global_scale: a factor.

    Returns:
        a `GradientTransformation` whose `update` needs parameters.

    Source: Ivgi, Hinder and Carmon, "DoG is SGD's best friend: a parameter-free dynamic step size
    schedule", 2023.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.scale_by_distance_over_gradients(1.0, eps=0.0), jnp.zeros(2)
        >>> tx.update(jnp.array([3.0, 4.0]), tx.init(params), params)[0].round(3)
        Array([0.6, 0.8], dtype=float32)
    """

    def norm(x: Any) -> Any:
        return safe_norm(x, 0.0)  # which has a derivative at the start, where x is 0

    @public
    def init(params: Params) -> ScaleByDistanceOverGradientsState:
        first = tree_cast(params, param_dtype)
        return ScaleByDistanceOverGradientsState(
            tree.map(lambda p: reps_rel * (1 + norm(p)), first),
            tree.map(lambda p: jnp.zeros(1), params),
            first,
        )

    @public
    def update(
        updates: Updates, state: ScaleByDistanceOverGradientsState, params: Params = None
    ) -> Any:
        need_params("scale_by_distance_over_gradients", params)
        distance = tree.map(
            lambda d, p, start: jnp.maximum(d, scalar(norm(p - start), d)),
            state.max_dist,
            params,
            state.init_params,
        )
        squares = tree.map(
            lambda s, g: s + scalar(jnp.sum(abs_sq(g)), s), state.grad_sum_of_squares, updates
        )

        def rescale(g: Any, d: Any, s: Any) -> Any:
            # The sum has shape (1,), as in Optax; a number's updates shall stay a number.
            return scalar(jnp.reshape(global_scale * (d / jnp.sqrt(s + eps)), ()), g) * g

        out = tree.map(rescale, updates, distance, squares)
        return out, ScaleByDistanceOverGradientsState(distance, squares, state.init_params)

    return GradientTransformation(init, update)
