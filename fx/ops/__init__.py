"""First-order primitives by family; importing the package registers all of them.

As in `jax.ops`, `segment_sum`, `segment_prod`, `segment_max` and `segment_min` are here, too. They
are written over arrays, in a higher layer, and imported when they are first used.
"""

import importlib as _importlib
from typing import Any as _Any

from fx.ops import (
    conv,
    cumulative,
    cutting,
    dot,
    elementwise,
    fft,
    indexing,
    linalg,
    linalg_factors,
    linalg_spectral,
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
    "cutting",
    "dot",
    "elementwise",
    "fft",
    "indexing",
    "linalg",
    "linalg_factors",
    "linalg_spectral",
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


def __getattr__(name: str) -> _Any:
    if name in ("segment_max", "segment_min", "segment_prod", "segment_sum"):
        return getattr(_importlib.import_module("fx.numpy.segments"), name)
    raise AttributeError(f"module 'fx.ops' has no attribute {name!r}")
