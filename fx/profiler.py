"""Where the time goes, under the names of `jax.profiler`: named spans on a time line, and Python's
profile of the thread that asked for it. Compiled programs run kernel by kernel while a trace is
recorded: each kernel and each call of a NumPy rule is a span, with the user's line and its bytes.

A trace is a folder with `trace.json`, which Perfetto and chrome://tracing show, and
`profile.pstats` for the `pstats` module.
"""

from __future__ import annotations

import contextlib
import cProfile
import dataclasses
import functools
import json
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from fx.config import add_detours
from fx.core.recording import recorders
from fx.errors import FxValueError, public

__all__ = [
    "ProfileOptions",
    "StepTraceAnnotation",
    "TraceAnnotation",
    "annotate_function",
    "start_trace",
    "stop_trace",
    "trace",
]


@dataclasses.dataclass
class ProfileOptions:
    """What a trace records.

    Attributes:
        python_tracer_level: 0 leaves Python's profile out.
        host_tracer_level: 0 leaves the spans out.
    """

    python_tracer_level: int = 1
    host_tracer_level: int = 1


class _Session:
    def __init__(self, folder: pathlib.Path, options: ProfileOptions):
        self.folder = folder
        self.options = options
        self.begin = time.perf_counter_ns()
        self.events: list[dict[str, Any]] = []  # list.append is atomic
        self.python = cProfile.Profile() if options.python_tracer_level else None

    def add(self, name: str, start: int, end: int, notes: dict[str, Any]) -> None:
        """Record a span."""
        self.events.append(
            {
                "name": name,
                "ph": "X",
                "ts": (start - self.begin) / 1000,
                "dur": (end - start) / 1000,
                "pid": os.getpid(),
                "tid": threading.get_native_id(),
                "args": notes,
            }
        )


_lock = threading.Lock()
_session: _Session | None = None


@public
def start_trace(
    log_dir: str | os.PathLike[str],
    create_perfetto_link: bool = False,
    create_perfetto_trace: bool = False,
    profiler_options: ProfileOptions | None = None,
) -> None:
    """Begin to record.

    Args:
        log_dir: a folder for the results, made if it is not there.
        create_perfetto_link, create_perfetto_trace: accepted as in JAX; the time line is always in
            a format that Perfetto reads.
        profiler_options: what to record.

    Raises:
        FxValueError: a trace is being recorded.
    """
    global _session
    with _lock:
        if _session is not None:
            raise FxValueError(
                f"profiler: a trace into {_session.folder} has begun. Call stop_trace first."
            )
        _session = _Session(pathlib.Path(log_dir), profiler_options or ProfileOptions())
        if _session.options.host_tracer_level:
            recorders.append(_session.add)
            add_detours(1)  # programs look whether someone records
    if _session.python is not None:
        _session.python.enable()


@public
def stop_trace() -> None:
    """End the recording, and write it.

    Raises:
        FxValueError: nothing is being recorded.
    """
    global _session
    with _lock:
        if _session is None:
            raise FxValueError("profiler: no trace has begun. Call start_trace first.")
        session, _session = _session, None
        if session.options.host_tracer_level:
            recorders.clear()
            add_detours(-1)
    session.folder.mkdir(parents=True, exist_ok=True)
    if session.python is not None:
        session.python.disable()
        session.python.dump_stats(session.folder / "profile.pstats")
    timeline = {"traceEvents": session.events, "displayTimeUnit": "ms"}
    (session.folder / "trace.json").write_text(json.dumps(timeline))


@contextlib.contextmanager
def trace(
    log_dir: str | os.PathLike[str],
    create_perfetto_link: bool = False,
    create_perfetto_trace: bool = False,
    profiler_options: ProfileOptions | None = None,
) -> Iterator[None]:
    """Record a block; arguments as in `start_trace`.

    Example:
        >>> import pathlib, tempfile, fx, fx.numpy as jnp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with fx.profiler.trace(folder):
        ...         with fx.profiler.TraceAnnotation("sum"):
        ...             total = jnp.arange(10).sum()
        ...     sorted(path.name for path in pathlib.Path(folder).iterdir())
        ['profile.pstats', 'trace.json']
    """
    start_trace(log_dir, create_perfetto_link, create_perfetto_trace, profiler_options)
    try:
        yield
    finally:
        stop_trace()


class TraceAnnotation(contextlib.ContextDecorator):
    """A named span on the time line: a block, or each call of a decorated function.

    Args:
        name: of the span.
        **kwargs: what else to note, numbers or text.
    """

    def __init__(self, name: str, **kwargs: Any):
        self.name = name
        self.notes = {key: _plain(value) for key, value in kwargs.items()}
        self._starts: list[int] = []

    def __enter__(self) -> TraceAnnotation:
        self._starts.append(time.perf_counter_ns())
        return self

    def __exit__(self, *error: Any) -> None:
        start, end, session = self._starts.pop(), time.perf_counter_ns(), _session
        if session is None or not session.options.host_tracer_level:
            return
        session.add(self.name, start, end, self.notes)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else str(value)


class StepTraceAnnotation(TraceAnnotation):
    """A span for one step of a training loop.

    Args:
        name: of the span.
        **kwargs: what else to note, such as `step_num`.
    """


def annotate_function(
    func: Callable[..., Any], name: str | None = None, **decorator_kwargs: Any
) -> Callable[..., Any]:
    """A function whose calls are spans.

    Args:
        func: any function.
        name: of the spans; by default the function's.
        **decorator_kwargs: what else to note.

    Example:
        >>> import fx
        >>> fx.profiler.annotate_function(abs)(-1)
        1
    """
    label = name or getattr(func, "__qualname__", type(func).__name__)

    @functools.wraps(func)
    def annotated(*args: Any, **kwargs: Any) -> Any:
        with TraceAnnotation(label, **decorator_kwargs):
            return func(*args, **kwargs)

    return annotated
