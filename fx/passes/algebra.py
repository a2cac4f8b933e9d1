"""Algebraic rules of arithmetic, logic, choices and conversions.

Only what is exact: for floating-point operands the result is the same to the last bit for every
value, infinities and signs of zeros included, and NaN for NaN. So x + 0.0 stays (it makes 0.0 of
-0.0), x + -0.0 goes; x * 0 and x - x stay for floats. Integers wrap around, so for them the rules
of a ring hold.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.ir import Atom, Eqn, Jaxpr, Literal
from fx.core.primitive import P
from fx.passes.rewrite import Rewriter, literal, rewrite
from fx.util import quiet_fp

# From an equation on its current operands to what stands for its one result, or None.
Simplify = Callable[[Rewriter, Eqn], Atom | None]


def algebra(jaxpr: Jaxpr) -> Jaxpr:
    """The program without arithmetic that changes nothing or can be had for less."""
    return rewrite(jaxpr, _RULES)


def one_result(simplify: Simplify) -> Callable[[Rewriter, Eqn], bool]:
    """A rule for `rewrite` from a function that gives the replacement of the one result."""

    def rule(r: Rewriter, eqn: Eqn) -> bool:
        atom = simplify(r, eqn)
        if atom is None:
            return False
        r.replace(eqn.outvars[0], atom)
        return True

    return rule


# ------------------------------------------------------------------ what an operand is
def _kind(atom: Atom) -> str:
    """b, i, f or c; other dtypes (random keys) as NumPy has them."""
    dtype = atom.aval.dtype
    if dtypes.is_floating(dtype):
        return "f"
    return "i" if dtype.kind in "iu" else dtype.kind


def uniform(r: Rewriter, atom: Atom) -> Literal | None:
    """The number that all elements of an atom are, if it is known."""
    if isinstance(atom, Literal):
        return atom
    eqn = r.made_by(atom, "broadcast_in_dim")
    if eqn is not None and isinstance(eqn.invars[0], Literal):
        return eqn.invars[0]
    return None


def _is(r: Rewriter, atom: Atom, value: float) -> bool:
    """Whether all elements are known to be a number, whose sign counts if it is zero."""
    known = uniform(r, atom)
    if known is None or _kind(known) not in "fi":
        return False
    number = float(known.val) if _kind(known) == "f" else int(known.val)
    return number == value and (
        value != 0 or _kind(known) == "i" or math.copysign(1, number) == math.copysign(1, value)
    )


def _of(r: Rewriter, atom: Atom, name: str) -> Atom | None:
    """The operand of the unary primitive that makes an atom."""
    eqn = r.made_by(atom, name)
    return eqn.invars[0] if eqn is not None else None


def _like(r: Rewriter, eqn: Eqn, atom: Atom) -> Atom:
    """An operand as the whole result: repeated if it is a scalar and the result is not."""
    return r.spread(atom, eqn.outvars[0].aval.shape)


def _number(r: Rewriter, eqn: Eqn, value: Any) -> Atom:
    """The result as one number everywhere."""
    aval = eqn.outvars[0].aval
    return r.spread(literal(value, aval), aval.shape)


# ------------------------------------------------------------------ arithmetic
def _add(r: Rewriter, eqn: Eqn) -> Atom | None:
    x, y = eqn.invars
    for a, b in ((x, y), (y, x)):
        if _is(r, b, -0.0):
            return _like(r, eqn, a)
    for a, b in ((x, y), (y, x)):
        negated = _of(r, b, "neg")
        if negated is not None:
            return r.add(P.sub, a, negated)
    return None


def _sub(r: Rewriter, eqn: Eqn) -> Atom | None:
    x, y = eqn.invars
    if _is(r, y, 0.0):
        return _like(r, eqn, x)
    if x is y and _kind(x) == "i":
        return _number(r, eqn, 0)
    if _is(r, x, -0.0):
        return r.add(P.neg, _like(r, eqn, y))
    negated = _of(r, y, "neg")
    return r.add(P.add, x, negated) if negated is not None else None


def _mul(r: Rewriter, eqn: Eqn) -> Atom | None:
    x, y = eqn.invars
    for a, b in ((x, y), (y, x)):
        if _is(r, b, 1):
            return _like(r, eqn, a)
        if _kind(b) == "i" and _is(r, b, 0):
            return _number(r, eqn, 0)
    a, b = _of(r, x, "neg"), _of(r, y, "neg")
    return r.add(P.mul, a, b) if a is not None and b is not None else None


def _div(r: Rewriter, eqn: Eqn) -> Atom | None:
    x, y = eqn.invars
    if _is(r, y, 1):
        return _like(r, eqn, x)
    known = uniform(r, y)
    if known is None or _kind(known) != "f":
        return None
    value = float(known.val)
    if not math.isfinite(value) or abs(math.frexp(value)[0]) != 0.5:
        return None
    with quiet_fp():
        inverse = literal(1 / value, y.aval)  # a power of two as well, if the dtype has it
    if float(inverse.val) != 1 / value:
        return None
    return r.add(P.mul, x, inverse if x.aval.shape else r.spread(inverse, y.aval.shape))


def _neg(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x,) = eqn.invars
    inner = _of(r, x, "neg")
    if inner is not None:
        return inner
    difference = r.made_by(x, "sub") if _kind(x) == "i" else None
    return r.add(P.sub, *difference.invars[::-1]) if difference is not None else None


def _even(r: Rewriter, eqn: Eqn) -> Atom | None:
    """abs, square: functions that do not see a sign. (Without signs, -x is another number.)"""
    inner = _of(r, eqn.invars[0], "neg")
    if inner is None or inner.aval.dtype.kind == "u":
        return None
    return r.add(eqn.primitive, inner)


def _twice_is_nothing(r: Rewriter, eqn: Eqn) -> Atom | None:
    return _of(r, eqn.invars[0], eqn.primitive.name)


def _integer_pow(r: Rewriter, eqn: Eqn) -> Atom | None:
    return eqn.invars[0] if eqn.params["y"] == 1 else None


def _extremum(r: Rewriter, eqn: Eqn) -> Atom | None:
    """max or min, of something with itself or with the end of its dtype."""
    x, y = eqn.invars
    if x is y:
        return x
    end = _end(x.aval.dtype, eqn.primitive.name == "min")
    for a, b in ((x, y), (y, x)):
        known = uniform(r, b)
        if known is not None and end is not None and known.val == end:
            return _like(r, eqn, a)
    return None


@functools.cache
def _end(dtype: np.dtype, upper: bool) -> Any:
    """The largest or smallest number of a dtype, None where there is none."""
    if dtypes.is_floating(dtype):
        end = np.asarray(math.inf if upper else -math.inf).astype(dtype)
        return end if np.isinf(end) else None
    if dtype.kind not in "iu":
        return None
    return np.iinfo(dtype).max if upper else np.iinfo(dtype).min


def _and(r: Rewriter, eqn: Eqn) -> Atom | None:
    return _bits(r, eqn, neutral=_ones(eqn), absorbing=0)


def _or(r: Rewriter, eqn: Eqn) -> Atom | None:
    return _bits(r, eqn, neutral=0, absorbing=_ones(eqn))


def _xor(r: Rewriter, eqn: Eqn) -> Atom | None:
    if eqn.invars[0] is eqn.invars[1]:
        return _number(r, eqn, 0)
    return _bits(r, eqn, neutral=0, absorbing=None)


def _ones(eqn: Eqn) -> int:
    dtype = eqn.outvars[0].aval.dtype
    return 1 if dtype.kind == "b" else int(np.asarray(-1).astype(dtype))


def _bits(r: Rewriter, eqn: Eqn, neutral: int, absorbing: int | None) -> Atom | None:
    x, y = eqn.invars
    if x is y:
        return x
    for a, b in ((x, y), (y, x)):
        known = uniform(r, b)
        if known is not None and int(known.val) == neutral:
            return _like(r, eqn, a)
        if known is not None and int(known.val) == absorbing:
            return _like(r, eqn, known)
    return None


def _not(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x,) = eqn.invars
    inner = _of(r, x, "not")
    if inner is not None:
        return inner
    for name, opposite in (("eq", P.ne), ("ne", P.eq)):
        test = r.made_by(x, name)
        if test is not None:
            return r.add(opposite, *test.invars)
    return None


def _shift(r: Rewriter, eqn: Eqn) -> Atom | None:
    x, by = eqn.invars
    return _like(r, eqn, x) if _is(r, by, 0) else None


_OPPOSITE = {"lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


def _compare(r: Rewriter, eqn: Eqn) -> Atom | None:
    """A count (`iota`) against a number outside of its range, such as a position against 0."""
    (x, y), name = eqn.invars, eqn.primitive.name
    if r.made_by(y, "iota") is not None:
        x, y, name = y, x, _MIRRORED[name]
    count, known = r.made_by(x, "iota"), uniform(r, y)
    if count is None or known is None or x.aval.dtype.kind not in "iu":
        return None
    last, number = x.aval.shape[count.params["dimension"]] - 1, int(known.val)
    if last > np.iinfo(x.aval.dtype).max:
        return None  # it wraps around
    always = {"lt": last < number, "le": last <= number, "gt": number < 0, "ge": number <= 0}
    if always[name]:
        return _number(r, eqn, True)
    return _number(r, eqn, False) if always[_OPPOSITE[name]] else None


# ------------------------------------------------------------------ choices
def _select(r: Rewriter, eqn: Eqn) -> Atom | None:
    which, *cases = eqn.invars
    if all(c is cases[0] for c in cases[1:]):
        return cases[0]
    known = uniform(r, which)
    if known is not None:
        return cases[min(max(int(known.val), 0), len(cases) - 1)]
    turned = _of(r, which, "not") if which.aval.dtype.kind == "b" else None
    return r.add(P.select_n, turned, *cases[::-1]) if turned is not None else None


# ------------------------------------------------------------------ conversions
def _convert(r: Rewriter, eqn: Eqn) -> Atom | None:
    (x,), (out,) = eqn.invars, eqn.outvars
    if x.aval.dtype == out.aval.dtype:
        # Whether a result is weak is seen from outside.
        weak = x.aval.weak_type != out.aval.weak_type
        return None if weak and r.is_result(out) else x
    inner = r.made_by(x, "convert_element_type")
    if inner is None:
        return None
    (source,) = inner.invars
    if not _passes(source.aval.dtype, x.aval.dtype, out.aval.dtype):
        return None
    if source.aval.dtype == out.aval.dtype and source.aval.weak_type == out.aval.weak_type:
        return source
    return r.add(P.convert_element_type, source, **eqn.params)


@functools.cache
def _passes(a: np.dtype, b: np.dtype, c: np.dtype) -> bool:
    """Whether a -> b -> c is a -> c for every value: b holds all of a, and c comes of b as of a."""
    kinds = "".join(_kind_of(d) for d in (a, b, c))
    if "c" in kinds or not _holds(b, a):
        return False
    if a == c or kinds[0] == "b":
        return True
    # Integers wrap around on the way to others, floats saturate. Half precision has no conversion
    # of its own from wide integers: those are rounded twice.
    if kinds[0] == "i" and kinds[1] == "f":
        return kinds[2] == "b"
    return not (kinds[0] == "i" and kinds[2] == "f" and c.itemsize < 4)


def _kind_of(dtype: np.dtype) -> str:
    return "f" if dtypes.is_floating(dtype) else "i" if dtype.kind in "iu" else dtype.kind


def _holds(wide: np.dtype, narrow: np.dtype) -> bool:
    """Whether a dtype has every value of another."""
    kinds = _kind_of(wide) + _kind_of(narrow)
    if kinds[1] == "b":
        return True
    if kinds == "ii":
        w, n = np.iinfo(wide), np.iinfo(narrow)
        return bool(w.min <= n.min and n.max <= w.max)
    if kinds == "fi":
        return np.iinfo(narrow).bits - (narrow.kind == "i") <= dtypes.finfo(wide).nmant + 1
    if kinds == "ff":
        w, n = dtypes.finfo(wide), dtypes.finfo(narrow)
        more = w.nmant >= n.nmant and w.maxexp >= n.maxexp
        return more and w.minexp - w.nmant <= n.minexp - n.nmant
    return False


def _operand(r: Rewriter, eqn: Eqn) -> Atom | None:
    """copy, name, stop_gradient: the identity, once there is no derivative to take."""
    return eqn.invars[0]


_SIMPLIFY: dict[str, Simplify] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "abs": _even,
    "square": _even,
    "conj": _twice_is_nothing,
    "integer_pow": _integer_pow,
    "max": _extremum,
    "min": _extremum,
    "lt": _compare,
    "le": _compare,
    "gt": _compare,
    "ge": _compare,
    "and": _and,
    "or": _or,
    "xor": _xor,
    "not": _not,
    "shift_left": _shift,
    "shift_right_arithmetic": _shift,
    "shift_right_logical": _shift,
    "select_n": _select,
    "convert_element_type": _convert,
    "copy": _operand,
    "name": _operand,
    "stop_gradient": _operand,
}
_RULES = {name: one_result(rule) for name, rule in _SIMPLIFY.items()}
