"""Optimizers with a learning rate of their own for each number or array."""

from __future__ import annotations

from typing import Any

import fx.numpy as jnp
from fx.errors import checked
from fx.optim.accumulation import ema, trace
from fx.optim.base import (
    GradientTransformationExtraArgs,
    MaskOrFn,
    Numeric,
    ScalarOrSchedule,
    identity,
)
from fx.optim.clipping import clip_by_block_rms
from fx.optim.combine import chain
from fx.optim.direct import (
    scale_by_novograd,
    scale_by_rprop,
)
from fx.optim.factored import scale_by_factored_rms, scale_by_sm3
from fx.optim.rms import scale_by_adadelta, scale_by_rms, scale_by_rss, scale_by_stddev
from fx.optim.scaling import (
    scale,
    scale_by_learning_rate,
    scale_by_param_block_rms,
)
from fx.optim.weights import add_decayed_weights


@checked
def rmsprop(
    learning_rate: ScalarOrSchedule,
    decay: Numeric = 0.9,
    eps: Numeric = 1e-8,
    initial_scale: Numeric = 0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
    momentum: Numeric = None,
    nesterov: bool = False,
    bias_correction: bool = False,
) -> GradientTransformationExtraArgs:
    """Gradients over the root of the average of their squares.

    Args:
        learning_rate: a number or a schedule.
        decay: the decay rate of the average of squares.
        eps: added to that average, or to its root.
        initial_scale: what the average begins with.
        eps_in_sqrt: whether eps is added under the root.
        centered: whether the variance takes the place of the average of squares.
        momentum: the decay rate of the sum of past steps; None for no momentum.
        nesterov: whether to look one step ahead.
        bias_correction: whether the averages are divided by 1 − decay^t.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012; Graves, "Generating sequences with
    recurrent neural networks", 2013.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.rmsprop(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    rescale = scale_by_stddev if centered else scale_by_rms
    return chain(
        rescale(decay, eps, initial_scale, eps_in_sqrt, bias_correction),
        scale_by_learning_rate(learning_rate),
        identity() if momentum is None else trace(momentum, nesterov),
    )


@checked
def adagrad(
    learning_rate: ScalarOrSchedule,
    initial_accumulator_value: Numeric = 0.1,
    eps: Numeric = 1e-7,
) -> GradientTransformationExtraArgs:
    """Gradients over the root of the sum of all their squares.

    Args:
        learning_rate: a number or a schedule.
        initial_accumulator_value: what the sum begins with.
        eps: added to the sum.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization", 2011.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.adagrad(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_rss(initial_accumulator_value, eps),
        scale_by_learning_rate(learning_rate),
    )


@checked
def adadelta(
    learning_rate: ScalarOrSchedule | None = None,
    rho: Numeric = 0.9,
    eps: Numeric = 1e-6,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: MaskOrFn | None = None,
) -> GradientTransformationExtraArgs:
    """Gradients over their root mean square, times the root mean square of past steps.

    Args:
        learning_rate: a number or a schedule; None leaves the sign of the gradients.
        rho: the decay rate of both averages of squares.
        eps: added to both averages.
        weight_decay: the strength of the L2 penalty, a number or a schedule.
        weight_decay_mask: which parameters are penalized, as in `add_decayed_weights`.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.adadelta(10.0), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        add_decayed_weights(weight_decay, weight_decay_mask),
        scale_by_adadelta(rho, eps),
        scale_by_learning_rate(learning_rate),
    )


@checked
def adafactor(
    learning_rate: ScalarOrSchedule | None = None,
    min_dim_size_to_factor: int = 128,
    decay_rate: Numeric = 0.8,
    decay_offset: Numeric = 0,
    multiply_by_parameter_scale: bool = True,
    clipping_threshold: Numeric | None = 1.0,
    momentum: Numeric = None,
    dtype_momentum: Any = jnp.float32,
    weight_decay_rate: ScalarOrSchedule | None = None,
    eps: Numeric = 1e-30,
    factored: bool = True,
    weight_decay_mask: MaskOrFn | None = None,
) -> GradientTransformationExtraArgs:
    """Gradients over the root of the average of squares, kept as rows and columns.

    Args:
        learning_rate: a number or a schedule; None for 1.
        min_dim_size_to_factor: arrays are factored if their two largest axes are at least so
            large.
        decay_rate: the power of 1/t that the decay rate of the average approaches 1 by.
        decay_offset: a number of steps to leave out of t.
        multiply_by_parameter_scale: whether steps are in proportion to the root mean square of
            the parameters.
        clipping_threshold: the largest root mean square of a step before that; None for none.
        momentum: the decay rate of the average of steps; None for no momentum.
        dtype_momentum: the dtype of that average.
        weight_decay_rate: how much of each parameter is taken off in a step; None for none.
        eps: added to the squares.
        factored: whether any array is factored.
        weight_decay_mask: which parameters decay, as in `add_decayed_weights`.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost",
    2018.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.adafactor(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    parts = [scale_by_factored_rms(factored, decay_rate, decay_offset, min_dim_size_to_factor, eps)]
    if clipping_threshold is not None:
        parts.append(clip_by_block_rms(clipping_threshold))
    if learning_rate is not None:
        parts.append(scale_by_learning_rate(learning_rate, flip_sign=False))
    if multiply_by_parameter_scale:
        parts.append(scale_by_param_block_rms())
    if momentum is not None:
        parts.append(ema(momentum, debias=False, accumulator_dtype=dtype_momentum))
    if weight_decay_rate is not None:
        parts.append(add_decayed_weights(weight_decay_rate, weight_decay_mask))
    return chain(*parts, scale(-1))


@checked
def novograd(
    learning_rate: ScalarOrSchedule,
    b1: Numeric = 0.9,
    b2: Numeric = 0.25,
    eps: Numeric = 1e-6,
    eps_root: Numeric = 0.0,
    weight_decay: ScalarOrSchedule = 0.0,
) -> GradientTransformationExtraArgs:
    """Gradients over the average norm of their array, with momentum.

    Args:
        learning_rate: a number or a schedule.
        b1: the decay rate of the sum of past steps.
        b2: the decay rate of the average of squared norms.
        eps: added to the root of that average.
        eps_root: added under the root.
        weight_decay: how much of each parameter is taken off in a step, times the learning rate.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Ginsburg et al., "Stochastic gradient methods with layer-wise adaptive moments for
    training of deep networks", 2019.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.novograd(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_novograd(b1, b2, eps, eps_root, weight_decay),
        scale_by_learning_rate(learning_rate),
    )


@checked
def sm3(
    learning_rate: ScalarOrSchedule,
    momentum: Numeric = 0.9,
) -> GradientTransformationExtraArgs:
    """Adagrad whose sums of squares are kept by rows and columns.

    Args:
        learning_rate: a number.
        momentum: the decay rate of the average of steps.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Anil, Gupta, Koren and Singer, "Memory-efficient adaptive optimization", 2019.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.sm3(0.3), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(scale_by_sm3(momentum), scale(-learning_rate))


@checked
def rprop(
    learning_rate: ScalarOrSchedule,
    eta_minus: Numeric = 0.5,
    eta_plus: Numeric = 1.2,
    min_step_size: Numeric = 1e-6,
    max_step_size: Numeric = 50.0,
) -> GradientTransformationExtraArgs:
    """Steps of their own size for each number, by the signs of gradients alone.

    Args:
        learning_rate: the size of the first steps.
        eta_minus: the factor of a step size when the gradient has changed its sign.
        eta_plus: the factor when it has not.
        min_step_size: the smallest step.
        max_step_size: the largest step.

    Returns:
        a `GradientTransformationExtraArgs`.

    Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning:
    the RPROP algorithm", 1993; Igel and Hüsken, "Improving the Rprop learning algorithm", 2000.

    Example:
        >>> import fx
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda x: jnp.sum((x - 1) ** 2)
        >>> tx, x = optim.rprop(0.1), jnp.array([3.0, -2.0])
        >>> state = tx.init(x)
        >>> for _ in range(10):
        ...     updates, state = tx.update(fx.grad(loss)(x), state, x)
        ...     x = optim.apply_updates(x, updates)
        >>> bool(loss(x) < 12)
        True
    """
    return chain(
        scale_by_rprop(learning_rate, eta_minus, eta_plus, min_step_size, max_step_size),
        scale(-1.0),
    )
