"""What a program computes and moves, equation by equation, from its types alone."""

from __future__ import annotations

import math
from typing import Any

from fx.core.ir import Eqn, Jaxpr, subjaxprs
from fx.errors import format_source

# Counted as XLA counts them: one for each element, apart from the other operations.
TRANSCENDENTAL = frozenset(
    ["exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sinh", "cosh", "asin",
     "acos", "atan", "asinh", "acosh", "atanh", "atan2", "logistic", "sqrt", "rsqrt", "cbrt", "pow",
     "erf", "erfc", "erf_inv", "lgamma", "digamma"]
)  # fmt: skip
_ARITHMETIC = frozenset(
    ["add", "sub", "mul", "div", "rem", "neg", "square", "abs", "sign", "max", "min", "integer_pow",
     "floor", "ceil", "round", "clamp", "select_n", "eq", "ne", "lt", "le", "gt", "ge", "and", "or",
     "xor", "not", "is_finite", "add_any", "nextafter"]
)  # fmt: skip


def cost_analysis(jaxpr: Jaxpr) -> dict[str, Any]:
    """The operations of a program and the bytes that its equations read and write.

    Bytes are those of equations one by one; fused, fewer reach memory. The body of a loop counts as
    often as it runs (of `while_loop`, whose count is not known, once), of a `cond` the costliest
    branch.

    Returns:
        "flops", "transcendentals", "bytes accessed" as floats, and "equations": a list of dicts
        with the same keys and "name", "source" of each equation, loops and branches as one each.
    """
    equations = []
    for eqn in _flat(jaxpr):
        flops, special = _operations(eqn)
        source = format_source(eqn.source)
        equations.append({"name": eqn.primitive.name, "source": source, "flops": flops,
                          "transcendentals": special, "bytes accessed": _bytes(eqn)})  # fmt: skip
    keys = ("flops", "transcendentals", "bytes accessed")
    return {**{k: sum((e[k] for e in equations), 0.0) for k in keys}, "equations": equations}


def _flat(jaxpr: Jaxpr) -> list[Eqn]:
    """The equations, with those of calls in their place."""
    found = []
    for eqn in jaxpr.eqns:
        inner = eqn.primitive.body(eqn.params)
        found += [eqn] if inner is None else _flat(inner)
    return found


def _inner(eqn: Eqn) -> list[tuple[int, dict[str, Any]]]:
    """How often the programs inside an equation run, and their costs."""
    found = [cost_analysis(sub) for sub in subjaxprs(eqn.params)]
    if eqn.primitive.name == "cond" and found:
        found = [max(found, key=lambda c: (c["flops"], c["bytes accessed"]))]
    times = eqn.params.get("length", eqn.params.get("size", 1))
    return [(times if isinstance(times, int) else 1, cost) for cost in found]


def _operations(eqn: Eqn) -> tuple[float, float]:
    inner = _inner(eqn)
    if inner:
        return (sum(n * c["flops"] for n, c in inner),
                sum(n * c["transcendentals"] for n, c in inner))  # fmt: skip
    name, params = eqn.primitive.name, eqn.params
    operands = [v.aval for v in eqn.invars]
    size = float(eqn.outvars[0].aval.size) if eqn.outvars else 0.0
    if name in TRANSCENDENTAL:
        return 0.0, size
    if name in _ARITHMETIC:
        return size, 0.0
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        return 2.0 * size * math.prod(operands[0].shape[i] for i in contracted), 0.0
    if name == "conv_general_dilated":
        kernel, numbers = operands[1], params["dimension_numbers"]
        return 2.0 * size * kernel.size / max(1, kernel.shape[numbers.rhs_spec[0]]), 0.0
    if "window_dimensions" in params:
        return size * math.prod(params["window_dimensions"]), 0.0
    if name.startswith(("reduce_", "arg", "cum", "scatter")) and name != "reduce_precision":
        return float(operands[-1 if name.startswith("scatter") else 0].size), 0.0
    return 0.0, 0.0


def _bytes(eqn: Eqn) -> float:
    inner = _inner(eqn)
    if inner:
        return sum(n * c["bytes accessed"] for n, c in inner)
    return float(sum(v.aval.size * v.aval.dtype.itemsize for v in (*eqn.invars, *eqn.outvars)))
