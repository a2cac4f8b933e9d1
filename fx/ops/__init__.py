"""First-order primitives by family; importing the package registers all of them."""

from fx.ops import (
    dot,
    elementwise,
    indexing,
    logical,
    reduce,
    scatter,
    shape,
)

__all__ = [
    "dot",
    "elementwise",
    "indexing",
    "logical",
    "reduce",
    "scatter",
    "shape",
]
