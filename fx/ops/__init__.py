"""First-order primitives by family; importing the package registers all of them."""

from fx.ops import (
    elementwise,
    logical,
    reduce,
    shape,
)

__all__ = [
    "elementwise",
    "logical",
    "reduce",
    "shape",
]
