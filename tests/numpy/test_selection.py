"""Choosing, indexing, sorting, searching and sets."""

from __future__ import annotations

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import (
    ConcretizationTypeError,
    FxIndexError,
    FxTypeError,
    FxValueError,
    NonConcreteBooleanIndexError,
    ShapeError,
)
from tests.numpy.harness import case, check, rand

X = rand(3, 4)
V = rand(8)
N = rand(3, 4, dtype=np.int32)
MASK = rand(3, 4, dtype=bool)
W = np.array([3, 1, 3, 0, 1, 3, 7], np.int32)
TIES = np.array([2.0, 1.0, 2.0, np.nan, -1.0, 1.0, np.nan], np.float32)
Z = np.array([1 + 1j, 0.5, 1 - 1j, 0.5 + 2j], np.complex64)
I3 = np.array([2, 0, 0, -1], np.int32)
ROWS = np.array([[1, 2], [0, 5], [1, 2], [0, 1]], np.int32)


def of(name, *args, **options):
    return lambda m, *xs: getattr(m, name)(*xs, *args, **options)


CASES = [
    case("where", of("where"), MASK, X, X * 2),
    case("where scalar", of("where", 0.0), MASK, X),
    case("where scalars", of("where", 1, 2.5), MASK, off="numpy"),
    case("where broadcast", of("where"), MASK, X[:, :1], X[0]),
    case("where of numbers", of("where"), N, X, N),
    case("where scalar condition", of("where"), np.asarray(True), X, X + 1),
    case("where one argument", of("where"), MASK, off="jit vmap"),
    case("where with size", of("where", size=9, fill_value=-1), MASK, off="numpy"),
    case("select", lambda m, x: m.select([x < -1, x < 1], [x, x * 10], 5.0), X),
    case("choose", lambda m, i, x: m.choose(i, [x, x * 2, x * 3]), np.abs(N) % 3, X, off="jax"),
    case("choose clip", lambda m, i, x: m.choose(i, [x, x * 2], mode="clip"), N, X),
    case("choose wrap", lambda m, i, x: m.choose(i, [x, x * 2], mode="wrap"), N, X),
    case("piecewise", lambda m, x: m.piecewise(x, [x < 0, x > 1], [lambda v: -v, lambda v: v * v,
                                                                  0.5]), X),
    *(case(f"nonzero of {x.dtype}", of("nonzero"), x, off="jit vmap grad") for x in (MASK, N)),
    case("nonzero with size", of("nonzero", size=5), MASK, off="numpy"),
    case("nonzero with fills", of("nonzero", size=12, fill_value=(-1, 7)), MASK, off="numpy"),
    case("flatnonzero", of("flatnonzero"), MASK, off="jit vmap"),
    case("argwhere", of("argwhere"), MASK, off="jit vmap"),
    case("argwhere with size", of("argwhere", size=3), MASK, off="numpy"),
    case("take", of("take", axis=0), X, I3),
    case("take flat", of("take"), X, I3.reshape(2, 2)),
    case("take last", of("take", axis=-1), X, I3),
    *(case(f"take {mode}", of("take", axis=1, mode=mode), X, np.array([5, -7, 1], np.int32))
      for mode in ("clip", "wrap")),
    case("take fill", of("take", axis=1, mode="fill", fill_value=9.0), X,
         np.array([5, -7, 1], np.int32), off="numpy"),
    case("take scalar", lambda m, x: m.take(x, 1, axis=1), X),
    case("take clip", lambda m, x: m.take(x, m.array([-1, 9, 1]), axis=1, mode="clip"), X),
    *(case(f"take_along_axis {a}", of("take_along_axis", axis=a), X,
           np.abs(rand(3, 4, dtype=np.int32)) % 3) for a in (0, 1, -1)),
    case("take_along_axis broadcast", of("take_along_axis", axis=1), X, np.array([[1], [0], [3]])
         .astype(np.int32)),
    case("take_along_axis of one row", of("take_along_axis", axis=1), X,
         np.array([[1, 0]]).astype(np.int32)),
    case("take_along_axis flat", lambda m, x, i: m.take_along_axis(x, i, axis=None), X, I3),
    case("take_along_axis negative", of("take_along_axis", axis=1), X, -np.ones((3, 2), np.int32)),
    case("put_along_axis", lambda m, x, i: m.put_along_axis(x, i, 9.0, axis=1, inplace=False), X,
         np.array([[1], [0], [3]]).astype(np.int32), off="numpy"),
    case("put", lambda m, x, i: m.put(x, i, m.asarray([7.0, 8.0]), inplace=False), X,
         np.array([1, 5, 2], np.int32), off="numpy"),
    case("place", lambda m, x, k: m.place(x, k, m.asarray([7.0, 8.0]), inplace=False), X, MASK,
         off="numpy"),
    case("compress", lambda m, x: m.compress(np.array([True, False, True]), x, axis=0), X,
         off="jax"),
    case("compress flat", lambda m, x: m.compress(np.array([True, False, True]), x), X, off="jax"),
    case("compress with size", lambda m, k, x: m.compress(k, x, axis=1, size=3, fill_value=-1.0),
         MASK[0], X, off="numpy"),
    case("extract", of("extract"), MASK, X, off="jit vmap"),
    # sort
    *(case(f"sort {a}", of("sort", axis=a), X) for a in (None, 0, -1)),
    case("sort with nan and ties", of("sort"), TIES, off="grad"),
    case("sort descending", of("sort", descending=True), TIES, off="grad numpy"),
    case("sort of complex", of("sort"), Z, off="grad"),
    *(case(f"sort of {d}", of("sort", axis=1), N.astype(d)) for d in ("int8", "uint32", "bool")),
    *(case(f"argsort {a}", of("argsort", axis=a), X) for a in (None, 0, -1)),
    case("argsort with ties", of("argsort"), W, off="numpy"),
    case("argsort descending", of("argsort", descending=True), W, off="numpy"),
    case("argsort with nan", of("argsort"), TIES, off="grad numpy"),
    case("lexsort", lambda m, a, b: m.lexsort((a, b)), W, W[::-1].copy()),
    case("sort_complex", of("sort_complex"), V, off="grad"),
    case("partition", lambda m, x: m.partition(x, 3)[3], V),
    case("argpartition", lambda m, x: x[m.argpartition(x, 3)[3]], V),
    case("top_k", of("top_k", 3), X, off="numpy jax"),
    *(case(f"searchsorted {side}", lambda m, v, side=side: m.searchsorted(m.asarray(np.sort(W)), v,
                                                                         side=side),
           np.array([[0, 3], [4, 99], [-5, 7]], np.int32)) for side in ("left", "right")),
    case("searchsorted with nan", lambda m, v: m.searchsorted(m.sort(v), v), TIES, off="grad"),
    case("searchsorted sorter", lambda m, a, v: m.searchsorted(a, v, sorter=m.argsort(a)), V,
         V[:3] + 0.1),
    case("searchsorted in nothing", lambda m, a, v: m.searchsorted(a, v), np.zeros(0, np.float32),
         V),
    case("digitize", lambda m, x: m.digitize(x, np.array([-1.0, 0.0, 1.0], np.float32)), X),
    case("digitize right", lambda m, x: m.digitize(x, m.asarray([1, 3, 7]), right=True), W),
    case("digitize down", lambda m, x: m.digitize(x, m.asarray([7, 3, 1])), W),
    # sets
    case("unique", of("unique"), W, off="jit vmap"),
    case("unique all", lambda m, x: m.unique(x, True, True, True), W, off="jit vmap"),
    case("unique of matrix", lambda m, x: m.unique(x, return_inverse=True), ROWS, off="jit vmap"),
    case("unique rows", lambda m, x: m.unique(x, return_index=True, return_counts=True, axis=0),
         ROWS, off="jit vmap"),
    case("unique columns", lambda m, x: m.unique(x, axis=1), ROWS, off="jit vmap"),
    case("unique with nan", lambda m, x: m.unique(x, return_counts=True), TIES,
         off="jit vmap grad"),
    case("unique with size", lambda m, x: m.unique(x, True, True, True, size=6), W, off="numpy"),
    case("unique cut", lambda m, x: m.unique(x, size=2), W, off="numpy"),
    case("unique filled", lambda m, x: m.unique(x, size=6, fill_value=-5), W, off="numpy"),
    *(case(n, lambda m, x, n=n: tuple(getattr(m, n)(x)), W, off="jit vmap jax") for n in
      ("unique_all", "unique_counts", "unique_inverse")),
    case("unique_values", lambda m, x: m.sort(m.unique_values(x)), W, off="jit vmap"),
    case("isin", of("isin"), N, W),
    case("isin invert", of("isin", invert=True), N, W),
    *(case(n, of(n), W, W[2:] + 1, off="jit vmap") for n in
      ("union1d", "setdiff1d", "intersect1d", "setxor1d")),
    case("setdiff1d unique", of("setdiff1d", assume_unique=True), W, W[2:] + 1, off="jit vmap"),
    case("intersect1d positions", of("intersect1d", return_indices=True), W, W[2:] + 1,
         off="jit vmap"),
    case("union1d with size", of("union1d", size=9), W, W[2:] + 1, off="numpy"),
    *(case(f"{n} with size", of(n, size=6, fill_value=-1), W, W[2:] + 1, off="numpy") for n in
      ("setdiff1d", "intersect1d", "setxor1d")),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("c", CASES, ids=str)
def test_function(c):
    check(c)


def test_positions_out_of_range_raise_eagerly_and_fill_under_jit():
    x, i = jnp.array([1.0, 2.0]), jnp.array([0, 5])
    for read in (jnp.take, jnp.take_along_axis):
        with pytest.raises(FxIndexError, match="out of"):
            read(x, i)
    filled = np.asarray(fx.jit(jnp.take_along_axis)(x, i))
    assert filled[0] == 1.0 and np.isnan(filled[1])
    np.testing.assert_array_equal(jnp.take_along_axis(x, i, mode="clip"), [1.0, 2.0])


def test_results_whose_shape_depends_on_values_need_a_size_under_jit():
    x = jnp.array([1, 0, 2])
    for function in (jnp.nonzero, jnp.flatnonzero, lambda x: jnp.where(x > 0)):
        with pytest.raises(NonConcreteBooleanIndexError, match="size"):
            fx.jit(function)(x)
    for function in (jnp.unique, jnp.bincount, lambda x: jnp.repeat(x, x)):
        with pytest.raises(ConcretizationTypeError):
            fx.jit(function)(x)


def test_errors():
    x = jnp.ones((2, 3))
    with pytest.raises(FxTypeError, match="condition"):
        jnp.where(x > 0, x)
    with pytest.raises(FxTypeError, match="integer"):
        jnp.take(x, jnp.array([0.5]))
    with pytest.raises(ShapeError, match="equal rank"):
        jnp.take_along_axis(x, jnp.array([0]), axis=0)
    with pytest.raises(ShapeError, match="atleast_1d"):
        jnp.nonzero(jnp.float32(1))
    with pytest.raises(FxValueError, match="side"):
        jnp.searchsorted(jnp.arange(3), 1, side="middle")
    with pytest.raises(ShapeError, match="vector"):
        jnp.searchsorted(x, 1)
    with pytest.raises(FxValueError, match="kth"):
        jnp.partition(jnp.arange(3), 5)
    with pytest.raises(FxIndexError, match="out of range"):
        jnp.choose(jnp.array([3]), [jnp.ones(1)])
    with pytest.raises(FxValueError, match="inplace=False"):
        jnp.put(x, 0, 1.0)
