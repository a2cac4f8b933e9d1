"""First-order primitives by family; importing the package registers all of them."""

from fx.ops import (
    dot,
    elementwise,
    logical,
    reduce,
    shape,
)

__all__ = [
    "dot",
    "elementwise",
    "logical",
    "reduce",
    "shape",
]
