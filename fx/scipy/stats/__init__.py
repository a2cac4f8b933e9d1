"""Distributions under the names of `jax.scipy.stats`, a module each, imported when it is used.

from fx.scipy.stats import norm
norm.logpdf(x, loc, scale)
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from fx.scipy.stats.descriptive import ModeResult, mode, rankdata, sem

if _TYPE_CHECKING:
    from fx.scipy.stats import (
        bernoulli,
        beta,
        betabinom,
        binom,
        cauchy,
        chi2,
        dirichlet,
        expon,
        gamma,
        gennorm,
        geom,
        gumbel_l,
        gumbel_r,
        laplace,
        logistic,
        multinomial,
        multivariate_normal,
        nbinom,
        norm,
        pareto,
        poisson,
        t,
        truncnorm,
        uniform,
        vonmises,
        wrapcauchy,
    )

__all__ = [
    "ModeResult",
    "bernoulli",
    "beta",
    "betabinom",
    "binom",
    "cauchy",
    "chi2",
    "dirichlet",
    "expon",
    "gamma",
    "gennorm",
    "geom",
    "gumbel_l",
    "gumbel_r",
    "laplace",
    "logistic",
    "mode",
    "multinomial",
    "multivariate_normal",
    "nbinom",
    "norm",
    "pareto",
    "poisson",
    "rankdata",
    "sem",
    "t",
    "truncnorm",
    "uniform",
    "vonmises",
    "wrapcauchy",
]


def __getattr__(name: str) -> _Any:
    if name in __all__:
        return _importlib.import_module(f"fx.scipy.stats.{name}")
    raise AttributeError(f"module 'fx.scipy.stats' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
