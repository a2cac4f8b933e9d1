"""Every primitive of the op table on the simulator, and random programs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fx.testing import programs
from tests.backends.cuda.harness import Case, case, check, needs_compiler
from tests.backends.test_contractions import contraction, seeded
from tests.backends.test_loops import loop
from tests.backends.test_windows import KINDS
from tests.op_table import TABLE, traced

pytestmark = needs_compiler

PARTS = 4


def op_cases(part=0, parts=1, every=False):
    """Cases of the op table: of each row the first dtype, or every dtype."""
    made = []
    for row in TABLE[part::parts]:
        for dtype in row.dtypes if every else row.dtypes[:1]:
            for number in range(len(row.examples)):
                arrays = row.arguments(number, dtype)
                jaxpr = traced(row, arrays)
                what = f"{row}, example {number}, {dtype}"
                made.append(Case(what, jaxpr, [x._data for x in arrays]))
    return made


@pytest.mark.parametrize("part", range(PARTS))
def test_op_table(part):
    check(op_cases(part, PARTS))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2 * PARTS))
def test_op_table_of_all_dtypes(part):
    check(op_cases(part, 2 * PARTS, every=True))


GENERATORS = {"contraction": contraction, "loop": loop, **{k: KINDS[k][0] for k in KINDS}}


def drawn(name, seeds):
    """Programs that seeds make."""
    made = []
    for seed in seeds:
        f, args, what, *exact = GENERATORS[name](seeded(seed))
        made.append(case(f"{name}, seed {seed}: {what}", f, args, all(exact)))
    return made


@pytest.mark.parametrize("name", GENERATORS)
def test_seeded_programs(name):
    check(drawn(name, range(1 if name == "residual_net" else 3)))  # that is a large one


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATORS)
def test_many_seeded_programs(name):
    check(drawn(name, range(100, 112)))


@given(st.lists(programs(max_equations=15, dtype="float64"), min_size=8, max_size=8))
@settings(max_examples=3)
def test_random_programs(several):
    check([case(f"program {i}", p, p.args) for i, p in enumerate(several)])
