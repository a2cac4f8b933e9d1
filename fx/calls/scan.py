"""scan: a loop of known length that maps a carry and slices of its inputs to stacked outputs.

Every derivative of a scan is a scan. Linearizing splits the body: what the linear half needs of
each step is stacked, except what is the same in every step (a weight), which is passed as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fx import dtypes
from fx.calls.base import CallPrimitive, compiled
from fx.calls.loop_types import carry_fixpoint, cast_to
from fx.calls.refs import of_scan, through
from fx.config import config
from fx.core.array import Array, aval_of, is_arraylike, to_array
from fx.core.avals import ShapedArray
from fx.core.check import expect_types
from fx.core.interpret import eval_jaxpr
from fx.core.ir import Eqn, Jaxpr, Var
from fx.core.primitive import AxisData, Linear, LoopForm, P, instantiate, zeros
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.pytree import keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from fx.transforms.dce import dce
from fx.transforms.jvp import jvp_jaxpr
from fx.transforms.linearize import linearize_jaxpr
from fx.transforms.stage import FlatFunction, arg_names, hoist, name_of, origin_of, stage
from fx.transforms.transpose import backward_pass
from fx.transforms.vmap import add_axis, batch_jaxpr, materialize, move_axis
from fx.util import merge_mask, split_list


class ScanPrimitive(CallPrimitive):
    """args: constants, carry, stacked inputs; `counts` = (constants, carries).

    The body maps (constants, carry, slices) to (carry, outputs).
    """

    name = "scan"

    def abstract_eval(
        self,
        *avals: ShapedArray,
        jaxpr: Jaxpr,
        length: int,
        reverse: bool,
        counts: tuple[int, int],
        unroll: int,
    ) -> list[ShapedArray]:
        outs = jaxpr.out_avals
        k = counts[1]
        return outs[:k] + [a.update(shape=(length, *a.shape)) for a in outs[k:]]

    def impl(
        self,
        xp: Any,
        *arrays: Any,
        jaxpr: Jaxpr,
        length: int,
        reverse: bool,
        counts: tuple[int, int],
        unroll: int,
    ) -> list[Any]:
        consts, carry, xs = split_list(arrays, *counts)
        k = counts[1]
        ys = [xp.empty((length, *a.shape), a.dtype) for a in jaxpr.out_avals[k:]]
        body = compiled(jaxpr)
        for i in range(length - 1, -1, -1) if reverse else range(length):
            outs = body([*consts, *carry, *[x[i, ...] for x in xs]])
            carry = outs[:k]
            for y, out in zip(ys, outs[k:], strict=True):
                y[i] = out
        return [*carry, *ys]

    def loop(self, params: dict[str, Any]) -> LoopForm:
        length, reverse, counts = params["length"], params["reverse"], params["counts"]
        return LoopForm(params["jaxpr"], length, reverse, *counts)

    def check_inner(self, *avals: ShapedArray, **params: Any) -> None:
        jaxpr, (nc, k) = params["jaxpr"], params["counts"]
        expect_types("operands of the body of scan", _slice_types(avals, nc + k), jaxpr.in_avals)
        expect_types("carry that scan returns", jaxpr.out_avals[:k], avals[nc : nc + k])
        expect_types(
            "stacked operands of scan",
            avals[nc + k :],
            [a.update(shape=(params["length"], *a.shape)) for a in jaxpr.in_avals[nc + k :]],
        )

    # ------------------------------------------------------------------ derivatives
    def _fixpoint(
        self, rule: Callable[[list[bool]], Sequence[bool]], carry: Sequence[bool]
    ) -> list[bool]:
        """Grow the set of marked carries until a step of the loop adds none."""
        on = list(carry)
        while True:
            out = rule(on)
            grown = [a or b for a, b in zip(on, out, strict=False)]
            if grown == on:
                return on
            on = grown

    def _active(
        self, tangents: Sequence[Any], counts: tuple[int, int]
    ) -> tuple[list[bool], list[bool], list[bool]]:
        marks = [t is not None for t in tangents]
        consts, carry, xs = split_list(marks, *counts)
        return consts, carry, xs

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[list[Any], list[Any]]:
        jaxpr, counts = params["jaxpr"], params["counts"]
        nc, k = counts
        consts_on, carry_on, xs_on = self._active(tangents, counts)
        n_ys = len(jaxpr.outvars) - k
        no_ys = [False] * n_ys

        def marks(on: list[bool]) -> list[bool]:
            return jvp_jaxpr(jaxpr, [*consts_on, *on, *xs_on], [*on, *no_ys])[1]

        on = self._fixpoint(lambda c: marks(c)[:k], carry_on)
        both, out_on = jvp_jaxpr(jaxpr, [*consts_on, *on, *xs_on], [*on, *no_ys])
        ys_on = out_on[k:]
        consts, carry, xs = split_list(primals, nc, k)
        consts_t, carry_t, xs_t = split_list(tangents, nc, k)
        consts_dot = [t for t in consts_t if t is not None]
        xs_dot = [t for t in xs_t if t is not None]
        carry_dot = [instantiate(t, c) for t, c, o in zip(carry_t, carry, on, strict=True) if o]
        a, b = len(consts_dot), len(carry_dot)

        def body(*args: Any) -> list[Any]:
            c, cd, v, vd, x, xd = split_list(args, nc, a, k, b, len(xs))
            outs = eval_jaxpr(both, [*c, *v, *x, *cd, *vd, *xd])
            values, ys, dots, ys_dot = split_list(outs, k, n_ys, b)
            return [*values, *dots, *ys, *ys_dot]

        operands = [*consts, *consts_dot, *carry, *carry_dot, *xs, *xs_dot]
        types = _body_types(operands, nc + a + k + b)
        outs = self.bind(
            *operands, **{**params, "jaxpr": stage(body, types), "counts": (nc + a, k + b)}
        )
        values, dots, ys, ys_dot = split_list(outs, k, b, n_ys)
        return values + ys, merge_mask(on, dots, [None] * on.count(False)) + merge_mask(
            ys_on, ys_dot, [None] * ys_on.count(False)
        )

    def linearize(
        self, primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[list[Any], list[Any]]:
        jaxpr, counts = params["jaxpr"], params["counts"]
        nc, k = counts
        consts_on, carry_on, xs_on = self._active(tangents, counts)
        n_ys = len(jaxpr.outvars) - k
        no_ys = [False] * n_ys

        def marks(on: list[bool]) -> list[bool]:
            return linearize_jaxpr(jaxpr, [*consts_on, *on, *xs_on], [*on, *no_ys]).active_out

        on = self._fixpoint(lambda c: marks(c)[:k], carry_on)
        parts = linearize_jaxpr(jaxpr, [*consts_on, *on, *xs_on], [*on, *no_ys])
        ys_on = parts.active_out[k:]
        # Residuals that are constants of the loop or slices of its inputs need no stacking.
        n_out = len(jaxpr.outvars)
        stacked = [f is None or nc <= f < nc + k for f in parts.forwarded]
        keep = [True] * n_out + stacked
        forward = Jaxpr(
            parts.forward.invars,
            [v for v, want in zip(parts.forward.outvars, keep, strict=True) if want],
            parts.forward.eqns,
            parts.forward.constvars,
            parts.forward.consts,
        )
        outs = self.bind(*primals, **{**params, "jaxpr": forward})
        results, saved = outs[:n_out], iter(outs[n_out:])

        residuals: list[tuple[Any, bool]] = []  # value, whether it is sliced by step
        for source, is_stacked in zip(parts.forwarded, stacked, strict=True):
            if is_stacked:
                residuals.append((next(saved), True))
            else:
                assert source is not None
                residuals.append((primals[source], source >= nc + k))
        sliced = [s for _, s in residuals]
        fixed_res = [r for r, s in residuals if not s]
        step_res = [r for r, s in residuals if s]

        consts_t, carry_t, xs_t = split_list(tangents, nc, k)
        consts_dot = [t for t in consts_t if t is not None]
        xs_dot = [t for t in xs_t if t is not None]
        carry_dot = [
            instantiate(t, c)
            for t, c, o in zip(carry_t, primals[nc : nc + k], on, strict=True)
            if o
        ]
        f, a, b, r = len(fixed_res), len(consts_dot), len(carry_dot), len(step_res)

        def body(*args: Any) -> list[Any]:
            fixed, cd, vd, step, xd = split_list(args, f, a, b, r)
            return eval_jaxpr(parts.linear, [*merge_mask(sliced, step, fixed), *cd, *vd, *xd])

        operands = [*fixed_res, *consts_dot, *carry_dot, *step_res, *xs_dot]
        types = _body_types(operands, f + a + b)
        linear = stage(body, types)
        touts = self.bind(*operands, **{**params, "jaxpr": linear, "counts": (f + a, b)})
        dots, ys_dot = split_list(touts, b)
        return results, merge_mask(on, dots, [None] * on.count(False)) + merge_mask(
            ys_on, ys_dot, [None] * ys_on.count(False)
        )

    def transpose(self, cts: Sequence[Any], *args: Any, **params: Any) -> list[Any]:
        jaxpr, (nc, k) = params["jaxpr"], params["counts"]
        is_linear = [isinstance(x, Linear) for x in args]
        consts_lin, carry_lin, xs_lin = split_list(is_linear, nc, k)
        known, equations = _known_carries(jaxpr, is_linear, nc, k)
        if any(known):
            return self._transpose_apart(known, equations, cts, args, params)
        # A carry that starts from a zero tangent comes as a value, and is linear all the same.
        if not all(dtypes.is_inexact(v.aval.dtype) for v in jaxpr.invars[nc : nc + k]):
            raise FxTypeError(
                "transposing a scan whose carry of integers depends on its linear arguments: the "
                "function is not linear."
            )
        consts, _, xs = split_list(args, nc, k)
        fixed = [x for x, lin in zip(consts, consts_lin, strict=True) if not lin]
        steps = [x for x, lin in zip(xs, xs_lin, strict=True) if not lin]
        const_avals = [x.aval for x, lin in zip(consts, consts_lin, strict=True) if lin]
        carry_avals = [v.aval for v in jaxpr.invars[nc : nc + k]]
        x_avals = [v.aval for v, lin in zip(jaxpr.invars[nc + k :], xs_lin, strict=True) if lin]
        ct_carry, ct_ys = split_list(cts, k)
        ys_on = [ct is not None for ct in ct_ys]
        f, a, s = len(fixed), len(const_avals), len(steps)

        def body(*inner: Any) -> list[Any]:
            fixed_i, ct_consts, ct_c, steps_i, ct_y = split_list(inner, f, a, k, s)
            operands = [
                *merge_mask(consts_lin, map(Linear, const_avals), fixed_i),
                *map(Linear, carry_avals),
                *merge_mask(xs_lin, map(Linear, x_avals), steps_i),
            ]
            full_cts = [*ct_c, *merge_mask(ys_on, ct_y, [None] * ys_on.count(False))]
            back = backward_pass(jaxpr, operands, full_cts)
            b_consts, b_carry, b_xs = split_list(back, nc, k)
            new_consts = [
                total if ct is None else P.add(total, ct)
                for total, ct in zip(
                    ct_consts,
                    [ct for ct, lin in zip(b_consts, consts_lin, strict=True) if lin],
                    strict=True,
                )
            ]
            new_carry = [instantiate(ct, av) for ct, av in zip(b_carry, carry_avals, strict=True)]
            new_xs = [
                instantiate(ct, av)
                for ct, av in zip(
                    [ct for ct, lin in zip(b_xs, xs_lin, strict=True) if lin], x_avals, strict=True
                )
            ]
            return [*new_consts, *new_carry, *new_xs]

        operands = [
            *fixed,
            *[zeros(av) for av in const_avals],
            *[instantiate(ct, av) for ct, av in zip(ct_carry, carry_avals, strict=True)],
            *steps,
            *[ct for ct in ct_ys if ct is not None],
        ]
        types = _body_types(operands, f + a + k)
        outs = self.bind(
            *operands,
            **{
                **params,
                "jaxpr": stage(body, types),
                "counts": (f, a + k),
                "reverse": not params["reverse"],
            },
        )
        out_consts, out_carry, out_xs = split_list(outs, a, k)
        return [
            *merge_mask(consts_lin, out_consts, [None] * f),
            *[ct if lin else None for ct, lin in zip(out_carry, carry_lin, strict=True)],
            *merge_mask(xs_lin, out_xs, [None] * s),
        ]

    def _transpose_apart(
        self,
        known: Sequence[bool],
        equations: Sequence[Eqn],
        cts: Sequence[Any],
        args: Sequence[Any],
        params: dict[str, Any],
    ) -> list[Any]:
        """Carries that are values, such as a counter, run forwards first: their course becomes an
        input of a scan in which every carry is linear.
        """
        jaxpr, (nc, k) = params["jaxpr"], params["counts"]
        consts, carry, xs = split_list(list(zip(jaxpr.invars, args, strict=True)), nc, k)
        keep = [not m for m in known]
        values = [c for c, m in zip(carry, known, strict=True) if m]
        rest = [c for c, m in zip(carry, known, strict=True) if not m]
        fixed = [c for c in consts if not isinstance(c[1], Linear)]
        steps = [x for x in xs if not isinstance(x[1], Linear)]
        inputs, n = [*fixed, *values, *steps], len(values)
        after = [v for v, m in zip(jaxpr.outvars[:k], known, strict=True) if m]
        before = [v for v, _ in values]
        forward = Jaxpr(
            [v for v, _ in inputs], [*after, *before], equations, jaxpr.constvars, jaxpr.consts
        )
        course = self.bind(
            *[x for _, x in inputs], **{**params, "jaxpr": dce(forward), "counts": (len(fixed), n)}
        )[n:]
        moved = [*consts, *rest, *zip(before, course, strict=True), *xs]
        outs = [v for v, m in zip(jaxpr.outvars[:k], keep, strict=True) if m] + jaxpr.outvars[k:]
        linear = Jaxpr([v for v, _ in moved], outs, jaxpr.eqns, jaxpr.constvars, jaxpr.consts)
        kept_cts = [ct for ct, m in zip(cts[:k], keep, strict=True) if m] + list(cts[k:])
        results = self.transpose(
            kept_cts,
            *[x for _, x in moved],
            **{**params, "jaxpr": linear, "counts": (nc, len(rest))},
        )
        ct_consts, ct_rest, _, ct_xs = split_list(results, nc, len(rest), n)
        return [*ct_consts, *merge_mask(keep, ct_rest, [None] * n), *ct_xs]

    # ------------------------------------------------------------------ batching
    def batch(
        self, axis: AxisData, args: Sequence[Any], dims: Sequence[Any], **params: Any
    ) -> tuple[list[Any], list[Any]]:
        jaxpr, (nc, k) = params["jaxpr"], params["counts"]
        on = [d is not None for d in dims]
        consts_on, carry_on, xs_on = split_list(on, nc, k)
        no_ys = [False] * (len(jaxpr.outvars) - k)

        def marks(carry: list[bool]) -> list[bool]:
            return batch_jaxpr(jaxpr, axis, [*consts_on, *carry, *xs_on], [*carry, *no_ys])[1]

        carry_on = self._fixpoint(lambda c: marks(c)[:k], carry_on)
        body, out_on = batch_jaxpr(
            jaxpr, axis, [*consts_on, *carry_on, *xs_on], [*carry_on, *no_ys]
        )
        wanted = [*consts_on, *carry_on, *xs_on]
        full = []
        for i, (x, d, want) in enumerate(zip(args, dims, wanted, strict=True)):
            # Stacked inputs have the loop's axis first, the mapped one second.
            if want and i >= nc + k:
                x = move_axis(x, d, 1)
            elif want:
                x = materialize(x, d, axis.size)
            full.append(x)
        outs = self.bind(*full, **{**params, "jaxpr": body})
        return outs, [None if not o else (0 if i < k else 1) for i, o in enumerate(out_on)]


scan_p = ScanPrimitive()


def _known_carries(
    jaxpr: Jaxpr, is_linear: Sequence[bool], nc: int, k: int
) -> tuple[list[bool], list[Eqn]]:
    """Which carries of a body never depend on linear inputs, and the equations that do not."""
    linear = list(is_linear)
    while True:
        marked = {v for v, on in zip(jaxpr.invars, linear, strict=True) if on}
        others = []
        for eqn in jaxpr.eqns:
            if marked.isdisjoint(v for v in eqn.invars if isinstance(v, Var)):
                others.append(eqn)
            else:
                marked.update(eqn.outvars)
        grown = list(linear)
        for i, v in enumerate(jaxpr.outvars[:k]):
            grown[nc + i] = linear[nc + i] or v in marked
        if grown == linear:
            return [not on for on in linear[nc : nc + k]], others
        linear = grown


def _body_types(operands: Sequence[Any], n_whole: int) -> list[ShapedArray]:
    """Types of the body's inputs: whole operands, then slices of the stacked ones."""
    return _slice_types([aval_of(x) for x in operands], n_whole)


def _slice_types(avals: Sequence[ShapedArray], n_whole: int) -> list[ShapedArray]:
    return [*avals[:n_whole], *[a.update(shape=a.shape[1:]) for a in avals[n_whole:]]]


# ------------------------------------------------------------------ the public function
@public
@through(of_scan)
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    _split_transpose: bool = False,
) -> tuple[Any, Any]:
    """Run `carry, y = f(carry, x)` over the leading axis of `xs` and stack the outputs.

    Args:
        f: from (carry, slice) to (carry, output); the carry keeps its structure and types.
        init: the initial carry, arrays in a pytree. Python numbers take the dtype that `f` gives.
        xs: arrays in a pytree with a common leading axis, or None with `length`.
        length: number of steps, needed where xs is None.
        reverse: run from the last slice to the first; outputs keep the order of `xs`.
        unroll: a hint for compilers.

    Returns:
        `(carry, ys)`: the last carry, and the outputs stacked along a new leading axis.

    Raises:
        FxTypeError: the carry changes its type; the message shows where.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.lax.scan(lambda c, x: (c + x, c * x), 0.0, jnp.arange(4.0))
        (Array(6., dtype=float32), Array([0., 0., 2., 9.], dtype=float32))
    """
    if not callable(f):
        raise FxTypeError(f"scan expects a function as first argument, got {type(f).__name__}.")
    carry_leaves, carry_tree = tree_flatten(init)
    x_leaves, _ = tree_flatten(xs)
    carry = [to_array(x, "scan") for x in carry_leaves]
    stacked = [to_array(x, "scan") for x in x_leaves]
    steps = scan_length(f, xs, stacked, length)
    if config.disable_jit:
        return _python_scan(f, init, xs, steps, reverse)
    in_tree = tree_flatten(((init, xs), {}))[1]
    slice_avals = [x.aval.update(shape=x.shape[1:]) for x in stacked]

    def trace(avals: list[ShapedArray]) -> tuple[Jaxpr, Any, Any]:
        flat = FlatFunction(_pair_checked(f), in_tree, what="scan")
        names = arg_names(f, (init, xs), {})
        jaxpr = stage(flat, [*avals, *slice_avals], what="scan", origin=origin_of(f), names=names)
        jaxpr, free = hoist(jaxpr)
        pair = tree_unflatten(flat.out_tree, range(len(jaxpr.outvars)))
        return jaxpr, tree_flatten(pair[0])[1], (free, tree_flatten(pair[1])[1])

    body, (free, y_tree), carry = carry_fixpoint("scan", f, carry_tree, carry, trace)
    avals = [aval_of(x) for x in carry]
    if body.out_avals[: len(avals)] != avals:
        inner = body

        def run(*args: Any) -> list[Any]:
            outs = eval_jaxpr(inner, args)
            head = [cast_to(x, a) for x, a in zip(outs, avals, strict=False)]
            return head + outs[len(avals) :]

        body = stage(run, inner.in_avals)
    outs = scan_p.bind(
        *free,
        *carry,
        *stacked,
        jaxpr=body,
        length=steps,
        reverse=bool(reverse),
        counts=(len(free), len(carry)),
        unroll=steps if unroll is True else max(int(unroll), 1),
    )
    return (
        tree_unflatten(carry_tree, outs[: len(carry)]),
        tree_unflatten(y_tree, outs[len(carry) :]),
    )


def _pair_checked(f: Callable[..., Any]) -> Callable[..., Any]:
    def checked(carry: Any, x: Any) -> tuple[Any, Any]:
        out = f(carry, x)
        if not isinstance(out, (tuple, list)) or len(out) != 2:
            raise FxTypeError(
                f"scan: {name_of(f)} must return a pair (carry, output), got "
                f"{type(out).__name__}. Return None as output if there is none."
            )
        return out[0], out[1]

    return checked


def scan_length(
    f: Any, xs: Any, stacked: Sequence[Array], length: int | None, what: str = "scan"
) -> int:
    """The common size of the leading axes of `xs`, or an error that says where they differ."""
    for (path, leaf), x in zip(tree_flatten_with_path(xs)[0], stacked, strict=True):
        if not is_arraylike(leaf) or x.ndim == 0:
            raise ShapeError(
                f"{what} over {name_of(f)}: xs{keystr(path)} must have a leading axis, "
                f"got {x.aval.short()}."
            )
    if length is not None:
        if isinstance(length, bool) or not hasattr(length, "__index__"):
            raise FxTypeError(f"scan: length must be an int, got {length!r}.")
        length = int(length)
        if length < 0:
            raise FxValueError(f"scan: length must not be negative, got {length}.")
    sizes = {x.shape[0] for x in stacked}
    if length is None and not sizes:
        raise FxValueError(f"{what} needs xs with a leading axis, or (scan) length=.")
    if len(sizes) > 1 or (length is not None and sizes - {length}):
        wanted = f" and length={length}" if length is not None else ""
        raise ShapeError(
            f"{what} over {name_of(f)}: leading axes of xs must agree, got {sorted(sizes)}{wanted}."
        )
    return length if length is not None else sizes.pop()


def _python_scan(f: Any, init: Any, xs: Any, length: int, reverse: bool) -> tuple[Any, Any]:
    leaves, tree = tree_flatten(xs)
    arrays = [to_array(x) for x in leaves]
    carry, ys = init, []
    for i in range(length - 1, -1, -1) if reverse else range(length):
        carry, y = f(carry, tree_unflatten(tree, [_row(x, i) for x in arrays]))
        ys.append(y)
    if reverse:
        ys.reverse()
    if not ys:
        raise FxValueError("scan of length 0 under disable_jit: the outputs' types are unknown.")
    columns = zip(*[tree_flatten(y)[0] for y in ys], strict=True)
    stacked = [
        P.concatenate(*[add_axis(to_array(v), 1) for v in column], dimension=0)
        for column in columns
    ]
    return carry, tree_unflatten(tree_flatten(ys[0])[1], stacked)


def _row(x: Any, i: int) -> Any:
    """x[i] of the leading axis."""
    stop = (i + 1, *x.shape[1:])
    row = P.slice(x, start_indices=(i, *[0] * (x.ndim - 1)), limit_indices=stop, strides=None)
    return P.squeeze(row, dimensions=(0,))
