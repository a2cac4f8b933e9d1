"""Printing and re-reading a program keeps it: its text, its types, and what it computes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import dtypes, lax
from fx.backends.numpy import NumpyBackend
from fx.core.array import Array, to_array
from fx.core.check import check_jaxpr
from fx.core.ir import Eqn, Jaxpr, Literal, Var
from fx.core.parse import parse_jaxpr
from fx.core.pretty import pretty
from fx.core.primitive import P
from fx.dtypes import table
from fx.errors import FxTypeError, FxValueError
from fx.transforms.jvp import jvp_jaxpr
from fx.transforms.linearize import linearize_jaxpr
from fx.transforms.stage import stage
from tests.calls.programs import FX
from tests.calls.programs import TABLE as PROGRAMS
from tests.laws import flat, is_active
from tests.op_table import TABLE, traced

DATA = [row for row in TABLE if row.data]


def run(jaxpr, arrays):
    return NumpyBackend().compile(jaxpr)([x._data for x in arrays])


def reread(jaxpr):
    """The program that is read from a program's text, which must be the same."""
    text = pretty(jaxpr, max_const=1000)
    again = parse_jaxpr(text)
    assert pretty(again, max_const=1000) == text
    check_jaxpr(again)
    assert again.in_avals == jaxpr.in_avals and again.out_avals == jaxpr.out_avals
    same_parameters(jaxpr, again)
    return again


def same_parameters(a, b):
    for x, y in zip(a.eqns, b.eqns, strict=True):
        assert x.primitive is y.primitive
        assert x.params.keys() == y.params.keys()
        for key, value in x.params.items():
            same_value(value, y.params[key])


def same_value(a, b):
    assert type(a) is type(b)
    if isinstance(a, Jaxpr):
        same_parameters(a, b)
    elif isinstance(a, (tuple, list)):
        for x, y in zip(a, b, strict=True):
            same_value(x, y)
    else:
        assert a == b or (a != a and b != b)


def check_reading(jaxpr, arrays):
    for out, again in zip(run(jaxpr, arrays), run(reread(jaxpr), arrays), strict=True):
        assert out.dtype == again.dtype
        np.testing.assert_array_equal(out, again)


@pytest.mark.parametrize("row", DATA, ids=str)
def test_every_primitive(row):
    for number in range(len(row.examples)):
        for dtype in row.law_dtypes:
            arrays = row.arguments(number, dtype)
            check_reading(traced(row, arrays), arrays)
    weak = [Array(x._data, x.dtype == np.float64) for x in arrays]
    reread(traced(row, weak))


@pytest.mark.parametrize("row", [row for row in DATA if row.wrt is None], ids=str)
def test_derivatives(row):
    arrays = row.arguments(0, row.law_dtypes[0])
    active = [is_active(x) and i not in row.no_derivative for i, x in enumerate(arrays)]
    if not any(active):
        return
    jaxpr = traced(row, arrays)
    reread(jvp_jaxpr(jaxpr, active)[0])
    halves = linearize_jaxpr(jaxpr, active)
    reread(halves.forward)
    reread(halves.linear)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_control_flow(program):
    arrays = [to_array(x) for x in program.args]
    try:
        jaxpr = stage(
            flat(lambda *xs: fx.tree.leaves(program.make(FX)(*xs))), [x.aval for x in arrays]
        )
        text = pretty(jaxpr, max_const=1000)
    except fx.errors.FxError:
        pytest.skip("needs concrete values")
    if "<function" in text or "<object" in text:
        with pytest.raises(FxTypeError, match="a Python object"):
            parse_jaxpr(text)
    else:
        check_reading(jaxpr, arrays)


@pytest.mark.parametrize("row", [r for r in TABLE if not r.data and r.visible], ids=str)
def test_programs_with_functions_are_refused(row):
    text = str(traced(row, row.arguments(0, row.law_dtypes[0])))
    with pytest.raises(FxTypeError, match=r"holds <(function|object) .*>, a Python object"):
        parse_jaxpr(text)


# ------------------------------------------------------------------ numbers, types, names
@given(
    st.data(), st.sampled_from([d for d in table.KIND if table.KIND[d] in "biufc"]), st.booleans()
)
def test_literals_keep_every_bit(data, dtype, weak):
    bits = data.draw(st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize))
    value = np.frombuffer(bits, np.uint8) & 1 if dtype.kind == "b" else np.frombuffer(bits, dtype)
    value = value.astype(dtype).reshape(())
    x = Array(value, weak)
    again = reread(Jaxpr([], [Literal(x, x.aval)], [])).outvars[0]
    assert again.aval == x.aval
    if dtypes.is_inexact(dtype) and np.isnan(value):
        assert np.isnan(again.val)
    else:
        assert again.val.tobytes() == value.tobytes()


@given(st.data(), st.sampled_from([d for d in table.KIND if table.KIND[d] in "biufck"]))
def test_small_constants_keep_their_values(data, dtype):
    shape = data.draw(st.sampled_from([(), (3,), (0, 2), (2, 2)]))
    count = dtype.itemsize * int(np.prod(shape))
    raw = np.frombuffer(data.draw(st.binary(min_size=count, max_size=count)), np.uint8)
    values = (raw & 1).astype(bool) if dtype.kind == "b" else raw.view(dtype)
    x = Array(values.reshape(shape))
    var = Var(x.aval)
    (again,) = reread(Jaxpr([], [var], [], [var], [x])).consts
    assert again.aval == x.aval
    if dtypes.is_key(dtype):
        assert again._data.tobytes() == x._data.tobytes()
    elif dtypes.is_floating(dtype):  # NumPy does not know the NaNs of narrow floats
        wide = [a._data.astype(np.float64) for a in (again, x)]
        np.testing.assert_array_equal(*wide)
    else:
        np.testing.assert_array_equal(again._data, x._data)


def test_large_constants_are_asked_for():
    big = np.arange(100.0)
    jaxpr = fx.make_jaxpr(lambda x: x + big)(np.ones(100))
    assert "lambda a:f64[100]; b" in str(jaxpr)
    with pytest.raises(FxValueError, match=r"line 1.*constant of type f64\[100\].*max_const="):
        parse_jaxpr(str(jaxpr))
    again = parse_jaxpr(pretty(jaxpr, max_const=100))
    np.testing.assert_array_equal(again.consts[0], big)


PARAMETERS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.complex_numbers(),
        st.text(),
        st.sampled_from(["f32", "in", "None", "nan", "<lambda>", "it's", "a b", "x.y", "", "f(x)"]),
        st.sampled_from(sorted(table.KIND, key=str)),
        st.builds(
            fx.ShapedArray,
            st.tuples(st.integers(0, 9)),
            st.just(np.dtype("float32")),
            st.booleans(),
        ),
        st.floats(width=32).map(np.float32),
        st.integers(-9, 9).map(np.int8),
        st.sampled_from(list(lax.GatherScatterMode)),
        st.sampled_from(list(lax.Precision)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.tuples(inner, inner, inner).map(lambda t: lax.ScatterDimensionNumbers(*t)),
    ),
    max_leaves=6,
)


@given(PARAMETERS)
def test_parameters_keep_their_types_and_values(value):
    var = Var(to_array(1.0).aval)
    jaxpr = Jaxpr([var], [], [Eqn(P.sin, [var], [Var(var.aval)], {"p": value, "q": 1})])
    text = str(jaxpr)
    again = parse_jaxpr(text)
    same_value(value, again.eqns[0].params["p"])
    assert again.eqns[0].params["q"] == 1 and str(again) == text


def test_names_of_variables_are_no_words_of_the_notation():
    def many(x):
        for _ in range(1000):
            x = jnp.sin(x)
        return x

    jaxpr = fx.make_jaxpr(many)(1.0)
    assert " in:" not in str(jaxpr) and " ii:" in str(jaxpr)
    assert len(reread(jaxpr).eqns) == 1000


def test_sources_are_skipped():
    jaxpr = fx.make_jaxpr(lambda x: jnp.sin(x) * 2)(1.0)
    assert str(parse_jaxpr(pretty(jaxpr, source=True))) == str(jaxpr)


def test_effects_without_results():
    var = Var(to_array(1.0).aval)
    jaxpr = Jaxpr([var], [var], [Eqn(P.sin, [var], [], {}), Eqn(P.cos, [var], [], {})])
    assert str(jaxpr) == "{ lambda ; a:~f32[]. let = sin a; = cos a in (a,) }"
    assert len(parse_jaxpr(str(jaxpr)).eqns) == 2


def test_programs_of_jax_can_be_read():
    jax = pytest.importorskip("jax")
    jaxpr = jax.make_jaxpr(lambda x, y: jax.numpy.sin(x) * y)(np.ones(3, "f"), np.ones(3, "f"))
    again = parse_jaxpr(str(jaxpr))
    (out,) = run(again, [to_array(np.ones(3, "f")), to_array(np.full(3, 2, "f"))])
    np.testing.assert_allclose(out, 2 * np.sin(np.ones(3, "f")))


# ------------------------------------------------------------------ text that is no program
GOOD = "{ lambda ; a:f32[3]. let b:f32[3] = mul a 2.0:f32[] in (b,) }"


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "expected '{'"),
        (GOOD[:-1], "expected '}'"),
        (GOOD + " }", "more text"),
        (GOOD.replace("mul", "multiply"), "no primitive named 'multiply'"),
        (GOOD.replace("mul a", "mul c"), "the variable c is not defined"),
        (GOOD.replace("b:f32[3] =", "a:f32[3] ="), "the variable a is defined twice"),
        (GOOD.replace("a:f32[3].", "a:f32[3] a:f32[3]."), "the variable a is defined twice"),
        (GOOD.replace("a:f32[3]", "a:float"), "a type such as"),
        (GOOD.replace("mul", "mul[x=Unknown(y=1)]"), "Unknown is not a class that can be read"),
        (GOOD.replace("mul", "mul[x=Mode.CLIP]"), "Mode.CLIP is not a member"),
        (GOOD.replace("mul", "mul[x=]"), "expected the value of a parameter"),
        (GOOD.replace("mul", "mul[1=x]"), "expected the name of a parameter"),
        (GOOD.replace("2.0", "$"), "no part of the notation"),
        (GOOD.replace("lambda ;", "lambda c:f32[2]=[1.0]; "), "1 values for a constant"),
    ],
)
def test_what_is_no_program_is_refused_with_its_place(text, problem):
    with pytest.raises(FxValueError, match="parse_jaxpr, line 1") as raised:
        parse_jaxpr(text)
    assert problem in str(raised.value)


def test_the_line_of_an_error_and_other_arguments():
    text = str(fx.make_jaxpr(lambda x: jnp.sin(jnp.cos(jnp.tan(x))))(1.0))
    with pytest.raises(FxValueError, match=r"line 3, at 'cosine .*'"):
        parse_jaxpr(text.replace("cos ", "cosine "))
    with pytest.raises(FxTypeError, match="expects a string"):
        parse_jaxpr(fx.make_jaxpr(jnp.sin)(1.0))
