"""Mutable references: boxes that hold an array, for programs that are traced to pure ones.

The IR has no effects. A reference is a Python object; to read it gives the array that it holds,
and to write it makes a new array and puts that in its place, so a traced function that makes its
own references is pure as it stands. Where a body that is traced apart (of jit, of a loop, of a
branch) writes one from outside, `fx.calls.refs` finds out which, and passes their values through
the body as further arguments and results.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fx.core.array import Array, to_array
from fx.core.avals import ShapedArray, ShapeDtypeStruct
from fx.core.primitive import P, zeros
from fx.core.trace import StagingTrace, push, state
from fx.errors import FxTypeError, FxValueError, public
from fx.signatures import shown

# How many references there are: while it is 0, nothing else looks for any.
alive = [0]
_lock = threading.Lock()


def _count(change: int) -> None:
    with _lock:
        alive[0] += change


class _Recorder(threading.local):
    found: dict[Ref, bool] | None = None  # reference -> whether it is written


_recorder = _Recorder()


class Ref:
    """A mutable reference to an array; see `new_ref`."""

    __slots__ = ("__weakref__", "_home", "_value", "aval")

    aval: ShapedArray

    def __init__(self, value: Array):
        _count(1)
        self._value: Array | None = value
        self._home = state.level
        self.aval = value.aval

    def __del__(self) -> None:
        _count(-1)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> Any:
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        return len(self.aval.shape)

    @property
    def size(self) -> int:
        return self.aval.size

    def _is_recorded(self, written: bool) -> bool:
        """Whether this use only serves to find out which references a body uses."""
        found = _recorder.found
        if found is None or self._home >= state.level:
            return False
        found[self] = written or found.get(self, False)
        return True

    def get(self) -> Array:
        """The array that it holds."""
        if self._value is None:
            raise FxValueError("a reference was used after fx.freeze or fx.free_ref.")
        return zeros(self.aval) if self._is_recorded(False) else self._value

    def set(self, value: Array) -> None:
        """Hold another array of the same type."""
        if self._is_recorded(True):
            return
        if self._home < state.level:
            raise FxTypeError(
                f"a reference {self.aval.short()} that was made outside of a transformation is "
                "written inside of it (under grad, vmap, pmap, checkpoint or a custom rule). Make "
                "it inside, or return the new value from the function."
            )
        self._value = value

    def release(self) -> None:
        """Hold nothing from now on."""
        self.get()
        if not self._is_recorded(True):
            self._value = None

    @public
    def __getitem__(self, index: Any) -> Array:
        return self.get()[index]

    @public
    def __setitem__(self, index: Any, value: Any) -> None:
        self.set(self.get().at[index].set(value))

    @public
    def __len__(self) -> int:
        return len(self.get())

    def __repr__(self) -> str:
        held = "freed" if self._value is None else f"{self._value}, dtype={self.dtype}"
        return f"Ref({held})"


def discover(call: Callable[[], Any]) -> dict[Ref, bool]:
    """The references from outside that a call uses, and whether it writes them.

    The call is traced and forgotten; what it reads from them is zeros.
    """
    outer, _recorder.found = _recorder.found, {}
    try:
        with push(StagingTrace("the search for references")):
            call()
        return _recorder.found
    finally:
        _recorder.found = outer


@contextlib.contextmanager
def bound(refs: Sequence[Ref], values: Sequence[Array]) -> Iterator[None]:
    """Let references hold the given arrays, in a body that is being traced."""
    saved = [(r._value, r._home) for r in refs]
    for r, value in zip(refs, values, strict=True):
        r._value, r._home = value, state.level
    try:
        yield
    finally:
        for r, (value, home) in zip(refs, saved, strict=True):
            r._value, r._home = value, home


# ------------------------------------------------------------------ the public functions
@public
def new_ref(init_val: Any, *, memory_space: Any = None, kind: str | None = None) -> Ref:
    """A mutable reference that holds an array.

    `ref[i]` reads and `ref[i] = x` writes, with the indices of arrays; `ref[...]` is all of it. A
    jitted function, a loop's body or a branch may use references that were made outside. Such a
    function is called once more while it is traced, to find out which.

    Args:
        init_val: the first value, an array or a number.
        memory_space, kind: accepted as in JAX.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> total = fx.new_ref(0.0)
        >>> @fx.jit
        ... def add(x):
        ...     total[...] += x
        >>> for x in (2.0, 3.0):
        ...     add(x)
        >>> total[...]
        Array(5., dtype=float32)
    """
    x = to_array(init_val, "new_ref")
    if x.weak_type:
        x = P.convert_element_type(x, new_dtype=x.dtype)
    return Ref(x)


@public
def empty_ref(ty: Any, memory_space: Any = None) -> Ref:
    """A reference to an array of the given type, of zeros at first.

    Args:
        ty: anything with shape and dtype.
        memory_space: accepted as in JAX.

    Example:
        >>> import fx
        >>> fx.empty_ref(fx.ShapeDtypeStruct((2,), "float32"))
        Ref([0. 0.], dtype=float32)
    """
    if not hasattr(ty, "shape") or not hasattr(ty, "dtype"):
        raise FxTypeError(f"empty_ref expects a type, with shape and dtype, got {shown(ty)}.")
    return Ref(zeros(ShapeDtypeStruct(ty.shape, ty.dtype)))


@public
def freeze(ref: Ref) -> Array:
    """The array that a reference holds; it cannot be used afterwards.

    Example:
        >>> import fx
        >>> fx.freeze(fx.new_ref(3))
        Array(3, dtype=int32)
    """
    if not isinstance(ref, Ref):
        raise FxTypeError(f"freeze expects a reference, got {type(ref).__name__}. Use fx.new_ref.")
    value = ref.get()
    ref.release()
    return value


@public
def free_ref(ref: Ref) -> None:
    """End the use of a reference, and let its array go.

    Example:
        >>> import fx
        >>> fx.free_ref(fx.new_ref(3))
    """
    freeze(ref)
