"""Gather and scatter against jax.lax, over drawn dimension numbers and the common forms."""

import os
import types

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import ml_dtypes
import numpy as np
import pytest

from fx.ops.numerics import gather_scatter

jax = pytest.importorskip("jax")
lax = jax.lax

KEY = np.dtype([("k0", "<u4"), ("k1", "<u4")])

# The same functions under another name take the paths of an array module that is not NumPy.
OTHER = types.SimpleNamespace(**{name: getattr(np, name) for name in dir(np) if name[0] != "_"})

MODES = {
    "clip": lax.GatherScatterMode.CLIP,
    "fill": lax.GatherScatterMode.FILL_OR_DROP,
}
SCATTER = {
    "set": lax.scatter,
    "add": lax.scatter_add,
    "mul": lax.scatter_mul,
    "min": lax.scatter_min,
    "max": lax.scatter_max,
}


def some(rng, items, count):
    return sorted(int(item) for item in rng.choice(list(items), count, replace=False))


def draw_case(rng):
    """Operand shape, indices, gather's numbers and slice sizes, the result's shape."""
    rank = int(rng.integers(1, 4))
    shape = [int(n) for n in rng.integers(1, 5, rank)]
    batch = [int(n) for n in rng.integers(1, 4, int(rng.integers(0, 3)))]
    pairs = min(rank, len(batch), int(rng.integers(0, 2)))
    operand_batching = some(rng, range(rank), pairs)
    indices_batching = [int(i) for i in rng.permutation(len(batch))[:pairs]]
    for dim, axis in zip(operand_batching, indices_batching, strict=True):
        batch[axis] = shape[dim]
    free = [dim for dim in range(rank) if dim not in operand_batching]
    index_map = [int(i) for i in rng.permutation(free)[: int(rng.integers(0, len(free) + 1))]]
    collapsed = some(rng, free, int(rng.integers(0, len(free) + 1)))
    sizes = [
        1 if dim in collapsed or dim in operand_batching else int(rng.integers(0, shape[dim]) + 1)
        for dim in range(rank)
    ]
    kept = [dim for dim in free if dim not in collapsed]
    out_rank = len(batch) + len(kept)
    offset = some(rng, range(out_rank), len(kept))
    batch_sizes, kept_sizes = iter(batch), iter([sizes[dim] for dim in kept])
    out_shape = [next(kept_sizes if i in offset else batch_sizes) for i in range(out_rank)]
    indices = rng.integers(-2, 6, (*batch, len(index_map))).astype(np.int32)
    numbers = (offset, collapsed, index_map, operand_batching, indices_batching)
    return shape, indices, tuple(map(tuple, numbers)), tuple(sizes), out_shape


def check_gather(xp, operand, indices, numbers, sizes, mode, fill_value=-7):
    want = lax.gather(
        operand,
        indices,
        lax.GatherDimensionNumbers(*numbers),
        sizes,
        mode=MODES[mode],
        fill_value=fill_value,
    )
    before = operand.copy()
    got = gather_scatter.gather(
        xp,
        operand,
        indices,
        dimension_numbers=numbers,
        slice_sizes=sizes,
        mode=mode,
        fill_value=fill_value,
    )
    assert got.dtype == operand.dtype
    np.testing.assert_array_equal(got, np.asarray(want))
    np.testing.assert_array_equal(operand, before)
    if got.size:
        assert not np.shares_memory(got, operand)


def check_scatter(xp, operand, indices, updates, kind, numbers, mode):
    want = SCATTER[kind](
        operand, indices, updates, lax.ScatterDimensionNumbers(*numbers), mode=MODES[mode]
    )
    before = operand.copy()
    got = gather_scatter.scatter(
        xp, operand, indices, updates, kind=kind, dimension_numbers=numbers, mode=mode
    )
    assert got.dtype == operand.dtype
    np.testing.assert_array_equal(got, np.asarray(want))
    np.testing.assert_array_equal(operand, before)


@pytest.mark.parametrize("seed", range(60))
def test_drawn(seed):
    rng = np.random.default_rng(seed)
    shape, indices, numbers, sizes, out_shape = draw_case(rng)
    operand = rng.integers(1, 99, shape).astype(np.float32)
    mode = ["clip", "fill"][seed % 2]
    check_gather(np, operand, indices, numbers, sizes, mode)
    if indices.shape[-1] == 0:
        return  # XLA's CPU scatter then keeps only the last of several updates
    # Small powers of two: products and sums of any order are exact.
    updates = (2.0 ** rng.integers(-1, 3, out_shape)).astype(np.float32)
    kind = ["set", "add", "mul", "min", "max"][seed % 5]
    check_scatter(np, operand, indices, updates, kind, numbers, mode)
    check_scatter(OTHER, operand, indices, updates, kind, numbers, mode)


ROWS = ((1,), (0,), (0,), (), ())
COLUMNS = ((0,), (1,), (1,), (), ())
POINTS = ((), (0, 1), (0, 1), (), ())
ALONG = ((), (1,), (1,), (0,), (0,))
BOXES = ((1, 2), (), (0, 1), (), ())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("numbers", "sizes", "indices_shape"),
    [
        (ROWS, (1, 40), (9, 1)),
        (COLUMNS, (6, 1), (9, 1)),
        (POINTS, (1, 1), (70, 2)),
        (ALONG, (1, 1), (6, 5, 1)),
        (BOXES, (3, 38), (7, 2)),
        (BOXES, (6, 40), (2, 2)),
        (((0, 1), (), (0, 1), (), ()), (2, 3), (2,)),
        (((0,), (0,), (0,), (), ()), (1, 40), (1,)),
    ],
)
@pytest.mark.parametrize("contiguous", [True, False])
def test_common_forms(numbers, sizes, indices_shape, mode, contiguous):
    rng = np.random.default_rng(0)
    operand = rng.integers(1, 9, (6, 40)).astype(np.float32)
    if not contiguous:
        operand = np.asfortranarray(operand)
    limits = [operand.shape[dim] + 1 for dim in numbers[2]]
    indices = rng.integers(-1, limits, indices_shape).astype(np.int32)
    check_gather(np, operand, indices, numbers, sizes, mode)
    out = gather_scatter.gather(
        np, operand, indices, dimension_numbers=numbers, slice_sizes=sizes, mode="clip"
    )
    for kind in ("set", "add", "max"):
        updates = rng.integers(1, 9, out.shape).astype(np.float32)
        check_scatter(np, operand, indices, updates, kind, numbers, mode)


@pytest.mark.parametrize(
    "dtype", [bool, np.int8, np.uint32, np.float16, ml_dtypes.bfloat16, np.complex64]
)
@pytest.mark.parametrize("width", [1, 40])
def test_dtypes(dtype, width):
    rng = np.random.default_rng(1)
    numbers, shape = (ROWS, (5, 40)) if width > 1 else (((), (0,), (0,), (), ()), (5,))
    operand = rng.integers(0, 3, shape).astype(dtype)
    indices = np.array([[3], [0], [3], [7], [-1], [3]], np.int32)
    check_gather(np, operand, indices, numbers, (1, *shape[1:]), "fill", fill_value=1)
    updates = rng.integers(0, 3, (6, *shape[1:])).astype(dtype)
    kinds = ["set"] if dtype is bool else ["set", "add", "mul"]
    for kind in kinds + (["min", "max"] if np.dtype(dtype).kind in "iuf" else []):
        check_scatter(np, operand, indices, updates, kind, numbers, "fill")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int64])
def test_index_dtypes(dtype):
    operand = np.arange(300.0, dtype=np.float32)
    indices = np.array([[3], [np.iinfo(dtype).max], [7]], dtype)
    for mode, want in [("clip", 299.0), ("fill", -1.0)]:
        got = gather_scatter.gather(
            np,
            operand,
            indices,
            dimension_numbers=((), (0,), (0,), (), ()),
            slice_sizes=(1,),
            mode=mode,
            fill_value=-1,
        )
        np.testing.assert_array_equal(got, [3.0, 255.0 if dtype is np.uint8 else want, 7.0])


def test_keys():
    keys = np.zeros((3, 4), KEY)
    keys["k0"] = np.arange(12).reshape(3, 4)
    keys["k1"] = 5
    numbers = {"dimension_numbers": ROWS, "mode": "fill"}
    rows = np.array([[2], [0], [9]])
    got = gather_scatter.gather(np, keys, rows, slice_sizes=(1, 4), fill_value=0, **numbers)
    np.testing.assert_array_equal(got["k0"], [[8, 9, 10, 11], [0, 1, 2, 3], [0, 0, 0, 0]])
    np.testing.assert_array_equal(got["k1"], [[5] * 4, [5] * 4, [0] * 4])
    back = gather_scatter.scatter(np, keys, rows, keys[::-1], kind="set", **numbers)
    np.testing.assert_array_equal(back, keys[[1, 1, 2]])


def test_duplicates_of_wide_windows():
    """Runs of every length, so that each round of the pairwise reduction matters."""
    rng = np.random.default_rng(2)
    places = np.repeat(np.arange(9), [0, 1, 2, 3, 4, 5, 8, 17, 1])
    rng.shuffle(places)
    updates = rng.integers(-9, 9, (len(places), 64)).astype(np.float32)
    want = np.zeros((9, 64), np.float32)
    np.add.at(want, places, updates)
    for xp in (np, OTHER):
        got = gather_scatter.scatter(
            xp,
            np.zeros_like(want),
            places[:, None],
            updates,
            kind="add",
            dimension_numbers=ROWS,
            mode="fill",
        )
        np.testing.assert_array_equal(got, want)


def test_unique_indices():
    operand = np.arange(12.0).reshape(3, 4)
    places, updates = np.array([[2], [0]]), np.ones((2, 4))
    got = gather_scatter.scatter(
        np,
        operand,
        places,
        updates,
        kind="add",
        dimension_numbers=ROWS,
        mode="fill",
        unique_indices=True,
    )
    np.testing.assert_array_equal(got, operand + [[1.0], [0.0], [1.0]])


@pytest.mark.parametrize("shape", [(0,), (4, 0), (4, 3)])
def test_zero_size(shape):
    operand, rows = np.ones(shape, np.float32), np.zeros((0 if shape == (4, 3) else 2, 1), np.int32)
    numbers, sizes = (((1,), (), (0,), (), ()), (0,)) if len(shape) == 1 else (ROWS, (1, shape[1]))
    check_gather(np, operand, rows, numbers, sizes, "fill")
    updates = np.ones((len(rows), sizes[-1]), np.float32)
    check_scatter(np, operand, rows, updates, "add", numbers, "fill")
