"""Every public function has a row, or a reason why it has none."""

from collections import Counter

from tests.functions.table import EXEMPT, TABLE, public_functions


def test_every_public_function_has_a_row_or_a_reason():
    named = {r.name for r in TABLE}
    assert set(public_functions()) - named == set(EXEMPT)
    assert named <= set(public_functions()), "rows of functions that are not public"
    assert all(len(reason) > 10 for reason in EXEMPT.values())


def test_rows_differ():
    counts = Counter((r.name, r.call, r.args) for r in TABLE)
    assert not [r for r, n in counts.items() if n > 1]


def test_every_function_with_a_float_argument_has_derivatives_or_a_reason():
    smooth = {r.name for r in TABLE if r.differentiable}
    reasons = {r.name: r.grad for r in TABLE if r.name not in smooth}
    assert all(len(reason) > 3 for reason in reasons.values())
    assert len(smooth) > 450


def test_the_table_covers_dtypes_and_shapes():
    for kind in "biufc":
        assert sum(any(kind in a.kinds for a in r.args) for r in TABLE) > 50
    assert sum(r.differentiable and r.order == 2 for r in TABLE) > 400
