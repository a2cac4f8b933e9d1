"""Step sizes that are searched for along the direction of the updates: Armijo and Wolfe."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import debug, dtypes, lax, tree
from fx.errors import FxTypeError, FxValueError, checked, public
from fx.optim.base import (
    GradientTransformationExtraArgs,
    Params,
    Updates,
    need_params,
)
from fx.optim.tree_utils.arithmetic import (
    map_present,
    scaled,
    tree_conj,
    tree_real,
    tree_vdot,
    tree_zeros_like,
)
from fx.optim.tree_utils.moments import tree_cast_like
from fx.optim.tree_utils.states import tree_get
from fx.optim.zoom import ZoomOptions, zoom
from fx.transforms.grad import value_and_grad


def _value_dtype(params: Params) -> Any:
    return dtypes.real_dtype(tree.leaves(params)[0].dtype)


def _loss_of(
    name: str, value_fn: Any, value: Any, grad: Any, extra_args: Any
) -> Callable[..., Any]:
    """The function of parameters alone, of the keywords that `value_fn` takes."""
    missing = [
        word
        for word, got in (("value", value), ("grad", grad), ("value_fn", value_fn))
        if got is None
    ]
    if missing:
        raise FxTypeError(
            f"optim.{name}: update() got no {', '.join(missing)}. Write "
            "tx.update(grads, state, params, value=value, grad=grads, value_fn=loss)."
        )
    parameters = inspect.signature(value_fn).parameters.values()
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        unknown = sorted(set(extra_args) - {p.name for p in parameters})
        if unknown:
            raise FxTypeError(
                f"optim.{name}: update() got the keywords {unknown}, which value_fn does not take."
            )
    return lambda params: value_fn(params, **extra_args)


def _along(params: Params, step: Any, updates: Updates) -> Params:
    return map_present(lambda p, u: p + jnp.astype(step, p.dtype) * u, params, updates)


class BacktrackingLinesearchInfo(NamedTuple):
    """How often the loss was evaluated, and by how much the decrease was missed."""

    num_linesearch_steps: Any
    decrease_error: Any


class ScaleByBacktrackingLinesearchState(NamedTuple):
    """The step size, the loss and perhaps the gradient after it, and facts about the search."""

    learning_rate: Any
    value: Any
    grad: Any
    info: BacktrackingLinesearchInfo


@checked
def scale_by_backtracking_linesearch(
    max_backtracking_steps: int,
    slope_rtol: float = 1e-4,
    decrease_factor: float = 0.8,
    increase_factor: float = 1.5,
    max_learning_rate: float = 1.0,
    atol: float = 0.0,
    rtol: float = 0.0,
    store_grad: bool = False,
    verbose: bool = False,
) -> GradientTransformationExtraArgs:
    """Updates times the first step size, of a falling sequence, that decreases the loss enough.

    Enough is f(x + s u) ≤ (1 + rtol) f(x) + slope_rtol · s · ⟨u, ∇f(x)⟩ + atol.

    Args:
        max_backtracking_steps: how often the step size is decreased at most.
        slope_rtol: the part of the slope that the decrease has to reach.
        decrease_factor: the factor of a step size that is too large.
        increase_factor: the first step size is the last one found times this factor.
        max_learning_rate: the largest step size.
        atol: an absolute tolerance.
        rtol: a tolerance relative to the loss.
        store_grad: whether the gradient at the new parameters is computed and kept in the state,
            for `value_and_grad_from_state`.
        verbose: whether a search that fails prints so.

    Returns:
        a `GradientTransformationExtraArgs` whose `update` needs parameters and the keywords
        `value` (the loss there), `grad` (its gradient) and `value_fn` (the loss as a function of
        parameters); other keywords go to value_fn.

    Source: Armijo, "Minimization of functions having Lipschitz continuous first partial
    derivatives", 1966; Nocedal and Wright, "Numerical optimization", 2006, algorithm 3.1.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum(x**2)
        >>> tx = optim.chain(optim.sgd(1.0), optim.scale_by_backtracking_linesearch(15))
        >>> x = jnp.array([4.0])
        >>> value, grad = fx.value_and_grad(loss)(x)
        >>> updates, state = tx.update(grad, tx.init(x), x, value=value, grad=grad, value_fn=loss)
        >>> bool(loss(x + updates) < value)
        True
    """
    name = "scale_by_backtracking_linesearch"

    @public
    def init(params: Params) -> ScaleByBacktrackingLinesearchState:
        dtype = _value_dtype(params)
        return ScaleByBacktrackingLinesearchState(
            learning_rate=jnp.ones((), dtype),
            value=jnp.full((), jnp.inf, dtype),
            grad=tree_zeros_like(params) if store_grad else None,
            info=BacktrackingLinesearchInfo(jnp.zeros((), jnp.int32), jnp.full((), jnp.inf, dtype)),
        )

    @public
    def update(
        updates: Updates,
        state: ScaleByBacktrackingLinesearchState,
        params: Params = None,
        *,
        value: Any = None,
        grad: Any = None,
        value_fn: Any = None,
        **extra_args: Any,
    ) -> Any:
        need_params(name, params)
        loss = _loss_of(name, value_fn, value, grad, extra_args)
        dtype = state.value.dtype
        start = jnp.asarray(value, dtype=dtype)
        slope = jnp.asarray(tree_real(tree_vdot(updates, tree_conj(grad))), dtype=dtype)

        def missing(step: Any, reached: Any) -> Any:
            error = reached - (1 + rtol) * start - step * slope_rtol * slope
            return jnp.maximum(jnp.where(jnp.isnan(error), jnp.inf, error), 0)

        def searching(carry: Any) -> Any:
            _, _, error, count = carry
            return jnp.logical_and(jnp.logical_not(error <= atol), count <= max_backtracking_steps)

        def shrink(carry: Any) -> Any:
            step, _, _, count = carry
            step = jnp.where(count > 0, decrease_factor * step, step)
            reached = jnp.asarray(loss(_along(params, step, updates)), dtype=dtype)
            return step, reached, missing(step, reached), count + 1

        first = jnp.minimum(increase_factor * state.learning_rate, max_learning_rate)
        carry = (first, start, jnp.full((), jnp.inf, dtype), jnp.zeros((), jnp.int32))
        step, reached, error, count = lax.while_loop(searching, shrink, carry)
        if verbose:
            _print_if(
                error > atol,
                "optim." + name + ": no step size decreases {value} enough along a slope of "
                "{slope}; took {step}, which misses it by {error}",
                value=start,
                slope=slope,
                step=step,
                error=error,
            )
        step = jnp.where(jnp.isinf(error), 0, step)
        new_grad = None
        if store_grad:
            new_grad = value_and_grad(loss)(_along(params, step, updates))[1]
        info = BacktrackingLinesearchInfo(count, error)
        new = ScaleByBacktrackingLinesearchState(step, reached, new_grad, info)
        return scaled(step, updates), tree_cast_like(new, state)

    return GradientTransformationExtraArgs(init, update)


class ZoomLinesearchInfo(NamedTuple):
    """How often the loss was evaluated, and by how much the two conditions were missed."""

    num_linesearch_steps: Any
    decrease_error: Any
    curvature_error: Any


class ScaleByZoomLinesearchState(NamedTuple):
    """The step size, the loss and the gradient after it, and facts about the search."""

    learning_rate: Any
    value: Any
    grad: Any
    info: ZoomLinesearchInfo


@checked
def scale_by_zoom_linesearch(
    max_linesearch_steps: int,
    max_learning_rate: float | None = None,
    tol: float = 0.0,
    increase_factor: float = 2.0,
    slope_rtol: float = 1e-4,
    curv_rtol: float = 0.9,
    approx_dec_rtol: float | None = 1e-6,
    stepsize_precision: float = 1e-5,
    initial_guess_strategy: str = "keep",
    verbose: bool = False,
) -> GradientTransformationExtraArgs:
    """Updates times a step size that decreases the loss enough and makes its slope flat enough.

    Step sizes grow until an interval must hold such a point; then cubic and quadratic models of
    the loss, or halving, narrow the interval.

    Args:
        max_linesearch_steps: how often the loss is evaluated at most.
        max_learning_rate: the largest step size; None for none.
        tol: by how much both conditions may be missed.
        increase_factor: the factor of step sizes while they grow.
        slope_rtol: the part of the slope that the decrease has to reach.
        curv_rtol: the part of the slope that the new slope may have, in size.
        approx_dec_rtol: the relative change of the loss below which its rounding is trusted less
            than slopes; None to trust it always.
        stepsize_precision: the length of an interval that is not narrowed any further.
        initial_guess_strategy: the first step size: "one" for 1, "keep" for the last one found.
        verbose: whether a search that fails prints so.

    Returns:
        a `GradientTransformationExtraArgs` whose `update` needs parameters and the keywords
        `value` (the loss there), `grad` (its gradient) and `value_fn` (the loss as a function of
        parameters); other keywords go to value_fn.

    Raises:
        FxValueError: another strategy.

    Source: Nocedal and Wright, "Numerical optimization", 2006, algorithms 3.5 and 3.6; Hager and
    Zhang, "Algorithm 851: CG_DESCENT, a conjugate gradient method with guaranteed descent", 2006,
    for the approximate decrease.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum(x**2)
        >>> tx = optim.chain(optim.sgd(1.0), optim.scale_by_zoom_linesearch(15))
        >>> x = jnp.array([4.0])
        >>> value, grad = fx.value_and_grad(loss)(x)
        >>> updates, state = tx.update(grad, tx.init(x), x, value=value, grad=grad, value_fn=loss)
        >>> x + updates
        Array([0.], dtype=float32)
    """
    name = "scale_by_zoom_linesearch"
    if initial_guess_strategy not in ("one", "keep"):
        raise FxValueError(
            f"optim.{name}: got initial_guess_strategy={initial_guess_strategy!r}, expected 'one' "
            "or 'keep'."
        )
    options = ZoomOptions(
        max_linesearch_steps,
        max_learning_rate,
        tol,
        increase_factor,
        slope_rtol,
        curv_rtol,
        approx_dec_rtol,
        stepsize_precision,
    )

    @public
    def init(params: Params) -> ScaleByZoomLinesearchState:
        dtype = _value_dtype(params)
        return ScaleByZoomLinesearchState(
            learning_rate=jnp.ones((), dtype),
            value=jnp.full((), jnp.inf, dtype),
            grad=tree_zeros_like(params),
            info=ZoomLinesearchInfo(
                jnp.zeros((), jnp.int32),
                jnp.full((), jnp.inf, dtype),
                jnp.full((), jnp.inf, dtype),
            ),
        )

    @public
    def update(
        updates: Updates,
        state: ScaleByZoomLinesearchState,
        params: Params = None,
        *,
        value: Any = None,
        grad: Any = None,
        value_fn: Any = None,
        **extra_args: Any,
    ) -> Any:
        need_params(name, params)
        loss = value_and_grad(_loss_of(name, value_fn, value, grad, extra_args))
        dtype = state.value.dtype

        def on_line(step: Any) -> tuple[Any, Any, Any]:
            reached, slope_grad = loss(_along(params, step, updates))
            return jnp.asarray(reached, dtype=dtype), slope_of(slope_grad), slope_grad

        def slope_of(g: Any) -> Any:
            return jnp.asarray(tree_real(tree_vdot(tree_conj(g), updates)), dtype=dtype)

        guess = jnp.ones((), dtype) if initial_guess_strategy == "one" else state.learning_rate
        start = (jnp.asarray(value, dtype=dtype), slope_of(grad), tree_cast_like(grad, params))
        end = zoom(on_line, start, guess, options)
        if verbose:
            _print_if(
                end.failed,
                "optim." + name + ": no step size meets both conditions along a slope of {slope}; "
                "took {step}, which misses them by {decrease} and {curvature}",
                slope=start[1],
                step=end.step,
                decrease=end.decrease_error,
                curvature=end.curvature_error,
            )
        info = ZoomLinesearchInfo(end.count, end.decrease_error, end.curvature_error)
        new = ScaleByZoomLinesearchState(end.step, end.value, end.grad, info)
        return scaled(end.step, updates), tree_cast_like(new, state)

    return GradientTransformationExtraArgs(init, update)


@checked
def value_and_grad_from_state(value_fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fx.value_and_grad` that takes both from the state of a line search, where it has them.

    Args:
        value_fn: a loss of (params, *args, **kwargs).

    Returns:
        a function of (params, *args, state, **kwargs) to (value, gradient). It evaluates value_fn
        only where the state has no finite value, as before the first step.

    Raises:
        FxValueError: the state has no `value` or `grad`.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss, tx, x = lambda x: jnp.sum(x**2), optim.lbfgs(), jnp.array([4.0])
        >>> state = tx.init(x)
        >>> for _ in range(3):
        ...     value, grad = optim.value_and_grad_from_state(loss)(x, state=state)
        ...     updates, state = tx.update(grad, state, x, value=value, grad=grad, value_fn=loss)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 1e-6)
        True
    """

    def function(params: Params, *args: Any, state: Any, **kwargs: Any) -> Any:
        value, grad = tree_get(state, "value"), tree_get(state, "grad")
        if value is None or grad is None:
            raise FxValueError(
                "optim.value_and_grad_from_state: the state has no value or no grad. Give "
                "store_grad=True to scale_by_backtracking_linesearch, or take fx.value_and_grad."
            )

        def compute() -> Any:
            new = value_and_grad(value_fn)(params, *args, **kwargs)
            return tree_cast_like(new, (value, grad))

        return lax.cond(jnp.isfinite(value), lambda: (value, grad), compute)

    return function


def _print_if(condition: Any, message: str, **values: Any) -> None:
    def show() -> None:
        debug.print(message, **values)

    lax.cond(condition, show, lambda: None)
