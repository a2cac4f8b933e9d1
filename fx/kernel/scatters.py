"""Updates of single places of an array, one after another, as a kernel of their own.

It works in place, on an array made for it. The axes of the updates are of three kinds:

    free    whatever the indices say, different elements of the result: in any order, in parallel
    batch   one set of coordinates each, which may be equal: in order
    window  inside windows that may overlap: in order, within each index of the batch axes

so each element of the result sees its updates in the order of the batch axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fx.kernel.fuse import storage
from fx.kernel.graph import Node, resolve
from fx.kernel.views import contiguous
from fx.kernel.vocabulary import BOOL

# Bools lie in bytes, of which the larger is the disjunction.
_OF_BYTES = {"add": "max", "mul": "min", "and": "min", "or": "max"}


class Axis(NamedTuple):
    """An axis of the updates: how far apart elements are in all arrays."""

    size: int
    target: int
    update: int
    columns: tuple[int, ...]


class Column(NamedTuple):
    """A coordinate of all windows: it is between 0 and `last`, `stride` elements apart."""

    dtype: np.dtype
    offset: int
    last: int
    stride: int


class Scatters:
    """A kernel that reads columns of coordinates and updates, and folds those into an array.

    Attributes:
        op, dtype: the fold ("set" replaces), in the order (what was there, update).
        arrays: those of the columns, of the updates, and of the result.
        free, batch, window: the axes of the updates, without those of size 1.
        columns, start, first: coordinates; where the result's and the updates' elements begin.
        drops: whether a window that is not wholly inside is left out, else it is moved inside.
        size: of the updates.
    """

    chunks = 1

    def __init__(self, node: Node):
        attr = node.attr
        _, updates, *columns = node.args
        is_bool = node.dtype == BOOL
        op = str(node.op)
        self.op = _OF_BYTES.get(op, op) if is_bool else op
        self.dtype = np.dtype(np.uint8) if is_bool else node.dtype
        self.reads = [storage(resolve(a)[0]) for a in (*columns, updates)]
        self.arrays = [*(a.dtype for a in self.reads), node.dtype]
        self.drops, self.start, self.size = attr.drops, attr.offset, updates.size
        strides = contiguous(node.shape)
        places = [_affine(a) for a in columns]
        along, self.first = _affine(updates)
        self.columns = [
            Column(a.dtype, offset, last, strides[axis])
            for a, (_, offset), (axis, last) in zip(columns, places, attr.picks, strict=True)
        ]
        indexed = {axis for axis, _ in attr.picks}
        free, batch, window = [], [], []
        several = any(
            t is None and n != 1 for n, t in zip(updates.shape, attr.targets, strict=True)
        )
        for i, (n, target) in enumerate(zip(updates.shape, attr.targets, strict=True)):
            if n == 1:
                continue
            unit = 0 if target is None else strides[target]
            axis = Axis(n, unit, along[i], tuple(s[i] for s, _ in places))
            if target is None:
                batch.append(axis)
            elif several and target in indexed:
                window.append(axis)
            else:
                free.append(axis)
        self.free, self.batch, self.window = _joined(free), _joined(batch), _joined(window)


def _affine(node: Node) -> tuple[list[int], int]:
    """How far apart a view's elements are along each axis, and where the first one is."""
    base, view = resolve(node)
    strides, offset = [0] * len(node.shape), 0
    for unit, n, terms, start in zip(contiguous(base.shape), base.shape, *view, strict=True):
        if n != 1:
            offset += unit * start
            for axis, step in terms:
                strides[axis] += unit * step
    return strides, offset


def _joined(axes: Sequence[Axis]) -> list[Axis]:
    """Neighbours made one where all arrays step evenly."""
    joined: list[Axis] = []
    for axis in axes:
        if joined:
            before = joined[-1]
            steps = [(axis.target, before.target), (axis.update, before.update)]
            steps += zip(axis.columns, before.columns, strict=True)
            if all(outer == inner * axis.size for inner, outer in steps):
                joined[-1] = axis._replace(size=axis.size * before.size)
                continue
        joined.append(axis)
    return joined


def count(axes: Sequence[Axis]) -> int:
    """How many indices some axes have."""
    return math.prod(a.size for a in axes)
