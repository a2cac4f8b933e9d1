"""How padding, windows and convolutions are lowered: all are affine views of an array in a graph.

Space between elements is made by padding an axis of size 1 behind theirs. A window has axes for
its places and axes for its taps, both of which step along the same axis of the operand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.kernel.products import contract
from fx.kernel.views import inverted
from fx.ops.numerics import window as numerics

_MOST_TAPS = 16  # of a window whose selection is unrolled


def padded(graph: Any, x: Any, fill: Any, config: Sequence[Sequence[int]]) -> Any:
    """`x` with (low, high, interior) elements of `fill` along each axis; negative ones cut.

    None where the graph has no form for it.
    """
    if not any(any(row) for row in config):
        return x
    if not x.size:
        return None
    base, order = graph.layout(x)
    if order is not None:
        made = padded(graph, base, fill, [config[a] for a in inverted(order)])
        return None if made is None else graph.ordered(made, order)
    fluid = x.fluid
    if any(between for *_, between in config):
        x = _spread(graph, x, fill, [between + 1 for *_, between in config])
    if x is not None and any(low < 0 or high < 0 for low, high, _ in config):
        starts = [max(0, -low) for low, _, _ in config]
        stops = [n - max(0, -high) for n, (_, high, _) in zip(x.shape, config, strict=True)]
        shape = [b - a for a, b in zip(starts, stops, strict=True)]
        if min(shape) <= 0:
            return None
        x = graph.view(x, shape, range(len(shape)), None, starts)
    if x is None:
        return None
    x = graph.pad(x, fill, [max(0, c[0]) for c in config], [max(0, c[1]) for c in config])
    if x is not None and x.kind == "map":
        x.fluid = fluid
    return x


def _spread(graph: Any, x: Any, fill: Any, steps: Sequence[int]) -> Any:
    """`x` with its elements `step` apart."""
    places, shape, after = [], [], []
    for n, step in zip(x.shape, steps, strict=True):
        places.append(len(shape))
        shape.append(n)
        after.append(0)
        if step > 1:
            shape.append(1)
            after.append(step - 1)
    x_new = graph.view(x, shape, places)
    if x_new is None:
        return None
    wide = graph.pad(x_new, fill, [0] * len(shape), after)
    if wide is None:
        return None
    joined = graph.reshape(wide, [n * step for n, step in zip(x.shape, steps, strict=True)])
    if joined is None:
        return None
    covered = [(n - 1) * step + 1 for n, step in zip(x.shape, steps, strict=True)]
    return graph.view(joined, covered, range(len(covered)))


def convolved(
    graph: Any,
    lhs: Any,
    rhs: Any,
    out_shape: tuple[int, ...],
    *,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    specs: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    feature_groups: int,
    batch_groups: int,
) -> Any:
    """A convolution as a contraction of windows; None where the graph has no form for it."""
    lhs_spec, rhs_spec, out_spec = specs
    rank = len(lhs_spec) - 2
    if not math.prod(out_shape) or not lhs.size or not rhs.size:
        return None
    config = [(0, 0, 0)] * (rank + 2)
    for axis, (low, high), step in zip(lhs_spec[2:], padding, lhs_dilation, strict=True):
        config[axis] = (low, high, step - 1)
    lhs = padded(graph, lhs, graph.constant(np.zeros((), lhs.dtype)), config)
    if lhs is None:
        return None
    groups = feature_groups * batch_groups
    batch = lhs.shape[lhs_spec[0]] // batch_groups
    features = lhs.shape[lhs_spec[1]] // feature_groups
    outs = rhs.shape[rhs_spec[0]] // groups
    taps = [rhs.shape[a] for a in rhs_spec[2:]]
    places = [out_shape[a] for a in out_spec[2:]]
    # Axes of the contraction: image, places, (group,) output feature; then taps, input feature.
    shape = [batch, *places, *([groups] if groups > 1 else []), outs]
    reduced = [*taps, features]
    n = len(shape)
    group, last, feature = n - 2, n - 1, n + rank
    terms: list[Any] = [()] * (rank + 2)
    of_batch = ((group, batch),) if batch_groups > 1 else ()
    terms[lhs_spec[0]] = (*of_batch, (0, 1))
    of_feature = ((group, features),) if feature_groups > 1 else ()
    terms[lhs_spec[1]] = (*of_feature, (feature, 1))
    for i, axis in enumerate(lhs_spec[2:]):
        terms[axis] = ((1 + i, window_strides[i]), (n + i, rhs_dilation[i]))
    sizes = [*shape, *reduced]
    used = sorted({axis for row in terms for axis, _ in row})
    x = _looked(graph, lhs, sizes, used, terms)
    of_rhs: list[Any] = [()] * (rank + 2)
    of_rhs[rhs_spec[0]] = (*(((group, outs),) if groups > 1 else ()), (last, 1))
    of_rhs[rhs_spec[1]] = ((feature, 1),)
    for i, axis in enumerate(rhs_spec[2:]):
        of_rhs[axis] = ((n + i, 1),)
    w_used = sorted({axis for row in of_rhs for axis, _ in row})
    w = _looked(graph, rhs, sizes, w_used, of_rhs)
    if x is None or w is None:
        return None
    # The gradient of a kernel is small, and wanted as the kernel is: its features and taps in
    # their order. What is an image has its channels last.
    order = list(range(n))
    natural = math.prod(taps) > math.prod(places)
    if natural:
        axes_of = {0: (0,), 1: range(rank + 1, n), **{2 + i: (1 + i,) for i in range(rank)}}
        order = [a for axis in range(rank + 2) for a in axes_of[out_spec.index(axis)]]
    rename = {a: i for i, a in enumerate(order)} | {a: a for a in range(n, len(sizes))}
    made = contract(
        graph,
        x,
        [rename[a] for a in used],
        w,
        [rename[a] for a in w_used],
        [shape[a] for a in order],
        reduced,
    )
    if made is None:
        return None
    if groups > 1:
        made = graph.reshape(made, out_shape if natural else [batch, *places, groups * outs])
    if natural or made is None:
        return made
    made.fluid = True
    return graph.view(made, out_shape, [out_spec[0], *out_spec[2:], out_spec[1]])


def _looked(
    graph: Any, x: Any, sizes: Sequence[int], used: Sequence[int], terms: Sequence[Any]
) -> Any:
    """The view of `x` with the axes `used` of a contraction, in order."""
    where = {a: i for i, a in enumerate(used)}
    moved = [tuple((where[a], step) for a, step in row) for row in terms]
    return graph.look(x, [sizes[a] for a in used], moved, (0,) * len(moved))


def pooled(
    graph: Any,
    x: Any,
    op: str,
    fill: Any,
    *,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    base_dilation: Sequence[int],
    window_dilation: Sequence[int],
    shape: Sequence[int],
) -> Any:
    """A fold over windows; None where the graph has no form for it."""
    if not shape:
        return x
    if 0 in shape or not x.size:
        return None
    base, order = graph.layout(x)
    if order is not None:
        axes = inverted(order)
        made = pooled(
            graph,
            base,
            op,
            fill,
            window_dimensions=[window_dimensions[a] for a in axes],
            window_strides=[window_strides[a] for a in axes],
            padding=[padding[a] for a in axes],
            base_dilation=[base_dilation[a] for a in axes],
            window_dilation=[window_dilation[a] for a in axes],
            shape=[shape[a] for a in axes],
        )
        return None if made is None else graph.ordered(made, order)
    fluid = x.fluid
    rows = zip(padding, base_dilation, strict=True)
    x = padded(graph, x, fill, [(low, high, step - 1) for (low, high), step in rows])
    if x is None:
        return None
    # All places but the innermost, the taps, then the innermost places.
    n = len(shape)
    inner = max((i for i in range(n) if shape[i] > 1), default=0)
    taps = [i for i in range(n) if window_dimensions[i] > 1]
    outer = [i for i in range(n) if i != inner]
    domain = [*(shape[i] for i in outer), *(window_dimensions[i] for i in taps), shape[inner]]
    at = {i: place for place, i in enumerate(outer)} | {inner: len(domain) - 1}
    terms = [
        ((at[i], window_strides[i]),)
        + (((len(outer) + taps.index(i), window_dilation[i]),) if i in taps else ())
        for i in range(n)
    ]
    windows = graph.look(x, domain, terms, (0,) * n)
    if windows is None:
        return None
    folded = graph.reduce(op, windows, range(len(outer), len(outer) + len(taps)))
    if folded is None:
        return None
    folded.fluid = fluid
    if inner == n - 1:
        return folded
    return graph.view(folded, shape, [*outer, inner])


def scattered(
    graph: Any,
    source: Any,
    operand: Any,
    *,
    select: str,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> Any:
    """Each source at the place that its window of the operand selects.

    An element looks at all others of its window, in order: a later one is selected unless the one
    selected so far is at least as large ("ge"). Windows side by side need no memory for that.
    """
    sizes, strides, padding = list(window_dimensions), list(window_strides), list(padding)
    taps = math.prod(sizes)
    if taps > _MOST_TAPS or not source.size:
        return None
    disjoint = sizes == strides and not any(any(p) for p in padding)
    if disjoint and taps == 1:
        return source
    base, order = graph.layout(operand)
    if order is not None:
        axes = inverted(order)
        turned = graph.view(source, [source.shape[a] for a in axes], order)
        made = turned and scattered(
            graph,
            turned,
            base,
            select=select,
            window_dimensions=[sizes[a] for a in axes],
            window_strides=[strides[a] for a in axes],
            padding=[padding[a] for a in axes],
        )
        return None if made is None else graph.ordered(made, order)
    if not disjoint:
        return _scattered_apart(graph, source, operand, select, sizes, strides, padding)
    # The grid: for each axis its windows, then, where they have several, their taps.
    grid: list[int] = []
    place, tap_axes = [], {}
    for i, (n, size) in enumerate(zip(source.shape, sizes, strict=True)):
        place.append(len(grid))
        grid.append(n)
        if size > 1:
            tap_axes[i] = len(grid)
            grid.append(size)
    every = range(len(sizes))
    other_terms = [((place[i], sizes[i]),) for i in every]
    shown = graph.view(source, grid, place)
    number = _selected(graph, operand, grid, other_terms, select, sizes, sizes)
    if number is None:
        return None
    steps = [0] * len(grid)
    for i, axis in tap_axes.items():
        steps[axis] = math.prod(sizes[i + 1 :])
    own = graph.index(grid, steps, np.int32)
    zero = graph.constant(np.zeros((), source.dtype))
    chosen = graph.map("select", graph.map("eq", number, own), zero, shown)
    if chosen is None:
        return None
    chosen.fluid = operand.fluid
    covered = [n * s for n, s in zip(source.shape, sizes, strict=True)]
    joined = graph.reshape(chosen, covered)
    rest = [(0, n - c, 0) for n, c in zip(operand.shape, covered, strict=True)]
    return joined and padded(graph, joined, zero, rest)


def _selected(
    graph: Any,
    operand: Any,
    shape: Sequence[int],
    terms: Sequence[Any],
    select: str,
    sizes: Sequence[int],
    radix: Sequence[int],
) -> Any:
    """The number of the tap that each window selects, counted with a radix for each axis.

    The first tap of a window lies where `terms` say.
    """
    best, number = None, None
    for tap in itertools.product(*(range(s) for s in sizes)):
        x = graph.look(operand, shape, terms, tap)
        if x is None:
            return None
        if best is None:
            best, number = x, graph.constant(np.int32(0))
            continue
        t = sum(i * math.prod(radix[a + 1 :]) for a, i in enumerate(tap))
        keep = graph.map(select, best, x)
        best = keep and graph.map("select", keep, x, best)
        number = keep and graph.map("select", keep, graph.constant(np.int32(t)), number)
        if best is None or number is None:
            return None
    return number


def _scattered_apart(
    graph: Any,
    source: Any,
    operand: Any,
    select: str,
    sizes: list[int],
    strides: list[int],
    padding: list[tuple[int, int]],
) -> Any:
    """`scattered` for windows that overlap or have gaps.

    Place s*q + r of the padded operand is tap r + s*j of window q - j, for a few j: it adds up the
    sources of those that have selected it. Which tap each window selects is computed once.
    """
    shape, every = list(source.shape), range(len(sizes))
    fill = numerics.identity("max" if select == "ge" else "min", operand.dtype)
    places = zip(operand.shape, padding, strict=True)
    wide = padded(graph, operand, graph.constant(fill), [(*p, 0) for _, p in places])
    if wide is None:
        return None
    back = [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
    radix = [b * s for b, s in zip(back, strides, strict=True)]
    number = _selected(
        graph, wide, shape, [((i, strides[i]),) for i in every], select, sizes, radix
    )
    if number is None:
        return None
    if number.kind == "constant":  # windows of one element
        number = graph.view(number, shape, ())
    if number is None:
        return None
    number = graph.copy(number)
    # For each axis q, and behind it r where the stride is not 1.
    grid, at, rest = [], [], {}
    for i, stride in enumerate(strides):
        at.append(len(grid))
        grid.append(-(-wide.shape[i] // stride))
        if stride > 1:
            rest[i] = len(grid)
            grid.append(stride)
    steps = [0] * len(grid)
    for i, axis in rest.items():
        steps[axis] = math.prod(radix[i + 1 :])
    own = graph.index(grid, steps, np.int32)
    zero = graph.constant(np.zeros((), source.dtype))
    none = graph.constant(np.int32(-1))
    source = graph.array(source)
    total: Any = None
    for j in itertools.product(*(range(b) for b in back)):
        terms = [((at[i], 1),) for i in every]
        bounds = [(((at[i], 1),), j[i], j[i] + shape[i]) for i in every]
        offsets = [-n for n in j]
        looks = [graph.look(x, grid, terms, offsets) for x in (number, source)]
        if None in looks:
            return None
        theirs, share = graph.bounded(looks[0], none, bounds), graph.bounded(looks[1], zero, bounds)
        tap = sum(n * strides[i] * math.prod(radix[i + 1 :]) for i, n in enumerate(j))
        mine = graph.map("add", own, graph.constant(np.int32(tap)))
        term = graph.map("select", graph.map("eq", theirs, mine), zero, share)
        total = term if total is None else term and graph.map("add", total, term)
        if total is None:
            return None
    total.fluid = operand.fluid
    joined = graph.reshape(total, [n * s for n, s in zip(
        [grid[a] for a in at], strides, strict=True)])  # fmt: skip
    cut = [
        (-low, low + n - m, 0)
        for n, m, (low, _) in zip(operand.shape, joined.shape, padding, strict=True)
    ]
    return padded(graph, joined, zero, cut)
