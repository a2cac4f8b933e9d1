"""The methods of NumPy's universal functions, on fx's: `add.reduce`, `multiply.outer`, ...

The functions stay plain functions, which are quicker to call than objects; the methods are their
attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fx.core.array import Array
from fx.errors import FxValueError, public
from fx.numpy.cumulative import cumprod, cumsum
from fx.numpy.functional import accumulate_along, apply_at, fold_along, outer_product
from fx.numpy.reductions import all as all_
from fx.numpy.reductions import any as any_
from fx.numpy.reductions import max as max_
from fx.numpy.reductions import min as min_
from fx.numpy.reductions import prod, sum

# Reductions and running forms that are functions of their own, and so primitives.
_REDUCE: dict[str, Callable[..., Any]] = {
    "add": sum,
    "multiply": prod,
    "logical_and": all_,
    "logical_or": any_,
    "maximum": max_,
    "minimum": min_,
}
_ACCUMULATE: dict[str, Callable[..., Any]] = {"add": cumsum, "multiply": cumprod}


def _equip(function: Any, name: str, identity: Any) -> None:
    """Gives a function of two arrays the attributes of a ufunc."""
    whole, running = _REDUCE.get(name), _ACCUMULATE.get(name)

    @public
    def outer(A: Any, B: Any, /) -> Array:
        """The function of each element of `A` with each of `B`; shape A.shape + B.shape."""
        return outer_product(function, A, B)

    @public
    def reduce(
        a: Any,
        axis: int | None = 0,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Array:
        """Folds along an axis; `where` needs an identity or `initial`."""
        if out is not None:
            raise FxValueError(f"{name}.reduce: arrays are immutable; out must be None.")
        if whole is not None and dtype is None:
            options = {} if whole in (all_, any_) else {"initial": initial}
            return whole(a, axis, keepdims=keepdims, where=where, **options)
        start = initial
        if start is None and (where is not None or np.size(a) == 0):
            start = identity
        return fold_along(function, a, axis, dtype, keepdims, start, where)

    @public
    def accumulate(a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Array:
        """All partial folds along an axis."""
        if out is not None:
            raise FxValueError(f"{name}.accumulate: arrays are immutable; out must be None.")
        if running is not None:
            return running(a, axis, dtype)
        return accumulate_along(function, a, axis, dtype)

    @public
    def at(a: Any, indices: Any, b: Any = None, /, *, inplace: bool = True) -> Array:
        """A copy of `a` with the function applied at positions; pass inplace=False."""
        return apply_at(function, a, indices, b, inplace)

    function.nin, function.nout, function.nargs, function.identity = 2, 1, 3, identity
    function.outer, function.reduce, function.accumulate, function.at = (
        outer,
        reduce,
        accumulate,
        at,
    )


# The functions that have the methods in JAX, and what each gives over nothing.
_IDENTITIES = {
    "add": 0,
    "bitwise_and": -1,
    "bitwise_or": 0,
    "bitwise_xor": 0,
    "logaddexp": -np.inf,
    "logaddexp2": -np.inf,
    "logical_and": True,
    "logical_or": False,
    "logical_xor": False,
    "maximum": None,
    "minimum": None,
    "multiply": 1,
    "subtract": None,
}


def equip(functions: dict[str, Any]) -> None:
    """Gives the methods to the functions of that name."""
    for name, identity in _IDENTITIES.items():
        _equip(functions[name], name, identity)
