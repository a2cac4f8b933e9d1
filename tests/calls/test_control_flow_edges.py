"""Control flow where it is easily wrong: types of carries, empty loops, errors and their words."""

import re

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.errors import FxError, FxTypeError, FxValueError, ShapeError, TreeError
from tests.laws import check_laws

ONES = np.ones(3, np.float32)


def kinds(out):
    """Shape, dtype and weakness of each result."""
    return [(x.shape, x.dtype.name, x.weak_type) for x in fx.tree.leaves(out)]


# ------------------------------------------------------------------ types
# Each row runs on fx and on JAX, which must agree in shapes, dtypes, weakness and values.
TYPES = {
    "scan of a Python carry with a Python body": lambda lax, jnp: lax.scan(
        lambda c, x: (c + 1, c), 0, None, length=3
    ),
    "scan: Python int carry becomes float": lambda lax, jnp: lax.scan(
        lambda c, x: (c * x, c), 1, jnp.arange(3.0)
    ),
    "scan of int16": lambda lax, jnp: lax.scan(
        lambda c, x: (c + 1, c), jnp.int16(0), None, length=3
    ),
    "while of a Python carry": lambda lax, jnp: lax.while_loop(lambda c: c < 9, lambda c: c * 2, 1),
    "while: weak carry becomes strong": lambda lax, jnp: lax.while_loop(
        lambda c: c < 9, lambda c: c * jnp.float32(2), 1.0
    ),
    "fori over Python bounds": lambda lax, jnp: lax.fori_loop(0, 4, lambda i, c: c + i, 0),
    "fori: the index is weak": lambda lax, jnp: lax.fori_loop(
        0, 4, lambda i, c: c * i, jnp.float16(1)
    ),
    "fori over uint8 bounds": lambda lax, jnp: lax.fori_loop(
        jnp.uint8(1), jnp.uint8(4), lambda i, c: c + i, jnp.uint8(0)
    ),
    "fori over a Python and a typed bound": lambda lax, jnp: lax.fori_loop(
        0, jnp.int16(4), lambda i, c: c + i, jnp.int16(0)
    ),
    "cond of weak and strong": lambda lax, jnp: lax.cond(True, lambda: 1.0, lambda: jnp.float32(2)),
    "cond of weak branches": lambda lax, jnp: lax.cond(False, lambda: 1, lambda: 2),
    "map": lambda lax, jnp: lax.map(lambda x: (x * 2, 1.0), jnp.arange(3)),
    "associative_scan": lambda lax, jnp: lax.associative_scan(jnp.add, jnp.arange(4)),
    "empty scan": lambda lax, jnp: lax.scan(lambda c, x: (c + x.sum(), x), 2.0, jnp.zeros((0, 3))),
    "empty map": lambda lax, jnp: lax.map(lambda x: x.sum(), jnp.zeros((0, 3))),
    "empty fori": lambda lax, jnp: lax.fori_loop(5, 2, lambda i, c: c * 2, jnp.ones(2)),
    "fori over negative numbers": lambda lax, jnp: lax.fori_loop(-3, 0, lambda i, c: c - i, 0),
}


@pytest.mark.parametrize("name", TYPES)
def test_types_and_values_are_those_of_jax(name):
    jax = pytest.importorskip("jax")
    with jax.disable_jit(False):
        expected = TYPES[name](jax.lax, jax.numpy)
    for got in (TYPES[name](lax, jnp), fx.jit(lambda: TYPES[name](lax, jnp))()):
        assert kinds(got) == [
            (x.shape, x.dtype.name, x.weak_type) for x in jax.tree.leaves(expected)
        ]
        for a, b in zip(fx.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_carry_of_many_weak_numbers_reaches_its_types():
    """Each step makes one more number strong, so that the fixpoint needs several rounds."""

    def step(c, x):
        return (x, *c[:-1]), c[-1]

    carry, ys = lax.scan(step, (0, 0, 0, 0), jnp.arange(6.0))
    assert [c.dtype for c in carry] == [np.float32] * 4
    np.testing.assert_array_equal(ys, [0, 0, 0, 0, 0, 1])


def test_none_and_empty_trees_pass_through():
    carry, ys = lax.scan(lambda c, x: ({"n": None, "v": c["v"] + 1, "e": ()}, None),
                         {"n": None, "v": 0, "e": ()}, None, length=2)  # fmt: skip
    assert carry["n"] is None and carry["e"] == () and int(carry["v"]) == 2 and ys is None
    assert lax.cond(True, lambda: None, lambda: None) is None
    assert lax.map(lambda x: {"a": x, "b": None}, jnp.arange(2))["b"] is None
    assert lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, None), (0, None))[1] is None


def test_gradient_of_an_empty_loop_is_the_identity():
    scan = lambda x: lax.scan(lambda c, y: (c * y.sum(), y), x, jnp.zeros((0, 3)))[0]
    bounded = lambda x: lax.while_loop(lambda c: c < 0, lambda c: c * 2, x, max_steps=3)
    none = lambda x: lax.while_loop(lambda c: c < 9, lambda c: c * 2, x, max_steps=0)
    for f in (scan, bounded, none):
        assert float(fx.grad(f)(2.0)) == 1.0 == float(fx.jvp(f, (2.0,), (1.0,))[1])


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 9, 10, 17])
@pytest.mark.parametrize("bound", [1, 4, 9, 10])
def test_while_ends_at_its_bound(steps, bound):
    """Any number of steps below, at and above the bound: values and gradients."""
    count = min(steps, bound)

    def f(x):
        return lax.while_loop(
            lambda c: c[0] < steps, lambda c: (c[0] + 1, c[1] * x), (0, 1.0), max_steps=bound
        )[1]

    value, slope = fx.jit(fx.value_and_grad(f))(np.float64(1.1))
    np.testing.assert_allclose(value, 1.1**count, rtol=1e-6)
    np.testing.assert_allclose(slope, count * 1.1 ** (count - 1), rtol=1e-6)


def test_while_with_max_steps_under_vmap_stops_each_for_itself():
    f = lambda x: lax.while_loop(lambda c: c < 10, lambda c: c * 2, x, max_steps=6)
    x = jnp.asarray([11.0, 3.0, 0.25, 1e-3])
    np.testing.assert_allclose(fx.vmap(f)(x), [11, 12, 16, 0.064])
    np.testing.assert_allclose(fx.vmap(fx.grad(f))(x), [1, 4, 64, 64])


def test_mapped_while_does_not_run_finished_loops():
    """A loop that has ended keeps its carry, though its body would give a NaN next."""
    f = lambda n: lax.while_loop(lambda c: c[0] > 0, lambda c: (c[0] - 1, jnp.sqrt(c[0])), (n, 0.0))
    left, last = fx.vmap(f)(jnp.asarray([0.0, 3.0, 1.0]))
    np.testing.assert_array_equal(left, [0, 0, 0])
    np.testing.assert_array_equal(last, [0, 1, 1])


def test_only_the_chosen_branch_runs():
    seen = []
    see = lambda name: lambda x: (fx.debug.callback(lambda v: seen.append(name), x), x)[1]
    f = fx.jit(lambda p, x: lax.cond(p, see("true"), see("false"), x))
    f(True, 1.0), f(False, 1.0)
    lax.switch(1, [see(0), see(1), see(2)], 1.0)
    assert seen == ["true", "false", 1]


def test_gradient_of_the_branch_not_taken_does_not_spoil():
    """log(0) has an infinite slope; under grad only the branch that was taken counts."""
    f = lambda x: lax.cond(x > 0, jnp.log, lambda x: 2 * x, x)
    assert float(fx.grad(f)(0.0)) == 2.0 == float(fx.jit(fx.grad(f))(0.0))


def test_loops_keep_signed_zeros_infinities_and_nan():
    x = np.array([-0.0, np.inf, np.nan, -np.inf, -0.0], np.float32)
    pick = lambda a, b: b
    out = np.asarray(lax.associative_scan(pick, x))
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(np.signbit(out), np.signbit(x))


@pytest.mark.parametrize("size", range(1, 10))
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan_of_any_size(size, reverse):
    """A product of matrices does not commute, so the order shows."""
    w = np.random.default_rng(size).normal(size=(size, 2, 2))
    expected, total = [], np.eye(2)
    for m in w[::-1] if reverse else w:
        total = total @ m
        expected.append(total)
    out = lax.associative_scan(jnp.matmul, w, reverse=reverse)
    np.testing.assert_allclose(out, expected[::-1] if reverse else expected, rtol=1e-12)


def test_associative_scan_of_random_keys():
    keys = fx.random.split(fx.random.key(0), 5)
    out = lax.associative_scan(lambda a, b: b, keys)
    np.testing.assert_array_equal(fx.random.key_data(out), fx.random.key_data(keys))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 7, 100])
def test_map_in_batches_of_any_size(batch_size):
    x = np.random.default_rng(0).normal(size=(7, 2))
    f = lambda r: {"s": jnp.sin(r).sum(), "r": r}
    out = lax.map(f, x, batch_size=batch_size)
    np.testing.assert_allclose(out["s"], np.sin(x).sum(1))
    np.testing.assert_array_equal(out["r"], x)


def test_unroll_is_a_hint():
    for unroll in (1, 3, 100, True, False):
        out = lax.scan(lambda c, x: (c * x + 1, c), 1.0, jnp.arange(5.0), unroll=unroll)
        np.testing.assert_array_equal(out[0], 65.0)


# Linear functions of x whose loops carry values that are not: counters, known numbers.
LINEAR = {
    "fori with its index": lambda x: lax.fori_loop(0, 3, lambda i, c: (i + 1) * c, x),
    "fori of a matrix": lambda x: lax.fori_loop(0, 3, lambda i, c: WEIGHT @ c * (i + 1.0), x),
    "known float carry": lambda x: lax.scan(
        lambda c, y: ((c[0] * 1.5 + y, c[1] * c[0]), c[1] * y), (np.float64(1), x), np.arange(3.0)
    )[1],
    "linear inputs": lambda x: lax.scan(
        lambda c, y: ((c[0] + 1, c[1] + y * c[0]), c[0]), (0, 0 * x), jnp.stack([x, 2 * x])
    )[0][1],
    "in reverse": lambda x: lax.scan(
        lambda c, y: ((c[0] + 1, c[1] * c[0] + y), c[1]), (1, x), x * jnp.ones((2, 3)), reverse=True
    )[1],
    "cond": lambda x: lax.cond(True, lambda y: 2 * y, lambda y: 3 * y, x),
}
WEIGHT = np.random.default_rng(0).normal(size=(3, 3))


@pytest.mark.parametrize("name", LINEAR)
def test_linear_transpose_of_loops_with_counters(name):
    f, x = LINEAR[name], np.array([1.0, 2.0, 3.0])
    jacobian, out = np.asarray(fx.jacfwd(f)(x)), f(x)
    u = np.cos(np.asarray(out))
    expected = np.tensordot(u, jacobian, u.ndim)
    transpose = fx.linear_transpose(f, x)
    np.testing.assert_allclose(transpose(u)[0], expected, rtol=1e-10)
    np.testing.assert_allclose(fx.jit(transpose)(u)[0], expected, rtol=1e-10)
    batch = fx.vmap(transpose)(np.stack([u, 2 * u]))[0]
    np.testing.assert_allclose(batch, [expected, 2 * expected], rtol=1e-10)


def test_constants_of_a_loop_are_not_stacked_as_residuals():
    """The weight of a recurrent net is the same in each step: the backward scan gets it once."""
    w = jnp.ones((50, 50))

    def loss(w, h):
        return lax.scan(lambda h, _: (jnp.tanh(w @ h), None), h, None, length=7)[0].sum()

    text = str(fx.make_jaxpr(fx.grad(loss))(w, jnp.ones(50)))
    assert "f32[7,50,50]" not in text and "f32[7,50]" in text


# ------------------------------------------------------------------ implicit differentiation
def newton(f, x0):
    """Scalar Newton steps."""
    slope = fx.grad(f)
    return lax.while_loop(lambda x: jnp.abs(f(x)) > 1e-12, lambda x: x - f(x) / slope(x), x0)


def root_of(a, b):
    """The root of x^3 + a x - b, for a > 0."""
    f = lambda x: x**3 + a * x - b
    return lax.custom_root(f, jnp.zeros_like(b), newton, lambda g, y: y / g(jnp.ones_like(y)))


def test_custom_root_differentiates_through_a_while_loop():
    a, b = np.float64(2.0), np.float64(3.0)  # the root is 1
    np.testing.assert_allclose(root_of(a, b), 1.0)
    np.testing.assert_allclose(fx.grad(root_of, (0, 1))(a, b), [-1 / 5, 1 / 5])
    check_laws(root_of, a, b, vary=lambda i, x, seed: x + 0.1 * seed)
    check_laws(fx.grad(root_of, 1), a, b, vary=lambda i, x, seed: x + 0.1 * seed)


def test_custom_root_with_aux():
    solve = lambda f, x0: (newton(f, x0), {"steps": 7})
    f = lambda b: lax.custom_root(lambda x: x * x - b, 1.0, solve, lambda g, y: y / g(1.0), True)
    root, aux = f(4.0)
    assert float(root) == 2.0 and int(aux["steps"]) == 7
    value, aux = fx.grad(f, has_aux=True)(4.0)
    assert float(value) == 0.25 and int(aux["steps"]) == 7


def test_linear_solve_without_transpose_has_forward_mode_only():
    solve = lambda b: lax.custom_linear_solve(lambda x: 2.0 * x, b, lambda mv, b: b / 2.0)
    np.testing.assert_allclose(fx.jvp(solve, (ONES,), (ONES,))[1], ONES / 2)
    with pytest.raises(FxTypeError, match="transpose_solve"):
        fx.grad(lambda b: solve(b).sum())(ONES)


def test_linear_solve_of_trees_with_aux():
    def solve(matvec, b):
        return {"u": b["u"] / 2.0, "v": b["v"] / 4.0}, {"count": 1}

    matvec = lambda x: {"u": 2.0 * x["u"], "v": 4.0 * x["v"]}

    def f(b):
        x, aux = lax.custom_linear_solve(matvec, b, solve, solve, has_aux=True)
        return x["u"].sum() * x["v"].sum(), aux

    grads, aux = fx.grad(f, has_aux=True)({"u": ONES, "v": ONES[:2]})
    assert int(aux["count"]) == 1
    np.testing.assert_allclose(grads["u"], 0.25 * ONES)
    np.testing.assert_allclose(grads["v"], 0.375 * ONES[:2])


# ------------------------------------------------------------------ errors
def same(c):
    return c


ERRORS = [
    (lambda: lax.scan(3, 0, ONES), FxTypeError, "scan expects a function"),
    (lambda: lax.scan(lambda c, x: c, 0.0, ONES), FxTypeError, "pair (carry, output)"),
    (lambda: lax.scan(lambda c, x: (c, x), 0.0), FxValueError, "length="),
    (lambda: lax.scan(lambda c, x: (c, x), 0.0, np.float32(1)), ShapeError, "leading axis"),
    (lambda: lax.scan(lambda c, x: (c, None), 0.0, (ONES, ONES[:2])), ShapeError, "[2, 3]"),
    (lambda: lax.scan(lambda c, x: (c, None), 0.0, ONES, length=2), ShapeError, "length=2"),
    (lambda: lax.scan(lambda c, x: (c, None), 0.0, length=-1), FxValueError, "negative"),
    (lambda: lax.scan(lambda c, x: (c, None), 0.0, length=1.5), FxTypeError, "length"),
    (lambda: lax.scan(lambda c, x: ((c, c), None), 0.0, ONES), TreeError, "structure"),
    (
        lambda: lax.scan(lambda c, x: ({"a": c["a"][:1]}, None), {"a": ONES}, ONES),
        FxTypeError,
        "carry['a'] comes in as f32[3] and goes out as f32[1]",
    ),
    (
        lambda: lax.scan(lambda c, x: ((c[0], c[1].astype("int32")), 0), (ONES, ONES), ONES),
        FxTypeError,
        "carry[1] comes in as f32[3] and goes out as i32[3]",
    ),
    (lambda: lax.while_loop(1, same, 0), FxTypeError, "two functions"),
    (lambda: lax.while_loop(same, same, 1.0), FxTypeError, "one bool of shape ()"),
    (lambda: lax.while_loop(lambda c: c > 0, same, ONES), FxTypeError, "bool[3]"),
    (
        lambda: lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, c[1] > 0), (0, ONES)),
        FxTypeError,
        "carry[1] comes in as f32[3] and goes out as bool[3]",
    ),
    (lambda: lax.while_loop(lambda c: c < 1, lambda c: (c,), 0), TreeError, "structure"),
    (lambda: lax.while_loop(lambda c: c < 1, same, 0, max_steps=-1), FxTypeError, "max_steps"),
    (lambda: lax.while_loop(lambda c: c < 1, same, 0, max_steps=1.0), FxTypeError, "max_steps"),
    (
        lambda: fx.grad(lambda x: lax.while_loop(lambda c: c < 9, lambda c: c * x, x))(2.0),
        FxTypeError,
        "max_steps=n",
    ),
    (lambda: lax.cond(True, 1, 2), FxTypeError, "two functions"),
    (lambda: lax.cond("yes", same, same, 1), FxTypeError, "scalar predicate"),
    (lambda: lax.cond(ONES > 0, same, same, 1), FxTypeError, "fx.numpy.where"),
    (lambda: lax.cond(True, lambda: (1, 2), lambda: 1), TreeError, "true_fun"),
    (
        lambda: lax.cond(True, lambda: {"k": ONES}, lambda: {"k": ONES[:2]}),
        FxTypeError,
        "return f32[2] and f32[3] at result['k']",
    ),
    (lambda: lax.switch(0, []), FxTypeError, "non-empty"),
    (lambda: lax.switch(0.5, [same, same], 1), FxTypeError, "integer index"),
    (lambda: lax.switch(np.zeros(2, int), [same, same], 1), FxTypeError, "shape ()"),
    (
        lambda: lax.switch(0, [same, same, lambda c: c > 0], 1),
        FxTypeError,
        "branch 0 (same) and branch 2",
    ),
    # A Python number never loses what it says: JAX raises, too.
    (lambda: lax.cond(True, lambda: 1.5, lambda: jnp.int32(1)), FxTypeError, "i32[] and ~f32[]"),
    (
        lambda: lax.scan(lambda c, _: (c + 1.5, None), jnp.int32(0), None, 2),
        FxTypeError,
        "comes in as i32[] and goes out as ~f32[]",
    ),
    (
        lambda: lax.while_loop(lambda c: c < 9, lambda c: jnp.int32(9), 1.5),
        FxTypeError,
        "comes in as ~f32[] and goes out as i32[]",
    ),
    (lambda: lax.fori_loop(0, 2.5, lambda i, c: c, 0), FxTypeError, "upper must be an integer"),
    (lambda: lax.fori_loop("a", 2, lambda i, c: c, 0), FxTypeError, "lower must be an integer"),
    (lambda: lax.fori_loop(0, 2, lambda i, c: (c, c), 0), TreeError, "structure"),
    (lambda: lax.map(same, ONES, batch_size=0), FxValueError, "batch_size"),
    (lambda: lax.map(same, (ONES, ONES[:2])), ShapeError, "map over same"),
    (lambda: lax.map(same, (ONES, ONES[:2]), batch_size=2), ShapeError, "map over same"),
    (lambda: lax.associative_scan(jnp.add, ONES, axis=1), ShapeError, "axis 1"),
    (lambda: lax.associative_scan(jnp.add, (ONES, ONES[:2])), ShapeError, "sizes along axis 0"),
    (lambda: lax.associative_scan(lambda a, b: (a, b), ONES), TreeError, "structure"),
    (
        lambda: lax.custom_linear_solve(lambda x: x[:2], ONES, lambda mv, b: b),
        ShapeError,
        "types of b",
    ),
    (
        lambda: lax.custom_linear_solve(lambda x: (x, x), ONES, lambda mv, b: b),
        TreeError,
        "structure of b",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "call, kind, words", ERRORS, ids=[re.sub(r"\W+", "-", w) for *_, w in ERRORS]
)
def test_errors_say_what_and_where(call, kind, words):
    for attempt in (call, fx.jit(call)):
        with pytest.raises(kind, match=re.escape(words)) as caught:
            attempt()
        assert isinstance(caught.value, FxError)
        assert caught.traceback[-1].path.name == "test_control_flow_edges.py"
    assert float(fx.jit(lambda x: lax.scan(lambda c, _: (c + x, None), x, None, 2)[0])(1.0)) == 3.0


# ------------------------------------------------------------------ derivatives
def test_a_branch_not_taken_has_no_infinite_derivative_under_vmap():
    """A mapped predicate runs both branches; 0 times the infinite derivative must not be NaN."""

    def f(p, x):
        return lax.cond(p, jnp.sqrt, lambda x: 3.0 * x, x)

    flags, x = np.array([True, False, False]), np.array([4.0, 0.0, -1.0], np.float32)
    expected = [0.25, 3.0, 3.0]
    np.testing.assert_array_equal(fx.vmap(fx.grad(f, 1))(flags, x), expected)
    np.testing.assert_array_equal(fx.grad(lambda x: fx.vmap(f)(flags, x).sum())(x), expected)
    # The operand may be shared by all elements.
    shared = fx.grad(lambda x: fx.vmap(f, (0, None))(flags[1:], x).sum())(0.0)
    assert float(shared) == 6.0
