"""The steps of a plan that are no runs of kernels: NumPy's rules, constants, and views.

Each becomes a function of the values of all slots. They are the same for every backend whose
arrays are ndarrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fx.core.primitive import P
from fx.kernel.graph import Node
from fx.util import fp_enter, fp_exit

ndarray = np.ndarray
READY = 0x101  # the flags of an ndarray: in row-major order, and aligned


def ready(x: np.ndarray) -> np.ndarray:
    """The array, or a copy of it that native code can read: in row-major order and aligned."""
    return x if x.flags.num & READY == READY else np.require(x, requirements=("C", "A"))


def carried_out(
    steps: Iterable[tuple[Callable[[list[Any]], None], list[int]]],
    values: list[Any],
    results: Iterable[int],
) -> list[Any]:
    """The values in the slots `results` after steps, each of which leaves some slots empty."""
    token = fp_enter()
    try:
        for step, dying in steps:
            step(values)
            for slot in dying:
                values[slot] = None
    finally:
        fp_exit(token)
    return [values[s] for s in results]


def _call(eqn: Any, ins: list[int], outs: list[int]) -> Callable[[list[Any]], None]:
    """A primitive's own rule."""
    impl, params, many = eqn.primitive.impl, eqn.params, eqn.primitive.multiple_results

    def call(values: list[Any]) -> None:
        out = impl(np, *[values[i] for i in ins], **params)
        for slot, x in zip(outs, out if many else [out], strict=True):
            values[slot] = x if type(x) is ndarray else np.asarray(x)

    return call


def _constant(value: np.ndarray, ins: list[int], outs: list[int]) -> Callable[[list[Any]], None]:
    (slot,) = outs

    def call(values: list[Any]) -> None:
        values[slot] = value

    return call


def _iota(node: Node, ins: list[int], outs: list[int]) -> Callable[[list[Any]], None]:
    (slot,) = outs
    axis = node.attr.index(1)

    def call(values: list[Any]) -> None:
        values[slot] = P.iota.impl(np, dtype=node.dtype, shape=node.shape, dimension=axis)

    return call


def _reshape(
    shape: tuple[int, ...], ins: list[int], outs: list[int]
) -> Callable[[list[Any]], None]:
    (source,), (slot,) = ins, outs

    def call(values: list[Any]) -> None:
        values[slot] = values[source].reshape(shape)

    return call


def _look(
    shape: tuple[int, ...],
    dtype: np.dtype,
    offset: int,
    strides: tuple[int, ...],
    ins: list[int],
    outs: list[int],
) -> Callable[[list[Any]], None]:
    """A view of an array in row-major order."""
    (source,), (slot,) = ins, outs

    def call(values: list[Any]) -> None:
        values[slot] = ndarray(shape, dtype, ready(values[source]), offset, strides)

    return call


KINDS = {
    "call": _call,
    "constant": _constant,
    "iota": _iota,
    "reshape": _reshape,
    "look": _look,
}
