"""The source of a random program, under construction: values with known types and bounds, and
blocks of statements that only ever combine values that fit.

Each floating-point value carries two bounds: on its magnitude and on the sum of the magnitudes of
its derivatives with respect to all inputs. A statement whose result might pass a limit is scaled
by a power of two, so programs of any length stay finite and keep well-conditioned derivatives.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

MAX_SIZE = 2.0
MAX_SLOPE = 32.0
MAX_ELEMENTS = 24
MAX_DEPTH = 2
_NAME = re.compile(r"\b[vf]\d+\b")


@dataclasses.dataclass(frozen=True)
class Value:
    """What is known of an expression of a program.

    Attributes:
        text: how to read it: a variable, or a path into an argument.
        shape: of the array.
        kind: "f" for the program's floating-point dtype, "i" for int32, "b" for bool.
        size: a bound on the magnitude of its elements.
        slope: a bound on the derivatives of an element with respect to all inputs, summed.
    """

    text: str
    shape: tuple[int, ...]
    kind: str = "f"
    size: float = MAX_SIZE
    slope: float = MAX_SLOPE

    @property
    def root(self) -> str:
        """The name of the variable that holds it."""
        return self.text.partition("[")[0]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Statement:
    """Lines of source that define `targets`: an assignment, after the functions it needs."""

    targets: tuple[str, ...]
    lines: tuple[str, ...]


@dataclasses.dataclass
class Settings:
    """What all blocks of a program share.

    Attributes:
        draw: the function that draws from a strategy.
        dtype: name of the dtype of its floating-point values.
        smooth: whether only smooth operations may be used.
        axis_name: of the collectives, or None.
        budget: how many more statements there may be.
        control_flow: whether functions may be nested.
        counter: of names.
    """

    draw: Callable[[Any], Any]
    dtype: str
    smooth: bool
    axis_name: Any
    budget: int
    control_flow: bool = True
    counter: int = 0

    def name(self, letter: str = "v") -> str:
        self.counter += 1
        return f"{letter}{self.counter}"

    def choose(self, options: Sequence[Any]) -> Any:
        """One of the options; a failing program shrinks to the first."""
        return options[self.draw(st.integers(0, len(options) - 1))] if options[1:] else options[0]

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high)) if low < high else low


class Block:
    """A sequence of statements, of the program or of a function inside it.

    Args:
        settings: of the program.
        values: that statements may read.
        fresh: names among them that should be read: parameters of a function.
        depth: how many functions are around it.
        uniform: whether all devices run it alike, so that it may hold collectives.
    """

    def __init__(
        self,
        settings: Settings,
        values: Sequence[Value],
        fresh: Sequence[str] = (),
        depth: int = 0,
        uniform: bool = True,
    ):
        self.settings = settings
        self.values = list(values)
        self.depth = depth
        self.uniform = uniform
        self.statements: list[Statement] = []
        self.fresh = set(_NAME.findall(" ".join(fresh)))  # names that no statement reads

    # ------------------------------------------------------------------ drawing
    def of_kind(self, kind: str) -> list[Value]:
        return [v for v in self.values if v.kind == kind]

    def operand(
        self, kind: str = "f", accept: Callable[[Value], bool] = lambda v: True
    ) -> Value | None:
        """A value of a kind that `accept` takes, or None. Those that nothing reads yet are as
        likely as all together, so that little of a program is dead."""
        options = [v for v in self.values if v.kind == kind and accept(v)]
        if not options:
            return None
        fresh = [v for v in options if v.root in self.fresh]
        if fresh and self.settings.draw(st.booleans()):
            options = fresh
        return self.settings.choose(options)

    # ------------------------------------------------------------------ statements
    def emit(
        self,
        text: str,
        shape: Sequence[int],
        kind: str = "f",
        size: float = 1.0,
        slope: float = 0.0,
    ) -> Value:
        """Assign an expression to a new variable, scaled where it might pass the limits."""
        if kind == "f":
            text, size, slope = scaled(text, size, slope)
        value = Value(self.settings.name(), tuple(shape), kind, size, slope)
        self.add([value], (f"{value.text} = {text}",))
        return value

    def add(self, values: Sequence[Value], lines: Sequence[str]) -> None:
        """Add a statement that defines values."""
        targets = tuple(dict.fromkeys(v.root for v in values))
        self.statements.append(Statement(targets, tuple(lines)))
        self.fresh.difference_update(_NAME.findall(" ".join(lines)))
        self.fresh.update(targets)
        self.values.extend(values)
        self.settings.budget -= 1

    def close(self, results: str) -> list[str]:
        """The lines of a function's body that returns `results`; what they do not need goes."""
        needed = set(_NAME.findall(results))
        kept: list[Statement] = []
        for statement in reversed(self.statements):
            if not needed.isdisjoint(statement.targets):
                kept.append(statement)
                needed.update(_NAME.findall(" ".join(statement.lines)))
        lines = [line for statement in reversed(kept) for line in statement.lines]
        return [f"    {line}" for line in lines] + [f"    return {results}"]

    def unused(self) -> list[Value]:
        """Floating-point values that no statement reads, the latest first."""
        return [v for v in reversed(self.values) if v.root in self.fresh and v.kind == "f"]


def scaled(text: str, size: float, slope: float) -> tuple[str, float, float]:
    """An expression and its bounds, times the largest power of two that keeps the limits."""
    ratio = max(size / MAX_SIZE, slope / MAX_SLOPE)
    if ratio <= 1:
        return text, size, slope
    factor = 2.0 ** -math.ceil(math.log2(ratio))
    inner = text if _is_call(text) else f"({text})"
    return f"{factor} * {inner}", factor * size, factor * slope


def _is_call(text: str) -> bool:
    """Whether an expression is one call, so that it needs no parentheses around it."""
    head, _, rest = text.partition("(")
    depth = 1
    for i, character in enumerate(rest):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if not depth:
            return head.replace(".", "").isidentifier() and i == len(rest) - 1
    return False


def reshaped(value: Value, shape: tuple[int, ...]) -> str:
    """An expression of a given shape that depends on a value of any shape."""
    if value.shape == shape:
        return value.text
    if broadcast(value.shape, shape) == shape:
        return f"jnp.broadcast_to({value.text}, {shape})"
    mean = f"jnp.mean({value.text})"
    return mean if shape == () else f"jnp.broadcast_to({mean}, {shape})"


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The common shape of operands, or None where they do not fit together."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def renumber(source: str) -> str:
    """The source with variables and functions numbered in order of appearance."""
    names: dict[str, str] = {}
    counts = {"v": 0, "f": 0}

    def new(match: re.Match[str]) -> str:
        old = match.group()
        if old not in names:
            names[old] = f"{old[0]}{counts[old[0]]}"
            counts[old[0]] += 1
        return names[old]

    return _NAME.sub(new, source)
