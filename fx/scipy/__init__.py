"""SciPy's functions under the names of `jax.scipy`; submodules are imported when they are used.

import fx.scipy as jsp
factor = jsp.linalg.cho_factor(a)
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from fx.scipy import (
        fft,
        integrate,
        interpolate,
        linalg,
        ndimage,
        optimize,
        signal,
        sparse,
        special,
        stats,
    )

__all__ = [
    "fft",
    "integrate",
    "interpolate",
    "linalg",
    "ndimage",
    "optimize",
    "signal",
    "sparse",
    "special",
    "stats",
]


def __getattr__(name: str) -> _Any:
    if name in __all__:
        return _importlib.import_module(f"fx.scipy.{name}")
    raise AttributeError(f"module 'fx.scipy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
