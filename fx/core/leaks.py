"""Finding tracers that outlive their transformation, while `fx.config.check_tracer_leaks` is on.

A leaked tracer raises when it is used, but by then the line that stored it is long gone. With the
check on, the transformation itself raises as it ends: it collects garbage and looks whether
anything still holds one of its traces.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any, TypeVar

from fx.config import config
from fx.core.trace import Trace, Tracer, state
from fx.errors import UnexpectedTracerError

F = TypeVar("F", bound=Callable[..., Any])


def leak_checked(function: F) -> F:
    """Decorate a function that pushes traces and calls the user's code below them."""

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if not config.check_tracer_leaks:
            return function(*args, **kwargs)
        saved, state.ended = state.ended, []
        try:
            result = function(*args, **kwargs)
            _raise_leaks(state.ended)
            return result
        finally:
            state.ended = saved

    return checked  # type: ignore[return-value]


def _raise_leaks(ended: list[Any]) -> None:
    gc.collect()
    for reference in ended:
        trace = reference()
        if trace is None:
            continue
        tracers = [x for x in gc.get_referrers(trace) if type(x) is Tracer]
        if tracers:
            raise UnexpectedTracerError(_describe(trace, tracers))


def _describe(trace: Trace, tracers: list[Tracer]) -> str:
    values = ", ".join(t.aval.short() for t in tracers[:5])
    holders = {_kind(h) for t in tracers for h in gc.get_referrers(t) if h is not tracers}
    held = f" They are held by: {', '.join(sorted(holders))}." if holders else ""
    return (
        f"{len(tracers)} traced value(s) ({values}) outlived the transformation that made them, "
        f"of {trace.origin}: the function leaked them through a global, an attribute, a closure "
        f"or a generator.{held} Return the values instead of storing them."
    )


def _kind(holder: Any) -> str:
    if isinstance(holder, dict):
        keys = [k for k, v in holder.items() if type(v) is Tracer]
        return f"a dict under {', '.join(map(repr, keys[:3]))}"
    name = type(holder).__name__
    return "a closure" if name == "cell" else f"a {name}"
