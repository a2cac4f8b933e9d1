"""The laws of the optimizer, over random programs, constants, conversions and moves of elements:
an optimized program gives the same bits, has the same type, and cannot be optimized further.
"""

from __future__ import annotations

import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx.core.avals import ShapedArray
from fx.core.primitive import P
from fx.testing import Program, programs
from fx.transforms.stage import stage
from tests.passes.harness import check_optimized, odd
from tests.programs.harness import TRANSFORMS, compose, scalar, split


def check(function: Any, args: Any) -> None:
    leaves = [np.asarray(x) for x in fx.tree.leaves(args)]
    jaxpr = fx.make_jaxpr(function)(*args)
    check_optimized(jaxpr, leaves, *[[odd(x, i) for x in leaves] for i in range(2)])


@given(
    st.sampled_from(["float32", "float64", "bfloat16", "float16"]).flatmap(
        lambda d: programs(dtype=d, differentiable=False)
    )
)
@settings(max_examples=300)
def test_programs(program: Program) -> None:
    check(program, program.args)


@given(programs(dtype="float64", max_equations=8))
@settings(max_examples=100)
def test_gradients(program: Program) -> None:
    f, xs, n = split(program)
    check(lambda xs, n: fx.grad(lambda xs: scalar(f(xs, n)))(xs), (xs, n))


@given(programs(dtype="float32", max_equations=6), st.permutations(list(TRANSFORMS)))
@settings(max_examples=100)
def test_compositions(program: Program, names: list[str]) -> None:
    f, xs, n = split(program)
    check(compose(TRANSFORMS, names[:3])(f), (xs, n))


# ------------------------------------------------------------------ constants
FLOATS = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]
INTEGERS = [np.int32, np.uint8, np.int64]
CONSTANTS = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -0.25, 3.0, np.inf, -np.inf, np.nan, 2.0**-30, 1e-40]


def types(dtype: Any) -> ShapedArray:
    return ShapedArray((12,), np.dtype(dtype))


def values(dtype: Any) -> np.ndarray:
    if np.dtype(dtype).kind in "iu":
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, 3, 5, 7, 8, 100, info.max, info.min, info.max - 1, 64], dtype)
    numbers = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.5, 1e-40, -5e-324, 3e38, 0.1, 1e4]
    with np.errstate(all="ignore"):
        return np.array(numbers).astype(dtype)


def staged(function: Any, *dtypes_in: Any) -> Any:
    return stage(lambda *xs: [function(*xs)], [types(d) for d in dtypes_in])


def number(x: Any, value: Any, full: bool) -> Any:
    constant = fx.core.primitive.lit(x, value)
    if full:
        return P.broadcast_in_dim(constant, shape=x.shape, broadcast_dimensions=())
    return constant


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("full", [False, True], ids=["scalar", "full"])
def test_arithmetic_with_a_constant(dtype: Any, full: bool) -> None:
    is_integer = np.dtype(dtype).kind in "iu"
    names = ["add", "sub", "mul", "div", "max", "min", "lt", "ge", "eq"]
    constants: list[Any] = CONSTANTS
    if is_integer:
        names += ["and", "or", "xor", "shift_left", "shift_right_arithmetic"]
        constants = [0, 1, 2, 3, np.iinfo(dtype).max, np.iinfo(dtype).min]
    for name, value in itertools.product(names, constants):
        op = getattr(P, name)
        with np.errstate(all="ignore"):
            right = staged(lambda x, op=op, v=value: op(x, number(x, v, full)), dtype)
            left = staged(lambda x, op=op, v=value: op(number(x, v, full), x), dtype)
        check_optimized(right, [values(dtype)])
        check_optimized(left, [values(dtype)])


UNARY = ["neg", "abs", "square", "sign", "not"]


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS], ids=lambda d: np.dtype(d).name)
def test_arithmetic_of_negated_and_equal_operands(dtype: Any) -> None:
    is_integer = np.dtype(dtype).kind in "iu"
    unary = [n for n in UNARY if is_integer or n != "not"]
    binary = ["add", "sub", "mul", "max", "min", "eq", "ne"]
    binary += ["and", "or", "xor"] if is_integer else []
    x, y = values(dtype), values(dtype)[::-1].copy()
    for f, g in itertools.product(unary, unary):
        check_optimized(staged(lambda x, f=f, g=g: getattr(P, f)(getattr(P, g)(x)), dtype), [x])
    for op, f, same in itertools.product(binary, ["neg", "abs"], [False, True]):

        def function(x, y, op=op, f=f, same=same):
            op, f = getattr(P, op), getattr(P, f)
            y = x if same else y
            return P.select_n(P.eq(op(x, f(y)), op(f(x), y)), op(f(x), f(y)), op(x, y))

        check_optimized(staged(function, dtype, dtype), [x, y])


KINDS = [bool, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint32, *FLOATS]


def test_chains_of_conversions() -> None:
    rng = np.random.default_rng(0)
    for a, b, c in itertools.product(KINDS, repeat=3):
        jaxpr = staged(
            lambda x, b=b, c=c: P.convert_element_type(
                P.convert_element_type(x, new_dtype=np.dtype(b)), new_dtype=np.dtype(c)
            ),
            a,
        )
        inputs = rng.integers(0, 2, 12).astype(bool) if a is bool else values(a)
        check_optimized(jaxpr, [inputs])


# ------------------------------------------------------------------ moves of elements
@st.composite
def moves(draw: Any) -> tuple[Any, tuple[int, ...]]:
    """A chain of operations that move, repeat and fold elements, and the shape it starts from."""
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
    steps, now = [], shape
    for _ in range(draw(st.integers(1, 6))):
        name, params, now = draw(_move(now))
        steps.append((name, params))

    def run(x: Any) -> Any:
        for name, params in steps:
            operands = (x, fx.core.primitive.lit(x, 7)) if name == "pad" else (x,)
            x = getattr(P, name)(*operands, **params)
        return x

    return run, shape


@st.composite
def _move(draw: Any, shape: tuple[int, ...]) -> Any:
    rank = len(shape)
    options = ["reshape", "broadcast_in_dim", "squeeze"]
    if rank:
        options += ["transpose", "rev", "slice", "pad", "neg", "sin", "reduce_max", "reduce_prod"]
    name = draw(st.sampled_from(options))
    if name in ("neg", "sin"):
        return name, {}, shape
    if name == "reshape":
        ones = draw(st.integers(0, 2))
        kept = [n for n in shape if n != 1 or draw(st.booleans())]
        for _ in range(ones):
            kept.insert(draw(st.integers(0, len(kept))), 1)
        if draw(st.booleans()):
            kept = [int(np.prod(kept, dtype=int))]
        return name, {"new_sizes": tuple(kept)}, tuple(kept)
    if name == "broadcast_in_dim":
        new, places = [], []
        for n in shape:
            while len(new) < 5 and draw(st.integers(0, 3)) == 0:
                new.append(draw(st.integers(1, 3)))
            places.append(len(new))
            new.append(draw(st.integers(1, 3)) if n == 1 else n)
        while draw(st.integers(0, 2)) == 0:
            new.append(draw(st.integers(1, 3)))
        return name, {"shape": tuple(new), "broadcast_dimensions": tuple(places)}, tuple(new)
    if name == "squeeze":
        gone = tuple(i for i, n in enumerate(shape) if n == 1 and draw(st.booleans()))
        return name, {"dimensions": gone}, tuple(n for i, n in enumerate(shape) if i not in gone)
    if name == "transpose":
        order = tuple(draw(st.permutations(range(rank))))
        return name, {"permutation": order}, tuple(shape[i] for i in order)
    chosen = tuple(i for i in range(rank) if draw(st.booleans()))
    if name == "rev":
        return name, {"dimensions": chosen}, shape
    if name.startswith("reduce"):
        return name, {"axes": chosen}, tuple(n for i, n in enumerate(shape) if i not in chosen)
    if name == "pad":
        amounts = tuple(draw(st.sampled_from([(0, 0, 0), (0, 0, 0), (1, 0, 1)])) for _ in shape)
        sizes = [n + a + b + max(n - 1, 0) * c for n, (a, b, c) in zip(shape, amounts, strict=True)]
        return name, {"padding_config": amounts}, tuple(sizes)
    starts = tuple(draw(st.integers(0, n - 1)) if n else 0 for n in shape)
    limits = tuple(
        n if draw(st.booleans()) else draw(st.integers(s, n))
        for s, n in zip(starts, shape, strict=True)
    )
    steps = tuple(draw(st.integers(1, 2)) for _ in shape)
    sizes = [-((s - e) // d) for s, e, d in zip(starts, limits, steps, strict=True)]
    if not all(sizes):
        return "neg", {}, shape
    params = {"start_indices": starts, "limit_indices": limits, "strides": steps}
    return name, params, tuple(sizes)


@given(moves())
@settings(max_examples=500)
def test_moves_of_elements(case: Any) -> None:
    run, shape = case
    x = np.arange(1, 1 + np.prod(shape, dtype=int)).reshape(shape).astype(np.float32)
    check_optimized(fx.make_jaxpr(run)(jnp.asarray(x)), [x], [odd(x, 0)])
