"""cond and switch: one of several branches, chosen at run time.

The primitive takes an int32 index and the operands of all branches. Under vmap a mapped index
turns into running every branch and selecting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.calls.base import CallPrimitive, run_jaxpr
from fx.calls.loop_types import cast_to, join_types
from fx.calls.refs import of_cond, of_switch, through
from fx.config import config
from fx.core.array import Array, aval_of, is_arraylike, to_array
from fx.core.avals import ShapedArray
from fx.core.check import expect_types
from fx.core.interpret import eval_jaxpr
from fx.core.ir import Jaxpr
from fx.core.primitive import AxisData, Linear, P, lit, zeros
from fx.errors import ConcretizationTypeError, FxTypeError, TreeError, public
from fx.pytree import keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from fx.transforms.jvp import jvp_jaxpr
from fx.transforms.linearize import Linearized, linearize_jaxpr
from fx.transforms.stage import FlatFunction, arg_names, hoist, name_of, origin_of, stage
from fx.transforms.transpose import transpose_jaxpr
from fx.transforms.vmap import batch_jaxpr, materialize, move_axis, vmap_flat
from fx.util import merge_mask


class CondPrimitive(CallPrimitive):
    """`branches[clamp(index)](*operands)`; all branches have the same types."""

    name = "cond"

    def abstract_eval(
        self, index: ShapedArray, *avals: ShapedArray, branches: tuple[Jaxpr, ...]
    ) -> list[ShapedArray]:
        return branches[0].out_avals

    def branches(self, params: dict[str, Any]) -> tuple[Jaxpr, ...]:
        return params["branches"]

    def check_inner(self, *avals: ShapedArray, branches: tuple[Jaxpr, ...]) -> None:
        for branch in branches:
            expect_types("operands of a branch of cond", avals[1:], branch.in_avals)
            expect_types("results of a branch", branch.out_avals, branches[0].out_avals)

    def impl(self, xp: Any, index: Any, *arrays: Any, branches: tuple[Jaxpr, ...]) -> list[Any]:
        return run_jaxpr(branches[min(max(int(index), 0), len(branches) - 1)], arrays)

    def _active_out(self, results: Sequence[Sequence[bool]]) -> list[bool]:
        return [any(marks) for marks in zip(*results, strict=True)]

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, branches: tuple[Jaxpr, ...]
    ) -> tuple[list[Any], list[Any]]:
        active = [t is not None for t in tangents[1:]]
        on = self._active_out([jvp_jaxpr(b, active)[1] for b in branches])
        both = tuple(jvp_jaxpr(b, active, on)[0] for b in branches)
        given = [t for t in tangents[1:] if t is not None]
        outs = self.bind(*primals, *given, branches=both)
        split = len(branches[0].outvars)
        return outs[:split], merge_mask(on, outs[split:], [None] * on.count(False))

    def linearize(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, branches: tuple[Jaxpr, ...]
    ) -> tuple[list[Any], list[Any]]:
        active = [t is not None for t in tangents[1:]]
        on = self._active_out([linearize_jaxpr(b, active).active_out for b in branches])
        parts = [linearize_jaxpr(b, active, on) for b in branches]
        forward, linear = _share_residuals(parts, len(on))
        outs = self.bind(*primals, branches=forward)
        given = [t for t in tangents[1:] if t is not None]
        touts = self.bind(primals[0], *outs[len(on) :], *given, branches=linear)
        return outs[: len(on)], merge_mask(on, touts, [None] * on.count(False))

    def transpose(
        self, cts: Sequence[Any], index: Any, *args: Any, branches: tuple[Jaxpr, ...]
    ) -> list[Any]:
        is_linear = [isinstance(a, Linear) for a in args]
        active = [ct is not None for ct in cts]
        backward = tuple(transpose_jaxpr(b, is_linear, active, dense=True)[0] for b in branches)
        known = [a for a in args if not isinstance(a, Linear)]
        outs = self.bind(index, *known, *[ct for ct in cts if ct is not None], branches=backward)
        return [None, *merge_mask(is_linear, outs, [None] * is_linear.count(False))]

    def batch(
        self,
        axis: AxisData,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        branches: tuple[Jaxpr, ...],
    ) -> tuple[list[Any], list[Any]]:
        if dims[0] is not None:
            return self._batch_select(axis, args, dims, branches)
        on = [d is not None for d in dims[1:]]
        marks = self._active_out([batch_jaxpr(b, axis, on)[1] for b in branches])
        mapped = tuple(batch_jaxpr(b, axis, on, marks)[0] for b in branches)
        moved = [
            x if d is None else move_axis(x, d, 0) for x, d in zip(args[1:], dims[1:], strict=True)
        ]
        outs = self.bind(args[0], *moved, branches=mapped)
        return outs, [0 if m else None for m in marks]

    def _batch_select(
        self, axis: AxisData, args: Sequence[Any], dims: Sequence[Any], branches: Any
    ) -> tuple[list[Any], list[Any]]:
        index = move_axis(args[0], dims[0], 0)
        index = P.clamp(lit(index, 0), index, lit(index, len(branches) - 1))
        results = []
        for number, branch in enumerate(branches):
            taken = P.eq(index, lit(index, number))
            operands = [
                _shielded(taken, x, d, axis.size) for x, d in zip(args[1:], dims[1:], strict=True)
            ]
            outs, found = vmap_flat(
                lambda *xs, branch=branch: eval_jaxpr(branch, xs),
                [x for x, _ in operands],
                [d for _, d in operands],
                name=axis.name,
                size=axis.size,
            )
            results.append([materialize(x, d, axis.size) for x, d in zip(outs, found, strict=True)])
        chosen = []
        for cases in zip(*results, strict=True):
            which = P.broadcast_in_dim(index, shape=cases[0].shape, broadcast_dimensions=(0,))
            chosen.append(P.select_n(which, *cases))
        return chosen, [0] * len(chosen)


cond_p = CondPrimitive()


def _shielded(taken: Any, x: Any, dim: int | None, size: int) -> tuple[Any, int | None]:
    """`x` and its mapped axis; its derivative is exactly zero where its branch is not taken.

    There the branch may have an infinite derivative (a square root's at 0), and 0 times infinity
    would be NaN.
    """
    if not dtypes.is_inexact(x.dtype):
        return x, dim
    x = materialize(x, dim, size)
    where = P.broadcast_in_dim(taken, shape=x.shape, broadcast_dimensions=(0,))
    return P.select_n(where, P.stop_gradient(x), x), 0


def _share_residuals(
    parts: Sequence[Linearized], count: int
) -> tuple[tuple[Jaxpr, ...], tuple[Jaxpr, ...]]:
    """Give all branches the same residual slots; a branch fills those it does not use with zeros.

    Residuals of one type share a slot across branches.
    """
    slots: list[ShapedArray] = []
    placed: list[list[int]] = []
    for part in parts:
        taken: set[int] = set()
        mine = []
        for var in part.forward.outvars[count:]:
            aval = var.aval.strong()
            free = [i for i, s in enumerate(slots) if s == aval and i not in taken]
            if not free:
                slots.append(aval)
                free = [len(slots) - 1]
            taken.add(free[0])
            mine.append(free[0])
        placed.append(mine)

    forward, linear = [], []
    for part, mine in zip(parts, placed, strict=True):

        def run_forward(*args: Any, part: Linearized = part, mine: list[int] = mine) -> list[Any]:
            outs = eval_jaxpr(part.forward, args)
            filled: list[Any] = [None] * len(slots)
            for slot, value in zip(mine, outs[count:], strict=True):
                filled[slot] = value
            padded = [zeros(s) if x is None else x for x, s in zip(filled, slots, strict=True)]
            return [*outs[:count], *padded]

        def run_linear(*args: Any, part: Linearized = part, mine: list[int] = mine) -> list[Any]:
            residuals, tangents = args[: len(slots)], args[len(slots) :]
            return eval_jaxpr(part.linear, [*(residuals[i] for i in mine), *tangents])

        tangent_avals = part.linear.in_avals[len(mine) :]
        forward.append(stage(run_forward, part.forward.in_avals))
        linear.append(stage(run_linear, [*slots, *tangent_avals]))
    return tuple(forward), tuple(linear)


# ------------------------------------------------------------------ the public functions
def _stage_branches(
    what: str,
    functions: Sequence[Callable[..., Any]],
    roles: Sequence[str],
    operands: Sequence[Any],
) -> tuple[tuple[Jaxpr, ...], list[Any], list[Array], Any]:
    """Trace all branches to jaxprs with the same inputs and results."""
    leaves, tree = tree_flatten((tuple(operands), {}))
    arrays = [to_array(x, what) for x in leaves]
    avals = [x.aval for x in arrays]
    flats = [FlatFunction(f, tree, what=what) for f in functions]
    jaxprs, captured = [], []
    for flat in flats:
        names = arg_names(flat.function, operands, {})
        origin = origin_of(flat.function)
        jaxpr, free = hoist(stage(flat, avals, what=what, origin=origin, names=names))
        jaxprs.append(jaxpr)
        captured.append(free)
    labels = [f"{r} ({name_of(f)})" for r, f in zip(roles, functions, strict=True)]
    outs = _common_types(what, labels, flats, jaxprs)
    free = [x for group in captured for x in group]
    branches, start = [], 0
    for jaxpr, group in zip(jaxprs, captured, strict=True):
        branches.append(_pad_inputs(jaxpr, len(group), start, [x.aval for x in free], avals, outs))
        start += len(group)
    return tuple(branches), free, arrays, flats[0].out_tree


def _pad_inputs(
    jaxpr: Jaxpr, own: int, start: int, free: Sequence[Any], avals: Sequence[Any], outs: Any
) -> Jaxpr:
    def run(*args: Any) -> list[Any]:
        results = eval_jaxpr(jaxpr, [*args[start : start + own], *args[len(free) :]])
        return [cast_to(x, a) for x, a in zip(results, outs, strict=True)]

    return stage(run, [*free, *avals])


def _common_types(
    what: str, labels: Sequence[str], flats: Sequence[FlatFunction], jaxprs: Sequence[Jaxpr]
) -> list[ShapedArray]:
    """The types of the results, on which all branches must agree."""
    first = flats[0]
    common = jaxprs[0].out_avals
    for label, flat, jaxpr in zip(labels[1:], flats[1:], jaxprs[1:], strict=True):
        if flat.out_tree != first.out_tree:
            raise TreeError(
                f"{what}: branches must return the same structure, but {labels[0]} and {label} "
                f"return {first.out_tree} and {flat.out_tree}."
            )
        for i, aval in enumerate(jaxpr.out_avals):
            joined = join_types(common[i], aval)
            if joined is None:
                leaves = tree_unflatten(first.out_tree, range(len(common)))
                path = keystr(tree_flatten_with_path(leaves)[0][i][0])
                other = next(
                    name
                    for name, j in zip(labels, jaxprs, strict=True)
                    if j.out_avals[i].same_type(common[i])
                )
                raise FxTypeError(
                    f"{what}: branches must return the same types, but {other} and {label} return "
                    f"{common[i].short()} and {aval.short()} at result{path}. Use .astype or "
                    "reshape in one."
                )
            common[i] = joined
    return common


@public
@through(of_cond)
def cond(
    pred: Any,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
    operand: Any = None,
) -> Any:
    """`true_fun(*operands)` if `pred` else `false_fun(*operands)`, also for a traced `pred`.

    Args:
        pred: a bool or number of shape ().
        true_fun, false_fun: functions of the operands with results of the same structure, shapes
            and dtypes.
        *operands: arrays in pytrees.
        operand: a single operand by keyword, as older JAX code writes it.

    Example:
        >>> import fx
        >>> fx.lax.cond(True, lambda x: x + 1, lambda x: x - 1, 5)
        Array(6, dtype=int32, weak_type=True)
    """
    if not callable(true_fun) or not callable(false_fun):
        raise FxTypeError(
            "cond expects two functions after the predicate: "
            "cond(pred, true_fun, false_fun, *args)."
        )
    if operand is not None:
        operands = (operand,)
    if not is_arraylike(pred):
        raise FxTypeError(f"cond expects a scalar predicate, got {type(pred).__name__}.")
    if aval_of(pred).shape != ():
        raise FxTypeError(
            f"cond expects a predicate of shape (), got {aval_of(pred).short()}. Use "
            "fx.numpy.where for a choice by element, or reduce with .all() or .any()."
        )
    if config.disable_jit:
        try:
            chosen = true_fun if bool(pred) else false_fun
        except ConcretizationTypeError:  # under vmap
            pass
        else:
            return chosen(*operands)
    pred = to_array(pred)
    if pred.dtype != np.bool_:
        pred = P.ne(pred, lit(pred, 0))
    index = P.convert_element_type(pred, new_dtype=np.dtype(np.int32))
    return _bind("cond", index, (false_fun, true_fun), ("false_fun", "true_fun"), operands)


def _bind(
    what: str, index: Any, functions: Sequence[Any], roles: Sequence[str], operands: Sequence[Any]
) -> Any:
    branches, free, arrays, tree = _stage_branches(what, functions, roles, operands)
    return tree_unflatten(tree, cond_p.bind(index, *free, *arrays, branches=branches))


@public
@through(of_switch)
def switch(
    index: Any,
    branches: Sequence[Callable[..., Any]],
    *operands: Any,
    operand: Any = None,
) -> Any:
    """`branches[index](*operands)`, with the index clamped to the branches there are.

    Args:
        index: an integer of shape ().
        branches: functions of the operands with results of the same structure and types.
        *operands: arrays in pytrees.

    Example:
        >>> import fx
        >>> fx.lax.switch(1, [lambda x: x, lambda x: 10 * x], 3)
        Array(30, dtype=int32, weak_type=True)
    """
    if operand is not None:
        operands = (operand,)
    functions = list(branches)
    if not functions or not all(callable(f) for f in functions):
        raise FxTypeError("switch expects a non-empty sequence of functions as branches.")
    aval = aval_of(index)
    if aval.shape != () or aval.dtype.kind not in "iu":
        raise FxTypeError(f"switch expects an integer index of shape (), got {aval.short()}.")
    if len(functions) == 1:
        return functions[0](*operands)
    if config.disable_jit:
        try:
            chosen = functions[min(max(int(index), 0), len(functions) - 1)]
        except ConcretizationTypeError:  # under vmap
            pass
        else:
            return chosen(*operands)
    index = to_array(index)
    top = lit(index, len(functions) - 1)
    index = P.clamp(lit(index, 0), index, top)
    index = P.convert_element_type(index, new_dtype=np.dtype(np.int32))
    roles = [f"branch {i}" for i in range(len(functions))]
    return _bind("switch", index, functions, roles, operands)
