"""Donated arguments: results over their memory, and nothing else changed."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings

import fx
import fx.numpy as jnp
from fx import lax, optim
from fx.core.array import Array
from fx.errors import FxRuntimeError, FxTypeError, FxValueError
from fx.testing import programs
from tests.op_table import TABLE

pytest.importorskip("llvmlite")


def places(tree):
    return [x.unsafe_buffer_pointer() for x in fx.tree.leaves(tree) if x.size]


def fresh(tree):
    """Arrays of the same values that own their memory."""
    return fx.tree.map(lambda x: Array(np.array(x), x.weak_type), tree)


@given(programs(max_equations=30, dtype="float32"))
@settings(max_examples=100)
def test_results_are_those_without(drawn):
    args = [fx.tree.map(jnp.asarray, x) for x in drawn.args]
    expected = fx.jit(drawn)(*args)
    given = fresh(args)
    donating = fx.jit(lambda *a: drawn(*a), donate_argnums=tuple(range(len(args))))
    for _ in range(2):
        outs = donating(*given)
        fx.tree.map(np.testing.assert_array_equal, expected, outs)
        assert all(x.is_deleted() for x in fx.tree.leaves(given))
        given = fresh(args)
    fx.tree.map(np.testing.assert_array_equal, fx.jit(drawn)(*args), expected)


LARGE = (600, 500)
UPDATES = {
    "set": lambda x: x.at[3].set(1.0),
    "add": lambda x: x.at[3, 4:9].add(1.0),
    "rows": lambda x: x.at[jnp.array([1, 5])].multiply(2.0),
    "slice": lambda x: lax.dynamic_update_slice(x, jnp.ones((1, 500)), (7, 0)),
    "map": lambda x: jnp.tanh(x) * 2 + 1,
    "mixed": lambda x: x * 2 + jnp.sum(x),
    "two": lambda x: (x + 1, x * 3),
    "gradient": lambda x: x - 0.1 * fx.grad(lambda y: jnp.sum(jnp.sin(y) ** 2))(x),
    "late": lambda x: jnp.outer(jnp.arange(600.0), jnp.sort(x[0])),
}


@pytest.mark.parametrize("name", UPDATES)
def test_the_memory_is_used_again(name):
    x = jnp.asarray(np.random.default_rng(1).normal(size=LARGE).astype(np.float32))
    expected, there = fx.jit(UPDATES[name])(x), places(x)
    outs = fx.jit(UPDATES[name], donate_argnums=0)(x)
    fx.tree.map(np.testing.assert_array_equal, outs, expected)
    assert set(there) <= set(places(outs))


KEPT = {
    "transposed": lambda x: x.T @ x + x.T,
    "reversed": lambda x: x[::-1] * 2,
    "shifted": lambda x: x + jnp.roll(x, 1, 0),
    "gathered": lambda x: x[jnp.argsort(x[:, 0])],
    "normalised": lambda x: jnp.exp(x) / jnp.sum(jnp.exp(x), 1, keepdims=True),
    "padded": lambda x: jnp.pad(x, 1)[1:-1, 1:-1] + x,
    "sums": lambda x: jnp.cumsum(x, 1) + x,
    "sorted": lambda x: jnp.sort(x, 1) - x,
    "multiplied": lambda x: x @ x + x,
    "looped": lambda x: lax.fori_loop(0, 3, lambda i, y: y * 2 + x, x),
    "chosen": lambda x: lax.cond(x[0, 0] > 0, lambda: x + 1, lambda: x.T),
    "both": lambda x: (x, x + 1),
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("size", [1, 7, 150])
def test_what_is_read_elsewhere_is_not_overwritten_too_early(name, size):
    x = jnp.asarray(np.random.default_rng(2).normal(size=(size, size)).astype(np.float32))
    expected = fx.jit(KEPT[name])(x)
    outs = fx.jit(KEPT[name], donate_argnums=0)(fresh(x))
    fx.tree.map(np.testing.assert_array_equal, outs, expected)


def test_a_training_step_needs_no_other_memory():
    optimizer = optim.adam(1e-3)
    params = {"w": jnp.ones((500, 300)), "b": jnp.ones(300)}
    state, x = optimizer.init(params), jnp.ones((8, 500))

    def step(params, state, x):
        grads = fx.grad(lambda p: jnp.mean((jnp.tanh(x @ p["w"] + p["b"])) ** 2))(params)
        updates, state = optimizer.update(grads, state, params)
        return optim.apply_updates(params, updates), state

    expected = fx.jit(step)(params, state, x)
    given = fresh((params, state))
    there = places(given)
    outs = fx.jit(step, donate_argnums=(0, 1))(*given, x)
    fx.tree.map(np.testing.assert_array_equal, outs, expected)
    # The sums of products go to memory that nothing else is read from: that of one result.
    assert len(set(there) & set(places(outs))) >= len(there) - 1


def test_memory_that_others_have_is_left_alone():
    add = fx.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.arange(12.0) * 1
    view, y, reshaped = np.asarray(x), x.view("int32"), x.reshape(3, 4)
    before = view.copy()
    assert float(add(x)[0]) == 1 and x.is_deleted()
    np.testing.assert_array_equal(view, before)
    np.testing.assert_array_equal(reshaped, before.reshape(3, 4))
    np.testing.assert_array_equal(y.view("float32"), before)
    reshaped_sum = float(jnp.sum(add(reshaped)))
    assert reshaped_sum == before.sum() + 12
    np.testing.assert_array_equal(view, before)

    mine = np.arange(4.0, dtype=np.float32)
    add(mine)
    mine.flags.writeable = False
    add(mine)
    np.testing.assert_array_equal(mine, [0, 1, 2, 3])

    torch = pytest.importorskip("torch")
    tensor = torch.zeros(4)
    add(jnp.from_dlpack(tensor))
    assert tensor.sum() == 0


def test_a_view_keeps_its_values():
    """Of an array whose memory nothing but the view has, which is still writeable."""
    add = fx.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.arange(12.0) * 1
    reshaped = x.reshape(3, 4)
    assert x._data.flags.writeable and np.shares_memory(x._data, reshaped._data)
    added = add(x)
    assert reshaped.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert added.tolist() == list(range(1, 13))


def test_one_array_twice():
    both = fx.jit(lambda a, b: (a + b, a - b), donate_argnums=(0, 1))
    x = jnp.arange(5.0) * 1
    total, difference = both(x, x)
    np.testing.assert_array_equal(total, [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(difference, np.zeros(5))
    one = fx.jit(lambda a, b: a * 2 + b, donate_argnums=0)
    x = jnp.arange(3.0) * 1
    np.testing.assert_array_equal(one(x, x), [0, 3, 6])
    assert x.is_deleted()


def test_which_arguments_are_donated():
    def f(a, n, tree, *, k=0.0):
        return a * n + tree["p"] + tree["q"][0] + k

    def flags(**options):
        a, tree, k = jnp.ones(3), {"p": jnp.ones(3), "q": [jnp.ones(3)]}, jnp.ones(3)
        fx.jit(f, static_argnums=1, **options)(a, 2, tree, k=k)
        return [x.is_deleted() for x in (a, tree["p"], tree["q"][0], k)]

    assert flags() == [False] * 4
    assert flags(donate_argnums=0) == [True, False, False, False]
    assert flags(donate_argnums=(2,)) == [False, True, True, False]
    assert flags(donate_argnums=-1) == [False, True, True, False]
    assert flags(donate_argnames=("a", "k")) == [True, False, False, True]
    with pytest.raises(FxValueError, match="donate_argnums has 7, but there are 1"):
        fx.jit(lambda x: x, donate_argnums=7)
    with pytest.raises(FxValueError, match="donate_argnames has 'y', which is not one of"):
        fx.jit(lambda x: x, donate_argnames="y")
    with pytest.raises(FxTypeError, match="donate_argnums expects ints"):
        fx.jit(lambda x: x, donate_argnums=("a",))  # type: ignore[arg-type]


def test_inside_a_transformation_nothing_is_deleted():
    f = fx.jit(lambda x: jnp.sum(x**2), donate_argnums=0)
    x = jnp.arange(3.0)
    for transformed in (fx.grad(f), fx.vmap(f), fx.jit(lambda y: f(y) + f(y)), fx.make_jaxpr(f)):
        transformed(x)
    assert not x.is_deleted()
    assert float(f(x)) == 5 and x.is_deleted()


USES = {
    "operator": lambda x: x + 1,
    "function": lambda x: jnp.sin(x),
    "index": lambda x: x[0],
    "update": lambda x: x.at[0].set(0),
    "numpy": lambda x: np.asarray(x),
    "ufunc": lambda x: np.sin(x),
    "list": lambda x: x.tolist(),
    "text": lambda x: str(x),
    "jit": fx.jit(lambda x: x * 2),
    "grad": lambda x: fx.grad(jnp.sum)(x),
    "vmap": lambda x: fx.vmap(jnp.sin)(x),
    "copy": lambda x: copy.deepcopy(x),
    "pickle": lambda x: pickle.dumps(x),
    "lower": lambda x: fx.jit(jnp.sin).lower(x).compile()(x),
    "pointer": lambda x: x.unsafe_buffer_pointer(),
    "dlpack": lambda x: np.from_dlpack(x),
    "iteration": lambda x: list(x),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("how", ["donated", "deleted"])
def test_a_deleted_array_says_so(name, how):
    x = jnp.arange(4.0)
    USES[name](x)
    if how == "donated":
        fx.jit(lambda x: x, donate_argnums=0)(x)
        match = r"the array f32\[4\] was donated to jit of <lambda>"
    else:
        x.delete()
        x.delete()
        match = r"the array f32\[4\] was deleted by its method delete"
    with pytest.raises(FxRuntimeError, match=match):
        USES[name](x)
    assert x.shape == (4,) and x.dtype == np.float32 and x.is_deleted()
    assert repr(x) == "Array(deleted, shape=(4,), dtype=float32)"


@pytest.mark.parametrize("row", [row for row in TABLE if row.examples], ids=str)
def test_no_operation_takes_a_deleted_array(row):
    arguments = row.arguments(0, row.dtypes[0])
    for i, x in enumerate(arguments):
        gone = fresh(x)
        gone.delete()
        changed = [*arguments[:i], gone, *arguments[i + 1 :]]
        with pytest.raises(FxRuntimeError, match="was deleted"):
            fx.tree.map(np.asarray, row.function(*changed))


def test_threads_that_donate_the_same_array():
    add = fx.jit(lambda x: x + 1, donate_argnums=0)
    add(jnp.zeros(50_000))
    for _ in range(50):
        x = jnp.zeros(50_000) * 1
        barrier, results, errors = threading.Barrier(4), [], []

        def work(x=x, barrier=barrier, results=results, errors=errors):
            barrier.wait()
            try:
                results.append(np.unique(add(x)).tolist())
            except FxRuntimeError as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert results and len(results) + len(errors) == 4
        assert all(r == [1.0] for r in results)
