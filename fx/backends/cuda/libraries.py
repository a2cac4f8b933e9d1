"""Products that a library computes: large ones of floats whose operands are matrices.

A kernel that is such a product becomes a call, and a map over its result for what follows it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fx.kernel.loops import Affine, AnyKernel, Kernel, Load, Ref

_LARGE = 1 << 20  # multiplications from which on a call is worth it
_DTYPES = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


class Matrix(NamedTuple):
    """A matrix of each index of a batch, whose columns are contiguous in memory,
    or its rows, if it is `turned`.

    Attributes:
        array, offset: which array of the kernel it is in, and where, in elements.
        turned: whether it is the transpose of what has contiguous columns.
        lead: elements between its columns, as it is in memory.
        apart: elements between the matrices of a batch.
    """

    array: int
    offset: int
    turned: bool
    lead: int
    apart: int


class Gemm(NamedTuple):
    """out = a b for each index of a batch; a has `m` rows and `k` columns, b has `n` columns."""

    dtype: np.dtype
    batch: int
    m: int
    n: int
    k: int
    a: Matrix
    b: Matrix
    out: Matrix


def call_of(kernel: AnyKernel) -> tuple[Gemm, Kernel | None] | None:
    """A product as a call and what follows it as a map, or None if it is none for a library."""
    if not isinstance(kernel, Kernel) or kernel.products is None or kernel.chunks > 1:
        return None
    p, sums = kernel.products, kernel.sums
    dims = range(len(kernel.sizes))
    down = [d for d in dims if not p.w.at.strides[d]]
    across = [d for d in dims if not p.x.at.strides[d]]
    batch = [d for d in dims if d not in down and d not in across]
    if not (len(down) == len(across) == len(p.sizes) == 1 and len(batch) <= 1) or sums is None:
        return None
    dtype = kernel.arrays[p.x.array]
    (k,), (m, n) = p.sizes, (kernel.sizes[d] for d in (*down, *across))
    count = math.prod(kernel.sizes[d] for d in batch)
    if dtype not in _DTYPES or count * m * n * k < _LARGE:
        return None
    array, at = kernel.stores[sums]
    x = (p.x.array, p.x.at, p.x.at.strides[down[0]], p.x_sums[0])
    w = (p.w.array, p.w.at, p.w_sums[0], p.w.at.strides[across[0]])
    out = (array, at, at.strides[down[0]], at.strides[across[0]])
    if out[2] != 1:  # the rows of the result are contiguous: its transpose is computed
        x, w, out = ((i, at, s, r) for i, at, r, s in (w, x, out))
        m, n = n, m
    a, b, c = (
        _matrix(*operand, shape, batch)
        for operand, shape in ((x, (m, k)), (w, (k, n)), (out, (m, n)))
    )
    if a is None or b is None or c is None or c.turned:
        return None
    return Gemm(dtype, count, m, n, k, a, b, c), _rest(kernel)


def _matrix(
    array: int, at: Affine, rows: int, columns: int, shape: tuple[int, int], batch: list[int]
) -> Matrix | None:
    """An operand with elements so far apart along its rows' and its columns' index."""
    apart = at.strides[batch[0]] if batch else 0
    if rows == 1 and columns >= shape[0]:
        return Matrix(array, at.offset, False, columns, apart)
    if columns == 1 and rows >= shape[1]:
        return Matrix(array, at.offset, True, rows, apart)
    return None


def _rest(kernel: Kernel) -> Kernel | None:
    """What follows a product, as a map that reads the sums where they are."""
    p, sums = kernel.products, kernel.sums
    assert p is not None and sums is not None
    made = Load(*kernel.stores[sums])
    steps = [
        s._replace(args=tuple(made if a == Ref(p.id) else a for a in s.args))
        for s in kernel.steps
        if s.id != p.id
    ]
    stores = {id: where for id, where in kernel.stores.items() if id != p.id}
    if not stores:
        return None
    return Kernel(kernel.sizes, kernel.reduced, kernel.arrays, steps, stores, 1, 1)
