"""The options of a training run: one table from which the command line and its checks are made."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from fx.errors import FxValueError

OPTIMIZERS = ("adam", "adamw", "sgd")
_DEFAULT_LR = {"adam": 1.5e-3, "adamw": 1.5e-3, "sgd": 0.03}


def _number(convert: type, accept: Callable[[Any], bool], expected: str) -> Callable[[Any], Any]:
    """A check that converts a value (often from the command line) or says what it expected."""

    def check(value):
        try:
            number = convert(value)
        except (TypeError, ValueError, OverflowError):
            number = None
        rounded = not isinstance(value, str) and number != value  # int(2.5) is 2
        if number is None or rounded or not math.isfinite(number) or not accept(number):
            raise FxValueError(f"expected {expected}, got {value!r}")
        return number

    return check


def _optimizer(value):
    if value not in OPTIMIZERS:
        raise FxValueError(f"expected one of {', '.join(OPTIMIZERS)}, got {value!r}")
    return value


def _option(default: Any, check: Callable[[Any], Any], help: str, metavar: str | None = None):
    return field(default=default, metadata={"check": check, "help": help, "metavar": metavar})


_positive = _number(float, lambda number: number > 0, "a number above 0")
_not_negative = _number(float, lambda number: number >= 0, "a number of at least 0")
_fraction = _number(float, lambda number: 0 <= number < 1, "a number from 0 to below 1")
_count = _number(int, lambda number: number >= 1, "a whole number of at least 1")
_seed = _number(int, lambda number: 0 <= number < 2**32, "a whole number from 0 to 2**32 - 1")


@dataclass(frozen=True)
class Config:
    """The options that decide the result of a run (data apart); the field's metadata explains each.

    Raises:
        FxValueError: a value is outside its range; the message names the field.

    >>> Config(epochs=3).learning_rate
    0.0015
    >>> Config(dropout=1.5)
    Traceback (most recent call last):
        ...
    fx.errors.FxValueError: dropout: expected a number from 0 to below 1, got 1.5
    """

    optimizer: str = _option("adam", _optimizer, "rule that turns gradients into updates", "NAME")
    lr: float | None = _option(
        None,
        lambda value: value if value is None else _positive(value),
        "highest learning rate; it rises to this over the first tenth of the steps and then falls "
        "to 0 along a cosine (default: 0.0015 for adam and adamw, 0.03 for sgd)",
        "RATE",
    )
    momentum: float = _option(
        0.9, _fraction, "share of the last update that sgd keeps in the next one", "SHARE"
    )
    nesterov: bool = _option(
        False, bool, "let sgd take its gradient where the momentum will have led (Nesterov)"
    )
    epochs: int = _option(12, _count, "passes over the training images", "N")
    batch_size: int = _option(32, _count, "images a step", "N")
    l1: float = _option(
        0.0, _not_negative, "weight of the sum of |w| in the loss, over weights but not biases", "C"
    )
    l2: float = _option(
        1e-4,
        _not_negative,
        "weight of half the sum of w**2 in the loss, over weights but not biases; with adamw the "
        "decay that is applied to the weights directly",
        "C",
    )
    dropout: float = _option(
        0.15, _fraction, "share of the dense layer's outputs set to 0 at each step", "SHARE"
    )
    seed: int = _option(
        0, _seed, "decides initial weights, order, augmentation and dropout of the run", "N"
    )

    def __post_init__(self):
        for option in fields(self):
            try:
                value = option.metadata["check"](getattr(self, option.name))
            except FxValueError as error:
                raise FxValueError(f"{option.name}: {error}") from None
            object.__setattr__(self, option.name, value)
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise FxValueError(
                "nesterov: expected optimizer sgd with a momentum above 0, got "
                f"{self.optimizer} with momentum {self.momentum}"
            )

    @property
    def learning_rate(self) -> float:
        """`lr`, or what suits the optimizer."""
        return _DEFAULT_LR[self.optimizer] if self.lr is None else self.lr
