"""Operations on arrays of a device outside of programs: each is a program of one equation."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from fx.core.array import Array
from fx.core.ir import Jaxpr
from fx.transforms.stage import stage


def program_of(primitive: Any, arrays: Sequence[Array], params: dict[str, Any]) -> Jaxpr:
    """An operation on arrays as a program; the same operation has the same one."""
    avals = tuple(x.aval for x in arrays)
    names = tuple(params)
    try:
        return _kept(primitive, avals, names, tuple(params.values()))
    except TypeError:  # a parameter that cannot be hashed
        return _staged(primitive, avals, names, tuple(params.values()))


def _staged(primitive: Any, avals: Sequence[Any], names: Sequence[str], values: Any) -> Jaxpr:
    params = dict(zip(names, values, strict=True))

    def operation(*args: Any) -> Any:
        out = primitive.bind(*args, **params)
        return out if primitive.multiple_results else [out]

    return stage(operation, avals)


_kept = functools.lru_cache(maxsize=4096, typed=True)(_staged)
