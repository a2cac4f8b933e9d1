"""The laws of each transformation, over random programs.

pmap and collectives have theirs in tests/calls; all compositions are in test_compositions.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.core.check import check_jaxpr
from fx.core.interpret import eval_jaxpr
from fx.testing import Program, check_grads, programs
from fx.transforms.dce import dce
from tests.programs.harness import (
    assert_close,
    dot,
    one_by_one,
    random_like,
    row,
    scalar,
    split,
    stacked,
)

SMOOTH = programs(dtype="float64")
ROUGH = programs(dtype="float64", differentiable=False)
SMALL = programs(dtype="float64", max_equations=8)
TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}
POLICIES = [
    None,
    fx.checkpoint_policies.everything_saveable,
    fx.checkpoint_policies.nothing_saveable,
    fx.checkpoint_policies.dots_saveable,
    fx.checkpoint_policies.dots_with_no_batch_dims_saveable,
]


@given(st.sampled_from(list(TOLERANCE)).flatmap(lambda d: programs(dtype=d, differentiable=False)))
@settings(max_examples=100)
def test_jit_and_the_evaluated_jaxpr_are_the_function(program: Program) -> None:
    out = program(*program.args)
    tolerance = TOLERANCE[
        program.args[0].dtype.name if hasattr(program.args[0], "dtype") else "float16"
    ]
    assert_close(fx.jit(program)(*program.args), out, tolerance, "jit")
    jaxpr = fx.make_jaxpr(program)(*program.args)
    check_jaxpr(jaxpr)
    leaves = fx.tree.leaves(program.args)
    assert_close(eval_jaxpr(jaxpr, leaves), fx.tree.leaves(out), tolerance, "eval")
    assert_close(eval_jaxpr(dce(jaxpr), leaves), fx.tree.leaves(out), tolerance, "dce")


@given(ROUGH)
def test_eval_shape_says_the_types(program: Program) -> None:
    out = program(*program.args)
    types = fx.eval_shape(program, *program.args)
    assert fx.tree.structure(out) == fx.tree.structure(types)
    for x, t in zip(fx.tree.leaves(out), fx.tree.leaves(types), strict=True):
        assert (x.shape, x.dtype, x.weak_type) == (t.shape, t.dtype, t.weak_type)


@given(ROUGH, st.data())
def test_vmap_is_a_stack(program: Program, data: st.DataObject) -> None:
    args = program.batch(3)
    subsets = st.lists(st.booleans(), min_size=len(args), max_size=len(args)).filter(any)
    on = data.draw(subsets, label="mapped arguments")
    given_args = tuple(a if m else x for a, x, m in zip(args, program.args, on, strict=True))
    rows = [
        program(*[row(a, i) if m else a for a, m in zip(given_args, on, strict=True)])
        for i in range(3)
    ]
    axes = tuple(0 if m else None for m in on)
    assert_close(fx.vmap(program, in_axes=axes)(*given_args), stacked(rows), 1e-9, "vmap")
    jitted = fx.jit(fx.vmap(program, in_axes=axes))(*given_args)
    assert_close(jitted, stacked(rows), 1e-9, "jit of vmap")


@given(SMOOTH)
def test_linearize_is_jvp(program: Program) -> None:
    f, xs, n = split(program)
    tangents = random_like(xs, 1)
    out, tangent = fx.jvp(lambda xs: f(xs, n), (xs,), (tangents,))
    value, linear = fx.linearize(lambda xs: f(xs, n), xs)
    assert_close(value, out, 1e-9, "the value of linearize")
    assert_close(out, f(xs, n), 1e-9, "the value of jvp")
    assert_close(linear(tangents), tangent, 1e-9, "linearize")
    # Linearity itself.
    double = fx.tree.map(lambda t: 2.0 * t, tangents)
    assert_close(linear(double), fx.tree.map(lambda t: 2.0 * t, tangent), 1e-9, "linear map")


@given(SMOOTH)
def test_vjp_is_the_transpose_of_jvp(program: Program) -> None:
    f, xs, n = split(program)
    tangents = random_like(xs, 1)
    out, tangent = fx.jvp(lambda xs: f(xs, n), (xs,), (tangents,))
    value, back = fx.vjp(lambda xs: f(xs, n), xs)
    assert_close(value, out, 1e-9, "the value of vjp")
    cotangents = random_like(out, 2)
    (gradient,) = back(cotangents)
    left, right = dot(cotangents, tangent), dot(gradient, tangents)
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)


@given(SMOOTH)
def test_derivatives_are_finite_differences(program: Program) -> None:
    f, xs, n = split(program)
    check_grads(lambda xs: f(xs, n), (xs,), order=1)


@given(programs(dtype="float64", max_equations=8))
@settings(max_examples=15)
def test_second_derivatives_are_finite_differences(program: Program) -> None:
    f, xs, n = split(program)
    check_grads(lambda xs: f(xs, n), (xs,), order=2, atol=1e-4, rtol=1e-4)


@given(ROUGH)
def test_grad_of_rough_programs_is_the_forward_derivative(program: Program) -> None:
    f, xs, n = split(program)
    reference = one_by_one(f)(xs, n)
    assert_close(fx.grad(lambda xs: scalar(f(xs, n)))(xs), reference, 1e-9, "grad")


@given(SMOOTH)
def test_value_and_grad_has_aux(program: Program) -> None:
    f, xs, n = split(program)

    def loss(xs):
        out = f(xs, n)
        return scalar(out), out

    (value, aux), gradient = fx.value_and_grad(loss, has_aux=True)(xs)
    assert_close(aux, f(xs, n), 1e-9, "aux")
    assert_close(value, scalar(aux), 1e-9, "the value")
    assert_close(gradient, fx.grad(lambda xs: loss(xs)[0])(xs), 1e-12, "grad")


@given(SMOOTH, st.sampled_from(POLICIES))
def test_checkpoint_changes_no_value(program: Program, policy) -> None:
    f, xs, n = split(program)
    saved = fx.checkpoint(f, policy=policy)
    assert_close(saved(xs, n), f(xs, n), 1e-12, "checkpoint")
    plain = fx.value_and_grad(lambda xs: scalar(f(xs, n)))
    again = fx.value_and_grad(lambda xs: scalar(saved(xs, n)))
    assert_close(again(xs), plain(xs), 1e-9, "grad of checkpoint")
    assert_close(fx.jit(again)(xs), plain(xs), 1e-9, "jit of grad of checkpoint")


@given(SMALL)
@settings(max_examples=20)
def test_pullbacks_and_jacobians_are_functions_like_others(program: Program) -> None:
    """They compose with all transformations, and transposing twice gives the derivative back."""
    f, xs, n = split(program)
    g = lambda xs: f(xs, n)
    jacobian = fx.jacfwd(g)(xs)
    assert_close(fx.jacrev(g)(xs), jacobian, 1e-9, "jacrev")
    assert_close(fx.jit(fx.jacrev(g))(xs), jacobian, 1e-9, "jit of jacrev")
    loss = lambda xs: scalar(g(xs))
    hessian = fx.hessian(loss)(xs)
    assert_close(fx.jacrev(fx.jacfwd(loss))(xs), fx.jacrev(fx.jacrev(loss))(xs), 1e-8, "Hessian")
    assert_close(fx.jacrev(fx.jacrev(loss))(xs), hessian, 1e-8, "Hessian")

    out, back = fx.vjp(g, xs)
    ct, tangents = random_like(out, 5), random_like(xs, 3)
    want, linear = back(ct), fx.linearize(g, xs)[1]
    assert_close(fx.jit(back)(ct), want, 1e-9, "jit of a pullback")
    many = stacked([ct, random_like(out, 6)])
    assert_close(fx.vmap(back)(many), stacked([back(row(many, i)) for i in range(2)]), 1e-9, "vmap")
    assert_close(fx.jvp(back, (ct,), (ct,))[1], want, 1e-9, "jvp of a pullback")
    assert_close(fx.linear_transpose(linear, xs)(ct), want, 1e-9, "linear_transpose")
    twice = fx.linear_transpose(back, ct)((tangents,))
    assert_close(twice, (linear(tangents),), 1e-9, "linear_transpose of a pullback")
    slopes = fx.grad(lambda t: scalar(linear(t)))(tangents)
    assert_close(slopes, one_by_one(lambda t, _: linear(t))(tangents, 0), 1e-9, "grad")


@given(SMALL)
@settings(max_examples=20)
def test_a_true_custom_rule_changes_no_gradient(program: Program) -> None:
    f, xs, n = split(program)
    plain = fx.grad(lambda xs: scalar(f(xs, n)))

    @fx.custom_vjp
    def reverse(xs):
        return scalar(f(xs, n))

    reverse.defvjp(
        lambda xs: (reverse(xs), xs), lambda xs, ct: (fx.tree.map(lambda g: g * ct, plain(xs)),)
    )

    @fx.custom_jvp
    def forward(xs):
        return scalar(f(xs, n))

    @forward.defjvp
    def _(primals, tangents):
        return fx.jvp(lambda xs: scalar(f(xs, n)), primals, tangents)

    for custom in (reverse, forward, fx.jit(reverse), fx.jit(forward), fx.checkpoint(forward)):
        assert_close(fx.grad(custom)(xs), plain(xs), 1e-9, "grad of a custom rule")
    batched = fx.tree.map(lambda x: jnp.stack([x, 0.5 * x]), xs)
    for custom in (reverse, forward):
        got = fx.vmap(fx.grad(custom))(batched)
        assert_close(got, stacked([plain(row(batched, i)) for i in range(2)]), 1e-9, "vmap")


@given(SMALL)
@settings(max_examples=20)
def test_a_loop_of_a_program_is_the_program_repeated(program: Program) -> None:
    """scan, fori_loop and while_loop around a program, in value and gradient."""
    f, xs, n = split(program)

    def step(y):
        return 0.5 * y + scalar(f(fx.tree.map(lambda x: x * y, xs), n))

    def unrolled(y):
        for _ in range(3):
            y = step(y)
        return y

    lax = fx.lax
    loops = [
        lambda y: lax.scan(lambda y, _: (step(y), None), y, None, length=3)[0],
        lambda y: lax.fori_loop(0, 3, lambda _, y: step(y), y),
        lambda y: lax.while_loop(
            lambda c: c[0] < 3, lambda c: (c[0] + 1, step(c[1])), (0, y), max_steps=5
        )[1],
    ]
    start = jnp.asarray(0.7, dtype="float64")
    want = fx.value_and_grad(unrolled)(start)
    for looped in loops:
        assert_close(fx.value_and_grad(looped)(start), want, 1e-9, "grad of a loop")
        assert_close(fx.jit(fx.value_and_grad(looped))(start), want, 1e-9, "jit of grad of a loop")
    unbounded = lambda y: lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, step(c[1])), (0, y)
    )[1]
    pair = fx.jvp(unbounded, (start,), (jnp.ones_like(start),))
    assert_close(pair, want, 1e-9, "jvp of while_loop")


@pytest.mark.parametrize("x", [2.0, 0.5])
@pytest.mark.parametrize("y", [0.0, 1.0, 2.0, -1.0])
def test_mixed_second_derivative_of_powers(x: float, y: float) -> None:
    """d/dy d/dx x^y = x^(y - 1) (1 + y log x), at y = 0 and y = 1 as anywhere."""
    args = jnp.float64(x), jnp.float64(y)
    want = x ** (y - 1) * (1 + y * np.log(x))
    for first, second in ((0, 1), (1, 0)):
        for outer, inner in itertools.product((fx.jacfwd, fx.jacrev), repeat=2):
            got = outer(inner(jnp.power, first), second)(*args)
            np.testing.assert_allclose(float(got), want, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "law",
    [
        test_vmap_is_a_stack,
        test_derivatives_are_finite_differences,
        test_grad_of_rough_programs_is_the_forward_derivative,
    ],
)
def test_long_programs(law) -> None:
    """The same on programs of up to 200 equations."""
    differentiable = law is test_derivatives_are_finite_differences
    strategy = programs(dtype="float64", differentiable=differentiable, max_equations=200)
    inner = law.hypothesis.inner_test
    rest = (st.data(),) if law is test_vmap_is_a_stack else ()
    settings(max_examples=30)(given(strategy, *rest)(inner))()
