"""A primitive of the user's own: one class with its rules, and everything works; without a rule,
an error says which method to write.
"""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.core.avals import ShapedArray
from fx.core.check import check_jaxpr
from fx.core.primitive import Linear, P, Primitive, lit
from fx.errors import MissingRuleError, ShapeError
from fx.ops.base import LinearUnary, Unary
from tests.laws import check_laws


class Weigh(Primitive):
    """weigh(x, y) = scale * x * y**2 summed over the last axis: linear in x, smooth in y."""

    name = "weigh"

    def abstract_eval(self, x, y, *, scale):
        if x.shape != y.shape or not x.shape:
            raise ShapeError(f"weigh expects operands of one shape, got {x.shape} and {y.shape}.")
        return ShapedArray(x.shape[:-1], x.dtype)

    def impl(self, xp, x, y, *, scale):
        return xp.asarray(scale * xp.sum(x * y * y, axis=-1), x.dtype)

    def jvp(self, primals, out, tangents, *, scale):
        (x, y), (tx, ty) = primals, tangents
        total = None
        if tx is not None:
            total = self(tx, y, scale=scale)
        if ty is not None:
            slope = P.reduce_sum(P.mul(P.mul(x, y), ty), axes=(x.ndim - 1,))
            slope = P.mul(slope, lit(slope, 2 * scale))
            total = slope if total is None else P.add(total, slope)
        return total

    def transpose(self, ct, x, y, *, scale):
        assert isinstance(x, Linear)
        kept = tuple(range(len(x.shape) - 1))
        full = P.broadcast_in_dim(ct, shape=x.shape, broadcast_dimensions=kept)
        return [P.mul(P.mul(full, lit(full, scale)), P.mul(y, y)), None]

    def batch(self, axis, args, dims, *, scale):
        full = [
            jnp.broadcast_to(x, (axis.size, *x.shape)) if d is None else jnp.moveaxis(x, d, 0)
            for x, d in zip(args, dims, strict=True)
        ]
        return self(*full, scale=scale), 0


@pytest.fixture
def registry():
    """The table of primitives, restored afterwards."""
    saved = dict(P.table)
    yield P
    for name in set(P.table) - set(saved):
        del P.table[name]
        P.__dict__.pop(name, None)
    assert P.table == saved


@pytest.fixture
def weigh(registry):
    return Weigh()


X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
Y = np.array([[1.0, 2.0, -0.5], [0.5, -1.5, 1.25]])


def by_hand(x, y):
    return 3 * (x * y * y).sum(-1)


def test_it_obeys_the_laws(weigh):
    check_laws(lambda x, y: weigh(x, y, scale=3), X, Y)


# Programs of a function f(x, y) of two matrices, to be computed with the primitive and by hand.
PROGRAMS = {
    "eager": lambda f: f(X, Y),
    "jit": lambda f: fx.jit(f)(X, Y),
    "nested jit": lambda f: fx.jit(lambda x, y: fx.jit(f)(x, y) * 2)(X, Y),
    "vmap": lambda f: fx.vmap(f)(X[:, None], Y[:, None]),
    "vmap of one": lambda f: fx.vmap(f, in_axes=(None, 1))(X, np.stack([Y, 2 * Y], 1)),
    "grad": lambda f: fx.grad(lambda x, y: f(x, y).sum(), argnums=(0, 1))(X, Y),
    "jvp": lambda f: fx.jvp(f, (X, Y), (Y, X)),
    "vjp": lambda f: fx.vjp(f, X, Y)[1](np.array([1.0, 2.0])),
    "linearize": lambda f: fx.linearize(f, X, Y)[1](Y, X),
    "linear_transpose": lambda f: fx.linear_transpose(lambda x: f(x, Y), X)(np.array([1.0, 2.0])),
    "jacfwd": lambda f: fx.jacfwd(f)(X, Y),
    "jacrev": lambda f: fx.jacrev(f, argnums=1)(X, Y),
    "hessian": lambda f: fx.hessian(lambda y: f(X, y).sum())(Y),
    "grad of grad": lambda f: fx.grad(lambda y: fx.grad(lambda z: f(X, z).sum())(y).sum())(Y),
    "jit of grad of vmap": lambda f: fx.jit(fx.grad(lambda x: fx.vmap(f)(x, Y[None]).sum()))(
        X[None]
    ),
    "vmap of grad": lambda f: fx.vmap(fx.grad(lambda x, y: f(x, y).sum()))(X[:, None], Y[:, None]),
    "checkpoint": lambda f: fx.grad(lambda x: fx.checkpoint(f)(x, Y).sum())(X),
    "scan": lambda f: lax.scan(lambda c, xy: (c + f(*xy), c), 0.0, (X, Y)),
    "grad of scan": lambda f: fx.grad(
        lambda x: lax.scan(lambda c, xy: (c + f(*xy), c), 0.0, (x, Y))[0]
    )(X),
    "while": lambda f: lax.while_loop(lambda x: (x < 9).all(), lambda x: x - f(X, Y).sum(), X),
    "cond": lambda f: fx.vmap(lambda p, x, y: lax.cond(p, f, lambda x, y: f(y, x), x, y))(
        np.array([True, False]), X, Y
    ),
    "pmap": lambda f: fx.pmap(f)(X, Y),
    "pmap of grad": lambda f: fx.pmap(fx.grad(f))(X, Y),
    "grad of pmap": lambda f: fx.grad(lambda x: fx.pmap(f)(x, Y).sum())(X),
    "vmap of pmap": lambda f: fx.vmap(fx.pmap(f))(X[None], Y[None]),
    "jit of pmap": lambda f: fx.jit(fx.pmap(f))(X, Y),
    "disable_jit": lambda f: _without_jit(lambda: fx.jit(f)(X, Y)),
    "eval_shape": lambda f: fx.eval_shape(f, X, Y).shape,
}


def _without_jit(run):
    with fx.disable_jit():
        return run()


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_works_under_every_transformation(weigh, name):
    with fx.enable_checks():
        got = PROGRAMS[name](lambda x, y: weigh(x, y, scale=3))
    expected = PROGRAMS[name](lambda x, y: 3 * (x * y * y).sum(-1))
    assert fx.tree.structure(got) == fx.tree.structure(expected)
    for a, b in zip(fx.tree.leaves(got), fx.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_it_prints_and_checks(weigh):
    jaxpr = fx.make_jaxpr(lambda x, y: weigh(x, y, scale=3))(X, Y)
    assert "c:f64[2] = weigh[scale=3] a b" in str(jaxpr)
    check_jaxpr(jaxpr)
    with pytest.raises(ShapeError, match="weigh expects"):
        weigh(X, Y[:1], scale=3)
    with pytest.raises(ShapeError, match="weigh expects"):
        fx.jit(lambda x, y: weigh(x, y, scale=3))(X, Y[:1])


def test_families_take_one_line(registry):
    softplus = Unary(
        "my_softplus",
        lambda xp, x: xp.log1p(xp.exp(x)),
        lambda t, x, out: P.mul(t, P.logistic(x)),
        "f",
    )
    twice = LinearUnary("my_twice", lambda xp, x: 2 * x, lambda ct, x: P.mul(ct, lit(ct, 2)))
    for f in (softplus, twice, lambda x: twice(softplus(x))):
        check_laws(f, X)
        check_laws(f, np.array(0.5))
    assert P.my_twice is twice


# ------------------------------------------------------------------ rules that are missing
class Bare(Primitive):
    name = "bare"

    def abstract_eval(self, x):
        return x

    def impl(self, xp, x):
        return 2 * x


class WithTangent(Bare):
    def jvp(self, primals, out, tangents):
        return self(tangents[0])


@pytest.mark.parametrize(
    "kind, use, transform, method",
    [
        (Primitive, lambda p: p(X), "tracing", "abstract_eval(self, *avals, **params)"),
        (Primitive, lambda p: fx.jit(p)(X), "tracing", "abstract_eval"),
        (Bare, lambda p: fx.jvp(p, (X,), (X,)), "jvp and grad", "jvp(self, primals, out, tangents"),
        (Bare, lambda p: fx.grad(lambda x: p(x).sum())(X), "jvp and grad", "jvp"),
        (Bare, lambda p: fx.jit(fx.grad(lambda x: p(x).sum()))(X), "jvp and grad", "jvp"),
        (Bare, lambda p: fx.vmap(p)(X), "vmap", "batch(self, axis, args, dims, **params)"),
        (Bare, lambda p: fx.jit(fx.vmap(p))(X), "vmap", "batch"),
        (Bare, lambda p: fx.vmap(fx.jit(p))(X), "vmap", "batch"),
        (Bare, lambda p: lax.scan(lambda c, x: (c, fx.vmap(p)(x)), 0, X[None]), "vmap", "batch"),
        (
            WithTangent,
            lambda p: fx.grad(lambda x: p(x).sum())(X),
            "transposition (grad)",
            "transpose(self, ct, *args, **params)",
        ),
        (WithTangent, lambda p: fx.vjp(p, X)[1](X), "transposition (grad)", "transpose"),
        (WithTangent, lambda p: fx.linear_transpose(p, X)(X), "transposition (grad)", "transpose"),
    ],
)
def test_a_missing_rule_names_primitive_transformation_and_method(
    registry, kind, use, transform, method
):
    primitive = kind("incomplete")
    with pytest.raises(MissingRuleError) as raised:
        use(primitive)
    text = str(raised.value)
    assert f"primitive 'incomplete' has no rule for {transform}. Write the method" in text
    assert f"{kind.__name__}.{method}" in text
    if kind is not Primitive:  # what there is a rule for works still
        np.testing.assert_array_equal(fx.jit(primitive)(X), 2 * X)


def test_a_missing_implementation(registry):
    class Abstract(Primitive):
        def abstract_eval(self, x):
            return x

    with pytest.raises(MissingRuleError, match=r"no rule for evaluation.*Abstract\.impl"):
        Abstract("incomplete")(X)


def test_unknown_primitives():
    with pytest.raises(AttributeError, match="no primitive named 'sine'"):
        P.sine(X)
