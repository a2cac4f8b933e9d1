"""Cumulative reductions: each element becomes the fold of its prefix along one axis.

Sums are linear. The derivatives of the others fold tuples (a value, its tangent and what else
the fold must remember) by an associative operation, so they are right at zeros and at ties and
take linear work: `prefixes` halves the axis, folds the pairs, and fills in the elements between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.core.avals import ShapedArray
from fx.core.primitive import P, Primitive, lit
from fx.errors import FxValueError
from fx.ops.base import broadcast_to, check_domain
from fx.ops.numerics import window
from fx.ops.reduce import dual_mul, section

Parts = tuple[Any, ...]
Combine = Callable[[Parts, Parts], Parts]


def prefixes(combine: Combine, parts: Parts, axis: int) -> Parts:
    """Folds of all prefixes of arrays along an axis, by an associative operation on tuples.

    Blelloch, "Prefix sums and their applications", 1990.
    """
    size = parts[0].shape[axis]
    if size < 2:
        return parts
    odd = tuple([section(x, axis, 1, size, 2) for x in parts])
    even = tuple([section(x, axis, 0, size, 2) for x in parts])
    half = size // 2
    at_odd = prefixes(combine, combine(_head(even, axis, half), odd), axis)
    between = _head(at_odd, axis, (size - 1) // 2)
    tail = tuple([section(x, axis, 1, x.shape[axis]) for x in even])
    at_even = tuple(
        P.concatenate(first, rest, dimension=axis)
        for first, rest in zip(_head(even, axis, 1), combine(between, tail), strict=True)
    )
    return tuple(_interleave(x, y, axis) for x, y in zip(at_even, at_odd, strict=True))


def _head(parts: Parts, axis: int, count: int) -> Parts:
    return tuple(x if x.shape[axis] == count else section(x, axis, 0, count) for x in parts)


def _interleave(even: Any, odd: Any, axis: int) -> Any:
    """even[0], odd[0], even[1], ...; there may be one more of the even elements."""
    count = odd.shape[axis]
    split = (*odd.shape[:axis], count, 1, *odd.shape[axis + 1 :])
    (pairs,) = _head((even,), axis, count)
    both = P.concatenate(
        P.reshape(pairs, new_sizes=split), P.reshape(odd, new_sizes=split), dimension=axis + 1
    )
    both = P.reshape(both, new_sizes=(*odd.shape[:axis], 2 * count, *odd.shape[axis + 1 :]))
    if even.shape[axis] == count:
        return both
    return P.concatenate(both, section(even, axis, count, count + 1), dimension=axis)


class Cumulative(Primitive):
    """A fold of every prefix along `axis`, or of every suffix if `reverse`."""

    def __init__(self, kind: str, kinds: str):
        super().__init__("cum" + kind)
        self.kind = kind
        self.kinds = kinds

    def abstract_eval(self, x: ShapedArray, *, axis: int, reverse: bool) -> ShapedArray:
        check_domain(self.name, x.dtype, self.kinds)
        if not 0 <= axis < x.ndim:
            raise FxValueError(
                f"{self.name} expects an axis in [0, {x.ndim}) for an operand of rank {x.ndim}, "
                f"got {axis}."
            )
        return x

    def impl(self, xp: Any, x: Any, *, axis: int, reverse: bool) -> Any:
        return window.cumulative(xp, x, kind=self.kind, axis=axis, reverse=reverse)

    def lower(self, graph: Any, args: Sequence[Any], out: Any, *, axis: int, reverse: bool) -> Any:
        op = {"sum": "add", "prod": "mul", "logsumexp": "logaddexp"}.get(self.kind, self.kind)
        return graph.prefixes(op, *args, axis, reverse)

    def jvp(
        self,
        primals: Sequence[Any],
        out: Any,
        tangents: Sequence[Any],
        *,
        axis: int,
        reverse: bool,
    ) -> Any:
        (x,), (t,) = primals, tangents
        if reverse:
            x, t = P.rev(x, dimensions=(axis,)), P.rev(t, dimensions=(axis,))
        tangent = self.forward_tangent(x, t, axis)
        return P.rev(tangent, dimensions=(axis,)) if reverse else tangent

    def forward_tangent(self, x: Any, t: Any, axis: int) -> Any:
        """Tangent of the fold from the first to the last element."""
        raise self.missing("jvp and grad", "forward_tangent(self, x, t, axis)")

    def batch(
        self, axis_data: Any, args: Sequence[Any], dims: Sequence[Any], *, axis: int, reverse: bool
    ) -> Any:
        out = self.bind(args[0], axis=axis + (axis >= dims[0]), reverse=reverse)
        return out, dims[0]


class CumSum(Cumulative):
    """Running sum."""

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        return self.bind(tangents[0], **params)

    def transpose(self, ct: Any, x: Any, *, axis: int, reverse: bool) -> list[Any]:
        return [self.bind(ct, axis=axis, reverse=not reverse)]


class CumProd(Cumulative):
    """Running product; no division, so zeros are fine."""

    def forward_tangent(self, x: Any, t: Any, axis: int) -> Any:
        return prefixes(dual_mul, (x, t), axis)[1]


class CumExtremum(Cumulative):
    """Running maximum or minimum; elements of the prefix that tie share the derivative."""

    def forward_tangent(self, x: Any, t: Any, axis: int) -> Any:
        choose = P.max if self.kind == "max" else P.min

        def combine(a: Parts, b: Parts) -> Parts:
            best = choose(a[0], b[0])
            kept = [
                P.convert_element_type(P.eq(value, best), new_dtype=t.dtype)
                for value in (a[0], b[0])
            ]
            shares = [
                P.add(P.mul(one, kept[0]), P.mul(other, kept[1]))
                for one, other in zip(a[1:], b[1:], strict=True)
            ]
            return best, *shares

        # A NaN equals nothing: its share and count are 0, and the derivative is NaN.
        self_equal = P.convert_element_type(P.eq(x, x), new_dtype=t.dtype)
        _, total, count = prefixes(combine, (x, P.mul(t, self_equal), self_equal), axis)
        return P.div(total, count)


class CumLogSumExp(Cumulative):
    """Running log(sum(exp(x))), computed without overflow."""

    def forward_tangent(self, x: Any, t: Any, axis: int) -> Any:
        def combine(a: Parts, b: Parts) -> Parts:
            out = _log_add_exp(a[0], b[0])
            terms = [P.mul(tangent, _weight(value, out)) for value, tangent in (a, b)]
            return out, P.add(*terms)

        return prefixes(combine, (x, t), axis)[1]


def _log_add_exp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)); equal infinities add up to themselves."""
    real = x.dtype.kind != "c"
    first = P.ge(x, y) if real else P.ge(P.real(x), P.real(y))
    larger, smaller = P.select_n(first, y, x), P.select_n(first, x, y)
    # inf - inf is not needed where the larger one is infinite: the sum is that infinity.
    infinite = getattr(P, "not")(P.is_finite(larger if real else P.real(larger)))
    zero = broadcast_to(lit(x, 0), x.shape)
    rest = P.log1p(P.exp(P.select_n(infinite, P.sub(smaller, larger), zero)))
    return P.add(larger, P.select_n(infinite, rest, zero))


def _weight(x: Any, out: Any) -> Any:
    """exp(x - out), the derivative of `out`; 0 where both are minus infinity."""
    same = P.eq(x, out)
    size = P.exp(P.select_n(same, P.sub(x, out), broadcast_to(lit(x, 0), x.shape)))
    return P.select_n(P.eq(x, lit(x, -np.inf)), size, broadcast_to(lit(x, 0), x.shape))


CumSum("sum", "ifc")
CumProd("prod", "ifc")
CumExtremum("max", "bifc")
CumExtremum("min", "bifc")
CumLogSumExp("logsumexp", "fc")
