"""How sorting is lowered: keys become unsigned numbers of 32 bits, each with its position below.

Longer keys, and several of them, are sorted by their least significant part first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.kernel.graph import NATIVE, View, identity_view
from fx.kernel.vocabulary import HALVES
from fx.util import moved

_HERE = 4096  # elements from which on NumPy sorts faster, where it can be called

_U32, _U64 = np.dtype(np.uint32), np.dtype(np.uint64)


def sort_order(graph: Any, keys: Sequence[Any], axis: int, *, largest: bool = False) -> Any:
    """The stable order by keys, most significant first, along an axis that is moved to the end.

    As int32; None where the graph has no form for it, or NumPy is faster. `largest` sorts
    downwards, and all bits count; else NaNs are equal, and so are zeros.
    """
    x = keys[0]
    if any(k.dtype not in NATIVE for k in keys):
        return None
    if not x.size or (x.size > _HERE and not graph.inside):
        return None
    parts: list[Any] = []
    for key in keys:
        made = _parts(graph, at_end(graph, key, axis), largest)
        if made is None:
            return None
        parts += made
    order = None
    for part in reversed(parts):
        if order is not None:
            part = along(graph, part, order)
        found = _positions(graph, part)
        order = found if order is None else along(graph, order, found)
    return order


def at_end(graph: Any, x: Any, axis: int) -> Any:
    """`x` with an axis moved to the end."""
    return _turned(graph, x, moved(range(len(x.shape)), axis, len(x.shape) - 1))


def back(graph: Any, x: Any, axis: int) -> Any:
    """`x` with its last axis moved to where it belongs."""
    return _turned(graph, x, moved(range(len(x.shape)), len(x.shape) - 1, axis))


def _turned(graph: Any, x: Any, order: list[int]) -> Any:
    return graph.view(x, [x.shape[i] for i in order], [order.index(i) for i in range(len(order))])


def along(graph: Any, x: Any, positions: Any) -> Any:
    """Elements of `x` at positions along the last axis."""
    last = len(x.shape) - 1
    terms, offsets = identity_view(x.shape)
    view = View((*terms[:-1], ()), offsets)
    return graph.take(x, positions.shape, view, [(last, x.shape[last] - 1, positions)])


def _parts(graph: Any, x: Any, largest: bool) -> list[Any] | None:
    """Numbers of 32 bits in the order of `x`, the most significant first."""
    if x.dtype in HALVES:
        x = graph.map("convert", x, dtype=np.dtype(np.float32))
    kind, bits = x.dtype.kind, x.dtype.itemsize * 8
    if kind not in "biuf":
        return None

    def number(dtype: Any, value: int) -> Any:
        return graph.constant(np.asarray(value).astype(dtype))

    if kind == "f":
        signed, whole = np.dtype(f"int{bits}"), np.dtype(f"uint{bits}")
        if not largest:
            x = graph.map("add", x, number(x.dtype, 0))  # makes -0.0 equal to 0.0
            nan = graph.constant(x.dtype.type(np.nan))
            x = graph.map("select", graph.map("ne", x, x), x, nan)
        raw = graph.map("bitcast", x, dtype=signed)
        sign = graph.map("shift_right_arithmetic", raw, number(signed, bits - 1))
        sign = graph.map("and", sign, number(signed, np.iinfo(signed).max))
        x = graph.map("bitcast", graph.map("xor", raw, sign), dtype=whole)
        x = graph.map("xor", x, graph.constant(whole.type(1 << (bits - 1))))
    else:
        whole = _U64 if bits == 64 else _U32
        half = whole.itemsize * 8 - 1
        x = graph.map("convert", x, dtype=whole)
        if kind == "i":
            x = graph.map("xor", x, graph.constant(whole.type(1 << half)))
    if largest:
        x = graph.map("not", x)
    if whole == _U32:
        return [x]
    high = graph.map("shift_right_logical", x, graph.constant(np.uint64(32)))
    return [graph.map("convert", part, dtype=_U32) for part in (high, x)]


def _positions(graph: Any, part: Any) -> Any:
    """Where the elements of each row in ascending order are."""
    last = len(part.shape) - 1
    high = graph.map("convert", part, dtype=_U64)
    high = graph.map("shift_left", high, graph.constant(np.uint64(32)))
    packed = graph.map("or", high, graph.iota(part.shape, last, _U64))
    found = graph.sort(packed)
    terms = tuple(((i, 1),) for i in range(last))
    first = graph.look(found, part.shape, (*terms, (), ((last, 1),)), (0,) * (last + 2))
    return graph.map("convert", first, dtype=np.dtype(np.int32))
