"""A learning rate that falls when the loss no longer does."""

from __future__ import annotations

from typing import Any, NamedTuple

import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError, checked, public
from fx.optim.base import GradientTransformationExtraArgs, Params, Updates
from fx.optim.numerics import safe_increment
from fx.optim.scaling import step_count
from fx.optim.tree_utils.arithmetic import scaled
from fx.optim.tree_utils.moments import tree_dtype


class ReduceLROnPlateauState(NamedTuple):
    """The factor, the best loss, counters, and the average of the losses counted."""

    scale: Any
    best_value: Any
    plateau_count: Any
    cooldown_count: Any
    count: Any
    avg_value: Any


@checked
def reduce_on_plateau(
    factor: float = 0.1,
    patience: int = 10,
    rtol: float = 1e-4,
    atol: float = 0.0,
    cooldown: int = 0,
    accumulation_size: int = 1,
    min_scale: float = 0.0,
) -> GradientTransformationExtraArgs:
    """Updates times a scale that is multiplied by factor when the loss stops falling.

    Args:
        factor: the factor, between 0 and 1.
        patience: how many losses without a better one it takes.
        rtol: a loss is better if it is below (1 − rtol) · best − atol.
        atol: the same, absolute.
        cooldown: for how many losses the scale then stays.
        accumulation_size: how many losses are averaged to one.
        min_scale: the smallest scale.

    Returns:
        a `GradientTransformationExtraArgs` whose `update` needs the keyword `value`, the loss.

    Raises:
        FxValueError: factor is not between 0 and 1, or a tolerance is negative, or both are 0, or
            rtol is larger than 1.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> tx = optim.contrib.reduce_on_plateau(factor=0.5, patience=1)
        >>> first, state = tx.update(jnp.array([8.0]), tx.init(jnp.ones(1)), value=1.0)
        >>> second, state = tx.update(jnp.array([8.0]), state, value=1.0)
        >>> first, second
        (Array([8.], dtype=float32), Array([4.], dtype=float32))
    """
    if not 0 < factor < 1:
        raise FxValueError(
            f"optim.contrib.reduce_on_plateau: got factor={factor}, expected a number in (0, 1)."
        )
    if rtol < 0 or atol < 0 or rtol > 1 or (rtol == 0 and atol == 0):
        raise FxValueError(
            f"optim.contrib.reduce_on_plateau: got rtol={rtol} and atol={atol}, expected numbers "
            "that are not negative, rtol at most 1, and one of them positive."
        )

    @public
    def init(params: Params) -> ReduceLROnPlateauState:
        wide = tree_dtype(params, "highest")
        return ReduceLROnPlateauState(
            scale=jnp.ones((), tree_dtype(params, "lowest")),
            best_value=jnp.full((), jnp.inf, wide),
            plateau_count=step_count(),
            cooldown_count=step_count(),
            count=step_count(),
            avg_value=jnp.zeros((), wide),
        )

    def judge(state: ReduceLROnPlateauState) -> ReduceLROnPlateauState:
        """The state after one averaged loss."""
        better = state.avg_value < (1 - rtol) * state.best_value - atol
        row = jnp.where(better, 0, safe_increment(state.plateau_count))
        cooling = state.cooldown_count > 0
        reduce = jnp.logical_and(row == patience, jnp.logical_not(cooling))
        return ReduceLROnPlateauState(
            scale=jnp.where(
                cooling,
                state.scale,
                jnp.maximum(jnp.where(reduce, state.scale * factor, state.scale), min_scale),
            ),
            best_value=jnp.where(better, state.avg_value, state.best_value),
            plateau_count=jnp.where(jnp.logical_or(cooling, reduce), 0, row),
            cooldown_count=jnp.where(
                cooling, state.cooldown_count - 1, jnp.where(reduce, cooldown, 0)
            ),
            count=jnp.zeros_like(state.count),
            avg_value=jnp.zeros_like(state.avg_value),
        )

    @public
    def update(
        updates: Updates,
        state: ReduceLROnPlateauState,
        params: Params = None,
        *,
        value: Any = None,
        **extra_args: Any,
    ) -> Any:
        if value is None:
            raise FxTypeError(
                "optim.contrib.reduce_on_plateau: update() got no value of the loss. "
                "Write tx.update(grads, state, params, value=loss)."
            )
        count = safe_increment(state.count)
        loss = jnp.asarray(value, dtype=state.avg_value.dtype)
        average = (state.count * state.avg_value + loss) / count
        average = jnp.astype(average, state.avg_value.dtype)
        waiting = state._replace(count=count, avg_value=average)
        full = count == accumulation_size
        new = ReduceLROnPlateauState(
            *(
                jnp.where(full, after, before)
                for after, before in zip(judge(waiting), waiting, strict=True)
            )
        )
        return scaled(new.scale, updates), new

    return GradientTransformationExtraArgs(init, update)
