"""Tracing: the one tracer class, the stack of traces, and the trace that records a jaxpr.

A transformation pushes a `Trace`; its tracers stand for the arguments. `Primitive.bind` hands an
operation to the innermost trace that owns one of its operands (the *level* decides). There are
three kinds, and each has a file that can be read alone:

* `StagingTrace` (here) records equations: jit, make_jaxpr, bodies of control flow, and the
  linear half of a linearization.
* `JVPTrace` (transforms/jvp.py) pairs a value with a tangent. The value is concrete outside jit,
  so Python `if` and `print` work under grad.
* `BatchTrace` (transforms/vmap.py) pairs a value with the axis that is mapped.

A *dynamic* staging trace (jit and control flow, not linearization) also captures operations on
constants, so that `jnp.arange(n)` inside jit is an equation that a compiler can fuse, not data.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fx import errors
from fx.config import detours, detours_lock
from fx.core.array import Array, to_array
from fx.core.avals import ShapedArray
from fx.core.ir import Atom, Eqn, Jaxpr, Literal, Var

if TYPE_CHECKING:
    from fx.core.primitive import Primitive


class _State(threading.local):
    """What tracing knows, for each thread; every change is undone in a `finally`."""

    def __init__(self) -> None:
        self.level = 0
        self.dynamic: StagingTrace | None = None
        self.axes: dict[Any, Any] = {}  # axis name -> AxisData; replaced, never mutated
        self.source: Any = None  # of the equation being re-interpreted, else found by stack walk
        self.scope = ""  # names of the enclosing `named_scope`s, joined by slashes
        self.ended: list[Any] | None = None  # weak references to past traces, for core/leaks.py


state = _State()


class Trace:
    """Base of the traces. `process` interprets one primitive on operands of this trace."""

    __slots__ = ("__weakref__", "alive", "level", "origin")

    has_values = False  # whether a tracer's `a` is the value that it stands for

    def __init__(self, origin: str):
        self.level = -1
        self.alive = False
        self.origin = origin

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        raise NotImplementedError

    def aval(self, tracer: Tracer) -> ShapedArray:
        raise NotImplementedError

    def concrete(self, tracer: Tracer, error: type[Exception], what: str) -> Any:
        """The raw data behind a tracer, or raise `error`."""
        raise NotImplementedError


class Tracer(Array):
    """Stands for an array while a function is traced; `a` and `b` belong to its trace."""

    __slots__ = ("_trace", "a", "b")

    def __init__(self, trace: Trace, a: Any, b: Any = None, aval: ShapedArray | None = None):
        self._trace = trace
        self.a = a
        self.b = b
        self._aval = aval

    @property
    def aval(self) -> ShapedArray:
        if self._aval is None:
            self._aval = self._trace.aval(self)
        return self._aval

    @property
    def weak_type(self) -> bool:  # type: ignore[override]
        return self.aval.weak_type

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

    @property
    def _data(self) -> Any:  # type: ignore[override]
        return self._concrete(errors.TracerArrayConversionError, "a NumPy function or conversion")

    def _concrete(self, error: type[Exception], what: str) -> Any:
        check_alive(self)
        return self._trace.concrete(self, error, what)

    def is_deleted(self) -> bool:
        return False

    def __deepcopy__(self, memo: Any) -> Tracer:
        return self

    def __reduce__(self) -> Any:
        raise errors.FxTypeError(
            f"a traced value {self.aval.short()} cannot be pickled. Return it from the traced "
            "function first."
        )

    def __repr__(self) -> str:
        value = f"({self.a})" if self._trace.has_values and isinstance(self.a, Array) else ""
        return f"Traced<{self.aval.short()}>with<{type(self._trace).__name__}>{value}"


def check_alive(tracer: Tracer) -> None:
    """Raise if the tracer's transformation has ended: the value was leaked."""
    if not tracer._trace.alive:
        raise errors.UnexpectedTracerError(
            f"a traced value {tracer.aval.short()} was used after its transformation had ended: "
            f"it was made by {tracer._trace.origin} and leaked through a global, an attribute or "
            "a closure. Return the value from the function instead of storing it."
        )


@contextlib.contextmanager
def push(trace: Trace) -> Iterator[Any]:
    """Make a trace the innermost one for the duration of a block.

    Ctrl-C may raise after any call: what is changed is changed inside the `try`, and nothing is
    called before it is put back.
    """
    saved_level, saved_dynamic = state.level, state.dynamic
    counted = False
    try:
        state.level = trace.level = saved_level + 1
        trace.alive = True
        if isinstance(trace, StagingTrace) and trace.dynamic:
            state.dynamic = trace
            with detours_lock:
                detours[0] += 1
                counted = True
        yield trace
    finally:
        state.level, state.dynamic = saved_level, saved_dynamic
        trace.alive = False
        if counted:
            with detours_lock:
                detours[0] -= 1
        if state.ended is not None:
            state.ended.append(weakref.ref(trace))


@contextlib.contextmanager
def ensure_compile_time_eval() -> Iterator[None]:
    """Evaluate operations on constants now, in a block of a function that is being traced.

    Their results are concrete, so Python can branch on them; operations on traced values are
    recorded as ever.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> @fx.jit
        ... def f(x):
        ...     with fx.ensure_compile_time_eval():
        ...         steps = int(jnp.sum(jnp.arange(3)))
        ...     return x * steps
        >>> f(2)
        Array(6, dtype=int32, weak_type=True)
    """
    saved, state.dynamic = state.dynamic, None
    try:
        yield
    finally:
        state.dynamic = saved


@contextlib.contextmanager
def named_scope(name: str) -> Iterator[None]:
    """Name the equations made in a block; the names show in messages and printed sources.

    Example:
        >>> import fx
        >>> with fx.named_scope("attention"):
        ...     pass
    """
    saved = state.scope
    state.scope = f"{saved}/{name}" if saved else name
    try:
        yield
    finally:
        state.scope = saved


@errors.checked
def named_call(fun: Callable[..., Any], *, name: str | None = None) -> Callable[..., Any]:
    """`fun` inside a `named_scope`.

    Args:
        fun: any function.
        name: of the scope; by default the function's.

    Example:
        >>> import fx
        >>> fx.named_call(lambda x: x + 1, name="increment")(1)
        2
    """
    scope = name if name is not None else getattr(fun, "__name__", type(fun).__name__)

    @functools.wraps(fun)
    def named(*args: Any, **kwargs: Any) -> Any:
        with named_scope(scope):
            return fun(*args, **kwargs)

    return named


@contextlib.contextmanager
def bind_axis(name: Any, data: Any) -> Iterator[None]:
    """Bring an axis name into scope for collectives."""
    saved = state.axes
    if name is not None:
        state.axes = {**saved, name: data}
    try:
        yield
    finally:
        state.axes = saved


class StagingTrace(Trace):
    """Records each primitive as an equation; its tracers hold a `Var`."""

    __slots__ = ("arg_names", "consts", "dynamic", "eqns", "invars", "seen", "what")

    def __init__(self, origin: str, *, dynamic: bool = True, what: str = "jit"):
        super().__init__(origin)
        self.dynamic = dynamic
        self.what = what
        self.eqns: list[Eqn] = []
        self.invars: list[Var] = []
        self.arg_names: list[str] = []
        self.consts: dict[Var, Array] = {}
        self.seen: dict[int, Var] = {}

    def new_arg(self, aval: ShapedArray, name: str = "") -> Tracer:
        var = Var(aval)
        self.invars.append(var)
        self.arg_names.append(name)
        return Tracer(self, var, None, aval)

    def aval(self, tracer: Tracer) -> ShapedArray:
        return tracer.a.aval

    def atom(self, x: Any) -> Atom:
        """The variable of an own tracer; anything else is captured as a constant."""
        if type(x) is Tracer:
            if x._trace is self:
                return x.a
            check_alive(x)
        else:
            x = to_array(x)
            if not x.shape and x.dtype.kind != "V":
                if type(x) is not Array:  # a number of another device
                    x = Array(x._concrete(errors.FxTypeError, "a constant"), x.weak_type)
                return Literal(x, x.aval)
        var = self.seen.get(id(x))
        if var is None:
            var = self.seen[id(x)] = Var(x.aval)
            self.consts[var] = x  # also keeps id(x) valid
        return var

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        invars = [self.atom(x) for x in args]
        out = primitive.abstract_eval(*[v.aval for v in invars], **params)
        source = state.source or errors.user_source(state.scope, 2)
        if primitive.multiple_results:
            outvars = [Var(aval) for aval in out]
            self.eqns.append(Eqn(primitive, invars, outvars, params, source))
            return [Tracer(self, var, None, var.aval) for var in outvars]
        var = Var(out)
        self.eqns.append(Eqn(primitive, invars, (var,), params, source))
        return Tracer(self, var, None, out)

    def to_jaxpr(self, outs: Sequence[Any]) -> Jaxpr:
        """Close the recorded program over its results."""
        outvars = [self.atom(x) for x in outs]
        return Jaxpr(self.invars, outvars, self.eqns, list(self.consts), list(self.consts.values()))

    def concrete(self, tracer: Tracer, error: type[Exception], what: str) -> Any:
        raise error(self._explain(tracer, error, what))

    def _explain(self, tracer: Tracer, error: type[Exception], what: str) -> str:
        fix = {
            errors.TracerBoolConversionError: "Use fx.lax.cond or fx.numpy.where for a choice, "
            "fx.lax.while_loop for a loop, & | ~ in place of `and` `or` `not`, or mark the "
            "argument static (static_argnames=...).",
            errors.TracerIntegerConversionError: "Shapes, axes and lengths must be Python "
            "integers: mark the argument static (static_argnames=...), or compute it from "
            "x.shape.",
            errors.NonConcreteBooleanIndexError: "The result's shape would depend on values: use "
            "fx.numpy.where(mask, x, 0), x.at[mask].set(...), or fx.numpy.nonzero(mask, size=n).",
        }.get(
            error,
            "Keep to fx.numpy functions inside, return the value and convert it outside, or use "
            "fx.pure_callback / fx.debug.print.",
        )
        names = self._depends_on(tracer.a)
        source = " which depends on " + " and ".join(names) if names else ""
        return (
            f"{what} needs a concrete value, but got the traced {tracer.aval.short()}{source}, "
            f"while tracing {self.origin} for {self.what}. {fix}"
        )

    def _depends_on(self, var: Var) -> list[str]:
        needed = {var}
        for eqn in reversed(self.eqns):
            if not needed.isdisjoint(eqn.outvars):
                needed.update(v for v in eqn.invars if isinstance(v, Var))
        return [
            f"the argument {name or f'number {i}'}"
            for i, (v, name) in enumerate(zip(self.invars, self.arg_names, strict=True))
            if v in needed
        ]
