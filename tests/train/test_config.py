"""The options of a run check themselves."""

import pytest

from fx.errors import FxValueError
from fx.train.config import Config


def test_the_rate_suits_the_optimizer():
    assert Config().learning_rate == 1.5e-3
    assert Config(optimizer="sgd").learning_rate > Config().learning_rate
    assert Config(optimizer="sgd", lr=0.5).learning_rate == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adagrad"}, "optimizer: expected one of adam, adamw, sgd, got 'adagrad'"),
        ({"lr": 0}, "lr: expected a number above 0, got 0"),
        ({"lr": float("inf")}, "lr: expected a number above 0, got inf"),
        ({"momentum": 1.0}, "momentum: expected a number from 0 to below 1"),
        ({"epochs": -1}, "epochs: expected a whole number of at least 1, got -1"),
        ({"epochs": 2.5}, "epochs: expected a whole number of at least 1, got 2.5"),
        ({"epochs": float("inf")}, "epochs: expected a whole number of at least 1, got inf"),
        ({"batch_size": 0}, "batch_size: expected a whole number"),
        ({"l1": -0.1}, "l1: expected a number of at least 0"),
        ({"l2": "much"}, "l2: expected a number of at least 0, got 'much'"),
        ({"dropout": 1.5}, "dropout: expected a number from 0 to below 1, got 1.5"),
        ({"dropout": float("nan")}, "dropout: expected a number from 0 to below 1, got nan"),
        ({"seed": -3}, "seed: expected a whole number"),
        ({"nesterov": True}, "nesterov: expected optimizer sgd"),
        ({"nesterov": True, "optimizer": "sgd", "momentum": 0}, "momentum above 0"),
    ],
)
def test_bad_values(options, message):
    with pytest.raises(FxValueError, match=message):
        Config(**options)
