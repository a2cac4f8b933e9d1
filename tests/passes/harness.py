"""What the tests of the passes share: an interpreter whose results do not depend on the layout of
arrays in memory, comparison to the last bit, and counting.

NumPy adds up in another order where an array has other strides, so on it the removal of a
transpose could show in the last bit of a sum. Here every operand is contiguous.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.backends.numpy import NumpyBackend
from fx.core.backend import register_backend
from fx.core.check import check_jaxpr
from fx.core.ir import Jaxpr, Literal, subjaxprs
from fx.passes import optimize
from fx.util import quiet_fp


class Plain:
    """A backend that evaluates equation by equation, on contiguous arrays."""

    name = "numpy"

    def compile(self, jaxpr: Jaxpr) -> Callable[[Sequence[Any]], list[Any]]:
        def run(args: Sequence[Any]) -> list[Any]:
            with quiet_fp():  # pmap's threads have their own state
                return evaluate(jaxpr, args)

        return run


def evaluate(jaxpr: Jaxpr, args: Sequence[Any]) -> list[np.ndarray]:
    env: dict[Any, np.ndarray] = {}
    env.update(zip(jaxpr.constvars, (c._data for c in jaxpr.consts), strict=True))
    env.update(zip(jaxpr.invars, map(np.asarray, args), strict=True))

    def read(atom: Any) -> np.ndarray:
        return atom.val if isinstance(atom, Literal) else env[atom]

    for eqn in jaxpr.eqns:
        operands = [np.asarray(read(v), order="C") for v in eqn.invars]
        out = eqn.primitive.impl(np, *operands, **eqn.params)
        outs = out if eqn.primitive.multiple_results else [out]
        env.update(zip(eqn.outvars, map(np.asarray, outs), strict=True))
    return [read(v) for v in jaxpr.outvars]


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Run what is inside equations on `Plain`, too."""
    register_backend("numpy", Plain())
    try:
        with quiet_fp():
            yield
    finally:
        register_backend("numpy", NumpyBackend())


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5, 1e-40, 3e38]


def odd(x: Any, seed: int) -> np.ndarray:
    """Special values of the type of an array; integers as they are, since they steer loops."""
    array = np.asarray(x)
    if not dtypes.is_inexact(array.dtype):
        return array
    values = np.random.default_rng(seed).choice(SPECIAL, array.shape)
    with np.errstate(all="ignore"):
        return values.astype(array.dtype)


def assert_same_bits(a: Any, b: Any, what: str = "") -> None:
    """Equal shapes, dtypes and numbers; -0.0 is not 0.0, all NaNs are equal."""
    assert (a.shape, a.dtype) == (b.shape, b.dtype), what
    if a.dtype.names is not None:
        assert a.tobytes() == b.tobytes(), what
        return
    kind = a.dtype.kind
    if kind == "c":
        assert_same_bits(a.real, b.real, what)
        assert_same_bits(a.imag, b.imag, what)
    elif kind in "biu":
        np.testing.assert_array_equal(a, b, err_msg=what)
    else:
        x, y = a.astype(np.float64), b.astype(np.float64)
        np.testing.assert_array_equal(x, y, err_msg=what)
        number = ~np.isnan(x)
        np.testing.assert_array_equal(np.signbit(x)[number], np.signbit(y)[number], err_msg=what)


def flat(jaxpr: Jaxpr) -> Iterator[Any]:
    """All equations, those of inner programs as well."""
    for eqn in jaxpr.eqns:
        yield eqn
        for inner in subjaxprs(eqn.params):
            yield from flat(inner)


def count(jaxpr: Jaxpr) -> Counter[str]:
    """How many equations there are of each primitive, inside others too."""
    return Counter(e.primitive.name for e in flat(jaxpr))


def forgetful(jaxpr: Jaxpr) -> Jaxpr:
    """A copy that does not know that it is optimal, nor do the programs in it."""

    def copy(value: Any) -> Any:
        if isinstance(value, Jaxpr):
            return forgetful(value)
        if isinstance(value, (tuple, list)) and subjaxprs({"": value}):
            items = [copy(x) for x in value]
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        return value

    eqns = []
    for e in jaxpr.eqns:
        own = e.primitive.name != "checkpoint_lin"  # names variables of its program
        params = {k: copy(v) for k, v in e.params.items()} if own else e.params
        eqns.append(type(e)(e.primitive, e.invars, e.outvars, params, e.source))
    return Jaxpr(jaxpr.invars, jaxpr.outvars, eqns, jaxpr.constvars, jaxpr.consts)


def check_optimized(jaxpr: Jaxpr, *inputs: Sequence[Any]) -> Jaxpr:
    """The optimized program, after all that holds of it: it is well typed and of the same type, it
    gives the same bits, and there is nothing left to optimize in it."""
    before = str(jaxpr)
    best = optimize(jaxpr)
    assert str(jaxpr) == before, "a pass changed its argument"
    check_jaxpr(best)
    assert best.in_avals == jaxpr.in_avals
    assert best.out_avals == jaxpr.out_avals
    assert optimize(best) is best
    again = forgetful(best)
    assert optimize(again) is again, f"not optimal:\n{best}\n{optimize(again)}"
    with plain():
        for args in inputs:
            for i, (x, y) in enumerate(
                zip(evaluate(jaxpr, args), evaluate(best, args), strict=True)
            ):
                assert_same_bits(x, y, f"result {i} of\n{jaxpr}\n{best}")
    return best
