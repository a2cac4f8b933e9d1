"""Einstein summation: an equation over named axes, as a sequence of pairwise contractions.

Each pair becomes one `dot_general` whose axes are batch (in both and in the result), contracted
(in both, not in the result) and free. Axes that only one operand has and nobody needs are summed
first; repeated names take a diagonal.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.diagonals import diagonal_of
from fx.numpy.manipulation import permuted
from fx.numpy.products import contract
from fx.numpy.promotion import a_dtype, array, promote

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Term(NamedTuple):
    """An operand and the names of its axes."""

    value: Any
    names: str


@public
def einsum(
    subscripts: Any,
    /,
    *operands: Any,
    out: None = None,
    optimize: Any = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """Sum of products over named axes.

    Args:
        subscripts: an equation such as "bij,bjk->bik". Names that are missing behind the arrow
            are summed over; "..." stands for axes that broadcast. Without an arrow the result has
            the names that occur once, in alphabetical order. Or operands and lists of axis
            numbers in turn, as in NumPy.
        *operands: arrays; dtypes are promoted.
        out: must be None.
        optimize: the order of contractions for three or more operands: "auto", "optimal",
            "greedy", False for left to right, or a path from `einsum_path`.
        precision: hint to backends with several speeds.
        preferred_element_type: dtype of the result and of the accumulation.

    Returns:
        Array with the axes named behind the arrow.

    Raises:
        FxValueError: the equation does not parse or does not fit the operands.
        ShapeError: axes of one name have different sizes.

    Example:
        >>> import fx.numpy as jnp
        >>> x, y = jnp.ones((2, 3)), jnp.ones((3, 4))
        >>> jnp.einsum("ij,jk->ik", x, y).shape
        (2, 4)
    """
    if out is not None:
        raise FxTypeError("numpy.einsum: fx arrays are immutable, so out= must be None.")
    equation, values = _parse_call(subscripts, operands)
    xs = promote("numpy.einsum", *[array(v, "numpy.einsum") for v in values])
    inputs, output = expand(equation, tuple([x.shape for x in xs]))
    dtype = a_dtype(preferred_element_type, "numpy.einsum")
    terms = [Term(x, names) for x, names in zip(xs, inputs, strict=True)]
    if len(terms) > 1:
        path = contraction_path(inputs, output, tuple([x.shape for x in xs]), optimize)
        for step in path:
            chosen = [terms[i] for i in step]
            terms = [t for i, t in enumerate(terms) if i not in step]
            rest = set(output).union(*(t.names for t in terms))
            merged = chosen[0]
            for i, other in enumerate(chosen[1:], 1):
                later = rest.union(*(t.names for t in chosen[i + 1 :]))
                wanted = output if not terms and i == len(chosen) - 1 else None
                merged = _pair(merged, other, later, wanted, precision, dtype)
            terms.append(merged)
    (term,) = terms
    term = _summed(_distinct(term), set(output))
    result = permuted(term.value, [term.names.index(n) for n in output])
    return result if dtype is None or result.dtype == dtype else result.astype(dtype)


@public
def einsum_path(subscripts: Any, /, *operands: Any, optimize: Any = "auto") -> Any:
    """The order in which `einsum` contracts, and a table of its cost.

    Args:
        subscripts, *operands, optimize: as in `einsum`.

    Returns:
        (path, text): the path begins with "einsum_path".

    Example:
        >>> import fx.numpy as jnp
        >>> x = jnp.ones((2, 2))
        >>> jnp.einsum_path("ij,jk,kl->il", x, x, x)[0]
        ['einsum_path', (0, 1), (0, 1)]
    """
    equation, values = _parse_call(subscripts, operands)
    stand_ins = [np.broadcast_to(0.0, array(v, "numpy.einsum_path").shape) for v in values]
    if not isinstance(optimize, (bool, str, list, tuple)):
        raise FxTypeError(
            f"numpy.einsum_path: optimize must be a bool, a name or a path, got {optimize!r}."
        )
    how = "optimal" if optimize in ("auto", True) else optimize
    try:
        return np.einsum_path(equation, *stand_ins, optimize=how)
    except (ValueError, TypeError) as error:
        raise FxValueError(f"numpy.einsum_path {equation!r}: {error}.") from None


# ------------------------------------------------------------------ equations
def _parse_call(subscripts: Any, operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Equation and operands of either calling convention."""
    if isinstance(subscripts, str):
        return subscripts.replace(" ", ""), list(operands)
    items = [subscripts, *operands]
    output = None
    if len(items) % 2:
        output = items.pop()
    names: list[str] = []
    for axes in items[1::2]:
        if not isinstance(axes, (list, tuple)):
            raise FxTypeError(
                "numpy.einsum takes an equation, or operands and lists of axis numbers in turn."
            )
        names.append(_letters(axes))
    equation = ",".join(names) + ("" if output is None else "->" + _letters(output))
    return equation, items[0::2]


def _letters(axes: Sequence[Any]) -> str:
    return "".join("..." if a is Ellipsis else _LETTERS[a] for a in axes)


@functools.lru_cache(maxsize=1024)
def expand(equation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[list[str], str]:
    """Names of each operand's axes and of the result's, without "..."."""
    left, arrow, right = equation.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(shapes):
        raise FxValueError(
            f"numpy.einsum {equation!r} names {len(inputs)} operands, got {len(shapes)}."
        )
    used = set(equation) - set(".,->")
    if not all(c.isalpha() for c in used) or equation.replace("...", "").count("."):
        raise FxValueError(
            f"numpy.einsum {equation!r}: axes are named by letters; found other characters."
        )
    free = [c for c in _LETTERS if c not in used]
    rank = 0
    for names, shape in zip(inputs, shapes, strict=True):
        named = len(names.replace("...", ""))
        if "..." in names:
            rank = max(rank, len(shape) - named)
        if len(shape) < named or ("..." not in names and len(shape) != named):
            raise FxValueError(
                f"numpy.einsum {equation!r}: {names!r} names {named} axes, but the operand has "
                f"shape {shape}."
            )
    dots = "".join(free[:rank])
    full = []
    for names, shape in zip(inputs, shapes, strict=True):
        extra = len(shape) - len(names.replace("...", ""))
        full.append(names.replace("...", dots[len(dots) - extra :] if extra else ""))
    if arrow:
        output = right.replace("...", dots)
    else:
        count = Counter("".join(names.replace("...", "") for names in inputs))
        output = dots + "".join(sorted(c for c in count if count[c] == 1))
    if len(set(output)) != len(output) or not set(output) <= set("".join(full)):
        raise FxValueError(
            f"numpy.einsum {equation!r}: each axis of the result must occur once, and in an "
            "operand."
        )
    _check_sizes(equation, full, shapes)
    return full, output


def _check_sizes(equation: str, inputs: list[str], shapes: Sequence[tuple[int, ...]]) -> None:
    sizes: dict[str, int] = {}
    for names, shape in zip(inputs, shapes, strict=True):
        for name, n in zip(names, shape, strict=True):
            if n != 1 and sizes.setdefault(name, n) != n:
                raise ShapeError(
                    f"numpy.einsum {equation!r} of shapes {', '.join(map(str, shapes))}: axes "
                    f"named {name!r} have sizes {sizes[name]} and {n}."
                )


def contraction_path(
    inputs: Sequence[str], output: str, shapes: tuple[tuple[int, ...], ...], optimize: Any
) -> list[tuple[int, ...]]:
    """Which operands to contract together, one step after another."""
    if isinstance(optimize, (list, tuple)):
        steps = optimize[1:] if optimize and optimize[0] == "einsum_path" else optimize
        try:
            return [tuple(sorted(map(operator.index, step))) for step in steps]
        except TypeError:
            raise FxTypeError(
                "numpy.einsum: a path is a list of tuples of positions, as einsum_path gives it, "
                f"got {optimize!r}."
            ) from None
    count = len(inputs)
    if count == 2:
        return [(0, 1)]
    if optimize is False:
        return [(0, 1)] + [(0, count - 1 - i) for i in range(1, count - 1)]
    how = "greedy" if optimize == "greedy" or count > 6 else "optimal"
    return _searched_path(f"{','.join(inputs)}->{output}", shapes, how)


@functools.lru_cache(maxsize=1024)
def _searched_path(
    equation: str, shapes: tuple[tuple[int, ...], ...], how: str
) -> list[tuple[int, ...]]:
    stand_ins = [np.broadcast_to(0.0, shape) for shape in shapes]
    path, _ = np.einsum_path(equation, *stand_ins, optimize=(how, 2**62))
    return [tuple(step) for step in path[1:]]


# ------------------------------------------------------------------ contraction
def _distinct(term: Term) -> Term:
    """Take diagonals until no name repeats."""
    x, names = term
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            i = names.index(name)
            j = names.index(name, i + 1)
            others = [k for k in range(len(names)) if k not in (i, j)]
            x = permuted(x, [*others, i, j])
            if x.shape[-1] != x.shape[-2]:
                raise ShapeError(f"numpy.einsum: axes named {name!r} have different sizes.")
            x = diagonal_of(x, 0)
            names = "".join(names[k] for k in others) + name
    return Term(x, names)


def _summed(term: Term, needed: set[str]) -> Term:
    """Sum over the axes that nobody needs any more."""
    axes = tuple(i for i, n in enumerate(term.names) if n not in needed)
    if not axes:
        return term
    names = "".join(n for n in term.names if n in needed)
    return Term(P.reduce_sum(term.value, axes=axes), names)


def _pair(
    a: Term, b: Term, needed: set[str], output: str | None, precision: Any, dtype: Any
) -> Term:
    """The product of two operands, summed over what is not needed later."""
    a, b = _distinct(a), _distinct(b)
    a, b = _without_repeats(a, b), _without_repeats(b, a)
    a, b = _summed(a, needed | set(b.names)), _summed(b, needed | set(a.names))
    shared = [n for n in a.names if n in b.names]
    batch = [n for n in shared if n in needed]
    summed = [n for n in shared if n not in needed]
    left = [n for n in a.names if n not in shared]
    right = [n for n in b.names if n not in shared]
    if not summed and dtype is None:
        return _outer(a, b, output or "".join(batch + left + right))
    if output is not None and output == "".join(batch + right + left) and left and right:
        a, b, left, right = b, a, right, left  # so that the result needs no transposition
    value = contract(
        a.value,
        b.value,
        ([a.names.index(n) for n in summed], [b.names.index(n) for n in summed]),
        ([a.names.index(n) for n in batch], [b.names.index(n) for n in batch]),
        precision,
        dtype,
    )
    return Term(value, "".join(batch + left + right))


def _without_repeats(a: Term, b: Term) -> Term:
    """Drop axes of size 1 that broadcast against the other operand's."""
    axes = tuple(
        i
        for i, n in enumerate(a.names)
        if a.value.shape[i] == 1 and n in b.names and b.value.shape[b.names.index(n)] != 1
    )
    if not axes:
        return a
    names = "".join(n for i, n in enumerate(a.names) if i not in axes)
    return Term(P.squeeze(a.value, dimensions=axes), names)


def _outer(a: Term, b: Term, names: str) -> Term:
    """The product without a sum: broadcast and multiply."""
    sizes = {}
    for term in (a, b):
        sizes.update(zip(term.names, term.value.shape, strict=True))
    names = "".join(n for n in names if n in sizes)
    shape = tuple(sizes[n] for n in names)
    factors = []
    for term in (a, b):
        order = sorted(range(len(term.names)), key=lambda i, t=term: names.index(t.names[i]))
        x = permuted(term.value, order)
        places = tuple(names.index(term.names[i]) for i in order)
        if x.shape != shape and x.shape:
            x = P.broadcast_in_dim(x, shape=shape, broadcast_dimensions=places)
        factors.append(x)
    return Term(P.mul(*factors), names)
