"""Rows of unsigned numbers in ascending order, as a kernel of its own.

A number that is to be sorted with its position holds that in its low half: then no two are equal,
and the order is stable.
"""

from __future__ import annotations

import math

from fx.kernel.graph import Node


class Sorts:
    """A kernel that sorts each row of an array of uint64 in row-major order.

    The result has two rows for each: the first is sorted, the other was needed for that.

    Attributes:
        rows, count: the shape; `size` is their product.
        passes: how many times neighbouring runs are merged.
    """

    chunks = 1

    def __init__(self, node: Node):
        self.count = node.shape[-1]
        self.rows = math.prod(node.shape[:-2])
        self.size = self.rows * self.count
        self.arrays = [node.dtype, node.dtype]
        self.passes = (self.count - 1).bit_length()
