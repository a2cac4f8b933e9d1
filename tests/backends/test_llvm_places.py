"""Compiled gathers, scatters and dynamic slices: as interpreted, inside their arrays, in place."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import lax
from fx.backends.numpy import NumpyBackend
from fx.core.primitive import P
from fx.dtypes import bfloat16
from fx.kernel.scatters import Scatters
from fx.ops.dimension_numbers import GatherScatterMode, scatter_numbers
from tests.ops.windows import gathers

program = pytest.importorskip("fx.backends.llvm.program", exc_type=ImportError)
Program = program.Program

CLIP, DROP = GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP
EXTENTS = st.sampled_from([1, 2, 3, 7, 16, 17])
DTYPES = st.sampled_from(
    [np.float32, np.float64, np.float16, bfloat16, np.bool_]
    + [np.int8, np.uint16, np.int32, np.int64, np.uint64]
)
INDICES = st.sampled_from([np.int8, np.int16, np.int32, np.int64])


def both(f, *args):
    """The results of a function compiled, which must leave nothing to NumPy, and interpreted."""
    jaxpr = fx.make_jaxpr(f)(*args)
    raw = [np.asarray(a) for a in args]
    made = Program(jaxpr)
    assert not [t for t in made.todo if isinstance(t.step, tuple) and t.step[0] == "call"]
    got, expected = made(raw), NumpyBackend().compile(jaxpr)(raw)
    return [np.asarray(x) for x in got], [np.asarray(x) for x in expected]


def check(f, *args):
    for a, b in zip(*both(f, *args), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)


def whole_numbers(shape, dtype, seed=0):
    """Numbers whose sums and products have no rounding, so that their order does not show."""
    rng = np.random.default_rng(seed)
    return rng.integers(-3 if np.dtype(dtype).kind in "ifV" else 0, 4, shape).astype(dtype)


# ------------------------------------------------------------------ as interpreted
@settings(max_examples=60)
@given(gathers(extents=EXTENTS), DTYPES, INDICES)
def test_gather(case, dtype, index_dtype):
    x = whole_numbers(case.shape, dtype)
    if not np.prod(case.result, dtype=int):
        return

    def f(x, i):
        return P.gather(
            x,
            i,
            dimension_numbers=case.numbers,
            slice_sizes=case.sizes,
            indices_are_sorted=False,
            unique_indices=False,
            mode=case.mode,
            fill_value=None,
        )

    check(f, x, case.indices.astype(index_dtype))


@pytest.mark.parametrize("name", ["scatter", "scatter_add", "scatter_mul", "scatter_min"])
@settings(max_examples=25)
@given(gathers(extents=EXTENTS), DTYPES, INDICES)
def test_scatter(name, case, dtype, index_dtype):
    x, updates = whole_numbers(case.shape, dtype), whole_numbers(case.result, dtype, 1)
    if case.indices.shape[-1] == 0 and np.prod(case.indices.shape) > 1:
        return

    def f(x, i, u):
        return P.table[name](
            x,
            i,
            u,
            dimension_numbers=scatter_numbers(case.numbers),
            indices_are_sorted=False,
            unique_indices=False,
            mode=case.mode,
        )

    if name == "scatter_mul":  # products of many threes grow
        updates = np.minimum(updates, np.ones((), dtype)) if dtype != np.bool_ else updates
    check(f, x, case.indices.astype(index_dtype), updates)


@settings(max_examples=15)
@given(st.data(), DTYPES)
def test_dynamic_slices(data, dtype):
    shape = data.draw(st.lists(EXTENTS, min_size=1, max_size=3))
    sizes = tuple(data.draw(st.integers(1, n)) for n in shape)
    starts = [np.int32(data.draw(st.integers(-3, n + 3))) for n in shape]
    x, update = whole_numbers(shape, dtype), whole_numbers(sizes, dtype, 1)
    check(lambda x, *s: lax.dynamic_slice(x, s, sizes), x, *starts)
    check(lambda x, u, *s: lax.dynamic_update_slice(x, u, s), x, update, *starts)
    k = data.draw(st.integers(0, len(shape) - 1))
    check(lambda x, u: lax.dynamic_update_slice(x, u, [int(s) for s in starts]), x, update)
    check(lambda x, i: x.at[(slice(None),) * k + (i,)].set(x[0, ...].ravel()[0]), x, starts[k])


PROGRAMS = {
    "labels": lambda x, i, u: x[jnp.arange(x.shape[0]), i[: x.shape[0]]],
    "grid": lambda x, i, u: x[i[:3][:, None], i[None, :5]],
    "columns": lambda x, i, u: x[:, i] * 2,
    "rows of a transpose": lambda x, i, u: x.T[i] + 1,
    "rows of a reversal": lambda x, i, u: x[::-1, ::-1][i],
    "computed indices": lambda x, i, u: x[(i * 3 + 1) % 5],
    "a computed operand": lambda x, i, u: jnp.exp(x)[i].sum(0),
    "mean of rows": lambda x, i, u: x[i].mean(1),
    "softmax of rows": lambda x, i, u: fx.nn.softmax(x[i], axis=1),
    "take along": lambda x, i, u: jnp.take_along_axis(x, jnp.argmax(x, 1)[:, None], 1),
    "fill": lambda x, i, u: x.at[i * 9, 1].get(mode="fill", fill_value=3.0),
    "constants": lambda x, i, u: x.at[jnp.array([0, 2, 0])].add(1.0),
    "set a row": lambda x, i, u: x.at[2].set(u[0]) + x.at[1].multiply(2.0),
    "chain": lambda x, i, u: x.at[i[0]].set(0.0).at[i[1]].add(1.0).at[:, i[2]].set(x[:, 0]),
    "old and new": lambda x, i, u: (y := x * 2).at[i[0]].set(u[0]) + y,
    "twice": lambda x, i, u: (x.at[i].add(u), x.at[i].add(u)),
    "columns set": lambda x, i, u: x.at[:, i].set(i * 1.5),
    "gradient": lambda x, i, u: fx.grad(lambda x: (x[i] * u).sum())(x),
    "cross entropy": lambda x, i, u: fx.grad(
        lambda x: -fx.nn.log_softmax(x)[jnp.arange(x.shape[0]), i[: x.shape[0]]].sum()
    )(x),
    "mapped rows": lambda x, i, u: fx.vmap(lambda x, i: x[i])(x, i[: x.shape[0]]),
    "mapped updates": lambda x, i, u: fx.vmap(lambda x, i: x.at[i].set(9.0))(x, i[: x.shape[0]]),
    "mapped slices": lambda x, i, u: fx.vmap(lambda i: lax.dynamic_slice(x, (i, 0), (2, 3)))(i),
    "segments": lambda x, i, u: jnp.zeros((5, u.shape[1])).at[i].max(u),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("width", [4, 37])
def test_programs(name, width):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, width)).astype(np.float32)
    i = rng.integers(-5, min(5, width), 11).astype(np.int32)
    u = rng.normal(size=(11, width)).astype(np.float32)
    for a, b in zip(*both(PROGRAMS[name], x, i, u), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


# ------------------------------------------------------------------ the order of updates
@pytest.mark.parametrize("width", [1, 8, 200, 1100])
def test_sums_are_taken_in_order(width):
    """So they are the same however many threads there are."""
    rng = np.random.default_rng(0)
    i = rng.integers(0, 50, 3000).astype(np.int32)
    u = rng.normal(size=(3000, width)).astype(np.float32)
    expected = np.zeros((50, width), np.float32)
    np.add.at(expected, i, u)
    f = fx.make_jaxpr(lambda i, u: jnp.zeros((50, width)).at[i].add(u))(i, u)
    np.testing.assert_array_equal(Program(f)([i, u])[0], expected)


# ------------------------------------------------------------------ what is fused
def test_labels_are_looked_up_in_one_kernel():
    x, i = np.zeros((6, 4), np.float32), np.zeros(6, np.int32)
    made = Program(fx.make_jaxpr(lambda x, i: x[jnp.arange(6), i])(x, i))
    assert len(made.kernels) == 1


def body(read):
    def step(carry, x):
        i, buffer = carry
        return read(i, buffer, x)

    return step


LOOPS = {
    "write": lambda i, b, x: ((i + 1, lax.dynamic_update_slice(b, x[None], (i, 0))), None),
    "read before": lambda i, b, x: (
        (i + 1, lax.dynamic_update_slice(b, (x + b[i - 1])[None], (i, 0))),
        b[i],
    ),
    "read after": lambda i, b, x: (
        (i + 1, new := b.at[i].set(x)),
        (new * x).sum(),
    ),
    "two writes": lambda i, b, x: ((i + 1, b.at[i].add(x).at[0].set(2 * x)), None),
    "scattered": lambda i, b, x: ((i + 1, b.at[jnp.array([0, 2, 0]), i % 3].add(x[:3])), None),
}
COPIES = {
    "read all of the old": lambda i, b, x: ((i + 1, b.at[i].set(x) + b), b.sum()),
    "old beside new": lambda i, b, x: ((i + 1, b.at[i].set(x)), (b.at[i].set(x) - b).sum()),
    "new is stacked": lambda i, b, x: ((i + 1, b), b.at[i].set(x)),
    "swapped": lambda i, b, x: ((i + 1, b[::-1].at[i].set(x)), None),
}


def in_loop(read, b, xs, reverse=False):
    return lax.scan(body(read), (0, b), xs, reverse=reverse)


@pytest.mark.parametrize("length", [1, 4, 5])
@pytest.mark.parametrize("name", [*LOOPS, *COPIES])
def test_buffers_of_loops(name, length):
    rng = np.random.default_rng(0)
    b, xs = (rng.normal(size=(n, 6)).astype(np.float32) for n in (5, length))
    read = {**LOOPS, **COPIES}[name]
    for a, e in zip(*both(lambda b, xs: in_loop(read, b, xs), b, xs), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOOPS)
def test_buffers_of_loops_are_updated_in_place(name):
    b, xs = np.zeros((5, 6), np.float32), np.ones((4, 6), np.float32)
    made = Program(fx.make_jaxpr(lambda b, xs: in_loop(LOOPS[name], b, xs))(b, xs))
    (loop,) = [i.loop for t in made.todo for i in t.step.items if i.loop is not None]
    kernels = [i.kernel for i in loop.items]
    assert any(isinstance(k, Scatters) for k in kernels)
    copied = [s for k in kernels if hasattr(k, "steps") for s in k.steps if s.op == "fresh"]
    assert not copied


def test_a_chain_of_updates_copies_once():
    x = np.zeros((4, 3), np.float32)
    made = Program(fx.make_jaxpr(lambda x: x.at[0].set(1.0).at[1].set(2.0).at[2].add(3.0))(x))
    steps = [s.op for k in made.kernels if hasattr(k, "steps") for s in k.steps]
    assert steps.count("fresh") == 1


# ------------------------------------------------------------------ inside their arrays
FENCED = """
import ctypes, mmap
import numpy as np
import fx, fx.numpy as jnp
from fx import lax
from fx.backends.llvm import program

libc = ctypes.CDLL(None)
PAGE, held = mmap.PAGESIZE, []

def fenced(shape, dtype, end=True):
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    pages = -(-size // PAGE)
    area = mmap.mmap(-1, (pages + 2) * PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(area))
    held.append(area)
    for page in (0, pages + 1):
        assert libc.mprotect(ctypes.c_void_p(base + page * PAGE), PAGE, 0) == 0
    offset = PAGE + (pages * PAGE - size if end else 0)
    return np.ndarray(shape, dtype, area, offset)

def copy(x, end):
    y = fenced(x.shape, x.dtype, end)
    y[...] = x
    return y

rng = np.random.default_rng(0)
far = [0, 1, -1, 39, 40, 41, 1000, -1000, 2**31 - 1, -(2**31), 2**30]
huge = [*far, 2**63 - 1, -(2**63), 2**40]
for dtype, values in ((np.int32, far), (np.int64, huge)):
    i = np.array([values[k] for k in rng.integers(0, len(values), 67)], dtype)
    x = rng.normal(size=(40, 23)).astype(np.float32)
    u = rng.normal(size=(67, 23)).astype(np.float32)
    for mode in ("clip", "fill", "promise_in_bounds"):
        for end in (True, False):
            program.maker = lambda shape, dtype: lambda: fenced(shape, dtype, end)
            for f in (
                lambda x, i, u: x.at[i].get(mode=mode),
                lambda x, i, u: x.at[:, i].get(mode=mode),
                lambda x, i, u: x.at[i, i].get(mode=mode),
                lambda x, i, u: x.at[i].add(u, mode=mode),
                lambda x, i, u: x.at[i, 3].set(u[:, 0], mode=mode),
                lambda x, i, u: lax.dynamic_slice(x, (i[3], i[5]), (7, 20)),
                lambda x, i, u: lax.dynamic_update_slice(x, u[:7, :20], (i[3], i[5])),
            ):
                jaxpr = fx.make_jaxpr(f)(x, i, u)
                program.Program(jaxpr)([copy(a, end) for a in (x, i, u)])
print("inside")
"""


def test_nothing_beyond_an_array_is_touched():
    """Pages around all arrays cannot be read: a stray access ends the process."""
    code = textwrap.dedent(FENCED)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "inside", done.stderr[-2000:]


# ------------------------------------------------------------------ sorting
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.5, -1.5]


@settings(max_examples=25)
@given(st.data(), DTYPES)
def test_sorting(data, dtype):
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 8, 9, 33]), min_size=1, max_size=2)))
    axis = data.draw(st.integers(0, len(shape) - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    if np.dtype(dtype).kind in "fV":
        x = rng.choice(SPECIAL, shape).astype(dtype)
    elif np.dtype(dtype).kind == "b":
        x = rng.integers(0, 2, shape).astype(dtype)
    else:
        info = np.iinfo(dtype)
        x = rng.choice(np.array([info.min, info.max, 0, 1, 2, info.max - 1], dtype), shape)
    y = rng.integers(0, 3, shape).astype(np.int32)
    number = np.arange(x.size, dtype=np.int32).reshape(shape)
    for keys in (1, 2):
        check(
            lambda *xs, keys=keys: lax.sort(xs, dimension=axis, is_stable=True, num_keys=keys),
            *(x, y, number),
        )
    k = data.draw(st.integers(1, shape[axis]))
    check(lambda x: P.top_k(x, k=k, axis=axis), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, bfloat16])
@pytest.mark.parametrize("shape", [(40, 9), (3, 200), (7,)])
def test_positions_of_extrema(dtype, shape):
    """The first of equals; NaN wins."""
    rng = np.random.default_rng(0)
    for numbers in (SPECIAL, [*SPECIAL[3:], 2.5]):
        x = rng.choice(numbers, shape).astype(dtype)
        for axis in range(len(shape)):
            check(lambda x, a=axis: (jnp.argmax(x, a), jnp.argmin(x, a)), x)


def test_loops_that_sort_are_native():
    def step(state, key):
        best, where = lax.top_k(state + key, 3)
        return state.at[where].add(-1.0), (best, jnp.sort(state)[::-1])

    state = np.arange(5000, dtype=np.float32) % 71
    keys = np.arange(6, dtype=np.float32)
    check(lambda state, keys: lax.scan(step, state, keys), state, keys)
