"""Configuration: the only global mutable state, with thread-local scoped overrides.

fx.config.debug_nans            # read
fx.config.update("debug_nans", True)      # for the whole process
with fx.debug_nans(True): ...   # for this thread, within the block
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from fx.errors import FxValueError

_OPTIONS: dict[str, tuple[Any, str]] = {
    "cpu_devices": (1, "how many CPU devices fx.devices() names"),
    "disable_jit": (False, "run jitted functions operation by operation, for debugging"),
    "debug_nans": (False, "raise at the first operation whose result has a NaN"),
    "debug_infs": (False, "raise at the first operation whose result has an infinity"),
    "enable_checks": (False, "type-check every jaxpr that is made"),
    "check_tracer_leaks": (False, "raise when a traced value outlives its transformation; slow"),
    "debug_key_reuse": (False, "raise when a random key is consumed twice, eagerly"),
}


class _Scoped(threading.local):
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}


class Config:
    """Options as attributes; see `options()` for what each does."""

    def __init__(self) -> None:
        self._values = {name: default for name, (default, _) in _OPTIONS.items()}
        self._scoped = _Scoped()

    def __getattr__(self, name: str) -> Any:
        if name in _OPTIONS:
            return self._scoped.values.get(name, self._values[name])
        raise AttributeError(f"fx.config has no option {name!r}; it has {', '.join(_OPTIONS)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self.update(name, value)

    def update(self, name: str, value: Any) -> None:
        """Set an option for the whole process. JAX's `jax_` prefix is accepted."""
        name = name.removeprefix("jax_")
        if name not in _OPTIONS:
            raise FxValueError(
                f"fx.config.update: unknown option {name!r}; expected one of {', '.join(_OPTIONS)}."
            )
        self._values[name] = value

    def options(self) -> dict[str, str]:
        """What each option does."""
        return {name: text for name, (_, text) in _OPTIONS.items()}

    @contextlib.contextmanager
    def scope(self, **values: Any) -> Iterator[None]:
        """Override options in this thread for the duration of a block."""
        saved = self._scoped.values
        self._scoped.values = {**saved, **values}
        try:
            yield
        finally:
            self._scoped.values = saved


config = Config()


def debug_nans(on: bool = True) -> contextlib.AbstractContextManager[None]:
    """Raise at the first operation whose result has a NaN, naming the user's line.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> with fx.debug_nans():
        ...     jnp.log(jnp.asarray(2.0))
        Array(0.6931472, dtype=float32, weak_type=True)
    """
    return config.scope(debug_nans=on)


def debug_infs(on: bool = True) -> contextlib.AbstractContextManager[None]:
    """Raise at the first operation whose result has an infinity."""
    return config.scope(debug_infs=on)


def disable_jit(on: bool = True) -> contextlib.AbstractContextManager[None]:
    """Run jitted functions operation by operation, so that print and debuggers see values."""
    return config.scope(disable_jit=on)


def enable_checks(on: bool = True) -> contextlib.AbstractContextManager[None]:
    """Type-check every jaxpr that is made."""
    return config.scope(enable_checks=on)


def debug_key_reuse(on: bool = True) -> contextlib.AbstractContextManager[None]:
    """Raise `KeyReuseError` when a random key is consumed twice, eagerly.

    Example:
        >>> import fx
        >>> with fx.debug_key_reuse():
        ...     key, subkey = fx.random.split(fx.random.key(0))
        ...     x = fx.random.normal(subkey)
    """
    return config.scope(debug_key_reuse=on)


def check_tracer_leaks(on: bool = True) -> contextlib.AbstractContextManager[None]:
    """Raise `UnexpectedTracerError` at the end of a transformation whose function stored a traced
    value somewhere that outlives it. Slow: it collects garbage after each transformation.

    Example:
        >>> import fx
        >>> with fx.check_tracer_leaks():
        ...     fx.jit(lambda x: x + 1)(1.0)
        Array(2., dtype=float32, weak_type=True)
    """
    return config.scope(check_tracer_leaks=on)


def checking_leaks() -> contextlib.AbstractContextManager[None]:
    """`check_tracer_leaks(True)`."""
    return check_tracer_leaks(True)
