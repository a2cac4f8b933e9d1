"""Events that programs report and listeners take, under the names of `jax.monitoring`.

A listener that raises stops the program that reports.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from fx.errors import FxTypeError, FxValueError, public

__all__ = [
    "clear_event_listeners",
    "record_event",
    "record_event_duration_secs",
    "record_event_time_span",
    "record_scalar",
    "register_event_duration_secs_listener",
    "register_event_listener",
    "register_event_time_span_listener",
    "register_scalar_listener",
    "unregister_event_duration_listener",
    "unregister_event_listener",
    "unregister_event_time_span_listener",
    "unregister_scalar_listener",
]


class _Channel:
    """The listeners of one kind of event."""

    def __init__(self, kind: str):
        self.kind = kind
        self.lock = threading.Lock()
        self.listeners: tuple[Callable[..., Any], ...] = ()

    def add(self, callback: Callable[..., Any]) -> None:
        if not callable(callback):
            raise FxTypeError(
                f"monitoring: a listener must be callable, got {type(callback).__name__}."
            )
        with self.lock:
            self.listeners = (*self.listeners, callback)

    def remove(self, callback: Callable[..., Any]) -> None:
        with self.lock:
            if callback not in self.listeners:
                raise FxValueError(f"monitoring: {callback!r} is no {self.kind} listener.")
            left = list(self.listeners)
            left.remove(callback)
            self.listeners = tuple(left)

    def send(self, *args: Any, **kwargs: Any) -> None:
        for listener in self.listeners:
            listener(*args, **kwargs)


_EVENTS = _Channel("event")
_DURATIONS = _Channel("duration")
_SPANS = _Channel("time span")
_SCALARS = _Channel("scalar")


def record_event(event: str, **kwargs: str | int) -> None:
    """Report that something happened.

    Args:
        event: its name, a path such as "/my_program/restored".
        **kwargs: what else listeners get to know.

    Example:
        >>> from fx import monitoring
        >>> seen = []
        >>> listener = lambda event, **kwargs: seen.append(event)
        >>> monitoring.register_event_listener(listener)
        >>> monitoring.record_event("/demo/started")
        >>> monitoring.unregister_event_listener(listener)
        >>> seen
        ['/demo/started']
    """
    _EVENTS.send(event, **kwargs)


def record_event_duration_secs(event: str, duration: float, **kwargs: str | int) -> None:
    """Report how many seconds something took."""
    _DURATIONS.send(event, duration, **kwargs)


def record_event_time_span(
    event: str, start_time: float, end_time: float, **kwargs: str | int
) -> None:
    """Report when something began and ended, in seconds since the epoch."""
    _SPANS.send(event, start_time, end_time, **kwargs)


def record_scalar(event: str, value: float | int, **kwargs: str | int) -> None:
    """Report a number."""
    _SCALARS.send(event, value, **kwargs)


@public
def register_event_listener(callback: Callable[..., Any]) -> None:
    """Call `callback(event, **kwargs)` at each event from now on."""
    _EVENTS.add(callback)


@public
def register_event_duration_secs_listener(callback: Callable[..., Any]) -> None:
    """Call `callback(event, duration, **kwargs)` at each duration from now on."""
    _DURATIONS.add(callback)


@public
def register_event_time_span_listener(callback: Callable[..., Any]) -> None:
    """Call `callback(event, start_time, end_time, **kwargs)` at each time span from now on."""
    _SPANS.add(callback)


@public
def register_scalar_listener(callback: Callable[..., Any]) -> None:
    """Call `callback(event, value, **kwargs)` at each scalar from now on."""
    _SCALARS.add(callback)


@public
def unregister_event_listener(callback: Callable[..., Any]) -> None:
    """Stop calling a listener of events.

    Raises:
        FxValueError: it is not registered; so for the other three.
    """
    _EVENTS.remove(callback)


@public
def unregister_event_duration_listener(callback: Callable[..., Any]) -> None:
    """Stop calling a listener of durations."""
    _DURATIONS.remove(callback)


@public
def unregister_event_time_span_listener(callback: Callable[..., Any]) -> None:
    """Stop calling a listener of time spans."""
    _SPANS.remove(callback)


@public
def unregister_scalar_listener(callback: Callable[..., Any]) -> None:
    """Stop calling a listener of scalars."""
    _SCALARS.remove(callback)


def clear_event_listeners() -> None:
    """Forget all listeners."""
    for channel in (_EVENTS, _DURATIONS, _SPANS, _SCALARS):
        channel.listeners = ()
