"""Loops with random bodies, compiled against interpreted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import lax
from fx.testing import programs

pytest.importorskip("llvmlite")

from tests.backends.agreement import agree, described
from tests.backends.test_contractions import chooser, seeded

LENGTHS = [0, 1, 2, 3, 4, 7, 30]
N = [1, 2, 3, 5, 16, 17]


# ------------------------------------------------------------------ bodies
class Types:
    """The shapes that occur in one program, so that many values fit one another."""

    def __init__(self, pick):
        self.n, self.m = pick(N), pick(N)
        n, m = self.n, self.m
        self.floats = [(), (n,), (n, n), (m, n), (n, m)]

    def drawn(self, pick):
        kind = pick(["f"] * 8 + ["i", "b", "k"])
        if kind == "f":
            return pick(self.floats), "float64"
        return pick([(), (self.n,)]), {"i": "int32", "b": "bool", "k": "key"}[kind]


def value(pick, shape, dtype):
    rng = np.random.default_rng(pick(range(5)) + len(shape))
    if dtype == "key":
        return fx.random.split(fx.random.key(pick(range(5))), tuple(shape))
    if dtype == "float64":
        return rng.uniform(-1, 1, shape)
    return np.asarray(rng.integers(0, 5, shape)).astype(dtype)


def type_of(x):
    return x.shape, "key" if x.dtype.names else str(x.dtype)


def fitting(env, kind):
    return [x for x in env if type_of(x) == kind]


def step(pick, env, types, depth):
    """A statement: (function of the values so far) -> one more value, or None if none fits.

    What it picks is picked now; the function only repeats it.
    """
    shapes = [type_of(x) for x in env]
    floats = [i for i, (_, d) in enumerate(shapes) if d == "float64"]
    what = pick(["unary"] * 3 + ["binary"] * 4 + ["product"] * 4 + ["sum", "turn", "where", "int",
                 "bool", "key", "cut", "softmax", "join", "loop", "jit", "cond", "prefix",
                 "take", "update", "update", "while",
                 "outer", "square"])  # fmt: skip
    if not floats:
        return None
    i = pick(floats)
    shape = shapes[i][0]
    if what == "unary":
        f = pick([jnp.tanh, jnp.sin, jnp.square, lambda x: x * 0.5, jnp.negative, lambda x: x + 1])
        return lambda env: jnp.tanh(f(env[i]))
    if what == "binary":
        js = [j for j in floats if shapes[j][0] in (shape, ())]
        j = pick(js)
        f = pick([jnp.add, jnp.subtract, jnp.multiply])
        return lambda env: f(env[i], env[j]) * 0.5
    if what == "product" and shape:
        js = [j for j in floats if shapes[j][0] and shapes[j][0][0] == shape[-1]]
        if js:
            j = pick(js)
            return lambda env: jnp.tanh(env[i] @ env[j])
    if what == "outer" and len(shape) == 1:
        js = [j for j in floats if len(shapes[j][0]) == 1]
        j = pick(js)
        return lambda env: env[i][:, None] * env[j][None, :]
    if what == "sum" and shape:
        axis = pick([*range(len(shape)), None])
        f = pick([jnp.sum, jnp.mean, jnp.max])
        if f is jnp.max:
            return lambda env: lax.stop_gradient(f(env[i], axis))
        return lambda env: f(env[i], axis) * 0.25
    if what == "turn" and shape:
        f = pick([lambda x: x.T, lambda x: jnp.flip(x), lambda x: jnp.roll(x, 1)])
        return lambda env: f(env[i])
    if what == "cut" and shape:
        return lambda env: jnp.concatenate([env[i][1:], env[i][:1]])
    if what == "join" and shape:
        return lambda env: jnp.concatenate([env[i], env[i] * 2])[::2]
    if what == "softmax" and shape:
        return lambda env: fx.nn.softmax(env[i], -1)
    if what == "prefix" and shape:
        return lambda env: jnp.cumsum(env[i], 0) * 0.1
    if what == "square" and len(shape) == 2:
        return lambda env: jnp.tanh(env[i].T @ env[i])
    ints = [j for j, (s, d) in enumerate(shapes) if d == "int32"]
    bools = [j for j, (s, d) in enumerate(shapes) if d == "bool" and s in ((), shape)]
    keys = [j for j, (s, d) in enumerate(shapes) if d == "key" and s == ()]
    if what == "where" and bools:
        j = pick(bools)
        return lambda env: jnp.where(env[j], env[i], -env[i])
    if what == "int" and ints:
        j = pick(ints)
        f = pick([lambda x: x + 1, lambda x: x * 3 % 7, lambda x: x.sum(dtype="int32")])
        return lambda env: f(env[j])
    if what == "bool":
        if ints and pick([0, 1]):
            j = pick(ints)
            return lambda env: env[j] > 2
        return lambda env: lax.stop_gradient(env[i]) > 0.123
    if what == "key" and keys:
        j = pick(keys)
        if pick([0, 1]):
            return lambda env: fx.random.split(env[j])[0]
        return lambda env: fx.random.normal(env[j], shape, "float64")
    if what == "take" and ints and shape:
        js = [j for j in ints if shapes[j][0] == ()]
        if js:
            j = pick(js)
            return lambda env: env[i][env[j] % shape[0]]
    if what == "jit":
        return lambda env: fx.jit(lambda x: jnp.tanh(x) * x)(env[i])
    if what == "cond" and ints and not pick(range(4)):
        js = [j for j in ints if shapes[j][0] == ()]
        if js:
            j = pick(js)
            return lambda env: lax.cond(env[j] > 2, jnp.sin, lambda x: x * 0.5, env[i])
    if what == "while" and ints:
        js = [j for j in ints if shapes[j][0] == ()]
        most, k = pick([0, 1, 3, 6]), pick([0, 1])
        g = step(pick, env, types, 3) if pick([0, 1]) else None
        if js:
            j = pick(js)

            def until(env):
                def body(c):
                    count, x, y = c
                    other = g(env) if g is not None else x
                    if type_of(other) != type_of(x):
                        other = x
                    return count + 1, jnp.tanh(y + other), x * 0.5

                start = (env[j], env[i], env[i])
                return lax.while_loop(lambda c: c[0] < most, body, start)[1 + k]

            return until
    if what == "update" and ints and shape and 0 not in shape:
        js = [j for j in ints if shapes[j][0] == ()]
        if js:
            j, later = pick(js), pick([0, 1])

            def updated(env):
                x = env[i]
                at = env[j] % shape[0]
                out = x.at[at].set(x[at] * 0.5 + 0.1) if later else x.at[at].add(0.25)
                return out * 0.9 if pick_old else out

            pick_old = pick([0, 1])
            return updated
    if what == "loop" and depth < 2:
        inner = scan(pick, env, types, depth + 1)

        def run(env):
            carry, ys = inner(env)
            floats = [x for x in (*carry, *ys) if x.dtype == np.float64]
            return floats[0] if floats else jnp.sum(env[i])

        return run
    return None


def scan(pick, env, types, depth=0):
    """A random loop over values: a function of them that gives (carry, ys)."""
    length = pick(LENGTHS[: -1 if depth else None]) if depth < 2 else pick([1, 2, 3])
    reverse = pick([False, False, True])
    carries = [pick(range(len(env))) for _ in range(pick([0, 1, 1, 2, 2, 3, 4]))]
    kinds = [types.drawn(pick) for _ in range(pick([0, 1, 1, 2]))]
    xs = [value(pick, (length, *s), d) for s, d in kinds]
    used = [i for i in range(len(env)) if pick([0, 1, 1])]  # from outside, as constants
    inner = [env[i] for i in (*carries, *used)] + [value(pick, s, d) for s, d in kinds]
    count = [len(inner)]
    statements = []
    probe = list(inner)
    for _ in range(pick([0, 1, 2, 3, 4, 6])):
        f = step(pick, probe, types, depth)
        if f is not None:
            statements.append(f)
            shown = fx.eval_shape(lambda *e, f=f: f(e), *probe)
            probe.append(Shown(shown.shape, shown.dtype))
    outputs = []
    for i in carries:
        same = [j for j, x in enumerate(probe) if type_of(x) == type_of(env[i])]
        new = [j for j in same if j >= count[0]]
        outputs.append(pick(new) if new and pick([0, 1, 1, 1]) else pick(same))
    chosen = [pick(range(len(probe))) for _ in range(pick([0, 1, 1, 2, 3]))] if probe else []
    if outputs and pick([0, 0, 1]):
        chosen.append(pick(outputs))
    constant = pick([False, False, False, True])
    adds = [pick([0, 0, 1]) for _ in carries]

    def run(env):
        fixed = [env[i] for i in used]

        def body(carry, slices):
            e = [*carry, *fixed, *slices]
            for f in statements:
                e.append(f(e))
            new = []
            for old, j, add in zip(carry, outputs, adds, strict=True):
                x = e[j]
                if add and x.dtype == np.float64 and j >= count[0]:
                    x = old + x * 0.1  # a sum, like a gradient's
                new.append(x)
            ys = [e[j] for j in chosen]
            if constant:
                ys.append(jnp.arange(3.0))
            return tuple(new), tuple(ys)

        first = tuple(env[i] for i in carries)
        return lax.scan(body, first, tuple(xs), length=length, reverse=reverse)

    return run


class Shown:
    """A value of which only the type is known."""

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype
        self.aval = fx.ShapeDtypeStruct(shape, dtype)


def loop(pick):
    """(function, arguments, description, exact) of a random loop, its derivative, or its map."""
    types = Types(pick)
    kinds = [types.drawn(pick) for _ in range(pick([1, 2, 3, 4]))]
    kinds.append((pick(types.floats), "float64"))
    args = [value(pick, s, d) for s, d in kinds]
    made = scan(pick, [Shown(*_known(x)) for x in args], types)
    how = pick(["value", "value", "value", "grad", "grad", "value and grad", "vmap", "vmap grad",
                "jvp", "jit", "hessian"])  # fmt: skip
    active = tuple(i for i, (_, d) in enumerate(kinds) if d == "float64")

    def f(*args):
        return made(list(args))

    def loss(*args):
        outs = [x for x in fx.tree.leaves(f(*args)) if x.dtype == np.float64]
        return sum((jnp.sum(jnp.sin(x) * x) for x in outs), jnp.sum(args[-1]))

    what = f"{kinds} {how}"
    g, axes = f, [None] * len(args)
    if how == "grad":
        g = fx.grad(loss, active)
    elif how == "value and grad":
        g = lambda *a: (fx.value_and_grad(loss, active)(*a), f(*a))
    elif how == "jit":
        g = lambda *a: fx.jit(f)(*a)
    elif how == "jvp":

        def g(*a):
            def along(*floats):
                a2 = list(a)
                for i, x in zip(active, floats, strict=True):
                    a2[i] = x
                return loss(*a2)

            floats = [a[i] for i in active]
            return fx.jvp(along, floats, [x + 1 for x in floats])
    elif how == "hessian":
        g = lambda *a: fx.grad(lambda v: jnp.sum(jnp.sin(fx.grad(loss, len(a) - 1)(*a[:-1], v))))(
            a[-1]
        )
    elif how.startswith("vmap"):
        h = f if how == "vmap" else fx.grad(loss, active)
        axes = [pick([0, None]) for _ in args[:-1]] + [0]
        args = [x if a is None else jnp.stack([x] * 3) for x, a in zip(args, axes, strict=True)]
        args[-1] = args[-1] * jnp.arange(3.0).reshape(3, *[1] * (args[-1].ndim - 1))
        g = fx.vmap(h, axes)
    if how not in ("value", "jit", "vmap"):
        try:
            fx.eval_shape(g, *args)
        except fx.errors.FxError:  # loops without a known length have no reverse mode
            return f, tuple(x[0] if how == "vmap grad" and a == 0 else x
                            for x, a in zip(args, axes, strict=True)), what, False  # fmt: skip
    return g, tuple(args), what, False


def _known(x):
    return np.shape(x), x.dtype


@given(programs(max_equations=10, dtype="float64"), st.sampled_from([1, 2, 5]), st.booleans())
@settings(max_examples=25)
def test_programs_as_bodies(drawn, length, reverse):
    """Each step runs the program on what the step before made of its arguments."""

    def body(args, _):
        outs = fx.tree.leaves(drawn(*args))

        def next_of(x):
            for y in outs:
                if (y.shape, y.dtype) == (x.shape, x.dtype):
                    return (x + y) / 2
            return x

        return fx.tree.map(next_of, args), outs

    agree(lambda *args: lax.scan(body, args, None, length, reverse), *drawn.args, exact=False)


@given(st.data())
@settings(max_examples=80)
def test_random_loops(data):
    f, args, _, _ = loop(chooser(data))
    agree(f, *args, exact=False)


@pytest.mark.slow
def test_many_loops():
    for seed in range(500):
        f, args, what, _ = loop(seeded(seed))
        with described(f"seed {seed}: {what}"):
            agree(f, *args, exact=False)


# ------------------------------------------------------------------ what was wrong once
def test_results_that_are_reshaped_in_the_body():
    def body(c, x):
        flat = jnp.concatenate([c.reshape(-1)[1:], x.reshape(-1)[:1]])
        return flat.reshape(2, 3), (flat.reshape(3, 2), flat.reshape(2, 3))

    x = np.arange(24.0).reshape(4, 3, 2)
    agree(lambda c, x: lax.scan(body, c, x), x[0].T, x)
    agree(lambda c, x: fx.grad(lambda c: lax.scan(body, c, x)[1][0].sum())(c), x[0].T, x)
    agree(lambda p, c: lax.cond(p, lambda c: (c.reshape(-1) + 1).reshape(2, 3), jnp.sin, c),
          True, x[0].T)  # fmt: skip


def test_values_kept_where_another_is_written_later():
    """sin(x), which is needed again with the mean, must not lie where x - mean comes first."""

    def f(x):
        mean = x.mean(-1, keepdims=True)
        early = x - mean
        costly = jnp.sin(x)
        return early, costly * mean, jnp.cos(x) / mean

    agree(f, np.random.default_rng(0).uniform(1, 2, (5, 37)), exact=False)


def outer(a, b):
    return a[:, None] @ b[None, :]


# Steps (carry, x) -> (carry, y) of a loop that adds up products, for carries of shape (8, 8).
ADDED = {
    "plain": lambda c, x: ((c[0] + outer(x, x), c[1]), None),
    "reads the sum": lambda c, x: ((c[0] + outer(x, x) * c[0].sum(), c[1]), None),
    "gives the old sum": lambda c, x: ((c[0] + outer(x, x), c[1]), c[0]),
    "gives the new sum": lambda c, x: ((c[0] + outer(x, x), c[1]), c[0] + outer(x, x)),
    "gives the product": lambda c, x: ((c[0] + outer(x, x), c[1]), outer(x, x)),
    "passes the sum on": lambda c, x: ((c[0] + outer(x, x), c[0]), None),
    "turns it": lambda c, x: ((c[0].T + outer(x, x), c[1]), None),
    "turns the product": lambda c, x: ((c[0] + outer(x, 2 * x).T, c[1]), x),
    "scaled": lambda c, x: ((outer(2 * x, x + 1) + c[0], c[1]), None),
    "constant": lambda c, x: ((outer(x, jnp.arange(8.0, dtype="float64")) + c[0], c[1]), None),
    "of a carry": lambda c, x: ((c[0] + outer(c[1][0], x), jnp.flip(c[1]) + x), None),
    "two": lambda c, x: ((c[0] + outer(x, x), c[1] + outer(x, x + 1)), None),
    "twice": lambda c, x: ((c[0] + outer(x, x) + outer(x, x + 1), c[1]), None),
    "of matrices": lambda c, x: ((c[0] + x.reshape(1, 8).T @ x.reshape(1, 8), c[1]), None),
}


@pytest.mark.parametrize("name", ADDED)
def test_products_that_a_loop_adds_up(name):
    x = np.random.default_rng(0).integers(-3, 4, (5, 8)).astype(np.float64)
    c = np.ones((8, 8)), np.eye(8)
    for reverse in (False, True):
        agree(lambda c, x, r=reverse: lax.scan(ADDED[name], c, x, reverse=r), c, x, exact=False)
    agree(
        lambda c, x: fx.grad(lambda c, x: sum(map(jnp.sum, lax.scan(ADDED[name], c, x)[0])))(c, x),
        c, x, exact=False,
    )  # fmt: skip


# Steps (carry, i) -> (carry, y) that overwrite parts of what others still read.
UPDATED = {
    "gives the old": lambda c, i: ((c[0].at[i].set(1.0), c[1]), c[0]),
    "passes the old on": lambda c, i: ((c[0].at[i].set(c[1][i]), c[0]), c[0] + 1),
    "crosses": lambda c, i: ((c[1].at[i].add(1.0), c[0].at[i].set(2.0)), None),
    "reads all": lambda c, i: ((c[0].at[i].set(c[0].sum(0)), c[1] + c[0]), c[1]),
    "two versions": lambda c, i: ((c[0].at[i].set(c[0][(i + 1) % 3]), c[1]), c[0].at[0].set(5.0)),
    "twice": lambda c, i: ((c[0].at[i].set(0.0).at[(i + 1) % 3].add(1.0), c[0].at[i].add(1)), None),
    "overlaps": lambda c, i: ((lax.dynamic_update_slice(c[0], c[0][1:, :3], (0, 1)), c[1]), None),
    "moves": lambda c, i: ((lax.dynamic_update_slice(c[0], c[0][:1, :3] + 1, (i, i)), c[1]),
                           lax.dynamic_slice(c[0], (i, 0), (1, 4))),
    "a branch": lambda c, i: (lax.cond(i > 0, lambda c: (c[0].at[i].set(c[1][0]), c[0]),
                                       lambda c: c[::-1], c), c[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", UPDATED)
def test_updates_in_place(name):
    x = np.arange(24.0).reshape(3, 8)
    agree(lambda x, y: (lax.scan(UPDATED[name], (x, y), jnp.arange(3)), x), x, x * 2)
    agree(lambda x: lax.scan(UPDATED[name], (x + 1, x * 2), jnp.arange(3)), x)


@pytest.mark.parametrize("index", [-3, 0, 1, 2, 7])
def test_branches(index):
    """What branches pass on, overwrite, exchange or hold."""
    held = np.ones((3, 8))
    branches = [
        lambda x, y: (x, y),
        lambda x, y: (x.at[0].set(7.0), x),
        lambda x, y: (y * 0, jnp.asarray(held)),
        lambda x, y: (y, (x.reshape(-1) + 1).reshape(3, 8)),
    ]
    x = np.arange(24.0).reshape(3, 8)
    i = np.int32(index)
    agree(lambda i, x: (lax.switch(i, branches, x, x + 1), x), i, x)
    agree(lambda i, x: lax.switch(i, branches, x * 2, x + 1), i, x)
    agree(lambda i, x: fx.grad(lambda x: (lax.switch(i, branches, x, x + 1)[0] ** 2).sum())(x),
          i, x)  # fmt: skip
    agree(
        lambda i, x: lax.while_loop(
            lambda c: c[0] < i,
            lambda c: (c[0] + 1, *lax.switch(c[0] % 4, branches, *c[1:])),
            (jnp.int32(-1), x, x + 1),
        ),
        i, x,
    )  # fmt: skip
