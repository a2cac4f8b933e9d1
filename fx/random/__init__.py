"""Random numbers as pure functions of keys, with the names and the numbers of `jax.random`.

    key = fx.random.key(0)
    key, subkey = fx.random.split(key)
    x = fx.random.normal(subkey, (3,))

The generator is Threefry-2x32, as in JAX. For the same key, results in float32 and half precision
equal those of `jax.random` on a CPU with fused multiply-adds bit for bit, whatever the machine that
fx runs on. The exceptions are equal up to rounding: gamma, loggamma, beta, dirichlet, chisquare, f,
t, generalized_normal and ball (XLA uses an approximate reciprocal square root; half precision is
drawn in float32); maxwell, double_sided_maxwell, orthogonal and lognormal with an array for sigma
(sums and products in another order); cauchy and weibull_min (the platform's tan and pow). In 64
bits, integers and `uniform` are equal, the others up to rounding.
"""

from fx.random.continuous import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    pareto,
    rayleigh,
    triangular,
    weibull_min,
)
from fx.random.counts import binomial, geometric, multinomial, poisson
from fx.random.discrete import categorical, choice, permutation
from fx.random.gammas import (
    ball,
    beta,
    chisquare,
    dirichlet,
    f,
    gamma,
    generalized_normal,
    loggamma,
    t,
)
from fx.random.keys import (
    PRNGKey,
    clone,
    fold_in,
    key,
    key_data,
    key_dtype,
    key_impl,
    split,
    wrap_key_data,
)
from fx.random.normals import (
    double_sided_maxwell,
    lognormal,
    maxwell,
    multivariate_normal,
    normal,
    orthogonal,
    truncated_normal,
    wald,
)
from fx.random.uniforms import bernoulli, bits, rademacher, randint, uniform

__all__ = [
    "PRNGKey",
    "ball",
    "bernoulli",
    "beta",
    "binomial",
    "bits",
    "categorical",
    "cauchy",
    "chisquare",
    "choice",
    "clone",
    "dirichlet",
    "double_sided_maxwell",
    "exponential",
    "f",
    "fold_in",
    "gamma",
    "generalized_normal",
    "geometric",
    "gumbel",
    "key",
    "key_data",
    "key_dtype",
    "key_impl",
    "laplace",
    "loggamma",
    "logistic",
    "lognormal",
    "maxwell",
    "multinomial",
    "multivariate_normal",
    "normal",
    "orthogonal",
    "pareto",
    "permutation",
    "poisson",
    "rademacher",
    "randint",
    "rayleigh",
    "split",
    "t",
    "triangular",
    "truncated_normal",
    "uniform",
    "wald",
    "weibull_min",
    "wrap_key_data",
]
