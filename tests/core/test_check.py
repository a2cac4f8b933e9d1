"""check_jaxpr finds each kind of ill-formed program, and says where it is."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from fx.core.array import Array, to_array
from fx.core.avals import ShapedArray
from fx.core.check import check_jaxpr
from fx.core.ir import Eqn, Jaxpr, Literal, Var, subjaxprs
from fx.core.primitive import P
from fx.errors import FxError, FxTypeError, JaxprTypeError, ShapeError

F3 = ShapedArray((3,), np.dtype("float32"))
F2 = ShapedArray((2,), np.dtype("float32"))
I3 = ShapedArray((3,), np.dtype("int32"))
a, b, c, d = Var(F3), Var(F3), Var(F3), Var(F3)
ONE = Literal(to_array(1.0), ShapedArray((), np.dtype("float32"), True))


def test_well_formed_programs_pass():
    check_jaxpr(Jaxpr([a], [a], []))
    check_jaxpr(Jaxpr([a, b], [c, ONE], [Eqn(P.add, (a, b), (c,), {})]))
    check_jaxpr(Jaxpr([a], [c], [Eqn(P.mul, (a, ONE), (c,), {})]))
    check_jaxpr(Jaxpr([], [a], [], [a], [jnp.ones(3)]))
    weak = Var(F3.update(weak_type=True))  # weakness takes no part in the checks
    check_jaxpr(Jaxpr([a], [weak], [Eqn(P.sin, (a,), (weak,), {})]))


@pytest.mark.parametrize(
    "jaxpr, text",
    [
        (Jaxpr([a, a], [a], []), "input .* is defined twice"),
        (Jaxpr([ONE], [], []), "input must be a Var"),
        (Jaxpr([a], [b], []), "result uses .* before its definition"),
        (Jaxpr([a], [c], [Eqn(P.add, (a, b), (c,), {})]), "equation add .* uses"),
        (
            Jaxpr([a], [c], [Eqn(P.neg, (b,), (c,), {}), Eqn(P.sin, (a,), (b,), {})]),
            "equation neg .* uses .* before its definition",
        ),
        (
            Jaxpr([a], [b], [Eqn(P.neg, (a,), (b,), {}), Eqn(P.sin, (a,), (b,), {})]),
            "result of equation sin .* is defined twice",
        ),
        (Jaxpr([a], [a], [Eqn(P.neg, (a,), (a,), {})]), "is defined twice"),
        (Jaxpr([a], [], [Eqn(P.neg, (a,), (b, c), {})]), "2 results, expected 1"),
        (
            Jaxpr([a], [], [Eqn(P.split, (a,), (b,), {"sizes": (1, 2), "dimension": 0})]),
            "1 results, expected 2",
        ),
        (
            Jaxpr([a], [], [Eqn(P.neg, (a,), (Var(F2),), {})]),
            r"result has type f32\[2\], the primitive infers f32\[3\]",
        ),
        (
            Jaxpr([a], [], [Eqn(P.neg, (a,), (Var(I3),), {})]),
            r"result has type i32\[3\], the primitive infers f32\[3\]",
        ),
        (Jaxpr([], [], [], [a], [jnp.ones(2)]), r"constant of type f32\[2\]"),
        (Jaxpr([], [], [], [a], [jnp.ones(3, "int32")]), r"constant of type i32\[3\]"),
        (Jaxpr([], [], [], [a, a], [jnp.ones(3)] * 2), "constant .* is defined twice"),
        (
            Jaxpr([], [Literal(jnp.ones(3), F3)], []),
            "result: literal .* does not have its own type",
        ),
        (
            Jaxpr([], [Literal(Array(np.asarray(1)), ONE.aval)], []),
            "literal .* does not have its own type",
        ),
    ],
)
def test_ill_formed_programs_are_found(jaxpr, text):
    with pytest.raises(JaxprTypeError, match=text):
        check_jaxpr(jaxpr)


def test_operands_that_the_primitive_refuses_are_found():
    for operands, kind in [((a, Var(F2)), ShapeError), ((a, Var(I3)), FxTypeError)]:
        with pytest.raises(kind, match="add expects operands"):
            check_jaxpr(Jaxpr(list(operands), [], [Eqn(P.add, operands, (c,), {})]))


def test_as_many_constants_as_variables_for_them():
    with pytest.raises(ValueError, match="zip"):
        check_jaxpr(Jaxpr([], [], [], [a], []))


# ------------------------------------------------------------------ programs inside programs
def spoiled(jaxpr):
    """The same program, whose first result is a variable that nothing defines."""
    return Jaxpr(
        jaxpr.invars,
        [Var(jaxpr.outvars[0].aval), *jaxpr.outvars[1:]],
        jaxpr.eqns,
        jaxpr.constvars,
        jaxpr.consts,
    )


CARRIERS = {
    "jit": lambda x: fx.jit(jnp.sin)(x),
    "cond": lambda x: lax.cond(True, jnp.sin, jnp.cos, x),
    "scan": lambda x: lax.scan(lambda c, v: (c + v, c), 0.0, x)[0],
    "while": lambda x: lax.while_loop(lambda v: v[0] < 3, lambda v: v * 2, x),
    "pmap": lambda x: fx.pmap(jnp.sin)(x[:1]),
    "checkpoint": lambda x: fx.checkpoint(jnp.sin)(x),
    "linear_solve": lambda x: lax.custom_linear_solve(
        lambda v: 2 * v, x, lambda matvec, b: b / 2, symmetric=True
    ),
    "custom_jvp_call": lambda x: fx.nn.relu(x),
}


def spoil(jaxpr, name):
    """Spoil the programs inside an equation of that name, wherever it is."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name != name:
            for inner in subjaxprs(eqn.params):
                spoil(inner, name)
            continue
        for key, value in list(eqn.params.items()):
            eqn.params[key] = spoil_value(value)


def spoil_value(value):
    if isinstance(value, Jaxpr):
        return spoiled(value)
    if isinstance(value, tuple) and subjaxprs({"": value}):
        items = [spoil_value(v) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


@pytest.mark.parametrize("name", CARRIERS)
def test_programs_inside_are_checked(name):
    jaxpr = fx.make_jaxpr(CARRIERS[name])(jnp.ones(3))
    check_jaxpr(jaxpr)
    spoil(jaxpr, name)
    with pytest.raises(JaxprTypeError, match=r"uses .* before its definition"):
        check_jaxpr(jaxpr)


@pytest.mark.parametrize("name", ["jit", "scan", "while", "cond"])
def test_operands_of_a_call_fit_the_program_inside(name):
    jaxpr = fx.make_jaxpr(CARRIERS[name])(jnp.ones(3))
    wide = fx.make_jaxpr(CARRIERS[name])(jnp.ones(4))
    for eqn, other in zip(jaxpr.eqns, wide.eqns, strict=True):
        if eqn.primitive.name == name:
            eqn.params.update(other.params)
    with pytest.raises(FxError):
        check_jaxpr(jaxpr)


def test_the_message_names_the_users_line():
    jaxpr = fx.make_jaxpr(lambda x: jnp.sin(x))(1.0)
    (eqn,) = jaxpr.eqns
    eqn.outvars = (Var(F2),)
    with pytest.raises(JaxprTypeError, match=rf"{__file__}:\d+ \(<lambda>\)"):
        check_jaxpr(jaxpr)


def test_enable_checks_checks_every_program():
    class Lies(type(P.sin)):
        def abstract_eval(self, *avals, **params):
            return ShapedArray((next(counter),), np.dtype("float32"))

    counter = iter(range(9))
    lies = Lies("lies", "sin", None)
    try:
        fx.make_jaxpr(lies)(1.0)
        with fx.enable_checks(), pytest.raises(JaxprTypeError, match="equation lies"):
            fx.make_jaxpr(lies)(1.0)
    finally:
        del P.table["lies"]
