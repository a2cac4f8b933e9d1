"""Affine views: which element of one array each index of another sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class View(NamedTuple):
    """Which element of an operand each index of a result sees.

    The index along an axis of the operand is its offset, plus step * index of the result for each
    (axis of the result, step) among its terms.
    """

    terms: tuple[tuple[tuple[int, int], ...], ...]
    offsets: tuple[int, ...]


def identity_view(shape: Sequence[int]) -> View:
    """The view that moves nothing."""
    return View(tuple(((i, 1),) for i in range(len(shape))), (0,) * len(shape))


def compose(outer: View, inner: View) -> View:
    """The view of a view: `inner` is applied to the operand first."""
    every, offsets = [], []
    for terms, offset in zip(*inner, strict=True):
        steps: dict[int, int] = {}
        for middle, step in terms:
            offset += step * outer.offsets[middle]
            for axis, factor in outer.terms[middle]:
                steps[axis] = steps.get(axis, 0) + step * factor
        every.append(tuple(steps.items()))
        offsets.append(offset)
    return View(tuple(every), tuple(offsets))


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a row-major array."""
    strides, total = [], 1
    for n in reversed(shape):
        strides.append(total)
        total *= n
    return tuple(reversed(strides))


def inverted(order: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes another."""
    return tuple(order.index(i) for i in range(len(order)))


def inverse(shape: Sequence[int], shown: Sequence[int], view: View) -> View | None:
    """Where each index of an array is shown, if a view shows every element once."""
    if any(view.offsets) or math.prod(shape) != math.prod(shown):
        return None
    place: dict[int, int] = {}
    for axis, (n, terms) in enumerate(zip(shape, view.terms, strict=True)):
        if n == 1:
            continue
        if len(terms) != 1 or terms[0][1] != 1 or terms[0][0] in place:
            return None
        place[terms[0][0]] = axis
    return View(
        tuple(((place[i], 1),) if i in place else () for i in range(len(shown))),
        (0,) * len(shown),
    )


def merging(shape: Sequence[int], merged: Sequence[int]) -> View | None:
    """Where each index of an array stands after a reshape that only merges axes."""
    axes, every = 0, []
    for n in merged:
        group, size = [], 1
        while size != n or (axes < len(shape) and shape[axes] == 1):
            if axes == len(shape) or size > n:
                return None
            size *= shape[axes]
            group.append(axes)
            axes += 1
        units = contiguous([shape[a] for a in group])
        every.append(tuple((a, u) for a, u in zip(group, units, strict=True) if shape[a] != 1))
    if any(n != 1 for n in shape[axes:]):
        return None
    return View(tuple(every), (0,) * len(merged))
