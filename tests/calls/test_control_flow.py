"""Control flow: values are those of Python's loops, and every program of the table obeys the laws
of differentiation (to second order), batching and staging; a part is compared with JAX, too.
"""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from tests.calls.programs import FX, JAX, PLAIN, TABLE, vary
from tests.laws import check_jit, check_jvp, check_transpose, check_vmap, flat, numbers

each = pytest.mark.parametrize("row", TABLE, ids=str)


def outs_of(function, args):
    return [np.asarray(x) for x in flat(function)(*args)]


@each
def test_values_are_those_of_python_loops(row):
    f = row.make(FX)
    expected = outs_of(row.make(PLAIN), row.args)
    with fx.disable_jit():
        unstaged = outs_of(f, row.args)
    for got in (outs_of(f, row.args), outs_of(fx.jit(f), row.args), unstaged):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@each
def test_disable_jit_changes_no_derivative_and_no_batch(row):
    f, args = row.make(FX), row.args
    batch = [np.stack([x, vary(i, x, 3)]) for i, x in enumerate(args)]
    slopes = derivative(f, args, row.reverse)
    plain, mapped = slopes(*args), fx.vmap(f)(*batch)
    with fx.disable_jit():
        unstaged = slopes(*args), fx.vmap(f)(*batch)
    for a, b in zip(fx.tree.leaves((plain, mapped)), fx.tree.leaves(unstaged), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@each
def test_first_order_laws(row):
    f = row.make(FX)
    check_jit(f, *row.args)
    check_jvp(f, *row.args)
    if row.reverse:
        check_transpose(f, *row.args)


@each
def test_vmap_of_values_and_predicates(row):
    check_vmap(row.make(FX), *row.args, vary=vary, all_axes=False)


def total(f):
    """A rank-0 function of every result."""

    def function(*args):
        return sum(jnp.sum(jnp.sin(x) * 1.1) for x in flat(f)(*args))

    return function


def derivative(f, args, reverse):
    """All first derivatives of `total(f)` as a function of the floating arguments."""
    nums = tuple(i for i, x in enumerate(args) if x.dtype.kind == "f")
    return (fx.jacrev if reverse else fx.jacfwd)(total(f), nums)


@each
def test_second_order_laws(row):
    f = derivative(row.make(FX), row.args, row.reverse)
    check_jvp(f, *row.args)
    check_vmap(f, *row.args, vary=vary, all_axes=False)
    if row.reverse:
        check_transpose(f, *row.args)


@each
def test_compositions_with_jit(row):
    f, args = row.make(FX), row.args
    once = derivative(f, args, row.reverse)
    twice = derivative(fx.jit(f), args, row.reverse)
    thrice = fx.jit(derivative(fx.jit(f), args, row.reverse))
    batch = [np.stack([x, vary(i, x, 3)]) for i, x in enumerate(args)]
    for a, b, c in zip(once(*args), twice(*args), thrice(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(a, c, rtol=1e-12, atol=1e-14)
    mapped = fx.vmap(once)(*batch)
    for a, b in zip(mapped, fx.jit(fx.vmap(twice))(*batch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.skipif(JAX is None, reason="needs JAX")
@each
def test_against_jax(row):
    jax = pytest.importorskip("jax")
    f, g, args = row.make(FX), row.make(JAX), row.args
    nums = tuple(i for i, x in enumerate(args) if x.dtype.kind == "f")
    reverse = row.reverse and row.jax_reverse

    def everything(m, function):
        def run(*args):
            outs = flat(function)(*args)
            loss = lambda *xs: sum((x * 1.1).sum() for x in flat(function)(*xs))
            derivatives = [m.jacfwd(loss, nums)(*args)]
            if reverse:
                derivatives.append(m.hessian(loss, nums[0])(*args))
            return outs, derivatives

        return m.vmap(run)

    batch = [np.stack([x, vary(i, x, 3)]) for i, x in enumerate(args)]
    with jax.enable_x64(True):
        expected = jax.tree.leaves(jax.jit(everything(jax, g))(*batch))
    got = fx.tree.leaves(everything(fx, f)(*batch))
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(numbers(a), np.asarray(b), rtol=1e-9, atol=1e-9)
