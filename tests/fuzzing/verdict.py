"""Whether a call with hostile arguments ended as it may: with a result, or with an error that is
documented and was meant.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fx
import fx.numpy as jnp
from fx import errors
from fx.config import config, detours
from fx.core.trace import state
from tests.fuzzing.hostile import UserError

SECONDS = 5.0  # of the longest call; what is asked for is small, or refused
BYTES = 1 << 30  # what the process may take beyond what it has

# Errors that are not fx's own and may still come, by type and message, each with the reason.
PLAIN: list[tuple[type[BaseException], str, str]] = [
    (TypeError, r"\) (takes|missing|got)|positional argument", "Python's check of a signature"),
    (TypeError, r"required argument|multiple values|unexpected keyword", "inspect's check of one"),
    (TypeError, r"^int\(\) (argument|takes)|only 0-dimensional", "int as the user's function"),
    (TypeError, r"is not callable|instantiate", "Python says it of the value that was given"),
    (TypeError, r"^(unsupported|bad) operand type", "an operator of the user's own type"),
    (TypeError, r"not supported between instances", "an operator of the user's own type"),
    (TypeError, r"can't multiply sequence by non-int", "an operator of a list or a string"),
    (ValueError, r"^operands could not be broadcast", "NumPy's arrays among themselves"),
    (TypeError, r"^ufunc '\w+' ", "NumPy's arrays among themselves"),
    (ValueError, r"is not a valid \w+$", "Python's check of an enumeration"),
    (OSError, r"\[Errno", "a file that is not there, or no file"),
]
# What a message may not say: the words of accidents inside, and of the insides.
ACCIDENTS = re.compile(
    r"'NoneType' object|tuple index out of range|list index out of range|(?<![\w.])_[a-z]\w*\(\)"
    r"|truth value of an array|maximum recursion|local variable|object is not subscriptable"
)


class TimeLimit(BaseException):
    """The call took too long. No `except Exception` stops it."""


@dataclass
class Finding:
    """A call that ended as it may not."""

    call: str
    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.call}\n    {self.what}\n    at {self.where}"


@dataclass
class Judge:
    """Makes calls and collects what is wrong.

    Attributes:
        findings: calls that ended in an undocumented error, or left something behind.
        calls: how many were made.
    """

    findings: list[Finding] = field(default_factory=list)
    calls: int = 0
    sanity: Any = None

    def __call__(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """(whether it returned, what it returned)."""
        self.calls += 1
        if self.sanity is None:
            self.sanity = fx.jit(fx.grad(jnp.sin))
            self.sanity(0.0)
        options = [f"{k}={short(v)}" for k, v in kwargs.items()]
        call = f"{name}({', '.join([*map(short, args), *options])})"
        settings = dict(config._values), dict(config.scoped())
        returned, out = False, None
        try:
            with limited():
                out = function(*args, **kwargs)
                if hasattr(out, "__enter__") and not isinstance(out, io.IOBase):
                    with out:  # a setting for a block
                        pass
            returned = True
        except UserError:
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.judge(call, error)
        self.check(call, settings)
        return returned, out

    def judge(self, call: str, error: BaseException) -> None:
        """Note an error that is not documented, or that does not explain itself."""
        inner = [
            f for f in traceback.extract_tb(error.__traceback__) if errors.is_internal(f.filename)
        ]
        where = f"{os.path.relpath(inner[-1].filename)}:{inner[-1].lineno}" if inner else "the call"
        try:
            text = str(error)
        except Exception as broken:
            text, error = f"its message fails: {broken!r}", broken
        what = f"{type(error).__name__}: {text[:200]}"
        if isinstance(error, errors.FxError):
            if len(text) < 10 or ACCIDENTS.search(text):
                self.findings.append(Finding(call, what, where))
            return
        if not inner and isinstance(error, (TypeError, ValueError, AttributeError)):
            return  # Python or NumPy refused before fx was asked
        known = any(isinstance(error, kind) and re.search(p, text) for kind, p, _ in PLAIN)
        if not known or ACCIDENTS.search(text):
            self.findings.append(Finding(call, what, where))

    def check(self, call: str, settings: Any) -> None:
        """Note what a call left behind: traces, axes, settings, a process that works no more."""
        left = []
        if state.level or state.dynamic is not None or state.axes or state.scope or state.source:
            left.append(f"a trace is open: {state.level} {state.dynamic} {state.axes}")
            state.level, state.dynamic, state.axes, state.scope = 0, None, {}, ""
            state.source = None
        if detours[0] or settings != (dict(config._values), dict(config.scoped())):
            left.append(f"settings changed: {detours[0]}")
            detours[0] = 0
        try:
            if float(self.sanity(0.0)) != 1:
                left.append("the derivative of sin at 0 is not 1")
        except Exception as error:
            left.append(f"the next call fails: {error!r}")
        for what in left:
            self.findings.append(Finding(call, what, "the end of the call"))

    def report(self, most: int = 15) -> str:
        """The findings as text, one for each place."""
        places = {f.where + f.what[:40]: f for f in self.findings}
        shown = [str(f) for f in list(places.values())[:most]]
        return f"{len(self.findings)} findings, {len(places)} places:\n" + "\n".join(shown)


def short(x: Any) -> str:
    """A short text of any value."""
    try:
        text = " ".join(repr(x).split())
    except Exception:
        return f"<{type(x).__name__}>"
    return text if len(text) < 60 else text[:57] + "..."


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Raise `TimeLimit` in a call that runs too long; end the process where even that fails."""

    def stop(*_: Any) -> None:
        raise TimeLimit(f"still running after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    faulthandler.dump_traceback_later(12 * SECONDS, exit=True, file=sys.__stderr__)
    try:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Let what asks for too much memory fail, rather than the machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
