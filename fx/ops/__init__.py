"""First-order primitives by family; importing the package registers all of them."""

from fx.ops import (
    conv,
    cumulative,
    dot,
    elementwise,
    indexing,
    logical,
    portable,
    random,
    reduce,
    sampling,
    scatter,
    shape,
    sort,
    special,
    window,
)

__all__ = [
    "conv",
    "cumulative",
    "dot",
    "elementwise",
    "indexing",
    "logical",
    "portable",
    "random",
    "reduce",
    "sampling",
    "scatter",
    "shape",
    "sort",
    "special",
    "window",
]
