"""dot_general over random dimension numbers: equal to einsum, to JAX, and lawful."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError
from tests import laws

SIZES = st.integers(0, 4)
DTYPES = ["bool", "int8", "uint8", "int16", "int32", "int64", "uint64"]
DTYPES += ["bfloat16", "float16", "float32", "float64", "complex64", "complex128"]
HALF = ("bfloat16", "float16")


@st.composite
def contractions(draw, sizes=SIZES):
    """Two shapes with dimension numbers, and the same contraction as einsum's subscripts."""
    counts = [draw(st.integers(0, 2)) for _ in range(4)]
    letters = iter("abcdefgh")
    batch, contract, left, right = [[next(letters) for _ in range(n)] for n in counts]
    size = {letter: draw(sizes) for letter in "abcdefgh"}
    lhs = draw(st.permutations(batch + contract + left))
    rhs = draw(st.permutations(batch + contract + right))
    contract, batch = draw(st.permutations(contract)), draw(st.permutations(batch))
    numbers = tuple(
        (tuple(lhs.index(c) for c in axes), tuple(rhs.index(c) for c in axes))
        for axes in (contract, batch)
    )
    free = [c for c in lhs if c in left] + [c for c in rhs if c in right]
    subscripts = f"{''.join(lhs)},{''.join(rhs)}->{''.join(batch + free)}"
    return [size[c] for c in lhs], [size[c] for c in rhs], numbers, subscripts


def numbers_of(rng, shape, dtype):
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith(("int", "uint")):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    x = rng.normal(size=shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.normal(size=shape)
    return x.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


@given(contractions(), st.sampled_from(DTYPES), st.integers(0, 2**32 - 1))
def test_values_are_einsums(case, dtype, seed):
    left, right, numbers, subscripts = case
    rng = np.random.default_rng(seed)
    x, y = numbers_of(rng, left, dtype), numbers_of(rng, right, dtype)
    out = P.dot_general(Array(x), Array(y), dimension_numbers=numbers)._data
    wide = np.float32 if dtype in HALF else x.dtype
    expected = np.asarray(np.einsum(subscripts, x.astype(wide), y.astype(wide))).astype(x.dtype)
    assert (out.shape, out.dtype) == (expected.shape, expected.dtype)
    if x.dtype.kind in "biu":
        np.testing.assert_array_equal(out, expected)
    else:
        rtol = 2e-2 if dtype in HALF else 1e-4 if x.dtype.char in "fF" else 1e-10
        ordinary = np.float32 if dtype in HALF else x.dtype
        np.testing.assert_allclose(
            out.astype(ordinary), expected.astype(ordinary), rtol=rtol, atol=rtol
        )


@given(contractions(st.integers(1, 3)), st.booleans())
@settings(max_examples=25)
def test_laws(case, transposed):
    left, right, numbers, _ = case
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=left), rng.normal(size=right)
    if transposed:  # the same numbers in another layout
        x, y = x.T.copy().T, y.T.copy().T
    dot = lambda x, y: P.dot_general(x, y, dimension_numbers=numbers)
    laws.check_laws(dot, x, y, all_axes=False)


@given(contractions(st.integers(1, 3)))
@settings(max_examples=10)
def test_values_are_jaxs(case):
    jax = pytest.importorskip("jax")
    left, right, numbers, _ = case
    rng = np.random.default_rng(0)
    x, y = numbers_of(rng, left, "float32"), numbers_of(rng, right, "float32")
    out = P.dot_general(Array(x), Array(y), dimension_numbers=numbers)
    np.testing.assert_allclose(out, jax.lax.dot_general(x, y, numbers), rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------ what vmap makes of it
MATMUL = (((1,), (0,)), ((), ()))


def equations(function, *args):
    return fx.make_jaxpr(function)(*args).eqns


@pytest.mark.parametrize("in_axes", [(0, None), (None, 0), (2, None), (None, 1)])
def test_one_mapped_operand_is_a_larger_product_not_a_batched_one(in_axes):
    x, y = np.ones((3, 4), np.float32), np.ones((4, 5), np.float32)
    size = 6
    x = x if in_axes[0] is None else np.repeat(np.expand_dims(x, in_axes[0]), size, in_axes[0])
    y = y if in_axes[1] is None else np.repeat(np.expand_dims(y, in_axes[1]), size, in_axes[1])
    matmul = lambda x, y: P.dot_general(x, y, dimension_numbers=MATMUL)
    eqns = equations(fx.vmap(matmul, in_axes), x, y)
    dots = [e for e in eqns if e.primitive.name == "dot_general"]
    assert len(dots) == 1 and dots[0].params["dimension_numbers"][1] == ((), ())
    assert not any(e.primitive.name == "broadcast_in_dim" for e in eqns)
    np.testing.assert_array_equal(fx.vmap(matmul, in_axes)(x, y), np.full((size, 3, 5), 4))


def test_gradients_of_a_matrix_product_need_no_transposition():
    x, y = np.ones((3, 4), np.float32), np.ones((4, 5), np.float32)

    def gradients(x, y):
        out, pull = fx.vjp(lambda x, y: P.dot_general(x, y, dimension_numbers=MATMUL), x, y)
        return pull(out)

    names = [e.primitive.name for e in equations(gradients, x, y)]
    assert names == ["dot_general"] * 3


def test_operands_are_not_copied(monkeypatch):
    x, w = np.ones((8, 6, 4), np.float32), np.ones((4, 3), np.float32)
    seen = []
    matmul = np.matmul

    class Module:
        @staticmethod
        def matmul(a, b):
            seen.append((a, b))
            return matmul(a, b)

        multiply = np.multiply

    P.dot_general.impl(Module, x, w, dimension_numbers=(((2,), (0,)), ((), ())))
    P.dot_general.impl(Module, w, x, dimension_numbers=(((0,), (2,)), ((), ())))
    P.dot_general.impl(
        Module, x, np.ones((8, 6, 5), np.float32), dimension_numbers=(((1,), (1,)), ((0,), (0,)))
    )
    assert np.shares_memory(seen[0][0], x) and np.shares_memory(seen[0][1], w)
    assert np.shares_memory(seen[1][0], w) and np.shares_memory(seen[1][1], x)
    assert np.shares_memory(seen[2][0], x)


# ------------------------------------------------------------------ dtypes
def test_half_precision_is_summed_in_float32():
    for dtype in (np.float16, ml_dtypes.bfloat16):
        ones = Array(np.ones(3000, dtype))
        out = P.dot_general(ones, ones, dimension_numbers=(((0,), (0,)), ((), ())))
        assert out.dtype == dtype
        assert float(out._data) == float(np.asarray(3000, dtype))


def test_narrow_integers_wrap_as_wide_ones_do():
    rng = np.random.default_rng(0)
    for dtype, depth in (("int8", 5000), ("uint8", 2000), ("int16", 3000), ("uint16", 2**10)):
        info = np.iinfo(dtype)
        x = rng.choice(np.array([info.min, info.max, 1], dtype), (2, depth))
        y = rng.choice(np.array([info.min, info.max, 3], dtype), (depth, 2))
        out = P.dot_general(Array(x), Array(y), dimension_numbers=MATMUL)
        np.testing.assert_array_equal(out, (x.astype(np.int64) @ y.astype(np.int64)).astype(dtype))


@pytest.mark.parametrize(
    "left, right, preferred",
    [
        ("int8", "int8", "int32"),
        ("int8", "int32", "int32"),
        ("int8", "uint8", "int32"),
        ("int8", "float32", "float32"),
        ("bfloat16", "bfloat16", "float32"),
        ("bfloat16", "float32", "bfloat16"),
        ("float32", "float32", "float64"),
        ("float32", "float32", "complex64"),
    ],
)
def test_preferred_element_type_is_what_is_summed_in_and_returned(left, right, preferred):
    rng = np.random.default_rng(0)
    x, y = numbers_of(rng, (3, 40), left), numbers_of(rng, (40, 2), right)
    dtype = np.dtype(ml_dtypes.bfloat16 if preferred == "bfloat16" else preferred)
    out = P.dot_general(Array(x), Array(y), dimension_numbers=MATMUL, preferred_element_type=dtype)
    assert out.dtype == dtype
    exact = np.int64 if dtype.kind == "i" else np.complex128
    expected = x.astype(exact) @ y.astype(exact)
    if dtype.kind == "i":
        expected = expected.astype(dtype)  # which wraps
    rtol = 1e-2 if preferred == "bfloat16" else 1e-4
    np.testing.assert_allclose(out._data.astype(exact), expected, rtol=rtol, atol=rtol)


def test_gradients_have_the_operands_dtypes():
    x, y = np.ones((2, 3), ml_dtypes.bfloat16), np.ones((3, 4), np.float32)
    dot = lambda x, y: P.dot_general(
        x, y, dimension_numbers=MATMUL, preferred_element_type=np.dtype(np.float32)
    )
    out, pull = fx.vjp(dot, x, y)
    assert out.dtype == np.float32
    assert [ct.dtype for ct in pull(out)] == [x.dtype, y.dtype]


# ------------------------------------------------------------------ errors
def dot(x, y, numbers, **params):
    return P.dot_general(Array(x), Array(y), dimension_numbers=numbers, **params)


def test_what_does_not_fit_is_refused():
    x, y = np.ones((2, 3)), np.ones((4, 2))
    with pytest.raises(ShapeError, match=r"axis 1 of \(2, 3\) \(size 3\) and axis 0 of \(4, 2\)"):
        dot(x, y, MATMUL)
    with pytest.raises(ShapeError, match="as many contracting axes"):
        dot(x, y, (((0, 1), (1,)), ((), ())))
    with pytest.raises(FxValueError, match="distinct contracting and batch axes"):
        dot(x, y, (((0,), (1,)), ((0,), (1,))))
    with pytest.raises(FxValueError, match=r"in \[0, 2\) for its right operand"):
        dot(x, y, (((0,), (2,)), ((), ())))
    with pytest.raises(FxTypeError, match="one dtype, got f64 and f32"):
        dot(x, y.astype(np.float32), (((0,), (1,)), ((), ())))
    for preferred in (np.int32, np.float32, np.bool_):
        z = np.ones((2, 2), np.complex64 if preferred == np.float32 else np.float32)
        with pytest.raises(FxTypeError, match="preferred_element_type"):
            dot(z, z, MATMUL, preferred_element_type=np.dtype(preferred))
