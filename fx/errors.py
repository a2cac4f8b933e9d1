"""The errors that fx raises, and the filter that keeps a traceback to the user's own lines.

Every message says which operation failed, what it got, what it expected and how to fix it. Each
class also derives from the built-in exception that a NumPy user would catch.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from fx.signatures import mismatches, public_name

_ROOT = os.path.dirname(os.path.abspath(__file__)) + os.sep
# Folders of the package whose frames are user code as far as tracebacks are concerned.
_USER_PARTS = tuple(_ROOT + part for part in ("train" + os.sep, "data" + os.sep, "__main__"))


class FxError(Exception):
    """Base of all errors raised by fx on purpose."""


class FxTypeError(FxError, TypeError):
    """An argument has a type or dtype that the operation does not take."""


class FxValueError(FxError, ValueError):
    """An argument has a value (a shape, an axis, an option) that the operation does not take."""


class FxIndexError(FxError, IndexError):
    """An index is out of bounds, or is not an index."""


class FxOverflowError(FxTypeError, OverflowError):
    """A number does not fit the dtype it should take."""


class AxisError(FxValueError, IndexError):
    """An axis is out of range; as NumPy's error of that name, a ValueError and an IndexError."""


class ShapeError(FxValueError):
    """Shapes of operands do not fit together."""


class TreeError(FxValueError):
    """Two pytrees that must have the same structure differ; the message shows the path."""


class FxRuntimeError(FxError, RuntimeError):
    """Something that a program was told not to do, such as to trace once more."""


class FxNameError(FxError, NameError):
    """A collective names an axis that no enclosing vmap or pmap binds."""


class ConcretizationTypeError(FxTypeError):
    """A value is needed while tracing, where only its shape and dtype are known."""


class TracerBoolConversionError(ConcretizationTypeError):
    """A Python `if`, `while`, `and`, `or` or `not` met a traced value."""


class TracerIntegerConversionError(ConcretizationTypeError):
    """A traced value was used as a Python integer (a shape, an axis, a list index)."""


class TracerArrayConversionError(ConcretizationTypeError):
    """A traced value was handed to NumPy or to Python's float(), complex(), ..."""


class NonConcreteBooleanIndexError(ConcretizationTypeError, IndexError):
    """A traced boolean mask was used as an index whose result has no static shape."""


class UnexpectedTracerError(FxError):
    """A tracer outlived the transformation that made it (a leak through a side effect)."""


class MissingRuleError(FxError, NotImplementedError):
    """A primitive has no rule for a transformation; the message names the method to write."""


class JaxprTypeError(FxError, TypeError):
    """`check_jaxpr` found a jaxpr that is not well typed."""


class FileError(FxError, OSError):
    """A file is missing, damaged, cannot be written, or does not hold what the reader expects."""


class NonFiniteError(FxError, FloatingPointError):
    """A result has a NaN or an infinity, while `fx.debug_nans` or `fx.debug_infs` is on."""


class OutOfMemoryError(FxError, MemoryError):
    """An array is larger than the memory there is, or than memory can be."""


class FxBufferError(FxTypeError, BufferError):
    """The memory of another library's array cannot be used: it is on a device, or kept back."""


class KeyReuseError(FxError, RuntimeError):
    """A random key was consumed twice."""


def is_internal(filename: str) -> bool:
    """Whether a code file belongs to fx itself rather than to the user."""
    return filename.startswith(_ROOT) and not filename.startswith(_USER_PARTS)


def user_frames(tb: types.TracebackType | None) -> types.TracebackType | None:
    """The same traceback without the frames of fx, so that it ends at the user's line."""
    kept = []
    while tb is not None:
        if not is_internal(tb.tb_frame.f_code.co_filename):
            kept.append(tb)
        tb = tb.tb_next
    result = None
    for entry in reversed(kept):
        result = types.TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result


F = TypeVar("F", bound=Callable[..., Any])


def public(function: F) -> F:
    """Decorate an entry point of the API: errors that leave it carry only the user's frames, and
    say which argument is not what the function's annotations ask for.

    A bare `raise` inside an `except` block keeps the traceback that the exception carries without
    adding the current frame, so the wrapper itself does not show either. `FX_FULL_TRACEBACK=1`
    keeps all frames.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            try:
                reraise(error, function, args, kwargs)
            except Exception as final:
                hide_frames(final)
                raise

    return wrapper  # type: ignore[return-value]


def checked(function: F) -> F:
    """As `public`, for a function that keeps its arguments for later: they are held against its
    annotations at once, so that a wrong one is found where it was written."""

    @functools.wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        wrong = mismatches(function, args, kwargs)
        if wrong:
            raise FxTypeError(f"{public_name(function)}: {wrong}.")
        return function(*args, **kwargs)

    return public(checking)  # type: ignore[return-value]


# What Python and NumPy raise when an option of the wrong type goes astray.
_NO_OPTIONS: Any = types.MappingProxyType({})
_ASTRAY = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)
_VAGUE = "the truth of an array"  # what an option that is an array says to an `if` inside
_TOO_LARGE = (
    "Maximum allowed",
    "array is too big",
    "maximum supported dimension",
    "iterator is too large",
)
_NUMPY = os.path.dirname(np.__file__) + os.sep
_PYTHON = os.path.dirname(os.__file__) + os.sep


def reraise(
    error: Exception, function: Callable[..., Any], args: Any, kwargs: Any = _NO_OPTIONS
) -> NoReturn:
    """Raise an error that leaves `function`, or one that explains it.

    An error of fx explains itself, and one that the user's code raised is the user's. What is
    left came out of Python or NumPy: there is no memory, or an argument is not what its annotation
    says. If neither is the case, the error stays as it is.
    """
    clear = isinstance(error, FxError) and not str(error).startswith(_VAGUE)
    better = None if clear else _explained(error, function, args, kwargs)
    if better is None:
        raise error
    raise better.with_traceback(error.__traceback__ if _FULL else None)


def _is_library(filename: str) -> bool:
    """Whether a code file is of fx, of NumPy or of Python itself, not of a user."""
    if filename.startswith(_PYTHON):
        return "-packages" not in filename or filename.startswith(_NUMPY) or is_internal(filename)
    return filename.startswith(("<", _NUMPY)) or is_internal(filename)


def _explained(
    error: Exception, function: Callable[..., Any], args: Any, kwargs: Any
) -> FxError | None:
    tb = error.__traceback__
    while tb is not None:
        if not _is_library(tb.tb_frame.f_code.co_filename):
            return None
        tb = tb.tb_next
    name = public_name(function)
    if isinstance(error, MemoryError) or str(error).startswith(_TOO_LARGE):
        return OutOfMemoryError(f"{name}: there is not enough memory for the result. {error}")
    if isinstance(error, RecursionError):
        return FxValueError(f"{name}: an argument is nested too deeply, or contains itself.")
    wrong = mismatches(function, args, kwargs) if isinstance(error, _ASTRAY) else ""
    if wrong:
        return FxTypeError(f"{name}: {wrong}.")
    if isinstance(error, OverflowError):
        return FxOverflowError(f"{name}: a number is too large: {error}.")
    return None


_FULL = bool(os.environ.get("FX_FULL_TRACEBACK"))


def hide_frames(error: BaseException) -> None:
    """Drop fx's frames from `error`'s traceback, and from the errors it is chained to."""
    if _FULL:
        return
    error.__traceback__ = user_frames(error.__traceback__)
    if isinstance(error, FxError) and error.__cause__ is None:
        error.__suppress_context__ = True


class Source(NamedTuple):
    """Where in the user's code an equation comes from, and the named scopes around it."""

    code: types.CodeType
    line: int
    scope: str


def user_source(scope: str = "", depth: int = 1) -> Source | None:
    """The innermost frame outside fx, cheap enough for every equation."""
    frame = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if id(code) not in _internal_codes:
            if not is_internal(code.co_filename):
                return Source(code, frame.f_lineno, scope)
            _internal_codes[id(code)] = code
        frame = frame.f_back
    return None


# By identity: the hash of a code object goes through all that it consists of.
_internal_codes: dict[int, types.CodeType] = {}


def format_source(source: Source | None) -> str:
    """`file.py:12 (function)` for a source recorded by `user_source`."""
    if source is None:
        return "<unknown>"
    scope = f" in {source.scope}" if source.scope else ""
    return f"{source.code.co_filename}:{source.line} ({source.code.co_name}){scope}"
