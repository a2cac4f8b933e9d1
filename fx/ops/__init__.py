"""First-order primitives by family; importing the package registers all of them."""

from fx.ops import (
    cumulative,
    dot,
    elementwise,
    indexing,
    logical,
    portable,
    random,
    reduce,
    scatter,
    shape,
    sort,
)

__all__ = [
    "cumulative",
    "dot",
    "elementwise",
    "indexing",
    "logical",
    "portable",
    "random",
    "reduce",
    "scatter",
    "shape",
    "sort",
]
