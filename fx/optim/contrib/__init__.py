"""Contributed transformations: privacy, sharpness, schedules that need no plan."""

from fx.optim.contrib.plateau import ReduceLROnPlateauState, reduce_on_plateau
from fx.optim.contrib.privacy import (
    DifferentiallyPrivateAggregateState,
    differentially_private_aggregate,
    dpsgd,
)
from fx.optim.contrib.sam import NormalizeState, SAMState, normalize, sam
from fx.optim.contrib.schedule_free import (
    ScheduleFreeState,
    schedule_free,
    schedule_free_adamw,
    schedule_free_eval_params,
    schedule_free_sgd,
)

__all__ = [
    "DifferentiallyPrivateAggregateState",
    "NormalizeState",
    "ReduceLROnPlateauState",
    "SAMState",
    "ScheduleFreeState",
    "differentially_private_aggregate",
    "dpsgd",
    "normalize",
    "reduce_on_plateau",
    "sam",
    "schedule_free",
    "schedule_free_adamw",
    "schedule_free_eval_params",
    "schedule_free_sgd",
]
