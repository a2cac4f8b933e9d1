"""Scatters: values as in JAX, and the laws, repeated and out-of-bounds indices included."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fx
from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, ShapeError
from fx.ops.dimension_numbers import GatherScatterMode, ScatterDimensionNumbers, scatter_numbers
from tests.laws import check_derivatives, check_jit, check_laws, check_vmap
from tests.ops.windows import gathers

NAMES = ["scatter", "scatter_add", "scatter_mul", "scatter_min", "scatter_max"]
CLIP, DROP = GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP
POINTS = ScatterDimensionNumbers((), (0,), (0,))


def scatter(name, x, indices, updates, numbers=POINTS, mode=DROP, unique=False):
    return P.table[name](
        x,
        indices,
        updates,
        dimension_numbers=numbers,
        indices_are_sorted=False,
        unique_indices=unique,
        mode=mode,
    )


def others(i, x, seed):
    rng = np.random.default_rng(seed)
    if dtypes.is_integer(x.dtype):
        return rng.integers(0, 1 + max(x._data.max(initial=0), 0), x.shape).astype(x.dtype)
    return rng.normal(size=x.shape)


def arguments(case, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=case.shape) * 3
    updates = rng.normal(size=case.result) * 3
    return x.astype(dtype), case.indices, updates.astype(dtype)


def has_empty_vectors(indices):
    """Whether there are several indices without coordinates: a known difference from XLA.

    Each is one more update of the one window there is, by the definition of scatter; XLA's CPU
    compiler applies a single one of them.
    """
    return indices.shape[-1] == 0 and np.prod(indices.shape[:-1]) > 1


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12)  # XLA compiles each
@given(gathers())
def test_equals_jax(name, case):
    lax = pytest.importorskip("jax.lax")
    assume(not has_empty_vectors(case.indices))
    for dtype in (np.float32, np.int8):
        x, indices, updates = arguments(case, dtype=dtype)
        if name == "scatter":  # which of several updates XLA keeps is its own affair
            updates = np.ones_like(updates)
        expected = getattr(lax, name)(
            x,
            indices,
            updates,
            lax.ScatterDimensionNumbers(*case.numbers),
            mode=case.mode.value.removesuffix("_or_drop").replace("fill", "drop"),
        )
        out = scatter(name, x, indices, updates, scatter_numbers(case.numbers), case.mode)
        assert out.dtype == dtype
        np.testing.assert_allclose(out._data, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@given(gathers())
def test_laws(name, case):
    x, indices, updates = arguments(case)
    numbers = scatter_numbers(case.numbers)
    f = lambda x, i, u: scatter(name, x, i, u, numbers, case.mode)
    check_jit(f, x, indices, updates)
    check_derivatives(f, x, indices, updates)
    check_vmap(f, x, indices, updates, size=2, vary=others, all_axes=False)


@pytest.mark.parametrize("name", NAMES)
def test_unique_indices(name):
    x, u = np.array([1.0, 2.0, 3.0, 4.0]), np.array([[2.5, -1.5]])
    i = np.array([[2], [0]])
    f = lambda x, u: scatter(name, x, i, u[0], unique=True)
    check_laws(f, x, u)


def test_the_last_update_remains_and_alone_has_a_derivative():
    x, u, i = np.zeros(3), np.array([1.0, 2.0, 3.0]), np.array([[1], [1], [7]])
    f = lambda u: scatter("scatter", x, i, u)
    assert f(u)._data.tolist() == [0, 2, 0]
    _, pull = fx.vjp(f, u)
    assert pull(np.array([5.0, 6.0, 7.0]))[0]._data.tolist() == [0, 6, 0]


def test_products_with_zeros_have_exact_derivatives():
    x, i = np.array([2.0, 3.0]), np.array([[0], [0], [0], [1]])
    for u in ([0.0, 4.0, 5.0, 1.0], [0.0, 0.0, 5.0, 0.0], [3.0, 4.0, 5.0, 6.0]):
        check_derivatives(lambda x, u: scatter("scatter_mul", x, i, u), x, np.array(u))


def test_ties_of_an_extremum_share_its_derivative():
    x, u, i = np.array([1.0, 5.0]), np.array([1.0, 1.0, 2.0]), np.array([[0], [0], [1]])
    _, pull = fx.vjp(lambda x, u: scatter("scatter_min", x, i, u), x, u)
    ct_x, ct_u = pull(np.array([3.0, 1.0]))
    np.testing.assert_allclose(ct_x._data, [1, 0])
    np.testing.assert_allclose(ct_u._data, [1, 1, 1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float16, dtypes.bfloat16, np.complex64, np.bool_])
def test_other_dtypes(name, dtype):
    x, u = np.array([1, 0, 1]).astype(dtype), np.array([1, 1]).astype(dtype)
    out = scatter(name, x, np.array([[0], [1]]), u)
    assert out.dtype == dtype
    wide = np.complex128 if dtype is np.complex64 else np.float64
    expected = scatter(name, x.astype(wide), np.array([[0], [1]]), u.astype(wide))
    np.testing.assert_array_equal(out._data.astype(wide), expected._data.astype(dtype).astype(wide))


def test_keys_are_replaced_but_not_added():
    data = np.zeros(3, dtypes.key_dtype)
    new = np.ones(1, dtypes.key_dtype)
    out = scatter("scatter", Array(data), np.array([[1]]), Array(new))
    assert out._data["k1"].tolist() == [0, 1, 0]
    with pytest.raises(FxTypeError, match="scatter_add expects"):
        scatter("scatter_add", Array(data), np.array([[1]]), Array(new))


def test_transposing_products_that_meet_is_refused():
    x, i = np.ones(3), np.array([[1], [1]])
    f = lambda unique: fx.linear_transpose(
        lambda u: scatter("scatter_mul", x, i, u, unique=unique), np.ones(2)
    )(np.ones(3))
    with pytest.raises(FxTypeError, match="unique_indices=True"):
        f(False)
    assert f(True)[0]._data.tolist() == [1, 1]


# ------------------------------------------------------------------ errors
X, WHERE, U = np.zeros((3, 4)), np.zeros((2, 1), np.int32), np.zeros((2, 4))
GOOD = ScatterDimensionNumbers((1,), (0,), (0,))


@pytest.mark.parametrize(
    "updates, indices, numbers, kind, text",
    [
        (U.astype("f"), WHERE, GOOD, FxTypeError, "same dtype"),
        (U, WHERE.astype(float), GOOD, FxTypeError, "integer indices"),
        (U[:1], WHERE, GOOD, ShapeError, r"updates of shape \(2, 4\)"),
        (U, WHERE, GOOD._replace(inserted_window_dims=()), ShapeError, "as many as the 2 axes"),
        (
            U,
            WHERE,
            GOOD._replace(inserted_window_dims=(7,)),
            ShapeError,
            "inserted_window_dims must lie",
        ),
        (
            U,
            WHERE,
            GOOD._replace(scatter_dims_to_operand_dims=(0, 1)),
            ShapeError,
            "to_operand_dims",
        ),
        (np.zeros((2, 5)), WHERE, GOOD, ShapeError, r"lie in \[0, 4\]"),
    ],
)
def test_errors_name_the_fields_of_a_scatter(updates, indices, numbers, kind, text):
    with pytest.raises(kind, match=text):
        scatter("scatter_add", X, indices, updates, numbers)


@given(st.sampled_from([CLIP, DROP]), st.sampled_from(NAMES))
def test_nothing_to_do(mode, name):
    out = scatter(name, np.arange(3.0), np.zeros((0, 1), np.int32), np.zeros(0), mode=mode)
    assert out._data.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "name, expected", [("scatter", 4), ("scatter_add", 9), ("scatter_mul", 24)]
)
def test_indices_without_coordinates_are_updates_each(name, expected):
    numbers = ScatterDimensionNumbers((0,), (), ())
    indices, updates = np.zeros((2, 0), np.int32), np.array([[3.0, 4.0]])
    assert scatter(name, np.array([2.0]), indices, updates, numbers)._data.tolist() == [expected]


@pytest.mark.parametrize("name", NAMES)
def test_an_operand_of_rank_0(name):
    numbers = ScatterDimensionNumbers((), (), ())
    f = lambda x, u: scatter(name, x, np.zeros((1, 0), np.int32), u, numbers)
    check_laws(f, np.float64(2.0), np.array([3.0]))
