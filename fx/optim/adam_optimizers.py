"""Adam and its nearest kin: chains that end with a learning rate."""

from __future__ import annotations

from typing import Any

from fx.errors import checked
from fx.optim.adam import (
    scale_by_adam,
    scale_by_adamax,
    scale_by_amsgrad,
)
from fx.optim.base import GradientTransformationExtraArgs, MaskOrFn, Numeric, ScalarOrSchedule
from fx.optim.combine import chain
from fx.optim.scaling import scale_by_learning_rate, scale_by_trust_ratio
from fx.optim.weights import add_decayed_weights


@checked
def adam(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
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


@checked
def nadam(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
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


@checked
def adamw(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
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


@checked
def nadamw(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
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


@checked
def adamax(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
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


@checked
def adamaxw(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
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


@checked
def amsgrad(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-8,
    eps_root: Numeric = 0.0,
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


@checked
def lamb(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.999,
    eps: Numeric = 1e-6,
    eps_root: Numeric = 0.0,
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
