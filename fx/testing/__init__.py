"""Property tests of programs that use fx: hypothesis strategies, and checks of derivatives.

    from hypothesis import given
    from fx import testing

    @given(testing.arrays("float32", (3,), min_value=-1, max_value=1))
    def test_f(x):
        testing.check_grads(f, (x,), order=1)

The strategies need hypothesis, which is imported when the first of them is used.
"""

from __future__ import annotations

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from fx.testing.gradients import check_grads, check_jvp, check_vjp

if _TYPE_CHECKING:
    from fx.testing.array_strategies import arrays, dtypes, shapes
    from fx.testing.program import Program, programs
    from fx.testing.tree_strategies import Pair, Record, pytrees

__all__ = [
    "Pair",
    "Program",
    "Record",
    "arrays",
    "check_grads",
    "check_jvp",
    "check_vjp",
    "dtypes",
    "programs",
    "pytrees",
    "shapes",
]

_MODULES = {
    "arrays": "array_strategies",
    "dtypes": "array_strategies",
    "shapes": "array_strategies",
    "Program": "program",
    "programs": "program",
    "Pair": "tree_strategies",
    "Record": "tree_strategies",
    "pytrees": "tree_strategies",
}


def __getattr__(name: str) -> _Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'fx.testing' has no attribute {name!r}")
    try:
        module = _importlib.import_module(f"fx.testing.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "hypothesis":
            raise
        raise ImportError(
            f"fx.testing.{name} needs hypothesis, which is not installed. Install it with "
            "`pip install hypothesis`."
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
