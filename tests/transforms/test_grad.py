"""grad, value_and_grad, jvp, vjp, linearize, linear_transpose: their options, trees and errors.

That derivatives are right is the business of the laws (tests/laws.py over all operations); here it
is what goes in and comes out.
"""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.errors import FxError, FxTypeError, MissingRuleError, ShapeError, TreeError

FLOAT0 = fx.dtypes.float0
X = np.array([0.3, -0.7, 1.1])
no_tangent = lambda x: np.zeros(np.shape(x), FLOAT0)


def same(a, b, rtol=1e-6):
    """Equal trees of nearly equal arrays; float0 marks what has no derivative."""
    assert fx.tree.structure(a) == fx.tree.structure(b)
    for x, y in zip(fx.tree.leaves(a), fx.tree.leaves(b), strict=True):
        assert np.shape(x) == np.shape(y)
        if getattr(x, "dtype", None) == FLOAT0 or getattr(y, "dtype", None) == FLOAT0:
            assert x.dtype == y.dtype
        else:
            np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=1e-12)


# ------------------------------------------------------------------ argnums
def f3(x, y, z):
    return x**2 * y + jnp.sum(z["a"]) * x + y * 3.0


ARGS = (2.0, 3.0, {"a": np.ones(2, np.float32), "none": None})
GRADS = (14.0, 7.0, {"a": np.full(2, 2.0), "none": None})


@pytest.mark.parametrize("argnums", [0, 1, 2, -1, -3, (0,), (1, 0), (0, 1, 2), (-1, 0), [2], ()])
def test_argnums_choose_and_order_the_gradients(argnums):
    expected = GRADS[argnums] if isinstance(argnums, int) else tuple(GRADS[i] for i in argnums)
    for f in (f3, fx.jit(f3)):
        same(fx.grad(f, argnums)(*ARGS), expected)
        value, grads = fx.value_and_grad(f, argnums=argnums)(*ARGS)
        same(grads, expected)
        assert float(value) == 25.0
        same(fx.jit(fx.grad(f, argnums))(*ARGS), expected)


def test_keyword_arguments_are_constants():
    same(fx.grad(f3)(2.0, z=ARGS[2], y=3.0), 14.0)
    f = lambda x, *, scale, name="a": x * scale[name]
    assert float(fx.grad(f)(2.0, scale={"a": 5.0})) == 5.0


def test_arguments_that_are_not_differentiated_may_be_anything():
    f = lambda x, how, n: x**n if how == "power" else x
    assert float(fx.grad(f)(3.0, "power", 2)) == 6.0


def test_gradient_has_the_types_of_the_arguments():
    """Shape, dtype and weakness, whatever the result's dtype."""
    xs = (2.0, jnp.float32(1), jnp.float16(3), jnp.bfloat16(2), np.float64(3), np.ones((2, 0)))
    f = lambda *xs: sum(jnp.sum(x).astype("float64") * (i + 1.0) for i, x in enumerate(xs))
    for transform in (lambda g: g, fx.jit):
        grads = transform(fx.grad(f, tuple(range(6))))(*xs)
        for g, x in zip(grads, xs, strict=True):
            assert fx.typeof(g) == fx.typeof(x)


def test_unused_arguments_and_constant_functions_have_zero_gradients():
    zero = {"a": np.zeros(2), "none": None}
    same(fx.grad(lambda x, z: 3.0 * x, (0, 1))(1.0, ARGS[2]), (3.0, zero))
    same(fx.grad(lambda z: 3.0)(ARGS[2]), zero)
    same(fx.grad(lambda z: fx.lax.stop_gradient(z["a"]).sum())(ARGS[2]), zero)


# ------------------------------------------------------------------ aux
AUX = {"array": 2 * X, "text": "hello", "none": None, "number": 3, "nested": (X, [1.5])}


@pytest.mark.parametrize("wrap", [lambda f: f, fx.jit])
def test_aux_comes_out_as_it_is(wrap):
    """Values of any kind pass; arrays that depend on the input are concrete again."""

    def f(x):
        return jnp.sum(x**2), {**AUX, "array": 2 * x}

    def plain(x):
        return jnp.sum(wrap(lambda y: y**2)(x)), {**AUX, "array": 2 * x}

    def check(aux):
        assert aux["text"] == "hello" and aux["none"] is None and aux["number"] == 3
        np.testing.assert_array_equal(aux["array"], 2 * X)
        np.testing.assert_array_equal(aux["nested"][0], X)

    for g in (f, plain):
        grads, aux = fx.grad(g, has_aux=True)(X)
        same(grads, 2 * X)
        check(aux)
        (value, aux), grads = fx.value_and_grad(g, has_aux=True)(X)
        same((value, grads), ((X**2).sum(), 2 * X))
        check(aux)
        out, tangent, aux = fx.jvp(g, (X,), (np.ones(3),), has_aux=True)
        same((out, tangent), ((X**2).sum(), 2 * X.sum()))
        check(aux)
        out, pull, aux = fx.vjp(g, X, has_aux=True)
        same(pull(np.float64(1.0)), (2 * X,))
        check(aux)
        out, push, aux = fx.linearize(g, X, has_aux=True)
        same(push(np.ones(3)), 2 * X.sum())
        check(aux)


def test_aux_that_depends_on_an_outer_transformation():
    f = lambda x: fx.grad(lambda y: (y**3, y * x), has_aux=True)(x)
    same(fx.jit(f)(2.0), (12.0, 4.0))
    same(fx.vmap(f)(X), (3 * X**2, X**2))
    same(fx.grad(lambda x: sum(f(x)))(2.0), 12.0 + 4.0)


# ------------------------------------------------------------------ complex and integers
def test_holomorphic():
    z = np.complex128(0.4 - 1.2j)
    same(fx.grad(lambda z: z**3, holomorphic=True)(z), 3 * z**2)
    same(fx.grad(jnp.sin, holomorphic=True)(z), np.cos(z))
    same(fx.grad(fx.grad(jnp.exp, holomorphic=True), holomorphic=True)(z), np.exp(z))


def test_complex_to_real_follows_the_convention_dx_minus_i_dy():
    z = np.complex128(0.4 - 1.2j)
    same(fx.grad(lambda z: z.real**2 * z.imag)(z), 2 * z.real * z.imag - 1j * z.real**2)
    same(fx.grad(lambda z: jnp.abs(z) ** 2)(z), 2 * np.conj(z))


def test_allow_int():
    f = lambda i, x, b: x * i[0]
    got = fx.grad(f, (0, 1, 2), allow_int=True)(np.arange(1), np.float32(3.0), True)
    assert got[0].dtype == FLOAT0 == got[2].dtype
    assert got[0].shape == (1,) and got[2].shape == ()
    rows = fx.grad(lambda i, x: (x * i).sum(), (0, 1), allow_int=True)(np.arange(3), 2.0)
    same(rows, (no_tangent(np.arange(3)), 3.0))


# ------------------------------------------------------------------ jvp, vjp, linearize
def g2(x, i, d):
    return {"p": x * i * d["q"], "i": i + 1, "b": x > 0}, (jnp.sin(x),)


G_ARGS = (X, np.arange(3), {"q": np.float64(2.0)})
G_TANGENTS = (np.ones(3), no_tangent(X), {"q": np.float64(0.5)})


def test_jvp_with_integers_on_both_sides():
    for f in (g2, fx.jit(g2)):
        out, tangent = fx.jvp(f, G_ARGS, G_TANGENTS)
        same(out, g2(*G_ARGS))
        expected = {"p": 2.0 * np.arange(3) + 0.5 * X * np.arange(3), "i": no_tangent(X),
                    "b": no_tangent(X)}, (np.cos(X),)  # fmt: skip
        same(tangent, expected)
        primal, push = fx.linearize(f, *G_ARGS)
        same(push(*G_TANGENTS), expected)
        same(primal, out)


def test_vjp_with_integers_on_both_sides():
    for f in (g2, fx.jit(g2)):
        _, pull = fx.vjp(f, *G_ARGS)
        ct = {"p": np.ones(3), "i": no_tangent(X), "b": no_tangent(X)}, (np.ones(3),)
        got = pull(ct)
        expected = (2.0 * np.arange(3) + np.cos(X), no_tangent(X), {"q": (X * np.arange(3)).sum()})
        same(got, expected)
        same(pull(ct), got)  # as often as you like


def test_vjp_and_linearize_functions_are_pytrees_that_pass_through_jit():
    _, pull = fx.vjp(lambda x: jnp.sin(x) * x, X)
    same(fx.jit(lambda f, ct: f(ct))(pull, np.ones(3)), pull(np.ones(3)))
    same(fx.vmap(pull)(np.eye(3)), (np.diag(np.cos(X) * X + np.sin(X)),))
    _, push = fx.linearize(jnp.sin, X)
    same(fx.vmap(push)(np.eye(3)), np.diag(np.cos(X)))


def test_linearize_evaluates_the_function_once():
    calls = []

    def f(x):
        calls.append(1)
        fx.debug.callback(lambda v: calls.append("run"), x)
        return jnp.sin(x)

    _, push = fx.linearize(f, 1.0)
    _ = [push(float(i)) for i in range(3)]
    assert calls == [1, "run"]


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4))
def test_linear_transpose_is_the_adjoint(seed, n, m):
    """<u, L v> = <L^T u, v> for random chains of linear operations."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(m, n))
    shift = int(rng.integers(0, n))

    def linear(d):
        y = w @ jnp.roll(d["x"], shift) * 2.0 - d["y"]
        return {"z": jnp.concatenate([y, y[::-1]]), "s": jnp.sum(y) / 3.0}

    v = {"x": rng.normal(size=n), "y": rng.normal(size=m)}
    u = {"z": rng.normal(size=2 * m), "s": rng.normal()}
    u = fx.tree.map(np.float64, u)
    structs = fx.tree.map(lambda x: fx.ShapeDtypeStruct(x.shape, x.dtype), v)
    (back,) = fx.linear_transpose(linear, structs)(u)
    forward = linear(v)
    pair = lambda a, b: sum(float((x * y).sum()) for x, y in
                            zip(fx.tree.leaves(a), fx.tree.leaves(b), strict=True))  # fmt: skip
    np.testing.assert_allclose(pair(u, forward), pair(back, v), rtol=1e-9, atol=1e-9)
    again = fx.linear_transpose(lambda u: fx.linear_transpose(linear, v)(u)[0], u)(v)[0]
    same(again, forward)


def test_linear_transpose_under_transformations():
    back = lambda w, u: fx.linear_transpose(lambda x: w * x, 1.0)(u)[0]
    assert float(back(2.0, 3.0)) == 6.0 == float(fx.jit(back)(2.0, 3.0))
    same(fx.vmap(back)(X, X), X * X)
    same(fx.grad(back)(2.0, 3.0), 3.0)


def test_python_control_flow_works_on_concrete_values():
    def f(x):
        total = 0.0
        while x > 1:  # x is concrete, under any number of derivatives
            x, total = x / 2, total + x**2
        return total if total < 100 else -total

    same(fx.grad(f)(4.0), 2 * 4.0 + 2 * 2.0 / 2)
    same(fx.grad(fx.grad(f))(4.0), 2.5)
    same(fx.jvp(fx.grad(f), (4.0,), (1.0,))[1], 2.5)
    same(fx.hessian(f)(4.0), 2.5)


# ------------------------------------------------------------------ nesting
def test_perturbation_confusion_does_not_happen():
    f = lambda x: x * fx.grad(lambda y: x + y)(1.0)
    assert float(fx.grad(f)(1.0)) == 1.0
    g = lambda x: fx.jvp(lambda y: x * y, (3.0,), (1.0,))[1]
    assert float(fx.grad(g)(2.0)) == 1.0
    h = lambda x: fx.jvp(lambda y: fx.jvp(lambda z: x * y * z, (y,), (1.0,))[1], (x,), (1.0,))[1]
    assert float(fx.grad(h)(2.0)) == 1.0


@pytest.mark.parametrize("order", range(1, 7))
def test_derivatives_of_any_order(order):
    f, g = jnp.sin, fx.jit(jnp.sin)
    for i in range(order):
        f = fx.grad(f)
        g = (fx.grad, fx.jacfwd, lambda h: fx.jit(fx.grad(h)))[i % 3](g)
    expected = [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)][order % 4](0.4)
    np.testing.assert_allclose(f(0.4), expected, rtol=1e-5)
    np.testing.assert_allclose(g(0.4), expected, rtol=1e-5)


def test_stop_gradient_on_trees_and_in_higher_order():
    f = lambda x: fx.lax.stop_gradient({"a": x, "i": 3})["a"] * x
    assert float(fx.grad(f)(2.0)) == 2.0
    assert float(fx.grad(fx.grad(f))(2.0)) == 0.0
    same(fx.jvp(f, (2.0,), (1.0,))[1], 2.0)
    same(fx.vmap(fx.grad(f))(X), X)


# ------------------------------------------------------------------ errors
identity = lambda x: x
ERRORS = [
    (lambda: fx.grad(3), FxTypeError, "grad expects a function, got int"),
    (lambda: fx.grad(identity, "x"), FxTypeError, "argnums expects an int"),
    (lambda: fx.grad(identity, 1)(1.0), FxTypeError, "argnums has 1, but the call has 1"),
    (lambda: fx.grad(lambda x, y: x, (0, -2))(1.0, 2.0), FxTypeError, "repeats an argument"),
    (lambda: fx.grad(identity)(x=1.0), FxTypeError, "the call has 0 positional"),
    (lambda: fx.grad(identity)(1), FxTypeError, "floating-point or complex arguments, got ~i32[]"),
    (lambda: fx.grad(identity)(True), FxTypeError, "allow_int=True"),
    (lambda: fx.grad(identity)({"a": "text"}), FxTypeError, "got str at argument[0]['a']"),
    (lambda: fx.grad(identity)(X), FxTypeError, "to return a scalar, got f64[3]"),
    (lambda: fx.grad(lambda x: (x, x))(1.0), FxTypeError, "has_aux=True"),
    (lambda: fx.grad(lambda x: None)(1.0), FxTypeError, "scalar array, got NoneType"),
    (lambda: fx.grad(lambda x: 1)(1.0), FxTypeError, "floating-point scalar, got ~i32[]"),
    (lambda: fx.grad(lambda x: x * 1j)(1.0), FxTypeError, "real scalar, got ~c64[]"),
    (lambda: fx.grad(identity, holomorphic=True)(1.0), FxTypeError, "expects complex arguments"),
    (lambda: fx.grad(identity, has_aux=True)(1.0), FxTypeError, "return a pair (value, aux)"),
    (lambda: fx.jvp(identity, 1.0, 1.0), FxTypeError, "Write jvp(f, (x,), (t,))"),
    (lambda: fx.jvp(identity, (1.0,), ({"a": 1.0},)), TreeError, "the structure of the arguments"),
    (lambda: fx.jvp(identity, (X,), (X[:2],)), ShapeError, "tangent of type f64[3]"),
    (lambda: fx.jvp(identity, (X,), (np.float32(X),)), ShapeError, "got f32[3]"),
    (lambda: fx.jvp(identity, (1,), (1,)), FxTypeError, "dtype float0"),
    (lambda: fx.jvp(identity, ("a",), (1.0,)), FxTypeError, "got str"),
    (lambda: fx.vjp(identity, X)[1]((X, X)), TreeError, "the structure of the result"),
    (lambda: fx.vjp(identity, X)[1](X[:2]), ShapeError, "cotangent of type f64[3]"),
    (lambda: fx.vjp(identity, X)[1](np.float32(X)), ShapeError, "got f32[3]"),
    (lambda: fx.vjp(lambda x: "text", X), FxTypeError, "got str at result"),
    (lambda: fx.linearize(identity, X)[1](X, X), TreeError, "linearize expects"),
    (lambda: fx.linearize(identity, X)[1](X[:2]), ShapeError, "linearize expects"),
    (lambda: fx.linear_transpose(jnp.sin, 1.0)(1.0), MissingRuleError, "is not linear"),
    (lambda: fx.linear_transpose(lambda x: x * x, 1.0)(1.0), FxTypeError, "linear is not"),
    (lambda: fx.linear_transpose(identity, 1)(1), FxTypeError, "got ~i32[]"),
    (lambda: fx.linear_transpose(identity, X)(X[:2]), ShapeError, "expected f64[3]"),
    (lambda: fx.linear_transpose(identity, X)((X, X)), TreeError, "structure of the result"),
]  # fmt: skip


@pytest.mark.parametrize(
    "call, kind, words", ERRORS, ids=[re.sub(r"\W+", "-", w) for *_, w in ERRORS]
)
def test_errors_say_what_and_how(call, kind, words):
    with pytest.raises(kind, match=re.escape(words)) as caught:
        call()
    assert isinstance(caught.value, FxError)
    assert caught.traceback[-1].path.name == "test_grad.py"
    assert float(fx.grad(jnp.sin)(0.0)) == 1.0


def test_an_error_inside_leaves_no_trace_behind():
    def fails(x):
        raise ZeroDivisionError("mine")

    mapped = lambda f: lambda x: fx.vmap(f)(x[None])[0]
    for transform in (fx.grad, fx.jit, mapped, lambda f: lambda x: fx.jvp(f, (x,), (x,))):
        with pytest.raises(ZeroDivisionError, match="mine"):
            fx.jit(fx.vmap(fx.grad(transform(fails))))(X)
        assert type(jnp.sin(1.0)) is fx.Array
        same(fx.jit(fx.grad(lambda x: (x**2).sum()))(X), 2 * X)


def test_second_derivatives_by_python_numbers_are_weak():
    primal, tangent = fx.jvp(fx.grad(lambda x: x * x * np.float32(3)), (1.5,), (1.0,))
    assert primal.weak_type and tangent.weak_type
    assert fx.grad(fx.grad(lambda x: x**3))(1.5).weak_type
    # A derivative that does not depend on the number is zero, and as weak.
    primal, tangent = fx.jvp(fx.grad(lambda x: 3 * x), (1.5,), (1.0,))
    assert primal.weak_type and tangent.weak_type and float(tangent) == 0
