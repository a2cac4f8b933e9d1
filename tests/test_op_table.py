"""The laws that hold for every primitive, over the op table; and the table is complete."""

import numpy as np
import pytest

import fx
from fx import dtypes
from fx.backends.numpy import NumpyBackend
from fx.core.array import Array
from fx.core.check import check_jaxpr
from fx.core.interpret import eval_jaxpr
from fx.core.primitive import Linear, P, Primitive
from fx.core.trace import state
from fx.dtypes import table
from fx.errors import FxError
from fx.ops.base import in_domain
from fx.transforms.jvp import jvp_flat
from fx.transforms.stage import stage
from fx.transforms.transpose import backward_pass
from fx.transforms.vmap import vmap_flat
from tests.laws import (
    assert_close,
    check_jit,
    check_jvp,
    check_transpose,
    check_vmap,
    difference,
    flat,
    is_active,
    numbers,
    random_like,
)
from tests.op_table import TABLE, primitives_in, traced


def rows(wanted=lambda row: True):
    """For each row that something holds for."""
    return pytest.mark.parametrize("row", [row for row in TABLE if wanted(row)], ids=str)


ALL = rows()


def run(jaxpr, arrays):
    outs = NumpyBackend().compile(jaxpr)([x._data for x in arrays])
    return [
        Array(np.asarray(o), v.aval.weak_type) for o, v in zip(outs, jaxpr.outvars, strict=True)
    ]


WEAK = (table.INT32, table.FLOAT32, table.COMPLEX64)  # the dtypes of Python's numbers


def same(a, b):
    """Equal to the last bit, with the same type."""
    assert a.aval == b.aval
    np.testing.assert_array_equal(a._data, b._data)


def active(row, number, dtype=None):
    """Positions of the arguments that have derivatives."""
    arrays = row.arguments(number, dtype or row.law_dtypes[0])
    found = [i for i, x in enumerate(arrays) if is_active(x)]
    return found if row.wrt is None else [i for i in found if i in row.wrt]


# ------------------------------------------------------------------ the table is complete
def test_every_primitive_has_a_row():
    assert set(P.table) - {row.primitive for row in TABLE} == set()


def test_names_of_rows_are_distinct():
    names = [str(row) for row in TABLE]
    assert len(names) == len(set(names))


@rows(lambda row: row.visible)
def test_the_program_of_a_row_contains_its_primitive(row):
    jaxpr = traced(row, row.arguments(0, row.law_dtypes[0]))
    assert row.primitive in primitives_in(jaxpr)


def defines(primitive, *methods):
    kind = type(primitive)
    return any(getattr(kind, m) is not getattr(Primitive, m) for m in methods)


@pytest.mark.parametrize("name", sorted(P.table))
def test_rules_are_there(name):
    primitive, rows = P.table[name], [row for row in TABLE if row.primitive == name]
    assert defines(primitive, "abstract_eval"), "abstract_eval"
    assert defines(primitive, "impl"), "impl"
    if any(row.mapped for row in rows):
        assert defines(primitive, "batch"), "batch"
    if any(row.finite_differences and active(row, 0) for row in rows):
        assert defines(primitive, "jvp", "jvp_call"), "jvp"
    # What is linear has a transpose rule, and what has one says so in its rows. A pmax shares
    # the class of psum.
    linear = any(row.linear for row in rows)
    assert linear == defines(primitive, "transpose") or name in ("pmax", "pmin"), "transpose"


# ------------------------------------------------------------------ values and types
@ALL
def test_types_are_those_of_abstract_evaluation_in_every_dtype(row):
    for number in range(len(row.examples)):
        for dtype in row.dtypes:
            arrays = row.arguments(number, dtype)
            for weak in (False, True):
                args = [Array(x._data, weak and x.dtype in WEAK) for x in arrays]
                jaxpr = traced(row, args)
                check_jaxpr(jaxpr)
                outs = flat(row.function)(*args)
                for out, staged, var in zip(outs, run(jaxpr, args), jaxpr.outvars, strict=True):
                    assert out.aval == var.aval, (dtype, weak, out.aval, var.aval)
                    same(out, staged)


@rows(lambda row: row.refused)
def test_other_dtypes_are_refused(row):
    letters = {"b": table.BOOL, "i": table.INT32, "f": table.FLOAT32, "c": table.COMPLEX64}
    for letter, dtype in letters.items():
        arrays = row.arguments(0, dtype)
        if letter in row.kinds or any(in_domain(x.dtype, row.kinds) for x in arrays):
            continue
        with pytest.raises(TypeError, match=row.primitive) as raised:
            row.function(*arrays)
        assert isinstance(raised.value, FxError)


@ALL
def test_jit_and_jaxpr(row):
    for number in range(len(row.examples)):
        for dtype in row.law_dtypes:
            arrays = row.arguments(number, dtype)
            check_jit(row.function, *arrays)
            function = flat(row.function)
            jitted = fx.jit(function)(*arrays)
            evaluated = eval_jaxpr(fx.make_jaxpr(function)(*arrays), arrays)
            for out, a, b in zip(function(*arrays), jitted, evaluated, strict=True):
                same(out, a)
                same(out, b)


@ALL
def test_layout_in_memory_does_not_matter(row):
    for number in range(len(row.examples)):
        for dtype in row.law_dtypes:
            arrays = row.arguments(number, dtype)
            expected = flat(row.function)(*arrays)
            for layout in (fortran, strided, reversed_, broadcast):
                moved = [Array(layout(x._data)) for x in arrays]
                if layout is broadcast:
                    plain = [Array(x._data.copy()) for x in moved]
                    expected = flat(row.function)(*plain)
                before = [x._data.copy() for x in moved]
                for out, other in zip(flat(row.function)(*moved), expected, strict=True):
                    assert out.aval == other.aval
                    assert_close(out, other, 1e-12, 1e-12)
                for x, y in zip(moved, before, strict=True):
                    np.testing.assert_array_equal(x._data, y)


def fortran(x):
    return np.array(x, order="F")


def strided(x):
    wide = np.empty((*x.shape, 2), x.dtype)
    wide[..., 0] = x
    return wide[..., 0]


def reversed_(x):
    turn = (slice(None, None, -1),) * x.ndim
    return np.asarray(np.asarray(x[turn]).copy()[turn])


def broadcast(x):
    """All elements equal to the first, with strides of 0."""
    return x if not x.size else np.broadcast_to(x.reshape(-1)[0], x.shape)


# ------------------------------------------------------------------ vmap
@rows(lambda row: row.mapped)
def test_vmap(row):
    for number in range(len(row.examples)):
        for dtype in row.law_dtypes:
            arrays = row.arguments(number, dtype)

            def vary(i, x, seed, number=number, dtype=dtype):
                return row.arguments(number, dtype, seed=seed + 1)[i]

            check_vmap(row.function, *arrays, vary=vary, size=2, all_axes=False)
        # An empty axis, and the type checker's view of the mapped program.
        wide = [Array(np.stack([x._data] * 3)) for x in arrays]
        for count in (0, 3):
            args = [Array(x._data[:count]) for x in wide]

            def mapped(*xs, count=count):
                outs, dims = vmap_flat(flat(row.function), xs, [0] * len(xs), size=count)
                return [o for o, d in zip(outs, dims, strict=True) if d is not None]

            jaxpr = stage(mapped, [x.aval for x in args])
            check_jaxpr(jaxpr)
            for out, var in zip(run(jaxpr, args), jaxpr.outvars, strict=True):
                assert out.aval.same_type(var.aval)


# ------------------------------------------------------------------ derivatives
def restricted(row, arrays, positions):
    """The function of some arguments only."""

    def function(*chosen):
        args = list(arrays)
        for i, x in zip(positions, chosen, strict=True):
            args[i] = x
        return row.function(*args)

    return function, [arrays[i] for i in positions]


@rows(lambda row: any(active(row, i) for i in range(len(row.examples))))
def test_derivatives(row):
    for number in range(len(row.examples)):
        for dtype in row.law_dtypes:
            positions = active(row, number, dtype)
            if not positions:
                continue
            arrays = row.arguments(number, dtype)
            f, args = restricted(row, arrays, positions)
            if row.finite_differences:
                check_jvp(f, *args, rtol=row.tolerance, atol=row.tolerance)
            check_transpose(f, *args, rtol=row.tolerance / 10, atol=row.tolerance / 10)

            # The type checker's view of jvp, vmap of jvp, and jvp of vmap.
            def tangent(*xs, f=f):
                half = len(xs) // 2
                outs, touts = jvp_flat(flat(f), xs[:half], xs[half:])
                return [*outs, *(t for t in touts if t is not None)]

            directions = [random_like(x, i) for i, x in enumerate(args)]
            check_jaxpr(stage(tangent, [x.aval for x in (*args, *directions)]))
            check_vmap(tangent, *args, *directions, size=2, all_axes=False, all_subsets=False)


@rows(lambda row: row.finite_differences and row.twice and active(row, 0))
def test_second_derivatives(row):
    for number in range(len(row.examples)):
        for dtype in row.law_dtypes:
            positions = active(row, number, dtype)
            if not positions:
                continue
            f, args = restricted(row, row.arguments(number, dtype), positions)
            directions = [random_like(x, i) for i, x in enumerate(args)]

            def slope(*xs, f=f, directions=directions):
                _, touts = jvp_flat(flat(f), xs, directions)
                return [t for t in touts if t is not None]

            if slope(*args):
                check_twice(slope, args, row.tolerance * 10)


def check_twice(slope, args, tolerance):
    directions = [random_like(x, 20 + i) for i, x in enumerate(args)]
    step = 1e-5
    _, tangents = jvp_flat(slope, args, directions)
    moved = [
        slope(
            *[
                Array(np.asarray(x._data + s * d._data))
                for x, d in zip(args, directions, strict=True)
            ]
        )
        for s in (step, -step)
    ]
    for tangent, ahead, behind in zip(tangents, *moved, strict=True):
        expected = difference(ahead, behind) / (2 * step)
        got = np.zeros_like(expected) if tangent is None else numbers(tangent)
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@rows(lambda row: row.no_derivative)
def test_derivatives_that_do_not_exist_are_refused(row):
    for position in row.no_derivative:
        arrays = row.arguments(0, row.law_dtypes[0])
        f, args = restricted(row, arrays, [position])
        with pytest.raises(FxError):
            jvp_flat(flat(f), args, [random_like(x, 0) for x in args])
        assert state.level == 0


@rows(lambda row: row.linear)
def test_linearity(row):
    for number in range(len(row.examples)):
        for dtype in row.law_dtypes:
            if not dtypes.is_inexact(dtype):
                continue
            for group in row.linear:
                arrays = row.arguments(number, dtype)
                f, u = restricted(row, arrays, group)
                v = [random_like(x, 3 + i) for i, x in enumerate(u)]
                check_linear(flat(f), u, v)


def check_linear(f, u, v):
    """f(3u - v/2) = 3 f(u) - f(v)/2, and <c, f(u)> = <f^T(c), u>."""
    both = [Array(np.asarray(3 * a._data - b._data / 2)) for a, b in zip(u, v, strict=True)]
    for out, a, b in zip(f(*both), f(*u), f(*v), strict=True):
        expected = 3 * numbers(a) - numbers(b) / 2
        np.testing.assert_allclose(numbers(out), expected, rtol=1e-9, atol=1e-9)
    outs = f(*u)
    jaxpr = stage(f, [x.aval for x in u])
    cts = [random_like(o, 9 + i) for i, o in enumerate(outs)]

    def back(*cts):
        return [
            ct
            for ct in backward_pass(jaxpr, [Linear(a) for a in jaxpr.in_avals], cts)
            if ct is not None
        ]

    check_jaxpr(stage(back, [c.aval for c in cts]))
    results = backward_pass(jaxpr, [Linear(a) for a in jaxpr.in_avals], cts)
    for ct, x in zip(results, u, strict=True):
        assert ct is None or ct.aval.same_type(x.aval)
    left = sum(np.sum(numbers(c) * numbers(o)) for c, o in zip(cts, outs, strict=True))
    right = sum(
        np.sum(numbers(c) * numbers(x)) for c, x in zip(results, u, strict=True) if c is not None
    )
    np.testing.assert_allclose(np.real(left), np.real(right), rtol=1e-9, atol=1e-9)
