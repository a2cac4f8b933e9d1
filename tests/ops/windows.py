"""Random gathers and scatters for tests: valid dimension numbers over small arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from fx.ops.dimension_numbers import GatherDimensionNumbers, GatherScatterMode

MODES = list(GatherScatterMode)


class Case(NamedTuple):
    """A gather: shapes, numbers, and indices (some out of bounds unless the mode forbids it)."""

    shape: tuple[int, ...]
    indices: np.ndarray
    numbers: GatherDimensionNumbers
    sizes: tuple[int, ...]
    mode: GatherScatterMode
    result: tuple[int, ...]


@st.composite
def gathers(draw: Any, modes: Any = MODES, extents: Any = None) -> Case:
    """Any valid gather of an operand with up to three axes.

    Large `extents` of axes make many indices, which one seed draws.
    """
    random = None
    if extents is not None:
        random = np.random.default_rng(draw(st.integers(0, 99)))
    small = st.integers(1, 3) if extents is None else extents
    kinds = draw(
        st.lists(st.sampled_from(["window", "collapsed", "batch"]), min_size=1, max_size=3)
    )
    shape = tuple(draw(small) for _ in kinds)
    batching = tuple(i for i, k in enumerate(kinds) if k == "batch")
    collapsed = tuple(i for i, k in enumerate(kinds) if k == "collapsed")
    sizes = tuple(
        draw(st.integers(0 if n == 1 else 1, n)) if k == "window" else 1
        for n, k in zip(shape, kinds, strict=True)
    )
    free = [i for i in range(len(shape)) if i not in batching]
    mapped = draw(st.permutations([i for i in free if i in collapsed or draw(st.booleans())]))

    # Batch axes of the indices: those of the batching dims and up to one or two more.
    extra = [
        draw(st.integers(1, 2) if extents is None else extents)
        for _ in range(draw(st.integers(0, 2)))
    ]
    axes = draw(st.permutations([("batch", i) for i in batching] + [("extra", n) for n in extra]))
    outer = tuple(shape[i] if kind == "batch" else i for kind, i in axes)
    indices_batching = tuple(axes.index(("batch", i)) for i in batching)
    mode = draw(st.sampled_from(modes))
    safe = mode is GatherScatterMode.PROMISE_IN_BOUNDS
    indices = np.zeros((*outer, len(mapped)), np.int32)
    for column, axis in enumerate(mapped):
        last = shape[axis] - sizes[axis]
        low, high = (0, last) if safe else (-2, last + 2)
        if random is None:
            flat = [draw(st.integers(low, high)) for _ in range(int(np.prod(outer)))]
        else:
            flat = random.integers(low, high + 1, int(np.prod(outer)))
        indices[..., column] = np.reshape(flat, outer)
    windows = [n for n, k in zip(sizes, kinds, strict=True) if k == "window"]
    rank = len(outer) + len(windows)
    offsets = sorted(draw(st.permutations(range(rank)))[: len(windows)])
    result, inner, rest = [], iter(windows), iter(outer)
    for i in range(rank):
        result.append(next(inner) if i in offsets else next(rest))
    numbers = GatherDimensionNumbers(
        tuple(offsets), collapsed, tuple(mapped), batching, indices_batching
    )
    return Case(shape, indices, numbers, sizes, mode, tuple(result))
