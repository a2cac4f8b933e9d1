"""Optimizers that change Adam's averages or steps."""

from __future__ import annotations

from typing import Any

from fx.errors import FxTypeError, checked
from fx.optim.adam import (
    scale_by_adam,
    scale_by_adan,
    scale_by_belief,
    scale_by_lion,
    scale_by_radam,
    scale_by_yogi,
)
from fx.optim.base import GradientTransformationExtraArgs, MaskOrFn, Numeric, ScalarOrSchedule
from fx.optim.combine import chain
from fx.optim.direct import scale_by_optimistic_gradient
from fx.optim.scaling import scale_by_learning_rate
from fx.optim.weights import add_decayed_weights


@checked
def adabelief(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-16,
    eps_root: Numeric = 1e-16,
    *,
    nesterov: bool = False,
) -> GradientTransformationExtraArgs:
    """Adam that takes large steps where gradients are as its average predicts.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added to the average of squares in every step.
        nesterov: whether to look one step ahead.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed
    gradients", 2020.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.adabelief(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_belief(b1, b2, eps, eps_root, nesterov=nesterov),
        scale_by_learning_rate(learning_rate),
    )


@checked
def adan(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.98,
    b2: Numeric = 0.92,
    b3: Numeric = 0.99,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: MaskOrFn | None = None,
) -> GradientTransformationExtraArgs:
    """Adam with Nesterov's momentum, made of the differences of successive gradients.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of differences.
        b3: the decay rate of the average of squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        weight_decay: how much of each parameter is taken off in a step, times the learning rate;
            a number or a schedule.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters decay; None for all.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Xie, Zhou, Li, Lin and Yan, "Adan: adaptive Nesterov momentum algorithm for faster
    optimizing deep models", 2022.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.adan(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_adan(b1, b2, b3, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@checked
def lion(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.99,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-3,
    mask: MaskOrFn | None = None,
) -> GradientTransformationExtraArgs:
    """Steps of one size: the sign of a mix of the gradient and the average of past ones.

    Args:
        learning_rate: a number or a schedule.
        b1: the weight of the average in the mix.
        b2: the decay rate of the average.
        mu_dtype: the dtype of the average of gradients; the parameters' if None.
        weight_decay: how much of each parameter is taken off in a step, times the learning rate;
            a number or a schedule.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters decay; None for all.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", 2023.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.lion(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_lion(b1, b2, mu_dtype),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@checked
def radam(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
    threshold: Numeric = 5.0,
    *,
    nesterov: bool = False,
) -> GradientTransformationExtraArgs:
    """Adam that divides by the root only when enough steps make it reliable.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        threshold: from which length of the averaged window on it divides.
        nesterov: whether to look one step ahead.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond", 2020.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.radam(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_radam(b1, b2, eps, eps_root, threshold, nesterov=nesterov),
        scale_by_learning_rate(learning_rate),
    )


@checked
def yogi(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-3,
) -> GradientTransformationExtraArgs:
    """Adam whose average of squares changes by a bounded amount in each step.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Zaheer, Reddi, Sachan, Kale and Kumar, "Adaptive methods for nonconvex optimization",
    2018.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.yogi(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_yogi(b1, b2, eps),
        scale_by_learning_rate(learning_rate),
    )


@checked
def optimistic_adam_v2(
    learning_rate: ScalarOrSchedule,
    *,
    alpha: Numeric = 1.0,
    beta: Numeric = 1.0,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
    mu_dtype: Any = None,
    nesterov: bool = True,
) -> GradientTransformationExtraArgs:
    """Adam whose steps add their difference from the last step, for games.

    Args:
        learning_rate: a number or a schedule.
        alpha: the weight of the step.
        beta: the weight of its difference from the last step.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        mu_dtype: the dtype of the average of gradients; the parameters' if None.
        nesterov: whether to look one step ahead.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Daskalakis, Ilyas, Syrgkanis and Zeng, "Training GANs with optimism", 2018.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.optimistic_adam_v2(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        scale_by_optimistic_gradient(alpha, beta),
        scale_by_learning_rate(learning_rate),
    )


@checked
def optimistic_adam(
    learning_rate: ScalarOrSchedule,
    optimism: Numeric = None,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
) -> GradientTransformationExtraArgs:
    """`optimistic_adam_v2` with the older arguments.

    Args:
        learning_rate: a number.
        optimism: the weight of the difference from the last step; the learning rate if None.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        mu_dtype: the dtype of the average of gradients; the parameters' if None.
        nesterov: whether to look one step ahead.

    Returns:
        a `GradientTransformationExtraArgs`.

    Raises:
        FxTypeError: the learning rate is a schedule.

    Source: Daskalakis, Ilyas, Syrgkanis and Zeng, "Training GANs with optimism", 2018.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.optimistic_adam(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    if callable(learning_rate):
        raise FxTypeError(
            "optim.optimistic_adam: got a schedule, expected a number as the learning rate. "
            "Write optim.optimistic_adam_v2(schedule)."
        )
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        scale_by_optimistic_gradient(
            learning_rate, learning_rate if optimism is None else optimism
        ),
        scale_by_learning_rate(1.0),
    )
