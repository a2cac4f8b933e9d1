"""The op table: for every primitive, functions that apply it, and examples of their arguments.

Everything that must hold for all primitives is checked over this table: the laws of the
transformations (`tests/test_op_table.py`), and that a backend computes what the NumPy interpreter
does:

    for row in TABLE:
        for number in range(len(row.examples)):
            for dtype in row.dtypes:
                compare(row.function, row.arguments(number, dtype))

A new primitive adds a row to its family in `tests/op_rows/`; until then a test fails.
"""

from __future__ import annotations

from fx.core.array import Array
from fx.core.ir import Jaxpr, subjaxprs
from fx.transforms.stage import stage
from tests.laws import flat
from tests.op_rows import calls, elementwise, linalg, randomness, structural  # noqa: F401
from tests.op_rows.row import ROWS, Arg, Row

__all__ = ["TABLE", "Arg", "Row", "primitives_in", "traced"]

TABLE: list[Row] = ROWS


def traced(row: Row, arguments: list[Array]) -> Jaxpr:
    """The program of a row, for arguments of these types."""
    return stage(flat(row.function), [x.aval for x in arguments])


def primitives_in(jaxpr: Jaxpr) -> set[str]:
    """Names of all primitives in a program and in those inside it."""
    found: set[str] = set()
    for eqn in jaxpr.eqns:
        found.add(eqn.primitive.name)
        for inner in subjaxprs(eqn.params):
            found |= primitives_in(inner)
    return found
