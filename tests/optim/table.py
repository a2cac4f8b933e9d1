"""The table of optimizers and transformations that all tests of `fx.optim` run over.

Every row is a function of the module that makes it, `fx.optim` or `optax`, so that one table serves
the tests of each alone and the comparison of both.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Make = Callable[[Any], Any]


def decay(o: Any) -> Any:
    """A schedule that changes in every step."""
    return o.exponential_decay(0.05, transition_steps=5, decay_rate=0.7)


def matrices(params: Any) -> Any:
    """A mask of the parameters with two axes or more."""
    return {name: np.ndim(p) > 1 for name, p in params.items()}


OPTIMIZERS: dict[str, Make] = {
    "adabelief": lambda o: o.adabelief(0.05),
    "adabelief_nesterov": lambda o: o.adabelief(0.05, nesterov=True),
    "adadelta": lambda o: o.adadelta(5.0, rho=0.5, weight_decay=0.01),
    "adafactor": lambda o: o.adafactor(0.1),
    "adafactor_factored": lambda o: o.adafactor(
        decay(o), min_dim_size_to_factor=2, momentum=0.5, weight_decay_rate=0.01
    ),
    "adagrad": lambda o: o.adagrad(0.2),
    "adam": lambda o: o.adam(0.05),
    "adam_options": lambda o: o.adam(decay(o), 0.8, 0.9, 1e-3, 1e-4, nesterov=True),
    "adam_bfloat16": lambda o: o.adam(0.05, mu_dtype="bfloat16"),
    "adamax": lambda o: o.adamax(0.05),
    "adamaxw": lambda o: o.adamaxw(0.05, weight_decay=0.1, mask=matrices),
    "adamw": lambda o: o.adamw(decay(o), weight_decay=0.1),
    "adamw_mask": lambda o: o.adamw(0.05, weight_decay=decay(o), mask=matrices),
    "adan": lambda o: o.adan(0.05, weight_decay=0.1),
    "amsgrad": lambda o: o.amsgrad(0.05),
    "amsgrad_options": lambda o: o.amsgrad(
        0.05, bias_correction_mu=False, bias_correction_nu=False
    ),
    "fromage": lambda o: o.fromage(0.05),
    "fromage_schedule": lambda o: o.fromage(decay(o)),
    "lamb": lambda o: o.lamb(0.05, weight_decay=0.1, mask=matrices),
    "lars": lambda o: o.lars(
        0.1, weight_decay=0.1, trust_coefficient=0.2, trust_ratio_mask=matrices, nesterov=True
    ),
    "lion": lambda o: o.lion(0.05, mu_dtype="bfloat16"),
    "nadam": lambda o: o.nadam(0.05),
    "nadamw": lambda o: o.nadamw(0.05),
    "novograd": lambda o: o.novograd(0.05, weight_decay=0.1),
    "optimistic_adam_v2": lambda o: o.optimistic_adam_v2(0.05),
    "optimistic_gradient_descent": lambda o: o.optimistic_gradient_descent(0.05, 0.9, 0.5),
    "radam": lambda o: o.radam(0.1, b2=0.9),
    "radam_nesterov": lambda o: o.radam(0.1, b2=0.9, nesterov=True),
    "rmsprop": lambda o: o.rmsprop(0.05),
    "rmsprop_centered": lambda o: o.rmsprop(
        0.05, centered=True, momentum=0.5, nesterov=True, bias_correction=True, eps=1e-3
    ),
    "rmsprop_options": lambda o: o.rmsprop(
        decay(o), initial_scale=1.0, eps_in_sqrt=False, bias_correction=True
    ),
    "rprop": lambda o: o.rprop(0.05),
    "sgd": lambda o: o.sgd(0.1),
    "sgd_momentum": lambda o: o.sgd(decay(o), momentum=0.9),
    "sgd_nesterov": lambda o: o.sgd(0.1, momentum=0.5, nesterov=True, accumulator_dtype="bfloat16"),
    "sign_sgd": lambda o: o.sign_sgd(0.05),
    "signum": lambda o: o.signum(0.05),
    "sm3": lambda o: o.sm3(0.2),
    "yogi": lambda o: o.yogi(0.1),
    "schedule_free_sgd": lambda o: o.contrib.schedule_free_sgd(
        0.2, warmup_steps=5, weight_decay=0.01
    ),
    "schedule_free_adamw": lambda o: o.contrib.schedule_free_adamw(0.1, weight_decay=0.1),
    "sam": lambda o: o.contrib.sam(
        o.sgd(0.1, momentum=0.5), o.chain(o.contrib.normalize(), o.sgd(0.05)), sync_period=3
    ),
}

TRANSFORMATIONS: dict[str, Make] = {
    "adaptive_grad_clip": lambda o: o.chain(o.adaptive_grad_clip(0.1), o.sgd(0.5)),
    "add_decayed_weights": lambda o: o.chain(o.add_decayed_weights(decay(o), matrices), o.sgd(0.1)),
    "apply_every": lambda o: o.chain(o.apply_every(3), o.sgd(0.1)),
    "apply_if_finite": lambda o: o.apply_if_finite(o.adam(0.1), 3),
    "centralize": lambda o: o.chain(o.centralize(), o.sgd(0.1)),
    "clip": lambda o: o.chain(o.clip(0.3), o.sgd(0.1)),
    "clip_by_block_rms": lambda o: o.chain(o.clip_by_block_rms(0.3), o.sgd(0.1)),
    "clip_by_global_norm": lambda o: o.chain(o.clip_by_global_norm(1.0), o.sgd(0.1)),
    "conditionally_mask": lambda o: o.conditionally_mask(o.adam(0.1), lambda step: step % 3 == 0),
    "conditionally_transform": lambda o: o.chain(
        o.conditionally_transform(o.trace(0.9), lambda step: step >= 7), o.sgd(0.1)
    ),
    "distance": lambda o: o.chain(o.scale_by_distance_over_gradients(0.1), o.scale(-1.0)),
    "ema": lambda o: o.chain(o.ema(0.8), o.sgd(0.1)),
    "ema_options": lambda o: o.chain(o.ema(0.8, False, "bfloat16"), o.sgd(0.1)),
    "flatten": lambda o: o.flatten(o.adam(0.1)),
    "freeze": lambda o: o.chain(o.sgd(0.1), o.freeze({"w": True, "b": False, "s": False})),
    "inject_hyperparams": lambda o: o.inject_hyperparams(o.adam)(decay(o), b1=0.8),
    "keep_params_nonnegative": lambda o: o.chain(o.sgd(0.1), o.keep_params_nonnegative()),
    "lion_smooth": lambda o: o.chain(o.scale_by_lion(mode="smooth", smooth_beta=2.0), o.sgd(0.1)),
    "lion_refined": lambda o: o.chain(o.scale_by_lion(mode="refined"), o.sgd(0.1)),
    "masked": lambda o: o.chain(o.masked(o.trace(0.9), matrices), o.sgd(0.1)),
    "multi_steps": lambda o: o.MultiSteps(o.adam(0.1), 3),
    "multi_steps_options": lambda o: o.MultiSteps(
        o.sgd(0.1, momentum=0.5),
        lambda step: step + 1,
        use_grad_mean=False,
        should_skip_update_fn=o.skip_not_finite,
    ),
    "named_chain": lambda o: o.named_chain(("adam", o.scale_by_adam()), ("step", o.scale(-0.1))),
    "normalize_by_update_norm": lambda o: o.chain(o.normalize_by_update_norm(2.0), o.sgd(0.1)),
    "param_block_norm": lambda o: o.chain(o.scale_by_param_block_norm(), o.sgd(0.1)),
    "param_block_rms": lambda o: o.chain(o.scale_by_param_block_rms(), o.sgd(0.1)),
    "partition": lambda o: o.partition(
        {"a": o.adam(0.1), "b": o.sgd(0.1)}, {"w": "a", "b": "b", "s": "a"}
    ),
    "scale_by_schedule": lambda o: o.scale_by_schedule(lambda count: -0.1 / (count + 1)),
    "selective_transform": lambda o: o.selective_transform(
        o.adam(0.1), freeze_mask={"w": False, "b": True, "s": False}
    ),
    "set_to_zero": lambda o: o.set_to_zero(),
    "snapshot": lambda o: o.chain(o.snapshot("norm", o.tree.norm), o.sgd(0.1)),
    "trust_ratio": lambda o: o.chain(o.scale_by_trust_ratio(0.1, 0.9, 0.01), o.sgd(0.1)),
    "zero_nans": lambda o: o.chain(o.zero_nans(), o.sgd(0.1)),
}

# Those whose `update` needs the keyword `value`, the loss.
VALUE: dict[str, Make] = {
    "polyak_sgd": lambda o: o.polyak_sgd(0.5, f_min=0.1, eps=0.01),
    "polyak_sgd_plus": lambda o: o.polyak_sgd(0.5, f_min=20.0, variant="sps+"),
    "reduce_on_plateau": lambda o: o.chain(
        o.sgd(0.1), o.contrib.reduce_on_plateau(0.5, patience=2, cooldown=2, accumulation_size=2)
    ),
}
