"""Optimizers of Adam's family: chains that end with a learning rate."""

from __future__ import annotations

from typing import Any

from fx.errors import FxTypeError
from fx.optim.adam import (
    scale_by_adam,
    scale_by_adamax,
    scale_by_adan,
    scale_by_amsgrad,
    scale_by_belief,
    scale_by_lion,
    scale_by_radam,
    scale_by_yogi,
)
from fx.optim.base import GradientTransformationExtraArgs, MaskOrFn, ScalarOrSchedule
from fx.optim.combine import chain
from fx.optim.direct import scale_by_optimistic_gradient
from fx.optim.scaling import scale_by_learning_rate, scale_by_trust_ratio
from fx.optim.weights import add_decayed_weights


def adam(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
    bias_correction: bool = True,
) -> GradientTransformationExtraArgs:
    """Adam: steps as large as the average gradient over its root mean square.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        mu_dtype: the dtype of the average of gradients; the parameters' if None.
        nesterov: whether to look one step ahead.
        bias_correction: whether the averages are divided by 1 − b^t, as they began with 0. This
            keyword is fx's own.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.adam(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_adam(
            b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov, bias_correction=bias_correction
        ),
        scale_by_learning_rate(learning_rate),
    )


def nadam(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
    bias_correction: bool = True,
) -> GradientTransformationExtraArgs:
    """Adam with Nesterov's momentum.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        mu_dtype: the dtype of the average of gradients; the parameters' if None.
        nesterov: whether to look one step ahead.
        bias_correction: whether the averages are divided by 1 − b^t, as they began with 0. This
            keyword is fx's own.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Dozat, "Incorporating Nesterov momentum into Adam", 2016.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.nadam(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return adam(
        learning_rate,
        b1,
        b2,
        eps,
        eps_root,
        mu_dtype,
        nesterov=nesterov,
        bias_correction=bias_correction,
    )


def adamw(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: MaskOrFn | None = None,
    *,
    nesterov: bool = False,
    bias_correction: bool = True,
) -> GradientTransformationExtraArgs:
    """Adam with weight decay beside it rather than inside its averages.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        mu_dtype: the dtype of the average of gradients; the parameters' if None.
        weight_decay: how much of each parameter is taken off in a step, times the learning rate;
            a number or a schedule.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters decay; None for all.
        nesterov: whether to look one step ahead.
        bias_correction: whether the averages are divided by 1 − b^t, as they began with 0. This
            keyword is fx's own.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.adamw(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_adam(
            b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov, bias_correction=bias_correction
        ),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


def nadamw(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: MaskOrFn | None = None,
    *,
    nesterov: bool = True,
    bias_correction: bool = True,
) -> GradientTransformationExtraArgs:
    """AdamW with Nesterov's momentum.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        mu_dtype: the dtype of the average of gradients; the parameters' if None.
        weight_decay: how much of each parameter is taken off in a step, times the learning rate;
            a number or a schedule.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters decay; None for all.
        nesterov: whether to look one step ahead.
        bias_correction: whether the averages are divided by 1 − b^t, as they began with 0. This
            keyword is fx's own.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    Dozat, "Incorporating Nesterov momentum into Adam", 2016.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.nadamw(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return adamw(
        learning_rate,
        b1,
        b2,
        eps,
        eps_root,
        mu_dtype,
        weight_decay,
        mask,
        nesterov=nesterov,
        bias_correction=bias_correction,
    )


def adabelief(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-16,
    eps_root: Any = 1e-16,
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


def adamax(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
) -> GradientTransformationExtraArgs:
    """Adam with the decaying maximum of gradients in place of their root mean square.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the maximum.
        eps: added to the size of each gradient.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, section 7.1.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.adamax(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_adamax(b1, b2, eps),
        scale_by_learning_rate(learning_rate),
    )


def adamaxw(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: MaskOrFn | None = None,
) -> GradientTransformationExtraArgs:
    """Adamax with weight decay beside it.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the maximum.
        eps: added to the size of each gradient.
        weight_decay: how much of each parameter is taken off in a step, times the learning rate;
            a number or a schedule.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters decay; None for all.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.adamaxw(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_adamax(b1, b2, eps),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


def amsgrad(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> GradientTransformationExtraArgs:
    """Adam with the largest average of squares so far, so that no step size grows.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        mu_dtype: the dtype of the average of gradients; the parameters' if None.
        bias_correction_mu: whether the average of gradients is divided by 1 − b1^t.
        bias_correction_nu: whether the average of squares is divided by 1 − b2^t.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Reddi, Kale and Kumar, "On the convergence of Adam and beyond", 2018.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.amsgrad(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_amsgrad(b1, b2, eps, eps_root, mu_dtype, bias_correction_mu, bias_correction_nu),
        scale_by_learning_rate(learning_rate),
    )


def adan(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.98,
    b2: Any = 0.92,
    b3: Any = 0.99,
    eps: Any = 1e-8,
    eps_root: Any = 1e-8,
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


def lion(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.99,
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


def lamb(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-6,
    eps_root: Any = 0.0,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: MaskOrFn | None = None,
) -> GradientTransformationExtraArgs:
    """AdamW with steps in proportion to the norm of each array of parameters.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the average of gradients.
        b2: the decay rate of the average of their squares.
        eps: added to the root of the average of squares.
        eps_root: added under the root; derivatives through the step need it to be positive.
        weight_decay: how much of each parameter is taken off in a step, times the learning rate;
            a number or a schedule.
        mask: a pytree of booleans shaped like the parameters, or a function from the parameters
            to one, that says which parameters decay; None for all.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes",
    2020.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.lamb(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_trust_ratio(),
        scale_by_learning_rate(learning_rate),
    )


def radam(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    threshold: Any = 5.0,
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


def yogi(
    learning_rate: ScalarOrSchedule,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-3,
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


def optimistic_adam_v2(
    learning_rate: ScalarOrSchedule,
    *,
    alpha: Any = 1.0,
    beta: Any = 1.0,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
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


def optimistic_adam(
    learning_rate: Any,
    optimism: Any = None,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
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
