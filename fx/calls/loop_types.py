"""Carries of loops: trace a body until the types of its carry no longer change.

A weakly typed carry (from a Python number) takes the dtype that the body returns; any other
difference is an error that shows the path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.avals import ShapedArray
from fx.core.ir import Jaxpr
from fx.core.primitive import P
from fx.errors import FxTypeError, TreeError
from fx.pytree import keystr, tree_flatten_with_path, tree_unflatten
from fx.transforms.stage import name_of


def cast_to(x: Any, aval: ShapedArray) -> Any:
    """`x` with the dtype and weakness of `aval`."""
    if x.dtype == aval.dtype and x.weak_type == aval.weak_type:
        return x
    return P.convert_element_type(x, new_dtype=aval.dtype, weak_type=aval.weak_type)


def carry_fixpoint(
    what: str,
    fun: Callable[..., Any],
    tree: Any,
    init: Sequence[Array],
    trace: Callable[[list[ShapedArray]], tuple[Jaxpr, Any, Any]],
) -> tuple[Jaxpr, Any, list[Array]]:
    """Trace `fun` with carry types that its results have, too.

    Args:
        what, fun: for messages.
        tree: structure of the carry.
        init: initial carry.
        trace: carry types -> (jaxpr whose first results are the carry, its structure, extra).

    Returns:
        the jaxpr, `extra`, and the initial carry with the types that were found.
    """
    avals = [x.aval for x in init]
    for _ in range(len(avals) + 2):
        jaxpr, out_tree, extra = trace(avals)
        if out_tree != tree:
            raise TreeError(
                f"{what}: {name_of(fun)} must return a carry of the structure of the initial one, "
                f"{tree}, got {out_tree}."
            )
        results = jaxpr.out_avals[: len(avals)]
        joined: list[ShapedArray] = []
        for before, after in zip(avals, results, strict=True):
            common = _join(before, after)
            if common is None:
                raise FxTypeError(_mismatch(what, fun, tree, avals, results))
            joined.append(common)
        if joined == avals:
            break
        avals = joined
    casted = [cast_to(to_array(x), a) for x, a in zip(init, avals, strict=True)]
    return jaxpr, extra, casted


def _join(before: ShapedArray, after: ShapedArray) -> ShapedArray | None:
    """The type that a carry takes, or None where the two do not fit."""
    if before.shape != after.shape:
        return None
    if before.dtype == after.dtype:
        return before if before.weak_type == after.weak_type else before.strong()
    if after.weak_type and not before.weak_type:
        return before
    if before.weak_type:
        joined = dtypes.promote_types(before.dtype, after.dtype)
        wanted = after.dtype if not after.weak_type else joined
        return ShapedArray(before.shape, wanted, after.weak_type)
    return None


def _mismatch(
    what: str, fun: Any, tree: Any, before: Sequence[ShapedArray], after: Sequence[ShapedArray]
) -> str:
    paths = tree_flatten_with_path(tree_unflatten(tree, range(len(before))))[0]
    lines = [
        f"carry{keystr(path)} comes in as {a.short()} and goes out as {b.short()}"
        for (path, _), a, b in zip(paths, before, after, strict=True)
        if _join(a, b) is None
    ]
    return (
        f"{what}: the carry of {name_of(fun)} must keep its shapes and dtypes, but "
        f"{'; '.join(lines)}. Convert the initial value or the result, e.g. with .astype(...)."
    )
