"""Logarithms, entropies and their inverses."""

from __future__ import annotations

import math
from typing import Any

from fx.calls.custom import custom_jvp
from fx.core.primitive import P, lit
from fx.numpy.promotion import select
from fx.scipy.special.common import full, special


@special(
    "Logistic function, 1 / (1 + exp(-x))",
    "expit(0.0)",
    "Array(0.5, dtype=float32, weak_type=True)",
    complex_too=True,
)
def expit(x):
    return P.logistic(x)


@special(
    "log(p / (1 - p)), the inverse of expit",
    "logit(0.5)",
    "Array(0., dtype=float32, weak_type=True)",
)
def logit(p):
    return P.sub(P.log(p), P.log1p(P.neg(p)))


@custom_jvp
def _x_log_y(x: Any, y: Any) -> Any:
    zero = P.table["and"](P.eq(x, lit(x, 0)), P.eq(y, y))
    return select(zero, lit(x, 0), P.mul(x, P.log(select(zero, lit(y, 1), y))))


@_x_log_y.defjvp
def _x_log_y_jvp(primals: Any, tangents: Any) -> Any:
    (x, y), (t, u) = primals, tangents
    return _x_log_y(x, y), P.add(P.mul(t, P.log(y)), P.mul(u, P.div(x, y)))


@custom_jvp
def _x_log1p_y(x: Any, y: Any) -> Any:
    zero = P.table["and"](P.eq(x, lit(x, 0)), P.eq(y, y))
    return select(zero, lit(x, 0), P.mul(x, P.log1p(select(zero, lit(y, 1), y))))


@_x_log1p_y.defjvp
def _x_log1p_y_jvp(primals: Any, tangents: Any) -> Any:
    (x, y), (t, u) = primals, tangents
    slope = P.div(x, P.add(y, lit(y, 1)))
    return _x_log1p_y(x, y), P.add(P.mul(t, P.log1p(y)), P.mul(u, slope))


@special(
    "x log(y), and 0 where x is 0",
    "xlogy(0.0, 0.0)",
    "Array(0., dtype=float32, weak_type=True)",
    complex_too=True,
)
def xlogy(x, y):
    return _x_log_y(*full(x, y))


@special(
    "x log(1 + y), and 0 where x is 0",
    "xlog1py(0.0, -1.0)",
    "Array(0., dtype=float32, weak_type=True)",
    complex_too=True,
)
def xlog1py(x, y):
    return _x_log1p_y(*full(x, y))


@custom_jvp
def _entropy(x: Any) -> Any:
    zero = P.eq(x, lit(x, 0))
    return select(zero, lit(x, 0), P.neg(P.mul(x, P.log(select(zero, lit(x, 1), x)))))


@_entropy.defjvp
def _entropy_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return _entropy(x), P.neg(P.mul(t, P.add(P.log(x), lit(x, 1))))


@special(
    "-x log(x): what an event of probability x adds to the entropy",
    "entr(1.0)",
    "Array(-0., dtype=float32, weak_type=True)",
)
def entr(x):
    negative = P.lt(x, lit(x, 0))
    safe = select(negative, lit(x, 1), x)
    return select(negative, lit(x, -math.inf), _entropy(safe))


def _relative_entropy(p: Any, q: Any, shifted: bool) -> Any:
    p, q = full(p, q)
    one, zero = lit(p, 1), lit(p, 0)
    both = P.table["and"](P.gt(p, zero), P.gt(q, zero))
    none = P.table["and"](P.eq(p, zero), P.ge(q, zero))
    safe_p, safe_q = select(both, p, one), select(both, q, one)
    value = P.mul(safe_p, P.sub(P.log(safe_p), P.log(safe_q)))
    empty = zero
    if shifted:
        value = P.add(P.sub(value, safe_p), safe_q)
        empty = q
    return select(both, value, select(none, empty, lit(p, math.inf)))


@special(
    "p log(p / q), a term of the relative entropy",
    "rel_entr(1.0, 1.0)",
    "Array(0., dtype=float32, weak_type=True)",
)
def rel_entr(p, q):
    return _relative_entropy(p, q, False)


@special(
    "p log(p / q) - p + q, a term of the Kullback-Leibler divergence",
    "kl_div(1.0, 1.0)",
    "Array(0., dtype=float32, weak_type=True)",
)
def kl_div(p, q):
    return _relative_entropy(p, q, True)


def _box_cox(log: Any, power: Any) -> Any:
    log, power = full(log, power)
    zero = P.eq(power, lit(power, 0))
    safe = select(zero, lit(power, 1), power)
    return select(zero, log, P.div(P.expm1(P.mul(log, safe)), safe))


@special(
    "Box and Cox's transform, (x**lmbda - 1) / lmbda, or log(x) for lmbda = 0",
    "boxcox(3.0, 2.0).round(4)",
    "Array(4., dtype=float32, weak_type=True)",
)
def boxcox(x, lmbda):
    return _box_cox(P.log(x), lmbda)


@special(
    "Box and Cox's transform of 1 + x",
    "boxcox1p(2.0, 2.0).round(4)",
    "Array(4., dtype=float32, weak_type=True)",
)
def boxcox1p(x, lmbda):
    return _box_cox(P.log1p(x), lmbda)
