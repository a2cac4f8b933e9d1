"""Contractions of all shapes and layouts, compiled against interpreted.

Numbers are small integers, also as floats: sums are exact in any order, so results are equal.
"""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx.numpy as jnp
from fx import lax

pytest.importorskip("llvmlite")

from tests.backends.agreement import agree, described

DTYPES = ["float32"] * 4 + ["float64"] * 2 + ["int32", "int8", "uint8", "int16", "uint16", "int64",
                                            "uint32", "uint64"]  # fmt: skip
SIZES = [1, 2, 3, 4, 5, 7, 8, 11, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 129, 200, 257, 1000,
         1030, 2000, 4100, 9000]  # fmt: skip
MOST = 1 << 21  # products
LARGEST = 1 << 18  # elements of an array


def values(pick, shape, dtype):
    """Small integers; the same for the same choices."""
    rng = np.random.default_rng(len(shape) + sum(shape))
    low = 0 if dtype[0] == "u" else -3
    return rng.integers(low, 4, shape).astype(dtype)


def operand(pick, shape, dtype):
    """An argument, and a function of it that gives an array of a shape by views."""
    n = len(shape)
    form = pick(["plain", "plain", "plain", "turned", "reversed", "steps", "part", "broadcast",
                 "iota", "computed", "constant", "reshaped"])  # fmt: skip
    if form == "turned" and n:
        order = list(range(n))
        for i in range(n - 1):
            j = pick(range(i, n))
            order[i], order[j] = order[j], order[i]
        inverse = [order.index(i) for i in range(n)]
        x = values(pick, [shape[i] for i in order], dtype)
        return x, lambda x: jnp.transpose(x, inverse), form
    if form == "reversed" and n:
        axes = [i for i in range(n) if pick([0, 1])]
        return values(pick, shape, dtype), lambda x: lax.rev(x, axes), form
    if form == "steps" and n and math.prod(shape) * 4 <= LARGEST:
        step = [pick([1, 2, 3]) if i >= n - 2 else 1 for i in range(n)]
        wide = [s * k - pick([0, k - 1]) if s else 0 for s, k in zip(shape, step, strict=True)]
        x = values(pick, wide, dtype)
        return x, lambda x: x[tuple(slice(None, None, k) for k in step)], form
    if form == "part" and n:
        low, high = ([pick([0, 1, 2]) for _ in shape] for _ in range(2))
        wide = [a + s + b for a, s, b in zip(low, shape, high, strict=True)]
        if math.prod(wide) <= 2 * LARGEST:
            stop = [a + s for a, s in zip(low, shape, strict=True)]
            return values(pick, wide, dtype), lambda x: lax.slice(x, low, stop), form
    if form == "broadcast" and n:
        kept = [i for i in range(n) if pick([0, 1])]
        x = values(pick, [shape[i] for i in kept], dtype)
        return x, lambda x: lax.broadcast_in_dim(x, shape, kept), form
    if form == "iota" and n:
        axis = pick(range(n))
        return np.zeros((), dtype), lambda x: lax.broadcasted_iota(dtype, shape, axis) % 5, form
    if form == "computed":
        return values(pick, shape, dtype), lambda x: x * 2 + 1, form
    if form == "constant":
        held = jnp.asarray(values(pick, shape, dtype))
        return np.zeros((), dtype), lambda x: held, form
    if form == "reshaped" and n:
        return values(pick, (math.prod(shape),), dtype), lambda x: x.reshape(shape), form
    return values(pick, shape, dtype), lambda x: x, form


def _flat(x):
    return x.reshape(-1)


USES = {
    "plain": lambda z: z,
    "epilogue": lambda z: jnp.maximum(z * 2 + 1, 0),
    "several": lambda z: (z, z + 1, jnp.maximum(z, 0), (z > 1).sum()),
    "bias": lambda z: z + lax.broadcasted_iota(z.dtype, z.shape, z.ndim - 1) if z.ndim else z,
    "row sums": lambda z: (z.sum(-1), z + 1) if z.ndim else z,
    "column sums": lambda z: z.sum(0) if z.ndim else z,
    "all sums": lambda z: z.sum(),
    "maximum": lambda z: (z - z.max(-1, keepdims=True)) if z.ndim else z,
    "transposed": lambda z: z.T,
    "transposed, used": lambda z: (z.T + 1, z),
    "flat": lambda z: _flat(z) * 3,
    "reversed": lambda z: jnp.flip(z) if z.ndim else z,
    "part": lambda z: z[..., 1:] + z[..., :-1] if z.ndim else z,
    "padded": lambda z: jnp.pad(z, [(0, 0)] * (z.ndim - 2) + [(1, 1)] * min(2, z.ndim))
    if z.ndim
    else z,
    "joined": lambda z: jnp.concatenate([_flat(z), _flat(z + 1)]),
    "other dtype": lambda z: (z.astype("float64") + 1, z > 2),
    "product": lambda z: z.reshape(z.shape[0], -1) @ jnp.ones((z.size // z.shape[0], 5), z.dtype)
    if z.ndim and z.size <= 1 << 14
    else z,
    "square": lambda z: lax.dot_general(z, z, (((z.ndim - 1,), (z.ndim - 1,)), ((), ())))
    if z.ndim and (z.size // z.shape[-1]) * z.size <= 1 << 20
    else z,
}  # fmt: skip


def _wide(pick):
    """Kinds of axes (0 batch, 1 and 2 free, 3 summed) and their sizes, of any number."""
    sizes: list[int] = []
    total = 1
    counts = [pick([0, 0, 0, 1, 2, 3]), pick([0, 1, 1, 2, 3]), pick([0, 1, 1, 2, 3]),
              pick([0, 1, 1, 1, 2, 3])]  # fmt: skip
    kinds = [k for k, n in enumerate(counts) for _ in range(n)]
    if pick([0, 1]):  # whose sizes are drawn first may be large
        kinds.reverse()
    for _ in kinds:
        able = [n for n in SIZES if n * total <= MOST]
        n = pick(able) if pick(range(60)) else 0
        sizes.append(n)
        total *= max(n, 1)
    return kinds, sizes


def _deep(pick):
    """The same with so many summed elements that they are walked in blocks and cut."""
    summed = pick([[2500], [9000], [20_000], [257, 33], [3, 700, 9], [130, 130], [1, 40, 512],
                   [36_000], [7, 3000]])  # fmt: skip
    kinds, sizes = [1, 2] + [3] * len(summed), [pick([7, 20, 65, 260]), pick([16, 33, 65, 270])]
    if pick([0, 0, 1]):
        kinds, sizes = [0, *kinds], [2, *sizes]
    while math.prod(sizes) * math.prod(summed) > 1 << 28 or sizes[-1] * math.prod(summed) > 3 << 20:
        sizes[-1] = sizes[-1] // 2
    return kinds, [*sizes, *summed]


def contraction(pick, deep=False):
    """(function, arguments, description, exact) of a random contraction and its use."""
    dtype = pick(DTYPES)
    if deep or not pick(range(12)):
        dtype = pick(["float32", "float32", "float64"])
        kinds, sizes = _deep(pick)
    else:
        kinds, sizes = _wide(pick)
    by_kind = [[i for i, kind in enumerate(kinds) if kind == k] for k in range(4)]
    batch, left, right, summed = by_kind
    groups = [[*batch, *left, *summed], [*batch, *right, *summed]]
    most = 1 << 23 if max(sizes, default=0) and math.prod(sizes) > MOST else LARGEST
    for group in (*groups, [*batch, *left, *right]):
        while math.prod(sizes[a] for a in group) > most:
            sizes[max(group, key=lambda a: sizes[a])] = 3
    orders = []
    for g in groups:
        g = list(g)
        for i in range(len(g) - 1):
            j = pick(range(i, len(g)))
            g[i], g[j] = g[j], g[i]
        orders.append(g)
    xs, ys = orders
    x, f, how_x = operand(pick, [sizes[a] for a in xs], dtype)
    y, g, how_y = operand(pick, [sizes[a] for a in ys], dtype)
    same = how_x != "iota" and [sizes[a] for a in xs] == [sizes[a] for a in ys] and pick([0, 1])
    numbers = (
        ([xs.index(a) for a in summed], [ys.index(a) for a in summed]),
        ([xs.index(a) for a in batch], [ys.index(a) for a in batch]),
    )
    preferred = pick([None, None, None, "float64" if dtype == "float32" else "int64"
                      if dtype in ("int8", "int16", "int32") else None])  # fmt: skip
    use = pick(list(USES))
    if 0 in sizes and use in ("maximum", "product", "square", "flat", "part"):
        use = "plain"

    def function(x, y):
        a = f(x)
        b = a if same else g(y)
        return USES[use](lax.dot_general(a, b, numbers, preferred_element_type=preferred))

    shown = [sizes[a] for a in xs], [sizes[a] for a in ys]
    what = f"{dtype} {shown} {numbers} {how_x} {how_y} {use} {preferred} {same}"
    return function, (x, y), what, dtype != "float32" or math.prod(sizes) <= MOST


def chooser(data):
    """Choices that hypothesis makes."""

    def pick(options):
        return data.draw(st.sampled_from(list(options)))

    return pick


def seeded(seed):
    """Choices that a seed makes."""
    rng = random.Random(seed)
    return lambda options: rng.choice(list(options))


@given(st.data())
@settings(max_examples=150)
def test_contractions(data):
    f, args, _, exact = contraction(chooser(data))
    agree(f, *args, exact=exact)


def test_deep_contractions():
    for seed in range(12):
        f, args, what, exact = contraction(seeded(seed), deep=True)
        with described(f"seed {seed}: {what}"):
            agree(f, *args, exact=exact)


@pytest.mark.slow
def test_many_contractions():
    for seed in range(500):
        f, args, what, exact = contraction(seeded(seed), deep=seed % 10 == 0)
        with described(f"seed {seed}: {what}"):
            agree(f, *args, exact=exact)
