"""Random numbers in compiled programs: the bits of the interpreter, in one kernel."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax, random
from fx.backends.numpy import NumpyBackend
from fx.core.primitive import P

program = pytest.importorskip("fx.backends.llvm.program", exc_type=ImportError)
Program = program.Program
lowering = pytest.importorskip("fx.backends.lowering")


def raw(x):
    return np.asarray(x._data if isinstance(x, fx.Array) else x)


def same(f, *args, native=True):
    """Compiled and interpreted results have the same bits; without calls of NumPy, if native."""
    jaxpr = fx.make_jaxpr(f)(*args)
    arrays = [raw(a) for a in args]
    compiled = Program(jaxpr)
    if native:
        nodes = lowering.build_graph(jaxpr)[0].nodes
        calls = [n.op.primitive.name for n in nodes if n.kind == "opaque"]
        assert not calls
    got, expected = compiled(arrays), NumpyBackend().compile(jaxpr)(arrays)
    for a, b in zip(got, expected, strict=True):
        b = np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if b.dtype.kind == "f":
            assert np.array_equal(np.isnan(a), np.isnan(b))
            assert np.array_equal(np.signbit(a) & ~np.isnan(a), np.signbit(b) & ~np.isnan(b))
            a, b = np.where(np.isnan(a), 0, a), np.where(np.isnan(b), 0, b)
        np.testing.assert_array_equal(a, b)
    return compiled


KEY = random.key(7)
KEYS = random.split(random.key(3), (2, 3))
SHAPES = [(), (0,), (1,), (7,), (16,), (1009,), (3, 5), (1, 37), (64, 33), (2, 0, 3), (2, 3, 17)]

SAMPLERS = {
    "bits": lambda k, s: random.bits(k, s),
    "uniform": lambda k, s: random.uniform(k, s),
    "uniform between": lambda k, s: random.uniform(k, s, minval=-3.0, maxval=0.7),
    "uniform f64": lambda k, s: random.uniform(k, s, "float64"),
    "normal": lambda k, s: random.normal(k, s),
    "truncated normal": lambda k, s: random.truncated_normal(k, -1.5, 2.0, s),
    "bernoulli": lambda k, s: random.bernoulli(k, 0.3, s),
    "randint": lambda k, s: random.randint(k, s, -5, 12),
    "randint i64": lambda k, s: random.randint(k, s, 0, 2**40, "int64"),
    "randint u8": lambda k, s: random.randint(k, s, 0, 200, "uint8"),
    "gumbel": lambda k, s: random.gumbel(k, s),
    "exponential": lambda k, s: random.exponential(k, s),
    "laplace": lambda k, s: random.laplace(k, s),
    "logistic": lambda k, s: random.logistic(k, s),
    "split": lambda k, s: random.split(k, s),
    "fold in": lambda k, s: random.fold_in(k, 11),
    "data": lambda k, s: random.key_data(random.split(k, s)),
    "wrap": lambda k, s: random.wrap_key_data(random.bits(k, (*s, 2))),
}
OPAQUE = {
    "permutation": lambda k: random.permutation(k, 37),
    "categorical": lambda k: random.categorical(k, jnp.zeros((5, 9))),
    "choice": lambda k: random.choice(k, 23, (4,)),
    "normal f64": lambda k: random.normal(k, (50,), "float64"),
    "normal f16": lambda k: random.normal(k, (50,), "float16"),
    "normal bf16": lambda k: random.normal(k, (50,), "bfloat16"),
    "bits of no 32": lambda k: random.gamma(k, 2.0, (9,)),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples(name):
    for shape in SHAPES:
        same(lambda k, s=shape: SAMPLERS[name](k, s), KEY)


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_of_batched_keys(name):
    for shape in [(), (1,), (37,), (4, 5)]:
        f = fx.vmap(fx.vmap(lambda k, s=shape: SAMPLERS[name](k, s)))
        same(f, KEYS)
        same(f, KEYS[:, :0], native=False)


@pytest.mark.parametrize("name", OPAQUE)
def test_samples_with_calls(name):
    same(OPAQUE[name], KEY, native=False)
    same(fx.vmap(OPAQUE[name]), KEYS[0], native=False)


@pytest.mark.parametrize("width", [8, 16, 32, 64])
def test_bits(width):
    for shape in SHAPES:
        same(lambda k, s=shape: random.bits(k, s, f"uint{width}"), KEY)


def test_many_numbers_in_one_kernel():
    compiled = same(lambda k: random.normal(k, (300, 1001)), KEY)
    assert len(compiled.kernels) == 1
    compiled = same(
        lambda k, x: jnp.where(random.bernoulli(k, 0.9, x.shape), x / 0.9, 0),
        KEY,
        np.ones((300, 1001), np.float32),
    )
    assert len(compiled.kernels) == 1


def test_counters_beyond_32_bits():
    # The counters of these draws pass 2**32 only in their count; their last ones are drawn alone.
    jaxpr = fx.make_jaxpr(lambda k: random.bits(k, (2**20, 2**13), "uint8")[-1, -3:])(KEY)
    names = [eqn.primitive.name for eqn in jaxpr.eqns]
    assert "random_bits" in names
    graph = lowering.build_graph(jaxpr)[0]
    assert any(n.kind == "iota" and n.dtype == np.uint64 for n in graph.nodes)


def test_cipher_of_counters_with_high_words():
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2**32, (4, 1001), np.uint32)
    same(lambda *w: P.threefry2x32(*w), *words)
    same(lambda *w: P.threefry2x32(*w), *words[:2, 0], *words[2:])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_seeds(dtype):
    info = np.iinfo(dtype)
    seeds = np.array([0, 1, info.max, info.min, 77], dtype)
    same(lambda s: P.random_seed(s), seeds)
    same(lambda s: random.normal(random.key(s), (5,)), seeds[3])


def test_keys_as_values():
    keys = KEYS
    same(lambda k: k[1, ::-1].reshape(3, 1), keys, native=False)
    same(lambda k: jnp.where(jnp.arange(3) > 0, k[0], k[1]), keys, native=False)
    same(lambda k: (k == k[:1], k != k[:, :1]), keys, native=False)
    same(fx.vmap(lambda k: random.fold_in(k, 3)), random.split(KEY, 1001))
    same(lambda k: fx.vmap(fx.vmap(random.normal))(k.T), random.split(KEY, (40, 30)))
    same(lambda k, n: fx.vmap(random.fold_in)(k, n), keys[0], np.arange(3, dtype=np.uint32))
    same(lambda k, n: fx.vmap(lambda i: random.fold_in(k, i))(n), KEY, np.arange(40, dtype="u4"))
    same(lambda k: random.split(k, 300_000), KEY)  # memory that is used again
    words = np.arange(40, dtype=np.uint32).reshape(2, 10, 2)
    same(lambda w: random.wrap_key_data(w), words)
    same(lambda w: random.key_data(random.wrap_key_data(w)), words)


def test_through_jit_and_transformations():
    def loss(w, key):
        keys = random.split(key, 3)
        h = jnp.tanh(w + random.normal(keys[0], w.shape))
        mask = random.bernoulli(keys[1], 0.8, w.shape)
        return jnp.sum(jnp.where(mask, h, 0) * random.uniform(keys[2], w.shape))

    w = np.linspace(-1, 1, 37, dtype=np.float32)
    batched = fx.vmap(fx.grad(loss), (None, 0))
    for f, key in [(loss, KEY), (fx.grad(loss), KEY), (batched, KEYS[0])]:
        np.testing.assert_allclose(fx.jit(f)(w, key), f(w, key), rtol=2e-6, atol=2e-6)


def test_scan_over_keys():
    def walk(key):
        def step(carry, k):
            new = carry + random.normal(k, (3,))
            return new, random.bits(random.fold_in(k, 1), (2,))

        return lax.scan(step, jnp.zeros(3), random.split(key, 11))

    same(walk, KEY, native=False)
    (got, bits), (want, exact) = fx.jit(walk)(KEY), walk(KEY)
    np.testing.assert_array_equal(bits, exact)
    np.testing.assert_array_equal(got, want)


# ------------------------------------------------------------------ functions
def sweep():
    """Float32 numbers of every size and sign, dense where functions bend, and the special ones."""
    every = np.arange(0, 2**31, 9973, dtype=np.uint32).view(np.float32)
    rng = np.random.default_rng(1)
    unit = rng.uniform(-1, 1, 200_003).astype(np.float32)
    steep = np.float32(1) - np.float32(2) ** -rng.uniform(1, 24, 5001).astype(np.float32)
    wide = rng.uniform(-100, 100, 100_003).astype(np.float32)
    rare = np.float32([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 2.0**-126, 1e-45, 0.41421357])
    return np.concatenate([every, -every, unit, steep, -steep, wide, rare, np.nextafter(rare, 2)])


@pytest.mark.parametrize("name", ["log", "log1p", "exp", "erf", "erf_inv"])
@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_portable_functions(name):
    same(getattr(P, f"portable_{name}"), sweep())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["erf_inv", "lgamma", "digamma"])
@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_special_functions(name, dtype):
    f = getattr(P, name)
    x = sweep()[::3].astype(dtype)
    x = x[~(x < 0) | (np.abs(x) <= 1) | (x == -np.inf)]  # elsewhere a difference may be all of it
    ends = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, -2, 2, 8, -2.5], dtype)
    for points in (x, ends):
        jaxpr = fx.make_jaxpr(f)(points)
        (got,), (want,) = Program(jaxpr)([points]), NumpyBackend().compile(jaxpr)([points])
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(got, want, rtol=12 * eps, atol=4 * eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_nextafter(dtype):
    info = np.finfo(dtype)
    ends = [0.0, 1.0, np.inf, np.nan, info.max, info.tiny, info.smallest_subnormal, 2.5]
    x = np.array([*ends, *(-v for v in ends)], dtype)
    same(P.nextafter, np.repeat(x, x.size), np.tile(x, x.size))


INTEGERS = [f"{k}{n}" for k in ("int", "uint") for n in (8, 16, 32, 64)]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_operations(dtype):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(2)
    ends = [0, 1, 2, 7, info.max, info.max - 1, info.min, info.min + 1, info.max // 2]
    if info.min:
        ends += [-1, -2, -7]
    drawn = rng.integers(info.min, info.max, 20, dtype)
    x = np.concatenate([np.array(ends, dtype), drawn])
    a, b = np.repeat(x, x.size), np.tile(x, x.size)
    with np.errstate(all="ignore"):
        same(P.div, a, b)
        same(P.rem, a, b)
        same(lambda v: P.rem(v, jnp.asarray(np.array(10, dtype))), a)
    same(P.clz, x)
    same(P.population_count, x)
    same(lambda v: lax.integer_pow(v, 0), x)


def test_bits_of_numbers():
    x = np.random.default_rng(3).standard_normal(1001)
    for old, new in [("f4", "i4"), ("f4", "u4"), ("f8", "u8"), ("i4", "f4"), ("u2", "i2")]:
        same(lambda v, n=new: lax.bitcast_convert_type(v, n), (100 * x).astype(old))


@pytest.mark.parametrize("wide", ["u8", "i8", "f8"])
@pytest.mark.parametrize("narrow", ["u1", "i2", "u4", "f4"])
def test_bits_of_other_widths(wide, narrow):
    x = np.random.default_rng(4).standard_normal((5, 7)) * 1e10
    parts = np.random.default_rng(5).integers(0, 100, (5, 7, 8 // int(narrow[1])))
    same(lambda v: lax.bitcast_convert_type(v, narrow), x.astype(wide))
    same(lambda v: lax.bitcast_convert_type(v, wide), parts.astype(narrow))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_reduced_precision(dtype):
    x = sweep().astype(dtype)
    if dtype == "float64":
        x = x * np.linspace(0.5, 1, x.size)
    for exponent, mantissa in [(5, 10), (8, 7), (4, 3), (8, 23), (3, 0), (11, 52)]:
        if dtype == "float64" or exponent <= 8:
            same(lambda v, e=exponent, m=mantissa: lax.reduce_precision(v, e, m), x)


def test_select_of_many():
    which = np.array([-3, 0, 1, 2, 3, 9] * 5, np.int32)
    cases = [np.full(30, i, np.float32) for i in range(4)]
    same(lambda w, *c: lax.select_n(w, *c), which, *cases)
    same(lambda w, *c: lax.select_n(w, *c), np.int32(2), *cases)


# ------------------------------------------------------------------ prefixes
@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
def test_prefixes(kind):
    f = getattr(lax, f"cum{kind}")
    rng = np.random.default_rng(6)
    for shape in [(1,), (7,), (1009,), (0,), (3, 0), (5, 37), (2, 3, 4), (3, 40, 16), (2, 5, 2100)]:
        x = rng.uniform(0.5, 1.5, shape)
        for axis in range(len(shape)):
            for reverse in (False, True):
                for dtype in ("float32", "float64", "int32", "uint8"):
                    whole = (3 * x).astype(dtype)
                    same(lambda v, a=axis, r=reverse: f(v, axis=a, reverse=r), whole)


def test_prefixes_of_what_is_no_number_or_no_array():
    for x in (np.array([1, np.nan, 3, -np.inf], np.float32), np.array([False, True, False])):
        same(lambda v: (lax.cummax(v, axis=0), lax.cummin(v, axis=0, reverse=True)), x)
    same(lambda: lax.cumsum(jnp.arange(9), axis=0))
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    same(lambda v: lax.cumsum(v.T, axis=0) * 2 + lax.cumsum(jnp.sin(v), axis=1).T, x)
    same(lambda v: jnp.sum(lax.cumsum(jnp.broadcast_to(v, (5, 3, 4)), axis=0), 1), x)
    same(lambda v: lax.cumsum(v.reshape(2, 6), axis=1), x)
