"""What a row of the op table is: a function, examples of its arguments, and what holds for it."""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.core.primitive import P
from fx.dtypes import table

# The dtypes that each letter of a row's `kinds` stands for; "-" where no argument's dtype varies.
KINDS: dict[str, tuple[np.dtype, ...]] = {
    "b": (table.BOOL,),
    "i": table.SIGNED + table.UNSIGNED,
    "f": table.FLOATING,
    "c": table.COMPLEX,
    "k": (dtypes.key_dtype,),
    "-": (table.FLOAT64,),
}
# The dtypes in which the laws are checked: where a row has several, those of the widest floats.
_LAW_DTYPES = {
    "f": table.FLOAT64,
    "c": table.COMPLEX128,
    "i": table.INT32,
    "b": table.BOOL,
    "k": dtypes.key_dtype,
    "-": table.FLOAT64,
}


def _dtype(name: str) -> np.dtype:
    return dtypes.key_dtype if name == "key" else dtypes.canonicalize(name)


@dataclass(frozen=True)
class Arg:
    """An argument: its shape, its dtype (None: the one that varies), the range of its values.

    Numbers are uniform in [low, high], unsigned ones their absolute values, complex ones in a
    square; bools are even odds; keys have random words.
    """

    shape: tuple[int, ...] = ()
    low: float = -2.0
    high: float = 2.0
    dtype: str | None = None

    def draw(self, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
        """Values of this argument in a row's dtype."""
        dtype = dtype if self.dtype is None else _dtype(self.dtype)
        if dtypes.is_key(dtype):
            words = rng.integers(0, 2**32, (*self.shape, 2), np.uint32)
            return words.view(dtypes.key_dtype)[..., 0]
        if dtype.kind == "b":
            return np.asarray(rng.integers(0, 2, self.shape)).astype(bool)
        if dtypes.is_integer(dtype):
            values = rng.integers(math.floor(self.low), math.ceil(self.high) + 1, self.shape)
            return np.asarray(abs(values) if dtype.kind == "u" else values).astype(dtype)
        values = np.asarray(rng.uniform(self.low, self.high, self.shape))
        if dtype.kind == "c":
            values = values + 1j * rng.uniform(self.low, self.high, self.shape)
        return np.asarray(values).astype(dtype)


@dataclass(frozen=True)
class Row:
    """A function that applies a primitive, and what must hold for it.

    Attributes:
        primitive: its name; a program traced from `function` contains it.
        label: tells rows of one primitive apart.
        function: of arrays, to an array or a list of arrays.
        examples: argument lists, of various shapes.
        kinds: the dtypes that the varying arguments may have: letters of `KINDS`.
        refused: whether `kinds` is the whole domain, so that other dtypes raise.
        wrt: positions of arguments that have derivatives; None: all inexact ones.
        no_derivative: positions whose derivative is refused with a typed error.
        finite_differences: whether derivatives are those of the function as computed.
        twice: whether all second derivatives exist.
        linear: groups of positions; the function is linear in the arguments of each jointly.
        visible: whether programs hold the primitive; transposition leaves none of some.
        mapped: whether vmap is defined.
        data: whether the parameters are data, so that its programs can be printed and read back.
        tolerance: relative, of derivatives.
    """

    primitive: str
    label: str
    function: Callable[..., Any]
    examples: tuple[tuple[Arg, ...], ...]
    kinds: str
    refused: bool = False
    wrt: tuple[int, ...] | None = None
    no_derivative: tuple[int, ...] = ()
    finite_differences: bool = True
    twice: bool = True
    linear: tuple[tuple[int, ...], ...] = ()
    visible: bool = True
    mapped: bool = True
    data: bool = True
    tolerance: float = 1e-5

    def __str__(self) -> str:
        return f"{self.primitive}-{self.label}" if self.label else self.primitive

    @property
    def dtypes(self) -> list[np.dtype]:
        """All dtypes of the domain."""
        return [d for kind in self.kinds for d in KINDS[kind]]

    @property
    def law_dtypes(self) -> list[np.dtype]:
        """Those in which values and derivatives are compared."""
        inexact = [k for k in self.kinds if k in "fc"]
        return [_LAW_DTYPES[k] for k in inexact or self.kinds]

    def arguments(self, number: int, dtype: Any, seed: int = 0) -> list[Array]:
        """The arrays of an example, the same on every run."""
        dtype = dtypes.canonicalize(dtype)
        mixed = zlib.crc32(f"{self}/{number}".encode())
        rng = np.random.default_rng((mixed, seed))
        return [Array(arg.draw(rng, dtype)) for arg in self.examples[number]]


ROWS: list[Row] = []
_PLACES: set[tuple[Any, ...]] = set()


def shapes(*of_arguments: Sequence[Any], **options: Any) -> tuple[tuple[Arg, ...], ...]:
    """Examples whose arguments differ in shape only: `shapes([(3,), ()], [(2, 3), (2, 3)])`."""
    return tuple(tuple(Arg(tuple(s), **options) for s in example) for example in of_arguments)


def row(
    primitive: str,
    examples: tuple[tuple[Arg, ...], ...],
    function: Callable[..., Any] | None = None,
    *,
    label: str = "",
    kinds: str | None = None,
    params: dict[str, Any] | None = None,
    **flags: Any,
) -> None:
    """Add a row.

    Args:
        primitive: its name.
        examples: argument lists.
        function: by default the primitive itself, with `params`.
        kinds: by default the domain that the primitive declares, which is then complete.
        flags: other fields of `Row`.
    """
    if function is None:
        fixed = params or {}

        def function(*args: Any) -> Any:
            return P.table[primitive](*args, **fixed)

    if kinds is None:
        kinds = P.table[primitive].kinds  # type: ignore[attr-defined]
        flags.setdefault("refused", True)
    made = Row(primitive, label, function, examples, kinds, **flags)
    # A module of rows may be imported twice, under two names, when doctests are collected.
    where = (primitive, label, *_caller())
    if where not in _PLACES:
        _PLACES.add(where)
        ROWS.append(made)


def _caller() -> tuple[str, int]:
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno
