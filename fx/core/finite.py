"""Where a NaN or an infinity comes from: the checks behind `fx.debug_nans` and `fx.debug_infs`.

While one of them is on, each primitive that is evaluated is checked, eagerly and inside compiled
programs, so the error names the first one that fails, its user's line, and its operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.config import config
from fx.core.avals import ShapedArray
from fx.errors import NonFiniteError, Source, format_source


def watching() -> bool:
    """Whether results have to be checked in this thread."""
    return config.debug_nans or config.debug_infs


def check_finite(name: str, ins: Sequence[Any], outs: Sequence[Any], source: Source | None) -> None:
    """Raise `NonFiniteError` if a raw array among the results has what the options forbid."""
    for out in outs:
        if not dtypes.is_inexact(out.dtype):
            continue
        for on, test, what in (
            (config.debug_nans, np.isnan, "NaN"),
            (config.debug_infs, np.isinf, "infinity"),
        ):
            if on and test(out).any():
                operands = ", ".join(_describe(x, test, what) for x in ins)
                raise NonFiniteError(
                    f"{name} gave a result with {what}, {_short(out)}, at {format_source(source)}; "
                    f"its operands: {operands or 'none'}."
                )


def _short(x: Any) -> str:
    return ShapedArray(x.shape, x.dtype).short()


def _describe(x: Any, test: Any, what: str) -> str:
    if not dtypes.is_inexact(x.dtype) or not x.size:
        return _short(x)
    if test(x).any():
        return f"{_short(x)} with {what} in it"
    if x.dtype.kind == "c":
        return f"{_short(x)} with absolute values up to {np.abs(x).max():.6g}"
    return f"{_short(x)} from {np.min(x):.6g} to {np.max(x):.6g}"
