"""Rows of the law in `tests.array_api.harness`, by the standard's chapters."""

from tests.array_api.rows import arrays, elementwise, linalg

ROWS = [*elementwise.ROWS, *arrays.ROWS, *linalg.ROWS]
