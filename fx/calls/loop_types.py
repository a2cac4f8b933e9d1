"""Carries of loops: trace a body until the types of its carry no longer change.

A weakly typed carry (from a Python number) takes the dtype that the body returns, if it holds the
number; any other difference is an error that shows the path.
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
            common = join_types(before, after)
            if common is None:
                raise FxTypeError(_mismatch(what, fun, tree, avals, results))
            joined.append(common)
        if joined == avals:
            break
        avals = joined
    casted = [cast_to(to_array(x), a) for x, a in zip(init, avals, strict=True)]
    return jaxpr, extra, casted


def join_types(a: ShapedArray, b: ShapedArray) -> ShapedArray | None:
    """The type that both of two values can take, or None where they do not fit.

    A weak dtype yields to the other if that is wide enough: an integer 0 may become a float, but
    1.5 never an int32. Strong dtypes must be equal.
    """
    if a.shape != b.shape:
        return None
    weak = a.weak_type and b.weak_type
    if a.dtype == b.dtype:
        return ShapedArray(a.shape, a.dtype, weak)
    if not (a.weak_type or b.weak_type) or dtypes.is_key(a.dtype) or dtypes.is_key(b.dtype):
        return None
    dtype, _ = dtypes.promote_pair(a.dtype, a.weak_type, b.dtype, b.weak_type)
    if not all(x.weak_type or x.dtype == dtype for x in (a, b)):
        return None
    return ShapedArray(a.shape, dtype, weak)


def _mismatch(
    what: str, fun: Any, tree: Any, before: Sequence[ShapedArray], after: Sequence[ShapedArray]
) -> str:
    paths = tree_flatten_with_path(tree_unflatten(tree, range(len(before))))[0]
    lines = [
        f"carry{keystr(path)} comes in as {a.short()} and goes out as {b.short()}"
        for (path, _), a, b in zip(paths, before, after, strict=True)
        if join_types(a, b) is None
    ]
    return (
        f"{what}: the carry of {name_of(fun)} must keep its shapes and dtypes, but "
        f"{'; '.join(lines)}. Convert the initial value or the result, e.g. with .astype(...)."
    )
