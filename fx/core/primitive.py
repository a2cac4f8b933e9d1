"""Primitives: the vocabulary of the IR, one class each with every rule as a method.

A primitive is added by writing one class and making one instance; the instance registers itself
in `P` by name. Rules refer to other primitives as `P.mul(x, y)`, so families of primitives that
transpose into each other need not import each other.

    class Square(Primitive):
        name = "square"
        def abstract_eval(self, x): return x
        def impl(self, xp, x): return x * x
        def jvp(self, primals, out, tangents): ...
        def batch(self, axis, args, dims): return self(*args), dims[0]

    square_p = Square()

Calling a primitive binds it: arrays are positional, parameters keyword-only. A missing rule
raises `MissingRuleError`, which names the primitive, the transformation and the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fx.config import detours
from fx.core.array import Array, to_array
from fx.core.avals import ShapedArray
from fx.core.finite import check_finite, watching
from fx.core.remote import are_remote, run_remote
from fx.core.trace import Tracer, check_alive, state
from fx.errors import FxOverflowError, FxTypeError, MissingRuleError, user_source
from fx.util import fp_enter, fp_exit


class AxisData(NamedTuple):
    """A mapped axis: its name (None when anonymous), its size, and the trace that maps it."""

    name: Any
    size: int
    trace: Any = None


class Linear:
    """Placeholder for the linear operand of an equation that is being transposed."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray):
        self.aval = aval

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype:
        return self.aval.dtype

    def __fx_array__(self) -> Any:
        raise FxTypeError(
            f"a function that should be linear is not: an operation on {self.aval.short()} "
            "multiplies two values that depend on its arguments, or needs the value of one."
        )

    def __repr__(self) -> str:
        return f"Linear({self.aval.short()})"


class Registry:
    """Primitives by name, as attributes."""

    def __init__(self) -> None:
        self.table: dict[str, Primitive] = {}

    def __getattr__(self, name: str) -> Any:
        try:
            primitive = self.__dict__["table"][name]
        except KeyError:
            raise AttributeError(f"no primitive named {name!r}") from None
        self.__dict__[name] = primitive
        return primitive


P = Registry()


class LoopForm(NamedTuple):
    """A loop: `body` maps (constants, carry, slices) to (carry, slices of results).

    Attributes:
        body: a jaxpr.
        length, reverse: how many times it runs, and whether from the last slices on.
        consts, carries: how many operands are constants, and carry.
        test, test_consts: for a loop whose length (0 here) only shows as it runs, a jaxpr from
            (constants of its own, carry) to whether it goes on, and how many operands, the first
            ones, are these constants.
    """

    body: Any
    length: int
    reverse: bool
    consts: int
    carries: int
    test: Any = None
    test_consts: int = 0


class Primitive:
    """Base of all primitives.

    Attributes:
        name: how the IR prints it.
        multiple_results: whether rules take and return lists of results.
        effectful: whether it must run even if no result is used.
    """

    name: str = ""
    multiple_results: bool = False
    effectful: bool = False

    def __init__(self, name: str | None = None):
        if name is not None:
            self.name = name
        P.table[self.name] = self
        P.__dict__.pop(self.name, None)

    def __repr__(self) -> str:
        return self.name

    # ------------------------------------------------------------------ binding
    def bind(self, *args: Any, **params: Any) -> Any:
        """Apply to arrays or tracers, under whatever transformations are active."""
        trace, level = None, -1
        for x in args:
            if type(x) is Tracer and x._trace.level > level:
                trace, level = x._trace, x._trace.level
        if detours[0] and state.dynamic is not None and state.dynamic.level > level:
            trace = state.dynamic
        if trace is None:
            out = self.eager(args, params)
            if detours[0] and watching():
                self._check_finite(args, out)
            return out
        if not trace.alive:
            check_alive(next(x for x in args if type(x) is Tracer and x._trace is trace))
        return trace.process(self, args, params)

    __call__ = bind

    def eager(self, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Evaluate on concrete arrays now."""
        arrays = [x if type(x) is Array else to_array(x, self.name) for x in args]
        if are_remote(arrays):
            return run_remote(self, arrays, params)
        avals = self.abstract_eval(*[x.aval for x in arrays], **params)
        token = fp_enter()
        try:
            out = self.impl(np, *[x._data for x in arrays], **params)
        finally:
            fp_exit(token)
        if self.multiple_results:
            return [
                Array(o if type(o) is np.ndarray else np.asarray(o), aval.weak_type)
                for o, aval in zip(out, avals, strict=True)
            ]
        return Array(out if type(out) is np.ndarray else np.asarray(out), avals.weak_type)

    def _check_finite(self, args: Sequence[Any], out: Any) -> None:
        outs = out if self.multiple_results else [out]
        ins = [to_array(x)._data for x in args]
        source = state.source or user_source(state.scope, 2)
        check_finite(self.name, ins, [x._data for x in outs], source)

    # ------------------------------------------------------------------ rules
    def abstract_eval(self, *avals: ShapedArray, **params: Any) -> Any:
        """Result types from operand types; raises typed errors for wrong operands."""
        raise self.missing("tracing", "abstract_eval(self, *avals, **params)")

    def impl(self, xp: Any, *arrays: Any, **params: Any) -> Any:
        """Evaluate on raw arrays of the module `xp` (numpy or cupy)."""
        raise self.missing("evaluation", "impl(self, xp, *arrays, **params)")

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        """Tangent of the result; a tangent of None is zero (never all of them)."""
        raise self.missing("jvp and grad", "jvp(self, primals, out, tangents, **params)")

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[Any, Any]:
        """Result and tangent together; primitives that carry a jaxpr override this."""
        out = self.bind(*primals, **params)
        return out, self.jvp(primals, out, tangents, **params)

    def linearize(
        self, primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[Any, Any]:
        """As `jvp_call`, with tangents that are being recorded: what does not depend on them
        should be computed once, outside. Primitives that carry a jaxpr override this."""
        return self.jvp_call(primals, tangents, **params)

    def transpose(self, ct: Any, *args: Any, **params: Any) -> Sequence[Any]:
        """Cotangents for the operands that are `Linear`, None for the others."""
        raise self.missing("transposition (grad)", "transpose(self, ct, *args, **params)")

    def batch(
        self, axis: AxisData, args: Sequence[Any], dims: Sequence[int | None], **params: Any
    ) -> Any:
        """Result and the position of its mapped axis, given the positions in the operands."""
        raise self.missing("vmap", "batch(self, axis, args, dims, **params)")

    def lower(self, graph: Any, args: Sequence[Any], out: Any, **params: Any) -> Any:
        """The node of the result in a `fx.kernel.graph.Graph`, from those of the operands.

        None, the default, leaves the primitive to `impl`: it works on every backend, unfused.
        `out` is the type of the result (a list of them with several results).
        """
        return None

    def body(self, params: dict[str, Any]) -> Any:
        """The jaxpr that evaluation runs, for a primitive that is nothing but a call of it."""
        return None

    def loop(self, params: dict[str, Any]) -> LoopForm | None:
        """What runs again and again, for a primitive that is a loop."""
        return None

    def branches(self, params: dict[str, Any]) -> Any:
        """The jaxprs of which one runs, for a primitive that chooses by its first operand."""
        return None

    def check_inner(self, *avals: ShapedArray, **params: Any) -> None:
        """Raise `JaxprTypeError` unless the programs in the parameters fit the operands; for
        `check_jaxpr`. Primitives that carry a jaxpr override this."""

    def missing(self, transform: str, method: str) -> MissingRuleError:
        """The error for a rule that is not there."""
        return MissingRuleError(
            f"primitive {self.name!r} has no rule for {transform}. Write the method "
            f"{type(self).__name__}.{method}."
        )


def lit(like: Any, value: Any) -> Array:
    """A rank-0 constant with the dtype of an array: `P.mul(x, lit(x, 2))`."""
    try:
        return Array(np.asarray(value, like.dtype), like.weak_type)
    except (OverflowError, ValueError):  # the latter of NaN as an integer
        raise FxOverflowError(f"the number {value} does not fit {like.dtype}.") from None


def zeros(aval: Any) -> Any:
    """Zeros of the type of `aval` (anything with shape and dtype)."""
    zero = Array(np.zeros((), aval.dtype))
    return (
        P.broadcast_in_dim(zero, shape=aval.shape, broadcast_dimensions=()) if aval.shape else zero
    )


def instantiate(tangent: Any, like: Any) -> Any:
    """A tangent, with a symbolic zero (None) made into an array like `like`."""
    return zeros(like) if tangent is None else tangent


def add_tangents(a: Any, b: Any) -> Any:
    """Sum of two tangents or cotangents, either of which may be a symbolic zero."""
    if a is None:
        return b
    return a if b is None else P.add(a, b)
