"""Reshaping, joining, splitting, padding, diagonals and grids."""

from __future__ import annotations

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxIndexError, FxTypeError, FxValueError, ShapeError
from tests.numpy.harness import case, check, rand

X = rand(2, 3, 4)
M = rand(3, 4)
V = rand(5)
N = rand(3, 4, dtype=np.int32)
S = rand(3, 3)
NOTHING = np.zeros((0, 3), np.float32)


def of(name, *args, **options):
    return lambda m, *xs: getattr(m, name)(*xs, *args, **options)


def listed(name, *args, **options):
    return lambda m, *xs: getattr(m, name)(list(xs), *args, **options)


CASES = [
    case("reshape", of("reshape", (4, -1)), X),
    case("reshape to scalar", of("reshape", ()), np.ones((1, 1), np.float32)),
    case("reshape F", of("reshape", (4, 6), order="F"), X),
    case("reshape nothing", of("reshape", (-1, 0)), NOTHING, off="numpy jax"),
    case("ravel", of("ravel"), X),
    case("ravel F", of("ravel", order="F"), X),
    case("squeeze", of("squeeze"), X[:, :1, None]),
    case("squeeze axis", of("squeeze", axis=(1, -1)), X[:, :1, None, :1]),
    case("expand_dims", of("expand_dims", (0, -1)), X),
    case("expand_dims 1", of("expand_dims", -2), X),
    case("transpose", of("transpose"), X),
    case("transpose axes", of("transpose", (1, -1, 0)), X),
    case("permute_dims", of("permute_dims", (2, 0, 1)), X),
    case("matrix_transpose", of("matrix_transpose"), X),
    case("swapaxes", of("swapaxes", 0, -1), X),
    case("moveaxis", of("moveaxis", (0, 1), (-1, 0)), X),
    case("moveaxis one", of("moveaxis", -1, 0), X),
    case("rollaxis", of("rollaxis", 2, 1), X, off="jax"),
    case("rollaxis end", of("rollaxis", 0, 3), X, off="jax"),
    case("flip", of("flip"), X),
    case("flip axis", of("flip", axis=(0, -1)), X),
    case("flipud", of("flipud"), X),
    case("fliplr", of("fliplr"), X),
    *(case(f"rot90 {k}", of("rot90", k), X) for k in (0, 1, 2, 3, -1)),
    case("rot90 axes", of("rot90", 1, (1, 2)), X),
    case("broadcast_to", of("broadcast_to", (2, 3, 4)), M),
    case("broadcast_to stretched", of("broadcast_to", (2, 3, 4)), M[:, :1]),
    case("broadcast_arrays", lambda m, x, y: list(m.broadcast_arrays(x, y)), X, M[:1]),
    case("broadcast_shapes", lambda m: m.broadcast_shapes((2, 1), (3,), ()), off="jax"),
    *(case(f"tile {r}", of("tile", r), M) for r in (2, (2, 3), (2, 1, 2), ())),
    case("tile scalar", of("tile", (2, 2)), np.ones((), np.float32)),
    case("repeat", of("repeat", 3), M),
    case("repeat axis", of("repeat", 2, axis=1), X),
    case("repeat each", lambda m, x: m.repeat(x, np.array([2, 0, 1]), axis=0), M),
    case("repeat length", lambda m, x, r: m.repeat(x, r, axis=0, total_repeat_length=5), M,
         np.array([2, 0, 1], np.int32), off="numpy"),
    case("resize", of("resize", (3, 5)), M, off="jax"),
    case("resize shorter", of("resize", (2,)), V),
    # join
    case("concatenate", listed("concatenate", axis=1), M, M[:, :2]),
    case("concatenate promoted", listed("concatenate"), M, N),
    case("concatenate flat", listed("concatenate", axis=None), M, V),
    case("concatenate dtype", listed("concatenate", dtype="float16"), M, M, off="numpy grad"),
    case("concatenate rows of an array", of("concatenate"), X),
    case("concat", listed("concat", axis=-1), M, M),
    case("stack", listed("stack", axis=1), M, -M),
    case("stack promoted", listed("stack", axis=-1), M, N),
    case("unstack", of("unstack", axis=1), X),
    *(case(n, listed(n), M, M + 1) for n in ("vstack", "hstack", "dstack", "column_stack")),
    *(case(f"{n} of vectors", listed(n), V, V) for n in
      ("vstack", "hstack", "dstack", "column_stack")),
    case("append", of("append"), M, V),
    case("append axis", of("append", axis=0), M, M[:1]),
    *(case(f"{n} {x.ndim}", of(n), x) for n in ("atleast_1d", "atleast_2d", "atleast_3d")
      for x in (np.ones((), np.float32), V, M, X)),
    case("atleast of several", lambda m, x, y: list(m.atleast_2d(x, y)), V, M),
    case("block", lambda m, a, b: m.block([[a, b], [b, a]]), M, M + 1),
    case("block of mixed ranks", lambda m, a, b: m.block([a, [b][0]]), V, V + 1),
    # split
    case("split", of("split", 2, axis=2), X),
    case("split at", of("split", [1, 3], axis=-1), X),
    case("split backwards", of("split", [3, 1], axis=-1), X, off="jax"),
    case("array_split", of("array_split", 3, axis=2), X),
    *(case(n, of(n, 2), rand(2, 4, 2)) for n in ("vsplit", "hsplit", "dsplit")),
    case("hsplit of vector", of("hsplit", [2]), V),
    # pad
    *(case(f"pad {mode}", of("pad", ((1, 2), (3, 0)), mode), M) for mode in
      ("constant", "edge", "reflect", "symmetric", "wrap", "maximum", "minimum", "mean", "median",
       "linear_ramp")),
    *(case(f"pad {mode} far", of("pad", ((0, 0), (7, 9)), mode), M) for mode in
      ("reflect", "symmetric", "wrap", "edge")),
    *(case(f"pad {mode} odd", of("pad", (2, 5), mode, reflect_type="odd"), M) for mode in
      ("reflect", "symmetric")),
    case("pad number", of("pad", 2), M),
    case("pad pair", of("pad", (1, 2)), M),
    case("pad dict", of("pad", {-1: (1, 2)}), M, off="jax"),
    case("pad values", of("pad", ((1, 2), (3, 4)), constant_values=((1.0, 2.0), (3.0, 4.0))), M),
    case("pad value", of("pad", 1, constant_values=7.0), M),
    case("pad stat_length", of("pad", (2, 3), "mean", stat_length=2), M),
    case("pad end_values", of("pad", (2, 3), "linear_ramp", end_values=(5.0, -1.0)), M),
    *(case(f"pad ints {mode}", of("pad", (2, 3), mode), N) for mode in
      ("constant", "mean", "maximum", "reflect")),
    case("pad nothing", of("pad", ((1, 1), (0, 0))), NOTHING),
    # roll, insert, delete
    case("roll", of("roll", 2), M),
    case("roll axis", of("roll", -1, axis=1), M),
    case("roll axes", of("roll", (1, 2), axis=(0, 1)), M),
    case("roll traced", lambda m, x, s: m.roll(x, s, axis=1), M, np.asarray(-3, np.int32),
         off="numpy"),
    case("roll traced array", lambda m, x, s: m.roll(x, s, axis=(0, 1)), M,
         np.asarray([1, 7], np.int32), off="numpy"),
    *(case(f"delete {i}", lambda m, x, i=i: m.delete(x, i, axis=1), M)
      for i in (1, -1, slice(0, 3, 2))),
    case("delete list", lambda m, x: m.delete(x, np.array([0, 2]), axis=0), M),
    case("delete flat", lambda m, x: m.delete(x, 3), M),
    case("delete mask", lambda m, x: m.delete(x, np.array([True, False, True]), axis=0), M),
    case("insert", lambda m, x: m.insert(x, 1, 5.0, axis=1), M),
    case("insert rows", lambda m, x, v: m.insert(x, 1, v, axis=0), M, V[:4]),
    case("insert many", lambda m, x, v: m.insert(x, np.array([0, 2, 2]), v, axis=1), M,
         V[:3]),
    case("insert flat", lambda m, x: m.insert(x, np.array([1, 3]), np.array([9.0, 8.0])), V,
         off="jax"),
    case("insert at end", lambda m, x: m.insert(x, 5, 2.0), V),
    case("trim_zeros", lambda m, x: m.trim_zeros(x), np.array([0, 0, 1, 0, 2, 0], np.float32),
         off="jit vmap grad"),
    case("packbits", of("packbits", axis=1), (rand(2, 11) > 0)),
    case("packbits little", of("packbits", bitorder="little"), (rand(2, 11) > 0)),
    case("unpackbits", of("unpackbits", axis=1), rand(2, 3, dtype=np.uint8)),
    case("unpackbits count", of("unpackbits", count=13, bitorder="little"),
         rand(2, 3, dtype=np.uint8)),
    # diagonals
    *(case(f"diagonal {k}", of("diagonal", k), M) for k in (0, 1, -2, 7)),
    case("diagonal axes", of("diagonal", 1, 0, 2), X),
    *(case(f"trace {k}", of("trace", k), M) for k in (0, -1)),
    case("trace axes", of("trace", 0, 1, 2), X),
    case("trace of ints", of("trace"), N.astype(np.int8)),
    *(case(f"diag {k} of vector", of("diag", k), V) for k in (0, 2, -1)),
    *(case(f"diag {k} of matrix", of("diag", k), M) for k in (0, 2, -1)),
    case("diagflat", of("diagflat", 1), M),
    *(case(f"{n} {k}", of(n, k), X) for n in ("tril", "triu") for k in (0, 1, -1)),
    case("fill_diagonal", lambda m, x, v: m.fill_diagonal(x, v, inplace=False), S, V[:3],
         off="numpy"),
    case("vander", of("vander", 4), V),
    case("vander increasing", of("vander", increasing=True), V),
    # grids
    case("meshgrid", lambda m, x, y: list(m.meshgrid(x, y)), V, V[:3]),
    case("meshgrid ij", lambda m, x, y, z: list(m.meshgrid(x, y, z, indexing="ij")), V, V[:3],
         V[:2]),
    case("meshgrid sparse", lambda m, x, y: list(m.meshgrid(x, y, sparse=True)), V, V[:3]),
    case("indices", lambda m: m.indices((2, 3)), off="weak"),
    case("indices sparse", lambda m: m.indices((2, 3), sparse=True)),
    case("ix_", lambda m, x: x[m.ix_(np.array([2, 0]), np.array([1, 3]))], M, off="jax"),
    case("mgrid", lambda m: m.mgrid[0:3, 1:2:3j], off="jax"),
    case("ogrid", lambda m: list(m.ogrid[0:3, -1:1:5j]), off="jax"),
    case("mgrid of ints", lambda m: m.mgrid[0:3, 1:4]),
    case("r_", lambda m, x: m.r_[x, 0.5, 1:3], V, off="jax"),
    case("c_", lambda m, x: m.c_[x, x], V, off="jax"),
    case("tri", lambda m: m.tri(3, 4, 1, dtype="float32")),
    *(case(n, lambda m, n=n: getattr(m, n)(4, k=1, m=3)) for n in ("tril_indices", "triu_indices")),
    case("diag_indices", lambda m: m.diag_indices(3)),
    case("ravel_multi_index", lambda m, i, j: m.ravel_multi_index((i, j), (3, 4)),
         np.array([0, 2], np.int32), np.array([1, 3], np.int32), off="jit vmap jax"),
    case("ravel_multi_index clip", lambda m, i, j: m.ravel_multi_index((i, j), (3, 4), mode="clip"),
         np.array([0, 9], np.int32), np.array([-1, 3], np.int32)),
    case("ravel_multi_index F", lambda m, i, j: m.ravel_multi_index((i, j), (3, 4), mode="wrap",
         order="F"), np.array([0, 9], np.int32), np.array([-1, 3], np.int32)),
    case("unravel_index", lambda m, i: m.unravel_index(i, (3, 4)), np.array([5, 11], np.int32)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("c", CASES, ids=str)
def test_function(c):
    check(c)


def test_pad_by_a_function_that_returns():
    def ends(vector, width, axis, options):
        return vector.at[: width[0]].set(options["value"])

    got = jnp.pad(jnp.ones((2, 2)), 1, ends, value=7.0)
    want = np.pad(np.ones((2, 2)), 1)
    want[:1], want[:, :1] = 7.0, 7.0
    np.testing.assert_array_equal(got, want)


def test_keys_are_moved_like_numbers():
    keys = fx.random.split(fx.random.key(0), 6) if hasattr(fx, "random") else None
    if keys is None:
        pytest.skip("needs fx.random")
    grid = keys.reshape(2, 3)
    assert grid.T.shape == (3, 2) and jnp.stack([grid, grid]).shape == (2, 2, 3)
    assert bool((jnp.concatenate([keys[:2], keys[2:]]) == keys).all())
    assert repr(keys[0]).startswith("Array((), dtype=key<fry>) overlaying:")


def test_errors():
    x = jnp.ones((2, 3))
    with pytest.raises(ShapeError, match="does not divide"):
        x.reshape(4, -1)
    with pytest.raises(ShapeError, match="only one size may be -1"):
        x.reshape(-1, -1)
    with pytest.raises(ShapeError, match="number of elements"):
        x.reshape(5)
    with pytest.raises(ShapeError, match="size 1"):
        jnp.squeeze(x, 0)
    with pytest.raises(FxValueError, match="distinct"):
        jnp.transpose(x, (0, 0))
    with pytest.raises(ShapeError, match="do not broadcast"):
        jnp.broadcast_to(x, (3, 3))
    with pytest.raises(ShapeError, match="do not broadcast"):
        x + jnp.ones(2)
    with pytest.raises(ShapeError, match="other axes agree"):
        jnp.concatenate([x, jnp.ones((2, 2))])
    with pytest.raises(FxValueError, match="at least one array"):
        jnp.stack([])
    with pytest.raises(ShapeError, match="one shape"):
        jnp.stack([x, x[0]])
    with pytest.raises(FxValueError, match="equal sections"):
        jnp.split(x, 2, axis=1)
    with pytest.raises(FxValueError, match="not be negative"):
        jnp.pad(x, -1)
    with pytest.raises(FxValueError, match="mode"):
        jnp.pad(x, 1, "mirror")
    with pytest.raises(FxIndexError, match="out of range"):
        jnp.delete(x, 5, axis=0)
    with pytest.raises(FxTypeError, match="integer"):
        x.reshape(2.5)
    with pytest.raises(fx.errors.TracerIntegerConversionError):
        fx.jit(lambda n: jnp.ones(n))(3)
    with pytest.raises(FxValueError, match="inplace"):
        jnp.fill_diagonal(jnp.ones((2, 2)), 1.0)
