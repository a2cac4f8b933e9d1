"""Programs with control flow, written once over a namespace `m` of `m.np` and `m.lax`.

They run on fx, on JAX, and on `PLAIN`: NumPy with Python's own `if`, `for` and `while`, the
definition of what they mean. Every argument is a rank-0, rank-1 or rank-2 array; floats may take
any value (programs that need positive numbers make them).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

import fx
import fx.numpy as fnp

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = jnp = None


# ------------------------------------------------------------------ Python's own control flow
def _rows(xs):
    leaves = fx.tree.leaves(xs)
    return [fx.tree.map(operator.itemgetter(i), xs) for i in range(len(leaves[0]))]


def _stack(ys):
    return fx.tree.map(lambda *rows: np.stack(rows), *ys) if ys else None


class Plain:
    """What each function means, as a loop."""

    @staticmethod
    def cond(pred, true_fun, false_fun, *operands):
        return true_fun(*operands) if pred else false_fun(*operands)

    @staticmethod
    def switch(index, branches, *operands):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)

    @staticmethod
    def while_loop(cond_fun, body_fun, value, max_steps=None):
        steps = 0
        while cond_fun(value) and (max_steps is None or steps < max_steps):
            value, steps = body_fun(value), steps + 1
        return value

    @staticmethod
    def fori_loop(lower, upper, body_fun, value, unroll=None):
        for i in range(int(lower), int(upper)):
            value = body_fun(np.int32(i), value)
        return value

    @staticmethod
    def scan(f, carry, xs=None, length=None, reverse=False, unroll=1):
        rows = [None] * length if xs is None else _rows(xs)
        ys = []
        for row in reversed(rows) if reverse else rows:
            carry, y = f(carry, row)
            ys.append(y)
        return carry, _stack(ys[::-1] if reverse else ys)

    @staticmethod
    def map(f, xs, batch_size=None):
        return _stack([f(row) for row in _rows(xs)])

    @staticmethod
    def associative_scan(fn, elems, reverse=False, axis=0):
        elems = fx.tree.map(lambda x: np.moveaxis(x, axis, 0), elems)
        rows = _rows(elems)
        rows = rows[::-1] if reverse else rows
        out = [rows[0]]
        for row in rows[1:]:
            one = fn(*[fx.tree.map(lambda x: np.expand_dims(x, axis), r) for r in (out[-1], row)])
            out.append(fx.tree.map(lambda x: np.squeeze(x, axis), one))
        stacked = _stack(out[::-1] if reverse else out)
        return fx.tree.map(lambda x: np.moveaxis(x, 0, axis), stacked)

    @staticmethod
    def custom_root(f, guess, solve, tangent_solve, has_aux=False):
        return solve(f, guess)

    @staticmethod
    def custom_linear_solve(matvec, b, solve, transpose_solve=None, symmetric=False):
        return solve(matvec, b)


def _without_bound(cond_fun, body_fun, value, max_steps=None):
    """JAX's while_loop has no max_steps."""
    if max_steps is None:
        return jax.lax.while_loop(cond_fun, body_fun, value)

    def going(state):
        return (state[0] < max_steps) & cond_fun(state[1])

    return jax.lax.while_loop(going, lambda s: (s[0] + 1, body_fun(s[1])), (0, value))[1]


PLAIN = SimpleNamespace(np=np, lax=Plain)
FX = SimpleNamespace(np=fnp, lax=fx.lax)
JAX = None
if jax is not None:
    names = [n for n in dir(Plain) if not n.startswith("_") and n != "while_loop"]
    JAX = SimpleNamespace(
        np=jnp,
        lax=SimpleNamespace(**{n: getattr(jax.lax, n) for n in names}, while_loop=_without_bound),
    )


# ------------------------------------------------------------------ the table
@dataclass
class Program:
    """A row: `make(m)` is the function of `args` on a namespace.

    reverse: whether it has a reverse mode. jax_reverse: whether JAX has it, too.
    """

    name: str
    make: Callable[[Any], Callable[..., Any]]
    args: tuple[Any, ...]
    reverse: bool = True
    jax_reverse: bool = True

    def __str__(self) -> str:
        return self.name


TABLE: list[Program] = []


def program(*args: Any, **flags: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a function of `(m, *args)` to the table."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        def make(m: Any) -> Callable[..., Any]:
            return lambda *xs: function(m, *xs)

        TABLE.append(Program(function.__name__, make, args, **flags))
        return function

    return add


def vary(number: int, example: Any, seed: int) -> np.ndarray:
    """Another argument like the example; integers and bools take other values, too."""
    rng = np.random.default_rng(1000 * number + seed)
    shape, dtype = example.shape, example.dtype
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0, 5, shape).astype(dtype)
    return rng.normal(size=shape)


X, Y = np.float64(0.7), np.float64(-1.3)
V = np.array([0.3, -0.8, 1.1])
M = np.array([[0.5, -0.2, 0.1], [0.3, 0.4, -0.6], [-0.1, 0.2, 0.7]])
N = np.int32(2)
B = np.bool_(True)


@program(B, X, Y)
def cond_by_argument(m, p, x, y):
    return m.lax.cond(p, lambda x, y: x * m.np.sin(y), lambda x, y: y + m.np.cos(x), x, y)


@program(X, V)
def cond_by_value_with_captured_arrays(m, x, v):
    y = m.np.sum(v * v)
    return m.lax.cond(x > 0.2, lambda a: a * y * v, lambda a: m.np.exp(-a * a) + v, x)


@program(X, V)
def cond_with_trees_and_integers(m, x, v):
    out = m.lax.cond(
        x > 0,
        lambda d: {"a": d["a"] * 2.0, "b": (m.np.sin(d["v"]), m.np.int32(1))},
        lambda d: {"a": m.np.cos(d["a"]), "b": (d["v"] * d["a"], m.np.int32(2))},
        {"a": x, "v": v},
    )
    return [out["a"] + out["b"][1], out["b"][0]]


@program(B, X)
def cond_with_one_constant_branch(m, p, x):
    return m.lax.cond(p, lambda x: m.np.sin(x) * x, lambda x: m.np.ones_like(x), x)


@program(X, Y)
def cond_nested(m, x, y):
    def inner(a, b):
        return m.lax.cond(b > 0, lambda a, b: a * b, lambda a, b: a - b * a, a, b)

    return m.lax.cond(x > y, inner, lambda a, b: m.np.sin(inner(b, a)), x, y)


@program(N, X, V)
def switch_of_four(m, i, x, v):
    branches = [
        lambda x, v: m.np.sum(v) * x,
        lambda x, v: m.np.sin(x),
        lambda x, v: m.np.prod(m.np.cos(v)) + x * x,
        lambda x, v: x * 0.0 + 3.0,
    ]
    return m.lax.switch(i, branches, x, v)


@program(X, Y, reverse=False)
def while_until_large(m, x, y):
    start = 1.5 + m.np.tanh(x)
    return m.lax.while_loop(lambda c: c < 9.0, lambda c: c * (1.5 + 0.3 * m.np.sin(y)), start)


@program(X, V, reverse=False)
def while_with_a_counter_and_captured_values(m, x, v):
    bound = 3.0 + m.np.tanh(x)

    def body(s):
        i, total, w = s
        return i + 1, total + m.np.sum(m.np.abs(w)) + 0.5, m.np.sin(w) + x

    out = m.lax.while_loop(lambda s: s[1] < bound, body, (m.np.int32(0), 0.0 * x, v))
    return [out[1] * out[0], out[2]]


@program(X, Y, jax_reverse=False)
def while_with_max_steps(m, x, y):
    start = 1.5 + m.np.tanh(x)
    growth = 1.5 + 0.3 * m.np.sin(y)
    return m.lax.while_loop(lambda c: c < 9.0, lambda c: c * growth, start, max_steps=12)


@program(V, jax_reverse=False)
def while_that_reaches_its_bound(m, v):
    return m.lax.while_loop(
        lambda c: m.np.sum(c) < 100.0, lambda c: m.np.sin(c) + v, v, max_steps=5
    )


@program(X, V)
def fori_with_static_bounds(m, x, v):
    return m.lax.fori_loop(1, 5, lambda i, c: m.np.sin(c * x) + i * v, v)


@program(N, X, reverse=False)
def fori_with_traced_bounds(m, i, x):
    return m.lax.fori_loop(1, i + 2, lambda k, c: m.np.sin(c) * x + k, x)


@program(X)
def fori_that_never_runs(m, x):
    return m.lax.fori_loop(3, 3, lambda i, c: c * 5.0, m.np.sin(x))


@program(V)
def fori_nested(m, v):
    def outer(i, c):
        return m.lax.fori_loop(0, 2, lambda j, d: m.np.cos(d) + i * j, c) * v

    return m.lax.fori_loop(0, 3, outer, v)


@program(M, V)
def scan_recurrent(m, w, v):
    def cell(h, x):
        h = m.np.tanh(w @ h + x)
        return h, m.np.sum(h)

    h, ys = m.lax.scan(cell, v, w + 0.1)
    return [h, ys]


@program(V, X)
def scan_in_reverse(m, v, x):
    c, ys = m.lax.scan(lambda c, a: (c * a + x, c - a), x, v, reverse=True)
    return [c, ys]


@program(V, X)
def scan_unrolled(m, v, x):
    return list(m.lax.scan(lambda c, a: (m.np.sin(c) * a, c * c), x, v, unroll=2))


@program(X)
def scan_of_a_length_without_inputs(m, x):
    c, ys = m.lax.scan(lambda c, _: (m.np.sin(c) + x, c), x, None, length=4)
    return [c, ys]


@program(V)
def scan_without_carry(m, v):
    return m.lax.scan(lambda _, a: (None, a * m.np.exp(a)), None, v)[1]


@program(V, X)
def scan_without_outputs(m, v, x):
    return m.lax.scan(lambda c, a: (c * a + 1.0, None), x, v)[0]


@program(V, X)
def scan_over_trees_with_a_counter(m, v, x):
    def step(c, xs):
        i, total = c
        return (i + 1, total * m.np.cos(xs["a"]) + i * xs["b"]), (total, i)

    (_, total), (totals, _) = m.lax.scan(step, (m.np.int32(0), x), {"a": v, "b": 2.0 * v})
    return [total, totals]


@program(M, X)
def scan_of_scan(m, w, x):
    def outer(c, row):
        c, ys = m.lax.scan(lambda d, a: (m.np.sin(d + a), d * a), c, row)
        return c * x, m.np.sum(ys)

    return list(m.lax.scan(outer, x, w))


@program(V, X)
def scan_with_cond(m, v, x):
    def step(c, a):
        c = m.lax.cond(a > 0, lambda c: c * a, lambda c: m.np.sin(c) - a, c)
        return c, c * x

    return list(m.lax.scan(step, x, v))


@program(V, X)
def scan_with_a_carry_that_ignores_the_input(m, v, x):
    return list(m.lax.scan(lambda c, a: ((c[0], c[0] * a), c[1]), (x, x * x), v)[1:])


@program(V, jax_reverse=False)
def scan_of_bounded_while(m, v):
    def step(c, a):
        return m.lax.while_loop(lambda b: b < 2.0, lambda b: 1.4 * b + 0.2, c, max_steps=9) * a, c

    return list(m.lax.scan(step, v[0] * v[0] + 0.1, v))


@program(V, X)
def map_over_rows(m, v, x):
    return m.lax.map(lambda a: m.np.sin(a) * x, v)


@program(M, X)
def map_in_batches(m, w, x):
    return m.lax.map(lambda r: m.np.sum(r) * m.np.sin(r * x), w, batch_size=2)


@program(V)
def associative_sum(m, v):
    return m.lax.associative_scan(lambda a, b: a + b, m.np.concatenate([v, v * v]))


@program(M)
def associative_product_in_reverse_on_axis_1(m, w):
    return m.lax.associative_scan(lambda a, b: a * b, w, reverse=True, axis=1)


@program(V, V)
def associative_linear_recurrence(m, a, b):
    def combine(p, q):
        return p[0] * q[0], q[0] * p[1] + q[1]

    return list(m.lax.associative_scan(combine, (m.np.cos(a), b)))


@program(X)
def root_by_newton(m, x):
    a = 1.5 + m.np.tanh(x)

    def newton(f, guess):
        return m.lax.fori_loop(0, 12, lambda _, r: (r + a / r) / 2, guess)

    return m.lax.custom_root(
        lambda r: r * r - a, m.np.ones_like(a), newton, lambda g, y: y / g(m.np.ones_like(y))
    )


@program(M, V)
def linear_solve(m, w, v):
    a = w * 0.3 + 4.0 * m.np.eye(3)

    def solve(matvec, b):
        return m.lax.fori_loop(0, 40, lambda _, x: x + (b - matvec(x)) / 4.0, b)

    return m.lax.custom_linear_solve(lambda x: a @ x, v, solve, solve)


@program(M, V)
def symmetric_linear_solve(m, w, v):
    a = w @ w.T * 0.1 + 3.0 * m.np.eye(3)

    def solve(matvec, b):
        return m.lax.fori_loop(0, 40, lambda _, x: x + (b - matvec(x)) / 3.5, b)

    return m.lax.custom_linear_solve(lambda x: a @ x, v, solve, symmetric=True)
