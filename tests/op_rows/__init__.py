"""The rows of the op table (`tests.op_table`), by family of primitives."""
