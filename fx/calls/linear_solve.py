"""The primitive behind custom_linear_solve: a linear solve whose derivatives are solves, too.

From A x = b follow dx = A^-1 (db - dA x), and the transpose of b -> x is the solve with A^T.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fx.calls.base import CallPrimitive, run_jaxpr
from fx.core.array import aval_of, to_array
from fx.core.avals import ShapedArray
from fx.core.check import expect_types
from fx.core.interpret import eval_jaxpr
from fx.core.ir import Jaxpr, readable
from fx.core.primitive import AxisData, Linear, P, instantiate
from fx.errors import FxTypeError, ShapeError, TreeError
from fx.pytree import tree_flatten, tree_unflatten
from fx.transforms.jvp import jvp_flat
from fx.transforms.stage import FlatFunction, hoist, name_of, origin_of, stage
from fx.transforms.transpose import transpose_jaxpr
from fx.transforms.vmap import batch_jaxpr, materialize
from fx.util import split_list


@readable
class System(NamedTuple):
    """The two programs of a linear system; each takes its own constants, then a vector."""

    matvec: Jaxpr
    solve: Jaxpr


class LinearSolve(CallPrimitive):
    """args: constants of the system's matvec and solve, of the transposed ones, then b."""

    name = "linear_solve"

    def abstract_eval(
        self, *avals: ShapedArray, systems: tuple[System | None, ...], counts: tuple[int, ...]
    ) -> list[ShapedArray]:
        assert systems[0] is not None
        return systems[0].solve.out_avals

    def check_inner(self, *avals: ShapedArray, **params: Any) -> None:
        *groups, b = split_list(avals, *params["counts"])
        for i, system in enumerate(params["systems"]):
            if system is not None:
                matvec, solve = groups[2 * i], groups[2 * i + 1]
                expect_types("operands of matvec", [*matvec, *b], system.matvec.in_avals)
                expect_types("operands of solve", [*solve, *b], system.solve.in_avals)

    def impl(self, xp: Any, *arrays: Any, systems: Any, counts: Any) -> list[Any]:
        _, solve_consts, _, _, b = split_list(arrays, *counts)
        return run_jaxpr(systems[0].solve, [*solve_consts, *b])

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, systems: Any, counts: Any
    ) -> tuple[list[Any], list[Any]]:
        outs = self.bind(*primals, systems=systems, counts=counts)
        consts, _, _, _, b = split_list(primals, *counts)
        consts_dot, _, _, _, b_dot = split_list(tangents, *counts)
        n = len(b)
        rhs = [instantiate(t, x) for t, x in zip(b_dot, b, strict=True)]
        if any(t is not None for t in consts_dot):
            _, moved = jvp_flat(
                lambda *cs: eval_jaxpr(systems[0].matvec, [*cs, *outs[:n]]), consts, consts_dot
            )
            rhs = [r if m is None else P.sub(r, m) for r, m in zip(rhs, moved, strict=True)]
        touts = self.bind(*primals[: len(primals) - n], *rhs, systems=systems, counts=counts)
        return outs, touts[:n] + [None] * (len(outs) - n)

    def transpose(self, cts: Sequence[Any], *args: Any, systems: Any, counts: Any) -> list[Any]:
        if systems[1] is None:
            raise FxTypeError(
                "reverse-mode differentiation of custom_linear_solve needs transpose_solve= (or "
                "symmetric=True)."
            )
        *groups, b = split_list(args, *counts)
        avals = [x.aval if isinstance(x, Linear) else aval_of(x) for x in b]
        rhs = [instantiate(ct, a) for ct, a in zip(cts, avals, strict=False)]
        m, s, mt, st = groups
        outs = self.bind(
            *mt, *st, *m, *s, *rhs,
            systems=systems[::-1],
            counts=(counts[2], counts[3], counts[0], counts[1]),
        )  # fmt: skip
        return [None] * (len(args) - len(b)) + outs[: len(b)]

    def batch(
        self, axis: AxisData, args: Sequence[Any], dims: Sequence[Any], *, systems: Any, counts: Any
    ) -> tuple[list[Any], list[Any]]:
        full = [materialize(x, d, axis.size) for x, d in zip(args, dims, strict=True)]

        def mapped(jaxpr: Jaxpr) -> Jaxpr:
            return batch_jaxpr(jaxpr, axis, [True] * len(jaxpr.invars), True)[0]

        wide = tuple(
            None if s is None else System(mapped(s.matvec), mapped(s.solve)) for s in systems
        )
        outs = self.bind(*full, systems=wide, counts=counts)
        return outs, [0] * len(outs)

    def solve(
        self,
        matvec: Callable[[Any], Any],
        b: Any,
        solve: Callable[..., Any],
        transpose_solve: Callable[..., Any] | None,
        symmetric: bool,
        has_aux: bool,
    ) -> Any:
        """The public function's work: trace the four programs and bind."""
        what = "custom_linear_solve"
        leaves, tree = tree_flatten(b)
        arrays = [to_array(x, what) for x in leaves]
        avals = [x.aval.strong() for x in arrays]
        in_tree = tree_flatten(((b,), {}))[1]

        def trace(fun: Callable[..., Any], named: Any) -> tuple[Jaxpr, list[Any], Any]:
            flat = FlatFunction(fun, in_tree, what=what)
            jaxpr, free = hoist(stage(flat, avals, what=what, origin=origin_of(named)))
            return jaxpr, free, flat.out_tree

        def checked(jaxpr: Jaxpr, out_tree: Any, fun: Any) -> None:
            if out_tree != tree:
                raise TreeError(
                    f"{what}: {name_of(fun)} must return the structure of b, {tree}, got "
                    f"{out_tree}."
                )
            if not all(a.same_type(o) for a, o in zip(avals, jaxpr.out_avals, strict=False)):
                got = ", ".join(a.short() for a in jaxpr.out_avals)
                raise ShapeError(
                    f"{what}: {name_of(fun)} must return arrays of the types of b, "
                    f"{', '.join(a.short() for a in avals)}, got {got}."
                )

        m_jaxpr, m_free, m_tree = trace(matvec, matvec)
        checked(m_jaxpr, m_tree, matvec)
        s_jaxpr, s_free, s_tree = trace(lambda x: solve(matvec, x), solve)
        x_tree = s_tree
        if has_aux:
            if not isinstance(tree_unflatten(s_tree, range(len(s_jaxpr.outvars))), (tuple, list)):
                raise FxTypeError(f"{what}: with has_aux, solve must return a pair (x, aux).")
            x_tree = tree_flatten(tree_unflatten(s_tree, range(len(s_jaxpr.outvars)))[0])[1]
        checked(s_jaxpr, x_tree, solve)
        systems: tuple[System | None, System | None] = (System(m_jaxpr, s_jaxpr), None)
        t_free: list[list[Any]] = [[], []]
        other = solve if symmetric else transpose_solve
        if other is not None:
            if symmetric:
                vm_jaxpr, vm_free, vecmat = m_jaxpr, m_free, matvec
            else:
                is_linear = [False] * len(m_free) + [True] * len(avals)
                vm_jaxpr, _ = transpose_jaxpr(m_jaxpr, is_linear, [True] * len(avals), dense=True)
                vm_free = m_free

                def vecmat(x: Any, /) -> Any:
                    flat, _ = tree_flatten(x)
                    return tree_unflatten(tree, eval_jaxpr(vm_jaxpr, [*vm_free, *flat]))

            ts_jaxpr, ts_free, _ = trace(lambda x: other(vecmat, x), other)
            systems = (systems[0], System(vm_jaxpr, ts_jaxpr))
            t_free = [vm_free, ts_free]
        groups = [m_free, s_free, *t_free]
        outs = self.bind(
            *[x for g in groups for x in g],
            *arrays,
            systems=systems,
            counts=tuple(len(g) for g in groups),
        )
        return tree_unflatten(s_tree, outs)


linear_solve_p = LinearSolve()
