"""Configuration: the only global mutable state, with thread-local scoped overrides.

fx.config.debug_nans            # read
fx.config.update("debug_nans", True)      # for the whole process
with fx.debug_nans(True): ...   # for this thread, within the block
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
from collections.abc import Iterator
from typing import Any

from fx.errors import FxTypeError, FxValueError, public
from fx.signatures import shown


def _cpu_backend() -> str:
    """$FX_CPU_BACKEND, or the compiler where it is installed."""
    default = "llvm" if importlib.util.find_spec("llvmlite") else "numpy"
    return os.environ.get("FX_CPU_BACKEND", default)


_PLATFORMS = ("cpu", "gpu", "simulated_gpu")


def _platform() -> str:
    """$FX_PLATFORM, or the CPU."""
    chosen = os.environ.get("FX_PLATFORM", "cpu")
    if chosen not in _PLATFORMS:
        raise FxValueError(
            f"FX_PLATFORM={chosen!r}: expected one of {', '.join(map(repr, _PLATFORMS))}."
        )
    return chosen


_OPTIONS: dict[str, tuple[Any, str]] = {
    "platform": (
        _platform(),
        "where programs made from now on run: 'cpu'; 'gpu'; 'simulated_gpu' runs a GPU's kernels "
        "on the CPU, slowly, for tests",
    ),
    "cpu_devices": (1, "how many CPU devices fx.devices() names"),
    "cpu_backend": (
        _cpu_backend(),
        "what runs programs made from now on: 'llvm' compiles, 'numpy' interprets them",
    ),
    "disable_jit": (False, "run jitted functions operation by operation, for debugging"),
    "debug_nans": (False, "raise at the first operation whose result has a NaN"),
    "debug_infs": (False, "raise at the first operation whose result has an infinity"),
    "enable_checks": (False, "type-check every jaxpr that is made"),
    "check_tracer_leaks": (False, "raise when a traced value outlives its transformation; slow"),
    "debug_key_reuse": (False, "raise when a random key is consumed twice, eagerly"),
    "numpy_dtype_promotion": ("standard", "'strict': operands of two dtypes are an error"),
    "numpy_rank_promotion": ("allow", "'warn' or 'raise' where ranks differ in broadcasting"),
    "default_device": (None, "the device that results are on; CPU devices share one memory"),
    "default_matmul_precision": (
        None,
        "a hint where precision= is not given; the CPU always multiplies in full precision",
    ),
    "enable_custom_prng": (False, "fx.random.PRNGKey makes typed keys, as fx.random.key does"),
    "log_compiles": (False, "log each trace of a jitted function, with its signature"),
    "enable_compilation_cache": (True, "keep compiled code on disk for other processes"),
    "compilation_cache_dir": (
        None,
        "where compiled code is kept; None: $FX_CACHE_DIR, else $XDG_CACHE_HOME/fx or ~/.cache/fx",
    ),
    "compilation_cache_max_size": (1 << 28, "bytes of compiled code kept on disk at most"),
}
_CHOICES = {
    "platform": _PLATFORMS,
    "cpu_backend": ("llvm", "numpy"),
    "default_matmul_precision": (
        None,
        "default",
        "fastest",
        "high",
        "highest",
        "bfloat16",
        "bfloat16_3x",
        "tensorfloat32",
        "float32",
    ),
    "numpy_dtype_promotion": ("standard", "strict"),
    "numpy_rank_promotion": ("allow", "warn", "raise"),
}
# Options that each operation, or each call of a program, has to look at once they are on.
_WATCHED = (
    "disable_jit",
    "debug_nans",
    "debug_infs",
    "numpy_dtype_promotion",
    "numpy_rank_promotion",
)

# While this is 0, an eager operation on plain arrays need look at nothing but its operands. Each
# dynamic trace and each watched option that is on, in any thread, counts one.
detours = [0]
detours_lock = threading.Lock()


def add_detours(count: int) -> None:
    """Count more (or, when negative, fewer) reasons to leave the short way."""
    with detours_lock:
        detours[0] += count


def _detours_of(values: dict[str, Any]) -> int:
    return sum(name in values and values[name] != _OPTIONS[name][0] for name in _WATCHED)


class _Scoped(threading.local):
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}


class Config:
    """Options as attributes; see `options()` for what each does."""

    def __init__(self) -> None:
        self._values = {name: default for name, (default, _) in _OPTIONS.items()}
        self._scoped = _Scoped()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"fx.config has no option {name!r}; it has {', '.join(_OPTIONS)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self.update(name, value)

    @public
    def update(self, name: str, value: Any) -> None:
        """Set an option for the whole process. JAX's `jax_` prefix is accepted."""
        name = name.removeprefix("jax_")
        self._check(name, value)
        before = _detours_of(self._values)
        self._values[name] = value
        add_detours(_detours_of(self._values) - before)

    @staticmethod
    def _check(name: str, value: Any) -> None:
        if name not in _OPTIONS:
            raise FxValueError(
                f"fx.config: unknown option {name!r}; expected one of {', '.join(_OPTIONS)}."
            )
        if isinstance(_OPTIONS[name][0], bool) and not isinstance(value, int):
            raise FxTypeError(f"fx.config: {name} must be True or False, got {shown(value)}.")
        known = value is None or isinstance(value, (str, int))  # others may have their own ==
        if name in _CHOICES and not (known and value in _CHOICES[name]):
            raise FxValueError(
                f"fx.config: {name} must be one of {', '.join(map(repr, _CHOICES[name]))}, got "
                f"{value!r}."
            )

    def options(self) -> dict[str, str]:
        """What each option does."""
        return {name: text for name, (_, text) in _OPTIONS.items()}

    @contextlib.contextmanager
    def scope(self, **values: Any) -> Iterator[None]:
        """Override options in this thread for the duration of a block."""
        for name, value in values.items():
            self._check(name, value)
        saved, count = self._scoped.values, _detours_of(values)
        counted = 0
        try:  # Ctrl-C may raise after any call
            self._scoped.values = {**saved, **values}
            with detours_lock:
                detours[0] += count
                counted = count
            yield
        finally:
            self._scoped.values = saved
            with detours_lock:
                detours[0] -= counted

    def scoped(self) -> dict[str, Any]:
        """This thread's overrides, for a thread that works on its behalf (see `scope`)."""
        return self._scoped.values


def _option(name: str) -> property:
    return property(lambda c: c._scoped.values.get(name, c._values[name]))


for _name in _OPTIONS:  # found at once, without `__getattr__`: traces ask often
    setattr(Config, _name, _option(_name))

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


def numpy_dtype_promotion(mode: str) -> contextlib.AbstractContextManager[None]:
    """How operands of different dtypes meet, within a block.

    Args:
        mode: "standard" promotes them; "strict" makes it an error, Python numbers aside.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> with fx.numpy_dtype_promotion("strict"):
        ...     jnp.ones(2, "float32") + 1
        Array([2., 2.], dtype=float32)
    """
    return config.scope(numpy_dtype_promotion=mode)


def numpy_rank_promotion(mode: str) -> contextlib.AbstractContextManager[None]:
    """Whether operands of different ranks broadcast, within a block: "allow", "warn" or "raise".

    Scalars always do.
    """
    return config.scope(numpy_rank_promotion=mode)


def log_compiles(on: bool = True) -> contextlib.AbstractContextManager[None]:
    """Log each trace of a jitted function to the logger "fx", as warnings, within a block."""
    return config.scope(log_compiles=on)


def default_device(device: Any) -> contextlib.AbstractContextManager[None]:
    """Run a block on a device: a `Device`, or None for the usual one.

    CPU devices share one memory, so that results stay where they are.

    Example:
        >>> import fx
        >>> with fx.default_device(fx.devices()[0]):
        ...     x = fx.numpy.ones(2)
    """
    return config.scope(default_device=device)


def default_matmul_precision(precision: str | None) -> contextlib.AbstractContextManager[None]:
    """How exact products of matrices must be in a block: "default", "high", "highest", "bfloat16",
    "tensorfloat32", "float32". A hint: the CPU always multiplies in full precision.

    Example:
        >>> import fx
        >>> with fx.default_matmul_precision("float32"):
        ...     x = fx.numpy.ones((2, 2)) @ fx.numpy.ones((2, 2))
    """
    return config.scope(default_matmul_precision=precision)


def enable_custom_prng(on: bool = True) -> contextlib.AbstractContextManager[None]:
    """Make `fx.random.PRNGKey` give typed keys within a block, as `fx.random.key` does.

    Example:
        >>> import fx
        >>> with fx.enable_custom_prng():
        ...     key = fx.random.PRNGKey(0)
    """
    return config.scope(enable_custom_prng=on)
