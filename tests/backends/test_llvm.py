"""The compiler: its functions to the last bits, its loops on all shapes, its threads."""

import functools
import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings

import fx
import fx.numpy as jnp
from fx import lax
from fx.backends.numpy import NumpyBackend
from fx.core.primitive import P
from fx.testing import programs

program = pytest.importorskip("fx.backends.llvm.program", exc_type=ImportError)
codegen, Program = program.codegen, program.Program


def compiled(f, *args):
    return Program(fx.make_jaxpr(f)(*args))


def interpreted(f, *args):
    return NumpyBackend().compile(fx.make_jaxpr(f)(*args))([np.asarray(a) for a in args])


# ------------------------------------------------------------------ functions
# Largest errors in units in the last place of float32 and float64, over the points of `sweep`.
ULPS = {
    "exp": (np.exp, 1.1, 1.1),
    "exp2": (np.exp2, 1, 1.2),
    "expm1": (np.expm1, 2, 2),
    "log": (np.log, 1, 1),
    "log1p": (np.log1p, 1.5, 1.5),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), 2.5, 2.5),
    "tanh": (np.tanh, 3, 3),
    "sinh": (np.sinh, 2, 2),
    "cosh": (np.cosh, 2, 2),
    "asinh": (np.arcsinh, 2, 2),
    "acosh": (np.arccosh, 2.5, 2.5),
    "atanh": (np.arctanh, 2.5, 2.5),
    "sin": (np.sin, 2, 1),
    "cos": (np.cos, 2, 1),
    "tan": (np.tan, 0.6, 2.5),
    "asin": (np.arcsin, 0.6, 2.2),
    "acos": (np.arccos, 0.6, 1.5),
    "atan": (np.arctan, 0.6, 2),
    "erf": ("erf", 5, 1.5),
    "erfc": ("erfc", 5, 4),
    "erf_inv": ("erfinv", 4, 4),
    "lgamma": ("loggamma", 0.6, 2.5),
    "digamma": ("digamma", 0.6, 4),
    "sqrt": (np.sqrt, 0.5, 0.5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1.5, 1.5),
    "cbrt": (np.cbrt, 0.51, 0.51),
}
ULPS_OF_TWO = {
    "pow": (np.power, 0.6, 1.5),
    "atan2": (np.arctan2, 0.6, 2),
    "rem": (np.fmod, 0, 0),
}


def sweep(dtype):
    """Numbers of all magnitudes and signs, and many where functions bend."""
    whole = np.dtype(f"u{np.dtype(dtype).itemsize}")
    last = int(np.asarray(np.inf, dtype).view(whole))
    bits = np.arange(0, last, last // 150_000, dtype=whole).view(dtype)
    dense = [np.linspace(-a, a, 100_003) for a in (1.2, 20.0, 110.0, 750.0)]
    return np.concatenate([bits, -bits, *dense]).astype(dtype)


def wider(dtype):
    """A dtype of more digits, which NumPy's functions then compute in."""
    if dtype == "float32":
        return np.float64
    if np.finfo(np.longdouble).nmant < 60:
        pytest.skip("NumPy has no floats wider than float64 here")
    return np.longdouble


def check_error(got, want, limit, *points):
    """That `got` is `want`, of a wider dtype, up to so many units in the last place."""
    info, wide = np.finfo(got.dtype), want.dtype.type
    same = np.isnan(got) == np.isnan(want)
    same &= (np.signbit(got) == np.signbit(want)) | np.isnan(want)
    # What rounds to infinity is beyond the largest number by half a unit.
    edge = wide(info.max) * (1 + wide(info.eps) / 4)
    same &= (np.abs(want) < edge) | np.isnan(want) | np.isinf(got)
    assert same.all(), [(p[~same][:5]) for p in (*points, got, want)]
    ok = np.abs(want) < wide(info.max)
    spacing = np.spacing(np.abs(want[ok]).astype(got.dtype)).astype(wide)
    error = np.abs(got[ok].astype(wide) - want[ok]) / spacing
    worst = int(np.argmax(error))
    assert error[worst] <= limit, f"{error[worst]:.2f} ulp at {[p[ok][worst] for p in points]}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ULPS)
@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_accuracy(name, dtype):
    exact, *limits = ULPS[name]
    x = sweep(dtype)
    if isinstance(exact, str):  # of mpmath
        mpmath = pytest.importorskip("mpmath")
        low, high = {"erf_inv": (-1, 1), "lgamma": (0, 1e300), "digamma": (0, 1e300)}.get(
            name, (-30, 30)
        )
        x = x[(low < x) & (x < high)][::150]
        with mpmath.workdps(40):
            values = [mpmath.nstr(getattr(mpmath, exact)(float(v)), 30) for v in x]
        want = np.asarray(values, wider(dtype))
        if name in ("erf", "erf_inv"):
            want = np.copysign(want, x)  # mpmath's zero has no sign
    else:
        if name in ("sin", "cos", "tan"):
            x = x[np.abs(x) < 2e8]
        want = exact(x.astype(wider(dtype)))
    (got,) = compiled(getattr(P, name), x)([x])
    check_error(got, want, limits[dtype == "float64"], x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ULPS_OF_TWO)
@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_accuracy_of_two_arguments(name, dtype):
    exact, *limits = ULPS_OF_TWO[name]
    rng = np.random.default_rng(0)
    x, y = (rng.permutation(sweep(dtype)) for _ in range(2))
    near = np.exp(rng.normal(0, 3, len(x))).astype(dtype)
    scale = math.log(np.finfo(dtype).max) * 1.1 / np.abs(np.log(near))
    powers = (rng.uniform(-1, 1, len(x)) * scale).astype(dtype)  # to the ends of the range
    pairs = [(x, y), (near, rng.normal(0, 9, len(x)).astype(dtype)), (near, powers)]
    pairs += [(-near, np.rint(powers))]
    for pair in pairs:
        want = exact(*(a.astype(wider(dtype)) for a in pair))
        (got,) = compiled(getattr(P, name), *pair)(list(pair))
        check_error(got, want, limits[dtype == "float64"], *pair)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_near_quarter_turns(name):
    """Where a result is next to nothing, and where one reduction ends and another begins."""
    turns = (np.arange(1, 60_000) * (np.pi / 2)).astype(np.float32)
    ends = np.float32(2.0**16) + np.arange(-2000, 2000, dtype=np.float32) / 64
    x = np.concatenate([np.nextafter(turns, np.float32(0)), turns, ends])
    x = np.concatenate([x, -x])
    (got,) = compiled(getattr(P, name), x)([x])
    check_error(got, getattr(np, name)(x.astype(np.float64)), 2, x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_angles(name, dtype):
    x = [1e9, 1.5e9, -3e12, 1e20, 3.4e38, 2**27, 2**30, -(2**31), 7, 0, np.inf, np.nan]
    x += [1e300, -1e200, 2**27 - 1, 710.5] if dtype == "float64" else []
    x = np.asarray(x, dtype)
    (got,) = compiled(getattr(P, name), x)([x])
    with np.errstate(invalid="ignore"):
        want = getattr(np, name)(x.astype(wider(dtype)))
    np.testing.assert_allclose(got, want.astype(dtype), rtol=4 * np.finfo(dtype).eps)
    # A lane has its value whatever its neighbours are.
    for i in range(len(x)):
        alone = np.full(40, x[i])
        np.testing.assert_array_equal(compiled(getattr(P, name), alone)([alone])[0], got[i])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_scalars_have_the_values_of_vectors(dtype):
    x = np.asarray([0.3, 1.7, -2.5, 30.0, 1e9, 0.0], dtype)
    names = [*ULPS, *ULPS_OF_TWO]
    f = lambda v: tuple(
        getattr(P, n)(v, v) if n in ULPS_OF_TWO else getattr(P, n)(v) for n in names
    )
    together = compiled(f, x)([x])
    alone = compiled(f, np.asarray(x[0]))
    for i in range(len(x)):
        for name, got, want in zip(names, alone([np.asarray(x[i])]), together, strict=True):
            np.testing.assert_array_equal(got, want[i], err_msg=f"{name}({x[i]})")


EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e30, -1e30]
UNARY = ["abs", "ceil", "floor", "neg", "sign", "square", "is_finite", *ULPS]
BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "max",
    "min",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "pow",
    "atan2",
    "rem",
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY + BINARY)
@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_special_values(name, dtype):
    x = np.asarray(EDGES, dtype)
    args = [x] if name in UNARY else [a.ravel() for a in np.meshgrid(x, x)]
    f = getattr(P, name)
    (got,), (want,) = compiled(f, *args)(args), interpreted(f, *args)
    np.testing.assert_allclose(got, want, rtol=8 * np.finfo(dtype).eps, atol=0)
    if name not in ("max", "min"):  # of zeros, where the sign is either's
        number = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))


@pytest.mark.parametrize("source", ["float32", "float64", "int8", "uint16", "int64", "bool"])
def test_conversions_saturate(source):
    x = np.asarray([0, 1, -1, 2.7, -2.7, 200, -200, 1e10, -1e10, 1e20, np.inf, -np.inf, np.nan])
    with np.errstate(invalid="ignore"):
        x = x.astype(source) if source[0] == "f" else np.nan_to_num(x).clip(0, 100).astype(source)
    for target in [
        "bool",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float32",
        "float64",
    ]:
        f = lambda v, t=target: lax.convert_element_type(v, t)
        np.testing.assert_array_equal(compiled(f, x)([x])[0], interpreted(f, x)[0], target)


# ------------------------------------------------------------------ loops
SIZES = [0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65, 127, 1009]
SHAPES = {
    "map": lambda x: x * 2 + 1,
    "rows": lambda x: x.sum(-1),
    "columns": lambda x: x.sum(0),
    "all": lambda x: x.sum(),
    "extrema": lambda x: (x.max(0), x.min(-1)),
    "softmax": lambda x: fx.nn.softmax(x, -1),
    "layer norm": lambda x: (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + 1),
    "two outputs": lambda x: (x + 1, jnp.exp(x).sum(-1), x - x.max(-1, keepdims=True)),
    "transposed": lambda x: x.T + 1,
    "reversed": lambda x: jnp.flip(x) * x,
    "strided": lambda x: x[::2] - 1,
    "index": lambda x: x + lax.broadcasted_iota("float32", x.shape, 1),
    "outer": lambda x: x[:, :, None] + x[:, None, :3],
    "mask": lambda x: jnp.where(x > 0, x, 0).sum(1),
    "booleans": lambda x: ((x > 0).any(0), (x > 0).all(1)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_all_sizes(name):
    f = SHAPES[name]
    for n in SIZES:
        for m in (1, 3, 17):
            for shape in ((n, m), (m, n)):
                if not n and name in ("extrema", "softmax", "layer norm", "two outputs"):
                    continue
                x = np.random.default_rng(n).standard_normal(shape).astype(np.float32)
                got, want = compiled(f, x)([x]), interpreted(f, x)
                for a, b in zip(got, want, strict=True):
                    np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5, err_msg=str(shape))


LARGE = {
    "one row": ((1, 300_007), lambda x: (x * x).sum()),
    "few rows": ((3, 100_003), lambda x: x.sum(1)),
    "many columns": ((40, 20_011), lambda x: (x.sum(0), (x * x).sum(0))),
    "few columns": ((300_007, 3), lambda x: x.sum(0)),
    "middle": ((17, 5003, 13), lambda x: x.sum(1)),
    "channels": ((16, 5, 3001), lambda x: x.sum((0, 2))),
    "maximum": ((7, 50_021), lambda x: (x.max(), x.max(0), x.max(1))),
    "blocks": ((5, 70_001), lambda x: jnp.tanh(x) + x[:, :1]),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_arrays(name):
    shape, f = LARGE[name]
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    wide = x.astype(np.float64)
    for a, b in zip(compiled(f, x)([x]), interpreted(f, wide), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-3)


def test_nothing_is_written_outside_of_results(monkeypatch):
    guards = []

    def guarded(shape, dtype):
        n = int(np.prod(shape))
        pad = 64 // dtype.itemsize
        whole = np.zeros(n + 2 * pad, dtype)
        whole.view(np.uint8)[...] = 0xA5
        guards.append((whole, pad, n))
        return whole[pad : pad + n].reshape(shape)

    monkeypatch.setattr(program, "maker", lambda *made: functools.partial(guarded, *made))
    for dtype in ("float32", "float64", "int8", "bool", "int32"):
        for shape in ((5,), (33, 7), (3, 1, 65), (200_003,), (70, 3001)):
            x = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
            f = lambda v: (v == v, (v != 0).sum(0), v.max(-1), jnp.flip(v) | True)
            f = f if dtype in ("bool", "int8", "int32") else lambda v: (v + 1, v.sum(0), v.max(-1))
            want = interpreted(f, x)
            for a, b in zip(compiled(f, x)([x]), want, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5)
    assert len(guards) > 30
    for whole, pad, n in guards:
        raw = whole.view(np.uint8)
        edge = pad * whole.itemsize
        assert (raw[:edge] == 0xA5).all() and (raw[edge + n * whole.itemsize :] == 0xA5).all()


def test_unaligned_arrays():
    raw = np.zeros(4 * 101 + 1, np.uint8)
    x = raw[1:].view(np.float32)
    x[...] = np.arange(101)
    np.testing.assert_array_equal(compiled(lambda v: v + 1, x)([x])[0], np.arange(101) + 1)


# ------------------------------------------------------------------ fusion
FUSED = {
    "softmax": (lambda x: fx.nn.softmax(x, -1), 1),
    "log softmax and its loss": (lambda x: -fx.nn.log_softmax(x)[:, 0].mean(), 2),
    "layer norm": (SHAPES["layer norm"], 1),
    "gradient of a chain": (
        lambda x: fx.grad(lambda v: jnp.sum(jnp.exp(-v * v) * jnp.sin(v)))(x),
        1,
    ),
    "gradient of softmax": (lambda x: fx.grad(lambda v: (fx.nn.softmax(v) ** 2).sum())(x), 1),
}


@pytest.mark.parametrize("name", FUSED)
def test_how_many_kernels(name):
    f, most = FUSED[name]
    assert len(compiled(f, np.ones((16, 40), np.float32)).kernels) <= most


# ------------------------------------------------------------------ programs
@given(programs())
@settings(max_examples=60)
def test_random_programs(drawn):
    args = drawn.args
    leaves = fx.tree.leaves(args)
    jaxpr = fx.make_jaxpr(drawn)(*args)
    raw = [np.asarray(x) for x in leaves]
    want = NumpyBackend().compile(jaxpr)(raw)
    for a, b in zip(Program(jaxpr)(raw), want, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-4 if b.dtype == np.float32 else 1e-9, atol=1e-4)


def test_programs_of_many_equations_compile_in_linear_time():
    def f(x):
        for i in range(300):
            x = jnp.sin(x) * (1 + i % 3) + x
            if i % 50 == 49:
                x = x @ x
                x = x / jnp.abs(x).max()
        return x

    x = np.eye(8, dtype=np.float32)
    np.testing.assert_allclose(compiled(f, x)([x])[0], interpreted(f, x)[0], rtol=1e-3, atol=1e-4)


# ------------------------------------------------------------------ threads and processes
def test_many_python_threads():
    fs = [fx.jit(lambda x, k=k: jnp.sum(jnp.tanh(x * k)) + k) for k in range(1, 5)]
    x = np.random.default_rng(0).standard_normal(300_007).astype(np.float32)
    want = [float(np.tanh(x * k).sum(dtype=np.float64)) + k for k in range(1, 5)]
    wrong = []

    def work(seed):
        for i in range(12):
            k = (seed + i) % 4
            got = float(fs[k](x))
            if abs(got - want[k]) > 0.5:
                wrong.append((k, got, want[k]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


_DIGEST = """
import hashlib, os, sys
import numpy as np
if sys.argv[1] == "one":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import fx, fx.numpy as jnp
x = np.random.default_rng(0).standard_normal((301, 4001)).astype(np.float32)
f = fx.jit(lambda x: (jnp.tanh(x), x.sum(), x.sum(0), x.sum(1), fx.nn.softmax(x)))
print(hashlib.sha256(b"".join(np.asarray(y).tobytes() for y in f(x))).hexdigest())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_results_do_not_depend_on_the_number_of_threads():
    one, all_ = (
        subprocess.run(
            [sys.executable, "-c", _DIGEST, mode], capture_output=True, text=True, check=True
        )
        for mode in ("one", "all")
    )
    assert one.stdout == all_.stdout


_FORK = """
import os, warnings
import numpy as np
import fx, fx.numpy as jnp
warnings.simplefilter("ignore")  # newer Pythons warn of forks beside threads
x = np.ones(500_000, np.float32)
f = fx.jit(lambda x: jnp.sum(x * 2))
assert f(x) == 1e6
pid = os.fork()
if pid == 0:
    ok = f(x) == 1e6 and fx.jit(lambda x: x + 1)(x)[0] == 2
    os._exit(0 if ok else 1)
assert os.waitpid(pid, 0)[1] == 0
assert f(x) == 1e6
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork():
    done = subprocess.run([sys.executable, "-c", _FORK], capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stderr


def test_what_cannot_be_compiled_is_interpreted_with_a_warning(monkeypatch):
    def broken(*args):
        raise RuntimeError("no code today")

    monkeypatch.setattr(codegen, "write", broken)
    f = fx.jit(lambda x: x * 3 + 1)
    with pytest.warns(UserWarning, match="interprets it: RuntimeError: no code today"):
        assert f(2.0) == 7
    assert f(3.0) == 10


def test_interpreter_by_option():
    with fx.config.scope(cpu_backend="numpy"):
        assert fx.jit(lambda x: x + 1)(1.0) == 2.0
    with (
        pytest.raises(fx.errors.FxValueError, match="'llvm', 'numpy'"),
        fx.config.scope(cpu_backend="tpu"),
    ):
        pass
