"""What a machine decides about the kernels of a program, before code is generated for it."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """The machine that a graph is made for.

    Attributes:
        packs: whether operands of products are copied to where tiles of vector registers read
            them best, with one free axis of stride 1; else products are taken as they lie.
        strided: whether results, and what is given to NumPy's rules, may be views with strides;
            else they are arrays of their own.
        chunk, min_rows: a reduction of at least two chunks of so many elements into less than
            `min_rows` rows (or by columns) is cut into chunks, which run in parallel. Their
            partial results are folded in a fixed order, however many run at a time.
        deep, long, small, many, pieces: a contraction into a result of at most `small` elements
            is cut into `pieces` along what it sums, if that has at least `deep` terms, or `long`
            where the result has less than `many` elements, too few to occupy all cores.
    """

    packs: bool
    strided: bool
    chunk: int
    min_rows: int
    deep: int
    long: int
    small: int
    many: int
    pieces: int


CPU = Target(
    packs=True,
    strided=True,
    chunk=1 << 16,
    min_rows=64,
    deep=8192,
    long=1024,
    small=1 << 16,
    many=1 << 13,
    pieces=8,
)
# A GPU has room for 10**5 threads: what is cut is cut finer, and products are staged in shared
# memory from wherever they lie.
GPU = Target(
    packs=False,
    strided=False,
    chunk=1 << 13,
    min_rows=256,
    deep=2048,
    long=512,
    small=1 << 18,
    many=1 << 16,
    pieces=16,
)
