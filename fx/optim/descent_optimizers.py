"""Gradient descent: with momentum, noise, signs, or steps in proportion to the parameters."""

from __future__ import annotations

from typing import Any

from fx.errors import checked
from fx.optim.accumulation import ema, trace
from fx.optim.base import (
    GradientTransformationExtraArgs,
    MaskOrFn,
    Numeric,
    ScalarOrSchedule,
    identity,
)
from fx.optim.combine import chain
from fx.optim.direct import (
    scale_by_optimistic_gradient,
    scale_by_polyak,
)
from fx.optim.masking import masked
from fx.optim.scaling import (
    scale_by_learning_rate,
    scale_by_sign,
    scale_by_trust_ratio,
)
from fx.optim.weights import add_decayed_weights, add_noise


@checked
def sgd(
    learning_rate: ScalarOrSchedule,
    momentum: Numeric = None,
    nesterov: bool = False,
    accumulator_dtype: Any = None,
) -> GradientTransformationExtraArgs:
    """Gradient descent, with momentum if asked for.

    Args:
        learning_rate: a number or a schedule.
        momentum: the decay rate of the sum of past steps; None for no momentum.
        nesterov: whether to look one step ahead.
        accumulator_dtype: the dtype of that sum; the parameters' if None.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum
    in deep learning", 2013.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.sgd(0.1, momentum=0.5), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    inner = identity() if momentum is None else trace(momentum, nesterov, accumulator_dtype)
    return chain(inner, scale_by_learning_rate(learning_rate))


@checked
def noisy_sgd(
    learning_rate: ScalarOrSchedule,
    eta: Numeric = 0.01,
    gamma: Numeric = 0.55,
    key: Any = None,
    *,
    seed: int | None = None,
) -> GradientTransformationExtraArgs:
    """Gradient descent with normal noise that fades.

    Args:
        learning_rate: a number or a schedule.
        eta: the variance of the noise in the first step.
        gamma: how fast it falls.
        key: a random key, or an int to make one of.
        seed: an int to make the key of, instead of `key`.

    Returns:
        a `GradientTransformationExtraArgs`.

    Raises:
        FxTypeError: neither or both of key and seed are given.

    Source: Neelakantan et al., "Adding gradient noise improves learning for very deep networks",
    2015.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.noisy_sgd(0.1, key=0), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        add_noise(eta, gamma, key, seed=seed),
        scale_by_learning_rate(learning_rate),
    )


@checked
def sign_sgd(
    learning_rate: ScalarOrSchedule,
) -> GradientTransformationExtraArgs:
    """Steps of one size: the sign of the gradient.

    Args:
        learning_rate: a number or a schedule.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Bernstein, Wang, Azizzadenesheli and Anandkumar, "signSGD: compressed optimisation for
    non-convex problems", 2018.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.sign_sgd(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_sign(),
        scale_by_learning_rate(learning_rate),
    )


@checked
def signum(
    learning_rate: ScalarOrSchedule,
    beta: Numeric = 0.9,
    accumulator_dtype: Any = None,
) -> GradientTransformationExtraArgs:
    """Steps of one size: the sign of the average gradient.

    Args:
        learning_rate: a number or a schedule.
        beta: the decay rate of the average.
        accumulator_dtype: the dtype of the average; the parameters' if None.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Bernstein, Wang, Azizzadenesheli and Anandkumar, "signSGD: compressed optimisation for
    non-convex problems", 2018.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.signum(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        ema(beta, debias=False, accumulator_dtype=accumulator_dtype),
        scale_by_sign(),
        scale_by_learning_rate(learning_rate),
    )


@checked
def optimistic_gradient_descent(
    learning_rate: ScalarOrSchedule,
    alpha: Numeric = 1.0,
    beta: Numeric = 1.0,
) -> GradientTransformationExtraArgs:
    """Gradient descent whose steps add their difference from the last step, for games.

    Args:
        learning_rate: a number or a schedule.
        alpha: the weight of the step.
        beta: the weight of its difference from the last step.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Mokhtari, Ozdaglar and Pattathil, "A unified analysis of extra-gradient and optimistic
    gradient methods for saddle point problems", 2020.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.optimistic_gradient_descent(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_optimistic_gradient(alpha, beta),
        scale_by_learning_rate(learning_rate),
    )


@checked
def lars(
    learning_rate: ScalarOrSchedule,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: MaskOrFn = True,
    trust_coefficient: Numeric = 0.001,
    eps: Numeric = 0.0,
    trust_ratio_mask: MaskOrFn = True,
    momentum: Numeric = 0.9,
    nesterov: bool = False,
) -> GradientTransformationExtraArgs:
    """Gradient descent with steps in proportion to the norm of each array of parameters.

    Args:
        learning_rate: a number or a schedule.
        weight_decay: the strength of the L2 penalty, a number or a schedule.
        weight_decay_mask: which parameters are penalized, as in `add_decayed_weights`.
        trust_coefficient: the norm of a step as a part of the norm of the parameters.
        eps: added to the norm of the gradients.
        trust_ratio_mask: which parameters have steps in proportion to their norm.
        momentum: the decay rate of the sum of past steps.
        nesterov: whether to look one step ahead.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.lars(1.0), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        add_decayed_weights(weight_decay, weight_decay_mask),
        masked(
            scale_by_trust_ratio(trust_coefficient=trust_coefficient, eps=eps), trust_ratio_mask
        ),
        scale_by_learning_rate(learning_rate),
        trace(momentum, nesterov),
    )


@checked
def fromage(
    learning_rate: ScalarOrSchedule,
    min_norm: Numeric = 1e-6,
) -> GradientTransformationExtraArgs:
    """Steps in proportion to the norm of each array of parameters, whose norm they keep.

    Args:
        learning_rate: a number or a schedule.
        min_norm: the smallest norm of parameters and of gradients.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Bernstein, Vahdat, Yue and Liu, "On the distance between two neural networks and the
    stability of learning", 2020.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.fromage(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """

    def shrink(rate: Any) -> Any:
        return 1 / (1 + rate**2) ** 0.5

    if callable(learning_rate):
        schedule = learning_rate
        return chain(
            scale_by_trust_ratio(min_norm),
            scale_by_learning_rate(lambda count: shrink(schedule(count)) * schedule(count)),
            add_decayed_weights(lambda count: shrink(schedule(count)) - 1),
        )
    return chain(
        scale_by_trust_ratio(min_norm),
        scale_by_learning_rate(learning_rate * shrink(learning_rate)),
        add_decayed_weights(shrink(learning_rate) - 1),
    )


@checked
def polyak_sgd(
    max_learning_rate: ScalarOrSchedule = 1.0,
    scaling: Any = 1.0,
    f_min: Numeric = 0.0,
    eps: Numeric = 0.0,
    variant: str = "sps",
) -> GradientTransformationExtraArgs:
    """Gradient descent with the step that would reach the minimum of a tangent plane.

    Args:
        max_learning_rate: the largest learning rate.
        scaling: a factor of all steps, a number or a schedule.
        f_min: the minimum of the loss.
        eps: added to the squared norm of the gradient.
        variant: "sps", or "sps+" for no steps where the loss is below f_min.

    Returns:
        a `GradientTransformationExtraArgs`, whose `update` needs the keyword
        `value`, the loss at the parameters.

    Source: Loizou, Vaswani, Laradji and Lacoste-Julien, "Stochastic Polyak step-size for SGD: an
    adaptive learning rate for fast convergence", 2021.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.polyak_sgd(), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x, value=loss(x))
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        sgd(scaling),
        scale_by_polyak(f_min, max_learning_rate, eps, variant),
    )
