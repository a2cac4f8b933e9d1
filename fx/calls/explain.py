"""Why a jitted function was traced, and what that cost: a table to print."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from fx.core.avals import ShapedArray
from fx.core.backend import get_backend
from fx.core.ir import Jaxpr


@dataclasses.dataclass
class Signature:
    """One signature of a jitted function.

    Attributes:
        arguments: (name, type) of each array among the arguments.
        static: (name, value) of the static arguments.
        tree: the structure of the arguments.
        context: axes and defaults in scope; None in the usual case.
        trace_ms, lower_ms, compile_ms: how long it took to make the program, to plan it as
            kernels or calls, and to get native code from the disk or from LLVM.
        calls: how often the program was called.
        jaxpr: the program, once there is one.
    """

    arguments: list[tuple[str, str]]
    static: dict[str, Any]
    tree: Any
    context: Any
    trace_ms: float = 0.0
    lower_ms: float = 0.0
    compile_ms: float = 0.0
    calls: int = 0
    jaxpr: Jaxpr | None = None


def describe(
    names: Sequence[str],
    avals: Sequence[ShapedArray],
    tree: Any,
    static: Any,
    positions: Sequence[str],
    context: Any,
) -> Signature:
    """The signature of a call, from what `jit` makes its key of.

    `positions` are the names of the function's parameters, for static ones passed by position.
    """
    if len(names) != len(avals):
        names = [f"leaf {i}" for i in range(len(avals))]
    fixed = dict(pair for pairs in static[0] for pair in pairs) if static else {}

    def name(key: Any) -> str:
        if isinstance(key, int):
            return positions[key] if key < len(positions) else f"number {key}"
        return str(key)

    values = {name(key): value for key, value in fixed.items()}
    arguments = [(n, a.short()) for n, a in zip(names, avals, strict=True)]
    return Signature(arguments, values, tree, context)


def _differences(new: Signature, old: Signature) -> list[str]:
    found = []
    for name in dict.fromkeys([*old.static, *new.static]):
        one, other = (repr(s.static[name]) if name in s.static else "nothing" for s in (old, new))
        if one != other:
            found.append(f"static {name}: {one} -> {other}")
        elif type(old.static.get(name)) is not type(new.static.get(name)):
            one, other = (type(s.static.get(name)).__name__ for s in (old, new))
            found.append(f"static {name}: {one} -> {other}")
    before, after = dict(old.arguments), dict(new.arguments)
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name, "nothing"), after.get(name, "nothing")
        if one != other:
            weak = (
                " (a Python number has a weak type)" if one.strip("~") == other.strip("~") else ""
            )
            found.append(f"{name}: {one} -> {other}{weak}")
    if not found and new.tree != old.tree:
        found.append(f"structure of the arguments: {old.tree} -> {new.tree}")
    if new.context != old.context:
        found.append("axes, default dtypes or promotion rules in scope")
    return found


class Explanation:
    """The signatures of a jitted function in order of tracing; print it.

    Attributes:
        name: of the function.
        signatures: a list of `Signature`.
        reasons: for each, why it was traced: what differs from the most similar one before.
    """

    def __init__(self, name: str, signatures: Sequence[Signature]):
        self.name = name
        self.signatures = list(signatures)
        self.reasons = []
        for i, new in enumerate(self.signatures):
            options = [_differences(new, old) for old in reversed(self.signatures[:i])]
            nearest = min(options, key=len, default=["first call"])
            self.reasons.append("; ".join(nearest) or "the program was forgotten")

    def __str__(self) -> str:
        count = len(self.signatures)
        lines = [f"{self.name}: {count} signature{'s' * (count != 1)}"]
        for i, (s, reason) in enumerate(zip(self.signatures, self.reasons, strict=True), 1):
            shown = [f"{n}: {t}" for n, t in s.arguments]
            shown += [f"{n}={v!r} (static)" for n, v in s.static.items()]
            lines.append(f"{i}. {_shortened(shown)}")
            lines.append(f"   traced because: {reason}")
            if s.jaxpr is None:
                continue
            constants = sum(c._data.nbytes for c in s.jaxpr.consts)
            cost = f"   trace {s.trace_ms:.1f} ms, lower {s.lower_ms:.1f} ms, "
            cost += f"compile {s.compile_ms:.1f} ms; "
            cost += f"{len(s.jaxpr.eqns)} equations, {constants} bytes of constants"
            temporary = _temporaries(s.jaxpr)
            if temporary is not None:
                cost += f", {temporary} of temporaries"
            lines.append(f"{cost}; {s.calls} call{'s' * (s.calls != 1)}")
        return "\n".join(lines)

    __repr__ = __str__


def _shortened(parts: Sequence[str], most: int = 12) -> str:
    if len(parts) > most:
        parts = [*parts[:most], f"... {len(parts) - most} more"]
    return ", ".join(parts) or "no arguments"


def _temporaries(jaxpr: Jaxpr) -> int | None:
    """Bytes of temporaries, where the backend has compiled the program and knows."""
    backend = get_backend()
    if not hasattr(backend, "inspect"):
        return None
    try:
        return backend.inspect(jaxpr).memory().temp_size_in_bytes  # type: ignore[attr-defined]
    except Exception:  # a program that could not be compiled has no plan
        return None
