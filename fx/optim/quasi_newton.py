"""L-BFGS: curvature from the last steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import dtypes, lax, tree
from fx.errors import FxValueError, checked, public
from fx.optim.base import (
    GradientTransformation,
    GradientTransformationExtraArgs,
    Params,
    ScalarOrSchedule,
    Updates,
    identity,
    need_params,
)
from fx.optim.combine import chain
from fx.optim.linesearch import scale_by_zoom_linesearch
from fx.optim.numerics import safe_increment, scalar
from fx.optim.scaling import scale, scale_by_learning_rate, step_count
from fx.optim.tree_utils.arithmetic import (
    scaled,
    tree_norm,
    tree_real,
    tree_sub,
    tree_vdot,
    tree_zeros_like,
)
from fx.optim.tree_utils.moments import tree_cast_like, tree_dtype


class ScaleByLBFGSState(NamedTuple):
    """Steps done, the last parameters and updates, and the memory of their differences."""

    count: Any
    params: Any
    updates: Any
    diff_params_memory: Any
    diff_updates_memory: Any
    weights_memory: Any


def _inner(x: Any, y: Any) -> Any:
    return tree_real(tree_vdot(x, y))


@checked
def scale_by_lbfgs(
    memory_size: int = 10, scale_init_precond: bool = True
) -> GradientTransformation:
    """Updates times an approximation of the inverse Hessian, made of the last steps.

    Args:
        memory_size: how many steps it remembers.
        scale_init_precond: whether the approximation begins with a multiple of the identity that
            fits the last step, rather than with the identity.

    Returns:
        a `GradientTransformation` whose `update` needs parameters.

    Raises:
        FxValueError: memory_size is less than 1.

    Source: Nocedal and Wright, "Numerical optimization", 2006, algorithms 7.4 and 7.5.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx, params = optim.scale_by_lbfgs(), jnp.array([1.0, 2.0])
        >>> updates, state = tx.update(jnp.array([3.0, 4.0]), tx.init(params), params)
        >>> updates.round(3)
        Array([0.6, 0.8], dtype=float32)
    """
    if memory_size < 1:
        raise FxValueError(
            f"optim.scale_by_lbfgs: got memory_size={memory_size}, expected at least 1."
        )

    @public
    def init(params: Params) -> ScaleByLBFGSState:
        def memory() -> Any:
            return tree.map(lambda p: jnp.zeros((memory_size, *p.shape), p.dtype), params)

        real = dtypes.real_dtype(tree_dtype(params, "promote"))
        return ScaleByLBFGSState(
            count=step_count(),
            params=tree_zeros_like(params),
            updates=tree_zeros_like(params),
            diff_params_memory=memory(),
            diff_updates_memory=memory(),
            weights_memory=jnp.zeros(memory_size, dtypes.promote_types(real, jnp.float32)),
        )

    @public
    def update(updates: Updates, state: ScaleByLBFGSState, params: Params = None) -> Any:
        need_params("scale_by_lbfgs", params)
        some = state.count > 0

        def change(new: Any, old: Any) -> Any:
            return tree.map(lambda x: jnp.where(some, x, jnp.zeros_like(x)), tree_sub(new, old))

        step, turn = change(params, state.params), change(updates, state.updates)
        curvature = _inner(turn, step)
        weight = jnp.where(curvature == 0, 0, 1 / jnp.where(curvature == 0, 1, curvature))
        place = (state.count - 1) % memory_size

        def remember(memory: Any, new: Any) -> Any:
            return tree.map(lambda m, x: m.at[place].set(jnp.astype(x, m.dtype)), memory, new)

        steps = remember(state.diff_params_memory, step)
        turns = remember(state.diff_updates_memory, turn)
        weights = remember(state.weights_memory, weight)

        if scale_init_precond:
            square = tree_norm(turn, squared=True)
            fit = jnp.where(square > 0, curvature / jnp.where(square > 0, square, 1), 1)
            size = tree_norm(lax.stop_gradient(updates))
            first = jnp.minimum(1, 1 / jnp.where(size > 0, size, 1))
            factor = jnp.where(some, fit, first)
        else:
            factor = 1.0
        order = (state.count % memory_size + jnp.arange(memory_size)) % memory_size
        out = _precondition(updates, steps, turns, weights, factor, order)
        return out, ScaleByLBFGSState(
            safe_increment(state.count), params, updates, steps, turns, weights
        )

    return GradientTransformation(init, update)


def _precondition(
    updates: Updates, steps: Any, turns: Any, weights: Any, factor: Any, order: Any
) -> Updates:
    """The two loops of algorithm 7.4; `order` has the oldest step first."""

    def add(vector: Any, amount: Any, direction: Any) -> Any:
        new = tree.map(lambda v, d: v + scalar(amount, v) * d, vector, direction)
        return tree_cast_like(new, vector)

    def at(i: Any) -> tuple[Any, Any]:
        return tree.map(lambda m: m[i], (steps, turns))

    def backward(vector: Any, i: Any) -> tuple[Any, Any]:
        step, turn = at(i)
        alpha = weights[i] * _inner(step, vector)
        return add(vector, -alpha, turn), alpha

    def forward(vector: Any, pair: Any) -> tuple[Any, None]:
        i, alpha = pair
        step, turn = at(i)
        beta = weights[i] * _inner(turn, vector)
        return add(vector, alpha - beta, step), None

    vector, alphas = lax.scan(backward, updates, order, reverse=True)
    return lax.scan(forward, scaled(factor, vector), (order, alphas))[0]


# One object, so that signatures and defaults can be compared.
_ZOOM = scale_by_zoom_linesearch(max_linesearch_steps=20, initial_guess_strategy="one")


@checked
def lbfgs(
    learning_rate: ScalarOrSchedule | None = None,
    memory_size: int = 10,
    scale_init_precond: bool = True,
    linesearch: GradientTransformation | None = _ZOOM,
) -> GradientTransformationExtraArgs:
    """Newton's steps with curvature from the last steps, and a search for their size.

    Args:
        learning_rate: a factor of the direction, a number or a schedule; None for 1.
        memory_size: how many steps it remembers.
        scale_init_precond: whether the approximation of the inverse Hessian begins with a multiple
            of the identity that fits the last step.
        linesearch: what scales the direction; None for nothing.

    Returns:
        a `GradientTransformationExtraArgs` whose `update` needs parameters and, for the line
        search, the keywords `value`, `grad` and `value_fn`.

    Source: Nocedal and Wright, "Numerical optimization", 2006, algorithms 7.4 and 7.5; Liu and
    Nocedal, "On the limited memory BFGS method for large scale optimization", 1989.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.lbfgs(), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(3):
        ...     value, grad = fx.value_and_grad(loss)(x)
        ...     updates, state = tx.update(grad, state, x, value=value, grad=grad, value_fn=loss)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 1e-6)
        True
    """
    return chain(
        scale_by_lbfgs(memory_size, scale_init_precond),
        scale(-1.0) if learning_rate is None else scale_by_learning_rate(learning_rate),
        identity() if linesearch is None else linesearch,
    )
