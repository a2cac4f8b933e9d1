"""while_loop: repeat a body while a condition holds, with a carry of fixed type.

Forward mode runs tangents beside the values. Reverse mode needs a bound: with `max_steps` the
loop is a scan over blocks of steps, each of which is skipped once the condition fails, and each
block is recomputed on the way back, so memory grows with the square root of the bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.calls.base import CallPrimitive, compiled
from fx.calls.checkpoint import checkpoint
from fx.calls.cond import cond
from fx.calls.loop_types import carry_fixpoint, cast_to
from fx.calls.refs import of_while, through
from fx.calls.scan import scan
from fx.config import config
from fx.core.array import Array, aval_of, is_arraylike, to_array
from fx.core.avals import ShapedArray
from fx.core.check import expect_types
from fx.core.interpret import eval_jaxpr
from fx.core.ir import Jaxpr
from fx.core.primitive import AxisData, LoopForm, P, instantiate, lit
from fx.errors import ConcretizationTypeError, FxTypeError, public
from fx.pytree import tree_flatten, tree_unflatten
from fx.transforms.jvp import jvp_jaxpr
from fx.transforms.stage import FlatFunction, arg_names, hoist, name_of, origin_of, stage
from fx.transforms.vmap import batch_jaxpr, materialize
from fx.util import merge_mask, split_list


class WhilePrimitive(CallPrimitive):
    """args: constants of the condition, constants of the body, carry."""

    name = "while"

    def abstract_eval(
        self, *avals: ShapedArray, cond_jaxpr: Jaxpr, body_jaxpr: Jaxpr, counts: tuple[int, int]
    ) -> list[ShapedArray]:
        return body_jaxpr.out_avals

    def loop(self, params: dict[str, Any]) -> LoopForm:
        test_consts, consts = params["counts"]
        carries = len(params["body_jaxpr"].outvars)
        return LoopForm(
            params["body_jaxpr"], 0, False, consts, carries, params["cond_jaxpr"], test_consts
        )

    def check_inner(self, *avals: ShapedArray, **params: Any) -> None:
        test, body = params["cond_jaxpr"], params["body_jaxpr"]
        test_consts, body_consts, carry = split_list(avals, *params["counts"])
        expect_types("operands of the condition of while", [*test_consts, *carry], test.in_avals)
        expect_types("operands of the body of while", [*body_consts, *carry], body.in_avals)
        expect_types("carry that while returns", body.out_avals, carry)

    def impl(
        self,
        xp: Any,
        *arrays: Any,
        cond_jaxpr: Jaxpr,
        body_jaxpr: Jaxpr,
        counts: tuple[int, int],
    ) -> list[Any]:
        cond_consts, body_consts, carry = split_list(arrays, *counts)
        test, body = compiled(cond_jaxpr), compiled(body_jaxpr)
        while test([*cond_consts, *carry])[0]:
            carry = body([*body_consts, *carry])
        return carry

    def jvp_call(
        self,
        primals: Sequence[Any],
        tangents: Sequence[Any],
        *,
        cond_jaxpr: Jaxpr,
        body_jaxpr: Jaxpr,
        counts: tuple[int, int],
    ) -> tuple[list[Any], list[Any]]:
        cond_consts, body_consts, carry = split_list(primals, *counts)
        _, body_t, carry_t = split_list(tangents, *counts)
        consts_on = [t is not None for t in body_t]
        on = self.active_carry(body_jaxpr, consts_on, [t is not None for t in carry_t])
        both, _ = jvp_jaxpr(body_jaxpr, consts_on + on, on)
        nconsts, n = len(body_consts), len(carry)
        n_tangents = on.count(True)

        # jvp_jaxpr takes all primals, then all tangents; the loop's carry comes last.
        def body(*args: Any) -> list[Any]:
            consts, consts_dot, values, dots = split_list(args, nconsts, consts_on.count(True), n)
            return eval_jaxpr(both, [*consts, *values, *consts_dot, *dots])

        def test(*args: Any) -> list[Any]:
            return eval_jaxpr(cond_jaxpr, args[: len(args) - n_tangents])

        given = [t for t in body_t if t is not None]
        start = [instantiate(t, c) for t, c, o in zip(carry_t, carry, on, strict=True) if o]
        operands = [*cond_consts, *body_consts, *given, *carry, *start]
        k = counts[0]
        outs = self.bind(
            *operands,
            cond_jaxpr=stage(test, [aval_of(x) for x in (*operands[:k], *carry, *start)]),
            body_jaxpr=stage(body, [aval_of(x) for x in operands[k:]]),
            counts=(k, nconsts + len(given)),
        )
        return outs[:n], merge_mask(on, outs[n:], [None] * on.count(False))

    def active_carry(
        self, body: Jaxpr, consts_on: Sequence[bool], carry_on: Sequence[bool]
    ) -> list[bool]:
        """Which carries get a tangent after any number of steps."""
        on = list(carry_on)
        while True:
            _, out = jvp_jaxpr(body, [*consts_on, *on], on)
            grown = [a or b for a, b in zip(on, out, strict=True)]
            if grown == on:
                return on
            on = grown

    def linearize(
        self, primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[list[Any], list[Any]]:
        _, body_t, carry_t = split_list(tangents, *params["counts"])
        consts_on = [t is not None for t in body_t]
        on = self.active_carry(params["body_jaxpr"], consts_on, [t is not None for t in carry_t])
        if not any(on):
            return self.bind(*primals, **params), [None] * len(on)
        raise FxTypeError(
            "reverse-mode differentiation (grad, vjp, linearize) of while_loop: the number of "
            "steps is not known, so its intermediate values cannot be kept. Give it a bound, "
            "while_loop(cond, body, init, max_steps=n), or use scan or a fori_loop with static "
            "bounds; forward mode (jvp, jacfwd) works as it is."
        )

    def batch(
        self,
        axis: AxisData,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        cond_jaxpr: Jaxpr,
        body_jaxpr: Jaxpr,
        counts: tuple[int, int],
    ) -> tuple[list[Any], list[Any]]:
        on = [d is not None for d in dims]
        test_on, body_on, carry_on = split_list(on, *counts)
        while True:
            _, out = batch_jaxpr(body_jaxpr, axis, [*body_on, *carry_on], carry_on)
            test, test_out = batch_jaxpr(cond_jaxpr, axis, [*test_on, *carry_on])
            # With a mapped condition every carry differs between the mapped loops.
            grown = [a or b or test_out[0] for a, b in zip(carry_on, out, strict=True)]
            if grown == carry_on:
                break
            carry_on = grown
        wanted = [*test_on, *body_on, *carry_on]
        full = [
            materialize(x, d, axis.size) if want else x
            for x, d, want in zip(args, dims, wanted, strict=True)
        ]
        body, _ = batch_jaxpr(body_jaxpr, axis, [*body_on, *carry_on], carry_on)
        if test_out[0]:
            test, body, full, counts = self._mapped_condition(test, body, full, counts)
        outs = self.bind(*full, cond_jaxpr=test, body_jaxpr=body, counts=counts)
        return outs, [0 if o else None for o in carry_on]

    def _mapped_condition(
        self, test: Jaxpr, body: Jaxpr, full: list[Any], counts: tuple[int, int]
    ) -> tuple[Jaxpr, Jaxpr, list[Any], tuple[int, int]]:
        """Run while any loop goes on, and freeze the carries of those that have ended."""
        k, m = counts

        def any_left(*args: Any) -> list[Any]:
            return [P.reduce_or(eval_jaxpr(test, args)[0], axes=(0,))]

        def step(*args: Any) -> list[Any]:
            test_consts, body_consts, carry = split_list(args, k, m)
            going = eval_jaxpr(test, [*test_consts, *carry])[0]
            new = eval_jaxpr(body, [*body_consts, *carry])
            return [
                P.select_n(
                    P.broadcast_in_dim(going, shape=b.shape, broadcast_dimensions=(0,)), a, b
                )
                for a, b in zip(carry, new, strict=True)
            ]

        test_consts, body_consts, carry = split_list(full, k, m)
        types = [aval_of(x) for x in (*test_consts, *body_consts, *carry)]
        return (
            stage(any_left, test.in_avals),
            stage(step, types),
            [*test_consts, *test_consts, *body_consts, *carry],
            (k, k + m),
        )


while_p = WhilePrimitive()


@public
@through(of_while)
def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    max_steps: int | None = None,
) -> Any:
    """Repeat `val = body_fun(val)` while `cond_fun(val)` holds.

    Args:
        cond_fun: from the carry to a bool of shape ().
        body_fun: from the carry to a carry of the same structure and types.
        init_val: the initial carry, arrays in a pytree.
        max_steps: a bound on the number of steps, at which the loop ends. It makes the loop
            differentiable in reverse mode.

    Returns:
        the last carry.

    Example:
        >>> import fx
        >>> fx.lax.while_loop(lambda x: x < 100, lambda x: 2 * x, 3)
        Array(192, dtype=int32, weak_type=True)
    """
    if not callable(cond_fun) or not callable(body_fun):
        raise FxTypeError("while_loop expects two functions: while_loop(cond_fun, body_fun, init).")
    leaves, tree = tree_flatten(init_val)
    init = [to_array(x, "while_loop") for x in leaves]
    if config.disable_jit:
        try:
            return _python_loop(cond_fun, body_fun, init_val, max_steps)
        except ConcretizationTypeError:  # under vmap
            pass
    if max_steps is not None:
        return _bounded(cond_fun, body_fun, init_val, max_steps)
    in_tree = tree_flatten(((init_val,), {}))[1]

    def trace(avals: list[ShapedArray]) -> tuple[Jaxpr, Any, Any]:
        flat = FlatFunction(body_fun, in_tree, what="while_loop")
        names = arg_names(body_fun, (init_val,), {})
        jaxpr = stage(flat, avals, what="while_loop", origin=origin_of(body_fun), names=names)
        jaxpr, free = hoist(jaxpr)
        return jaxpr, flat.out_tree, free

    body, body_free, carry = carry_fixpoint("while_loop", body_fun, tree, init, trace)
    avals = [aval_of(x) for x in carry]
    body = _cast_results(body, avals)
    flat = FlatFunction(cond_fun, in_tree, what="while_loop")
    test, test_free = hoist(stage(flat, avals, what="while_loop", origin=origin_of(cond_fun)))
    _check_condition(cond_fun, test)
    outs = while_p.bind(
        *test_free,
        *body_free,
        *carry,
        cond_jaxpr=test,
        body_jaxpr=body,
        counts=(len(test_free), len(body_free)),
    )
    return tree_unflatten(tree, outs)


def _check_condition(cond_fun: Any, test: Jaxpr) -> None:
    outs = test.out_avals
    if len(outs) != 1 or outs[0].shape != () or outs[0].dtype != np.bool_:
        got = ", ".join(a.short() for a in outs)
        raise FxTypeError(
            f"while_loop: {name_of(cond_fun)} must return one bool of shape (), got {got}. "
            "Compare, or reduce with .any() or .all()."
        )


def _cast_results(body: Jaxpr, avals: Sequence[ShapedArray]) -> Jaxpr:
    """The body with results that have exactly the carry's types (weakness included)."""
    if body.out_avals == list(avals):
        return body

    def run(*args: Any) -> list[Any]:
        outs = eval_jaxpr(body, args)
        return [cast_to(x, a) for x, a in zip(outs, avals, strict=True)]

    return stage(run, body.in_avals)


def _python_loop(cond_fun: Any, body_fun: Any, val: Any, max_steps: int | None) -> Any:
    steps = 0
    while cond_fun(val) and (max_steps is None or steps < max_steps):
        val, steps = body_fun(val), steps + 1
    return val


def _bounded(cond_fun: Any, body_fun: Any, init_val: Any, max_steps: int) -> Any:
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 0:
        raise FxTypeError(f"while_loop: max_steps must be a non-negative int, got {max_steps!r}.")
    block = max(math.isqrt(max(max_steps - 1, 0)) + 1, 1)
    blocks = -(-max_steps // block)

    def going(state: Any) -> Any:
        i, val = state
        keep = cond_fun(val)
        if not is_arraylike(keep):
            raise FxTypeError(
                f"while_loop: {name_of(cond_fun)} must return a bool, got {type(keep).__name__}."
            )
        return getattr(P, "and")(P.lt(i, lit(i, max_steps)), to_array(keep))

    def step(state: Any, _: Any) -> tuple[Any, None]:
        def advance(s: Any) -> Any:
            return P.add(s[0], lit(s[0], 1)), body_fun(s[1])

        return cond(going(state), advance, lambda s: s, state), None

    @checkpoint
    def run_block(state: Any) -> Any:
        return scan(step, state, None, length=block)[0]

    def outer(state: Any, _: Any) -> tuple[Any, None]:
        return cond(going(state), run_block, lambda s: s, state), None

    zero = Array(np.zeros((), np.int32))
    (_, val), _ = scan(outer, (zero, init_val), None, length=blocks)
    return val
