"""custom_jvp, custom_vjp, custom_gradient: the user's rule is what counts, under every
transformation; trees, static arguments, integers, zeros, errors.

The rules here are wrong on purpose (a factor that the true derivative has not), so that a test
sees whether the rule or the function was differentiated.
"""

import functools
import re

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.errors import FxError, FxTypeError, FxValueError, ShapeError, TreeError

X = np.array(0.6)
XS = np.array([0.6, -0.4, 1.3])
FLOAT0 = fx.dtypes.float0


@fx.custom_jvp
def sin7(x):
    return jnp.sin(x)


@sin7.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    return sin7(x), 7 * t * jnp.cos(x)


@fx.custom_vjp
def sin7_reverse(x):
    return jnp.sin(x)


sin7_reverse.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (7 * g * jnp.cos(x),))
sin7_gradient = fx.custom_gradient(lambda x: (jnp.sin(x), lambda g: 7 * g * jnp.cos(x)))

ALL = {"custom_jvp": sin7, "custom_vjp": sin7_reverse, "custom_gradient": sin7_gradient}
each = pytest.mark.parametrize("f", ALL.values(), ids=ALL)

slope = lambda x: 7 * np.cos(x)

# Programs around f, and what they are with a derivative of 7 cos for sin.
AROUND = {
    "itself": (lambda f: f, lambda x: slope(x)),
    "jit": (lambda f: fx.jit(f), lambda x: slope(x)),
    "twice": (lambda f: lambda x: f(f(x)), lambda x: slope(np.sin(x)) * slope(x)),
    "product": (lambda f: lambda x: f(x) * x, lambda x: slope(x) * x + np.sin(x)),
    "scan": (
        lambda f: lambda x: lax.scan(lambda c, _: (f(c), None), x, None, length=2)[0],
        lambda x: slope(np.sin(x)) * slope(x),
    ),
    "while": (
        lambda f: (
            lambda x: lax.while_loop(
                lambda s: s[0] < 2, lambda s: (s[0] + 1, f(s[1])), (0, x), max_steps=3
            )[1]
        ),
        lambda x: slope(np.sin(x)) * slope(x),
    ),
    "fori": (
        lambda f: lambda x: lax.fori_loop(0, 2, lambda i, c: f(c), x),
        lambda x: slope(np.sin(x)) * slope(x),
    ),
    "cond": (lambda f: lambda x: lax.cond(x > -9, f, lambda x: x, x), lambda x: slope(x)),
    "checkpoint": (lambda f: fx.checkpoint(lambda x: f(x) * 2), lambda x: 2 * slope(x)),
    "vmap": (lambda f: lambda x: fx.vmap(f)(x * jnp.ones(3)).sum(), lambda x: 3 * slope(x)),
    "pmap": (lambda f: lambda x: fx.pmap(f)(x * jnp.ones(2)).sum(), lambda x: 2 * slope(x)),
    "closure_convert": (
        lambda f: lambda x: (lambda g, c: g(x, *c))(*fx.closure_convert(f, x)),
        lambda x: slope(x),
    ),
    "jit of scan of jit": (
        lambda f: fx.jit(
            lambda x: lax.scan(lambda c, _: (fx.jit(f)(c), c), x, None, length=2)[1].sum()
        ),
        lambda x: 1 + slope(x),
    ),
}


@each
@pytest.mark.parametrize("around", AROUND)
def test_the_rule_is_used_inside_every_primitive(f, around):
    program, expected = AROUND[around]
    g = fx.grad(program(f))
    for got in (g(X), fx.jit(g)(X), fx.value_and_grad(fx.jit(program(f)))(X)[1]):
        np.testing.assert_allclose(got, expected(X), rtol=1e-12)
    for got in (fx.vmap(g)(XS), fx.jit(fx.vmap(g))(XS), fx.vmap(fx.jit(g))(XS)):
        np.testing.assert_allclose(got, expected(XS), rtol=1e-12)
    with fx.disable_jit():
        np.testing.assert_allclose(g(X), expected(X), rtol=1e-12)


@each
def test_without_differentiation_the_function_runs(f):
    for got in (f(X), fx.jit(f)(X), fx.vmap(f)(XS)[0], fx.pmap(f)(XS)[0], fx.checkpoint(f)(X)):
        np.testing.assert_allclose(got, np.sin(X), rtol=1e-12)


@each
def test_second_order_differentiates_the_rule(f):
    expected = -7 * np.sin(X)
    if f is sin7:  # its rule calls jnp.cos, not itself
        np.testing.assert_allclose(fx.jacfwd(fx.jacfwd(f))(X), expected)
    for second in (fx.grad(fx.grad(f)), fx.hessian(f), fx.jit(fx.grad(fx.jit(fx.grad(f)))),
                   lambda x: fx.vmap(fx.grad(fx.grad(f)))(x[None])[0]):  # fmt: skip
        np.testing.assert_allclose(second(X), expected)


def test_forward_mode_needs_a_forward_rule():
    for f in (sin7_reverse, sin7_gradient):
        for call in (
            lambda f: fx.jvp(f, (X,), (X,)),
            lambda f: fx.jacfwd(f)(X),
            lambda f: fx.jvp(fx.jit(f), (X,), (X,)),
            lambda f: fx.linearize(f, X)[1](X),
        ):
            with pytest.raises(FxTypeError, match="forward mode"):
                call(f)
    np.testing.assert_allclose(fx.jvp(sin7, (X,), (2.0,))[1], 2 * slope(X))
    np.testing.assert_allclose(fx.linearize(sin7, X)[1](2.0), 2 * slope(X))


# ------------------------------------------------------------------ arguments of all kinds
@functools.partial(fx.custom_jvp, nondiff_argnums=(0, 2))
def apply_jvp(f, x, n):
    return f(x) * n


@apply_jvp.defjvp
def _(f, n, primals, tangents):
    return apply_jvp(f, primals[0], n), 10.0 * n * tangents[0]


@functools.partial(fx.custom_vjp, nondiff_argnums=(0, 2))
def apply_vjp(f, x, n):
    return f(x) * n


apply_vjp.defvjp(lambda f, x, n: (f(x) * n, x), lambda f, n, x, g: (10.0 * n * g,))


@pytest.mark.parametrize("apply", [apply_jvp, apply_vjp])
def test_nondiff_argnums(apply):
    g = fx.grad(lambda x: apply(jnp.sin, x, 3))
    assert float(g(1.0)) == 30.0 == float(fx.jit(g)(1.0))
    np.testing.assert_array_equal(fx.vmap(g)(XS), [30.0] * 3)
    assert float(fx.grad(lambda x: apply(jnp.sin, n=3, x=x))(1.0)) == 30.0
    h = lambda x: lax.scan(lambda c, _: (apply(jnp.cos, c, 2), None), x, None, length=2)[0]
    assert float(fx.grad(h)(1.0)) == 400.0


def test_defaults_and_keywords_are_put_in_their_places():
    @fx.custom_jvp
    def f(x, y=2.0):
        return x * y

    f.defjvp(lambda p, t: (f(*p), 10 * t[0] + 100 * t[1]))
    assert float(fx.grad(f)(1.0)) == 10.0 == float(fx.grad(lambda x: f(y=3.0, x=x))(1.0))
    assert float(fx.grad(lambda y: f(1.0, y=y))(1.0)) == 100.0


def test_trees_and_integers_in_custom_jvp():
    @fx.custom_jvp
    def f(d, i):
        return {"o": d["a"] * d["b"][0], "i": i}

    @f.defjvp
    def _(primals, tangents):
        out, (dt, _) = f(*primals), tangents
        return out, {"o": 5 * dt["a"] + dt["b"][0], "i": np.zeros((), FLOAT0)}

    args = {"a": 2.0, "b": [3.0]}, 4
    tangents = {"a": 1.0, "b": [1.0]}, np.zeros((), FLOAT0)
    out, tangent = fx.jvp(f, args, tangents)
    assert float(out["o"]) == 6.0 == float(tangent["o"]) and tangent["i"].dtype == FLOAT0
    for transform in (lambda g: g, fx.jit):
        grads = transform(fx.grad(lambda d: f(d, 4)["o"]))(args[0])
        assert float(grads["a"]) == 5.0 and float(grads["b"][0]) == 1.0


def test_trees_integers_and_none_in_custom_vjp():
    @fx.custom_vjp
    def f(x, i, d):
        return x * i, d["a"]

    def back(residuals, g):
        assert residuals["none"] is None and residuals["text"] is None
        return 7.0 * g[0], None, {"a": 2 * g[1], "b": None}

    f.defvjp(lambda x, i, d: (f(x, i, d), {"x": x, "none": None, "text": None}), back)
    g = fx.grad(lambda x, d: sum(f(x, 2, d)), (0, 1))
    for transform in (lambda g: g, fx.jit):
        dx, dd = transform(g)(1.0, {"a": 3.0, "b": jnp.ones(2)})
        assert float(dx) == 7.0 and float(dd["a"]) == 2.0
        np.testing.assert_array_equal(dd["b"], [0.0, 0.0])
    dx, dd = fx.vmap(g)(jnp.ones(3), {"a": jnp.ones(3), "b": jnp.ones((3, 2))})
    np.testing.assert_array_equal(dx, [7.0] * 3)
    np.testing.assert_array_equal(dd["b"], np.zeros((3, 2)))


def test_defjvps_adds_one_rule_an_argument():
    @fx.custom_jvp
    def f(x, y, z):
        return x * y * z

    f.defjvps(lambda t, out, x, y, z: 100.0 * t, None, lambda t, out, x, y, z: out * t)
    grads = fx.grad(f, (0, 1, 2))(2.0, 3.0, 4.0)
    assert [float(g) for g in grads] == [100.0, 0.0, 24.0]
    f.defjvps(None, None, None)
    assert float(fx.grad(f)(2.0, 3.0, 4.0)) == 0.0
    f.defjvps(None)
    with pytest.raises(FxTypeError, match="1 rules for 3 arguments"):
        fx.grad(f)(2.0, 3.0, 4.0)


def test_results_that_the_gradient_does_not_use_have_zero_cotangents():
    seen = []

    @fx.custom_vjp
    def f(x):
        return x, x * jnp.ones(2)

    def back(_, g):
        seen.append((g[0].shape, g[1].shape))
        return (g[0] + g[1].sum(),)

    f.defvjp(lambda x: (f(x), None), back, symbolic_zeros=True)
    assert float(fx.grad(lambda x: f(x)[0])(1.0)) == 1.0
    assert float(fx.grad(lambda x: f(x)[1].sum())(1.0)) == 2.0
    assert seen == [((), (2,))] * 2


def test_cotangents_take_the_dtype_of_the_argument():
    @fx.custom_vjp
    def f(x):
        return x.astype("float64")

    f.defvjp(lambda x: (f(x), None), lambda _, g: (g * 2,))
    assert fx.grad(f)(jnp.float16(1)).dtype == np.float16


def test_python_control_flow_in_functions_and_rules():
    @fx.custom_jvp
    def f(x):
        return x if x > 0 else -x

    f.defjvp(lambda p, t: (f(*p), t[0] * (3.0 if p[0] > 0 else -3.0)))
    assert float(fx.grad(f)(2.0)) == 3.0 and float(fx.grad(f)(-2.0)) == -3.0

    @fx.custom_vjp
    def g(x):
        return x if x > 0 else -x

    g.defvjp(lambda x: (g(x), x), lambda x, ct: (ct * (5.0 if x > 0 else -5.0),))
    assert float(fx.grad(g)(2.0)) == 5.0 and float(fx.grad(g)(-2.0)) == -5.0


def test_rules_may_close_over_tracers():
    def through_jvp(y):
        f = fx.custom_jvp(lambda x: x * y)
        f.defjvp(lambda p, t: (p[0] * y, 3 * t[0] * y))
        return fx.grad(f)(2.0)

    def through_vjp(y):
        f = fx.custom_vjp(lambda x: x * y)
        f.defvjp(lambda x: (x * y, x), lambda x, ct: (3 * ct * y,))
        return fx.grad(f)(2.0)

    for h in (through_jvp, through_vjp):
        assert float(h(5.0)) == 15.0 == float(fx.jit(h)(5.0))
        np.testing.assert_allclose(fx.vmap(h)(XS), 3 * XS)
        np.testing.assert_allclose(fx.jit(fx.vmap(h))(XS), 3 * XS)
        np.testing.assert_allclose(fx.grad(h)(5.0), 3.0)


def test_collectives_in_rules():
    """The rule of a mapped function may name the mapped axis."""

    @fx.custom_vjp
    def total(x):
        return lax.psum(x, "i")

    total.defvjp(lambda x: (lax.psum(x, "i"), None), lambda _, g: (lax.pmean(g, "i") * 10,))
    for mapped in (fx.vmap, fx.pmap):
        each_value = mapped(lambda v: total(v) * v, axis_name="i")
        slopes = fx.vjp(each_value, XS)[1](np.ones(3))[0]
        expected = 10 * XS.mean() + XS.sum()
        np.testing.assert_allclose(slopes, np.full(3, expected), rtol=1e-12)


def test_custom_gradient_of_several_arguments():
    f = fx.custom_gradient(lambda x, y: ((x * y, y), lambda g: (10 * y * g[0], g[1] + x * g[0])))
    g = fx.grad(lambda x, y: f(x, y)[0] + f(x, y)[1], (0, 1))
    for transform in (lambda g: g, fx.jit):
        assert [float(v) for v in transform(g)(2.0, 3.0)] == [30.0, 3.0]
    dx, _ = fx.vmap(g)(XS, XS)
    np.testing.assert_allclose(dx, 10 * XS)
    assert float(fx.grad(lambda y: g(2.0, y)[0])(3.0)) == 10.0


def test_methods():
    class Model:
        scale = 3.0

        @functools.partial(fx.custom_jvp, nondiff_argnums=(0,))
        def f(self, x):
            return self.scale * x

        @f.defjvp
        def _rule(self, primals, tangents):
            return self.f(*primals), 100.0 * tangents[0]

    assert float(Model().f(2.0)) == 6.0 and float(fx.grad(Model().f)(2.0)) == 100.0


# ------------------------------------------------------------------ errors
def jvp_of(rule):
    f = fx.custom_jvp(lambda x: x)
    f.defjvp(rule)
    return lambda: fx.grad(f)(1.0)


def vjp_of(fwd, bwd):
    f = fx.custom_vjp(lambda x, y: x)
    f.defvjp(fwd, bwd)
    return lambda: fx.grad(f)(1.0, 2.0)


fine = lambda x, y: (x, None)
ERRORS = [
    (lambda: fx.custom_jvp(3), FxTypeError, "custom_jvp expects a function"),
    (lambda: fx.custom_jvp(lambda x: x)(1.0), FxTypeError, "has no rule"),
    (lambda: fx.custom_vjp(lambda x: x)(1.0), FxTypeError, "has no rules"),
    (lambda: sin7("text"), FxTypeError, "got str"),
    (lambda: sin7(1.0, 2.0, y=3.0), FxTypeError, "custom_jvp of sin7"),
    (lambda: apply_jvp(jnp.sin), FxTypeError, "missing"),
    (jvp_of(lambda p, t: p[0]), FxTypeError, "must return a pair (out, tangent_out)"),
    (jvp_of(lambda p, t: (p[0], jnp.ones(2))), ShapeError, "got f32[2]"),
    (jvp_of(lambda p, t: (p[0], (t[0],))), TreeError, "the structure of the result"),
    (jvp_of(lambda p, t: (p[0], jnp.float16(1))), ShapeError, "got f16[]"),
    (vjp_of(lambda x, y: x, None.__class__), FxTypeError, "must return a pair (out, residuals)"),
    (vjp_of(fine, lambda r, g: (g,)), FxTypeError, "a tuple of 2 cotangents"),
    (vjp_of(fine, lambda r, g: g), FxTypeError, "a tuple of 2 cotangents"),
    (vjp_of(fine, lambda r, g: (jnp.ones(3), g)), ShapeError, "must have its shape, got f32[3]"),
    (vjp_of(fine, lambda r, g: ({"a": g}, g)), TreeError, "structure of its argument"),
    (lambda: fx.custom_gradient(lambda x: x)(1.0), FxTypeError, "a pair (value, rule)"),
    (lambda: fx.custom_gradient(lambda x: (x, x))(1.0), FxTypeError, "a pair (value, rule)"),
    (
        lambda: fx.custom_jvp(lambda x: x, nondiff_argnums=(2,)).defjvps(None),
        FxTypeError,
        "use defjvp instead",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "call, kind, words", ERRORS, ids=[re.sub(r"\W+", "-", w) for *_, w in ERRORS]
)
def test_errors(call, kind, words):
    with pytest.raises(kind, match=re.escape(words)) as caught:
        call()
    assert isinstance(caught.value, FxError)
    assert caught.traceback[-1].path.name == "test_custom.py"


def test_nondiff_argnums_out_of_range():
    f = fx.custom_jvp(lambda x: x, nondiff_argnums=(2,))
    f.defjvp(lambda n, p, t: (p[0], t[0]))
    with pytest.raises(FxValueError, match="nondiff_argnums has 2, but there are 1"):
        f(1.0)
