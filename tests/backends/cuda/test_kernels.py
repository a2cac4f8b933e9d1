"""Kernels of all kinds and sizes, on the simulator."""

import numpy as np

import fx
import fx.numpy as jnp
from fx import lax
from fx.backends.cuda import source
from tests.backends.cuda.harness import ByKernels, case, check, needs_compiler, sources_of

pytestmark = needs_compiler


def f32(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


COUNTS = [1, 2, 3, 4, 5, 7, 16, 31, 33, 64, 127, 128, 255, 512, 513, 600, 2048, 2049, 4100, 8192]
COUNTS += [8195, 20_000]


def test_rows_of_all_lengths():
    """Softmax and layer norm have three levels; sums and positions of maxima have one."""

    def norm(x):
        mean = x.mean(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)

    cases = []
    for n in COUNTS:
        x = f32(3, n)
        cases.append(case(f"softmax {n}", fx.nn.softmax, (x,)))
        cases.append(case(f"norm {n}", lambda x: (norm(x), x.max(-1)), (x,)))
        cases.append(case(f"sum {n}", lambda x: (x.sum(-1), (x * x).sum(-1)), (f32(35, n),)))
    check(cases)


def test_columns_and_what_is_cut():
    cases = []
    for shape in [(3, 5), (100, 3), (7, 33), (300, 65), (2000, 16), (5, 4, 70), (30_001, 2)]:
        x = f32(*shape)
        cases.append(case(f"columns {shape}", lambda x: (x.sum(0), jnp.exp(x).max(0)), (x,)))
        cases.append(case(f"first and last {shape}", lambda x: x.sum((0, -1)), (x,)))
    for n in (20_000, 33_333, 65_536, 100_001):
        cases.append(case(f"all {n}", lambda x: (x.sum(), x.max(), (x * 2).min()), (f32(n),)))
    cases.append(case("middle", lambda x: x.sum(1), (f32(9, 700, 31),)))
    cases.append(case("outer and inner", lambda x: x.sum((0, 2)), (f32(40, 9, 700),)))
    check(cases)


def test_maps_of_all_widths():
    cases = []
    for dtype in ("float32", "float64", "float16", "bfloat16", "int8", "bool", "int64"):
        for n in (1, 2, 3, 4, 6, 8, 64, 1000, 1001):
            x = jnp.asarray(np.arange(n) % 7).astype(dtype)
            cases.append(case(f"{dtype} {n}", lambda x: (x == x, jnp.where(x > 2, x, 1)), (x,)))
        x = jnp.asarray(np.arange(24).reshape(4, 6) % 5).astype(dtype)
        cases.append(case(f"{dtype} rows", lambda x: jnp.maximum(x[:, ::-1], x[1]), (x,)))
    cases.append(case("offset", lambda x: x[3:] * 2, (f32(67),)))
    cases.append(case("part", lambda x: x[:, 4:12] + 1, (f32(5, 16),)))
    cases.append(case("both", lambda x, y: x[:, None] + y, (f32(8), f32(8))))
    check(cases)


def test_tiles_across():
    cases = []
    for shape in [(16, 16), (17, 31), (32, 33), (70, 45), (3, 40, 20), (100, 257)]:
        x = f32(*shape)
        order = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
        cases.append(case(f"turned {shape}", lambda x, o=order: x.transpose(o) * 2, (x,)))
        cases.append(case(f"to front {shape}", lambda x: jnp.moveaxis(x, -1, 0) + 1, (x,)))
    cases.append(case("sum", lambda x, y: x.T + y, (f32(40, 50), f32(50, 40))))
    cases.append(case("two", lambda x, y: (x.T * y.T, x.T - y.T), (f32(33, 50), f32(33, 50))))
    cases.append(case("half", lambda x: x.T + 1, (f32(40, 50).astype(np.float16),)))
    check(cases)


def test_products():
    cases = []
    for m, k, n in [
        (5, 7, 9),
        (16, 16, 16),
        (33, 65, 17),
        (64, 100, 130),
        (200, 31, 270),
        (4, 3000, 4),
        (600, 20, 600),
    ]:
        a, b = f32(m, k), f32(k, n, seed=1)
        cases.append(case(f"{m} {k} {n}", lambda a, b: jnp.maximum(a @ b, 0), (a, b)))
        cases.append(case(f"left {m} {k} {n}", lambda a, b: a.T @ b, (f32(k, m), b)))
        cases.append(case(f"right {m} {k} {n}", lambda a, b: a @ b.T + 1, (a, f32(n, k))))
    cases.append(case("batch", lambda a, b: a @ b, (f32(3, 20, 40), f32(3, 40, 24, seed=1))))
    cases.append(
        case(
            "heads",
            lambda a, b: jnp.einsum("bqhd,bkhd->bhqk", a, b),
            (f32(2, 9, 3, 16), f32(2, 11, 3, 16, seed=1)),
        )
    )
    cases.append(
        case("double", lambda a, b: a @ b, (f32(40, 50).astype(float), f32(50, 60).astype(float)))
    )
    cases.append(
        case(
            "whole",
            lambda a, b: a @ b,
            (np.arange(600).reshape(20, 30), np.arange(600).reshape(30, 20)),
            True,
        )
    )
    a, b, c = f32(130, 140), f32(140, 150, seed=1), f32(4, 130, 140)
    library = [
        case("plain", lambda a, b: a @ b, (a, b)),
        case("followed", lambda a, b: (jnp.maximum(a @ b + b[0], 0), jnp.sin(a @ b)), (a, b)),
        case("turned", lambda a, b: a.T @ b, (a.T.copy(), b)),
        case("both turned", lambda a, b: (b.T @ a.T) * 2, (a, b)),
        case("to columns", lambda a, b: jnp.einsum("ij,jk->ki", a, b) + 1, (a, b)),
        case("batch", lambda c, b: jnp.tanh(c @ b), (c, np.stack([b] * 4))),
        case("middle", lambda c, b: jnp.einsum("bij,bjk->ibk", c, b), (c, np.stack([b] * 4))),
        case("part", lambda a, b: a[10:, 5:] @ b[5:, :140], (a, b)),
        case("double", lambda a, b: a @ b, (a.astype(float), b.astype(float))),
    ]
    cases.append(case("deep", lambda a, b: a.T @ b, (f32(5000, 9), f32(5000, 20, seed=1))))
    check(cases, ByKernels())
    made = check([*cases, *library])
    assert [len(p.calls) for p in made[len(cases) :]] == [1] * len(library)


def test_prefixes_places_and_sorts():
    cases = []
    rng = np.random.default_rng(0)
    for n in (1, 5, 63, 64, 65, 255, 256, 257, 1000):
        x = f32(3, n)
        cases.append(
            case(f"sums {n}", lambda x: (jnp.cumsum(x, 1), lax.cummax(x, 1, reverse=True)), (x,))
        )
        cases.append(case(f"down {n}", lambda x: jnp.cumsum(x, 0), (f32(n, 5),)))
        cases.append(case(f"sort {n}", lambda x: (jnp.sort(x), jnp.argsort(x)), (x,), True))
        at = rng.integers(-3, n + 3, (n,))
        cases.append(case(f"take {n}", lambda x, at: x[:, at], (x, at), True))
        cases.append(case(f"add {n}", lambda x, at: x.at[:, at].add(1.5), (x, at)))
        cases.append(
            case(f"set {n}", lambda x, at: x.at[0, at].set(2.0, mode="drop"), (x, at), True)
        )
    cases.append(case("whole", lambda x: jnp.cumsum(x), (rng.integers(0, 9, 3000),), True))
    cases.append(case("ties", lambda x: jnp.argsort(x), (rng.integers(0, 9, 3000),), True))
    check(cases)


def test_padding_and_windows():
    x = f32(2, 13, 15, 3)
    w = f32(3, 3, 3, 20, seed=1)
    numbers = ("NHWC", "HWIO", "NHWC")

    def conv(x, w):
        return lax.conv_general_dilated(x, w, (1, 2), "SAME", dimension_numbers=numbers)

    def loss(x, w):
        z = jnp.maximum(conv(x, w), 0)
        return lax.reduce_window(z, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID").sum()

    check(
        [
            case("conv", conv, (x, w)),
            case("gradients", lambda x, w: fx.grad(loss, (0, 1))(x, w), (x, w)),
            case("pad", lambda x: lax.pad(x, 7.0, [(1, 2, 0), (0, 3, 1)]), (f32(5, 6),), True),
            case("join", lambda a, b: jnp.concatenate([a, b], 1), (f32(4, 3), f32(4, 6)), True),
        ]
    )


def test_random_numbers():
    key = fx.random.key(3)
    check(
        [
            case("bits", lambda k: fx.random.bits(k, (1001,)), (key,), True),
            case("uniform", lambda k: fx.random.uniform(k, (777,)), (key,), True),
            case("normal", lambda k: fx.random.normal(k, (50, 21)), (key,), True),
            case("split", lambda k: fx.random.split(k, 5), (key,), True),
            case("choice", lambda k: fx.random.permutation(k, 100), (key,), True),
        ]
    )


def test_loops_and_branches():
    def until(x):
        return lax.while_loop(lambda x: (x > 1e-3).any(), lambda x: x * 0.5, x)

    def rnn(w, xs):
        def step(h, x):
            h = jnp.tanh(h @ w + x)
            return h, h

        return lax.scan(step, jnp.zeros((4, 8), "float32"), xs)

    w, xs = f32(8, 8) * 0.3, f32(5, 4, 8)
    check(
        [
            case("while", until, (np.abs(f32(6)),)),
            case("scan", rnn, (w, xs)),
            case("grad", fx.grad(lambda w, xs: rnn(w, xs)[1].sum()), (w, xs)),
            *(
                case(
                    f"switch {i}",
                    lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, lambda x: x * 2], x),
                    (np.int32(i), f32(5)),
                )
                for i in (-1, 0, 1, 2, 9)
            ),
            case(
                "updates",
                lambda x: lax.fori_loop(0, 5, lambda i, x: x.at[i].mul(2.0), x),
                (f32(7),),
            ),
        ]
    )


def test_many_folds_at_once():
    """More than meet in shared memory at a time."""
    x = f32(50, 37).astype(float)
    f = lambda axis: lambda x: [(x * i).sum(axis) for i in range(20)]
    check([case(f"axis {axis}", f(axis), (x,)) for axis in (0, 1)])


def test_indices_of_64_bits(monkeypatch):
    """What arrays of more than 2**31 elements need, on small ones."""
    monkeypatch.setattr(source, "NARROW", 1)
    conv = lambda x, w: lax.conv(x, w, (1, 1), "SAME")
    cases = [
        case("map", lambda x: jnp.tanh(x).T + 1, (f32(33, 40),)),
        case("rows", fx.nn.softmax, (f32(3, 700),)),
        case("columns", lambda x: x.sum(0), (f32(70, 37),)),
        case("product", lambda x: x @ x.T, (f32(20, 37),)),
        case("conv", conv, (f32(1, 3, 9, 9), f32(4, 3, 3, 3))),
        case("places", lambda x, i: x.at[i].add(x[i] * 2), (f32(9, 4), np.array([1, 3, 3]))),
        case("sort", lambda x: (jnp.sort(x), jnp.cumsum(x, 1)), (f32(2, 300),)),
    ]
    assert all("i64 " in s.text and "(i32 g" not in s.text for s in sources_of(cases))
    check(cases)


def test_equal_kernels_are_one():
    def f(x):
        return jnp.exp(lax.optimization_barrier(jnp.exp(x)))

    assert len(sources_of([case("", f, (f32(20),)), case("", jnp.exp, (f32(20),))])) <= 2
