"""Folds of all prefixes along one axis (running sums and the like), as a kernel of their own."""

from __future__ import annotations

import math

import numpy as np

from fx.kernel.graph import Node
from fx.kernel.vocabulary import BOOL

_COLUMNS = 2048  # results that stay in the first-level cache


class Prefixes:
    """A kernel that reads an array in row-major order and writes one like it.

    Attributes:
        op, dtype: the fold, in the order (what came before, element).
        outer, count, inner: the shape, with the axis in the middle; `size` is their product.
        reverse: whether it goes from the last element to the first.
        block: how many of the inner elements make a unit of work.
    """

    chunks = 1

    def __init__(self, node: Node):
        axis, self.reverse = node.attr
        shape = node.shape
        self.op = node.op
        # Bools lie in bytes, of which the larger is the disjunction.
        self.dtype = np.dtype(np.uint8) if node.dtype == BOOL else node.dtype
        self.outer, self.count = math.prod(shape[:axis]), shape[axis]
        self.inner = math.prod(shape[axis + 1 :])
        self.size = node.size
        self.arrays = [node.dtype, node.dtype]
        self.block = max(1, min(self.inner, _COLUMNS))

    @property
    def blocks(self) -> int:
        return -(-self.inner // self.block)
