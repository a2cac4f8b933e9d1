"""The graph of a program: a closed vocabulary that every primitive lowers to.

    input     an argument or a constant of the program
    map       a scalar operation on each element of operands of one shape (or rank 0)
    view      elements of one operand, moved or repeated by an affine map of their index
    reshape   the elements of an array in memory under another shape
    iota      the index along one axis
    reduce    a fold over some axes
    opaque    a call of a primitive's NumPy rule, for all that is not one of these

A primitive's `lower` method uses the methods of `Graph`; the default is opaque.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

# Scalar operations, named as the primitives are. Operands and result share a dtype, except for
# comparisons (a bool result), select (a bool first operand) and convert.
ARITHMETIC = frozenset(("add", "sub", "mul", "neg", "max", "min", "square", "abs", "sign"))
REAL_ONLY = frozenset(
    [
        "div",
        "sqrt",
        "rsqrt",
        "exp",
        "exp2",
        "log",
        "log1p",
        "expm1",
        "logistic",
        "sin",
        "cos",
        "tan",
        "tanh",
        "sinh",
        "cosh",
        "asin",
        "acos",
        "atan",
        "asinh",
        "acosh",
        "atanh",
        "cbrt",
        "floor",
        "ceil",
        "round_even",
        "round_away",
        "pow",
        "atan2",
        "erf",
        "erfc",
        "rem",
        "fma",
    ]
)
COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))
BITS = frozenset(("and", "or", "xor", "not"))
SHIFTS = frozenset(("shift_left", "shift_right_arithmetic", "shift_right_logical"))

FLOATS = frozenset((np.dtype(np.float32), np.dtype(np.float64)))
INTEGERS = frozenset(np.dtype(f"{k}{n}") for k in ("int", "uint") for n in (8, 16, 32, 64))
BOOL = np.dtype(bool)
NATIVE = FLOATS | INTEGERS | {BOOL}


class View(NamedTuple):
    """For each axis of the operand: index = offset + step * (index along `axis` of the result).

    An axis of None stands for the fixed index `offset`.
    """

    axes: tuple[int | None, ...]
    steps: tuple[int, ...]
    offsets: tuple[int, ...]


class Node:
    """One value: its shape, dtype, and how it is made."""

    __slots__ = ("args", "attr", "dtype", "id", "kind", "op", "shape")

    def __init__(
        self,
        id: int,
        kind: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        op: Any = None,
        args: tuple[Node, ...] = (),
        attr: Any = None,
    ):
        self.id = id
        self.kind = kind
        self.shape = shape
        self.dtype = dtype
        self.op = op
        self.args = args
        self.attr = attr

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        inner = ", ".join(f"%{a.id}" for a in self.args)
        return f"%{self.id}:{self.dtype}{list(self.shape)} = {self.kind} {self.op}({inner})"


class Graph:
    """Nodes in order of definition. The methods are what `Primitive.lower` may use."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def _add(self, kind: str, shape: Any, dtype: Any, *rest: Any) -> Node:
        node = Node(len(self.nodes), kind, tuple(shape), np.dtype(dtype), *rest)
        self.nodes.append(node)
        return node

    def input(self, shape: Sequence[int], dtype: Any) -> Node:
        """An argument, or a constant with data."""
        return self._add("input", shape, dtype)

    def constant(self, value: Any) -> Node:
        """A rank-0 number that is part of the code."""
        data = np.asarray(value)
        return self._add("constant", (), data.dtype, None, (), data)

    def map(self, op: str, *args: Node, dtype: Any = None) -> Node | None:
        """A scalar operation on each element, or None if the dialect lacks it for these dtypes."""
        first = args[-1].dtype
        if any(a.dtype not in NATIVE for a in args) or not _has(op, args[0].dtype, first):
            return None
        shape = next((a.shape for a in args if a.shape), ())
        if dtype is None:
            dtype = BOOL if op in COMPARISONS or op == "is_finite" else first
        if np.dtype(dtype) not in NATIVE:
            return None
        return self._add("map", shape, dtype, op, args)

    def view(
        self,
        x: Node,
        shape: Sequence[int],
        axes: Sequence[int | None],
        steps: Sequence[int] | None = None,
        offsets: Sequence[int] | None = None,
    ) -> Node | None:
        """Elements of `x` at the indices of a `View`."""
        if x.dtype not in NATIVE:
            return None
        n = len(x.shape)
        view = View(tuple(axes), tuple(steps or (1,) * n), tuple(offsets or (0,) * n))
        return self._add("view", shape, x.dtype, None, (x,), view)

    def reshape(self, x: Node, shape: Sequence[int]) -> Node | None:
        """Another shape; what is not an array in row-major order becomes one first."""
        if x.dtype not in NATIVE:
            return None
        if x.kind in ("view", "iota", "constant"):
            x = self._add("map", x.shape, x.dtype, "copy", (x,))
        return self._add("reshape", shape, x.dtype, None, (x,))

    def iota(self, shape: Sequence[int], axis: int, dtype: Any) -> Node | None:
        """The index along an axis."""
        if np.dtype(dtype) not in NATIVE - {BOOL}:
            return None
        return self._add("iota", shape, dtype, None, (), axis)

    def reduce(self, op: str, x: Node, axes: Sequence[int]) -> Node | None:
        """A fold over axes."""
        if x.dtype not in NATIVE or not x.size:
            return None
        if op in ("and", "or") and x.dtype.kind == "f":
            return None
        if op in ("add", "mul") and x.dtype == BOOL:
            return None
        shape = [n for i, n in enumerate(x.shape) if i not in axes]
        if all(x.shape[i] == 1 for i in axes):
            kept = iter(range(len(shape)))
            places = tuple(None if i in axes else next(kept) for i in range(len(x.shape)))
            return self.view(x, shape, places)
        return self._add("reduce", shape, x.dtype, op, (x,), tuple(sorted(axes)))

    def opaque(self, eqn: Any, args: Sequence[Node], effects: bool = False) -> list[Node]:
        """The results of an equation that its primitive's own rule computes."""
        types = [v.aval for v in eqn.outvars]
        head = self._add("opaque", (), BOOL, eqn, tuple(args), effects)
        return [self._add("result", t.shape, t.dtype, i, (head,)) for i, t in enumerate(types)]


def _has(op: str, first: np.dtype, last: np.dtype) -> bool:
    if op == "select":
        return first == BOOL
    if op == "convert":
        return True
    if last == BOOL:
        return op in BITS or op in COMPARISONS or op in ("max", "min", "mul", "add")
    if op in ARITHMETIC or op in COMPARISONS:
        return True
    if op in BITS or op in SHIFTS:
        return last in INTEGERS
    return last in FLOATS and (op in REAL_ONLY or op == "is_finite")


def identity_view(shape: Sequence[int]) -> View:
    """The view that moves nothing."""
    n = len(shape)
    return View(tuple(range(n)), (1,) * n, (0,) * n)


def compose(outer: View, inner: View) -> View:
    """The view of a view: `inner` is applied to the operand first."""
    axes: list[int | None] = []
    steps, offsets = [], []
    for axis, step, offset in zip(*inner, strict=True):
        if axis is None:
            axes.append(None)
            steps.append(0)
            offsets.append(offset)
        else:
            axes.append(outer.axes[axis])
            steps.append(step * outer.steps[axis])
            offsets.append(offset + step * outer.offsets[axis])
    return View(tuple(axes), tuple(steps), tuple(offsets))
