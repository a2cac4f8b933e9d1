"""Several hundred expressions give the same on fx as on JAX, in every mode of differentiation."""

import warnings
from functools import cache

import pytest

from tests.differential.harness import (
    Problem,
    compare,
    modes_of,
    result,
    results_of_fx,
    results_of_jax,
    sampled_modes,
    staged_results_of_fx,
)
from tests.differential.known_differences import KNOWN_DIFFERENCES
from tests.differential.rows import (
    arithmetic,
    control,
    float8,
    images,
    linalg,
    polynomials,
    reductions,
    shapes,
    special,
)

pytest.importorskip("jax")

TABLES = {
    module.__name__.rsplit(".", 1)[-1]: module.ROWS
    for module in (
        arithmetic,
        control,
        float8,
        images,
        linalg,
        polynomials,
        reductions,
        shapes,
        special,
    )
}
CHUNK = 40  # rows that JAX compiles in one piece

each = pytest.mark.parametrize(
    ("table", "number"),
    [(t, n) for t, rows in TABLES.items() for n in range(len(rows))],
    ids=[f"{t}-{n}: {r}" for t, rows in TABLES.items() for n, r in enumerate(rows)],
)


@cache
def expected(table, chunk, thorough):
    """What JAX gives for some consecutive rows, by the number of the row."""
    numbers = range(chunk * CHUNK, min((chunk + 1) * CHUNK, len(TABLES[table])))
    rows = [TABLES[table][n] for n in numbers]
    modes = [modes_of(r) if thorough else sampled_modes(r, n) for n, r in enumerate(rows)]
    results = results_of_jax(list(zip(rows, modes, strict=True)))
    return dict(zip(numbers, results, strict=True))


def check(table, number, thorough):
    r = TABLES[table][number]
    for mode, want in expected(table, number // CHUNK, thorough)[number].items():
        if isinstance(want, Exception):
            raise AssertionError(f"JAX has no {mode} of this row") from want
        compare(results_of_fx(r, mode), want, r.rtol, mode)
        if mode == "value" and "jit" not in r.off:
            compare(staged_results_of_fx(r), want, r.rtol, "jit")


@each
def test_expression(table, number):
    check(table, number, thorough=False)


@pytest.mark.slow
@each
def test_expression_in_every_mode(table, number):
    check(table, number, thorough=True)


def outcome(difference, library):
    """The results of a row, or the exception that it raises."""
    problem = Problem(difference.row, library)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JAX warns where it gives 32 bits for 64
            return [result(x) for x in problem.run(difference.mode, problem.inputs())]
    except Exception as error:
        return error


@pytest.mark.parametrize("difference", KNOWN_DIFFERENCES, ids=str)
def test_known_difference_is_one(difference):
    got, want = outcome(difference, "fx"), outcome(difference, "jax")
    assert not (isinstance(got, Exception) and isinstance(want, Exception)), (got, want)
    if not isinstance(got, Exception) and not isinstance(want, Exception):
        with pytest.raises(AssertionError):
            compare(got, want, difference.row.rtol, difference.mode)


def test_the_table_is_large_and_covers_every_mode():
    rows = [(n, r) for rows in TABLES.values() for n, r in enumerate(rows)]
    assert len(rows) >= 500
    assert len({(r.text, str(r.args)) for _, r in rows}) == len(rows)
    for mode in ("value", "grad", "jvp", "vmap", "second", "vmapgrad"):
        assert sum(mode in sampled_modes(r, n) for n, r in rows) >= 40
